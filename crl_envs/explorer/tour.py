"""The guided tour: a card that points at one part of the page after the other."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from nicegui import ui

from crl_envs.explorer.presets import TOUR
from crl_envs.explorer.widgets import card


class Tour:
    """The widgets of the tour.

    Args:
        places: The parts of the page, by the names that stops have for them.
    """

    def __init__(self, places: Mapping[str, Any]) -> None:
        self._places = places
        self._at = -1
        with card("Tour").classes("ex-tour") as self._card:
            self._title = ui.label("").style("font-weight: 600")
            self._text = ui.label("").props("role=status")
            with ui.element("div").classes("ex-row"):
                for title, move in (("Back", -1), ("Next", 1)):
                    button = ui.button(title, on_click=lambda move=move: self._go(self._at + move))
                    button.props("no-caps dense outline size=sm")
                ui.space()
                close = ui.button("Close the tour", on_click=lambda: self._go(len(TOUR)))
                close.props("no-caps dense flat size=sm")
        self._card.set_visibility(False)

    def begin(self) -> None:
        """Show the first stop."""
        self._go(0)

    def _go(self, at: int) -> None:
        if 0 <= self._at < len(TOUR):
            self._places[TOUR[self._at].place].classes(remove="ex-pointed")
        self._at = max(at, 0)
        self._card.set_visibility(self._at < len(TOUR))
        if self._at >= len(TOUR):
            self._at = -1
            return
        stop = TOUR[self._at]
        place = self._places[stop.place]
        place.classes(add="ex-pointed")
        self._title.set_text(f"{self._at + 1} of {len(TOUR)}: {stop.title}")
        self._text.set_text(stop.text)
        ui.run_javascript(
            f"getHtmlElement({place.id}).scrollIntoView({{block: 'center', behavior: 'smooth'}})"
        )
