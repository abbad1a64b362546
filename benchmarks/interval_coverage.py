"""How often 95 % intervals hold the true value, by simulation: why each is what it is.

    python benchmarks/interval_coverage.py [--draws 2000] [--seed 0] [--out docs/statistics.md]

Samples of n normal or lognormal (σ = 1) values; for the mean and the interquartile mean every
candidate method gives an interval, and the table says which share of them holds the true value (by
numerical integration for the interquartile mean) and how wide the median one is. The method of the
library, in bold, is the one that lies within 93–97 % in the most cells; of two that are level, the
narrower. Further tables: figures over ten problems, probabilities of improvement, and how often
copies of one contestant are told apart. --out puts the tables between the marks of that page.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import typer
from numpy.typing import NDArray
from scipy import integrate, special, stats

from jaxnn.bench.statistics import AGGREGATES, mean_probability_of_improvement, stratified_bootstrap
from jaxnn.bench.statistics.aggregates import NUM_RESAMPLES
from jaxnn.bench.statistics.improvement import newcombe_interval
from jaxnn.bench.statistics.studentized import (
    resample_weights,
    studentized,
    trimmed,
    tukey_mclaughlin,
)

Array = NDArray[np.float64]
Ends = tuple[Array, Array]

SEEDS = (3, 5, 10, 20, 50)
ASKED = (10, 20, 50)
DRAW: dict[str, Callable[[np.random.Generator, Any], Array]] = {
    "normal": lambda rng, shape: rng.normal(size=shape),
    "lognormal": lambda rng, shape: rng.lognormal(size=shape),
}
AT_ONCE = 250
BEGIN, END = "<!-- measured: begin -->\n", "<!-- measured: end -->\n"
Z = float(special.ndtri(0.975))


def true_value(name: str, statistic: str) -> float:
    """Of the distribution; the middle half of a lognormal by integrating its quantiles."""
    if name == "normal":
        return 0.0
    if statistic == "mean":
        return math.exp(0.5)
    return 2 * float(integrate.quad(lambda p: math.exp(special.ndtri(p)), 0.25, 0.75)[0])


def student(x: Array, cut: int) -> Ends:
    """Student's t; where something is cut, Tukey and McLaughlin's."""
    return tukey_mclaughlin(x, cut, 0.95)[1:]


def johnson(x: Array, cut: int) -> Ends:
    """Student's interval moved by the skewness (Johnson 1978, JASA 73)."""
    low, high = student(x, cut)
    moved = third_moment(x) / (6 * x.var(axis=1, ddof=1) * x.shape[1])
    return low + moved, high + moved


def hall(x: Array, cut: int) -> Ends:
    """Student's quantiles through a cubic that takes the skewness out (Hall 1992, JRSS B 54)."""
    mean, error = trimmed(x, cut)
    n = x.shape[1]
    skewness = third_moment(x) / x.std(axis=1) ** 3

    def back(quantile: float) -> Array:
        root = np.cbrt(1 + skewness * (quantile / math.sqrt(n) - skewness / (6 * n)))
        return 3 * math.sqrt(n) / skewness * (root - 1) * error

    t = float(special.stdtrit(n - 1, 0.975))
    return mean - back(t), mean - back(-t)


def third_moment(x: Array) -> Array:
    """About the mean."""
    return ((x - x.mean(axis=1, keepdims=True)) ** 3).mean(axis=1)


def percentile(x: Array, cut: int) -> Ends:
    """Quantiles of resampled figures."""
    figures = resampled(x, cut)
    low, high = np.quantile(figures, [0.025, 0.975], axis=1)
    return low, high


def bca(x: Array, cut: int) -> Ends:
    """Quantiles corrected for bias and skewness (Efron 1987, JASA 82)."""
    n, (figure, _) = x.shape[1], trimmed(x, cut)
    figures = np.sort(resampled(x, cut), axis=1)
    below = (figures < figure[:, None]).mean(axis=1) + (figures <= figure[:, None]).mean(axis=1)
    bias = special.ndtri(below / 2)
    fewer = (n - 1) // 4 if cut else 0
    without = np.stack(
        [np.delete(x, i, axis=1)[:, fewer : n - 1 - fewer].mean(axis=1) for i in range(n)], axis=1
    )
    off = without.mean(axis=1, keepdims=True) - without
    acceleration = (off**3).sum(axis=1) / (6 * (off**2).sum(axis=1) ** 1.5)

    def at(z: float) -> Array:
        share = special.ndtr(bias + (bias + z) / (1 - acceleration * (bias + z)))
        place = np.round(share * (figures.shape[1] - 1)).astype(int)
        return np.take_along_axis(figures, place[:, None], axis=1)[:, 0]

    return at(-Z), at(Z)


def bootstrap_t(x: Array, cut: int) -> Ends:
    """The library's."""
    return studentized(x, cut, 0.95, 0)[1:]


def resampled(x: Array, cut: int) -> Array:
    """[samples, resamples] of the trimmed mean."""
    return x @ resample_weights(x.shape[1], cut, 0)[0].T


METHODS: dict[str, dict[str, Callable[[Array, int], Ends]]] = {
    "mean": {
        "Student's t": student,
        "Johnson's t": johnson,
        "Hall's cubic": hall,
        "percentile bootstrap": percentile,
        "BCa bootstrap": bca,
        "studentised bootstrap": bootstrap_t,
    },
    "interquartile mean": {
        "Tukey–McLaughlin's t": student,
        "percentile bootstrap": percentile,
        "BCa bootstrap": bca,
        "studentised bootstrap": bootstrap_t,
    },
}


def covered(statistic: str, draws: int, seed: int) -> dict[str, dict[tuple[str, int], Any]]:
    """method → (distribution, n) → share of intervals that hold the true value, median width."""
    found: dict[str, dict[tuple[str, int], Any]] = {name: {} for name in METHODS[statistic]}
    for number, (name, draw) in enumerate(DRAW.items()):
        true = true_value(name, statistic)
        for n in SEEDS:
            x = np.sort(draw(np.random.default_rng([seed, number, n]), (draws, n)), axis=1)
            cut = 0 if statistic == "mean" else n // 4
            parts = np.array_split(x, math.ceil(draws / AT_ONCE))
            for method, interval in METHODS[statistic].items():
                ends = [interval(part, cut) for part in parts]
                low, high = (np.concatenate(each) for each in zip(*ends, strict=True))
                held = float(np.mean((low <= true) & (true <= high)))
                found[method][name, n] = held, float(np.median(high - low))
    return found


def within(cells: dict[tuple[str, int], Any]) -> int:
    """In how many of the six cells that decide the cover is within 93–97 %."""
    return sum(0.93 <= cells[name, n][0] <= 0.97 for name in DRAW for n in ASKED)


def table_of_one(statistic: str, draws: int, seed: int) -> Iterator[str]:
    """Methods against distributions and seeds."""
    found = covered(statistic, draws, seed)
    columns = [(name, n) for name in DRAW for n in SEEDS]
    yield f"### Coverage of the {statistic}, % (median width)\n\n"
    yield row("method", *(f"{name} {n}" for name, n in columns), "within 93–97 %, 10 seeds or more")
    yield row(*["---"] * (len(columns) + 2))
    for method, cells in found.items():
        count = within(cells)
        shown = f"**{method}**" if METHODS[statistic][method] is bootstrap_t else method
        yield row(shown, *(cell(*cells[c]) for c in columns), f"{count} of {2 * len(ASKED)}")


def cell(held: float, width: float) -> str:
    """Coverage in per cent and a width."""
    return f"{100 * held:.1f} ({width:.3g})"


def row(*cells: str) -> str:
    """A line of a table."""
    return f"| {' | '.join(cells)} |\n"


NUM_PROBLEMS = 10
LEVELS = np.linspace(0.0, 1.0, NUM_PROBLEMS)


def all_aggregates(runs: Array) -> Array:
    """[…, problems, runs] → […, aggregates]."""
    return np.stack([figure(runs) for figure in AGGREGATES.values()], axis=-1)


def whole_bootstrap(x: Array) -> Ends:
    """Percentiles with as many runs of each problem as there are, as rliable has it."""
    *_, n = x.shape
    drawn = np.random.default_rng(0).integers(0, n, (NUM_RESAMPLES, NUM_PROBLEMS, n))
    figures = all_aggregates(np.take_along_axis(x[None], drawn, axis=-1))
    low, high = np.quantile(figures, [0.025, 0.975], axis=0)
    return low, high


def one_less_bootstrap(x: Array) -> Ends:
    """The library's."""
    _, low, high = stratified_bootstrap(x, all_aggregates)
    return low, high


def table_of_problems(draws: int, seed: int) -> Iterator[str]:
    """The stratified bootstrap: n or n − 1 runs of each problem."""
    yield f"### Coverage of figures over {NUM_PROBLEMS} problems, % (median width)\n\n"
    methods = {"n of n runs": whole_bootstrap, "**n − 1 of n runs**": one_less_bootstrap}
    columns = [(name, n) for name in DRAW for n in (5, 10, 20)]
    yield row("figure", "resample", *(f"{name} {n}" for name, n in columns))
    yield row(*["---"] * (len(columns) + 2))
    held = {(figure, method): [] for figure in AGGREGATES for method in methods}
    for number, name in enumerate(DRAW):
        population = DRAW[name](np.random.default_rng(seed), (NUM_PROBLEMS, 200_000))
        true = all_aggregates(LEVELS[:, None] + 0.3 * population)
        for n in (5, 10, 20):
            rng = np.random.default_rng([seed, number, n])
            samples = LEVELS[:, None] + 0.3 * DRAW[name](rng, (draws, NUM_PROBLEMS, n))
            for method, interval in methods.items():
                low, high = (
                    np.stack(each) for each in zip(*(interval(x) for x in samples), strict=True)
                )
                share = ((low <= true) & (true <= high)).mean(axis=0)
                for i, figure in enumerate(AGGREGATES):
                    held[figure, method].append(cell(share[i], np.median(high - low, axis=0)[i]))
    for (figure, method), cells in held.items():
        yield row(figure, method, *cells)


def brunner_munzel(x: Array, y: Array) -> tuple[Array, Array, Array]:
    """Share, low, high by the placements' variances and Student's t (2000, Biometrical J. 42)."""
    beats = (x[:, :, None] < y[:, None, :]).astype(np.float64)
    share = beats.mean(axis=(1, 2))
    of_x = beats.mean(axis=2).var(axis=1, ddof=1) / x.shape[1]
    of_y = beats.mean(axis=1).var(axis=1, ddof=1) / y.shape[1]
    total, n = of_x + of_y, x.shape[1]
    freedom = (n - 1) * total**2 / np.maximum(of_x**2 + of_y**2, 1e-300)
    half = special.stdtrit(np.maximum(freedom, 1.0), 0.975) * np.sqrt(total)
    return share, share - half, share + half


def table_of_improvement(draws: int, seed: int) -> Iterator[str]:
    """Intervals of a probability of improvement."""
    yield "### Coverage of a probability of improvement, % (median width)\n\n"
    probabilities = (0.5, 0.7, 0.9, 0.98)
    yield row("runs", "deviations", "method", *(f"P = {p}" for p in probabilities))
    yield row(*["---"] * (len(probabilities) + 3))
    for n in (5, 10, 20):
        for wider in (1.0, 3.0):
            cells: dict[str, list[str]] = {"Brunner–Munzel": [], "**Newcombe 5**": []}
            for p in probabilities:
                rng = np.random.default_rng([seed, n, int(wider), int(100 * p)])
                apart = float(special.ndtri(p)) * math.hypot(1.0, wider)
                x = rng.normal(size=(draws, n))
                y = apart + wider * rng.normal(size=(draws, n))
                share, *ends = brunner_munzel(x, y)
                for method, (low, high) in zip(
                    cells, (ends, newcombe_interval(share, n, n, 0.95)), strict=True
                ):
                    held = float(np.mean((low <= p) & (p <= high)))
                    cells[method].append(cell(held, float(np.median(high - low))))
            for method, shown in cells.items():
                yield row(str(n), f"1 : {wider:.0f}", method, *shown)


def mean_by_bootstrap(x: Array, y: Array) -> tuple[float, float]:
    """Percentiles of the mean over problems of P(x < y), runs resampled in each, as rliable's."""
    beats = (x[:, :, None] < y[:, None, :]).astype(np.float64)
    n, rng = x.shape[1], np.random.default_rng(0)
    of_x, of_y = rng.multinomial(n, np.full(n, 1 / n), (2, 499, len(x))) / n
    figures = np.einsum("bpj,bpj->b", np.einsum("bpi,pij->bpj", of_x, beats), of_y) / len(x)
    low, high = np.quantile(figures, [0.025, 0.975])
    return float(low), float(high)


def mean_by_library(x: Array, y: Array) -> tuple[float, float]:
    """The library's."""
    return mean_probability_of_improvement(x, y)[1:]


def table_of_mean_improvement(draws: int, seed: int) -> Iterator[str]:
    """Intervals of its mean over problems, some of them won on nearly every run."""
    yield f"### Coverage of its mean over {NUM_PROBLEMS} problems, % (median width)\n\n"
    yield row("method", "P of the problems", *(f"{n} runs" for n in (5, 10, 20)))
    yield row(*["---"] * 5)
    apart = {
        "0.5 to 0.98": np.linspace(0.5, 0.98, NUM_PROBLEMS),
        "0.9 to 0.99": np.linspace(0.9, 0.99, NUM_PROBLEMS),
    }
    methods = {
        "percentile bootstrap": mean_by_bootstrap,
        "**percentile bootstrap, n − 1**": mean_by_library,
    }
    for method, interval in methods.items():
        for name, probabilities in apart.items():
            shift = math.sqrt(2) * special.ndtri(probabilities)[:, None]
            cells = []
            for n in (5, 10, 20):
                rng = np.random.default_rng([seed, n])
                x, y = rng.normal(size=(2, draws, NUM_PROBLEMS, n))
                low, high = np.array([interval(*both) for both in zip(x, y + shift, strict=True)]).T
                true = probabilities.mean()
                held = float(np.mean((low <= true) & (true <= high)))
                cells.append(cell(held, float(np.median(high - low))))
            yield row(method, name, *cells)


def table_of_copies(draws: int, seed: int) -> Iterator[str]:
    """How often copies of one contestant are told apart on disjoint seeds, by chance."""
    yield "### Two copies of one contestant told apart, % of draws\n\n"
    columns = [(name, n) for name in DRAW for n in (5, *ASKED)]
    yield row("test", *(f"{name} {n}" for name, n in columns))
    yield row(*["---"] * (len(columns) + 1))
    found: dict[str, list[str]] = {}
    for number, (name, n) in enumerate(columns):
        rng = np.random.default_rng([seed, number])
        x = DRAW[name](rng, (draws, 5, n))
        first, second = np.triu_indices(5, 1)
        p = np.asarray(stats.ttest_rel(x[:, first], x[:, second], axis=-1).pvalue)
        shares = {
            "Student's, paired, one pair": np.mean(p[:, 0] < 0.05),
            "any of 10 pairs of 5 copies": np.mean(p.min(axis=1) < 0.05),
            "any of 10 pairs, after Holm": np.mean(10 * p.min(axis=1) < 0.05),
        }
        for test, share in shares.items():
            found.setdefault(test, []).append(f"{100 * share:.1f}")
    for test, shown in found.items():
        yield row(test, *shown)


def main(draws: int = 2000, seed: int = 0, out: Path | None = None) -> str:
    """All tables; written between the marks of `out`, which may be a page or a new file."""
    started = time.perf_counter()
    fewer = max(draws // 8, 1)

    def error(num: int) -> str:
        return f"± {100 * math.sqrt(0.95 * 0.05 / num):.1f}"

    lines = [
        f"`python benchmarks/interval_coverage.py --draws {draws} --seed {seed}`: {draws:,} "
        f"samples a cell, so that a coverage of 95 % is known to {error(draws)} points (a standard "
        f"error); {fewer:,} where there are {NUM_PROBLEMS} problems, {error(fewer)} points.\n\n"
    ]
    for part in (
        table_of_one("mean", draws, seed),
        table_of_one("interquartile mean", draws, seed),
        table_of_problems(fewer, seed),
        table_of_improvement(draws, seed),
        table_of_mean_improvement(fewer, seed),
        table_of_copies(draws, seed),
    ):
        lines += [*part, "\n"]
    text = "".join(lines)
    if out is not None:
        page = out.read_text(encoding="utf-8") if out.exists() else BEGIN + END
        before, _, rest = page.partition(BEGIN)
        after = rest.partition(END)[2]
        out.write_text(before + BEGIN + text + END + after, encoding="utf-8")
    print(text)
    print(f"{time.perf_counter() - started:.0f} s")
    return text


if __name__ == "__main__":
    typer.run(main)
