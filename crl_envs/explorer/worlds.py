"""What can be chosen on the page for each world, and the environments and learners that follow from it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Final, Literal

import crl_envs
from crl_envs.access.problem import AccessProblem
from crl_envs.bandit.problem import BanditProblem
from crl_envs.bar.problem import BarProblem
from crl_envs.bench.learners import LearnerSpec, learner_spec
from crl_envs.coordination_game.problem import CoordinationGameProblem
from crl_envs.core.arguments import check_choice, check_int, check_real, check_seed
from crl_envs.core.topology import UNDIRECTED
from crl_envs.firefighting.problem import FirefightingProblem
from crl_envs.load_balancing.problem import LoadBalancingProblem
from crl_envs.local_rule.consensus import ConsensusProblem
from crl_envs.local_rule.epidemic import EpidemicProblem
from crl_envs.routing.problem import RoutingProblem
from crl_envs.sysadmin.dynamics import DYNAMICS
from crl_envs.sysadmin.problem import SysadminProblem
from crl_envs.traffic.problem import TrafficProblem

MOST_LIVE: Final = 10_000  # agents; a step of more takes too long to be watched
NOBODY: Final = "nobody"  # in the place of a second learner

Value = float | str


@dataclass(frozen=True)
class Choice:
    """One choice: its widget, and the argument that it sets.

    Attributes:
        name: Of the argument.
        label: What the page calls it.
        help: What it does, in a sentence.
        slider: Its ends and its step; the field takes more.
        default: What is chosen at first; in a `World` None stands for the environment's own default.
        options: Of a select.
        learner: The learner that alone has this argument; None for an argument of the environment.
    """

    name: str
    label: str
    help: str
    slider: tuple[float, float, float] = (0.0, 1.0, 1.0)
    default: Any = None
    options: tuple[str, ...] = ()
    learner: str | None = None

    @property
    def kind(self) -> Literal["whole", "real", "select"]:
        """What is chosen: a whole number or any (a slider and a field), or one of some words."""
        if self.options:
            return "select"
        return "whole" if isinstance(self.default, int) else "real"


@dataclass(frozen=True)
class World:
    """A world of the page.

    Attributes:
        key: Short name.
        id: For `crl_envs.make`.
        title: What the page calls it.
        about: What happens in it, in a sentence.
        problem: Its arguments, which say what is chosen at first unless the choice does.
        choices: What can be chosen.
        learner: Who learns at first.
        rival: Who learns beside it at first.
        episodes: After how many the learners rest.
        small: Arguments of an instance so small that any learner can be tried on it.
        progress: The metric that tells how far an episode is; None where there is nothing to follow within one.
    """

    key: str
    id: str
    title: str
    about: str
    problem: type[Any]
    choices: tuple[Choice, ...]
    learner: str
    rival: str
    episodes: int
    small: Mapping[str, Any]
    progress: str | None = None

    def __post_init__(self) -> None:
        choices = (
            replace(c, default=getattr(self.problem, c.name)) if c.default is None else c
            for c in self.choices
        )
        object.__setattr__(self, "choices", tuple(choices))


@dataclass(frozen=True)
class Task:
    """What has been chosen: a world, its arguments, and who learns.

    Attributes:
        world: Key of a world.
        values: By name of the choice; what is left out is at its default.
        learner: Name of a learner, as in ``crl-envs list``.
        rival: Name of another one that learns the same task beside it, or ``"nobody"``.
        seed: Of the learners and their environments.
        episodes: After how many they rest.
    """

    world: str
    values: Mapping[str, Value] = field(default_factory=dict)
    learner: str = "random"
    rival: str = NOBODY
    seed: int = 0
    episodes: int = 1000

    @property
    def names(self) -> tuple[str, ...]:
        """The learners."""
        return (
            (self.learner,) if self.rival in (NOBODY, self.learner) else (self.learner, self.rival)
        )

    def value(self, name: str) -> Value:
        """What is chosen for `name`."""
        return self.values.get(name, _choice(WORLDS[self.world], name).default)

    def arguments(self) -> dict[str, Any]:
        """The environment's arguments.

        Raises:
            ValueError: A value that no environment takes, as a text for a number.
        """
        world = WORLDS[check_choice("world", self.world, WORLDS)]
        chosen = {c.name: _checked(c, self.value(c.name)) for c in world.choices if not c.learner}
        check_int("n_agents", chosen["n_agents"], low=1)
        if chosen["n_agents"] > MOST_LIVE:
            raise ValueError(
                f"n_agents must be at most {MOST_LIVE:,} to be watched live, got {chosen['n_agents']:,}; "
                "for more there are crl-envs run and crl-envs sweep"
            )
        if self.world == "bandit":
            noise = check_real("noise", chosen.pop("noise"), low=0.0, high=1.0)
            chosen |= {"p_correct": 1.0 - noise, "p_wrong": noise}
        return chosen

    def make_env(self, render_mode: str | None = None) -> Any:
        """A new environment.

        Raises:
            ValueError: A bad argument, or a render mode that there isn't.
        """
        return crl_envs.make(WORLDS[self.world].id, render_mode=render_mode, **self.arguments())

    def make_learner(self, name: str, env: Any) -> Any:
        """A new learner of that name.

        Raises:
            ValueError: It isn't there, doesn't suit the environment, or a bad argument.
            MissingLibraryError: A library that it needs is missing.
        """
        check_int("episodes", self.episodes, low=1)
        spec = learner_spec(name)
        own = {
            choice.name: _checked(choice, self.value(choice.name))
            for choice in WORLDS[self.world].choices
            if choice.learner == spec.source
        }
        seed = check_seed("seed", self.seed)
        return spec.load()(env, seed=seed, **{**spec.config, **own})

    def label(self, name: str) -> str:
        """The learner with whatever isn't at its default: a curve's name."""
        world, source = WORLDS[self.world], learner_spec(name).source
        changed = [
            f"{choice.label.split(' (')[0]} {_short(self.value(choice.name))}"
            for choice in world.choices
            if choice.learner in (None, source)
            and (choice.name == "n_agents" or self.value(choice.name) != choice.default)
        ]
        return f"{name}, {', '.join(changed)}"


def shown_choices(world: World, names: tuple[str, ...]) -> list[Choice]:
    """The choices of a world that mean something to these learners."""
    sources = {spec.source for spec in map(_known, names) if spec is not None}
    return [
        choice for choice in world.choices if choice.learner is None or choice.learner in sources
    ]


def _known(name: str) -> LearnerSpec | None:
    try:
        return learner_spec(name)
    except ValueError:
        return None


def _choice(world: World, name: str) -> Choice:
    return next(choice for choice in world.choices if choice.name == name)


def _checked(choice: Choice, value: Any) -> Any:
    """A number that a field of a page has given, as an int where it is a whole one."""
    if choice.kind == "select":
        return check_choice(choice.name, value, choice.options)
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise ValueError(f"{choice.name} must be a number, got {value!r}")
    return int(value) if choice.kind == "whole" and float(value).is_integer() else value


def _short(value: Any) -> str:
    """A value for people; an empty field gives None."""
    if value is None:
        return "?"
    return value if isinstance(value, str) else f"{value:,.10g}"


def _n_agents(default: int, high: int, what: str) -> Choice:
    return Choice("n_agents", f"n ({what})", "How many there are.", (2, high, 1), default)


_BANDIT: Final = World(
    key="bandit",
    id="crl/bandit-v0",
    title="Bandit",
    about="Each agent guesses which of two actions is its right one. An episode is one guess of all agents.",
    problem=BanditProblem,
    choices=(
        _n_agents(50, 200, "agents"),
        Choice(
            "noise",
            "Noise",
            "How often the right action pays nothing, and the wrong one pays.",
            (0.0, 0.45, 0.05),
            BanditProblem.p_wrong,
        ),
    ),
    learner="local-means",
    rival="global-least-squares",
    episodes=300,
    small={"n_agents": 3},
)

_BAR: Final = World(
    key="bar",
    id="crl/bar-v0",
    title="Bar problem",
    about="Each agent chooses a night at a bar, which is best with few guests. An episode is one week.",
    problem=BarProblem,
    choices=(
        _n_agents(60, 200, "agents"),
        Choice("n_nights", "Nights", "How many there are to choose from.", (2, 14, 1)),
        Choice("capacity", "Capacity c", "Guests at which a night is best.", (1.0, 20.0, 1.0)),
    ),
    learner="boltzmann-averages",
    rival="random",
    episodes=300,
    small={"n_agents": 3},
)

_SYSADMIN: Final = World(
    key="sysadmin",
    id="crl/sysadmin-v0",
    title="SYSADMIN",
    about="Machines fail, faster when those before them are down. Each agent may reboot its own, "
    "which costs that step's reward.",
    problem=SysadminProblem,
    choices=(
        _n_agents(10, 100, "machines"),
        Choice(
            "topology",
            "Topology",
            "Whose failure makes whose more likely.",
            options=tuple(UNDIRECTED),
        ),
        Choice(
            "dynamics", "Dynamics", "How machines fail. Bagnell & Ng's is ring.", options=DYNAMICS
        ),
        Choice("horizon", "Horizon (steps)", "Steps of an episode.", (5, 100, 1)),
    ),
    learner="reinforce-local",
    rival="reinforce-global",
    episodes=1000,
    small={"n_agents": 3, "horizon": 2},
)

_TOPOLOGY: Final = Choice(
    "topology", "Topology", "Who is whose neighbour.", options=tuple(UNDIRECTED)
)

_EPIDEMIC: Final = World(
    key="epidemic",
    id="crl/epidemic-v0",
    title="Epidemic",
    about="Neighbours infect each other. Whoever isolates neither gives it nor gets it, and pays for that.",
    problem=EpidemicProblem,
    choices=(
        _n_agents(49, 400, "people"),
        _TOPOLOGY,
        Choice(
            "infection", "Infection β", "By one infected neighbour, in a step.", (0.0, 1.0, 0.05)
        ),
        Choice("isolation_cost", "Cost of isolating", "In rewards a step.", (0.0, 1.0, 0.05)),
        Choice("horizon", "Horizon (steps)", "Steps of an episode.", (5, 100, 1)),
    ),
    learner="reinforce-local",
    rival="reinforce-own",
    episodes=1000,
    small={"n_agents": 3, "horizon": 2},
)

_CONSENSUS: Final = World(
    key="consensus",
    id="crl/consensus-v0",
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
)

_ACCESS: Final = World(
    key="access",
    id="crl/access-v0",
    title="Wireless access",
    about="Users send packets to the access points around them. Two who send to the same one are both lost.",
    problem=AccessProblem,
    choices=(
        _n_agents(25, 400, "users"),
        Choice("arrival_rate", "Arrivals", "Probability of a packet in a step.", (0.0, 1.0, 0.05)),
        Choice("deadline", "Deadline (steps)", "How long a packet can be sent.", (1, 7, 1)),
        Choice(
            "observe",
            "What is seen",
            "Packets of one's own, or also the neighbours'.",
            options=("own", "neighborhood"),
        ),
        Choice("horizon", "Horizon (steps)", "Steps of an episode.", (5, 100, 1)),
    ),
    learner="reinforce-local",
    rival="reinforce-own",
    episodes=1000,
    small={"n_agents": 3, "horizon": 2},
)

_FIREFIGHTING: Final = World(
    key="firefighting",
    id="crl/firefighting-v0",
    title="Firefighting",
    about="Each agent fights at one of its houses; two at one house put its fire out.",
    problem=FirefightingProblem,
    choices=(
        _n_agents(8, 200, "firefighters"),
        Choice("layout", "Layout", "Two houses an agent, or four.", options=("row", "grid")),
        Choice(
            "observe",
            "What is seen",
            "Flames where one fought, or the levels of one's own houses.",
            default="levels",
            options=("flames", "levels"),
        ),
        Choice("horizon", "Horizon (steps)", "Steps of an episode.", (2, 50, 1)),
    ),
    learner="reinforce-local",
    rival="fixed-rule",
    episodes=1000,
    small={"n_agents": 3, "horizon": 2, "observe": "levels"},
)

_COORDINATION: Final = World(
    key="coordination_game",
    id="crl/coordination_game-v0",
    title="Coordination game",
    about="On each edge two agents are paid for how well their actions fit. An episode is one game on each edge.",
    problem=CoordinationGameProblem,
    choices=(
        _n_agents(10, 200, "agents"),
        _TOPOLOGY,
        Choice("payoffs", "Payoffs", "Which game.", options=CoordinationGameProblem.games),
        Choice("noise", "Noise", "Standard deviation of a payoff.", (0.0, 20.0, 0.5)),
    ),
    learner="reinforce-local",
    rival="reinforce-global",
    episodes=1000,
    small={"n_agents": 3},
)

_TRAFFIC: Final = World(
    key="traffic",
    id="crl/traffic-v0",
    title="Traffic lights",
    about="Each crossing chooses which pair of opposite approaches has green. In a step of change nobody goes.",
    problem=TrafficProblem,
    choices=(
        _n_agents(16, 400, "crossings"),
        Choice(
            "boundary",
            "Border",
            "Closed streets, or vehicles that come and go at the border.",
            options=TrafficProblem.boundaries,
        ),
        Choice(
            "arrival_rate",
            "Arrivals λ",
            "Probability of a vehicle at an approach, in a step.",
            (0.0, 0.3, 0.01),
        ),
        Choice("lost_steps", "Lost steps", "Without green, when the phase changes.", (0, 5, 1)),
        Choice("horizon", "Horizon (steps)", "Steps of an episode.", (20, 300, 10)),
    ),
    learner="reinforce-own",
    rival="traffic-lights",
    episodes=500,
    small={"n_agents": 4, "horizon": 2},
)

_LOAD_BALANCING: Final = World(
    key="load_balancing",
    id="crl/load_balancing-v0",
    title="Load balancing",
    about="Loads enter at one agent. Whoever holds one stores it, or hands it on to a neighbour at a cost.",
    problem=LoadBalancingProblem,
    choices=(
        _n_agents(50, 200, "agents"),
        Choice(
            "topology",
            "Topology",
            "Who can hand loads to whom: i to the next nine (a circulant graph, drawn as a ring), or to "
            "ten random agents.",
            options=("grid", "random"),
        ),
        Choice(
            "cost_model",
            "Cost model",
            "discrete: storing is free until an agent is full. gradient: dearer the fuller it is.",
            options=("discrete", "gradient"),
        ),
        Choice(
            "temperature",
            "CRL's temperature T",
            "Higher explores more.",
            (0.1, 5.0, 0.1),
            0.9,
            learner="crl",
        ),
        Choice(
            "capacity",
            "Capacity (loads)",
            "What an agent can store; two servers store 200.",
            (1, 50, 1),
        ),
        Choice(
            "max_in_flight",
            "Loads in flight",
            "How many are under way at once. The paper has 1.",
            (1, 50, 1),
        ),
        Choice(
            "message_loss",
            "Messages lost",
            "Probability that a load is not handed on.",
            (0.0, 0.5, 0.05),
        ),
        Choice(
            "fail_rate",
            "Failures",
            "Probability that an agent fails in a step; each returns with probability 0.1.",
            (0.0, 0.05, 0.005),
        ),
    ),
    learner="crl",
    rival="breadth-first",
    episodes=1,
    progress="utilisation",
    small={"n_agents": 4, "capacity": 1, "server_capacity": 1, "max_steps": 20},
)

_ROUTING: Final = World(
    key="routing",
    id="crl/routing-v0",
    title="Routing",
    about="Packets queue at each node, which forwards the first of them to a neighbour. Short ways get crowded.",
    problem=RoutingProblem,
    choices=(
        Choice(
            "n_agents",
            "n (nodes)",
            "36: the network of Boyan & Littman; others: a torus.",
            (2, 100, 1),
            36,
        ),
        Choice(
            "load",
            "Load",
            "Packets that enter the network in a step, on average.",
            (0.0, 5.0, 0.25),
        ),
        Choice(
            "loss", "Packets lost", "Probability that a transmission is lost.", (0.0, 0.5, 0.05)
        ),
        Choice(
            "mobility",
            "Mobility",
            "How far nodes move in a step, in sides of a square in which those near each other are linked.",
            (0.0, 0.1, 0.01),
        ),
        Choice("queue_size", "Queue size", "Packets that a node has room for.", (1, 200, 1)),
        Choice("horizon", "Horizon (steps)", "Steps of an episode.", (50, 2000, 50)),
    ),
    learner="q-routing",
    rival="shortest-path",
    episodes=3,
    progress="delivery_share",
    small={"n_agents": 4, "horizon": 5},
)

WORLDS: Final[Mapping[str, World]] = {
    world.key: world
    for world in (
        _BANDIT,
        _BAR,
        _SYSADMIN,
        _LOAD_BALANCING,
        _EPIDEMIC,
        _CONSENSUS,
        _FIREFIGHTING,
        _ACCESS,
        _COORDINATION,
        _ROUTING,
        _TRAFFIC,
    )
}


def default_task(key: str) -> Task:
    """What a world begins with on the page."""
    world = WORLDS[key]
    return Task(key, {}, world.learner, world.rival, episodes=world.episodes)
