"""Figures with intervals, and whether contestants can be told apart.

    intervals      means, interquartile means and medians of runs
    few            whether seeds are too few for them
    paired         two contestants on common seeds: difference, test, size in words, power
    correction     p-values of several questions
    improvement    how often a run of one beats a run of another
    aggregates     scores over problems, by a bootstrap stratified by problem
    profiles       times to targets: performance profiles, AlgoPerf's score, shares solved
    ranks          mean ranks, Friedman's and Nemenyi's tests

Less is better wherever an order matters. Contestants meet the same seeds, so that differences are
paired. Which interval is used for what was measured: `docs/statistics.md`. Built on scipy.stats.
"""

from jaxnn.bench.statistics.aggregates import (
    AGGREGATES,
    Band,
    aggregate,
    aggregate_difference,
    normalized_scores,
    stratified_bootstrap,
)
from jaxnn.bench.statistics.correction import holm
from jaxnn.bench.statistics.few import COVERAGE, few_seeds
from jaxnn.bench.statistics.improvement import (
    Improvement,
    mean_probability_of_improvement,
    probability_of_improvement,
)
from jaxnn.bench.statistics.intervals import (
    Estimate,
    bootstrap_mean_interval,
    iqm,
    iqm_interval,
    mean_interval,
    median_cover,
    median_interval,
)
from jaxnn.bench.statistics.paired import (
    Effect,
    Paired,
    Posterior,
    compare,
    effect,
    posterior,
    power,
    seeds_needed,
)
from jaxnn.bench.statistics.profiles import (
    algoperf_score,
    performance_profile,
    performance_ratios,
    share_solved,
    spread_targets,
    steps_to_targets,
)
from jaxnn.bench.statistics.ranks import (
    RankTable,
    critical_difference,
    friedman,
    groups,
    mean_ranks,
    rank_table,
)

__all__ = [
    "AGGREGATES",
    "COVERAGE",
    "Band",
    "Effect",
    "Estimate",
    "Improvement",
    "Paired",
    "Posterior",
    "RankTable",
    "aggregate",
    "aggregate_difference",
    "algoperf_score",
    "bootstrap_mean_interval",
    "compare",
    "critical_difference",
    "effect",
    "few_seeds",
    "friedman",
    "groups",
    "holm",
    "iqm",
    "iqm_interval",
    "mean_interval",
    "mean_probability_of_improvement",
    "mean_ranks",
    "median_cover",
    "median_interval",
    "normalized_scores",
    "performance_profile",
    "performance_ratios",
    "posterior",
    "power",
    "probability_of_improvement",
    "rank_table",
    "seeds_needed",
    "share_solved",
    "spread_targets",
    "steps_to_targets",
    "stratified_bootstrap",
]
