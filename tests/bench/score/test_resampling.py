"""The resampling of the scores against the two functions of the bench that take one resample at a time."""

from __future__ import annotations

import math

import numpy as np
import pytest

from crl_envs.bench.score.measures import (
    Landmarks,
    Log,
    samples_interval,
    samples_to,
    scaling_exponent,
)
from crl_envs.bench.score.statistics import (
    bootstrap_interval,
    fit_exponent,
    last_up_crossing,
    median_time,
    resampled,
)

UNIT = Landmarks(random=0.0, upper=1.0, lower=1.0)
RUNS = [1, 2, 5, 10]


def noisy_log(runs, evaluations, seed=0, scale=60.0):
    """Curves that cross the level several times; some end below it, and one run in ten ends early."""
    rng = np.random.default_rng([seed, runs, evaluations])
    budgets = np.cumsum(rng.uniform(1, 20, evaluations))
    returns = 1 - np.exp(-budgets / scale) + rng.normal(0, 0.05, (runs, evaluations))
    returns[rng.random(runs) < 0.1, evaluations // 2 :] = math.nan
    return Log(budgets, returns)


def one_by_one(budgets, curve, level=0.9):
    if np.isnan(curve).any() or math.isinf(position := last_up_crossing(curve, level)):
        return math.inf
    return float(np.interp(position, np.arange(len(budgets)), budgets))


def time_of_mean(budgets, level=0.9):
    return lambda curves: one_by_one(budgets, curves.mean(axis=0), level)


@pytest.mark.parametrize("evaluations", [1, 2, 7, 40])
def test_samples_of_many_curves_are_those_of_each(evaluations):
    log = noisy_log(200, evaluations)
    found = samples_to(log.budgets, log.returns, 0.9)
    assert found.tolist() == [one_by_one(log.budgets, curve) for curve in log.returns]


@pytest.mark.parametrize("runs", RUNS)
@pytest.mark.parametrize("evaluations", [2, 9, 30])
def test_an_interval_is_that_of_one_resample_at_a_time_to_the_bit(runs, evaluations):
    log = noisy_log(runs, evaluations).in_order()
    times = np.sort(samples_to(log.budgets, log.returns, 0.9))
    expected = bootstrap_interval(median_time, times, resamples=100)
    assert samples_interval(log, UNIT, 0.1, resamples=100) == expected
    expected = bootstrap_interval(time_of_mean(log.budgets), log.returns, resamples=100)
    assert samples_interval(log, UNIT, 0.1, of="mean", resamples=100) == expected


@pytest.mark.parametrize("runs", RUNS)
def test_an_exponent_is_that_of_fit_exponent_to_the_bit(runs):
    logs = {n: noisy_log(runs, 30, n, 12.0 * n**0.5).in_order() for n in (4, 8, 16, 32, 64)}
    curves = [log.returns for log in logs.values()]
    times = [np.sort(samples_to(log.budgets, log.returns, 0.9)) for log in logs.values()]
    expected = fit_exponent(list(logs), times, resamples=100)
    found = scaling_exponent(logs, dict.fromkeys(logs, UNIT), 0.1, resamples=100)
    np.testing.assert_equal(found._asdict(), expected._asdict())
    statistics = [time_of_mean(log.budgets) for log in logs.values()]
    expected = fit_exponent(list(logs), curves, statistics, resamples=100)
    found = scaling_exponent(logs, dict.fromkeys(logs, UNIT), 0.1, of="mean", resamples=100)
    np.testing.assert_equal(found._asdict(), expected._asdict())


def test_resamples_have_only_rows_of_the_data():
    rows = np.arange(12.0).reshape(4, 3)
    found = resampled(rows, 50, np.random.default_rng(0))
    assert found.shape == (50, 4, 3)
    assert {tuple(row) for row in found.reshape(-1, 3)} == {tuple(row) for row in rows}
    with pytest.raises(ValueError, match="resamples"):
        resampled(rows, 0, np.random.default_rng(0))
