"""The page: widgets that set a session's task and pace, and show what there is to see of it."""

from __future__ import annotations

import base64
import time
from collections.abc import Callable
from dataclasses import replace
from typing import Any, Final

from nicegui import run, ui

from crl_envs.bench.plotting import BLUE
from crl_envs.explorer.chart import CAPTION, DARK, LIGHT, chart_options, progress_options
from crl_envs.explorer.numbers import numbers_table
from crl_envs.explorer.session import MOST_KEPT, Session, Snapshot
from crl_envs.explorer.style import CSS
from crl_envs.explorer.suitable import explores_apart, suitable_learners
from crl_envs.explorer.worlds import (
    NOBODY,
    WORLDS,
    Choice,
    Task,
    Value,
    default_task,
    shown_choices,
)

_TICK: Final = 0.1  # seconds between two looks at the session
_CHART: Final = 0.5  # seconds between two drawings of the chart, at least
_CALL: Final = 20.0  # seconds that a browser may take to open its socket
_PATIENCE: Final = 3.0  # seconds that a browser may take to show a picture
_SETTLED: Final = 0.3  # seconds without a change, after which a new task begins
_SPEEDS: Final = (1.0, 2.0, 5.0, 10.0, 20.0, 50.0, 100.0, 200.0, 500.0, None)
_NO_PICTURE: Final = (
    "data:image/gif;base64,R0lGODlhAQABAIAAAAAAAP///yH5BAEAAAAALAAAAAABAAEAAAIBRAA7"
)


async def explorer_page() -> None:
    """A page with a session of its own, which begins when a browser has opened its socket and ends with the page.

    Whoever only fetches the address (a bot, a preview of a link) starts nothing.
    """
    client = ui.context.client
    ui.add_css(CSS)
    ui.colors(primary=BLUE)
    await client.connected(timeout=_CALL)
    if client.has_socket_connection:  # else it has gone while it was waited for
        Page().build()


class Page:
    """The widgets of one browser tab."""

    def __init__(self) -> None:
        self.task = default_task("sysadmin")
        self.session = Session(self.task)
        ui.context.client.on_delete(self.session.close)
        self._changed_at: float | None = None
        self._picture: bytes | None = None
        self._sent_at: float | None = None
        self._charted: Any = None
        self._charted_at = 0.0
        self._table = ""
        self._ink = LIGHT

    def build(self) -> None:
        """Put the widgets on the page."""
        self._dark = ui.dark_mode(value=None)
        with ui.element("header").classes("ex-header"):
            ui.html("<h1>crl-envs explorer</h1>", sanitize=False)
            ui.label("learning from local and from global rewards, live").classes("ex-sub")
            ui.space()
            theme = ui.toggle(
                {"auto": "Auto", "light": "Light", "dark": "Dark"},
                value="auto",
                on_change=self._change_theme,
            )
            theme.props("dense unelevated no-caps size=sm color=white text-color=black role=group")
            theme.props(
                'aria-label="Colours of the page" toggle-color=grey-4 toggle-text-color=black'
            )
        with ui.element("main").classes("ex-main"):
            with ui.element("section").classes("ex-card ex-task").props('aria-label="Task"'):
                self._task_box = ui.element("div").classes("ex-task ex-choice")
            with ui.element("section").classes("ex-work").props('aria-label="Learning"'):
                self._build_bar()
                self._error = ui.label().classes("ex-card ex-error").props("role=alert")
                self._error.mark("error")
                self._build_sights()
                self._build_chart()
        self._present()
        ui.timer(0.01, self._build_task, once=True)  # it takes too long for a page to wait for
        ui.timer(_TICK, self._tick)
        ui.timer(0.2, self._read_theme, once=True)
        ui.on("ex-theme", self._read_theme)

    def _build_bar(self) -> None:
        with ui.element("div").classes("ex-card ex-bar"):
            self._buttons = {
                name: ui.button(title, icon=icon, on_click=action).props(
                    f"no-caps dense padding='4px 10px' {look}"
                )
                for name, title, icon, action, look in (
                    ("run", "Run", "play_arrow", self._run, "color=primary"),
                    ("pause", "Pause", "pause", self._pause, "outline"),
                    ("step", "Step", "skip_next", self._step, "outline"),
                    ("reset", "Reset", "replay", self._reset, "outline"),
                )
            }
            with ui.element("div").classes("ex-speed"):
                speed = ui.slider(min=0, max=len(_SPEEDS) - 1, value=len(_SPEEDS) - 1)
                speed.props('aria-label="Speed" label-always=false')
                label = ui.label(_speed_text(len(_SPEEDS) - 1))

                def change_speed(event: Any) -> None:
                    self.session.set_speed(_SPEEDS[int(event.value)])
                    label.set_text(_speed_text(int(event.value)))

                speed.on_value_change(change_speed)
            self._state = ui.label().classes("ex-state").props("role=status data-testid=state")

    def _build_sights(self) -> None:
        with ui.element("div").classes("ex-sights"):
            with ui.element("div").classes("ex-card"):
                self._lane_box = ui.element("div").classes("ex-row")
                self._image = ui.element("img").classes("ex-picture")
                self._image.props(f'src="{_NO_PICTURE}" alt="The world" data-testid=picture')
                self._image.on("load", self._picture_shown, args=[])
            with ui.element("div").classes("ex-card"):
                ui.html("<h2>Numbers</h2>", sanitize=False)
                self._numbers = ui.html("", sanitize=False)
                self._note = ui.label().classes("ex-note ex-gap")

    def _build_chart(self) -> None:
        with ui.element("div").classes("ex-card"):
            with ui.element("div").classes("ex-row"):
                ui.html("<h2>Learning curves</h2>", sanitize=False)
                self._which_chart = ui.toggle(
                    {False: "By episode", True: "Within an episode"}, value=False
                )
                self._which_chart.props(
                    'dense no-caps size=sm unelevated padding="2px 8px" role=group aria-label="Curves"'
                )
                self._caption = ui.label(CAPTION).classes("ex-note")
                ui.space()
                keep = ui.button("Keep curves", icon="push_pin", on_click=self._keep)
                forget = ui.button("Forget kept", icon="delete", on_click=self._forget)
                for button in (keep, forget):
                    button.props("no-caps dense flat size=sm")
                with keep:
                    ui.tooltip(
                        f"Leave them on the chart when the task changes, {MOST_KEPT} at most"
                    )
            self._chart = ui.echart(self._chart_options()).classes("ex-chart")
            self._chart.props('role=img aria-label="Learning curves; the numbers are in the table"')

    async def _build_task(self) -> None:
        """The choices of the present world."""
        task, world = self.task, WORLDS[self.task.world]
        self._task_box.clear()
        with self._task_box:
            ui.label(f"Looking for learners of {world.title} …").classes("ex-note")
        names = await run.io_bound(suitable_learners, task.world)
        if (
            names is None or task.world != self.task.world
        ):  # the server stops, or another world was chosen meanwhile
            return
        self._task_box.clear()
        with self._task_box:
            worlds = {key: each.title for key, each in WORLDS.items()}
            ui.select(worlds, label="World", value=task.world, on_change=self._change_world).props(
                "dense outlined options-dense"
            )
            ui.label(world.about).classes("ex-note")
            ui.select(
                list(names),
                label="Learner",
                value=task.learner,
                on_change=lambda e: self._change_learners(learner=e.value),
            ).props("dense outlined options-dense")
            ui.select(
                [NOBODY, *names],
                label="Compared with",
                value=task.rival,
                on_change=lambda e: self._change_learners(rival=e.value),
            ).props("dense outlined options-dense")
            self._choices_box = ui.element("div").classes("ex-task ex-choice")
            self._build_choices()
            with ui.element("div").classes("ex-pair"):
                for name, title, help in (
                    ("seed", "Seed", "The same seed gives the same run."),
                    ("episodes", "Episodes", "After so many the learners rest; Run goes on."),
                ):
                    field = ui.number(title, value=getattr(task, name), min=0, precision=0)
                    field.props(f"dense outlined data-testid={name}").tooltip(help)
                    field.on_value_change(self._setter(name))

    def _build_choices(self) -> None:
        """What the present learners leave to choose."""
        self._choices_box.clear()
        with self._choices_box:
            for choice in shown_choices(WORLDS[self.task.world], self.task.names):
                self._build_choice(choice)

    def _build_choice(self, choice: Choice) -> None:
        value = self.task.value(choice.name)
        change = self._value_setter(choice.name)
        if choice.kind == "select":
            select = ui.select(list(choice.options), label=choice.label, value=value)
            select.props("dense outlined options-dense").tooltip(choice.help)
            select.on_value_change(lambda e: change(e.value))
            return
        with ui.element("div").classes("ex-slid").tooltip(choice.help):
            ui.label(choice.label).classes("ex-label")
            assert not isinstance(value, str)
            slider = ui.slider(min=choice.low, max=choice.high, step=choice.step, value=value)
            slider.props(f'aria-label="{choice.label}" data-testid="{choice.name}-slider"')
            field = ui.number(value=value, step=choice.step)
            field.props(
                f'dense outlined aria-label="{choice.label}, exactly" data-testid="{choice.name}"'
            )

            def typed(event: Any) -> None:
                change(event.value)
                if event.value is not None and choice.low <= event.value <= choice.high:
                    slider.set_value(event.value)

            field.on_value_change(typed)
            slider.on_value_change(lambda e: field.set_value(round(e.value, 6)))

    def _setter(self, name: str) -> Callable[[Any], None]:
        def change(event: Any) -> None:
            value = event.value
            whole = isinstance(value, float) and value.is_integer()
            changed: dict[str, Any] = {name: int(value) if whole else value}
            self._change(replace(self.task, **changed))

        return change

    def _value_setter(self, name: str) -> Callable[[Value], None]:
        return lambda value: self._change(
            replace(self.task, values={**self.task.values, name: value})
        )

    async def _change_world(self, event: Any) -> None:
        self._change(default_task(event.value))
        await self._build_task()

    def _change_learners(self, **names: str) -> None:
        before = shown_choices(WORLDS[self.task.world], self.task.names)
        self._change(replace(self.task, **names))  # type: ignore[arg-type]
        if shown_choices(WORLDS[self.task.world], self.task.names) != before:
            self._build_choices()

    def _change(self, task: Task) -> None:
        if task != self.task:
            self.task = task
            self._changed_at = time.monotonic()

    def _begin_if_changed(self, now: bool = False) -> None:
        """Begin the task that is on the page when it has been left alone for a moment, or at once."""
        if self._changed_at is None:
            return
        if now or time.monotonic() - self._changed_at > _SETTLED:
            self._changed_at = None
            self.session.choose(self.task)
            self._present()

    def _present(self) -> None:
        """What depends on who learns."""
        names, world = self.session.task.names, WORLDS[self.session.task.world]
        self._which_chart.set_visibility(world.progress is not None)
        self._which_chart.set_value(world.progress is not None)
        apart = [name for name in names if explores_apart(name)]
        explore = "explores" if len(apart) == 1 else "explore"
        self._note.set_text(
            f"{' and '.join(apart)} {explore} at random while learning. Curve and picture show the "
            "greedy policy, tried out after each episode."
            if apart
            else ""
        )
        self._lane_box.clear()
        with self._lane_box:
            if len(names) > 1:
                ui.label("Picture of").classes("ex-note")
                which = ui.toggle(dict(enumerate(names)), value=self.session.in_view)
                which.props(
                    'dense no-caps size=sm unelevated padding="2px 8px" role=group aria-label="Picture of"'
                )
                which.on_value_change(lambda e: self.session.look_at(e.value))

    def _run(self) -> None:
        self._begin_if_changed(now=True)
        self.session.run()

    def _pause(self) -> None:
        self.session.pause()

    def _step(self) -> None:
        self._begin_if_changed(now=True)
        self.session.step()

    def _reset(self) -> None:
        self._begin_if_changed(now=True)
        self.session.reset()

    def _keep(self) -> None:
        self.session.keep()

    def _forget(self) -> None:
        self.session.forget()

    def _tick(self) -> None:
        self._begin_if_changed()
        self.session.keeping_up = self._sent_at is None
        seen = self.session.snapshot()
        self._show_state(seen)
        self._show_picture(seen)
        table = numbers_table(self.session.task.names, seen.sights, seen.optimum)
        if table != self._table:
            self._table = table
            self._numbers.set_content(table)
        self._show_chart(seen)

    def _show_state(self, seen: Snapshot) -> None:
        self._state.set_text(_STATES[seen.state])
        self._error.set_text(seen.error)
        self._error.set_visibility(bool(seen.error))
        self._image.classes(**{"add" if seen.error else "remove": "ex-old"})
        able = {
            "run": seen.state in ("paused", "preparing"),
            "pause": seen.state == "running",
            "step": seen.state in ("paused", "running"),
            "reset": True,
        }
        for name, button in self._buttons.items():
            button.set_enabled(able[name])

    def _show_picture(self, seen: Snapshot) -> None:
        if self._sent_at is not None and time.monotonic() - self._sent_at > _PATIENCE:
            self._sent_at = None  # a tab that isn't looked at may never say that it has shown one
        place = min(self.session.in_view, len(seen.sights) - 1)
        frame = seen.sights[place].frame
        if frame is None or frame is self._picture or self._sent_at is not None:
            return
        self._picture, self._sent_at = frame, time.monotonic()
        name, sight = self.session.task.names[place], seen.sights[place]
        self._image.props["src"] = "data:image/png;base64," + base64.b64encode(frame).decode()
        self._image.props["alt"] = (
            f"{WORLDS[self.session.task.world].title}, {name}, episode {sight.episodes + 1}, step {sight.step}"
        )

    def _picture_shown(self) -> None:
        self._sent_at = None

    def _show_chart(self, seen: Snapshot) -> None:
        what = (
            self.session.task,
            self._which_chart.value,
            [(sight.episodes, sight.env_steps) for sight in seen.sights],
            list(map(id, self.session.kept)),
            seen.optimum,
            self._ink,
        )
        if what == self._charted or time.monotonic() - self._charted_at < _CHART:
            return
        self._charted, self._charted_at = what, time.monotonic()
        options = self._chart_options(seen)
        self._caption.set_visibility(not self._which_chart.value)
        self._chart.options.clear()
        self._chart.options.update(options)
        self._chart.update()

    def _chart_options(self, seen: Snapshot | None = None) -> dict[str, Any]:
        if self._which_chart.value:
            return progress_options(self.session.progress(), self.session.kept, self._ink)
        agents = "machines" if self.session.task.world == "sysadmin" else "agents"
        optimum = None if seen is None else seen.optimum
        return chart_options(self.session.curves(), self.session.kept, optimum, self._ink, agents)

    def _change_theme(self, event: Any) -> None:
        self._dark.value = {"auto": None, "light": False, "dark": True}[event.value]
        ui.timer(0.2, self._read_theme, once=True)

    async def _read_theme(self) -> None:
        dark = await ui.run_javascript("document.body.classList.contains('body--dark')", timeout=5)
        self._ink = DARK if dark else LIGHT


_STATES: Final = {
    "preparing": "getting ready …",
    "paused": "paused",
    "running": "running",
    "failed": "can't be run like this",
}


def _speed_text(position: int) -> str:
    rounds = _SPEEDS[position]
    if rounds is None:
        return "as fast as it goes"
    return f"{rounds:g} step{'s' if rounds != 1 else ''} a second"
