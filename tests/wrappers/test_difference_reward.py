"""Difference rewards against worlds played again from scratch, and the contract of `GlobalReward`."""

from __future__ import annotations

import copy
import pickle
from typing import Any

import gymnasium
import numpy as np
import pytest

from crl_envs import make_gym_vec
from crl_envs.testing import check_parallel_env
from crl_envs.wrappers import DifferenceReward, GlobalReward, VectorDifferenceReward
from tests.core.toy import TOY
from tests.wrappers.foreign import Leavers
from tests.wrappers.making import make, make_vec

LOADS = "crl/load_balancing-v0"
FAULTY = {
    "n_agents": 6,
    "capacity": 2,
    "servers": (),
    "n_loads": 40,
    "max_in_flight": 4,
    "message_loss": 0.3,
    "message_delay": 2,
    "departure_rate": 0.05,
    "fail_rate": 0.05,
    "cost_model": "gradient",
    "max_steps": 40,
}
ENVS: dict[str, tuple[str, dict[str, Any]]] = {
    "bandit": ("crl/bandit-v0", {"n_agents": 7}),
    "sysadmin": ("crl/sysadmin-v0", {"n_agents": 5, "horizon": 9}),
    "both ways": (
        "crl/sysadmin-v0",
        {"n_agents": 5, "horizon": 9, "dynamics": "ring-bidirectional", "relabel": True},
    ),
    "status and load": (
        "crl/sysadmin-v0",
        {"n_agents": 4, "horizon": 9, "dynamics": "status-load"},
    ),
    "toy": (TOY, {}),
    "loads": (LOADS, FAULTY),
}
envs = pytest.mark.parametrize(("id", "kwargs"), ENVS.values(), ids=ENVS)
clamps = pytest.mark.parametrize("clamp", ["step", "episode"])


def random_actions(env: Any, infos: Any, rng: np.random.Generator) -> dict[str, int]:
    """Legal ones, now and then any."""
    actions = {}
    for agent in env.agents:
        mask = infos[agent]["action_mask"]
        legal = np.flatnonzero(mask) if rng.random() < 0.9 else np.arange(len(mask))
        actions[agent] = int(rng.choice(legal))
    return actions


def returned(env: Any, actions: dict[str, int], reduce: str) -> float:
    """G of one step of a bare environment; 0 after its end."""
    if not env.agents:
        return 0.0
    rewards = list(env.step(actions)[1].values())
    return float(np.sum(rewards) / (len(rewards) if reduce == "mean" else 1))


@envs
@clamps
@pytest.mark.parametrize("reduce", ["mean", "sum"])
def test_is_what_copies_of_the_environment_say(
    id: str, kwargs: dict[str, Any], clamp: str, reduce: str
) -> None:
    """For each agent a copy of the bare environment, in which it alone does nothing: at this step, or ever."""
    wrapped = DifferenceReward(make(id, **kwargs), reduce, clamp)
    bare = make(id, **kwargs)
    rng = np.random.default_rng(0)
    seen = []
    for seed in (3, None):
        infos = wrapped.reset(seed=seed)[1]
        bare.reset(seed=seed)
        copies = {agent: copy.deepcopy(bare) for agent in bare.possible_agents}
        while wrapped.agents:
            actions = random_actions(wrapped, infos, rng)
            without = {}
            for agent in wrapped.agents:
                if clamp == "step":
                    copies[agent] = copy.deepcopy(bare)
                without[agent] = returned(copies[agent], {**actions, agent: 0}, reduce)
            team = returned(bare, actions, reduce)
            _, rewards, _, _, infos = wrapped.step(actions)
            expected = {agent: team - lacking for agent, lacking in without.items()}
            assert rewards == pytest.approx(expected, abs=1e-9)
            assert all(type(reward) is float for reward in rewards.values())
            seen += list(rewards.values())
            if clamp == "step":
                idle = [agent for agent in actions if actions[agent] == 0]
                assert all(rewards[agent] == 0.0 for agent in idle)
    assert len(seen) > 10
    # Of one step with independent rewards, or where reboots cost nothing at once, there is little to see.
    assert clamp == "step" or len({round(reward, 9) for reward in seen}) > 2


@clamps
def test_on_the_bandit_by_the_formula(clamp: str) -> None:
    """Without noise and influence: the own reward less that of action 0, over n."""
    n = 9
    env = DifferenceReward(
        make("crl/bandit-v0", n_agents=n, p_correct=1.0, p_wrong=0.0), "mean", clamp
    )
    right = env.unwrapped.world.correct_action
    for actions in np.random.default_rng(0).integers(2, size=(5, n)):
        env.reset(seed=0)
        rewards = env.step(dict(zip(env.agents, actions.tolist(), strict=True)))[1]
        expected = ((actions == right).astype(int) - (right == 0)) / n
        assert list(rewards.values()) == pytest.approx(expected.tolist(), abs=1e-12)


def test_a_reboot_pays_only_when_the_episode_is_looked_at() -> None:
    """Of one step a reboot costs what an up machine would have paid; over the episode it is worth what follows."""
    totals = {}
    for clamp in ("step", "episode"):
        env = DifferenceReward(make("crl/sysadmin-v0", n_agents=5, horizon=100), "sum", clamp)
        seen, _ = env.reset(seed=1)
        total = dict.fromkeys(env.agents, 0.0)
        while env.agents:
            down = {agent: int(state == 0) for agent, state in seen.items()}
            seen, rewards, *_ = env.step(down)
            for agent, reward in rewards.items():
                total[agent] += reward
        totals[clamp] = total
    assert set(totals["step"].values()) == {0.0}
    assert min(totals["episode"].values()) > 10.0, totals["episode"]


@envs
@clamps
def test_only_rewards_and_infos_differ(id: str, kwargs: dict[str, Any], clamp: str) -> None:
    bare, wrapped = make(id, **kwargs), DifferenceReward(make(id, **kwargs), clamp=clamp)
    rng = np.random.default_rng(1)
    for seed in (3, None):
        start = bare.reset(seed=seed)
        seen, told = wrapped.reset(seed=seed)
        assert {info.pop("local_reward") for info in told.values()} == {0.0}
        assert repr(start) == repr((seen, told))
        infos = start[1]
        while bare.agents:
            actions = random_actions(bare, infos, rng)
            observations, local, *flags, infos = bare.step(actions)
            seen, rewards, *seen_flags, told = wrapped.step(actions)
            assert repr(observations) == repr(seen)
            assert flags == seen_flags
            assert rewards.keys() == local.keys()
            assert {agent: info.pop("local_reward") for agent, info in told.items()} == local
            assert repr(told) == repr(infos)
    assert wrapped.agents == []
    assert wrapped.step({}) == ({}, {}, {}, {}, {})


@envs
@clamps
@pytest.mark.parametrize("mode", ["Disabled", "NextStep", "SameStep"])
def test_a_column_is_the_dict_environment(
    id: str, kwargs: dict[str, Any], clamp: str, mode: str
) -> None:
    columns, steps = 3, 60 if id == LOADS else 25
    vec = DifferenceReward(
        make_vec(id, num_envs=columns, autoreset_mode=mode, **kwargs), "sum", clamp
    )
    assert isinstance(vec, VectorDifferenceReward)
    singles = [DifferenceReward(make(id, **kwargs), "sum", clamp) for _ in range(columns)]
    _, told = vec.reset(seed=4)
    for b, env in enumerate(singles):
        env.reset(seed=4 + b)
    n = vec.n_agents
    n_actions = int(singles[0].action_space("agent_0").n)
    rng = np.random.default_rng(0)
    compared = resets = 0
    for _ in range(steps):
        actions = rng.integers(n_actions, size=(columns, n))
        if "action_mask" in told:
            mask = told["action_mask"]
            legal = (mask * rng.random(mask.shape)).argmax(axis=2)
            actions = np.where(rng.random((columns, n)) < 0.9, legal, actions)
        _, rewards, terminated, truncated, told = vec.step(actions)
        assert rewards.shape == (columns, n)
        assert rewards.dtype == np.float64
        for b, env in enumerate(singles):
            if not env.agents:
                assert not rewards[b].any()
                if mode == "NextStep":
                    env.reset()
                    resets += 1
                continue
            result = env.step(dict(zip(env.agents, actions[b].tolist(), strict=True)))
            assert rewards[b].tolist() == list(result[1].values())
            own = [info["local_reward"] for info in result[4].values()]
            assert told["local_reward"][b].tolist() == own
            assert bool(terminated[b] or truncated[b]) == (not env.agents)
            compared += 1
            if mode == "SameStep" and not env.agents:
                env.reset()
                resets += 1
        done = np.array([not env.agents for env in singles])
        if mode == "Disabled" and done.any():
            _, told = vec.reset(options={"reset_mask": done})
            for b in np.flatnonzero(done):
                singles[b].reset()
                resets += 1
    assert compared > steps
    assert resets > 0


@pytest.mark.parametrize("id", ["crl/bandit-v0", "crl/sysadmin-v0", TOY, LOADS])
@clamps
def test_conforms(id: str, clamp: str) -> None:
    kwargs = {LOADS: FAULTY}.get(id, {"n_agents": 4})
    check_parallel_env(
        lambda: DifferenceReward(make(id, **kwargs), "sum", clamp),
        stochastic=id != "crl/bandit-v0",
        max_steps=30,
    )


@pytest.mark.parametrize("vector", [False, True])
@clamps
def test_clone_goes_on_alike(vector: bool, clamp: str) -> None:
    n = 5
    bare = (
        make_vec("crl/sysadmin-v0", num_envs=2, n_agents=n)
        if vector
        else make("crl/sysadmin-v0", n_agents=n)
    )
    env = DifferenceReward(bare, "sum", clamp)
    env.reset(seed=1)
    actions: Any = np.ones((2, n), int) if vector else dict.fromkeys(env.agents, 1)
    env.step(actions)
    for other in (copy.deepcopy(env), pickle.loads(pickle.dumps(env))):
        assert type(other) is type(env)
        assert (other.reduce, other.clamp) == ("sum", clamp)
        again = copy.deepcopy(env)
        for _ in range(4):
            assert repr(again.step(actions)) == repr(other.step(actions))


def test_around_and_inside_the_teams_reward() -> None:
    """Under GlobalReward the difference is still that of the agents' own rewards; outside it is averaged."""
    kwargs = {"n_agents": 4}
    inner = DifferenceReward(GlobalReward(make("crl/sysadmin-v0", **kwargs)))
    plain = DifferenceReward(make("crl/sysadmin-v0", **kwargs))
    outer = GlobalReward(DifferenceReward(make("crl/sysadmin-v0", **kwargs)))
    for env in (inner, plain, outer):
        env.reset(seed=2)
    for _ in range(5):
        actions = dict.fromkeys(plain.agents, 1)
        results = [env.step(actions) for env in (inner, plain, outer)]
        assert results[0][1] == results[1][1]
        mean = np.mean(list(results[1][1].values()))
        assert results[2][1] == pytest.approx(dict.fromkeys(plain.agents, mean))
        owns = [[info["local_reward"] for info in result[4].values()] for result in results]
        assert owns[0] == owns[1] == owns[2]
    vec = make_vec("crl/sysadmin-v0", num_envs=2, **kwargs)
    wrapped = DifferenceReward(GlobalReward(make_vec("crl/sysadmin-v0", num_envs=2, **kwargs)))
    bare = DifferenceReward(vec)
    for each in (wrapped, bare):
        each.reset(seed=0)
    ones = np.ones((2, 4), int)
    assert wrapped.step(ones)[1].tolist() == bare.step(ones)[1].tolist()
    assert bare.unwrapped is vec
    assert bare.metrics()["up"].tolist() == vec.metrics()["up"].tolist()


def test_passes_attributes_through() -> None:
    env = DifferenceReward(make("crl/sysadmin-v0", n_agents=5))
    env.reset(seed=0)
    assert env.unwrapped.optimum().kind == "exact"
    assert env.topology is env.unwrapped.topology
    assert env.observation_space("agent_1") is env.unwrapped.observation_space("agent_1")


@pytest.mark.parametrize("vector", [False, True])
def test_bad_arguments(vector: bool) -> None:
    env = make_vec("crl/bandit-v0") if vector else make("crl/bandit-v0")
    with pytest.raises(ValueError, match="reduce must be one of 'mean', 'sum', got 'max'"):
        DifferenceReward(env, reduce="max")
    with pytest.raises(ValueError, match="clamp must be one of 'step', 'episode', got 'life'"):
        DifferenceReward(env, clamp="life")
    wrapped = DifferenceReward(env)
    with pytest.raises(gymnasium.error.ResetNeeded):
        wrapped.step(np.zeros((1, 10), int) if vector else {"agent_0": 0})
    wrapped.reset(seed=0)
    with pytest.raises(ValueError, match="action"):
        wrapped.step(np.full((1, 10), 2) if vector else {"agent_0": 0})


def test_environments_that_cannot_be_played_again_are_refused() -> None:
    others = [None, Leavers(), gymnasium.make("CartPole-v1"), make_gym_vec("crl/bandit-v0")]
    for other in others:
        with pytest.raises(
            ValueError, match=r"env must be an environment of crl_envs, whose world"
        ):
            DifferenceReward(other)
    with pytest.raises(ValueError, match="env must be a WorldVectorEnv for VectorDifferenceRew"):
        VectorDifferenceReward(Leavers())  # type: ignore[arg-type]
