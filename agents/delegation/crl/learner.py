"""Collaborative reinforcement learning (Dowling & Haridi 2008, §5): agents on a graph solve problems or hand them on.

Every agent i learns by itself, from its own rewards and from what its neighbours advertise. For its states s and its
local, delegation and discovery actions a it keeps a model, the reward R and the probability of what follows P, the
connection cost D of each link, and the value V_j that each neighbour j last advertised, with its age td_j:

    delegation to j:     Q_i(s,a) = R_i(s,a) + D_i(s,a) + Σ_s' P(delegated, s') Decay(V_j(s'))
                                                        + Σ_s' P(kept, s') V_i(s')
    local, discovery:    Q_i(s,a) = R_i(s,a) + D_i(s,a) + Σ_s' P(kept, s') V_i(s')
    V_i(s) = max_a Q_i(s,a)
    Decay(V_j) = V_j ρ^td_j                              |V| grows: a silent neighbour is gradually forgotten
    π_i(a|s) = exp(Q_i(s,a)/T) / Σ_b exp(Q_i(s,b)/T)     over the legal actions

All values are costs, within [MinQ, MaxQ]. A solved problem is worth 0 from there on; a kept one (a store that
failed, a message that was lost, a discovery) is worth V_i. D is what the environment says a link charged, so that an
advertised V_j excludes the cost of getting to j. The equations are solved exactly at each use, from the model and
the cache; nothing else is stored. The first Q of an action is that of Table 1: it is what R, D and the cache hold
before there is any experience.

Neighbours tell their values over a message bus (`agents.delegation.bus`) when a strategy says so
(`agents.delegation.crl.advertising`); the paper's is the return value of a delegation. Nothing else is shared.

Details that matter:

1. What R and P track matters. In the load-balancing problem a store costs nothing for as long as there is room and
   MinQ after that: R as the latest reward sees this at once, R as a mean takes some failures more. Under departures
   it is the other way round: the latest reward is all too sure of an agent that was full a moment ago.
2. "Kept with certainty" is a trap of the equations, V = c + V: an action that never got rid of the problem is worth
   MinQ. So a full agent goes on trying at random among actions that are all at MinQ.
3. Draws are 32-bit words of the learner's own stream, one for each agent and step. `learn` on a single
   `crl/load_balancing-v0` runs whole stretches of the episode in one loop when Numba is there, compiled once that pays
   (`agents.delegation.crl.compiled`), with the same result, bit for bit.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from agents.delegation.bus import Counted, Mail, MessageBus, check_bus, empty_mail, measurements
from agents.delegation.crl import mind as core
from agents.delegation.crl.advertising import (
    Advertisement,
    Advertising,
    DelegationReturn,
    strategies,
)
from agents.delegation.infos import DISCOVERY, NOOP, WorkInfos, holders
from agents.learner import Callback, Learner
from agents.view import MOST_ENTRIES, Episode, Frame, Transition
from crl_envs.core.arguments import (
    SMALLEST_REAL,
    check_bool,
    check_choice,
    check_real,
    check_seed,
    keep,
)
from crl_envs.core.stream import Purpose

_AUDIENCE, _MAIL = "audience_", "mail_"
_NOTHING: Final = 1.0  # in a checkpoint, where no message is: values are ≤ 0


@dataclass(frozen=True)
class CRLConfig:
    """Hyperparameters of `CRL`; the defaults are the paper's Table 1, but that cached values don't age.

    Attributes:
        temperature: T > 0; 0.9, as on the paper's grid (it has 0.85 on the random graph). Higher explores more.
        boltzmann: ``"divide"`` (default): π ∝ exp(Q/T). ``"multiply"``: π ∝ exp(Q·T), under which the paper's
            lower T on the random graph means more exploration, as its text says.
        decay_rate: ρ − 1 ≥ 0. 0: cached values don't age. Table 1 has 0.01: a neighbour unheard of for 70 steps
            counts twice as dear, which costs detours where nothing changes.
        decays_unheard: Whether the first values, which nobody advertised, age too, from the start. True; False makes
            decay cost less, since whom nobody has tried stays attractive.
        drop_below: Remove a neighbour from view when its decayed value is at most this; it returns when it is heard
            of again. None (default): never, as in the paper's runs. Where only delegations are answered, an agent that
            is full and has dropped everybody goes on trying to store for good.
        reward_rate: How R and D follow experience: 1 (default) is the latest value, 0 the mean of all, between them
            an exponential mean. A mean is late to see that an agent is full.
        transition_rate: The same for P. 0 (default): frequencies, the maximum-likelihood model. Higher forgets
            failures of a link or neighbour sooner.
        counts_kept: Whether a kept problem counts as what it will still cost, P(kept, s') V(s'). True; without it a
            failure costs only its reward, and with a mean of rewards and decay the learner is lost.
        states: ``"one"`` (default): an agent has one state, holding a problem, as in the paper's experiments.
            ``"observation"``: one for each row of its observation table.
        connected_states: What the cache holds of a neighbour: False (default), one number, the value of the state that
            it was in when it advertised; True, a number for each of its states, over which the sum of the Bellman
            equation then runs (§5.2, §5.4). An answer to a delegation is about the state in which the problem came,
            other advertisements about each state in which the neighbour has acted, a message each. With ``"one"``
            state it is the same.
        advertise: One or several strategies (`agents.delegation.crl.advertising`), objects or names. The return
            value of a delegation, before the receiver acts.
        bus: A `MessageBus`, over which the advertisements go. Without loss or delay.
        initial_q_local: First Q of local and discovery actions, −3. Higher is tried sooner.
        initial_q_discovery: First Q of a discovery: ``"local"`` (default) is that of local actions, as in Table 1, with
            which whoever gets the action tries it at once, whatever else it knows; ``"value"`` is V, what the problem
            is worth where it is, as the equation has it for an action that keeps it and costs nothing.
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
    decays_unheard: bool = True
    drop_below: float | None = None
    reward_rate: float = 1.0
    transition_rate: float = 0.0
    counts_kept: bool = True
    states: str = "one"
    connected_states: bool = False
    advertise: tuple[Advertisement, ...] = (DelegationReturn(),)
    bus: MessageBus = field(default_factory=MessageBus)
    initial_q_local: float = -3.0
    initial_q_discovery: str = "local"
    initial_q_per_neighbor: float = -3.0
    initial_connection_cost: float = -10.0
    initial_delegation_reward: float = -2.0
    min_q: float = -200.0
    max_q: float = 0.0
    seed: int = 0
    fused: bool = True

    def __post_init__(self) -> None:
        keep(self, check_real, "temperature", low=SMALLEST_REAL)
        keep(self, check_choice, "boltzmann", ("divide", "multiply"))
        keep(self, check_real, "decay_rate", low=0.0, high=10.0)
        keep(self, check_bool, "decays_unheard")
        if self.drop_below is not None:
            keep(self, check_real, "drop_below", high=0.0)
        keep(self, check_real, "reward_rate", low=0.0, high=1.0)
        keep(self, check_real, "transition_rate", low=0.0, high=1.0)
        keep(self, check_bool, "counts_kept")
        keep(self, check_choice, "states", ("one", "observation"))
        keep(self, check_bool, "connected_states")
        object.__setattr__(self, "advertise", strategies(self.advertise))
        keep(self, check_bus, "bus")
        keep(self, check_real, "max_q", high=0.0)
        keep(self, check_real, "min_q", high=self.max_q)
        keep(self, check_real, "initial_q_local", high=0.0)
        keep(self, check_choice, "initial_q_discovery", ("local", "value"))
        keep(self, check_real, "initial_q_per_neighbor", high=0.0)
        keep(self, check_real, "initial_connection_cost", high=0.0)
        keep(self, check_real, "initial_delegation_reward", high=0.0)
        keep(self, check_seed, "seed")
        keep(self, check_bool, "fused")

    def settings(self, tells_costs: bool, states: int = 1) -> core.Settings:
        """Return the constants for `mind`.

        Args:
            tells_costs: Whether the environment says what links cost.
            states: Of an agent, S.
        """
        temperature = float(self.temperature)
        link = float(self.initial_connection_cost)
        delegation = float(self.initial_delegation_reward)
        return core.Settings(
            temperature=temperature if self.boltzmann == "divide" else 1.0 / temperature,
            min_q=float(self.min_q),
            max_q=float(self.max_q),
            log_rho=math.log1p(self.decay_rate),
            decays_unheard=self.decays_unheard,
            drop_at=-math.inf if self.drop_below is None else float(self.drop_below),
            reward_rate=float(self.reward_rate),
            transition_rate=float(self.transition_rate),
            counts_kept=self.counts_kept,
            prior_local=float(self.initial_q_local),
            discovery_keeps=self.initial_q_discovery == "value",
            prior_per_neighbor=float(self.initial_q_per_neighbor),
            prior_delegation=delegation if tells_costs else delegation + link,
            prior_link=link if tells_costs else 0.0,
            prior_first=link,
            connected=states if self.connected_states else 1,
        )


class CRL(Learner):
    """See the module for the equations, `Learner` for the vocabulary, `CRLConfig` for the arguments.

    One run of the paper's experiment, steps until all loads are stored:

        CRL(env, seed=s).learn(total_episodes=1).history[-1]["steps"]

    The history has, beside what every learner's has, ``advertisements_sent``, ``advertisements_lost`` and
    ``advertisements_delivered`` of the episode. Values and cache are kept from one episode to the next.

    Args:
        env: A ParallelEnv or vector env that tells in its infos how work is handed on; see `agents.delegation.infos`.
        **config: Fields of `CRLConfig`.

    Raises:
        ValueError: A bad argument. From `learn`: an environment that doesn't tell who the neighbours are, which
            actions are of which kind or what became of a problem.
    """

    config_class = CRLConfig
    config: CRLConfig

    def __init__(self, env: Any, **config: Any) -> None:
        super().__init__(env, **config)
        self.work = WorkInfos(self.view)
        self.settings = self.config.settings(True, self.view.n_rows)
        self.post_rules = self.config.bus.rules()
        self.advertising = Advertising()
        for strategy in self.config.advertise:
            self.advertising = strategy.add_to(self.advertising)
        self.columns: list[core.Column] = []
        self.now = np.zeros(self.view.num_envs, np.int64)
        self._counted = np.zeros((self.view.num_envs, len(Counted)), np.int64)

    def reads_rows(self) -> bool:
        """Return whether an observation is a state."""
        return self.config.states == "observation"

    def values(self) -> NDArray[np.float64]:
        """Return ``float64[n, B]``: the value V that each agent would advertise now.

        Raises:
            ValueError: Nothing has been learnt yet.
        """
        self._need_minds()
        columns = zip(map(core.aside, self.columns), self.now.tolist(), strict=True)
        agents = range(self.view.n_agents)
        return np.array([[core.value_of(c, i, now) for i in agents] for c, now in columns]).T

    def begin_episode(self) -> None:
        """Read who is there, and who is whose neighbour."""
        self.work.begin()
        self.settings = self.config.settings(self.work.tells_costs, self.view.n_rows)
        fresh = not self.columns
        if fresh:
            self._make_columns()
        self._check_fit()
        self.columns = [column._replace(settings=self.settings) for column in self.columns]
        for b, column in enumerate(self.columns):
            now = int(self.now[b])
            for change in self.work.changed_neighbors(b):
                core.introduce(column, *change, now)
            if fresh:
                for i in range(self.view.n_agents):
                    core.begin(column, i, now)
        self._counted = self._counts()

    def play(
        self, frame: Frame, episode: Episode, step_callback: Callback | None, every: int
    ) -> None:
        """See `Learner.play`; before the first step the agents see where they are and what they may do."""
        for b in range(self.view.num_envs):
            self._enter_states(frame, b)
            legal = self._masks(frame, b)
            for i in self._seekers_in(frame, b):
                core.notice(self.columns[b].minds, i, legal[i])
        super().play(frame, episode, step_callback, every)

    def act(
        self, observations: Any, deterministic: bool = False, *, action_masks: Any = None
    ) -> Any:
        """See `Learner.act`. Masks are needed to tell who has a problem at hand.

        Raises:
            ValueError: As there, or nothing has been learnt yet.
        """
        self._need_minds()
        columns = self.columns
        self.columns = [core.aside(column) for column in columns]
        try:
            return super().act(observations, deterministic, action_masks=action_masks)
        finally:
            self.columns = columns

    def acts_in_any_columns(self) -> bool:
        """Return False: the agents' messages and problems are those of the environment that is learnt from."""
        return False

    def compiled_loop(self) -> str | None:
        """Return the loop over whole episodes, unless switched off."""
        return "agents.delegation.crl.compiled" if self.config.fused else None

    def choose(self, frame: Frame, words: NDArray[np.uint32] | None) -> NDArray[np.integer]:
        """Return an action for every agent: Boltzmann for those that have a problem, else the first that is legal."""
        legal, actions, holds = holders(frame, self._works)
        greedy, weights = words is None, [0.0] * self.view.n_actions
        for b in range(self.view.num_envs):
            self._enter_states(frame, b)
            now = int(self.now[b])
            for i in np.flatnonzero(holds[:, b]).tolist():
                word, mask = 0 if words is None else int(words[i, b]), legal[i, b].tolist()
                actions[i, b] = core.choose(self.columns[b], i, mask, weights, now, word, greedy)
        return actions

    def observe(self, frame: Frame, actions: NDArray[np.integer], transition: Transition) -> None:
        """Learn from a step, then advertise."""
        for b in self.work.took_part(transition):
            self._observe_column(b, actions[:, b], transition)

    def measurements(self) -> dict[str, NDArray[Any]]:
        """Return the messages of the episode by what became of them."""
        return measurements(self._counts() - self._counted)

    def get_arrays(self) -> dict[str, NDArray[Any]]:
        """Return minds, who listens to whom, and messages under way."""
        if not self.columns:
            return {}
        audience = {
            _AUDIENCE + f: np.stack([getattr(column.audience, f) for column in self.columns])
            for f in core.Audience._fields
        }
        mail = {
            _MAIL + f: np.nan_to_num(
                np.stack([getattr(column.mail, f) for column in self.columns]), nan=_NOTHING
            )
            for f in Mail._fields
        }
        minds = np.stack([core.pack(column.minds) for column in self.columns])
        return {"now": self.now, "minds": minds, **audience, **mail}

    def set_arrays(self, arrays: dict[str, NDArray[Any]]) -> None:
        """Go on from what `get_arrays` gave."""
        if not arrays:
            return
        n, a, s = self.view.n_agents, self.view.n_actions, self.view.n_rows
        columns = range(self.view.num_envs)
        packed, slots = arrays["minds"], arrays[_AUDIENCE + "following"].shape[-1] // n
        c = self.settings.connected
        shape = (len(columns), n, core.width(a, slots, s, c))
        if packed.shape != shape:
            raise ValueError(f"its minds are of shape {packed.shape}, not of {shape}")
        if arrays["now"].shape != (len(columns),) or arrays["now"].min() < 0:
            raise ValueError("now makes no sense")
        made = []
        for b in columns:
            mail = Mail(*(arrays[_MAIL + f][b].copy() for f in Mail._fields))
            mail.carried[mail.carried == _NOTHING] = np.nan
            column = self._column(
                core.unpack(packed[b], a, slots, s, c),
                core.Audience(*(arrays[_AUDIENCE + f][b].copy() for f in core.Audience._fields)),
                mail,
            )
            core.check_places(column, n, a, slots, s)
            made.append(column)
        self.now = arrays["now"]
        self._works = made[0].minds.kind > NOOP
        self.work.neighbors = [column.minds.neighbor.astype(np.int32) for column in made]
        self.columns = [column._replace(minds=core.as_lists(column.minds)) for column in made]

    def _make_columns(self) -> None:
        n, a, s, slots = self.view.n_agents, self.view.n_actions, self.view.n_rows, self.work.slots
        c = self.settings.connected
        width = core.width(a, slots, s, c)
        if n * width * self.view.num_envs > MOST_ENTRIES:
            raise ValueError(
                f"the model would need {n} agents × {width} numbers × {self.view.num_envs} columns, "
                f"more than {MOST_ENTRIES}; use states='one' (now {s} states an agent), or fewer columns"
            )
        minds = core.new_minds(self.work.kind, slots, s, c)
        self.columns = [
            self._column(
                core.as_lists(minds),
                core.empty_audience(n, slots),
                empty_mail(self.post_rules, n * slots * c),
            )
            for _ in range(self.view.num_envs)
        ]

    def _column(self, minds: core.Minds, audience: core.Audience, mail: Mail) -> core.Column:
        return core.Column(self.settings, self.advertising, self.post_rules, minds, audience, mail)

    def _counts(self) -> NDArray[np.int64]:
        return np.array([column.mail.counts for column in self.columns])

    def _check_fit(self) -> None:
        if not np.array_equal(self.columns[0].minds.kind, self.work.kind):
            raise ValueError("env must have the kinds of action that the learner has learnt with")
        self._works = self.work.kind > NOOP
        self._all_legal = [[1] * self.view.n_actions] * self.view.n_agents
        self._seekers = np.flatnonzero((self.work.kind == DISCOVERY).any(axis=1)).tolist()

    def _need_minds(self) -> None:
        if not self.columns:
            raise ValueError(
                "learn() must come first: before it nothing is known about the actions"
            )

    def _enter_states(self, frame: Frame, b: int) -> None:
        if self.view.n_rows > 1:
            self.columns[b].minds.state[:] = frame.rows[:, b].tolist()

    def _masks(self, frame: Frame, b: int) -> Any:
        return self._all_legal if frame.legal is None else frame.legal[:, b]

    def _seekers_in(self, frame: Frame, b: int) -> list[int]:
        """Return the agents that might discover somebody and are there, so that their masks say something."""
        return [i for i in self._seekers if frame.live is None or frame.live[i, b]]

    def _observe_column(self, b: int, actions: NDArray[np.integer], transition: Transition) -> None:
        report, frame = self.work.report(b), transition.frame
        events = core.Events(
            acted=np.flatnonzero(report.dops).tolist(),
            actions=actions.tolist(),
            rewards=transition.rewards[:, b].tolist(),
            links=report.links.tolist(),
            dops=report.dops.tolist(),
            states=frame.rows[:, b].tolist(),
            changes=self.work.changed_neighbors(b),
            seekers=self._seekers_in(frame, b),
            legal=self._masks(frame, b),
            active=report.active.tolist(),
        )
        advertising, rules = self.advertising, self.post_rules
        slots = self.work.slots * self.settings.connected
        words = core.Words(
            gossip=self._words(b, Purpose.GOSSIP, advertising.period, advertising.fanout),
            loss=self._words(b, Purpose.POST_LOSS, rules.loss, slots),
            delay=self._words(b, Purpose.POST_DELAY, rules.delay, slots),
        )
        self.now[b] += 1
        core.after_step(self.columns[b], events, words, int(self.now[b]))

    def _words(self, b: int, purpose: Purpose, wanted: float, each: int) -> NDArray[np.uint32]:
        """Return words ``uint32[n · each]`` of one column, or none where they aren't wanted."""
        if not wanted:
            return np.zeros(0, np.uint32)
        return self._stream.words(purpose, self.view.n_agents * each)[:, b]
