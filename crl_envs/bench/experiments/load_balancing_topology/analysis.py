"""How the scores of ``load-balancing-topology`` are read: final scores."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final

from crl_envs.bench.experiments.experiment import Analysis, Reference, Value
from crl_envs.bench.experiments.verdicts import score_verdict


def references(values: Sequence[Value]) -> list[Reference]:
    """None: one filling has no samples-to-ε."""
    return []


def verdict(summary: Mapping[str, Any]) -> list[str]:
    """Scores of the filling."""
    return score_verdict(summary, "topology")


ANALYSIS: Final = Analysis(scaling=False, references=references, verdict=verdict)
