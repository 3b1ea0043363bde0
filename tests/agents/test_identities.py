"""Bit for bit: a column of a batch is a learner alone, and own rewards under GlobalReward are global ones."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from agents import Reinforce
from crl_envs.wrappers import GlobalReward
from tests.agents.textbook import Recorder
from tests.core.toy import TOY
from tests.views import BACKENDS
from tests.wrappers.foreign import Leavers
from tests.wrappers.making import make, make_vec

SYSADMIN = "crl/sysadmin-v0"
GRAPH: dict[str, Any] = {"dynamics": "ippc2011", "topology": "random", "observe": "neighborhood"}
LOADS: dict[str, Any] = {
    "cost_model": "gradient",
    "capacity": 2,
    "server_capacity": 3,
    "max_steps": 60,
}
CASES = {
    "ring": (SYSADMIN, {}),
    "graph": (SYSADMIN, GRAPH),
    "status-load": (SYSADMIN, {"dynamics": "status-load"}),
    "bandit": ("crl/bandit-v0", {}),
    "load balancing": ("crl/load_balancing-v0", LOADS),
    "toy": (TOY, {}),  # masks, lengths and rewards that differ
}
cases = pytest.mark.parametrize(("id", "kwargs"), CASES.values(), ids=CASES)


def assert_column_is_single(vec: Reinforce, single: Reinforce, b: int) -> None:
    """Parameters, baseline and history of column b are the single learner's, number by number."""
    assert vec.theta[..., b].tolist() == single.theta[..., 0].tolist()
    assert vec.baseline[:, b].tolist() == single.baseline[:, 0].tolist()
    assert len(vec.history) == len(single.history)
    for ours, theirs in zip(vec.history, single.history, strict=True):
        assert ours.keys() == theirs.keys()
        assert ours["episode"] == theirs["episode"]
        for name in ours.keys() - {"episode"}:
            assert ours[name][b].tolist() == np.asarray(theirs[name]).tolist(), name


@pytest.mark.parametrize("credit", ["local", "global", "own"])
@cases
def test_column_is_the_single_learner(id: str, kwargs: dict[str, Any], credit: str) -> None:
    columns, episodes, seed = 3, 8, 11
    env = make_vec(id, num_envs=columns, n_agents=7, autoreset_mode="Disabled", **kwargs)
    vec = Reinforce(env, credit=credit, seed=seed).learn(total_episodes=episodes)
    for b in range(columns):
        env_b = make(id, n_agents=7, **kwargs)
        single = Reinforce(env_b, credit=credit, seed=seed + b).learn(total_episodes=episodes)
        assert_column_is_single(vec, single, b)
    assert vec.theta.any(axis=(0, 1, 2)).all()  # they have learnt
    thetas = [vec.theta[..., b].tolist() for b in range(columns)]
    assert all(thetas[0] != other for other in thetas[1:])
    if id == TOY:
        assert len({tuple(entry["steps"]) for entry in vec.history}) > 5
        assert any(len(set(entry["steps"])) > 1 for entry in vec.history)


@settings(max_examples=12)
@given(
    n=st.integers(1, 40),
    columns=st.integers(1, 9),
    seed=st.integers(0, 2**63),
    credit=st.sampled_from(["local", "global", "own"]),
    dynamics=st.sampled_from(["ring", "ippc2011"]),
)
def test_column_is_the_single_learner_of_any_size(
    n: int, columns: int, seed: int, credit: str, dynamics: str
) -> None:
    kwargs: dict[str, Any] = {"n_agents": n, "dynamics": dynamics, "horizon": 7}
    vec = Reinforce(make_vec(SYSADMIN, num_envs=columns, **kwargs), credit=credit, seed=seed)
    vec.learn(total_episodes=5)
    b = columns - 1
    single = Reinforce(make(SYSADMIN, **kwargs), credit=credit, seed=seed + b)
    assert_column_is_single(vec, single.learn(total_episodes=5), b)


@pytest.mark.parametrize("credit", ["local", "global"])
def test_column_of_a_vec_under_global_reward(credit: str) -> None:
    vec = GlobalReward(make_vec(TOY, num_envs=3, autoreset_mode="Disabled"))
    together = Reinforce(vec, credit=credit, seed=5).learn(total_episodes=20)
    for b in range(3):
        env = GlobalReward(make(TOY))
        single = Reinforce(env, credit=credit, seed=5 + b).learn(total_episodes=20)
        assert_column_is_single(together, single, b)


@cases
def test_global_reward_and_own_credit_is_global_credit(id: str, kwargs: dict[str, Any]) -> None:
    plain, wrapped = (Recorder(make(id, n_agents=9, **kwargs), lambda *_: 0) for _ in "ab")
    by_credit = Reinforce(plain, credit="global", seed=3).learn(total_episodes=15)
    by_wrapper = Reinforce(GlobalReward(wrapped), credit="own", seed=3).learn(total_episodes=15)
    assert by_credit.theta.tolist() == by_wrapper.theta.tolist()
    assert by_credit.theta.any()
    assert by_credit.baseline.tolist() == by_wrapper.baseline.tolist()
    assert plain.episodes == wrapped.episodes  # observations, actions and rewards
    assert repr(by_credit.history) == repr(by_wrapper.history)  # of local rewards in both


def test_under_global_reward_who_has_left_is_not_paid_any_more() -> None:
    """The one difference between the two; two episodes, while the policies are still the same."""
    by_credit = Reinforce(Leavers(), credit="global", seed=1).learn(total_episodes=2)
    by_wrapper = Reinforce(GlobalReward(Leavers()), credit="own", seed=1).learn(total_episodes=2)
    assert by_credit.history == by_wrapper.history
    red, blue = 0, 2  # the first to leave, and the last
    assert by_credit.theta[blue].tolist() == by_wrapper.theta[blue].tolist()
    assert by_credit.theta[blue].any()
    assert by_credit.theta[red].any()
    assert by_credit.theta[red].tolist() != by_wrapper.theta[red].tolist()


def test_next_step_mode_is_the_same_until_episodes_end_apart() -> None:
    def learn(mode: str, id: str) -> Reinforce:
        vec = make_vec(id, num_envs=12, autoreset_mode=mode)
        return Reinforce(vec, seed=1).learn(total_episodes=10)

    waiting, going_on = learn("Disabled", TOY), learn("NextStep", TOY)
    assert repr(waiting.history[0]) == repr(going_on.history[0])
    assert np.ptp(waiting.history[0]["steps"]) >= 3  # time to be reset, and to earn something
    assert all((entry["steps"] <= 6).all() for entry in going_on.history)
    waiting, going_on = learn("Disabled", SYSADMIN), learn("NextStep", SYSADMIN)
    assert repr(waiting.history) == repr(going_on.history)
    assert waiting.theta.tolist() == going_on.theta.tolist()


@pytest.mark.skipif(len(BACKENDS) < 2, reason="Numba is not installed")
def test_backends_teach_the_same() -> None:
    thetas = []
    for backend in BACKENDS:
        env = make_vec(SYSADMIN, num_envs=3, n_agents=15, backend=backend)
        thetas.append(Reinforce(env, seed=2).learn(total_episodes=20).theta.tolist())
    assert thetas[0] == thetas[1]
    assert np.any(thetas[0])


def test_same_seed_same_run_and_numpys_generator_untouched() -> None:
    def run(seed: int) -> tuple[Any, str]:
        learner = Reinforce(make(SYSADMIN, n_agents=6), seed=seed).learn(20)
        return learner.theta.tolist(), repr(learner.history)

    before = np.random.get_state()  # noqa: NPY002
    first, again, other = run(0), run(0), run(1)
    after = np.random.get_state()  # noqa: NPY002
    assert first == again
    assert first[0] != other[0]
    assert first[1] != other[1]
    assert before[1].tolist() == after[1].tolist()
    assert before[2:] == after[2:]


def test_the_environment_is_seeded_once() -> None:
    env = Recorder(make(SYSADMIN, n_agents=3))
    Reinforce(env, seed=8).learn(total_episodes=2).learn(total_episodes=2)
    assert env.seeds == [8, None, None, None]
