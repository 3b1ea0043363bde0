"""The formulas against enumeration, simulation, exact fractions and the numbers that are known."""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable
from fractions import Fraction
from typing import Any

import networkx as nx
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from scipy import stats

from crl_envs import bounds
from crl_envs.bounds import (
    Exploration,
    all_right,
    entry_samples,
    exploration_trials,
    identification_lower_bound,
    least_squares_performance,
    least_squares_trials,
    local_success,
    local_trials,
    local_trials_to,
    model_trials,
    noise_to_signal,
    radius_of_influence,
    reach,
    trials_lower_bound,
    uniform_exploration,
)
from crl_envs.core import topology

ALARM = 1e-6
PROBABILITIES = [(0.8, 0.2), (1.0, 0.0), (0.9, 0.7), (0.3, 0.05), (0.5, 0.5), (0.2, 0.6)]


class TestLowerBound:
    @pytest.mark.parametrize("n", [10, 100, 400, 1000, 100_000])
    def test_the_printed_form_is_epsilon_one_twentieth(self, n: int) -> None:
        printed = (0.32 * n + math.log(1 / 4)) / math.log(n + 1)
        assert trials_lower_bound(n) == pytest.approx(printed, rel=1e-12)
        assert trials_lower_bound(n, 0.05) == trials_lower_bound(n)

    def test_numbers(self) -> None:
        assert [round(trials_lower_bound(n), 2) for n in (10, 100, 400, 1000)] == [
            0.76,
            6.63,
            21.12,
            46.12,
        ]
        assert round(trials_lower_bound(100_000)) == 2779
        assert trials_lower_bound(4) == 0  # 0.32 · 4 < ln 4

    @given(st.integers(1, 10**9), st.floats(0, 0.25))
    def test_the_union_bound_is_a_quarter_there(self, n: int, epsilon: float) -> None:
        """(n + 1)^m exp(−2 (½ − 2ε)² n) = ¼, or more at m = 0 where no trials are needed."""
        m = trials_lower_bound(n, epsilon)
        log = m * math.log(n + 1) - 2 * (0.5 - 2 * epsilon) ** 2 * n
        if m > 0:
            assert log == pytest.approx(math.log(0.25), rel=1e-9, abs=1e-9 * n)
        else:
            assert log >= math.log(0.25) - 1e-12

    @given(st.integers(1, 10**6), st.floats(0, 0.25), st.floats(0, 0.25))
    def test_monotone(self, n: int, epsilon: float, other: float) -> None:
        low, high = sorted((epsilon, other))
        assert trials_lower_bound(n, high) <= trials_lower_bound(n, low)
        assert trials_lower_bound(n, low) <= trials_lower_bound(n + 1, low)
        assert trials_lower_bound(n, low) < identification_lower_bound(n)

    @pytest.mark.parametrize("epsilon", [0.0, 0.01, 0.05, 0.1, 0.2])
    def test_hoeffding_is_above_the_exact_tail(self, epsilon: float) -> None:
        for n in range(1, 200):
            level = math.ceil(n * (1 - 2 * epsilon) - 1e-9)
            exact = stats.binom.sf(level - 1, n, 0.5)
            assert exact <= math.exp(-2 * (0.5 - 2 * epsilon) ** 2 * n) * (1 + 1e-9)

    @pytest.mark.parametrize("epsilon", [0.0, 0.01, 0.05, 0.1])
    def test_one_trial_where_it_asks_for_more(self, epsilon: float) -> None:
        """After one trial, K of n right, the best learner repeats it or plays its opposite: E max(K, n − K) / n."""
        tried = 0
        for n in range(2, 200):
            if trials_lower_bound(n, epsilon) > 1:
                k = np.arange(n + 1)
                best = stats.binom.pmf(k, n, 0.5) @ np.maximum(k, n - k) / n
                assert best < 1 - epsilon
                tried += 1
        assert tried > 100

    @pytest.mark.parametrize(("n", "fewest"), [(1, 1), (2, 2), (3, 3), (4, 4)])
    def test_non_adaptive_by_enumeration(self, n: int, fewest: int) -> None:
        """No set of fewer trials than the bound identifies all right actions; the fewest that does is known here."""
        joint = np.array(list(itertools.product((0, 1), repeat=n)))
        sums = (joint[:, None] == joint[None]).sum(axis=2)  # [trial, instance]

        def identifies(m: int) -> bool:
            code = (n + 1) ** np.arange(m)
            return any(
                np.unique(code @ sums[list(trials)]).size == 2**n
                for trials in itertools.combinations(range(2**n), m)
            )

        assert [m for m in range(fewest + 1) if identifies(m)] == [fewest]
        assert trials_lower_bound(n, 0) < identification_lower_bound(n) <= fewest

    @pytest.mark.parametrize("n", [1, 2, 3])
    def test_adaptive_by_enumeration(self, n: int) -> None:
        """The best decision tree over (trial, sum) is no shallower than the bound."""
        joint = list(itertools.product((0, 1), repeat=n))

        def depth(left: frozenset[tuple[int, ...]]) -> int:
            if len(left) == 1:
                return 0
            best = n + 1
            for trial in joint:
                parts: dict[int, set[tuple[int, ...]]] = {}
                for instance in left:
                    parts.setdefault(sum(map(int.__eq__, trial, instance)), set()).add(instance)
                if len(parts) > 1:
                    best = min(best, 1 + max(depth(frozenset(part)) for part in parts.values()))
            return best

        assert identification_lower_bound(n) <= depth(frozenset(joint)) <= n

    @pytest.mark.parametrize("k", [1, 2, 3])
    def test_a_detecting_matrix_identifies_all(self, k: int) -> None:
        """2^k + 1 trials for k 2^(k−1) agents (Lindström): every instance has sums of its own."""
        points = range(2**k)
        columns = []
        for a in range(1, 2**k):
            even = [x for x in points if x & ~a == 0 and (x & a).bit_count() % 2 == 0]
            for j in range(a.bit_count()):
                columns.append([(x & a) in even[: 2**j] for x in points])
        trials = np.vstack([np.array(columns).T, np.zeros(len(columns), bool)])
        n = k * 2 ** (k - 1)
        assert trials.shape == (2**k + 1, n)
        instances = np.arange(2**n)[:, None] >> np.arange(n) & 1
        sums = trials @ instances.T + ~trials @ (1 - instances.T)
        assert np.unique(sums, axis=1).shape[1] == 2**n

    def test_below_what_detecting_matrices_need(self) -> None:
        """For up to ten million agents, and by a factor that falls to 2 ln 2 / 0.32 = 4.33."""
        for k in range(1, 21):
            n, m = k * 2 ** (k - 1), 2**k + 1
            assert trials_lower_bound(n, 0) <= identification_lower_bound(n) <= m
            if k > 3:
                assert 4.33 < m / trials_lower_bound(n) < 9

    @pytest.mark.parametrize(
        "call",
        [
            lambda: trials_lower_bound(0),
            lambda: trials_lower_bound(1.5),  # type: ignore[arg-type]
            lambda: trials_lower_bound(10, -0.01),
            lambda: trials_lower_bound(10, 0.26),
            lambda: trials_lower_bound(10, math.nan),
            lambda: identification_lower_bound(0),
        ],
    )
    def test_bad_input(self, call: Callable[[], Any]) -> None:
        with pytest.raises(ValueError, match="must be"):
            call()


def performance_of_least_squares(n: int, m: int, rng: np.random.Generator) -> float:
    """One run of the learner itself: P of the signs of minimum-norm coefficients of centred data."""
    right = rng.integers(2, size=(m, n), dtype=np.int8)
    count = right.sum(axis=1, dtype=np.int64)
    y = (rng.binomial(count, 0.8) + rng.binomial(n - count, 0.2)) / n
    x = right * 2.0 - 1
    beta = np.linalg.lstsq(x - x.mean(axis=0), y - y.mean(), rcond=None)[0]
    return float(np.sign(beta).mean())


class TestLeastSquares:
    def test_noise_to_signal(self) -> None:
        assert noise_to_signal() == pytest.approx(16 / 9)
        assert noise_to_signal(1, 0) == 0
        assert noise_to_signal(0.9, 0.5) == pytest.approx((0.09 + 0.25) / 2 / 0.04)

    @given(st.floats(0, 1), st.floats(0, 1))
    def test_variances_add_up(self, a: float, b: float) -> None:
        """Signal + noise is the variance of a Bernoulli reward at the mean probability."""
        low, high = sorted((a, b))
        if high - low > 1e-3:
            signal = ((high - low) / 2) ** 2
            mean = (low + high) / 2
            total = mean * (1 - mean)
            assert signal * (1 + noise_to_signal(high, low)) == pytest.approx(total, abs=1e-12)

    @pytest.mark.parametrize(
        ("n", "performance", "trials"), [(400, 0.9, 2324), (400, 0.25, 472), (200, 0.9, 1162)]
    )
    def test_numbers(self, n: int, performance: float, trials: int) -> None:
        """Measured, at the last up-crossing: 2,349 and 469 for n = 400; within 1.5 % of the theory."""
        assert round(least_squares_trials(n, performance)) == trials
        measured = {(400, 0.9): 2349, (400, 0.25): 469}.get((n, performance), trials)
        assert trials == pytest.approx(measured, rel=0.015)

    def test_measured_performances(self) -> None:
        assert least_squares_performance(200, 1000) == pytest.approx(0.86, abs=0.01)
        assert least_squares_performance(200, 2500) == pytest.approx(0.99, abs=0.005)

    @pytest.mark.parametrize("m", [20, 50, 100, 150, 300, 600, 1162])
    def test_simulated(self, m: int) -> None:
        """n = 200, 40 runs: within .02 (finite n) and 6 standard errors; false alarm 5e-7 each."""
        rng = np.random.default_rng(m)
        runs = [performance_of_least_squares(200, m, rng) for _ in range(40)]
        error = float(np.std(runs, ddof=1)) / 40**0.5
        assert np.mean(runs) == pytest.approx(
            least_squares_performance(200, m), abs=0.02 + 6 * error
        )

    def test_double_descent_and_limits(self) -> None:
        assert least_squares_performance(50, 0) == 0
        assert least_squares_performance(50, 50) == 0
        assert least_squares_performance(50, 20) > 0.2
        assert least_squares_performance(50, 10**9) == 1
        assert least_squares_performance(50, 50, 1, 0) == 1  # without noise n equations suffice
        assert 0 < least_squares_performance(50, 49, 1, 0) < 1
        assert least_squares_trials(50, 0) == 50
        assert least_squares_trials(50, 0.99, 1, 0) == 50
        assert least_squares_trials(1, 1 - 2**-53) < math.inf

    @given(st.integers(1, 10**5), st.floats(0, 0.999), st.sampled_from([(0.8, 0.2), (0.9, 0.3)]))
    def test_inverse(self, n: int, performance: float, p: tuple[float, float]) -> None:
        m = least_squares_trials(n, performance, *p)
        assert least_squares_performance(n, m, *p) == pytest.approx(performance, abs=1e-6)

    @given(st.floats(0, 0.99), st.floats(0, 0.99), st.integers(1, 10**4))
    def test_monotone_and_linear(self, a: float, b: float, n: int) -> None:
        low, high = sorted((a, b))
        assert n <= least_squares_trials(n, low) <= least_squares_trials(n, high)
        assert least_squares_trials(n, a) == pytest.approx(n * least_squares_trials(1, a))
        assert least_squares_trials(n, a, 0.9, 0.1) <= least_squares_trials(n, a)

    @pytest.mark.parametrize(
        "call",
        [
            lambda: noise_to_signal(0.2, 0.8),
            lambda: noise_to_signal(0.5, 0.5),
            lambda: noise_to_signal(1.1, 0.5),
            lambda: least_squares_performance(0, 10),
            lambda: least_squares_performance(10, -1),
            lambda: least_squares_trials(10, 1),
            lambda: least_squares_trials(10, -0.1),
        ],
    )
    def test_bad_input(self, call: Callable[[], Any]) -> None:
        with pytest.raises(ValueError, match="must be"):
            call()


def success_by_enumeration(m: int, p: tuple[float, float], ties: float, unseen: float) -> Fraction:
    """Sum over all sequences of (right action?, reward), each with its exact probability."""
    pays = [Fraction(p[1]), Fraction(p[0])]  # by whether it's the right action
    total = Fraction(0)
    for sequence in itertools.product(itertools.product((0, 1), (0, 1)), repeat=m):
        weight = Fraction(1)
        for right, reward in sequence:
            weight *= (pays[right] if reward else 1 - pays[right]) / 2
        mean = [Fraction(unseen)] * 2
        for action in (0, 1):
            rewards = [reward for right, reward in sequence if right == action]
            if rewards:
                mean[action] = Fraction(sum(rewards), len(rewards))
        if mean[1] >= mean[0]:
            total += weight * (Fraction(ties) if mean[1] == mean[0] else 1)
    return total


def exact_success(m: int, right: Fraction, wrong: Fraction) -> Fraction:
    """The sum over counts in fractions, each pair of means compared; fair ties, unseen 0."""

    def mass(k: int, p: Fraction) -> list[Fraction]:
        return [math.comb(k, s) * p**s * (1 - p) ** (k - s) for s in range(k + 1)]

    total = Fraction(0)
    for k in range(m + 1):
        r, w = mass(k, right), mass(m - k, wrong)
        for (i, a), (j, b) in itertools.product(enumerate(r), enumerate(w)):
            left, other = i * max(m - k, 1), j * max(k, 1)
            if left >= other:
                total += math.comb(m, k) * a * b * (1 if left > other else Fraction(1, 2))
    return total / 2**m


class TestLocal:
    @pytest.mark.parametrize(("m", "expected"), [(1, 0.30), (5, 0.766), (10, 0.946), (20, 0.996)])
    def test_numbers(self, m: int, expected: float) -> None:
        assert round(2 * local_success(m) - 1, 3) == expected

    @pytest.mark.parametrize("p", PROBABILITIES)
    @pytest.mark.parametrize(
        ("ties", "unseen"), [(0.5, 0.0), (0.0, 0.5), (1.0, 1.0), (0.25, -3.0), (0.5, 0.5)]
    )
    def test_enumerated(self, p: tuple[float, float], ties: float, unseen: float) -> None:
        for m in range(5):
            exact = success_by_enumeration(m, p, ties, unseen)
            assert local_success(m, *p, ties=ties, unseen=unseen) == pytest.approx(
                float(exact), abs=1e-14
            )

    @pytest.mark.parametrize("m", [9, 24])
    def test_failure_is_exact_however_small(self, m: int) -> None:
        exact = exact_success(m, Fraction(0.95), Fraction(0.01))
        failure = -math.expm1(math.log(all_right(1, m, 0.95, 0.01)))
        assert failure == pytest.approx(float(1 - exact), abs=1e-15)
        several = all_right(10**9, m, 0.95, 0.01)
        assert several == pytest.approx(
            math.exp(-1e9 * float(1 - exact) - 5e8 * float(1 - exact) ** 2), rel=1e-6, abs=1e-300
        )

    @pytest.mark.parametrize("m", [1, 4, 13, 40])
    def test_simulated(self, m: int) -> None:
        """400,000 agents; false alarm 1e-6 each."""
        rng = np.random.default_rng(m)
        size = 400_000
        k = rng.binomial(m, 0.5, size)
        right = rng.binomial(k, 0.7) / np.maximum(k, 1)
        wrong = rng.binomial(m - k, 0.4) / np.maximum(m - k, 1)
        coin = rng.random(size) < 0.5
        wins = int(((right > wrong) | ((right == wrong) & coin)).sum())
        assert stats.binomtest(wins, size, local_success(m, 0.7, 0.4)).pvalue > ALARM

    def test_thousands_of_trials(self) -> None:
        """Close to the normal limit, Φ((p − q) / √(2 (p (1 − p) + q (1 − q)) / m))."""
        for m in (1000, 3000):
            limit = stats.norm.cdf(0.04 / math.sqrt(2 * (2 * 0.52 * 0.48) / m))
            assert local_success(m, 0.52, 0.48) == pytest.approx(limit, abs=1e-3)
        assert local_success(3000) == 1

    @pytest.mark.parametrize("ties", [0.0, 0.3, 1.0])
    def test_no_trials_is_a_tie(self, ties: float) -> None:
        assert local_success(0, ties=ties) == pytest.approx(ties)

    def test_no_difference_is_a_coin(self) -> None:
        for m in range(30):
            assert local_success(m, 0.3, 0.3) == pytest.approx(0.5)

    def test_deterministic_rewards(self) -> None:
        """Only 'the wrong action m times' leaves a tie of 0 and unseen; with unseen = ½ nothing does."""
        for m in range(1, 60):
            assert all_right(1, m, 1, 0) == pytest.approx(1 - 0.5 ** (m + 1), abs=1e-15)
            assert local_success(m, 1, 0, unseen=0.5) == 1

    chances = st.floats(0, 1)

    @given(st.integers(0, 25), chances, chances, chances, chances)
    def test_symmetries(self, m: int, p: float, q: float, ties: float, unseen: float) -> None:
        """Swapping the actions gives failure; paying 1 − reward swaps the order of the means."""
        value = local_success(m, p, q, ties=ties, unseen=unseen)
        assert 0 <= value <= 1
        other = local_success(m, q, p, ties=1 - ties, unseen=unseen)
        assert value + other == pytest.approx(1, abs=1e-12)
        if m > 0 and unseen in (0, 0.25, 0.5, 1):  # where 1 − unseen and the means are exact
            mirrored = local_success(m, 1 - q, 1 - p, ties=ties, unseen=1 - unseen)
            assert value == pytest.approx(mirrored, abs=1e-9)

    @given(chances, chances, st.sampled_from([0.0, 0.5, 1.0]))
    @settings(max_examples=60)
    def test_fair_ties_make_success_rise_with_m(self, a: float, b: float, unseen: float) -> None:
        low, high = sorted((a, b))
        curve = [local_success(m, high, low, unseen=unseen) for m in range(30)]
        assert all(after >= before - 1e-12 for before, after in itertools.pairwise(curve))

    @given(st.integers(1, 25), chances, chances, chances)
    def test_rises_with_p_correct(self, m: int, p: float, q: float, other: float) -> None:
        low, high = sorted((p, q))
        assert local_success(m, low, other) <= local_success(m, high, other) + 1e-12

    def test_all_right(self) -> None:
        for n, m in ((1, 3), (10, 7), (1000, 25)):
            assert all_right(n, m) == pytest.approx(local_success(m) ** n)
        assert all_right(5, 3, 0, 1, ties=0) == pytest.approx(local_success(3, 0, 1, ties=0) ** 5)
        assert all_right(3, 0, ties=0) == 0

    @pytest.mark.parametrize(("n", "trials"), [(10, 7), (1000, 25), (100_000, 44)])
    def test_trials_of_all(self, n: int, trials: int) -> None:
        assert local_trials(n) == trials
        assert all_right(n, trials) >= 0.5 > all_right(n, trials - 1)

    def test_logarithm(self) -> None:
        """m ≈ −2.8 + 4.04 ln n: at most 4 trials for each doubling of n."""
        trials = [local_trials(2**k) for k in range(3, 21)]
        for k, m in zip(range(3, 21), trials, strict=True):
            assert m == pytest.approx(-2.8 + 4.04 * k * math.log(2), abs=1.6)
        assert max(np.diff(trials)) <= 4

    def test_trials_to_a_performance(self) -> None:
        assert local_trials_to(0.25) == 1
        assert local_trials_to(0.9) == 9
        assert local_trials_to(0) == 0
        for performance in (0.3, 0.5, 0.95, 0.999):
            m = local_trials_to(performance, 0.7, 0.4)
            assert 2 * local_success(m, 0.7, 0.4) - 1 >= performance
            assert 2 * local_success(m - 1, 0.7, 0.4) - 1 < performance

    @given(st.integers(1, 10**6), st.floats(0, 0.99), st.floats(0, 0.99))
    @settings(max_examples=30)
    def test_monotone(self, n: int, a: float, b: float) -> None:
        low, high = sorted((a, b))
        assert local_trials(n, low) <= local_trials(n, high) <= local_trials(2 * n, high)
        assert local_trials_to(low) <= local_trials_to(high)

    def test_more_trials_than_are_summed(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(bounds, "MOST_TRIALS", 300)
        with pytest.raises(ValueError, match="must differ more"):
            local_trials_to(0.999, 0.5001, 0.5)

    @pytest.mark.parametrize(
        "call",
        [
            lambda: local_success(-1),
            lambda: local_success(20_001),
            lambda: local_success(5, 1.2),
            lambda: local_success(5, ties=2),
            lambda: local_success(5, unseen=math.inf),
            lambda: all_right(0, 5),
            lambda: all_right(5, 5, 0.5, -0.1),
            lambda: local_trials(10, 1),
            lambda: local_trials(10, 0.5, 0.2, 0.8),
            lambda: local_trials_to(1),
            lambda: local_trials_to(0.5, unseen=math.nan),
        ],
    )
    def test_bad_input(self, call: Callable[[], Any]) -> None:
        with pytest.raises(ValueError, match="must be"):
            call()


UNIFORM = Exploration(0.5, 0.5)
LEMMA = {
    "n": 10,
    "accuracy": 0.1,
    "delta": 0.1,
    "n_states": 2,
    "n_actions": 2,
    "neighborhood": 2,
    "horizon": 5,
    "exploration": UNIFORM,
}
THEOREM = {
    **{key: value for key, value in LEMMA.items() if key != "accuracy"},
    "epsilon": 0.5,
    "radius": 6,
}
MORE = {  # one argument changed so that more trials are needed
    "n": 11,
    "delta": 0.05,
    "n_states": 3,
    "n_actions": 3,
    "neighborhood": 3,
    "horizon": 6,
}


def lemma_holds(m: int, **k: Any) -> bool:
    """The proof's last inequality, with integers for the numbers of entries and configurations."""
    states, actions, b = k["n_states"], k["n_actions"], k["neighborhood"]
    entries = k["n"] * actions * (states ** (b + 1) + states)
    configurations = k["n"] * actions * states**b
    visit = k["exploration"].nu * k["exploration"].rho ** b
    samples = math.log(4 * entries / k["delta"]) / (2 * k["accuracy"] ** 2)
    if m * visit < samples:
        return False
    miss = math.exp(-2 * (m * visit - samples) ** 2 / (m * k["horizon"] ** 2))
    return bool(configurations * miss <= k["delta"] / 2)


class TestModels:
    def test_uniform_exploration(self) -> None:
        assert uniform_exploration([0.5, 0.5], 2) == Exploration(0.5, 0.5)
        assert uniform_exploration([0.2, 0.7, 0.1], 4) == (0.1, 0.25)
        assert uniform_exploration([1.0], 1).visit(7) == 1
        assert Exploration(0.5, 0.25).visit(3) == 1 / 32

    @given(
        st.fixed_dictionaries(
            {
                "n": st.integers(1, 10**6),
                "accuracy": st.floats(0.01, 1),
                "delta": st.floats(1e-6, 1),
                "n_states": st.integers(1, 5),
                "n_actions": st.integers(1, 5),
                "neighborhood": st.integers(1, 4),
                "horizon": st.integers(1, 30),
                "exploration": st.builds(Exploration, st.floats(0.1, 1), st.floats(0.1, 1)),
            }
        )
    )
    def test_the_smallest_that_the_proof_allows(self, case: dict[str, Any]) -> None:
        m = exploration_trials(**case)
        slack = math.ceil(m * 1e-9)
        assert lemma_holds(m + slack, **case)
        assert not lemma_holds(m - 1 - slack, **case)

    def test_number(self) -> None:
        """By hand: 200 entries, 80 configurations, c = ln(8000) / 0.02 = 449.4, L = ln(1600), ν ρ² = 1/8."""
        samples, spread = math.log(8000) / 0.02, 5 * math.sqrt(math.log(1600) / 2)
        root = (spread + math.sqrt(spread**2 + samples / 2)) / (1 / 4)
        assert exploration_trials(**LEMMA) == math.ceil(root**2) == 12_017  # type: ignore[arg-type]

    @pytest.mark.parametrize("key", MORE)
    def test_monotone(self, key: str) -> None:
        for function, base in ((exploration_trials, LEMMA), (model_trials, THEOREM)):
            assert function(**{**base, key: MORE[key]}) > function(**base)  # type: ignore[operator]

    def test_monotone_in_accuracy_and_exploration(self) -> None:
        base = exploration_trials(**LEMMA)  # type: ignore[arg-type]
        for change in (
            {"accuracy": 0.09},
            {"exploration": Exploration(0.4, 0.5)},
            {"exploration": Exploration(0.5, 0.4)},
        ):
            assert exploration_trials(**{**LEMMA, **change}) > base  # type: ignore[arg-type]
        base = model_trials(**THEOREM)
        for change in ({"epsilon": 0.4}, {"radius": 7}, {"exploration": Exploration(0.4, 0.5)}):
            assert model_trials(**{**THEOREM, **change}) > base

    @pytest.mark.parametrize(
        ("function", "base"), [(exploration_trials, LEMMA), (model_trials, THEOREM)]
    )
    def test_logarithmic_in_n(self, function: Callable[..., int], base: dict[str, Any]) -> None:
        """Concave in ln n, so that each factor of 10 adds no more than the one before."""
        trials = [function(**{**base, "n": 10**k}) for k in range(12)]
        added = np.diff(trials)
        assert all(added > 0)
        assert all(np.diff(added) <= 2)
        assert trials[-1] < 12 * trials[0]

    def test_theorem_is_the_lemma_at_its_accuracy(self) -> None:
        accuracy = 0.5 / (2 * 2 * 6 * 5 * 6)
        assert model_trials(**THEOREM) == exploration_trials(**{**LEMMA, "accuracy": accuracy})  # type: ignore[arg-type]

    @given(
        st.integers(1, 10**6),
        st.floats(0.01, 1),
        st.floats(1e-6, 1),
        st.integers(1, 5),
        st.integers(1, 5),
        st.integers(1, 4),
    )
    def test_both_constants_against_hoeffding(
        self, n: int, accuracy: float, delta: float, states: int, actions: int, b: int
    ) -> None:
        """With c samples the union over all entries of 2 exp(−2 ε₀² c) is δ/2, or less with what the proof prints."""
        case = n, accuracy, delta, states, actions, b
        entries = n * actions * (states ** (b + 1) + states)

        def union(c: float) -> float:
            return math.log(entries * 2) - 2 * accuracy**2 * c - math.log(delta / 2)

        sharp, printed = entry_samples(*case), entry_samples(*case, constant="printed")
        assert union(sharp) == pytest.approx(0, abs=1e-9)
        assert union(printed) < 0
        assert 8 / 3 - 1e-9 <= printed / sharp <= 4

    def test_both_constants_are_what_they_say(self) -> None:
        case = 10, 0.1, 0.1, 2, 2, 2
        assert entry_samples(*case) == pytest.approx(math.log(8000) / 0.02)
        assert entry_samples(*case, constant="printed") == pytest.approx(200 * math.log(6400))

    @pytest.mark.parametrize("p", [0.05, 0.5, 0.8])
    def test_an_entry_has_its_samples_exactly(self, p: float) -> None:
        """The exact law: the chance that a frequency is off by more than ε₀ is below δ/2 shared among all entries."""
        c = math.ceil(entry_samples(10, 0.1, 0.1, 2, 2, 2))
        k = np.arange(c + 1)
        off = stats.binom.pmf(k, c, p)[np.abs(k / c - p) > 0.1].sum()
        assert off <= 0.1 / 2 / 200

    @pytest.mark.parametrize(
        ("function", "base"), [(exploration_trials, LEMMA), (model_trials, THEOREM)]
    )
    def test_the_printed_constant_asks_for_more_trials(
        self, function: Callable[..., int], base: dict[str, Any]
    ) -> None:
        assert function(**base) == function(**base, constant="hoeffding")
        assert function(**base) < function(**base, constant="printed") <= 4 * function(**base)

    def test_means_stay_close_once_and_for_all(self) -> None:
        """P(|mean of s − p| ≥ ε for some s ≥ c) ≤ 2 exp(−2 ε² c): 20,000 paths; false alarm below 1e-6."""
        rng = np.random.default_rng(0)
        c, epsilon = 20, 0.25
        means = (rng.random((20_000, 300)) < 0.5).cumsum(axis=1) / np.arange(1, 301)
        far = (np.abs(means[:, c - 1 :] - 0.5) >= epsilon).any(axis=1)
        limit = 2 * math.exp(-2 * epsilon**2 * c)
        assert stats.binomtest(int(far.sum()), 20_000, limit, alternative="greater").pvalue > ALARM

    def test_lemma_simulated(self) -> None:
        """A directed ring of 4, T = 1, uniform start: all estimates ε₀-accurate in ≥ 1 − δ of 300 experiments."""
        case = {**LEMMA, "n": 4, "accuracy": 0.3, "delta": 0.3, "horizon": 1}
        m = exploration_trials(**case)  # type: ignore[arg-type]
        rng = np.random.default_rng(1)
        table = rng.random((4, 2, 2, 2))  # P(up' | agent, own, parent, action)
        agent = np.arange(4)
        failures = 0
        for _ in range(300):
            state, action = rng.integers(2, size=(2, m, 4))
            at = (np.broadcast_to(agent, (m, 4)), state, np.roll(state, 1, axis=1), action)
            index = np.ravel_multi_index(at, table.shape).ravel()
            up = (rng.random((m, 4)) < table[at]).ravel()
            count = np.bincount(index, minlength=table.size)
            mean = np.bincount(index, up, table.size) / np.maximum(count, 1)
            mean[count == 0] = 0.5
            failures += bool((np.abs(mean - table.ravel()) > 0.3).any())
        assert stats.binomtest(failures, 300, 0.3, alternative="greater").pvalue > ALARM

    def test_errors_of_tables_add_up_as_in_the_proof(self) -> None:
        """Two models ε₀ apart, one policy of own states: |U − Û| ≤ ε₀ |S| r(T) T (T + 1), here on a directed ring."""
        rng = np.random.default_rng(2)
        n, horizon, accuracy = 4, 3, 0.02
        joint = np.array(list(itertools.product((0, 1), repeat=n)))
        radius = radius_of_influence(topology.directed_ring(n), n, horizon, directed=True)
        limit = accuracy * 2 * radius * horizon * (horizon + 1)

        def utility(up: NDArray[Any], pay: NDArray[Any], policy: NDArray[Any]) -> float:
            action = policy[np.arange(n), joint]
            p = up[np.arange(n), joint, np.roll(joint, 1, axis=1), action]  # [state, agent]
            step = np.where(joint[None] == 1, p[:, None], 1 - p[:, None]).prod(axis=2)
            reward = pay[np.arange(n), joint, action].mean(axis=1)
            value = np.zeros(2**n)
            for _ in range(horizon):
                value = reward + step @ value
            return float(value.mean())

        for _ in range(50):
            up, pay = rng.random((n, 2, 2, 2)), rng.random((n, 2, 2))
            other = [
                np.clip(x + rng.choice([-accuracy, accuracy], x.shape), 0, 1) for x in (up, pay)
            ]
            policy = rng.integers(2, size=(n, 2))
            assert abs(utility(up, pay, policy) - utility(*other, policy)) <= limit

    @pytest.mark.parametrize(
        "change",
        [
            {"n": 0},
            {"accuracy": 0},
            {"accuracy": 1.5},
            {"delta": 0},
            {"delta": 1.1},
            {"n_states": 0},
            {"n_actions": 0},
            {"neighborhood": 0},
            {"horizon": 0},
            {"exploration": (0.0, 0.5)},
            {"exploration": (0.5, 1.5)},
            {"exploration": 0.5},
            {"exploration": (0.5, 0.5, 0.5)},
            {"constant": "sharp"},
        ],
    )
    def test_bad_input(self, change: dict[str, Any]) -> None:
        with pytest.raises(ValueError, match="must be"):
            exploration_trials(**{**LEMMA, **change})  # type: ignore[arg-type]

    @pytest.mark.parametrize(
        "change", [{"neighborhood": 2000}, {"accuracy": 1e-200}, {"neighborhood": 600}]
    )
    def test_no_finite_number(self, change: dict[str, Any]) -> None:
        with pytest.raises(ValueError, match="finite number of trials"):
            exploration_trials(**{**LEMMA, **change})  # type: ignore[arg-type]

    @pytest.mark.parametrize("change", [{"epsilon": 0}, {"epsilon": 5.1}, {"radius": 0}])
    def test_bad_input_of_the_theorem(self, change: dict[str, Any]) -> None:
        with pytest.raises(ValueError, match="must be"):
            model_trials(**{**THEOREM, **change})

    @pytest.mark.parametrize("start", [[], [0.5, 0.4], [1.0, 0.0], [1.5, -0.5]])
    def test_bad_start(self, start: list[float]) -> None:
        with pytest.raises(ValueError, match="start must"):
            uniform_exploration(start, 2)


class TestReach:
    @given(st.integers(1, 60), st.integers(0, 80))
    def test_rings(self, n: int, t: int) -> None:
        both, one_way = topology.ring(n), topology.directed_ring(n)
        assert radius_of_influence(both, n, t) == min(n, 2 * t + 1)
        assert radius_of_influence(both, n, t, directed=True) == min(n, 2 * t + 1)
        assert radius_of_influence(one_way, n, t) == min(n, 2 * t + 1)
        assert radius_of_influence(one_way, n, t, directed=True) == min(n, t + 1)

    @pytest.mark.parametrize("t", range(8))
    def test_lattice_and_star(self, t: int) -> None:
        edges = topology.grid(225)
        assert radius_of_influence(edges, 225, t) == (2 * t * (t + 1) + 1 if t <= 7 else None)
        assert radius_of_influence(topology.star(30), 30, t) == (30 if t else 1)
        assert reach(topology.star(30), 30, t).tolist() == (
            [1] * 30 if t == 0 else [30] + [2] * 29 if t == 1 else [30] * 30
        )

    @given(
        st.sampled_from([*topology.UNDIRECTED, "successors"]),
        st.integers(1, 40),
        st.integers(0, 6),
        st.integers(0, 9),
        st.booleans(),
    )
    def test_networkx(self, name: str, n: int, t: int, seed: int, directed: bool) -> None:
        edges = (
            topology.random_successors(n, 2, seed)
            if name == "successors"
            else topology.named_edges(name, n, seed)
        )
        graph = (nx.DiGraph if directed else nx.Graph)()
        graph.add_nodes_from(range(n))
        graph.add_edges_from(edges.tolist())
        expected = [
            len(nx.single_source_shortest_path_length(graph, node, cutoff=t)) for node in range(n)
        ]
        result = reach(edges, n, t, directed=directed)
        assert result.dtype == np.int64
        assert result.tolist() == expected
        assert reach(graph, n, t, directed=directed).tolist() == expected
        largest = int(1 + topology.neighbors_of(edges, n).degree.max())  # B
        assert result.max() <= largest**t

    def test_in_blocks(self, monkeypatch: pytest.MonkeyPatch) -> None:
        edges = topology.random_graph(101, 3)
        whole = reach(edges, 101, 3)
        for pairs in (1, 404, 5000):
            monkeypatch.setattr(bounds, "PAIRS", pairs)
            np.testing.assert_array_equal(reach(edges, 101, 3), whole)

    def test_repeated_edges_loops_and_none(self) -> None:
        assert reach(np.array([[0, 1], [0, 1], [1, 1]]), 3, 4).tolist() == [2, 2, 1]
        edges = np.array([[0, 1], [0, 1], [1, 1], [1, 2]], np.int32)
        assert reach(edges, 3, 4, directed=True).tolist() == [3, 2, 1]
        assert reach(np.empty((0, 2), np.int64), 3, 4).tolist() == [1, 1, 1]

    def test_the_last_pair_counts(self) -> None:
        """All but 0 → 2 are one step apart."""
        edges = np.array([[0, 1], [1, 0], [1, 2], [2, 0], [2, 1]])
        assert reach(edges, 3, 1, directed=True).tolist() == [2, 3, 3]
        assert reach(edges, 3, 2, directed=True).tolist() == [3, 3, 3]

    @pytest.mark.parametrize(
        "call",
        [
            lambda: reach(topology.ring(5), 0, 1),
            lambda: reach(topology.ring(5), 5, -1),
            lambda: reach(topology.ring(5), 4, 1),
            lambda: reach(np.array([[0, -1]]), 4, 1),
            lambda: reach(np.array([0, 1]), 4, 1),
            lambda: reach(np.array([[0.0, 1.0]]), 4, 1),
            lambda: reach(nx.path_graph(4), 5, 1),
            lambda: radius_of_influence(topology.ring(5), 5, 1, directed=1),  # type: ignore[arg-type]
        ],
    )
    def test_bad_input(self, call: Callable[[], Any]) -> None:
        with pytest.raises(ValueError, match=r"must (be|name)"):
            call()
