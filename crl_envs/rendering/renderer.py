"""What an environment with a ``render_mode`` holds: it notes each step, and draws when it is asked."""

from __future__ import annotations

from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from crl_envs.adapters.library import require
from crl_envs.core.returns import team_reward
from crl_envs.core.world import World
from crl_envs.rendering.history import History
from crl_envs.rendering.picture import Moment, Picture
from crl_envs.rendering.text import as_text

MOST_IN_GRAPH: Final = 99  # agents
MOST_AGENTS: Final = 100_000


class Renderer:
    """Follows one environment's episodes in its ``render_mode``.

    Args:
        picture: What the world says about its states.
        mode: ``"rgb_array"``, ``"human"`` or ``"ansi"``.
        fps: Frames a second in a window.

    Raises:
        ValueError: Too many agents to draw, or ``"human"`` where no window can be opened.
        MissingLibraryError: matplotlib isn't there.
    """

    def __init__(self, picture: Picture[Any], mode: str, fps: float) -> None:
        world: World[Any] = picture.world
        if mode != "ansi":
            _check_size(world.n_agents, mode)
            require("matplotlib", "3.9", extra="render")
        self.picture, self.mode, self.fps = picture, mode, fps
        self.moment = Moment(None)
        self.history = History(world.n_agents, len(picture.curves), world.horizon)
        self._is_graph = world.n_agents <= MOST_IN_GRAPH
        self._sheet: Any = None
        self._window: Any = None
        if mode == "human":
            from crl_envs.rendering.window import Window

            self._window = Window(fps)

    def begin(self, state: Any) -> None:
        """Begin an episode."""
        self.moment = Moment(state, episode=self.moment.episode + 1)
        if not self.picture.remembers:
            self.history.clear()
            self._note()
        if self._window is not None:
            self._window.may_open = True
            self.render()

    def note(self, state: Any, action: NDArray[np.integer], reward: NDArray[np.floating]) -> None:
        """A step was taken: ``[n]`` actions (0 for illegal ones) and local rewards led to `state`."""
        self._move(state, 1, action, reward.astype(np.float64))

    def skip(self, state: Any, steps: int) -> None:
        """Steps were played unseen; `state` is what they led to, or has been made by hand if there were none."""
        if steps == 0:
            self.moment.state = state
            return
        self.history.skip(steps - 1)
        reward = self.picture.reward_of(state) if steps == 1 else None
        self._move(state, steps, None, reward)

    def render(self) -> NDArray[np.uint8] | str | None:
        """Return the present picture: an array, text, or None where it is shown in a window."""
        if self.mode == "ansi":
            return as_text(self.picture, self.moment)
        if self._sheet is None:
            self._sheet = self._new_sheet()
        frame: NDArray[np.uint8] = self._sheet.draw(self.moment)
        if self._window is None:
            return frame
        self._window.show(frame)
        return None

    def close(self) -> None:
        """Close the window."""
        if self._window is not None:
            self._window.close()

    def _move(
        self,
        state: Any,
        steps: int,
        action: NDArray[np.integer] | None,
        reward: NDArray[np.float64] | None,
    ) -> None:
        moment = self.moment
        moment.state, moment.step = state, moment.step + steps
        moment.action, moment.reward = action, reward
        if reward is None:
            moment.team_return = None
        elif moment.team_return is not None:
            moment.team_return += float(team_reward(reward[:, None])[0])
        self._note()
        if self._window is not None:
            self.render()

    def _note(self) -> None:
        values = None if self._is_graph else self.picture.values(self.moment)
        self.history.note(values, self.picture.levels(self.moment))

    def _new_sheet(self) -> Any:
        if self._is_graph:
            from crl_envs.rendering.graph import GraphSheet

            return GraphSheet(self.picture, self.history)
        from crl_envs.rendering.heatmap import HeatSheet

        return HeatSheet(self.picture, self.history)

    def __getstate__(self) -> dict[str, Any]:
        """Without the drawing, which is made anew; a copy has a window of its own."""
        return {**self.__dict__, "_sheet": None}


def _check_size(n: int, mode: str) -> None:
    if n > MOST_AGENTS:
        raise ValueError(
            f"render_mode={mode!r} draws at most {MOST_AGENTS} agents, got n_agents={n}; "
            "render_mode='ansi' sums up any number"
        )
