"""Ranks of contestants over problems: their means, whether they differ, and which are level."""

from __future__ import annotations

import itertools
import math
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from jaxnn.bench.statistics.checks import array, failed_last
from jaxnn.bench.statistics.correction import holm
from jaxnn.errors import bad_value, check_integer

__all__ = ["RankTable", "critical_difference", "friedman", "groups", "mean_ranks", "rank_table"]


def mean_ranks(scores: ArrayLike) -> NDArray[np.float64]:
    """Mean over problems of a contestant's rank on each, 1 for the lowest score; ties share theirs.

    scores: [contestants, problems], less is better; NaN is as bad as +∞. Returns [contestants], in
    [1, contestants]; NaN without problems.
    Raises TypeError and ValueError for what is not two axes of real numbers.
    Source: Demšar 2006, JMLR 7, "Statistical Comparisons of Classifiers over Multiple Data Sets".

    >>> mean_ranks([[1, 1, 1], [2, 2, 0], [3, 2, float("nan")]]).round(2).tolist()
    [1.33, 1.83, 2.83]
    """
    ranks = _ranks("mean_ranks", scores)
    return ranks.mean(axis=1) if ranks.size else np.full(len(ranks), math.nan)


def _ranks(where: str, scores: ArrayLike) -> NDArray[np.float64]:
    from scipy.stats import rankdata

    x = failed_last(array(where, "scores", scores, ("contestants", "problems")))
    return rankdata(x, axis=0) if x.size else x


def friedman(scores: ArrayLike) -> tuple[float, float]:
    """Whether contestants differ in rank at all: Iman and Davenport's F, and its p-value.

    scores: as of `mean_ranks`. Where all problems agree on one order F is ∞ and the p-value that of
    chance, k!^(1 − N); where all scores are level it is 1; with fewer than 2 contestants or
    problems both are NaN. The distribution is rough for fewer than about 10 problems.
    Raises TypeError and ValueError for what is not two axes of real numbers.
    Source: Friedman 1937, JASA 32; Iman and Davenport 1980, Communications in Statistics A 9.

    >>> [round(x, 3) for x in friedman([[1, 1, 1, 2], [2, 2, 3, 1], [3, 3, 2, 3]])]
    [3.857, 0.084]
    """
    return _friedman(_ranks("friedman", scores))


def _friedman(ranks: NDArray[np.float64]) -> tuple[float, float]:
    from scipy.special import fdtrc

    k, n = ranks.shape
    if k < 2 or n < 2:
        return math.nan, math.nan
    middle = n * (k + 1) / 2
    total = float((ranks**2).sum()) - middle * (k + 1) * k / 2
    if total == 0:  # level on every problem
        return 0.0, 1.0
    chi = (k - 1) * float(((ranks.sum(axis=1) - middle) ** 2).sum()) / total
    left = n * (k - 1) - chi
    if left <= 1e-9 * chi:
        return math.inf, math.factorial(k) ** (1.0 - n)
    statistic = (n - 1) * chi / left
    return statistic, float(fdtrc(k - 1, (k - 1) * (n - 1), statistic))


def critical_difference(
    num_contestants: int, num_problems: int, significance: float = 0.05
) -> float:
    """By how much two mean ranks must differ for Nemenyi's test to tell them apart.

    All pairs are asked at once: q_α √(k(k + 1)/(6N)), q_α the quantile of the studentised range of
    k over √2. num_contestants >= 2, num_problems >= 1, significance in (0, 1).
    Raises TypeError and ValueError for numbers outside of these.
    Source: Nemenyi 1963; Demšar 2006, JMLR 7, table 5a (whose q for 5 at 5 % is 2.728).

    >>> round(critical_difference(5, 1) / math.sqrt(5 * 6 / 6), 3)
    2.728
    """
    from scipy.stats import studentized_range

    where = "critical_difference"
    k = check_integer(where, "num_contestants", num_contestants, low=2)
    n = check_integer(where, "num_problems", num_problems, low=1)
    if not 0 < significance < 1:
        raise bad_value(where, "significance", "in (0, 1)", significance, "Did you mean 0.05?")
    q = float(studentized_range.ppf(1 - significance, k, math.inf)) / math.sqrt(2)
    return q * math.sqrt(k * (k + 1) / (6 * n))


def groups(ranks: ArrayLike, difference: float) -> tuple[tuple[int, ...], ...]:
    """Contestants that cannot be told apart: the bars of a critical difference diagram.

    ranks: [contestants], mean ranks. Each group is as long as the distance between its ends allows,
    at most `difference`, best first, and in no other; who is alone is in none.
    Raises TypeError and ValueError for what is not one axis of real numbers.

    >>> groups([1.2, 3.5, 2.0, 2.4], 1.2)
    ((0, 2, 3), (3, 1))
    """
    x = array("groups", "ranks", ranks, ("contestants",))
    order = np.argsort(x, kind="stable")
    found: list[tuple[int, ...]] = []
    reached = 0
    for start in range(len(order)):
        end = start + int(np.count_nonzero(x[order[start:]] - x[order[start]] <= difference))
        if end - start > 1 and end > reached:
            found.append(tuple(int(i) for i in order[start:end]))
            reached = end
    return tuple(found)


class RankTable(NamedTuple):
    """What ranks over problems say of k contestants."""

    mean_ranks: NDArray[np.float64]  # [k], 1 is best
    statistic: float  # Iman and Davenport's F
    p_value: float  # of no difference among all; post hoc figures mean little unless it is small
    critical_difference: float  # Nemenyi's, for mean ranks
    groups: tuple[tuple[int, ...], ...]  # indices that Nemenyi's test cannot tell apart, best first
    p_values: NDArray[np.float64]  # [k, k], Wilcoxon's for each pair, Holm-corrected over all


def rank_table(scores: ArrayLike, significance: float = 0.05) -> RankTable:
    """Mean ranks, Friedman's test, Nemenyi's groups and Holm-corrected pairs in one.

    scores: [contestants, problems], less is better; NaN is as bad as +∞. At least 2 contestants and
    1 problem. Ranks need no common scale; the pairs do (Wilcoxon's test orders differences between
    problems): give scores on one scale there, or read the groups alone. A pair that is equal on all
    problems has p = 1; the diagonal is 1.
    Raises TypeError and ValueError for numbers outside of these.
    Source: Demšar 2006, JMLR 7; for pairs Benavoli, Corani, Mangili 2016, JMLR 17 (mean ranks of a
    pair depend on who else takes part); Wilcoxon 1945, Biometrics Bulletin 1; Pratt 1959, JASA 54
    (zeros).
    """
    ranks = _ranks("rank_table", scores)
    k, n = ranks.shape
    cd = critical_difference(k, n, significance)
    statistic, p_value = _friedman(ranks)
    x = failed_last(np.asarray(scores, np.float64))
    pairs = list(itertools.combinations(range(k), 2))
    corrected = holm([_wilcoxon(x[i], x[j]) for i, j in pairs])
    p_values = np.ones((k, k))
    for (i, j), p in zip(pairs, corrected, strict=True):
        p_values[i, j] = p_values[j, i] = p
    means = ranks.mean(axis=1)
    return RankTable(means, statistic, p_value, cd, groups(means, cd), p_values)


def _wilcoxon(a: NDArray[np.float64], b: NDArray[np.float64]) -> float:
    from scipy.stats import rankdata, wilcoxon

    with np.errstate(invalid="ignore", over="ignore"):
        differences = np.where(a == b, 0.0, a - b)
    if not differences.any():
        return 1.0
    # The test sees only the order of sizes: ranks in their place keep ∞ out of its arithmetic.
    sizes = np.abs(differences)
    ranked = np.sign(differences) * (rankdata(sizes, "dense") - (sizes == 0).any())
    found: Any = wilcoxon(ranked, zero_method="pratt")
    return float(found.pvalue)
