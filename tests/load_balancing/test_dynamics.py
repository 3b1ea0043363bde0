"""Each rule of the world by itself, against the specification."""

import networkx as nx
import numpy as np
import pytest
from scipy import stats

import crl_envs
from crl_envs.core.stream import Stream
from crl_envs.load_balancing import LoadBalancingWorld
from crl_envs.load_balancing.rules import Count, Outcome
from tests.load_balancing.driving import rollout

CHAIN = nx.DiGraph([(0, 1), (1, 2)])


def play(env, *moves, seed=0):
    """Give agents their moves, everybody else the no-op; return the last step."""
    env.reset(seed=seed)
    result = None
    for move in moves:
        result = env.step({agent: move.get(i, 0) for i, agent in enumerate(env.possible_agents)})
    return result


def chain(**kwargs):
    return crl_envs.make("crl/load_balancing-v0", topology=CHAIN, capacity=2, **kwargs)


def test_rewards_of_the_discrete_model():
    env = chain()
    _, rewards, _, _, infos = play(env, {0: 1})
    assert rewards == {"agent_0": 0.0, "agent_1": 0.0, "agent_2": 0.0}
    assert infos["agent_0"]["outcome"] == "stored"
    _, rewards, _, _, infos = play(env, {0: 1}, {0: 1}, {0: 1})
    assert rewards["agent_0"] == -200.0
    assert infos["agent_0"]["outcome"] == "store_failed"
    assert infos["agent_0"]["action_mask"].tolist() == [0, 1, 1], "the load stays"
    _, rewards, _, _, infos = play(env, {0: 2})
    assert rewards["agent_0"] == -12.0
    assert infos["agent_0"]["outcome"] == "delegated"
    assert infos["agent_1"]["action_mask"].tolist() == [0, 1, 1]


@pytest.mark.parametrize("capacity", [1, 2, 5, 20])
def test_the_gradient_model_counts_spare_capacity_after_storing(capacity):
    graph = nx.empty_graph(1, create_using=nx.DiGraph)
    env = crl_envs.make(
        "crl/load_balancing-v0", topology=graph, capacity=capacity, cost_model="gradient"
    )
    env.reset(seed=0)
    rewards = [env.step({"agent_0": 1})[1]["agent_0"] for _ in range(capacity)]
    spare = np.arange(capacity - 1, 0, -1)
    np.testing.assert_allclose(rewards, [*(-200 / (2 * spare)), -200], rtol=1e-6)
    assert not env.agents, "all loads are stored"
    assert env.unwrapped.optimum().value == pytest.approx(sum(rewards))


def test_a_lost_message_leaves_the_load_with_its_sender():
    env = chain(message_loss=1.0)
    _, rewards, _, _, infos = play(env, {0: 2})
    assert rewards["agent_0"] == -10.0
    assert infos["agent_0"]["outcome"] == "message_lost"
    assert infos["agent_0"]["action_mask"].tolist() == [0, 1, 1]
    assert env.metrics()["messages_lost"] == 1


def test_an_illegal_action_moves_nothing_is_flagged_and_costs_whoever_holds_a_load():
    env = chain()
    observations, rewards, _, _, infos = play(env, {0: 0, 1: 1})
    assert rewards == {"agent_0": -200.0, "agent_1": 0.0, "agent_2": 0.0}
    assert [infos[a]["illegal_action"] for a in env.possible_agents] == [True, True, False]
    assert [infos[a]["outcome"] for a in env.possible_agents] == ["idled", "none", "none"]
    assert infos["agent_0"]["dop"] == "kept"
    assert observations["agent_0"][0] == 1.0, "the load is still there"


def test_a_failed_agent_waits_for_nothing():
    env = chain(fail_rate=1.0, return_rate=0.0)
    _, rewards, _, _, infos = play(env, {0: 2}, {})
    assert not any(rewards.values())
    assert not any(infos[agent]["illegal_action"] for agent in env.possible_agents)


def test_the_share_of_lost_messages_is_the_loss():
    """A binomial test; false alarm 1e-6."""
    world = LoadBalancingWorld(message_loss=0.3, capacity=0, server_capacity=0, n_loads=1)
    *_, (_, _, state, _) = rollout(world, 40, 300, seed=1)
    sent, lost = (int(state.tally[c].sum()) for c in (Count.MESSAGES, Count.MESSAGES_LOST))
    assert sent > 5000
    assert stats.binomtest(lost, sent, 0.3).pvalue > 1e-6


def test_delays_are_uniform():
    """Chi-square over the four possible delays; false alarm 1e-6."""
    world = LoadBalancingWorld(
        message_delay=3, capacity=0, server_capacity=0, n_loads=1, n_agents=20
    )
    waits = []
    for before, action, state, _ in rollout(world, 60, 200, seed=2):
        if before is not None:
            sent = ((action > 1) & (before.head >= 0)).any(axis=0)
            now = before.tally[Count.TIME]
            waits.append((state.ready[0] - now)[sent])
    frequency = np.bincount(np.concatenate(waits), minlength=5)
    assert frequency[0] == 0 and frequency.size == 5
    assert frequency.sum() > 1000
    assert stats.chisquare(frequency[1:]).pvalue > 1e-6


def test_arrivals_are_poisson():
    """Chi-square of arrivals a step at two entries; false alarm 1e-6."""
    rate = 2.3
    world = LoadBalancingWorld(arrival_rate=rate, n_loads="endless", entries=(0, 1))
    seen = []
    for before, _, state, _ in rollout(world, 50, 200, seed=3):
        if before is not None:
            seen.append(before.tally[Count.REMAINING] - state.tally[Count.REMAINING])
    frequency = np.bincount(np.concatenate(seen), minlength=13)
    expected = stats.poisson(2 * rate).pmf(np.arange(12)) * frequency.sum()
    expected = np.append(expected, frequency.sum() - expected.sum())
    observed = np.append(frequency[:12], frequency[12:].sum())
    assert stats.chisquare(observed, expected).pvalue > 1e-6


@pytest.mark.parametrize("rate", [0.05, 0.4])
def test_departures_are_binomial(rate):
    """Chi-square of what leaves an agent that holds 20 loads; false alarm 1e-6 each."""
    world = LoadBalancingWorld(departure_rate=rate, n_loads="endless")
    stream = Stream(400)
    stream.seed(4)
    state = world.initial(stream)
    state = state._replace(load=np.full_like(state.load, 20))
    after = world.transition(state, np.zeros(state.load.shape, np.uint8), stream)
    left = (20 - after.load).ravel()
    pmf = stats.binom(20, rate).pmf(np.arange(21))
    common = pmf * left.size > 5
    frequency = np.bincount(left, minlength=21)
    observed = np.append(frequency[common], frequency[~common].sum())
    expected = np.append(pmf[common], pmf[~common].sum()) * left.size
    assert stats.chisquare(observed, expected).pvalue > 1e-6
    assert after.tally[Count.DEPARTED].sum() == left.sum()


def test_failures_and_returns_have_their_rates():
    """Two binomial tests; false alarm 1e-6 each."""
    world = LoadBalancingWorld(fail_rate=0.1, return_rate=0.4)
    fell = stood = rose = lay = 0
    for before, _, state, _ in rollout(world, 10, 100, seed=5):
        if before is not None:
            up, now = before.active > 0, state.active > 0
            fell, stood = fell + (up & ~now).sum(), stood + up.sum()
            rose, lay = rose + (~up & now).sum(), lay + (~up).sum()
    assert stats.binomtest(int(fell), int(stood), 0.1).pvalue > 1e-6
    assert stats.binomtest(int(rose), int(lay), 0.4).pvalue > 1e-6


def test_a_failed_agent_is_masked_not_dead_and_keeps_its_loads():
    env = crl_envs.make("crl/load_balancing-v0", topology=CHAIN, fail_rate=1.0, return_rate=1.0)
    observations, _, _, _, infos = play(env, {0: 2})
    assert env.agents == env.possible_agents
    assert all(infos[a]["action_mask"].tolist() == [1, 0, 0] for a in env.agents)
    assert observations["agent_1"].tolist() == [0.0, 0.5, 0.0, 0.0]
    _, _, _, _, infos = env.step(dict.fromkeys(env.agents, 0))
    assert infos["agent_1"]["action_mask"].tolist() == [0, 1, 1], "back, with its queue"


def test_a_message_to_a_failed_agent_is_lost():
    world = LoadBalancingWorld(topology=CHAIN)
    stream = Stream(1)
    state = world.initial(stream)
    state.active[1] = 0
    after = world.transition(state, np.array([[2], [0], [0]], np.uint8), stream)
    assert after.at[0, 0] == 0
    assert after.tally[Count.MESSAGES_LOST, 0] == 1


def test_a_load_remembers_where_it_has_been():
    graph = nx.DiGraph([(0, 1), (1, 2), (2, 0), (2, 3), (3, 0)])
    env = crl_envs.make("crl/load_balancing-v0", topology=graph, memory=True)
    *_, infos = play(env, {0: 2}, {1: 2})
    assert infos["agent_2"]["action_mask"].tolist() == [0, 1, 0, 1], "2 → 0 would close the loop"
    forgetful = crl_envs.make("crl/load_balancing-v0", topology=graph)
    *_, infos = play(forgetful, {0: 2}, {1: 2})
    assert infos["agent_2"]["action_mask"].tolist() == [0, 1, 1, 1]


def test_a_load_times_out_and_the_next_one_enters():
    env = chain(timeout=3, n_loads=2)
    play(env, {0: 2}, {1: 2})
    assert env.metrics()["timed_out"] == 0
    env.step(dict.fromkeys(env.agents, 0))
    metrics = env.metrics()
    assert (metrics["timed_out"], metrics["loads_in"], metrics["queued"]) == (1, 2, 1)
    for _ in range(3):
        terminated = env.step(dict.fromkeys(env.agents, 0))[2]
    assert all(terminated.values())
    assert env.metrics()["timed_out"] == 2


def test_entries_take_turns():
    env = chain(entries=(2, 0), n_loads=4)
    observations, infos = env.reset(seed=0)
    entered = []
    while env.agents:
        entered.append([i for i, a in enumerate(env.agents) if observations[a][0] == 1.0])
        observations, *_, infos = env.step(
            {a: int(not infos[a]["action_mask"][0]) for a in env.agents}
        )
    assert entered == [[2], [0], [2], [0]]


def joining(**kwargs):
    return chain(
        join_capacity=3, discovery="entry_neighbors", server_capacity=0, servers=(), **kwargs
    )


def test_a_server_joins_when_all_are_full_and_is_found_by_discovery():
    env = joining()
    fill = [{0: 1}] * 2 + [{0: 2}, {1: 1}] * 2 + [{0: 2}, {1: 2}, {2: 1}] * 2
    *_, infos = play(env, *fill)
    assert env.metrics()["stored"] == 6
    assert infos["agent_0"]["action_mask"].tolist() == [0, 1, 1, 0, 0]
    assert env.state()[-1] == 1, "the server is active"
    env.step({"agent_0": 2, "agent_1": 0, "agent_2": 0, "agent_3": 0})
    *_, infos = env.step({"agent_0": 0, "agent_1": 4, "agent_2": 0, "agent_3": 0})
    assert infos["agent_1"]["outcome"] == "discovered"
    assert infos["agent_1"]["neighbors"] == ("agent_2", "agent_3")
    assert infos["agent_1"]["action_mask"].tolist() == [0, 1, 1, 1, 0], "no room for a second"
    env.step({"agent_0": 0, "agent_1": 3, "agent_2": 0, "agent_3": 0})
    *_, infos = env.step({"agent_0": 0, "agent_1": 0, "agent_2": 0, "agent_3": 1})
    assert infos["agent_3"]["outcome"] == "stored"
    assert env.metrics()["stored"] == 7


@pytest.mark.parametrize("cost", [0.0, -10.0])
def test_a_discovery_costs_what_it_costs_whether_or_not_it_finds(cost):
    for rate in (0.0, 1.0):
        env = chain(discovery="all", discovery_rate=rate, discovery_cost=cost, connection_cost=-3)
        discover = env.action_space("agent_0").n - 1
        _, rewards, _, _, infos = play(env, {0: discover})
        assert infos["agent_0"]["outcome"] == ("discovered" if rate else "not_discovered")
        assert rewards["agent_0"] == infos["agent_0"]["connection_cost"] == cost


def test_by_default_a_discovery_costs_nothing():
    _, rewards, *_ = play(chain(discovery="all"), {0: 4})
    assert rewards["agent_0"] == 0.0


def test_discovery_is_closed_before_the_server_joins():
    env = joining(join_at=2)
    *_, infos = play(env, {0: 2})
    assert infos["agent_1"]["action_mask"].tolist() == [0, 1, 1, 0, 0]
    *_, infos = play(env, {0: 2}, {})
    assert infos["agent_1"]["action_mask"].tolist() == [0, 1, 1, 0, 1]


def test_discovery_finds_every_candidate_equally_often():
    """Chi-square over the 46 agents that agent 0 of a sparse grid doesn't know; false alarm 1e-6."""
    world = LoadBalancingWorld(out_degree=3, discovery="all")
    stream = Stream(2000)
    stream.seed(6)
    state = world.initial(stream)
    action = np.zeros(state.load.shape, np.uint8)
    action[0] = len(world.action_kinds) - 1
    found = world.transition(state, action, stream).found[0, 0]
    frequency = np.bincount(found, minlength=50)
    assert not frequency[:4].any()
    assert stats.chisquare(frequency[4:]).pvalue > 1e-6


def finding(discover, **kwargs):
    """Agent 0 of a chain of three, with a load and its free slot: its neighbour is agent 1, by topology."""
    world = LoadBalancingWorld(
        topology=CHAIN, capacity=2, discovery="all", discover=discover, **kwargs
    )
    stream = Stream(400)
    stream.seed(3)
    return world, world.initial(stream), stream


def discover(world, state, stream):
    stream.advance()
    action = np.zeros(state.load.shape, np.uint8)
    action[0] = len(world.action_kinds) - 1
    return world.transition(state, action, stream)


def test_who_is_behind_a_slot_of_the_topology_can_be_found_again():
    world, state, stream = finding("any")
    assert set(discover(world, state, stream).found[0, 0].tolist()) == {2}
    world, state, stream = finding("again")
    assert set(discover(world, state, stream).found[0, 0].tolist()) == {1, 2}


def test_where_all_slots_are_taken_one_gives_way():
    """Both slots, about equally often: 400 columns, within five standard errors (50)."""
    world, state, stream = finding("again", discovery_slots=2)
    full = discover(world, discover(world, state, stream), stream)
    assert {frozenset(pair) for pair in full.found[0].T.tolist()} == {frozenset({1, 2})}
    assert (world.action_mask(full)[0, -1] == 1).all()
    graph = nx.DiGraph([(0, 1), (1, 2), (2, 3), (3, 4)])
    world = LoadBalancingWorld(
        topology=graph, capacity=2, discovery="all", discover="again", discovery_slots=2
    )
    state = world.initial(stream)
    full = discover(world, discover(world, state, stream), stream)
    again = discover(world, full, stream)
    assert (again.outcome[0] == Outcome.DISCOVERED).all()
    replaced = again.found[0] != full.found[0]
    assert (replaced.sum(axis=0) == 1).all()
    assert abs(replaced[0].sum() - 200) < 50
    world, state, stream = finding("any")
    assert (world.action_mask(discover(world, state, stream))[0, -1] == 0).all()


@pytest.mark.parametrize("memory", [True, "least_recent"])
def test_a_load_that_has_been_with_all_neighbours_may_go_back(memory):
    graph = nx.DiGraph([(0, 1), (0, 2), (1, 0), (2, 0)])
    env = crl_envs.make("crl/load_balancing-v0", topology=graph, capacity=(0, 0, 9), memory=memory)
    *_, infos = play(env, {0: 2})
    assert infos["agent_1"]["action_mask"].tolist() == [0, 1, 1, 0], "back to the only neighbour"
    *_, infos = env.step({"agent_0": 0, "agent_1": 2, "agent_2": 0})
    assert infos["agent_0"]["action_mask"].tolist() == [0, 1, 0, 1], "not where it comes from"
    env.step({"agent_0": 3, "agent_1": 0, "agent_2": 0})
    *_, infos = env.step({"agent_0": 0, "agent_1": 0, "agent_2": 2})
    other = int(memory is True)
    assert infos["agent_0"]["action_mask"].tolist() == [0, 1, 1, other], "with both, first with 1"
    env.step({"agent_0": 2, "agent_1": 0, "agent_2": 0})
    *_, infos = env.step({"agent_0": 0, "agent_1": 2, "agent_2": 0})
    assert infos["agent_0"]["action_mask"].tolist() == [0, 1, other, 1], "now first with 2"


def test_more_loads_than_capacity_is_truncated_and_says_what_is_left():
    env = crl_envs.make(
        "crl/load_balancing-v0",
        topology=nx.cycle_graph(3, create_using=nx.DiGraph),
        capacity=2,
        n_loads=10,
        max_steps=200,
    )
    rng = np.random.default_rng(0)
    infos = env.reset(seed=0)[1]
    while env.agents:
        actions = {a: int(rng.choice(np.flatnonzero(infos[a]["action_mask"]))) for a in env.agents}
        _, _, terminated, truncated, infos = env.step(actions)
    assert all(truncated.values()) and not any(terminated.values())
    metrics = env.metrics()
    assert (metrics["stored"], metrics["queued"], metrics["remaining"]) == (6, 1, 3)


def test_equalisation_is_the_standard_deviation_of_percent_load():
    world = LoadBalancingWorld()
    stream = Stream(3)
    state = world.initial(stream)
    loads = np.random.default_rng(0).integers(0, 20, state.load.shape).astype(np.int32)
    metrics = world.metrics(state._replace(load=loads))
    expected = (100 * loads / world.capacity[:, None]).std(axis=0)
    np.testing.assert_allclose(metrics["equalisation"], expected)
    np.testing.assert_allclose(metrics["utilisation"], loads.sum(axis=0) / 1360)
