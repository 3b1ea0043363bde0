"""Aristocrat rewards against worlds played again from scratch, by their formula, and as `DifferenceReward`."""

from __future__ import annotations

import copy
import pickle
from typing import Any

import numpy as np
import pytest

from crl_envs.testing import check_parallel_env
from crl_envs.wrappers import AristocratReward, DifferenceReward, VectorAristocratReward
from tests.core.toy import TOY
from tests.wrappers.foreign import Leavers
from tests.wrappers.making import make, make_vec
from tests.wrappers.test_difference_reward import FAULTY, LOADS, envs, random_actions, returned


def some(n_actions: int) -> list[float]:
    """Probabilities that differ, one of them 0, in proportion."""
    return [2.0, 0.0, *range(1, n_actions - 1)] if n_actions > 2 else [1.0, 3.0]


@envs
@pytest.mark.parametrize("reduce", ["mean", "sum"])
@pytest.mark.parametrize("given", [False, True])
def test_is_what_copies_of_the_environment_say(
    id: str, kwargs: dict[str, Any], reduce: str, given: bool
) -> None:
    """For each agent and legal action a copy of the bare environment, in which it does that."""
    bare = make(id, **kwargs)
    n_actions = int(bare.action_space(bare.possible_agents[0]).n)
    chances = some(n_actions) if given else None
    wrapped = AristocratReward(make(id, **kwargs), reduce, chances)
    rng = np.random.default_rng(0)
    infos = wrapped.reset(seed=3)[1]
    bare.reset(seed=3)
    seen = []
    while wrapped.agents and len(seen) < 200:
        actions = random_actions(wrapped, infos, rng)
        average = {}
        for agent in wrapped.agents:
            p = np.array(chances or [1.0] * n_actions) * infos[agent]["action_mask"]
            done = actions[agent] if infos[agent]["action_mask"][actions[agent]] else 0
            worth = {
                a: returned(copy.deepcopy(bare), {**actions, agent: a}, reduce)
                for a in {done, *np.flatnonzero(p).tolist()}
            }
            total = p.sum()
            mean = sum(p[a] * worth[a] for a in worth) / total if total else worth[done]
            average[agent] = worth[done] - mean
        bare.step(actions)
        _, rewards, _, _, infos = wrapped.step(actions)
        assert rewards == pytest.approx(average, abs=1e-9)
        assert all(type(reward) is float for reward in rewards.values())
        seen += list(rewards.values())
    assert len(seen) > 5  # all 0 where an action changes nothing at once


def test_on_the_bandit_by_the_formula() -> None:
    """Without noise an action pays 1 or 0: less ½, over n; with p its own frequency, the mean over actions is 0."""
    n = 9
    bare = make("crl/bandit-v0", n_agents=n, p_correct=1.0, p_wrong=0.0)
    right = bare.unwrapped.world.correct_action
    for p in (0.5, 0.2):
        env = AristocratReward(bare, "sum", [1 - p, p])
        pays = {}
        for a in (0, 1):
            env.reset(seed=0)
            pays[a] = np.array(list(env.step(dict.fromkeys(env.agents, a))[1].values()))
            average = np.where(right == 1, p, 1 - p)
            assert pays[a] == pytest.approx((right == a) - average, abs=1e-12)
        assert (1 - p) * pays[0] + p * pays[1] == pytest.approx(np.zeros(n), abs=1e-12)


def test_all_weight_on_nothing_is_the_difference_reward() -> None:
    for make_it in (make, make_vec):
        pair = [
            AristocratReward(make_it("crl/sysadmin-v0", n_agents=5), probabilities=[1.0, 0.0]),
            DifferenceReward(make_it("crl/sysadmin-v0", n_agents=5)),
        ]
        for env in pair:
            env.reset(seed=2)
        for seed in range(6):
            drawn = np.random.default_rng(seed).integers(2, size=5)
            actions: Any = (
                drawn[None]
                if make_it is make_vec
                else dict(zip(pair[0].agents, drawn.tolist(), strict=True))
            )
            results = [env.step(actions) for env in pair]
            assert repr(results[0]) == repr(results[1])


@envs
@pytest.mark.parametrize("mode", ["Disabled", "NextStep", "SameStep"])
def test_a_column_is_the_dict_environment(id: str, kwargs: dict[str, Any], mode: str) -> None:
    columns, steps = 3, 25
    vec = AristocratReward(make_vec(id, num_envs=columns, autoreset_mode=mode, **kwargs), "sum")
    assert isinstance(vec, VectorAristocratReward)
    singles = [AristocratReward(make(id, **kwargs), "sum") for _ in range(columns)]
    vec.reset(seed=4)
    for b, env in enumerate(singles):
        env.reset(seed=4 + b)
    n_actions = int(singles[0].action_space("agent_0").n)
    rng = np.random.default_rng(0)
    for _ in range(steps):
        actions = rng.integers(n_actions, size=(columns, vec.n_agents))
        _, rewards, _, _, told = vec.step(actions)
        for b, env in enumerate(singles):
            if not env.agents:
                assert not rewards[b].any()
                if mode == "NextStep":
                    env.reset()
                continue
            result = env.step(dict(zip(env.agents, actions[b].tolist(), strict=True)))
            assert rewards[b].tolist() == list(result[1].values())
            own = [info["local_reward"] for info in result[4].values()]
            assert told["local_reward"][b].tolist() == own
            if mode == "SameStep" and not env.agents:
                env.reset()


@pytest.mark.parametrize("id", ["crl/bandit-v0", "crl/sysadmin-v0", TOY, LOADS])
def test_conforms(id: str) -> None:
    kwargs = {LOADS: FAULTY}.get(id, {"n_agents": 4})
    check_parallel_env(
        lambda: AristocratReward(make(id, **kwargs), "sum"),
        stochastic=id != "crl/bandit-v0",
        max_steps=30,
    )


@pytest.mark.parametrize("vector", [False, True])
def test_clone_goes_on_alike(vector: bool) -> None:
    make_it = make_vec if vector else make
    env = AristocratReward(make_it("crl/sysadmin-v0", n_agents=5), "sum", [0.3, 0.7])
    env.reset(seed=1)
    actions: Any = np.ones((1, 5), int) if vector else dict.fromkeys(env.agents, 1)
    for other in (copy.deepcopy(env), pickle.loads(pickle.dumps(env))):
        assert type(other) is type(env)
        assert (other.reduce, other.probabilities) == ("sum", (0.3, 0.7))
        again = copy.deepcopy(env)
        for _ in range(4):
            assert repr(again.step(actions)) == repr(other.step(actions))


@pytest.mark.parametrize("vector", [False, True])
def test_bad_arguments(vector: bool) -> None:
    env = make_vec("crl/bandit-v0") if vector else make("crl/bandit-v0")
    with pytest.raises(ValueError, match="reduce must be one of 'mean', 'sum', got 'max'"):
        AristocratReward(env, reduce="max")
    for bad, said in (
        ([1.0], "a number for each of 2 actions"),
        ([0.0, 0.0], "must not all be 0"),
        ([0.5, -0.5], "probabilities must be .*-0.5"),
        ([0.5, float("nan")], "probabilities must be .*nan"),
        ("ab", "must be a sequence"),
        (0.5, "must be a sequence"),
    ):
        with pytest.raises(ValueError, match=said):
            AristocratReward(env, probabilities=bad)
    with pytest.raises(ValueError, match=r"env must be an environment of crl_envs, whose world"):
        AristocratReward(Leavers())
