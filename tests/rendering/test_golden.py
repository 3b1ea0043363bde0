"""Pictures that somebody has looked at.

To renew them after a change that is meant: ``RENEW_GOLDEN=1 pytest tests/rendering/test_golden.py``, and look at them.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from tests.rendering.playing import CASES, made, play

GOLDEN = Path(__file__).parent / "golden"
TOLERANCE = 0.25  # mean absolute difference of 0 … 255; another version of FreeType moves letters by parts of a pixel
PICTURES = [
    "access",
    "bandit",
    "firefighting",
    "routing",
    "routing-moving",
    "epidemic",
    "traffic",
    "sysadmin",
    "status-load",
    "load-balancing",
    "sysadmin-many",
]


def small(frame: Any) -> Any:
    """Half as wide and high: ``float64[300, 450, 3]``, means of 2 × 2 pixels."""
    return frame.reshape(300, 2, 450, 2, 3).mean(axis=(1, 3))


def drawn(case: str, steps: int) -> Any:
    env = made(case, "rgb_array")
    play(env, steps)
    return small(env.render())


def difference(a: Any, b: Any) -> float:
    return float(np.abs(a - b).mean())


@pytest.mark.parametrize("case", PICTURES)
def test_golden(case: str) -> None:
    """Like the picture that is kept; and a step earlier unlike it, by more than the tolerance."""
    path = GOLDEN / f"{case}.png"
    steps = CASES[case][2]
    present = drawn(case, steps)
    if os.environ.get("RENEW_GOLDEN"):
        Image.fromarray(np.rint(present).astype(np.uint8)).save(path, optimize=True)
        pytest.skip(f"{path} was renewed: look at it")
    golden = np.asarray(Image.open(path), np.float64)
    assert difference(present, golden) < TOLERANCE
    assert difference(drawn(case, steps - 1), golden) > TOLERANCE


def test_golden_files_are_small_and_needed() -> None:
    files = sorted(GOLDEN.iterdir())
    assert sorted(file.stem for file in files) == sorted(PICTURES)
    assert max(file.stat().st_size for file in files) <= 60_000
