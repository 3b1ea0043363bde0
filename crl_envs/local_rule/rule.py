"""`LocalRule`: what one agent does on a graph, as a few small tables, as a value of its own."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from crl_envs.core import archive
from crl_envs.core.arguments import shown
from crl_envs.core.world import frozen

_KIND: Final = "crl-envs local rule 1"
_TOLERANCE: Final = 1e-9
_MOST: Final = 256  # states and actions are uint8
_MOST_ENTRIES: Final = 50_000_000

Table = NDArray[np.float64]
ByDegree = dict[int, Table]  # one table for each in-degree; under −1 one for all


class Tables(NamedTuple):
    """A rule's tables for agents of one in-degree d, with M = K · d + 1 sums of signals."""

    transition: Table  # float64[S, A, M, S]
    reward: Table  # float64[S, A, M]


@dataclass(frozen=True, eq=False)
class LocalRule:
    """One rule that all agents of a graph follow (Bagnell & Ng 2005, §2, with neighbours that are exchangeable).

    Agent i has a state s_i and an action a_i, and emits a signal φ(s_i, a_i) ∈ {0 … K}. With m_i, the sum of the
    signals of the agents with an edge to it,

        P(s_i' | s_i, a_i, m_i) = transition[s, a, m, s']      R_i = reward[s, a, m]      P(first s_i) = start[s]

    A table may have fewer axes than a rule needs: where M is 1, m doesn't matter. Where it is larger than an agent's
    K · degree + 1, the agent uses its beginning. A rule that depends on the degree itself has a dict of tables, by
    in-degree, for `transition`, for `reward` or for both.

    Rules are compared by value (``==``), saved and loaded.

    Attributes:
        signal: ``uint8[S, A]``, φ.
        transition: ``float64[S, A, M, S]``, or a dict of such by in-degree.
        reward: ``float64[S, A, M]``, or a dict of such by in-degree.
        start: ``float64[S]``.
        states: Names of the S states, for pictures and pages; default ``"0"``, ``"1"``, ….
        actions: The same of the A actions.

    Raises:
        ValueError: Shapes that don't fit each other, more than 256 states or actions, signals or degrees that aren't
            whole numbers ≥ 0, probabilities that are negative or don't sum to 1, or rewards that aren't finite.
    """

    signal: NDArray[np.uint8]
    transition: Any
    reward: Any
    start: NDArray[np.float64]
    states: tuple[str, ...] = ()
    actions: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        signal = _array("signal", self.signal, 2)
        if max(signal.shape) > _MOST:
            raise ValueError(
                f"signal must have at most {_MOST} states and actions, got {signal.shape}"
            )
        if (signal != np.rint(signal)).any() or signal.min() < 0 or signal.max() >= _MOST:
            raise ValueError(f"signal must have whole numbers in [0, {_MOST - 1}]")
        s, a = signal.shape
        start = _array("start", self.start, 1)
        if start.shape != (s,):
            raise ValueError(f"start must have shape {(s,)}, got {start.shape}")
        _check_distributions("start", start)
        transition, reward = (
            _by_degree("transition", self.transition),
            _by_degree("reward", self.reward),
        )
        for name, tables, shape in (
            ("transition", transition, (s, a, None, s)),
            ("reward", reward, (s, a, None)),
        ):
            for degree, table in tables.items():
                here = name if degree < 0 else f"{name}[{degree}]"
                fits = len(table.shape) == len(shape) and all(
                    given == wanted
                    for given, wanted in zip(table.shape, shape, strict=True)
                    if wanted
                )
                if not fits:
                    wanted_shape = ", ".join("M" if w is None else str(w) for w in shape)
                    raise ValueError(f"{here} must have shape ({wanted_shape}), got {table.shape}")
                if name == "transition":
                    _check_distributions(here, table)
        values: dict[str, Any] = {
            "signal": frozen(signal.astype(np.uint8)),
            "start": frozen(start),
            "transition": {d: frozen(t) for d, t in transition.items()},
            "reward": {d: frozen(t) for d, t in reward.items()},
            "states": _names("states", self.states, s),
            "actions": _names("actions", self.actions, a),
        }
        for name, value in values.items():
            object.__setattr__(self, name, value)

    @property
    def n_states(self) -> int:
        """States of one agent, S."""
        return int(self.signal.shape[0])

    @property
    def n_actions(self) -> int:
        """Actions of one agent, A."""
        return int(self.signal.shape[1])

    @property
    def largest_signal(self) -> int:
        """K."""
        return int(self.signal.max())

    @property
    def signals_by_state(self) -> bool:
        """Whether what an agent does has no part in its signal."""
        return bool((self.signal == self.signal[:, :1]).all())

    def tables(self, degree: int) -> Tables:
        """Return the tables of the agents with so many edges to them.

        Raises:
            ValueError: There is none for the degree, or it has too few sums of signals.
        """
        made = []
        for name in ("transition", "reward"):
            known: ByDegree = getattr(self, name)
            table = known.get(degree, known.get(-1))
            if table is None:
                raise ValueError(
                    f"rule must have a {name} for agents with {degree} neighbours that influence them, got those for "
                    f"{', '.join(map(str, sorted(known)))}"
                )
            needed = self.largest_signal * degree + 1
            if 1 < table.shape[2] < needed:
                raise ValueError(
                    f"{name} of rule must have M = {needed} sums of signals for agents with {degree} neighbours that "
                    f"influence them, got {table.shape[2]}"
                )
            shape = (*table.shape[:2], needed, *table.shape[3:])
            made.append(
                np.broadcast_to(table, shape) if table.shape[2] == 1 else table[:, :, :needed]
            )
        return Tables(*made)

    def in_half_steps(self) -> LocalRule:
        """Return the same world in twice as many steps, in which signals don't depend on actions.

        In one step an agent chooses, which leads it from state s to the state S + s · A + a; in the next one it emits
        the signal of both and goes on to s', whatever it does. So the planners for `crl_envs.factored.FactoredMDP`,
        whose agents feel each other's states, also have worlds in which actions are felt. A policy by the states s does
        the same in both, and the best returns are the same.
        """
        s, a = self.signal.shape
        chosen = s + np.arange(s * a).reshape(s, a)
        own, done = np.ogrid[:s, :a]
        transition, reward = {}, {}
        for degree, table in self.transition.items():
            halves = np.zeros((s + s * a, a, table.shape[2], s + s * a))
            halves[own, done, :, chosen] = 1.0
            halves[s:, ..., :s] = table.reshape(s * a, 1, *table.shape[2:])
            transition[degree] = halves
        for degree, table in self.reward.items():
            reward[degree] = np.zeros((s + s * a, a, table.shape[2]))
            reward[degree][s:] = table.reshape(s * a, 1, -1)
        signal = np.concatenate([np.zeros(s, np.int64), self.signal.ravel()])
        names = [f"{state}, {action}" for state in self.states for action in self.actions]
        return LocalRule(
            np.repeat(signal[:, None], a, axis=1),
            transition,
            reward,
            np.concatenate([self.start, np.zeros(s * a)]),
            (*self.states, *names),
            self.actions,
        )

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, LocalRule):
            return NotImplemented
        mine, theirs = self._arrays(), other._arrays()
        return (
            (self.states, self.actions) == (other.states, other.actions)
            and mine.keys() == theirs.keys()
            and all(np.array_equal(mine[name], theirs[name]) for name in mine)
        )

    __hash__ = None  # type: ignore[assignment]  # arrays

    def __repr__(self) -> str:
        return f"LocalRule({self.n_states} states, {self.n_actions} actions, signals to {self.largest_signal})"

    def save(self, path: str | os.PathLike[str]) -> None:
        """Write the rule to exactly `path`, as JSON where its name ends in .json, else as .npz without pickle.

        In JSON tables are nested lists, and tables by in-degree objects; it can be written by hand.
        """
        named = {"states": list(self.states), "actions": list(self.actions)}
        if Path(path).suffix != ".json":
            archive.write(path, _KIND, named, self._arrays())
            return
        text: dict[str, Any] = {"signal": self.signal.tolist(), "start": self.start.tolist()}
        for name in ("transition", "reward"):
            tables: ByDegree = getattr(self, name)
            text[name] = (
                tables[-1].tolist()
                if -1 in tables
                else {str(d): t.tolist() for d, t in tables.items()}
            )
        Path(path).write_text(json.dumps(text | named, indent=1), encoding="utf-8")

    @classmethod
    def load(cls, path: str | os.PathLike[str]) -> LocalRule:
        """Return the rule in a file.

        Raises:
            ValueError: The file is damaged or holds no rule; the message names it.
            OSError: The file can't be opened.
        """
        is_json = Path(path).suffix == ".json"
        meta, arrays = ({}, {}) if is_json else archive.read(path, _KIND, "a local rule")
        try:
            if is_json:
                given = json.loads(Path(path).read_text(encoding="utf-8-sig"))
                if not isinstance(given, dict):
                    raise ValueError(f"it must be an object with the tables, got {shown(given)}")
                needed = {"signal", "transition", "reward", "start"}
                if missing := needed - set(given):
                    raise ValueError(f"{min(missing)} is missing")
                if unknown := set(given) - needed - {"states", "actions"}:
                    raise ValueError(f"unknown field {shown(min(unknown))}")
                return cls(
                    **{**given, **{k: tuple(given.get(k, ())) for k in ("states", "actions")}}
                )
            tables: dict[str, Any] = {"transition": {}, "reward": {}}
            for name in ("transition", "reward"):
                for key, array in arrays.items():
                    if key.startswith(f"{name} "):
                        tables[name][int(key.split()[1])] = array
            return cls(
                arrays["signal"],
                **tables,
                start=arrays["start"],
                states=tuple(meta["states"]),
                actions=tuple(meta["actions"]),
            )
        except OSError:
            raise
        except Exception as error:  # a table may be missing or of any shape
            raise ValueError(f"{os.fspath(path)} is not a local rule: {error}") from error

    def _arrays(self) -> dict[str, NDArray[Any]]:
        arrays: dict[str, NDArray[Any]] = {"signal": self.signal, "start": self.start}
        for name in ("transition", "reward"):
            arrays |= {f"{name} {d}": t for d, t in sorted(getattr(self, name).items())}
        return arrays


def _array(name: str, given: Any, ndim: int) -> Table:
    try:
        table = np.array(given)
    except Exception:  # anything at all may have been given
        table = np.array(None)
    if table.dtype.kind not in "iuf":
        raise ValueError(f"{name} must be numbers of {ndim} dimensions, got {shown(given)}")
    table = table.astype(np.float64)
    if table.ndim != ndim or 0 in table.shape:
        raise ValueError(
            f"{name} must have {ndim} dimensions and something in each, got shape {table.shape}"
        )
    if table.size > _MOST_ENTRIES:
        raise ValueError(f"{name} must have at most {_MOST_ENTRIES} numbers, got {table.size}")
    if not np.isfinite(table).all():
        raise ValueError(f"{name} must have finite numbers")
    return table


def _by_degree(name: str, given: Any) -> ByDegree:
    ndim = 4 if name == "transition" else 3
    if not isinstance(given, Mapping):
        return {-1: _array(name, given, ndim)}
    if not given:
        raise ValueError(f"{name} must have at least one table")
    made: ByDegree = {}
    for key, table in given.items():
        text = str(key)
        if isinstance(key, bool) or not (text.isdigit() or text == "-1"):
            raise ValueError(
                f"{name} must have in-degrees, whole numbers ≥ 0, for keys, got {shown(key)}"
            )
        made[int(text)] = _array(f"{name}[{text}]", table, ndim)
    return made


def _check_distributions(name: str, table: Table) -> None:
    if (table < 0).any() or (np.abs(table.sum(axis=-1) - 1) > _TOLERANCE).any():
        raise ValueError(f"{name} must have probabilities that sum to 1 along its last axis")


def _names(name: str, given: Any, count: int) -> tuple[str, ...]:
    named = tuple(given)
    if not named:
        return tuple(map(str, range(count)))
    if len(named) != count or not all(isinstance(word, str) for word in named):
        raise ValueError(f"{name} must be {count} names, got {shown(given)}")
    return named
