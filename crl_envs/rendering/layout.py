"""Where agents are drawn: by a formula for the named graphs, by networkx with a fixed seed for others."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

import numpy as np
from numpy.typing import NDArray

from crl_envs.core.topology import (
    Edges,
    grid,
    legs,
    ring_of_rings,
    star,
    torus,
    torus_height,
    tree,
)

Positions = NDArray[np.float64]  # float64[n, 2], in the unit square

_ASPECT: Final = 1.65  # width of the drawing area in heights, for arc lengths


def positions_of(edges: Edges, n: int) -> Positions:
    """Return the agents' places ``float64[n, 2]`` in [0, 1]²; the same graph always gives the same ones.

    Rings (and all graphs that turning by one agent leaves as they are) lie on an ellipse, stars, legs, rings of rings
    and lattices as their names say, agents without edges on a lattice.
    """
    if edges.size == 0:
        return lattice(n)
    if is_circulant(edges, n):
        return ellipse(n)
    for build, place in _FAMILIES:
        if np.array_equal(edges, build(n)):
            return place(n)
    return spring(edges, n)


def ellipse(n: int) -> Positions:
    """On the ellipse that fills the square as drawn, clockwise from the top, at equal distances along it."""
    fine = np.linspace(0.0, 2.0 * np.pi, 20_001)
    x, y = np.sin(fine), np.cos(fine)
    length = np.concatenate([[0.0], np.cumsum(np.hypot(np.diff(x) * _ASPECT, np.diff(y)))])
    angle = np.interp(np.arange(n) / n * length[-1], length, fine)
    return 0.5 + 0.5 * np.stack([np.sin(angle), np.cos(angle)], axis=1)


def lattice(n: int) -> Positions:
    """Row by row from the top left, with ⌈√n⌉ columns."""
    width = int(np.ceil(np.sqrt(n)))
    row, column = np.divmod(np.arange(n), width)
    rows = int(row[-1]) + 1
    x = (column + 0.5) / width
    return np.stack([x, 1.0 - (row + 0.5) / rows], axis=1)


def is_circulant(edges: Edges, n: int) -> bool:
    """Return whether every agent has edges to the same distances around the ring."""
    distance, count = np.unique((edges[:, 1] - edges[:, 0]) % n, return_counts=True)
    near = np.minimum(distance, n - distance).min(initial=n)
    return bool((count == n).all() and near == 1)


def spring(edges: Edges, n: int) -> Positions:
    """Fruchterman and Reingold's, from a fixed start."""
    import networkx as nx

    graph = nx.Graph()
    graph.add_nodes_from(range(n))
    graph.add_edges_from(map(tuple, edges.tolist()))
    placed = nx.spring_layout(graph, seed=0, iterations=200)
    at = np.array([placed[i] for i in range(n)], np.float64)
    low, span = at.min(axis=0), np.ptp(at, axis=0)
    scaled: Positions = (at - low) / np.where(span > 0, span, 1.0)
    return scaled


def _star(n: int) -> Positions:
    return np.concatenate([[[0.5, 0.5]], ellipse(n - 1)])


def _legs(n: int, count: int = 3) -> Positions:
    i = np.arange(1, n)
    angle = 2.0 * np.pi * ((i - 1) % count) / count
    depth = ((i - 1) // count + 1) / max((n - 2) // count + 1, 1)
    arms = 0.5 + 0.5 * depth[:, None] * np.stack([np.sin(angle), np.cos(angle)], axis=1)
    return np.concatenate([[[0.5, 0.5]], arms])


def _torus(n: int) -> Positions:
    height = torus_height(n)
    row, column = np.divmod(np.arange(n), n // height)
    return np.stack([(column + 0.5) / (n // height), 1.0 - (row + 0.5) / height], axis=1)


def _tree(n: int) -> Positions:
    i = np.arange(1, n + 1)
    level = np.floor(np.log2(i)).astype(np.int64)
    x = (i - 2**level + 0.5) / 2**level
    return np.stack([x, 1.0 - level / max(int(level[-1]), 1)], axis=1)


def _ring_of_rings(n: int) -> Positions:
    size = max(1, round(n**0.5))
    count = -(-n // size)
    centre = 0.5 + 0.76 * (ellipse(count) - 0.5)
    apart = np.hypot(*(centre - np.roll(centre, 1, axis=0)).T).min() if count > 1 else 1.0
    radius = min(0.12, 0.4 * float(apart))
    placed = []
    for k in range(count):
        members = min(size, n - k * size)
        outward = np.arctan2(*(0.5 - centre[k]))
        angle = outward + 2.0 * np.pi * np.arange(members) / members  # the first faces the middle
        placed.append(centre[k] + radius * np.stack([np.sin(angle), np.cos(angle)], axis=1))
    together: Positions = np.concatenate(placed)
    return together


_FAMILIES: Final[tuple[tuple[Callable[[int], Edges], Callable[[int], Positions]], ...]] = (
    (star, _star),
    (legs, _legs),
    (grid, lattice),
    (ring_of_rings, _ring_of_rings),
    (torus, _torus),
    (tree, _tree),
)
