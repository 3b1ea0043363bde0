"""README's pictures: the program that draws them still runs, and what they show is what README says of them."""

from __future__ import annotations

import importlib.util
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("matplotlib")
PIL = pytest.importorskip("PIL.Image")

ROOT = Path(__file__).parents[1]


@pytest.fixture(scope="module")
def program() -> Any:
    spec = importlib.util.spec_from_file_location("first_pictures", ROOT / "docs/first_pictures.py")
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_it_draws_both(program: Any, tmp_path: Path) -> None:
    program.moving_picture(tmp_path / "x.gif", n=6, frames=2, last=2)
    with PIL.open(tmp_path / "x.gif") as film, PIL.open(program.MOVING) as shipped:
        assert film.size == shipped.size
        assert film.n_frames >= 2
    program.plot(tmp_path / "x.png")
    with PIL.open(tmp_path / "x.png") as picture, PIL.open(program.PLOT) as shipped:
        assert picture.size == shipped.size


def test_the_shipped_film_is_small_enough_for_a_first_page(program: Any) -> None:
    assert program.MOVING.stat().st_size < 1_000_000
