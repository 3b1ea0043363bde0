"""Wireless access: its rules one by one, its bounds against searches and a linear program, its views."""

from __future__ import annotations

from itertools import product
from typing import Any

import numpy as np
import pytest

import crl_envs
from crl_envs.access import AccessProblem, AccessWorld
from crl_envs.access.form import LOST, THROUGH, Air
from crl_envs.access.optimum import exact_value, flow_bound, matching, schedules
from crl_envs.core.stream import Stream
from tests.views import BACKENDS, assert_verbs_agree, assert_views_agree

CASES: list[dict[str, Any]] = [
    {},
    {"n_agents": 1},
    {"n_agents": 3, "horizon": 4},
    {"n_agents": 7, "observe": "neighborhood"},
    {"n_agents": 12, "deadline": 4, "success_rate": 0.6, "arrival_rate": 0.9},
]
RATES = {"arrival_rate": 0.0, "success_rate": 1.0}


@pytest.mark.parametrize("kwargs", CASES, ids=range(len(CASES)))
def test_one_stream_three_views(kwargs: dict[str, Any]) -> None:
    played = assert_views_agree("crl/access-v0", kwargs, 150, num_envs=3, seed=5, backends=BACKENDS)
    assert played.episodes >= 3 * 7
    assert played.illegal > 0 or kwargs == {"n_agents": 1}
    for backend in BACKENDS:
        assert_verbs_agree(AccessWorld(**kwargs, backend=backend))


def after(queue: Any, action: Any, columns: int = 1, **kwargs: Any) -> tuple[Any, Any, Any]:
    """Queues, outcomes and rewards ``[columns, n]`` after a step of these users."""
    world = AccessWorld(len(queue), **RATES | kwargs)
    queues = np.repeat(np.array(queue, np.uint8)[:, None], columns, axis=1)
    stream = Stream(columns)
    stream.seed(0)
    moved, paid = world.step(
        Air(queues, 0 * queues), np.repeat(np.array(action)[:, None], columns, axis=1), stream
    )
    return moved.queue.T, moved.sent.T, paid.T


def test_each_point_is_the_same_from_all_sides() -> None:
    """Of each two users who share a point exactly those who name it collide; the others don't disturb each other."""
    problem = AccessProblem(14, deadline=1)  # four columns, two users in the last row
    for a, b in product(range(14), repeat=2):
        for to_a, to_b in product(range(1, 5), repeat=2):
            points = problem.points[a, to_a - 1], problem.points[b, to_b - 1]
            if a >= b or -1 in points:
                continue
            action = np.zeros(14, int)
            action[[a, b]] = to_a, to_b
            _, sent, paid = after(np.ones(14, int), action, deadline=1)
            assert (sent[0, [a, b]] == (LOST if points[0] == points[1] else THROUGH)).all()
            assert paid.sum() == 2 * (points[0] != points[1])


def test_points_are_the_inner_corners() -> None:
    problem = AccessProblem(9)
    assert problem.points.tolist() == [
        [-1, -1, -1, 0],
        [-1, -1, 0, 1],
        [-1, -1, 1, -1],
        [-1, 0, -1, 2],
        [0, 1, 2, 3],
        [1, -1, 3, -1],
        [-1, 2, -1, -1],
        [2, 3, -1, -1],
        [3, -1, -1, -1],
    ]
    for n in range(1, 40):
        problem = AccessProblem(n)
        touching = np.bincount(problem.points[problem.points >= 0], minlength=problem.n_points)
        assert touching.size == problem.n_points
        assert touching.max() <= 4
        assert (touching == 4).all() or n < np.prod(problem.shape)
        assert (problem.points >= 0).any(axis=1).all()
        sharing = {
            (i, j)
            for i, j in product(range(n), repeat=2)
            if i != j and set(problem.points[i]) & set(problem.points[j]) - {-1}
        }
        assert set(map(tuple, problem.edges.tolist())) == sharing


def test_the_oldest_goes_first_and_the_others_grow_older() -> None:
    """Bits: 1 has its last step, 4 is new."""
    sending = [0, 1, 1, 1], [4, 3, 2, 1]  # nobody sends to another's
    for queue, through, alone in (
        ([7, 0, 0, 0], [3, 0, 0, 0], False),
        ([7, 0, 0, 0], [3, 0, 0, 0], True),
        ([6, 0, 0, 0], [2, 0, 0, 0], True),
        ([4, 0, 0, 0], [0, 0, 0, 0], True),
        ([4, 0, 0, 0], [2, 0, 0, 0], False),
        ([1, 0, 0, 0], [0, 0, 0, 0], False),
    ):
        moved, _, paid = after(queue, [sending[1][0] if alone else 0, 0, 0, 0], deadline=3)
        assert moved[0].tolist() == through
        assert paid[0].tolist() == [float(alone), 0, 0, 0]


def test_who_has_nothing_disturbs_nobody() -> None:
    _, sent, paid = after([1, 0, 0, 1], [4, 3, 2, 0])
    assert sent[0].tolist() == [THROUGH, 0, 0, 0]
    assert paid[0].tolist() == [1, 0, 0, 0]


def test_corners_without_a_point_are_illegal_and_nothing_is_sent() -> None:
    env = crl_envs.make("crl/access-v0", n_agents=4, arrival_rate=1.0)
    _, infos = env.reset(seed=0)
    assert infos["agent_0"]["action_mask"].tolist() == [1, 0, 0, 0, 1]
    *_, infos = env.step(dict.fromkeys(env.agents, 4))
    assert [info["illegal_action"] for info in infos.values()] == [False, True, True, True]
    assert env.unwrapped.metrics() == {"throughput": 0.25, "lost": 0.0, "waiting": 1.0}


@pytest.mark.parametrize("rate", [0.0, 0.3, 1.0])
def test_rates(rate: float) -> None:
    """Of 4,000 draws; false alarm below 1e-4 each."""
    _, _, paid = after([1, 0, 0, 0], [4, 0, 0, 0], columns=4000, success_rate=rate)
    moved, _, _ = after([0, 0, 0, 0], [0, 0, 0, 0], columns=4000, arrival_rate=rate)
    for share in (paid[:, 0].mean(), *(moved == 2).mean(axis=0)):
        assert abs(share - rate) <= 4 * (rate * (1 - rate) / 4000) ** 0.5


@pytest.mark.parametrize("n", [1, 2, 3, 4, 5, 9, 11, 14, 25, 31, 49, 100])
@pytest.mark.parametrize(("p", "q"), [(0.5, 1.0), (0.9, 1.0), (0.5, 0.4), (1.0, 0.8), (0.1, 0.1)])
def test_bound_is_the_linear_programs(n: int, p: float, q: float) -> None:
    optimize = pytest.importorskip("scipy.optimize")
    problem = AccessProblem(n, arrival_rate=p, success_rate=q)
    user, corner = np.nonzero(problem.points >= 0)
    point = problem.points[user, corner]
    limits = np.concatenate([np.arange(n)[:, None] == user, np.arange(problem.n_points)[:, None] == point])  # fmt: skip
    most = [min(q, p * (1 - (1 - q) ** 2))] * n + [q] * problem.n_points
    solved = optimize.linprog(-np.ones(user.size), limits.astype(float), most)
    assert flow_bound(problem) == pytest.approx(-solved.fun / n, abs=1e-9)


@pytest.mark.parametrize("n", [3, 4, 6, 9])
def test_matching_is_the_best_of_all_schedules(n: int) -> None:
    """Most packets come through, and of those most that would be dropped else: a weight of 1 + 1/1000."""
    problem = AccessProblem(n, deadline=2)
    queue = np.random.default_rng(n).integers(0, 4, (n, 60)).astype(np.uint8)
    action = matching(problem, queue)
    assert np.take_along_axis(problem.points, np.maximum(action - 1, 0), 1)[action > 0].min() >= 0
    weight = (queue > 0) * 1.0 + (queue & 1) / 1000
    best = np.max([weight[list(who)].sum(axis=0) for who in schedules(problem)], axis=0)
    world, stream = AccessWorld(n), Stream(60)
    stream.seed(1)
    moved, _ = world.step(Air(queue, 0 * queue), action, stream)
    assert (moved.sent != LOST).all()
    assert np.allclose(((moved.sent == THROUGH) * weight).sum(axis=0), best)


@pytest.mark.parametrize(("q", "deadline"), [(1.0, 2), (0.6, 1)])
def test_optimum_by_brute_force(q: float, deadline: int) -> None:
    """Three users, two steps, all joint actions, in plain Python from the description."""
    problem = AccessProblem(3, arrival_rate=0.4, success_rate=q, deadline=deadline, horizon=2)

    def worth(queues: tuple[tuple[int, ...], ...], left: int) -> float:
        """Queues hold the steps that packets have left."""
        if not left:
            return 0.0
        best = -np.inf
        for joint in product((False, True), repeat=3):  # all three share the one point
            sends = [s and bool(own) for s, own in zip(joint, queues, strict=True)]
            value = 0.0
            for comes in (False, True):
                chance = (q if comes else 1 - q) if sum(sends) == 1 else float(not comes)
                if not chance:
                    continue
                rest = [sorted(own)[comes and s :] for own, s in zip(queues, sends, strict=True)]
                older = [tuple(k - 1 for k in own if k > 1) for own in rest]
                for new in product((False, True), repeat=3):
                    arrival = float(np.prod([0.4 if packet else 0.6 for packet in new]))
                    now = tuple(
                        own + (deadline,) * packet for own, packet in zip(older, new, strict=True)
                    )
                    value += chance * arrival * (comes / 3 + worth(now, left - 1))
            best = max(best, value)
        return best

    value = sum(
        float(np.prod([0.4 if packet else 0.6 for packet in new]))
        * worth(tuple((deadline,) if packet else () for packet in new), 2)
        for new in product((False, True), repeat=3)
    )
    assert exact_value(problem) == pytest.approx(value)


@pytest.mark.parametrize("n", [9, 2501])
def test_lower_is_reached(n: int) -> None:
    """By all who send to a point of their own, for many; within 4 standard errors of eight columns."""
    optimum = crl_envs.make_vec("crl/access-v0", 1, n_agents=n).world.optimum()
    assert optimum.kind == "bound"
    assert 0 < optimum.lower < optimum.value
    if n > 9:
        vec = crl_envs.make_vec("crl/access-v0", 16, n_agents=n)
        vec.reset(seed=0)
        legal = vec.world.problem.points[:, 3] >= 0
        every = np.broadcast_to(np.where(legal, 4, 0), (16, n))
        total = sum(vec.step(every)[1].mean(axis=1, dtype=np.float64) for _ in range(20))
        assert abs(total.mean() - optimum.lower) < 4 * total.std(ddof=1) / 4


def test_a_million_users_step() -> None:
    vec = crl_envs.make_vec("crl/access-v0", 1, n_agents=1_000_000)
    vec.reset(seed=0)
    action = np.where(vec.world.problem.points[:, 3] >= 0, 4, 0)[None]
    _, paid, *_ = vec.step(action)
    assert abs(paid.mean() - 0.5 * 999**2 / 1e6) < 5 * 0.5 / 1000


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ({"n_agents": 0}, "n_agents"),
        ({"arrival_rate": 1.1}, "arrival_rate"),
        ({"success_rate": -0.1}, "success_rate"),
        ({"deadline": 8}, "deadline"),
        ({"deadline": 0}, "deadline"),
        ({"observe": "all"}, "observe"),
        ({"horizon": 0}, "horizon"),
    ],
)
def test_bad_arguments_are_named(arguments: dict[str, Any], said: str) -> None:
    with pytest.raises(ValueError, match=said):
        crl_envs.make("crl/access-v0", **arguments)
