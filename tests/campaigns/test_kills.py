"""Sweeps killed at any moment: resumed, they come to the same bytes."""

from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from tests.campaigns.conftest import Cases

pytestmark = [
    pytest.mark.xdist_group("sweeps"),
    pytest.mark.skipif(os.name != "posix", reason="kills a process group"),
]
COMMAND = [sys.executable, "-m", "crl_envs.cli"]
SWEEP = ["sweep", "bandit-n,sysadmin-n", "--quick", "--seeds", "1"]
LEARNERS = ["--learners", "reinforce-local,reinforce-global,random"]


def _scores(folder: Path) -> str:
    done = subprocess.run(
        [*COMMAND, "score", str(folder), "--json"], check=True, capture_output=True, text=True
    )
    return done.stdout


def test_killed_and_resumed(cases: Cases, tmp_path: Path) -> None:
    whole = tmp_path / "whole"
    begun = time.monotonic()
    subprocess.run(_command(whole), check=True, capture_output=True)
    takes = time.monotonic() - begun
    expected = _scores(whole)
    folder = tmp_path / "killed"
    for rng, seen in cases(24):
        while not _killed(folder, rng, 0.6 * takes):
            assert _scores(folder) == expected
            seen["came to their end"] += 1
            folder = tmp_path / f"killed-{seen['came to their end']}"
        seen["kills"] += 1
    subprocess.run(_command(folder), check=True, capture_output=True)
    assert _scores(folder) == expected


def _command(folder: Path) -> list[str]:
    """What begins the sweep, or goes on with it."""
    if (folder / "sweep.json").exists():
        return [*COMMAND, "resume", str(folder)]
    return [*COMMAND, *SWEEP, *LEARNERS, "--out", str(folder)]


def _killed(folder: Path, rng: random.Random, most: float) -> bool:
    """Begin the sweep or go on with it, and kill it, or its group, within `most` seconds; False if it was faster."""
    process = subprocess.Popen(
        _command(folder),
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    )
    try:
        assert process.wait(rng.uniform(0.3, most)) == 0
    except subprocess.TimeoutExpired:
        kill = rng.choice([os.kill, os.killpg])
        kill(process.pid, signal.SIGKILL)
        process.wait()
        return True
    return False
