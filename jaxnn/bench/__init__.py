"""Benchmarks of optimizers whose every figure has an interval, and whose verdict is in words."""

from jaxnn.bench.comparison import Comparison, Verdict
from jaxnn.bench.contest import contest
from jaxnn.bench.outcome import Cost, NotRun, Outcome
from jaxnn.bench.protocol import QUICK, Protocol
from jaxnn.bench.run import run
from jaxnn.bench.saved import load

__all__ = [
    "QUICK",
    "Comparison",
    "Cost",
    "NotRun",
    "Outcome",
    "Protocol",
    "Verdict",
    "contest",
    "load",
    "run",
]
