"""Epidemic and consensus: what is known of them, and the fixed rules that are known to work."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import crl_envs
from agents import FixedRule, RandomPolicy
from crl_envs.core.backend import HEAD_START
from crl_envs.local_rule.optimum import relaxed_value
from tests.views import assert_verbs_agree, assert_views_agree

CASES: list[tuple[str, dict[str, Any]]] = [
    ("crl/epidemic-v0", {"n_agents": 1}),
    ("crl/epidemic-v0", {"n_agents": 12, "relabel": True, "horizon": 9}),
    ("crl/epidemic-v0", {"n_agents": 7, "topology": "star", "observe": "neighborhood"}),
    ("crl/consensus-v0", {"n_agents": 1}),
    ("crl/consensus-v0", {"n_agents": 3, "flip": 0.2}),
    ("crl/consensus-v0", {"n_agents": 15, "topology": "torus", "horizon": 7}),
    ("crl/consensus-v0", {"n_agents": 9, "topology": "tree", "flip": 1.0}),
]


@pytest.mark.parametrize(("id", "kwargs"), CASES, ids=range(len(CASES)))
def test_one_stream_three_views(
    id: str, kwargs: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(HEAD_START, "0")
    assert assert_views_agree(id, kwargs, 120, num_envs=3, seed=5).episodes >= 3
    assert_verbs_agree(crl_envs.make_vec(id, 1, **kwargs).world)


def value_of(rule: str, id: str, episodes: int, **kwargs: Any) -> tuple[float, float]:
    """Mean return a step and its standard error over columns."""
    vec = crl_envs.make_vec(id, episodes, **kwargs)
    learner: Any = (
        RandomPolicy(vec, seed=1) if rule == "random" else FixedRule(vec, rule=rule, seed=1)
    )
    played = learner.learn(total_episodes=1).history[-1]["local_return_mean"]
    steps = vec.world.horizon
    return played.mean() / steps, played.std() / steps / episodes**0.5


@pytest.mark.parametrize(
    ("rule", "observe", "known"),
    [
        ("random", "own", 0.619),
        ("isolate-infected", "own", 0.968),
        ("isolate-near", "neighborhood", 0.945),
    ],
)
def test_epidemic_rules_earn_what_is_known(rule: str, observe: str, known: float) -> None:
    """Of a prototype of other code, to .003 (rounding and its own error); false alarm below 1e-4."""
    value, error = value_of(rule, "crl/epidemic-v0", 200, observe=observe)
    assert abs(value - known) < 0.003 + 4 * error


@pytest.mark.parametrize(
    ("kwargs", "episodes", "gains"),
    [({"n_agents": 3, "topology": "ring"}, 4000, True), ({"n_agents": 100}, 400, False)],
    ids=["small ring", "torus"],
)
def test_isolating_alone_pays_on_a_small_ring_only(
    kwargs: dict[str, Any], episodes: int, gains: bool
) -> None:
    """Where nobody else isolates: 2.5 more or 9 less a return, at standard errors of .3; false alarm below 1e-12."""
    earned = []
    for isolates in (0, 1):
        vec = crl_envs.make_vec("crl/epidemic-v0", episodes, **kwargs)
        seen, total = vec.reset(seed=isolates)[0], 0.0
        for _ in range(50):
            actions = np.zeros(seen.shape, np.int64)
            actions[:, 0] = isolates * seen[:, 0]
            seen, rewards, *_ = vec.step(actions)
            total += rewards[:, 0].mean()
        earned.append(total)
    assert (earned[1] > earned[0]) == gains


def test_isolation_is_for_the_others() -> None:
    """What all earn who never isolate is far below the optimum, and no table of an agent's own says why."""
    with pytest.raises(ValueError, match="signals"):
        crl_envs.make("crl/epidemic-v0").factored_model()  # what an agent does is felt
    exact = crl_envs.make("crl/epidemic-v0", n_agents=6, topology="ring")
    assert exact.optimum().kind == "exact"
    never = crl_envs.make_vec("crl/epidemic-v0", 300, n_agents=6, topology="ring")
    never.reset(seed=0)
    paid = sum(never.step(np.zeros((300, 6), int))[1].mean() for _ in range(50))
    assert paid < exact.optimum().value - 5


def test_infection_of_nobody_is_the_bound() -> None:
    """Where nobody infects anybody, agents are alone and the bound is their value."""
    env = crl_envs.make("crl/epidemic-v0", n_agents=4, topology="ring", infection=0.0)
    assert relaxed_value(env.world.problem) == pytest.approx(env.optimum().value)


@pytest.mark.parametrize(("n", "known"), [(21, 0.90), (149, 0.816)])
def test_gacs_kurdyumov_levin_solves_what_it_is_known_to(n: int, known: float) -> None:
    """.816 published at 149, .90 of a prototype at 21; false alarm below 1e-4."""
    episodes = 600
    vec = crl_envs.make_vec("crl/consensus-v0", episodes, n_agents=n)
    solved = FixedRule(vec, rule="gkl", seed=2).learn(total_episodes=1).history[-1]["solved"]
    assert abs(solved.mean() - known) < 4 * (known * (1 - known) / episodes) ** 0.5 + 0.005


def test_voters_who_know_reach_the_optimum() -> None:
    vec = crl_envs.make_vec("crl/consensus-v0", 500, n_agents=5, flip=0.1, horizon=3)
    vec.reset(seed=0)
    for _ in range(3):
        majority = vec.world.state_array(vec._state)[-1]
        _, paid, *_ = vec.step(np.repeat(majority[:, None], 5, axis=1))
    assert abs(paid.mean() - vec.world.optimum().value) < 4 * (0.09 / 2500) ** 0.5


def test_the_reward_comes_at_the_end_alone() -> None:
    env = crl_envs.make("crl/consensus-v0", n_agents=5, horizon=4)
    env.reset(seed=0)
    first = env.state()
    assert first[-1] == (first[:-1].sum() > 2)
    for step in range(4):
        _, rewards, *_ = env.step(dict.fromkeys(env.agents, 1))
        assert set(rewards.values()) == ({float(first[-1])} if step == 3 else {0.0})


@pytest.mark.parametrize(
    ("id", "arguments", "said"),
    [
        ("crl/epidemic-v0", {"infection": 1.2}, "infection"),
        ("crl/epidemic-v0", {"isolation_cost": -1}, "isolation_cost"),
        ("crl/epidemic-v0", {"topology": "donut"}, "topology"),
        ("crl/consensus-v0", {"n_agents": 4}, "n_agents must be odd"),
        ("crl/consensus-v0", {"radius": 0}, "radius"),
        ("crl/consensus-v0", {"flip": -0.1}, "flip"),
        ("crl/consensus-v0", {"horizon": 2**31}, "horizon"),
    ],
)
def test_bad_arguments_are_named(id: str, arguments: dict[str, Any], said: str) -> None:
    with pytest.raises(ValueError, match=said):
        crl_envs.make(id, **arguments)
