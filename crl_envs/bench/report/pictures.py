"""Pictures as PNG, without a display: those of a report, and what they share with the papers' figures.

Colours are those that colour-blind readers can distinguish. Each learner has a colour and a marker, the same in tables.
"""

from __future__ import annotations

import io
import math
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any, Final, NamedTuple

import numpy as np
from matplotlib import rc_context
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.ticker import NullLocator

from crl_envs.bench.experiment import one_seed
from crl_envs.bench.score.measures import Landmarks, normalised
from crl_envs.bench.score.reading import NO_INTERVAL
from crl_envs.bench.score.statistics import FloatArray, Interval, t_band
from crl_envs.bench.store import Record
from crl_envs.rendering.palette import BLUE, GREEN, GREY, ORANGE, PURPLE, SKY, VERMILLION

__all__ = [
    "BLUE",
    "GREEN",
    "GREY",
    "ORANGE",
    "PURPLE",
    "SKY",
    "STYLE",
    "VERMILLION",
    "as_png",
    "band",
    "intervals",
    "new_figure",
    "single_figure",
]

STYLE: Final = {
    "axes.grid": True,
    "axes.spines.right": False,
    "axes.spines.top": False,
    "font.size": 10,
    "grid.alpha": 0.3,
    "grid.linewidth": 0.6,
    "legend.fontsize": 9,
    "legend.frameon": True,
    "legend.framealpha": 1.0,
    "lines.linewidth": 1.2,
}


def new_figure(panels: int, sharey: bool = True, rows: int = 1) -> tuple[Figure, list[Axes]]:
    """Return a figure on Agg, whatever backend is configured, with that many panels in each row."""
    with rc_context(STYLE):  # type: ignore[arg-type]
        figure = Figure(figsize=(4.6 * panels, 3.6 * rows), layout="constrained")
        FigureCanvasAgg(figure)
        axes = figure.subplots(rows, panels, sharey=sharey, squeeze=False)
    return figure, list(axes.flat)


def single_figure(width: float, height: float) -> tuple[Figure, Axes]:
    """Return a figure of one panel of that size in inches."""
    with rc_context(STYLE):  # type: ignore[arg-type]
        figure = Figure(figsize=(width, height), layout="constrained")
        FigureCanvasAgg(figure)
        axes = figure.subplots()
    return figure, axes


def band(
    axes: Axes, samples: FloatArray, positions: FloatArray | None = None, **style: Any
) -> None:
    """Draw the mean over rows of ``float64[k, m]`` as a line, with its 95 % interval as a shade.

    Args:
        axes: Where to draw.
        samples: One row a run.
        positions: ``float64[m]``, where the columns lie; 0 … m − 1 by default.
        **style: Of the line.
    """
    mean, half = t_band(samples)
    if positions is None:
        positions = np.arange(samples.shape[1], dtype=np.float64)
    axes.fill_between(positions, mean - half, mean + half, color=style["color"], alpha=0.2, lw=0)
    axes.plot(positions, mean, **style)


def intervals(axes: Axes, positions: Any, found: Sequence[Interval], **style: Any) -> None:
    """Draw values with their intervals; what is infinite is left out."""
    ends = np.array([tuple(x) for x in found])
    middle, low, high = np.where(np.isfinite(ends), ends, np.nan).T
    axes.errorbar(positions, middle, [middle - low, high - middle], **style)


def as_png(figure: Figure) -> bytes:
    """Return the picture's bytes."""
    buffer = io.BytesIO()
    with rc_context(STYLE):  # type: ignore[arg-type]
        figure.savefig(buffer, format="png", dpi=140)
    return buffer.getvalue()


def landmarks_of(scores: Mapping[str, Any], record: Record) -> Landmarks | None:
    """Return the landmarks of a record's task, if the scores have them."""
    experiment = scores["experiments"].get(f"{record.id.experiment}@{record.id.version}")
    if experiment is None:
        return None
    ends = experiment["summary"]["landmarks"].get(str(record.id.value))
    return None if ends is None else Landmarks.kept(ends)


class Curves(NamedTuple):
    """The runs of a learner on a task.

    Attributes:
        budgets: ``float64[evaluations]``, in the experiment's unit.
        scores: ``float64[runs, evaluations]``; a run that ended early keeps its last score, and one without any
            evaluation scores 0, as in `crl_envs.bench.score.measures.final_scores`.
    """

    budgets: FloatArray
    scores: FloatArray


def learning_curves(
    scores: Mapping[str, Any], id: str, records: Sequence[Record]
) -> dict[str, dict[str, Curves]]:
    """Return the scored runs of an experiment, by value of the knob as text and by learner.

    Args:
        scores: Of the sweep.
        id: Of the experiment.
        records: All runs of the sweep; those that are still running are left out, as they are from the scores.
    """
    groups: dict[tuple[str, str], list[Record]] = defaultdict(list)
    for record in records:
        here = f"{record.id.experiment}@{record.id.version}" == id
        if here and record.status != "running":
            groups[str(record.id.value), record.id.learner].append(record)
    found: dict[str, dict[str, Curves]] = defaultdict(dict)
    for (value, learner), runs in sorted(groups.items()):
        longest = max(runs, key=lambda run: len(run.evaluations)).evaluations
        if longest:
            budgets = np.array([point.budget for point in longest], np.float64)
            rows = [_scores(scores, run, budgets.size) for run in runs]
            found[value][learner] = Curves(budgets, np.array(rows))
    return dict(found)


def _scores(scores: Mapping[str, Any], record: Record, length: int) -> FloatArray:
    landmarks = landmarks_of(scores, record)
    if landmarks is None or not record.evaluations:
        return np.zeros(length)
    returns = np.array([point.global_return for point in record.evaluations])
    known = normalised(returns, landmarks)
    return np.pad(known, (0, length - known.size), mode="edge")


COLOURS: Final = (BLUE, VERMILLION, GREEN, ORANGE, PURPLE, SKY, GREY)
# Eight, which has no divisor in common with the seven colours: 56 learners have 56 pairs of colour and marker.
MARKERS: Final = "osDvPX<>"

# In a box of 8 × 8 around (0, 0).
_SHAPES: Final = {
    "o": "M-4 0a4 4 0 1 0 8 0a4 4 0 1 0-8 0z",
    "s": "M-3.5-3.5h7v7h-7z",
    "D": "M0-4.5L4.5 0L0 4.5L-4.5 0z",
    "v": "M-4.5-3.5h9L0 4z",
    "P": "M-1.5-4.5h3v3h3v3h-3v3h-3v-3h-3v-3h3z",
    "X": "M-4-2L-2-4L0-2L2-4L4-2L2 0L4 2L2 4L0 2L-2 4L-4 2L-2 0z",
    "<": "M3.5-4.5v9L-4 0z",
    ">": "M-3.5-4.5v9L4 0z",
}


@dataclass(frozen=True)
class Style:
    """How a learner is drawn.

    Attributes:
        colour: As ``#rrggbb``.
        marker: Matplotlib's name of the marker.
        is_global: Of a learner that is given the global reward: its line is dashed and its marker hollow.
    """

    colour: str
    marker: str
    is_global: bool = False

    @property
    def drawn(self) -> dict[str, Any]:
        """Arguments of Matplotlib's `plot` and `errorbar`."""
        return {
            "color": self.colour,
            "linestyle": "--" if self.is_global else "-",
            "marker": self.marker,
            "markerfacecolor": "white" if self.is_global else self.colour,
        }

    @property
    def swatch(self) -> str:
        """The line with its marker as an SVG element, 34 × 12 pixels."""
        dashes, fill = ("5 3", "#fff") if self.is_global else ("", self.colour)
        return (
            '<svg class="swatch" width="34" height="12" viewBox="-17 -6 34 12" aria-hidden="true">'
            f'<path d="M-17 0h34" stroke="{self.colour}" stroke-width="2" stroke-dasharray="{dashes}"/>'
            f'<path d="{_SHAPES[self.marker]}" fill="{fill}" stroke="{self.colour}"/></svg>'
        )


def styles(learners: Iterable[str]) -> dict[str, Style]:
    """Return a style for each learner, by the order of their names.

    ``x-global`` has the colour and the marker of ``x-local`` or ``x``, so that the two are found together.
    """
    names = sorted(set(learners))
    families = {family: k for k, family in enumerate(dict.fromkeys(map(_family, names)))}
    return {
        name: Style(COLOURS[k % 7], MARKERS[k % 8], name.endswith("-global"))
        for name in names
        for k in [families[_family(name)]]
    }


def _family(learner: str) -> str:
    return learner.removesuffix("-global").removesuffix("-local")


Styles = Mapping[str, Style]
MOST_LINES: Final = 6  # in one panel; more are too many to be followed
_LEGEND_WIDTH: Final = 100  # characters
_LINE: Final = 0.16  # inches from one name to the next
_LEGEND_LINE: Final = 0.2
Found = Mapping[str, Any]  # an experiment, as in the scores of a sweep


def samples(found: Found, styles: Styles) -> bytes | None:
    """Draw samples-to-ε over the knob, with references; None where no run's samples are known to mean something."""
    if not any(value["samples"] for _, value in _all_values(found)):
        return None
    learners, knob = found["summary"]["learners"], _Knob(found)
    figure, panels = _panels(learners)
    heights: dict[str, float] = {}
    for names, panel in panels:
        for k, name in enumerate(names):
            points = [(v, x) for v, x in learners[name]["values"].items() if x["samples"]]
            known = [(v, x) for v, x in points if x["samples"]["runs"]["value"] is not None]
            style = styles[name]
            if known:
                at = knob.places([v for v, _ in known], k, len(names))
                middle = np.array([x["samples"]["runs"]["value"] for _, x in known])
                ends = [_ends(x["samples"]["runs"], x["budget"]) for _, x in known]
                spread = np.abs(np.array(ends).T - middle)
                panel.errorbar(at, middle, spread, ms=6, capsize=2, **knob.drawn(style))
            censored = [(v, x) for v, x in points if x["samples"]["runs"]["value"] is None]
            if censored:
                at = knob.places([v for v, _ in censored], k, len(names))
                budgets = [x["budget"] for _, x in censored]
                panel.plot(at, budgets, "^", color=style.colour, mfc="white", mew=1.4, ms=8)
            if points:
                last = points[-1][1]
                reached = last["samples"]["runs"]["value"]
                heights[name] = last["budget"] if reached is None else reached
        for reference, line in zip(found["references"], _reference_lines(), strict=False):
            at = knob.places([str(value) for value in reference["values"]])
            along = [math.nan if y is None else y for y in reference["samples"]]
            panel.plot(at, along, color="black", ls=line, lw=1.4, label=reference["label"])
        if any(
            x["samples"] and x["samples"]["runs"]["value"] is None for _, x in _all_values(found)
        ):
            panel.plot([], [], "^", color=GREY, mfc="white", ms=8, label="not within its budget")
        knob.label(panel)
        panel.set(yscale="log", ylabel=f"{found['unit']} to a score of {1 - found['epsilon']:g}")
    first = panels[0][1]
    _say_one_seed(first, found)
    lines, labels = first.get_legend_handles_labels()
    if lines:
        figure.set_figheight(figure.get_figheight() + _LEGEND_LINE * len(lines))
        figure.legend(lines, labels, loc="outside lower center", fontsize=9)
    _name_ends(panels, heights, styles)
    return as_png(figure)


def scores(found: Found, styles: Styles) -> bytes:
    """Draw the score of the last evaluation over the knob: means with intervals, and where the optimum lies."""
    learners, knob = found["summary"]["learners"], _Knob(found)
    figure, panels = _panels(learners)
    heights: dict[str, float] = {}
    for names, panel in panels:
        for k, name in enumerate(names):
            at = knob.places(list(learners[name]["values"]), k, len(names))
            means = [x["score"] for x in learners[name]["values"].values()]
            middle = np.array([mean["value"] for mean in means])
            ends = [
                [mean[end] if mean[end] is not None else mean["value"] for end in ("low", "high")]
                for mean in means
            ]
            spread = np.abs(np.array(ends).T - middle)
            panel.errorbar(at, middle, spread, ms=6, capsize=2, **knob.drawn(styles[name]))
            heights[name] = float(middle[-1])
        for value, landmarks in found["summary"]["landmarks"].items():
            low, high = _certificate(landmarks)
            panel.plot(knob.places([value] * 2), [low, high], color=GREY, alpha=0.3, lw=12)
        _levels(panel, found["epsilon"])
        knob.label(panel)
        panel.set(ylabel="score (0: random, 1: optimum)", ylim=_limits([_least(found)]))
    _say_one_seed(panels[0][1], found)
    _name_ends(panels, heights, styles)
    return as_png(figure)


def curves(
    found: Found, by_value: Mapping[str, Mapping[str, Curves]], styles: Styles
) -> dict[str, bytes]:
    """Draw the learners' scores over samples, by value of the knob; none where each run has one evaluation."""
    shown = {
        value: by_value[value]
        for value in map(str, found["values"])
        if any(curve.budgets.size > 1 for curve in by_value.get(value, {}).values())
    }
    lows = [
        float(curve.scores.mean(axis=0).min()) for by in shown.values() for curve in by.values()
    ]
    pictures = {}
    for value, by_learner in shown.items():
        figure, panels = _panels(by_learner, 5.6, 3.2)
        for names, panel in panels:
            for name in names:
                _curve(panel, by_learner[name], styles[name])
            _levels(panel, found["epsilon"])
            panel.axhspan(
                *_certificate(found["summary"]["landmarks"][value]), color=GREY, alpha=0.15, lw=0
            )
            panel.set(xscale="log", xlabel=found["unit"], ylabel="score", ylim=_limits(lows))
        figure.suptitle(f"{found['knob']} = {value}" if _is_number(found) else value)
        heights = {name: float(curve.scores[:, -1].mean()) for name, curve in by_learner.items()}
        _name_ends(panels, heights, styles)
        pictures[value] = as_png(figure)
    return pictures


def profiles(found: Found, styles: Styles) -> bytes:
    """Draw performance profiles: the share of runs with at least a score."""
    learners, level = found["summary"]["learners"], 1 - found["epsilon"]
    figure, panels = _panels(learners)
    heights: dict[str, float] = {}
    for names, panel in panels:
        for name in names:
            profile, style = learners[name]["profile"], styles[name]
            at, share = profile["scores"], profile["share"]
            panel.fill_between(
                at, profile["low"], profile["high"], color=style.colour, alpha=0.15, lw=0
            )
            panel.plot(at, share, ms=5, markevery=4, lw=1.6, **style.drawn)
            heights[name] = float(np.interp(level, at, share))
        panel.axvline(level, color="black", ls=":", lw=1)
        panel.set(xlabel="score τ", ylabel="share of runs with a score ≥ τ", ylim=(-0.03, 1.03))
    _say_one_seed(panels[0][1], found)
    _name_ends(panels, heights, styles)
    return as_png(figure)


def legend(styles: Styles) -> bytes:
    """Draw the learners' names with their lines and markers."""
    longest = max(map(len, styles), default=0)
    columns = min(4, max(1, _LEGEND_WIDTH // (longest + 8)))
    figure, panel = single_figure(7.2, 0.3 + 0.26 * math.ceil(len(styles) / columns))
    figure.set_layout_engine(None)
    panel.set_position((0, 0, 1, 1))
    for name, style in styles.items():
        panel.plot([], [], ms=6, label=name.replace("$", r"\$"), **style.drawn)
    panel.axis("off")
    panel.legend(loc="center", ncols=columns, frameon=False)
    return as_png(figure)


def _panels(
    learners: Iterable[str], width: float = 6.4, height: float = 4.6
) -> tuple[Figure, list[tuple[list[str], Axes]]]:
    """A panel of that size in inches, or small multiples with at most `MOST_LINES` learners each."""
    families: dict[str, list[str]] = defaultdict(list)
    for name in sorted(learners):
        families[_family(name)].append(name)
    total = sum(map(len, families.values()))
    fair = math.ceil(total / max(1, math.ceil(total / MOST_LINES)))
    fair += fair % 2  # room for twins
    groups: list[list[str]] = [[]]
    for names in families.values():  # x-local and x-global stay together
        if groups[-1] and len(groups[-1]) + len(names) > fair:
            groups.append([])
        groups[-1] += names
    columns = 1 if len(groups) <= 3 else 2  # one below the other, to be read where pages are narrow
    rows = math.ceil(len(groups) / columns)
    with rc_context(STYLE):  # type: ignore[arg-type]
        one = height if rows == 1 else 3.2
        figure = Figure(figsize=(width * columns, one * rows), layout="constrained")
        FigureCanvasAgg(figure)
        axes = list(figure.subplots(rows, columns, sharex=True, sharey=True, squeeze=False).flat)
    for spare in axes[len(groups) :]:
        spare.remove()
    for axis in axes[: len(groups)]:
        axis.tick_params(labelbottom=True)  # also above a place that stays empty
    return figure, list(zip(groups, axes, strict=False))


def _name_ends(
    panels: Sequence[tuple[list[str], Axes]], heights: Mapping[str, float], styles: Styles
) -> None:
    """Write each learner's name at the right of its panel, at its line's end or as near to it as others leave room."""
    for names, panel in panels:
        if panel is not panels[0][1] and not panel.get_subplotspec().is_first_col():  # type: ignore[union-attr]
            panel.set_ylabel("")
        place = panel.transScale + panel.transLimits
        ends = sorted((place.transform((1, heights[n]))[1], n) for n in names if n in heights)
        step = _LINE * panel.figure.dpi / panel.bbox.height
        at, below = [], -math.inf
        for end, _ in ends:
            below = max(min(end, 1.0), below + step)
            at.append(below)
        for k, (_, name) in enumerate(ends):
            panel.text(
                *(1.02, min(at[k], 1 - (len(ends) - 1 - k) * step)),
                name.replace("$", r"\$"),
                transform=panel.transAxes,
                color=styles[name].colour,
                va="center",
                fontsize=8,
            )


class _Knob:
    """The axis of what is varied: logarithmic for numbers above 0, else one place after the other."""

    def __init__(self, found: Found) -> None:
        self.name: str = found["knob"]
        values = found["values"]
        self.texts = [str(value) for value in values]
        self.numbers = _is_number(found)
        self.log = self.numbers and all(value > 0 for value in values)
        # The least ratio between neighbours.
        ordered = sorted(values) if self.log else []
        self._step = min((b / a for a, b in pairwise(ordered)), default=2.0)
        self._place = {
            text: float(value) if self.log else float(k)
            for k, (text, value) in enumerate(zip(self.texts, values, strict=True))
        }

    def places(self, texts: Sequence[str], k: int = 0, of: int = 1) -> FloatArray:
        """Where values lie for the k-th learner, each a little beside the others so that all are seen."""
        at = np.array([self._place[text] for text in texts])
        shift = (k - (of - 1) / 2) / max(of, 4)
        if self.log:
            return np.asarray(at * self._step ** (0.25 * shift))
        return np.asarray(at + (0.12 if self.numbers else 0.6) * shift)

    def drawn(self, style: Style) -> dict[str, Any]:
        """A line between numbers; names have none."""
        return style.drawn if self.numbers else {**style.drawn, "linestyle": ""}

    def label(self, panel: Axes) -> None:
        """The ticks at the values, and nowhere else."""
        if self.log:
            panel.set_xscale("log")
        panel.set_xticks([self._place[text] for text in self.texts], self.texts)
        panel.xaxis.set_minor_locator(NullLocator())
        panel.set_xlabel("number of agents n" if self.name == "n" else self.name)


def _curve(panel: Axes, curve: Curves, style: Style) -> None:
    mean = curve.scores.mean(axis=0)
    if len(curve.scores) > 1:
        half = t_band(curve.scores)[1]
        panel.fill_between(
            curve.budgets, mean - half, mean + half, color=style.colour, alpha=0.18, lw=0
        )
    every = max(1, curve.budgets.size // 6)
    panel.plot(curve.budgets, mean, ms=4, markevery=every, lw=1.6, **style.drawn)


def _say_one_seed(panel: Axes, found: Found) -> None:
    """Where no learner has more than a run a value, bars of no length would look like certainty."""
    learners = found["summary"]["learners"].values()
    if learners and all(map(one_seed, learners)):
        panel.set_title(NO_INTERVAL, loc="right", fontsize=9)


def _levels(panel: Axes, epsilon: float) -> None:
    """The optimum, and the level at which a run has arrived."""
    panel.axhline(1, color="black", lw=1)
    panel.axhline(1 - epsilon, color="black", lw=1, ls=":")


def _certificate(landmarks: Mapping[str, Any]) -> tuple[float, float]:
    """Scores between which the optimum's lies: both 1 if it is known."""
    random, upper, lower = (landmarks[name] for name in ("random", "upper", "lower"))
    return (0.0 if lower is None else max(0.0, (lower - random) / (upper - random))), 1.0


def _reference_lines() -> list[str]:
    return ["-", "--", "-.", ":"]


def _ends(interval: Mapping[str, float | None], budget: float) -> tuple[float, float]:
    """The ends of an interval; an infinite one is drawn at the budget."""
    low, high = interval["low"], interval["high"]
    return (budget if low is None else low, budget if high is None else high)


def _limits(lows: Sequence[float]) -> tuple[float, float]:
    return max(-1.0, min([-0.06, *(low - 0.06 for low in lows)])), 1.12


def _least(found: Found) -> float:
    return min((value["score"]["value"] for _, value in _all_values(found)), default=0.0)


def _all_values(found: Found) -> list[tuple[str, Any]]:
    return [
        (value, of)
        for learner in found["summary"]["learners"].values()
        for value, of in learner["values"].items()
    ]


def _is_number(found: Found) -> bool:
    return all(isinstance(value, int | float) for value in found["values"])
