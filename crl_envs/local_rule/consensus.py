"""``crl/consensus-v0``: voters on a graph who are to agree on what most of them voted first."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any, NamedTuple, TypedDict, Unpack

import numpy as np
from gymnasium import spaces
from numpy.typing import NDArray

from crl_envs.core.arguments import (
    check_int,
    check_probability,
    check_seed,
    is_word,
    keep,
)
from crl_envs.core.array_form import ArrayForm, Chance, happens
from crl_envs.core.backend import resolve_backend
from crl_envs.core.encoding import encoded
from crl_envs.core.form_world import FormWorld
from crl_envs.core.on_graph import OnGraph, seen_states
from crl_envs.core.optimum import Optimum
from crl_envs.core.parallel import WorldEnv, check_fits_dicts
from crl_envs.core.problem import documented_by
from crl_envs.core.stream import Purpose
from crl_envs.core.topology import Edges, sorted_edges

if TYPE_CHECKING:
    import networkx as nx

_RING = "ring"


@dataclass(frozen=True)
class ConsensusProblem(OnGraph):
    """Voters who see some others' votes.

    Attributes:
        n_agents: Number of voters n, 1 to 100,000,000; odd, so that there is a majority. Default None: 21, or the
            number of nodes of `topology` when that is a graph.
        topology: As of `crl_envs.local_rule.LocalRuleProblem`; who shares an edge sees each other's vote. On ``"ring"``
            it is everybody up to `radius` away. Default ``"ring"``.
        radius: How far voters see on the ring, 1 to 1,000; others see their neighbours. Default 3.
        flip: Probability with which a vote comes out as the other one, 0 to 1. Default 0.
        horizon: Steps T, 1 to 2^31 − 1. Default None: 2n.
        instance_seed: Seed of random topologies, 0 to 2^64 − 1. Default 0.
        backend: ``"auto"``, ``"numpy"`` or ``"numba"``. Default ``"auto"``. All three run the same NumPy code.

    Raises:
        ValueError: An argument out of its range, or an even number of voters.
    """

    n_agents: int | None = None
    topology: str | nx.Graph = _RING
    radius: int = 3
    flip: float = 0.0
    horizon: int | None = None
    instance_seed: int = 0
    backend: str = "auto"

    observe = "neighborhood"

    def __post_init__(self) -> None:
        keep(self, check_int, "radius", low=1, high=1000)
        keep(self, check_probability, "flip")
        keep(self, check_seed, "instance_seed")
        resolve_backend(self.backend)
        if self.horizon is not None:
            keep(self, check_int, "horizon", low=1, high=2**31 - 1)
        if self.n % 2 == 0:
            raise ValueError(f"n_agents must be odd, so that there is a majority, got {self.n}")
        _ = self.observed

    @property
    def default_n(self) -> int:
        """Number of agents where neither `n_agents` nor a graph says it."""
        return 21

    @property
    def steps(self) -> int:
        """T."""
        return 2 * self.n if self.horizon is None else self.horizon

    @cached_property
    def edges(self) -> Edges:
        """``int64[E, 2]``: (source, target) where the target sees the source's vote."""
        if not is_word(self.topology, _RING):
            return super().edges
        i, distance = np.arange(self.n), np.arange(1, min(self.radius, self.n // 2) + 1)
        near = (i + distance[:, None]) % self.n
        there = np.broadcast_to(i, near.shape)
        return sorted_edges(
            np.concatenate([there.ravel(), near.ravel()]),
            np.concatenate([near.ravel(), there.ravel()]),
        )

    @cached_property
    def observed(self) -> NDArray[np.int64] | None:
        """``int64[n, 1 + k]``: whom each one sees; around the ring from the left to the right, after itself."""
        if not is_word(self.topology, _RING):
            return super().observed
        reach = min(self.radius, self.n // 2)
        distance = np.concatenate([[0], np.arange(-reach, 0), np.arange(1, reach + 1)])
        seen: NDArray[np.int64] = (np.arange(self.n)[:, None] + distance) % self.n
        return seen


class Ballot(NamedTuple):
    """The state."""

    vote: Any  # uint8[n, …]
    majority: Any  # uint8[1, …], of the first votes
    left: Any  # int32[1, …], steps


class ConsensusWorld(FormWorld[Ballot]):
    """Consensus as arrays; the state is a `Ballot`.

    Args:
        *args: A `ConsensusProblem`'s fields.
        **arguments: The same by name.

    Attributes:
        problem: The arguments.
    """

    name = "consensus"

    def __init__(self, *args: Any, **arguments: Any) -> None:
        self.problem = problem = ConsensusProblem(*args, **arguments)
        self.n_agents, self.horizon = problem.n, problem.steps
        self.single_action_space = spaces.Discrete(2)
        self.single_observation_space = problem.observation_space(2)
        self.seal()

    @cached_property
    def single_state_space(self) -> spaces.MultiDiscrete:  # type: ignore[override]
        """Every vote, and the majority of the first ones."""
        dtype: Any = np.uint8
        return spaces.MultiDiscrete(np.full(self.n_agents + 1, 2), dtype=dtype)

    def optimum(self) -> Optimum:
        """Return what voters earn who know the majority."""
        value = 1.0 - self.problem.flip
        if self.problem.flip > 0.5:
            value = self.problem.flip
        return Optimum(value, "exact", "everybody knows and votes the first majority", value)

    def make_form(self) -> ArrayForm:
        """Return the dynamics."""
        n, observed = self.n_agents, self.problem.observed
        horizon = self.horizon
        assert horizon is not None

        def initial(xp: Any, tables: Any, words: Any) -> Any:
            vote = (words[Purpose.INITIAL] >> 31).astype(np.uint8)
            most = 2 * vote.sum(axis=0, keepdims=True, dtype=np.int32) > n
            return Ballot(vote, most.astype(np.uint8), xp.full(most.shape, horizon, np.int32))

        def step(xp: Any, tables: Any, state: Any, action: Any, words: Any) -> Any:
            word = words[Purpose.TRANSITION]
            flipped = happens(xp, word, Chance(*tables["flip"]))
            vote = action.astype(np.uint8) ^ flipped.astype(np.uint8)
            right = (vote == state.majority) & (state.left == 1)
            return Ballot(vote, state.majority.copy(), state.left - 1), right.astype(np.float32)

        def metrics(xp: Any, state: Any) -> dict[str, Any]:
            right = state.vote == state.majority
            return {"right": right.mean(axis=0), "solved": right.all(axis=0)}

        return ArrayForm(
            tables={"flip": Chance.of(np.array([self.problem.flip]))},
            purposes=(Purpose.TRANSITION,),
            initial=initial,
            step=step,
            observation=lambda xp, state: seen_states(xp, state.vote, observed, 2),
            state_array=lambda xp, state: xp.concatenate([state.vote, state.majority]),
            metrics=metrics,
        )


class ConsensusArguments(TypedDict, total=False):
    """The fields of `ConsensusProblem` as keywords, for type checkers."""

    n_agents: int | None
    topology: str | nx.Graph
    radius: int
    flip: float
    horizon: int | None
    instance_seed: int
    backend: str


@documented_by(ConsensusProblem)
class ConsensusEnv(WorldEnv):
    """Voters who see a few others are to agree on what the majority of all voted at first.

    ## Description
    n voters on a graph, by default a ring on which each sees three to its left and three to its right. In each step
    all vote anew, 0 or 1, having seen the last votes of their neighbours. At the end everybody should vote what most of
    them voted at the beginning, which nobody saw. It is the density classification task of cellular automata as a game:
    one reward, at the very end, for what only all together can know. No rule that all follow solves it always (Land &
    Belew 1995).

    ## Action Space
    ``Discrete(2)``: the vote. Both are always legal.

    ## Observation Space

    | made with | observation space | what is seen |
    |---|---|---|
    | defaults | ``MultiDiscrete([2 2 2 2 2 2 2])`` | own vote, then those from 3 to the left to 3 to the right |
    | ``topology="torus", n_agents=25`` | ``MultiDiscrete([2 2 2 2 2])`` | own vote, then the neighbours' |
    | ``topology="star", n_agents=5`` | ``MultiDiscrete([2 2 3 3 3])`` | own vote, then up to 4 others |

    On other graphs than the ring neighbours are seen in the order of ``infos[agent]["neighbors"]``; missing ones have
    one value more, 2, for nobody. ``state()``: ``uint8[n + 1]``, all votes and the majority of the first ones.

    ## Starting State
    Votes are 0 or 1 with probability ½ each, independently.

    ## Reward
    Local: 1 in the last step for a vote that is the majority of the first votes, else 0.

    ## Episode End

    - Terminated: never.
    - Truncated: after `horizon` steps.

    ## Information

    | infos[agent] | type | what it is |
    |---|---|---|
    | ``action_mask`` | ``int8[2]`` | 1 for a legal action: all ones |
    | ``neighbors`` | ``tuple`` | ids of the agents whose votes this one sees, in ascending order |

    | ``metrics()`` | type | what it is |
    |---|---|---|
    | ``right`` | ``float`` | share of the votes that are the first majority |
    | ``solved`` | ``bool`` | whether all are |

    ## Arguments

    The fields of `crl_envs.local_rule.ConsensusProblem`, `render_mode` and `encode`.

    ## Known Optimum
    What voters earn who know the majority: 1, or with `flip` the larger of `flip` and 1 − `flip`. Nobody knows it, so
    that no policy of what agents see earns as much, but on graphs on which all see all.

    | made with | kind | value | lower |
    |---|---|---|---|
    | defaults | exact | 1 | 1 |
    | ``flip=0.1`` | exact | 0.9 | 0.9 |

    ## Scaling Knob
    `n_agents`. What has to come around the ring takes n / 6 steps.

    ## Baseline Curve
    The rule of Gács, Kurdyumov & Levin (``FixedRule(env, rule="gkl")``): a voter takes the majority of its own vote and
    those 1 and 3 to the left if it voted 0, to the right if it voted 1. Share of episodes that it solves, 2n steps,
    with standard errors:

    | n = 21 | n = 149 | n = 599 |
    |---|---|---|
    | .897 ± .007 | .818 ± .009 | .758 ± .021 |

    Published for unbiased starts: .816 at n = 149, .766 at n = 599, .757 at n = 999.

    ## References
    Gács, Kurdyumov & Levin 1978, "One-dimensional uniform arrays that wash out finite islands". Land & Belew 1995, "No
    perfect two-state cellular automata for density classification exists".

    ## Version History

    - v0: first release.
    """

    metadata = WorldEnv.metadata | {
        "name": "crl/consensus-v0",
        "render_modes": ["human", "rgb_array", "ansi"],
        "render_fps": 4,
    }
    picture = "crl_envs.local_rule.picture:ConsensusPicture"
    world: ConsensusWorld

    make_world = ConsensusWorld

    def __init__(
        self,
        *args: Any,
        render_mode: str | None = None,
        encode: str | None = None,
        **arguments: Unpack[ConsensusArguments],
    ) -> None:
        check_fits_dicts(arguments.get("n_agents"))
        super().__init__(encoded(ConsensusWorld(*args, **arguments), encode), render_mode)
