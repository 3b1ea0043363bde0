"""AgileRL's view: what it is shown, what it learns, what it is told when it can't."""

from __future__ import annotations

import random
from typing import Any

import numpy as np
import pytest
from gymnasium import spaces

import crl_envs
from crl_envs.wrappers import GlobalReward
from tests.adapters.foreign import Asked, Constant, Foreign

pytest.importorskip("agilerl")

import torch

from crl_envs.adapters.agilerl import AgileVecEnv, make_vec_env

# AgileRL warns of what it lacks when it is imported.
pytestmark = pytest.mark.filterwarnings("ignore")
torch.set_num_threads(1)

WORLDS: dict[str, tuple[Any, dict[str, Any]]] = {
    "horizon 1, terminated": ("crl/bandit-v0", {"n_agents": 3, "agent_ids": True}),
    "horizon 5, truncated": ("crl/sysadmin-v0", {"n_agents": 3, "horizon": 5}),
    "foreign": (Foreign, {"n_agents": 4, "horizon": 5}),
}


@pytest.mark.parametrize("policies", ["own", "shared"])
@pytest.mark.parametrize("rewards", ["local", "global"])
@pytest.mark.parametrize(("world", "kwargs"), WORLDS.values(), ids=WORLDS)
def test_it_shows_what_the_dict_envs_show(
    world: Any, kwargs: Any, rewards: Any, policies: Any
) -> None:
    copies, rng = 2, np.random.default_rng(0)
    env = make_vec_env(world, copies, policies=policies, rewards=rewards, seed=11, **kwargs)
    kwargs = {key: value for key, value in kwargs.items() if key != "agent_ids"}
    make = (lambda **k: crl_envs.make(world, **k)) if isinstance(world, str) else world
    twins = [GlobalReward(make(**kwargs)) for _ in range(copies)]
    agents = twins[0].possible_agents
    n = len(agents)

    def table(by_agent: Any) -> Any:
        """``(B, n, …)`` of what is by agent."""
        if policies == "shared":
            return by_agent["agent"].reshape(copies, n, *by_agent["agent"].shape[1:])
        return np.stack([by_agent[agent.replace("_", "-")] for agent in agents], 1)

    seen, _ = env.reset()
    first = [twin.reset(seed=11 + b)[0] for b, twin in enumerate(twins)]
    total = 0.0
    for _ in range(12):
        for b in range(copies):
            for i, agent in enumerate(agents):
                assert table(seen)[b, i][first[b][agent]] == 1.0
        actions = {agent: rng.integers(2, size=env.num_envs) for agent in env.agents}
        seen, given, terminated, truncated, infos = env.step(actions)
        for b, twin in enumerate(twins):
            chosen = dict(zip(agents, table(actions)[b].tolist(), strict=True))
            first[b], team, over, cut, told = twin.step(chosen)
            own = {agent: told[agent]["local_reward"] for agent in agents}
            total += sum(own.values())
            paid = own if rewards == "local" else team
            assert table(given)[b].tolist() == pytest.approx(list(paid.values()))
            assert table(terminated)[b].tolist() == list(over.values())
            assert table(truncated)[b].tolist() == list(cut.values())
            if not twin.agents:
                final = table({a: info["final_observation"] for a, info in infos.items()})
                for i, agent in enumerate(agents):
                    assert final[b, i][first[b][agent]] == 1.0
                first[b], _ = twin.reset()
    assert env.tally.env_steps == 24
    returned = sum(episode.agent_returns.sum() for episode in env.tally.episodes)
    unfinished = 12 % 5 if "horizon" in kwargs else 0
    assert returned == pytest.approx(total) if unfinished == 0 else returned < total


def test_names_keep_agilerl_from_grouping_agents() -> None:
    """Data of grouped agents is mixed up in its IPPO: observations by agent, advantages by step."""
    env = make_vec_env("crl/sysadmin-v0", 2, policies="own", n_agents=3)
    assert env.agents == ["agent-0", "agent-1", "agent-2"]
    assert not ippo(env).has_grouped_agents()


def ippo(env: AgileVecEnv, **config: Any) -> Any:
    from agilerl.algorithms import IPPO

    random.seed(0)
    np.random.seed(0)  # noqa: NPY002  (AgileRL draws from the global stream)
    torch.manual_seed(0)
    of = [env.single_observation_space, env.single_action_space]
    return IPPO(*([space(a) for a in env.agents] for space in of), agent_ids=env.agents, **config)


def trained(steps: int, id: str = "crl/sysadmin-v0", **config: Any) -> AgileVecEnv:
    from agilerl.training.train_multi_agent_on_policy import train_multi_agent_on_policy

    env = make_vec_env(id, 8, n_agents=3, agent_ids=True, seed=0)
    learner = ippo(env, learn_step=1200, batch_size=150, lr=3e-3, **config)
    train_multi_agent_on_policy(
        env, "test", "IPPO", [learner], max_steps=steps, evo_steps=steps, verbose=False
    )
    return env


@pytest.mark.parametrize(
    ("id", "gamma", "low", "high"),
    [("crl/sysadmin-v0", 0.9, 11.0, 14.0), ("crl/bandit-v0", 0.0, 0.6, 0.7)],
)
def test_ippo_learns(id: str, gamma: float, low: float, high: float) -> None:
    """Random: 9.0 and 0.5; optimum: 17.6 and 0.8. Means of 40 episodes and more."""
    env = trained(24_000, id, gamma=gamma)
    returns = [episode.local_return for episode in env.tally.episodes]
    many = max(40, len(returns) // 10)
    assert np.mean(returns[:40]) < low < high < np.mean(returns[-many:])


def test_it_takes_as_many_steps_as_asked_and_same_seed_same_curve() -> None:
    """AgileRL counts those of B·n environments; its last evaluation takes one episode more."""
    curves = [trained(2400, gamma=0.9).tally for _ in range(2)]
    assert curves[0].env_steps == 2400 // 3 + 8 * 20
    assert [e.local_return for e in curves[0].episodes] == [
        e.local_return for e in curves[1].episodes
    ]


def test_matd3_trains_on_own_policies() -> None:
    from agilerl.algorithms import MATD3
    from agilerl.components import ReplayBuffer
    from agilerl.training.train_multi_agent_off_policy import train_multi_agent_off_policy

    env = make_vec_env("crl/sysadmin-v0", 4, policies="own", n_agents=2, seed=0)
    of = [env.single_observation_space, env.single_action_space]
    learner = MATD3(
        *([space(a) for a in env.agents] for space in of),
        agent_ids=env.agents,
        vect_noise_dim=env.num_envs,
        batch_size=32,
        learn_step=8,
    )
    before = [p.detach().clone() for p in learner.actors.parameters()]
    train_multi_agent_off_policy(
        *(env, "test", "MATD3", [learner]),
        memory=ReplayBuffer(max_size=1000),
        max_steps=400,
        evo_steps=400,
        verbose=False,
    )
    assert env.tally.env_steps == 400 + 4 * 20
    changed = [
        bool((p != q).any()) for p, q in zip(learner.actors.parameters(), before, strict=True)
    ]
    assert any(changed)


def test_forbidden_actions_raise_unless_ignored_and_masks_are_shown() -> None:
    env = make_vec_env("crl/load_balancing-v0", 2, policies="own", n_agents=3, n_loads=4, seed=0)
    _, infos = env.reset()
    assert infos["agent-0"]["action_mask"].shape[0] == 2
    ones = {agent: np.ones(2, int) for agent in env.agents}
    with pytest.raises(ValueError, match=r"agent_\d chose action 1, which its action mask forbids"):
        for _ in range(50):
            env.step(ones)
    env = make_vec_env(
        "crl/load_balancing-v0", 2, policies="own", masks="ignore", n_agents=3, n_loads=4
    )
    env.reset()
    for _ in range(50):
        env.step(ones)


class Unequal(Constant):
    def action_space(self, agent: str) -> Any:
        return spaces.Discrete(3 if agent == "agent_1" else 2)


def test_bad_arguments_are_refused() -> None:
    with pytest.raises(
        ValueError, match="agent_0 has Discrete\\(2\\), agent_1 has Discrete\\(3\\)"
    ):
        make_vec_env(Unequal)
    with pytest.raises(ValueError, match="policies must be one of 'shared', 'own', got 'all'"):
        make_vec_env(Constant, policies="all")  # type: ignore[arg-type]
    with pytest.raises(ValueError, match=r"observations are one number.*agent_ids=True"):
        make_vec_env("crl/bandit-v0")


def test_pictures_and_options() -> None:
    drawn = make_vec_env("crl/sysadmin-v0", 2, n_agents=3, render_mode="rgb_array")
    drawn.reset(seed=0)
    assert [frame.shape for frame in drawn.render()] == [(600, 900, 3)] * 2
    asked = make_vec_env(Asked, 2, agent_ids=True)
    asked.reset(options={"level": 2})
    assert [env.options for env in asked.columns.envs] == [{"level": 2}] * 2
