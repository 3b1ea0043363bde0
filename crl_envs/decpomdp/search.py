"""Exact plans for short horizons, with messages that cost something or without."""

from __future__ import annotations

import heapq
import math
from collections.abc import Callable, Iterator
from functools import lru_cache
from itertools import count, product
from typing import Any, Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from crl_envs.core.arguments import check_real
from crl_envs.decpomdp.model import DecPOMDP
from crl_envs.decpomdp.policy import (
    JointPolicy,
    Rules,
    ahead,
    check_horizon,
    grid,
    one_hot,
    paid,
    rules_values,
)
from crl_envs.decpomdp.reader import Table

_DIGITS: Final = 10
_EPSILON: Final = 1e-9
_MOST_BELIEFS: Final = 100_000
_SECONDS: Final = 1e-4  # of a step of the search; rough
_PROBE: Final = 10_000  # steps of a plan for fewer steps
_MOST_TYPES: Final = 8  # of an agent that may send: all subsets of them are gone through

Floor = float


class TooLarge(ValueError):
    """A plan would take too long or too much memory."""


class Solved(NamedTuple):
    """What is known about a node: its value if `exact`, else that it isn't above `value`."""

    value: float
    exact: bool
    choice: Any = None


class Bound:
    """What agents could earn at most from a joint belief on, by step and joint action.

    With ``shared=True`` they know all observations at once: the value of the multiagent POMDP. Else each knows the
    others' observations one step later, and until then only what was sent to it (Oliehoek, Spaan & Vlassis 2008, Q_BG).

    Args:
        model: The problem.
        horizon: Steps.
        cost: Of a message; None where there are none.
        shared: As above.
        most: Beliefs, of which each takes all joint actions and observations.
    """

    def __init__(
        self,
        model: DecPOMDP,
        horizon: int,
        cost: float | None = None,
        shared: bool = False,
        most: int = _MOST_BELIEFS,
    ) -> None:
        self.model, self.horizon, self.cost, self.shared = model, horizon, cost, shared
        self.most = most
        self._known: dict[tuple[int, bytes], Table] = {}

    def of(self, t: int, belief: Table) -> Table:
        """Return ``float64[J]`` for a belief ``float64[S]`` at step t."""
        return self._look_up((t, _key(belief)), belief)

    def _look_up(self, key: tuple[int, bytes], belief: Table) -> Table:
        found = self._known.get(key)
        if found is None:
            if len(self._known) >= self.most:
                raise TooLarge(
                    f"horizon must be less than {self.horizon} for this model: there are more than {self.most} beliefs"
                )
            found = self._known[key] = self._compute(key[0], belief)
        return found

    def weights(self, t: int, occupancy: Table) -> Table:
        """Return ``float64[m_1, A_1, …, m_n, A_n]`` for an occupancy ``float64[S, m_1, …, m_n]``."""
        model, n = self.model, self.model.n_agents
        shape = occupancy.shape[1:]
        flat = occupancy.reshape(model.n_states, -1)
        chance = flat.sum(axis=0)
        worth = np.zeros((flat.shape[1], len(model.joint_actions)))
        if t == self.horizon - 1:
            worth += (model.expected_reward @ flat).T
        else:
            there = np.flatnonzero(chance > 0)
            beliefs = np.ascontiguousarray((flat[:, there] / chance[there]).T)
            keys = np.round(beliefs, _DIGITS) + 0.0
            for k, key, belief in zip(there.tolist(), keys, beliefs, strict=True):
                worth[k] = chance[k] * self._look_up((t, key.tobytes()), belief)
        order = [axis for i in range(n) for axis in (i, n + i)]
        return worth.reshape(*shape, *model.n_actions).transpose(order)

    def _compute(self, t: int, belief: Table) -> Table:
        model = self.model
        now: Table = model.expected_reward @ belief
        if t == self.horizon - 1:
            return now
        moved = np.einsum("s,jst->jt", belief, model.transition)
        after = moved[:, :, None] * model.observation  # [J, S, Z]
        later = np.empty(len(now))
        for j, seen in enumerate(after):
            if self.shared:
                chance = seen.sum(axis=0)
                later[j] = sum(
                    chance[z] * self.of(t + 1, seen[:, z] / chance[z]).max()
                    for z in np.flatnonzero(chance > 0)
                )
            else:
                weights = self.weights(t + 1, seen.reshape(-1, *model.n_observations))
                later[j] = (
                    rules_values(weights).max()
                    if self.cost is None
                    else _Messages(weights, [np.arange(o) for o in model.n_observations])
                    .bounds(self.cost, _chances(seen.reshape(-1, *model.n_observations)))
                    .max()
                )
        return now + model.discount * later


class _Messages:
    """What two agents are worth at most by who sends what.

    Args:
        weights: As of `Bound.weights`.
        labels: For each agent its last observation, by what it knows.

    Attributes:
        worth: ``float64[2^k, 2^l]``, where only these types of both are possible.
    """

    def __init__(self, weights: Table, labels: list[Rules]) -> None:
        self.labels = labels
        k, a, m, b = weights.shape
        in_sets = _sets(m).T.astype(np.float64)  # [m, 2^m]
        self.worth = np.zeros((2**k, 2**m))
        for chosen, inside in enumerate(_sets(k)):
            if chosen:
                values = np.tensordot(
                    one_hot(int(inside.sum()), a), weights[inside].reshape(-1, m, b), 1
                )
                self.worth[chosen] = (values.max(axis=2) @ in_sets).max(axis=0)

    def outcomes(self, i: int) -> NDArray[np.int64]:
        """Return ``int64[O + 1, 2^k]``: by who sends, the types that send each observation, and last the silent."""
        label, senders = self.labels[i], np.arange(2 ** len(self.labels[i]))
        masks = [int(((label == o) << np.arange(len(label))).sum()) for o in np.unique(label)]
        return np.stack([*(senders & mask for mask in masks), senders[-1] ^ senders])

    def bounds(self, cost: float, chances: list[Table]) -> Table:
        """Return ``float64[2^k, 2^l]``, by who sends: what it brings at most less what it costs."""
        paid_for = [cost * (_sets(len(c)) @ c) for c in chances]
        bound: Table = -np.add.outer(*paid_for)
        for x, y in product(self.outcomes(0), self.outcomes(1)):
            bound += self.worth[np.ix_(x, y)]
        return bound


class Search:
    """Depth-first branch and bound over joint rules, step by step, from what agents know (an occupancy).

    It is small-step multiagent A* (Szer, Charpillet & Zilberstein 2005) with histories merged that say the same about
    the state and the others (Oliehoek et al. 2013), depth first, with what was found kept by occupancy.

    Args:
        model: The problem.
        horizon: Steps.
        cost: Of a message; None: there are none.
        most_steps: Decisions for one thing that an agent may know, after which the search gives up.
        most_beliefs: Those of its `Bound`.

    Raises:
        TooLarge: In its methods: it has given up.
    """

    def __init__(
        self,
        model: DecPOMDP,
        horizon: int,
        cost: float | None = None,
        most_steps: float = math.inf,
        most_beliefs: int = _MOST_BELIEFS,
    ) -> None:
        self.model, self.horizon, self.cost = model, horizon, cost
        self.bound = Bound(model, horizon, cost, most=most_beliefs)
        self.steps, self.most_steps = 0, most_steps
        self._solved: dict[tuple[int, tuple[int, ...], bytes], Solved] = {}
        self._differ: dict[bytes, list[Rules]] = {}

    def solve(self) -> float:
        """Return the value of the best joint policy."""
        return self.act(0, self.first, -math.inf).value

    @property
    def first(self) -> Table:
        """Occupancy of the start: nobody has seen anything."""
        return self.model.start.reshape(-1, *(1,) * self.model.n_agents)

    def act(self, t: int, known: Table, floor: Floor) -> Solved:
        """Return what an occupancy is worth from step t on, as far as it is above the floor."""
        key = t, known.shape, _key(known)
        found = self._solved.get(key)
        if found is None or not (found.exact or found.value <= floor):
            self._solved[key] = found = self._act(t, known, floor)
        return found

    def _act(self, t: int, known: Table, floor: Floor) -> Solved:
        weights = self.bound.weights(t, known)
        differ = self._different(np.asarray(known.reshape(len(known), -1).any(axis=1)))
        for i, actions in enumerate(differ):
            weights = weights.take(actions, axis=2 * i + 1)
        if t == self.horizon - 1:
            value, rules = next(descending(weights, floor - _EPSILON, self._tick), (floor, None))
            if rules is not None:
                rules = [actions[rule] for actions, rule in zip(differ, rules, strict=True)]
            return Solved(value, rules is not None, rules)
        best, choice = floor, None
        for bound, rules in descending(weights, floor + _EPSILON, self._tick):
            if bound <= best + _EPSILON:
                break
            rules = [actions[rule] for actions, rule in zip(differ, rules, strict=True)]
            joint = grid(self.model, rules)
            now = paid(self.model, known, joint)
            left = (best - now) / self.model.discount
            later = self.after(t + 1, ahead(self.model, known, joint), left)
            value = now + self.model.discount * later.value
            if value > best + _EPSILON:
                best, choice = value, rules
        return Solved(best, choice is not None, choice)

    def _different(self, states: NDArray[np.bool_]) -> list[Rules]:
        """Return each agent's actions without those that do in these states what an earlier one does."""
        key = states.tobytes()
        if key not in self._differ:
            model, n = self.model, self.model.n_agents
            joint = np.arange(len(model.joint_actions)).reshape(model.n_actions)
            moved = model.transition[:, states]
            reached = moved.any(axis=(0, 1))
            does = [moved, model.expected_reward[:, states], model.observation[:, reached]]
            flat = np.concatenate([part.reshape(joint.size, -1) for part in does], axis=1)
            self._differ[key] = []
            for i in range(n):
                by_own = flat[np.moveaxis(joint, i, 0).reshape(model.n_actions[i], -1)]
                alike = {row.tobytes(): a for a, row in reversed([*enumerate(by_own)])}
                self._differ[key].append(np.array(sorted(alike.values())))
        return self._differ[key]

    def after(self, t: int, known: Table, floor: Floor) -> Solved:
        """Return the same from after the observations of a step on, before messages."""
        if self.cost is None:
            return self.act(t, merged(known)[0], floor)
        key = -t, known.shape, _key(known)
        found = self._solved.get(key)
        if found is None or not (found.exact or found.value <= floor):
            self._solved[key] = found = self._send(t, known, floor)
        return found

    def labelled(self, known: Table) -> tuple[Table, list[Rules]]:
        """Return an occupancy with types merged that say the same and saw the same last; and what they saw."""
        labels = [
            np.tile(np.arange(o), m // o)
            for o, m in zip(self.model.n_observations, known.shape[1:], strict=True)
        ]
        return merged(known, labels)[::2]

    def _tick(self) -> None:
        self.steps += 1
        if self.steps > self.most_steps:
            raise TooLarge(
                f"horizon must be less than {self.horizon} for this model, or the limit higher: the plan isn't "
                f"found after {self.most_steps:,.0f} steps of the search"
            )

    def _send(self, t: int, known: Table, floor: Floor) -> Solved:
        cost = self.cost or 0.0
        known, labels = self.labelled(known)
        if max(known.shape[1:]) > _MOST_TYPES:
            raise TooLarge(
                f"horizon must be less than {self.horizon} for this model with messages: in one step an agent that may "
                f"send may know {max(known.shape[1:])} different things, and {_MOST_TYPES} are allowed"
            )
        messages = _Messages(self.bound.weights(t, known), labels)
        chances = _chances(known)
        bounds = messages.bounds(cost, chances)
        if t == self.horizon - 1:
            at = np.unravel_index(int(bounds.argmax()), bounds.shape)
            return Solved(float(bounds[at]), True, at)
        best, choice, flat = floor, None, bounds.ravel()
        order = np.flatnonzero(flat > floor + _EPSILON)
        for number in order[np.argsort(-flat[order])]:
            if flat[number] <= best + _EPSILON:
                break
            self._tick()
            at = np.unravel_index(number, bounds.shape)
            total = float(flat[number])
            for chance, part, most in self.parts(known, messages, at):
                left = (best - total + most) / chance
                value = chance * self.act(t, part, left).value
                total += min(value - most, 0.0)
                if total <= best + _EPSILON:
                    break
            else:
                best, choice = total, at
        return Solved(best, choice is not None, choice)

    def policy(self) -> JointPolicy:
        """Return the joint policy that `solve` has found, without messages."""
        model, known = self.model, self.first
        numbers = [np.zeros(1, np.int64) for _ in range(model.n_agents)]  # of each history
        steps = []
        for t in range(self.horizon):
            rules = self.act(t, known, -math.inf).choice
            steps.append([rule[number] for rule, number in zip(rules, numbers, strict=True)])
            known, new, _ = merged(ahead(model, known, grid(model, rules)))
            numbers = [
                renamed[number[:, None] * o + np.arange(o)].ravel()
                for renamed, number, o in zip(new, numbers, model.n_observations, strict=True)
            ]
        return tuple(zip(*steps, strict=True))

    def messages(self, t: int, known: Table) -> float:
        """Return the expected number of messages from step t on, as `solve` has planned it."""
        if t == self.horizon - 1:
            return 0.0
        rules = self.act(t, known, -math.inf).choice
        known = ahead(self.model, known, grid(self.model, rules))
        senders = self.after(t + 1, known, -math.inf).choice
        known, labels = self.labelled(known)
        sent = sum(
            float(_sets(len(c))[at] @ c) for c, at in zip(_chances(known), senders, strict=True)
        )
        messages = _Messages(self.bound.weights(t + 1, known), labels)
        parts = self.parts(known, messages, senders)
        return sent + sum(chance * self.messages(t + 1, part) for chance, part, _ in parts)

    def parts(self, known: Table, messages: _Messages, at: Any) -> list[tuple[float, Table, float]]:
        """Return what everybody may hear: its probability, what is known then, and what it is worth at most."""
        made = []
        xs, ys = (messages.outcomes(i)[:, at[i]] for i in range(2))
        for x, y in product(xs, ys):
            part = known[:, _sets(known.shape[1])[x]][:, :, _sets(known.shape[2])[y]]
            chance = float(part.sum())
            if chance > 1e-12:
                made.append((chance, merged(part / chance)[0], float(messages.worth[x, y])))
        return sorted(made, key=lambda one: -one[0])


def shared_value(model: DecPOMDP, horizon: int) -> float:
    """Return what the best policy is worth of agents who share all that they see, at no cost (a multiagent POMDP).

    Args:
        model: The problem.
        horizon: Steps, 1 to 50.

    Raises:
        ValueError: The horizon is out of range, or there are too many beliefs.
    """
    check_horizon(horizon)
    return float(Bound(model, horizon, shared=True).of(0, model.start).max())


def seconds(model: DecPOMDP, horizon: int, message_cost: float | None = None) -> float:
    """Return about how long `exact` takes, to an order of magnitude.

    It plans for horizons of 1, 2, … until that takes more than a second, and goes on from there with the growth of
    the last step.

    Args:
        model: The problem.
        horizon: Steps.
        message_cost: As of `exact`.

    Raises:
        ValueError: As by `exact`.
    """
    steps = [1.0, 1.0]
    for shorter in range(1, horizon):
        search = _search(model, shorter, message_cost, _PROBE)
        try:
            search.solve()
        except TooLarge:
            steps.append(max(search.steps, _PROBE))
            break
        steps.append(max(search.steps, steps[-1]))
    growth = math.log(steps[-1] / steps[-2]) * (horizon + 2 - len(steps))
    return _SECONDS * math.exp(min(math.log(steps[-1]) + growth, 700.0))


def exact(
    model: DecPOMDP,
    horizon: int,
    message_cost: float | None = None,
    *,
    most_seconds: float = 600.0,
    say: Callable[[str], None] | None = None,
) -> ExactPlan:
    """Return a best joint policy for some steps.

    With a `message_cost` either of two agents may, after each observation but the last, send it to the other
    (Goldman & Zilberstein 2004, with an alphabet of the observations and silence). Both decide at once, and both know
    afterwards what was sent. At a cost of 0 the value is that of agents who see everything that anybody sees.

    Args:
        model: The problem.
        horizon: Steps, 1 to 50.
        message_cost: What a message costs the team, ≥ 0, discounted as the step after it. None: nothing can be sent.
        most_seconds: What `seconds` may say, and the limit of the search, in steps of 0.1 ms, whatever the machine.
        say: Called with a line about how long it takes, before it begins.

    Raises:
        ValueError: An argument out of its range; messages of a number of agents other than two; or a plan that takes
            too long.
    """
    check_real("most_seconds", most_seconds, low=0)
    _search(model, horizon, message_cost, math.inf)
    about = seconds(model, horizon, message_cost)
    if say:
        say(f"an exact plan for {horizon} steps takes about {about:.1g} s")
    if about > most_seconds:
        raise TooLarge(
            f"horizon must be less than {horizon} for this model, or most_seconds higher: the plan takes about "
            f"{about:.1g} s, and {most_seconds:g} are allowed"
        )
    search = _search(model, horizon, message_cost, most_seconds / _SECONDS)
    value = search.solve()
    if message_cost is None:
        return ExactPlan(value, search.policy(), 0.0)
    return ExactPlan(value, None, search.messages(0, search.first))


class ExactPlan(NamedTuple):
    """What `exact` finds."""

    value: float  # expected sum of team rewards less messages' costs, discounted as the model says
    policy: JointPolicy | None  # as of a `Plan`; None with messages
    messages: float  # expected number of messages in an episode


def _search(model: DecPOMDP, horizon: int, cost: float | None, most_steps: float) -> Search:
    check_horizon(horizon)
    if cost is not None:
        check_real("message_cost", cost, low=0)
        if model.n_agents != 2:
            raise ValueError(
                f"message_cost must be None for {model.n_agents} agents: messages are those of two"
            )
    return Search(model, horizon, cost, most_steps)


def descending(
    weights: Table, floor: float = -math.inf, tick: Callable[[], None] = lambda: None
) -> Iterator[tuple[float, list[Rules]]]:
    """Yield joint rules that are worth more than the floor, the best first, with what they are worth.

    A best-first search that decides for one thing after the other that an agent may know. What is left is worth at
    most what it would be if for everything that the other agents may know the best were done.

    Args:
        weights: As of `rules_values`.
        floor: As said.
        tick: Called at each decision.
    """
    ties = count()  # so that nothing else is compared
    places = []  # of each type in the order in which they are decided: those first on which most depends
    for axis in range(0, weights.ndim, 2):
        spread = np.moveaxis(np.ptp(weights, axis=axis + 1), axis, 0)
        order = np.argsort(-spread.reshape(len(spread), -1).sum(axis=1), kind="stable")
        weights = weights.take(order, axis=axis)
        places.append(np.argsort(order))
    rest = _rest(weights)
    reached: list[Any] = [(0.0, next(ties), [], weights, rest, (), np.zeros(weights.shape[2:]))]
    while reached:
        bound, _, rules, left, rest, chosen, sofar = heapq.heappop(reached)
        if len(chosen) == len(left):
            rules = [*rules, np.array(chosen)]
            if left.ndim == 2:
                yield -bound, [rule[place] for rule, place in zip(rules, places, strict=True)]
                continue
            left, rest, chosen, sofar = sofar, _rest(sofar), (), np.zeros(sofar.shape[2:])
        tick()
        k = len(chosen)
        options = sofar + left[k]
        most = (options + rest[k + 1]).max(axis=tuple(range(2, left.ndim - 1, 2)))
        most = most.reshape(len(most), -1).sum(axis=1)
        for action in np.flatnonzero(most > floor).tolist():
            entry = rules, left, rest, (*chosen, action), options[action]
            heapq.heappush(reached, (-float(most[action]), next(ties), *entry))


def _rest(weights: Table) -> Table:
    """Return for each k what an agent's types k, k + 1, … are worth if it knew what the others know and do."""
    most = weights.max(axis=1)
    rest = np.zeros((len(most) + 1, *most.shape[1:]))
    rest[:-1] = most[::-1].cumsum(axis=0)[::-1]
    return rest


def merged(
    known: Table, labels: list[Rules] | None = None
) -> tuple[Table, list[Rules], list[Rules]]:
    """Merge what an agent may know where it says the same about the state and the others, and leave out what it can't.

    Args:
        known: ``float64[S, m_1, …, m_n]``.
        labels: For each agent ``int64[m_i]``: those that differ aren't merged.

    Returns:
        The occupancy; for each agent the new number of each type, −1 for none; and for each the labels of the new ones.
    """
    n = known.ndim - 1
    labels = labels or [np.zeros(m, np.int64) for m in known.shape[1:]]
    numbers = [np.arange(m) for m in known.shape[1:]]
    while True:
        before = known.shape
        for i in range(n):
            rows = np.moveaxis(known, 1 + i, 0)
            rest = rows.shape[1:]
            rows = rows.reshape(len(rows), -1)
            chance = rows.sum(axis=1)
            there = np.flatnonzero(chance > 1e-13)
            says = np.round(rows[there] / chance[there, None], _DIGITS) + 0.0
            groups: dict[Any, int] = {}
            kinds = zip(labels[i][there].tolist(), map(bytes, says), strict=True)
            group = np.array([groups.setdefault(kind, len(groups)) for kind in kinds])
            if len(groups) == len(rows):
                continue
            total = np.zeros((len(groups), rows.shape[1]))
            np.add.at(total, group, rows[there])
            known = np.moveaxis(total.reshape(-1, *rest), 0, 1 + i)
            renamed = np.full(len(rows) + 1, -1)
            renamed[there] = group
            numbers[i] = renamed[numbers[i]]
            labels = [*labels]
            labels[i] = np.array([label for label, _ in groups])
        if known.shape == before:
            return np.ascontiguousarray(known), numbers, labels


def _chances(known: Table) -> list[Table]:
    n = known.ndim - 1
    return [known.sum(axis=tuple(k for k in range(n + 1) if k != 1 + i)) for i in range(n)]


def _key(table: Table) -> bytes:
    return (np.round(table, _DIGITS) + 0.0).tobytes()


@lru_cache(maxsize=32)
def _sets(count: int) -> NDArray[np.bool_]:
    """``bool[2^k, k]``: all subsets."""
    return (np.arange(2**count)[:, None] >> np.arange(count) & 1).astype(np.bool_)
