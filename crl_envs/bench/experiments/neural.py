"""What the experiments with the neural learners of other libraries have in common."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from crl_envs.bench.experiment import comparison, scaling_verdict

# Env steps, and budgets are multiples of it: what Stable-Baselines3's PPO collects between two updates here. What has
# longer rollouts has learnt from up to one of them more than a budget says; a record's ``env_steps`` tell.
ROLLOUT: Final = 100

NEURAL: Final[dict[str, Any]] = {
    "knob": "n",
    "values": (5, 10, 20, 50),
    "quick": (5, 10),
    "first": ROLLOUT,
    "evaluations": 16,
    "grain": lambda n: ROLLOUT,
}

LEARNERS: Final = (
    "sb3-ppo",
    "sb3-ppo-global",
    "sb3-ppo-joint",
    "sb3-dqn",
    "sb3-dqn-global",
    "benchmarl-ippo",
    "benchmarl-ippo-global",
    "benchmarl-ippo-unshared",
    "benchmarl-ippo-unshared-global",
    "benchmarl-mappo",
    "benchmarl-mappo-global",
    "benchmarl-vdn",
    "benchmarl-qmix",
    "rllib-ppo",
    "rllib-ppo-global",
)
# Those that can't tell agents apart: where all agents are to do the same on the same observation.
ANONYMOUS: Final = ("sb3-ppo-anonymous", "sb3-ppo-anonymous-global")

_LOCAL: Final = (
    "sb3-ppo",
    "sb3-ppo-anonymous",
    "sb3-dqn",
    "benchmarl-ippo",
    "benchmarl-ippo-unshared",
    "benchmarl-mappo",
    "rllib-ppo",
)
_SHARING: Final = (
    ("benchmarl-ippo-unshared", "benchmarl-ippo"),
    ("benchmarl-ippo-unshared-global", "benchmarl-ippo-global"),
    ("sb3-ppo", "sb3-ppo-anonymous"),
    ("sb3-ppo-global", "sb3-ppo-anonymous-global"),
)


def verdict(summary: Mapping[str, Any]) -> list[str]:
    """Say the exponents, what the global reward costs each learner that can have either, and what sharing saves."""
    pairs = [(f"{learner}-global", learner) for learner in _LOCAL]
    compared = [
        sentence
        for slower, faster in (("reinforce-global", "reinforce-local"), *pairs, *_SHARING)
        for sentence in comparison(summary, "n", slower, faster)
    ]
    return [*scaling_verdict(summary, "n"), *compared]
