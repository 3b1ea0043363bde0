"""SYSADMIN drawn: machines up, down or rebooted, and what they earned."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from crl_envs.core.optimum import Optimum
from crl_envs.rendering.layout import positions_of
from crl_envs.rendering.palette import BLACK, BLUE, ORANGE, VERMILLION, WHITE
from crl_envs.rendering.picture import Moment, Picture, return_text, short
from crl_envs.rendering.scene import Curve, Glyph, Look, Quantity, Scene
from crl_envs.sysadmin.dynamics import DEAD, FAULTY, GOOD, LOADED, SUCCESS, reward
from crl_envs.sysadmin.optimum.ring import ring_problem
from crl_envs.sysadmin.world import MachinesWorld, SysadminWorld

_MOST_EXACT = 8  # machines on a ring whose optimum takes a moment


class SysadminPicture(Picture[MachinesWorld]):
    """The graph of machines."""

    def __init__(self, world: MachinesWorld) -> None:
        super().__init__(world)
        self._binary = isinstance(world, SysadminWorld)
        self._best = ""
        if optimum := cheap_optimum(world):
            sign = "" if optimum.kind == "exact" else "≤ "
            self._best = f" · optimum {sign}{optimum.value:.2f}"

    @property
    def title(self) -> str:
        return f"SYSADMIN, {self.world.n_agents} machines, dynamics {self.world.problem.dynamics}"

    @property
    def quantity(self) -> Quantity:
        if self._binary:
            return Quantity("up (1) or down (0)")
        return Quantity("good (1), faulty (0.5), dead (0)")

    @property
    def curves(self) -> tuple[Curve, ...]:
        up = "share of machines up" if self._binary else "share of machines good"
        return Curve(up, BLUE), Curve("mean reward", ORANGE, "--")

    @property
    def level_range(self) -> tuple[float, float]:
        paid = reward(self.world.problem.dynamics)
        return float(paid.min()), float(paid.max())

    def look(self) -> Look:
        reboot = Glyph("rebooted, last step", "o", "none", BLACK, width=1.8, size=1.25)
        if self._binary:
            glyphs: tuple[Glyph, ...] = (
                Glyph("up", "o", BLUE, WHITE),
                Glyph("down", "s", VERMILLION, WHITE, size=0.9),
                reboot,
            )
            notes: tuple[str, ...] = ("in a machine: last reward",)
        else:
            glyphs = (
                Glyph("good", "o", BLUE, WHITE),
                Glyph("faulty", "D", ORANGE, WHITE, size=0.85),
                Glyph("dead", "s", VERMILLION, WHITE, size=0.9),
                reboot,
            )
            notes = ("L: has a load", "S: load completed, pays 1")
        return Look(
            positions=positions_of(self.world.edges, self.world.n_agents),
            edges=self.world.edges,
            glyphs=glyphs,
            notes=notes,
        )

    def scene(self, moment: Moment) -> Scene:
        state = moment.state[:, 0]
        rebooted = np.flatnonzero(self._rebooted(moment))
        if self._binary:
            text = [] if moment.reward is None else [short(r) for r in moment.reward.tolist()]
            return Scene(
                (np.flatnonzero(state == 1), np.flatnonzero(state == 0), rebooted), text=text
            )
        status = state // 3
        return Scene(
            (*(np.flatnonzero(status == s) for s in (GOOD, FAULTY, DEAD)), rebooted),
            text=_load_letters(state, idle=""),
            dark=status != FAULTY,
        )

    def values(self, moment: Moment) -> NDArray[np.float64]:
        state: NDArray[np.float64] = moment.state[:, 0].astype(np.float64)
        return state if self._binary else 1.0 - (state // 3) / 2.0

    def levels(self, moment: Moment) -> tuple[float, ...]:
        mean = np.nan if moment.reward is None else float(moment.reward.mean())
        return float((self.values(moment) == 1.0).mean()), mean

    def status(self, moment: Moment) -> str:
        n = self.world.n_agents
        up = int((self.values(moment) == 1.0).sum())
        return (
            f"step {moment.step} of {self.world.horizon} · {return_text(moment)} (mean over machines)"
            f"{self._best} · {up} of {n} {'up' if self._binary else 'good'}"
        )

    def table(self, moment: Moment) -> dict[str, Sequence[str]]:
        state = moment.state[:, 0]
        acted = moment.action is not None
        rebooted = ["R" if r else "." for r in self._rebooted(moment).tolist()]
        rewards = [] if moment.reward is None else [short(r) for r in moment.reward.tolist()]
        blank = ["-"] * state.size
        ends = {"rebooted": rebooted if acted else blank, "reward": rewards or blank}
        if self._binary:
            return {"state": ["up" if s else "DN" for s in state.tolist()], **ends}
        names = {GOOD: "ok", FAULTY: "FT", DEAD: "DD"}
        status = [names[s] for s in (state // 3).tolist()]
        return {"status": status, "load": _load_letters(state, idle="."), **ends}

    def remarks(self, moment: Moment) -> list[str]:
        if self.world.n_agents > 99:
            return []
        if self._binary:
            return ["up, DN: down; R: rebooted in the last step"]
        return [
            "ok: good, FT: faulty, DD: dead; L: loaded, S: success; R: rebooted in the last step"
        ]

    def _rebooted(self, moment: Moment) -> NDArray[np.bool_]:
        if moment.action is None:
            return np.zeros(self.world.n_agents, np.bool_)
        return np.asarray(self.world.executed(moment.action[:, None])[:, 0] == 1)


def cheap_optimum(world: MachinesWorld) -> Optimum | None:
    """Return the optimum where it takes no noticeable time: small rings, and ``status-load``."""
    if not isinstance(world, SysadminWorld):
        return world.optimum()
    if world.n_agents <= _MOST_EXACT and ring_problem(world.problem):
        return world.optimum()
    return None


def _load_letters(state: NDArray[np.uint8], idle: str) -> list[str]:
    letters = {LOADED: "L", SUCCESS: "S"}
    return [letters.get(load, idle) for load in (state % 3).tolist()]
