"""Check of environments that are made of a `World`: the columns of the array view against the dict view."""

from __future__ import annotations

from typing import Any, Final

import numpy as np
from gymnasium.vector import AutoresetMode

from crl_envs.core.overrides import overridden
from crl_envs.core.parallel import WorldEnv
from crl_envs.core.vector import WorldVectorEnv
from crl_envs.testing.errors import ConformanceError, fault, quote
from crl_envs.testing.rollouts import STEP_DATA, Step
from crl_envs.testing.subject import Subject

_COLUMNS: Final = 3
_IN_INFOS: Final = "action_mask", "illegal_action"


class _Noting:
    """An environment that notes the actions that it is sent."""

    def __init__(self, env: WorldEnv) -> None:
        self._env = env
        self.noted: list[list[Any]] = []

    def step(self, actions: dict[str, Any]) -> Any:
        self.noted.append(list(actions.values()))
        return self._env.step(actions)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._env, name)


def check_views(subject: Subject) -> None:
    """A column of the array view is the environment with that column's seed, number by number.

    Plays three episodes one by one, and then together, with the same actions. Catches functions of a `World` that mix
    columns, and arrays of another shape or dtype than the array view's. Environments that aren't a `WorldEnv` with its
    own methods have no array view, and pass.

    Raises:
        ConformanceError: `views`.
    """
    with subject.fresh() as env:
        if not isinstance(env, WorldEnv) or overridden(env):
            return
        played, actions = [], []
        for k in range(_COLUMNS):
            noting = _Noting(env)
            played.append(subject.play(noting, k, actions=k, number=k))
            actions.append(noting.noted)
        _compare(env, subject.seed + 1, played, actions)


def _compare(
    env: WorldEnv, seed: int, played: list[list[Step]], actions: list[list[list[Any]]]
) -> None:
    t = 0
    try:
        vec = WorldVectorEnv(env.world, _COLUMNS, AutoresetMode.DISABLED)
        kinds = vec.single_observation_space.dtype, np.dtype(np.float32)
        observations, infos = vec.reset(seed=seed)
        seen = {"observations": observations}
        for t in range(max(map(len, played))):
            if t > 0:
                idle = [0] * vec.n_agents
                sent = [noted[t - 1] if t <= len(noted) else idle for noted in actions]
                *results, infos = vec.step(np.array(sent))
                seen = dict(zip(STEP_DATA, results, strict=False))
            for (name, array), kind in zip(seen.items(), kinds, strict=False):
                if array.dtype != kind:
                    what = f"saw {name} of dtype {array.dtype} in the array view, expected {kind}"
                    raise fault("views", what, step=t)
            seen |= {name: infos[name] for name in _IN_INFOS if name in infos}
            for b, steps in enumerate(played):
                if t < len(steps):
                    _compare_column(env, steps[t], b, seen)
    except ConformanceError:
        raise
    except Exception as error:
        what = f"the array view raised {type(error).__name__}: {error}"
        raise fault("views", what, step=t) from error


def _compare_column(env: WorldEnv, step: Step, b: int, seen: dict[str, Any]) -> None:
    for name, array in seen.items():
        for i, agent in enumerate(env.possible_agents):
            info = step.infos[agent]
            expected = info.get(name) if name in _IN_INFOS else getattr(step, name)[agent]
            found = array[b] if array.ndim == 1 else array[b, i]
            if expected is not None and not np.array_equal(found, expected):
                what = f"{name} in column {b} of the array view: saw {quote(found)}, expected {quote(expected)}"
                raise step.fault("views", what, agent)
