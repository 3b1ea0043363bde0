"""``crl/local_rule-v0``: spaces, names and documentation of a user's own rule on a graph."""

from __future__ import annotations

from typing import Any, Unpack

from crl_envs.core.encoding import encoded
from crl_envs.core.parallel import WorldEnv, check_fits_dicts
from crl_envs.core.problem import documented_by
from crl_envs.factored import FactoredMDP
from crl_envs.local_rule.problem import LocalRuleArguments, LocalRuleProblem
from crl_envs.local_rule.world import LocalRuleWorld, make_world


class RuleEnv(WorldEnv):
    """Base of the environments that are one rule on a graph; a subclass has `make_world` and its page."""

    metadata = WorldEnv.metadata | {
        "render_modes": ["human", "rgb_array", "ansi"],
        "render_fps": 4,
    }
    picture = "crl_envs.local_rule.picture:LocalRulePicture"
    world: LocalRuleWorld

    def factored_model(self) -> FactoredMDP:
        """Return the agents' probabilities and rewards as tables, for any n: what a learnt model is compared with.

        Raises:
            ValueError: Signals depend on actions or rewards on neighbours; or an agent has so many neighbours that its
                table would be too large.
        """
        return self.world.problem.factored_model()


@documented_by(LocalRuleProblem)
class LocalRuleEnv(RuleEnv):
    """Your own world from four tables: agents on a graph that all follow one rule.

    ## Description
    Each agent i has a state s_i and takes an action a_i, both small numbers, and emits a *signal* φ(s_i, a_i), a whole
    number from 0 to K. It feels the sum m_i of the signals of the agents with an edge to it, and nothing else of them:

        P(s_i' | s_i, a_i, m_i) = transition[s_i, a_i, m_i, s_i']        R_i = reward[s_i, a_i, m_i]

    All agents move at once. This is the setting of Bagnell & Ng (2005, §2), whose rewards and transitions are local,
    with neighbours that are exchangeable and may act on each other by their actions, too.

    A `crl_envs.local_rule.LocalRule` is such a rule as a value: it is checked, compared, saved and loaded. SYSADMIN's
    binary dynamics are such rules, and step here to the same numbers; so is the epidemic.

    ## Action Space
    ``Discrete(2)`` with a rule of two actions; all are always legal. With `relabel` they are hidden in an order of
    their own for each agent.

    ## Observation Space

    With a rule of two states:

    | made with | observation space | what is seen |
    |---|---|---|
    | defaults | ``Discrete(2)`` | own state |
    | ``observe="neighborhood"`` | ``MultiDiscrete([2 2 2])`` | own state, then the neighbours' |

    Neighbours are the agents with an edge to or from one's own, in the order of ``infos[agent]["neighbors"]``. Where
    agents have different numbers of neighbours, the missing ones have one value more, S, for nobody.
    ``state()``: ``uint8[n]``, all agents' states.

    ## Starting State
    Each agent's state is drawn from the rule's ``start``, independently of the others.

    ## Reward
    Local: the rule's ``reward`` of an agent's state at the beginning of the step, its action and what it feels.

    ## Episode End

    - Terminated: never.
    - Truncated: after `horizon` steps.

    ## Information

    | infos[agent] | type | what it is |
    |---|---|---|
    | ``action_mask`` | ``int8[A]`` | 1 for a legal action: all ones |
    | ``neighbors`` | ``tuple`` | ids of the agents with an edge to or from this one, in ascending order |

    | ``metrics()`` | type | what it is |
    |---|---|---|
    | ``healthy``, ``infected`` | ``float`` | share of the agents in this state, by the rule's names |

    ``factored_model()`` gives all agents' probabilities and rewards as tables for the package's planners, where signals
    don't depend on actions and rewards don't depend on neighbours. Where signals do, ``rule.in_half_steps()`` is the
    same world with twice as many steps, in which they don't.

    ## Arguments

    The fields of `crl_envs.local_rule.LocalRuleProblem`, `render_mode` and `encode`.

    ## Known Optimum
    Exact, by value iteration over the joint states of all agents, for up to eight agents with two states and two
    actions, fewer with more. Beyond, ``value`` is an upper bound. On rings of two states and two actions it is that of
    a linear program (with scipy), which is near. Elsewhere it is the return of agents that choose what they feel beside
    what they do; how loose that is depends on how much agents need of each other. ``lower`` is what the best table of
    actions by own state earns in a simulation, or on such rings the policy that is greedy in the program's solution,
    less four standard errors. With the epidemic's rule:

    | made with | kind | value | lower |
    |---|---|---|---|
    | ``n_agents=6`` | exact | 18.9884 | 18.9884 |
    | ``n_agents=20`` | bound | 18.999 | 18.982 |

    ## Scaling Knob
    `n_agents`. So is `topology`.

    ## Baseline Curve
    None: it depends on the rule. The presets have theirs.

    ## References
    Bagnell & Ng 2005, "On Local Rewards and Scaling Distributed Reinforcement Learning", §2.

    ## Version History

    - v0: first release.
    """

    metadata = RuleEnv.metadata | {"name": "crl/local_rule-v0"}
    make_world = staticmethod(make_world)

    def __init__(
        self,
        *args: Any,
        render_mode: str | None = None,
        encode: str | None = None,
        **arguments: Unpack[LocalRuleArguments],
    ) -> None:
        check_fits_dicts(arguments.get("n_agents"))
        super().__init__(encoded(make_world(*args, **arguments), encode), render_mode)
