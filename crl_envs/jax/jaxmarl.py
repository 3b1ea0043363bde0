"""JaxMARL: worlds in JAX as its ``MultiAgentEnv``, and under names that its scripts take.

    from crl_envs import jax as crl_jax
    env = crl_jax.to_jaxmarl(crl_jax.make("crl/sysadmin-v0", n_agents=5), rewards="local")

JaxMARL's own scripts run as they are, with this module in front of them:

    python -m crl_envs.jax.jaxmarl JaxMARL/baselines/IPPO/ippo_ff_mpe.py \
        ENV_NAME=crl_sysadmin-v0 +ENV_KWARGS.n_agents=5 +ENV_KWARGS.horizon=20

Or with names of your own, for scripts that hand no arguments to ``jaxmarl.make``:

    from crl_envs.jax.jaxmarl import register, run
    register("ring_of_five", "crl/sysadmin-v0", n_agents=5, horizon=20, rewards="global")
    run("JaxMARL/baselines/IPPO/ippo_rnn_mpe.py", "ENV_NAME=ring_of_five")

Tested with jaxmarl 0.2.0 (jax 0.10.2, flax 0.12.8) and its scripts at c793d09.
"""

from __future__ import annotations

import runpy
import sys
from functools import partial
from pathlib import Path
from typing import Any, Final

from crl_envs.adapters.library import require
from crl_envs.core.arguments import check_choice, shown
from crl_envs.core.encoding import AgentEncoder
from crl_envs.core.returns import REWARDS, Rewards
from crl_envs.jax.env import JaxEnv, State, make
from crl_envs.registration import registered_ids

require("jaxmarl", "0.2.0", "pip install jaxmarl")

import jax  # noqa: E402
import jax.numpy as jnp  # noqa: E402
import jaxmarl  # noqa: E402
from jax import Array  # noqa: E402
from jaxmarl import registration  # noqa: E402
from jaxmarl.environments.multi_agent_env import MultiAgentEnv  # noqa: E402
from jaxmarl.environments.spaces import Box, Discrete  # noqa: E402

ByAgent = dict[str, Array]

_SPECIAL: Final = ("smax", "overcooked", "hanabi")  # JaxMARL's scripts treat these otherwise
_NAMES: dict[str, tuple[str, dict[str, Any]]] = {}
_theirs = registration.make


class JaxMARLEnv(MultiAgentEnv):
    """A world with dicts by agent, as JaxMARL's wrappers and algorithms expect it.

    An episode that begins with a key has the numbers of `JaxEnv.reset` with that key, and so those of
    `crl_envs.make_vec` with its seed. The state carries the random stream on: keys of `step` change nothing, and the
    episode after the last is the stream's next one. As elsewhere in JaxMARL, `step` gives the observations of a new
    episode when one has ended.

    Args:
        env: The world; its own ``autoreset`` doesn't matter here.
        rewards: What agents get: ``"local"``, their own, ``"neighborhood"``, the means over their neighbourhoods, or
            ``"global"``, the mean over agents.
        agent_ids: Whether observations end in the agent's number, one-hot: without it, a network that all share can't
            tell agents apart that observe the same.

    Attributes:
        agents: Names ``agent_0`` … ``agent_{n−1}``.

    Raises:
        ValueError: A bad argument.
    """

    def __init__(self, env: JaxEnv, rewards: Rewards = "local", agent_ids: bool = False) -> None:
        super().__init__(env.n_agents)
        self._rewards = check_choice("rewards", rewards, REWARDS)
        self._env = JaxEnv(env.world, autoreset=False)
        self._env.params = env.params
        space = AgentEncoder(env.observation_space, env.n_agents, agent_ids).space
        self._ids = jnp.eye(env.n_agents, env.n_agents * agent_ids)
        seen = Box(jnp.asarray(space.low), jnp.asarray(space.high), space.shape)
        self.observation_spaces = dict.fromkeys(self.agents, seen)
        self.action_spaces = dict.fromkeys(self.agents, Discrete(int(env.action_space.n)))

    @property
    def name(self) -> str:
        """``crl_`` and the world's name."""
        return f"crl_{self._env.world.name}"

    @property
    def agent_classes(self) -> dict[str, list[str]]:
        """All agents, in one class."""
        return {"agents": self.agents}

    @partial(jax.jit, static_argnums=0)
    def reset(self, key: Array) -> tuple[ByAgent, State]:
        """Begin an episode.

        Args:
            key: Of ``jax.random``, whose bits seed the world's stream; or an integer's, from `crl_envs.jax.pair`.
        """
        _, state = self._env.reset(key)
        return self.get_obs(state), state

    @partial(jax.jit, static_argnums=0)
    def step(
        self, key: Array, state: State, actions: ByAgent, reset_state: State | None = None
    ) -> tuple[ByAgent, State, ByAgent, ByAgent, ByAgent]:
        """Let all agents act, and begin the next episode if that ended one.

        Args:
            key: Not used: the state has the stream.
            state: Where the episode is.
            actions: Integers, of shape () or (1,) for each agent.
            reset_state: What the next episode begins with; None: what the stream gives.

        Returns:
            Observations, state, rewards, dones and infos as of `step_env`; the first two of the next episode where one
            has ended.
        """
        _, state, rewards, dones, infos = self.step_env(key, state, actions)
        done = dones["__all__"]
        if reset_state is None:
            state = self._env.restart(state, done)
        else:
            state = jax.tree.map(partial(jnp.where, done), reset_state, state)
        return self.get_obs(state), state, rewards, dones, infos

    @partial(jax.jit, static_argnums=0)
    def step_env(
        self, key: Array, state: State, actions: ByAgent
    ) -> tuple[ByAgent, State, ByAgent, ByAgent, ByAgent]:
        """Let all agents act, and stay where that leads.

        Returns:
            Observations `float32[d]`; the state; rewards `float32`; dones, also for ``"__all__"``: JaxMARL doesn't tell
            a horizon from an end; infos with an entry an agent, as JaxMARL's scripts want them: ``truncated``
            ``bool[n]``, whether it was the horizon, and ``illegal_action`` ``bool[n]``.
        """
        action = jnp.stack([jnp.reshape(actions[agent], ()) for agent in self.agents])
        _, state, rewards, done, info = self._env.step(state, action)
        rewards = self._env.paid_as(rewards, self._rewards)
        infos = {
            "truncated": jnp.broadcast_to(info["truncated"], rewards.shape),
            "illegal_action": info["illegal_action"],
        }
        dones = dict.fromkeys([*self.agents, "__all__"], done)
        return self.get_obs(state), state, self._by_agent(rewards), dones, infos

    @partial(jax.jit, static_argnums=0)
    def get_obs(self, state: State) -> ByAgent:
        """Return one-hot observations ``float32[d]``, and `world_state` under ``"world_state"``, as SMAX does."""
        rows = self._env.encode(self._env.observe(state)[..., None])[0]
        rows = jnp.concatenate([rows, self._ids], axis=1)
        return {**self._by_agent(rows), "world_state": self.world_state(state)}

    @partial(jax.jit, static_argnums=0)
    def get_avail_actions(self, state: State) -> ByAgent:
        """Return masks ``bool[A]`` of the legal actions."""
        mask = self._env.action_mask(state)
        if mask is None:
            mask = jnp.ones((self.num_agents, int(self._env.action_space.n)))
        return self._by_agent(mask > 0)

    def world_state(self, state: State) -> Array:
        """Return the full state, one-hot, for centralised critics: ``float32[world_state_size()]``."""
        return self._env.encode_state(state)

    def world_state_size(self) -> int:
        """Return how many numbers `world_state` has."""
        return self._env.encoded_state_size

    def _by_agent(self, rows: Array) -> ByAgent:
        return dict(zip(self.agents, rows, strict=True))


def to_jaxmarl(env: JaxEnv, rewards: Rewards = "local", agent_ids: bool = False) -> JaxMARLEnv:
    """Return an environment for JaxMARL; see `JaxMARLEnv`.

    Args:
        env: From `crl_envs.jax.make`.
        rewards: ``"local"``, ``"neighborhood"`` or ``"global"``.
        agent_ids: Whether observations end in the agent's number.

    Raises:
        ValueError: A bad argument.
    """
    return JaxMARLEnv(env, rewards, agent_ids)


def register(name: str, id: str, **kwargs: Any) -> None:
    """Let ``jaxmarl.make`` take a name for one of our environments.

    JaxMARL has no registry to add to, and so its function is replaced by one that asks it for all other names. Call
    this before a module says ``from jaxmarl import make``.

    Args:
        name: Without ``/``, since JaxMARL's scripts name files after it; nor with ``smax``, ``overcooked`` or
            ``hanabi``, by which they know these.
        id: A registered id whose world has a JAX form.
        **kwargs: Arguments of the environment, and `rewards` and `agent_ids` of `to_jaxmarl`; those of
            ``jaxmarl.make`` override them.

    Raises:
        ValueError: A bad name, or one that is JaxMARL's or another environment's.
    """
    if "/" in name or any(word in name.lower() for word in _SPECIAL):
        raise ValueError(f"name must have no '/' and none of {_SPECIAL} in it, got {shown(name)}")
    if _NAMES.get(name) == (id, kwargs):
        return
    if name in registration.registered_envs:
        raise ValueError(f"name {shown(name)} is taken already")
    registration.registered_envs.append(name)
    _NAMES[name] = id, kwargs
    registration.make = jaxmarl.make = _make


def register_ids() -> None:
    """Register every id ``crl/name-v0`` as ``crl_name-v0``."""
    for id in registered_ids():
        register(id.replace("/", "_"), id)


def run(script: str, *arguments: str) -> None:
    """Run a script that calls ``jaxmarl.make``, as ``python script arguments`` would, with our ids there."""
    register_ids()
    sys.argv = [script, *arguments]
    sys.path.insert(0, str(Path(script).resolve().parent))
    runpy.run_path(script, run_name="__main__")


def _make(env_id: str, **env_kwargs: Any) -> Any:
    if env_id not in _NAMES:
        return _theirs(env_id, **env_kwargs)
    id, given = _NAMES[env_id]
    kwargs = {**given, **env_kwargs}
    ours = {name: kwargs.pop(name) for name in ("rewards", "agent_ids") if name in kwargs}
    return to_jaxmarl(make(id, **kwargs), **ours)


if __name__ == "__main__":
    if len(sys.argv) == 1:
        sys.exit("usage: python -m crl_envs.jax.jaxmarl script.py [its arguments]")
    from crl_envs.jax.jaxmarl import run  # not that of __main__, which the script becomes

    run(*sys.argv[1:])
