"""``crl/load_balancing-v0``: spaces, names and documentation of load balancing."""

from __future__ import annotations

from typing import Any, Unpack

import numpy as np
from numpy.typing import NDArray

from crl_envs.core.encoding import encoded
from crl_envs.core.parallel import Infos, WorldEnv, check_fits_dicts
from crl_envs.core.problem import documented_by
from crl_envs.load_balancing.optimum import fewest_steps
from crl_envs.load_balancing.problem import LoadBalancingArguments, LoadBalancingProblem
from crl_envs.load_balancing.rules import DOP_OF_OUTCOME, Outcome
from crl_envs.load_balancing.world import LoadBalancingWorld


@documented_by(LoadBalancingProblem)
class LoadBalancingEnv(WorldEnv):
    """Loads enter a graph of agents; whoever holds one stores it, or hands it on to a neighbour.

    ## Description
    The load-balancing problem of Dowling & Haridi (2008, §6). Each agent has room for a number of loads; two servers
    have ten times as much. A load waits in an agent's queue (first in, first out); each active agent acts on the first
    load of its queue at every step. By default it is the paper's clock: one load in flight, so one step is one action
    of the agent that holds it, and the next load enters when the last one is stored. Beyond the paper: several loads in
    flight and entries, Poisson arrivals, departures, lost and late messages, agents that fail and return, a server that
    joins, discovery, loads that remember and time out.

    By default 50 agents on the paper's "grid", i → i + 1 … i + 9 (mod 50), which is a circulant graph and is drawn as
    a ring: 48 of them store 20 loads each, the servers
    47 and 48 store 200 each, and 1,360 loads enter at agent 0, as many as there is room for.

    The events of a step, in their order:

    1. Stored loads depart (`departure_rate`).
    2. Every active agent with a load acts on the first one of its queue.
    3. The clock moves on. A load that was handed on joins its new agent's queue now, or later (`message_delay`).
    4. Agents fail and return; a server joins when it is due.
    5. Loads that have been under way for too long are given up (`timeout`).
    6. Loads arrive (`arrival_rate`) and enter, as long as fewer than `max_in_flight` are under way.

    A failed agent isn't dead (PettingZoo forbids revival): its only legal action is the no-op, its queue and its
    stored loads stay, and messages to it are lost.

    ## Action Space
    ``Discrete(11)`` by default: two actions, and one for each of K = 9 delegation slots, as many as the largest number
    of successors. With discovery there are `discovery_slots` more of them and one action more:

    | made with | action space |
    |---|---|
    | ``topology="random"`` | ``Discrete(12)`` |
    | ``n_agents=10`` | ``Discrete(4)`` |
    | ``discovery="all"`` | ``Discrete(13)`` |
    | ``discovery="all", discovery_slots=2`` | ``Discrete(14)`` |

    | action | kind | what the agent does | legal |
    |---|---|---|---|
    | 0 | ``noop`` | nothing | only without a load or when failed |
    | 1 | ``local`` | stores the load | with a load, even where there is no room |
    | 2 … K + 1 | ``delegation`` | hands it to the neighbour of slot 0 … K − 1 | with a load, where the slot has one |
    | the last | ``discovery`` | looks for an agent that it has no slot for | with a load, where `discovery` allows |

    With `memory`, slots that lead to where the load has been are closed, unless all of them do. Discovery needs a free
    slot, but where agents are found `"again"`, and with a server that joins it is legal from then on. An illegal action
    moves nothing and is flagged in the infos. An agent with a load pays for it, the no-op included, what a failed store
    costs, so that waiting never pays.

    ## Observation Space
    ``Box(0.0, 1.0, (4,), float32)``, whatever the arguments:

    | index | what is seen |
    |---|---|
    | 0 | 1 when the agent holds a load that it can act on, else 0 |
    | 1 | q / (1 + q) for a queue of q loads |
    | 2 | share of its capacity that is used, 1 for an agent without capacity |
    | 3 | 1 when it is active, 0 when it has failed or not yet joined |

    ``state()``: ``int32[3n]``, stored loads, queue lengths and activity of all agents.

    ## Starting State
    All agents empty and active, the first load (with `max_in_flight` the first ones) at the entries in turn. With
    Poisson arrivals there is none yet.

    ## Reward
    Local, to the agent that acts (Table 1 of the paper); an agent without a load gets 0:

    | action | ``outcome`` | ``dop`` | reward |
    |---|---|---|---|
    | no-op | ``none`` | ``none`` | 0 |
    | store, ``"discrete"`` | ``stored`` | ``solved`` | 0 |
    | store, ``"gradient"`` | ``stored`` | ``solved`` | −200 / (2 · spare), −200 for spare = 0 |
    | store | ``store_failed`` | ``kept`` | −200 |
    | delegate | ``delegated`` | ``delegated`` | −2 − 10 |
    | delegate | ``message_lost`` | ``kept`` | −10 |
    | discover | ``discovered`` | ``kept`` | 0 |
    | discover | ``not_discovered`` | ``kept`` | 0 |
    | anything illegal, with a load | ``idled`` | ``kept`` | −200 |

    −200 is `min_q_value`, −2 `delegation_reward` and −10 `connection_cost`; what a discovery costs, nothing by default,
    is `discovery_cost`. ``"discrete"`` and ``"gradient"`` are the values of `cost_model`; spare is the agent's capacity
    less its stored loads, the new one counted (see `spare`). ``kept``: the load stays where it is.

    ## Episode End

    - Terminated: when all `n_loads` have entered and none is under way.
    - Truncated: after `max_steps` steps.

    With more loads than room, or a load that is stuck, an episode is only truncated; ``metrics()`` says what is left.

    ## Information

    | infos[agent] | type | what it is |
    |---|---|---|
    | ``action_mask`` | ``int8[A]`` | 1 for a legal action; with a load, the others cost `min_q_value` |
    | ``illegal_action`` | ``bool`` | this step's action was illegal and moved nothing |
    | ``neighbors`` | ``tuple`` | id of the agent behind each delegation slot, None for an empty one |
    | ``action_kinds`` | ``tuple`` | kind of each action: noop, local, delegation, discovery |
    | ``outcome`` | ``str`` | of this step's action, as in the table of rewards |
    | ``dop`` | ``str`` | what became of the load (the discrete optimisation problem), as in that table |
    | ``connection_cost`` | ``float`` | the part of the reward that paid for a link, or for looking for one |
    | ``active`` | ``bool`` | False while the agent has failed or not yet joined |

    | ``metrics()`` | type | what it is |
    |---|---|---|
    | ``loads_in`` | ``int`` | loads that have entered: stored + queued + on_wire + departed + timed_out |
    | ``stored`` | ``int`` | loads stored now |
    | ``queued``, ``on_wire`` | ``int`` | loads in queues, and on their way to one |
    | ``departed``, ``timed_out`` | ``int`` | loads that left after they were stored, and that were given up |
    | ``backlog``, ``remaining`` | ``int`` | loads that wait outside, and that have yet to arrive |
    | ``utilisation`` | ``float`` | stored / capacity of the agents that have joined |
    | ``messages_sent``, ``messages_lost`` | ``int`` | delegations tried and discoveries, and those lost |
    | ``equalisation`` | ``float`` | standard deviation over agents of the percentage of capacity used (§6.1) |
    | ``load`` | ``int32[n]`` | loads stored at each agent |

    ## Arguments

    The fields of `crl_envs.load_balancing.LoadBalancingProblem`, `render_mode` and `encode`.

    ## Known Optimum
    The return of an episode (mean over agents, summed over the steps) when every load goes straight to where it costs
    least:

    | made with | kind | value | lower |
    |---|---|---|---|
    | defaults | exact | −1281.6 | −1281.6 |
    | ``cost_model="gradient"`` | exact | −1845.6751 | −1845.6751 |
    | ``topology="random"`` | exact | −604.8 | −604.8 |
    | ``n_agents=10, max_in_flight=5`` | exact | −2328 | −2328 |
    | ``entries=(0, 1)`` | bound | 0 | −inf |
    | ``message_loss=0.1`` | bound | 0 | −inf |
    | ``n_loads="endless", departure_rate=0.01`` | bound | 0 | −inf |

    Exact with one entry and loads that fit, without departures, arrivals, timeouts, faults (losses, delays, failing
    agents), a server that joins or discovery, if `max_steps` is enough for it and passing them without storing is no
    cheaper. Otherwise an upper bound: the cheaper of the two, or only that rewards are costs.

    ``optimal_steps()``: the fewest steps in which all loads can be stored on the paper's clock, 6,700 by default.

    ## Scaling Knob
    `n_agents`. With it grow the loads (by default all that there is room for), the ways (the servers stand at the far
    end of the grid) and, up to 45 agents, the number of delegation slots.

    ## Baseline Curve
    Steps that store all 1,360 loads of the default world, means of ten seeds with 95 % intervals (``crl-envs reproduce
    fig6``, Figure 6 of the paper; *next*: ``spare="next"``):

    | policy | steps | × the fewest |
    |---|---|---|
    | random | 120,045 [117,926, 122,202] | 17.92 |
    | CRL-gradient (next) | 15,446 [15,048, 15,854] | 2.31 |
    | CRL-gradient | 9,729 [9,626, 9,832] | 1.45 |
    | CRL-discrete | 7,859 [7,784, 7,933] | 1.17 |
    | DP (breadth-first) | 6,700 [6,700, 6,700] | 1.00 |

    How near the optimal return a learner comes in its first filling, where it begins knowing nothing: 0 is random
    actions, 1 the optimum (n agents on the grid, discrete model, means of ten seeds):

    | learner | n = 10 | n = 20 | n = 30 | n = 50 |
    |---|---|---|---|---|
    | ``crl`` | 0.997 | 0.995 | 0.994 | 0.993 |
    | ``dvf`` | 0.996 | 0.993 | 0.992 | 0.989 |
    | ``shortest-queue`` | 0.994 | 0.988 | 0.984 | 0.982 |
    | ``ant-colony`` | 0.976 | 0.967 | 0.967 | 0.964 |
    | ``independent-q`` | 0.655 | 0.826 | 0.905 | 0.944 |

    Experiment ``load-balancing-n`` of the leaderboard:

        crl-envs sweep bandit-n,sysadmin-n,load-balancing-n --learners all --seeds 10 --out results/leaderboard

    ## References
    Dowling & Haridi 2008, "Reinforcement Learning for Online Optimization of Distributed Systems", §5.5 and §6,
    Table 1.

    ## Version History

    - v0: first release. Since version 0.2, an illegal action with a load costs `min_q_value`; before it was free. A
      discovery is free, as in the paper (§5.4); before it cost `connection_cost` (``discovery_cost=-10``). With
      `memory`, a load that has been with all neighbours of its agent may go to any of them; before it was stuck.
    """

    metadata = WorldEnv.metadata | {
        "name": "crl/load_balancing-v0",
        "render_modes": ["human", "rgb_array", "ansi"],
        "render_fps": 10,
    }
    picture = "crl_envs.load_balancing.picture:LoadBalancingPicture"
    world: LoadBalancingWorld

    make_world = LoadBalancingWorld

    def __init__(
        self,
        *args: Any,
        render_mode: str | None = None,
        encode: str | None = None,
        **arguments: Unpack[LoadBalancingArguments],
    ) -> None:
        check_fits_dicts(arguments.get("n_agents"))
        super().__init__(encoded(LoadBalancingWorld(*args, **arguments), encode), render_mode)
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
        """Return the fewest steps in which all loads can be stored on the paper's clock; see `optimum.fewest_steps`.

        Raises:
            ValueError: More than one load in flight, several entries, faults, arrivals, or too little room.
        """
        return fewest_steps(self.world.problem)

    def _make_templates(self) -> list[dict[str, Any]]:
        idle = np.zeros(len(self.world.action_kinds), np.int8)
        idle[0] = 1
        idle.setflags(write=False)
        names = {i: agent for i, agent in enumerate(self._everyone)}
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
            self._templates = self._named_templates()
        agents, state = self._everyone, self._state
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
            info = infos[self._everyone[i]]
            known = info["neighbors"][: self.world.rules.successors.shape[1]]
            info["neighbors"] = known + tuple(
                self._everyone[j] if j >= 0 else None for j in found[i].tolist()
            )
