"""Correct environments pass, whatever their spaces, agents and episodes."""

from __future__ import annotations

import math
import random
import warnings
from typing import Any

import numpy as np
import pytest
from gymnasium import spaces
from pettingzoo import ParallelEnv
from pettingzoo.utils import BaseParallelWrapper

from crl_envs.testing import (
    ConformanceError,
    Subject,
    check_api,
    check_parallel_env,
    check_stream,
    find_faults,
)

from .lamps import DIM, LEVELS, OBSERVATION_SPACES, RAISE, WAIT, Lamps


@pytest.mark.parametrize("observing", OBSERVATION_SPACES)
def test_every_observation_space(observing: str) -> None:
    check_parallel_env(lambda: Lamps(observing=observing))


@pytest.mark.parametrize("seed", range(10))
def test_any_seed(seed: int) -> None:
    check_parallel_env(Lamps, seed=seed)


@pytest.mark.parametrize("leave", [0.1, 0.5, 1.0])
def test_agents_that_leave_early(leave: float) -> None:
    check_parallel_env(lambda: Lamps(n_agents=5, leave=leave))


def test_one_agent_and_one_step() -> None:
    check_parallel_env(lambda: Lamps(n_agents=1, horizon=1))


def test_episode_is_cut_off_at_max_steps() -> None:
    check_parallel_env(lambda: Lamps(horizon=10**9), max_steps=6)


def test_deterministic_env() -> None:
    check_parallel_env(lambda: Lamps(noisy=False), stochastic=False)


def test_deterministic_env_must_say_so() -> None:
    with pytest.raises(ConformanceError, match=r"^\[seeds-differ\] .*stochastic=False"):
        check_parallel_env(lambda: Lamps(noisy=False))


class RarelyRandom(Lamps):
    """All episodes are alike, but for one fair coin a run."""

    def __init__(self) -> None:
        super().__init__(noisy=False)
        self.coin = 0

    def reset(self, seed: int | None = None, options: Any = None) -> Any:
        self.seed(seed)
        self.coin = int(self.rng.integers(2))
        return super().reset(None, options)

    def reward(self, agent: str, action: int) -> float:
        return float(self.coin)


@pytest.mark.parametrize("seed", range(20))
def test_no_false_alarm_when_episodes_often_coincide(seed: int) -> None:
    check_parallel_env(RarelyRandom, seed=seed)


def test_joining_agents_are_allowed() -> None:
    check_parallel_env(Joining)


class Joining(Lamps):
    """The last agent appears after two steps."""

    def __init__(self) -> None:
        super().__init__()
        self.state_space = spaces.Box(0, LEVELS - 1, (2,), np.int64)

    def state(self) -> np.ndarray:
        return super().state()[:2]

    def reset(self, seed: int | None = None, options: Any = None) -> Any:
        observations, infos = super().reset(seed, options)
        self.agents.remove("agent_2")
        return {a: observations[a] for a in self.agents}, {a: infos[a] for a in self.agents}

    def step(self, actions: dict[str, int]) -> Any:
        if self.t == 2:
            self.agents.append("agent_2")
            actions = {**actions, "agent_2": 0}
        return super().step(actions)


class Stateless(Lamps):
    state = ParallelEnv.state


def test_state_is_optional() -> None:
    check_parallel_env(Stateless)


class WithoutStateSpace(Lamps):
    def __init__(self) -> None:
        super().__init__()
        del self.state_space


def test_state_space_is_optional() -> None:
    check_parallel_env(WithoutStateSpace)


def test_unpicklable_env_passes_without_pickling() -> None:
    class Local(Lamps):
        pass

    check_parallel_env(Local, pickling=False)
    with pytest.raises(ConformanceError, match=r"^\[pickle\]"):
        check_parallel_env(Local)


def test_wrapped_env() -> None:
    check_parallel_env(lambda: BaseParallelWrapper(Lamps()))


class OtherNumbers(Lamps):
    """Rewards of all sorts that are finite numbers."""

    def reward(self, agent: str, action: int) -> Any:
        number = self.levels[agent]
        return [number, float(number), np.float32(number), np.int8(number), np.array([number])][
            self.t % 5
        ]


def test_rewards_of_any_numeric_type() -> None:
    check_parallel_env(OtherNumbers)


ACTION_SPACES = {
    "discrete-start": spaces.Discrete(3, start=-1),
    "multi-discrete": spaces.MultiDiscrete([2, 5]),
    "multi-binary": spaces.MultiBinary(4),
    "box": spaces.Box(
        np.array([-1, -np.inf, 0, -np.inf], dtype=np.float32),
        np.array([1, np.inf, np.inf, 0], dtype=np.float32),
    ),
    "integer-box": spaces.Box(-3, 3, (2, 2), np.int16),
    "dict": spaces.Dict(a=spaces.Discrete(2), b=spaces.Box(0, 1, (2,))),
}


class Recorder(Lamps):
    """Takes actions of any space, and fails on one that is outside or illegal."""

    def __init__(
        self,
        action_space: spaces.Space[Any] | None = None,
        tried: set[tuple[int, int]] | None = None,
    ) -> None:
        super().__init__()
        self.free = action_space
        self.tried = tried if tried is not None else set()
        if action_space is not None:
            self._action_spaces = dict.fromkeys(self.possible_agents, action_space)

    def info(self, agent: str) -> Any:
        return super().info(agent) if self.free is None else {}

    def step(self, actions: dict[str, Any]) -> Any:
        assert list(actions) == self.agents
        for agent, action in actions.items():
            assert self.action_space(agent).contains(action)
            if self.free is None:
                assert self.mask(agent)[action] == 1
                self.tried.add((self.levels[agent], int(action)))
        return super().step(actions if self.free is None else dict.fromkeys(actions, 0))


@pytest.mark.parametrize("name", ACTION_SPACES)
def test_every_action_space(name: str) -> None:
    check_parallel_env(lambda: Recorder(ACTION_SPACES[name]))


def test_actions_respect_masks() -> None:
    check_parallel_env(Recorder)


def test_every_legal_action_is_tried() -> None:
    tried: set[tuple[int, int]] = set()
    check_parallel_env(lambda: Recorder(tried=tried), pickling=False)
    legal = {(level, WAIT) for level in range(LEVELS)}
    legal |= {(level, RAISE) for level in range(LEVELS - 1)}
    legal |= {(level, DIM) for level in range(1, LEVELS)}
    assert tried == legal


def test_checker_leaves_spaces_and_global_generators_alone() -> None:
    space = spaces.Discrete(3, seed=5)
    twin = spaces.Discrete(3, seed=5)
    before = np.random.get_state()[1].tolist(), random.getstate()  # noqa: NPY002
    check_parallel_env(lambda: Recorder(space), pickling=False)
    assert (np.random.get_state()[1].tolist(), random.getstate()) == before  # noqa: NPY002
    assert [space.sample() for _ in range(20)] == [twin.sample() for _ in range(20)]


def test_result_depends_on_the_seed_only() -> None:
    def rewards(seed: int) -> list[dict[str, Any]]:
        return [step.rewards for step in Subject(Lamps, seed=seed).reference.steps]

    assert rewards(3) == rewards(3)
    assert rewards(3) != rewards(4)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"episodes": 0}, "episodes=0"),
        ({"max_steps": 0}, "max_steps=0"),
        ({"max_steps": 2.5}, "max_steps=2.5"),
        ({"seed": -1}, "seed=-1"),
        ({"seed": True}, "seed=True"),
    ],
)
def test_bad_arguments(arguments: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        check_parallel_env(Lamps, **arguments)


def test_an_env_in_place_of_env_fn() -> None:
    with pytest.raises(ValueError, match="env_fn"):
        check_parallel_env(Lamps())  # type: ignore[arg-type]


def test_single_check() -> None:
    check_stream(Subject(Lamps, max_steps=3))


class WithoutState(BaseParallelWrapper):
    state = ParallelEnv.state


def test_pettingzoo_rock_paper_scissors() -> None:
    """Sound but for `state()`, which raises; its copies are built anew, as `EzPickle` says."""
    pytest.importorskip("pygame", reason="rock paper scissors imports it")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        from pettingzoo.classic import rps_v2
    with pytest.raises(ConformanceError, match=r"^\[state\] .*'dict' object is not callable"):
        check_parallel_env(rps_v2.parallel_env, stochastic=False)
    (found,) = find_faults(rps_v2.parallel_env, stochastic=False)
    assert found.check == "state"

    def env_fn() -> ParallelEnv:
        return WithoutState(rps_v2.parallel_env())

    check_parallel_env(env_fn, stochastic=False)


class Nursery(Lamps):
    """Every other step a lamp is added, which nobody knew of; agents have names of their own."""

    def __init__(self) -> None:
        super().__init__(n_agents=2)
        self._born = 0

    def reset(self, seed: int | None = None, options: Any = None) -> Any:
        self._born = 0
        return super().reset(seed, options)

    def step(self, actions: Any) -> Any:
        returned = super().step(actions)
        if self.agents and self.t % 2:
            self._born += 1
            agent = f"child_{self._born}"
            self.agents.append(agent)
            self.levels[agent] = self.first_level()
            for part, value in zip(
                returned, (self.observe(agent), 0.0, False, False, {}), strict=True
            ):
                part[agent] = value
        return returned

    def state(self) -> Any:
        raise NotImplementedError

    def observation_space(self, agent: str) -> Any:
        return self._observation_spaces.setdefault(agent, OBSERVATION_SPACES[self.observing]())

    def action_space(self, agent: str) -> Any:
        return self._action_spaces.setdefault(agent, spaces.Discrete(3))


class Orphans(Nursery):
    """The same without a list of possible agents."""

    def __init__(self) -> None:
        super().__init__()
        del self.possible_agents

    def reset(self, seed: int | None = None, options: Any = None) -> Any:
        self.possible_agents = ["agent_0", "agent_1"]
        returned = super().reset(seed, options)
        del self.possible_agents
        return returned


class Locked(Lamps):
    def __reduce__(self) -> Any:
        raise TypeError("no copies")


class TwoObjectives(Lamps):
    def reward(self, agent: str, action: int) -> Any:
        return np.array([self.levels[agent], -float(action == RAISE)])


class TestWhatAnEnvironmentNeednt:
    """Options for what PettingZoo allows, and the messages that name them."""

    @pytest.mark.parametrize(
        ("env_class", "check", "flag"),
        [
            (Nursery, "agents", {"generated": True}),
            (Orphans, "api", {"generated": True}),
            (TwoObjectives, "reward", {"vector_rewards": True}),
            (lambda: Lamps(noisy=False), "seeds-differ", {"stochastic": False}),
            (Locked, "pickle", {"pickling": False}),
        ],
    )
    def test_the_message_names_the_option(self, env_class: Any, check: str, flag: Any) -> None:
        check_parallel_env(env_class, **flag)
        (found,) = find_faults(env_class)
        (name,) = flag
        assert found.check == check
        assert f"{name}={flag[name]}" in str(found)

    @pytest.mark.parametrize(
        ("rewards", "match"),
        [
            ([[1.0, 2.0], [1.0, 2.0, 3.0]], "expected 3 numbers as in earlier rewards"),
            ([[1.0, math.nan]], "expected a 1-D array of finite numbers"),
            ([[[1.0]]], "expected a 1-D array of finite numbers"),
            ([1.0], "saw reward 1.0 (float), expected a 1-D array of finite numbers"),
        ],
    )
    def test_vectors_that_are_none(self, rewards: Any, match: str) -> None:
        class Paid(Lamps):
            def reward(self, agent: str, action: int) -> Any:
                reward = rewards[self.t % len(rewards)]
                return np.array(reward) if isinstance(reward, list) else reward

        (found,) = find_faults(Paid, vector_rewards=True, pickling=False)
        assert found.check == "reward"
        assert match in str(found)


class Breaks(Lamps):
    """Raises at a step; before, it hands out an array that isn't in its space."""

    def step(self, actions: Any) -> Any:
        if self.t == 5:
            raise RuntimeError(f"out of {object()}")
        return super().step(actions)

    def observe(self, agent: str) -> Any:
        return super().observe(agent) + np.float32(2.0)


class TestAllFindings:
    def test_a_fault_is_reported_once_and_others_beside_it(self) -> None:
        class Both(Lamps):
            def state(self) -> Any:
                raise ValueError(f"no {object()}")

            def terminated(self, agent: str) -> Any:
                return np.False_

        assert [fault.check for fault in find_faults(Both, pickling=False)] == ["flags", "state"]
        assert [fault.check for fault in find_faults(Breaks)] == ["api", "observation-space"]
        assert find_faults(Lamps) == []

    def test_the_first_is_what_is_raised(self) -> None:
        with pytest.raises(ConformanceError) as caught:
            check_parallel_env(Breaks)
        assert str(caught.value).startswith("[api] episode 0, step 6: step() raised RuntimeError")

    def test_nothing_is_looked_at_where_nothing_begins(self) -> None:
        class Dead(Lamps):
            def reset(self, seed: int | None = None, options: Any = None) -> Any:
                raise RuntimeError("no")

        assert [fault.check for fault in find_faults(Dead)] == ["api"]

        def unmade() -> Any:
            raise RuntimeError("no")

        (found,) = find_faults(unmade)
        assert str(found) == "[api] making the env raised RuntimeError: no"


def test_many_agents_and_large_observations_take_no_longer() -> None:
    steps = []

    class Counted(Lamps):
        def step(self, actions: Any) -> Any:
            steps.append(len(actions))
            return super().step(actions)

    check_api(Subject(lambda: Counted(n_agents=50, horizon=10_000), episodes=1, max_turns=120))
    assert steps == [50, 50, 50]

    class Painted(Lamps):
        def observe(self, agent: str) -> Any:
            return np.zeros((1024, 1024, 2), np.float32)  # 8 MiB

    steps.clear()
    (episode,) = Subject(lambda: Painted(1, 10_000), episodes=1).reference.episodes
    assert len(episode) == 8
    with pytest.raises(ValueError, match="max_turns=0: expected an int of at least 1"):
        check_parallel_env(Lamps, max_turns=0)
