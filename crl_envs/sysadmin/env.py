"""``crl/sysadmin-v0``: spaces, names and documentation of SYSADMIN."""

from __future__ import annotations

from typing import Any, Unpack

from crl_envs.core.encoding import encoded
from crl_envs.core.parallel import WorldEnv, check_fits_dicts
from crl_envs.core.problem import documented_by
from crl_envs.factored import FactoredMDP
from crl_envs.sysadmin.problem import SysadminArguments, SysadminProblem
from crl_envs.sysadmin.transition_model import TransitionModel, transition_model
from crl_envs.sysadmin.world import MachinesWorld, make_world


@documented_by(SysadminProblem)
class SysadminEnv(WorldEnv):
    """Machines in a network fail, faster when their neighbours are down; each agent may reboot its own.

    ## Description
    n machines on a graph, by default a directed ring. A machine that is up may go down, more likely when a parent
    (on the ring the machine before it) is down; one that is down rarely comes back by itself. A reboot brings it up
    for sure, but a machine that reboots earns nothing in that step. The problem on which Bagnell & Ng (2005, §5,
    Figure 3) compare REINFORCE on local and on global rewards.

    All machines move at once, given the states and actions of this step. P(up next) of a machine that isn't rebooted,
    on the ring of the default ``dynamics="ring"``:

    | own state | parent up | parent down |
    |---|---|---|
    | up | .95 | .475 |
    | down | .0475 | .0238 |

    A machine that is rebooted is up next with probability 1. The same for k parents, d of which are down:

    | ``dynamics`` | own state up | own state down |
    |---|---|---|
    | ``"ring"`` | .95 · .5^d | .0475 · .5^d, but .0238 for d = 1 |
    | ``"ring-bidirectional"`` | .95 · .5^d | .0475 · .5^d |
    | ``"ippc2011"`` | .45 + .5 · (1 + k − d) / (1 + k) | .1 |
    | ``"lock"`` | 1 − 0^(k − d) | 1 − 0^(k − d) |

    ``"lock"`` is no network but a combination lock, for learners that have to explore: down is open, up is locked, and
    a machine is open next if all its parents are and it isn't rebooted, which locks it. On a chain that begins with
    all machines locked, uniformly random actions open the L-th with probability 2^−L at a time, and find it open beside
    its open parent with 2^−(2L − 1). Chains of length L, and the combination:

        chains = nx.DiGraph((i, i + 1) for i in range(n - 1) if (i + 1) % L)
        crl_envs.make("crl/sysadmin-v0", dynamics="lock", topology=chains, start_up=1.0, relabel=True)

    In ``"status-load"`` a machine has a status (0 good, 1 faulty, 2 dead) and a load (0 idle, 1 loaded, 2 success). A
    reboot makes it good and idle. Otherwise both go on as follows in a step, each by its own draw and given the status
    at its beginning, where f of k parents are faulty or dead and d of them dead (f / k and d / k are 0 for k = 0). With
    the remaining probability they stay:

    | from | to | probability |
    |---|---|---|
    | good | faulty | .4 + .2 · f / k |
    | faulty | dead | .1 + .5 · d / k |
    | idle | loaded | .6 when good or faulty, 0 when dead |
    | loaded | success | .9 when good, .6 when faulty |
    | loaded | idle | 1 when dead: the job is lost |
    | success | idle | 1 |

    ## Action Space
    ``Discrete(2)``: 0 leaves the machine alone, 1 reboots it; with `relabel`, for a hidden half of the agents, the
    other way round. Both are always legal.

    ## Observation Space

    | made with | observation space | what is seen |
    |---|---|---|
    | defaults | ``Discrete(2)`` | own state: 0 down, 1 up |
    | ``dynamics="status-load"`` | ``Discrete(9)`` | own state: 3 · status + load |
    | ``observe="neighborhood"`` | ``MultiDiscrete([2 2 2])`` | own state, then those of both neighbours |
    | ``observe="neighborhood", topology="star", n_agents=4`` | ``MultiDiscrete([2 2 3 3])`` | own, up to 3 others |
    | ``observe="neighborhood", dynamics="status-load"`` | ``MultiDiscrete([9 9 9])`` | own state, then both others |

    Neighbours are the machines with an edge to or from one's own. They are seen in the order of
    ``infos[agent]["neighbors"]``, which is that of their numbers and not that around the ring. Where agents have
    different numbers of neighbours, the missing ones have one value more, here 2, for nobody. Observations are integers
    (``"own"``) or ``uint8`` arrays. ``state()``: ``uint8[n]``, all machines' states.

    ## Starting State
    Each machine, independently of the others, is up with probability `start_up` and else down. In ``"status-load"``
    it is good with that probability and else faulty; all are idle.

    ## Reward
    Local, to each agent for its own machine, by the machine's state at the beginning of the step:

    | ``dynamics`` | up, left alone | up, rebooted | down, left alone | down, rebooted |
    |---|---|---|---|---|
    | ``"ring"`` | 1 | 0 | 0 | 0 |
    | ``"ring-bidirectional"`` | 1 | 0 | 0 | 0 |
    | ``"ippc2011"`` | 1 | .25 | 0 | −.75 |
    | ``"lock"`` | 0 | 0 | 1 | 1 |

    In ``"status-load"``: 1 when the load is success, else 0, whatever the action.

    ## Episode End

    - Terminated: never.
    - Truncated: after `horizon` steps.

    ## Information

    | infos[agent] | type | what it is |
    |---|---|---|
    | ``action_mask`` | ``int8[2]`` | 1 for a legal action: all ones |
    | ``neighbors`` | ``tuple`` | ids of the agents with an edge to or from this one, in ascending order |

    | ``metrics()`` | type | what it is |
    |---|---|---|
    | ``up`` | ``float`` | share of the machines that are up |

    | ``metrics()`` with ``dynamics="status-load"`` | type | what it is |
    |---|---|---|
    | ``good``, ``faulty``, ``dead`` | ``float`` | share of the machines with this status |
    | ``loaded`` | ``float`` | share of the machines with a job under way |

    ``transition_model()`` gives P(s' | s, a), the rewards and the start distribution as tables (n ≤ 5, not
    ``"status-load"``), ``factored_model()`` each machine's part of them for any n.

    ## Arguments

    The fields of `crl_envs.sysadmin.SysadminProblem`, `render_mode` and `encode`.

    ## Known Optimum
    The return of an episode (mean over machines, summed over the steps) of the best policy that sees all machines:

    | made with | kind | value | lower |
    |---|---|---|---|
    | defaults | exact | 17.8045 | 17.8045 |
    | ``n_agents=14`` | exact | 17.8045 | 17.8045 |
    | ``n_agents=15`` | bound | 17.8046 | 17.8045 |
    | ``n_agents=100000`` | bound | 17.8046 | 17.8045 |
    | ``dynamics="ring-bidirectional"`` | exact | 16.9660 | 16.9660 |
    | ``dynamics="ippc2011"`` | exact | 16.8477 | 16.8477 |
    | ``topology="star", n_agents=9`` | exact | 17.6265 | 17.6265 |
    | ``topology="star", n_agents=10`` | bound | 18.6168 | 14.6273 |
    | ``dynamics="status-load"`` | bound | 4.9705 | 0 |
    | ``dynamics="lock"`` | exact | 10 | 10 |

    Exact, by value iteration, for n ≤ 14 on rings and n ≤ 9 on other graphs, and for every n in ``"lock"``, where
    rebooting never pays. Beyond, ``value`` is an upper bound and ``lower`` what a known policy earns. On rings the two
    are within .03 % of each other for every n; on other graphs, and always in ``"status-load"``, far apart.

    On the ring of the defaults, the optimum is .8902 a step, and so is rebooting whenever the machine is down;
    uniformly random actions earn .438.

    ## Scaling Knob
    `n_agents`. On the ring the optimum per machine is the same for every n, to four digits, and a machine's law has
    only its parent in it; what grows is the noise that the other machines add to the global reward.

    ## Baseline Curve
    Environment steps (20 to an episode) after which a learner stays at .9 of the way from random actions to the
    optimum, and the exponent of n in that number. Defaults, ten seeds, 95 % intervals:

    | learner | rewards | n = 8 | n = 16 | n = 64 | exponent |
    |---|---|---|---|---|---|
    | ``reinforce-own`` | own | 484 | 466 | 461 | −0.03 [−0.11, 0.04] |
    | ``reinforce-local`` | local | 1,386 | 1,399 | 1,417 | 0.01 [−0.05, 0.10] |
    | ``reinforce-global`` | global | 3,033 | 6,251 | 26,099 | 1.05 [0.96, 1.16] |
    | ``decomposed-reinforce`` | global | 1,235 | 1,329 | 1,525 | 0.10 [−0.03, 0.18] |
    | ``model-based-local`` | local | 20 | 20 | 20 | 0.00 [0.00, 0.00] |

    Own is an agent's own reward, local its neighbours' too; ``decomposed-reinforce`` takes the global one apart.
    ``model-based-local`` is there after one episode, the first that is looked at. Experiment ``sysadmin-n`` of the
    leaderboard:

        crl-envs sweep bandit-n,sysadmin-n,load-balancing-n --learners all --seeds 10 --out results/leaderboard

    ## References
    Bagnell & Ng 2005, "On Local Rewards and Scaling Distributed Reinforcement Learning", §5 (Figure 3). Guestrin,
    Koller & Parr 2001, "Multiagent Planning with Factored MDPs" (``"status-load"``); Guestrin, Koller, Parr &
    Venkataraman 2003, "Efficient Solution Algorithms for Factored MDPs" (``"ring"``). ``"ippc2011"`` is the SysAdmin
    domain of the International Probabilistic Planning Competition 2011.

    ## Version History

    - v0: first release.
    """

    metadata = WorldEnv.metadata | {
        "name": "crl/sysadmin-v0",
        "render_modes": ["human", "rgb_array", "ansi"],
        "render_fps": 4,
    }
    picture = "crl_envs.sysadmin.picture:SysadminPicture"
    world: MachinesWorld

    make_world = staticmethod(make_world)

    def __init__(
        self,
        *args: Any,
        render_mode: str | None = None,
        encode: str | None = None,
        **arguments: Unpack[SysadminArguments],
    ) -> None:
        check_fits_dicts(arguments.get("n_agents"))
        super().__init__(encoded(make_world(*args, **arguments), encode), render_mode)

    def transition_model(self) -> TransitionModel:
        """Return the tables P(s'|s, a), R_i(s, a) and the start distribution of a binary world, n ≤ 5.

        Raises:
            ValueError: More than five machines, or ``dynamics="status-load"``.
        """
        return transition_model(self.world.problem)

    def factored_model(self) -> FactoredMDP:
        """Return the machines' probabilities and rewards as tables, for any n: what a learnt model is compared with.

        Raises:
            ValueError: A machine has so many parents that its table would be too large.
        """
        return self.world.problem.factored_model()
