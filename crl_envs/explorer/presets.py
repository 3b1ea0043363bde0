"""Experiments to begin with, and the stops of the tour."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Final

from crl_envs.explorer.address import Chosen
from crl_envs.explorer.shades import Viewing
from crl_envs.explorer.worlds import Task, default_task


@dataclass(frozen=True)
class Preset:
    """An experiment to begin with.

    Attributes:
        title: In a few words.
        about: What to do and what to look for.
        chosen: What is on the page then.
        sizes: Numbers of agents that are run one after the other; none: it waits for *Run*.
    """

    title: str
    about: str
    chosen: Chosen
    sizes: tuple[int, ...] = ()

    def tasks(self) -> list[Task]:
        """Return one task for each of the sizes."""
        task = self.chosen.task
        return [replace(task, values={**task.values, "n_agents": n}) for n in self.sizes]


@dataclass(frozen=True)
class Stop:
    """One stop of the tour.

    Attributes:
        place: The part of the page that it points at.
        title: What to do.
        text: What it shows.
    """

    place: str
    title: str
    text: str


_SYSADMIN: Final = replace(default_task("sysadmin"), episodes=800)
_FIFTY: Final = replace(_SYSADMIN, values={"n_agents": 50})

PRESETS: Final = (
    Preset(
        "Own against team reward, n = 10",
        "Press Run and watch the curves. Then try the same with n = 50.",
        Chosen(_SYSADMIN, speed=200.0),
    ),
    Preset(
        "The same with n = 50",
        "From its own reward a machine learns as soon as before. In the team's reward it is one voice of fifty.",
        Chosen(_FIFTY, speed=None),
    ),
    Preset(
        "Who gets the credit? n = 50",
        "The colour is the reward that each machine learns from. Left each has its own; right all have the same.",
        Chosen(_FIFTY, Viewing("credit"), 5.0),
    ),
    Preset(
        "n = 5, 10, 20, 40, one after the other",
        "Each run adds a point to “Episodes against n”: flat for own rewards, rising for the team's.",
        Chosen(_SYSADMIN, speed=None),
        (5, 10, 20, 40),
    ),
    Preset(
        "Break machines by hand",
        "Click machines while it runs. What breaks brings its neighbours down, until the policy reboots it.",
        Chosen(_SYSADMIN, speed=2.0),
    ),
    Preset(
        "Own against local on an epidemic",
        "Isolating while infected helps only others. From own rewards half of the agents do it, as at first; with the "
        "neighbours' about four in five, after 1,000 episodes.",
        Chosen(
            replace(default_task("epidemic"), learner="reinforce-own", rival="reinforce-local"),
            Viewing("policy", 1),
            None,
        ),
    ),
    Preset(
        "Guessing from one number",
        "Fifty agents guess; each sees its own reward, or all see the mean. Four trials against two hundred.",
        Chosen(default_task("bandit"), speed=50.0),
    ),
    Preset(
        "Loads that find their way",
        "CRL sends loads past full agents by what neighbours advertise; breadth-first search knows everything.",
        Chosen(default_task("load_balancing"), speed=None),
    ),
)

TOUR: Final = (
    Stop(
        "pictures",
        "Two learners, one world",
        "Both have the same machines and the same luck. Left each machine learns from its own reward, right from the "
        "team's mean reward. A machine that is down earns nothing, and pulls its neighbour down.",
    ),
    Stop(
        "bar",
        "Press Run",
        "At five steps a second you see machines fail and reboot. Then drag the speed to the right: learning takes "
        "a few hundred episodes.",
    ),
    Stop(
        "curves",
        "Who learns sooner?",
        "The thick lines are the means of the last 20 episodes; the line above is the optimum. With 10 machines both "
        "get there.",
    ),
    Stop(
        "colours",
        "Ask who gets the credit",
        "Colour the machines by Credit: left they differ, right all get the same number, whoever has earned it. "
        "Policy shows how sure each one is to reboot.",
    ),
    Stop(
        "touch",
        "Break something",
        "Click a machine. The same happens on both sides, and the run is marked as touched.",
    ),
    Stop(
        "samples",
        "Now n = 50",
        "Choose “n = 5, 10, 20, 40, one after the other” under “Try”. Points gather here: episodes needed, against n. "
        "Flat is what scales.",
    ),
)
