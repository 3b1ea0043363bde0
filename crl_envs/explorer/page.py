"""The page: widgets that set a session's task and pace, and show what there is to see of it."""

from __future__ import annotations

import time
from typing import Any, Final

from nicegui import background_tasks, ui

from crl_envs.explorer.address import Chosen, chosen_by, query_of
from crl_envs.explorer.chart import numbers_table
from crl_envs.explorer.charts import Charts
from crl_envs.explorer.controls import Controls
from crl_envs.explorer.panel import Panel
from crl_envs.explorer.pictures import Pictures
from crl_envs.explorer.presets import Preset
from crl_envs.explorer.session import Session, Snapshot
from crl_envs.explorer.style import CSS
from crl_envs.explorer.suitable import explores_apart
from crl_envs.explorer.tour import Tour
from crl_envs.explorer.visits import Visits
from crl_envs.explorer.widgets import card, heading
from crl_envs.explorer.worlds import WORLDS, Task
from crl_envs.rendering.palette import BLUE

VISITS: Final = Visits()
_TICK: Final = 0.1  # seconds between two looks at the session
_CALL: Final = 20.0  # seconds that a browser may take to open its socket
_PATIENCE: Final = 3.0  # seconds that a browser may take to show a picture
_IS_DARK: Final = "document.body.classList.contains('body--dark')"
_SETTLED: Final = 0.3  # seconds without a change, after which a new task begins


async def explorer_page() -> None:
    """A page on its tab's session, which begins when a browser has opened its socket.

    Whoever only fetches the address (a bot, a preview of a link) starts nothing.
    """
    client = ui.context.client
    ui.add_css(CSS)
    ui.colors(primary=BLUE)
    await client.connected(timeout=_CALL)
    tab = client.tab_id
    if tab is None:  # it has gone while it was waited for
        return
    query = dict(client.request.query_params)
    chosen = chosen_by(query)

    def begin() -> Session:
        session = Session(chosen.task)
        session.set_speed(chosen.speed)
        session.view(chosen.viewing)
        return session

    session = VISITS.enter(tab, begin)
    client.on_delete(lambda: VISITS.leave(tab))
    if query and chosen.task != session.task:  # another address than that of the run
        session.choose(chosen.task)
        session.set_speed(chosen.speed)
        session.view(chosen.viewing)
    Page(session).build()


class Page:
    """The widgets of one page of a browser."""

    def __init__(self, session: Session) -> None:
        self.session = session
        self.task = session.task
        self._changed_at: float | None = None
        self._table = ""
        self._query = ""

    def build(self) -> None:
        """Put the widgets on the page."""
        session = self.session
        self._dark = ui.dark_mode(value=None)
        self._build_header()
        with ui.element("main").classes("ex-main"):
            self._panel = Panel(self._change, self._try)
            with ui.element("section").classes("ex-work").props('aria-label="Learning"'):
                self._controls = Controls(session, self._begin_now, self._set_address)
                self._error = ui.label().classes("ex-card ex-error").props("role=alert")
                self._pictures = Pictures(session, self._set_address)
                self._charts = Charts(session)
                with card("Numbers"):
                    heading("Numbers")
                    self._numbers = ui.html("", sanitize=False)
                    self._note = ui.label().classes("ex-note ex-gap")
        self._tour = Tour(
            {
                "pictures": self._pictures.twins,
                "bar": self._controls.bar,
                "curves": self._charts.curves,
                "colours": self._pictures.colours,
                "touch": self._pictures.touch,
                "samples": self._charts.samples,
            }
        )
        self._present()
        ui.timer(0.01, lambda: self._panel.show(self.task), once=True)  # a page needn't wait for it
        ui.timer(_TICK, self._tick)

    def _build_header(self) -> None:
        with ui.element("header").classes("ex-header"):
            ui.html("<h1>crl-envs explorer</h1>", sanitize=False)
            ui.label("learning from one's own reward and from the team's, live").classes("ex-sub")
            ui.space()
            tour = ui.button("Tour", icon="explore", on_click=self._begin_tour)
            tour.props("no-caps dense unelevated size=sm color=white text-color=black")
            theme = ui.toggle(
                {"auto": "Auto", "light": "Light", "dark": "Dark"},
                value="auto",
                on_change=self._change_theme,
            )
            theme.props("dense unelevated no-caps size=sm color=white text-color=black role=group")
            theme.props(
                'aria-label="Colours of the page" toggle-color=grey-4 toggle-text-color=black'
            )

    def _begin_tour(self) -> None:
        self._tour.begin()

    def _change(self, task: Task) -> None:
        self.task = task
        self.session.series.clear()
        self._changed_at = time.monotonic()

    def _try(self, preset: Preset) -> None:
        session, chosen = self.session, preset.chosen
        session.set_speed(chosen.speed)
        session.view(chosen.viewing)
        if preset.sizes:
            session.follow(preset.tasks())
        else:
            session.series.clear()
            session.choose(chosen.task)
        self._follow()

    def _follow(self) -> None:
        """Show the task that the session has got by itself."""
        self.task, self._changed_at = self.session.task, None
        self._present()
        background_tasks.create(self._panel.show(self.task))

    def _begin_now(self) -> None:
        self._begin_if_changed(now=True)

    def _begin_if_changed(self, now: bool = False) -> None:
        """Begin the task that is on the page when it has been left alone for a moment, or at once."""
        at = self._changed_at
        if at is not None and (now or time.monotonic() - at > _SETTLED):
            self._changed_at = None
            self.session.choose(self.task)
            self._present()

    def _present(self) -> None:
        """What depends on the task."""
        self._controls.present()
        self._pictures.present()
        self._charts.present()
        self._note.set_text(_remark(self.session.task))
        self._set_address()

    def _set_address(self) -> None:
        session = self.session
        query = query_of(Chosen(session.task, session.watch.viewing, session.watch.speed))
        if query != self._query:
            self._query = query
            ui.navigate.history.replace(f"?{query}")

    async def _tick(self) -> None:
        self._begin_if_changed()
        if self.session.go_on():
            self._follow()
        seen = self.session.snapshot()
        self._controls.show(seen)
        self._error.set_text(seen.error)
        self._error.set_visibility(bool(seen.error))
        drawn = self._pictures.show(seen)
        drawn |= self._charts.show(seen)
        self._show_numbers(seen)
        if drawn:
            await self._wait_for_browser()

    def _show_numbers(self, seen: Snapshot) -> None:
        optimum = None if seen.marks is None else seen.marks.optimum
        table = numbers_table(self.session.task.names, seen.sights, optimum)
        if table != self._table:
            self._table = table
            self._numbers.set_content(table)

    async def _wait_for_browser(self) -> None:
        """Wait until the browser has taken what was sent, and says whether it is dark: so a slow one gets less."""
        watch = self.session.watch
        watch.keeping_up = False
        try:
            self._charts.set_dark(await ui.run_javascript(_IS_DARK, timeout=_PATIENCE))
        except TimeoutError:  # it is cut off, or nobody looks at its tab
            pass
        finally:
            watch.keeping_up = True

    def _change_theme(self, event: Any) -> None:
        self._dark.value = {"auto": None, "light": False, "dark": True}[event.value]
        ui.timer(0.2, self._wait_for_browser, once=True)


def _remark(task: Task) -> str:
    """Return what should be known of the learners of a task."""
    apart = [name for name in task.names if explores_apart(name)]
    remarks = []
    if apart:
        explore = "explores" if len(apart) == 1 else "explore"
        remarks.append(
            f"{' and '.join(apart)} {explore} at random while learning. Curve and picture show the greedy policy, "
            "tried out after each episode."
        )
    if WORLDS[task.world].paid_alike:
        remarks.append("All agents are paid alike here: one's own reward is the team's.")
    return " ".join(remarks)
