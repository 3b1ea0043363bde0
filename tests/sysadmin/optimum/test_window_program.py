"""The window program's bound against exact optima, and its inequalities against plain enumeration."""

from __future__ import annotations

from functools import cache
from itertools import pairwise
from typing import Any

import numpy as np
import pytest

from crl_envs.factored.window_program import (
    WindowBound,
    ring_windows,
    set_sizes,
    window_bound,
)
from crl_envs.sysadmin.dynamics import ring_rule
from crl_envs.sysadmin.optimum.exact import exact_value, joint_bits
from crl_envs.sysadmin.optimum.ring import RingProblem
from crl_envs.sysadmin.transition_model import transition_model
from tests.sysadmin.reference import BINARY, p_up, pay

each_dynamics = pytest.mark.parametrize("dynamics", BINARY)


@cache
def bound_of(dynamics: str, width: int, horizon: int = 20, start_up: float = 0.5) -> WindowBound:
    return window_bound(ring_rule(dynamics, dynamics != "ring"), horizon, start_up, width)


@cache
def exact_of(dynamics: str, n: int, horizon: int = 20, start_up: float = 0.5) -> float:
    return exact_value(RingProblem(dynamics, n, horizon, start_up).whole())


def values(solution: WindowBound, n: int) -> Any:
    """``float64[T + 1, 2^n]``: V_t of every joint state, summed over machines."""
    states = joint_bits(n)
    horizon, n_sets = solution.weights.shape
    total = np.zeros((horizon + 1, 2**n))
    total[:-1] += n * np.cumsum(solution.gains[::-1])[::-1][:, None]
    for index in range(n_sets):
        places = [0] + [j for j in range(1, n_sets.bit_length()) if index >> (j - 1) & 1]
        together = np.prod([np.roll(states, -j, axis=1) for j in places], axis=0).sum(axis=1)
        total[:-1] += solution.weights[:, index, None] * together
    return total


@each_dynamics
@pytest.mark.parametrize(("width", "n"), [(1, 3), (2, 3), (3, 3), (3, 4), (3, 5), (4, 4), (4, 5)])
def test_its_values_dominate_every_joint_action_in_every_joint_state(
    dynamics: str, width: int, n: int
) -> None:
    """V_t(s) ≥ R(s, a) + E[V_{t+1} | s, a] by the explicit model: what the potential stands for."""
    solution = bound_of(dynamics, width, 6, 0.3)
    model = transition_model(RingProblem(dynamics, n, 6, 0.3).whole())
    value = values(solution, n)
    for now, later in pairwise(value):
        assert (now[:, None] >= model.reward.sum(axis=2) + model.probability @ later - 1e-12).all()
    assert model.initial @ value[0] / n == pytest.approx(solution.bound, rel=1e-13)


@each_dynamics
@pytest.mark.parametrize("width", [1, 2, 3])
@pytest.mark.parametrize(("horizon", "start_up"), [(8, 0.5), (5, 0.0), (5, 1.0), (1, 0.3)])
def test_no_ring_does_better(dynamics: str, width: int, horizon: int, start_up: float) -> None:
    """Every n ≤ 12 that is at least as long as the window; n ≤ 9 away from the default start."""
    largest = 12 if start_up == 0.5 else 9
    exact = [exact_of(dynamics, n, horizon, start_up) for n in range(max(width, 3), largest + 1)]
    assert bound_of(dynamics, width, horizon, start_up).bound >= max(exact) - 1e-12


@each_dynamics
def test_wider_windows_bound_no_worse(dynamics: str) -> None:
    """Windows of three are worth having, and come within .15 % of eight machines' optimum."""
    bounds = [bound_of(dynamics, width).bound for width in (1, 2, 3)]
    assert bounds[0] > bounds[1] > bounds[2]
    exact = exact_of(dynamics, 8)
    assert exact <= bounds[2] <= 1.0015 * exact


def test_wider_than_three() -> None:
    assert bound_of("ring", 4).bound < bound_of("ring", 3).bound


def test_the_specifications_figure() -> None:
    """Windows of three give .8903 a step in the default."""
    assert round(bound_of("ring", 3).bound / 20, 4) == 0.8903


@each_dynamics
def test_one_step_earns_what_is_up(dynamics: str) -> None:
    assert bound_of(dynamics, 2, 1, 0.3).bound == pytest.approx(0.3, abs=1e-12)


@each_dynamics
def test_a_long_horizon_shares_its_middle(dynamics: str) -> None:
    """60 steps, of which 24 share one function: a bound, and within .15 % of the optimum of seven machines."""
    solution = bound_of(dynamics, 3, 60)
    assert solution.weights.shape == (60, 4)
    exact = exact_of(dynamics, 7, 60)
    assert exact <= solution.bound <= 1.0015 * exact
    value = values(solution, 4)
    model = transition_model(RingProblem(dynamics, 4, 60).whole())
    for now, later in pairwise(value):
        assert (now[:, None] >= model.reward.sum(axis=2) + model.probability @ later - 1e-10).all()


def test_is_deterministic() -> None:
    again = window_bound(ring_rule("ippc2011", True), 6, 0.3, 3)
    first = bound_of("ippc2011", 3, 6, 0.3)
    assert again.bound == first.bound
    assert (again.weights == first.weights).all()


@each_dynamics
def test_windows_are_those_of_the_papers_tables(dynamics: str) -> None:
    """Every local function of windows of two, machine by machine."""
    windows = ring_windows(ring_rule(dynamics, dynamics != "ring"), 2)
    for states, actions, reward, now, later in zip(*windows[:5], strict=True):
        up = []
        for i, reboot in enumerate(actions.tolist()):
            own = int(states[1 + i])
            near = [states[i]] if dynamics == "ring" else [states[i], states[i + 2]]
            up.append(1.0 if reboot else p_up(dynamics, own, tuple(map(int, near))))
        assert reward == pay(dynamics, int(states[1]), int(actions[0]))
        assert now.tolist() == [states[1], states[1] * states[2]]
        assert later.tolist() == pytest.approx([up[0], up[0] * up[1]], abs=1e-15)
    assert set_sizes(3).tolist() == [1, 2, 2, 3]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("star", True, 20, 0.5, 3), "dynamics must be one of"),
        (("ring", False, 0, 0.5, 3), "horizon must be an integer ≥ 1, got 0"),
        (("ring", False, 20, 1.5, 3), "start_up must be"),
        (("ring", False, 20, 0.5, 6), r"width must be an integer in \[1, 5\], got 6"),
    ],
)
def test_bad_arguments(arguments: Any, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        window_bound(ring_rule(*arguments[:2]), *arguments[2:])
