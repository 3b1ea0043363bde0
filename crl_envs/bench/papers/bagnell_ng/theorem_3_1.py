"""Theorem 3.1: how many trials learning from the global reward takes, against how many it must take."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache, partial
from typing import Any, Final

import numpy as np

import crl_envs
from crl_envs.bench.figure import (
    Case,
    Cases,
    Extent,
    Figure,
    Recordings,
    Section,
    csv_text,
    learner,
)
from crl_envs.bench.learners import find_learner
from crl_envs.bench.papers.bagnell_ng.figure_2 import CORRELATION, LOCAL, Method
from crl_envs.bench.papers.bagnell_ng.learning import BANDIT, read_out_cases, values_of
from crl_envs.bench.score.statistics import FloatArray, Interval, bootstrap_interval
from crl_envs.bench.text import Table, number
from crl_envs.bounds import identification_lower_bound, trials_lower_bound

SIZES: Final = (12, 32, 80, 192, 448, 1024, 2304)  # k 2^(k−1): a detecting matrix of full blocks
CERTAIN: Final[dict[str, Any]] = {"p_correct": 1.0, "p_wrong": 0.0}
EPSILON: Final = 0.05
NEAR: Final = 1 - 2 * EPSILON  # U that the proof asks for …
PROBABILITY: Final = 0.25  # … with this probability
MEAN: Final = 1 - EPSILON  # E[U] that the theorem asks for
_STEP: Final = 1.05  # from one number of trials to the next
_BUDGETS: Final = (
    *(0.1, 0.2, 0.3, 0.4, 0.45, 0.5, 0.55, 0.6, 0.65, 0.7, 0.75),
    *(0.8, 0.9, 1.0, 1.1, 1.25, 1.5),
)  # of n


@dataclass(frozen=True)
class Contender:
    """A learner, and where it is read out.

    Attributes:
        method: The learner.
        trials: Ascending numbers of trials for n agents; none of what it learns with fewer than the first is known.
        largest: Most agents that it is run with.
        as_budget: Whether it is given the number of trials beforehand, so that it learns anew for each.
    """

    method: Method
    trials: Callable[[int], Sequence[int]]
    largest: int = SIZES[-1]
    as_budget: bool = False

    def cases(self, n: int, extent: Extent) -> list[Case]:
        """Declare runs on random instances."""
        more = {"budgeted": True} if self.as_budget else {}
        return read_out_cases(
            self.method.spec, n, self.trials(n), extent, env=dict(CERTAIN), **more
        )


def rising(n: int, last: float) -> list[int]:
    """Return powers of two to n/4, then steps of 5 % to `last` times n and 20 more."""
    early = [2**k for k in range(max(n // 4, 1).bit_length())]
    steps = math.ceil(math.log(4 * (last + 20 / n)) / math.log(_STEP))
    return sorted({*early, *(math.ceil(n / 4 * _STEP**k) for k in range(steps + 1))})


@cache
def designed(n: int) -> list[int]:
    """Return the length of the detecting matrix; it can't be read out before its end."""
    vec = crl_envs.make_vec(BANDIT, num_envs=1, n_agents=n, **CERTAIN)
    return [find_learner("detecting-matrix")(vec).n_trials]


SQUARES: Final = Method(  # of least norm
    "global, least squares", learner("global-least-squares", solver="lsmr")
)
RIDGE: Final = Method(
    "global, ridge", learner("global-least-squares", ridge="noise", solver="lsmr")
)
HALVING: Final = Method("global, adaptive halving", learner("adaptive-halving", ridge=0.001))
DETECTING: Final = Method("global, detecting matrix", learner("detecting-matrix"))

CONTENDERS: Final = (
    Contender(CORRELATION, partial(rising, last=3.5)),
    Contender(RIDGE, partial(rising, last=2), 1024),
    Contender(SQUARES, partial(rising, last=1.2)),
    Contender(HALVING, lambda n: sorted({math.ceil(s * n) for s in _BUDGETS}), 448, as_budget=True),
    Contender(DETECTING, designed),
    Contender(LOCAL, lambda n: range(1, 17)),
)
GLOBAL: Final = tuple(c.method.label for c in CONTENDERS if c.method is not LOCAL)


@dataclass(frozen=True)
class Needed:
    """Trials that a learner needs with n agents.

    Attributes:
        often: Until U ≥ 1 − 2ε with probability at least ¼, the event of the proof.
        mean: Until E[U] ≥ 1 − ε, the theorem's words.
        bound: Theorem 3.1's.
    """

    often: Interval
    mean: Interval
    bound: float

    @property
    def ratio(self) -> float:
        """`often` over the bound."""
        return self.often.value / self.bound


Found = Mapping[tuple[str, int], Needed]


def cases(sizes: Sequence[int], extent: Extent) -> Cases:
    """Declare runs of every learner on the deterministic bandit."""
    return {
        (contender.method.label, n): contender.cases(n, extent)
        for contender in CONTENDERS
        for n in sizes
        if n <= contender.largest
    }


def view(sizes: Sequence[int], extent: Extent, recordings: Recordings) -> Section:
    """Show trials to a near-optimal policy, beside the lower bound."""
    contenders = {contender.method.label: contender for contender in CONTENDERS}
    found = {
        (label, n): needed(contenders[label], n, values_of(runs))
        for (label, n), runs in recordings.items()
    }
    return Section(
        title="Theorem 3.1: trials that the global reward takes, against the lower bound",
        claim="A learner that sees only the global reward needs at least (0.32 n + ln ¼) / ln(n + 1) trials on "
        "some one-step MDP with deterministic 0/1 rewards, if it is to come within ε < 0.05 of the optimum. (§3)",
        verdict=verdict(found, sizes),
        table=table(found, sizes),
        notes=notes(extent),
        picture=draw(found, sizes),
        csv=csv_text(
            ("learner", "n", "goal", "trials", "low", "high", "bound"),
            [
                (*key, goal, *interval, x.bound)
                for key, x in found.items()
                for goal, interval in (("often", x.often), ("mean", x.mean))
            ],
        ),
        numbers={
            f"{label}/{n}": {"often": x.often, "mean": x.mean, "bound": x.bound, "ratio": x.ratio}
            for (label, n), x in found.items()
        },
    )


def needed(contender: Contender, n: int, shares: FloatArray) -> Needed:
    """Return both numbers of trials, from the shares of agents right on random instances."""
    trials = contender.trials(n)
    return Needed(
        bootstrap_interval(lambda rows: first_often(rows, trials), shares),
        bootstrap_interval(lambda rows: first_mean(rows, trials), shares),
        trials_lower_bound(n, EPSILON),
    )


def first_often(values: FloatArray, trials: Sequence[int]) -> float:
    """Return the trials from which on at least ¼ of the rows of ``float64[runs, len(trials)]`` have U ≥ .9."""
    return _first((values >= NEAR - 1e-9).mean(axis=0) >= PROBABILITY, trials)


def first_mean(values: FloatArray, trials: Sequence[int]) -> float:
    """Return the number of trials from which on the mean over the rows is at least .95."""
    return _first(values.mean(axis=0) >= MEAN - 1e-9, trials)


def _first(holds: Any, trials: Sequence[int]) -> float:
    """Where it begins to hold for good; infinite if it doesn't at the end."""
    fails = np.flatnonzero(~holds)
    start = fails[-1] + 1 if fails.size else 0
    return float(trials[start]) if start < len(trials) else math.inf


def verdict(found: Found, sizes: Sequence[int]) -> str:
    """Say how near the best comes, and whether any global learner lies below."""
    n = sizes[-1]
    label = min(
        (label for label in GLOBAL if (label, n) in found), key=lambda x: found[x, n].often.value
    )
    best = found[label, n]
    below = [key for key, x in found.items() if key[0] in GLOBAL and x.often.value < x.bound]
    said = ", ".join(f"{label} at n = {size}," for label, size in below) or "None"
    local = found[LOCAL.label, n].often.value
    return (
        f"At n = {n:,} the best, {label}, takes {number(best.often.value, 0)} trials, "
        f"{number(best.ratio, 1)} times the bound of {number(best.bound, 1)}. {said} of the global learners "
        f"lies below the bound. The local learner, which it doesn't bind, takes {number(local, 0)}."
    )


def table(found: Found, sizes: Sequence[int]) -> Table:
    """Return the trials and their ratio to the bound; a row for each learner and goal."""
    rows = []
    for label in (*GLOBAL, LOCAL.label):
        rows.append([label, *(cell(found.get((label, n)), "often") for n in sizes)])
    for label in (*GLOBAL, LOCAL.label):
        cells = [cell(found.get((label, n)), "mean") for n in sizes]
        rows.append([f"{label}, E[U] ≥ {MEAN:g}", *cells])
    bounds = [number(trials_lower_bound(n, EPSILON), 1) for n in sizes]
    rows.append(["lower bound (Theorem 3.1)", *bounds])
    exact = [number(identification_lower_bound(n), 1) for n in sizes]
    rows.append(["lower bound for all right, always (counting)", *exact])
    header = f"trials to U ≥ {NEAR:g} with probability ≥ {PROBABILITY:g} (× bound)"
    return Table((header, *(f"n = {n}" for n in sizes)), rows)


def cell(needed: Needed | None, goal: str) -> str:
    """Return the trials with their interval, and how many times the bound that is."""
    if needed is None:
        return "not run"
    interval = getattr(needed, goal)
    low, high = number(interval.low, 0), number(interval.high, 0)
    spread = "" if low == high else f" [{low}, {high}]"
    return f"{number(interval.value, 0)}{spread} (× {interval.value / needed.bound:.2g})"


def notes(extent: Extent) -> str:
    """Say what is measured, and what is not."""
    return (
        f"{extent.seeds} random instances for each n, every one learnt by itself; 95 % intervals bootstrapped over "
        f"them. U is the share of agents that the greedy read-out gets right; the optimum is 1. The proof shows "
        f"that P(U ≥ 1 − 2ε) < ¼ with fewer trials than the bound, over random instances, and so that E[U] < 1 − ε. "
        f"Both are measured at ε = {EPSILON:g}, where the bound has its printed form: trials from which on U ≥ .9 in "
        f"at least a quarter of the instances (first rows; the least that the proof asks for), and from which on the "
        f"mean U ≥ .95. Learners are read out at numbers of trials {100 * (_STEP - 1):.0f} % apart (adaptive halving, "
        f"which knows its budget: at {len(_BUDGETS)} budgets), so a value is up to that much too large. Sizes are "
        f"k 2^(k−1), for which the detecting matrix has 2^k + 1 trials; others take up to 1.3 times as many for their "
        f"size. It knows all agents at the end and nothing before; the bound is for nine tenths of them, and "
        f"leaving a fifth of the agents to guessing would save a fifth of its trials. Without noise the best "
        f"ridge is none: λ = 16/9 · n, right for the noisy bandit, is shown for comparison. Adaptive halving has "
        f"λ = 0.001 n. These two are run with fewer agents, to save time."
    )


def draw(found: Found, sizes: Sequence[int]) -> bytes:
    """Draw trials against agents, both logarithmic, and the bounds."""
    from crl_envs.bench.report.pictures import GREY, as_png, intervals, single_figure

    figure, panel = single_figure(7.4, 4.4)
    for label, style in looks().items():
        there = [n for n in sizes if (label, n) in found]
        often = [found[label, n].often for n in there]
        intervals(panel, there, often, marker="o", ms=4, label=label, **style)
    n = np.unique(np.geomspace(sizes[0], sizes[-1], 200).astype(int))
    exact = [identification_lower_bound(int(x)) for x in n]
    panel.plot(n, exact, color=GREY, linestyle=":", label="bound for all right, always")
    bound = [trials_lower_bound(int(x), EPSILON) for x in n]
    panel.plot(n, bound, color="black", linewidth=2, label="lower bound (Theorem 3.1)")
    panel.fill_between(n, bound, 0.7, color="black", alpha=0.07, lw=0)
    panel.set(xscale="log", yscale="log", xlabel="agents", ylabel="trials", ylim=(0.7, None))
    panel.set_title(f"Trials to U ≥ {NEAR:g} with probability ≥ ¼")
    figure.legend(*panel.get_legend_handles_labels(), loc="outside right center")
    return as_png(figure)


def looks() -> dict[str, dict[str, Any]]:
    """Return the colours and dashes of the learners, the slowest first."""
    from crl_envs.bench.report.pictures import BLUE, GREEN, ORANGE, PURPLE, SKY, VERMILLION

    return {
        CORRELATION.label: {"color": GREEN, "linestyle": "-."},
        RIDGE.label: {"color": ORANGE, "linestyle": "--"},
        SQUARES.label: {"color": VERMILLION, "linestyle": (0, (6, 1.2))},
        HALVING.label: {"color": SKY, "linestyle": "-"},
        DETECTING.label: {"color": PURPLE, "linestyle": "-"},
        LOCAL.label: {"color": BLUE, "linestyle": "-"},
    }


def theorem_3_1(sizes: Sequence[int] = SIZES) -> Figure:
    """Return the section for so many agents."""
    return Figure(partial(cases, sizes), partial(view, sizes))
