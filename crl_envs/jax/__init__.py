"""Worlds inside ``jit``, ``vmap`` and ``scan``; needs the extra ``jax``.

import jax
from crl_envs import jax as crl_jax

env = crl_jax.make("crl/sysadmin-v0", n_agents=100)
observations, state = env.reset(0, num_envs=1024)            # [100, 1024]
observations, state, rewards, done, info = jax.jit(env.step)(state, observations == 0)
"""

from typing import Any

from crl_envs.adapters.library import require

require("jax", "0.8", extra="jax")

from crl_envs.jax.env import JaxEnv, State, make  # noqa: E402
from crl_envs.jax.stream import pair  # noqa: E402

__all__ = ["JaxEnv", "State", "make", "pair", "to_jaxmarl"]


def __getattr__(name: str) -> Any:
    if name == "to_jaxmarl":
        from crl_envs.jax.jaxmarl import to_jaxmarl  # needs JaxMARL

        return to_jaxmarl
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
