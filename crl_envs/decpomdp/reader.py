"""Problem files: the ``.dpomdp`` format of the MADP toolbox (Oliehoek et al. 2017), which many problems are in."""

from __future__ import annotations

import math
import re
from collections.abc import Sequence
from typing import Any, Final, NamedTuple, NoReturn

import numpy as np
from numpy.typing import NDArray

MOST_ENTRIES: Final = 50_000_000

Table = NDArray[np.float64]
Names = tuple[str, ...]

_HEAD: Final = ("agents", "discount", "values", "states", "start", "actions", "observations")
_BEGINS: Final = re.compile(
    r"(agents|discount|values|states|start(?:[ \t]+(?:include|exclude))?|actions|observations|[TOR])[ \t]*:"
)
_TOKEN: Final = re.compile(r'"[^"\n]*"|:|[^\s:"]+')
_NUMBER: Final = re.compile(r"[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?")
_SPACES: Final = str.maketrans(" ,:\t\n", "_____")


class _Token(NamedTuple):
    text: str
    line: int
    column: int


class _Statement(NamedTuple):
    name: _Token
    parts: list[list[_Token]]  # between colons


def parsed(text: str) -> dict[str, Any]:
    """Return a `DecPOMDP`'s fields by what a ``.dpomdp`` file says.

    Entries for `agents`, `discount`, `values`, `states`, `start`, `actions` and `observations`, each once and in any
    order, then any number of ``T:``, ``O:`` and ``R:``, of which later ones overwrite earlier ones: single numbers,
    rows, matrices, ``uniform`` and ``identity``; joint actions and observations one by one or by their number, with
    names, numbers and ``*``. Costs become negative rewards.

    Args:
        text: What is in the file.

    Raises:
        ValueError: Something else stands there; the message has the line and the column.
    """
    head: dict[str, _Statement] = {}
    tables: list[_Statement] = []
    for statement in _statements(text):
        name = statement.name.text
        if name in "TOR":
            missing = [other for other in _HEAD if other not in head]
            if missing:
                _refuse(statement.name, f"{name} must come after {missing[0]}")
            tables.append(statement)
        elif name.split()[0] in head:
            _refuse(statement.name, f"{name.split()[0]} must be there once, it is there again")
        else:
            head[name.split()[0]] = statement
    missing = [name for name in _HEAD if name not in head]
    if missing:
        raise ValueError(f"{missing[0]} must be there, it is missing")
    return _Problem(head).filled(tables)


class _Problem:
    """What the head of a file says, and the tables as far as they have been read."""

    def __init__(self, head: dict[str, _Statement]) -> None:
        self.n = len(self._names(head["agents"].name, self._one(head["agents"])))
        [discount] = self._fixed(head["discount"], 1)
        self.discount = _number(discount)
        if not 0 < self.discount <= 1:
            _refuse(discount, f"discount must be in (0, 1], got {discount.text}")
        [values] = self._fixed(head["values"], 1)
        if values.text not in ("reward", "cost"):
            _refuse(values, f"values must be reward or cost, got {values.text}")
        self.sign = -1.0 if values.text == "cost" else 1.0
        self.states = self._names(head["states"].name, self._one(head["states"]))
        self.actions = self._by_agent(head["actions"])
        self.observations = self._by_agent(head["observations"])
        self.start = self._start(head["start"])
        s = len(self.states)
        j, z = (math.prod(map(len, sets)) for sets in (self.actions, self.observations))
        if j * s * max(s, z) > MOST_ENTRIES:
            _refuse(head["states"].name, f"there are more than {MOST_ENTRIES} probabilities")
        self.transition, self.observation = np.zeros((j, s, s)), np.zeros((j, s, z))
        self.reward = np.zeros((j, s, 1, 1))

    def filled(self, statements: list[_Statement]) -> dict[str, Any]:
        for statement in statements:
            {"T": self._transition, "O": self._observation, "R": self._reward}[statement.name.text](
                statement
            )
        for letter, table in (("T", self.transition), ("O", self.observation)):
            total = table.sum(axis=2)
            wrong = np.argwhere((np.abs(total - 1) > 1e-6) | (table < 0).any(axis=2))
            if len(wrong):
                joint, state = map(int, wrong[0])
                done = np.unravel_index(joint, tuple(map(len, self.actions)))
                words = " ".join(names[a] for names, a in zip(self.actions, done, strict=True))
                of = f"{letter}: {words} : {self.states[state]}"
                raise ValueError(
                    f"probabilities must be ≥ 0 and sum to 1, those of {of} sum to {total[joint, state]:g}"
                )
        return {
            "transition": self.transition,
            "observation": self.observation,
            "reward": self.sign * self.reward + 0.0,
            "start": self.start,
            "actions": self.actions,
            "observations": self.observations,
            "states": self.states,
            "discount": self.discount,
        }

    def _transition(self, statement: _Statement) -> None:
        *where, values = self._parts(statement, 3)
        at = [self._joint(where[0], self.actions), *(self._state(part) for part in where[1:])]
        self._fill(self.transition, at, values, statement, square=True)

    def _observation(self, statement: _Statement) -> None:
        *where, values = self._parts(statement, 3)
        at = [self._joint(where[0], self.actions), *(self._state(part) for part in where[1:2])]
        at += [self._joint(part, self.observations) for part in where[2:]]
        self._fill(self.observation, at, values, statement)

    def _reward(self, statement: _Statement) -> None:
        *where, values = self._parts(statement, 4)
        if len(where) < 2:
            _refuse(statement.name, "R must name a joint action and a state at least")
        at = [self._joint(where[0], self.actions), *(self._state(part) for part in where[1:3])]
        at += [self._joint(part, self.observations) for part in where[3:]]
        s, z = len(self.states), self.observation.shape[2]
        for axis, size in ((2, s), (3, z)):
            of = at[axis] if axis < len(at) else np.arange(0)
            if self.reward.shape[axis] < size and len(of) < size:  # it depends on it
                if self.reward.size * size > MOST_ENTRIES:
                    _refuse(statement.name, f"there are more than {MOST_ENTRIES} rewards")
                self.reward = np.repeat(self.reward, size, axis=axis)
            if self.reward.shape[axis] == 1 and axis < len(at):
                at[axis] = np.zeros(1, np.int64)
        self._fill(self.reward, at, values, statement)

    def _fill(
        self,
        table: Table,
        at: list[NDArray[np.int64]],
        values: list[_Token],
        statement: _Statement,
        square: bool = False,
    ) -> None:
        """Write a number, a row or a matrix where the statement says."""
        shape = table.shape[len(at) :]
        if not values:
            _refuse(statement.name, f"{statement.name.text} must have values, it has none")
        word = values[0].text
        numbers: Any
        if word in ("uniform", "identity") and len(values) == 1:
            if statement.name.text == "R" or len(shape) < 1 + (word == "identity") * (2 - square):
                _refuse(values[0], f"{word} can't stand here")
            numbers = 1.0 / shape[-1] if word == "uniform" else np.eye(shape[0])
        else:
            numbers = np.array([_number(token) for token in values])
            if numbers.size != math.prod(shape):
                wanted = " × ".join(map(str, shape)) or "1"
                _refuse(values[0], f"there must be {wanted} numbers, got {numbers.size}")
            numbers = numbers.reshape(shape)
        table[np.ix_(*at)] = numbers

    def _parts(self, statement: _Statement, most: int) -> list[list[_Token]]:
        """Return what stands between the colons; without a last colon, values begin on the next line."""
        parts = statement.parts
        if len(parts) == 1:
            first = [t for t in parts[0] if t.line == statement.name.line]
            parts = [first, parts[0][len(first) :]]
        if len(parts) > most + 1:
            token = parts[most + 1][0] if parts[most + 1] else statement.name
            _refuse(token, f"{statement.name.text} must have at most {most + 1} colons")
        for part in parts[:-1]:
            if not part:
                _refuse(statement.name, f"{statement.name.text} has nothing between two colons")
        return parts

    def _joint(self, tokens: list[_Token], sets: tuple[Names, ...]) -> NDArray[np.int64]:
        """Return the numbers of the joint actions or observations that are meant."""
        sizes = tuple(map(len, sets))
        if len(tokens) == 1 and (self.n > 1 or tokens[0].text == "*"):
            token = tokens[0]
            if token.text == "*":
                return np.arange(math.prod(sizes))
            if token.text.isdigit() and int(token.text) < math.prod(sizes):
                return np.array([int(token.text)])
            _refuse(
                token,
                f"there must be *, a number below {math.prod(sizes)} or one for each agent, got {token.text}",
            )
        if len(tokens) != self.n:
            _refuse(tokens[0], f"there must be one for each of {self.n} agents, got {len(tokens)}")
        each = [_found(token, names) for token, names in zip(tokens, sets, strict=True)]
        return np.ravel_multi_index(np.ix_(*each), sizes).ravel()

    def _state(self, tokens: list[_Token]) -> NDArray[np.int64]:
        if len(tokens) != 1:
            _refuse(tokens[1], "there must be one state, got more")
        return _found(tokens[0], self.states)

    def _start(self, statement: _Statement) -> Table:
        name, tokens, s = statement.name.text, self._one(statement), len(self.states)
        if name != "start":
            named = np.zeros(s, np.bool_)
            for token in tokens:
                named[_found(token, self.states)] = True
            chosen = named if name.endswith("include") else ~named
            if not chosen.any():
                _refuse(statement.name, "start must leave a state, all are excluded")
            share: Table = chosen / chosen.sum()
            return share
        if len(tokens) == 1 and tokens[0].text == "uniform":
            return np.full(s, 1 / s)
        if len(tokens) == 1 and (s > 1 or not _NUMBER.fullmatch(tokens[0].text)):
            sure: Table = np.eye(s)[_found(tokens[0], self.states)[0]]
            return sure
        if len(tokens) != s:
            _refuse(
                tokens[0],
                f"start must have {s} probabilities, uniform or a state, got {len(tokens)}",
            )
        start = np.array([_number(token) for token in tokens])
        if (start < 0).any() or abs(start.sum() - 1) > 1e-6:
            _refuse(tokens[0], f"start must have probabilities that sum to 1, got {start.sum():g}")
        return start

    def _by_agent(self, statement: _Statement) -> tuple[Names, ...]:
        """Return names by agent, a line each."""
        lines: dict[int, list[_Token]] = {}
        for token in self._one(statement):
            lines.setdefault(token.line, []).append(token)
        if len(lines) != self.n:
            _refuse(
                statement.name,
                f"{statement.name.text} must be on {self.n} lines, one for each agent, got {len(lines)}",
            )
        return tuple(self._names(statement.name, tokens) for tokens in lines.values())

    def _names(self, name: _Token, tokens: list[_Token]) -> Names:
        if len(tokens) == 1 and tokens[0].text.isdigit():
            if not 0 < int(tokens[0].text) <= MOST_ENTRIES:
                _refuse(tokens[0], f"{name.text} must be at least 1 and at most {MOST_ENTRIES}")
            return tuple(map(str, range(int(tokens[0].text))))
        seen: set[str] = set()
        for token in tokens:
            if token.text in seen or token.text == "*" or _NUMBER.fullmatch(token.text):
                _refuse(token, f"{name.text} must be different and no numbers, got {token.text}")
            seen.add(token.text)
        return tuple(token.text for token in tokens)

    def _one(self, statement: _Statement) -> list[_Token]:
        if len(statement.parts) > 1:
            token = statement.parts[1][0] if statement.parts[1] else statement.name
            _refuse(token, f"{statement.name.text} must have one colon")
        if not statement.parts[0]:
            _refuse(statement.name, f"{statement.name.text} must have a value, it has none")
        return statement.parts[0]

    def _fixed(self, statement: _Statement, count: int) -> list[_Token]:
        tokens = self._one(statement)
        if len(tokens) != count:
            _refuse(tokens[count], f"{statement.name.text} must have {count} value")
        return tokens


def _statements(text: str) -> list[_Statement]:
    found: list[_Statement] = []
    for number, line in enumerate(text.splitlines(), 1):
        line = line.partition("#")[0]
        begins = _BEGINS.match(line.lstrip())
        first = len(line) - len(line.lstrip())
        if begins:
            name = " ".join(begins[1].split())
            found.append(_Statement(_Token(name, number, first + 1), [[]]))
            first += begins.end()
        for token in _TOKEN.finditer(line, first):
            here = _Token(token[0].strip('"'), number, token.start() + 1)
            if not found:
                _refuse(
                    here, f"the file must begin with one of {', '.join(_HEAD)}, got {here.text}"
                )
            if here.text == ":":
                found[-1].parts.append([])
            else:
                found[-1].parts[-1].append(here)
    return found


def _found(token: _Token, names: Names) -> NDArray[np.int64]:
    """Return the numbers that a name, a number or a star stands for."""
    if token.text == "*":
        return np.arange(len(names))
    if token.text in names:
        return np.array([names.index(token.text)])
    if token.text.isdigit() and int(token.text) < len(names):
        return np.array([int(token.text)])
    shown = ", ".join(names[:8]) + (", …" if len(names) > 8 else "")
    _refuse(
        token, f"there must be *, one of {shown} or a number below {len(names)}, got {token.text}"
    )


def _number(token: _Token) -> float:
    if not _NUMBER.fullmatch(token.text):
        _refuse(token, f"there must be a number, got {token.text}")
    return float(token.text)


def _refuse(token: _Token, message: str) -> NoReturn:
    raise ValueError(f"line {token.line}, column {token.column}: {message}")


def written(model: Any) -> str:
    """Return the text of a ``.dpomdp`` file with a `DecPOMDP`: what isn't 0, number by number."""

    def names(given: Names) -> str:
        numbered = given == tuple(map(str, range(len(given))))
        return str(len(given)) if numbered else " ".join(word.translate(_SPACES) for word in given)

    def joint(at: Sequence[int]) -> str:
        return " ".join(map(str, at))

    head = {
        "agents": model.n_agents,
        "discount": model.discount,
        "values": "reward",
        "states": names(model.states),
        "start": "\n" + " ".join(map(repr, model.start.tolist())),
    }
    lines = [f"{name}: {value}" for name, value in head.items()]
    for title, sets in (("actions", model.actions), ("observations", model.observations)):
        lines += [f"{title}:", *map(names, sets)]
    done, seen = model.joint_actions.tolist(), model.joint_observations.tolist()
    for j, s, t in np.argwhere(model.transition).tolist():
        lines.append(f"T: {joint(done[j])} : {s} : {t} : {float(model.transition[j, s, t])!r}")
    for j, t, z in np.argwhere(model.observation).tolist():
        lines.append(
            f"O: {joint(done[j])} : {t} : {joint(seen[z])} : {float(model.observation[j, t, z])!r}"
        )
    whole = model.reward.shape[2] == 1, model.reward.shape[3] == 1
    for j, s, t, z in np.argwhere(model.reward).tolist():
        after = "*" if whole[0] else t
        saw = "*" if whole[1] else joint(seen[z])
        lines.append(
            f"R: {joint(done[j])} : {s} : {after} : {saw} : {float(model.reward[j, s, t, z])!r}"
        )
    return "\n".join(lines) + "\n"
