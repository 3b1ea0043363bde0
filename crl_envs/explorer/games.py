"""The worlds of the page in which agents play a game without a network that changes: one step, or two agents."""

from __future__ import annotations

from typing import Any, Final

from crl_envs.bandit.problem import BanditProblem
from crl_envs.bar.problem import BarProblem
from crl_envs.coordination_game.problem import CoordinationGameProblem
from crl_envs.core.arguments import check_real
from crl_envs.decpomdp.communication import with_messages
from crl_envs.decpomdp.known import broadcast_channel, tiger
from crl_envs.decpomdp.problem import BroadcastProblem, DecPOMDPProblem, TigerProblem
from crl_envs.explorer.choices import TOPOLOGY, Choice, World, horizon, n_agents

_ONE_STEP: Final = "An episode is one step: there is no state to change by hand."
_HIDDEN: Final = (
    "The agents see nothing of each other and have no state of their own to change by hand."
)

_MODELS: Final = {
    "tiger": tiger,
    "tiger with messages": lambda: with_messages(tiger(), cost=0.5),
    "broadcast channel": broadcast_channel,
}
_HORIZON: Final = horizon(1, 8, 1, 4)


def _with_noise(chosen: dict[str, Any]) -> dict[str, Any]:
    noise = check_real("noise", chosen.pop("noise"), low=0.0, high=1.0)
    return chosen | {"p_correct": 1.0 - noise, "p_wrong": noise}


def _with_model(chosen: dict[str, Any]) -> dict[str, Any]:
    return chosen | {"model": _MODELS[chosen["model"]]()}


_BANDIT: Final = World(
    key="bandit",
    title="Bandit",
    about="Each agent guesses which of two actions is its right one. An episode is one guess of all agents.",
    problem=BanditProblem,
    choices=(
        n_agents(50, 200, "agents"),
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
    arguments=_with_noise,
    untouched=_ONE_STEP,
)

_BAR: Final = World(
    key="bar",
    title="Bar problem",
    about="Each agent chooses a night at a bar, which is best with few guests. An episode is one week.",
    problem=BarProblem,
    choices=(
        n_agents(60, 200, "agents"),
        Choice("n_nights", "Nights", "How many there are to choose from.", (2, 14, 1)),
        Choice("capacity", "Capacity c", "Guests at which a night is best.", (1.0, 20.0, 1.0)),
    ),
    learner="boltzmann-averages",
    rival="random",
    episodes=300,
    small={"n_agents": 3},
    untouched=_ONE_STEP,
)

_COORDINATION: Final = World(
    key="coordination_game",
    title="Coordination game",
    about="On each edge two agents are paid for how well their actions fit. An episode is one game on each edge.",
    problem=CoordinationGameProblem,
    choices=(
        n_agents(10, 200, "agents"),
        TOPOLOGY,
        Choice("payoffs", "Payoffs", "Which game.", options=CoordinationGameProblem.games),
        Choice("noise", "Noise", "Standard deviation of a payoff.", (0.0, 20.0, 0.5)),
    ),
    learner="reinforce-local",
    rival="reinforce-global",
    episodes=1000,
    small={"n_agents": 3},
    untouched=_ONE_STEP,
)

_TIGER: Final = World(
    key="tiger",
    title="Tiger",
    about="Two agents listen for a tiger behind one of two doors. To open a door pays only if both open the same. "
    "Each sees what it heard last, and remembers nothing.",
    problem=TigerProblem,
    choices=(
        Choice("accuracy", "Accuracy", "Probability of hearing the right side.", (0.5, 1.0, 0.05)),
        Choice(
            "apart_cost",
            "Cost of doing it alone",
            "Opening a tiger's door alone.",
            (0.0, 200.0, 10.0),
        ),
        _HORIZON,
    ),
    learner="reinforce-own",
    rival="factored-r-max",
    episodes=1000,
    small={"horizon": 2},
    actions=("listen", "open the left door", "open the right door"),
    untouched=_HIDDEN,
    paid_alike=True,
)

_BROADCAST: Final = World(
    key="broadcast",
    title="Broadcast channel",
    about="Two agents share a channel. A message gets through where one of them sends alone.",
    problem=BroadcastProblem,
    choices=(
        Choice(
            "first_rate", "First agent's messages", "Probability of a new one.", (0.0, 1.0, 0.05)
        ),
        Choice(
            "second_rate", "Second agent's messages", "Probability of a new one.", (0.0, 1.0, 0.05)
        ),
        Choice("noise", "Noise", "Probability of hearing a collision wrongly.", (0.0, 0.5, 0.05)),
        _HORIZON,
    ),
    learner="reinforce-own",
    rival="factored-r-max",
    episodes=1000,
    small={"horizon": 2},
    actions=("send", "wait"),
    untouched=_HIDDEN,
    paid_alike=True,
)

_DEC_POMDP: Final = World(
    key="dec_pomdp",
    title="Dec-POMDP",
    about="A team whose members see different things, from tables. The page has three models; others, also from "
    ".dpomdp files, run from Python and by crl-envs run.",
    problem=DecPOMDPProblem,
    choices=(
        Choice(
            "model", "Model", "Which tables.", default="tiger with messages", options=tuple(_MODELS)
        ),
        horizon(1, 8, 1, 5),
    ),
    learner="reinforce-own",
    rival="finite-state-controllers",
    episodes=1000,
    small={"model": tiger(), "horizon": 2},
    arguments=_with_model,
    untouched=_HIDDEN,
    paid_alike=True,
)

GAMES: Final = (_BANDIT, _BAR, _COORDINATION, _TIGER, _BROADCAST, _DEC_POMDP)
