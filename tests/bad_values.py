"""Values that nobody should pass for an argument, and somebody will; for tests of what arguments do with them."""

from __future__ import annotations

from decimal import Decimal
from fractions import Fraction
from typing import Any

import numpy as np


class Mute:
    """Raises in whatever a check or a message may ask of it."""

    def __repr__(self) -> str:
        raise RuntimeError("no repr")

    def __index__(self) -> int:
        raise RuntimeError("no index")

    def __float__(self) -> float:
        raise RuntimeError("no float")

    def __eq__(self, other: object) -> bool:
        raise RuntimeError("no equality")

    __hash__ = None  # type: ignore[assignment]


NO_NUMBERS: dict[str, Any] = {
    "None": None,
    "text": "0.5",
    "bytes": b"0.5",
    "bytearray": bytearray(b"1"),
    "long text": "x" * 1_000_000,
    "True": True,
    "NumPy's True": np.True_,
    "array of a bool": np.array(True),
    "complex": 1j,
    "NumPy's complex": np.complex128(1 + 2j),
    "nan": float("nan"),
    "NumPy's nan": np.float32("nan"),
    "Decimal nan": Decimal("NaN"),
    "inf": float("inf"),
    "-inf": float("-inf"),
    "list": [1],
    "dict": {},
    "set": {1},
    "array": np.array([1, 2]),
    "large array": np.zeros(100_000),
    "text array": np.array("1"),
    "object": object(),
    "class": int,
    "mute": Mute(),
}
"""By name, what no argument that is a number takes."""

TOO_LARGE: dict[str, Any] = {
    "1e300": 1e300,
    "-1e300": -1e300,
    "2^70": 2**70,
    "-2^70": -(2**70),
    "10^400": 10**400,
    "10^5000": 10**5000,
    "-10^5000": -(10**5000),
    "Decimal": Decimal("1e999999"),
    "Fraction": Fraction(10**400, 3),
}
"""By name, numbers that no argument takes."""

EXTREME: dict[str, Any] = {
    "-1": -1,
    "0": 0,
    "-0.0": -0.0,
    "0.5": 0.5,
    "5e-324": 5e-324,
    "1e30": 1e30,
    "-1e30": -1e30,
    "2^31 - 1": 2**31 - 1,
    "2^31": 2**31,
    "2^63 - 1": 2**63 - 1,
    "2^63": 2**63,
    "2^64": 2**64,
    "200,000,000": 200_000_000,
    "10^12": 10**12,
    "Decimal 1": Decimal(1),
    "Fraction 1/2": Fraction(1, 2),
    "NumPy's int": np.int8(1),
    "NumPy's float": np.float32(0.5),
    "array of one": np.array(1),
}
"""By name, numbers that some argument may take and others must refuse."""

BAD_VALUES: dict[str, Any] = {**NO_NUMBERS, **TOO_LARGE, **EXTREME}
