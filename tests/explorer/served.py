"""The explorer in a process of its own, on a port that is free."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


def free_port() -> int:
    """A port that was free a moment ago."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@contextmanager
def explorer(
    folder: Path, patience: float = 120.0, start: tuple[str, ...] = ("-m", "crl_envs.cli")
) -> Iterator[str]:
    """The address of a running explorer; it works in `folder`, and Python is started with `start`."""
    port = free_port()
    url = f"http://127.0.0.1:{port}"
    command = [sys.executable, *start, "explore", "--port", str(port), "--no-browser"]
    root = str(Path(__file__).parents[2])
    # NiceGUI takes a process with pytest's variable for one of its own tests.
    inherited = {k: v for k, v in os.environ.items() if k != "PYTEST_CURRENT_TEST"}
    path = os.pathsep.join(filter(None, [root, os.environ.get("PYTHONPATH")]))
    log = folder / "server.log"
    with log.open("w") as output:
        server = subprocess.Popen(
            command,
            stdout=output,
            stderr=subprocess.STDOUT,
            cwd=folder,
            env={**inherited, "PYTHONPATH": path},
        )
        try:
            _wait_for(url, server, log, time.monotonic() + patience)
            yield url
        finally:
            server.terminate()
            try:
                server.wait(20)
            except subprocess.TimeoutExpired:
                server.kill()
                server.wait()


def _wait_for(url: str, server: subprocess.Popen[bytes], log: Path, end: float) -> None:
    while True:
        try:
            urllib.request.urlopen(url, timeout=10).close()
            return
        except (urllib.error.URLError, TimeoutError):
            assert server.poll() is None, log.read_text()
            assert time.monotonic() < end, log.read_text()
            time.sleep(0.2)
