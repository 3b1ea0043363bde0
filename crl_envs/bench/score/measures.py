"""What runs are measured by: a task's landmarks, scores between them, samples-to-ε, and how it grows with a size.

A task's landmarks are the return of random actions, the best policy known, and the optimum. A size is what an
experiment varies where that is a whole number ≥ 1: the number of agents n, or the horizon. Samples are in the unit of
the budgets: env steps, or episodes.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from functools import cache
from typing import Any, Final, Literal, NamedTuple

import numpy as np

import crl_envs
from crl_envs.bench.experiment import Experiment, Task, Value
from crl_envs.bench.learners import find_learner
from crl_envs.bench.score.statistics import (
    Exponent,
    FloatArray,
    Interval,
    exponent_of,
    percentile_interval,
    resampled,
)
from crl_envs.core.arguments import check_choice, check_int, check_real
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

    @classmethod
    def kept(cls, plain: Mapping[str, Any]) -> Landmarks:
        """Return the landmarks that were put down in JSON's types, where an unknown lower end is null.

        Raises:
            KeyError: One is missing.
            ValueError: As the class.
        """
        lower = -math.inf if plain["lower"] is None else plain["lower"]
        return cls(plain["random"], plain["upper"], lower)

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


@dataclass(frozen=True)
class Log:
    """The evaluations of a learner's runs on one task.

    Attributes:
        budgets: ``float64[evaluations]``, env steps before each evaluation; ascending, ≥ 0.
        returns: ``float64[runs, evaluations]``, mean episode return found by each evaluation; NaN from where a run
            ended early (crash, timeout). What follows a run's first NaN is made NaN too.

    Raises:
        ValueError: Budgets that aren't ascending and ≥ 0, an array of another shape, no run, no evaluation, or an
            infinite return.
    """

    budgets: FloatArray
    returns: FloatArray

    def __post_init__(self) -> None:
        budgets = _as_floats("budgets", self.budgets, 1)
        returns = _as_floats("returns", self.returns, 2)
        ascending = np.isfinite(budgets).all() and (np.diff(budgets) > 0).all()
        if not ascending or budgets[0] < 0:
            raise ValueError(f"budgets must be ascending and ≥ 0, got {budgets.tolist()}")
        if returns.shape[1] != budgets.size:
            raise ValueError(
                f"returns must have a column for each of {budgets.size} budgets, got {returns.shape}"
            )
        if np.isinf(returns).any():
            raise ValueError("returns must be finite, or NaN from where a run ended early, got inf")
        ended = np.logical_or.accumulate(np.isnan(returns), axis=1)
        object.__setattr__(self, "budgets", budgets)
        # Adding 0 turns −0 into 0: otherwise equal numbers could differ in their bytes.
        object.__setattr__(self, "returns", np.where(ended, np.nan, returns + 0.0))

    @property
    def ended_early(self) -> int:
        """Number of runs without the last evaluation."""
        return int(np.isnan(self.returns[:, -1]).sum())

    def in_order(self) -> Log:
        """Return the same runs in ascending order of their returns: the same log whatever order they came in."""
        return Log(self.budgets, self.returns[np.lexsort(self.returns.T[::-1])])


def normalised(returns: FloatArray, landmarks: Landmarks) -> FloatArray:
    """Return scores of returns of any shape: 0 as random, 1 as the optimum or the upper end of its certificate.

    Neither end is clipped: worse than random is below 0. One minus the score is the normalised optimality gap.
    """
    return np.asarray((returns - landmarks.random) / (landmarks.upper - landmarks.random))


def score_between(score: float, landmarks: Landmarks) -> Interval:
    """Return a score with the range that the optimum's certificate leaves open.

    Args:
        score: Against the upper end, as `normalised` gives it.
        landmarks: Of the task.

    Returns:
        The score, and the scores of the same return against both ends, so that the score against the true optimum lies
        between them; nothing is said of the noise in the return. Where the lower end isn't above random, the range is
        unbounded: upwards for a positive score, downwards for a negative one.
    """
    if landmarks.lower > landmarks.random:
        span = landmarks.upper - landmarks.random
        other = score * (span / (landmarks.lower - landmarks.random))
    else:
        other = math.copysign(math.inf, score) if score else score
    return Interval(score, min(score, other), max(score, other))


def final_scores(log: Log, landmarks: Landmarks) -> FloatArray:
    """Return the score ``float64[runs]`` of each run's last evaluation.

    A run that ended early keeps what it had reached, its last evaluation before the end; one without any evaluation
    scores 0, as random. To leave such runs out would favour learners that crash when they do badly.
    """
    known = np.isfinite(log.returns).sum(axis=1)
    last = log.returns[np.arange(len(known)), np.maximum(known, 1) - 1]
    return np.where(known > 0, normalised(last, landmarks), 0.0)


def _as_floats(name: str, values: Any, dimensions: int) -> FloatArray:
    try:
        array = np.asarray(values, np.float64)
    except (TypeError, ValueError):
        raise ValueError(f"{name} must be numbers in {dimensions} dimensions") from None
    if array.ndim != dimensions or array.size == 0:
        raise ValueError(
            f"{name} must have {dimensions} dimensions, none of them empty, got shape {array.shape}"
        )
    return array


Of = Literal["runs", "mean"]
# From rows, one a run, ``float64[…, runs]`` or ``float64[…, runs, evaluations]``, to samples-to-ε ``float64[…]``.
Statistic = Callable[[FloatArray], FloatArray]


class Solved(NamedTuple):
    """Up to which size a learner solves its task.

    Attributes:
        largest: n*, the largest size such that it and every smaller one measured are solved; None when the smallest
            isn't.
        unsolved: The sizes that aren't solved, ascending.
        beyond_a_hole: The sizes that are solved above an unsolved one, ascending; they don't count towards n*.
    """

    largest: int | None
    unsolved: tuple[int, ...]
    beyond_a_hole: tuple[int, ...]


def samples_to(budgets: FloatArray, curves: FloatArray, level: float) -> FloatArray:
    """Return after how many samples curves stay at a level or above.

    The last up-crossing, by linear interpolation between evaluations: the first budget when a curve never is below the
    level, infinite (censored) when it ends below it. A curve with a NaN is censored: whether it would have stayed above
    isn't known, so the result is infinite however high it was.

    Args:
        budgets: ``float64[evaluations]``, ascending.
        curves: ``float64[…, evaluations]``.
        level: To reach.

    Returns:
        ``float64[…]``.
    """
    final = len(budgets) - 1
    below = curves < level
    arrives = ~below[..., -1] & ~np.isnan(curves).any(axis=-1)
    last = np.where(below.any(axis=-1), final - below[..., ::-1].argmax(axis=-1), -1)
    crosses = arrives & (last >= 0)
    samples = np.where(arrives, budgets[0], math.inf)
    before = last[crosses]
    at, after = (
        np.take_along_axis(curves[crosses], where[:, None], axis=-1)[:, 0]
        for where in (before, before + 1)
    )
    position = before + (level - at) / (after - at)
    samples[crosses] = np.interp(position, np.arange(len(budgets)), budgets)
    return samples


def samples_to_epsilon(log: Log, landmarks: Landmarks, epsilon: float) -> FloatArray:
    """Return the samples ``float64[runs]`` until each run's score stays at 1 − ε or above; infinite where censored.

    With a certificate the level lies between random and its upper end, so a level is never called reached too early.
    A run that ended early is censored (`samples_to`).

    Raises:
        ValueError: ε outside [0, 1].
    """
    return samples_to(log.budgets, normalised(log.returns, landmarks), _level(epsilon))


def samples_of_mean(log: Log, landmarks: Landmarks, epsilon: float) -> float:
    """Return the samples until the mean score over runs stays at 1 − ε or above; infinite where censored.

    The mean is known as long as every run is: one run that ended early censors it. The median of
    `samples_to_epsilon` goes on as long as more than half of the runs arrive.

    Raises:
        ValueError: ε outside [0, 1].
    """
    scores, statistic = _times(log, landmarks, epsilon, "mean")
    return float(statistic(scores))


def samples_interval(
    log: Log,
    landmarks: Landmarks,
    epsilon: float,
    *,
    of: Of = "runs",
    confidence: float = 0.95,
    resamples: int = 1000,
    seed: int = 0,
) -> Interval:
    """Return the samples-to-ε on one task with its percentile-bootstrap interval over runs.

    Args:
        log: The runs; the interval doesn't depend on their order.
        landmarks: Of the task.
        epsilon: In [0, 1].
        of: ``"runs"``: the median of the runs' own times. ``"mean"``: the time of the mean curve.
        confidence: Of the interval.
        resamples: Number of resamples.
        seed: Of the resampling.

    Returns:
        Samples; infinite ends where that many resamples are censored.

    Raises:
        ValueError: ε outside [0, 1], or another `of`.
    """
    rows, statistic = _times(log, landmarks, epsilon, of)
    again = statistic(resampled(rows, resamples, np.random.default_rng(seed)))
    return percentile_interval(float(statistic(rows)), again, confidence)


def scaling_exponent(
    logs: Mapping[int, Log],
    landmarks: Mapping[int, Landmarks],
    epsilon: float,
    *,
    of: Of = "runs",
    confidence: float = 0.95,
    resamples: int = 1000,
    seed: int = 0,
) -> Exponent:
    """Fit how samples-to-ε grows with the size, without censored sizes.

    The fit is that of `crl_envs.bench.score.statistics.fit_exponent`. A time counts as at least one sample: a
    learner that needs no training has exponent 0.

    Args:
        logs: By size; the result depends neither on the order of the sizes nor on that of the runs.
        landmarks: By size, for each size of `logs`.
        epsilon: In [0, 1].
        of: As in `samples_interval`.
        confidence: Of the intervals, each by itself.
        resamples: Number of resamples.
        seed: Of the resampling.

    Raises:
        ValueError: A size without landmarks or < 1, ε outside [0, 1], or another `of`.
    """
    sizes = sorted(check_int("sizes", n, low=1) for n in logs)
    if missing := [n for n in sizes if n not in landmarks]:
        raise ValueError(f"landmarks must hold every size of logs, {missing} are missing")
    rng = np.random.default_rng(seed)
    times, again = {}, {}
    for n in sizes:
        rows, statistic = _times(logs[n], landmarks[n], epsilon, of)
        times[n] = max(1.0, float(statistic(rows)))
        if math.isfinite(times[n]):
            again[n] = np.maximum(1.0, statistic(resampled(rows, resamples, rng)))
    return exponent_of(times, again, confidence)


def largest_solved(times: Mapping[int, FloatArray], share: float | None = None) -> Solved:
    """Return n*, the largest size up to which a learner solves its task within the budget.

    Args:
        times: By size, samples-to-ε of the runs, ``float64[runs]``, infinite where censored.
        share: A size is solved when at least this share of its runs arrived; by default when their median did, that is
            more than half of them.

    Raises:
        ValueError: A size < 1, a size without runs, a time that is NaN, or a share outside (0, 1].
    """
    if share is not None:
        share = check_real("share", share, low=0, high=1, open_low=True)
    sizes = sorted(check_int("sizes", n, low=1) for n in times)
    for n in sizes:
        if len(times[n]) == 0 or np.isnan(times[n]).any():
            raise ValueError(f"times must be of at least one run and not NaN, got {times[n]}")
    unsolved = tuple(n for n in sizes if not _is_solved(times[n], share))
    first = min(unsolved, default=math.inf)
    return Solved(
        largest=max((n for n in sizes if n < first), default=None),
        unsolved=unsolved,
        beyond_a_hole=tuple(n for n in sizes if n > first and n not in unsolved),
    )


def _times(log: Log, landmarks: Landmarks, epsilon: float, of: Of) -> tuple[FloatArray, Statistic]:
    """Rows, one a run, and the samples-to-ε of such rows."""
    level = _level(epsilon)
    check_choice("of", of, ("runs", "mean"))
    if of == "runs":
        return np.sort(samples_to_epsilon(log, landmarks, epsilon)), _median
    log = log.in_order()
    return normalised(log.returns, landmarks), lambda scores: samples_to(
        log.budgets, scores.mean(axis=-2), level
    )


def _median(times: FloatArray) -> FloatArray:
    """`crl_envs.bench.score.statistics.median_time` of the last axis."""
    ordered, runs = np.sort(times), times.shape[-1]
    return np.asarray((ordered[..., (runs - 1) // 2] + ordered[..., runs // 2]) / 2)


def _is_solved(times: FloatArray, share: float | None) -> bool:
    if share is None:
        return math.isfinite(float(_median(times)))
    return float(np.isfinite(times).mean()) >= share


def _level(epsilon: float) -> float:
    return 1 - check_real("epsilon", epsilon, low=0, high=1)
