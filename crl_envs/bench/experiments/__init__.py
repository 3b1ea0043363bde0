"""The experiments of the bench: each a family of tasks over one knob, in a folder of its own.

A folder's docstring states the problem, `sweep` has the values, the tasks and the budgets, `analysis` says how the
scores are read. ``docs/bench/experiments.md`` has them side by side.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Final

from crl_envs.bench.experiments import (
    bandit_n,
    bandit_neural_n,
    bandit_noise,
    load_balancing_fillings_n,
    load_balancing_horizon,
    load_balancing_n,
    load_balancing_noise,
    load_balancing_topology,
    sysadmin_horizon,
    sysadmin_n,
    sysadmin_neural_n,
    sysadmin_noise,
    sysadmin_topology,
)
from crl_envs.bench.experiments.experiment import Analysis, Experiment, Reference, Task
from crl_envs.core.arguments import suggestion

__all__ = ["EXPERIMENTS", "Analysis", "Experiment", "Reference", "Task", "find_experiment"]

EXPERIMENTS: Final[Mapping[str, Experiment]] = MappingProxyType(
    {
        module.EXPERIMENT.name: module.EXPERIMENT
        for module in (
            bandit_n,
            bandit_noise,
            sysadmin_n,
            sysadmin_noise,
            sysadmin_horizon,
            sysadmin_topology,
            load_balancing_n,
            load_balancing_noise,
            load_balancing_horizon,
            load_balancing_topology,
            bandit_neural_n,
            sysadmin_neural_n,
            load_balancing_fillings_n,
        )
    }
)


def find_experiment(name: str) -> Experiment:
    """The experiment of that name.

    Args:
        name: ``"sysadmin-n"``, or with its version ``"sysadmin-n@1"``.

    Raises:
        ValueError: There is none of that name, with near matches, or it has another version.
    """
    base, at, version = name.partition("@")
    if base not in EXPERIMENTS:
        raise ValueError(
            f"no experiment {name!r}{suggestion(base, EXPERIMENTS)}; there are: {', '.join(EXPERIMENTS)}"
        )
    found = EXPERIMENTS[base]
    if at and version != str(found.version):
        raise ValueError(
            f"experiment {base!r} is at version {found.version} in this crl-envs, got {name!r}"
        )
    return found
