"""Load balancing as arrays: loads enter a graph of agents, travel by delegation and are stored."""

from __future__ import annotations

from collections.abc import Callable
from functools import cached_property
from typing import TYPE_CHECKING, Any, Final, Self, Unpack

import numpy as np
from gymnasium import spaces
from numpy.typing import NDArray

from crl_envs.core.backend import Compiled, resolve_backend
from crl_envs.core.optimum import Optimum
from crl_envs.core.overrides import overridden
from crl_envs.core.returns import fold_sum
from crl_envs.core.stream import Stream
from crl_envs.core.topology import Edges
from crl_envs.core.world import World, check_actions
from crl_envs.load_balancing import scalar_kernel
from crl_envs.load_balancing.problem import LoadBalancingArguments, LoadBalancingProblem
from crl_envs.load_balancing.rules import (
    FIRST_DELEGATION,
    KINDS,
    LAST_TURN,
    NOOP,
    PURPOSES,
    STORE,
    Count,
    Keys,
    Outcome,
    Rules,
    State,
    action_kinds,
    admit,
    advance,
    draws,
    has_ended,
    is_open,
    may_discover,
    neighbor_table,
    order_queues,
    store_reward,
)

if TYPE_CHECKING:
    from crl_envs.core.array_form import ArrayForm


_MANY: Final = 4096  # agents of all columns, among whom those with loads are looked for
_SHARE: Final = 8  # of them that may have loads for that to be sooner
_NOBODY: Final = np.empty(0, np.int64)


class LoadBalancingWorld(World[State]):
    """Load balancing as arrays; `rules.State` is the state.

    Args:
        *args: A `LoadBalancingProblem`'s fields.
        **arguments: The same by name.

    Attributes:
        problem: The arguments.
        rules: The constants that the kernels read.
        costs: What outcomes cost.
        places: Most loads in flight L.
        slots: Delegation slots K + S.
        capacity: ``int64[n]``, loads.
        entries: ``int64[E]``, the agents at which loads enter.
        servers: The agents with `server_capacity`.
        action_kinds: Kind of each action: ``noop``, ``local``, ``delegation`` or ``discovery``.

    Raises:
        ValueError: An argument out of its range.
    """

    name = "load_balancing"
    horizon: int
    _last: tuple[NDArray[np.int32], NDArray[np.uint8], NDArray[np.float32]] | None = None

    def __init__(self, *args: Any, **arguments: Unpack[LoadBalancingArguments]) -> None:
        self.problem = problem = LoadBalancingProblem(*args, **arguments)
        self.n_agents, self.horizon = problem.n, problem.max_steps
        self.backend = resolve_backend(problem.backend)
        self.rules, self.costs = problem.rules, problem.costs
        self.capacity, self.entries = self.rules.capacity, self.rules.entries
        self.servers, self._edges = problem.server_agents, problem.edges
        self.places, self.slots = problem.max_in_flight, problem.slots
        self.action_kinds = action_kinds(self.slots, problem.discovers)
        self._n_actions = len(self.action_kinds)
        self._divisor = np.maximum(self.capacity, 1)[:, None]
        self._roomless = np.flatnonzero(self.capacity == 0)
        drawn = zip(PURPOSES, draws(self.rules), strict=True)
        self._drawn = tuple(purpose if used else None for purpose, used in drawn)
        self.single_action_space = spaces.Discrete(self._n_actions)
        self.single_observation_space = spaces.Box(0.0, 1.0, (4,), np.float32)
        self.seal()

    @cached_property
    def single_state_space(self) -> spaces.Box:  # type: ignore[override]
        """Stored loads, queue lengths and activity of every agent."""
        most = np.concatenate(
            [self.capacity, np.full(self.n_agents, self.places), np.ones(self.n_agents)]
        )
        most = np.maximum(most, 1)
        return spaces.Box(np.zeros(most.size, np.int32), most.astype(np.int32), dtype=np.int32)

    @property
    def edges(self) -> Edges:
        """``int64[E, 2]``: (source, target) where the source may delegate to the target from the start."""
        return self._edges

    @property
    def bytes_per_env(self) -> int:
        """About how many bytes a step takes for each environment."""
        problem = self.problem
        return self.n_agents * problem.bytes_per_agent + self.places * problem.bytes_per_place

    @property
    def changed(self) -> frozenset[str]:
        """Names of the arguments that aren't at their defaults."""
        return self.problem.changed

    @property
    def hops(self) -> NDArray[np.int64]:
        """``int64[n]``: delegations from the nearest entry to each agent; −1 where there is no path."""
        return self.problem.hops

    def initial(self, stream: Stream) -> State:
        """Return empty agents, and the first loads at the entries (none yet where arrivals are Poisson)."""
        state = _empty_state(self.rules, self.places, stream.num_envs)
        admit(self.rules, state)
        order_queues(state)
        return state

    def transition(self, state: State, action: NDArray[np.integer], stream: Stream) -> State:
        """Carry out one step; see `rules` for the order of events."""
        fields: Any = (field.copy() for field in state)
        next_state = State(*fields)
        self._advance(next_state, action, stream)
        return next_state

    def step_in_place(
        self, state: State, action: NDArray[np.integer], stream: Stream
    ) -> tuple[State, NDArray[np.float32]]:
        """Do `step`, writing into a large state."""
        if self._is_small(state):
            return self.step(state, action, stream)
        self._advance(state, action, stream)
        return state, self.reward(state, action, state, stream)

    def legalise(
        self, state: State, action: NDArray[np.integer], mask: NDArray[np.int8] | None
    ) -> tuple[NDArray[np.integer], NDArray[np.bool_] | None]:
        """Return what `World.legalise` does, by looking at the agents with a load alone in a large state."""
        if self._is_small(state):
            return super().legalise(state, action, mask)
        illegal = action != NOOP
        agent, b = with_load(state)
        legal = self._legal(state, agent, b)
        illegal[agent, b] = legal[np.arange(agent.size), action[agent, b]] == 0
        if illegal.any():
            action = np.where(illegal, action.dtype.type(NOOP), action)
        return action, illegal

    def _is_small(self, state: State) -> bool:
        """Return whether nothing is saved by looking for the loads, or a subclass has its own say."""
        return state.load.size <= _MANY or bool(overridden(self))

    def _advance(self, state: State, action: NDArray[np.integer], stream: Stream) -> None:
        rules = self.rules
        n = rules.capacity.size
        check_actions(action, (n, state.load.shape[1]), self._n_actions, stream)
        wanted = n, rules.extra_slots, n if rules.memory else 0, rules.entries.size
        found = (
            state.load.shape[0],
            state.found.shape[1],
            state.visited.shape[1],
            len(state.backlog),
        )
        if found != wanted:
            raise ValueError(
                f"state must be of a world with the same agents, slots, memory and entries, {wanted}, got {found}"
            )
        self._kernel_of(_COMPILED)(rules, state, action, self._keys(stream))

    def reward(
        self, state: State, action: NDArray[np.integer], next_state: State, stream: Stream
    ) -> NDArray[np.float32]:
        """Return what each agent's action cost (Table 1), from its outcome: ``float32[n, B]``, ≤ 0.

        A store that succeeds costs nothing in the discrete model and ``min_q_value / (2 · spare)`` in the gradient
        model, spare being the capacity left after it, before it or after the next one; ``min_q_value`` when that is
        none.
        """
        costs = self.costs
        reward = self._by_outcome("reward", costs.reward, next_state)
        if costs.gradient:
            agent, b = among(next_state.outcome == int(Outcome.STORED))
            spare = self.capacity[agent] - next_state.load[agent, b] + costs.before
            reward[agent, b] = store_reward(costs.min_q, spare)
        return reward

    def store_costs(self, spare: NDArray[np.int64]) -> NDArray[np.float64]:
        """Return the reward ``float64[…]`` of stores that succeed, from the spare capacity they are reckoned with."""
        return self.problem.store_costs(spare)

    def observation(self, state: State) -> NDArray[np.float32]:
        """Return ``float32[n, 4, B]``: holds a load, q / (1 + q) for a queue of q, capacity used, is active."""
        agent, b = with_queue(state) if state.load.size > _MANY else (_NOBODY, _NOBODY)
        if not 0 < agent.size < state.load.size // _SHARE:
            observed = np.empty((self.n_agents, 4, state.load.shape[1]), np.float32)
            observed[:, 0] = state.head >= 0
            observed[:, 1] = self._crowding[state.waiting]
            observed[:, 2] = self._fill(state)
            observed[:, 3] = state.active
            return observed
        observed = self._without_loads(state)
        observed[agent, :2, b] = self._loads_seen(state, agent, b)
        return observed

    def _loads_seen(
        self, state: State, agent: NDArray[np.integer], b: NDArray[np.int64]
    ) -> NDArray[np.float32]:
        """Return ``float32[M, 2]``: what M agents see of the loads that wait with them."""
        seen = np.empty((agent.size, 2), np.float32)
        seen[:, 0] = state.head[agent, b] >= 0
        seen[:, 1] = self._crowding[state.waiting[agent, b]]
        return seen

    def terminal(self, state: State) -> NDArray[np.bool_]:
        """Return whether every load has entered and none is in flight."""
        exhausted: NDArray[np.bool_] = state.tally[Count.REMAINING] == 0
        if not exhausted.any():  # sooner than to look at every place
            return exhausted
        return np.asarray(has_ended(state, slice(None)))

    def action_mask(self, state: State) -> NDArray[np.int8]:
        """``int8[n, A, B]``: with a load, everything but the no-op that its slots allow; without, only the no-op."""
        mask = np.zeros((self.n_agents, len(self.action_kinds), state.load.shape[1]), np.int8)
        mask[:, NOOP] = 1
        agent, b = with_load(state)
        mask[agent, :, b] = self._legal(state, agent, b)
        return mask

    def _legal(
        self, state: State, agent: NDArray[np.integer], b: NDArray[np.int64]
    ) -> NDArray[np.int8]:
        """Return ``int8[M, A]``: rows of the mask of M agents with a load."""
        legal: NDArray[np.int8] = self._legal_with_load[agent]
        if self.rules.extra_slots or self.rules.memory:
            legal[:, FIRST_DELEGATION : FIRST_DELEGATION + self.slots] = self._open_slots(
                state, agent, b
            )
        if self.rules.extra_slots:
            legal[:, -1] = self._may_discover(state, agent, b)
        return legal

    def info(self, state: State) -> dict[str, NDArray[Any]]:
        """Return what the agents see beside the mask.

        - ``outcome`` ``int8[n, B]``, see `rules.Outcome`; ``dop`` ``int8[n, B]``, see `rules.Dop`;
        - ``connection_cost`` ``float32[n, B]``: the part of the reward that paid for a link or a discovery;
        - ``active`` ``bool[n, B]``; ``neighbors`` ``int32[n, K + S, B]``, −1 for none;
        - ``action_kinds`` ``int8[n, A, B]``: 0 noop, 1 local, 2 delegation, 3 discovery.
        """
        kinds = self._kind_codes[:, None]
        of_all = self.n_agents, kinds.size, state.load.shape[1]
        return {
            "action_kinds": np.broadcast_to(kinds, of_all),
            "outcome": state.outcome.copy(),
            "dop": self._by_outcome("dop", self.costs.dop, state),
            "connection_cost": self._by_outcome("link", self.costs.link, state),
            "active": state.active > 0,
            "neighbors": neighbor_table(self.rules, state),
        }

    def state_array(self, state: State) -> NDArray[np.int32]:
        """Return ``int32[3n, B]``: stored loads, queue lengths, activity."""
        return np.concatenate([state.load, state.waiting, state.active.astype(np.int32)])

    def metrics(self, state: State) -> dict[str, NDArray[Any]]:
        """Return counts of loads and messages, all ``[B]`` but `load`.

        - ``stored``, ``queued``, ``on_wire``, ``departed``, ``timed_out``: loads; they add up to ``loads_in``;
        - ``backlog``: loads that have arrived and wait outside; ``remaining``: those that have yet to arrive;
        - ``utilisation``: stored / capacity of the agents that have joined;
        - ``messages_sent`` (delegations tried and discoveries), ``messages_lost``;
        - ``equalisation``: standard deviation over those agents of the percentage of capacity used (§6.1);
        - ``load``: ``int32[n, B]``, stored loads of each agent.
        """
        count = state.tally
        in_flight = state.at >= 0
        on_wire = in_flight & (state.ready > count[Count.TIME])
        present = np.ones(state.load.shape, np.bool_)
        present[self.rules.n_founders :] = count[Count.JOINED] > 0
        stored = state.load.sum(axis=0, dtype=np.int64)
        capacity = np.where(present, self.capacity[:, None], 0).sum(axis=0)
        share = 100.0 * self._fill(state)
        members = present.sum(axis=0)
        mean = fold_sum(np.where(present, share, 0.0)) / members
        spread = fold_sum(np.where(present, (share - mean) ** 2, 0.0)) / members
        return {
            "loads_in": count[Count.ENTERED].copy(),
            "stored": stored,
            "queued": (in_flight & ~on_wire).sum(axis=0),
            "on_wire": on_wire.sum(axis=0),
            "departed": count[Count.DEPARTED].copy(),
            "timed_out": count[Count.TIMED_OUT].copy(),
            "backlog": state.backlog.sum(axis=0),
            "remaining": count[Count.REMAINING].copy(),
            "utilisation": stored / np.maximum(capacity, 1),
            "messages_sent": count[Count.MESSAGES].copy(),
            "messages_lost": count[Count.MESSAGES_LOST].copy(),
            "equalisation": np.sqrt(spread),
            "load": state.load.copy(),
        }

    def tracking(self) -> LoadBalancingWorld:
        """See `World.tracking`."""
        return self if overridden(self) else TrackingWorld.of(self)

    def optimum(self) -> Optimum:
        """See `crl_envs.load_balancing.optimum.find_optimum`."""
        from crl_envs.load_balancing.optimum import find_optimum

        return find_optimum(self.problem)

    def array_form(self) -> ArrayForm:
        """Return the dynamics over any array namespace, with one load in flight.

        Raises:
            ValueError: More than one, or more than 32 bits hold; see `crl_envs.load_balancing.array_form`.
        """
        from crl_envs.load_balancing.array_form import array_form

        return array_form(self.problem)

    def blank_keys(self) -> Keys:
        """Return the keys of one column for a compiled loop to write to."""
        return Keys(*(np.zeros(1, np.uint64) for _ in Keys._fields))

    @cached_property
    def _kind_codes(self) -> NDArray[np.int8]:
        return np.array([KINDS.index(kind) for kind in self.action_kinds], np.int8)

    @cached_property
    def _crowding(self) -> NDArray[np.float32]:
        """``float32[L + 1]``: q / (1 + q)."""
        q = np.arange(self.places + 1)
        return (q / (1.0 + q)).astype(np.float32)

    @cached_property
    def _legal_with_load(self) -> NDArray[np.int8]:
        """``int8[n, A]``: what an agent with a load may do by the topology alone."""
        legal = np.zeros((self.n_agents, len(self.action_kinds)), np.int8)
        legal[:, STORE] = 1
        width = self.rules.successors.shape[1]
        legal[:, FIRST_DELEGATION : FIRST_DELEGATION + width] = is_open(
            self.rules.successors, 0, 0, 0
        )
        return legal

    def _without_loads(self, state: State) -> NDArray[np.float32]:
        """Return `observation` where no loads wait; what has changed since the last call is reckoned."""
        last, self._last = self._last, None  # another thread finds nothing
        if last is None or last[0].shape != state.load.shape:
            observed = np.zeros((self.n_agents, 4, state.load.shape[1]), np.float32)
            observed[:, 2] = self._fill(state)
            observed[:, 3] = state.active
            last = state.load.copy(), state.active.copy(), observed
        load, active, observed = last
        agent, b = among((load != state.load) | (active != state.active))
        load[agent, b] = now = state.load[agent, b]
        observed[agent, 3, b] = active[agent, b] = state.active[agent, b]
        full = self.capacity[agent] == 0
        observed[agent, 2, b] = np.where(full, 1.0, now / self._divisor[agent, 0])
        given = self._handed_out(observed)  # before another thread finds it
        self._last = last
        return given

    def _handed_out(self, kept: NDArray[np.float32]) -> NDArray[np.float32]:
        return kept.copy()

    def _fill(self, state: State) -> NDArray[np.float64]:
        """Return the share of capacity used ``float64[n, B]``; an agent without capacity counts as full."""
        fill: NDArray[np.float64] = state.load / self._divisor
        if self._roomless.size:
            fill[self._roomless] = 1.0
        return fill

    def _by_outcome(self, name: str, table: NDArray[Any], state: State) -> NDArray[Any]:
        """Return the entry of each agent's outcome, whose first is 0: ``[n, B]``; called `name`."""
        outcome = state.outcome
        if outcome.size <= _MANY:
            return table[outcome]
        found = np.zeros(outcome.shape, table.dtype)
        where = among(outcome != int(Outcome.NONE))
        found[where] = table[outcome[where]]
        return found

    def _open_slots(
        self, state: State, agent: NDArray[np.integer], b: NDArray[np.int64]
    ) -> NDArray[np.int8]:
        """Return ``int8[M, K + S]``: slots through which the M holding agents may delegate their first load."""
        neighbor = self.rules.successors[agent]
        if self.rules.extra_slots:
            neighbor = np.concatenate([neighbor, state.found[agent, :, b]], axis=1)
        visited: Any = 0
        earliest: Any = 0
        if self.rules.memory:
            place = state.head[agent, b][:, None]
            visited = state.visited[place, np.maximum(neighbor, 0), b[:, None]]
            there = np.where(neighbor < 0, LAST_TURN, visited)
            earliest = there.min(axis=1, keepdims=True, initial=LAST_TURN)
        return np.asarray(is_open(neighbor, visited, earliest, self.rules.memory), np.int8)

    def _may_discover(
        self, state: State, agent: NDArray[np.integer], b: NDArray[np.int64]
    ) -> NDArray[np.int8]:
        free = (state.found[agent, :, b] < 0).any(axis=1)
        joined = state.tally[Count.JOINED, b]
        allowed = may_discover(self.rules, self.rules.may_discover[agent], free, joined)
        return np.asarray(allowed, np.int8)

    def _keys(self, stream: Stream) -> Keys:
        return Keys(*(stream.seeds if p is None else stream.keys(p) for p in self._drawn))


def among(flags: NDArray[np.bool_]) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Return agents and columns where ``bool[n, B]`` flags are set: `numpy.nonzero`, sooner where few are."""
    return np.divmod(np.flatnonzero(flags), flags.shape[1])


def with_queue(state: State) -> tuple[NDArray[np.integer], NDArray[np.int64]]:
    """Return agents and columns with queues, perhaps some without, by looking at the loads where they are fewer."""
    if state.at.size >= state.waiting.size:
        return among(state.waiting > 0)
    place, b = np.nonzero(state.at >= 0)
    return state.at[place, b], b


def with_load(state: State) -> tuple[NDArray[np.integer], NDArray[np.int64]]:
    """Return agents and columns with a load to act on, by looking at the loads where they are fewer."""
    if state.at.size >= state.head.size:
        return among(state.head >= 0)
    place, b = np.nonzero(state.at >= 0)
    agent = state.at[place, b]
    first = state.head[agent, b] == place
    return agent[first], b[first]


class _Kept:
    """An array that is blank but where it was written to last."""

    def __init__(self, array: NDArray[Any], blank: Any = 0) -> None:
        self._array, self._blank = array, blank
        self._last: Any = None

    def write(self, agent: NDArray[np.integer], b: NDArray[np.int64], entries: Any) -> NDArray[Any]:
        """Put entries ``[M, …]`` at M agents and columns, blank what was there before, and return the array."""
        if self._last is not None:
            self._array[self._last] = self._blank
        self._last = (agent, b) if self._array.ndim == 2 else (agent, slice(None), b)
        self._array[self._last] = entries
        return self._array


class TrackingWorld(LoadBalancingWorld):
    """The numbers of a `LoadBalancingWorld` in arrays of its own, which show the state that was asked for last.

    Its states all have the same number of columns. One environment needs it for itself: see ``copy=False`` of
    `crl_envs.make_vec`.
    """

    _kept: dict[str, _Kept]

    @classmethod
    def of(cls, world: LoadBalancingWorld) -> Self:
        """Return one with the parts of a world."""
        tracking = object.__new__(cls)
        vars(tracking).update(vars(world), _kept={}, _last=None)
        return tracking

    def observation(self, state: State) -> NDArray[np.float32]:
        """See `LoadBalancingWorld.observation`."""
        seen = self._without_loads(state)
        loads = self._keeping("loads", lambda: _Kept(seen[:, :2]))
        agent, b = with_queue(state)
        loads.write(agent, b, self._loads_seen(state, agent, b))
        return seen

    def action_mask(self, state: State) -> NDArray[np.int8]:
        """See `LoadBalancingWorld.action_mask`."""
        agent, b = with_load(state)
        return self._keeping("mask", lambda: self._blank_mask(state)).write(
            agent, b, self._legal(state, agent, b)
        )

    def _is_small(self, state: State) -> bool:
        return False

    def _handed_out(self, kept: NDArray[np.float32]) -> NDArray[np.float32]:
        return kept

    def _blank_mask(self, state: State) -> _Kept:
        mask = np.zeros((self.n_agents, self._n_actions, state.load.shape[1]), np.int8)
        mask[:, NOOP] = 1
        return _Kept(mask, mask[0, :, 0].copy())

    def _by_outcome(self, name: str, table: NDArray[Any], state: State) -> NDArray[Any]:
        where = among(state.outcome != int(Outcome.NONE))  # an enum would be an array of 64 bits
        kept = self._keeping(name, lambda: _Kept(np.zeros(state.outcome.shape, table.dtype)))
        return kept.write(*where, table[state.outcome[where]])

    def _keeping(self, name: str, make: Callable[[], _Kept]) -> _Kept:
        if name not in self._kept:
            self._kept[name] = make()
        return self._kept[name]


def _empty_state(rules: Rules, places: int, columns: int) -> State:
    """Return a state without a load: founders active, queues empty, the supply untouched."""
    n, extra = rules.capacity.size, rules.extra_slots
    active = np.ones((n, columns), np.uint8)
    active[rules.n_founders :] = 0
    count = np.zeros((len(Count), columns), np.int64)
    count[Count.REMAINING] = rules.n_loads
    return State(
        load=np.zeros((n, columns), np.int32),
        active=active,
        found=np.full((n, extra, columns), -1, np.int32),
        at=np.full((places, columns), -1, np.int32),
        ready=np.zeros((places, columns), np.int64),
        ticket=np.zeros((places, columns), np.int64),
        birth=np.zeros((places, columns), np.int64),
        visited=np.zeros((places, n if rules.memory else 0, columns), np.int32),
        head=np.full((n, columns), -1, np.int32),
        waiting=np.zeros((n, columns), np.int32),
        outcome=np.zeros((n, columns), np.int8),
        backlog=np.zeros((rules.entries.size, columns), np.int64),
        tally=count,
    )


_COMPILED: Final = Compiled.at(
    "crl_envs.load_balancing.numba_kernel:advance",
    seconds=3.0,
    plain=advance,
    source=scalar_kernel.__file__,
)
