"""PPO on a device beside Stable-Baselines3's PPO: the tables and the picture of ``docs/jax.md``.

    python -m benchmarks.device_learning --picture docs/jax/curves.png    # all, half an hour of one core
    python -m benchmarks.device_learning --agents 10                      # ten agents only, two minutes

1. CPU seconds until the mean of twenty episodes is .88 a step (the optimum is .8902) on SYSADMIN's ring, each in its
   turn in this process, without the seconds of compiling, which stand beside: into an empty folder, and from disk.
2. CPU seconds of an update of ten seeds, one after another inside of the program (``jax.lax.map``) and side by side
   (``jax.vmap``), as multiples of those of one. Then the CPU seconds of a whole run of `RUN` steps, compiling included,
   and of ten such runs in one program.
3. Learning curves of both on the ring and the ring both ways, with local and with global rewards, for an equal number
   of environment steps. Agents have no numbers in what they observe, which SB3 would keep as n numbers an agent.
"""

from __future__ import annotations

import argparse
import os
import tempfile
import time
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

os.environ.setdefault(
    "XLA_FLAGS", "--xla_cpu_multi_thread_eigen=false intra_op_parallelism_threads=1"
)
os.environ.setdefault("OMP_NUM_THREADS", "1")

import jax
import jax.numpy as jnp
import numpy as np
from numpy.typing import NDArray

import crl_envs
from agents.libraries.jax_ppo import IPPO
from agents.libraries.sb3 import PPO
from benchmarks.measure import print_machine, write_json

SYSADMIN = "crl/sysadmin-v0"
GOAL = 0.88  # a step, where the optimum is .8902
HORIZON = 20
SB3_COPIES = 4
STEADY = 320  # environment steps
RUN = 2240  # environment steps, after which .88 a step is reached

# Of each number of agents: environments on the device, environment steps, seeds there and of SB3.
PLANS = {
    10: (8, 16_000, 10, 2),
    100: (8, 8_000, 5, 1),
    1000: (2, 1_600, 3, 1),
    10_000: (2, 400, 1, 1),
}


@dataclass(frozen=True)
class Curve:
    """What one learner's seeds earned on the way, 0 being random actions and 1 the optimum."""

    dynamics: str
    agents: int
    rewards: str
    learner: str
    every: int  # environment steps from one measurement to the next
    scores: list[list[float]]  # of each measurement and seed
    goal: float  # .9 of what rebooting whatever is down, and nothing else, is worth
    compiling: float  # CPU seconds; those below without them
    cpu: float  # seconds a seed
    wall: float

    @property
    def reached(self) -> NDArray[np.int64]:
        """``int64[seeds]``: steps until the mean of the next `STEADY`, or those left, is at the goal; −1 for never."""
        scores, width = np.array(self.scores), STEADY // self.every
        means = np.array([scores[t : t + width].mean(axis=0) for t in range(len(scores))])
        there = means >= self.goal
        return np.where(there.any(axis=0), (there.argmax(axis=0) + 1) * self.every, -1)

    def row(self) -> str:
        """Return a row of the table."""
        first, seeds = self.reached, len(self.scores[0])
        there, most = first[first >= 0], f"{len(self.scores) * self.every:,}"
        said = f"{there.size} of {seeds} within {most}" if there.size else f"not within {most}"
        if there.size == seeds:
            said = f"{int(np.median(there)):,} ({there.min():,}, {there.max():,})"
        last = np.mean(self.scores[-len(self.scores) // 10 :])
        speed = f"{self.cpu:.1f} | {self.wall:.1f}"
        return (
            f"| {self.dynamics} | {self.agents:,} | {self.rewards} | `{self.learner}` | {seeds} | {said} | {last:.2f} "
            f"| {speed} |"
        )


def until_goal(learner: Any, most: int) -> tuple[float, int]:
    """Return the CPU seconds and environment steps until the last twenty episodes earn `GOAL` a step."""
    begun, chunk = time.process_time(), 160
    while learner.env_steps[0] < most:
        learner.learn(total_steps=chunk)
        last = [h["global_return"] / h["steps"] for h in learner.history[-20:]]
        if len(last) == 20 and np.mean(last) >= GOAL:
            break
    return time.process_time() - begun, int(learner.env_steps[0])


def seconds(sizes: list[int]) -> None:
    """Print the first table."""
    print("| agents | learner | compiling, CPU s | from disk | learning, CPU s | env steps |")
    print("|---:|---|---:|---:|---:|---:|")
    for n in sizes:
        for name, make in (("jax-ippo", IPPO), ("sb3-ppo", PPO)):
            begins = []
            for _ in range(2):
                begun = time.process_time()
                make(crl_envs.make_vec(SYSADMIN, n_agents=n), seed=0).learn(total_steps=1)
                begins.append(f"{time.process_time() - begun:.1f}" if make is IPPO else "–")
            learner = make(crl_envs.make_vec(SYSADMIN, n_agents=n), seed=1)
            if isinstance(learner, IPPO):
                _ = learner._compiled.lower(learner.learnt).compile()
            spent, steps = until_goal(learner, 20_000)
            print(
                f"| {n} | `{name}` | {' | '.join(begins)} | {spent:.2f} | {steps:,} |", flush=True
            )


def ten_seeds(sizes: list[int], repeats: int = 3) -> None:
    """Print the second table."""
    print(
        "| agents | one seed, CPU ms | ten, `lax.map` | ten, `vmap` | one run, CPU s | ten runs |"
    )
    print("|---:|---:|---:|---:|---:|---:|")
    for n in sizes:
        learner = IPPO(crl_envs.make_vec(SYSADMIN, n_agents=n))
        one, every = jax.jit(learner.begin)(0), jnp.arange(10)
        several = jax.jit(jax.vmap(learner.begin))(every)
        forms = [
            (jax.jit(learner.update), one),
            (jax.jit(lambda many, learner=learner: jax.lax.map(learner.update, many)), several),
            (jax.jit(jax.vmap(learner.update)), several),
        ]
        best = [np.inf] * len(forms)
        for _ in range(repeats + 1):  # the first compiles
            for k, (update, state) in enumerate(forms):
                begun = time.process_time()
                for _ in range(5):
                    jax.block_until_ready(update(state))
                best[k] = min(best[k], (time.process_time() - begun) / 5)
        ratios = " | ".join(f"{spent / best[0]:.1f} ×" for spent in best[1:])
        runs = [whole_runs(n, count) for count in (1, 10)]
        whole = f"{runs[0]:.1f} | {runs[1] / runs[0]:.1f} ×"
        print(f"| {n} | {1e3 * best[0]:.1f} | {ratios} | {whole} |", flush=True)


def whole_runs(n: int, seeds: int) -> float:
    """Return the CPU seconds of compiling and of so many seeds' first `RUN` environment steps, in one program."""
    make = partial(crl_envs.make_vec, SYSADMIN, n_agents=n)
    _, compiling, cpu, _ = on_device(make, "local", PLANS[n][0], RUN, seeds)
    return float(compiling + seeds * cpu)


def on_device(make: Any, rewards: str, copies: int, steps: int, seeds: int) -> tuple[Any, ...]:
    """Return the team's returns ``[measurements, seeds]`` and the seconds: compiling, CPU and wall a seed."""
    learner = IPPO(make(1), rewards=rewards, copies=copies, agent_ids=False)
    updates = steps // (copies * HORIZON)

    @jax.jit
    def play(seeds: Any) -> Any:
        def one(learnt: Any, _: None) -> Any:
            learnt, ended = learner.update(learnt)
            return learnt, jnp.where(ended["done"], ended["team"], 0.0).sum() / ended["done"].sum()

        def alone(seed: Any) -> Any:
            return jax.lax.scan(one, learner.begin(seed), None, length=updates)[1]

        return jax.lax.map(alone, seeds)

    begun = time.process_time()
    compiled = play.lower(jnp.arange(seeds)).compile()
    compiling, cpu, wall = time.process_time() - begun, time.process_time(), time.time()
    earned = np.asarray(compiled(jnp.arange(seeds))).T
    return earned, compiling, (time.process_time() - cpu) / seeds, (time.time() - wall) / seeds


def of_sb3(make: Any, rewards: str, copies: int, steps: int, seeds: int) -> tuple[Any, ...]:
    """Return the same of Stable-Baselines3, means of so many episodes."""
    earned, cpu, wall = [], time.process_time(), time.time()
    for seed in range(seeds):
        learner = PPO(make(1), rewards=rewards, seed=seed, agent_ids=False)
        learner.learn(total_steps=steps)
        returns = [h["global_return"] for h in learner.history[: steps // HORIZON]]
        earned.append(np.reshape(returns, (-1, copies)).mean(axis=1))
    spent = (time.process_time() - cpu) / seeds, (time.time() - wall) / seeds
    return (np.array(earned).T, 0.0, *spent)


def curves(sizes: list[int]) -> list[Curve]:
    """Print the third table, and return what it says."""
    print(
        "| world | agents | rewards | learner | seeds | env steps (median; range) | last | CPU s a seed | wall s |"
    )
    print("|---|---:|---|---|---:|---|---:|---:|---:|")
    made = []
    for n in sizes:
        copies, steps, *seeds = PLANS[n]
        for dynamics in ("ring", "ring-bidirectional"):
            make = partial(crl_envs.make_vec, SYSADMIN, n_agents=n, dynamics=dynamics)
            best, plain = make(1).optimum().value, []
            for reboots in ([[0.5, 0.5], [0.5, 0.5]], [[0.0, 1.0], [1.0, 0.0]]):
                vec = make(200)
                vec.reset(seed=0)
                plain.append(float(vec.rollout(reboots, HORIZON).team.mean()))
            random = plain[0]
            goal = 0.9 * (plain[1] - random) / (best - random)
            for rewards in ("local", "global"):
                for learner, play, width, count in (
                    ("jax-ippo", on_device, copies, seeds[0]),
                    ("sb3-ppo", of_sb3, max(copies, SB3_COPIES), seeds[1]),
                ):
                    earned, *spent = play(make, rewards, width, steps, count)
                    scores = ((earned - random) / (best - random)).round(4).tolist()
                    every = width * HORIZON
                    made.append(Curve(dynamics, n, rewards, learner, every, scores, goal, *spent))
                    print(made[-1].row(), flush=True)
    return made


def draw(made: list[Curve], path: Path) -> None:
    """Draw every curve's mean over seeds, with the seeds' range, a panel for each world and number of agents."""
    import matplotlib.pyplot as plt
    from matplotlib.ticker import NullFormatter

    worlds, sizes = list(dict.fromkeys(c.dynamics for c in made)), sorted({c.agents for c in made})
    figure, axes = plt.subplots(
        len(worlds), len(sizes), figsize=(3.1 * len(sizes), 5), sharey=True, squeeze=False
    )
    colors = {"local": "#0072b2", "global": "#d55e00"}
    for c in made:
        panel = axes[worlds.index(c.dynamics), sizes.index(c.agents)]
        scores = np.array(c.scores)
        x = c.every * np.arange(1, len(scores) + 1)
        line = "-" if c.learner == "jax-ippo" else "--"
        label = f"{c.learner}, {c.rewards}"
        panel.plot(x, scores.mean(axis=1), line, color=colors[c.rewards], label=label, lw=1.4)
        if scores.shape[1] > 1:
            low, high = scores.min(axis=1), scores.max(axis=1)
            panel.fill_between(x, low, high, color=colors[c.rewards], alpha=0.12, lw=0)
        panel.axhline(c.goal / 0.9, color="0.5", lw=0.8, ls=":")
        panel.set(xscale="log", ylim=(-0.8, 1.05), title=f"{c.dynamics}, n = {c.agents:,}")
        panel.title.set_fontsize(9)
        panel.xaxis.set_minor_formatter(NullFormatter())
    for panel in axes[-1]:
        panel.set_xlabel("environment steps")
    for panel in axes[:, 0]:
        panel.set_ylabel("0 random, 1 optimum")
    axes[0, 0].legend(fontsize=7, loc="lower right")
    figure.tight_layout()
    path.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(path, dpi=110)


def main() -> None:
    """Print the tables, and draw the picture when a path is asked for."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument(
        "--agents", type=int, nargs="+", choices=list(PLANS), default=list(PLANS), help="how many"
    )
    parser.add_argument("--picture", type=Path, metavar="PATH", help="draw the curves there")
    parser.add_argument("--json", type=Path, metavar="PATH", help="write the curves to PATH too")
    chosen = parser.parse_args()
    print_machine()
    with tempfile.TemporaryDirectory() as folder:
        jax.config.update("jax_compilation_cache_dir", folder)
        if few := [n for n in chosen.agents if n <= 100]:
            seconds(few)
            ten_seeds(few)
        made = curves(chosen.agents)
    if chosen.picture:
        draw(made, chosen.picture)
    write_json(chosen.json, "device_learning", made)


if __name__ == "__main__":
    main()
