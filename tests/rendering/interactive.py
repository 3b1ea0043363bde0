"""A backend of matplotlib that counts as interactive and only notes what is asked of it."""

from __future__ import annotations

from typing import Any, ClassVar

from matplotlib.backend_bases import FigureManagerBase
from matplotlib.backends.backend_agg import FigureCanvasAgg


class FigureManager(FigureManagerBase):
    shown = 0

    def show(self) -> None:
        FigureManager.shown += 1


class FigureCanvas(FigureCanvasAgg):
    required_interactive_framework = "headless"  # what matplotlib calls a machine without display
    manager_class: Any = FigureManager
    waits: ClassVar[list[float]] = []

    def start_event_loop(self, timeout: float = 0) -> None:
        FigureCanvas.waits.append(timeout)
