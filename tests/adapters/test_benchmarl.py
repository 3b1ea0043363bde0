"""BenchMARL's view: the specs of a task, what an experiment does with it, what it is told when it can't."""

from __future__ import annotations

import importlib
import importlib.util
import json
import pickle
import warnings
from functools import partial
from importlib.metadata import PackageNotFoundError
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from crl_envs.adapters import MissingLibraryError
from tests.adapters.foreign import Constant, Foreign
from tests.core.toy import ToyEnv
from tests.wrappers.foreign import Leavers

with warnings.catch_warnings():
    # TorchRL warns of classes of its own while it is imported.
    warnings.filterwarnings("ignore", "Creating .* which inherits from", DeprecationWarning)
    pytest.importorskip("benchmarl")
    import torch
    from benchmarl.algorithms import (
        IppoConfig,
        MaddpgConfig,
        MappoConfig,
        QmixConfig,
        VdnConfig,
    )
    from benchmarl.experiment import Callback, Experiment, ExperimentConfig
    from benchmarl.models import DeepsetsConfig
    from benchmarl.models.mlp import MlpConfig

    from crl_envs.adapters import benchmarl as adapter
    from crl_envs.adapters.benchmarl import make_task

torch.set_num_threads(1)

pytestmark = [
    pytest.mark.filterwarnings("ignore:SyncDataCollector has been deprecated:DeprecationWarning"),
    pytest.mark.filterwarnings("ignore:No episode terminated this iteration:UserWarning"),
    pytest.mark.filterwarnings("ignore:size_average and reduce args:UserWarning"),
]

ALGORITHMS = [IppoConfig, MappoConfig, VdnConfig, QmixConfig]
RING = {"n_agents": 4, "horizon": 5}


class Seen(Callback):
    """Keeps what has been collected."""

    def __init__(self) -> None:
        super().__init__()
        self.batches: list[Any] = []

    def on_batch_collected(self, batch: Any) -> None:
        self.batches.append(batch.clone())


def experiment(task: Any, algorithm: Any, folder: Path, critic: Any = None, **settings: Any) -> Any:
    """A small one, which collects 30 frames at a time of 3 environments."""
    config = ExperimentConfig.get_from_yaml()
    for kind in ("on", "off"):
        setattr(config, f"{kind}_policy_n_envs_per_worker", 3)
        setattr(config, f"{kind}_policy_collected_frames_per_batch", 30)
    config.on_policy_minibatch_size = 15
    config.on_policy_n_minibatch_iters = config.off_policy_n_optimizer_steps = 2
    config.off_policy_train_batch_size = 20
    config.max_n_frames = 60
    config.lr = 1e-3
    config.evaluation, config.render, config.create_json = False, False, False
    config.loggers = []
    config.save_folder = str(folder)
    for name, value in settings.items():
        assert hasattr(config, name)
        setattr(config, name, value)
    model = MlpConfig(num_cells=[16], layer_class=torch.nn.Linear, activation_class=torch.nn.Tanh)
    made = Experiment(
        task,
        algorithm.get_from_yaml(),
        model,
        critic_model_config=critic,
        seed=3,
        config=config,
        callbacks=[Seen()],
    )
    made.learnt_in = made.collector.env.base_env  # which is gone from the collector afterwards
    return made


@pytest.mark.parametrize("rewards", ["local", "global"])
@pytest.mark.parametrize("algorithm", ALGORITHMS)
@pytest.mark.parametrize(
    ("world", "kwargs"),
    [("crl/sysadmin-v0", RING), (ToyEnv, {})],
    ids=["sysadmin", "toy"],
)
def test_experiments_run_on_our_worlds(
    world: Any, kwargs: Any, algorithm: Any, rewards: Any, tmp_path: Path
) -> None:
    run = experiment(make_task(world, rewards=rewards, **kwargs), algorithm, tmp_path)
    assert run.learnt_in is not run.test_env.base_env
    assert run.learnt_in.batch_size == (3,)
    run.run()
    learnt_in = run.learnt_in
    assert learnt_in.tally.env_steps == 60
    assert run.test_env.base_env.tally.env_steps == 0
    (seen,) = run.callbacks
    rewards_seen = torch.cat([b["next", "agents", "reward"] for b in seen.batches], 1)[..., 0]
    if rewards == "global":
        own = torch.cat([b["next", "agents", "info", "local_reward"] for b in seen.batches], 1)
        torch.testing.assert_close(rewards_seen, own.mean(2).expand_as(rewards_seen))
    else:
        own = rewards_seen[..., None]
    ended = torch.cat([b["next", "done"] for b in seen.batches], 1)[..., 0]
    for episode in learnt_in.tally.episodes:
        b = episode.column
        last = torch.nonzero(ended[b])[:, 0].tolist()
        firsts = [0, *(k + 1 for k in last)]
        begins = [f for f in firsts if f + episode.steps - 1 in last]
        sums = [own[b, f : f + episode.steps, :, 0].sum(0).numpy() for f in begins]
        assert any(np.allclose(each, episode.agent_returns, rtol=1e-5, atol=1e-5) for each in sums)
    if world is ToyEnv:
        for batch in seen.batches:
            legal = batch["agents", "action_mask"].gather(-1, batch["agents", "action"][..., None])
            assert legal.all()


@pytest.mark.parametrize("horizon", [1, 5])
@pytest.mark.parametrize("ends", ["truncated", "terminated"])
def test_other_environments_too(horizon: int, ends: str, tmp_path: Path) -> None:
    task = make_task(Constant, max_steps=horizon, horizon=horizon, ends=ends)
    run = experiment(task, IppoConfig, tmp_path)
    run.run()
    (seen,) = run.callbacks
    assert sum(b["next", "agents", "reward"].sum().item() for b in seen.batches) == 60 * 2
    assert sum(copy.steps for copy in run.learnt_in.columns.envs) == 60
    assert [copy.seeds[0] for copy in run.learnt_in.columns.envs] == [3, 4, 5]


@pytest.mark.parametrize(
    ("ends", "low", "high"), [("truncated", 9.5, 10.5), ("terminated", 2.5, 4)]
)
def test_critics_tell_truncation_from_termination(
    ends: str, low: float, high: float, tmp_path: Path
) -> None:
    """Reward 1 for 5 steps at γ = 0.9, all states alike: worth 10 if they go on.

    If they end: between 2.63, the mean of what is left at each step, and 3.57, where one step is looked ahead.
    """
    task = make_task(Constant, max_steps=5, ends=ends)
    run = experiment(
        task, IppoConfig, tmp_path, gamma=0.9, lr=0.05, max_n_frames=750, on_policy_n_minibatch_iters=4
    )  # fmt: skip
    run.run()
    critic = run.algorithm.get_critic("agents")
    loss = run.losses["agents"]
    (seen,) = run.callbacks
    with torch.no_grad(), loss.critic_network_params.to_module(critic):
        values = critic(seen.batches[-1])["agents", "state_value"]
    assert low < values.min()
    assert values.max() < high


def test_vdn_learns_the_same_from_local_and_global_rewards(tmp_path: Path) -> None:
    """BenchMARL gives it the agents' mean, which is exact for four agents with 0 or 1."""
    learnt = []
    for rewards in ("local", "global"):
        run = experiment(make_task("crl/sysadmin-v0", rewards=rewards, **RING), VdnConfig, tmp_path)
        run.run()
        learnt.append([p.detach().clone() for p in run.losses["agents"].parameters()])
    for one, other in zip(*learnt, strict=True):
        torch.testing.assert_close(one, other, rtol=0, atol=0)


def test_same_seed_same_training(tmp_path: Path) -> None:
    runs = []
    for _ in range(2):
        run = experiment(make_task("crl/sysadmin-v0", **RING), MappoConfig, tmp_path)
        run.run()
        runs.append(torch.stack(run.callbacks[0].batches))
    assert (runs[0] == runs[1]).all()


def test_evaluations_have_an_environment_of_their_own(tmp_path: Path) -> None:
    run = experiment(
        make_task("crl/sysadmin-v0", **RING),
        IppoConfig,
        tmp_path,
        evaluation=True,
        evaluation_interval=30,
        evaluation_episodes=4,
        create_json=True,
    )
    run.run()
    tally = run.test_env.base_env.tally
    assert run.learnt_in.tally.env_steps == 60
    # Before learning, and after the first batch, which is an interval.
    assert [e.steps for e in tally.episodes] == [5] * len(tally.episodes)
    (file,) = tmp_path.rglob("*.json")
    told = json.loads(file.read_text())["crl_envs"]["crl_sysadmin-v0"]["ippo"]["seed_3"]
    returns = [told[step]["return"] for step in told if step.startswith("step_")]
    assert len(returns) * 4 == len(tally.episodes)
    np.testing.assert_allclose(
        np.ravel(returns), [e.local_return for e in tally.episodes], rtol=1e-5
    )


def test_a_critic_of_all_observations_needs_a_task_without_state(tmp_path: Path) -> None:
    critic = DeepsetsConfig.get_from_yaml()
    run = experiment(
        make_task("crl/sysadmin-v0", state=False, **RING), MappoConfig, tmp_path, critic=critic
    )
    run.run()
    assert run.learnt_in.tally.env_steps == 60
    with pytest.raises(ValueError, match="DeepSets"):
        experiment(make_task("crl/sysadmin-v0", **RING), MappoConfig, tmp_path, critic=critic)


class TestSpecs:
    def test_of_one_environment(self) -> None:
        task = make_task(ToyEnv, rewards="global", agent_ids=False)
        env = task.get_env_fun(6, False, 0, "cpu")()
        assert env.batch_size == (6,)
        assert task.group_map(env) == {"agents": [f"agent_{i}" for i in range(4)]}
        assert task.observation_spec(env)["agents", "observation"].shape == (4, 2)
        assert list(task.observation_spec(env)["agents"].keys()) == ["observation"]
        assert task.action_spec(env)["agents", "action"].shape == (4,)
        assert task.action_spec(env)["agents", "action"].space.n == 3
        assert task.action_mask_spec(env)["agents", "action_mask"].shape == (4, 3)  # type: ignore[index]
        assert task.state_spec(env)["state"].shape == (5,)  # type: ignore[index]
        assert task.info_spec(env)["agents", "info", "local_reward"].shape == (4, 1)  # type: ignore[index]
        assert task.max_steps(env) == ToyEnv().world.horizon
        assert not task.has_render(env)

    def test_what_an_environment_lacks(self) -> None:
        task = make_task("crl/sysadmin-v0", **RING)
        env = task.get_env_fun(1, False, None, "cpu")()
        assert task.action_mask_spec(env) is None
        assert task.info_spec(env) is None

    def test_agents_have_numbers_unless_told_otherwise(self) -> None:
        widths = [
            make_task("crl/sysadmin-v0", agent_ids=ids, **RING)
            .get_env_fun(1, False, None, "cpu")()
            .observation_spec["agents", "observation"]
            .shape[-1]
            for ids in (True, False)
        ]
        assert widths[0] == widths[1] + RING["n_agents"]

    def test_pickle(self) -> None:
        for made in (make_task("crl/sysadmin-v0", **RING), make_task(Constant, max_steps=5)):
            task = pickle.loads(pickle.dumps(made))
            assert task == made
            assert str(task) == str(made)
            task.get_env_fun(2, False, 0, "cpu")().rollout(3)

    def test_names_are_fit_for_folders(self) -> None:
        assert make_task("crl/bandit-v0", max_steps=1).name == "crl_bandit-v0"
        assert make_task(Constant, max_steps=5).name == "Constant"
        assert make_task(partial(Constant, 3), max_steps=5).name == "partial"
        assert make_task("crl/bandit-v0", max_steps=1, name="ours").name == "ours"


def test_the_example_learns() -> None:
    path = Path(__file__).parents[2] / "examples" / "benchmarl_mappo.py"
    spec = importlib.util.spec_from_file_location("benchmarl_mappo", path)
    assert spec is not None
    assert spec.loader is not None
    example = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(example)
    before, after = example.main(max_n_frames=4_000)
    assert after > before + 15  # at random 22, at best 45


class TestBadInput:
    def test_agents_with_different_spaces(self) -> None:
        with pytest.raises(ValueError, match="equal observation spaces"):
            make_task(Leavers, max_steps=5)

    def test_continuous_actions_of_a_discrete_environment(self, tmp_path: Path) -> None:
        task = make_task("crl/sysadmin-v0", **RING)
        assert task.supports_discrete_actions()
        assert not task.supports_continuous_actions()
        with pytest.raises(ValueError, match="are discrete, not continuous: use an algorithm"):
            task.get_env_fun(1, True, 0, "cpu")
        with pytest.raises(ValueError, match="is not compatible with the action space of task"):
            experiment(task, MaddpgConfig, tmp_path)

    def test_unknown_length_of_episodes(self) -> None:
        with pytest.raises(ValueError, match=r"max_steps must be given.*how long its episodes are"):
            make_task(Foreign)

    @pytest.mark.parametrize(
        ("arguments", "message"),
        [
            ({"max_steps": 0}, "max_steps must be an integer ≥ 1, got 0"),
            (
                {"rewards": "team"},
                "rewards must be one of 'local', 'neighborhood', 'global', got 'team'",
            ),
            ({"state": 1}, "state must be True or False, got 1"),
            ({"agent_ids": None}, "agent_ids must be True or False, got None"),
            ({"n_machines": 3}, "no argument 'n_machines'"),
        ],
    )
    def test_arguments(self, arguments: Any, message: str) -> None:
        with pytest.raises(ValueError, match=message):
            make_task("crl/sysadmin-v0", **arguments)

    def test_a_missing_or_old_library(self, monkeypatch: pytest.MonkeyPatch) -> None:
        def nothing(distribution: str) -> str:
            raise PackageNotFoundError(distribution)

        monkeypatch.setattr("crl_envs.adapters.library.version", nothing)
        with pytest.raises(
            MissingLibraryError, match=r"benchmarl isn't installed.*crl-envs\[torchrl\]"
        ):
            importlib.reload(adapter)
        monkeypatch.setattr("crl_envs.adapters.library.version", lambda _: "1.2")
        with pytest.raises(MissingLibraryError, match=r"benchmarl 1\.2 is too old"):
            importlib.reload(adapter)
