"""What the worlds say about their states: held to the environments' own words."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import crl_envs
from crl_envs.load_balancing.picture import LoadBalancingPicture
from crl_envs.rendering.picture import Moment, short
from tests.rendering.playing import BANDIT, EVERYTHING, LOAD, SYSADMIN, play


def marks(env: Any) -> dict[str, list[int]]:
    """Agents by the label of their marks."""
    renderer = env._renderer
    scene = renderer.picture.scene(renderer.moment)
    labels = [glyph.label for glyph in renderer.picture.look().glyphs]
    return {name: sorted(a.tolist()) for name, a in zip(labels, scene.glyphs, strict=True)}


def legal(rng: np.random.Generator, infos: Any) -> dict[str, int]:
    return {a: int(rng.choice(np.flatnonzero(i["action_mask"]))) for a, i in infos.items()}


def test_bandit_marks_who_was_right() -> None:
    env = crl_envs.make(BANDIT, n_agents=6, p_correct=1.0, p_wrong=0.0, render_mode="rgb_array")
    env.reset(seed=0)
    assert marks(env)["hasn't acted yet"] == list(range(6))
    _, rewards, *_ = env.step(dict.fromkeys(env.agents, 1))
    paid = [i for i, r in enumerate(rewards.values()) if r]
    assert 0 < len(paid) < 6
    found = marks(env)
    assert found["took its right action"] == paid
    assert found["took the wrong action"] == [i for i in range(6) if i not in paid]
    assert found["hasn't acted yet"] == []


@pytest.mark.parametrize("relabel", [False, True])
def test_sysadmin_marks_states_and_reboots(relabel: bool) -> None:
    """A reboot brings a machine up and pays nothing; under `relabel` the mark is on what was done."""
    env = crl_envs.make(SYSADMIN, n_agents=12, relabel=relabel, render_mode="rgb_array")
    env.reset(seed=0)
    assert marks(env)["rebooted, last step"] == []
    rng = np.random.default_rng(0)
    for _ in range(8):
        actions = {a: int(rng.integers(2)) for a in env.agents}
        before = env.state()
        _, rewards, *_ = env.step(actions)
        found = marks(env)
        assert found["up"] == np.flatnonzero(env.state() == 1).tolist()
        assert found["down"] == np.flatnonzero(env.state() == 0).tolist()
        rebooted = set(found["rebooted, last step"])
        if not relabel:
            assert rebooted == {i for i, a in enumerate(actions.values()) if a}
        assert rebooted <= set(found["up"])
        for i, reward in enumerate(rewards.values()):
            assert reward == (before[i] == 1 and i not in rebooted)
        renderer = env._renderer
        texts = renderer.picture.scene(renderer.moment).text
        assert texts == [short(r) for r in rewards.values()]


def test_status_load_marks() -> None:
    env = crl_envs.make(SYSADMIN, n_agents=30, dynamics="status-load", render_mode="rgb_array")
    play(env, 12)
    found, state = marks(env), env.state()
    for status, name in enumerate(("good", "faulty", "dead")):
        assert found[name] == np.flatnonzero(state // 3 == status).tolist()
    renderer = env._renderer
    texts = renderer.picture.scene(renderer.moment).text
    assert texts == [{0: "", 1: "L", 2: "S"}[load] for load in (state % 3).tolist()]


@pytest.mark.parametrize("seed", range(4))
def test_messages_are_those_that_were_sent(seed: int) -> None:
    """Against a book of what each delegation did, kept from actions, infos and observations alone."""
    env = crl_envs.make(LOAD, render_mode="rgb_array", **EVERYTHING)
    _, infos = env.reset(seed=seed)
    rng = np.random.default_rng(seed)
    seen = {"arrived": 0, "on_wire": 0, "lost": 0}
    under_way = 0
    for _ in range(60):
        actions = legal(rng, infos)
        named = infos
        _, _, _, _, infos = env.step(actions)
        tried = {}
        for i, (agent, action) in enumerate(actions.items()):
            if infos[agent]["outcome"] in ("delegated", "message_lost"):
                target = named[agent]["neighbors"][action - 2]
                tried[i] = (int(target.removeprefix("agent_")), infos[agent]["outcome"])
        messages = env._renderer.picture.messages(env._renderer.moment)
        lost = {(i, t) for i, (t, outcome) in tried.items() if outcome == "message_lost"}
        assert set(map(tuple, messages.lost.tolist())) == lost
        sent = {(i, t) for i, (t, outcome) in tried.items() if outcome == "delegated"}
        shown = set(map(tuple, messages.arrived.tolist())) | set(
            map(tuple, messages.on_wire.tolist())
        )
        assert sent <= shown
        assert len(messages.on_wire) == env.metrics()["on_wire"]
        assert (messages.left > 0).all()
        assert (messages.left <= EVERYTHING["message_delay"]).all()
        for name in seen:
            seen[name] += len(getattr(messages, name))
        under_way += len(shown)
    assert min(seen.values()) > 0


def test_load_balancing_marks_and_numbers() -> None:
    env = crl_envs.make(LOAD, render_mode="rgb_array", **EVERYTHING)
    _, infos = env.reset(seed=1)
    rng = np.random.default_rng(1)
    ever: set[str] = set()
    for step in range(40):
        found = marks(env)
        picture, moment = env._renderer.picture, env._renderer.moment
        scene = picture.scene(moment)
        loads, queues, active = np.split(env.state(), 3)
        capacity = env.capacity
        joined = step >= 4
        assert found["server that has joined"] == [12] * joined
        assert found["server that hasn't joined"] == [12] * (not joined)
        assert found["server"] == [9, 10]
        assert found["agent"] == [*range(9), 11]
        assert found["entry of loads"] == [0, 5]
        assert found["loads in its queue"] == np.flatnonzero(queues).tolist()
        failed = [i for i in range(12 + joined) if not active[i]]
        assert found["has failed"] == failed
        assert scene.text == [f"{a}/{b}" for a, b in zip(loads, capacity, strict=True)]
        assert scene.badges == {i: str(q) for i, q in enumerate(queues.tolist()) if q}
        np.testing.assert_allclose(scene.value, loads / capacity)
        links = dict(zip([s.label for s in picture.look().strands], scene.strands, strict=True))
        ever |= {label for label, pairs in links.items() if len(pairs)}
        ever |= {label for label, agents in found.items() if agents}
        known = {
            (i, int(other.removeprefix("agent_")))
            for i, info in enumerate(infos.values())
            for other in info["neighbors"][-1:]
            if other is not None
        }
        assert set(map(tuple, links["discovered link"].tolist())) == known
        used, up = picture.levels(moment)
        assert used == pytest.approx(env.metrics()["utilisation"])
        assert up == pytest.approx(active[: 12 + joined].mean())
        _, _, _, _, infos = env.step(legal(rng, infos))
    assert ever == {x.label for x in (*picture.look().glyphs, *picture.look().strands)}


@pytest.mark.parametrize("cost_model", ["discrete", "gradient"])
def test_rewards_are_read_from_the_state(cost_model: str) -> None:
    env = crl_envs.make(LOAD, **{**EVERYTHING, "cost_model": cost_model})
    picture = LoadBalancingPicture(env.world)
    _, infos = env.reset(seed=0)
    rng = np.random.default_rng(0)
    for _ in range(30):
        _, rewards, _, _, infos = env.step(legal(rng, infos))
        assert picture.reward_of(env._state).tolist() == list(rewards.values())


@pytest.mark.parametrize(
    ("id", "arguments"),
    [
        (BANDIT, {"n_agents": 7}),
        (SYSADMIN, {"n_agents": 7, "dynamics": "ippc2011"}),
        (LOAD, EVERYTHING),
    ],
)
def test_the_return_is_the_sum_of_the_mean_rewards(id: str, arguments: dict[str, Any]) -> None:
    env = crl_envs.make(id, render_mode="ansi", **arguments)
    _, infos = env.reset(seed=0)
    rng, total = np.random.default_rng(0), 0.0
    for _ in range(15):
        if not env.agents:
            break
        _, rewards, _, _, infos = env.step(legal(rng, infos))
        total += float(np.mean(list(rewards.values())))
    assert f"return {total:.2f} " in env.render()


def test_optima_that_are_cheap_are_shown() -> None:
    """And no other one is worked out."""
    for id, arguments, told in (
        (BANDIT, {"p_wrong": 0.1}, "optimum 0.80"),
        (SYSADMIN, {"n_agents": 6}, "optimum 17.8"),
        (LOAD, {"n_agents": 10}, "optimum -2328.0"),
    ):
        env = crl_envs.make(id, render_mode="ansi", **arguments)
        env.reset(seed=0)
        assert told in env.render()
    env = crl_envs.make(SYSADMIN, n_agents=13, topology="random", render_mode="ansi")
    env.reset(seed=0)
    assert "optimum" not in env.render()
    assert "_optimum" not in vars(env.world)


@pytest.mark.parametrize(
    ("number", "text"),
    [
        (0.0, "0"),
        (1.0, "1"),
        (-0.75, "-.75"),
        (0.25, ".25"),
        (-12.0, "-12"),
        (10.5, "10.5"),
        (-10.5, "-10.5"),
    ],
)
def test_short_numbers(number: float, text: str) -> None:
    assert short(number) == text
    assert float(short(number)) == number


def test_a_moment_begins_with_nothing() -> None:
    moment = Moment(None)
    assert (moment.step, moment.action, moment.reward, moment.team_return) == (0, None, None, 0.0)
