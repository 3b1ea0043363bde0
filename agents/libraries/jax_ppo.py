"""PPO on a device: environment, network and learning in one compiled program, in JAX.

Independent PPO (de Witt et al. 2020, "Is Independent Learning All You Need in the StarCraft Multi-Agent Challenge?")
and PPO with a critic of the whole state (Yu et al. 2022, "The Surprising Effectiveness of PPO in Cooperative
Multi-Agent Games"); PPO itself after Schulman et al. (2017). What usually goes wrong, numbered:

1. Truncation isn't termination: an episode that is cut off is continued in the value of its last observation.
2. Advantages are normalised over a minibatch, in which all agents of its environments are.
3. A minibatch is a set of environments' steps with all their agents. So shuffling costs as little as with one agent,
   and a critic of the whole state sees each state once.
4. What a mask forbids has no chance, in the gradient neither.
5. Everything random comes from the environments' own kind of stream (`crl_envs.core.stream`), with purposes of its own:
   the keys of `jax.random` take longer than the worlds do, and longer to compile.

    env = crl_envs.make_vec("crl/sysadmin-v0", n_agents=100)
    IPPO(env, seed=1).learn(total_steps=20_000).history[-1]["global_return"]
"""

from __future__ import annotations

import math
import os
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import asdict, dataclass
from functools import cached_property, partial
from itertools import pairwise
from typing import Any, ClassVar, NamedTuple, Self

import numpy as np
from numpy.typing import NDArray

from agents.learner import read_checkpoint, write_checkpoint
from agents.libraries.learner import LibraryConfig, LibraryLearner, one_column
from crl_envs.adapters.library import require
from crl_envs.core.arguments import (
    check_bool,
    check_int,
    check_probability,
    check_real,
    keep,
)
from crl_envs.core.cache import cache_folder
from crl_envs.core.encoding import AgentEncoder
from crl_envs.core.returns import EpisodeReturn, EpisodeTally
from crl_envs.core.stream import Purpose
from crl_envs.core.vector import WorldVectorEnv

require("optax", "0.2", extra="jax")

import jax  # noqa: E402
import jax.numpy as jnp  # noqa: E402
import optax  # noqa: E402
from jax import Array  # noqa: E402

from crl_envs.jax import JaxEnv, State, pair  # noqa: E402
from crl_envs.jax.stream import advance, keys, words  # noqa: E402

Params = Any  # a tree of arrays

_NEAR_ZERO = 1e-8
_FORBIDDEN = -1e9


@dataclass(frozen=True)
class JaxPPOConfig(LibraryConfig):
    """Hyperparameters of `IPPO` and `MAPPO`, beside those of `LibraryConfig`.

    Attributes:
        copies: Environments that are stepped together; 8 by default.
        n_steps: Steps of each environment between updates; 20 by default.
        n_minibatches: Parts into which these are cut; 2 by default.
        n_epochs: How often each is learnt from; 4 by default.
        hidden: Units of each of two hidden layers; 32 by default.
        gae_lambda: λ of generalised advantage estimation; 0.95 by default.
        clip: Range ε of PPO's clipped ratio > 0; 0.2 by default.
        ent_coef: Weight of the entropy bonus; 0 by default.
        shared: Whether all agents have one network, True by default; with False each has its own.

    Raises:
        ValueError: A value out of its range.
    """

    copies: int = 8
    n_steps: int = 20
    n_minibatches: int = 2
    n_epochs: int = 4
    hidden: int = 32
    gae_lambda: float = 0.95
    clip: float = 0.2
    ent_coef: float = 0.0
    shared: bool = True

    def __post_init__(self) -> None:
        super().__post_init__()
        for name in ("copies", "n_steps", "n_minibatches", "n_epochs", "hidden"):
            keep(self, check_int, name, low=1)
        keep(self, check_probability, "gae_lambda")
        keep(self, check_real, "clip", low=0.0, open_low=True)
        keep(self, check_real, "ent_coef", low=0.0)
        keep(self, check_bool, "shared")
        if self.n_minibatches > self.copies * self.n_steps:
            raise ValueError(
                f"n_minibatches must be at most copies · n_steps = {self.copies * self.n_steps}, got "
                f"{self.n_minibatches}"
            )


class Learnt(NamedTuple):
    """Everything that an update changes."""

    networks: Params
    optimizer: Any
    env: State
    observation: Array  # [n, B] or [n, k, B]
    returns: tuple[Array, Array]  # float32[n, B] of the agents so far, float32[B] of the team
    seed: Array  # uint32[2], of the learner's own stream
    clock: Array  # uint32[2], updates so far


class Turns(NamedTuple):
    """What a rollout keeps, time first."""

    seen: Array  # [T, B, n, d]
    whole: Array  # [T, B, m], what the critic sees beside it; m = 0 for IPPO
    action: Array  # [T, B, n]
    log_chance: Array  # [T, B, n]
    value: Array  # [T, B, n]
    next_value: Array  # [T, B, n], of the state that the step led to, before any reset; 0 if that is terminal
    reward: Array  # [T, B, n]
    done: Array  # [T, B]
    legal: Array | None  # bool[T, B, n, A]


class IPPO(LibraryLearner):
    """Proximal policy optimisation in which agents learn independently; each values what it observes itself.

    See `JaxPPOConfig` for the arguments.

    Attributes:
        env: The environments on the device.
        learnt: What an update changes.
    """

    config_class: ClassVar[type[Any]] = JaxPPOConfig
    packages: ClassVar[tuple[str, ...]] = ("jax", "jaxlib", "optax")
    sees_whole: ClassVar[bool] = False
    config: JaxPPOConfig

    def __init__(self, env: Any, **config: Any) -> None:
        vec = one_column(env)
        if not isinstance(vec, WorldVectorEnv):
            raise ValueError(
                f"env must be a world without wrappers, since it moves to a device whole, got {vec!r}: choose "
                "rewards by rewards='global'"
            )
        self.env = JaxEnv(vec.world)
        # The base would wrap the environment for other rewards; here they are made on the device.
        super().__init__(env, **{**config, "rewards": "local"})
        self.config = self.config_class(**config)
        self.env.check_room(self.config.copies * self.config.n_steps)
        self._tally = EpisodeTally(self.config.copies, self.n_agents)
        _keep_compiled()
        self.learnt = jax.jit(self.begin)(np.uint32(self.config.seed))

    @property
    def tally(self) -> EpisodeTally:
        """What has been done in the environments so far."""
        return self._tally

    def begin(self, seed: int | Array) -> Learnt:
        """Return what there is before anything is learnt.

        Args:
            seed: An integer in [0, 2^32 − 1], which may be traced: ``jax.vmap(learner.begin)(jnp.arange(10))`` are ten
                learners.
        """
        # The learner's own stream has column 0 of those whose seeds have this high half, environments the next ones.
        low = jnp.arange(1 + self.config.copies, dtype=jnp.uint32)
        seeds = jnp.stack([low, jnp.full_like(low, seed)])
        observation, state = self.env.reset(seeds[:, 1:])
        networks = self._new_networks(seeds[:, 0])
        nothing = jnp.zeros((self.n_agents, self.config.copies))
        return Learnt(
            networks,
            self._adam.init(networks),
            state,
            observation,
            (nothing, nothing[0]),
            seeds[:, 0],
            pair(0),
        )

    def update(self, learnt: Learnt) -> tuple[Learnt, dict[str, Array]]:
        """Play `n_steps` steps in all environments and learn from them: a pure function, to be jitted and mapped.

        Returns:
            What is learnt, and of each step ``done`` ``bool[T, B]`` with the returns of the episodes that it ended:
            ``agents`` ``float32[T, n, B]``, ``team`` ``float32[T, B]``, the sum over steps of the mean own reward.
        """
        learnt, (turns, ended) = jax.lax.scan(
            partial(self._turn, learnt.networks), learnt, None, length=self.config.n_steps
        )
        advantages = self._advantages(turns)
        samples = (turns, advantages, advantages + turns.value)
        total = self.config.copies * self.config.n_steps
        rows = jax.tree.map(lambda x: x.reshape(total, *x.shape[2:]), samples)
        drawn = words(
            keys(learnt.seed, learnt.clock, Purpose.SHUFFLE), self.config.n_epochs * total
        )
        trained, _ = jax.lax.scan(
            partial(self._epoch, rows),
            (learnt.networks, learnt.optimizer),
            drawn.reshape(self.config.n_epochs, total),
        )
        return learnt._replace(
            networks=trained[0], optimizer=trained[1], clock=advance(learnt.clock)
        ), ended

    def train(self, total_steps: int, total_episodes: float) -> None:
        """Update until so many steps or episodes are reached; of those in one update none is left out."""
        played, episodes = 0, 0
        while played < total_steps and episodes < total_episodes:
            self.learnt, ended = self._compiled(self.learnt)
            played += self.config.copies * self.config.n_steps
            episodes += self._note(jax.tree.map(np.asarray, ended))

    def probabilities(
        self, observations: NDArray[Any], action_masks: NDArray[Any] | None
    ) -> NDArray[np.floating]:
        """Return the network's probabilities, cut to the masks."""
        rows = self._encoder.encode(observations)
        chances = jax.nn.softmax(self._logits(self.learnt.networks, jnp.asarray(rows)))
        found = np.asarray(chances, np.float64)
        if action_masks is None:
            return found
        legal = np.where(action_masks, found + np.finfo(np.float64).tiny, 0.0)
        return np.asarray(legal / legal.sum(-1, keepdims=True))

    def save(self, path: str | os.PathLike[str]) -> None:
        """Write hyperparameters and networks to exactly `path`, without pickle: what `act` needs.

        Raises:
            OSError: The file can't be written.
        """
        leaves = jax.tree.leaves(self.learnt.networks)
        arrays = {f"network_{k}": np.asarray(leaf) for k, leaf in enumerate(leaves)}
        write_checkpoint(
            path, {"learner": type(self).__name__, "config": asdict(self.config)}, arrays
        )

    @classmethod
    def load(cls, path: str | os.PathLike[str], env: Any) -> Self:
        """Return a learner with the networks in a checkpoint, on an environment with the same spaces.

        Raises:
            ValueError: The file is damaged, of another learner, or doesn't fit the environment.
            OSError: The file can't be opened.
        """
        meta, arrays = read_checkpoint(path)
        try:
            if meta["learner"] != cls.__name__:
                raise ValueError(f"it is of {meta['learner']}")
            learner = cls(env, **meta["config"])
            leaves, tree = jax.tree.flatten(learner.learnt.networks)
            loaded = [arrays[f"network_{k}"] for k in range(len(leaves))]
            if [a.shape for a in loaded] != [a.shape for a in leaves]:
                raise ValueError("its networks have other sizes")
        except Exception as error:
            raise ValueError(
                f"{os.fspath(path)} doesn't fit {cls.__name__} on {env}: {error}"
            ) from error
        networks = jax.tree.unflatten(tree, [jnp.asarray(a) for a in loaded])
        learner.learnt = learner.learnt._replace(networks=networks)
        return learner

    # What is played

    def _turn(self, networks: Params, learnt: Learnt, _: None) -> tuple[Learnt, Any]:
        env = self.env
        seen, whole = self._inputs(learnt.observation, learnt.env)
        mask = self.env.action_mask(learnt.env)
        legal = None if mask is None else jnp.moveaxis(mask, -1, 0) > 0
        logits, value = self._logits(networks, seen, legal), self._values(networks, seen, whole)
        key = keys(learnt.env.seed, learnt.env.clock, Purpose.ACTION)  # detail 5
        action = _drawn(logits, words(key, self.n_agents).T, legal)
        log_chance = _log_chance(logits, action)
        observation, state, own, done, info = env.step(learnt.env, action.T)
        last, last_whole = self._inputs(info["final_observation"], info["final_state"])
        next_value = self._values(networks, last, last_whole)  # detail 1
        next_value = jnp.where(info["terminated"][:, None], 0.0, next_value)
        agents, team = learnt.returns[0] + own, learnt.returns[1] + own.mean(axis=0)
        reward = self.env.paid_as(own, self.config.rewards).T
        kept = Turns(seen, whole, action, log_chance, value, next_value, reward, done, legal)
        fresh = jnp.where(done, 0.0, agents), jnp.where(done, 0.0, team)
        following = learnt._replace(env=state, observation=observation, returns=fresh)
        return following, (
            kept,
            {"done": done, "agents": agents, "team": team, "steps": info["steps"]},
        )

    def _inputs(self, observation: Array, state: Any) -> tuple[Array, Array]:
        """Return what the networks see: of each agent ``[B, n, d]``, of the state ``[B, m]``."""
        rows = self.env.encode(observation)
        if not self.sees_whole:
            return rows, jnp.zeros((rows.shape[0], 0))
        return rows, self.env.encode_state(state)

    def _note(self, ended: Mapping[str, NDArray[Any]]) -> int:
        tally = self._tally
        tally.env_steps += self.config.copies * self.config.n_steps
        for t, b in np.argwhere(ended["done"]).tolist():
            own = ended["agents"][t, :, b].astype(np.float64)
            steps, team = int(ended["steps"][t, b]), float(ended["team"][t, b])
            tally.episodes.append(EpisodeReturn(b, steps, float(own.mean()), team, own))
        return int(ended["done"].sum())

    # What is learnt

    def _advantages(self, turns: Turns) -> Array:
        discount = self.config.gamma * self.config.gae_lambda
        errors = turns.reward + self.config.gamma * turns.next_value - turns.value

        def back(carried: Array, step: tuple[Array, Array]) -> tuple[Array, Array]:
            error, done = step
            carried = error + discount * jnp.where(done[:, None], 0.0, carried)
            return carried, carried

        return jax.lax.scan(back, jnp.zeros_like(errors[0]), (errors, turns.done), reverse=True)[1]

    def _epoch(self, rows: Any, trained: Any, drawn: Array) -> tuple[Any, None]:
        size = drawn.shape[0] // self.config.n_minibatches
        order = jnp.argsort(drawn)[: size * self.config.n_minibatches]
        parts = order.reshape(self.config.n_minibatches, size)  # detail 3

        def one(trained: Any, part: Array) -> tuple[Any, None]:
            networks, optimizer = trained
            sample = jax.tree.map(lambda x: x[part], rows)
            gradient = jax.grad(self._loss)(networks, *sample)
            change, optimizer = self._adam.update(gradient, optimizer)
            return (optax.apply_updates(networks, change), optimizer), None

        last, _ = jax.lax.scan(one, trained, parts)
        return last, None

    def _loss(self, networks: Params, turns: Turns, advantage: Array, target: Array) -> Array:
        logits = self._logits(networks, turns.seen, turns.legal)
        ratio = jnp.exp(_log_chance(logits, turns.action) - turns.log_chance)
        scaled = (advantage - advantage.mean()) / (advantage.std() + _NEAR_ZERO)  # detail 2
        bounded = jnp.clip(ratio, 1 - self.config.clip, 1 + self.config.clip)
        gain = jnp.minimum(ratio * scaled, bounded * scaled).mean()
        error = jnp.square(self._values(networks, turns.seen, turns.whole) - target).mean()
        chances = jax.nn.softmax(logits)
        entropy = -(chances * jax.nn.log_softmax(logits)).sum(-1).mean()
        return 0.5 * error - gain - self.config.ent_coef * entropy

    @cached_property
    def _adam(self) -> Any:
        return optax.chain(
            optax.clip_by_global_norm(0.5), optax.adam(self.config.learning_rate, eps=1e-5)
        )

    @cached_property
    def _compiled(self) -> Any:
        return jax.jit(self.update)

    def __getstate__(self) -> dict[str, Any]:
        made = ("_compiled", "_adam")
        kept = {name: value for name, value in vars(self).items() if name not in made}
        return {**kept, "learnt": jax.tree.map(np.asarray, self.learnt)}

    def __setstate__(self, state: dict[str, Any]) -> None:
        super().__setstate__(state)
        self.learnt = jax.tree.map(jnp.asarray, self.learnt)

    # The networks

    @property
    def _encoder(self) -> AgentEncoder:
        return AgentEncoder(self.observation_space, self.n_agents)

    def _new_networks(self, seed: Array) -> dict[str, Params]:
        shared, hidden = self.config.shared, self.config.hidden
        ids = self.n_agents if shared and self.config.agent_ids else 0
        sizes = [self.env.encoded_size + ids, hidden, hidden]
        copies = None if shared else self.n_agents
        return {
            "actor": _network(seed, 0, [*sizes, self.n_actions], 0.01, copies),
            "critic": self._new_critic(seed, sizes, copies),
        }

    def _new_critic(self, seed: Array, sizes: list[int], copies: int | None) -> Params:
        return _network(seed, 16, [*sizes, 1], 1.0, copies)

    def _logits(self, networks: Params, seen: Array, legal: Array | None = None) -> Array:
        logits = _through(networks["actor"], seen, self.config.shared)
        return logits if legal is None else jnp.where(legal, logits, _FORBIDDEN)  # detail 4

    def _values(self, networks: Params, seen: Array, whole: Array) -> Array:
        return _through(networks["critic"], seen, self.config.shared)[..., 0]


class MAPPO(IPPO):
    """The same with one critic of the whole state, which has a value for each agent.

    With ``rewards="global"`` these differ only by chance. See `JaxPPOConfig` for the arguments.
    """

    sees_whole: ClassVar[bool] = True

    def _new_critic(self, seed: Array, sizes: list[int], copies: int | None) -> Params:
        return _network(seed, 16, [self.env.encoded_state_size, *sizes[1:], self.n_agents], 1.0)

    def _values(self, networks: Params, seen: Array, whole: Array) -> Array:
        return _through(networks["critic"], whole, True)


def _keep_compiled() -> None:
    """Let JAX keep compiled programs on disk, if it keeps them nowhere: else each process takes seconds to begin."""
    if jax.config.jax_compilation_cache_dir is None:
        with suppress(OSError, RuntimeError):
            jax.config.update("jax_compilation_cache_dir", str(cache_folder() / "jax"))


def _network(
    seed: Array, first: int, sizes: list[int], last_scale: float, copies: int | None = None
) -> Params:
    """Return a new network: a list of layers ``(weights, biases)``.

    Args:
        seed: ``uint32[2]``, of the stream.
        first: The clock that the first layer is drawn at; the others follow.
        sizes: Of its inputs, of its hidden layers and of its outputs.
        last_scale: Of the last layer, as a share of what keeps variances the same.
        copies: Number of networks, along the first axis; None: one, without that axis.
    """
    layers = []
    for k, (inputs, outputs) in enumerate(pairwise(sizes)):
        shape = (inputs, outputs) if copies is None else (copies, inputs, outputs)
        drawn = words(keys(seed, pair(first + k), Purpose.WEIGHTS), math.prod(shape))
        spread = last_scale if k == len(sizes) - 2 else 2.0**0.5
        # Of a one-hot row few inputs count, however long it is: no more than the outputs are taken for it.
        height = spread * (3.0 / min(inputs, outputs)) ** 0.5
        weights = height * (drawn.astype(jnp.float32) * 2.0**-31 - 1.0).reshape(shape)
        layers.append((weights, jnp.zeros(shape[:-2] + shape[-1:])))
    return layers


def _through(layers: Params, rows: Array, shared: bool) -> Array:
    """Return a network's outputs ``[…, n, k]``; with `shared` False agent i's rows go through network i.

    A first layer with n inputs more than rows have numbers is one for rows that end in the agent's one-hot number:
    agent i's is the i-th of these inputs' weights, so that n · n numbers needn't be made.
    """
    if not shared:
        each: Array = jax.vmap(lambda own, x: _through(own, x, True), (0, -2), -2)(layers, rows)
        return each
    width = rows.shape[-1]
    (weights, biases), *others = layers
    found: Array = rows @ weights[:width] + biases
    if weights.shape[0] > width:
        found = found + weights[width:]
    for weights, biases in others:
        found = jnp.tanh(found) @ weights + biases
    return found


def _drawn(logits: Array, word: Array, legal: Array | None = None) -> Array:
    """Return actions ``[…]`` of logits ``[…, A]``: the first whose cumulative chance exceeds a uniform number."""
    heights = jnp.cumsum(jax.nn.softmax(logits), axis=-1)
    uniform = word.astype(jnp.float32) * jnp.float32(2.0**-32)
    drawn = (heights[..., :-1] <= uniform[..., None]).sum(-1)
    if legal is None:
        return drawn
    last = legal.shape[-1] - 1 - legal[..., ::-1].argmax(-1)  # the chances' sum may be less than 1
    return jnp.minimum(drawn, last)


def _log_chance(logits: Array, action: Array) -> Array:
    return jnp.take_along_axis(jax.nn.log_softmax(logits), action[..., None], axis=-1)[..., 0]
