"""Colours the verdicts of the pages about reproductions: a hook of MkDocs. In the repository's view they are bold."""

from __future__ import annotations

import re
from typing import Any, Final

PAGES: Final = ("reproductions/index.md", "reproductions/claims.md")
VERDICT: Final = re.compile(
    r"(?<=\| )\*\*(?P<word>Reproduced|Holds|Shown|Seen|Beyond|Partly|No numbers|Under a reading|Not reproduced"
    r"|Not testable here|Not measured)(?P<rest>[^*|]*)\*\*(?P<more>[^.|]*)"
)
READING: Final = re.compile(
    r", at another level|,? but for|under that reading|over time|on the run's clock"
)


def colour(found: re.Match[str]) -> str:
    """Return which of the four a verdict is: reproduced, reading, not or beyond."""
    word = found["word"]
    if word == "Not reproduced":
        return "not"
    if word in ("Under a reading", "Partly"):
        return "reading"
    if word in ("Reproduced", "Holds"):
        return "reading" if READING.search(found["rest"] + found["more"]) else "reproduced"
    return "beyond"


def coloured(markdown: str) -> str:
    """Return a page with each verdict as an element of its colour."""
    return VERDICT.sub(
        lambda f: f'<b class="verdict {colour(f)}">{f["word"]}{f["rest"]}</b>{f["more"]}', markdown
    )


def on_page_markdown(markdown: str, page: Any, config: Any, files: Any) -> str:
    """Colour the pages that have verdicts."""
    return coloured(markdown) if page.file.src_uri in PAGES else markdown
