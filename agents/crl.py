"""Collaborative reinforcement learning (Dowling & Haridi 2008, §5): agents on a graph that solve problems or hand them on.

Every agent i learns by itself, from its own rewards and from what its neighbours advertise. For its states s and its
local, delegation and discovery actions a it keeps a model, the reward R and the probability of what follows P, the
connection cost D of each link, and the value V_j that each neighbour j last advertised, with its age td_j:

    delegation to j:     Q_i(s,a) = R_i(s,a) + D_i(s,a) + P(delegated) Decay(V_j) + Σ_s' P(kept, s') V_i(s')
    local, discovery:    Q_i(s,a) = R_i(s,a) + D_i(s,a) + Σ_s' P(kept, s') V_i(s')
    V_i(s) = max_a Q_i(s,a)
    Decay(V_j) = V_j ρ^td_j                              |V| grows: a silent neighbour is gradually forgotten
    π_i(a|s) = exp(Q_i(s,a)/T) / Σ_b exp(Q_i(s,b)/T)     over the legal actions

All values are costs, within [MinQ, MaxQ]. A solved problem is worth 0 from there on; a kept one (a store that
failed, a message that was lost, a discovery) is worth V_i. D is what the environment says a link charged, so that an
advertised V_j excludes the cost of getting to j. The equations are solved exactly at each use, from the model and
the cache; nothing else is stored. The first Q of an action is that of Table 1: it is what R, D and the cache hold
before there is any experience.

Neighbours tell their values over a message bus (`agents.bus`) when a strategy says so (`agents.advertising`); the
paper's is the return value of a delegation. Nothing else is shared.

Details that matter:

1. What R and P track decides everything. In the load-balancing problem a store costs nothing for as long as there is
   room and MinQ after that: R as the latest reward sees this at once, R as a mean of all rewards takes as many
   failures as there were successes.
2. "Kept with certainty" is a trap of the equations, V = c + V: an action that never got rid of the problem is worth
   MinQ. So a full agent goes on trying at random among actions that are all at MinQ.
3. Draws are 32-bit words of the learner's own stream, one for each agent and step. `learn` on a single
   `crl/load_balancing-v0` runs whole stretches of the episode in compiled code when Numba is there
   (`agents.crl_fused`), with the same result, bit for bit.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import Any, ClassVar, Final

import numpy as np
from numpy.typing import NDArray

from agents import crl_core as core
from agents.advertising import Advertisement, Advertising, DelegationReturn, strategies
from agents.array_view import Frame, Transition
from agents.bus import Counted, Mail, MessageBus, empty_mail
from agents.learner import Callback, Learner
from agents.parallel_view import ParallelView
from agents.rollout import Episode
from agents.work import WorkView
from crl_envs.core.arguments import check_bool, check_choice, check_real, check_seed
from crl_envs.core.stream import Purpose

_MOST_ENTRIES: Final = 50_000_000
_MODEL, _MAIL = "model_", "mail_"


@dataclass(frozen=True)
class CRLConfig:
    """Hyperparameters of `CRL`; the defaults are the paper's Table 1, and where it is silent those of the headline runs.

    Attributes:
        temperature: T > 0; 0.9, as on the paper's grid (it has 0.85 on the random graph). Higher explores more.
        boltzmann: ``"divide"`` (default): π ∝ exp(Q/T). ``"multiply"``: π ∝ exp(Q·T), under which the paper's
            lower T on the random graph means more exploration, as its text says.
        decay_rate: ρ − 1 ≥ 0. 0: cached values don't age. Table 1 has 0.01: a neighbour unheard of for 70 steps
            counts twice as dear, which costs detours where nothing changes.
        decays_unheard: Whether the first values, which nobody advertised, age too. False.
        drop_below: Remove a neighbour from view when its decayed value is at most this; it returns when it is heard
            of again. None (default): never, as in the paper's runs.
        reward_rate: How R and D follow experience: 1 (default) is the latest value, 0 the mean of all, between them
            an exponential mean. A mean is late to see that an agent is full.
        transition_rate: The same for P. 0 (default): frequencies, the maximum-likelihood model. Higher forgets
            failures of a link or neighbour sooner.
        states: ``"one"`` (default): an agent has one state, holding a problem, as in the paper's experiments.
            ``"observation"``: one for each row of its observation table.
        advertise: One or several strategies (`agents.advertising`), objects or names. The return value of a
            delegation, before the receiver acts.
        bus: A `MessageBus`, over which the advertisements go. Without loss or delay.
        initial_q_local: First Q of local and discovery actions, −3. Higher is tried sooner.
        initial_q_per_neighbor: First Q of a delegation is this times the number of neighbours (−3, −37 in all with
            nine), plus the connection cost. Lower keeps problems at home for longer.
        initial_connection_cost: D before a link's first use, −10.
        initial_delegation_reward: R of a delegation before the first, −2.
        min_q: MinQ, −200: no value is lower. What is full or lost looks like this, and nothing looks worse.
        max_q: MaxQ, 0.
        seed: 0 by default; an integer in [0, 2^64 − 1]. Fixes the actions and the environment's episodes.
        fused: Whether to run compiled code where that is possible. True; the results don't depend on it.

    Raises:
        ValueError: A value out of its range.
    """

    temperature: float = 0.9
    boltzmann: str = "divide"
    decay_rate: float = 0.0
    decays_unheard: bool = False
    drop_below: float | None = None
    reward_rate: float = 1.0
    transition_rate: float = 0.0
    states: str = "one"
    advertise: tuple[Advertisement, ...] = (DelegationReturn(),)
    bus: MessageBus = field(default_factory=MessageBus)
    initial_q_local: float = -3.0
    initial_q_per_neighbor: float = -3.0
    initial_connection_cost: float = -10.0
    initial_delegation_reward: float = -2.0
    min_q: float = -200.0
    max_q: float = 0.0
    seed: int = 0
    fused: bool = True

    def __post_init__(self) -> None:
        check_real("temperature", self.temperature, low=0.0, open_low=True)
        check_choice("boltzmann", self.boltzmann, ("divide", "multiply"))
        check_real("decay_rate", self.decay_rate, low=0.0, high=10.0)
        check_bool("decays_unheard", self.decays_unheard)
        if self.drop_below is not None:
            check_real("drop_below", self.drop_below, high=0.0)
        check_real("reward_rate", self.reward_rate, low=0.0, high=1.0)
        check_real("transition_rate", self.transition_rate, low=0.0, high=1.0)
        check_choice("states", self.states, ("one", "observation"))
        object.__setattr__(self, "advertise", strategies(self.advertise))
        if isinstance(self.bus, dict):
            object.__setattr__(self, "bus", MessageBus(**self.bus))
        if not isinstance(self.bus, MessageBus):
            raise ValueError(f"bus must be a MessageBus, got {self.bus!r}")
        check_real("max_q", self.max_q, high=0.0)
        check_real("min_q", self.min_q, high=self.max_q)
        check_real("initial_q_local", self.initial_q_local, high=0.0)
        check_real("initial_q_per_neighbor", self.initial_q_per_neighbor, high=0.0)
        check_real("initial_connection_cost", self.initial_connection_cost, high=0.0)
        check_real("initial_delegation_reward", self.initial_delegation_reward, high=0.0)
        check_seed("seed", self.seed)
        check_bool("fused", self.fused)

    def settings(self, tells_costs: bool) -> core.Settings:
        """The constants for `agents.crl_core`, in an environment that tells connection costs, or doesn't."""
        temperature = float(self.temperature)
        link, delegation = float(self.initial_connection_cost), float(self.initial_delegation_reward)
        return core.Settings(
            temperature=temperature if self.boltzmann == "divide" else 1.0 / temperature,
            min_q=float(self.min_q),
            max_q=float(self.max_q),
            log_rho=math.log1p(self.decay_rate),
            decays_unheard=self.decays_unheard,
            drop_at=-math.inf if self.drop_below is None else float(self.drop_below),
            reward_rate=float(self.reward_rate),
            transition_rate=float(self.transition_rate),
            prior_local=float(self.initial_q_local),
            prior_per_neighbor=float(self.initial_q_per_neighbor),
            prior_delegation=delegation if tells_costs else delegation + link,
            prior_link=link if tells_costs else 0.0,
            prior_first=link,
        )


class CRL(Learner):
    """See the module for the equations, `Learner` for the vocabulary, `CRLConfig` for the arguments.

    One run of the paper's experiment, steps until all loads are stored:

        CRL(env, seed=s).learn(total_episodes=1).history[-1]["steps"]

    The history has, beside what every learner's has, ``advertisements_sent``, ``advertisements_lost`` and
    ``advertisements_delivered`` of the episode. Values and cache are kept from one episode to the next.

    Args:
        env: A ParallelEnv or vector env that tells in its infos how work is handed on; see `agents.work`.
        **config: Fields of `CRLConfig`.

    Attributes:
        config: The hyperparameters.

    Raises:
        ValueError: A bad argument. From `learn`: an environment that doesn't tell who the neighbours are, which
            actions are of which kind or what became of a problem.
    """

    config_class = CRLConfig
    config: CRLConfig

    def __init__(self, env: Any, **config: Any) -> None:
        super().__init__(env, **config)
        self.work = WorkView(self.view)
        self.settings = self.config.settings(tells_costs=True)
        self.post_rules = self.config.bus.rules()
        self.advertising = Advertising()
        for strategy in self.config.advertise:
            self.advertising = strategy.add_to(self.advertising)
        self.models: list[core.Model] = []
        self.mails: list[Mail] = []
        self.now = np.zeros(self.view.num_envs, np.int64)
        self._counted = np.zeros((self.view.num_envs, len(Counted)), np.int64)

    def reads_rows(self) -> bool:
        """Only where observations are told apart."""
        return self.config.states == "observation"

    def values(self) -> NDArray[np.float64]:
        """``float64[n, B]``: the value V that each agent would advertise now.

        Raises:
            ValueError: Nothing has been learnt yet.
        """
        self._need_models()
        columns = zip(self.models, self.now.tolist(), strict=True)
        n = self.view.n_agents
        return np.array(
            [
                [core.value_of(self.settings, _scratch(model), i, now) for i in range(n)]
                for model, now in columns
            ]
        ).T

    def begin_episode(self) -> None:
        """Read who is there, and who is whose neighbour."""
        self.work.begin()
        self.settings = self.config.settings(self.work.tells_costs)
        fresh = not self.models
        if fresh:
            self._make_models()
        self._check_fit()
        self.work.forget()
        for b in range(self.view.num_envs):
            self._meet(b)
            if fresh:
                core.begin(self.settings, self.models[b], int(self.now[b]))
        self._counted = np.array([mail.count for mail in self.mails])

    def play(
        self, frame: Frame, episode: Episode, step_callback: Callback | None, every: int
    ) -> None:
        """Act until the episode has ended; compiled, where that can be."""
        for b, model in enumerate(self.models):
            model.state[:] = frame.rows[:, b]
            self._notice(frame, b)
        if self._can_fuse():
            from agents.crl_fused import play

            play(self, self._stream, episode, step_callback, every)
        else:
            super().play(frame, episode, step_callback, every)

    def act(
        self, observations: Any, deterministic: bool = False, *, action_masks: Any = None
    ) -> Any:
        """See `Learner.act`. Masks are needed to tell who has a problem at hand.

        Raises:
            ValueError: As there, or nothing has been learnt yet.
        """
        self._need_models()
        models = self.models
        self.models = [_scratch(model) for model in models]
        try:
            return super().act(observations, deterministic, action_masks=action_masks)
        finally:
            self.models = models

    def choose(self, frame: Frame, words: NDArray[np.uint32] | None) -> NDArray[np.integer]:
        """An action for every agent: Boltzmann for those that have a problem, else the first that is legal."""
        n, columns, a = self.view.n_agents, self.view.num_envs, self.view.n_actions
        every = np.ones((n, columns, a), np.bool_) if frame.legal is None else frame.legal
        actions = every.argmax(axis=2)
        for b, model in enumerate(self.models):
            model.state[:] = frame.rows[:, b]
            legal, now = every[:, b], int(self.now[b])
            for i in np.flatnonzero((legal & (model.kind > core.NOOP)).any(axis=1)).tolist():
                word = 0 if words is None else words[i, b]
                actions[i, b] = core.choose(
                    self.settings, model, i, legal[i], now, word, words is None
                )
        return actions

    def observe(self, frame: Frame, actions: NDArray[np.integer], transition: Transition) -> None:
        """Learn from a step, then advertise."""
        took_part = self.view.running
        if transition.ended is not None:
            took_part = took_part | transition.ended
        for b in np.flatnonzero(took_part).tolist():
            self._observe_column(b, actions[:, b], transition)

    def end_episode(self, episode: Episode) -> None:
        """Nothing: what has been learnt stays."""

    def measurements(self) -> dict[str, NDArray[Any]]:
        """Messages of the episode by what became of them."""
        counted = np.array([mail.count for mail in self.mails]) - self._counted
        return {
            "advertisements_sent": counted[:, Counted.SENT],
            "advertisements_lost": counted[:, Counted.LOST],
            "advertisements_delivered": counted[:, Counted.DELIVERED],
        }

    def get_arrays(self) -> dict[str, NDArray[Any]]:
        """Models, caches and messages under way."""
        if not self.models:
            return {}
        model = {_MODEL + f: _stack(self.models, f) for f in core.Model._fields}
        mail = {_MAIL + f: _stack(self.mails, f) for f in Mail._fields}
        return {"now": self.now, **model, **mail}

    def set_arrays(self, arrays: dict[str, NDArray[Any]]) -> None:
        """Go on from what `get_arrays` gave."""
        if not arrays:
            return
        self.now = arrays["now"]
        columns = range(self.view.num_envs)
        self.models = [
            core.Model(*(np.array(arrays[_MODEL + f][b]) for f in core.Model._fields))
            for b in columns
        ]
        self.mails = [
            Mail(*(np.array(arrays[_MAIL + f][b]) for f in Mail._fields)) for b in columns
        ]
        size = (self.view.n_agents, self.view.n_actions)
        if len(self.now) != len(columns) or self.models[0].kind.shape != size:
            raise ValueError(
                f"it is of {len(self.now)} columns and (agents, actions) {self.models[0].kind.shape}, "
                f"not of {len(columns)} and {size}"
            )

    def _make_models(self) -> None:
        n, a, s = self.view.n_agents, self.view.n_actions, self.view.n_rows
        if n * s * s * a * self.view.num_envs > _MOST_ENTRIES:
            raise ValueError(
                f"the model would need {n} agents × {s}² states × {a} actions × {self.view.num_envs} columns, "
                f"more than {_MOST_ENTRIES} entries; use states='one', or fewer columns"
            )
        columns = range(self.view.num_envs)
        self.models = [core.new_model(self.work.kind, self.work.slots, s) for _ in columns]
        self.mails = [empty_mail(self.post_rules, n * self.work.slots) for _ in columns]

    def _check_fit(self) -> None:
        model = self.models[0]
        if not np.array_equal(model.kind, self.work.kind):
            raise ValueError("env must have the kinds of action that the learner has learnt with")

    def _need_models(self) -> None:
        if not self.models:
            raise ValueError("learn() must come first: before it nothing is known about the actions")

    def _meet(self, b: int) -> None:
        model = self.models[b]
        for i, k, j, size in self.work.changed_neighbors(b, model.neighbor):
            core.meet(self.settings, model, i, k, j, size, int(self.now[b]))

    def _notice(self, frame: Frame, b: int) -> None:
        """Let the agents see what is legal; only those that might discover somebody care."""
        model = self.models[b]
        for i in np.flatnonzero((model.kind == core.DISCOVERY).any(axis=1)).tolist():
            legal = np.ones(model.kind.shape[1]) if frame.legal is None else frame.legal[i, b]
            core.notice(model, i, legal)

    def _observe_column(
        self, b: int, actions: NDArray[np.integer], transition: Transition
    ) -> None:
        model, mail, frame = self.models[b], self.mails[b], transition.frame
        dops, links, active = self.work.report(b)
        states = frame.rows[:, b]
        for i in np.flatnonzero(dops).tolist():
            reward = float(transition.rewards[i, b])
            core.learn(
                self.settings,
                model,
                i,
                int(actions[i]),
                reward,
                float(links[i]),
                int(dops[i]),
                int(states[i]),
            )
        self.now[b] += 1
        now = int(self.now[b])
        model.state[:] = states
        self._meet(b)
        self._notice(frame, b)
        gossip = self._words(b, Purpose.GOSSIP, self.advertising.period, self.advertising.fanout)
        core.advertise(
            self.settings, self.advertising, model, mail, actions, dops, active, now, gossip
        )
        slots = model.neighbor.shape[1]
        loss = self._words(b, Purpose.POST_LOSS, self.post_rules.loss, slots)
        delay = self._words(b, Purpose.POST_DELAY, self.post_rules.delay, slots)
        core.deliver(self.post_rules, model, mail, active, now, loss, delay)

    def _words(self, b: int, purpose: Purpose, wanted: float, each: int) -> NDArray[np.uint32]:
        """Words ``uint32[n · each]`` of one column, or none where they aren't wanted."""
        if not wanted:
            return np.zeros(0, np.uint32)
        return self._stream.words(purpose, self.view.n_agents * each)[:, b]

    def _can_fuse(self) -> bool:
        if not self.config.fused or self.config.states != "one":
            return False
        if not isinstance(self.view, ParallelView) or self.env is not self.env.unwrapped:
            return False
        world = getattr(self.env, "world", None)
        return getattr(world, "name", "") == "load_balancing" and world.backend == "numba"


def _scratch(model: core.Model) -> core.Model:
    """The model with copies of what choosing and valuing write to."""
    return model._replace(
        value=model.value.copy(),
        state=model.state.copy(),
        q=model.q.copy(),
        weight=model.weight.copy(),
    )


def _stack(columns: list[Any], name: str) -> NDArray[Any]:
    return np.stack([getattr(column, name) for column in columns])
