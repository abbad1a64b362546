"""Suites: problems to compare optimizers on, each with the budget it is given there.

    lecture    gates, the saddle, worked examples, points that a line cannot sort
    valleys    functions of a few numbers; quadratics by condition, noisy, and DeepOBS's
    tabular    scikit-learn's data: linear models and small networks, classes and numbers
    vision     digits: convolutional, residual, autoencoders
    sequence   a character model of a real text, copying, addition
    hard       one difficulty each: vanishing or sparse gradients, saddles, plateaus, scales, noise
    small      ten of these, varied and quick

A workload is a problem, so data, model, loss, target and its metric, with a number of steps and a
batch size. In its budget some rule of sgd, momentum and adam reaches the target on every seed at
some rate and misses it at others; but in rastrigin, ackley and styblinski_tang the start decides.
"""

from __future__ import annotations

import dataclasses
import inspect
from collections.abc import Hashable, Mapping
from typing import Any

import jax

from jaxnn.errors import look_up, shown
from jaxnn.problems import table

__all__ = ["SUITES", "WORKLOADS", "Workload", "suite"]


@dataclasses.dataclass(frozen=True)
class Workload:
    """A problem with its budget; its name is the problem's.

    name: in `PROBLEMS`. num_steps: updates, each of one gradient. batch_size: rows of a batch; None
    is all, and the only one where there are no data. source: where the problem comes from. options:
    of the problem's builder; functions start a little elsewhere for each seed, so that seeds
    differ.
    """

    name: str
    num_steps: int
    batch_size: int | None
    source: str
    options: Mapping[str, Hashable] = dataclasses.field(default_factory=dict)

    def build(self) -> Any:
        """The problem, with these options."""
        return table.get(self.name, **self.options)

    def split(self, number: int) -> Workload:
        """The same with its data drawn or split otherwise, `number` times further on; 0 is itself.

        What has no data, or no split of its own to make, stays as it is.

        >>> WORKLOADS["iris"].split(2).options["seed"], WORKLOADS["xor"].split(2).options
        (2, {})
        """
        builder = inspect.signature(table.PROBLEMS[self.name]).parameters
        if not number or "seed" not in builder:
            return self
        seed: Any = self.options.get("seed", builder["seed"].default)
        return dataclasses.replace(self, options={**self.options, "seed": seed + number})

    def describe(self) -> dict[str, Any]:
        """What it consists of: a row of a table, of strings and numbers.

        >>> row = WORKLOADS["iris"].describe()
        >>> row["rows"], row["parameters"], row["target"]
        ('104 + 22 + 23', 131, 'accuracy >= 0.95')
        """
        problem = self.build()
        target, parts = problem.target, (problem.train, problem.validation, problem.test)
        rows = [str(leaves[0].shape[0]) for part in parts if (leaves := jax.tree.leaves(part))]
        params = jax.eval_shape(problem.init, jax.random.key(0))
        loss = next(x for name in _LOSSES if (x := getattr(problem, name, None)))
        return {
            "problem": self.name,
            "rows": " + ".join(rows) or "none",
            "model": shown(problem.model) if hasattr(problem, "model") else "a point",
            "parameters": sum(leaf.size for leaf in jax.tree.leaves(params)),
            "loss": loss if isinstance(loss, str) else loss.__name__,
            "metric": target.metric,
            "target": f"{target.metric} {_SIGNS[target.direction]} {target.threshold:g}",
            "num_steps": self.num_steps,
            "batch_size": self.batch_size,
            "source": self.source,
        }


_LOSSES = ("loss_name", "function", "row_fn", "loss")
"""Where a problem says what its loss is, from the most telling."""

_SIGNS = {"max": ">=", "min": "<="}

_UCI = "UCI Machine Learning Repository, in scikit-learn"
_NEARBY = {"spread": 0.1}

_WORKLOADS = (
    Workload("and", 200, None, "Rosenblatt 1958"),
    Workload("xor", 300, None, "Minsky, Papert 1969"),
    Workload("saddle", 20, None, "Dauphin et al. 2014", _NEARBY),
    Workload("backpropagation", 100, None, "Rumelhart, Hinton, Williams 1986", _NEARBY),
    Workload("moons", 300, 32, "scikit-learn"),
    Workload("circles", 300, 32, "scikit-learn"),
    Workload("spirals", 1000, 32, "Lang, Witbrock 1988"),
    Workload("blobs", 200, 32, "scikit-learn"),
    Workload("quadratic_1", 50, None, "Nesterov 2004", _NEARBY),
    Workload("quadratic", 200, None, "Nesterov 2004", _NEARBY),
    Workload("quadratic_1e4", 500, None, "Nesterov 2004", _NEARBY),
    Workload("quadratic_1e6", 1000, None, "Nesterov 2004", _NEARBY),
    Workload("noisy_quadratic", 300, None, "Zhang et al. 2019"),
    Workload("quadratic_deep", 350, 128, "Schneider, Balles, Hennig 2019"),
    Workload("rosenbrock", 500, None, "Rosenbrock 1960", _NEARBY),
    Workload("beale", 300, None, "Beale 1958", _NEARBY),
    Workload("booth", 100, None, "Jamil, Yang 2013", _NEARBY),
    Workload("himmelblau", 100, None, "Himmelblau 1972", _NEARBY),
    Workload("branin", 200, None, "Branin 1972", _NEARBY),
    Workload("rastrigin", 200, None, "Rastrigin 1974"),
    Workload("ackley", 300, None, "Ackley 1987"),
    Workload("styblinski_tang", 100, None, "Styblinski, Tang 1990"),
    Workload("digits", 500, 32, _UCI),
    Workload("digits_logistic", 500, 32, _UCI),
    Workload("breast_cancer", 150, 32, _UCI),
    Workload("breast_cancer_logistic", 300, 32, _UCI),
    Workload("wine", 100, 32, _UCI),
    Workload("wine_logistic", 200, 32, _UCI),
    Workload("iris", 200, 32, _UCI),
    Workload("iris_logistic", 300, 32, _UCI),
    Workload("diabetes", 300, 32, "Efron, Hastie, Johnstone, Tibshirani 2004"),
    Workload("diabetes_linear", 300, 32, "Efron, Hastie, Johnstone, Tibshirani 2004"),
    Workload("digits_cnn", 400, 32, "LeCun, Bottou, Bengio, Haffner 1998"),
    Workload("digits_residual", 300, 32, "He, Zhang, Ren, Sun 2016"),
    Workload("digits_autoencoder", 800, 32, "Hinton, Salakhutdinov 2006"),
    Workload("digits_vae", 600, 32, "Kingma, Welling 2014"),
    Workload("char_rnn", 500, 32, "Karpathy, Johnson, Fei-Fei 2016"),
    Workload("char_transformer", 500, 32, "Vaswani et al. 2017"),
    Workload("copying", 800, 32, "Hochreiter, Schmidhuber 1997"),
    Workload("addition", 800, 32, "Hochreiter, Schmidhuber 1997"),
    Workload("deep_sigmoid", 1000, 32, "Glorot, Bengio 2010"),
    Workload("saddles", 500, None, "Saxe, McClelland, Ganguli 2014"),
    Workload("plateau", 300, None, "Schaul, Antonoglou, Silver 2014"),
    Workload("ill_scaled", 1000, 32, "LeCun, Bottou, Orr, Müller 1998"),
    Workload("label_noise", 500, 32, "Zhang et al. 2017"),
    Workload("sparse_words", 500, 32, "Duchi, Hazan, Singer 2011"),
    Workload("tiny_batch", 1000, 1, "Shallue et al. 2019"),
    Workload("huge_batch", 60, None, "Shallue et al. 2019"),
)

WORKLOADS: dict[str, Workload] = {workload.name: workload for workload in _WORKLOADS}
"""Names of problems to the budgets that they have in every suite."""


def _suite(names: str) -> tuple[Workload, ...]:
    return tuple(WORKLOADS[name] for name in names.split())


SUITES: dict[str, tuple[Workload, ...]] = {
    "lecture": _suite("and xor saddle backpropagation moons circles spirals blobs"),
    "valleys": _suite(
        "quadratic_1 quadratic quadratic_1e4 quadratic_1e6 noisy_quadratic quadratic_deep "
        "rosenbrock beale booth himmelblau branin rastrigin ackley styblinski_tang"
    ),
    "tabular": _suite(
        "breast_cancer_logistic breast_cancer wine_logistic wine iris_logistic iris "
        "digits_logistic digits diabetes_linear diabetes"
    ),
    "vision": _suite("digits_cnn digits_residual digits_autoencoder digits_vae"),
    "sequence": _suite("char_rnn char_transformer copying addition"),
    "hard": _suite(
        "deep_sigmoid saddles plateau ill_scaled label_noise sparse_words tiny_batch huge_batch"
    ),
    "small": _suite(
        "rosenbrock quadratic_1e4 noisy_quadratic moons breast_cancer_logistic wine diabetes "
        "digits deep_sigmoid sparse_words"
    ),
}
"""Names of suites to their workloads."""


def suite(name: str) -> tuple[Workload, ...]:
    """The workloads of a suite; raises ValueError for an unknown name.

    >>> len(suite("small"))
    10
    """
    return look_up("problems.suite", "name", name, SUITES)
