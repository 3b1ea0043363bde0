"""What tasks are measured by: the return of random actions, the best policy known, and the optimum."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from functools import cache
from typing import Any, Final, NamedTuple

import numpy as np

import crl_envs
from crl_envs.bench.experiment import Experiment, Task, Value
from crl_envs.bench.learners import find_learner
from crl_envs.core.arguments import check_real
from crl_envs.core.optimum import Optimum

# Far from the seeds of runs, which are counted from 0, and from those of their evaluations, which are hashed.
SEED: Final = 2**40
# Largest standard error of the mean return of random actions, as a share of the span from there to the optimum: in a
# vector env, and in a ParallelEnv, where a single episode can take a tenth of a second.
ACCURACY: Final = 0.005
ACCURACY_IN_TURN: Final = 0.01
_COLUMNS: Final = 1024  # episodes that are played at once in a vector env
_EPISODES: Final = 10_000  # of random actions, for `step_landmarks`
_IN_TURN: Final = 16  # and one after another, between looks at the standard error, in a ParallelEnv


# Landmarks that are nearer to each other, relative to the larger, differ by rounding only.
LEAST_SPAN: Final = 1e-9


@dataclass(frozen=True)
class Landmarks:
    """The returns of a task that a score is measured by.

    Attributes:
        random: Expected episode return of uniformly random actions.
        upper: The optimum, or the upper end of its certificate; above `random`. Scores are measured against this end.
        lower: The lower end of the certificate: at most `upper`, equal to it when the optimum is exact, −inf when not
            known.

    Raises:
        ValueError: A landmark that isn't a number, a lower end above the upper one, or an optimum that isn't above
            `random` by more than rounding: such a task tells no learner from another.
    """

    random: float
    upper: float
    lower: float

    def __post_init__(self) -> None:
        random, upper = check_real("random", self.random), check_real("upper", self.upper)
        if upper - random <= LEAST_SPAN * max(abs(upper), abs(random)):
            raise ValueError(f"upper must be above random, {random}, got {upper}")
        lower = self.lower
        if lower != -math.inf:
            lower = check_real("lower", lower, high=upper)
        for name, value in (("random", random), ("upper", upper), ("lower", lower)):
            object.__setattr__(self, name, value)

    @classmethod
    def of(cls, random: float, optimum: Optimum) -> Landmarks:
        """Return the landmarks of a task whose environment knows that optimum."""
        return cls(random, optimum.value, optimum.lower)

    def level(self, share: float) -> float:
        """Return the return at a share of the gain from random actions to the lower end, the best policy known."""
        return self.random + share * (self.lower - self.random)


class RandomReturn(NamedTuple):
    """The mean episode return of uniformly random actions.

    Attributes:
        mean: Over the episodes.
        standard_error: Of that mean.
        episodes: That were played.
    """

    mean: float
    standard_error: float
    episodes: int


def landmarks(experiment: Experiment, value: Value) -> tuple[Landmarks, dict[str, Any]]:
    """Return the landmarks of one task, and where they come from.

    The optimum is the environment's own (``optimum()``). The return of random actions is the mean over episodes of the
    learner named ``random``, from a fixed seed, until its standard error is at most `ACCURACY` times the span between
    the two, `ACCURACY_IN_TURN` for experiments with a ParallelEnv. It is the same on every backend, machine and day.
    Noise on rewards doesn't enter, as returns are measured without it. An error of a share e of the span moves a score
    s by e (1 − s): a score of .9 by .0005 or .001, at one standard error.

    Args:
        experiment: The experiment.
        value: Of its knob.

    Returns:
        The landmarks, and in JSON's types: ``kind`` and ``method`` of the optimum, and of the random actions
        ``episodes``, ``standard_error`` and ``seed``.

    Raises:
        ValueError: The learner named ``random`` isn't installed, or the optimum isn't above its return.
    """
    task = replace(experiment.task(value), reward_noise=0.0)
    optimum = task.make().unwrapped.optimum()
    found = random_return(task, optimum.value, compiled=experiment.compiled)
    how = {
        "kind": optimum.kind,
        "method": optimum.method,
        "episodes": found.episodes,
        "standard_error": found.standard_error,
        "seed": SEED,
    }
    return Landmarks.of(found.mean, optimum), how


def random_return(task: Task, upper: float, *, compiled: bool) -> RandomReturn:
    """Return what random actions earn, to the standard error that `landmarks` states.

    Args:
        task: Without noise on its rewards.
        upper: The optimum.
        compiled: Whether to play in a ParallelEnv, one episode after another, instead of in a vector env.

    Raises:
        ValueError: The learner named ``random`` isn't installed, or earns as much as `upper`.
    """
    env = task.make() if compiled else task.make_vec(_COLUMNS)
    learner = find_learner("random")(env, seed=SEED)
    accuracy = ACCURACY_IN_TURN if compiled else ACCURACY
    returns: list[float] = []
    while True:
        learner.learn(total_episodes=_IN_TURN if compiled else 1)
        for episode in learner.history:
            returns.extend(np.atleast_1d(episode["global_return"]).tolist())
        learner.history.clear()
        mean = float(np.mean(returns))
        error = float(np.std(returns, ddof=1)) / math.sqrt(len(returns))
        if upper <= mean:
            raise ValueError(f"optimum must be above what random actions earn, {mean}, got {upper}")
        if error <= accuracy * (upper - mean):
            return RandomReturn(mean, error, len(returns))


@cache
def step_landmarks(env_id: str, n_agents: int) -> tuple[Landmarks, dict[str, Any]]:
    """Return the landmarks of an environment in rewards a step, the unit of the papers' figures.

    The random one is the mean over 10,000 episodes from a fixed seed.

    Args:
        env_id: Of an environment whose agents have two actions, and whose episodes have one length.
        n_agents: Their number.

    Returns:
        The landmarks; and ``kind`` and ``method`` of the optimum.
    """
    vec: Any = crl_envs.make_vec(env_id, num_envs=_EPISODES, n_agents=n_agents)
    vec.reset(seed=0)
    rng = np.random.default_rng(0)
    horizon, total = vec.world.horizon, 0.0
    for _ in range(horizon):
        _, rewards, _, _, _ = vec.step(rng.integers(0, 2, (_EPISODES, n_agents), np.uint8))
        total += float(rewards.mean(dtype=np.float64))
    best = vec.optimum()
    marks = Landmarks(total / horizon, best.value / horizon, best.lower / horizon)
    return marks, {"kind": best.kind, "method": best.method}
