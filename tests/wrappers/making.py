"""`make` and `make_vec` that know the toy of the core's tests, which has no id."""

from __future__ import annotations

from typing import Any

import crl_envs
from crl_envs.core import WorldVectorEnv
from tests.core.toy import TOY, ToyEnv, ToyWorld


def make(id: str, **kwargs: Any) -> Any:
    return ToyEnv(**kwargs) if id == TOY else crl_envs.make(id, **kwargs)


def make_vec(id: str, num_envs: int = 1, autoreset_mode: str = "NextStep", **kwargs: Any) -> Any:
    if id == TOY:
        return WorldVectorEnv(ToyWorld(**kwargs), num_envs, autoreset_mode)
    return crl_envs.make_vec(id, num_envs, autoreset_mode=autoreset_mode, **kwargs)
