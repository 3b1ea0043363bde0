"""Addresses, presets and the tour, and who finds a session again."""

from __future__ import annotations

from urllib.parse import parse_qsl

import pytest
from hypothesis import given
from hypothesis import strategies as st

from crl_envs.explorer import visits
from crl_envs.explorer.address import FIRST_SPEED, Chosen, chosen_by, query_of
from crl_envs.explorer.presets import PRESETS, TOUR
from crl_envs.explorer.session import Session
from crl_envs.explorer.shades import COLOURS, Viewing
from crl_envs.explorer.suitable import suitable_learners
from crl_envs.explorer.visits import Visits
from crl_envs.explorer.worlds import NOBODY, WORLDS, Task, default_task

SMALL = Task("sysadmin", {"n_agents": 3, "horizon": 2}, "random")


@st.composite
def chosen(draw: st.DrawFn) -> Chosen:
    world = WORLDS[draw(st.sampled_from(list(WORLDS)))]
    values = {}
    for choice in world.choices:
        if draw(st.booleans()):
            low, high, _ = choice.slider
            known = st.sampled_from(choice.options) if choice.options else st.floats(low, high)
            value = draw(known)
            if value != choice.default:
                values[choice.name] = value
    task = Task(
        world.key,
        values,
        draw(st.sampled_from(["random", "reinforce-own", "module:Class"])),
        draw(st.sampled_from([NOBODY, "reinforce-global"])),
        draw(st.integers(0, 2**64 - 1)),
        draw(st.integers(1, 10**6)),
    )
    viewing = Viewing(draw(st.sampled_from(list(COLOURS))), draw(st.integers(0, 9)))
    return Chosen(task, viewing, draw(st.sampled_from([None, 1.0, 5.0, 500.0])))


@given(chosen())
def test_an_address_says_everything(said: Chosen) -> None:
    assert chosen_by(dict(parse_qsl(query_of(said)))) == said


def test_an_address_that_says_nothing_is_the_first_page() -> None:
    assert chosen_by({}) == Chosen(default_task("sysadmin"), Viewing(), FIRST_SPEED)
    assert (default_task("sysadmin").names) == ("reinforce-own", "reinforce-global")


@pytest.mark.parametrize(
    "query",
    [
        {"world": "<script>"},
        {"seed": "-1", "episodes": "x", "speed": "nan", "colour": "blue", "action": "²"},
        {"speed": "1e999"},
        {"nothing": "known"},
    ],
    ids=str,
)
def test_what_there_isnt_is_left_out(query: dict[str, str]) -> None:
    assert chosen_by(query) == chosen_by({})


def test_a_bad_value_reaches_the_environment() -> None:
    task = chosen_by({"n_agents": "many", "topology": "donut"}).task
    assert task.values == {"n_agents": "many", "topology": "donut"}
    with pytest.raises(ValueError, match="n_agents must be a number, got 'many'"):
        task.arguments()


@pytest.mark.parametrize("preset", PRESETS, ids=lambda preset: preset.title)
def test_presets_can_be_run(preset: object) -> None:
    for task in (preset.chosen.task, *preset.tasks()):
        assert set(task.names) <= set(suitable_learners(task.world))
        assert task.make_env().possible_agents


def test_the_tour_is_short() -> None:
    assert 4 <= len(TOUR) <= 6


def test_who_comes_back_finds_the_session(monkeypatch: pytest.MonkeyPatch) -> None:
    clock = [0.0]
    monkeypatch.setattr(visits.time, "monotonic", lambda: clock[0])
    known, made = Visits(), []

    def begin() -> Session:
        made.append(Session(SMALL))
        return made[-1]

    first = known.enter("a", begin)
    assert known.enter("a", begin) is first  # reloaded: the new page comes before the old one goes
    known.leave("a")
    clock[0] += 10 * visits.KEPT
    known.tend()
    assert known.enter("a", begin) is first
    known.leave("a")
    known.leave("a")
    assert first.settle(60)
    first.run()
    known.tend()
    assert first.snapshot().state == "running"
    clock[0] += visits.GOES_ON + 1
    known.tend()
    assert first.snapshot().state == "paused"
    clock[0] += visits.KEPT
    known.tend()
    assert known.enter("a", begin) is not first

    for k in range(visits.MOST_KEPT + 1):
        clock[0] += 1
        known.enter(f"b{k}", begin)
        known.leave(f"b{k}")
    count = len(made)
    known.enter("b1", begin)
    assert len(made) == count  # among the latest
    known.enter("b0", begin)
    assert len(made) == count + 1  # dropped
    known.leave("unknown")
    for session in made:
        session.close()
