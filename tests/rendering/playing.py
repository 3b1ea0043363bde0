"""Episodes to draw, with actions that depend on nothing but a seed."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np

import crl_envs
from tests.worlds import needed

BANDIT, SYSADMIN, LOAD = "crl/bandit-v0", "crl/sysadmin-v0", "crl/load_balancing-v0"

EVERYTHING: dict[str, Any] = {  # load balancing with all that a picture of it can have
    "n_agents": 12,
    "capacity": 4,
    "server_capacity": 8,
    "max_in_flight": 6,
    "entries": (0, 5),
    "message_delay": 3,
    "message_loss": 0.25,
    "fail_rate": 0.08,
    "return_rate": 0.3,
    "join_capacity": 6,
    "join_at": 4,
    "discovery": "all",
    "backend": "numpy",
}

CASES: dict[str, tuple[str, dict[str, Any], int]] = {  # id, arguments, steps
    "access": ("crl/access-v0", {"n_agents": 14}, 6),
    "bandit": (BANDIT, {"n_agents": 12}, 9),
    "bandit-many": (BANDIT, {"n_agents": 130}, 9),
    "bar": ("crl/bar-v0", {"n_agents": 30}, 5),
    "consensus": ("crl/consensus-v0", {"n_agents": 21}, 9),
    "coordination": ("crl/coordination_game-v0", {"n_agents": 9, "topology": "grid"}, 5),
    "epidemic": ("crl/epidemic-v0", {"n_agents": 16}, 9),
    "firefighting": ("crl/firefighting-v0", {"n_agents": 6}, 2),
    "firefighting-grid": ("crl/firefighting-v0", {"n_agents": 9, "layout": "grid"}, 4),
    "firefighting-many": ("crl/firefighting-v0", {"n_agents": 150}, 9),
    "tiger": ("crl/tiger-v0", {}, 2),
    "broadcast": ("crl/broadcast-v0", {}, 3),
    "dec-pomdp": ("crl/dec_pomdp-v0", needed("crl/dec_pomdp-v0"), 3),
    "routing": ("crl/routing-v0", {"load": 6.0, "loss": 0.1, "queue_size": 8}, 25),
    "routing-moving": (
        "crl/routing-v0",
        {"n_agents": 12, "topology": "geometric", "mobility": 0.1, "load": 3.0},
        9,
    ),
    "routing-named": ("crl/routing-v0", {"topology": "archipelago.graphml"}, 6),
    "routing-many": ("crl/routing-v0", {"topology": "torus", "n_agents": 144, "load": 20.0}, 9),
    "traffic": ("crl/traffic-v0", {"n_agents": 9, "arrival_rate": 0.2}, 12),
    "traffic-open": ("crl/traffic-v0", {"n_agents": 6, "boundary": "open", "arrival_rate": 0.3}, 9),
    "traffic-many": ("crl/traffic-v0", {"n_agents": 400, "arrival_rate": 0.2}, 9),
    "rule": ("crl/local_rule-v0", needed("crl/local_rule-v0", topology="tree"), 6),
    "sysadmin": (SYSADMIN, {"n_agents": 9}, 7),
    "sysadmin-costs": (SYSADMIN, {"n_agents": 7, "topology": "star", "dynamics": "ippc2011"}, 5),
    "status-load": (SYSADMIN, {"n_agents": 12, "topology": "grid", "dynamics": "status-load"}, 9),
    "sysadmin-many": (SYSADMIN, {"n_agents": 450, "relabel": True}, 13),
    "load-balancing": (LOAD, EVERYTHING, 14),
    "load-balancing-one": (LOAD, {"n_agents": 1}, 3),
    "load-balancing-many": (LOAD, {"n_agents": 120, "max_in_flight": 40}, 30),
}


def made(case: str, mode: str | None) -> Any:
    id, arguments, _ = CASES[case]
    return crl_envs.make(id, render_mode=mode, **arguments)


def play(env: Any, steps: int, seed: int = 0) -> list[Any]:
    """Legal actions at random for so many steps, in as many episodes as they take; all that the env returned."""
    rng = np.random.default_rng(seed)
    told = [env.reset(seed=seed)]
    infos = told[0][1]
    for _ in range(steps):
        if not env.agents:
            told.append(env.reset())
            infos = told[-1][1]
        actions = {a: int(rng.choice(np.flatnonzero(infos[a]["action_mask"]))) for a in env.agents}
        told.append(env.step(actions))
        infos = told[-1][4]
    return told


def played(case: str, mode: str, steps: int | None = None) -> Any:
    env = made(case, mode)
    play(env, CASES[case][2] if steps is None else steps)
    return env


@contextmanager
def interactive_backend() -> Iterator[None]:
    """Windows that nobody sees (`tests.rendering.interactive`)."""
    from matplotlib import pyplot

    from tests.rendering.interactive import FigureCanvas, FigureManager

    before = pyplot.get_backend()
    pyplot.switch_backend("module://tests.rendering.interactive")
    FigureManager.shown = 0
    FigureCanvas.waits.clear()
    try:
        yield
    finally:
        pyplot.close("all")
        pyplot.switch_backend(before)
