"""The optimum of binary SYSADMIN on any graph, and both its ends where it isn't known."""

from __future__ import annotations

from dataclasses import replace
from typing import Final

import numpy as np

from crl_envs.core.optimum import Optimum
from crl_envs.core.simulated import ERRORS, columns_for, low_return
from crl_envs.sysadmin.array_form import array_form
from crl_envs.sysadmin.dynamics import LOCK, reward, transition
from crl_envs.sysadmin.optimum.certificates import ring_optimum
from crl_envs.sysadmin.optimum.exact import LARGEST_EXACT_RING, exact_value, largest_exact
from crl_envs.sysadmin.optimum.ring import ring_problem
from crl_envs.sysadmin.problem import SysadminProblem

_LONGEST: Final = 10_000  # steps; the time grows with them or with their square
_LONGEST_EXACT: Final = 100  # steps, with the most machines on a ring: a second of CPU time each
_MOST_WALKED: Final = 20_000_000  # machines × steps
_FEWEST_WALKED: Final = 100  # machines, that take as long as fewer do
_SIMULATED_AGENT_STEPS: Final = 2_000_000


def find_optimum(problem: SysadminProblem) -> Optimum:
    """Return the best expected episode return over policies that see all machines, mean over machines.

    - The ring of the dynamics, however its machines are numbered: exact for n ≤ 14, beyond a certificate with an upper
      and a lower end that nearly agree (`crl_envs.sysadmin.optimum.certificates.ring_optimum`).
    - Exact values, here and below, take up to a few minutes: horizons to 100 for n = 14, to 400 for n = 13, and so on.
    - ``lock``, while n · T is at most 20 million and T 200,000: exact on any graph.
    - Horizons above 10,000, on any graph: a reward of 1 in each step, and 0, without computing anything.
    - Another graph: exact for n ≤ 9, or 14 where rotating it changes nothing. Beyond, the relaxation in which every
      machine chooses its parents' states, and what a heuristic earns in a simulation, less four standard errors, or 0
      where simulating would take too long. The same for a large ring whose certificate would have to be computed where
      scipy isn't installed.
    """
    missing = ""
    if (
        problem.dynamics == LOCK
        and max(problem.n, _FEWEST_WALKED) * problem.horizon <= _MOST_WALKED
    ):
        value = lock_value(problem)
        return Optimum(value, "exact", "never rebooting, which only locks", value)
    if problem.horizon > _LONGEST:
        method = (
            f"upper: every machine always up; lower: never rebooting (horizon above {_LONGEST})"
        )
        return Optimum(float(problem.horizon), "bound", method, 0.0)
    exact = problem.n <= largest_exact(problem)
    lasts = exact and problem.horizon > _LONGEST_EXACT * 4 ** (LARGEST_EXACT_RING - problem.n)
    ring = ring_problem(problem)
    if lasts:
        missing = " (an exact value would take hours)"
    elif ring:
        try:
            return ring_optimum(ring)
        except (ImportError, RuntimeError) as error:
            missing = f" ({error}; a certificate needs it)"
    elif exact:
        value = exact_value(problem)
        return Optimum(value, "exact", "value iteration over joint states", value)
    upper, (lower, how) = relaxed_bound(problem), simulated_heuristic(problem)
    method = f"upper: each machine chooses its parents' states; lower: {how}{missing}"
    return Optimum(upper, "bound", method, min(lower, upper))


def lock_value(problem: SysadminProblem) -> float:
    """Return the return of never rebooting in ``lock``, mean over machines: the best, as a reboot only locks.

    Left alone, a machine is open at step t when all those were open at the start from which a walk of t edges leads to
    it. Some walks of that length are found from those one shorter, machine by machine.
    """
    n = problem.n
    indptr, indices = problem.parents
    degree = problem.parents.degree
    machine, source = np.arange(n), np.arange(n)
    total = 0.0
    for _ in range(problem.horizon):
        total += float(((1 - problem.start_up) ** np.bincount(machine, minlength=n)).mean())
        steps = degree[source]
        first = np.cumsum(steps) - steps
        offset = np.arange(steps.sum()) - np.repeat(first - indptr[source], steps)
        pairs = np.unique(np.repeat(machine, steps) * n + indices[offset])
        machine, source = np.divmod(pairs, n)
    return total


def relaxed_bound(problem: SysadminProblem) -> float:
    """Return an upper bound of the best return, mean over machines, on any graph.

    Every machine chooses, at every step, the states of its parents that suit it best, so that its return is that of a
    two-state problem of its own; it dominates the machine's share by induction over the steps.
    """
    degrees, counts = np.unique(problem.parents.degree, return_counts=True)
    paid = reward(problem.dynamics).T  # [action, state]
    total = 0.0
    for degree, count in zip(degrees, counts, strict=True):
        up = transition(problem.dynamics, int(degree))[..., 1].swapaxes(
            0, 1
        )  # [action, state, ups]
        value = np.zeros(2)
        for _ in range(problem.horizon):
            ahead = (up * value[1] + (1 - up) * value[0]).max(axis=2)
            value = (paid + ahead).max(axis=0)
        start = problem.start_up * value[1] + (1 - problem.start_up) * value[0]
        total += count * start
    return float(total / problem.n)


def simulated_heuristic(problem: SysadminProblem) -> tuple[float, str]:
    """Return what a simulated rule earns at least, mean over machines, and how that is known."""
    columns = columns_for(problem.n, problem.horizon, 2)
    if not columns:
        return 0.0, "no reward is negative"
    # More than elsewhere, where they are cheap: in a star, machines are up and down together, so that episodes differ.
    columns = max(columns, _SIMULATED_AGENT_STEPS // (problem.n * problem.horizon))
    form = array_form(replace(problem, relabel=False))
    rules = (lambda up: 1 - up, np.zeros_like)
    low = max(low_return(form, problem.n, problem.horizon, rule, columns) for rule in rules)
    return low, f"reboot-when-down or never rebooting, simulated, less {ERRORS:g} standard errors"
