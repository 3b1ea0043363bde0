"""How the scores of ``load-balancing-fillings-n`` are read: scores of the last fillings.

Not as scaling: samples would be fillings, of which a bad one has many times the steps of a good one, and scores fall
after the first one where a learner's memory misleads it. The learning curves show both.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final

from crl_envs.bench.experiments.experiment import Analysis, Reference, Value
from crl_envs.bench.experiments.verdicts import best_by_value, losses, score_verdict


def references(values: Sequence[Value]) -> list[Reference]:
    """None: there are no samples-to-ε to compare."""
    return []


def verdict(summary: Mapping[str, Any]) -> list[str]:
    """Scores of the last fillings, the best learner of each size, and what more agents change."""
    return [
        *score_verdict(summary, "n"),
        *best_by_value(summary, "n"),
        *losses(summary, "n"),
    ]


ANALYSIS: Final = Analysis(scaling=False, references=references, verdict=verdict)
