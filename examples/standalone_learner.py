"""UCB1 (Auer, Cesa-Bianchi & Fischer 2002) for each agent alone, in one file that needs no installation.

Run from this folder:

    crl-envs sweep bandit-n --learners standalone_learner:UCB1,random --seeds 3 --quick --out results/ucb1

After t trials an agent plays the action with the largest value of

    mean reward of the action + √(2 ln t / plays of the action)

and first of all it plays each action once.
"""

import numpy as np


class UCB1:
    """For `crl/bandit-v0`, and wherever an episode is one step and all agents have equally many actions."""

    def __init__(self, env, seed=0):
        self.env, self.seed = env, seed
        self.agents = env.possible_agents
        shape = len(self.agents), int(env.action_space(self.agents[0]).n)
        self.plays, self.rewards = np.zeros(shape), np.zeros(shape)  # [n, A]

    def learn(self, total_steps):
        """Play that many episodes of one step."""
        for _ in range(total_steps):
            trials = int(self.plays[0].sum())
            self.env.reset(seed=self.seed if trials == 0 else None)
            plays = np.maximum(self.plays, 1)
            value = self.rewards / plays + np.sqrt(2 * np.log(max(trials, 1)) / plays)
            chosen = np.where(self.plays == 0, np.inf, value).argmax(axis=1)  # [n]
            _, rewards, *_ = self.env.step(dict(zip(self.agents, chosen.tolist(), strict=True)))
            rows = np.arange(len(chosen))
            self.plays[rows, chosen] += 1
            self.rewards[rows, chosen] += [rewards[agent] for agent in self.agents]

    def act(self, observations, deterministic=False):
        """The action with the best mean so far: what was learnt, not what would be tried next."""
        best = (self.rewards / np.maximum(self.plays, 1)).argmax(axis=1).tolist()
        every = dict(zip(self.agents, best, strict=True))
        return {agent: every[agent] for agent in observations}
