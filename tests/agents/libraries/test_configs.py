"""Hyperparameters of the libraries' learners: each is taken as Python's own value, or refused by its name."""

from __future__ import annotations

from dataclasses import fields, is_dataclass
from importlib import import_module
from typing import Any

import pytest

from crl_envs.adapters.library import MissingLibraryError
from tests.bad_values import BAD_VALUES


@pytest.mark.parametrize("library", ["benchmarl", "rllib", "sb3"])
def test_a_hyperparameter_is_taken_or_refused_by_name(library: str) -> None:
    try:
        module: Any = import_module(f"agents.libraries.{library}")
    except MissingLibraryError as error:
        pytest.skip(str(error))
    ours = (c for c in vars(module).values() if getattr(c, "__module__", "") == module.__name__)
    configs = [c for c in ours if isinstance(c, type) and is_dataclass(c)]
    assert configs
    for config in configs:
        names = [field.name for field in fields(config)]
        for name in names:
            for what, value in BAD_VALUES.items():
                try:
                    kept = getattr(config(**{name: value}), name)
                except ValueError as error:
                    assert any(each in str(error) for each in names), (config, name, what)
                    assert len(str(error)) < 1000, (config, name, what)
                else:
                    assert type(kept) in (bool, int, float, str, tuple), (config, name, what)
