"""SYSADMIN's dict step against pyRDDLGym's on the same network, in pairs that alternate in one run.

    python -m benchmarks.against_pyrddlgym [--pairs 9] [--json PATH]

Peer: IPPC 2011 instance 10 (50 computers, horizon 40) from rddlrepository, with pyRDDLGym's default interface (one
entry a computer) and with ``vectorized=True`` (one array). Ours: ``crl/sysadmin-v0`` with n_agents=50 and horizon 40,
on the instance's own network with its dynamics (``ippc2011``) and with the defaults (``ring``), through the
PettingZoo dicts. Everyone gets uniformly random actions of their own kind, drawn beforehand (pyRDDLGym allows one
reboot a step in this instance; here every agent acts). An agent-step is one computer for one step.
"""

from __future__ import annotations

import contextlib
import io
import sys
import time
import warnings
from dataclasses import dataclass
from typing import Any, NamedTuple

import networkx as nx
import numpy as np

import crl_envs
from benchmarks.measure import Spread, parser, print_machine, print_table, write_json
from crl_envs.core.backend import resolve_backend

N, HORIZON, INSTANCE = 50, 40, "10"
GOALS = {"numpy": 6, "numba": 10}


class Seconds(NamedTuple):
    """CPU seconds a step, without and with the reset that each episode begins with."""

    step: float
    episode: float


@dataclass(frozen=True)
class Row:
    ours: str
    backend: str
    peer: str
    ours_per_second: Spread  # agent-steps per CPU-second, resets not counted
    peer_per_second: Spread
    ratio: Spread  # of the pairs
    ratio_with_resets: Spread


class Contestant:
    """An environment with actions for one episode."""

    def __init__(self, env: Any, actions: list[Any], episodes: int) -> None:
        self.env, self.actions, self.episodes = env, actions, episodes

    def measure(self) -> Seconds:
        step_seconds = 0.0
        begin = time.process_time()
        for _ in range(self.episodes):
            self.env.reset()
            start = time.process_time()
            for action in self.actions:
                self.env.step(action)
            step_seconds += time.process_time() - start
        steps = self.episodes * len(self.actions)
        return Seconds(step_seconds / steps, (time.process_time() - begin) / steps)


def peers(episodes: int) -> tuple[dict[str, Contestant], nx.DiGraph]:
    """pyRDDLGym's two interfaces, and the instance's network."""
    try:
        with warnings.catch_warnings(), contextlib.redirect_stdout(io.StringIO()):
            warnings.simplefilter("ignore")
            import pyRDDLGym
            import rddlrepository  # noqa: F401
    except ImportError as missing:
        sys.exit(
            f"{missing}: this benchmark needs pyRDDLGym: "
            "pip install pyrddlgym rddlrepository 'setuptools<81'"
        )
    made = {}
    for name, vectorized in (("dicts", False), ("vectorized", True)):
        with (
            warnings.catch_warnings(),
            contextlib.redirect_stdout(io.StringIO()),
            contextlib.redirect_stderr(io.StringIO()),
        ):
            warnings.simplefilter("ignore")
            env = pyRDDLGym.make("SysAdmin_MDP_ippc2011", INSTANCE, vectorized=vectorized)
        env.reset(seed=0)
        made[name] = Contestant(env, random_reboots(vectorized), episodes)
    connected = np.reshape(made["dicts"].env.model.non_fluents["CONNECTED"], (N, N))
    return made, nx.DiGraph(connected.astype(np.int64))


def random_reboots(vectorized: bool) -> list[dict[str, Any]]:
    """Actions in which one uniformly random computer reboots: all that the instance allows."""
    chosen = np.random.default_rng(0).integers(0, N, HORIZON).tolist()
    if vectorized:
        return [{"reboot": np.arange(N) == computer} for computer in chosen]
    return [{f"reboot___c{computer + 1}": 1} for computer in chosen]


def ours(backend: str, dynamics: str, topology: Any, episodes: int) -> Contestant:
    env = crl_envs.make(
        "crl/sysadmin-v0",
        n_agents=N,
        dynamics=dynamics,
        topology=topology,
        horizon=HORIZON,
        backend=backend,
    )
    env.reset(seed=0)
    drawn = np.random.default_rng(0).integers(0, 2, (HORIZON, N)).tolist()
    return Contestant(
        env, [dict(zip(env.possible_agents, row, strict=True)) for row in drawn], episodes
    )


def compare(names: tuple[str, str, str], us: Contestant, peer: Contestant, pairs: int) -> Row:
    us.measure(), peer.measure()  # compilation and caches
    measured = [(us.measure(), peer.measure()) for _ in range(pairs)]
    return Row(
        *names,
        ours_per_second=Spread.of([N / we.step for we, _ in measured]),
        peer_per_second=Spread.of([N / they.step for _, they in measured]),
        ratio=Spread.of([they.step / we.step for we, they in measured]),
        ratio_with_resets=Spread.of([they.episode / we.episode for we, they in measured]),
    )


def main() -> None:
    options = parser(__doc__, repeats=9)
    options.add_argument("--pairs", type=int, dest="repeats", help="the same as --repeats")
    chosen = options.parse_args()
    rivals, network = peers(episodes=5)
    backends = ["numba", "numpy"] if resolve_backend("auto") == "numba" else ["numpy"]
    variants = {"ippc2011, its network": ("ippc2011", network), "ring, default": ("ring", "ring")}
    print_machine()
    rows = []
    for backend in backends:
        for variant, (dynamics, topology) in variants.items():
            us = ours(backend, dynamics, topology, episodes=40)
            for name, rival in rivals.items():
                rows.append(compare((variant, backend, name), us, rival, chosen.repeats))
    print_table(
        (
            "crl/sysadmin-v0, n=50",
            "backend",
            "pyRDDLGym",
            "ours M/s",
            "theirs M/s",
            "ratio median",
            "least…most",
            "with resets",
            "goal",
        ),
        [
            (
                row.ours,
                row.backend,
                row.peer,
                f"{row.ours_per_second.median / 1e6:.2f}",
                f"{row.peer_per_second.median / 1e6:.2f}",
                f"{row.ratio.median:.1f}",
                f"{row.ratio.low:.1f}…{row.ratio.high:.1f}",
                f"{row.ratio_with_resets.median:.1f}",
                f"{GOALS[row.backend]}",
            )
            for row in rows
        ],
    )
    print(f"M/s: million agent-steps per CPU-second, median of {chosen.repeats} alternating pairs")
    write_json(chosen.json, "against_pyrddlgym", rows)


if __name__ == "__main__":
    main()
