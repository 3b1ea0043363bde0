"""Coordination graphs at work: the solvers, edges of a global reward, and sparse cooperative Q beside independent Q.

    python -m benchmarks.coordination solvers
    python -m benchmarks.coordination large
    python -m benchmarks.coordination ring
    python -m benchmarks.coordination worlds

*solvers*: max-plus against variable elimination on normal payoffs (Kok & Vlassis 2006, §5). *large*: max-plus on 99,856
agents. *ring*: climbing on each edge of a ring with hidden orders and noise, only the team's payoff seen: least squares
on edges, and on agents as VDN adds values up. *worlds*: shares of the best known, 0 being random actions, after 5, 10,
20, … episodes, of ten seeds; intervals are bootstraps over seeds.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable, Mapping
from typing import Any, Final

import networkx as nx
import numpy as np
from numpy.typing import NDArray
from scipy import stats

import crl_envs
from agents import HystereticQ, RandomPolicy, SparseCooperativeQ
from benchmarks.credit import end, head, row
from crl_envs.bench.score.statistics import bootstrap_interval
from crl_envs.bench.text import with_interval
from crl_envs.factored import CoordinationGraph

SEEDS: Final = 10
GRAPHS: Final[Mapping[str, Callable[[int], nx.Graph]]] = {
    "tree of 1,000": lambda seed: nx.random_labeled_tree(1000, seed=seed),
    "lattice 8 × 100": lambda seed: nx.grid_2d_graph(100, 8),
    "torus 5 × 6": lambda seed: nx.grid_2d_graph(5, 6, periodic=True),
    "random of degree 4, n = 24": lambda seed: nx.random_regular_graph(4, 24, seed=seed),
}
WORLDS: Final[Mapping[str, tuple[str, dict[str, Any]]]] = {
    "SYSADMIN, both ways": ("crl/sysadmin-v0", {"dynamics": "ring-bidirectional"}),
    "epidemic": ("crl/epidemic-v0", {}),
    "firefighting, levels": ("crl/firefighting-v0", {"observe": "levels"}),
}
SIZES: Final[Mapping[str, tuple[int, ...]]] = {
    "SYSADMIN, both ways": (10, 100, 1000),
    "epidemic": (9, 100, 900),
    "firefighting, levels": (10, 100, 1000),
}
LEARNERS: Final[Mapping[str, Any]] = {
    "independent Q": lambda env: HystereticQ(
        env, decrease_rate=0.1, discount=0.9, temperature=1.0, cooling=0.98, coldest=0.05
    ),
    "sparse, edge update": lambda env: SparseCooperativeQ(env, rate=0.1, cooling=0.98),
    "sparse, agent update": lambda env: SparseCooperativeQ(
        env, rate=0.1, cooling=0.98, update="agent"
    ),
    "sparse, agents": lambda env: SparseCooperativeQ(
        env, rate=0.1, cooling=0.98, decomposition="agents"
    ),
}
EPISODES: Final = (5, 10, 20, 30, 40, 60, 80, 100, 140, 200)
TOO_WIDE: Final = {
    "crl/epidemic-v0": 9
}  # the largest torus on which agents' functions can be eliminated
REACHED: Final = (0.5, 0.7, 0.8)


def interval(values: Any) -> str:
    """Return the mean of some numbers with its t-interval of 95 %."""
    values = np.asarray(values, np.float64)
    half = stats.t.ppf(0.975, values.size - 1) * values.std(ddof=1) / values.size**0.5
    return f"{values.mean():.3f} [{values.mean() - half:.3f}, {values.mean() + half:.3f}]"


def solvers() -> None:
    """Print shares of the optimum and CPU seconds."""
    print(
        "| normal payoffs, 4 actions | width | max-plus over the optimum | its CPU ms | elimination's |"
    )
    print("| :-- | --: | --: | --: | --: |")
    for name, make in GRAPHS.items():
        shares, spent, width = [], np.zeros(2), 0
        for seed in range(SEEDS):
            graph = nx.convert_node_labels_to_integers(make(seed))
            rng = np.random.default_rng(seed)
            pair = rng.normal(size=(graph.number_of_edges(), 4, 4))
            game = CoordinationGraph(np.array(graph.edges), pair, np.zeros((len(graph), 4)))
            begun = time.process_time()
            found = game.max_plus(100, damping=0.3)
            spent[0] += time.process_time() - begun
            begun = time.process_time()
            exact = game.eliminate()
            spent[1] += time.process_time() - begun
            shares.append(float(found.value[0] / exact.value[0]))
            width = max(width, game.width)
        cells = (f"{1000 * s / SEEDS:.0f}" for s in spent)
        print(f"| {name} | {width} | {interval(shares)} |", " | ".join(cells), "|", flush=True)


def large() -> None:
    """Print CPU seconds of 60 rounds of max-plus on a torus of 316 × 316 agents with three actions."""
    graph = nx.convert_node_labels_to_integers(nx.grid_2d_graph(316, 316, periodic=True))
    pair = np.random.default_rng(0).normal(size=(graph.number_of_edges(), 3, 3))
    game = CoordinationGraph(np.array(graph.edges), pair, np.zeros((len(graph), 3)))
    begun = time.process_time()
    found = game.max_plus(60, damping=0.5)
    spent = time.process_time() - begun
    print(f"{len(graph):,} agents: {found.value[0] / len(graph):.3f} an agent, {spent:.1f} CPU s")


def ring() -> None:
    """Print what is paid by the joint action that least squares on the global reward finds."""
    factors = (2, 5, 10, 20, 40, 80)
    print("| global reward, of 11 |", " | ".join(f"{c} n trials" for c in factors), "|")
    print("| :-- |", " --: |" * len(factors))
    for n in (10, 30, 100):
        found: dict[str, list[str]] = {"edges": [], "agents": []}
        for c in factors:
            paid: dict[str, list[float]] = {"edges": [], "agents": []}
            for seed in range(SEEDS):
                given = {"n_agents": n, "relabel": True, "instance_seed": seed}
                vec = crl_envs.make_vec("crl/coordination_game-v0", c * n, noise=5.0, **given)
                vec.reset(seed=1000 * seed)
                tried = np.random.default_rng(seed).integers(0, 3, (c * n, n))
                team = vec.step(tried)[1].astype(np.float64).mean(axis=1)
                pairs = vec.world.problem.pairs
                for way, actions in (
                    ("edges", _by_edges(tried, team, pairs)),
                    ("agents", _by_agents(tried, team)),
                ):
                    quiet = crl_envs.make_vec("crl/coordination_game-v0", 1, **given)
                    quiet.reset(seed=0)
                    paid[way].append(float(quiet.step(actions[None])[1].mean()))
            for way, values in paid.items():
                found[way].append(f"{np.mean(values):.2f}")
        for way, cells in found.items():
            print(f"| {way}, n = {n} |", " | ".join(cells), "|", flush=True)


def _by_agents(tried: NDArray[np.int64], team: NDArray[np.float64]) -> NDArray[np.int64]:
    """Return the best of a sum of one function of each agent's action."""
    seen = np.eye(3)[tried].reshape(len(tried), -1)
    return np.asarray(_fit(seen, team).reshape(-1, 3).argmax(axis=1))


def _by_edges(
    tried: NDArray[np.int64], team: NDArray[np.float64], pairs: NDArray[np.int64]
) -> NDArray[np.int64]:
    """Return the best of a sum of one function of each edge's actions."""
    seen = np.eye(9)[3 * tried[:, pairs[:, 0]] + tried[:, pairs[:, 1]]].reshape(len(tried), -1)
    found = _fit(seen, team).reshape(-1, 3, 3)
    game = CoordinationGraph(pairs, found, np.zeros((tried.shape[1], 3)))
    return game.eliminate().actions[:, 0]


def _fit(seen: NDArray[np.float64], team: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return weights by least squares, with a little ridge: the columns of an agent or an edge add up to 1."""
    gram = seen.T @ seen + 1e-3 * np.eye(seen.shape[1])
    return np.asarray(np.linalg.solve(gram, seen.T @ (team - team.mean())))


def worlds() -> None:
    """Print when shares of the best known are reached, what there is in the end, and messages."""
    for name, (id, _) in WORLDS.items():
        sizes, at = SIZES[name], dict.fromkeys(SIZES[name], EPISODES)
        curves: dict[str, dict[int, Any]] = {label: {} for label in LEARNERS}
        cells: dict[str, list[str]] = {label: [] for label in LEARNERS}
        print()
        for n in sizes:
            zero, best = _ends(name, n)
            print(f"{name}, n = {n}: random {zero:.2f}, best known {best:.2f}", flush=True)
            for label in LEARNERS:
                if label == "sparse, agents" and n > TOO_WIDE.get(id, n):
                    cells[label].append("–")
                    continue
                returns, sent = learnt(name, n, label)
                curves[label][n] = (returns - zero) / (best - zero)
                cell = with_interval(bootstrap_interval(end, curves[label][n]), 3)
                cells[label].append(f"{cell}; {sent:,.0f}")
        columns = [f"n = {n}" for n in sizes]
        for level in REACHED:
            head(f"{name}: episodes to {level:g}", [*columns, "exponent"])
            for label, by_size in curves.items():
                row(label, at, by_size, dict.fromkeys(sizes, level))
        head(f"{name}: share in the end; messages a step", columns)
        for label in LEARNERS:
            print(f"| {label} |", " | ".join(cells[label]), "|", flush=True)


def _ends(name: str, n: int) -> tuple[float, float]:
    """Return what random actions earn, and the best known."""
    id, arguments = WORLDS[name]
    kept = {"n_agents": n, **arguments}
    vec = crl_envs.make_vec(id, SEEDS, **kept)
    optimum = vec.optimum()
    best = optimum.value if optimum.value - optimum.lower < 0.02 else optimum.lower
    return float(_score(RandomPolicy(vec), id, kept).mean()), float(best)


def learnt(name: str, n: int, label: str) -> tuple[NDArray[np.float64], float]:
    """Return what the greedy policy earns after so many episodes, ``float64[SEEDS, m]``, and messages a step."""
    id, arguments = WORLDS[name]
    kept = {"n_agents": n, **arguments}
    learner, found = LEARNERS[label](crl_envs.make_vec(id, SEEDS, **kept)), []
    for episodes in EPISODES:
        learner.learn(total_episodes=episodes - learner.episodes)
        found.append(_score(learner, id, kept))
    last = learner.history[-1]
    sent = last["messages"] / last["steps"] if "messages" in last else np.zeros(1)
    return np.stack(found, axis=1), float(sent.mean())


def _score(learner: Any, id: str, arguments: Mapping[str, Any]) -> NDArray[np.float64]:
    """Return the mean return of each column's greedy policy, over four other episodes."""
    total = np.zeros(SEEDS)
    for episode in range(4):
        vec = crl_envs.make_vec(id, SEEDS, **arguments)
        seen, _ = vec.reset(seed=900_000 + SEEDS * episode)
        for _ in range(vec.world.horizon):
            actions = learner.act(seen, deterministic=not isinstance(learner, RandomPolicy))
            seen, rewards, *_ = vec.step(actions)
            total += rewards.mean(axis=1, dtype=np.float64) / 4
    return total


TABLES: Final[Mapping[str, Callable[[], None]]] = {
    table.__name__: table for table in (solvers, large, ring, worlds)
}


def main() -> None:
    """Print one of the tables."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("table", choices=TABLES)
    TABLES[parser.parse_args().table]()


if __name__ == "__main__":
    main()
