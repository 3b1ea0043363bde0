"""Problems of the literature, by their parameters."""

from __future__ import annotations

import numpy as np

from crl_envs.core.arguments import check_probability, check_real
from crl_envs.decpomdp.model import DecPOMDP


def tiger(
    accuracy: float = 0.85,
    listen_cost: float = 2.0,
    treasure: float = 20.0,
    tiger_cost: float = 50.0,
    apart_cost: float = 100.0,
) -> DecPOMDP:
    """Return the decentralised tiger (Nair et al. 2003): a tiger behind one of two doors, a treasure behind the other.

    Each of two agents listens or opens a door. While both listen the tiger stays where it is, and each hears it on its
    side with `accuracy`. Once a door has been opened the tiger is behind either with probability 1/2 and what is heard
    says nothing.

    Args:
        accuracy: Probability of hearing the right side, 0 to 1.
        listen_cost: What listening together costs; one agent's listening costs half of it.
        treasure: What opening the treasure's door together brings; alone, half of it and a listener's cost.
        tiger_cost: What opening the tiger's door together costs.
        apart_cost: What opening it alone costs, and opening both doors.

    Raises:
        ValueError: `accuracy` is no probability, or another isn't a number ≥ 0.
    """
    right = check_probability("accuracy", accuracy)
    for name, value in (
        ("listen_cost", listen_cost),
        ("treasure", treasure),
        ("tiger_cost", tiger_cost),
        ("apart_cost", apart_cost),
    ):
        check_real(name, value, low=0)
    listen = np.full((2, 2), 1 - right) + np.eye(2) * (2 * right - 1)  # [s', o]
    transition, observation = np.full((9, 2, 2), 0.5), np.full((9, 2, 4), 0.25)
    transition[0] = np.eye(2)
    observation[0] = (listen[:, :, None] * listen[:, None, :]).reshape(2, 4)
    reward = np.empty((3, 3, 2))
    for state in range(2):
        bad, good = 1 + state, 2 - state
        reward[0, 0, state] = -listen_cost
        reward[bad, bad, state] = -tiger_cost
        reward[good, good, state] = treasure
        reward[bad, good, state] = reward[good, bad, state] = -apart_cost
        reward[bad, 0, state] = reward[0, bad, state] = -apart_cost - listen_cost / 2
        reward[good, 0, state] = reward[0, good, state] = (treasure - listen_cost) / 2
    doors = ("listen", "open-left", "open-right")
    return DecPOMDP(
        transition,
        observation,
        reward.reshape(9, 2),
        np.array([0.5, 0.5]),
        actions=(doors, doors),
        observations=(("hear-left", "hear-right"),) * 2,
        states=("tiger-left", "tiger-right"),
    )


def broadcast_channel(
    first_rate: float = 0.9, second_rate: float = 0.1, noise: float = 0.1
) -> DecPOMDP:
    """Return the broadcast channel (Ooi & Wornell 1996; Hansen, Bernstein & Zilberstein 2004), as it is benchmarked.

    Each of two agents has room for one message and sends it or waits. One message gets through, and brings 1, where one
    agent alone sends, and has something to send. After sending the room is empty, collision or not; an empty one is
    filled by the next step with the agent's own probability. At the start both have a message. Each agent hears whether
    there was a collision, and is wrong with probability `noise`.

    Args:
        first_rate: Probability of a new message of the first agent.
        second_rate: The same of the second.
        noise: Probability of hearing a collision where there was none, and none where there was one.

    Raises:
        ValueError: One isn't in [0, 1].
    """
    rates = check_probability("first_rate", first_rate), check_probability("second_rate", second_rate)  # fmt: skip
    heard = np.array([check_probability("noise", noise), 1 - noise])
    observation = np.empty((4, 4, 4))
    observation[0] = np.outer(heard[::-1], heard[::-1]).ravel()  # both send
    observation[1:] = np.outer(heard, heard).ravel()
    filled = np.empty((2, 2, 2, 2))  # [agent, action (0 sends), had one, has one]
    for i, rate in enumerate(rates):
        filled[i] = [1 - rate, rate]
        filled[i, 1, 1] = 0, 1
    transition = np.einsum("apx,bqy->abpqxy", filled[0], filled[1]).reshape(4, 4, 4)
    reward = np.zeros((2, 2, 2, 2))  # [a, b, messages]
    reward[0, 1, 1, :] = reward[1, 0, :, 1] = 1.0
    return DecPOMDP(
        transition,
        observation,
        reward.reshape(4, 4),
        np.array([0.0, 0.0, 0.0, 1.0]),
        actions=(("send", "wait"),) * 2,
        observations=(("collision", "no-collision"),) * 2,
        states=("none", "second", "first", "both"),
    )
