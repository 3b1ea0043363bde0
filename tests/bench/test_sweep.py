"""Sweeps with real processes: engines, limits, what goes wrong, interruptions."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from crl_envs import Optimum, registration
from crl_envs.bandit import BanditEnv
from crl_envs.bench.engines import local
from crl_envs.bench.engines.local import LocalEngine
from crl_envs.bench.experiment import Task
from crl_envs.bench.experiments import find_experiment
from crl_envs.bench.plan import Plan, make_plan, read_plan
from crl_envs.bench.report.write import report
from crl_envs.bench.score.results import as_json, results
from crl_envs.bench.store import Store, checked, with_checksum
from crl_envs.bench.sweep import Progress, begin, carry_out, locked
from tests.bench.sweeps import LEARNERS, small

ROOT = Path(__file__).parents[2]
EXPERIMENT = "bandit-n"
pytestmark = pytest.mark.xdist_group("sweeps")  # they use all cores themselves


def plan(*learners: str, **options: Any) -> Plan:
    """A quick sweep, one seed unless told otherwise; capitalised names are learners for tests."""
    names = [name if name[0].islower() else f"{LEARNERS}:{name}" for name in learners]
    return make_plan([EXPERIMENT], names, **{"seeds": 1, "quick": True, **options})


def swept(folder: Path, of: Plan, workers: int = 2) -> Path:
    begin(folder, of)
    carry_out(folder, LocalEngine(workers))
    return folder


def scores(folder: Path) -> str:
    return as_json(results(folder).scores)


def statuses(folder: Path) -> dict[str, set[str]]:
    """By learner."""
    found: dict[str, set[str]] = {}
    for record in Store(folder).records()[0]:
        found.setdefault(record.id.learner.rpartition(".")[2], set()).add(record.status)
    return found


def errors(folder: Path, learner: str) -> list[str]:
    records, _ = Store(folder).records()
    return [str(r.error) for r in records if r.id.learner.endswith(learner)]


def test_a_sweep_makes_every_run_of_its_plan(tmp_path: Path) -> None:
    of = plan("local-means", "random", seeds=2, first_seed=5)
    told: list[Progress] = []
    begin(tmp_path / "a", of)
    assert read_plan(tmp_path / "a") == of
    assert carry_out(tmp_path / "a", LocalEngine(2), told.append) == []
    records, complaints = Store(tmp_path / "a").records()
    assert complaints == []
    assert {str(r.id) for r in records} == {str(id) for id, _ in of.runs()}
    quick = find_experiment(EXPERIMENT).quick
    assert len(records) == 2 * 2 * len(quick)
    assert {r.id.seed for r in records} == {5, 6}
    assert told[-1].ended == told[-1].runs == len(records)
    assert told[-1].evaluated == told[-1].evaluations
    assert told[-1].agent_steps == sum(r.evaluations[-1].agent_steps for r in records)
    assert not told[-1].running


def test_scores_do_not_depend_on_the_number_of_processes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nor on whether what was loaded for a learner is kept."""
    of = plan("local-means", "random")
    two = swept(tmp_path / "two", of, 2)
    monkeypatch.setattr(local, "_IDLE", 0)
    one = swept(tmp_path / "one", of, 1)
    assert scores(one) == scores(two)


def test_one_learners_failure_is_its_own(tmp_path: Path) -> None:
    """A crash, a process that hangs and one that is greedy: named, and the others go on; see `test_isolation`."""
    names = ["Crashing", "Hanging", "Greedy", "local-means"]
    folder = swept(tmp_path, plan(*names, timeout=3, memory=400))
    assert statuses(folder) == {
        "Crashing": {"failed"},
        "Hanging": {"timeout"},
        "Greedy": {"out of memory"},
        "local-means": {"done"},
    }
    said = {
        "Crashing": "ZeroDivisionError: as it was told to",
        "Hanging": "more than the 3 s that a run may take",
        "Greedy": "Unable to allocate",
    }
    for name, why in said.items():
        assert all(why in error for error in errors(folder, name)), errors(folder, name)
    assert all("learners_for_tests.py" in error for error in errors(folder, "Hanging"))
    page = report(folder, results(folder)).read_text()
    assert all(name in page for name in said)
    # Over is over, unless it is to be tried again.
    before = {p: p.stat().st_mtime_ns for p in (folder / "runs").rglob("*.json")}
    carry_out(folder, LocalEngine(2))
    assert {p: p.stat().st_mtime_ns for p in (folder / "runs").rglob("*.json")} == before
    carry_out(folder, LocalEngine(2), retry=True)
    changed = {p for p, t in before.items() if p.stat().st_mtime_ns != t}
    assert {p.parent.name for p in before} - {p.parent.name for p in changed} == {"local-means"}


def test_killed_at_random_moments_and_resumed(tmp_path: Path) -> None:
    """Killed five times, and its workers with it; the scores are the same bytes, and nothing is run twice."""
    of = plan("Slow", "Forgetful", "local-means")
    whole = scores(swept(tmp_path / "whole", of))
    folder = tmp_path / "killed"
    begin(folder, of)
    rng = np.random.default_rng(0)
    for _ in range(5):
        command = [sys.executable, "-m", "crl_envs.cli", "resume", str(folder)]
        process = subprocess.Popen(command, cwd=ROOT, stderr=subprocess.DEVNULL)
        time.sleep(float(rng.uniform(1.5, 4.0)))
        process.send_signal(signal.SIGKILL)
        process.wait()
        time.sleep(0.5)
    before = {str(r.id): r for r in Store(folder).records()[0]}
    assert carry_out(folder, LocalEngine(2)) == []
    assert scores(folder) == whole
    for record in Store(folder).records()[0]:
        old = before.get(str(record.id))
        if old is not None and old.status == "done":
            assert record == old  # not run twice


def test_no_process_outlives_a_killed_sweep(tmp_path: Path) -> None:
    """Neither those that runs come from, nor the run, nor what it has started in a group of its own."""
    begin(tmp_path, plan("HangsWithAChild"))
    command = [sys.executable, "-m", "crl_envs.cli", "resume", str(tmp_path), "--workers", "1"]
    with subprocess.Popen(command, cwd=ROOT, stderr=subprocess.DEVNULL) as process:
        deadline = time.monotonic() + 120
        children: list[int] = []
        while len(children) < 5 and time.monotonic() < deadline:
            time.sleep(0.1)
            children = _workers(process.pid)
        process.kill()
    assert len(children) == 5
    deadline = time.monotonic() + 120
    while any(_lives(pid) for pid in children) and time.monotonic() < deadline:
        time.sleep(0.1)
    assert not any(_lives(pid) for pid in children)


def test_two_sweeps_in_one_folder(tmp_path: Path) -> None:
    begin(tmp_path, plan("Hanging"))
    command = [sys.executable, "-m", "crl_envs.cli", "resume", str(tmp_path), "--workers", "1"]
    with subprocess.Popen(command, cwd=ROOT, stderr=subprocess.DEVNULL) as process:
        try:
            deadline = time.monotonic() + 120
            while not (tmp_path / "checkpoints").exists() and time.monotonic() < deadline:
                if _workers(process.pid):
                    break
                time.sleep(0.2)
            with pytest.raises(ValueError, match=r"is being carried out in .* at this moment"):
                carry_out(tmp_path, LocalEngine(1))
        finally:
            process.kill()


def test_a_folder_holds_one_sweep(tmp_path: Path) -> None:
    begin(tmp_path, plan("random"))
    with pytest.raises(ValueError, match="holds this sweep already; go on with it by crl-envs res"):
        begin(tmp_path, plan("random"))
    with pytest.raises(ValueError, match="holds another sweep already"):
        begin(tmp_path, plan("random", seeds=2))
    with pytest.raises(ValueError, match="holds no sweep: there is no such folder"):
        read_plan(tmp_path / "nowhere")
    (tmp_path / "empty").mkdir()
    with pytest.raises(ValueError, match=r"holds no sweep: it has no sweep\.json"):
        read_plan(tmp_path / "empty")
    path = tmp_path / "sweep.json"
    content = path.read_text()
    for damaged, why in {
        '{"format": "crl-envs sweep 1"}': "it has no checksum",
        with_checksum({"format": "crl-envs sweep 1"}): "'learners'",
        content.replace('"seeds": 1', '"seeds": 2'): "its checksum is wrong",
    }.items():
        path.write_text(damaged)
        with pytest.raises(ValueError, match=f"no sweep's plan, or damaged: {why}; delete it and"):
            read_plan(tmp_path)


@pytest.mark.skipif(os.name == "posix" and os.geteuid() == 0, reason="root may write anywhere")
def test_a_read_only_folder(tmp_path: Path) -> None:
    tmp_path.chmod(0o500)
    with pytest.raises(ValueError, match="out must be a folder to write in"):
        begin(tmp_path, plan("random"))


def test_a_disk_that_takes_no_more_stops_the_sweep(tmp_path: Path) -> None:
    """A limit on the size of files stands for a full disk: it is named with the way out, and nothing is lost."""
    resource = pytest.importorskip("resource")
    of = plan("local-means")
    whole = scores(swept(tmp_path / "whole", of))
    begin(tmp_path / "full", of)
    done = subprocess.run(
        [sys.executable, "-m", "crl_envs.cli", "resume", str(tmp_path / "full")],
        check=False,
        cwd=ROOT,
        capture_output=True,
        text=True,
        preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (2500, 2500)),
    )
    assert done.returncode == 2, done.stderr
    assert "can't be written: File too large; all evaluations before are safe" in done.stderr
    assert not {"done", "failed"} & set().union(*statuses(tmp_path / "full").values())
    carry_out(tmp_path / "full", LocalEngine(2))
    assert scores(tmp_path / "full") == whole


def test_damaged_and_foreign_files_are_named(tmp_path: Path) -> None:
    folder = swept(tmp_path, plan("local-means", "random"))
    whole = scores(folder)
    files = sorted((folder / "runs").rglob("*.json"))
    files[0].write_text(files[0].read_text().replace('"done"', '"dune"'))
    (folder / "runs/notes.txt").write_text("hello")
    small, large = sorted((folder / "landmarks").rglob("*.json"))
    whole_landmarks = large.read_bytes()
    large.write_text(large.read_text().replace('"upper": 0.8', '"upper": 0.9'))
    complaints = carry_out(folder, LocalEngine(2))
    assert len(complaints) == 2
    assert any("checksum" in c for c in complaints) and any("notes.txt" in c for c in complaints)
    assert scores(folder) == whole
    small.write_bytes(whole_landmarks)  # whole, and of another task
    assert scores(folder) == whole
    assert checked(small.read_bytes())["of"]["task"]["env_kwargs"]["n_agents"] == 16


def test_a_world_of_which_no_policy_is_known(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The lower end of its optimum is −inf: null in files, and the same when it is read again."""
    unknown = Optimum(1.0, "bound", "no reward is above 1", float("-inf"))
    monkeypatch.setattr(BanditEnv, "optimum", lambda env: unknown)
    folder = swept(tmp_path, plan("random"))
    first = scores(folder)
    for path in (folder / "landmarks").rglob("*.json"):
        assert checked(path.read_bytes())["landmarks"]["lower"] is None
    monkeypatch.setattr("crl_envs.bench.score.results.landmarks", None)  # none is found again
    assert scores(folder) == first
    assert report(folder, results(folder)).exists()


def test_records_of_another_sweep_are_set_aside(tmp_path: Path) -> None:
    """A record with the right name that says that it is another learner's, task's or of other budgets."""
    folder = swept(tmp_path, plan("local-means"))
    whole = scores(folder)
    store = Store(folder)
    first, second = store.records()[0]
    learner = {**first.provenance["learner"], "config": {"epsilon": 0.3}}
    store.write(replace(first, provenance={**first.provenance, "learner": learner}))
    store.write(replace(second, evaluations=second.evaluations[:-1]))
    found = results(folder)
    assert {r.status for r in found.records} == {"running"}
    assert len(found.complaints) == 2
    for said, why in zip(found.complaints, ['its learner is {"source": "l', "at ["], strict=True):
        assert why in said and "was moved to" in said
    carry_out(folder, LocalEngine(2))
    assert scores(folder) == whole


@pytest.mark.parametrize(
    ("of", "why"),
    [
        ({"experiments": ["bandit"]}, r"did you mean 'bandit-n'"),
        ({"learners": ["local-mean"]}, r"did you mean 'local-means'"),
        ({"learners": ["nowhere.at_all:Learner"]}, "can't be imported: ModuleNotFoundError"),
        ({"learners": [f"{LEARNERS}:Missing"]}, "can't be imported: AttributeError"),
        ({"learners": [f"{LEARNERS}:np"]}, "must be a class"),
        ({"learners": ["a b:c"]}, "must be a name or module:Class"),
        ({"learners": []}, "at least one each"),
        ({"seeds": 0}, "seeds must be an integer in"),
        ({"timeout": 0}, "timeout must be a finite number"),
        ({"memory": 0}, "memory must be an integer ≥ 1"),
        ({"first_seed": -1}, "^seed must be"),
    ],
)
def test_bad_plans(of: dict[str, Any], why: str) -> None:
    with pytest.raises(ValueError, match=why):
        make_plan(**{"experiments": [EXPERIMENT], "learners": ["random"], "seeds": 1, **of})


class OfItsOwn(BanditEnv):
    """Whose arrays wouldn't know what it does."""

    def step(self, actions: Any) -> Any:
        return super().step(actions)


def test_a_world_without_arrays_is_refused_before_its_runs(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(registration, "_REGISTRY", dict(registration._REGISTRY))
    registration._REGISTRY["them/own-v0"] = replace(
        registration._REGISTRY["crl/bandit-v0"], entry_point=OfItsOwn
    )
    theirs = small(task=lambda n: Task("them/own-v0", {"n_agents": n}))
    monkeypatch.setattr("crl_envs.bench.plan.find_experiment", lambda name: theirs)
    with pytest.raises(ValueError, match="needs make_vec, which doesn't take 'them/own-v0'"):
        make_plan(["small"], ["random"], 1)


def test_all_means_the_baselines(tmp_path: Path) -> None:
    of = make_plan([EXPERIMENT], ["all", f"{LEARNERS}:Uniform", "random"], 1)
    (labels,) = [[spec.label for spec in specs] for specs in of.learners.values()]
    assert labels == [*find_experiment(EXPERIMENT).baselines, f"{LEARNERS}.Uniform"]


def _workers(pid: int) -> list[int]:
    """All processes below one."""
    found = []
    for task in Path(f"/proc/{pid}/task").glob("*/children"):
        for child in task.read_text().split():
            found += [int(child), *_workers(int(child))]
    return found


def _lives(pid: int) -> bool:
    try:
        return "Z" not in Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except OSError:
        return False


def test_the_ray_engine_finds_the_same(tmp_path: Path) -> None:
    """On a cluster that the test starts and stops, bit for bit; runs that kill or spoil their process harm no other."""
    pytest.importorskip("ray")
    names = ["Dying", "Vandal", "local-means"]
    swept(tmp_path / "local", plan(*names))
    of = ",".join(spec.source for spec in read_plan(tmp_path / "local").learners["bandit-n@1"])
    ray = [str(Path(sys.executable).parent / "ray")]
    environment = {**os.environ, "RAY_AUTH_MODE": "disabled", "RAY_TMPDIR": "/tmp"}
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = str(free.getsockname()[1])
    start = [*ray, "start", "--head", f"--port={port}", "--num-cpus=2", "--include-dashboard=false"]

    def call(*command: str, code: int = 0) -> str:
        done = subprocess.run(
            command,
            check=False,
            cwd=ROOT,
            env=environment,
            capture_output=True,
            text=True,
            timeout=240,
        )
        assert done.returncode == code, done.stdout + done.stderr
        return done.stdout + done.stderr

    call(*start)
    try:
        sweep = [sys.executable, "-m", "crl_envs.cli", "sweep", EXPERIMENT]
        at = ["--engine", "ray", "--address", f"127.0.0.1:{port}", "--out"]
        made = call(
            *sweep, "--learners", of, "--seeds", "1", "--quick", *at, str(tmp_path / "ray"), code=1
        )
        assert "died without a word" in made
    finally:
        call(*ray, "stop", "--force")
    assert scores(tmp_path / "ray") == scores(tmp_path / "local")
    assert statuses(tmp_path / "ray") == {
        "Dying": {"failed"},
        "Vandal": {"done"},
        "local-means": {"done"},
    }
    assert json.loads((tmp_path / "ray/scores.json").read_text())


def test_a_learner_that_no_run_can_be_named_for_leaves_no_folder_behind(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Names of modules and classes may have letters that ids don't have."""
    named = "from agents import RandomPolicy as Learner, RandomPolicy as Überlernen\n"
    for module in ("_named_oddly", "named_oddly"):
        (tmp_path / f"{module}.py").write_text(named, encoding="utf-8")
    monkeypatch.syspath_prepend(tmp_path)
    for name in ("_named_oddly:Learner", "named_oddly:Überlernen"):
        with pytest.raises(ValueError, match="learner must be letters, digits"):
            begin(tmp_path / "new", make_plan([EXPERIMENT], [name], seeds=1))
    assert not (tmp_path / "new").exists()


def test_more_seeds_than_anybody_can_run_are_refused_at_once() -> None:
    with pytest.raises(ValueError, match=r"seeds must be an integer in \[1, 100000\], got 10"):
        plan("random", seeds=10**12)


def test_two_cannot_begin_in_a_folder_at_the_same_moment(tmp_path: Path) -> None:
    with (
        locked(tmp_path),
        pytest.raises(ValueError, match="a sweep is being carried out in"),
    ):
        begin(tmp_path, plan("random"))
    assert not (tmp_path / "sweep.json").exists()
