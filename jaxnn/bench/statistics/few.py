"""Whether there are enough seeds for an interval, by what was measured."""

from __future__ import annotations

from jaxnn.bench.statistics.intervals import median_cover
from jaxnn.errors import check_integer, look_up

__all__ = ["COVERAGE", "few_seeds"]

COVERAGE = {
    "mean": {3: 0.834, 5: 0.905, 10: 0.902, 20: 0.902, 50: 0.931},
    "iqm": {3: 0.928, 5: 0.922, 10: 0.947, 20: 0.950, 50: 0.952},
}
"""How often 95 % intervals (`bootstrap_mean_interval`, `iqm_interval`) of so many lognormal values
(σ = 1) hold the true figure: `benchmarks/interval_coverage.py`, to 0.5 points."""

ENOUGH = 0.93
"""An interval is called one of 95 % down to here."""

_NAMES = {"mean": "mean", "iqm": "interquartile mean", "median": "median"}


def few_seeds(n: int, statistic: str = "mean") -> str:
    """A sentence of warning where n seeds are few for a 95 % interval; empty where they are not.

    n: >= 0. statistic: "mean", "iqm" or "median". For means the figure is that of the next lower
    number of seeds that was measured, at least 3, for skewed values (COVERAGE); for medians it is
    exact.
    Raises TypeError and ValueError for numbers outside of these.

    >>> few_seeds(20, "iqm")
    ''
    >>> few_seeds(5, "median")
    '5 seeds are few for a median: its 95 % interval holds the true value in 94 % of cases.'
    """
    n = check_integer("few_seeds", "n", n, low=0)
    name = look_up("few_seeds", "statistic", statistic, _NAMES)
    if n < 2:
        return f"{n} seed{'' if n == 1 else 's'} {'gives' if n == 1 else 'give'} no interval."
    begin = f"{n} seeds are few for {'an' if name[0] in 'aeiou' else 'a'} {name}:"
    if statistic == "median":
        cover = median_cover(n)
        if cover >= 0.95:
            return ""
        return f"{begin} its 95 % interval holds the true value in {100 * cover:.0f} % of cases."
    measured = COVERAGE[statistic]
    known = max((number for number in measured if number <= n), default=min(measured))
    if measured[known] >= ENOUGH:
        return ""
    return (
        f"{begin} where values are skewed (lognormal, σ = 1), a 95 % interval from {known} holds "
        f"the true value in {100 * measured[known]:.0f} % of cases."
    )
