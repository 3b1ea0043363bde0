"""What learners deliver in crl/routing-v0 and how long that takes, over the load and over lost transmissions.

    python -m benchmarks.routing_delays load
    python -m benchmarks.routing_delays loss
    python -m benchmarks.routing_delays load AntNet

``load``: Boyan & Littman's network, queues of 1,000 packets, 10,000 steps, of which the last 5,000 are measured.
``loss``: 36 nodes that walk in the unit square, at most .01 a step along each side, links up to .3, a packet a step
that lives 100 steps; 3,000 steps, of which the last 2,000 are measured. All learners begin knowing nothing. Means of
5 runs with 95 % intervals by Student's t. Takes half an hour on one core.
"""

from __future__ import annotations

import sys
from typing import Any

from numpy.typing import NDArray

import crl_envs
from agents import AntNet, Backpressure, QRouting, RandomPolicy, Sample, ShortestPath

RUNS = 5
T_95 = 2.776  # of Student's t with 4 degrees of freedom
LEARNERS: list[tuple[Any, dict[str, Any]]] = [
    (ShortestPath, {}),
    (QRouting, {}),
    (Sample, {}),
    (AntNet, {}),
    (Backpressure, {}),
]
HEARD: list[tuple[Any, dict[str, Any]]] = [
    (Sample, {"hears": "all"}),
    (Sample, {"hears": "all", "decay_rate": 0.01}),
    (RandomPolicy, {}),
]
WALK = {"topology": "geometric", "mobility": 0.01, "load": 1.0, "lifetime": 100}
CONTROL = ("answers", "advertisements", "backward_ant_messages", "counter_messages")


def measured(learner: Any, config: dict[str, Any], first: int, steps: int, **task: Any) -> Any:
    """Return what was counted after the first steps, by name ``[RUNS]``, and the learner."""
    vec = crl_envs.make_vec("crl/routing-v0", RUNS, horizon=steps, **task)
    seen: list[dict[str, NDArray[Any]]] = []
    made = learner(vec, seed=0, **config)
    made.learn(total_episodes=1, every=first, step_callback=lambda _: seen.append(vec.metrics()))
    return {name: seen[-1][name] - seen[0][name] for name in seen[0]}, made


def shown(values: NDArray[Any], digits: int = 1) -> str:
    half = T_95 * values.std(ddof=1) / RUNS**0.5
    return f"{values.mean():.{digits}f} ± {half:.{digits}f}"


def report(name: str, learner: Any, config: dict[str, Any], *sizes: int, **task: Any) -> None:
    counted, made = measured(learner, config, *sizes, **task)
    delivered = counted["delivered"]
    control = [
        made.history[-1][k] / made.history[-1]["delivered"]
        for k in CONTROL
        if k in made.history[-1]
    ]
    told = " ".join(f"{k}={v}" for k, v in config.items())
    print(
        f"{name}  {learner.__name__} {told}  delay {shown(counted['total_delay'] / delivered)}  "
        f"delivered {shown(delivered / counted['arrived'], 3)}  "
        f"sent {shown(counted['messages_sent'] / delivered)}  "
        f"control {shown(control[0]) if control else '-'}  queues grow by {shown(counted['waiting'])}",
        flush=True,
    )


def chosen(learners: list[Any], names: list[str]) -> list[Any]:
    return [(cls, config) for cls, config in learners if not names or cls.__name__ in names]


def main() -> None:
    """Print a line for each learner, or those that are named, and value."""
    what, *names = sys.argv[1:] or [""]
    if what == "load":
        for load in (1.0, 2.0, 2.25, 2.5, 2.75, 3.0):
            for learner, config in chosen(LEARNERS, names):
                task = {"load": load, "queue_size": 1000}
                report(f"load {load:g}", learner, config, 5000, 10_000, **task)
    elif what == "loss":
        for loss in (0.0, 0.2, 0.5):
            for learner, config in chosen(LEARNERS + HEARD, names):
                report(f"loss {loss:g}", learner, config, 1000, 3000, loss=loss, **WALK)
    else:
        sys.exit(__doc__)


if __name__ == "__main__":
    main()
