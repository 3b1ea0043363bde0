"""An agent's turn in coordinate ascent, in Numba; the same sums in the same order as `ascent._Search` in NumPy."""

# mypy: disable-error-code="no-untyped-def,misc,no-untyped-call"
from __future__ import annotations

import numpy as np
from numba import njit, uint64


@njit(cache=True, nogil=True)
def turn(agent, changes, noise, cells_at_once, model, scopes, influenced, played, marks):
    """Change the agent's entries one after the other, the best first, as long as that improves the return.

    Args:
        agent: Whose turn it is.
        changes: How many there have been, of all agents.
        noise: The largest gain that is none.
        cells_at_once: Agents × episodes × steps that NumPy plays together.
        model: ``reward float64[n, S, A]``, ``limits uint64[S − 1, ·]``, S and A.
        scopes: Of the policies and of the transitions, each ``first int64[n + 1]``, ``indptr`` and ``indices``.
        influenced: ``indptr`` and ``indices``, as `ascent._influenced`.
        played: The policies' ``table uint8[·]`` and what its entries pay, ``float64[·]``, the ``states uint8[n, T, B]``
            that it makes, all three written, and ``words uint32[n, T, B]``.
        marks: ``changed_at`` and ``tried_at`` of `ascent._Search`, both written, and ``int64[n]``, all n.

    Returns:
        ``changes`` after the turn, and False where the rest is left to NumPy.
    """
    reward, _, n_states, n_actions = model
    table, pays, states, _ = played
    changed_at, tried_at, place = marks
    first, indptr, indices = scopes[0]
    n, horizon, columns = states.shape
    agents, counts, near = _surroundings(agent, scopes, influenced, place, horizon)
    reached = counts[-1]
    last = -1
    for p in range(near):
        last = max(last, changed_at[agents[p]])
    done = last <= tried_at[agent]
    if not done:
        size = n_states ** (1 + indptr[agent + 1] - indptr[agent])
        paid, by_step = np.empty((horizon, reached, columns)), np.empty((horizon, columns))
        own, entries = np.empty((horizon, columns), np.int64), np.empty(columns, np.int64)
        lists = (
            np.empty((2, reached * columns, 3), np.int64),
            np.empty((reached * columns, 2), np.int64),
            np.empty(reached * columns),
            np.zeros((reached, columns), np.bool_),
        )
        around = agents, counts, place, paid, by_step
    while not done:
        by_step[:] = 0.0
        begins = np.zeros(size + 2, np.int64)
        for step in range(horizon):
            for r in range(counts[step]):
                i = agents[r]
                row = own[step] if r == 0 else entries
                now = states[i, step]
                for b in range(columns):
                    row[b] = first[i] + now[b]
                weight = 1
                for k in range(indptr[i], indptr[i + 1]):
                    weight *= n_states
                    other = states[indices[k], step]
                    for b in range(columns):
                        row[b] += weight * other[b]
                for b in range(columns):
                    paid[step, r, b] = pays[row[b]]
                    by_step[step, b] += paid[step, r, b]
            for b in range(columns):
                begins[own[step, b] - first[agent] + 2] += 1
        begins = np.cumsum(begins)
        cells = np.empty((horizon * columns, 2), np.int64)  # by entry, then by step
        for step in range(horizon):
            for b in range(columns):
                c = own[step, b] - first[agent] + 1
                cells[begins[c], 0], cells[begins[c], 1] = step, b
                begins[c] += 1
        pairs, counted = 0, np.full(columns, -1)
        for c in range(size):
            for k in range(begins[c], begins[c + 1]):
                if counted[cells[k, 1]] != c:
                    counted[cells[k, 1]] = c
                    pairs += 1
        # NumPy adds up in another order where a column is alone.
        part = max(1, cells_at_once // (near * horizon))
        if pairs * (n_actions - 1) % part == 1 % part or columns % part == 1 % part:
            break
        most, best, last = noise, -1, size * n_actions
        for tried in range(last + 1):
            chosen = best if tried == last else tried
            c, action = chosen // n_actions, chosen % n_actions
            occurs = cells[begins[c] : begins[c + 1]]
            if chosen >= 0 and len(occurs) and action != table[first[agent] + c]:
                change = first[agent] + c, action, reward[agent, c % n_states, action], occurs, tried == last
                gain = _replay(change, model, scopes, influenced, played, around, lists)
                if gain > most:
                    most, best = gain, tried
        if best < 0:
            tried_at[agent], done = changes, True
        else:
            c, action = best // n_actions, best % n_actions
            table[first[agent] + c] = action
            pays[first[agent] + c] = reward[agent, c % n_states, action]
            changes += 1
            for r in range(reached):
                changed_at[agents[r]] = changes
    for p in range(near):
        place[agents[p]] = n
    return changes, done


@njit(cache=True, nogil=True)
def _surroundings(agent, scopes, influenced, place, horizon):
    """Return the agents that a change reaches, then those whose states they need; how many by step; and in all."""
    indptr, indices = influenced
    n = len(place)
    agents, counts = np.empty(n, np.int64), np.empty(horizon, np.int64)
    agents[0], place[agent], begin, near = agent, 0, 0, 1
    for step in range(horizon):
        counts[step] = near
        if step + 1 < horizon:
            for r in range(begin, counts[step]):
                for k in range(indptr[agents[r]], indptr[agents[r] + 1]):
                    if place[indices[k]] == n:
                        place[indices[k]], agents[near], near = near, indices[k], near + 1
            begin = counts[step]
    for r in range(counts[-1]):
        for _, starts, others in scopes:
            for k in range(starts[agents[r]], starts[agents[r] + 1]):
                if place[others[k]] == n:
                    place[others[k]], agents[near], near = n + 1, others[k], near + 1
    return agents, counts, near


@njit(cache=True, nogil=True)
def _replay(change, model, scopes, influenced, played, around, lists):
    """Play the episodes again with another action for an entry, where that makes a difference.

    Args:
        change: The entry, its action, what that pays, steps and episodes ``int64[·, 2]`` at which the entry occurs, by
            step, and whether the new states are left in the place of those that were.
        model, scopes, influenced, played: As of `turn`.
        around: ``agents``, ``counts`` and ``place`` of `_surroundings`; ``paid float64[T, ·, B]`` and its sums
            ``float64[T, B]``, without the change.
        lists: Room for what differs (twice) and for what is affected, its payments, and whether it is in that list.

    Returns:
        What the change adds to the returns.
    """
    entry, action, pay, occurs, keep = change
    _, limits, n_states, n_actions = model
    table, pays, states, words = played
    agents, counts, place, paid, by_step = around
    both, affected, paid_before, listed = lists
    indptr, indices = influenced
    (firsts, starts, others), (rows, bounds, sources) = scopes
    horizon, columns = by_step.shape
    whole, total, now = np.zeros(columns), np.zeros(columns), np.empty(columns)
    dirty, is_dirty = np.empty(columns, np.int64), np.zeros(columns, np.bool_)
    at, n_differs = 0, 0
    for step in range(horizon):
        differs, later = both[step % 2], both[1 - step % 2]
        n_affected, n_dirty, n_later = 0, 0, 0
        for d in range(n_differs):
            i, b = agents[differs[d, 0]], differs[d, 1]
            differs[d, 2], states[i, step, b] = states[i, step, b], differs[d, 2]
        while at < len(occurs) and occurs[at, 0] == step:
            b = occurs[at, 1]
            affected[n_affected, 0], affected[n_affected, 1], listed[0, b] = 0, b, True
            n_affected, at = n_affected + 1, at + 1
        for d in range(n_differs):
            i, b = agents[differs[d, 0]], differs[d, 1]
            for k in range(indptr[i] - 1, indptr[i + 1]):
                r = place[indices[k]] if k >= indptr[i] else differs[d, 0]
                if r < counts[step] and not listed[r, b]:
                    affected[n_affected, 0], affected[n_affected, 1], listed[r, b] = r, b, True
                    n_affected += 1
        for b in range(columns):
            now[b] = by_step[step, b]
            whole[b] += now[b]
        for k in range(n_affected):
            r, b = affected[k, 0], affected[k, 1]
            i = agents[r]
            listed[r, b] = False
            if not is_dirty[b]:
                is_dirty[b], dirty[n_dirty], n_dirty, now[b] = True, b, n_dirty + 1, 0.0
            seen, weight = firsts[i] + states[i, step, b], 1
            for j in range(starts[i], starts[i + 1]):
                weight *= n_states
                seen += weight * states[others[j], step, b]
            changed = seen == entry
            taken = action if changed else np.int64(table[seen])
            paid_before[k] = paid[step, r, b]
            paid[step, r, b] = pay if changed else pays[seen]
            if step + 1 < horizon:
                row, weight = rows[i] + states[i, step, b], 1
                for j in range(bounds[i], bounds[i + 1]):
                    weight *= n_states
                    row += weight * states[sources[j], step, b]
                row, state = row * n_actions + taken, 0
                for s in range(limits.shape[0]):
                    state += uint64(words[i, step, b]) >= limits[s, row]
                if state != states[i, step + 1, b]:
                    later[n_later, 0], later[n_later, 1], later[n_later, 2] = r, b, state
                    n_later += 1
        for r in range(counts[step]):
            for k in range(n_dirty):
                now[dirty[k]] += paid[step, r, dirty[k]]
        for k in range(n_affected):
            r, b = affected[k, 0], affected[k, 1]
            paid[step, r, b] = paid_before[k]
        for k in range(n_dirty):
            is_dirty[dirty[k]] = False
        if not keep:
            for d in range(n_differs):
                states[agents[differs[d, 0]], step, differs[d, 1]] = differs[d, 2]
        for b in range(columns):
            total[b] += now[b]
        n_differs = n_later
    gain = 0.0
    for b in range(columns):
        gain += total[b] - whole[b]
    return gain

