"""What ``render_mode`` makes of an environment, in all three worlds."""

from __future__ import annotations

import copy
import pickle
import subprocess
import sys
from pathlib import Path
from typing import Any

import gymnasium
import numpy as np
import pytest
from gymnasium.error import ResetNeeded
from gymnasium.wrappers import RenderCollection
from pettingzoo.test.render_test import render_test

import crl_envs
from crl_envs.adapters import MissingLibraryError
from crl_envs.core.install import install_hint
from crl_envs.rendering import renderer
from crl_envs.wrappers import (
    AristocratReward,
    DifferenceReward,
    GlobalReward,
    JointAction,
    NoisyReward,
)
from tests.rendering.playing import BANDIT, CASES, LOAD, SYSADMIN, made, play, played

WORLDS = [BANDIT, SYSADMIN, LOAD]


@pytest.mark.parametrize("case", CASES)
class TestEveryPicture:
    def test_frames(self, case: str) -> None:
        """uint8[600, 900, 3] from the reset to the end; a frame stays as it is when the next one is drawn."""
        env = made(case, "rgb_array")
        env.reset(seed=0)
        first = env.render()
        kept = first.copy()
        play(env, CASES[case][2])
        last = env.render()
        for frame in (first, last):
            assert frame.shape == (600, 900, 3)
            assert frame.dtype == np.uint8
            assert 150 < frame.mean() < 255  # mostly white paper, and not only that
        np.testing.assert_array_equal(first, kept)
        assert not np.array_equal(first, last)

    def test_equal_runs_give_equal_pictures(self, case: str) -> None:
        """Also when one of them was drawn at every step and the other only at the end."""
        often = made(case, "rgb_array")
        original = often.step

        def step(actions: Any) -> Any:
            result = original(actions)
            often.render()
            return result

        often.step = step
        steps = min(CASES[case][2], 7)
        play(often, steps)
        once = played(case, "rgb_array", steps)
        frame = once.render()
        np.testing.assert_array_equal(often.render(), frame)
        np.testing.assert_array_equal(once.render(), frame)

    @pytest.mark.parametrize("mode", ["rgb_array", "ansi"])
    def test_rendering_changes_nothing(self, case: str, mode: str) -> None:
        plain, drawn = made(case, None), made(case, mode)
        original = drawn.step

        def step(actions: Any) -> Any:
            drawn.render()
            return original(actions)

        drawn.step = step
        steps = min(CASES[case][2], 7)
        assert repr(play(plain, steps)) == repr(play(drawn, steps))

    def test_ansi_is_text(self, case: str) -> None:
        text = played(case, "ansi").render()
        assert isinstance(text, str)
        assert max(map(len, text.splitlines())) <= 130
        assert "\x1b" not in text

    @pytest.mark.parametrize("mode", ["rgb_array", "ansi"])
    def test_copies_go_on_alike(self, case: str, mode: str) -> None:
        env = played(case, mode)
        before = env.render()
        copies = copy.deepcopy(env), pickle.loads(pickle.dumps(env))
        for copied in copies:
            np.testing.assert_array_equal(copied.render(), before)
        if env.agents:
            nothing = dict.fromkeys(env.agents, 0)
            env.step(nothing)
            after = env.render()
            for copied in copies:
                copied.step(nothing)
                np.testing.assert_array_equal(copied.render(), after)

    def test_a_legend(self, case: str) -> None:
        """Every kind of mark, connection and curve is explained, and the quantity that colours show."""
        env = played(case, "rgb_array")
        env.render()
        picture, figure = env._renderer.picture, env._renderer._sheet.figure
        told = {text.get_text() for legend in figure.legends for text in legend.get_texts()}
        expected = {curve.label for curve in picture.curves}
        bars = {axes.get_xlabel() for axes in figure.axes}
        bars |= {axes.get_ylabel() for axes in figure.axes}
        if env.world.n_agents < 100:
            look = picture.look()
            expected |= {x.label for x in (*look.glyphs, *look.strands)} | set(look.notes)
            assert look.quantity is None or look.quantity.label in bars
        else:
            assert picture.quantity.label in bars
        assert expected <= told
        assert picture.title in {text.get_text() for text in figure.texts}


@pytest.mark.parametrize("id", WORLDS)
class TestConventions:
    def test_metadata(self, id: str) -> None:
        env = crl_envs.make(id)
        assert env.metadata["render_modes"] == ["human", "rgb_array", "ansi"]
        assert env.metadata["render_fps"] > 0
        assert env.render_mode is None
        assert crl_envs.make(id, render_mode="ansi").render_mode == "ansi"

    def test_pettingzoo_render_test(self, id: str, interactive: None) -> None:
        class Turns:
            """PettingZoo's test drives an AECEnv."""

            def __new__(cls, render_mode: str) -> Any:
                from pettingzoo.utils.conversions import parallel_to_aec

                return parallel_to_aec(crl_envs.make(id, n_agents=4, render_mode=render_mode))

        render_test(Turns)

    def test_without_a_mode(self, id: str) -> None:
        """As Gymnasium: a warning that says how to get one."""
        env = crl_envs.make(id)
        env.reset(seed=0)
        with pytest.warns(
            UserWarning, match="without specifying any render mode.*render_mode='rgb"
        ):
            assert env.render() is None

    @pytest.mark.parametrize("mode", ["rgb_array", "ansi"])
    def test_before_the_first_reset(self, id: str, mode: str) -> None:
        with pytest.raises(ResetNeeded, match=r"call reset\(\) before render\(\)"):
            crl_envs.make(id, render_mode=mode).render()

    def test_a_mode_that_there_is_not(self, id: str) -> None:
        with pytest.raises(
            ValueError, match=r"must be one of 'human', 'rgb_array', 'ansi', got 'rgb'.*'rgb_array'"
        ):
            crl_envs.make(id, render_mode="rgb")

    @pytest.mark.parametrize("mode", ["human", "rgb_array"])
    def test_too_many_agents(self, id: str, mode: str) -> None:
        with pytest.raises(
            ValueError,
            match=f"render_mode='{mode}' draws at most 100000 agents, got n_agents=100001.*'ansi'",
        ):
            crl_envs.make(id, n_agents=100_001, render_mode=mode)

    def test_text_of_too_many_agents(self, id: str) -> None:
        env = crl_envs.make(id, n_agents=100_001, render_mode="ansi")
        env.reset(seed=0)
        lines = env.render().splitlines()
        assert len(lines) < 30
        assert any("100000" in line for line in lines)

    @pytest.mark.parametrize("mode", ["human", "rgb_array"])
    def test_without_matplotlib(self, id: str, mode: str, monkeypatch: pytest.MonkeyPatch) -> None:
        def missing(distribution: str, minimum: str, extra: str) -> None:
            raise MissingLibraryError(f"{distribution} isn't installed: {install_hint(extra)}")

        monkeypatch.setattr(renderer, "require", missing)
        with pytest.raises(
            MissingLibraryError, match=r"matplotlib.*pip install 'crl-envs\[render\]'"
        ):
            crl_envs.make(id, render_mode=mode)
        crl_envs.make(id, render_mode="ansi")

    def test_frames_through_wrappers(self, id: str) -> None:
        frames = []
        for wrap in (
            lambda env: env,
            GlobalReward,
            DifferenceReward,
            AristocratReward,
            lambda env: NoisyReward(env, scale=0.5),
            lambda env: NoisyReward(GlobalReward(env), scale=0.5),
        ):
            env = wrap(crl_envs.make(id, n_agents=4, render_mode="rgb_array"))
            play(env, 1)
            assert env.metadata["render_fps"] > 0
            assert env.render_mode == "rgb_array"
            frames.append(env.render())
            env.close()
        for frame in frames[1:]:
            np.testing.assert_array_equal(frame, frames[0])

    def test_frames_of_the_joint_form(self, id: str) -> None:
        """Through Gymnasium's registry and its collecting wrapper."""
        name, version = id.rsplit("-", 1)
        env = gymnasium.make(f"{name}-joint-{version}", n_agents=3, render_mode="rgb_array")
        collected = RenderCollection(env)
        collected.reset(seed=0)
        collected.step(np.zeros(3, int) + (id == LOAD) * np.array([1, 0, 0]))
        frames = collected.render()
        assert [frame.shape for frame in frames] == [(600, 900, 3)] * 2
        assert isinstance(env.unwrapped, JointAction)
        env.close()


def test_a_world_of_its_own_kind_refuses_what_it_lacks() -> None:
    from tests.core.toy import ToyEnv

    with pytest.raises(
        ValueError, match="render_mode must be None, got 'ansi': ToyEnv has no render"
    ):
        ToyEnv(render_mode="ansi")


def test_matplotlib_is_imported_by_the_first_picture() -> None:
    script = (
        "import crl_envs, sys\n"
        "for mode in ('ansi', 'rgb_array'):\n"
        f"    envs = [crl_envs.make(id, n_agents=4, render_mode=mode) for id in {WORLDS}]\n"
        "    for env in envs:\n"
        "        env.reset(seed=0)\n"
        "        mode == 'ansi' and env.render()\n"
        "before = 'matplotlib' in sys.modules\n"
        "for env in envs:\n"
        "    env.render()\n"
        "print(before, 'matplotlib' in sys.modules, 'matplotlib.pyplot' in sys.modules)\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", script],
        capture_output=True,
        text=True,
        check=True,
        cwd=Path(__file__).parents[2],
    )
    assert done.stdout.split() == ["False", "True", "False"]


def test_steps_without_a_mode_cost_nothing() -> None:
    """There is no renderer to be asked, and no module of it."""
    script = (
        "import crl_envs, sys\n"
        f"env = crl_envs.make('{SYSADMIN}', n_agents=4)\n"
        "env.reset(seed=0)\n"
        "env.step(dict.fromkeys(env.agents, 0))\n"
        "print(env._renderer, any('crl_envs.rendering' in name for name in sys.modules))\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", script],
        capture_output=True,
        text=True,
        check=True,
        cwd=Path(__file__).parents[2],
    )
    assert done.stdout.split() == ["None", "False"]


class TestSkippedSteps:
    def fast(self, env: Any, steps: int) -> None:
        """A compiled loop, as learners have it: here the first load's holder stores it, in Python."""

        def run(world: Any, state: Any, stream: Any, most: int) -> int:
            for _ in range(steps):
                action = (state.head >= 0).astype(np.int64)
                fresh = world.transition(state, action, stream)
                for old, new in zip(state, fresh, strict=True):
                    old[...] = new
            return steps

        assert env.fast_forward(run) == steps

    @pytest.mark.parametrize("n", [6, 150])
    def test_single_steps_are_seen_as_if_they_were_not_skipped(self, n: int) -> None:
        """Load balancing's rewards can be read from its state."""
        arguments = {"n_agents": n, "cost_model": "gradient", "backend": "numpy"}
        fast = crl_envs.make(LOAD, render_mode="rgb_array", **arguments)
        slow = crl_envs.make(LOAD, render_mode="rgb_array", **arguments)
        _, infos = slow.reset(seed=0)
        fast.reset(seed=0)
        for _ in range(5):
            self.fast(fast, 1)
            _, _, _, _, infos = slow.step({a: int(infos[a]["action_mask"][1]) for a in slow.agents})
        assert slow._renderer.moment.team_return < 0
        np.testing.assert_array_equal(fast.render(), slow.render())

    def test_several_at_once(self) -> None:
        """The present state is shown; the history has a gap, and the return isn't known any more."""
        env = crl_envs.make(LOAD, n_agents=150, render_mode="ansi", backend="numpy")
        env.reset(seed=0)
        self.fast(env, 7)
        text = env.render()
        assert "step 7 · return unknown (steps were skipped)" in text
        assert "7 of 3360 places taken" in text
        history = env._renderer.history
        seen = ~np.isnan(history.levels[0])
        assert np.flatnonzero(seen).tolist() == [history.width - 8, history.width - 1]
        env.reset()
        assert "return 0.00" in env.render()
