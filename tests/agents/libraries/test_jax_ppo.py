"""PPO on a device: what it learns, from what, and that it is the same again."""

from __future__ import annotations

import copy
import pickle
from pathlib import Path
from typing import Any

import numpy as np
import pytest

jax = pytest.importorskip("jax", reason="the extra 'jax' isn't installed")
pytest.importorskip("optax", reason="the extra 'jax' isn't installed")

import jax.numpy as jnp  # noqa: E402

import crl_envs  # noqa: E402
from agents.libraries.jax_ppo import IPPO, MAPPO, _drawn, _log_chance  # noqa: E402
from crl_envs.wrappers import GlobalReward  # noqa: E402

pytestmark = pytest.mark.device

SYSADMIN, BANDIT = "crl/sysadmin-v0", "crl/bandit-v0"
SMALL: dict[str, Any] = {"copies": 4, "n_steps": 10, "hidden": 8, "n_epochs": 1}


def world(id: str = SYSADMIN, **arguments: Any) -> Any:
    return crl_envs.make_vec(id, **{"n_agents": 4, **arguments})


def weights(learner: Any) -> list[Any]:
    return [np.asarray(leaf) for leaf in jax.tree.leaves(learner.learnt.networks)]


@pytest.mark.parametrize(
    ("learner", "settings"),
    [
        (IPPO, {}),
        pytest.param(MAPPO, {}, marks=pytest.mark.slow),
        pytest.param(IPPO, {"rewards": "global", "learning_rate": 0.01}, marks=pytest.mark.slow),
        (IPPO, {"shared": False, "rewards": "neighborhood"}),
    ],
    ids=["ippo", "mappo", "global", "unshared"],
)
def test_it_learns_to_reboot_what_is_down(learner: Any, settings: Any) -> None:
    """Random agents earn 8.8 of at most 17.8; seeds are fixed, and whoever doesn't learn stays below 12."""
    made = learner(world(n_agents=5), seed=1, **settings).learn(total_steps=12_000)
    assert np.mean([h["global_return"] for h in made.history[-100:]]) > 16.5
    greedy = made.act(np.array([[0, 1, 0, 1, 1]]), deterministic=True)
    assert greedy.tolist() == [[1, 0, 1, 0, 0]]


def test_it_never_does_what_a_mask_forbids() -> None:
    """With a load in hand the policy stores it or hands it on, without one it waits; and the chances add up to 1."""
    env = world("crl/load_balancing-v0", n_agents=5, capacity=3, max_steps=40)
    made = MAPPO(env, seed=1, **SMALL)
    turn = jax.jit(lambda learnt: made._turn(learnt.networks, learnt, None))
    for _ in range(30):
        before = made.learnt
        made.learnt, (kept, _) = turn(before)
        mask = np.asarray(made.env.action_mask(before.env))
        allowed = np.take_along_axis(mask, np.asarray(kept.action).T[:, None], axis=1)
        assert allowed.all()
        assert (np.asarray(kept.log_chance)[(mask.sum(axis=1) == 1).T] == 0).all()
    made.learn(total_steps=400)
    assert all(np.isfinite(leaf).all() for leaf in weights(made))
    assert made.history


def test_a_draw_at_the_very_end_is_legal() -> None:
    """Where rounding leaves the chances' sum below the largest uniform number."""
    legal = np.array([True, True, False, False])
    logits = jnp.where(legal, jnp.array([0.0, 0.3, 0.0, 0.0]), -1e9)
    words = np.array([0, 2**31, 2**32 - 1], np.uint32)
    drawn = _drawn(jnp.broadcast_to(logits, (3, 4)), words, jnp.broadcast_to(legal, (3, 4)))
    assert drawn.tolist() == [0, 1, 1]


@pytest.mark.slow
def test_agents_that_observe_the_same_can_do_different_things() -> None:
    env = world(BANDIT, n_agents=6)
    made = IPPO(env, seed=0, n_steps=10, learning_rate=0.02).learn(total_episodes=6000)
    assert made.act(np.zeros((1, 6), int), deterministic=True)[0].tolist() == (
        env.world.correct_action.tolist()
    )


def test_the_same_seed_gives_the_same_run_and_another_one_another() -> None:
    runs = [IPPO(world(), seed=seed, **SMALL).learn(total_steps=200) for seed in (3, 3)]
    assert runs[0].history == runs[1].history
    other = jax.tree.leaves(runs[0].begin(4).networks)
    assert any(
        (a != b).any() for a, b in zip(weights(IPPO(world(), seed=3, **SMALL)), other, strict=True)
    )
    for one, other in zip(weights(runs[0]), weights(runs[1]), strict=True):
        np.testing.assert_array_equal(one, other)


def test_histories_are_those_of_the_worlds_that_were_played() -> None:
    """Played again in NumPy with the actions that the policy drew, episodes have the same returns."""
    made = IPPO(world(n_agents=3, horizon=5), seed=2, **SMALL)
    learnt = made.learnt
    vec = crl_envs.make_vec(SYSADMIN, 4, n_agents=3, horizon=5, autoreset_mode="Disabled")
    vec.reset(seed=2**33 + 1)  # seed 2 in the high half, columns from 1
    np.testing.assert_array_equal(
        np.asarray(learnt.observation).T, vec.world.observation(vec._state).T
    )
    turns = jax.lax.scan(lambda c, x: made._turn(learnt.networks, c, x), learnt, None, length=5)[1]
    total = np.zeros((4, 3))
    for t in range(5):
        total += vec.step(np.asarray(turns[0].action[t]))[1]
    made.learn(total_steps=1)
    found = made.history[:4]
    for entry, own in zip(found, total, strict=True):
        assert entry["steps"] == 5
        assert entry["global_return"] == pytest.approx(own.mean(), rel=1e-6)


@pytest.mark.parametrize("rewards", ["local", "global", "neighborhood"])
def test_what_agents_are_paid(rewards: str) -> None:
    made = IPPO(world(n_agents=5, topology="star"), rewards=rewards, **SMALL)
    own = np.random.default_rng(0).random((5, 4)).astype(np.float32)
    paid = np.asarray(made.env.paid_as(jnp.asarray(own), rewards))
    if rewards == "local":
        expected = own
    elif rewards == "global":
        expected = np.repeat(own.mean(axis=0, keepdims=True), 5, axis=0)
    else:
        near = [[0, 1, 2, 3, 4], [0, 1], [0, 2], [0, 3], [0, 4]]
        expected = np.array([own[group].mean(axis=0) for group in near])
    np.testing.assert_allclose(paid, expected, rtol=1e-6)


def test_an_episode_that_is_cut_off_is_continued_in_the_value_of_its_last_state() -> None:
    for id, terminal in ((SYSADMIN, False), (BANDIT, True)):
        made = IPPO(world(id, n_agents=3), **SMALL)
        learnt = made.learnt._replace(env=made.learnt.env._replace(elapsed=jnp.full(4, 19)))
        (turn, _) = made._turn(learnt.networks, learnt, None)[1]
        assert turn.done.all()
        assert (turn.next_value == 0).all() == terminal


def test_advantages_are_those_of_the_definition() -> None:
    made = IPPO(world(n_agents=2, horizon=3), gamma=0.9, gae_lambda=0.8, **SMALL)
    step = jax.jit(lambda c, x: made._turn(c.networks, c, x))
    turns = jax.lax.scan(step, made.learnt, None, length=10)[1][0]
    found = np.asarray(made._advantages(turns))
    reward, value, following = map(np.asarray, (turns.reward, turns.value, turns.next_value))
    error = reward + 0.9 * following - value
    for b in range(4):
        for t in range(10):
            total, weight = np.zeros(2), 1.0
            for k in range(t, 10):
                total += weight * error[k, b]
                weight *= 0.9 * 0.8
                if turns.done[k, b]:
                    break
            np.testing.assert_allclose(found[t, b], total, rtol=1e-4, atol=1e-5)


def test_actions_follow_their_chances() -> None:
    """20,000 words, five standard errors: false alarm below 1e-5."""
    logits = jnp.log(jnp.array([0.1, 0.6, 0.0, 0.3]) + 1e-30)
    word = np.random.default_rng(0).integers(2**32, size=20_000, dtype=np.uint32)
    actions = np.asarray(_drawn(jnp.broadcast_to(logits, (20_000, 4)), jnp.asarray(word)))
    share = np.bincount(actions, minlength=4) / 20_000
    assert share[2] == 0
    assert (np.abs(share - [0.1, 0.6, 0.0, 0.3]) < 5 * 0.5 / 20_000**0.5).all()
    edge = _drawn(jnp.zeros((2, 2)), jnp.array([2**31 - 1, 2**32 - 1], jnp.uint32))
    assert edge.tolist() == [1, 1] or edge.tolist() == [0, 1]
    np.testing.assert_allclose(_log_chance(logits, jnp.array(1)), np.log(0.6), rtol=1e-6)


@pytest.mark.slow
def test_seeds_can_be_mapped_over() -> None:
    made = IPPO(world(), **SMALL)
    many = jax.vmap(made.begin)(jnp.arange(3))
    many, ended = jax.jit(jax.vmap(made.update))(many)
    assert ended["done"].shape == (3, 10, 4)
    for seed in range(3):
        alone, _ = jax.jit(made.update)(made.begin(seed))
        for one, other in zip(
            jax.tree.leaves(alone.networks), jax.tree.leaves(many.networks), strict=True
        ):
            np.testing.assert_allclose(one, other[seed], rtol=1e-3, atol=1e-5)


class TestCheckpoints:
    @pytest.mark.parametrize("learner", [IPPO, MAPPO])
    def test_they_act_the_same(self, learner: Any, tmp_path: Path) -> None:
        made = learner(world(), seed=5, **SMALL).learn(total_steps=80)
        made.save(tmp_path / "learner.npz")
        loaded = learner.load(tmp_path / "learner.npz", world())
        seen = np.array([[0, 1, 1, 0]])
        np.testing.assert_array_equal(
            loaded.probabilities(seen, None), made.probabilities(seen, None)
        )
        assert loaded.config == made.config

    def test_what_does_not_fit(self, tmp_path: Path) -> None:
        IPPO(world(), **SMALL).save(tmp_path / "learner.npz")
        with pytest.raises(ValueError, match=r"doesn't fit MAPPO .*it is of IPPO"):
            MAPPO.load(tmp_path / "learner.npz", world())
        with pytest.raises(ValueError, match=r"its networks have other sizes"):
            IPPO.load(tmp_path / "learner.npz", world(n_agents=7))
        (tmp_path / "learner.npz").write_bytes(b"no")
        with pytest.raises(ValueError, match="is not a learner's checkpoint"):
            IPPO.load(tmp_path / "learner.npz", world())

    @pytest.mark.parametrize(
        "duplicate", [copy.deepcopy, lambda made: pickle.loads(pickle.dumps(made))]
    )
    def test_copies_go_on_alike(self, duplicate: Any) -> None:
        made = IPPO(world(), seed=1, **SMALL).learn(total_steps=40)
        twin = duplicate(made)
        assert twin.learn(total_steps=40).history == made.learn(total_steps=40).history


class TestRefused:
    @pytest.mark.parametrize(
        ("settings", "message"),
        [
            ({"rewards": "team"}, "rewards must be one of 'local', 'neighborhood', 'global'"),
            ({"copies": 0}, "copies must be an integer ≥ 1"),
            ({"clip": 0.0}, "clip must be a finite number in"),
            (
                {"n_minibatches": 200},
                "n_minibatches must be at most copies · n_steps = 160, got 200",
            ),
            ({"n_step": 3}, "no argument 'n_step'"),
        ],
    )
    def test_bad_settings(self, settings: Any, message: str) -> None:
        with pytest.raises(ValueError, match=message):
            IPPO(world(), **settings)

    def test_environments_that_cannot_move(self) -> None:
        with pytest.raises(ValueError, match="a world without wrappers"):
            IPPO(GlobalReward(world()))
        with pytest.raises(ValueError, match="max_in_flight must be 1 in JAX, got 3"):
            IPPO(crl_envs.make_vec("crl/load_balancing-v0", max_in_flight=3))
