"""Rules that are known to work in a world: what a learner there should come close to, or beat."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from agents.policy import Policy
from agents.view import Frame
from crl_envs.core.arguments import check_choice, check_seed, keep


class Rule(NamedTuple):
    """A rule of what an agent sees.

    Attributes:
        act: From observations ``int64[O, k]``, one a row of its components, to actions ``[O]``.
        fits: Whether it is for observations of k components.
        needs: What else it says in an error.
        world: Where it is what agents do unless something else is said; "" for no world.
    """

    act: Callable[[NDArray[np.int64]], NDArray[Any]]
    fits: Callable[[int], bool]
    needs: str
    world: str = ""


def _gkl(seen: NDArray[np.int64]) -> NDArray[Any]:
    """Take the majority of the own vote and those 1 and 3 to the left, after voting 0, or to the right, after 1.

    Seen are the own vote, then those at −3, −2, −1, 1, 2, 3.
    """
    left, right = (seen[:, [0, *near]].sum(axis=1) >= 2 for near in ((1, 3), (4, 6)))
    return np.asarray(np.where(seen[:, 0] == 0, left, right))


RULES: Final[Mapping[str, Rule]] = {
    "first-action": Rule(
        lambda seen: 0 * seen[:, 0], lambda k: True, "anything", "coordination_game"
    ),
    "isolate-infected": Rule(lambda seen: seen[:, 0] == 1, lambda k: True, "anything", "epidemic"),
    "isolate-near": Rule(
        lambda seen: (seen == 1).any(axis=1), lambda k: k > 1, "observe='neighborhood'"
    ),
    "gkl": Rule(_gkl, lambda k: k == 7, "a ring with radius=3", "consensus"),
    "fight-fire": Rule(
        lambda seen: seen.argmax(axis=1), lambda k: k in (2, 4), "observe='levels'", "firefighting"
    ),
    "own-point": Rule(lambda seen: 4 * (seen[:, 0] > 0), lambda k: True, "anything", "access"),
    "reboot-down": Rule(lambda seen: seen[:, 0] == 0, lambda k: True, "anything", "sysadmin"),
    "listen": Rule(lambda seen: 0 * seen[:, 0], lambda k: True, "anything", "tiger"),
}


def rule_for(env: Any) -> str:
    """Return the name of the rule of the environment's world.

    Raises:
        ValueError: It has none.
    """
    world = getattr(getattr(env.unwrapped, "world", None), "name", None)
    for name, rule in RULES.items():
        if rule.world == world:
            return name
    raise ValueError(
        f"rule must be {' or '.join(map(repr, RULES))} in a world without one of its own"
    )


@dataclass(frozen=True)
class FixedRuleConfig:
    """Settings of `FixedRule`.

    Attributes:
        rule: For `crl/epidemic-v0` ``"isolate-infected"`` (isolate when infected) and ``"isolate-near"`` (also with an
            infected neighbour); for `crl/consensus-v0` ``"gkl"`` (Gács, Kurdyumov & Levin); for `crl/firefighting-v0`
            ``"fight-fire"`` (where it burns most, the first of equals); for `crl/access-v0` ``"own-point"`` (send
            to the point below right, where nobody else does); for `crl/sysadmin-v0` ``"reboot-down"``; for
            `crl/coordination_game-v0` ``"first-action"``, which is best in its named games without `relabel`; for
            `crl/tiger-v0` ``"listen"``, which is best over two steps. Default None: the one of the world, the first
            where it has two. Any world takes any that suits what its agents see.
        seed: 0 by default; an integer in [0, 2^64 − 1]. Fixes the environment's episodes.

    Raises:
        ValueError: A value out of its range.
    """

    rule: str | None = None
    seed: int = 0

    def __post_init__(self) -> None:
        if self.rule is not None:
            keep(self, check_choice, "rule", RULES)
        keep(self, check_seed, "seed")


class FixedRule(Policy):
    """Every agent acts by one known rule of what it sees; nothing is learnt.

        FixedRule(env, rule="gkl").learn(total_episodes=100).history[-1]["solved"]

    Args:
        env: Any ParallelEnv, or a vector env in the layout of `crl_envs.core.WorldVectorEnv`, whose agents all see and
            do the same kind of things.
        **config: Fields of `FixedRuleConfig`.

    Attributes:
        rule: The name of the rule.

    Raises:
        ValueError: A bad argument, another kind of environment, or observations that the rule isn't for.
    """

    config_class = FixedRuleConfig
    config: FixedRuleConfig

    def reads_rows(self) -> bool:
        """Return True: a rule looks at what is seen."""
        return True

    def __init__(self, env: Any, **config: Any) -> None:
        super().__init__(env, **config)
        self.rule = rule_for(env) if self.config.rule is None else self.config.rule
        rule, encoder = RULES[self.rule], self.view.encoder
        assert encoder is not None
        seen = encoder.digits()
        if not rule.fits(seen.shape[1]):
            raise ValueError(f"rule={self.rule!r} needs an env with {rule.needs}")
        self._table = np.asarray(rule.act(seen), np.int64)
        if self._table.max() >= self.view.n_actions:
            raise ValueError(
                f"rule={self.rule!r} needs an env with {self._table.max() + 1} actions, "
                f"got {self.view.n_actions}"
            )

    def choose(self, frame: Frame, words: NDArray[np.uint32] | None) -> NDArray[np.integer]:
        """Return what the rule says; see `Learner.choose`."""
        actions: NDArray[np.int64] = self._table[frame.rows]
        return actions
