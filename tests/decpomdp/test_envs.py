"""The environments: views that agree, draws by the model's probabilities, rewards that add up, optima."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import crl_envs
from crl_envs.core.stream import Stream
from crl_envs.decpomdp import BroadcastProblem, DecPOMDP, TigerProblem, exact, tiger, with_messages
from crl_envs.decpomdp.form import Team
from crl_envs.decpomdp.world import make_world
from tests.decpomdp.models import random_model
from tests.views import assert_verbs_agree, assert_views_agree

CASES: list[tuple[str, dict[str, Any]]] = [
    ("crl/tiger-v0", {}),
    ("crl/broadcast-v0", {"horizon": 7}),
    ("crl/dec_pomdp-v0", {"model": random_model(0), "horizon": 5}),
    ("crl/dec_pomdp-v0", {"model": random_model(1, (3,), (4,), 300), "horizon": 5}),
    ("crl/dec_pomdp-v0", {"model": with_messages(tiger(), 1.0), "horizon": 7}),
]


@pytest.mark.parametrize(("id", "kwargs"), CASES, ids=range(len(CASES)))
def test_one_stream_three_views(id: str, kwargs: dict[str, Any]) -> None:
    played = assert_views_agree(id, kwargs, 80, num_envs=3, seed=5)
    assert played.episodes >= 30
    uneven = isinstance(kwargs.get("model"), DecPOMDP) and len(set(kwargs["model"].n_actions)) > 1
    assert (played.illegal > 0) == uneven
    assert_verbs_agree(crl_envs.make_vec(id, 1, **kwargs).world)


@pytest.mark.parametrize("seed", range(2))
def test_draws_are_the_models(seed: int) -> None:
    """Next states, observations and starts of 40,000 columns; chi-square, false alarm 1e-5 each."""
    from scipy.stats import chi2

    model, columns = random_model(seed, states=4), 40_000
    world, stream = make_world(model), Stream(columns)
    stream.seed(seed)

    def fits(counts: Any, chances: Any) -> bool:
        expected = counts.sum() * chances
        statistic = float(((counts - expected) ** 2 / expected).sum())
        return statistic < chi2.ppf(1 - 1e-5, len(chances) - 1)

    first = world.initial(stream)
    assert (first.seen == 3).all()
    assert fits(np.bincount(first.world[0], minlength=4), model.start)
    stream.advance()
    joint = 7
    action = np.repeat(model.joint_actions[joint][:, None], columns, axis=1)
    state = Team(np.full((1, columns), 2, np.uint8), first.seen)
    after, paid = world.step(state, action, stream)
    assert fits(np.bincount(after.world[0], minlength=4), model.transition[joint, 2])
    seen = np.ravel_multi_index(tuple(after.seen.astype(int)), model.n_observations)
    for t in range(4):
        of = seen[after.world[0] == t]
        assert fits(np.bincount(of, minlength=6), model.observation[joint, t])
    expected = model.reward[joint, 2, after.world[0], seen] / 3
    np.testing.assert_allclose(paid, [expected] * 3, rtol=1e-6)


def test_sure_things_are_sure() -> None:
    """Probabilities of 0 and 1 are never and always, over many draws."""
    chain = np.roll(np.eye(5), 1, axis=1)[None]
    model = DecPOMDP(chain, np.eye(5)[None], np.arange(5.0)[None], np.eye(5)[2], (1,), (5,))
    vec = crl_envs.make_vec("crl/dec_pomdp-v0", 100, model=model, horizon=50)
    vec.reset(seed=0)
    for t in range(1, 40):
        seen, paid, *_ = vec.step(np.zeros((100, 1), np.int64))
        assert (seen == (2 + t) % 5).all() and (paid == (1 + t) % 5).all()


@pytest.mark.parametrize(("problem", "horizon"), [("tiger", 4), ("broadcast", 5)])
def test_a_plan_earns_what_it_says(problem: str, horizon: int) -> None:
    """The mean of 20,000 episodes, within 4.5 standard errors: false alarm 1e-5."""
    env = crl_envs.make_vec(f"crl/{problem}-v0", 20_000, horizon=horizon)
    plan = exact(env.world.problem.process, horizon)
    seen, _ = env.reset(seed=0)
    history, total = np.zeros(seen.shape, np.int64), np.zeros(len(seen))
    for t in range(horizon):
        action = np.stack([plan.policy[i][t][history[:, i]] for i in range(2)], axis=1)
        seen, paid, *_ = env.step(action)
        history, total = 2 * history + seen, total + paid.sum(axis=1)
    assert abs(total.mean() - plan.value) < 4.5 * total.std() / len(total) ** 0.5 + 1e-6
    optimum = env.world.optimum()
    assert optimum.kind == "exact" and optimum.value == pytest.approx(plan.value / 2)


def test_the_plan_of_a_discounted_model_is_not_the_optimum() -> None:
    """Environments don't discount."""
    sure, discounted = (
        random_model(4, (2, 2), (2, 2)),
        random_model(4, (2, 2), (2, 2), discount=0.5),
    )
    ends = [
        crl_envs.make("crl/dec_pomdp-v0", model=m, horizon=3).unwrapped.optimum()
        for m in (sure, discounted)
    ]
    assert ends[0].value == ends[1].value == pytest.approx(exact(sure, 3).value / 2)


@pytest.mark.parametrize("horizon", [7, 30, 60, 1000, 2**40])
@pytest.mark.parametrize("id", ["crl/tiger-v0", "crl/broadcast-v0"])
def test_both_ends_of_long_episodes(id: str, horizon: int) -> None:
    optimum = crl_envs.make(id, horizon=horizon).unwrapped.optimum()
    if optimum.kind == "exact":
        assert optimum.lower == optimum.value
    else:
        assert optimum.kind == "bound" and optimum.lower < optimum.value


def test_presets_are_their_models() -> None:
    assert TigerProblem(accuracy=0.7, treasure=5).process == tiger(0.7, treasure=5)
    same = crl_envs.make("crl/dec_pomdp-v0", model=tiger(), horizon=4)
    own = crl_envs.make("crl/tiger-v0")
    for env in (same, own):
        env.reset(seed=3)
    for _ in range(4):
        action = dict.fromkeys(own.agents, 0)
        assert same.step(action)[:2] == own.step(action)[:2]
    assert BroadcastProblem(noise=0.0).process.observation[0, 0].tolist() == [1, 0, 0, 0]


@pytest.mark.parametrize(
    ("id", "arguments", "said"),
    [
        ("crl/tiger-v0", {"n_agents": 3}, "n_agents must be 2"),
        ("crl/tiger-v0", {"accuracy": 1.1}, "accuracy"),
        ("crl/tiger-v0", {"listen_cost": -1}, "listen_cost"),
        ("crl/tiger-v0", {"horizon": 0}, "horizon"),
        ("crl/broadcast-v0", {"first_rate": "often"}, "first_rate"),
        ("crl/broadcast-v0", {"noise": 2}, "noise"),
        ("crl/dec_pomdp-v0", {}, "needs the argument 'model'"),
        ("crl/dec_pomdp-v0", {"model": None}, "model must be a DecPOMDP or the name of a file"),
        ("crl/dec_pomdp-v0", {"model": "none.dpomdp"}, "model can't be read from 'none.dpomdp'"),
        ("crl/dec_pomdp-v0", {"model": tiger(), "n_agents": 1}, "n_agents must be 2"),
        ("crl/dec_pomdp-v0", {"model": tiger(), "backend": "fast"}, "backend"),
    ],
)
def test_bad_arguments_are_named(id: str, arguments: dict[str, Any], said: str) -> None:
    with pytest.raises(ValueError, match=said):
        crl_envs.make(id, **arguments)
