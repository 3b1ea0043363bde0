"""Compiled code begins to be used when that is worth the wait, and nobody sees when it does."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import crl_envs
from agents import CRL, RandomPolicy, Reinforce, ShortestQueue
from crl_envs.core import backend, stream
from crl_envs.core.backend import HEAD_START, Compiled
from crl_envs.core.stream import Purpose, Stream, lane_word, stream_key, words
from crl_envs.load_balancing import world as load_balancing
from crl_envs.sysadmin import StatusLoadWorld, SysadminWorld
from crl_envs.sysadmin import world as sysadmin
from tests.views import BACKENDS

needs_numba = pytest.mark.skipif(len(BACKENDS) < 2, reason="Numba is not installed")


class Clock:
    """`perf_counter` of a machine on which every look takes a second."""

    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        self.now += 1.0
        return self.now


@pytest.fixture
def make(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Callable[..., Compiled[Callable[[], str]]]:
    monkeypatch.setattr(backend, "perf_counter", Clock())
    monkeypatch.delenv(HEAD_START)
    monkeypatch.delenv("NUMBA_CACHE_DIR", raising=False)
    (tmp_path / "code.py").touch()

    def make(**given: float) -> Compiled[Callable[[], str]]:
        return Compiled(
            lambda: "plain",
            lambda: lambda: "compiled",
            str(tmp_path / "code.py"),
            "load.<locals>.loop",
            **given,
        )

    return make


class TestHeadStart:
    def test_what_is_not_on_disk_is_compiled_when_that_has_been_worked_for(self, make: Any) -> None:
        one = make(seconds=3.0)
        assert [one() for _ in range(5)] == ["plain"] * 3 + ["compiled"] * 2

    def test_other_work_counts(self, make: Any) -> None:
        one = make(seconds=3.0)
        one.waited(2.5)
        assert [one(), one()] == ["plain", "compiled"]

    @pytest.mark.parametrize("folder", ["__pycache__", "kept/code_1f"])
    def test_what_is_on_disk_is_used_soon(
        self, make: Any, folder: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        if folder != "__pycache__":
            monkeypatch.setenv("NUMBA_CACHE_DIR", str(tmp_path / "kept"))
        (tmp_path / folder).mkdir(parents=True)
        kept = tmp_path / folder / "code.load.locals.loop-7.py311.nbi"
        kept.touch()
        assert make(seconds=9.0, moment=0.0)() == "compiled"
        soon = make(seconds=9.0)
        assert [soon(), soon()] == ["plain", "compiled"]
        os.utime(kept, (0, 0))  # older than the source
        assert make(seconds=9.0, moment=0.0)() == "plain"

    @pytest.mark.parametrize(("factor", "plain"), [("0", 0), ("0.5", 2), ("2", 8)])
    def test_the_environment_has_a_say(
        self, make: Any, factor: str, plain: int, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setenv(HEAD_START, factor)
        one = make(seconds=4.0)
        assert [one() for _ in range(plain + 1)] == ["plain"] * plain + ["compiled"]

    @pytest.mark.parametrize("factor", ["", "soon", "-1", "nan"])
    def test_what_it_says_must_be_a_number(
        self, make: Any, factor: str, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setenv(HEAD_START, factor)
        with pytest.raises(ValueError, match="CRL_ENVS_HEAD_START in the environment must be"):
            make(seconds=1.0)()


class Late:
    """A `Compiled` that is asked so many times before it is ready."""

    def __init__(self, given: Compiled[Any], times: int) -> None:
        self.plain, self._given, self._left = given.plain, given, times
        self.function = None

    def ready(self) -> Any:
        self._left -= 1
        return None if self._left >= 0 else self._given.ready()

    def waited(self, seconds: float) -> None:
        assert seconds >= 0

    def __call__(self, *args: Any) -> Any:
        return (self.ready() or self.plain)(*args)


EVERYTHING = {
    "n_agents": 12,
    "capacity": 5,
    "discovery": "all",
    "max_in_flight": 4,
    "memory": True,
    "message_loss": 0.1,
    "message_delay": 3,
    "fail_rate": 0.02,
    "return_rate": 0.3,
    "departure_rate": 0.01,
    "arrival_rate": 0.2,
    "max_steps": 700,
}


@needs_numba
class TestSwitching:
    """The same numbers, wherever in an episode compiled code takes over."""

    @pytest.mark.parametrize("given", [{"n_loads": 60}, EVERYTHING], ids=["paper", "everything"])
    @pytest.mark.parametrize("learner", [CRL, RandomPolicy, ShortestQueue])
    def test_loops_of_load_balancing(
        self, learner: Any, given: dict[str, Any], monkeypatch: pytest.MonkeyPatch
    ) -> None:
        import agents.delegation.crl.compiled as crl_loop
        import agents.delegation.policies_compiled as policies_loop

        module = crl_loop if learner is CRL else policies_loop
        compiled = module._COMPILED
        config: dict[str, Any] = {}
        if learner is CRL:
            config = {"advertise": ("return", "gossip", "notification"), "decay_rate": 0.01}
            config["bus"] = {"loss": 0.1, "delay": 2, "batch": 1}
        monkeypatch.setattr(module, "_STRETCH", 37)

        def learn(times: int) -> tuple[str, str, list[int]]:
            monkeypatch.setattr(module, "_COMPILED", Late(compiled, times))
            env = crl_envs.make("crl/load_balancing-v0", **given)
            seen: list[int] = []
            made = learner(env, seed=3, **config).learn(
                total_episodes=2, step_callback=lambda one: seen.append(one.elapsed), every=50
            )
            arrays = {k: v.tolist() for k, v in made.get_arrays().items()}
            return repr(made.history), repr(arrays), seen

        expected = learn(0)
        assert learn(4) == expected
        assert learn(10**9) == expected

    @pytest.mark.parametrize("columns", [1, 3])
    def test_reinforce(self, columns: int, monkeypatch: pytest.MonkeyPatch) -> None:
        compiled = SysadminWorld.compiled
        given: dict[str, Any] = {"n_agents": 7, "relabel": True, "dynamics": "ippc2011"}

        def learn(times: int) -> tuple[str, list[Any]]:
            monkeypatch.setattr(SysadminWorld, "compiled", Late(compiled, times))
            env = crl_envs.make_vec("crl/sysadmin-v0", columns, **given)
            made = Reinforce(env, seed=2).learn(total_episodes=12)
            return repr(made.history), made.theta.tolist()

        expected = learn(0)
        assert learn(5) == expected
        assert learn(10**9) == expected

    @pytest.mark.parametrize("dynamics", ["ring", "ippc2011", "status-load"])
    def test_kernels_of_sysadmin(self, dynamics: str, monkeypatch: pytest.MonkeyPatch) -> None:
        owners = {"ring": (sysadmin, "_RING"), "status-load": (StatusLoadWorld, "_compiled")}
        owner, name = owners.get(dynamics, (SysadminWorld, "_compiled"))
        given = getattr(owner, name)

        def play(times: int) -> list[Any]:
            monkeypatch.setattr(owner, name, Late(given, times))
            vec = crl_envs.make_vec("crl/sysadmin-v0", 2, n_agents=5, dynamics=dynamics)
            vec.reset(seed=1)
            actions = np.arange(10, dtype=np.uint8).reshape(2, 5) % 2
            return [[part.tolist() for part in vec.step(actions)[:2]] for _ in range(30)]

        assert play(7) == play(10**9) == play(0)

    def test_kernel_of_load_balancing(self, monkeypatch: pytest.MonkeyPatch) -> None:
        given = load_balancing._COMPILED

        def play(times: int) -> str:
            monkeypatch.setattr(load_balancing, "_COMPILED", Late(given, times))
            env = crl_envs.make("crl/load_balancing-v0", **EVERYTHING)
            env.reset(seed=1)
            taken = []
            for t in range(60):
                actions = {a: 1 + (t + i) % 3 for i, a in enumerate(env.agents)}
                taken.append(env.step(actions)[:2])
            return repr(taken)

        assert play(20) == play(10**9) == play(0)

    def test_keys(self, monkeypatch: pytest.MonkeyPatch) -> None:
        given = stream._COMPILED

        def keys(times: int) -> list[Any]:
            monkeypatch.setattr(stream, "_COMPILED", Late(given, times))
            drawn = Stream(3)
            drawn.seed(2**63, np.array([0, 2**32 - 1, 2**40], np.uint64))
            return [drawn.keys(purpose).tolist() for purpose in Purpose]

        assert keys(2) == keys(10**9) == keys(0)


SEEDS = (0, 1, 2**32 - 1, 2**32, 2**63, 2**64 - 1)


@pytest.mark.parametrize("seed", SEEDS)
def test_words_of_plain_numbers_are_the_streams(seed: int) -> None:
    for clock in (0, 7, 2**32, 2**63):
        drawn = Stream(1)
        drawn.seed(seed, np.array([clock], np.uint64))
        key = drawn.keys(Purpose.GOSSIP)
        assert stream_key(seed, clock, Purpose.GOSSIP) == int(key[0])
        assert [lane_word(key[0], i) for i in range(9)] == words(key, 9)[:, 0].tolist()


@needs_numba
def test_short_work_loads_no_compiler(tmp_path: Path) -> None:
    script = (
        "import crl_envs, sys\n"
        "from agents import CRL, Reinforce\n"
        "CRL(crl_envs.make('crl/load_balancing-v0', n_loads=20), seed=0).learn(total_episodes=1)\n"
        "env = crl_envs.make_vec('crl/sysadmin-v0', 1, n_agents=3)\n"
        "Reinforce(env).learn(total_episodes=2)\n"
        "print('numba' in sys.modules)\n"
    )
    given = {**os.environ, "NUMBA_CACHE_DIR": str(tmp_path)}
    del given[HEAD_START]
    done = subprocess.run(
        [sys.executable, "-c", script],
        capture_output=True,
        text=True,
        check=True,
        env=given,
        cwd=Path(__file__).parents[2],
    )
    assert done.stdout.strip() == "False"
