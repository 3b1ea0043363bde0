"""Conformance checks for anybody's PettingZoo `ParallelEnv`.

    from crl_envs.testing import check_parallel_env

    def test_my_env():
        check_parallel_env(lambda: MyEnv(n_agents=4))

`check_parallel_env` runs all of `ALL_CHECKS` up to the first that fails, `find_faults` runs all and
returns what they find. A single check takes a `Subject`, which holds the environment and how hard to
test it: `check_alias(Subject(MyEnv, max_steps=50))`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Final, NamedTuple, Unpack

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
from crl_envs.testing.subject import EnvFn, Settings, Subject
from crl_envs.testing.views import check_views

__all__ = [
    "ALL_CHECKS",
    "Check",
    "ConformanceError",
    "Settings",
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
    "check_views",
    "find_faults",
]

_COPYING: Final = (check_pickle, check_object_store, check_deepcopy)


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
    Check("views", check_views),
    Check("pickle", check_pickle),
    Check("object-store", check_object_store),
    Check("deepcopy", check_deepcopy),
)
"""All checks, in the order in which they are run."""


def check_parallel_env(env_fn: EnvFn, **settings: Unpack[Settings]) -> None:
    """Run all checks on a PettingZoo `ParallelEnv`, up to the first that fails.

    Stricter than PettingZoo's `parallel_api_test` and `parallel_seed_test`. Actions are random,
    legal under the masks, and drawn from a generator of the checker's own. The result depends on
    `seed` only: an environment that passes once always passes.

    Args:
        env_fn: Gives a fresh environment at each call.
        **settings: Fields of `Subject`: how hard to test, and what the environment needn't do.

    Raises:
        ConformanceError: A check failed; the message names it, the agent, the step, what was seen and
            what is expected. Later checks did not run: `find_faults` runs them.
        ValueError: An argument is out of range.
    """
    for found in _faults(Subject(env_fn, **settings)):
        raise found


def find_faults(env_fn: EnvFn, **settings: Unpack[Settings]) -> list[ConformanceError]:
    """Run all checks on a PettingZoo `ParallelEnv`, and return what each of them finds.

    Each check reports the first fault that it finds; none reports again what an earlier one has, and because of
    which it can't play on.

    Args:
        env_fn: Gives a fresh environment at each call.
        **settings: As for `check_parallel_env`.

    Returns:
        The faults, at most one a check; empty for an environment that conforms.

    Raises:
        ValueError: An argument is out of range.
    """
    return list(_faults(Subject(env_fn, **settings)))


def _faults(subject: Subject) -> Iterator[ConformanceError]:
    found: set[str] = set()  # names of checks, and texts
    for check in ALL_CHECKS:
        if check.run in _COPYING and not subject.pickling:
            continue
        try:
            check.run(subject)
        except ConformanceError as error:
            text = str(error).partition("] ")[2]
            if not found & {error.check, _root(error).check, text}:
                yield error
            found |= {error.check, text}
            if check.run is check_api and "reference" not in vars(subject):
                return  # there is nothing to look at
            if error.check in ("api", "seeds-differ"):  # then too little is seen to differ later on
                subject = subject.relaxed()


def _root(error: ConformanceError) -> ConformanceError:
    """Return the fault because of which a check couldn't play on."""
    while isinstance(error.__cause__, ConformanceError):
        error = error.__cause__
    return error
