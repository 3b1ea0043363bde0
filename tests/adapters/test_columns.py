"""Copies of a ParallelEnv as arrays, ours and anybody's."""

from __future__ import annotations

from itertools import pairwise
from typing import Any

import numpy as np
import pytest
from gymnasium import spaces
from pettingzoo import ParallelEnv

import crl_envs
from crl_envs.adapters.columns import (
    Columns,
    MaskGuard,
    ParallelColumns,
    WorldColumns,
    columns_of,
)
from crl_envs.core.returns import EpisodeTally
from crl_envs.wrappers import GlobalReward
from tests.adapters.foreign import Asked, Constant, Foreign
from tests.core.toy import ToyEnv
from tests.wrappers.foreign import Leavers, Spaced


class ForeignToy(ToyEnv):
    """Steps in its own way, so that its world isn't enough."""

    def step(self, actions: Any) -> Any:
        return super().step(actions)


class Nested(Foreign):
    """Observations in the form of PettingZoo's classic games."""

    def __init__(self) -> None:
        super().__init__("crl/load_balancing-v0", n_agents=4)

    def observation_space(self, agent: Any) -> Any:
        mask = spaces.Box(0, 1, (self.action_space(agent).n,), np.int8)
        return spaces.Dict(observation=super().observation_space(agent), action_mask=mask)

    def reset(self, seed: Any = None, options: Any = None) -> Any:
        return self._nest(*super().reset(seed, options))

    def step(self, actions: Any) -> Any:
        observations, *rest, infos = super().step(actions)
        observations, infos = self._nest(observations, infos)
        return observations, *rest, infos

    def _nest(self, observations: Any, infos: Any) -> Any:
        nested = {
            agent: {"observation": seen, "action_mask": infos[agent].pop("action_mask")}
            for agent, seen in observations.items()
        }
        return nested, infos


def played(columns: Columns, steps: int, seed: int) -> list[Any]:
    """What legal random actions bring, with episodes begun anew where they end."""
    rng = np.random.default_rng(seed)
    frame = columns.reset(seed)
    log: list[Any] = []
    for _ in range(steps):
        chances = rng.random((columns.num_envs, columns.n_agents, int(columns.action_space.n)))  # type: ignore[attr-defined]
        if frame.action_masks is not None:
            chances *= frame.action_masks
        step = columns.step(chances.argmax(-1))
        frame = step.frame
        log.append(
            (
                frame.observations,
                frame.action_masks,
                np.asarray(step.rewards, np.float32),
                np.asarray(step.local_rewards, np.float32),
                step.terminations,
                step.truncations,
                step.ended,
                columns.state(),
            )
        )
        if step.ended.any():
            frame = columns.reset(ended=step.ended)
            log.append((frame.observations, frame.action_masks))
    return log


@pytest.mark.parametrize("rewards", ["local", "neighborhood", "global"])
@pytest.mark.parametrize(
    ("native", "foreign"),
    [
        (ToyEnv, ForeignToy),
        (
            lambda: crl_envs.make("crl/sysadmin-v0", n_agents=4, horizon=5),
            lambda: Foreign("crl/sysadmin-v0", n_agents=4, horizon=5),
        ),
        (
            lambda: crl_envs.make("crl/load_balancing-v0", n_agents=4, n_loads=5),
            lambda: Foreign("crl/load_balancing-v0", n_agents=4, n_loads=5),
        ),
    ],
    ids=["toy", "sysadmin", "load balancing"],
)
def test_arrays_and_copies_are_the_same(native: Any, foreign: Any, rewards: Any) -> None:
    ours, theirs = columns_of(native, 3, rewards), columns_of(foreign, 3, rewards)
    assert isinstance(ours, WorldColumns)
    assert isinstance(theirs, ParallelColumns)
    mine, its = played(ours, 60, seed=5), played(theirs, 60, seed=5)
    ends = 0
    for a, b in zip(mine, its, strict=True):
        for k, (x, y) in enumerate(zip(a, b, strict=True)):
            if k == 1 and x is None:
                assert y.all()  # the dict view has masks of ones where the arrays have none
            else:
                np.testing.assert_array_equal(x, y)
        ends += len(a) == 2
    assert ends >= 2


def test_an_id_and_its_class_are_the_same() -> None:
    a = columns_of("crl/sysadmin-v0", 2, n_agents=3)
    b = columns_of(type(crl_envs.make("crl/sysadmin-v0")), 2, n_agents=3)
    assert isinstance(a, WorldColumns) and isinstance(b, WorldColumns)
    for x, y in zip(played(a, 30, 1), played(b, 30, 1), strict=True):
        np.testing.assert_array_equal(x[0], y[0])


def test_copies_have_seeds_of_their_own() -> None:
    columns = ParallelColumns([Constant(), Constant(), Constant()])
    columns.reset(7)
    columns.reset(ended=np.array([False, True, False]))
    assert [env.seeds for env in columns.envs] == [[7], [8, None], [9]]  # type: ignore[attr-defined]


def test_masks_beside_observations_are_found() -> None:
    columns = columns_of(Nested, 2)
    frame = columns.reset(0)
    assert frame.observations.shape == (2, 4, 4)
    assert frame.action_masks is not None
    assert frame.action_masks.shape[:2] == (2, 4)
    assert not frame.action_masks.all()
    assert len(played(columns, 50, 3)) >= 50


def test_global_rewards_keep_the_local_ones() -> None:
    columns = columns_of(Foreign, 2, "global", n_agents=3)
    columns.reset(0)
    step = columns.step(np.zeros((2, 3), np.int64))
    np.testing.assert_allclose(step.rewards, step.local_rewards.mean(1, keepdims=True) * np.ones(3))


def test_the_world_may_have_one_column_that_resets_by_its_next_step() -> None:
    vec = crl_envs.make_vec("crl/sysadmin-v0", n_agents=3, horizon=2)
    columns, twin = WorldColumns(vec), columns_of("crl/sysadmin-v0", 1, n_agents=3, horizon=2)
    for x, y in zip(played(columns, 9, 4), played(twin, 9, 4), strict=True):
        np.testing.assert_array_equal(x[0], y[0])


def test_agents_that_leave_are_named() -> None:
    class SameSpaces(Leavers):
        def observation_space(self, agent: Any) -> Any:
            return spaces.Discrete(10)

        def action_space(self, agent: Any) -> Any:
            return spaces.Discrete(2)

    columns = columns_of(SameSpaces, 1)
    columns.reset()
    with pytest.raises(ValueError, match=r"\['red'\] left.*black_death"):
        columns.step(np.zeros((1, 3), np.int64))


def test_agents_that_are_over_but_not_gone_are_named() -> None:
    class Lingerers(Constant):
        def step(self, actions: Any) -> Any:
            observations, rewards, terminated, truncated, infos = super().step(actions)
            return observations, rewards, terminated | {"agent_0": True}, truncated, infos

    columns = columns_of(Lingerers, 1)
    columns.reset()
    with pytest.raises(ValueError, match=r"\['agent_0'\] left"):
        columns.step(np.zeros((1, 2), np.int64))


def test_different_spaces_are_named() -> None:
    with pytest.raises(ValueError, match=r"equal observation spaces.*red has .*green has .*pad"):
        columns_of(Leavers, 1)
    two = {"a": spaces.Discrete(2), "b": spaces.Discrete(2)}
    with pytest.raises(ValueError, match="equal action spaces"):
        columns_of(lambda: Spaced(two, {"a": spaces.Discrete(2), "b": spaces.Discrete(3)}), 1)
    texts = {"a": spaces.Text(3), "b": spaces.Text(3)}
    with pytest.raises(ValueError, match="observations must be arrays or numbers"):
        columns_of(lambda: Spaced(texts, two), 1)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ((Constant, 0), "copies must be an integer ≥ 1, got 0"),
        (
            (Constant, 1, "team"),
            "rewards must be one of 'local', 'neighborhood', 'global', got 'team'",
        ),
        ((Constant(), 2), "env must be an id or a callable"),
        ((3, 2), "env must be an id or a callable"),
        ((lambda: 3, 2), "env must make a ParallelEnv, got 3"),
        (("crl/sysadmin-v1", 2), "did you mean 'crl/sysadmin-v0'"),
    ],
)
def test_bad_arguments(arguments: Any, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        columns_of(*arguments)


def test_modes_that_reset_by_themselves_are_refused() -> None:
    with pytest.raises(ValueError, match="autoreset_mode='Disabled'"):
        WorldColumns(crl_envs.make_vec("crl/sysadmin-v0", 2))
    with pytest.raises(ValueError, match="vec must be a WorldVectorEnv"):
        WorldColumns(crl_envs.make_gym_vec("crl/sysadmin-v0", 2))


def test_the_guard_names_agent_and_action() -> None:
    masks = np.ones((2, 3, 4), np.int8)
    masks[1, 2, 3] = 0
    actions = np.array([[3, 3, 3], [3, 3, 2]])
    guard = MaskGuard("check")
    guard.check(actions, masks, "abc")
    actions[1, 2] = 3
    with pytest.raises(ValueError, match=r"c chose action 3.*masks='ignore'"):
        guard.check(actions, masks, "abc")
    guard.check(actions, None, "abc")
    MaskGuard("ignore").check(actions, masks, "abc")
    with pytest.raises(ValueError, match="masks must be one of"):
        MaskGuard("obey")  # type: ignore[arg-type]


def test_the_tally_is_what_a_loop_adds_up() -> None:
    rng = np.random.default_rng(0)
    rewards, ends = rng.normal(size=(40, 3, 5)), rng.random((40, 3)) < 0.2
    tally = EpisodeTally(3, 5)
    for r, e in zip(rewards, ends, strict=True):
        tally.add(r, e)
    assert tally.env_steps == 120
    expected = []
    for b in range(3):
        stops = [0, *(np.flatnonzero(ends[:, b]) + 1)]
        expected += [(b, rewards[i:j, b]) for i, j in pairwise(stops)]
    assert len(tally.episodes) == len(expected) == ends.sum()
    found = sorted(tally.episodes, key=lambda e: e.column)
    for episode, (b, part) in zip(found, expected, strict=True):
        assert (episode.column, episode.steps) == (b, len(part))
        np.testing.assert_allclose(episode.agent_returns, part.sum(0), atol=1e-12)
        np.testing.assert_allclose(
            [episode.local_return, episode.global_return], part.sum(0).mean(), atol=1e-12
        )


def test_agents_of_a_globally_rewarded_env_are_tallied_by_their_own() -> None:
    def team() -> ParallelEnv[Any, Any, Any]:
        return GlobalReward(Foreign(n_agents=3), "sum")

    columns = columns_of(team, 1)
    columns.reset(0)
    step = columns.step(np.zeros((1, 3), np.int64))
    assert step.rewards[0, 0] == step.local_rewards.sum()


def test_a_world_is_an_array_only_as_long_as_it_is_nothing_else() -> None:
    """What draws itself, or begins its episodes in a way of its own, is stepped as anybody's."""
    sysadmin = type(crl_envs.make("crl/sysadmin-v0"))

    class Counting(sysadmin):  # type: ignore[misc, valid-type]
        begun = 0

        def reset(self, seed: int | None = None, options: Any = None) -> Any:
            self.begun += 1
            return super().reset(seed, options)

    assert isinstance(columns_of(sysadmin, 2, n_agents=3), WorldColumns)
    counting = columns_of(Counting, 2, n_agents=3)
    counting.reset()
    assert [env.begun for env in counting.envs] == [1, 1]
    for world in ("crl/sysadmin-v0", sysadmin):
        drawn = columns_of(world, 2, "global", n_agents=3, render_mode="rgb_array")
        assert drawn.render_mode == "rgb_array"
        drawn.reset(0)
        drawn.step(np.ones((2, 3), np.int64))
        first, second = drawn.render()
        assert first.shape == second.shape == (600, 900, 3)
    with pytest.raises(NotImplementedError, match="make it with render_mode='rgb_array'"):
        columns_of("crl/sysadmin-v0", 1).render()


def test_options_reach_the_environments() -> None:
    columns = columns_of(Asked, 2)
    columns.reset(options=[{"level": 1}, {"level": 2}])
    assert [env.options for env in columns.envs] == [{"level": 1}, {"level": 2}]
    columns.reset(ended=np.array([False, True]), options=[{"level": 3}] * 2)
    assert [env.options for env in columns.envs] == [{"level": 1}, {"level": 3}]
    with pytest.raises(ValueError, match="options must be empty, since worlds have none"):
        columns_of("crl/sysadmin-v0", 1).reset(options=[{"level": 1}])
