"""Sessions outlive their pages for a while: whoever reloads, or was cut off, finds the run as it was."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Final

from crl_envs.explorer.session import Session

GOES_ON: Final = 20.0  # seconds that learners go on while nobody looks
KEPT: Final = 1800.0  # seconds after which what nobody looks at is dropped
MOST_KEPT: Final = 4  # sessions that nobody looks at


@dataclass
class _Visit:
    session: Session
    pages: int = 0
    left: float = field(default_factory=time.monotonic)


class Visits:
    """The sessions of all browser tabs, by the tab's id."""

    def __init__(self) -> None:
        self._by_tab: dict[str, _Visit] = {}

    def enter(self, tab: str, begin: Callable[[], Session]) -> Session:
        """Return the tab's session; it begins if there is none. A page of the tab looks at it until `leave`."""
        if tab not in self._by_tab:
            self._by_tab[tab] = _Visit(begin())
        visit = self._by_tab[tab]
        visit.pages += 1
        self.tend()
        return visit.session

    def leave(self, tab: str) -> None:
        """Note that a page of the tab has gone. A reloaded page enters before the old one leaves."""
        visit = self._by_tab.get(tab)
        if visit is not None:
            visit.pages -= 1
            visit.left = time.monotonic()
            self.tend()

    def tend(self) -> None:
        """Pause what nobody has looked at for a while, and drop what nobody will."""
        now = time.monotonic()
        alone = [(v.left, tab) for tab, v in self._by_tab.items() if not v.pages]
        for place, (left, tab) in enumerate(sorted(alone, reverse=True)):
            session = self._by_tab[tab].session
            if place >= MOST_KEPT or now - left > KEPT:
                session.close()
                del self._by_tab[tab]
            elif now - left > GOES_ON:
                session.pause()
