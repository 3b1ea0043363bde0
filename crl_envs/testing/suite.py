"""All checks in one call."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final, NamedTuple

from crl_envs.testing import isolation, returned, seeding
from crl_envs.testing.subject import EnvFn, Subject


class Check(NamedTuple):
    """A check and its name, which heads the messages of its errors."""

    name: str
    run: Callable[[Subject], None]


ALL_CHECKS: Final[tuple[Check, ...]] = (
    # In this order: a check may rely on what those before it have established.
    Check("api", returned.check_api),
    Check("spaces", returned.check_spaces),
    Check("final-step", returned.check_final_step),
    Check("keys", returned.check_keys),
    Check("agents", returned.check_agents),
    Check("flags", returned.check_flags),
    Check("infos", returned.check_infos),
    Check("action-mask", returned.check_masks),
    Check("reward", returned.check_rewards),
    Check("dtype", returned.check_dtype),
    Check("alias", returned.check_alias),
    Check("observation-space", returned.check_observation_space),
    Check("global-rng", isolation.check_global_rng),
    Check("determinism", seeding.check_determinism),
    Check("state", returned.check_state),
    Check("reseed", seeding.check_reseed),
    Check("interleaved", isolation.check_interleaved),
    Check("seeds-differ", seeding.check_seeds_differ),
    Check("stream", seeding.check_stream),
    Check("seed-zero", seeding.check_seed_zero),
    Check("pickle", isolation.check_pickle),
    Check("object-store", isolation.check_object_store),
    Check("deepcopy", isolation.check_deepcopy),
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
