"""What somebody who comes from Gymnasium expects: `check_env`, specs, a repr that says what one has, recorded films."""

from __future__ import annotations

import copy
import pickle
import sys
from pathlib import Path
from typing import Any

import gymnasium
import networkx as nx
import numpy as np
import pytest
from gymnasium.utils.env_checker import check_env
from gymnasium.wrappers import RecordVideo

import crl_envs
from crl_envs.wrappers import GlobalReward, JointAction, NoisyObservation, NumericInfos
from tests.worlds import IDS, needed

# What makes an environment of each id small; one that ends after its first step `check_env` doesn't take.
SMALL: dict[str, dict[str, Any]] = {
    "crl/coordination_game-v0": {"n_agents": 4, "horizon": 5},
    "crl/load_balancing-v0": {},
    "crl/local_rule-v0": {"rule": "examples/rumours.json", "n_agents": 4},
    "crl/routing-v0": {},
}


def small(id: str) -> dict[str, Any]:
    return SMALL[id] if id in SMALL else needed(id, n_agents=5)


@pytest.mark.parametrize("id", IDS)
def test_check_env_passes_headless(id: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Under Agg, which opens no window, and with warnings as errors."""
    monkeypatch.chdir(Path(__file__).parents[2])
    env = gymnasium.make(id.replace("-v", "-joint-v"), **small(id)).unwrapped
    check_env(env)
    assert env.metadata["render_modes"] == ["rgb_array", "ansi"]


def test_check_env_passes_without_extras(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("matplotlib", "numba", "PIL", "scipy"):
        monkeypatch.setitem(sys.modules, name, None)
    from crl_envs.rendering import renderer

    def missing(distribution: str, minimum: str, extra: str) -> None:
        raise ImportError(distribution)

    monkeypatch.setattr(renderer, "require", missing)
    env = gymnasium.make("crl/sysadmin-joint-v0", n_agents=3).unwrapped
    assert env.metadata["render_modes"] == ["ansi"]
    check_env(env)


def test_a_mode_that_does_not_work_here_still_says_why() -> None:
    with pytest.raises(ValueError, match="render_mode='human' needs a display"):
        gymnasium.make("crl/sysadmin-joint-v0", render_mode="human")


@pytest.mark.parametrize("make", [crl_envs.make_vec, crl_envs.make_gym_vec])
@pytest.mark.parametrize("more", [{}, {"encode": "onehot", "autoreset_mode": "SameStep"}])
def test_the_spec_of_a_vector_env_makes_the_same_again(make: Any, more: dict[str, Any]) -> None:
    vec = make("crl/sysadmin-v0", num_envs=3, n_agents=4, dynamics="ippc2011", **more)
    again: Any = gymnasium.make_vec(vec.spec)
    assert type(again) is type(vec) and again.spec.id == vec.spec.id == "crl/sysadmin-v0"
    assert (
        repr(again)
        == repr(vec)
        == f"{type(vec).__name__}(crl/sysadmin-v0, num_envs={vec.num_envs})"
    )
    assert again.metadata["autoreset_mode"] is vec.metadata["autoreset_mode"]
    action = vec.action_space.sample() * 0
    for one, other in [
        (vec.reset(seed=7)[0], again.reset(seed=7)[0]),
        (vec.step(action)[0], again.step(action)[0]),
    ]:
        np.testing.assert_array_equal(one, other)


@pytest.mark.parametrize(
    ("id", "arguments", "shown"),
    [
        ("crl/sysadmin-v0", {}, "SysadminEnv(n_agents=10)"),
        ("crl/sysadmin-v0", {"horizon": 20, "n_agents": 4}, "SysadminEnv(n_agents=4)"),
        (
            "crl/sysadmin-v0",
            {"dynamics": "ippc2011", "encode": "onehot"},
            "SysadminEnv(n_agents=10, dynamics='ippc2011', encode='onehot')",
        ),
        ("crl/bandit-v0", {"n_agents": 7}, "BanditEnv(n_agents=7)"),
    ],
)
def test_repr_has_the_class_and_what_differs_from_the_defaults(
    id: str, arguments: dict[str, Any], shown: str
) -> None:
    env = crl_envs.make(id, **arguments)
    assert repr(env) == str(env) == shown
    assert repr(copy.deepcopy(env)) == repr(pickle.loads(pickle.dumps(env))) == shown


def test_repr_is_short_whatever_the_arguments_are() -> None:
    graph = nx.cycle_graph(2000)
    assert len(repr(crl_envs.make("crl/sysadmin-v0", topology=graph))) < 300


@pytest.mark.parametrize("wrap", [GlobalReward, JointAction, NumericInfos])
def test_repr_of_a_wrapper_has_what_is_in_it(wrap: Any) -> None:
    env = NoisyObservation(crl_envs.make("crl/sysadmin-v0", n_agents=2), 0.1)
    assert repr(wrap(env)) == f"{wrap.__name__}(NoisyObservation(SysadminEnv(n_agents=2)))"


def test_record_video_films_the_joint_env(tmp_path: Path) -> None:
    pytest.importorskip("moviepy", reason="Gymnasium's RecordVideo needs it")
    made = gymnasium.make("crl/sysadmin-joint-v0", n_agents=3, horizon=3, render_mode="rgb_array")
    env = RecordVideo(made, str(tmp_path / "videos"))
    env.reset(seed=0)
    for _ in range(3):
        env.step(env.action_space.sample())
    env.close()
    assert [path.suffix for path in (tmp_path / "videos").iterdir()] == [".mp4"]
