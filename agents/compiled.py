"""What the compiled loops share; imported only where Numba is."""

# mypy: disable-error-code="no-untyped-def,misc,no-untyped-call"
from __future__ import annotations

import zlib
from pathlib import Path
from types import ModuleType

from numba import njit


def source_digest(*modules: ModuleType) -> int:
    """A number that changes with the modules' source.

    Numba keeps compiled code for as long as the file of the outermost function is the same, whatever it calls from
    other files. A function that has this number in its closure is compiled anew when one of them changes.
    """
    digest = 0
    for module in modules:
        digest = zlib.crc32(Path(str(module.__file__)).read_bytes(), digest)
    return digest


@njit(cache=True, nogil=True, _nrt=False)
def take_mean(values, nonzero, count):
    """The mean as `crl_envs.core.reduction.team_reward` adds it up; leaves zeros. All but `nonzero` are zero."""
    n = values.size
    if count <= 1:
        total = 0.0
        for position in range(count):
            total = values[nonzero[position]]
            values[nonzero[position]] = 0.0
        return total / n
    length = n
    while length > 1:
        half = length // 2
        odd = values[length - 1]
        for i in range(half):
            values[i] = values[i] + values[half + i]
        if length % 2:
            values[0] += odd
        length = half
    total = values[0]
    values[:] = 0.0
    return total / n
