"""Scores, samples-to-ε, exponents and n* of logs whose answers are known."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import binom

from crl_envs.bench.score.measures import (
    Landmarks,
    Log,
    final_scores,
    largest_solved,
    normalised,
    samples_interval,
    samples_of_mean,
    samples_to,
    samples_to_epsilon,
    scaling_exponent,
    score_between,
)
from crl_envs.core.optimum import Optimum

TASK = Landmarks(random=-3.0, upper=5.0, lower=5.0)
UNIT = Landmarks(random=0.0, upper=1.0, lower=1.0)
NAN, INF = math.nan, math.inf


def planted_log(scale, runs, rng, spread=0.3, evaluations=61):
    """Scores 1 − exp(−t/τ) with log-normal τ around `scale`: ln 10 · τ steps to a score of .9."""
    budgets = np.linspace(0, 12 * scale, evaluations)
    speed = scale * np.exp(spread * rng.standard_normal((runs, 1)))
    return Log(budgets, 1 - np.exp(-budgets / speed))


def test_random_scores_zero_and_the_optimum_one_whatever_their_returns():
    scores = normalised(np.array([[-3.0, 5.0], [1.0, -7.0]]), TASK)
    assert scores.tolist() == [[0.0, 1.0], [0.5, -0.5]]


@given(
    st.floats(-100, 100),
    st.floats(0.1, 100),
    st.lists(st.floats(-200, 200), min_size=1, max_size=5),
    st.floats(0.1, 10),
    st.floats(-50, 50),
)
def test_a_score_does_not_depend_on_the_scale_of_the_rewards(random, span, returns, scale, shift):
    returns = np.array(returns)
    there = Landmarks(random * scale + shift, (random + span) * scale + shift, -INF)
    expected = normalised(returns, Landmarks(random, random + span, -INF))
    found = normalised(returns * scale + shift, there)
    np.testing.assert_allclose(found, expected, rtol=1e-6, atol=1e-6)


def test_a_certificate_leaves_the_range_between_its_two_ends():
    landmarks = Landmarks(random=0.0, upper=10.0, lower=8.0)
    assert score_between(0.6, landmarks) == pytest.approx((0.6, 0.6, 0.75))
    assert score_between(-0.6, landmarks) == pytest.approx((-0.6, -0.75, -0.6))
    assert score_between(0.6, TASK) == (0.6, 0.6, 0.6)


@given(st.floats(-20, 20), st.floats(0.1, 10), st.floats(0, 10), st.floats(0, 1))
def test_the_score_against_the_true_optimum_lies_in_the_range(value, lower, width, where):
    landmarks = Landmarks(0.0, lower + width, lower)
    truth = Landmarks(0.0, lower + where * width, -INF)
    low, high = score_between(float(normalised(np.array(value), landmarks)), landmarks)[1:]
    slack = 1e-9 * (1 + abs(low) + abs(high))
    assert low - slack <= float(normalised(np.array(value), truth)) <= high + slack


def test_without_a_lower_end_above_random_the_range_is_unbounded():
    for lower in (-INF, -1.0, 0.0):
        landmarks = Landmarks(0.0, 10.0, lower)
        assert score_between(0.5, landmarks) == (0.5, 0.5, INF)
        assert score_between(-0.5, landmarks) == (-0.5, -INF, -0.5)
        assert score_between(0.0, landmarks) == (0.0, 0.0, 0.0)


def test_landmarks_of_an_environments_optimum():
    optimum = Optimum(17.8, "bound", "by hand", 17.5)
    assert Landmarks.of(8.8, optimum) == Landmarks(8.8, 17.8, 17.5)


@pytest.mark.parametrize(
    ("random", "upper", "lower", "message"),
    [
        (1.0, 1.0, 1.0, "upper must be above random, 1.0, got 1.0"),
        (0.89, 0.89 * (1 + 1e-12), 0.0, "upper must be above random"),
        (2.0, 1.0, 1.0, "upper must be above random, 2.0, got 1.0"),
        (0.0, 1.0, 1.5, "lower must be a finite number in"),
        (0.0, 1.0, NAN, "lower"),
        (NAN, 1.0, 1.0, "random"),
        (0.0, INF, 1.0, "upper"),
        ("0", 1.0, 1.0, "random"),
    ],
)
def test_bad_landmarks(random, upper, lower, message):
    with pytest.raises(ValueError, match=message):
        Landmarks(random, upper, lower)


@pytest.mark.parametrize(
    ("budgets", "returns", "message"),
    [
        ([0, 0], [[1.0, 2.0]], "budgets must be ascending"),
        ([2, 1], [[1.0, 2.0]], "budgets must be ascending"),
        ([-1, 1], [[1.0, 2.0]], "budgets must be ascending and ≥ 0"),
        ([0, NAN], [[1.0, 2.0]], "budgets must be ascending"),
        ([], [[]], "budgets must have 1 dimensions"),
        ([0, 1], [1.0, 2.0], "returns must have 2 dimensions"),
        ([0, 1], np.empty((0, 2)), "returns must have 2 dimensions"),
        ([0, 1], [[1.0]], "a column for each of 2 budgets"),
        ([0, 1], [[1.0, -INF]], "returns must be finite"),
        ([0, 1], [["a", "b"]], "returns must be numbers"),
    ],
)
def test_bad_logs(budgets, returns, message):
    with pytest.raises(ValueError, match=message):
        Log(budgets, returns)


def test_what_follows_the_first_nan_is_not_read():
    log = Log([0, 1, 2], [[1.0, NAN, 3.0], [1.0, 2.0, 3.0]])
    np.testing.assert_array_equal(log.returns, [[1, NAN, NAN], [1, 2, 3]])
    assert log.ended_early == 1


def test_a_run_that_ended_early_keeps_its_last_score_and_one_without_any_scores_as_random():
    log = Log([0, 1, 2], [[-3.0, 1.0, NAN], [NAN, NAN, NAN], [0.0, 0.0, 5.0], [5.0, 0.0, -3.0]])
    assert final_scores(log, TASK).tolist() == [0.5, 0.0, 1.0, 0.0]


@given(st.permutations(range(5)))
def test_a_log_in_order_does_not_know_the_order_of_its_runs(order):
    rows = np.array([[0.0, 1, 2], [-0.0, 1, 2], [0, NAN, NAN], [0, 1, 1], [-1, 7, NAN]])
    found, expected = Log([1, 2, 3], rows[list(order)]).in_order(), Log([1, 2, 3], rows).in_order()
    assert found.returns.tobytes() == expected.returns.tobytes()
    np.testing.assert_array_equal(
        found.returns, [[-1, 7, NAN], [0, 1, 1], [0, 1, 2], [0, 1, 2], [0, NAN, NAN]]
    )


@pytest.mark.parametrize(
    ("curve", "expected"),
    [
        ([0.0, 0.4, 0.8, 1.0], 125.0),  # between 100 and 200, a quarter of the way
        ([0.0, 1.0, 0.0, 1.0], 300.0),  # the last of two up-crossings, between 200 and 400
        ([0.0, 1.0, 1.0, 0.4], INF),  # ends below
        ([0.0, 0.0, 0.0, 0.0], INF),
        ([1.0, 0.5, 0.5, 1.0], 10.0),  # never below: from the first evaluation on
        ([0.0, 1.0, 1.0, NAN], INF),  # whether it stays isn't known
        ([NAN, NAN, NAN, NAN], INF),
    ],
)
def test_samples_to_a_level_by_hand(curve, expected):
    assert samples_to(np.array([10.0, 100, 200, 400]), np.array(curve), 0.5) == expected


def test_samples_to_epsilon_of_known_curves():
    log = Log([0, 10, 30], [[-3.0, 1.0, 5.0], [5.0, 5.0, 5.0], [5.0, 5.0, -3.0], [5.0, 5.0, NAN]])
    # A score of .75 is a return of 3, half-way from 1 at 10 steps to 5 at 30.
    assert samples_to_epsilon(log, TASK, 0.25).tolist() == [20.0, 0.0, INF, INF]
    assert samples_of_mean(log, TASK, 0.25) == INF
    assert samples_of_mean(Log(log.budgets, log.returns[:2]), TASK, 0.25) == 10.0


def test_a_learner_that_is_perfect_or_random_from_the_start():
    budgets = np.arange(1.0, 6.0)
    perfect, random = Log(budgets, np.full((4, 5), 5.0)), Log(budgets, np.full((4, 5), -3.0))
    assert final_scores(perfect, TASK).tolist() == [1.0] * 4
    assert final_scores(random, TASK).tolist() == [0.0] * 4
    for epsilon in (0.0, 0.1, 0.9):
        assert samples_to_epsilon(perfect, TASK, epsilon).tolist() == [1.0] * 4
        assert samples_to_epsilon(random, TASK, epsilon).tolist() == [INF] * 4
    assert samples_interval(perfect, TASK, 0.1) == (1, 1, 1)
    assert samples_interval(random, TASK, 0.1) == (INF, INF, INF)


@given(st.floats(0.05, 0.9), st.floats(0.0, 0.04))
def test_a_stricter_level_is_never_reached_earlier(epsilon, less):
    curves = np.cumsum(np.random.default_rng(3).normal(0.05, 0.2, (6, 30)), axis=1)
    log = Log(np.arange(30.0), curves)
    assert (
        samples_to_epsilon(log, UNIT, epsilon) <= samples_to_epsilon(log, UNIT, epsilon - less)
    ).all()


@pytest.mark.parametrize("of", ["runs", "mean"])
def test_half_of_the_runs_censored_censors_the_size_but_fewer_do_not_the_median(of):
    fast, never = [0.0, 1.0, 1.0], [0.0, 0.0, 0.0]
    budgets = [0, 100, 200]
    few, half = Log(budgets, [fast] * 3 + [never]), Log(budgets, [fast] * 2 + [never] * 2)
    assert samples_interval(half, UNIT, 0.1, of=of).value == INF
    assert samples_interval(few, UNIT, 0.1, of=of).value == (90 if of == "runs" else INF)


@pytest.mark.parametrize("of", ["runs", "mean"])
def test_one_run_that_ended_early_censors_the_mean_and_not_the_median(of):
    log = Log([0, 100, 200], [[0.0, 1.0, 1.0]] * 3 + [[0.0, 1.0, NAN]])
    assert samples_interval(log, UNIT, 0.1, of=of).value == (90 if of == "runs" else INF)


@pytest.mark.parametrize("of", ["runs", "mean"])
def test_an_exact_power_law_gives_its_exponent(of):
    rng = np.random.default_rng(0)
    logs = {n: planted_log(50.0 * n**1.2, 5, rng, spread=0) for n in (4, 8, 16, 32)}
    found = scaling_exponent(logs, dict.fromkeys(logs, UNIT), 0.1, of=of, resamples=20)
    assert found.power == pytest.approx((1.2, 1.2, 1.2), abs=1e-9)


def test_a_planted_exponent_is_recovered_within_its_interval_nine_times_in_ten():
    """200 experiments with the exponent .9, 20 runs of each of five sizes.

    The interval covers .965 of the time (1000 experiments with another seed, the same setting). At that rate fewer than
    180 of 200 have a probability below 1e-5, the false-alarm rate. The widths are 4 standard deviations of the
    estimates, known to 5 %: more than 6 isn't chance.
    """
    assert binom.cdf(179, 200, 0.965) < 1e-5
    rng = np.random.default_rng(0)
    sizes = (8, 16, 32, 64, 128)
    found = [
        scaling_exponent(
            {n: planted_log(100 * n**0.9, 20, rng) for n in sizes},
            dict.fromkeys(sizes, UNIT),
            0.1,
            resamples=200,
            seed=seed,
        ).power
        for seed in range(200)
    ]
    assert sum(0.9 in power for power in found) >= 180
    widths = [power.high - power.low for power in found]
    assert np.mean(widths) < 6 * np.std([power.value for power in found])


def test_a_size_cut_off_by_its_budget_is_censored_and_named():
    rng = np.random.default_rng(1)
    logs = {n: planted_log(100.0 * n, 10, rng) for n in (8, 16, 32)}
    whole = scaling_exponent(logs, dict.fromkeys(logs, UNIT), 0.1)
    short = planted_log(100.0 * 64, 10, rng)
    logs[64] = Log(short.budgets[:8], short.returns[:, :8])
    found = scaling_exponent(logs, dict.fromkeys(logs, UNIT), 0.1)
    assert found.censored == (64,)
    assert found.power == whole.power


def test_a_learner_that_needs_no_training_has_exponent_zero():
    logs = {n: Log([0, 10], [[1.0, 1.0]] * 3) for n in (8, 16, 32)}
    found = scaling_exponent(logs, dict.fromkeys(logs, UNIT), 0.1)
    assert found.power == (0, 0, 0)
    assert found.per_log == (0, 0, 0)


@pytest.mark.parametrize("of", ["runs", "mean"])
def test_the_exponent_does_not_depend_on_the_order_of_sizes_and_runs(of):
    rng = np.random.default_rng(2)
    logs = {n: planted_log(10.0 * n, 7, rng) for n in (8, 16, 32)}
    shuffled = {
        n: Log(logs[n].budgets, rng.permutation(logs[n].returns, axis=0)) for n in (32, 8, 16)
    }
    tasks = dict.fromkeys(logs, UNIT)
    assert scaling_exponent(logs, tasks, 0.1, of=of) == scaling_exponent(
        shuffled, tasks, 0.1, of=of
    )


def test_n_star_is_below_the_first_hole():
    yes, no = np.array([5.0, 6.0, 7.0]), np.array([5.0, INF, INF])
    assert largest_solved({8: yes, 16: yes, 32: no}) == (16, (32,), ())
    assert largest_solved({32: yes, 16: no, 8: yes}) == (8, (16,), (32,))
    assert largest_solved({8: no, 16: yes, 32: yes}) == (None, (8,), (16, 32))
    assert largest_solved({8: yes}) == (8, (), ())
    assert largest_solved({8: no, 16: no}) == (None, (8, 16), ())


def test_n_star_by_the_median_or_by_a_share():
    half = np.array([1.0, 2.0, INF, INF])
    assert largest_solved({8: half}).largest is None
    assert largest_solved({8: half}, share=0.5).largest == 8
    assert largest_solved({8: half}, share=0.51).largest is None
    assert largest_solved({8: half[:2]}, share=1).largest == 8


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: samples_to_epsilon(Log([1], [[1.0]]), UNIT, 1.5), "epsilon"),
        (lambda: samples_of_mean(Log([1], [[1.0]]), UNIT, NAN), "epsilon"),
        (lambda: samples_interval(Log([1], [[1.0]]), UNIT, 0.1, of="run"), "of must be one of"),
        (lambda: scaling_exponent({8: Log([1], [[1.0]])}, {}, 0.1), r"\[8\] are missing"),
        (lambda: scaling_exponent({0: Log([1], [[1.0]])}, {0: UNIT}, 0.1), "sizes"),
        (lambda: largest_solved({8: np.array([1.0])}, share=0), "share"),
        (lambda: largest_solved({8: np.array([])}), "times"),
        (lambda: largest_solved({8: np.array([NAN])}), "times"),
        (lambda: largest_solved({0: np.array([1.0])}), "sizes"),
    ],
)
def test_bad_input(call, message):
    with pytest.raises(ValueError, match=message):
        call()
