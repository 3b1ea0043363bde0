"""A small world that has what bandit and SYSADMIN lack: varying masks, ends that differ, float observations.

The fixture in conftest.py gives it an id.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from gymnasium import spaces

from crl_envs.core.optimum import Optimum
from crl_envs.core.parallel import WorldEnv
from crl_envs.core.stream import Purpose, Stream, threshold
from crl_envs.core.topology import directed_ring
from crl_envs.core.world import World

TOY = "test/toy-v0"
LONGEST_FUSE = 9


class ToyState(NamedTuple):
    energy: Any  # int16[n, B], 0 … 5
    fuse: Any  # int16[1, B], steps to the end


class ToyWorld(World[ToyState]):
    """Agents rest (0), spend energy (1, legal with some) or gather it (2, legal when it is even); a fuse burns."""

    name = "toy"

    def __init__(self, n_agents: int = 4, horizon: int = 6) -> None:
        self.n_agents = n_agents
        self.horizon = horizon
        self.single_action_space = spaces.Discrete(3)
        self.single_observation_space = spaces.Box(0.0, 1.0, (2,), np.float32)
        self.single_state_space = spaces.Box(0, LONGEST_FUSE, (n_agents + 1,), np.int16)

    @property
    def edges(self) -> Any:
        return directed_ring(self.n_agents)

    def initial(self, stream: Stream) -> ToyState:
        words = stream.words(Purpose.INITIAL, self.n_agents + 1)
        energy, fuse = words[1:] % 4, 1 + words[:1] % LONGEST_FUSE
        return ToyState(energy.astype(np.int16), fuse.astype(np.int16))

    def transition(self, state: ToyState, action: Any, stream: Stream) -> ToyState:
        lucky = stream.words(Purpose.TRANSITION, self.n_agents) < threshold(0.3)
        energy = state.energy + (action == 2) - (action == 1) + lucky
        return ToyState(np.clip(energy, 0, 5).astype(np.int16), state.fuse - np.int16(1))

    def reward(self, state: ToyState, action: Any, next_state: ToyState, stream: Stream) -> Any:
        words = stream.words(Purpose.REWARD, self.n_agents)
        return (words / 2.0**32 * (1 + action) - 1).astype(np.float32)

    def observation(self, state: ToyState) -> Any:
        observed = np.empty((self.n_agents, 2, state.fuse.shape[1]), np.float32)
        observed[:, 0] = state.energy / 5
        observed[:, 1] = state.fuse / LONGEST_FUSE
        return observed

    def terminal(self, state: ToyState) -> Any:
        return state.fuse[0] == 0

    def action_mask(self, state: ToyState) -> Any:
        mask = np.ones((self.n_agents, 3, state.fuse.shape[1]), np.int8)
        mask[:, 1] = state.energy > 0
        mask[:, 2] = state.energy % 2 == 0
        return mask

    def state_array(self, state: ToyState) -> Any:
        return np.concatenate([state.energy, state.fuse])

    def metrics(self, state: ToyState) -> dict[str, Any]:
        return {"fuse": state.fuse[0] / LONGEST_FUSE, "energy": state.energy.copy()}

    def optimum(self) -> Optimum:
        return Optimum(0.0, "estimate", "none", 0.0)


class ToyEnv(WorldEnv):
    metadata = WorldEnv.metadata | {"name": TOY}
    make_world = ToyWorld

    def __init__(self, n_agents: int = 4, horizon: int = 6, render_mode: str | None = None) -> None:
        super().__init__(ToyWorld(n_agents, horizon), render_mode)
