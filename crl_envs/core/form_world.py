"""Worlds whose dynamics are written over an array namespace alone; `crl_envs.jax` steps the same on a device."""

from __future__ import annotations

from abc import abstractmethod
from functools import cached_property
from time import perf_counter
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from crl_envs.core.array_form import ArrayForm
from crl_envs.core.backend import Compiled
from crl_envs.core.overrides import overridden
from crl_envs.core.stream import Purpose, Stream
from crl_envs.core.topology import Edges
from crl_envs.core.world import StateT, World, check_actions, freeze


class FormWorld(World[StateT]):
    """A world that is its array form. A subclass has `make_form`, spaces and `optimum`.

    It may have a compiled kernel beside it, of which tests assert that its numbers are the same: `_compiled`, with
    `_axes`, the shapes that it relies on, and `_constants`, what it reads beside the state, or a `_run` of its own.
    """

    problem: Any
    _compiled: ClassVar[Compiled[Any] | None] = None  # the kernel
    # Of the state's fields that the kernel looks into: the axes before ``[n, B]``.
    _axes: ClassVar[tuple[tuple[int, ...], ...]] = ()

    @abstractmethod
    def make_form(self) -> ArrayForm:
        """Return the dynamics."""

    @cached_property
    def form(self) -> ArrayForm:
        """The dynamics."""
        return self.make_form()

    @property
    def edges(self) -> Edges:
        """``int64[E, 2]``: the problem's pairs (source, target) of agents."""
        edges: Edges = self.problem.edges
        freeze(edges)  # copies of arrays are writable
        return edges

    def array_form(self) -> ArrayForm:
        """Return the dynamics over any array namespace."""
        return self.form

    def __getstate__(self) -> dict[str, Any]:
        return {k: v for k, v in vars(self).items() if k != "form"}  # functions inside of functions

    def initial(self, stream: Stream) -> StateT:
        """Return states at the start of an episode."""
        state: StateT = self.form.initial(
            np, self.form.tables, self._words(stream, Purpose.INITIAL)
        )
        return state

    def transition(self, state: StateT, action: NDArray[np.integer], stream: Stream) -> StateT:
        """Return the next states."""
        return self._checked_step(state, action, stream)[0]

    def reward(
        self, state: StateT, action: NDArray[np.integer], next_state: StateT, stream: Stream
    ) -> NDArray[np.float32]:
        """Return the local rewards ``float32[n, B]`` of a transition, at the clock of that transition."""
        return self._checked_step(state, action, stream)[1]

    def step(
        self, state: StateT, action: NDArray[np.integer], stream: Stream
    ) -> tuple[StateT, NDArray[np.float32]]:
        """Do `transition` and `reward` together, compiled where there is a kernel and Numba."""
        own = self._has_own_parts
        return (super().step if own else self._checked_step)(state, action, stream)

    def step_in_place(
        self, state: StateT, action: NDArray[np.integer], stream: Stream
    ) -> tuple[StateT, NDArray[np.float32]]:
        """Do `step`, without looking at each action where all methods are the package's."""
        if not self._is_shipped:
            return self.step(state, action, stream)
        self.check(state, action, stream, each=False)
        return self._stepped(state, action, stream)

    @cached_property
    def _n_actions(self) -> int:
        return int(self.single_action_space.n)

    @cached_property
    def _has_own_parts(self) -> bool:
        return not {"transition", "reward"}.isdisjoint(overridden(self))

    @cached_property
    def _is_shipped(self) -> bool:
        return not overridden(self)

    def _checked_step(
        self, state: StateT, action: NDArray[np.integer], stream: Stream
    ) -> tuple[StateT, NDArray[np.float32]]:
        self.check(state, action, stream)
        return self._stepped(state, action, stream)

    def _stepped(
        self, state: StateT, action: NDArray[np.integer], stream: Stream
    ) -> tuple[StateT, NDArray[np.float32]]:
        compiled = self._compiled
        if compiled is not None and self.backend == "numba":
            kernel = compiled.function or compiled.ready()
            if kernel is not None:
                return self._run(kernel, state, action, stream)
        begun = perf_counter()
        words = self._words(stream, *self.form.purposes)
        stepped: tuple[StateT, NDArray[np.float32]] = self.form.step(
            np, self.form.tables, state, action, words
        )
        if compiled is not None:
            compiled.waited(perf_counter() - begun)
        return stepped

    def _run(
        self, kernel: Any, state: Any, action: NDArray[np.integer], stream: Stream
    ) -> tuple[StateT, NDArray[np.float32]]:
        """Do `step` by the kernel, whose last arguments are what it writes; the state is a tuple."""
        following = type(state)(*(np.empty(field.shape, field.dtype) for field in state))
        reward = np.empty(action.shape, np.float32)
        kernel(
            tuple(map(np.ascontiguousarray, state)),
            np.ascontiguousarray(action, np.uint8),
            np.stack([stream.keys(purpose) for purpose in self.form.purposes]),
            *self._constants(),
            tuple(following),
            reward,
        )
        return following, reward

    def _constants(self) -> tuple[Any, ...]:
        """Return what the kernel reads beside the state, the actions and the keys."""
        raise NotImplementedError

    def observation(self, state: StateT) -> NDArray[Any]:
        """Return a fresh array: ``[n, B]`` for a Discrete space, ``[n, k, B]`` for a space of shape (k,)."""
        return np.array(self.form.observation(np, state))

    def terminal(self, state: StateT) -> NDArray[np.bool_]:
        """Return whether the episode has ended: ``bool[B]``."""
        terminal = self.form.terminal
        if terminal is None:
            field: Any = state[0] if isinstance(state, tuple) else state
            return np.zeros(field.shape[-1], np.bool_)
        return np.asarray(terminal(np, state))

    def action_mask(self, state: StateT) -> NDArray[np.int8] | None:
        """Return the legal actions ``int8[n, A, B]``, or None when every action is always legal."""
        mask = self.form.action_mask
        return None if mask is None else np.asarray(mask(np, state))

    def state_array(self, state: StateT) -> NDArray[Any]:
        """Return the full state for centralised critics: a fresh array ``[d, B]``."""
        return np.array(self.form.state_array(np, state))

    def metrics(self, state: StateT) -> dict[str, NDArray[Any]]:
        """Return named measurements of a state."""
        return {name: np.asarray(v) for name, v in self.form.metrics(np, state).items()}

    def check(
        self, state: StateT, action: NDArray[np.integer], stream: Stream, each: bool = True
    ) -> None:
        """Refuse actions, streams and states that don't fit; with `each`, also actions out of range."""
        fields: Any = state if isinstance(state, tuple) else (state,)
        shape = self.n_agents, fields[0].shape[-1]
        check_actions(action, shape, self._n_actions if each else None, stream)
        for i, axes in enumerate(self._axes):
            if fields[i].shape != axes + shape:
                names = getattr(state, "_fields", None)
                name = f"{names[i]} of " if names else ""
                raise ValueError(
                    f"state must have {name}shape {axes + shape}, where action has {shape}, "
                    f"got {fields[i].shape}"
                )

    def _words(self, stream: Stream, *purposes: Purpose) -> dict[Purpose, NDArray[np.uint32]]:
        return {
            purpose: stream.words(purpose, self.form.lanes or self.n_agents) for purpose in purposes
        }
