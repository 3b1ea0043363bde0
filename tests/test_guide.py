"""What the pages print under their examples is what these print; tests/test_env_pages.py runs the environments'."""

from __future__ import annotations

import contextlib
import io
import re
import subprocess
import sys
from pathlib import Path

import pytest

from tests.printed import assert_same

DOCS = Path(__file__).parent.parent / "docs"
EXAMPLE = re.compile(r"^```(py|python)\n(.*?)^```\n+^```text\n(.*?)^```", re.DOTALL | re.MULTILINE)
EXAMPLES = [
    pytest.param(kind, code, printed, id=f"{page.stem}-{k}")
    for page in sorted(DOCS.rglob("*.md"))
    if page.parent.name != "envs"
    for k, (kind, code, printed) in enumerate(EXAMPLE.findall(page.read_text("utf-8")))
]


def test_the_worked_examples_are_among_them() -> None:
    with_output = {str(example.id).rsplit("-", 1)[0] for example in EXAMPLES}
    assert {"add-a-world", "add-a-learner", "add-an-experiment"} <= with_output


@pytest.mark.parametrize(("kind", "code", "printed"), EXAMPLES)
def test_example_prints_what_the_page_says(kind: str, code: str, printed: str) -> None:
    """``py`` marks what has to run in a process of its own, such as registering an id."""
    if kind == "py":
        run = subprocess.run([sys.executable, "-c", code], capture_output=True, check=True)
        shown = run.stdout.decode("utf-8")
    else:
        out = io.StringIO()
        with contextlib.redirect_stdout(out):
            exec(compile(code, "<example>", "exec"), {})
        shown = out.getvalue()
    assert_same(shown, printed)
