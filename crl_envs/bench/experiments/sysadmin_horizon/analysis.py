"""How the scores of ``sysadmin-horizon`` are read: exponents of the horizon, beside whole episodes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final

from crl_envs.bench.experiments.experiment import Analysis, Reference, Value
from crl_envs.bench.experiments.verdicts import comparison, scaling_verdict

_EPISODES: Final = 70  # what REINFORCE on local rewards takes to .9 at T = 20


def references(values: Sequence[Value]) -> list[Reference]:
    """As many episodes at every horizon."""
    horizons = [int(value) for value in values]
    steps = [_EPISODES * horizon for horizon in horizons]
    return [Reference(f"guide: {_EPISODES} episodes", horizons, steps)]


def verdict(summary: Mapping[str, Any]) -> list[str]:
    """Exponents, and the global reward's price."""
    return [
        *scaling_verdict(summary, "horizon"),
        *comparison(summary, "horizon", "reinforce-global", "reinforce-local"),
    ]


ANALYSIS: Final = Analysis(scaling=True, references=references, verdict=verdict)
