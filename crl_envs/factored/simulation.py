"""Episodes of a factored MDP, simulated."""

from __future__ import annotations

from typing import Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from crl_envs.core.arguments import about, check_int, check_seed, shown
from crl_envs.core.stream import Purpose, Stream, UInt32Array, UInt64Array, threshold
from crl_envs.factored.model import FactoredMDP
from crl_envs.factored.policies import JointPolicy

_AGENTS_AT_ONCE: Final = 2_000_000  # agents × episodes
_MOST_DRAWS: Final = 10**10  # agents × episodes × steps
_DRAWS_PER_SECOND: Final = 10**7  # on one core of 2024


class Returns(NamedTuple):
    """Returns of simulated episodes, summed over the horizon."""

    team: NDArray[np.float64]  # float64[episodes], mean over agents
    local: NDArray[np.float64]  # float64[n], mean over episodes

    @property
    def value(self) -> float:
        """The estimate of the policy's utility."""
        return float(self.team.mean())

    @property
    def standard_error(self) -> float:
        """Of `value`; 0 for a single episode."""
        k = len(self.team)
        return float(self.team.std(ddof=1) / np.sqrt(k)) if k > 1 else 0.0


class Simulator:
    """Draws states of a model. The same seed draws the same, whatever the policy: common random numbers.

    A probability is rounded to a multiple of 2⁻³².
    """

    def __init__(self, model: FactoredMDP) -> None:
        self.model = model
        self._start = _limits(model.start)
        self.limits = _limits(model.transition.reshape(-1, model.n_states))

    def first(self, words: UInt32Array) -> NDArray[np.uint8]:
        """Return the first states ``uint8[n, B]`` from words of the same shape."""
        return _place(words, self._start, np.arange(self.model.n_agents)[:, None])

    def next(
        self, states: NDArray[np.uint8], actions: NDArray[np.integer], words: UInt32Array
    ) -> NDArray[np.uint8]:
        """Return the next states ``uint8[n, B]``."""
        return self.land(words, self.model.scopes.entries(states) * self.model.n_actions + actions)

    def land(self, words: UInt32Array, rows: NDArray[np.int64]) -> NDArray[np.uint8]:
        """Return the next states, from rows of the transition table: entry · |A| + action."""
        return _place(words, self.limits, rows)

    def rewards(
        self, states: NDArray[np.uint8], actions: NDArray[np.integer]
    ) -> NDArray[np.float64]:
        """Return the local rewards ``float64[n, B]``."""
        agent = np.arange(self.model.n_agents)[:, None]
        return np.asarray(self.model.reward[agent, states, actions])


def simulate(
    model: FactoredMDP, policy: JointPolicy, episodes: int = 1000, seed: int = 0
) -> Returns:
    """Play episodes of a model by a policy.

    Args:
        model: The model.
        policy: Who acts.
        episodes: How many, ≥ 1.
        seed: Of the first; episode b has the seed ``seed + b``.

    Raises:
        ValueError: A bad argument.
    """
    n = model.n_agents
    episodes = check_int("episodes", episodes, low=1)
    seed = check_seed("seed", seed, high=2**64 - episodes)
    if (needed := n * model.horizon * episodes) > _MOST_DRAWS:
        raise ValueError(
            f"episodes must be at most {_MOST_DRAWS // (n * model.horizon)} with {n} agents and {model.horizon} "
            f"steps, got {shown(episodes)}: they would take about {about(needed // _DRAWS_PER_SECOND)} s"
        )
    simulator = Simulator(model)
    team, local = np.zeros(episodes), np.zeros(n)
    at_once = max(1, _AGENTS_AT_ONCE // n)
    for begin in range(0, episodes, at_once):
        columns = min(at_once, episodes - begin)
        stream = Stream(columns)
        stream.seed(seed + begin)
        states = simulator.first(stream.words(Purpose.INITIAL, n))
        for step in range(model.horizon):
            stream.advance()
            actions = policy.act(states, step)
            rewards = simulator.rewards(states, actions)
            team[begin : begin + columns] += rewards.mean(axis=0)
            local += rewards.sum(axis=1)
            states = simulator.next(states, actions, stream.words(Purpose.TRANSITION, n))
    return Returns(team, local / episodes)


def _limits(distributions: NDArray[np.float64]) -> UInt64Array:
    """Return ``uint64[S − 1, ·]``: word w leads to the state Σ_k 1{w ≥ limit_k}."""
    return np.ascontiguousarray(threshold(np.cumsum(distributions, axis=-1)[:, :-1]).T)


def _place(words: UInt32Array, limits: UInt64Array, rows: NDArray[np.int64]) -> NDArray[np.uint8]:
    states = np.zeros(words.shape, np.uint8)
    for limit in limits:
        states += words >= limit.take(rows)
    return states
