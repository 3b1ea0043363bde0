"""The base of policies that see how full all agents are, and route loads."""

from __future__ import annotations

from abc import abstractmethod
from typing import Any, Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from agents.delegation.infos import DELEGATION, LOCAL, NOOP, WorkInfos, holders
from agents.policy import Policy
from agents.view import Frame
from crl_envs.core.arguments import shown

HERE: Final = -1  # instead of a slot: the load is stored where it is


class Loads(NamedTuple):
    """One column's agents, as ``env.unwrapped.state()`` has them."""

    stored: NDArray[np.integer]  # [n]
    queued: NDArray[np.integer]  # [n]
    active: NDArray[np.integer]  # [n], 0 while an agent is down


class LoadPolicy(Policy):
    """Base of policies that see how full everybody is: a subclass has `route`.

    The environment tells in its infos how work is handed on (see `agents.delegation.infos`), and says

    - in ``env.unwrapped.capacity`` (or ``.world.capacity``) how many loads each agent can store: ``int[n]``;
    - in ``env.unwrapped.state()`` the stored loads, queue lengths and activity of all agents: ``int[3n]``, or
      ``int[B, 3n]`` for a vector env.

    Both `learn` and `act` read the loads of the environment as it is at that moment, whatever is observed.

    Args:
        env: `crl/load_balancing-v0`, its vector env, or another environment that says the same.
        **config: Fields of `config_class`.

    Attributes:
        capacity: ``int64[n]``.
        work: How work is handed on.

    Raises:
        ValueError: A bad argument, or no capacities. From `learn`: infos or a state that lack something.
    """

    def __init__(self, env: Any, **config: Any) -> None:
        super().__init__(env, **config)
        self.capacity = _capacities(env.unwrapped, self.view.n_agents)
        self.work = WorkInfos(self.view)
        self._begun = False

    @abstractmethod
    def route(self, b: int, i: int, loads: Loads, open_slots: list[int], word: int | None) -> int:
        """Return where a load goes.

        Args:
            b: The column.
            i: The agent that holds it.
            loads: All agents of the column.
            open_slots: Delegation slots that have a neighbour, ``work.neighbors[b][i, slot]``, and are legal.
            word: A uniform 32-bit word; None for the most probable choice.

        Returns:
            One of the open slots, or `HERE`.
        """

    def neighbors_changed(self, b: int) -> None:
        """Take in that column b's neighbours have changed."""

    def begin_episode(self) -> None:
        """Read what the agents can do, and who is whose neighbour."""
        self.work.begin()
        kind = self.work.kind
        self._works = kind > NOOP
        self._store = (kind == LOCAL).argmax(axis=1)
        self._delegations = [np.flatnonzero(row == DELEGATION).tolist() for row in kind]
        self._read_loads()
        self._begun = True

    def acts_in_any_columns(self) -> bool:
        """Return False: the loads are those of the environment that is learnt from."""
        return False

    def choose(self, frame: Frame, words: NDArray[np.uint32] | None) -> NDArray[np.integer]:
        """Return `route` for every agent that holds a load, else the first legal action; see `Learner.choose`."""
        if not self._begun:
            raise ValueError("learn() must come first: before it the kinds of action aren't known")
        legal, actions, holds = holders(frame, self._works)
        stored, queued, active = self._read_loads()
        holds &= (queued > 0) & (active > 0)
        for b in np.flatnonzero(holds.any(axis=0)).tolist():
            if self.work.changed_neighbors(b):
                self.neighbors_changed(b)
            loads = Loads(stored[:, b], queued[:, b], active[:, b])
            for i in np.flatnonzero(holds[:, b]).tolist():
                delegations, may = self._delegations[i], legal[i, b].tolist()
                known = self.work.neighbors[b][i].tolist()
                open_slots = [k for k, d in enumerate(delegations) if may[d] and known[k] >= 0]
                word = None if words is None else int(words[i, b])
                slot = self.route(b, i, loads, open_slots, word)
                if slot != HERE:
                    actions[i, b] = delegations[slot]
                elif may[self._store[i]]:
                    actions[i, b] = self._store[i]
        return actions

    def _read_loads(self) -> NDArray[np.integer]:
        """Return stored loads, queue lengths and activity: ``[3, n, B]``."""
        n, columns = self.view.n_agents, self.view.num_envs
        try:
            state = np.atleast_2d(self.env.unwrapped.state())
        except (AttributeError, NotImplementedError):
            state = np.zeros((columns, 0))
        if state.shape != (columns, 3 * n):
            raise ValueError(
                "env.unwrapped.state() must have the stored loads, queue lengths and activity of all agents, "
                f"{3 * n} numbers, got an array of shape {state.shape[1:]}"
            )
        return state.T.reshape(3, n, columns)


def _capacities(env: Any, n: int) -> NDArray[np.int64]:
    given = getattr(env, "capacity", None)
    if given is None:
        given = getattr(getattr(env, "world", None), "capacity", None)
    if given is None:
        raise ValueError(
            "env must say how many loads each agent can store, in env.unwrapped.capacity or "
            f"env.unwrapped.world.capacity, got neither from {env}"
        )
    capacity = np.asarray(given)
    if capacity.shape != (n,) or capacity.dtype.kind not in "iu" or (capacity < 0).any():
        raise ValueError(
            f"env.unwrapped.capacity must have a whole number ≥ 0 for each of {n} agents, got {shown(given)}"
        )
    return capacity.astype(np.int64)
