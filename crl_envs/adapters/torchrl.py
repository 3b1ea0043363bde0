"""Environments for TorchRL: all agents of B environments as one batched ``EnvBase``.

Tested with torch 2.13, TorchRL 0.11.1 and tensordict 0.11 (the pair that BenchMARL 1.5.2 asks for).

    from torchrl.collectors import Collector
    from crl_envs.adapters.torchrl import make_env

    env = make_env("crl/sysadmin-v0", copies=8, n_agents=5, horizon=50, agent_ids=True, seed=0)
    for batch in Collector(env, policy, frames_per_batch=400, total_frames=40_000):
        ...                                            # batch["next", "agents", "reward"]: (8, 50, 5, 1)

`examples/torchrl_ippo.py` is a whole training script. The group of all agents is called ``"agents"``; the keys are

| key | shape | |
|---|---|---|
| ``agents, observation`` | ``float32 (B, n, d)`` | as `AgentEncoder` encodes it |
| ``agents, action_mask`` | ``bool (B, n, A)`` | only where masks vary |
| ``agents, action`` | ``int64 (B, n)`` | categorical; Box actions ``float32 (B, n, …)`` |
| ``agents, reward`` | ``float32 (B, n, 1)`` | own or team's, as `rewards` says |
| ``agents, info, local_reward`` | ``float32 (B, n, 1)`` | own ones, where others are given |
| ``done``, ``terminated``, ``truncated`` | ``bool (B, 1)`` | all agents end together |
| ``agents, done`` and so on | ``bool (B, n, 1)`` | the same for each agent, as multi-agent losses want it |
| ``state`` | ``float32 (B, d)`` | where the environment has one |

Traps:

- A frame of TorchRL is one step of one environment, for all its agents: ``total_frames`` are environment steps.
- ``set_seed`` takes effect at the next ``reset()`` of all environments. A collector has reset its environment
  before its own ``set_seed`` can be called: pass ``seed`` to `make_env` instead.
- Value targets must bootstrap at truncation, not at termination: give losses both ``done=("agents", "done")`` and
  ``terminated=("agents", "terminated")``, as the example does. ``("next", "agents", "observation")`` is the last
  observation of an episode, not the first of the next one.
- A ``TransformedEnv`` works out its keys anew at every step until its ``set_spec_lock_()`` is called.
- ``RewardSum`` needs ``reset_keys=["_reset"]`` beside ``in_keys=[("agents", "reward")]``, since the group has done keys
  of its own.
- TorchRL's own wrapper takes one environment at a time, with these arguments::

      PettingZooWrapper(env, group_map=MarlGroupMapType.ALL_IN_ONE_GROUP, return_state=False, use_mask=False,
                        done_on_any=False, seed=0)

  Without the group map agents are grouped by their names. It wants infos of numbers only, so that those of our worlds,
  which name neighbours, must be taken away by a wrapper of yours. ``return_state=True`` is right for a Box only: of
  other state spaces it declares one-hot vectors and gives numbers. Discrete observations come as one-hot vectors of
  integers, and networks need a ``.float()``; they have no agent number. It resets once by itself, and that uses up
  the seed.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from gymnasium import spaces
from numpy.typing import NDArray

from crl_envs.adapters.columns import Columns, EnvOrId, Masks, Play, columns_of, ends
from crl_envs.adapters.library import require
from crl_envs.core.arguments import check_seed
from crl_envs.core.arrays import Frame
from crl_envs.core.encoding import AgentEncoder
from crl_envs.core.returns import Rewards

require("torchrl", "0.11", extra="torchrl")

import torch  # noqa: E402
from tensordict import TensorDict, TensorDictBase  # noqa: E402
from torchrl.data import Bounded, Categorical, Composite, Unbounded  # noqa: E402
from torchrl.envs import EnvBase  # noqa: E402

GROUP = "agents"


def make_env(
    env_fn_or_id: EnvOrId,
    copies: int = 4,
    *,
    rewards: Rewards = "local",
    agent_ids: bool = False,
    masks: Masks = "check",
    seed: int | None = None,
    device: torch.device | str = "cpu",
    **kwargs: Any,
) -> ColumnsEnv:
    """Make copies of an environment as one TorchRL environment.

    Args:
        env_fn_or_id: A registered id, or a callable that returns any ParallelEnv (a class, a function).
        copies: Number of environments B.
        rewards: ``"local"``: as the environment gives them; ``"neighborhood"``: the mean of each agent's neighbourhood;
            ``"global"``: their mean for every agent. Where others are given, the own ones are in the infos.
        agent_ids: Whether observations end in the agent's number as a one-hot vector, without which agents that share a
            policy do the same where they observe the same.
        masks: What to do about actions that the mask forbids, from a policy that doesn't read ``action_mask``:
            ``"check"``: raise; ``"ignore"``: leave it to the environment.
        seed: Environment b gets seed + b.
        device: Where tensors go.
        **kwargs: Arguments of the environment.

    Raises:
        ValueError: A bad argument; an unknown id; agents with different spaces, or with spaces that aren't supported.
    """
    columns = columns_of(env_fn_or_id, copies, rewards, **kwargs)
    return ColumnsEnv(
        columns,
        agent_ids=agent_ids,
        local_rewards=rewards != "local",
        masks=masks,
        seed=seed,
        device=device,
    )


class ColumnsEnv(EnvBase):
    """B environments of n agents, stepped as arrays; the module says which keys it has.

    Args:
        columns: The environments.
        agent_ids: Whether observations end in the agent's number.
        local_rewards: Whether own rewards are in the infos.
        masks: See `make_env`.
        seed: Environment b gets seed + b.
        device: Where tensors go.

    Attributes:
        columns: The environments.
        encoder: Turns observations into rows of numbers.
        tally: Returns of the episodes so far, by own rewards whatever rewards are given, and the steps.
        group_map: ``{"agents": ids of the agents}``.
        continuous: Whether actions are Box.

    Raises:
        ValueError: A bad seed; spaces that aren't supported.
    """

    def __init__(
        self,
        columns: Columns,
        *,
        agent_ids: bool = False,
        local_rewards: bool = False,
        masks: Masks = "check",
        seed: int | None = None,
        device: torch.device | str = "cpu",
    ) -> None:
        action_space = columns.action_space
        if not isinstance(action_space, spaces.Discrete | spaces.Box):
            raise ValueError(
                f"actions must be Discrete or Box, got {action_space}: flatten them into one Discrete"
            )
        encoder = AgentEncoder(columns.observation_space, columns.n_agents, agent_ids)
        super().__init__(device=torch.device(device), batch_size=(columns.num_envs,))
        self.columns = columns
        self.encoder = encoder
        self._play = Play(columns, masks)
        self.tally = self._play.tally
        self.group_map = {GROUP: list(columns.agents)}
        self.continuous = isinstance(action_space, spaces.Box)
        self._first_action = 0 if isinstance(action_space, spaces.Box) else int(action_space.start)
        self._local_rewards = local_rewards
        self._over: NDArray[np.bool_] = np.ones(columns.num_envs, np.bool_)
        self._set_seed(seed)
        # Whether there are masks and states is only known once episodes have begun.
        frame = columns.reset(seed=seed)
        self._has_masks = frame.action_masks is not None
        self._has_state = columns.state_space is not None
        self._make_specs()

    @property
    def n_agents(self) -> int:
        """Number of agents n."""
        return self.columns.n_agents

    def rand_action(self, tensordict: TensorDictBase | None = None) -> TensorDictBase:
        """Return random actions, legal ones where `tensordict` has masks; TorchRL's own would ignore them."""
        drawn = super().rand_action(tensordict)
        masks = drawn.get((GROUP, "action_mask"), None)
        if masks is not None:
            chances = masks.flatten(0, -2).float()
            drawn[GROUP, "action"] = torch.multinomial(chances, 1).reshape(masks.shape[:-1])
        return drawn

    def render(self) -> Any:
        """Return a picture of the first environment."""
        return self.columns.render()[0]

    def close(self, *, raise_if_closed: bool = True) -> None:
        """Release what the environments hold."""
        super().close(raise_if_closed=raise_if_closed)
        self.columns.close()

    def _make_specs(self) -> None:
        b, n, device = self.columns.num_envs, self.n_agents, self.device
        (d,) = self.encoder.space.shape
        observation = Composite(observation=Unbounded((b, n, d)), shape=(b, n))
        if self._has_masks:
            n_actions = int(self.columns.action_space.n)  # type: ignore[union-attr]
            observation["action_mask"] = Categorical(2, (b, n, n_actions), dtype=torch.bool)
        if self._local_rewards:
            observation["info"] = Composite(local_reward=Unbounded((b, n, 1)), shape=(b, n))
        root = Composite({GROUP: observation}, shape=(b,))
        if self._has_state:
            root["state"] = Unbounded(self.columns.state().shape)
        self.observation_spec = root.to(device)
        self.action_spec = Composite(
            {GROUP: Composite(action=self._make_action_spec(), shape=(b, n))}, shape=(b,)
        ).to(device)
        self.reward_spec = Composite(
            {GROUP: Composite(reward=Unbounded((b, n, 1)), shape=(b, n))}, shape=(b,)
        ).to(device)
        ends = {GROUP: Composite(_flag_specs((b, n, 1)), shape=(b, n)), **_flag_specs((b, 1))}
        self.done_spec = Composite(ends, shape=(b,)).to(device)

    def _make_action_spec(self) -> Any:
        space = self.columns.action_space
        shape = (self.columns.num_envs, self.n_agents)
        if isinstance(space, spaces.Box):
            low, high = (torch.as_tensor(bound).float() for bound in (space.low, space.high))
            whole = (*shape, *space.shape)
            return Bounded(low.expand(whole), high.expand(whole), whole, dtype=torch.float32)
        return Categorical(int(space.n), shape, dtype=torch.int64)  # type: ignore[union-attr]

    def _set_seed(self, seed: int | None) -> None:
        self._play.seed = None if seed is None else check_seed("seed", seed)

    def _reset(
        self,
        tensordict: TensorDictBase | None = None,
        *,
        seed: int | None = None,
        options: Mapping[str, Any] | None = None,
    ) -> TensorDictBase:
        if seed is not None:
            self._set_seed(seed)
        asked = None if tensordict is None else tensordict.get("_reset", None)
        ended = np.ones_like(self._over) if asked is None else asked.reshape(-1).cpu().numpy()
        if ended.all():
            frame = self._play.reset(options=options)
        elif self._play.seed is not None:
            raise RuntimeError(
                "set_seed was called in the middle of episodes: call reset() after it, or pass seed to make_env"
            )
        else:
            frame = self._play.reset(ended=ended, options=options)
        self._over &= ~ended
        nothing = np.zeros((len(ended), self.n_agents), np.float32)
        return self._given(frame, nothing, {"terminated": self._over, "truncated": self._over})

    def _step(self, tensordict: TensorDictBase) -> TensorDictBase:
        if self._over.any():
            raise RuntimeError(
                f"environments {np.flatnonzero(self._over)[:5].tolist()} have ended or never begun: reset them first "
                "(step_and_maybe_reset does, and rollout with break_when_any_done=False)"
            )
        actions = tensordict.get((GROUP, "action")).cpu().numpy()
        step, _ = self._play.step(actions, self._first_action)
        self._over = step.ended.copy()
        terminated, truncated = ends(step)
        flags = {"terminated": terminated, "truncated": truncated}
        made = self._given(step.frame, step.local_rewards, flags)
        made.set((GROUP, "reward"), self._tensor(step.rewards, torch.float32)[..., None])
        return made

    def _given(
        self, frame: Frame, local_rewards: NDArray[Any], flags: dict[str, NDArray[np.bool_]]
    ) -> TensorDict:
        """Return what the agents know after a reset or a step."""
        b, n = self.columns.num_envs, self.n_agents
        rows = self.encoder.encode(frame.observations)
        group = {"observation": self._tensor(rows, torch.float32)}
        if self._has_masks:
            group["action_mask"] = self._tensor(frame.action_masks, torch.bool)
        root = {name: self._tensor(flag[:, None], torch.bool) for name, flag in flags.items()}
        root["done"] = root["terminated"] | root["truncated"]
        for name, flag in root.items():
            group[name] = flag[:, None].expand(b, n, 1).clone()
        if self._local_rewards:
            own = {"local_reward": self._tensor(local_rewards, torch.float32)[..., None]}
            group["info"] = TensorDict(own, (b, n), device=self.device)
        root[GROUP] = TensorDict(group, (b, n), device=self.device)
        if self._has_state:
            root["state"] = self._tensor(self.columns.state(), torch.float32)
        return TensorDict(root, (b,), device=self.device)

    def _tensor(self, array: NDArray[Any] | None, dtype: torch.dtype) -> torch.Tensor:
        """Return a copy, so that what environments do to their arrays later doesn't change it."""
        return torch.tensor(array, dtype=dtype, device=self.device)


def _flag_specs(shape: tuple[int, ...]) -> dict[str, Categorical]:
    return {
        name: Categorical(2, shape, dtype=torch.bool)
        for name in ("done", "terminated", "truncated")
    }
