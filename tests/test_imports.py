"""Who imports whom: no circles, and the rules of the house. Read from the source, also inside of functions."""

from __future__ import annotations

import ast
import re
from functools import cache
from pathlib import Path

import networkx as nx
import pytest

ROOT = Path(__file__).parents[1]
WORLDS = (
    "access",
    "bandit",
    "bar",
    "coordination_game",
    "decpomdp",
    "firefighting",
    "load_balancing",
    "local_rule",
    "routing",
    "sysadmin",
    "traffic",
)
ROOMS = ("bench", "cli", "commands", "explorer")
FAMILIES = ("bandit", "coordination", "delegation", "libraries", "routing", "tabular")


@cache
def graph() -> nx.DiGraph:
    """Modules of the two packages, and an edge from each to those that it imports."""
    files = {
        ".".join(path.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__"): path
        for package in ("crl_envs", "agents")
        for path in (ROOT / package).rglob("*.py")
    }
    made = nx.DiGraph()
    made.add_nodes_from(files)
    for module, path in files.items():
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Import):
                names = [alias.name for alias in node.names]
            elif isinstance(node, ast.ImportFrom):
                assert node.level == 0, f"{path} has a relative import"
                inside = [f"{node.module}.{alias.name}" for alias in node.names]
                names = [name if name in files else str(node.module) for name in inside]
            elif isinstance(node, ast.Constant) and isinstance(node.value, str):
                # "module:attribute" names what is imported later.
                names = [node.value.partition(":")[0]] if ":" in node.value else []
            else:
                continue
            for name in names:
                if name in files and name != module:
                    made.add_edge(module, name)
                    if not isinstance(node, ast.Constant):
                        made.edges[module, name]["imported"] = True
    return made


def within(module: str, *packages: str) -> bool:
    return any(module == name or module.startswith(f"{name}.") for name in packages)


def edges(source: str, *allowed: str) -> list[str]:
    """What modules in a package import of ours outside of it and of those that they may."""
    return [
        f"{a} imports {b}"
        for a, b in sorted(graph().edges)
        if within(a, source) and not within(b, source, *allowed)
    ]


def crossings(source: str, *targets: str) -> list[str]:
    """What modules in a package import of some others."""
    return [
        f"{a} imports {b}"
        for a, b in sorted(graph().edges)
        if within(a, source) and within(b, *targets)
    ]


def test_no_circles() -> None:
    imports = nx.DiGraph([(a, b) for a, b, imported in graph().edges(data="imported") if imported])
    assert imports.number_of_edges() > 800
    circles = [sorted(c) for c in nx.strongly_connected_components(imports) if len(c) > 1]
    assert circles == []


def test_the_graph_is_read() -> None:
    """It has edges of all kinds that count."""
    assert graph().number_of_nodes() > 180
    assert ("agents.learner", "crl_envs.core.stream") in graph().edges  # at the top of a file
    assert ("crl_envs.registration", "crl_envs.wrappers") in graph().edges  # in a function
    assert ("crl_envs.sysadmin.env", "crl_envs.sysadmin.picture") in graph().edges  # as a text


def test_core_imports_nothing_above_it() -> None:
    assert edges("crl_envs.core") == []


@pytest.mark.parametrize("world", WORLDS)
def test_worlds_stand_on_their_own(world: str) -> None:
    below = [f"crl_envs.{name}" for name in ("core", "factored", "rendering", "bounds")]
    assert edges(f"crl_envs.{world}", *below) == []


@pytest.mark.parametrize("world", WORLDS)
def test_an_optimum_takes_the_problem(world: str) -> None:
    """It knows what a world is made of, and not the world."""
    home = f"crl_envs.{world}"
    known = ["crl_envs.core", "crl_envs.factored", "crl_envs.bounds"]
    known += [
        f"{home}.{name}"
        for name in (
            *("problem", "dynamics", "array_form", "form", "rule", "rules"),
            *("factored_model", "model", "policy", "approximate", "search"),
        )
    ]
    assert edges(f"{home}.optimum", *known) == []


def test_the_packages_know_nothing_of_learners() -> None:
    assert crossings("crl_envs", "agents") == []


def test_learners_know_no_bench() -> None:
    assert crossings("agents", *(f"crl_envs.{room}" for room in ROOMS)) == []


@pytest.mark.parametrize("family", FAMILIES)
def test_families_of_learners_do_not_import_each_other(family: str) -> None:
    others = [f"agents.{other}" for other in FAMILIES if other != family]
    assert crossings(f"agents.{family}", *others) == []


def test_only_compiled_loops_import_kernels() -> None:
    kernels = r"crl_envs\.\w+\.(\w*kernel\w*|rules)"
    users = {a for a, b in graph().edges if within(a, "agents") and re.fullmatch(kernels, b)}
    assert users
    assert [user for user in users if not user.endswith("compiled")] == []


def test_the_bench_knows_worlds_by_their_ids() -> None:
    assert crossings("crl_envs.bench", *(f"crl_envs.{world}" for world in WORLDS)) == []


def test_the_command_line_and_the_explorer_are_on_top() -> None:
    """Nothing else in the product imports them."""
    top = [f"crl_envs.{room}" for room in ("__main__", "cli", "commands", "explorer")]
    assert [
        f"{a} imports {b}" for a, b in graph().edges if within(b, *top) and not within(a, *top)
    ] == []
