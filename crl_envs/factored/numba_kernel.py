"""What coordinate ascent does most, in Numba; the same sums in the same order as `ascent._Search` in NumPy."""

# mypy: disable-error-code="no-untyped-def,misc,no-untyped-call"
from __future__ import annotations

import numpy as np
from numba import njit, uint64


@njit(cache=True, nogil=True)
def gains(model, near, states, words, table, entries, actions, episodes):
    """Return what each change of an entry adds to the returns of the agents that feel it: ``float64[m]``.

    Where nothing differs from the episode as it was, the sum of a step's rewards is known, and nothing is played again.

    Args:
        model: ``reward`` flat ``float64[n·S·A]``, ``limits uint64[S − 1, ·]``, S and A.
        near: ``agents int64[·]``, how many are reached by step ``int64[T]``, and their entries' and inputs' tables,
            each ``first int64[·]``, ``indptr``, ``sources``.
        states: ``uint8[T, n, B]``.
        words: ``uint32[T, n, B]``.
        table: ``uint8[·]``, the policy.
        entries, actions, episodes: ``int64[m]``, the changes.
    """
    reward, limits, n_states, n_actions = model
    agents, counts, seen, inputs = near
    first = seen[0]
    horizon, _, columns = states.shape
    seen_before = np.empty((columns, horizon, len(agents)), np.int64)
    for step in range(horizon):
        for p in range(len(agents)):
            for b in range(columns):
                seen_before[b, step, p] = states[step, agents[p], b]
    paid_before = np.zeros((columns, horizon, len(first)))
    by_step, whole = np.empty((columns, horizon)), np.zeros(columns)
    first_entry = np.empty((columns, horizon), np.int64)  # of the agent in the middle
    for b in range(columns):
        for step in range(horizon):
            now = seen_before[b, step]
            total = 0.0
            for r in range(counts[step]):
                entry = _entry(seen, now, r, n_states)
                if r == 0:
                    first_entry[b, step] = entry
                action = np.int64(table[entry])
                paid = reward[(agents[r] * n_states + now[r]) * n_actions + action]
                paid_before[b, step, r] = paid
                total += paid
            by_step[b, step] = total
            whole[b] += total
    begins, watchers = _watchers(seen, inputs, len(agents))
    gained = np.empty(len(entries))
    now = np.empty(len(agents), np.int64)
    paid = np.empty(len(first))
    asked = np.full(len(first), -1)  # when an agent was last found to see a difference
    differs, later = np.empty(len(agents), np.int64), np.empty(len(agents), np.int64)
    values, after = np.empty(len(agents), np.int64), np.empty(len(agents), np.int64)
    affected, time = np.empty(len(first), np.int64), 0
    for j in range(len(entries)):
        b = episodes[j]
        total, n_differs = 0.0, 0  # agents whose states aren't those of the episode as it was
        for step in range(horizon):
            if n_differs == 0 and first_entry[b, step] != entries[j]:
                total += by_step[b, step]
                continue
            time += 1
            now[:] = seen_before[b, step]
            affected[0], n_affected, asked[0] = 0, 1, time
            for d in range(n_differs):
                now[differs[d]] = values[d]
                for w in range(begins[differs[d]], begins[differs[d] + 1]):
                    r = watchers[w]
                    if r < counts[step] and asked[r] != time:
                        asked[r], affected[n_affected], n_affected = time, r, n_affected + 1
            paid[: counts[step]] = paid_before[b, step, : counts[step]]
            n_later = 0
            for k in range(n_affected):
                r = affected[k]
                entry = _entry(seen, now, r, n_states)
                action = np.int64(table[entry])
                if r == 0 and entry == entries[j]:
                    action = actions[j]
                paid[r] = reward[(agents[r] * n_states + now[r]) * n_actions + action]
                if step + 1 < horizon:
                    row = _entry(inputs, now, r, n_states) * n_actions + action
                    state = 0
                    for s in range(limits.shape[0]):
                        state += uint64(words[step, agents[r], b]) >= limits[s, row]
                    if state != seen_before[b, step + 1, r]:
                        later[n_later], after[n_later], n_later = r, state, n_later + 1
            this_step = 0.0
            for r in range(counts[step]):
                this_step += paid[r]
            total += this_step
            differs, later, values, after = later, differs, after, values
            n_differs = n_later
        gained[j] = total - whole[b]
    return gained


@njit(cache=True, nogil=True)
def _watchers(seen, inputs, n_places):
    """Return for each place the reached agents whose entries depend on its state, in compressed rows."""
    n_reached = len(seen[0])
    begins = np.zeros(n_places + 2, np.int64)
    for fill in (False, True):
        if fill:
            begins[2:] = np.cumsum(begins[2:])
            found = np.empty(begins[-1], np.int64)
        for r in range(n_reached):
            for which in range(3):
                indptr, sources = (inputs if which == 1 else seen)[1:]
                low, high = (r, r + 1) if which == 2 else (indptr[r], indptr[r + 1])
                for k in range(low, high):
                    place = r if which == 2 else sources[k]
                    if fill:
                        found[begins[place + 1]] = r
                        begins[place + 1] += 1
                    else:
                        begins[place + 2] += 1
    return begins[:-1], found


@njit(cache=True, nogil=True, inline="always")
def _entry(tables, now, r, n_states):
    """Return the entry of reached agent r in the states `now`, as `Scopes.entries`."""
    first, indptr, sources = tables
    entry, weight = first[r] + now[r], 1
    for k in range(indptr[r], indptr[r + 1]):
        weight *= n_states
        entry += weight * now[sources[k]]
    return entry
