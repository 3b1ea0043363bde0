"""Episodes played, recorded and compared.

Every check plays with actions that depend only on a seed of its own and on the masks it was given,
so two environments in the same situation are sent the same actions.
"""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from functools import partial
from typing import Any, Final, NoReturn, Protocol

import numpy as np
from gymnasium.spaces import Space

from crl_envs.testing.compare import Difference, difference, snapshot
from crl_envs.testing.errors import ConformanceError, fault, quote
from crl_envs.testing.spaces import mask_expectation, masks, sample

NO_STATE: Final = "<no state()>"
STEP_DATA: Final = ("observations", "rewards", "terminations", "truncations", "infos")
_MOST_BYTES: Final = 2**26  # of observations in an episode
_COMPARED: Final = ("agents", "possible_agents", *STEP_DATA, "state")


class ParallelEnvLike(Protocol):
    """What the checks use of PettingZoo's `ParallelEnv`, beside `possible_agents`, `state` and `state_space`."""

    @property
    def agents(self) -> list[Any]:
        """The live agents."""

    def reset(self, seed: int | None = None) -> tuple[dict[Any, Any], dict[Any, Any]]:
        """Begin an episode; observations and infos by agent."""

    def step(self, actions: dict[Any, Any], /) -> tuple[dict[Any, Any], ...]:
        """Act; observations, rewards, terminations, truncations and infos by agent."""

    def observation_space(self, agent: Any, /) -> Space[Any]:
        """Return the space of the agent's observations."""

    def action_space(self, agent: Any, /) -> Space[Any]:
        """Return the space of the agent's actions."""

    def close(self) -> object:
        """Give back what the environment holds."""


@dataclass(frozen=True)
class Raised:
    """What stands for the result of a method that raised."""

    error: str  # name of the exception
    text: str = field(compare=False)  # may hold an address


@dataclass(frozen=True, slots=True)
class Step:
    """What one `reset` or one `step` gave, copied on the spot."""

    episode: int
    index: int  # 0: reset, t: the t-th step
    acting: tuple[Any, ...]  # live agents before the step, none at reset
    agents: tuple[Any, ...]  # live agents after it
    possible_agents: tuple[Any, ...] | None  # None where the env has none
    observations: dict[Any, Any]
    rewards: dict[Any, Any]
    terminations: dict[Any, Any]
    truncations: dict[Any, Any]
    infos: dict[Any, Any]
    state: Any  # NO_STATE where the env has none, Raised where it raises
    originals: dict[str, Any]  # STEP_DATA and state as returned, not copied

    def fault(self, check: str, what: str, agent: Any = None) -> ConformanceError:
        """Return the error to raise when `check` fails here."""
        return fault(check, what, agent=agent, episode=self.episode, step=self.index)

    def expect(
        self, expectation: str | None, check: str, what: str, value: Any, agent: Any = None
    ) -> None:
        """Raise the error that `value` should have been something else; None: it is as it should be."""
        if expectation is not None:
            raise self.fault(check, f"saw {what}{quote(value)}, expected {expectation}", agent)


class Episode:
    """One episode in play: resets the environment, then steps it with random legal actions.

    Args:
        env: The environment.
        seed: Seed for `reset`; with None, `reset` is called without a seed.
        actions: Seed of the actions.
        limit: Most steps; the episode is cut off there.
        turns: Most turns of agents, that is actions; the episode is cut off at the step that reaches them, or at the
            one with which its observations fill 64 MiB.
        number: Number of the episode, for messages.

    Attributes:
        steps: What the reset and the steps gave so far.
        observation_spaces: Those of the agents seen so far, asked for when they appeared.
        action_spaces: The same of their actions.

    Raises:
        ConformanceError: `api` if the environment raises or returns something of the wrong form,
            `action-mask` if there is no drawing a legal action, `spaces` if an action has no space.
    """

    def __init__(
        self,
        env: ParallelEnvLike,
        *,
        seed: int | None,
        actions: int = 0,
        limit: int = 500,
        turns: int = 2_500,
        number: int = 0,
    ) -> None:
        self.env = env
        self.steps: list[Step] = []
        self.observation_spaces: dict[Any, Space[Any]] = {}
        self.action_spaces: dict[Any, Space[Any]] = {}
        self._number = number
        self._limit = limit
        self._turns = turns
        self._room = _MOST_BYTES
        self._rng = np.random.default_rng(actions)
        reset = env.reset if seed is None else partial(env.reset, seed=seed)
        result = self._attempt("reset", reset, {} if seed is None else {"seed": seed})
        self._record((), self._unpack(result, "reset", ("observations", "infos")))

    @property
    def over(self) -> bool:
        """Whether nobody is left to act, or the limit is reached."""
        last = self.steps[-1]
        flags = ((last.terminations.get(a), last.truncations.get(a)) for a in last.agents)
        cut = len(self.steps) > self._limit or self._turns <= 0 or self._room <= 0
        return cut or all(raised(a) or raised(b) for a, b in flags)

    def step(self) -> Step:
        """Play one step with a random legal action for every live agent."""
        last = self.steps[-1]
        actions = {agent: self._action(agent, last) for agent in last.agents}
        result = self._attempt("step", partial(self.env.step, actions), actions)
        return self._record(last.agents, self._unpack(result, "step", STEP_DATA))

    def finish(self) -> list[Step]:
        """Play to the end; all steps from the reset on."""
        return self.play(self._limit)

    def play(self, count: int) -> list[Step]:
        """Play at most `count` steps more; all steps from the reset on."""
        for _ in range(count):
            if self.over:
                break
            self.step()
        return self.steps

    def fork(self, env: ParallelEnvLike) -> Episode:
        """This episode so far, to be continued with the same actions in `env`, a copy."""
        twin = copy.copy(self)
        twin.env = env
        twin.steps = list(self.steps)
        twin._rng = copy.deepcopy(self._rng)
        return twin

    def _action(self, agent: Any, last: Step) -> Any:
        space = self.action_spaces.get(agent)
        if space is None:
            space = self.action_spaces[agent] = space_of(self.env, "action_space", agent)
        given = masks(last.observations.get(agent), last.infos.get(agent))
        mask = None
        for mask in given.values():
            last.expect(mask_expectation(space, mask), "action-mask", "", mask, agent)
        return sample(space, self._rng, mask)

    def _attempt(self, method: str, call: Callable[[], Any], given: dict[Any, Any]) -> Any:
        try:
            return call()
        except Exception as error:
            what = f"{method}() raised {type(error).__name__}: {error}; it was given {quote(given)}"
            raise self._api_fault(what) from error

    def _unpack(self, result: Any, method: str, names: Sequence[str]) -> dict[str, Any]:
        wanted = f"a tuple of {len(names)} dicts ({', '.join(names)})"
        if not isinstance(result, tuple) or len(result) != len(names):
            raise self._api_fault(f"{method}() returned {quote(result)}, expected {wanted}")
        for name, part in zip(names, result, strict=True):
            if not isinstance(part, dict):
                raise self._api_fault(
                    f"{method}() returned {quote(part)} as {name}, expected {wanted}"
                )
        return dict(zip(names, result, strict=True))

    def _api_fault(self, what: str) -> ConformanceError:
        return fault("api", what, episode=self._number, step=len(self.steps))

    def _record(self, acting: tuple[Any, ...], data: dict[str, Any]) -> Step:
        index = len(self.steps)
        agents = self._agent_list("agents")
        known = True
        with suppress(Exception):  # what else it raises is found by reading it
            known = hasattr(self.env, "possible_agents")
        possible = self._agent_list("possible_agents") if known else None
        state = read_state(self.env)
        self._meet(agents)
        self._turns -= len(acting)
        self._room -= sum(map(_size, data["observations"].values()))
        step = Step(
            episode=self._number,
            index=index,
            acting=acting,
            agents=agents,
            possible_agents=possible,
            **{name: snapshot(dict(data.get(name, {}))) for name in STEP_DATA},
            state=snapshot(state),
            originals={**data, "state": state},
        )
        self.steps.append(step)
        return step

    def _meet(self, agents: Sequence[Any]) -> None:
        for agent in agents:
            for spaces, method in (
                (self.observation_spaces, "observation_space"),
                (self.action_spaces, "action_space"),
            ):
                if agent not in spaces:
                    with suppress(ConformanceError):  # who needs it will say so
                        spaces[agent] = space_of(self.env, method, agent)

    def _agent_list(self, name: str) -> tuple[Any, ...]:
        try:
            listed = tuple(getattr(self.env, name))
            set(listed)  # agents are keys
            return listed
        except Exception as error:
            raise self._api_fault(
                f"env.{name} is no list of agents: {type(error).__name__}: {error}"
            ) from error


def raised(flag: Any) -> bool:
    """Return whether a flag says yes; for odd ones (a NumPy bool, an array, None) too."""
    return flag is not None and flag is not False and bool(np.any(flag))


def space_of(env: ParallelEnvLike, method: str, agent: Any) -> Space[Any]:
    """Return `env.observation_space(agent)` or `env.action_space(agent)`.

    Raises:
        ConformanceError: `spaces` if that raises or gives no Gymnasium space.
    """
    try:
        space = getattr(env, method)(agent)
    except Exception as error:
        what = f"{method}() raised {type(error).__name__}: {error}"
        raise fault("spaces", what, agent=agent) from error
    if not isinstance(space, Space):
        what = f"{method}() gave {quote(space)}, expected a gymnasium.spaces.Space"
        raise fault("spaces", what, agent=agent)
    return space


def read_state(env: ParallelEnvLike) -> Any:
    """Return `env.state()`, NO_STATE if the environment does not implement it, or `Raised`."""
    method = getattr(env, "state", None)
    if method is None:
        return NO_STATE
    try:
        return method()
    except NotImplementedError:
        return NO_STATE
    except Exception as error:
        return Raised(type(error).__name__, str(error))


def _size(value: Any) -> int:
    """About how many bytes an observation has."""
    if isinstance(value, dict):
        return sum(map(_size, value.values()))
    if isinstance(value, tuple | list):
        return sum(map(_size, value))
    return int(getattr(value, "nbytes", 8))


def step_difference(seen: Step, expected: Step) -> Difference | None:
    """Return the first difference of two steps, the name of the part at the head of its path."""
    for name in _COMPARED:
        found = difference(getattr(seen, name), getattr(expected, name))
        if found is not None:
            return Difference((name, *found.path), found.seen, found.expected)
    return None


def assert_same(check: str, why: str, seen: Sequence[Step], expected: Sequence[Step]) -> None:
    """Fail `check` at the first step where two episodes part.

    Args:
        check: Name of the check.
        why: What was done, and why the two should be equal.
        seen: The episode under test.
        expected: The one it should equal.

    Raises:
        ConformanceError: They are not equal bit for bit.
    """
    for step, other in zip(seen, expected, strict=False):
        found = step_difference(step, other)
        if found is not None:
            _raise_difference(check, why, step, found)
    if len(seen) != len(expected):
        what = f"saw an episode of {len(seen) - 1} steps, expected {len(expected) - 1} steps; {why}"
        raise seen[-1].fault(check, what)


def _raise_difference(check: str, why: str, step: Step, found: Difference) -> NoReturn:
    part, *path = found.path
    agent = None
    if part in STEP_DATA and path:
        agent, *path = path
    place = part + "".join(f"[{key!r}]" for key in path)
    what = f"{place}: saw {quote(found.seen)}, expected {quote(found.expected)}; {why}"
    raise step.fault(check, what, agent)


@contextmanager
def attributed_to(check: str, why: str) -> Iterator[None]:
    """Report a failure to play on, inside the block, as a fault that `check` found."""
    try:
        yield
    except ConformanceError as error:
        if error.check == check:
            raise
        raise fault(check, f"{why}: {error}", step=error.step, episode=error.episode) from error
