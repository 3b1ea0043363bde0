"""What stands beside the packages: links of the pages for contributors, workflows, issue forms, README's results."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).parents[2]
PAGES = ("README.md", "CONTRIBUTING.md", "SECURITY.md", "CODE_OF_CONDUCT.md", "RELEASING.md")
LINK = re.compile(r"\[[^\]]*\]\((?!https?:)([^)#]+)[^)]*\)")
WORKFLOWS = sorted((ROOT / ".github" / "workflows").glob("*.yml"))
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]


def loaded(path: Path) -> dict[str, Any]:
    yaml = pytest.importorskip("yaml")
    found: dict[str, Any] = yaml.safe_load(path.read_text("utf-8"))
    return found


@pytest.mark.parametrize("page", PAGES)
def test_links_lead_to_files(page: str) -> None:
    text = (ROOT / page).read_text("utf-8")
    assert [link for link in LINK.findall(text) if not (ROOT / link).exists()] == []


def test_readme_is_short_and_its_numbers_are_those_of_the_results() -> None:
    readme = (ROOT / "README.md").read_text("utf-8")
    assert len(readme.split()) < 900
    assert "collaborative reinforcement learning (CRL)" in " ".join(readme.split())
    pages = (
        "docs/results.md",
        "crl_envs/sysadmin/env.py",
    )  # the latter's table is held to the scores
    known = "".join((ROOT / page).read_text("utf-8") for page in pages)
    rows = [
        line.split(" | ")
        for line in readme.splitlines()
        if line.endswith("` |") or "`extend`" in line
    ]
    assert len(rows) == 5
    for _, measured, _ in rows:
        for number in re.findall(r"(?<![\w.])[\d,]*\.?\d+", measured):
            assert number in known, number


def test_the_workflows_test_every_python_that_the_metadata_names() -> None:
    named = {c.rpartition(" ")[2] for c in PROJECT["classifiers"] if re.search(r":: 3\.\d+$", c)}
    tests = loaded(ROOT / ".github" / "workflows" / "tests.yml")["jobs"]["test"]
    matrix = tests["strategy"]["matrix"]
    assert set(matrix["python"]) == named
    assert {os.partition("-")[0] for os in matrix["os"]} == {"ubuntu", "macos", "windows"}


@pytest.mark.parametrize("path", WORKFLOWS, ids=lambda path: path.stem)
def test_a_workflow_runs_targets_and_paths_that_there_are(path: Path) -> None:
    targets = re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text("utf-8"), re.MULTILINE)
    jobs = loaded(path)["jobs"]
    steps = [step for job in jobs.values() for step in job["steps"]]
    assert all(("uses" in step) != ("run" in step) for step in steps)
    run = "\n".join(step.get("run", "") for step in steps)
    assert set(re.findall(r"\bmake ([a-z-]+)", run)) <= set(targets)
    assert [
        name for name in re.findall(r"\btests/[\w/.]+", run) if not (ROOT / name).exists()
    ] == []
    assert all(job["needs"] in jobs for job in jobs.values() if "needs" in job)


def test_only_what_publishes_may_ask_for_an_identity() -> None:
    jobs = loaded(ROOT / ".github" / "workflows" / "release.yml")["jobs"]
    assert [name for name, job in jobs.items() if "id-token" in job.get("permissions", {})] == [
        "publish"
    ]
    assert jobs["publish"]["environment"] == "pypi"


@pytest.mark.parametrize("name", ["bug", "idea"])
def test_an_issue_form_asks_something(name: str) -> None:
    form = loaded(ROOT / ".github" / "ISSUE_TEMPLATE" / f"{name}.yml")
    ids = [field["id"] for field in form["body"]]
    assert form["name"] and form["description"] and len(ids) == len(set(ids)) > 1
