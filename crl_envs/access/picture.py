"""Wireless access drawn: users in their cells, the points between them, and who sends where."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from crl_envs.access.form import LOST, THROUGH
from crl_envs.access.problem import ACTIONS
from crl_envs.access.world import AccessWorld
from crl_envs.rendering.palette import BLACK, GREEN, ORANGE, PALE, SKY, VERMILLION, WHITE
from crl_envs.rendering.picture import Moment, Picture, return_text, short
from crl_envs.rendering.scene import Curve, Glyph, Look, Quantity, Scene, Strand

_OUTCOMES = ("-", "through", "LOST")


class AccessPicture(Picture[AccessWorld]):
    """Users by what they have to send, and arrows to the points that they have sent to."""

    @property
    def title(self) -> str:
        problem = self.world.problem
        return f"Wireless access, {problem.n_agents} users and {problem.n_points} access points"

    @property
    def quantity(self) -> Quantity:
        return Quantity("packets of the user", 0.0, float(self.world.problem.deadline))

    @property
    def curves(self) -> tuple[Curve, ...]:
        return Curve("share of users through", GREEN), Curve(
            "share that sent in vain", VERMILLION, "--"
        )

    @property
    def level_range(self) -> tuple[float, float]:
        return 0.0, 1.0

    def look(self) -> Look:
        problem = self.world.problem
        n, (rows, columns) = problem.n_agents, problem.shape
        row, column = np.divmod(np.arange(n), columns)
        point_row, point_column = np.divmod(np.arange(problem.n_points), columns - 1)
        users = np.stack([(column + 0.5) / columns, 1 - (row + 0.5) / rows], axis=1)
        points = np.stack([(point_column + 1) / columns, 1 - (point_row + 1) / rows], axis=1)
        user, corner = np.nonzero(problem.points >= 0)
        edges = np.stack([user, n + problem.points[user, corner]], axis=1)
        return Look(
            positions=np.concatenate([users, points]),
            edges=np.concatenate([edges, edges[:, ::-1]]),
            glyphs=(
                Glyph("nothing to send", "o", WHITE, BLACK),
                Glyph("a new packet", "o", SKY, BLACK),
                Glyph("a packet's last step", "o", ORANGE, BLACK),
                Glyph("access point", "s", PALE, BLACK, size=0.7),
            ),
            strands=(Strand("came through, last step", GREEN), Strand("lost", VERMILLION, "--")),
            notes=("in a user: its packets",),
            numbered=n,
        )

    def scene(self, moment: Moment) -> Scene:
        problem, n = self.world.problem, self.world.n_agents
        queue = moment.state.queue[:, 0]
        last = queue & 1 > 0
        sent: list[NDArray[np.int64]] = []
        for outcome in (THROUGH, LOST):
            to = np.empty((0, 2), np.int64)
            if moment.action is not None:
                who = np.flatnonzero(moment.state.sent[:, 0] == outcome)
                to = np.stack([who, n + problem.points[who, moment.action[who] - 1]], axis=1)
            sent.append(to)
        kinds = (queue == 0, (queue > 0) & ~last, last)
        return Scene(
            (*(np.flatnonzero(kind) for kind in kinds), n + np.arange(problem.n_points)),
            strands=tuple(sent),
            text=[str(k) if k else "" for k in self._packets(moment).tolist()]
            + [""] * problem.n_points,
            dark=np.zeros(n + problem.n_points, np.bool_),
        )

    def values(self, moment: Moment) -> NDArray[np.float64]:
        return self._packets(moment).astype(np.float64)

    def levels(self, moment: Moment) -> tuple[float, ...]:
        sent = moment.state.sent[:, 0]
        return float((sent == THROUGH).mean()), float((sent == LOST).mean())

    def status(self, moment: Moment) -> str:
        sent = moment.state.sent[:, 0]
        return (
            f"step {moment.step} of {self.world.horizon} · {return_text(moment)} (mean over users) · "
            f"{int((sent == THROUGH).sum())} came through, {int((sent == LOST).sum())} lost"
        )

    def table(self, moment: Moment) -> dict[str, Sequence[str]]:
        blank = ["-"] * self.world.n_agents
        did = blank if moment.action is None else [ACTIONS[a] for a in moment.action.tolist()]
        return {
            "packets": [str(k) for k in self._packets(moment).tolist()],
            "sent": did,
            "outcome": [_OUTCOMES[k] for k in moment.state.sent[:, 0].tolist()],
            "reward": blank
            if moment.reward is None
            else [short(r) for r in moment.reward.tolist()],
        }

    def _packets(self, moment: Moment) -> NDArray[np.int64]:
        bits = moment.state.queue[:, :1] >> np.arange(self.world.problem.deadline) & 1
        packets: NDArray[np.int64] = bits.sum(axis=1)
        return packets
