"""The session without a page: the same learning as without it, and nothing happens that wasn't asked for."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from xml.etree import ElementTree

import numpy as np
import pytest

import crl_envs
from agents import CRL, LocalMeans, Reinforce
from crl_envs.explorer import lane
from crl_envs.explorer.session import MOST_KEPT, Session, Snapshot
from crl_envs.explorer.shades import COLOURS, Viewing
from crl_envs.explorer.worlds import NOBODY, Task, default_task

SMALL = Task("sysadmin", {"n_agents": 4, "horizon": 5}, "reinforce-local", "reinforce-global")


@pytest.fixture
def opened() -> Iterator[Callable[[Task], Session]]:
    """Sessions that are at rest, and closed after the test."""
    sessions: list[Session] = []

    def open_one(task: Task) -> Session:
        sessions.append(Session(task))
        assert sessions[-1].settle()
        return sessions[-1]

    yield open_one
    for session in sessions:
        session.close()


Opened = Callable[[Task], Session]


def env_steps(session: Session) -> list[int]:
    return [sight.env_steps for sight in session.snapshot().sights]


def picture(session: Session, place: int = 0) -> str:
    shown = session.snapshot().sights[place].picture
    assert shown is not None
    return shown


def run_to_rest(session: Session) -> Snapshot:
    session.run()
    assert session.settle()
    return session.snapshot()


def test_the_curves_are_those_of_the_learners_alone(opened: Opened) -> None:
    """Side by side, watched and drawn, they learn to the bit what `learn` gives."""
    session = opened(replace(SMALL, seed=3, episodes=40))
    run_to_rest(session)
    for credit in ("local", "global"):
        env = crl_envs.make("crl/sysadmin-v0", n_agents=4, horizon=5)
        alone = Reinforce(env, credit=credit, seed=3).learn(total_episodes=40)
        expected = [entry["local_return_mean"] for entry in alone.history]
        assert session.returns()[f"reinforce-{credit}"] == expected


def test_crl_on_load_balancing_is_the_learner_alone(opened: Opened) -> None:
    values = {"n_agents": 10, "capacity": 2, "temperature": 2.0, "cost_model": "gradient"}
    task = Task("load_balancing", values, "crl", seed=1, episodes=2)
    session = opened(task)
    seen = run_to_rest(session)
    env = crl_envs.make("crl/load_balancing-v0", n_agents=10, capacity=2, cost_model="gradient")
    alone = CRL(env, temperature=2.0, seed=1).learn(total_episodes=2)
    assert session.returns()["crl"] == [entry["local_return_mean"] for entry in alone.history]
    assert seen.sights[0].env_steps == alone.env_steps[0]
    assert seen.sights[0].metrics["stored"] == env.metrics()["stored"]


def test_one_that_explores_all_the_time_is_shown_by_its_greedy_policy(opened: Opened) -> None:
    """Local means of a bandit without noise know every agent's right action after a few trials; exploring earns ½."""
    task = Task("bandit", {"n_agents": 20, "noise": 0.0}, "local-means", episodes=60)
    session = opened(task)
    run_to_rest(session)
    returns = session.returns()["local-means"]
    assert returns[-10:] == [1.0] * 10
    alone = LocalMeans(crl_envs.make("crl/bandit-v0", n_agents=20, p_correct=1.0, p_wrong=0.0))
    alone.learn(total_episodes=60)
    explored = [entry["local_return_mean"] for entry in alone.history]
    assert abs(np.mean(explored) - 0.5) < 5 * 0.5 / np.sqrt(20 * 60)  # 5 σ: false alarm 6e-7


def test_nothing_is_learnt_before_run(opened: Opened) -> None:
    session = opened(SMALL)
    seen = session.snapshot()
    assert (seen.state, seen.error) == ("paused", "")
    assert env_steps(session) == [0, 0]
    for place in (0, 1):
        drawn = ElementTree.fromstring(picture(session, place))
        agents = [each.get("data-agent") for each in drawn.iter() if each.get("data-agent")]
        assert agents == ["0", "1", "2", "3"]


def test_a_step_is_one_step_of_each_learner(opened: Opened) -> None:
    session = opened(SMALL)
    before = picture(session)
    for k in range(1, 8):
        session.step()
        assert session.settle()
        assert env_steps(session) == [k, k]
    assert [sight.episodes for sight in session.snapshot().sights] == [1, 1]  # of 5 steps
    assert [sight.step for sight in session.snapshot().sights] == [2, 2]
    assert picture(session) != before


def test_a_step_of_a_bandit_is_a_trial_with_its_point_of_the_curve(opened: Opened) -> None:
    session = opened(default_task("bandit"))
    session.step()
    assert session.settle()
    assert [len(returns) for returns in session.returns().values()] == [1, 1]


def test_pause_really_pauses(opened: Opened) -> None:
    session = opened(replace(SMALL, episodes=10**6))
    session.run()
    while min(env_steps(session)) < 20:
        time.sleep(0.01)
    assert session.snapshot().state == "running"
    session.pause()
    assert session.settle()
    steps, curves = env_steps(session), session.returns()
    assert session.snapshot().state == "paused"
    time.sleep(0.3)
    assert (env_steps(session), session.returns()) == (steps, curves)
    assert steps[0] == steps[1]
    session.step()
    assert session.settle()
    assert env_steps(session) == [steps[0] + 1] * 2


def test_run_rests_after_the_episodes_and_goes_on(opened: Opened) -> None:
    session = opened(replace(SMALL, episodes=3))
    for goal in (3, 6):
        seen = run_to_rest(session)
        assert [sight.episodes for sight in seen.sights] == [goal, goal]
        assert seen.state == "paused"


@pytest.mark.parametrize("names", [("breadth-first", "random"), ("random", "breadth-first")])
def test_whose_episodes_are_shorter_waits_for_the_others(
    opened: Opened, names: tuple[str, str]
) -> None:
    values = {"n_agents": 10, "capacity": 2, "max_in_flight": 50}
    session = opened(Task("load_balancing", values, *names, episodes=1))
    for k in (1, 2):
        seen = run_to_rest(session)
        steps = {name: sight.env_steps for name, sight in zip(names, seen.sights, strict=True)}
        assert [sight.episodes for sight in seen.sights] == [k, k]
        assert steps["breadth-first"] < steps["random"]
        assert seen.state == "paused"
        for points, sight in zip(session.progress().values(), seen.sights, strict=True):
            assert points[-1] == (
                sight.step,
                1.0,
            )  # all loads are stored at the end, and none came since
            assert [value for _, value in points] == sorted(value for _, value in points)


def test_speed_limits_the_steps(opened: Opened) -> None:
    """Ten steps at 20 a second have eight intervals between the second and the last.

    The first step may be followed at once, because a late round is caught up with. That is a bound of the rule, and
    not a time that was measured: no machine is too fast or too slow for it.
    """
    session = opened(replace(SMALL, episodes=2, rival=NOBODY))
    session.set_speed(20.0)
    begun = time.monotonic()
    run_to_rest(session)
    assert time.monotonic() - begun > 8 / 20 - 1e-6


def test_reset_gives_the_same_again(opened: Opened) -> None:
    session = opened(replace(SMALL, episodes=5))
    run_to_rest(session)
    first = session.returns()
    session.reset()
    assert session.settle()
    assert env_steps(session) == [0, 0]
    run_to_rest(session)
    assert session.returns() == first


def test_another_task_ends_the_threads_of_the_last(opened: Opened) -> None:
    session = opened(SMALL)
    before = set(threading.enumerate())
    session.choose(replace(SMALL, values={"n_agents": 6}))
    assert session.settle()
    session.close()
    deadline = time.monotonic() + 120
    while (left := set(threading.enumerate()) - before) and time.monotonic() < deadline:
        time.sleep(0.01)
    assert not left


def test_the_optimum_is_the_environments(opened: Opened) -> None:
    session = opened(SMALL)
    while (marks := session.snapshot().marks) is None:
        time.sleep(0.01)
    env = crl_envs.make("crl/sysadmin-v0", n_agents=4, horizon=5)
    assert marks.optimum == env.optimum()
    # The goal is 0.8 of the way from random actions, whose mean of 50 episodes differs from run to run of seeds.
    assert 0.0 < marks.goal < marks.optimum.value


def test_kept_curves_stay_until_another_world_comes(opened: Opened) -> None:
    session = opened(replace(SMALL, episodes=2))
    session.keep()
    assert session.kept == []  # there is nothing to keep yet
    for _ in range(MOST_KEPT):
        run_to_rest(session)
        session.keep()
    assert len(session.kept) == MOST_KEPT
    assert session.kept[-1].label == "reinforce-global, n 4, Horizon 5"
    session.choose(replace(SMALL, values={"n_agents": 5}))
    assert len(session.kept) == MOST_KEPT
    session.choose(default_task("bandit"))
    assert session.kept == []


def test_pictures_show_what_is_asked_for(opened: Opened) -> None:
    session = opened(replace(SMALL, episodes=1))
    run_to_rest(session)
    seen = set()
    for colour in COLOURS:
        session.view(Viewing(colour))
        assert session.settle()
        seen.add(picture(session))
    assert len(seen) == len(COLOURS)
    assert "data:image/png;base64," in picture(session)  # as the environment draws it
    assert env_steps(session) == [5, 5]


def test_who_cannot_keep_up_gets_pictures_at_rest_only(
    opened: Opened, monkeypatch: pytest.MonkeyPatch
) -> None:
    session = opened(replace(SMALL, episodes=10**6))
    session.view(Viewing("render"))
    assert session.settle()
    drawn: list[object] = []
    monkeypatch.setattr(lane, "draw", lambda env: drawn.append(env) or b"png")
    session.watch.keeping_up = False
    session.run()
    while min(env_steps(session)) < 50:
        time.sleep(0.01)
    assert drawn == []
    session.pause()
    assert session.settle()
    # Each lane draws at rest, and maybe again when it sees the pause.
    assert len({id(env) for env in drawn}) == 2


BAD = [
    (Task("sysadmin", {"n_agents": 0}), "n_agents must be"),
    (Task("sysadmin", {"n_agents": 10**6}), "n_agents must be at most 10,000 to be watched live"),
    (Task("sysadmin", {"n_agents": 2.5}), "n_agents must be"),
    (Task("sysadmin", {"n_agents": None}), "n_agents must be a number, got None"),  # type: ignore[dict-item]
    (Task("sysadmin", {"horizon": 0}), "horizon must be"),
    (Task("sysadmin", {"topology": "donut"}), "topology must be"),
    (Task("sysadmin", seed=-1), "seed must be"),
    (Task("sysadmin", episodes=0), "episodes must be"),
    (Task("sysadmin", learner="crl"), "env must tell in its infos how work is handed on"),
    (Task("sysadmin", learner="reinforce-locl"), "no learner 'reinforce-locl'"),
    (Task("load_balancing", {"temperature": 0.0}, "crl"), "temperature must be"),
    (Task("load_balancing", {"capacity": -1}, "crl"), "capacity must be"),
    (Task("bandit", {"noise": 1.5}), "noise must be"),
]


@pytest.mark.parametrize("task, message", BAD, ids=[message for _, message in BAD])
def test_what_cannot_be_is_said_in_a_sentence(opened: Opened, task: Task, message: str) -> None:
    session = opened(task)
    session.step()  # some learners look closer only then
    assert session.settle()
    seen = session.snapshot()
    assert seen.state == "failed"
    assert message in seen.error
    assert "Traceback" not in seen.error
    session.run()  # nothing to run, and no harm
    session.step()
    session.pause()
    assert session.snapshot().state == "failed"
    session.choose(SMALL)
    assert session.settle()
    assert session.snapshot().state == "paused"


def test_a_learner_that_breaks_is_reported(opened: Opened, monkeypatch: pytest.MonkeyPatch) -> None:
    session = opened(SMALL)

    def broken(*_: object) -> None:
        raise ZeroDivisionError("as it was told to")

    monkeypatch.setattr(Reinforce, "end_episode", broken)
    session.run()
    assert session.settle()
    seen = session.snapshot()
    assert (seen.state, seen.error) == ("failed", "ZeroDivisionError: as it was told to")
