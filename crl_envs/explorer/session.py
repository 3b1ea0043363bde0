"""What one page explores: learners at work on a task, in threads of their own."""

from __future__ import annotations

import logging
from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache, partial
from threading import Thread
from typing import Any, Final, Literal

import crl_envs
from crl_envs.adapters import MissingLibraryError
from crl_envs.core.optimum import Optimum
from crl_envs.explorer.lane import Lane, Points, Sight, thinned
from crl_envs.explorer.pace import Pace, Stopped
from crl_envs.explorer.worlds import WORLDS, Task

State = Literal["preparing", "paused", "running", "failed"]

MOST_POINTS: Final = 300  # of a curve on the page
MOST_KEPT: Final = 4  # curves of earlier runs

_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Snapshot:
    """Describe a session at one moment.

    Attributes:
        state: ``"preparing"``: environments and learners are being made; ``"paused"``, ``"running"``;
            ``"failed"``: see `error`, only another task helps.
        error: A sentence; empty when there is none.
        sights: One for each learner of the task.
        optimum: What is known about the best policy; None as long as it is being computed, or can't be.
    """

    state: State
    error: str
    sights: tuple[Sight, ...]
    optimum: Optimum | None


@dataclass(frozen=True)
class KeptCurve:
    """A curve of an earlier run.

    Attributes:
        label: Who learnt what.
        points: The curve.
        progress: Of the last episode; see `Session.progress`.
    """

    label: str
    points: Points
    progress: list[tuple[int, float]]


class Session:
    """A task and its learners; the threads are daemons and end with `close`.

    All learners of a task learn it from the same seed, in rounds of one step each. What they learn is what
    ``learn`` would have learnt without anybody watching.

    Args:
        task: To begin with.

    Attributes:
        task: The present one.
        in_view: Place of the learner whose environment is drawn.
        keeping_up: Whether whoever looks has seen the last picture. While False, pictures are drawn at rest only.
        kept: Curves of earlier runs, oldest first.
    """

    def __init__(self, task: Task) -> None:
        self.in_view = 0
        self.keeping_up = True
        self.kept: list[KeptCurve] = []
        self._speed: float | None = None
        self.task = task
        self._work = self._started()

    def choose(self, task: Task) -> None:
        """Drop the present learners and get those of another task ready. Earlier curves stay, of the same world."""
        self._work.pace.stop()
        if task.world != self.task.world:
            self.kept.clear()
        self.task = task
        self.in_view = min(self.in_view, len(task.names) - 1)
        self._work = self._started()

    def reset(self) -> None:
        """Begin the task anew."""
        self.choose(self.task)

    def run(self) -> None:
        """Learn until `pause`, or until each learner has had the task's number of episodes once more."""
        self._work.pace.run()

    def pause(self) -> None:
        """Stop after the present round."""
        self._work.pace.pause()

    def step(self) -> None:
        """Let every learner take one step."""
        self._work.pace.step()

    def set_speed(self, rounds: float | None) -> None:
        """Steps a second of each learner; None for as many as there is time for."""
        self._speed = rounds
        self._work.pace.set_speed(rounds)

    def look_at(self, place: int) -> None:
        """Draw the environment of the learner in that place from now on."""
        self.in_view = place
        self._work.pace.wake()

    def settle(self, timeout: float = 60.0) -> bool:
        """Wait until nothing is going on any more; whether that is so in time."""
        return self._work.pace.settle(timeout)

    def snapshot(self) -> Snapshot:
        """What is to be seen now."""
        work = self._work
        return Snapshot(
            work.state, work.error, tuple(lane.sight for lane in work.lanes), work.optimum
        )

    def curves(self) -> dict[str, Points]:
        """The learners' curves by label."""
        lanes = self._work.lanes
        return {self.task.label(lane.name): lane.curve.points(MOST_POINTS) for lane in lanes}

    def progress(self) -> dict[str, list[tuple[int, float]]]:
        """How far the learners' running or last episodes are, by label: (step, the world's `progress`)."""
        lanes = self._work.lanes
        return {
            self.task.label(lane.name): thinned(lane.progress[:], MOST_POINTS) for lane in lanes
        }

    def returns(self) -> dict[str, list[float]]:
        """The learners' returns, one an episode, by name."""
        return {lane.name: lane.curve.returns for lane in self._work.lanes}

    def keep(self) -> None:
        """Keep the present curves beside those to come; the oldest go when there are too many."""
        progress = self.progress()
        for label, points in self.curves().items():
            if points.episodes or progress[label]:
                self.kept.append(KeptCurve(label, points, progress[label]))
        del self.kept[:-MOST_KEPT]

    def forget(self) -> None:
        """Drop the curves that were kept."""
        self.kept.clear()

    def close(self) -> None:
        """End the threads."""
        self._work.pace.stop()

    def _started(self) -> _Work:
        work = _Work(self.task, self._is_drawn)
        work.pace.set_speed(self._speed)
        work.start()
        return work

    def _is_drawn(self, place: int, at_rest: bool) -> bool:
        return place == self.in_view and (at_rest or self.keeping_up)


class _Work:
    """The learners of one task and their threads."""

    def __init__(self, task: Task, is_drawn: Callable[[int, bool], bool]) -> None:
        self.lanes = [
            Lane(task, name, partial(is_drawn, place)) for place, name in enumerate(task.names)
        ]
        self.pace = Pace(len(self.lanes))
        self.error = ""
        self.optimum: Optimum | None = None
        self._task = task
        self._prepared = 0

    @property
    def state(self) -> State:
        if self.error:
            return "failed"
        if self._prepared < len(self.lanes):
            return "preparing"
        return "running" if self.pace.running else "paused"

    def start(self) -> None:
        for place, lane in enumerate(self.lanes):
            Thread(target=self._learn, args=(place, lane), daemon=True).start()

    def _learn(self, place: int, lane: Lane) -> None:
        try:
            lane.prepare()
            self._prepared += 1
            if place == 0:
                Thread(target=self._find_optimum, daemon=True).start()
            self._wait(place, lane)
            step = partial(self._go_on, place, lane)
            lane.learn(after_step=step, after_episode=partial(step, episode_over=True))
        except Stopped:
            pass
        except Exception as error:  # somebody's learner may raise anything
            self._fail(error)

    def _go_on(self, place: int, lane: Lane, episode_over: bool = False) -> None:
        if episode_over and len(lane.curve) % self._task.episodes == 0:
            lane.look()
            self.pace.sit_out(place)
        else:
            self.pace.pass_on(place)
        self._wait(place, lane)

    def _wait(self, place: int, lane: Lane) -> None:
        while not self.pace.wait(place):
            lane.look()
            self.pace.rest(place)

    def _fail(self, error: Exception) -> None:
        if isinstance(error, ValueError | MissingLibraryError):
            self.error = str(error)
        else:
            _log.error("a learner failed", exc_info=error)
            self.error = f"{type(error).__name__}: {error}"
        self.pace.stop()

    def _find_optimum(self) -> None:
        arguments = tuple(sorted(self._task.arguments().items()))
        try:
            self.optimum = _optimum(WORLDS[self._task.world].id, arguments)
        except Exception as error:  # a page without the line is better than none
            _log.warning("no optimum: %s", error)


@lru_cache(maxsize=64)
def _optimum(id: str, arguments: tuple[tuple[str, Any], ...]) -> Optimum:
    found: Optimum = crl_envs.make(id, **dict(arguments)).unwrapped.optimum()
    return found
