"""What a word for each of a million agents costs in NumPy: Philox4x32-10 for all, or SplitMix64 from one Philox key.

python -m benchmarks.stream
"""

from __future__ import annotations

import numpy as np

from benchmarks.measure import Spread, cpu_seconds, parser, print_machine, print_table
from crl_envs.core.stream import philox4x32, words

AGENTS = 1_000_000
BLOCK = 16_384  # agents at a time, so that both work in cache


def by_philox() -> None:
    """Four words a call of Philox."""
    zero, key = np.zeros(1, np.uint64), np.full(1, 7, np.uint64)
    for low in range(0, AGENTS // 4, BLOCK // 4):
        counter = np.arange(low, low + BLOCK // 4, dtype=np.uint64)
        philox4x32((counter, zero, zero, zero), (key, zero))


def by_splitmix() -> None:
    """Two words an output of SplitMix64."""
    key = np.full(1, 7, np.uint64)
    for low in range(0, AGENTS, BLOCK):
        words(key, BLOCK, low)


def main() -> None:
    """Print nanoseconds an agent."""
    chosen = parser(__doc__, repeats=11).parse_args()
    rows = []
    for name, call in {"Philox4x32-10": by_philox, "SplitMix64": by_splitmix}.items():
        spread = Spread.of([1e9 / AGENTS * s for s in cpu_seconds(call, chosen.repeats, 0.05)])
        rows.append((name, f"{spread.median:.2f}", f"{spread.low:.2f}", f"{spread.high:.2f}"))
    print_machine()
    print_table(("words by", "ns median", "least", "most"), rows)


if __name__ == "__main__":
    main()
