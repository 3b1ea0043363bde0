"""What the experiments of load balancing have in common."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

from crl_envs.bench.experiments.experiment import Sweep, Task, Value

LEARNERS: Final = (
    "crl",
    "dvf",
    "independent-q",
    "ant-colony",
    "breadth-first",
    "shortest-queue",
    "random",
)


def filling(
    *,
    values: tuple[Value, ...],
    quick: tuple[Value, ...],
    task: Callable[[Any], Task],
    epsilon: float,
    baselines: tuple[str, ...] = LEARNERS,
) -> Sweep:
    """A sweep whose runs are one episode each, a filling, measured while it is learnt from; see `Sweep`."""
    return Sweep(
        values=values,
        quick=quick,
        task=task,
        budget=lambda value: 1,
        first=1,
        evaluations=1,
        unit="episodes",
        episodes=1,
        epsilon=epsilon,
        baselines=baselines,
        compiled=True,
    )
