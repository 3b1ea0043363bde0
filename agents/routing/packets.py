"""What learners that forward packets share: whom actions lead to, what is at the head of each queue, tables.

An environment in which agents forward packets observes the destination of the packet at the head of each queue, n
where it is empty, as its only or first component, numbers its actions as `crl/routing-v0` does (0 holds, 1 + k forwards
to the k-th neighbour in the order of ``env.unwrapped.topology``), and says in ``infos[agent]`` ``outcome``, ``queue``,
``waited`` and ``sender``.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from agents.learner import Learner
from agents.view import MOST_ENTRIES, Frame
from crl_envs.core.neighborhood import topology_edges
from crl_envs.core.topology import slot_table
from crl_envs.routing import Outcome

FAR: Final = 2**31  # hops, where no path leads
_SAID: Final = ("outcome", "queue", "waited", "sender")


class Heads(NamedTuple):
    """What agents know of their queues beside the destination: all ``int64[n, B]``."""

    outcome: NDArray[np.int64]  # of the last step, see `crl_envs.routing.Outcome`
    queue: NDArray[np.int64]  # packets
    waited: NDArray[np.int64]  # steps that the head has been here
    sender: NDArray[np.int64]  # the agent that it came from, −1 where it entered here


class PacketLearner(Learner):
    """Base of the learners that forward packets. A subclass keeps ``[n, B, D, A]``, a number for each destination.

    Args:
        env: A ParallelEnv or vector env of packets, see the module.
        **config: Fields of `config_class`.

    Attributes:
        behind: ``int64[n, A]``, the agent that an action forwards to; −1 for none.
        back: ``int64[n, A]``, the action by which that agent forwards to this one; 0 for none.

    Raises:
        ValueError: As `Learner`; actions or observations that aren't those of packets; too large a table.
    """

    def __init__(self, env: Any, **config: Any) -> None:
        super().__init__(env, **config)
        view = self.view
        n, slots = view.n_agents, slot_table(topology_edges(env, view.agents), view.n_agents)
        self._width, rest = divmod(view.n_rows, n + 1)  # rows of one destination
        if rest or slots.shape[1] + 1 != view.n_actions:
            raise ValueError(
                f"{type(self).__name__} needs an env of packets, as crl/routing-v0, whose {n} agents see a "
                f"destination and have {slots.shape[1] + 1} actions; got {view.n_rows} observations and "
                f"{view.n_actions} actions"
            )
        if n * n * view.n_actions * view.num_envs > MOST_ENTRIES:
            raise ValueError(
                f"env needs a table of {n} agents × {n} destinations × {view.n_actions} actions × "
                f"{view.num_envs} columns; at most {MOST_ENTRIES} entries are allowed"
            )
        self.behind = np.concatenate([np.full((n, 1), -1), slots], axis=1).astype(np.int64)
        self._exists = (self.behind >= 0)[:, None]  # [n, 1, A]
        # The action by which a neighbour leads back, 0 where none does.
        self.back = np.argmax(self.behind[self.behind] == np.arange(n)[:, None, None], axis=2)
        self.back[self.behind < 0] = 0
        self._hops: dict[bytes, NDArray[np.int64]] = {}  # of the networks that there were last
        self._heads = Heads(*np.zeros((4, n, view.num_envs), np.int64))

    @property
    def shape(self) -> tuple[int, int, int, int]:
        """n, B, D = n and A."""
        view = self.view
        return view.n_agents, view.num_envs, view.n_agents, view.n_actions

    def begin_episode(self) -> None:
        """Look at the queues."""
        self._heads = self.heads()

    def goals(self, frame: Frame) -> NDArray[np.intp]:
        """Return the destinations of the heads ``[n, B]``, n for none."""
        return frame.rows // self._width

    def open_links(self, frame: Frame) -> NDArray[np.bool_]:
        """Return which actions forward to somebody: ``bool[n, B or 1, A]``."""
        return self._exists if frame.legal is None else frame.legal & self._exists

    def entries(self, table: NDArray[Any], goals: NDArray[np.intp]) -> NDArray[Any]:
        """Return each agent's entries ``[n, B, A]`` of a table ``[n, B, D, A]``; of one column for any number."""
        n, b = goals.shape
        columns = np.arange(b) if table.shape[1] == b else np.zeros(b, np.int64)
        entries: NDArray[Any] = table[np.arange(n)[:, None], columns, np.minimum(goals, n - 1)]
        return entries

    def hops(self, frame: Frame) -> NDArray[np.int64]:
        """Return the links on a shortest path from each agent to each, ``int64[n, B or 1, D]``; `FAR` for none.

        All that is there is known, by the masks, as in a link-state protocol.
        """
        links = self.open_links(frame)
        known = []
        for b in range(links.shape[1]):
            key = links[:, b].tobytes()
            if key not in self._hops:
                if len(self._hops) >= links.shape[1]:
                    self._hops.clear()
                self._hops[key] = hops_to_all(self.behind, links[:, b])
            known.append(self._hops[key])
        return np.stack(known, axis=1)

    def nearer(self, frame: Frame, goals: NDArray[np.intp]) -> NDArray[np.bool_]:
        """Return which actions lead to a neighbour on a shortest path to the head's destination: ``bool[n, B, A]``."""
        n, hops = self.view.n_agents, self.hops(frame)
        b, goal = np.arange(goals.shape[1]) % hops.shape[1], np.minimum(goals, n - 1)
        own = hops[np.arange(n)[:, None], b, goal]
        theirs = hops[self.behind[:, None], b[:, None], goal[..., None]]
        wanted = (goals < n) & (own < FAR)
        return np.asarray(
            self.open_links(frame) & wanted[..., None] & (theirs == own[..., None] - 1)
        )

    def new_heads(self, before: Heads) -> NDArray[np.bool_]:
        """Return where there is another packet at the head than there was before the last step, or the first one."""
        now = self._heads
        left = (now.outcome != Outcome.NONE) & (now.outcome != Outcome.LOST)
        return np.asarray((now.queue > 0) & (left | (before.queue == 0)))

    def heads(self) -> Heads:
        """Return what the last reset or step said of the queues.

        Raises:
            ValueError: It didn't.
        """
        infos, view = self.view.infos, self.view
        said = infos if view.is_vector else next(iter(infos.values()), {})
        missing = [name for name in _SAID if name not in said]
        if missing:
            raise ValueError(
                f"env must tell of its packets in infos[agent][{missing[0]!r}], as crl/routing-v0 does"
            )
        if view.is_vector:
            return Heads(*(np.asarray(infos[name]).T.astype(np.int64) for name in _SAID))
        rows = [_numbers(infos[agent], view.agents) for agent in view.agents]
        return Heads(*np.array(rows, np.int64).T[..., None])


def hops_to_all(behind: NDArray[np.int64], links: NDArray[np.bool_]) -> NDArray[np.int64]:
    """Return hops ``int64[n, n]`` from each agent to each, by breadth-first search to all at once; `FAR` for no path.

    Args:
        behind: ``int64[n, A]``, whom actions lead to.
        links: ``bool[n, A]``, those that are there.
    """
    n = len(behind)
    hops = np.where(np.eye(n, dtype=np.bool_), 0, FAR)
    reached = hops == 0
    source, action = np.nonzero(links)
    begin = np.flatnonzero(np.diff(source, prepend=-1))
    target, source = behind[source, action], source[begin]
    for distance in range(1, n):
        found = reached.copy()
        if source.size:
            found[source] |= np.logical_or.reduceat(reached[target], begin, axis=0)
        new = found & ~reached
        if not new.any():
            break
        hops[new] = distance
        reached = found
    return hops


def drawn(odds: NDArray[np.float64], words: NDArray[np.uint32] | None) -> NDArray[np.int64]:
    """Return actions ``[n, B]`` with probabilities in proportion to ``[n, B, A]``; without words the likeliest ones.

    Where nothing is possible it is 0, to hold.
    """
    if words is None:
        return np.asarray(odds.argmax(axis=2))
    limits = odds.cumsum(axis=2)
    below = words[..., None] / 2.0**32 * limits[..., -1:]
    chosen = (limits[..., :-1] <= below).sum(axis=2)
    return np.where(limits[..., -1] > 0, chosen, 0)


def _numbers(info: Mapping[str, Any], agents: list[Any]) -> tuple[int, int, int, int]:
    sender = info["sender"]
    return (
        Outcome[info["outcome"].upper()],
        info["queue"],
        info["waited"],
        agents.index(sender) if sender else -1,
    )
