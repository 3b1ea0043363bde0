import math

import numpy as np
import pytest

from crl_envs.bench.score.statistics import (
    Interval,
    bootstrap_interval,
    last_up_crossing,
    moving_mean,
    positive_interval,
    t_band,
    t_interval,
)


def test_t_interval_of_known_numbers() -> None:
    # 1 … 5: mean 3, standard error √(2.5/5), t(.975, 4 degrees of freedom) = 2.776445
    found = t_interval(np.arange(1.0, 6.0))
    half = 2.776445105 * math.sqrt(0.5)
    assert found == pytest.approx((3.0, 3.0 - half, 3.0 + half))


def test_t_band_is_the_interval_of_each_column() -> None:
    samples = np.random.default_rng(0).normal(size=(7, 3))
    mean, half = t_band(samples)
    for column in range(3):
        value, low, high = t_interval(samples[:, column])
        assert (mean[column], half[column]) == pytest.approx((value, (high - low) / 2))


def test_t_interval_covers_the_mean_as_often_as_it_says() -> None:
    rng = np.random.default_rng(0)
    covered = [0.0 in t_interval(rng.normal(size=10)) for _ in range(2000)]
    assert np.mean(covered) == pytest.approx(0.95, abs=4 * math.sqrt(0.05 * 0.95 / 2000))


def test_an_interval_needs_two_samples() -> None:
    with pytest.raises(ValueError, match="number of samples must be an integer ≥ 2, got 1"):
        t_interval(np.array([1.0]))


def test_interval_contains_its_ends() -> None:
    interval = Interval(1.0, 0.5, 2.0)
    assert 0.5 in interval
    assert 2.0 in interval
    assert 2.1 not in interval
    assert "1" not in interval


def test_bootstrap_of_a_mean_is_near_the_normal_interval() -> None:
    samples = np.random.default_rng(1).normal(5.0, 2.0, size=400)
    value, low, high = bootstrap_interval(lambda rows: float(rows.mean()), samples)
    error = float(samples.std(ddof=1)) / 20
    assert value == samples.mean()
    assert (low, high) == pytest.approx(
        (value - 1.96 * error, value + 1.96 * error), abs=0.25 * error
    )


def test_bootstrap_resamples_each_sample_by_itself_and_repeats_itself() -> None:
    a, b = np.array([1.0, 1.0, 1.0]), np.array([0.0, 4.0])
    sizes = set()

    def difference(left: np.ndarray, right: np.ndarray) -> float:
        sizes.add((len(left), len(right)))
        return float(right.mean() - left.mean())

    found = bootstrap_interval(difference, a, b)
    assert sizes == {(3, 2)}
    assert found == (1.0, -1.0, 3.0)  # the extremes are a quarter of the resamples each
    assert bootstrap_interval(difference, a, b) == found


def test_bootstrap_keeps_what_did_not_happen_apart() -> None:
    # Half of the resampled rows are infinite: the upper end is infinite, and the lower one a number.
    rows = np.array([1.0, 2.0, math.inf, math.inf])
    value, low, high = bootstrap_interval(lambda r: float(np.sort(r)[1]), rows)
    assert (value, high) == (2.0, math.inf)
    assert 1.0 <= low < 3.0


def test_moving_mean_by_hand_and_cut_off_at_the_ends() -> None:
    curve = np.array([[1.0, 2.0, 6.0, 3.0], [0.0, 0.0, 0.0, 9.0]])
    np.testing.assert_allclose(
        moving_mean(curve, 1), [[1.5, 3.0, 11 / 3, 4.5], [0.0, 0.0, 3.0, 4.5]]
    )
    np.testing.assert_allclose(moving_mean(curve, 0), curve)
    np.testing.assert_allclose(moving_mean(curve[0], 99), np.full(4, 3.0))


@pytest.mark.parametrize(
    ("curve", "level", "expected"),
    [
        ([0.0, 1.0, 2.0, 3.0], 2.0, 2.0),  # exactly on a point
        ([0.0, 1.0, 2.0, 3.0], 1.25, 1.25),  # between two points
        ([0.0, 2.0, 0.0, 2.0, 2.0], 1.0, 2.5),  # the last of two up-crossings
        ([0.0, 2.0, 0.0, 2.0, 0.5], 1.0, math.inf),  # falls back in the end
        ([0.0, 0.1, 0.2], 1.0, math.inf),  # never
        ([1.0, 2.0, 1.5], 1.0, 0.0),  # from the start
        ([2.0], 1.0, 0.0),
        ([0.0], 1.0, math.inf),
    ],
)
def test_last_up_crossing(curve: list[float], level: float, expected: float) -> None:
    assert last_up_crossing(np.array(curve), level) == expected


def test_last_up_crossing_of_a_noisy_exponential() -> None:
    # 1 − exp(−k/50) reaches .8 at 50 ln 5 = 80.5.
    k = np.arange(500)
    noise = np.random.default_rng(0).normal(0.0, 0.02, 500)
    curve = moving_mean(1 - np.exp(-k / 50) + noise, 10)
    assert last_up_crossing(curve, 0.8) == pytest.approx(50 * math.log(5), abs=4)


def test_intervals_of_counts_are_never_negative() -> None:
    """mean · exp(± half / mean), with the half-width of Student's t."""
    counts = np.array([10.0, 900.0, 20.0])
    mean, low, _ = t_interval(counts)
    assert low < 0
    found = positive_interval(counts)
    half = mean - low
    assert found == pytest.approx((mean, mean * np.exp(-half / mean), mean * np.exp(half / mean)))
    assert positive_interval(np.zeros(4)) == (0, 0, 0)
    assert positive_interval(np.array([1.0, np.inf])) == (np.inf, np.inf, np.inf)


def test_narrow_intervals_of_counts_are_those_of_student() -> None:
    steps = np.array([7800.0, 7900.0, 7950.0, 7850.0])
    np.testing.assert_allclose(positive_interval(steps), t_interval(steps), rtol=1e-4)


def test_intervals_of_counts_cover_the_mean_as_often_as_they_say() -> None:
    """2,000 samples of ten from a gamma distribution: 95 % within 5 standard errors and 2 points of skewness."""
    rng = np.random.default_rng(5)
    samples = rng.gamma(20.0, 1.0, (2000, 10))
    covered = np.mean([20.0 in positive_interval(sample) for sample in samples])
    assert abs(covered - 0.95) < 0.02 + 5 * np.sqrt(0.95 * 0.05 / 2000)
