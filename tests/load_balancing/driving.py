"""Driving a load-balancing world with random legal actions."""

from __future__ import annotations

import numpy as np

from crl_envs.core.stream import Stream
from crl_envs.load_balancing import LoadBalancingWorld
from crl_envs.load_balancing.rules import State


def random_legal(mask, rng):
    """One uniform legal action for each agent and column: int8[n, A, B] to uint8[n, B]."""
    heights = np.cumsum(mask, axis=1, dtype=np.int64)
    target = np.floor(rng.random((mask.shape[0], mask.shape[2])) * heights[:, -1])
    return (heights <= target[:, None]).sum(axis=1).astype(np.uint8)


def rollout(world: LoadBalancingWorld, columns: int, steps: int, seed: int, wild: float = 0.0):
    """Yield (state, action, next_state, reward) of a random policy, first with action None for the start.

    A share `wild` of its actions is drawn from all, legal or not, which the views never hand to a world.
    """
    stream = Stream(columns)
    stream.seed(seed)
    rng = np.random.default_rng(seed)
    state = world.initial(stream)
    stream.advance()
    yield None, None, state, None
    for _ in range(steps):
        mask = world.action_mask(state)
        action = random_legal(mask, rng)
        if wild:
            any_action = rng.integers(0, mask.shape[1], action.shape, np.uint8)
            action = np.where(rng.random(action.shape) < wild, any_action, action)
        next_state, reward = world.step(state, action, stream)
        stream.advance()
        yield state, action, next_state, reward
        state = next_state


def assert_same_state(a: State, b: State):
    for field, x, y in zip(State._fields, a, b, strict=True):
        assert x.dtype == y.dtype, field
        np.testing.assert_array_equal(x, y, err_msg=field)


EVERYTHING = {
    "n_agents": 12,
    "capacity": 3,
    "server_capacity": 7,
    "entries": (0, 5),
    "n_loads": "endless",
    "max_in_flight": 9,
    "arrival_rate": 0.8,
    "departure_rate": 0.03,
    "message_loss": 0.2,
    "message_delay": 3,
    "fail_rate": 0.05,
    "return_rate": 0.2,
    "join_capacity": 5,
    "join_at": 40,
    "discovery": "all",
    "discover": "any",
    "discovery_rate": 0.7,
    "discovery_slots": 2,
    "memory": True,
    "timeout": 25,
}
