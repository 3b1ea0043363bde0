"""The regression against the normal equations, its credit against the textbook, and that it sees no local reward."""

from __future__ import annotations

import copy
import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pettingzoo.utils.wrappers import BaseParallelWrapper

from agents import DecomposedReinforce, DecomposedReinforceConfig, Learner, Reinforce
from agents.tabular.reward_regression import GramRegression, RowRegression
from crl_envs.wrappers import GlobalReward, NoisyReward
from tests.agents.test_identities import assert_column_is_single
from tests.agents.textbook import Flaky, Recorder, Textbook, discrete_row
from tests.core.toy import TOY
from tests.wrappers.foreign import Line
from tests.wrappers.making import make, make_vec

SYSADMIN = "crl/sysadmin-v0"
KINDS = {"gram": 2048, "rows": 0}


@pytest.fixture(params=KINDS)
def kind(request: Any, monkeypatch: pytest.MonkeyPatch) -> str:
    """Every learner with the Gram matrix, and every one with conjugate gradients."""
    monkeypatch.setattr("agents.tabular.reward_regression._MOST_IN_GRAM", KINDS[request.param])
    return str(request.param)


def random_episodes(seed: int, n: int, cells: int, leave: bool) -> list[tuple[Any, Any, Any]]:
    """Cells ``[T, n]``, how many agents are there, and what the team gets."""
    rng = np.random.default_rng(seed)
    episodes = []
    for steps in rng.integers(1, 9, size=rng.integers(1, 6)):
        seen = rng.integers(0, cells + leave, size=(steps, n)).astype(np.uint8)
        seen[:, 0] %= cells  # somebody is there
        episodes.append((seen, (seen < cells).sum(axis=1).astype(float), rng.normal(size=steps)))
    return episodes


def least_squares(
    episodes: list[tuple[Any, Any, Any]], n: int, cells: int, ridge: float
) -> tuple[Any, float, float, float]:
    """w and μ by NumPy's solver, the penalty as so many equations more; and how far off each may be.

    Conjugate gradients stop at a residual of 1e-6 of the right-hand side, and no eigenvalue is below the penalty.
    """
    seen, present, rewards = (np.concatenate(parts) for parts in zip(*episodes, strict=True))
    design = np.eye(cells + 1)[seen][:, :, :-1].reshape(len(seen), n * cells)
    equations = np.block(
        [
            [design, present[:, None]],
            [math.sqrt(ridge) * np.eye(n * cells), np.zeros((n * cells, 1))],
        ]
    )
    right = np.concatenate([rewards, np.zeros(n * cells)])
    solution = np.linalg.lstsq(equations, right, rcond=None)[0]
    centred = rewards - present * (present @ rewards) / (present @ present)
    off = 1e-9 + 1e-6 * float(np.linalg.norm(design.T @ centred)) / ridge
    off_mean = off * (1 + float(np.linalg.norm(design.T @ present)) / (present @ present))
    return solution[:-1], float(solution[-1]), off, off_mean


@pytest.mark.parametrize("regression", [GramRegression, RowRegression])
@settings(max_examples=40)
@given(
    seed=st.integers(0, 2**32),
    n=st.integers(1, 5),
    cells=st.integers(1, 5),
    leave=st.booleans(),
    ridge=st.sampled_from([0.05, 1.0, 30.0]),
)
def test_minimises_the_penalised_squares(
    regression: Any, seed: int, n: int, cells: int, leave: bool, ridge: float
) -> None:
    episodes = random_episodes(seed, n, cells, leave)
    made = regression(n, cells)
    for episode in episodes:
        made.add(*episode)
        made.solve(ridge)
    weights, mean, off, off_mean = least_squares(episodes, n, cells, ridge)
    np.testing.assert_allclose(made.weights, weights, rtol=0, atol=off)
    assert made.mean == pytest.approx(mean, rel=0, abs=off_mean)
    seen = episodes[-1][0]
    padded = np.pad(weights.reshape(n, cells) + mean, ((0, 0), (0, 1)))
    expected = [sum(padded[i, cell] for cell in seen[:, i]) for i in range(n)]
    np.testing.assert_allclose(
        made.returns(seen), expected, rtol=0, atol=len(seen) * (off + off_mean)
    )


def test_error_is_that_of_a_forecast() -> None:
    """Known rewards and noise of variance 4, 4,000 steps in parts of 200: the running mean's standard error is .23."""
    rng = np.random.default_rng(0)
    n, cells = 6, 3
    truth = rng.random((n, cells))
    made = GramRegression(n, cells)
    for _ in range(20):
        seen = rng.integers(0, cells, size=(200, n))
        rewards = truth[np.arange(n), seen].sum(axis=1) + 2.0 * rng.normal(size=200)
        made.add(seen, np.full(200, 6.0), rewards)
        made.solve(made.error / 0.25)
    assert made.error == pytest.approx(4.0, abs=5 * 0.23)
    centred = made.estimates() - made.estimates().mean(axis=1, keepdims=True)
    expected = truth - truth.mean(axis=1, keepdims=True)
    # An estimate's standard error is below 2 √(3 / 4000) = .055: 18 of them within five, false alarm 1e-5.
    assert np.abs(centred - expected).max() < 5 * 0.055


def test_without_noise_local_rewards_are_found_out(kind: str) -> None:
    """Up and not rebooting pays 1; known up to a constant of each agent's own."""
    env = GlobalReward(make(SYSADMIN, n_agents=8))
    learner = DecomposedReinforce(env, seed=3).learn(total_episodes=15)
    found = learner.estimates()
    assert found.shape == (8, 2, 2, 1)
    expected = np.array([[0.0, 0.0], [1.0, 0.0]])  # [down, up] × [not, reboot]
    centred = found[..., 0] - found.mean(axis=(1, 2))[:, None]
    np.testing.assert_allclose(centred, np.tile(expected - 0.25, (8, 1, 1)), atol=0.02)


CASES = {
    "ring": (lambda: make(SYSADMIN, n_agents=6), discrete_row, 1.0),
    "agents that leave early": (lambda: Line("infos"), discrete_row, 0.01),
}


@pytest.mark.parametrize("credit", ["local", "own"])
@pytest.mark.parametrize(("make_env", "row_of", "rate"), CASES.values(), ids=CASES)
def test_is_the_textbook_update_with_estimated_rewards(
    make_env: Any, row_of: Any, rate: float, credit: str
) -> None:
    recorder = Recorder(make_env(), row_of)
    agents = recorder.possible_agents
    estimates: list[Any] = []
    learner = DecomposedReinforce(
        GlobalReward(recorder), credit=credit, learning_rate=rate, ridge=0.5, seed=5
    )
    learner.learn(8, callback=lambda made: estimates.append(made.estimates()[..., 0]))
    recorder.reset()
    near = {a: {a} for a in agents}
    if credit == "local":
        near = {a: {a, *info["neighbors"]} - {None} for a, info in recorder.infos.items()}
    shares = {a: dict.fromkeys(near[a], 1 / len(near[a])) for a in agents}
    textbook = Textbook(agents, shares, rate, 0.1)
    for found, episode in zip(estimates, recorder.episodes, strict=False):
        paid = [
            {
                a: act._replace(reward=found[agents.index(a), act.row, act.action])
                for a, act in step.items()
            }
            for step in episode
        ]
        textbook.learn(paid)
    expected = np.zeros_like(learner.theta)
    for (agent, row, action), logit in textbook.theta.items():
        if action:
            expected[agents.index(agent), row, action - 1, 0] = logit
    assert np.abs(expected).max() > 0.005
    np.testing.assert_allclose(learner.theta, expected, rtol=1e-5, atol=1e-6)


class Liar(BaseParallelWrapper):
    """Says something else about local rewards."""

    def step(self, actions: Any) -> Any:
        *result, infos = self.env.step(actions)
        for k, info in enumerate(infos.values()):
            info["local_reward"] = 100.0 * k
        return *result, infos


def test_local_rewards_are_never_seen() -> None:
    learners = [
        DecomposedReinforce(env, seed=2).learn(total_episodes=20)
        for env in (
            GlobalReward(make(SYSADMIN, n_agents=5)),
            Liar(GlobalReward(make(SYSADMIN, n_agents=5))),
        )
    ]
    honest, lied_to = learners
    assert honest.theta.tolist() == lied_to.theta.tolist()
    assert honest.theta.any()
    assert honest.history[-1]["global_return"] != lied_to.history[-1]["global_return"]


def test_own_rewards_are_only_averaged() -> None:
    """Without `GlobalReward` the learner takes the mean itself; n is a power of two, so that this is the same."""
    bare, wrapped = make(SYSADMIN, n_agents=8), GlobalReward(make(SYSADMIN, n_agents=8))
    thetas = [DecomposedReinforce(e, seed=1).learn(20).theta.tolist() for e in (bare, wrapped)]
    assert thetas[0] == thetas[1]
    assert np.any(thetas[0])


def test_a_sum_is_told_apart_from_a_mean() -> None:
    thetas = []
    for reduce in ("mean", "sum"):
        env = GlobalReward(make(SYSADMIN, n_agents=8), reduce=reduce)
        learner = DecomposedReinforce(env, reduce=reduce, seed=1).learn(total_episodes=20)
        thetas.append(learner.theta.tolist())
    assert thetas[0] == thetas[1]


@pytest.mark.parametrize(
    ("id", "kwargs"), [(SYSADMIN, {"n_agents": 7}), (TOY, {}), ("crl/bandit-v0", {"n_agents": 5})]
)
def test_column_is_the_single_learner(kind: str, id: str, kwargs: dict[str, Any]) -> None:
    columns, episodes, seed = 3, 12, 11

    def wrap(env: Any) -> Any:
        return NoisyReward(GlobalReward(env), scale=0.1)

    env = wrap(make_vec(id, num_envs=columns, autoreset_mode="Disabled", **kwargs))
    vec = DecomposedReinforce(env, seed=seed).learn(total_episodes=episodes)
    for b in range(columns):
        single = DecomposedReinforce(wrap(make(id, **kwargs)), seed=seed + b)
        assert_column_is_single(vec, single.learn(total_episodes=episodes), b)
        assert vec.estimates()[..., b].tolist() == single.estimates()[..., 0].tolist()
    assert vec.theta.any(axis=(0, 1, 2)).all()


@pytest.mark.parametrize("episodes", [0, 1, 9])
@pytest.mark.parametrize("vec", [True, False])
def test_training_goes_on_as_if_uninterrupted(
    kind: str, vec: bool, episodes: int, tmp_path: Path
) -> None:
    env = GlobalReward(make_vec(TOY, num_envs=3, autoreset_mode="Disabled") if vec else make(TOY))
    learner = DecomposedReinforce(env, seed=4).learn(total_episodes=episodes)
    learner.save(tmp_path / "learner.npz")
    other = Learner.load(tmp_path / "learner.npz", copy.deepcopy(env))
    assert isinstance(other, DecomposedReinforce)
    assert other.estimates().tolist() == learner.estimates().tolist()
    for each in (learner, other):
        each.learn(total_episodes=8)
    assert other.theta.tolist() == learner.theta.tolist()
    assert other.estimates().tolist() == learner.estimates().tolist()
    assert repr(other.history) == repr(learner.history)
    assert learner.theta.any()


def test_a_checkpoint_of_another_size_is_refused(kind: str, tmp_path: Path) -> None:
    path = tmp_path / "learner.npz"
    DecomposedReinforce(GlobalReward(make(SYSADMIN, n_agents=4)), seed=4).learn(2).save(path)
    with pytest.raises(ValueError, match=r"learner.npz doesn't fit DecomposedReinforce"):
        DecomposedReinforce.load(path, GlobalReward(make(SYSADMIN, n_agents=5)))


def test_an_interrupted_episode_leaves_nothing_behind() -> None:
    env = Flaky(make(SYSADMIN, n_agents=3))
    learner = DecomposedReinforce(env, seed=2)
    env.steps_left = 7
    with pytest.raises(KeyboardInterrupt):
        learner.learn(total_episodes=1)
    learner.learn(total_episodes=6)
    undisturbed = DecomposedReinforce(make(SYSADMIN, n_agents=3), seed=2).learn(total_episodes=6)
    assert learner.theta.tolist() == undisturbed.theta.tolist()
    assert learner.estimates().tolist() == undisturbed.estimates().tolist()


def test_learns_faster_than_from_the_global_reward_as_it_is() -> None:
    """20 seeds, 30 agents, iterations 50 to 60: means with standard errors of .008 and .02 at the most, .2 apart."""

    def reached(learner: type[Reinforce], **config: Any) -> float:
        vec = GlobalReward(make_vec(SYSADMIN, num_envs=20, n_agents=30))
        history = learner(vec, **config).learn(total_episodes=60).history
        return float(np.mean([entry["global_return"] for entry in history[-10:]]) / 20)

    assert reached(DecomposedReinforce) > reached(Reinforce, credit="global") + 0.1


def test_under_noise_the_ridge_must_follow_it() -> None:
    """20 seeds of 20 agents, noise of 0.1: a small fixed ridge fits it. .77 against .70, standard errors of .01."""

    def reached(**config: Any) -> float:
        vec = NoisyReward(GlobalReward(make_vec(SYSADMIN, num_envs=20, n_agents=20)), scale=0.1)
        history = DecomposedReinforce(vec, **config).learn(total_episodes=60).history
        return float(np.mean([entry["global_return"] for entry in history[-20:]]) / 20)

    assert reached() > reached(ridge=0.01) + 0.02


@pytest.mark.parametrize(
    ("field", "bad", "allowed"),
    [
        ("credit", "global", "'local', 'own'"),
        ("reduce", "max", "'mean', 'sum'"),
        ("ridge", 0.0, r"\(0, 1e\+30\]"),
        ("ridge", "much", "'noise'"),
        ("ridge", float("nan"), r"\(0, 1e\+30\]"),
        ("reward_scale", 0, r"\[1e-30, 1e\+30\]"),
        ("reward_scale", 5e-324, r"\[1e-30, 1e\+30\]"),
        ("learning_rate", 0, r"\(0, 1e\+30\]"),
        ("baseline", "mean", "'running', 'none'"),
        ("baseline_rate", 1.5, r"\(0, 1\]"),
        ("seed", -1, r"\[0, 18446744073709551615\]"),
    ],
)
def test_bad_hyperparameters(field: str, bad: Any, allowed: str) -> None:
    with pytest.raises(ValueError, match=rf"{field} must be .*{allowed}.*got {bad!r}"):
        DecomposedReinforceConfig(**{field: bad})


@pytest.mark.parametrize(
    ("n", "columns", "said"),
    [
        (
            100_000,
            1,
            r"400,000 indicators \(100,000 agents .* 40 GB of at most 2 GB, and some 40,000 s",
        ),
        (400, 100, r"1,600 indicators .* × 100 columns: a matrix for each column would take 2 GB"),
    ],
)
def test_what_takes_too_much_memory_is_refused(n: int, columns: int, said: str) -> None:
    vec = GlobalReward(make_vec(SYSADMIN, num_envs=columns, n_agents=n))
    with pytest.raises(ValueError, match=said + r".*Reinforce with credit='local'"):
        DecomposedReinforce(vec)
