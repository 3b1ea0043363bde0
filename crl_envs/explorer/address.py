"""What is chosen on the page as the query of its address, so that it can be shared and loaded again."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Final, NamedTuple, get_args
from urllib.parse import urlencode

from crl_envs.explorer.choices import Choice, Value
from crl_envs.explorer.shades import Colour, Viewing
from crl_envs.explorer.worlds import WORLDS, Task, default_task

FIRST_WORLD: Final = "sysadmin"
FIRST_SPEED: Final = 5.0  # steps a second, which eyes can follow
_FASTEST: Final = "max"


class Chosen(NamedTuple):
    """All that an address says."""

    task: Task
    viewing: Viewing = Viewing()
    speed: float | None = FIRST_SPEED  # steps a second; None: as fast as it goes


def query_of(chosen: Chosen) -> str:
    """Return what is chosen as a query: the world, the learners, and what isn't at its default."""
    task, viewing, speed = chosen
    first = default_task(task.world)
    said: dict[str, object] = {
        "world": task.world,
        "learner": task.learner,
        "rival": task.rival,
        "seed": task.seed,
    }
    if task.episodes != first.episodes:
        said["episodes"] = task.episodes
    for choice in WORLDS[task.world].choices:
        if task.value(choice.name) != choice.default:
            said[choice.name] = task.value(choice.name)
    if viewing != Viewing():
        said |= {"colour": viewing.colour, "action": viewing.action}
    if speed != FIRST_SPEED:
        said["speed"] = _FASTEST if speed is None else f"{speed:g}"
    return urlencode(said)


def chosen_by(query: Mapping[str, str]) -> Chosen:
    """Return what a query says, and defaults where it says nothing or what there isn't.

    Values of arguments are taken as they are: the environment says what is wrong with them.
    """
    key = query.get("world", FIRST_WORLD)
    first = default_task(key if key in WORLDS else FIRST_WORLD)
    values = {
        choice.name: _read(choice, query[choice.name])
        for choice in WORLDS[first.world].choices
        if choice.name in query
    }
    task = replace(
        first,
        values=values,
        learner=query.get("learner", first.learner),
        rival=query.get("rival", first.rival),
        seed=_whole(query.get("seed"), first.seed),
        episodes=_whole(query.get("episodes"), first.episodes),
    )
    viewing = Viewing()
    for colour in get_args(Colour):
        if query.get("colour") == colour:
            viewing = Viewing(colour, _whole(query.get("action"), viewing.action))
    return Chosen(task, viewing, _speed(query.get("speed")))


def _read(choice: Choice, text: str) -> Value:
    if choice.kind == "select":
        return text
    try:
        number = float(text)
    except ValueError:
        return text
    return int(number) if number.is_integer() else number


def _whole(text: str | None, default: int) -> int:
    return int(text) if text is not None and text.isdecimal() and text.isascii() else default


def _speed(text: str | None) -> float | None:
    if text == _FASTEST:
        return None
    try:
        speed = float(text or FIRST_SPEED)
    except ValueError:
        return FIRST_SPEED
    return speed if 0.01 <= speed <= 1e4 else FIRST_SPEED
