"""``crl/broadcast-v0``: two agents on one channel."""

from __future__ import annotations

from typing import Any, Unpack

from crl_envs.core.encoding import encoded
from crl_envs.core.problem import documented_by
from crl_envs.decpomdp.env import TeamEnv
from crl_envs.decpomdp.problem import BroadcastArguments, BroadcastProblem
from crl_envs.decpomdp.world import make_broadcast


@documented_by(BroadcastProblem)
class BroadcastEnv(TeamEnv):
    """Two agents share a channel, on which only one can send at a time.

    ## Description
    The broadcast channel of Ooi & Wornell (1996) as the Dec-POMDP of Hansen, Bernstein & Zilberstein (2004). Each of
    the two agents has room for one message, and sends or waits. A message gets through where one agent alone sends, and
    has a message. Whoever sends has none afterwards, collision or not; an agent without one has one again in the next
    step with probability .9, the first, or .1, the second. Both hear whether there was a collision, and each is wrong
    with probability .1. Nobody sees whether it has a message itself.

    ## Action Space
    ``Discrete(2)``: 0 sends, 1 waits. Both are always legal.

    ## Observation Space
    ``Discrete(3)``: what an agent heard in the last step: 0 a collision, 1 none, 2 nothing, before the first step.
    ``state()``: ``uint8[3]``: who has a message, 0 nobody, 1 the second agent, 2 the first, 3 both; then what each
    heard.

    ## Starting State
    Both have a message.

    ## Reward
    Local: half of the team's, the same for both; the team's is 1 for a message that gets through. So they add up to
    the number of messages.

    ## Episode End

    - Terminated: never.
    - Truncated: after `horizon` steps.

    ## Information

    | infos[agent] | type | what it is |
    |---|---|---|
    | ``action_mask`` | ``int8[2]`` | 1 for a legal action: all ones |
    | ``neighbors`` | ``tuple`` | id of the other agent |

    | ``metrics()`` | type | what it is |
    |---|---|---|
    | ``state`` | ``int`` | who has a message, as in ``state()`` |

    ## Arguments

    The fields of `crl_envs.decpomdp.BroadcastProblem`, `render_mode` and `encode`.

    ## Known Optimum
    The best joint policy's return, half of the team's; the team's at horizons of 2 to 6 are the published 2, 2.99,
    3.89, 4.79 and 5.69:

    | made with | kind | value | lower |
    |---|---|---|---|
    | ``horizon=2`` | exact | 1 | 1 |
    | ``horizon=3`` | exact | 1.495 | 1.495 |
    | defaults | exact | 1.945 | 1.945 |
    | ``horizon=6`` | exact | 2.845 | 2.845 |
    | ``horizon=20`` | exact | 9.1566 | 9.1566 |
    | ``horizon=100`` | bound | 47.7799 | 45.05 |

    Exact, by a search over joint policies, as long as that takes up to 4,000 steps. Beyond, ``value`` is what agents
    would earn who see who has a message, and ``lower`` is what they earn when one of them always sends.

    ## Scaling Knob
    None: the number of agents is the model's. With `horizon` joint policies grow doubly exponentially in number.

    ## Baseline Curve
    Return of fixed rules, exactly:

    | rule | horizon 2 | 3 | 4 |
    |---|---|---|---|
    | the first always sends, the second never | .95 | 1.4 | 1.85 |
    | in turns, the second first | 1 | 1.095 | 1.59 |

    ## References
    Ooi & Wornell 1996, "Decentralized control of a multiple access broadcast channel: performance bounds". Hansen,
    Bernstein & Zilberstein 2004, "Dynamic programming for partially observable stochastic games".

    ## Version History

    - v0: first release.
    """

    metadata = TeamEnv.metadata | {"name": "crl/broadcast-v0"}
    make_world = staticmethod(make_broadcast)

    def __init__(
        self,
        *args: Any,
        render_mode: str | None = None,
        encode: str | None = None,
        **arguments: Unpack[BroadcastArguments],
    ) -> None:
        super().__init__(encoded(make_broadcast(*args, **arguments), encode), render_mode)
