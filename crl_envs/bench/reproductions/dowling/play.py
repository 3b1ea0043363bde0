"""Playing runs of load balancing, in parallel, and what is kept of them."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

import crl_envs
from crl_envs.bench.intervals import FloatArray
from crl_envs.bench.learners import find_learner
from crl_envs.bench.reproductions import Watch
from crl_envs.bench.reproductions.dowling.setting import ENV_ID, TEMPERATURE, Policy


@dataclass(frozen=True)
class Task:
    """One run to play.

    Attributes:
        policy: Who acts.
        seed: Of the learner, and of the environment.
        env: The environment's arguments beside the cost model.
        every: Steps between samples; 0: only the end.
        values: Whether to sample the advertised values too.
    """

    policy: Policy
    seed: int
    env: Mapping[str, Any] = field(default_factory=dict)
    every: int = 10
    values: bool = False


@dataclass(frozen=True)
class Run:
    """What is kept of a run; M samples, the first before the first step, the last at the end.

    Attributes:
        steps: ``int64[M]``, when the samples were taken.
        load: ``int32[M, n]``, stored loads.
        in_flight: ``int64[M]``, loads in queues and on the wire.
        waiting: ``int64[M]``, loads that have arrived and wait outside.
        departed: ``int64[M]``, loads that have left.
        values: ``float64[M − 1, n]`` advertised values, or empty.
        capacity: ``int64[n]``.
        last: The learner's history of the episode.
    """

    steps: NDArray[np.int64]
    load: NDArray[np.int32]
    in_flight: NDArray[np.int64]
    waiting: NDArray[np.int64]
    departed: NDArray[np.int64]
    values: FloatArray
    capacity: NDArray[np.int64]
    last: Mapping[str, Any]

    @property
    def length(self) -> int:
        """Steps of the episode."""
        return int(self.last["steps"])

    @property
    def stored(self) -> NDArray[np.int64]:
        """``int64[M]``: stored loads of all agents."""
        return np.asarray(self.load.sum(axis=1, dtype=np.int64))

    @property
    def finished(self) -> bool:
        """Whether nothing was left when the run ended."""
        left = ("remaining", "backlog", "queued", "on_wire")
        return all(self.last[name] == 0 for name in left)

    def when(self, loads: float) -> float:
        """The step at which that many loads were stored, by interpolation; infinite when they never were."""
        stored = self.stored
        if stored[-1] < loads:
            return float("inf")
        k = int(np.argmax(stored >= loads))
        if k == 0 or stored[k] == stored[k - 1]:
            return float(self.steps[k])
        share = (loads - stored[k - 1]) / (stored[k] - stored[k - 1])
        return float(self.steps[k - 1] + share * (self.steps[k] - self.steps[k - 1]))


def play(task: Task) -> Run:
    """Play one run."""
    policy, arguments = task.policy, dict(task.env)
    env = crl_envs.make(ENV_ID, cost_model=policy.cost_model, **arguments)
    config = dict(policy.config)
    if policy.learner == "crl":
        config.setdefault("temperature", TEMPERATURE[arguments.get("topology", "grid")])
    learner = find_learner(policy.learner)(env, seed=task.seed, **config)
    capacity = env.unwrapped.capacity
    rows: list[tuple[Any, ...]] = [(0, np.zeros(capacity.size, np.int32), 0, 0, 0)]
    values: list[FloatArray] = []

    def sample(_: Any) -> None:
        now = env.unwrapped.metrics()
        flying = now["queued"] + now["on_wire"]
        rows.append((learner.elapsed, now["load"], flying, now["backlog"], now["departed"]))
        if task.values:
            values.append(learner.values()[:, 0])

    learner.learn(
        total_episodes=1,
        step_callback=sample,
        every=task.every if task.every else 2**62,
    )
    steps, load, flying, waiting, departed = zip(*rows, strict=True)
    return Run(
        np.array(steps, np.int64),
        np.array(load, np.int32),
        np.array(flying, np.int64),
        np.array(waiting, np.int64),
        np.array(departed, np.int64),
        np.array(values),
        capacity,
        {k: v for k, v in learner.history[-1].items() if k != "load"},
    )


def play_all(tasks: Sequence[Task], watch: Watch, what: str) -> list[Run]:
    """Play runs in as many processes as there are cores; in the order of the tasks, equal ones only once."""
    different: list[Task] = []
    for task in tasks:
        if task not in different:
            different.append(task)
    watch(what, 0, len(different))
    for learner in sorted({task.policy.learner for task in tasks}):
        find_learner(learner)  # a missing one is an error here and not in a process
    runs: list[Run] = []
    with ProcessPoolExecutor(min(os.cpu_count() or 1, max(len(different), 1))) as pool:
        for run in pool.map(play, different):
            runs.append(run)
            watch(what, len(runs), len(different))
    return [runs[different.index(task)] for task in tasks]


Key = Any


def play_table(
    tasks: Mapping[Key, Iterable[Task]], watch: Watch, what: str
) -> dict[Key, list[Run]]:
    """Play the runs of several configurations; the runs of each by its key."""
    listed = {key: list(some) for key, some in tasks.items()}
    runs = iter(play_all([task for some in listed.values() for task in some], watch, what))
    return {key: [next(runs) for _ in some] for key, some in listed.items()}


def seeds_of(policy: Policy, seed: int, seeds: int, **task: Any) -> list[Task]:
    """The same run with several seeds; the same seed again for a policy that draws nothing."""
    return [Task(policy, seed + k * policy.draws, **task) for k in range(seeds)]


def curves(runs: Sequence[Run], grid: FloatArray, of: Callable[[Run], NDArray[Any]]) -> FloatArray:
    """``float64[runs, G]``: a quantity of each run on a common grid of steps; after its end, its last value."""
    return np.stack([np.interp(grid, run.steps, of(run)) for run in runs])
