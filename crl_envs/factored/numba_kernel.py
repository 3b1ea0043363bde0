"""An agent's turn in coordinate ascent, in Numba; the same sums in the same order as `ascent._Search` in NumPy.

Numbers of agents, episodes and entries are unsigned: Numba asks of each signed one whether it counts from the end.
"""

# mypy: disable-error-code="no-untyped-def,misc,no-untyped-call"
from __future__ import annotations

import numpy as np
from numba import njit, uint64

_ONE = uint64(1)


@njit(cache=True, nogil=True)
def turn(agent, changes, noise, cells_at_once, model, scopes, influenced, played, marks):
    """Change the agent's entries one after the other, the best first, as long as that improves the return.

    Args:
        agent: Whose turn it is.
        changes: How many there have been, of all agents.
        noise: The largest gain that is none.
        cells_at_once: Agents × episodes × steps that NumPy plays together.
        model: ``reward float64[n, S, A]`` and ``limits uint64[S − 1, ·]``.
        scopes: Of the policies and of the transitions, each ``first uint64[n + 1]``, ``indptr`` and ``indices``.
        influenced: ``indptr`` and ``indices``, as `ascent._influenced`.
        played: The policies' ``table uint8[·]`` and what its entries pay, ``float64[·]``, the ``states uint8[n, T, B]``
            that it makes, all three written, and ``words uint32[n, T, B]``.
        marks: ``changed_at`` and ``tried_at`` of `ascent._Search`, both written, and ``uint64[n]``, all n.

    Returns:
        ``changes`` after the turn, and False where the rest is left to NumPy.
    """
    reward = model[0]
    table, pays, states, _ = played
    changed_at, tried_at, place = marks
    first, indptr, indices = scopes[0]
    n, horizon, columns = states.shape
    n_states, n_actions = reward.shape[1:]
    agents, counts, near = _surroundings(agent, scopes, influenced, place, horizon)
    last = -1
    for p in range(near):
        last = max(last, changed_at[agents[p]])
    done = last <= tried_at[agent]
    if not done:
        size = n_states ** np.int64(1 + indptr[agent + 1] - indptr[agent])
        reached = counts[-1]
        paid, by_step = np.empty((horizon, reached, columns)), np.empty((horizon, columns))
        own, entries = np.empty((horizon, columns), np.uint64), np.empty(columns, np.uint64)
        around = agents, counts, place, paid, by_step
        lists = (
            np.empty((2, reached * columns, 3), np.uint64),
            np.empty((reached * columns, 2), np.uint64),
            np.empty(reached * columns),
            np.zeros((reached, columns), np.bool_),
        )
    while not done:
        by_step[:] = 0.0
        begins = np.zeros(size + 2, np.uint64)
        for step in range(horizon):
            for r in range(counts[step]):
                i, weight = agents[r], _ONE
                row = own[step] if r == 0 else entries
                for b in range(columns):
                    row[b] = first[i] + states[i, step, b]
                for k in range(indptr[i], indptr[i + _ONE]):
                    weight *= uint64(n_states)
                    for b in range(columns):
                        row[b] += weight * states[indices[k], step, b]
                for b in range(columns):
                    paid[step, r, b] = pays[row[b]]
                    by_step[step, b] += paid[step, r, b]
            for b in range(columns):
                begins[own[step, b] - first[agent] + uint64(2)] += _ONE
        begins = np.cumsum(begins)
        cells = np.empty((horizon * columns, 2), np.uint64)  # by entry, then by step
        for step in range(horizon):
            for b in range(columns):
                c = own[step, b] - first[agent] + _ONE
                cells[begins[c], 0], cells[begins[c], 1] = step, b
                begins[c] += _ONE
        pairs, counted = 0, np.full(columns, -1)
        for c in range(size):
            for k in range(begins[c], begins[c + 1]):
                pairs += counted[cells[k, 1]] != c
                counted[cells[k, 1]] = c
        # NumPy adds up in another order where a column is alone.
        part = max(1, cells_at_once // (near * horizon))
        if pairs * (n_actions - 1) % part == 1 % part or columns % part == 1 % part:
            break
        most, best, last = noise, -1, size * n_actions
        for tried in range(last + 1):
            chosen = best if tried == last else tried
            c, action = chosen // n_actions, chosen % n_actions
            entry, occurs = first[agent] + uint64(c), cells[begins[c] : begins[c + 1]]
            if chosen >= 0 and len(occurs) and action != table[entry]:
                pay = reward[agent, c % n_states, action]
                change = entry, action, pay, occurs, tried == last
                gain = _replay(change, model, scopes, influenced, played, around, lists)
                if tried == last:
                    table[entry], pays[entry] = action, pay
                elif gain > most:
                    most, best = gain, tried
        done = best < 0
        if done:
            tried_at[agent] = changes
        else:
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
    agents, counts = np.empty(n, np.uint64), np.empty(horizon, np.int64)
    agents[0], place[agent], begin, near = agent, 0, 0, 1
    for step in range(horizon):
        counts[step] = near
        if step + 1 < horizon:
            for r in range(begin, counts[step]):
                for k in range(indptr[agents[r]], indptr[agents[r] + _ONE]):
                    if place[indices[k]] == n:
                        place[indices[k]], agents[near], near = near, indices[k], near + 1
            begin = counts[step]
    for r in range(counts[-1]):
        for _, starts, others in scopes:
            for k in range(starts[agents[r]], starts[agents[r] + _ONE]):
                if place[others[k]] == n:
                    place[others[k]], agents[near], near = n + 1, others[k], near + 1
    return agents, counts, near


@njit(cache=True, nogil=True)
def _replay(change, model, scopes, influenced, played, around, lists):
    """Play the episodes again with another action for an entry, where that makes a difference.

    Args:
        change: The entry, its action, what that pays, steps and episodes ``uint64[·, 2]`` at which the entry occurs, by
            step, and whether the new states are left in the place of those that were.
        model, scopes, influenced, played: As of `turn`.
        around: ``agents``, ``counts`` and ``place`` of `_surroundings`; ``paid float64[T, ·, B]`` and its sums
            ``float64[T, B]``, without the change.
        lists: Room for what differs (twice) and for what is affected, its payments, and whether it is in that list.

    Returns:
        What the change adds to the returns.
    """
    entry, action, pay, occurs, keep = change
    reward, limits = model
    table, pays, states, words = played
    agents, counts, place, paid, by_step = around
    both, affected, paid_before, listed = lists
    indptr, indices = influenced
    (firsts, starts, others), (rows, bounds, sources) = scopes
    horizon, columns = by_step.shape
    n_states, n_actions = uint64(reward.shape[1]), uint64(reward.shape[2])
    whole, total, now = np.zeros(columns), np.zeros(columns), np.empty(columns)
    at, n_differs = 0, 0
    for step in range(horizon):
        differs, later = both[step % 2], both[1 - step % 2]
        n_affected, n_later = 0, 0
        for d in range(n_differs):
            i, b = agents[differs[d, 0]], differs[d, 1]
            differs[d, 2], states[i, step, b] = states[i, step, b], differs[d, 2]
        while at < len(occurs) and occurs[at, 0] == step:
            b, at = occurs[at, 1], at + 1
            affected[n_affected, 0], affected[n_affected, 1], listed[0, b] = 0, b, True
            n_affected += 1
        for d in range(n_differs):
            r, b = differs[d, 0], differs[d, 1]
            i = agents[r]
            if not listed[r, b]:
                affected[n_affected, 0], affected[n_affected, 1], listed[r, b] = r, b, True
                n_affected += 1
            for k in range(indptr[i], indptr[i + _ONE]):
                r = place[indices[k]]
                if r < counts[step] and not listed[r, b]:
                    affected[n_affected, 0], affected[n_affected, 1], listed[r, b] = r, b, True
                    n_affected += 1
        low, high = uint64(columns), uint64(0)
        for k in range(n_affected):
            r, b = affected[k, 0], affected[k, 1]
            i, listed[r, b] = agents[r], False
            low, high = min(low, b), max(high, b + _ONE)
            seen, weight = firsts[i] + states[i, step, b], _ONE
            for j in range(starts[i], starts[i + _ONE]):
                weight *= n_states
                seen += weight * states[others[j], step, b]
            changed, paid_before[k] = seen == entry, paid[step, r, b]
            paid[step, r, b] = pay if changed else pays[seen]
            if step + 1 < horizon:
                row, weight = rows[i] + states[i, step, b], _ONE
                for j in range(bounds[i], bounds[i + _ONE]):
                    weight *= n_states
                    row += weight * states[sources[j], step, b]
                row = row * n_actions + (uint64(action) if changed else uint64(table[seen]))
                state = 0
                for s in range(limits.shape[0]):
                    state += uint64(words[i, step, b]) >= limits[s, row]
                if state != states[i, step + 1, b]:
                    later[n_later, 0], later[n_later, 1], later[n_later, 2] = r, b, state
                    n_later += 1
        for b in range(columns):
            now[b] = by_step[step, b]
            whole[b] += now[b]
        for b in range(low, high):
            now[b] = 0.0
        for r in range(counts[step]):
            for b in range(low, high):
                now[b] += paid[step, r, b]
        for b in range(columns):
            total[b] += now[b]
        for k in range(n_affected):
            paid[step, affected[k, 0], affected[k, 1]] = paid_before[k]
        for d in range(0 if keep else n_differs):
            states[agents[differs[d, 0]], step, differs[d, 1]] = differs[d, 2]
        n_differs = n_later
    gain = 0.0
    for b in range(columns):
        gain += total[b] - whole[b]
    return gain
