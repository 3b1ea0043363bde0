"""BenchMARL's algorithms as learners of the bench: IPPO, MAPPO, VDN and QMIX (Bettini, Prorok & Moens 2024, JMLR 25).

- IPPO: every agent learns by PPO from its own samples (de Witt et al. 2020, arXiv 2011.09533).
- MAPPO: the same with a critic that sees the whole state (Yu et al. 2022, arXiv 2103.01955).
- VDN: the sum of the agents' values is fitted to the team's (Sunehag et al. 2018, arXiv 1706.05296).
- QMIX: a monotone function of them, which depends on the state (Rashid et al. 2018, arXiv 1803.11485).

The networks have parameters shared by all agents, with the agent's number among the inputs, unless the configuration
says otherwise. PPO learns from local or global rewards. The other two fit one value of the team, and BenchMARL gives
them the mean of the agents' rewards whatever these are: local rewards would make no difference.

Tested with BenchMARL 1.5.2, TorchRL 0.11.1 and torch 2.13, on the CPU.
"""

from __future__ import annotations

import logging
import math
import tempfile
import warnings
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import partial
from typing import Any, ClassVar, cast
from unittest import mock

import numpy as np
from gymnasium.vector import AutoresetMode
from numpy.typing import NDArray

from agents.libraries.learner import LibraryConfig, LibraryLearner
from crl_envs.adapters.columns import WorldColumns
from crl_envs.adapters.library import require
from crl_envs.core.arguments import (
    check_bool,
    check_each,
    check_int,
    check_probability,
    check_real,
    keep,
)
from crl_envs.core.returns import EpisodeTally
from crl_envs.core.vector import WorldVectorEnv
from crl_envs.core.world import World

require("benchmarl", "1.5", extra="torchrl")

import benchmarl.experiment.experiment as benchmarl_loop  # noqa: E402
import torch  # noqa: E402
from benchmarl.algorithms import IppoConfig, MappoConfig, QmixConfig, VdnConfig  # noqa: E402
from benchmarl.algorithms.common import AlgorithmConfig  # noqa: E402
from benchmarl.experiment import Experiment, ExperimentConfig  # noqa: E402
from benchmarl.models.mlp import MlpConfig  # noqa: E402
from benchmarl.utils import local_seed  # noqa: E402
from tensordict import TensorDict  # noqa: E402
from torchrl.envs import EnvBase  # noqa: E402

from crl_envs.adapters.benchmarl import ColumnsTask  # noqa: E402
from crl_envs.adapters.torchrl import GROUP, ColumnsEnv  # noqa: E402

_FOREVER = 2**30  # rollouts, more than anybody trains for


@dataclass(frozen=True)
class NetworkConfig(LibraryConfig):
    """What the learners of this module have in common, beside `LibraryConfig`; their learning rate is 0.003 by default.

    Attributes:
        share_parameters: Whether all agents have one policy, True by default. False: n networks, each of which learns
            from its own agent's samples only.
        hidden: Units of the hidden layers, of policies and critics; (64, 64) by default.
        copies: Environments that are stepped together, 4 by default; more are faster, and less correlated.
        rollout_steps: Environment steps between updates, of all copies together; each gives n samples. 100 by default,
            40 for `VDN` and `QMIX`. Fewer learn from fresher data and noisier advantages. A multiple of `copies`.

    Raises:
        ValueError: A value out of its range.
    """

    learning_rate: float = 3e-3
    share_parameters: bool = True
    hidden: Sequence[int] = (64, 64)
    copies: int = 4
    rollout_steps: int = 100

    def __post_init__(self) -> None:
        super().__post_init__()
        keep(self, check_bool, "share_parameters")
        object.__setattr__(
            self, "hidden", tuple(check_each("hidden", self.hidden, check_int, low=1))
        )
        keep(self, check_int, "copies", low=1)
        keep(self, check_int, "rollout_steps", low=1)
        if self.rollout_steps % self.copies:
            raise ValueError(
                f"rollout_steps must be a multiple of copies, {self.copies}, got {self.rollout_steps}"
            )


@dataclass(frozen=True)
class PPOConfig(NetworkConfig):
    """Hyperparameters of `IPPO` and `MAPPO`, beside those of `NetworkConfig`.

    Attributes:
        epochs: Passes over a rollout, 5 by default.
        minibatch_steps: Environment steps in a minibatch, 50 by default.
        gae_lambda: λ of the generalised advantage estimation in [0, 1], 0.95 by default. 1 trusts returns alone, 0 the
            critic alone.
        clip: How far a probability may move in an update, 0.2 by default.
        entropy_coefficient: What entropy is worth, 0.01 by default. 0 lets policies become certain early.
    """

    epochs: int = 5
    minibatch_steps: int = 50
    gae_lambda: float = 0.95
    clip: float = 0.2
    entropy_coefficient: float = 0.01

    def __post_init__(self) -> None:
        super().__post_init__()
        keep(self, check_int, "epochs", low=1)
        keep(self, check_int, "minibatch_steps", low=1, high=self.rollout_steps)
        keep(self, check_probability, "gae_lambda")
        keep(self, check_real, "clip", low=0.0, open_low=True)
        keep(self, check_real, "entropy_coefficient", low=0.0)


@dataclass(frozen=True)
class MixingConfig(NetworkConfig):
    """Hyperparameters of `VDN` and `QMIX`, beside those of `NetworkConfig`; they fit the value of the team.

    Attributes:
        updates: Gradient steps after each rollout, 4 by default.
        batch_steps: Environment steps drawn for each, 128 by default.
        memory_steps: Environment steps remembered, 50,000 by default.
        epsilon_start: Share of random actions at first, 1 by default.
        epsilon_end: And in the end, 0.05 by default.
        epsilon_steps: Environment steps from the one to the other, linearly; 2,000 by default. Larger problems need
            more.
        target_rate: How far the target network follows at each update, in (0, 1]; 0.01 by default.
    """

    allowed_rewards: ClassVar[tuple[str, ...]] = ("global",)

    rewards: str = "global"
    rollout_steps: int = 40
    updates: int = 4
    batch_steps: int = 128
    memory_steps: int = 50_000
    epsilon_start: float = 1.0
    epsilon_end: float = 0.05
    epsilon_steps: int = 2_000
    target_rate: float = 0.01

    def __post_init__(self) -> None:
        super().__post_init__()
        for name in ("updates", "batch_steps", "epsilon_steps"):
            keep(self, check_int, name, low=1)
        keep(self, check_int, "memory_steps", low=self.rollout_steps)
        keep(self, check_probability, "epsilon_start")
        keep(self, check_probability, "epsilon_end")
        keep(self, check_real, "target_rate", low=0.0, high=1.0, open_low=True)


class BenchmarlLearner(LibraryLearner):
    """Lets a BenchMARL experiment go on in stretches; nothing is evaluated, logged or left on disk by it.

    Learning is counted in environment steps and goes by whole rollouts. Random numbers are a stream of the learner's
    own: nothing outside disturbs them, nor do they disturb anything.

    Args:
        env: As `LibraryLearner`.
        **config: Fields of `config_class`.

    Attributes:
        experiment: BenchMARL's.

    Raises:
        ValueError: As `LibraryLearner`. From `learn`: a number of episodes.
    """

    packages: ClassVar[tuple[str, ...]] = ("benchmarl", "torchrl", "torch")
    library_config: ClassVar[type[Any]]  # BenchMARL's, of the algorithm

    def __init__(self, env: Any, **config: Any) -> None:
        super().__init__(env, **config)
        self._env = ColumnsEnv(
            WorldColumns(self.vec), agent_ids=self.config.agent_ids, seed=self.config.seed
        )
        # Another number of copies tells where BenchMARL would evaluate from where it learns.
        self._evaluation_copies = self.config.copies + 1
        task = _LearnersTask("learner", {"agent_ids": self.config.agent_ids})
        task.env = self._env
        task.world = cast(WorldVectorEnv, self.vec.unwrapped).world
        model = MlpConfig(
            num_cells=list(self.config.hidden),
            layer_class=torch.nn.Linear,
            activation_class=torch.nn.Tanh,
        )
        with tempfile.TemporaryDirectory() as folder, _quietly(), local_seed():
            self.experiment = _Stretches(
                task,
                self._algorithm(),
                model,
                seed=self.config.seed,
                config=self._experiment_config(folder),
            )
            # TorchRL caches the keys of a transformed environment only when its specs are locked.
            self.experiment.collector.env.set_spec_lock_()
            self._random_state = torch.get_rng_state()

    @property
    def tally(self) -> EpisodeTally:
        """Return what the library has done in the environment so far."""
        return self._env.tally

    def train(self, total_steps: int, total_episodes: float) -> None:
        """Train the algorithm.

        Raises:
            ValueError: A number of episodes.
        """
        if math.isfinite(total_episodes):
            raise ValueError(
                f"{type(self).__name__} learns in rollouts of {self.config.rollout_steps} environment steps, which "
                "episodes don't end with: give total_steps, not total_episodes"
            )
        with self._own_randomness():
            self.experiment.go_on(-(-total_steps // self.config.rollout_steps))

    @contextmanager
    def _own_randomness(self) -> Iterator[None]:
        with local_seed():
            torch.set_rng_state(self._random_state)
            yield
            self._random_state = torch.get_rng_state()

    def _acted(self, observations: NDArray[Any], action_masks: NDArray[Any] | None) -> TensorDict:
        """Return what the policy is given to decide on."""
        rows = torch.from_numpy(self._env.encoder.encode(observations))
        group = {"observation": rows}
        if self.experiment.action_mask_spec is not None:
            shape = (*rows.shape[:2], self.n_actions)
            masks = np.ones(shape, np.bool_) if action_masks is None else action_masks
            group["action_mask"] = torch.tensor(masks, dtype=torch.bool)
        return TensorDict({GROUP: TensorDict(group, rows.shape[:2])}, rows.shape[:1])

    def _algorithm(self) -> AlgorithmConfig:
        """Return BenchMARL's configuration of the algorithm."""
        return self.library_config.get_from_yaml()

    def _experiment_config(self, folder: str) -> ExperimentConfig:
        """Return BenchMARL's configuration of everything else."""
        return replace(
            ExperimentConfig.get_from_yaml(),
            share_policy_params=self.config.share_parameters,
            gamma=self.config.gamma,
            lr=self.config.learning_rate,
            max_n_frames=_FOREVER * self.config.rollout_steps,
            exploration_anneal_frames=1,
            evaluation=False,
            evaluation_episodes=self._evaluation_copies,
            render=False,
            loggers=[],
            create_json=False,
            save_folder=folder,
        )


class _PPO(BenchmarlLearner):
    config_class: ClassVar[type[Any]] = PPOConfig
    config: PPOConfig

    def probabilities(
        self, observations: NDArray[Any], action_masks: NDArray[Any] | None
    ) -> NDArray[np.floating]:
        """Return the policy's probabilities of the legal actions."""
        policy = self.experiment.algorithm.get_policy_for_loss(GROUP)
        with torch.no_grad():
            chances = policy.get_dist(self._acted(observations, action_masks)).probs
        array: NDArray[np.floating] = chances.numpy()
        return array

    def _algorithm(self) -> AlgorithmConfig:
        return replace(
            super()._algorithm(),
            clip_epsilon=self.config.clip,
            entropy_coef=self.config.entropy_coefficient,
            lmbda=self.config.gae_lambda,
        )

    def _experiment_config(self, folder: str) -> ExperimentConfig:
        return replace(
            super()._experiment_config(folder),
            on_policy_n_envs_per_worker=self.config.copies,
            on_policy_collected_frames_per_batch=self.config.rollout_steps,
            on_policy_n_minibatch_iters=self.config.epochs,
            on_policy_minibatch_size=self.config.minibatch_steps,
        )


class IPPO(_PPO):
    """Independent PPO: policies and critics see what their agent observes. See `PPOConfig` for the arguments."""

    library_config = IppoConfig


class MAPPO(_PPO):
    """PPO with a critic that sees the state and gives all agents the same value. See `PPOConfig` for the arguments.

    With local rewards that value estimates the mean of what the agents will get.
    """

    library_config = MappoConfig


class _Mixing(BenchmarlLearner):
    config_class: ClassVar[type[Any]] = MixingConfig
    config: MixingConfig
    evaluates_greedily: ClassVar[bool] = True

    def probabilities(
        self, observations: NDArray[Any], action_masks: NDArray[Any] | None
    ) -> NDArray[np.floating]:
        """Return one-hot vectors of the legal actions of the highest value."""
        policy = self.experiment.algorithm.get_policy_for_loss(GROUP)
        with torch.no_grad():
            actions = policy(self._acted(observations, action_masks))[GROUP, "action"]
        chances: NDArray[np.floating] = np.eye(self.n_actions)[actions.numpy()]
        return chances

    def _experiment_config(self, folder: str) -> ExperimentConfig:
        return replace(
            super()._experiment_config(folder),
            polyak_tau=self.config.target_rate,
            exploration_eps_init=self.config.epsilon_start,
            exploration_eps_end=self.config.epsilon_end,
            exploration_anneal_frames=self.config.epsilon_steps,
            off_policy_n_envs_per_worker=self.config.copies,
            off_policy_collected_frames_per_batch=self.config.rollout_steps,
            off_policy_n_optimizer_steps=self.config.updates,
            off_policy_train_batch_size=self.config.batch_steps,
            off_policy_memory_size=self.config.memory_steps,
        )


class VDN(_Mixing):
    """The team's value as the sum of the agents'. See `MixingConfig` for the arguments."""

    library_config = VdnConfig


class QMIX(_Mixing):
    """The team's value as a monotone function of the agents' and the state. See `MixingConfig` for the arguments."""

    library_config = QmixConfig


class _LearnersTask(ColumnsTask):
    """A task whose environment exists already; BenchMARL's evaluations, which are off, would have another one."""

    env: ColumnsEnv
    world: World[Any]

    def get_env_fun(
        self, num_envs: int, continuous_actions: bool, seed: int | None, device: Any
    ) -> Callable[[], EnvBase]:
        if num_envs == self.env.columns.num_envs:
            return lambda: self.env
        others = WorldVectorEnv(self.world, num_envs, AutoresetMode.DISABLED)
        return partial(ColumnsEnv, WorldColumns(others), agent_ids=self.config["agent_ids"])

    def max_steps(self, env: EnvBase) -> int:
        return 1


class _Stretches(Experiment):
    """An experiment that can go on after it has ended."""

    def go_on(self, iterations: int) -> None:
        """Collect and learn so many times more."""
        frames = self.config.collected_frames_per_batch(self.on_policy)
        self.config.max_n_frames = (self.n_iters_performed + iterations) * frames
        silent = partial(benchmarl_loop.tqdm, disable=True)
        with _quietly(), mock.patch.object(benchmarl_loop, "tqdm", silent):
            self._collection_loop()

    def close(self) -> None:
        """Do nothing: BenchMARL closes an experiment when it has collected what it was to, and this one may go on."""


@contextmanager
def _quietly() -> Iterator[None]:
    """Run without what BenchMARL and TorchRL say whatever is done."""
    log = logging.getLogger("torchrl")
    level = log.level
    log.setLevel(logging.WARNING)
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "SyncDataCollector has been", DeprecationWarning)
        warnings.filterwarnings("ignore", "No episode terminated this iteration", UserWarning)
        warnings.filterwarnings("ignore", "size_average and reduce args", UserWarning)
        try:
            yield
        finally:
            log.setLevel(level)
