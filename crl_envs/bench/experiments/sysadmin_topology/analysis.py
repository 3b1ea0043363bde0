"""How the scores of ``sysadmin-topology`` are read: final scores, and the best learner on each graph."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final

from crl_envs.bench.experiments.experiment import Analysis, Reference, Value
from crl_envs.bench.experiments.verdicts import best_by_value, score_verdict


def references(values: Sequence[Value]) -> list[Reference]:
    """None: graphs have no order."""
    return []


def verdict(summary: Mapping[str, Any]) -> list[str]:
    """Final scores, and the best learner on each graph."""
    return [*score_verdict(summary, "topology"), *best_by_value(summary, "topology")]


ANALYSIS: Final = Analysis(scaling=False, references=references, verdict=verdict)
