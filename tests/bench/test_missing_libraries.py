"""Learners whose library is missing are left out of sweeps, and added to them where it is installed."""

from __future__ import annotations

import json
import shlex
import subprocess
import sys
from importlib.metadata import EntryPoint, EntryPoints
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner, Result

from crl_envs.adapters import MissingLibraryError
from crl_envs.bench import learners
from crl_envs.bench.engines.local import LocalEngine
from crl_envs.bench.learners import learner_spec, missing_libraries
from crl_envs.bench.plan import extended, make_plan, read_plan
from crl_envs.bench.score.results import as_json, results
from crl_envs.bench.store import Store, with_checksum
from crl_envs.bench.sweep import begin, carry_out, extend, locked
from crl_envs.commands.app import app
from tests.bench.sweeps import LEARNERS

ROOT = Path(__file__).parents[2]
MODULE = "tests.bench.wanting_for_tests"
WANTING = f"{MODULE}:Wanting"
LABEL = f"{MODULE}.Wanting"
INSTALLED = "CRL_ENVS_TESTS_THIRDPARTY"
HINT = "thirdparty isn't installed, and 2.3 or newer is needed: pip install thirdparty"
pytestmark = pytest.mark.xdist_group("sweeps")


@pytest.fixture(autouse=True)
def afresh(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(INSTALLED, raising=False)
    monkeypatch.delitem(sys.modules, MODULE, raising=False)


def install(monkeypatch: pytest.MonkeyPatch) -> None:
    """From now on the library is there, in processes that are begun from here, too."""
    monkeypatch.setenv(INSTALLED, "1")


def remove(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(INSTALLED)
    monkeypatch.delitem(sys.modules, MODULE, raising=False)


def call(line: str, code: int = 0) -> Result:
    result = CliRunner(env={"COLUMNS": "160"}).invoke(app, shlex.split(line))
    assert result.exit_code == code, result.output
    return result


def quick(*names: str, **options: Any) -> Any:
    return make_plan(["bandit-n"], names, **{"seeds": 1, "quick": True, **options})


def made(folder: Path) -> dict[str, int]:
    """How many runs of each learner are done."""
    found: dict[str, int] = {}
    for record in Store(folder).records()[0]:
        assert record.status == "done"
        found[record.id.learner] = found.get(record.id.learner, 0) + 1
    return found


def scores(folder: Path) -> str:
    return as_json(results(folder).scores)


class TestPlan:
    def test_without_them(self) -> None:
        plan = quick("local-means", WANTING, f"{MODULE}:Another")
        assert [spec.label for spec in plan.learners["bandit-n@1"]] == ["local-means"]
        assert plan.skipped == {LABEL: HINT, f"{MODULE}.Another": HINT}
        assert {id.learner for id, _ in plan.runs()} == {"local-means"}

    def test_nothing_is_left(self) -> None:
        with pytest.raises(ValueError, match=f"^learners need what .* {LABEL}: thirdparty isn't"):
            quick(WANTING)

    def test_entry_points_and_presets(self, monkeypatch: pytest.MonkeyPatch) -> None:
        """A preset goes with its learner; what is broken in another way isn't passed over."""
        offered = EntryPoints(
            EntryPoint(name, value, learners.GROUP)
            for name, value in {
                "sb3-ppo": WANTING,
                "random": "agents:RandomPolicy",
                "broken": "tests.bench.no_such_module:Learner",
            }.items()
        )
        monkeypatch.setattr(learners, "entry_points", offered.select)
        plan = quick("sb3-ppo", "sb3-ppo-global", "random")
        assert plan.skipped == {"sb3-ppo": HINT, "sb3-ppo-global": HINT}
        with pytest.raises(ModuleNotFoundError):
            quick("random", "broken")
        listed = json.loads(call("list --json").stdout)["learners"]
        assert listed["sb3-ppo"] == listed["sb3-ppo-global"] == f"not installed: {HINT}"
        assert listed["broken"].startswith("can't be loaded: ModuleNotFoundError")

    def test_loading_says_what_to_install(self, monkeypatch: pytest.MonkeyPatch) -> None:
        spec = learner_spec(WANTING)
        with pytest.raises(MissingLibraryError, match="pip install thirdparty"):
            spec.load()
        assert missing_libraries([spec, learner_spec("random")]) == {LABEL: HINT}
        install(monkeypatch)
        assert missing_libraries([spec]) == {}


class TestCommands:
    def test_sweep_leaves_them_out(self, tmp_path: Path) -> None:
        out = tmp_path / "a"
        line = f"sweep bandit-n --learners local-means,{WANTING} --seeds 1 --quick --out {out}"
        assert f"{LABEL} is left out: {HINT}\n" in call(line).stderr
        assert made(out) == {"local-means": 2}
        assert read_plan(out).skipped == {LABEL: HINT}

    @pytest.mark.parametrize(
        "line",
        [
            f"sweep bandit-n --learners {WANTING} --out x",
            f"run bandit-n/n=16/mine/seed=0 --learner {WANTING}",
            f"describe {WANTING}",
        ],
    )
    def test_refused_with_the_hint(
        self, line: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.chdir(tmp_path)
        result = call(line, code=2)
        assert result.stderr.startswith("error: ")
        assert HINT in result.stderr
        assert not list(tmp_path.iterdir())

    def test_resume_makes_what_can_be_made(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """In an environment without the library the others' runs are made, and the missing one is named."""
        install(monkeypatch)
        begin(tmp_path, quick("local-means", WANTING))
        remove(monkeypatch)
        first = call(f"resume {tmp_path}", code=1)
        assert f"runs of {LABEL} can't be made here: {HINT}" in first.stderr
        assert made(tmp_path) == {"local-means": 2}
        again = call(f"resume {tmp_path}", code=2)
        assert f"error: the runs that are to be made need: {LABEL}: {HINT}" in again.stderr
        install(monkeypatch)
        call(f"resume {tmp_path}")
        assert made(tmp_path) == {"local-means": 2, LABEL: 2}


class TestExtend:
    def test_as_one_sweep(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        """Extended where the library is: the scores are those of one sweep, and no run is made twice."""
        begin(tmp_path / "in two", quick("local-means", WANTING))
        carry_out(tmp_path / "in two", LocalEngine(1))
        files = {p: p.read_bytes() for p in (tmp_path / "in two/runs").rglob("*.json")}
        install(monkeypatch)
        call(f"extend '{tmp_path / 'in two'}' --learners {WANTING},random")
        assert made(tmp_path / "in two") == {"local-means": 2, LABEL: 2, "random": 2}
        assert all(path.read_bytes() == content for path, content in files.items())
        assert read_plan(tmp_path / "in two").skipped == {}
        whole = quick("local-means", WANTING, "random")
        assert read_plan(tmp_path / "in two") == whole
        begin(tmp_path / "in one", whole)
        carry_out(tmp_path / "in one", LocalEngine(1))
        assert scores(tmp_path / "in two") == scores(tmp_path / "in one")
        page = (tmp_path / "in two/report.html").read_text()
        assert LABEL in page

    def test_all_adds_what_was_left_out(self, monkeypatch: pytest.MonkeyPatch) -> None:
        names = {"sb3-ppo": WANTING, "random": "agents:RandomPolicy"}
        offered = EntryPoints(EntryPoint(n, v, learners.GROUP) for n, v in names.items())
        monkeypatch.setattr(learners, "entry_points", offered.select)
        plan = quick("random", "sb3-ppo")
        with pytest.raises(ValueError, match="isn't installed here: sb3-ppo: thirdparty"):
            extended(plan, ["random", "sb3-ppo"])
        install(monkeypatch)
        more = extended(plan, ["random", "sb3-ppo"])
        assert [spec.label for spec in more.learners["bandit-n@1"]] == ["random", "sb3-ppo"]
        assert (more.skipped, more.asked) == ({}, ("random", "sb3-ppo"))
        assert plan.skipped == {"sb3-ppo": HINT}

    def test_seeds_limits_and_values_stay(self) -> None:
        plan = quick("random", seeds=3, first_seed=5, timeout=60)
        more = extended(plan, ["local-means"])
        before, after = ([str(id) for id, _ in p.runs()] for p in (plan, more))
        assert set(after) == set(before) | {id.replace("random", "local-means") for id in before}
        assert more.limits == plan.limits

    @pytest.mark.parametrize(
        ("names", "why"),
        [
            ([], "learners must be at least one"),
            (["random"], "must not all be in this sweep already, got random"),
            (["randon"], "did you mean 'random'"),
            ([WANTING], "need what isn't installed here"),
            ([f"{LEARNERS}:Missing"], "can't be imported: AttributeError"),
        ],
    )
    def test_refused(self, tmp_path: Path, names: list[str], why: str) -> None:
        begin(tmp_path, quick("random"))
        before = (tmp_path / "sweep.json").read_bytes()
        with pytest.raises(ValueError, match=why):
            extend(tmp_path, names)
        assert (tmp_path / "sweep.json").read_bytes() == before

    def test_another_learner_of_that_name(self) -> None:
        """A name whose settings have changed since the sweep began."""
        plan = quick("reinforce-local")
        spec = plan.learners["bandit-n@1"][0]
        changed = type(spec)(spec.label, spec.source, {"credit": "own"})
        old = type(plan)(plan.experiments, plan.asked, {"bandit-n@1": (changed,)}, 1)
        with pytest.raises(ValueError, match="'reinforce-local' is another one in this sweep"):
            extended(old, ["reinforce-local", "random"])

    def test_no_sweep_another_version_or_one_at_work(self, tmp_path: Path) -> None:
        with pytest.raises(ValueError, match="holds no sweep"):
            extend(tmp_path / "nowhere", ["random"])
        assert not (tmp_path / "nowhere").exists()
        begin(tmp_path, quick("random"))
        with locked(tmp_path), pytest.raises(ValueError, match="at this moment"):
            extend(tmp_path, ["local-means"])
        path = tmp_path / "sweep.json"
        text = path.read_text().replace("bandit-n@1", "bandit-n@2")
        found = {key: value for key, value in json.loads(text).items() if key != "checksum"}
        path.write_text(with_checksum(found))
        with pytest.raises(ValueError, match="is at version 1"):
            extend(tmp_path, ["local-means"])

    def test_killed_and_resumed(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        """What the new plan lacks after a kill is made by resume."""
        begin(tmp_path, quick("local-means"))
        carry_out(tmp_path, LocalEngine(1))
        line = f"extend {tmp_path} --learners {LEARNERS}:Hanging --workers 1"
        command = [sys.executable, "-m", "crl_envs.cli", *shlex.split(line)]
        with subprocess.Popen(command, cwd=ROOT, stderr=subprocess.DEVNULL) as process:
            while LEARNERS not in (tmp_path / "sweep.json").read_text() and process.poll() is None:
                pass
            process.kill()
        missing = {str(id) for id, _ in read_plan(tmp_path).runs()} - {
            str(r.id) for r in Store(tmp_path).records()[0] if r.status == "done"
        }
        assert {text.split("/")[2] for text in missing} == {f"{LEARNERS}.Hanging"}
        assert made_of(tmp_path, "local-means") == 2


def made_of(folder: Path, learner: str) -> int:
    return sum(r.id.learner == learner and r.status == "done" for r in Store(folder).records()[0])
