"""Frames in a file: PNG for one, GIF and MP4 for many."""

from __future__ import annotations

import io
import os
import subprocess
from pathlib import Path
from types import TracebackType
from typing import Any, Final, Self

import numpy as np
from numpy.typing import NDArray

from crl_envs.adapters.library import require
from crl_envs.core.arguments import check_real

MOST_FPS: Final = 50.0  # what a GIF can say

_COLOURS: Final = 128  # of a GIF


class Film:
    """Takes frames one by one and writes them to a file at the end: the whole of it, or nothing.

    As a context manager; an exception inside leaves no file (and an older one as it was).

    Args:
        path: ``.png`` (only the last frame is kept), ``.gif`` (by Pillow) or ``.mp4`` (H.264, by the ffmpeg that
            imageio-ffmpeg has).
        fps: Frames a second, in (0, 50]; a GIF rounds a frame's time to 10 ms.

    Attributes:
        frames: Number of frames in the file so far.

    Raises:
        ValueError: Another suffix, or a bad `fps`.
        MissingLibraryError: What writes such files isn't installed.
    """

    def __init__(self, path: str | os.PathLike[str], fps: float = 10.0) -> None:
        self.path = Path(path)
        self.fps = check_real("fps", fps, low=0.0, high=MOST_FPS, open_low=True)
        self.frames = 0
        draft = self.path.with_name(f".{self.path.stem}.{os.getpid()}.tmp{self.path.suffix}")
        self._writer = _writer_of(self.path)(draft, self.fps)
        self._draft = draft

    def add(self, frame: NDArray[np.uint8]) -> None:
        """Append a frame ``uint8[H, W, 3]``; all have the same size, H and W even.

        Raises:
            ValueError: It is something else.
        """
        if frame.dtype != np.uint8 or frame.ndim != 3 or frame.shape[2] != 3:
            raise ValueError(
                f"frame must be uint8 of shape (H, W, 3), got {frame.dtype} of shape {frame.shape}"
            )
        self._writer.add(frame)
        self.frames = self._writer.kept

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        try:
            if kind is None and self.frames == 0:
                raise ValueError(f"a film needs at least one frame, got none for {self.path}")
            self._writer.finish(kind is None)
            if kind is None:
                self._draft.replace(self.path)
        finally:
            self._draft.unlink(missing_ok=True)


class _Still:
    """The last frame as a PNG."""

    def __init__(self, path: Path, fps: float) -> None:
        require("pillow", "10", extra="render")
        self.path, self.kept = path, 0
        self._last: NDArray[np.uint8] | None = None

    def add(self, frame: NDArray[np.uint8]) -> None:
        self._last, self.kept = frame, 1

    def finish(self, whole: bool) -> None:
        if whole and self._last is not None:
            from PIL import Image

            Image.fromarray(self._last).save(self.path, format="PNG", optimize=True)


class _Gif:
    """A GIF that repeats for ever. Frames wait as PNG in memory, since Pillow takes them all at the end."""

    def __init__(self, path: Path, fps: float) -> None:
        require("pillow", "10", extra="render")
        self.path, self.fps, self.kept = path, fps, 0
        self._waiting: list[bytes] = []

    def add(self, frame: NDArray[np.uint8]) -> None:
        from PIL import Image

        image = Image.fromarray(frame).quantize(_COLOURS, dither=Image.Dither.NONE)
        buffer = io.BytesIO()
        image.save(buffer, format="PNG", compress_level=1)
        self._waiting.append(buffer.getvalue())
        self.kept += 1

    def finish(self, whole: bool) -> None:
        if not whole:
            return
        from PIL import Image

        first, *others = (Image.open(io.BytesIO(data)) for data in self._waiting)
        first.save(
            self.path,
            format="GIF",
            save_all=True,
            append_images=others,
            duration=round(100.0 / self.fps) * 10,
            loop=0,
        )


class _Mp4:
    """H.264 in MP4: raw frames into a process of ffmpeg."""

    def __init__(self, path: Path, fps: float) -> None:
        require("imageio-ffmpeg", "0.4.9", extra="render")
        self.path, self.fps, self.kept = path, fps, 0
        self._process: subprocess.Popen[bytes] | None = None

    def add(self, frame: NDArray[np.uint8]) -> None:
        if self._process is None:
            self._process = self._start(*frame.shape[:2])
        assert self._process.stdin is not None
        self._process.stdin.write(np.ascontiguousarray(frame).data)
        self.kept += 1

    def finish(self, whole: bool) -> None:
        if self._process is None:
            return
        if not whole:
            self._process.kill()
        _, errors = self._process.communicate()
        if whole and self._process.returncode:
            raise RuntimeError(f"ffmpeg couldn't write {self.path}: {errors.decode().strip()}")

    def _start(self, height: int, width: int) -> subprocess.Popen[bytes]:
        import imageio_ffmpeg  # type: ignore[import-untyped, unused-ignore]

        raw = f"-f rawvideo -pix_fmt rgb24 -s {width}x{height} -r {self.fps} -i -".split()
        coded = ["-c:v", "libx264", "-crf", "20", "-pix_fmt", "yuv420p", "-movflags", "+faststart"]
        command = [imageio_ffmpeg.get_ffmpeg_exe(), "-y", "-v", "error", *raw, *coded]
        return subprocess.Popen(
            [*command, str(self.path)], stdin=subprocess.PIPE, stderr=subprocess.PIPE
        )


_WRITERS: Final[dict[str, Any]] = {".png": _Still, ".gif": _Gif, ".mp4": _Mp4}


def _writer_of(path: Path) -> Any:
    if path.suffix.lower() not in _WRITERS:
        raise ValueError(
            f"out must end in .png (the last frame), .gif or .mp4 (a film), got {str(path)!r}"
        )
    return _WRITERS[path.suffix.lower()]
