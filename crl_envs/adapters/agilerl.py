"""AgileRL: copies of a multi-agent environment as the ``PettingZooVecEnv`` that its training loops step.

    from agilerl.algorithms import IPPO
    from agilerl.training.train_multi_agent_on_policy import train_multi_agent_on_policy

    from crl_envs.adapters.agilerl import make_vec_env

    env = make_vec_env("crl/sysadmin-v0", copies=8, n_agents=5, seed=0)
    ippo = IPPO(
        [env.single_observation_space(agent) for agent in env.agents],
        [env.single_action_space(agent) for agent in env.agents],
        agent_ids=env.agents, learn_step=2000, batch_size=250, lr=2e-3, gamma=0.9,
    )
    train_multi_agent_on_policy(env, "sysadmin", "IPPO", [ippo], max_steps=50_000, evo_steps=50_000)
    print(env.tally.episodes[-1].local_return)

Tested with agilerl 2.58.0 (torch 2.13, gymnasium 1.4, pettingzoo 1.26.1: it needs one below 1.27). ``pip install
agilerl peft``, in an environment of its own: it imports peft without asking for it.

To know:

- **Groups.** AgileRL takes agents whose ids differ in what follows the last ``_`` for a group with one policy. IPPO
  2.58 then learns nothing: it lines up the group's observations by agent first and its advantages by step first. Here
  a shared policy is B·n environments of one agent, and agents with policies of their own have ids that don't group
  (``agent-0``).
- **Episodes run into each other in IPPO.** Its loop clears the flags of an episode that ended for all agents at once
  before it stores them, so that returns go on through the following episodes. That is noise, and the more of it the
  shorter the episodes are: for the bandit take ``gamma=0.0``.
- **Truncation.** Its loops keep no last observations: MADDPG and MATD3 take the first of the next episode instead.
  ``infos[agent]["final_observation"]`` has the right one, for loops of your own.
- **Steps.** ``max_steps``, ``evo_steps`` and ``learn_step`` count steps of all E environments, so with a shared policy
  agents' steps. ``env.tally.env_steps`` counts the environment's.
- **Scores** are sums over agents and of what they are given; ``env.tally.episodes`` has the returns by own rewards.
  With a shared policy AgileRL's "score" is one agent's.
- **MADDPG, MATD3** need ``policies="own"``, and ``vect_noise_dim=copies``, or they stop at the end of an episode.
- **Observations of one number** crash its networks: the bandit needs ``agent_ids=True``, with own policies too.
- **Masks.** Algorithms are given them in infos, and by their source obey them when they act; IPPO then learns as if
  nothing had been forbidden. Forbidden actions raise unless ``masks="ignore"``.
- **Seeds.** `make_vec_env` seeds the environments. AgileRL draws from the global streams of random, numpy and torch.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal

import numpy as np
from gymnasium import spaces
from numpy.typing import NDArray

from crl_envs.adapters.columns import Columns, EnvOrId, Masks, Play, columns_of
from crl_envs.adapters.library import require
from crl_envs.core.arguments import check_choice
from crl_envs.core.arrays import Frame
from crl_envs.core.encoding import AgentEncoder
from crl_envs.core.returns import Rewards

require("agilerl", "2.5", "pip install agilerl")

from agilerl.vector.pz_vec_env import PettingZooVecEnv  # noqa: E402

ByAgent = dict[str, NDArray[Any]]
Policies = Literal["shared", "own"]


def make_vec_env(
    env: EnvOrId,
    copies: int = 8,
    *,
    policies: Policies = "shared",
    rewards: Rewards = "local",
    agent_ids: bool = False,
    masks: Masks = "check",
    seed: int | None = None,
    **kwargs: Any,
) -> AgileVecEnv:
    """Make copies of an environment in this process: our own worlds as arrays, others one after the other.

    Args:
        env: A registered id, or a callable that returns a ParallelEnv whose agents have equal spaces.
        copies: Number of environments B.
        policies: ``"shared"``: one policy for all agents, which are B·n environments of one agent to AgileRL; for
            IPPO. ``"own"``: one policy an agent; for IPPO, MADDPG and MATD3.
        rewards: What the agents are given: ``"local"``, their own, ``"neighborhood"``, the means over their
            neighbourhoods, or ``"global"``, their mean.
        agent_ids: Whether observations end in a one-hot vector of the agent's number.
        masks: What to do about actions that the mask forbids: ``"check"``: raise; ``"ignore"``: leave it to the
            environment.
        seed: Of the first reset that has none; environment b gets seed + b.
        **kwargs: Arguments of the environment.

    Raises:
        ValueError: A bad argument; an unknown id; agents with different spaces.
    """
    return AgileVecEnv(columns_of(env, copies, rewards, **kwargs), policies, agent_ids, masks, seed)


class AgileVecEnv(PettingZooVecEnv):
    """B environments, stepped together; one that ends begins anew in the same step, as AgileRL's own do.

    Everything is a dict agent → array whose first axis are AgileRL's environments, E = B·n with a shared policy, else
    B: observations ``float32 (E, d)`` (see `AgentEncoder`), rewards ``float64[E]``, terminations and truncations
    ``bool[E]``, and in ``infos[agent]``

    - ``action_mask``: ``int8 (E, A)``, only where there are masks;
    - ``local_reward``: ``[E]``, the agents' own;
    - ``final_observation``: ``(E, d)``, before anything was reset; only in steps in which an episode ended.

    Args:
        columns: The environments.
        policies: See `make_vec_env`.
        agent_ids: See `make_vec_env`.
        masks: See `make_vec_env`.
        seed: See `make_vec_env`.

    Attributes:
        agents: ``["agent"]`` with a shared policy, else the ids of the agents with ``-`` for ``_``, so that AgileRL
            doesn't take them for one group.
        tally: Environment steps and the returns of episodes so far, by own rewards.

    Raises:
        ValueError: An unknown word for `policies` or `masks`; observations that can't be encoded, or are one number.
    """

    def __init__(
        self,
        columns: Columns,
        policies: Policies = "shared",
        agent_ids: bool = False,
        masks: Masks = "check",
        seed: int | None = None,
    ) -> None:
        self._shared = check_choice("policies", policies, ("shared", "own")) == "shared"
        self.columns = columns
        self.encoder = AgentEncoder(columns.observation_space, columns.n_agents, agent_ids)
        if self.encoder.space.shape == (1,):
            raise ValueError(
                "observations are one number, which AgileRL's networks can't take: use agent_ids=True"
            )
        self._play = Play(columns, masks, seed)
        self.tally = self._play.tally
        names = [str(agent).replace("_", "-") for agent in columns.agents]
        rows = columns.num_envs * columns.n_agents
        observes: dict[str, spaces.Space[Any]] = dict.fromkeys(names, self.encoder.space)
        acts: dict[str, spaces.Space[Any]] = dict.fromkeys(names, columns.action_space)
        if self._shared:
            names = ["agent"]
            observes, acts = {"agent": self.encoder.space}, {"agent": columns.action_space}
        super().__init__(
            rows if self._shared else columns.num_envs,
            observes,
            acts,
            names,
            render_mode=columns.render_mode,
        )

    def reset(
        self, *, seed: int | None = None, options: dict[str, Any] | None = None
    ) -> tuple[ByAgent, dict[str, dict[str, Any]]]:
        """Begin episodes everywhere; environment b gets seed + b, and all get the same options.

        Raises:
            ValueError: Options for worlds, which have none.
        """
        return self._observed(self._play.reset(seed, options=options))

    def step(
        self, actions: Mapping[str, Any], *args: Any, **kwargs: Any
    ) -> tuple[ByAgent, ByAgent, ByAgent, ByAgent, dict[str, dict[str, Any]]]:
        """Let all agents act: agent → ``[E]``, for Box actions ``(E, …)``.

        Raises:
            ValueError: An action that its mask forbids; an agent that left before the others.
        """
        step, episodes = self._play.step(self._joined(actions))
        final: ByAgent = {}
        frame = step.frame
        if episodes:
            final = self._by_agent(self.encoder.encode(frame.observations))
            frame = self._play.reset(ended=step.ended)
        observations, infos = self._observed(frame)
        for agent, own in self._by_agent(step.local_rewards).items():
            infos[agent]["local_reward"] = own
            if final:
                infos[agent]["final_observation"] = final[agent]
        return (
            observations,
            self._by_agent(step.rewards.astype(np.float64)),
            self._by_agent(step.terminations),
            self._by_agent(step.truncations),
            infos,
        )

    def render(self) -> tuple[Any, ...]:
        """Return a picture of each environment."""
        return tuple(self.columns.render())

    def close_extras(self, **kwargs: Any) -> None:
        """Close the environments."""
        self.columns.close()

    def _observed(self, frame: Frame) -> tuple[ByAgent, dict[str, dict[str, Any]]]:
        infos: dict[str, dict[str, Any]] = {agent: {} for agent in self.agents}
        if frame.action_masks is not None:
            for agent, mask in self._by_agent(frame.action_masks).items():
                infos[agent]["action_mask"] = mask
        return self._by_agent(self.encoder.encode(frame.observations)), infos

    def _joined(self, by_agent: Mapping[str, Any]) -> NDArray[Any]:
        """Return actions as ``(B, n, …)``."""
        columns = self.columns
        shape = columns.action_space.shape or ()
        if self._shared:
            rows = np.asarray(by_agent["agent"])
            return rows.reshape(columns.num_envs, columns.n_agents, *shape)
        return np.stack(
            [
                np.asarray(by_agent[agent]).reshape(columns.num_envs, *shape)
                for agent in self.agents
            ],
            axis=1,
        )

    def _by_agent(self, array: NDArray[Any]) -> ByAgent:
        """Return ``(B, n, …)`` as agent → a fresh ``(E, …)``."""
        if self._shared:
            return {"agent": array.reshape(-1, *array.shape[2:]).copy()}
        return {agent: array[:, i].copy() for i, agent in enumerate(self.agents)}
