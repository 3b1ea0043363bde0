"""Widgets as the page has them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from nicegui import ui


def select(options: Any, label: str, value: Any, change: Callable[[Any], Any]) -> Any:
    """Return a list to choose from; `change` is called with the event."""
    made = ui.select(options, label=label, value=value, on_change=change)
    return made.props("dense outlined options-dense")


def toggle(options: Any, label: str, value: Any, change: Callable[[Any], Any]) -> Any:
    """Return a few buttons of which one is down; `change` is called with the event."""
    look = 'dense no-caps size=sm unelevated padding="2px 8px" role=group'
    return ui.toggle(options, value=value, on_change=change).props(f'{look} aria-label="{label}"')


def heading(text: str) -> Any:
    """Return the heading of a card."""
    return ui.html(f"<h2>{text}</h2>", sanitize=False)


def card(label: str = "") -> Any:
    """Return a card, for ``with``."""
    made = ui.element("section" if label else "div").classes("ex-card")
    return made.props(f'aria-label="{label}"') if label else made
