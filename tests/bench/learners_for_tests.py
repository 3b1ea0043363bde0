"""Learners that do what learners shouldn't, and some that do."""

from __future__ import annotations

import faulthandler
import json
import os
import random
import shutil
import signal
import subprocess
import sys
import threading
import time
from contextlib import suppress
from pathlib import Path
from typing import Any, NoReturn

import numpy as np

import crl_envs.bench.evaluation
import crl_envs.bench.worker
import crl_envs.core.stream
from agents import LocalMeans


class Uniform:
    """Uniformly random actions by the dict API; learns nothing."""

    def __init__(self, env: Any, seed: int = 0) -> None:
        self.env = env
        self.rng = np.random.default_rng(seed)

    def learn(self, total_steps: int) -> Uniform:
        observations, steps = None, 0
        while steps < total_steps:
            observations, _ = self.env.reset()
            while self.env.agents:
                observations, *_ = self.env.step(self.act(observations))
                steps += 1
        return self

    def act(self, observations: dict[str, Any], deterministic: bool = False) -> dict[str, int]:
        return {
            agent: int(self.rng.integers(self.env.action_space(agent).n)) for agent in observations
        }


class Counting(Uniform):
    """Resumable, and does at random what depends on all rewards that it has ever had."""

    resumable = True
    total = 0.0

    def learn(self, total_steps: int) -> Counting:
        steps = 0
        while steps < total_steps:
            observations, _ = self.env.reset()
            while self.env.agents:
                observations, rewards, *_ = self.env.step(self.act(observations))
                self.total += sum(k * reward for k, reward in enumerate(rewards.values(), 1))
                steps += 1
        return self

    def act(self, observations: dict[str, Any], deterministic: bool = False) -> dict[str, int]:
        drawn = super().act(observations)
        return {agent: (action + int(self.total)) % 2 for agent, action in drawn.items()}

    def save(self, path: Any) -> None:
        text = json.dumps({"total": self.total, "rng": self.rng.bit_generator.state})
        Path(path).write_text(text)

    @classmethod
    def load(cls, path: Any, env: Any) -> Counting:
        learner, found = cls(env), json.loads(Path(path).read_text())
        learner.total, learner.rng.bit_generator.state = found["total"], found["rng"]
        return learner


class Team(Uniform):
    """Notes the rewards that it is given."""

    trains_on = "global"
    rewards: list[dict[str, float]] = []  # noqa: RUF012

    def learn(self, total_steps: int) -> Team:
        observations, _ = self.env.reset()
        _, rewards, *_ = self.env.step(self.act(observations))
        type(self).rewards.append(rewards)
        return self


class Odd(Uniform):
    """Actions that aren't there."""

    def act(self, observations: dict[str, Any], deterministic: bool = False) -> dict[str, int]:
        return dict.fromkeys(observations, 7)


class NotANumber(Uniform):
    """Actions that are no numbers."""

    def act(self, observations: dict[str, Any], deterministic: bool = False) -> dict[str, Any]:
        return dict.fromkeys(observations, float("nan"))


class Forbidden(Uniform):
    """The last action, whatever the mask says."""

    def act(self, observations: dict[str, Any], deterministic: bool = False) -> dict[str, int]:
        return {agent: int(self.env.action_space(agent).n) - 1 for agent in observations}


class Crashing(Uniform):
    def learn(self, total_steps: int) -> Crashing:
        raise ZeroDivisionError("as it was told to")


class Idle(Uniform):
    """Doesn't take a step."""

    def learn(self, total_steps: int) -> Idle:
        return self


class Versioned(Uniform):
    """Its record is to have the version of a package that others don't have."""

    packages = ("typer", "not-there-at-all")


class Hanging(Uniform):
    def learn(self, total_steps: int) -> Hanging:
        while True:
            time.sleep(0.01)


class Dying(Uniform):
    def learn(self, total_steps: int) -> Dying:
        os.kill(os.getpid(), signal.SIGKILL)
        return self


class Greedy(Uniform):
    """Of memory."""

    def learn(self, total_steps: int) -> Greedy:
        self.hoard = [np.ones(2**22) for _ in range(1000)]
        return self


class Slow(LocalMeans):
    """The local means, with time to be killed in."""

    def learn(self, *args: Any, **kwargs: Any) -> Slow:
        time.sleep(0.05)
        super().learn(*args, **kwargs)
        return self


class Forgetful(Slow):
    """The same, beginning anew when it is resumed."""

    resumable = False


class _Bad(Uniform):
    """Does what it is here for, and then raises so that nothing more is run."""

    def learn(self, total_steps: int) -> NoReturn:
        self.do()
        raise ZeroDivisionError("after the deed")

    def do(self) -> None:
        raise NotImplementedError


class ExitsWell(_Bad):
    def do(self) -> None:
        sys.exit(0)


class ExitsWithText(_Bad):
    def do(self) -> None:
        sys.exit("x")


class Unheard(BaseException):
    pass


class RaisesABase(_Bad):
    def do(self) -> None:
        raise Unheard("a base")


class Interrupts(_Bad):
    def do(self) -> None:
        raise KeyboardInterrupt


class LeavesAGenerator(_Bad):
    def do(self) -> None:
        raise GeneratorExit


class LeavesAThread(_Bad):
    def do(self) -> None:
        threading.Thread(target=threading.Event().wait).start()


class ClosesFiles(_Bad):
    def do(self) -> None:
        os.closerange(3, 1024)


class ClosesStreams(_Bad):
    def do(self) -> None:
        os.closerange(0, 3)


class LeavesAChild(_Bad):
    """And one that leaves the group, and one whose parent is gone."""

    def do(self) -> None:
        for more in ({}, {"start_new_session": True}):
            child = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)"], **more)
            note(child.pid)
        if os.fork() == 0:
            os.setsid()
            if os.fork() == 0:
                note(os.getpid())
                time.sleep(600)
            os._exit(0)
        os.wait()


class HangsWithAChild(_Bad):
    def do(self) -> None:
        command = [sys.executable, "-c", "import time; time.sleep(600)"]
        subprocess.run(command, check=False, start_new_session=True)


class SaysMuch(_Bad):
    def do(self) -> None:
        raise ValueError("head" + 50_000_000 * "x" + "tail")


class SaysSurrogates(_Bad):
    def do(self) -> None:
        raise ValueError("half \ud800 of a pair")


class SaysEscapes(_Bad):
    def do(self) -> None:
        raise ValueError("\x1b[2J\x1b]0;title\x07 [red]loud[/red] [/nothing] \r\x9b31m \u202e")


class SaysZeros(_Bad):
    def do(self) -> None:
        raise ValueError("a\0b")


class Mute(Exception):
    def __str__(self) -> str:
        raise ValueError("no words")


class RaisesTheMute(_Bad):
    def do(self) -> None:
        raise Mute


class RaisesWhatCannotBePickled(_Bad):
    def do(self) -> None:
        raise ValueError(lambda: None)


class Recurses(_Bad):
    def do(self) -> None:
        self.do()


class Recursing(_Bad):
    """As deep as it lets itself."""

    def do(self) -> None:
        sys.setrecursionlimit(50_000)
        self.deeper()

    def deeper(self) -> None:
        self.deeper()


class EndsAtOnce(_Bad):
    def do(self) -> None:
        os._exit(0)


class Aborts(_Bad):
    def do(self) -> None:
        os.abort()


class KillsItsParent(_Bad):
    def do(self) -> None:
        os.kill(os.getppid(), signal.SIGKILL)
        time.sleep(600)


class Deaf(_Bad):
    """To signals, and to the clock that watches it."""

    def do(self) -> None:
        for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
            signal.signal(number, signal.SIG_IGN)
        faulthandler.cancel_dump_traceback_later()
        time.sleep(600)


class SetsAnAlarm(_Bad):
    def do(self) -> None:
        signal.setitimer(signal.ITIMER_REAL, 0.01)
        time.sleep(600)


class PatchesUs(_Bad):
    def do(self) -> None:
        patch()


class Meddles(_Bad):
    def do(self) -> None:
        meddle()


class Vandal(LocalMeans):
    """Learns as the local means do, after having meddled with everything that isn't its own."""

    def learn(self, *args: Any, **kwargs: Any) -> Vandal:
        meddle()
        super().learn(*args, **kwargs)
        return self


class KillsItself(_Bad):
    def do(self) -> None:
        os.kill(os.getpid(), signal.SIGKILL)


# What a sweep has to bear, by name.
BAD = {
    cls.__name__: f"tests.bench.learners_for_tests:{cls.__name__}"
    for cls in (
        *(ExitsWell, ExitsWithText, RaisesABase, Interrupts, LeavesAGenerator, LeavesAThread),
        *(ClosesFiles, ClosesStreams, LeavesAChild, SaysMuch, SaysSurrogates, SaysEscapes),
        *(SaysZeros, RaisesTheMute, RaisesWhatCannotBePickled, Recurses, Recursing, EndsAtOnce),
        *(Aborts, KillsItself, KillsItsParent, Deaf, SetsAnAlarm, PatchesUs, Meddles, Vandal),
        *(Crashing, Odd, NotANumber, Idle, Hanging),
    )
}


def note(pid: int) -> None:
    """In the file that the test names."""
    if "PIDS_FOR_TESTS" in os.environ:
        with Path(os.environ["PIDS_FOR_TESTS"]).open("a") as file:
            file.write(f"{pid}\n")


def patch() -> None:
    """What is measured, and what is drawn."""
    found = crl_envs.bench.evaluation.Found(99.0, 99.0, 1, None)
    crl_envs.bench.worker.evaluate = crl_envs.bench.evaluation.evaluate = lambda *args: found
    for name in ("Stream", "words", "lane_words", "threshold"):
        setattr(crl_envs.core.stream, name, lambda *args, **kwargs: 0)


def meddle() -> None:
    """With all that a process has one of."""
    os.umask(0o777)
    os.chdir("/")
    os.environ.clear()
    np.seterr(all="raise")
    sys.setrecursionlimit(200)
    random.seed(0)
    np.random.seed(0)  # noqa: NPY002
    sys.stdout = sys.stderr = None  # type: ignore[assignment]
    sys.excepthook = sys.displayhook = None  # type: ignore[assignment]
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)
    with suppress(OSError):
        os.nice(1)
    for folder in Path("/proc/self/fd").iterdir():
        with suppress(OSError):
            place = folder.readlink()
            if place.name.endswith(".last-words"):
                shutil.rmtree(place.parent, ignore_errors=True)
