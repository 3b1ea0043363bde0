"""JaxMARL's own scripts on SYSADMIN, unmodified: IPPO, MAPPO, VDN and IQL.

    JAXMARL=path/to/JaxMARL python examples/jaxmarl_scripts.py [IPPO/ippo_ff_mpe.py …]

The scripts aren't in JaxMARL's package: `git clone https://github.com/FLAIROx/JaxMARL`. They need, besides crl-envs,
`pip install 'jaxmarl[algs]'`. What they would log to Weights & Biases is kept here instead.
"""

import os
import subprocess
import sys
import tempfile
import time
from importlib.metadata import version
from pathlib import Path

import numpy as np

import crl_envs

N_AGENTS, HORIZON = 5, 20
RANDOM = 8.76  # per agent, of agents that act at random
Q_LEARNING = [
    "+alg=ql_rnn_mpe",
    "alg.ENV_NAME=ring_of_five",
    "alg.TOTAL_TIMESTEPS=100000",
    "SAVE_PATH=null",
    "WANDB_MODE=offline",  # disabled, they log nothing
]
SCRIPTS = {  # the script and its arguments, and with what factor its log shows a return per agent
    "IPPO/ippo_ff_mpe.py": (
        ["ENV_NAME=ring_of_five", "TOTAL_TIMESTEPS=400000", "NUM_SEEDS=1"],
        N_AGENTS,
    ),
    "IPPO/ippo_rnn_mpe.py": (["ENV_NAME=ring_of_five", "TOTAL_TIMESTEPS=100000"], N_AGENTS),
    "MAPPO/mappo_rnn_mpe.py": (["ENV_NAME=ring_of_five", "TOTAL_TIMESTEPS=100000"], N_AGENTS),
    "QLearning/vdn_rnn.py": (Q_LEARNING, 1),
    "QLearning/iql_rnn.py": ([*Q_LEARNING, "alg.LOG_AGENTS_SEPARATELY=False"], 1),
}


def train(script: str) -> None:
    """Run one of the scripts in this process and print what it reached."""
    import jax
    import wandb

    from crl_envs.jax.jaxmarl import register, run

    logged: list[float] = []

    def log(metrics: dict, **_: object) -> None:
        # Q-learning's scripts play greedily for a test and log that; the others log what they learn from.
        names = ("returns", "test_returned_episode_returns", "returned_episode_returns")
        logged.append(float(np.mean(next(metrics[name] for name in names if name in metrics))))

    wandb.init, wandb.log = lambda **_: None, log
    arguments, factor = SCRIPTS[script]
    register("ring_of_five", "crl/sysadmin-v0", n_agents=N_AGENTS, horizon=HORIZON)
    wall, cpu = time.perf_counter(), time.process_time()
    run(str(Path(os.environ["JAXMARL"], "baselines", script).resolve()), *arguments)
    jax.effects_barrier()  # the last logs arrive behind the last arrays
    wall, cpu = time.perf_counter() - wall, time.process_time() - cpu
    tenth = max(1, len(logged) // 10)
    first, last = (np.mean(part) / factor for part in (logged[:tenth], logged[-tenth:]))
    print(f"{script:24}{first:8.2f}{last:8.2f}{wall:9.0f}{cpu:9.0f}")


if __name__ == "__main__":
    if "JAXMARL" not in os.environ:
        sys.exit("set JAXMARL to the folder of a clone of https://github.com/FLAIROx/JaxMARL")
    os.environ["JAXMARL"] = str(Path(os.environ["JAXMARL"]).resolve())
    wanted = sys.argv[1:] or list(SCRIPTS)
    if len(wanted) == 1:
        train(wanted[0])
        sys.exit()
    best = crl_envs.make("crl/sysadmin-v0", n_agents=N_AGENTS, horizon=HORIZON).optimum().value
    print(", ".join(f"{name} {version(name)}" for name in ("jaxmarl", "jax", "flax", "distrax")))
    print(f"returns per agent; random agents {RANDOM}, the optimum {best:.2f}")
    print(f"{'script':24}{'first':>8}{'last':>8}{'wall s':>9}{'CPU s':>9}", flush=True)
    here = str(Path(__file__).resolve())
    for script in wanted:
        with (
            tempfile.TemporaryDirectory() as folder
        ):  # for hydra's outputs and the scripts' pictures
            done = subprocess.run(
                [sys.executable, "-W", "ignore", here, script],
                cwd=folder,
                capture_output=True,
                text=True,
                check=False,
            )
        if done.returncode:
            sys.exit(done.stderr[-3000:])
        print(done.stdout.rstrip().splitlines()[-1], flush=True)
