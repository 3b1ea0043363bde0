"""PPO on a device beside Stable-Baselines3's PPO: the tables of ``docs/jax.md``.

    python -m benchmarks.device_learning            # both tables, about a quarter of an hour
    python -m benchmarks.device_learning --quick

1. CPU seconds until the mean of twenty episodes is .88 a step (the optimum is .8902) on SYSADMIN's ring, each in its
   turn in this process, without the seconds of compiling, which stand beside.
2. Environment steps until .9 of the way from random actions to the optimum, by `agents.libraries.jax_ppo.IPPO` with its
   seeds mapped over, with local and with global rewards.
"""

from __future__ import annotations

import argparse
import os
import time
from typing import Any

os.environ.setdefault(
    "XLA_FLAGS", "--xla_cpu_multi_thread_eigen=false intra_op_parallelism_threads=1"
)
os.environ.setdefault("OMP_NUM_THREADS", "1")

import jax
import jax.numpy as jnp
import numpy as np

import crl_envs
from agents import RandomPolicy
from agents.libraries.jax_ppo import IPPO
from agents.libraries.sb3 import PPO

SYSADMIN = "crl/sysadmin-v0"
GOAL = 0.88  # a step, where the optimum is .8902


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
    print("| agents | learner | compiling, CPU s | learning, CPU s | environment steps |")
    print("|---:|---|---:|---:|---:|")
    for n in sizes:
        for name, make in (("jax-ippo", IPPO), ("sb3-ppo", PPO)):
            begun = time.process_time()
            make(crl_envs.make_vec(SYSADMIN, n_agents=n), seed=0).learn(total_steps=1)
            first = time.process_time() - begun
            learner = make(crl_envs.make_vec(SYSADMIN, n_agents=n), seed=1)
            if name == "jax-ippo":
                _ = learner._compiled.lower(learner.learnt).compile()
            spent, steps = until_goal(learner, 20_000)
            compiling = f"{first:.1f}" if name == "jax-ippo" else "–"
            print(f"| {n} | `{name}` | {compiling} | {spent:.2f} | {steps:,} |", flush=True)


def curve(
    dynamics: str, n: int, rewards: str, copies: int, updates: int, seeds: int
) -> tuple[Any, float]:
    """Return the mean return a step of each seed's episodes, by update, and the seconds that it took."""
    env = crl_envs.make_vec(SYSADMIN, n_agents=n, dynamics=dynamics)
    learner = IPPO(env, rewards=rewards, copies=copies)
    many = jax.jit(jax.vmap(learner.begin))(jnp.arange(seeds))

    @jax.jit
    def play(many: Any) -> Any:
        def one(many: Any, _: None) -> Any:
            many, ended = jax.vmap(learner.update)(many)
            team = jnp.where(ended["done"], ended["team"], 0.0).sum((1, 2))
            return many, team / ended["done"].sum((1, 2)) / env.world.horizon

        return jax.lax.scan(one, many, None, length=updates)[1]

    compiled = play.lower(many).compile()
    begun = time.process_time()
    return np.asarray(compiled(many)), time.process_time() - begun


# Of each number of agents: environments, updates and seeds.
PLANS = {10: (8, 150, 10), 100: (8, 100, 10), 1000: (2, 40, 3)}


def curves(sizes: list[int]) -> None:
    """Print the second table."""
    print(
        "| world | agents | rewards | seeds | environment steps (median; least, most) | last | CPU s |"
    )
    print("|---|---:|---|---:|---|---:|---:|")
    for dynamics in ("ring", "ring-bidirectional"):
        for n in sizes:
            env = crl_envs.make_vec(SYSADMIN, 50, n_agents=n, dynamics=dynamics)
            horizon = env.world.horizon
            played = RandomPolicy(env, seed=0).learn(total_episodes=1).history[0]["global_return"]
            random, best = float(np.mean(played)) / horizon, env.optimum().value / horizon
            goal = random + 0.9 * (best - random)
            for rewards in ("local", "global"):
                copies, updates, seeds = PLANS[n]
                found, spent = curve(dynamics, n, rewards, copies, updates, seeds)
                each = copies * 20
                steady = np.minimum.accumulate(found[::-1], axis=0)[::-1] >= goal
                first = np.where(steady.any(axis=0), steady.argmax(axis=0) + 1, updates + 1) * each
                there = first <= updates * each
                said = "not within " + f"{updates * each:,}"
                if there.all():
                    said = f"{int(np.median(first)):,} ({first.min():,}, {first.max():,})"
                elif there.any():
                    said = f"{there.sum()} of {seeds} seeds within {updates * each:,}"
                last = (found[-10:].mean() - random) / (best - random)
                print(
                    f"| {dynamics} | {n:,} | {rewards} | {seeds} | {said} | {last:.2f} | {spent:.0f} |",
                    flush=True,
                )


def main() -> None:
    """Print both tables."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--quick", action="store_true")
    quick = parser.parse_args().quick
    seconds([10] if quick else [10, 100])
    curves([10] if quick else list(PLANS))


if __name__ == "__main__":
    main()
