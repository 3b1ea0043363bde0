"""From what agents observe to rows of tables."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final

import numpy as np
from gymnasium import spaces
from numpy.typing import NDArray

from crl_envs.core.arguments import shown

_MOST_BOX_COMPONENTS: Final = 12
_ONE: Final = np.ones(1, np.intp)
_MOST_EXACT: Final = 2.0**53  # up to here float64 has all whole numbers


class ObservationEncoder:
    """From the agents' observations to table rows 0 … O−1.

    An observation is a list of components, each with a few values; together they are the digits of the row, the
    last component varying fastest.

    - ``Discrete``: one component, its value less the space's first.
    - ``MultiDiscrete``: its components.
    - ``Box``: of each component only whether it is below (0) or at least (1) the middle of its bounds; at most 12
      components, all bounded.

    Args:
        observed: The agents and their observation spaces, in agent order.
        at_top: Components, counted from 0, that alone make the row, of Boxes: whether each is at its upper bound.
            None: all components, as above.

    Attributes:
        n_rows: Rows of the largest agent's table, O.
        n_components: Components of all agents together, C.

    Raises:
        ValueError: An agent's space is of another kind, or a Box unbounded or too large, or without a component that
            `at_top` names.
    """

    def __init__(
        self,
        observed: Sequence[tuple[Any, spaces.Space[Any]]],
        at_top: tuple[int, ...] | None = None,
    ) -> None:
        self.agents = [agent for agent, _ in observed]
        known: dict[int, _Components] = {}  # many agents may have the same space
        for agent, space in observed:
            if id(space) not in known:
                known[id(space)] = _components(agent, space, at_top)
        parts = [known[id(space)] for _, space in observed]
        self._sizes = [radix.size for radix, _, _, _ in parts]
        self.n_components = sum(self._sizes)
        self.n_rows = max(_product(radix) for radix, _, _, _ in known.values())
        if at_top is not None:
            self.n_rows = 2 ** len(at_top)
        self._bounds = np.concatenate([[0], np.cumsum(self._sizes)])
        radix, first, cut, weights = (np.concatenate(arrays) for arrays in zip(*parts, strict=True))
        self._radix = radix.astype(np.uintp)[:, None]
        self._weights = weights[:, None]
        self._first, self._any_first = first[:, None], bool(first.any())
        self._cut, self._any_cut = cut[:, None], not np.isnan(cut).all()
        self._all_cut = not np.isnan(cut).any()
        # What makes row 0.
        self._blank = np.where(np.isnan(self._cut), first[:, None], -np.inf)
        if not self._any_cut:
            self._blank = self._first
        self._same_size = len(set(self._sizes)) == 1
        self._one_each = set(self._sizes) == {1}

    def flatten(self, observations: Mapping[Any, Any]) -> NDArray[Any]:
        """Return components ``[C]`` of the observations of some or all agents; those of the others make row 0.

        Raises:
            ValueError: An unknown agent, or an observation of the wrong size.
        """
        if self._same_size and list(observations) == self.agents:
            try:
                joint = np.array(list(observations.values()))
            except ValueError:  # ragged: see below whose fault it is
                joint = np.empty(0)
            if joint.size == self.n_components and joint.dtype.kind in "biuf":
                return joint.reshape(-1)
        joint = self._blank[:, 0].copy()
        places = dict(zip(self.agents, range(len(self.agents)), strict=True))
        for agent, value in observations.items():
            if agent not in places:
                raise ValueError(
                    f"observations must be of agents {self.agents[0]!r} … {self.agents[-1]!r}, "
                    f"got one of {shown(agent)}"
                )
            low, high = self._bounds[places[agent]], self._bounds[places[agent] + 1]
            flat = np.ravel(value)
            if flat.size != high - low or flat.dtype.kind not in "biuf":
                raise ValueError(
                    f"the observation of {agent} must have {high - low} numbers, got {shown(value)}"
                )
            joint[low:high] = flat
        return joint

    def rows(self, components: NDArray[Any]) -> NDArray[np.intp]:
        """Return table rows ``intp[n, B]`` of components ``[C, B]``.

        Raises:
            ValueError: A component is outside of its space.
        """
        digits = self._digits(components)
        outside = digits.view(np.uintp) >= self._radix  # negative digits become huge
        if np.count_nonzero(outside):
            c, b = np.argwhere(outside)[0]
            agent = self.agents[int(np.searchsorted(self._bounds, c, side="right")) - 1]
            raise ValueError(
                f"the observation of {agent} must be in its space, got {components[c, b]}"
            )
        if self._one_each:
            return digits
        weighted = digits * self._weights
        return np.add.reduceat(weighted, self._bounds[:-1], axis=0)

    def sizes(self) -> tuple[int, ...]:
        """Return the number of values of each component of what an agent sees.

        Raises:
            ValueError: Agents differ in what they can see.
        """
        sizes = self._radix[:, 0].reshape(len(self.agents), -1) if self._same_size else None
        if sizes is None or (sizes != sizes[0]).any():
            raise ValueError("env must have the same observation space for all agents")
        return tuple(sizes[0].tolist())

    def digits(self) -> NDArray[np.int64]:
        """Return the components of each row, counted from 0: ``int64[O, k]``.

        Raises:
            ValueError: Agents differ in what they can see.
        """
        rows = np.unravel_index(np.arange(self.n_rows), self.sizes())
        return np.stack(rows, axis=1).astype(np.int64)

    def cuts(self) -> tuple[NDArray[np.float64], NDArray[np.intp]]:
        """Return where each component of Boxes of one size is cut, and the value of its digit: both ``[n, k]``."""
        n = len(self.agents)
        return self._cut.reshape(n, -1), self._weights.reshape(n, -1)

    def _digits(self, components: NDArray[Any]) -> NDArray[np.intp]:
        if self._all_cut:
            return (components >= self._cut).astype(np.intp, order="C")
        values = components
        if components.dtype.kind == "f":  # what is no whole number is outside of every space
            whole = (np.abs(components) <= _MOST_EXACT) & (components == np.floor(components))
            values = np.where(whole, components, self._first - 1)
        digits = values.astype(np.intp, order="C")
        if self._any_first:
            digits -= self._first
        if self._any_cut:
            above = (components >= self._cut).astype(np.intp)
            digits = np.where(np.isnan(self._cut), digits, above)
        return digits


_Components = tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.float64], NDArray[np.intp]]


def _components(
    agent: Any, space: spaces.Space[Any], at_top: tuple[int, ...] | None
) -> _Components:
    """Return for each component its number of values, its first, where it is cut (NaN: not at all) and its weight."""
    if at_top is not None and not isinstance(space, spaces.Box):
        raise ValueError(
            f"the observation space of {agent} must be a Box with the components {at_top}, got {space}"
        )
    if isinstance(space, spaces.Discrete):
        return np.array([space.n]), np.array([space.start]), np.array([np.nan]), _ONE
    if isinstance(space, spaces.MultiDiscrete):
        radix = np.ravel(space.nvec).astype(np.int64)
        first = np.ravel(space.start).astype(np.int64)
        return radix, first, np.full(radix.size, np.nan), _weights(radix)
    if not isinstance(space, spaces.Box) or 0 in space.shape:
        raise ValueError(
            f"the observation space of {agent} must be Discrete, MultiDiscrete or Box, got {space}"
        )
    low, high = np.ravel(space.low).astype(np.float64), np.ravel(space.high).astype(np.float64)
    if low.size > _MOST_BOX_COMPONENTS:
        raise ValueError(
            f"a Box observed by {agent} must have at most {_MOST_BOX_COMPONENTS} components to be "
            f"a table, got {low.size}"
        )
    if not (np.isfinite(low) & np.isfinite(high)).all():
        raise ValueError(f"a Box observed by {agent} must be bounded, got {space}")
    radix = np.full(low.size, 2)
    if at_top is not None:
        if max(at_top) >= low.size:
            raise ValueError(
                f"the observation space of {agent} must have the components {at_top}, got {space}"
            )
        weights = np.zeros(low.size, np.intp)
        weights[list(at_top)] = _weights(np.full(len(at_top), 2))
        return radix, np.zeros(low.size, np.int64), high, weights
    return radix, np.zeros(low.size, np.int64), low / 2 + high / 2, _weights(radix)


def _product(radix: NDArray[np.int64]) -> int:
    product = 1
    for size in radix.tolist():  # Python's integers don't overflow
        product *= size
    return product


def _weights(radix: NDArray[np.int64]) -> NDArray[np.intp]:
    """Return the value of each digit: the product of the radices after it."""
    if _product(radix) > np.iinfo(np.intp).max:
        return np.zeros(radix.size, np.intp)  # whoever makes the table refuses its size
    return np.concatenate([np.cumprod(radix[:0:-1])[::-1], [1]]).astype(np.intp)
