"""Ends of the optimum of a large binary world on any graph: a relaxation, and a simulated heuristic."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import numpy as np

from crl_envs.core.stream import Stream
from crl_envs.sysadmin.dynamics import REBOOT_COST, up_probability

if TYPE_CHECKING:
    from crl_envs.sysadmin.world import SysadminWorld

_SIMULATED_AGENT_STEPS: Final = 2_000_000


def relaxed_bound(world: SysadminWorld) -> float:
    """Upper bound of the best return, mean over machines, on any graph.

    Every machine chooses, at every step, the states of its parents that suit it best, so that its return is that of a
    two-state problem of its own; it dominates the machine's share by induction over the steps.
    """
    degrees, counts = np.unique(world.parents.degree, return_counts=True)
    total = 0.0
    for degree, count in zip(degrees, counts, strict=True):
        table = up_probability(world.dynamics, int(degree))
        stay = table.max(axis=1)
        cost = REBOOT_COST[world.dynamics]
        value = np.zeros(2)
        for _ in range(world.horizon):
            leave = np.array([0.0, 1.0]) + stay * value[1] + (1 - stay) * value[0]
            reboot = (np.array([0.0, 1.0]) - cost if cost else np.zeros(2)) + value[1]
            value = np.maximum(leave, reboot)
        start = world.start_up * value[1] + (1 - world.start_up) * value[0]
        total += count * start
    return float(total / world.n_agents)


def simulated_heuristic(world: SysadminWorld) -> float:
    """Simulated return, mean over machines, of the better of "reboot when down" and never rebooting."""
    stream_columns = max(1, _SIMULATED_AGENT_STEPS // (world.n_agents * world.horizon))
    returns = []
    for reboot_when_down in (True, False):
        stream = Stream(stream_columns)
        stream.seed(0)
        state = world.initial(stream)
        stream.advance()
        total = 0.0
        for _ in range(world.horizon):
            wanted = (1 - state) if reboot_when_down else np.zeros_like(state)
            state, reward = world.step(state, world.executed(wanted), stream)
            stream.advance()
            total += float(reward.mean(dtype=np.float64))
        returns.append(total)
    return max(returns)
