"""The environment's own picture, as a file that browsers show."""

from __future__ import annotations

import io
from threading import Lock
from typing import Any

import numpy as np
from numpy.typing import NDArray

_DRAWING = Lock()  # one picture at a time, whoever asks: drawing libraries share caches


def draw(env: Any) -> bytes:
    """The present state of an environment with ``render_mode="rgb_array"`` as a PNG file."""
    with _DRAWING:
        frame: NDArray[np.uint8] = env.unwrapped.render()
    return as_png(frame)


def as_png(frame: NDArray[np.uint8]) -> bytes:
    """``uint8[H, W, 3]`` as a PNG file; packed for speed, since it only goes through this machine."""
    from PIL import Image

    buffer = io.BytesIO()
    Image.fromarray(frame).save(buffer, format="png", compress_level=1)
    return buffer.getvalue()
