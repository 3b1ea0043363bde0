"""The experiments side by side, as the Markdown that ``docs/bench/experiments.md`` has."""

from __future__ import annotations

from collections.abc import Iterable

from crl_envs.bench.experiments.experiment import Experiment

_HEADER = ("experiment", "knob and its values", "budget", "evaluations", "ε", "shipped learners")


def experiments_table(experiments: Iterable[Experiment]) -> str:
    """One row an experiment; the values of ``--quick`` in bold, budgets from the smallest to the largest."""
    rows = [_HEADER, (":--",) * len(_HEADER), *map(_row, experiments)]
    return "\n".join(f"| {' | '.join(row)} |" for row in rows) + "\n"


def _row(experiment: Experiment) -> tuple[str, ...]:
    values = [
        f"**{value}**" if value in experiment.quick else str(value) for value in experiment.values
    ]
    return (
        f"`{experiment.id}`",
        f"{experiment.knob}: {', '.join(values)}",
        _budget(experiment),
        str(max(len(experiment.budgets(value)) for value in experiment.values)),
        f"{experiment.epsilon:g}",
        ", ".join(experiment.baselines),
    )


def _budget(experiment: Experiment) -> str:
    budgets = [experiment.budgets(value)[-1] for value in experiment.values]
    low, high = min(budgets), max(budgets)
    if high == 1:
        return "1 episode"
    amount = f"{low:,}" if low == high else f"{low:,} to {high:,}"
    return f"{amount} {experiment.unit}"
