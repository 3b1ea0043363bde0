"""The optimum of ring SYSADMIN for every n: exact up to 14 machines, beyond between two ends; shipped, kept, computed.

A certificate's upper end is the window program's (`window_program`), the same for every n. Its lower end belongs to the
window policy that is greedy in the program's solution (`window_policy`): the mean of simulated episodes minus four
standard errors, which the policy's return is below with probability 3e-5. From 6T + 1 machines on (121 by default) that
return is the same on every ring, so that one simulation serves them all.

Both ends are of the model with real probabilities, which the world's 32-bit draws round by some 1e-9 of the value.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import asdict, replace
from functools import lru_cache
from importlib.resources import files
from typing import Any, Final, NamedTuple, TypeVar

import numpy as np

from crl_envs.core import cache
from crl_envs.core.optimum import Optimum
from crl_envs.factored.window_policy import (
    RADIUS,
    greedy_table,
    largest_distinct_ring,
    simulate,
)
from crl_envs.factored.window_program import WindowBound, window_bound
from crl_envs.sysadmin.dynamics import ring_rule
from crl_envs.sysadmin.optimum.exact import LARGEST_EXACT_RING, exact_value
from crl_envs.sysadmin.optimum.ring import RingProblem

STANDARD_ERRORS: Final = 4.0

OPTIMA: Final = "sysadmin-optimum-1"  # kinds of results, with the version of their format
PROGRAMS: Final = "sysadmin-window-program-1"

_LONGEST_WIDE = 24  # horizon of the widest windows both ways, half a minute
_QUICK = 10  # up to this n value iteration takes less than a second, and isn't kept

Table = dict[str, list[dict[str, Any]]]
_Result = TypeVar("_Result")


class Program(NamedTuple):
    """What a solution of the window program depends on.

    Attributes:
        dynamics: One of `crl_envs.sysadmin.dynamics.BINARY_DYNAMICS`.
        horizon: Steps of an episode T.
        start_up: Probability of starting up.
        width: Window's width k.
    """

    dynamics: str
    horizon: int
    start_up: float
    width: int


def ring_optimum(problem: RingProblem, recompute: bool = False) -> Optimum:
    """The optimum of a ring: shipped with the package, else from the cache on disk, else computed and kept there.

    Computing takes, by default horizon, up to 20 s for n = 14 (exact). For larger n the program takes 20 s, once for
    each dynamics, horizon and start (3 s in ``ring``), and the simulation .5 s for each n. Long horizons: the program's
    time stays below half a minute, the simulation's grows as T² from half a minute at T = 1,000 if n ≥ 6T.

    Args:
        problem: Any n ≥ 1.
        recompute: Use nothing that is shipped or kept.

    Raises:
        ImportError: The window program has to be solved, and scipy isn't installed.
        RuntimeError: HiGHS found no optimum of it.
    """
    alike = _smallest_alike(problem)
    key = asdict(alike)
    optimum = None if recompute else _known(OPTIMA, key, _as_optimum)
    if optimum is None:
        optimum = _computed(alike, recompute)
        if alike.n_agents > _QUICK:
            cache.store(OPTIMA, key, asdict(optimum))
    return optimum


def ring_program(problem: RingProblem) -> Program:
    """Return the window program that a ring's certificate rests on.

    Its windows are of four machines (a gap of 1e-4 % of the value in ``ring``, 2e-2 % both ways, in 3 s), and of five
    where that pays: both ways, for a horizon of at most 24 (a gap of 2e-3 % at most, in 20 s).
    """
    wide = problem.both_ways and problem.horizon <= _LONGEST_WIDE
    return Program(problem.dynamics, problem.horizon, problem.start_up, 5 if wide else 4)


def solution_of(program: Program, recompute: bool = False) -> WindowBound:
    """Return a window program's solution, found as in `ring_optimum`."""
    solution = None if recompute else _known(PROGRAMS, program._asdict(), _as_solution(program))
    if solution is None:
        solution = _solved(program)
        cache.store(PROGRAMS, program._asdict(), program_value(solution))
    return solution


def program_value(solution: WindowBound) -> dict[str, Any]:
    """Return a solution in JSON's types."""
    return {
        "bound": solution.bound,
        "gains": solution.gains.tolist(),
        "weights": solution.weights.tolist(),
    }


def _smallest_alike(problem: RingProblem) -> RingProblem:
    """Return the smallest ring of which the same is known."""
    enough = max(largest_distinct_ring(problem.horizon), LARGEST_EXACT_RING + 1)
    return replace(problem, n_agents=min(problem.n_agents, enough))


def _computed(problem: RingProblem, recompute: bool) -> Optimum:
    if problem.n_agents <= LARGEST_EXACT_RING:
        value = exact_value(problem.whole())
        return Optimum(value, "exact", "value iteration over joint states", value)
    program = ring_program(problem)
    solution = solution_of(program, recompute)
    rule = ring_rule(problem.dynamics, problem.both_ways)
    table = greedy_table(rule, solution.weights)
    simulated = simulate(rule, problem.n_agents, problem.start_up, table, solution.weights)
    lower = simulated.mean - STANDARD_ERRORS * simulated.standard_error
    alike = " or more" if problem.n_agents >= largest_distinct_ring(problem.horizon) else ""
    method = (
        f"upper: linear program over functions of {program.width} machines, for every n; lower: the policy that is "
        f"greedy in its solution, on windows of {2 * RADIUS + 1} machines: mean − {STANDARD_ERRORS:g} standard errors "
        f"of {simulated.episodes} simulated episodes, n = {problem.n_agents}{alike}"
    )
    return Optimum(solution.bound, "bound", method, min(lower, solution.bound))


@lru_cache(maxsize=8)
def _solved(program: Program) -> WindowBound:
    rule = ring_rule(program.dynamics, RingProblem(program.dynamics, 1).both_ways)
    return window_bound(rule, program.horizon, program.start_up, program.width)


def shipped_table() -> Table:
    """Return the entries of each kind of result, as in the cache: a ``key``, its ``value`` and their ``digest``."""
    text = files("crl_envs.sysadmin.optimum").joinpath("optima.json").read_text("utf-8")
    table: Table = json.loads(text)
    return table


def shipped(kind: str, key: Mapping[str, Any]) -> Any:
    """Return the shipped value for a key, or None."""
    return _by_key().get((kind, _text(key)))


@lru_cache(maxsize=1)
def _by_key() -> dict[tuple[str, str], Any]:
    found = {}
    for kind, entries in shipped_table().items():
        for entry in entries:
            with suppress(KeyError, TypeError, ValueError):  # a changed one is computed anew
                found[kind, _text(entry["key"])] = cache.value_of(kind, entry)
    return found


def _text(key: Mapping[str, Any]) -> str:
    return json.dumps(dict(key), sort_keys=True)


def _known(
    kind: str, key: Mapping[str, Any], decode: Callable[[Any], _Result | None]
) -> _Result | None:
    """Return what is shipped or kept on disk; None without it, and where it makes no sense."""
    value = shipped(kind, key)
    if value is None:
        value = cache.load(kind, key)
    with suppress(KeyError, TypeError, ValueError):
        return None if value is None else decode(value)
    return None


def _as_optimum(value: Any) -> Optimum | None:
    optimum = Optimum(float(value["value"]), value["kind"], value["method"], float(value["lower"]))
    sane = optimum.kind in ("exact", "bound") and isinstance(optimum.method, str)
    return optimum if sane and -np.inf < optimum.lower <= optimum.value < np.inf else None


def _as_solution(program: Program) -> Callable[[Any], WindowBound | None]:
    def decode(value: Any) -> WindowBound | None:
        gains, weights = (np.array(value[name], np.float64) for name in ("gains", "weights"))
        solution = WindowBound(float(value["bound"]), gains, weights)
        shapes = (program.horizon,), (program.horizon, 2 ** (program.width - 1))
        sane = all(np.isfinite(part).all() for part in solution)
        return solution if sane and (gains.shape, weights.shape) == shapes else None

    return decode
