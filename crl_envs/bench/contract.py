"""What the bench asks of a learner: four methods, and five attributes that may be left out.

    class MyLearner:
        def __init__(self, env, seed=0): ...            # env: a ParallelEnv, not yet reset
        def learn(self, total_steps): ...               # go on learning for about that many environment steps
        def act(self, observations, deterministic=False): ...   # dict agent → observation to dict agent → action

A class is named on the command line as ``module:Class``, or offered by an installed distribution in the entry-point
group ``crl_envs.learners``. Everything random in it must follow from its seed, so that a run's id fixes its result.
"""

from __future__ import annotations

import os
from typing import Any, Protocol, Self, runtime_checkable

from crl_envs.core.arguments import check_choice
from crl_envs.core.returns import REWARDS, Rewards


@runtime_checkable
class BenchLearner(Protocol):
    """What every learner has."""

    def learn(self, total_steps: int) -> Any:
        """Go on learning from the environment that the learner was made with.

        The steps are counted by the bench. Less than was asked for ends in another call, more counts as learnt from.
        """
        ...

    def act(self, observations: Any, deterministic: bool = False) -> Any:
        """Return actions of the present policy, for all agents that observe; nothing is learnt from it.

        Where the environment has action masks they are in ``action_masks``, a third argument for those that have one.
        """
        ...


class ResumableLearner(BenchLearner, Protocol):
    """What a learner with ``resumable = True`` has besides.

    A run that was killed goes on from its last evaluation, and gives the same as if it hadn't been. For that,
    everything that matters is in the file, and `learn` begins with ``env.reset()``, without a seed once it has learnt.
    The runs of other learners begin anew.
    """

    def save(self, path: str | os.PathLike[str]) -> None:
        """Write all of the learner and nothing of the environment to exactly that path."""
        ...

    @classmethod
    def load(cls, path: str | os.PathLike[str], env: Any) -> Self:
        """Return the learner that a file holds, on an environment made like the one that it was made with."""
        ...


class Traits:
    """The attributes of a learner's class that tell the bench how to treat it, with what it assumes without them.

    Attributes:
        trains_on: ``"local"`` (default): rewards are the agents' own. ``"neighborhood"``: every agent is given its
            neighbourhood's mean reward; ``"global"``: the team's. What is measured doesn't depend on it.
        evaluates_greedily: Whether evaluations ask for deterministic actions. False by default: the policy that is
            executed is the one that is scored. True for those that explore for as long as they learn.
        resumable: See `ResumableLearner`. False by default.
        measures_itself: Whether the learner keeps ``env_steps`` and ``history`` as `agents.Learner` does, and takes
            vector environments. False by default: the bench then measures by a wrapper around the ParallelEnv.
        packages: Distributions whose versions matter to what it learns: a run's record has them. None by default.
    """

    trains_on: Rewards
    evaluates_greedily: bool
    resumable: bool
    measures_itself: bool
    packages: tuple[str, ...]

    def __init__(self, cls: Any) -> None:
        self.trains_on = getattr(cls, "trains_on", "local")
        self.evaluates_greedily = bool(getattr(cls, "evaluates_greedily", False))
        self.resumable = bool(getattr(cls, "resumable", False))
        self.measures_itself = bool(getattr(cls, "measures_itself", False))
        self.packages = tuple(getattr(cls, "packages", ()))
        check_choice(f"trains_on of {cls.__name__}", self.trains_on, REWARDS)
