"""Sweeps killed at any moment: resumed, they come to the same bytes."""

from __future__ import annotations

import os
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
    subprocess.run(
        [*COMMAND, *SWEEP, *LEARNERS, "--out", str(whole)], check=True, capture_output=True
    )
    takes = time.monotonic() - begun
    expected = _scores(whole)
    folder = tmp_path / "killed"
    for rng, seen in cases(32):
        if not folder.exists():
            command = [*COMMAND, *SWEEP, *LEARNERS, "--out", str(folder)]
        else:
            command = [*COMMAND, "resume", str(folder)]
        process = subprocess.Popen(
            command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, start_new_session=True
        )
        try:
            code = process.wait(rng.uniform(0.3, 0.7 * takes))
        except subprocess.TimeoutExpired:
            kill = rng.choice([os.kill, os.killpg])
            kill(process.pid, signal.SIGKILL)
            process.wait()
            seen["killed"] += 1
            continue
        assert code == 0
        assert _scores(folder) == expected
        seen["came to their end"] += 1
        folder = tmp_path / f"killed-{seen['came to their end']}"
    if folder.exists():
        subprocess.run([*COMMAND, "resume", str(folder)], check=True, capture_output=True)
        assert _scores(folder) == expected
