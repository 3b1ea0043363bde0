"""`DecPOMDP`: a finite decentralised partially observable decision process as a value."""

from __future__ import annotations

import math
import os
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from crl_envs.core import archive
from crl_envs.core.arguments import check_real, shown
from crl_envs.core.world import frozen
from crl_envs.decpomdp.reader import MOST_ENTRIES, Names, Table, parsed, written

_KIND: Final = "crl-envs Dec-POMDP 1"
_TOLERANCE: Final = 1e-6  # files have few digits
_MOST: Final = 250  # actions and observations of an agent are uint8, and there is one more for nothing seen yet
_MOST_STATES: Final = 65_536


@dataclass(frozen=True, eq=False)
class DecPOMDP:
    """A team of n agents that see different things (Bernstein et al. 2002): finite, with one reward for all.

    The world has a state s; each agent i takes an action a_i; the next state is s', and agent i observes o_i:

        P(s' | s, a) = transition[a, s, s']     P(o | a, s') = observation[a, s', o]     R = reward[a, s, s', o]

    with a and o the numbers of the joint action and the joint observation, of which the last agent's changes fastest.
    The reward may have one entry along s' and along o, where it depends on neither.

    Values are compared (``==``), saved and loaded.

    Attributes:
        transition: ``float64[J, S, S]``.
        observation: ``float64[J, S, Z]``.
        reward: ``float64[J, S, S or 1, Z or 1]``, or ``[J, S]``: the team's.
        start: ``float64[S]``, the first state's probabilities.
        actions: For each agent its number of actions or their names; their product is J.
        observations: The same of observations; their product is Z.
        states: Names of the states; default ``"0"``, ``"1"``, ….
        discount: What a planner weighs each further step with, in (0, 1]. Default 1. Environments don't discount.

    Raises:
        ValueError: Shapes that don't fit each other, more than 250 actions or observations of an agent, probabilities
            that are negative or don't sum to 1 (within 10^−6; they are normalised), rewards that aren't finite.
    """

    transition: Table
    observation: Table
    reward: Table
    start: Table
    actions: tuple[Names, ...]
    observations: tuple[Names, ...]
    states: Names = ()
    discount: float = 1.0

    def __post_init__(self) -> None:
        actions = _sets("actions", self.actions)
        observations = _sets("observations", self.observations)
        if len(actions) != len(observations):
            raise ValueError(
                f"observations must be those of {len(actions)} agents, as actions, got {len(observations)}"
            )
        j, z = (math.prod(map(len, sets)) for sets in (actions, observations))
        start = _array("start", self.start, 1)
        s = start.size
        if s > _MOST_STATES:
            raise ValueError(f"start must have at most {_MOST_STATES} states, got {s}")
        reward = _array("reward", self.reward, 2, 4)
        reward = reward.reshape(reward.shape + (1,) * (4 - reward.ndim))
        shape: tuple[int, ...] = reward.shape
        if shape[:2] != (j, s) or shape[2] not in (1, s) or shape[3] not in (1, z):
            raise ValueError(
                f"reward must have shape ({j}, {s}) or ({j}, {s}, {s} or 1, {z} or 1), got {np.shape(self.reward)}"
            )
        values: dict[str, Any] = {"start": _distributions("start", start, (s,))}
        for name, wanted in (("transition", (j, s, s)), ("observation", (j, s, z))):
            table = _array(name, getattr(self, name), 3)
            values[name] = _distributions(name, table, wanted)
        states = _names("states", self.states or s)
        if len(states) != s:
            raise ValueError(f"states must be {s} names, got {len(states)}")
        discount = check_real("discount", self.discount, low=0, high=1, open_low=True)
        values |= {"reward": frozen(reward), "states": states, "discount": discount}
        values |= {"actions": actions, "observations": observations}
        for name, value in values.items():
            object.__setattr__(self, name, value)

    @property
    def n_agents(self) -> int:
        """Number of agents n."""
        return len(self.actions)

    @property
    def n_states(self) -> int:
        """Number of states S."""
        return len(self.states)

    @property
    def n_actions(self) -> tuple[int, ...]:
        """Each agent's number of actions."""
        return tuple(map(len, self.actions))

    @property
    def n_observations(self) -> tuple[int, ...]:
        """Each agent's number of observations."""
        return tuple(map(len, self.observations))

    @cached_property
    def joint_actions(self) -> NDArray[np.int64]:
        """``int64[J, n]``: each agent's part of each joint action."""
        return _digits(self.n_actions)

    @cached_property
    def joint_observations(self) -> NDArray[np.int64]:
        """``int64[Z, n]``: each agent's part of each joint observation."""
        return _digits(self.n_observations)

    @cached_property
    def expected_reward(self) -> Table:
        """``float64[J, S]``: mean of the reward over the next state and the joint observation."""
        by_next = np.einsum("jtz,jstz->jst", self.observation, np.broadcast_to(
            self.reward, (*self.transition.shape, self.reward.shape[3])
        )) if self.reward.shape[3] > 1 else self.reward[..., 0]  # fmt: skip
        paid: Table = (self.transition * by_next).sum(axis=2)
        return paid

    def undiscounted(self) -> DecPOMDP:
        """Return the same with a discount of 1, as environments pay."""
        return self if self.discount == 1 else replace(self, discount=1.0)

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, DecPOMDP):
            return NotImplemented
        mine, theirs = self._arrays(), other._arrays()
        return self._named() == other._named() and all(
            np.array_equal(mine[name], theirs[name]) for name in mine
        )

    __hash__ = None  # type: ignore[assignment]  # arrays

    def __repr__(self) -> str:
        sizes = (" × ".join(map(str, counts)) for counts in (self.n_actions, self.n_observations))
        return "DecPOMDP({} agents, {} states, {} actions, {} observations)".format(
            self.n_agents, self.n_states, *sizes
        )

    def save(self, path: str | os.PathLike[str]) -> None:
        """Write it to exactly `path`: as a problem file where its name ends in .dpomdp, else as .npz without pickle."""
        if Path(path).suffix == ".dpomdp":
            Path(path).write_text(written(self), encoding="utf-8")
            return
        archive.write(path, _KIND, self._named(), self._arrays())

    @classmethod
    def load(cls, path: str | os.PathLike[str]) -> DecPOMDP:
        """Return what is in a file, by its name a .dpomdp or an archive.

        Raises:
            ValueError: The file holds no Dec-POMDP; the message names it, and in a .dpomdp line and column.
            OSError: The file can't be opened.
        """
        if Path(path).suffix == ".dpomdp":
            try:
                return cls(**parsed(Path(path).read_text(encoding="utf-8-sig")))
            except ValueError as error:  # of an encoding, too
                raise ValueError(f"{os.fspath(path)} is not a Dec-POMDP: {error}") from error
        meta, arrays = archive.read(path, _KIND, "a Dec-POMDP")
        try:
            named = {k: tuple(map(tuple, meta[k])) for k in ("actions", "observations")}
            return cls(
                **{k: arrays[k] for k in ("transition", "observation", "reward", "start")},
                actions=named["actions"],
                observations=named["observations"],
                states=tuple(meta["states"]),
                discount=meta["discount"],
            )
        except Exception as error:  # anything may be missing
            raise ValueError(f"{os.fspath(path)} is not a Dec-POMDP: {error}") from error

    def _named(self) -> dict[str, Any]:
        names = ("actions", "observations", "states", "discount")
        return {name: getattr(self, name) for name in names}

    def _arrays(self) -> dict[str, NDArray[Any]]:
        names = ("transition", "observation", "reward", "start")
        return {name: getattr(self, name) for name in names}


def _digits(sizes: Sequence[int]) -> NDArray[np.int64]:
    made: NDArray[np.int64] = np.stack(
        np.unravel_index(np.arange(math.prod(sizes)), tuple(sizes)), axis=1
    ).astype(np.int64)
    made.setflags(write=False)
    return made


def _sets(name: str, given: Any) -> tuple[Names, ...]:
    if isinstance(given, str) or not isinstance(given, Sequence) or not given:
        raise ValueError(f"{name} must be a number or names for each agent, got {shown(given)}")
    made = tuple(_names(name, one) for one in given)
    if max(map(len, made)) > _MOST:
        raise ValueError(f"{name} must be at most {_MOST} for each agent")
    if math.prod(map(len, made)) > MOST_ENTRIES:
        raise ValueError(f"{name} must have at most {MOST_ENTRIES} combinations")
    return made


def _names(name: str, given: Any) -> Names:
    if isinstance(given, int | np.integer) and not isinstance(given, bool) and 0 < given <= _MOST_STATES:  # fmt: skip
        return tuple(map(str, range(given)))
    fits = isinstance(given, Sequence) and not isinstance(given, str) and len(given) > 0
    if not fits or not all(isinstance(word, str) for word in given):
        raise ValueError(f"{name} must be numbers ≥ 1 or lists of names, got {shown(given)}")
    if len(set(given)) < len(given):
        raise ValueError(f"{name} must have different names, got {shown(given)}")
    return tuple(given)


def _array(name: str, given: Any, *dimensions: int) -> Table:
    try:
        table = np.array(given)
    except Exception:  # anything at all may have been given
        table = np.array(None)
    wanted = " or ".join(map(str, dimensions))
    if table.dtype.kind not in "iuf":
        raise ValueError(f"{name} must be numbers of {wanted} dimensions, got {shown(given)}")
    if table.ndim not in dimensions or 0 in table.shape:
        raise ValueError(f"{name} must have {wanted} dimensions, got shape {table.shape}")
    if table.size > MOST_ENTRIES:
        raise ValueError(f"{name} must have at most {MOST_ENTRIES} numbers, got {table.size}")
    table = table.astype(np.float64)
    if not np.isfinite(table).all():
        raise ValueError(f"{name} must have finite numbers")
    return table


def _distributions(name: str, table: Table, shape: tuple[int, ...]) -> Table:
    if table.shape != shape:
        raise ValueError(f"{name} must have shape {shape}, got {table.shape}")
    total = table.sum(axis=-1)
    wrong = np.abs(total - 1) > _TOLERANCE
    if (table < 0).any() or wrong.any():
        at = f" at {tuple(map(int, np.argwhere(wrong)[0]))}" if wrong.any() and wrong.ndim else ""
        raise ValueError(
            f"{name} must have probabilities that sum to 1 along its last axis{at}, got "
            f"{float(total[wrong][0]) if wrong.any() else float(table.min()):g}"
        )
    total = np.where(np.abs(total - 1) < 1e-12, 1.0, total)  # so that what was saved stays
    return frozen(table / total[..., None])
