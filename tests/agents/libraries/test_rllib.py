"""RLlib's PPO as the bench's learner."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import crl_envs
from crl_envs.bench.contract import Traits
from crl_envs.bench.evaluation import EnoughEpisodes, MeasuredEnv
from tests.adapters.foreign import Constant

pytest.importorskip("ray.rllib")

import torch

from agents.libraries.rllib import PPO

# RLlib deprecates parts of itself; Ray leaves files open.
pytestmark = pytest.mark.filterwarnings("ignore")
torch.set_num_threads(1)

SMALL: dict[str, Any] = {"rollout_steps": 40, "minibatches": 4, "epochs": 2}


def measured(seed: int = 0, **kwargs: Any) -> MeasuredEnv:
    made = crl_envs.make("crl/sysadmin-v0", **{"n_agents": 3, "horizon": 5, **kwargs})
    return MeasuredEnv(made, seed)


def test_the_bench_measures_it() -> None:
    traits = Traits(PPO)
    assert not traits.measures_itself and not traits.resumable and not traits.evaluates_greedily


def test_it_steps_exactly_the_environment_that_it_is_given() -> None:
    env = measured()
    learner = PPO(env, seed=1, **SMALL)
    assert env.env_steps == 0
    learner.learn(total_steps=40)
    assert env.env_steps == learner.env_steps == 40
    assert len(env.local_returns) == 8
    learner.learn(total_steps=41)
    assert env.env_steps == learner.env_steps == 120
    learner.close()


@pytest.mark.parametrize("rewards", ["local", "global"])
def test_same_seed_same_curve(rewards: Any) -> None:
    curves = []
    for _ in range(2):
        env = measured(seed=5)
        learner = PPO(env, seed=5, rewards=rewards, **SMALL).learn(total_steps=80)
        observed, _ = env.reset()
        curves.append((env.local_returns, [learner.act(observed) for _ in range(5)]))
        learner.close()
    assert curves[0] == curves[1]
    assert len(set(curves[0][0])) > 5


def test_the_first_episode_is_that_of_the_seed_and_others_go_on() -> None:
    env = Constant(horizon=5)
    PPO(env, seed=9, **SMALL).learn(total_steps=40).close()
    assert env.seeds == [9, *[None] * (len(env.seeds) - 1)]


@pytest.mark.parametrize(
    ("id", "steps", "above"), [("crl/sysadmin-v0", 2048, 13.0), ("crl/bandit-v0", 1024, 0.65)]
)
def test_it_learns(id: str, steps: int, above: float) -> None:
    """Random: 8.8 and 0.5; optimum: 17.6 and 0.8. Means of 50 episodes, so more than ten errors away from random."""
    learner = PPO(MeasuredEnv(crl_envs.make(id, n_agents=3), 0), seed=0)
    learner.learn(total_steps=steps)
    env = MeasuredEnv(crl_envs.make(id, n_agents=3), 100)
    for _ in range(50):
        observed, infos = env.reset()
        while env.agents:
            masks = {agent: info["action_mask"] for agent, info in infos.items()}
            observed, _, _, _, infos = env.step(learner.act(observed, action_masks=masks))
    assert np.mean(env.local_returns) > above
    learner.close()


def test_act_draws_from_its_policy() -> None:
    env = measured()
    learner = PPO(env, **SMALL)
    observed, _ = env.reset()
    state = torch.get_rng_state()
    drawn = np.array([list(learner.act(observed).values()) for _ in range(2000)])
    assert torch.equal(torch.get_rng_state(), state)
    logits = learner._logits(np.array([int(row) for row in observed.values()]))
    chances = np.exp(logits[:, 1]) / np.exp(logits).sum(-1)
    # Four standard errors: false alarm in 1 of 5000 runs, and the seed is fixed.
    assert np.abs(drawn.mean(0) - chances).max() < 4 * 0.5 / np.sqrt(2000)
    greedy = learner.act(observed, deterministic=True)
    assert list(greedy.values()) == logits.argmax(-1).tolist()
    never = {agent: np.array([0, 1]) for agent in observed}
    assert set(learner.act(observed, action_masks=never).values()) == {1}
    with pytest.raises(ValueError, match="observations must have all agents, missing"):
        learner.act({"agent_0": 0})
    learner.close()


def test_a_broken_off_rollout_leaves_a_learner_that_goes_on() -> None:
    """The bench ends a run after a number of episodes by an exception."""
    env = measured()
    learner = PPO(env, **SMALL)
    for budget in (3, 20):
        env.most_episodes = budget
        with pytest.raises(EnoughEpisodes):
            learner.learn(total_steps=10_000)
        assert len(env.local_returns) == budget
    learner.close()


def test_bad_arguments_are_refused() -> None:
    for name, value in [
        ("rewards", "team"),
        ("agent_ids", 1),
        ("learning_rate", 0.0),
        ("rollout_steps", 0),
        ("minibatches", 1000),
        ("gamma", 1.5),
        ("hidden_layers", (0,)),
        ("seed", -1),
    ]:
        with pytest.raises(ValueError, match=f"{name} must be"):
            PPO(measured(), **{name: value})
    with pytest.raises(ValueError, match="PPO has no argument 'lr'"):
        PPO(measured(), lr=0.1)
    with pytest.raises(ValueError, match="env must be a ParallelEnv"):
        PPO(crl_envs.make_vec("crl/bandit-v0", n_agents=3))


def test_masks_that_forbid_actions_end_it() -> None:
    env = MeasuredEnv(crl_envs.make("crl/load_balancing-v0", n_agents=3, n_loads=4), 0)
    learner = PPO(env, **SMALL)
    with pytest.raises(ValueError, match="which its action mask forbids"):
        learner.learn(total_steps=40)
    learner.close()
