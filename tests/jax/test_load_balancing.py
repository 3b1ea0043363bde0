"""Load balancing's tables for a device: the numbers that adding up chances in double precision gives."""

from __future__ import annotations

import math

import numpy as np
import pytest
from numpy.typing import NDArray

from crl_envs.core.array_form import Chance
from crl_envs.load_balancing.array_form import _arrivals, _departures
from crl_envs.load_balancing.problem import LoadBalancingProblem

Words = NDArray[np.uint64]


def about(limits: Words) -> list[int]:
    """Words at each limit and beside it, and some others."""
    near = np.concatenate([limits.ravel(), [0, 2**32 - 1], np.arange(0, 2**32, 2**26)])
    every = {int(word) + d for word in near.tolist() for d in (-1, 0, 1)}
    return sorted(word for word in every if 0 <= word < 2**32)


def beyond(limits: Words, word: int) -> int:
    """How many limits in a row a word isn't below, as devices compare it."""
    last, some = Chance.below(limits)
    return int(np.logical_and.accumulate(~((np.uint32(word) <= last) & some)).sum())


@pytest.mark.parametrize("rate", [1e-9, 0.3, 7.0, 60.0, 500.0])
def test_poisson_numbers(rate: float) -> None:
    limits = _arrivals(LoadBalancingProblem(arrival_rate=rate).rules)
    for word in about(limits):
        u, arrivals = (word + 0.5) * 2.0**-32, 0
        p = below = math.exp(-rate)
        while u >= below:
            arrivals += 1
            p = p * (rate / arrivals)
            below = below + p
        assert beyond(limits, word) == arrivals


@pytest.mark.parametrize(
    ("rate", "capacity"), [(1e-9, 30), (0.02, 60), (0.5, 9), (0.97, 20), (0.999, 5)]
)
def test_binomial_numbers(rate: float, capacity: int) -> None:
    problem = LoadBalancingProblem(
        n_agents=1, capacity=capacity, departure_rate=rate, n_loads="endless"
    )
    limits = _departures(problem.rules)
    assert len(limits) == capacity + 1
    for stored, row in enumerate(limits):
        for word in about(row):
            u, leaving = (word + 0.5) * 2.0**-32, 0
            p = below = (1.0 - rate) ** np.float64(stored)
            while u >= below and leaving < stored:
                p = p * ((stored - leaving) / (leaving + 1)) * (rate / (1 - rate))
                below = below + p
                leaving += 1
            assert min(beyond(row, word), stored) == leaving
