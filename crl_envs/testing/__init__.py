"""Conformance checks for anybody's PettingZoo `ParallelEnv`.

    from crl_envs.testing import check_parallel_env

    def test_my_env():
        check_parallel_env(lambda: MyEnv(n_agents=4))

`check_parallel_env` runs all of `ALL_CHECKS`. A single check takes a `Subject`, which holds the
environment and how hard to test it: `check_alias(Subject(MyEnv, max_steps=50))`.
"""

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
from crl_envs.testing.subject import Subject
from crl_envs.testing.suite import ALL_CHECKS, Check, check_parallel_env

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
