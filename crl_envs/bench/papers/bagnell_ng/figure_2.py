"""Figure 2: performance against trials (left), and trials to a level against agents (right)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import partial
from typing import Any, Final, NamedTuple

import numpy as np

from crl_envs.bench.figure import (
    Cases,
    Extent,
    Figure,
    Recording,
    Recordings,
    Section,
    csv_text,
    learner,
)
from crl_envs.bench.learners import LearnerSpec
from crl_envs.bench.papers.bagnell_ng.learning import read_out_cases, values_of
from crl_envs.bench.score.statistics import (
    FloatArray,
    Interval,
    bootstrap_interval,
    reach,
    t_interval,
)
from crl_envs.bench.text import Table, number, with_interval
from crl_envs.bounds import (
    least_squares_performance,
    least_squares_trials,
    local_success,
    local_trials_to,
    trials_lower_bound,
)


class Method(NamedTuple):
    """A learner of the bandit, and what pictures and tables call it."""

    label: str
    spec: LearnerSpec


LOCAL: Final = Method("local", learner("local-means"))
SQUARES: Final = Method("global, least squares", learner("global-least-squares"))
RIDGE: Final = Method("global, ridge", learner("global-least-squares", ridge="noise"))
CORRELATION: Final = Method("global, correlation", learner("correlation"))


LEFT_SIZES: Final = (200, 400)  # the figure's title and the text
LEFT_TRIALS: Final = (
    1,
    2,
    5,
    10,
    20,
    50,
    100,
    150,
    200,
    300,
    400,
    500,
    700,
    1000,
    1500,
    2000,
    2500,
)
METHODS: Final = (LOCAL, SQUARES, RIDGE, CORRELATION)
SHOWN: Final = (1, 10, 200, 400, 1000, 2500)

RIGHT_SIZES: Final = (10, 25, 50, 100, 200, 400)
RIGHT_METHODS: Final = (LOCAL, SQUARES, RIDGE)
LEVEL: Final = 0.9
OTHER_LEVEL: Final = 0.25
READINGS: Final = {  # of “¼ of optimal reward”, as levels of P
    OTHER_LEVEL: "¼ of the way from guessing to the optimum",
    1 / 3: "U ≥ ¾ of the optimum's .8",
    0.6: "the same .6 on the axis of P",
    0.75: "within ¼ of the optimum",
    LEVEL: "what an axis to 2,500 shows",
}
PAPER_AXIS: Final = 2500
_RIGHT_SHARES: Final = (
    *(0.1, 0.25, 0.5, 0.75, 0.9, 1.0, 1.1, 1.2, 1.3, 1.5, 2, 2.5, 3, 3.5, 4),
    *(4.5, 5, 5.5, 6, 6.5, 7, 8, 9),
)  # of n; close around n, where least squares falls to 0


def left_cases(extent: Extent) -> Cases:
    """Declare runs with 200 and 400 agents, each with rewards, exploration and right actions of its own."""
    return {
        (m.label, n): read_out_cases(m.spec, n, LEFT_TRIALS, extent)
        for n in LEFT_SIZES
        for m in METHODS
    }


def left(extent: Extent, recordings: Recordings) -> Section:
    """Show performance against trials."""
    found = {key: performance(runs) for key, runs in recordings.items()}
    places = [LEFT_TRIALS.index(m) for m in SHOWN]
    rows = []
    for (label, n), values in found.items():
        cells = [with_interval(t_interval(values[:, k]), 2) for k in places]
        rows.append([f"{label}, n = {n}", *cells])
    rows.append(["local, exact", *(number(local(m), 2) for m in SHOWN)])
    for n in LEFT_SIZES:
        theory = [number(least_squares_performance(n, m), 2) for m in SHOWN]
        rows.append([f"least squares, theory, n = {n}", *theory])
    return Section(
        title="Figure 2, left: performance against trials",
        claim="Learning from local rewards is compared with learning from the global one, on the bandit with 0.8 and "
        "0.2; the title says 200 agents, the text 400. (§5)",
        verdict=left_verdict(found),
        table=Table(("P after trials", *map(str, SHOWN)), rows),
        notes=f"{extent.seeds} runs each, every one with right actions of its own. P = 2 · (share of agents right) − "
        "1, after uniformly random actions, of the greedy read-out. Least squares has its double descent at as many "
        "trials as agents; ridge (λ = 16/9 · n on the Gram matrix of ±1) hasn't.",
        picture=draw_left(found),
        csv=csv_text(
            ("method", "n", "run", "trials", "performance"),
            [
                (*key, k, m, float(value))
                for key, values in found.items()
                for k, run in enumerate(values)
                for m, value in zip(LEFT_TRIALS, run, strict=True)
            ],
        ),
        numbers={
            f"{label}/{n}": {m: t_interval(v) for m, v in zip(LEFT_TRIALS, values.T, strict=True)}
            for (label, n), values in found.items()
        },
    )


def performance(runs: Sequence[Recording]) -> FloatArray:
    """Return P = 2 · (share of agents right) − 1 of the greedy read-out: ``float64[runs, trials]``."""
    return 2 * values_of(runs) - 1


def local(m: int) -> float:
    """Return the local learner's exact P after m trials."""
    return 2.0 * local_success(m) - 1.0


def left_verdict(found: Mapping[tuple[str, int], FloatArray]) -> str:
    """Say at which number of trials the mean P is at or above the level for good."""
    said = []
    for n in LEFT_SIZES:
        reached = {m.label: reach(found[m.label, n], LEFT_TRIALS, LEVEL) for m in METHODS}
        words = ", ".join(f"{label} {number(x, 0)}" for label, x in reached.items())
        said.append(f"n = {n}: {words}")
    return f"Trials to P ≥ {LEVEL} (–: not within {LEFT_TRIALS[-1]:,}): {'; '.join(said)}."


def draw_left(found: Mapping[tuple[str, int], FloatArray]) -> bytes:
    """Draw a panel for each number of agents."""
    from crl_envs.bench.report.pictures import as_png, band, new_figure

    figure, panels = new_figure(len(LEFT_SIZES))
    trials = np.array(LEFT_TRIALS, np.float64)
    for panel, n in zip(panels, LEFT_SIZES, strict=True):
        for label, style in looks().items():
            band(panel, found[label, n], trials, label=label, **style)
        m = np.geomspace(2, trials[-1], 300)
        theory = [least_squares_performance(n, float(x)) for x in m]
        panel.plot(m, theory, color="black", linestyle=":", label="least squares, theory")
        panel.set(title=f"{n} agents", xlabel="trials", xscale="log", xlim=(1, trials[-1]))
        panel.set_ylim(-0.05, 1.03)
    panels[0].set_ylabel("P: 0 guessing, 1 all right")
    figure.legend(*panels[0].get_legend_handles_labels(), loc="outside right center")
    return as_png(figure)


def looks() -> dict[str, dict[str, Any]]:
    """Return the colours and dashes of the methods."""
    from crl_envs.bench.report.pictures import BLUE, GREEN, ORANGE, VERMILLION

    return {
        LOCAL.label: {"color": BLUE, "linestyle": "-"},
        SQUARES.label: {"color": VERMILLION, "linestyle": (0, (6, 1.2))},
        RIDGE.label: {"color": ORANGE, "linestyle": "--"},
        CORRELATION.label: {"color": GREEN, "linestyle": "-."},
    }


def right_cases(extent: Extent) -> Cases:
    """Declare runs of local and global learners with 10 to 400 agents."""
    return {
        (m.label, n): read_out_cases(m.spec, n, trials_for(m, n), extent)
        for m in RIGHT_METHODS
        for n in RIGHT_SIZES
    }


def right(extent: Extent, recordings: Recordings) -> Section:
    """Show trials to a level against the number of agents."""
    needed: dict[tuple[str, int], dict[float, Interval]] = {}
    for method in RIGHT_METHODS:
        for n in RIGHT_SIZES:
            trials, values = trials_for(method, n), performance(recordings[method.label, n])
            needed[method.label, n] = {
                level: bootstrap_interval(partial(reach, at=trials, level=level), values)
                for level in READINGS
            }
    rows = []
    for level in (LEVEL, OTHER_LEVEL):
        for method in RIGHT_METHODS:
            cells = [with_interval(needed[method.label, n][level], 0) for n in RIGHT_SIZES]
            rows.append([f"{method.label}, P ≥ {level}", *cells])
        rows.append(
            [f"local, exact, P ≥ {level}", *[str(local_trials_to(level))] * len(RIGHT_SIZES)]
        )
        theory = [number(least_squares_trials(n, level), 0) for n in RIGHT_SIZES]
        rows.append([f"least squares, theory, P ≥ {level}", *theory])
    for level in sorted(READINGS.keys() - {LEVEL, OTHER_LEVEL}):
        cells = [with_interval(needed[SQUARES.label, n][level], 0) for n in RIGHT_SIZES]
        rows.append([f"{SQUARES.label}, P ≥ {level:.3g}", *cells])
        theory = [number(least_squares_trials(n, level), 0) for n in RIGHT_SIZES]
        rows.append([f"least squares, theory, P ≥ {level:.3g}", *theory])
    bounds = [number(trials_lower_bound(n), 1) for n in RIGHT_SIZES]
    rows.append([f"lower bound (Theorem 3.1), beside P ≥ {LEVEL}", *bounds])
    return Section(
        title="Figure 2, right: trials to a level against agents",
        claim="The trials that learning needs, against the number of agents: “¼ of optimal reward” on an axis to "
        "2,500 at n = 400. (§5)",
        verdict=right_verdict(needed),
        table=Table(("trials", *(f"n = {n}" for n in RIGHT_SIZES)), rows),
        notes=f"{extent.seeds} runs each; the last crossing of the mean over runs, by linear interpolation; 95 % "
        "intervals bootstrapped over runs. Readings of ¼: "
        + "; ".join(f"P ≥ {level:.3g}, {words}" for level, words in READINGS.items())
        + ". None but the last takes the 2,500 trials of the paper's axis, and that is ¼ of nothing. The axis may also "
        "say nothing of the curve: it is that of the left panel, which ends at 2,500 trials. (¼ of the optimum's own "
        ".8 is .2, less than guessing gets.) Under every reading the global learner is linear in n, far above the "
        "bound; the local one doesn't notice n.",
        picture=draw_right(needed),
        csv=csv_text(
            ("method", "n", "level", "trials", "low", "high"),
            [
                (*key, level, found.value, found.low, found.high)
                for key, levels in needed.items()
                for level, found in levels.items()
            ],
        ),
        numbers={f"{label}/{n}": levels for (label, n), levels in needed.items()},
    )


def trials_for(method: Method, n: int) -> list[int]:
    """Return the trials to read out at: 1 to 30 for the local learner, shares of n for the global ones."""
    if method is LOCAL:
        return list(range(1, 31))
    return sorted({max(round(share * n), 1) for share in _RIGHT_SHARES})


def right_verdict(needed: Mapping[tuple[str, int], Mapping[float, Interval]]) -> str:
    """Say how the trials grow from the fewest agents to the most."""
    small, large = RIGHT_SIZES[0], RIGHT_SIZES[-1]
    said = []
    for method in RIGHT_METHODS:
        first = needed[method.label, small][LEVEL].value
        last = needed[method.label, large][LEVEL].value
        said.append(f"{method.label} {number(first, 0)} → {number(last, 0)}")
    return f"Trials to P ≥ {LEVEL} from n = {small} to {large}: {', '.join(said)}."


def draw_right(needed: Mapping[tuple[str, int], Mapping[float, Interval]]) -> bytes:
    """Draw both levels, logarithmic, with the bound and the theory; and the readings of ¼ on the paper's axes."""
    from crl_envs.bench.report.pictures import COLOURS, GREY, as_png, intervals, new_figure

    figure, panels = new_figure(3, sharey=False)
    sizes = np.array(RIGHT_SIZES, np.float64)
    for panel, level in zip(panels, (LEVEL, OTHER_LEVEL), strict=False):
        for method in RIGHT_METHODS:
            found = [needed[method.label, n][level] for n in RIGHT_SIZES]
            style = looks()[method.label]
            intervals(panel, sizes, found, marker="o", ms=4, label=method.label, **style)
        theory = [least_squares_trials(int(n), level) for n in sizes]
        panel.plot(sizes, theory, color="black", linestyle=":", label="least squares, theory")
        panel.set(title=f"P ≥ {level}", xscale="log", yscale="log", xlabel="agents")
    bound = [max(trials_lower_bound(int(n)), 0.5) for n in sizes]
    panels[0].plot(sizes, bound, color=GREY, label="lower bound, global reward")
    panels[0].set_ylabel("trials")
    panels[1].sharey(panels[0])
    for level, colour in zip(READINGS, COLOURS, strict=False):
        found = [needed[SQUARES.label, n][level] for n in RIGHT_SIZES]
        intervals(panels[2], sizes, found, marker="o", ms=4, color=colour, label=f"P ≥ {level:.3g}")
    panels[2].axhline(PAPER_AXIS, color=GREY, linestyle="--")
    panels[2].set(
        title="least squares, readings of “¼”", xlabel="agents", ylim=(0, 1.1 * PAPER_AXIS)
    )
    panels[2].legend()
    figure.legend(*panels[0].get_legend_handles_labels(), loc="outside right center")
    return as_png(figure)


FIGURE_2_LEFT: Final = Figure(left_cases, left)
FIGURE_2_RIGHT: Final = Figure(right_cases, right)
