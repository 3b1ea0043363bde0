"""A round of max-plus and variable elimination, in Numba; the same sums in the same order as in NumPy."""

# mypy: disable-error-code="no-untyped-def,misc,no-untyped-call"
from __future__ import annotations

import numpy as np
from numba import njit


@njit(cache=True, nogil=True)
def send(wires, along, own, going, damping, state, new, changed, paid):
    """Send a message along each direction of each edge, where a column goes on, and let all choose by what they hear.

    Args:
        wires: ``source``, ``order`` and ``begins``, as of `coordination_graph.Wires`.
        along: ``float64[2E, A of the source, A of the target, B]``.
        own: ``float64[n, A, B]``.
        going: ``bool[B]``.
        damping: Weight of the last message.
        state: ``messages float64[2E, A, B]``, ``heard float64[n, A, B]`` and ``actions int64[n, B]``; the last two are
            written.
        new: ``float64[2E, A, B]``, the messages, written.
        changed: ``float64[B]``, the largest change of a message, written.
        paid: ``float64[E, B]`` and ``float64[n, B]``, what edges and agents are paid without ties, written, out of
            ``pair float64[E, A, A, B]``, the third.
    """
    source, order, begins = wires
    messages, heard, actions = state
    of_edges, of_agents, pair, edges = paid
    count, a, columns = messages.shape
    half = count // 2
    changed[:] = 0.0
    total = np.empty(columns)
    for d in range(count):
        i, back = source[d], (d + half) % count
        total[:] = 0.0
        for k in range(a):
            for b in range(columns):
                most = -np.inf
                for j in range(a):
                    value = heard[i, j, b] - messages[back, j, b] + along[d, j, k, b]
                    if value > most:
                        most = value
                new[d, k, b] = most
                total[b] += most
        for k in range(a):
            for b in range(columns):
                last = messages[d, k, b]
                if going[b]:
                    value = new[d, k, b] - total[b] / a
                    value += damping * (last - value)
                    new[d, k, b] = value
                    changed[b] = max(changed[b], abs(value - last))
                else:
                    new[d, k, b] = last
    for i in range(len(own)):
        first, end = begins[i], begins[i + 1]
        for k in range(a):
            for b in range(columns):
                # As `np.add.reduceat` has it: the first, and the sum of the others.
                value = 0.0
                for m in range(first + 1, end):
                    value += new[order[m], k, b]
                if first < end:
                    value = new[order[first], k, b] + value
                heard[i, k, b] = own[i, k, b] + value
        for b in range(columns):
            best = 0
            for k in range(1, a):
                if heard[i, k, b] > heard[i, best, b]:
                    best = k
            actions[i, b] = best
            of_agents[i, b] = own[i, best, b]
    for e in range(half):
        for b in range(columns):
            of_edges[e, b] = pair[e, actions[edges[e, 0], b], actions[edges[e, 1], b], b]


@njit(cache=True, nogil=True)
def eliminate(sizes, steps, factors, values, choices, digits):
    """Eliminate variable after variable, and write what is best for each.

    Args:
        sizes: ``int64[V]``, values of each variable.
        steps: ``variable int64[V]``; ``others_at int64[V + 1]`` and ``others int64[·]``; ``bucket_at int64[V + 2]`` and
            ``bucket int64[·]``, the factors of each step and, last, those of no variable; ``choice_at int64[V]``, where
            its choices begin. Step k makes factor ``len(first) - V + k``.
        factors: ``first int64[F]``, where a factor's numbers begin; ``stride int64[·]``, for each factor of each bucket
            what a step of the variable and of each of the others moves it by, from ``stride_at int64[·]`` on.
        values: ``float64[·, B]``, the factors' numbers, those that are made written.
        choices: ``uint8[·, B]``, written.
        digits: ``int64[V, B]``, the best values, written.

    Returns:
        ``float64[B]``, the maximum.
    """
    variable, others_at, others, bucket_at, bucket, choice_at = steps
    first, stride, stride_at = factors
    n, columns = len(variable), values.shape[1]
    made = len(first) - n
    at, counter = np.empty(len(bucket), np.int64), np.empty(n, np.int64)
    total = np.empty(columns)
    for k in range(n):
        low, high = bucket_at[k], bucket_at[k + 1]
        begin, width = others_at[k], others_at[k + 1] - others_at[k]
        count = 1
        for w in range(width):
            count *= sizes[others[begin + w]]
        for f in range(low, high):
            at[f] = first[bucket[f]]
        counter[:width] = 0
        for place in range(count):
            out, chosen = first[made + k] + place, choice_at[k] + place
            for x in range(sizes[variable[k]]):
                for b in range(columns):
                    total[b] = values[at[low] + x * stride[stride_at[low]], b]
                for f in range(low + 1, high):
                    moved = at[f] + x * stride[stride_at[f]]
                    for b in range(columns):
                        total[b] += values[moved, b]
                for b in range(columns):
                    if x == 0 or total[b] > values[out, b]:
                        values[out, b] = total[b]
                        choices[chosen, b] = x
            # On to the next values of the others, the last of them fastest.
            for w in range(width - 1, -1, -1):
                counter[w] += 1
                turns = counter[w] == sizes[others[begin + w]]
                moved = 1 - counter[w] if turns else 1
                for f in range(low, high):
                    at[f] += moved * stride[stride_at[f] + 1 + w]
                if not turns:
                    break
                counter[w] = 0
    low = bucket_at[n]
    for b in range(columns):
        total[b] = values[first[bucket[low]], b]
    for f in range(low + 1, bucket_at[n + 1]):
        for b in range(columns):
            total[b] += values[first[bucket[f]], b]
    for k in range(n - 1, -1, -1):
        for b in range(columns):
            place = 0
            for w in range(others_at[k], others_at[k + 1]):
                place = place * sizes[others[w]] + digits[others[w], b]
            digits[variable[k], b] = choices[choice_at[k] + place, b]
    return total
