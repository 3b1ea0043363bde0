"""The worlds of the page in which agents on a graph have states that spread to their neighbours."""

from __future__ import annotations

from typing import Any, Final

import numpy as np

from crl_envs.core.topology import UNDIRECTED
from crl_envs.explorer import touches
from crl_envs.explorer.choices import TOPOLOGY, Choice, World, horizon, n_agents
from crl_envs.firefighting.problem import FirefightingProblem
from crl_envs.local_rule.consensus import ConsensusProblem
from crl_envs.local_rule.epidemic import EpidemicProblem
from crl_envs.local_rule.problem import LocalRuleProblem
from crl_envs.local_rule.rule import LocalRule
from crl_envs.sysadmin.dynamics import DYNAMICS
from crl_envs.sysadmin.problem import SysadminProblem

# Who has heard a rumour may tell it, which costs 0.2; a neighbour that hears it has it from then on.
_RUMOURS: Final = LocalRule(
    signal=np.array([[0, 0], [0, 1]], np.uint8),
    transition=np.array(
        [
            [[[1.0, 0.0], [0.5, 0.5], [0.25, 0.75]]] * 2,
            [[[0.1, 0.9], [0.1, 0.9], [0.1, 0.9]]] * 2,
        ]
    ),
    reward=np.array([[[0.0], [-0.2]], [[1.0], [0.8]]]),
    start=np.array([0.8, 0.2]),
    states=("ignorant", "informed"),
    actions=("keep it", "tell it"),
)


def _with_rule(chosen: dict[str, Any]) -> dict[str, Any]:
    return chosen | {"rule": _RUMOURS}


_SYSADMIN: Final = World(
    key="sysadmin",
    title="SYSADMIN",
    about="Machines fail, faster when those before them are down. Each agent may reboot its own, "
    "which costs that step's reward.",
    problem=SysadminProblem,
    choices=(
        n_agents(10, 100, "machines"),
        Choice(
            "topology",
            "Topology",
            "Whose failure makes whose more likely.",
            options=tuple(UNDIRECTED),
        ),
        Choice(
            "dynamics", "Dynamics", "How machines fail. Bagnell & Ng's is ring.", options=DYNAMICS
        ),
        horizon(5, 100, 1),
    ),
    learner="reinforce-own",
    rival="reinforce-global",
    episodes=1000,
    small={"n_agents": 3, "horizon": 2},
    actions=("leave it", "reboot"),
    touches=touches.MACHINES,
)

_EPIDEMIC: Final = World(
    key="epidemic",
    title="Epidemic",
    about="Neighbours infect each other. Whoever isolates neither gives it nor gets it, and pays for that.",
    problem=EpidemicProblem,
    choices=(
        n_agents(49, 400, "people"),
        TOPOLOGY,
        Choice(
            "infection", "Infection β", "By one infected neighbour, in a step.", (0.0, 1.0, 0.05)
        ),
        Choice("isolation_cost", "Cost of isolating", "In rewards a step.", (0.0, 1.0, 0.05)),
        horizon(5, 100, 1),
    ),
    learner="reinforce-local",
    rival="reinforce-own",
    episodes=1000,
    small={"n_agents": 3, "horizon": 2},
    actions=("go on", "isolate"),
    touches=touches.PEOPLE,
)

_CONSENSUS: Final = World(
    key="consensus",
    title="Consensus",
    about="Voters on a ring see three to the left and to the right, and are to agree on what most voted at first.",
    problem=ConsensusProblem,
    choices=(
        Choice("n_agents", "n (voters, odd)", "How many there are.", (7, 199, 2), 49),
        Choice(
            "flip", "Votes that flip", "Probability that a vote comes out wrong.", (0.0, 0.5, 0.01)
        ),
    ),
    learner="fixed-rule",
    rival="random",
    episodes=100,
    small={"n_agents": 7, "horizon": 2},
    actions=("vote 0", "vote 1"),
    touches=touches.VOTERS,
)

_FIREFIGHTING: Final = World(
    key="firefighting",
    title="Firefighting",
    about="Each agent fights at one of its houses; two at one house put its fire out.",
    problem=FirefightingProblem,
    choices=(
        n_agents(8, 200, "firefighters"),
        Choice("layout", "Layout", "Two houses an agent, or four.", options=("row", "grid")),
        Choice(
            "observe",
            "What is seen",
            "Flames where one fought, or the levels of one's own houses.",
            default="levels",
            options=("flames", "levels"),
        ),
        horizon(2, 50, 1),
    ),
    learner="reinforce-local",
    rival="fixed-rule",
    episodes=1000,
    small={"n_agents": 3, "horizon": 2, "observe": "levels"},
    touches=touches.HOUSES,
)

_LOCAL_RULE: Final = World(
    key="local_rule",
    title="One rule on a graph: rumours",
    about="Who has heard a rumour may tell it to its neighbours, which costs something. It is an example of a world "
    "of your own from four tables (docs: crl/local_rule-v0).",
    problem=LocalRuleProblem,
    choices=(
        n_agents(20, 400, "agents"),
        Choice("topology", "Topology", "Who hears whom.", options=("ring", "directed_ring")),
        horizon(5, 100, 1),
    ),
    learner="reinforce-local",
    rival="reinforce-own",
    episodes=1000,
    small={"rule": _RUMOURS, "n_agents": 3, "horizon": 2},
    arguments=_with_rule,
    actions=("keep it", "tell it"),
    touches=(
        touches.Touch("inform", "Tell it the rumour", "is informed", touches.put(1)),
        touches.Touch("forget", "Let it forget", "is ignorant", touches.put(0)),
    ),
)

SPREADING: Final = (_SYSADMIN, _EPIDEMIC, _CONSENSUS, _FIREFIGHTING, _LOCAL_RULE)
