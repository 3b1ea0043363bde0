"""What a reader should take away from an experiment's scores, and how far they can be trusted, in sentences."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from crl_envs.bench.experiment import number, one_seed

Found = Mapping[str, Any]  # an experiment, as in the scores of a sweep

FEW_SEEDS: Final = 5
FEW_SIZES: Final = 3
NO_INTERVAL: Final = "one seed: no interval"
_FRACTIONS: Final = {2: "half", 3: "a third", 4: "a quarter", 5: "a fifth", 10: "a tenth"}


def sentences(found: Found) -> list[str]:
    """Return all that is said of an experiment: what to take away first, then cautions, the verdict, what n* is."""
    return [*takeaway(found), *cautions(found), *found["verdict"], *definitions(found)]


def takeaway(found: Found) -> list[str]:
    """Say in one sentence who needs the fewest samples at the largest value that is known, and how that grows.

    Where no median is known, who ends with the highest score at the last value. Two learners whose intervals overlap
    are not put in an order. None where nothing has been scored.
    """
    learners = found["summary"]["learners"]
    if not learners:
        return []
    for value in reversed([str(value) for value in found["values"]]):
        known = {
            name: of["values"][value]["samples"]["runs"]
            for name, of in learners.items()
            if value in of["values"]
            and of["values"][value]["samples"]
            and of["values"][value]["samples"]["runs"]["value"] is not None
        }
        if known and any(interval["value"] for interval in known.values()):
            return [_by_samples(found, value, known)]
    return _by_score(found)


def _by_samples(found: Found, value: str, known: Mapping[str, Mapping[str, float | None]]) -> str:
    learners, knob = found["summary"]["learners"], found["knob"]
    ordered = sorted(known, key=lambda name: (known[name]["value"], name))
    first, last = ordered[0], ordered[-1]
    level = f"{1 - found['epsilon']:g}"
    said = f"To a score of {level} at {knob} = {value}, {first} needs "
    said += f"{number(known[first]['value'])} {found['unit']}"
    if last != first:
        said += f", {_beside(known[first], known[last], last, one_seed(learners[first]))}"
    growth = _growth(learners[first], knob)
    absent = sum(value in of["values"] for of in learners.values()) - len(known)
    verb = "doesn't" if absent == 1 else "don't"
    missing = f"; {absent} of {absent + len(known)} learners {verb} get there" if absent else ""
    return f"{said}{growth}{missing}."


def _beside(
    few: Mapping[str, float | None], many: Mapping[str, float | None], name: str, one: bool
) -> str:
    a, b = few["value"], many["value"]
    assert a is not None and b is not None
    ends = few["high"], many["low"]
    apart = one or (None not in ends and ends[0] < ends[1])  # type: ignore[operator]
    if not apart:
        return f"which can't be distinguished from {name}'s {number(b)}"
    times = b / a if a else 0.0
    for whole, word in _FRACTIONS.items():
        if abs(times / whole - 1) < 0.05:
            return f"about {word} of {name}'s {number(b)}"
    share = f"{100 * a / b:.2g} %" if a else "none"
    return f"{share} of {name}'s {number(b)}"


def _growth(learner: Mapping[str, Any], knob: str) -> str:
    power = learner["exponent"] and learner["exponent"]["runs"]["power"]
    if not power or power["value"] is None:
        return ""
    exponent = f"{knob}^{number(power['value'])}"
    if one_seed(learner):
        return f"; over {knob} they go as {exponent} ({NO_INTERVAL})"
    if power["low"] is None or power["high"] is None:
        return f"; over {knob} they go as {exponent}, without an interval"
    ends = f"[{number(power['low'])}, {number(power['high'])}]"
    if power["low"] == power["high"] == 0:
        return f", and as many at the other values of {knob}"
    if power["low"] <= 0 <= power["high"]:
        return f"; its growth over {knob} can't be distinguished from none ({exponent} {ends})"
    return f"; over {knob} they {'grow' if power['low'] > 0 else 'fall'} as {exponent} {ends}"


def _by_score(found: Found) -> list[str]:
    learners, knob = found["summary"]["learners"], found["knob"]
    value = str(found["values"][-1])
    scores = {
        name: of["values"][value]["score"]
        for name, of in learners.items()
        if value in of["values"] and of["values"][value]["score"]["value"] is not None
    }
    if not scores:
        return []
    ordered = sorted(scores, key=lambda name: (-scores[name]["value"], name))
    best = [name for name in ordered if scores[name]["value"] == scores[ordered[0]]["value"]]
    rest = ordered[len(best) :]
    said = f"At {knob} = {value}, {' and '.join(best)} {'ends' if len(best) == 1 else 'end'} with the highest score, "
    said += number(scores[best[0]]["value"])
    if rest:
        low, high = scores[best[0]]["low"], scores[rest[0]]["high"]
        overlap = low is not None and high is not None and high >= low
        said += f"; {rest[0]}, with {number(scores[rest[0]]['value'])}, "
        said += "can't be distinguished from that" if overlap else "comes next"
    return [f"{said} (0: random, 1: optimum)."]


def cautions(found: Found) -> list[str]:
    """Say why scores with failed runs, and intervals and exponents of few seeds or few sizes, shouldn't be trusted."""
    runs = [
        value["runs"]
        for learner in found["summary"]["learners"].values()
        for value in learner["values"].values()
    ]
    if not runs:
        return []
    said = []
    failed = sum(run["status"] != "running" for run in found["unfinished"])
    if failed:
        said.append(
            f"Caution, {failed} of {sum(runs)} runs failed: each counts with the last score that it had, 0 if none."
        )
    if max(runs) == 1:
        said.append(
            f"Caution, {NO_INTERVAL}: another seed may give other numbers, and another order."
        )
    elif min(runs) < FEW_SEEDS:
        said.append(
            f"Caution, {min(runs)} {'seed' if min(runs) == 1 else 'seeds'}: intervals from fewer than {FEW_SEEDS} runs "
            "are too narrow, since a bootstrap knows only the runs that were made."
        )
    sizes = len(found["values"])
    if sizes < FEW_SIZES and _has_sizes(found):
        said.append(
            f"Caution, {sizes} {'value' if sizes == 1 else 'values'} of {found['knob']}: from fewer than {FEW_SIZES} "
            "nothing shows whether the samples follow a power law at all."
        )
    return said


def definitions(found: Found) -> list[str]:
    """Say what the star of the verdict means, where it has one."""
    if not _has_sizes(found):
        return []
    knob, share = found["knob"], found["summary"]["settings"]["share"]
    runs = "more than half" if share is None else f"{100 * share:g} %"
    return [
        f"{knob}*: the largest {knob} that is solved with all smaller ones, which takes {runs} of the runs at a score "
        f"of {1 - found['epsilon']:g} or above until the end of the budget."
    ]


def _has_sizes(found: Found) -> bool:
    return any(of["solved"] is not None for of in found["summary"]["learners"].values())
