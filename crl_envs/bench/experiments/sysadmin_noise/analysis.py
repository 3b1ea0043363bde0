"""How the scores of ``sysadmin-noise`` are read: who arrives where, and what is lost to the noise."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final

from crl_envs.bench.experiments.experiment import Analysis, Reference, Value
from crl_envs.bench.experiments.verdicts import comparison, losses, score_verdict


def references(values: Sequence[Value]) -> list[Reference]:
    """None: there is no theory of these learners under noise."""
    return []


def verdict(summary: Mapping[str, Any]) -> list[str]:
    """Final scores, what the noise costs, and the global reward's price where both arrive."""
    return [
        *score_verdict(summary, "noise"),
        *losses(summary, "noise"),
        *comparison(summary, "noise", "reinforce-global", "reinforce-local"),
    ]


ANALYSIS: Final = Analysis(scaling=False, references=references, verdict=verdict)
