"""Every SuperSuit wrapper for a ParallelEnv over all worlds, with and without vectors as observations.

Which observations a wrapper takes is up to SuperSuit. With ``encode="onehot"`` they are a Box, which is what most are
written for; the others need images or continuous actions, which no world here has.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import crl_envs
from crl_envs.wrappers import MaskInObservation

supersuit = pytest.importorskip("supersuit")

# By name: the id, arguments, and what its observations are without `encode`.
SETTINGS: dict[str, tuple[str, dict[str, Any], str]] = {
    "bandit": ("crl/bandit-v0", {"n_agents": 3}, "Discrete"),
    "sysadmin": ("crl/sysadmin-v0", {"n_agents": 3}, "Discrete"),
    "neighborhood": (
        "crl/sysadmin-v0",
        {"n_agents": 4, "observe": "neighborhood"},
        "MultiDiscrete",
    ),
    "load balancing": ("crl/load_balancing-v0", {"n_agents": 8, "max_steps": 30}, "Box"),
}
ALL = ("Box", "Discrete", "MultiDiscrete", "Dict")
ARRAYS = ("Box", "MultiDiscrete", "Dict")
NUMBERS = ("Box", "Discrete", "MultiDiscrete")
IMAGES = CONTINUOUS_ACTIONS = ()
# By name: how it is called, and what observations it takes.
WRAPPERS: dict[str, tuple[Callable[[Any], Any], tuple[str, ...]]] = {
    "action_lambda_v1": (
        lambda e: supersuit.action_lambda_v1(e, lambda a, _: a, lambda space: space),
        ALL,
    ),
    "agent_indicator_v0": (supersuit.agent_indicator_v0, ("Box", "Discrete")),
    "black_death_v3": (supersuit.black_death_v3, ("Box",)),
    "clip_actions_v0": (supersuit.clip_actions_v0, CONTINUOUS_ACTIONS),
    "clip_reward_v0": (supersuit.clip_reward_v0, ALL),
    "color_reduction_v0": (supersuit.color_reduction_v0, IMAGES),
    "delay_observations_v0": (lambda e: supersuit.delay_observations_v0(e, 2), ARRAYS),
    "dtype_v0": (lambda e: supersuit.dtype_v0(e, np.float32), ("Box",)),
    "flatten_v0": (supersuit.flatten_v0, ("Box",)),
    "frame_skip_v0": (lambda e: supersuit.frame_skip_v0(e, 2), ALL),
    "frame_stack_v1": (lambda e: supersuit.frame_stack_v1(e, 3), ("Box", "Discrete")),
    "frame_stack_v2": (lambda e: supersuit.frame_stack_v2(e, 3), ("Box", "Discrete")),
    "max_observation_v0": (lambda e: supersuit.max_observation_v0(e, 2), NUMBERS),
    "nan_noop_v0": (lambda e: supersuit.nan_noop_v0(e, 0), ALL),
    "nan_random_v0": (supersuit.nan_random_v0, ALL),
    "nan_zeros_v0": (supersuit.nan_zeros_v0, ALL),
    "normalize_obs_v0": (supersuit.normalize_obs_v0, ("Box",)),
    "observation_lambda_v0": (
        lambda e: supersuit.observation_lambda_v0(e, lambda seen, _: seen, lambda space: space),
        ALL,
    ),
    "pad_action_space_v0": (supersuit.pad_action_space_v0, ALL),
    "pad_observations_v0": (supersuit.pad_observations_v0, ("Box",)),
    "reshape_v0": (
        lambda e: supersuit.reshape_v0(e, (1, int(np.prod(e.observation_space("agent_0").shape)))),
        ("Box",),
    ),
    "resize_v1": (lambda e: supersuit.resize_v1(e, 4, 4), IMAGES),
    "reward_lambda_v0": (lambda e: supersuit.reward_lambda_v0(e, lambda r: 2 * r), ALL),
    "scale_actions_v0": (lambda e: supersuit.scale_actions_v0(e, 0.5), CONTINUOUS_ACTIONS),
    "sticky_actions_v0": (lambda e: supersuit.sticky_actions_v0(e, 0.5), ALL),
}


def make(setting: str, how: str) -> tuple[Any, str]:
    """Return an environment, and what its observations are."""
    id, arguments, kind = SETTINGS[setting]
    if how == "plain":
        return crl_envs.make(id, **arguments), kind
    masks = "observation" if how == "masks" else None
    env = crl_envs.make(id, encode="onehot", masks=masks, **arguments)
    return env, "Dict" if masks else "Box"


def play(env: Any) -> list[float]:
    """Play two episodes as masks allow, check what is seen against its space, and return the rewards."""
    rng = np.random.default_rng(0)
    earned = []
    for seed in range(2):
        observations, infos = env.reset(seed=seed)
        while env.agents:
            actions = {}
            for agent in env.agents:
                where = observations[agent]
                if not isinstance(where, dict):
                    where = infos[agent]
                legal = where.get("action_mask", np.ones(env.action_space(agent).n))
                actions[agent] = int(rng.choice(np.flatnonzero(legal)))
            observations, rewards, _, _, infos = env.step(actions)
            earned += rewards.values()
            for agent, seen in observations.items():
                assert env.observation_space(agent).contains(seen)
    return earned


def test_all_are_here() -> None:
    """But for those that make vectors, tested below, and those for environments of Gymnasium."""
    vectors = {"concat_vec_envs_v1", "gym_vec_env_v0", "pettingzoo_env_to_vec_env_v1"}
    vectors |= {"stable_baselines3_vec_env_v0", "stable_baselines_vec_env_v0"}
    vectors |= {"vectorize_aec_env_v0"}
    versioned = {name for name in dir(supersuit) if name[-3:-1] == "_v"}
    assert versioned - vectors == set(WRAPPERS)


@pytest.mark.parametrize("how", ["plain", "encode", "masks"])
@pytest.mark.parametrize("setting", SETTINGS)
@pytest.mark.parametrize("wrapper", WRAPPERS)
def test_works_or_is_refused(wrapper: str, setting: str, how: str) -> None:
    wrap, takes = WRAPPERS[wrapper]
    env, kind = make(setting, how)
    if kind in takes:
        assert play(wrap(env))
    else:
        with pytest.raises((AssertionError, AttributeError, TypeError)):
            play(wrap(env))


@pytest.mark.parametrize(
    "wrapper", [name for name, (_, takes) in WRAPPERS.items() if "Box" in takes]
)
def test_masks_go_round_whatever_takes_vectors(wrapper: str) -> None:
    env, _ = make("load balancing", "encode")
    env = MaskInObservation(WRAPPERS[wrapper][0](env))
    assert set(env.observation_space("agent_0")) == {"observation", "action_mask"}
    assert play(env)


@pytest.mark.parametrize("wrapper", ["observation_lambda_v0", "dtype_v0", "pad_action_space_v0"])
def test_the_same_episodes(wrapper: str) -> None:
    env, _ = make("load balancing", "encode")
    plain, _ = make("load balancing", "encode")
    assert play(WRAPPERS[wrapper][0](env)) == play(plain)


@pytest.mark.parametrize("how", ["plain", "encode"])
@pytest.mark.parametrize("setting", SETTINGS)
def test_vectors_of_all_agents(setting: str, how: str) -> None:
    env, _ = make(setting, how)
    n = env.max_num_agents
    copies = supersuit.concat_vec_envs_v1(supersuit.pettingzoo_env_to_vec_env_v1(env), 2)
    seen, infos = copies.reset(seed=0)
    for _ in range(40):  # beyond the end of an episode
        assert len(seen) == len(infos) == copies.num_envs == 2 * n
        legal = [info.get("action_mask", np.ones(2)) for info in infos]
        actions = np.array([np.flatnonzero(mask)[-1] for mask in legal])
        seen, rewards, _, truncations, infos = copies.step(actions)
        assert rewards.shape == truncations.shape == (2 * n,)
        for row in seen:
            assert copies.observation_space.contains(row)


@pytest.mark.parametrize("seed", [None, 1])
def test_copies_of_a_new_environment_differ(seed: int | None) -> None:
    """Of one that has been seeded all would be in the same state."""
    env, _ = make("sysadmin", "encode")
    copies = supersuit.concat_vec_envs_v1(supersuit.pettingzoo_env_to_vec_env_v1(env), 4)
    copies.reset(seed=seed)
    nothing = np.zeros(copies.num_envs, np.int64)
    rows = [copies.step(nothing)[0].reshape(4, -1) for _ in range(100)]
    assert len(np.unique(np.concatenate(rows, axis=1), axis=0)) == 4
