"""A sweep that nobody ran: learners whose scores are known, on experiments of a test's own."""

from __future__ import annotations

import math
import zlib

import numpy as np

from crl_envs.bench.experiment import Analysis, Experiment, Reference, Task
from crl_envs.bench.score.measures import Landmarks
from crl_envs.bench.store import Evaluation, Record, RunId

SIZES = (8, 16, 32, 64, 128)
TRACEBACK = """Traceback (most recent call last):
  File "learner.py", line 7, in learn
    raise RuntimeError("<script>alert('n & m')</script> | `ticks` **stars**")
RuntimeError: <script>alert('n & m')</script> | `ticks` **stars**
"""


def references(values):
    least = [4 * n / math.log(n) for n in values]
    return [Reference("lower bound, global reward (Theorem 3.1)", values, least)]


def verdict(found):
    names = ", ".join(found["learners"])
    return [f"Compared: {names}.", "Learning from local rewards takes the same samples for any n."]


N = Experiment(
    name="planted-n",
    version=1,
    title="SYSADMIN, planted: more and more agents",
    statement="Nothing is learnt.",
    knob="n",
    values=SIZES,
    quick=(8, 16),
    task=lambda n: Task("crl/sysadmin-v0", {"n_agents": n}),
    budget=lambda n: 20_000,
    first=50,
    evaluations=20,
    unit="env steps",
    episodes=4,
    epsilon=0.1,
    baselines=("random",),
    analysis=Analysis(scaling=True, references=references, verdict=verdict),
)
TOPOLOGY = Experiment(
    name="planted-topology",
    version=2,
    title="Load balancing, planted: who is connected to whom",
    statement="Nothing is learnt.",
    knob="topology",
    values=("star", "ring", "complete"),
    quick=("ring",),
    task=lambda name: Task("crl/sysadmin-v0", {"topology": name}),
    budget=lambda name: 40,
    first=40,
    evaluations=1,
    unit="episodes",
    episodes=4,
    epsilon=0.2,
    baselines=("random",),
    analysis=Analysis(scaling=False, verdict=lambda found: ["A ring is no harder than a star."]),
)
EXPERIMENTS = (N, TOPOLOGY)

# Time constants: at a score of 1 − exp(−t/τ), samples to 90 % are ln 10 · τ.
TIMES = {
    "global": lambda n: 55.0 * n,
    "local": lambda n: 300.0,
    "perfect": lambda n: 1e-9,
    "random": lambda n: math.inf,
    "crashing": lambda n: 120.0 * n**0.5,
}


def landmarks(experiments=EXPERIMENTS):
    ends = {}
    for experiment in experiments:
        for value in experiment.values:
            task = RunId(experiment.name, experiment.version, experiment.knob, value, "x", 0).task
            ends[task] = Landmarks(2.0, 12.0, 11.0 if value in (128, "complete") else 12.0)
    return ends


def record(experiment, value, learner, seed, tau, status="done", evaluations=None, error=None):
    """A run whose score is 1 − exp(−t/τ), noise added, on a task with random = 2 and optimum = 12."""
    rng = np.random.default_rng([seed, zlib.crc32(f"{experiment.id}{value}{learner}".encode())])
    tau = tau * math.exp(0.25 * rng.standard_normal())
    noise = 0.0 if tau < 1e-6 else 0.02
    points = []
    for budget in experiment.budgets(value)[:evaluations]:
        score = 1 - math.exp(-budget / tau) + noise * rng.standard_normal()
        agents = value if isinstance(value, int) else 8
        points.append(
            Evaluation(budget, budget, budget * agents, 2 + 10 * score, 2 + 10 * score, 4)
        )
    provenance = {
        "started": f"2026-01-01T00:00:{seed:02d}+00:00",
        "versions": {"python": "3.11.9", "numpy": "2.4.6"},
        "git_commit": "0123abc",
        "machine": {"system": "Linux", "processor": "planted", "cores": 4},
        "seed": seed,
        "seconds": {"learn": 1.25 + seed, "evaluate": 0.5, "bench": 0.25},
    }
    id = RunId(experiment.name, experiment.version, experiment.knob, value, learner, seed)
    return Record(id, status, tuple(points), provenance, error)


def records(seeds=10, learners=tuple(TIMES), experiments=EXPERIMENTS):
    """All runs; of `crashing` some failed, one timed out, one ran out of memory, one goes on; of `random` some lack."""
    found = []
    if N in experiments:
        for learner in learners:
            for n in SIZES:
                for seed in range(seeds):
                    if learner == "random" and n == 128:
                        continue
                    end = {}
                    if learner == "crashing" and n >= 64:
                        end = ending(n, seed)
                    found.append(record(N, n, learner, seed, TIMES[learner](n), **end))
    if TOPOLOGY in experiments:
        taus = {"star": 10.0, "ring": 15.0, "complete": 60.0}
        for learner, factor in (("crl", 1.0), ("random", math.inf), ("dvf", 2.0)):
            for name in TOPOLOGY.values:
                for seed in range(seeds):
                    found.append(record(TOPOLOGY, name, learner, seed, factor * taus[name]))
    return found


def ending(n, seed):
    if n == 64 and seed == 0:
        return {"status": "running", "evaluations": 3}
    if n == 64 and seed == 1:
        return {"status": "timeout", "evaluations": 9, "error": "more than 60 s\n"}
    if n == 64 and seed == 2:
        return {"status": "out of memory", "evaluations": 0, "error": "more than 1 GiB"}
    if n == 128 and seed % 2 == 0:
        return {"status": "failed", "evaluations": 6 + seed, "error": TRACEBACK}
    return {}
