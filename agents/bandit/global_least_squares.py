"""Global learner of the bandit by least squares on the global reward (Bagnell & Ng 2005, §5, Figure 2).

One basis function for each agent: with actions coded as x_i = ±1, Y = n R (R the global reward: the mean of all own
rewards) is w_0 + Σ_i w_i x_i plus noise, where w_i is half of what agent i's own reward gains by action 1. After m
trials of uniformly random actions, with X̃ and Ỹ centred (their means over the trials taken off),

    w = argmin ‖Ỹ − X̃ w‖² + λ ‖w‖²,   λ = ridge · n          of all minimisers the one of least norm
    greedy[i] = 1 when w_i > 0, else 0

With p = 0.8 for right and 0.2 for wrong, w_i = ±0.3, and the agents' luck adds a variance of 0.16 n to Y. For m > n an
agent is right with probability about Φ(0.75 √((m − n)/n)), so that P = 2 · (fraction right) − 1 reaches a level after
n (1 + 1.778 z²) trials, z = Φ⁻¹((1 + P)/2): linear in n. Without a ridge P falls to about .05 at m = n, where large
weights fit the noise exactly, and rises again: double descent (Belkin, Hsu, Ma & Mandal 2019). A ridge removes it.
The best one is noise over signal variance, 0.16 n / 0.3² = 16/9 · n: ``ridge="noise"``. (λ carries the factor n
because Y has the luck of n agents in it.)

Codings. Without ridge and with m ≤ n the minimiser of least norm depends on how actions are coded:

    signs       ±1, centred, as above
    intercept   a column of ones and one of 0/1 for each agent, not centred
    indicators  two columns for each agent, 1{a = 0} and 1{a = 1}, not centred; greedy compares their weights

For m > n (and X̃ of full rank) all three give the same w. With a ridge the coding makes no difference: the penalty is
on the w above.

Solvers. ``"cholesky"`` factorises the Gram matrix X̃ᵀX̃ + λ, to which trials are added in blocks (their counts are
whole numbers, so exact in any order); O(n²) a trial and O(n³) a read-out. ``"lsmr"`` (Fong & Saunders 2011) needs some
tens of products with X̃ in float32 and is right to about five digits. ``"minimum-norm"`` is the singular value
decomposition of `numpy.linalg.lstsq`. ``"auto"`` takes the last without a ridge when m ≤ n or X̃ lacks rank, LSMR for
n ≥ 1000 and m ≥ 1.5 n where SciPy is installed, and Cholesky otherwise.

Designs. ``"random"``: uniformly random actions. ``"hadamard"``: trial t plays row t mod M of a Hadamard matrix
(Sylvester's) of order M, the power of two above n; agent i plays the parity of the ones of t & (i + 1). After whole
rounds of M trials the columns of X̃ are orthogonal, so that w = X̃ᵀỸ / (m + λ), one fast Walsh–Hadamard transform for all
agents (``"auto"`` takes it then), and no agent's weight is blurred by the others': P reaches a level after 1.778 z² n
trials, n fewer than above. There is nothing left to draw, so it isn't what the paper's exploration is.
"""

from __future__ import annotations

import importlib.util
from dataclasses import dataclass
from typing import Any, ClassVar, Final

import numpy as np
from numpy.typing import NDArray

from agents.bandit.bandit_learner import BanditLearner
from agents.bandit.walsh_hadamard import parity, walsh_hadamard
from agents.learner import global_reward
from agents.triangular import solve_factorised
from agents.view import Frame, Transition
from crl_envs.core.arguments import check_choice, check_real, check_seed, is_word, keep, shown
from crl_envs.core.copies import OwnsArrays

NOISE_RATIO: Final = 16 / 9  # variance of an agent's luck over its signal's: 0.8 · 0.2 / 0.3²
_MANY_AGENTS: Final = 1000
_BLOCK: Final = 1024  # trials that enter the Gram matrix together; whole in float32 up to 2²⁴


@dataclass(frozen=True)
class GlobalLeastSquaresConfig:
    """Settings of `GlobalLeastSquares`.

    Attributes:
        coding: ``"signs"`` (default), ``"intercept"`` or ``"indicators"``: matters only without a ridge and with no
            more trials than agents.
        ridge: λ/n ≥ 0, 0.0 by default: no penalty. ``"noise"`` is 16/9, the best for the probabilities 0.8 and 0.2;
            p(1 − p)/(p − ½)² for p and 1 − p. More is steadier with few trials; very much leads to `Correlation`.
        solver: ``"auto"`` (default), ``"cholesky"``, ``"lsmr"`` or ``"minimum-norm"``. Explicit ones compute the
            same where they can; Cholesky without a ridge can't for m ≤ n, nor the last with one.
        design: ``"random"`` (default): uniformly random actions. ``"hadamard"``: actions of all agents are chosen
            together, orthogonal in time: fewer trials, where the experimenter may choose them.
        seed: 0 by default; an integer in [0, 2^64 − 1]. Fixes the actions and the environment's episodes.

    Raises:
        ValueError: A value out of its range, or ``"minimum-norm"`` with a ridge.
    """

    coding: str = "signs"
    ridge: float | str = 0.0
    solver: str = "auto"
    design: str = "random"
    seed: int = 0

    def __post_init__(self) -> None:
        keep(self, check_choice, "coding", ("signs", "intercept", "indicators"))
        if not is_word(self.ridge, "noise"):
            if isinstance(self.ridge, str):
                raise ValueError(f"ridge must be a number ≥ 0 or 'noise', got {shown(self.ridge)}")
            keep(self, check_real, "ridge", low=0.0)
        keep(self, check_choice, "solver", ("auto", "cholesky", "lsmr", "minimum-norm"))
        if self.solver == "minimum-norm" and self.ridge != 0:
            raise ValueError(
                f"solver='minimum-norm' must go with ridge=0, got ridge={shown(self.ridge)}"
            )
        keep(self, check_choice, "design", ("random", "hadamard"))
        keep(self, check_seed, "seed")


class GlobalLeastSquares(BanditLearner):
    """See the module for the estimate, `BanditLearner` for how it explores, `Learner` for the vocabulary.

    It reads the mean of the rewards that the environment gives, and nothing else of them. All trials are kept, one bit
    for each action.

        GlobalLeastSquares(env, ridge="noise", seed=1).learn(total_episodes=6 * n).greedy()

    Args:
        env: A bandit, with or without `GlobalReward`; see `BanditLearner`.
        **config: Fields of `GlobalLeastSquaresConfig`.

    Raises:
        ValueError: As `BanditLearner`. From `weights` and `greedy`: ``solver="cholesky"`` without a ridge and with
            X̃ of less than full rank, as it is for m ≤ n.
        ImportError: From the same: ``solver="lsmr"`` without SciPy.
    """

    config_class: ClassVar[type[Any]] = GlobalLeastSquaresConfig
    config: GlobalLeastSquaresConfig

    def __init__(self, env: Any, **config: Any) -> None:
        super().__init__(env, **config)
        n, b = self.view.n_agents, self.view.num_envs
        ridge = self.config.ridge
        self._penalty = n * (NOISE_RATIO if isinstance(ridge, str) else float(ridge))
        # Blocks of trials, 8 agents a byte.
        self._actions = [np.empty((0, -(-n // 8), b), np.uint8)]
        self._rewards = [np.empty((0, b))]
        self._moments: list[_Moments] = []  # of the columns; none yet
        self._solved: tuple[int, NDArray[np.float64]] | None = None  # after m trials: w

    def choose(self, frame: Frame, words: NDArray[np.uint32] | None) -> NDArray[np.integer]:
        """Return a random action, or the design's next trial; without words the greedy action."""
        actions = super().choose(frame, words)
        if words is None or self.config.design == "random":
            return actions
        agents = np.arange(1, self.view.n_agents + 1)
        row = parity(agents & (self.trials % self._round())).astype(np.uint8)
        return np.repeat(row[:, None], self.view.num_envs, axis=1)

    def observe(self, frame: Frame, actions: NDArray[np.integer], transition: Transition) -> None:
        """Keep the actions and the global reward."""
        super().observe(frame, actions, transition)
        self._actions.append(np.packbits(actions.astype(np.uint8), axis=0)[None])
        self._rewards.append(global_reward(transition)[None])

    def weights(self) -> NDArray[np.float64]:
        """Return w: ``float64[n, B]``; all 0 before the first trial."""
        if self._solved is None or self._solved[0] != self.trials:
            columns = [self._solve(b) for b in range(self.view.num_envs)]
            self._solved = self.trials, np.stack(columns, axis=1)
        return self._solved[1].copy()

    def greedy(self) -> NDArray[np.uint8]:
        """Return 1 where w > 0, else 0."""
        return np.asarray(self.weights() > 0).view(np.uint8)

    def get_arrays(self) -> dict[str, NDArray[Any]]:
        """Return the trials."""
        self._join()
        return {**super().get_arrays(), "actions": self._actions[0], "rewards": self._rewards[0]}

    def set_arrays(self, arrays: dict[str, NDArray[Any]]) -> None:
        """Go on from these trials."""
        super().set_arrays(arrays)
        self._actions, self._rewards = [arrays["actions"]], [arrays["rewards"]]
        self._moments, self._solved = [], None

    def _restore(self, meta: dict[str, Any], arrays: dict[str, NDArray[Any]]) -> None:
        """Restore as any learner, once there is room for the trials."""
        m = int(arrays["learnt_trials"])
        for blocks in (self._actions, self._rewards):
            blocks[:] = [np.broadcast_to(blocks[0].dtype.type(0), (m, *blocks[0].shape[1:]))]
        super()._restore(meta, arrays)

    def _join(self) -> None:
        if len(self._rewards) > 1:
            self._actions = [np.concatenate(self._actions)]
            self._rewards = [np.concatenate(self._rewards)]

    def _trials(
        self, b: int, which: slice = slice(None)
    ) -> tuple[NDArray[np.uint8], NDArray[np.float64]]:
        """Return some of column b's trials: actions ``uint8[trials, n]`` and Y ``float64[trials]``."""
        n = self.view.n_agents
        actions = np.unpackbits(self._actions[0][which, :, b], axis=1, count=n)
        return actions, n * self._rewards[0][which, b]

    def _solver(self) -> str:
        """Return the solver for the present number of trials."""
        m, n = self.trials, self.view.n_agents
        if self.config.solver != "auto":
            return self.config.solver
        if self.config.design == "hadamard" and m and m % self._round() == 0:
            return "walsh-hadamard"
        if n >= _MANY_AGENTS and m >= 1.5 * n and importlib.util.find_spec("scipy") is not None:
            return "lsmr"
        return "cholesky" if m > n or self._penalty > 0 else "minimum-norm"

    def _solve(self, b: int) -> NDArray[np.float64]:
        """Return column b's w: ``float64[n]``."""
        self._join()
        solver, n = self._solver(), self.view.n_agents
        if solver == "cholesky":
            weights = self._cholesky(b)
            if weights is not None:
                return weights
            if self.config.solver == "cholesky":
                raise ValueError(
                    "solver='cholesky' needs a ridge or trials that tell the agents apart, "
                    f"at least n_agents + 1 = {n + 1} of them, got {self.trials}"
                )
        if self.trials == 0:
            return np.zeros(n)
        if solver == "walsh-hadamard":
            return self._transform(b)
        if solver == "lsmr":
            return self._lsmr(b)
        design, totals = self._design(*self._trials(b), np.float64)
        return self._to_weights(np.linalg.lstsq(design, totals, rcond=None)[0])

    def _cholesky(self, b: int) -> NDArray[np.float64] | None:
        """Return w, or None when the matrix isn't safely positive definite."""
        if self._penalty == 0 and self.trials <= self.view.n_agents:
            return None
        if not self._moments:
            self._moments = [_Moments(self.view.n_agents) for _ in range(self.view.num_envs)]
        moments = self._moments[b]
        for first in range(moments.trials, self.trials, _BLOCK):
            moments.add(*self._trials(b, slice(first, first + _BLOCK)))
        gram, cross = moments.centred()
        gram[np.diag_indices_from(gram)] += self._penalty
        largest = np.diagonal(gram).max()
        try:
            lower = np.asarray(np.linalg.cholesky(gram), np.float64)
        except np.linalg.LinAlgError:
            return None
        least = np.diagonal(lower).min() ** 2
        if least <= len(gram) * np.finfo(np.float64).eps * largest:
            return None
        return solve_factorised(lower, cross)

    def _round(self) -> int:
        """Return M: trials of the design until it begins again."""
        return 1 << self.view.n_agents.bit_length()

    def _transform(self, b: int) -> NDArray[np.float64]:
        """Return w after whole rounds of the design."""
        n = self.view.n_agents
        totals = (n * self._rewards[0][:, b]).reshape(-1, self._round()).sum(axis=0)
        return -walsh_hadamard(totals)[1 : n + 1] / (self.trials + self._penalty)

    def _lsmr(self, b: int) -> NDArray[np.float64]:
        try:
            from scipy.sparse.linalg import LinearOperator, lsmr
        except ImportError as error:
            raise ImportError("solver='lsmr' needs SciPy: pip install scipy") from error
        design, totals = self._design(*self._trials(b), np.float32)
        operator = LinearOperator(  # what LSMR itself keeps is float64
            design.shape,
            matvec=lambda v: (design @ v.ravel().astype(np.float32)).astype(np.float64),
            rmatvec=lambda u: (design.T @ u.ravel().astype(np.float32)).astype(np.float64),
            dtype=np.float64,
        )
        steps = 10 * max(design.shape)
        damp = float(np.sqrt(self._penalty))
        found = lsmr(operator, totals, damp=damp, atol=1e-7, btol=1e-7, conlim=1e8, maxiter=steps)
        return self._to_weights(np.asarray(found[0], np.float64))

    def _design(
        self, actions: NDArray[np.uint8], totals: NDArray[np.float64], dtype: Any
    ) -> tuple[NDArray[Any], NDArray[np.float64]]:
        """Return the columns of the coding for each trial, and what they are to explain."""
        coded = actions.astype(dtype)
        if self.config.coding == "signs" or self._penalty > 0:
            coded *= 2
            coded -= coded.mean(axis=0, dtype=np.float64).astype(dtype)
            return coded, totals - totals.mean()
        first = np.ones((len(coded), 1), dtype) if self.config.coding == "intercept" else 1 - coded
        return np.concatenate([first, coded], axis=1), totals

    def _to_weights(self, solution: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return w out of the weights of the coding's columns."""
        n = self.view.n_agents
        if len(solution) == n:
            return solution
        if self.config.coding == "intercept":
            return solution[1:] / 2
        return (solution[n:] - solution[:n]) / 2


class _Moments(OwnsArrays):
    """Sums over one column's trials: Σ x xᵀ, Σ x Y, Σ x and Σ Y."""

    def __init__(self, n: int) -> None:
        self.trials = 0
        self._gram = np.zeros((n, n))
        self._cross = np.zeros(n)
        self._signs = np.zeros(n)
        self._total = 0.0

    def add(self, actions: NDArray[np.uint8], totals: NDArray[np.float64]) -> None:
        """Add some trials: ``uint8[trials, n]`` and ``float64[trials]``."""
        signs = 2 * actions.astype(np.float32) - 1
        self.trials += len(totals)
        self._gram += signs.T @ signs
        self._cross += totals @ signs
        self._signs += signs.sum(axis=0)
        self._total += totals.sum()

    def centred(self) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Return X̃ᵀX̃ ``[n, n]`` and X̃ᵀỸ ``[n]``."""
        mean = self._signs / max(1, self.trials)
        gram = self._gram - np.outer(self._signs, mean)
        return gram, self._cross - self._total * mean
