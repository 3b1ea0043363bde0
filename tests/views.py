"""One stream, three views: the dict view recorded column by column, and the array views held against it.

    assert_views_agree("crl/sysadmin-v0", {"n_agents": 5}, steps=1000, num_envs=3, seed=7)

A column's run is a sequence of ticks: tick 0 is the seeded reset, and every further one is a step, or the reset that
follows the end of an episode. Actions are a function of (column, tick, agent), so that the run of a column is the
same in every autoreset mode; only the step at which a vector env shows a tick differs.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from importlib.util import find_spec
from typing import Any, NamedTuple

import numpy as np
from gymnasium.vector import AutoresetMode

import crl_envs
from crl_envs.core.agent_vector import AgentVectorEnv
from crl_envs.core.stream import Stream

HAS_NUMBA = find_spec("numba") is not None
BACKENDS: tuple[str, ...] = ("numpy", "numba") if HAS_NUMBA else ("numpy",)

_WILD = 8  # one action in so many is drawn from all actions, legal or not
_MASK_KEYS = ("action_mask", "illegal_action")

Translate = Mapping[str, Callable[[Any], Any]]


class Played(NamedTuple):
    """What the comparison went through, for the caller to see that it was worth something."""

    episodes: int  # that ended, in all columns together
    terminated: int  # of them by termination
    staggered: bool  # whether an episode ended in one column while one went on in another
    illegal: int  # actions that were illegal


@dataclass
class Recording:
    """B dict envs, tick by tick: arrays ``[ticks, B, …]``."""

    observation: Any
    reward: Any  # float32[K, B, n]
    terminated: Any  # bool[K, B]
    truncated: Any  # bool[K, B]
    action: Any  # int64[K, B, n], what led to the tick
    state: Any
    infos: dict[str, Any] = field(default_factory=dict)  # with action_mask int8[K, B, n, A]
    metrics: dict[str, Any] = field(default_factory=dict)

    @property
    def ended(self) -> Any:
        return self.terminated | self.truncated


def assert_views_agree(
    id: str,
    kwargs: dict[str, Any] | None = None,
    steps: int = 1000,
    num_envs: int = 3,
    seed: int = 0,
    *,
    backends: Sequence[str | None] = BACKENDS,
    modes: Sequence[AutoresetMode] = tuple(AutoresetMode),
    translate: Translate | None = None,
) -> Played:
    """Check that column b of the array views is the dict env reset with seed + b, bit for bit.

    Compares observations, rewards, ends, infos, states and metrics of `make_vec` (each backend) and
    `make_gym_vec` with dict envs whose backends take turns, in every autoreset mode.

    Args:
        id: A registered id with a world.
        kwargs: The environment's arguments.
        steps: Ticks of every column.
        num_envs: Number of columns B.
        seed: Seed of column 0.
        backends: Backends to compare; ``(None,)`` where the environment has no such argument.
        modes: Autoreset modes to go through.
        translate: For infos that the dict view words differently, a function from an agent's info to the
            array view's, by key. ``neighbors`` (ids to indices, −1 for None) is known.

    Raises:
        AssertionError: Two views differ.
    """
    arguments = [
        dict(kwargs or {}) | ({} if name is None else {"backend": name}) for name in backends
    ]
    translate = {"neighbors": _neighbor_indices, **(translate or {})}
    told = [
        key
        for key in crl_envs.make_vec(id, 1, **arguments[0]).reset(seed=0)[1]
        if key not in _MASK_KEYS
    ]
    envs = [crl_envs.make(id, **arguments[b % len(arguments)]) for b in range(num_envs)]
    recording = record(envs, steps, seed, told, translate)
    for mode in modes:
        for given in arguments:
            vec = crl_envs.make_vec(id, num_envs, autoreset_mode=mode, **given)
            _compare(vec, recording, mode, seed)
        agents = crl_envs.make_gym_vec(id, num_envs, autoreset_mode=mode, **arguments[-1])
        _compare(agents, recording, mode, seed)

    ended = recording.ended
    return Played(
        episodes=int(ended.sum()),
        terminated=int(recording.terminated.sum()),
        staggered=bool((ended.any(axis=1) & ~ended.all(axis=1)).any()),
        illegal=int(np.sum(recording.infos.get("illegal_action", 0))),
    )


def assert_backends_agree(id: str, columns: int, steps: int = 12, **arguments: Any) -> None:
    """Play the same random actions with each backend, and compare all that a batch returns."""
    made = [crl_envs.make_vec(id, columns, backend=backend, **arguments) for backend in BACKENDS]
    played: list[list[Any]] = [[vec.reset(seed=2**40)[0]] for vec in made]
    actions = np.random.default_rng(0).integers(
        made[0].single_action_space.nvec[0], size=(steps, columns, made[0].n_agents)
    )
    for vec, seen in zip(made, played, strict=True):
        seen += [array for action in actions for array in vec.step(action)[:4]]
    for other in played[1:]:
        for one, two in zip(played[0], other, strict=True):
            np.testing.assert_array_equal(one, two)


def assert_verbs_agree(world: Any, steps: int = 30, num_envs: int = 3, seed: int = 0) -> None:
    """Check a world's functions by themselves.

    ``step`` is `transition` and `reward`; no function writes into its arguments or moves the clock; results share
    no memory with arguments; and a column cut out of a batch goes on as it does within it.

    Raises:
        AssertionError: One of these doesn't hold.
    """
    stream = Stream(num_envs)
    stream.seed(seed)
    alone = Stream(1)
    alone.seed(seed + num_envs - 1)
    state = world.initial(stream)
    draws = np.random.default_rng(seed).integers(2**32, size=(steps, world.n_agents, num_envs))
    n_actions = int(world.single_action_space.n)
    dtype = np.uint8 if n_actions <= 256 else np.int64
    for draw in draws:
        stream.advance()
        alone.advance()
        mask = world.action_mask(state)
        if mask is None:
            mask = np.ones((world.n_agents, n_actions, num_envs), np.int8)
        legal = [choose(mask[:, :, b], draw[:, b] * _WILD + 1) for b in range(num_envs)]
        action = np.array(legal, dtype).T.copy()
        kept = _copies(state), action.copy(), stream.clock

        following = world.transition(state, action, stream)
        reward = world.reward(state, action, following, stream)
        stepped, paid = world.step(state, action, stream)
        results = [world.observation(state), world.terminal(state), world.state_array(state)]
        results += [world.action_mask(state), *world.metrics(state).values()]
        for seen, expected in zip(_fields(stepped), _fields(following), strict=True):
            assert seen.dtype == expected.dtype
            np.testing.assert_array_equal(seen, expected)
        assert paid.dtype == reward.dtype == np.float32
        assert paid.tobytes() == reward.tobytes()
        for seen, expected in zip(_fields(state), kept[0], strict=True):
            np.testing.assert_array_equal(seen, expected)
        np.testing.assert_array_equal(action, kept[1])
        np.testing.assert_array_equal(stream.clock, kept[2])
        for result in [*_fields(following), *_fields(stepped), reward, paid, *results[:3]]:
            assert not any(np.shares_memory(result, given) for given in [*_fields(state), action])

        cut = [given[..., -1:] for given in _fields(state)]
        column = cut[0] if not isinstance(state, tuple) else type(state)(*cut)
        single, income = world.step(column, action[:, -1:], alone)
        for seen, expected in zip(_fields(single), _fields(stepped), strict=True):
            np.testing.assert_array_equal(seen, expected[..., -1:])
        np.testing.assert_array_equal(income, paid[:, -1:])
        state = stepped


def _fields(state: Any) -> list[Any]:
    return list(state) if isinstance(state, tuple) else [state]


def _copies(state: Any) -> list[Any]:
    return [values.copy() for values in _fields(state)]


def record(
    envs: Sequence[Any],
    steps: int,
    seed: int,
    told: Sequence[str] = (),
    translate: Translate | None = None,
) -> Recording:
    """Play dict envs for `steps` ticks; env b with seed + b."""
    columns = [list(_play(env, steps, seed, b)) for b, env in enumerate(envs)]
    agents = envs[0].possible_agents
    translate = translate or {}

    def stack(read: Callable[[_Tick], Any], dtype: Any = None) -> Any:
        return np.array([[read(column[k]) for column in columns] for k in range(steps)], dtype)

    def info(key: str) -> Callable[[_Tick], Any]:
        say = translate.get(key, lambda value: value)
        return lambda tick: [say(tick.infos[agent][key]) for agent in agents]

    first = columns[0][0]
    keys = [key for key in _MASK_KEYS if key in first.infos[agents[0]]] + list(told)
    return Recording(
        observation=stack(lambda tick: list(tick.observations.values())),
        reward=stack(lambda tick: list(tick.rewards.values()), np.float32),
        terminated=stack(lambda tick: tick.terminated),
        truncated=stack(lambda tick: tick.truncated),
        action=stack(lambda tick: tick.action),
        state=stack(lambda tick: tick.state),
        infos={key: stack(info(key)) for key in keys},
        metrics={key: stack(lambda tick, key=key: tick.metrics[key]) for key in first.metrics},
    )


class _Tick(NamedTuple):
    observations: dict[str, Any]
    rewards: dict[str, float]
    terminated: bool
    truncated: bool
    infos: dict[str, dict[str, Any]]
    action: Any
    state: Any
    metrics: dict[str, Any]


def _play(env: Any, ticks: int, seed: int, b: int) -> Iterator[_Tick]:
    agents = env.possible_agents
    draws = np.random.default_rng([seed, b]).integers(2**32, size=(ticks, len(agents)))
    nothing = dict.fromkeys(agents, 0.0)
    infos: dict[str, dict[str, Any]] = {}
    for k in range(ticks):
        if env.agents:
            mask = np.array([infos[agent]["action_mask"] for agent in agents])
            action = choose(mask, draws[k])
            given = dict(zip(agents, action.tolist(), strict=True))
            observations, rewards, terminations, truncations, infos = env.step(given)
            terminated, truncated = _common(terminations), _common(truncations)
            assert not (terminated and truncated)
        else:
            observations, infos = env.reset(seed=seed + b if k == 0 else None)
            rewards, terminated, truncated = nothing, False, False
            action = (draws[k] >> 3) % env.action_space(agents[0]).n
        assert list(observations) == list(rewards) == list(infos) == agents
        yield _Tick(
            observations, rewards, terminated, truncated, infos, action, env.state(), env.metrics()
        )


def choose(mask: Any, draws: Any) -> Any:
    """Actions ``int64[n]``: mostly uniform legal ones, now and then any.

    Args:
        mask: ``int8[n, A]``.
        draws: ``int64[n]``, uniform.
    """
    wild, draws = draws % _WILD == 0, draws // _WILD
    rank = draws % mask.sum(axis=1)
    legal = (np.cumsum(mask, axis=1) > rank[:, None]).argmax(axis=1)
    return np.where(wild, draws % mask.shape[1], legal)


def _common(flags: dict[str, bool]) -> bool:
    """The flag that all agents have."""
    (flag,) = set(flags.values())
    assert isinstance(flag, bool)
    return flag


def _neighbor_indices(ids: Sequence[str | None]) -> list[int]:
    return [-1 if id is None else int(id.removeprefix("agent_")) for id in ids]


class _Shown(NamedTuple):
    """What a vector env returned, and the ticks that it should show."""

    at: Any  # int64[B]: ticks of observations and infos
    paid: Any  # int64[B]: ticks of rewards and ends
    still: Any  # bool[B]: columns that stand still, without reward and end
    final: Any  # bool[B]: columns with a final observation, that of `paid`
    observations: Any
    rewards: Any  # None from reset()
    terminations: Any
    truncations: Any
    infos: dict[str, Any]
    state: Any
    metrics: dict[str, Any]


def _compare(vec: Any, recording: Recording, mode: AutoresetMode, seed: int) -> None:
    """Lead a vector env through the ticks of a recording, and then compare.

    Afterwards, and without copies in between, so that an array that a later step overwrites is a difference.
    """
    shown = list(_lead(vec, recording, mode, seed))
    of_agents = isinstance(vec, AgentVectorEnv)
    columns = np.arange(recording.terminated.shape[1])
    at = np.array([one.at for one in shown])

    def shaped(values: Any) -> Any:
        """(S, B, n, …) in the shape of the view."""
        return values.reshape(len(values), -1, *values.shape[3:]) if of_agents else values

    def each(flags: Any) -> Any:
        """(S, B) in the shape of the view."""
        return np.repeat(flags, vec.n_agents, axis=-1) if of_agents else flags

    _same([one.observations for one in shown], shaped(recording.observation[at, columns]))
    if not of_agents:
        _same([one.state for one in shown], recording.state[at, columns])
        for key, values in recording.metrics.items():
            _same([one.metrics[key] for one in shown], values[at, columns])
        assert all(one.metrics.keys() == recording.metrics.keys() for one in shown)

    still = np.array([one.still for one in shown])
    expected = {key: values[at, columns] for key, values in recording.infos.items()}
    if "illegal_action" in expected:
        expected["illegal_action"] &= ~still[:, :, None]
    else:
        assert (expected.pop("action_mask") == 1).all()
    for key, values in expected.items():
        _same([one.infos[key] for one in shown], shaped(values))
    final_keys = {"final_obs", "_final_obs", "final_info", "_final_info"}
    for one in shown:
        assert one.infos.keys() == expected.keys() | (final_keys if one.final.any() else set())

    stepped = [one for one in shown if one.rewards is not None]
    still = np.array([one.still for one in stepped])
    paid = np.array([one.paid for one in stepped])
    reward = np.where(still[:, :, None], np.float32(0), recording.reward[paid, columns])
    _same([one.rewards for one in stepped], shaped(reward))
    terminated, truncated = recording.terminated[paid, columns], recording.truncated[paid, columns]
    _same([one.terminations for one in stepped], each(terminated & ~still))
    _same([one.truncations for one in stepped], each(truncated & ~still))

    ended = [one for one in shown if one.final.any()]
    if ended:
        paid = np.array([one.paid for one in ended])
        final = each(np.array([one.final for one in ended]))
        _same([one.infos["_final_obs"] for one in ended], final)
        _same([one.infos["_final_info"] for one in ended], final)
        last = [observation for one in ended for observation in one.infos["final_obs"]]
        assert [observation is None for observation in last] == (~final).reshape(-1).tolist()
        last = [observation for observation in last if observation is not None]
        _same(last, shaped(recording.observation[paid, columns])[final])
        told = {key: shaped(recording.infos[key][paid, columns]) for key in expected}
        for one in ended:
            assert one.infos["final_info"].keys() == {*told, *(f"_{key}" for key in told)}
        for key, values in told.items():
            _same([one.infos["final_info"][f"_{key}"] for one in ended], final)
            seen = np.array([one.infos["final_info"][key] for one in ended])
            _same(seen[final], values[final])


def _lead(vec: Any, recording: Recording, mode: AutoresetMode, seed: int) -> Iterator[_Shown]:
    ticks, num_envs = recording.terminated.shape
    columns = np.arange(num_envs)
    at = np.zeros(num_envs, np.int64)
    rest = np.zeros(num_envs, np.int64)  # steps that a finished column has stood still
    nobody, everybody = np.zeros(num_envs, np.bool_), np.ones(num_envs, np.bool_)
    shape = vec.action_space.shape

    def show(paid: Any, still: Any, final: Any, *returned: Any) -> _Shown:
        if isinstance(vec, AgentVectorEnv):
            return _Shown(at, paid, still, final, *returned, None, {})
        return _Shown(at, paid, still, final, *returned, vec.state(), vec.metrics())

    observations, infos = vec.reset(seed=seed)
    yield show(at, everybody, nobody, observations, None, None, None, infos)
    while at.max() + 2 < ticks:
        if mode is AutoresetMode.DISABLED:
            due = recording.ended[at, columns] & (
                rest >= 1 + columns % 3
            )  # rests of different lengths
            if due.any():
                at, rest = at + due, np.where(due, 0, rest)
                mask = np.repeat(due, vec.num_envs // num_envs)
                observations, infos = vec.reset(options={"reset_mask": mask})
                yield show(at, everybody, nobody, observations, None, None, None, infos)
        done = recording.ended[at, columns]
        returned = vec.step(recording.action[at + 1, columns].reshape(shape))
        match mode:
            case AutoresetMode.NEXT_STEP:
                at = at + 1
                yield show(at, nobody, nobody, *returned)
            case AutoresetMode.SAME_STEP:
                paid = at + 1
                final = recording.ended[paid, columns]
                at = paid + final
                yield show(paid, nobody, final, *returned)
            case AutoresetMode.DISABLED:
                at, rest = at + ~done, rest + done
                yield show(at, done, nobody, *returned)


def _same(seen: Any, expected: Any) -> None:
    """Equal shapes and values, floats to the bit and the dtype (the dict view's integers are Python's)."""
    seen, expected = np.asarray(seen), np.asarray(expected)
    assert seen.shape == expected.shape
    if "f" in (seen.dtype.kind, expected.dtype.kind):
        assert seen.dtype == expected.dtype
        equal = seen.tobytes() == expected.tobytes()
    else:
        assert (seen.dtype == bool) == (expected.dtype == bool)
        equal = np.array_equal(seen, expected)
    if not equal:
        np.testing.assert_array_equal(seen, expected)
        raise AssertionError("equal values with different bits (zeros of different sign?)")
