"""How the scores of ``load-balancing-noise`` are read: final scores, and what the noise costs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final

from crl_envs.bench.experiments.experiment import Analysis, Reference, Value
from crl_envs.bench.experiments.verdicts import losses, score_verdict


def references(values: Sequence[Value]) -> list[Reference]:
    """None: one filling has no samples-to-ε."""
    return []


def verdict(summary: Mapping[str, Any]) -> list[str]:
    """Scores of the filling, and what the noise changes."""
    return [*score_verdict(summary, "noise"), *losses(summary, "noise")]


ANALYSIS: Final = Analysis(scaling=False, references=references, verdict=verdict)
