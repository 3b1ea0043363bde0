"""Checks that an environment keeps to itself, and that its copies go on like the original."""

from __future__ import annotations

import copy
import pickle
import random
from collections.abc import Callable
from contextlib import closing
from typing import Any, Final

import numpy as np
from gymnasium.utils import EzPickle

from crl_envs.testing.errors import fault
from crl_envs.testing.rollouts import (
    Episode,
    ParallelEnvLike,
    assert_same,
    attributed_to,
)
from crl_envs.testing.subject import BRIEF, Subject

_UNLIKELY_SEED: Final = 2_718_281_828
_FLAG: Final = "(pickling=False if copies needn't work)"


def check_global_rng(subject: Subject) -> None:
    """NumPy's global generator and Python's `random` are neither drawn from nor seeded.

    Looks after building the environment, after each reset and after each step. Both generators are
    put into a state that no env has left behind, and put back at the end.

    Raises:
        ConformanceError: `global-rng`.
    """
    kept = np.random.get_state(), random.getstate()  # noqa: NPY002 (it is what is checked)
    np.random.seed(_UNLIKELY_SEED)  # noqa: NPY002
    random.seed(_UNLIKELY_SEED)
    try:
        _check_global_rng(subject, before=_global_rngs())
    finally:
        np.random.set_state(kept[0])  # noqa: NPY002
        random.setstate(kept[1])


def _check_global_rng(subject: Subject, before: dict[str, bytes]) -> None:
    with subject.fresh() as env:
        _assert_untouched(before, "building the env")
        for number, k in enumerate((0, None)):
            episode = subject.begin(env, k, number=number)
            _assert_untouched(before, "reset", episode)
            while not episode.over:
                episode.step()
                _assert_untouched(before, "step", episode)


def _global_rngs() -> dict[str, bytes]:
    states = {"numpy.random": np.random.get_state(), "random": random.getstate()}  # noqa: NPY002
    return {name: pickle.dumps(state) for name, state in states.items()}


def _assert_untouched(
    before: dict[str, bytes], action: str, episode: Episode | None = None
) -> None:
    for name, state in _global_rngs().items():
        if state != before[name]:
            what = f"{action} moved the global generator of {name}, expected it untouched"
            place = episode.steps[-1].fault if episode else fault
            raise place("global-rng", what)


def check_interleaved(subject: Subject) -> None:
    """Other environments, built, reset and stepped in between, change nothing.

    Catches state in module globals and class attributes: one generator for all instances, a
    counter, a shared default argument.

    Raises:
        ConformanceError: `interleaved`.
    """
    why = "another env was built, reset and stepped in between, which must change nothing"
    expected = subject.reference.episodes[0]
    with (
        attributed_to("interleaved", why),
        subject.fresh() as env,
        subject.fresh() as other,
    ):
        episode = subject.begin(env, 0)
        rival = subject.begin(other, 1, actions=1)
        while not episode.over:
            rival = subject.begin(other, None, actions=2) if rival.over else rival
            rival.step()
            episode.step()
            if len(episode.steps) == 2:
                with subject.fresh() as newcomer:
                    subject.begin(newcomer, 2)
        assert_same("interleaved", why, episode.steps, expected)


def check_pickle(subject: Subject) -> None:
    """An unpickled copy, made in mid-episode, goes on like the original, and apart from it.

    Both are played to the end of the episode and into the next one, which is reset without a seed,
    so the generator must have been copied too. Catches environments that cannot be pickled, that
    come back as fresh ones, and copies that share something with their original. Environments that
    say that they are built anew (`EzPickle`) must begin the same episode from a seed instead.

    Raises:
        ConformanceError: `pickle`.
    """
    _check_copy(subject, "pickle", lambda env: pickle.loads(pickle.dumps(env)))


def check_object_store(subject: Subject) -> None:
    """A copy out of an object store, whose arrays lie in memory that can't be written to, goes on like the original.

    As `check_pickle`, with pickle's protocol 5 and its arrays out of band, as Ray and joblib keep them. Catches
    environments that write into arrays of their own in place and don't copy those that came read-only.

    Raises:
        ConformanceError: `object-store`.
    """
    _check_copy(subject, "object-store", _through_object_store)


def _through_object_store(env: ParallelEnvLike) -> ParallelEnvLike:
    buffers: list[pickle.PickleBuffer] = []
    data = pickle.dumps(env, protocol=5, buffer_callback=buffers.append)
    copied: ParallelEnvLike = pickle.loads(data, buffers=[bytes(b.raw()) for b in buffers])
    return copied


def check_deepcopy(subject: Subject) -> None:
    """A deep copy, made in mid-episode, goes on like the original, and apart from it.

    As `check_pickle`, with `copy.deepcopy`.

    Raises:
        ConformanceError: `deepcopy`.
    """
    _check_copy(subject, "deepcopy", copy.deepcopy)


def _check_copy(
    subject: Subject, check: str, duplicate: Callable[[ParallelEnvLike], ParallelEnvLike]
) -> None:
    expected = subject.reference.episodes[0]
    with subject.fresh() as env:
        original = subject.begin(env, 0)
        original.play((len(expected) - 1) // 2)
        try:
            copied = duplicate(env)
        except Exception as error:
            what = f"copying raised {type(error).__name__}: {error}; expected a copy {_FLAG}"
            raise original.steps[-1].fault(check, what) from error
        if rebuilds(env):
            _check_rebuilt(subject, check, copied, original)
            return
        why = f"the copy made in mid-episode must go on as the original would have {_FLAG}"
        with attributed_to(check, why), closing(copied):
            assert_same(check, why, original.fork(copied).finish(), expected)
            copied_next = subject.begin(copied, None, number=1).play(BRIEF)
        why = f"the original must go on as if its copy had not been made and played {_FLAG}"
        with attributed_to(check, why):
            assert_same(check, why, original.finish(), expected)
            original_next = subject.begin(env, None, number=1).play(BRIEF)
        why = f"the copy and the original must reset to the same next episode {_FLAG}"
        assert_same(check, why, copied_next, original_next)


def rebuilds(env: Any) -> bool:
    """Return whether copies of `env` are built anew from its constructor's arguments, by Gymnasium's `EzPickle`.

    It is looked for in `env` and in what it wraps.
    """
    layers, seen = [env], set[int]()
    while layers:
        layer = layers.pop()
        if layer is None or id(layer) in seen:
            continue
        seen.add(id(layer))
        if isinstance(layer, EzPickle):
            return True
        layers += [
            getattr(layer, name, None) for name in ("env", "aec_env", "par_env", "unwrapped")
        ]
    return False


def _check_rebuilt(
    subject: Subject, check: str, copied: ParallelEnvLike, original: Episode
) -> None:
    """Check a copy that begins from nothing: after a seeded reset it is as any fresh environment."""
    expected = subject.reference.episodes[0]
    why = f"an EzPickle copy is built anew, and must begin the same episode from a seed {_FLAG}"
    with attributed_to(check, why), closing(copied):
        assert_same(check, why, subject.play(copied, 0), expected)
    why = f"the original must go on as if its copy had not been made and played {_FLAG}"
    with attributed_to(check, why):
        assert_same(check, why, original.finish(), expected)
