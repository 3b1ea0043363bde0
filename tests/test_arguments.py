"""Every argument of every public callable: it is taken, or refused by its name, at once and without memory."""

from __future__ import annotations

import inspect
import tracemalloc
from collections.abc import Iterator
from dataclasses import asdict, fields
from functools import partial
from typing import Any

import numpy as np
import pytest

import agents
import crl_envs
from agents.bandit.detecting import detecting_design
from agents.tabular.exploration import EpsilonGreedy, FixedExploration
from crl_envs import bounds
from crl_envs.core.arguments import MOST_BYTES, check_size, shown
from crl_envs.factored import approximate_linear_program, coordinate_ascent, simulate
from crl_envs.factored.policies import OWN_STATE
from crl_envs.registration import _find
from crl_envs.wrappers import (
    AristocratReward,
    DifferenceReward,
    GlobalReward,
    JointAction,
    NoisyObservation,
    NoisyReward,
)
from tests.bad_values import BAD_VALUES, Mute
from tests.worlds import IDS as EVERY
from tests.worlds import PAIRS, needed

FIRST = ("crl/bandit-v0", "crl/load_balancing-v0", "crl/sysadmin-v0")
IDS = (*FIRST, *(id for id in EVERY if id not in FIRST))
MODEL = crl_envs.make("crl/sysadmin-v0", n_agents=3, horizon=20).factored_model()
POLICY = OWN_STATE.constant(MODEL)
BANDIT = crl_envs.make("crl/bandit-v0", n_agents=3)
CONFIGS = [
    *(getattr(agents, name) for name in agents.__all__ if name.endswith("Config")),
    agents.MessageBus,
    agents.PeriodicGossip,
    agents.ConditionalNotification,
    agents.DelegationReturn,
    EpsilonGreedy,
    FixedExploration,
]
LEMMA = {
    "n": 3,
    "accuracy": 0.1,
    "delta": 0.1,
    "n_states": 2,
    "n_actions": 2,
    "neighborhood": 3,
    "horizon": 2,
    "exploration": (0.5, 0.5),
}
THEOREM = {k: v for k, v in LEMMA.items() if k != "accuracy"} | {"epsilon": 0.1, "radius": 2}

# What is called, with which arguments, and whether only those named are put to the test.
CALLS: list[tuple[str, Any, dict[str, Any], tuple[str, ...]]] = [
    *((id, _find(id).load(), needed(id), ()) for id in IDS),
    *((f"{id}, departures", _find(id).load(), {"departure_rate": 1e-9}, ()) for id in IDS[1:2]),
    *(
        (
            f"make_vec {id}",
            partial(crl_envs.make_vec, id),
            needed(id),
            ("num_envs", "autoreset_mode"),
        )
        for id in IDS
    ),
    ("make_gym_vec", partial(crl_envs.make_gym_vec, IDS[0]), {}, ("num_envs",)),
    ("make", crl_envs.make, {}, ("id",)),
    ("reset", BANDIT.reset, {}, ()),
    ("vector reset", crl_envs.make_vec(IDS[0], 2, n_agents=3).reset, {}, ()),
    *(
        (
            config.__name__,
            config,
            {"action_probabilities": (0.5, 0.5)} if config is FixedExploration else {},
            (),
        )
        for config in CONFIGS
    ),
    ("NoisyReward", NoisyReward, {"env": BANDIT, "scale": 1.0}, ()),
    ("NoisyObservation", NoisyObservation, {"env": BANDIT, "probability": 0.1}, ()),
    ("GlobalReward", GlobalReward, {"env": BANDIT}, ()),
    ("DifferenceReward", DifferenceReward, {"env": BANDIT}, ()),
    ("AristocratReward", AristocratReward, {"env": BANDIT}, ()),
    ("JointAction", JointAction, {"env": BANDIT}, ()),
    ("simulate", simulate, {"model": MODEL, "policy": POLICY, "episodes": 1}, ("episodes", "seed")),
    (
        "coordinate_ascent",
        coordinate_ascent,
        {"model": MODEL, "policy_class": OWN_STATE, "episodes": 1, "sweeps": 0},
        ("episodes", "window", "seed"),
    ),
    ("linear program", approximate_linear_program, {"model": MODEL}, ("window",)),
    ("detecting_design", detecting_design, {"n": 3}, ()),
    ("EveryEpisodes", agents.EveryEpisodes, {"n": 1, "callback": print}, ("n",)),
    ("trials_lower_bound", bounds.trials_lower_bound, {"n": 3}, ()),
    ("identification_lower_bound", bounds.identification_lower_bound, {"n": 3}, ()),
    ("least_squares_performance", bounds.least_squares_performance, {"n": 3, "m": 3}, ()),
    ("least_squares_trials", bounds.least_squares_trials, {"n": 3}, ()),
    ("local_success", bounds.local_success, {"m": 3}, ()),
    ("all_right", bounds.all_right, {"n": 3, "m": 3}, ()),
    ("local_trials", bounds.local_trials, {"n": 3}, ("n", "unseen")),
    ("uniform_exploration", bounds.uniform_exploration, {"start": (0.5, 0.5), "n_actions": 2}, ()),
    (
        "entry_samples",
        bounds.entry_samples,
        {k: LEMMA[k] for k in inspect.signature(bounds.entry_samples).parameters if k in LEMMA},
        (),
    ),
    ("exploration_trials", bounds.exploration_trials, LEMMA, ()),
    ("model_trials", bounds.model_trials, THEOREM, ()),
    ("reach", bounds.reach, {"edges": np.array([[0, 1]]), "n": 2, "t": 1}, ()),
]


def cases() -> Iterator[Any]:
    for name, call, given, only in CALLS:
        for argument in only or inspect.signature(call).parameters:
            if argument not in ("env", "render_mode"):
                yield pytest.param(call, given, argument, id=f"{name}-{argument}")


@pytest.mark.parametrize(("call", "given", "argument"), list(cases()))
def test_it_is_taken_or_refused_by_name(call: Any, given: dict[str, Any], argument: str) -> None:
    named = {"capacity", *inspect.signature(call).parameters}
    tracemalloc.start()
    try:
        for name, value in BAD_VALUES.items():
            try:
                call(**{**given, argument: value})
            except ValueError as error:
                message = str(error)
                assert any(parameter in message for parameter in named), name
                assert len(message) < 1000, name
        assert tracemalloc.get_traced_memory()[1] < 2**28
    finally:
        tracemalloc.stop()


@pytest.mark.parametrize(
    ("id", "arguments", "message"),
    [
        (IDS[1], {"n_agents": 200_000_000}, r"n_agents × out_degree must be at most 53687091, .* 268 GiB of memory"),
        (
            IDS[1],
            {"n_agents": 100_000, "out_degree": 99_999},
            r"n_agents × out_degree must be at most 53687091, got 9999900000: it would take about 1\.5e\+03 GiB",
        ),
        (
            IDS[1],
            {"n_agents": 2_000_000, "topology": "random"},
            r"n_agents × out_degree must be at most 10000000 on a random topology, .* about 20 s",
        ),
        (
            IDS[1],
            {"capacity": 2**31 - 1, "departure_rate": 1e-9},
            r"capacity must be at most 10000000 with departures, got 2147483647: .* 48 GiB of memory",
        ),
        (IDS[1], {"max_in_flight": 10**6, "memory": True, "n_agents": 10**5}, "max_in_flight must be at most"),
        (IDS[1], {"max_in_flight": 10**6, "max_steps": 2**40}, "max_steps × n_agents × max_in_flight must be"),
        (IDS[1], {"timeout": 2**70}, r"timeout must be an integer in \[1, 1099511627776\], got 1180591620717411303424"),
        (IDS[1], {"delegation_reward": -1e300}, r"delegation_reward must be a finite number in \[-1e\+30, 0\]"),
        (IDS[2], {"n_agents": 10**8, "topology": "grid"}, "n_agents must be at most 33554432 with topology='grid'"),
    ],
)  # fmt: skip
def test_what_would_be_too_much_is_refused_at_once(
    id: str, arguments: dict[str, Any], message: str
) -> None:
    with pytest.raises(ValueError, match=message):
        crl_envs.make_vec(id, **arguments)


def test_a_batch_that_would_be_too_much_is_refused_at_once() -> None:
    message = r"num_envs must be at most 2146\d with 10000 agents, got 1000000: it would take about 373 GiB"
    with pytest.raises(ValueError, match=message):
        crl_envs.make_vec("crl/bandit-v0", 1_000_000, n_agents=10_000)
    assert check_size("n", 3, MOST_BYTES // 3) == 3


@pytest.mark.parametrize(
    "dynamics", ["ring", "ring-bidirectional", "ippc2011", "lock", "status-load"]
)
def test_an_optimum_is_known_for_any_horizon(dynamics: str) -> None:
    optimum = crl_envs.make("crl/sysadmin-v0", dynamics=dynamics, horizon=10**12).optimum()
    assert optimum.kind == "bound"
    assert 0 <= optimum.lower < optimum.value <= 10**12


@pytest.mark.parametrize("config", CONFIGS, ids=lambda config: config.__name__)
def test_a_config_keeps_what_was_checked(config: Any) -> None:
    """Python's numbers, whatever came: a checkpoint's JSON and compiled loops know no others."""
    numpy = {bool: np.bool_, int: np.int16, float: np.float64}
    defaults = asdict(config((0.25, 0.75)) if config is FixedExploration else config())
    for field in fields(config):
        default = defaults[field.name]
        if field.init and type(default) in numpy:
            kept = getattr(config(**{field.name: numpy[type(default)](default)}), field.name)
            assert (type(kept), kept) == (type(default), default), field.name


def test_messages_are_bounded() -> None:
    for value in (10**5000, -(10**5000), "x" * 10**6, np.zeros(10**6), [[10**5000]] * 1000, Mute()):
        assert 0 < len(shown(value)) < 300


@pytest.mark.parametrize("id", [id for id in IDS if id not in PAIRS])
def test_more_agents_than_dicts_hold_are_refused_before_there_is_a_world(id: str) -> None:
    """A ring of 100,000,000 machines took 40 s and 7 GiB before it was refused."""
    tracemalloc.start()
    try:
        with pytest.raises(ValueError, match="n_agents must be at most 8589934 for dicts"):
            crl_envs.make(id, **needed(id, n_agents=100_000_000))
        assert tracemalloc.get_traced_memory()[1] < 2**20
    finally:
        tracemalloc.stop()
