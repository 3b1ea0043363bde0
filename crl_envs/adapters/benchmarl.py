"""Environments for BenchMARL: a task of any environment, without yaml.

Tested with BenchMARL 1.5.2, TorchRL 0.11.1 and torch 2.13.

    from benchmarl.algorithms import MappoConfig
    from benchmarl.experiment import Experiment, ExperimentConfig
    from benchmarl.models.mlp import MlpConfig
    from crl_envs.adapters.benchmarl import make_task

    task = make_task("crl/sysadmin-v0", n_agents=5, horizon=50)
    Experiment(task, MappoConfig.get_from_yaml(), MlpConfig.get_from_yaml(), seed=0,
               config=ExperimentConfig.get_from_yaml()).run()

`examples/benchmarl_mappo.py` is a whole script, with settings that suit small environments. Environments are those of
`crl_envs.adapters.torchrl`: all ``n_envs_per_worker`` of them are one batch of arrays, and the evaluation has another
one of its own.

Traps:

- Frames are environment steps, for all agents together; so are ``minibatch_size`` and ``memory_size``.
- ``evaluation_interval`` must be a multiple of ``collected_frames_per_batch``, and ``exploration_anneal_frames`` is a
  third of the whole run unless it is given: a longer run explores for longer.
- VDN and QMIX learn from the mean of the agents' rewards, whichever these are: with ``rewards="local"`` they see the
  same as with ``"global"``. IPPO and MAPPO give every agent its own.
- MAPPO's critic (``share_param_critic``, True by default) gives all agents one value of the state: with local
  rewards an estimate of the mean of what they will get.
- An evaluation plays ``max_steps`` steps, even if all its episodes have ended before: give `max_steps` where the
  horizon is only a bound, as in load balancing.
- A critic that is a graph network or DeepSets (MAPPO's) is refused by BenchMARL where the task has a state:
  ``make_task(…, state=False)``.
- Policies are shared by all agents by default (``share_policy_params``). Without ``agent_ids`` those that observe the
  same then do the same; ``agent_ids`` is True here unless you say otherwise.
- The default settings are made for long runs of many environments: 6000 frames a batch, learning rate 5e-5.
- Installing BenchMARL without a constraint on torch may replace a CPU build by a CUDA one.
- BenchMARL writes a folder for each experiment into the working directory unless ``save_folder`` is set.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

from crl_envs.adapters.columns import EnvOrId, WorldColumns, columns_of
from crl_envs.adapters.library import require
from crl_envs.core.arguments import check_bool, check_int
from crl_envs.core.returns import Rewards

require("benchmarl", "1.5", extra="torchrl")

from benchmarl.environments import TaskClass  # noqa: E402
from torchrl.data import Composite  # noqa: E402
from torchrl.envs import EnvBase  # noqa: E402

from crl_envs.adapters.torchrl import GROUP, ColumnsEnv, make_env  # noqa: E402


def make_task(
    env_fn_or_id: EnvOrId,
    *,
    rewards: Rewards = "local",
    agent_ids: bool = True,
    max_steps: int | None = None,
    name: str | None = None,
    state: bool = True,
    **kwargs: Any,
) -> ColumnsTask:
    """Make a BenchMARL task of an environment.

    BenchMARL pickles its tasks: a callable must be one that pickle can find, not a lambda.

    Args:
        env_fn_or_id: A registered id, or a callable that returns any ParallelEnv (a class, a function).
        rewards: ``"local"``: as the environment gives them; ``"neighborhood"``: the mean of each agent's neighbourhood;
            ``"global"``: their mean for every agent. Where others are given, the own ones are in the infos, which
            BenchMARL logs.
        agent_ids: Whether observations end in the agent's number as a one-hot vector.
        max_steps: Longest episode of an evaluation in environment steps. By default the horizon of our worlds, of those
            that have one; 1 is right for the bandit.
        name: What logs and folders are called after. Follows from the environment by default.
        state: Whether critics of the whole team see the environment's ``state()``. With False they see all agents'
            observations: graph networks and DeepSets, which take one input an agent, need that.
        **kwargs: Arguments of the environment.

    Raises:
        ValueError: A bad argument; no `max_steps` where the environment doesn't say its horizon; what `make_env`
            raises.
    """
    columns = columns_of(env_fn_or_id, 1, rewards, **kwargs)
    if max_steps is None and isinstance(columns, WorldColumns):
        max_steps = columns.env.unwrapped.world.horizon  # type: ignore[attr-defined]
    if max_steps is None:
        raise ValueError(
            "max_steps must be given, the longest episode of an evaluation in environment steps: "
            f"{env_fn_or_id!r} doesn't say how long its episodes are"
        )
    config = {
        "env_fn_or_id": env_fn_or_id,
        "rewards": rewards,
        "agent_ids": agent_ids,
        "max_steps": check_int("max_steps", max_steps, low=1),
        "state": check_bool("state", state),
        "kwargs": kwargs,
    }
    if name is None:
        made_by = getattr(env_fn_or_id, "__name__", type(env_fn_or_id).__name__)
        name = env_fn_or_id if isinstance(env_fn_or_id, str) else str(made_by)
    task = ColumnsTask(name.replace("/", "_"), config)  # that of a folder
    env = ColumnsEnv(columns, agent_ids=agent_ids)
    task.continuous = env.continuous
    return task


class ColumnsTask(TaskClass):
    """What `make_task` makes: its name is what logs and folders are called after, its config the arguments.

    Attributes:
        continuous: Whether actions are continuous; discrete otherwise.
    """

    continuous: bool = False

    def get_env_fun(
        self, num_envs: int, continuous_actions: bool, seed: int | None, device: Any
    ) -> Callable[[], EnvBase]:
        """Return a callable that makes one environment of `num_envs` copies.

        Raises:
            ValueError: Continuous actions of a discrete environment, or the other way round.
        """
        if continuous_actions != self.continuous:
            kinds = {False: "discrete", True: "continuous"}
            raise ValueError(
                f"actions of {self.name} are {kinds[self.continuous]}, not {kinds[continuous_actions]}: use an "
                "algorithm that takes them"
            )
        return partial(
            make_env,
            self.config["env_fn_or_id"],
            num_envs,
            rewards=self.config["rewards"],
            agent_ids=self.config["agent_ids"],
            seed=seed,
            device=device,
            **self.config["kwargs"],
        )

    def supports_continuous_actions(self) -> bool:
        """Return whether actions are continuous."""
        return self.continuous

    def supports_discrete_actions(self) -> bool:
        """Return whether actions are discrete."""
        return not self.continuous

    def max_steps(self, env: EnvBase) -> int:
        """Return the longest episode of an evaluation in environment steps."""
        steps: int = self.config["max_steps"]
        return steps

    def has_render(self, env: EnvBase) -> bool:
        """Return whether there are pictures."""
        return bool(env.columns.render_mode == "rgb_array")

    def group_map(self, env: EnvBase) -> dict[str, list[str]]:
        """Return one group of all agents."""
        groups: dict[str, list[str]] = env.group_map
        return groups

    def observation_spec(self, env: EnvBase) -> Composite:
        """Return what agents observe, of one environment."""
        return _only(env, (GROUP, "observation"))

    def info_spec(self, env: EnvBase) -> Composite | None:
        """Return own rewards, where others are given."""
        return _only(env, (GROUP, "info"))

    def state_spec(self, env: EnvBase) -> Composite | None:
        """Return the state of one environment, where there is one and critics are to see it."""
        return _only(env, "state") if self.config.get("state", True) else None

    def action_spec(self, env: EnvBase) -> Composite:
        """Return the actions of one environment's agents."""
        return env.full_action_spec_unbatched

    def action_mask_spec(self, env: EnvBase) -> Composite | None:
        """Return the masks of one environment's agents, where masks vary."""
        return _only(env, (GROUP, "action_mask"))

    @staticmethod
    def env_name() -> str:
        """Return what the environments are called together."""
        return "crl_envs"


def _only(env: EnvBase, key: Any) -> Composite | None:
    """Return one entry of what one environment observes."""
    whole = env.full_observation_spec_unbatched
    if key not in whole.keys(True):
        return None
    if isinstance(key, str):
        return Composite({key: whole[key].clone()}, shape=whole.shape)
    group, name = key
    inner = Composite({name: whole[key].clone()}, shape=whole[group].shape)
    return Composite({group: inner}, shape=whole.shape)
