"""Make the golden files of the rules that Optax does not have, by pytorch-optimizer, in float64.

    python tests/golden/make_pytorch_optimizer.py [rule ...]

Run by hand, with torch 2.13.0, pytorch-optimizer 4.1.0 and NumPy, when a rule or a case is added;
commit the files. The cases stand in `cases_<family>.py`.
"""

from __future__ import annotations

import functools
import importlib
import sys

from recording import by_field, record_torch, save

__all__ = ["main"]

FAMILIES = ("adaptive", "momentum", "matrices")


def main() -> None:
    """Write tests/golden/pytorch_optimizer/<rule>.npz for every rule, or for those named."""
    import pytorch_optimizer
    import torch

    torch.set_default_dtype(torch.float64)
    for family in FAMILIES:
        for rule, golden in importlib.import_module(f"cases_{family}").CASES.items():
            if sys.argv[1:] and rule not in sys.argv[1:]:
                continue
            runs = {}
            for label, case in golden.cases.items():
                optimizer = getattr(pytorch_optimizer, case.theirs)
                make = functools.partial(golden.build, optimizer, **case.arguments)
                step = case.step or golden.step
                params, states = record_torch(make, golden.start, golden.grads, step)
                fields = by_field(params, [case.state(state) for state in states])
                runs[label] = case, params, fields
            save("pytorch_optimizer", rule, golden.start, golden.grads, runs, golden.needs)


if __name__ == "__main__":
    main()
