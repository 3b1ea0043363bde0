"""Films: read back by other programs than the ones that wrote them where there are any."""

from __future__ import annotations

import subprocess
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from crl_envs.adapters import MissingLibraryError
from crl_envs.core.install import install_hint
from crl_envs.rendering import film as film_module
from crl_envs.rendering.film import Film

HEIGHT, WIDTH = 60, 90


def frames(count: int) -> list[np.ndarray]:
    """A white bar that wanders to the right on blue."""
    made = []
    for k in range(count):
        frame = np.zeros((HEIGHT, WIDTH, 3), np.uint8)
        frame[..., 2] = 200
        frame[:, 8 * k : 8 * k + 8] = 255
        made.append(frame)
    return made


def written(path: Path, count: int, fps: float = 10) -> Path:
    with Film(path, fps) as film:
        for frame in frames(count):
            film.add(frame)
    assert [p.name for p in path.parent.iterdir()] == [path.name]
    return path


def test_png_is_the_last_frame(tmp_path: Path) -> None:
    image = Image.open(written(tmp_path / "x.png", 5))
    assert image.format == "PNG"
    np.testing.assert_array_equal(np.asarray(image), frames(5)[-1])


@pytest.mark.parametrize("fps", [4, 10, 50])
def test_gif(tmp_path: Path, fps: int) -> None:
    with Image.open(written(tmp_path / "x.gif", 7, fps)) as image:
        assert (image.n_frames, image.size) == (7, (WIDTH, HEIGHT))
        for k, frame in enumerate(frames(7)):
            image.seek(k)
            assert image.info["duration"] == 1000 / fps // 10 * 10
            difference = np.asarray(image.convert("RGB")).astype(int) - frame
            assert np.abs(difference).mean() < 2


def test_mp4(tmp_path: Path) -> None:
    imageio_ffmpeg = pytest.importorskip("imageio_ffmpeg")
    path = written(tmp_path / "x.mp4", 9, 10)
    ffmpeg = imageio_ffmpeg.get_ffmpeg_exe()
    told = subprocess.run(
        [ffmpeg, "-i", str(path)], check=False, capture_output=True, text=True
    ).stderr
    assert "h264" in told
    assert "10 fps" in told
    assert "Duration: 00:00:00.90" in told
    raw = subprocess.run(
        [ffmpeg, "-v", "error", "-i", str(path), "-f", "rawvideo", "-pix_fmt", "rgb24", "-"],
        capture_output=True,
        check=True,
    ).stdout
    read = np.frombuffer(raw, np.uint8).reshape(-1, HEIGHT, WIDTH, 3).astype(int)
    assert len(read) == 9
    assert np.abs(read - np.array(frames(9))).mean() < 12  # H.264 loses some


@pytest.mark.parametrize("suffix", ["png", "gif", "mp4"])
def test_all_or_nothing(tmp_path: Path, suffix: str) -> None:
    """An error in the middle leaves the old file, and no other one."""
    path = tmp_path / f"x.{suffix}"
    path.write_bytes(b"old")
    with pytest.raises(ZeroDivisionError), Film(path) as film:
        for frame in frames(3):
            film.add(frame)
        _ = 1 / 0
    assert path.read_bytes() == b"old"
    with pytest.raises(ValueError, match="at least one frame"), Film(path):
        pass
    assert path.read_bytes() == b"old"
    assert len(list(tmp_path.iterdir())) == 1


@pytest.mark.parametrize("name", ["x.avi", "x", "gif", ".gif", "x.gif.txt"])
def test_other_suffixes(tmp_path: Path, name: str) -> None:
    with pytest.raises(ValueError, match=r"out must end in \.png .*\.gif or \.mp4.*" + name):
        Film(tmp_path / name)


@pytest.mark.parametrize("fps", [0, -1, 51, float("nan"), "fast", True])
def test_bad_rates(tmp_path: Path, fps: Any) -> None:
    with pytest.raises(ValueError, match="fps must be a finite number in"):
        Film(tmp_path / "x.gif", fps)


@pytest.mark.parametrize(
    "frame", [np.zeros((4, 4, 4), np.uint8), np.zeros((4, 4), np.uint8), np.zeros((4, 4, 3))]
)
def test_what_is_no_frame(tmp_path: Path, frame: Any) -> None:
    with pytest.raises(ValueError, match="frame must be uint8"), Film(tmp_path / "x.png") as film:
        film.add(frame)


@pytest.mark.parametrize(
    ("suffix", "library"), [("png", "pillow"), ("gif", "pillow"), ("mp4", "imageio-ffmpeg")]
)
def test_missing_libraries(
    tmp_path: Path, suffix: str, library: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    def missing(distribution: str, minimum: str, extra: str) -> None:
        raise MissingLibraryError(f"{distribution} isn't installed: {install_hint(extra)}")

    monkeypatch.setattr(film_module, "require", missing)
    with pytest.raises(
        MissingLibraryError, match=rf"{library} isn't.*pip install 'crl-envs\[render\]'"
    ):
        Film(tmp_path / f"x.{suffix}")
