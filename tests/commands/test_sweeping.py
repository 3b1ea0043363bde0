"""The commands of the bench, as a user gives them: what is printed, exit codes, and what is refused."""

from __future__ import annotations

import json
import shlex
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from crl_envs.bench.experiments import EXPERIMENTS
from crl_envs.bench.learners import PRESETS, installed_learners
from crl_envs.bench.plan import make_plan
from crl_envs.bench.store import from_bytes
from crl_envs.bench.sweep import begin
from crl_envs.bench.text import Table
from crl_envs.commands import console
from crl_envs.commands.app import app
from tests.bench.sweeps import LEARNERS

ROOT = Path(__file__).parents[2]


def call(line: str, code: int = 0) -> Result:
    result = CliRunner(env={"COLUMNS": "160"}).invoke(app, shlex.split(line))
    assert result.exit_code == code, result.output
    return result


@pytest.mark.filterwarnings("ignore::DeprecationWarning")  # libraries warn of each other
def test_list_has_all_there_is() -> None:
    found = json.loads(call("list --json").stdout)
    assert set(found) == {"environments", "experiments", "learners", "reproductions"}
    assert set(found["experiments"]) == set(EXPERIMENTS)
    assert set(found["learners"]) >= {*PRESETS, *installed_learners()}
    assert not [text for text in found["learners"].values() if "can't be loaded" in text]
    printed = call("list").output
    assert all(name in printed for kind in found.values() for name in kind)


@pytest.mark.parametrize("name", EXPERIMENTS)
def test_describe_an_experiment(name: str) -> None:
    assert "Varied" in call(f"describe {name}").output
    facts = json.loads(call(f"describe {name} --json").stdout)
    assert facts["values"] == list(EXPERIMENTS[name].values)
    assert facts["baselines"] == list(EXPERIMENTS[name].baselines)


def test_describe_a_learner() -> None:
    assert "Williams" in call("describe reinforce-global").output
    facts = json.loads(call("describe reinforce-global --json").stdout)
    assert (facts["source"], facts["config"]) == ("reinforce", {"credit": "global"})
    assert "hoard" not in call(f"describe {LEARNERS}:Greedy").output


def test_text_that_is_not_ours_is_printed_as_it_is(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """In tables and lines: brackets stay, and nothing moves the cursor."""
    odd = "[red]x[/y] \x1b[2J \ud800 'crl-envs[sb3]'"
    monkeypatch.setenv("COLUMNS", "160")
    console.show(Table((odd, "b"), [(odd, odd)]))
    console.say(odd)
    console.say(odd, err=True)
    shown = odd.replace("\x1b", r"\x1b").replace("\ud800", r"\ud800")
    printed = capsys.readouterr()
    assert (printed.out.count(shown), printed.err.count(shown)) == (4, 1)
    path = tmp_path / "a[red]b[/nothing]"
    call(f"sweep bandit-n --learners random --seeds 1 --quick --workers 1 --out '{path}'")
    assert f"Report: {path}/report.html" in call(f"report '{path}'").output


@pytest.mark.parametrize("seeds", [1, 2])
def test_a_sweep_in_80_columns_says_what_to_take_away(
    seeds: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """No row of its table is broken; one seed has no interval; few seeds and sizes are warned of."""
    monkeypatch.setenv("COLUMNS", "80")
    line = f"sweep bandit-n --learners local-means,global-least-squares-hadamard,random --seeds {seeds}"
    shown = call(f"{line} --quick --workers 1 --out {tmp_path / 'x'}").stdout.splitlines()
    assert shown[0] == "bandit-n@1"
    assert shown[1].split() == ["learner", "runs", "IQM", "exponent", "n*"]
    rows = {row.split()[0]: row for row in shown[2:5]}
    assert sorted(rows) == ["global-least-squares-hadamard", "local-means", "random"]
    assert all(("[" in row) == (seeds > 1) for row in rows.values())
    assert shown[5].startswith("To a score of 0.9 at n = 64, local-means needs ")
    assert shown[6].startswith(f"Caution, {'one seed: no interval' if seeds == 1 else '2 seeds'}: ")
    assert shown[7].startswith("Caution, 2 values of n: ")
    growth = next(row for row in shown if row.startswith("local-means: samples-to-ε grows as n^"))
    assert ("(one seed: no interval)" in growth) == (seeds == 1)
    assert shown[-2].startswith("n*: the largest n that is solved")


def test_run_prints_the_same_as_it_keeps(tmp_path: Path) -> None:
    """One run: `--json` is its record, with or without a folder, and the same evaluations each time."""
    id = "bandit-n@1/n=0016/local-means/seed=03"
    printed = from_bytes(call(f"run {id} --json").stdout.encode())
    call(f"run bandit-n/n=16/local-means/seed=3 --out {tmp_path}")
    kept = from_bytes((tmp_path / f"runs/{id}.json").read_bytes())
    assert printed.evaluations == kept.evaluations
    assert printed.provenance["seed"] == 3
    assert f"{id}: done" in call(f"run {id}").output


def test_run_fails_with_its_traceback() -> None:
    result = call(f"run bandit-n/n=16/bad/seed=0 --learner {LEARNERS}:Crashing", code=1)
    assert "ZeroDivisionError: as it was told to" in result.output
    assert "bandit-n@1/n=0016/bad/seed=00: failed\n" in result.output


def test_run_out_of_time() -> None:
    line = f"run bandit-n/n=16/bad/seed=0 --learner {LEARNERS}:Hanging --timeout 3"
    output = call(line, code=1).output
    assert "bandit-n@1/n=0016/bad/seed=00: timeout" in output
    assert "learners_for_tests.py" in output  # where it was


def test_from_sweep_to_report(tmp_path: Path) -> None:
    out = tmp_path / "sweep"
    line = f"sweep bandit-n,bandit-noise --learners local-means,random,{LEARNERS}:Crashing"
    result = call(f"{line} --seeds 1 --quick --out {out}", code=1)
    assert "ZeroDivisionError: as it was told to" in result.output
    assert f"Report: {out}/report.html" in result.output
    assert "agent-steps/s" in result.output or "evaluations" in result.output
    scores = call(f"score {out} --json").stdout
    assert scores == (out / "scores.json").read_text()
    assert set(json.loads(scores)["experiments"]) == {"bandit-n@1", "bandit-noise@1"}
    (out / "report.html").unlink()
    call(f"report {out}")
    page = (out / "report.html").read_text()
    assert "local-means" in page and "ZeroDivisionError" in page
    assert "holds this sweep already" in call(
        f"{line} --seeds 1 --quick --out {out}", code=2
    ).output.replace("\n", " ")
    assert call(f"resume {out}", code=1).output.count("ZeroDivisionError") >= 4
    assert "IQM" in call(f"score {out}").output


@pytest.mark.parametrize(
    ("line", "why"),
    [
        ("sweep sysadmin --learners random --out x", "did you mean 'sysadmin-n'"),
        ("sweep bandit-n --learners randon --out x", "did you mean 'random'"),
        ("sweep bandit-n --learners random, --out x", "names with commas between them"),
        (
            "sweep bandit-n --learners random --seeds 0 --out x",
            "seeds must be an integer in [1, 100000]",
        ),
        ("sweep bandit-n --learners random --workers 0 --out x", "workers must be an integer ≥ 1"),
        ("sweep bandit-n --learners random --address auto --out x", "goes with --engine ray"),
        ("sweep bandit-n --learners random --timeout 0 --out x", "timeout must be"),
        ("sweep bandit-n@2 --learners random --out x", "is at version 1"),
        ("extend nowhere --learners random", "holds no sweep"),
        ("resume nowhere", "holds no sweep"),
        ("score nowhere --json", "holds no sweep"),
        ("report nowhere", "holds no sweep"),
        ("run bandit-n/n=17/random/seed=0", "n must be one of"),
        ("run bandit-n/m=16/random/seed=0", "knob must be n"),
        ("run bandit-n", "id must look like"),
        ("run bandit-n/n=16/random/seed=0 --timeout 0", "timeout must be"),
        ("run nothing/n=16/random/seed=0", "no experiment 'nothing'"),
        ("describe reinforse", "did you mean"),
        ("sweep bandit-n --learners random --engine slurm --out x", "'slurm' is not one of"),
    ],
)
def test_what_is_refused(
    line: str, why: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    output = call(line, code=2).output
    assert why in " ".join(output.replace("│", " ").split()), output
    assert not list(tmp_path.iterdir())


def test_a_report_on_nothing_says_so_at_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("crl_envs.commands.sweeping.results", None)  # isn't asked for
    folder = tmp_path / "sweep"
    assert "there is no such folder" in " ".join(call(f"report {folder}", code=2).output.split())
    folder.mkdir()
    assert "it has no sweep.json" in " ".join(call(f"report {folder}", code=2).output.split())
    begin(folder, make_plan(["bandit-n"], ["random"], 2, quick=True))
    output = " ".join(call(f"report {folder}", code=2).output.split())
    assert "has nothing to report on: none of its" in output
    assert "crl-envs resume" in output
    assert not (folder / "report.html").exists()


@pytest.mark.parametrize(
    "line", ["extend {} --learners random", "resume {}", "score {} --json", "report {}"]
)
def test_a_file_is_no_folder_of_a_sweep(line: str, tmp_path: Path) -> None:
    taken = tmp_path / "taken"
    taken.write_text("mine")
    output = call(line.format(taken), code=2).output
    assert "holds no sweep" in " ".join(output.split())
    assert taken.read_text() == "mine"


@pytest.mark.parametrize(
    "command",
    [
        "list",
        "describe",
        "run",
        "sweep",
        "extend",
        "resume",
        "score",
        "report",
        "reproduce",
        "optimum",
        "doctor",
    ],
)
def test_every_command_teaches(command: str) -> None:
    text = call(f"{command} --help").output
    assert "Usage: " in text and len(text.splitlines()) > 8


def test_the_keyboard_stops_a_sweep(tmp_path: Path) -> None:
    """Interrupted, it says how to go on, and ends with exit code 130."""
    line = f"sweep bandit-n --learners {LEARNERS}:Hanging --seeds 1 --quick --workers 1 --out {tmp_path / 'x'}"
    # Where the tests run in a shell's background SIGINT is ignored, and that is inherited.
    script = (
        "import signal; signal.signal(signal.SIGINT, signal.default_int_handler); "
        "from crl_envs.cli import main; main()"
    )
    command = [sys.executable, "-c", script, *shlex.split(line)]
    with subprocess.Popen(command, cwd=ROOT, stderr=subprocess.PIPE, text=True) as process:
        last = time.monotonic() + 120
        while not list(tmp_path.glob("x/checkpoints")) and process.poll() is None:
            if any("engines.local" in _line(pid) for pid in _children(process.pid)):
                break
            assert time.monotonic() < last, "no run has begun"
            time.sleep(0.01)
        process.send_signal(signal.SIGINT)
        try:
            _, said = process.communicate(timeout=60)
        finally:
            process.kill()
    assert process.returncode == 130
    assert "go on with: crl-envs resume" in said


def test_the_keyboard_stops_the_report_of_a_sweep(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """When all runs are made it says how to go on, too."""
    line = f"sweep bandit-n --learners random --seeds 1 --quick --workers 1 --out {tmp_path / 'x'}"
    with monkeypatch.context() as stopped:

        def stop(*_: object) -> None:
            raise KeyboardInterrupt

        stopped.setattr("crl_envs.commands.sweeping._write_report", stop)
        assert "go on with: crl-envs resume" in call(line, 130).output
    assert "Report: " in call(f"resume {tmp_path / 'x'}").output


def _children(pid: int) -> list[int]:
    try:
        texts = [p.read_text() for p in Path(f"/proc/{pid}/task").glob("*/children")]
    except OSError:
        return []
    return [int(child) for text in texts for child in text.split()]


def _line(pid: int) -> str:
    try:
        return Path(f"/proc/{pid}/cmdline").read_text()
    except OSError:
        return ""
