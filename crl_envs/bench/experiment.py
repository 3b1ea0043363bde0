"""What an experiment is: a family of tasks over one knob, a fixed interaction and a fixed analysis.

Below are the sentences that several experiments say about their scores, from the dict of
`crl_envs.bench.score.results.summary`. A learner may lack values, a value may be censored, and any number may be None:
a sentence says what is known.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache
from typing import Any, Final, Literal

import numpy as np

import crl_envs
from crl_envs.core.arguments import check_choice, check_int, check_real
from crl_envs.wrappers import NoisyReward

Value = int | float | str
Knob = Literal["n", "noise", "horizon", "topology", "load"]
Unit = Literal["env steps", "episodes"]

KNOBS: Final[tuple[Knob, ...]] = ("n", "noise", "horizon", "topology", "load")
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
            (`crl_envs.bench.score.results.summary`).
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
        version: From 1, the default; whatever changes a result changes it.
        title: One line.
        statement: The problem, what is varied, what is held fixed, what a good learner does, and the paper.
        knob: What is varied; also its name in the ids.
        values: Of the knob, from easy to hard where there is an order.
        quick: Those of ``--quick``. A run of a value is the same in both.
        task: The task of a value.
        budget: What a run of a value may learn from, in `unit`.
        first: The first evaluation comes after this much.
        evaluations: Their number, spaced geometrically from `first` to the budget.
        unit: Of budgets. ``"env steps"`` (default): learn, and play `episodes` episodes with what has been learnt in
            another environment at each evaluation. ``"episodes"``: what is measured are the episodes learnt from
            themselves, for what learns while it works.
        episodes: Of an evaluation, where the unit is env steps.
        epsilon: A run has arrived when its score stays at 1 − ε or above; .1 by default.
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
    version: int = 1
    title: str
    statement: str
    knob: Knob
    values: tuple[Value, ...]
    quick: tuple[Value, ...]
    task: Callable[[Any], Task]
    budget: Callable[[Any], int]
    first: int
    evaluations: int
    unit: Unit = "env steps"
    episodes: int
    epsilon: float = 0.1
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
        return _spaced(self.first, last, self.evaluations, grain)


@cache  # a run that is forked from a process that knows them needn't find NumPy's code again
def _spaced(first: int, last: int, number: int, grain: int) -> tuple[int, ...]:
    spaced = np.geomspace(first, last, number) / grain
    multiples = np.maximum(spaced.round().astype(int), 1)
    return tuple(sorted({*(multiples * grain).tolist(), -(-last // grain) * grain}))


def _plain(value: Any) -> Any:
    if hasattr(value, "nodes") and hasattr(value, "edges"):
        return {
            "nodes": [str(node) for node in value.nodes],
            "edges": [[str(a), str(b)] for a, b in value.edges],
        }
    return list(value) if isinstance(value, tuple) else value


Summary = Mapping[str, Any]

_NOTHING: Final = 0.005  # of a score


def scaling_verdict(summary: Summary, knob: str) -> list[str]:
    """Say for each learner how its samples-to-ε grows with the knob and up to where it solves its task; the best first.

    Args:
        summary: Of an experiment whose analysis is of scaling.
        knob: Its name.
    """
    return [
        f"{learner}: {_growth(found, knob)}; {_reach(found, knob)}."
        for learner, found in by_iqm(summary)
    ]


def comparison(summary: Summary, knob: str, slower: str, faster: str) -> list[str]:
    """Say how many times as many samples one learner takes as another, at the ends of the values where both arrive.

    Args:
        summary: Of an experiment.
        knob: Its name.
        slower: A learner, which may be missing.
        faster: Another one, which may be missing.
    """
    first, second = (_medians(summary, learner) for learner in (slower, faster))
    common = [value for value in first if value in second]
    if not common:
        return []
    ends = dict.fromkeys([common[0], common[-1]])
    ratios = ", ".join(
        f"{number(first[value] / second[value])} at {knob} = {value}" for value in ends
    )
    return [
        f"To the level of {_level(summary)}, samples of {slower} for one of {faster}: {ratios}."
    ]


def score_verdict(summary: Summary, knob: str) -> list[str]:
    """Say for each learner its final score at each value, and the share of runs at 1 − ε or above; the best first."""
    level = _level(summary)
    return [
        f"{learner}: score {_scores(found['values'], knob)}; "
        f"{_share(found['arrived'])} of its runs are at {level} or above."
        for learner, found in by_iqm(summary)
    ]


def losses(summary: Summary, knob: str) -> list[str]:
    """Say for each learner what it loses from the first value to the last, the largest loss first."""
    lost = []
    for learner, found in summary["learners"].items():
        known = list(_known_scores(found).items())
        if len(known) > 1:
            (first, before), (last, after) = known[0], known[-1]
            lost.append((after - before, learner, first, last))
    return [
        f"From {knob} = {first} to {last}, {learner} {_change(change)}."
        for change, learner, first, last in sorted(lost)
    ]


def best_by_value(summary: Summary, knob: str) -> list[str]:
    """Say in one sentence which learner has the highest mean score at each value."""
    best: dict[str, tuple[float, str]] = {}
    for learner, found in summary["learners"].items():
        for value, score in _known_scores(found).items():
            if value not in best or score > best[value][0]:
                best[value] = score, learner
    parts = [f"{learner} at {knob} = {value}" for value, (_, learner) in best.items()]
    return [f"The highest mean score: {', '.join(parts)}."] if parts else []


def by_iqm(summary: Summary) -> list[tuple[str, Mapping[str, Any]]]:
    """Return learners with their entries, the highest IQM first, equal ones in the order of their names."""

    def rank(item: tuple[str, Mapping[str, Any]]) -> tuple[float, str]:
        iqm = _value(item[1]["aggregates"]["iqm"])
        return (float("inf") if iqm is None else -iqm), item[0]

    return sorted(summary["learners"].items(), key=rank)


def number(value: float | None) -> str:
    """Return a number with two decimals, three of one just below 1, fewer of large ones; a dash for None."""
    if value is None:
        return "–"
    if abs(value) >= 100:
        return f"{value:,.0f}"
    if abs(value) >= 10:
        return f"{value:.1f}"
    return f"{value:.3f}" if 0.98 < value < 1 else f"{value:.2f}"


def one_seed(learner: Mapping[str, Any]) -> bool:
    """Return whether a learner's entry has a single run of each value, whose bootstrap intervals mean nothing."""
    return all(value["runs"] == 1 for value in learner["values"].values())


def _growth(found: Mapping[str, Any], knob: str) -> str:
    exponent = found["exponent"]
    power = exponent["runs"]["power"] if exponent else None
    if exponent is None or power is None or power["value"] is None:
        return f"samples-to-ε is known at fewer than two values of {knob}"
    ends = [power["low"], power["high"]]
    interval = "" if None in ends else f" [{number(ends[0])}, {number(ends[1])}]"
    if one_seed(found):
        interval = " (one seed: no interval)"
    censored = exponent["runs"]["censored"]
    without = f", without {knob} = {_list(censored)}" if censored else ""
    return f"samples-to-ε grows as {knob}^{number(power['value'])}{interval}{without}"


def _reach(found: Mapping[str, Any], knob: str) -> str:
    solved = found["solved"]
    star = f"{knob}*"
    if not solved or solved["largest"] is None:
        text = f"{star} isn't known: not even the smallest {knob} is solved"
    else:
        text = f"{star} = {solved['largest']}"
    beyond = solved["beyond_a_hole"] if solved else ()
    return f"{text} (also solved, beyond an unsolved one: {_list(beyond)})" if beyond else text


def _scores(values: Mapping[str, Any], knob: str) -> str:
    parts = [
        f"{number(_value(found['score']))} at {knob} = {value}" for value, found in values.items()
    ]
    return ", ".join(parts)


def _known_scores(found: Mapping[str, Any]) -> dict[str, float]:
    """By value, a learner's mean score where it is known."""
    scores = {value: _value(of["score"]) for value, of in found["values"].items()}
    return {value: score for value, score in scores.items() if score is not None}


def _medians(summary: Summary, learner: str) -> dict[str, float]:
    """By value, the median samples-to-ε where it is known and more than 0."""
    found = summary["learners"].get(learner)
    medians = {}
    for value, of in found["values"].items() if found else ():
        median = _value(of["samples"] and of["samples"]["runs"])
        if median:
            medians[value] = median
    return medians


def _level(summary: Summary) -> str:
    return f"{1 - summary['settings']['epsilon']:.2g}"


def _share(share: float) -> str:
    return "all" if share == 1 else "none" if share == 0 else f"{100 * share:.0f} %"


def _value(interval: Mapping[str, Any] | None) -> float | None:
    return interval["value"] if interval else None


def _list(values: Sequence[Any]) -> str:
    *rest, last = map(str, values)
    return f"{', '.join(rest)} and {last}" if rest else last


def _change(change: float) -> str:
    if abs(change) < _NOTHING:
        return "neither loses nor gains"
    kind = "loses" if change < 0 else "gains"
    return f"{kind} {number(abs(change))} of the way from random to the optimum"
