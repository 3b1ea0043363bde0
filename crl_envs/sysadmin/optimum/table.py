"""The table of optima that comes with the package: what is in it, and how it is made again."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import asdict
from typing import Final

from crl_envs.core import cache
from crl_envs.core.optimum import Optimum
from crl_envs.factored.window_policy import largest_distinct_ring
from crl_envs.sysadmin.dynamics import RING_DYNAMICS
from crl_envs.sysadmin.optimum.certificates import (
    OPTIMA,
    PROGRAMS,
    Table,
    program_value,
    ring_optimum,
    ring_program,
    shipped_table,
    solution_of,
)
from crl_envs.sysadmin.optimum.exact import LARGEST_EXACT_RING
from crl_envs.sysadmin.optimum.ring import RingProblem

HORIZON: Final = 20
START_UP: Final = 0.5
SIZES: Final = (*range(1, 21), 25, 30, 40, 50, 64, 100, largest_distinct_ring(HORIZON))

OPTIMA_HEADER: Final = ("dynamics", "n", "kind", "lower", "upper", "gap", "gap in %")

_TOLERANCE = {"exact": 1e-9, "bound": 1e-5}  # between versions of scipy and NumPy, relative


def table_problems() -> list[RingProblem]:
    """Return the problems of the table: the three rings, by default horizon and start."""
    return [
        RingProblem(dynamics, n, HORIZON, START_UP) for dynamics in RING_DYNAMICS for n in SIZES
    ]


def recomputed_table(watch: Callable[[int, int], None] = lambda done, total: None) -> Table:
    """Compute the table anew, which takes about two minutes.

    Args:
        watch: Called with the number of problems done and their total.
    """
    programs = []
    for dynamics in RING_DYNAMICS:
        program = ring_program(RingProblem(dynamics, LARGEST_EXACT_RING + 1, HORIZON, START_UP))
        value = program_value(solution_of(program, recompute=True))
        programs.append({"key": program._asdict(), "value": value})
    problems = table_problems()
    optima = []
    for done, problem in enumerate(problems):
        watch(done, len(problems))
        optimum = ring_optimum(problem, recompute=True)
        optima.append({"key": asdict(problem), "value": asdict(optimum)})
    watch(len(problems), len(problems))
    return {PROGRAMS: programs, OPTIMA: optima}


def differences(table: Table) -> list[str]:
    """Return where a table differs from the shipped one by more than rounding and solvers do, a line each."""
    shipped = {json.dumps(entry["key"]): entry["value"] for entry in shipped_table()[OPTIMA]}
    lines = []
    for entry in table[OPTIMA]:
        name, value = json.dumps(entry["key"]), entry["value"]
        known = shipped.pop(name, None)
        if known is None:
            lines.append(f"{name}: not shipped")
            continue
        near = _TOLERANCE[value["kind"]] * abs(value["value"])
        for field in ("value", "lower"):
            if abs(value[field] - known[field]) > near:
                lines.append(f"{name}: {field} {value[field]!r}, shipped {known[field]!r}")
    return lines + [f"{name}: shipped, not in the table" for name in shipped]


def table_rows(table: Table) -> list[tuple[str, ...]]:
    """Return a row of text for each optimum of a table, under `OPTIMA_HEADER`."""
    return [
        optimum_row(RingProblem(**entry["key"]), Optimum(**entry["value"]))
        for entry in table[OPTIMA]
    ]


def optimum_row(problem: RingProblem, optimum: Optimum) -> tuple[str, ...]:
    """Return both ends and their gap, as reward a step and, the gap, in percent of the upper end."""
    per_step = 1 / problem.horizon
    gap = optimum.value - optimum.lower
    return (
        problem.dynamics,
        str(problem.n_agents),
        optimum.kind,
        f"{optimum.lower * per_step:.7f}",
        f"{optimum.value * per_step:.7f}",
        f"{gap * per_step:.1e}",
        f"{100 * gap / optimum.value if optimum.value else 0:.5f}",
    )


def as_json(table: Table) -> str:
    """Return the table as text, an entry a line."""
    kinds = []
    for kind, entries in table.items():
        whole = (cache.entry(kind, entry["key"], entry["value"]) for entry in entries)
        lines = ",\n".join(json.dumps(entry, ensure_ascii=False) for entry in whole)
        kinds.append(f"{json.dumps(kind)}: [\n{lines}\n]")
    return "{" + ",\n".join(kinds) + "}\n"
