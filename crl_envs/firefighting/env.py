"""``crl/firefighting-v0``: spaces, names and documentation of firefighting."""

from __future__ import annotations

from typing import Any, Unpack

from crl_envs.core.encoding import encoded
from crl_envs.core.parallel import WorldEnv, check_fits_dicts
from crl_envs.core.problem import documented_by
from crl_envs.firefighting.problem import FirefightingArguments, FirefightingProblem
from crl_envs.firefighting.world import FirefightingWorld


@documented_by(FirefightingProblem)
class FirefightingEnv(WorldEnv):
    """Firefighters stand between houses; each fights at one of its own, and two put a fire out.

    ## Description
    The factored Dec-POMDP of Oliehoek, Spaan, Whiteson & Vlassis (2008). n agents in a row and n + 1 houses: agent i
    fights at house i or at house i + 1. In ``layout="grid"`` agents are on a lattice, each between the four houses at
    its corners. A house has a fire level of 0, 1 or 2. In each step all agents choose a house at once, and

    | agents at a house | a neighbouring house burns | none burns |
    |---|---|---|
    | two or more | put out: level 0 | level 0 |
    | one | one level less with `alone_rate`, .6 | one level less |
    | none | one level more with `catch_rate`, .8 | one level more with `grow_rate`, .4, if it burns |

    by the levels at the beginning of the step. Neighbouring houses are those beside each other, in the grid also those
    above each other. The houses aren't agents: there are more of them.

    ## Action Space
    ``Discrete(2)``: the house at the left, the house at the right; in the grid ``Discrete(4)``: above left, above
    right, below left, below right. All are always legal.

    ## Observation Space

    | made with | observation space | what is seen |
    |---|---|---|
    | defaults | ``Discrete(3)`` | 0 no flames, 1 flames at the house where it fought, 2 before the first step |
    | ``observe="levels"`` | ``MultiDiscrete([3 3])`` | the levels of its two houses |
    | ``observe="levels", layout="grid"`` | ``MultiDiscrete([3 3 3 3])`` | the levels of its four houses |

    Flames are seen with probabilities .2, .5 and .8 (`flame_rates`) at levels 0, 1 and 2, after the step.
    ``state()``: ``uint8[2n + 1]`` in a row, all levels and what each agent has seen.

    ## Starting State
    Each house's level is 0, 1 or 2 with probability 1/3 each, independently.

    ## Reward
    Local: minus the levels of an agent's own houses after the step, each divided by the number of agents that it
    belongs to. So the rewards of all agents add up to minus the levels of all houses.

    ## Episode End

    - Terminated: never.
    - Truncated: after `horizon` steps.

    ## Information

    | infos[agent] | type | what it is |
    |---|---|---|
    | ``action_mask`` | ``int8[2]`` or ``int8[4]`` | 1 for a legal action: all ones |
    | ``neighbors`` | ``tuple`` | ids of the agents that share a house with this one, in ascending order |

    | ``metrics()`` | type | what it is |
    |---|---|---|
    | ``burning`` | ``float`` | share of the houses that burn |
    | ``level`` | ``float`` | mean level |

    ## Arguments

    The fields of `crl_envs.firefighting.FirefightingProblem`, `render_mode` and `encode`.

    ## Known Optimum
    The return of an episode (mean over agents, summed over the steps) of the best policy that sees all levels:

    | made with | kind | value | lower |
    |---|---|---|---|
    | defaults | exact | −1.1787 | −1.1787 |
    | ``n_agents=3`` | exact | −1.5489 | −1.5489 |
    | ``n_agents=10`` | bound | −0.4565 | −0.9604 |
    | ``n_agents=100`` | bound | −0.3018 | −0.5742 |
    | ``n_agents=100, layout="grid"`` | bound | 0 | −1.6723 |

    Exact, by value iteration over the houses' levels, for up to four agents in a row and two in a grid. Beyond,
    ``value`` cuts the row into parts of five houses, between which no fire catches and whose shared agents fight in
    both; in a grid, and with `catch_rate` below `grow_rate`, it is 0, as if no house burnt. ``lower`` is what agents
    earn in a simulation who see everything and plan together for one step, one after the other, less four standard
    errors. Above 10,000 agents they fight where it burns most.

    ## Scaling Knob
    `n_agents`. A fire at one end reaches the other only through all houses between.

    ## Baseline Curve
    Return of fixed rules, ``observe="levels"``, 500 episodes:

    | rule | row of 4 | row of 100 | grid of 100 |
    |---|---|---|---|
    | at random | −4.82 | −2.24 | −8.82 |
    | where it burns most, the first of equals | −3.82 | −1.91 | −8.30 |

    ## References
    Oliehoek, Spaan, Whiteson & Vlassis 2008, "Exploiting locality of interaction in factored Dec-POMDPs". Oliehoek,
    Whiteson & Spaan 2013, "Approximate solutions for factored Dec-POMDPs with many agents" (rows of many agents).

    ## Version History

    - v0: first release.
    """

    metadata = WorldEnv.metadata | {
        "name": "crl/firefighting-v0",
        "render_modes": ["human", "rgb_array", "ansi"],
        "render_fps": 4,
    }
    picture = "crl_envs.firefighting.picture:FirefightingPicture"
    world: FirefightingWorld

    make_world = FirefightingWorld

    def __init__(
        self,
        *args: Any,
        render_mode: str | None = None,
        encode: str | None = None,
        **arguments: Unpack[FirefightingArguments],
    ) -> None:
        check_fits_dicts(arguments.get("n_agents"))
        super().__init__(encoded(FirefightingWorld(*args, **arguments), encode), render_mode)
