"""The bar over the pictures: run, pause, step, reset, and how fast."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any, Final

from nicegui import ui

from crl_envs.explorer.session import Session, Snapshot
from crl_envs.explorer.widgets import card

_SPEEDS: Final = (1.0, 2.0, 5.0, 10.0, 20.0, 50.0, 100.0, 200.0, 500.0, None)
_LONG: Final = 2.0  # seconds without a first step
_COMPILING: Final = ": compiling once, up to a minute or two"
_STATES: Final = {
    "preparing": "getting ready …",
    "paused": "paused",
    "running": "running",
    "failed": "can't be run like this",
}


class Controls:
    """The widgets of the bar.

    Args:
        session: What they control.
        begun: Called before learners are to take a step: the task on the page is to be the session's then.
        changed: Called when the speed has changed.
    """

    def __init__(
        self, session: Session, begun: Callable[[], None], changed: Callable[[], None]
    ) -> None:
        self._session = session
        self._begun = begun
        self._changed = changed
        self._waits_since: float | None = None
        with card("Controls").classes("ex-bar") as self.bar:
            self._buttons = {
                name: ui.button(title, icon=icon, on_click=action).props(
                    f"no-caps dense padding='4px 10px' {look}"
                )
                for name, title, icon, action, look in (
                    ("run", "Run", "play_arrow", self._first(session.run), "color=primary"),
                    ("pause", "Pause", "pause", self._pause, "outline"),
                    ("step", "Step", "skip_next", self._first(session.step), "outline"),
                    ("reset", "Reset", "replay", self._first(session.reset), "outline"),
                )
            }
            with ui.element("div").classes("ex-speed"):
                place = _place(session.watch.speed)
                self._slider = ui.slider(min=0, max=len(_SPEEDS) - 1, value=place)
                self._slider.props('aria-label="Speed" label-always=false')
                self._label = ui.label(_speed_text(session.watch.speed))
                self._slider.on_value_change(self._change_speed)
            self._state = ui.label().classes("ex-state").props("role=status data-testid=state")

    def present(self) -> None:
        """Show the session's speed."""
        self._slider.set_value(_place(self._session.watch.speed))

    def show(self, seen: Snapshot) -> None:
        """Show what can be done now."""
        left = len(self._session.series)
        begun = seen.state != "running" or all(sight.env_steps for sight in seen.sights)
        self._waits_since = None if begun else self._waits_since or time.monotonic()
        waited = 0.0 if self._waits_since is None else time.monotonic() - self._waits_since
        self._state.set_text(
            _STATES[seen.state]
            + (f", {left} more to come" if left else "")
            + (_COMPILING if waited > _LONG else "")
        )
        able = {
            "run": seen.state in ("paused", "preparing"),
            "pause": seen.state == "running",
            "step": seen.state in ("paused", "running"),
            "reset": True,
        }
        for name, button in self._buttons.items():
            button.set_enabled(able[name])

    def _pause(self) -> None:
        self._session.series.clear()
        self._session.pause()

    def _first(self, act: Callable[[], None]) -> Callable[[], None]:
        """Return what begins the task on the page at once, and then acts."""

        def begin_and_act() -> None:
            self._begun()
            act()

        return begin_and_act

    def _change_speed(self, event: Any) -> None:
        speed = _SPEEDS[int(event.value)]
        if _place(self._session.watch.speed) != event.value:
            self._session.set_speed(speed)
            self._changed()
        self._label.set_text(_speed_text(self._session.watch.speed))


def _place(speed: float | None) -> int:
    """Return the place on the slider that is nearest to a speed."""
    if speed is None:
        return len(_SPEEDS) - 1
    return min(range(len(_SPEEDS) - 1), key=lambda k: abs((_SPEEDS[k] or 0.0) - speed))


def _speed_text(speed: float | None) -> str:
    if speed is None:
        return "as fast as it goes"
    return f"{speed:g} step{'s' if speed != 1 else ''} a second"
