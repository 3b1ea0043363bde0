"""Figures of the papers, each as one command: ``crl-envs reproduce NAME``.

A paper is a module here with ``HEADING``, the title of its reports, and ``FIGURES``, by name. It is imported when one
of them is asked for. `both` joins the two.
"""

from __future__ import annotations

from dataclasses import dataclass
from importlib import import_module
from typing import Final

from crl_envs.bench.figure import Figure
from crl_envs.core.arguments import near_or_all


@dataclass(frozen=True)
class Reproduction:
    """An entry of the registry.

    Attributes:
        name: What the command calls it: a figure, a paper for all of its figures in one report, or both papers.
        title: What it shows.
        claim: What the paper says about it, with the section.
        paper: The paper's module.
        length: Iterations of its runs, where these can be chosen.
    """

    name: str
    title: str
    claim: str
    paper: str
    length: int | None = None

    def figures(self) -> dict[str, Figure]:
        """Return the figures by name, in the order of the report."""
        every: dict[str, Figure] = import_module(self.paper).FIGURES
        return {self.name: every[self.name]} if self.name in every else dict(every)

    def heading(self) -> str:
        """Return the title of the report and, after an empty line, what it is about."""
        heading: str = import_module(self.paper).HEADING
        return heading


_BAGNELL: Final = "crl_envs.bench.papers.bagnell_ng"
_DOWLING: Final = "crl_envs.bench.papers.dowling_haridi"
_BOTH: Final = "crl_envs.bench.papers.both"

REPRODUCTIONS: Final = {
    entry.name: entry
    for entry in (
        Reproduction(
            "fig3",
            "Bagnell & Ng 2005, Figure 3: REINFORCE on local and on global rewards, SYSADMIN, n = 10 and 20",
            "“the local algorithm learns much more quickly than using the global reward” (§5)",
            _BAGNELL,
            length=500,
        ),
        *(
            Reproduction(
                f"fig2-{side}",
                f"Bagnell & Ng 2005, Figure 2 {side}: {what}, bandit",
                "Local rewards need few trials whatever n is; the global one about proportionally many",
                _BAGNELL,
            )
            for side, what in (
                ("left", "performance against trials"),
                ("right", "trials against agents"),
            )
        ),
        *(
            Reproduction(name, f"Bagnell & Ng 2005, {title}", claim, _BAGNELL)
            for name, title, claim in (
                (
                    "theorem-3.1",
                    "Theorem 3.1: trials that the global reward takes, against the lower bound",
                    "From the global reward at least (0.32 n + ln ¼) / ln(n + 1) trials (§3)",
                ),
                (
                    "theorem-4.3",
                    "Theorem 4.3: trials of model-based learning, from local and from global rewards",
                    "O(log n) trials suffice for a policy that is nearly the best of its class (§4)",
                ),
                (
                    "scaling",
                    "beyond: trials to a level, 10 to 100,000 agents, with fitted exponents",
                    "Proportional to n from the global reward, O(log n) from local ones",
                ),
                (
                    "decomposed",
                    "beyond: local rewards taken apart from the global one, and reward noise",
                    "How much of the dependence on n does it remove, and how far does it go under noise?",
                ),
                (
                    "own-against-local",
                    "beyond: where an agent's own reward is not enough, SYSADMIN variants",
                    "By how much is it worse than the neighbourhood's?",
                ),
                (
                    "lock",
                    "beyond: where exploration fails, combination locks and factored R-max",
                    "To have an exploration policy is a fairly strong assumption (§4)",
                ),
                (
                    "planner",
                    "beyond: Guestrin's planner as a learner, 10 to 10,000 agents",
                    "Solvers that take advantage of local reward structure have been developed (§1)",
                ),
                (
                    "controllers",
                    "beyond: finite-state controllers for REINFORCE under noisy observations",
                    "REINFORCE of Peshkin et al. is for agents that see part of the state (§5)",
                ),
                (
                    "bar",
                    "beyond: COIN's bar problem, whose reward to learn from",
                    "What do difference rewards gain where the team's interest isn't the agents'?",
                ),
                (
                    "bagnell-ng",
                    "all of these sections in one report",
                    "All of the above",
                ),
            )
        ),
        *(
            Reproduction(name, f"Dowling & Haridi 2008, {title}", claim, _DOWLING)
            for name, title, claim in (
                (
                    "fig6",
                    "Figure 6: total load against steps, grid",
                    "All policies store everything; both CRL policies are near-optimal, gradient until ~5 % is spare",
                ),
                ("fig7", "Figure 7: load at the two servers, random policy", "How long it takes"),
                ("fig8", "Figure 8: load at the two servers, CRL-discrete", "How long it takes"),
                (
                    "fig9",
                    "Figure 9: load at the two servers and advertised values, CRL-gradient",
                    "At 5 % spare capacity, advertised values reach MinQ",
                ),
                ("fig10", "Figure 10: load at the two servers, DP", "How long it takes"),
                (
                    "fig11",
                    "Figure 11: equalisation, grid",
                    "CRL and DP “compare favorably with the Random policy”",
                ),
                (
                    "fig12",
                    "Figure 12: total load against steps, random graphs",
                    "CRL-discrete is very effective; gradient is roughly random for the last ~5 %",
                ),
                (
                    "fig13",
                    "Figure 13: a server added at full capacity",
                    "CRL-discrete quickly discovers it; gradient takes longer, with high variation",
                ),
                (
                    "crl-section-5",
                    "§5: connected states, removal and rediscovery, a load's memory",
                    "What does each do on the paper's problem?",
                ),
                (
                    "crl-advertising",
                    "§5.2: messages of the advertisement strategies",
                    "What does each gain, for how many messages?",
                ),
                (
                    "crl-ablation",
                    "Table 1: every point that the paper leaves open",
                    "What does each change?",
                ),
                (
                    "crl-in-flight",
                    "beyond: several loads in flight",
                    "Does CRL still beat random and a shortest-queue heuristic?",
                ),
                (
                    "crl-arrivals",
                    "beyond: Poisson arrivals and departures",
                    "How long does a load take to be stored?",
                ),
                (
                    "crl-loss",
                    "beyond: 0 to 50 % of the messages lost",
                    "Whom does it slow down, and by how much?",
                ),
                (
                    "crl-failures",
                    "beyond: agents that fail and return under load",
                    "Whom does it slow down, and by how much?",
                ),
                (
                    "crl-dynamic",
                    "beyond: CRL that follows failures, departures and another filling",
                    "Can the paper's own means do it?",
                ),
                (
                    "crl-scale",
                    "beyond: 50 to 5,000 agents",
                    "How far from the fewest steps?",
                ),
                (
                    "crl-heatmap",
                    "beyond: load over agents and time",
                    "Who is filled when?",
                ),
                (
                    "crl-related",
                    "§4: independent Q-learning, distributed value functions, ant colony",
                    "How do they do on the paper's problem?",
                ),
                (
                    "load-balancing",
                    "§6: Figures 6 to 13 and what lies beyond, in one report",
                    "All of the above",
                ),
            )
        ),
        Reproduction(
            "all",
            "Both papers: the sections of bagnell-ng and load-balancing in one report",
            "All of the above",
            _BOTH,
        ),
    )
}


def find_reproduction(name: str) -> Reproduction:
    """Return the reproduction of that name.

    Raises:
        ValueError: There is none; near matches are suggested.
    """
    if name not in REPRODUCTIONS:
        raise ValueError(f"unknown reproduction {name!r}{near_or_all(name, sorted(REPRODUCTIONS))}")
    return REPRODUCTIONS[name]
