"""Make docs/problems.md: every problem of every suite, and what it consists of.

python docs/make_problems.py
"""

from __future__ import annotations

import pathlib

from jaxnn.bench.latex import markdown_table
from jaxnn.problems.suites import SUITES, Workload

FILE = pathlib.Path(__file__).with_name("problems.md")

HEAD = """# Problems

Each has its data, model, loss, metric, budget (updates of one gradient each, and rows of a batch),
target and source. `jaxnn bench --suite NAME` compares optimizers on a suite, `--problem iris,wine`
on some of them, and `problems.get("iris")` gives one. Rows are those of training, validation and
test; iris lists one of its 150 flowers twice, which counts once.

A problem of your own, from arrays:

```python
import numpy as np
from jaxnn import bench, problems
from jaxnn.bench import QUICK
from jaxnn.models import MLP

rng = np.random.default_rng(0)
x = rng.normal(size=(200, 4))
y = (x[:, 0] * x[:, 1] > 0).astype(int)
problem = problems.classification(x, y, model=MLP((4, 16, 2)), name="signs")
found = bench.run(["sgd", "adam"], problem, QUICK)
print(*found.summary(), sep="\\n")
```

`problems.regression(x, y, ...)` is for numbers, `jaxnn bench --problem my_module:my_problem` takes
one from a module, and `jaxnn.testing.check_problem` checks a class of your own. Images come from
files: `mnist(folder)`, `fashion_mnist(folder)`, `cifar10(path)` and `openml(name)` in
`jaxnn.problems.loaders` compare checksums, and `image_classification(images)` makes a problem of
them.

This page is made by `docs/make_problems.py`.
"""

ABOUT = {
    "lecture": "Gates, the saddle, worked examples, points that a line cannot sort.",
    "valleys": "Functions of a few numbers; quadratics by condition, noisy, and DeepOBS's.",
    "tabular": "Data of scikit-learn: linear models and small networks, classes and numbers.",
    "vision": "Digits: convolutional, residual, autoencoders.",
    "sequence": "A character model of a real text, copying, addition.",
    "hard": "One difficulty each: vanishing or sparse gradients, saddles, plateaus, scales, noise.",
    "small": "Ten of these, varied and quick: the suite for a first answer.",
}

HEADINGS = ["problem", "rows", "model", "parameters", "loss", "target", "steps", "batch", "source"]


def row(workload: Workload) -> list[str]:
    """What it consists of."""
    facts = workload.describe()
    model = facts["model"].partition("(")[0]
    batch = facts["batch_size"]
    return [
        facts["problem"],
        facts["rows"],
        model,
        f"{facts['parameters']:,}",
        facts["loss"].replace("_", " "),
        facts["target"].replace("<=", "≤").replace(">=", "≥"),
        f"{facts['num_steps']:,}",
        "all" if batch is None else str(batch),
        facts["source"],
    ]


def text() -> str:
    """The page."""
    parts = [HEAD]
    for name, workloads in SUITES.items():
        parts.append(f"## {name}\n\n{ABOUT[name]}\n")
        if name == "small":
            parts.append(", ".join(workload.name for workload in workloads) + "\n")
        else:
            parts.append(markdown_table(HEADINGS, [row(workload) for workload in workloads]))
    return "\n".join(parts)


if __name__ == "__main__":
    FILE.write_text(text(), encoding="utf-8")
