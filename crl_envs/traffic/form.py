"""The dynamics of traffic lights, over any array namespace."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

from crl_envs.core.array_form import ArrayForm, Chance, look_up
from crl_envs.core.stream import Purpose
from crl_envs.traffic.problem import BINS, LEFT, MOST_AGE, RIGHT, TrafficProblem


class Traffic(NamedTuple):
    """The state; approaches are by heading: north, east, south, west."""

    phase: Any  # uint8[n, …]: 0, north and south have green, or 1, east and west
    age: Any  # uint8[n, …]: steps since the phase has changed, at most `MOST_AGE`
    queue: Any  # uint8[4, n, …]: vehicles that wait
    counts: Any  # int[4, …]: steps of this episode, vehicles that arrived, left, were turned away


def array_form(problem: TrafficProblem) -> ArrayForm:
    """Return traffic lights over any array namespace; the state is a `Traffic`."""
    n, capacity, lost = problem.n_agents, problem.capacity, problem.lost_steps
    ahead, behind, sources = problem.ahead, problem.behind, problem.sources
    is_open = problem.boundary == "open"
    bin_of = np.searchsorted(BINS, np.arange(2 * capacity + 1), side="right").astype(np.uint8) - 1

    def initial(xp: Any, tables: Any, words: Any) -> Any:
        columns = words[Purpose.INITIAL].shape[1:]
        phase = xp.zeros((n, *columns), np.uint8)
        age = xp.full((n, *columns), MOST_AGE, np.uint8)
        queue = xp.zeros((4, n, *columns), np.uint8)
        return Traffic(phase, age, queue, xp.zeros((4, *columns), int))

    def at(xp: Any, values: Any, place: Any, outside: int) -> Any:
        """Return ``values[place]``, and `outside` beyond the border."""
        if is_open:
            beyond = xp.full((1, *values.shape[1:]), outside, values.dtype)
            values = xp.concatenate([values, beyond])
        return values[place]

    def by_heading(words: Any) -> list[Any]:
        """Return words ``uint32[n, …]`` of the four headings; those of one phase are in one pair of lanes."""
        each = words.reshape(n, 2, 2, *words.shape[1:])
        return [each[:, h % 2, h // 2] for h in range(4)]

    def step(xp: Any, tables: Any, state: Any, action: Any, words: Any) -> Any:
        queue, phase = state.queue, action.astype(np.uint8)
        older = xp.minimum(state.age + 1, MOST_AGE)
        age = xp.where(phase == state.phase, older, 0).astype(np.uint8)
        has_green = [(age >= lost) & (phase == pair) for pair in (0, 1)]

        # Where the first of each queue with green wants to go; it is drawn anew when it has to wait.
        word = by_heading(words[Purpose.TRANSITION])
        last, some = tables["turns"]
        below = [[(word[h] <= last[k]) & some[k] for h in range(4)] for k in range(3)]
        first = [(queue[h] > 0) & has_green[h % 2] for h in range(4)]
        leaves = [first[h] & below[0][h] for h in range(4)]
        straight = [first[h] & below[1][h] & ~below[0][h] for h in range(4)]
        left = [first[h] & below[2][h] & ~below[1][h] for h in range(4)]
        right = [first[h] & ~below[2][h] for h in range(4)]

        # There is room by the queues at the beginning of the step. Into one queue come those straight on, or, with the
        # other phase, one from the left and one from the right, of whom the one that turns left gives way.
        room = np.uint8(capacity) - queue
        free = [at(xp, xp.minimum(room[g], 2), ahead[g], 2) for g in range(4)]
        straight = [straight[h] & (free[h] > 0) for h in range(4)]
        right = [right[h] & (free[(h + RIGHT) % 4] > 0) for h in range(4)]
        left = [
            left[h] & (free[(h + LEFT) % 4] > right[(h + 2) % 4].astype(np.uint8)) for h in range(4)
        ]
        out = [
            straight[g].astype(np.uint8)
            + right[(g - RIGHT) % 4].astype(np.uint8)
            + left[(g - LEFT) % 4].astype(np.uint8)
            for g in range(4)
        ]
        crossed = xp.stack([leaves[h] | straight[h] | left[h] | right[h] for h in range(4)])
        entered = xp.stack([at(xp, out[g], behind[g], 0) for g in range(4)])
        there = queue + entered

        last, some = tables["arrival"]
        arrived = xp.stack(
            [(word <= last[0]) & some[0] for word in by_heading(words[Purpose.ARRIVAL])]
        )
        if is_open:
            shape = (4, n, *(1,) * (queue.ndim - 2))
            arrived = arrived & xp.asarray(sources).reshape(shape)
        accepted = arrived & (there < capacity)
        after = there + accepted.astype(np.uint8) - crossed.astype(np.uint8)

        def total(values: Any) -> Any:
            return values.sum(axis=(0, 1), dtype=int)

        n_arrived = total(arrived)
        counted = [
            xp.ones_like(n_arrived),
            n_arrived,
            total(crossed) - total(entered),
            n_arrived - total(accepted),
        ]
        waiting = after.sum(axis=0, dtype=np.int32)
        paid = xp.take(tables["reward"], waiting, axis=0)
        return Traffic(phase, age, after, state.counts + xp.stack(counted)), paid

    def light(xp: Any, state: Any) -> Any:
        """Return the phase, and how much of its lost steps is to come: all that matters of its age."""
        if lost <= 1:
            return state.phase
        to_come = xp.maximum(np.int32(lost - 1) - state.age.astype(np.int32), 0)
        return state.phase + 2 * to_come.astype(np.uint8)

    def observation(xp: Any, state: Any) -> Any:
        queue = state.queue
        if problem.observe == "binned":
            pairs = [queue[0] + queue[2], queue[1] + queue[3]]
            bins = look_up(xp, xp.asarray(bin_of), xp.stack(pairs, axis=1))
            return xp.concatenate([light(xp, state)[:, None], bins], axis=1)
        seen = [state.phase, state.age, *queue]
        if problem.observe == "neighborhood":
            for place in (behind, ahead):
                seen += [at(xp, queue[g], place[g], 0) for g in range(4)]
        return xp.stack(seen, axis=1)

    def metrics(xp: Any, state: Any) -> dict[str, Any]:
        steps, arrived, left, turned_away = state.counts
        return {
            "queue": state.queue.sum(axis=(0, 1), dtype=int) / n,
            "flow": left / (n * xp.maximum(steps, 1)),
            "turned_away": turned_away / xp.maximum(arrived, 1),
        }

    def state_array(xp: Any, state: Any) -> Any:
        queue = state.queue.reshape(4 * n, *state.phase.shape[1:])
        return xp.concatenate([state.phase, state.age, queue])

    return ArrayForm(
        tables={
            "turns": Chance.of(problem.turn_limits),
            "arrival": Chance.of(np.array([problem.arrival_rate])),
            "reward": rewards(problem),
        },
        purposes=(Purpose.TRANSITION, Purpose.ARRIVAL),
        initial=initial,
        step=step,
        observation=observation,
        state_array=state_array,
        metrics=metrics,
        lanes=4 * n,
    )


def rewards(problem: TrafficProblem) -> Any:
    """Return ``float32[4C + 1]``: what so many vehicles at a crossing cost."""
    most = 4 * problem.capacity
    return (0.0 - np.arange(most + 1) / most).astype(np.float32)
