"""The climbing ring: agents that know edges find what is best, those that know only their own means don't."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

EXAMPLE = Path(__file__).parents[2] / "examples" / "climbing_ring.py"


def test_edges_find_it_and_means_do_not() -> None:
    """The seeds are fixed."""
    done = subprocess.run(
        [sys.executable, EXAMPLE, "--sizes", "10", "--seeds", "5"],
        capture_output=True,
        text=True,
        check=True,
    )
    found = {
        line[:20].strip(): re.findall(r"([\d.]+) \((\d)/5\)", line)
        for line in done.stdout.splitlines()[1:]
    }
    assert found["edge rewards"][-3:] == [("11.00", "5")] * 3
    assert found["independent means"][-3:] == [("5.00", "0")] * 3
    assert float(found["edge rewards"][0][0]) < 8
