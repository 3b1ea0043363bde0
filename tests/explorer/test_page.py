"""The page in a real browser, see `tests.explorer.browsed`."""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from crl_envs.explorer.presets import PRESETS, TOUR
from crl_envs.explorer.worlds import WORLDS, default_task
from tests.explorer.browsed import CHROMIUM, Visit, needs_chromium, wait_until
from tests.explorer.served import explorer

pytest.importorskip("nicegui", reason="needs the extra explore")
sync_api = pytest.importorskip("playwright.sync_api", reason="needs playwright, of the extra dev")

pytestmark = needs_chromium

Visits = Callable[..., Visit]


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
def visits(browser: Any, url: str) -> Iterator[Visits]:
    """Fresh pages, which at the end have asked nobody else for anything and complained of nothing."""
    made: list[Visit] = []

    def visit(*query: str, **context: Any) -> Visit:
        made.append(Visit(browser, url, *query, **context))
        return made[-1]

    yield visit
    for each in made:
        each.close()


@pytest.fixture
def visit(visits: Visits) -> Visit:
    return visits()


def test_slider_run_pause_and_step(visit: Visit) -> None:
    first = visit.picture()
    thumb = visit.page.get_by_test_id("n_agents-slider").locator("[tabindex='0']")
    thumb.focus()
    for _ in range(5):
        thumb.press("ArrowRight")
    wait_until(lambda: visit.page.get_by_test_id("n_agents").input_value() == "15")
    wait_until(lambda: visit.picture() != first)  # of 15 machines, though nothing was run
    assert visit.number("env_steps") == 0
    wait_until(lambda: visit.state == "paused")

    fresh = visit.picture()
    visit.press("Run")
    wait_until(lambda: visit.number("episodes") >= 3 and visit.number("episodes", 1) >= 3)
    wait_until(lambda: visit.picture() != fresh)
    assert visit.number("last_return") > 0
    visit.press("Pause")
    wait_until(lambda: visit.state == "paused")
    wait_until(visit.stands_still)
    assert visit.stands_still()

    steps, shown = visit.number("env_steps"), visit.picture()
    visit.press("Step")
    wait_until(lambda: visit.number("env_steps") > steps)
    wait_until(visit.stands_still)
    assert visit.number("env_steps") == steps + 1
    assert visit.number("env_steps", 1) == steps + 1
    assert visit.picture() != shown


def test_it_starts_at_a_speed_that_eyes_can_follow(visits: Visits) -> None:
    visit = visits("")
    assert visit.page.get_by_text("5 steps a second").is_visible()
    assert visit.picture(0) != "" and visit.picture(1) != ""
    names = visit.page.locator(".ex-twins h2").all_inner_texts()
    assert names == ["reinforce-own", "reinforce-global"]


def test_own_against_team_with_the_optimum(visit: Visit) -> None:
    visit.page.get_by_test_id("episodes").fill("25")
    visit.press("Run")
    wait_until(lambda: visit.number("episodes") == 25 and visit.state == "paused")
    curves = {}

    def all_plotted() -> bool:
        curves.update({s["name"]: len(s["data"]) for s in visit.series("curves")})
        return min(curves.get(f"reinforce-{r}, n 10", 0) for r in ("own", "global")) == 25

    wait_until(all_plotted)
    assert [name for name in curves if name.startswith("optimum")] == ["optimum 17.8 (exact)"]


@pytest.mark.slow
@pytest.mark.parametrize("key", WORLDS)
def test_every_world_steps(visits: Visits, key: str) -> None:
    """From its address alone; what can't be done to its agents by hand is a sentence."""
    world, task = WORLDS[key], default_task(key)
    visit = visits(f"world={key}&learner={task.learner}&rival={task.rival}")
    visit.press("Step")
    wait_until(lambda: visit.number("env_steps") == 1 and visit.number("env_steps", 1) == 1)
    assert "<svg" in visit.picture(0) and "<svg" in visit.picture(1)
    if not world.touches:
        assert visit.page.get_by_text(world.untouched).is_visible()
    assert not visit.page.get_by_role("alert").is_visible()


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


def test_colours_with_a_legend(visit: Visit) -> None:
    """Credit of the team's reward is the same for all machines, of one's own it isn't."""
    legend = visit.page.get_by_test_id("legend")
    assert "rebooted, last step" in legend.inner_text()
    for _ in range(6):
        steps = visit.number("env_steps")
        visit.press("Step")
        wait_until(lambda: visit.number("env_steps") > steps)  # noqa: B023
    visit.press("Credit")
    wait_until(lambda: "reward that the agent learns from" in legend.inner_text())

    def credited(lane: int) -> list[str]:
        texts = visit.page.get_by_test_id(f"picture-{lane}").locator("text").all_text_contents()
        return [text for text in texts if "." in text or text in ("0", "1")]

    wait_until(lambda: len(set(credited(1)) - {"0", "1"}) == 1)
    assert len(set(credited(0))) > 1
    visit.press("Policy")
    wait_until(lambda: "probability" in legend.inner_text())
    assert visit.page.get_by_label("Probability of").is_visible()
    visit.press("Value")
    caption = visit.page.get_by_text("It is known after the first episode.")
    wait_until(lambda: caption.count() == 2)
    visit.press("render()")
    wait_until(
        lambda: "data:image/png" in visit.picture(0) and "data:image/png" in visit.picture(1)
    )


def test_a_click_breaks_a_machine_in_both_worlds(visit: Visit) -> None:
    visit.press("Step")
    wait_until(lambda: visit.number("env_steps") == 1)
    visit.choose("A click on an agent", "Reboot it")
    for agent in range(10):
        visit.page.locator(f"[data-testid=picture-0] [data-agent='{agent}']").click()
    wait_until(lambda: visit.number("touched") == 10 and visit.number("touched", 1) == 10)
    wait_until(lambda: "10 of 10 up" in visit.page.locator(".ex-twins").inner_text())
    said = visit.page.get_by_test_id("touched")
    assert said.inner_text() == "Agent 9 is up, in all worlds (dashed ring). This run is touched."
    visit.choose("A click on an agent", "Break it")
    visit.page.locator("[data-testid=picture-1] [data-agent='4']").click()
    captions = visit.page.locator(".ex-twins .ex-note")
    wait_until(lambda: all("9 of 10 up" in text for text in captions.all_inner_texts()))
    visit.press("One at random")
    wait_until(lambda: visit.number("touched") == 12)
    wait_until(lambda: any("(touched)" in s["name"] for s in visit.series("curves")))


@pytest.mark.slow
def test_points_gather_while_a_preset_tries_sizes(visit: Visit) -> None:
    preset = next(each for each in PRESETS if each.sizes)
    visit.choose("Try", preset.title)

    def sizes() -> set[int]:
        points = [
            p["value"] for s in visit.series("samples") for p in s["data"] if isinstance(p, dict)
        ]
        return {size for size, _ in points}

    wait_until(lambda: sizes() >= {5, 10})
    goal = visit.page.get_by_test_id("goal")
    wait_until(lambda: "80% of the way from random actions" in goal.inner_text())
    wait_until(lambda: sizes() == set(preset.sizes))
    assert "more to come" not in visit.state


@pytest.mark.slow
def test_every_preset_begins(visit: Visit) -> None:
    for preset in PRESETS:
        visit.choose("Try", preset.title)
        wait_until(lambda: f"world={preset.chosen.task.world}" in visit.address)  # noqa: B023
        visit.page.get_by_text(preset.about).wait_for()
        visit.ready()
    assert not visit.page.get_by_role("alert").is_visible()


def test_the_tour_points_at_the_controls(visit: Visit) -> None:
    visit.press("Tour")
    for k, stop in enumerate(TOUR):
        visit.page.get_by_text(f"{k + 1} of {len(TOUR)}: {stop.title}").wait_for()
        assert visit.page.get_by_text(stop.text).is_visible()
        assert visit.page.locator(".ex-pointed").count() == 1
        visit.press("Next")
    visit.page.locator(".ex-tour").wait_for(state="hidden")
    assert visit.page.locator(".ex-pointed").count() == 0


@pytest.mark.slow
def test_a_reload_finds_the_run_and_an_address_brings_the_task(visits: Visits) -> None:
    visit = visits("speed=max&n_agents=12&seed=3&episodes=30&colour=policy")
    visit.press("Run")
    wait_until(lambda: visit.number("episodes") == 30 and visit.state == "paused")
    before, address = visit.numbers(), visit.address
    for part in ("n_agents=12", "seed=3", "episodes=30", "colour=policy", "speed=max"):
        assert part in address
    visit.reload()
    wait_until(lambda: visit.numbers() == before)
    assert visit.address == address
    assert visit.page.get_by_test_id("n_agents").input_value() == "12"

    other = visits(address.partition("?")[2])  # another browser, which has only the address
    assert other.number("env_steps") == 0
    other.press("Run")
    wait_until(lambda: other.number("episodes") == 30 and other.state == "paused")
    assert other.numbers() == before


@pytest.mark.slow
def test_who_was_cut_off_loses_nothing(visits: Visits) -> None:
    visit = visits("speed=max&episodes=100000")
    visit.press("Run")
    wait_until(lambda: visit.number("episodes") > 5)
    visit.cut_off(True)
    seen = visit.number("env_steps")
    time.sleep(6.0)
    visit.cut_off(False)
    wait_until(lambda: visit.number("env_steps") > seen)
    assert visit.state == "running"
    visit.complaints.clear()  # of the network


def test_two_pages_are_apart(visits: Visits, visit: Visit) -> None:
    other = visits()
    other.press("Step")
    wait_until(lambda: other.number("env_steps") == 1)
    assert visit.number("env_steps") == 0


@pytest.mark.parametrize("width", [800, 500])
def test_everything_has_a_name_and_nothing_sticks_out(visits: Visits, width: int) -> None:
    """What can be reached by keyboard says what it is, on narrow pages too; there the learners come first."""
    visit = visits(viewport={"width": width, "height": 800})
    for role in ("button", "slider", "spinbutton", "combobox", "img"):
        widgets = visit.page.get_by_role(role)
        named = visit.page.get_by_role(role, name=re.compile(r"\w"))
        assert widgets.count() == named.count() > 0, role
    # Charts are as wide as a moment before, until they have seen their room.
    wait_until(lambda: visit.page.evaluate("document.documentElement.scrollWidth") <= width)
    run = visit.page.get_by_role("button", name="Run", exact=True).bounding_box()
    world = visit.page.get_by_label("World", exact=True).bounding_box()
    assert run["y"] < 200
    assert (run["y"] < world["y"]) == (width == 500) or width == 800


def test_dark_pages(visits: Visits) -> None:
    """As the browser prefers it, or by the switch; charts and pictures follow."""
    ground = "getComputedStyle(document.body).backgroundColor"
    visit = visits("speed=max", color_scheme="dark")

    def optimum_is(color: str) -> bool:
        lines = [s for s in visit.series("curves") if s["name"].startswith("optimum")]
        return [line["lineStyle"]["color"] for line in lines] == [color]

    wait_until(lambda: visit.page.evaluate(ground) == "rgb(22, 24, 26)")
    wait_until(lambda: optimum_is("#dddddd"))
    visit.press("Light")
    wait_until(lambda: visit.page.evaluate(ground) == "rgb(245, 246, 247)")
    wait_until(lambda: optimum_is("#333333"))
