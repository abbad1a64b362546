"""Every wrapper, in every structural variant, keeps every contract of a rule."""

from __future__ import annotations

from typing import Any

import jax
import pytest

from jaxnn.optimizers import (
    accumulated,
    adam,
    adaptive_clipped,
    averaged,
    cautious,
    centralized,
    clipped,
    decayed,
    flattened,
    frozen,
    lookahead,
    mechanize,
    momentum,
    partitioned,
    reduce_on_plateau,
    regularized,
    rounded,
    sam,
    schedule_free,
    scheduled,
    sgd,
    skip_non_finite,
    split_complex,
    stored,
)
from jaxnn.optimizers.base import name_of
from jaxnn.schedules import constant
from jaxnn.testing import CONTRACTS, variants


def of_vectors(params: Any) -> Any:
    return jax.tree.map(lambda x: x.ndim < 2, params)


def labels(params: Any) -> Any:
    return jax.tree.map(lambda x: "vectors" if x.ndim < 2 else "matrices", params)


AROUND_ADAM = [
    scheduled(adam, learning_rate=constant),
    clipped(adam),
    adaptive_clipped(adam),
    decayed(adam, of_vectors),
    regularized(adam, of_vectors),
    partitioned({"matrices": adam, "vectors": momentum}, labels),
    frozen(adam, of_vectors),
    accumulated(adam),
    lookahead(adam),
    averaged(adam),
    skip_non_finite(adam),
    cautious(adam),
    centralized(adam),
    sam(adam),
    reduce_on_plateau(adam),
    schedule_free(adam),
    mechanize(adam),
    rounded(adam),
    stored(adam),
    split_complex(adam),
    flattened(adam),
    lookahead(decayed(clipped(adam, by="block"))),
]
# Around a rule that is cheap to compile, and linear, which a wrapper keeps or denies.
WITH_OPTIONS = [clipped, decayed, accumulated, lookahead, averaged, centralized, rounded]
AROUND_SGD = [rule for wrap in WITH_OPTIONS for rule in list(variants(wrap(sgd)))[1:]]
AROUND_MOMENTUM = [stored(momentum, rounding="stochastic"), stored(momentum, "float32")]


@pytest.mark.parametrize("contract", CONTRACTS)
@pytest.mark.parametrize("rule", AROUND_ADAM + AROUND_SGD + AROUND_MOMENTUM, ids=name_of)
def test_contract(rule: Any, contract: str) -> None:
    CONTRACTS[contract](rule)
