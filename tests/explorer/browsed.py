"""The page in a real browser: Chromium of the system's, headless, which asks nobody but the explorer for anything."""

from __future__ import annotations

import shutil
import time
from collections.abc import Callable
from typing import Any

import pytest

CHROMIUM = next(
    filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None
)
PATIENCE = 90  # seconds, for a busy machine

_SERIES = """name => {
    const chart = document.querySelector(`[data-testid=${name}]`);
    return getElement(Number(chart.id.slice(1))).chart.getOption().series;
}"""


class Visit:
    """A page in the browser, with what it asked of others and complained of."""

    def __init__(self, browser: Any, url: str, query: str = "speed=max", **context: Any) -> None:
        self.elsewhere: list[str] = []
        self.complaints: list[str] = []
        context = {"viewport": {"width": 1280, "height": 800}} | context
        self._url = url
        self._context = browser.new_context(**context)
        self._context.set_default_timeout(PATIENCE * 1000)
        self.page = self._context.new_page()
        self.page.route("**/*", self._pass)
        self.page.on("pageerror", lambda error: self.complaints.append(str(error)))
        self.page.on("console", self._listen)
        self.go(query)

    def go(self, query: str) -> None:
        """Load the page with that query in its address."""
        self.page.goto(f"{self._url}/?{query}", wait_until="commit")
        self.ready()

    def reload(self) -> None:
        """Load the page anew, as its address is now."""
        self.page.reload(wait_until="commit")
        self.ready()

    def ready(self) -> None:
        """Wait until the page has its widgets and pictures."""
        self.page.get_by_label("World", exact=True).wait_for()
        wait_until(lambda: "<svg" in self.picture())

    def cut_off(self, offline: bool) -> None:
        """Take the network away, or give it back."""
        self._context.set_offline(offline)

    def close(self) -> None:
        """Close the page; it has asked nobody else for anything, and complained of nothing."""
        pause = self.page.get_by_role("button", name="Pause", exact=True)
        if pause.count() and pause.is_enabled():  # else it would go on for a while
            pause.click()
        self._context.close()
        assert self.elsewhere == []
        assert self.complaints == []

    def _pass(self, route: Any) -> None:
        if route.request.url.startswith((f"{self._url}/", "data:", "blob:")):
            route.continue_()
        else:
            self.elsewhere.append(route.request.url)
            route.abort()

    def _listen(self, message: Any) -> None:
        if message.type in ("error", "warning"):
            self.complaints.append(message.text)

    @property
    def address(self) -> str:
        return str(self.page.evaluate("location.href"))

    def picture(self, lane: int = 0) -> str:
        """The HTML of a learner's picture."""
        return str(self.page.get_by_test_id(f"picture-{lane}").inner_html())

    @property
    def state(self) -> str:
        return str(self.page.get_by_test_id("state").inner_text())

    def number(self, name: str, lane: int = 0) -> float:
        """A number of the table; −1 where there is none yet."""
        cell = self.page.locator(f"[data-number={name}][data-lane='{lane}']")
        text = cell.inner_text().replace(",", "") if cell.count() else "–"
        return -1.0 if text == "–" else float(text)

    def numbers(self) -> list[str]:
        texts: list[str] = self.page.locator("[data-number]").all_inner_texts()
        return texts

    def series(self, chart: str) -> list[dict[str, Any]]:
        """What a chart shows: ``"curves"`` or ``"samples"``."""
        found: list[dict[str, Any]] = self.page.evaluate(_SERIES, chart)
        return found

    def press(self, name: str) -> None:
        self.page.get_by_role("button", name=name, exact=True).click()

    def choose(self, label: str, option: str) -> None:
        self.page.get_by_label(label, exact=True).click()
        self.page.get_by_role("option", name=option, exact=True).click()

    def stands_still(self) -> bool:
        """Whether nothing changes on the page for a second."""
        before = (self.picture(), self.numbers())
        time.sleep(1.0)
        return (self.picture(), self.numbers()) == before


def wait_until(condition: Callable[[], bool], patience: float = PATIENCE) -> None:
    """Wait until something is so."""
    end = time.monotonic() + patience
    while not condition():
        assert time.monotonic() < end, "it didn't come about"
        time.sleep(0.1)


needs_chromium = pytest.mark.skipif(CHROMIUM is None, reason="no Chromium is installed")
