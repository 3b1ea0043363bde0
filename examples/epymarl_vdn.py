"""VDN of EPyMARL on SYSADMIN: a common reward, values that add up over agents.

    EPYMARL=path/to/epymarl python examples/epymarl_vdn.py

EPyMARL is no package: `git clone https://github.com/uoe-agents/epymarl`. It needs, besides crl-envs,
`pip install torch sacred pyyaml 'setuptools<81'`. Its results go to its own folder, EPYMARL/results.
"""

import os
import re
import subprocess
import sys
import tempfile
from pathlib import Path

import crl_envs

N_AGENTS, HORIZON = 5, 20
RANDOM = 8.76  # per agent, of agents that act at random

if "EPYMARL" not in os.environ:
    sys.exit("set EPYMARL to the folder of a clone of https://github.com/uoe-agents/epymarl")

with tempfile.TemporaryDirectory() as folder:
    # EPyMARL imports SMAClite, which isn't on PyPI, whether it is used or not.
    Path(folder, "smaclite.py").touch()
    path = os.pathsep.join(filter(None, [folder, os.environ.get("PYTHONPATH")]))
    run = subprocess.run(
        [
            *(sys.executable, Path(os.environ["EPYMARL"], "src", "main.py").resolve()),
            *(
                "--config=vdn",
                "--env-config=gymma",
                "--force",
                "with",
            ),  # --force: env_args may be new
            "env_args.key=crl_envs.adapters.epymarl:crl/sysadmin-tuple-v0",
            f"env_args.n_agents={N_AGENTS}",
            f"env_args.horizon={HORIZON}",
            f"env_args.time_limit={HORIZON}",
            *("reward_scalarisation=mean", "use_cuda=False", "seed=1", "t_max=20000"),
            *(
                "epsilon_anneal_time=8000",
                "lr=0.002",
                "gamma=0.9",
                "target_update_interval_or_tau=0.02",
            ),
            *("test_interval=5000", "test_nepisode=50", "log_interval=5000"),
        ],
        env={**os.environ, "PYTHONPATH": path},
        capture_output=True,
        text=True,
        check=False,
    )

returns = re.findall(r"test_return_mean:\s+(\S+)", run.stdout + run.stderr)
if run.returncode or not returns:
    sys.exit((run.stdout + run.stderr)[-3000:])
optimum = crl_envs.make("crl/sysadmin-v0", n_agents=N_AGENTS, horizon=HORIZON).optimum().value
print("test returns:", ", ".join(returns))
print(f"{returns[-1]} in the end; random agents {RANDOM}, the optimum {optimum:.2f}")
