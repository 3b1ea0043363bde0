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
    horizon, _, columns = states.shape
    seen_before = np.empty((columns, horizon, len(agents)), np.int64)
    for step in range(horizon):
        for p in range(len(agents)):
            for b in range(columns):
                seen_before[b, step, p] = states[step, agents[p], b]
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
                total += reward[(agents[r] * n_states + now[r]) * n_actions + action]
            by_step[b, step] = total
            whole[b] += total
    gained = np.empty(len(entries))
    now, after = np.empty(len(agents), np.int64), np.empty(len(agents), np.int64)
    for j in range(len(entries)):
        b = episodes[j]
        total, simulated = 0.0, 0  # agents whose states are those in `now`
        for step in range(horizon):
            if simulated == 0 and first_entry[b, step] != entries[j]:
                total += by_step[b, step]
                continue
            now[simulated:] = seen_before[b, step, simulated:]
            paid, differs = 0.0, False
            for r in range(counts[step]):
                entry = _entry(seen, now, r, n_states)
                action = np.int64(table[entry])
                if r == 0 and entry == entries[j]:
                    action = actions[j]
                paid += reward[(agents[r] * n_states + now[r]) * n_actions + action]
                if step + 1 < horizon:
                    row = _entry(inputs, now, r, n_states) * n_actions + action
                    after[r] = 0
                    for k in range(limits.shape[0]):
                        after[r] += uint64(words[step, agents[r], b]) >= limits[k, row]
                    differs |= after[r] != seen_before[b, step + 1, r]
            total += paid
            simulated = counts[step] if differs else 0
            now, after = after, now
        gained[j] = total - whole[b]
    return gained


@njit(cache=True, nogil=True, inline="always")
def _entry(tables, now, r, n_states):
    """Return the entry of reached agent r in the states `now`, as `Scopes.entries`."""
    first, indptr, sources = tables
    entry, weight = first[r] + now[r], 1
    for k in range(indptr[r], indptr[r + 1]):
        weight *= n_states
        entry += weight * now[sources[k]]
    return entry
