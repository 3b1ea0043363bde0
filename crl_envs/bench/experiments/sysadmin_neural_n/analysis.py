"""How the scores of ``sysadmin-neural-n`` are read: exponents, beside the two guides of ``sysadmin-n``."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from crl_envs.bench.experiments.experiment import Analysis
from crl_envs.bench.experiments.neural import comparisons
from crl_envs.bench.experiments.sysadmin_n.analysis import references
from crl_envs.bench.experiments.verdicts import scaling_verdict


def verdict(summary: Mapping[str, Any]) -> list[str]:
    """Exponents, the global reward's price, and what sharing parameters saves."""
    return [*scaling_verdict(summary, "n"), *comparisons(summary)]


ANALYSIS: Final = Analysis(scaling=True, references=references, verdict=verdict)
