"""What is installed, and what of this package works with it."""

from __future__ import annotations

import platform
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, requires, version
from typing import Any, Final

from packaging.requirements import Requirement

import crl_envs
from crl_envs.adapters import MissingLibraryError
from crl_envs.bench.learners import installed_learners
from crl_envs.bench.store import cores
from crl_envs.core.backend import resolve_backend
from crl_envs.core.cache import cache_folder
from crl_envs.core.install import DISTRIBUTION, install_hint

CORE: Final = "core"
_COLLECTIONS: Final = ("all", "dev")  # extras made of others


@dataclass(frozen=True)
class Package:
    """A distribution that an extra, or the package itself, needs.

    Attributes:
        name: Its name.
        needed: The versions that will do, ``""`` for any.
        installed: The version that is there; None when it isn't.
    """

    name: str
    needed: str
    installed: str | None

    @property
    def works(self) -> bool:
        """Whether it is there, in a version that will do."""
        if self.installed is None:
            return False
        return Requirement(f"{self.name}{self.needed}").specifier.contains(
            self.installed, prereleases=True
        )


@dataclass(frozen=True)
class Diagnosis:
    """What `examine` found.

    Attributes:
        python: Version.
        crl_envs: Version.
        backend: What ``backend="auto"`` means here.
        cores: Processors that this process may use.
        cache: Where results are kept on disk.
        extras: Needs of the package (``core``) and of each extra.
        learners: For each learner of the entry-point group ``"ok"`` or what is wrong with it.
        not_installed: For each of the others what to install: a library that it needs is missing, or too old.
    """

    python: str
    crl_envs: str
    backend: str
    cores: int
    cache: str
    extras: dict[str, list[Package]]
    learners: dict[str, str]
    not_installed: dict[str, str]

    @property
    def healthy(self) -> bool:
        """Whether the package itself has what it needs, and every learner whose library is there can be loaded."""
        return all(package.works for package in self.extras[CORE]) and all(
            state == "ok" for state in self.learners.values()
        )

    def plain(self) -> dict[str, Any]:
        """Return the diagnosis in JSON's types."""
        extras = {
            extra: {
                "works": all(package.works for package in packages),
                "packages": {
                    p.name: {"needed": p.needed, "installed": p.installed} for p in packages
                },
            }
            for extra, packages in self.extras.items()
        }
        return {**vars(self), "extras": extras, "healthy": self.healthy}


def examine() -> Diagnosis:
    """Look at this installation.

    Raises:
        ValueError: The distribution isn't installed: running from a folder isn't enough.
    """
    try:
        needs = [Requirement(line) for line in requires(DISTRIBUTION) or ()]
    except PackageNotFoundError:
        raise ValueError(
            f"{DISTRIBUTION} isn't installed here (running from a folder isn't enough): {install_hint('bench')}"
        ) from None
    states = {name: _state(entry) for name, entry in sorted(installed_learners().items())}
    not_installed = {
        name: str(s) for name, s in states.items() if isinstance(s, MissingLibraryError)
    }
    return Diagnosis(
        python=platform.python_version(),
        crl_envs=crl_envs.__version__,
        backend=resolve_backend("auto"),
        cores=cores(),
        cache=str(cache_folder()),
        extras=_by_extra(needs),
        learners={name: str(s) for name, s in states.items() if name not in not_installed},
        not_installed=not_installed,
    )


def _by_extra(needs: list[Requirement]) -> dict[str, list[Package]]:
    found: dict[str, list[Package]] = {CORE: []}
    for need in needs:
        if need.name == DISTRIBUTION:
            continue
        extra = _extra_of(need)
        if extra not in _COLLECTIONS:
            found.setdefault(extra, []).extend(
                Package(each.name, str(each.specifier), _installed(each.name))
                for each in (need, *_of_its_extras(need))
            )
    return found


def _of_its_extras(need: Requirement) -> list[Requirement]:
    """What the extras of ``ray[rllib]`` need, where Ray is installed."""
    if not need.extras or _installed(need.name) is None:
        return []
    every = [Requirement(line) for line in requires(need.name) or ()]
    return [
        each
        for each in every
        if each.marker is not None
        and not each.marker.evaluate({"extra": ""})
        and any(each.marker.evaluate({"extra": extra}) for extra in need.extras)
    ]


def _extra_of(need: Requirement) -> str:
    """The extra that asks for it."""
    if need.marker is None or need.marker.evaluate({"extra": ""}):
        return CORE
    _, _, value = str(need.marker).rpartition("extra == ")
    return value.strip().strip("\"'()")


def _installed(name: str) -> str | None:
    try:
        return version(name)
    except PackageNotFoundError:
        return None


def _state(entry: Any) -> str | MissingLibraryError:
    try:
        entry.load()
    except MissingLibraryError as error:
        return error
    except Exception as error:  # another package's import may raise anything
        return f"{type(error).__name__}: {error}"
    return "ok"
