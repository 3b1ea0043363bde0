"""The experiments of the bench: each a family of tasks over one knob, in one file a world.

``docs/bench/experiments.md`` has them side by side.
"""

from __future__ import annotations

from collections.abc import Mapping
from importlib.metadata import entry_points
from types import MappingProxyType
from typing import Final

from crl_envs.bench.experiment import Analysis, Experiment, Reference, Task
from crl_envs.bench.experiments import (
    bandit,
    dec_pomdp,
    load_balancing,
    on_graph,
    routing,
    sysadmin,
)
from crl_envs.core.arguments import near_or_all

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
        experiment.name: experiment
        for experiment in (
            bandit.BANDIT_N,
            bandit.BANDIT_NOISE,
            sysadmin.SYSADMIN_N,
            sysadmin.SYSADMIN_NOISE,
            sysadmin.SYSADMIN_HORIZON,
            sysadmin.SYSADMIN_TOPOLOGY,
            load_balancing.LOAD_BALANCING_N,
            load_balancing.LOAD_BALANCING_NOISE,
            load_balancing.LOAD_BALANCING_HORIZON,
            load_balancing.LOAD_BALANCING_TOPOLOGY,
            bandit.BANDIT_NEURAL_N,
            sysadmin.SYSADMIN_NEURAL_N,
            load_balancing.LOAD_BALANCING_FILLINGS_N,
            on_graph.EPIDEMIC_N,
            on_graph.CONSENSUS_N,
            on_graph.FIREFIGHTING_N,
            on_graph.COORDINATION_GAME_N,
            routing.ROUTING_LOAD,
            routing.ROUTING_N,
            on_graph.ACCESS_N,
            on_graph.TRAFFIC_N,
            dec_pomdp.TIGER_HORIZON,
            dec_pomdp.BROADCAST_HORIZON,
        )
    }
)
"""The package's experiments by their names."""


def experiment_names() -> list[str]:
    """Return the names of the package's experiments, then of those that other distributions have in `GROUP`."""
    return [*EXPERIMENTS, *sorted(entry_points(group=GROUP).names - set(EXPERIMENTS))]


def find_experiment(name: str) -> Experiment:
    """Return the experiment of that name.

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
    raise ValueError(f"no experiment {name!r}{near_or_all(name, names)}")
