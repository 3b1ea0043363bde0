"""What an experiment is: a family of tasks over one knob, a fixed interaction and a fixed analysis."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final, Literal

import numpy as np

import crl_envs
from crl_envs.core.arguments import check_choice, check_int, check_real
from crl_envs.wrappers import NoisyReward

Value = int | float | str
Knob = Literal["n", "noise", "horizon", "topology"]
Unit = Literal["env steps", "episodes"]

KNOBS: Final[tuple[Knob, ...]] = ("n", "noise", "horizon", "topology")
UNITS: Final[tuple[Unit, ...]] = ("env steps", "episodes")


@dataclass(frozen=True)
class Task:
    """An environment with its arguments.

    Attributes:
        env_id: As `crl_envs.make` takes it.
        env_kwargs: Its arguments.
        reward_noise: Standard deviation of the Gaussian noise on each agent's reward, each with its own draw; 0 for
            none. Returns are always measured without it.
    """

    env_id: str
    env_kwargs: Mapping[str, Any] = field(default_factory=dict)
    reward_noise: float = 0.0

    def make(self) -> Any:
        """Return the ParallelEnv."""
        return self._noisy(crl_envs.make(self.env_id, **self.env_kwargs))

    def make_vec(self, num_envs: int) -> Any:
        """Return the vector env with that many columns."""
        return self._noisy(crl_envs.make_vec(self.env_id, num_envs=num_envs, **self.env_kwargs))

    def plain(self) -> dict[str, Any]:
        """Return the task in JSON's types; a graph as its lists of nodes and edges."""
        kwargs = {name: _plain(value) for name, value in self.env_kwargs.items()}
        return {"env_id": self.env_id, "env_kwargs": kwargs, "reward_noise": self.reward_noise}

    def _noisy(self, env: Any) -> Any:
        return NoisyReward(env, self.reward_noise, shared=False) if self.reward_noise else env


@dataclass(frozen=True)
class Reference:
    """A curve that isn't a learner's, drawn over the knob beside the learners' samples-to-ε.

    Attributes:
        label: What it is, with its source.
        values: Where on the knob.
        samples: As high, in the experiment's unit.
    """

    label: str
    values: Sequence[float]
    samples: Sequence[float]


def _none(values: Sequence[Value]) -> list[Reference]:
    return []


@dataclass(frozen=True, kw_only=True)
class Analysis:
    """What is read out of an experiment's scores.

    Attributes:
        scaling: Whether samples-to-ε is fitted as a power of the knob, and the largest solved value looked for.
        verdict: Sentences that say what was found, from the experiment's summary
            (`crl_envs.bench.score.summary.summary`).
        references: Curves to draw beside the learners', for the values that were measured; none by default.
    """

    scaling: bool
    verdict: Callable[[Mapping[str, Any]], list[str]]
    references: Callable[[Sequence[Value]], list[Reference]] = _none


def _one(value: Any) -> int:
    return 1


@dataclass(frozen=True, kw_only=True)
class Experiment:
    """A task family over one knob.

    Attributes:
        name: As in the ids of its runs.
        version: From 1; whatever changes a result changes it.
        title: One line.
        statement: The problem, what is varied, what is held fixed, what a good learner does, and the paper.
        knob: What is varied; also its name in the ids.
        values: Of the knob, from easy to hard where there is an order.
        quick: Those of ``--quick``. A run of a value is the same in both.
        task: The task of a value.
        budget: What a run of a value may learn from, in `unit`.
        first: The first evaluation comes after this much.
        evaluations: Their number, spaced geometrically from `first` to the budget.
        unit: Of budgets: ``"env steps"``: learn, and play `episodes` episodes with what has been learnt in another
            environment at each evaluation. ``"episodes"``: what is measured are the episodes learnt from themselves,
            for what learns while it works.
        episodes: Of an evaluation, where the unit is env steps.
        epsilon: A run has arrived when its score stays at 1 − ε or above.
        baselines: Shipped learners that fit, by name: what ``--learners all`` means.
        analysis: How the scores are read.
        compiled: Whether the ParallelEnv is what compiled learners are fastest on; else it is the vector env.
        grain: Budgets of a value are whole multiples of this: the steps of an episode, where whole episodes are learnt
            from, or what libraries collect between updates. Otherwise what a learner has seen could be more than the
            budget says.

    Raises:
        ValueError: Values that contradict each other.
    """

    name: str
    version: int
    title: str
    statement: str
    knob: Knob
    values: tuple[Value, ...]
    quick: tuple[Value, ...]
    task: Callable[[Any], Task]
    budget: Callable[[Any], int]
    first: int
    evaluations: int
    unit: Unit
    episodes: int
    epsilon: float
    baselines: tuple[str, ...]
    analysis: Analysis
    compiled: bool = False
    grain: Callable[[Any], int] = _one

    def __post_init__(self) -> None:
        check_choice("knob", self.knob, KNOBS)
        check_choice("unit", self.unit, UNITS)
        for name in ("version", "first", "evaluations", "episodes"):
            check_int(name, getattr(self, name), low=1)
        check_real("epsilon", self.epsilon, low=0, high=1)
        if not self.quick or not set(self.quick) <= set(self.values):
            raise ValueError(f"quick must be some of values, {self.values}, got {self.quick}")
        if len(set(self.values)) < len(self.values):
            raise ValueError(f"values must differ, got {self.values}")

    @property
    def id(self) -> str:
        """Name and version, as in the ids of its runs."""
        return f"{self.name}@{self.version}"

    def budgets(self, value: Value) -> tuple[int, ...]:
        """Return after how much each evaluation of a run comes: ascending whole numbers, the last the whole budget."""
        grain = check_int("grain", self.grain(value), low=1)
        last = check_int("budget", self.budget(value), low=max(self.first, grain))
        spaced = np.geomspace(self.first, last, self.evaluations) / grain
        multiples = np.maximum(spaced.round().astype(int), 1)
        return tuple(sorted({*(multiples * grain).tolist(), -(-last // grain) * grain}))


def _plain(value: Any) -> Any:
    if hasattr(value, "nodes") and hasattr(value, "edges"):
        return {
            "nodes": [str(node) for node in value.nodes],
            "edges": [[str(a), str(b)] for a, b in value.edges],
        }
    return list(value) if isinstance(value, tuple) else value
