"""Reproductions as sweeps: killed and resumed, with damaged files, more and fewer seeds, scored and reported."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from crl_envs.bench.engines.local import LocalEngine
from crl_envs.bench.papers import REPRODUCTIONS, find_reproduction
from crl_envs.bench.plan import read_plan, reproduction_plan
from crl_envs.bench.report.figures import drawn
from crl_envs.bench.store import Store
from crl_envs.bench.sweep import begin, carry_out, extend, locked
from tests.bench.papers.reproduced import reproduced

ROOT = Path(__file__).parents[3]
pytestmark = pytest.mark.xdist_group("sweeps")  # they use all cores themselves


def call(*arguments: object, code: int = 0) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "crl_envs.cli", *map(str, arguments)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == code, done.stderr
    return done


def shown(folder: Path) -> dict[str, object]:
    """All that a report shows but how long it took and where it is."""
    summary = json.loads((folder / "summary.json").read_text())
    for name in ("seconds", "command"):
        del summary[name]
    pictures = {p.name: p.read_bytes() for p in folder.iterdir() if p.suffix in (".png", ".csv")}
    return {"summary": summary, **pictures}


def test_unknown_reproduction() -> None:
    with pytest.raises(ValueError, match=r"unknown reproduction 'fig33' \(did you mean 'fig3' or"):
        find_reproduction("fig33")
    assert REPRODUCTIONS["fig3"].length == 500


def test_killed_half_way_and_resumed(tmp_path: Path) -> None:
    """By ``kill -9``: what was done stays, and the files are those of a run that was never stopped."""
    whole = tmp_path / "whole"
    reproduced("fig3", whole, seeds=2, iterations=400)
    folder = tmp_path / "killed"
    command = [sys.executable, "-m", "crl_envs.cli", "reproduce", "fig3", "--seeds", "2"]
    command += ["--iterations", "400", "--workers", "1", "--out", str(folder)]
    process = subprocess.Popen(
        command, cwd=ROOT, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )
    deadline = time.monotonic() + 120
    while not (done := list(folder.rglob("*.npz"))) and time.monotonic() < deadline:
        time.sleep(0.02)
    process.send_signal(signal.SIGKILL)
    process.wait()
    time.sleep(0.5)
    records, _ = Store(folder).records()
    assert 1 <= len(done) < 4
    assert not (folder / "report.md").exists()
    before = {str(r.id): r for r in records if r.status == "done"}
    said = call("resume", folder)
    assert "Report:" in said.stdout
    assert shown(folder) == shown(whole)
    after = {str(r.id): r for r in Store(folder).records()[0]}
    assert all(after[id] == record for id, record in before.items())  # not run twice


def test_a_damaged_array_is_named_and_its_run_made_again(tmp_path: Path) -> None:
    reproduced("fig3", tmp_path, seeds=2, iterations=5)
    expected = shown(tmp_path)
    first, second, *_ = sorted(tmp_path.rglob("*.npz"))
    content = bytearray(first.read_bytes())
    content[len(content) // 2] ^= 1
    first.write_bytes(content)
    second.unlink()
    with pytest.raises(ValueError, match="has no figure whose runs are all done"):
        drawn(tmp_path)
    complaints = carry_out(tmp_path, LocalEngine(2))
    assert any(str(second) in said and "can't be read" in said for said in complaints)
    assert list((tmp_path / "set-aside").rglob("*.npz.0"))
    call("report", tmp_path)
    assert shown(tmp_path) == expected


def test_a_damaged_array_is_named_once_found(tmp_path: Path) -> None:
    reproduced("fig3", tmp_path, seeds=2, iterations=5)
    path = next(iter(tmp_path.rglob("*.npz")))
    path.write_bytes(b"nothing")
    complaints = carry_out(tmp_path, LocalEngine(2))
    assert len(complaints) == 1
    assert str(path) in complaints[0]
    assert "checksum" in complaints[0]


def test_more_and_fewer_seeds_in_one_folder(tmp_path: Path) -> None:
    """Runs are kept by their ids: those that are there aren't made again, and others don't count."""
    fresh = tmp_path / "fresh"
    reproduced("fig8", fresh, seeds=3)
    folder = tmp_path / "grown"
    reproduced("fig8", folder, seeds=2)
    two = shown(folder)
    times = {p: p.stat().st_mtime_ns for p in folder.rglob("*.npz")}
    reproduced("fig8", folder, seeds=3)
    assert shown(folder) == shown(fresh)
    reproduced("fig8", folder, seeds=2)
    assert shown(folder) == two
    assert len(times) == 2
    assert all(p.stat().st_mtime_ns == t for p, t in times.items())


def test_another_sweep_in_the_folder_is_refused(tmp_path: Path) -> None:
    begin(tmp_path, reproduction_plan("fig3", 2))
    with pytest.raises(ValueError, match="holds another sweep already"):
        begin(tmp_path, reproduction_plan("fig8", 2))
    with locked(tmp_path), pytest.raises(ValueError, match="is being carried out"):
        begin(tmp_path, reproduction_plan("fig3", 3))
    assert read_plan(tmp_path) == reproduction_plan("fig3", 2)
    with pytest.raises(ValueError, match="learners can't be added to a paper's figures"):
        extend(tmp_path, ["random"])


def test_resume_score_and_report(tmp_path: Path) -> None:
    out = tmp_path / "it"
    said = call("reproduce", "fig3", "--seeds", 2, "--iterations", 5, "--workers", 1, "--out", out)
    scored = call("score", out)
    assert "n=10: local" in scored.stdout
    assert all(line in said.stdout for line in scored.stdout.splitlines())
    assert call("score", out, "--json").stdout == (out / "summary.json").read_text()
    files = {p.name: p.read_bytes() for p in out.iterdir() if p.is_file()}
    for name in ("report.md", "summary.json", "fig3.png", "fig3.csv"):
        (out / name).unlink()
    call("report", out)
    assert {p.name: p.read_bytes() for p in out.iterdir() if p.is_file()} == files
    call("resume", out)
    assert {p.name: p.read_bytes() for p in out.iterdir() if p.is_file()} == files


def test_a_run_that_fails_is_said_and_made_again(tmp_path: Path) -> None:
    """No time: all fail, with the way to go on."""
    options = ("--seeds", 2, "--iterations", 100_000, "--timeout", 1, "--out", tmp_path)
    said = call("reproduce", "fig3", *options, code=2)
    assert f"crl-envs resume {tmp_path} --retry" in said.stderr
    assert "timeout" in said.stderr


@pytest.mark.parametrize("name", ["fig3", "fig6"])
def test_bad_options_are_refused_before_anything_is_run(name: str, tmp_path: Path) -> None:
    for options in ({"seeds": 1}, {"first_seed": -1}, {"seeds": True}):
        with pytest.raises(ValueError, match="seed"):
            reproduced(name, tmp_path / "out", **options)
    assert not (tmp_path / "out").exists()


def test_the_ray_engine_finds_the_same(tmp_path: Path) -> None:
    """On Ray on this machine."""
    pytest.importorskip("ray")
    environment = {**os.environ, "RAY_AUTH_MODE": "disabled", "RAY_TMPDIR": "/tmp"}
    reproduced("fig3", tmp_path / "local", seeds=2, iterations=5)
    command = [sys.executable, "-m", "crl_envs.cli", "reproduce", "fig3", "--seeds", "2"]
    command += ["--iterations", "5", "--engine", "ray", "--workers", "2"]
    command += ["--out", str(tmp_path / "ray")]
    subprocess.run(command, cwd=ROOT, env=environment, check=True, capture_output=True)
    assert shown(tmp_path / "ray") == shown(tmp_path / "local")
