"""Load balancing's arguments, and what follows from them before anything moves: the graph, the room, the rules."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any, Final, Literal, TypedDict

import numpy as np
from numpy.typing import NDArray

from crl_envs.core.arguments import (
    about_bytes,
    check_bool,
    check_choice,
    check_each,
    check_int,
    check_probability,
    check_real,
    check_seed,
    check_size,
    is_sequence,
    is_word,
    keep,
    shown,
)
from crl_envs.core.backend import resolve_backend
from crl_envs.core.problem import changed
from crl_envs.core.stream import threshold
from crl_envs.core.topology import Edges, opened_topology, slot_table
from crl_envs.load_balancing.graphs import build_edges, default_servers, grid_hops, hops_from
from crl_envs.load_balancing.rules import (
    DOP_OF_OUTCOME,
    ENDLESS,
    LEAST_RECENT,
    NEVER,
    WHEN_FULL,
    Costs,
    Outcome,
    Rules,
    store_reward,
)

if TYPE_CHECKING:
    import networkx as nx

LARGEST_CAPACITY: Final = 2**31 - 1
LAST_STEP: Final = 2**40

# How many stores before its own a store's spare capacity is counted after, by `spare`.
_STORES_BEFORE: Final = {"after": 0, "before": 1, "next": -1}
_MOST_WITH_DEPARTURES: Final = 10_000_000  # loads at an agent: a table has an entry for each number


@dataclass(frozen=True)
class LoadBalancingProblem:
    """Loads that enter a graph of agents, are handed on and stored.

    Attributes:
        n_agents: Number of agents n at the start, at least 1. Default None: 50, or the number of nodes of `topology`
            when that is a graph.
        topology: ``"grid"`` (i → i + 1 … i + `out_degree`, mod n, the paper's name for this circulant graph),
            ``"random"`` (`out_degree` distinct successors each) or a networkx graph whose edges are the delegations:
            nodes 0 … n − 1 are the agents of these numbers, in whatever order they are; other nodes are numbered in the
            graph's order. Also the path of a GraphML file (`crl_envs.core.topology.read_graphml`). Default ``"grid"``.
        out_degree: Successors of each agent in the named topologies, 0 to n − 1. Default None: 9 on the grid and 10 on
            the random graph, for n < 50 at most n / 5 rounded down (1 at least).
        capacity: Loads that each agent can store, 0 to 2,147,483,647; one number, or a list with one for each agent.
            Default 20.
        servers: Agents with `server_capacity`, a list of numbers, or of nodes where those of `topology` aren't
            0 … n − 1. Default None: n − 3 and n − 2 on the grid (47 and 48), two drawn beyond one hop from the entries
            on a random graph, none on a networkx graph, for n < 4 or where `capacity` is a list.
        server_capacity: Loads that a server can store, 0 to 2,147,483,647. Default 200.
        entries: Agents at which loads enter, in turn; a list like that of `servers` with at least one. Default None:
            agent 0.
        cost_model: ``"discrete"`` or ``"gradient"`` (§6), see the table of rewards. Default ``"discrete"``.
        n_loads: Loads of an episode, 1 to 2^62; ``"endless"`` with departures. Default None: all that the capacity in
            reach of an entry holds.
        max_in_flight: Most loads under way at once, 1 to 1,000,000; 1 is the paper's clock. Default 1.
        arrival_rate: Mean of the Poisson number of loads that arrive at each entry in a step, above 0 and up to 500.
            Default None: always one waiting.
        departure_rate: Probability that a stored load leaves in a step, 0 to 0.999, for a largest capacity c above 101
            only to 1 − exp(−700 / c), which is 0.97 for 200, and for c up to 10,000,000. Default 0.
        message_loss: Probability that a delegation is lost on its link, 0 to 1. Default 0.
        message_delay: A delegation takes 1 + uniform{0 … `message_delay`} steps, 0 to 1,000,000. Default 0.
        fail_rate: Probability that an active agent fails in a step, 0 to 1. Default 0.
        return_rate: Probability that a failed agent returns in a step, 0 to 1. Default 0.1.
        join_capacity: Capacity of a server that joins later as agent n, 0 to 2,147,483,647; 0 for none. Nobody's
            slots lead to it: it must be discovered. It delegates to the first entry's neighbours. Default 0.
        join_at: The step at which it joins, 1 to 2^40, or ``"full"``: when all others are full. Default ``"full"``.
        discovery: Who has the discovery action: ``"off"``, ``"entry_neighbors"`` (1-hop neighbours of the entries) or
            ``"all"``. Default ``"off"``.
        discover: What can be found: ``"joined"``, the server that joins, ``"any"`` active agent that there is no slot
            for, or any ``"again"``: also those that there is one for by topology, and where all slots of discovery are
            taken one gives way, so that who has been dropped from view can come back into it. Default None: the server
            where one joins, else any.
        discovery_rate: Probability that a discovery finds something when there is something, 0 to 1. Default 1.
        discovery_slots: Delegation slots of each agent for what it discovers, 1 to 1,000. Default 1.
        memory: True: a load isn't handed to an agent where it has been, unless it has been with all neighbours of the
            one that holds it; ``"least_recent"``: then only to the one where it has been least recently. Default False.
        timeout: Steps after which a load under way is given up, 1 to 2^40. Default None: never.
        min_q_value: Reward of a store that fails (MinQ), and of an illegal action with a load, −10^30 to 0.
            Default −200.
        delegation_reward: Reward of a delegation, without the link, −10^30 to 0. Default −2.
        connection_cost: Reward of using a link, −10^30 to 0. Default −10.
        discovery_cost: Reward of a discovery, whether or not it finds somebody, −10^30 to 0. Default 0: the paper
            charges connections for delegations only (§5.4).
        spare: When the gradient model counts an agent's spare capacity: ``"after"`` the store, ``"before"`` it, or
            after the ``"next"`` one, so that a store costs what another one there would. The paper doesn't say; only
            with the last does an agent with one of 20 places left look full, as it reports. Default ``"after"``.
        max_steps: Horizon in steps, 1 to 2^40. Default 500,000.
        instance_seed: Seed of the random topology and its servers, 0 to 2^64 − 1, apart from the episodes' seed, which
            is that of ``reset(seed=…)``. Default 0.
        backend: ``"auto"``, ``"numpy"`` or ``"numba"``: the same results, Numba's sooner; ``"auto"`` takes it where it
            is installed. Default ``"auto"``.

    Raises:
        ValueError: An argument out of its range.
    """

    n_agents: int | None = None
    topology: str | nx.Graph = "grid"
    out_degree: int | None = None
    capacity: int | Sequence[int] = 20
    servers: Sequence[Any] | None = None
    server_capacity: int = 200
    entries: Sequence[Any] | None = None
    cost_model: str = "discrete"
    n_loads: int | Literal["endless"] | None = None
    max_in_flight: int = 1
    arrival_rate: float | None = None
    departure_rate: float = 0.0
    message_loss: float = 0.0
    message_delay: int = 0
    fail_rate: float = 0.0
    return_rate: float = 0.1
    join_capacity: int = 0
    join_at: int | Literal["full"] = "full"
    discovery: str = "off"
    discover: str | None = None
    discovery_rate: float = 1.0
    discovery_slots: int = 1
    memory: bool | Literal["least_recent"] = False
    timeout: int | None = None
    min_q_value: float = -200.0
    delegation_reward: float = -2.0
    connection_cost: float = -10.0
    discovery_cost: float = 0.0
    spare: str = "after"
    max_steps: int = 500_000
    instance_seed: int = 0
    backend: str = "auto"

    def __post_init__(self) -> None:
        keep(self, opened_topology, "topology")
        keep(self, check_choice, "cost_model", ("discrete", "gradient"))
        keep(self, check_choice, "spare", tuple(_STORES_BEFORE))
        keep(self, check_int, "max_in_flight", low=1, high=1_000_000)
        keep(self, check_int, "max_steps", low=1, high=LAST_STEP)
        keep(self, check_seed, "instance_seed")
        for price in ("min_q_value", "delegation_reward", "connection_cost", "discovery_cost"):
            keep(self, check_real, price, high=0.0)
        resolve_backend(self.backend)
        keep(self, check_int, "join_capacity", low=0, high=LARGEST_CAPACITY)
        keep(self, check_choice, "discovery", ("off", "entry_neighbors", "all"))
        keep(self, check_int, "discovery_slots", low=1, high=1000)
        keep(self, check_real, "departure_rate", low=0.0, high=0.999)
        keep(self, check_int, "message_delay", low=0, high=1_000_000)
        for chance in ("message_loss", "fail_rate", "return_rate", "discovery_rate"):
            keep(self, check_probability, chance)
        keep(self, _check_memory, "memory")
        if self.timeout is not None:
            keep(self, check_int, "timeout", low=1, high=LAST_STEP)
        self._check_sizes()

    @cached_property
    def changed(self) -> frozenset[str]:
        """Names of the arguments that aren't at their defaults."""
        return changed(self)

    @cached_property
    def n(self) -> int:
        """Number of agents, with the server that joins."""
        return self.founders + (self.join_capacity > 0)

    @property
    def founders(self) -> int:
        """Number of agents that are there from the start."""
        return self._graph[0]

    @cached_property
    def edges(self) -> Edges:
        """``int64[E, 2]``: (source, target) where the source may delegate to the target from the start."""
        _, edges, _ = self._graph
        if self.join_capacity == 0:
            return edges
        first = edges[edges[:, 0] == self.entry_agents[0], 1]
        return np.concatenate([edges, np.stack([np.full_like(first, self.founders), first], 1)])

    @cached_property
    def entry_agents(self) -> NDArray[np.int64]:
        """``int64[E]``: the agents at which loads enter."""
        if self.entries is None:
            return np.zeros(1, np.int64)
        agents = self._numbers("entries", self.entries)
        if agents.size == 0:
            raise ValueError("entries must name at least one agent, got none")
        return agents

    @cached_property
    def server_agents(self) -> tuple[int, ...]:
        """The agents with `server_capacity`."""
        if self.servers is not None:
            return tuple(self._numbers("servers", self.servers).tolist())
        if is_sequence(self.capacity):
            return ()
        founders, edges, _ = self._graph
        return default_servers(
            self.topology, founders, edges, self.entry_agents, self.instance_seed
        )

    @cached_property
    def hops(self) -> NDArray[np.int64]:
        """``int64[n]``: delegations from the nearest entry to each agent; −1 where there is no path."""
        if not is_word(self.topology, "grid"):
            return hops_from(self.edges, self.n, self.entry_agents)
        founders, edges, _ = self._graph
        hops = grid_hops(founders, len(edges) // founders, self.entry_agents)
        return np.append(hops, np.full(self.n - founders, -1))  # nobody's slots lead to who joins

    @property
    def discovers(self) -> bool:
        """Whether anybody has the discovery action."""
        return self.discovery != "off"

    @cached_property
    def slots(self) -> int:
        """Delegation slots of each agent, K + S."""
        return int(self.rules.successors.shape[1]) + self.rules.extra_slots

    @cached_property
    def rules(self) -> Rules:
        """The constants that the kernels read."""
        entries, servers = self.entry_agents, list(self.server_agents)
        own = _capacities(self.capacity, self.founders)
        own[servers] = check_int(
            "server_capacity", self.server_capacity, low=0, high=LARGEST_CAPACITY
        )
        joins = self.join_capacity
        joins_at = _join_step(self.join_at)
        capacity = np.concatenate([own, [joins] * (joins > 0)]).astype(np.int64)
        successors = slot_table(self.edges, self.n)
        discover = self.discover
        if discover is None:
            discover = "joined" if joins else "any"
        check_choice("discover", discover, ("joined", "any", "again"))
        if self.discovers and discover == "joined" and not joins:
            raise ValueError("discover='joined' needs a server that joins: join_capacity ≥ 1")
        room = int(capacity.sum())
        if not self.discovers or discover == "joined":
            room = joins + _capacity_in_reach(own, self.hops[: self.founders] >= 0)
        rate, most_arrivals = _arrivals(self.arrival_rate)
        fail = int(threshold(self.fail_rate))
        return Rules(
            capacity=capacity,
            successors=successors,
            extra_slots=self.discovery_slots * self.discovers,
            may_discover=self._discoverers(successors),
            discover_any=discover != "joined",
            discover_again=discover == "again",
            entries=entries,
            n_founders=self.founders,
            founders_capacity=int(own.sum()),
            join_at=joins_at if joins else NEVER,
            n_loads=_supply(self.n_loads, room),
            poisson=self.arrival_rate is not None,
            arrival_rate=rate,
            arrival_zero=math.exp(-rate),
            most_arrivals=most_arrivals,
            departure_odds=self.departure_rate / (1 - self.departure_rate),
            none_departs=_none_departs(self.departure_rate, int(capacity.max())),
            loss=int(threshold(self.message_loss)),
            delay=self.message_delay,
            fail=fail,
            recover=int(threshold(self.return_rate)) if fail else 0,
            find=int(threshold(self.discovery_rate)),
            memory=LEAST_RECENT if self.memory == "least_recent" else int(self.memory),
            timeout=NEVER if self.timeout is None else self.timeout,
        )

    @cached_property
    def costs(self) -> Costs:
        """What outcomes cost."""
        link = {
            Outcome.DELEGATED: self.connection_cost,
            Outcome.MESSAGE_LOST: self.connection_cost,
            Outcome.DISCOVERED: self.discovery_cost,
            Outcome.NOT_DISCOVERED: self.discovery_cost,
        }
        by_outcome = {
            Outcome.STORE_FAILED: self.min_q_value,
            Outcome.IDLED: self.min_q_value,  # or waiting would be the best policy
            **link,
            Outcome.DELEGATED: self.delegation_reward + self.connection_cost,
        }
        return Costs(
            reward=np.array([by_outcome.get(o, 0.0) for o in Outcome], np.float32),
            link=np.array([link.get(o, 0.0) for o in Outcome], np.float32),
            dop=np.array([DOP_OF_OUTCOME[o] for o in Outcome], np.int8),
            min_q=self.min_q_value,
            gradient=self.cost_model == "gradient",
            before=_STORES_BEFORE[self.spare],
        )

    def store_costs(self, spare: NDArray[np.int64]) -> NDArray[np.float64]:
        """Return the reward ``float64[…]`` of stores that succeed, from the spare capacity they are reckoned with."""
        if not self.costs.gradient:
            return np.zeros(spare.shape)
        return np.asarray(store_reward(self.min_q_value, spare))

    @property
    def bytes_per_agent(self) -> int:
        """About how many bytes an agent takes in each environment."""
        return 100 + 8 * self.slots + 8 * self.rules.extra_slots

    @property
    def bytes_per_place(self) -> int:
        """About how many bytes a load in flight takes in each environment."""
        return 60 + 8 * self.n * bool(self.memory)

    @cached_property
    def _graph(self) -> tuple[int, Edges, dict[Any, int]]:
        return build_edges(self.topology, self.n_agents, self.out_degree, self.instance_seed)

    def _numbers(self, name: str, agents: Sequence[Any]) -> NDArray[np.int64]:
        """Distinct agents as an array of their numbers, given by these or by the names of nodes that have names."""
        founders, _, nodes = self._graph
        if nodes:
            checked = check_each(name, agents, _named, nodes=nodes)
        else:
            checked = check_each(name, agents, check_int, low=0, high=founders - 1)
        if len(set(checked)) != len(checked):
            raise ValueError(f"{name} must be distinct agents, got {shown(list(agents))}")
        return np.array(checked, np.int64)

    def _discoverers(self, successors: NDArray[np.int32]) -> NDArray[np.uint8]:
        """Return agents that have the discovery action."""
        finders = np.zeros(self.n, np.uint8)
        if self.discovery == "all":
            finders[: self.founders] = 1
        elif self.discovery == "entry_neighbors":
            near = successors[self.entry_agents].ravel()
            finders[near[near >= 0]] = 1
        return finders

    def _check_sizes(self) -> None:
        check_size("n_agents", self.n, self.bytes_per_agent, f" with {self.slots} slots")
        check_size("max_in_flight", self.max_in_flight, self.bytes_per_place)
        latest = self.max_steps + self.message_delay + 1
        check_int(  # a ticket is a number below this
            "max_steps × n_agents × max_in_flight",
            latest * (self.n + 1) * self.max_in_flight,
            low=1,
        )


class LoadBalancingArguments(TypedDict, total=False):
    """The fields of `LoadBalancingProblem` as keywords, for type checkers."""

    n_agents: int | None
    topology: str | nx.Graph
    out_degree: int | None
    capacity: int | Sequence[int]
    servers: Sequence[Any] | None
    server_capacity: int
    entries: Sequence[Any] | None
    cost_model: str
    n_loads: int | Literal["endless"] | None
    max_in_flight: int
    arrival_rate: float | None
    departure_rate: float
    message_loss: float
    message_delay: int
    fail_rate: float
    return_rate: float
    join_capacity: int
    join_at: int | Literal["full"]
    discovery: str
    discover: str | None
    discovery_rate: float
    discovery_slots: int
    memory: bool | Literal["least_recent"]
    timeout: int | None
    min_q_value: float
    delegation_reward: float
    connection_cost: float
    discovery_cost: float
    spare: str
    max_steps: int
    instance_seed: int
    backend: str


def _check_memory(name: str, memory: Any) -> bool | Literal["least_recent"]:
    if is_word(memory, "least_recent"):
        return "least_recent"
    try:
        return check_bool(name, memory)
    except ValueError as error:
        raise ValueError(
            str(error).replace("True or False", "True, False or 'least_recent'")
        ) from None


def _named(name: str, node: Any, nodes: Mapping[Any, int]) -> int:
    try:
        if isinstance(node, bool) and not any(isinstance(known, bool) for known in nodes):
            raise KeyError(node)  # True is 1 to a dict
        return nodes[node]
    except Exception:
        raise ValueError(
            f"{name} must be nodes of topology, which are {shown(list(nodes))}, got {shown(node)}"
        ) from None


def _capacities(capacity: int | Sequence[int], n: int) -> NDArray[np.int64]:
    """Return ``int64[n]``, loads: from one number for all or a list."""
    if not is_sequence(capacity):
        return np.full(n, check_int("capacity", capacity, low=0, high=LARGEST_CAPACITY), np.int64)
    if len(capacity) != n:
        raise ValueError(
            f"capacity must have one entry for each of {n} agents, got {len(capacity)}"
        )
    values = check_each("capacity", capacity, check_int, low=0, high=LARGEST_CAPACITY)
    return np.array(values, np.int64)


def _join_step(join_at: int | str) -> int:
    """Return the step at which a server joins, or `WHEN_FULL`."""
    if is_word(join_at, "full"):
        return WHEN_FULL
    if isinstance(join_at, str):
        raise ValueError(f"join_at must be 'full' or a step ≥ 1, got {shown(join_at)}")
    return check_int("join_at", join_at, low=1, high=LAST_STEP)


def _supply(n_loads: int | str | None, capacity: int) -> int:
    """Return the loads of an episode: a number, `ENDLESS`, or what the capacity holds."""
    if n_loads is None:
        return capacity
    if is_word(n_loads, "endless"):
        return ENDLESS
    if isinstance(n_loads, str):
        raise ValueError(f"n_loads must be an integer ≥ 1, 'endless' or None, got {shown(n_loads)}")
    return check_int("n_loads", n_loads, low=1, high=ENDLESS)


def _capacity_in_reach(capacity: NDArray[np.int64], reached: NDArray[np.bool_]) -> int:
    """Return the loads that can be stored by delegating from an entry.

    Args:
        capacity: ``int64[n]``, loads.
        reached: ``bool[n]``, agents to which delegations lead from an entry.

    Raises:
        ValueError: There is capacity, and none of it is in reach.
    """
    total, within = int(capacity.sum()), int(capacity[reached].sum())
    if total > 0 and within == 0:
        raise ValueError(
            f"topology must lead from an entry to capacity: none of the {total} loads that the agents "
            f"{np.flatnonzero(capacity)[:5].tolist()}{' …' if np.count_nonzero(capacity) > 5 else ''} "
            "have room for could get there"
        )
    return within


def _arrivals(rate: float | None) -> tuple[float, int]:
    """Return the rate of Poisson arrivals, and the most at one entry in one step; 0 without them."""
    if rate is None:
        return 0.0, 0
    rate = check_real("arrival_rate", rate, low=0.0, high=500.0, open_low=True)
    return rate, math.ceil(rate + 40 * math.sqrt(rate) + 40)


def _none_departs(rate: float, largest: int) -> NDArray[np.float64]:
    """Return P(none of k stored loads departs) for k = 0 … largest; empty without departures."""
    if rate == 0:
        return np.empty(0)
    if largest > _MOST_WITH_DEPARTURES:
        raise ValueError(
            f"capacity must be at most {_MOST_WITH_DEPARTURES} with departures, got {largest}: a table for each "
            f"number of loads would take about {about_bytes(24 * largest)} of memory"
        )
    if largest * -math.log1p(-rate) > 700:
        raise ValueError(
            f"departure_rate must be at most {-math.expm1(-700 / largest):.3g} for a capacity of "
            f"{largest}, got {shown(rate)}"
        )
    return np.asarray((1.0 - rate) ** np.arange(largest + 1))
