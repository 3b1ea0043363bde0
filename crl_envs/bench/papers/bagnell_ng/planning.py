"""Beyond: Guestrin's planner at any number of agents, and controllers with memory where observations are noisy."""

from __future__ import annotations

from typing import Any, Final

import numpy as np

import crl_envs
from crl_envs.bench.figure import (
    Case,
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
from crl_envs.bench.papers.bagnell_ng.learning import HORIZON, PAPER, SYSADMIN, curves_case
from crl_envs.bench.score.statistics import FloatArray, Interval, t_interval
from crl_envs.bench.text import Table, number, with_interval
from crl_envs.factored import simulate

DYNAMICS: Final = "ring-bidirectional"
TRIALS: Final = (5, 50)
PLANNERS: Final = {  # learners, and the numbers of agents at which they plan
    "window program": (learner("window-planner"), (10, 100, 1000, 10_000)),
    "coordinate ascent, neighbourhood": (
        learner("model-based", policy_class="neighborhood", planning_episodes=50),
        (10, 100),
    ),
    "coordinate ascent, own state": (learner("model-based", planning_episodes=50), (10, 100, 1000)),
}
EVALUATED: Final = 500_000  # agents × episodes in which a policy is simulated
_APART: Final = 10**7  # seeds of these episodes

NOISES: Final = (0.0, 0.2, 0.4, 0.6, 0.8)
CONTROLLERS: Final = {
    "REINFORCE": learner("reinforce"),
    "2 nodes": learner("finite-state-controllers", memory=2),
    "4 nodes": learner("finite-state-controllers", memory=4),
}
AGENTS: Final = 10
ITERATIONS: Final = 3000
LAST: Final = 200


def planner_cases(extent: Extent) -> Cases:
    """Declare learning a model in some trials, and planning in it."""
    return {
        (label, n): [
            Case(
                PAPER,
                f"planned_{DYNAMICS}_n-{n}_after-{'-'.join(map(str, TRIALS))}",
                spec,
                planned,
                {"n": n, "trials": list(TRIALS)},
                extent.seed,
                extent.seeds,
                rehearsal={"n": 4, "trials": [1]},
            )
        ]
        for label, (spec, sizes) in PLANNERS.items()
        for n in sizes
    }


def planned(spec: LearnerSpec, seed: int, columns: int, *, n: int, trials: list[int]) -> Recording:
    """Record ``rewards`` ``float64[columns, trials]``: reward a step of what is planned after each number of trials.

    On simulated episodes of the true model, the same for all learners and others for each run.
    """
    arguments: dict[str, Any] = {"n_agents": n, "dynamics": DYNAMICS, "horizon": HORIZON}
    env: Any = crl_envs.make(SYSADMIN, **arguments)
    truth = env.unwrapped.factored_model()
    found = np.zeros((columns, len(trials)))
    for j, m in enumerate(trials):
        more = {"trials": m} if spec.source == "window-planner" else {}
        vec = crl_envs.make_vec(SYSADMIN, num_envs=columns, **arguments)
        made: Any = spec.load()(vec, seed=seed, **spec.config, **more)
        made.learn(total_episodes=m)
        for k in range(columns):
            episodes = max(100, EVALUATED // n)
            found[k, j] = (
                simulate(truth, made.plan(k), episodes, (seed + k) * _APART).value / HORIZON
            )
    return Recording({}, {"rewards": found})


def planner(extent: Extent, recordings: Recordings) -> Section:
    """Show what each planner's policy earns against the number of agents."""
    found = {key: runs[0].arrays["rewards"] for key, runs in recordings.items()}
    sizes = sorted({n for _, n in found})
    optima = {
        n: crl_envs.make_vec(
            SYSADMIN, num_envs=1, n_agents=n, dynamics=DYNAMICS, horizon=HORIZON
        ).optimum()
        for n in sizes
    }

    def cell(label: str, n: int, j: int) -> str:
        return with_interval(t_interval(found[label, n][:, j]), 4) if (label, n) in found else "–"

    rows = [
        [f"{label}, {m} trials", *(cell(label, n, j) for n in sizes)]
        for label in PLANNERS
        for j, m in enumerate(TRIALS)
    ]
    for end in ("value", "lower"):
        name = "optimum, at most" if end == "value" else "best known policy"
        rows.append([name, *(number(getattr(optima[n], end) / HORIZON, 4) for n in sizes)])
    large = sizes[-1]
    window = found["window program", large]
    return Section(
        title="Guestrin's planner as a learner",
        claim="“useful approximate multiple agent Markov Decision Process (MDP) solvers that take advantage of local "
        "reward structure have been developed [4]” (§1): what do they add to a model learnt from local rewards?",
        verdict=f"On {DYNAMICS} the window program's policy earns {with_interval(t_interval(window[:, 0]), 4)} a step "
        f"after {TRIALS[0]} trials at n = {large:,}, of at most {number(optima[large].value / HORIZON, 4)}.",
        table=Table(("reward a step", *(f"n = {n:,}" for n in sizes)), rows),
        notes=f"{extent.seeds} runs each, T = {HORIZON}; trials of uniformly random actions, then a plan in the learnt "
        "model, simulated in the true one. The window planner adds up what all machines have seen, and its policy "
        "looks at three machines on each side and at the step; coordinate ascent (50 simulated episodes) learns a "
        "table for each machine and searches stationary policies of the machine's own or its neighbours' states.",
        picture=draw_planner(found, sizes, {n: x.value / HORIZON for n, x in optima.items()}),
        csv=csv_text(
            ("planner", "n", "trials", "run", "reward_per_step"),
            [
                (label, n, m, k, float(values[k, j]))
                for (label, n), values in found.items()
                for j, m in enumerate(TRIALS)
                for k in range(len(values))
            ],
        ),
        numbers={
            f"{label}/{n}": {m: t_interval(v) for m, v in zip(TRIALS, values.T, strict=True)}
            for (label, n), values in found.items()
        },
    )


def draw_planner(
    found: dict[tuple[str, int], FloatArray], sizes: list[int], best: dict[int, float]
) -> bytes:
    """Draw the reward a step against the number of agents, a panel for each number of trials."""
    from crl_envs.bench.report.pictures import COLOURS, as_png, intervals, new_figure

    figure, panels = new_figure(len(TRIALS))
    for j, (panel, m) in enumerate(zip(panels, TRIALS, strict=True)):
        for label, colour in zip(PLANNERS, COLOURS, strict=False):
            own = [n for n in sizes if (label, n) in found]
            values = [t_interval(found[label, n][:, j]) for n in own]
            intervals(panel, own, values, marker="o", ms=4, color=colour, label=label)
        panel.plot(sizes, [best[n] for n in sizes], "k:", label="optimum, at most")
        panel.set(title=f"after {m} trials", xscale="log", xlabel="agents")
    panels[0].set_ylabel("reward a step")
    figure.legend(*panels[0].get_legend_handles_labels(), loc="outside right center")
    return as_png(figure)


def controller_cases(extent: Extent) -> Cases:
    """Declare REINFORCE with and without memory, at several levels of noise."""
    return {
        (label, noise): [
            curves_case(
                spec,
                {"n_agents": AGENTS, "horizon": HORIZON},
                ITERATIONS,
                extent.seed,
                extent.seeds,
                observation_noise=noise,
            )
        ]
        for label, spec in CONTROLLERS.items()
        for noise in NOISES
    }


def controllers(extent: Extent, recordings: Recordings) -> Section:
    """Show the reward that each ends at against the noise."""
    final = {
        key: runs[0].arrays["curves"][:, -LAST:].mean(axis=1) for key, runs in recordings.items()
    }
    found = {key: t_interval(values) for key, values in final.items()}
    without, *others = CONTROLLERS
    gains = {
        (label, noise): t_interval(final[label, noise] - final[without, noise])
        for label in others
        for noise in NOISES
    }
    rows = [[label, *(with_interval(found[label, x]) for x in NOISES)] for label in CONTROLLERS]
    rows += [
        [f"{label} − {without}", *(with_interval(gains[label, x]) for x in NOISES)]
        for label in others
    ]
    return Section(
        title="Finite-state controllers: memory where observations are noisy",
        claim="The global learner of Figure 3 is REINFORCE “[9]”, Peshkin et al. (2000), whose agents are finite-state "
        "controllers, for what they see is part of the state. (§5)",
        verdict=controllers_verdict(gains),
        table=Table(("final reward a step, noise", *map(str, NOISES)), rows),
        notes=f"{extent.seeds} runs of {ITERATIONS:,} iterations, n = {AGENTS}, ring, T = {HORIZON}, local rewards; "
        f"mean over the last {LAST}; differences run by run. Noise: the probability with which what a machine sees of "
        "itself is replaced by a coin toss (`NoisyObservation`).",
        picture=draw_controllers(found),
        csv=csv_text(
            ("controller", "noise", "run", "reward_per_step"),
            [(*key, k, float(x)) for key, values in final.items() for k, x in enumerate(values)],
        ),
        numbers={f"{label}/{noise}": x for (label, noise), x in found.items()},
    )


def controllers_verdict(gains: dict[tuple[str, float], Interval]) -> str:
    """Say where memory helps and where it costs."""
    said = []
    for sign, word in ((1, "higher"), (-1, "lower")):
        cells = [
            f"{label} at noise {noise} by {number(abs(x.value), 3)}"
            for (label, noise), x in gains.items()
            if min(sign * x.low, sign * x.high) > 0
        ]
        if cells:
            said.append(f"{word} with {', '.join(cells)}")
    text = "; ".join(said) if said else "no different with memory at any level of noise"
    return f"The final reward a step is {text}."


def draw_controllers(found: dict[tuple[str, float], Interval]) -> bytes:
    """Draw the final reward a step against the noise."""
    from crl_envs.bench.report.pictures import COLOURS, as_png, intervals, single_figure

    figure, panel = single_figure(6.4, 3.6)
    for label, colour in zip(CONTROLLERS, COLOURS, strict=False):
        values = [found[label, noise] for noise in NOISES]
        intervals(panel, NOISES, values, marker="o", ms=4, color=colour, label=label)
    panel.set(xlabel="observations replaced by a coin toss", ylabel="final reward a step")
    panel.legend()
    return as_png(figure)


PLANNER: Final = Figure(planner_cases, planner)
FINITE_STATE_CONTROLLERS: Final = Figure(controller_cases, controllers)
