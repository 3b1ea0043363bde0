"""The API reference has every public name, by an anchor that others can link to."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
from importlib import import_module
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
PACKAGES = [
    "agents",
    "crl_envs",
    "crl_envs.access",
    "crl_envs.adapters",
    "crl_envs.bandit",
    "crl_envs.bar",
    "crl_envs.coordination_game",
    "crl_envs.core",
    "crl_envs.decpomdp",
    "crl_envs.factored",
    "crl_envs.routing",
    "crl_envs.firefighting",
    "crl_envs.load_balancing",
    "crl_envs.local_rule",
    "crl_envs.sysadmin",
    "crl_envs.testing",
    "crl_envs.traffic",
    "crl_envs.wrappers",
]
NOT_RENDERED = {"__version__", "parallel_env"}  # said in words


def public_names() -> set[str]:
    """Dotted names of all that the packages export, and of the modules that have no ``__all__``."""
    names = {
        f"{package}.{name}"
        for package in PACKAGES
        for name in import_module(package).__all__
        if name not in NOT_RENDERED
    }
    for module in ("crl_envs.bounds", "crl_envs.bench.contract"):
        names |= {
            f"{module}.{name}"
            for name, value in vars(import_module(module)).items()
            if not name.startswith("_") and getattr(value, "__module__", "") == module
        }
    experiments = import_module("crl_envs.bench.experiments")
    return names | {f"crl_envs.bench.experiments.{name}" for name in experiments.__all__}


@pytest.fixture(scope="module")
def anchors(tmp_path_factory: pytest.TempPathFactory) -> set[str]:
    """The ids of all headings in the API reference, as it is built."""
    pytest.importorskip("mkdocs")
    pytest.importorskip("mkdocstrings_handlers.python")
    folder = tmp_path_factory.mktemp("api")
    docs = folder / "docs"
    shutil.copytree(ROOT / "docs" / "api", docs / "api")
    for name in ("api.md", "griffe_arguments.py"):
        shutil.copy(ROOT / "docs" / name, docs)
    config = folder / "mkdocs.yml"
    settings = {
        "INHERIT": str(ROOT / "mkdocs.yml"),
        "docs_dir": str(docs),
        "nav": None,
        "hooks": [],
    }
    config.write_text(json.dumps(settings), encoding="utf-8")  # YAML reads JSON
    subprocess.run(
        [sys.executable, "-m", "mkdocs", "build", "-q", "-f", config, "-d", folder / "site"],
        cwd=ROOT,
        env={**os.environ, "NO_MKDOCS_2_WARNING": "true"},
        check=True,
        capture_output=True,
    )
    pages = (folder / "site" / "api").glob("*.html")
    return {id for page in pages for id in re.findall(r'id="([\w.]+)"', page.read_text("utf-8"))}


def test_every_public_name_has_an_anchor(anchors: set[str]) -> None:
    assert sorted(public_names() - anchors) == []


def test_nothing_private_is_shown(anchors: set[str]) -> None:
    dotted = [id for id in anchors if id.startswith(("crl_envs.", "agents."))]
    assert len(dotted) > 200
    assert [id for id in dotted if "._" in id] == []


def test_the_overview_names_every_page() -> None:
    linked = set(re.findall(r"\(api/([\w-]+\.md)\)", (ROOT / "docs/api.md").read_text("utf-8")))
    assert linked == {page.name for page in (ROOT / "docs" / "api").glob("*.md")}


def test_every_adapter_has_its_reference() -> None:
    import crl_envs.adapters as adapters

    helpers = {"__init__", "columns", "encoding", "library", "tally"}
    modules = {path.stem for path in Path(adapters.__file__ or "").parent.glob("*.py")} - helpers
    for module in modules:
        text = (ROOT / "docs" / "adapters" / f"{module}.md").read_text("utf-8")
        assert f"::: crl_envs.adapters.{module}\n" in text
