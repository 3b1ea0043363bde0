"""Environments with exactly one fault each, and the check that must find it."""

from __future__ import annotations

import copy
import random
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, TypeVar

import numpy as np
from gymnasium import spaces
from gymnasium.utils import EzPickle

from crl_envs.core.parallel import WorldEnv
from tests.core.toy import ToyWorld

from .lamps import RAISE, Lamps

T = TypeVar("T")


@dataclass(frozen=True)
class Fault:
    """A broken environment.

    Args:
        env_class: The environment.
        check: Name of the check that must fail.
        match: Pattern of the message, after the check's name.
        pettingzoo: Names of PettingZoo's own tests that fail too.
    """

    env_class: type[Any]
    check: str
    match: str
    pettingzoo: frozenset[str]

    def __str__(self) -> str:
        return f"{self.check}-{self.env_class.__name__}"


FAULTS: list[Fault] = []


def fails(check: str, match: str, pettingzoo: str = "") -> Callable[[type[T]], type[T]]:
    def register(env_class: type[T]) -> type[T]:
        FAULTS.append(Fault(env_class, check, match, frozenset(pettingzoo.split())))
        return env_class

    return register


class Leaving(Lamps):
    """Agents terminate one by one."""

    def __init__(self) -> None:
        super().__init__(n_agents=5, leave=0.2)


# The form of what is returned


@fails("api", r"reset\(\) returned \{.*expected a tuple of 2 dicts", "api")
class ResetGivesObservationsOnly(Lamps):
    def reset(self, seed: int | None = None, options: Any = None) -> Any:
        return super().reset(seed, options)[0]


@fails("api", r"step 1: step\(\) returned .*expected a tuple of 5 dicts", "api seed")
class StepGivesFourParts(Lamps):
    def step(self, actions: Any) -> Any:
        observations, rewards, terminations, _, infos = super().step(actions)
        return observations, rewards, terminations, infos


@fails("api", r"step 5: step\(\) raised ZeroDivisionError", "api")
class StepRaises(Lamps):
    def reward(self, agent: str, action: int) -> Any:
        return 1 / (self.t - 5)


@fails("api", r"reset\(\) raised TypeError.*seed", "api seed")
class ResetTakesNoSeed(Lamps):
    def reset(self, options: Any = None) -> Any:  # type: ignore[override]
        return super().reset(None, options)


# Spaces


@fails("spaces", r"agent 'agent_0'.*observation_space\(\) gave a new object", "api")
class NewObservationSpaceEachCall(Lamps):
    def observation_space(self, agent: str) -> Any:
        return copy.copy(super().observation_space(agent))


@fails("spaces", r"episode 0, reset: action_space\(\) gave a new object")
class NewActionSpaceEachReset(Lamps):
    def reset(self, seed: int | None = None, options: Any = None) -> Any:
        self._action_spaces = {a: spaces.Discrete(3) for a in self.possible_agents}
        return super().reset(seed, options)


@fails("spaces", r"observation_space\(\) raised KeyError", "api seed")
class SpaceOfOneAgentMissing(Lamps):
    def __init__(self) -> None:
        super().__init__()
        del self._observation_spaces["agent_2"]


# Agents and keys


@fails("final-step", r"last observations, rewards.* missing", "api")
class LastDataDropped(Leaving):
    def step(self, actions: Any) -> Any:
        data = super().step(actions)
        return tuple({a: part[a] for a in self.agents} for part in data)


@fails("final-step", r"the agent's last rewards missing")
class LastRewardDropped(Lamps):
    def step(self, actions: Any) -> Any:
        observations, rewards, *rest = super().step(actions)
        return observations, {a: rewards[a] for a in self.agents}, *rest


@fails("keys", r"observations lack none and have 'agent_\d' too much")
class EndedAgentsStillObserve(Leaving):
    def step(self, actions: Any) -> Any:
        ended = [a for a in self.possible_agents if a not in self.agents]
        observations, *rest = super().step(actions)
        return {**observations, **{a: self.observe(a) for a in ended}}, *rest


@fails("keys", r"rewards lack 'agent_1' and have none too much")
class RewardOfOneAgentMissing(Lamps):
    def step(self, actions: Any) -> Any:
        observations, rewards, *rest = super().step(actions)
        if self.agents:
            del rewards["agent_1"]
        return observations, rewards, *rest


@fails("keys", r"infos lack none and have 'common' too much")
class CommonInfo(Lamps):
    def reset(self, seed: int | None = None, options: Any = None) -> Any:
        observations, infos = super().reset(seed, options)
        return observations, {**infos, "common": {}}


@fails("agents", r"truncated = \(False, True\)\) but still in env.agents", "api")
class EndedAgentsStay(Lamps):
    def step(self, actions: Any) -> Any:
        data = super().step(actions)
        self.agents = list(self.possible_agents)
        return data


@fails("agents", r"an ended agent is live again", "api")
class AgentComesBack(Lamps):
    def terminated(self, agent: str) -> Any:
        return agent == "agent_1" and self.t == 3

    def step(self, actions: Any) -> Any:
        if self.t == 4:
            self.agents.append("agent_1")
            actions = {**actions, "agent_1": RAISE}
        return super().step(actions)


@fails("agents", r"left env.agents with terminated, truncated = \(False, False\)", "api")
class AgentLeavesWithoutFlag(Lamps):
    def step(self, actions: Any) -> Any:
        data = super().step(actions)
        if self.t == 4:
            self.agents.remove("agent_2")
        return data


@fails("agents", r"possible_agents changed")
class PossibleAgentsShrink(Leaving):
    def step(self, actions: Any) -> Any:
        data = super().step(actions)
        self.possible_agents = list(self.agents) or self.possible_agents
        return data


@fails("agents", r"expected some of possible_agents", "api")
class AgentUnknown(Lamps):
    def reset(self, seed: int | None = None, options: Any = None) -> Any:
        known, self.possible_agents = self.possible_agents, [*self.possible_agents, "stranger"]
        data = super().reset(seed, options)
        self.possible_agents = known
        return data

    def observation_space(self, agent: str) -> Any:
        return super().observation_space("agent_0")

    def action_space(self, agent: str) -> Any:
        return super().action_space("agent_0")

    def __init__(self) -> None:
        super().__init__()
        self.state_space = spaces.Box(0, 7, (4,), np.int64)


@fails("agents", r"no live agents after reset")
class NobodyStarts(Lamps):
    def reset(self, seed: int | None = None, options: Any = None) -> Any:
        super().reset(seed, options)
        self.agents = []
        return {}, {}


# Types and values


@fails("flags", r"terminations flag .*bool\), expected a Python bool")
class NumpyFlags(Lamps):
    def terminated(self, agent: str) -> Any:
        return np.bool_(False)


@fails("flags", r"truncations flag 0 \(int\), expected a Python bool")
class IntegerFlags(Lamps):
    def truncated(self, agent: str) -> Any:
        return int(self.t >= self.horizon)


@fails("infos", r"saw info None \(NoneType\), expected a dict")
class NoInfo(Lamps):
    def info(self, agent: str) -> Any:
        return None


@fails("reward", r"agent 'agent_0'.*step 6: saw reward nan \(float\), expected a finite number")
class RewardNotANumber(Lamps):
    def reward(self, agent: str, action: int) -> Any:
        return float("nan") if self.t == 6 else 0.0


@fails("reward", r"saw reward .*inf.* \(float32\)")
class RewardInfinite(Lamps):
    def reward(self, agent: str, action: int) -> Any:
        return np.float32(-np.inf)


@fails("reward", r"saw reward (True|False) \(bool\)")
class RewardBool(Lamps):
    def reward(self, agent: str, action: int) -> Any:
        return action == RAISE


@fails("reward", r"saw reward '1' \(str\)")
class RewardString(Lamps):
    def reward(self, agent: str, action: int) -> Any:
        return "1"


@fails("reward", r"saw reward array \[0. 1.\]")
class RewardVector(Lamps):
    def reward(self, agent: str, action: int) -> Any:
        return np.array([0.0, 1.0])


@fails("dtype", r"dtype float64 and shape \(2,\), expected an array of dtype float32")
class ObservationDouble(Lamps):
    def observe(self, agent: str) -> Any:
        return super().observe(agent).astype(np.float64)


@fails("dtype", r"\(list\), expected an array of dtype float32")
class ObservationList(Lamps):
    def observe(self, agent: str) -> Any:
        return super().observe(agent).tolist()


@fails("dtype", r"\(float\), expected an integer")
class ObservationFraction(Lamps):
    def __init__(self) -> None:
        super().__init__(observing="discrete")

    def observe(self, agent: str) -> Any:
        return float(super().observe(agent))


@fails("dtype", r"dtype bool.*expected an array of dtype int8")
class ObservationBools(Lamps):
    def __init__(self) -> None:
        super().__init__(observing="multi-binary")

    def observe(self, agent: str) -> Any:
        return super().observe(agent).astype(bool)


@fails("dtype", r"expected an array of dtype float32 at 'observation'")
class ObservationDoubleInDict(Lamps):
    def __init__(self) -> None:
        super().__init__(observing="dict")

    def observe(self, agent: str) -> Any:
        data = super().observe(agent)
        return {**data, "observation": data["observation"].astype(np.float64)}


@fails("observation-space", r"step 8: saw observation .*expected a member of Box")
class LastObservationOutside(Lamps):
    def observe(self, agent: str) -> Any:
        return super().observe(agent) + np.float32(0.1 * (self.t == self.horizon))


@fails("observation-space", r"reset: saw observation .*shape \(3,\), expected a member of Box")
class ObservationTooLong(Lamps):
    def observe(self, agent: str) -> Any:
        return np.zeros(3, dtype=np.float32)


@fails("observation-space", r"saw observation 8 \(int\), expected a member of Discrete\(8\)")
class ObservationOffByOne(Lamps):
    def __init__(self) -> None:
        super().__init__(observing="discrete")

    def observe(self, agent: str) -> Any:
        return super().observe(agent) + 1


@fails("observation-space", r"inf.*expected finite numbers")
class ObservationInfinite(Lamps):
    def __init__(self) -> None:
        super().__init__()
        unbounded = spaces.Box(-np.inf, np.inf, (2,), np.float32)
        self._observation_spaces = dict.fromkeys(self.possible_agents, unbounded)

    def observe(self, agent: str) -> Any:
        return np.array([np.inf, 0.0], dtype=np.float32)


# Masks


@fails("action-mask", r"dtype bool.*expected an int8 array")
class MaskBools(Lamps):
    def mask(self, agent: str) -> Any:
        return super().mask(agent).astype(bool)


@fails("action-mask", r"expected a mask of length 3")
class MaskTooLong(Lamps):
    def mask(self, agent: str) -> Any:
        return np.ones(4, dtype=np.int8)


@fails("action-mask", r"expected a mask of zeros and ones only")
class MaskOfTwos(Lamps):
    def mask(self, agent: str) -> Any:
        return super().mask(agent) * np.int8(2)


@fails("action-mask", r"step 4: .*expected a mask that is never all zero")
class MaskAllZero(Lamps):
    def mask(self, agent: str) -> Any:
        return super().mask(agent) * np.int8(self.t != 4)


@fails("action-mask", r"step 8: saw mask .*expected a mask that is never all zero")
class LastMaskAllZero(Lamps):
    def mask(self, agent: str) -> Any:
        return super().mask(agent) * np.int8(self.t != self.horizon)


@fails("action-mask", r"in the info and .*in the observation, expected the same mask")
class MasksDisagree(Lamps):
    def __init__(self) -> None:
        super().__init__(observing="dict")

    def observe(self, agent: str) -> Any:
        return {**super().observe(agent), "action_mask": np.array([1, 0, 0], dtype=np.int8)}


# State


@fails("state", r"expected a member of Box")
class StateOutside(Lamps):
    def state(self) -> np.ndarray:
        return super().state() + 7


@fails("state", r"dtype int32.*expected an array of dtype int64")
class StateDtype(Lamps):
    def state(self) -> np.ndarray:
        return super().state().astype(np.int32)


@fails("state", r"state\(\) raised AttributeError")
class StateRaises(Lamps):
    def state(self) -> np.ndarray:
        return self.missing  # type: ignore[attr-defined, no-any-return]


@fails("state", r"as at the call before")
class StateDrawn(Lamps):
    def state(self) -> np.ndarray:
        return self.rng.permutation(super().state() + np.arange(3) * 10) % 8


@fails("state", r"more calls of state\(\) must not change the episode")
class StateMovesTheStream(Lamps):
    def state(self) -> np.ndarray:
        self.rng.random()
        return super().state()


# Aliasing


@fails("alias", r"agent 'agent_0', episode 0, reset: .*observations.* was overwritten later")
class ObservationBuffer(Lamps):
    def observe(self, agent: str) -> Any:
        buffer = self.__dict__.setdefault("buffers", {}).setdefault(agent, np.zeros(2, np.float32))
        buffer[:] = super().observe(agent)
        return buffer


@fails("alias", r"observations.* was overwritten later")
class ObservationsDictReused(Lamps):
    def step(self, actions: Any) -> Any:
        observations, *rest = super().step(actions)
        kept = self.__dict__.setdefault("kept", {})
        kept.clear()
        kept.update(observations)
        return kept, *rest


@fails("alias", r"infos.* was overwritten later")
class MaskBuffer(Lamps):
    def mask(self, agent: str) -> Any:
        buffer = self.__dict__.setdefault("buffers", {}).setdefault(agent, np.zeros(3, np.int8))
        buffer[:] = super().mask(agent)
        return buffer


@fails("alias", r"state.* was overwritten later")
class StateBuffer(Lamps):
    def state(self) -> np.ndarray:
        buffer: np.ndarray = self.__dict__.setdefault("buffer", np.zeros(3, np.int64))
        buffer[:] = super().state()
        return buffer


# Randomness


@fails("global-rng", r"step 1: step moved the global generator of numpy.random", "seed")
class RewardFromGlobalNumpy(Lamps):
    def reward(self, agent: str, action: int) -> Any:
        return np.random.normal()  # noqa: NPY002


@fails("global-rng", r"reset moved the global generator of random")
class SeedsGlobalRandom(Lamps):
    def seed(self, seed: int | None) -> None:
        super().seed(seed)
        random.seed(seed)


@fails("global-rng", r"building the env moved the global generator of numpy.random")
class SeedsGlobalNumpyWhenBuilt(Lamps):
    def __init__(self) -> None:
        super().__init__()
        np.random.seed(1)  # noqa: NPY002


@fails("determinism", r"agent 'agent_0', episode 0, step 7: rewards: saw .*two fresh envs")
class LateRewardUnseeded(Lamps):
    def reward(self, agent: str, action: int) -> Any:
        return np.random.default_rng().normal() if self.t == 7 else 0.0


@fails("determinism", r"reset: observations: saw array")
class FirstObservationUnseeded(Lamps):
    def observe(self, agent: str) -> Any:
        seen = super().observe(agent)
        return np.random.default_rng().random(2, dtype=np.float32) if self.t == 0 else seen


@fails("determinism", r"step 2: infos\['noise'\]: saw")
class InfoUnseeded(Lamps):
    def info(self, agent: str) -> Any:
        noise = np.random.default_rng().random() if self.t > 1 else 0.0
        return {**super().info(agent), "noise": noise}


@fails("determinism", r"step 3: state\[?.*: saw array")
class StateUnseeded(Lamps):
    def __init__(self) -> None:
        super().__init__()
        self.state_space = spaces.Box(0, 1, (1,), np.float64)
        self.secret = np.random.default_rng().random(1)

    def state(self) -> np.ndarray:
        return self.secret * (self.t == 3)


@fails(
    "determinism", r"rewards: saw (0 \(int\), expected 0.0|0.0 \(float\), expected 0 \()", "seed"
)
class RewardTypeVaries(Lamps):
    built = 0

    def __init__(self) -> None:
        super().__init__()
        type(self).built += 1
        self.zero: float = 0 if self.built % 2 else 0.0

    def reward(self, agent: str, action: int) -> Any:
        return self.zero


@fails("determinism", r"infos\['tiny'\]: saw")
class TinyDifference(Lamps):
    """Below the tolerance of a comparison by `allclose`."""

    def __init__(self) -> None:
        super().__init__()
        self.tiny = np.random.default_rng().random(1) * 1e-9

    def info(self, agent: str) -> Any:
        return {**super().info(agent), "tiny": self.tiny}


@fails("reseed", r"infos\['steps'\]: saw")
class CounterSurvivesReset(Lamps):
    steps = 0

    def step(self, actions: Any) -> Any:
        self.steps += 1
        return super().step(actions)

    def info(self, agent: str) -> Any:
        return {**super().info(agent), "steps": self.steps}


@fails("reseed", r"the env was used before, then reset with a seed")
class SeedHeardOnce(Lamps):
    heard = False

    def seed(self, seed: int | None) -> None:
        if not self.heard:
            super().seed(seed)
        self.heard = self.heard or seed is not None


@fails("interleaved", r"another env was built, reset and stepped in between", "seed")
class GeneratorOfTheClass(Lamps):
    shared = np.random.default_rng(0)

    def __init__(self) -> None:
        super().__init__()
        self.rng = self.shared

    def seed(self, seed: int | None) -> None:
        if seed is not None:
            type(self).shared = np.random.default_rng(seed)

    def move(self, agent: str, action: int) -> None:
        self.rng = self.shared
        super().move(agent, action)

    def first_level(self) -> int:
        self.rng = self.shared
        return super().first_level()


@fails("interleaved", r"saw .*, expected .*another env was built", "seed")
class ClockOfTheClass(Lamps):
    def reset(self, seed: int | None = None, options: Any = None) -> Any:
        type(self).clock = 0
        return super().reset(seed, options)

    def step(self, actions: Any) -> Any:
        type(self).clock += 1
        return super().step(actions)

    def info(self, agent: str) -> Any:
        return {**super().info(agent), "clock": self.clock}

    clock = 0


@fails("stream", r"replay episode 0")
class ResetReplays(Lamps):
    last: int | None = None

    def seed(self, seed: int | None) -> None:
        self.last = self.last if seed is None else seed
        super().seed(self.last)


@fails("stream", r"saw episode 2.* replay episode 1")
class ResetFallsBackOnFixedSeed(Lamps):
    def seed(self, seed: int | None) -> None:
        super().seed(10**6 if seed is None else seed)


@fails("stream", r"saw episode 1.* replay episode 0")
class FirstUnseededResetReplays(Lamps):
    """The key is (seed, episode), and the episode is counted too late."""

    key = (0, 0)

    def seed(self, seed: int | None) -> None:
        self.rng = np.random.default_rng(self.key if seed is None else (seed, 0))
        self.key = (seed, 0) if seed is not None else (self.key[0], self.key[1] + 1)


@fails("stream", r"two envs were reset with the same seed, and then without one")
class ResetDrawsEntropy(Lamps):
    def seed(self, seed: int | None) -> None:
        self.rng = np.random.default_rng(seed)


@fails("seed-zero", r"reset\(seed=0\) must give the same episode each time")
class SeedZeroIsNoSeed(Lamps):
    def seed(self, seed: int | None) -> None:
        if seed:
            super().seed(seed)


@fails("seed-zero", r"reset\(seed=0\) must give the same episode each time")
class SeedZeroIsHeardOnce(Lamps):
    heard = False

    def seed(self, seed: int | None) -> None:
        if seed or not self.heard:
            super().seed(seed)
            self.heard = True


@fails("seeds-differ", r"saw the same episode with \d+ seeds, expected different ones")
class SeedIgnored(Lamps):
    def seed(self, seed: int | None) -> None:
        super().seed(None if seed is None else 1)


# Copies


@fails("pickle", r"copying raised .*lambda")
class Unpicklable(Lamps):
    def __init__(self) -> None:
        super().__init__()
        self.hook = lambda: None


@fails("pickle", r"the copy made in mid-episode must go on")
class PickledAsFresh(Lamps):
    def __reduce__(self) -> Any:
        return type(self), ()


@fails("pickle", r"an EzPickle copy is built anew, and must begin the same episode")
class RebuiltWithOtherArguments(Lamps, EzPickle):
    def __init__(self, horizon: int = 8) -> None:
        Lamps.__init__(self, horizon=horizon)
        EzPickle.__init__(self, horizon=horizon + 1)


@fails("deepcopy", r"the original must go on as if its copy had not been made")
class RebuiltWithASharedGenerator(Lamps, EzPickle):
    def __init__(self, rng: Any = None) -> None:
        Lamps.__init__(self)
        if rng is not None:
            self.rng = rng
        EzPickle.__init__(self, self.rng)

    def __reduce__(self) -> Any:
        return _rebuild, (type(self), copy.deepcopy({**vars(self), "agents": []}))

    def __deepcopy__(self, memo: Any) -> Any:
        return type(self)(self.rng)

    def seed(self, seed: int | None) -> None:
        if seed is not None:
            self.rng.bit_generator.state = np.random.default_rng(seed).bit_generator.state


@fails("pickle", r"the copy made in mid-episode must go on")
class PickledWithoutGenerator(Lamps):
    def __reduce__(self) -> Any:
        return _rebuild, (type(self), {**vars(self), "rng": np.random.default_rng(9)})

    def __deepcopy__(self, memo: Any) -> Any:
        return _rebuild(type(self), copy.deepcopy(vars(self), memo))


@fails("pickle", r"the copy made in mid-episode must go on")
class PickledWithoutClock(Lamps):
    def __reduce__(self) -> Any:
        return _rebuild, (type(self), {**vars(self), "t": 0})

    def __deepcopy__(self, memo: Any) -> Any:
        return _rebuild(type(self), copy.deepcopy(vars(self), memo))


@fails("object-store", r"the copy made in mid-episode must go on")
class WritesIntoItsArrays(Lamps):
    def __init__(self) -> None:
        super().__init__()
        self.moves = np.zeros(1)

    def move(self, agent: str, action: int) -> None:
        self.moves += 1
        super().move(agent, action)


@fails("deepcopy", r"the original must go on as if its copy had not been made")
class DeepcopyIsSelf(Lamps):
    def __deepcopy__(self, memo: Any) -> Any:
        return self


class NoisyAtResetOnly(Lamps):
    def move(self, agent: str, action: int) -> None:
        self.noisy = False
        super().move(agent, action)
        self.noisy = True


@fails("deepcopy", r"the copy and the original must reset to the same next episode")
class DeepcopySharesResetGenerator(NoisyAtResetOnly):
    def __deepcopy__(self, memo: Any) -> Any:
        memo[id(self.rng)] = self.rng
        return _rebuild(type(self), copy.deepcopy(vars(self), memo))


@fails("deepcopy", r"the original must go on as if its copy had not been made")
class DeepcopySharesGenerator(Lamps):
    def __deepcopy__(self, memo: Any) -> Any:
        memo[id(self.rng)] = self.rng
        return _rebuild(type(self), copy.deepcopy(vars(self), memo))


@fails("deepcopy", r"copying raised RuntimeError")
class DeepcopyRefused(Lamps):
    def __deepcopy__(self, memo: Any) -> Any:
        raise RuntimeError("no")


def _rebuild(env_class: type[Lamps], attributes: dict[str, Any]) -> Lamps:
    env = env_class.__new__(env_class)
    vars(env).update(attributes)
    return env


# Worlds, each with one column sound


class OneRewardForAll(ToyWorld):
    def reward(self, *transition: Any) -> Any:
        paid = super().reward(*transition)
        return np.repeat(paid[:, :1], paid.shape[1], axis=1)


class DoubleRewards(ToyWorld):
    def reward(self, *transition: Any) -> Any:
        return super().reward(*transition).astype(np.float64)


class EndsInARow(ToyWorld):
    def terminal(self, state: Any) -> Any:
        return (state.fuse == 0)[0, None]


@fails("views", r"step 1: rewards in column 1 of the array view: saw .*, expected .*\(float\)")
class ColumnsShareRewards(WorldEnv):
    def __init__(self) -> None:
        super().__init__(OneRewardForAll())


@fails("views", r"step 1: saw rewards of dtype float64 in the array view, expected float32")
class RewardsInDoublePrecision(WorldEnv):
    def __init__(self) -> None:
        super().__init__(DoubleRewards())


@fails("views", r"step \d+: the array view raised IndexError")
class EndsOfAnotherShape(WorldEnv):
    def __init__(self) -> None:
        super().__init__(EndsInARow())
