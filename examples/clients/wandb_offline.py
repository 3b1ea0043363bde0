"""A learner of ours that logs to Weights & Biases, without a network: ``python examples/clients/wandb_offline.py``.

What it logs is what the other loggers write, one row for each episode; ``wandb sync`` uploads it later.
"""

import tempfile
from pathlib import Path

import numpy as np
import wandb
from outcome import WORLD, report

import crl_envs
from agents import Reinforce
from agents.callbacks import scalars

with tempfile.TemporaryDirectory() as folder:
    run = wandb.init(project="sysadmin", mode="offline", dir=folder)
    learner = Reinforce(crl_envs.make("crl/sysadmin-v0", **WORLD), seed=0)
    learner.learn(total_episodes=600, callback=lambda learner: run.log(scalars(learner.history)))
    run.finish()
    assert list(Path(folder).glob("wandb/offline-run-*/*.wandb"))
report(np.mean([episode["global_return"] for episode in learner.history[-100:]]))
