"""Fixed rules: what each does, where it is the world's own, and what it refuses."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import crl_envs
from agents import FixedRule
from agents.fixed_rule import RULES

OWN = {
    "crl/epidemic-v0": ("isolate-infected", {"n_agents": 9}),
    "crl/consensus-v0": ("gkl", {"n_agents": 9}),
    "crl/firefighting-v0": ("fight-fire", {"n_agents": 4, "observe": "levels"}),
    "crl/coordination_game-v0": ("first-action", {"n_agents": 4}),
    "crl/access-v0": ("own-point", {"n_agents": 9}),
    "crl/sysadmin-v0": ("reboot-down", {"n_agents": 4}),
    "crl/tiger-v0": ("listen", {}),
}


@pytest.mark.parametrize("vector", [False, True])
@pytest.mark.parametrize("id", OWN)
def test_a_world_has_its_own(id: str, vector: bool) -> None:
    rule, given = OWN[id]
    made = [crl_envs.make_vec(id, 2, **given) if vector else crl_envs.make(id, **given) for _ in range(2)]  # fmt: skip
    alone, named = FixedRule(made[0], seed=3), FixedRule(made[1], rule=rule, seed=3)
    assert alone.rule == rule
    pair = [learner.learn(total_episodes=3).history for learner in (alone, named)]
    assert repr(pair[0]) == repr(pair[1])
    assert alone.config.rule is None


def test_all_rules_are_some_worlds_or_a_variant() -> None:
    assert {rule for rule, _ in OWN.values()} == {
        name for name, rule in RULES.items() if rule.world
    }


@pytest.mark.parametrize(
    ("rule", "seen", "actions"),
    [
        ("isolate-infected", [[0, 1], [1, 0]], [0, 1]),
        ("isolate-near", [[0, 0, 2], [0, 1, 2], [1, 0, 0]], [0, 1, 1]),
        ("fight-fire", [[0, 2], [1, 1], [2, 1]], [1, 0, 0]),
        ("own-point", [[0], [1], [3]], [0, 4, 4]),
        ("reboot-down", [[0], [1]], [1, 0]),
        ("first-action", [[0], [1]], [0, 0]),
        ("listen", [[0], [2]], [0, 0]),
    ],
)
def test_rules_by_hand(rule: str, seen: list[list[int]], actions: list[int]) -> None:
    assert np.asarray(RULES[rule].act(np.array(seen))).astype(int).tolist() == actions


def test_gkl_is_the_published_rule() -> None:
    """Each of the 128 neighbourhoods: own and those 1 and 3 to the side that the own vote says."""
    seen = (np.arange(128)[:, None] >> np.arange(7)) & 1
    for row, vote in zip(seen, RULES["gkl"].act(seen), strict=True):
        at = dict(zip((0, -3, -2, -1, 1, 2, 3), row.tolist(), strict=True))
        side = 1 if at[0] else -1
        assert bool(vote) == (at[0] + at[side] + at[3 * side] >= 2)


@pytest.mark.parametrize(
    ("id", "given", "config", "said"),
    [
        ("crl/load_balancing-v0", {}, {}, "rule must be .* in a world without one of its own"),
        ("crl/bandit-v0", {}, {"rule": "isolate"}, "rule must be one of"),
        ("crl/consensus-v0", {"n_agents": 9, "radius": 1}, {}, "needs an env with a ring with radius=3"),
        ("crl/firefighting-v0", {}, {}, "needs an env with observe='levels'"),
        ("crl/epidemic-v0", {}, {"rule": "isolate-near"}, "needs an env with observe='neighborhood'"),
    ],
)  # fmt: skip
def test_what_does_not_suit_is_refused(
    id: str, given: dict[str, Any], config: dict[str, Any], said: str
) -> None:
    with pytest.raises(ValueError, match=said):
        FixedRule(crl_envs.make(id, **given), **config)
