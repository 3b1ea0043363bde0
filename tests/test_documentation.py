"""The Python code in README and docs runs as it stands."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
PAGES = ["README.md", *sorted(p.relative_to(ROOT).as_posix() for p in ROOT.glob("docs/**/*.md"))]
BLOCK = re.compile(r"^```python\n(.*?)^```\n*(```text)?", re.DOTALL | re.MULTILINE)
BLOCKS = [
    pytest.param(code, id=f"{page}-{k}")
    for page in PAGES
    for k, (code, printed) in enumerate(BLOCK.findall((ROOT / page).read_text("utf-8")))
    # tests/test_guide.py runs the examples that show what they print.
    if not printed or page.startswith("docs/envs/") or "def test_" in code
]


def test_there_is_something_to_run() -> None:
    assert len(BLOCKS) >= 6


@pytest.mark.parametrize("code", BLOCKS)
def test_code_block_runs(code: str) -> None:
    names: dict[str, object] = {}
    exec(compile(code, "<code block>", "exec"), names)
    for name, value in names.items():
        if name.startswith("test_") and callable(value):
            value()
