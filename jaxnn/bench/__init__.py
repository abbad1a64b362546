"""Benchmarks of optimizers whose every figure has an interval, and whose verdict is in words."""

from jaxnn.bench.comparison import Comparison, Verdict
from jaxnn.bench.contest import Outcome, contest
from jaxnn.bench.protocol import QUICK, Protocol
from jaxnn.bench.run import run

__all__ = ["QUICK", "Comparison", "Outcome", "Protocol", "Verdict", "contest", "run"]
