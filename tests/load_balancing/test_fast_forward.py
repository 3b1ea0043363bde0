"""What compiled learners build on: keys, choices, rewards and ends as the views have them, and `fast_forward`."""

import networkx as nx
import numpy as np
import pytest
from gymnasium.error import ResetNeeded

import crl_envs
from crl_envs.core.stream import Purpose, Stream
from crl_envs.load_balancing import LoadBalancingWorld
from tests.load_balancing.driving import EVERYTHING, assert_same_state, rollout

pytest.importorskip("numba", reason="the fast extra is not installed")
pytestmark = pytest.mark.xdist_group("compiled load balancing")

ENV = "crl/load_balancing-v0"
SETTINGS = {
    "everything": EVERYTHING,
    "everything, gradient": EVERYTHING | {"cost_model": "gradient", "spare": "before"},
    "everything, gradient, next": EVERYTHING | {"cost_model": "gradient", "spare": "next"},
    "paper, gradient": {"cost_model": "gradient", "n_agents": 5, "capacity": 3, "servers": ()},
    "ends": {"n_agents": 5, "capacity": 1, "servers": (), "max_in_flight": 3},
    "a server that joins": {
        "n_agents": 6,
        "capacity": 1,
        "server_capacity": 2,
        "join_capacity": 3,
        "discovery": "entry_neighbors",
    },
    "graph": {"topology": nx.DiGraph([(0, 1), (0, 2), (1, 0), (2, 0)]), "capacity": [0, 1, 2]},
}


@pytest.fixture(scope="module")
def compiled():
    """Wrappers that Python can call: the functions themselves are for compiled code."""
    from numba import njit

    from crl_envs.load_balancing import numba_kernel
    from crl_envs.load_balancing.rules import has_ended
    from crl_envs.load_balancing.scalar_kernel import choices, draw_keys, reward_of

    @njit
    def read(rules, costs, state, c, legal, rewards):
        for i in range(legal.shape[0]):
            rewards[i] = reward_of(rules, costs, state, i, c)
            if state.head[i, c] >= 0:
                choices(rules, state, i, legal[i], c)
        return has_ended(state, c)

    @njit
    def advance(rules, state, actions, keys, seed, clock):
        for t in range(actions.shape[0]):
            draw_keys(rules, keys, seed, clock + np.uint64(t))
            numba_advance(rules, state, actions[t], keys)
        return has_ended(state, 0)

    numba_advance = numba_kernel.advance
    return read, advance


SEEDS = (0, 1, 2**32 - 1, 2**32, 12345678901234567, 2**63, 2**64 - 2, 2**64 - 1)
CLOCKS = (0, 1, 2**32 - 1, 2**32, 2**32 + 7, 2**40 + 3, 2**63, 2**64 - 1)


@pytest.mark.parametrize("seed", SEEDS)
def test_compiled_keys_are_those_of_the_stream(seed):
    from crl_envs.core.numba_stream import stream_key

    for clock in CLOCKS:
        stream = Stream(1)
        stream.seed(seed, np.array([clock], np.uint64))
        for purpose in Purpose:
            key = stream_key(np.uint64(seed), np.uint64(clock), int(purpose))
            assert int(key) == int(stream.keys(purpose)[0]), (clock, purpose)


@pytest.mark.parametrize("name", SETTINGS)
def test_choices_rewards_and_ends_are_those_of_the_world(name, compiled):
    read, _ = compiled
    world = LoadBalancingWorld(**SETTINGS[name])
    n, a = world.n_agents, int(world.single_action_space.n)
    holders = ends = paid = 0
    for _, _, state, reward in rollout(world, 2, 250, seed=5):
        mask, terminal = world.action_mask(state), world.terminal(state)
        for c in range(2):
            legal, rewards = np.full((n, a), 7, np.uint8), np.zeros(n, np.float32)
            assert read(world.rules, world.costs, state, c, legal, rewards) == terminal[c]
            holds = state.head[:, c] >= 0
            np.testing.assert_array_equal(legal[holds], mask[holds, :, c])
            assert (legal[~holds] == 7).all()
            if reward is not None:
                assert rewards.tobytes() == reward[:, c].tobytes()
                paid += np.count_nonzero(rewards)
            holders += np.count_nonzero(holds)
            ends += bool(terminal[c])
    assert holders > 0 and paid > 0
    assert (ends > 0) == (world.rules.n_loads < 2**62)


def player(compiled, script, most_at_once):
    """A `play` for `fast_forward` that performs scripted actions, all of which are legal."""
    _, advance = compiled

    def play(world, state, stream, most):
        todo = most_at_once if most < 0 else min(most, most_at_once)
        keys = world.blank_keys()
        done = 0
        while done < todo:
            actions = script[done][None, :, None]
            clock = stream.clock[0] + np.uint64(done)
            done += 1
            if advance(world.rules, state, actions, keys, stream.seeds[0], clock):
                break
        del script[:done]
        return done

    return play


def scripted(arguments, steps, seed):
    """Random legal actions, with what `step` made of them: [(actions, returned, state, metrics)]."""
    env = crl_envs.make(ENV, **arguments)
    rng = np.random.default_rng(seed)
    _, infos = env.reset(seed=seed)
    played = []
    for _ in range(steps):
        if not env.agents:
            break
        actions = {a: int(rng.choice(np.flatnonzero(infos[a]["action_mask"]))) for a in env.agents}
        returned = env.step(actions)
        infos = returned[-1]
        played.append((actions, returned, env.state(), env.metrics()))
    return env, played


@pytest.mark.parametrize("stretches", [(1,), (17,), (5, 1, 30)])
@pytest.mark.parametrize("name", ["everything", "paper, gradient", "a server that joins"])
def test_steps_after_a_fast_stretch_are_those_after_slow_ones(name, stretches, compiled):
    slow, played = scripted(SETTINGS[name], 80, seed=3)
    assert len(played) > sum(stretches)
    fast = crl_envs.make(ENV, **SETTINGS[name])
    fast.reset(seed=3)
    script = [np.array(list(actions.values()), np.uint8) for actions, *_ in played]
    for stretch in stretches:
        assert fast.fast_forward(player(compiled, script, stretch)) == stretch
    k = sum(stretches)
    for actions, returned, state, metrics in played[k:]:
        repeated = fast.step(actions)
        assert str(repeated) == str(returned)
        np.testing.assert_array_equal(fast.state(), state)
        assert str(fast.metrics()) == str(metrics)
    assert_same_state(slow._state, fast._state)
    if not slow.agents:
        assert str(slow.reset()) == str(fast.reset())


@pytest.mark.parametrize("limit", [1, 20])
def test_an_episode_is_truncated_after_a_stretch_to_the_horizon(limit, compiled):
    arguments = EVERYTHING | {"max_steps": limit}
    _, played = scripted(arguments, limit, seed=8)
    env = crl_envs.make(ENV, **arguments)
    env.reset(seed=8)
    script = [np.array(list(actions.values()), np.uint8) for actions, *_ in played]
    assert env.fast_forward(player(compiled, script, 1000)) == limit
    assert env.agents == []
    np.testing.assert_array_equal(env.state(), played[-1][2])
    assert env.step({}) == ({}, {}, {}, {}, {})
    with pytest.raises(ResetNeeded):
        env.fast_forward(player(compiled, script, 1))
    with pytest.raises(ResetNeeded):
        env.step(played[0][0])


def test_a_stretch_stops_where_the_episode_ends(compiled):
    slow, played = scripted(SETTINGS["ends"], 10_000, seed=2)
    assert not slow.agents
    env = crl_envs.make(ENV, **SETTINGS["ends"])
    env.reset(seed=2)
    script = [np.array(list(actions.values()), np.uint8) for actions, *_ in played]
    assert env.fast_forward(player(compiled, script, 100_000)) == len(played)
    assert env.agents == []
    assert str(env.metrics()) == str(slow.metrics())
    assert str(env.reset()) == str(slow.reset())


def test_there_is_nothing_to_fast_forward_before_the_first_reset():
    def play(*_):
        raise AssertionError("called without an episode")

    env = crl_envs.make(ENV)
    with pytest.raises(ResetNeeded, match=r"reset\(\) before fast_forward\(\)"):
        env.fast_forward(play)


def test_the_number_of_steps_left_is_told():
    asked = []

    def play(world, state, stream, most):
        asked.append(most)
        return 0

    env = crl_envs.make(ENV, n_agents=4, max_steps=9)
    _, infos = env.reset(seed=1)
    env.fast_forward(play)
    env.step({a: int(infos[a]["action_mask"].argmax()) for a in env.agents})
    env.fast_forward(play)
    assert asked == [9, 8]
    assert env.agents
