"""A comparison on paper: the table as text, and a folder of data, a report and pictures."""

from __future__ import annotations

import dataclasses
import json
import math
import platform
import re
import tempfile
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Any

import jax
import numpy as np

import jaxnn
from jaxnn import plots, tables
from jaxnn.bench import papers, saved, words
from jaxnn.bench.latex import markdown_table
from jaxnn.bench.pages import html_page
from jaxnn.bench.statistics import median_cover
from jaxnn.errors import bad_value

if TYPE_CHECKING:
    from jaxnn.bench.comparison import Comparison
    from jaxnn.bench.outcome import Outcome

__all__ = ["headings", "note", "overall_table", "prepare", "rows", "save", "settings"]


def headings(comparison: Comparison, problem: str | None = None) -> list[str]:
    """The heads of `rows`."""
    names = {"steps": "steps to target"}
    figures = [names.get(m, f"test {m.replace('_', ' ')}") for m in comparison.metrics(problem)]
    failed = ["failed"] if any(o.num_failed for o in comparison.on(problem)) else []
    return ["optimizer", *figures, "µs/step", *failed]


def rows(comparison: Comparison, problem: str | None = None) -> list[list[str]]:
    """The table of one problem as text, best test loss first: figures with 95 % intervals."""
    by_name = {o.optimizer: o for o in comparison.on(problem)}
    metrics = comparison.metrics(problem)
    some_failed = "failed" in headings(comparison, problem)
    body = []
    for name in comparison.order("loss", problem):
        outcome = by_name[name]
        figures = (words.estimate(comparison.estimate(name, m, problem), m) for m in metrics)
        failed = f"{outcome.num_failed} of {len(outcome.values('loss'))}"
        body.append([name, *figures, _microseconds(outcome), *[failed] * some_failed])
    return body


def settings(comparison: Comparison, problem: str | None = None) -> list[list[str]]:
    """(optimizer, its best setting as code), in the order of `rows`."""
    by_name = {o.optimizer: o.setting for o in comparison.on(problem)}
    return [[name, words.setting(by_name[name])] for name in comparison.order("loss", problem)]


def overall_table(comparison: Comparison) -> tuple[list[str], list[list[str]]]:
    """Heads and rows of the table over all problems, best score first; no rows for one problem."""
    standings = comparison.standings()
    if standings is None:
        return [], []
    heads, figures = ["optimizer", "score"], [standings.score]
    if standings.soon is not None and standings.solved is not None:
        heads += ["AlgoPerf's", "targets reached"]
        figures += [standings.soon, standings.solved]
    body = [
        [name, *(words.estimate(figure[number]) for figure in figures)]
        for number, name in enumerate(standings.optimizers)
    ]
    if standings.ranks is not None:
        heads.append("mean rank")
        for row, rank in zip(body, standings.ranks.mean_ranks, strict=True):
            row.append(f"{rank:.3g}")
    order = np.argsort([-x.value for x in standings.score], kind="stable")
    return heads, [body[number] for number in order]


def prepare(folder: str | Path) -> Path:
    """`folder`, made where it does not exist, and found to be writable.

    Raises ValueError otherwise, and for one that holds a comparison: nothing is run whose results
    could not be kept, and nothing that was kept is lost.
    """
    path = Path(folder)
    if (path / saved.DOCUMENT).exists():
        fix = "Choose another with --out, or move that one away."
        constraint = "a folder without a comparison in it"
        raise bad_value("report", "out", constraint, repr(str(folder)), fix)
    try:
        path.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=path):
            pass
    except OSError as error:
        fix = "Choose another with --out."
        raise bad_value(
            "report",
            "out",
            "a folder that can be written to",
            f"{str(folder)!r} ({error.strerror})",
            fix,
        ) from None
    return path


def save(comparison: Comparison, folder: Path, *, campaign: str = "") -> Path:
    """Write report.html, report.md, table.tex and .csv, pairs.csv, trials.csv and pictures.

    campaign: the text of its file, which is written too.

    And comparison.json and runs.npz, so that `bench.load` gives the comparison back. All or
    nothing: they are written beside, and moved when they are whole, comparison.json last.
    """
    folder = prepare(folder)
    with tempfile.TemporaryDirectory(prefix=".saving-", dir=folder) as beside:
        _write(comparison, Path(beside), campaign)
        if campaign:
            (Path(beside) / "campaign.toml").write_text(campaign, encoding="utf-8")
        whole = sorted(Path(beside).iterdir(), key=lambda path: path.name == saved.DOCUMENT)
        for path in whole:
            path.replace(folder / path.name)
    return folder


def _write(comparison: Comparison, folder: Path, campaign: str) -> None:
    table = comparison.table()
    tables.write_csv(table, folder / "table.csv")
    tables.write_csv(comparison.trials(), folder / "trials.csv")
    if len(comparison.optimizers) > 1:
        tables.write_csv(comparison.pairs(), folder / "pairs.csv")
    (folder / "table.tex").write_text(papers.latex(comparison), encoding="utf-8")
    document = {
        **saved.description(comparison),
        "made_with": _provenance(),
        "summary": {p: comparison.summary(p) for p in comparison.problems},
        "table": [dict(zip(table, row, strict=True)) for row in zip(*table.values(), strict=True)],
    }
    columns: dict[str, Any] = saved.arrays(comparison)
    np.savez_compressed(folder / saved.ARRAYS, **columns)
    (folder / saved.DOCUMENT).write_text(
        json.dumps(_plain(document), indent=1, allow_nan=False) + "\n", encoding="utf-8"
    )
    lines = ["# Comparison of optimizers", ""]
    for problem in comparison.problems:
        pictures = _pictures(comparison, problem, folder)
        lines += [f"## {problem}", "", *(f"- {text}" for text in comparison.summary(problem)), ""]
        lines += [
            _table(comparison, problem),
            note(comparison, problem),
            "",
            markdown_table(["optimizer", "best setting"], settings(comparison, problem)),
            *(f"![{what}]({name}.png)" for what, name in pictures.items()),
            "",
        ]
    heads, body = papers.overall_cells(comparison)
    if body:
        lines += ["## Over all problems", "", *(f"- {text}" for text in comparison.overall()), ""]
        lines += [markdown_table(heads, body)]
    lines += [f"- {text}" for text in words.unplayed(comparison)]
    protocol = ", ".join(f"{k} {v}" for k, v in dataclasses.asdict(comparison.protocol).items())
    made = ", ".join(f"{k} {v}" for k, v in _provenance().items())
    lines += [f"Protocol: {protocol}.", "", f"Made with {made}.", ""]
    (folder / "report.md").write_text("\n".join(lines), encoding="utf-8")
    page = html_page(comparison, campaign=campaign, provenance=_provenance())
    (folder / "report.html").write_text(page, encoding="utf-8")


def _table(comparison: Comparison, problem: str) -> str:
    """The figures, and what `rows` has besides, as Markdown."""
    heads, body = papers.problem_cells(comparison, problem)
    rest = slice(len(heads), None)
    joined = [
        [*row, *text[rest]] for row, text in zip(body, rows(comparison, problem), strict=True)
    ]
    return markdown_table([*heads, *headings(comparison, problem)[rest]], joined)


def note(comparison: Comparison, problem: str | None = None) -> str:
    """What the brackets and columns of the table mean."""
    protocol = comparison.protocol
    over = "the evaluation seeds" if protocol.studies == 1 else words.replicates(protocol)
    sentences = [f"Brackets: 95 % intervals over {over}, of means by the studentised bootstrap."]
    if "steps" in comparison.metrics(problem):
        cover = 100 * median_cover(protocol.replicates)
        sentences.append(
            f"Steps: their median, its interval between order statistics ({cover:.1f} % with so "
            "many seeds); who beats whom goes by the means, a run that never arrives counting as "
            "its last step."
        )
    sentences.append(
        "µs/step: wall time of one network's step, in the fastest block, while contestants shared "
        "the cores: it may be off by a factor of 3 and ranks nobody; – where that was too short "
        "to tell."
    )
    return " ".join(sentences)


def _pictures(comparison: Comparison, problem: str, folder: Path) -> dict[str, str]:
    """Names of pictures, each as PNG and as SVG, by what they show."""
    outcomes = comparison.on(problem)
    safe = re.sub(r"[^\w.-]+", "-", problem)
    suffix = "" if len(comparison.problems) == 1 else f"_{safe}"
    curve = next((n for n in ("validation_loss",) if n in outcomes[0].updates), "loss")
    steps = np.arange(1, comparison.about(problem).num_steps + 1)
    figures = {
        "Learning curves": plots.learning_curves(
            {o.optimizer: (steps, o.curve(curve)) for o in outcomes},
            ylabel=curve.replace("_", " "),
            title=f"{problem}: learning curves at each optimizer's best setting",
        )
    }
    swept = {
        o.optimizer: (o.evaluation.columns[number], _finite_or_nan(o), o.setting[number])
        for o in outcomes
        for number in o.setting
        if number.endswith("learning_rate") and len(np.unique(o.evaluation.columns[number])) > 1
    }
    if swept:  # none where nothing was tuned
        figures["Sensitivity"] = plots.sensitivity(
            swept,
            xlabel="learning rate",
            ylabel="test loss",
            title=f"{problem}: every setting on fresh seeds; chosen on validation rows",
        )
    names = {what: what.lower().replace(" ", "_") + suffix for what in figures}
    for what, figure in figures.items():
        for kind in ("png", "svg"):
            plots.save(figure, folder / f"{names[what]}.{kind}")
    return names


def _microseconds(outcome: Outcome) -> str:
    micros = outcome.cost.microseconds
    return "–" if math.isnan(micros) else f"{micros:.0f}"


def _finite_or_nan(outcome: Any) -> Any:
    columns = outcome.evaluation.columns
    return np.where(columns["status"] == 0, columns["loss"], np.nan)


def _provenance() -> dict[str, str]:
    packages = {name: version(name) for name in ("jax", "jaxlib", "optax", "numpy")}
    device = jax.devices()[0]
    return {
        "jaxnn": jaxnn.__version__,
        **packages,
        "python": platform.python_version(),
        "device": f"{device.device_kind} × {jax.local_device_count()}",
    }


def _plain(value: Any) -> Any:
    """For JSON: NumPy scalars as Python's, and None for what is not a finite number."""
    if isinstance(value, dict):
        return {str(k): _plain(v) for k, v in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(v) for v in value]
    value = value.item() if isinstance(value, np.generic) else value
    return None if isinstance(value, float) and not math.isfinite(value) else value
