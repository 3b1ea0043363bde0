"""How the scores of ``bandit-n`` are read: exponents, beside the paper's bounds and exact laws."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final

from crl_envs.bench.experiments.experiment import Analysis, Reference, Value
from crl_envs.bench.experiments.verdicts import comparison, scaling_verdict
from crl_envs.bounds import (
    exploration_trials,
    least_squares_trials,
    local_trials_to,
    trials_lower_bound,
    uniform_exploration,
)


def references(values: Sequence[Value]) -> list[Reference]:
    """Theorem 3.1's lower bound, Lemma 4.2's upper one, and what local means and least squares take on average."""
    sizes = [int(value) for value in values]
    lower = [trials_lower_bound(n) for n in sizes]
    upper = [trials_enough(n) for n in sizes]
    least_squares = [least_squares_trials(n) for n in sizes]
    local = [local_trials_to()] * len(sizes)
    return [
        Reference("lower bound, global reward (Theorem 3.1)", sizes, lower),
        Reference("upper bound, local rewards, all right in 95 % (Lemma 4.2)", sizes, upper),
        Reference("least squares, theory", sizes, least_squares),
        Reference("local means, exact", sizes, local),
    ]


def trials_enough(n: int) -> int:
    """Lemma 4.2: trials after which, with probability .95, all agents estimate both actions' rewards to within .3.

    That is half of what their means differ by, so that all act right.
    """
    return exploration_trials(n, 0.3, 0.05, 1, 2, 1, 1, uniform_exploration([1.0], 2))


def verdict(summary: Mapping[str, Any]) -> list[str]:
    """Exponents, and the global reward's price."""
    return [
        *scaling_verdict(summary, "n"),
        *comparison(summary, "n", "global-least-squares", "local-means"),
        *comparison(summary, "n", "reinforce-global", "reinforce-local"),
    ]


ANALYSIS: Final = Analysis(scaling=True, references=references, verdict=verdict)
