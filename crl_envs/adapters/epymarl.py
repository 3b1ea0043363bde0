r"""EPyMARL: environments as Gymnasium envs with Tuple spaces and a list of rewards, which its ``gymma`` takes.

    python src/main.py --config=vdn --env-config=gymma --force with \
        env_args.key="crl_envs.adapters.epymarl:crl/sysadmin-tuple-v0" \
        env_args.n_agents=5 env_args.horizon=20 env_args.time_limit=20 \
        t_max=50000 use_cuda=False

Every id ``crl/name-v0`` of ours is there as ``crl/name-tuple-v0``. For anybody's ParallelEnv, write a module that
EPyMARL can import, say ``mine.py``, and give ``env_args.key="mine:mine/env-v0"``:

    from crl_envs.adapters.epymarl import register

    register("mine/env-v0", make_my_parallel_env, size=3)

Tested with EPyMARL's main branch (README of July 2024; torch 2.13, gymnasium 1.4, pettingzoo 1.27). It is no package:
``git clone https://github.com/uoe-agents/epymarl``, then ``pip install torch sacred pyyaml 'setuptools<81' crl-envs``.

To know:

- **It doesn't start without SMAClite** (``ModuleNotFoundError: smaclite``), whichever environment is asked for, and
  SMAClite isn't on PyPI: ``pip install git+https://github.com/uoe-agents/smaclite``, or put an empty ``smaclite.py``
  on the ``PYTHONPATH``. Sacred needs ``pkg_resources``, which setuptools has dropped: hence ``setuptools<81``.
- **Arguments of the environment** are given as ``env_args.n_agents=5``, and Sacred refuses those that it doesn't know
  (``ConfigAddedError``) without ``--force``.
- **time_limit** must be the environment's horizon, 1 for the bandit. A smaller one cuts episodes and counts as
  termination, a larger one makes all batches longer. `TupleEnv` says ``episode_limit`` in its last info where an
  episode was truncated, and EPyMARL then adds the value of what would have come.
- **Rewards.** With ``common_reward=True``, the default, EPyMARL gives the team the sum of the list; with
  ``reward_scalarisation=mean`` the mean, as `crl_envs.wrappers.GlobalReward` does: VDN and QMIX need a common reward.
  With ``common_reward=False`` agents get their own (IQL, IA2C, IPPO, MAA2C, MAPPO). Either way the logs have
  ``local_return_mean`` and ``global_return_mean``.
- **Its own PettingZoo wrapper** reads ``env.agents`` after the step, when they have left, and so gives 0 for the last
  reward of every episode that terminates: a bandit's return is 0.
- **State.** Central critics and mixers get the observations side by side: ``gymma`` offers no other way.
- **Masks.** ``gymma`` says that all actions are always available: the first forbidden one raises, unless
  ``env_args.masks=ignore``.
- **Agents** share one network, with their numbers in the observations (``obs_agent_id``); ``mac=non_shared_mac`` gives
  them one each.
- **Seeds.** ``seed=1`` seeds everything; copy b of the parallel runner begins with seed + b. Results go to
  EPyMARL's own folder.
"""

from __future__ import annotations

from typing import Any, ClassVar, Final

import gymnasium
import numpy as np
from gymnasium import spaces
from gymnasium.envs.registration import registry

from crl_envs.adapters.columns import EnvOrId, Masks, Play, columns_of, ends
from crl_envs.core.returns import Rewards
from crl_envs.registration import registered_ids

_ENTRY_POINT: Final = "crl_envs.adapters.epymarl:TupleEnv"


class TupleEnv(gymnasium.Env[tuple[Any, ...], tuple[Any, ...]]):
    """A multi-agent environment with one entry an agent in observations, actions and rewards.

    Args:
        env: A registered id, or a callable that returns a ParallelEnv whose agents have equal spaces, act at every
            step and leave together.
        rewards: What the list has: ``"local"``, the agents' own, ``"neighborhood"``, the means over their
            neighbourhoods, or ``"global"``, their mean n times.
        masks: What to do about actions that the mask forbids: ``"check"``: raise; ``"ignore"``: leave it to the
            environment.
        **kwargs: Arguments of the environment.

    Attributes:
        n_agents: Number of agents n.

    Raises:
        ValueError: A bad argument; an unknown id; agents with different spaces.
    """

    metadata: ClassVar[dict[str, Any]] = {"render_modes": ["human", "rgb_array", "ansi"]}  # type: ignore[misc]

    def __init__(
        self, env: EnvOrId, *, rewards: Rewards = "local", masks: Masks = "check", **kwargs: Any
    ) -> None:
        self.columns = columns_of(env, 1, rewards, **kwargs)
        self.n_agents = self.columns.n_agents
        self.render_mode = self.columns.render_mode
        self.observation_space = spaces.Tuple([self.columns.observation_space] * self.n_agents)
        self.action_space = spaces.Tuple([self.columns.action_space] * self.n_agents)
        self._play = Play(self.columns, masks)

    def reset(
        self, *, seed: int | None = None, options: dict[str, Any] | None = None
    ) -> tuple[tuple[Any, ...], dict[str, Any]]:
        """Begin an episode; without a seed the environment's streams go on.

        Raises:
            ValueError: Options for a world, which has none.
        """
        return tuple(self._play.reset(seed, options=options).observations[0]), {}

    def step(  # type: ignore[override]  # a list of rewards is what EPyMARL expects
        self, actions: tuple[Any, ...]
    ) -> tuple[tuple[Any, ...], list[float], bool, bool, dict[str, Any]]:
        """Let all agents act.

        Returns:
            The agents' observations; their rewards, a list of n floats; whether all terminated; whether the episode
            ended otherwise; an info, empty but for the last, of numbers as EPyMARL adds them up:
            ``episode_limit`` (whether truncated), ``local_return`` (mean over agents of the sums of own rewards) and
            ``global_return``.

        Raises:
            ValueError: An action that its mask forbids; an agent that left before the others.
        """
        step, episodes = self._play.step(np.array([list(actions)]))
        (terminated,), (truncated,) = (flags.tolist() for flags in ends(step))
        info: dict[str, Any] = {}
        for episode in episodes:
            info = {
                "episode_limit": truncated,
                "local_return": episode.local_return,
                "global_return": episode.global_return,
            }
        observations = tuple(step.frame.observations[0])
        return observations, step.rewards[0].tolist(), terminated, truncated, info

    def render(self) -> Any:
        """Return the environment's picture, in the ``render_mode`` that it was made with."""
        return self.columns.render()[0]

    def close(self) -> None:
        """Close the environment."""
        self.columns.close()


def register(id: str, env: EnvOrId, **kwargs: Any) -> None:
    """Give Gymnasium, and so ``env_args.key``, an id for the `TupleEnv` of an environment.

    Args:
        id: As Gymnasium has them: ``namespace/name-v0``.
        env: A registered id of ours, or a callable that returns a ParallelEnv.
        **kwargs: Arguments of `TupleEnv` and of the environment; those of ``gymnasium.make`` override them.

    Raises:
        ValueError: The id is taken by another environment.
    """
    spec = registry.get(id)
    given = {"env": env, **kwargs}
    if spec is not None and (spec.entry_point != _ENTRY_POINT or spec.kwargs != given):
        raise ValueError(f"id {id!r} is registered already, for {spec.entry_point!r} {spec.kwargs}")
    if spec is None:
        # Gymnasium's checker expects one reward, a float.
        gymnasium.register(id, entry_point=_ENTRY_POINT, kwargs=given, disable_env_checker=True)


def _register_ours() -> None:
    for of in registered_ids():
        name, version = of.rsplit("-", 1)
        register(f"{name}-tuple-{version}", of)


_register_ours()
