"""Problems of two agents who see different things, over the length of an episode.

Local rewards are halves of the team's, so that own, neighbours' and team's reward are one thing. What is asked is what
the last observation is worth: learners on tables see nothing else, and the optimum is of joint policies that remember
all.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from crl_envs.bench.experiment import Analysis, Experiment, Task, score_verdict


def verdict(summary: Mapping[str, Any]) -> list[str]:
    """Say final scores."""
    return list(score_verdict(summary, "horizon"))


_SHARED: Final[dict[str, Any]] = {
    "knob": "horizon",
    "values": (2, 3, 4, 5, 6),
    "quick": (2, 4),
    "budget": lambda horizon: 1000 * horizon,
    "first": 60,
    "grain": lambda horizon: horizon,
    "evaluations": 12,
    "episodes": 64,
    "analysis": Analysis(scaling=False, verdict=verdict),
}

TIGER_HORIZON: Final = Experiment(
    **_SHARED,
    name="tiger-horizon",
    title="The tiger over the length of an episode",
    statement="""\
The tiger over the length of an episode: what is lost by not remembering?

**Task.** ``crl/tiger-v0``: two agents listen for a tiger, each on its own, and are to open the other door together.
1,000 episodes to learn from.

**Varied.** T = 2 … 6, as far as the best joint policy is known.

**Held fixed.** The payoffs, and that a table sees what was heard last and nothing before.

**A good learner.** Doesn't open a door after having heard the tiger once: over two steps listening is best, a score of
1. From three steps on opening after two equal sounds is, which takes a memory; who always listens, the fixed rule,
falls behind.

Nair, Tambe, Yokoo, Pynadath & Marsella 2003, "Taming decentralized POMDPs" (the problem);
Dowling & Haridi 2008, "Reinforcement Learning for Online Optimization of Distributed Systems", §4.4 (Dec-POMDPs).
""",
    task=lambda horizon: Task("crl/tiger-v0", {"horizon": horizon}),
    baselines=("fixed-rule", "reinforce-own", "hysteretic-q", "random"),
)

BROADCAST_HORIZON: Final = Experiment(
    **_SHARED,
    name="broadcast-horizon",
    title="The broadcast channel over the length of an episode",
    statement="""\
The broadcast channel over the length of an episode: do two agents find out who is to send?

**Task.** ``crl/broadcast-v0``: two agents share a channel on which only one can send at a time. 1,000 episodes to learn
from.

**Varied.** T = 2 … 6, as far as the best joint policy is published.

**Held fixed.** How often new messages come: nearly always to the first agent, rarely to the second.

**A good learner.** Lets the first agent always send and the second wait, .95 of a message a step and more; the best
joint policies let the second send at first. Two agents who both send, or both wait, get nothing through.

Ooi & Wornell 1996, "Decentralized control of a multiple access broadcast channel: performance bounds" (the problem);
Dowling & Haridi 2008, "Reinforcement Learning for Online Optimization of Distributed Systems", §4.4 (Dec-POMDPs).
""",
    task=lambda horizon: Task("crl/broadcast-v0", {"horizon": horizon}),
    baselines=("reinforce-own", "hysteretic-q", "random"),
)
