"""Agents on a graph drawn by their states: who is in which, who did what, and what it earned."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Sequence
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from crl_envs.core.arguments import is_word
from crl_envs.rendering.layout import positions_of
from crl_envs.rendering.palette import (
    BLACK,
    BLUE,
    GREEN,
    GREY,
    ORANGE,
    PURPLE,
    SKY,
    VERMILLION,
    WHITE,
)
from crl_envs.rendering.picture import Moment, Picture, WorldT, return_text, short
from crl_envs.rendering.scene import Curve, Glyph, Look, Quantity, Scene

_STATES: Final = (
    (BLUE, "o"),
    (VERMILLION, "s"),
    (ORANGE, "D"),
    (GREEN, "^"),
    (PURPLE, "v"),
    (SKY, "h"),
    (GREY, "o"),
)
_MOST_CURVES: Final = 4


class StatesPicture(Picture[WorldT]):
    """The graph of agents, each in the colour and shape of its state; a subclass says what states there are.

    Attributes:
        states: Their names.
        actions: Names of the actions, of which those after the first are marked; none where states are actions.
        topology: The problem's.
    """

    states: tuple[str, ...]
    actions: tuple[str, ...] = ()
    topology: Any

    @abstractmethod
    def state_of(self, moment: Moment) -> NDArray[np.integer]:
        """Return ``[n]``, the number of each agent's state."""

    def done(self, action: NDArray[np.integer]) -> NDArray[np.integer]:
        """Return what is done where agents choose ``[n, 1]``."""
        return action

    @property
    def quantity(self) -> Quantity:
        return Quantity(", ".join(f"{name} ({k})" for k, name in enumerate(self.states)))

    @property
    def curves(self) -> tuple[Curve, ...]:
        shown = list(zip(self.states, _STATES, strict=False))[1 : 1 + _MOST_CURVES]
        shares = [Curve(f"share of agents {name}", colour) for name, (colour, _) in shown]
        return (*shares, Curve("mean reward", BLACK, "--"))

    def look(self) -> Look:
        n = self.world.n_agents
        edges, positions = self.world.edges, positions_of(self.world.edges, n)
        notes: tuple[str, ...] = ("in an agent: last reward",)
        if is_word(self.topology, "torus"):
            apart = np.abs(positions[edges[:, 0]] - positions[edges[:, 1]]).max(axis=1)
            edges, notes = edges[apart < 0.5], (*notes, "opposite sides are joined")
        states = [
            Glyph(name, marker, colour, WHITE)
            for name, (colour, marker) in zip(self.states, self._styles(), strict=True)
        ]
        if self.actions:
            label = f"{' or '.join(self.actions[1:3])}, last step"
            states.append(Glyph(label, "o", "none", BLACK, width=1.8, size=1.25))
        return Look(positions=positions, edges=edges, glyphs=tuple(states), notes=notes)

    def scene(self, moment: Moment) -> Scene:
        state = self.state_of(moment)
        text = [] if moment.reward is None else [short(r) for r in moment.reward.tolist()]
        groups = [np.flatnonzero(state == k) for k in range(len(self.states))]
        if self.actions:
            groups.append(np.flatnonzero(self._done(moment) > 0))
        return Scene(groups, text=text)

    def values(self, moment: Moment) -> NDArray[np.float64]:
        state: NDArray[np.float64] = self.state_of(moment).astype(np.float64)
        return state

    def levels(self, moment: Moment) -> tuple[float, ...]:
        mean = np.nan if moment.reward is None else float(moment.reward.mean())
        count = len(self.curves) - 1
        return (*(float((self.state_of(moment) == 1 + k).mean()) for k in range(count)), mean)

    def status(self, moment: Moment) -> str:
        state = self.state_of(moment)
        parts = [f"{int((state == k).sum())} {name}" for k, name in enumerate(self.states[:4])]
        return (
            f"step {moment.step} of {self.world.horizon} · {return_text(moment)} (mean over agents) · "
            + ", ".join(parts)
        )

    def table(self, moment: Moment) -> dict[str, Sequence[str]]:
        blank = ["-"] * self.world.n_agents
        acted, paid = moment.action is not None, moment.reward
        named: dict[str, Sequence[str]] = {
            "state": [self.states[s] for s in self.state_of(moment).tolist()]
        }
        if self.actions:
            done = [self.actions[a] for a in self._done(moment).tolist()]
            named["action"] = done if acted else blank
        return named | {"reward": blank if paid is None else [short(r) for r in paid.tolist()]}

    def _styles(self) -> list[tuple[str, str]]:
        return [_STATES[min(k, len(_STATES) - 1)] for k in range(len(self.states))]

    def _done(self, moment: Moment) -> NDArray[np.integer]:
        if moment.action is None:
            return np.zeros(self.world.n_agents, np.int64)
        return self.done(moment.action[:, None])[:, 0]
