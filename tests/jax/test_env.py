"""Worlds in JAX: bit by bit those of `make_vec`, inside of jit, vmap and scan."""

from __future__ import annotations

import copy
import pickle
from typing import Any

import networkx as nx
import numpy as np
import pytest

jax = pytest.importorskip("jax", reason="the extra 'jax' isn't installed")

import jax.numpy as jnp  # noqa: E402

import crl_envs  # noqa: E402
from crl_envs import jax as crl_jax  # noqa: E402
from crl_envs.bandit.world import BanditWorld  # noqa: E402
from crl_envs.core.stream import Purpose  # noqa: E402
from crl_envs.core.world import World  # noqa: E402
from crl_envs.jax.stream import keys, words  # noqa: E402

SYSADMIN, BANDIT, LOADS = "crl/sysadmin-v0", "crl/bandit-v0", "crl/load_balancing-v0"
FEW: dict[str, Any] = {"n_agents": 10, "capacity": 5, "server_capacity": 9}
GRAPH = nx.gnp_random_graph(12, 0.3, seed=1, directed=True)
CASES: dict[str, tuple[str, dict[str, Any]]] = {
    "bandit": (BANDIT, {"n_agents": 7}),
    "bandit, sure": (BANDIT, {"p_correct": 1.0, "p_wrong": 0.0}),
    "bar": ("crl/bar-v0", {"n_agents": 20, "n_nights": 3}),
    "ring": (SYSADMIN, {}),
    "one machine": (SYSADMIN, {"n_agents": 1}),
    "two machines": (SYSADMIN, {"n_agents": 2, "horizon": 1}),
    "relabelled": (SYSADMIN, {"n_agents": 9, "relabel": True, "horizon": 7}),
    "lock": (SYSADMIN, {"dynamics": "lock", "topology": "star", "relabel": True}),
    "both ways": (SYSADMIN, {"dynamics": "ring-bidirectional", "start_up": 0.0}),
    "large star": (SYSADMIN, {"topology": "star", "n_agents": 40, "start_up": 1.0}),
    "ippc, grid, neighbours": (
        SYSADMIN,
        {"dynamics": "ippc2011", "topology": "grid", "n_agents": 12, "observe": "neighborhood"},
    ),
    "random": (SYSADMIN, {"topology": "random", "observe": "neighborhood"}),
    "graph": (SYSADMIN, {"topology": GRAPH}),
    "status and load": (SYSADMIN, {"dynamics": "status-load"}),
    "status and load, legs": (
        SYSADMIN,
        {"dynamics": "status-load", "topology": "legs", "n_agents": 8, "observe": "neighborhood"},
    ),
    "status and load, star": (
        SYSADMIN,
        {"dynamics": "status-load", "topology": "star", "n_agents": 30},
    ),
    "loads": (LOADS, {}),
    "loads, one agent": (LOADS, {"n_agents": 1}),
    "loads, nobody to hand on to": (LOADS, {"n_agents": 4, "out_degree": 0}),
    "loads, gradient": (LOADS, FEW | {"cost_model": "gradient", "spare": "before"}),
    "loads, gradient after": (LOADS, FEW | {"cost_model": "gradient", "min_q_value": -7.3}),
    "loads, random": (LOADS, {"n_agents": 12, "topology": "random", "capacity": 3}),
    "loads, graph": (LOADS, {"topology": GRAPH, "servers": [3], "capacity": 2}),
    "loads, lost and late": (LOADS, FEW | {"message_loss": 0.3, "message_delay": 4}),
    "loads, failures": (LOADS, FEW | {"fail_rate": 0.05, "return_rate": 0.2, "entries": [0, 4]}),
    "loads, departures": (
        LOADS,
        FEW | {"departure_rate": 0.05, "n_loads": "endless", "max_steps": 300},
    ),
    "loads, often departing": (LOADS, FEW | {"departure_rate": 0.999, "n_loads": 300}),
    "loads, arrivals": (
        LOADS,
        FEW | {"arrival_rate": 0.7, "entries": [3, 1, 8], "fail_rate": 0.02},
    ),
    "loads, many arrivals": (LOADS, FEW | {"arrival_rate": 400.0, "n_loads": 5000}),
    "loads, a server joins": (
        LOADS,
        FEW | {"join_capacity": 12, "discovery": "all", "message_loss": 0.1},
    ),
    "loads, joins at a step": (
        LOADS,
        FEW
        | {
            "join_capacity": 12,
            "join_at": 20,
            "discovery": "entry_neighbors",
            "discovery_rate": 0.4,
            "discovery_slots": 2,
        },
    ),
    "loads, anybody is found": (
        LOADS,
        {
            "capacity": [3, 0, 2, 5, 5, 5, 0, 1, 9],
            "n_agents": 9,
            "discovery": "all",
            "discover": "any",
            "discovery_slots": 3,
            "fail_rate": 0.02,
            "memory": True,
        },
    ),
    "loads, found again": (
        LOADS,
        {
            "capacity": 4,
            "n_agents": 9,
            "discovery": "all",
            "discover": "again",
            "discovery_slots": 3,
            "discovery_rate": 0.7,
            "discovery_cost": -1.5,
            "memory": "least_recent",
            "cost_model": "gradient",
            "spare": "next",
        },
    ),
    "loads, memory and timeout": (
        LOADS,
        FEW | {"memory": True, "timeout": 9, "message_delay": 3},
    ),
}
SEEDS = [0, 2**32 - 1, 2**63 + 5]


def columns_first(array: Any) -> Any:
    return np.moveaxis(np.asarray(array), -1, 0)


def chosen(env: Any, state: Any, word: Any) -> Any:
    """Actions ``[n, B]`` of words: for most of them a legal one, for the others any."""
    mask, size = env.action_mask(state), int(env.action_space.n)
    if mask is None:
        return word % size
    count = mask.astype(jnp.int32)
    left = word % count.sum(axis=1)
    legal = (jnp.cumsum(count, axis=1) <= left[:, None]).sum(axis=1, dtype=jnp.int32)
    return jnp.where(word % 97 == 0, word // 97 % size, legal)


SOONER = ("ring", "bandit")  # with each test run; compiling takes seconds
EVERY = [
    pytest.param(*case, id=name, marks=[] if name in SOONER else [pytest.mark.device])
    for name, case in CASES.items()
]


@pytest.mark.parametrize(("id", "arguments"), EVERY)
def test_a_thousand_steps_are_those_of_make_vec(id: str, arguments: dict[str, Any]) -> None:
    steps, columns = 1000, 2
    env = crl_jax.make(id, **arguments)
    shape = (steps, env.n_agents, columns)
    drawn = np.random.default_rng(0).integers(0, 2**31, shape, dtype=np.int32)

    @jax.jit
    def play(state: Any) -> Any:
        def turn(state: Any, word: Any) -> Any:
            action = chosen(env, state, word)
            seen, state, rewards, done, info = env.step(state, action)
            shown = (seen, rewards, done, info["terminated"], env.state_array(state))
            mask = env.action_mask(state)
            per_agent = env.agent_info(state) | ({} if mask is None else {"action_mask": mask})
            apart = action, info["illegal_action"] & ~done, info["final_observation"]
            return state, (shown, per_agent, apart)

        return jax.lax.scan(turn, state, jnp.asarray(drawn))[1]

    for seed in SEEDS:
        vec = crl_envs.make_vec(id, columns, autoreset_mode="SameStep", **arguments)
        seen, _ = vec.reset(seed=seed)
        first, state = env.reset(seed, num_envs=columns)
        np.testing.assert_array_equal(columns_first(first), seen)
        assert first.dtype == seen.dtype
        shown, per_agent, (actions, illegal, last) = jax.tree.map(np.asarray, play(state))
        assert shown[1].dtype == np.float32
        for t in range(steps):
            seen, rewards, terminations, truncations, infos = vec.step(actions[t].T)
            ended = terminations | truncations
            expected = [seen, rewards, ended, terminations, vec.state()]
            for found, wanted in zip(shown, expected, strict=True):
                assert np.array_equal(columns_first(found[t]), wanted), (seed, t)
            for name, found in per_agent.items():
                assert np.array_equal(columns_first(found[t]), infos[name]), (name, seed, t)
                assert found.dtype == infos[name].dtype
            if "illegal_action" in infos:
                np.testing.assert_array_equal(illegal[t].T, infos["illegal_action"])
            for b in np.flatnonzero(ended):
                np.testing.assert_array_equal(last[t][..., b], infos["final_obs"][b])


class TestOneEnvironment:
    @pytest.mark.device
    def test_is_a_column_and_a_mapped_one(self) -> None:
        env = crl_jax.make(SYSADMIN, n_agents=5, horizon=4)
        _, batch = env.reset(7, num_envs=3)
        singles = [env.reset(7 + b)[1] for b in range(3)]
        mapped = jax.vmap(env.reset)(jnp.stack([crl_jax.pair(7 + b) for b in range(3)]))[1]
        step, each = jax.jit(env.step), jax.jit(jax.vmap(env.step))
        for t in range(10):
            action = jnp.asarray(np.random.default_rng(t).integers(0, 2, (5, 3)))
            seen, batch, rewards, done, _ = step(batch, action)
            rows, mapped, paid, over, _ = each(mapped, action.T)
            np.testing.assert_array_equal(rows.T, seen)
            np.testing.assert_array_equal(paid.T, rewards)
            np.testing.assert_array_equal(over, done)
            for b in range(3):
                own, singles[b], reward, ended, _ = step(singles[b], action[:, b])
                np.testing.assert_array_equal(own, seen[:, b])
                np.testing.assert_array_equal(reward, rewards[:, b])
                assert ended == done[b]

    def test_without_autoreset_an_episode_goes_on_until_it_is_restarted(self) -> None:
        env = crl_jax.make(SYSADMIN, autoreset=False, n_agents=3, horizon=2)
        vec = crl_envs.make_vec(SYSADMIN, 2, autoreset_mode="Disabled", n_agents=3, horizon=2)
        vec.reset(seed=1)
        _, state = env.reset(1, num_envs=2)
        action = jnp.zeros((3, 2), jnp.int32)
        for _ in range(2):
            seen, state, _, done, _ = env.step(state, action)
            expected, *_ = vec.step(np.zeros((2, 3), int))
        assert done.all()
        np.testing.assert_array_equal(seen.T, expected)
        mask = np.array([True, False])
        expected, _ = vec.reset(options={"reset_mask": mask})
        state = env.restart(state, jnp.asarray(mask))
        np.testing.assert_array_equal(env.observe(state).T, expected)
        assert state.elapsed.tolist() == [0, 2]

    def test_seeds_of_every_kind(self) -> None:
        env = crl_jax.make(SYSADMIN, n_agents=50)
        seen = env.reset(2**40 + 3)[0]
        np.testing.assert_array_equal(env.reset(crl_jax.pair(2**40 + 3))[0], seen)
        key = jax.random.key(9)
        halves = jax.random.key_data(key)
        np.testing.assert_array_equal(env.reset(key)[0], env.reset(halves)[0])
        many = jax.jit(jax.vmap(env.reset))(jax.random.split(key, 4))[0]
        assert many.shape == (4, 50)
        assert len({tuple(row.tolist()) for row in many}) == 4

    @pytest.mark.parametrize(
        ("seed", "columns"), [(-1, None), (2**64, None), (0.5, None), (2**64 - 1, 2), ("0", 3)]
    )
    def test_bad_seeds(self, seed: Any, columns: Any) -> None:
        with pytest.raises(ValueError, match="seed must be an integer in"):
            crl_jax.make(SYSADMIN).reset(seed, num_envs=columns)

    def test_arrays_that_are_no_seeds(self) -> None:
        env = crl_jax.make(SYSADMIN)
        for seed, columns in ((jnp.zeros(3, jnp.uint32), None), (crl_jax.pair(1), 2)):
            with pytest.raises(ValueError, match=r"uint32\[2, …\] without num_envs"):
                env.reset(seed, num_envs=columns)


@pytest.mark.device
def test_an_action_out_of_range_is_none_and_says_so() -> None:
    env = crl_jax.make(SYSADMIN, n_agents=4)
    _, state = env.reset(0)
    wild = env.step(state, jnp.array([2, -1, 1, 0]))
    tame = env.step(state, jnp.array([0, 0, 1, 0]))
    assert wild[4]["illegal_action"].tolist() == [True, True, False, False]
    assert not tame[4]["illegal_action"].any()
    np.testing.assert_array_equal(wild[0], tame[0])
    np.testing.assert_array_equal(wild[2], tame[2])


@pytest.mark.device
def test_tables_can_be_mapped_over() -> None:
    """What happens with other probabilities is what happens in worlds made with them."""
    chances = [0.0, 0.3, 1.0]
    envs = [crl_jax.make(BANDIT, n_agents=6, p_correct=p) for p in chances]
    tables = jax.tree.map(lambda *each: jnp.stack(each), *(env.params for env in envs))
    _, state = envs[0].reset(3)
    action = jnp.asarray(envs[0].world.correct_action)
    rewards = jax.vmap(lambda params: envs[0].step(state, action, params)[2])(tables)
    for env, found in zip(envs, rewards, strict=True):
        np.testing.assert_array_equal(found, env.step(state, action)[2])
    assert rewards[0].sum() == 0
    assert rewards[2].sum() == 6


CODED = ["bandit", "ring", "ippc, grid, neighbours", "status and load, legs", "loads"]


def test_copies_keep_the_tables_that_were_put_in() -> None:
    env = crl_jax.make(BANDIT, n_agents=6, p_correct=0.0)
    env.params = crl_jax.make(BANDIT, n_agents=6, p_correct=1.0).params
    _, state = env.reset(3)
    action = jnp.asarray(env.world.correct_action)
    for twin in (env, pickle.loads(pickle.dumps(env)), copy.deepcopy(env)):
        assert twin.step(state, action)[2].sum() == 6


@pytest.mark.parametrize(("id", "arguments"), [CASES[name] for name in CODED], ids=CODED)
def test_rows_for_networks_are_those_of_the_argument_encode(
    id: str, arguments: dict[str, Any]
) -> None:
    env = crl_jax.make(id, **arguments)
    vec = crl_envs.make_vec(id, 3, encode="onehot", **arguments)
    rows, _ = vec.reset(seed=8)
    seen, state = env.reset(8, num_envs=3)
    np.testing.assert_array_equal(env.encode(seen), rows)
    np.testing.assert_array_equal(env.encode_state(state), vec.state())
    assert rows.shape[-1] == env.encoded_size
    assert vec.state().shape[-1] == env.encoded_state_size


MEASURED = {
    name: CASES[name]
    for name in ("ring", "status and load", "loads, lost and late", "loads, a server joins")
}


@pytest.mark.device
@pytest.mark.parametrize(("id", "arguments"), MEASURED.values(), ids=MEASURED)
def test_measurements(id: str, arguments: dict[str, Any]) -> None:
    vec = crl_envs.make_vec(id, 2, autoreset_mode="SameStep", **arguments)
    vec.reset(seed=1)
    env = crl_jax.make(id, **arguments)
    _, state = env.reset(1, num_envs=2)
    step, act = jax.jit(env.step), jax.jit(lambda state, word: chosen(env, state, word))
    rng = np.random.default_rng(0)
    for _ in range(60):
        action = act(state, rng.integers(0, 2**31, (env.n_agents, 2), dtype=np.int32))
        _, state, _, _, _ = step(state, action)
        vec.step(np.asarray(action).T)
    found, expected = env.metrics(state), vec.metrics()
    assert found.keys() == expected.keys()
    for name, value in expected.items():
        np.testing.assert_allclose(columns_first(found[name]), value, rtol=1e-5, err_msg=name)


@pytest.mark.device
def test_one_environment_of_loads_is_a_column() -> None:
    id, arguments = CASES["loads, anybody is found"]
    env = crl_jax.make(id, **arguments)
    seeds = jnp.stack([crl_jax.pair(7 + b) for b in range(2)])
    batch, mapped = jax.jit(env.reset)(seeds.T)[1], jax.jit(jax.vmap(env.reset))(seeds)[1]
    step, each = jax.jit(env.step), jax.jit(jax.vmap(env.step))
    act = jax.jit(lambda state, word: chosen(env, state, word))
    for t in range(100):
        rng = np.random.default_rng(t)
        action = act(batch, rng.integers(0, 2**31, (env.n_agents, 2), dtype=np.int32))
        seen, batch, rewards, done, _ = step(batch, action)
        rows, mapped, paid, over, _ = each(mapped, action.T)
        np.testing.assert_array_equal(rows, columns_first(seen))
        np.testing.assert_array_equal(paid, rewards.T)
        np.testing.assert_array_equal(over, done)


class TestRefused:
    def test_a_world_without_such_a_form_by_name(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(BanditWorld, "array_form", World.array_form)
        with pytest.raises(ValueError, match=r"bandit has no JAX form: use crl_envs.make_vec"):
            crl_jax.make(BANDIT)

    @pytest.mark.parametrize(
        ("arguments", "message"),
        [
            ({"max_in_flight": 2}, "max_in_flight must be 1 in JAX, got 2"),
            ({"max_steps": 2**31}, r"max_steps must be at most 2147483645 in JAX, got 2147483648"),
            ({"capacity": 2**30}, r"capacity must add up to at most 2147483647 in JAX, got 1073"),
            ({"n_agents": 3, "capacity": 2**24}, "capacity must be below 16777216 in JAX, got 16"),
            (
                {"n_agents": 5000, "discovery": "all"},
                "n_agents must be at most 4096 where any agent can be found in JAX, got 5000",
            ),
            (
                {"arrival_rate": 500.0, "n_loads": "endless", "max_steps": 2_000_000},
                "arrival_rate must be such that at most 2147483647 loads arrive in max_steps in JAX",
            ),
            (
                {"capacity": 50_000, "departure_rate": 0.01, "n_agents": 3},
                "departure_rate must be lower, or capacity, in JAX",
            ),
        ],
    )
    def test_loads_that_it_cannot_hold_by_name(self, arguments: Any, message: str) -> None:
        with pytest.raises(ValueError, match=message):
            crl_jax.make(LOADS, **arguments)

    def test_traced_arguments(self) -> None:
        def make(n: Any) -> Any:
            return crl_jax.make(SYSADMIN, n_agents=n).n_agents

        with pytest.raises(ValueError, match="n_agents must be an integer in"):
            jax.jit(make)(3)

    def test_bad_arguments_as_elsewhere(self) -> None:
        with pytest.raises(ValueError, match=r"no argument 'n_agent' \(did you mean 'n_agents'"):
            crl_jax.make(SYSADMIN, n_agent=3)
        with pytest.raises(ValueError, match="autoreset must be True or False"):
            crl_jax.make(SYSADMIN, autoreset="NextStep")
        with pytest.raises(ValueError, match="horizon must be an integer in"):
            crl_jax.make(SYSADMIN, horizon=2**31)

    def test_more_than_the_device_has_room_for(self) -> None:
        class Small:
            def memory_stats(self) -> dict[str, int]:
                return {"bytes_limit": 2**20}

            def __str__(self) -> str:
                return "a small one"

        env = crl_jax.make(SYSADMIN, n_agents=1000)
        env.check_room(1, Small())
        with pytest.raises(
            ValueError, match="num_envs must be smaller for a small one: 1000 environ"
        ):
            env.check_room(1000, Small())
        env.check_room(1000)  # a processor doesn't say what it has


def test_one_may_draw_from_the_same_stream_for_other_purposes() -> None:
    env = crl_jax.make(SYSADMIN, n_agents=4)
    vec = crl_envs.make_vec(SYSADMIN, 3, n_agents=4)
    vec.reset(seed=5)
    _, state = env.reset(5, num_envs=3)
    drawn = words(keys(state.seed, state.clock, Purpose.ACTION), 4)
    np.testing.assert_array_equal(drawn, vec._stream.words(Purpose.ACTION, 4))


@pytest.mark.parametrize(
    "action",
    [
        None,
        0,
        [[0, 0]] * 3,
        jnp.zeros((3, 1), jnp.int32),
        jnp.zeros((2, 3), jnp.int32),
        jnp.zeros((3, 2)),
    ],
)
def test_actions_of_another_shape_or_kind_are_refused(action: Any) -> None:
    env = crl_jax.make("crl/traffic-v0", n_agents=3)
    _, state = env.reset(0, num_envs=2)
    with pytest.raises(ValueError, match=r"action must be an integer array of shape \(3, 2\), got"):
        env.step(state, action)


def test_what_there_is_no_room_for_is_refused() -> None:
    env = crl_jax.make("crl/traffic-v0", n_agents=3)
    with pytest.raises(ValueError, match="num_envs must be at most"):
        env.reset(0, num_envs=2**40)


def test_rows_for_networks_are_made_by_the_environment_and_that_is_said() -> None:
    with pytest.raises(ValueError, match="encode must be None on JAX"):
        crl_jax.make("crl/traffic-v0", encode="onehot")
