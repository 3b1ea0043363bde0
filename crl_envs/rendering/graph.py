"""A graph scene: agents, their connections and what passes along them."""

from __future__ import annotations

from functools import lru_cache
from typing import Any, Final

import numpy as np
from matplotlib.collections import LineCollection, PathCollection, PolyCollection
from matplotlib.font_manager import FontProperties
from matplotlib.lines import Line2D
from matplotlib.path import Path
from matplotlib.textpath import TextPath
from matplotlib.transforms import Affine2D
from numpy.typing import NDArray

from crl_envs.rendering.canvas import GRAPH, HEIGHT, SIDE, WIDTH, Frame, Sheet, styled
from crl_envs.rendering.history import History
from crl_envs.rendering.palette import BLACK, BLUE, GREY, PALE, WHITE
from crl_envs.rendering.picture import Moment, Picture
from crl_envs.rendering.scene import Glyph, Indices, Scene, Strand

_POINT: Final = 0.72  # points in a pixel
_LEAST_WITH_TEXT: Final = 15.0  # pixels across
_LEAST_WITH_NUMBER: Final = 24.0
_MOST_ARROWS: Final = 300  # edges; more heads than that hide the graph
_MARGIN: Final = 34.0  # pixels
_LONGEST_NAME: Final = 14  # letters
_NUMBER: Final = 0.64  # that of its number, the other way
_BADGE: Final = 0.55  # offset of a badge's middle both ways, in diameters of an agent

Points = NDArray[np.float64]  # float64[·, 2], pixels in the main area


class GraphSheet(Sheet):
    """Draws a world of fewer than a hundred agents: what stays is drawn once, what moves by the same artists."""

    place = GRAPH

    def __init__(self, picture: Picture[Any], history: History) -> None:
        super().__init__(picture, history)
        self._look = look = picture.look()
        width, height = GRAPH[2] * WIDTH, GRAPH[3] * HEIGHT
        self._room = np.array([width - 2 * _MARGIN, height - 2 * _MARGIN])
        self._at: Points = _MARGIN + look.positions * self._room
        self._size = _diameter(self._at)
        self._strands: list[_Strands] = []
        with styled():
            self.main.set_xlim(0, width)
            self.main.set_ylim(0, height)
            self.main.axis("off")
            self._draw_edges()
            self._number_agents()
            self._strands = [
                _Strands(self, strand, self._at, self._size) for strand in look.strands
            ]
            self._beads = self._marks(Glyph("", "o", BLUE, WHITE, size=0.35))
            self._glyphs = [self._marks(glyph) for glyph in look.glyphs]
            self._texts = self._labels(self._at, 1.0)
            self._beside = self._at + _BADGE * self._size
            self._badges = self._labels(self._beside, 0.85)
            self.legend(self._legend_handles(), 0.885)
            self._colours = None
            if look.quantity is not None:
                self._colours = self.colour_bar(look.quantity, (SIDE + 0.01, 0.37, 0.2, 0.022))

    def draw(self, moment: Moment) -> Frame:
        """Return the picture of a moment: ``uint8[600, 900, 3]``."""
        scene = self.picture.scene(moment)
        if scene.positions is not None:  # marks, strands and texts look where agents are
            self._at[:] = _MARGIN + scene.positions * self._room
            self._beside[:] = self._at + _BADGE * self._size
        for strands, pairs in zip(self._strands, scene.strands, strict=True):
            strands.connect(pairs)
        self._beads.set_offsets(_beads_at(scene.beads, self._at))
        for glyph, marks, agents in zip(self._look.glyphs, self._glyphs, scene.glyphs, strict=True):
            marks.set_offsets(self._at[agents] + self._size * np.array(glyph.offset))
            if glyph.face is None:
                assert self._colours is not None and scene.value is not None
                colours: Any = self._colours.to_rgba(scene.value[agents])
                marks.set_facecolor(colours)
        self._write(scene)
        return self.frame(moment)

    def _write(self, scene: Scene) -> None:
        if self._size < _LEAST_WITH_TEXT:
            return
        dark = np.ones(len(self._at), np.bool_) if scene.dark is None else scene.dark
        self._texts.write(dict(enumerate(scene.text)), dark)
        self._badges.write(scene.badges, np.zeros_like(dark))

    def _marks(self, glyph: Glyph) -> PathCollection:
        """Return an empty collection of marks of one kind."""
        marks = self.main.scatter(
            [],
            [],
            s=(self._size * glyph.size * _POINT) ** 2,
            marker=glyph.marker,
            facecolors=WHITE if glyph.face is None else glyph.face,
            edgecolors=glyph.edge,
            linewidths=glyph.width,
            linestyles=glyph.style,
        )
        moving: PathCollection = self.moving(marks)
        return moving

    def _labels(self, at: Points, scale: float) -> _Labels:
        points = float(np.clip(0.36 * self._size * _POINT, 6.0, 9.0)) * scale
        return _Labels(self, at, points)

    def _draw_edges(self) -> None:
        edges = np.unique(np.sort(self._look.edges, axis=1), axis=0)
        lines = LineCollection(list(self._at[edges]), colors=PALE, linewidths=0.8, zorder=0)
        self.main.add_collection(lines)
        one_way = _one_way(self._look.edges)
        if 0 < len(one_way) <= _MOST_ARROWS:
            ends = _shortened(self._at[one_way], self._size / 2 + 2)
            heads = PolyCollection(list(_heads(ends, 7.0)), facecolors="#A0A0A0", zorder=0)
            self.main.add_collection(heads)

    @property
    def _names(self) -> list[str]:
        """Those of the agents' nodes, where these have names."""
        return [str(node)[:_LONGEST_NAME] for node in self.picture.world.nodes or ()]

    def _number_agents(self) -> None:
        if self._size >= _LEAST_WITH_NUMBER:
            names, off = self._names, np.array([0.0 if self._names else _NUMBER, _NUMBER])
            for i, (x, y) in enumerate((self._at - off * self._size)[: self._look.numbered]):
                name = names[i] if names else str(i)
                self.main.text(x, y, name, size=6.5, color=GREY, ha="center", va="center")

    def _legend_handles(self) -> list[Line2D]:
        handles = []
        for glyph in self._look.glyphs:
            face = "#7C7B78" if glyph.face is None else glyph.face  # cividis in the middle
            handles.append(
                Line2D(
                    [],
                    [],
                    ls="",
                    marker=glyph.marker,
                    ms=9 * min(glyph.size, 1.2),
                    mfc=face,
                    mec=glyph.edge,
                    mew=glyph.width,
                    label=glyph.label,
                )
            )
        for strand in self._look.strands:
            marker = ">" if strand.arrow else ""
            handles.append(
                Line2D(
                    [0, 1],
                    [0, 0],
                    color=strand.colour,
                    ls=strand.style,
                    lw=1.8 if strand.arrow else 0.9,
                    marker=marker,
                    markevery=[1],
                    ms=5,
                    label=strand.label,
                )
            )
        notes = list(self._look.notes)
        if self._size >= _LEAST_WITH_NUMBER and self._look.numbered != 0:
            notes.append(f"small and grey: its {'node' if self._names else 'number'}")
        handles += [Line2D([], [], ls="", label=note) for note in notes]
        return handles


class _Strands:
    """The connections of one kind: lines, with heads where they are arrows."""

    def __init__(self, sheet: GraphSheet, strand: Strand, at: Points, size: float) -> None:
        self._at, self._gap = at, size / 2 + 1.5
        width = 1.8 if strand.arrow else 0.9
        lines = LineCollection([], colors=strand.colour, linewidths=width, linestyles=strand.style)
        self._lines = sheet.moving(sheet.main.add_collection(lines, autolim=False))
        self._heads = None
        if strand.arrow:
            heads = PolyCollection([], facecolors=strand.colour, edgecolors="none")
            self._heads = sheet.moving(sheet.main.add_collection(heads, autolim=False))

    def connect(self, pairs: Indices) -> None:
        """Draw it between these agents and no others: ``int64[·, 2]``."""
        ends = _shortened(self._at[pairs], self._gap)
        self._lines.set_segments(list(ends))
        if self._heads is not None:
            self._heads.set_verts(list(_heads(ends, 9.0)))


class _Labels:
    """Short texts in given places, as outlines: much faster to draw than matplotlib's Text."""

    def __init__(self, sheet: GraphSheet, at: Points, points: float) -> None:
        self._at, self._points = at, points
        outlines = PathCollection([], offsets=at[:0], offset_transform=sheet.main.transData)
        outlines.set_transform(Affine2D().scale(1.0 / _POINT))
        outlines.set_linewidth(0)
        self._outlines = sheet.moving(sheet.main.add_collection(outlines, autolim=False))

    def write(self, texts: dict[int, str], bright: NDArray[np.bool_]) -> None:
        """Show these texts, by place, in white where `bright` and else in black."""
        places = [i for i, text in texts.items() if text]
        self._outlines.set_paths([_outline(texts[i], self._points) for i in places])
        self._outlines.set_offsets(self._at[places])
        self._outlines.set_facecolor([WHITE if bright[i] else BLACK for i in places])


@lru_cache(maxsize=4096)
def _outline(text: str, points: float) -> Path:
    """Letters around (0, 0): in the middle across, digits in the middle in height too."""
    path = TextPath((0.0, 0.0), text, size=points, prop=FontProperties("DejaVu Sans"))
    extents = path.get_extents()
    middle = (extents.x0 + extents.x1) / 2
    return Path(path.vertices - [middle, 0.365 * points], path.codes)


def _diameter(at: Points) -> float:
    """Of an agent, in pixels: as large as the two that are nearest to each other allow."""
    if len(at) < 2:
        return 40.0
    apart = np.hypot(*(at[:, None] - at[None]).transpose(2, 0, 1))
    nearest = float(apart[np.triu_indices(len(at), 1)].min())
    return float(np.clip(0.74 * nearest, 6.0, 40.0))


def _one_way(edges: Indices) -> Indices:
    """Return those edges whose reverse isn't one."""
    both = set(map(tuple, edges.tolist()))
    return np.array([e for e in both if e[::-1] not in both], np.int64).reshape(-1, 2)


def _shortened(ends: NDArray[np.float64], gap: float) -> NDArray[np.float64]:
    """Return segments ``float64[k, 2, 2]`` that begin and end `gap` pixels before their agents' middles."""
    way = ends[:, 1] - ends[:, 0]
    length = np.maximum(np.hypot(way[:, 0], way[:, 1]), 1e-9)[:, None]
    cut = way / length * np.minimum(gap, 0.4 * length)
    return np.stack([ends[:, 0] + cut, ends[:, 1] - cut], axis=1)


def _heads(ends: NDArray[np.float64], size: float) -> NDArray[np.float64]:
    """Return triangles ``float64[k, 3, 2]`` at the far ends of segments."""
    way = ends[:, 1] - ends[:, 0]
    length = np.maximum(np.hypot(way[:, 0], way[:, 1]), 1e-9)[:, None]
    along = way / length * size
    across = np.stack([-along[:, 1], along[:, 0]], axis=1) * 0.42
    foot = ends[:, 1] - along
    return np.stack([ends[:, 1], foot + across, foot - across], axis=1)


def _beads_at(beads: NDArray[np.float64] | None, at: Points) -> Points:
    if beads is None or not len(beads):
        return np.empty((0, 2))
    source, target = at[beads[:, 0].astype(np.int64)], at[beads[:, 1].astype(np.int64)]
    return source + beads[:, 2:] * (target - source)
