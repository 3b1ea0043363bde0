"""The experiments of the bench: each a family of tasks over one knob, in a folder of its own.

A folder's docstring states the problem, `sweep` has the values, the tasks and the budgets, `analysis` says how the
scores are read. ``docs/bench/experiments.md`` has them side by side.
"""

from __future__ import annotations

from collections.abc import Mapping
from importlib.metadata import entry_points
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

__all__ = [
    "EXPERIMENTS",
    "Analysis",
    "Experiment",
    "Reference",
    "Task",
    "experiment_names",
    "find_experiment",
]

# Where other distributions name theirs: ``name = "module:EXPERIMENT"``, the name being the experiment's.
GROUP: Final = "crl_envs.experiments"

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


def experiment_names() -> list[str]:
    """Of the package's experiments, and of those that other installed distributions have in `GROUP`."""
    return [*EXPERIMENTS, *sorted(entry_points(group=GROUP).names - set(EXPERIMENTS))]


def find_experiment(name: str) -> Experiment:
    """The experiment of that name.

    Args:
        name: ``"sysadmin-n"``, or with its version ``"sysadmin-n@1"``.

    Raises:
        ValueError: There is none of that name, with near matches, it has another version, or what an entry point
            leads to is no experiment of its name.
    """
    base, at, version = name.partition("@")
    found = EXPERIMENTS[base] if base in EXPERIMENTS else _installed(base)
    if at and version != str(found.version):
        raise ValueError(f"experiment {base!r} is at version {found.version} here, got {name!r}")
    return found


def _installed(name: str) -> Experiment:
    for entry_point in entry_points(group=GROUP, name=name):
        found = entry_point.load()
        if not isinstance(found, Experiment) or found.name != name:
            raise ValueError(
                f"entry point {name!r} of the group {GROUP!r} must lead to an Experiment of that name, "
                f"got {entry_point.value} = {getattr(found, 'name', found)!r}"
            )
        return found
    names = experiment_names()
    raise ValueError(
        f"no experiment {name!r}{suggestion(name, names)}; there are: {', '.join(names)}"
    )
