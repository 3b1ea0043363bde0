"""What a picture of a graph of agents is made of, without a word about how it is drawn."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

Indices = NDArray[np.int64]


@dataclass(frozen=True)
class Quantity:
    """A number that is shown by colour.

    Attributes:
        label: Of the colour bar.
        low: Value at its lower end.
        high: Value at its upper end.
    """

    label: str
    low: float = 0.0
    high: float = 1.0


@dataclass(frozen=True)
class Curve:
    """A share that is drawn over time.

    Attributes:
        label: In the legend.
        colour: Of the line.
        style: Of the line, as matplotlib names it.
    """

    label: str
    colour: str
    style: str = "-"


@dataclass(frozen=True)
class Glyph:
    """A mark that agents may have; the first ones are drawn below the others.

    Attributes:
        label: In the legend.
        marker: Its shape, as matplotlib names it.
        face: Colour; ``"none"`` for hollow marks, None for that of the agent's value.
        edge: Colour of the outline.
        width: Of the outline, in points.
        size: In diameters of an agent.
        offset: From the agent's middle, in diameters of an agent.
        style: Of the outline.
    """

    label: str
    marker: str
    face: str | None
    edge: str
    width: float = 0.8
    size: float = 1.0
    offset: tuple[float, float] = (0.0, 0.0)
    style: str = "-"


@dataclass(frozen=True)
class Strand:
    """A kind of connection between two agents that comes and goes.

    Attributes:
        label: In the legend.
        colour: Of the line.
        style: Of the line.
        arrow: Whether it has a head.
    """

    label: str
    colour: str
    style: str = "-"
    arrow: bool = True


@dataclass(frozen=True)
class Look:
    """What stays the same in all pictures of an environment.

    Attributes:
        positions: ``float64[n, 2]``, the agents' places in the unit square; further rows are of what isn't an agent.
        edges: ``int64[E, 2]``, the graph, drawn pale.
        glyphs: Kinds of marks.
        strands: Kinds of connections.
        quantity: What the colour of glyphs without one shows; None where all have one.
        notes: Further lines of the legend, on what the texts say.
        numbered: How many of the first positions have their numbers written beside them; None: all.
    """

    positions: NDArray[np.float64]
    edges: Indices
    glyphs: tuple[Glyph, ...]
    strands: tuple[Strand, ...] = ()
    quantity: Quantity | None = None
    notes: tuple[str, ...] = ()
    numbered: int | None = None


@dataclass(frozen=True)
class Scene:
    """The picture of one state.

    Attributes:
        glyphs: For each kind of mark the agents that have it, ``int64[·]``.
        strands: For each kind of connection its agents, ``int64[·, 2]``.
        text: What is written in the agents, n strings, or none.
        dark: ``bool[n]``, the agents on whose colour the text must be bright.
        badges: Short texts beside agents.
        value: ``float64[n]``, for the glyphs without a colour.
        beads: Points on the way between two agents: ``float64[·, 3]`` of source, target, share of the way.
        positions: Where agents are now, as in `Look`, if they move; None if not.
    """

    glyphs: Sequence[Indices]
    strands: Sequence[Indices] = ()
    text: Sequence[str] = ()
    dark: NDArray[np.bool_] | None = None
    badges: dict[int, str] = field(default_factory=dict)
    value: NDArray[np.float64] | None = None
    beads: NDArray[np.float64] | None = None
    positions: NDArray[np.float64] | None = None
