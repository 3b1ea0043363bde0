"""``crl/dec_pomdp-v0``: spaces, names and documentation of any finite Dec-POMDP."""

from __future__ import annotations

from typing import Any, Unpack

from crl_envs.core.encoding import encoded
from crl_envs.core.parallel import WorldEnv
from crl_envs.core.problem import documented_by
from crl_envs.decpomdp.problem import DecPOMDPArguments, DecPOMDPProblem
from crl_envs.decpomdp.world import DecPOMDPWorld, make_world


class TeamEnv(WorldEnv):
    """Base of the environments that are Dec-POMDPs; a subclass has `make_world` and its page."""

    metadata = WorldEnv.metadata | {
        "render_modes": ["human", "rgb_array", "ansi"],
        "render_fps": 2,
    }
    picture = "crl_envs.decpomdp.picture:TeamPicture"
    world: DecPOMDPWorld


@documented_by(DecPOMDPProblem)
class DecPOMDPEnv(TeamEnv):
    """Any finite Dec-POMDP, from an object or from a ``.dpomdp`` file.

    ## Description
    A team of n agents who see different things (Bernstein et al. 2002). The world has a state s, each agent takes an
    action, and all depends on the joint action a: the next state by P(s' | s, a), what the agents see by P(o | a, s'),
    and one reward for the team, R(s, a, s', o). Nobody sees the state or what the others see.

    A `crl_envs.decpomdp.DecPOMDP` is such a problem as a value: checked, compared, saved and loaded, and read from the
    files in which the field keeps its problems. The same module has planners, exact ones and JESP, and
    ``with_messages``, which makes of a problem one in which agents may send what they saw, at a price.

    ## Action Space
    ``Discrete(3)`` with a model of three actions each. Where agents have different numbers of actions it is the
    largest, and what is beyond an agent's own is illegal and carried out as its action 0.

    ## Observation Space
    ``Discrete(3)`` with a model of two observations each: an agent's last observation, and one number more, the
    largest, before the first step. An agent who is to remember has to do so itself.
    ``state()``: ``uint8[3]`` with two agents, the world's state, then what each saw; ``uint16`` beyond 256 states.

    ## Starting State
    Drawn from the model's ``start``. Nobody has seen anything.

    ## Reward
    Local: the team's reward divided by n, the same for all. So the rewards of all agents add up to the team's. A
    model's ``discount`` has no part in it.

    ## Episode End

    - Terminated: never.
    - Truncated: after `horizon` steps.

    ## Information

    | infos[agent] | type | what it is |
    |---|---|---|
    | ``action_mask`` | ``int8[A]`` | 1 for a legal action |
    | ``neighbors`` | ``tuple`` | ids of all other agents, in ascending order |

    | ``metrics()`` | type | what it is |
    |---|---|---|
    | ``state`` | ``int`` | number of the world's state |

    ## Arguments

    The fields of `crl_envs.decpomdp.DecPOMDPProblem`, `render_mode` and `encode`.

    ## Known Optimum
    The best joint policy's return, by an exact search, where that takes up to 4,000 steps; the team's divided by n.
    Beyond, ``value`` is what agents would earn who share all that they see, or where that takes too long, who see the
    state, and ``lower`` is what a policy earns that JESP finds, or the best joint action, repeated. With the tiger:

    | made with | kind | value | lower |
    |---|---|---|---|
    | ``horizon=3`` | exact | 2.5954 | 2.5954 |
    | defaults | bound | 30.2549 | −10 |

    ## Scaling Knob
    None: the number of agents is the model's. With `horizon` joint policies grow doubly exponentially in number.

    ## Baseline Curve
    None: it depends on the model. The presets have theirs.

    ## References
    Bernstein, Givan, Immerman & Zilberstein 2002, "The complexity of decentralized control of Markov decision
    processes". Oliehoek & Amato 2016, "A Concise Introduction to Decentralized POMDPs".

    ## Version History

    - v0: first release.
    """

    metadata = TeamEnv.metadata | {"name": "crl/dec_pomdp-v0"}
    make_world = staticmethod(make_world)

    def __init__(
        self,
        *args: Any,
        render_mode: str | None = None,
        encode: str | None = None,
        **arguments: Unpack[DecPOMDPArguments],
    ) -> None:
        super().__init__(encoded(make_world(*args, **arguments), encode), render_mode)
