"""The arguments of the environments that are Dec-POMDPs."""

from __future__ import annotations

import os
from abc import abstractmethod
from dataclasses import dataclass
from functools import cached_property
from typing import ClassVar, Final, TypedDict, cast

import numpy as np

from crl_envs.core.archive import opened
from crl_envs.core.arguments import check_int, check_probability, check_real, keep, shown
from crl_envs.core.backend import resolve_backend
from crl_envs.core.topology import Edges, sorted_edges
from crl_envs.decpomdp.known import broadcast_channel, tiger
from crl_envs.decpomdp.model import DecPOMDP

_COSTS: Final = ("listen_cost", "treasure", "tiger_cost", "apart_cost")


class TeamProblem:
    """What a problem with a `process` and the fields `n_agents`, `horizon` and `backend` has beside.

    Attributes:
        kind: The environment's name.
        title: What it is called in pictures.
    """

    kind: ClassVar[str]
    title: ClassVar[str]

    n_agents: int | None
    horizon: int
    backend: str

    @property
    @abstractmethod
    def process(self) -> DecPOMDP:
        """The Dec-POMDP."""

    def check_shared(self) -> None:
        """Check the fields that all such problems have.

        Raises:
            ValueError: One is out of its range.
        """
        n = self.process.n_agents
        if self.n_agents is not None:
            keep(self, check_int, "n_agents", low=1)
            if self.n_agents != n:
                raise ValueError(
                    f"n_agents must be {n}, as many as the {self.kind} problem has, got {shown(self.n_agents)}"
                )
        keep(self, check_int, "horizon", low=1, high=2**40)
        resolve_backend(self.backend)

    @property
    def edges(self) -> Edges:
        """``int64[E, 2]``: all pairs of agents, both ways."""
        n = self.process.n_agents
        source, target = np.nonzero(~np.eye(n, dtype=np.bool_))
        return sorted_edges(source, target)


@dataclass(frozen=True)
class DecPOMDPProblem(TeamProblem):
    """Any finite Dec-POMDP.

    Attributes:
        model: A `DecPOMDP`, or the name of a file with one (.dpomdp, or .npz as it saves itself).
        n_agents: Number of agents n, that of the model. Default None: the same.
        horizon: Steps of an episode T, 1 to 2^40. Default 10.
        backend: ``"auto"``, ``"numpy"`` or ``"numba"``. Default ``"auto"``. All three run the same NumPy code.

    Raises:
        ValueError: An argument out of its range.
    """

    kind: ClassVar[str] = "dec_pomdp"
    title: ClassVar[str] = "Dec-POMDP"

    model: DecPOMDP | str | os.PathLike[str]
    n_agents: int | None = None
    horizon: int = 10
    backend: str = "auto"

    def __post_init__(self) -> None:
        object.__setattr__(self, "model", opened("model", self.model, DecPOMDP))
        self.check_shared()

    @property
    def process(self) -> DecPOMDP:
        """The model."""
        return cast(DecPOMDP, self.model)


class DecPOMDPArguments(TypedDict, total=False):
    """The fields of `DecPOMDPProblem` as keywords, for type checkers."""

    model: DecPOMDP | str | os.PathLike[str]
    n_agents: int | None
    horizon: int
    backend: str


@dataclass(frozen=True)
class TigerProblem(TeamProblem):
    """Two agents in front of two doors, a tiger behind one of them.

    Attributes:
        n_agents: Number of agents: 2. Default None: 2.
        accuracy: Probability of hearing the tiger on its side, 0 to 1. Default 0.85.
        listen_cost: What listening together costs, 0 to 1,000,000. Default 2.
        treasure: What opening the right door together brings, 0 to 1,000,000. Default 20.
        tiger_cost: What opening the tiger's door together costs, 0 to 1,000,000. Default 50.
        apart_cost: What opening it alone costs, and opening both doors, 0 to 1,000,000. Default 100.
        horizon: Steps of an episode T, 1 to 2^40. Default 4.
        backend: ``"auto"``, ``"numpy"`` or ``"numba"``. Default ``"auto"``. All three run the same NumPy code.

    Raises:
        ValueError: An argument out of its range.
    """

    kind: ClassVar[str] = "tiger"
    title: ClassVar[str] = "Tiger"

    n_agents: int | None = None
    accuracy: float = 0.85
    listen_cost: float = 2.0
    treasure: float = 20.0
    tiger_cost: float = 50.0
    apart_cost: float = 100.0
    horizon: int = 4
    backend: str = "auto"

    def __post_init__(self) -> None:
        keep(self, check_probability, "accuracy")
        for name in _COSTS:
            keep(self, check_real, name, low=0, high=1e6)
        self.check_shared()

    @cached_property
    def process(self) -> DecPOMDP:
        """The tiger with these numbers."""
        return tiger(self.accuracy, *(getattr(self, name) for name in _COSTS))


class TigerArguments(TypedDict, total=False):
    """The fields of `TigerProblem` as keywords, for type checkers."""

    n_agents: int | None
    accuracy: float
    listen_cost: float
    treasure: float
    tiger_cost: float
    apart_cost: float
    horizon: int
    backend: str


@dataclass(frozen=True)
class BroadcastProblem(TeamProblem):
    """Two agents who share a channel.

    Attributes:
        n_agents: Number of agents: 2. Default None: 2.
        first_rate: Probability that the first agent has a message again in the next step, 0 to 1. Default 0.9.
        second_rate: The same of the second, 0 to 1. Default 0.1.
        noise: Probability of hearing wrongly whether there was a collision, 0 to 1. Default 0.1.
        horizon: Steps of an episode T, 1 to 2^40. Default 4.
        backend: ``"auto"``, ``"numpy"`` or ``"numba"``. Default ``"auto"``. All three run the same NumPy code.

    Raises:
        ValueError: An argument out of its range.
    """

    kind: ClassVar[str] = "broadcast"
    title: ClassVar[str] = "Broadcast channel"

    n_agents: int | None = None
    first_rate: float = 0.9
    second_rate: float = 0.1
    noise: float = 0.1
    horizon: int = 4
    backend: str = "auto"

    def __post_init__(self) -> None:
        for name in ("first_rate", "second_rate", "noise"):
            keep(self, check_probability, name)
        self.check_shared()

    @cached_property
    def process(self) -> DecPOMDP:
        """The broadcast channel with these numbers."""
        return broadcast_channel(self.first_rate, self.second_rate, self.noise)


class BroadcastArguments(TypedDict, total=False):
    """The fields of `BroadcastProblem` as keywords, for type checkers."""

    n_agents: int | None
    first_rate: float
    second_rate: float
    noise: float
    horizon: int
    backend: str
