"""Coordinate ascent: a good policy of a class for a factored MDP of any size, found by simulation."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import product
from time import perf_counter
from typing import Final

import numpy as np
from numpy.typing import NDArray

from crl_envs.core.arguments import about, check_int, check_seed
from crl_envs.core.backend import Compiled, has_numba
from crl_envs.core.stream import Purpose, Stream
from crl_envs.core.topology import Adjacency, sorted_edges, sources_of
from crl_envs.factored.model import FactoredMDP
from crl_envs.factored.policies import PolicyClass, TablePolicy
from crl_envs.factored.scopes import Scopes
from crl_envs.factored.simulation import Simulator, simulate

_MOST_BYTES: Final = 2 * 10**9
_MOST_SHARED_TABLES: Final = 64
_MOST_SHARED_ENTRIES: Final = 256
_CELLS_OF_START: Final = 4000  # agents × episodes on which shared tables are compared
_CELLS_AT_ONCE: Final = 2_000_000  # agents × episodes × steps that are played again together
_AGENT_STEPS_OF_VALUE: Final = 500_000
_NOISE: Final = 1e-9  # relative; a gain below it may be rounding

States = NDArray[np.uint8]
Ints = NDArray[np.int64]


@dataclass(frozen=True)
class Plan:
    """What coordinate ascent found.

    Attributes:
        policy: The policy.
        value: Its utility, estimated on episodes that the search didn't see.
        standard_error: Of `value`.
        fitted: Its mean return on the episodes of the search; above `value` where it fits their chance events.
        sweeps: Passes over all agents.
        converged: Whether the last pass found nothing to improve, so that no other action in any one configuration
            of any one agent gives a higher `fitted` (exactly so with ``window=None``).
    """

    policy: TablePolicy
    value: float
    standard_error: float
    fitted: float
    sweeps: int
    converged: bool


def coordinate_ascent(
    model: FactoredMDP,
    policy_class: PolicyClass,
    *,
    episodes: int = 200,
    sweeps: int = 20,
    window: int | None = None,
    seed: int = 0,
) -> Plan:
    """Return a deterministic, stationary policy of a class that no change of a single table entry improves.

    The policy's return is that of a fixed set of simulated episodes (common random numbers). The search begins with
    policies whose agents share their tables: one action for all, then one table on the own state for all, then one
    for all agents with as many others in scope, then tables on the whole configuration for those. All such tables are
    tried where there are at most 64, else their entries are changed one after the other. Then the agents take
    turns: each tries every other action in every configuration that occurs, and takes the best as long as there is
    one that improves. An entry that never occurs keeps its action.

    A change of one agent's policy is felt by other agents one edge a step later, be it an edge of the model or one
    from an agent to another one that sees it (Bagnell & Ng 2005, §4, radius of influence). So only these agents are
    simulated anew, for an agent's turn at the cost of O(r(T)) agents and not of n.

    Args:
        model: The model.
        policy_class: Which policies are searched.
        episodes: Simulated for the search. With few, the policy fits their chance events in configurations that are
            rare: `Plan.fitted` rises above `Plan.value`. Time grows in proportion.
        sweeps: Most passes over all agents.
        window: Follow an influence over at most so many edges; None follows it to the end of the episode.
        seed: Of the first episode; ``seed + episodes`` is that of the first one of `Plan.value`.

    Raises:
        ValueError: A bad argument, tables that are too large, or more than 2 GB of episodes.
    """
    episodes = check_int("episodes", episodes, low=1)
    sweeps = check_int("sweeps", sweeps, low=0)
    reach = model.horizon - 1 if window is None else check_int("window", window, low=0)
    seed = check_seed("seed", seed, high=2**63)
    scopes = policy_class.scopes(model)
    needed = model.n_agents * model.horizon * episodes * 5
    if needed > _MOST_BYTES:
        raise ValueError(
            f"episodes must be few enough for {_MOST_BYTES:.0e} bytes of states and random words, got {episodes}, "
            f"which need {about(needed)} with {model.n_agents} agents and {model.horizon} steps; use fewer episodes"
        )
    table = _shared_tables(model, policy_class, scopes, episodes, seed)
    search = _Search(model, scopes, table, episodes, seed, min(reach, model.horizon - 1))
    done, converged = 0, False
    while done < sweeps and not converged:
        converged = not search.sweep()
        done += 1
    policy = TablePolicy(policy_class, scopes, search.table.copy())
    fresh = max(episodes, _AGENT_STEPS_OF_VALUE // (model.n_agents * model.horizon))
    returns = simulate(model, policy, fresh, seed + episodes)
    return Plan(policy, returns.value, returns.standard_error, search.value, done, converged)


def _shared_tables(
    model: FactoredMDP, policy_class: PolicyClass, scopes: Scopes, episodes: int, seed: int
) -> NDArray[np.uint8]:
    """Return the best table found among those that agents share."""
    episodes = min(episodes, max(1, _CELLS_OF_START // model.n_agents))

    def value(table: NDArray[np.uint8]) -> float:
        return simulate(model, TablePolicy(policy_class, scopes, table), episodes, seed).value

    table = np.zeros(scopes.n_entries, np.uint8)
    for shared in _sharings(scopes):
        table = _best_shared(table, shared, model.n_actions, value)
    return table


def _sharings(scopes: Scopes) -> Iterator[Ints]:
    """Return which entries have one action in common: ``int64[p, m]``, p actions for m entries each; coarse to fine."""
    s = scopes.n_states
    entries = np.arange(scopes.n_entries)
    yield entries[None]
    yield entries.reshape(-1, s).T  # by own state, the fastest digit of a configuration
    sizes, counts = np.unique(scopes.sizes, return_counts=True)
    order = np.argsort(-counts, kind="stable")
    if len(sizes) > 1:
        for size in sizes[order]:
            alike = entries[np.repeat(scopes.sizes == size, scopes.sizes)]
            yield alike.reshape(-1, s).T
    for size, count in zip(sizes[order], counts[order], strict=True):
        if count > 1 and s < size <= _MOST_SHARED_ENTRIES:
            alike = entries[np.repeat(scopes.sizes == size, scopes.sizes)]
            yield alike.reshape(-1, size).T


def _best_shared(
    table: NDArray[np.uint8],
    shared: Ints,
    n_actions: int,
    value: Callable[[NDArray[np.uint8]], float],
) -> NDArray[np.uint8]:
    """Return the best actions for the shared entries, the others as they are."""
    best, best_value = table, value(table)
    if n_actions ** len(shared) <= _MOST_SHARED_TABLES:
        for actions in product(range(n_actions), repeat=len(shared)):
            tried = table.copy()
            tried[shared] = np.array(actions, np.uint8)[:, None]
            if (tried_value := value(tried)) > best_value:
                best, best_value = tried, tried_value
        return best
    improved = True
    while improved:
        improved = False
        for entries, action in product(shared, range(n_actions)):
            tried = best.copy()
            tried[entries] = action
            if (tried_value := value(tried)) > best_value:
                best, best_value, improved = tried, tried_value, True
    return best


class _Search:
    """Episodes of the model under the present table, and their change with it."""

    def __init__(
        self,
        model: FactoredMDP,
        scopes: Scopes,
        table: NDArray[np.uint8],
        episodes: int,
        seed: int,
        reach: int,
    ) -> None:
        n, horizon = model.n_agents, model.horizon
        self.model, self.scopes, self.table, self.reach = model, scopes, table.copy(), reach
        self.simulator = Simulator(model)
        own, actions = np.arange(model.n_states), self.table.reshape(-1, model.n_states)
        agents = np.repeat(np.arange(n), scopes.sizes // len(own))
        self.pays = model.reward[agents[:, None], own, actions].ravel()  # what each entry earns
        self.influenced = _influenced(model, scopes)
        stream = Stream(episodes)
        stream.seed(seed)
        # An agent's steps lie side by side.
        self.states = np.empty((n, horizon, episodes), np.uint8).swapaxes(0, 1)
        self.words = np.empty((n, horizon, episodes), np.uint32).swapaxes(0, 1)
        self.states[0] = self.simulator.first(stream.words(Purpose.INITIAL, n))
        for step in range(horizon):
            stream.advance()
            self.words[step] = stream.words(Purpose.TRANSITION, n)
        self._play()
        self.noise = _NOISE * episodes * float(np.abs(model.reward).max(initial=0.0))
        self.changes = 0
        self.changed_at = np.zeros(n, np.int64)  # the last change that reached an agent
        self.tried_at = np.full(n, -1)
        self.arrays = (  # for `numba_kernel.turn`
            (model.reward, self.simulator.limits),
            tuple(_unsigned(s.first, *s.others) for s in (scopes, model.scopes)),
            _unsigned(*self.influenced),
            (self.table, self.pays, self.states.swapaxes(0, 1), self.words.swapaxes(0, 1)),
            (self.changed_at, self.tried_at, np.full(n, n, np.uint64)),
        )

    @property
    def value(self) -> float:
        """Mean return of the episodes under the table."""
        return float(sum(self.pays[self.scopes.entries(s)].mean() for s in self.states))

    def sweep(self) -> bool:
        """Give every agent its turn; whether anything improved."""
        before = self.changes
        for agent in range(self.model.n_agents):
            self._turn(agent)
        improved = self.changes > before
        if improved and self.reach < self.model.horizon - 1:
            self._play()  # with what the window cut off
            self.changes += 1
            self.changed_at[:] = self.changes
        return improved

    def _turn(self, agent: int) -> None:
        """Change the agent's entries one after the other, the best first, as long as that improves the return."""
        # With a window the episodes needn't be what the table makes of them.
        whole = self.reach == self.model.horizon - 1
        if whole and has_numba() and (compiled := _COMPILED.ready()) is not None:
            self.changes, done = compiled(
                agent, self.changes, self.noise, _CELLS_AT_ONCE, *self.arrays
            )
            if done:
                return
        begun = perf_counter()
        near = _Surroundings(self, agent)
        if self.changed_at[near.agents].max() > self.tried_at[agent]:
            while self._improve(agent, near):
                self.changes += 1
                self.changed_at[near.reached] = self.changes
            self.tried_at[agent] = self.changes
        _COMPILED.waited(perf_counter() - begun)

    def _play(self) -> None:
        for step, states in enumerate(self.states[:-1]):
            actions = self.table[self.scopes.entries(states)]
            self.states[step + 1] = self.simulator.next(states, actions, self.words[step])

    def _improve(self, agent: int, near: _Surroundings) -> bool:
        """Change the agent's entry whose change improves the return most, if one does."""
        entries, actions, episodes = self._candidates(agent)
        gains = self._gains(near, entries, actions, episodes)
        a = self.model.n_actions
        candidates, index = np.unique(entries * a + actions, return_inverse=True)
        total = np.bincount(index, gains)
        if not total.size or total.max() <= self.noise:
            return False
        best = int(total.argmax())
        chosen = np.flatnonzero(index == best)
        for part in near.parts(len(chosen)):
            columns = chosen[part]
            _, states = self._replay(near, entries[columns], actions[columns], episodes[columns])
            self.states[:, near.reached[:, None], episodes[columns]] = states
        entry, action = divmod(int(candidates[best]), a)
        self.table[entry] = action
        self.pays[entry] = self.model.reward[agent, entry % self.model.n_states, action]
        return True

    def _candidates(self, agent: int) -> tuple[Ints, Ints, Ints]:
        """Return the agent's entries that occur, another action, and the episodes of that: all three ``int64[m]``."""
        seen = self.states[:, self.scopes.of(agent)].astype(np.int64)
        weights = self.model.n_states ** np.arange(seen.shape[1])
        entry = self.scopes.first[agent] + np.einsum("tkb,k->tb", seen, weights)
        episodes = self.states.shape[2]
        seen = np.unique(entry * episodes + np.arange(episodes))
        entries, columns = np.divmod(seen, episodes)
        a = self.model.n_actions
        other = (self.table[entries].astype(np.int64) + np.arange(1, a)[:, None]) % a
        return np.tile(entries, a - 1), other.ravel(), np.tile(columns, a - 1)

    def _gains(
        self, near: _Surroundings, entries: Ints, actions: Ints, episodes: Ints
    ) -> NDArray[np.float64]:
        """Return what each change adds to the returns of the agents that feel it: ``float64[m]``."""
        unchanged = np.arange(self.states.shape[2])
        nothing = np.full(len(unchanged), -1)
        before = self._returns(near, nothing, nothing, unchanged)
        return self._returns(near, entries, actions, episodes) - before[episodes]

    def _returns(
        self, near: _Surroundings, entries: Ints, actions: Ints, episodes: Ints
    ) -> NDArray[np.float64]:
        parts = near.parts(len(entries))
        returns = [self._replay(near, entries[p], actions[p], episodes[p])[0] for p in parts]
        return np.concatenate([np.zeros(0), *returns])

    def _replay(
        self, near: _Surroundings, entries: Ints, actions: Ints, episodes: Ints
    ) -> tuple[NDArray[np.float64], States]:
        """Play m episodes again, each with another action for one entry of the agent in the middle.

        Args:
            near: The surroundings of the agent.
            entries: ``int64[m]``; none has the number −1.
            actions: ``int64[m]``.
            episodes: ``int64[m]``.

        Returns:
            The summed rewards ``float64[m]`` of the agents that this can reach, from when it can, and their states
            ``uint8[T, ·, m]``.
        """
        a = self.model.n_actions
        all_states = self.states[:, near.agents[:, None], episodes]
        words = self.words[:, near.reached[:, None], episodes]
        total, rewards = np.zeros(len(episodes)), self.model.reward[near.reached[0]]
        for step, states in enumerate(all_states):
            count = near.counts[step]
            entry = near.seen(states, count)
            action, paid = self.table.take(entry), self.pays.take(entry)
            changed = entry[0] == entries
            np.copyto(action[0], actions, where=changed, casting="unsafe")
            np.copyto(paid[0], rewards[states[0], actions], where=changed)
            total += paid.sum(axis=0)
            if step + 1 < len(all_states):
                row = near.inputs(states, count) * a + action
                all_states[step + 1, :count] = self.simulator.land(words[step, :count], row)
        return total, all_states[:, : len(near.reached)]


class _Surroundings:
    """The agents that feel a change of one agent's policy, and those whose states they need.

    Attributes:
        reached: Those that feel it, in the order in which it reaches them; the agent itself first.
        counts: How many of them it has reached, by step.
        agents: `reached`, then the others whose states they depend on.
        seen: The entries of the reached agents' policies, from the states of `agents`.
        inputs: The same of their transitions.
    """

    def __init__(self, search: _Search, agent: int) -> None:
        model = search.model
        order, self.counts = _spread(agent, search.influenced, search.reach, model.horizon)
        self.reached = np.array(order)
        place = np.full(model.n_agents, -1)
        for indptr, indices in (search.scopes.others, model.scopes.others):
            for i in order:
                place[indices[indptr[i] : indptr[i + 1]]] = 0
        place[self.reached] = -1
        self.agents = np.concatenate([self.reached, np.flatnonzero(place == 0)])
        place[self.agents] = np.arange(len(self.agents))
        self.seen = _Entries(search.scopes, self.reached, place)
        self.inputs = _Entries(model.scopes, self.reached, place)

    def parts(self, columns: int) -> list[slice]:
        """Return the columns in parts that are played together."""
        size = max(1, _CELLS_AT_ONCE // (len(self.agents) * len(self.counts)))
        return [slice(low, low + size) for low in range(0, columns, size)]


class _Entries:
    """`Scopes.entries` of some agents, from the states of those around."""

    def __init__(self, scopes: Scopes, agents: Ints, place: Ints) -> None:
        indptr, indices = scopes.others
        degree = indptr[agents + 1] - indptr[agents]
        self._first = scopes.first[agents, None]
        self._slots = []
        for k in range(int(degree.max())):
            rows = np.flatnonzero(degree > k)
            sources = place[indices[indptr[agents[rows]] + k]]
            self._slots.append((rows, sources, int(scopes.n_states ** (k + 1))))

    def __call__(self, states: States, count: int) -> Ints:
        """Return ``int64[count, m]`` of the first `count` agents in states ``[·, m]``."""
        entry: Ints = self._first[:count] + states[:count]
        for rows, sources, weight in self._slots:
            cut = int(np.searchsorted(rows, count))
            part: Ints = states[sources[:cut]].astype(np.int64) * weight
            if cut == count:
                entry += part
            else:
                entry[rows[:cut]] += part
        return entry


_COMPILED: Final = Compiled.at("crl_envs.factored.numba_kernel:turn", seconds=4.0)


def _unsigned(*arrays: Ints) -> tuple[NDArray[np.uint64], ...]:
    return tuple(a.view(np.uint64) for a in arrays)


def _influenced(model: FactoredMDP, scopes: Scopes) -> Adjacency:
    """Return for each agent those whose next state depends on its state, or whose action does."""
    n = model.n_agents
    sources = np.concatenate([model.edges[:, 0], scopes.others.indices])
    watchers = np.repeat(np.arange(n), scopes.others.degree)
    targets = np.concatenate([model.edges[:, 1], watchers])
    return sources_of(sorted_edges(targets, sources), n)


def _spread(
    agent: int, influenced: Adjacency, reach: int, horizon: int
) -> tuple[list[int], list[int]]:
    """The agents within `reach` edges of one, by distance, and how many are within 0, 1, … edges at each step."""
    indptr, indices = influenced
    order, found, counts = [agent], {agent}, [1]
    newest = order
    for step in range(1, horizon):
        if newest and step <= reach:
            candidates = dict.fromkeys(
                j for i in newest for j in indices[indptr[i] : indptr[i + 1]].tolist()
            )
            newest = [j for j in candidates if j not in found]
            found.update(newest)
            order = order + newest
        counts.append(len(order))
    return order, counts
