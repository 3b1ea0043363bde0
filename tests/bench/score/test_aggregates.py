"""Aggregates over runs × tasks against closed forms, brute force and scipy."""

from __future__ import annotations

import math
from itertools import product

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import binom, bootstrap, mannwhitneyu, trim_mean

from crl_envs.bench.score.statistics import (
    AGGREGATES,
    aggregate,
    iqm,
    mean_of_tasks,
    median_of_tasks,
    optimality_gap,
    performance_profile,
    probability_of_improvement,
)

SCORES = st.lists(st.integers(-4, 8).map(lambda k: k / 4), min_size=1, max_size=6).map(np.array)
TASKS = st.lists(SCORES, min_size=1, max_size=4)


def normal_tasks(runs, means=(0.0, 1.0, 2.0), seed=0):
    rng = np.random.default_rng(seed)
    return [rng.normal(mean, 1.0, runs) for mean in means]


@pytest.mark.parametrize(("score", "gap"), [(1.0, 0.0), (0.0, 1.0), (1.5, 0.0), (-1.0, 2.0)])
def test_equal_scores_give_themselves_and_no_width(score, gap):
    tasks = [np.full(4, score), np.full(7, score)]
    for name in ("iqm", "mean", "median"):
        assert aggregate(AGGREGATES[name], tasks, resamples=10) == (score, score, score)
    assert aggregate(optimality_gap, tasks, resamples=10) == (gap, gap, gap)


def test_aggregates_by_hand():
    tasks = [np.array([0.0, 1.0, 2.0, 9.0]), np.array([0.5, 0.5, 0.5, 0.5]), np.array([-1.0] * 4)]
    assert mean_of_tasks(tasks) == pytest.approx((3 + 0.5 - 1) / 3)
    assert median_of_tasks(tasks) == 0.5
    assert optimality_gap(tasks) == pytest.approx(1 - (0.75 + 0.5 - 1) / 3)
    # Twelve runs, three cut off at each end: 3 of the −1, and 9, 2, 1. Left: −1, 0, four times .5.
    assert iqm(tasks) == pytest.approx((-1 + 0 + 4 * 0.5) / 6)


@given(TASKS)
def test_iqm_is_the_mean_of_the_middle_half_of_the_pooled_runs(tasks):
    pooled = np.sort(np.concatenate(tasks))
    cut = len(pooled) // 4
    found = aggregate(iqm, tasks, resamples=1).value
    assert found == pytest.approx(pooled[cut : len(pooled) - cut].mean(), abs=1e-12)
    assert found == pytest.approx(trim_mean(pooled, 0.25), abs=1e-12)


@given(st.sampled_from(sorted(AGGREGATES)), TASKS, st.randoms(use_true_random=False))
def test_neither_the_order_of_runs_nor_of_tasks_changes_a_bit(name, tasks, random):
    shuffled = [np.array(random.sample(runs.tolist(), len(runs))) for runs in tasks]
    random.shuffle(shuffled)
    expected = aggregate(AGGREGATES[name], tasks, resamples=20)
    assert aggregate(AGGREGATES[name], shuffled, resamples=20) == expected


@pytest.mark.parametrize("name", sorted(AGGREGATES))
def test_intervals_are_near_scipys_bootstrap_with_each_task_as_a_sample(name):
    """Both ends of 4000 resamples each: their Monte-Carlo errors are about 2 % of the width, the tolerance is 15 %."""
    tasks = normal_tasks(25, means=(0.0, 0.5, 1.0))
    found = aggregate(AGGREGATES[name], tasks, resamples=4000)
    theirs = bootstrap(
        tasks,
        lambda *again, axis: AGGREGATES[name](again),
        vectorized=True,
        method="percentile",
        n_resamples=4000,
        random_state=np.random.default_rng(1),
    ).confidence_interval
    tolerance = 0.15 * (theirs.high - theirs.low)
    assert found[1:] == pytest.approx((theirs.low, theirs.high), abs=tolerance)


def test_runs_are_resampled_within_their_task():
    # Tasks far apart: were runs resampled across tasks, the mean would move by tens.
    tasks = [np.array([-100.0, -99.0]), np.array([100.0, 101.0]), np.array([5.0])]
    value, low, high = aggregate(mean_of_tasks, tasks)
    assert (low, value, high) == pytest.approx((5 / 3, 2.0, 7 / 3))


def test_the_interval_covers_the_mean_as_often_as_it_says():
    """400 times three normal tasks with 30 runs each.

    A percentile bootstrap with 30 runs is narrower than it should be by √(29/30), and its ends are order statistics of
    400 resamples: it covers .936 and not .95 (6000 such experiments with other seeds). At that rate the number covered
    leaves the range below with probability 1e-3, the false-alarm rate.
    """
    covered = sum(
        1.0 in aggregate(mean_of_tasks, normal_tasks(30, seed=seed), resamples=400, seed=seed)
        for seed in range(400)
    )
    low, high = binom.ppf([5e-4, 1 - 5e-4], 400, 0.936)
    assert low <= covered <= high


@pytest.mark.parametrize("name", ["iqm", "mean", "optimality_gap"])
def test_half_of_the_runs_widen_the_interval_by_the_root_of_two_and_keep_the_estimate(name):
    """40 pairs of data sets.

    A width of 1000 resamples of 32 runs × 4 tasks is known to 7 %, so the mean ratio to 2 %: the tolerance is four such
    errors. The two estimates differ by one standard error of the whole's, and the half's interval reaches 2.8 of these:
    it misses 1 in 200, and more than 3 of 40 with probability 5e-5.
    """
    ratios, missed = [], 0
    for seed in range(40):
        whole = normal_tasks(64, means=(0.2, 0.4, 0.6, 0.8), seed=seed)
        all_runs = aggregate(AGGREGATES[name], whole)
        half = aggregate(AGGREGATES[name], [runs[:32] for runs in whole])
        ratios.append((half.high - half.low) / (all_runs.high - all_runs.low))
        missed += all_runs.value not in half
    assert np.mean(ratios) == pytest.approx(math.sqrt(2), rel=0.08)
    assert missed <= 3


@given(TASKS)
def test_a_profile_is_the_share_at_or_above_and_falls(tasks):
    taus = np.array([-2.0, -1.0, 0.0, 0.25, 1.0, 2.0, 3.0])
    found = performance_profile(tasks, taus, resamples=20)
    for tau, share in zip(taus, found.share, strict=True):
        expected = np.mean([sum(x >= tau for x in runs.tolist()) / len(runs) for runs in tasks])
        assert share == pytest.approx(expected)
    assert (np.diff(found.share) <= 0).all()
    assert (found.low <= found.high).all()
    assert (found.share[0], found.share[-1]) == (1, 0)


def test_the_area_under_a_profile_between_0_and_1_is_the_mean_of_scores_in_it():
    tasks = [np.random.default_rng(k).uniform(0, 1, 12) for k in range(3)]
    taus = (np.arange(2000) + 0.5) / 2000
    area = performance_profile(tasks, taus, resamples=1).share.mean()
    assert area == pytest.approx(float(mean_of_tasks(tasks)), abs=1 / 2000)


def test_a_profiles_interval_is_that_of_a_share():
    """60 runs, half above τ: a share of .5 ± 1.96 √(.25/60), which the bootstrap's steps of 1/60 hit to two of them."""
    found = performance_profile([np.repeat([0.0, 1.0], 30)], np.array([0.5]))
    half = 1.96 * math.sqrt(0.25 / 60)
    assert found.low[0] == pytest.approx(0.5 - half, abs=2 / 60)
    assert found.high[0] == pytest.approx(0.5 + half, abs=2 / 60)


@given(st.lists(st.tuples(SCORES, SCORES), min_size=1, max_size=4))
def test_probability_of_improvement_against_brute_force_and_mann_whitney(pairs):
    by_hand = np.mean(
        [np.mean([(x > y) + (x == y) / 2 for x, y in product(a, b)]) for a, b in pairs]
    )
    u = np.mean([mannwhitneyu(a, b).statistic / (len(a) * len(b)) for a, b in pairs])
    first, second = zip(*pairs, strict=True)
    found = probability_of_improvement(first, second, resamples=5).value
    assert found == pytest.approx(by_hand)
    assert found == pytest.approx(u)
    assert probability_of_improvement(second, first, resamples=5).value == pytest.approx(1 - found)


def test_probability_of_improvement_of_a_better_an_equal_and_a_worse_learner():
    low, high = [np.arange(5.0)] * 3, [np.arange(5.0) + 10] * 3
    assert probability_of_improvement(high, low) == (1, 1, 1)
    assert probability_of_improvement(low, high) == (0, 0, 0)
    value, lower, upper = probability_of_improvement(low, low)
    assert value == 0.5
    assert lower < 0.5 < upper
    assert probability_of_improvement([np.ones(4)], [np.ones(4)]) == (0.5, 0.5, 0.5)


@given(st.permutations(range(3)))
def test_probability_of_improvement_does_not_depend_on_the_order_of_tasks_and_runs(order):
    first, second = normal_tasks(6), normal_tasks(8, seed=1)
    expected = probability_of_improvement(first, second, resamples=20)
    found = probability_of_improvement(
        [first[j][::-1] for j in order], [second[j][::-1] for j in order], resamples=20
    )
    assert found == expected


def test_the_same_scores_give_the_same_interval_and_another_seed_another():
    tasks = normal_tasks(10)
    assert aggregate(iqm, tasks) == aggregate(iqm, tasks)
    assert aggregate(iqm, tasks) != aggregate(iqm, tasks, seed=1)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: aggregate(iqm, []), "tasks must be at least one task, got none"),
        (lambda: aggregate(iqm, [np.array([])]), "tasks must be finite numbers"),
        (lambda: aggregate(iqm, [np.array([1.0, math.nan])]), "tasks must be finite numbers"),
        (lambda: aggregate(iqm, [np.array([math.inf])]), "tasks must be finite numbers"),
        (lambda: aggregate(iqm, [np.ones((2, 2))]), "tasks must be finite numbers"),
        (lambda: aggregate(iqm, [np.ones(2)], confidence=95), "confidence"),
        (lambda: aggregate(iqm, [np.ones(2)], resamples=0), "resamples"),
        (lambda: performance_profile([np.ones(2)], np.array([math.nan])), "scores"),
        (
            lambda: probability_of_improvement([np.ones(2)], [np.ones(2)] * 2),
            "as many tasks as first, 1, got 2",
        ),
        (lambda: probability_of_improvement([np.ones(2)], []), "second must be at least one task"),
    ],
)
def test_bad_input(call, message):
    with pytest.raises(ValueError, match=message):
        call()
