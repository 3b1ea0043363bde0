"""`DecPOMDP`: what it checks, its tables, and that files give back what was saved."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

import crl_envs
from crl_envs.decpomdp import DecPOMDP, broadcast_channel, tiger, with_messages
from tests.decpomdp.models import random_model

GOOD: dict[str, Any] = {
    "transition": np.full((4, 2, 2), 0.5),
    "observation": np.full((4, 2, 4), 0.25),
    "reward": np.zeros((4, 2)),
    "start": [0.5, 0.5],
    "actions": (2, 2),
    "observations": (2, 2),
}
BAD: list[tuple[dict[str, Any], str]] = [
    ({"transition": np.zeros((4, 2, 2))}, r"transition must have probabilities that sum to 1 .* at \(0, 0\), got 0"),
    ({"transition": np.full((4, 2, 3), 1 / 3)}, r"transition must have shape \(4, 2, 2\), got \(4, 2, 3\)"),
    ({"observation": [[[1.5, -0.5, 0, 0]] * 2] * 4}, "observation must have probabilities"),
    ({"observation": "all"}, "observation must be numbers of 3 dimensions"),
    ({"reward": np.zeros((4, 3))}, "reward must have shape"),
    ({"reward": np.full((4, 2), np.inf)}, "reward must have finite numbers"),
    ({"start": [0.5, 0.6]}, "start must have probabilities"),
    ({"actions": ()}, "actions must be a number or names for each agent"),
    ({"actions": (2, 0)}, "actions must be numbers ≥ 1"),
    ({"actions": (("a", "a"), 2)}, "actions must have different names"),
    ({"actions": (251, 2)}, "actions must be at most 250"),
    ({"observations": (2, 2, 1)}, "observations must be those of 2 agents"),
    ({"states": ("one",)}, "states must be 2 names, got 1"),
    ({"discount": 0}, "discount must be a finite number"),
]  # fmt: skip


@pytest.mark.parametrize(("changed", "said"), BAD, ids=range(len(BAD)))
def test_bad_values_are_named(changed: dict[str, Any], said: str) -> None:
    DecPOMDP(**GOOD)
    with pytest.raises(ValueError, match=said):
        DecPOMDP(**GOOD | changed)


@pytest.mark.parametrize("suffix", ["npz", "dpomdp", "bin"])
@pytest.mark.parametrize(
    "model",
    [
        tiger(0.8, 1, 2, 3, 4),
        broadcast_channel(),
        random_model(0, discount=0.9),
        random_model(1, (2,), (3,)),
        with_messages(tiger(), 1.5),
    ],
    ids=["tiger", "broadcast", "uneven", "alone", "messages"],
)
def test_files_give_back_what_was_saved(model: DecPOMDP, suffix: str, tmp_path: Path) -> None:
    path = tmp_path / f"model.{suffix}"
    model.save(path)
    loaded = DecPOMDP.load(path)
    if suffix == "dpomdp":  # which has no spaces or commas in names
        for name in ("transition", "observation", "reward", "start"):
            np.testing.assert_array_equal(getattr(loaded, name), getattr(model, name))
        assert loaded.discount == model.discount
    else:
        assert loaded == model
    env = crl_envs.make("crl/dec_pomdp-v0", model=path).unwrapped
    assert env.world.problem.model == loaded


def test_models_are_compared_by_value() -> None:
    assert tiger() == tiger()
    assert tiger() != tiger(0.8)
    assert tiger() != broadcast_channel()
    assert tiger() != "tiger"
    assert random_model(0, discount=0.5).undiscounted() == random_model(0)
    with pytest.raises(ValueError, match="read-only"):
        tiger().reward[0] = 1


def test_damaged_files_are_named(tmp_path: Path) -> None:
    path = tmp_path / "model.npz"
    path.write_bytes(b"nothing")
    with pytest.raises(ValueError, match=r"model\.npz is not a Dec-POMDP"):
        DecPOMDP.load(path)
    for given, said in ((tmp_path / "no.npz", "can't be read from .*no.npz"), (3, "got 3")):
        with pytest.raises(ValueError, match=f"model .*{said}"):
            crl_envs.make("crl/dec_pomdp-v0", model=given)


def test_joint_numbers_have_the_last_agent_fastest() -> None:
    model = random_model(0)
    assert model.joint_actions[:4].tolist() == [[0, 0, 0], [0, 0, 1], [0, 1, 0], [0, 1, 1]]
    assert model.joint_observations.tolist() == [[a, b, 0] for a in range(3) for b in range(2)]


def test_the_expected_reward_is_a_mean() -> None:
    model = random_model(2)
    j, s = 5, 1
    mean = sum(
        model.transition[j, s, t] * model.observation[j, t, z] * model.reward[j, s, t, z]
        for t in range(3)
        for z in range(6)
    )
    assert model.expected_reward[j, s] == pytest.approx(mean)


def test_the_tiger_of_the_paper() -> None:
    """Rewards by who opens what (Nair et al. 2003), and hearing: .85² for both right."""
    model = tiger()
    paid = model.reward[:, :, 0, 0].reshape(3, 3, 2)
    assert paid[0, 0].tolist() == [-2, -2]
    assert paid[1, 1].tolist() == [-50, 20]  # both open the left door
    assert paid[1, 2].tolist() == paid[2, 1].tolist() == [-100, -100]
    assert paid[1, 0].tolist() == paid[0, 1].tolist() == [-101, 9]
    np.testing.assert_allclose(model.observation[0, 0], [0.7225, 0.1275, 0.1275, 0.0225])
    np.testing.assert_allclose(model.observation[1:], 0.25)
    np.testing.assert_array_equal(model.transition[0], np.eye(2))


def test_the_channel_of_the_paper() -> None:
    model = broadcast_channel()
    np.testing.assert_allclose(model.transition[0], [[0.09, 0.01, 0.81, 0.09]] * 4)
    np.testing.assert_allclose(model.transition[3, 3], [0, 0, 0, 1])  # who waits keeps its message
    np.testing.assert_allclose(model.observation[0, 0], [0.81, 0.09, 0.09, 0.01])
    np.testing.assert_allclose(model.observation[1:, 0], [[0.01, 0.09, 0.09, 0.81]] * 3)
    assert model.reward[:, :, 0, 0].tolist() == [[0] * 4, [0, 0, 1, 1], [0, 1, 0, 1], [0] * 4]


@pytest.mark.parametrize(
    ("call", "said"),
    [
        (lambda: tiger(2), "accuracy"),
        (lambda: tiger(treasure=-1), "treasure"),
        (lambda: broadcast_channel(second_rate=-0.1), "second_rate"),
        (lambda: broadcast_channel(noise="much"), "noise"),
        (lambda: with_messages(tiger(), -1), "cost"),
        (lambda: with_messages(random_model(0, (2,), (2,)), 1), "two agents"),
    ],
)
def test_bad_parameters_are_named(call: Any, said: str) -> None:
    with pytest.raises(ValueError, match=said):
        call()
