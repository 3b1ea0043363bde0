"""Text that isn't ours, such as the message of a learner's exception, made fit for records, pages and terminals."""

from __future__ import annotations

from typing import Final

MOST: Final = 10_000  # characters


def printable(text: str, most: int = MOST) -> str:
    r"""Return a text's head and tail, with what isn't printable written as an escape: ``\x1b``, ``\udc80``.

    Lines stay lines and tabs stay tabs.
    """
    if len(text) <= most and len(shown := _escaped(text)) <= most:
        return shown
    half = (most - 50) // 2  # with the line between them no longer than `most`
    head, tail = _escaped(text[:half])[:half], _escaped(text[-half:])[-half:]
    return f"{head}\n… cut: {len(text):,} characters in all …\n{tail}"


def _escaped(text: str) -> str:
    if text.isprintable():
        return text
    return "".join(
        c
        if c.isprintable() or c in "\n\t"
        else c.encode("unicode_escape", "surrogatepass").decode("ascii")
        for c in text
    )
