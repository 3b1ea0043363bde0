"""A Dec-POMDP with messages as one without: agents act and send in turns."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from crl_envs.core.arguments import check_real
from crl_envs.decpomdp.model import DecPOMDP
from crl_envs.decpomdp.reader import MOST_ENTRIES

SILENT, SEND = 0, 1


def with_messages(model: DecPOMDP, cost: float) -> DecPOMDP:
    """Return the problem in which agents act and send by turns (Goldman & Zilberstein 2004; Seuken & Zilberstein 2008).

    In the first step and every other one after it they act as before, and each sees its own observation. In the steps
    between, 1 sends one's last observation to all others, 0 and everything else is silence; all then see who has sent
    what. h steps become 2h − 1, for the last observation is of no use. The best values are the same as `exact`'s with
    messages of this cost.

    Observations are numbers with two meanings: in steps of action one's own; in the others what the other agents have
    sent, each one's observation or, as the last of its numbers, nothing; the last agent's changes fastest.

    Args:
        model: The problem.
        cost: What a message costs the team, ≥ 0.

    Raises:
        ValueError: The cost is out of range, or the problem grows too large.
    """
    if model.n_agents < 2:
        raise ValueError("model must have at least two agents for messages, got 1")
    cost = check_real("cost", cost, low=0)
    n, s, z = model.n_agents, model.n_states, len(model.joint_observations)
    sizes = [max(a, 2) for a in model.n_actions]
    heard = [tuple(o + 1 for k, o in enumerate(model.n_observations) if k != i) for i in range(n)]
    seen = [max(o, math.prod(h)) for o, h in zip(model.n_observations, heard, strict=True)]
    j, every = math.prod(sizes), math.prod(seen)
    # Before the first observation; to send, with the last observation; to act, with it, to say what was sent of it.
    states = s + 2 * s * z
    if j * states * max(states, every) > MOST_ENTRIES:
        raise ValueError(
            f"model must be smaller for messages: it would have {j * states * max(states, every):.2g} numbers, and "
            f"{MOST_ENTRIES} are allowed"
        )
    to_send, to_act = slice(s, s + s * z), slice(s + s * z, states)
    transition, observation = np.zeros((j, states, states)), np.zeros((j, states, every))
    reward = np.zeros((j, states, states))
    paid = np.broadcast_to(model.reward, (*model.reward.shape[:2], s, z))
    numbers = np.arange(s * z)
    own = np.tile(np.ravel_multi_index(tuple(model.joint_observations.T), seen), s)
    observation[:, :s, 0] = 1.0  # never entered
    observation[:, s + numbers, own] = 1.0
    transition[:, s + numbers, s + s * z + numbers] = 1.0
    for k, chosen in enumerate(np.ndindex(*sizes)):
        kept = np.minimum(chosen, np.array(model.n_actions) - 1)
        act = np.ravel_multi_index(tuple(kept), model.n_actions)
        chance = (model.transition[act][:, :, None] * model.observation[act]).reshape(s, s * z)
        for entries, values in ((transition[k], chance), (reward[k], paid[act].reshape(s, s * z))):
            entries[:s, to_send] = values
            entries[to_act, to_send] = np.repeat(values, z, axis=0)
        sends = np.array(chosen) == SEND
        reward[k, to_send] = -cost * sends.sum() * math.sqrt(model.discount)
        sent = np.where(sends, model.joint_observations, model.n_observations)  # [Z, n]
        hears = [
            np.ravel_multi_index(tuple(np.delete(sent, i, axis=1).T), heard[i])
            for i in range(n)
        ]  # fmt: skip
        observation[
            k, s + s * z + numbers, np.tile(np.ravel_multi_index(tuple(hears), seen), s)
        ] = 1.0
    words = [
        " ".join(f"{names[o]}" for names, o in zip(model.observations, joint, strict=True))
        for joint in model.joint_observations
    ]
    counts: Any = sizes, seen
    return DecPOMDP(
        transition,
        observation,
        reward[..., None],
        np.concatenate([model.start, np.zeros(2 * s * z)]),
        actions=tuple(counts[0]),
        observations=tuple(counts[1]),
        states=(
            *model.states,
            *(
                f"{state}, {word}, {what}"
                for what in ("to send", "to act")
                for state in model.states
                for word in words
            ),
        ),
        discount=math.sqrt(model.discount),
    )
