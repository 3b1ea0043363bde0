"""The README as package indexes show it: links and pictures that are relative in the repository become absolute."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

from hatchling.metadata.plugin.interface import MetadataHookInterface

_LINK = re.compile(r"(!?)(\[[^\]]*\])\((?!https?:|#|mailto:)([^)\s]+)\)")


def absolute(text: str, repository: str, version: str) -> str:
    """Return Markdown with links into the repository as it was at that version's tag, and pictures as files of it."""

    def link(found: re.Match[str]) -> str:
        kind = "raw" if found[1] else "blob"
        return f"{found[1]}{found[2]}({repository}/{kind}/v{version}/{found[3]})"

    return _LINK.sub(link, text)


class ReadmeHook(MetadataHookInterface):
    """Fills ``readme`` in the metadata; hatchling calls it."""

    def update(self, metadata: dict[str, Any]) -> None:
        """Put the text in, with the URL that ``project.urls`` has."""
        text = (Path(self.root) / "README.md").read_text(encoding="utf-8")
        shown = absolute(text, metadata["urls"]["Repository"], metadata["version"])
        metadata["readme"] = {"content-type": "text/markdown", "text": shown}
