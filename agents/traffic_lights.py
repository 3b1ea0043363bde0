"""Rules by which engineers switch traffic lights: fixed cycles, the longest queues, the highest pressure.

P. Varaiya, "Max pressure control of a network of signalized intersections", Transportation Research Part C 36, 2013,
after Tassiulas & Ephremides 1992: green for the phase with the highest pressure, which is the sum over its approaches
of the vehicles that wait there less those that wait where they want to go. It serves every load that can be served,
if a switch costs nothing. Here a switch costs a step, so that both adaptive rules keep the phase that has green unless
the other one is ahead by more than a hysteresis.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar, Final

import numpy as np
from numpy.typing import NDArray

from agents.policy import Policy
from agents.view import Frame
from crl_envs.core.arguments import (
    check_choice,
    check_each,
    check_int,
    check_real,
    check_seed,
    keep,
)
from crl_envs.traffic.problem import BINS, LEFT, MOST_AGE, RIGHT

_BINNED: Final = 3  # components: the phase and two pairs
_QUEUES: Final = 6  # the phase, its age and four queues
_NEIGHBORHOOD: Final = 14  # and four behind and four ahead


@dataclass(frozen=True)
class TrafficLightsConfig:
    """Settings of `TrafficLights`.

    Attributes:
        rule: ``"longest-pair"``: green for the pair of opposite approaches where more vehicles wait;
            ``"max-pressure"``: for the one with the higher pressure; ``"fixed-cycle"``: by turns. Default
            ``"longest-pair"``.
        hysteresis: The pair without green gets it when it is ahead by more vehicles than these, 0 to 1,000. Less
            switches more often and loses more steps; more lets vehicles wait longer at red lights. Default None: 2, or
            0 where queues are seen in bins, which are wide enough.
        period: Steps that a phase lasts in the fixed cycle, the lost ones included, 2 to 15. Default 8.
        turns: Shares of the vehicles that go straight on, left and right, for the pressure. Default (0.6, 0.2, 0.2), as
            in the world.
        seed: 0 by default; an integer in [0, 2^64 − 1]. Fixes the environment's episodes.

    Raises:
        ValueError: A value out of its range.
    """

    rule: str = "longest-pair"
    hysteresis: float | None = None
    period: int = 8
    turns: tuple[float, float, float] = (0.6, 0.2, 0.2)
    seed: int = 0

    rules: ClassVar[tuple[str, ...]] = ("longest-pair", "max-pressure", "fixed-cycle")

    def __post_init__(self) -> None:
        keep(self, check_choice, "rule", self.rules)
        if self.hysteresis is not None:
            keep(self, check_real, "hysteresis", low=0, high=1000)
        keep(self, check_int, "period", low=2, high=MOST_AGE)
        keep(self, check_each, "turns", check_real, low=0, high=1)
        object.__setattr__(self, "turns", tuple(self.turns))
        if len(self.turns) != 3:
            raise ValueError(f"turns must be 3 numbers, got {len(self.turns)}")
        keep(self, check_seed, "seed")


class TrafficLights(Policy):
    """Every crossing switches by the same rule of what it sees; nothing is learnt.

        TrafficLights(env, rule="longest-pair", hysteresis=2).learn(total_episodes=1).history[-1]["queue"]

    With the observation ``"binned"`` the longest pair is that of the bins' lowest numbers.

    Args:
        env: `crl/traffic-v0` as a ParallelEnv or as a vector env. The fixed cycle needs ``observe="queues"`` or
            ``"neighborhood"``, which show how old a phase is, the highest pressure ``"neighborhood"``.
        **config: Fields of `TrafficLightsConfig`.

    Raises:
        ValueError: A bad argument, or observations that the rule isn't for.
    """

    config_class = TrafficLightsConfig
    config: TrafficLightsConfig

    def reads_rows(self) -> bool:
        """Return True: a rule looks at what is seen."""
        return True

    def __init__(self, env: Any, **config: Any) -> None:
        super().__init__(env, **config)
        assert self.view.encoder is not None
        self._sizes = self.view.encoder.sizes()
        rule, size = self.config.rule, len(self._sizes)
        needs = {"longest-pair": _BINNED, "fixed-cycle": _QUEUES, "max-pressure": _NEIGHBORHOOD}
        if (
            self.view.n_actions != 2
            or size not in (_BINNED, _QUEUES, _NEIGHBORHOOD)
            or size < needs[rule]
            or self._sizes[1] != (len(BINS) if size == _BINNED else MOST_AGE + 1)
        ):
            shown = {
                _BINNED: "",
                _QUEUES: " with observe='queues'",
                _NEIGHBORHOOD: " with observe='neighborhood'",
            }
            raise ValueError(f"rule={rule!r} needs crl/traffic-v0{shown[needs[rule]]}")
        self._hysteresis = self.config.hysteresis
        if self._hysteresis is None:
            self._hysteresis = 0.0 if size == _BINNED else 2.0
        if np.prod(self._sizes, dtype=np.float64) >= 2.0**62:
            raise ValueError(
                f"env must have a smaller capacity with observe='neighborhood', got {self._sizes[-1] - 1}"
            )

    def choose(self, frame: Frame, words: NDArray[np.uint32] | None) -> NDArray[np.integer]:
        """Return what the rule says; see `Learner.choose`."""
        # In one dimension: of (n, 1) with n above 8,192 NumPy 2.4's unravel_index gives wrong numbers.
        flat = np.unravel_index(frame.rows.ravel(), self._sizes)
        seen = tuple(part.reshape(frame.rows.shape) for part in flat)
        phase = seen[0] % 2
        if self.config.rule == "fixed-cycle":
            return np.where(seen[1] >= self.config.period - 1, 1 - phase, phase)
        north_south, east_west = self._pairs(seen)
        ahead = np.where(phase == 0, east_west - north_south, north_south - east_west)
        return np.where(ahead > self._hysteresis, 1 - phase, phase)

    def _pairs(self, seen: tuple[NDArray[np.intp], ...]) -> tuple[NDArray[Any], NDArray[Any]]:
        """Return how much both pairs want green."""
        if len(seen) == _BINNED:
            low = np.array(BINS)
            return low[seen[1]], low[seen[2]]
        wants: list[Any] = list(seen[2:6])
        if self.config.rule == "max-pressure":
            straight, left, right = self.config.turns
            full = seen[10:14]
            for h in range(4):
                taken = (
                    straight * full[h] + left * full[(h + LEFT) % 4] + right * full[(h + RIGHT) % 4]
                )
                wants[h] = np.maximum(wants[h] - taken, 0.0)
        return wants[0] + wants[2], wants[1] + wants[3]
