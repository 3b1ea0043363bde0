"""Importing the packages is light."""

from __future__ import annotations

import json
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path

import pytest

HEAVY = ["torch", "numba", "matplotlib", "pygame", "ray", "scipy", "tensorboard", "typer", "rich"]
PACKAGES = [name for name in ("crl_envs", "agents") if find_spec(name) is not None]

SCRIPT = """
import importlib, json, sys
importlib.import_module(sys.argv[1])
json.dump(sorted({name.partition(".")[0] for name in sys.modules}), sys.stdout)
"""


def modules_after(package: str) -> set[str]:
    """Top-level modules that a fresh interpreter has loaded after importing `package`."""
    done = subprocess.run(
        [sys.executable, "-c", SCRIPT, package],
        capture_output=True,
        text=True,
        check=True,
        cwd=Path(__file__).parents[1],
    )
    return set(json.loads(done.stdout.splitlines()[-1]))


@pytest.mark.parametrize("package", PACKAGES)
def test_import_is_light(package: str) -> None:
    loaded = modules_after(package)
    assert package in loaded
    assert "numpy" in loaded
    assert not loaded & set(HEAVY)


def test_environments_need_nothing_more() -> None:
    """Making and stepping with NumPy loads no Numba."""
    script = (
        "import crl_envs, sys\n"
        "for id in ('crl/bandit-v0', 'crl/sysadmin-v0'):\n"
        "    vec = crl_envs.make_vec(id, 2, backend='numpy')\n"
        "    vec.reset(seed=0)\n"
        "    vec.step(vec.action_space.sample())\n"
        "print('numba' in sys.modules)\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", script],
        capture_output=True,
        text=True,
        check=True,
        cwd=Path(__file__).parents[1],
    )
    assert done.stdout.strip() == "False"
