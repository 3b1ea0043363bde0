"""The page: widgets that set a session's task and pace, and show what there is to see of it."""

from __future__ import annotations

import base64
import time
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from typing import Any, Final

from nicegui import run, ui

from crl_envs.explorer.chart import (
    CAPTION,
    DARK,
    LIGHT,
    chart_options,
    numbers_table,
    progress_options,
)
from crl_envs.explorer.lane import explores_apart, suitable_learners
from crl_envs.explorer.session import MOST_KEPT, Session, Snapshot
from crl_envs.explorer.worlds import (
    NOBODY,
    WORLDS,
    Choice,
    Task,
    Value,
    default_task,
    shown_choices,
)
from crl_envs.rendering.palette import BLUE, SKY, VERMILLION

_TICK: Final = 0.1  # seconds between two looks at the session
_CHART: Final = 0.5  # seconds between two drawings of the chart, at least
_CALL: Final = 20.0  # seconds that a browser may take to open its socket
_PATIENCE: Final = 3.0  # seconds that a browser may take to show a picture
_SETTLED: Final = 0.3  # seconds without a change, after which a new task begins
_SPEEDS: Final = (1.0, 2.0, 5.0, 10.0, 20.0, 50.0, 100.0, 200.0, 500.0, None)
_NO_PICTURE: Final = (
    "data:image/gif;base64,R0lGODlhAQABAIAAAAAAAP///yH5BAEAAAAALAAAAAABAAEAAAIBRAA7"
)

# One column on narrow pages, light or dark.
_CSS: Final = f"""
:root {{ --ex-line: #d0d0d0; --ex-soft: #595959; --ex-page: #f5f6f7; --ex-card: #ffffff; }}
body.body--dark {{ --ex-line: #4a4a4a; --ex-soft: #b5b5b5; --ex-page: #16181a; --ex-card: #202326; }}
body {{ background: var(--ex-page); }}
.nicegui-content {{ padding: 0; gap: 0; }}
.ex-header {{ display: flex; align-items: center; gap: 16px; width: 100%; }}
.ex-header {{ padding: 6px 16px; color: white; background: {BLUE}; }}
.ex-header h1 {{ font-size: 18px; line-height: 1.4; font-weight: 600; margin: 0; }}
.ex-header .ex-sub {{ opacity: 0.95; font-size: 14px; }}
.ex-main {{ display: grid; grid-template-columns: 270px minmax(0, 1fr); gap: 10px; width: 100%; padding: 10px; }}
.ex-card {{ background: var(--ex-card); border: 1px solid var(--ex-line); border-radius: 6px; padding: 8px 10px; }}
.ex-card h2 {{ font-size: 14px; line-height: 1.4; font-weight: 600; margin: 0 0 4px; }}
.ex-task {{ display: flex; flex-direction: column; gap: 6px; align-self: start; }}
.ex-choice {{ width: 100%; }}
.ex-choice .q-field {{ width: 100%; }}
.ex-slid {{ display: grid; grid-template-columns: 1fr 76px; column-gap: 12px; align-items: center; width: 100%; }}
.ex-slid > .ex-label {{ grid-column: 1 / 3; font-size: 13px; line-height: 1.2; }}
.ex-pair {{ display: grid; grid-template-columns: 1fr 1fr; gap: 12px; width: 100%; }}
.ex-work {{ display: flex; flex-direction: column; gap: 10px; min-width: 0; }}
.ex-bar {{ display: flex; flex-wrap: wrap; align-items: center; gap: 8px 10px; }}
.ex-speed {{ display: grid; grid-template-columns: 120px 150px; align-items: center; gap: 10px; }}
.ex-speed {{ margin-left: 8px; font-size: 13px; }}
.ex-state {{ margin-left: auto; font-size: 13px; color: var(--ex-soft); }}
.ex-error {{ border-left: 6px solid {VERMILLION}; font-size: 14px; }}
.ex-sights {{ display: grid; grid-template-columns: minmax(0, 1.5fr) minmax(280px, 1fr); gap: 10px; }}
.ex-picture {{ width: 100%; display: block; background: white; border-radius: 4px; aspect-ratio: 3 / 2; }}
.ex-note {{ font-size: 12.5px; line-height: 1.35; color: var(--ex-soft); margin: 0; }}
.ex-numbers + .ex-note, .ex-gap {{ margin-top: 8px; }}
.ex-old {{ opacity: 0.2; }}
.ex-numbers {{ width: 100%; border-collapse: collapse; font-size: 13px; font-variant-numeric: tabular-nums; }}
.ex-numbers :is(th, td) {{ text-align: right; padding: 2px 4px; font-weight: 400; }}
.ex-numbers :is(th, td) {{ border-bottom: 1px solid var(--ex-line); }}
.ex-numbers th[scope=row] {{ text-align: left; color: var(--ex-soft); }}
.ex-numbers th[scope=col] {{ font-weight: 600; overflow-wrap: anywhere; vertical-align: bottom; }}
.ex-key {{ display: block; width: 28px; margin-left: auto; margin-bottom: 3px; }}
.ex-chart {{ width: 100%; height: 240px; }}
.ex-row {{ display: flex; flex-wrap: wrap; align-items: center; gap: 4px 12px; width: 100%; }}
:focus-visible {{ outline: 3px solid {VERMILLION}; outline-offset: 2px; }}
body.body--dark :is(.q-btn--outline, .q-btn--flat) {{ --q-primary: {SKY}; }}
@media (max-height: 860px) {{ .ex-chart {{ height: 208px; }} }}
@media (min-width: 1500px) and (min-height: 861px) {{ .ex-chart {{ height: 340px; }} }}
@media (max-width: 1099px) {{ .ex-sights {{ grid-template-columns: minmax(0, 1fr); }} }}
@media (max-width: 699px) {{
  .ex-main {{ grid-template-columns: minmax(0, 1fr); }}
}}
"""


async def explorer_page() -> None:
    """A page with a session of its own, which begins when a browser has opened its socket and ends with the page.

    Whoever only fetches the address (a bot, a preview of a link) starts nothing.
    """
    client = ui.context.client
    ui.add_css(_CSS)
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
        session, begun = self.session, self._first_begun
        with ui.element("div").classes("ex-card ex-bar"):
            self._buttons = {
                name: ui.button(title, icon=icon, on_click=action).props(
                    f"no-caps dense padding='4px 10px' {look}"
                )
                for name, title, icon, action, look in (
                    ("run", "Run", "play_arrow", begun(session.run), "color=primary"),
                    ("pause", "Pause", "pause", session.pause, "outline"),
                    ("step", "Step", "skip_next", begun(session.step), "outline"),
                    ("reset", "Reset", "replay", begun(session.reset), "outline"),
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
                charts = {False: "By episode", True: "Within an episode"}
                self._which_chart = _toggle(charts, "Curves", False)
                self._caption = ui.label(CAPTION).classes("ex-note")
                ui.space()
                keep = ui.button("Keep curves", icon="push_pin", on_click=self.session.keep)
                forget = ui.button("Forget kept", icon="delete", on_click=self.session.forget)
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
            _select(worlds, "World", task.world, self._change_world)
            ui.label(world.about).classes("ex-note")
            learners = list(names)
            _select(
                learners, "Learner", task.learner, lambda e: self._change_learners(learner=e.value)
            )
            rivals = [NOBODY, *learners]
            _select(
                rivals, "Compared with", task.rival, lambda e: self._change_learners(rival=e.value)
            )
            self._choices_box = ui.element("div").classes("ex-task ex-choice")
            self._build_choices()
            with ui.element("div").classes("ex-pair"):
                for name, title, help in (
                    ("seed", "Seed", "The same seed gives the same run."),
                    ("episodes", "Episodes", "After so many the learners rest; Run goes on."),
                ):
                    field = ui.number(title, value=getattr(task, name), min=0, precision=0)
                    field.props(f"dense outlined data-testid={name}").tooltip(help)
                    field.on_value_change(lambda e, name=name: self._set(name, e.value))

    def _build_choices(self) -> None:
        """What the present learners leave to choose."""
        self._choices_box.clear()
        with self._choices_box:
            for choice in shown_choices(WORLDS[self.task.world], self.task.names):
                self._build_choice(choice)

    def _build_choice(self, choice: Choice) -> None:
        value = self.task.value(choice.name)
        change = partial(self._set_value, choice.name)
        if choice.kind == "select":
            options = list(choice.options)
            _select(options, choice.label, value, lambda e: change(e.value)).tooltip(choice.help)
            return
        with ui.element("div").classes("ex-slid").tooltip(choice.help):
            ui.label(choice.label).classes("ex-label")
            assert not isinstance(value, str)
            low, high, step = choice.slider
            slider = ui.slider(min=low, max=high, step=step, value=value)
            slider.props(f'aria-label="{choice.label}" data-testid="{choice.name}-slider"')
            field = ui.number(value=value, step=step)
            field.props(
                f'dense outlined aria-label="{choice.label}, exactly" data-testid="{choice.name}"'
            )

            def typed(event: Any) -> None:
                change(event.value)
                if event.value is not None and low <= event.value <= high:
                    slider.set_value(event.value)

            field.on_value_change(typed)
            slider.on_value_change(lambda e: field.set_value(round(e.value, 6)))

    def _set(self, name: str, value: Any) -> None:
        """Set the seed or the number of episodes."""
        whole = isinstance(value, float) and value.is_integer()
        changed: dict[str, Any] = {name: int(value) if whole else value}
        self._change(replace(self.task, **changed))

    def _set_value(self, name: str, value: Value) -> None:
        self._change(replace(self.task, values={**self.task.values, name: value}))

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
        at = self._changed_at
        if at is not None and (now or time.monotonic() - at > _SETTLED):
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
                which = _toggle(dict(enumerate(names)), "Picture of", self.session.in_view)
                which.on_value_change(lambda e: self.session.look_at(e.value))

    def _first_begun(self, act: Callable[[], None]) -> Callable[[], None]:
        """Return what begins the task on the page at once, and then acts."""

        def begin_and_act() -> None:
            self._begin_if_changed(now=True)
            act()

        return begin_and_act

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


def _select(options: Any, label: str, value: Any, change: Callable[[Any], Any]) -> Any:
    select = ui.select(options, label=label, value=value, on_change=change)
    return select.props("dense outlined options-dense")


def _toggle(options: Any, label: str, value: Any) -> Any:
    look = 'dense no-caps size=sm unelevated padding="2px 8px" role=group'
    return ui.toggle(options, value=value).props(f'{look} aria-label="{label}"')


def _speed_text(position: int) -> str:
    rounds = _SPEEDS[position]
    if rounds is None:
        return "as fast as it goes"
    return f"{rounds:g} step{'s' if rounds != 1 else ''} a second"
