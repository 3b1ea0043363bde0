"""The mode ``human``: frames in a window of matplotlib's interactive backend."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray


class Window:
    """Opens with the first frame. Once its user has closed it, it stays so until the next episode.

    Args:
        fps: Most frames a second: `show` takes as long as that leaves.

    Attributes:
        may_open: Whether the next frame opens a window where there is none.

    Raises:
        ValueError: Matplotlib has no interactive backend here.
    """

    def __init__(self, fps: float) -> None:
        self.fps = fps
        self.may_open = True
        self._figure: Any = None
        self._image: Any = None
        _check_interactive()

    def show(self, frame: NDArray[np.uint8]) -> None:
        """Show ``uint8[H, W, 3]`` and let the window answer its user for one frame's time."""
        from matplotlib import pyplot

        if self._figure is not None and not pyplot.fignum_exists(self._figure.number):
            self._figure = None
        if self._figure is None:
            if not self.may_open:
                return
            self._open(frame)
        self._image.set_data(frame)
        canvas = self._figure.canvas
        canvas.draw_idle()
        canvas.flush_events()
        canvas.start_event_loop(1.0 / self.fps)

    def close(self) -> None:
        """Close it."""
        if self._figure is not None:
            from matplotlib import pyplot

            pyplot.close(self._figure)
            self._figure = None

    def _open(self, frame: NDArray[np.uint8]) -> None:
        from matplotlib import pyplot

        height, width = frame.shape[:2]
        dpi = 100
        self._figure = pyplot.figure(figsize=(width / dpi, height / dpi), dpi=dpi)
        axes = self._figure.add_axes((0.0, 0.0, 1.0, 1.0))
        axes.axis("off")
        self._image = axes.imshow(frame, aspect="auto")
        self._figure.canvas.manager.set_window_title("crl-envs")
        self._figure.show()
        self.may_open = False

    def __getstate__(self) -> dict[str, Any]:
        """Without the window: a copy opens its own."""
        return {**self.__dict__, "_figure": None, "_image": None, "may_open": True}


def _check_interactive() -> None:
    """Refuse backends that only write files.

    Raises:
        ValueError: The present one does, or can't be loaded.
    """
    way_out = "use render_mode='rgb_array' (frames) or render_mode='ansi' (text)"
    try:
        from matplotlib import pyplot
        from matplotlib.backends.registry import backend_registry

        name = pyplot.get_backend()
        pyplot.switch_backend(name)  # loads it, and finds that there is no display
        registry: Any = backend_registry
        canvas = registry.load_backend_module(name).FigureCanvas
    except ImportError as error:
        raise ValueError(
            f"render_mode='human' needs a display, and there is none here ({error}); {way_out}"
        ) from None
    if canvas.required_interactive_framework is None:
        raise ValueError(
            f"render_mode='human' needs a display and an interactive backend of matplotlib, got the backend {name!r}, "
            f"which opens no windows; {way_out}"
        )
