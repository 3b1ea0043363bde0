"""All agents as one: spaces, actions, observations, masks and the ends of episodes."""

from __future__ import annotations

import copy
import pickle
import warnings
from typing import Any

import gymnasium
import numpy as np
import pytest
from gymnasium import spaces
from gymnasium.error import ResetNeeded
from gymnasium.utils.env_checker import check_env
from hypothesis import given
from hypothesis import strategies as st

from crl_envs.wrappers import GlobalReward, JointAction
from tests.core.toy import TOY
from tests.rendering.playing import interactive_backend
from tests.wrappers.foreign import Leavers, Spaced
from tests.wrappers.making import make, make_vec

NO_SPEC = "Not able to test alternative render modes"

MAKERS = {
    "sysadmin": lambda: make("crl/sysadmin-v0", n_agents=3),
    "neighborhood": lambda: make(
        "crl/sysadmin-v0", n_agents=4, topology="star", observe="neighborhood"
    ),
    "bandit": lambda: make("crl/bandit-v0", n_agents=3),
    "box and masks": lambda: make(TOY),
    "leavers": Leavers,
}


def messages_of_check_env(env: gymnasium.Env[Any, Any]) -> list[str]:
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        check_env(env)
    return [str(warning.message) for warning in caught]


@pytest.mark.parametrize("make", MAKERS.values(), ids=MAKERS)
def test_check_env_directly(make: Any) -> None:
    messages = messages_of_check_env(JointAction(make()))
    assert [m for m in messages if NO_SPEC not in m] == []
    assert len(messages) == 1  # without a spec it can't make others


@pytest.mark.parametrize("id", ["crl/sysadmin-joint-v0", "crl/bandit-joint-v0"])
def test_check_env_through_gymnasium(id: str) -> None:
    env = gymnasium.make(f"crl_envs:{id}", n_agents=3)
    assert isinstance(env.unwrapped, JointAction)
    assert env.action_space.shape == (3,)
    with interactive_backend():  # it tries all render modes
        assert messages_of_check_env(env.unwrapped) == []
    made = gymnasium.make_vec(f"crl_envs:{id}", num_envs=2, n_agents=3)
    assert made.reset(seed=0)[0].shape == (2, 3)


@pytest.mark.parametrize("reduce", ["mean", "sum"])
@pytest.mark.parametrize("make", MAKERS.values(), ids=MAKERS)
def test_same_episode_as_under_global_reward(make: Any, reduce: str) -> None:
    joint, parallel = JointAction(make(), reduce=reduce), GlobalReward(make(), reduce=reduce)
    agents = parallel.possible_agents
    joint.action_space.seed(0)
    for seed in (5, None):
        seen, _ = joint.reset(seed=seed)
        observations, infos = parallel.reset(seed=seed)
        last = dict(observations)
        ended = False
        while not ended:
            assert seen.tolist() == np.concatenate([np.ravel(last[a]) for a in agents]).tolist()
            assert joint.observation_space.contains(seen)
            action = joint.action_space.sample()
            every = dict(zip(agents, action.tolist(), strict=True))
            played = {a: every[a] for a in parallel.agents}
            seen, reward, terminated, truncated, info = joint.step(action)
            observations, team, terminations, truncations, infos = parallel.step(played)
            last |= observations
            assert reward == next(iter(team.values()))
            own = [infos[a]["local_reward"] if a in infos else 0.0 for a in agents]
            assert info["local_rewards"].tolist() == own
            assert info["local_rewards"].dtype == np.float64
            ended = not parallel.agents
            assert (terminated or truncated) == ended
            if ended:
                assert terminated == any(terminations.values())
                assert truncated == any(truncations.values())


def test_masks_are_concatenated() -> None:
    env = JointAction(make(TOY))
    seen = set()
    for seed in range(5):
        _, info = env.reset(seed=seed)
        ended = False
        while not ended:
            mask = info["action_mask"]
            assert mask.dtype == np.int8
            assert mask.shape == (12,)
            energy = env.state()[:4]
            expected = np.stack([np.ones(4), energy > 0, energy % 2 == 0], axis=1)
            assert mask.tolist() == expected.ravel().tolist()
            assert env.action_masks().dtype == np.bool_
            assert env.action_masks().tolist() == (mask == 1).tolist()
            seen.add(tuple(mask))
            action = env.action_space.sample(mask=tuple(mask.reshape(4, 3)))
            _, _, terminated, truncated, info = env.step(action)
            ended = terminated or truncated
        energy = env.state()[:4]  # at the end, too, what the environment tells
        expected = np.stack([np.ones(4), energy > 0, energy % 2 == 0], axis=1)
        assert info["action_mask"].tolist() == expected.ravel().tolist()
    assert len(seen) > 5


@pytest.mark.parametrize(
    ("last", "ends"), [("truncated", (False, True)), ("terminated", (True, False))]
)
def test_agents_that_leave_early(last: str, ends: tuple[bool, bool]) -> None:
    env = JointAction(Leavers(last))
    assert env.action_space == spaces.MultiDiscrete([2, 3, 4], start=[0, 1, 2])
    assert env.observation_space == spaces.MultiDiscrete([5, 5, 5], start=[0, 1, 2])
    observation, info = env.reset(seed=0)
    assert observation.tolist() == [0, 1, 2]
    assert info["action_mask"].tolist() == [1] * 9
    steps = [env.step(np.array([1, 2, 3])) for _ in range(3)]
    # Who has left keeps what it saw last, earns nothing and has one action left, which is ignored.
    assert [step[0].tolist() for step in steps] == [[1, 2, 3], [1, 3, 4], [1, 3, 5]]
    assert [step[1] for step in steps] == [112.0, 217.5, 323.0]
    assert [step[2:4] for step in steps] == [(False, False), (False, False), ends]
    assert [step[4]["local_rewards"].tolist() for step in steps] == [
        [101.0, 112.0, 123.0],
        [0.0, 212.0, 223.0],
        [0.0, 0.0, 323.0],
    ]
    assert steps[0][4]["action_mask"].tolist() == [1, 0, 1, 1, 1, 1, 1, 1, 1]
    assert steps[1][4]["action_mask"].tolist() == [1, 0, 1, 0, 0, 1, 1, 1, 1]
    assert env.env.given[1:] == [{"green": 2, "blue": 3}, {"blue": 3}]
    with pytest.raises(ResetNeeded, match="reset"):
        env.step(np.array([1, 2, 3]))
    assert env.reset()[0].tolist() == [0, 1, 2]


def test_truncation_of_one_among_terminations() -> None:
    class Mixed(Leavers):
        def step(self, actions: dict[str, Any]) -> Any:
            *rest, infos = super().step(actions)
            rest[2], rest[3] = rest[3], rest[2]  # red and green truncated, blue terminated
            return *rest, infos

    env = JointAction(Mixed())
    env.reset()
    assert [env.step(np.array([0, 1, 2]))[2:4] for _ in range(3)][-1] == (False, True)


def test_both_flags_at_once_are_a_termination() -> None:
    class Both(Leavers):
        def step(self, actions: dict[str, Any]) -> Any:
            *rest, infos = super().step(actions)
            rest[2] = rest[3] = {a: rest[2][a] or rest[3][a] for a in rest[2]}
            return *rest, infos

    env = JointAction(Both())
    env.reset()
    assert [env.step(np.array([0, 1, 2]))[2:4] for _ in range(3)][-1] == (True, False)


def test_an_episode_knows_nothing_of_the_one_before() -> None:
    env = JointAction(Leavers("truncated"))
    ends = []
    for last in ("truncated", "terminated"):
        env.env.last = last
        env.reset()
        ends.append([env.step(np.array([0, 1, 2]))[2:4] for _ in range(3)][-1])
    assert ends == [(False, True), (True, False)]


def test_an_agent_that_has_not_come_yet_is_seen_as_nothing() -> None:
    class Late(Leavers):
        late = False

        def reset(self, seed: int | None = None, options: Any = None) -> Any:
            observations, infos = super().reset(seed, options)
            if self.late:
                self.agents = ["green", "blue"]
                return {a: observations[a] for a in self.agents}, {a: {} for a in self.agents}
            return observations, infos

    env = JointAction(Late())
    env.reset()
    assert env.step(np.array([0, 1, 2]))[0].tolist() == [1, 2, 3]
    env.env.late = True
    observation, info = env.reset()
    assert observation.tolist() == [0, 1, 2]
    assert info["action_mask"].tolist() == [1, 0, 1, 1, 1, 1, 1, 1, 1]


SOME_SPACES = [
    spaces.Discrete(3),
    spaces.Discrete(2, start=-4),
    spaces.MultiDiscrete([2, 5]),
    spaces.MultiDiscrete([[2, 3], [4, 5]], start=[[1, 1], [0, -1]]),
]
SOME_BOXES = [
    spaces.Box(-1, 1, (), np.float32),
    spaces.Box(0, 255, (2, 3), np.uint8),
    spaces.Box(np.array([2.0, -9.0]), np.array([3.0, -8.0]), dtype=np.float64),
]


@given(
    observed=st.one_of(
        st.lists(st.sampled_from(SOME_SPACES), min_size=2, max_size=4),
        st.lists(st.sampled_from(SOME_BOXES), min_size=2, max_size=4),
    ),
    acted=st.lists(st.sampled_from(SOME_SPACES), min_size=4, max_size=4),
    seed=st.integers(0, 99),
)
def test_any_mixture_of_spaces(observed: list[Any], acted: list[Any], seed: int) -> None:
    agents = list(range(len(observed)))
    inner = Spaced(
        dict(zip(agents, copy.deepcopy(observed), strict=True)),
        dict(zip(agents, acted, strict=False)),
    )
    env = JointAction(inner)
    joint, info = env.reset(seed=seed)
    assert joint.tolist() == np.concatenate([np.ravel(o) for o in inner.seen.values()]).tolist()
    assert env.observation_space.contains(joint)
    env.action_space.seed(seed)
    action = env.action_space.sample()
    assert info["action_mask"].shape == (env.action_space.nvec.sum(),)
    env.step(action)  # Spaced checks that each agent's action is in its space
    taken = [np.ravel(a) for a in inner.last_actions.values()]
    assert np.concatenate(taken).tolist() == action.tolist()


def test_masks_of_multidiscrete_actions() -> None:
    observed = dict.fromkeys("abc", spaces.Discrete(2))
    acted = dict.fromkeys("abc", spaces.MultiDiscrete([2, 3]))
    masks = {"a": (np.array([0, 1]), np.array([1, 0, 1])), "b": np.array([1, 0, 0, 1, 1])}
    env = JointAction(Spaced(observed, acted, masks))
    expected = [0, 1, 1, 0, 1] + [1, 0, 0, 1, 1] + [1] * 5
    assert env.reset()[1]["action_mask"].tolist() == expected
    env = JointAction(Spaced(observed, acted, {"b": np.ones(3)}))
    with pytest.raises(ValueError, match="action_mask of b must have 5 entries, got 3"):
        env.reset()


def test_seed_options_metadata_render_and_close_pass_through() -> None:
    inner = Leavers(render_mode="ansi")
    env = JointAction(inner)
    env.reset(seed=0, options={"level": 3})
    env.reset()
    assert inner.told == [(0, {"level": 3}), (None, None)]
    assert env.render_mode == "ansi"
    assert env.metadata["render_modes"] == ["ansi"]
    assert env.render() == "step 0"
    assert env.state().tolist() == [0]
    env.close()
    assert inner.closed


def test_what_is_returned_is_fresh() -> None:
    env = JointAction(Leavers())
    first, info = env.reset()
    first[:] = 4
    info["action_mask"][:] = 0
    assert env.action_masks().all()
    first = env.step(np.array([1, 1, 2]))[0]
    assert first.tolist() == [1, 2, 3]
    first[:] = 4
    assert env.step(np.array([1, 1, 2]))[0].tolist() == [1, 3, 4]  # red has left, having seen 1
    assert env.reset()[0].tolist() == [0, 1, 2]


@pytest.mark.parametrize("seed", [-1, 1.5, 2**64])
def test_bad_seeds(seed: Any) -> None:
    env = JointAction(make("crl/bandit-v0"))
    with pytest.raises(ValueError, match="seed must be an integer in"):
        env.reset(seed=seed)


def test_bad_actions() -> None:
    env = JointAction(Leavers())
    with pytest.raises(ResetNeeded, match="reset"):
        env.step(np.array([0, 1, 2]))
    env.reset()
    bads = [np.array([0, 1]), np.array([0, 1, 6]), np.array([0.0, 1.0, 2.0]), np.array([0, 0, 2])]
    for bad in bads:
        with pytest.raises(ValueError, match=r"action must be .* in MultiDiscrete"):
            env.step(bad)
    assert env.env.given == []


def test_bad_environments() -> None:
    with pytest.raises(ValueError, match="reduce must be one of 'mean', 'sum', got 'median'"):
        JointAction(Leavers(), reduce="median")
    for other in (None, make_vec("crl/bandit-v0")):
        with pytest.raises(ValueError, match="env must be a ParallelEnv, got"):
            JointAction(other)
    discrete, box = spaces.Discrete(2), spaces.Box(0, 1, (2,))
    with pytest.raises(ValueError, match=r"action space of b must be Discrete or .* got Box"):
        JointAction(Spaced({"a": discrete, "b": discrete}, {"a": discrete, "b": box}))
    with pytest.raises(ValueError, match=r"observation space of b must be .* got Box"):
        JointAction(Spaced({"a": discrete, "b": box}, {"a": discrete, "b": discrete}))
    with pytest.raises(ValueError, match=r"observation space of a must be .* got Text"):
        JointAction(Spaced({"a": spaces.Text(3)}, {"a": discrete}))
    with pytest.raises(ValueError, match="at least one possible agent"):
        JointAction(Spaced({}, {}))


@pytest.mark.parametrize("clone", [copy.deepcopy, lambda e: pickle.loads(pickle.dumps(e))])
def test_clone_goes_on_alike(clone: Any) -> None:
    env = JointAction(make(TOY))
    env.reset(seed=0)
    other = clone(env)
    for _ in range(3):
        ours, theirs = env.step(np.zeros(4, int)), other.step(np.zeros(4, int))
        assert ours[0].tolist() == theirs[0].tolist()
        assert ours[1:4] == theirs[1:4]


def test_rock_paper_scissors() -> None:
    rps = pytest.importorskip("pettingzoo.classic.rps_v2", exc_type=ImportError)
    env = JointAction(rps.parallel_env(max_cycles=3))
    observation, _ = env.reset(seed=0)
    assert env.observation_space.contains(observation)
    rock, paper = 0, 1
    results = [env.step(np.array([rock, paper])) for _ in range(3)]
    assert [r[4]["local_rewards"].tolist() for r in results] == [[-1.0, 1.0]] * 3
    assert [r[1] for r in results] == [0.0] * 3
    assert [r[0].tolist() for r in results] == [[paper, rock]] * 3
    assert [r[2:4] for r in results] == [(False, False)] * 2 + [(False, True)]


class TestFlatten:
    @pytest.mark.parametrize("make", MAKERS.values(), ids=MAKERS)
    def test_a_number_is_a_joint_action_and_its_mask(self, make: Any) -> None:
        flat, joint = JointAction(make(), flatten=True), JointAction(make())
        sizes, start = joint.action_space.nvec, joint.action_space.start
        assert flat.action_space == spaces.Discrete(int(np.prod(sizes)))
        rng = np.random.default_rng(0)
        for seed in (3, None):
            seen, told = flat.reset(seed=seed), joint.reset(seed=seed)
            for _ in range(20):
                np.testing.assert_array_equal(seen[0], told[0])
                own = np.split(told[-1]["action_mask"], np.cumsum(sizes)[:-1])
                for number in range(flat.action_space.n):
                    digits = np.unravel_index(number, sizes)
                    legal = all(part[d] for part, d in zip(own, digits, strict=True))
                    assert seen[-1]["action_mask"][number] == legal
                np.testing.assert_array_equal(flat.action_masks(), seen[-1]["action_mask"] != 0)
                number = int(rng.choice(np.flatnonzero(seen[-1]["action_mask"])))
                seen = flat.step(number)
                told = joint.step(start + np.array(np.unravel_index(number, sizes)))
                assert seen[1:4] == told[1:4]
                if seen[2] or seen[3]:
                    break

    def test_agents_without_a_choice_may_be_many(self) -> None:
        env = Leavers()
        env.possible_agents = [f"agent_{k}" for k in range(70)]
        env._observed = dict.fromkeys(env.possible_agents, spaces.Discrete(100))
        env._acted = dict.fromkeys(env.possible_agents, spaces.Discrete(1))
        env._acted["agent_69"] = spaces.Discrete(2)
        env._numbered = lambda: [
            (k, a) for k, a in enumerate(env.possible_agents) if a in env.agents
        ]  # type: ignore[method-assign]
        flat = JointAction(env, flatten=True)
        flat.reset()
        flat.step(1)
        assert env.given[-1] == {**dict.fromkeys(env.possible_agents, 0), "agent_69": 1}

    @pytest.mark.parametrize("n_agents", [16, 17, 10_000])
    def test_too_many_are_refused_with_their_number(self, n_agents: int) -> None:
        env = make("crl/sysadmin-v0", n_agents=n_agents)
        if n_agents == 16:
            assert JointAction(env, flatten=True).action_space.n == 65_536
            return
        number = {17: r"1\.3e\+05", 10_000: r"10\^3010"}[n_agents]
        with pytest.raises(ValueError, match=f"at most 65536 joint actions, got {number}"):
            JointAction(env, flatten=True)

    def test_through_gymnasium(self) -> None:
        env = gymnasium.make("crl/sysadmin-joint-v0", n_agents=3, flatten=True)
        assert env.action_space == spaces.Discrete(8)
        with pytest.raises(ValueError, match="flatten must be True or False, got 1"):
            gymnasium.make("crl/sysadmin-joint-v0", n_agents=3, flatten=1)
