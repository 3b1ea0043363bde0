"""The mode ``human``, in windows that nobody sees."""

from __future__ import annotations

import os
import pickle
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import crl_envs
from tests.rendering.playing import BANDIT, LOAD, SYSADMIN

ROOT = Path(__file__).parents[2]


def shown(env: Any) -> Any:
    return env._renderer._window._image.get_array()


@pytest.mark.parametrize("id", [BANDIT, SYSADMIN, LOAD])
def test_each_reset_and_step_redraws(id: str, interactive: None) -> None:
    """What the window shows is the frame of the mode rgb_array, and each frame has its time."""
    from matplotlib import pyplot

    from tests.rendering.interactive import FigureCanvas, FigureManager

    env = crl_envs.make(id, n_agents=4, render_mode="human")
    twin = crl_envs.make(id, n_agents=4, render_mode="rgb_array")
    assert pyplot.get_fignums() == []
    env.reset(seed=0)
    twin.reset(seed=0)
    np.testing.assert_array_equal(shown(env), twin.render())
    assert FigureManager.shown == 1
    actions = dict.fromkeys(env.agents, 0) | {"agent_0": 1}
    env.step(actions)
    twin.step(actions)
    np.testing.assert_array_equal(shown(env), twin.render())
    assert env.render() is None
    assert FigureCanvas.waits == [1 / env.metadata["render_fps"]] * 3
    assert len(pyplot.get_fignums()) == 1
    env.close()
    assert pyplot.get_fignums() == []
    env.close()


def test_a_window_that_its_user_closes_stays_closed_until_the_next_episode(
    interactive: None,
) -> None:
    from matplotlib import pyplot

    env = crl_envs.make(SYSADMIN, n_agents=4, render_mode="human")
    env.reset(seed=0)
    pyplot.close("all")
    env.step(dict.fromkeys(env.agents, 0))
    assert pyplot.get_fignums() == []
    env.reset()
    assert len(pyplot.get_fignums()) == 1
    env.close()


def test_a_copy_has_a_window_of_its_own(interactive: None) -> None:
    from matplotlib import pyplot

    env = crl_envs.make(SYSADMIN, n_agents=4, render_mode="human")
    env.reset(seed=0)
    other = pickle.loads(pickle.dumps(env))
    other.render()
    assert len(pyplot.get_fignums()) == 2
    other.close()
    assert len(pyplot.get_fignums()) == 1
    env.close()


def test_the_episode_is_the_same(interactive: None) -> None:
    env = crl_envs.make(SYSADMIN, n_agents=4, render_mode="human")
    plain = crl_envs.make(SYSADMIN, n_agents=4)
    assert repr(env.reset(seed=3)) == repr(plain.reset(seed=3))
    for _ in range(5):
        actions = dict.fromkeys(plain.agents, 1)
        assert repr(env.step(actions)) == repr(plain.step(actions))
    env.close()


@pytest.mark.parametrize("backend", [None, "agg", "tkagg"])
def test_without_a_display(backend: str | None) -> None:
    """A clear message with the other modes, when the environment is made; they then work."""
    script = (
        "import crl_envs\n"
        "try:\n"
        f"    crl_envs.make('{SYSADMIN}', render_mode='human')\n"
        "except ValueError as error:\n"
        "    print(error)\n"
        f"env = crl_envs.make('{SYSADMIN}', render_mode='rgb_array')\n"
        "env.reset(seed=0)\n"
        "print(env.render().shape)\n"
    )
    hidden = ("DISPLAY", "WAYLAND_DISPLAY", "MPLBACKEND")
    environment = {k: v for k, v in os.environ.items() if k not in hidden}
    if backend is not None:
        environment["MPLBACKEND"] = backend
    done = subprocess.run(
        [sys.executable, "-c", script],
        check=False,
        capture_output=True,
        text=True,
        cwd=ROOT,
        env=environment,
    )
    if sys.platform != "linux" and backend != "agg":
        pytest.skip("other systems always have a display")
    assert "render_mode='human' needs a display" in done.stdout, done.stderr
    assert "use render_mode='rgb_array' (frames) or render_mode='ansi' (text)" in done.stdout
    assert "(600, 900, 3)" in done.stdout
