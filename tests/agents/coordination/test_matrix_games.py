"""Learners of games whose answer is known: their updates by hand, the games, columns and checkpoints."""

from __future__ import annotations

from itertools import product
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from gymnasium import spaces

import crl_envs
from agents import FMQ, HystereticQ, JointActionLearner, LenientQ
from agents.boltzmann import ActionValues
from crl_envs.wrappers import GlobalReward
from tests.wrappers.foreign import Leavers

INDEPENDENT = [HystereticQ, LenientQ, FMQ]
EVERY = [*INDEPENDENT, JointActionLearner]
every = pytest.mark.parametrize("learner", EVERY, ids=lambda c: c.__name__)


def game(columns: int, **arguments: Any) -> Any:
    """Two players who both get what the game pays."""
    vec = crl_envs.make_vec("crl/coordination_game-v0", columns, n_agents=2, **arguments)
    return GlobalReward(vec, reduce="sum")


def noted(learner: Any) -> list[tuple[list[int], list[float]]]:
    """What is done and given from now on, in column 0."""
    kept: list[tuple[list[int], list[float]]] = []
    observe = learner.observe

    def note(frame: Any, actions: Any, transition: Any) -> None:
        kept.append((actions[:, 0].tolist(), transition.rewards[:, 0].astype(float).tolist()))
        observe(frame, actions, transition)

    learner.observe = note
    return kept


def test_hysteretic_by_hand() -> None:
    learner = HystereticQ(game(1), rate=0.3, decrease_rate=0.05, seed=2)
    kept = noted(learner)
    learner.learn(total_episodes=80)
    q = np.zeros((2, 3))
    for actions, rewards in kept:
        for i, (a, r) in enumerate(zip(actions, rewards, strict=True)):
            q[i, a] += (0.3 if r >= q[i, a] else 0.05) * (r - q[i, a])
    np.testing.assert_allclose(learner.q[:, 0, :, 0], q)


def test_fmq_by_hand() -> None:
    learner = FMQ(game(1), rate=0.3, weight=4.0, seed=2)
    kept = noted(learner)
    learner.learn(total_episodes=80)
    value = np.zeros((2, 3))
    for i, a in product(range(2), range(3)):
        given = [rewards[i] for actions, rewards in kept if actions[i] == a]
        q = 0.0
        for r in given:
            q += 0.3 * (r - q)
        value[i, a] = q + 4 * max(given) * given.count(max(given)) / len(given)
    rows = np.zeros((2, 1), np.intp)
    np.testing.assert_allclose(learner.values(rows, learner._column)[:, 0], value)


def test_joint_action_learner_by_hand() -> None:
    """Three players, whose joint values and beliefs are added up from what was seen."""
    vec = crl_envs.make_vec("crl/coordination_game-v0", 1, n_agents=3, payoffs="random")
    learner = JointActionLearner(vec, rate=0.3, seed=2)
    kept = noted(learner)
    learner.learn(total_episodes=100)
    expected = np.zeros((3, 3))
    for i, own in product(range(3), range(3)):
        others = [j for j in range(3) if j != i]
        for rest in product(range(3), repeat=2):
            joint = dict(zip(others, rest, strict=True)) | {i: own}
            q = 0.0
            for actions, rewards in kept:
                if all(actions[j] == a for j, a in joint.items()):
                    q += 0.3 * (rewards[i] - q)
            belief = [np.mean([actions[j] == joint[j] for actions, _ in kept]) for j in others]
            expected[i, own] += q * float(np.prod(belief))
    rows = np.zeros((3, 1), np.intp)
    np.testing.assert_allclose(learner.values(rows, learner._column)[:, 0], expected, atol=1e-12)


def test_leniency_forgives_as_often_as_it_should() -> None:
    """Of 20,000 punishments exp(−1/(θT)) leave the value as it was; six standard errors, false alarm 2e-9."""
    vec = game(20_000, payoffs=[[-1.0]])
    learner = LenientQ(vec, leniency=2.0, forgetting=0.5, moderation=0.7, seed=1)
    learner.learn(total_episodes=1)
    share, expected = float((learner.q == 0).mean()), float(np.exp(-1 / (0.7 * 2.0)))
    assert abs(share - expected) < 6 * (expected * (1 - expected) / learner.q.size) ** 0.5
    assert (learner.leniency == 1.0).all()


def test_equal_rates_are_independent_q_learning() -> None:
    """Over an episode of several steps and several observations, in plain Python."""
    env = crl_envs.make("crl/epidemic-v0", n_agents=4, topology="ring", horizon=6)
    learner = HystereticQ(env, rate=0.2, decrease_rate=0.2, discount=0.9, temperature=1.0, seed=3)
    q = np.zeros((4, 2, 2))
    observe = learner.observe

    def check(frame: Any, actions: Any, transition: Any) -> None:
        for i in range(4):
            s, a, s2 = frame.rows[i, 0], actions[i, 0], transition.frame.rows[i, 0]
            ended = transition.ended is not None and transition.ended[0]
            target = float(transition.rewards[i, 0]) + (0 if ended else 0.9 * q[i, s2].max())
            q[i, s, a] += 0.2 * (target - q[i, s, a])
        observe(frame, actions, transition)

    learner.observe = check  # type: ignore[method-assign]
    learner.learn(total_episodes=10)
    np.testing.assert_allclose(learner.q[..., 0], q)


@pytest.mark.parametrize(
    ("learner", "arguments", "low", "high"),
    [
        (HystereticQ, {"decrease_rate": 0.1}, 0.0, 0.25),
        (JointActionLearner, {}, 0.0, 0.02),
        (HystereticQ, {}, 0.97, 1.0),
        (LenientQ, {}, 0.82, 1.0),
        (FMQ, {}, 0.97, 1.0),
    ],
)
def test_who_climbs(learner: Any, arguments: dict[str, Any], low: float, high: float) -> None:
    """Share of 400 runs that end in the best joint action: .12, 0, .999, .93, .999 of 1,000; false alarm 1e-8."""
    vec = game(400)
    learnt = learner(vec, seed=0, **arguments).learn(total_episodes=1000)
    actions = learnt.act(np.zeros((400, 2), int), deterministic=True)
    assert low <= (actions == 0).all(axis=1).mean() <= high


@every
def test_a_column_is_a_learner_of_its_own(learner: Any) -> None:
    """Column 2 of three is the learner whose seed is larger by 2."""
    several = learner(game(3), seed=5).learn(total_episodes=40)
    alone = learner(game(1), seed=7).learn(total_episodes=40)
    assert np.array_equal(several.q[..., 2], alone.q[..., 0])


@every
def test_checkpoints_go_on_as_if_nothing_had_been(learner: Any, tmp_path: Path) -> None:
    vec = game(2)
    whole = learner(game(2), seed=1).learn(total_episodes=60)
    learner(vec, seed=1).learn(total_episodes=25).save(tmp_path / "half")
    again = learner.load(tmp_path / "half", vec).learn(total_episodes=35)
    for name, array in whole.get_arrays().items():
        assert np.array_equal(array, again.get_arrays()[name]), name


class AllAlike(Leavers):
    """Its agents see the same at every step, the last one too."""

    def observation_space(self, agent: str) -> Any:
        return spaces.Discrete(1)

    def _observe(self, agents: list[str]) -> dict[str, Any]:
        return dict.fromkeys(agents, 0)


@pytest.mark.parametrize("learner", INDEPENDENT, ids=lambda c: c.__name__)
def test_nothing_follows_for_who_has_left(learner: type[ActionValues]) -> None:
    """Agent k has 2 + k actions and leaves after k + 1 steps; in plain Python, from below so that nobody forgives."""
    learnt = learner(AllAlike(), rate=0.1, discount=0.5, seed=3)
    learnt.q[:] = -1000.0
    q = np.full((3, 4), -1000.0)
    observe = learnt.observe

    def check(frame: Any, actions: Any, transition: Any) -> None:
        t = learnt.elapsed + 1
        for k in range(t - 1, 3):
            a = actions[k, 0]
            follows = 0.5 * q[k, : 2 + k].max() if t < k + 1 else 0.0
            q[k, a] += 0.1 * (transition.rewards[k, 0] + follows - q[k, a])
        observe(frame, actions, transition)

    learnt.observe = check  # type: ignore[method-assign]
    learnt.learn(total_episodes=4)
    np.testing.assert_allclose(learnt.q[:, 0, :, 0], q)
    assert (q > -1000.0).any(axis=1).all()


def test_leniency_that_has_cooled_to_nothing_forgives_nothing() -> None:
    """T = 0 after 108 visits, by way of numbers too small to be divided by."""
    learner = LenientQ(game(1, payoffs=[[-1.0]]), rate=1.0, forgetting=1e-3, seed=1)
    learner.learn(total_episodes=120)
    assert (learner.leniency == 0.0).all()
    assert (learner.q == -1.0).all()


@pytest.mark.parametrize(
    ("make", "said"),
    [
        (lambda: HystereticQ(game(1), decrease_rate=2), "decrease_rate"),
        (lambda: LenientQ(game(1), forgetting=0), "forgetting"),
        (lambda: LenientQ(game(1), leniency=-1), "leniency"),
        (lambda: FMQ(game(1), weight=-1), "weight"),
        (lambda: FMQ(game(1), discount=1.1), "discount"),
        (lambda: JointActionLearner(crl_envs.make("crl/coordination_game-v0")), "2 to 4 agents"),
        (
            lambda: JointActionLearner(
                crl_envs.make("crl/coordination_game-v0", n_agents=2, horizon=3)
            ).learn(total_episodes=1),
            "after one step",
        ),
    ],
)
def test_what_does_not_fit_is_refused(make: Any, said: str) -> None:
    with pytest.raises(ValueError, match=said):
        make()
