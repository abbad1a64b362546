"""What is compared on: problems, each with the budget of a run on it."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from typing import Any

from jaxnn.bench.protocol import BATCH_SIZE, NUM_STEPS, Protocol
from jaxnn.errors import bad_value
from jaxnn.problems import resolve
from jaxnn.problems.suites import SUITES, WORKLOADS, Workload

__all__ = ["About", "Task", "task", "tasks"]


@dataclasses.dataclass(frozen=True)
class About:
    """What a report says of a problem and of the budget there.

    num_steps: gradient evaluations of a run. batch_size: rows of a batch, None for all.
    record_every: gradient evaluations between validations. target: a `problems.Target` or None.
    facts: in words, by name: the model, the rows, where it comes from.
    """

    name: str
    num_steps: int
    batch_size: int | None
    record_every: int
    target: Any = None
    facts: Mapping[str, Any] = dataclasses.field(default_factory=dict)


@dataclasses.dataclass(frozen=True)
class Task:
    """A problem and the budget of a run on it."""

    problem: Any
    about: About
    workload: Workload | None = None  # what it was built from, which can be split otherwise


def tasks(problems: Any, protocol: Protocol, study: int = 0) -> list[Task]:
    """Those of problems, names, suites and workloads, one or several, in this order.

    study: > 0 for other splits of the data, where a name says how to make them; a problem that is
    given as such has its own. A suite's name stands for its workloads, and a problem's name for the
    one with its budget, where there is one. Raises ValueError for unknown names, and where two have
    the same.
    """
    several = problems if isinstance(problems, list | tuple) else [problems]
    listed: list[Any] = []
    for one in several:
        listed += SUITES[one] if isinstance(one, str) and one in SUITES else [one]
    # A problem that two suites have in common counts once.
    found = [task(one, protocol, study) for one in dict.fromkeys(map(_Same, listed))]
    names = [one.about.name for one in found]
    if not found or len(set(names)) != len(names):
        fix = "Give each a name of its own: problems.classification(..., name=...)."
        raise bad_value("bench.run", "problems", "differently named and at least one", names, fix)
    return found


class _Same:
    """A problem as a key: workloads and names by what they are, others by which they are."""

    def __init__(self, problem: Any) -> None:
        known = WORKLOADS.get(problem) if isinstance(problem, str) else None
        self.problem = known or problem

    def __eq__(self, other: object) -> bool:
        return isinstance(other, _Same) and self.problem is other.problem

    def __hash__(self) -> int:
        return id(self.problem)


def task(problem: Any, protocol: Protocol, study: int = 0) -> Task:
    """The task of a problem, a name of the table, or a workload; raises as `tasks` does."""
    given = problem.problem if isinstance(problem, _Same) else problem
    if isinstance(given, Task):
        if given.workload is None:
            return given
        given = given.workload
    workload = WORKLOADS.get(given) if isinstance(given, str) else given
    workload = workload if isinstance(workload, Workload) else None
    if workload is not None:
        workload = workload.split(study)
        built = workload.build()
        budget, batch_size, facts = workload.num_steps, workload.batch_size, workload.describe()
    else:
        built, budget, batch_size, facts = resolve(given), NUM_STEPS, BATCH_SIZE, {}
    num_steps = protocol.steps(budget)
    rows = protocol.batch_size or batch_size
    if built.train is None:
        rows = None
    elif rows is not None:
        rows = min(rows, built.num_rows)
    target = getattr(built, "target", None)
    about = About(built.name, num_steps, rows, protocol.records(num_steps), target, facts)
    return Task(built, about, workload)
