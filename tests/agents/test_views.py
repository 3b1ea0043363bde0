"""Environments as arrays: who the neighbours are, and environments that can't be learnt with."""

from __future__ import annotations

from typing import Any

import gymnasium
import numpy as np
import pytest
from gymnasium import spaces

from agents import Reinforce
from agents.view import Episode, View
from crl_envs import make_gym_vec
from crl_envs.core import WorldEnv, WorldVectorEnv
from crl_envs.wrappers import GlobalReward
from tests.core.toy import TOY, ToyWorld
from tests.wrappers.foreign import COLOURS, Leavers, Line, Spaced
from tests.wrappers.making import make, make_vec


@pytest.mark.parametrize(
    ("space", "message"),
    [
        (spaces.Text(4), "observation space of a must be Discrete, MultiDiscrete or Box, got Text"),
        (spaces.Box(0, 1, (0,)), "observation space of a must be Discrete, MultiDiscrete or Box"),
        (spaces.Box(0, 1, (13,)), "must have at most 12 components to be a table, got 13"),
        (spaces.Box(0, np.inf, (2,)), "Box observed by a must be bounded, got Box"),
        (spaces.MultiDiscrete([10**6, 10**6, 10**6, 10**6]), "at most 50000000 entries"),
        (spaces.Discrete(25_000_001), "1 agents × 25000001 observations × 2 actions × 1 columns"),
    ],
)
def test_spaces_that_make_no_table(space: Any, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        Reinforce(Spaced({"a": space}, {"a": spaces.Discrete(2)}))


def test_environments_that_cannot_be_learnt_with() -> None:
    two = spaces.Discrete(2)
    for bad in (None, gymnasium.make("CartPole-v1")):
        with pytest.raises(ValueError, match="env must be a ParallelEnv or a vector env, got"):
            Reinforce(bad)
    with pytest.raises(ValueError, match="at least one possible agent"):
        Reinforce(Spaced({}, {}))
    with pytest.raises(ValueError, match="action space of b must be Discrete, got MultiDiscrete"):
        Reinforce(Spaced({"a": two, "b": two}, {"a": two, "b": spaces.MultiDiscrete([2])}))
    with pytest.raises(ValueError, match=r"all agents .* single_action_space, a 1-D MultiDiscrete"):
        Reinforce(make_gym_vec("crl/bandit-v0"))
    with pytest.raises(ValueError, match=r"autoreset_mode of env must be .*DISABLED.*SAME_STEP"):
        Reinforce(make_vec("crl/bandit-v0", autoreset_mode="SameStep"))


def test_joint_spaces_with_another_first_axis() -> None:
    vec = make_vec("crl/bandit-v0", n_agents=3)
    vec.single_observation_space = spaces.MultiDiscrete([2, 2])  # shadows the cached property
    with pytest.raises(ValueError, match=r"single_observation_space of env must .* 3 agents"):
        Reinforce(vec)


GREEN_IN_THE_MIDDLE = [[0, 1], [1, 0], [1, 2], [2, 1]]


@pytest.mark.parametrize("tell", ["infos", "graph of ids", "graph of numbers"])
def test_neighbors_are_told_in_the_infos_or_by_the_topology(tell: str) -> None:
    view = View(Line(tell))
    view.reset(seed=0)
    assert view.neighbors().tolist() == GREEN_IN_THE_MIDDLE


def test_infos_come_before_the_topology() -> None:
    env = Line("infos")
    env.topology = None
    assert Reinforce(env, learning_rate=0.01).learn(total_episodes=1).episodes == 1
    env = Line("graph of numbers")
    env.topology.remove_edge(0, 1)
    view = View(env)
    view.reset()
    assert view.neighbors().tolist() == [[1, 2], [2, 1]]


@pytest.mark.parametrize(
    ("tell", "message"),
    [
        ("nothing", r"infos\[agent\]\['neighbors'\] or env.unwrapped.topology, got neither"),
        ("graph of others", r"topology must have the nodes 0 … 2 or the agents' ids"),
        ("strangers", r"infos\[agent\]\['neighbors'\] must hold ids of agents, got 'mauve'"),
    ],
)
def test_neighbors_that_nobody_tells(tell: str, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        Reinforce(Line(tell), credit="local").learn(total_episodes=1)
    for credit in ("global", "own"):
        Reinforce(Line(tell), credit=credit, learning_rate=0.01).learn(total_episodes=1)


def test_without_edges_local_is_own() -> None:
    thetas = []
    for credit in ("local", "own"):
        learner = Reinforce(make("crl/bandit-v0", n_agents=6), credit=credit, seed=4)
        thetas.append(learner.learn(total_episodes=40).theta.tolist())
    assert thetas[0] == thetas[1]
    assert np.any(thetas[0])


def test_dict_and_vector_views_agree_on_the_topology() -> None:
    for topology in ("ring", "star", "grid", "random"):
        kwargs = {"n_agents": 11, "topology": topology}
        single = View(make("crl/sysadmin-v0", **kwargs))
        single.reset(seed=0)
        pairs = single.neighbors().tolist()
        vec = make_vec("crl/sysadmin-v0", **kwargs)
        for view in (View(vec), View(GlobalReward(vec))):
            assert view.neighbors().tolist() == pairs
        assert {(a, b) for a, b in pairs} == {(b, a) for a, b in pairs}
        assert len(pairs) >= 20


def test_masks_are_followed() -> None:
    """Only legal actions are chosen, whatever the view, and however the masks are told."""
    for env in (make(TOY), make_vec(TOY, num_envs=3, autoreset_mode="Disabled")):
        view = View(env)
        learner = Reinforce(env, seed=0)
        frame = view.reset(seed=0)
        rng = np.random.default_rng(0)
        narrowed = 0
        while view.n_running:
            words = rng.integers(2**32, size=(4, view.num_envs), dtype=np.uint32)
            for choice in (learner.choose(frame, words), learner.choose(frame, None)):
                if frame.legal is not None:
                    asked = np.take_along_axis(frame.legal, choice[..., None].astype(int), axis=2)
                    assert asked.all()
                    narrowed += int((~frame.legal).sum())
            frame = view.step(learner.choose(frame, words)).frame
        assert narrowed > 10


def test_masks_of_read_only_arrays_are_read_once_and_others_every_time() -> None:
    """A constant mask object may be remembered; one that is written into may not."""
    spaces_of = {"a": spaces.Discrete(2), "b": spaces.Discrete(2)}
    reused = np.array([1, 0], np.int8)
    env = Spaced(spaces_of, {k: spaces.Discrete(2) for k in "ab"}, {"a": reused, "b": reused})
    view = View(env)
    assert view.reset().legal.tolist() == [[[True, False]]] * 2  # type: ignore[union-attr]
    reused[:] = [0, 1]
    assert view.reset().legal.tolist() == [[[False, True]]] * 2  # type: ignore[union-attr]
    reused[:] = 0
    with pytest.raises(ValueError, match="action_mask of a must allow at least one action"):
        view.reset()
    env.masks = {"b": np.ones(3)}
    with pytest.raises(ValueError, match="action_mask of b must have 2 entries, got 3"):
        view.reset()
    fixed = np.array([0, 1], np.int8)
    fixed.setflags(write=False)
    env.masks = {"a": fixed, "b": fixed}
    assert view.reset().legal is view.reset().legal


def test_masks_of_agents_with_different_numbers_of_actions() -> None:
    observed = {"a": spaces.Discrete(2), "b": spaces.Discrete(2)}
    acted = {"a": spaces.Discrete(2), "b": spaces.Discrete(4)}
    view = View(Spaced(observed, acted, {"a": np.array([0, 1])}))
    legal = view.reset().legal
    assert legal is not None
    assert legal[:, 0].astype(int).tolist() == [[0, 1, 0, 0], [1, 1, 1, 1]]
    assert View(Spaced(observed, acted)).reset().legal[0, 0].tolist() == [
        True,
        True,
        False,
        False,
    ]


def test_masks_of_who_has_finished_do_not_matter() -> None:
    class Nothing(ToyWorld):
        def action_mask(self, state: Any) -> Any:
            return super().action_mask(state) * (state.fuse > 0)

    vec = Reinforce(WorldVectorEnv(Nothing(), 3, "Disabled"), seed=0).learn(total_episodes=5)
    single = Reinforce(WorldEnv(Nothing()), seed=1).learn(total_episodes=5)
    assert any(len(set(entry["steps"])) > 1 for entry in vec.history)
    assert vec.theta[..., 1].tolist() == single.theta[..., 0].tolist()


def test_agents_with_fewer_actions_never_choose_those_they_lack() -> None:
    learner = Reinforce(Leavers(), credit="own", learning_rate=0.01, seed=0)
    learner.learn(total_episodes=200)
    taken = {a: {step[a] for step in learner.env.given if a in step} for a in COLOURS}
    assert taken == {"red": {0, 1}, "green": {1, 2, 3}, "blue": {2, 3, 4, 5}}


def test_an_episode_adds_up() -> None:
    view = View(GlobalReward(Leavers(), reduce="sum"))
    view.reset()
    episode = Episode(view)
    while view.n_running:
        episode.add(view.step(np.zeros((3, 1), int)))
    # Agent k gets k + 10 k + 100 t while it is there; the team's reward is the sum.
    own = np.array([100.0, 111 + 211, 122 + 222 + 322])
    assert episode.local_returns[:, 0].tolist() == own.tolist()
    sums = [100 + 111 + 122, 211 + 222, 322]
    assert episode.returns[:, 0].tolist() == [sums[0], sum(sums[:2]), sum(sums)]
    assert episode.team_return.tolist() == [float(sum(sums))]
    assert episode.local_team_return.tolist() == [sums[0] / 3 + sums[1] / 2 + sums[2]]
    assert episode.steps.tolist() == [3]


def test_a_long_episode_adds_up_like_a_short_one() -> None:
    """Rewards are added in batches of steps; the order of addition is that of the steps."""
    view = View(make("crl/sysadmin-v0", n_agents=3, dynamics="ippc2011", horizon=300))
    view.reset(seed=0)
    episode, total, team = Episode(view), np.zeros((3, 1)), 0.0
    rng = np.random.default_rng(0)
    while view.n_running:
        transition = view.step(rng.integers(2, size=(3, 1)))
        transition = transition._replace(rewards=transition.rewards * 0.1)
        episode.add(transition._replace(local=transition.rewards))
        total += transition.rewards
        team += transition.rewards.mean()
    assert episode.returns.tolist() == total.tolist()
    assert episode.team_return[0] == pytest.approx(team, rel=1e-12)
    assert episode.steps.tolist() == [300]
