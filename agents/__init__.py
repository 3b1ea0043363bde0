"""Learners with the vocabulary of Stable-Baselines3: ``Reinforce(env).learn(total_episodes=500)``.

They see an environment through the PettingZoo API or through its array twin, the vector view, and nothing else.
"""

from agents.learner import Learner
from agents.reinforce import Reinforce, ReinforceConfig

__all__ = ["Learner", "Reinforce", "ReinforceConfig"]
