"""CleanRL's own ppo.py with its env line swapped: ``CLEANRL=path/to/cleanrl python examples/clients/cleanrl_ppo.py``.

CleanRL is a repository of files, not a package: `git clone https://github.com/vwxyzjn/cleanrl`. Each agent of each
copy is one environment of the vector, so that one policy learns for all.
"""

import contextlib
import os
import re
import sys
import tempfile
from pathlib import Path

import numpy as np
import torch
from outcome import report

ENVS = """envs = gym.wrappers.vector.RecordEpisodeStatistics(
        crl_envs.make_gym_vec("crl/sysadmin-v0", 8, n_agents=5, horizon=20, encode="onehot"))
"""

if not os.environ.get("CLEANRL"):
    print("skipped: CLEANRL must be the folder of a clone of https://github.com/vwxyzjn/cleanrl")
    sys.exit()
script = Path(os.environ["CLEANRL"], "cleanrl", "ppo.py").resolve()
code, count = re.subn(
    r"envs = gym\.vector\.SyncVectorEnv\(.*?\n    \)\n", ENVS, script.read_text("utf-8"), flags=re.S
)
assert count == 1, f"{script} makes its environments in another way"
code = "import crl_envs\n" + code

torch.set_num_threads(1)
sys.argv = [
    str(script), "--num-envs=40", "--num-steps=50", "--total-timesteps=100000", "--learning-rate=3e-3",
    "--gamma=0.9", "--no-cuda", "--seed=1",
]  # fmt: skip
names = {"__name__": "__main__", "__file__": str(script)}
# It writes runs/ where it is started.
with tempfile.TemporaryDirectory() as folder, contextlib.chdir(folder):
    exec(compile(code, script, "exec"), names)
report(np.mean(list(names["envs"].return_queue)[-100:]))
