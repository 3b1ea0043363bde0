"""Load balancing: loads enter a graph of agents, travel by delegation and are stored."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cached_property, lru_cache
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
from gymnasium import spaces
from numpy.typing import NDArray

from crl_envs.core.arguments import (
    check_bool,
    check_choice,
    check_int,
    check_probability,
    check_real,
    check_seed,
    check_size,
    is_sequence,
)
from crl_envs.core.backend import resolve_backend
from crl_envs.core.legality import check_actions
from crl_envs.core.optimum import Optimum
from crl_envs.core.returns import fold_sum
from crl_envs.core.stream import Purpose, Stream, threshold
from crl_envs.core.world import Edges, World
from crl_envs.load_balancing import numpy_kernel
from crl_envs.load_balancing.arguments import (
    LARGEST_CAPACITY,
    LAST_STEP,
    agent_indices,
    arrivals,
    capacities,
    capacity_in_reach,
    changed,
    discoverers,
    join_step,
    none_departs,
    supply,
)
from crl_envs.load_balancing.graphs import build_edges, default_servers, hops_from, slot_table
from crl_envs.load_balancing.rules import (
    DOP_OF_OUTCOME,
    FIRST_DELEGATION,
    KINDS,
    NEVER,
    NOOP,
    STORE,
    USES_LINK,
    Costs,
    Count,
    Keys,
    Outcome,
    Rules,
    State,
    copy_state,
    empty_state,
)

if TYPE_CHECKING:
    import networkx as nx


class LoadBalancingWorld(World[State]):
    """See `crl_envs.load_balancing.LoadBalancingEnv` for the arguments and `rules.State` for the state.

    Attributes:
        rules: The constants that the kernels read.
        places: Most loads in flight L.
        slots: Delegation slots K + S.
        capacity: ``int64[n]``, loads.
        entries: ``int64[E]``, the agents at which loads enter.
        changed: Names of the arguments that aren't at their defaults.
        action_kinds: Kind of each action: ``noop``, ``local``, ``delegation`` or ``discovery``.
    """

    name = "load_balancing"

    def __init__(
        self,
        n_agents: int | None = None,
        topology: str | nx.Graph = "grid",
        out_degree: int | None = None,
        capacity: int | Sequence[int] = 20,
        servers: Sequence[Any] | None = None,
        server_capacity: int = 200,
        entries: Sequence[Any] | None = None,
        cost_model: str = "discrete",
        n_loads: int | Literal["endless"] | None = None,
        max_in_flight: int = 1,
        arrival_rate: float | None = None,
        departure_rate: float = 0.0,
        message_loss: float = 0.0,
        message_delay: int = 0,
        fail_rate: float = 0.0,
        return_rate: float = 0.1,
        join_capacity: int = 0,
        join_at: int | Literal["full"] = "full",
        discovery: str = "off",
        discover: str | None = None,
        discovery_rate: float = 1.0,
        discovery_slots: int = 1,
        memory: bool = False,
        timeout: int | None = None,
        min_q_value: float = -200.0,
        delegation_reward: float = -2.0,
        connection_cost: float = -10.0,
        spare: str = "after",
        max_steps: int = 500_000,
        instance_seed: int = 0,
        backend: str = "auto",
    ) -> None:
        given = locals()
        self.changed = changed(LoadBalancingWorld.__init__, given)
        self.cost_model = check_choice("cost_model", cost_model, ("discrete", "gradient"))
        self.spare = check_choice("spare", spare, ("after", "before"))
        self.places = check_int("max_in_flight", max_in_flight, low=1, high=1_000_000)
        self.horizon: int = check_int("max_steps", max_steps, low=1, high=LAST_STEP)
        self.instance_seed = check_seed("instance_seed", instance_seed)
        self.min_q_value = check_real("min_q_value", min_q_value, high=0.0)
        self.delegation_reward = check_real("delegation_reward", delegation_reward, high=0.0)
        self.connection_cost = check_real("connection_cost", connection_cost, high=0.0)
        self.backend = resolve_backend(backend)

        founders, edges, nodes = build_edges(topology, n_agents, out_degree, self.instance_seed)
        self.entries = np.zeros(1, np.int64)
        if entries is not None:
            self.entries = agent_indices("entries", entries, founders, nodes)
        if self.entries.size == 0:
            raise ValueError("entries must name at least one agent, got none")
        self.servers: tuple[int, ...] = ()
        if servers is not None:
            self.servers = tuple(agent_indices("servers", servers, founders, nodes).tolist())
        elif not is_sequence(capacity):
            self.servers = default_servers(
                topology, founders, edges, self.entries, self.instance_seed
            )
        own = capacities(capacity, founders, self.servers, server_capacity)
        joins = check_int("join_capacity", join_capacity, low=0, high=LARGEST_CAPACITY)
        joins_at = join_step(join_at)
        self.n_agents = founders + (joins > 0)
        self.capacity = np.concatenate([own, [joins] * (joins > 0)]).astype(np.int64)
        if joins:
            first = edges[edges[:, 0] == self.entries[0], 1]
            edges = np.concatenate([edges, np.stack([np.full_like(first, founders), first], 1)])
        self._divisor = np.maximum(self.capacity, 1)[:, None]
        self._roomless = np.flatnonzero(self.capacity == 0)
        self._edges = edges
        successors = slot_table(edges, self.n_agents)

        check_choice("discovery", discovery, ("off", "entry_neighbors", "all"))
        if discover is None:
            discover = "joined" if joins else "any"
        check_choice("discover", discover, ("joined", "any"))
        if discovery != "off" and discover == "joined" and not joins:
            raise ValueError("discover='joined' needs a server that joins: join_capacity ≥ 1")
        finders = discoverers(discovery, self.n_agents, founders, successors, self.entries)
        extra = check_int("discovery_slots", discovery_slots, low=1, high=1000)
        self.discovers = discovery != "off"
        self.slots = successors.shape[1] + extra * self.discovers
        room = int(self.capacity.sum())
        if not self.discovers or discover == "joined":
            room = joins + capacity_in_reach(own, self.hops[:founders] >= 0)
        departs = check_real("departure_rate", departure_rate, low=0.0, high=0.999)
        self.rules = Rules(
            capacity=self.capacity,
            successors=successors,
            extra_slots=extra * self.discovers,
            may_discover=finders,
            discover_any=discover == "any",
            entries=self.entries,
            n_founders=founders,
            founders_capacity=int(own.sum()),
            join_at=joins_at if joins else NEVER,
            n_loads=supply(n_loads, room),
            poisson=arrival_rate is not None,
            **arrivals(arrival_rate),
            departure_odds=departs / (1 - departs),
            none_departs=none_departs(departs, int(self.capacity.max())),
            loss=int(threshold(check_probability("message_loss", message_loss))),
            delay=check_int("message_delay", message_delay, low=0, high=1_000_000),
            fail=int(threshold(check_probability("fail_rate", fail_rate))),
            recover=int(threshold(check_probability("return_rate", return_rate))),
            find=int(threshold(check_probability("discovery_rate", discovery_rate))),
            memory=check_bool("memory", memory),
            timeout=NEVER
            if timeout is None
            else check_int("timeout", timeout, low=1, high=LAST_STEP),
        )
        if not self.rules.fail:
            self.rules = self.rules._replace(recover=0)

        check_size("n_agents", self.n_agents, self._bytes_per_agent, f" with {self.slots} slots")
        check_size("max_in_flight", self.places, self._bytes_per_place)
        latest = (
            self.horizon + self.rules.delay + 1
        )  # a ticket is a number below latest × (n + 1) × places
        check_int(
            "max_steps × n_agents × max_in_flight",
            latest * (self.n_agents + 1) * self.places,
            low=1,
        )
        self.action_kinds = (
            ("noop", "local") + ("delegation",) * self.slots + ("discovery",) * self.discovers
        )
        self._n_actions = len(self.action_kinds)
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
        return self.n_agents * self._bytes_per_agent + self.places * self._bytes_per_place

    @property
    def _bytes_per_agent(self) -> int:
        return int(100 + 8 * self.slots + 8 * self.rules.extra_slots)

    @property
    def _bytes_per_place(self) -> int:
        return 60 + 2 * self.n_agents * self.rules.memory

    @cached_property
    def hops(self) -> NDArray[np.int64]:
        """``int64[n]``: delegations from the nearest entry to each agent; −1 where there is no path."""
        return hops_from(self._edges, self.n_agents, self.entries)

    def initial(self, stream: Stream) -> State:
        """Empty agents, and the first loads at the entries (none yet where arrivals are Poisson)."""
        state = empty_state(self.rules, self.places, stream.num_envs)
        numpy_kernel.admit(self.rules, state)
        numpy_kernel.order_queues(state)
        return state

    def transition(self, state: State, action: NDArray[np.integer], stream: Stream) -> State:
        """One step; see `numpy_kernel` for the order of events."""
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
        next_state = copy_state(state)
        keys = self._keys(stream)
        if self.backend == "numba":
            _numba_kernel().advance(self.rules, next_state, action, keys)
        else:
            numpy_kernel.advance(self.rules, next_state, action, keys)
        return next_state

    def reward(
        self, state: State, action: NDArray[np.integer], next_state: State, stream: Stream
    ) -> NDArray[np.float32]:
        """What each agent's action cost (Table 1), from its outcome: ``float32[n, B]``, ≤ 0.

        A store that succeeds costs nothing in the discrete model and ``min_q_value / (2 · spare)`` in the gradient
        model, spare being the capacity left after it or before it (``min_q_value`` when that is none).
        """
        reward = self._outcome_reward[next_state.outcome]
        if self.cost_model == "gradient":
            agent, b = np.nonzero(next_state.outcome == Outcome.STORED)
            reward[agent, b] = self.store_costs(
                self.capacity[agent] - next_state.load[agent, b] + self._counts_before
            )
        return reward

    def store_costs(self, spare: NDArray[np.int64]) -> NDArray[np.float64]:
        """The reward ``float64[…]`` of stores that succeed, from the spare capacity that they are reckoned with."""
        if self.cost_model == "discrete":
            return np.zeros(spare.shape)
        share = np.where(spare > 0, 1.0 / (2.0 * np.maximum(spare, 1)), 1.0)
        return np.asarray(self.min_q_value * share)

    def observation(self, state: State) -> NDArray[np.float32]:
        """``float32[n, 4, B]``: holds a load, q / (1 + q) for a queue of q, share of capacity used, is active."""
        observed = np.empty((self.n_agents, 4, state.load.shape[1]), np.float32)
        observed[:, 0] = state.head >= 0
        observed[:, 1] = self._crowding[state.waiting]
        observed[:, 2] = self._fill(state)
        observed[:, 3] = state.active
        return observed

    def terminal(self, state: State) -> NDArray[np.bool_]:
        """Whether every load has entered and none is in flight."""
        exhausted: NDArray[np.bool_] = state.tally[Count.REMAINING] == 0
        if not exhausted.any():
            return exhausted
        idle: NDArray[np.bool_] = (state.backlog.sum(axis=0) == 0) & (state.at < 0).all(axis=0)
        return exhausted & idle

    def action_mask(self, state: State) -> NDArray[np.int8]:
        """``int8[n, A, B]``: with a load, everything but the no-op that its slots allow; without, only the no-op."""
        mask = np.zeros((self.n_agents, len(self.action_kinds), state.load.shape[1]), np.int8)
        mask[:, NOOP] = 1
        agent, b = np.nonzero(state.head >= 0)
        legal = self._legal_with_load[agent]
        if self.rules.extra_slots or self.rules.memory:
            legal[:, FIRST_DELEGATION : FIRST_DELEGATION + self.slots] = self._open_slots(
                state, agent, b
            )
        if self.discovers:
            legal[:, -1] = self._may_discover(state, agent, b)
        mask[agent, :, b] = legal
        return mask

    def info(self, state: State) -> dict[str, NDArray[Any]]:
        """What the agents are told beside the mask.

        - ``outcome`` ``int8[n, B]``, see `rules.Outcome`; ``dop`` ``int8[n, B]``, see `rules.Dop`;
        - ``connection_cost`` ``float32[n, B]``: the part of the reward that paid for a link;
        - ``active`` ``bool[n, B]``; ``neighbors`` ``int32[n, K + S, B]``, −1 for none;
        - ``action_kinds`` ``int8[n, A, B]``: 0 noop, 1 local, 2 delegation, 3 discovery.
        """
        columns = state.load.shape[1]
        kinds = np.broadcast_to(self._kind_codes, (self.n_agents, self._kind_codes.size))
        return {
            "action_kinds": np.broadcast_to(kinds[..., None], (*kinds.shape, columns)),
            "outcome": state.outcome.copy(),
            "dop": self._dop_of_outcome[state.outcome],
            "connection_cost": self._link_of_outcome[state.outcome],
            "active": state.active > 0,
            "neighbors": numpy_kernel.neighbor_table(self.rules, state),
        }

    def state_array(self, state: State) -> NDArray[np.int32]:
        """``int32[3n, B]``: stored loads, queue lengths, activity."""
        return np.concatenate([state.load, state.waiting, state.active.astype(np.int32)])

    def metrics(self, state: State) -> dict[str, NDArray[Any]]:
        """Counts of loads and messages, all ``[B]`` but `load`.

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

    def optimum(self) -> Optimum:
        """See `crl_envs.load_balancing.optimum.find_optimum`."""
        from crl_envs.load_balancing.optimum import find_optimum

        return find_optimum(self)

    @cached_property
    def costs(self) -> Costs:
        """The rewards as constants for compiled loops."""
        return Costs(
            reward=self._outcome_reward,
            link=self._link_of_outcome,
            dop=self._dop_of_outcome,
            min_q=self.min_q_value,
            gradient=self.cost_model == "gradient",
            before=self._counts_before,
        )

    def blank_keys(self) -> Keys:
        """Keys of one column for a compiled loop to write to."""
        return Keys(*(np.zeros(1, np.uint64) for _ in Keys._fields))

    @cached_property
    def _outcome_reward(self) -> NDArray[np.float32]:
        delegated = self.delegation_reward + self.connection_cost
        link = self.connection_cost
        by_outcome = {
            Outcome.NONE: 0.0,
            Outcome.STORED: 0.0,
            Outcome.STORE_FAILED: self.min_q_value,
            Outcome.DELEGATED: delegated,
            Outcome.MESSAGE_LOST: link,
            Outcome.DISCOVERED: link,
            Outcome.NOT_DISCOVERED: link,
            Outcome.IDLED: self.min_q_value,  # or waiting would be the best policy
        }
        return np.array([by_outcome[outcome] for outcome in Outcome], np.float32)

    @cached_property
    def _kind_codes(self) -> NDArray[np.int8]:
        return np.array([KINDS.index(kind) for kind in self.action_kinds], np.int8)

    @cached_property
    def _dop_of_outcome(self) -> NDArray[np.int8]:
        return np.array([DOP_OF_OUTCOME[outcome] for outcome in Outcome], np.int8)

    @cached_property
    def _link_of_outcome(self) -> NDArray[np.float32]:
        costs = [self.connection_cost if o in USES_LINK else 0.0 for o in Outcome]
        return np.array(costs, np.float32)

    @property
    def _counts_before(self) -> int:
        """What the spare capacity lacks after a store: the load itself."""
        return int(self.spare == "before")

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
        legal[:, FIRST_DELEGATION : FIRST_DELEGATION + width] = self.rules.successors >= 0
        return legal

    def _fill(self, state: State) -> NDArray[np.float64]:
        """Share of capacity used ``float64[n, B]``; an agent without capacity counts as full."""
        fill: NDArray[np.float64] = state.load / self._divisor
        if self._roomless.size:
            fill[self._roomless] = 1.0
        return fill

    def _open_slots(
        self, state: State, agent: NDArray[np.int64], b: NDArray[np.int64]
    ) -> NDArray[np.int8]:
        """``int8[M, K + S]``: slots through which the M holding agents may delegate their first load."""
        neighbor = self.rules.successors[agent]
        if self.rules.extra_slots:
            neighbor = np.concatenate([neighbor, state.found[agent, :, b]], axis=1)
        is_open = neighbor >= 0
        if self.rules.memory:
            place = state.head[agent, b][:, None]
            is_open &= state.visited[place, np.maximum(neighbor, 0), b[:, None]] == 0
        return is_open.astype(np.int8)

    def _may_discover(
        self, state: State, agent: NDArray[np.int64], b: NDArray[np.int64]
    ) -> NDArray[np.int8]:
        allowed = (self.rules.may_discover[agent] > 0) & (state.found[agent, :, b] < 0).any(axis=1)
        if self.rules.join_at != NEVER:
            allowed &= state.tally[Count.JOINED, b] > 0
        return allowed.astype(np.int8)

    def _keys(self, stream: Stream) -> Keys:
        rules = self.rules
        unused = stream.seeds
        return Keys(
            arrival=stream.keys(Purpose.ARRIVAL) if rules.poisson else unused,
            departure=stream.keys(Purpose.DEPARTURE) if rules.none_departs.size else unused,
            loss=stream.keys(Purpose.LINK_LOSS) if rules.loss else unused,
            delay=stream.keys(Purpose.LINK_DELAY) if rules.delay else unused,
            failure=stream.keys(Purpose.FAILURE) if rules.fail else unused,
            recovery=stream.keys(Purpose.RETURN) if rules.fail else unused,
            discovery=stream.keys(Purpose.DISCOVERY) if self.discovers else unused,
            discovered=stream.keys(Purpose.DISCOVERED_AGENT) if self.discovers else unused,
        )


@lru_cache(maxsize=1)
def _numba_kernel() -> Any:
    from crl_envs.load_balancing import numba_kernel

    return numba_kernel
