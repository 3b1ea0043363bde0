"""Sentences that several experiments say about their scores, from the dict of `crl_envs.bench.score.summary`.

A learner may lack values, a value may be censored, and any number may be None: a sentence says what is known.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final

Summary = Mapping[str, Any]

_NOTHING: Final = 0.005  # of a score


def scaling_verdict(summary: Summary, knob: str) -> list[str]:
    """Say for each learner how its samples-to-ε grows with the knob and up to where it solves its task; the best first.

    Args:
        summary: Of an experiment whose analysis is of scaling.
        knob: Its name.
    """
    return [
        f"{learner}: {_growth(found['exponent'], knob)}; {_reach(found, knob)}."
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


def _growth(exponent: Mapping[str, Any] | None, knob: str) -> str:
    power = exponent["runs"]["power"] if exponent else None
    if exponent is None or power is None or power["value"] is None:
        return f"samples-to-ε is known at fewer than two values of {knob}"
    ends = [power["low"], power["high"]]
    interval = "" if None in ends else f" [{number(ends[0])}, {number(ends[1])}]"
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
