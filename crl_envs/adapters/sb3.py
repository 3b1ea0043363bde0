"""Stable-Baselines3 and sb3-contrib: all agents as one VecEnv with one shared policy, or as one joint agent.

    from stable_baselines3 import PPO

    from crl_envs.adapters.sb3 import make_vec_env

    env = make_vec_env("crl/sysadmin-v0", copies=8, n_agents=10)  # num_envs = 80
    PPO("MlpPolicy", env, n_steps=40, batch_size=800).learn(200_000)

Tested with stable-baselines3 and sb3-contrib 2.9.2 (torch 2.13) and, as the oldest, 2.7.0.

To know:

- **One policy.** To SB3 the n agents of the B environments are B·n environments. All are acted for by the same network
  and all of their steps train it. Agents that observe the same do the same, unless ``agent_ids=True`` tells the network
  who they are: the bandit can't be solved without.
- **Steps.** ``learn(total_timesteps)`` counts agents' steps: n times the environment's. So does ``n_steps · num_envs``.
- **Truncation.** Episodes of a fixed horizon are truncated: infos say ``TimeLimit.truncated`` and
  ``terminal_observation``, and SB3's on-policy algorithms add the value of what would have come. Through SuperSuit,
  truncation is taken for termination.
- **Masks.** MaskablePPO obeys action masks, the other algorithms know nothing of them: with those the first forbidden
  action raises, unless ``masks="ignore"``. ``MaskablePPO.predict`` wants them handed in:
  ``model.predict(observation, action_masks=env.action_masks())``.
- **Seeds.** Environment b gets the seed of the model (or of ``env.seed``) + b.
- **Indices** of ``get_attr``, ``set_attr`` and ``env_method`` count SB3's environments. Number i is agent i mod n of
  environment i // n, and reaches that environment, once however many of its agents are named. ``reset`` and ``step``
  of some are refused: all environments go together.
- **Pictures.** With ``render_mode="rgb_array"`` the copies of a world are stepped one after the other, since arrays
  draw nothing; SB3's ``VecVideoRecorder`` films them in one picture.
- **DQN** takes ``train_freq`` in steps of all B·n environments together, and has no joint form: SB3's DQN has one
  Discrete action only.
- **Logs.** Infos of the last step have SB3's ``episode`` (so ``rollout/ep_rew_mean`` is the return of what agents are
  given), and ``local_return`` and ``global_return``, both, whichever is trained on. No VecMonitor is needed.
"""

from __future__ import annotations

import inspect
import time
from abc import abstractmethod
from collections.abc import Callable, Iterable, Sequence
from typing import Any, cast

import numpy as np
from gymnasium import spaces
from numpy.typing import NDArray

from crl_envs.adapters.columns import (
    Columns,
    EnvOrId,
    MaskGuard,
    Masks,
    Play,
    WorldColumns,
    columns_of,
    first_of,
    made,
)
from crl_envs.adapters.library import require
from crl_envs.core.arguments import check_choice, check_seed
from crl_envs.core.arrays import Step
from crl_envs.core.copies import OwnsArrays
from crl_envs.core.encoding import AgentEncoder
from crl_envs.core.returns import EpisodeReturn, Reduce, Rewards, team_reward
from crl_envs.wrappers import JointAction
from crl_envs.wrappers.joint_action import join_observations

require("stable-baselines3", "2.7", extra="sb3")

from stable_baselines3.common.env_util import make_vec_env as make_sb3_vec_env  # noqa: E402
from stable_baselines3.common.monitor import Monitor  # noqa: E402
from stable_baselines3.common.vec_env import DummyVecEnv, VecEnv  # noqa: E402

Indices = None | int | Iterable[int]


def make_vec_env(
    env: EnvOrId,
    copies: int = 4,
    *,
    rewards: Rewards = "local",
    agent_ids: bool = False,
    masks: Masks = "check",
    seed: int | None = None,
    **kwargs: Any,
) -> AgentVecEnv:
    """Make copies of a multi-agent environment as a VecEnv whose ``num_envs = copies · n`` environments are the agents.

    Our own worlds run as arrays; of any other ParallelEnv the copies are stepped one after the other.

    Args:
        env: A registered id, or a callable that returns a ParallelEnv whose agents have equal spaces.
        copies: Number of environments.
        rewards: What the agents are given: ``"local"``, their own, ``"neighborhood"``, the means over their
            neighbourhoods, or ``"global"``, their mean.
        agent_ids: Whether observations end in a one-hot vector of the agent's number; they are then a Box, with
            Discrete and MultiDiscrete parts one-hot too.
        masks: What to do about actions that the mask forbids: ``"check"``: raise; ``"ignore"``: leave it to the
            environment.
        seed: Of the first reset, unless the model brings one.
        **kwargs: Arguments of the environment.

    Raises:
        ValueError: A bad argument; an unknown id; agents with different spaces.
    """
    vec_env = AgentVecEnv(columns_of(env, copies, rewards, **kwargs), agent_ids, masks)
    if seed is not None:
        vec_env.seed(seed)
    return vec_env


def make_joint_vec_env(
    env: EnvOrId,
    copies: int = 4,
    *,
    reduce: Reduce = "mean",
    masks: Masks = "check",
    seed: int | None = None,
    **kwargs: Any,
) -> VecEnv:
    """Make copies of an environment as a VecEnv with one agent each that acts for all, on the global reward.

    The arrays' twin of `crl_envs.wrappers.JointAction`, with the same spaces and masks. Environments that aren't one of
    our worlds are wrapped in it; their agents' spaces may differ.

    Args:
        env: A registered id, or a callable that returns a ParallelEnv.
        copies: Number of environments; also ``num_envs``.
        reduce: Whether the reward is the ``"mean"`` or the ``"sum"`` of the agents'.
        masks: As in `make_vec_env`.
        seed: Of the first reset, unless the model brings one.
        **kwargs: Arguments of the environment.

    Raises:
        ValueError: A bad argument; an unknown id; spaces that can't be joined.
    """
    first, vec = first_of(env, copies, **kwargs)
    vec_env: VecEnv
    if vec is not None:
        vec_env = JointVecEnv(WorldColumns(vec, first), reduce, masks)
    else:
        unused = [first]
        vec_env = make_sb3_vec_env(
            lambda: _GuardedJoint(unused.pop() if unused else made(env, **kwargs), reduce, masks),
            n_envs=copies,
            vec_env_cls=_JointCopies,
        )
    if seed is not None:
        vec_env.seed(seed)
    return vec_env


class _ColumnsVecEnv(OwnsArrays, VecEnv):
    """What both views have in common.

    Args:
        columns: The environments.
        rows: SB3's environments in each.
        observation_space: Of one of SB3's environments.
        action_space: Of one.
        masks: See `make_vec_env`.

    Attributes:
        columns: The environments.
        agents: Ids of the n agents.
        tally: Environment steps and returns so far.
    """

    def __init__(
        self,
        columns: Columns,
        rows: int,
        observation_space: spaces.Space[Any],
        action_space: spaces.Space[Any],
        masks: Masks,
    ) -> None:
        self.columns = columns
        self.agents = columns.agents
        self._play = Play(columns, masks)
        self.tally = self._play.tally
        self._rows = rows
        self._actions: NDArray[Any] = np.zeros(0)
        self._given = np.zeros((columns.num_envs, rows))
        self._begun = time.time()
        super().__init__(columns.num_envs * rows, observation_space, action_space)
        fps = getattr(columns.envs[0], "metadata", {}).get("render_fps")
        if fps is not None:
            self.metadata: dict[str, Any] = {**self.metadata, "render_fps": fps}  # of a film

    @abstractmethod
    def rows(self, observations: NDArray[Any]) -> NDArray[Any]:
        """Return observations ``(B, n, …)`` of any number of environments as SB3 has them, an environment a row."""

    @abstractmethod
    def _rewards(self, step: Step) -> NDArray[np.float32]:
        """Return ``(B, rows)``."""

    @abstractmethod
    def _flags(self, step: Step) -> NDArray[np.bool_]:
        """Return which of SB3's environments were truncated and not terminated, ``(B, rows)``."""

    @abstractmethod
    def _infos(self, step: Step) -> list[dict[str, Any]]:
        """Return one dict for each of SB3's environments."""

    @abstractmethod
    def _own_return(self, ended: EpisodeReturn, row: int) -> float:
        """Return the sum of own rewards of an episode."""

    def action_masks(self) -> NDArray[np.bool_]:
        """Return what is legal now, for MaskablePPO: ``bool (num_envs, …)``, all True where there are no masks.

        A row has the A actions of an agent, or n·A of the joint one, agent after agent.
        """
        masks = self._play.action_masks
        if masks is None:
            return np.ones((self.num_envs, spaces.flatdim(self.action_space)), np.bool_)
        return masks.reshape(self.num_envs, -1).astype(np.bool_)

    def seed(self, seed: int | None = None) -> Sequence[int | None]:
        """Seed the environments at the next reset: environment b gets seed + b.

        Returns:
            The seed of each of SB3's environments: agents of the same environment have the same.

        Raises:
            ValueError: A bad seed.
        """
        if seed is not None:
            check_seed("seed", seed)
        first = super().seed(seed)[0]
        assert first is not None
        self._seeds = np.repeat(np.arange(self.columns.num_envs) + first, self._rows).tolist()
        return self._seeds

    def reset(self) -> NDArray[Any]:
        """Begin episodes everywhere, with the options of `set_options`.

        Raises:
            ValueError: Options for worlds, which have none, or other options for agents of the same environment.
        """
        options = self._options[:: self._rows]
        if self._options != [own for own in options for _ in range(self._rows)]:
            raise ValueError(
                f"options must be the same for the {self._rows} agents of an environment, got {self._options!r}"
            )
        frame = self._play.seen(self.columns.reset(self._seeds[0], options=options))
        self._reset_seeds()
        self._reset_options()
        self.tally.begin()
        self._given[:] = 0.0
        return self.rows(frame.observations)

    def step_async(self, actions: NDArray[Any]) -> None:
        """Keep the actions until `step_wait`."""
        columns = self.columns
        shape = (columns.num_envs, columns.n_agents, *(columns.action_space.shape or ()))
        self._actions = np.asarray(actions).reshape(shape)

    def step_wait(self) -> tuple[NDArray[Any], NDArray[Any], NDArray[Any], list[dict[str, Any]]]:
        """Step all environments; those that end begin anew.

        Returns:
            Observations, rewards ``float32``, whether an episode ended, and infos. Where one ended the observation is
            the first of the next, and the info has ``terminal_observation``, ``TimeLimit.truncated``, ``episode``,
            ``local_return`` and ``global_return``.

        Raises:
            ValueError: An action that its mask forbids.
        """
        step, episodes = self._play.step(self._actions)
        rewards = self._rewards(step)
        self._given += rewards
        infos = self._infos(step)
        frame = step.frame
        if episodes:
            self._end(step, episodes, infos)
            frame = self._play.reset(ended=step.ended)
        dones = np.repeat(step.ended, self._rows)
        return self.rows(frame.observations), rewards.reshape(-1), dones, infos

    def _end(self, step: Step, episodes: list[EpisodeReturn], infos: list[dict[str, Any]]) -> None:
        last = self.rows(step.frame.observations)
        cut = self._flags(step).reshape(-1)
        seconds = round(time.time() - self._begun, 6)
        for ended in episodes:
            for row in range(self._rows):
                at = ended.column * self._rows + row
                infos[at] |= {
                    "terminal_observation": last[at],
                    "TimeLimit.truncated": bool(cut[at]),
                    "episode": {
                        "r": float(self._given[ended.column, row]),
                        "l": ended.steps,
                        "t": seconds,
                    },
                    "local_return": self._own_return(ended, row),
                    "global_return": ended.global_return,
                }
            self._given[ended.column] = 0.0

    def close(self) -> None:
        """Close the environments."""
        self.columns.close()

    def get_attr(self, attr_name: str, indices: Indices = None) -> list[Any]:
        """Return an attribute of the environment that each of SB3's environments belongs to.

        Raises:
            AttributeError: There is none.
        """
        if attr_name in ("n_agents", "render_mode"):  # not every ParallelEnv has them
            return [getattr(self.columns, attr_name) for _ in self._get_indices(indices)]
        if attr_name == "action_masks":
            return self.env_method(attr_name, indices=indices)
        return self._of_each(lambda env: getattr(env, attr_name), indices)

    def set_attr(self, attr_name: str, value: Any, indices: Indices = None) -> None:
        """Set an attribute of the environments that these of SB3's environments belong to.

        All agents of an environment see it, whichever of them was named.

        Raises:
            AttributeError: There is none of that name; our own worlds are arrays, of which none is changed alone.
        """
        if isinstance(self.columns, WorldColumns):
            raise AttributeError(
                f"{attr_name!r} can't be set for single agents: worlds run as arrays, and their arguments are those of "
                "make_vec_env"
            )
        self._of_each(lambda env: _set(env, attr_name, value), indices)

    def env_method(
        self, method_name: str, *method_args: Any, indices: Indices = None, **method_kwargs: Any
    ) -> list[Any]:
        """Call a method of the environment that each of SB3's environments belongs to, once for all of its agents.

        ``action_masks`` gives the mask of each of SB3's environments.

        Raises:
            AttributeError: There is none.
            ValueError: ``reset`` or ``step``, which go by the VecEnv's own: it counts returns and has the masks.
        """
        if method_name == "action_masks":
            masks = self.action_masks()
            return [masks[at] for at in self._get_indices(indices)]
        if method_name in ("reset", "step"):
            raise ValueError(
                f"method_name must be another one than 'reset' and 'step', got {method_name!r}: the agents of all "
                f"environments go together, by {method_name}() of the VecEnv"
            )
        return self._of_each(
            lambda env: getattr(env, method_name)(*method_args, **method_kwargs), indices
        )

    def env_is_wrapped(self, wrapper_class: type[Any], indices: Indices = None) -> list[bool]:
        """Return whether the environments have a wrapper; True for SB3's Monitor, whose work is done here."""
        if issubclass(wrapper_class, Monitor):
            return [True for _ in self._get_indices(indices)]
        return self._of_each(
            lambda env: any(isinstance(layer, wrapper_class) for layer in _layers(env)), indices
        )

    def get_images(self) -> Sequence[NDArray[np.uint8] | None]:
        """Return a picture of each environment, one for all of its agents."""
        return self.columns.render()

    def _of_each(self, ask: Callable[[Any], Any], indices: Indices) -> list[Any]:
        """Return what each environment answers, asked once, for each of SB3's environments."""
        places = [at // self._rows for at in self._get_indices(indices)]
        answers = {place: ask(self.columns.envs[place]) for place in dict.fromkeys(places)}
        return [answers[place] for place in places]


class AgentVecEnv(_ColumnsVecEnv):
    """All agents of all environments as SB3's environments: number b·n + i is agent i of environment b.

    Args:
        columns: The environments.
        agent_ids: See `make_vec_env`.
        masks: See `make_vec_env`.

    Raises:
        ValueError: Observations that can't be encoded with `agent_ids`.
    """

    def __init__(self, columns: Columns, agent_ids: bool = False, masks: Masks = "check") -> None:
        self._encoder: AgentEncoder | None = None
        observed = columns.observation_space
        if agent_ids:
            self._encoder = AgentEncoder(observed, columns.n_agents, agent_ids)
            observed = self._encoder.space
        super().__init__(columns, columns.n_agents, observed, columns.action_space, masks)

    def rows(self, observations: NDArray[Any]) -> NDArray[Any]:
        """Return ``(B·n, …)``."""
        array = observations if self._encoder is None else self._encoder.encode(observations)
        space = self.observation_space
        return array.reshape(-1, *(space.shape or ())).astype(space.dtype, copy=False)

    def _rewards(self, step: Step) -> NDArray[np.float32]:
        return step.rewards.astype(np.float32)

    def _flags(self, step: Step) -> NDArray[np.bool_]:
        return step.truncations & ~step.terminations

    def _infos(self, step: Step) -> list[dict[str, Any]]:
        if step.local_rewards is step.rewards:
            return [{} for _ in range(self.num_envs)]
        return [{"local_reward": reward} for reward in step.local_rewards.reshape(-1).tolist()]

    def _own_return(self, ended: EpisodeReturn, row: int) -> float:
        return float(ended.agent_returns[row])


class JointVecEnv(_ColumnsVecEnv):
    """Each environment as one of SB3's, with an agent that acts for all.

    Args:
        columns: The environments, with Discrete actions.
        reduce: See `make_joint_vec_env`.
        masks: See `make_vec_env`.

    Raises:
        ValueError: Spaces that can't be joined.
    """

    def __init__(self, columns: Columns, reduce: Reduce = "mean", masks: Masks = "check") -> None:
        self._reduce = cast(Reduce, check_choice("reduce", reduce, ("mean", "sum")))
        if not isinstance(columns.action_space, spaces.Discrete):
            raise ValueError(f"actions must be Discrete to be joined, got {columns.action_space}")
        joint = join_observations([(agent, columns.observation_space) for agent in columns.agents])
        actions = spaces.MultiDiscrete(np.full(columns.n_agents, columns.action_space.n))
        super().__init__(columns, 1, joint, actions, masks)

    def rows(self, observations: NDArray[Any]) -> NDArray[Any]:
        """Return ``(B, n · …)``."""
        joint = observations.reshape(len(observations), -1)
        return joint.astype(self.observation_space.dtype, copy=False)

    def _rewards(self, step: Step) -> NDArray[np.float32]:
        return team_reward(step.rewards.T, self._reduce)[:, None].astype(np.float32)

    def _flags(self, step: Step) -> NDArray[np.bool_]:
        return np.asarray((step.truncations & ~step.terminations).any(axis=1, keepdims=True))

    def _infos(self, step: Step) -> list[dict[str, Any]]:
        return [{"local_rewards": rewards} for rewards in step.local_rewards]

    def _own_return(self, ended: EpisodeReturn, row: int) -> float:
        return ended.local_return


class _GuardedJoint(JointAction):
    """With `masks` as elsewhere; what it has no attribute for is the ParallelEnv's."""

    def __init__(self, env: Any, reduce: str, masks: Masks) -> None:
        super().__init__(env, reduce)
        self._guard = MaskGuard(masks)
        joint = cast(spaces.MultiDiscrete, self.action_space)
        self._starts = np.cumsum(joint.nvec) - joint.nvec - joint.start

    def step(self, action: NDArray[np.int64]) -> Any:
        given = np.asarray(action)
        if self._guard.checks and self.action_space.contains(given):
            legal = self.action_masks()[self._starts + given]
            for k in np.flatnonzero(~legal):
                agent = self.agents[np.searchsorted(self._action_at, k, "right") - 1]
                if agent in self._live:  # what others choose is ignored
                    raise self._guard.refusal(agent, given[k])
        return super().step(action)

    def __getattr__(self, name: str) -> Any:
        if name.startswith("_") or name == "env":
            raise AttributeError(f"{type(self).__name__!r} has no attribute {name!r}")
        return getattr(self.env, name)


class _JointCopies(DummyVecEnv):
    """`set_attr` reaches the ParallelEnv; SB3's own stops at the outermost wrapper."""

    def set_attr(self, attr_name: str, value: Any, indices: Indices = None) -> None:
        for env in self._get_target_envs(indices):
            _set(env, attr_name, value)


def _layers(env: Any) -> Iterable[Any]:
    """Yield the environment, and what it wraps."""
    while env is not None:
        yield env
        env = inspect.getattr_static(env, "env", None)


def _set(env: Any, name: str, value: Any) -> None:
    """Set an attribute where it is, in the environment or in what it wraps."""
    for layer in _layers(env):
        if inspect.getattr_static(layer, name, _layers) is not _layers:
            setattr(layer, name, value)
            return
    raise AttributeError(f"{type(env).__name__!r} has no attribute {name!r} to be set")
