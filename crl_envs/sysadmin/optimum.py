"""The optimum of binary SYSADMIN on any graph."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from crl_envs.core.optimum import Optimum
from crl_envs.sysadmin.certificates import ring_optimum
from crl_envs.sysadmin.relaxation import relaxed_bound, simulated_heuristic
from crl_envs.sysadmin.ring_problem import ring_problem
from crl_envs.sysadmin.value_iteration import exact_value, largest_exact

if TYPE_CHECKING:
    from crl_envs.sysadmin.world import SysadminWorld


_LONGEST: Final = 10_000  # steps; the time grows with them or with their square


def find_optimum(world: SysadminWorld) -> Optimum:
    """The best expected episode return over policies that see all machines, mean over machines.

    - The ring of the dynamics, however its machines are numbered: exact for n ≤ 14, beyond a certificate with an upper
      and a lower end that nearly meet (`crl_envs.sysadmin.certificates.ring_optimum`).
    - Horizons above 10,000, on any graph: a reward of 1 in each step, and 0, without computing anything.
    - Another graph: exact for n ≤ 9, or 14 where rotating it changes nothing. Beyond, the relaxation in which every
      machine chooses its parents' states, and the simulated return of a heuristic. The same for a large ring whose
      certificate would have to be computed where scipy isn't installed.
    """
    missing = ""
    if world.horizon > _LONGEST:
        method = (
            f"upper: every machine always up; lower: never rebooting (horizon above {_LONGEST})"
        )
        return Optimum(float(world.horizon), "bound", method, 0.0)
    if problem := ring_problem(world):
        try:
            return ring_optimum(problem)
        except (ImportError, RuntimeError) as error:
            missing = f" ({error}; a certificate needs it)"
    elif world.n_agents <= largest_exact(world):
        value = exact_value(world)
        return Optimum(value, "exact", "value iteration over joint states", value)
    return Optimum(
        relaxed_bound(world),
        "bound",
        "upper: each machine chooses its parents' states; "
        f"lower: simulated mean of reboot-when-down or never rebooting{missing}",
        simulated_heuristic(world),
    )
