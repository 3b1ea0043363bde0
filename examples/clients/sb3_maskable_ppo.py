"""MaskablePPO of sb3-contrib, agents acting one after the other: ``python examples/clients/sb3_maskable_ppo.py``.

The way of PettingZoo's tutorial on connect four, which reads masks beside observations. One policy plays all agents.
Here they work together: each turn earns what it brings the team, and that is nothing before the last turn of a round.
"""

import gymnasium
import pettingzoo
import torch
from outcome import WORLD, mean_return, report
from sb3_contrib import MaskablePPO
from sb3_contrib.common.wrappers import ActionMasker

import crl_envs  # noqa: F401  registers the ids


class Turns(gymnasium.Env):
    """An AEC environment as a single-agent one: whoever's turn it is."""

    def __init__(self, env):
        self.env = env
        agent = env.possible_agents[0]
        self.observation_space = env.observation_space(agent)["observation"]
        self.action_space = env.action_space(agent)

    def reset(self, *, seed=None, options=None):
        """Start an episode."""
        self.env.reset(seed=seed, options=options)
        return self.env.last()[0]["observation"], {}

    def step(self, action):
        """Let the agent whose turn it is act; return what the next one sees."""
        self.env.step(int(action))
        seen, _, terminated, truncated, _ = self.env.last()
        return seen["observation"], sum(self.env.rewards.values()), terminated, truncated, {}

    def action_mask(self):
        """Return what the agent whose turn it is may do."""
        return self.env.last()[0]["action_mask"]


if __name__ == "__main__":
    torch.set_num_threads(1)
    aec = pettingzoo.make("aec", "crl/sysadmin-v0", encode="onehot", masks="observation", **WORLD)
    env = ActionMasker(Turns(aec), Turns.action_mask)
    model = MaskablePPO("MlpPolicy", env, n_steps=1000, batch_size=250, learning_rate=3e-3,
                        gamma=0.9 ** (1 / WORLD["n_agents"]), seed=1)  # fmt: skip
    model.learn(40_000)  # turns: 8,000 steps of the environment's
    report(mean_return(lambda seen: model.predict(seen, deterministic=True)[0]))
