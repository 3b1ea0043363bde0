"""``crl/routing-v0``: spaces, names and documentation of routing."""

from __future__ import annotations

from typing import Any, Unpack

import numpy as np
from numpy.typing import NDArray

from crl_envs.core.encoding import encoded
from crl_envs.core.parallel import Infos, WorldEnv, check_fits_dicts
from crl_envs.core.problem import documented_by
from crl_envs.routing.problem import RoutingArguments, RoutingProblem
from crl_envs.routing.rules import Outcome
from crl_envs.routing.world import RoutingWorld


@documented_by(RoutingProblem)
class RoutingEnv(WorldEnv):
    """Packets find their way through a network, each node deciding where to forward the head of its queue.

    ## Description
    The problem of Boyan & Littman (1994), on whose network of 36 nodes and 50 links it is by default. In each step new
    packets enter, a Poisson number with the mean `load`, each at a node and for another node that are drawn uniformly.
    Nodes are the agents. Each has a queue, first in, first out, and may forward the packet at its head to one
    neighbour; where that is the destination, it is delivered. Otherwise it goes to the end of the neighbour's queue. So
    the shortest way is the fastest only as long as few others take it.

    A step, in this order: all heads that are to be forwarded are transmitted, at once, each lost with the probability
    `loss` (it stays at the head, and its sender knows); those that came home leave; the others queue, in the order
    of their senders; new packets queue behind them; nodes move, with `mobility`. A packet that finds `queue_size`
    others in its queue is dropped.

    In ``topology="geometric"`` nodes are in the unit square, linked within `radius`, and with `mobility` they walk at
    random, reflected at the sides, so that links come and go: a mobile ad hoc network. A packet whose destination can't
    be reached is never delivered; with `lifetime` it doesn't stay for good. A `topology` whose nodes have names tells
    each agent its own in ``infos[agent]["node"]``.

    ## Action Space
    ``Discrete(5)``, 1 + K with K the largest number of neighbours: 0 holds the packet, 1 + k forwards it to the k-th of
    ``infos[agent]["neighbors"]``. With an empty queue either does nothing. To forward to a neighbour that isn't there
    is illegal, and so nothing happens. In ``topology="geometric"`` K is n − 1, all other nodes.

    ## Observation Space

    | made with | observation space | what is seen |
    |---|---|---|
    | defaults | ``Discrete(37)`` | the destination of the packet at the head of the own queue; n without one |
    | ``observe="queues"`` | ``MultiDiscrete([37  8  9  9  9  9])`` | the same; lengths of own and neighbours' queues |

    Lengths are 0, 1, 2 for 2 and 3, 3 for 4 to 7, … 7 from 64 on; 8 for a neighbour that isn't there.
    ``state()``: ``int32[100n]``, `queue_size` numbers a node: its queue from the head on, 1 + the destination, 0 for no
    packet; then, with ``reward="delay"``, as many ages, and in ``topology="geometric"`` where nodes are, in units of
    2⁻²⁰.

    ## Starting State
    The first packets, a Poisson number of them, at their sources. Nodes with places are uniform in the square.

    ## Reward

    | made with | an agent's reward |
    |---|---|
    | ``reward="waiting"`` | −(packets in its queue after the step) / `queue_size` |
    | ``reward="delay"`` | 1 − delay / `horizon` of the packet that it delivered, else 0 |

    A packet that is dropped counts as one that waits where it was dropped until the end of the episode, and that at
    once. With ``"delay"`` a packet that isn't delivered counts as if it took `horizon` steps.

    ## Episode End

    - Terminated: never.
    - Truncated: after `horizon` steps.

    ## Information

    | infos[agent] | type | what it is |
    |---|---|---|
    | ``action_mask`` | ``int8[1 + K]`` | 1 for a legal action |
    | ``illegal_action`` | ``bool`` | whether the last action was illegal, and so became 0 |
    | ``neighbors`` | ``tuple`` | ids of the agents behind actions 1 … K; None for none |
    | ``outcome`` | ``str`` | of the last step, a name of `crl_envs.routing.Outcome` in small letters |
    | ``queue`` | ``int`` | packets in the own queue |
    | ``waited`` | ``int`` | steps that the head has been in this queue |
    | ``sender`` | ``str`` | id of the agent that it came from; empty where it entered here |

    | ``metrics()`` | type | what it is |
    |---|---|---|
    | ``arrived``, ``delivered``, ``waiting``, ``dropped`` | ``int`` | packets; the last three add up to the first |
    | ``delivery_share`` | ``float`` | delivered / arrived |
    | ``mean_delay`` | ``float`` | steps from entering to delivery, of those delivered |
    | ``total_delay`` | ``int`` | the same, added up |
    | ``messages_sent``, ``messages_lost`` | ``int`` | transmissions |
    | ``queue`` | ``int32[n]`` | packets at each agent |

    ## Arguments

    The fields of `crl_envs.routing.RoutingProblem`, `render_mode` and `encode`.

    ## Known Optimum
    A bound: no packet takes fewer steps than there are links on its shortest path, each once more for every
    transmission that is lost on average, and no more are delivered in a step than the linear program of flows says, in
    which every node sends one packet a step. ``lower`` is what shortest paths earn in a simulation, less four standard
    errors.

    | made with | kind | value | lower |
    |---|---|---|---|
    | defaults | bound | −2.682 | −5.827 |
    | ``load=1.0`` | bound | −1.341 | −1.540 |
    | ``load=3.0`` | bound | −4.022 | −81.896 |
    | ``reward="delay"`` | bound | 55.075 | 54.061 |

    ## Scaling Knob
    `n_agents`. Other networks than that of 36 nodes are a torus, which carries the more the larger it is: n divided by
    the mean distance, about √n / 2. And `load`: on the default network shortest paths carry 2.16 packets a step (2.10
    to 2.27, by which of equally short ones are taken), and no routing more than 3.889.

    ## Baseline Curve
    Mean delay on the default network with ``queue_size=1000``, the second half of 10,000 steps, five runs, 95 %
    intervals; ``python -m benchmarks.routing_delays load``:

    | learner | load 1 | load 2 | load 2.5 | load 3 |
    |---|---|---|---|---|
    | ``shortest-path`` | 5.5 ± 0.0 | 10.4 ± 0.7 | 576.0 ± 24.2 | 766.5 ± 8.9 |
    | ``q-routing`` | 6.8 ± 0.8 | 7.6 ± 0.5 | 27.2 ± 24.4 | 507.3 ± 161.6 |
    | ``sample`` | 5.7 ± 0.1 | 7.2 ± 0.6 | 7.9 ± 0.2 | 11.7 ± 2.3 |
    | ``ant-net`` | 8.0 ± 0.3 | 9.4 ± 0.6 | 13.1 ± 3.7 | 137.3 ± 216.3 |
    | ``backpressure`` | 5.4 ± 0.0 | 9.0 ± 0.9 | 242.6 ± 18.6 | 506.7 ± 17.5 |

    ## References
    Boyan & Littman 1994, "Packet routing in dynamically changing networks: a reinforcement learning approach", NIPS 6.
    Dowling, Curran, Cunningham & Cahill 2005, "Using feedback in collaborative reinforcement learning to adaptively
    optimize MANET routing". Dowling & Haridi 2008, §1.

    ## Version History

    - v0: first release.
    """

    metadata = WorldEnv.metadata | {
        "name": "crl/routing-v0",
        "render_modes": ["human", "rgb_array", "ansi"],
        "render_fps": 10,
    }
    picture = "crl_envs.routing.picture:RoutingPicture"
    world: RoutingWorld

    make_world = RoutingWorld

    def __init__(
        self,
        *args: Any,
        render_mode: str | None = None,
        encode: str | None = None,
        **arguments: Unpack[RoutingArguments],
    ) -> None:
        check_fits_dicts(arguments.get("n_agents"))
        super().__init__(encoded(RoutingWorld(*args, **arguments), encode), render_mode)

    def _make_templates(self) -> list[dict[str, Any]]:
        names = dict(enumerate(self._everyone))
        return [
            {
                "action_mask": np.ones(self._n_actions, np.int8),
                "illegal_action": False,
                "neighbors": tuple(map(names.get, successors)),
                "outcome": "none",
                "queue": 0,
                "waited": 0,
                "sender": "",
            }
            for successors in self.world.rules.successors.tolist()
        ]

    def _infos(self, illegal: NDArray[np.bool_] | None) -> Infos:
        if self._templates is None:
            self._templates = self._named_templates()
        assert self._mask is not None
        seen = {name: v[..., 0].tolist() for name, v in self.world.info(self._state).items()}
        flags = [False] * len(self._everyone) if illegal is None else illegal[:, 0].tolist()
        masks = self._mask[:, :, 0].copy()
        infos = self._by_agent(map(dict.copy, self._templates))
        for i, info in enumerate(infos.values()):
            info["action_mask"], info["illegal_action"] = masks[i], flags[i]
            info["queue"], info["waited"] = seen["queue"][i], seen["waited"][i]
            info["outcome"] = _OUTCOMES[seen["outcome"][i]]
            if seen["sender"][i] >= 0:
                info["sender"] = self._everyone[seen["sender"][i]]
        return infos


_OUTCOMES = [outcome.name.lower() for outcome in Outcome]
