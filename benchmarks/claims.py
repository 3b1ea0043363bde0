"""Sentences of the two papers that no reproduction measures, each in a table: docs/reproductions/claims.md.

    python -m benchmarks.claims [NAME ...]

All are the same on every machine but `planning`, which is CPU time.
"""

from __future__ import annotations

import argparse
import math
import time
from collections.abc import Callable, Sequence
from typing import Any

import networkx as nx
import numpy as np
from gymnasium import spaces
from numpy.typing import NDArray

import crl_envs
from agents import CRL, AntColony, ModelBased
from crl_envs.bench.figure import Case, Extent
from crl_envs.bench.papers.dowling_haridi.beyond import failing
from crl_envs.bench.papers.dowling_haridi.heatmap import agents_in_use, full_agents
from crl_envs.bench.papers.dowling_haridi.runs import (
    DISCRETE,
    DP,
    ENV_ID,
    GRADIENT,
    RANDOM,
    Run,
    runs_of,
)
from crl_envs.bench.score.statistics import positive_interval, t_interval
from crl_envs.bench.text import Table, number, with_interval
from crl_envs.bounds import entry_samples, radius_of_influence
from crl_envs.core.vector import WorldVectorEnv
from crl_envs.load_balancing.rules import Count, State
from crl_envs.load_balancing.world import LoadBalancingWorld

TEN = Extent(10, 0)
LINK_DECAYS = (0.0, 0.001, 0.01, 0.1)
DOWN = (0.0, 0.1, 0.3)
GOSSIP = ["return", {"name": "gossip", "period": 50}]


def radius() -> Table:
    """Bagnell & Ng, §4: the radius of influence r(t), and how fast it grows."""
    times = (1, 2, 4, 8)
    graphs = {
        "ring": nx.cycle_graph(200),
        "2-d lattice": nx.convert_node_labels_to_integers(nx.grid_2d_graph(41, 41)),
        "planar: random triangulation": _triangulation(4000),
        "planar: binary tree": nx.balanced_tree(2, 11),
    }
    rows = []
    for name, graph in graphs.items():
        n = graph.number_of_nodes()
        reached = [radius_of_influence(graph, n, t) for t in times]
        largest = 1 + max(degree for _, degree in graph.degree())
        power = math.log(reached[-1] / reached[-2]) / math.log(times[-1] / times[-2])
        rows.append([name, *reached, number(power, 2), largest, f"{largest ** times[1]:,}"])
    header = ("r(t)", *(f"t = {t}" for t in times), "power of t from 4 to 8", "B", "B² (t = 2)")
    return Table(header, [[str(cell) for cell in row] for row in rows])


def _triangulation(points: int) -> nx.Graph:
    """Delaunay's, of uniform points in a square."""
    from scipy.spatial import Delaunay

    corners = Delaunay(np.random.default_rng(0).random((points, 2))).simplices
    graph = nx.Graph()
    for triangle in corners.tolist():
        nx.add_cycle(graph, triangle)
    return graph


def samples() -> Table:
    """Bagnell & Ng, §4: samples of each entry in Lemma 4.2, by Hoeffding and as its proof prints them."""
    rows = []
    for n in (10, 1000, 100_000):
        by, printed = (
            entry_samples(n, 0.1, 0.5, 2, 2, 2, constant) for constant in ("hoeffding", "printed")
        )
        rows.append([f"{n:,}", number(by, 0), number(printed, 0), number(printed / by, 2)])
    return Table(("n", "by Hoeffding", "as printed", "ratio"), rows)


def boltzmann() -> Table:
    """Dowling & Haridi, Fig. 4 and §6.2: how Boltzmann's rule chooses between two actions."""
    gaps = {"delegate for −52, local −68 (Fig. 4)": 16.0, "a difference of 1": 1.0}
    rows = [
        [
            f"{what}, T = {temperature}",
            *(f"{1 / (1 + math.exp(x)):.2g}" for x in (gap / temperature, gap * temperature)),
        ]
        for what, gap in gaps.items()
        for temperature in (0.9, 0.85)
    ]
    return Table(("probability of the worse action", "exp(Q / T)", "exp(Q · T)"), rows)


def half_full() -> Table:
    """Dowling & Haridi, §6.1: do policies fill agents one after another? 10 runs each, when half is stored."""
    rows = []
    for policy in (DP, DISCRETE, GRADIENT, RANDOM):
        runs = _made(policy.runs(TEN, every=100 if policy is RANDOM else 10))
        numbers = [[count(run, 0.5) for run in runs] for count in (agents_in_use, full_agents)]
        filled = [100 * a / b for a, b in zip(numbers[1], numbers[0], strict=True)]
        rows.append([policy.label, *(_mean(values) for values in (*numbers, filled))])
    header = ("grid, at half full", "agents in use", "full agents", "full, of those in use: %")
    return Table(header, rows)


def decay() -> Table:
    """Dowling & Haridi, §5.3: steps of CRL-discrete where agents fail, by the decay rate. 20 in flight, 10 runs."""
    rows = []
    for what, means in {
        "": {},
        " and gossip every 50": {"advertise": GOSSIP},
        " and gossip every 50, removal": {"advertise": GOSSIP, "drop_below": -200.0},
    }.items():
        for rate in LINK_DECAYS[2 * ("removal" in what) :]:
            policy = DISCRETE.having(**means, **({"decay_rate": rate} if rate else {}))
            found = [_made(policy.runs(TEN, env=failing(share), every=0)) for share in DOWN]
            rows.append([f"{rate:g}, answers{what}", *(_steps(runs) for runs in found)])
    return Table(("decay rate", *(f"{share:.0%} down" for share in DOWN)), rows)


def refreshed() -> Table:
    """Dowling & Haridi, §5.2: CRL-discrete with removal at MinQ and a decay of .01, by what is advertised. 10 runs."""
    rows = []
    for what, advertise in (("answers", ["return"]), ("answers and gossip every 50", GOSSIP)):
        means = {"decay_rate": 0.01, "drop_below": -200.0, "advertise": advertise}
        found = [
            CRL(crl_envs.make(ENV_ID, max_steps=40_000), seed=seed, **means)
            .learn(total_episodes=1)
            .history[-1]
            for seed in range(10)
        ]
        rows.append([what, *(_mean([h[name] for h in found]) for name in ("stored", "steps"))])
    return Table(("removal", "loads stored, of 1,360", "steps, at most 40,000"), rows)


def bootstrap() -> Table:
    """Dowling & Haridi, §5: 50 agents that know nobody, capacities as on the grid, 20,000 steps at most. 10 runs."""
    nobody = nx.empty_graph(50, create_using=nx.DiGraph)
    room = [20] * 50
    room[47] = room[48] = 200
    rows = []
    for what, means in {
        "no discovery": {},
        "discovery, one neighbour each": {"discovery": "all"},
        "discovery, nine neighbours each": {"discovery": "all", "discovery_slots": 9},
    }.items():
        env: dict[str, Any] = {"capacity": room, "n_loads": 1360, "max_steps": 20_000, **means}
        found = [
            CRL(crl_envs.make(ENV_ID, topology=nobody, **env), seed=seed)
            .learn(total_episodes=1)
            .history[-1]
            for seed in range(10)
        ]
        rows.append([what, *(_mean([h[name] for h in found]) for name in ("stored", "steps"))])
    return Table(("nobody known", "loads stored, of 1,360", "steps"), rows)


def stable() -> Table:
    """Dowling & Haridi, §6.3: steps a load in a world that stays as it is, the grid with room at its servers only."""
    room = [0] * 50
    room[47] = room[48] = 10**6
    env: dict[str, Any] = {"capacity": room, "n_loads": 1000}
    best = crl_envs.make(ENV_ID, **env).unwrapped.optimal_steps() / 1000
    parts = ((0, 10), (10, 100), (500, 1000))
    runs = _made(DISCRETE.runs(TEN, env=env, every=10))
    means = ([(run.when(b) - run.when(a)) / (b - a) for run in runs] for a, b in parts)
    header = ("steps a load", "loads 1–10", "loads 11–100", "loads 501–1,000", "fewest")
    return Table(header, [[DISCRETE.label, *(_mean(each, 1) for each in means), number(best, 1)]])


def fillings() -> Table:
    """Dowling & Haridi, §6.3: steps of one CRL learner's fillings of the grid, which is emptied between them."""
    rows = []
    for cost_model in ("discrete", "gradient"):
        steps = []
        for seed in range(10):
            learner = CRL(crl_envs.make(ENV_ID, cost_model=cost_model), seed=seed)
            steps.append([h["steps"] for h in learner.learn(total_episodes=3).history])
        of_filling = np.array(steps, float).T
        rows.append([f"CRL-{cost_model}", *(_mean(values) for values in of_filling)])
    return Table(("steps", "first filling", "second", "third"), rows)


def ants() -> Table:
    """Dowling & Haridi, §4.5: steps of an ant colony's two fillings of the grid, at most 20,000 each. 5 runs."""
    rows = []
    for rate in (0.0, 0.01, 0.1, 0.5):
        steps = []
        for seed in range(5):
            env = crl_envs.make(ENV_ID, max_steps=20_000)
            learner = AntColony(env, evaporation=rate, seed=seed).learn(total_episodes=2)
            steps.append([h["steps"] for h in learner.history])
        rows.append([f"{rate:g}", *(_mean(values) for values in np.array(steps, float).T)])
    return Table(("evaporation", "first filling", "second"), rows)


class TimeLeft(LoadBalancingWorld):
    """Load balancing whose agents also see, of the load that they hold, which parts of its timeout have passed."""

    def __init__(self, parts: int, **arguments: Any) -> None:
        super().__init__(**arguments)
        self.ends = np.arange(1, parts) / parts
        shape = (self.single_observation_space.shape[0] + len(self.ends),)
        self.single_observation_space = spaces.Box(0.0, 1.0, shape, np.float32)

    def observation(self, state: State) -> NDArray[np.float32]:
        """Return what agents observe, and of each part whether it has passed: ``float32[n, 4 + parts − 1, B]``."""
        born = np.take_along_axis(state.birth, np.maximum(state.head, 0), 0)
        passed = (state.tally[Count.TIME] - born) / self.problem.timeout
        late = (state.head >= 0)[:, None] & (passed[:, None] >= self.ends[:, None])
        return np.concatenate([super().observation(state), late.astype(np.float32)], 1)


def timeouts() -> Table:
    """Dowling & Haridi, §5.6: loads of 1,360 stored in time by CRL that knows the time left in so many parts."""
    rows = []
    for timeout in (6, 10):
        for parts in (1, 2, 4):
            stored = []
            for seed in range(TEN.seeds):
                world = TimeLeft(parts, timeout=timeout, max_steps=40_000)
                env = WorldVectorEnv(world, 1)
                late = tuple(range(4, 3 + parts))
                states = {"states": late, "connected_states": True} if late else {}
                CRL(env, seed=seed, fused=False, temperature=0.9, **states).learn(total_episodes=1)
                stored.append(float(env.metrics()["stored"][0]))
            rows.append([str(timeout), str(parts), _mean(stored)])
    return Table(("timeout, steps", "parts in the state", "loads stored"), rows)


def planning() -> Table:
    """Bagnell & Ng, §1: CPU seconds of five trials and of planning by coordinate ascent, medians of three."""
    rows = []
    for n in (10, 100, 1000):
        env = crl_envs.make("crl/sysadmin-v0", n_agents=n)
        spent = []
        for seed in range(4):  # the first loads compiled code and isn't counted
            learner = ModelBased(env, seed=seed)
            start = time.process_time()
            learner.learn(total_episodes=5)
            learnt = time.process_time()
            learner.plan()
            spent.append((learnt - start, time.process_time() - learnt))
        rows.append([f"{n:,}", *(number(float(x), 2) for x in np.median(spent[1:], axis=0))])
    return Table(("n", "five trials, s", "planning, s"), rows)


def _made(cases: Sequence[Case]) -> list[Run]:
    return runs_of({"": [case.make() for case in cases]})[""]


def _steps(runs: Sequence[Run]) -> str:
    lengths = [run.length for run in runs]
    return _mean(lengths) if all(run.finished for run in runs) else f"≥ {np.mean(lengths):.0f}"


def _mean(values: Sequence[float], digits: int = 0) -> str:
    of = positive_interval if min(values) > 0 else t_interval
    return with_interval(of(np.array(values, float)), digits)


TABLES: dict[str, Callable[[], Table]] = {
    table.__name__: table
    for table in (
        *(radius, samples, boltzmann, half_full, decay, refreshed, bootstrap, stable, fillings),
        ants,
        timeouts,
        planning,
    )
}


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("names", nargs="*", help=f"of {', '.join(TABLES)}; all if none is given")
    names = parser.parse_args().names
    if unknown := set(names) - set(TABLES):
        parser.error(f"NAME must be one of {', '.join(TABLES)}, got {', '.join(sorted(unknown))}")
    for name in names or TABLES:
        print(f"{TABLES[name].__doc__}\n\n{TABLES[name]().markdown()}\n", flush=True)


if __name__ == "__main__":
    main()
