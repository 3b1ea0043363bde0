"""RLlib's view: what it is shown, what it learns, what it is told when it can't."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest
from gymnasium import spaces

import crl_envs
from crl_envs.wrappers import GlobalReward
from tests.adapters.foreign import Asked, Constant, Foreign

pytest.importorskip("ray.rllib")

import ray
import torch
from ray.rllib.algorithms.ppo import PPOConfig
from ray.rllib.core.rl_module.default_model_config import DefaultModelConfig

from crl_envs.adapters.rllib import SHARED_POLICY, make_env, register

# RLlib deprecates parts of itself; Ray leaves files open.
pytestmark = pytest.mark.filterwarnings("ignore")
torch.set_num_threads(1)

WORLDS: dict[str, tuple[Any, dict[str, Any]]] = {
    "horizon 1, terminated": ("crl/bandit-v0", {"n_agents": 3}),
    "horizon 5, truncated": ("crl/sysadmin-v0", {"n_agents": 3, "horizon": 5}),
    "foreign": (Foreign, {"n_agents": 4, "horizon": 5}),
}


@pytest.fixture(scope="module", autouse=True)
def small_ray() -> Iterator[None]:
    ray.init(
        address="local",
        num_cpus=1,
        include_dashboard=False,
        logging_level=logging.ERROR,
        log_to_driver=False,
    )
    yield
    ray.shutdown()


def config(env: Any, steps: int = 40, **training: Any) -> PPOConfig:
    chosen = dict(lr=1e-3, num_epochs=4, minibatch_size=32, vf_clip_param=float("inf")) | training
    return (
        PPOConfig()
        .environment(env, disable_env_checking=True)
        .env_runners(num_env_runners=0)
        .multi_agent(**SHARED_POLICY)
        .rl_module(model_config=DefaultModelConfig(fcnet_hiddens=[32]))
        .training(train_batch_size_per_learner=steps, **chosen)
        .debugging(seed=0, log_level="ERROR")
    )


@pytest.mark.parametrize("rewards", ["local", "global"])
@pytest.mark.parametrize(("world", "kwargs"), WORLDS.values(), ids=WORLDS)
def test_it_shows_what_the_dict_env_shows(world: Any, kwargs: Any, rewards: Any) -> None:
    env = make_env(world, rewards=rewards, **kwargs)
    made = crl_envs.make(world, **kwargs) if isinstance(world, str) else world(**kwargs)
    twin, rng = GlobalReward(made), np.random.default_rng(0)
    agents = twin.possible_agents
    assert env.possible_agents == agents
    seen, _ = env.reset(seed=11)
    first, _ = twin.reset(seed=11)
    for _ in range(12):
        assert list(seen) == agents
        for agent in agents:
            assert seen[agent] in env.get_observation_space(agent)
            assert seen[agent][first[agent]] == 1.0
        actions = {agent: int(rng.integers(2)) for agent in agents}
        seen, given, terminated, truncated, infos = env.step(actions)
        first, team, over, cut, told = twin.step(actions)
        own = {agent: told[agent]["local_reward"] for agent in agents}
        assert given == pytest.approx(own if rewards == "local" else team)
        assert sum(given.values()) == pytest.approx(sum(own.values()))
        assert {a: info["local_reward"] for a, info in infos.items()} == pytest.approx(own)
        assert {a: terminated[a] for a in agents} == over
        assert terminated["__all__"] == all(over.values())
        assert truncated == {"__all__": all(cut.values())}
        if not twin.agents:
            for agent in agents:  # the last observation is the episode's own
                assert seen[agent][first[agent]] == 1.0
            seen, _ = env.reset()
            first, _ = twin.reset()


def test_agent_ids_tell_agents_apart() -> None:
    env = make_env("crl/bandit-v0", n_agents=3, agent_ids=True)
    seen, _ = env.reset(seed=0)
    rows = np.stack(list(seen.values()))
    np.testing.assert_array_equal(rows[:, 1:], np.eye(3))
    assert all(rows[i] in env.get_observation_space(a) for i, a in enumerate(seen))


def test_rllib_takes_as_many_steps_as_asked_and_sums_the_rewards_right() -> None:
    made: list[Constant] = []

    def make() -> Constant:
        made.append(Constant(n_agents=3, horizon=5))
        return made[-1]

    register("counted", make)
    made.clear()  # the one that `register` tries
    algorithm = config("counted").build_algo()
    try:
        result = algorithm.train()
        (env,) = algorithm.env_runner.env.envs
        assert env.unwrapped.columns.envs[0].steps == 40
        assert result["env_runners"]["num_env_steps_sampled_lifetime"] == 40
        assert result["env_runners"]["episode_return_mean"] == 15.0
        assert result["env_runners"]["episode_len_mean"] == 5.0
    finally:
        algorithm.stop()


@pytest.mark.parametrize(("ends", "value"), [("truncated", 2.0), ("terminated", 1.0)])
def test_the_critic_knows_truncation_from_termination(ends: str, value: float) -> None:
    """Reward 1 in each of episodes of one step, γ = 1/2: worth 1 where that is the end, else 1 + 1/2 + 1/4 + …"""
    register("constant", Constant, horizon=1, ends=ends)
    algorithm = config(
        "constant", steps=64, gamma=0.5, lambda_=1.0, lr=0.01, num_epochs=10
    ).build_algo()
    try:
        for _ in range(12):
            algorithm.train()
        learner = algorithm.learner_group._learner
        with torch.no_grad():
            found = learner.module["shared"].compute_values({"obs": torch.tensor([[1.0, 0.0]])})
        assert float(found) == pytest.approx(value, abs=0.1)
    finally:
        algorithm.stop()


def test_same_seed_same_curve_and_it_learns() -> None:
    """SYSADMIN with three machines: random 9.0, optimum 17.6, so that 13 isn't luck."""
    register("three", "crl/sysadmin-v0", n_agents=3)
    curves = []
    for _ in range(2):
        algorithm = config("three", steps=400, num_epochs=8, minibatch_size=100, gamma=0.9, lr=3e-3)
        algorithm = algorithm.build_algo()
        curves.append(
            [algorithm.train()["env_runners"]["episode_return_mean"] / 3 for _ in range(6)]
        )
        algorithm.stop()
    assert curves[0] == curves[1]
    assert curves[0][0] < 11 < 13 < curves[0][-1]


def test_forbidden_actions_raise_unless_ignored() -> None:
    env = make_env("crl/load_balancing-v0", n_agents=3, n_loads=4)
    env.reset(seed=0)
    idle = {agent: 1 for agent in env.agents}
    with pytest.raises(ValueError, match=r"agent_\d chose action 1, which its action mask forbids"):
        for _ in range(50):
            env.step(idle)
    env = make_env("crl/load_balancing-v0", n_agents=3, n_loads=4, masks="ignore")
    env.reset(seed=0)
    for _ in range(50):
        env.step(idle)


class Unequal(Constant):
    def action_space(self, agent: str) -> Any:
        return spaces.Discrete(3 if agent == "agent_1" else 2)


class Leaver(Constant):
    """Its first agent leaves first."""

    def step(self, actions: dict[str, Any]) -> Any:
        everything = super().step(actions)
        self.agents = self.agents[1:]
        return everything


def test_bad_environments_are_refused() -> None:
    with pytest.raises(
        ValueError, match="agent_0 has Discrete\\(2\\), agent_1 has Discrete\\(3\\)"
    ):
        make_env(Unequal)
    with pytest.raises(ValueError, match="env must be an id or a callable"):
        make_env(Constant())  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="unknown id 'crl/sysadmi-v0'"):
        register("wrong", "crl/sysadmi-v0")
    with pytest.raises(ValueError, match="rewards must be one of"):
        make_env(Constant, rewards="team")  # type: ignore[arg-type]
    env = make_env(Leaver)
    env.reset()
    with pytest.raises(ValueError, match=r"\['agent_0'\] left or came later than others"):
        env.step({"agent_0": 0, "agent_1": 0})


def test_the_order_of_agents_is_that_of_the_environment() -> None:
    env = make_env("crl/bandit-v0", n_agents=12)
    expected = [f"agent_{i}" for i in range(12)]
    assert env.possible_agents == list(env.reset()[0]) == expected


def test_pictures_and_options() -> None:
    drawn = make_env("crl/sysadmin-v0", n_agents=3, render_mode="rgb_array")
    drawn.reset(seed=0)
    assert drawn.render_mode == "rgb_array"
    assert drawn.render().shape == (600, 900, 3)
    asked = make_env(Asked)
    asked.reset(options={"level": 2})
    assert asked.columns.envs[0].options == {"level": 2}
