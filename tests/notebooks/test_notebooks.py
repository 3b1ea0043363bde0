"""The notebooks run top to bottom, their widgets too, and what is stored in them is what they give."""

from __future__ import annotations

import re
import textwrap
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import nbformat
import pytest
from nbformat import NotebookNode

pytest.importorskip("ipywidgets")
pytest.importorskip("nbclient")

from nbclient.exceptions import CellExecutionError

from notebooks.execute import FOLDER, executed
from tests.printed import assert_same

NOTEBOOKS = sorted(FOLDER.glob("*.ipynb"))
MOST_BYTES = 400_000
MACHINE_PATH = re.compile(
    r"(?<![\w/.:])/(?:Users|home|mnt|opt|private|root|tmp|usr|var)/|\b[A-Z]:\\"
)

# Moves every widget to the ends of its range, or through its options, and fails if any callback does. Callbacks'
# errors are shown, not raised, by `interact` and inside of an Output: that is why `showtraceback` is listened to.
MOVE_WIDGETS = """
def _move_widgets():
    import sys

    from ipywidgets.widgets.widget import _instances

    shell, errors, moved = get_ipython(), [], 0
    shell.showtraceback = lambda *a, **k: errors.append(repr(sys.exc_info()[1] or a))
    try:
        for widget in [w for w in _instances.values() if not getattr(w, "disabled", False)]:
            names = widget.trait_names()
            start = getattr(widget, "value", None)
            if "_options_labels" in names:
                values = [value for _, value in widget._options_full]
            elif isinstance(start, bool):
                values = [not start, start]
            elif {"min", "max", "value"} <= set(names) and "bar_style" not in names:
                ends = [widget.min, widget.max]
                if "base" in names:
                    ends = [widget.base**end for end in ends]
                values = [(ends[0], ends[1])] if isinstance(start, tuple) else ends
            elif hasattr(widget, "click"):
                widget.click()
                values = []
            else:
                continue
            moved += 1
            for value in values:
                widget.value = value
            if "min" in names and values:
                widget._trait_values["value"] = start  # silently: the cell has shown it
    finally:
        del shell.showtraceback
    if errors:
        raise RuntimeError(f"widgets fail: {errors}")
    print(moved)


_move_widgets()
"""


def texts(cell: NotebookNode) -> Iterator[str]:
    """What a cell printed or showed as text, without the placeholders of pictures."""
    for output in cell.get("outputs", []):
        if output.output_type == "stream":
            yield output.text
        elif "text/plain" in output.get("data", {}) and "image/png" not in output.data:
            yield output.data["text/plain"]


def results(notebook: NotebookNode) -> dict[str, str]:
    """The text of the cells that are tagged "result", by the cell's id."""
    return {
        cell.id: "".join(texts(cell))
        for cell in notebook.cells
        if "result" in cell.metadata.get("tags", [])
    }


def complaints(notebook: NotebookNode) -> list[str]:
    """What is wrong with a notebook as it is stored."""
    found = []
    first = notebook.cells[0]
    titles = [
        line
        for cell in notebook.cells
        if cell.cell_type == "markdown"
        for line in re.sub(
            r"^```.*?^```", "", cell.source, flags=re.DOTALL | re.MULTILINE
        ).splitlines()
        if line.startswith("# ")
    ]
    if first.cell_type != "markdown" or not first.source.startswith("# ") or len(titles) != 1:
        found.append(f"it needs one title, on top, not {titles}")
    if "what you learn" not in first.source.lower():
        found.append('its first cell lacks "What you learn"')
    if not results(notebook):
        found.append('no cell is tagged "result"')
    if set(notebook.metadata) != {"kernelspec", "language_info"}:
        found.append(f"its metadata are {sorted(notebook.metadata)}")
    code = [cell for cell in notebook.cells if cell.cell_type == "code"]
    counts = [cell.execution_count for cell in code]
    if counts != list(range(1, len(code) + 1)):
        found.append(f"its cells weren't run once, in order: {counts}")
    if not any("image/png" in o.get("data", {}) for cell in code for o in cell.outputs):
        found.append("it shows no picture")
    for cell in notebook.cells:
        if any(output.get("name") == "stderr" for output in cell.get("outputs", [])):
            found.append(f"cell {cell.id} wrote to stderr")
        if any(output.output_type == "error" for output in cell.get("outputs", [])):
            found.append(f"cell {cell.id} failed")
        for text in (cell.source, *texts(cell)):
            if path := MACHINE_PATH.search(text):
                found.append(f"cell {cell.id} has a path of a machine: {path[0]}")
    return found


def read(path: Path) -> NotebookNode:
    return nbformat.read(path, as_version=4)


def test_there_are_notebooks() -> None:
    assert NOTEBOOKS


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_stored_notebook_is_in_order(path: Path) -> None:
    notebook = read(path)
    nbformat.validate(notebook)
    assert complaints(notebook) == []
    assert path.stat().st_size < MOST_BYTES


@pytest.mark.slow
@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_notebook_gives_what_is_stored(path: Path) -> None:
    """In an empty folder; and its widgets take every value at the ends of their ranges."""
    stored = read(path)
    notebook = read(path)
    notebook.cells.append(nbformat.v4.new_code_cell(MOVE_WIDGETS))
    notebook = executed(notebook)
    moved = notebook.cells.pop()
    found, wanted = results(notebook), results(stored)
    assert found.keys() == wanted.keys()
    for cell, text in wanted.items():
        assert_same(found[cell], text)
    assert complaints(notebook) == []
    uses_widgets = any("ipywidgets" in cell.source for cell in notebook.cells)
    assert (int("".join(texts(moved))) > 0) == uses_widgets


def test_all_notebooks_are_listed() -> None:
    readme = (FOLDER / "README.md").read_text("utf-8")
    assert [path.name for path in NOTEBOOKS] == re.findall(r"\((\d\d_\w+\.ipynb)\)", readme)


# --- the checks themselves ---


def made(*cells: str, result: str = "print(1 + 1)") -> NotebookNode:
    """A sound notebook with further code."""
    picture = "import matplotlib.pyplot as plt\nplt.plot([0, 1]);"
    code = [
        nbformat.v4.new_code_cell(textwrap.dedent(source)) for source in (result, picture, *cells)
    ]
    code[0].metadata["tags"] = ["result"]
    title = nbformat.v4.new_markdown_cell("# Title\n\n**What you learn.** Little.")
    return nbformat.v4.new_notebook(cells=[title, *code])


def test_outputs_are_stored_without_what_changes_between_runs() -> None:
    source = """
    from ipywidgets import interact

    def show(n=3, kind="a"):
        print(f"{n} of {kind}")

    interact(show, n=(2, 9), kind=["a", "b"])
    object()
    """
    notebook = made(source)
    once, twice = executed(notebook), executed(notebook)
    assert nbformat.writes(once) == nbformat.writes(twice)
    assert complaints(once) == []
    assert list(texts(once.cells[-1])) == [
        "[widgets: n = 3, kind = a]",
        "3 of a\n",
        "<object>",
    ]
    assert not notebook.cells[1].outputs


def test_kernel_is_of_this_interpreter_in_an_empty_folder() -> None:
    import sys

    notebook = executed(made(result="import os, sys\nprint(sys.executable, os.listdir())"))
    assert list(results(notebook).values()) == [f"{sys.executable} []\n"]


def test_widgets_that_fail_somewhere_are_found() -> None:
    """Each by itself, as all widgets before it are closed: one kernel for all."""
    failing = {
        "slider": "interact(lambda n: 1 / (n - 9), n=(2, 9));",
        "checkbox": "interact(lambda on: 1 / (1 - on), on=False);",
        "choice": "interact(lambda kind: {'a': 1}[kind], kind=['a', 'b']);",
        "button": "w.Button().on_click(print)\nb = w.Button()\nb.on_click(lambda _: 1 / 0);",
        "observed": "s, o = w.FloatLogSlider(max=2), w.Output()\n"
        "def f(change):\n    with o: 1 / (change.new - 100)\n"
        "s.observe(f, 'value')",
    }
    start = "import ipywidgets as w\nfrom ipywidgets import interact\nw.Widget.close_all()\n"
    cells = [cell for source in failing.values() for cell in (start + source, MOVE_WIDGETS)]
    notebook = made(*cells)
    for cell in notebook.cells[4::2]:
        cell.metadata["tags"] = ["raises-exception"]
    for kind, cell in zip(failing, executed(notebook).cells[4::2], strict=True):
        (error,) = (o for o in cell.outputs if o.output_type == "error")
        assert re.search("widgets fail|ZeroDivisionError", error.evalue + error.ename), kind
    with pytest.raises(CellExecutionError, match="widgets fail"):
        executed(made(start + failing["slider"], MOVE_WIDGETS))


def test_faults_are_found() -> None:
    notebook = made("import sys\nprint(1, file=sys.stderr)", "print('/home/me/x')")
    notebook.cells[0].source = "## No title"
    stored: Any = executed(notebook)
    found = "\n".join(complaints(stored))
    for fault in ("one title", "What you learn", "stderr", "path of a machine: /home/"):
        assert fault in found
    assert "in order" not in found
    stored.cells[1].execution_count = 7
    assert "in order" in "\n".join(complaints(stored))


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_the_first_cell_of_code_installs_on_colab_and_does_nothing_else(path: Path) -> None:
    first = next(cell for cell in read(path).cells if cell.cell_type == "code")
    lines = first.source.splitlines()
    assert lines[0] == "import sys"
    assert lines[2].startswith('if "google.colab" in sys.modules:')
    (install,) = (line for line in lines[3:] if line.strip())
    extras = re.fullmatch(
        r'    %pip install --quiet "crl-envs\[([a-z,]+)\] @ git\+https://\S+"', install
    )
    assert extras
    assert {extras[1]} >= set(re.findall(r"'crl-envs\[([a-z,]+)\]'", read(path).cells[0].source))
    assert not first.outputs


@pytest.mark.slow
def test_without_jax_the_notebook_about_devices_says_so_and_is_skipped() -> None:
    notebook = read(FOLDER / "08_training_on_a_device.ipynb")
    notebook.cells.insert(
        0, nbformat.v4.new_code_cell('import sys\n\nsys.modules["jax"] = None  # as if it lacked')
    )
    said = [
        text
        for cell in executed(notebook).cells
        if cell.cell_type == "code"
        for text in texts(cell)
    ]
    assert len(said) == 1
    assert "JAX isn't installed here" in said[0]
