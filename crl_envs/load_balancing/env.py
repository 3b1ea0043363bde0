"""``crl/load_balancing-v0``: spaces, names and documentation of load balancing."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from crl_envs.core.parallel import Infos, WorldEnv
from crl_envs.load_balancing.optimum import fewest_steps
from crl_envs.load_balancing.rules import DOP_OF_OUTCOME, Outcome
from crl_envs.load_balancing.world import LoadBalancingWorld


class LoadBalancingEnv(WorldEnv):
    """Loads enter a graph of agents; whoever holds one stores it, or hands it on to a neighbour.

    ## Description
    The load-balancing problem of Dowling & Haridi (2008, §6). Each agent has room for a number of loads; two servers
    have ten times as much. A load waits in an agent's queue (first in, first out); each active agent acts on the first
    load of its queue at every step. By default it is the paper's clock: one load in flight, so one step is one action
    of the agent that holds it, and the next load enters when the last one is stored. Beyond the paper: several loads in
    flight and entries, Poisson arrivals, departures, lost and late messages, agents that fail and return, a server that
    joins, discovery, loads that remember and time out.

    A failed agent isn't dead (PettingZoo forbids revival): its only legal action is the no-op, its queue and its
    stored loads stay, and messages to it are lost. The order of events in a step is that of
    `crl_envs.load_balancing.numpy_kernel`.

    ## Action Space
    ``Discrete(2 + K)``: 0 no-op (legal only without a load), 1 store, 2 … delegate to neighbour slot 0 …; with
    discovery, `discovery_slots` more slots and, last, discover. ``infos[agent]["action_kinds"]`` names the kinds.

    ## Observation Space
    ``Box(0, 1, (4,), float32)``: holds a load it can act on; q/(1 + q) for a queue of q loads; share of capacity used;
    is active. ``state()``: ``int32[3n]``, stored loads, queue lengths and activity of all agents.

    ## Starting State
    All agents empty, the first load(s) at the entries (with Poisson arrivals none yet).

    ## Reward
    Local, to the agent that acts (Table 1):

    | action | outcome | reward |
    |---|---|---|
    | no-op | | 0 |
    | store | stored | discrete: 0; gradient: −200 / (2 · spare), spare counted after storing, −200 when it is 0 |
    | store | full: the load stays | −200 |
    | delegate | moved to the neighbour's queue | −2 − 10 |
    | delegate | message lost: the load stays | −10 |
    | discover | | −10 |

    ## Episode End
    Terminated when all `n_loads` have entered and none is in flight; truncated after `max_steps`, for instance when
    there are more loads than capacity (``metrics()`` then says what is left).

    ## Information
    ``action_mask``; ``illegal_action``; ``neighbors``, the agent behind each delegation slot (None for an empty one);
    ``action_kinds``; ``outcome`` of the last action: none, stored, store_failed, delegated, message_lost, discovered,
    not_discovered; ``dop``, what became of the problem acted on: none, solved, delegated or kept;
    ``connection_cost``, the part of the reward that paid for a link; ``active``. ``metrics()``: see
    `crl_envs.load_balancing.LoadBalancingWorld.metrics`; at each step loads_in = stored + queued + on_wire + departed
    + timed_out.

    ## Arguments

    Args:
        n_agents: Number of agents at the start; 50, or the number of nodes of `topology` when that is a graph.
        topology: ``"grid"`` (i → i+1 … i+9 mod n), ``"random"`` (10 distinct successors each) or a networkx graph
            whose edges are the delegations.
        out_degree: Successors of each agent in the named topologies; 9 and 10, fewer for n < 50.
        capacity: Loads that each agent can store; one number or one for each agent.
        servers: Agents with `server_capacity`; n−3 and n−2 on the grid (47 and 48), two drawn beyond one hop from the
            entries on a random graph, none on a networkx graph or where `capacity` is a list.
        server_capacity: Loads that a server can store.
        entries: Agents at which loads enter, in turn.
        cost_model: ``"discrete"`` or ``"gradient"`` (§6).
        n_loads: Loads of an episode; by default all that the capacity in reach of an entry holds; ``"endless"`` with
            departures.
        max_in_flight: Most loads under way at once; 1 is the paper's clock.
        arrival_rate: Mean of the Poisson number of loads that arrive at each entry in a step; None: always one waiting.
        departure_rate: Probability that a stored load leaves in a step.
        message_loss: Probability that a delegation is lost on its link.
        message_delay: A delegation takes 1 + uniform{0 … `message_delay`} steps.
        fail_rate: Probability that an active agent fails in a step.
        return_rate: Probability that a failed agent returns in a step.
        join_capacity: Capacity of a server that joins later as agent n; 0 for none. Nobody's slots lead to it:
            it must be discovered. It delegates to the first entry's neighbours.
        join_at: The step at which it joins, or ``"full"``: when all others are full.
        discovery: Who has the discovery action: ``"off"``, ``"entry_neighbors"`` (1-hop neighbours of the entries) or
            ``"all"``. With a server that joins, it is legal from then on.
        discover: What can be found: ``"joined"`` (the default where a server joins) or ``"any"`` active agent.
        discovery_rate: Probability that a discovery finds something when there is something.
        discovery_slots: Delegation slots of each agent for what it discovers.
        memory: A load isn't handed to an agent where it has been. One that has been with all
            neighbours of a full agent is stuck there, until the `timeout`.
        timeout: Steps after which a load in flight is given up; None for never.
        min_q_value: Reward of a store that fails (MinQ).
        delegation_reward: Reward of a delegation, without the link.
        connection_cost: Reward of using a link.
        spare: Whether the gradient model counts an agent's spare capacity ``"after"`` the store or ``"before"`` it;
            the paper doesn't say, and only the former shows what it reports at 95 % full.
        max_steps: Horizon in steps.
        instance_seed: Seed of the random topology and its servers, apart from the episodes' seed.
        backend: ``"auto"``, ``"numpy"`` or ``"numba"``; the same results.
        render_mode: None.

    Raises:
        ValueError: An argument out of its range.

    ## Known Optimum
    ``optimum()``: exact (cheapest stores by hops) with one entry and neither faults nor departures; else the bound 0.

    ## Scaling Knob
    `n_agents`.

    ## References
    Dowling & Haridi 2008, "Reinforcement Learning for Online Optimization of Distributed Systems", §5.5–§6, Table 1.

    ## Version History
    v0: first release.
    """

    metadata = WorldEnv.metadata | {"name": "crl/load_balancing-v0"}
    world: LoadBalancingWorld

    make_world = LoadBalancingWorld

    def __init__(
        self,
        n_agents: int | None = None,
        topology: Any = "grid",
        out_degree: int | None = None,
        capacity: int | Sequence[int] = 20,
        servers: Sequence[int] | None = None,
        server_capacity: int = 200,
        entries: Sequence[int] = (0,),
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
        render_mode: str | None = None,
    ) -> None:
        arguments = {k: v for k, v in locals().items() if k in _WORLD_ARGUMENTS}
        super().__init__(LoadBalancingWorld(**arguments), render_mode)
        self._consequences: list[dict[str, Any]] = [
            {
                "outcome": outcome.name.lower(),
                "dop": DOP_OF_OUTCOME[outcome].name.lower(),
                "connection_cost": float(self.world.costs.link[outcome]),
            }
            for outcome in Outcome
        ]

    @property
    def capacity(self) -> NDArray[np.int64]:
        """``int64[n]``: loads that each agent can store; a copy."""
        return self.world.capacity.copy()

    @property
    def entries(self) -> tuple[int, ...]:
        """The agents at which loads enter."""
        return tuple(self.world.entries.tolist())

    def optimal_steps(self) -> int:
        """Fewest steps in which all loads can be stored on the paper's clock; see `optimum.fewest_steps`.

        Raises:
            ValueError: More than one load in flight, several entries, faults, arrivals, or too little room.
        """
        return fewest_steps(self.world)

    def _make_templates(self) -> list[dict[str, Any]]:
        idle = np.zeros(len(self.world.action_kinds), np.int8)
        idle[0] = 1
        idle.setflags(write=False)
        names = {i: agent for i, agent in enumerate(self.possible_agents)}
        return [
            {
                "action_mask": idle,
                "illegal_action": False,
                "neighbors": tuple(
                    map(names.get, [*successors, *[-1] * self.world.rules.extra_slots])
                ),
                "action_kinds": self.world.action_kinds,
                "outcome": "none",
                "dop": "none",
                "connection_cost": 0.0,
                "active": True,
            }
            for successors in self.world.rules.successors.tolist()
        ]

    def _infos(self, illegal: NDArray[np.bool_] | None) -> Infos:
        if self._templates is None:
            self._templates = self._make_templates()
        agents, state = self.possible_agents, self._state
        infos = dict(zip(agents, map(dict.copy, self._templates), strict=True))
        assert self._mask is not None
        for i in np.flatnonzero(state.head[:, 0] >= 0).tolist():
            infos[agents[i]]["action_mask"] = self._mask[i, :, 0].copy()
        for i in np.flatnonzero(state.outcome[:, 0]).tolist():
            infos[agents[i]].update(self._consequences[state.outcome[i, 0]])
        for i in np.flatnonzero(state.active[:, 0] == 0).tolist():
            infos[agents[i]]["active"] = False
        if illegal is not None and illegal.any():
            for i in np.flatnonzero(illegal[:, 0]).tolist():
                infos[agents[i]]["illegal_action"] = True
        if self.world.rules.extra_slots:
            self._add_found(infos)
        return infos

    def _add_found(self, infos: Infos) -> None:
        found = self._state.found[:, :, 0]
        for i in np.flatnonzero((found >= 0).any(axis=1)).tolist():
            info = infos[self.possible_agents[i]]
            known = info["neighbors"][: self.world.rules.successors.shape[1]]
            info["neighbors"] = known + tuple(
                self.possible_agents[j] if j >= 0 else None for j in found[i].tolist()
            )


_WORLD_ARGUMENTS = frozenset(
    LoadBalancingWorld.__init__.__code__.co_varnames[
        1 : LoadBalancingWorld.__init__.__code__.co_argcount
    ]
)
