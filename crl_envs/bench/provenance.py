"""With what something was measured."""

from __future__ import annotations

import os
import platform
import subprocess
from functools import cache
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any, Final

import crl_envs

PACKAGES: Final = ("numpy", "gymnasium", "pettingzoo", "numba")


def versions(*further: str) -> dict[str, str]:
    """Return the versions of Python, of this package and of those installed packages that can matter to a result."""
    found = {"python": platform.python_version(), "crl-envs": crl_envs.__version__}
    installed = {package: _version(package) for package in (*PACKAGES, *further)}
    return found | {package: known for package, known in installed.items() if known is not None}


def machine() -> dict[str, Any]:
    """Return what is computed on: system, processor and the number of cores that this process may use."""
    return {"system": platform.platform(), "processor": _processor(), "cores": cores()}


def cores() -> int:
    """Return the number of processors that this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


@cache
def git_commit() -> str | None:
    """Return the commit of the clone that the package is run from, with ``+`` for changes; None when it isn't one."""
    folder = Path(crl_envs.__file__).parent
    if not (folder.parent / ".git").exists():
        return None
    commands = (["rev-parse", "HEAD"], ["status", "--porcelain", "--untracked-files=no"])
    try:
        commit, changes = (
            subprocess.run(
                ["git", "-C", str(folder), *command], capture_output=True, text=True, check=True
            ).stdout.strip()
            for command in commands
        )
    except (OSError, subprocess.CalledProcessError):
        return None
    return commit + ("+" if changes else "")


@cache
def _processor() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    except OSError:
        return platform.processor()
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.processor()


@cache
def _version(package: str) -> str | None:
    try:
        return version(package)
    except PackageNotFoundError:
        return None
