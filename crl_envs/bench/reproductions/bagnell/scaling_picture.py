"""The picture of the scaling figure."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from matplotlib.axes import Axes

from crl_envs.bench.plotting import (
    BLUE,
    GREEN,
    GREY,
    ORANGE,
    PURPLE,
    SKY,
    VERMILLION,
    as_png,
    new_figure,
)
from crl_envs.bench.reproductions.bagnell.scaling_curves import ALL_RIGHT
from crl_envs.bench.reproductions.bagnell.trials import ENV_ID as BANDIT
from crl_envs.bench.reproductions.fig3_findings import ENV_ID as SYSADMIN
from crl_envs.bench.reproductions.fig3_findings import PERCENT
from crl_envs.bench.tables import number
from crl_envs.bounds import trials_lower_bound

if TYPE_CHECKING:
    from crl_envs.bench.reproductions.bagnell.scaling import Measured

_COLOURS = (BLUE, SKY, VERMILLION, ORANGE, GREEN, PURPLE, GREY)
_MARKERS = "os^vDPX"


def draw(found: Sequence[Measured]) -> bytes:
    """A panel for each problem, both axes logarithmic, censored points hollow with an arrow."""
    figure, panels = new_figure(2, sharey=False)
    figure.set_size_inches(10.4, 6.0)
    titles = {
        BANDIT: ("Bandit", "trials to P ≥ 0.9"),
        SYSADMIN: ("SYSADMIN (ring, T = 20)", f"iterations to {PERCENT} of the gain"),
    }
    for panel, (env_id, (title, what)) in zip(panels, titles.items(), strict=True):
        here = [x for x in found if x.curve.env_id == env_id]
        for k, x in enumerate(here):
            draw_curve(panel, x, color=_COLOURS[k % 7], marker=_MARKERS[k % 7])
        if env_id == BANDIT and here:
            most = max(n for x in here for n in x.points)
            n = np.unique(np.geomspace(10, max(most, 11), 100).astype(int))
            bound = [trials_lower_bound(int(size)) for size in n]
            panel.plot(n, bound, color="black", label="lower bound, global reward (Theorem 3.1)")
        if any(point.censored for x in here for point in x.points.values()):
            explained = "hollow, with an arrow: not within the budget"
            panel.plot(
                *([], []), color=GREY, marker="o", mfc="white", linestyle="", label=explained
            )
        panel.set(title=title, xlabel="agents", ylabel=what, xscale="log", yscale="log")
        if here:
            panel.legend(loc="upper center", bbox_to_anchor=(0.5, -0.16))
    return as_png(figure)


def draw_curve(panel: Axes, x: Measured, **style: Any) -> None:
    """One curve, with its exponent in the label."""
    known = {n: p.needed for n, p in x.points.items() if not p.censored}
    label = f"{x.curve.label}: {growth(x)}"
    if known:
        ends = np.array(list(known.values()))
        middle, low, high = np.where(np.isfinite(ends), ends, np.nan).T
        spread = [middle - low, high - middle]
        panel.errorbar(list(known), middle, spread, ms=5, label=label, **style)
    for n, point in x.points.items():
        if point.censored:
            panel.errorbar(
                *([n], [point.budget], [point.budget]),
                lolims=True,
                markerfacecolor="white",
                linestyle="",
                label="" if known else label,
                **style,
            )


def growth(x: Measured) -> str:
    """The fitted law in short."""
    if x.curve.label == ALL_RIGHT:
        return f"+ {number(x.exponent.per_log.value, 1)} ln n"
    return f"exponent {number(x.exponent.power.value, 2)}"
