"""Engines: what makes the runs of a sweep, all with the same results.

- `crl_envs.bench.engines.local`: processes on this machine.
- `crl_envs.bench.engines.ray`: a Ray cluster.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Protocol

from crl_envs.bench.store import Status
from crl_envs.bench.worker import Job

Started = Callable[[Job], None]
Ended = Callable[[Job, Status], None]


class Engine(Protocol):
    """Makes runs."""

    def run(self, jobs: Sequence[Job], started: Started, ended: Ended) -> None:
        """Make all runs; come back when they have ended, or stop them all on an exception.

        Args:
            jobs: In the order in which to begin them.
            started: Called with a run that begins, where the engine knows; from any thread.
            ended: Called with a run that has ended and how, once each.

        Raises:
            StoreError: Nothing can be written.
            KeyboardInterrupt: As it comes.
        """
        ...
