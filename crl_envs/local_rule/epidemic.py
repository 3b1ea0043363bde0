"""``crl/epidemic-v0``: an infection on a graph, and agents that may isolate."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any, ClassVar, TypedDict, Unpack

import numpy as np

from crl_envs.core.arguments import check_probability, check_real, keep
from crl_envs.core.encoding import encoded
from crl_envs.core.parallel import check_fits_dicts
from crl_envs.core.problem import documented_by
from crl_envs.local_rule.env import RuleEnv
from crl_envs.local_rule.problem import RuleOnGraph
from crl_envs.local_rule.rule import LocalRule
from crl_envs.local_rule.world import LocalRuleWorld

if TYPE_CHECKING:
    import networkx as nx


@dataclass(frozen=True)
class EpidemicProblem(RuleOnGraph):
    """People on a graph who infect their neighbours unless they isolate.

    Attributes:
        n_agents: Number of agents n, 1 to 100,000,000. Default None: 100, or the number of nodes of `topology` when
            that is a graph.
        topology: As of `crl_envs.local_rule.LocalRuleProblem`. Default ``"torus"``.
        infection: β, the probability of catching it from one infected neighbour in a step, 0 to 1. Default 0.3.
        import_rate: ε, the probability of catching it from elsewhere, 0 to 1, isolated or not. Default 0.002.
        recovery: δ, the probability of recovering in a step, 0 to 1. Default 0.15.
        isolation_cost: What a step in isolation costs, in rewards, 0 to 1,000. Default 0.25.
        start_infected: Probability of starting infected, 0 to 1. Default 0.1.
        observe: ``"own"`` or ``"neighborhood"``. Default ``"own"``.
        relabel: True or False: hide, for a random half of the agents, a swap of the two actions. Default False.
        horizon: Steps of an episode T, 1 to 2^40. Default 50.
        instance_seed: Seed of the relabelling and of random topologies, 0 to 2^64 − 1. Default 0.
        backend: ``"auto"``, ``"numpy"`` or ``"numba"``: the same results. Default ``"auto"``.

    Raises:
        ValueError: An argument out of its range.
    """

    kind: ClassVar[str] = "epidemic"
    title: ClassVar[str] = "Epidemic"

    n_agents: int | None = None
    topology: str | nx.Graph = "torus"
    infection: float = 0.3
    import_rate: float = 0.002
    recovery: float = 0.15
    isolation_cost: float = 0.25
    start_infected: float = 0.1
    observe: str = "own"
    relabel: bool = False
    horizon: int = 50
    instance_seed: int = 0
    backend: str = "auto"

    def __post_init__(self) -> None:
        for name in ("infection", "import_rate", "recovery", "start_infected"):
            keep(self, check_probability, name)
        keep(self, check_real, "isolation_cost", low=0, high=1000)
        self.check_shared()

    @property
    def default_n(self) -> int:
        """Number of agents where neither `n_agents` nor a graph says it."""
        return 100

    @cached_property
    def rule(self) -> LocalRule:  # type: ignore[override]
        """The rule: who is infected and doesn't isolate signals 1."""
        infected = np.arange(int(self.parents.degree.max(initial=0)) + 1)
        transition = np.empty((2, 2, infected.size, 2))
        transition[0, 0, :, 1] = 1 - (1 - self.import_rate) * (1 - self.infection) ** infected
        transition[0, 1, :, 1] = self.import_rate
        transition[1, :, :, 1] = 1 - self.recovery
        transition[..., 0] = 1 - transition[..., 1]
        cost = self.isolation_cost
        return LocalRule(
            signal=np.array([[0, 0], [1, 0]], np.uint8),
            transition=transition,
            reward=np.array([[[1.0], [1.0 - cost]], [[0.0], [-cost]]]),
            start=np.array([1 - self.start_infected, self.start_infected]),
            states=("healthy", "infected"),
            actions=("go on", "isolate"),
        )


class EpidemicArguments(TypedDict, total=False):
    """The fields of `EpidemicProblem` as keywords, for type checkers."""

    n_agents: int | None
    topology: str | nx.Graph
    infection: float
    import_rate: float
    recovery: float
    isolation_cost: float
    start_infected: float
    observe: str
    relabel: bool
    horizon: int
    instance_seed: int
    backend: str


def make_world(*args: Any, **arguments: Any) -> LocalRuleWorld:
    """Return the world of an `EpidemicProblem`'s fields."""
    return LocalRuleWorld(EpidemicProblem(*args, **arguments))


@documented_by(EpidemicProblem)
class EpidemicEnv(RuleEnv):
    """An infection spreads on a graph; whoever isolates neither gives it nor gets it, at a cost.

    ## Description
    n people on a graph, by default a torus of four neighbours each, are healthy or infected (a SIS model: whoever
    recovers can catch it again). In each step everybody goes on as usual or isolates. With k infected neighbours that
    go on as usual, the next state of

    | who | is infected with probability |
    |---|---|
    | a healthy agent that goes on | 1 − (1 − ε)(1 − β)^k |
    | a healthy agent that isolates | ε |
    | an infected agent | 1 − δ |

    On a large torus an infected agent gains nothing by isolating: what it saves is its neighbours' health, and counting
    only one's own reward fails. On a small ring it may gain, as those whom it infects may infect it again.

    ## Action Space
    ``Discrete(2)``: 0 goes on, 1 isolates; with `relabel`, for a hidden half of the agents, the other way round. Both
    are always legal.

    ## Observation Space

    | made with | observation space | what is seen |
    |---|---|---|
    | defaults | ``Discrete(2)`` | own state: 0 healthy, 1 infected |
    | ``observe="neighborhood"`` | ``MultiDiscrete([2 2 2 2 2])`` | own state, then those of the four neighbours |
    | ``observe="neighborhood", topology="star", n_agents=4`` | ``MultiDiscrete([2 2 3 3])`` | own, up to 3 others |

    Neighbours are seen in the order of ``infos[agent]["neighbors"]``; missing ones have one value more, 2, for nobody.
    ``state()``: ``uint8[n]``, all agents' states.

    ## Starting State
    Each agent, independently of the others, is infected with probability `start_infected`.

    ## Reward
    Local, by an agent's state at the beginning of the step and its action, with c the `isolation_cost`:

    | healthy, goes on | healthy, isolates | infected, goes on | infected, isolates |
    |---|---|---|---|
    | 1 | 1 − c | 0 | −c |

    ## Episode End

    - Terminated: never.
    - Truncated: after `horizon` steps.

    ## Information

    | infos[agent] | type | what it is |
    |---|---|---|
    | ``action_mask`` | ``int8[2]`` | 1 for a legal action: all ones |
    | ``neighbors`` | ``tuple`` | ids of the agents that share an edge with this one, in ascending order |

    | ``metrics()`` | type | what it is |
    |---|---|---|
    | ``healthy``, ``infected`` | ``float`` | share of the agents in this state |

    ## Arguments

    The fields of `crl_envs.local_rule.EpidemicProblem`, `render_mode` and `encode`.

    ## Known Optimum
    The return of an episode (mean over agents, summed over the steps) of the best policy that sees everybody:

    | made with | kind | value | lower |
    |---|---|---|---|
    | defaults | bound | 48.7709 | 48.3 |
    | ``n_agents=6, topology="ring"`` | exact | 48.4678 | 48.4678 |
    | ``n_agents=20, topology="ring"`` | bound | 48.486 | 48.462 |

    Exact, by value iteration over joint states, for n ≤ 8. Beyond, ``value`` lets each agent choose what it feels, that
    is nobody infected around it; on a ring it is a linear program's (with scipy). ``lower`` is what the best table by
    own state earns in a simulation, less four standard errors: isolating when infected.

    ## Scaling Knob
    `n_agents`. On the torus nothing but the noise of the global reward depends on it.

    ## Baseline Curve
    Mean reward a step of fixed rules on the torus of 10 × 10, defaults, 2,000 episodes, with 95 % intervals; the
    command is on the environment's page:

    | isolates | reward a step |
    |---|---|
    | never | .244 ± .001 |
    | at random, half of the steps | .628 ± .003 |
    | when infected | .969 ± .001 |
    | when healthy with an infected neighbour | .953 ± .001 |
    | in either case | .947 ± .001 |
    | always | .725 ± .001 |

    ## References
    Kermack & McKendrick's compartments without immunity (SIS) on a graph, as in the papers on networked actor-critics:
    Qu, Wierman & Li 2020, "Scalable Reinforcement Learning of Localized Policies for Multi-Agent Networked Systems".

    ## Version History

    - v0: first release.
    """

    metadata = RuleEnv.metadata | {"name": "crl/epidemic-v0"}
    make_world = staticmethod(make_world)

    def __init__(
        self,
        *args: Any,
        render_mode: str | None = None,
        encode: str | None = None,
        **arguments: Unpack[EpidemicArguments],
    ) -> None:
        check_fits_dicts(arguments.get("n_agents"))
        super().__init__(encoded(make_world(*args, **arguments), encode), render_mode)
