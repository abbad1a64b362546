"""`jaxnn bench`: compare optimizers, with an interval around every figure."""

from __future__ import annotations

import contextlib
import dataclasses
import datetime
import functools
import shlex
import threading
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from jaxnn.cli.interrupts import noted

if TYPE_CHECKING:
    from jaxnn.bench import Comparison, Protocol
    from jaxnn.bench.campaign import Campaign

__all__ = ["DEFAULT_OPTIMIZERS", "bench"]

DEFAULT_OPTIMIZERS = "sgd,momentum,nesterov,adagrad,rmsprop,adadelta,adam,adamw"
DEFAULT_PROBLEM = "digits"

STORE = "runs.db"


def bench(
    optimizers: Annotated[
        list[str] | None,
        typer.Option(
            "--optimizers",
            "--optimizer",
            help="Contestants with commas between: adam, rmsprop(centered=True), clipped(adamw), "
            "scheduled(adam, learning_rate=cosine), optax:lion, my_module:my_rule.",
            show_default=DEFAULT_OPTIMIZERS.replace(",", ", "),
        ),
    ] = None,
    problem: Annotated[
        list[str] | None,
        typer.Option(
            "--problem",
            "--problems",
            help="Names of `jaxnn list problems` with commas between, or module:attribute of your "
            "own.",
            show_default=DEFAULT_PROBLEM,
        ),
    ] = None,
    suite: Annotated[
        list[str] | None,
        typer.Option(help="Problems with budgets of their own: small, or others of the list."),
    ] = None,
    steps: Annotated[
        int | None,
        typer.Option(
            help="Gradient evaluations of a trial.", show_default="the problem's own, or 500"
        ),
    ] = None,
    trials: Annotated[
        int | None,
        typer.Option(
            help="Tuning trials for each optimizer; 0 runs default numbers.", show_default="16"
        ),
    ] = None,
    seeds: Annotated[
        int | None, typer.Option(help="Fresh seeds for the figures, 2 or more.", show_default="10")
    ] = None,
    studies: Annotated[
        int | None,
        typer.Option(
            help="Do it all so often, with other splits of the data and other tuning seeds: "
            "intervals then cover tuning too.",
            show_default="1",
        ),
    ] = None,
    seed: Annotated[
        int | None,
        typer.Option(help="Decides everything random, in [0, 4294967296).", show_default="0"),
    ] = None,
    schedule: Annotated[
        str | None,
        typer.Option(
            help="Each optimizer once without and once with this schedule of its rate: cosine, or "
            "others of the list."
        ),
    ] = None,
    set_: Annotated[
        list[str] | None,
        typer.Option("--set", help="Hold a number fixed: adam.b1=0.8. May be repeated."),
    ] = None,
    quick: Annotated[
        bool, typer.Option("--quick", help="A first look: 8 trials, 5 seeds, 200 steps.")
    ] = False,
    budget: Annotated[
        str | None,
        typer.Option(
            help="Seeds, trials and problems are cut down until it fits: 60s, 10m, 1.5h.",
            show_default="none",
        ),
    ] = None,
    campaign: Annotated[
        Path | None,
        typer.Option(help="All of the above from a file, as every folder of results holds one."),
    ] = None,
    out: Annotated[
        Path | None,
        typer.Option(help="Folder for the results.", show_default="jaxnn-results/bench-TIME"),
    ] = None,
    store: Annotated[
        Path | None,
        typer.Option(
            help="File that keeps what is done, for going on and for later contestants.",
            show_default=f"{STORE} in that folder",
        ),
    ] = None,
) -> None:
    """Compare optimizers: each is tuned with the same budget, then run on fresh seeds.

    Ends with a table, a verdict in words, and a folder of data, a report and pictures.
    """
    from jaxnn.cli.devices import set_up

    set_up()
    from jaxnn.bench import report
    from jaxnn.cli.budget import seconds_of, within
    from jaxnn.errors import bad_value

    given = {
        "optimizers": ",".join(optimizers) if optimizers else None,
        "problem": ",".join(problem) if problem else None,
        "suite": ",".join(suite) if suite else None,
        "steps": steps,
        "trials": trials,
        "seeds": seeds,
        "studies": studies,
        "seed": seed,
        "schedule": schedule,
        "set": set_ or None,
        "quick": quick or None,
    }
    time_left = None if budget is None else seconds_of(budget)
    wanted = _campaign(campaign, {k: x for k, x in given.items() if x is not None})
    job = _Job.of(wanted)
    if time_left is not None:
        wanted, kept_problems = within(time_left, wanted, job.rules, job.problems)
        job = job.cut(wanted.protocol, kept_problems)
        typer.echo(wanted.remark)
    if out == Path():
        fix = "Name a new one, or leave --out away."
        raise bad_value("bench", "out", "a folder of its own", "the current one", fix)
    stamp = datetime.datetime.now().astimezone().strftime("%Y%m%d-%H%M%S")
    folder = Path("jaxnn-results") / f"bench-{stamp}" if out is None else out
    with noted() as ctrl_c:  # a comparison that is done is saved whole
        missing = [path for path in (folder, *folder.parents) if not path.exists()]
        report.prepare(folder)
        kept = folder / STORE if store is None else store
        try:
            comparison = job.compared(kept)
        except KeyboardInterrupt:
            if _is_begun(kept):
                _tell_how_to_go_on(wanted, folder, store)
                raise typer.Exit(130) from None
            _undo(missing, kept)
            raise
        except BaseException:
            _undo(missing, kept)
            raise
        _show(comparison)
        report.save(comparison, folder, campaign=wanted.to_toml())
        typer.echo(f"Results: {folder}\nReport:  {folder / 'report.html'}")
    if ctrl_c.pressed:
        typer.echo("stopped: the results were saved", err=True)
        raise typer.Exit(130)


def _campaign(file: Path | None, given: dict[str, Any]) -> Campaign:
    """What the options say, or the file. Raises ValueError where both do."""
    from jaxnn.bench import QUICK, Protocol
    from jaxnn.bench.campaign import Campaign, load_campaign
    from jaxnn.cli.contestants import load_contestants, parse_fixed, split, with_schedule
    from jaxnn.errors import bad_value
    from jaxnn.optimizers.base import name_of

    if file is not None:
        if given:
            fix = "Change the file, or leave --campaign away."
            got = f"--{next(iter(given))} besides"
            raise bad_value("bench", "campaign", "given alone: it says all the rest", got, fix)
        return load_campaign(file)
    names = {"steps": "num_steps", "trials": "tuning_trials", "seeds": "evaluation_seeds"}
    base = dataclasses.asdict(QUICK if given.get("quick") else Protocol())
    chosen = {names.get(n, n): given[n] for n in (*names, "studies", "seed") if n in given}
    contestants = tuple(split(given.get("optimizers", DEFAULT_OPTIMIZERS)))
    if "schedule" in given:
        contestants = tuple(with_schedule(list(contestants), given["schedule"]))
    default = "" if "suite" in given else DEFAULT_PROBLEM
    listed = f"{given.get('suite', '')},{given.get('problem', default)}"
    protocol = Protocol(**{**base, **chosen})
    fixed = {}
    if "set" in given:
        found = load_contestants(",".join(contestants), check=False)
        fixed = parse_fixed(given["set"], tuple(map(name_of, found)))
    return Campaign(contestants, tuple(split(listed)), protocol, fixed)


@dataclasses.dataclass(frozen=True)
class _Job:
    """A campaign whose contestants and problems were found."""

    rules: list[Any]
    problems: list[Any]
    protocol: Protocol
    fixed: dict[str, dict[str, float]]

    @classmethod
    def of(cls, campaign: Campaign) -> _Job:
        """Raises ValueError and TypeError for whatever `bench.run` would."""
        from jaxnn.bench.run import contestants
        from jaxnn.bench.tasks import tasks
        from jaxnn.cli.contestants import load_contestants
        from jaxnn.cli.load import load_problems

        rules = load_contestants(",".join(campaign.optimizers), tell=_tell)
        fixed = {name: dict(numbers) for name, numbers in campaign.fixed.items()}
        contestants(rules, fixed)
        problems = tasks(load_problems(campaign.problems), campaign.protocol)
        return cls(rules, problems, campaign.protocol, fixed)

    def cut(self, protocol: Protocol, problems: tuple[str, ...]) -> _Job:
        """The same with less of everything."""
        kept = [one for one in self.problems if one.about.name in problems]
        return dataclasses.replace(self, problems=kept, protocol=protocol)

    def compared(self, store: Path) -> Comparison:
        """The comparison, with its progress on the screen. Ctrl-C raises KeyboardInterrupt."""
        from rich.console import Console

        from jaxnn.bench import run
        from jaxnn.cli.background import in_background
        from jaxnn.cli.progress import ContestProgress
        from jaxnn.optimizers.base import name_of

        console, protocol = Console(), self.protocol
        console.print(_header(self), highlight=False)
        threading.Thread(target=_import_late, daemon=True).start()
        names = list(map(name_of, self.rules))
        number = len(self.problems) * protocol.studies
        with ContestProgress(console, names, number) as progress:
            return in_background(
                functools.partial(
                    run,
                    self.rules,
                    self.problems,
                    protocol,
                    fixed=self.fixed,
                    store=store,
                    progress=progress,
                )
            )


def _header(job: _Job) -> str:
    protocol, number = job.protocol, len(job.rules)
    tuning = (
        f"{protocol.tuning_trials} tuning trials × {protocol.tuning_seeds} seeds"
        if protocol.tuning_trials
        else "default numbers"
    )
    budgets = sorted({one.about.num_steps for one in job.problems})
    steps = f"{budgets[0]}" if len(budgets) == 1 else f"{budgets[0]} to {budgets[-1]}"
    several = len(job.problems) > 1
    name = f"{len(job.problems)} problems" if several else job.problems[0].about.name
    studies = "" if protocol.studies == 1 else f" × {protocol.studies} studies"
    return (
        f"[bold]{name}[/bold]: {number} optimizer{'s' * (number > 1)} × ({tuning} + "
        f"{protocol.evaluation_seeds} fresh seeds) × {steps} steps{studies}"
    )


def _is_begun(store: Path) -> bool:
    """Whether a store holds anything."""
    from jaxnn.sweeps import Store, StoreError

    try:
        with Store.open(store, read_only=True) as kept:
            return bool(kept.names())
    except (StoreError, ValueError):  # none, or none that can be read
        return False


def _tell_how_to_go_on(campaign: Campaign, folder: Path, store: Path | None) -> None:
    file = folder / "campaign.toml"
    file.write_text(campaign.to_toml(), encoding="utf-8")
    parts = ["jaxnn", "bench", "--campaign", str(file), "--out", str(folder)]
    parts += [] if store is None else ["--store", str(store)]
    typer.echo(f"stopped; what is done is kept. Go on with: {shlex.join(parts)}", err=True)


def _undo(missing: list[Path], store: Path) -> None:
    """Take away the folders that were made, and an empty store in them."""
    with contextlib.suppress(OSError):  # somebody has put something there
        if store.parent in missing and not _is_begun(store):
            for path in store.parent.glob(f"{STORE}*"):
                path.unlink()
        for path in missing:
            path.rmdir()


def _import_late() -> None:
    """Import what the end needs while XLA compiles, which leaves the interpreter free."""
    import matplotlib.figure  # noqa: F401
    import scipy.stats  # noqa: F401


def _tell(name: str) -> None:
    typer.echo(f"checking that {name} keeps the contracts of a rule", err=True)


def _show(comparison: Comparison) -> None:
    from rich.console import Console

    from jaxnn.cli.bench_tables import show

    show(Console(), comparison)
