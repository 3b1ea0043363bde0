"""Run notebooks top to bottom and store what they give, so that they read well where nothing can be run.

    python -m notebooks.execute                # all notebooks of this folder
    python -m notebooks.execute notebooks/02_local_against_global.ipynb

Each runs in a fresh kernel of this interpreter, in an empty folder. What is stored is the same at each execution, as
far as the cells give the same: no times, no versions of Python, no state of widgets. Where a cell shows widgets, their
output is stored as it is at the start, below a line with their values.
"""

from __future__ import annotations

import argparse
import copy
import os
import re
import tempfile
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, Final

import nbformat
from jupyter_client.kernelspec import KernelSpecManager
from jupyter_client.manager import AsyncKernelManager
from nbclient import NotebookClient
from nbclient.output_widget import OutputWidget
from nbformat import NotebookNode
from traitlets import default

FOLDER: Final = Path(__file__).parent
TIMEOUT: Final = 300  # seconds a cell
KERNEL: Final = {"display_name": "Python 3 (ipykernel)", "language": "python", "name": "python3"}

_VIEW: Final = "application/vnd.jupyter.widget-view+json"
_ADDRESS: Final = re.compile(r" at 0x[0-9a-fA-F]+")


class _Manager(AsyncKernelManager):
    """Of kernels of this interpreter, whatever kernels are registered under their name."""

    @default("kernel_spec_manager")
    def _built_in(self) -> KernelSpecManager:
        return KernelSpecManager(kernel_dirs=[])


class _Captured(OutputWidget):
    """An Output widget whose outputs aren't sent to the kernel.

    nbclient's is a front end and sends them. When the reply to a cell arrives meanwhile, it is noticed only once the
    time that the cell may take is up (with nbclient 0.11 and pyzmq 27, for one in twenty cells that show widgets).
    """

    def sync_state(self) -> None:
        """Send nothing."""


def executed(notebook: NotebookNode, *, timeout: float = TIMEOUT) -> NotebookNode:
    """A copy with the outputs of running it.

    Args:
        notebook: Of the format 4; it is left as it is.
        timeout: Seconds that a cell may take.

    Raises:
        nbclient.exceptions.CellExecutionError: A cell raised; the message has its source and traceback.
        nbclient.exceptions.CellTimeoutError: A cell took too long.
    """
    notebook = copy.deepcopy(notebook)
    with tempfile.TemporaryDirectory() as folder:
        work = Path(folder) / "work"
        work.mkdir()
        client = NotebookClient(
            notebook,
            kernel_name=KERNEL["name"],
            kernel_manager_class=_Manager,
            timeout=timeout,
            record_timing=False,
            coalesce_streams=True,
            extra_arguments=["--log-level=ERROR"],
            resources={"metadata": {"path": str(work)}},
        )
        client.widget_registry = {"@jupyter-widgets/output": {"OutputModel": _Captured}}
        client.execute(env=_environment(folder))
        for cell in _code_cells(notebook):
            cell.outputs = [
                plain
                for output in cell.outputs
                for plain in _without_widgets(output, client.widget_state)
            ]
    return _cleaned(notebook)


def execute_in_place(path: Path) -> tuple[float, int]:
    """Execute a notebook's file.

    Returns:
        Seconds that it took, and bytes that it has now.
    """
    notebook = nbformat.read(path, as_version=4)
    start = time.perf_counter()
    notebook = executed(notebook)
    seconds = time.perf_counter() - start
    nbformat.write(notebook, path)
    return seconds, path.stat().st_size


def _environment(folder: str) -> dict[str, str]:
    """This process's, but with inline figures and without the user's own settings of IPython and Matplotlib."""
    kept = {key: value for key, value in os.environ.items() if key != "MPLBACKEND"}
    return {**kept, "IPYTHONDIR": folder, "MATPLOTLIBRC": os.devnull, "OMP_NUM_THREADS": "1"}


def _code_cells(notebook: NotebookNode) -> Iterator[NotebookNode]:
    return (cell for cell in notebook.cells if cell.cell_type == "code")


def _without_widgets(
    output: NotebookNode, states: dict[str, dict[str, Any]]
) -> Iterator[NotebookNode]:
    """The output itself or, in place of a widget, its values in words and what it shows."""
    if _VIEW not in output.get("data", {}):
        yield output
        return
    parts = list(_family(output.data[_VIEW]["model_id"], states))
    values = [
        f"{state['description']} = {_value_of(state, states)}"
        for state in parts
        if state.get("description") and ("value" in state or "index" in state)
    ]
    if values:
        yield nbformat.v4.new_output(
            "display_data", {"text/plain": f"[widgets: {', '.join(values)}]"}
        )
    for state in parts:
        yield from map(nbformat.from_dict, state.get("outputs", []))


def _family(model: str, states: dict[str, dict[str, Any]]) -> Iterator[dict[str, Any]]:
    """The state of a widget, then those of the widgets in it, in order."""
    state = states.get(model, {})
    yield state
    for child in state.get("children", []):
        yield from _family(child.removeprefix("IPY_MODEL_"), states)


def _value_of(state: dict[str, Any], states: dict[str, dict[str, Any]]) -> Any:
    if "_options_labels" in state:
        index = state["index"]
        return None if index is None else state["_options_labels"][index]
    return state["value"]


def _cleaned(notebook: NotebookNode) -> NotebookNode:
    """The same without what differs from one execution to the next or from one machine to another."""
    notebook.metadata = nbformat.from_dict(
        {"kernelspec": KERNEL, "language_info": {"name": "python"}}
    )
    for cell in notebook.cells:
        tags = cell.metadata.get("tags")
        cell.metadata = nbformat.from_dict({"tags": tags} if tags else {})
    for cell in _code_cells(notebook):
        for output in cell.outputs:
            if "text/plain" in output.get("data", {}):
                output.data["text/plain"] = _ADDRESS.sub("", output.data["text/plain"])
    return notebook


def main(arguments: Sequence[str] | None = None) -> None:
    """Execute the notebooks that are named, or all."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument(
        "notebooks", nargs="*", type=Path, help="files; all of this folder by default"
    )
    for path in parser.parse_args(arguments).notebooks or sorted(FOLDER.glob("*.ipynb")):
        seconds, size = execute_in_place(path)
        print(f"{path.name:35} {seconds:5.1f} s {size / 1000:5.0f} kB", flush=True)


if __name__ == "__main__":
    main()
