"""Masks and infos where other people's code looks for them."""

from __future__ import annotations

import copy
import pickle
from typing import Any

import numpy as np
import pytest
from gymnasium import spaces

import crl_envs
from agents import RandomPolicy
from crl_envs.testing import check_parallel_env
from crl_envs.wrappers import GlobalReward, MaskInObservation, NoisyReward, NumericInfos
from tests.core.toy import TOY
from tests.wrappers.foreign import Leavers, Spaced
from tests.wrappers.making import make

SMALL_LOADS: dict[str, Any] = {"n_agents": 8, "max_steps": 30, "message_loss": 0.2}
MAKERS: dict[str, Any] = {
    "sysadmin": lambda: make("crl/sysadmin-v0", n_agents=3),
    "star": lambda: make("crl/sysadmin-v0", n_agents=4, topology="star"),
    "bandit": lambda: make("crl/bandit-v0", n_agents=3),
    "load balancing": lambda: make("crl/load_balancing-v0", **SMALL_LOADS),
    "discovery": lambda: make("crl/load_balancing-v0", discovery="all", **SMALL_LOADS),
    "box and masks": lambda: make(TOY),
    "leavers": Leavers,
}
CHECKED = [name for name in MAKERS if name != "leavers"]  # whose rewards follow no seed


def episodes(env: Any, count: int = 2) -> Any:
    """Yield what each reset and step gave, actions as the masks allow."""
    rng = np.random.default_rng(0)
    for k in range(count):
        observations, infos = env.reset(seed=k)
        yield observations, {}, infos
        for _ in range(60):
            if not env.agents:
                break
            actions = {}
            for agent in env.agents:
                seen, info = observations[agent], infos[agent]
                where = seen if isinstance(seen, dict) else info
                space = env.action_space(agent)
                legal = np.flatnonzero(where.get("action_mask", np.ones(space.n)))
                actions[agent] = int(rng.choice(legal) + space.start)
            observations, rewards, _, _, infos = env.step(actions)
            yield observations, rewards, infos


class TestMaskInObservation:
    @pytest.mark.parametrize("name", MAKERS)
    def test_the_same_episode_with_the_mask_moved(self, name: str) -> None:
        env, plain = MaskInObservation(MAKERS[name]()), MAKERS[name]()
        for shown, given in zip(episodes(env), episodes(plain), strict=True):
            assert shown[1] == given[1]
            for agent, seen in shown[0].items():
                assert seen in env.observation_space(agent)
                assert env.observation_space(agent) is env.observation_spaces[agent]
                np.testing.assert_array_equal(seen["observation"], given[0][agent])
                assert "action_mask" not in shown[2][agent]
                legal = given[2][agent].get("action_mask", np.ones(env.action_space(agent).n))
                np.testing.assert_array_equal(seen["action_mask"], legal)

    @pytest.mark.parametrize("name", CHECKED)
    def test_the_kit_finds_nothing(self, name: str) -> None:
        check_parallel_env(lambda: MaskInObservation(MAKERS[name]()), max_steps=40)

    def test_learners_read_it_there(self) -> None:
        histories = []
        for masks in (None, "observation"):
            env = crl_envs.make("crl/load_balancing-v0", masks=masks, **SMALL_LOADS)
            learner = RandomPolicy(env, seed=0)
            learner.learn(total_episodes=3)
            histories.append([h["global_return"] for h in learner.history])
        assert histories[0] == histories[1]

    def test_actions_that_are_not_discrete_are_refused(self) -> None:
        with pytest.raises(ValueError, match=r"the action space of .* must be Discrete, got"):
            box = spaces.Box(0.0, 1.0, (2,), np.float32)
            MaskInObservation(Spaced({"red": box}, {"red": box}))
        with pytest.raises(ValueError, match="env must be a ParallelEnv, got 'crl/sysadmin-v0'"):
            MaskInObservation("crl/sysadmin-v0")


def test_a_mask_is_shown_once() -> None:
    once = MaskInObservation(make("crl/sysadmin-v0", n_agents=3))
    with pytest.raises(ValueError, match="agent_0 must not have a mask in its observations yet"):
        MaskInObservation(once)
    with pytest.raises(ValueError, match="agent must be one of agent_0"):
        once.observation_space("x")


def assert_tensors(infos: list[dict[str, Any]], form: dict[str, Any] | None) -> dict[str, Any]:
    """Check that all have the keys, shapes and dtypes of the first; return them."""
    for info in infos:
        found = {key: (value.shape, value.dtype) for key, value in info.items()}
        assert all(isinstance(value, np.ndarray) for value in info.values())
        assert all(value.dtype.kind in "biuf" for value in info.values())
        form = found if form is None else form
        assert found == form
    return form or {}


def telling(first: Any, later: Any) -> Any:
    """Return an environment that tells each agent one value at the reset and another at each step."""

    class Telling(Leavers):
        def reset(self, seed: int | None = None, options: Any = None) -> Any:
            observations, infos = super().reset(seed, options)
            return observations, {agent: {"x": first, "action_mask": first} for agent in infos}

        def step(self, actions: dict[str, Any]) -> Any:
            *rest, infos = super().step(actions)
            return *rest, {agent: {"x": later} for agent in infos}

    return Telling()


@pytest.mark.parametrize("mask", [np.zeros(1, np.int8), 1, np.ones((1, 2)), np.ones(7, np.int8)])
def test_a_mask_of_another_size_is_refused(mask: Any) -> None:
    with pytest.raises(ValueError, match="action_mask of red must have 2 entries, got"):
        MaskInObservation(telling(mask, mask)).reset()


@pytest.mark.parametrize(
    ("first", "later"), [(0, 0.5), (0, float("nan")), (False, 7), (np.zeros(2, int), np.ones(2))]
)
def test_a_number_that_the_first_one_has_no_room_for_is_refused(first: Any, later: Any) -> None:
    env = NumericInfos(telling(first, later))
    env.reset()
    with pytest.raises(ValueError, match=r"infos' 'x' must stay (int64|bool), as at the first"):
        env.step({agent: k for k, agent in enumerate(env.agents)})


@pytest.mark.parametrize("value", [[[1, 2]], [np.zeros(2)], [{}]])
def test_lists_of_what_can_be_no_agent_are_left_out(value: Any) -> None:
    _, infos = NumericInfos(telling(value, value)).reset()
    assert infos["red"] == {}


class TestNumericInfos:
    @pytest.mark.parametrize("name", MAKERS)
    @pytest.mark.parametrize("outer", [lambda env: env, MaskInObservation])
    def test_every_info_has_the_same_arrays(self, name: str, outer: Any) -> None:
        env, plain = outer(NumericInfos(MAKERS[name]())), MAKERS[name]()
        form = None
        for shown, given in zip(episodes(env), episodes(plain), strict=True):
            assert shown[1] == given[1]
            form = assert_tensors(list(shown[2].values()), form)
            for agent, info in shown[2].items():
                for key, value in info.items():
                    said = given[2][agent][key]
                    if key == "neighbors":
                        ids = [None if i < 0 else env.possible_agents[i] for i in value]
                        assert ids[: len(said)] == list(said)
                        assert set(ids[len(said) :]) <= {None}
                    else:
                        assert np.array_equal(value, said)

    @pytest.mark.parametrize("name", CHECKED)
    def test_the_kit_finds_nothing(self, name: str) -> None:
        check_parallel_env(lambda: NumericInfos(MAKERS[name]()), max_steps=40)

    @pytest.mark.parametrize("wrap", [GlobalReward, lambda env: NoisyReward(env, 0.1)])
    @pytest.mark.parametrize("inside", [False, True])
    def test_own_rewards_have_their_place_from_the_reset_on(self, wrap: Any, inside: bool) -> None:
        plain = crl_envs.make("crl/sysadmin-v0", n_agents=3, horizon=4)
        env = NumericInfos(wrap(plain)) if inside else wrap(NumericInfos(plain))
        first = crl_envs.make("crl/sysadmin-v0", n_agents=3, horizon=4)
        _, infos = env.reset(seed=0)
        first.reset(seed=0)
        assert [info["local_reward"] for info in infos.values()] == [0.0] * 3
        for _ in range(4):
            chosen = dict.fromkeys(env.agents, 0)
            _, own, *_ = first.step(chosen)
            *_, infos = env.step(chosen)
            assert {agent: info["local_reward"] for agent, info in infos.items()} == own

    def test_what_is_there_is_decided_at_the_first_reset(self) -> None:
        class Whims(Leavers):
            def reset(self, seed: Any = None, options: Any = None) -> Any:
                seen, _ = super().reset(seed, options)
                same = {"n": 3, "text": "x", "friends": ["red", None], "list": [1, 2]}
                infos: dict[str, Any] = {agent: dict(same) for agent in seen}
                infos["red"]["mine"] = 1
                infos["blue"]["friends"] = ["green", "red", "blue"]
                return seen, infos

            def step(self, actions: dict[str, Any]) -> Any:
                *others, infos = super().step(actions)
                return *others, {agent: {"late": 1, "friends": ["blue"] * 5} for agent in infos}

        env = NumericInfos(Whims())
        _, infos = env.reset(seed=0)
        assert set(infos["red"]) == {"n", "friends"}
        assert infos["red"]["friends"].tolist() == [0, -1, -1]
        assert infos["blue"]["friends"].tolist() == [1, 0, 2]
        *_, infos = env.step(dict(zip(env.agents, range(3), strict=True)))
        assert infos["red"]["friends"].tolist() == [2, 2, 2]
        assert infos["red"]["n"].tolist() == 0

    def test_copies_go_on(self) -> None:
        env = NumericInfos(crl_envs.make("crl/sysadmin-v0", n_agents=4, topology="star"))
        env.reset(seed=0)
        for twin in (pickle.loads(pickle.dumps(env)), copy.deepcopy(env), copy.copy(env)):
            chosen = dict.fromkeys(env.agents, 1)
            assert str(copy.deepcopy(env).step(chosen)) == str(twin.step(chosen))
