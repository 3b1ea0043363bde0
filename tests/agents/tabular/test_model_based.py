"""The model-based learner: what it counts, what it concludes, and what it plans."""

from __future__ import annotations

from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from pettingzoo.utils.wrappers import BaseParallelWrapper

import crl_envs
from agents import Learner, ModelBased
from agents.tabular.exploration import EpsilonGreedy, FixedExploration
from agents.tabular.model_based import TransitionCounts
from crl_envs.factored import OWN_STATE, FactoredMDP, simulate
from crl_envs.wrappers import GlobalReward
from tests.agents.textbook import Flaky, Recorder

ID = "crl/sysadmin-v0"


def make(**kwargs: Any) -> Any:
    return crl_envs.make(ID, **kwargs)


def make_vec(columns: int, **kwargs: Any) -> Any:
    return crl_envs.make_vec(ID, num_envs=columns, **kwargs)


def counted_by_hand(recorder: Recorder, parents: list[list[int]]) -> dict[Any, list[int]]:
    """Next own states by (agent, own state, parents' states, action)."""
    found: dict[Any, list[int]] = {}
    for episode in recorder.episodes:
        for now, then in pairwise(episode):
            rows = [act.row for act in now.values()]
            for i, (act, after) in enumerate(zip(now.values(), then.values(), strict=True)):
                key = (i, act.row, tuple(rows[j] for j in parents[i]), act.action)
                found.setdefault(key, [0, 0])[after.row] += 1
    return found


@pytest.mark.parametrize("topology", ["ring", "star", "grid"])
def test_counts_are_those_of_the_episodes(topology: str) -> None:
    """All steps but each episode's last, whose next state the recorder doesn't keep, are counted by hand."""
    env = Recorder(make(n_agents=5, dynamics="ippc2011", topology=topology, horizon=6))
    learner = ModelBased(env, seed=3).learn(total_episodes=8)
    graph = env.unwrapped.topology
    parents = [sorted(graph.predecessors(i)) for i in range(5)]
    by_hand = counted_by_hand(env, parents)
    scopes = learner.counts.scopes
    missing = 0
    for (i, own, others, action), nexts in by_hand.items():
        entry = scopes.first[i] + own + sum(2 ** (k + 1) * s for k, s in enumerate(others))
        counted = learner.counts.transitions[entry, action, :, 0]
        assert (counted >= nexts).all()
        missing += int((counted - nexts).sum())
    assert learner.counts.transitions.sum() == 8 * 6 * 5
    assert missing <= 8 * 5
    rewards = sum(a.reward for e in env.episodes for step in e for a in step.values())
    assert learner.counts.rewards.sum() == pytest.approx(rewards)


def test_unseen_is_uniform_and_pays_nothing() -> None:
    counts = TransitionCounts(np.array([[0, 1], [1, 0]]), 2, 3, 2, 1)
    counts.start(np.array([[0], [2]]))
    counts.add(np.array([[0], [2]]), np.array([[1], [0]]), np.ones((2, 1)), np.array([[1], [1]]))
    model = counts.model(0, 4)
    seen = [(0 + 3 * 2, 1), (9 + 2 + 3 * 0, 0)]  # (configuration, action) of agents 0 and 1
    for configuration in range(18):
        for action in range(2):
            expected = [0, 1, 0] if (configuration, action) in seen else [1 / 3] * 3
            assert model.transition[configuration, action].tolist() == expected
    assert model.reward[0].tolist() == [[0, 1], [0, 0], [0, 0]]
    assert model.reward[1].tolist() == [[0, 0], [0, 0], [1, 0]]
    assert model.start.tolist() == [[1, 0, 0], [0, 0, 1]]


@pytest.mark.parametrize("kwargs", [{}, {"dynamics": "ippc2011", "topology": "legs"}])
def test_the_model_converges_to_the_truth(kwargs: dict[str, Any]) -> None:
    """Each probability is a mean of c draws: Hoeffding for all entries at once, false alarm below 1e-6."""
    env = make(n_agents=4, **kwargs)
    learner = ModelBased(env, seed=1).learn(total_episodes=400)
    truth, model = env.unwrapped.factored_model(), learner.model()
    visits = learner.counts.transitions[..., 0].sum(axis=-1)
    assert visits.min() > 5
    error = np.abs(model.transition - truth.transition)[..., 0]
    assert (error <= np.sqrt(np.log(2e6 * visits.size) / (2 * visits))).all()
    assert np.array_equal(model.reward, truth.reward)  # rewards are certain here
    assert model.horizon == truth.horizon == 20
    assert model.distance(truth).transition == error.max()


def test_column_is_the_single_learner() -> None:
    kwargs: dict[str, Any] = {"n_agents": 6, "horizon": 5, "relabel": True}
    config: dict[str, Any] = {"planning_episodes": 20, "exploration": EpsilonGreedy(0.3)}
    vec = ModelBased(make_vec(3, **kwargs), seed=7, **config).learn(total_episodes=5)
    states = np.array([[0, 1, 1, 0, 0, 1]] * 3, np.uint8)
    chosen = vec.act(states, deterministic=True)
    for b in range(3):
        single = ModelBased(make(**kwargs), seed=7 + b, **config).learn(total_episodes=5)
        assert single.model() == vec.model(b)
        assert vec.history[-1]["global_return"][b] == single.history[-1]["global_return"]
        observations = {f"agent_{i}": int(s) for i, s in enumerate(states[b])}
        assert list(single.act(observations, deterministic=True).values()) == chosen[b].tolist()
    assert vec.model(0) != vec.model(1)


@pytest.mark.parametrize("relabel", [False, True])
def test_a_few_trials_are_enough_to_reboot_when_down(relabel: bool) -> None:
    env = make(n_agents=30, relabel=relabel)
    policy: Any = ModelBased(env, seed=2).learn(total_episodes=30).plan()
    swap = env.unwrapped.world.swap[:, 0] if relabel else np.zeros(30, np.uint8)
    assert policy.table.reshape(30, 2).tolist() == np.stack([1 ^ swap, swap], 1).tolist()


def test_local_rewards_are_the_agents_own_under_a_wrapper() -> None:
    bare = ModelBased(make(n_agents=5), seed=4).learn(total_episodes=3)
    wrapped = ModelBased(GlobalReward(make(n_agents=5)), seed=4).learn(total_episodes=3)
    assert bare.model() == wrapped.model()


def test_global_rewards_are_taken_apart() -> None:
    """Up to a constant of each agent's own: what it gains by being up, and what a reboot costs."""
    env = GlobalReward(make(n_agents=6))
    learner = ModelBased(env, rewards="global", seed=4).learn(total_episodes=60)
    truth = env.unwrapped.factored_model().reward
    found = learner.model().reward
    assert np.ptp(truth - found, axis=(1, 2)) == pytest.approx(np.zeros(6), abs=1e-3)


class Liar(GlobalReward):
    """Says that the agents' own rewards are others."""

    def step(self, actions: Any) -> Any:
        *result, infos = super().step(actions)
        for info in infos.values():
            info["local_reward"] = -7.0
        return (*result, infos)


def test_global_learner_does_not_look_at_local_rewards() -> None:
    env = Liar(make(n_agents=4))
    honest = GlobalReward(make(n_agents=4))
    a, b = (ModelBased(e, rewards="global", seed=1).learn(total_episodes=9) for e in (env, honest))
    assert a.model() == b.model()
    local = ModelBased(Liar(make(n_agents=4)), seed=1).learn(total_episodes=9)
    assert (local.model().reward <= 0).all()  # the local one does


@pytest.mark.parametrize("planner", ["value-iteration", "linear-program", "coordinate-ascent"])
def test_planners_beat_leaving_alone(planner: str) -> None:
    env = make(n_agents=4, dynamics="ring-bidirectional")
    learner = ModelBased(env, planner=planner, policy_class="neighborhood", seed=1)
    learner.learn(total_episodes=50)
    truth = env.unwrapped.factored_model()
    planned = simulate(truth, learner.plan(), 2000, seed=1).value
    alone = simulate(truth, OWN_STATE.constant(truth), 2000, seed=1).value
    best = env.unwrapped.optimum().value
    assert alone + 5 < planned < best + 0.2  # standard errors are about 0.05
    assert planned > 0.95 * best


def test_an_interrupted_episode_leaves_nothing_behind() -> None:
    env = Flaky(make(n_agents=3))
    learner = ModelBased(env, seed=2)
    env.steps_left = 7
    with pytest.raises(KeyboardInterrupt):
        learner.learn(total_episodes=1)
    learner.learn(total_episodes=4)
    assert learner.model() == ModelBased(make(n_agents=3), seed=2).learn(total_episodes=4).model()


def test_depends_on_neighborhood_has_both_ways() -> None:
    env = make(n_agents=5)
    learner = ModelBased(env, depends_on="neighborhood").learn(total_episodes=200)
    model = learner.model()
    assert model.edges.tolist() == sorted([i, (i + d) % 5] for i in range(5) for d in (1, 4))
    truth = env.unwrapped.factored_model().transition.reshape(
        5, 2, 2, 2, 2
    )  # [i, i − 1, own, a, s']
    found = model.transition.reshape(5, 2, 2, 2, 2, 2)
    for i in (1, 2, 3):  # whose others are i − 1, the digit before the last, and i + 1, the last
        for child in (0, 1):
            assert found[i, child] == pytest.approx(truth[i], abs=0.25)


def test_epsilon_greedy_earns_more_meanwhile() -> None:
    """64 episodes of 10 agents: the means differ by about 6, their standard error is about 0.3."""

    def earned(exploration: Any) -> float:
        env = make(n_agents=10)
        learner = ModelBased(env, exploration=exploration, planning_episodes=30)
        history = learner.learn(total_episodes=64).history
        return float(np.mean([entry["global_return"] for entry in history]))

    assert earned(EpsilonGreedy(0.2)) > earned("uniform") + 3
    assert earned(FixedExploration((0.8, 0.2))) != earned("uniform")


@pytest.mark.parametrize(
    "config",
    [{}, {"rewards": "global"}, {"exploration": EpsilonGreedy(0.5), "planning_episodes": 20}],
    ids=["local", "global", "epsilon-greedy"],
)
def test_checkpoint_goes_on_bit_for_bit(config: dict[str, Any], tmp_path: Path) -> None:
    whole = ModelBased(GlobalReward(make(n_agents=4)), seed=3, **config).learn(total_episodes=9)
    env = GlobalReward(make(n_agents=4))
    ModelBased(env, seed=3, **config).learn(total_episodes=5).save(tmp_path / "a.npz")
    learner = Learner.load(tmp_path / "a.npz", env)
    assert isinstance(learner, ModelBased)
    learner.learn(total_episodes=4)
    assert learner.model() == whole.model()
    assert learner.history == whole.history


def test_model_file(tmp_path: Path) -> None:
    model = ModelBased(make(n_agents=4)).learn(total_episodes=2).model()
    model.save(tmp_path / "model.npz")
    assert FactoredMDP.load(tmp_path / "model.npz") == model


def test_exploration_constants() -> None:
    learner = ModelBased(make(n_agents=3), exploration=EpsilonGreedy(0.5)).learn(total_episodes=50)
    rho, nu = learner.exploration_constants()
    assert rho == learner.model().start.min()
    assert nu == 0.25


@pytest.mark.parametrize(
    ("config", "message"),
    [
        ({"policy_class": "own"}, "policy_class must be one of .*'own-state'"),
        ({"planner": "value"}, "planner must be one of"),
        ({"rewards": "team"}, "rewards must be one of 'local', 'global'"),
        ({"depends_on": "children"}, "depends_on must be one of"),
        ({"planning_episodes": 0}, "planning_episodes must be an integer ≥ 1"),
        ({"ridge": 0}, "ridge must be a finite number"),
        ({"seed": -1}, "seed"),
        ({"exploration": "greedy"}, "exploration must be one of"),
        (
            {"exploration": "epsilon-greedy", "planner": "value-iteration"},
            "exploration='epsilon-greedy' must go with planner='coordinate-ascent'",
        ),
    ],
)
def test_bad_config(config: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        ModelBased(make(n_agents=3), **config)


class Masked(BaseParallelWrapper):
    """Allows nobody to reboot."""

    def reset(self, seed: Any = None, options: Any = None) -> Any:
        observations, infos = super().reset(seed, options)
        for info in infos.values():
            info["action_mask"] = np.array([1, 0], np.int8)
        return observations, infos


class Shrinking(BaseParallelWrapper):
    """Each episode a step shorter than the one before."""

    length = 21

    def reset(self, seed: Any = None, options: Any = None) -> Any:
        self.length -= 1
        self.left = self.length
        self.over = False
        return super().reset(seed, options)

    @property
    def agents(self) -> list[str]:
        return [] if self.over else self.env.agents

    def step(self, actions: Any) -> Any:
        *rest, truncations, infos = super().step(actions)
        self.left -= 1
        if self.left == 0:
            self.over = True
            truncations = dict.fromkeys(truncations, True)
        return (*rest, truncations, infos)


def test_refused_environments() -> None:
    with pytest.raises(
        ValueError, match=r"its own state and nothing else \(observe='own'\), got 9"
    ):
        ModelBased(make(n_agents=3, observe="neighborhood"))
    with pytest.raises(ValueError, match="agent 0 depends on 39 other agents with 2 states each"):
        ModelBased(make(n_agents=40, topology="star", dynamics="ippc2011"))
    with pytest.raises(ValueError, match="column must be an integer in"):
        ModelBased(make(n_agents=3)).learn(total_episodes=1).model(1)
    with pytest.raises(ValueError, match="total_episodes must be ≥ 1 before there is a model"):
        ModelBased(make(n_agents=3)).plan()
    with pytest.raises(ValueError, match="too large for value_iteration: 40 agents"):
        env = make(n_agents=40)
        ModelBased(env, planner="value-iteration").learn(total_episodes=1).plan()
    with pytest.raises(ValueError, match="env must have all actions legal at all times"):
        ModelBased(Masked(make(n_agents=3))).learn(total_episodes=1)
    with pytest.raises(ValueError, match=r"episodes of one length, got \[19\] steps after 20"):
        ModelBased(Shrinking(make(n_agents=3))).learn(total_episodes=2)
