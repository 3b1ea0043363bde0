"""Figure 3 as a section of the whole paper's report; by itself it is `crl_envs.bench.reproductions.fig3`."""

from __future__ import annotations

from crl_envs.bench.learners import find_learner
from crl_envs.bench.reproductions import Watch
from crl_envs.bench.reproductions.fig3 import configurations, find_landmarks, learn, measure
from crl_envs.bench.reproductions.fig3_findings import ITERATIONS, LEARNER, PERCENT, SIZES
from crl_envs.bench.reproductions.fig3_report import curves_as_csv, draw, main_table, verdict
from crl_envs.bench.reproductions.section import Plan, Section


def figure_3(plan: Plan, watch: Watch, iterations: int = ITERATIONS) -> Section:
    """REINFORCE on SYSADMIN with local and with global rewards, 10 and 20 agents."""
    learner = find_learner(LEARNER)
    curves = {
        which: learn(learner, which, iterations, plan.seeds, plan.seed, watch)
        for which in configurations()
    }
    findings = measure(curves, {n: find_landmarks(n) for n in SIZES}, {})
    return Section(
        title="Figure 3: SYSADMIN on local and on global rewards",
        claim="“We note that the local algorithm learns much more quickly than using the global reward.” (§5)",
        verdict=f"{verdict(findings)}.",
        table=main_table(findings),
        notes=f"{plan.seeds} runs each; 95 % intervals (Student's t; bootstrap for iterations). Iterations to "
        f"{PERCENT} of the gain from random actions to the best known policy, at the last crossing of the mean "
        "curve. `crl-envs reproduce fig3` writes a longer report.",
        picture=draw(findings),
        csv=curves_as_csv(curves, plan.seed),
        numbers={
            "iterations": {str(which): found for which, found in findings.iterations_to.items()},
            "ratio": findings.ratio,
        },
    )
