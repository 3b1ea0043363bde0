"""The example of somebody else's learner: it is found once installed, learns, and can be interrupted."""

from __future__ import annotations

import importlib.util
import json
import os
import subprocess
import sys
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pytest
from gymnasium.spaces import Box
from pettingzoo.utils.wrappers import BaseParallelWrapper

import crl_envs
from crl_envs.bench.contract import BenchLearner, Traits
from crl_envs.core.random_state import random_state, set_random_state

EXAMPLES = Path(__file__).parents[2] / "examples"
PROJECT = EXAMPLES / "own_learner"
NAME = "epsilon-greedy"
BANDIT, SYSADMIN = "crl/bandit-v0", "crl/sysadmin-v0"


def imported(path: Path) -> ModuleType:
    spec = importlib.util.spec_from_file_location(path.parent.name + "_" + path.stem, path)
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


EpsilonGreedy = imported(PROJECT / "crl_envs_epsilon_greedy" / "__init__.py").EpsilonGreedy
UCB1 = imported(EXAMPLES / "standalone_learner.py").UCB1


def mean_return(learner: Any, env: Any, episodes: int = 40) -> float:
    """The team's, over episodes that the learner didn't learn from, with its greedy actions."""
    total = 0.0
    for episode in range(episodes):
        observations, _ = env.reset(seed=10_000 if episode == 0 else None)
        while env.agents:
            actions = learner.act(observations, deterministic=True)
            observations, rewards, *_ = env.step(actions)
            total += sum(rewards.values()) / len(rewards)
    return total / episodes


def random_return(id: str, n: int) -> float:
    """What uniformly random actions bring."""
    env = crl_envs.make(id, n_agents=n)
    rng = np.random.default_rng(0)

    class Random:
        def act(self, observations: Any, deterministic: bool) -> Any:
            return {a: int(rng.integers(env.action_space(a).n)) for a in observations}

    return mean_return(Random(), env)


# Installed


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder into which pip has installed the package, built offline."""
    folder = tmp_path_factory.mktemp("site")
    done = subprocess.run(
        [
            *(sys.executable, "-m", "pip", "install", "--quiet", "--disable-pip-version-check"),
            *("--no-index", "--no-deps", "--no-build-isolation", "--target", folder, PROJECT),
        ],
        check=False,
        text=True,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
    )
    assert done.returncode == 0, done.stdout
    return folder


def in_a_new_interpreter(script: str, site: Path | None, cwd: Path) -> list[str]:
    """Words that a script prints where `site` is on the path."""
    path = [str(site)] * (site is not None) + [os.environ.get("PYTHONPATH", "")]
    done = subprocess.run(
        [sys.executable, "-c", script],
        check=True,
        capture_output=True,
        text=True,
        cwd=cwd,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, path))},
    )
    return done.stdout.split()


FIND = f"""
from crl_envs.bench.learners import find_learner, installed_learners
print("{NAME}" in installed_learners(), "reinforce" in installed_learners())
if "{NAME}" in installed_learners():
    cls = find_learner("{NAME}")
    print(cls.__module__, cls.__name__, cls.resumable)
"""


def test_the_bench_finds_it_by_its_entry_point(site: Path, tmp_path: Path) -> None:
    assert in_a_new_interpreter(FIND, None, tmp_path) == ["False", "True"]
    assert in_a_new_interpreter(FIND, site, tmp_path) == [
        *("True", "True"),
        *("crl_envs_epsilon_greedy", "EpsilonGreedy", "True"),
    ]


def test_it_needs_nothing_of_crl_envs(site: Path, tmp_path: Path) -> None:
    script = (
        "import crl_envs_epsilon_greedy, sys\n"
        "print(*({name.partition('.')[0] for name in sys.modules} & {'agents', 'crl_envs'}))"
    )
    assert in_a_new_interpreter(script, site, tmp_path) == []


@pytest.mark.parametrize("cls", [EpsilonGreedy, UCB1])
def test_it_keeps_the_contract(cls: Any) -> None:
    assert isinstance(cls(crl_envs.make(BANDIT, n_agents=2), seed=0), BenchLearner)
    traits = Traits(cls)
    assert traits.trains_on == "local"
    assert not traits.measures_itself
    assert traits.resumable == (cls is EpsilonGreedy)


# Learns


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize("cls", [EpsilonGreedy, UCB1])
def test_it_learns_the_bandit(cls: Any, seed: int) -> None:
    """To within 5 % of the optimum, 0.8; random is 0.5. The seeds are fixed: the outcome is, too."""
    env = crl_envs.make(BANDIT, n_agents=20)
    learner = cls(env, seed=seed)
    learner.learn(400)
    assert mean_return(learner, crl_envs.make(BANDIT, n_agents=20)) > 0.95 * 0.8
    assert 0.45 < random_return(BANDIT, 20) < 0.55


@pytest.mark.parametrize("seed", range(3))
def test_it_learns_sysadmin(seed: int) -> None:
    env = crl_envs.make(SYSADMIN, n_agents=6)
    best, random = env.unwrapped.optimum().value, random_return(SYSADMIN, 6)
    learner = EpsilonGreedy(env, seed=seed).learn(2000)
    reached = mean_return(learner, crl_envs.make(SYSADMIN, n_agents=6))
    assert (reached - random) / (best - random) > 0.9
    # Rebooting a machine that is down is right, whatever the others do.
    assert all(q[0].argmax() == 1 for q in learner.q.values())


def test_one_step_of_learning_is_the_equation() -> None:
    """Both kinds of target, on SYSADMIN's first steps: r + γ max Q, which at first is r."""
    env = crl_envs.make(SYSADMIN, n_agents=3, horizon=2)
    learner = EpsilonGreedy(env, seed=5, epsilon=0.0, learning_rate=0.5, discount=0.9)
    expected = {agent: np.zeros((2, 2)) for agent in env.possible_agents}
    again = crl_envs.make(SYSADMIN, n_agents=3, horizon=2)
    seen, _ = again.reset(seed=5)
    while again.agents:
        actions = {agent: int(expected[agent][seen[agent]].argmax()) for agent in again.agents}
        after, rewards, terminated, _, _ = again.step(actions)
        for agent, action in actions.items():
            q, future = expected[agent], 0.9 * expected[agent][after[agent]].max()
            target = rewards[agent] + (0.0 if terminated[agent] else future)
            q[seen[agent], action] = 0.5 * q[seen[agent], action] + 0.5 * target
        seen = after
    learner.learn(1)
    assert learner.q.keys() == expected.keys()
    for agent, q in expected.items():
        np.testing.assert_allclose(learner.q[agent], q, rtol=1e-12)


# Reproducible


def test_equal_seeds_equal_runs_and_acting_changes_nothing() -> None:
    tables = []
    for evaluates, seed in ((False, 1), (True, 1), (False, 2)):
        learner = EpsilonGreedy(crl_envs.make(SYSADMIN, n_agents=3), seed=seed)
        before = np.random.get_state(legacy=False)  # noqa: NPY002
        for _ in range(5):
            learner.learn(20)
            if evaluates:
                learner.act(dict.fromkeys(learner.q, 0), deterministic=False)
        after = np.random.get_state(legacy=False)  # noqa: NPY002
        assert before["state"]["key"].tolist() == after["state"]["key"].tolist()
        tables.append(np.array(list(learner.q.values())).tolist())
    assert tables[0] == tables[1] != tables[2]


def test_a_loaded_one_goes_on_identically(tmp_path: Path) -> None:
    path = tmp_path / "no-extension"
    env = crl_envs.make(SYSADMIN, n_agents=3)
    learner = EpsilonGreedy(env, seed=1, epsilon=0.3).learn(60)
    learner.act(dict.fromkeys(learner.q, 0))
    learner.save(path)
    assert [p.name for p in tmp_path.iterdir()] == [path.name]
    other = crl_envs.make(SYSADMIN, n_agents=3)
    loaded = EpsilonGreedy.load(path, other)
    set_random_state(other, random_state(env))
    for one in (learner, loaded):
        one.learn(60)
    assert loaded.arguments == learner.arguments
    for agent, q in learner.q.items():
        assert loaded.q[agent].tolist() == q.tolist()
    seen = dict.fromkeys(learner.q, 1)
    for _ in range(20):
        assert loaded.act(seen) == learner.act(seen)


def test_budgets_are_whole_episodes() -> None:
    class Counting(BaseParallelWrapper):
        steps = 0

        def step(self, actions: Any) -> Any:
            self.steps += 1
            return super().step(actions)

    env = Counting(crl_envs.make(SYSADMIN, n_agents=2, horizon=10))
    learner = EpsilonGreedy(env)
    for asked, taken in ((0, 0), (1, 10), (10, 20), (11, 40)):
        learner.learn(asked)
        assert env.steps == taken


def test_other_spaces_are_refused() -> None:
    with pytest.raises(ValueError, match=r"spaces of agent_0 must be Discrete, from 0, got \(Box"):
        EpsilonGreedy(crl_envs.make("crl/load_balancing-v0", n_agents=4))
    assert isinstance(
        crl_envs.make("crl/load_balancing-v0", n_agents=4).observation_space("agent_0"), Box
    )


# In the bench


@pytest.mark.xdist_group("sweeps")
@pytest.mark.parametrize("name", [NAME, "standalone_learner:UCB1"])
def test_it_has_its_place_in_a_sweep(name: str, site: Path, tmp_path: Path) -> None:
    """By its entry point once installed, or by module and class where its file is; it does better than random."""
    path = os.pathsep.join(filter(None, [str(site), os.environ.get("PYTHONPATH", "")]))
    sweep = ["sweep", "bandit-n", "--learners", f"{name},random", "--seeds", "1", "--quick"]
    done = subprocess.run(
        [sys.executable, "-m", "crl_envs.cli", *sweep, "--out", str(tmp_path / "out")],
        check=False,
        cwd=EXAMPLES,
        env={**os.environ, "PYTHONPATH": path},
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    scores = json.loads((tmp_path / "out/scores.json").read_text())
    iqm = {
        entry["learner"]: entry["experiments"]["bandit-n@1"]["iqm"]["value"]
        for entry in scores["leaderboard"]
    }
    assert abs(iqm["random"]) < 0.1 < 0.8 < iqm[name.replace(":", ".")]
    assert name.replace(":", ".") in (tmp_path / "out/report.html").read_text()
