"""Observations as rows of numbers."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from gymnasium import spaces
from gymnasium.spaces.utils import flatten
from hypothesis import given
from hypothesis import strategies as st

import crl_envs
from agents import Reinforce
from crl_envs.core.encoding import AgentEncoder
from crl_envs.testing import check_parallel_env
from tests.load_balancing.test_views import CODES
from tests.views import assert_views_agree

SPACES: dict[str, Any] = {
    "discrete": spaces.Discrete(4),
    "discrete from 3": spaces.Discrete(4, start=3),
    "one value": spaces.Discrete(1),
    "multi": spaces.MultiDiscrete([3, 1, 5]),
    "multi with a start": spaces.MultiDiscrete([3, 2], start=[1, -1]),
    "table": spaces.MultiDiscrete([[2, 3], [4, 5]]),
    "box": spaces.Box(-1.0, 2.0, (3,), np.float32),
    "image": spaces.Box(0, 255, (2, 3), np.uint8),
    "number": spaces.Box(0.0, 1.0, (), np.float32),
}


@pytest.mark.parametrize("space", SPACES.values(), ids=SPACES)
@pytest.mark.parametrize("agent_ids", [False, True])
@given(seed=st.integers(0, 1000))
def test_rows_are_what_gymnasium_flattens_with_the_number_behind(
    space: Any, agent_ids: bool, seed: int
) -> None:
    n = 3
    encoder = AgentEncoder(space, n, agent_ids)
    space.seed(seed)
    samples = [[space.sample() for _ in range(n)] for _ in range(2)]
    rows = encoder.encode(np.array(samples))
    assert rows.dtype == np.float32
    assert rows.shape == (2, n, *(encoder.space.shape or ()))
    for b in range(2):
        for i in range(n):
            if isinstance(space, spaces.MultiDiscrete):  # Gymnasium's own flatten wants no start
                plain = spaces.MultiDiscrete(space.nvec)
                expected = flatten(plain, samples[b][i] - space.start)
            else:
                expected = np.ravel(flatten(space, samples[b][i]))
            if agent_ids:
                expected = [*expected, *(np.arange(n) == i)]
            np.testing.assert_array_equal(rows[b, i], np.array(expected, np.float32))
            assert rows[b, i] in encoder.space


def test_rows_are_fresh() -> None:
    encoder = AgentEncoder(spaces.Box(0.0, 1.0, (2,), np.float32), 2)
    observations = np.zeros((1, 2, 2), np.float32)
    encoder.encode(observations)[:] = 1
    assert not observations.any()


def test_other_spaces_are_refused() -> None:
    with pytest.raises(ValueError, match="Text"):
        AgentEncoder(spaces.Text(5), 2)
    with pytest.raises(ValueError, match="agent_ids must be True or False"):
        AgentEncoder(spaces.Discrete(2), 2, agent_ids=1)  # type: ignore[arg-type]


WORLDS: dict[str, tuple[str, dict[str, Any]]] = {
    "sysadmin": ("crl/sysadmin-v0", {"n_agents": 5}),
    "neighborhood": (
        "crl/sysadmin-v0",
        {"n_agents": 4, "topology": "star", "observe": "neighborhood", "dynamics": "status-load"},
    ),
    "bandit": ("crl/bandit-v0", {"n_agents": 3}),
    "load balancing": (
        "crl/load_balancing-v0",
        {"n_agents": 8, "max_steps": 40, "message_loss": 0.2},
    ),
}


@pytest.mark.parametrize(("id", "arguments"), WORLDS.values(), ids=WORLDS)
class TestEncodedWorlds:
    def test_all_views_show_the_same_numbers(self, id: str, arguments: dict[str, Any]) -> None:
        translate = CODES if "load" in id else None
        assert_views_agree(id, {**arguments, "encode": "onehot"}, 60, 2, translate=translate)

    def test_only_what_is_shown_differs(self, id: str, arguments: dict[str, Any]) -> None:
        plain = crl_envs.make(id, **arguments)
        coded = crl_envs.make(id, encode="onehot", **arguments)
        assert type(coded) is type(plain)
        assert coded.optimum() == plain.optimum()
        agent = plain.possible_agents[0]
        seen_by = plain.observation_space(agent)
        assert coded.observation_space(agent).dtype == np.float32
        rng = np.random.default_rng(0)
        shown, begun = coded.reset(seed=4), plain.reset(seed=4)
        for _ in range(20):
            for a, seen in begun[0].items():
                assert shown[0][a] in coded.observation_space(a)
                np.testing.assert_array_equal(shown[0][a], np.ravel(flatten(seen_by, seen)))
            assert str(shown[1:]) == str(begun[1:])  # rewards, ends, infos with their masks
            whole = flatten(plain.state_space, plain.state())
            np.testing.assert_array_equal(coded.state(), np.ravel(whole).astype(np.float32))
            assert coded.state() in coded.state_space
            assert str(coded.metrics()) == str(plain.metrics())
            if not plain.agents:
                break
            chosen = {a: int(rng.integers(plain.action_space(a).n)) for a in plain.agents}
            shown, begun = coded.step(chosen), plain.step(chosen)

    def test_the_kit_finds_nothing(self, id: str, arguments: dict[str, Any]) -> None:
        check_parallel_env(lambda: crl_envs.make(id, encode="onehot", **arguments), max_steps=40)

    def test_a_picture_is_that_of_the_world(self, id: str, arguments: dict[str, Any]) -> None:
        plain = crl_envs.make(id, render_mode="ansi", **arguments)
        coded = crl_envs.make(id, render_mode="ansi", encode="onehot", **arguments)
        plain.reset(seed=1)
        coded.reset(seed=1)
        assert coded.render() == plain.render()


def test_another_encoding_is_refused() -> None:
    for make in (crl_envs.make, crl_envs.make_vec, crl_envs.make_gym_vec):
        with pytest.raises(ValueError, match="encode must be one of 'onehot', got 'one-hot'"):
            make("crl/sysadmin-v0", encode="one-hot")  # type: ignore[operator]


def test_learners_of_tables_learn_the_same_from_a_box_of_few_numbers() -> None:
    arguments = {"n_agents": 4, "horizon": 10}
    plain = Reinforce(crl_envs.make("crl/sysadmin-v0", **arguments), seed=0)
    coded = Reinforce(crl_envs.make("crl/sysadmin-v0", encode="onehot", **arguments), seed=0)
    for learner in (plain, coded):
        learner.learn(total_episodes=5)
    returns = [[h["global_return"] for h in learner.history] for learner in (plain, coded)]
    np.testing.assert_allclose(*returns)
