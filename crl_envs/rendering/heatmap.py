"""Many agents: a heat map of agents against time."""

from __future__ import annotations

from typing import Any

import numpy as np

from crl_envs.rendering.canvas import HEAT, SIDE, Frame, Sheet, place_in_time, steps_of, styled
from crl_envs.rendering.history import History
from crl_envs.rendering.palette import WHITE
from crl_envs.rendering.picture import Moment, Picture


class HeatSheet(Sheet):
    """Draws the history: rows are agents, or the mean of some next to each other, columns are steps."""

    place = HEAT

    def __init__(self, picture: Picture[Any], history: History) -> None:
        super().__init__(picture, history)
        n = picture.world.n_agents
        with styled():
            place_in_time(self.main, history, picture.unit)
            self.main.set_ylim(n - 0.5, -0.5)
            rows = history.starts.size
            per_row = "" if rows == n else f" (each row the mean of {n // rows}"
            if per_row:
                per_row += ")" if n % rows == 0 else f" or {n // rows + 1})"
            self.main.set_ylabel(f"agent{per_row}", labelpad=2)
            self.main.set_xlabel("")
            self.main.tick_params(labelbottom=False)
            place = (SIDE + 0.01, HEAT[1] + 0.03, 0.022, HEAT[3] - 0.06)
            colours = self.colour_bar(picture.quantity, place)
            steps = steps_of(history)
            cmap = colours.get_cmap().with_extremes(bad=WHITE)
            image = self.main.imshow(
                np.full((rows, steps.size), np.nan),
                cmap=cmap,
                vmin=picture.quantity.low,
                vmax=picture.quantity.high,
                extent=(steps[0] - 0.5, steps[-1] + 0.5, n - 0.5, -0.5),
                aspect="auto",
                interpolation="nearest",
            )
            self._image = self.moving(image)

    def draw(self, moment: Moment) -> Frame:
        """Return the picture of a moment: ``uint8[600, 900, 3]``."""
        self._image.set_data(np.ma.masked_invalid(self.history.values))
        return self.frame(moment)
