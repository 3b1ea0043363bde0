"""TorchRL's view: what it is shown, what it learns, what it is told when it can't."""

from __future__ import annotations

import importlib
import importlib.util
import pickle
import warnings
from functools import partial
from importlib.metadata import PackageNotFoundError
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from gymnasium import spaces
from pettingzoo.utils.wrappers import BaseParallelWrapper

import crl_envs
from crl_envs.adapters import MissingLibraryError
from crl_envs.wrappers import GlobalReward, NeighborhoodReward
from tests.adapters.foreign import WORLDS, Asked, Constant
from tests.core.toy import ToyEnv
from tests.wrappers.foreign import Leavers, Spaced

with warnings.catch_warnings():
    # TorchRL warns of classes of its own while it is imported.
    warnings.filterwarnings("ignore", "Creating .* which inherits from", DeprecationWarning)
    pytest.importorskip("torchrl")
    import torch
    from tensordict.nn import TensorDictModule
    from torchrl.collectors import Collector
    from torchrl.envs import MarlGroupMapType, PettingZooWrapper, RewardSum, TransformedEnv
    from torchrl.envs.utils import check_env_specs
    from torchrl.objectives.value import GAE

    from crl_envs.adapters import torchrl as adapter
    from crl_envs.adapters.torchrl import ColumnsEnv, make_env

torch.set_num_threads(1)

PAID = pytest.mark.parametrize(
    ("world", "kwargs", "rewards"),
    [
        pytest.param(*given, rewards, id=f"{name}-{rewards}")
        for name, given in WORLDS.items()
        for rewards in ("local", "neighborhood", "global")
        if (name, rewards) != ("constant", "neighborhood")  # it names no neighbours
    ],
)


@PAID
def test_specs_are_what_the_steps_give(world: Any, kwargs: Any, rewards: Any) -> None:
    env = make_env(world, 3, rewards=rewards, agent_ids=True, **kwargs)
    check_env_specs(env, break_when_any_done="both")
    check_env_specs(env, seed=1)
    env.step_and_maybe_reset(env.rand_action(env.reset()))


@PAID
def test_it_shows_what_the_dict_envs_show(world: Any, kwargs: Any, rewards: Any) -> None:
    copies, steps = 3, 25
    env = make_env(world, copies, rewards=rewards, seed=11, **kwargs)
    make = partial(crl_envs.make, world) if isinstance(world, str) else world
    wrap = NeighborhoodReward if rewards == "neighborhood" else GlobalReward
    twins = [wrap(make(**kwargs)) for _ in range(copies)]
    agents = twins[0].possible_agents
    shown = env.rollout(steps, break_when_any_done=False)
    n_episodes = 0
    for b, twin in enumerate(twins):
        observed, told = twin.reset(seed=11 + b)
        for t in range(steps):
            now, after = shown[b, t], shown[b, t]["next"]
            same_frame(env, now, twin, observed, told)
            actions = dict(zip(agents, now["agents", "action"].tolist(), strict=True))
            observed, team, terminated, truncated, told = twin.step(actions)
            own = [told[agent]["local_reward"] for agent in agents]
            given = own if rewards == "local" else list(team.values())
            np.testing.assert_allclose(after["agents", "reward"][:, 0], given, rtol=1e-6)
            if rewards != "local":
                np.testing.assert_allclose(
                    after["agents", "info", "local_reward"][:, 0], own, rtol=1e-6
                )
            same_frame(env, after, twin, observed, told)
            assert after["terminated"].item() == all(terminated.values())
            assert after["truncated"].item() == all(truncated.values())
            assert after["done"].item() == (not twin.agents)
            for key in ("done", "terminated", "truncated"):
                assert (after["agents", key] == after[key]).all()
            if not twin.agents:
                observed, told = twin.reset()
                n_episodes += 1
    assert n_episodes > 0
    assert len(env.tally.episodes) == n_episodes


def same_frame(env: ColumnsEnv, shown: Any, twin: Any, observed: Any, told: Any) -> None:
    rows = np.stack([observed[agent] for agent in twin.possible_agents])
    np.testing.assert_array_equal(shown["agents", "observation"], env.encoder.encode(rows[None])[0])
    np.testing.assert_allclose(shown["state"], np.ravel(twin.state()), rtol=1e-6)
    if "action_mask" in shown["agents"].keys():  # noqa: SIM118  (of a TensorDict)
        masks = [told[agent]["action_mask"] for agent in twin.possible_agents]
        np.testing.assert_array_equal(shown["agents", "action_mask"], np.array(masks, bool))


@pytest.mark.parametrize("ends", ["truncated", "terminated"])
@pytest.mark.parametrize("horizon", [1, 5])
def test_all_rewards_and_steps_arrive(horizon: int, ends: str) -> None:
    env = make_env(partial(Constant, horizon=horizon, ends=ends), 3, seed=0)
    copies = env.columns.envs
    random = env.rand_action
    total = 0.0
    for batch in Collector(env, random, frames_per_batch=30, total_frames=90):
        total += batch["next", "agents", "reward"].sum().item()
    assert total == sum(copy.steps * 2 for copy in copies)  # every agent is paid 1 in every step
    assert sum(copy.steps for copy in copies) == env.tally.env_steps == 90
    assert len(env.tally.episodes) == 90 // horizon
    assert {e.local_return for e in env.tally.episodes} == {float(horizon)}


@pytest.mark.parametrize("horizon", [1, 5])
def test_returns_are_the_native_ones(horizon: int) -> None:
    native = crl_envs.make_vec("crl/sysadmin-v0", 3, n_agents=4, horizon=horizon)
    env = make_env("crl/sysadmin-v0", 3, n_agents=4, horizon=horizon, seed=2, rewards="global")
    shown = env.rollout(horizon)
    native.reset(seed=2)
    own = np.zeros((3, 4))
    for t in range(horizon):
        _, rewards, *_ = native.step(shown["agents", "action"][:, t].numpy())
        own += rewards
    np.testing.assert_allclose([e.agent_returns for e in env.tally.episodes], own)
    np.testing.assert_allclose(
        shown["next", "agents", "reward"].sum(1)[..., 0], own.mean(1, keepdims=True).repeat(4, 1), 1e-6
    )  # fmt: skip


@pytest.mark.parametrize(("ends", "value"), [("truncated", 10.0), ("terminated", 1 / 0.28)])
def test_values_go_on_after_truncation_but_not_after_termination(ends: str, value: float) -> None:
    """Of reward 1 for 5 steps at γ = 0.9, where one number v is the value of every state.

    Truncation: v = 1 + γ v, so 10. Termination: the mean of five targets, of which one is 1: v = 1 + γ v 4/5.
    """
    v = torch.zeros(())
    critic = TensorDictModule(
        lambda rows: v.expand(*rows.shape[:-1], 1),
        in_keys=[("agents", "observation")],
        out_keys=[("agents", "state_value")],
    )
    gae = GAE(gamma=0.9, lmbda=0.0, value_network=critic, differentiable=False)
    names = ("reward", "done", "terminated", "advantage", "value_target")
    gae.set_keys(value=("agents", "state_value"), **{name: ("agents", name) for name in names})
    batch = make_env(partial(Constant, ends=ends), 2).rollout(50, break_when_any_done=False)
    for _ in range(100):
        v = gae(batch.clone())["agents", "value_target"].mean()
    assert v.item() == pytest.approx(value, rel=1e-3)


def test_same_seed_same_episodes_and_other_seeds_others() -> None:
    def played(env: ColumnsEnv) -> Any:
        torch.manual_seed(0)
        return env.rollout(12, break_when_any_done=False)

    world = partial(make_env, "crl/sysadmin-v0", 2, n_agents=8, horizon=5)
    first = played(world(seed=3))
    assert (first == played(world(seed=3))).all()
    assert not (first == played(world(seed=4))).all()
    env = world()
    env.rollout(3)
    env.set_seed(3)
    assert (first == played(env)).all()
    assert not (first == played(env)).all(), "the stream goes on"


def test_environment_b_gets_seed_plus_b() -> None:
    env = make_env(Constant, 3, seed=7)
    env.reset()
    env.reset()
    assert [copy.seeds[-2:] for copy in env.columns.envs] == [[7, None], [8, None], [9, None]]


def test_a_seed_in_the_middle_of_episodes_is_not_lost() -> None:
    env = make_env(ToyEnv, 4, seed=0)
    begun = env.reset()
    env.set_seed(1)
    with pytest.raises(RuntimeError, match=r"call reset\(\) after it"):
        env.rollout(30, break_when_any_done=False, auto_reset=False, tensordict=begun)


@pytest.mark.parametrize("world", ["toy", "load balancing"])
def test_random_actions_are_legal(world: str) -> None:
    made, kwargs = WORLDS[world]
    env = make_env(made, 2, **kwargs)
    torch.manual_seed(0)
    summed = RewardSum(in_keys=[("agents", "reward")], reset_keys=["_reset"])
    for holder in (env, TransformedEnv(env, summed)):
        shown = holder.rollout(40, break_when_any_done=False)
        legal = shown["agents", "action_mask"].gather(-1, shown["agents", "action"][..., None])
        assert legal.all()
        assert not shown["agents", "action_mask"].all()


def test_a_policy_that_ignores_masks_is_told_so() -> None:
    def forbidden(env: Any) -> Any:
        state = env.reset()
        masks = state["agents", "action_mask"]
        assert not masks.all()
        return state.set(("agents", "action"), masks.long().argmin(-1))

    env = make_env(ToyEnv, 2, seed=0)
    with pytest.raises(ValueError, match="its action mask forbids"):
        env.step(forbidden(env))
    relaxed = make_env(ToyEnv, 2, seed=0, masks="ignore")
    relaxed.step(forbidden(relaxed))
    assert relaxed.tally.env_steps == 2
    with pytest.raises(ValueError, match="masks must be one of"):
        make_env(ToyEnv, 2, masks="obey")


def test_no_masks_where_everything_is_legal() -> None:
    env = make_env("crl/sysadmin-v0", 2, n_agents=3)
    assert "action_mask" not in env.full_observation_spec["agents"].keys()  # noqa: SIM118


def test_agent_ids_are_what_tells_agents_apart() -> None:
    plain, told = (make_env("crl/bandit-v0", 2, agent_ids=ids, n_agents=3) for ids in (False, True))
    rows, more = (env.reset()["agents", "observation"] for env in (plain, told))
    assert more.shape[-1] == rows.shape[-1] + 3
    np.testing.assert_array_equal(more[:, :, -3:], np.tile(np.eye(3), (2, 1, 1)))


def test_actions_reach_the_environment_as_it_wants_them() -> None:
    for space in (spaces.Discrete(3, start=5), spaces.Box(-2.0, 2.0, (2,))):
        env = make_env(
            Spaced, 2, observed={k: spaces.Discrete(2) for k in "ab"}, acted=dict.fromkeys("ab", space)
        )  # fmt: skip
        check_env_specs(env)  # `Spaced` refuses actions that aren't in their spaces
        done = env.rollout(1)["agents", "action"][1, 0]
        last = env.columns.envs[1].last_actions
        np.testing.assert_array_equal(
            np.stack([last["a"], last["b"]]), done.numpy() + (5 if space.shape == () else 0)
        )


def test_a_copy_goes_on_identically() -> None:
    env = make_env("crl/sysadmin-v0", 2, n_agents=8, horizon=5, seed=0)
    env.rollout(3)
    twin = pickle.loads(pickle.dumps(env))
    for each in (env, twin):
        torch.manual_seed(1)
        each.last = each.rollout(9, break_when_any_done=False)
    assert (env.last == twin.last).all()


class WithoutInfos(BaseParallelWrapper):
    """Of the docstring's recipe: TorchRL's wrapper takes infos of numbers only, ours name neighbours."""

    def reset(self, seed: int | None = None, options: Any = None) -> Any:
        observations, infos = self.env.reset(seed=seed, options=options)
        return observations, {agent: {} for agent in infos}

    def step(self, actions: Any) -> Any:
        *rest, infos = self.env.step(actions)
        return *rest, {agent: {} for agent in infos}


@pytest.mark.filterwarnings("ignore:PettingZoo in TorchRL is tested using")
def test_torchrls_own_wrapper_gives_the_same_with_the_arguments_of_the_recipe() -> None:
    env, twin = (crl_envs.make("crl/sysadmin-v0", n_agents=3, horizon=5) for _ in range(2))
    theirs = PettingZooWrapper(
        WithoutInfos(env),
        group_map=MarlGroupMapType.ALL_IN_ONE_GROUP,
        return_state=False,
        use_mask=False,
        done_on_any=False,
        seed=4,
    )
    shown = theirs.rollout(5)
    check_env_specs(theirs)
    assert shown["next", "truncated"][:, 0].tolist() == [False] * 4 + [True]
    assert not shown["next", "terminated"].any()
    twin.reset(seed=4)  # as the wrapper does while it is made
    twin.reset()
    for t in range(5):
        actions = shown["agents", "action"][t].tolist()
        _, rewards, *_ = twin.step(dict(zip(twin.possible_agents, actions, strict=True)))
        assert shown["next", "agents", "reward"][t, :, 0].tolist() == list(rewards.values())


def test_the_example_learns() -> None:
    path = Path(__file__).parents[2] / "examples" / "torchrl_ippo.py"
    spec = importlib.util.spec_from_file_location("torchrl_ippo", path)
    assert spec is not None
    assert spec.loader is not None
    example = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(example)
    before, after = example.main(frames=4_000)
    assert after > before + 15  # at random 22, at best 45


class TestBadInput:
    def test_agents_with_different_spaces(self) -> None:
        with pytest.raises(ValueError, match="equal observation spaces"):
            make_env(Leavers)

    def test_agents_that_leave_early(self) -> None:
        class Alike(Leavers):
            def observation_space(self, agent: str) -> Any:
                return spaces.Discrete(5)

            def action_space(self, agent: str) -> Any:
                return spaces.Discrete(2)

        env = make_env(Alike, 1)
        with pytest.raises(ValueError, match=r"black_death_v3"):
            env.rollout(3)

    def test_actions_of_several_parts(self) -> None:
        acted = {"a": spaces.MultiDiscrete([2, 3])}
        with pytest.raises(ValueError, match="actions must be Discrete or Box, got MultiDiscrete"):
            make_env(Spaced, observed={"a": spaces.Discrete(2)}, acted=acted)

    def test_stepping_what_has_ended(self) -> None:
        env = make_env("crl/bandit-v0", 2, n_agents=2)
        with pytest.raises(RuntimeError, match="reset them first"):
            env.step(env.rand_action(env.fake_tensordict()))
        after = env.step(env.rand_action(env.reset()))
        with pytest.raises(RuntimeError, match=r"environments \[0, 1\] have ended"):
            env.step(env.rand_action(after.exclude("next")))

    @pytest.mark.parametrize(
        ("arguments", "message"),
        [
            ({"copies": 0}, "copies must be an integer ≥ 1, got 0"),
            (
                {"rewards": "team"},
                "rewards must be one of 'local', 'neighborhood', 'global', got 'team'",
            ),
            ({"seed": -1}, "seed must be an integer in .*, got -1"),
            ({"agent_ids": 1}, "agent_ids must be True or False, got 1"),
            ({"n_machines": 3}, "no argument 'n_machines'"),
        ],
    )
    def test_arguments(self, arguments: Any, message: str) -> None:
        with pytest.raises(ValueError, match=message):
            make_env("crl/sysadmin-v0", **arguments)

    def test_a_missing_or_old_library(self, monkeypatch: pytest.MonkeyPatch) -> None:
        def nothing(distribution: str) -> str:
            raise PackageNotFoundError(distribution)

        monkeypatch.setattr("crl_envs.adapters.library.version", nothing)
        with pytest.raises(
            MissingLibraryError, match=r"torchrl isn't installed.*crl-envs\[torchrl\]"
        ):
            importlib.reload(adapter)
        monkeypatch.setattr("crl_envs.adapters.library.version", lambda _: "0.9.2")
        with pytest.raises(MissingLibraryError, match=r"torchrl 0\.9\.2 is too old"):
            importlib.reload(adapter)


def test_options_and_seeds_of_a_reset_reach_the_environments() -> None:
    env = make_env(Asked, 2)
    env.reset(options={"level": 2})
    assert [copy.options for copy in env.columns.envs] == [{"level": 2}] * 2
    env.reset(seed=7)
    assert [copy.seeds[-1] for copy in env.columns.envs] == [7, 8]
    with pytest.raises(TypeError, match="level"):
        env.reset(level=2)


def test_a_drawn_world_gives_its_picture() -> None:
    env = make_env("crl/sysadmin-v0", 2, n_agents=3, render_mode="rgb_array")
    env.rollout(3)
    assert env.render().shape == (600, 900, 3)
