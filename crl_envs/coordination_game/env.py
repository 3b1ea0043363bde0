"""``crl/coordination_game-v0``: spaces, names and documentation of coordination games."""

from __future__ import annotations

from typing import Any, Unpack

from crl_envs.coordination_game.problem import CoordinationGameArguments, CoordinationGameProblem
from crl_envs.coordination_game.world import CoordinationGameWorld
from crl_envs.core.encoding import encoded
from crl_envs.core.parallel import WorldEnv, check_fits_dicts
from crl_envs.core.problem import documented_by


@documented_by(CoordinationGameProblem)
class CoordinationGameEnv(WorldEnv):
    """On each edge of a graph two agents are paid for how well their actions fit each other.

    ## Description
    n agents on a graph, by default a ring, each with A actions. On each edge (i, j), i < j, or from i to j on a
    directed graph, a game is played that pays f(a_i, a_j), and each of the two gets half of it. So an agent's reward is
    half of what its own games pay, and all rewards add up to what all games pay. What is best for an agent depends on
    its neighbours, and the best joint action may be one that nobody finds by itself: whoever tries its part first is
    punished.

    | ``payoffs`` | f, by the first and the second player's action |
    |---|---|
    | ``"climbing"`` | 11, −30, 0 / −30, 7, 6 / 0, 0, 5 |
    | ``"penalty"`` | 10, 0, k / 0, 2, 0 / k, 0, 10 with k = `penalty` |
    | ``"stochastic-climbing"`` | by a coin 10 or 12, 5 or −65, ±8 / 5 or −65, 14 or 0, 12 or 0 / ±5, ±5, 7 or 3 |
    | ``"random"`` | standard normal numbers, each edge its own, drawn once from `instance_seed` |
    | a table ``[A, A]`` | its numbers |

    The stochastic game has the climbing game's means. Payoffs are rounded to multiples of 2⁻¹⁰.

    ## Action Space
    ``Discrete(3)``, or ``Discrete(A)`` of other tables; with `relabel` in a hidden order of its own for each agent. All
    are always legal.

    ## Observation Space

    | made with | observation space | what is seen |
    |---|---|---|
    | defaults | ``Discrete(1)`` | nothing: 0 |
    | ``observe="neighborhood"`` | ``MultiDiscrete([4 4 4])`` | its own and its neighbours' last action, 3 for none |

    Neighbours are seen in the order of ``infos[agent]["neighbors"]``. Where agents have different numbers of them, the
    missing ones have one value more, A + 1, for nobody. Actions are seen as they were chosen, also under `relabel`.
    ``state()``: ``uint8[n]``, what everybody did last.

    ## Starting State
    Nobody has done anything.

    ## Reward
    Local: half of what an agent's games pay. With `noise` each payoff has noise of that standard deviation added, the
    same for both players.

    ## Episode End

    - Terminated: never.
    - Truncated: after `horizon` steps.

    ## Information

    | infos[agent] | type | what it is |
    |---|---|---|
    | ``action_mask`` | ``int8[A]`` | 1 for a legal action: all ones |
    | ``neighbors`` | ``tuple`` | ids of the agents that it plays with, in ascending order |

    ``metrics()`` is empty.

    ## Arguments

    The fields of `crl_envs.coordination_game.CoordinationGameProblem`, `render_mode` and `encode`.

    ## Known Optimum
    The mean over agents of the best joint action's expected payoffs, times `horizon`:

    | made with | kind | value | lower |
    |---|---|---|---|
    | defaults | exact | 11 | 11 |
    | ``n_agents=2`` | exact | 5.5 | 5.5 |
    | ``payoffs="penalty"`` | exact | 10 | 10 |
    | ``payoffs="random", n_agents=1000`` | exact | 1.1041 | 1.1041 |
    | ``payoffs="random", n_agents=100, topology="grid"`` | exact | 1.5791 | 1.5791 |
    | ``payoffs="random", n_agents=900, topology="grid"`` | bound | 2.9147 | 0.0319 |

    Exact where one action is best in all games, and by variable elimination where the graph is narrow enough: rings and
    trees of up to 3,000 agents, lattices of ten columns with three actions. Beyond, ``value`` gives each game its
    largest payoff, and ``lower`` is what the best action of all at once earns.

    ## Scaling Knob
    `n_agents`. So is `topology`.

    ## Baseline Curve
    Uniformly random actions get −3.44 on the ring of climbing games: the mean of the table, each agent having two
    halves of a game.

    ## References
    Claus & Boutilier 1998, "The Dynamics of Reinforcement Learning in Cooperative Multiagent Systems" (climbing,
    penalty). Kapetanakis & Kudenko 2002, "Reinforcement Learning of Coordination in Cooperative Multi-agent Systems"
    (stochastic climbing). Kok & Vlassis 2006, "Collaborative Multiagent Reinforcement Learning by Payoff Propagation"
    (random payoffs on graphs).

    ## Version History

    - v0: first release.
    """

    metadata = WorldEnv.metadata | {
        "name": "crl/coordination_game-v0",
        "render_modes": ["human", "rgb_array", "ansi"],
        "render_fps": 4,
    }
    picture = "crl_envs.coordination_game.picture:CoordinationGamePicture"
    world: CoordinationGameWorld

    make_world = CoordinationGameWorld

    def __init__(
        self,
        *args: Any,
        render_mode: str | None = None,
        encode: str | None = None,
        **arguments: Unpack[CoordinationGameArguments],
    ) -> None:
        check_fits_dicts(arguments.get("n_agents"))
        super().__init__(encoded(CoordinationGameWorld(*args, **arguments), encode), render_mode)
