"""Optima of rings: shipped, kept on disk or computed; which worlds are rings; what is said without scipy."""

from __future__ import annotations

import json
import re
import sys
from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path
from typing import Any

import networkx as nx
import numpy as np
import pytest

import crl_envs
from crl_envs.core import cache
from crl_envs.factored.window_policy import greedy_table, simulate
from crl_envs.sysadmin import SysadminProblem, SysadminWorld
from crl_envs.sysadmin.dynamics import ring_rule
from crl_envs.sysadmin.optimum import certificates
from crl_envs.sysadmin.optimum import table as optimum_table
from crl_envs.sysadmin.optimum.certificates import (
    OPTIMA,
    PROGRAMS,
    _by_key,
    ring_optimum,
    ring_program,
    shipped,
    shipped_table,
    solution_of,
)
from crl_envs.sysadmin.optimum.exact import exact_value
from crl_envs.sysadmin.optimum.find import find_optimum, relaxed_bound
from crl_envs.sysadmin.optimum.ring import RingProblem, ring_problem
from tests.sysadmin.reference import BINARY, Problem, both_ways, directed_cycle

each_dynamics = pytest.mark.parametrize("dynamics", BINARY)

QUICK = RingProblem("ring", 16, 3, 0.4)  # a program of a tenth of a second


@pytest.fixture(autouse=True)
def nothing_solved_before() -> Iterator[None]:
    certificates._solved.cache_clear()
    yield
    certificates._solved.cache_clear()


def fail(*args: Any, **kwargs: Any) -> Any:
    raise AssertionError("computed")


class TestCertificates:
    @each_dynamics
    @pytest.mark.parametrize("n", [15, 20, 1_000, 100_000, 10**8])
    def test_every_n_by_default(
        self, dynamics: str, n: int, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """Nothing is computed, and the ends are within .003 % of each other; between them, n = 14's exact value."""
        monkeypatch.setattr(certificates, "_computed", fail)
        optimum = ring_optimum(RingProblem(dynamics, n))
        assert optimum.kind == "bound"
        assert 0 < optimum.value - optimum.lower < 3e-5 * optimum.value
        assert optimum.lower < ring_optimum(RingProblem(dynamics, 14)).value < optimum.value

    @each_dynamics
    @pytest.mark.usefixtures("few_episodes")
    @pytest.mark.parametrize("n", [5, 8, 12])
    def test_shipped_program_holds_where_the_optimum_is_known(self, dynamics: str, n: int) -> None:
        """Bound and policy at sizes that they aren't used for; a false alarm of the lower end has probability 3e-5."""
        problem = RingProblem(dynamics, n)
        solution = solution_of(ring_program(problem))
        rule = ring_rule(dynamics, problem.both_ways)
        table = greedy_table(rule, solution.weights)
        found = simulate(rule, n, problem.start_up, table, solution.weights)
        exact = ring_optimum(problem).value
        assert found.mean - 4 * found.standard_error - 1e-12 <= exact <= solution.bound + 1e-12
        if n > 5:
            assert found.mean == pytest.approx(exact, rel=1e-5)

    @each_dynamics
    @pytest.mark.usefixtures("few_episodes")
    @pytest.mark.parametrize(("horizon", "start_up"), [(1, 0.3), (6, 0.0), (6, 1.0), (9, 0.7)])
    def test_other_horizons_and_starts(
        self, dynamics: str, horizon: int, start_up: float, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """The ends meet within .5 % with windows of three, and n = 9's optimum is as near."""
        monkeypatch.setattr(
            certificates,
            "ring_program",
            lambda p: certificates.Program(p.dynamics, p.horizon, p.start_up, 3),
        )
        optimum = ring_optimum(RingProblem(dynamics, 40, horizon, start_up))
        assert optimum.lower <= optimum.value <= 1.005 * optimum.lower
        exact = ring_optimum(RingProblem(dynamics, 9, horizon, start_up))
        assert exact.kind == "exact"
        assert optimum.lower - 1e-4 < exact.value < optimum.value + 1e-4

    @pytest.mark.usefixtures("few_episodes")
    def test_is_deterministic(self) -> None:
        first = ring_optimum(QUICK, recompute=True)
        certificates._solved.cache_clear()
        assert ring_optimum(QUICK, recompute=True) == first

    def test_a_size_that_is_not_shipped_takes_the_shipped_program(
        self, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(certificates, "window_bound", fail)
        near, far = ring_optimum(RingProblem("ring", 22)), ring_optimum(RingProblem("ring", 20))
        assert near.value == far.value
        assert near.lower == pytest.approx(far.lower, rel=1e-7)


class TestShipped:
    @each_dynamics
    @pytest.mark.parametrize("n", [1, 2, 3, 7, 10])
    def test_exact_values_are_computed_again(self, dynamics: str, n: int) -> None:
        problem = RingProblem(dynamics, n)
        assert ring_optimum(problem).value == pytest.approx(exact_value(problem.whole()), rel=1e-12)

    def test_a_certificate_is_computed_again(self) -> None:
        shipped, anew = (ring_optimum(RingProblem("ring", 15), again) for again in (False, True))
        assert (shipped.kind, shipped.method) == (anew.kind, anew.method)
        assert shipped.value == pytest.approx(anew.value, rel=1e-6)
        assert shipped.lower == pytest.approx(anew.lower, rel=1e-6)

    def test_has_what_the_table_should_have(self) -> None:
        keys = [entry["key"] for entry in shipped_table()[OPTIMA]]
        assert keys == [asdict(problem) for problem in optimum_table.table_problems()]
        assert len(shipped_table()[PROGRAMS]) == len(BINARY)

    def test_a_tables_differences_are_named(self) -> None:
        assert optimum_table.differences(shipped_table()) == []
        table = shipped_table()
        table[OPTIMA][3]["value"]["value"] += 0.01
        table[OPTIMA][5]["key"]["horizon"] = 21
        first, second, third = optimum_table.differences(table)
        assert first.startswith('{"dynamics": "ring", "n_agents": 4,')
        assert "value 17.8" in first
        assert second.endswith("not shipped")
        assert third.endswith("shipped, not in the table")

    def test_text_is_the_table(self) -> None:
        assert json.loads(optimum_table.as_json(shipped_table())) == shipped_table()

    def test_recomputed_table(self, monkeypatch: pytest.MonkeyPatch) -> None:
        """With small sizes only; what isn't recomputed is missed."""
        monkeypatch.setattr(optimum_table, "SIZES", (1, 4))
        monkeypatch.setattr(optimum_table, "solution_of", lambda p, recompute: solution_of(p))
        seen = []
        table = optimum_table.recomputed_table(lambda done, total: seen.append((done, total)))
        assert seen == [(k, 6) for k in range(7)]
        lines = optimum_table.differences(table)
        assert lines
        assert all(line.endswith("shipped, not in the table") for line in lines)

    @pytest.mark.slow
    def test_the_whole_table_is_computed_again(self) -> None:
        assert optimum_table.differences(optimum_table.recomputed_table()) == []


class TestRings:
    @each_dynamics
    @pytest.mark.parametrize("n", [1, 2, 4])
    def test_exact_is_the_best_of_all_joint_policies(self, dynamics: str, n: int) -> None:
        """Expectimax by enumeration; three machines are tried on more graphs in test_sysadmin_model."""
        graph = directed_cycle(n) if dynamics == "ring" or n <= 2 else both_ways(nx.cycle_graph(n))
        optimum = ring_optimum(RingProblem(dynamics, n, 3, 0.3))
        assert optimum.kind == "exact"
        assert optimum.lower == optimum.value
        best = Problem(dynamics, graph, 0.3).best_value(3)
        assert optimum.value == pytest.approx(best, rel=1e-12)

    @each_dynamics
    def test_numbering_does_not_matter(self, dynamics: str) -> None:
        """The ring with its machines shuffled, and run the other way: the same optimum at every n."""
        rng = np.random.default_rng(0)
        for n in (3, 4, 12, 60):
            order = rng.permutation(n).tolist()
            graph = nx.DiGraph() if dynamics == "ring" else nx.Graph()
            graph.add_nodes_from(range(n))
            graph.add_edges_from((order[i], order[i - 1]) for i in range(n))
            world = SysadminWorld(topology=graph, dynamics=dynamics)
            assert ring_problem(world.problem) == RingProblem(dynamics, n)
            assert world.optimum() == SysadminWorld(n_agents=n, dynamics=dynamics).optimum()

    @each_dynamics
    def test_labels_do_not_matter(self, dynamics: str) -> None:
        plain = SysadminWorld(n_agents=64, dynamics=dynamics)
        hidden = SysadminWorld(n_agents=64, dynamics=dynamics, relabel=True, instance_seed=5)
        assert hidden.optimum() == plain.optimum()
        assert crl_envs.make(
            "crl/sysadmin-v0", n_agents=64, dynamics=dynamics, relabel=True
        ).optimum() == (plain.optimum())

    @pytest.mark.parametrize(
        ("dynamics", "graph"),
        [
            ("ring", nx.cycle_graph(30)),
            ("ippc2011", directed_cycle(30)),
            ("ring-bidirectional", nx.circulant_graph(30, [1, 2])),
            ("ring-bidirectional", nx.disjoint_union(nx.cycle_graph(15), nx.cycle_graph(15))),
            ("ring", nx.disjoint_union(directed_cycle(15), directed_cycle(15))),
            ("ring-bidirectional", nx.path_graph(30)),
            ("ring", nx.DiGraph([(i, i ^ 1) for i in range(30)])),
        ],
        ids=["two-way", "one-way", "circulant", "two rings", "two one-way rings", "path", "pairs"],
    )
    def test_other_graphs_keep_the_relaxation(self, dynamics: str, graph: nx.Graph) -> None:
        world = SysadminWorld(topology=graph, dynamics=dynamics)
        assert ring_problem(world.problem) is None
        optimum = world.optimum()
        assert optimum.value == relaxed_bound(world.problem)
        assert optimum.kind == "bound"
        assert "each machine chooses its parents' states" in optimum.method

    def test_too_large_for_the_exact_method(self) -> None:
        with pytest.raises(
            ValueError,
            match=r"n_agents ≤ 14 on a ring, got 20: .* \d\.\de8 bytes and \d\.\de4 seconds",
        ):
            exact_value(SysadminProblem(n_agents=20))
        with pytest.raises(
            ValueError, match=r"n_agents ≤ 9 on this graph, got 1000: .*; optimum\(\) gives"
        ):
            exact_value(SysadminProblem(n_agents=1000, topology="star"))


@pytest.mark.usefixtures("few_episodes")
class TestCache:
    def test_what_was_computed_is_kept(self, monkeypatch: pytest.MonkeyPatch) -> None:
        first = ring_optimum(QUICK)
        assert cache.load(OPTIMA, asdict(QUICK)) == asdict(first)
        monkeypatch.setattr(certificates, "_computed", fail)
        assert ring_optimum(QUICK) == first

    def test_the_program_serves_every_n(self, monkeypatch: pytest.MonkeyPatch) -> None:
        first = ring_optimum(QUICK)
        certificates._solved.cache_clear()
        monkeypatch.setattr(certificates, "window_bound", fail)
        assert ring_optimum(RingProblem("ring", 17, 3, 0.4)).value == first.value

    def test_exact_values_that_take_long_are_kept_too(self) -> None:
        problem = RingProblem("ring", 11, 2)
        assert ring_optimum(problem).kind == "exact"
        assert cache.load(OPTIMA, asdict(problem))["kind"] == "exact"

    def test_recompute_uses_nothing_that_is_kept(self) -> None:
        lie = asdict(crl_envs.Optimum(2.0, "bound", "a lie", 1.0))
        cache.store(OPTIMA, asdict(QUICK), lie)
        assert ring_optimum(QUICK).method == "a lie"
        truth = ring_optimum(QUICK, recompute=True)
        assert truth.method != "a lie"
        assert ring_optimum(QUICK) == truth

    @pytest.mark.parametrize(
        "damage",
        [
            lambda text: text[: len(text) // 2],
            lambda text: "",
            lambda text: "[]",
            lambda text: text.replace("16", "18"),
            lambda text: text.replace('"bound"', '"hound"'),
            lambda text: text.replace('"lower": ', '"lower": 1e3'),
            lambda text: text.replace('"lower"', '"higher"'),
            lambda text: re.sub(r'("lower": \d\.\d\d)\d', lambda m: m[1] + "7", text),
            lambda text: text.replace("standard errors", "standard deviations"),
            lambda text: re.sub(r', "digest": "\w+"', "", text),
            lambda text: text.replace('"value": {', '"value": [{').replace("}}", "}]}"),
        ],
        ids=[
            "half",
            "empty",
            "other",
            "other key",
            "kind",
            "crossed",
            "field",
            "digit",
            "method",
            "no digest",
            "list",
        ],
    )
    def test_a_damaged_file_is_computed_again_and_replaced(
        self, damage: Any, own_cache: Path
    ) -> None:
        first = ring_optimum(QUICK)
        (file,) = (own_cache / OPTIMA).iterdir()
        whole = file.read_text("utf-8")
        file.write_text(damage(whole), "utf-8")
        assert file.read_text("utf-8") != whole
        assert ring_optimum(QUICK) == first
        assert file.read_text("utf-8") == whole
        assert list((own_cache / OPTIMA).iterdir()) == [file]

    def test_a_changed_digit_in_what_is_shipped_is_computed_again(
        self, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        table = shipped_table()
        first, second = table[OPTIMA][:2]
        monkeypatch.setattr("crl_envs.sysadmin.optimum.certificates.shipped_table", lambda: table)
        for change in (lambda: first["value"].update(lower=0.0), lambda: first.pop("digest")):
            change()
            _by_key.cache_clear()
            assert shipped(OPTIMA, first["key"]) is None
            assert shipped(OPTIMA, second["key"]) == second["value"]
        _by_key.cache_clear()

    def test_bytes_that_are_no_text(self, own_cache: Path) -> None:
        first = ring_optimum(QUICK)
        for file in own_cache.rglob("*.json"):
            file.write_bytes(b"\xff\x00")
        assert ring_optimum(QUICK) == first

    def test_a_damaged_program(self, own_cache: Path) -> None:
        first = ring_optimum(QUICK)
        certificates._solved.cache_clear()
        (file,) = (own_cache / PROGRAMS).iterdir()
        file.write_text(file.read_text("utf-8").replace("[[", "[[NaN, "), "utf-8")
        assert ring_optimum(RingProblem("ring", 17, 3, 0.4)).value == first.value

    def test_a_folder_that_cannot_be_made(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        (tmp_path / "file").write_text("in the way")
        monkeypatch.setenv("CRL_ENVS_CACHE", str(tmp_path / "file"))
        assert ring_optimum(QUICK) == ring_optimum(QUICK)
        assert (tmp_path / "file").read_text() == "in the way"

    def test_a_write_that_fails_leaves_nothing(
        self, own_cache: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        def full(*args: Any) -> None:
            raise OSError("no space left")

        monkeypatch.setattr(Path, "replace", full)
        cache.store("kind", {"n": 1}, 2)
        assert list((own_cache / "kind").iterdir()) == []
        assert cache.load("kind", {"n": 1}) is None

    def test_where_it_is(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(sys, "platform", "linux")
        assert cache.cache_folder() == tmp_path / "cache"
        monkeypatch.delenv("CRL_ENVS_CACHE")
        monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "xdg"))
        assert cache.cache_folder() == tmp_path / "xdg" / "crl-envs"
        monkeypatch.delenv("XDG_CACHE_HOME")
        monkeypatch.setattr(Path, "home", lambda: tmp_path / "home")
        assert cache.cache_folder() == tmp_path / "home" / ".cache" / "crl-envs"
        monkeypatch.setattr(sys, "platform", "win32")
        monkeypatch.setenv("LOCALAPPDATA", str(tmp_path / "local"))
        assert cache.cache_folder() == tmp_path / "local" / "crl-envs"

    def test_without_a_home(self, monkeypatch: pytest.MonkeyPatch) -> None:
        def homeless() -> Path:
            raise RuntimeError("no home")

        monkeypatch.delenv("CRL_ENVS_CACHE")
        monkeypatch.delenv("XDG_CACHE_HOME", raising=False)
        monkeypatch.delenv("LOCALAPPDATA", raising=False)
        monkeypatch.setattr(Path, "home", homeless)
        cache.store("kind", {}, 1)
        assert cache.load("kind", {}) is None


def test_without_a_solution_there_is_the_relaxation(monkeypatch: pytest.MonkeyPatch) -> None:
    def unsolved(*args: Any) -> Any:
        raise RuntimeError("HiGHS found no optimum")

    monkeypatch.setattr(certificates, "window_bound", unsolved)
    world = SysadminWorld(n_agents=16, horizon=4)
    optimum = world.optimum()
    assert optimum.value == relaxed_bound(world.problem)
    assert "HiGHS found no optimum" in optimum.method


class TestWithoutScipy:
    @pytest.fixture(autouse=True)
    def no_scipy(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setitem(sys.modules, "scipy", None)

    def test_default_rings_have_their_certificate(self) -> None:
        optimum = find_optimum(SysadminProblem(n_agents=23))
        assert optimum.value - optimum.lower < 1e-5 * optimum.value

    def test_others_have_the_relaxation_and_it_says_why(self) -> None:
        world = SysadminWorld(n_agents=23, horizon=5)
        optimum = find_optimum(world.problem)
        assert optimum.value == relaxed_bound(world.problem)
        assert optimum.lower < optimum.value
        assert "scipy" in optimum.method
        assert cache.load(OPTIMA, asdict(RingProblem("ring", 23, 5))) is None
