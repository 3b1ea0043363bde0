"""The scripts with other people's algorithms run as they stand, and learn."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

pytest.importorskip("stable_baselines3")

EXAMPLES = Path(__file__).parents[2] / "examples"


def printed(script: str, *arguments: str) -> str:
    done = subprocess.run(
        [sys.executable, EXAMPLES / script, *arguments],
        env={**os.environ, "OMP_NUM_THREADS": "1"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_ppo_in_one_file_runs() -> None:
    out = printed("cleanrl_ppo.py", "--env-steps", "800", "--rewards", "global")
    assert re.search(r"env steps +400 +return +\d+\.\d\d +optimum 17\.80", out), out


@pytest.mark.slow
def test_ppo_in_one_file_learns() -> None:
    last = printed("cleanrl_ppo.py").splitlines()[-1]
    reached, best = map(float, re.findall(r"(?:return|optimum) +(\d+\.\d+)", last))
    assert reached > 0.95 * best


@pytest.mark.slow
@pytest.mark.parametrize(
    ("script", "arguments", "share"),
    [("sb3_ppo.py", (), 0.9), ("sb3_ppo.py", ("global",), 0.5), ("sb3_maskable_ppo.py", (), 0.3)],
)
def test_sb3_gains(script: str, arguments: tuple[str, ...], share: float) -> None:
    """The script gains that share of what is between its untrained policy and the optimum."""
    out = printed(script, *arguments)
    before, after, best = map(float, re.findall(r"(-?\d+\.\d+)", out))
    assert after > before + share * (best - before), out
