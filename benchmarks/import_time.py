"""Import time of crl_envs beside PettingZoo's and Gymnasium's own, in fresh interpreters that alternate.

    python -m benchmarks.import_time [--repeats 11] [--json PATH]

CPU time of ``import X`` itself, measured inside the interpreter after its start; the files are in the disk cache.
"""

from __future__ import annotations

import subprocess
import sys
from dataclasses import dataclass

from benchmarks.measure import Spread, parser, print_machine, print_table, write_json

STATEMENTS = {
    "numpy": "import numpy",
    "gymnasium": "import gymnasium",
    "pettingzoo": "import pettingzoo",
    "crl_envs": "import crl_envs",
    "crl_envs + make": "import crl_envs; crl_envs.make('crl/sysadmin-v0', backend='numpy')",
}
PROGRAM = "import time; t = time.process_time(); {}; print(time.process_time() - t)"


@dataclass(frozen=True)
class Row:
    what: str
    milliseconds: Spread


def seconds(statement: str) -> float:
    command = [sys.executable, "-c", PROGRAM.format(statement)]
    return float(subprocess.run(command, check=True, capture_output=True, text=True).stdout)


def main() -> None:
    chosen = parser(__doc__, repeats=11).parse_args()
    measured: dict[str, list[float]] = {what: [] for what in STATEMENTS}
    for repeat in range(chosen.repeats + 1):
        for what, statement in STATEMENTS.items():
            taken = seconds(statement)
            if repeat:  # the first round fills the disk cache
                measured[what].append(1000 * taken)
    rows = [Row(what, Spread.of(values)) for what, values in measured.items()]
    print_machine()
    print_table(
        ("import", "ms median", "least", "most"),
        [
            (
                row.what,
                f"{row.milliseconds.median:.0f}",
                f"{row.milliseconds.low:.0f}",
                f"{row.milliseconds.high:.0f}",
            )
            for row in rows
        ],
    )
    print(f"ms: CPU milliseconds, {chosen.repeats} alternating repeats")
    write_json(chosen.json, "import_time", rows)


if __name__ == "__main__":
    main()
