"""What wrappers share whose rule sees the parameters in another form: in parts, or as a vector."""

from __future__ import annotations

import dataclasses
import functools
from typing import Any, ClassVar

from jaxnn.optimizers import base
from jaxnn.optimizers.wrappers.base import Hyper, State, Wrapper
from jaxnn.typing import Params

__all__ = ["Viewed"]


@dataclasses.dataclass(frozen=True)
class Viewed(Wrapper):
    """A rule that sees a view of all trees: gradients, parameters, and what else it needs."""

    LINEAR_IN_GRADIENTS: ClassVar[bool] = True

    def view(self, whole: Params, params: Params, *, num_axes: int = 0) -> Params:
        """A tree like `params`, with so many leading axes more, in the form the rule sees."""
        raise NotImplementedError

    def whole(self, view: Params, params: Params, like: Params) -> Params:
        """What is seen as `view`: a tree like `params`, in the dtypes of `like`."""
        raise NotImplementedError

    def init(self, params: Params, hyper: Hyper) -> State:
        """The rule's state for the view."""
        return super().init(self.view(params, params), hyper)

    def update(
        self, grads: Params, state: State, params: Params, hyper: Hyper, **extra: Any
    ) -> tuple[Params, State]:
        """One step of the rule on the view. Returns (updates, state)."""
        for name, num_axes in {"per_example_grads": 1, "hessian_diagonal": 0}.items():
            if name in extra:
                extra[name] = self.view(extra[name], params, num_axes=num_axes)
        for name in extra.keys() & {"value_fn", "residual_fn"}:
            extra[name] = functools.partial(_of_view, self, extra[name], params)
        updates, inner = self.rule.update(
            self.view(grads, params),
            state.inner,
            self.view(params, params),
            hyper.inner,
            **extra,
        )
        return self.whole(updates, params, grads), State(inner)

    def evaluation_params(self, state: State, params: Params, hyper: Hyper) -> Params:
        """The rule's."""
        seen = self.view(params, params)
        own = base.evaluation_params(self.rule, state.inner, seen, hyper.inner)
        return self.whole(own, params, params)


def _of_view(wrapper: Viewed, fn: Any, params: Params, view: Params) -> Any:
    return fn(wrapper.whole(view, params, params))
