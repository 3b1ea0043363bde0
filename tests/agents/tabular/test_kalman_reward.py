"""The filter against ridge regression and the textbook's, its credit, columns, checkpoints, bad input."""

from __future__ import annotations

import copy
import dataclasses
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from agents import HystereticQ, HystereticQConfig, KalmanReinforce, KalmanReward, Learner
from crl_envs.wrappers import GlobalReward
from tests.agents.tabular.test_decomposed_reinforce import Liar
from tests.agents.test_identities import assert_column_is_single
from tests.agents.textbook import Flaky
from tests.core.toy import TOY
from tests.wrappers.foreign import Line
from tests.wrappers.making import make, make_vec

SYSADMIN = "crl/sysadmin-v0"


class Noted(KalmanReinforce):
    """Keeps what it saw: for each episode a list of (cells, what the team got)."""

    def __init__(self, env: Any, **config: Any) -> None:
        super().__init__(env, **config)
        self.seen: list[list[tuple[Any, float]]] = []

    def begin_episode(self) -> None:
        super().begin_episode()
        self.seen.append([])

    def observe(self, frame: Any, actions: Any, transition: Any) -> None:
        super().observe(frame, actions, transition)
        cells = (frame.rows * self.view.n_actions + actions)[:, 0]
        self.seen[-1].append((cells.copy(), float(self._before[0])))


@pytest.mark.parametrize("drift", [0.7, 3.0])
def test_is_ridge_regression_of_differences(drift: float) -> None:
    """A fixed drift; penalty drift² / s². Both are exact: what is left is rounding."""
    n, scale = 4, 0.5
    learner = Noted(
        GlobalReward(make(SYSADMIN, n_agents=n)), drift=drift, reward_scale=scale, seed=3
    ).learn(total_episodes=9)
    for i in range(n):
        rows, changes = [], []
        for episode in learner.seen:
            for (before, y), (after, y2) in pairwise(episode):
                row = np.zeros(4)
                row[after[i]] += 1
                row[before[i]] -= 1
                rows.append(row)
                changes.append(y2 - y)
        design = np.array(rows)
        penalty = drift**2 / scale**2
        expected = np.linalg.solve(
            design.T @ design + penalty * np.eye(4), design.T @ np.array(changes)
        )
        found = learner.estimates()[i, :, :, 0].ravel()
        np.testing.assert_allclose(found, expected, atol=1e-9)
        noise = np.linalg.inv(design.T @ design / drift**2 + np.eye(4) / scale**2)
        np.testing.assert_allclose(learner._covariance[i, :4, :4], noise, atol=1e-9)


def test_alone_it_finds_its_reward() -> None:
    """One machine: nothing is left for b, but a constant. Up and not rebooting pays 1 more than all else."""
    env = GlobalReward(make(SYSADMIN, n_agents=1))
    found = KalmanReinforce(env, drift=1e-3, seed=0).learn(20).estimates()[0, :, :, 0]
    np.testing.assert_allclose(found - found[0, 0], [[0.0, 0.0], [1.0, 0.0]], atol=1e-3)


def test_drift_is_what_the_teams_reward_changes_by() -> None:
    """The mean squared change of y so far, and one of n s² as if seen before."""
    n = 6
    learner = Noted(GlobalReward(make(SYSADMIN, n_agents=n)), seed=1).learn(total_episodes=5)
    changes = [y2 - y for e in learner.seen for (_, y), (_, y2) in pairwise(e)]
    expected = (n * 0.25 + sum(change**2 for change in changes)) / (1 + len(changes))
    assert learner._drift() == pytest.approx([expected])


@pytest.mark.parametrize("credit", ["own", "local"])
def test_credit_is_the_sum_of_estimates(credit: str) -> None:
    learner = Noted(GlobalReward(make(SYSADMIN, n_agents=5)), credit=credit, seed=2).learn(6)
    estimates = learner.estimates()[..., 0].reshape(5, 4)
    own = np.array([sum(estimates[i, c[i]] for c, _ in learner.seen[-1]) for i in range(5)])
    near = (own + np.roll(own, 1) + np.roll(own, -1)) / 3
    found = learner._credit(learner._episode)[:, 0]
    np.testing.assert_allclose(found, own if credit == "own" else near, atol=1e-9)


def test_agents_that_have_left_learn_nothing_more() -> None:
    learner = KalmanReinforce(GlobalReward(Line("infos")), learning_rate=0.01, seed=0)
    learner.learn(total_episodes=30)
    assert np.isfinite(learner._mean).all() and learner.theta.any()
    assert (learner._covariance.diagonal(axis1=1, axis2=2) > -1e-9).all()


def test_local_rewards_are_never_seen() -> None:
    thetas = []
    for wrap in (lambda env: env, Liar):
        env = wrap(GlobalReward(make(SYSADMIN, n_agents=8)))
        thetas.append(KalmanReinforce(env, seed=2).learn(total_episodes=20).theta.tolist())
    thetas.append(KalmanReinforce(make(SYSADMIN, n_agents=8), seed=2).learn(20).theta.tolist())
    env = GlobalReward(make(SYSADMIN, n_agents=8), reduce="sum")
    thetas.append(KalmanReinforce(env, reduce="sum", seed=2).learn(20).theta.tolist())
    assert all(theta == thetas[0] for theta in thetas)
    assert np.any(thetas[0])


@pytest.mark.parametrize(
    ("id", "kwargs"), [(SYSADMIN, {"n_agents": 7}), (TOY, {}), ("crl/bandit-v0", {"n_agents": 5})]
)
def test_column_is_the_single_learner(id: str, kwargs: dict[str, Any]) -> None:
    columns, seed = 3, 11
    env = GlobalReward(make_vec(id, num_envs=columns, autoreset_mode="Disabled", **kwargs))
    vec = KalmanReinforce(env, seed=seed).learn(total_episodes=12)
    for b in range(columns):
        single = KalmanReinforce(GlobalReward(make(id, **kwargs)), seed=seed + b)
        assert_column_is_single(vec, single.learn(total_episodes=12), b)
        assert vec.estimates()[..., b].tolist() == single.estimates()[..., 0].tolist()


@dataclasses.dataclass(frozen=True)
class FilteredConfig(HystereticQConfig):
    reduce: str = "mean"
    reward_scale: float = 0.5
    drift: float | str = "estimated"


class Filtered(KalmanReward, HystereticQ):
    """What the docs promise of any learner."""

    config_class = FilteredConfig
    config: Any


def test_any_learner_sits_on_it() -> None:
    """Q of γ = 0 ends at the estimates, which are filtered: no local reward comes through."""
    env = GlobalReward(make(SYSADMIN, n_agents=3))
    settings = {"discount": 0.0, "rate": 1.0, "decrease_rate": 1.0}
    learner = Filtered(env, temperature=5.0, coldest=5.0, seed=1, **settings).learn(60)
    np.testing.assert_allclose(learner.q, learner.estimates(), atol=0.2)
    assert np.ptp(learner.q) > 0.5


@pytest.mark.parametrize("vec", [True, False])
@pytest.mark.parametrize("kind", [KalmanReinforce, Filtered])
def test_training_goes_on_as_if_uninterrupted(vec: bool, kind: Any, tmp_path: Path) -> None:
    env = GlobalReward(make_vec(TOY, num_envs=3, autoreset_mode="Disabled") if vec else make(TOY))
    learner = kind(env, seed=4).learn(total_episodes=5)
    learner.save(tmp_path / "learner.npz")
    other: Any = Learner.load(tmp_path / "learner.npz", copy.deepcopy(env))
    assert type(other) is kind
    for each in (learner, other):
        each.learn(total_episodes=8)
    assert other.estimates().tolist() == learner.estimates().tolist()
    assert repr(other.history) == repr(learner.history)
    assert learner.estimates().any()


def test_an_interrupted_episode_leaves_only_what_was_filtered() -> None:
    env = Flaky(make(SYSADMIN, n_agents=3))
    learner = KalmanReinforce(env, seed=2)
    env.steps_left = 7
    with pytest.raises(KeyboardInterrupt):
        learner.learn(total_episodes=1)
    assert not learner.theta.any()
    learner.learn(total_episodes=3)
    assert learner._visited.sum() == 3 * 20


@pytest.mark.parametrize(
    ("field", "bad", "allowed"),
    [
        ("reduce", "max", "'mean', 'sum'"),
        ("drift", 0.0, r"\[1e-30, 1e\+30\]"),
        ("drift", "much", "'estimated'"),
        ("reward_scale", 0, r"\[1e-30, 1e\+30\]"),
        ("credit", "global", "'own', 'local'"),
        ("learning_rate", 0, r"\(0, 1e\+30\]"),
        ("baseline", "mean", "'running', 'none'"),
        ("baseline_rate", 1.5, r"\(0, 1\]"),
        ("seed", -1, r"\[0, 18446744073709551615\]"),
    ],
)
def test_bad_hyperparameters(field: str, bad: Any, allowed: str) -> None:
    with pytest.raises(ValueError, match=rf"{field} must be .*{allowed}.*got {bad!r}"):
        KalmanReinforce(make(SYSADMIN), **{field: bad})


def test_covariances_that_take_too_much_memory_are_refused() -> None:
    with pytest.raises(ValueError, match=r"covariances of 100000 agents × 100 columns"):
        KalmanReinforce(make_vec(SYSADMIN, num_envs=100, n_agents=100_000))
