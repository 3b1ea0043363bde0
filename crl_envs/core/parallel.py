"""The dict view: a World with one column as a PettingZoo ParallelEnv."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import TYPE_CHECKING, Any, ClassVar, Final, NoReturn

import numpy as np
from gymnasium import logger, spaces
from gymnasium.error import ResetNeeded
from numpy.typing import NDArray
from pettingzoo import ParallelEnv

from crl_envs.core.arguments import (
    LARGEST_INT,
    check_choice,
    check_int,
    check_options,
    check_seed,
    check_size,
    shown,
)
from crl_envs.core.copies import CopiesApart
from crl_envs.core.encoding import EncodedWorld
from crl_envs.core.named import named
from crl_envs.core.optimum import Optimum
from crl_envs.core.stream import Stream
from crl_envs.core.topology import Edges
from crl_envs.core.world import World, legalise

if TYPE_CHECKING:
    import networkx as nx

Infos = dict[str, dict[str, Any]]

_PROBE: Final = {"options": 1}  # what PettingZoo's own tests pass to every env
_BYTE: Final = np.dtype(np.uint8)  # NumPy takes a dtype sooner than a type
_UNSIGNED: Final = {size: np.dtype(f"u{size}") for size in (1, 2, 4, 8)}
_BYTES_PER_AGENT: Final = 1000  # of the dicts that a step returns


def check_fits_dicts(n_agents: Any) -> None:
    """Refuse more agents than dicts have room for; environments ask before they make a world of them.

    Raises:
        ValueError: It is a whole number above 8,589,934.
    """
    if isinstance(n_agents, int):
        check_size("n_agents", n_agents, _BYTES_PER_AGENT, " for dicts (make_vec has arrays)")


class WorldEnv(CopiesApart, ParallelEnv[str, Any, int]):
    """A world as a ParallelEnv with agents ``agent_0 … agent_{n−1}`` and local rewards.

    All agents act at every step and leave together at the end of the episode. ``infos[agent]`` always has

    - ``action_mask``: ``int8[A]``, 1 for a legal action, never all zero;
    - ``neighbors``: tuple of the ids of the agents that share an edge with this one;
    - ``node`` (only where the topology is a graph whose nodes aren't 0 … n − 1): the node that this agent is;
    - ``illegal_action`` (only where masks vary): True when this step's action was illegal and carried out as 0.

    Where masks don't vary, the steps within an episode give the same read-only dicts: write to a copy of them.

    Args:
        world: The dynamics.
        render_mode: One of ``metadata["render_modes"]``, or None; see `render`.

    Attributes:
        picture: Where the pictures of a class's worlds come from: ``"module:Class"`` of a
            `crl_envs.rendering.picture.Picture`; None for environments without render modes.

    Raises:
        ValueError: A render mode that the environment lacks, too many agents to draw, or ``"human"`` without a display.
        MissingLibraryError: matplotlib isn't installed (extra ``render``).
    """

    metadata: ClassVar[dict[str, Any]] = {"render_modes": [], "is_parallelizable": True}
    picture: ClassVar[str | None] = None
    render_mode: str | None = None

    def __init__(self, world: World[Any], render_mode: str | None = None) -> None:
        check_fits_dicts(world.n_agents)
        self.world = world
        self.render_mode = render_mode
        self._renderer = None if render_mode is None else self._make_renderer(render_mode)
        self._everyone = [f"agent_{i}" for i in range(world.n_agents)]
        self.possible_agents = self._everyone[:]  # for others to read, as `agents`, and to write to
        self.agents: list[str] = []
        self._running = False
        self.state_space = world.single_state_space
        self._stream = Stream(1)
        self._state: Any = None
        self._mask: NDArray[np.int8] | None = None
        self._elapsed = 0
        self._n_actions = int(world.single_action_space.n)
        self._legal = bytes(range(min(self._n_actions, 256)))  # all legal actions as bytes
        self._rows = len(world.single_observation_space.shape or ()) > 0
        self._scalars = _scalars(world.single_observation_space)
        self._false = dict.fromkeys(self._everyone, False)
        self._true = dict.fromkeys(self._everyone, True)
        self._observation_spaces: dict[str, spaces.Space[Any]] = {}
        self._action_spaces: dict[str, spaces.Discrete] = {}
        self._observed, self._rewarded = _Kept(self._false), _Kept(self._false)
        self._templates: list[dict[str, Any]] | None = None
        self._constant: Infos = {}  # of the templates
        self._np_random: np.random.Generator | None = None

    @property
    def np_random(self) -> np.random.Generator:
        """A generator for wrappers such as SuperSuit's, seeded with the environment, which doesn't draw from it."""
        if self._np_random is None:
            self._np_random = np.random.default_rng(self._stream.seeds.tolist())
        return self._np_random

    def observation_space(self, agent: str) -> spaces.Space[Any]:
        """Return the observation space of one agent, the same object at each call."""
        template = self.world.single_observation_space
        space: spaces.Space[Any] = self._space_of(agent, self._observation_spaces, template)
        return space

    def action_space(self, agent: str) -> spaces.Discrete:
        """Return the action space of one agent, the same object at each call."""
        template = self.world.single_action_space
        space: spaces.Discrete = self._space_of(agent, self._action_spaces, template)
        return space

    @property
    def observation_spaces(self) -> dict[str, spaces.Space[Any]]:
        """All observation spaces by agent."""
        return {agent: self.observation_space(agent) for agent in self.possible_agents}

    @property
    def action_spaces(self) -> dict[str, spaces.Space[Any]]:
        """All action spaces by agent."""
        return {agent: self.action_space(agent) for agent in self.possible_agents}

    @property
    def topology(self) -> nx.DiGraph:
        """The graph of agents 0 … n−1; what an edge means is on the environment's page."""
        return self.world.topology

    @property
    def edges(self) -> Edges:
        """The edges of `topology` as an array ``int64[E, 2]``."""
        return self.world.edges

    def optimum(self) -> Optimum:
        """Return what is known about the best expected episode return, mean over agents."""
        return self.world.optimum()

    def metrics(self) -> dict[str, Any]:
        """Return measurements of the present state: numbers, and arrays ``[n]`` for what each agent has.

        Raises:
            gymnasium.error.ResetNeeded: Before the first reset.
        """
        self._need_state("metrics")
        measured = self.world.metrics(self._state)
        return {k: v[0].item() if v.ndim == 1 else v[..., 0] for k, v in measured.items()}

    def state(self) -> NDArray[Any]:
        """Return the full state as a fresh 1-D array in ``state_space``.

        Raises:
            gymnasium.error.ResetNeeded: Before the first reset.
        """
        self._need_state("state")
        return np.ascontiguousarray(self.world.state_array(self._state)[:, 0])

    def reset(
        self, seed: int | None = None, options: dict[str, Any] | None = None
    ) -> tuple[dict[str, Any], Infos]:
        """Start an episode; with a seed the random stream starts anew, without one it goes on.

        Args:
            seed: An integer in [0, 2^64 − 1].
            options: None or empty: there are none.

        Raises:
            ValueError: A bad seed, or an option.
        """
        if not (type(options) is dict and options == _PROBE):
            check_options(options)
        if seed is not None:
            self._stream.seed(check_seed("seed", seed))
            self._np_random = None
        self._state = self.world.initial(self._stream)
        self._stream.advance()
        self._elapsed = 0
        self.agents = self._everyone[:]
        self._running = True
        self._mask = self.world.action_mask(self._state)
        if self._renderer is not None:
            self._renderer.begin(self._state)
        return self._observations(), self._infos(None)

    def step(
        self, actions: dict[str, int]
    ) -> tuple[dict[str, Any], dict[str, float], dict[str, bool], dict[str, bool], Infos]:
        """Let all agents act at once.

        Args:
            actions: One action for every live agent, in any order.

        Returns:
            Observations, local rewards, terminations, truncations and infos, one entry an agent. After the end of
            the episode, with no agents and no actions, five empty dicts.

        Raises:
            ValueError: An agent's action is missing, of an unknown agent, or not in its action space.
            gymnasium.error.ResetNeeded: Before the first reset, or with actions after the end of the episode.
        """
        if not self._running:
            if self._state is not None and not actions:
                return {}, {}, {}, {}, {}
            raise ResetNeeded("call reset() before step()")
        action, illegal = legalise(self._pack(actions), self._mask)
        self._state, rewards = self.world.step(self._state, action, self._stream)
        self._stream.advance()
        self._elapsed += 1
        self._mask = self.world.action_mask(self._state)

        terminated = bool(self.world.terminal(self._state)[0])
        truncated = not terminated and self._elapsed == self.world.horizon
        if terminated or truncated:
            self.agents, self._running = [], False
        if self._renderer is not None:
            self._renderer.note(self._state, action[:, 0], rewards[:, 0])
        return (
            self._observations(),
            self._rewarded.of(rewards.ravel()),
            (self._true if terminated else self._false).copy(),
            (self._true if truncated else self._false).copy(),
            self._infos(illegal),
        )

    def fast_forward(self, play: Callable[[World[Any], Any, Stream, int], int]) -> int:
        """Let a compiled loop play several steps of the running episode at once, on the world's arrays.

        The array twin of calling `step` in a loop, for learners that fuse their own loop with the world's. `play`
        is called as ``play(world, state, stream, most)``: it changes the state (one column, owned by this env) in
        place as the world's transitions would, draws at the stream's clock and the following ones without moving
        it, stops at the latest where the episode ends and after `most` steps (−1: no limit), and returns the number
        of steps that it played. The env is then where that many calls of `step` would have brought it.

        Returns:
            The number of steps played.

        Raises:
            gymnasium.error.ResetNeeded: No episode is running.
        """
        if not self._running:
            raise ResetNeeded("call reset() before fast_forward()")
        horizon = self.world.horizon
        most = -1 if horizon is None else horizon - self._elapsed
        steps = play(self.world, self._state, self._stream, most)
        steps = check_int("steps played", steps, low=0, high=LARGEST_INT if most < 0 else most)
        self._stream.advance(ticks=steps)
        self._elapsed += steps
        self._mask = self.world.action_mask(self._state)
        if self._elapsed == horizon or self.world.terminal(self._state)[0]:
            self.agents, self._running = [], False
        if self._renderer is not None:
            self._renderer.skip(self._state, steps)
        return steps

    def render(self) -> NDArray[np.uint8] | str | None:
        """Return the present state as a picture, in the ``render_mode`` that the environment was made with.

        Returns:
            ``"rgb_array"``: ``uint8[600, 900, 3]``. ``"ansi"``: text. ``"human"``: None; the window, which each reset
            and step redraws, is drawn again. Without a mode None, and a warning.

        Raises:
            gymnasium.error.ResetNeeded: Before the first reset.
        """
        if self._renderer is None:
            modes = ", ".join(map(repr, self.metadata["render_modes"])) or "none"
            logger.warn(
                "You are calling render method without specifying any render mode. You can specify the render_mode "
                f"at initialization, e.g. make(id, render_mode='rgb_array'); {type(self).__name__} has {modes}"
            )
            return None
        self._need_state("render")
        drawn: NDArray[np.uint8] | str | None = self._renderer.render()
        return drawn

    def close(self) -> None:
        """Close the window, where there is one."""
        if self._renderer is not None:
            self._renderer.close()

    def _make_renderer(self, mode: str) -> Any:
        modes = self.metadata["render_modes"]
        if self.picture is None or not modes:
            raise ValueError(
                f"render_mode must be None, got {shown(mode)}: {type(self).__name__} has no render modes"
            )
        check_choice("render_mode", mode, modes)
        drawn = self.world.world if isinstance(self.world, EncodedWorld) else self.world
        picture = named(self.picture)(drawn)
        return named(picture.renderer)(picture, mode, self.metadata["render_fps"])

    def usable_render_modes(self) -> list[str]:
        """Return the render modes that work here: without matplotlib or a display some don't."""
        return [mode for mode in self.metadata["render_modes"] if self._can_render(mode)]

    def _can_render(self, mode: str) -> bool:
        try:
            self._make_renderer(mode)
        except (ImportError, ValueError):
            return False
        return True

    def _observations(self) -> dict[str, Any]:
        observed = self.world.observation(self._state)
        if self._rows:
            return self._by_agent(np.ascontiguousarray(observed[..., 0]))
        return self._observed.of(observed.ravel(), self._scalars)

    def _infos(self, illegal: NDArray[np.bool_] | None) -> Infos:
        """Info dicts; shared and read-only, as arrays that never change are, within episodes where masks don't vary.

        At both ends of an episode all are fresh: there wrappers such as SuperSuit's write to them.
        """
        if self._templates is None:
            self._templates = self._named_templates()
            self._constant = self._by_agent(map(ReadOnlyDict, self._templates))
        if self._mask is None and self._running and self._elapsed:
            return self._constant.copy()
        infos = self._by_agent(map(dict.copy, self._templates))
        if self._mask is None:
            return infos
        masks = self._mask[:, :, 0].copy()
        flags = [False] * len(infos) if illegal is None else illegal[:, 0].tolist()
        for info, mask, flag in zip(infos.values(), masks, flags, strict=True):
            info["action_mask"] = mask
            info["illegal_action"] = flag
        return infos

    def _by_agent(self, values: Iterable[Any]) -> dict[str, Any]:
        """Return a dict of one value an agent; a copied dict needn't grow, which is faster than ``dict(zip(…))``."""
        made: dict[str, Any] = self._false.copy()
        made.update(zip(self._everyone, values, strict=True))
        return made

    def _named_templates(self) -> list[dict[str, Any]]:
        """Return what is the same in all infos of each agent."""
        templates = self._make_templates()
        for template, node in zip(templates, self.world.nodes or (), strict=False):
            template["node"] = node
        return templates

    def _make_templates(self) -> list[dict[str, Any]]:
        everything = np.ones(int(self.world.single_action_space.n), np.int8)
        everything.setflags(write=False)
        neighbors = self._neighbors()
        return [{"action_mask": everything, "neighbors": ids} for ids in neighbors]

    def _neighbors(self) -> list[tuple[str, ...]]:
        """Return the ids of the agents that share an edge with each agent, ascending."""
        adjacent: list[set[int]] = [set() for _ in self._everyone]
        for source, target in self.world.edges.tolist():
            adjacent[source].add(target)
            adjacent[target].add(source)
        return [tuple(self._everyone[j] for j in sorted(near)) for near in adjacent]

    def _pack(self, actions: dict[str, int]) -> NDArray[np.integer]:
        """Actions as an integer array ``[n, 1]`` in the order of the agents."""
        if type(actions) is not dict and not isinstance(actions, Mapping):
            raise ValueError(f"actions must be a dict of all live agents, got {shown(actions)}")
        values = actions.values()
        if list(actions) != self._everyone:
            missing = [agent for agent in self._everyone if agent not in actions]
            unknown = [agent for agent in actions if agent not in self._false]
            if missing or unknown:
                raise ValueError(
                    "actions must have one entry for each live agent: "
                    f"missing {missing[:5]}, unknown {unknown[:5]}"
                )
            values = {agent: actions[agent] for agent in self._everyone}.values()
        n_actions = self._n_actions
        try:
            if n_actions <= 256:
                data = bytearray(values)
                packed: NDArray[np.integer] = np.frombuffer(data, _BYTE)
                valid = not data.translate(None, self._legal)
            else:
                packed = np.fromiter((a.__index__() for a in values), np.int64, len(values))
                valid = bool(packed.min() >= 0 and packed.max() < n_actions)
        except Exception:  # anything at all may have been given
            valid = False
        if not valid:
            space = self.world.single_action_space
            agent, bad = next((k, a) for k, a in actions.items() if not _is_action(a, n_actions))
            raise ValueError(f"action of {agent} must be in {space}, got {shown(bad)}")
        return packed[:, None]

    def _space_of(self, agent: str, made: dict[str, Any], template: spaces.Space[Any]) -> Any:
        """Return an agent's own copy of a space (its sampler can be seeded alone), made at the first request."""
        known = isinstance(agent, str) and agent in self._false
        space = made.get(agent) if known else None
        if space is None:
            if not known:
                raise ValueError(
                    f"agent must be one of agent_0 … agent_{self.world.n_agents - 1}, got {shown(agent)}"
                )
            space = made[agent] = _fresh_copy(template)
        return space

    def __getstate__(self) -> dict[str, Any]:
        # Templates and constants have read-only arrays, of which copies are writable. Before the first reset a copy's
        # stream has a seed of its own (see `Stream`), and so has its generator.
        generator = None if self._state is None else self._np_random
        return {**vars(self), "_templates": None, "_constant": {}, "_np_random": generator}

    def _need_state(self, what: str) -> None:
        if self._state is None:
            raise ResetNeeded(f"call reset() before {what}()")

    def __repr__(self) -> str:
        """Name the class, the number of agents, and the arguments that differ from the defaults."""
        given = {"n_agents": str(self.world.n_agents), **getattr(self, "_given", {})}
        return f"{type(self).__name__}({', '.join(f'{k}={text}' for k, text in given.items())})"

    __str__ = __repr__


class ReadOnlyDict(dict[str, Any]):
    """A dict that is given more than once, and so can't be written to; `copy` and ``|`` make dicts that can."""

    def _refuse(self, *args: Any, **kwargs: Any) -> NoReturn:
        raise TypeError("these infos are shared between steps: write to a copy, dict(infos[agent])")

    __setitem__ = __delitem__ = __ior__ = _refuse
    clear = pop = popitem = setdefault = update = _refuse

    def __reduce__(self) -> tuple[Any, ...]:
        return ReadOnlyDict, (dict(self),)


class _Kept:
    """A dict of one value an agent, of which a step changes what differs: in SYSADMIN, a part.

    Args:
        like: A dict with the agents.
    """

    def __init__(self, like: dict[str, Any]) -> None:
        self._agents = np.array([*like], object)
        self._dict, self._bits = like.copy(), np.empty(0, np.uint8)

    def of(self, values: NDArray[Any], table: list[Any] | None = None) -> dict[str, Any]:
        """Return a fresh dict of values ``[n]``, as Python's own, or as what stands there in a table."""
        bits = values.view(_UNSIGNED[values.itemsize])  # −0.0 isn't 0.0
        agents = self._agents
        if bits.size == self._bits.size and bits.dtype is self._bits.dtype:
            changed = np.flatnonzero(bits != self._bits)
            if 2 * changed.size < bits.size:
                agents, values = agents[changed], values[changed]
        plain = values.tolist()
        if table is not None:
            plain = map(table.__getitem__, plain)
        self._dict.update(zip(agents.tolist(), plain, strict=True))
        self._bits = bits.copy()
        return self._dict.copy()


def _scalars(space: spaces.Space[Any]) -> list[Any]:
    """Return the values of a Discrete space in its dtype: looking them up is cheaper than making them."""
    return list(np.arange(space.n, dtype=space.dtype)) if isinstance(space, spaces.Discrete) else []


def _is_action(value: Any, n_actions: int) -> bool:
    try:
        return bool(0 <= value.__index__() < n_actions)
    except Exception:
        return False


def _fresh_copy(space: spaces.Space[Any]) -> spaces.Space[Any]:
    if isinstance(space, spaces.Discrete):
        return spaces.Discrete(int(space.n))
    if isinstance(space, spaces.MultiDiscrete):
        return spaces.MultiDiscrete(space.nvec, dtype=space.dtype.type)
    if isinstance(space, spaces.Box):
        return spaces.Box(space.low, space.high, dtype=space.dtype.type)
    raise TypeError(f"a world's spaces are Discrete, MultiDiscrete or Box, got {space}")
