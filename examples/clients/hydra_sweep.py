"""Hydra's multirun over the settings of a learner: ``python examples/clients/hydra_sweep.py``.

Without arguments it sweeps; with some it is a program of Hydra's like any other:
``python examples/clients/hydra_sweep.py env.n_agents=10 learner.credit=global episodes=3000``.
"""

import sys
import tempfile
from dataclasses import asdict, dataclass, field
from typing import Any

import hydra
import numpy as np
from hydra.core.config_store import ConfigStore
from hydra.core.hydra_config import HydraConfig
from outcome import WORLD, report

import crl_envs
from agents import Reinforce, ReinforceConfig


@dataclass
class Run:
    """What one run needs, with defaults."""

    env: dict[str, Any] = field(default_factory=WORLD.copy)
    learner: dict[str, Any] = field(default_factory=lambda: asdict(ReinforceConfig()))
    episodes: int = 600


ConfigStore.instance().store("run", Run)


@hydra.main(version_base=None, config_path=None, config_name="run")
def main(run):
    """Train one learner."""
    learner = Reinforce(crl_envs.make("crl/sysadmin-v0", **run.env), **run.learner)
    learner.learn(total_episodes=run.episodes)
    returns = [episode["global_return"] for episode in learner.history[-100:]]
    report(np.mean(returns), f"{', '.join(HydraConfig.get().overrides.task)}: ")


if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as folder:
        if len(sys.argv) == 1:
            sys.argv += ["--multirun", f"hydra.sweep.dir={folder}"]
            sys.argv += ["learner.learning_rate=1,3", "learner.seed=0,1"]
        main()
