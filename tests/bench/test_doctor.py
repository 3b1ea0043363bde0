"""What is installed: versions against needs, extras, learners that can't be loaded."""

from __future__ import annotations

import json

import pytest
from typer.testing import CliRunner

from crl_envs.adapters import MissingLibraryError
from crl_envs.bench import doctor
from crl_envs.bench.doctor import Package, examine
from crl_envs.commands.app import app

NEEDS = [
    "numpy",
    "gymnasium>=1.2.2",
    "old-one>=2; python_version > '3'",
    "elsewhere; python_version < '3' and extra == 'fast'",
    "numba; extra == 'fast'",
    'torch; extra == "sb3"',
    "crl-envs[fast]; extra == 'all'",
    "pytest; extra == 'dev'",
]
INSTALLED = {"numpy": "2.0", "gymnasium": "1.3.0rc1", "old-one": "1.9", "numba": "0.60"}
HINT = "sb3 isn't installed: pip install 'crl-envs[sb3]'"
ODD = "no [red]torch[/nothing] \x1b[2J"


class Entry:
    def __init__(self, error=None):
        self.error = error

    def load(self):
        if self.error is not None:
            raise self.error


@pytest.fixture
def installation(monkeypatch):
    def version(name):
        if name not in INSTALLED:
            raise doctor.PackageNotFoundError(name)
        return INSTALLED[name]

    monkeypatch.setattr(doctor, "requires", lambda name: NEEDS)
    monkeypatch.setattr(doctor, "version", version)
    entries = {
        "fine": Entry(),
        "broken": Entry(ImportError(ODD)),
        "wanting": Entry(MissingLibraryError(HINT)),
    }
    monkeypatch.setattr(doctor, "installed_learners", lambda: entries)


def test_needs_by_extra(installation):
    found = examine()
    assert {extra: [p.name for p in packages] for extra, packages in found.extras.items()} == {
        "core": ["numpy", "gymnasium", "old-one"],
        "fast": ["elsewhere", "numba"],
        "sb3": ["torch"],
    }
    assert [p.works for p in found.extras["core"]] == [True, True, False]
    assert found.extras["sb3"] == [Package("torch", "", None)]
    assert found.learners == {"broken": f"ImportError: {ODD}", "fine": "ok"}
    assert found.not_installed == {"wanting": HINT}
    assert not found.healthy


def test_a_library_that_is_missing_is_no_fault(installation, monkeypatch):
    """Extras are optional, and so are the learners that need them."""
    monkeypatch.setattr(doctor, "requires", lambda name: ["numpy"])
    entries = {"fine": Entry(), "wanting": Entry(MissingLibraryError("pip install sb3"))}
    monkeypatch.setattr(doctor, "installed_learners", lambda: entries)
    assert examine().healthy
    entries["broken"] = Entry(ImportError("no [red]torch[/nothing] \x1b[2J"))
    assert not examine().healthy


def test_what_the_extras_of_a_library_need(installation, monkeypatch):
    """Without old-one there is nothing to look into: it is itself what is missing."""
    needs = {
        "crl-envs": ["numpy", "old-one[more]; extra == 'rllib'", "absent[more]; extra == 'docs'"],
        "old-one": [
            "numpy>=3; extra == 'more'",
            "elsewhere; extra == 'more' and python_version < '3'",
            "numba; extra == 'other'",
            "gymnasium",
        ],
    }
    monkeypatch.setattr(doctor, "requires", needs.__getitem__)
    extras = examine().extras
    assert extras["rllib"] == [Package("old-one", "", "1.9"), Package("numpy", ">=3", "2.0")]
    assert extras["docs"] == [Package("absent", "", None)]


@pytest.mark.parametrize(
    ("needed", "installed", "works"),
    [
        ("", "0.1", True),
        ("", None, False),
        (">=1.2.2", "1.2.1", False),
        (">=1.2.2", "1.10", True),
        (">=1.2.2", "1.3.0rc1", True),
        ("<3,>=2", "3.0", False),
    ],
)
def test_versions(needed, installed, works):
    assert Package("some", needed, installed).works is works


def test_command(installation):
    result = CliRunner().invoke(app, ["doctor"])
    assert result.exit_code == 1
    assert "old-one>=2 (1.9)" in result.output
    assert r"broken: ImportError: no [red]torch[/nothing] \x1b[2J" in result.output
    assert (
        "2 learners, 1 of them can't be loaded; the libraries of 1 others are missing"
        in " ".join(result.output.split())
    )
    assert f"wanting: {HINT}" in result.output
    as_json = CliRunner().invoke(app, ["doctor", "--json"])
    found = json.loads(as_json.output)
    assert found["extras"]["fast"]["works"] is False
    assert found["extras"]["core"]["packages"]["old-one"] == {"needed": ">=2", "installed": "1.9"}
    assert found["healthy"] is False


@pytest.mark.filterwarnings("ignore::DeprecationWarning")  # libraries warn of each other
def test_this_installation_is_healthy():
    assert examine().healthy
    assert CliRunner().invoke(app, ["doctor"]).exit_code == 0


def test_not_installed(monkeypatch):
    def requires(name):
        raise doctor.PackageNotFoundError(name)

    monkeypatch.setattr(doctor, "requires", requires)
    result = CliRunner().invoke(app, ["doctor"])
    assert result.exit_code == 2
    assert "crl-envs isn't installed here" in result.output
