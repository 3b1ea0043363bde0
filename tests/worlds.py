"""The shipped environments, and what one of them can't be made without."""

from __future__ import annotations

from typing import Any, Final

import crl_envs
from crl_envs.decpomdp import tiger
from crl_envs.local_rule import EpidemicProblem

IDS: Final = tuple(id for id in crl_envs.registered_ids() if id.startswith("crl/"))
RULE: Final = EpidemicProblem(n_agents=100, topology="star").rule
NEEDED: Final[dict[str, dict[str, Any]]] = {
    "crl/local_rule-v0": {"rule": RULE},
    "crl/dec_pomdp-v0": {"model": tiger()},
}
PAIRS: Final = ("crl/broadcast-v0", "crl/dec_pomdp-v0", "crl/tiger-v0")  # of two agents, always


def needed(id: str, **given: Any) -> dict[str, Any]:
    """Return arguments with those that the id needs, and the number of agents that it has if it is fixed."""
    if id in PAIRS and "n_agents" in given:
        given["n_agents"] = 2
    return {**NEEDED.get(id, {}), **given}
