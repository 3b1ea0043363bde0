"""Fitted exponents against samples whose law is known."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from crl_envs.bench.score.statistics import fit_exponent, median_time, slope

SIZES = (10, 30, 100, 300, 1000)


def drawn(law, spread, runs=20, seed=0, sizes=SIZES):
    rng = np.random.default_rng(seed)
    return [law(n) * np.exp(spread * rng.standard_normal(runs)) for n in sizes]


@given(st.floats(-1.5, 2.5), st.floats(0.1, 1000))
def test_an_exact_power_law_gives_its_exponent_and_no_width(power, factor):
    found = fit_exponent(SIZES, [np.full(3, factor * n**power) for n in SIZES], resamples=20)
    assert found.power.value == pytest.approx(power, abs=1e-9)
    assert found.power.low == pytest.approx(found.power.high, abs=1e-9)
    assert found.used == SIZES
    assert found.censored == ()


@given(st.floats(-5, 50), st.floats(100, 200))
def test_an_exact_logarithm_gives_its_slope(gain, start):
    found = fit_exponent(
        SIZES, [np.full(2, start + gain * math.log(n)) for n in SIZES], resamples=20
    )
    assert found.per_log.value == pytest.approx(gain, abs=1e-8)


def test_the_interval_is_as_wide_as_the_estimates_spread():
    """100 fits. A 95 % interval is about 3.9 standard deviations wide and covers about 95.

    The standard deviation is known to 7 %, the number inside to 2.2: both ends are four such errors away.
    """
    found = [
        fit_exponent(
            SIZES[:3],
            drawn(lambda n: 5 * n**0.9, 0.3, seed=seed, sizes=SIZES[:3]),
            resamples=100,
        ).power
        for seed in range(100)
    ]
    spread = np.std([x.value for x in found])
    assert 2.8 < np.mean([x.high - x.low for x in found]) / spread < 5.6
    assert sum(0.9 in x for x in found) >= 86


def test_censored_sizes_are_left_out_and_named():
    samples = drawn(lambda n: 7.0 * n, 0.1)
    whole = fit_exponent(SIZES[:4], samples[:4])
    samples[4] = np.where(np.arange(20) < 12, np.inf, samples[4])
    found = fit_exponent(SIZES, samples)
    assert found.used == SIZES[:4]
    assert found.censored == (1000,)
    assert found.power == whole.power


def test_a_few_censored_runs_keep_the_size_and_its_median():
    """The slowest runs are cut off at a budget above the median: the median, and so the slope, stays what it was."""
    samples = drawn(lambda n: 7.0 * n, 0.2)
    budget = [1.1 * np.median(times) for times in samples]
    cut = [np.where(t > b, np.inf, t) for t, b in zip(samples, budget, strict=True)]
    assert all(np.isinf(t).any() for t in cut)
    found = fit_exponent(SIZES, cut)
    assert found.censored == ()
    assert found.power.value == pytest.approx(fit_exponent(SIZES, samples).power.value)
    assert found.power.low < 1 < found.power.high


def test_the_median_is_infinite_when_half_are():
    assert median_time(np.array([3.0, 1.0, 2.0])) == 2
    assert median_time(np.array([1.0, 2.0, 3.0, np.inf])) == 2.5
    assert median_time(np.array([1.0, 2.0, np.inf, np.inf])) == np.inf


def test_fewer_than_two_known_sizes_have_no_slope():
    found = fit_exponent((10, 30), [np.array([4.0, 5.0]), np.array([np.inf, np.inf])])
    assert found.used == (10,)
    assert all(math.isnan(x) for x in (*found.power, *found.per_log))
    assert math.isnan(slope(np.array([]), np.array([])))


def test_a_statistic_of_each_size_sees_that_sizes_rows():
    curves = [np.array([[0.0, 1.0], [1.0, 1.0]]), np.array([[2.0, 4.0]])]
    statistics = [lambda rows: 1 + rows.mean(), lambda rows: rows.sum()]
    found = fit_exponent((1, 3), curves, statistics, resamples=10)
    assert found.power.value == pytest.approx(math.log(6 / 1.75) / math.log(3))


def test_the_same_samples_give_the_same_intervals():
    samples = drawn(lambda n: n, 0.3)
    assert fit_exponent(SIZES, samples) == fit_exponent(SIZES, samples)
    assert fit_exponent(SIZES, samples) != fit_exponent(SIZES, samples, seed=1)


@pytest.mark.parametrize(
    ("sizes", "samples", "more", "message"),
    [
        ((30, 10), [[1.0], [1.0]], {}, "ascending"),
        ((10, 10), [[1.0], [1.0]], {}, "ascending"),
        ((0, 10), [[1.0], [1.0]], {}, "sizes"),
        ((10, 30), [[1.0]], {}, "as many as sizes"),
        ((10, 30), [[1.0], []], {}, "at least one run"),
        ((10, 30), [[1.0], [0.0]], {}, "times must be > 0"),
        ((10, 30), [[1.0], [1.0]], {"statistics": [median_time]}, "statistics"),
        ((10, 30), [[1.0], [1.0]], {"resamples": 0}, "resamples"),
        ((10, 30), [[1.0], [1.0]], {"confidence": 2}, "confidence"),
    ],
)
def test_bad_input(sizes, samples, more, message):
    with pytest.raises(ValueError, match=message):
        fit_exponent(sizes, [np.array(times) for times in samples], **more)
