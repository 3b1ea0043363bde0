"""Small experiments for the tests of the bench."""

from __future__ import annotations

from typing import Any

from crl_envs.bench.experiment import Analysis, Experiment, Task
from crl_envs.bench.learners import LearnerSpec
from crl_envs.bench.store import RunId

LEARNERS = "tests.bench.learners_for_tests"
NO_ANALYSIS = Analysis(scaling=True, verdict=lambda summary: [])


def small(**changes: Any) -> Experiment:
    """SYSADMIN on rings of 3 and 6 for 100 steps, evaluated five times."""
    fields: dict[str, Any] = {
        "name": "small",
        "version": 1,
        "title": "A small one",
        "statement": "Nothing but a test.",
        "knob": "n",
        "values": (3, 6),
        "quick": (3,),
        "task": lambda n: Task("crl/sysadmin-v0", {"n_agents": n, "horizon": 5}),
        "budget": lambda n: 100,
        "first": 10,
        "evaluations": 5,
        "unit": "env steps",
        "episodes": 3,
        "epsilon": 0.1,
        "baselines": ("random",),
        "analysis": NO_ANALYSIS,
    }
    return Experiment(**{**fields, **changes})


def spec(name: str, **config: Any) -> LearnerSpec:
    """Of one of the learners for tests, or of an installed one in lower case."""
    if name[0].islower():
        return LearnerSpec(name, name, config)
    return LearnerSpec(f"{LEARNERS}.{name}", f"{LEARNERS}:{name}", config)


def run_id(learner: LearnerSpec, n: int = 3, seed: int = 0) -> RunId:
    return RunId("small", 1, "n", n, learner.label, seed)
