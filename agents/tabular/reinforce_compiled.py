"""The two inner loops of `agents.tabular.reinforce` in one pass over memory each; imported only where Numba is.

Whole numbers only, so that the results are those of NumPy, bit for bit.
"""

# mypy: disable-error-code="no-untyped-def,misc"
from __future__ import annotations

from numba import njit, uint64


@njit(cache=True, nogil=True)
def choose(entries, limits, words, actions):
    """Write how many of the limits of its entry each word reaches.

    Args:
        entries: Table entries as a pair: ``intp[M]``, those of row 0, and ``intp[M]``, what is to be added.
        limits: ``uint64[E, A−1]``, ascending.
        words: ``uint32[M]``.
        actions: ``[M]`` of any integer type.
    """
    first, further = entries
    for j in range(words.size):
        entry = uint64(first[j] + further[j])  # unsigned: no look at whether it counts from the end
        action = 0
        for k in range(limits.shape[1]):
            action += words[j] >= limits[entry, k]
        actions[j] = action


@njit(cache=True, nogil=True)
def count(entries, actions, counts):
    """Add one to ``counts[entry, action]`` (``uint32[E, A]``) for each of M entries and actions."""
    first, further = entries
    flat = counts.ravel()
    for j in range(actions.size):
        flat[uint64((first[j] + further[j]) * counts.shape[1] + actions[j])] += 1
