"""How the scores of ``bandit-noise`` are read: who arrives where, beside the exact laws."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final

from crl_envs.bench.experiments.bandit_noise.sweep import N_AGENTS
from crl_envs.bench.experiments.experiment import Analysis, Reference, Value
from crl_envs.bench.experiments.verdicts import comparison, score_verdict
from crl_envs.bounds import least_squares_trials, local_trials_to


def references(values: Sequence[Value]) -> list[Reference]:
    """What least squares and local means take on average."""
    noises = [float(value) for value in values]
    least_squares = [least_squares_trials(N_AGENTS, p_correct=1 - z, p_wrong=z) for z in noises]
    local = [local_trials_to(p_correct=1 - z, p_wrong=z) for z in noises]
    return [
        Reference("least squares, theory", noises, least_squares),
        Reference("local means, exact", noises, local),
    ]


def verdict(summary: Mapping[str, Any]) -> list[str]:
    """Final scores, and the global reward's price at the least and the most noise."""
    return [
        *score_verdict(summary, "noise"),
        *comparison(summary, "noise", "global-least-squares", "local-means"),
        *comparison(summary, "noise", "reinforce-global", "reinforce-local"),
    ]


ANALYSIS: Final = Analysis(scaling=False, references=references, verdict=verdict)
