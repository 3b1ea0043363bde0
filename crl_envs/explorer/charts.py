"""The charts: learning curves, and the episodes that learners needed against n."""

from __future__ import annotations

import time
from typing import Any, Final

from nicegui import ui

from crl_envs.explorer.chart import (
    CAPTION,
    DARK,
    LIGHT,
    chart_options,
    progress_options,
    samples_options,
)
from crl_envs.explorer.curve import WINDOW
from crl_envs.explorer.samples import GOAL_SHARE, setting_of
from crl_envs.explorer.session import MOST_KEPT, Session, Snapshot
from crl_envs.explorer.widgets import card, heading, toggle
from crl_envs.explorer.worlds import WORLDS

_BETWEEN: Final = 0.5  # seconds between two drawings, at least


class Charts:
    """The widgets of the charts.

    Args:
        session: What they are of.
    """

    def __init__(self, session: Session) -> None:
        self._session = session
        self._drawn: Any = None
        self._drawn_at = 0.0
        self._ink = LIGHT
        with ui.element("div").classes("ex-charts"):
            with card("Learning curves") as self.curves:
                with ui.element("div").classes("ex-row"):
                    heading("Learning curves")
                    charts = {False: "By episode", True: "Within an episode"}
                    self._which = toggle(charts, "Curves", False, lambda _: None)
                    self._caption = ui.label(CAPTION).classes("ex-note")
                    ui.space()
                    keep = ui.button("Keep curves", icon="push_pin", on_click=session.keep)
                    forget = ui.button("Forget kept", icon="delete", on_click=session.forget)
                    for button in (keep, forget):
                        button.props("no-caps dense flat size=sm")
                    with keep:
                        ui.tooltip(
                            f"Leave them on the chart when the task changes, {MOST_KEPT} at most"
                        )
                self._chart = _chart("curves")
            with card("Episodes against n") as self.samples:
                heading("Episodes against n")
                self._samples = _chart("samples")
                self._goal = ui.label("").classes("ex-note").props("data-testid=goal")

    def present(self) -> None:
        """Choose the chart of the present world."""
        followed = WORLDS[self._session.task.world].progress is not None
        self._which.set_visibility(followed)
        self._which.set_value(followed)

    def show(self, seen: Snapshot) -> bool:
        """Draw what has changed; whether anything has."""
        session = self._session
        samples = [s for s in session.samples() if setting_of(session.task, s.learner) == s.setting]
        what = (
            session.task,
            self._which.value,
            [(sight.episodes, sight.env_steps, sight.touched) for sight in seen.sights],
            list(map(id, session.kept)),
            samples,
            seen.marks,
            self._ink,
        )
        if what == self._drawn or time.monotonic() - self._drawn_at < _BETWEEN:
            return False
        self._drawn, self._drawn_at = what, time.monotonic()
        self._caption.set_visibility(not self._which.value)
        _set(self._chart, self._curve_options(seen))
        _set(self._samples, samples_options(samples, session.task.names, self._ink))
        self._goal.set_text(_goal_text(session, seen))
        return True

    def set_dark(self, dark: bool) -> None:
        """Use the colours of a dark page, or of a light one."""
        self._ink = DARK if dark else LIGHT

    def _curve_options(self, seen: Snapshot) -> dict[str, Any]:
        session = self._session
        followed = WORLDS[session.task.world].progress
        if followed is not None and self._which.value:
            return progress_options(session.progress(), session.kept, self._ink, followed)
        agents = "machines" if session.task.world == "sysadmin" else "agents"
        optimum = None if seen.marks is None else seen.marks.optimum
        return chart_options(session.curves(), session.kept, optimum, self._ink, agents)


def _goal_text(session: Session, seen: Snapshot) -> str:
    world = WORLDS[session.task.world]
    if not any(choice.name == "n_agents" for choice in world.choices):
        return "This world has no size to change: there is nothing to draw here."
    if world.progress is not None:
        return "One episode of this world is a whole experiment: compare sizes by Keep curves."
    if seen.marks is None or seen.marks.goal is None:
        return "The goal is being worked out."
    return (
        f"Episodes until the mean of the last {WINDOW} returns is {seen.marks.goal:.4g}: {GOAL_SHARE:.0%} of the way "
        "from random actions to the best policy known. A hollow triangle: not yet. Each run adds its point."
    )


def _chart(name: str) -> Any:
    # ECharts gives it a label that describes what is drawn.
    return ui.echart({"series": []}).classes("ex-chart").props(f"role=img data-testid={name}")


def _set(chart: Any, options: dict[str, Any]) -> None:
    chart.options.clear()
    chart.options.update(options)
    chart.update()
