"""What is said when a library is missing or too old."""

from __future__ import annotations

import subprocess
import sys

import pytest

from crl_envs.adapters import MissingLibraryError
from crl_envs.adapters.library import require


def test_a_library_that_is_new_enough_passes() -> None:
    require("numpy", "1.0", "pip install numpy")


def test_a_missing_library_names_what_to_install() -> None:
    with pytest.raises(
        MissingLibraryError, match=r"no-such-library isn't installed.*2\.3.*pip install x"
    ):
        require("no-such-library", "2.3", "pip install x")


def test_an_old_library_names_both_versions() -> None:
    with pytest.raises(
        MissingLibraryError, match=r"numpy \d.* is too old, 999 .*pip install 'numpy>=999'"
    ):
        require("numpy", "999", "pip install x")


def test_an_extra_is_named_by_its_command() -> None:
    with pytest.raises(
        MissingLibraryError, match=r"2 or newer is needed: pip install 'crl-envs\[sb3\]'"
    ):
        require("no-such-library", "2", extra="sb3")


def test_versions_are_compared_as_numbers(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("crl_envs.adapters.library.version", lambda name: "2.10.1+cpu")
    require("library", "2.9", "")
    require("library", "2.10.1", "")
    with pytest.raises(MissingLibraryError):
        require("library", "2.11", "")


@pytest.mark.parametrize(
    ("module", "distribution"),
    [
        ("crl_envs.adapters.sb3", "stable-baselines3"),
        ("agents.libraries.sb3", "stable-baselines3"),
        ("crl_envs.adapters.torchrl", "torchrl"),
        ("crl_envs.adapters.benchmarl", "benchmarl"),
        ("agents.libraries.benchmarl", "benchmarl"),
        ("crl_envs.adapters.rllib", "ray"),
        ("agents.libraries.rllib", "ray"),
        ("crl_envs.adapters.agilerl", "agilerl"),
    ],
)
def test_an_adapter_without_its_library_says_so_before_it_imports_it(
    module: str, distribution: str
) -> None:
    code = f"""
import importlib.metadata, sys
found = importlib.metadata.version
def version(name):
    if name == {distribution!r}:
        raise importlib.metadata.PackageNotFoundError(name)
    return found(name)
importlib.metadata.version = version
from crl_envs.adapters import MissingLibraryError
try:
    import {module}
except MissingLibraryError as error:
    assert "pip install" in str(error) and {distribution!r} in str(error), error
    assert not {{"torch", "ray"}} & set(sys.modules), "imported all the same"
    print("said so")
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.stdout == "said so\n", done.stderr
