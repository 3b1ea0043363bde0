"""120,000 sequential steps of load balancing through CRL, compiled, beside the same learner through the dict API.

python -m benchmarks.crl_speed
python -m benchmarks.crl_speed --repeats 9
"""

from __future__ import annotations

import argparse
import statistics
import time

import crl_envs
from agents import CRL, RandomPolicy

STEPS = 120_000
API_STEPS = 4_000


def seconds(learner_class, steps: int, fused: bool, seed: int, cost_model: str) -> float:
    """CPU time of one run that is cut off after that many steps."""
    env = crl_envs.make(
        "crl/load_balancing-v0", cost_model=cost_model, n_loads=100_000, max_steps=steps
    )
    learner = learner_class(env, seed=seed, fused=fused)
    start = time.process_time()
    learner.learn(total_episodes=1)
    spent = time.process_time() - start
    assert learner.history[-1]["steps"] == steps
    return spent


def main() -> None:
    """Print medians over the repeats, and the ratio of the two ways."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--repeats", type=int, default=5)
    repeats = parser.parse_args().repeats
    for learner, cost_model in ((CRL, "discrete"), (CRL, "gradient"), (RandomPolicy, "discrete")):
        seconds(learner, 100, True, 0, cost_model)  # compile
        fused, api = [], []
        for seed in range(repeats):
            fused.append(seconds(learner, STEPS, True, seed, cost_model))
            api.append(seconds(learner, API_STEPS, False, seed, cost_model))
        ratios = [b / API_STEPS / (a / STEPS) for a, b in zip(fused, api, strict=True)]
        print(
            f"{learner.__name__}, {cost_model}: {STEPS:,} steps in {statistics.median(fused):.3f} s compiled "
            f"({min(fused):.3f}–{max(fused):.3f}); {statistics.median(ratios):.0f} × as fast a step as the dict API "
            f"({statistics.median(api) / API_STEPS * 1e6:.0f} µs)"
        )


if __name__ == "__main__":
    main()
