"""Decentralised Q-learning (Watkins 1989): each agent has a table of its own and learns from its own reward.

    Q_i(s, a) ← Q_i(s, a) + α [r_i + γ max_b Q_i(s', b) − Q_i(s, a)]          without γ max where the episode terminated

While learning, an agent takes a random action with probability ε and else its best one.
"""

import json
from pathlib import Path

import numpy as np
from gymnasium.spaces import Discrete


class EpsilonGreedy:
    """See the module. For worlds with Discrete observations in which every action is always legal.

    Args:
        env: A ParallelEnv.
        seed: Fixes all that is random, the episodes too.
        epsilon: ε.
        learning_rate: α.
        discount: γ.

    Raises:
        ValueError: A space that isn't Discrete, from 0.
    """

    trains_on = "local"
    evaluates_greedily = True  # it never stops exploring
    resumable = True  # it has save and load

    def __init__(self, env, seed=0, epsilon=0.1, learning_rate=0.1, discount=0.9):
        self.env = env
        self.arguments = dict(
            seed=seed, epsilon=epsilon, learning_rate=learning_rate, discount=discount
        )
        self.episodes = 0
        self.q = {}  # by agent: float64[observations, actions]
        for agent in env.possible_agents:
            spaces = env.observation_space(agent), env.action_space(agent)
            if any(not isinstance(space, Discrete) or space.start != 0 for space in spaces):
                raise ValueError(f"spaces of {agent} must be Discrete, from 0, got {spaces}")
            self.q[agent] = np.zeros([int(space.n) for space in spaces])
        # One generator to learn with and one for `act`, so that evaluations don't change what is learnt.
        self.learning, self.acting = np.random.default_rng(seed).spawn(2)

    def learn(self, total_steps):
        """Play whole episodes until there are that many more environment steps."""
        steps = 0
        while steps < total_steps:
            steps += self._learn_from_an_episode()
        return self

    def act(self, observations, deterministic=False):
        """An action for each agent that observes."""
        return self._choose(observations, self.acting, 0.0 if deterministic else None)

    def save(self, path):
        """Write all of the learner to exactly that path, without pickle."""
        generators = [self.learning.bit_generator.state, self.acting.bit_generator.state]
        rest = {"arguments": self.arguments, "episodes": self.episodes, "generators": generators}
        with Path(path).open("wb") as file:  # given a name, savez would add .npz to it
            np.savez(file, rest=json.dumps(rest), **{f"q_{a}": q for a, q in self.q.items()})

    @classmethod
    def load(cls, path, env):
        """The learner in a file, to go on as if nothing had happened."""
        with np.load(path) as file:
            rest = json.loads(str(file["rest"]))
            learner = cls(env, **rest["arguments"])
            learner.q = {agent: file[f"q_{agent}"] for agent in learner.q}
        learner.episodes = rest["episodes"]
        learner.learning.bit_generator.state, learner.acting.bit_generator.state = rest[
            "generators"
        ]
        return learner

    def _learn_from_an_episode(self):
        seed = (
            self.arguments["seed"] if self.episodes == 0 else None
        )  # after that, the stream goes on
        observations, _ = self.env.reset(seed=seed)
        steps = 0
        while self.env.agents:
            actions = self._choose(observations, self.learning)
            after, rewards, terminated, _, _ = self.env.step(actions)
            for agent, action in actions.items():
                q = self.q[agent]
                future = 0.0 if terminated[agent] else q[after[agent]].max()
                target = rewards[agent] + self.arguments["discount"] * future
                error = target - q[observations[agent], action]
                q[observations[agent], action] += self.arguments["learning_rate"] * error
            observations = {agent: after[agent] for agent in self.env.agents}
            steps += 1
        self.episodes += 1
        return steps

    def _choose(self, observations, generator, epsilon=None):
        epsilon = self.arguments["epsilon"] if epsilon is None else epsilon
        actions = {}
        for agent, observation in observations.items():
            values = self.q[agent][observation]
            explores = epsilon > 0 and generator.random() < epsilon
            actions[agent] = int(generator.integers(len(values)) if explores else values.argmax())
        return actions
