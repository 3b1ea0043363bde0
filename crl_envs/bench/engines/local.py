"""This machine: as many runs at once as there are cores, each in a process of its own.

Whatever a learner does to its process, other runs don't notice. On Linux that process is a fork, which takes
milliseconds, of one that has loaded what the run needs:

    engine → origin → a process for each experiment → one for each of its learners → one for each run

Only code of this package runs in the origin. A learner's module is imported in the learner's own process, which
never makes a run: all runs of a learner begin in the same state, and no learner sees another. What can't be loaded
there, or starts a thread when it is loaded (a fork has no other threads), is loaded by each run. A run has a session of
its own. When it is over, all processes that it has started are killed; when the engine is gone, by `kill -9` too, all
are.

Elsewhere forks aren't safe, and each run is made by a new Python process, which takes a second.
"""

from __future__ import annotations

import ctypes
import gc
import multiprocessing
import os
import pickle
import queue
import select
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Container, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any, Final, NoReturn

from crl_envs.bench.engines import Ended, Started
from crl_envs.bench.experiments import find_experiment
from crl_envs.bench.learners import find_learner, is_shipped
from crl_envs.bench.store import Status, Store, StoreError, cores, git_commit, machine, versions
from crl_envs.bench.worker import Job, add_path, bury, rehearse, work
from crl_envs.core.arguments import check_int

DIED: Final = (
    "the process that made the run died without a word: it crashed in compiled code, called os._exit, or was killed "
    "by the system, perhaps for its memory"
)
_FORKS: Final = sys.platform == "linux"
_GRACE: Final = 5.0  # seconds beyond a run's limit for it to end by itself and leave a traceback
_PATIENCE: Final = 10  # seconds for killed processes to be gone, and threads to stop
_START: Final = (
    "import sys; sys.path[:] = sys.argv[2:]\n"
    "from crl_envs.bench.engines.local import serve; serve(int(sys.argv[1]))"
)
_IDLE: Final = 16  # processes of learners; one with torch takes a quarter of a GiB
_MESSAGE: Final = 2**17  # bytes
_SIGNAL_OF_PARENTS_DEATH, _SUBREAPER = 1, 36  # of prctl, <linux/prctl.h>


class LocalEngine:
    """See the module, and `crl_envs.bench.engines.Engine`.

    Args:
        workers: Number of runs at once; by default one for each core.

    Raises:
        ValueError: Not a whole number ≥ 1.
    """

    def __init__(self, workers: int | None = None) -> None:
        self.workers = cores() if workers is None else check_int("workers", workers, low=1)

    def run(self, jobs: Sequence[Job], started: Started, ended: Ended) -> None:
        """See `crl_envs.bench.engines.Engine.run`."""
        waiting: queue.SimpleQueue[Job] = queue.SimpleQueue()
        for job in jobs:
            waiting.put(job)
        isolation = Isolation()
        slots = [
            _Slot(isolation, waiting, started, ended) for _ in range(min(self.workers, len(jobs)))
        ]
        try:
            for slot in slots:
                slot.start()
            while not all(slot.over.is_set() for slot in slots) and not _errors(slots):
                for slot in slots:
                    slot.over.wait(0.1)
            for error in _errors(slots):
                raise error
        finally:
            isolation.stop()
            for slot in slots:
                if slot.begun:
                    slot.over.wait(_PATIENCE)


class _Slot:
    """A thread that has one run at a time made.

    An event says that it is over: `Thread.join` calls a thread dead that lives on when an interrupt from the keyboard
    reaches it (CPython's issue 90882).
    """

    def __init__(
        self,
        isolation: Isolation,
        waiting: queue.SimpleQueue[Job],
        started: Started,
        ended: Ended,
    ) -> None:
        self.begun = False
        self.over = threading.Event()
        self.error: BaseException | None = None
        self._isolation, self._waiting = isolation, waiting
        self._started, self._ended = started, ended

    def start(self) -> None:
        """Begin with the runs that are waiting."""
        self.begun = True
        threading.Thread(target=self._serve, daemon=True).start()

    def _serve(self) -> None:
        try:
            while True:
                job = self._waiting.get_nowait()
                self._started(job)
                status = self._isolation.make(job)
                if status is None:
                    break
                self._ended(job, status)
        except queue.Empty:
            pass
        except BaseException as error:
            self.error = error
        finally:
            self.over.set()


def _errors(slots: Sequence[_Slot]) -> list[BaseException]:
    return [slot.error for slot in slots if slot.error is not None]


class Isolation:
    """Makes runs, from any number of threads at once; `stop` ends them."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._stopped = False
        self._origin: subprocess.Popen[bytes] | None = None
        self._first: _Maker
        self._makers: dict[tuple[str, ...], _Maker] = {}
        self._lines: set[socket.socket] = set()  # to makers and runs
        self._processes: set[Any] = set()  # that weren't forked

    def make(self, job: Job) -> Status | None:
        """Make a run, and come back when nothing is left of its process and of those that it started.

        Returns:
            How it ended; None if it was stopped.

        Raises:
            StoreError: Nothing can be written.
            RuntimeError: No process can be started.
        """
        limit, begun = job.limits.seconds, time.monotonic()
        patience = None if limit is None else limit + _GRACE
        code, refused = (self._forked if _FORKS else self._spawned)(job, patience)
        if self._stopped:
            return None
        if refused:
            raise StoreError(refused)
        if code == 0:
            record, _ = Store(job.folder).read(job.id)
            if record is not None and record.status != "running":
                return record.status
        how = f"exit code {code}" if code >= 0 else f"signal {-code}"
        late = limit is not None and time.monotonic() - begun >= limit
        return bury(job, f"{DIED} ({how})", late=late)

    def stop(self) -> None:
        """Kill all runs; what they were doing since their last record is lost."""
        with self._lock:
            self._stopped = True
            lines = list(self._lines)
            for process in self._processes:
                process.kill()
        for line in lines:
            _shut(line)
        if self._origin is not None:
            with suppress(subprocess.TimeoutExpired):
                self._origin.wait(_PATIENCE)
            self._origin.kill()
            self._origin.wait()
        for line in lines:
            line.close()

    def _forked(self, job: Job, patience: float | None) -> tuple[int, str]:
        """Exit code of a run's process, a signal as a negative one, and why nothing can be written."""
        makers = [self._start()]
        # A figure's learners differ in their arguments and share their code, which is ours.
        name = repr(job.spec) if job.case is None else job.spec.source
        of_learner = self._maker(job.id.experiment, name)
        for step, maker in enumerate((self._maker(job.id.experiment), of_learner)):
            with maker.lock:
                if not maker.tried:
                    maker.tried = True
                    line = self._asked(makers, (step, job))
                    maker.line = line if line.recv(_MESSAGE) else None
            if maker.line is not None:
                makers.append(maker)
        line = self._asked(makers, ("run", job))
        refused = ""
        try:
            line.settimeout(patience)
            while True:
                try:
                    said = line.recv(_MESSAGE)
                except TimeoutError:
                    line.settimeout(None)
                    line.shutdown(socket.SHUT_WR)
                    continue
                if not said.startswith(b"!"):
                    break
                refused = said[1:].decode(errors="replace")
        finally:
            with self._lock:
                of_learner.users -= 1
            self._lines.discard(line)
            line.close()
        return int(said or -signal.SIGKILL), refused

    def _start(self) -> _Maker:
        """The origin, started when it is first needed."""
        with self._lock:
            if self._stopped:
                raise RuntimeError("no run is made any more")
            if self._origin is None:
                ours, theirs = _pair()
                with theirs:
                    self._origin = subprocess.Popen(
                        [sys.executable, "-c", _START, str(theirs.fileno()), *sys.path],
                        stdin=subprocess.DEVNULL,
                        pass_fds=[theirs.fileno()],
                        start_new_session=True,
                        # One process makes one run: libraries are to take one thread.
                        env={"OMP_NUM_THREADS": "1", **os.environ},
                    )
                self._first = _Maker(ours)
                self._lines.add(ours)
            return self._first

    def _maker(self, *key: str) -> _Maker:
        """The one of an experiment, or of a learner, in use; those of many learners aren't kept idle."""
        with self._lock:
            maker = self._makers[key] = self._makers.pop(key, _Maker())
            maker.users += 1
            idle = [k for k, other in self._makers.items() if not other.users]
            for old in idle[: max(0, len(idle) - _IDLE)]:
                line = self._makers.pop(old).line
                if line is not None:
                    _shut(line)
                    line.close()
                    self._lines.discard(line)
        return maker

    def _asked(self, makers: Sequence[_Maker], message: Any) -> socket.socket:
        """The line to a fork of the last maker that is still there: learners may kill their own."""
        ours, theirs = _pair()
        with theirs:
            for maker in reversed(makers):
                if maker.line is not None:
                    with suppress(OSError):
                        socket.send_fds(maker.line, [pickle.dumps(message)], [theirs.fileno()])
                        break
            else:
                ours.close()
                raise RuntimeError(
                    "no process can be started: the one that all others come from is gone"
                )
        with self._lock:
            self._lines.add(ours)
            if self._stopped:
                _shut(ours)
        return ours

    def _spawned(self, job: Job, patience: float | None) -> tuple[int, str]:
        context = multiprocessing.get_context("spawn")
        reader, writer = context.Pipe(duplex=False)
        process = context.Process(target=_alone, args=(job, writer))
        with self._lock:
            if self._stopped:
                return 0, ""
            process.start()
            self._processes.add(process)
        writer.close()
        process.join(patience)
        process.kill()
        process.join()
        if hasattr(os, "killpg"):
            with suppress(OSError):
                os.killpg(process.pid or 0, signal.SIGKILL)
        self._processes.discard(process)
        refused = ""
        with suppress(EOFError, OSError), reader:
            refused = reader.recv_bytes().decode()[1:] if reader.poll() else ""
        return process.exitcode or 0, refused


class _Maker:
    """A process that forks others, at the other end of a line; there is no line if it couldn't be made."""

    def __init__(self, line: socket.socket | None = None) -> None:
        self.line = line
        self.users = 0  # of a learner's: the others are kept
        self.lock = threading.Lock()
        self.tried = line is not None  # to make it, when it was first needed


def _pair() -> tuple[socket.socket, socket.socket]:
    return socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)


def _shut(line: socket.socket) -> None:
    """Close both directions: whoever waits at either end goes on."""
    with suppress(OSError):
        line.shutdown(socket.SHUT_RDWR)


def serve(fd: int) -> NoReturn:
    """Be the origin: fork for each message, until the other end is closed; then end all forks, and theirs.

    Args:
        fd: A socket for messages: what to do, a `Job`, and with it the socket on which to answer.
    """
    with suppress(OSError):
        os.dup2(2, 1)  # what learners print isn't what the command prints
    git_commit(), machine(), versions("scipy")  # which are kept
    calls = socket.socket(fileno=fd)
    makers: set[int] = set()
    runs: dict[int, socket.socket] = {}
    woken = _own()
    while True:
        ready = select.select([calls, woken, *runs.values()], [], [])[0]
        for pid, line in runs.items():
            if line in ready:  # nobody waits for it any more
                _kill(pid)
        if woken in ready:
            woken.recv(_MESSAGE)
            _report_dead(runs, makers)
        if calls not in ready:
            continue
        content, fds, _, _ = socket.recv_fds(calls, _MESSAGE, 1)
        if not content:
            _kill_all()
            os._exit(0)
        line = socket.socket(fileno=fds[0])
        what, job = pickle.loads(content)
        pid = os.fork()
        if pid and what == "run":
            runs[pid] = line
        elif pid:
            makers.add(pid)
            line.close()
        else:
            for other in (calls, woken, *runs.values()):
                other.close()
            signal.set_wakeup_fd(-1)
            signal.signal(signal.SIGCHLD, signal.SIG_DFL)
            if what == "run":
                _be_a_run(job, line)
            _prepare(what, job)
            calls, makers, runs, woken = line, set(), {}, _own()
            line.send(b"ready")


def _own() -> socket.socket:
    """Adopt all orphans of this process's forks; what is returned can be read when one of them has died."""
    ctypes.CDLL(None).prctl(_SUBREAPER, 1, 0, 0, 0)
    woken, waker = socket.socketpair()
    waker.setblocking(False)
    signal.signal(signal.SIGCHLD, lambda *_: None)
    signal.set_wakeup_fd(waker.detach(), warn_on_full_buffer=False)
    return woken


def _prepare(step: int, job: Job) -> None:
    """Load what all runs of an experiment need (step 0), or all of a learner (step 1); end if that isn't possible."""
    try:
        add_path(job)
        if step == 0:
            with suppress(ValueError):
                find_learner("random")  # and with it the package of those that are shipped
        if job.case is not None:
            if step == 1:
                job.spec.keep()
                with suppress(Exception):
                    job.case.rehearse()
        elif step == 0:
            experiment = find_experiment(job.id.experiment)
            list(map(experiment.budgets, experiment.values))  # which are kept
            env = experiment.task(experiment.quick[0]).make()
            env.reset(seed=0)
            env.step({agent: env.action_space(agent).sample() for agent in env.agents})
        else:
            job.spec.keep()
            if is_shipped(job.spec):
                with suppress(Exception):  # it is a run's business that a learner doesn't fit
                    rehearse(find_experiment(job.id.experiment), job.spec)
        if len(list(Path("/proc/self/task").iterdir())) > 1:
            os._exit(1)
        gc.freeze()  # so that forks don't copy what the collector would touch
    except BaseException:
        os._exit(1)


def _be_a_run(job: Job, line: socket.socket) -> NoReturn:
    os.setsid()
    ctypes.CDLL(None).prctl(_SIGNAL_OF_PARENTS_DEATH, signal.SIGKILL, 0, 0, 0)
    _make(job, line.send)


def _alone(job: Job, writer: Any) -> NoReturn:
    """Be a run, in a process that was started for it."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    if hasattr(os, "setsid"):
        os.setsid()
    threading.Thread(target=_end_with_parent, daemon=True).start()
    _make(job, writer.send_bytes)


def _end_with_parent() -> None:
    parent = multiprocessing.parent_process()
    if parent is not None:
        parent.join()
        os._exit(1)


def _make(job: Job, say: Callable[[bytes], Any]) -> NoReturn:
    """Make the run and end the process at once, whatever threads and exit handlers the learner has left."""
    code = 1
    with suppress(BaseException):
        try:
            work(job)
        except StoreError as error:
            say(b"!" + str(error).encode(errors="replace")[: _MESSAGE // 2])
        code = 0
    for stream in (sys.stdout, sys.stderr):
        with suppress(BaseException):
            stream.flush()
    os._exit(code)


def _report_dead(runs: dict[int, socket.socket], makers: set[int]) -> None:
    """Kill what runs that have ended leave behind, and say on their lines how they ended."""
    with suppress(ChildProcessError):
        while dead := os.waitid(os.P_ALL, 0, os.WEXITED | os.WNOHANG | os.WNOWAIT):
            _kill(dead.si_pid)  # its group, as long as the number is its own
            _, status = os.waitpid(dead.si_pid, 0)
            makers.discard(dead.si_pid)
            line = runs.pop(dead.si_pid, None)
            if line is not None:
                if not runs:
                    _kill_all(but=makers)  # also those that left the group
                with line, suppress(OSError):
                    line.send(str(os.waitstatus_to_exitcode(status)).encode())


def _kill(pid: int) -> None:
    """End a process and its group."""
    for kill in (os.kill, os.killpg):
        with suppress(OSError):
            kill(pid, signal.SIGKILL)


def _kill_all(but: Container[int] = ()) -> None:
    """End all processes below this one but some: the children of one that ends become its own."""
    while pids := [pid for pid in _children() if pid not in but]:
        for pid in pids:
            _kill(pid)
        for pid in pids:
            with suppress(ChildProcessError):
                os.waitpid(pid, 0)


def _children() -> list[int]:
    with suppress(OSError):
        return [int(pid) for pid in Path("/proc/thread-self/children").read_text("ascii").split()]
    return []  # the system doesn't tell
