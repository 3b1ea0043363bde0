from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.rendering.playing import interactive_backend


@pytest.fixture
def interactive() -> Iterator[None]:
    with interactive_backend():
        yield
