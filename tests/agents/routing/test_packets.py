"""Learners that forward packets: their rules against a computation by hand, and what they reach."""

from __future__ import annotations

from typing import Any

import networkx as nx
import numpy as np
import pytest

import crl_envs
from agents import AntNet, Backpressure, QRouting, RandomPolicy, Sample, ShortestPath
from agents.routing.ant_net import Hop, visited
from agents.routing.packets import FAR, hops_to_all
from crl_envs.routing import Outcome

ID = "crl/routing-v0"
LEARNERS = [ShortestPath, QRouting, Backpressure, AntNet, Sample]
every_learner = pytest.mark.parametrize("learner", LEARNERS)


def played(
    learner: Any, config: dict[str, Any] | None = None, columns: int = 3, **kwargs: Any
) -> Any:
    kwargs = {"horizon": 600, "load": 1.0, **kwargs}
    made = learner(crl_envs.make_vec(ID, columns, **kwargs), **(config or {}), seed=0)
    return made.learn(total_episodes=1)


@every_learner
def test_a_column_is_a_learner_of_its_own(learner: Any) -> None:
    """And the dict view, which says it in words, the same as the arrays."""
    kwargs = {"load": 4.0, "loss": 0.2, "queue_size": 5, "lifetime": 30, "horizon": 60}
    batch = learner(crl_envs.make_vec(ID, 2, **kwargs), seed=3).learn(total_episodes=2)
    alone = learner(crl_envs.make(ID, **kwargs), seed=4).learn(total_episodes=2)
    for one, every in zip(alone.history, batch.history, strict=True):
        assert one["local_return_mean"] == every["local_return_mean"][1]
        assert one["delivered"] == every["delivered"][1]
    for name, array in alone.get_arrays().items():
        if array.ndim:
            np.testing.assert_array_equal(array[:, 0], batch.get_arrays()[name][:, 1])


@every_learner
def test_where_links_come_and_go_nothing_illegal_is_chosen(learner: Any) -> None:
    env = crl_envs.make(
        ID, n_agents=10, topology="geometric", mobility=0.05, load=2.0, loss=0.1, horizon=150
    )
    illegal = []

    def look(made: Any) -> None:
        illegal.append(any(info["illegal_action"] for info in made.view.infos.values()))

    made = learner(env, seed=0).learn(total_episodes=1, step_callback=look)
    assert len(illegal) == 150
    assert not any(illegal)
    assert made.history[0]["delivered"] > 50


@every_learner
def test_queue_lengths_may_be_observed_and_rows_still_begin_with_the_destination(
    learner: Any,
) -> None:
    plain, more = (
        played(learner, columns=1, horizon=50, observe=observe)
        for observe in ("destination", "queues")
    )
    np.testing.assert_equal(plain.history, more.history)


@every_learner
def test_act_takes_any_number_of_columns(learner: Any) -> None:
    made = played(learner, columns=1, horizon=40)
    observations = np.arange(5 * 36).reshape(5, 36) % 37
    masks = np.broadcast_to(made.env.world.action_mask(made.env._state)[..., 0], (5, 36, 5))
    chosen = made.act(observations, deterministic=True, action_masks=masks)
    assert chosen.shape == (5, 36)
    assert np.take_along_axis(masks, chosen[..., None], axis=2).all()
    assert (chosen[observations == 36] == 0).all()
    assert (made.act(observations, action_masks=masks)[observations == 36] == 0).all()


@every_learner
def test_packets_are_needed(learner: Any) -> None:
    with pytest.raises(ValueError, match="needs an env of packets"):
        learner(crl_envs.make("crl/sysadmin-v0", n_agents=4))


# Shortest paths


def test_hops_are_those_of_networkx() -> None:
    for seed in range(5):
        graph = nx.gnp_random_graph(12, 0.15, seed=seed, directed=True)
        behind = np.full((12, 12), -1)
        for node in graph:
            for k, other in enumerate(sorted(graph.successors(node))):
                behind[node, 1 + k] = other
        known = dict(nx.all_pairs_shortest_path_length(graph))
        hops = hops_to_all(behind, behind >= 0)
        for i in range(12):
            assert [known[i].get(j, FAR) for j in range(12)] == hops[i].tolist()


def test_shortest_paths_are_as_good_as_the_bound_where_packets_do_not_meet() -> None:
    """One packet in 50 steps: the mean delay is the mean distance; false alarm below 1e-4."""
    made = played(ShortestPath, columns=100, load=0.02, horizon=1500)
    delay, delivered = made.history[0]["total_delay"].sum(), made.history[0]["delivered"].sum()
    hops = made.env.world.problem.hops
    spread = hops[hops > 0].std() / delivered**0.5
    assert abs(delay / delivered - 6092 / 1260) < 4 * spread + 0.05  # some wait for each other


# Q-routing


def test_q_routing_by_hand() -> None:
    """A path 0 – 1 – 2 with packets for 2: the update of Boyan & Littman, written out."""
    env = crl_envs.make(ID, topology=nx.path_graph(3), load=1.0, horizon=40)
    made = QRouting(env, learning_rate=0.25)
    q = np.zeros((3, 3, 3))
    seen: list[Any] = []

    def look(learner: Any) -> None:
        seen.append((learner.view.infos, learner.q[:, 0].copy()))

    before: list[Any] = []
    choose = made.choose

    def remembered(frame: Any, words: Any) -> Any:
        actions = choose(frame, words)
        infos = made.view.infos
        waited = [infos[agent]["waited"] for agent in made.view.agents]
        before.append((frame.rows[:, 0].copy(), actions[:, 0].copy(), waited))
        return actions

    made.choose = remembered  # type: ignore[method-assign]
    made.learn(total_episodes=1, step_callback=look)
    links = {0: {1: 1}, 1: {1: 0, 2: 2}, 2: {1: 1}}  # by node and action
    updates = 0
    for (goals, actions, waited), (infos, learnt) in zip(before, seen, strict=True):
        old = q.copy()
        for x in range(3):
            outcome = infos[f"agent_{x}"]["outcome"]
            if outcome in ("forwarded", "delivered"):
                y, d = links[x][actions[x]], goals[x]
                t = 0.0 if y == d else min(old[y, d, a] for a in links[y])
                q[x, d, actions[x]] += 0.25 * (waited[x] + 1 + t - old[x, d, actions[x]])
                updates += 1
        np.testing.assert_allclose(learnt, q, rtol=1e-12)
    assert updates > 30
    assert made.history[0]["answers"] == updates


def test_q_routing_goes_round_what_shortest_paths_crowd() -> None:
    """Load 2.5, which shortest paths don't carry, by what was learnt at load 1.5: 2,000 steps, 3 seeds."""
    kwargs = {"load": 2.5, "horizon": 2000, "queue_size": 1000}
    learnt = played(QRouting, load=1.5, horizon=4000, queue_size=1000)
    made = QRouting(crl_envs.make_vec(ID, 3, **kwargs), seed=0)
    made.q = learnt.q.copy()
    made.learn(total_episodes=1)
    shortest = played(ShortestPath, **kwargs)
    assert np.median(made.history[0]["waiting"]) < 100
    assert (shortest.history[0]["waiting"] > 200).all()


# Backpressure


def test_backpressure_pushes_down_the_steepest_slope() -> None:
    """The middle of a star has shadow packets for two leaves, one of which has as many itself."""
    made = Backpressure(
        crl_envs.make_vec(ID, 1, topology=nx.star_graph(3), load=0.0, horizon=5), distance=0.0
    )
    frame = made.view.reset(0)
    made.begin_episode()
    made.shadow[0, 0] = [0, 0, 5, 4]  # at the middle, for leaf 2 and leaf 3
    made.shadow[1:, 0, 2] = [3, 0, 9]
    made._push(frame, (np.empty(0, int), np.empty(0, int)))
    # The middle's steepest slope is to leaf 2 itself; leaf 3's to the middle, of 9 − 5; leaf 1 has none.
    assert made.shadow[:, 0, 2].tolist() == [5, 3, 0, 8]
    assert made.shadow[0, 0, 3] == 4
    flows = {(int(i), int(d), int(a)) for i, _, d, a in np.argwhere(made.flow)}
    assert flows == {(0, 2, 2), (3, 2, 1)}


def test_backpressure_is_as_shortest_paths_where_nobody_waits() -> None:
    made = played(Backpressure, load=0.5, horizon=1500)
    assert (made.history[0]["mean_delay"] < 5.6).all()


# AntNet


def test_loops_are_taken_out_of_ways() -> None:
    way = [Hop(0, 0, 1), Hop(4, 1, 2), Hop(5, 3, 1)]
    assert visited(way, Hop(4, 6, 3)) == [Hop(0, 0, 1), Hop(4, 6, 3)]
    assert visited(way, Hop(7, 6, 3)) == [*way, Hop(7, 6, 3)]


def test_ants_remember_their_own_ways() -> None:
    """Whatever is lost, dropped or too old, the memory at the head is that of the packet there."""
    env = crl_envs.make_vec(
        ID, 2, load=8.0, loss=0.2, queue_size=3, lifetime=25, horizon=200, backend="numpy"
    )
    made = AntNet(env, seed=1)

    def look(learner: Any) -> None:
        state = env._state
        for (i, b), way in learner._at_head.items():
            head = state.first[i, b]
            assert state.length[i, b] > 0
            sender = state.via[i, head, b]
            if sender < 0:
                assert way == []
            else:
                assert way[-1].node == sender
                assert way[0].came >= state.born[i, head, b] - 0
        assert len(learner._at_head) == (state.length > 0).sum()
        waiting = sum(len(ways) for ways in learner._coming.values())
        assert waiting <= state.length.sum()

    made.learn(total_episodes=1, step_callback=look)
    assert (made.history[0]["delivered"] > 100).all()
    np.testing.assert_allclose(made.p.sum(axis=3), 1.0)


def test_backward_ants_by_hand() -> None:
    """Twelve ants of one node, whose windows are of five: μ, σ², W, r and P from their definitions."""
    rng, times = np.random.default_rng(0), []
    env = crl_envs.make_vec(ID, 1, topology=nx.complete_graph(4))
    made = AntNet(env, window=5, rate=0.3, squash=2.0, least=0.05)
    p, mean, variance = [1 / 3] * 3, 0.0, 0.0
    for ant in range(12):
        time, k = int(rng.integers(3, 30)), int(rng.integers(3))
        made._now = 100 + time
        made._retrace(0, 2, [Hop(0, 100, 1 + k)])
        times.append(time)
        mean = time if ant == 0 else mean + 0.3 * (time - mean)
        variance = 0.0 if ant == 0 else variance + 0.3 * ((time - mean) ** 2 - variance)
        window = times[ant // 5 * 5 :]
        best = min(window)
        upper = mean + (variance / len(window) / 0.05) ** 0.5  # z = 1 / √(1 − .95)
        sure = float(time == best)
        if upper > best:
            sure = (upper - best) / (upper - best + time - best)
        r = 0.7 * best / time + 0.3 * sure
        r = min(0.9, (1 + np.exp(2 / 3)) / (1 + np.exp(2 / (3 * r))))
        p = [max(q + r * ((y == k) - q), 0.05) for y, q in enumerate(p)]
        p = [q / sum(p) for q in p]
        np.testing.assert_allclose(made.p[0, 0, 2, 1:], p)
        np.testing.assert_allclose(made.times[0, 0, 2, :3], [mean, variance, best])


def test_ants_learn_to_take_shorter_ways() -> None:
    ants, random = (
        played(learner, load=0.5, horizon=3000, queue_size=1000).history[0]["mean_delay"]
        for learner in (AntNet, RandomPolicy)
    )
    assert (ants < 20).all()
    assert (random > 60).all()


# Collaborative reinforcement learning


def test_values_and_odds_by_hand() -> None:
    """The middle of 1 – 0 – 2 – 3, with a packet for 3; 1 said that it has a way."""
    graph = nx.Graph([(0, 1), (0, 2), (2, 3)])
    made = Sample(crl_envs.make_vec(ID, 1, topology=graph, load=0.0, horizon=5), temperature=2.0)
    made.view.reset(0)
    made.begin_episode()
    made.success[0, 0, 1:3] = 0.5, 0.8
    made.value[0, 0, 3, 1:3] = -1.0, -3.0
    best = max(-1 / 0.5 - 1, -1 / 0.8 - 3)
    q = np.array([-1 + 0.5 * -1 + 0.5 * best, -1 + 0.8 * -3 + 0.2 * best])
    odds = np.exp(q / 2.0) / np.exp(q / 2.0).sum()
    goals = np.full((1, 4), 4)
    goals[0, 0] = 3
    masks = np.array([[[1, 1, 1], [1, 1, 0], [1, 1, 1], [1, 1, 0]]])
    drawn = np.array([made.act(goals, action_masks=masks)[0, 0] for _ in range(4000)])
    assert set(drawn) == {1, 2}
    assert abs((drawn == 1).mean() - odds[0]) < 4 * (odds.prod() / 4000) ** 0.5
    assert made.act(goals, deterministic=True, action_masks=masks)[0, 0] == 1 + q.argmax()
    links = masks.transpose(1, 0, 2) * (made.behind >= 0)[:, None] > 0
    worth = made._worth(np.array([0]), np.array([0]), np.array([3]), links)
    assert worth[0] == pytest.approx(best)  # with an empty queue


def test_success_is_learnt_and_lossy_links_are_avoided() -> None:
    made = played(Sample, {"success_rate": 0.02}, loss=0.4, horizon=2000)
    tried = made.success[:, :, 1:][(made.behind[:, 1:] >= 0)[:, None].repeat(3, axis=1)]
    assert abs(np.median(tried) - 0.6) < 0.1


@pytest.mark.parametrize("hears", ["sender", "all"])
def test_what_is_advertised_travels(hears: str) -> None:
    made = played(Sample, {"hears": hears, "decay_rate": 0.001})
    heard = made.heard >= 0
    assert heard.any()
    assert (made.value[heard] <= -1).all()  # a destination is worth 0 whatever it says
    sent = made.history[0]["advertisements"]
    assert ((sent > 0) == (hears == "sender")).all()
    made.learn(total_episodes=2)
    assert (made.history[-1]["mean_delay"] < 12).all()


def test_outcomes_have_the_order_that_learners_read() -> None:
    assert [outcome.name for outcome in Outcome] == [
        "NONE",
        "DELIVERED",
        "FORWARDED",
        "LOST",
        "DROPPED",
        "EXPIRED",
    ]
