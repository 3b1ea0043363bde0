"""``crl/tiger-v0``: the decentralised tiger."""

from __future__ import annotations

from typing import Any, Unpack

from crl_envs.core.encoding import encoded
from crl_envs.core.problem import documented_by
from crl_envs.decpomdp.env import TeamEnv
from crl_envs.decpomdp.problem import TigerArguments, TigerProblem
from crl_envs.decpomdp.world import make_tiger


@documented_by(TigerProblem)
class TigerEnv(TeamEnv):
    """Two agents listen for a tiger behind one of two doors, and are to open the other one together.

    ## Description
    The decentralised tiger of Nair et al. (2003), the field's smallest problem. A tiger is behind the left or the right
    door, a treasure behind the other. Each of the two agents listens or opens a door. While both listen, each hears the
    tiger on its side with probability `accuracy`, .85, independently of the other. Once anybody opens a door, the tiger
    is put behind either with probability 1/2, and what is heard in that step says nothing.

    No agent hears what the other hears, so that waiting for a better guess of the tiger's place is worth less than it
    would be alone: both have to open the same door in the same step.

    ## Action Space
    ``Discrete(3)``: 0 listens, 1 opens the left door, 2 the right one. All are always legal.

    ## Observation Space
    ``Discrete(3)``: what an agent heard in the last step: 0 the tiger at the left, 1 at the right, 2 nothing, before
    the first step. An agent who is to remember what it heard before has to do so itself.
    ``state()``: ``uint8[3]``, 0 or 1 for the tiger's side, then what each agent heard.

    ## Starting State
    The tiger is behind either door with probability 1/2.

    ## Reward
    Local: half of the team's, the same for both. So they add up to the team's, by what both do:

    | actions | reward of the team | with defaults |
    |---|---|---|
    | both listen | −`listen_cost` | −2 |
    | both open the treasure's door | `treasure` | 20 |
    | both open the tiger's door | −`tiger_cost` | −50 |
    | they open different doors | −`apart_cost` | −100 |
    | one opens the treasure's door, one listens | (`treasure` − `listen_cost`) / 2 | 9 |
    | one opens the tiger's door, one listens | −`apart_cost` − `listen_cost` / 2 | −101 |

    ## Episode End

    - Terminated: never.
    - Truncated: after `horizon` steps.

    ## Information

    | infos[agent] | type | what it is |
    |---|---|---|
    | ``action_mask`` | ``int8[3]`` | 1 for a legal action: all ones |
    | ``neighbors`` | ``tuple`` | id of the other agent |

    | ``metrics()`` | type | what it is |
    |---|---|---|
    | ``state`` | ``int`` | 0 where the tiger is at the left, 1 at the right |

    ## Arguments

    The fields of `crl_envs.decpomdp.TigerProblem`, `render_mode` and `encode`.

    ## Known Optimum
    The best joint policy's return, half of the team's; the team's at horizons of 2 to 6 are the published −4, 5.190812,
    4.802755, 7.026451 and 10.381625:

    | made with | kind | value | lower |
    |---|---|---|---|
    | ``horizon=2`` | exact | −2 | −2 |
    | ``horizon=3`` | exact | 2.5954 | 2.5954 |
    | defaults | exact | 2.4014 | 2.4014 |
    | ``horizon=5`` | exact | 3.5132 | 3.5132 |
    | ``horizon=6`` | exact | 5.1908 | 5.1908 |
    | ``horizon=7`` | bound | 20.1213 | −7 |

    Exact, by a search over joint policies. Where that takes too long, ``value`` is what agents would earn who share all
    that they hear, and ``lower`` is what they earn who always listen.

    ## Scaling Knob
    None: the number of agents is the model's. With `horizon` joint policies grow doubly exponentially in number.

    ## Baseline Curve
    Return of fixed rules, exactly:

    | rule | horizon 2 | 3 | 4 |
    |---|---|---|---|
    | always listen | −2 | −3 | −4 |
    | listen once, then open the door away from what was heard, and so on | −7.0875 | −8.0875 | −14.175 |

    ## References
    Nair, Tambe, Yokoo, Pynadath & Marsella 2003, "Taming decentralized POMDPs: towards efficient policy computation for
    multiagent settings". Optima: Oliehoek, Spaan, Amato & Whiteson 2013, "Incremental clustering and expansion for
    faster optimal planning in Dec-POMDPs".

    ## Version History

    - v0: first release.
    """

    metadata = TeamEnv.metadata | {"name": "crl/tiger-v0"}
    make_world = staticmethod(make_tiger)

    def __init__(
        self,
        *args: Any,
        render_mode: str | None = None,
        encode: str | None = None,
        **arguments: Unpack[TigerArguments],
    ) -> None:
        super().__init__(encoded(make_tiger(*args, **arguments), encode), render_mode)
