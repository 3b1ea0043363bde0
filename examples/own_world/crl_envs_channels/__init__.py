"""n radios on a ring, each on one of two channels: a world of one's own for crl-envs."""

from typing import NamedTuple

import numpy as np
from gymnasium import spaces

from crl_envs.core import Optimum, Purpose, World, WorldEnv


class State(NamedTuple):
    channel: np.ndarray  # uint8[n, B], 0 or 1
    clear: np.ndarray  # uint8[n, B], neighbours on the other channel: 0, 1 or 2


class ChannelsWorld(World[State]):
    """n radios on a ring, each on one of two channels, disturbed by neighbours on the same one."""

    name = "channels"

    def __init__(self, n_agents=10, flip=0.05, horizon=20):
        if n_agents < 4 or n_agents % 2:
            raise ValueError(f"n_agents must be even and at least 4, got {n_agents}")
        if not 0 <= flip <= 0.5:
            raise ValueError(f"flip must be in [0, 0.5], got {flip}")
        self.n_agents, self.flip, self.horizon = n_agents, flip, horizon
        self.single_action_space = spaces.Discrete(2)  # 0: stay, 1: switch
        self.single_observation_space = spaces.Discrete(6)  # own channel + 2 · clear neighbours
        self.single_state_space = spaces.MultiDiscrete([2] * n_agents, dtype=np.uint8)

    @property
    def edges(self):
        i = np.arange(self.n_agents)
        return np.stack([i, (i + 1) % self.n_agents], axis=1)

    def initial(self, stream):
        words = stream.words(Purpose.INITIAL, self.n_agents)  # uint32[n, B]
        return self._look((words >> 31).astype(np.uint8))

    def transition(self, state, action, stream):
        words = stream.words(Purpose.TRANSITION, self.n_agents)
        flipped = words < self.flip * 2.0**32
        return self._look(state.channel ^ action.astype(np.uint8) ^ flipped.astype(np.uint8))

    def reward(self, state, action, next_state, stream):
        return (next_state.clear / 2).astype(np.float32)  # [n, B]

    def observation(self, state):
        return state.channel + np.uint8(2) * state.clear  # uint8[n, B]

    def terminal(self, state):
        return np.zeros(state.channel.shape[1], bool)  # it never ends, it is cut off

    def state_array(self, state):
        return state.channel.copy()

    def metrics(self, state):
        return {"clear": state.clear.mean(axis=0) / 2}  # [B]

    def optimum(self):
        differ = (1 - self.flip) ** 2 + self.flip**2  # both neighbours flip, or neither
        value = self.horizon * differ
        return Optimum(value, "exact", "take turns around the ring", value)

    def _look(self, channel):
        unlike = channel ^ np.roll(channel, -1, axis=0)  # with the next one
        return State(channel, unlike + np.roll(unlike, 1, axis=0))


class ChannelsEnv(WorldEnv):
    """n radios on a ring, each on one of two channels, disturbed by neighbours on the same one."""

    metadata = WorldEnv.metadata | {"name": "mine/channels-v0"}
    make_world = ChannelsWorld  # with this there are array views, too

    # `crl_envs.make` checks arguments against this signature.
    def __init__(self, n_agents=10, flip=0.05, horizon=20, render_mode=None):
        super().__init__(ChannelsWorld(n_agents, flip, horizon), render_mode)
