"""BenchMARL's algorithms as learners of the bench: what they learn, that nothing disturbs them, what they refuse."""

from __future__ import annotations

import tempfile
import warnings
from importlib.metadata import entry_points
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from gymnasium.vector import VectorWrapper

import crl_envs
from crl_envs.bench.contract import Traits
from crl_envs.wrappers import GlobalReward, NoisyReward
from tests.adapters.foreign import Foreign
from tests.core.toy import ToyEnv

with warnings.catch_warnings():
    # TorchRL warns of classes of its own while it is imported.
    warnings.filterwarnings("ignore", "Creating .* which inherits from", DeprecationWarning)
    pytest.importorskip("benchmarl")
    import torch

    from agents.libraries.benchmarl import IPPO, MAPPO, QMIX, VDN

torch.set_num_threads(1)

LEARNERS = [IPPO, MAPPO, VDN, QMIX]
POLICY_GRADIENT, VALUE = [IPPO, MAPPO], [VDN, QMIX]
SMALL = {"rollout_steps": 20, "hidden": (16,)}
RING = {"n_agents": 3, "horizon": 10}


def small(cls: Any, env: Any = None, **config: Any) -> Any:
    fewer = {"minibatch_steps": 10, "epochs": 2} if cls in POLICY_GRADIENT else {"updates": 2}
    env = crl_envs.make_vec("crl/sysadmin-v0", **RING) if env is None else env
    return cls(env, **SMALL, **fewer, **config)


def mean_return(act: Any, copies: int = 200) -> float:
    """Mean over agents and episodes of the ring."""
    env = crl_envs.make_vec("crl/sysadmin-v0", copies, **RING)
    observations, _ = env.reset(seed=1000)
    total = 0.0
    for _ in range(RING["horizon"]):
        observations, rewards, *_ = env.step(act(observations))
        total += float(rewards.mean())
    return total


@pytest.mark.parametrize(
    ("cls", "config", "steps"),
    [
        (IPPO, {"learning_rate": 3e-3, "epochs": 5}, 800),
        (MAPPO, {"learning_rate": 3e-3, "epochs": 5}, 1000),
        pytest.param(IPPO, {"rewards": "global"}, 3000, marks=pytest.mark.slow),
        pytest.param(MAPPO, {"rewards": "global"}, 3000, marks=pytest.mark.slow),
        (VDN, {"epsilon_steps": 500}, 600),
        (QMIX, {"epsilon_steps": 500}, 600),
    ],
)
def test_it_learns(cls: Any, config: Any, steps: int) -> None:
    """At random 4.3, at best 8.6; more than two thirds of the way."""
    learner = cls(crl_envs.make_vec("crl/sysadmin-v0", **RING), **config)
    rng = np.random.default_rng(0)
    at_random = mean_return(lambda seen: rng.integers(0, 2, seen.shape[:2]))
    best = crl_envs.make("crl/sysadmin-v0", **RING).unwrapped.optimum().value
    learner.learn(total_steps=steps)
    found = mean_return(lambda seen: learner.act(seen, cls.evaluates_greedily))
    assert found > at_random + 2 / 3 * (best - at_random)


@pytest.mark.parametrize("cls", LEARNERS)
def test_stretches_make_one_run_that_only_the_seed_decides(cls: Any) -> None:
    observations = np.random.default_rng(1).integers(0, 2, (5, 3))
    alone = small(cls, seed=4).learn(total_steps=80)
    other = small(cls, seed=5).learn(total_steps=80)
    stretched = small(cls, seed=4)
    before = torch.get_rng_state(), np.random.get_state()[1].copy()  # noqa: NPY002
    for steps in (20, 40, 20):
        stretched.learn(total_steps=steps)
        stretched.act(observations)
        torch.manual_seed(steps)
    assert stretched.history == alone.history
    chances = alone.probabilities(observations, None)
    np.testing.assert_array_equal(stretched.probabilities(observations, None), chances)
    assert other.history != alone.history
    torch.set_rng_state(before[0])
    small(cls, seed=6).learn(total_steps=20)
    assert torch.equal(torch.get_rng_state(), before[0]), "torch's own stream was drawn from"
    assert (np.random.get_state()[1] == before[1]).all(), "and NumPy's"  # noqa: NPY002


@pytest.mark.parametrize("cls", LEARNERS)
@pytest.mark.parametrize("noise", [0.0, 0.5])
def test_steps_of_all_copies_count(cls: Any, noise: float) -> None:
    env = crl_envs.make_vec("crl/sysadmin-v0", **RING)
    learner = small(cls, NoisyReward(env, noise), copies=2).learn(total_steps=35)
    assert learner.vec.num_envs == 2
    assert learner.env_steps[0] == 40
    assert [entry["steps"] for entry in learner.history] == [10] * 4


class Counted(VectorWrapper):
    """Counts the steps of an environment and keeps its rewards."""

    def __init__(self, env: Any) -> None:
        super().__init__(env)
        self.rewards: list[Any] = []

    def step(self, actions: Any) -> Any:
        result = self.env.step(actions)
        self.rewards.append(result[1][0])
        return result


@pytest.mark.parametrize("cls", LEARNERS)
def test_it_learns_from_the_environment_it_was_given_and_measures_own_rewards(cls: Any) -> None:
    env = Counted(crl_envs.make_vec("crl/sysadmin-v0", **RING))
    learner = small(cls, NoisyReward(env, 0.5), rewards="global", copies=1)
    learner.learn(total_steps=50)
    assert len(env.rewards) == learner.env_steps[0] == 60, "whole rollouts"
    assert learner.episodes == len(learner.history) == 6
    for k, entry in enumerate(learner.history):
        own = np.stack(env.rewards[10 * k : 10 * k + 10])
        assert entry["episode"] == k
        assert entry["steps"] == 10
        assert entry["local_return_mean"] == pytest.approx(own.sum(0).mean(), rel=1e-5)
        assert entry["global_return"] == pytest.approx(own.mean(1).sum(), rel=1e-5)


@pytest.mark.parametrize("cls", LEARNERS)
def test_masks_are_obeyed(cls: Any) -> None:
    env = crl_envs.make_vec("crl/load_balancing-v0", n_agents=5, capacity=3, max_steps=40)
    learner = small(cls, env).learn(total_steps=60)
    others = crl_envs.make_vec("crl/load_balancing-v0", 8, n_agents=5, capacity=3, max_steps=40)
    observations, infos = others.reset(seed=0)
    n_forbidden = 0
    for _ in range(30):
        masks = infos["action_mask"]
        chances = learner.probabilities(observations, masks)
        assert chances.shape == masks.shape
        np.testing.assert_allclose(chances.sum(-1), 1.0, rtol=1e-5)
        assert (chances[masks == 0] == 0).all()
        n_forbidden += int((masks == 0).sum())
        actions = learner.act(observations, action_masks=masks)
        observations, *_, infos = others.step(actions)
        assert not infos["illegal_action"].any()
    assert n_forbidden > 0


@pytest.mark.parametrize("cls", LEARNERS)
def test_acting_on_dicts_and_on_worlds_of_the_dict_view(cls: Any) -> None:
    env = ToyEnv()
    learner = small(cls, env).learn(total_steps=20)
    observations, infos = env.reset(seed=0)
    masks = {agent: info["action_mask"] for agent, info in infos.items()}
    for deterministic in (False, True):
        actions = learner.act(observations, deterministic, action_masks=masks)
        assert all(masks[agent][action] for agent, action in actions.items())


def test_values_are_acted_on_greedily_and_policies_by_chance() -> None:
    observations = np.random.default_rng(0).integers(0, 2, (4, 3))
    for cls in VALUE:
        assert Traits(cls).evaluates_greedily
        chances = small(cls).probabilities(observations, None)
        assert set(np.unique(chances)) == {0.0, 1.0}
    for cls in POLICY_GRADIENT:
        assert not Traits(cls).evaluates_greedily
        chances = small(cls).probabilities(observations, None)
        assert ((chances > 0) & (chances < 1)).all()


@pytest.mark.parametrize("cls", LEARNERS)
def test_without_shared_parameters_agents_have_their_own(cls: Any) -> None:
    observations = np.zeros((1, 3), np.int64)
    sizes = []
    for share in (True, False):
        learner = small(cls, agent_ids=False, share_parameters=share).learn(total_steps=20)
        policy = learner.experiment.algorithm.get_policy_for_loss("agents")
        sizes.append(sum(p.numel() for p in policy.parameters()))
        if share:
            chances = learner.probabilities(observations, None)
            np.testing.assert_array_equal(chances, chances[:, :1].repeat(3, 1))
    assert sizes[1] == 3 * sizes[0]


@pytest.mark.parametrize("cls", LEARNERS)
def test_nothing_is_written_or_said(
    cls: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    small(cls).learn(total_steps=40)
    assert list(tmp_path.iterdir()) == []
    assert capfd.readouterr() == ("", "")


def test_entry_points() -> None:
    found = {e.name: e for e in entry_points(group="crl_envs.learners")}
    for cls in LEARNERS:
        assert found[f"benchmarl-{cls.__name__.lower()}"].load() is cls


class TestBadInput:
    @pytest.mark.parametrize("cls", LEARNERS)
    def test_a_number_of_episodes(self, cls: Any) -> None:
        with pytest.raises(ValueError, match="give total_steps, not total_episodes"):
            small(cls).learn(total_episodes=3)

    @pytest.mark.parametrize("cls", VALUE)
    def test_local_rewards_of_one_value(self, cls: Any) -> None:
        with pytest.raises(ValueError, match="rewards must be one of 'global', got 'local'"):
            small(cls, rewards="local")

    def test_another_environment(self) -> None:
        with pytest.raises(ValueError, match=r"adapter of crl_envs\.adapters"):
            IPPO(Foreign())

    def test_rewards_that_are_global_already(self) -> None:
        env = GlobalReward(crl_envs.make_vec("crl/sysadmin-v0", **RING))
        learner = small(IPPO, env, copies=1).learn(total_steps=20)
        assert learner.history[0]["local_return_mean"] == pytest.approx(
            learner.history[0]["global_return"]
        )

    @pytest.mark.parametrize(
        ("cls", "arguments", "message"),
        [
            (IPPO, {"learning_rate": 0}, r"learning_rate must be a finite number in \(0, 1e\+30\]"),
            (IPPO, {"hidden": (64, 0)}, "hidden must be an integer ≥ 1, got 0"),
            (IPPO, {"minibatch_steps": 300}, r"minibatch_steps must be an integer in \[1, 100\]"),
            (IPPO, {"copies": 3}, "rollout_steps must be a multiple of copies, 3, got 100"),
            (VDN, {"copies": 0}, "copies must be an integer ≥ 1, got 0"),
            (IPPO, {"gamma": 1.5}, "gamma must be"),
            (MAPPO, {"gae_lambda": -1}, "gae_lambda must be"),
            (MAPPO, {"seed": -1}, "seed must be"),
            (VDN, {"epsilon_end": 2}, "epsilon_end must be"),
            (VDN, {"memory_steps": 10}, "memory_steps must be an integer ≥ 40"),
            (QMIX, {"target_rate": 0}, r"target_rate must be a finite number in \(0, 1\]"),
            (QMIX, {"clip": 0.1}, "QMIX has no argument 'clip'"),
            (IPPO, {"share_parameters": "yes"}, "share_parameters must be True or False"),
        ],
    )
    def test_hyperparameters(self, cls: Any, arguments: Any, message: str) -> None:
        with pytest.raises(ValueError, match=message):
            cls(crl_envs.make_vec("crl/sysadmin-v0", **RING), **arguments)
