"""Learners with the vocabulary of Stable-Baselines3: ``Reinforce(env).learn(total_episodes=500)``.

They see an environment through the PettingZoo API or through its array twin, the vector view, and nothing else.
"""

from agents.advertising import (
    Broadcast,
    ConditionalNotification,
    DelegationReturn,
    PeriodicGossip,
)
from agents.bus import MessageBus
from agents.crl import CRL, CRLConfig
from agents.learner import Learner
from agents.reinforce import Reinforce, ReinforceConfig

__all__ = [
    "CRL",
    "Broadcast",
    "CRLConfig",
    "ConditionalNotification",
    "DelegationReturn",
    "Learner",
    "MessageBus",
    "PeriodicGossip",
    "Reinforce",
    "ReinforceConfig",
]
