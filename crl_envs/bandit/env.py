"""``crl/bandit-v0``: spaces, names and documentation of the bandit."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from crl_envs.bandit.world import BanditWorld
from crl_envs.core.parallel import WorldEnv


class BanditModel(NamedTuple):
    """The bandit's law.

    Attributes:
        success: ``float64[n, 2]``: P(reward = 1 | action) of each agent.
    """

    success: NDArray[np.float64]


class BanditEnv(WorldEnv):
    """n agents each guess a hidden right action; one state, one step, binary rewards.

    ## Description
    The single-state problem on which Bagnell & Ng (2005, Theorem 3.1 and §5, Figure 2) show that learning from the
    global reward takes about n trials and from local rewards about log n. Every agent has one right action, drawn
    from `instance_seed`. ``p_correct=1, p_wrong=0`` is the deterministic problem of Theorem 3.1.

    ## Action Space
    ``Discrete(2)``, both always legal.

    ## Observation Space
    ``Discrete(1)``: there is nothing to see. ``state()``: ``uint8[1]``, whether the agents have acted.

    ## Starting State
    Always the same; the right actions stay the same from episode to episode.

    ## Reward
    Local: 1 with probability `p_correct` for the right action and `p_wrong` for the wrong one, else 0.

    ## Episode End
    Terminated after one step (T = 1).

    ## Information
    ``action_mask`` (all ones) and ``neighbors`` (none). ``metrics()`` is empty.

    ## Arguments

    Args:
        n_agents: Number of agents.
        p_correct: Probability of reward 1 for the right action.
        p_wrong: Probability of reward 1 for the wrong action.
        instance_seed: Seed of the right actions, apart from the rewards' seed.
        render_mode: None.
        backend: ``"auto"``, ``"numpy"`` or ``"numba"``: the same NumPy code, one step having no loop to gain from.

    Raises:
        ValueError: An argument out of its range.

    ## Known Optimum
    max(`p_correct`, `p_wrong`), exact.

    ## Scaling Knob
    `n_agents`, 1 to 1,000,000 and more.

    ## References
    Bagnell & Ng 2005, "On Local Rewards and Scaling Distributed Reinforcement Learning", §3 and §5.

    ## Version History
    v0: first release.
    """

    metadata = WorldEnv.metadata | {"name": "crl/bandit-v0"}
    world: BanditWorld

    make_world = BanditWorld

    def __init__(
        self,
        n_agents: int = 10,
        p_correct: float = 0.8,
        p_wrong: float = 0.2,
        instance_seed: int = 0,
        backend: str = "auto",
        render_mode: str | None = None,
    ) -> None:
        world = BanditWorld(
            n_agents=n_agents,
            p_correct=p_correct,
            p_wrong=p_wrong,
            instance_seed=instance_seed,
            backend=backend,
        )
        super().__init__(world, render_mode)

    def transition_model(self) -> BanditModel:
        """P(reward = 1 | action) for each agent: the whole of the problem."""
        world = self.world
        right = world.correct_action[:, None] == np.arange(2)
        return BanditModel(np.where(right, world.p_correct, world.p_wrong))
