"""What the installed distribution says about itself agrees with the package and the files beside it."""

import re
import tomllib
from importlib import metadata
from pathlib import Path

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

import agents
import crl_envs

ROOT = Path(__file__).parents[2]
CORE = {"gymnasium", "networkx", "numpy", "pettingzoo"}


def first_match(pattern: str, file: str) -> str:
    found = re.search(pattern, (ROOT / file).read_text(encoding="utf-8"), re.MULTILINE)
    assert found, f"{file} has no line like {pattern}"
    return found[1]


def requirements(extra: str = "") -> list[Requirement]:
    """Requirements of the installed crl-envs that hold here with this extra."""
    return active(metadata.distribution("crl-envs"), {extra})


def active(distribution: metadata.Distribution, extras: set[str]) -> list[Requirement]:
    listed = [Requirement(line) for line in distribution.requires or ()]
    return [
        requirement
        for requirement in listed
        if requirement.marker is None
        or any(requirement.marker.evaluate({"extra": extra}) for extra in extras | {""})
    ]


def test_one_version_everywhere() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    assert metadata.version("crl-envs") == project["version"], "installed anew? run make venv"
    assert crl_envs.__version__ == project["version"]
    assert first_match(r"^version: (\S+)$", "CITATION.cff") == project["version"]
    assert first_match(r"^## \[(\d[^\]]*)\]", "CHANGELOG.md") == project["version"]


def test_entry_points() -> None:
    (learner,) = metadata.entry_points(group="crl_envs.learners", name="reinforce")
    assert learner.load() is agents.Reinforce
    (command,) = metadata.entry_points(group="console_scripts", name="crl-envs")
    assert command.value == "crl_envs.cli:main"


def test_core_dependencies_are_few_and_have_no_upper_cap() -> None:
    core = requirements()
    assert {requirement.name for requirement in core} == CORE
    assert {part.operator for requirement in core for part in requirement.specifier} <= {">="}


def test_constraints_pin_all_that_dev_brings_in() -> None:
    lines = (ROOT / "constraints.txt").read_text(encoding="utf-8").splitlines()
    pins = [Requirement(line) for line in lines if line and not line.startswith("#")]
    assert all(pin.url is None and str(pin.specifier).startswith("==") for pin in pins)
    pinned = {canonicalize_name(pin.name) for pin in pins}

    reached: set[tuple[str, frozenset[str]]] = set()
    waiting = [("crl-envs", frozenset({"dev"}))]
    while waiting:
        name, extras = waiting.pop()
        if (name, extras) in reached:
            continue
        reached.add((name, extras))
        for requirement in active(metadata.distribution(name), set(extras)):
            waiting.append((canonicalize_name(requirement.name), frozenset(requirement.extras)))
    assert {name for name, _ in reached} - pinned == {"crl-envs"}
