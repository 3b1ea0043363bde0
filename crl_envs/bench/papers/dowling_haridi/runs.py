"""The runs of the chapter: the policies that are compared, what is kept of a run, and its declaration as a case."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Final, TypeVar

import numpy as np
from numpy.typing import NDArray

import crl_envs
from crl_envs.bench.figure import Case, Extent, Recording, Recordings, as_word, learner
from crl_envs.bench.learners import LearnerSpec
from crl_envs.bench.score.statistics import FloatArray, Interval, positive_interval

PAPER: Final = "dowling-haridi"
T = TypeVar("T")
ENV_ID: Final = "crl/load_balancing-v0"
GRAPHS: Final = (0, 1, 2, 3)  # instance seeds of the random topologies
TEMPERATURE: Final = {"grid": 0.9, "random": 0.85}  # Table 1 and §6.2


@dataclass(frozen=True)
class Policy:
    """A way to act, with the cost model that it lives under.

    Attributes:
        label: What pictures and tables call it.
        learner: Its name in the entry-point group.
        cost_model: The environment's.
        config: The learner's arguments.
        draws: Whether it draws actions; else one run stands for all seeds where nothing else is random.
        env: The environment's other arguments.
    """

    label: str
    learner: str
    cost_model: str = "discrete"
    config: Mapping[str, Any] = field(default_factory=dict)
    draws: bool = True
    env: Mapping[str, Any] = field(default_factory=dict)

    def having(self, label: str | None = None, **config: Any) -> Policy:
        """Return the policy with further arguments."""
        return replace(self, label=label or self.label, config={**self.config, **config})

    def run(
        self, seed: int, env: Mapping[str, Any] | None = None, every: int = 10, values: bool = False
    ) -> Case:
        """Declare a run.

        Args:
            seed: Of the learner, and of the environment.
            env: The environment's arguments beside the cost model.
            every: Steps between samples; 0: only the end.
            values: Whether to sample the advertised values too.
        """
        given = {**self.env, **(env or {})}
        words = [f"{name}-{as_word(value)}" for name, value in given.items()]
        env = {"cost_model": self.cost_model, **given}
        config = dict(self.config)
        if self.learner == "crl":
            config.setdefault("temperature", TEMPERATURE[env.get("topology", "grid")])
        name = "_".join([self.cost_model, *words, f"every-{every}", *["values"] * values])
        arguments = {"env": env, "every": every, "values": values}
        shortly = {"env": {**env, "max_steps": 1}}
        return Case(
            *(PAPER, name, learner(self.learner, **config), fill, arguments, seed),
            rehearsal=shortly,
        )

    def runs(self, extent: Extent, count: int | None = None, **run: Any) -> list[Case]:
        """Declare the same run with several seeds; the same seed again for a policy that draws nothing.

        Args:
            extent: How many seeds, and the first.
            count: How many, instead.
            **run: As `run` takes them.
        """
        count = extent.seeds if count is None else count
        return [self.run(extent.seed + k * self.draws, **run) for k in range(count)]


RANDOM: Final = Policy("random", "random")
DP: Final = Policy("DP (breadth-first)", "breadth-first", draws=False)
DISCRETE: Final = Policy("CRL-discrete", "crl")
GRADIENT: Final = Policy("CRL-gradient", "crl", "gradient")
# Not eager: those who hold a load compare themselves with whom they ask, which takes fewer steps.
TWO_CHOICES: Final = Policy("two choices", "shortest-queue", config={"choices": 2, "eager": False})
ALL_CHOICES: Final = Policy(
    "shortest queue", "shortest-queue", config={"choices": None, "eager": False}
)

SLOW_MEMORY: Final = DISCRETE.having("CRL-discrete (slow R)", reward_rate=0.03)
"""Chosen after seeing the arrivals, see the section's notes."""
FAST_FORGETTING: Final = DISCRETE.having("CRL-discrete (fast P)", transition_rate=0.5)
"""Chosen after seeing the failures; see the section's notes."""

NEXT: Final = Policy("CRL-gradient (next)", "crl", "gradient", env={"spare": "next"})
"""The gradient model with R(s, store) as what the next store will cost, instead of what the last one has cost."""

PAPERS: Final = (RANDOM, DP, DISCRETE, GRADIENT)
MODELS: Final = (DISCRETE, GRADIENT)
READINGS: Final = (DISCRETE, GRADIENT, NEXT)
GRADIENTS: Final = (GRADIENT, NEXT)


def fill(
    spec: LearnerSpec,
    seed: int,
    columns: int,
    *,
    env: Mapping[str, Any],
    every: int,
    values: bool,
) -> Recording:
    """Record a run of load balancing: samples on the way, and the learner's history of the episode; see `Run`."""
    made = crl_envs.make(ENV_ID, **env)
    acting: Any = spec.load()(made, seed=seed, **spec.config)
    capacity = made.unwrapped.capacity
    rows: list[tuple[Any, ...]] = [(0, np.zeros(capacity.size, np.int32), 0, 0, 0)]
    advertised: list[FloatArray] = []

    def sample(_: Any) -> None:
        now = made.unwrapped.metrics()
        flying = now["queued"] + now["on_wire"]
        rows.append((acting.elapsed, now["load"], flying, now["backlog"], now["departed"]))
        if values:
            advertised.append(acting.values()[:, 0])

    acting.learn(total_episodes=1, step_callback=sample, every=every or 2**62)
    steps, load, flying, waiting, departed = zip(*rows, strict=True)
    last = {name: value for name, value in acting.history[-1].items() if name != "load"}
    return Recording(
        last,
        {
            "steps": np.array(steps, np.int64),
            "load": np.array(load, np.int32),
            "in_flight": np.array(flying, np.int64),
            "waiting": np.array(waiting, np.int64),
            "departed": np.array(departed, np.int64),
            "values": np.array(advertised, np.float64),
            "capacity": capacity,
        },
    )


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
        """Return the step at which that many loads were stored, by interpolation; infinite when they never were."""
        stored = self.stored
        if stored[-1] < loads:
            return float("inf")
        k = int(np.argmax(stored >= loads))
        if k == 0 or stored[k] == stored[k - 1]:
            return float(self.steps[k])
        share = (loads - stored[k - 1]) / (stored[k] - stored[k - 1])
        return float(self.steps[k - 1] + share * (self.steps[k] - self.steps[k - 1]))


Runs = Mapping[Any, Sequence[Run]]


def runs_of(found: Recordings) -> dict[Any, list[Run]]:
    """Return what was recorded as runs."""
    return {
        key: [Run(**one.arrays, last=one.numbers) for one in some] for key, some in found.items()
    }


def numbered(played: Mapping[Any, Sequence[T]]) -> Iterator[tuple[tuple[Any, ...], T]]:
    """Yield each run with the key and the number that it has in a table: ``(*key, number)``."""
    return (((*key, k), run) for key, runs in played.items() for k, run in enumerate(runs))


def curves(runs: Sequence[Run], grid: FloatArray, of: Callable[[Run], NDArray[Any]]) -> FloatArray:
    """Return ``float64[runs, G]``: a quantity of each run on a common grid of steps; after its end, its last value."""
    return np.stack([np.interp(grid, run.steps, of(run)) for run in runs])


def mean_steps(runs: Sequence[Run]) -> Interval:
    """Return the mean steps until all loads are stored, with their interval; cut-off runs count at their length."""
    return positive_interval(np.array([run.length for run in runs], np.float64))


def fewest_steps(**env: Any) -> int:
    """Return the fewest steps that store all loads."""
    steps: int = crl_envs.make(ENV_ID, **env).unwrapped.optimal_steps()
    return steps
