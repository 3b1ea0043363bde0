"""Compare what examples print with what is stored of it, by no more digits than every processor gives."""

from __future__ import annotations

import re

import pytest

DECIMAL = re.compile(r"\d+\.\d+(?:e[+-]?\d+)?")


def assert_same(printed: str, stored: str) -> None:
    """Hold words, integers and signs to be equal, and decimal numbers to nine digits.

    Processors add and multiply in different orders, and so differ from the sixteenth digit on.
    """
    assert DECIMAL.split(printed) == DECIMAL.split(stored)
    numbers = [float(number) for number in DECIMAL.findall(stored)]
    assert [float(number) for number in DECIMAL.findall(printed)] == pytest.approx(
        numbers, rel=1e-9
    )
