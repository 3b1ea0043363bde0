"""The vector view: Gymnasium's autoreset rules, spaces and bad input."""

from __future__ import annotations

import copy
import pickle
import threading
from importlib.metadata import version
from typing import Any

import gymnasium
import numpy as np
import pytest
from gymnasium import spaces
from gymnasium.error import ResetNeeded
from gymnasium.vector import AutoresetMode, SyncVectorEnv
from gymnasium.wrappers.vector import RecordEpisodeStatistics
from packaging.version import Version

import crl_envs
from crl_envs.testing.compare import difference
from tests.core.toy import TOY
from tests.views import BACKENDS, choose

since_1_4 = pytest.mark.skipif(
    Version(version("gymnasium")) < Version("1.4"),
    reason="older RecordEpisodeStatistics miscount environments that reset in the same step",
)

SYSADMIN = "crl/sysadmin-v0"
LOADS = "crl/load_balancing-v0"
MODES = list(AutoresetMode)

CASES = [
    (TOY, {"n_agents": 3}),
    ("crl/bandit-v0", {"n_agents": 3}),
    (SYSADMIN, {"n_agents": 4, "horizon": 3}),
    (SYSADMIN, {"n_agents": 4, "topology": "star", "observe": "neighborhood", "horizon": 3}),
    (SYSADMIN, {"n_agents": 3, "dynamics": "status-load", "horizon": 3}),
]


class Joint(gymnasium.Env[Any, Any]):
    """The dict env as a single-agent env, the simplest way: the reward is agent 0's, infos are arrays."""

    def __init__(self, id: str, kwargs: dict[str, Any]) -> None:
        self.env = crl_envs.make(id, **kwargs)
        vec = crl_envs.make_vec(id, 1, **kwargs)
        self.observation_space = vec.single_observation_space
        self.action_space = vec.single_action_space

    def reset(self, *, seed: int | None = None, options: Any = None) -> tuple[Any, dict[str, Any]]:
        observations, infos = self.env.reset(seed=seed)
        return self._joined(observations), self._told(infos)

    def step(self, action: Any) -> tuple[Any, float, bool, bool, dict[str, Any]]:
        agents = self.env.agents
        actions = dict(zip(agents, action, strict=True))
        observations, rewards, terminations, truncations, infos = self.env.step(actions)
        first = agents[0]
        ends = terminations[first], truncations[first]
        return self._joined(observations), rewards[first], *ends, self._told(infos)

    def _joined(self, observations: dict[str, Any]) -> Any:
        return np.array(list(observations.values()), self.observation_space.dtype)

    def _told(self, infos: dict[str, Any]) -> dict[str, Any]:
        keys = [key for key in ("action_mask", "illegal_action") if key in infos["agent_0"]]
        return {key: np.array([info[key] for info in infos.values()]) for key in keys}


def actions_for(vec: Any, infos: dict[str, Any], rng: Any) -> Any:
    """Legal and other actions, ``(B, n)``."""
    n_actions = int(vec.single_action_space.nvec[0])
    masks = infos.get("action_mask", np.ones((vec.num_envs, vec.n_agents, n_actions), np.int8))
    return np.array([choose(mask, rng.integers(2**32, size=vec.n_agents)) for mask in masks])


def plain(value: Any) -> Any:
    """Arrays, also arrays of arrays, as lists."""
    if isinstance(value, dict):
        return {key: plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [plain(item) for item in value]
    return plain(value.tolist()) if isinstance(value, np.ndarray) else value


class TestAutoreset:
    @pytest.mark.parametrize("mode", MODES)
    @pytest.mark.parametrize(("id", "kwargs"), CASES)
    def test_as_gymnasium_does(self, id: str, kwargs: dict[str, Any], mode: AutoresetMode) -> None:
        """Against Gymnasium's own SyncVectorEnv of dict envs: returns, final observations and infos."""
        vec = crl_envs.make_vec(id, 3, autoreset_mode=mode, **kwargs)
        sync = SyncVectorEnv([lambda: Joint(id, kwargs)] * 3, autoreset_mode=mode)
        assert vec.metadata["autoreset_mode"] is mode
        assert vec.single_observation_space == sync.single_observation_space
        assert vec.single_action_space == sync.single_action_space
        assert vec.observation_space == sync.observation_space
        assert vec.action_space == sync.action_space

        rng = np.random.default_rng(1)
        seen, expected = vec.reset(seed=5), sync.reset(seed=5)
        np.testing.assert_array_equal(seen[0], expected[0])
        infos = seen[1]
        endings = 0
        for _ in range(60):
            actions = actions_for(vec, infos, rng)
            observations, rewards, terminated, truncated, infos = vec.step(actions)
            expected = sync.step(actions)
            np.testing.assert_array_equal(observations, expected[0])
            np.testing.assert_array_equal(rewards[:, 0], expected[1].astype(np.float32))
            np.testing.assert_array_equal(terminated, expected[2])
            np.testing.assert_array_equal(truncated, expected[3])
            for key in ("action_mask", "illegal_action"):
                if key in infos:
                    np.testing.assert_array_equal(infos[key], expected[4][key])
            ended = terminated | truncated
            endings += int(ended.sum())
            assert ("final_obs" in infos) == ("final_obs" in expected[4])
            if "final_obs" in infos:
                for key in ("_final_obs", "_final_info"):
                    np.testing.assert_array_equal(infos[key], expected[4][key])
                    assert infos[key].tolist() == ended.tolist()
                for b in range(3):
                    np.testing.assert_equal(infos["final_obs"][b], expected[4]["final_obs"][b])
                last, wanted = infos["final_info"], expected[4]["final_info"]
                for key in ("action_mask", "illegal_action"):
                    if key in last:
                        np.testing.assert_array_equal(last[key][ended], wanted[key][ended])
                        np.testing.assert_array_equal(last[f"_{key}"], wanted[f"_{key}"])
            if mode is AutoresetMode.DISABLED and ended.any():
                seen = vec.reset(options={"reset_mask": ended})
                expected = sync.reset(options={"reset_mask": ended.copy()})
                np.testing.assert_array_equal(seen[0], expected[0])
                infos = seen[1]
        assert endings >= 15
        sync.close()

    def test_disabled_columns_stand_still(self) -> None:
        """A finished column keeps its state and earns nothing, while the others go on."""
        vec = crl_envs.make_vec(TOY, 4, autoreset_mode="Disabled", n_agents=3)
        vec.reset(seed=0)
        rng = np.random.default_rng(0)
        over = np.zeros(4, np.bool_)
        before = vec.state()
        for _ in range(7):
            _, rewards, terminated, truncated, infos = vec.step(rng.integers(3, size=(4, 3)))
            state = vec.state()
            np.testing.assert_array_equal(state[over], before[over])
            assert (state[~over] != before[~over]).any()
            assert not rewards[over].any()
            assert not terminated[over].any()
            assert not truncated[over].any()
            assert not infos["illegal_action"][over].any()
            over |= terminated | truncated
            before = state
            if over.all():
                break
        assert over.all()

    def test_reset_mask_leaves_the_others(self) -> None:
        vec = crl_envs.make_vec(SYSADMIN, 3, n_agents=50)
        vec.reset(seed=0)
        vec.step(np.zeros((3, 50), np.int64))
        before = vec.state()
        mask = np.array([False, True, False])
        observations, _ = vec.reset(options={"reset_mask": mask})
        np.testing.assert_array_equal(observations[~mask], before[~mask])
        assert not np.array_equal(observations[1], before[1])
        np.testing.assert_array_equal(vec.state(), observations)

    def test_full_reset_in_the_middle(self) -> None:
        """A reset of everything gives every column a whole episode."""
        vec = crl_envs.make_vec(SYSADMIN, 2, n_agents=3, horizon=4)
        vec.reset(seed=0)
        vec.step(np.zeros((2, 3), np.int64))
        vec.reset()
        ends = [vec.step(np.zeros((2, 3), np.int64))[3].tolist() for _ in range(4)]
        assert ends == [[False, False]] * 3 + [[True, True]]


class TestSpaces:
    @pytest.mark.parametrize("backend", BACKENDS)
    @pytest.mark.parametrize(("id", "kwargs"), CASES)
    def test_what_is_returned_is_in_them(
        self, id: str, kwargs: dict[str, Any], backend: str
    ) -> None:
        given = kwargs if id == TOY else kwargs | {"backend": backend}
        vec = crl_envs.make_vec(id, 3, autoreset_mode="SameStep", **given)
        agents = crl_envs.make_gym_vec(id, 3, autoreset_mode="SameStep", **given)
        for view in (vec, agents):
            view.action_space.seed(0)
            observations, _ = view.reset(seed=0)
            assert view.observation_space.contains(observations)
            final = 0
            for _ in range(12):
                observations, rewards, terminated, truncated, infos = view.step(
                    view.action_space.sample()
                )
                assert view.observation_space.contains(observations)
                assert view.single_observation_space.contains(observations[0])
                assert rewards.dtype == np.float32
                assert np.isfinite(rewards).all()
                assert terminated.dtype == truncated.dtype == np.bool_
                assert not (terminated & truncated).any()
                for last in infos.get("final_obs", []):
                    if last is not None:
                        final += 1
                        assert view.single_observation_space.contains(last)
            assert final > 0
        assert vec.world.single_state_space.contains(vec.state()[0])

    @pytest.mark.parametrize(("id", "kwargs"), CASES)
    def test_shapes(self, id: str, kwargs: dict[str, Any]) -> None:
        vec = crl_envs.make_vec(id, 5, **kwargs)
        agents = crl_envs.make_gym_vec(id, 5, **kwargs)
        n = kwargs["n_agents"]
        inner = vec.world.single_observation_space.shape
        observations, _ = vec.reset(seed=0)
        assert observations.shape == (5, n, *inner)
        assert vec.step(vec.action_space.sample())[1].shape == (5, n)
        assert agents.num_envs == 5 * n
        assert agents.single_action_space == vec.world.single_action_space
        assert isinstance(agents.single_action_space, spaces.Discrete)
        observations, _ = agents.reset(seed=0)
        assert observations.shape == (5 * n, *inner)
        _, rewards, terminated, truncated, _ = agents.step(agents.action_space.sample())
        assert rewards.shape == terminated.shape == truncated.shape == (5 * n,)

    def test_topology(self) -> None:
        vec = crl_envs.make_vec(SYSADMIN, 2, n_agents=4)
        assert list(vec.topology.edges) == [(0, 1), (1, 2), (2, 3), (3, 0)]
        assert vec.edges.tolist() == [[0, 1], [1, 2], [2, 3], [3, 0]]


class TestResults:
    @pytest.mark.parametrize(("id", "kwargs"), CASES)
    def test_nothing_returned_is_part_of_the_env(self, id: str, kwargs: dict[str, Any]) -> None:
        """Overwriting everything that was returned changes nothing that comes later."""
        clean, dirty = (crl_envs.make_vec(id, 3, autoreset_mode="SameStep", **kwargs) for _ in "ab")
        rng = np.random.default_rng(0)
        clean.reset(seed=1)
        observations, infos = dirty.reset(seed=1)
        n_actions = int(clean.single_action_space.nvec[0])
        for _ in range(15):
            for array in [observations, dirty.state(), *dirty.metrics().values(), *infos.values()]:
                if (
                    isinstance(array, np.ndarray)
                    and array.dtype != object
                    and array.flags.writeable
                ):
                    array[...] = 1
            actions = rng.integers(n_actions, size=(3, kwargs["n_agents"]))
            seen = dirty.step(actions)
            assert plain(seen) == plain(clean.step(actions))
            observations, infos = seen[0], seen[4]

    @pytest.mark.parametrize("twin", [copy.deepcopy, lambda v: pickle.loads(pickle.dumps(v))])
    @pytest.mark.parametrize(("id", "kwargs"), CASES)
    def test_copies_go_on_alike(self, id: str, kwargs: dict[str, Any], twin: Any) -> None:
        vec = crl_envs.make_vec(id, 2, **kwargs)
        rng = np.random.default_rng(0)
        n_actions = int(vec.single_action_space.nvec[0])
        plans = rng.integers(n_actions, size=(12, 2, kwargs["n_agents"]))
        vec.reset(seed=0)
        for actions in plans[:4]:
            vec.step(actions)
        other = twin(vec)
        for actions in plans[4:]:
            assert plain(other.step(actions)) == plain(vec.step(actions))
        np.testing.assert_array_equal(other.state(), vec.state())

    @pytest.mark.parametrize("backend", BACKENDS)
    def test_threads_do_not_matter(self, backend: str) -> None:
        """Four envs in four threads (the numba kernels release the lock) and the same one after the other."""

        def play(seed: int) -> Any:
            vec = crl_envs.make_vec(SYSADMIN, 5, n_agents=300, backend=backend)
            vec.reset(seed=seed)
            actions = np.zeros((5, 300), np.uint8)
            return [vec.step(actions)[0].copy() for _ in range(40)]

        together: dict[int, Any] = {}
        threads = [
            threading.Thread(target=lambda s=s: together.__setitem__(s, play(s))) for s in range(4)
        ]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        for seed in range(4):
            np.testing.assert_array_equal(together[seed], play(seed))

    def test_no_seed_goes_on(self) -> None:
        vec = crl_envs.make_vec(SYSADMIN, 2, n_agents=64)
        first, _ = vec.reset(seed=0)
        second, _ = vec.reset()
        again, _ = vec.reset(seed=0)
        assert not np.array_equal(first, second)  # equal with probability 2^-128
        np.testing.assert_array_equal(first, again)

    def test_metrics_have_the_batch_first(self) -> None:
        vec = crl_envs.make_vec(TOY, 3, n_agents=5)
        vec.reset(seed=0)
        assert vec.metrics()["fuse"].shape == (3,)
        assert vec.metrics()["energy"].shape == (3, 5)


class TestBadInput:
    @pytest.mark.parametrize("num_envs", [0, -1, 1.5, "3", None, True])
    def test_num_envs(self, num_envs: Any) -> None:
        with pytest.raises(ValueError, match="num_envs must be an integer ≥ 1"):
            crl_envs.make_vec(SYSADMIN, num_envs)

    @pytest.mark.parametrize("mode", ["same_step", 3, None])
    def test_autoreset_mode(self, mode: Any) -> None:
        with pytest.raises(ValueError, match=r"autoreset_mode must be one of 'NextStep'.*got"):
            crl_envs.make_vec(SYSADMIN, 2, autoreset_mode=mode)

    @pytest.mark.parametrize(
        "actions",
        [
            np.zeros((2, 4), np.int64),
            np.zeros((3, 2), np.int64),
            np.zeros(6, np.int64),
            np.zeros((2, 3)),
            np.zeros((2, 3), np.bool_),
            np.zeros((2, 3), object),
        ],
    )
    def test_actions_of_another_kind(self, actions: Any) -> None:
        vec = crl_envs.make_vec(SYSADMIN, 2, n_agents=3)
        vec.reset(seed=0)
        with pytest.raises(ValueError, match=r"actions must be an integer array of shape \(2, 3\)"):
            vec.step(actions)

    @pytest.mark.parametrize("bad", [-1, 2, 256, 2**40])
    def test_actions_out_of_range(self, bad: int) -> None:
        vec = crl_envs.make_vec(SYSADMIN, 2, n_agents=3)
        vec.reset(seed=0)
        before = vec.state()
        actions = np.zeros((2, 3), np.int64)
        actions[1, 2] = bad
        with pytest.raises(ValueError, match=rf"actions must be in \[0, 1\], got {bad}"):
            vec.step(actions)
        np.testing.assert_array_equal(vec.state(), before)

    @pytest.mark.parametrize("dtype", [np.uint8, np.int8, np.int32, np.int64, np.uint64])
    def test_any_integers_will_do(self, dtype: Any) -> None:
        vec = crl_envs.make_vec(SYSADMIN, 2, n_agents=3)
        vec.reset(seed=0)
        expected = vec.step(np.array([[0, 1, 0], [1, 1, 0]]))[0]
        vec.reset(seed=0)
        actions = np.array([[0, 1, 0], [1, 1, 0]], dtype, order="F")
        np.testing.assert_array_equal(vec.step(actions)[0], expected)

    @pytest.mark.parametrize(
        "mask",
        [
            [True],
            np.array([True, False, True]),
            np.array([1, 0]),
            np.array([False, False]),
            np.array([[True, False]]),
            None,
        ],
    )
    def test_reset_mask(self, mask: Any) -> None:
        vec = crl_envs.make_vec(SYSADMIN, 2)
        vec.reset(seed=0)
        with pytest.raises(
            ValueError, match=r"options\['reset_mask'\] must be a bool array of shape \(2,\)"
        ):
            vec.reset(options={"reset_mask": mask})

    def test_reset_mask_needs_a_reset_and_no_seed(self) -> None:
        vec = crl_envs.make_vec(SYSADMIN, 2)
        options = {"reset_mask": np.array([True, False])}
        with pytest.raises(ValueError, match="reset_mask needs an earlier"):
            vec.reset(options=options)
        vec.reset(seed=0)
        with pytest.raises(ValueError, match="and no seed"):
            vec.reset(seed=0, options=options)

    @pytest.mark.parametrize("seed", [-1, 2**64 - 1, 0.5, "0", False])
    def test_seed(self, seed: Any) -> None:
        vec = crl_envs.make_vec(SYSADMIN, 2)
        with pytest.raises(ValueError, match=r"seed must be an integer in \[0, "):
            vec.reset(seed=seed)

    @pytest.mark.parametrize("method", ["state", "metrics"])
    def test_reset_first(self, method: str) -> None:
        vec = crl_envs.make_vec(SYSADMIN, 1, n_agents=2)
        with pytest.raises(ResetNeeded, match=method):
            getattr(vec, method)()
        with pytest.raises(ResetNeeded, match="step"):
            vec.step(np.zeros((1, 2), np.int64))


class TestAgents:
    def test_uneven_reset_mask(self) -> None:
        agents = crl_envs.make_gym_vec(SYSADMIN, 2, n_agents=3)
        agents.reset(seed=0)
        mask = np.array([True, True, False, False, False, False])
        with pytest.raises(ValueError, match="equal for all agents of an environment"):
            agents.reset(options={"reset_mask": mask})
        with pytest.raises(ValueError, match=r"must have shape \(6,\), got \(2,\)"):
            agents.reset(options={"reset_mask": np.array([True, False])})

    @pytest.mark.parametrize("shape", [(5,), (2, 3), (6, 1), ()])
    def test_shape_of_actions(self, shape: tuple[int, ...]) -> None:
        agents = crl_envs.make_gym_vec(SYSADMIN, 2, n_agents=3)
        agents.reset(seed=0)
        with pytest.raises(ValueError, match=r"actions must have shape \(6,\)"):
            agents.step(np.zeros(shape, np.int64))

    @pytest.mark.parametrize("mode", ["NextStep", pytest.param("SameStep", marks=since_1_4)])
    def test_gymnasium_counts_each_agents_return(self, mode: str) -> None:
        """Gymnasium's RecordEpisodeStatistics around it: the returns of agents and their episodes' lengths."""
        agents = RecordEpisodeStatistics(
            crl_envs.make_gym_vec(SYSADMIN, 2, autoreset_mode=mode, n_agents=3, horizon=5)
        )
        vec = crl_envs.make_vec(SYSADMIN, 2, autoreset_mode=mode, n_agents=3, horizon=5)
        agents.reset(seed=0)
        vec.reset(seed=0)
        rng = np.random.default_rng(0)
        total, recorded = np.zeros((2, 3)), 0
        for _ in range(17):
            actions = rng.integers(2, size=(2, 3))
            _, rewards, _, truncated, _ = vec.step(actions)
            total += rewards
            infos = agents.step(actions.reshape(6))[4]
            assert ("episode" in infos) == bool(truncated.any())
            if truncated.any():
                np.testing.assert_array_equal(infos["episode"]["r"], total.reshape(6))
                assert (infos["episode"]["l"] == 5).all()
                total[:] = 0
                recorded += 1
        assert recorded >= 2


class TestKeptArrays:
    """``copy=False``: the same numbers, in arrays that may be those of the call before."""

    @pytest.mark.parametrize("mode", MODES)
    @pytest.mark.parametrize(
        ("id", "arguments"), [*CASES, (LOADS, {"n_agents": 5, "max_steps": 7})]
    )
    def test_are_the_same_numbers(self, id: str, arguments: Any, mode: AutoresetMode) -> None:
        fresh, kept = (
            crl_envs.make_vec(id, 3, autoreset_mode=mode, copy=copy, **arguments)
            for copy in (True, False)
        )
        rng = np.random.default_rng(0)
        seen = fresh.reset(seed=1)
        assert not difference(seen, kept.reset(seed=1))
        ends = []
        for _ in range(20):
            if mode is AutoresetMode.DISABLED and fresh.finished.all():
                seen = fresh.reset()
                assert not difference(seen, kept.reset())
            actions = actions_for(fresh, seen[-1], rng)
            seen = fresh.step(actions)
            returned = kept.step(actions)
            assert not difference(seen, returned)
            if "final_obs" in seen[-1]:
                ends.append((seen[-1], returned[-1]))
        for expected, found in ends:
            for key in ("final_obs", "final_info"):
                assert not difference(expected[key], found[key])
        assert bool(ends) == (mode is AutoresetMode.SAME_STEP)

    def test_cannot_be_written_to(self) -> None:
        vec = crl_envs.make_vec(LOADS, copy=False)
        observed, infos = vec.reset(seed=0)
        for array in (observed, infos["action_mask"], infos["dop"]):
            assert not array.flags.writeable
        assert not vec.step(np.zeros((1, 50), int))[1].flags.writeable

    def test_are_a_copied_environments_own(self) -> None:
        vec = crl_envs.make_vec(LOADS, copy=False)
        observed, _ = vec.reset(seed=0)
        before = observed.copy()
        other = copy.copy(vec)
        for _ in range(3):
            other.step(np.full((1, 50), 2))
        assert np.array_equal(observed, before)

    def test_are_in_the_spec(self) -> None:
        vec = gymnasium.make_vec(crl_envs.make_vec(LOADS, copy=False).spec)
        assert not vec.reset(seed=0)[0].flags.writeable

    def test_copy_is_true_or_false(self) -> None:
        with pytest.raises(ValueError, match="copy must be True or False"):
            crl_envs.make_vec(SYSADMIN, copy="no")  # type: ignore[arg-type]
