"""Scalable actor-critic: its updates by hand, what κ sees, columns, checkpoints, bad input."""

from __future__ import annotations

from itertools import pairwise
from pathlib import Path
from typing import Any

import networkx as nx
import numpy as np
import pytest

import crl_envs
from agents import ScalableActorCritic, ScalableActorCriticConfig
from agents.tabular import scalable_actor_critic
from agents.tabular.scalable_actor_critic import Played, within
from crl_envs.core.backend import HEAD_START
from tests.core.toy import TOY
from tests.wrappers.making import make_vec

EPIDEMIC = "crl/epidemic-v0"
PATH = nx.path_graph(4)
WAYS: list[dict[str, Any]] = [
    {},
    {"hops": 0},
    {"hops": 2},
    {"critic": "table"},
    {"critic": "table", "baseline": "none"},
    {"baseline": "none"},
]
every_way = pytest.mark.parametrize(
    "way", WAYS, ids=lambda w: "-".join(map(str, w.values())) or "1"
)


@every_way
def test_update_by_hand(way: dict[str, Any]) -> None:
    """Four agents in a line, in plain Python with dicts."""
    env = crl_envs.make(EPIDEMIC, topology=PATH, horizon=6)
    learner = ScalableActorCritic(
        env, critic_rate=0.3, learning_rate=0.5, discount=0.8, seed=3, **way
    )
    hops, table = learner.config.hops, learner.config.critic == "table"
    near = {i: sorted(nx.ego_graph(PATH, i, radius=hops)) for i in range(4)}
    q: dict[Any, float] = {}
    theta = np.zeros((4, 2, 2))
    mean = np.zeros(4)

    def keys(i: int, s: Any, a: Any) -> list[Any]:
        if table:
            return [(i, *((s[j], a[j]) for j in near[i]))]
        return [(i, j, s[j], a[j]) for j in near[i]]

    def value(i: int, s: Any, a: Any) -> float:
        return sum(q.get(key, 0.0) for key in keys(i, s, a))

    def learn(i: int, s: Any, a: Any, target: float) -> None:
        error = target - value(i, s, a)
        for key in keys(i, s, a):
            q[key] = q.get(key, 0.0) + 0.3 * error / len(keys(i, s, a))

    steps: list[Any] = []
    observe = learner.observe

    def note(frame: Any, actions: Any, transition: Any) -> None:
        rewards = transition.rewards[:, 0].astype(float)
        steps.append((frame.rows[:, 0].tolist(), actions[:, 0].tolist(), rewards))
        observe(frame, actions, transition)

    learner.observe = note  # type: ignore[method-assign]
    for episode in range(8):
        steps.clear()
        learner.learn(total_episodes=1)
        earned = np.mean([r for _, _, r in steps], axis=0)
        if episode == 0:
            mean = earned
            continue
        for (s, a, r), (s2, a2, _) in pairwise(steps):
            follows = [value(i, s2, a2) for i in range(4)]
            for i in range(4):
                learn(i, s, a, r[i] - mean[i] + 0.8 * follows[i])
        s, a, r = steps[-1]
        for i in range(4):
            learn(i, s, a, r[i] - mean[i])
        p = np.exp(theta) / np.exp(theta).sum(axis=2, keepdims=True)
        step = np.zeros_like(theta)
        for s, a, _ in steps:
            for i in range(4):
                gain = 0.0
                for j in near[i]:
                    gain += value(j, s, a)
                    if learner.config.baseline == "counterfactual":
                        others = [[*a[:i], k, *a[i + 1 :]] for k in (0, 1)]
                        gain -= sum(p[i, s[i], k] * value(j, s, others[k]) for k in (0, 1))
                for k in (0, 1):
                    step[i, s[i], k] += ((a[i] == k) - p[i, s[i], k]) * gain
        theta += 0.5 / 6 * step
        mean = mean + 0.1 * (earned - mean)
    np.testing.assert_allclose(learner.logits[..., 0], theta, atol=1e-9)
    np.testing.assert_allclose(learner.mean_reward[:, 0], mean, atol=1e-9)
    assert learner.critic.sum() == pytest.approx(sum(q.values()))
    assert np.abs(theta).max() > 1e-3


@pytest.mark.parametrize("hops", [0, 1, 2, 3, 50])
def test_neighbourhoods_are_networkx_ego_graphs(hops: int) -> None:
    graph = nx.gnp_random_graph(30, 0.08, seed=4)
    pairs = np.array([e for a, b in graph.edges for e in ((a, b), (b, a))])
    expected = [[i, j] for i in range(30) for j in sorted(nx.ego_graph(graph, i, radius=hops))]
    assert within(pairs, 30, hops).tolist() == expected


def test_without_neighbours_both_critics_are_one() -> None:
    env = crl_envs.make_vec("crl/access-v0", 2, n_agents=9)
    a, b = (
        ScalableActorCritic(env, hops=0, critic=critic, seed=1).learn(12)
        for critic in ("table", "sum")
    )
    assert a.logits.tolist() == b.logits.tolist()
    assert a.logits.any()


@every_way
@pytest.mark.parametrize("id", [EPIDEMIC, "crl/traffic-v0", "crl/access-v0"])
def test_a_column_is_a_learner_of_its_own(way: dict[str, Any], id: str) -> None:
    """Masks that differ are those of access."""
    if id != EPIDEMIC and way.get("critic") == "table":
        pytest.skip("too large a table")

    def learn(columns: int, seed: int) -> ScalableActorCritic:
        vec = crl_envs.make_vec(id, columns, n_agents=9, horizon=8)
        if way == {"critic": "table"}:
            vec = crl_envs.make_vec(id, columns, n_agents=9, horizon=8, topology="ring")
        return ScalableActorCritic(vec, seed=seed, **way).learn(total_episodes=5)

    several, alone = learn(3, 5), learn(1, 7)
    assert np.array_equal(several.logits[..., 2], alone.logits[..., 0])
    assert np.array_equal(several.critic[..., 2], alone.critic[..., 0])
    assert several.logits.any()


def test_illegal_actions_are_never_taken() -> None:
    """Users at the border of access have fewer points; an agent acts on the mask that it is shown."""
    env = crl_envs.make("crl/access-v0", n_agents=9)
    learner = ScalableActorCritic(env, seed=0).learn(total_episodes=20)
    observations, infos = env.reset(seed=1)
    masks = {agent: info["action_mask"] for agent, info in infos.items()}
    for deterministic in (True, False):
        acts = learner.act(observations, deterministic, action_masks=masks)
        assert all(masks[agent][action] for agent, action in acts.items())


def test_a_gradient_ignores_who_is_out_of_reach() -> None:
    """Its own action changes nothing in the critics of others than N_i: moving theirs moves no gain of agent 0."""
    env = crl_envs.make(EPIDEMIC, topology=nx.path_graph(6), horizon=5)
    learner = ScalableActorCritic(env, hops=1, seed=0).learn(total_episodes=4)
    zeros = np.zeros((6, 1), np.intp)
    entries = learner.entries(zeros, zeros)
    step = Played(zeros, zeros, np.full((6, 2, 1), 0.5), entries, np.zeros((6, 1)))
    before = learner.gains(step)
    terms = entries[learner._owner >= 2]
    learner.critic[terms[:, 0]] += 7.0
    after = learner.gains(step)
    assert after[0] == before[0]
    assert (after[1:] != before[1:]).all()


@pytest.mark.slow
def test_a_hop_finds_out_what_isolating_is_worth() -> None:
    """Ten columns, the last 20 of 120 episodes: with κ = 1 about 47 of 48.5, with κ = 0 about 36, spread below 2."""
    reached = {}
    for hops in (0, 1):
        vec = crl_envs.make_vec(EPIDEMIC, 10, n_agents=9, horizon=50)
        history = ScalableActorCritic(vec, hops=hops, seed=0).learn(120).history
        reached[hops] = np.mean([entry["global_return"] for entry in history[-20:]])
    assert reached[1] > reached[0] + 4


@pytest.mark.parametrize("way", [{}, {"critic": "table"}])
def test_checkpoints_go_on_as_if_nothing_had_been(way: dict[str, Any], tmp_path: Path) -> None:
    def env() -> Any:
        return crl_envs.make_vec(EPIDEMIC, 2, n_agents=4, horizon=5)

    vec, whole = env(), ScalableActorCritic(env(), seed=1, **way).learn(total_episodes=9)
    ScalableActorCritic(vec, seed=1, **way).learn(total_episodes=4).save(tmp_path / "half")
    again = ScalableActorCritic.load(tmp_path / "half", vec).learn(total_episodes=5)
    assert np.array_equal(whole.logits, again.logits)
    assert np.array_equal(whole.critic, again.critic)
    assert repr(whole.history) == repr(again.history)


@pytest.mark.parametrize(
    ("field", "bad", "allowed"),
    [
        ("hops", -1, "≥ 0"),
        ("critic", "net", "'table', 'sum'"),
        ("critic_rate", 0, r"\(0, 1\]"),
        ("learning_rate", 0, r"\(0, 1e\+30\]"),
        ("discount", 1.5, r"\[0, 1\]"),
        ("baseline", "mean", "'counterfactual', 'none'"),
        ("seed", -1, r"\[0, 18446744073709551615\]"),
    ],
)
def test_bad_hyperparameters(field: str, bad: Any, allowed: str) -> None:
    with pytest.raises(ValueError, match=rf"{field} must be .*{allowed}.*got {bad!r}"):
        ScalableActorCriticConfig(**{field: bad})


def test_what_does_not_fit_is_refused() -> None:
    env = crl_envs.make("crl/access-v0", n_agents=25)
    with pytest.raises(ValueError, match=r"hops=1 needs critics of .*\^9 entries.*critic='sum'"):
        ScalableActorCritic(env, critic="table")
    with pytest.raises(ValueError, match=r"hops=2 reaches .*at most 50000000"):
        ScalableActorCritic(crl_envs.make(EPIDEMIC, n_agents=8_000, topology="star"), hops=2)
    with pytest.raises(ValueError, match="keep all agents"):
        ScalableActorCritic(make_vec(TOY, 2)).learn(total_episodes=3)


@every_way
@pytest.mark.parametrize("columns", [1, 3])
def test_compiled_loops_are_numpy_bit_for_bit(
    way: dict[str, Any], columns: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    pytest.importorskip("numba")

    def learnt() -> ScalableActorCritic:
        vec = crl_envs.make_vec(EPIDEMIC, columns, topology=nx.cycle_graph(5), horizon=8)
        return ScalableActorCritic(vec, **way).learn(total_episodes=4)

    monkeypatch.setenv(HEAD_START, "0")
    compiled = learnt()
    for name in ("_READ", "_ADD", "_COMPARE"):
        kept = getattr(scalable_actor_critic, name)
        monkeypatch.setattr(scalable_actor_critic, name, kept.plain)
    plain = learnt()
    for name in ScalableActorCritic.learnt:
        assert np.array_equal(getattr(compiled, name), getattr(plain, name))
