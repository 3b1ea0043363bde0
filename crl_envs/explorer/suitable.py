"""Which learners can be watched on which world."""

from __future__ import annotations

import inspect
from functools import cache
from typing import Final

import crl_envs
from crl_envs.bench.contract import Traits
from crl_envs.bench.learners import PRESETS, LearnerSpec, installed_learners, learner_spec
from crl_envs.explorer.lane import greedy_returns
from crl_envs.explorer.worlds import WORLDS

# They learn from batches, not step by step, and importing them takes seconds.
_LIBRARIES: Final = "agents.libraries."


@cache
def suitable_learners(world: str) -> tuple[str, ...]:
    """Names of learners that learn step by step on that world, found by trying each on a small instance of it.

    One that explores for as long as it learns must have a greedy policy from the first episode on, to be shown.

    A name that is another one with its settings left at their defaults (``reinforce`` beside ``reinforce-local``) is
    left out.

    Args:
        world: Key of a world.
    """
    settled = {source for source, _ in PRESETS.values()}
    every = sorted({*installed_learners(), *PRESETS})
    names = [name for name in every if _learns_live(learner_spec(name), world)]
    return tuple(name for name in names if name not in settled or f"{name}-local" not in names)


def explores_apart(name: str) -> bool:
    """Whether a learner explores for as long as it learns, so that its greedy policy is shown instead."""
    return Traits(learner_spec(name).load()).evaluates_greedily


def _learns_live(spec: LearnerSpec, world: str) -> bool:
    if installed_learners()[spec.source].value.startswith(_LIBRARIES):
        return False
    try:
        cls = spec.load()
        if "step_callback" not in inspect.signature(cls.learn).parameters:  # type: ignore[attr-defined]
            return False
        tried = WORLDS[world]
        # Compiled loops would be compiled for all learners first, which takes minutes.
        plain = {"backend": "numpy"} if hasattr(tried.problem, "backend") else {}
        env = crl_envs.make(tried.id, **plain, **tried.small)
        learner = cls(env, seed=0, **spec.config).learn(total_episodes=1)
        if Traits(cls).evaluates_greedily:
            greedy_returns(learner, env)
    except Exception:  # another package's learner may raise anything where it doesn't fit
        return False
    return True
