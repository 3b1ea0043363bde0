"""Film the worlds for the tops of their pages: ``make pictures``, or ``python docs/world_films.py [NAME ...]``.

A film is what ``crl-envs render`` makes, as the page says under it, with its frames made smaller and kept as WebP.
"""

from __future__ import annotations

import re
import shlex
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Final

from PIL import Image, ImageSequence

PAGES: Final = Path(__file__).parent / "envs"
SIZE: Final = (600, 400)
MOST_BYTES: Final = 150_000
QUALITIES: Final = (80, 65, 50, 35, 25)  # the first that is small enough
COMMAND: Final = re.compile(r"`(crl-envs render .+ --out (\w+)\.gif)`")


def command(page: Path) -> list[str]:
    """Return the command that a page says its film is made by, without the file."""
    (found,) = COMMAND.findall(page.read_text("utf-8"))
    return shlex.split(found[0])[:-2]


def film(page: Path) -> None:
    """Write the film of a page, beside it."""
    with tempfile.TemporaryDirectory() as folder:
        whole = Path(folder) / "film.gif"
        subprocess.run(
            [sys.executable, "-m", "crl_envs", *command(page)[1:], "--out", str(whole)],
            cwd=PAGES.parents[1],
            check=True,
            capture_output=True,
        )
        with Image.open(whole) as gif:
            milliseconds = max(gif.info["duration"], 250)
            first, *others = (
                frame.convert("RGB").resize(SIZE, Image.Resampling.LANCZOS)
                for frame in ImageSequence.Iterator(gif)
            )
    path = page.with_suffix(".webp")
    for quality in QUALITIES:
        first.save(
            path,
            save_all=True,
            append_images=others,
            duration=[*[milliseconds] * len(others), 2_000],
            loop=0,
            quality=quality,
            method=6,
            minimize_size=True,
        )
        if path.stat().st_size <= MOST_BYTES:
            break
    print(f"{path.name}: {path.stat().st_size:,} bytes, quality {quality}")


if __name__ == "__main__":
    for page in sorted(PAGES.glob("*.md")):
        if not sys.argv[1:] or page.stem in sys.argv[1:]:
            film(page)
