"""Worlds as JaxMARL's environments: the same episodes, and what its wrappers and scripts expect."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

pytest.importorskip("jaxmarl", reason="JaxMARL isn't installed: make test-jaxmarl")

import jax
import jax.numpy as jnp
import jaxmarl
from jaxmarl.environments.multi_agent_env import MultiAgentEnv
from jaxmarl.environments.spaces import Box, Discrete
from jaxmarl.wrappers.baselines import CTRolloutManager, LogWrapper, MPELogWrapper

import crl_envs
from crl_envs import jax as crl_jax
from crl_envs.jax.jaxmarl import JaxMARLEnv, register, register_ids
from crl_envs.wrappers.neighborhood_reward import paid_as

SYSADMIN, BANDIT = "crl/sysadmin-v0", "crl/bandit-v0"
KEY = jax.random.key(0)
CASES: dict[str, tuple[str, dict[str, Any]]] = {
    "ring": (SYSADMIN, {"n_agents": 5, "horizon": 7}),
    "neighbours": (
        SYSADMIN,
        {"n_agents": 9, "topology": "grid", "dynamics": "ippc2011", "observe": "neighborhood"},
    ),
    "status and load": (SYSADMIN, {"n_agents": 4, "dynamics": "status-load", "horizon": 3}),
    "bandit": (BANDIT, {"n_agents": 3}),
}


def made(**kwargs: Any) -> JaxMARLEnv:
    adapter = {name: kwargs.pop(name) for name in ("rewards", "agent_ids") if name in kwargs}
    return crl_jax.to_jaxmarl(crl_jax.make(SYSADMIN, **kwargs), **adapter)


def by_agent(env: JaxMARLEnv, row: Any) -> dict[str, Any]:
    return dict(zip(env.agents, row, strict=True))


def stacked(env: JaxMARLEnv, values: dict[str, Any]) -> Any:
    return np.stack([np.asarray(values[agent]) for agent in env.agents])


@pytest.mark.parametrize("rewards", ["local", "neighborhood", "global"])
@pytest.mark.parametrize(("id", "arguments"), CASES.values(), ids=CASES)
def test_episodes_are_those_of_the_arrays(id: str, arguments: dict[str, Any], rewards: Any) -> None:
    """Whatever the keys are, over the ends of episodes, of `crl_envs.jax` and of `make_vec`."""
    ours = crl_jax.make(id, **arguments)
    env = crl_jax.to_jaxmarl(ours, rewards=rewards)
    vec: Any = crl_envs.make_vec(id, 1, encode="onehot", autoreset_mode="SameStep", **arguments)
    vec = paid_as(vec, rewards)
    step = jax.jit(ours.step)
    for seed in (0, 2**40 + 3):
        _, arrays = ours.reset(seed)
        rows, _ = vec.reset(seed=seed)
        observations, state = env.reset(crl_jax.pair(seed))
        np.testing.assert_array_equal(stacked(env, observations), rows[0])
        for t in range(30):
            action = np.random.default_rng(t).integers(0, ours.action_space.n, env.num_agents)
            _, arrays, _, _, _ = step(arrays, jnp.asarray(action))
            rows, rewarded, terminations, truncations, _ = vec.step(action[None])
            observations, state, paid, dones, infos = env.step(
                jax.random.key(t), state, by_agent(env, jnp.asarray(action))
            )
            jax.tree.map(np.testing.assert_array_equal, state, arrays)
            np.testing.assert_array_equal(stacked(env, observations), rows[0])
            np.testing.assert_array_equal(observations["world_state"], vec.unwrapped.state()[0])
            np.testing.assert_allclose(stacked(env, paid), rewarded[0], rtol=1e-6)
            assert dones["__all__"] == terminations[0] | truncations[0]
            assert all(dones[agent] == dones["__all__"] for agent in env.agents)
            np.testing.assert_array_equal(infos["truncated"], np.full(env.num_agents, truncations))


def test_mapped_over_environments_as_scripts_do() -> None:
    """With keys split, and actions of shape (1,) an agent, as their unbatchify gives them."""
    env = made(n_agents=3, horizon=2)
    keys = jax.random.split(KEY, 4)
    _, states = jax.vmap(env.reset)(keys)
    actions = jnp.asarray(np.random.default_rng(0).integers(0, 2, (3, 4)))
    step = jax.vmap(env.step)
    each = [env.reset(key)[1] for key in keys]
    for _ in range(5):
        mapped = step(keys, states, by_agent(env, actions[:, :, None]))
        states = mapped[1]
        for b in range(4):
            alone = env.step(KEY, each[b], by_agent(env, actions[:, b]))
            each[b] = alone[1]
            jax.tree.map(
                lambda many, one, b=b: np.testing.assert_array_equal(many[b], one), mapped, alone
            )


class TestInterface:
    def test_spaces_and_names(self) -> None:
        env = made(n_agents=3)
        assert isinstance(env, MultiAgentEnv)
        assert env.agents == crl_envs.make(SYSADMIN, n_agents=3).possible_agents
        observations, state = env.reset(KEY)
        for agent in env.agents:
            space, can = env.observation_space(agent), env.action_space(agent)
            assert isinstance(space, Box)
            assert isinstance(can, Discrete)
            assert can.n == 2
            assert observations[agent].shape == space.shape == (2,)
            assert observations[agent].dtype == jnp.float32
            assert space.contains(observations[agent])
            assert env.get_avail_actions(state)[agent].tolist() == [True, True]
        assert env.world_state(state).shape == (env.world_state_size(),) == (6,)
        assert env.agent_classes == {"agents": env.agents}
        assert env.name == "crl_sysadmin"

    def test_masks_of_a_world_that_has_them(self) -> None:
        env = crl_jax.to_jaxmarl(crl_jax.make("crl/load_balancing-v0", n_agents=6))
        _, state = env.reset(jax.random.key(0))
        masks = env.get_avail_actions(state)
        vec = crl_envs.make_vec("crl/load_balancing-v0", 1, n_agents=6)
        _, infos = vec.reset(seed=0)
        for agent, expected in zip(env.agents, infos["action_mask"][0], strict=True):
            np.testing.assert_array_equal(masks[agent], expected > 0)

    def test_agent_ids(self) -> None:
        env = made(n_agents=3, agent_ids=True)
        assert env.observation_space("agent_0").shape == (5,)
        rows = stacked(env, env.reset(KEY)[0])
        np.testing.assert_array_equal(rows[:, 2:], np.eye(3))

    def test_step_env_stays_at_the_end(self) -> None:
        env = made(n_agents=2, horizon=1)
        _, state = env.reset(KEY)
        actions = by_agent(env, jnp.zeros(2, int))
        stayed, gone_on = (f(KEY, state, actions) for f in (env.step_env, env.step))
        assert stayed[3]["__all__"]
        assert gone_on[3]["__all__"]
        assert (stayed[1].elapsed, gone_on[1].elapsed) == (1, 0)

    def test_a_state_to_go_on_from(self) -> None:
        env = made(n_agents=4, horizon=2)
        _, first = env.reset(KEY)
        _, other = env.reset(jax.random.key(9))
        actions = by_agent(env, jnp.zeros(4, int))
        seen, state, _, dones, _ = env.step(KEY, first, actions, other)
        assert not dones["__all__"]
        assert state.elapsed == 1
        seen, state, _, dones, _ = env.step(KEY, state, actions, other)
        assert dones["__all__"]
        jax.tree.map(np.testing.assert_array_equal, (seen, state), (env.get_obs(other), other))

    def test_illegal_actions_are_flagged(self) -> None:
        env = made(n_agents=3)
        _, state = env.reset(KEY)
        infos = env.step(KEY, state, by_agent(env, jnp.array([2, 0, -1])))[4]
        assert infos["illegal_action"].tolist() == [True, False, True]

    def test_tables_of_ones_own_stay(self) -> None:
        ours = crl_jax.make(BANDIT, p_correct=1.0, p_wrong=0.0)
        ours.params = crl_jax.make(BANDIT, p_correct=0.0, p_wrong=0.0).params
        env = crl_jax.to_jaxmarl(ours)
        _, state = env.reset(KEY)
        actions = by_agent(env, jnp.asarray(ours.world.correct_action))
        assert stacked(env, env.step(KEY, state, actions)[2]).sum() == 0

    def test_bad_arguments(self) -> None:
        with pytest.raises(ValueError, match="rewards must be"):
            made(rewards="team")
        with pytest.raises(ValueError, match="agent_ids must be True or False"):
            made(agent_ids=2)


class TestTheirWrappers:
    def test_logs_have_the_return(self) -> None:
        env = made(n_agents=3, horizon=4)
        for wrapper, factor in ((LogWrapper, 1), (MPELogWrapper, 3)):
            wrapped = wrapper(env)
            _, state = wrapped.reset(KEY)
            total = np.zeros(3)
            for _ in range(4):
                _, state, paid, _, infos = wrapped.step(KEY, state, by_agent(env, jnp.ones(3, int)))
                total += stacked(env, paid)
            assert infos["returned_episode"].all()
            np.testing.assert_allclose(infos["returned_episode_returns"], factor * total, rtol=1e-6)
            assert infos["returned_episode_lengths"].tolist() == [4, 4, 4]

    def test_q_learning_gets_sums_and_states(self) -> None:
        manager = CTRolloutManager(LogWrapper(made(n_agents=3)), batch_size=2)
        seen, state = manager.batch_reset(KEY)
        assert seen["agent_0"].shape == (2, 5)  # one-hot, and the agent's number
        assert seen["__all__"].shape == (2, 6)
        actions = {agent: manager.batch_sample(KEY, agent) for agent in manager.agents}
        _, _, paid, _, _ = manager.batch_step(KEY, state, actions)
        own = sum(np.asarray(paid[agent]) for agent in manager.agents)
        np.testing.assert_allclose(paid["__all__"], own, rtol=1e-6)


class TestNames:
    def test_ids_without_a_slash(self) -> None:
        register_ids()
        register_ids()
        env = jaxmarl.make("crl_sysadmin-v0", n_agents=4, rewards="global", agent_ids=True)
        assert env.num_agents == 4
        assert jaxmarl.make("MPE_simple_spread_v3").num_agents == 3
        assert jaxmarl.registered_envs.count("crl_sysadmin-v0") == 1
        with pytest.raises(ValueError, match="nothing is not in registered"):
            jaxmarl.make("nothing")
        with pytest.raises(ValueError, match="no argument 'n_agent'"):
            jaxmarl.make("crl_sysadmin-v0", n_agent=4)
        with pytest.raises(ValueError, match="max_in_flight must be 1 in JAX"):
            jaxmarl.make("crl_load_balancing-v0", max_in_flight=2)

    def test_names_with_arguments(self) -> None:
        register("four_of_ours", SYSADMIN, n_agents=4)
        register("four_of_ours", SYSADMIN, n_agents=4)
        assert jaxmarl.make("four_of_ours").num_agents == 4
        assert jaxmarl.make("four_of_ours", n_agents=6).num_agents == 6

    @pytest.mark.parametrize(
        ("name", "message"),
        [
            ("crl/sysadmin", "name must have no '/'"),
            ("my_smax", "name must have no '/' and none of"),
            ("coin_game", "name 'coin_game' is taken already"),
        ],
    )
    def test_bad_names(self, name: str, message: str) -> None:
        with pytest.raises(ValueError, match=message):
            register(name, SYSADMIN)


@pytest.mark.skipif(
    not os.environ.get("JAXMARL"), reason="no clone of JaxMARL: make test-jaxmarl JAXMARL=folder"
)
@pytest.mark.parametrize(
    ("script", "arguments"),
    [
        ("IPPO/ippo_ff_mpe.py", ["NUM_SEEDS=2"]),
        ("IPPO/ippo_rnn_mpe.py", []),
        ("MAPPO/mappo_rnn_mpe.py", []),
    ],
)
def test_their_scripts_run_as_they_are(script: str, arguments: list[str], tmp_path: Path) -> None:
    """A few updates; what they learn is in examples/jaxmarl_scripts.py."""
    path = Path(os.environ["JAXMARL"], "baselines", script).resolve()
    done = subprocess.run(
        [
            *(sys.executable, "-W", "ignore", "-m", "crl_envs.jax.jaxmarl", path),
            *("ENV_NAME=crl_sysadmin-v0", "+ENV_KWARGS.n_agents=4", "NUM_ENVS=4", "NUM_STEPS=8"),
            *("TOTAL_TIMESTEPS=96", *arguments),
        ],
        env={**os.environ, "PYTHONPATH": str(Path(__file__).parents[2])},
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
