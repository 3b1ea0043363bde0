"""PPO, MaskablePPO and DQN of Stable-Baselines3 and sb3-contrib, as the bench's learners.

One policy acts for all agents and learns from all of their steps (`crl_envs.adapters.sb3`); `JointPPO` is one agent
that acts for all on the global reward.

Schulman et al. (2017, "Proximal Policy Optimization Algorithms"); Huang & Ontañón
(2022, "A Closer Look at Invalid Action Masking in Policy Gradient Algorithms"); Mnih et al. (2015, "Human-level control
through deep reinforcement learning").

    env = crl_envs.make_vec("crl/sysadmin-v0", n_agents=10)
    PPO(env, rewards="global", seed=1).learn(total_steps=10_000).history[-1]["global_return"]

The library's own random numbers are seeded (``set_random_seed``: Python's, NumPy's and torch's global generators); the
actions of `act` come from a generator of the learner's. The same seed gives the same run on the same machine.
"""

from __future__ import annotations

from abc import abstractmethod
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from agents.libraries.learner import LibraryConfig, LibraryLearner
from crl_envs.adapters.columns import WorldColumns
from crl_envs.adapters.library import require
from crl_envs.adapters.sb3 import AgentVecEnv, JointVecEnv
from crl_envs.core.arguments import check_int, check_probability, check_real, keep
from crl_envs.core.copies import owned
from crl_envs.core.returns import EpisodeTally

require("sb3-contrib", "2.7", extra="sb3")

import sb3_contrib  # noqa: E402
import stable_baselines3  # noqa: E402
import torch  # noqa: E402
from stable_baselines3.common.callbacks import BaseCallback  # noqa: E402


@dataclass(frozen=True)
class NetworkConfig(LibraryConfig):
    """What the learners of this module have in common, beside `LibraryConfig`; what isn't here is as SB3 has it.

    Attributes:
        copies: Environments that are stepped together; 4 by default. More are faster, and less correlated.
        hidden: Units of each of two hidden layers; 64 by default.

    Raises:
        ValueError: A value out of its range.
    """

    copies: int = 4
    hidden: int = 64

    def __post_init__(self) -> None:
        super().__post_init__()
        keep(self, check_int, "copies", low=1)
        keep(self, check_int, "hidden", low=1)


@dataclass(frozen=True)
class PPOConfig(NetworkConfig):
    """Hyperparameters of `PPO`, `MaskablePPO` and `JointPPO`, beside those of `NetworkConfig`.

    Attributes:
        n_steps: Environment steps between updates, of all copies together; 100 by default. More give steadier and rarer
            updates.
        n_minibatches: Parts into which the agents' steps between updates are cut; 2 by default.
        n_epochs: How often each is learnt from; 5 by default.
        gae_lambda: λ of generalised advantage estimation; 0.95 by default.
        ent_coef: Weight of the entropy bonus; 0 by default.
    """

    n_steps: int = 100
    n_minibatches: int = 2
    n_epochs: int = 5
    gae_lambda: float = 0.95
    ent_coef: float = 0.0

    def __post_init__(self) -> None:
        super().__post_init__()
        keep(self, check_int, "n_steps", low=self.copies)
        keep(self, check_int, "n_minibatches", low=1)
        keep(self, check_int, "n_epochs", low=1)
        keep(self, check_probability, "gae_lambda")
        keep(self, check_real, "ent_coef", low=0.0)


@dataclass(frozen=True)
class MaskablePPOConfig(PPOConfig):
    """Those of `MaskablePPO`: `PPOConfig` with other defaults, for long episodes that are learnt from as they come.

    One environment; a learning rate of 0.0005 and an entropy bonus of 0.01: in load balancing most of an agent's steps
    have one legal action only, and a policy that has become certain too early never stores the last loads.
    """

    copies: int = 1
    learning_rate: float = 5e-4
    ent_coef: float = 0.01


@dataclass(frozen=True)
class JointPPOConfig(PPOConfig):
    """Those of `JointPPO`: `PPOConfig` with the team's reward and without `agent_ids`: there is one agent only."""

    allowed_rewards: ClassVar[tuple[str, ...]] = ("global",)

    rewards: str = "global"
    agent_ids: bool = False

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.agent_ids:
            raise ValueError("agent_ids must be False, since one agent acts for all, got True")


@dataclass(frozen=True)
class DQNConfig(NetworkConfig):
    """Hyperparameters of `DQN`, beside those of `NetworkConfig`; the learning rate is 0.001 by default.

    Attributes:
        buffer_size: Environment steps that are remembered, with all agents' transitions; 5000 by default.
        learning_starts: Environment steps before learning begins; 100 by default.
        train_freq: Environment steps for each gradient step; 2 by default. With more copies than that there are
            ``copies // train_freq`` of them at once.
        batch_size: Agents' transitions of a gradient step; 256 by default.
        target_update_interval: Environment steps between copies into the target network; 200 by default.
        exploration_steps: Environment steps in which ε falls from 1 to `exploration_final`; 2000 by default. SB3 counts
            in shares of a call of ``learn``, which would begin anew at each of the bench's calls.
        exploration_final: The last ε; 0.05 by default.
    """

    learning_rate: float = 1e-3
    buffer_size: int = 5000
    learning_starts: int = 100
    train_freq: int = 2
    batch_size: int = 256
    target_update_interval: int = 200
    exploration_steps: int = 2000
    exploration_final: float = 0.05

    def __post_init__(self) -> None:
        super().__post_init__()
        for name in ("buffer_size", "train_freq", "batch_size", "target_update_interval"):
            keep(self, check_int, name, low=1)
        keep(self, check_int, "learning_starts", low=0)
        keep(self, check_int, "exploration_steps", low=1)
        keep(self, check_probability, "exploration_final")


class SB3Learner(LibraryLearner):
    """Base of the learners here.

    Args:
        env: See `LibraryLearner`.
        **config: Fields of `config_class`.

    Attributes:
        vec_env: What SB3 acts in.
        model: SB3's own object.

    Raises:
        ValueError: As `LibraryLearner`; from `learn`, for a forbidden action, which `MaskablePPO` never chooses.
    """

    packages: ClassVar[tuple[str, ...]] = ("stable-baselines3", "sb3-contrib", "torch")
    config: Any

    def __init__(self, env: Any, **config: Any) -> None:
        super().__init__(env, **config)
        self.vec_env = self._make_vec_env()
        self.model = self._make_model()

    @property
    def tally(self) -> EpisodeTally:
        """Return what the library has done in the environment so far."""
        return self.vec_env.tally

    def train(self, total_steps: int, total_episodes: float) -> None:
        """Train the model; on-policy algorithms drop the rollout in which the last episode ends."""
        rows = self.vec_env.num_envs // self.vec_env.columns.num_envs
        self.model.learn(
            total_steps * rows,
            callback=_Until(self.tally, total_episodes),
            log_interval=None,
            reset_num_timesteps=False,
        )

    def __setstate__(self, state: dict[str, Any]) -> None:
        super().__setstate__(state)
        for name in ("replay_buffer", "rollout_buffer"):  # SB3's own objects that write to arrays
            owned(vars(getattr(self.model, name, self)))

    def _make_vec_env(self) -> AgentVecEnv | JointVecEnv:
        return AgentVecEnv(WorldColumns(self.vec), self.config.agent_ids)

    @abstractmethod
    def _make_model(self) -> Any:
        """Return SB3's own object."""

    def _rows(self, observations: NDArray[Any]) -> torch.Tensor:
        """Return observations ``(B, n, …)`` as SB3's networks take them."""
        return torch.as_tensor(self.vec_env.rows(observations))

    def _settings(self) -> dict[str, Any]:
        """Return what all of SB3's algorithms are given."""
        config = self.config
        return {
            "policy": "MlpPolicy",
            "env": self.vec_env,
            "learning_rate": config.learning_rate,
            "gamma": config.gamma,
            "policy_kwargs": {"net_arch": [config.hidden, config.hidden]},
            "seed": config.seed,
            "device": "cpu",
        }


class PPO(SB3Learner):
    """Proximal policy optimisation, shared by all agents; it knows nothing of action masks.

    See `PPOConfig` for the arguments.
    """

    config_class: ClassVar[type[Any]] = PPOConfig
    algorithm: ClassVar[type[Any]] = stable_baselines3.PPO

    def probabilities(
        self, observations: NDArray[Any], action_masks: NDArray[Any] | None
    ) -> NDArray[np.floating]:
        """Return the network's probabilities, cut afterwards to the masks, of which it knows nothing."""
        found = self._distribution(observations).probs.numpy()
        return _cut(found.reshape(*observations.shape[:2], self.n_actions), action_masks)

    def _distribution(self, observations: NDArray[Any], *masks: Any) -> Any:
        """Return torch's distribution of the actions, or a list of one for each agent of a joint one."""
        with torch.no_grad():
            return self.model.policy.get_distribution(self._rows(observations), *masks).distribution

    def _make_model(self) -> Any:
        config = self.config
        n_steps = config.n_steps // config.copies
        samples = n_steps * self.vec_env.num_envs
        return self.algorithm(
            **self._settings(),
            n_steps=n_steps,
            batch_size=max(2, samples // config.n_minibatches),
            n_epochs=config.n_epochs,
            gae_lambda=config.gae_lambda,
            ent_coef=config.ent_coef,
        )


class MaskablePPO(PPO):
    """The same with action masks: what is forbidden has probability 0. See `MaskablePPOConfig` for the arguments."""

    config_class: ClassVar[type[Any]] = MaskablePPOConfig
    algorithm: ClassVar[type[Any]] = sb3_contrib.MaskablePPO

    def probabilities(
        self, observations: NDArray[Any], action_masks: NDArray[Any] | None
    ) -> NDArray[np.floating]:
        """Return the policy's probabilities of the legal actions."""
        masks = None if action_masks is None else np.reshape(action_masks, (-1, self.n_actions))
        found: NDArray[np.floating] = self._distribution(observations, masks).probs.numpy()
        return found.reshape(*observations.shape[:2], self.n_actions)


class DQN(SB3Learner):
    """Deep Q-learning, shared by all agents; it knows nothing of action masks. Evaluations are greedy.

    See `DQNConfig` for the arguments.
    """

    config_class: ClassVar[type[Any]] = DQNConfig
    evaluates_greedily: ClassVar[bool] = True

    def probabilities(
        self, observations: NDArray[Any], action_masks: NDArray[Any] | None
    ) -> NDArray[np.floating]:
        """Return 1 for the legal action of the highest value, else 0."""
        with torch.no_grad():
            values = self.model.q_net(self._rows(observations)).numpy()
        values = values.reshape(*observations.shape[:2], self.n_actions)
        if action_masks is not None:
            values = np.where(action_masks, values, -np.inf)
        return np.asarray(np.eye(self.n_actions)[values.argmax(-1)])

    def _make_model(self) -> Any:
        config, n = self.config, self.n_agents
        model = stable_baselines3.DQN(
            **self._settings(),
            buffer_size=config.buffer_size * n,
            learning_starts=config.learning_starts * n,
            train_freq=max(1, config.train_freq // config.copies),
            gradient_steps=max(1, config.copies // config.train_freq),
            batch_size=config.batch_size,
            target_update_interval=config.target_update_interval * n,
        )
        model.exploration_schedule = self._exploration
        return model

    def _exploration(self, _: float) -> float:
        """Return the share of random actions at present; a method and no closure, which couldn't be pickled."""
        config = self.config
        fall = (1.0 - config.exploration_final) / config.exploration_steps
        return float(max(config.exploration_final, 1.0 - fall * self.tally.env_steps))


class JointPPO(PPO):
    """PPO of one agent that observes and acts for all, on the global reward. See `JointPPOConfig` for the arguments."""

    config_class: ClassVar[type[Any]] = JointPPOConfig

    def probabilities(
        self, observations: NDArray[Any], action_masks: NDArray[Any] | None
    ) -> NDArray[np.floating]:
        """Return the network's probabilities, cut afterwards to the masks, of which it knows nothing."""
        found = self._distribution(observations)
        return _cut(np.stack([part.probs.numpy() for part in found], axis=1), action_masks)

    def _make_vec_env(self) -> JointVecEnv:
        return JointVecEnv(WorldColumns(self.vec))


def _cut(chances: NDArray[np.floating], action_masks: Any) -> NDArray[np.floating]:
    """Return probabilities given that the action is a legal one."""
    if action_masks is None:
        return chances
    legal = np.where(action_masks, chances + np.finfo(chances.dtype).tiny, 0.0)
    cut: NDArray[np.floating] = legal / legal.sum(-1, keepdims=True)
    return cut


class _Until(BaseCallback):
    """Ends SB3's learning after so many further episodes."""

    def __init__(self, tally: EpisodeTally, episodes: float) -> None:
        super().__init__()
        self._tally = tally
        self._last = len(tally.episodes) + episodes

    def _on_step(self) -> bool:
        return len(self._tally.episodes) < self._last
