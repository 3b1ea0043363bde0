"""What pictures show of agents, and what a hand does to them: quantities, touches, SVG."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from xml.etree import ElementTree

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import crl_envs
from agents import LocalMeans, RandomPolicy, Reinforce
from crl_envs.core.optimum import Optimum
from crl_envs.explorer import shades
from crl_envs.explorer.curve import WINDOW, Curve
from crl_envs.explorer.drawing import CIVIDIS, Drawing, colour, colour_bar, legend
from crl_envs.explorer.lane import picture_of
from crl_envs.explorer.samples import Marks, marks_of, sample_of
from crl_envs.explorer.session import Session
from crl_envs.explorer.shades import COLOURS, Scale, Viewing
from crl_envs.explorer.worlds import WORLDS, Task, default_task

TOUCHES = [(key, touch.name) for key, world in WORLDS.items() for touch in world.touches]


@pytest.fixture
def opened() -> Iterator[Callable[[Task], Session]]:
    sessions: list[Session] = []

    def open_one(task: Task) -> Session:
        sessions.append(Session(task))
        sessions[-1].set_speed(1e4)  # no compiled loop
        assert sessions[-1].settle()
        return sessions[-1]

    yield open_one
    for session in sessions:
        session.close()


Opened = Callable[[Task], Session]


def step(session: Session) -> None:
    session.step()
    assert session.settle()


def test_policy_is_the_learners_to_a_64th() -> None:
    env = crl_envs.make("crl/epidemic-v0", n_agents=9, render_mode="rgb_array")
    learner = Reinforce(env, credit="own", seed=1).learn(total_episodes=60)
    env.reset(seed=5)
    state = env._renderer.moment.state
    exact = learner.probabilities()[np.arange(9), state[:, 0], 1, 0]
    assert np.ptp(exact) > 0.1
    found = shades.policy(learner, env.world, state, 1)
    assert found.missing == ""
    assert np.abs(found.values - exact).max() <= 1 / 64


def test_policy_of_one_that_explores_apart_is_its_greedy_one() -> None:
    env = crl_envs.make("crl/bandit-v0", n_agents=20, p_correct=1.0, p_wrong=0.0)
    learner = LocalMeans(env, seed=0).learn(total_episodes=30)
    state = env.world.initial(env._stream)
    found = shades.policy(learner, env.world, state, 1)
    assert found.values.tolist() == env.world.correct_action.tolist()


def test_credit_is_whose_rewards_are_learnt_from() -> None:
    env = crl_envs.make("crl/sysadmin-v0", n_agents=4, topology="ring", horizon=5)
    earned, edges = np.array([4.0, 0.0, 2.0, 2.0]), env.edges

    def credit(learner: object) -> list[float]:
        return shades.credit(learner, edges, earned, 2).values.tolist()

    assert credit(Reinforce(env, credit="own")) == [2.0, 0.0, 1.0, 1.0]
    assert credit(Reinforce(env, credit="global")) == [1.0] * 4
    assert credit(Reinforce(env, credit="local")) == [1.0, 1.0, 2 / 3, 4 / 3]
    near = type("Near", (), {"trains_on": "neighborhood"})()
    assert credit(near) == [1.0, 1.0, 2 / 3, 4 / 3]
    assert shades.credit(Reinforce(env), edges, earned, 0).missing
    assert "learns nothing" in shades.credit(RandomPolicy(env), edges, earned, 2).missing


def test_value_is_the_mean_of_what_agents_earned() -> None:
    assert shades.value([]).missing
    assert shades.value([np.array([1.0, 0.0]), np.array([3.0, 2.0])]).values.tolist() == [2.0, 1.0]


@pytest.mark.parametrize("key", WORLDS)
def test_looking_changes_nothing(opened: Opened, key: str) -> None:
    """Learners who are asked for policy and credit at each step learn to the bit what they learn unseen."""
    values = {"n_agents": 9} if any(c.name == "n_agents" for c in WORLDS[key].choices) else {}
    values |= {"capacity": 2} if key == "load_balancing" else {}
    values |= {"horizon": 20} if key in ("routing", "traffic") else {}
    task = replace(default_task(key), values=values, episodes=2)
    histories = []
    for colours in ((), ("policy", "credit", "value")):
        session = opened(task)
        for k in range(30):
            if colours:
                session.view(Viewing(colours[k % 3]))
                assert session.settle()
            step(session)
        session.run()
        assert session.settle()
        assert session.snapshot().error == ""
        histories.append(session.returns())
    assert histories[0] == histories[1]


@pytest.mark.parametrize(("key", "name"), TOUCHES)
def test_a_touch_is_seen_and_marked_and_learning_goes_on(
    opened: Opened, key: str, name: str
) -> None:
    values = {"n_agents": 9, "horizon": 20}
    if key in ("load_balancing", "consensus"):
        values.pop("horizon")
    session = opened(replace(default_task(key), values=values, episodes=1))
    touch = next(each for each in WORLDS[key].touches if each.name == name)
    for _ in range(3):
        step(session)
    seen = set()
    for other in (*WORLDS[key].touches, touch):
        for agent in range(9):
            session.touch(agent, other)
        assert session.settle()
        seen.add(session._work.lanes[0].env.unwrapped.state().tobytes())
        assert (session.snapshot().sights[0].picture or "").count("ex-touched") == 9
    assert len(seen) >= len(WORLDS[key].touches)
    count = 9 * (len(WORLDS[key].touches) + 1)
    assert [sight.touched for sight in session.snapshot().sights] == [count, count]
    assert all(label.endswith("(touched)") for label in session.curves())
    for _ in range(5):
        step(session)
    snapshot = session.snapshot()
    assert (snapshot.state, snapshot.error) == ("paused", "")


def test_a_touch_before_the_first_step_lasts_through_it(opened: Opened) -> None:
    """With the dynamics in which a machine that is down stays so while its neighbours are."""
    values = {"n_agents": 4, "horizon": 5}
    session = opened(Task("sysadmin", values, "reinforce-own", seed=1))
    up = WORLDS["sysadmin"].touches[1]
    for agent in range(4):
        session.touch(agent, up)
    assert session.settle()
    assert "4 of 4 up" in session.snapshot().sights[0].status
    assert session.snapshot().sights[0].touched == 0
    step(session)
    assert "4 of 4 up" in session.snapshot().sights[0].status
    assert session.snapshot().sights[0].touched == 4


@pytest.mark.parametrize("key", WORLDS)
def test_pictures_are_svg_with_every_agent(key: str) -> None:
    env = default_task(key).make_env("rgb_array")
    env.reset(seed=0)
    for drawn in (legend(picture_of(env)), Drawing(picture_of(env)).draw(env._renderer.moment)):
        ElementTree.fromstring(f"<div>{drawn}</div>")  # well-formed
    agents = [each.get("data-agent") for each in ElementTree.fromstring(drawn).iter()]
    assert [int(a) for a in agents if a is not None] == list(range(len(env.possible_agents)))


@given(st.floats(-10, 10), st.floats(-10, 10), st.floats(-20, 20))
def test_colours_are_cividis(low: float, high: float, value: float) -> None:
    found = colour(value, (low, high))
    assert len(found) == 7 and found.startswith("#")
    if low < high:
        assert colour(low, (low, high)) == CIVIDIS[0]
        assert colour(high, (low, high)) == CIVIDIS[-1]
    assert "&lt;" in colour_bar((low, high), "<")


def test_a_scale_takes_in_what_comes() -> None:
    scale = Scale()
    assert scale.ends == (0.0, 1.0)
    scale.widen(np.empty(0))
    assert scale.ends == (0.0, 1.0)
    for values in ([2.0, 3.0], [-1.0]):
        scale.widen(np.array(values))
    assert scale.ends == (-1.0, 3.0)


def test_a_sample_is_when_the_mean_reached_the_goal() -> None:
    curve = Curve()
    task = Task("sysadmin", {"n_agents": 7}, "reinforce-own", seed=2)
    marks = Marks(Optimum(2.0, "exact", "", 2.0), 0.5)
    assert sample_of(task, "reinforce-own", curve, marks, False) is None
    for k in range(60):
        curve.append(float(k >= 30))
    found = sample_of(task, "reinforce-own", curve, marks, False)
    assert found is not None
    # Ten of the last 20 are 1 after 40 episodes.
    assert (found.size, found.seed, found.episodes, found.reached) == (7, 2, 40, True)
    late = sample_of(task, "reinforce-own", curve, replace(marks, goal=2.0), True)
    assert late is not None
    assert (late.episodes, late.reached, late.touched) == (60, False, True)
    assert sample_of(task, "reinforce-own", curve, replace(marks, goal=None), False) is None
    assert sample_of(Task("tiger"), "random", curve, marks, False) is None
    assert len(curve) > WINDOW


def test_marks_are_between_random_actions_and_the_optimum() -> None:
    marks = marks_of(Task("sysadmin", {"n_agents": 4, "horizon": 5}))
    env = crl_envs.make("crl/sysadmin-v0", n_agents=4, horizon=5)
    assert marks.optimum == env.optimum()
    random = RandomPolicy(env, seed=0).learn(total_episodes=50).history
    mean = float(np.mean([entry["local_return_mean"] for entry in random]))
    assert marks.goal == pytest.approx(mean + 0.8 * (marks.optimum.value - mean))
    assert marks_of(default_task("routing")).goal is None


def test_samples_gather_and_a_series_goes_on_by_itself(opened: Opened) -> None:
    task = Task("sysadmin", {"horizon": 5}, "reinforce-own", "random", episodes=40)
    session = opened(task)
    session.set_speed(None)
    session.follow([replace(task, values={**task.values, "n_agents": n}) for n in (3, 4)])
    while session.series or session.snapshot().state in ("preparing", "running"):
        session.go_on()
    while session.snapshot().marks is None:
        pass
    samples = {(s.learner, s.size): s for s in session.samples()}
    assert set(samples) == {(name, n) for name in task.names for n in (3, 4)}
    assert not samples["random", 4].reached
    session.forget()
    assert {s.size for s in session.samples()} == {4}  # of the present run


def test_all_colours_have_names() -> None:
    assert list(COLOURS) == ["state", "policy", "value", "credit", "render"]
