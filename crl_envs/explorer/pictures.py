"""The two pictures: what their colours say, and what a click does."""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import replace
from html import escape
from typing import Any, Final

from nicegui import ui

from crl_envs.explorer.chart import LANES
from crl_envs.explorer.drawing import colour_bar, legend
from crl_envs.explorer.session import Session, Snapshot
from crl_envs.explorer.shades import COLOURS
from crl_envs.explorer.touches import Touch
from crl_envs.explorer.widgets import card, select, toggle
from crl_envs.explorer.worlds import WORLDS

_SAID: Final = {
    "policy": "probability that the agent would do it now",
    "value": "what the agent has earned an episode, mean of the last 20",
    "credit": "reward that the agent learns from, mean of a step of this episode",
}
_CLICKED: Final = "(e) => { const hit = e.target.closest('[data-agent]'); if (hit) emit(Number(hit.dataset.agent)); }"


class Pictures:
    """The widgets around the pictures.

    Args:
        session: What they are of.
        viewed: Called when something else is to be shown.
    """

    def __init__(self, session: Session, viewed: Callable[[], None]) -> None:
        self._session = session
        self._viewed = viewed
        self._touch: Touch | None = None
        self._shown: dict[int, str] = {}
        self._key = ""
        with card().classes("ex-row"):
            self.colours = ui.element("div").classes("ex-row").style("width: auto")
            with self.colours:
                ui.label("Colour by").classes("ex-note")
                self._colour = toggle(
                    COLOURS, "Colour by", session.watch.viewing.colour, self._change_colour
                )
                self._action_box = ui.element("div").style("min-width: 170px")
            self.touch = ui.element("div").classes("ex-row").style("width: auto")
        self.twins = ui.element("div").classes("ex-twins")
        with card():
            self._legend = ui.html("", sanitize=False).props("data-testid=legend")
            self._said = ui.label("").classes("ex-note").props("role=status data-testid=touched")

    def present(self) -> None:
        """Build what depends on the task."""
        session, world = self._session, WORLDS[self._session.task.world]
        self._colour.set_value(session.watch.viewing.colour)
        self._shown.clear()
        self._action_box.clear()
        self._key = ""
        self._pictures, self._captions = [], []
        self.twins.clear()
        with self.twins:
            for lane, (name, (ink, dash)) in enumerate(
                zip(session.task.names, LANES, strict=False)
            ):
                with card(f"World of {name}"):
                    key = f'<span class="ex-key" style="border-top: 3px {dash} {ink}"></span>'
                    ui.html(f"<h2>{key}{escape(name)}</h2>", sanitize=False)
                    picture = ui.html("", sanitize=False).props(f"data-testid=picture-{lane}")
                    if world.touches:
                        picture.classes("ex-touchable")
                        picture.on("pointerdown", self._clicked, js_handler=_CLICKED)
                    self._pictures.append(picture)
                    self._captions.append(ui.label("").classes("ex-note"))
        self._touch = world.touches[0] if world.touches else None
        self._said.set_text("")
        self.touch.clear()
        with self.touch:
            if not world.touches:
                ui.label(world.untouched).classes("ex-note")
                return
            titles = {touch.name: touch.title for touch in world.touches}
            select(titles, "A click on an agent", world.touches[0].name, self._change_touch).style(
                "min-width: 190px"
            )
            at_random = ui.button("One at random", icon="casino", on_click=self._touch_any)
            at_random.props("no-caps dense flat size=sm")

    def show(self, seen: Snapshot) -> bool:
        """Show what there is to see; whether anything has changed."""
        changed = False
        for lane, (sight, picture, caption) in enumerate(
            zip(seen.sights, self._pictures, self._captions, strict=False)
        ):
            caption.set_text(sight.missing or sight.status)
            picture.classes(**{"add" if seen.error else "remove": "ex-old"})
            if sight.picture is not None and sight.picture != self._shown.get(lane):
                self._shown[lane] = sight.picture
                picture.set_content(sight.picture)
                changed = True
        self._show_legend(seen)
        return changed

    def _show_legend(self, seen: Snapshot) -> None:
        viewing, drawn = self._session.watch.viewing, self._session.picture
        if drawn is None:
            return
        if viewing.colour == "render":
            text = ""
        elif viewing.colour == "state":
            text = self._key or legend(drawn)
            self._key = text
        else:
            text = colour_bar(seen.ends, _SAID[viewing.colour])
        self._legend.set_content(text)
        self._action_box.set_visibility(viewing.colour == "policy")
        if not self._action_box.default_slot.children:
            self._build_actions(int(drawn.world.single_action_space.n))

    def _build_actions(self, count: int) -> None:
        names = WORLDS[self._session.task.world].actions
        titles = {k: names[k] if k < len(names) else f"action {k}" for k in range(count)}
        chosen = min(self._session.watch.viewing.action, count - 1)
        with self._action_box:
            select(titles, "Probability of", chosen, self._change_action)

    def _change_colour(self, event: Any) -> None:
        self._session.view(replace(self._session.watch.viewing, colour=event.value))
        self._viewed()

    def _change_action(self, event: Any) -> None:
        self._session.view(replace(self._session.watch.viewing, action=event.value))
        self._viewed()

    def _change_touch(self, event: Any) -> None:
        touches = WORLDS[self._session.task.world].touches
        self._touch = next(touch for touch in touches if touch.name == event.value)

    def _touch_any(self) -> None:
        if self._session.picture is not None:
            self._touch_agent(random.randrange(self._session.picture.world.n_agents))

    def _clicked(self, event: Any) -> None:
        self._touch_agent(event.args)

    def _touch_agent(self, agent: Any) -> None:
        drawn, touch = self._session.picture, self._touch
        known = drawn is not None and isinstance(agent, int) and 0 <= agent < drawn.world.n_agents
        if touch is not None and known:
            self._session.touch(agent, touch)
            self._said.set_text(
                f"Agent {agent} {touch.done}, in all worlds (dashed ring). This run is touched."
            )
