"""Ray RLlib (new API stack): a ``MultiAgentEnv`` of any ParallelEnv, ready for one shared policy.

    import ray
    from ray.rllib.algorithms.ppo import PPOConfig

    from crl_envs.adapters.rllib import SHARED_POLICY, register

    ray.init("local", num_cpus=1, include_dashboard=False)
    register("sysadmin", "crl/sysadmin-v0", n_agents=5)
    config = (
        PPOConfig()
        .environment("sysadmin")
        .env_runners(num_env_runners=0)
        .multi_agent(**SHARED_POLICY)
        .training(
            lr=3e-3, gamma=0.9, train_batch_size_per_learner=250, minibatch_size=250, num_epochs=8,
            vf_clip_param=float("inf"),
        )
        .debugging(seed=0)
    )
    algorithm = config.build_algo()
    for _ in range(10):
        result = algorithm.train()
        print(result["env_runners"]["episode_return_mean"] / 5)

Tested with ray 2.60.0 (torch 2.13, gymnasium 1.2.2, which ray pins, and pettingzoo 1.27). ``pip install
'crl-envs[rllib]'`` in an environment of its own: ``ray[rllib]`` alone brings neither torch nor pettingzoo.

**Shared policy.** RLlib asks a function which policy ("module") an agent acts by. `SHARED_POLICY` maps all agents to
one, named ``"shared"``: its network acts for all of them and learns from all of their steps. Agents that observe the
same then do the same, unless ``agent_ids=True`` tells the network who they are: the bandit can't be solved without.
For independent policies use
``.multi_agent(policies=set(agents), policy_mapping_fn=lambda agent, *_, **__: agent)``.

To know:

- **Steps.** ``train_batch_size_per_learner`` and RLlib's step counts are environment steps, ``minibatch_size`` is
  agents' steps. ``episode_return_mean`` is the sum over agents: divide by n.
- **Shared layers.** Policy and critic share their layers by default, and with returns of ten and more the critic's
  errors are all that these learn from: the learner of the bench stayed at .54 of the optimum with γ = .99, and reached
  .98 with ``DefaultModelConfig(vf_share_layers=False)``. A small γ, as above, hides it.
- **Minibatches.** ``minibatch_size`` may be no larger than ``train_batch_size_per_learner``, which is a rather small
  part of n agents' steps: ``multi_agent(..., count_steps_by="agent_steps")`` counts both in agents' steps.
- **Value loss.** ``vf_clip_param`` is 10 by default and clips the squared error, so a critic whose values are off by
  more than √10 gets no gradient at all. Returns here are larger: set it to ``float("inf")``.
- **Seeds.** Only ``.debugging(seed=s)`` seeds: environment b of runner w (0 for the local one, others from 1) begins
  with seed s + w + b, so keep runners × copies apart with one copy a runner. Without it RLlib's check of environments
  resets every one with 42, and all copies and all runs play the same episodes. With a seed it also seeds the global
  streams of torch, numpy and random, from which actions are drawn: the same seed gives the same curve when nothing
  else draws from them.
- **The check.** It also takes one step in every environment. ``.environment(..., disable_env_checking=True)`` leaves it
  out, as a count of steps wants.
- **Truncation.** Episodes of a fixed horizon are truncated, and RLlib adds the value of their last observation. It
  does so because this adapter reports truncation for all agents at once; through RLlib's own
  ``ParallelPettingZooEnv``, which reports it agent by agent, RLlib 2.60 takes truncation for termination.
- **Short episodes.** After each step RLlib's sampling goes once more through all episodes that have ended in this
  rollout: in the bandit, whose episodes are one step, twice the rollout takes four times as long. Keep it at some
  hundred steps there.
- **Order.** Agents come in the order of ``possible_agents``; RLlib's own ``ParallelPettingZooEnv`` takes them from a
  set, whose order changes from process to process.
- **Masks.** RLlib's default module knows nothing of action masks: the first forbidden action raises, unless
  ``masks="ignore"``.
- **Errors.** What an environment raises arrives as an empty ``RuntimeError``, with the reason in its ``__cause__``.
- **Ray.** Building an algorithm starts a Ray instance, with a dashboard if that is installed, or joins a cluster that
  runs on this machine, unless ``ray.init("local", num_cpus=1, include_dashboard=False)`` came first.
"""

from __future__ import annotations

from typing import Any, Final

import numpy as np
from gymnasium import spaces
from numpy.typing import NDArray
from pettingzoo import ParallelEnv

from crl_envs.adapters.columns import Columns, EnvOrId, Masks, Play, columns_of, ends
from crl_envs.adapters.library import require
from crl_envs.core.arrays import Frame
from crl_envs.core.encoding import AgentEncoder
from crl_envs.core.returns import Rewards

require("ray", "2.50", extra="rllib")
require("dm-tree", "0.1", extra="rllib")  # Ray may be there without RLlib

from ray.rllib.env.multi_agent_env import MultiAgentEnv  # noqa: E402
from ray.tune import register_env  # noqa: E402

SHARED_POLICY: Final[dict[str, Any]] = {
    "policies": {"shared"},
    "policy_mapping_fn": lambda agent, *_, **__: "shared",
}
"""Arguments of ``AlgorithmConfig.multi_agent`` with which all agents share one policy."""


def register(
    name: str,
    env: EnvOrId,
    *,
    rewards: Rewards = "local",
    agent_ids: bool = False,
    masks: Masks = "check",
    **kwargs: Any,
) -> None:
    """Give an environment a name for ``config.environment(name)``; its ``env_config`` overrides the arguments here.

    Args:
        name: For RLlib.
        env: As in `make_env`; a callable must be one that cloudpickle takes.
        rewards: As in `make_env`.
        agent_ids: As in `make_env`.
        masks: As in `make_env`.
        **kwargs: Arguments of the environment.

    Raises:
        ValueError: A bad argument: a first environment is made at once.
    """
    given: dict[str, Any] = dict(rewards=rewards, agent_ids=agent_ids, masks=masks, **kwargs)
    make_env(env, **given)
    register_env(name, lambda context: make_env(env, **{**given, **context}))


def make_env(
    env: EnvOrId,
    *,
    rewards: Rewards = "local",
    agent_ids: bool = False,
    masks: Masks = "check",
    **kwargs: Any,
) -> ParallelMultiAgentEnv:
    """Make an environment as RLlib wants it.

    Args:
        env: A registered id, or a callable that returns a ParallelEnv whose agents have equal spaces.
        rewards: What the agents are given: ``"local"``, their own, ``"neighborhood"``, the means over their
            neighbourhoods, or ``"global"``, their mean.
        agent_ids: Whether observations end in a one-hot vector of the agent's number.
        masks: What to do about actions that the mask forbids: ``"check"``: raise; ``"ignore"``: leave it to the
            environment.
        **kwargs: Arguments of the environment.

    Raises:
        ValueError: A bad argument; an unknown id; agents with different spaces.
    """
    if isinstance(env, ParallelEnv):
        raise ValueError(f"env must be an id or a callable that makes a ParallelEnv, got {env!r}")
    return ParallelMultiAgentEnv(columns_of(env, 1, rewards, **kwargs), agent_ids, masks)


class ParallelMultiAgentEnv(MultiAgentEnv):
    """One environment whose agents have equal spaces, act at every step and leave together.

    Observations are ``Box (d,) float32``: see `AgentEncoder`. ``infos[agent]["local_reward"]`` is an agent's own
    reward, whatever it is given. The last step of an episode has its last observations.

    Terminations are given for each agent, truncation only for all at once (``truncateds["__all__"]``, where an episode
    ends in which not every agent terminated): RLlib takes the truncation of all agents one by one for their
    termination, while this way it bootstraps where it should.

    Args:
        columns: One environment.
        agent_ids: See `make_env`.
        masks: See `make_env`.

    Raises:
        ValueError: Several environments, or observations that can't be encoded.
    """

    def __init__(self, columns: Columns, agent_ids: bool = False, masks: Masks = "check") -> None:
        if columns.num_envs != 1:
            raise ValueError(f"columns must be one environment, got {columns.num_envs}")
        self.columns = columns
        self.encoder = AgentEncoder(columns.observation_space, columns.n_agents, agent_ids)
        self._play = Play(columns, masks)
        self.possible_agents = list(columns.agents)
        self.agents = list(columns.agents)
        self.observation_spaces: dict[Any, spaces.Space[Any]] = dict.fromkeys(
            self.agents, self.encoder.space
        )
        self.action_spaces: dict[Any, spaces.Space[Any]] = dict.fromkeys(
            self.agents, columns.action_space
        )
        super().__init__()
        self.render_mode = columns.render_mode

    def reset(
        self, *, seed: int | None = None, options: dict[str, Any] | None = None
    ) -> tuple[dict[Any, NDArray[np.float32]], dict[Any, dict[str, Any]]]:
        """Begin an episode; without a seed the environment's streams go on.

        Raises:
            ValueError: Options for a world, which has none.
        """
        frame = self._play.reset(seed, options=options)
        self.agents = list(self.possible_agents)
        return self._observed(frame), {agent: {} for agent in self.agents}

    def step(
        self, action_dict: dict[Any, Any]
    ) -> tuple[
        dict[Any, NDArray[np.float32]],
        dict[Any, float],
        dict[Any, bool],
        dict[Any, bool],
        dict[Any, dict[str, Any]],
    ]:
        """Let all agents act.

        Raises:
            ValueError: An action that its mask forbids; an agent that left before the others.
        """
        agents = self.possible_agents
        step, _ = self._play.step(np.array([[action_dict[agent] for agent in agents]]))
        (all_terminated,), (truncated,) = (flags.tolist() for flags in ends(step))
        terminated = step.terminations[0].tolist()
        self.agents = [] if step.ended[0] else list(agents)
        return (
            self._observed(step.frame),
            dict(zip(agents, step.rewards[0].tolist(), strict=True)),
            {**dict(zip(agents, terminated, strict=True)), "__all__": all_terminated},
            {"__all__": truncated},
            {
                agent: {"local_reward": own}
                for agent, own in zip(agents, step.local_rewards[0].tolist(), strict=True)
            },
        )

    def render(self) -> Any:
        """Return the environment's picture."""
        return self.columns.render()[0]

    def close(self) -> None:
        """Close the environment."""
        self.columns.close()

    def _observed(self, frame: Frame) -> dict[Any, NDArray[np.float32]]:
        rows = self.encoder.encode(frame.observations)[0]
        return dict(zip(self.possible_agents, rows, strict=True))
