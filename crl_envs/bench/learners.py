"""Learners by name: from the entry-point group ``crl_envs.learners``, with settings, or as ``module:Class``."""

from __future__ import annotations

import importlib
import json
import os
import subprocess
import sys
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from importlib.metadata import EntryPoint, entry_points
from typing import Any, Final

from crl_envs.adapters import MissingLibraryError
from crl_envs.bench.text import printable
from crl_envs.core.arguments import near_or_all
from crl_envs.core.install import install_hint

GROUP: Final = "crl_envs.learners"

LearnerClass = Callable[..., Any]
_KEPT: Final[dict[str, LearnerClass]] = {}


@dataclass(frozen=True)
class LearnerSpec:
    """A learner with its settings, as a run names it.

    Attributes:
        label: In the ids of its runs: the name, or ``module.Class``.
        source: Where the class is: a name of the entry-point group, or ``module:Class``.
        config: Arguments besides the environment and the seed.
    """

    label: str
    source: str
    config: Mapping[str, Any] = field(default_factory=dict)

    def load(self) -> LearnerClass:
        """Return the class.

        Raises:
            ValueError: It isn't there, or importing it failed.
            MissingLibraryError: A library that it needs is missing or too old.
        """
        if self.source in _KEPT:
            return _KEPT[self.source]
        return _import(self.source) if ":" in self.source else find_learner(self.source)

    def keep(self) -> None:
        """Load the class for good: in this process and its forks it needn't be looked for any more."""
        _KEPT[self.source] = self.load()


# Learners of the group with settings that have names of their own.
PRESETS: Final[Mapping[str, tuple[str, Mapping[str, Any]]]] = {
    "benchmarl-ippo-global": ("benchmarl-ippo", {"rewards": "global"}),
    "benchmarl-ippo-neighborhood": ("benchmarl-ippo", {"rewards": "neighborhood"}),
    "benchmarl-ippo-unshared": ("benchmarl-ippo", {"share_parameters": False}),
    "benchmarl-ippo-unshared-global": (
        "benchmarl-ippo",
        {"share_parameters": False, "rewards": "global"},
    ),
    "benchmarl-mappo-global": ("benchmarl-mappo", {"rewards": "global"}),
    "global-least-squares-hadamard": ("global-least-squares", {"design": "hadamard"}),
    "model-based-global": ("model-based", {"rewards": "global"}),
    "model-based-local": ("model-based", {"rewards": "local"}),
    "reinforce-global": ("reinforce", {"credit": "global"}),
    "reinforce-local": ("reinforce", {"credit": "local"}),
    "reinforce-own": ("reinforce", {"credit": "own"}),
    "rllib-ppo-global": ("rllib-ppo", {"rewards": "global"}),
    "rllib-ppo-neighborhood": ("rllib-ppo", {"rewards": "neighborhood"}),
    "sb3-dqn-global": ("sb3-dqn", {"rewards": "global"}),
    "sb3-dqn-neighborhood": ("sb3-dqn", {"rewards": "neighborhood"}),
    "sb3-maskable-ppo-global": ("sb3-maskable-ppo", {"rewards": "global"}),
    "sb3-maskable-ppo-neighborhood": ("sb3-maskable-ppo", {"rewards": "neighborhood"}),
    "sb3-ppo-anonymous": ("sb3-ppo", {"agent_ids": False}),
    "sb3-ppo-anonymous-global": ("sb3-ppo", {"agent_ids": False, "rewards": "global"}),
    "sb3-ppo-global": ("sb3-ppo", {"rewards": "global"}),
    "sb3-ppo-neighborhood": ("sb3-ppo", {"rewards": "neighborhood"}),
}


def installed_learners() -> dict[str, EntryPoint]:
    """Return all learners that installed distributions offer, by name."""
    return {found.name: found for found in entry_points(group=GROUP)}


def is_shipped(spec: LearnerSpec) -> bool:
    """Return whether a learner is one of this package's own."""
    found = installed_learners().get(spec.source)
    return found is not None and is_ours(found)


def is_ours(found: EntryPoint) -> bool:
    """Return whether an entry point is one of this package's own."""
    return found.dist is None or found.dist.name == "crl-envs"


def learner_spec(name: str) -> LearnerSpec:
    """Return what a name on the command line stands for; it is not imported.

    Args:
        name: Of an installed learner, of a preset, or ``module:Class``; modules are looked for where Python was
            started, too.

    Raises:
        ValueError: Neither installed nor a preset, with near matches.
    """
    if ":" in name:
        module, _, attribute = name.partition(":")
        if not all(part.isidentifier() for part in (*module.split("."), *attribute.split("."))):
            raise ValueError(f"learner must be a name or module:Class, got {name!r}")
        return LearnerSpec(f"{module}.{attribute}", name)
    learners = installed_learners()
    if name in learners:
        return LearnerSpec(name, name)
    if learners and name in PRESETS:
        source, config = PRESETS[name]
        return LearnerSpec(name, source, config)
    raise ValueError(_unknown(name, learners))


def find_learner(name: str) -> LearnerClass:
    """Return the learner class of that name.

    Raises:
        ValueError: No installed distribution offers it.
        MissingLibraryError: A library that it needs is missing or too old.
    """
    learners = installed_learners()
    if name not in learners:
        raise ValueError(_unknown(name, learners))
    found: LearnerClass = learners[name].load()
    return found


def missing_libraries(specs: Iterable[LearnerSpec]) -> dict[str, str]:
    """Load learners; by label, what to install for those whose library is missing or too old.

    Those of other packages are loaded in a process of their own: this one goes on to score what they have done, and
    what a module does to its process when it is imported is to reach no score.

    Raises:
        ValueError: One isn't there, or importing it failed.
    """
    every = list(specs)
    missing = _missing([spec for spec in every if is_shipped(spec)])
    others = [spec.source for spec in every if not is_shipped(spec)]
    if others:
        command = [sys.executable, "-c", _LOOK, json.dumps(others), *sys.path]
        answer = subprocess.run(command, capture_output=True, check=False).stdout
        try:
            found = json.loads(answer.rpartition(_MARK)[2])
        except ValueError:
            raise ValueError(
                f"learners {', '.join(map(repr, others))} can't be imported: it ended the process without a word"
            ) from None
        if found["error"]:
            raise ValueError(printable(found["error"]))
        labels = {spec.source: spec.label for spec in every}
        missing |= {labels[source]: hint for source, hint in found["missing"].items()}
    return missing


_MARK: Final = b"\x00learners:"
_LOOK: Final = (
    "import sys; sys.path[:] = sys.argv[2:]\n"
    "from crl_envs.bench.learners import tell_missing; tell_missing(sys.argv[1])"
)


def tell_missing(sources: str) -> None:
    """Be the process of its own: print what `missing_libraries` finds, as JSON after a mark."""
    found: dict[str, Any] = {"missing": {}, "error": None}
    try:
        found["missing"] = _missing([LearnerSpec(name, name) for name in json.loads(sources)])
    except BaseException as error:  # whatever importing one raises
        found["error"] = str(error) or type(error).__name__
    sys.stdout.buffer.write(_MARK + json.dumps(found).encode())
    sys.stdout.flush()
    os._exit(0)  # a module may have left threads


def _missing(specs: Iterable[LearnerSpec]) -> dict[str, str]:
    missing = {}
    for spec in specs:
        try:
            spec.load()
        except MissingLibraryError as error:
            missing[spec.label] = str(error)
    return missing


def _unknown(name: str, learners: Mapping[str, EntryPoint]) -> str:
    if not learners:
        return (
            f"no learner {name!r}: the entry-point group {GROUP!r} is empty, because the distribution crl-envs "
            f"isn't installed here (running from a folder isn't enough): {install_hint('bench')}"
        )
    names = sorted({*learners, *PRESETS})
    return (
        f"no learner {name!r} in the entry-point group {GROUP!r}{near_or_all(name, names)}; "
        "or give it as module:Class"
    )


def _import(source: str) -> LearnerClass:
    module, _, attribute = source.partition(":")
    if "" not in sys.path:
        sys.path.insert(0, "")
    try:
        found: Any = importlib.import_module(module)
        for part in attribute.split("."):
            found = getattr(found, part)
    except MissingLibraryError:
        raise
    except Exception as error:  # somebody's module may raise anything
        raise ValueError(
            f"learner {source!r} can't be imported: {type(error).__name__}: {error}"
        ) from error
    if not isinstance(found, type):
        raise ValueError(f"learner {source!r} must be a class, got {found!r}")
    return found
