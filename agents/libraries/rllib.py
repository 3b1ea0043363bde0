"""PPO of Ray RLlib as a learner of the bench: one policy that all agents share.

Proximal policy optimisation (Schulman et al. 2017, "Proximal Policy Optimization Algorithms") in RLlib's new API
stack, run in this process, without runners or learners elsewhere. Each iteration plays `rollout_steps` environment
steps and goes `epochs` times through those of all agents in minibatches. RLlib's penalty on the KL divergence is off
and its value loss isn't clipped: with returns of ten and more the clipping leaves the critic without a gradient.

RLlib draws actions and minibatches from the global streams of torch, numpy and random, which are seeded when the
learner is made: the same seed gives the same learner if nothing else draws from them in between. `act` has a stream
of its own. Where episodes are one step, RLlib's time grows with the square of `rollout_steps`: see
`crl_envs.adapters.rllib`.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar, Self

import numpy as np
from gymnasium import spaces
from numpy.typing import NDArray
from pettingzoo import ParallelEnv

from agents.libraries.learner import TAG, LibraryConfig, stacked
from crl_envs.adapters.columns import ParallelColumns
from crl_envs.adapters.rllib import SHARED_POLICY, ParallelMultiAgentEnv
from crl_envs.core.arguments import (
    check_each,
    check_int,
    check_keywords,
    check_probability,
    check_real,
    keep,
    shown,
)
from crl_envs.wrappers.neighborhood_reward import paid_as


@dataclass(frozen=True)
class PPOConfig(LibraryConfig):
    """Hyperparameters of `PPO`, beside those of `LibraryConfig`; a much larger learning rate gets stuck at once.

    Attributes:
        rollout_steps: Environment steps between updates, 100 by default. More are steadier and learn later.
        epochs: Times that each rollout is gone through, 5 by default.
        minibatches: Parts into which the agents' steps of a rollout are cut, 2 by default.
        gae_lambda: λ of generalised advantage estimation in [0, 1], 0.95 by default. Smaller trusts the critic more.
        clip_range: How far from 1 the ratio of probabilities counts, 0.2 by default.
        entropy_coefficient: Bonus ≥ 0 for undecided policies, 0 by default.
        hidden_layers: Widths of the hidden layers of policy and critic, (64, 64) by default.

    Raises:
        ValueError: A value out of its range.
    """

    rollout_steps: int = 100
    epochs: int = 5
    minibatches: int = 2
    gae_lambda: float = 0.95
    clip_range: float = 0.2
    entropy_coefficient: float = 0.0
    hidden_layers: tuple[int, ...] = (64, 64)

    def __post_init__(self) -> None:
        super().__post_init__()
        keep(self, check_int, "rollout_steps", low=1)
        keep(self, check_int, "epochs", low=1)
        keep(self, check_int, "minibatches", low=1, high=self.rollout_steps)
        keep(self, check_probability, "gae_lambda")
        keep(self, check_real, "clip_range", low=0.0, open_low=True)
        keep(self, check_real, "entropy_coefficient", low=0.0)
        layers = check_each("hidden_layers", self.hidden_layers, check_int, low=1)
        object.__setattr__(self, "hidden_layers", tuple(layers))


class PPO:
    """RLlib's PPO on the environment that it is given, without copies.

    Args:
        env: A ParallelEnv with Discrete actions, whose agents have equal spaces and stay to the end.
        **config: Fields of `PPOConfig`.

    Attributes:
        config: The hyperparameters.
        algorithm: RLlib's.
        env_steps: Environment steps learnt from.

    Raises:
        ValueError: An unknown hyperparameter, a bad value, or another kind of environment.
        MissingLibraryError: RLlib is missing or too old.
    """

    evaluates_greedily: ClassVar[bool] = False
    resumable: ClassVar[bool] = False
    measures_itself: ClassVar[bool] = False
    packages: ClassVar[tuple[str, ...]] = ("ray", "torch")

    def __init__(self, env: Any, **config: Any) -> None:
        check_keywords("PPO", PPOConfig, config)
        self.config = PPOConfig(**config)
        if not isinstance(env, ParallelEnv):
            raise ValueError(f"env must be a ParallelEnv, got {shown(env)}")
        given = paid_as(env, self.config.rewards)
        columns = ParallelColumns([given])
        if not isinstance(columns.action_space, spaces.Discrete):
            raise ValueError(f"actions must be Discrete, got {columns.action_space}")
        self.agents = columns.agents
        self.env_steps = 0
        self._start = int(columns.action_space.start)
        self._rng = np.random.default_rng([TAG, self.config.seed])
        self.algorithm = _build(self.config, columns)
        self._encoder = _envs(self.algorithm)[0].encoder

    def learn(self, total_steps: int) -> Self:
        """Go on learning until at least so many further environment steps have been taken, in whole rollouts.

        Raises:
            ValueError: Not a whole number ≥ 0; an action that its mask forbids: RLlib's module ignores masks.
        """
        goal = self.env_steps + check_int("total_steps", total_steps, low=0)
        while self.env_steps < goal:
            try:
                self.algorithm.train()
            except BaseException as error:
                # A rollout that was broken off is lost; the next one begins with an episode.
                self.algorithm.env_runner.make_env()
                if type(error) is RuntimeError and error.__cause__ is not None:
                    raise error.__cause__ from None  # RLlib's own error says nothing
                raise
            self.env_steps += self.config.rollout_steps
        return self

    def act(
        self,
        observations: Mapping[Any, Any],
        deterministic: bool = False,
        action_masks: Mapping[Any, NDArray[Any]] | None = None,
    ) -> dict[Any, int]:
        """Return actions of the present policy, drawn from a stream of their own.

        Args:
            observations: Agent → observation, of all agents.
            deterministic: The most probable action (the first of equals) instead of a random one.
            action_masks: Agent → ``[A]``: what is legal; other actions get no chance.

        Raises:
            ValueError: An agent is missing.
        """
        logits = self._logits(stacked("observations", observations, self.agents))
        if action_masks is not None:
            logits = np.where(stacked("action_masks", action_masks, self.agents), logits, -np.inf)
        if not deterministic:
            logits = logits + self._rng.gumbel(size=logits.shape)  # its argmax is a draw
        chosen = logits.argmax(-1) + self._start
        return dict(zip(self.agents, chosen.tolist(), strict=True))

    def close(self) -> None:
        """Stop RLlib's algorithm; Ray itself runs on for others."""
        self.algorithm.stop()

    def _logits(self, observations: NDArray[Any]) -> NDArray[np.float64]:
        """Return ``(n, A)`` of observations ``(n, …)``."""
        import torch

        rows = torch.from_numpy(self._encoder.encode(observations))
        with torch.no_grad():
            out = self.algorithm.get_module("shared").forward_inference({"obs": rows})
        logits: NDArray[np.float64] = out["action_dist_inputs"].numpy().astype(np.float64)
        return logits


def _build(config: PPOConfig, columns: ParallelColumns) -> Any:
    """Return RLlib's algorithm on exactly this environment."""
    import ray
    from ray.rllib.algorithms.ppo import PPOConfig as RLlibConfig
    from ray.rllib.core.rl_module.default_model_config import DefaultModelConfig

    if not ray.is_initialized():
        ray.init(
            "local",  # not a cluster that happens to run here
            num_cpus=1,
            include_dashboard=False,
            logging_level=logging.ERROR,
            log_to_driver=False,
        )
    seeds = iter([config.seed])

    class Given(ParallelMultiAgentEnv):
        """What RLlib makes anew where it wants an environment: a view of the one that there is."""

        def __init__(self, context: Any) -> None:
            super().__init__(columns, config.agent_ids)

        def reset(self, *, seed: int | None = None, options: Any = None) -> Any:
            """Reset; only the very first episode is seeded."""
            return super().reset(seed=next(seeds, None))

    return (
        RLlibConfig()
        .environment(Given, disable_env_checking=True)
        .env_runners(num_env_runners=0)
        .multi_agent(**SHARED_POLICY, count_steps_by="agent_steps")
        .rl_module(
            model_config=DefaultModelConfig(
                fcnet_hiddens=list(config.hidden_layers), vf_share_layers=False
            )
        )
        .training(
            lr=config.learning_rate,
            train_batch_size_per_learner=config.rollout_steps * columns.n_agents,
            num_epochs=config.epochs,
            minibatch_size=config.rollout_steps * columns.n_agents // config.minibatches,
            gamma=config.gamma,
            lambda_=config.gae_lambda,
            clip_param=config.clip_range,
            entropy_coeff=config.entropy_coefficient,
            use_kl_loss=False,
            vf_clip_param=float("inf"),
        )
        .debugging(seed=config.seed, log_level="ERROR")
        .build_algo()
    )


def _envs(algorithm: Any) -> list[ParallelMultiAgentEnv]:
    """Return the environments that an algorithm runs in this process."""
    return [env.unwrapped for env in algorithm.env_runner.env.envs]
