"""Coordinated LSPI: its equations and argmax by hand, a game whose answer is known, columns, checkpoints, bad input."""

from __future__ import annotations

from itertools import product
from pathlib import Path
from typing import Any

import networkx as nx
import numpy as np
import pytest

import crl_envs
from agents import CoordinatedLSPI, CoordinatedLSPIConfig
from crl_envs.wrappers import GlobalReward
from tests.core.toy import TOY
from tests.wrappers.making import make_vec

GAME = "crl/coordination_game-v0"
SYSADMIN = "crl/sysadmin-v0"
bases = pytest.mark.parametrize("basis", ["pairs", "singles"])


def sysadmin(columns: int = 1, **given: Any) -> Any:
    arguments: dict[str, Any] = {
        "n_agents": 4,
        "dynamics": "ring-bidirectional",
        "horizon": 6,
        **given,
    }
    return GlobalReward(crl_envs.make_vec(SYSADMIN, columns, **arguments))


def features(learner: CoordinatedLSPI, o: Any, a: Any) -> Any:
    """φ of one joint observation and action, by loops."""
    found = [float((o[i], a[i]) == c) for i in range(len(o)) for c in product((0, 1), repeat=2)]
    for i, j in learner.pairs:
        found += [float((o[i], o[j], a[i], a[j]) == c) for c in product((0, 1), repeat=4)]
    return np.array(found)


@bases
@pytest.mark.parametrize("end", ["end", "cut"])
def test_weights_solve_the_equations(basis: str, end: str) -> None:
    """Where policy iteration has stopped: w is LSTDQ's for its own greedy policy, found by trying all of 16."""
    learner = CoordinatedLSPI(
        sysadmin(), basis=basis, discount=0.5, policy_iterations=60, episode_end=end, seed=2
    )
    learner.learn(total_episodes=40)
    w = learner.weights()
    joint = list(product((0, 1), repeat=4))
    totals = learner.totals[:, 0] - learner.totals.mean()
    matrix, right = 10.0 * np.eye(w.size), np.zeros(w.size)
    assert w.size == learner.n_weights == (16 if basis == "singles" else 16 + 4 * 16)
    for t in range(len(totals)):
        now = features(learner, learner.rows[t, :, 0], learner.actions[t, :, 0])
        following = learner.next_rows[t, :, 0]
        options = [features(learner, following, a) for a in joint]
        best = learner.best(following[:, None], w)[:, 0]
        then = features(learner, following, best)
        assert then @ w == pytest.approx(max(option @ w for option in options))
        going = end == "cut" or learner.goes_on[t, 0]
        matrix += np.outer(now, now - 0.5 * going * then)
        right += now * totals[t]
    np.testing.assert_allclose(np.linalg.solve(matrix, right), w, atol=1e-8)


def test_what_it_notes_is_what_was_played() -> None:
    """The sum of all rewards, and no step after an episode's end."""
    sums = [
        CoordinatedLSPI(env, reduce=reduce, seed=3).learn(total_episodes=4).totals
        for env, reduce in (
            (sysadmin(), "mean"),
            (GlobalReward(sysadmin().env, reduce="sum"), "sum"),
            (sysadmin().env, "mean"),
        )
    ]
    for other in sums[1:]:
        np.testing.assert_allclose(other, sums[0])
    learner = CoordinatedLSPI(sysadmin(), seed=3).learn(total_episodes=4)
    up = learner.rows * (1 - learner.actions)
    np.testing.assert_allclose(learner.totals, up.sum(axis=1))
    assert learner.goes_on[:, 0].tolist() == [True, True, True, True, True, False] * 4


@pytest.mark.parametrize("solver", ["elimination", "max-plus"])
def test_it_finds_the_best_joint_action(solver: str) -> None:
    """Climbing on a line of four, where max-plus is exact: pairs hold the payoffs, agents alone can't."""
    given: dict[str, Any] = {"topology": nx.path_graph(4), "payoffs": "climbing"}
    env = GlobalReward(crl_envs.make(GAME, **given))
    paid = {}
    for basis in ("pairs", "singles"):
        learner = CoordinatedLSPI(env, basis=basis, solver=solver, discount=0.0, ridge=0.1, seed=1)
        learner.learn(total_episodes=600)
        zeros = dict.fromkeys(env.possible_agents, 0)
        env.reset(seed=5)
        _, rewards, *_ = env.step(learner.act(zeros, deterministic=True))
        paid[basis] = rewards["agent_0"]
    best = crl_envs.make(GAME, **given).unwrapped.optimum().value
    assert paid["pairs"] == pytest.approx(best)
    assert paid["singles"] < best


def test_before_any_step_weights_are_0() -> None:
    assert not CoordinatedLSPI(sysadmin()).weights().any()


@bases
def test_a_column_is_a_learner_of_its_own(basis: str) -> None:
    several = CoordinatedLSPI(sysadmin(3), basis=basis, seed=5).learn(total_episodes=6)
    alone = CoordinatedLSPI(sysadmin(1), basis=basis, seed=7).learn(total_episodes=6)
    assert np.array_equal(several.weights(2), alone.weights(0))
    seen = np.random.default_rng(0).integers(2, size=(3, 4))
    acts = several.act(seen, deterministic=True)
    assert np.array_equal(acts[2], alone.act(seen[2:], deterministic=True)[0])


def test_checkpoints_go_on_as_if_nothing_had_been(tmp_path: Path) -> None:
    vec, whole = sysadmin(2), CoordinatedLSPI(sysadmin(2), seed=1).learn(total_episodes=9)
    CoordinatedLSPI(vec, seed=1).learn(total_episodes=4).save(tmp_path / "half")
    again = CoordinatedLSPI.load(tmp_path / "half", vec).learn(total_episodes=5)
    for b in (0, 1):
        assert np.array_equal(whole.weights(b), again.weights(b))
    with pytest.raises(ValueError, match="half doesn't fit CoordinatedLSPI"):
        CoordinatedLSPI.load(tmp_path / "half", sysadmin(2, n_agents=5))


@pytest.mark.parametrize(
    ("field", "bad", "allowed"),
    [
        ("basis", "triples", "'pairs', 'singles'"),
        ("discount", 1.5, r"\[0, 1\]"),
        ("ridge", 0.0, r"\(0, 1e\+30\]"),
        ("episode_end", "never", "end"),
        ("policy_iterations", 0, "≥ 1"),
        ("solver", "guess", "'elimination', 'max-plus'"),
        ("reduce", "max", "'mean', 'sum'"),
        ("seed", -1, r"\[0, 18446744073709551615\]"),
    ],
)
def test_bad_hyperparameters(field: str, bad: Any, allowed: str) -> None:
    with pytest.raises(ValueError, match=rf"{field} must be .*{allowed}.*got {bad!r}"):
        CoordinatedLSPIConfig(**{field: bad})


@pytest.mark.parametrize(
    ("make", "said"),
    [
        (lambda: CoordinatedLSPI(sysadmin(n_agents=1000)), "20000 weights .* at most 10000"),
        (
            lambda: CoordinatedLSPI(crl_envs.make("crl/access-v0")).learn(total_episodes=1),
            "weights|legal",
        ),
        (lambda: CoordinatedLSPI(make_vec(TOY, 2)).learn(3), "legal|keep all"),
        (lambda: CoordinatedLSPI(sysadmin()).weights(1), "column must be"),
    ],
)
def test_what_does_not_fit_is_refused(make: Any, said: str) -> None:
    with pytest.raises(ValueError, match=said):
        make()
