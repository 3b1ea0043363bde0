"""Figure 11: how evenly the load lies on the agents."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import numpy as np

from crl_envs.bench.intervals import FloatArray, Interval, t_interval
from crl_envs.bench.reproductions import Watch
from crl_envs.bench.reproductions.dowling.filling import play_grid, styles
from crl_envs.bench.reproductions.dowling.play import Run, curves
from crl_envs.bench.reproductions.dowling.setting import (
    DISCRETE,
    DP,
    EQUALISATION,
    GRADIENT,
    PAPERS,
    RANDOM,
)
from crl_envs.bench.reproductions.section import Plan, Section, csv_text
from crl_envs.bench.tables import Table, with_interval

SHARES: Final = (0.25, 0.5, 0.75, 0.9)
_GRID: Final = np.linspace(0, 1, 201)


def fig11(plan: Plan, watch: Watch) -> Section:
    """Standard deviation of the percentage of capacity used over agents."""
    played = play_grid(plan, watch, "fig11: grid")
    at = {label: [spread_at(runs, share) for share in SHARES] for label, runs in played.items()}
    rows = [
        [
            p.label,
            *(with_interval(x, 1) for x in at[p.label]),
            str(EQUALISATION.get(p.label, "–")),
        ]
        for p in PAPERS
    ]
    header = ("points of % load", *(f"at {s:.0%} stored" for s in SHARES), "prototypes at 50 %")
    return Section(
        title="Figure 11: equalisation, grid",
        claim="“The CRL and DP policies are more exploitative and tend to fill agents capacities sequentially "
        "from agent 0, "
        "leading to suboptimal load equalization, but they still compare favorably with the Random policy. The "
        "measure […] "
        "is the standard deviation of agent loads from the mean agent load (in terms of percentage of capacity "
        "used)”. "
        "(§6.1)",
        verdict=verdict({label: found[1] for label, found in at.items()}),
        table=Table(header, rows),
        notes="Lower is more even. Over steps, a policy that takes longer has uneven loads for longer; over the "
        "share "
        "stored, policies are compared at the same amount of load.",
        picture=draw(played),
        csv=_csv(played),
        numbers={"shares": SHARES, "spread": at},
    )


def spread(run: Run) -> FloatArray:
    """``float64[M]``: standard deviation over agents of the percentage of capacity used."""
    percent = 100 * run.load / run.capacity
    return np.asarray(percent.std(axis=1))


def _by_share(runs: Sequence[Run]) -> FloatArray:
    """``float64[runs, 201]``: the spread against the share of the capacity in use."""
    return np.stack(
        [np.interp(_GRID, run.stored / run.capacity.sum(), spread(run)) for run in runs]
    )


def spread_at(runs: Sequence[Run], share: float) -> Interval:
    """The spread when that share of the capacity is in use."""
    return t_interval(_by_share(runs)[:, round(share * (_GRID.size - 1))])


def verdict(half: dict[str, Interval]) -> str:
    """Whether the exploitative policies compare favourably with the random one at 50 %."""
    base = half[RANDOM.label]
    said = []
    for label in (DISCRETE.label, GRADIENT.label, DP.label):
        better, worse = half[label].high < base.low, half[label].low > base.high
        word = "more even than" if better else "less even than" if worse else "as even as"
        said.append(f"{label} ({half[label].value:.0f} points) {word} random")
    reproduced = all(half[label].low <= base.high for label in (DISCRETE.label, GRADIENT.label))
    outcome = "the claim holds" if reproduced else "the claim did not reproduce"
    return f"At 50 % stored (random: {base.value:.0f} points): {', '.join(said)}; {outcome}."


def draw(played: dict[str, list[Run]]) -> bytes:
    """Against the share stored, and against steps."""
    from crl_envs.bench.plotting import as_png, band, new_figure

    figure, (left, right) = new_figure(2)
    longest = max(run.length for runs in played.values() for run in runs)
    grid = np.geomspace(10, longest, 400)
    for label, style in styles().items():
        band(left, _by_share(played[label]), 100 * _GRID, label=label, **style)
        band(right, curves(played[label], grid, spread), grid, **style)
    left.set(xlabel="% of all capacity in use", ylabel="std. of % load over agents", xlim=(0, 100))
    right.set(xlabel="steps", xscale="log", xlim=(10, longest))
    left.set_ylim(bottom=0)
    left.legend(loc="lower center")
    return as_png(figure)


def _csv(played: dict[str, list[Run]]) -> str:
    rows = []
    for label, runs in played.items():
        for k, curve in enumerate(_by_share(runs)):
            rows += [(label, k, float(x), float(y)) for x, y in zip(_GRID, curve, strict=True)]
    return csv_text(("policy", "run", "share_stored", "spread"), rows)
