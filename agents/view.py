"""How learners see an environment: table rows, legal actions and rewards as arrays ``[n, B]``, agents first.

`View` takes a ParallelEnv (one column) or a vector env in the layout of `crl_envs.core.WorldVectorEnv` (B columns).
Every column is an episode of its own; columns start together, and one that has finished waits, ignored, until all have.
"""

from __future__ import annotations

import copy
from collections.abc import Callable, Mapping
from typing import Any, Final, NamedTuple

import numpy as np
from gymnasium.vector import VectorEnv
from numpy.typing import NDArray
from pettingzoo import ParallelEnv

from agents.encoder import ObservationEncoder
from crl_envs.core import arrays
from crl_envs.core.arguments import shown
from crl_envs.core.copies import OwnsArrays
from crl_envs.core.neighborhood import neighbor_pairs
from crl_envs.core.overrides import overridden
from crl_envs.core.returns import Returns
from crl_envs.load_balancing import LoadBalancingEnv, LoadBalancingWorld

MOST_ENTRIES: Final = 50_000_000  # of a learner's table
_NOTHING: Final = np.empty(0)


class Frame(NamedTuple):
    """What the agents know when they choose their actions."""

    rows: NDArray[np.intp]  # [n, B], table row of the observation; 0 for agents that aren't there
    legal: NDArray[np.bool_] | None  # [n, B, A], never all False; None: everything is
    live: NDArray[np.bool_] | None  # [n, B], whether the agent's action will count; None: all do


class Transition(NamedTuple):
    """What came of a step, for the columns that took part in it (zeros for the others)."""

    rewards: NDArray[Any]  # [n, B], what the env gave
    local: NDArray[Any]  # [n, B], own ones; the same object as `rewards` unless a wrapper differs
    team: arrays.TeamRewards | None  # None: the means of all n
    ended: NDArray[np.bool_] | None  # [B], whose episode ended with this step; None: nobody's
    frame: Frame


class View(OwnsArrays):
    """An environment as a learner on tables sees it.

    On a vector env the autoreset mode ``"disabled"`` gives what a ParallelEnv gives, column by column. So does
    ``"next-step"`` when all episodes are equally long; otherwise a column that has finished plays on there, unobserved,
    until all have. In a ParallelEnv an agent that has left (or not yet come) isn't live; its rewards are 0.

    Args:
        env: A ParallelEnv, or a `WorldVectorEnv` or another vector env in its layout.
        rows: Whether to number the observations; without it every one is row 0 and any space will do. A tuple: by
            these components alone, see `ObservationEncoder`.

    Attributes:
        env: The environment.
        is_vector: Whether it is a vector env.
        agents: The agents' ids.
        n_agents: Number of agents n.
        num_envs: Number of columns B.
        n_rows: Rows of the largest agent's observation table, O; 1 without rows.
        n_actions: Actions of the agent that has most, A.
        running: ``bool[B]``, columns whose episode goes on.
        n_running: How many there are.

    Raises:
        ValueError: Another kind of environment, no possible agents, or spaces that don't make a table.
    """

    def __init__(self, env: Any, rows: bool | tuple[int, ...] = True) -> None:
        self.env = env
        self.is_vector = isinstance(env, VectorEnv)
        if not isinstance(env, VectorEnv | ParallelEnv):
            raise ValueError(f"env must be a ParallelEnv or a vector env, got {shown(env)}")
        self._arrays: arrays.EnvArrays = (
            arrays.VectorArrays(env)
            if self.is_vector
            else arrays.ParallelArrays(env, self._components)
        )
        self.agents = self._arrays.agents
        self.n_agents = self._arrays.n_agents
        self.num_envs = self._arrays.num_envs
        self.encoder = None
        sizes, starts = self._arrays.actions
        if rows:
            self.encoder = ObservationEncoder(
                list(zip(self.agents, self._arrays.observed, strict=True)),
                rows if isinstance(rows, tuple) else None,
            )
        self.n_rows = self.encoder.n_rows if self.encoder else 1
        self._row_0 = np.zeros((self.n_agents, self.num_envs), np.intp)
        self.n_actions = int(sizes.max())
        self.action_starts = starts[:, None] if starts.any() else None
        self._existing = np.arange(self.n_actions) < sizes[:, None, None]  # bool[n, 1, A]
        self._same_actions = bool(self._existing.all())
        self._constant: tuple[Any, NDArray[np.bool_] | None] = None, None
        self.running = np.zeros(self.num_envs, np.bool_)
        self.n_running = 0

    @property
    def infos(self) -> dict[Any, Any]:
        """What the last reset or step said beside the rewards, in the env's own layout."""
        return self._arrays.infos

    def reset(self, seed: int | None = None) -> Frame:
        """Start an episode in every column; with a seed column b's is ``seed + b``."""
        seen = self._arrays.reset(seed)
        everybody = np.ones(self.num_envs, np.bool_)
        self._set_running(everybody if seen.live is None else np.asarray(seen.live.any(axis=1)))
        return self._frame(seen)

    def step(self, actions: NDArray[np.integer]) -> Transition:
        """Let all agents of the running columns act: ``[n, B]`` in [0, A), ignored where nobody lives."""
        step = self._arrays.step(self.own_actions(actions).T)
        rewards = self._running_only(step.rewards.T)
        local = rewards
        if step.local_rewards is not step.rewards:
            local = self._running_only(step.local_rewards.T)
        ended = None
        if step.ended.any() and (now := step.ended & self.running).any():
            ended = now
            self._set_running(self.running & ~now)
        return Transition(rewards, local, step.team, ended, self._frame(step.frame))

    def fast_forward(self, play: Callable[..., int]) -> int:
        """Play several steps by a compiled loop, as ``env.fast_forward``, for the columns in step; their number."""
        steps: int = self.env.fast_forward(play)
        self._arrays.look()
        self._set_running(
            ~self.env.finished if self.is_vector else np.array([bool(self.env.agents)])
        )
        return steps

    def neighbors(self) -> NDArray[np.int64]:
        """Return pairs (agent, neighbour) of indices, both ways: ``int64[E, 2]``; after a reset.

        Raises:
            ValueError: The environment doesn't tell; see `crl_envs.core.neighborhood.neighbor_pairs`.
        """
        return neighbor_pairs(self.env, self.agents, {} if self.is_vector else self.infos)

    def metrics(self) -> dict[str, NDArray[Any]]:
        """Return ``env.unwrapped.metrics()``, ``(B, …)``: measurements of the present states, if it has any."""
        metrics = getattr(self.env.unwrapped, "metrics", None)
        measured: dict[str, Any] = metrics() if callable(metrics) else {}
        return measured if self.is_vector else {k: np.asarray(v)[None] for k, v in measured.items()}

    def own_actions(self, actions: NDArray[np.integer]) -> NDArray[np.integer]:
        """Return actions counted from the first of each agent's space instead of from 0: ``[n, B]``."""
        return actions if self.action_starts is None else actions + self.action_starts

    def check_table(self, rows: str) -> tuple[int, int, int, int]:
        """Return n, O, A and B; raise a ValueError, which calls rows `rows`, for a table of too many entries."""
        n, o, a, b = self.n_agents, self.n_rows, self.n_actions, self.num_envs
        if n * o * a * b > MOST_ENTRIES:
            raise ValueError(
                f"env needs a table of {n} agents × {o} {rows} × {a} actions × {b} columns; "
                f"at most {MOST_ENTRIES} entries are allowed"
            )
        return n, o, a, b

    def frame_of_dict(
        self, observations: Mapping[Any, Any], masks: Mapping[Any, Any] | None = None
    ) -> Frame:
        """Return the frame of one column out of what some agents see.

        Raises:
            ValueError: An observation of an unknown agent or outside of its space, or a bad mask.
        """
        rows = self._rows(self._components(observations)[None], 1)
        if not isinstance(masks, Mapping | None):
            raise ValueError(f"action_masks must be a dict as observations are, got {shown(masks)}")
        for what, given in (("observations", observations), ("action_masks", masks or {})):
            if strangers := set(given) - set(self.agents):
                raise ValueError(f"{what} must be of agents, got one of {shown(strangers.pop())}")
        stacked = None
        if masks:
            sizes = self._existing.sum(axis=(1, 2)).tolist()
            stacked = arrays.stack_masks([masks.get(a) for a in self.agents], self.agents, sizes)
        return Frame(rows, self._legal(stacked, 1), None)

    def frame_of_array(self, observations: Any, masks: Any = None) -> Frame:
        """Return the frame of all columns out of ``(B, n, …)`` and, where there are masks, ``(B, n, A)``.

        A view of one column takes any number of them: the same agents in B environments.

        Raises:
            ValueError: Wrong shape, or a value outside of its space.
        """
        n = self.n_agents
        array = np.asarray(observations)
        b = len(array) if self.num_envs == 1 and array.ndim else self.num_envs
        if self.encoder is not None:
            components = self.encoder.n_components
            if array.shape[:2] != (b, n) or array.size != b * components:
                raise ValueError(
                    f"observations must have shape ({b}, {n}, …) with {components // n} values an "
                    f"agent, got {array.shape}"
                )
        rows = self._rows(array, b)
        if masks is None:
            return Frame(rows, self._legal(None, b), None)
        legal = np.asarray(masks)
        if legal.shape != (b, n, self.n_actions):
            raise ValueError(
                f"action_masks must have shape {(b, n, self.n_actions)}, got {legal.shape}"
            )
        return Frame(rows, self._legal(legal, b), None)

    def _components(self, observations: Mapping[Any, Any]) -> NDArray[Any]:
        """Return what the agents of one environment observe as numbers, ``[C]``; nothing without rows."""
        if self.encoder is None:
            return _NOTHING
        return self.encoder.flatten(observations)

    def _rows(self, observations: NDArray[Any], b: int) -> NDArray[np.intp]:
        if self.encoder is None:
            return self._row_0 if b == self.num_envs else np.zeros((self.n_agents, b), np.intp)
        return self.encoder.rows(observations.reshape(b, -1).T)

    def _frame(self, seen: arrays.Frame) -> Frame:
        b, live = self.num_envs, seen.live
        rows, masks = self._rows(seen.observations, b), seen.action_masks
        if self.is_vector and self.n_running < b:
            live = np.repeat(self.running[:, None], self.n_agents, axis=1)
        if live is not None:
            if masks is not None:
                masks = np.where(live[..., None], masks, 1)
            live = live.T
        if masks is None or masks.flags.writeable:
            return Frame(rows, self._legal(masks, b), live)
        if masks is not self._constant[0]:
            self._constant = masks, self._legal(masks, b)
        return Frame(rows, self._constant[1], live)

    def _set_running(self, running: NDArray[np.bool_]) -> None:
        self.running = running
        self.n_running = int(np.count_nonzero(running))

    def _running_only(self, values: NDArray[Any]) -> NDArray[Any]:
        """Return ``[n, B]`` with zeros in the columns that have finished."""
        return values if self.n_running == self.num_envs else np.where(self.running, values, 0.0)

    def _legal(self, masks: NDArray[Any] | None, b: int) -> NDArray[np.bool_] | None:
        """Return masks ``(B, n, A)`` as ``bool[n, B, A]``, without actions that an agent lacks; None: all True."""
        if masks is None:
            if self._same_actions:
                return None
            return np.broadcast_to(self._existing, (self.n_agents, b, self.n_actions))
        legal: NDArray[np.bool_] = masks.transpose(1, 0, 2) != 0
        if not self._same_actions:
            legal &= self._existing
        if legal.all():
            return None
        possible = legal.any(axis=2)
        if not possible.all():
            agent = self.agents[int(np.argwhere(~possible)[0, 0])]
            raise ValueError(
                f"action_mask of {agent} must allow at least one action, got all zeros"
            )
        return legal


class Episode(OwnsArrays):
    """Sums over one episode in every column.

    Args:
        view: The environment.

    Attributes:
        steps: ``int64[B]``, length T.
        elapsed: Steps played so far.
        metrics: The environment's measurements of the state in which each column ended, ``(B, …)``.
    """

    def __init__(self, view: View) -> None:
        self._view = view
        self._given = Returns(view.n_agents, view.num_envs)
        self._local = self._given
        self.elapsed = 0
        self.steps = np.zeros(view.num_envs, np.int64)
        self.metrics: dict[str, NDArray[Any]] = {}

    def add(self, transition: Transition) -> None:
        """Count one step."""
        rewards, local, team, ended, _ = transition
        if local is not rewards and self._local is self._given:
            self._local = copy.deepcopy(self._given)
        self._given.add(rewards, None if team is None else team.given)
        if self._local is not self._given:
            self._local.add(local, None if team is None else team.local)
        self.elapsed += 1
        if ended is not None:
            self.steps[ended] = self.elapsed
            self._measure(ended)

    def running_totals(self) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Return the sums so far, to be added to in place: ``float64[n, B]`` of agents, ``float64[B]`` of the team."""
        return self._given.agents(), self._given.team()

    def count(self, steps: int) -> None:
        """Count steps, of columns that end together, whose rewards were added to `running_totals`."""
        self.elapsed += steps
        if not self._view.n_running:
            self.steps[:] = self.elapsed
            self._measure(np.ones(self.steps.size, np.bool_))

    def length(self, known: int) -> int:
        """Return the steps of the episode, the same in all columns and, where that isn't 0, as `known`.

        Raises:
            ValueError: They aren't.
        """
        length = known or int(self.steps[0])
        if (self.steps != length).any():
            raise ValueError(
                f"env must have episodes of one length, got {self.steps.tolist()} steps after {length}"
            )
        return length

    @property
    def returns(self) -> NDArray[np.float64]:
        """``float64[n, B]``: each agent's sum of the rewards that it was given."""
        return self._given.agents()

    @property
    def team_return(self) -> NDArray[np.float64]:
        """``float64[B]``: the sum over the steps of the mean reward of the agents that took part."""
        return self._given.team()

    @property
    def local_returns(self) -> NDArray[np.float64]:
        """``float64[n, B]``: as `returns`, of the agents' own rewards."""
        return self._local.agents()

    @property
    def local_team_return(self) -> NDArray[np.float64]:
        """``float64[B]``: as `team_return`, of the agents' own rewards."""
        return self._local.team()

    def _measure(self, ended: NDArray[np.bool_]) -> None:
        for name, values in self._view.metrics().items():
            if name in self.metrics:
                self.metrics[name][ended] = values[ended]
            else:
                self.metrics[name] = np.array(values)


def runs_compiled(
    learner: Any,
    envs: tuple[type[Any], ...] = (LoadBalancingEnv,),
    world_class: type[Any] = LoadBalancingWorld,
) -> bool:
    """Return whether a learner's environment is one of these itself, of this world, with Numba.

    Then the learner can fuse its loop with the world's compiled one, through `View.fast_forward`. It mustn't
    where a wrapper, or what a user's class or object has of its own, would be gone round: the environment's, the
    world's or the learner's.
    """
    env = learner.view.env
    return (
        isinstance(env, envs)
        and type(env.world) is world_class
        and env.world.backend == "numba"
        and not any(map(overridden, (env, env.world, learner)))
    )
