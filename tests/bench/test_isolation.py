"""Bad learners: each fails by itself, in a few printable words, and no other run notices."""

from __future__ import annotations

import json
import os
import shlex
from dataclasses import replace
from pathlib import Path

import pytest
from typer.testing import CliRunner

from crl_envs.bench.engines import local
from crl_envs.bench.experiments import find_experiment
from crl_envs.bench.learners import learner_spec
from crl_envs.bench.store import Record, RunId, Store
from crl_envs.bench.text import printable
from crl_envs.bench.worker import Job, Limits, bury, play
from crl_envs.commands.app import app
from tests.bench.learners_for_tests import BAD

pytestmark = [
    pytest.mark.xdist_group("sweeps"),
    pytest.mark.skipif(os.name != "posix", reason="signals and forks"),
]

# How each record ends; by default with the learner's own "after the deed".
SAID = {
    "ExitsWell": "SystemExit: 0",
    "ExitsWithText": "SystemExit: x",
    "RaisesABase": "Unheard: a base",
    "Interrupts": "KeyboardInterrupt",
    "LeavesAGenerator": "GeneratorExit",
    "SaysMuch": "xxxtail",
    "SaysSurrogates": r"half \ud800 of a pair",
    "SaysEscapes": r"\x1b[2J\x1b]0;title\x07 [red]loud[/red] [/nothing] \r\x9b31m \u202e",
    "SaysZeros": r"a\x00b",
    "RaisesTheMute": "Mute: <exception str() failed>",
    "RaisesWhatCannotBePickled": "<lambda>",
    "Recurses": "RecursionError: maximum recursion depth exceeded",
    "EndsAtOnce": "(exit code 0)",
    "Aborts": "(signal 6)",
    "KillsItself": "(signal 9)",
    "KillsItsParent": "(signal 9)",
    "Deaf": "more than the 2 s that a run may take",
    "Hanging": "more than the 2 s that a run may take",
    "SetsAnAlarm": "(signal 14)",
    "Crashing": "as it was told to",
    "Odd": "must be in Discrete",
    "NotANumber": "must be in Discrete",
    "Idle": "took no step",
    "Recursing": "",  # as deep as the system lets it
}


@pytest.fixture(scope="module")
def swept(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, str, list[int]]:
    """One sweep of all bad learners with good ones after them: its folder, what it printed, what bad ones started."""
    out = tmp_path_factory.mktemp("bad")
    names = ",".join([*BAD.values(), "local-means", "random"])
    line = f"sweep bandit-n --learners {names} --seeds 1 --quick --timeout 2 --out {out / 'a'}"
    before = (Path.cwd(), os.umask(0o022), dict(os.environ))
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PIDS_FOR_TESTS", str(out / "pids"))
        patch.setattr(local, "_GRACE", 0.5)
        result = CliRunner(env={"COLUMNS": "160"}).invoke(app, shlex.split(line))
    assert result.exit_code == 1, result.output
    assert (Path.cwd(), os.umask(before[1]), dict(os.environ)) == (before[0], 0o022, before[2])
    return out / "a", result.output, [int(pid) for pid in (out / "pids").read_text().split()]


def records(folder: Path, name: str) -> list[Record]:
    found, complaints = Store(folder).records()
    assert not complaints
    return [r for r in found if r.id.learner == name]


@pytest.mark.parametrize("name", BAD)
def test_a_bad_learner_fails_by_itself(name: str, swept: tuple[Path, str, list[int]]) -> None:
    of = records(swept[0], learner_spec(BAD[name]).label)
    assert len(of) == 2
    for record in of:
        if name == "Vandal":  # spoils its process, and no more
            assert record.status == "done"
            continue
        assert record.status == ("timeout" if name in ("Deaf", "Hanging") else "failed")
        assert record.error is not None
        assert SAID.get(name, "after the deed") in record.error
        assert len(record.error) < 10_100
        assert all(c.isprintable() or c in "\n\t" for c in record.error)


@pytest.mark.parametrize("name", ["local-means", "random"])
def test_others_do_not_notice(
    name: str, swept: tuple[Path, str, list[int]], tmp_path: Path
) -> None:
    """Their evaluations are those of a run by itself; so are the meddler's, who learns as they do."""
    of = records(swept[0], name)
    if name == "local-means":
        of += records(swept[0], learner_spec(BAD["Vandal"]).label)
    assert len(of) in (2, 4)
    for record in of:
        alone = play(find_experiment("bandit-n"), learner_spec(name), record.id, Store(tmp_path))
        assert record.status == "done"
        assert record.evaluations == alone.evaluations


def test_what_is_printed_and_written_is_printable(swept: tuple[Path, str, list[int]]) -> None:
    folder, output, _ = swept
    assert "[red]loud[/red] [/nothing]" in output
    for text in (output, (folder / "report.md").read_text(), (folder / "report.html").read_text()):
        assert all(c.isprintable() or c in "\n\t\r" for c in text.replace("\xad", ""))
    json.loads((folder / "scores.json").read_text())


@pytest.mark.skipif(not local._FORKS, reason="only groups are ended elsewhere")
def test_no_process_is_left(swept: tuple[Path, str, list[int]]) -> None:
    """Neither children, nor those that left the group, nor those whose parents are gone."""
    assert 4 <= len(swept[2]) <= 6  # one may be ended before it has left its number
    assert not [pid for pid in swept[2] if Path(f"/proc/{pid}").exists()]


def test_without_forks(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where forks aren't safe a run has a new process: the same records, and the same ends."""
    monkeypatch.setattr(local, "_FORKS", False)
    isolated = local.Isolation()
    try:
        for name, status in {"Vandal": "done", "Aborts": "failed", "ExitsWell": "failed"}.items():
            spec = learner_spec(BAD[name])
            id = RunId("bandit-n", 1, "n", 16, spec.label, 0)
            assert isolated.make(Job(id, spec, tmp_path)) == status
    finally:
        isolated.stop()
    record = records(tmp_path, learner_spec(BAD["Vandal"]).label)[0]
    alone = play(
        find_experiment("bandit-n"), learner_spec("local-means"), record.id, Store(tmp_path / "a")
    )
    assert record.evaluations == alone.evaluations


def test_last_words_of_another_attempt_are_not_believed(tmp_path: Path) -> None:
    """Left by one that had a limit and was killed before its end was recorded."""
    id = RunId("bandit-n", 1, "n", 16, "x", 0)
    job = Job(id, learner_spec("random"), tmp_path)
    job.last_words.parent.mkdir(parents=True)
    job.last_words.write_text("here")
    assert bury(job, "died") == "failed"
    assert not job.last_words.exists()
    job.last_words.write_text("here")
    assert bury(replace(job, limits=Limits(2)), "died") == "timeout"
    assert "here" in str(records(tmp_path, "x")[0].error)
    assert bury(replace(job, limits=Limits(2)), "died", late=True) == "timeout"


@pytest.mark.parametrize("text", ["", "one\n\ttwo – ε", "x" * 10_000])
def test_what_is_printable_stays(text: str) -> None:
    assert printable(text) == text


def test_the_head_and_the_tail_of_much_are_kept() -> None:
    found = printable("head" + 10**6 * "\x1b" + "tail", most=100)
    assert found.startswith("head\\x1b\\x1b")
    assert found.endswith("tail")
    assert "1,000,008 characters in all" in found
    assert len(found) < 150
    assert printable(found, most=200) == found
