"""Checks of what an environment returns: spaces, keys, types and values, step by step.

All but `check_spaces` and `check_state` read the one reference recording of the subject.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from itertools import product
from numbers import Real
from typing import Any, Final

import numpy as np
from gymnasium.spaces import Space

from crl_envs.testing.compare import difference
from crl_envs.testing.errors import quote
from crl_envs.testing.rollouts import (
    NO_STATE,
    STEP_DATA,
    ParallelEnvLike,
    Raised,
    Step,
    assert_same,
    raised,
    read_state,
    space_of,
)
from crl_envs.testing.spaces import (
    dtype_expectation,
    mask_expectation,
    masks,
    membership_expectation,
)
from crl_envs.testing.subject import BRIEF, Subject

_SPACES: Final = ("observation_space", "action_space")


def check_api(subject: Subject) -> None:
    """`reset` gives two dicts and `step` five, and neither raises on legal actions.

    Raises:
        ConformanceError: `api`; or `action-mask` or `spaces` if it is for such a reason that the
            episodes cannot be played.
    """
    if subject.reference.broken is not None:
        raise subject.reference.broken
    first = subject.reference.episodes[0][0]
    if first.possible_agents is None and not subject.generated:
        what = "env.possible_agents is missing (generated=True if agents are made during play)"
        raise first.fault("api", what)


def check_spaces(subject: Subject) -> None:
    """`observation_space(agent)` and `action_space(agent)` are one object for the life of the env.

    They are asked for before the first reset, and after every reset and step. Catches a space built
    anew at each call, or at each reset: a seed given to it is lost, and a learner that built its
    network on the first one may be fed data of another.

    Raises:
        ConformanceError: `spaces`.
    """
    possible = subject.reference.episodes[0][0].possible_agents
    with subject.fresh() as env:
        first = {
            (method, agent): space_of(env, method, agent)
            for method in _SPACES
            for agent in possible or ()
        }
        for k in range(2):
            episode = subject.begin(env, k, number=k)
            _compare_spaces(env, episode.steps[-1], first)
            while not episode.over and len(episode.steps) <= BRIEF:
                _compare_spaces(env, episode.step(), first)


def _compare_spaces(env: ParallelEnvLike, step: Step, first: dict[tuple[str, Any], Any]) -> None:
    for method, agent in {**first, **dict.fromkeys(product(_SPACES, step.agents))}:
        space = space_of(env, method, agent)
        if first.setdefault((method, agent), space) is not space:
            what = f"{method}() gave a new object {space}, expected the same object every time"
            raise step.fault("spaces", what, agent)


def check_final_step(subject: Subject) -> None:
    """The step that ends an agent still returns that agent's data.

    Catches dicts that are built from `env.agents` after the ended agents left it: the last reward
    and the flag that says why the episode ended are lost.

    Raises:
        ConformanceError: `final-step`.
    """
    for step in subject.reference.steps:
        for agent in [a for a in step.acting if a not in step.agents]:
            missing = [name for name in STEP_DATA if agent not in getattr(step, name)]
            if missing:
                what = (
                    f"the agent's last {', '.join(missing)} missing, "
                    f"expected data for all agents that acted"
                )
                raise step.fault("final-step", what, agent)


def check_keys(subject: Subject) -> None:
    """The keys of every returned dict are the live agents: those that acted, and those that joined.

    Raises:
        ConformanceError: `keys`.
    """
    for step in subject.reference.steps:
        expected = {*step.acting, *step.agents}
        for name in ("observations", "infos") if step.index == 0 else STEP_DATA:
            keys = set(getattr(step, name))
            if keys != expected:
                what = (
                    f"{name} lack {_listed(expected - keys)} and have {_listed(keys - expected)} "
                    f"too much, expected the live agents as keys"
                )
                raise step.fault("keys", what)


def _listed(agents: set[Any]) -> str:
    return ", ".join(sorted(map(repr, agents))) or "none"


def check_agents(subject: Subject) -> None:
    """`env.agents` follows the flags, and `env.possible_agents` never changes.

    Catches ended agents that stay, agents that leave without a flag, agents that come back within
    the episode, agents outside `possible_agents`, duplicates, and an episode that starts without
    agents.

    Raises:
        ConformanceError: `agents`.
    """
    possible = subject.reference.episodes[0][0].possible_agents
    for episode in subject.reference.episodes:
        ended: set[Any] = set()
        for step in episode:
            if step.possible_agents != possible:
                seen, expected = (quote(list(a or ())) for a in (step.possible_agents, possible))
                raise step.fault(
                    "agents", f"possible_agents changed: saw {seen}, expected {expected}"
                )
            twice = len(set(step.agents)) != len(step.agents)
            foreign = possible is not None and not {*step.agents} <= {*possible}
            if twice or (foreign and not subject.generated):
                what = (
                    f"saw agents {quote(list(step.agents))}, expected some of possible_agents, each once"
                    f"{'' if twice else ' (generated=True if agents are made during play)'}"
                )
                raise step.fault("agents", what)
            if step.index == 0 and not step.agents:
                raise step.fault("agents", "saw no live agents after reset, expected at least one")
            for agent in step.acting:
                _check_departure(step, agent)
            ended |= set(step.acting) - set(step.agents)
            for agent in [a for a in step.agents if a in ended]:
                what = "an ended agent is live again, expected it to stay out"
                raise step.fault("agents", what, agent)


def _check_departure(step: Step, agent: Any) -> None:
    flags = (step.terminations.get(agent), step.truncations.get(agent))
    ended = any(map(raised, flags))
    if ended and agent in step.agents:
        what = (
            f"ended (terminated, truncated = {flags}) but still in env.agents, expected it to leave"
        )
        raise step.fault("agents", what, agent)
    if not ended and agent not in step.agents:
        what = f"left env.agents with terminated, truncated = {flags}, expected one of them True"
        raise step.fault("agents", what, agent)


def check_dtype(subject: Subject) -> None:
    """Observations have exactly the type and dtype that their space states.

    Catches float64 arrays in a float32 space, and lists in place of arrays. A Discrete observation
    may be a Python int or any NumPy integer.

    Raises:
        ConformanceError: `dtype`.
    """
    _check_observations(subject, "dtype", dtype_expectation)


def check_observation_space(subject: Subject) -> None:
    """Observations lie in their space and are finite.

    Raises:
        ConformanceError: `observation-space`.
    """
    _check_observations(subject, "observation-space", membership_expectation)


def _check_observations(
    subject: Subject, check: str, expectation: Callable[[Any, Any], str | None]
) -> None:
    spaces = subject.reference.observation_spaces
    for step in subject.reference.steps:
        for agent, seen in step.observations.items():
            if agent in spaces:
                step.expect(expectation(spaces[agent], seen), check, "observation ", seen, agent)


def check_rewards(subject: Subject) -> None:
    """Rewards are finite real numbers: Python or NumPy ones, or arrays of size one.

    Catches NaN and infinities, bools, strings, None, and arrays of more than one number. With `vector_rewards` they are
    1-D arrays of finite numbers, all of the same length.

    Raises:
        ConformanceError: `reward`.
    """
    if subject.vector_rewards:
        _check_vectors(subject)
        return
    for step in subject.reference.steps:
        for agent, reward in step.rewards.items():
            one = isinstance(reward, np.ndarray) and reward.size == 1
            number = reward.item() if one else reward
            real = isinstance(number, Real) and not isinstance(number, bool)
            if not real or not abs(number) < math.inf:  # an int may be too large for a float
                vector = isinstance(reward, np.ndarray) and reward.ndim == 1
                hint = " (vector_rewards=True for several objectives)" if vector else ""
                step.expect(f"a finite number{hint}", "reward", "reward ", reward, agent)


def _check_vectors(subject: Subject) -> None:
    size = None
    for step in subject.reference.steps:
        for agent, reward in step.rewards.items():
            numbers = isinstance(reward, np.ndarray) and reward.dtype.kind in "iuf"
            if not numbers or reward.ndim != 1 or not reward.size or not np.isfinite(reward).all():
                step.expect("a 1-D array of finite numbers", "reward", "reward ", reward, agent)
            size = len(reward) if size is None else size
            if len(reward) != size:
                what = f"{size} numbers as in earlier rewards"
                step.expect(what, "reward", "reward ", reward, agent)


def check_flags(subject: Subject) -> None:
    """Terminations and truncations are Python bools.

    Catches `np.bool_` (of which `is True` is false, and which JSON cannot write), 0 and 1, and
    None.

    Raises:
        ConformanceError: `flags`.
    """
    for step in subject.reference.steps:
        for name in ("terminations", "truncations"):
            for agent, flag in getattr(step, name).items():
                if type(flag) is not bool:
                    step.expect("a Python bool", "flags", f"{name} flag ", flag, agent)


def check_infos(subject: Subject) -> None:
    """Every agent's info is a dict.

    Raises:
        ConformanceError: `infos`.
    """
    for step in subject.reference.steps:
        for agent, info in step.infos.items():
            if not isinstance(info, dict):
                step.expect("a dict", "infos", "info ", info, agent)


def check_masks(subject: Subject) -> None:
    """Action masks, where there are any, are int8, of the right length, 0 or 1, and never all zero.

    A mask lies in `infos[agent]["action_mask"]` or, if the observation is a dict, in
    `observation["action_mask"]`; if in both, the two agree. The masks of an agent's last step count
    too: the value of a truncated state is a maximum over its legal actions.

    Raises:
        ConformanceError: `action-mask`.
    """
    for step in subject.reference.steps:
        for agent, space in subject.reference.action_spaces.items():
            given = masks(step.observations.get(agent), step.infos.get(agent))
            for place, mask in given.items():
                expectation = mask_expectation(space, mask)
                if expectation is not None:
                    what = f"saw mask {quote(mask)} in the {place}, expected {expectation}"
                    raise step.fault("action-mask", what, agent)
            if len(given) == 2 and difference(*given.values()) is not None:
                shown = " and ".join(f"{quote(m)} in the {place}" for place, m in given.items())
                raise step.fault("action-mask", f"saw masks {shown}, expected the same mask", agent)


def check_state(subject: Subject) -> None:
    """`state()`, if there is one, gives an array, the same at each call, and in `state_space`.

    Catches a state that is drawn anew at each call, a `state()` that moves the environment's random
    stream (the same episode without the extra calls goes on differently), a wrong dtype, and
    non-finite numbers. Without a `state_space` any finite array will do.

    Raises:
        ConformanceError: `state`.
    """
    reference = subject.reference
    if reference.episodes[0][0].state is NO_STATE:
        return
    for step in reference.steps:
        if isinstance(step.state, Raised):
            what = f"state() raised {step.state.error}: {step.state.text}"
            raise step.fault("state", what)
        _check_state_value(step, reference.state_space)
    with subject.fresh() as env:
        episode = subject.begin(env, 0)
        while True:
            step = episode.steps[-1]
            for _ in range(2):
                again = read_state(env)
                if difference(again, step.state) is not None:
                    what = f"saw {quote(again)}, expected {quote(step.state)} as at the call before"
                    raise step.fault("state", what)
            if episode.over:
                break
            episode.step()
        why = "more calls of state() must not change the episode"
        assert_same("state", why, episode.steps, reference.episodes[0])


def _check_state_value(step: Step, space: Any) -> None:
    if space is not None and not isinstance(space, Space):
        what = f"state_space is {quote(space)}, expected a gymnasium.spaces.Space"
        raise step.fault("state", what)
    if space is not None:
        expectation = membership_expectation(space, step.state)
    elif not isinstance(step.state, np.ndarray) or step.state.dtype == object:
        expectation = "an array of numbers"
    elif step.state.dtype.kind in "fc" and not np.isfinite(step.state).all():
        expectation = "finite numbers"
    else:
        return
    step.expect(expectation, "state", "state ", step.state)


def check_alias(subject: Subject) -> None:
    """What was returned earlier is not changed by a later step or reset.

    Catches a buffer that is handed out and then written again, which makes every transition in a
    replay memory hold the newest observation. Rewards, flags, infos (with their masks), the dicts
    themselves and `state()` are held to the same rule.

    Raises:
        ConformanceError: `alias`.
    """
    for step in subject.reference.steps:
        for name, original in step.originals.items():
            kept = getattr(step, name)
            now = dict(original) if isinstance(original, dict) and name != "state" else original
            found = difference(now, kept)
            if found is not None:
                agent = found.path[0] if found.path and name in STEP_DATA else None
                what = (
                    f"what was returned here ({name}) was overwritten later: "
                    f"saw {quote(found.seen)}, expected {quote(found.expected)} still"
                )
                raise step.fault("alias", what, agent)
