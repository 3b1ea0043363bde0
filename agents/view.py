"""How learners see an environment: table rows, legal actions and rewards as arrays ``[n, B]``, agents first.

`View` takes a ParallelEnv (one column) or a vector env in the layout of `crl_envs.core.WorldVectorEnv` (B columns).
Every column is an episode of its own; columns start together, and one that has finished waits, ignored, until all have.
"""

from __future__ import annotations

import copy
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final, NamedTuple

import numpy as np
from gymnasium import spaces
from gymnasium.vector import VectorEnv
from numpy.typing import NDArray
from pettingzoo import ParallelEnv

from crl_envs.core import WorldEnv, WorldVectorEnv, arrays
from crl_envs.core.arguments import shown
from crl_envs.core.copies import OwnsArrays
from crl_envs.core.overrides import overridden
from crl_envs.core.topology import sorted_edges
from crl_envs.load_balancing import LoadBalancingEnv, LoadBalancingWorld

MOST_ENTRIES: Final = 50_000_000  # of a learner's table
_MOST_BOX_COMPONENTS: Final = 12
_NOTHING: Final = np.empty(0)
_ONE: Final = np.ones(1, np.intp)
_MOST_EXACT: Final = 2.0**53  # up to here float64 has all whole numbers


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

        Out of ``infos[agent]["neighbors"]`` of the last reset of a ParallelEnv, where None is nobody and two agents are
        neighbours when either one names the other; else out of ``env.unwrapped.topology``.

        Raises:
            ValueError: The environment doesn't tell.
        """
        infos = {} if self.is_vector else self.infos
        if not infos or not all("neighbors" in info for info in infos.values()):
            return pairs_both_ways(topology_edges(self.env, self.agents))
        index = {agent: i for i, agent in enumerate(self.agents)}
        named = [(a, b) for a, info in infos.items() for b in info["neighbors"] if b is not None]
        strangers = [b for _, b in named if b not in index]
        if strangers:
            raise ValueError(
                f"infos[agent]['neighbors'] must hold ids of agents, got {shown(strangers[0])}"
            )
        pairs = [(index[a], index[b]) for a, b in named]
        return pairs_both_ways(np.array(pairs, np.int64).reshape(-1, 2))

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
        self._given = arrays.Returns(view.n_agents, view.num_envs)
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


def topology_edges(env: Any, agents: list[Any]) -> NDArray[np.int64]:
    """Return the edges of ``env.unwrapped.topology`` as indices of agents: ``int64[E, 2]``, each as it is there.

    A shipped environment has them as an array beside the graph, which saves making the graph.

    Raises:
        ValueError: There is no topology, or its nodes are neither 0 … n−1 nor the agents' ids.
    """
    base = env.unwrapped
    if isinstance(base, WorldEnv | WorldVectorEnv) and not overridden(base):
        return base.edges
    graph = getattr(base, "topology", None)
    if graph is None:
        raise ValueError(
            "the learner needs to know the agents' neighbors: env must have "
            "infos[agent]['neighbors'] or env.unwrapped.topology, got neither"
        )
    index = node_indices(graph, agents)
    pairs = [(index[a], index[b]) for a, b in graph.edges()]
    return np.array(pairs, np.int64).reshape(-1, 2)


def node_indices(graph: Any, agents: list[Any]) -> dict[Any, int]:
    """Return the index of the agent that each node of a graph stands for, in the agents' order.

    Raises:
        ValueError: The nodes are neither 0 … n−1 nor the agents' ids.
    """
    for nodes in (agents, range(len(agents))):
        if set(graph.nodes) == set(nodes):
            return {node: i for i, node in enumerate(nodes)}
    raise ValueError(
        f"env.unwrapped.topology must have the nodes 0 … {len(agents) - 1} or the agents' ids, got {graph}"
    )


def pairs_both_ways(pairs: NDArray[np.int64]) -> NDArray[np.int64]:
    """Return each pair of ``int64[E, 2]`` and its reverse, sorted, without repeats and without self-loops."""
    both = np.concatenate([pairs, pairs[:, ::-1]])
    return sorted_edges(both[:, 0], both[:, 1])


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
