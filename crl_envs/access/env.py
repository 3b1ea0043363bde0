"""``crl/access-v0``: spaces, names and documentation of wireless access."""

from __future__ import annotations

from typing import Any, Unpack

from crl_envs.access.problem import AccessArguments, AccessProblem
from crl_envs.access.world import AccessWorld
from crl_envs.core.encoding import encoded
from crl_envs.core.parallel import WorldEnv, check_fits_dicts
from crl_envs.core.problem import documented_by


@documented_by(AccessProblem)
class AccessEnv(WorldEnv):
    """Users send packets to the access points around them; where two send to the same one, both packets are lost.

    ## Description
    Wireless multiple access as Qu, Wierman & Li (2020) have it. n users are in the cells of a lattice, K × K for
    n = K², and an access point is at each of its (K − 1)² inner corners, where four cells come together. In each step
    all users choose at once to send nothing or to send their oldest packet to a point at a corner of their cell. It
    comes through with `success_rate` where nobody else sends to that point, and collides where somebody does. Then
    packets that haven't come through in `deadline` steps are dropped, and each user gets a new one with
    `arrival_rate`.

    ## Action Space
    ``Discrete(5)``: 0 send nothing, or to the point 1 above left, 2 above right, 3 below left, 4 below right. A corner
    without a point, at the border of the lattice, is illegal, and becomes 0. Whoever sends without a packet sends
    nothing, and disturbs nobody.

    ## Observation Space

    | made with | observation space | what is seen |
    |---|---|---|
    | defaults | ``Discrete(4)`` | the sum of 1 for a packet that is dropped after this step, 2 for a new one |
    | ``deadline=3`` | ``Discrete(8)`` | the sum of 1, 2, 4 for packets with 1, 2, 3 steps left |
    | ``observe="neighborhood"`` | ``MultiDiscrete([4 4 4 4 5 5 5 5 5])`` | its own, its neighbors' packets; 4: nobody |

    ``state()``: ``uint8[2n]``, the packets of all users, then what came of their last step: 0 sent nothing, 1 came
    through, 2 lost.

    ## Starting State
    Each user has a new packet with probability `arrival_rate`, independently.

    ## Reward
    Local: 1 to the user whose packet came through in this step, else 0.

    ## Episode End

    - Terminated: never.
    - Truncated: after `horizon` steps.

    ## Information

    | infos[agent] | type | what it is |
    |---|---|---|
    | ``action_mask`` | ``int8[5]`` | 1 for a legal action: nothing, and the corners with a point |
    | ``illegal_action`` | ``bool`` | whether the last action was illegal, and so became 0 |
    | ``neighbors`` | ``tuple`` | ids of the users who share an access point with this one, in ascending order |

    | ``metrics()`` | type | what it is |
    |---|---|---|
    | ``throughput`` | ``float`` | share of the users whose packet came through in the last step |
    | ``lost`` | ``float`` | share of the users who sent in vain in the last step |
    | ``waiting`` | ``float`` | share of the users who have something to send |

    ## Arguments

    The fields of `crl_envs.access.AccessProblem`, `render_mode` and `encode`.

    ## Known Optimum
    The return of an episode (mean over users, summed over the steps) of the best central schedule:

    | made with | kind | value | lower |
    |---|---|---|---|
    | defaults | bound | 8.8889 | 8.5514 |
    | ``n_agents=4`` | exact | 4.9549 | 4.9549 |
    | ``n_agents=100`` | bound | 10 | 9.9569 |

    Exact, by value iteration over all packets, for up to four users. Beyond, ``value`` is a linear program's: flows
    from users to points, at most what arrives at a user and 1 at a point; it comes to min(p, (K − 1)² / K²) a step.
    ``lower`` is what a central matching in each step reaches in a simulation, less four standard errors; with more
    than some 2,500 users, what they reach who all send below right, where nobody else does: (K − 1)² / K² · p.

    ## Scaling Knob
    `n_agents`. Points get less scarce: at K = 3 there are 4 for 9 users, at K = 31 there are 900 for 961.

    ## Baseline Curve
    Packets that come through, a user and step, in episodes of 200 steps (400 of them, 100 of the matching), with 95 %
    intervals; the command is on the environment's page:

    | rule | K = 3 | K = 5 | K = 10 |
    |---|---|---|---|
    | uniform, legal actions | .191 ± .001 | .254 ± .001 | .299 ± .001 |
    | localized ALOHA, best rate | .197 ± .001 (.6) | .261 ± .001 (.9) | .322 ± .001 (1) |
    | localized ALOHA, defaults | .183 ± .001 | .265 ± .001 | .323 ± .001 |
    | all send below right | .223 ± .001 | .320 ± .001 | .405 ± .001 |
    | a central matching in each step | .436 ± .001 | .500 ± .002 | .500 ± .001 |
    | linear program | .444 | .5 | .5 |

    ## References
    Qu, Wierman & Li 2020, "Scalable Reinforcement Learning of Localized Policies for Multi-Agent Networked Systems".
    Roberts 1975, "ALOHA packet system with and without slots and capture" (ALOHA).

    ## Version History

    - v0: first release.
    """

    metadata = WorldEnv.metadata | {
        "name": "crl/access-v0",
        "render_modes": ["human", "rgb_array", "ansi"],
        "render_fps": 4,
    }
    picture = "crl_envs.access.picture:AccessPicture"
    world: AccessWorld

    make_world = AccessWorld

    def __init__(
        self,
        *args: Any,
        render_mode: str | None = None,
        encode: str | None = None,
        **arguments: Unpack[AccessArguments],
    ) -> None:
        check_fits_dicts(arguments.get("n_agents"))
        super().__init__(encoded(AccessWorld(*args, **arguments), encode), render_mode)
