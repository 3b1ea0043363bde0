"""Learners by name, from the entry-point group ``crl_envs.learners``."""

from __future__ import annotations

from collections.abc import Callable
from importlib.metadata import EntryPoint, entry_points
from typing import Any, Final

from crl_envs.core.arguments import suggestion

GROUP: Final = "crl_envs.learners"

LearnerClass = Callable[..., Any]


def installed_learners() -> dict[str, EntryPoint]:
    """All learners that installed distributions offer, by name."""
    return {found.name: found for found in entry_points(group=GROUP)}


def find_learner(name: str) -> LearnerClass:
    """The learner class of that name.

    Raises:
        ValueError: No installed distribution offers it.
    """
    learners = installed_learners()
    if name in learners:
        found: LearnerClass = learners[name].load()
        return found
    if not learners:
        raise ValueError(
            f"no learner {name!r}: the entry-point group {GROUP!r} is empty, because the distribution crl-envs "
            "isn't installed here (running from a folder isn't enough): pip install -e '.[bench]' in a clone, "
            "or pip install 'crl-envs[bench]'"
        )
    raise ValueError(
        f"no learner {name!r} in the entry-point group {GROUP!r}{suggestion(name, learners)}; "
        f"installed: {', '.join(sorted(learners))}"
    )
