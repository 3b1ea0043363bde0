"""Landmarks of tasks: against closed forms, exact laws and the environments' optima."""

from __future__ import annotations

import json
import math
from dataclasses import replace

import numpy as np
import pytest

import crl_envs
from crl_envs.bench.experiment import Task
from crl_envs.bench.experiments import EXPERIMENTS
from crl_envs.bench.score.measures import (
    ACCURACY,
    ACCURACY_IN_TURN,
    SEED,
    landmarks,
    random_return,
)

# Chosen for speed; landmarks are fixed by their seed, so a test passes always or never.
CHEAP = [
    *[("bandit-n", n) for n in EXPERIMENTS["bandit-n"].values],
    *[("bandit-noise", z) for z in EXPERIMENTS["bandit-noise"].values],
    *[("sysadmin-n", n) for n in EXPERIMENTS["sysadmin-n"].values],
    *[("sysadmin-horizon", t) for t in EXPERIMENTS["sysadmin-horizon"].values],
    *[("sysadmin-topology", g) for g in EXPERIMENTS["sysadmin-topology"].values],
    *[("bandit-neural-n", n) for n in EXPERIMENTS["bandit-neural-n"].values],
    *[("sysadmin-neural-n", n) for n in EXPERIMENTS["sysadmin-neural-n"].values],
    *[("load-balancing-fillings-n", n) for n in EXPERIMENTS["load-balancing-fillings-n"].values],
    ("sysadmin-noise", 1.0),
    ("load-balancing-n", 10),
    ("load-balancing-noise", 30.0),
    *[("load-balancing-horizon", loads) for loads in (85, 170, 340)],
]
DEAR = [
    (x.name, value)
    for x in EXPERIMENTS.values()
    for value in x.values
    if (x.name, value) not in CHEAP
]
# Whose optimum lies between ends that are far apart; of all others a score is known to .001.
LOOSE = {"access-n", "epidemic-n", "firefighting-n", "routing-load", "routing-n", "traffic-n"}


def check(name, value):
    experiment = EXPERIMENTS[name]
    found, how = landmarks(experiment, value)
    optimum = experiment.task(value).make().unwrapped.optimum()
    span = found.upper - found.random
    assert span > 0
    assert (found.upper, found.lower) == (optimum.value, optimum.lower)
    assert (how["kind"], how["method"]) == (optimum.kind, optimum.method)
    assert how["kind"] in ("exact", "bound")
    assert (found.upper - found.lower <= 0.001 * span) == (name not in LOOSE)
    accuracy = ACCURACY_IN_TURN if experiment.compiled else ACCURACY
    assert 0 < how["standard_error"] <= accuracy * span
    assert json.loads(json.dumps(how)) == how


@pytest.mark.parametrize(("name", "value"), CHEAP)
def test_optimum_known_and_random_accurate(name, value):
    check(name, value)


@pytest.mark.slow
@pytest.mark.parametrize(("name", "value"), DEAR)
def test_optimum_known_and_random_accurate_slowly(name, value):
    check(name, value)


@pytest.mark.parametrize(
    ("name", "value"), [("bandit-n", 16), ("bandit-n", 256), ("bandit-noise", 0.4)]
)
def test_bandit_against_its_closed_form(name, value):
    """Random actions earn (p_correct + p_wrong)/2. Fixed seed; at four standard errors one in 16,000 would fail."""
    found, how = landmarks(EXPERIMENTS[name], value)
    assert found.random == pytest.approx(0.5, abs=4 * how["standard_error"])
    bandit = EXPERIMENTS[name].task(value).make().unwrapped.world
    assert found.upper == bandit.problem.p_correct


@pytest.mark.parametrize("horizon", [5, 40])
def test_sysadmin_against_its_exact_law(horizon):
    """A ring of 16's law in closed form; fixed seed, four standard errors."""
    experiment = EXPERIMENTS["sysadmin-horizon"]
    found, how = landmarks(experiment, horizon)
    expected = exact_random_return(16, horizon)
    assert found.random == pytest.approx(expected, abs=4 * how["standard_error"])


def exact_random_return(n, horizon):
    """Expected mean return of uniformly random reboots on the directed ring, over all 2^n joint states."""
    up_next = np.array([[0.0238, 0.0475], [0.475, 0.95]])  # own, parent: down or up
    up_next = 0.5 * up_next + 0.5  # half of the time a reboot
    law = np.full((2,) * n, 0.5**n)  # P(state of machine 0, …)
    total = 0.0
    for _ in range(horizon):
        total += 0.5 * float(
            np.mean([law.sum(axis=tuple(set(range(n)) - {i}))[1] for i in range(n)])
        )
        law = ring_step(law, up_next)
    return total


def ring_step(law, up_next):
    """P(next joint state): machine i's next state depends on its own and on that of the machine before it."""
    n = law.ndim
    # Machine n − 1's next state needs machine n − 2 and itself; machine 0's needs n − 1: keep the last old state aside.
    last = np.eye(2)
    joint = law[..., None] * last.reshape((1,) * (n - 1) + (2, 2))  # …, own last, copy of it
    for i in range(n - 1, 0, -1):
        joint = replaced(joint, i, i - 1, up_next)
    joint = replaced(joint, 0, n, up_next)
    return joint.sum(axis=n)


def replaced(joint, i, parent, up_next):
    """Machine i's state by its next one; the machines before it have their old states still."""
    up = np.moveaxis(joint, (i, parent), (0, 1)) * up_next.reshape((2, 2) + (1,) * (joint.ndim - 2))
    whole = np.moveaxis(joint, (i, parent), (0, 1))
    after = np.stack([(whole - up).sum(axis=0), up.sum(axis=0)])  # next state, parent, …
    return np.moveaxis(after, (0, 1), (i, parent))


def test_the_exact_law_is_that_of_the_transition_model():
    """On a ring of 4, by explicit tables over joint states and actions."""
    env = crl_envs.make("crl/sysadmin-v0", n_agents=4, horizon=7).unwrapped
    model = env.transition_model()
    law, step = model.initial, model.probability.mean(axis=1)
    total = 0.0
    for _ in range(7):
        total += float(law @ model.reward.mean(axis=(1, 2)))
        law = law @ step
    assert exact_random_return(4, 7) == pytest.approx(total, rel=1e-3)


def test_the_same_again_and_without_noise():
    noise = EXPERIMENTS["sysadmin-noise"]
    first, how = landmarks(noise, 0.0)
    again, how_again = landmarks(noise, 3.0)
    assert (first, how) == (again, how_again)
    assert how["seed"] == SEED


@pytest.mark.parametrize("compiled", [False, True])
def test_the_same_on_every_backend(compiled):
    pytest.importorskip("numba")
    found = [
        random_return(
            Task("crl/sysadmin-v0", {"n_agents": 4, "horizon": 5, "backend": backend}),
            4.0,
            compiled=compiled,
        )
        for backend in ("numpy", "numba")
    ]
    assert found[0] == found[1]


def test_a_task_that_random_actions_solve_is_refused():
    task = Task("crl/bandit-v0", {"n_agents": 3, "p_correct": 0.5, "p_wrong": 0.5})
    hopeless = replace(EXPERIMENTS["bandit-n"], task=lambda n: task)
    with pytest.raises(ValueError, match=r"must be above what random actions earn|at least \d+"):
        landmarks(hopeless, 16)


def test_standard_error_is_that_of_the_mean():
    """Rewards of 200 random agents are Bernoulli(½), so the mean of a trial has variance 1/(4 · 200); fixed seed."""
    found = random_return(Task("crl/bandit-v0", {"n_agents": 200}), 0.8, compiled=False)
    assert found.standard_error == pytest.approx(math.sqrt(0.25 / 200 / found.episodes), rel=0.1)
