"""What one page explores: learners at work on a task, in threads of their own."""

from __future__ import annotations

import logging
from dataclasses import dataclass
from functools import partial
from threading import Thread
from typing import Any, Final, Literal

from crl_envs.adapters import MissingLibraryError
from crl_envs.explorer.curve import WINDOW, Points, thinned
from crl_envs.explorer.lane import Lane, Sight, Watch, picture_of
from crl_envs.explorer.pace import Pace, Stopped
from crl_envs.explorer.samples import Marks, Sample, marks_of, sample_of
from crl_envs.explorer.shades import Scale, Viewing
from crl_envs.explorer.touches import Touch
from crl_envs.explorer.worlds import Task

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
        marks: The optimum and the goal; None as long as they are being computed, or can't be.
        ends: Those of the colour scale.
    """

    state: State
    error: str
    sights: tuple[Sight, ...]
    marks: Marks | None
    ends: tuple[float, float]

    @property
    def at_rest(self) -> bool:
        """Whether all learners have had their episodes."""
        return self.state == "paused" and all(s.episodes >= WINDOW for s in self.sights)


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
        watch: What the pictures show, how fast it goes, and whether whoever looks keeps up.
        kept: Curves of earlier runs, oldest first.
        series: Tasks that are to follow one another by themselves.
    """

    def __init__(self, task: Task) -> None:
        self.watch = Watch()
        self.kept: list[KeptCurve] = []
        self.series: list[Task] = []
        self._samples: list[Sample] = []
        self.task = task
        self._work = self._started()

    def choose(self, task: Task) -> None:
        """Drop the present learners and get those of another task ready. Earlier curves stay, of the same world."""
        self._work.pace.stop()
        self._samples = self.samples()
        if task.world != self.task.world:
            self.kept.clear()
        self.task = task
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
        self.watch.speed = rounds
        self._work.pace.set_speed(rounds)

    def view(self, viewing: Viewing) -> None:
        """Have the pictures show something else from now on."""
        self.watch.viewing = viewing
        self._work.pace.wake()

    def touch(self, agent: int, touch: Touch) -> None:
        """Have that done to an agent, in every learner's world alike."""
        for lane in self._work.lanes:
            lane.touch(agent, touch)
        self._work.pace.wake()

    def follow(self, tasks: list[Task]) -> None:
        """Run tasks one after the other; `go_on` says when."""
        self.series = tasks
        self._next()

    def go_on(self) -> bool:
        """Begin the next task of a series if the learners of the present one have shown what they need.

        Returns:
            Whether another one has begun.
        """
        seen = self.snapshot()
        if not self.series or (seen.marks is None and seen.state != "failed"):
            return False
        done = [sample.reached for sample in self._present_samples()]
        if seen.state != "failed" and not seen.at_rest and done != [True] * len(seen.sights):
            return False
        self._next()
        return True

    def settle(self, timeout: float = 60.0) -> bool:
        """Wait until nothing is going on any more; whether that is so in time."""
        return self._work.pace.settle(timeout)

    @property
    def picture(self) -> Any:
        """What the first learner's world says about its states; None as long as it is being made."""
        env = self._work.lanes[0].env
        return None if env is None else picture_of(env)

    def snapshot(self) -> Snapshot:
        """What is to be seen now."""
        work = self._work
        return Snapshot(
            work.state,
            work.error,
            tuple(lane.sight for lane in work.lanes),
            work.marks,
            self._ends(work),
        )

    def curves(self) -> dict[str, Points]:
        """The learners' curves by label."""
        lanes = self._work.lanes
        return {self._label(lane): lane.curve.points(MOST_POINTS) for lane in lanes}

    def progress(self) -> dict[str, list[tuple[int, float]]]:
        """How far the learners' running or last episodes are, by label: (step, the world's `progress`)."""
        lanes = self._work.lanes
        return {self._label(lane): thinned(lane.progress[:], MOST_POINTS) for lane in lanes}

    def samples(self) -> list[Sample]:
        """How many episodes learners needed, of this run and of earlier ones, of the latest with the same settings."""
        by_run = {
            (s.learner, s.setting, s.size, s.seed, s.touched): s
            for s in (*self._samples, *self._present_samples())
        }
        return list(by_run.values())

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
        """Drop the curves and the samples that were kept."""
        self.kept.clear()
        self._samples.clear()

    def close(self) -> None:
        """End the threads."""
        self._work.pace.stop()

    def _started(self) -> _Work:
        work = _Work(self.task, self.watch)
        work.pace.set_speed(self.watch.speed)
        work.start()
        return work

    def _ends(self, work: _Work) -> tuple[float, float]:
        scale = work.scales.get(self.watch.viewing.colour)
        return (0.0, 1.0) if scale is None else scale.ends

    def _next(self) -> None:
        if self.series:
            self.choose(self.series.pop(0))
            self.run()

    def _present_samples(self) -> list[Sample]:
        task, work = self.task, self._work
        if work.state == "failed":
            return []
        found = (
            sample_of(task, lane.name, lane.curve, work.marks, lane.touched > 0)
            for lane in work.lanes
        )
        return [sample for sample in found if sample is not None]

    def _label(self, lane: Lane) -> str:
        return self.task.label(lane.name) + " (touched)" * (lane.touched > 0)


class _Work:
    """The learners of one task and their threads."""

    def __init__(self, task: Task, watch: Watch) -> None:
        self.scales = {"value": Scale(), "credit": Scale()}
        self.lanes = [Lane(task, name, watch, self.scales) for name in task.names]
        self.pace = Pace(len(self.lanes))
        self.error = ""
        self.marks: Marks | None = None
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
                Thread(target=self._find_marks, daemon=True).start()
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

    def _find_marks(self) -> None:
        try:
            self.marks = marks_of(self._task)
        except Exception as error:  # a page without the line is better than none
            _log.warning("no optimum: %s", error)
