"""The command that installs an extra, by how crl-envs came."""

from __future__ import annotations

import re
import tomllib
from importlib.metadata import PackageNotFoundError
from pathlib import Path

import pytest

from crl_envs.core import install
from crl_envs.core.install import install_hint

ROOT = Path(__file__).parents[2]


def not_installed(name: str) -> str:
    raise PackageNotFoundError(name)


def test_where_it_is_installed() -> None:
    """From an index, a git URL or a clone: pip leaves an installed crl-envs as it is and adds the extra's needs."""
    assert install_hint("sb3") == "pip install 'crl-envs[sb3]'"


def test_in_a_folder_that_nothing_has_installed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(install, "version", not_installed)
    assert install_hint("sb3") == f"pip install -e '{ROOT}[sb3]'"


def test_in_a_copy_of_the_package_alone(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(install, "version", not_installed)
    monkeypatch.setattr(install, "__file__", str(tmp_path / "crl_envs" / "core" / "install.py"))
    assert install_hint("sb3") == "pip install 'crl-envs[sb3]'"


def test_nothing_else_makes_hints_and_each_names_an_extra() -> None:
    """In code; a module's docstring may say how it was tried."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]
    named = set()
    for path in [*ROOT.glob("crl_envs/**/*.py"), *ROOT.glob("agents/**/*.py")]:
        code = re.sub(r'"""(.|\n)*?"""', "", path.read_text("utf-8"))
        if path.name != "install.py":
            assert "crl-envs[" not in code, path
        named |= set(re.findall(r"""(?:install_hint\(|extra=)["'](\w+)""", code))
    assert named <= set(project["optional-dependencies"])
    assert {"bench", "explore", "fast", "jax", "ray", "render", "sb3"} <= named
