"""A world's pictures as SVG, which agents can be clicked in; colours of the page around it, light or dark."""

from __future__ import annotations

from collections.abc import Iterable
from html import escape
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from crl_envs.explorer.shades import Shade
from crl_envs.rendering.palette import BLACK, GREY, PALE, WHITE
from crl_envs.rendering.picture import Moment, Picture
from crl_envs.rendering.scene import Glyph, Scene, Strand

MOST_DRAWN: Final = 400  # agents; of more, the environment draws a heat map
WIDTH: Final = 600
HEIGHT: Final = 350

# matplotlib's cividis, which colour-blind readers can read, at eighths.
CIVIDIS: Final = (
    *("#00224e", "#1a386f", "#434e6c", "#61656f", "#7d7c78"),
    *("#9b9476", "#bcae6c", "#dec958", "#fee838"),
)
_STOPS: Final = np.array([[int(c[i : i + 2], 16) for i in (1, 3, 5)] for c in CIVIDIS])
_INKS: Final = {
    BLACK: "var(--ex-ink)",
    WHITE: "var(--ex-card)",
    PALE: "var(--ex-line)",
    GREY: "var(--ex-soft)",
}
_DASHES: Final = {"-": "", "--": "5 3", ":": "2 3", "-.": "6 3 2 3"}
_MARGIN: Final = 32.0
_LEAST_WITH_TEXT: Final = 15.0
_LEAST_WITH_NUMBER: Final = 20.0
_MOST_EDGES: Final = 4000
_MOST_HEADS: Final = 300  # one-way edges; more heads than that hide the graph

Points = NDArray[np.float64]


class Drawing:
    """Draws the states of one world: what stays is drawn once.

    Args:
        picture: What the world says about its states.
    """

    def __init__(self, picture: Picture[Any]) -> None:
        self.picture = picture
        self._n = picture.world.n_agents
        self._look = look = picture.look()
        self._at = _places(look.positions)
        self._size = _diameter(self._at)
        self._edges = self._draw_edges()

    def draw(
        self,
        moment: Moment,
        shade: Shade | None = None,
        ends: tuple[float, float] = (0, 1),
        touched: Iterable[int] = (),
    ) -> str:
        """Return a moment as SVG.

        Args:
            moment: What to draw.
            shade: What the agents' colours say; None: their states.
            ends: Values at the ends of the colour scale.
            touched: Agents that somebody has changed by hand.
        """
        scene = self.picture.scene(moment)
        at = self._at if scene.positions is None else _places(scene.positions)
        parts = [self._edges]
        for strand, pairs in zip(self._look.strands, scene.strands, strict=True):
            parts += (self._strand(strand, at[a], at[b]) for a, b in pairs)
        if scene.beads is not None:
            ends_of = scene.beads[:, :2].astype(np.int64)
            on_way = at[ends_of[:, 0]] + scene.beads[:, 2:] * (
                at[ends_of[:, 1]] - at[ends_of[:, 0]]
            )
            parts += (
                f'<circle cx="{x:.1f}" cy="{y:.1f}" r="3" fill="#0072B2"/>' for x, y in on_way
            )
        parts += self._marks(scene, at, shade, ends)
        parts += self._texts(scene, at, shade, ends)
        parts += (_ring(at[i], self._size) for i in touched)
        parts += self._targets(at)
        return (
            f'<svg class="ex-svg" viewBox="0 0 {WIDTH} {HEIGHT}" role="img" '
            f'aria-label="{escape(self.picture.status(moment))}">{"".join(parts)}</svg>'
        )

    def _marks(
        self, scene: Scene, at: Points, shade: Shade | None, ends: tuple[float, float]
    ) -> Iterable[str]:
        look = self._look
        for glyph, members in zip(look.glyphs, scene.glyphs, strict=True):
            shift = np.array(glyph.offset) * (1, -1) * self._size
            shaded = shade is not None and glyph.face != "none" and glyph.offset == (0.0, 0.0)
            for i in members:
                face = glyph.face
                if face is None:
                    assert scene.value is not None and look.quantity is not None
                    face = colour(scene.value[i], (look.quantity.low, look.quantity.high))
                if shaded and i < self._n:
                    assert shade is not None
                    face = colour(shade.values[i], ends) if shade.values.size else "none"
                    yield shape(self._plain(glyph), at[i] + shift, self._size, face)
                else:
                    yield shape(glyph, at[i] + shift, self._size, face)

    def _plain(self, glyph: Glyph) -> Glyph:
        """Return the glyph of an agent whose colour says something else than its state; its shape stays."""
        return Glyph(glyph.label, glyph.marker, None, GREY, size=max(glyph.size, 0.85))

    def _texts(
        self, scene: Scene, at: Points, shade: Shade | None, ends: tuple[float, float]
    ) -> Iterable[str]:
        if self._size < _LEAST_WITH_TEXT:
            return
        texts = dict(enumerate(scene.text))
        dark = np.ones(len(at), np.bool_) if scene.dark is None else scene.dark.copy()
        if shade is not None:
            texts |= dict.fromkeys(range(self._n), "")
            low, high = ends
            for i, value in enumerate(shade.values.tolist()):
                texts[i] = short(value)
                dark[i] = value < low + 0.55 * (high - low)
        height = float(np.clip(0.36 * self._size, 8, 12))
        for i, text in texts.items():
            if text:
                x, y = at[i]
                ink = WHITE if dark[i] else BLACK
                yield _text(x, y + 0.36 * height, text, height, ink)
        for i, text in scene.badges.items():
            x, y = at[i] + np.array([0.55, -0.55]) * self._size
            yield _text(x, y + 3, text, 0.85 * height, "var(--ex-ink)")
        numbered = self._n if self._look.numbered is None else self._look.numbered
        if self._size >= _LEAST_WITH_NUMBER:
            for i in range(min(numbered, self._n)):
                x, y = at[i] + np.array([-0.66, 0.72]) * self._size
                yield _text(x, y, str(i), 8.5, "var(--ex-soft)")

    def _targets(self, at: Points) -> Iterable[str]:
        """Return what is clicked, each with the agent's number."""
        radius = max(self._size / 2, 9.0)
        for i in range(self._n):
            x, y = at[i]
            yield (
                f'<circle class="ex-agent" data-agent="{i}" cx="{x:.1f}" cy="{y:.1f}" r="{radius:.1f}">'
                f"<title>agent {i}</title></circle>"
            )

    def _draw_edges(self) -> str:
        edges = np.unique(np.sort(self._look.edges, axis=1), axis=0)[:_MOST_EDGES]
        lines = (f"M{x:.1f} {y:.1f}L{u:.1f} {v:.1f}" for (x, y), (u, v) in self._at[edges].tolist())
        heads = "".join(
            f'<polygon points="{_head(*self._shortened(self._at[a], self._at[b]), 7.0)}" fill="var(--ex-soft)"/>'
            for a, b in _one_way(self._look.edges)
        )
        return f'<path d="{"".join(lines)}" stroke="var(--ex-line)" fill="none"/>{heads}'

    def _strand(self, strand: Strand, start: Points, end: Points) -> str:
        start, end = self._shortened(start, end)
        (x, y), (u, v) = start, end
        ink = _INKS.get(strand.colour, strand.colour)
        line = (
            f'<path d="M{x:.1f} {y:.1f}L{u:.1f} {v:.1f}" stroke="{ink}" stroke-width="{2 if strand.arrow else 1}" '
            f'stroke-dasharray="{_DASHES[strand.style]}" fill="none"/>'
        )
        if not strand.arrow:
            return line
        return f'{line}<polygon points="{_head(start, end, 8.0)}" fill="{ink}"/>'

    def _shortened(self, start: Points, end: Points) -> tuple[Points, Points]:
        """Return where a line between two agents begins and ends, outside of both."""
        way = end - start
        length = max(float(np.hypot(*way)), 1e-9)
        gap = way / length * min(self._size / 2 + 1.5, 0.4 * length)
        return start + gap, end - gap


def legend(picture: Picture[Any]) -> str:
    """Return what marks, lines and texts mean where colours say the state, as HTML."""
    look = picture.look()
    items = []
    for glyph in look.glyphs:
        face = glyph.face or "url(#ex-cividis)"
        mark = shape(glyph, np.array([9.0, 9.0]), 13.0, face, centred=True)
        items.append((f'<svg width="18" height="18" aria-hidden="true">{mark}</svg>', glyph.label))
    for strand in look.strands:
        ink, dash = _INKS.get(strand.colour, strand.colour), _DASHES[strand.style]
        line = f'<path d="M1 9H21" stroke="{ink}" stroke-width="2" stroke-dasharray="{dash}"/>'
        items.append((f'<svg width="22" height="18" aria-hidden="true">{line}</svg>', strand.label))
    items += [("", note) for note in look.notes]
    listed = "".join(f"<li>{mark}{escape(label)}</li>" for mark, label in items)
    bar = ""
    if look.quantity is not None:
        bar = colour_bar((look.quantity.low, look.quantity.high), look.quantity.label)
    return f'{_GRADIENT}<ul class="ex-legend">{listed}</ul>{bar}'


def colour_bar(ends: tuple[float, float], label: str) -> str:
    """Return a colour scale with its ends, as HTML."""
    low, high = (escape(short(end)) for end in ends)
    return (
        f'<div class="ex-scale"><span>{low}</span><span class="ex-bar-of-colours" style="background: '
        f'linear-gradient(90deg, {", ".join(CIVIDIS)})"></span><span>{high}</span> {escape(label)}</div>'
    )


def colour(value: float, ends: tuple[float, float]) -> str:
    """Return the colour of a value on a scale."""
    low, high = ends
    share = float(np.clip((value - low) / (high - low), 0.0, 1.0)) if high > low else 0.5
    at = share * (len(_STOPS) - 1)
    k = min(int(at), len(_STOPS) - 2)
    red, green, blue = (_STOPS[k] + (at - k) * (_STOPS[k + 1] - _STOPS[k])).round().astype(int)
    return f"#{red:02x}{green:02x}{blue:02x}"


def shape(glyph: Glyph, at: Points, size: float, face: str, centred: bool = False) -> str:
    """Return a mark of that size in that place."""
    r = size * min(glyph.size, 1.3) / 2
    x, y = at.tolist()
    look = (
        f'fill="{_INKS.get(face, face)}" stroke="{_INKS.get(glyph.edge, glyph.edge)}" '
        f'stroke-width="{glyph.width if centred else max(glyph.width, 0.8)}" '
        f'stroke-dasharray="{_DASHES.get(glyph.style, "")}"'
    )
    corners = _CORNERS.get(glyph.marker)
    if corners is None:
        return f'<circle cx="{x:.1f}" cy="{y:.1f}" r="{r:.1f}" {look}/>'
    points = " ".join(f"{x + r * a:.1f},{y + r * b:.1f}" for a, b in corners)
    return f'<polygon points="{points}" {look}/>'


def short(value: float) -> str:
    """Write a number in a few characters: two places, or none beyond 100."""
    if abs(value) >= 100:
        return f"{value:,.0f}"
    return f"{round(value, 2) + 0.0:g}"  # and no −0


def _places(positions: Points) -> Points:
    room = np.array([WIDTH - 2 * _MARGIN, HEIGHT - 2 * _MARGIN])
    flipped: Points = _MARGIN + np.column_stack([positions[:, 0], 1 - positions[:, 1]]) * room
    return flipped


def _diameter(at: Points) -> float:
    """Return that of an agent: as large as the two that are nearest to each other allow."""
    if len(at) < 2:
        return 40.0
    squared = ((at[:, None] - at[None]) ** 2).sum(axis=2)
    nearest = float(np.sqrt(squared[np.triu_indices(len(at), 1)].min()))
    return float(np.clip(0.74 * nearest, 5.0, 40.0))


def _ring(at: Points, size: float) -> str:
    x, y = at.tolist()
    return f'<circle class="ex-touched" cx="{x:.1f}" cy="{y:.1f}" r="{0.72 * size + 2:.1f}"/>'


def _head(start: Points, end: Points, size: float) -> str:
    """Return the corners of an arrow's head."""
    way = end - start
    along = way / max(float(np.hypot(*way)), 1e-9) * size
    across = np.array([-along[1], along[0]]) * 0.42
    corners = (end, end - along + across, end - along - across)
    return " ".join(f"{x:.1f},{y:.1f}" for x, y in corners)


def _one_way(edges: NDArray[np.int64]) -> list[tuple[int, int]]:
    """Return those edges whose reverse isn't one; none where they are too many."""
    both = set(map(tuple, edges.tolist()))
    alone = sorted(edge for edge in both if edge[::-1] not in both)
    return alone if len(alone) <= _MOST_HEADS else []


def _text(x: float, y: float, text: str, height: float, ink: str) -> str:
    return (
        f'<text x="{x:.1f}" y="{y:.1f}" font-size="{height:.1f}" fill="{ink}">{escape(text)}</text>'
    )


def _polygon(count: int, turned: float) -> tuple[tuple[float, float], ...]:
    angles = 2 * np.pi * (np.arange(count) / count + turned)
    return tuple(zip(np.sin(angles).tolist(), (-np.cos(angles)).tolist(), strict=True))


_CORNERS: Final = {
    "s": tuple((0.9 * a, 0.9 * b) for a, b in ((-1, -1), (1, -1), (1, 1), (-1, 1))),
    "D": _polygon(4, 0.0),
    "^": _polygon(3, 0.0),
    "v": _polygon(3, 0.5),
    "h": _polygon(6, 0.0),
    "X": (
        *((-0.4, -1.0), (0.0, -0.5), (0.4, -1.0), (1.0, -0.4), (0.5, 0.0), (1.0, 0.4)),
        *((0.4, 1.0), (0.0, 0.5), (-0.4, 1.0), (-1.0, 0.4), (-0.5, 0.0), (-1.0, -0.4)),
    ),
}
_GRADIENT: Final = (
    '<svg width="0" height="0" style="position: absolute" aria-hidden="true"><defs><linearGradient id="ex-cividis">'
    + "".join(f'<stop offset="{k / 8}" stop-color="{c}"/>' for k, c in enumerate(CIVIDIS))
    + "</linearGradient></defs></svg>"
)
