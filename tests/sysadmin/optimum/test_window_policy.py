"""The window policy against enumeration of joint actions; its simulated return against exact and plain ones."""

from __future__ import annotations

from itertools import product
from typing import Any

import networkx as nx
import numpy as np
import pytest

from crl_envs.core.stream import Stream
from crl_envs.factored.window_policy import greedy_table, largest_distinct_ring, simulate
from crl_envs.factored.window_program import RingRule, window_bound
from crl_envs.sysadmin import SysadminWorld
from crl_envs.sysadmin.dynamics import ring_rule
from crl_envs.sysadmin.optimum.exact import exact_value
from crl_envs.sysadmin.optimum.ring import RingProblem
from tests.sysadmin.reference import BINARY, Problem, State, both_ways, directed_cycle, p_up, pay

each_dynamics = pytest.mark.parametrize("dynamics", BINARY)


def reference_problem(dynamics: str, n: int) -> Problem:
    ring = directed_cycle(n) if dynamics == "ring" else both_ways(nx.cycle_graph(n))
    return Problem(dynamics, ring)


def rule_of(dynamics: str) -> RingRule:
    return ring_rule(dynamics, dynamics != "ring")


def random_weights(rng: np.random.Generator, horizon: int, width: int) -> Any:
    return rng.normal(size=(horizon, 2 ** (width - 1)))


def worth(dynamics: str, weights: Any, window: State, actions: State) -> float:
    """Rewards and next value of a window between machines that are up and left alone."""
    k = len(weights).bit_length()
    states = (1,) * (k + 1) + window + (1,) * (k + 1)
    total, up = 0.0, []
    for i in range(1, len(states) - 1):
        near = (states[i - 1],) if dynamics == "ring" else (states[i - 1], states[i + 1])
        reboot = actions[i - k - 1] if 0 <= i - k - 1 < len(window) else 0
        up.append(1.0 if reboot else p_up(dynamics, states[i], near))
        if 0 <= i - k - 1 < len(window):
            total += pay(dynamics, states[i], reboot)
    for i, index in product(range(len(up) - k + 1), range(len(weights))):
        places = [0] + [j for j in range(1, k) if index >> (j - 1) & 1]
        total += weights[index] * np.prod([up[i + j] for j in places])
    return total


@each_dynamics
@pytest.mark.parametrize("width", [1, 2, 3, 4])
def test_plays_its_part_of_the_best_joint_action(dynamics: str, width: int) -> None:
    """All windows of five machines, by trying all their joint actions."""
    weights = random_weights(np.random.default_rng(width), 2, width)
    table = greedy_table(rule_of(dynamics), weights, radius=2)
    joint = list(product((0, 1), repeat=5))
    for window in joint:
        code = sum(s << d for d, s in enumerate(window))
        best = {
            a: max(worth(dynamics, weights[1], window, x) for x in joint if x[2] == a)
            for a in (0, 1)
        }
        assert table[0, code] == (best[1] > best[0] + 1e-9)


@each_dynamics
def test_nothing_pays_in_the_last_step(dynamics: str) -> None:
    table = greedy_table(rule_of(dynamics), random_weights(np.random.default_rng(0), 3, 2))
    assert table.shape == (3, 128)
    assert not table[-1].any()


@each_dynamics
@pytest.mark.usefixtures("few_episodes")
def test_simulated_return_is_the_policys(dynamics: str) -> None:
    """Any table and weights on a ring of four, five standard errors (false alarm 6e-7 each), three draws."""
    rng = np.random.default_rng(1)
    ring = RingProblem(dynamics, 4, 3)
    for _ in range(3):
        decide = rng.integers(2, size=8, dtype=np.uint8)
        table = np.stack([decide] * 3)

        def policy(s: State, decide: Any = decide) -> State:
            return tuple(int(decide[s[i - 1] + 2 * s[i] + 4 * s[(i + 1) % 4]]) for i in range(4))

        exact = reference_problem(dynamics, 4).policy_value(policy, 3)
        weights = random_weights(rng, 3, 3)
        found = simulate(rule_of(dynamics), ring.n_agents, ring.start_up, table, weights)
        assert 0 < found.standard_error < 0.01
        assert abs(found.mean - exact) < 5 * found.standard_error


@each_dynamics
def test_without_weights_it_is_the_mean_of_the_rewards(dynamics: str) -> None:
    """The world's own rewards under the same stream, added up here; 100 episodes of 20,000 machines."""
    down = 1 - (np.arange(8) >> 1 & 1)
    table = np.stack([down.astype(np.uint8)] * 3)
    found = simulate(rule_of(dynamics), 20_000, 0.5, table, np.zeros((3, 2)), seed=7)
    assert found.episodes == 166
    world, stream = SysadminWorld(20_000, dynamics, horizon=3), Stream(166)
    stream.seed(7)
    state, total = world.initial(stream), 0.0
    for _ in range(3):
        stream.advance()
        state, reward = world.step(state, 1 - state, stream)
        total += float(reward.mean(dtype=np.float64))
    assert found.mean == pytest.approx(total, rel=1e-6)  # rewards are float32


@each_dynamics
@pytest.mark.usefixtures("few_episodes")
def test_a_solutions_weights_take_the_noise_away(dynamics: str) -> None:
    """With V nearly optimal the error is a hundred times less, and the policy's return nearly the optimum."""
    ring = RingProblem(dynamics, 8, 10)
    exact = exact_value(ring.whole())
    solution = window_bound(rule_of(dynamics), 10, 0.5, 3)
    table = greedy_table(rule_of(dynamics), solution.weights)
    plain = simulate(
        rule_of(dynamics), ring.n_agents, ring.start_up, table, np.zeros_like(solution.weights)
    )
    found = simulate(rule_of(dynamics), ring.n_agents, ring.start_up, table, solution.weights)
    assert found.standard_error < plain.standard_error / 20
    assert abs(found.mean - plain.mean) < 5 * plain.standard_error
    assert 0.999 * exact < found.mean - 4 * found.standard_error <= exact


@each_dynamics
def test_larger_rings_make_no_difference(dynamics: str) -> None:
    """Windows of three and two steps reach two machines each way: from five machines on one return, below others."""
    decide = np.random.default_rng(3).integers(2, size=8)
    returns = {}
    for n in (3, 5, 6, 7):

        def policy(s: State, n: int = n) -> State:
            return tuple(int(decide[s[i - 1] + 2 * s[i] + 4 * s[(i + 1) % n]]) for i in range(n))

        returns[n] = reference_problem(dynamics, n).policy_value(policy, 2)
    assert largest_distinct_ring(2, radius=1) == 5
    assert returns[5] == pytest.approx(returns[6], abs=1e-13)
    assert returns[5] == pytest.approx(returns[7], abs=1e-13)


@each_dynamics
@pytest.mark.usefixtures("few_episodes")
def test_is_deterministic(dynamics: str) -> None:
    weights = random_weights(np.random.default_rng(0), 2, 2)
    table = greedy_table(rule_of(dynamics), weights, radius=1)
    runs = [simulate(rule_of(dynamics), 30_000, 0.5, table, weights) for _ in range(2)]
    assert runs[0] == runs[1]
