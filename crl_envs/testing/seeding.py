"""Checks of randomness: what a seed fixes, what it changes, and how the stream goes on.

Some checks ask that two episodes *differ*. Two episodes of a correct environment may coincide by
chance, so such a check never rests on one pair: it tries pair after pair, drawn independently,
stops at the first that differs, and fails only if all coincide. It tries at least 32 pairs, and if
episodes are short as many as make 4,096 steps or 20,000 turns of agents, whichever is less. If,
under the actions played, no episode has a probability above p, the chance of a false alarm is at
most p**32: 2e-10 for a p of one half. If something random shows in one step of a hundred, it is
0.99**4096, about 1e-18, with few agents. Both episodes of a pair are played with the same random
actions, so that only the environment's own randomness can make them differ. The pairs are fixed by
the subject's seed, so an environment that passes once always passes.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from itertools import combinations

from crl_envs.testing.errors import fault
from crl_envs.testing.rollouts import (
    Episode,
    ParallelEnvLike,
    Step,
    assert_same,
    step_difference,
)
from crl_envs.testing.subject import BRIEF, Subject

FEWEST_TRIES = 32
FEWEST_STEPS = 4096
MOST_TURNS = 20_000


def _tries(episode: Sequence[Step]) -> int:
    """Return how many pairs like `episode` must all coincide before a check says they do not differ."""
    turns = sum(len(step.acting) for step in episode)
    return max(FEWEST_TRIES, min(FEWEST_STEPS // len(episode), MOST_TURNS // max(turns, 1)))


def check_determinism(subject: Subject) -> None:
    """Two fresh environments with the same seed and the same actions are equal over whole episodes.

    Compares, bit for bit and with types, what reset and every step returned, `agents` and
    `state()`. Catches randomness that the seed does not reach: in rewards, infos, observations,
    wherever.

    Raises:
        ConformanceError: `determinism`.
    """
    why = "two fresh envs were reset with the same seed and sent the same actions"
    with subject.fresh() as env:
        for k, expected in enumerate(subject.reference.episodes):
            seen = subject.play(env, k, actions=k, number=k)
            assert_same("determinism", why, seen, expected)


def check_reseed(subject: Subject) -> None:
    """A seed gives the same episode in an environment that was used before.

    The environment has played an episode to its end; then it has left another one half-way. Catches
    counters, queues and agents that survive `reset`, and a seed that is only heard the first time.

    Raises:
        ConformanceError: `reseed`.
    """
    expected = subject.reference.episodes[0]
    with subject.fresh() as env:
        subject.play(env, 1, actions=1)
        why = "the env was used before, then reset with a seed, which must begin the same episode"
        assert_same("reseed", why, subject.play(env, 0), expected)
        subject.begin(env, 2).play(BRIEF // 2)
        why = "the env was reset in mid-episode with a seed, which must begin the same episode"
        again = subject.begin(env, 0).play(BRIEF)
        assert_same("reseed", why, again, expected[: len(again)])


def check_seeds_differ(subject: Subject) -> None:
    """Different seeds give different episodes, unless the subject is not `stochastic`.

    Catches a seed that is accepted and ignored. Fails only if many seeds all give the episode of
    the first: see the module's docstring for false alarms.

    Raises:
        ConformanceError: `seeds-differ`.
    """
    if not subject.stochastic:
        return
    first = subject.reference.episodes[0]
    tries = _tries(first)
    with subject.fresh() as env:
        if all(_repeats(subject.begin(env, 1 + k), first) for k in range(tries)):
            what = (
                f"saw the same episode with {tries + 1} seeds, expected different ones "
                f"(stochastic=False if nothing is random)"
            )
            raise fault("seeds-differ", what)


def check_stream(subject: Subject) -> None:
    """`reset` without a seed goes on with the random stream that the last seed began.

    Given the seed, the episodes that follow it are determined; and (if `stochastic`) they neither
    replay the seeded one nor each other. Catches a `reset` that draws fresh entropy, one that
    starts again from the old seed, and one that falls back on a fixed seed. Of the seeded episode
    and the two after it, every two must differ with at least one of many seeds: see the module's
    docstring for false alarms.

    Raises:
        ConformanceError: `stream`.
    """
    why = "two envs were reset with the same seed, and then without one"
    with subject.fresh() as env, subject.fresh() as other:
        played = subject.play_on(env, 0, BRIEF)
        for seen, expected in zip(subject.play_on(other, 0, BRIEF), played, strict=True):
            assert_same("stream", why, seen, expected)
        if not subject.stochastic:
            return
        pending = _coinciding(played, combinations(range(len(played)), 2))
        tries = _tries(played[0])
        for k in range(1, tries):
            if not pending:
                return
            pending = _coinciding(subject.play_on(env, k, subject.max_steps), pending)
    if pending:
        earlier, later = pending[0]
        what = (
            f"saw episode {later}, after reset() without a seed, replay episode {earlier} with "
            f"{tries} seeds; expected the stream to go on (stochastic=False if nothing is random)"
        )
        raise fault("stream", what)


def _coinciding(
    played: Sequence[Sequence[Step]], pairs: Iterable[tuple[int, int]]
) -> list[tuple[int, int]]:
    return [(i, j) for i, j in pairs if not any(map(step_difference, played[i], played[j]))]


def check_seed_zero(subject: Subject) -> None:
    """`reset(seed=0)` seeds, like any other seed.

    It gives the same episode each time, in a used environment and in a fresh one, and (if
    `stochastic`) another one than `reset()` without a seed does. Catches `if seed:` where
    `if seed is not None:` is meant. The last part fails only if many unseeded episodes all equal
    the seeded one: see the module's docstring for false alarms.

    Raises:
        ConformanceError: `seed-zero`.
    """
    with subject.fresh() as env, subject.fresh() as other:
        expected = _begin_zero(subject, env).finish()
        tries = _tries(expected)
        why = "reset(seed=0) must give the same episode each time"
        for used in (other, env, other):
            seen = _begin_zero(subject, used).play(BRIEF)
            assert_same("seed-zero", why, seen, expected[: len(seen)])
            subject.begin(used, None)
        if subject.stochastic and all(
            _repeats(subject.begin(env, None), expected) for _ in range(tries)
        ):
            what = (
                f"saw reset() without a seed give the episode of reset(seed=0) {tries} times, "
                f"expected the random stream to go on (stochastic=False if nothing is random)"
            )
            raise fault("seed-zero", what)


def _begin_zero(subject: Subject, env: ParallelEnvLike) -> Episode:
    return subject.begin_with(env, 0)


def _repeats(episode: Episode, expected: Sequence[Step]) -> bool:
    """Play `episode` as long as it repeats `expected`; whether it did so to the end."""
    for step in expected:
        if len(episode.steps) <= step.index:
            if episode.over:
                return False
            episode.step()
        if step_difference(episode.steps[step.index], step) is not None:
            return False
    return True
