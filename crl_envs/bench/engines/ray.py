"""A Ray cluster, or Ray on this machine: the same runs, the same results.

The folder of the sweep must be there under the same path for all workers (a shared file system), since each run writes
its own record; and all workers must have the same version of this package. Both are looked at before the first run.
"""

from __future__ import annotations

import os
import uuid
from collections import deque
from collections.abc import Sequence
from functools import cache
from pathlib import Path
from typing import Any, Final

import crl_envs
from crl_envs.bench.engines import Ended, Started
from crl_envs.bench.engines.local import DIED, Isolation
from crl_envs.bench.store import Status, write_atomically
from crl_envs.bench.worker import Job, bury
from crl_envs.core.install import install_hint

OUT_OF_MEMORY: Final = "Ray ended the run's process because the machine was out of memory"


class RayEngine:
    """See the module, and `crl_envs.bench.engines.Engine`.

    Args:
        address: Of the head node, ``"auto"`` for the cluster that this machine is part of, or None to start Ray on this
            machine and to stop it after the runs.
        workers: With an address of None: number of processes, by default one for each core.

    Raises:
        ValueError: Ray isn't installed.
    """

    def __init__(self, address: str | None = None, workers: int | None = None) -> None:
        os.environ.setdefault("RAY_AUTH_MODE", "disabled")
        try:
            import ray
        except ImportError:
            raise ValueError(
                f"engine 'ray' needs Ray, which isn't installed: {install_hint('ray')}"
            ) from None
        self._ray: Any = ray
        self.address, self.workers = address, workers

    def run(self, jobs: Sequence[Job], started: Started, ended: Ended) -> None:
        """See `crl_envs.bench.engines.Engine.run`.

        Raises:
            ValueError: There is no cluster at the address, or its workers don't fit.
        """
        if not jobs:
            return
        ray = self._ray
        self._connect()
        pending: dict[Any, Job] = {}
        try:
            self._check_workers(jobs[0].folder)
            remote = ray.remote(num_cpus=1, max_retries=0)(_make)
            waiting = deque(jobs)
            while waiting or pending:
                while waiting and len(pending) < self._n_cpus():
                    job = waiting.popleft()
                    pending[remote.remote(job)] = job
                    started(job)
                done, _ = ray.wait(list(pending), num_returns=1)
                job = pending.pop(done[0])
                try:
                    status = ray.get(done[0])
                except ray.exceptions.OutOfMemoryError:
                    status = bury(job, OUT_OF_MEMORY, "out of memory")
                except ray.exceptions.WorkerCrashedError:
                    status = bury(job, DIED)
                except ray.exceptions.RayTaskError as error:
                    raise error.cause from error
                ended(job, status)
        finally:
            for task in pending:
                ray.cancel(task, force=True)
            ray.shutdown()

    def _connect(self) -> None:
        ray = self._ray
        quietly: dict[str, Any] = {"include_dashboard": False} if self.address is None else {}
        if self.address is None and self.workers is not None:
            quietly["num_cpus"] = self.workers
        try:
            ray.init(address=self.address, log_to_driver=False, logging_level="ERROR", **quietly)
        except ConnectionError as error:
            raise ValueError(f"address {self.address!r} leads to no Ray cluster: {error}") from None

    def _n_cpus(self) -> int:
        """Processors of the cluster as it is now; nodes may join."""
        return max(1, int(self._ray.cluster_resources().get("CPU", 1)))

    def _check_workers(self, folder: Path) -> None:
        """Ask one worker of each node whether it sees the folder, and which version it has.

        Raises:
            ValueError: One doesn't, or has another.
        """
        ray = self._ray
        token = folder / f".{uuid.uuid4().hex}.tmp"
        write_atomically(token, "")
        try:
            strategy = ray.util.scheduling_strategies.NodeAffinitySchedulingStrategy
            nodes = [node["NodeID"] for node in ray.nodes() if node["Alive"]]
            asked = [
                ray.remote(num_cpus=0)(_look)
                .options(scheduling_strategy=strategy(node, soft=False))
                .remote(token)
                for node in nodes
            ]
            for node, (sees, version) in zip(nodes, ray.get(asked), strict=True):
                if not sees:
                    raise ValueError(
                        f"out must be a folder that every node of the cluster shares; node {node} doesn't see "
                        f"{str(folder)!r}"
                    )
                if version != crl_envs.__version__:
                    raise ValueError(
                        f"all nodes must have crl-envs {crl_envs.__version__}; node {node} has {version}"
                    )
        finally:
            token.unlink(missing_ok=True)


@cache
def _isolation() -> Isolation:
    """Of this worker process, for all runs that it is given."""
    return Isolation()


def _make(job: Job) -> Status | None:
    return _isolation().make(job)


def _look(token: Path) -> tuple[bool, str]:
    return token.exists(), crl_envs.__version__
