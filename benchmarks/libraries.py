"""What learners of other libraries reach on the ring SYSADMIN of 5 agents, and how fast they are.

python -m benchmarks.libraries
python -m benchmarks.libraries sb3-ppo benchmarl-qmix
python -m benchmarks.libraries --env-steps 20000

Each is made, learns for 8,000 environment steps (40,000 agents' steps), and is measured over 100 episodes of 50
steps, whose return for agents that choose at random, and the optimum, stand in the first lines. Missing libraries are
left out with the command that installs them. Seconds are CPU seconds of learning alone.
"""

from __future__ import annotations

import sys
import time
from dataclasses import dataclass
from importlib.metadata import version
from typing import Any

from benchmarks.measure import parser, print_machine, print_table, write_json
from crl_envs.adapters import MissingLibraryError
from crl_envs.bench.contract import Traits
from crl_envs.bench.evaluation import MeasuredEnv, evaluate
from crl_envs.bench.experiment import Task
from crl_envs.bench.learners import learner_spec

TASK = Task("crl/sysadmin-v0", {"n_agents": 5, "horizon": 50})
NAMES = (
    "reinforce-local",
    "sb3-ppo",
    "sb3-ppo-global",
    "sb3-maskable-ppo",
    "sb3-dqn",
    "sb3-ppo-joint",
    "benchmarl-ippo",
    "benchmarl-mappo",
    "benchmarl-vdn",
    "benchmarl-qmix",
    "rllib-ppo",
)
LIBRARIES = {
    "sb3": ("stable-baselines3", "torch"),
    "benchmarl": ("benchmarl", "torchrl", "torch"),
    "rllib": ("ray", "torch"),
}


@dataclass(frozen=True)
class Row:
    """A learner.

    Attributes:
        name: Of the learner.
        versions: Of its library.
        mean_return: Over the last episodes, mean over agents.
        seconds: CPU seconds of learning.
        env_steps: Learnt from.
    """

    name: str
    versions: str
    mean_return: float
    seconds: float
    env_steps: int


def main() -> None:
    """Print a line for each learner."""
    options = parser(__doc__, repeats=1)
    options.add_argument("names", nargs="*", default=NAMES, metavar="NAME")
    options.add_argument("--env-steps", type=int, default=8000)
    options.add_argument("--seed", type=int, default=1)
    asked = options.parse_args()
    print_machine()
    env = TASK.make_vec(1)
    print(
        f"random {measured('random', 0, 0).mean_return:.2f}, optimum {env.optimum().value:.2f} "
        f"({env.optimum().kind})"
    )
    rows = []
    for name in asked.names:
        try:
            rows.append(measured(name, asked.env_steps, asked.seed))
        except MissingLibraryError as error:
            print(f"{name} is left out: {error}", file=sys.stderr)
    print_table(
        ("learner", "return", "env steps/s", "agent-steps/s", "versions"),
        [
            (
                row.name,
                f"{row.mean_return:.2f}",
                f"{row.env_steps / row.seconds:,.0f}",
                f"{5 * row.env_steps / row.seconds:,.0f}",
                row.versions,
            )
            for row in rows
        ],
    )
    write_json(asked.json, "libraries", rows)


def measured(name: str, env_steps: int, seed: int) -> Row:
    """Learn and evaluate."""
    spec = learner_spec(name)
    cls = spec.load()
    traits = Traits(cls)
    env: Any = TASK.make_vec(1) if traits.measures_itself else MeasuredEnv(TASK.make(), seed)
    learner = cls(env, seed=seed, **spec.config)
    begun = time.process_time()
    if env_steps:
        learner.learn(total_steps=env_steps)
    seconds = time.process_time() - begun
    taken = int(learner.env_steps[0]) if traits.measures_itself else env.env_steps
    found = evaluate(TASK, learner, traits, episodes=100, seed=12345)
    library = LIBRARIES.get(name.partition("-")[0], ())
    versions = " ".join(f"{part} {version(part)}" for part in library)
    return Row(name, versions, found.global_return, seconds, taken)


if __name__ == "__main__":
    main()
