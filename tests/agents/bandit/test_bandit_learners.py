"""Learners of the bandit against closed forms, NumPy's least squares, and the numbers of the specification.

Seeds are fixed; a statistical test says how likely it would fail for other seeds (its false-alarm rate).
"""

from __future__ import annotations

import math
import time
from itertools import product
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from gymnasium import spaces
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from scipy import linalg, stats

from agents import RandomPolicy
from agents.bandit.adaptive_halving import AdaptiveHalving, AdaptiveHalvingConfig
from agents.bandit.correlation import Correlation, CorrelationConfig
from agents.bandit.detecting import (
    DetectingMatrix,
    DetectingMatrixConfig,
    decode,
    detecting_design,
)
from agents.bandit.global_least_squares import GlobalLeastSquares, GlobalLeastSquaresConfig
from agents.bandit.local_means import LocalMeans, LocalMeansConfig
from agents.bandit.walsh_hadamard import parity, walsh_hadamard
from agents.learner import Learner
from agents.triangular import forward_substitution
from crl_envs.wrappers import GlobalReward
from tests.core.toy import TOY
from tests.wrappers.foreign import Leavers, Spaced
from tests.wrappers.making import make, make_vec

BANDIT = "crl/bandit-v0"
CERTAIN = {"p_correct": 1.0, "p_wrong": 0.0}
ALARM = 1e-6
CODINGS = ("signs", "intercept", "indicators")

LEARNERS: dict[str, tuple[Any, dict[str, Any], dict[str, Any]]] = {  # class, config, environment
    "local means": (LocalMeans, {"unseen": 0.5}, {}),
    "correlation": (Correlation, {}, {}),
    "least squares": (GlobalLeastSquares, {}, {}),
    "two indicators": (GlobalLeastSquares, {"coding": "indicators"}, {}),
    "ridge": (GlobalLeastSquares, {"ridge": "noise"}, {}),
    "Hadamard": (GlobalLeastSquares, {"design": "hadamard"}, {}),
    "LSMR": (GlobalLeastSquares, {"solver": "lsmr"}, {}),
    "adaptive halving": (AdaptiveHalving, {"budget": 30}, {}),
    "detecting matrix": (DetectingMatrix, {}, CERTAIN),
}
learners = pytest.mark.parametrize(("cls", "config", "kwargs"), LEARNERS.values(), ids=LEARNERS)


def performance(learner: Any, actions: Any = None) -> Any:
    """P of each column: 2 · (fraction of agents right) − 1; ``float64[B]``."""
    correct = learner.env.unwrapped.world.correct_action[:, None]
    greedy = learner.greedy() if actions is None else actions
    return 2 * (greedy == correct).mean(axis=0) - 1


def curve(cls: Any, trials: Any, columns: int, n: int, **config: Any) -> dict[int, Any]:
    """P of each column after some numbers of trials."""
    learner = cls(make_vec(BANDIT, columns, n_agents=n), seed=1000, **config)
    reached = {}
    for m in trials:
        learner.learn(total_episodes=m - learner.trials)
        reached[m] = performance(learner)
    return reached


def record(learner: Any, trials: int) -> tuple[Any, Any]:
    """Learn, and say what was played and what each agent earned: ``[m, n, B]`` twice."""
    played, earned = [], []
    step = learner.view.step

    def recording(actions: Any) -> Any:
        transition = step(actions)
        played.append(actions.copy())
        earned.append(np.array(transition.local, np.float64))
        return transition

    learner.view.step = recording
    learner.learn(total_episodes=trials)
    del learner.view.step
    return np.array(played), np.array(earned)


class TestLocalMeans:
    @staticmethod
    def exact(m: int, unseen: float = 0.0, p: float = 0.8, q: float = 0.2) -> float:
        """P after m trials: over trials c of the right action, its successes and the wrong one's."""
        total = 0.0
        for c in range(m + 1):
            wins = stats.binom.pmf(np.arange(c + 1), c, p)
            losses = stats.binom.pmf(np.arange(m - c + 1), m - c, q)
            right = np.arange(c + 1) / c if c else np.array([unseen])
            wrong = np.arange(m - c + 1) / (m - c) if m > c else np.array([unseen])
            gain = np.sign(
                right[:, None] - wrong
            )  # P: 1 when it is right, −1 when wrong, 0 at a tie
            total += math.comb(m, c) / 2**m * float(wins @ gain @ losses)
        return total

    @pytest.mark.parametrize(("m", "stated"), [(1, 0.30), (5, 0.766), (10, 0.946), (20, 0.996)])
    def test_closed_form_is_the_specification(self, m: int, stated: float) -> None:
        assert self.exact(m) == pytest.approx(stated, abs=5e-4)

    @pytest.mark.parametrize("n", [25, 2000])
    @pytest.mark.parametrize("unseen", [0.0, 0.5])
    def test_learner_is_the_closed_form(self, unseen: float, n: int) -> None:
        """100,000 agents in all, independent of each other; false alarm 1e-6 each, 2e-5 in all."""
        columns = 100_000 // n
        reached = curve(LocalMeans, (1, 2, 5, 10, 20), columns, n, unseen=unseen)
        for m, p in reached.items():
            right = round(float((p + 1).sum()) / 2 * n)
            expected = (1 + self.exact(m, unseen)) / 2
            assert stats.binomtest(right, 100_000, expected).pvalue > ALARM

    @pytest.mark.parametrize(
        "kwargs", [{"p_correct": 1.0, "p_wrong": 0.5}, {"p_correct": 0.1, "p_wrong": 0.6}]
    )
    def test_other_probabilities(self, kwargs: dict[str, float]) -> None:
        """20,000 agents, false alarm 1e-6. Where "right" pays less, learners prefer "wrong"."""
        learner = LocalMeans(make_vec(BANDIT, 10, n_agents=2000, **kwargs), seed=5)
        right = round(float((performance(learner.learn(total_episodes=6)) + 1).sum()) * 1000)
        p = self.exact(6, p=kwargs["p_correct"], q=kwargs["p_wrong"])
        assert stats.binomtest(right, 20_000, (1 + p) / 2).pvalue > ALARM

    @pytest.mark.parametrize("unseen", [0.0, 0.3])
    def test_means_are_the_means(self, unseen: float) -> None:
        learner = LocalMeans(make_vec(BANDIT, 3, n_agents=20), unseen=unseen, seed=2)
        played, earned = record(learner, 4)
        for action, i, b in product(range(2), range(20), range(3)):
            there = played[:, i, b] == action
            expected = earned[there, i, b].mean() if there.any() else unseen
            assert learner.means()[action, i, b] == pytest.approx(expected, rel=1e-15)
            assert learner.counts[action, i, b] == there.sum()
        assert (learner.counts == 0).any()

    def test_own_rewards_are_seen_through_the_wrapper(self) -> None:
        plain = LocalMeans(make(BANDIT, n_agents=30), seed=3).learn(total_episodes=8)
        wrapped = LocalMeans(GlobalReward(make(BANDIT, n_agents=30)), seed=3).learn(
            total_episodes=8
        )
        assert plain.sums.tolist() == wrapped.sums.tolist()

    def test_ties_are_fair_coins(self) -> None:
        """100,000 agents before the first trial, the same coins at each question; false alarm 1e-6."""
        learner = LocalMeans(make_vec(BANDIT, 2, n_agents=50_000), seed=3)
        coins = learner.greedy()
        assert coins.tolist() == learner.greedy().tolist()
        assert stats.binomtest(int(coins.sum()), 100_000, 0.5).pvalue > ALARM
        assert coins[:, 0].tolist() != coins[:, 1].tolist()
        for m in (1, 2):  # nor are they the actions or the right actions in disguise
            played, _ = record(learner, 1)
            for other in (played[0], learner.env.unwrapped.world.correct_action[:, None]):
                assert stats.binomtest(int((coins == other).sum()), 100_000, 0.5).pvalue > ALARM, m

    def test_a_hundred_thousand_agents(self) -> None:
        """Near optimal after 11 trials, in seconds: the paper's own example of many agents."""
        began = time.process_time()
        learner = LocalMeans(make_vec(BANDIT, 1, n_agents=100_000), seed=1)
        learner.learn(total_episodes=100, callback=lambda found: performance(found)[0] < 0.95)
        assert time.process_time() - began < 5
        assert performance(learner)[0] >= 0.95
        assert (
            learner.trials == 11
        )  # exact P is .9458 at 10 and .9580 at 11, with a standard deviation of .001


class TestLeastSquares:
    @staticmethod
    def reference(played: Any, earned: Any) -> Any:
        """NumPy's solution of least norm for one column: ``[m, n]`` twice to ``[n]``."""
        signs = 2.0 * played - 1
        total = earned.sum(axis=1)
        centred = signs - signs.mean(axis=0)
        return np.linalg.lstsq(centred, total - total.mean(), rcond=None)[0]

    @pytest.mark.parametrize("coding", CODINGS)
    @pytest.mark.parametrize(
        ("solver", "error"),
        [("auto", 1e-9), ("cholesky", 1e-9), ("minimum-norm", 1e-9), ("lsmr", 1e-3)],
    )
    @pytest.mark.parametrize(("n", "m"), [(1, 8), (7, 40), (30, 33), (30, 31), (130, 200)])
    def test_is_numpys_whatever_the_coding_with_more_trials_than_agents(
        self, n: int, m: int, solver: str, error: float, coding: str
    ) -> None:
        learner = GlobalLeastSquares(
            make_vec(BANDIT, 2, n_agents=n), coding=coding, solver=solver, seed=9
        )
        played, earned = record(learner, m)
        for b in range(2):
            expected = self.reference(played[:, :, b], earned[:, :, b])
            size = np.abs(expected).max()
            np.testing.assert_allclose(learner.weights()[:, b], expected, atol=error * size, rtol=0)
        assert learner.greedy().tolist() == (learner.weights() > 0).tolist()

    @pytest.mark.parametrize("solver", ["auto", "minimum-norm", "lsmr"])
    @pytest.mark.parametrize("coding", CODINGS)
    def test_least_norm_with_fewer_trials_than_agents(self, coding: str, solver: str) -> None:
        n, m = 40, 25
        learner = GlobalLeastSquares(
            make_vec(BANDIT, 2, n_agents=n), coding=coding, solver=solver, seed=4
        )
        played, earned = record(learner, m)
        for b in range(2):
            a, total = played[:, :, b].astype(float), earned[:, :, b].sum(axis=1)
            if coding == "signs":
                expected = self.reference(a, earned[:, :, b])
            elif coding == "intercept":
                expected = linalg.pinv(np.column_stack([np.ones(m), a])) @ total
                expected = expected[1:] / 2
            else:
                expected = linalg.pinv(np.column_stack([1 - a, a])) @ total
                expected = (expected[n:] - expected[:n]) / 2
            np.testing.assert_allclose(learner.weights()[:, b], expected, rtol=0, atol=1e-4)

    def test_codings_differ_with_fewer_trials_than_agents(self) -> None:
        found = []
        for coding in CODINGS:
            learner = GlobalLeastSquares(make(BANDIT, n_agents=40), coding=coding, seed=4)
            found.append(learner.learn(total_episodes=25).weights())
        assert all(np.abs(found[i] - found[j]).max() > 1e-3 for i, j in ((0, 1), (0, 2), (1, 2)))

    @pytest.mark.parametrize("ridge", [0.01, 3, "noise"])
    @pytest.mark.parametrize("solver", ["auto", "cholesky", "lsmr"])
    @pytest.mark.parametrize("coding", CODINGS)
    @pytest.mark.parametrize("m", [12, 30, 90])
    def test_ridge_is_the_closed_form(self, m: int, coding: str, solver: str, ridge: Any) -> None:
        n = 30
        learner = GlobalLeastSquares(
            make(BANDIT, n_agents=n), coding=coding, solver=solver, ridge=ridge
        )
        played, earned = record(learner, m)
        signs, total = 2.0 * played[:, :, 0] - 1, earned[:, :, 0].sum(axis=1)
        centred = signs - signs.mean(axis=0)
        penalty = n * (0.8 * 0.2 / 0.3**2 if ridge == "noise" else ridge)
        normal = centred.T @ centred + penalty * np.eye(n)
        expected = np.linalg.solve(normal, centred.T @ (total - total.mean()))
        np.testing.assert_allclose(learner.weights()[:, 0], expected, rtol=0, atol=1e-4)

    @pytest.mark.parametrize("ridge", [0.0, 0.5])
    @pytest.mark.parametrize(("n", "m"), [(1, 2), (3, 4), (7, 24), (12, 32), (60, 64)])
    def test_hadamard_rounds_are_solved_by_one_transform(
        self, n: int, m: int, ridge: float
    ) -> None:
        env = make_vec(BANDIT, 2, n_agents=n)
        learner = GlobalLeastSquares(env, design="hadamard", ridge=ridge, seed=9)
        played, earned = record(learner, m)
        signs = 2.0 * played[:, :, 0] - 1
        np.testing.assert_array_equal(signs.T @ signs, m * np.eye(n))
        assert not signs.sum(axis=0).any()
        assert learner._solver() == "walsh-hadamard"
        for b in range(2):
            expected = signs.T @ earned[:, :, b].sum(axis=1) / (m + ridge * n)
            np.testing.assert_allclose(learner.weights()[:, b], expected, atol=1e-12)
        learner.learn(total_episodes=1)
        assert learner._solver() != "walsh-hadamard"

    def test_hadamard_needs_one_round_without_noise(self) -> None:
        env = make_vec(BANDIT, 5, n_agents=100, **CERTAIN)
        learner = GlobalLeastSquares(env, design="hadamard").learn(total_episodes=128)
        right = env.world.correct_action[:, None]
        expected = np.repeat(np.where(right == 1, 0.5, -0.5), 5, axis=1)
        np.testing.assert_allclose(learner.weights(), expected, atol=1e-12)

    def test_hadamard_saves_n_trials(self) -> None:
        """P = 2 Φ(.75 √(m/n)) − 1: 40 × 100 agents, standard error about .01; false alarm < 1e-4 (4 of them)."""
        n, m, columns = 100, 128, 40
        env = make_vec(BANDIT, columns, n_agents=n)
        learner = GlobalLeastSquares(env, design="hadamard", seed=1).learn(total_episodes=m)
        right = learner.greedy() == env.world.correct_action[:, None]
        expected = 2 * stats.norm.cdf(0.75 * math.sqrt(m / n)) - 1
        assert 2 * right.mean() - 1 == pytest.approx(expected, abs=0.05)

    def test_gram_matrix_is_added_to_in_blocks(self, monkeypatch: pytest.MonkeyPatch) -> None:
        """Read-outs on the way, and block sizes, don't change a bit: the sums are of whole numbers."""
        plain = GlobalLeastSquares(make_vec(BANDIT, 2, n_agents=20), ridge=1.0, seed=6)
        plain.learn(total_episodes=100)
        monkeypatch.setattr("agents.bandit.global_least_squares._BLOCK", 7)
        parts = GlobalLeastSquares(make_vec(BANDIT, 2, n_agents=20), ridge=1.0, seed=6)
        for _ in range(4):
            parts.learn(total_episodes=25)
            parts.weights()
        np.testing.assert_allclose(parts.weights(), plain.weights(), rtol=1e-12)

    def test_trials_that_repeat_each_other(self) -> None:
        """More trials than agents, but fewer different ones: of all minimisers the one of least norm."""
        seen = 0
        for seed in range(30):
            learner = GlobalLeastSquares(make(BANDIT, n_agents=5), seed=seed)
            played, earned = record(learner, 6)
            a = played[:, :, 0]
            deficient = np.linalg.matrix_rank(a - a.mean(axis=0)) < 5
            seen += deficient
            expected = self.reference(a, earned[:, :, 0])
            np.testing.assert_allclose(learner.weights()[:, 0], expected, atol=1e-9)
            learner = GlobalLeastSquares(make(BANDIT, n_agents=5), seed=seed, solver="cholesky")
            learner.learn(total_episodes=6)
            if deficient:
                with pytest.raises(ValueError, match=r"at least n_agents \+ 1 = 6 of them, got 6"):
                    learner.weights()
            else:
                np.testing.assert_allclose(learner.weights()[:, 0], expected, atol=1e-9)
        assert 3 < seen < 27

    def test_cholesky_needs_more_trials_than_agents(self) -> None:
        learner = GlobalLeastSquares(make(BANDIT, n_agents=10), solver="cholesky")
        with pytest.raises(ValueError, match=r"n_agents \+ 1 = 11 of them, got 0"):
            learner.greedy()
        learner.learn(total_episodes=10)
        with pytest.raises(ValueError, match=r"n_agents \+ 1 = 11 of them, got 10"):
            learner.greedy()
        assert learner.learn(total_episodes=30).greedy().shape == (10, 1)

    def test_lsmr_is_taken_for_many_agents(self, monkeypatch: pytest.MonkeyPatch) -> None:
        """And Cholesky's result is the same to five digits; without SciPy it takes over."""
        monkeypatch.setattr("agents.bandit.global_least_squares._MANY_AGENTS", 60)
        exact = GlobalLeastSquares(make(BANDIT, n_agents=60), solver="cholesky", seed=1)
        learner = GlobalLeastSquares(make(BANDIT, n_agents=60), seed=1)
        for m in (89, 90):
            expected = exact.learn(total_episodes=m - exact.trials).weights()
            found = learner.learn(total_episodes=m - learner.trials).weights()
            assert (found == expected).all() == (m == 89)
            np.testing.assert_allclose(found, expected, atol=1e-5 * np.abs(expected).max())
        monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
        without = GlobalLeastSquares(make(BANDIT, n_agents=60), seed=1).learn(total_episodes=90)
        assert without.weights().tolist() == exact.weights().tolist()

    def test_without_scipy(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setitem(__import__("sys").modules, "scipy.sparse.linalg", None)
        learner = GlobalLeastSquares(make(BANDIT, n_agents=4), solver="lsmr")
        with pytest.raises(ImportError, match="pip install scipy"):
            learner.learn(total_episodes=9).greedy()

    def test_scale_and_origin_of_the_reward_do_not_matter(self) -> None:
        env = GlobalReward(make(BANDIT, n_agents=8), reduce="sum")
        summed = GlobalLeastSquares(env, seed=2).learn(total_episodes=40).weights()
        mean = GlobalLeastSquares(make(BANDIT, n_agents=8), seed=2).learn(total_episodes=40)
        np.testing.assert_allclose(summed, 8 * mean.weights(), rtol=1e-9)

    @given(
        hnp.arrays(np.float64, (150, 150), elements=st.floats(-1, 1)),
        st.sampled_from([1, 2, 63, 64, 65, 130, 150]),
    )
    def test_forward_substitution(self, entries: Any, n: int) -> None:
        lower = np.tril(entries[:n, :n], -1) / n + np.eye(n)
        right = entries[-1, :n]
        found = forward_substitution(lower, right)
        np.testing.assert_allclose(lower @ found, right, atol=1e-12)


class TestNumbersOfTheSpecification:
    """n = 200, 20 columns; five standard errors of our mean and rounding of the number stated: false alarm 6e-7."""

    @staticmethod
    def agrees(p: Any, stated: float, rounding: float = 0.005) -> bool:
        error = p.std(ddof=1) / math.sqrt(len(p))
        assert error < 0.03
        return bool(abs(p.mean() - stated) < 5 * error + rounding)

    def test_least_squares_and_its_double_descent(self) -> None:
        plain = curve(GlobalLeastSquares, (100, 200, 1000, 2500), 20, 200)
        assert self.agrees(plain[1000], 0.86)
        assert self.agrees(plain[2500], 0.99)
        assert self.agrees(plain[200], 0.05)
        # Fewer trials do better than as many as there are agents: 5 standard errors of the difference.
        errors = math.hypot(*(plain[m].std(ddof=1) / math.sqrt(20) for m in (100, 200)))
        assert plain[100].mean() - plain[200].mean() > 5 * errors

    def test_a_ridge_removes_the_double_descent(self) -> None:
        """Expected .20, .31, .45, .62, .87: each step is four standard errors up or more, false alarm 1e-4. At m = n
        a ridge is .38 better than none, fifteen standard errors."""
        ridge = curve(GlobalLeastSquares, (50, 100, 200, 400, 1000), 20, 200, ridge="noise")
        means = [p.mean() for p in ridge.values()]
        assert means == sorted(means)
        plain = curve(GlobalLeastSquares, (200,), 20, 200)
        assert ridge[200].mean() - plain[200].mean() > 0.2
        assert self.agrees(ridge[1000], 0.86, 0.01)

    @pytest.mark.parametrize("m", [400, 1000])
    def test_theory_of_least_squares(self, m: int) -> None:
        """P = 2 Φ(√((m − n) / (1.778 n))) − 1, the law of the trials to a level; exact for large n only, so .02."""
        n = 200
        reached = curve(GlobalLeastSquares, (m,), 20, n)[m]
        theory = 2 * stats.norm.cdf(math.sqrt((m - n) / (16 / 9 * n))) - 1
        assert self.agrees(reached, theory, 0.02)

    @pytest.mark.parametrize("m", [200, 1500])
    def test_theory_of_correlation(self, m: int) -> None:
        reached = curve(Correlation, (m,), 20, 200)[m]
        theory = 2 * stats.norm.cdf(0.6 * math.sqrt(m / 200)) - 1
        assert self.agrees(reached, theory, 0.02)

    def test_local_rewards_need_no_more_trials_with_more_agents_and_global_ones_do(self) -> None:
        """After 40 trials: exact P = 1 − 2e-5 locally for any n; .87 … .4 … .1 globally, .1 apart or more."""
        local, ours = [], []
        for n in (8, 40, 320):
            local.append(curve(LocalMeans, (40,), 20, n)[40].mean())
            ours.append(curve(GlobalLeastSquares, (40,), 20, n, ridge="noise")[40].mean())
        assert min(local) > 0.995
        assert ours[0] > ours[1] + 0.1 > ours[2] + 0.2


class TestAdaptiveHalving:
    """Against least squares with the same ridge and as many trials."""

    @staticmethod
    def play(n: int, budget: int | None, trials: int, columns: int = 1) -> tuple[Any, Any]:
        learner = AdaptiveHalving(make_vec(BANDIT, columns, n_agents=n), budget=budget, seed=3)
        return learner, record(learner, trials)[0]

    @pytest.mark.parametrize(
        ("n", "budget", "ends"),
        [(8, 64, [32, 48, 56, 64]), (5, None, [15, 22, 30]), (1, 9, [9]), (100, 3, [1, 2, 3])],
    )
    def test_half_of_the_explorers_settle_at_each_end_of_a_phase(
        self, n: int, budget: int | None, ends: list[int]
    ) -> None:
        learner, _ = self.play(n, budget, 0)
        assert learner.ends == ends
        exploring = n
        for m in range(ends[-1]):
            assert learner.exploring.sum() == exploring
            before = learner.exploring[:, 0].copy()
            learner.learn(total_episodes=1)
            if m + 1 == ends[-1]:
                exploring = 0
            elif m + 1 in ends:
                exploring //= 2
                size = np.abs(learner.weights()[:, 0])
                settled = before & ~learner.exploring[:, 0]
                if exploring:
                    assert size[settled].min() >= size[learner.exploring[:, 0]].max()
        assert not learner.exploring.any()

    def test_plays_what_is_settled(self) -> None:
        learner, played = self.play(40, 200, 100, columns=2)
        settled = ~learner.exploring
        assert settled.sum(axis=0).tolist() == [20, 20]
        choice = learner.greedy()
        later, _ = record(learner, 49)
        assert (later[:, settled] == choice[settled]).all()
        assert 0.4 < later[:, ~settled].mean() < 0.6
        learner.learn(total_episodes=51)
        final = learner.greedy()
        assert (record(learner, 3)[0] == final).all()
        random = GlobalLeastSquares(make_vec(BANDIT, 2, n_agents=40), seed=3)
        assert record(random, 100)[0].tolist() == played.tolist()

    def test_earns_more_on_the_way_to_about_as_good_a_policy(self) -> None:
        """Means of 20 columns. P with and without: standard errors .01 each; the reward's is .002 at most."""
        n, m = 100, 600
        halving = AdaptiveHalving(make_vec(BANDIT, 20, n_agents=n), budget=m, seed=1000)
        plain = GlobalLeastSquares(make_vec(BANDIT, 20, n_agents=n), ridge="noise", seed=1000)
        reward = {}
        for learner in (halving, plain):
            learner.learn(total_episodes=m)
            reward[learner] = np.mean([entry["global_return"] for entry in learner.history])
        assert abs(performance(halving).mean() - performance(plain).mean()) < 0.07
        assert performance(halving).mean() > 0.8
        assert abs(reward[plain] - 0.5) < 0.01
        assert reward[halving] > 0.57


class TestCorrelation:
    def test_is_the_covariance(self) -> None:
        learner = Correlation(make_vec(BANDIT, 3, n_agents=12), seed=3)
        played, earned = record(learner, 50)
        for i, b in product(range(12), range(3)):
            expected = np.cov(played[:, i, b], earned[:, :, b].mean(axis=1), bias=True)[0, 1]
            assert learner.covariation[i, b] / 50 == pytest.approx(expected, abs=1e-14)
        assert learner.greedy().tolist() == (learner.covariation > 0).tolist()

    def test_is_what_a_large_ridge_leads_to(self) -> None:
        correlation = Correlation(make_vec(BANDIT, 3, n_agents=50), seed=1).learn(total_episodes=30)
        ridge = GlobalLeastSquares(make_vec(BANDIT, 3, n_agents=50), ridge=1e9, seed=1)
        assert ridge.learn(total_episodes=30).greedy().tolist() == correlation.greedy().tolist()

    def test_one_trial_says_nothing(self) -> None:
        learner = Correlation(make(BANDIT, n_agents=12)).learn(total_episodes=1)
        assert not learner.covariation.any()


class TestDetectingMatrix:
    @pytest.mark.parametrize("k", range(1, 8))
    def test_2_to_the_k_and_one_trials_for_k_2_to_the_k_minus_1_agents(self, k: int) -> None:
        n = k * 2 ** (k - 1)
        design = detecting_design(n)
        assert design.shape == (2**k + 1, n)
        assert design.dtype == np.uint8
        assert set(np.unique(design)) == {0, 1}
        assert not design[0].any()

    @pytest.mark.parametrize(
        ("n", "m"),
        [(1, 3), (2, 5), (5, 7), (13, 11), (33, 19), (81, 35), (100, 49), (200, 73), (400, 129)],
    )
    def test_trials_of_other_numbers_of_agents(self, n: int, m: int) -> None:
        assert detecting_design(n).shape == (m, n)

    def test_never_more_trials_than_the_next_larger_block(self) -> None:
        for n in range(1, 449):
            order = next(k for k in range(1, 8) if k * 2 ** (k - 1) >= n)
            assert len(detecting_design(n)) <= 2**order + 1

    def test_agents_play_1_at_as_many_points_as_they_should(self) -> None:
        """Agent (a, j) at 2^(k − |a| + j) of the 2^k: all (a, j) once, larger sets first."""
        k = 5
        sizes = sorted((mask.bit_count() for mask in range(1, 2**k)), reverse=True)
        expected = [2 ** (k - size + j) for size in sizes for j in range(size)]
        assert detecting_design(k * 2 ** (k - 1)).sum(axis=0).tolist() == expected

    @pytest.mark.parametrize("n", [1, 2, 3, 4, 5, 11, 12])
    def test_tells_all_right_actions_apart(self, n: int) -> None:
        design = detecting_design(n)
        instances = np.array(list(product((0, 1), repeat=n)))
        counts = (design[None] == instances[:, None]).sum(axis=2)
        assert len({tuple(row) for row in counts.tolist()}) == 2**n
        assert decode(counts.T / n, n).T.tolist() == instances.tolist()

    @pytest.mark.parametrize("n", [12, 13, 32, 33, 79, 80, 81, 100, 192, 200, 400, 448])
    def test_exact_on_a_hundred_instances(self, n: int) -> None:
        instances = np.random.default_rng(n).integers(2, size=(n, 100), dtype=np.uint8)
        design = detecting_design(n)
        rewards = np.array([(row[:, None] == instances).mean(axis=0) for row in design])
        np.testing.assert_array_equal(decode(rewards, n), instances)
        np.testing.assert_array_equal(decode(rewards[:, 7].tolist(), n), instances[:, 7])

    @pytest.mark.parametrize("n", [6, 32])
    def test_plays_the_design_and_then_what_is_right(self, n: int) -> None:
        """A hundred instances, played in the environment; rewards of floats, GlobalReward or not."""
        for instance_seed in range(50):
            env = make_vec(BANDIT, 2, n_agents=n, instance_seed=instance_seed, **CERTAIN)
            learner = DetectingMatrix(GlobalReward(env) if instance_seed % 2 else env)
            if instance_seed:
                learner.learn(total_episodes=learner.n_trials)
            else:
                played, _ = record(learner, learner.n_trials)
                assert played[..., 0].tolist() == detecting_design(n).tolist()
            assert performance(learner).tolist() == [1.0, 1.0]
            assert learner.learn(total_episodes=2).history[-1]["global_return"].tolist() == [
                1.0,
                1.0,
            ]

    def test_between_the_lower_bound_and_six_times_that(self) -> None:
        """Theorem 3.1 asks for m ≥ (0.32 n + ln ¼) / ln(n + 1); least squares for more than n."""
        for n in (80, 192, 448, 1024):
            bound = (0.32 * n + math.log(0.25)) / math.log(n + 1)
            assert bound <= len(detecting_design(n)) < min(6 * bound, n / 2)

    def test_noise_is_refused(self) -> None:
        learner = DetectingMatrix(make_vec(BANDIT, 3, n_agents=32))
        learner.learn(total_episodes=learner.n_trials)
        message = (
            r"without noise \(p_correct=1, p_wrong=0\), got rewards that no right actions explain"
        )
        with pytest.raises(ValueError, match=message):
            learner.greedy()
        with pytest.raises(ValueError, match=message):
            learner.learn(total_episodes=1)

    @pytest.mark.parametrize("trial", range(0, 18, 3))
    @pytest.mark.parametrize("error", [1.0, -1.0, 0.25])
    def test_any_single_reward_that_is_off_by_one_is_refused(
        self, trial: int, error: float
    ) -> None:
        """Off by two may be what other right actions give: those of (a, 0) and (a, 1) exchanged."""
        design, right = detecting_design(30), np.arange(30) % 3 == 0
        rewards = (design == right).mean(axis=1)
        rewards[trial % len(design)] += error / 30
        with pytest.raises(ValueError, match="no right actions explain"):
            decode(rewards, 30)

    def test_sums_instead_of_means_are_refused(self) -> None:
        env = GlobalReward(make(BANDIT, n_agents=12, **CERTAIN), reduce="sum")
        learner = DetectingMatrix(env)
        learner.learn(total_episodes=learner.n_trials)
        with pytest.raises(ValueError, match="rewards must be means of own rewards"):
            learner.greedy()

    def test_too_few_trials(self) -> None:
        learner = DetectingMatrix(make(BANDIT, n_agents=12, **CERTAIN)).learn(total_episodes=8)
        with pytest.raises(
            ValueError, match=r"12 agents need 9 trials, got 8: learn\(total_episodes=1\) first"
        ):
            learner.greedy()
        assert performance(learner.learn(total_episodes=1))[0] == 1.0

    @pytest.mark.parametrize("shape", [(8,), (10,), (9, 2, 2), ()])
    def test_rewards_of_the_wrong_shape(self, shape: tuple[int, ...]) -> None:
        with pytest.raises(ValueError, match="rewards must be of the 9 trials for 12 agents, got"):
            decode(np.zeros(shape), 12)

    @pytest.mark.parametrize("value", [math.nan, math.inf])
    def test_rewards_that_are_not_numbers(self, value: float) -> None:
        with pytest.raises(ValueError, match="no right actions explain"):
            decode(np.full(9, value), 12)

    @pytest.mark.parametrize("n", [0, -1, 2.0, "3", True])
    def test_bad_number_of_agents(self, n: Any) -> None:
        for call in (detecting_design, lambda n: decode([1.0], n)):
            with pytest.raises(ValueError, match=r"n must be an integer ≥ 1, got"):
                call(n)

    @given(st.integers(0, 6), st.data())
    def test_walsh_hadamard_is_its_definition(self, k: int, data: Any) -> None:
        values = data.draw(hnp.arrays(np.float64, (2**k, 2), elements=st.integers(-99, 99)))
        expected = linalg.hadamard(2**k) @ values
        np.testing.assert_array_equal(walsh_hadamard(values), expected)

    @given(st.lists(st.integers(0, 2**32 - 1), min_size=1))
    def test_parity(self, numbers: list[int]) -> None:
        found = parity(np.array(numbers, np.int64))
        assert found.tolist() == [number.bit_count() % 2 for number in numbers]


class TestEveryLearner:
    @learners
    def test_column_is_the_single_learner_on_the_dict_env(
        self, cls: Any, config: Any, kwargs: Any, tmp_path: Path
    ) -> None:
        columns, m, n, seed = 3, 40, 11, 7
        for mode in ("Disabled", "NextStep"):
            vec = make_vec(BANDIT, columns, autoreset_mode=mode, n_agents=n, **kwargs)
            together = cls(vec, seed=seed, **config).learn(total_episodes=m)
            for b in range(columns):
                alone = cls(make(BANDIT, n_agents=n, **kwargs), seed=seed + b, **config)
                alone.learn(total_episodes=m)
                assert together.greedy()[:, b].tolist() == alone.greedy()[:, 0].tolist()
                arrays = alone.get_arrays()
                for name, array in together.get_arrays().items():
                    column = array[..., b : b + 1] if array.ndim else array
                    assert column.tolist() == arrays[name].tolist(), name
        assert together.greedy().dtype == np.uint8
        assert together.greedy().shape == (n, columns)

    @learners
    def test_save_and_load(self, cls: Any, config: Any, kwargs: Any, tmp_path: Path) -> None:
        """Also before the first trial, and in the middle of what a step callback sees."""

        def fresh() -> Any:
            return make_vec(BANDIT, 2, n_agents=9, autoreset_mode="Disabled", **kwargs)

        for m in (0, 15):
            env = fresh()
            learner = cls(env, seed=4, **config).learn(total_episodes=m)
            learner.save(tmp_path / "saved.npz")
            again = Learner.load(tmp_path / "saved.npz", env)
            assert type(again) is cls
            assert again.trials == again.episodes == m
            if m:
                assert again.greedy().tolist() == learner.greedy().tolist()
            again.learn(total_episodes=16)
            straight = cls(fresh(), seed=4, **config).learn(total_episodes=m + 16)
            assert again.greedy().tolist() == straight.greedy().tolist()
            assert str(again.history) == str(straight.history)
            for name, array in straight.get_arrays().items():
                assert again.get_arrays()[name].tolist() == array.tolist(), name
        learner.learn(
            total_episodes=1, step_callback=lambda found: found.save(tmp_path / "step.npz")
        )
        assert cls.load(tmp_path / "step.npz", fresh()).trials == 16

    @learners
    def test_a_checkpoint_of_another_size(
        self, cls: Any, config: Any, kwargs: Any, tmp_path: Path
    ) -> None:
        cls(make(BANDIT, n_agents=20, **kwargs), **config).learn(total_episodes=3).save(
            tmp_path / "saved"
        )
        with pytest.raises(ValueError, match="doesn't fit"):
            cls.load(tmp_path / "saved", make(BANDIT, n_agents=5, **kwargs))

    @learners
    def test_is_deterministic_and_two_calls_are_one(
        self, cls: Any, config: Any, kwargs: Any
    ) -> None:
        once = cls(make(BANDIT, n_agents=10, **kwargs), seed=3, **config).learn(total_episodes=30)
        np.random.default_rng().random()
        twice = cls(make(BANDIT, n_agents=10, **kwargs), seed=3, **config)
        twice.learn(total_episodes=18).learn(total_episodes=12)
        assert once.history == twice.history
        for name, array in once.get_arrays().items():
            assert array.tolist() == twice.get_arrays()[name].tolist()
        if cls is not DetectingMatrix:  # whose actions and rewards have nothing random
            other = cls(make(BANDIT, n_agents=10, **kwargs), seed=4, **config)
            assert other.learn(total_episodes=30).history != once.history

    @learners
    def test_act(self, cls: Any, config: Any, kwargs: Any) -> None:
        """Deterministic: what is greedy. Otherwise it explores, without disturbing what is learnt."""
        n = 10
        vec = make_vec(BANDIT, 2, n_agents=n, **kwargs)
        learner = cls(vec, seed=3, **config).learn(total_episodes=40)
        seen = np.zeros((2, n), np.uint8)
        before = learner.greedy()
        assert learner.act(seen, deterministic=True).T.tolist() == before.tolist()
        drawn = np.array([learner.act(seen) for _ in range(60)])
        if cls in (DetectingMatrix, AdaptiveHalving):  # which have done with exploring
            assert (drawn == before.T).all()
        elif "design" in config:  # the trial that is due, number 40 of rounds of 16
            assert (drawn == parity(8 & np.arange(1, n + 1))).all()
        else:
            assert set(np.unique(drawn.mean(axis=0)) > 0.1) == {True}
            assert set(np.unique(drawn.mean(axis=0)) < 0.9) == {True}
        learner.greedy()[:] = 7  # a copy
        assert learner.greedy().tolist() == before.tolist()
        single = cls(make(BANDIT, n_agents=n, **kwargs), seed=3, **config).learn(total_episodes=40)
        assert list(single.act({"agent_3": 0}, deterministic=True)) == ["agent_3"]

    @pytest.mark.parametrize("cls", [LocalMeans, Correlation, GlobalLeastSquares])
    def test_explores_like_the_random_policy(self, cls: Any) -> None:
        learner = cls(make_vec(BANDIT, 2, n_agents=10), seed=3)
        policy = RandomPolicy(make_vec(BANDIT, 2, n_agents=10), seed=3)
        assert record(learner, 25)[0].tolist() == record(policy, 25)[0].tolist()

    @learners
    def test_global_learners_see_the_mean_alone(self, cls: Any, config: Any, kwargs: Any) -> None:
        """Who earned what makes no difference: here each gets another's reward. It does to a local learner."""
        greedy = []
        for shift in (0, 3):
            learner = cls(make_vec(BANDIT, 2, n_agents=8, **kwargs), seed=3, **config)
            step = learner.view.step

            def swapped(actions: Any, step: Any = step, shift: int = shift) -> Any:
                transition = step(actions)
                rewards = np.roll(transition.rewards, shift, axis=0)
                return transition._replace(rewards=rewards, local=rewards)

            learner.view.step = swapped
            greedy.append(learner.learn(total_episodes=20).greedy().tolist())
        assert (greedy[0] == greedy[1]) == (cls is not LocalMeans)

    @learners
    def test_is_the_same_under_global_reward(self, cls: Any, config: Any, kwargs: Any) -> None:
        """n = 16 is a power of two, so that the mean of equal means is exact."""
        plain = cls(make_vec(BANDIT, 2, n_agents=16, **kwargs), seed=3, **config)
        wrapped = cls(GlobalReward(make_vec(BANDIT, 2, n_agents=16, **kwargs)), seed=3, **config)
        for learner in (plain, wrapped):
            learner.learn(total_episodes=40)
        assert plain.greedy().tolist() == wrapped.greedy().tolist()

    @learners
    def test_before_there_is_anything_to_tell(self, cls: Any, config: Any, kwargs: Any) -> None:
        learner = cls(make(BANDIT, n_agents=4, **kwargs), **config)
        if cls is DetectingMatrix:
            with pytest.raises(ValueError, match="4 agents need 5 trials, got 0"):
                learner.greedy()
        else:
            for _ in range(3):
                assert learner.greedy().shape == (4, 1)
                learner.learn(total_episodes=1)

    @learners
    @pytest.mark.parametrize("id", ["crl/sysadmin-v0", TOY])
    def test_another_environment(self, cls: Any, config: Any, kwargs: Any, id: str) -> None:
        for env in (make(id), make_vec(id, 2)):
            with pytest.raises(ValueError, match="env must be a bandit"):
                cls(env, **config)

    @learners
    def test_other_peoples_environments(self, cls: Any, config: Any, kwargs: Any) -> None:
        one, two = spaces.Discrete(1), spaces.Discrete(2)
        for env, message in (
            (Leavers(), "two actions for each agent, got 4"),
            (Spaced({"a": two}, {"a": two}), "a single observation for each agent"),
            (Spaced({"a": spaces.Box(0, 1)}, {"a": two}), "a single observation for each agent"),
        ):
            with pytest.raises(ValueError, match=f"env must be a bandit.*{message}"):
                cls(env, **config)
        with pytest.raises(ValueError, match=r"env must be a ParallelEnv or a vector env"):
            cls("bandit", **config)
        env = Spaced({"a": one}, {"a": two}, {"a": np.array([0, 1], np.int8)})
        with pytest.raises(ValueError, match=r"env must be a bandit with both actions legal"):
            cls(env, **config).learn(total_episodes=1)
        with pytest.raises(ValueError, match=r"env must be a bandit: .*done after one step"):
            cls(TwoSteps({"a": one}, {"a": two}), **config).learn(total_episodes=1)
        odd = Spaced(
            {"a": one, 7: spaces.Discrete(1, start=3)}, {"a": two, 7: spaces.Discrete(2, start=5)}
        )
        assert cls(odd, **config).learn(total_episodes=2).trials == 2  # odd ids, and actions from 5

    @learners
    def test_unknown_argument(self, cls: Any, config: Any, kwargs: Any) -> None:
        with pytest.raises(ValueError, match=f"{cls.__name__} has no argument 'sed'.*'seed'"):
            cls(make(BANDIT), sed=1)


class TwoSteps(Spaced):
    """Two steps long."""

    def reset(self, seed: int | None = None, options: Any = None) -> Any:
        self.first = True
        return super().reset(seed, options)

    def step(self, actions: Any) -> Any:
        agents = self.agents
        observations, rewards, ended, truncated, infos = super().step(actions)
        if self.first:
            self.first, self.agents, ended = False, agents, truncated
        return observations, rewards, ended, truncated, infos


@pytest.mark.parametrize(
    ("cls", "config", "message"),
    [
        (LocalMeansConfig, {"unseen": math.inf}, "unseen must be a finite number"),
        (LocalMeansConfig, {"unseen": "0"}, "unseen must be a finite number"),
        (LocalMeansConfig, {"seed": -1}, "seed must be an integer in"),
        (CorrelationConfig, {"seed": 1.0}, "seed must be an integer in"),
        (DetectingMatrixConfig, {"seed": None}, "seed must be an integer in"),
        (GlobalLeastSquaresConfig, {"seed": True}, "seed must be an integer in"),
        (AdaptiveHalvingConfig, {"budget": 0}, "budget must be an integer ≥ 1, got 0"),
        (AdaptiveHalvingConfig, {"budget": 2.5}, "budget must be an integer ≥ 1, got 2.5"),
        (AdaptiveHalvingConfig, {"ridge": 0}, r"ridge must be .*above 0, got 0"),
        (AdaptiveHalvingConfig, {"solver": "qr"}, "solver must be one of"),
        (AdaptiveHalvingConfig, {"design": "hadamard"}, "design must be 'random' here"),
        (GlobalLeastSquaresConfig, {"design": "walsh"}, "design must be one of 'random', 'hadamard'"),
        (GlobalLeastSquaresConfig, {"coding": "sign"}, r"coding must be one of .*did you mean 'signs'"),
        (GlobalLeastSquaresConfig, {"ridge": -1}, r"ridge must be a finite number in \[0, 1e\+30\], got -1"),
        (GlobalLeastSquaresConfig, {"ridge": "none"}, "ridge must be a number ≥ 0 or 'noise', got 'none'"),
        (GlobalLeastSquaresConfig, {"ridge": math.nan}, "ridge must be a finite number"),
        (GlobalLeastSquaresConfig, {"ridge": None}, "ridge must be a finite number"),
        (GlobalLeastSquaresConfig, {"solver": "svd"}, "solver must be one of 'auto', 'cholesky', 'lsmr'"),
        (
            GlobalLeastSquaresConfig,
            {"solver": "minimum-norm", "ridge": "noise"},
            "solver='minimum-norm' must go with ridge=0, got ridge='noise'",
        ),
    ],
)  # fmt: skip
def test_bad_settings(cls: Any, config: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        cls(**config)
