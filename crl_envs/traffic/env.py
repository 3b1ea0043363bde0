"""``crl/traffic-v0``: spaces, names and documentation of traffic lights."""

from __future__ import annotations

from typing import Any, Unpack

from crl_envs.core.encoding import encoded
from crl_envs.core.parallel import WorldEnv, check_fits_dicts
from crl_envs.core.problem import documented_by
from crl_envs.traffic.problem import TrafficArguments, TrafficProblem
from crl_envs.traffic.world import TrafficWorld


@documented_by(TrafficProblem)
class TrafficEnv(WorldEnv):
    """n traffic lights: each decides which of two streets has green at its crossing.

    ## Description
    The example that Bagnell & Ng begin with. n crossings on a lattice, each with four approaches, at which vehicles
    heading north, east, south and west wait in queues of at most C = 10 (`capacity`). In a step

    1. each agent chooses a phase: green for those heading north and south, or for those heading east and west. When it
       is another one than before nobody crosses, for `lost_steps` steps, this one among them;
    2. the first vehicle of each queue with green that isn't empty crosses. It leaves with probability .2
       (`leave_rate`); else it goes straight on with .6, left with .2 or right with .2 (`turns`), and enters the queue
       of the next crossing. It waits if that was full before the step, and turns as it is drawn anew in the next step.
       If there was one place and two want it, who come from opposite sides, then the one that turns left gives way;
    3. at each approach a vehicle arrives with probability λ = .06 (`arrival_rate`). It is turned away if the queue had
       C vehicles before the step, or has them with those that have entered it: the place of a vehicle that crosses is
       free from the next step on.

    So nothing depends on an order of the crossings. On the torus all crossings are alike. With ``boundary="open"``
    vehicles arrive at the approaches from outside only, and leave where a street leads out.

    ## Action Space
    ``Discrete(2)``: 0, green for north and south, or 1, for east and west. Both are always legal.

    ## Observation Space

    | made with | observation space | what is seen |
    |---|---|---|
    | defaults | ``MultiDiscrete([2 5 5])`` | phase, vehicles heading north or south, east or west, in bins |
    | ``lost_steps=3`` | ``MultiDiscrete([6 5 5])`` | the same; phase + 2 · steps without green that are to come |
    | ``observe="queues"`` | ``MultiDiscrete([ 2 16 11 11 11 11])`` | phase, its age, four queues |
    | ``observe="neighborhood", capacity=2`` | ``MultiDiscrete([ 2 16  3  3  3  3  3  3  3  3  3  3  3  3])`` | nearby |

    Queues are in the order north, east, south, west. Bins are 0, 1–2, 3–4, 5–7, 8 and more. The age of a phase is the
    number of steps since its change, at most 15. Nearby are, besides, the queues with the same heading at the
    crossing behind, then those at the crossing ahead, for each of the four headings; beyond an open border they are
    empty.
    ``state()``: ``uint8[6n]``, all phases, their ages, then the queues by heading.

    ## Starting State
    No vehicles; all crossings have had phase 0 for a long time.

    ## Reward
    Local: minus the vehicles that wait at the own crossing after the step, as a share of the 4C that could.

    ## Episode End

    - Terminated: never.
    - Truncated: after `horizon` steps.

    ## Information

    | infos[agent] | type | what it is |
    |---|---|---|
    | ``action_mask`` | ``int8[2]`` | 1 for a legal action: all ones |
    | ``neighbors`` | ``tuple`` | ids of the crossings with a street to this one, in ascending order |

    | ``metrics()`` | type | what it is |
    |---|---|---|
    | ``queue`` | ``float`` | vehicles that wait, mean over crossings |
    | ``flow`` | ``float`` | vehicles that have left, for each crossing and step of the episode |
    | ``turned_away`` | ``float`` | share of the vehicles that have arrived, in the episode |

    ## Arguments

    The fields of `crl_envs.traffic.TrafficProblem`, `render_mode` and `encode`.

    ## Known Optimum
    The return of an episode (mean over agents, summed over the steps) of the best policy that sees everything:

    | made with | kind | value | lower |
    |---|---|---|---|
    | defaults | bound | −2.7397 | −9.3091 |
    | ``boundary="open"`` | bound | −0.0300 | −1.6907 |

    Nobody waits for less than a step: for ``value`` two vehicles cross at every crossing in every step, if they are
    there, and with an open border all of them leave. ``lower`` is what green for the longer pair of queues earns in a
    simulation, by the best of three hystereses, less four standard errors; where there are too many crossings for that,
    what full queues cost.

    ## Scaling Knob
    `n_agents`. On the torus nothing but the noise of the global reward depends on it.

    ## Baseline Curve
    Vehicles that wait at a crossing, steps 100 to 300 on the torus of 10 × 10, 40 episodes:

    | rule | λ = .06 | λ = .08 |
    |---|---|---|
    | at random | 17.6 | 25.4 |
    | a fixed cycle, 8 steps a phase | 6.05 | 11.4 |
    | the longer pair, if ahead by more than 2 | 5.40 | 12.1 |
    | the higher pressure, if ahead by more than 2 | 6.60 | 12.9 |

    ## References
    Bagnell & Ng 2005, "On Local Rewards and Scaling Distributed Reinforcement Learning", whose first example are
    traffic lights (§1), 100,000 of them (§3). Varaiya 2013, "Max pressure control of a network of signalized
    intersections".

    ## Version History

    - v0: first release.
    """

    metadata = WorldEnv.metadata | {
        "name": "crl/traffic-v0",
        "render_modes": ["human", "rgb_array", "ansi"],
        "render_fps": 4,
    }
    picture = "crl_envs.traffic.picture:TrafficPicture"
    world: TrafficWorld

    make_world = TrafficWorld

    def __init__(
        self,
        *args: Any,
        render_mode: str | None = None,
        encode: str | None = None,
        **arguments: Unpack[TrafficArguments],
    ) -> None:
        check_fits_dicts(arguments.get("n_agents"))
        super().__init__(encoded(TrafficWorld(*args, **arguments), encode), render_mode)
