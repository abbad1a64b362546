"""The contracts of the library as checks that anyone can run on rules and problems of their own."""

from jaxnn.testing.contract import ContractError
from jaxnn.testing.optimizer import CONTRACTS, check_optimizer, variants
from jaxnn.testing.problem import PROBLEM_CONTRACTS, check_problem

__all__ = [
    "CONTRACTS",
    "PROBLEM_CONTRACTS",
    "ContractError",
    "check_optimizer",
    "check_problem",
    "variants",
]
