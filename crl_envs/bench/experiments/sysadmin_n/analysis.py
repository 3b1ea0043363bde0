"""How the scores of ``sysadmin-n`` are read: exponents, beside two guides."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any, Final

from crl_envs.bench.experiments.experiment import Analysis, Reference, Value
from crl_envs.bench.experiments.verdicts import comparison, scaling_verdict

_ANCHOR: Final = 8
_STEPS: Final = 20 * 70  # what REINFORCE on local rewards takes to .9, at any n


def references(values: Sequence[Value]) -> list[Reference]:
    """Growth as n and as ln n from one point: 70 episodes at n = 8. The paper has no constants for SYSADMIN."""
    sizes = [int(value) for value in values]
    through = f"through {_STEPS:,} env steps at n = {_ANCHOR}"
    linear = [_STEPS * n / _ANCHOR for n in sizes]
    logarithmic = [_STEPS * math.log(n) / math.log(_ANCHOR) for n in sizes]
    return [
        Reference(f"guide: proportional to n, {through}", sizes, linear),
        Reference(f"guide: proportional to ln n, {through}", sizes, logarithmic),
    ]


def verdict(summary: Mapping[str, Any]) -> list[str]:
    """Exponents, and the global reward's price."""
    return [
        *scaling_verdict(summary, "n"),
        *comparison(summary, "n", "reinforce-global", "reinforce-local"),
        *comparison(summary, "n", "model-based-global", "model-based-local"),
    ]


ANALYSIS: Final = Analysis(scaling=True, references=references, verdict=verdict)
