"""The policies that are compared, the paper's two topologies, and what is known about both beforehand."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Final, NamedTuple

ENV_ID: Final = "crl/load_balancing-v0"
GRAPHS: Final = (0, 1, 2, 3)  # instance seeds of the random topologies
TEMPERATURE: Final = {"grid": 0.9, "random": 0.85}  # Table 1 and §6.2


@dataclass(frozen=True)
class Policy:
    """A way to act, with the cost model that it lives under.

    Attributes:
        label: What pictures and tables call it.
        learner: Its name in the entry-point group.
        cost_model: The environment's.
        config: The learner's arguments.
        draws: Whether it draws actions; else one run stands for all seeds where nothing else is random.
    """

    label: str
    learner: str
    cost_model: str = "discrete"
    config: Mapping[str, Any] = field(default_factory=dict)
    draws: bool = True

    def having(self, label: str | None = None, **config: Any) -> Policy:
        """The policy with further arguments."""
        return replace(self, label=label or self.label, config={**self.config, **config})


RANDOM: Final = Policy("random", "random")
DP: Final = Policy("DP (breadth-first)", "breadth-first", draws=False)
DISCRETE: Final = Policy("CRL-discrete", "crl")
GRADIENT: Final = Policy("CRL-gradient", "crl", "gradient")
# Not eager: those who hold a load compare themselves with whom they ask, which takes fewer steps.
TWO_CHOICES: Final = Policy("two choices", "shortest-queue", config={"choices": 2, "eager": False})
ALL_CHOICES: Final = Policy(
    "shortest queue", "shortest-queue", config={"choices": None, "eager": False}
)

SLOW_MEMORY: Final = DISCRETE.having("CRL-discrete (slow R)", reward_rate=0.03)
"""Chosen after seeing the arrivals, see the section's notes."""
FAST_FORGETTING: Final = DISCRETE.having("CRL-discrete (fast P)", transition_rate=0.5)
"""Chosen after seeing the failures; see the section's notes."""

PAPERS: Final = (RANDOM, DP, DISCRETE, GRADIENT)


class Prototype(NamedTuple):
    """What a prototype of this experiment measured before, and the paper's words."""

    steps: str
    paper: str


FILLING: Final = {
    ("grid", RANDOM.label): Prototype("119.6k ± 5k", "~120,000"),
    ("grid", DP.label): Prototype("6,700", "near optimal"),
    ("grid", DISCRETE.label): Prototype("7,980 ± 110", "near optimal"),
    ("grid", GRADIENT.label): Prototype("9,730 ± 140", "near optimal until ~5 % spare"),
    ("random", RANDOM.label): Prototype("125k–240k by graph", "~150,000"),
    ("random", DP.label): Prototype("~3.9k", "does not finish"),
    ("random", DISCRETE.label): Prototype("5.2k–5.5k", "very effective"),
    ("random", GRADIENT.label): Prototype("–", "random for the last ~5 %"),
}
KNEE: Final = {  # steps from 90 to 95 % and from 95 to 98 %
    DISCRETE.label: ("–", "340"),
    GRADIENT.label: ("730", "1,775"),
}
EQUALISATION: Final = {RANDOM.label: 25, DISCRETE.label: 45, GRADIENT.label: 39}
"""Standard deviation of the percentage of capacity used over agents, when half of all is stored; prototype."""
