"""``crl/bandit-v0``: spaces, names and documentation of the bandit."""

from __future__ import annotations

from typing import Any, NamedTuple, Unpack

import numpy as np
from numpy.typing import NDArray

from crl_envs.bandit.problem import BanditArguments, BanditProblem
from crl_envs.bandit.world import BanditWorld
from crl_envs.core.encoding import encoded
from crl_envs.core.parallel import WorldEnv, check_fits_dicts
from crl_envs.core.problem import documented_by


class BanditModel(NamedTuple):
    """The bandit's law.

    Attributes:
        success: ``float64[n, 2]``: P(reward = 1 | action) of each agent.
    """

    success: NDArray[np.float64]


@documented_by(BanditProblem)
class BanditEnv(WorldEnv):
    """n agents each guess a hidden right action; one state, one step, binary rewards.

    ## Description
    The single-state problem on which Bagnell & Ng (2005, Theorem 3.1 and §5, Figure 2) show that learning from the
    global reward takes about n trials and from local rewards about log n. Each agent has two actions. One of them is
    right, with probability ½ either, drawn once from `instance_seed`. An episode is one trial: all agents act at once,
    each is paid for its own action alone, and the episode is over. No agent sees which action is right or what the
    others do.

    With its own reward every agent has a two-armed bandit of its own, however many others there are. With the team's
    (`crl_envs.wrappers.GlobalReward`, the mean of all rewards) it has to find its share of 1/n in the others' noise.
    ``p_correct=1, p_wrong=0`` is the problem without noise of Theorem 3.1.

    ## Action Space
    ``Discrete(2)``: 0 and 1 are the two guesses. Both are always legal.

    ## Observation Space
    ``Discrete(1)``: there is nothing to see, every observation is 0. ``state()``: ``uint8[1]``, 0 before the agents
    have acted and 1 after.

    ## Starting State
    Always the same, 0. The right actions stay the same from episode to episode; `instance_seed` changes them,
    ``reset(seed=…)`` doesn't.

    ## Reward
    Local, to each agent for its own action, independent of the other agents and of earlier episodes:

    | guess | P(reward 1) | P(reward 0) |
    |---|---|---|
    | right | `p_correct` | 1 − `p_correct` |
    | wrong | `p_wrong` | 1 − `p_wrong` |

    The performance P of the paper's Figure 2 is 2 · (share of agents that are right) − 1: 0 for uniformly random
    actions, 1 when all are right.

    ## Episode End

    - Terminated: after 1 step.
    - Truncated: never.

    ## Information

    | infos[agent] | type | what it is |
    |---|---|---|
    | ``action_mask`` | ``int8[2]`` | 1 for a legal action: all ones |
    | ``neighbors`` | ``tuple`` | ids of the agents that share an edge with this one: none, there are no edges |

    ``metrics()`` is empty. ``transition_model()``: P(reward = 1) of each agent and action, ``success``
    ``float64[n, 2]``. It gives the right actions away: for checking learners, not for them to read.

    ## Arguments

    The fields of `crl_envs.bandit.BanditProblem`, `render_mode` and `encode`.

    ## Known Optimum
    The better of the two probabilities, max(`p_correct`, `p_wrong`), for any number of agents:

    | made with | kind | value | lower |
    |---|---|---|---|
    | defaults | exact | 0.8 | 0.8 |
    | ``p_correct=1, p_wrong=0`` | exact | 1 | 1 |
    | ``p_correct=0.3, p_wrong=0.6`` | exact | 0.6 | 0.6 |

    Uniformly random actions get (`p_correct` + `p_wrong`) / 2: 0.5 by default.

    ## Scaling Knob
    `n_agents`. The optimum and the law of an agent's own reward don't depend on it; the noise of the global reward
    grows with it, relative to what one agent adds. Theorem 3.1's lower bound for learners that see only the global
    reward is ``crl_envs.bounds.trials_lower_bound(n)``. For harder problems of the same size, bring `p_correct` and
    `p_wrong` together.

    ## Baseline Curve
    Trials (episodes, here also environment steps) from which on a learner stays at .9 of the way from random actions to
    the optimum, and the exponent of n in that number. Ten seeds, 95 % intervals:

    | learner | rewards | n = 16 | n = 64 | n = 256 | exponent |
    |---|---|---|---|---|---|
    | ``local-means`` | local | 11 | 9 | 8 | −0.11 [−0.23, −0.00] |
    | ``reinforce-local`` | local | 23 | 28 | 25 | 0.01 [−0.12, 0.10] |
    | ``global-least-squares`` | global | 125 | 355 | 1,522 | 0.92 [0.80, 0.99] |
    | ``reinforce-global`` | global | 336 | 1,190 | 4,529 | 0.94 [0.90, 1.02] |

    Experiment ``bandit-n`` of the leaderboard:

        crl-envs sweep bandit-n,sysadmin-n,load-balancing-n --learners all --seeds 10 --out results/leaderboard

    ## References
    Bagnell & Ng 2005, "On Local Rewards and Scaling Distributed Reinforcement Learning", §3 (Theorem 3.1) and §5
    (Figure 2).

    ## Version History

    - v0: first release.
    """

    metadata = WorldEnv.metadata | {
        "name": "crl/bandit-v0",
        "render_modes": ["human", "rgb_array", "ansi"],
        "render_fps": 4,
    }
    picture = "crl_envs.bandit.picture:BanditPicture"
    world: BanditWorld

    make_world = BanditWorld

    def __init__(
        self,
        *args: Any,
        render_mode: str | None = None,
        encode: str | None = None,
        **arguments: Unpack[BanditArguments],
    ) -> None:
        check_fits_dicts(arguments.get("n_agents"))
        super().__init__(encoded(BanditWorld(*args, **arguments), encode), render_mode)

    def transition_model(self) -> BanditModel:
        """Return P(reward = 1 | action) for each agent: the whole of the problem."""
        right = (self.world.correct_action[:, None] == np.arange(2)).astype(np.intp)
        return BanditModel(self.world.problem.success[right])
