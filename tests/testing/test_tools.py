"""The parts under the checks: copies, comparison, sampling, membership and messages."""

from __future__ import annotations

import pickle
import threading
from typing import Any

import numpy as np
import pytest
from gymnasium import spaces

from crl_envs.testing import ConformanceError, Subject, find_faults
from crl_envs.testing.compare import Difference, difference, snapshot
from crl_envs.testing.errors import fault
from crl_envs.testing.spaces import (
    dtype_expectation,
    mask_expectation,
    masks,
    membership_expectation,
    sample,
)

from .lamps import Lamps

DIFFERENT = [
    (1, 1.0),
    (1, True),
    (1, np.int64(1)),
    (np.int32(1), np.int64(1)),
    (np.float32(0.5), np.float64(0.5)),
    (0.0, -0.0),
    (np.float32(0.0), np.float32(-0.0)),
    (0.1 + 0.2, 0.3),
    (1.0, float("nan")),
    ("1", 1),
    (None, 0),
    ([1], (1,)),
    ([1], [1, 1]),
    ({"a": 1}, {"a": 1, "b": 2}),
    (np.zeros(2), np.zeros((2, 1))),
    (np.zeros(2, np.float32), np.zeros(2, np.float64)),
    (np.zeros(2), np.array([0.0, 1e-300])),
    (np.array([1, None], object), np.array([1, "x"], object)),
    (("a", "b"), ("a", "c")),
    (("a",), (np.zeros(2),)),
    (("a", 1), ("a", True)),
    ({1, 2}, {1, 3}),
    (slice(1), slice(2)),
]

EQUAL = [
    (1, 1),
    (float("nan"), float("nan")),
    (np.float32("nan"), np.float32("nan")),
    (-0.0, -0.0),
    ({"a": 1, "b": [np.zeros(3)]}, {"b": [np.zeros(3)], "a": 1}),
    (np.array([1, None], object), np.array([1, None], object)),
    (np.arange(6).reshape(2, 3).T, np.arange(6).reshape(2, 3).T.copy()),
    ({1, 2}, {2, 1}),
    (np.random.default_rng(1), np.random.default_rng(1)),
]


@pytest.mark.parametrize(("seen", "expected"), DIFFERENT)
def test_difference(seen: Any, expected: Any) -> None:
    assert difference(seen, expected) is not None
    assert difference(expected, seen) is not None


@pytest.mark.parametrize(("seen", "expected"), EQUAL)
def test_no_difference(seen: Any, expected: Any) -> None:
    assert difference(seen, expected) is None


def test_difference_tells_the_place() -> None:
    found = difference({"a": [1, {"b": 2}], "c": 0}, {"a": [1, {"b": 3}], "c": 0})
    assert found == Difference(("a", 1, "b"), seen=2, expected=3)


def test_snapshot_is_equal_and_apart() -> None:
    value = {"a": [np.zeros(2), (1, np.ones(1, object))], "b": {3}, "c": np.int8(1)}
    kept = snapshot(value)
    assert difference(value, kept) is None
    value["a"][0][0] = 5.0
    value["a"][1][1][0] = 7
    value["b"].add(4)
    assert (
        difference(kept, {"a": [np.zeros(2), (1, np.ones(1, object))], "b": {3}, "c": np.int8(1)})
        is None
    )


def test_snapshot_of_what_cannot_be_copied() -> None:
    lock = threading.Lock()
    assert snapshot({"lock": lock})["lock"] is lock


def _int8(*values: int) -> np.ndarray:
    return np.array(values, dtype=np.int8)


@pytest.mark.parametrize(
    ("mask", "expectation"),
    [
        (_int8(1, 0, 1), None),
        (_int8(1, 0), "length 3"),
        (_int8(0, 0, 0), "never all zero"),
        (_int8(1, 0, 2), "zeros and ones"),
        (_int8(1, 0, -1), "zeros and ones"),
        (np.ones(3), "int8"),
        ([1, 1, 1], "int8"),
        (np.ones((3, 1), np.int8), "length 3"),
    ],
)
def test_mask_expectation(mask: Any, expectation: str | None) -> None:
    found = mask_expectation(spaces.Discrete(3), mask)
    assert found is None if expectation is None else expectation in str(found)


def test_masks_of_multi_discrete() -> None:
    space = spaces.MultiDiscrete([2, 3], start=[5, 0])
    mask = (_int8(0, 1), _int8(1, 0, 1))
    assert mask_expectation(space, mask) is None
    assert "tuple of 2" in str(mask_expectation(space, mask[:1]))
    assert "length 3" in str(mask_expectation(space, (mask[0], mask[0])))
    rng = np.random.default_rng(0)
    drawn = {tuple(map(int, sample(space, rng, mask))) for _ in range(50)}
    assert drawn == {(6, 0), (6, 2)}


def test_masks_are_found_in_both_places() -> None:
    assert masks(np.zeros(2), {}) == {}
    assert masks({"action_mask": 1}, {"action_mask": 2}) == {"info": 2, "observation": 1}


@pytest.mark.parametrize(
    "space",
    [
        spaces.Discrete(4, start=-2),
        spaces.MultiDiscrete([[2, 3], [4, 5]]),
        spaces.MultiBinary((2, 2)),
        spaces.Box(-1, 1, (3,)),
        spaces.Box(-np.inf, np.inf, (3,), np.float64),
        spaces.Box(0, np.inf, (3,), np.float64),
        spaces.Box(-np.inf, 0, (3,), np.float64),
        spaces.Box(-1.7e308, 1.7e308, (3,), np.float64),
        spaces.Box(0, 255, (3,), np.uint8),
        spaces.Tuple((spaces.Discrete(2), spaces.Box(0, 1))),
        spaces.Text(5),
    ],
    ids=repr,
)
def test_sample_is_in_the_space_and_reproducible(space: spaces.Space[Any]) -> None:
    one, other = np.random.default_rng(3), np.random.default_rng(3)
    drawn = [sample(space, one) for _ in range(20)]
    assert all(membership_expectation(space, action) is None for action in drawn)
    assert difference(drawn, [sample(space, other) for _ in range(20)]) is None
    assert difference(drawn, [drawn[0]] * 20) is not None


@pytest.mark.parametrize(
    ("space", "value", "good"),
    [
        (spaces.Discrete(3), 2, True),
        (spaces.Discrete(3), np.uint8(2), True),
        (spaces.Discrete(3), np.array(2), True),
        (spaces.Discrete(3), True, False),
        (spaces.Discrete(3), np.bool_(True), False),
        (spaces.Discrete(3), 2.0, False),
        (spaces.Discrete(3), np.array([2]), False),
        (spaces.MultiDiscrete([3]), np.array([2]), True),
        (spaces.MultiDiscrete([3]), np.array([2], np.int32), False),
        (spaces.MultiDiscrete([3]), [2], False),
        (spaces.MultiBinary(1), np.array([1], np.int8), True),
        (spaces.MultiBinary(1), np.array([True]), False),
        (spaces.Box(0, 1, (1,)), np.zeros(1, np.float32), True),
        (spaces.Box(0, 1, (1,)), np.zeros(1, np.float16), False),
        (spaces.Box(0, 1, (1,)), np.zeros(1), False),
        (spaces.Tuple([spaces.Discrete(2)]), (1,), True),
        (spaces.Tuple([spaces.Discrete(2)]), [1], False),
        (spaces.Tuple([spaces.Discrete(2)]), (1.0,), False),
        (spaces.Dict(a=spaces.Discrete(2)), {"a": 1}, True),
        (spaces.Dict(a=spaces.Discrete(2)), {"a": 1.0}, False),
    ],
    ids=repr,
)
def test_dtype_expectation(space: spaces.Space[Any], value: Any, good: bool) -> None:
    assert (dtype_expectation(space, value) is None) == good


@pytest.mark.parametrize(
    ("space", "value"),
    [
        (spaces.Discrete(3), 3),
        (spaces.Discrete(3, start=1), 0),
        (spaces.Box(0, 1, (1,)), np.full(1, 1.5, np.float32)),
        (spaces.Box(0, 1, (1,)), np.full(1, -0.5, np.float32)),
        (spaces.Box(0, 1, (1,)), np.full(1, np.nan, np.float32)),
        (spaces.Box(0, np.inf, (1,)), np.full(1, np.inf, np.float32)),
        (spaces.Box(0, 1, (1,)), np.zeros(2, np.float32)),
        (spaces.Dict(a=spaces.Discrete(2)), {}),
        (spaces.Dict(a=spaces.Discrete(2)), {"a": 1, "b": 1}),
        (spaces.Tuple([spaces.Discrete(2)]), (1, 1)),
    ],
    ids=repr,
)
def test_outside_of_the_space(space: spaces.Space[Any], value: Any) -> None:
    assert dtype_expectation(space, value) is None
    assert membership_expectation(space, value) is not None


def test_error_says_where_and_survives_pickling() -> None:
    error = fault("alias", "saw 1, expected 2", agent="agent_3", episode=1, step=0)
    assert str(error) == "[alias] agent 'agent_3', episode 1, reset: saw 1, expected 2"
    copied = pickle.loads(pickle.dumps(error))
    assert isinstance(copied, ConformanceError)
    assert isinstance(copied, AssertionError)
    assert str(copied) == str(error)
    assert (copied.check, copied.agent, copied.episode, copied.step) == ("alias", "agent_3", 1, 0)


def test_environments_are_closed() -> None:
    open_envs = 0

    class Counted(Lamps):
        def __init__(self) -> None:
            nonlocal open_envs
            open_envs += 1
            super().__init__()

        def close(self) -> None:
            nonlocal open_envs
            open_envs -= 1

    subject = Subject(Counted)
    _ = subject.reference
    assert open_envs == 0


class Unclosable(Lamps):
    def close(self) -> None:
        raise RuntimeError("it is stuck")


class Unready(Lamps):
    @property
    def possible_agents(self) -> Any:
        if hasattr(self, "late"):
            raise ValueError("ask later")
        return self._possible

    @possible_agents.setter
    def possible_agents(self, agents: Any) -> None:
        self._possible = agents

    def reset(self, seed: int | None = None, options: Any = None) -> Any:
        result = super().reset(seed, options)
        self.late = True
        return result


class Lists(Lamps):
    def reset(self, seed: int | None = None, options: Any = None) -> Any:
        result = super().reset(seed, options)
        self.agents = [[agent] for agent in self.agents]
        return result


class Unspaced(Lamps):
    def __init__(self) -> None:
        super().__init__()
        self.state_space: Any = (3,)


class Unknown(Lamps):
    @property
    def state_space(self) -> Any:
        raise NotImplementedError

    @state_space.setter
    def state_space(self, space: Any) -> None:
        pass


class Rich(Lamps):
    def step(self, actions: dict[str, Any]) -> Any:
        observations, rewards, *rest = super().step(actions)
        return observations, dict.fromkeys(rewards, 10**400), *rest


@pytest.mark.parametrize(
    ("env_fn", "message"),
    [
        (lambda: None, "[api] making the env gave None"),
        (lambda: Lamps, "[api] making the env gave <class"),
        (Unclosable, "[api] close() raised RuntimeError: it is stuck"),
        (Unready, "possible_agents is no list of agents: ValueError: ask later"),
        (Lists, "env.agents is no list of agents: TypeError"),
        (Unspaced, "state_space is (3,) (tuple), expected a gymnasium.spaces.Space"),
        (Unknown, None),
        (Rich, None),
    ],
)
def test_oddities_are_faults_and_no_crashes(env_fn: Any, message: str | None) -> None:
    found = [str(error) for error in find_faults(env_fn, episodes=1, max_steps=20)]
    assert [message in text for text in found if message] == ([True] if message else []), found
    assert message or not found


@pytest.mark.parametrize("name", ["stochastic", "pickling", "generated", "vector_rewards"])
def test_what_is_neither_true_nor_false_is_refused(name: str) -> None:
    with pytest.raises(ValueError, match=f"{name}='no': expected True or False"):
        find_faults(Lamps, **{name: "no"})  # type: ignore[misc]
