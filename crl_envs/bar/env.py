"""``crl/bar-v0``: spaces, names and documentation of the bar problem."""

from __future__ import annotations

from typing import Any, Unpack

from crl_envs.bar.problem import BarArguments, BarProblem
from crl_envs.bar.world import BarWorld
from crl_envs.core.encoding import encoded
from crl_envs.core.parallel import WorldEnv, check_fits_dicts
from crl_envs.core.problem import documented_by


@documented_by(BarProblem)
class BarEnv(WorldEnv):
    """n agents each choose a night at a bar, which is best with few guests: a problem of credit.

    ## Description
    Arthur's El Farol bar as Wolpert & Tumer (2001) have it, on which collective intelligence (COIN, Dowling & Haridi
    2008, §4.2) is measured. Every week each agent chooses one of K nights, all at once. A night with x guests is worth
    x exp(−x / c) to the team, most with c guests. With more agents than the nights are good for the best that the team
    can do is to fill all nights but one well and send all the others to the last: what is best for the team isn't best
    for those who go there, and whoever looks at its own evening alone ruins everybody's.

    The rewards that can be learnt from:

    | reward of an agent on a night with x guests | how |
    |---|---|
    | own, selfish: its share exp(−x / c) | the environment itself |
    | the team's: G, the sum over nights of x exp(−x / c) | ``GlobalReward(env, reduce="sum")`` |
    | wonderful life: G less what it would be without the agent | ``DifferenceReward(env, reduce="sum")`` |

    ## Action Space
    ``Discrete(8)``, with K nights ``Discrete(1 + K)``: 0 stays at home and isn't legal, 1 … K are the nights. Who tries
    to stay at home does, and gets nothing.

    ## Observation Space
    ``Discrete(1)``: there is nothing to see, every observation is 0. ``state()``: ``int32[8]``, 1 + K numbers:
    whether the week is over, then each night's guests.

    ## Starting State
    Always the same: the week isn't over and no night has guests.

    ## Reward
    Local, to each agent: exp(−x / c) where x agents are on its night, itself among them, and c is `capacity`; 0 at
    home. The sum over agents is G. Rewards are certain: chance comes from the other agents alone.

    ## Episode End

    - Terminated: after 1 step.
    - Truncated: never.

    ## Information

    | infos[agent] | type | what it is |
    |---|---|---|
    | ``action_mask`` | ``int8[8]`` | 1 for a legal action: all but the first |
    | ``illegal_action`` | ``bool`` | whether the last action was illegal, and so became 0 |
    | ``neighbors`` | ``tuple`` | ids of the agents that share an edge with this one: none, there are no edges |

    | ``metrics()`` | type | what it is |
    |---|---|---|
    | ``worth`` | ``float`` | G of the week; 0 before it |

    ## Arguments

    The fields of `crl_envs.bar.BarProblem`, `render_mode` and `encode`.

    ## Known Optimum
    The best G, divided by n, of agents who all go to the bar, by dynamic programming over the nights. With the defaults
    G is 13.24: six nights with six guests each, and 132 agents on the seventh. Who takes the illegal action spares the
    others: with all but 42 agents at home G would be 15.45.

    | made with | kind | value | lower |
    |---|---|---|---|
    | defaults | exact | 0.0788 | 0.0788 |
    | ``n_agents=60`` | exact | 0.2393 | 0.2393 |
    | ``n_agents=42`` | exact | 0.3679 | 0.3679 |

    ## Scaling Knob
    `n_agents`. `capacity` stays the same. Up to n = K c there is room for all, and what is good for an agent is good
    for the team; beyond, it isn't. The noise of the team's reward, relative to what one agent adds, grows with n.

    ## Baseline Curve
    Share of the optimum after 3,000 weeks, ten seeds, 95 % intervals, of agents with an aged average for each night and
    Boltzmann exploration (``boltzmann-averages``); experiment ``crl-envs reproduce bar``:

    | learner | rewards | n = 168 | n = 60 |
    |---|---|---|---|
    | ``boltzmann-averages`` | wonderful life | 0.67 [0.63, 0.71] | 0.95 [0.95, 0.96] |
    | ``boltzmann-averages`` | team | 0.40 [0.38, 0.42] | 0.97 [0.95, 0.98] |
    | ``boltzmann-averages`` | own | 0.26 [0.26, 0.27] | 0.95 [0.95, 0.96] |

    ## References
    Wolpert & Tumer 2001, "Optimal Payoff Functions for Members of Collectives". Wolpert, Wheeler & Tumer 2000,
    "Collective Intelligence for Control of Distributed Dynamical Systems". Arthur 1994, "Inductive Reasoning and
    Bounded Rationality". Dowling & Haridi 2008, §4.2.

    ## Version History

    - v0: first release.
    """

    metadata = WorldEnv.metadata | {
        "name": "crl/bar-v0",
        "render_modes": ["human", "rgb_array", "ansi"],
        "render_fps": 4,
    }
    picture = "crl_envs.bar.picture:BarPicture"
    world: BarWorld

    make_world = BarWorld

    def __init__(
        self,
        *args: Any,
        render_mode: str | None = None,
        encode: str | None = None,
        **arguments: Unpack[BarArguments],
    ) -> None:
        check_fits_dicts(arguments.get("n_agents", BarProblem.n_agents))
        super().__init__(encoded(BarWorld(*args, **arguments), encode), render_mode)
