"""Ids to environments: one registry behind ``make``, ``make_vec``, ``make_gym_vec``, PettingZoo and Gymnasium."""

from __future__ import annotations

import re
import warnings
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from importlib.metadata import EntryPoint, entry_points
from typing import TYPE_CHECKING, Any, Final, Literal, Protocol, TypeVar, Unpack, cast, overload

import gymnasium
import pettingzoo
from gymnasium.envs.registration import EnvSpec
from gymnasium.vector import AutoresetMode
from pettingzoo import ParallelEnv

from crl_envs.core.agent_vector import AgentVectorEnv
from crl_envs.core.arguments import (
    check_choice,
    check_keywords,
    check_needed,
    shown,
    suggestion,
)
from crl_envs.core.encoding import encoded
from crl_envs.core.named import named
from crl_envs.core.overrides import makes_own_world, overridden
from crl_envs.core.vector import WorldVectorEnv
from crl_envs.core.world import World

if TYPE_CHECKING:
    from crl_envs.access.env import AccessEnv
    from crl_envs.access.problem import AccessArguments
    from crl_envs.bandit.env import BanditEnv
    from crl_envs.bandit.problem import BanditArguments
    from crl_envs.bar.env import BarEnv
    from crl_envs.bar.problem import BarArguments
    from crl_envs.coordination_game.env import CoordinationGameEnv
    from crl_envs.coordination_game.problem import CoordinationGameArguments
    from crl_envs.decpomdp.broadcast_env import BroadcastEnv
    from crl_envs.decpomdp.env import DecPOMDPEnv
    from crl_envs.decpomdp.problem import BroadcastArguments, DecPOMDPArguments, TigerArguments
    from crl_envs.decpomdp.tiger_env import TigerEnv
    from crl_envs.firefighting.env import FirefightingEnv
    from crl_envs.firefighting.problem import FirefightingArguments
    from crl_envs.load_balancing.env import LoadBalancingEnv
    from crl_envs.load_balancing.problem import LoadBalancingArguments
    from crl_envs.local_rule.consensus import ConsensusArguments, ConsensusEnv
    from crl_envs.local_rule.env import LocalRuleEnv
    from crl_envs.local_rule.epidemic import EpidemicArguments, EpidemicEnv
    from crl_envs.local_rule.problem import LocalRuleArguments
    from crl_envs.routing.env import RoutingEnv
    from crl_envs.routing.problem import RoutingArguments
    from crl_envs.sysadmin.env import SysadminEnv
    from crl_envs.sysadmin.problem import SysadminArguments
    from crl_envs.traffic.env import TrafficEnv
    from crl_envs.traffic.problem import TrafficArguments

    Shipped = Literal[
        "crl/access-v0",
        "crl/bandit-v0",
        "crl/bar-v0",
        "crl/broadcast-v0",
        "crl/consensus-v0",
        "crl/coordination_game-v0",
        "crl/dec_pomdp-v0",
        "crl/epidemic-v0",
        "crl/firefighting-v0",
        "crl/load_balancing-v0",
        "crl/local_rule-v0",
        "crl/routing-v0",
        "crl/sysadmin-v0",
        "crl/tiger-v0",
        "crl/traffic-v0",
    ]

    class WrongArguments(Protocol):
        """What is made, to a type checker, where a shipped environment lacks an argument or has another type for it.

        Nothing can be done with it, so that its name is in the error. Without it the call would be one for an id that
        isn't known, with any arguments: no type is "another text than these ids".
        """


ViewT_co = TypeVar("ViewT_co", covariant=True)

GROUP: Final = "crl_envs.environments"

_ID = re.compile(r"[\w:.-]+/[\w:.-]+-v\d+")


@dataclass(frozen=True)
class Registration:
    """What an id stands for.

    Attributes:
        id: ``namespace/name-vN``.
        entry_point: Callable that returns a ParallelEnv, or ``"module:attribute"`` of one. When it has an attribute
            ``make_world`` (callable giving a `World`), the id has the vector views too.
    """

    id: str
    entry_point: Callable[..., ParallelEnv[Any, Any, Any]] | str

    def load(self) -> Callable[..., ParallelEnv[Any, Any, Any]]:
        """Return the entry point itself."""
        if not isinstance(self.entry_point, str):
            return self.entry_point
        loaded: Callable[..., ParallelEnv[Any, Any, Any]] = named(self.entry_point)
        return loaded


_REGISTRY: dict[str, Registration] = {}


def register(id: str, entry_point: Callable[..., ParallelEnv[Any, Any, Any]] | str) -> None:
    """Add an id to `make` and, where PettingZoo has a registry (1.27 on), to ``pettingzoo.make``, both ways.

    The joint single-agent form is registered with Gymnasium as ``namespace/name-joint-vN``.

    Args:
        id: ``namespace/name-vN``.
        entry_point: Callable (class or function) that returns a ParallelEnv, or ``"module:attribute"``.

    Raises:
        ValueError: The id or the entry point has another form, or the id is taken by another entry point.
    """
    if not isinstance(id, str) or not _ID.fullmatch(id):
        raise ValueError(f"id must look like 'namespace/name-v0', got {shown(id)}")
    if not (callable(entry_point) or (isinstance(entry_point, str) and ":" in entry_point)):
        raise ValueError(
            f"entry_point must be callable or 'module:attribute', got {shown(entry_point)}"
        )
    if id in _REGISTRY:
        if _REGISTRY[id].entry_point == entry_point:
            return
        raise ValueError(f"id {shown(id)} is registered already, for {_REGISTRY[id].entry_point!r}")
    _REGISTRY[id] = Registration(id, entry_point)
    if hasattr(pettingzoo, "register"):
        pettingzoo.register("parallel", id, "crl_envs.registration:make", kwargs={"id": id})
        pettingzoo.register("aec", id, "crl_envs.registration:make_aec", kwargs={"id": id})
    name, version = id.rsplit("-", 1)
    gymnasium.register(
        f"{name}-joint-{version}", entry_point="crl_envs.registration:make_joint", kwargs={"of": id}
    )


def registered_ids() -> list[str]:
    """Return all ids, sorted, with those of other distributions (entry points in ``crl_envs.environments``)."""
    _register_installed()
    return sorted(_REGISTRY)


def entry_point(id: str) -> Callable[..., ParallelEnv[Any, Any, Any]]:
    """Return the callable that makes the environment: a class, or a function.

    Raises:
        ValueError: Unknown id.
    """
    return _find(id).load()


def has_world(id: str) -> bool:
    """Return whether `make_vec` takes this id.

    Raises:
        ValueError: Unknown id.
    """
    return not _why_no_world(_find(id).load())


@overload
def make(
    id: Literal["crl/access-v0"],
    *,
    render_mode: str | None = None,
    encode: Literal["onehot"] | None = None,
    **kwargs: Unpack[AccessArguments],
) -> AccessEnv: ...


@overload
def make(
    id: Literal["crl/bandit-v0"],
    *,
    render_mode: str | None = None,
    encode: Literal["onehot"] | None = None,
    **kwargs: Unpack[BanditArguments],
) -> BanditEnv: ...


@overload
def make(
    id: Literal["crl/bar-v0"],
    *,
    render_mode: str | None = None,
    encode: Literal["onehot"] | None = None,
    **kwargs: Unpack[BarArguments],
) -> BarEnv: ...


@overload
def make(
    id: Literal["crl/consensus-v0"],
    *,
    render_mode: str | None = None,
    encode: Literal["onehot"] | None = None,
    **kwargs: Unpack[ConsensusArguments],
) -> ConsensusEnv: ...


@overload
def make(
    id: Literal["crl/coordination_game-v0"],
    *,
    render_mode: str | None = None,
    encode: Literal["onehot"] | None = None,
    **kwargs: Unpack[CoordinationGameArguments],
) -> CoordinationGameEnv: ...


@overload
def make(
    id: Literal["crl/epidemic-v0"],
    *,
    render_mode: str | None = None,
    encode: Literal["onehot"] | None = None,
    **kwargs: Unpack[EpidemicArguments],
) -> EpidemicEnv: ...


@overload
def make(
    id: Literal["crl/firefighting-v0"],
    *,
    render_mode: str | None = None,
    encode: Literal["onehot"] | None = None,
    **kwargs: Unpack[FirefightingArguments],
) -> FirefightingEnv: ...


@overload
def make(
    id: Literal["crl/tiger-v0"],
    *,
    render_mode: str | None = None,
    encode: Literal["onehot"] | None = None,
    **kwargs: Unpack[TigerArguments],
) -> TigerEnv: ...


@overload
def make(
    id: Literal["crl/dec_pomdp-v0"],
    *,
    render_mode: str | None = None,
    encode: Literal["onehot"] | None = None,
    **kwargs: Unpack[DecPOMDPArguments],
) -> DecPOMDPEnv: ...


@overload
def make(
    id: Literal["crl/broadcast-v0"],
    *,
    render_mode: str | None = None,
    encode: Literal["onehot"] | None = None,
    **kwargs: Unpack[BroadcastArguments],
) -> BroadcastEnv: ...


@overload
def make(
    id: Literal["crl/load_balancing-v0"],
    *,
    render_mode: str | None = None,
    encode: Literal["onehot"] | None = None,
    **kwargs: Unpack[LoadBalancingArguments],
) -> LoadBalancingEnv: ...


@overload
def make(
    id: Literal["crl/local_rule-v0"],
    *,
    render_mode: str | None = None,
    encode: Literal["onehot"] | None = None,
    **kwargs: Unpack[LocalRuleArguments],
) -> LocalRuleEnv: ...


@overload
def make(
    id: Literal["crl/routing-v0"],
    *,
    render_mode: str | None = None,
    encode: Literal["onehot"] | None = None,
    **kwargs: Unpack[RoutingArguments],
) -> RoutingEnv: ...


@overload
def make(
    id: Literal["crl/sysadmin-v0"],
    *,
    render_mode: str | None = None,
    encode: Literal["onehot"] | None = None,
    **kwargs: Unpack[SysadminArguments],
) -> SysadminEnv: ...


@overload
def make(
    id: Literal["crl/traffic-v0"],
    *,
    render_mode: str | None = None,
    encode: Literal["onehot"] | None = None,
    **kwargs: Unpack[TrafficArguments],
) -> TrafficEnv: ...


@overload
def make(
    id: Shipped, *, infos: Literal["numeric"], masks: Literal["observation"] = ..., **kwargs: Any
) -> ParallelEnv[str, Any, Any]: ...


@overload
def make(
    id: Shipped, *, masks: Literal["observation"], **kwargs: Any
) -> ParallelEnv[str, Any, Any]: ...


@overload
def make(
    id: Shipped, *, infos: str | None = None, masks: str | None = None, **kwargs: object
) -> WrongArguments: ...


@overload
def make(id: str, **kwargs: Any) -> ParallelEnv[Any, Any, Any]: ...


def make(
    id: str, *, infos: str | None = None, masks: str | None = None, **kwargs: Any
) -> ParallelEnv[Any, Any, Any]:
    """Make an environment: a PettingZoo ParallelEnv with local rewards.

    Type checkers know the arguments and the classes of the shipped environments by their ids. For other libraries:

        make("crl/sysadmin-v0", encode="onehot", infos="numeric", masks="observation")

    Args:
        id: A registered id, as ``"crl/sysadmin-v0"``.
        infos: ``"numeric"``: only what a tensor can hold, by `crl_envs.wrappers.NumericInfos`; None: as they are.
        masks: ``"observation"``: beside the observations and not in the infos, by
            `crl_envs.wrappers.MaskInObservation`; None: in the infos.
        **kwargs: The environment's arguments; see its class. All shipped ones have `encode`: with ``"onehot"``
            observations are ``Box (d,) float32``, as networks want them.

    Raises:
        ValueError: Unknown id (near matches are listed), unknown argument, or a value out of range.
    """
    entry_point = _find(id).load()
    check_keywords(id, entry_point, kwargs)
    check_needed(id, entry_point, kwargs)
    if infos is not None:
        check_choice("infos", infos, ("numeric",))
    if masks is not None:
        check_choice("masks", masks, ("observation",))
    env = entry_point(**kwargs)
    if infos is None and masks is None:
        return env
    from crl_envs.wrappers import MaskInObservation, NumericInfos

    numeric = env if infos is None else NumericInfos(env)
    return numeric if masks is None else MaskInObservation(numeric)


class _MakesVectors(Protocol[ViewT_co]):
    """`make_vec` and `make_gym_vec` for type checkers."""

    @overload
    def __call__(
        self,
        id: Literal["crl/access-v0"],
        num_envs: int = 1,
        *,
        autoreset_mode: AutoresetMode | str = AutoresetMode.NEXT_STEP,
        copy: bool = True,
        render_mode: None = None,
        encode: Literal["onehot"] | None = None,
        **kwargs: Unpack[AccessArguments],
    ) -> ViewT_co: ...

    @overload
    def __call__(
        self,
        id: Literal["crl/bandit-v0"],
        num_envs: int = 1,
        *,
        autoreset_mode: AutoresetMode | str = AutoresetMode.NEXT_STEP,
        copy: bool = True,
        render_mode: None = None,
        encode: Literal["onehot"] | None = None,
        **kwargs: Unpack[BanditArguments],
    ) -> ViewT_co: ...

    @overload
    def __call__(
        self,
        id: Literal["crl/bar-v0"],
        num_envs: int = 1,
        *,
        autoreset_mode: AutoresetMode | str = AutoresetMode.NEXT_STEP,
        copy: bool = True,
        render_mode: None = None,
        encode: Literal["onehot"] | None = None,
        **kwargs: Unpack[BarArguments],
    ) -> ViewT_co: ...

    @overload
    def __call__(
        self,
        id: Literal["crl/consensus-v0"],
        num_envs: int = 1,
        *,
        autoreset_mode: AutoresetMode | str = AutoresetMode.NEXT_STEP,
        copy: bool = True,
        render_mode: None = None,
        encode: Literal["onehot"] | None = None,
        **kwargs: Unpack[ConsensusArguments],
    ) -> ViewT_co: ...

    @overload
    def __call__(
        self,
        id: Literal["crl/coordination_game-v0"],
        num_envs: int = 1,
        *,
        autoreset_mode: AutoresetMode | str = AutoresetMode.NEXT_STEP,
        copy: bool = True,
        render_mode: None = None,
        encode: Literal["onehot"] | None = None,
        **kwargs: Unpack[CoordinationGameArguments],
    ) -> ViewT_co: ...

    @overload
    def __call__(
        self,
        id: Literal["crl/epidemic-v0"],
        num_envs: int = 1,
        *,
        autoreset_mode: AutoresetMode | str = AutoresetMode.NEXT_STEP,
        copy: bool = True,
        render_mode: None = None,
        encode: Literal["onehot"] | None = None,
        **kwargs: Unpack[EpidemicArguments],
    ) -> ViewT_co: ...

    @overload
    def __call__(
        self,
        id: Literal["crl/firefighting-v0"],
        num_envs: int = 1,
        *,
        autoreset_mode: AutoresetMode | str = AutoresetMode.NEXT_STEP,
        copy: bool = True,
        render_mode: None = None,
        encode: Literal["onehot"] | None = None,
        **kwargs: Unpack[FirefightingArguments],
    ) -> ViewT_co: ...

    @overload
    def __call__(
        self,
        id: Literal["crl/tiger-v0"],
        num_envs: int = 1,
        *,
        autoreset_mode: AutoresetMode | str = AutoresetMode.NEXT_STEP,
        copy: bool = True,
        render_mode: None = None,
        encode: Literal["onehot"] | None = None,
        **kwargs: Unpack[TigerArguments],
    ) -> ViewT_co: ...

    @overload
    def __call__(
        self,
        id: Literal["crl/dec_pomdp-v0"],
        num_envs: int = 1,
        *,
        autoreset_mode: AutoresetMode | str = AutoresetMode.NEXT_STEP,
        copy: bool = True,
        render_mode: None = None,
        encode: Literal["onehot"] | None = None,
        **kwargs: Unpack[DecPOMDPArguments],
    ) -> ViewT_co: ...

    @overload
    def __call__(
        self,
        id: Literal["crl/broadcast-v0"],
        num_envs: int = 1,
        *,
        autoreset_mode: AutoresetMode | str = AutoresetMode.NEXT_STEP,
        copy: bool = True,
        render_mode: None = None,
        encode: Literal["onehot"] | None = None,
        **kwargs: Unpack[BroadcastArguments],
    ) -> ViewT_co: ...

    @overload
    def __call__(
        self,
        id: Literal["crl/load_balancing-v0"],
        num_envs: int = 1,
        *,
        autoreset_mode: AutoresetMode | str = AutoresetMode.NEXT_STEP,
        copy: bool = True,
        render_mode: None = None,
        encode: Literal["onehot"] | None = None,
        **kwargs: Unpack[LoadBalancingArguments],
    ) -> ViewT_co: ...

    @overload
    def __call__(
        self,
        id: Literal["crl/local_rule-v0"],
        num_envs: int = 1,
        *,
        autoreset_mode: AutoresetMode | str = AutoresetMode.NEXT_STEP,
        copy: bool = True,
        render_mode: None = None,
        encode: Literal["onehot"] | None = None,
        **kwargs: Unpack[LocalRuleArguments],
    ) -> ViewT_co: ...

    @overload
    def __call__(
        self,
        id: Literal["crl/routing-v0"],
        num_envs: int = 1,
        *,
        autoreset_mode: AutoresetMode | str = AutoresetMode.NEXT_STEP,
        copy: bool = True,
        render_mode: None = None,
        encode: Literal["onehot"] | None = None,
        **kwargs: Unpack[RoutingArguments],
    ) -> ViewT_co: ...

    @overload
    def __call__(
        self,
        id: Literal["crl/sysadmin-v0"],
        num_envs: int = 1,
        *,
        autoreset_mode: AutoresetMode | str = AutoresetMode.NEXT_STEP,
        copy: bool = True,
        render_mode: None = None,
        encode: Literal["onehot"] | None = None,
        **kwargs: Unpack[SysadminArguments],
    ) -> ViewT_co: ...

    @overload
    def __call__(
        self,
        id: Literal["crl/traffic-v0"],
        num_envs: int = 1,
        *,
        autoreset_mode: AutoresetMode | str = AutoresetMode.NEXT_STEP,
        copy: bool = True,
        render_mode: None = None,
        encode: Literal["onehot"] | None = None,
        **kwargs: Unpack[TrafficArguments],
    ) -> ViewT_co: ...

    @overload
    def __call__(
        self,
        id: Shipped,
        num_envs: int = 1,
        *,
        autoreset_mode: AutoresetMode | str = AutoresetMode.NEXT_STEP,
        copy: bool = True,
        **kwargs: object,
    ) -> WrongArguments: ...

    @overload
    def __call__(
        self,
        id: str,
        num_envs: int = 1,
        *,
        autoreset_mode: AutoresetMode | str = AutoresetMode.NEXT_STEP,
        copy: bool = True,
        **kwargs: Any,
    ) -> ViewT_co: ...


def _typed_by_id(function: Callable[..., ViewT_co]) -> _MakesVectors[ViewT_co]:
    """Return a function as what it is to type checkers."""
    return cast("_MakesVectors[ViewT_co]", function)


@_typed_by_id
def make_vec(
    id: str,
    num_envs: int = 1,
    *,
    autoreset_mode: AutoresetMode | str = AutoresetMode.NEXT_STEP,
    copy: bool = True,
    encode: str | None = None,
    **kwargs: Any,
) -> WorldVectorEnv:
    """Make `num_envs` environments as arrays, all agents at once: rewards ``(num_envs, n)`` and so on.

    Args:
        id: A registered id whose environment is a world.
        num_envs: Number of environments.
        autoreset_mode: One of Gymnasium's three.
        copy: False: arrays are read-only, and may be those of the call before with other numbers in them. One load
            among 100,000 agents then takes a third of the time. Default True: each call gives arrays of its own.
        encode: ``"onehot"``: observations ``float32 (num_envs, n, d)``, as networks want them.
        **kwargs: The environment's arguments.

    Raises:
        ValueError: As `make`; or the id has only the dict view.
    """
    world = encoded(_make_world(id, kwargs), encode)
    vec = WorldVectorEnv(world, num_envs, autoreset_mode, copy)
    if encode is not None:
        kwargs["encode"] = encode
    if not copy:
        kwargs["copy"] = copy
    vec.spec = _vector_spec("make_vec", id, vec, kwargs)
    return vec


@_typed_by_id
def make_gym_vec(
    id: str,
    num_envs: int = 1,
    *,
    autoreset_mode: AutoresetMode | str = AutoresetMode.NEXT_STEP,
    **kwargs: Any,
) -> AgentVectorEnv:
    """Make the same as `make_vec` as a Gymnasium vector env whose ``num_envs · n`` sub-environments are the agents.

    Raises:
        ValueError: As `make_vec`.
    """
    vec = make_vec(id, num_envs, autoreset_mode=autoreset_mode, **kwargs)
    agents = AgentVectorEnv(vec)
    agents.spec = _vector_spec("make_gym_vec", id, vec, kwargs)
    return agents


def _vector_spec(by: str, id: str, vec: WorldVectorEnv, kwargs: dict[str, Any]) -> EnvSpec:
    """Return a spec of which ``gymnasium.make_vec(spec)`` makes the same again."""
    arguments = {"id": id, "num_envs": vec.num_envs, "autoreset_mode": vec.autoreset_mode.value}
    return EnvSpec(
        id=id,
        vector_entry_point=f"crl_envs.registration:{by}",
        kwargs={**arguments, **kwargs},
        order_enforce=False,
        disable_env_checker=True,
    )


def make_joint(of: str, *, flatten: bool = False, **kwargs: Any) -> gymnasium.Env[Any, Any]:
    """Make the environment `of` as one single-agent ``gymnasium.Env`` with the global reward; for Gymnasium.

    Args:
        of: A registered id.
        flatten: Whether the joint action is one number; see `crl_envs.wrappers.JointAction`.
        **kwargs: Arguments of `make`.

    Raises:
        ValueError: As `make`; or there are too many joint actions for one number.
    """
    from crl_envs.wrappers import JointAction

    return JointAction(make(of, **kwargs), flatten=flatten)


def make_aec(id: str, **kwargs: Any) -> pettingzoo.AECEnv[Any, Any, Any]:
    """Make an environment in which the agents of a step act one after the other; for ``pettingzoo.make("aec", id)``.

    It is PettingZoo's own conversion of what `make` gives. Nothing happens until the last agent has acted. So only then
    are there rewards, for all agents at once; an agent finds its own in ``last()`` at its next turn.

    Raises:
        ValueError: As `make`.
    """
    return pettingzoo.utils.parallel_to_aec(make(id, **kwargs))


def _why_no_world(entry_point: Any) -> str:
    """Return why arrays can't stand for what an entry point makes; an empty string where they can."""
    if not hasattr(entry_point, "make_world"):
        return "its entry point has no make_world"
    changed = overridden(entry_point) if isinstance(entry_point, type) else []
    if not makes_own_world(entry_point):
        if not isinstance(entry_point, type):
            return "its entry point has no make_world of its own, only that of what it wraps"
        changed = ["__init__", *changed]
    if not changed:
        return ""
    return (
        f"{entry_point.__name__} has its own {', '.join(changed)}, which the arrays of its world would go round. Step "
        "what make() gives, or write the change as a World and let make_world return it"
    )


def _make_world(id: str, kwargs: dict[str, Any]) -> World[Any]:
    entry_point: Any = _find(id).load()
    if reason := _why_no_world(entry_point):
        raise ValueError(f"{id} has no vector view: {reason}")
    for name in ("infos", "masks"):
        if name in kwargs:
            raise ValueError(
                f"{name} is an argument of make() only: infos of a vector env are arrays, masks among them"
            )
    check_keywords(id, entry_point, kwargs)
    check_needed(id, entry_point, kwargs)
    if kwargs.get("render_mode") is not None:
        raise ValueError(
            f"render_mode must be None for a vector env, got {shown(kwargs['render_mode'])}: "
            f"a single environment draws itself, make({id!r}, render_mode={shown(kwargs['render_mode'])})"
        )
    world: World[Any] = entry_point.make_world(
        **{key: value for key, value in kwargs.items() if key != "render_mode"}
    )
    return world


@cache
def _register_installed() -> None:
    """Those of other distributions: an entry point's name is the id, its value what `register` takes."""
    for found in entry_points(group=GROUP):
        try:
            register(found.name, found.value)
        except ValueError as error:
            warnings.warn(
                f"{found.name!r} of {_distribution(found)} is left out: {error}", stacklevel=2
            )


def _distribution(found: EntryPoint) -> str:
    return found.dist.name if found.dist else "an unknown distribution"


def _find(id: str) -> Registration:
    if not isinstance(id, str):
        raise ValueError(f"id must be a text like 'namespace/name-v0', got {shown(id)}")
    if id not in _REGISTRY:
        _register_installed()
    if id not in _REGISTRY:
        near = suggestion(id, registered_ids())
        raise ValueError(f"unknown id {shown(id)}{near}; registered: {', '.join(registered_ids())}")
    return _REGISTRY[id]
