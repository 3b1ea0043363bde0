"""``run``, ``sweep``, ``extend``, ``resume``, ``score`` and ``report``: from a learner to a scaling curve."""

from __future__ import annotations

import math
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn

from crl_envs.bench.engines import Engine
from crl_envs.bench.engines.local import LocalEngine
from crl_envs.bench.engines.ray import RayEngine
from crl_envs.bench.experiment import one_seed
from crl_envs.bench.experiments import find_experiment
from crl_envs.bench.learners import learner_spec
from crl_envs.bench.plan import Plan, make_plan, planned_records, read_plan
from crl_envs.bench.report.figures import Drawn, drawn, write_figures
from crl_envs.bench.report.figures import as_json as summary_text
from crl_envs.bench.score.reading import sentences
from crl_envs.bench.score.results import Results, results
from crl_envs.bench.score.results import as_json as as_json_text
from crl_envs.bench.score.statistics import Interval
from crl_envs.bench.store import Record, RunId, Store, as_text, writable_folder
from crl_envs.bench.sweep import Progress as SweepProgress
from crl_envs.bench.sweep import begin, carry_out, locked
from crl_envs.bench.sweep import extend as extend_plan
from crl_envs.bench.text import Table, number, reason, with_interval
from crl_envs.bench.worker import Job, Limits
from crl_envs.commands.console import counting_bar, refusals, say, show


class EngineName(StrEnum):
    """What makes the runs."""

    LOCAL = "local"
    RAY = "ray"


Folder = Annotated[Path, typer.Argument(metavar="DIR", help="Of a sweep or a reproduction.")]
Engines = Annotated[
    EngineName, typer.Option("--engine", help="Processes on this machine, or a Ray cluster.")
]
Address = Annotated[
    str | None,
    typer.Option(
        help="With --engine ray: of the cluster's head, or auto.",
        show_default="Ray on this machine",
    ),
]
Workers = Annotated[
    int | None, typer.Option(help="Processes at once.", show_default="one for each core")
]
Timeout = Annotated[
    float | None, typer.Option(help="Seconds that a run may take.", show_default="no limit")
]
Memory = Annotated[
    int | None, typer.Option(help="MiB that a run may take (Linux).", show_default="no limit")
]


def run(
    id: Annotated[
        str,
        typer.Argument(
            metavar="ID", help="As sysadmin-n@1/n=0064/reinforce-local/seed=07, @1 may be left out."
        ),
    ],
    learner: Annotated[
        str | None,
        typer.Option(help="module:Class, where the id's learner is only a name for it."),
    ] = None,
    out: Annotated[
        Path | None, typer.Option(help="Folder for its record.", show_default="none is kept")
    ] = None,
    timeout: Timeout = None,
    memory: Memory = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print its record.")] = False,
) -> None:
    """Make one run, named by its id, and print its evaluations. Exit code 1 if it fails.

    The id fixes the result: the same is in any sweep that has this run.
    """
    with refusals(), tempfile.TemporaryDirectory() as scratch:
        run_id = _run_id(id)
        experiment = find_experiment(f"{run_id.experiment}@{run_id.version}")
        if run_id.knob != experiment.knob:
            raise ValueError(
                f"knob must be {experiment.knob} in {experiment.id}, got {run_id.knob}"
            )
        if run_id.value not in experiment.values:
            raise ValueError(
                f"{run_id.knob} must be one of {experiment.values} in {experiment.id}, got {run_id.value!r}"
            )
        spec = learner_spec(learner or run_id.learner)
        spec.load()
        folder = writable_folder(out or Path(scratch)).resolve()
        job = Job(run_id, spec, folder, Limits(timeout, memory), (str(Path.cwd()),))
        with locked(folder):
            LocalEngine(1).run([job], lambda job: None, lambda job, status: None)
        record, _ = Store(folder).read(run_id)
    assert record is not None
    if as_json:
        print(as_text(record), end="")
    else:
        _print_record(record)
    raise typer.Exit(0 if record.status == "done" else 1)


def sweep(
    experiment: Annotated[
        str,
        typer.Argument(metavar="EXPERIMENT", help="As in `crl-envs list`; several with commas."),
    ],
    learners: Annotated[
        str,
        typer.Option(
            help="Names as in `crl-envs list` or module:Class, with commas; all: the experiment's baselines."
        ),
    ],
    out: Annotated[Path, typer.Option(help="A new folder for the runs and the report.")],
    seeds: Annotated[int, typer.Option(help="Runs of each learner on each task.")] = 10,
    quick: Annotated[
        bool, typer.Option("--quick", help="Only the experiment's smallest tasks.")
    ] = False,
    engine: Engines = EngineName.LOCAL,
    address: Address = None,
    workers: Workers = None,
    seed: Annotated[int, typer.Option(help="Of the first run.")] = 0,
    timeout: Timeout = None,
    memory: Memory = None,
) -> None:
    """Run an experiment: learners x values of its knob x seeds; then score it and write the report.

    Example: crl-envs sweep sysadmin-n --learners reinforce-local,reinforce-global,random --seeds 3 --quick --out
    results/first

    Stopped at any moment, even by kill -9, it goes on with `crl-envs resume DIR`, and ends with the same scores. A run
    that fails is recorded with its traceback, and the others go on; the exit code is 1 then.
    """
    with refusals():
        plan = make_plan(
            _listed("experiment", experiment),
            _listed("learners", learners),
            seeds,
            first_seed=seed,
            quick=quick,
            timeout=timeout,
            memory=memory,
        )
        chosen = chosen_engine(engine, address, workers)
        begin(out, plan)
    _tell_skipped(plan)
    carry_out_and_report(out, chosen)


def extend(
    folder: Annotated[Path, typer.Argument(metavar="DIR", help="Of a sweep.")],
    learners: Annotated[
        str, typer.Option(help="As in `crl-envs sweep`; those that the sweep has already stay.")
    ],
    engine: Engines = EngineName.LOCAL,
    address: Address = None,
    workers: Workers = None,
) -> None:
    """Give a sweep further learners, on the same tasks with the same seeds, and run them; then as `crl-envs sweep`.

    Example: crl-envs extend results/first --learners rllib-ppo

    This is how one report comes to have learners whose libraries can't be installed together: each time the command is
    started from another environment. What has been run stays as it is.
    """
    with refusals():
        chosen = chosen_engine(engine, address, workers)
        plan = extend_plan(folder, _listed("learners", learners))
    _tell_skipped(plan)
    carry_out_and_report(folder, chosen)


def resume(
    folder: Folder,
    engine: Engines = EngineName.LOCAL,
    address: Address = None,
    workers: Workers = None,
    retry: Annotated[
        bool,
        typer.Option(
            "--retry", help="Make runs again that failed, or needed too much of something."
        ),
    ] = False,
) -> None:
    """Go on with a sweep or reproduction that was stopped: only what is missing is run; then the report is written."""
    with refusals():
        read_plan(folder)  # before there is a bar
        chosen = chosen_engine(engine, address, workers)
    carry_out_and_report(folder, chosen, retry)


def score(
    folder: Folder,
    as_json: Annotated[
        bool, typer.Option("--json", help="All scores; the same bytes for the same runs.")
    ] = False,
) -> None:
    """Score the runs of a sweep: optimality, samples-to-ε, scaling exponents.

    Of a reproduction: the table and the verdict.
    """
    with refusals():
        if read_plan(folder).reproduces is not None:
            figures = drawn(folder)
            if as_json:
                print(summary_text(figures.summary), end="")
            else:
                _print_figures(figures)
            return
        if as_json:
            print(as_json_text(results(folder).scores), end="")
            return
        with _landmark_bar() as watch:
            found = results(folder, watch)
    _print_scores(found.scores, found.complaints)


def report(folder: Folder) -> None:
    """Write the report of a sweep: DIR/report.html, report.md, scores.json and the runs as a table.

    Of a reproduction: DIR/report.md, summary.json, and a picture and its data for each figure.
    """
    with refusals():
        plan = read_plan(folder)
        if plan.reproduces is not None:
            page = write_figures(folder, drawn(folder))
        else:
            _refuse_nothing(folder, plan)
            with _landmark_bar() as watch:
                page = _write_report(folder, results(folder, watch))
    say(f"Report: {page}")


def _refuse_nothing(folder: Path, plan: Plan) -> None:
    """Say at once that there is nothing to report on.

    Raises:
        ValueError: No run has ended, well or badly.
    """
    if all(record.status == "running" for record in planned_records(Store(folder), plan)[0]):
        raise ValueError(
            f"{str(folder)!r} has nothing to report on: none of its {sum(1 for _ in plan.runs()):,} runs is done; "
            f"go on with crl-envs resume {folder}"
        )


def carry_out_and_report(folder: Path, engine: Engine, retry: bool = False) -> None:
    """Make what is missing of a folder's runs, print what they come to, and write the report.

    Raises:
        typer.Exit: With 130 when it was interrupted, 1 when a run has failed, else 0.
    """
    try:
        with refusals(), _sweep_bar(Console(stderr=True)) as watch:
            complaints = carry_out(folder, engine, watch, retry)
        for complaint in complaints:
            say(complaint, err=True)
        with refusals():
            if read_plan(folder).reproduces is not None:
                figures = drawn(folder)
                page = write_figures(folder, figures)
                _print_figures(figures)
                records = figures.records
            else:
                with _landmark_bar() as watch_landmarks:
                    found = results(folder, watch_landmarks)
                    page = _write_report(folder, found)
                _print_scores(found.scores, [])
                records = found.records
    except KeyboardInterrupt:
        say(f"stopped; go on with: crl-envs resume {folder}", err=True)
        raise typer.Exit(130) from None
    failed = [record for record in records if record.status != "done"]
    for record in failed:
        say(f"{record.id}: {record.status} {reason(record.error)}")
    say(f"Report: {page}")
    raise typer.Exit(1 if failed else 0)


def _write_report(folder: Path, found: Results) -> Path:
    # Other commands, and a sweep until it has ended, do without Matplotlib and Jinja.
    from crl_envs.bench.report.write import report

    return report(folder, found)


def _print_figures(found: Drawn) -> None:
    for complaint in found.complaints:
        say(complaint, err=True)
    show(found.table)
    say(found.verdict)
    if found.waiting:
        say(f"not drawn, since not all of its runs are done: {', '.join(found.waiting)}")


def _tell_skipped(plan: Plan) -> None:
    for label, why in plan.skipped.items():
        say(f"{label} is left out: {why}", err=True)


def chosen_engine(name: EngineName, address: str | None, workers: int | None) -> Engine:
    """Return the engine that options name.

    Raises:
        ValueError: Options that don't fit each other, or Ray isn't installed.
    """
    if name is EngineName.RAY:
        return RayEngine(address, workers)
    if address is not None:
        raise ValueError(f"address goes with --engine ray only, got {address!r}")
    return LocalEngine(workers)


def _listed(name: str, text: str) -> list[str]:
    parts = [part.strip() for part in text.split(",")]
    if not all(parts):
        raise ValueError(f"{name} must be names with commas between them, got {text!r}")
    return parts


def _run_id(text: str) -> RunId:
    head, slash, rest = text.partition("/")
    if "@" not in head and slash:
        text = f"{find_experiment(head).id}/{rest}"
    return RunId.parse(text)


@contextmanager
def _sweep_bar(console: Console) -> Iterator[Callable[[SweepProgress], None]]:
    bar = Progress(
        TextColumn("{task.fields[runs]} runs"),
        BarColumn(),
        TextColumn("{task.completed:,.0f}/{task.total:,.0f} evaluations"),
        TextColumn("{task.fields[rate]}"),
        TimeElapsedColumn(),
        TextColumn("left:"),
        TimeRemainingColumn(),
        TextColumn("{task.fields[failed]}"),
        console=console,
    )
    with bar:
        task = bar.add_task("", total=1, runs="0/0", rate="", failed="", visible=False)

        def watch(now: SweepProgress) -> None:
            if not bar.tasks[task].visible:  # what was there before says nothing of the speed
                bar.reset(task, total=now.evaluations, completed=now.evaluated, visible=True)
            elapsed = bar.tasks[task].elapsed or 0.0
            rate = now.agent_steps / elapsed if elapsed > 1 else 0.0
            bar.update(
                task,
                completed=now.evaluated,
                runs=f"{now.ended}/{now.runs}",
                rate=f"{rate:,.0f} agent-steps/s" if rate else "",
                failed=f"[red]{now.failed} failed[/red]" if now.failed else "",
            )

        yield watch


@contextmanager
def _landmark_bar() -> Iterator[Callable[[int, int], None]]:
    with counting_bar() as bar:
        task = bar.add_task("landmarks", total=None)
        yield lambda done, total: bar.update(task, completed=done, total=total)


def _print_record(record: Record) -> None:
    rows = [
        (
            f"{point.budget:,}",
            f"{point.env_steps:,}",
            f"{point.agent_steps:,}",
            number(point.global_return, 4),
            str(point.episodes),
        )
        for point in record.evaluations
    ]
    header = ("budget", "env steps", "agent-steps", "return", "episodes")
    show(Table(header, rows))
    spent = record.provenance.get("seconds") or {}
    seconds = ", ".join(f"{k} {v:.2f} s" for k, v in spent.items())
    say(f"{record.id}: {record.status}" + (f"; {seconds}" if seconds else ""))
    if record.error is not None:
        say(record.error, err=True)


def _print_scores(scores: Mapping[str, Any], complaints: Sequence[str]) -> None:
    for complaint in complaints:
        say(complaint)
    for id, found in scores["experiments"].items():
        say(id)
        show(_leaderboard(scores, id))
        for sentence in sentences(found):
            say(sentence)


def _leaderboard(scores: Mapping[str, Any], id: str) -> Table:
    """Of one experiment, so that it fits into 80 columns; `n*` is what the sentences below it define."""
    experiment = scores["experiments"][id]
    rows = []
    for entry in scores["leaderboard"]:
        if (found := entry["experiments"][id]) is not None:
            one = one_seed(experiment["summary"]["learners"][entry["learner"]])
            cells = [entry["learner"], str(found["runs"])]
            cells += [_with_ends(found[key], one) for key in ("iqm", "exponent")]
            cells.append("" if found["largest"] is None else str(found["largest"]))
            rows.append((found["rank"], cells))
    rows.sort(key=lambda row: row[0])
    header = ("learner", "runs", "IQM", "exponent", f"{experiment['knob']}*")
    return Table(header, [cells for _, cells in rows])


def _with_ends(found: Mapping[str, float | None] | None, one_seed: bool) -> str:
    if found is None:
        return ""
    value, low, high = (
        math.nan if found[key] is None else found[key] for key in ("value", "low", "high")
    )
    if one_seed or math.isnan(value):  # type: ignore[arg-type]
        return number(value, 2)  # type: ignore[arg-type]
    return with_interval(Interval(value, low, high), 2)  # type: ignore[arg-type]
