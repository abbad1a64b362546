"""One trial of a sweep in its block: run there, and looked at alone."""

from __future__ import annotations

import functools
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
from numpy.typing import NDArray

from jaxnn.sweeps.build import Sweep
from jaxnn.sweeps.eager import Seen, look
from jaxnn.sweeps.engine import BlockResult, Engine, Part
from jaxnn.sweeps.plan import Block, Plan
from jaxnn.typing import Staged

__all__ = ["Lane", "find"]


class Lane(NamedTuple):
    """A trial in its block."""

    sweep: Sweep
    group: int
    block: Block
    at: tuple[int, ...]  # which replicate and which setting of the block

    @property
    def plan(self) -> Plan:
        """That of its group."""
        return self.sweep.plans[self.group]

    @property
    def staged(self) -> Staged:
        """The functions of its group, with a status."""
        return self.sweep.staged[self.group]

    def engine(self, length: int | None = None) -> Engine:
        """The program of the sweep, in segments of this length."""
        return self.sweep.programs(length)[self.group].make()

    def run(self, engine: Engine, part: Part | None = None) -> BlockResult:
        """What the trial gave, and its state after a part."""
        found = engine.run(self.plan, self.block, part=part, keep_state=part is not None)
        metrics, curves = (
            {name: x[self.at] for name, x in arrays.items()}
            for arrays in (found.metrics, found.curves)
        )
        return BlockResult(metrics, curves, found.state and [x[self.at] for x in found.state])

    def look(
        self, engine: Engine, before: BlockResult, step: int, *, measured: bool
    ) -> tuple[Seen, Any]:
        """What a step does, or what is measured before it, and the state that it is given."""
        replicate, setting = self.at
        keys = self.plan.keys(self.block)
        key = keys[replicate] if self.plan.common else keys[replicate, setting]
        lanes = self.plan.lanes(self.block)
        hyper = {n: jnp.asarray(x[setting], engine.dtypes[n]) for n, x in lanes.items()}
        like, treedef = jax.tree.flatten(
            jax.jit(functools.partial(_start, self.staged))(key, hyper, self.staged.data)
        )
        state = treedef.unflatten(map(_as_leaf, like, before.state or []))
        failed = functools.partial(_failed, self.staged, step == 0, measured)
        return look(failed, key, hyper, self.staged.data, state, jnp.int32(step)), state


def find(sweep: Sweep, setting: int, replicate: int) -> Lane:
    """The trial of a setting and a replicate, in the block that the sweep runs it in."""
    group = next(k for k, x in enumerate(sweep.groups) if setting in x.members)
    plan = sweep.plans[group]
    block = next(
        x for x in plan.blocks() if setting in plan.global_settings(x) and replicate in x.replicates
    )
    at = (block.replicates, replicate), (plan.global_settings(block), setting)
    return Lane(sweep, group, block, tuple(list(numbers).index(x) for numbers, x in at))


def _start(staged: Staged, key: Any, hyper: Any, data: Any) -> Any:
    prepared = staged.prepare(key, data) if staged.prepare else key
    return jax.tree.map(jnp.asarray, staged.init(prepared, hyper, data))


def _failed(
    staged: Staged,
    begins: bool,
    measured: bool,
    key: Any,
    hyper: Any,
    data: Any,
    state: Any,
    step: Any,
) -> Any:
    """What is looked at: a step, after the start where it is the first, or a measure."""
    state = _start(staged, key, hyper, data) if begins else state
    if measured:
        return staged.measure(state, hyper, data)
    if staged.feed is None:
        return staged.advance(state, hyper, step, data)
    prepared = staged.prepare(key, data) if staged.prepare else key
    fed = jax.tree.map(lambda x: x[0], staged.feed(prepared, step[None], data))
    return staged.advance(state, hyper, step, data, fed)


def _as_leaf(like: Any, numbers: NDArray[Any]) -> Any:
    if jnp.issubdtype(like.dtype, jax.dtypes.prng_key):
        return jax.random.wrap_key_data(jnp.asarray(numbers), impl=jax.random.key_impl(like))
    return jnp.asarray(numbers)
