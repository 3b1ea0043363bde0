"""The vocabulary: learn, act, history."""

from __future__ import annotations

import copy
import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import agents
from agents import Learner, RandomPolicy, Reinforce
from crl_envs.core.backend import resolve_backend
from crl_envs.wrappers import GlobalReward
from tests.agents.textbook import Flaky, Recorder
from tests.core.toy import TOY
from tests.wrappers.foreign import COLOURS, Leavers
from tests.wrappers.making import make, make_vec

SYSADMIN = "crl/sysadmin-v0"


def test_history_of_a_single_environment() -> None:
    env = Recorder(make(SYSADMIN, n_agents=5, horizon=8))
    learner = Reinforce(env, seed=1).learn(total_episodes=3)
    assert isinstance(learner, Learner)
    assert len(learner.history) == learner.episodes == 3
    for k, (entry, steps) in enumerate(zip(learner.history, env.episodes, strict=True)):
        total = sum(act.reward for step in steps for act in step.values())
        assert entry["episode"] == k
        assert entry["steps"] == 8
        assert entry["env_steps"] == 8 * (k + 1)
        assert entry["local_return_mean"] == pytest.approx(total / 5)
        assert entry["global_return"] == pytest.approx(total / 5)
        assert [type(v) for v in entry.values()] == [int, float, int, int, float, float]
    assert learner.history[-1]["up"] == env.unwrapped.metrics()["up"]


def test_history_of_a_vector_environment() -> None:
    vec = make_vec(TOY, num_envs=3, autoreset_mode="Disabled")
    learner = Reinforce(vec, seed=1).learn(total_episodes=4)
    total = np.zeros(3, int)
    for k, entry in enumerate(learner.history):
        total += entry["steps"]
        assert entry["episode"] == k
        assert entry["env_steps"].tolist() == total.tolist()
        shapes = {name: value.shape for name, value in entry.items() if name != "episode"}
        assert shapes == dict.fromkeys(shapes, (3,)) | {"energy": (3, 4)}
        assert {"steps", "env_steps", "local_return_mean", "global_return", "fuse"} < shapes.keys()
    assert (learner.history[0]["steps"] != learner.history[1]["steps"]).any()
    last = vec.metrics()
    assert learner.history[-1]["fuse"].tolist() == last["fuse"].tolist()


def test_metrics_are_those_of_the_state_in_which_a_column_ended() -> None:
    """Not of the one it is in when the last column ends, which in next-step mode is another."""
    fuses = []
    for mode in ("Disabled", "NextStep"):
        vec = make_vec(TOY, num_envs=6, autoreset_mode=mode, horizon=4)
        fuses.append(Reinforce(vec, seed=1).learn(total_episodes=1).history[0])
    assert fuses[0]["fuse"].tolist() == fuses[1]["fuse"].tolist()
    assert len(set(fuses[0]["steps"])) > 1


@pytest.mark.parametrize("reduce", ["mean", "sum"])
def test_both_returns_are_measured_whichever_is_learnt_from(reduce: str) -> None:
    for env in (make(SYSADMIN, n_agents=8), make_vec(SYSADMIN, num_envs=2, n_agents=8)):
        learner = Reinforce(
            GlobalReward(env, reduce=reduce), credit="own", learning_rate=0.1, seed=3
        )
        entry = learner.learn(total_episodes=1).history[0]
        # Nothing has been learnt yet, so that a learner without the wrapper has seen the same episode.
        plain = Reinforce(make_vec(SYSADMIN, num_envs=2, n_agents=8), seed=3).learn(
            total_episodes=1
        )
        expected = plain.history[0]
        for name in ("local_return_mean", "global_return"):
            assert np.ravel(entry[name])[0] == expected[name][0]
        factor = 8 if reduce == "sum" else 1
        assert learner.baseline[0, 0] == pytest.approx(factor * expected["global_return"][0])


def test_returns_when_agents_leave_early() -> None:
    env = Recorder(Leavers())
    entry = Reinforce(env, credit="own", seed=0).learn(total_episodes=1).history[0]
    steps = [[act.reward for act in step.values()] for step in env.episodes[0]]
    assert [len(step) for step in steps] == [3, 2, 1]
    assert entry["local_return_mean"] == pytest.approx(sum(map(sum, steps)) / 3)
    assert entry["global_return"] == pytest.approx(sum(sum(s) / len(s) for s in steps))
    assert entry["steps"] == 3


def test_learning_in_parts_is_learning_at_once() -> None:
    at_once = Reinforce(make(TOY), seed=1).learn(total_episodes=12)
    in_parts = Reinforce(make(TOY), seed=1)
    for episodes in (0, 1, 4, 7):
        assert in_parts.learn(total_episodes=episodes) is in_parts
    assert at_once.theta.tolist() == in_parts.theta.tolist()
    assert repr(at_once.history) == repr(in_parts.history)


def test_total_steps() -> None:
    learner = Reinforce(make(SYSADMIN, n_agents=2), seed=0)
    for steps, episodes in ((0, 0), (1, 1), (20, 2), (21, 4), (41, 7)):
        assert learner.learn(total_steps=steps).episodes == episodes
    vec = make_vec(TOY, num_envs=4, autoreset_mode="Disabled")
    learner = Reinforce(vec, seed=0).learn(total_steps=30)
    assert learner.env_steps.min() >= 30
    assert learner.history[-2]["env_steps"].min() < 30


@pytest.mark.parametrize("totals", [{}, {"total_episodes": 1, "total_steps": 1}])
def test_exactly_one_total(totals: dict[str, int]) -> None:
    with pytest.raises(ValueError, match=r"exactly one of total_episodes and total_steps .* got "):
        Reinforce(make("crl/bandit-v0")).learn(**totals)


@pytest.mark.parametrize("name", ["total_episodes", "total_steps"])
@pytest.mark.parametrize("bad", [-1, 1.5, "3", True])
def test_bad_totals(name: str, bad: Any) -> None:
    with pytest.raises(ValueError, match=rf"{name} must be an integer ≥ 0, got {bad!r}"):
        Reinforce(make("crl/bandit-v0")).learn(**{name: bad})


def test_callback_sees_every_episode_and_can_stop() -> None:
    seen = []

    def until_three(learner: Learner) -> bool:
        seen.append(learner.history[-1]["episode"])
        return len(seen) < 3

    learner = Reinforce(make("crl/bandit-v0"), seed=0).learn(10, callback=until_three)
    assert seen == [0, 1, 2]
    assert learner.episodes == 3
    learner.learn(2, callback=lambda _: None)  # saying nothing is going on
    assert learner.episodes == 5
    assert learner.learn(5, callback=lambda _: np.bool_(False)).episodes == 6


def test_an_interrupted_first_episode_is_begun_anew() -> None:
    env = Flaky(make(SYSADMIN, n_agents=3))
    learner = Reinforce(env, seed=2)
    env.steps_left = 7
    with pytest.raises(KeyboardInterrupt):
        learner.learn(total_episodes=1)
    learner.learn(total_episodes=5)
    undisturbed = Reinforce(make(SYSADMIN, n_agents=3), seed=2).learn(total_episodes=5)
    assert env.seeds[:2] == [2, 2]
    assert learner.theta.tolist() == undisturbed.theta.tolist()
    assert learner.history == undisturbed.history


@pytest.mark.parametrize(("backend", "unread"), [("numpy", 10), ("numpy", 10**6), ("auto", 10)])
def test_an_interrupted_episode_leaves_nothing_behind(
    backend: str, unread: int, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """A learner saved after it, and so without what was noted in it, goes on in the same way."""
    monkeypatch.setattr("agents.tabular.reinforce._MOST_UNREAD", unread)
    monkeypatch.setattr(
        "agents.tabular.reinforce.resolve_backend", lambda _: resolve_backend(backend)
    )
    env = Flaky(make(SYSADMIN, n_agents=3))
    learner = Reinforce(env, seed=2).learn(total_episodes=3)
    before = (learner.theta.tolist(), repr(learner.history))
    env.steps_left = 7
    with pytest.raises(KeyboardInterrupt):
        learner.learn(total_episodes=1)
    assert (learner.theta.tolist(), repr(learner.history)) == before
    learner.save(tmp_path / "learner.npz")
    other = Reinforce.load(tmp_path / "learner.npz", copy.deepcopy(env))
    thetas = [each.learn(total_episodes=2).theta.tolist() for each in (learner, other)]
    assert thetas[0] == thetas[1] != before[0]


def test_act_before_learning_is_uniform() -> None:
    """10,000 actions of two: within five standard errors, false alarm 6 · 10⁻⁷."""
    learner = Reinforce(make(SYSADMIN, n_agents=100), seed=0)
    observations = dict.fromkeys(learner.view.agents, 1)
    actions = [a for _ in range(100) for a in learner.act(observations).values()]
    assert set(actions) == {0, 1}
    assert abs(np.mean(actions) - 0.5) < 5 * 0.5 / math.sqrt(10_000)
    assert set(learner.act(observations, deterministic=True).values()) == {0}


def test_act_speaks_as_it_is_spoken_to() -> None:
    learner = Reinforce(make(SYSADMIN, n_agents=3), seed=0).learn(total_episodes=200)
    some = learner.act({"agent_2": 0, "agent_0": np.int64(0)})
    assert list(some) == ["agent_2", "agent_0"]
    assert {type(action) for action in some.values()} == {int}
    array = learner.act(np.array([[0, 1, 0]], np.uint8), deterministic=True)
    assert array.dtype == np.int64
    assert array.tolist() == [[1, 0, 1]]  # reboot what is down
    both = learner.act({f"agent_{i}": o for i, o in enumerate([0, 1, 0])}, deterministic=True)
    assert list(both.values()) == [1, 0, 1]


def test_act_in_the_agents_own_numbers() -> None:
    learner = Reinforce(Leavers(), credit="own", learning_rate=0.01, seed=0)
    seen = {a: k for k, a in enumerate(COLOURS)}
    assert learner.act(seen, deterministic=True) == {"red": 0, "green": 1, "blue": 2}
    drawn = [learner.act(seen) for _ in range(200)]
    assert {a: {d[a] for d in drawn} for a in COLOURS} == {
        "red": {0, 1},
        "green": {1, 2, 3},
        "blue": {2, 3, 4, 5},
    }
    assert learner.act(np.array([[0, 1, 2]]), deterministic=True).tolist() == [[0, 1, 2]]


def test_act_on_a_batch() -> None:
    vec = make_vec(SYSADMIN, num_envs=4, n_agents=6)
    learner = Reinforce(vec, seed=0).learn(total_episodes=300)
    observations, _ = vec.reset(seed=9)
    greedy = learner.act(observations, deterministic=True)
    assert greedy.tolist() == (observations == 0).astype(int).tolist()  # reboot what is down
    vec = make_vec(SYSADMIN, num_envs=4, n_agents=6, observe="neighborhood")
    learner = Reinforce(vec, seed=0)
    observations, _ = vec.reset(seed=9)
    assert observations.shape == (4, 6, 3)
    actions = learner.act(observations)
    assert vec.action_space.contains(actions.astype(vec.action_space.dtype))
    columns = {tuple(column) for column in actions}
    assert len(columns) > 1  # every column draws for itself


@pytest.mark.parametrize("name", ["Reinforce", "ModelBased", "RandomPolicy"])
@pytest.mark.parametrize("masked", [False, True])
def test_a_learner_of_one_column_acts_in_many(name: str, masked: bool) -> None:
    """Deterministic actions are those of the columns one by one; drawn ones have the policy's frequencies."""
    learner = getattr(agents, name)(make(SYSADMIN, n_agents=5), seed=3)
    learner.learn(total_episodes=30)
    columns = np.random.default_rng(0).integers(0, 2, (400, 5))
    masks = None
    if masked and name != "ModelBased":
        masks = np.ones((400, 5, 2), np.int8)
        masks[::2, 1, 1] = 0
    together = learner.act(columns, deterministic=True, action_masks=masks)
    for b in range(20):
        one = None if masks is None else masks[b : b + 1]
        alone = learner.act(columns[b : b + 1], deterministic=True, action_masks=one)
        np.testing.assert_array_equal(together[b], alone[0])
    drawn = learner.act(columns, action_masks=masks)
    assert drawn.shape == (400, 5) and (drawn != drawn[0]).any()
    if name == "Reinforce":
        p = learner.probabilities()[np.arange(5), columns, 1, 0]
        if masks is not None:
            p = np.where(masks[..., 1] == 0, 0.0, p)
        spread = np.sqrt((p * (1 - p)).sum())
        assert abs(drawn.sum() - p.sum()) < 5 * spread  # false alarm: 6e-7
        assert masks is None or not drawn[::2, 1].any()


@pytest.mark.parametrize("name", ["CRL", "IndependentQ", "ShortestQueue"])
def test_what_acts_in_one_environment_only_says_so(name: str) -> None:
    learner = getattr(agents, name)(make("crl/load_balancing-v0", n_agents=10, n_loads=5))
    learner.learn(total_episodes=1)
    observations, _ = make_vec("crl/load_balancing-v0", 2, n_agents=10, n_loads=5).reset(seed=0)
    with pytest.raises(ValueError, match="of 1 environment, the one that is learnt from, got 2"):
        learner.act(observations)


def test_act_obeys_masks() -> None:
    learner = Reinforce(make(TOY), seed=0)
    agents = learner.view.agents
    observations = dict.fromkeys(agents, np.zeros(2, np.float32))
    masks = dict(zip(agents, np.eye(3, dtype=np.int8)[[1, 2, 0, 1]], strict=True))
    for deterministic in (False, True):
        acted = learner.act(observations, deterministic, action_masks=masks)
        assert list(acted.values()) == [1, 2, 0, 1]
    partial = {"agent_0": np.array([0, 1, 1])}
    drawn = [learner.act(observations, action_masks=partial) for _ in range(60)]
    assert {d["agent_0"] for d in drawn} == {1, 2}
    assert {d["agent_1"] for d in drawn} == {0, 1, 2}
    array = np.stack([list(masks.values())])
    acted = learner.act(np.zeros((1, 4, 2)), action_masks=array)
    assert acted.tolist() == [[1, 2, 0, 1]]


def test_acting_does_not_disturb_learning() -> None:
    def peek(learner: Learner) -> None:
        learner.act(dict.fromkeys(learner.view.agents, 0))

    left_alone = Reinforce(make(SYSADMIN, n_agents=4), seed=6).learn(total_episodes=15)
    watched = Reinforce(make(SYSADMIN, n_agents=4), seed=6)
    watched.learn(total_episodes=15, callback=peek)
    assert left_alone.theta.tolist() == watched.theta.tolist()
    assert left_alone.theta.any()


def test_bad_observations() -> None:
    vec = Reinforce(make_vec(SYSADMIN, num_envs=2, n_agents=3))
    with pytest.raises(ValueError, match=r"observations must be an array of shape \(2, 3, …\)"):
        vec.act({"agent_0": 1})
    for wrong in (np.zeros((3, 2), int), np.zeros((2, 3, 2), int), np.zeros(6, int)):
        with pytest.raises(
            ValueError, match=r"observations must have shape \(2, 3, …\) with 1 val"
        ):
            vec.act(wrong)
    with pytest.raises(ValueError, match=r"action_masks must have shape \(2, 3, 2\), got \(2, 3\)"):
        vec.act(np.zeros((2, 3), int), action_masks=np.ones((2, 3)))
    with pytest.raises(ValueError, match="observation of agent_2 must be in its space, got 2"):
        vec.act(np.array([[0, 0, 0], [0, 0, 2]]))
    single = Reinforce(make(SYSADMIN, n_agents=3))
    with pytest.raises(ValueError, match="got one of 'agent_3'"):
        single.act({"agent_3": 0})
    with pytest.raises(ValueError, match="action_mask of agent_1 must allow at least one action"):
        single.act({"agent_1": 0}, action_masks={"agent_1": np.zeros(2)})
    with pytest.raises(ValueError, match="action_masks must be a dict"):
        single.act({"agent_1": 0}, action_masks=np.ones((1, 3, 2)))
    with pytest.raises(ValueError, match="deterministic must be True or False"):
        single.act({"agent_1": 0}, deterministic=np.zeros(2))  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="observations must be of agents, got one of 'agent_3'"):
        RandomPolicy(make(SYSADMIN, n_agents=3)).act({"agent_3": 0})


@pytest.mark.parametrize("name", ["callback", "step_callback"])
def test_callbacks_that_cannot_be_called(name: str) -> None:
    learner = Reinforce(make("crl/bandit-v0"))
    with pytest.raises(ValueError, match=f"^{name} must be callable"):
        learner.learn(total_episodes=1, **{name: True})
    assert learner.episodes == 0


def test_rock_paper_scissors() -> None:
    """Somebody else's environment, in which nobody tells who the neighbours are."""
    rps = pytest.importorskip("pettingzoo.classic.rps_v2", exc_type=ImportError)
    learner = Reinforce(rps.parallel_env(max_cycles=5), credit="own", seed=0)
    learner.learn(total_episodes=60)
    assert learner.theta.shape == (2, 4, 2, 1)
    assert all(entry["global_return"] == 0.0 for entry in learner.history)  # zero sum
    assert learner.env_steps.tolist() == [300]
    assert learner.theta.any()
    with pytest.raises(ValueError, match=r"topology, got neither"):
        Reinforce(rps.parallel_env(), credit="local").learn(total_episodes=1)
