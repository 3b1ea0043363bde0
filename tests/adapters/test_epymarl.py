"""EPyMARL's view: what it is shown, what it learns, what it is told when it can't.

Tests that run EPyMARL take its folder from the environment variable EPYMARL, and are skipped without.
"""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import gymnasium
import numpy as np
import pytest
from gymnasium import spaces

import crl_envs
from crl_envs.adapters.epymarl import TupleEnv, register
from crl_envs.wrappers import GlobalReward
from tests.adapters.foreign import Asked, Constant, Foreign
from tests.worlds import needed

WORLDS: dict[str, tuple[Any, dict[str, Any]]] = {
    "horizon 1, terminated": ("crl/bandit-v0", {"n_agents": 3}),
    "horizon 5, truncated": ("crl/sysadmin-v0", {"n_agents": 3, "horizon": 5}),
    "foreign": (Foreign, {"n_agents": 4, "horizon": 5}),
}
EPYMARL = os.environ.get("EPYMARL")
needs_epymarl = pytest.mark.skipif(not EPYMARL, reason="EPYMARL is no folder of EPyMARL")


@pytest.mark.parametrize("rewards", ["local", "global"])
@pytest.mark.parametrize(("world", "kwargs"), WORLDS.values(), ids=WORLDS)
def test_it_shows_what_the_dict_env_shows(world: Any, kwargs: Any, rewards: Any) -> None:
    env = TupleEnv(world, rewards=rewards, **kwargs)
    made = crl_envs.make(world, **kwargs) if isinstance(world, str) else world(**kwargs)
    twin, rng = GlobalReward(made), np.random.default_rng(0)
    agents = twin.possible_agents
    assert env.n_agents == len(agents)
    seen, info = env.reset(seed=11)
    first, _ = twin.reset(seed=11)
    assert info == {}
    own_sum = 0.0
    for _ in range(12):
        assert seen in env.observation_space
        assert [int(row) for row in seen] == [int(row) for row in first.values()]
        actions = rng.integers(2, size=len(agents))
        seen, given, terminated, truncated, info = env.step(tuple(actions))
        first, team, over, cut, told = twin.step(dict(zip(agents, actions.tolist(), strict=True)))
        own = [told[agent]["local_reward"] for agent in agents]
        own_sum += sum(own)
        assert given == pytest.approx(own if rewards == "local" else list(team.values()))
        assert (terminated, truncated) == (all(over.values()), all(cut.values()))
        if twin.agents:
            assert info == {}
            continue
        assert info["episode_limit"] is truncated
        assert info["local_return"] == pytest.approx(own_sum / len(agents))
        assert info["global_return"] == pytest.approx(own_sum / len(agents))
        # The last observation is the episode's own.
        assert [int(row) for row in seen] == [int(row) for row in first.values()]
        (seen, _), (first, _), own_sum = env.reset(), twin.reset(), 0.0


def test_gymnasium_makes_every_id_of_ours() -> None:
    for id in crl_envs.registered_ids():
        name, version = id.rsplit("-", 1)
        key = f"crl_envs.adapters.epymarl:{name}-tuple-{version}"
        given = needed(id, n_agents=5)
        env = gymnasium.make(key, **given)
        assert env.unwrapped.n_agents == len(env.action_space) == given["n_agents"]  # type: ignore[attr-defined,arg-type]
        seen, _ = env.reset(seed=1)
        assert seen in env.observation_space


def test_anybodys_environment_can_be_registered() -> None:
    register("tests/constant-v0", Constant, horizon=3)
    register("tests/constant-v0", Constant, horizon=3)
    env = gymnasium.make("tests/constant-v0", n_agents=2)
    env.reset()
    assert env.step((0, 1))[1] == [1.0, 1.0]
    with pytest.raises(ValueError, match="'tests/constant-v0' is registered already"):
        register("tests/constant-v0", Constant, horizon=4)


def test_forbidden_actions_raise_unless_ignored() -> None:
    env = TupleEnv("crl/load_balancing-v0", n_agents=3, n_loads=4)
    env.reset(seed=0)
    with pytest.raises(ValueError, match=r"agent_\d chose action 1, which its action mask forbids"):
        for _ in range(50):
            env.step((1, 1, 1))
    env = TupleEnv("crl/load_balancing-v0", n_agents=3, n_loads=4, masks="ignore")
    env.reset(seed=0)
    for _ in range(50):
        env.step((1, 1, 1))


class Unequal(Constant):
    def observation_space(self, agent: str) -> Any:
        return spaces.Discrete(3 if agent == "agent_1" else 2)


class Leaver(Constant):
    """Its first agent leaves first."""

    def step(self, actions: dict[str, Any]) -> Any:
        everything = super().step(actions)
        self.agents = self.agents[1:]
        return everything


def test_bad_environments_are_refused() -> None:
    with pytest.raises(
        ValueError, match="agent_0 has Discrete\\(2\\), agent_1 has Discrete\\(3\\)"
    ):
        TupleEnv(Unequal)
    with pytest.raises(ValueError, match="env must be an id or a callable"):
        TupleEnv(Constant())  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="rewards must be one of"):
        TupleEnv(Constant, rewards="team")  # type: ignore[arg-type]
    env = TupleEnv(Leaver)
    env.reset()
    with pytest.raises(ValueError, match=r"\['agent_0'\] left or came later than others"):
        env.step((0, 0))


def epymarl(tmp_path: Path, key: str, *settings: str, algorithm: str = "vdn") -> str:
    """What EPyMARL prints."""
    (tmp_path / "smaclite.py").touch()  # imported and not used
    (tmp_path / "theirs.py").write_text(
        "from crl_envs.adapters.epymarl import register\n"
        "from tests.adapters.foreign import Constant\n"
        "register('theirs/constant-v0', Constant)\n"
    )
    path = os.pathsep.join([str(tmp_path), str(Path(__file__).parents[2])])
    done = subprocess.run(
        [
            *(sys.executable, str(Path(EPYMARL or "", "src", "main.py").resolve())),
            *(f"--config={algorithm}", "--env-config=gymma", "--force", "with"),
            *(f"env_args.key={key}", "use_cuda=False", "seed=1", *settings),
        ],
        env={**os.environ, "PYTHONPATH": path},
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, (done.stdout + done.stderr)[-3000:]
    return done.stdout + done.stderr


def logged(what: str, printed: str) -> list[float]:
    return [float(text) for text in re.findall(rf"\b{what}:\s+(\S+)", printed)]


@needs_epymarl
def test_the_reward_of_a_bandit_arrives_and_vdn_learns_it(tmp_path: Path) -> None:
    """Random 0.5, optimum 0.8; 200 episodes a test, so that 0.7 is ten errors from random."""
    printed = epymarl(
        tmp_path,
        "crl_envs.adapters.epymarl:crl/bandit-tuple-v0",
        *("env_args.n_agents=3", "env_args.time_limit=1", "reward_scalarisation=mean"),
        *("t_max=2000", "test_interval=1000", "test_nepisode=200", "log_interval=1000"),
        *("epsilon_anneal_time=1000", "lr=0.005", "target_update_interval_or_tau=0.05"),
    )
    returns = logged("test_return_mean", printed)
    assert returns == pytest.approx(logged("test_local_return_mean", printed), abs=1e-3)
    assert logged("test_episode_limit_mean", printed) == [0.0] * len(returns)
    assert returns[-1] > 0.7
    assert logged("test_ep_length_mean", printed) == [1.0] * len(returns)


@needs_epymarl
@pytest.mark.parametrize(("scalarisation", "team"), [("sum", 2.0), ("mean", 1.0)])
def test_it_adds_up_rewards_and_knows_truncation(
    tmp_path: Path, scalarisation: str, team: float
) -> None:
    printed = epymarl(
        tmp_path,
        "theirs:theirs/constant-v0",
        *("env_args.horizon=5", "env_args.time_limit=5", f"reward_scalarisation={scalarisation}"),
        *("t_max=50", "test_interval=50", "test_nepisode=4", "log_interval=25"),
        "runner_log_interval=5",
    )
    assert set(logged("test_return_mean", printed)) == {5 * team}
    assert set(logged("return_mean", printed)) == {5 * team}
    assert set(logged("test_local_return_mean", printed)) == {5.0}
    assert set(logged("test_episode_limit_mean", printed)) == {1.0}
    assert set(logged("test_ep_length_mean", printed)) == {5.0}


@needs_epymarl
@pytest.mark.parametrize(("ends", "value"), [("truncated", 2.0), ("terminated", 1.0)])
def test_values_know_truncation_from_termination(tmp_path: Path, ends: str, value: float) -> None:
    """Reward 1 in episodes of one step, γ = 1/2: worth 1 where that is the end, else 1 + 1/2 + 1/4 + …"""
    printed = epymarl(
        tmp_path,
        "theirs:theirs/constant-v0",
        *("env_args.horizon=1", "env_args.time_limit=1", f"env_args.ends={ends}"),
        *("env_args.n_agents=1", "gamma=0.5", "standardise_rewards=False", "lr=0.01"),
        *("t_max=600", "test_interval=10000", "test_nepisode=1", "log_interval=590"),
        *("target_update_interval_or_tau=0.1", "learner_log_interval=10", "use_rnn=False"),
        algorithm="iql",
    )
    assert logged("q_taken_mean", printed)[-1] == pytest.approx(value, abs=0.1)


@needs_epymarl
def test_same_seed_same_curve(tmp_path: Path) -> None:
    settings = (
        *("env_args.n_agents=3", "env_args.horizon=5", "env_args.time_limit=5", "t_max=400"),
        *("test_interval=200", "test_nepisode=10", "log_interval=200", "common_reward=False"),
    )
    curves = [
        logged(
            "test_total_return_mean",
            epymarl(
                tmp_path,
                "crl_envs.adapters.epymarl:crl/sysadmin-tuple-v0",
                *settings,
                algorithm="iql",
            ),
        )
        for _ in range(2)
    ]
    assert curves[0] == curves[1]
    assert len(set(curves[0])) > 1


def test_pictures_and_options() -> None:
    drawn = gymnasium.make("crl/sysadmin-tuple-v0", n_agents=3, render_mode="rgb_array")
    drawn.reset(seed=0)
    assert drawn.render().shape == (600, 900, 3)
    asked = TupleEnv(Asked)
    asked.reset(options={"level": 2})
    assert asked.columns.envs[0].options == {"level": 2}
