"""Comparing policies over the levels of something that gets worse: what the sections beyond the paper share."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from crl_envs.bench.papers.dowling_haridi.runs import (
    ALL_CHOICES,
    DISCRETE,
    FAST_FORGETTING,
    GRADIENT,
    RANDOM,
    SLOW_MEMORY,
    TWO_CHOICES,
    Policy,
    Run,
    Runs,
)
from crl_envs.bench.score.statistics import FloatArray, Interval, positive_interval, t_interval
from crl_envs.bench.text import number, with_interval

POLICIES: Final = (DISCRETE, GRADIENT, TWO_CHOICES, ALL_CHOICES, RANDOM)
RIVALS: Final = (TWO_CHOICES, ALL_CHOICES, RANDOM)
MOST_STEPS: Final = 300_000

HEURISTICS_NOTE: Final = (
    "Two choices and the shortest queue ask neighbours at each step how full they are and whether they are up; "
    "questions and answers take no time and are never lost. CRL hears only what is advertised."
)
CLEAR_NOTE: Final = (
    "Fewer and more are said where the 95 % interval of the mean logarithm of the ratio, run by run with the same "
    "seed, excludes 0; at so many places some will do so by chance."
)


@dataclass(frozen=True)
class Measured:
    """A quantity of several runs; run k of every policy has the same seed, and the same graph.

    Attributes:
        values: ``float64[k]``; of a run that was cut off, what it had reached: a lower bound.
        finished: ``bool[k]``, the others.
    """

    values: FloatArray
    finished: NDArray[np.bool_]

    @property
    def mean(self) -> Interval:
        """With its interval; a lower bound if runs were cut off."""
        return positive_interval(self.values)

    @property
    def cut(self) -> int:
        """Runs that were cut off."""
        return int(np.count_nonzero(~self.finished))

    @property
    def runs(self) -> int:
        """All runs."""
        return len(self.values)


Curve = Mapping[Any, Measured]  # by level
Curves = Mapping[str, Curve]  # by policy


def measured(values: Sequence[float] | FloatArray, finished: Sequence[bool]) -> Measured:
    """Return a mean over runs, some of which may not have finished."""
    return Measured(np.array(values, np.float64), np.array(finished, np.bool_))


def steps_of(runs: Sequence[Run], divisors: Sequence[float] | float = 1.0) -> Measured:
    """Return the steps until all loads are stored, divided by a number for each run."""
    lengths = np.array([run.length for run in runs], np.float64) / np.asarray(divisors)
    return measured(lengths, [run.finished for run in runs])


def cell(found: Measured, digits: int = 0, sign: str = "") -> str:
    """Return the mean with its interval; where runs were cut off, a lower bound and how many they were."""
    if not found.cut:
        return sign + with_interval(found.mean, digits)
    return f"≥ {sign}{number(found.mean.value, digits)} ({found.cut} of {found.runs} cut off)"


def order(mine: Measured, theirs: Measured) -> int:
    """Return −1 if mine is clearly less, 1 if it is clearly more, else 0.

    Clear is what shows in the mean logarithm of the ratio, run by run: its 95 % interval excludes 0. The value of a run
    that was cut off says no more than that it would have been larger.
    """
    ratio = t_interval(np.log(mine.values / theirs.values))
    if ratio.high < 0 and not mine.cut:
        return -1
    if ratio.low > 0 and not theirs.cut:
        return 1
    return 0


def standings(
    found: Curves,
    mine: Policy,
    rivals: Sequence[Policy],
    words: tuple[str, str],
    show: Callable[[Any], str] = str,
) -> str:
    """Say at which levels one policy is clearly less than each rival, clearly more, or neither; and by how much.

    Args:
        found: By policy and level.
        mine: The policy.
        rivals: Those that it is compared with, at the levels that both have.
        words: For less and for more.
        show: How a level is written.
    """
    names = {-1: words[0], 1: words[1], 0: "no clear difference"}
    said = []
    for rival in rivals:
        theirs, own = found[rival.label], found[mine.label]
        shared = [level for level in own if level in theirs]
        levels: dict[int, list[str]] = {-1: [], 0: [], 1: []}
        for level in shared:
            levels[order(own[level], theirs[level])].append(show(level))
        ratios = [factor(own[level], theirs[level]) for level in shared]
        said.append(f"against {rival.label}: {_by_outcome(names, levels)}{_between(ratios)}")
    return f"{mine.label} {'; '.join(said)}."


def factor(mine: Measured, theirs: Measured) -> float:
    """Return by which factor mine is more: the geometric mean over runs; NaN where any run was cut off."""
    if mine.cut or theirs.cut:
        return float("nan")
    return float(np.exp(np.log(mine.values / theirs.values).mean()))


def _between(factors: Sequence[float]) -> str:
    known = [f"{x:.2f}" for x in sorted(factors) if np.isfinite(x)]
    if not known:
        return ""
    return f" (× {known[0]})" if known[0] == known[-1] else f" (× {known[0]}–{known[-1]})"


def _by_outcome(names: Mapping[int, str], levels: Mapping[int, Sequence[str]]) -> str:
    outcomes = [k for k in names if levels[k]]
    if not outcomes:
        return "not played"
    if len(outcomes) == 1:
        return f"{names[outcomes[0]]} throughout"
    return ", ".join(f"{names[k]} at {enumerated(levels[k])}" for k in outcomes)


def enumerated(words: Sequence[str]) -> str:
    """Return words as a list with "and"."""
    return words[0] if len(words) == 1 else f"{', '.join(words[:-1])} and {words[-1]}"


def growth(curve: Curve) -> tuple[float, bool]:
    """Return by which factor the mean grows from the first level to the last, and whether that is a lower bound."""
    every = list(curve.values())
    first, last = every[0], every[-1]
    factor = float("nan") if first.cut else last.mean.value / first.mean.value
    return factor, last.cut > 0


def slowdowns(found: Curves, what: str) -> str:
    """Say by how much each policy suffers from the first level to the last, the worst first."""
    factors = {label: growth(curve) for label, curve in found.items()}
    known = {label: f for label, f in factors.items() if np.isfinite(f[0])}
    ranked = sorted(known, key=lambda label: -known[label][0])
    said = [f"{label} {'≥ ' * known[label][1]}× {known[label][0]:.2f}" for label in ranked]
    said += [f"{label} unknown" for label in factors if label not in known]
    return f"{what} slows {', '.join(said)}."


def percent(share: float) -> str:
    """Return 0.05 as 5 %."""
    return f"{100 * share:g} %"


def by_policy(found: Mapping[tuple[str, Any], Measured]) -> dict[str, dict[Any, Measured]]:
    """Return levels by policy, from keys (policy, level)."""
    curves_of: dict[str, dict[Any, Measured]] = {}
    for (label, level), value in found.items():
        curves_of.setdefault(label, {})[level] = value
    return curves_of


def plain_curves(found: Curves) -> dict[str, Any]:
    """Return the curves for ``summary.json``."""
    return {
        label: {
            str(x): {"mean": m.mean, "cut_off": m.cut, "runs": m.runs} for x, m in curve.items()
        }
        for label, curve in found.items()
    }


def delegations(run: Run) -> int:
    """Return how many delegations were tried."""
    return int(run.last["messages_sent"])


def others(run: Run) -> int:
    """Return how many messages beside delegations there were: advertisements, questions and answers."""
    return int(run.last.get("advertisements_sent", 0) + run.last.get("polls", 0))


def messages_of(runs: Sequence[Run]) -> Measured:
    """Return the messages of all kinds for each load that came in."""
    found = [(delegations(r) + others(r)) / max(r.last["loads_in"], 1) for r in runs]
    return measured(found, [r.finished for r in runs])


def steps_of_kind(played: Runs, kind: str) -> dict[tuple[str, Any], Measured]:
    """Return the steps by policy and level, of the runs with keys (kind, policy, level)."""
    return {(label, x): steps_of(r) for (which, label, x), r in played.items() if which == kind}


def slowdown_of_kind(played: Runs, kind: str) -> dict[tuple[str, Any], Measured]:
    """Return the steps as multiples of those of the run with the same seed at the first level."""
    keys = [key for key in played if key[0] == kind]
    first = keys[0][2]
    return {key[1:]: relative(played[key], played[kind, key[1], first]) for key in keys}


def relative(runs: Sequence[Run], base: Sequence[Run]) -> Measured:
    """Return the steps as multiples of those of other runs, one by one; cut off where either run was."""
    found = steps_of(runs, [run.length for run in base])
    return replace(found, finished=found.finished & steps_of(base).finished)


def looks() -> dict[str, dict[str, Any]]:
    """Return the colours, dashes and markers of the policies."""
    from crl_envs.bench.report.pictures import BLUE, GREY, ORANGE, PURPLE, SKY, VERMILLION

    return {
        DISCRETE.label: {"color": BLUE, "linestyle": "-", "marker": "o"},
        GRADIENT.label: {"color": VERMILLION, "linestyle": (0, (6, 1.2)), "marker": "s"},
        SLOW_MEMORY.label: {"color": SKY, "linestyle": "-", "marker": "P"},
        FAST_FORGETTING.label: {"color": SKY, "linestyle": "-", "marker": "P"},
        TWO_CHOICES.label: {"color": ORANGE, "linestyle": "--", "marker": "D"},
        ALL_CHOICES.label: {"color": PURPLE, "linestyle": (0, (3, 1, 1, 1)), "marker": "v"},
        RANDOM.label: {"color": GREY, "linestyle": "-.", "marker": "x"},
    }


def draw_curves(panel: Any, found: Curves) -> None:
    """Draw means with their intervals over the levels; hollow triangles are lower bounds of runs that were cut off."""
    for label, style in looks().items():
        if label not in found:
            continue
        curve = found[label]
        x = np.array(list(curve), np.float64)
        means = np.array([m.mean for m in curve.values()])
        reach = np.maximum([means[:, 0] - means[:, 1], means[:, 2] - means[:, 0]], 0)
        panel.errorbar(x, means[:, 0], reach, ms=4.5, capsize=2, label=label, **style)
        cut = np.array([m.cut > 0 for m in curve.values()])
        if cut.any():
            panel.plot(x[cut], means[cut, 0], "^", ms=11, mfc="none", color=style["color"], mew=1.2)
