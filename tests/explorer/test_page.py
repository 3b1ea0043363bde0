"""The page in a real browser: Chromium of the system's, headless, which asks nobody but the explorer for anything."""

from __future__ import annotations

import re
import shutil
import time
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from tests.explorer.served import explorer

pytest.importorskip("nicegui", reason="needs the extra explore")
sync_api = pytest.importorskip("playwright.sync_api", reason="needs playwright, of the extra dev")

CHROMIUM = next(
    filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None
)
PATIENCE = 90  # seconds, for a busy machine
HIDDEN_CURVES = """() => {
    const chart = document.querySelector('.nicegui-echart');
    const series = getElement(Number(chart.id.slice(1))).chart.getOption().series;
    return Object.fromEntries(series.map(line => [line.name, line.data.length]));
}"""

pytestmark = pytest.mark.skipif(CHROMIUM is None, reason="no Chromium is installed")


class Visit:
    """A page in the browser, with what it asked of others and complained of."""

    def __init__(self, browser: Any, url: str) -> None:
        self.elsewhere: list[str] = []
        self.complaints: list[str] = []
        context = browser.new_context(viewport={"width": 1280, "height": 800})
        context.set_default_timeout(PATIENCE * 1000)
        self.page = context.new_page()
        self.page.route("**/*", lambda route: self._pass(route, url))
        self.page.on("pageerror", lambda error: self.complaints.append(str(error)))
        self.page.on("console", self._listen)
        self.page.goto(url, wait_until="commit")
        self.page.get_by_label("World", exact=True).wait_for()
        wait_until(lambda: self.picture.startswith("data:image/png"))

    def _pass(self, route: Any, url: str) -> None:
        if route.request.url.startswith((f"{url}/", "data:", "blob:")):
            route.continue_()
        else:
            self.elsewhere.append(route.request.url)
            route.abort()

    def _listen(self, message: Any) -> None:
        if message.type in ("error", "warning"):
            self.complaints.append(message.text)

    @property
    def picture(self) -> str:
        return str(self.page.get_by_test_id("picture").get_attribute("src"))

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

    def press(self, name: str) -> None:
        self.page.get_by_role("button", name=name, exact=True).click()

    def choose(self, label: str, option: str) -> None:
        self.page.get_by_label(label, exact=True).click()
        self.page.get_by_role("option", name=option, exact=True).click()


def wait_until(condition: Callable[[], bool], patience: float = PATIENCE) -> None:
    end = time.monotonic() + patience
    while not condition():
        assert time.monotonic() < end, "it didn't come about"
        time.sleep(0.1)


def stands_still(visit: Visit) -> bool:
    """Whether nothing changes on the page for a second."""
    before = (visit.picture, visit.numbers())
    time.sleep(1.0)
    return (visit.picture, visit.numbers()) == before


@pytest.fixture(scope="module")
def url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    with explorer(tmp_path_factory.mktemp("explorer")) as address:
        yield address


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    with sync_api.sync_playwright() as playwright:
        flags = ["--no-sandbox", "--disable-gpu", "--disable-background-networking"]
        started = playwright.chromium.launch(executable_path=CHROMIUM, args=flags)
        yield started
        started.close()


@pytest.fixture
def visit(browser: Any, url: str) -> Iterator[Visit]:
    """A fresh page, which at the end has asked nobody else for anything and complained of nothing."""
    made = Visit(browser, url)
    yield made
    elsewhere, complaints = made.elsewhere, made.complaints
    made.page.context.close()
    assert elsewhere == []
    assert complaints == []


def test_slider_run_pause_and_step(visit: Visit) -> None:
    first = visit.picture
    thumb = visit.page.get_by_test_id("n_agents-slider").locator("[tabindex='0']")
    thumb.focus()
    for _ in range(5):
        thumb.press("ArrowRight")
    wait_until(lambda: visit.page.get_by_test_id("n_agents").input_value() == "15")
    wait_until(lambda: visit.picture != first)  # of 15 machines, though nothing was run
    assert visit.number("env_steps") == 0
    wait_until(lambda: visit.state == "paused")

    fresh = visit.picture
    visit.press("Run")
    wait_until(lambda: visit.number("episodes") >= 3 and visit.number("episodes", 1) >= 3)
    wait_until(lambda: visit.picture != fresh)
    assert visit.number("last_return") > 0
    visit.press("Pause")
    wait_until(lambda: visit.state == "paused")
    wait_until(lambda: stands_still(visit))
    assert stands_still(visit)

    steps, shown = visit.number("env_steps"), visit.picture
    visit.press("Step")
    wait_until(lambda: visit.number("env_steps") > steps)
    wait_until(lambda: stands_still(visit))
    assert visit.number("env_steps") == steps + 1
    assert visit.number("env_steps", 1) == steps + 1
    assert visit.picture != shown

    visit.press("Reset")
    wait_until(lambda: visit.number("env_steps") == 0)


def test_local_against_global_with_the_optimum(visit: Visit) -> None:
    visit.page.get_by_test_id("episodes").fill("25")
    visit.press("Run")
    wait_until(lambda: visit.number("episodes") == 25 and visit.state == "paused")
    curves = {}

    def all_plotted() -> bool:
        curves.update(visit.page.evaluate(HIDDEN_CURVES))
        return min(curves.get(f"reinforce-{r}, n 10", 0) for r in ("local", "global")) == 25

    wait_until(all_plotted)
    assert [name for name in curves if name.startswith("optimum")] == ["optimum 17.8 (exact)"]


def test_a_world_shows_its_own_choices(visit: Visit) -> None:
    assert visit.page.get_by_test_id("horizon").count() == 1
    visit.choose("World", "Load balancing")
    visit.page.get_by_test_id("temperature").wait_for()
    assert visit.page.get_by_test_id("horizon").count() == 0
    visit.choose("Learner", "breadth-first")
    visit.page.get_by_test_id("temperature").wait_for(state="detached")
    assert visit.page.get_by_test_id("capacity").count() == 1


def test_a_bad_choice_is_a_sentence(visit: Visit) -> None:
    alert = visit.page.get_by_role("alert")
    assert not alert.is_visible()
    visit.page.get_by_test_id("n_agents").fill("200000")
    alert.wait_for()
    assert "n_agents must be at most 10,000 to be watched live, got 200,000" in alert.inner_text()
    visit.page.get_by_test_id("n_agents").fill("12")
    alert.wait_for(state="hidden")
    visit.press("Step")
    wait_until(lambda: visit.number("env_steps") == 1)


def test_two_pages_are_apart(browser: Any, url: str, visit: Visit) -> None:
    other = Visit(browser, url)
    other.press("Step")
    wait_until(lambda: other.number("env_steps") == 1)
    assert visit.number("env_steps") == 0
    other.page.context.close()


def test_everything_has_a_name(visit: Visit) -> None:
    """What can be reached by keyboard says what it is, at 800 pixels too, where nothing sticks out."""
    visit.page.set_viewport_size({"width": 800, "height": 800})
    for role in ("button", "slider", "spinbutton", "combobox", "img"):
        widgets = visit.page.get_by_role(role)
        named = visit.page.get_by_role(role, name=re.compile(r"\w"))
        assert widgets.count() == named.count() > 0, role
    assert visit.page.get_by_test_id("picture").get_attribute("alt").startswith("SYSADMIN")
    width = "document.documentElement.scrollWidth"
    assert visit.page.evaluate(width) <= 800
