"""Explore, estimate, and plan by a linear program over windows of a ring (Guestrin, Koller, Parr & Venkataraman 2003).

For SYSADMIN's rings of any size, whose machines are all alike. m trials of uniformly random actions give one table of
the machines together, frequencies and means over all of them:

    P̂(s_i' = up | s_i, parents up)   of machines left alone          R̂(s_i, a_i)

½ and 0 where nothing was seen. The window program of that model (`crl_envs.factored.window_program`) gives a
value function that is a sum of one function w_t of k neighbouring machines, the same around the ring, so that neither
its size nor its time depends on n. From then on every machine takes its part of the joint action that is greedy in it:

    π(s)_i = argmax_{a_i} max_{other a} Σ_j R̂_j(s_j, a_j) + E[Σ_j w_{t+1}(s_j' … s_{j+k−1}')]

over a window of r machines on each side of it, those beyond taken as up and left alone (the paper's variable
elimination, along the ring).

Details that matter:

1. It is known that a reboot (action 1) brings a machine up. `choose` refuses an environment where it doesn't, as with
   ``relabel=True``.
2. The policy depends on the step of the episode: near its end a reboot doesn't pay any more. `act`, which doesn't know
   the step, takes what holds at the first one.
3. Planning is central, and every machine has to be shown the states of its window.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from agents.learner import Learner
from agents.view import Episode, Frame, Transition
from crl_envs.core.arguments import check_int, check_seed, keep
from crl_envs.core.neighborhood import topology_edges
from crl_envs.core.topology import directed_ring, ring, sorted_edges
from crl_envs.factored.window_policy import RADIUS, greedy_table, window_codes
from crl_envs.factored.window_program import WIDEST, window_bound
from crl_envs.sysadmin.dynamics import Binary, ring_rule


@dataclass(frozen=True)
class WindowPlannerConfig:
    """Hyperparameters of `WindowPlanner`.

    Attributes:
        trials: Episodes of uniformly random actions m ≥ 1, 5 by default. More make the model better and earn nothing
            meanwhile.
        width: Machines of a window of the value function k, 1 to 5; 4 by default. Wider ones are closer to the best
            policy; time grows sixteenfold with each machine: 3 s for 4 at the default horizon.
        radius: Machines on each side that a machine looks at r, 1 to 7; 3 by default.
        seed: 0 by default; an integer in [0, 2^64 − 1]. Fixes the random actions and the environment's episodes.

    Raises:
        ValueError: A value out of its range.
    """

    trials: int = 5
    width: int = 4
    radius: int = RADIUS
    seed: int = 0

    def __post_init__(self) -> None:
        keep(self, check_int, "trials", low=1)
        keep(self, check_int, "width", low=1, high=WIDEST)
        keep(self, check_int, "radius", low=1, high=7)
        keep(self, check_seed, "seed")


@dataclass(frozen=True, eq=False)
class WindowPolicy:
    """A policy of all machines on a ring.

    Attributes:
        radius: Machines on each side that one looks at, r.
        table: ``uint8[T, 2^(2r+1)]``: what a machine does, by step and by the states around it, as in `greedy_table`.
    """

    radius: int
    table: NDArray[np.uint8]

    def act(self, states: NDArray[np.integer], step: int) -> NDArray[np.uint8]:
        """Return actions ``uint8[n, B]`` in joint states ``[n, B]`` at step 0 … T − 1."""
        seen = window_codes(states.astype(np.uint8), -self.radius, 2 * self.radius + 1)
        return np.asarray(self.table[step].take(seen))


class WindowPlanner(Learner):
    """See the module for the method, `Learner` for the vocabulary, `WindowPlannerConfig` for the arguments.

        learner = WindowPlanner(env, seed=1).learn(total_episodes=6)
        learner.history[-1]["global_return"]

    Args:
        env: ``crl/sysadmin-v0`` with binary dynamics, ``observe="own"``, on the ring of its dynamics with n ≥ 3; or
            another environment with two states and two actions an agent and such an ``unwrapped.topology``.
        **config: Fields of `WindowPlannerConfig`.

    Attributes:
        counts: ``int64[2, 2, 1 + k, 2, B]``: what was seen by own state, action, number of k parents up, next state.
        rewards: ``float64[2, 2, B]``: sums of own rewards by own state and action.
        starts: ``int64[B]``: machines that were up at the start of a trial.

    Raises:
        ValueError: As `Learner`; another graph, other states or actions. From `learn` and `act`: action masks, agents
            that leave, machines that are down after action 1, episodes of different lengths. From `plan`: fewer
            episodes than `trials`.
        RuntimeError: HiGHS found no optimum of the program.
        ImportError: scipy isn't installed.
    """

    config_class: ClassVar[type[Any]] = WindowPlannerConfig
    config: WindowPlannerConfig
    learnt = ("counts", "rewards", "starts", "_horizon")

    def __init__(self, env: Any, **config: Any) -> None:
        super().__init__(env, **config)
        view = self.view
        n, b = view.n_agents, view.num_envs
        assert view.encoder is not None
        if (view.n_rows, view.n_actions, view.encoder.n_components) != (2, 2, n):
            raise ValueError(
                "env must show each agent its own state, one of two, and have two actions, got "
                f"{view.n_rows} observations and {view.n_actions} actions"
            )
        edges = topology_edges(env, view.agents)
        edges = sorted_edges(edges[:, 0], edges[:, 1])
        self._both_ways = np.array_equal(edges, ring(n))
        if n < 3 or not (self._both_ways or np.array_equal(edges, directed_ring(n))):
            raise ValueError(
                "env must have the topology of a ring of at least 3 agents, numbered around it, got "
                f"{n} agents and {len(edges)} edges"
            )
        self.counts = np.zeros((2, 2, 2 + self._both_ways, 2, b), np.int64)
        self.rewards = np.zeros((2, 2, b))
        self.starts = np.zeros(b, np.int64)
        self._horizon = 0  # 0: no episode yet
        self._policies: dict[int, WindowPolicy] = {}

    def plan(self, column: int = 0) -> WindowPolicy:
        """Return the policy that is planned in the model of one column's trials.

        Raises:
            ValueError: There is no such column, fewer episodes than `trials`, or machines were down after action 1.
        """
        column = check_int("column", column, low=0, high=self.view.num_envs - 1)
        if self.episodes < self.config.trials:
            raise ValueError(
                f"total_episodes must be ≥ trials = {self.config.trials} before there is a plan, got {self.episodes}"
            )
        if column not in self._policies:
            rule = ring_rule(self.model(column), self._both_ways)
            width, radius = self.config.width, self.config.radius
            found = window_bound(rule, self._horizon, self._start_up(column), width)
            table = greedy_table(rule, found.weights, radius)
            self._policies[column] = WindowPolicy(radius, table)
        return self._policies[column]

    def model(self, column: int = 0) -> Binary:
        """Return the rule of all machines as one column's trials have it.

        Raises:
            ValueError: Machines were down after action 1.
        """
        counts = self.counts[..., column]
        if counts[:, 1, :, 0].any():
            raise ValueError(
                "env must bring a machine up by action 1 (no relabel): "
                f"{counts[:, 1, :, 0].sum()} times it was down afterwards"
            )
        alone = counts[:, 0]
        seen = alone.sum(axis=-1)
        up = np.where(seen > 0, alone[..., 1] / np.maximum(seen, 1), 0.5)
        visits = counts.sum(axis=(2, 3))
        (a, b), (c, d) = (self.rewards[..., column] / np.maximum(visits, 1)).tolist()
        return Binary(lambda degree: up, ((a, b), (c, d)), one_way=not self._both_ways)

    def choose(self, frame: Frame, words: NDArray[np.uint32] | None) -> NDArray[np.integer]:
        """Return a random action until there is a plan, then the plan's for the step of the episode."""
        if frame.legal is not None:
            raise ValueError("env must have all actions legal at all times, got an action mask")
        if self.episodes < self.config.trials and words is not None:
            return (words >> np.uint32(31)).astype(np.uint8)
        plans = [self.plan(b) for b in range(self.view.num_envs)]
        step = self.elapsed % self._horizon
        if len(plans) == 1:
            return plans[0].act(frame.rows, step)
        acted = [plan.act(frame.rows[:, b : b + 1], step) for b, plan in enumerate(plans)]
        return np.concatenate(acted, axis=1)

    def begin_episode(self) -> None:
        """Forget what an interrupted episode may have left."""
        empty = np.zeros_like
        self._trial = empty(self.counts), empty(self.rewards), empty(self.starts)

    def act(
        self, observations: Any, deterministic: bool = False, *, action_masks: Any = None
    ) -> Any:
        """Return actions for the first step, also where an episode is being played; see `Learner.act`."""
        kept, self._episode = self._episode, None
        try:
            return super().act(observations, deterministic, action_masks=action_masks)
        finally:
            self._episode = kept

    def observe(self, frame: Frame, actions: NDArray[np.integer], transition: Transition) -> None:
        """Count the step, as long as actions are random."""
        if frame.live is not None:
            raise ValueError("env must keep all agents in all columns to the end of the episode")
        if self.episodes >= self.config.trials:
            return
        own, b = frame.rows, self.view.num_envs
        counts, rewards, starts = self._trial
        if self.elapsed == 0:
            starts += own.sum(axis=0)
        ups = np.roll(own, 1, axis=0) + (np.roll(own, -1, axis=0) if self._both_ways else 0)
        cell = own * 2 + actions
        place = (cell * (2 + self._both_ways) + ups) * 2 + transition.frame.rows
        columns = np.arange(b)
        found = np.bincount((place * b + columns).ravel(), minlength=self.counts.size)
        counts += found.reshape(counts.shape)
        paid = np.bincount(
            (cell * b + columns).ravel(), transition.local.ravel(), self.rewards.size
        )
        rewards += paid.reshape(rewards.shape)

    def end_episode(self, episode: Episode) -> None:
        """Take note of the trial and of the horizon."""
        self._horizon = episode.length(self._horizon)
        counts, rewards, starts = self._trial
        self.counts += counts
        self.rewards += rewards
        self.starts += starts

    def set_arrays(self, arrays: dict[str, NDArray[Any]]) -> None:
        """Go on from these counts; plans are made anew."""
        super().set_arrays(arrays)
        self._policies = {}

    def _start_up(self, column: int) -> float:
        trials = min(self.episodes, self.config.trials)
        return float(self.starts[column] / (self.view.n_agents * trials))
