"""When learners take their steps: in turn, at a speed, as long as they are let."""

from __future__ import annotations

import time
from threading import Condition


class Stopped(Exception):
    """Raised in the thread of a learner that shall end."""


class Pace:
    """Lets `count` threads take steps in rounds, one after another, so that none gets ahead of the others.

    Each thread calls `wait` before a step. A round begins when the pace is running, or when a single step is asked for.

    Args:
        count: Number of threads.
    """

    def __init__(self, count: int) -> None:
        self._count = count
        self._changed = Condition()
        self._turn = 0  # whose step it is
        self._left = 0  # rounds that were asked for one by one
        self._running = False
        self._stopped = False
        self._interval = 0.0
        self._due = 0.0
        self._at_rest: set[int] = set()
        self._out: set[int] = set()

    @property
    def running(self) -> bool:
        """Whether rounds follow one another."""
        return self._running

    @property
    def resting(self) -> bool:
        """Whether no step is being taken and none is coming."""
        return len(self._at_rest) == self._count

    def set_speed(self, rounds: float | None) -> None:
        """Rounds a second; None for as many as there is time for."""
        with self._changed:
            self._interval = 0.0 if rounds is None else 1.0 / rounds
            self._due = 0.0
            self._changed.notify_all()

    def run(self) -> None:
        """Let rounds follow one another."""
        with self._changed:
            self._running = True
            self._at_rest.clear()
            self._changed.notify_all()

    def pause(self) -> None:
        """Begin no further round."""
        with self._changed:
            self._running = False
            self._left = 0
            self._changed.notify_all()

    def step(self) -> None:
        """Begin one round, and no further one."""
        with self._changed:
            self._running = False
            self._left += 1
            self._at_rest.clear()
            self._changed.notify_all()

    def sit_out(self, place: int) -> None:
        """End one's step, and let the others go on alone. When all sit out, they rest and take part again."""
        with self._changed:
            self._out.add(place)
            if len(self._out) == self._count:
                self._out.clear()
                self._running = False
                self._left = self._turn = 0
                self._changed.notify_all()
                return
        self.pass_on(place)

    def wake(self) -> None:
        """Let those that rest go through `wait` once more, without a step."""
        with self._changed:
            self._at_rest.clear()
            self._changed.notify_all()

    def stop(self) -> None:
        """Raise `Stopped` in every thread that waits or comes to wait."""
        with self._changed:
            self._stopped = True
            self._changed.notify_all()

    def settle(self, timeout: float) -> bool:
        """Wait until all threads rest.

        Returns:
            Whether they do.
        """
        with self._changed:
            return self._changed.wait_for(lambda: self.resting or self._stopped, timeout)

    def pass_on(self, place: int) -> None:
        """End one's step: it is the next one's turn."""
        with self._changed:
            following = [other for other in self._taking_part() if other > place]
            self._turn = following[0] if following else self._first()
            if not following and self._left:
                self._left -= 1
            self._changed.notify_all()

    def wait(self, place: int) -> bool:
        """Wait until it is one's turn, or until there is nothing to do for now.

        Returns:
            True when the step may be taken. False when everybody is going to rest: show what there is, call `rest`
            and then `wait` again.

        Raises:
            Stopped: The thread shall end.
        """
        with self._changed:
            while True:
                if self._stopped:
                    raise Stopped
                mine = self._turn == place
                if mine and place != self._first():
                    return True
                delay = None
                if self._flowing():
                    delay = self._due - time.monotonic()
                    if mine and delay <= 0:
                        self._due = (
                            max(self._due, time.monotonic() - self._interval) + self._interval
                        )
                        return True
                elif self._turn == self._first():
                    return False
                self._changed.wait(delay if mine else None)

    def rest(self, place: int) -> None:
        """Wait at rest until there is something to do.

        Raises:
            Stopped: The thread shall end.
        """
        with self._changed:
            if self._turn != self._first() or self._flowing():
                return
            self._at_rest.add(place)
            self._changed.notify_all()
            self._changed.wait_for(
                lambda: self._stopped or self._turn != self._first() or place not in self._at_rest
            )
            self._at_rest.discard(place)

    def _taking_part(self) -> list[int]:
        return [place for place in range(self._count) if place not in self._out]

    def _first(self) -> int:
        return self._taking_part()[0]

    def _flowing(self) -> bool:
        return self._running or self._left > 0
