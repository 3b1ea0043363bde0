"""Conformance checks for anybody's PettingZoo `ParallelEnv`.

    from crl_envs.testing import check_parallel_env

    def test_my_env():
        check_parallel_env(lambda: MyEnv(n_agents=4))

`check_parallel_env` runs all of `ALL_CHECKS`. A single check takes a `Subject`, which holds the
environment and how hard to test it: `check_alias(Subject(MyEnv, max_steps=50))`.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final, NamedTuple

from crl_envs.testing.errors import ConformanceError
from crl_envs.testing.isolation import (
    check_deepcopy,
    check_global_rng,
    check_interleaved,
    check_object_store,
    check_pickle,
)
from crl_envs.testing.returned import (
    check_agents,
    check_alias,
    check_api,
    check_dtype,
    check_final_step,
    check_flags,
    check_infos,
    check_keys,
    check_masks,
    check_observation_space,
    check_rewards,
    check_spaces,
    check_state,
)
from crl_envs.testing.seeding import (
    check_determinism,
    check_reseed,
    check_seed_zero,
    check_seeds_differ,
    check_stream,
)
from crl_envs.testing.subject import EnvFn, Subject

__all__ = [
    "ALL_CHECKS",
    "Check",
    "ConformanceError",
    "Subject",
    "check_agents",
    "check_alias",
    "check_api",
    "check_deepcopy",
    "check_determinism",
    "check_dtype",
    "check_final_step",
    "check_flags",
    "check_global_rng",
    "check_infos",
    "check_interleaved",
    "check_keys",
    "check_masks",
    "check_object_store",
    "check_observation_space",
    "check_parallel_env",
    "check_pickle",
    "check_reseed",
    "check_rewards",
    "check_seed_zero",
    "check_seeds_differ",
    "check_spaces",
    "check_state",
    "check_stream",
]


class Check(NamedTuple):
    """A check and its name, which heads the messages of its errors."""

    name: str
    run: Callable[[Subject], None]


ALL_CHECKS: Final[tuple[Check, ...]] = (
    # In this order: a check may rely on what those before it have established.
    Check("api", check_api),
    Check("spaces", check_spaces),
    Check("final-step", check_final_step),
    Check("keys", check_keys),
    Check("agents", check_agents),
    Check("flags", check_flags),
    Check("infos", check_infos),
    Check("action-mask", check_masks),
    Check("reward", check_rewards),
    Check("dtype", check_dtype),
    Check("alias", check_alias),
    Check("observation-space", check_observation_space),
    Check("global-rng", check_global_rng),
    Check("determinism", check_determinism),
    Check("state", check_state),
    Check("reseed", check_reseed),
    Check("interleaved", check_interleaved),
    Check("seeds-differ", check_seeds_differ),
    Check("stream", check_stream),
    Check("seed-zero", check_seed_zero),
    Check("pickle", check_pickle),
    Check("object-store", check_object_store),
    Check("deepcopy", check_deepcopy),
)


def check_parallel_env(
    env_fn: EnvFn,
    *,
    episodes: int = 2,
    max_steps: int = 500,
    seed: int = 0,
    stochastic: bool = True,
    pickling: bool = True,
) -> None:
    """Run all checks on a PettingZoo `ParallelEnv`.

    Stricter than PettingZoo's `parallel_api_test` and `parallel_seed_test`. Actions are random,
    legal under the masks, and drawn from a generator of the checker's own. The result depends on
    `seed` only: an environment that passes once always passes.

    Args:
        env_fn: Gives a fresh environment at each call; called fewer than twenty times.
        episodes: Number of episodes that the checks of returned values look at.
        max_steps: Episodes that last longer are cut off after this many steps; that is no fault.
        seed: Base of the seeds given to `reset`, and with them of all that happens.
        stochastic: Whether the environment is random, so that episodes with different seeds, and
            successive episodes, are expected to differ. With False they may, but need not.
        pickling: Whether to check `pickle` and `deepcopy`.

    Raises:
        ConformanceError: A check failed; the message names it, the agent, the step, what was seen and
            what is expected. Later checks did not run.
        ValueError: An argument is out of range.
    """
    subject = Subject(env_fn, episodes, max_steps, seed, stochastic)
    for check in ALL_CHECKS:
        if pickling or check.name not in ("pickle", "object-store", "deepcopy"):
            check.run(subject)
