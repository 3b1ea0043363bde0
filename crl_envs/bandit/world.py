"""The bandit: one state, one step, a hidden right action for every agent."""

from __future__ import annotations

from functools import cached_property
from typing import Any

import numpy as np
from gymnasium import spaces
from numpy.typing import NDArray

from crl_envs.core.arguments import check_int, check_probability, check_seed
from crl_envs.core.backend import resolve_backend
from crl_envs.core.optimum import Optimum
from crl_envs.core.stream import Purpose, Stream, fixed_words, threshold
from crl_envs.core.world import Edges, World

State = NDArray[np.uint8]


class BanditWorld(World[State]):
    """See `crl_envs.bandit.BanditEnv`. The state is ``uint8[1, B]``: 0 before the action, 1 after it."""

    name = "bandit"
    horizon = None

    def __init__(
        self,
        n_agents: int = 10,
        p_correct: float = 0.8,
        p_wrong: float = 0.2,
        instance_seed: int = 0,
        backend: str = "auto",
    ) -> None:
        self.n_agents = check_int("n_agents", n_agents, low=1, high=100_000_000)
        self.p_correct = check_probability("p_correct", p_correct)
        self.p_wrong = check_probability("p_wrong", p_wrong)
        self.instance_seed = check_seed("instance_seed", instance_seed)
        self.backend = resolve_backend(backend)
        self.single_action_space = spaces.Discrete(2)
        self.single_observation_space = spaces.Discrete(1)
        self.single_state_space = spaces.MultiDiscrete([2], dtype=np.uint8)
        self._by_match = threshold(np.array([self.p_wrong, self.p_correct]))

    @cached_property
    def correct_action(self) -> NDArray[np.uint8]:
        """``uint8[n]``: each agent's right action; for checking learners, not for them to read."""
        bits = fixed_words(self.instance_seed, Purpose.INSTANCE, self.n_agents) & np.uint32(1)
        return bits.astype(np.uint8)

    @property
    def edges(self) -> Edges:
        """No edges: no agent influences another."""
        return np.empty((0, 2), np.int64)

    def initial(self, stream: Stream) -> State:
        """Nobody has acted."""
        return np.zeros((1, stream.num_envs), np.uint8)

    def transition(self, state: State, action: NDArray[np.integer], stream: Stream) -> State:
        """All have acted."""
        return np.ones_like(state)

    def reward(
        self, state: State, action: NDArray[np.integer], next_state: State, stream: Stream
    ) -> NDArray[np.float32]:
        """1 with probability `p_correct` for the right action, `p_wrong` for the wrong one, else 0."""
        right = (action == self.correct_action[:, None]).view(np.uint8)
        words = stream.words(Purpose.REWARD, self.n_agents)
        return np.asarray(words < self._by_match[right], np.float32)

    def observation(self, state: State) -> NDArray[np.uint8]:
        """The only one there is: ``uint8[n, B]`` zeros."""
        return np.zeros((self.n_agents, state.shape[1]), np.uint8)

    def terminal(self, state: State) -> NDArray[np.bool_]:
        """After one step."""
        return np.asarray(state[0], np.bool_)

    def state_array(self, state: State) -> State:
        """``uint8[1, B]``: whether the agents have acted."""
        return state.copy()

    def metrics(self, state: State) -> dict[str, NDArray[Any]]:
        """Nothing: the state has no measurements."""
        return {}

    def optimum(self) -> Optimum:
        """The larger of the two probabilities."""
        best = max(self.p_correct, self.p_wrong)
        return Optimum(best, "exact", "every agent plays its better action", best)
