"""Planners: published optima, brute force, each against the others, and what messages are worth."""

from __future__ import annotations

from itertools import product
from typing import Any

import numpy as np
import pytest

from crl_envs.decpomdp import (
    DecPOMDP,
    best_answer,
    broadcast_channel,
    exact,
    exhaustive,
    jesp,
    seconds,
    shared_value,
    tiger,
    value_of,
    with_messages,
)
from crl_envs.decpomdp.search import Bound, Search, descending, merged
from tests.decpomdp.models import random_model

TIGER = {1: -2.0, 2: -4.0, 3: 5.190812, 4: 4.802755, 5: 7.026451, 6: 10.381625}
CHANNEL = {1: 1.0, 2: 2.0, 3: 2.99, 4: 3.89, 5: 4.79, 6: 5.69}


@pytest.mark.parametrize(("horizon", "value"), TIGER.items())
def test_the_published_optima_of_the_tiger(horizon: int, value: float) -> None:
    """Of Oliehoek et al. 2013; and the policy is worth what the search says."""
    plan = exact(tiger(), horizon)
    assert plan.value == pytest.approx(value, abs=1e-6)
    assert value_of(tiger(), plan.policy) == pytest.approx(plan.value)


@pytest.mark.parametrize(("horizon", "value"), CHANNEL.items())
def test_the_published_optima_of_the_channel(horizon: int, value: float) -> None:
    plan = exact(broadcast_channel(), horizon)
    assert plan.value == pytest.approx(value)
    assert value_of(broadcast_channel(), plan.policy) == pytest.approx(value)


def by_hand(model: DecPOMDP, policy: Any, horizon: int) -> float:
    """The value of a joint policy in plain Python, by all that can happen."""

    def go(t: int, state: int, seen: list[tuple[int, ...]]) -> float:
        if t == horizon:
            return 0.0
        acts = []
        for i, history in enumerate(seen):
            number = 0
            for observation in history:
                number = number * model.n_observations[i] + observation
            acts.append(int(policy[i][t][number]))
        j = [tuple(row) for row in model.joint_actions.tolist()].index(tuple(acts))
        total = 0.0
        for after, (z, saw) in product(
            range(model.n_states), enumerate(model.joint_observations.tolist())
        ):
            chance = model.transition[j, state, after] * model.observation[j, after, z]
            paid = np.broadcast_to(
                model.reward, (*model.transition.shape, len(model.joint_observations))
            )[j, state, after, z]
            later = go(t + 1, after, [(*h, o) for h, o in zip(seen, saw, strict=True)])
            total += chance * (paid + model.discount * later)
        return total

    first = [() for _ in range(model.n_agents)]
    return sum(p * go(0, s, list(first)) for s, p in enumerate(model.start))


@pytest.mark.parametrize("seed", range(3))
def test_a_policy_is_worth_what_can_happen(seed: int) -> None:
    model = random_model(seed, discount=0.8)
    rng = np.random.default_rng(seed)
    policy = tuple(
        tuple(rng.integers(0, a, o**t) for t in range(2))
        for a, o in zip(model.n_actions, model.n_observations, strict=True)
    )
    assert value_of(model, policy) == pytest.approx(by_hand(model, policy, 2))


SMALL = [
    ((2, 2), (2, 2), 2),
    ((3, 2), (1, 2), 2),
    ((2, 3), (3, 1), 2),
    ((2, 2, 2), (2, 1, 2), 2),
    ((3,), (2,), 3),
    ((2, 2), (2, 1), 3),
]


@pytest.mark.parametrize("seed", range(5))
@pytest.mark.parametrize(("actions", "observations", "horizon"), SMALL)
def test_all_planners_agree(
    actions: tuple[int, ...], observations: tuple[int, ...], horizon: int, seed: int
) -> None:
    """The search finds what brute force finds; JESP not more, those who share all not less."""
    model = random_model(seed, actions, observations, discount=0.9 if seed % 2 else 1.0)
    best = exhaustive(model, horizon)
    plan = exact(model, horizon)
    assert plan.value == pytest.approx(best.value)
    assert value_of(model, plan.policy) == pytest.approx(best.value)
    answer = jesp(model, horizon, restarts=3)
    assert value_of(model, answer.policy) == pytest.approx(answer.value)
    assert answer.value <= best.value + 1e-9 <= shared_value(model, horizon) + 2e-9


def test_with_one_agent_all_is_shared() -> None:
    model = random_model(7, (3,), (3,))
    for horizon in (1, 2, 4):
        shared = shared_value(model, horizon)
        assert exact(model, horizon).value == pytest.approx(shared)
        assert jesp(model, horizon, restarts=1).value == pytest.approx(shared)


def test_a_best_answer_is_the_best_of_all() -> None:
    rng = np.random.default_rng(0)
    model = random_model(1)
    policy = tuple(
        tuple(rng.integers(0, a, o**t) for t in range(2))
        for a, o in zip(model.n_actions, model.n_observations, strict=True)
    )
    every = (
        (np.array([first]), np.array(rest))
        for first, rest in product(range(3), product(range(3), repeat=2))
    )
    best = max(value_of(model, (policy[0], one, policy[2])) for one in every)
    found = best_answer(model, policy, 1)
    assert found.value == pytest.approx(best) == pytest.approx(value_of(model, found.policy))


def test_jesp_finds_the_tigers_optimum() -> None:
    """At horizons where one of its 30 starts ends there; it never ends above."""
    for horizon in (2, 3, 4):
        assert jesp(tiger(), horizon).value == pytest.approx(TIGER[horizon], abs=1e-6)


class TestMessages:
    FREE = ((2, 10.815), (3, 13.015487), (4, 22.701124))

    @pytest.mark.parametrize(("horizon", "value"), FREE)
    def test_for_nothing_all_is_shared(self, horizon: int, value: float) -> None:
        assert shared_value(tiger(), horizon) == pytest.approx(value, abs=1e-6)
        assert exact(tiger(), horizon, 0.0).value == pytest.approx(value, abs=1e-6)

    @pytest.mark.parametrize("horizon", [2, 3, 4])
    def test_the_value_falls_to_that_without(self, horizon: int) -> None:
        """It is convex and doesn't rise with the cost; its slope is the number of messages."""
        costs = [0.0, 2.0, 4.0, 8.0, 16.0, 32.0, 1000.0]
        plans = [exact(tiger(), horizon, cost) for cost in costs]
        assert plans[-1].value == pytest.approx(exact(tiger(), horizon).value)
        assert plans[-1].messages == 0
        for (low, cheap), (high, dear) in zip(
            zip(costs, plans, strict=True), zip(costs[1:], plans[1:], strict=True), strict=False
        ):
            slope = (cheap.value - dear.value) / (high - low)
            assert dear.messages - 1e-6 <= slope <= cheap.messages + 1e-6

    @pytest.mark.parametrize("seed", range(6))
    def test_a_problem_in_which_agents_act_and_send_by_turns(self, seed: int) -> None:
        """Has the same best value: by brute force at two steps, by the search at more."""
        model = random_model(seed, (2, 2), (2, 1 + seed % 2), 2, discount=0.9)
        cost = 0.05 * seed
        by_turns = with_messages(model, cost)
        assert exact(model, 1, cost).value == pytest.approx(exact(by_turns, 1).value)
        assert exact(model, 2, cost).value == pytest.approx(exact(by_turns, 3).value)

    def test_turns_of_the_tiger(self) -> None:
        for cost in (0.0, 3.0, 15.0, 30.0):
            turns = exact(with_messages(tiger(), cost), 3).value
            assert exact(tiger(), 2, cost).value == pytest.approx(turns)

    def test_actions_that_do_the_same_count_once(self) -> None:
        """Each twice, but under other names: the same value in the same number of steps of the search."""
        model = random_model(2, (2, 2), (2, 2), 2)
        j = np.array([[0, 1, 0, 1], [2, 3, 2, 3]] * 2).ravel()
        parts = (part[j] for part in (model.transition, model.observation, model.reward))
        twice = DecPOMDP(*parts, model.start, actions=(4, 4), observations=(2, 2))
        searches = [Search(m, 4) for m in (model, twice)]
        values = [search.solve() for search in searches]
        assert values[0] == pytest.approx(values[1])
        assert searches[0].steps == searches[1].steps
        assert value_of(twice, searches[1].policy()) == pytest.approx(values[0])

    def test_five_turns_of_the_tiger(self) -> None:
        """Where to send has as many actions as to act, of which all but one say nothing."""
        turns = exact(with_messages(tiger(), 20.0), 5).value
        assert exact(tiger(), 3, 20.0).value == pytest.approx(turns)

    def test_everybody_hears_what_is_sent(self) -> None:
        """Three agents; the second alone sends."""
        model = random_model(3, observations=(3, 2, 2))
        by_turns = with_messages(model, 0.5)
        s, z = model.n_states, len(model.joint_observations)
        joint = by_turns.joint_actions.tolist().index([0, 1, 0])
        for number, (a, b, c) in enumerate(model.joint_observations.tolist()):
            to_act = s + s * z + number
            (seen,) = np.flatnonzero(by_turns.observation[joint, to_act])
            # What each hears: the others' observations, or one more for silence; the last one's changes fastest.
            assert by_turns.joint_observations[seen].tolist() == [b * 3 + 2, 3 * 3 + 2, 3 * 3 + b]
            assert by_turns.expected_reward[joint, s + number] == -0.5
            (own,) = np.flatnonzero(by_turns.observation[joint, s + number])
            assert by_turns.joint_observations[own].tolist() == [a, b, c]


class TestSearch:
    @pytest.mark.parametrize("seed", range(4))
    @pytest.mark.parametrize("shape", [(2, 3, 3, 2), (1, 2, 2, 2, 2, 2), (3, 2)])
    def test_joint_rules_come_in_order(self, shape: tuple[int, ...], seed: int) -> None:
        """All of them, the best first, with what they are worth."""
        weights = np.random.default_rng(seed).normal(size=shape)
        n = len(shape) // 2
        every = {}
        rules = [
            list(product(range(a), repeat=m)) for m, a in zip(shape[::2], shape[1::2], strict=True)
        ]
        for joint in product(*rules):
            total = 0.0
            for types in product(*(range(m) for m in shape[::2])):
                at = [x for i in range(n) for x in (types[i], joint[i][types[i]])]
                total += weights[tuple(at)]
            every[joint] = total
        found = list(descending(weights))
        assert [value for value, _ in found] == pytest.approx(sorted(every.values(), reverse=True))
        for value, joint in found:
            assert every[tuple(tuple(rule.tolist()) for rule in joint)] == pytest.approx(value)
        floor = float(np.mean(sorted(every.values())[len(every) // 2 :][:2]))
        assert len(list(descending(weights, floor))) == sum(v > floor for v in every.values())

    def test_merging_keeps_what_matters(self) -> None:
        known = np.random.default_rng(0).random((2, 3, 2))
        doubled = np.stack(
            [known[:, 0] / 2, known[:, 1], known[:, 0] / 2, known[:, 2], 0 * known[:, 0]], axis=1
        )
        small, numbers, _ = merged(doubled)
        assert small.shape == known.shape
        assert numbers[0][0] == numbers[0][2] and numbers[0][4] == -1
        np.testing.assert_allclose(small[:, numbers[0][[0, 1, 3]]][:, :, numbers[1]], known)
        labelled = merged(doubled, [np.array([0, 0, 1, 0, 0]), np.zeros(2, np.int64)])[0]
        assert labelled.shape == (2, 4, 2)

    @pytest.mark.parametrize("cost", [None, 0.0, 0.3])
    def test_the_bound_is_one(self, cost: float | None) -> None:
        for seed in range(5):
            model = random_model(seed, (2, 2), (2, 2), 2)
            for horizon in (1, 2, 3):
                best = Search(model, horizon, cost).solve()
                bound = Bound(model, horizon, cost).of(0, model.start).max()
                shared = shared_value(model, horizon)
                assert best - 1e-9 <= bound <= shared + 1e-9


def test_it_says_how_long_and_refuses() -> None:
    said: list[str] = []
    exact(tiger(), 3, say=said.append)
    assert said[0].startswith("an exact plan for 3 steps takes about ")
    assert seconds(tiger(), 3) < 1 < seconds(tiger(), 20)
    with pytest.raises(ValueError, match=r"horizon must be less than 20 .* most_seconds higher"):
        exact(tiger(), 20, say=said.append)
    assert len(said) == 2
    with pytest.raises(ValueError, match="horizon must be less than 5"):
        exact(tiger(), 5, most_seconds=1e-3)


@pytest.mark.parametrize(
    ("call", "said"),
    [
        (lambda: exact(tiger(), 0), "horizon must be an integer"),
        (lambda: exact(tiger(), 51), "horizon must be an integer"),
        (lambda: exact(tiger(), 2, -1.0), "message_cost"),
        (lambda: exact(random_model(0), 2, 1.0), "message_cost must be None for 3 agents"),
        (lambda: exact(tiger(), 2, most_seconds=-1), "most_seconds"),
        (lambda: jesp(tiger(), 2, restarts=0), "restarts"),
        (lambda: jesp(tiger(), 2, seed=-1), "seed"),
        (lambda: jesp(tiger(), 9), "horizon must be less than 9"),
        (lambda: exhaustive(tiger(), 4), "horizon must be less than 4"),
        (lambda: shared_value(tiger(), "long"), "horizon"),
        (lambda: value_of(tiger(), ((np.zeros(1, int),) * 30,) * 2), "horizon must be less than 30"),
    ],
)  # fmt: skip
def test_bad_arguments_are_named(call: Any, said: str) -> None:
    with pytest.raises(ValueError, match=said):
        call()
