"""The dict view: PettingZoo's API, its own promises, bad input, and 100,000 agents."""

from __future__ import annotations

import copy
import operator
import pickle
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from gymnasium import spaces
from gymnasium.error import ResetNeeded

import crl_envs
from crl_envs.testing import check_parallel_env
from tests.bad_values import Mute
from tests.core.toy import TOY

SYSADMIN = "crl/sysadmin-v0"
CASES = [
    (TOY, {"n_agents": 3}),
    ("crl/bandit-v0", {"n_agents": 3}),
    (SYSADMIN, {"n_agents": 4, "horizon": 5}),
    (SYSADMIN, {"n_agents": 1, "horizon": 5}),
    (SYSADMIN, {"n_agents": 5, "topology": "star", "observe": "neighborhood", "horizon": 5}),
    (SYSADMIN, {"n_agents": 3, "dynamics": "ippc2011", "relabel": True, "horizon": 5}),
    (SYSADMIN, {"n_agents": 3, "dynamics": "status-load", "horizon": 5}),
]
each_case = pytest.mark.parametrize(("id", "kwargs"), CASES)


@pytest.fixture
def env() -> Any:
    env = crl_envs.make(SYSADMIN, n_agents=3)
    env.reset(seed=0)
    return env


def zeros(env: Any) -> dict[str, int]:
    return dict.fromkeys(env.agents, 0)


class TestContract:
    def test_conformance_kit(self) -> None:
        """The real environments are in tests/test_conformance.py."""
        check_parallel_env(lambda: crl_envs.make(TOY))

    @each_case
    def test_copies_go_on_alike(self, id: str, kwargs: dict[str, Any]) -> None:
        """Pickled and copied in the middle of an episode; the streams go on into the next episode."""
        env = crl_envs.make(id, **kwargs)
        env.reset(seed=3)
        if id != "crl/bandit-v0":
            env.step(zeros(env))
        twins = [copy.deepcopy(env), pickle.loads(pickle.dumps(env))]
        for _ in range(3):
            while env.agents:
                actions = zeros(env)
                expected = repr(env.step(actions))
                assert [repr(twin.step(actions)) for twin in twins] == [expected] * 2
            expected = repr(env.reset())
            assert [repr(twin.reset()) for twin in twins] == [expected] * 2
            np.testing.assert_array_equal(twins[0].state(), env.state())


class TestAgents:
    def test_names(self, env: Any) -> None:
        assert env.possible_agents == env.agents == ["agent_0", "agent_1", "agent_2"]
        assert env.num_agents == env.max_num_agents == 3

    def test_nobody_before_the_first_reset(self) -> None:
        assert crl_envs.make(SYSADMIN).agents == []

    def test_all_leave_together_and_come_back(self) -> None:
        env = crl_envs.make(SYSADMIN, n_agents=2, horizon=2)
        env.reset(seed=0)
        _, _, terminations, truncations, _ = env.step(zeros(env))
        assert truncations == terminations == {"agent_0": False, "agent_1": False}
        _, _, terminations, truncations, _ = env.step(zeros(env))
        assert truncations == {"agent_0": True, "agent_1": True}
        assert terminations == {"agent_0": False, "agent_1": False}
        assert env.agents == []
        env.reset()
        assert env.agents == env.possible_agents

    def test_changing_the_lists_changes_nothing(self, env: Any) -> None:
        env.agents.remove("agent_1")
        assert env.possible_agents == ["agent_0", "agent_1", "agent_2"]

    def test_topology(self) -> None:
        env = crl_envs.make(SYSADMIN, n_agents=4, topology="star")
        _, infos = env.reset(seed=0)
        assert infos["agent_0"]["neighbors"] == ("agent_1", "agent_2", "agent_3")
        assert infos["agent_2"]["neighbors"] == ("agent_0",)
        assert sorted(env.topology.successors(0)) == [1, 2, 3]
        assert env.unwrapped.topology.number_of_nodes() == 4


class TestSpaces:
    @each_case
    def test_the_same_object_at_each_call(self, id: str, kwargs: dict[str, Any]) -> None:
        env = crl_envs.make(id, **kwargs)
        for agent in env.possible_agents:
            assert env.observation_space(agent) is env.observation_space(agent)
            assert env.action_space(agent) is env.action_space(agent)
            assert env.observation_spaces[agent] is env.observation_space(agent)
            assert env.action_spaces[agent] is env.action_space(agent)
            assert env.observation_space(agent) == env.world.single_observation_space
            assert env.action_space(agent) == env.world.single_action_space

    def test_each_agent_has_its_own(self, env: Any) -> None:
        """Seeding one agent's sampler leaves the others' alone."""
        first, second = env.action_space("agent_0"), env.action_space("agent_1")
        assert first is not second
        second.seed(0)
        expected = [int(second.sample()) for _ in range(20)]
        second.seed(0)
        first.seed(0)
        first.sample()
        assert [int(second.sample()) for _ in range(20)] == expected

    @pytest.mark.parametrize("agent", ["agent_3", "agent_-1", "nobody", 0])
    def test_unknown_agent(self, env: Any, agent: Any) -> None:
        for space in (env.observation_space, env.action_space):
            with pytest.raises(ValueError, match=r"agent must be one of agent_0 … agent_2, got"):
                space(agent)

    @each_case
    def test_state(self, id: str, kwargs: dict[str, Any]) -> None:
        """In its space, fresh at each call, and valid after the end of the episode."""
        env = crl_envs.make(id, **kwargs)
        env.reset(seed=0)
        while env.agents:
            env.step(zeros(env))
            state = env.state()
            assert state.ndim == 1
            assert env.state_space.contains(state)
            kept = state.copy()
            state[...] = 0
            np.testing.assert_array_equal(env.state(), kept)

    def test_state_is_what_all_observe(self) -> None:
        env = crl_envs.make(SYSADMIN, n_agents=6)
        observations, _ = env.reset(seed=0)
        assert env.state().tolist() == list(observations.values())
        assert isinstance(env.state_space, spaces.MultiDiscrete)


class TestActions:
    @pytest.mark.parametrize("actions", [None, [0, 0, 0], 1])
    def test_no_dict(self, env: Any, actions: Any) -> None:
        env.reset(seed=0)
        with pytest.raises(ValueError, match="actions must be a dict"):
            env.step(actions)

    def test_one_that_raises_when_asked(self, env: Any) -> None:
        env.reset(seed=0)
        with pytest.raises(ValueError, match="action of agent_0 must be in"):
            env.step(dict.fromkeys(env.agents, 0) | {"agent_0": Mute()})

    def test_of_what_names_no_agent(self, env: Any) -> None:
        with pytest.raises(ValueError, match="agent must be one of"):
            env.action_space(["agent_0"])

    def test_missing(self, env: Any) -> None:
        with pytest.raises(ValueError, match=r"missing \['agent_1'\], unknown \[\]"):
            env.step({"agent_0": 0, "agent_2": 0})

    def test_unknown(self, env: Any) -> None:
        with pytest.raises(ValueError, match=r"missing \[\], unknown \['agent_3'\]"):
            env.step(zeros(env) | {"agent_3": 0})

    @pytest.mark.parametrize(
        "bad", [2, -1, 256, 2**70, 0.0, 1.5, "1", None, [1], np.array([1]), np.nan]
    )
    def test_out_of_space(self, env: Any, bad: Any) -> None:
        before = env.state()
        with pytest.raises(ValueError, match=r"action of agent_1 must be in Discrete\(2\), got"):
            env.step({"agent_0": 0, "agent_1": bad, "agent_2": 1})
        np.testing.assert_array_equal(env.state(), before)

    @pytest.mark.parametrize("kind", [np.int64, np.uint8, np.int8, np.array])
    def test_numpy_integers(self, env: Any, kind: Any) -> None:
        expected = repr(env.step({"agent_0": 1, "agent_1": 0, "agent_2": 1}))
        env.reset(seed=0)
        actions = {"agent_0": kind(1), "agent_1": kind(0), "agent_2": kind(1)}
        assert repr(env.step(actions)) == expected

    def test_sampled_actions(self, env: Any) -> None:
        while env.agents:
            env.step({agent: env.action_space(agent).sample() for agent in env.agents})

    def test_order_of_the_dict_does_not_matter(self) -> None:
        one, other = (crl_envs.make(TOY, n_agents=5) for _ in "ab")
        one.reset(seed=2)
        other.reset(seed=2)
        rng = np.random.default_rng(0)
        while one.agents:
            chosen = {agent: int(rng.integers(3)) for agent in one.agents}
            shuffled = {agent: chosen[agent] for agent in rng.permutation(one.agents).tolist()}
            assert repr(one.step(chosen)) == repr(other.step(shuffled))

    def test_illegal_ones_do_nothing_and_are_flagged(self) -> None:
        """In place of an illegal action the agent rests (0), everything else being equal."""
        one, other = (crl_envs.make(TOY, n_agents=6) for _ in "ab")
        flagged = 0
        for seed in range(20):
            _, infos = one.reset(seed=seed)
            other.reset(seed=seed)
            assert not any(info["illegal_action"] for info in infos.values())
            legal = {a: bool(info["action_mask"][2]) for a, info in infos.items()}
            seen = one.step(dict.fromkeys(one.agents, 2))
            expected = other.step({a: 2 if ok else 0 for a, ok in legal.items()})
            np.testing.assert_array_equal(one.state(), other.state())
            assert seen[1] == expected[1]
            assert {a: not info["illegal_action"] for a, info in seen[4].items()} == legal
            assert not any(info["illegal_action"] for info in expected[4].values())
            flagged += sum(not ok for ok in legal.values())
        assert flagged > 0

    def test_a_mask_that_is_written_to_stays_the_envs(self) -> None:
        env = crl_envs.make(TOY, n_agents=4)
        _, infos = env.reset(seed=1)
        masks = [info["action_mask"].copy() for info in infos.values()]
        assert any(mask[2] == 0 for mask in masks)
        for info in infos.values():
            info["action_mask"][:] = 1
        infos = env.step(dict.fromkeys(env.agents, 2))[4]
        assert [info["illegal_action"] for info in infos.values()] == [m[2] == 0 for m in masks]

    def test_constant_infos_cannot_be_written_to(self, env: Any) -> None:
        """Masks that never change are one array for all steps, and infos that never change one dict: read-only."""
        env.reset(seed=0)
        info = env.step(zeros(env))[4]["agent_0"]
        with pytest.raises(ValueError, match="read-only"):
            info["action_mask"][0] = 0
        for write in (
            lambda: info.update(mine=1),
            lambda: info.pop("neighbors"),
            lambda: info.setdefault("mine", 1),
            lambda: operator.setitem(info, "mine", 1),
            lambda: operator.delitem(info, "neighbors"),
            lambda: operator.ior(info, {"mine": 1}),
        ):
            with pytest.raises(TypeError, match="write to a copy"):
                write()
        own = {**info, "mine": 1}
        assert type(info.copy()) is type(info | {}) is dict
        again = env.step(zeros(env))[4]["agent_0"]
        assert own.keys() - again.keys() == {"mine"}
        assert type(copy.deepcopy(info)) is type(pickle.loads(pickle.dumps(info))) is type(info)

    def test_infos_at_both_ends_of_an_episode_are_ones_own(self) -> None:
        """SuperSuit writes the last observations into the last infos."""
        env = crl_envs.make(SYSADMIN, n_agents=3, horizon=2)
        for seed in (0, 1):
            _, first = env.reset(seed=seed)
            env.step(zeros(env))
            *_, last = env.step(dict.fromkeys(env.possible_agents, 0))
            for infos in (first, last):
                assert "mine" not in infos["agent_0"]
                infos["agent_0"]["mine"] = 1


class TestEpisodes:
    def test_step_before_reset(self) -> None:
        for actions in ({}, {"agent_0": 0}):
            with pytest.raises(ResetNeeded):
                crl_envs.make(SYSADMIN).step(actions)

    def test_step_after_the_end(self) -> None:
        env = crl_envs.make("crl/bandit-v0", n_agents=2)
        env.reset(seed=0)
        env.step({"agent_0": 0, "agent_1": 0})
        assert env.step({}) == ({}, {}, {}, {}, {})
        with pytest.raises(ResetNeeded):
            env.step({"agent_0": 0, "agent_1": 0})

    @pytest.mark.parametrize("method", ["state", "metrics"])
    def test_reset_first(self, method: str) -> None:
        with pytest.raises(ResetNeeded, match=method):
            getattr(crl_envs.make(SYSADMIN), method)()

    @pytest.mark.parametrize("seed", [-1, 2**64, 0.5, "0", True])
    def test_bad_seed(self, env: Any, seed: Any) -> None:
        with pytest.raises(ValueError, match="seed must be an integer in"):
            env.reset(seed=seed)

    def test_seeds(self) -> None:
        """The same seed, the same run, from zero to the largest; without one the stream goes on."""
        env = crl_envs.make(
            SYSADMIN, n_agents=100
        )  # two independent starts are equal with p = 2^-100
        starts = [repr(env.reset(seed=s)[0]) for s in (0, 1, 2**64 - 1, np.int64(0))]
        assert starts[0] == starts[3]
        assert len(set(starts)) == 3
        env.reset(seed=0)
        goes_on = repr(env.reset()[0])
        assert goes_on not in starts
        env.reset(seed=0)
        assert repr(env.reset()[0]) == goes_on

    @pytest.mark.parametrize("mode", ["human", "ansi", ""])
    def test_render_mode_of_an_environment_without_any(self, mode: str) -> None:
        with pytest.raises(
            ValueError, match=r"render_mode must be None, got .*ToyEnv has no render"
        ):
            crl_envs.make(TOY, render_mode=mode)

    def test_types(self, env: Any) -> None:
        """Observations in the dtype of their space; rewards and flags are Python's own."""
        observations, _ = env.reset(seed=0)
        observed, rewards, terminations, truncations, _ = env.step(zeros(env))
        assert {type(o) for o in [*observations.values(), *observed.values()]} == {np.int64}
        assert {type(reward) for reward in rewards.values()} == {float}
        assert {type(flag) for flag in [*terminations.values(), *truncations.values()]} == {bool}

    def test_old_observations_stay(self) -> None:
        env = crl_envs.make(TOY, n_agents=4)
        observations, _ = env.reset(seed=0)
        kept = copy.deepcopy(observations)
        env.step(zeros(env))
        assert repr(observations) == repr(kept)

    def test_metrics(self) -> None:
        env = crl_envs.make(TOY, n_agents=4)
        env.reset(seed=0)
        metrics = env.metrics()
        assert type(metrics["fuse"]) is float
        assert metrics["energy"].tolist() == env.state()[:4].tolist()

    def test_str(self, env: Any) -> None:
        assert str(env) == "SysadminEnv(n_agents=3)"


@pytest.mark.parametrize("id", ["crl/bandit-v0", SYSADMIN])
def test_many_agents(id: str) -> None:
    n = 100_000
    env = crl_envs.make(id, n_agents=n)
    observations, infos = env.reset(seed=0)
    assert len(observations) == len(infos) == n
    _, rewards, *_ = env.step(dict.fromkeys(env.agents, 0))
    vec = crl_envs.make_vec(id, 1, n_agents=n)
    vec.reset(seed=0)
    np.testing.assert_array_equal(vec.step(np.zeros((1, n), np.uint8))[1][0], [*rewards.values()])
    assert 0 < sum(rewards.values()) < n


@pytest.mark.parametrize("id", ["crl/bandit-v0", "crl/load_balancing-v0", "crl/sysadmin-v0"])
@pytest.mark.parametrize("backend", ["numpy", "auto"])
def test_who_follows_a_step_reads_few_files(id: str, backend: str) -> None:
    env: Any = crl_envs.make(id, backend=backend)
    env.reset(seed=0)
    actions = dict.fromkeys(env.agents, 0)
    env.step(actions)
    env.reset()
    entered = set()

    def note(frame: Any, event: str, argument: Any) -> None:
        if event == "call" and "crl_envs" in (path := Path(frame.f_code.co_filename)).parts:
            entered.add(path)

    before = sys.getprofile()
    sys.setprofile(note)
    env.step(actions)
    sys.setprofile(before)
    assert 3 <= len(entered) <= 6, entered


class TestGeneratorForWrappers:
    def test_it_follows_the_seed_and_changes_nothing(self) -> None:
        env, plain = (crl_envs.make("crl/sysadmin-v0", n_agents=3) for _ in range(2))
        drawn = []
        for seed in (5, 6, 5):
            assert str(env.reset(seed=seed)) == str(plain.reset(seed=seed))
            drawn.append(env.np_random.integers(2**32, size=4).tolist())
            chosen = dict.fromkeys(env.agents, 0)
            assert str(env.step(chosen)) == str(plain.step(chosen))
        assert drawn[0] == drawn[2] != drawn[1]

    def test_it_goes_on_without_a_seed_and_in_copies(self) -> None:
        env = crl_envs.make("crl/sysadmin-v0", n_agents=3)
        env.reset(seed=5)
        first = env.np_random.integers(2**32, size=4).tolist()
        env.reset()
        twin = pickle.loads(pickle.dumps(env))
        second = env.np_random.integers(2**32, size=4).tolist()
        assert second != first
        assert twin.np_random.integers(2**32, size=4).tolist() == second
