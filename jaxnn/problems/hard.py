"""Problems that are hard in one way each, so that a rule's weakness has a name.

    deep_sigmoid   gradients vanish from layer to layer
    saddles        a deep linear network near 0: saddle after saddle, each left slowly
    plateau        gradients are tiny far from the only minimum
    ill_scaled     raw measurements, from tenths to thousands: one rate fits no two weights
    label_noise    four of ten training labels are drawn at random; the others' are right
    tiny_batch     one row at a time: the gradient is mostly noise
    huge_batch     all rows at once, few steps: no noise, and no time

Sparse gradients are in `words`. References: Hochreiter 1998, International Journal of Uncertainty,
Fuzziness and Knowledge-Based Systems 6, "The vanishing gradient problem"; Glorot, Bengio 2010,
AISTATS, "Understanding the difficulty of training deep feedforward neural networks"; Saxe,
McClelland, Ganguli 2014, ICLR, "Exact solutions to the nonlinear dynamics of learning in deep
linear neural networks"; Dauphin et al. 2014, NeurIPS, "Identifying and attacking the saddle point
problem"; Schaul, Antonoglou, Silver 2014, ICLR, "Unit tests for stochastic optimization"; LeCun,
Bottou, Orr, Müller 1998, "Efficient BackProp"; Zhang et al. 2017, ICLR, "Understanding deep
learning requires rethinking generalization"; Shallue et al. 2019, JMLR 20, "Measuring the effects
of data parallelism on neural network training".
"""

from __future__ import annotations

import dataclasses

import jax.numpy as jnp
import numpy as np

from jaxnn.errors import bad_value, check_integer, check_seed
from jaxnn.models import MLP
from jaxnn.problems.base import Function, Supervised, Target
from jaxnn.problems.check import check_number
from jaxnn.problems.data import assemble, split_rows
from jaxnn.problems.real import digits, load
from jaxnn.typing import Array, Float

__all__ = [
    "deep_sigmoid",
    "huge_batch",
    "ill_scaled",
    "label_noise",
    "plateau",
    "saddles",
    "tiny_batch",
]


def deep_sigmoid(*, num_hidden: int = 4, units: int = 16, seed: int = 0) -> Supervised:
    """Digits by a deep sigmoid network, whose gradients vanish on the way back.

    A sigmoid passes at most a quarter of the error signal, so the first of `num_hidden` layers of
    `units` gets the least; at the start the loss is log 10 and hardly falls.
    seed: of the split, in [0, 2³²).
    """
    num_hidden = check_integer("deep_sigmoid", "num_hidden", num_hidden, low=1)
    sizes = (64, *(units,) * num_hidden, 10)
    problem = digits(sizes=sizes, activation="sigmoid", seed=seed)
    return dataclasses.replace(problem, name="deep_sigmoid", target=Target("accuracy", 0.8))


def saddles_value(
    point: Float[Array, " dim"], goal: Float[Array, "width width"]
) -> Float[Array, ""]:
    """½ ‖W₃ W₂ W₁ − goal‖², the point being the three matrices, row after row."""
    first, second, third = point.reshape(3, *goal.shape)
    return 0.5 * jnp.sum((third @ second @ first - goal) ** 2)


def saddles(*, width: int = 3, spread: float = 0.3) -> Function:
    """A linear network of three layers near 0, to become diag(4, 2, …): saddle after saddle.

    width: >= 1, of the square matrices. Each direction of the goal is learned in a sudden drop
    after a plateau, at a saddle of the loss, the longer the smaller its value 4/2^i.
    spread: > 0, deviation of the start around 0, itself a saddle without a gradient.
    """
    width = check_integer("saddles", "width", width, low=1)
    spread = check_number("saddles", "spread", spread, low=0)
    if spread == 0:
        raise bad_value("saddles", "spread", "> 0", "0", "At 0 there is no gradient.")
    return Function(
        name="saddles",
        function=saddles_value,
        constants=(np.diag(4 / 2.0 ** np.arange(width)),),
        start=np.zeros(3 * width**2),
        spread=spread,
        minimum=0.0,
        target=Target("loss", 1e-2, "min"),
        domain=((-2.0, 2.0),) * (3 * width**2),
    )


def plateau_value(point: Float[Array, " dim"]) -> Float[Array, ""]:
    """Σ 1 − exp(−xᵢ²/2): a well in each coordinate, flat outside."""
    return jnp.sum(1 - jnp.exp(-(point**2) / 2))


def plateau(*, dim: int = 2, spread: float = 0.2) -> Function:
    """A narrow well in a plain: the gradient of 0.008 at the start, 3.5 away, is to be believed.

    dim: >= 1. spread: >= 0, deviation of the start between seeds. The slope, largest at 1, differs
    by a factor of 80 on the way in, so that a rate for the plain jumps across the well.
    """
    dim = check_integer("plateau", "dim", dim, low=1)
    return Function(
        name="plateau",
        function=plateau_value,
        start=np.full(dim, 3.5),
        spread=check_number("plateau", "spread", spread, low=0),
        optima=np.zeros((1, dim)),
        minimum=0.0,
        target=Target("loss", 1e-2, "min"),
        domain=((-5.0, 5.0),) * dim,
    )


def ill_scaled(*, seed: int = 0) -> Supervised:
    """Wines by softmax regression on raw measurements, from tenths to over a thousand.

    The condition number of XᵀX is about 10⁸. seed: of the split, in [0, 2³²).
    """
    inputs, labels = load("load_wine")
    rows = split_rows(len(inputs), check_seed("ill_scaled", seed), labels=labels)
    target = Target("accuracy", 0.9)
    return assemble("ill_scaled", inputs, labels, MLP((13, 3)), rows, target=target)


def label_noise(*, share: float = 0.4, seed: int = 0) -> Supervised:
    """Digits with wrong labels among the training rows; validation and test rows are right.

    share: in [0, 1], of the training labels that are drawn at random from all ten. seed: of the
    split and of the noise, in [0, 2³²). Who learns the training rows by heart loses.
    """
    share = check_number("label_noise", "share", share, low=0)
    if share > 1:
        raise bad_value("label_noise", "share", "in [0, 1]", f"{share:g}", "Pass for example 0.4.")
    inputs, labels = load("load_digits")
    rows = split_rows(len(inputs), check_seed("label_noise", seed), labels=labels)
    rng = np.random.default_rng(seed)
    spoiled = rows.train[rng.uniform(size=len(rows.train)) < share]
    labels = labels.copy()
    labels[spoiled] = rng.integers(10, size=len(spoiled))
    model, target = MLP((64, 32, 10)), Target("accuracy", 0.88)
    return assemble("label_noise", inputs / 16, labels, model, rows, target=target)


def tiny_batch(*, seed: int = 0) -> Supervised:
    """Digits, one row at a time: the gradient is mostly noise. `seed`: of the split.

    The data and the model are those of `digits`; its budget in the suites has the batch of 1.
    """
    return dataclasses.replace(digits(seed=seed), name="tiny_batch", target=Target("accuracy", 0.9))


def huge_batch(*, seed: int = 0) -> Supervised:
    """Digits, all rows at once for a few steps: no noise, and no time. As for `tiny_batch`."""
    return dataclasses.replace(digits(seed=seed), name="huge_batch", target=Target("accuracy", 0.9))
