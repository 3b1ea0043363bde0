"""CPU time of repeated calls, tables and JSON: what the benchmarks share."""

from __future__ import annotations

import argparse
import json
import os
import platform
import statistics
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from crl_envs.bench.store import versions
from crl_envs.core.backend import HEAD_START

os.environ.setdefault(HEAD_START, "0")  # compiled code is measured as such, but where first use is


@dataclass(frozen=True)
class Spread:
    """Least, median and largest of some measurements."""

    low: float
    median: float
    high: float

    @classmethod
    def of(cls, values: Sequence[float]) -> Spread:
        return cls(min(values), statistics.median(values), max(values))


def cpu_seconds(call: Callable[[], object], repeats: int, at_least: float) -> list[float]:
    """CPU seconds of one call, `repeats` times, each the mean over as many calls as take `at_least` seconds.

    CPU time (``time.process_time``) and not wall time, so that other processes disturb less; they still share the
    caches and the memory bus, and so the fastest repeat says most about the code.
    """
    call()
    loops = 1
    while (elapsed := _timed(call, loops)) < at_least:
        loops = max(2 * loops, int(1.2 * loops * at_least / max(elapsed, 1e-6)))
    return [_timed(call, loops) / loops for _ in range(repeats)]


def _timed(call: Callable[[], object], loops: int) -> float:
    start = time.process_time()
    for _ in range(loops):
        call()
    return time.process_time() - start


@dataclass(frozen=True)
class Against:
    """One size: agent-steps a second of CPU time, and somebody else's time over ours.

    Attributes:
        n_agents: In each environment.
        copies: Environments.
        arrays: Ours.
        parallel: Ours over copies of the ParallelEnv.
        other: Somebody else's.
        ratio: Of the fastest repeats, arrays over the other.
    """

    n_agents: int
    copies: int
    arrays: Spread
    parallel: Spread
    other: Spread
    ratio: float

    @classmethod
    def of(
        cls, n_agents: int, copies: int, steps: Sequence[Callable[[], object]], repeats: int
    ) -> Against:
        """Do a step of the three in turn, again and again."""
        seconds: list[list[float]] = [[], [], []]
        for _ in range(repeats):
            for step, found in zip(steps, seconds, strict=True):
                found += cpu_seconds(step, repeats=1, at_least=0.2)
        speeds = [Spread.of([n_agents * copies / s for s in found]) for found in seconds]
        return cls(n_agents, copies, *speeds, ratio=speeds[0].high / speeds[2].high)


def print_against(rows: Sequence[Against], other: str) -> None:
    """A line for each size."""
    print_table(
        ("agents × copies", "arrays", "ParallelEnv", other, "arrays / other"),
        [
            (
                f"{row.n_agents} × {row.copies}",
                *(f"{speed.high:,.0f}" for speed in (row.arrays, row.parallel, row.other)),
                f"{row.ratio:.1f}",
            )
            for row in rows
        ],
    )
    print("agent-steps per second of CPU time, fastest repeat")


def print_table(header: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
    """A plain table, the first column to the left and the others to the right."""
    widths = [max(map(len, column)) for column in zip(header, *rows, strict=True)]
    for cells in (header, ["-" * width for width in widths], *rows):
        first, *others = (
            cell.ljust(width) if i == 0 else cell.rjust(width)
            for i, (cell, width) in enumerate(zip(cells, widths, strict=True))
        )
        print("  ".join([first, *others]).rstrip())


def parser(description: str | None, repeats: int) -> argparse.ArgumentParser:
    """A parser with the options that all benchmarks have."""
    made = argparse.ArgumentParser(description=(description or "").strip().splitlines()[0])
    made.add_argument("--repeats", type=int, default=repeats, help=f"repeats (default {repeats})")
    made.add_argument(
        "--json", type=Path, metavar="PATH", help="write the measurements to PATH too"
    )
    return made


def write_json(path: Path | None, name: str, rows: Sequence[Any]) -> None:
    """The measurements (dataclasses) with the versions and the processor, when a path was asked for."""
    if path is None:
        return
    content = {
        "benchmark": name,
        "processor": processor(),
        "cpus": os.cpu_count(),
        "versions": versions("pyRDDLGym"),
        "rows": [asdict(row) for row in rows],
    }
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(content, indent=2) + "\n")


def processor() -> str:
    """The processor's name as the system gives it."""
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
        return next(
            line.split(":", 1)[1].strip() for line in lines if line.startswith("model name")
        )
    except (OSError, StopIteration):
        return platform.processor() or platform.machine()


def print_machine() -> None:
    """One line that says where and with what the table below was measured."""
    listed = ", ".join(f"{name} {number}" for name, number in versions("pyRDDLGym").items())
    print(f"{processor()}; {listed}; load {_load()}")


def _load() -> str:
    return f"{os.getloadavg()[0]:.1f}" if hasattr(os, "getloadavg") else "unknown"
