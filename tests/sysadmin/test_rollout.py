"""Rollouts of tables of policies are loops over steps, compiled or not."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from gymnasium.error import ResetNeeded

import crl_envs
from crl_envs.core.returns import team_reward
from crl_envs.sysadmin import SysadminWorld
from tests.views import BACKENDS

ENV = "crl/sysadmin-v0"
backends = pytest.mark.parametrize("backend", BACKENDS)
GIVEN: dict[str, dict[str, Any]] = {
    "ring": {"n_agents": 7},
    "two": {"n_agents": 2},
    "relabel, rewards below 0": {"n_agents": 6, "dynamics": "ippc2011", "relabel": True},
    "lock": {"n_agents": 5, "dynamics": "lock"},
    "star": {"n_agents": 5, "topology": "star", "dynamics": "ring-bidirectional"},
    "status and load": {"n_agents": 5, "dynamics": "status-load"},
}


def make(backend: str, mode: str = "NextStep", columns: int = 3, **given: Any) -> Any:
    vec = crl_envs.make_vec(
        ENV, columns, autoreset_mode=mode, backend=backend, **{"horizon": 5, **given}
    )
    vec.reset(seed=3)
    return vec


def policy_of(vec: Any, shape: tuple[int, ...] = ()) -> np.ndarray[Any, Any]:
    states = int(vec.world.single_observation_space.n)
    table = np.random.default_rng(0).random((*shape, states, 2))
    table[..., 0, :] = [0.0, 1.0]  # certain, at the edge of what a word can say
    return np.asarray(table / table.sum(axis=-1, keepdims=True))


def loop(vec: Any, policy: Any, steps: int) -> tuple[list[Any], list[float], list[int]]:
    rewards, team, episodes = np.zeros((vec.num_envs, vec.n_agents)), 0.0, 0
    for _ in range(steps):
        _, given, terminations, truncations, _ = vec.step(vec.act(policy))
        rewards += given
        team = team + team_reward(given.T)
        episodes = episodes + (terminations | truncations)
    return rewards.tolist(), np.asarray(team).tolist(), np.asarray(episodes).tolist()


@backends
@pytest.mark.parametrize("mode", ["NextStep", "SameStep", "Disabled"])
@pytest.mark.parametrize("columns", [1, 3])
@pytest.mark.parametrize("name", GIVEN)
def test_a_rollout_is_a_loop(backend: str, mode: str, columns: int, name: str) -> None:
    one, other = (make(backend, mode, columns, **GIVEN[name]) for _ in range(2))
    policy = policy_of(one, (one.n_agents,))
    for steps in (13, 0, 4):
        made = one.rollout(policy, steps)
        found = tuple(part.tolist() for part in made)
        assert found == (loop(other, policy, steps) if steps else found)
        assert one.state().tolist() == other.state().tolist()
    seen = [vec.step(np.zeros((columns, vec.n_agents), np.uint8))[:4] for vec in (one, other)]
    assert repr(seen[0]) == repr(seen[1])


@backends
def test_columns_that_are_not_in_step(backend: str) -> None:
    one, other = (make(backend, "Disabled", n_agents=4) for _ in range(2))
    policy = policy_of(one, (3, 4))
    for vec in (one, other):
        vec.rollout(policy, 3)
        vec.reset(options={"reset_mask": np.array([False, True, False])})
    assert tuple(part.tolist() for part in one.rollout(policy, 9)) == loop(other, policy, 9)


@pytest.mark.skipif(len(BACKENDS) < 2, reason="Numba is not installed")
@pytest.mark.parametrize("apart", [False, True])
@pytest.mark.parametrize(
    ("n_agents", "columns"), [(1, 131_073), (5, 70_000), (9001, 1), (300, 200)]
)
def test_large_ones_are_cut_into_parts(n_agents: int, columns: int, apart: bool) -> None:
    """The last part may be one column; each column has a table of its own, or all have the same."""
    made = []
    for backend in BACKENDS:
        vec = make(backend, columns=columns, n_agents=n_agents, horizon=4)
        rollout = vec.rollout(policy_of(vec, (columns, n_agents) if apart else ()), 4)
        made.append((*(part.tolist() for part in rollout), vec.state().tolist()))
    assert made[0] == made[1]


@pytest.mark.skipif(len(BACKENDS) < 2, reason="Numba is not installed")
def test_more_steps_than_a_byte_counts() -> None:
    made = []
    for backend in BACKENDS:
        vec = make(backend, columns=2, n_agents=3, horizon=600)
        made.append([part.tolist() for part in vec.rollout(policy_of(vec), 600)])
    assert made[0] == made[1]
    assert made[0][2] == [1, 1]


@pytest.mark.parametrize("what", ["world", "vec"])
def test_what_a_user_changes_is_not_gone_round(what: str) -> None:
    class Free(SysadminWorld):
        def reward(self, *args: Any) -> Any:
            return np.full_like(super().reward(*args), 2.0)

    vec = make("auto", n_agents=3)
    if what == "world":
        vec = crl_envs.core.WorldVectorEnv(Free(n_agents=3), 3)
        vec.reset(seed=3)
        assert vec.rollout(policy_of(vec), 5).team.tolist() == [10.0] * 3
        return
    steps = []
    step = vec.step
    vec.step = lambda actions: steps.append(1) or step(actions)
    vec.rollout(policy_of(vec), 5)
    assert len(steps) == 5


def test_act_draws_by_the_table_and_changes_nothing() -> None:
    vec = make("numpy", columns=2, n_agents=4000)
    policy = np.array([[0.25, 0.75], [1.0, 0.0]])
    actions = vec.act(policy)
    assert actions.tolist() == vec.act(policy).tolist()
    assert not actions[vec.state() == 1].any()
    assert actions[vec.state() == 0].mean() == pytest.approx(0.75, abs=0.02) or vec.state().all()
    again = make("numpy", columns=2, n_agents=4000)
    assert repr(vec.step(actions)) == repr(again.step(actions))


@pytest.mark.parametrize(
    ("policy", "said"),
    [
        (np.ones((2, 2)), "probabilities that add up to 1"),
        (np.array([[1.5, -0.5], [1.0, 0.0]]), "probabilities that add up to 1"),
        (np.full((2, 2), np.nan), "probabilities that add up to 1"),
        (np.ones((3, 2)), "policy must be numbers of shape"),
        (np.ones(2), "policy must be numbers of shape"),
        ("reboot", "policy must be numbers of shape"),
    ],
)
def test_bad_policies(policy: Any, said: str) -> None:
    vec = make("auto", n_agents=4)
    for call in (vec.act, lambda p: vec.rollout(p, 3)):
        with pytest.raises(ValueError, match=said):
            call(policy)


def test_bad_calls() -> None:
    policy = np.array([[0.0, 1.0], [1.0, 0.0]])
    with pytest.raises(ResetNeeded):
        crl_envs.make_vec(ENV, 2).rollout(policy, 3)
    with pytest.raises(ValueError, match="steps must be"):
        make("auto", n_agents=4).rollout(policy, -1)
    loads = crl_envs.make_vec("crl/load_balancing-v0", 2)
    loads.reset(seed=0)
    with pytest.raises(ValueError, match=r"observations Discrete\(O\)"):
        loads.act(policy)
    same = make("auto", "SameStep", n_agents=4)
    with pytest.raises(ValueError, match="SameStep"):
        same.fast_forward(lambda *args: 1)
