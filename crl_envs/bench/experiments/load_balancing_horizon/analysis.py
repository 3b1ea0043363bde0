"""How the scores of ``load-balancing-horizon`` are read: final scores, and what more loads change."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final

from crl_envs.bench.experiments.experiment import Analysis, Reference, Value
from crl_envs.bench.experiments.verdicts import losses, score_verdict


def references(values: Sequence[Value]) -> list[Reference]:
    """None: one filling has no samples-to-ε."""
    return []


def verdict(summary: Mapping[str, Any]) -> list[str]:
    """Scores of the episode, and what more loads change."""
    return [*score_verdict(summary, "horizon"), *losses(summary, "horizon")]


ANALYSIS: Final = Analysis(scaling=False, references=references, verdict=verdict)
