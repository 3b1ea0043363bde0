"""Model-based learning from local rewards: explore, estimate, plan (Bagnell & Ng 2005, §4: Lemma 4.2, Theorem 4.3).

Each agent sees its own state, its own reward, and the states of those on whom its next state depends. m trials of an
exploring policy give a maximum-likelihood model: frequencies for P(s_i' | s_i, s_others(i), a_i), mean own rewards for
R_i(s_i, a_i), uniform and 0 where nothing was seen. The policy is then the best of a class Π in that model, or what a
planner finds of it. The number of trials needed grows with ln n at most: n enters only through the union over the
agents' tables.

With ``rewards="global"`` the states are seen as before, but the team's reward only: R_i is then the least-squares
solution of r_t = (1/n) Σ_i R_i(s_i, a_i) over all steps of all trials (`agents.tabular.reward_regression`), which takes
about proportionally many trials.

Details that matter:

1. Local rewards are the agents' own also under `GlobalReward`, where they are in the infos; ``rewards="global"`` uses
   only what the environment gave.
2. The states must be the observations: ``observe="own"`` in SYSADMIN. A neighbourhood observation overlaps with the
   neighbours' own; the learner looks at these itself, as the paper's agents do.
3. Planning is central: one planner, all agents' tables.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any, ClassVar, Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from agents.learner import Learner, global_reward
from agents.tabular.exploration import (
    EpsilonGreedy,
    ExplorationPolicy,
    as_dict,
    draw,
    find_exploration,
)
from agents.tabular.reward_regression import Regression, make_regressions, make_rooms, pack, unpack
from agents.view import Episode, Frame, Transition
from crl_envs.bounds import Exploration
from crl_envs.core.arguments import check_choice, check_int, check_real, check_seed, keep, shown
from crl_envs.core.copies import OwnsArrays
from crl_envs.core.neighborhood import topology_edges
from crl_envs.core.topology import Edges, sorted_edges, sources_of
from crl_envs.factored import (
    FactoredMDP,
    JointPolicy,
    Scopes,
    TablePolicy,
    approximate_linear_program,
    coordinate_ascent,
    find_policy_class,
    value_iteration,
)

_COUNTED: Final = "transitions", "rewards", "visits", "starts"  # attributes of `TransitionCounts`


@dataclass(frozen=True)
class ModelBasedConfig:
    """Hyperparameters of `ModelBased`.

    Attributes:
        rewards: ``"local"`` (default): each agent's own. ``"global"``: the team's, taken apart by least squares.
        depends_on: On whom an agent's next state may depend. ``"parents"`` (default): those with an edge to it in
            ``env.unwrapped.topology``; ``"neighborhood"``: all who share an edge with it, as in the paper, which is
            true as well but has more configurations to see.
        policy_class: Π, one of `crl_envs.factored.POLICY_CLASSES`; ``"own-state"`` by default. Larger classes hold
            better policies and take longer to search. For the planner ``"coordinate-ascent"`` only.
        planner: ``"coordinate-ascent"`` (default): any n, the policy class. ``"value-iteration"``: exact, all agents
            see all states, small n. ``"linear-program"``: greedy in an approximate value function, all see all.
        planning_episodes: Simulated episodes by which coordinate ascent compares policies, 200 by default. More
            resolve smaller differences and take proportionally longer.
        exploration: How to explore: ``"uniform"`` (default), ``"epsilon-greedy"`` (with coordinate ascent only), or an
            object out of `agents.tabular.exploration`, kept as a dict.
        ridge: λ > 0 of the least squares, 0.001 by default: noise over signal variance. For ``rewards="global"`` only.
        seed: 0 by default; an integer in [0, 2^64 − 1]. Fixes the actions, the environment's episodes and those that
            the planner simulates.

    Raises:
        ValueError: A value out of its range.
    """

    rewards: str = "local"
    depends_on: str = "parents"
    policy_class: str = "own-state"
    planner: str = "coordinate-ascent"
    planning_episodes: int = 200
    exploration: Any = "uniform"
    ridge: float = 0.001
    seed: int = 0

    def __post_init__(self) -> None:
        keep(self, check_choice, "rewards", ("local", "global"))
        keep(self, check_choice, "depends_on", ("parents", "neighborhood"))
        find_policy_class(self.policy_class)
        keep(self, check_choice, "planner", _PLANNERS)
        keep(self, check_int, "planning_episodes", low=1)
        exploration = as_dict(find_exploration(self.exploration))
        if exploration["kind"] == EpsilonGreedy.kind and self.planner != "coordinate-ascent":
            raise ValueError(
                "exploration='epsilon-greedy' must go with planner='coordinate-ascent', whose tables it follows, "
                f"got planner={shown(self.planner)}"
            )
        object.__setattr__(self, "exploration", exploration)
        keep(self, check_real, "ridge", low=0.0, open_low=True)
        keep(self, check_seed, "seed")


class ModelBased(Learner):
    """See the module for the method, `Learner` for the vocabulary, `ModelBasedConfig` for the arguments.

    `learn` explores; `model` is what has been learnt, `plan` the policy that is best in it, and `act` with
    ``deterministic=True`` follows the plan (without it, `act` explores).

        learner = ModelBased(env, seed=1).learn(total_episodes=5)
        learner.model().distance(env.unwrapped.factored_model())
        learner.act(observations, deterministic=True)

    Args:
        env: A ParallelEnv or a vector env with an ``unwrapped.topology`` (any graph whose nodes have few enough
            parents), the agents' own states as observations, the same number of states and of actions for all
            agents, all actions always legal, and episodes of one length.
        **config: Fields of `ModelBasedConfig`.

    Attributes:
        counts: What was seen.
        exploration: How it explores.

    Raises:
        ValueError: As `Learner`; no topology, or observations that aren't own states; an agent that depends on so many
            others that its tables would be too large. From `learn`: action masks or episodes of different lengths.
            From `model` and `plan`: no episode yet; from `plan`: what the planner refuses.
    """

    config_class: ClassVar[type[Any]] = ModelBasedConfig
    evaluates_greedily = True
    config: ModelBasedConfig

    def __init__(self, env: Any, **config: Any) -> None:
        super().__init__(env, **config)
        view = self.view
        n = view.n_agents
        assert view.encoder is not None
        if view.encoder.n_components != n:
            raise ValueError(
                "env must show each agent its own state and nothing else (observe='own'), got "
                f"{view.encoder.n_components} observed values for {n} agents"
            )
        edges = topology_edges(env, view.agents)  # (source, target)
        if self.config.depends_on == "neighborhood":
            edges = np.concatenate([edges, edges[:, ::-1]])
        edges = sorted_edges(edges[:, 0], edges[:, 1])
        self.counts = TransitionCounts(edges, n, view.n_rows, view.n_actions, view.num_envs)
        self.exploration: ExplorationPolicy = find_exploration(self.config.exploration)
        self._chances = self.exploration.probabilities(view.n_actions)
        self._horizon = 0  # 0: no episode yet
        self._regressions = self._make_regressions()
        self._steps: list[_Step] = []  # of the episode that is being played
        self._planned: tuple[int, dict[int, JointPolicy]] = 0, {}
        # What EpsilonGreedy follows: uint8[C, B], once plans have been made.
        self._seen: Scopes | None = None
        if isinstance(self.exploration, EpsilonGreedy):
            policy_class = find_policy_class(self.config.policy_class)
            self._seen = policy_class.scopes(self.counts.model(0, 1))
        entries = self._seen.n_entries if self._seen else 0
        self._followed = np.zeros((entries, view.num_envs), np.uint8)
        self._plans_at = 0

    def model(self, column: int = 0) -> FactoredMDP:
        """Return the estimate of one column's model.

        Raises:
            ValueError: There is no such column, or no episode has been seen.
        """
        column = check_int("column", column, low=0, high=self.view.num_envs - 1)
        if not self._horizon:
            raise ValueError("total_episodes must be ≥ 1 before there is a model, got 0 so far")
        model = self.counts.model(column, self._horizon)
        if not self._regressions:
            return model
        view, regression = self.view, self._regressions[column]
        regression.solve(self.config.ridge)
        shape = (view.n_agents, view.n_rows, view.n_actions)
        seen = self.counts.visits[..., column] > 0
        return replace(model, reward=np.where(seen, regression.estimates().reshape(shape), 0.0))

    def plan(self, column: int = 0) -> JointPolicy:
        """Return the planner's policy in `model`, kept until the next episode.

        Raises:
            ValueError: As `model`; the planner refuses the model.
        """
        if self._planned[0] != self.episodes:
            self._planned = self.episodes, {}
        kept = self._planned[1]
        if column not in kept:
            kept[column] = _PLANNERS[self.config.planner](self.model(column), self.config, column)
        return kept[column]

    def exploration_constants(self, column: int = 0) -> Exploration:
        """Return ρ and ν of how it explores, with the estimated first-state probabilities of one column.

        Raises:
            ValueError: As `model`; a state that was never a first one.
        """
        start = self.model(column).start
        rarest = start[np.unravel_index(start.argmin(), start.shape)[0]]
        return self.exploration.constants(rarest.tolist(), self.view.n_actions)

    def choose(self, frame: Frame, words: NDArray[np.uint32] | None) -> NDArray[np.integer]:
        """Return an exploring action; without words the plan's for the first step."""
        if frame.legal is not None:
            raise ValueError("env must have all actions legal at all times, got an action mask")
        states = frame.rows.astype(np.uint8)
        if words is None:
            if self.view.num_envs == 1:
                return self.plan(0).act(states, 0)
            columns = range(self.view.num_envs)
            return np.concatenate([self.plan(b).act(states[:, b : b + 1], 0) for b in columns], 1)
        if self._seen is None or self._plans_at == 0:
            return draw(self._chances, words)
        assert isinstance(self.exploration, EpsilonGreedy)
        planned = self._followed[self._seen.entries(states), np.arange(self.view.num_envs)]
        return self.exploration.mix(planned, self.view.n_actions, words)

    def begin_episode(self) -> None:
        """Forget what an interrupted episode may have left."""
        self._steps = []

    def observe(self, frame: Frame, actions: NDArray[np.integer], transition: Transition) -> None:
        """Note the step."""
        if frame.live is not None:
            raise ValueError("env must keep all agents in all columns to the end of the episode")
        rewards = transition.rewards if self._regressions else transition.local
        team = global_reward(transition) if self._regressions else None
        self._steps.append(_Step(frame.rows, actions, rewards, transition.frame.rows, team))

    def end_episode(self, episode: Episode) -> None:
        """Count the episode; plan anew after 1, 2, 4 … episodes where the exploration follows a plan."""
        self._horizon = episode.length(self._horizon)
        self._count()
        seen = self.episodes + 1
        if self._seen is not None and seen & (seen - 1) == 0:
            for b in range(self.view.num_envs):
                policy = _ascend(self.model(b), self.config, b)
                self._followed[:, b] = policy.table
            self._plans_at = seen

    def get_arrays(self) -> dict[str, NDArray[Any]]:
        """Return the counts, what the regressions keep, and the policies that are followed."""
        return {
            **self.counts.get_arrays(),
            "horizon": np.array(self._horizon),
            "followed": self._followed,
            "plans_at": np.array(self._plans_at),
            **(pack(self._regressions) if self._regressions else {}),
        }

    def set_arrays(self, arrays: dict[str, NDArray[Any]]) -> None:
        """Go on from these counts, regressions and policies."""
        if arrays["followed"].max(initial=0) >= self.view.n_actions:
            raise ValueError("followed has actions that aren't there")
        self.counts.set_arrays(arrays)
        self._horizon, self._plans_at = int(arrays["horizon"]), int(arrays["plans_at"])
        self._followed, self._planned = arrays["followed"], (0, {})
        if self._regressions:
            unpack(self._regressions, arrays)

    def _restore(self, meta: dict[str, Any], arrays: dict[str, NDArray[Any]]) -> None:
        """Restore as any learner, once there is room for the steps."""
        if self._regressions:
            make_rooms(self._regressions, arrays["learnt_steps"], arrays["learnt_kept"])
        super()._restore(meta, arrays)

    def _make_regressions(self) -> list[Regression]:
        """Return a regression for each column for global rewards, none for local ones."""
        if self.config.rewards == "local":
            return []
        view = self.view
        return make_regressions(view.n_agents, view.n_rows * view.n_actions, view.num_envs)

    def _count(self) -> None:
        """Add the episode to the counts and to the regressions."""
        steps, self._steps = self._steps, []
        self.counts.start(steps[0].states)
        for step in steps:
            self.counts.add(step.states, step.actions, step.rewards, step.next_states)
        if not self._regressions:
            return
        n, a = self.view.n_agents, self.view.n_actions
        cells = np.stack([step.states * a + step.actions for step in steps])
        totals = n * np.stack([step.team for step in steps if step.team is not None])
        present = np.full(len(totals), float(n))
        for b, regression in enumerate(self._regressions):
            regression.add(np.ascontiguousarray(cells[:, :, b]), present, totals[:, b])


class TransitionCounts(OwnsArrays):
    """Counts in B columns, each a set of episodes of its own.

    The estimates are the paper's (Bagnell & Ng 2005, §4): frequencies for P(s_i' | s_i, s_parents(i), a_i), uniform
    where the configuration and action were never seen; mean own rewards for R_i(s_i, a_i), 0 where never seen. First
    states are frequencies too, uniform before the first episode.

    Args:
        edges: ``int64[E, 2]``, sorted (source, target): which states each agent's next one may depend on.
        n_agents: n.
        n_states: |S|.
        n_actions: |A|.
        num_envs: B.

    Attributes:
        transitions: ``int64[C, A, S, B]``: next states by configuration (as in `Scopes`) and own action.
        rewards: ``float64[n, S, A, B]``: sums of own rewards by own state and action.
        visits: ``int64[n, S, A, B]``: how many.
        starts: ``int64[n, S, B]``: first states.

    Raises:
        ValueError: An agent depends on so many others that the table would be too large.
    """

    def __init__(
        self, edges: Edges, n_agents: int, n_states: int, n_actions: int, num_envs: int
    ) -> None:
        self.edges = edges
        width = n_actions * n_states * num_envs
        self.scopes = Scopes(n_states, sources_of(edges, n_agents), width, "transition counts")
        entries = self.scopes.n_entries
        self.transitions = np.zeros((entries, n_actions, n_states, num_envs), np.int64)
        self.rewards = np.zeros((n_agents, n_states, n_actions, num_envs))
        self.visits = np.zeros(self.rewards.shape, np.int64)
        self.starts = np.zeros((n_agents, n_states, num_envs), np.int64)
        self._agent = np.arange(n_agents)[:, None]
        self._column = np.arange(num_envs)

    def start(self, states: NDArray[np.integer]) -> None:
        """Count first states ``[n, B]``."""
        self.starts[self._agent, states, self._column] += 1

    def add(
        self,
        states: NDArray[np.integer],
        actions: NDArray[np.integer],
        rewards: NDArray[np.floating],
        next_states: NDArray[np.integer],
    ) -> None:
        """Count a step, all arrays ``[n, B]``."""
        # No two agents or columns share an entry, so that a plain += counts all of them.
        entries = self.scopes.entries(states)
        self.transitions[entries, actions, next_states, self._column] += 1
        self.visits[self._agent, states, actions, self._column] += 1
        self.rewards[self._agent, states, actions, self._column] += rewards

    def get_arrays(self) -> dict[str, NDArray[Any]]:
        """Return the counts by name."""
        return {name: getattr(self, name) for name in _COUNTED}

    def set_arrays(self, arrays: dict[str, NDArray[Any]]) -> None:
        """Go on from these counts, which may be among other arrays."""
        vars(self).update({name: arrays[name] for name in _COUNTED})

    def model(self, column: int, horizon: int) -> FactoredMDP:
        """Return one column's estimate."""
        visits = self.visits[..., column]
        return FactoredMDP(
            edges=self.edges,
            transition=_frequencies(self.transitions[..., column]),
            reward=self.rewards[..., column] / np.maximum(visits, 1),
            start=_frequencies(self.starts[..., column]),
            horizon=horizon,
        )


def _frequencies(counts: NDArray[np.int64]) -> NDArray[np.float64]:
    """Return shares along the last axis, uniform where nothing was counted."""
    totals = counts.sum(axis=-1, keepdims=True)
    return np.asarray(np.where(totals > 0, counts / np.maximum(totals, 1), 1 / counts.shape[-1]))


class _Step(NamedTuple):
    """What the counts need of a step."""

    states: NDArray[np.intp]  # [n, B]
    actions: NDArray[np.integer]  # [n, B]
    rewards: NDArray[Any]  # [n, B]
    next_states: NDArray[np.intp]  # [n, B]
    team: NDArray[np.float64] | None  # [B], the global reward, where that is learnt from


def _ascend(model: FactoredMDP, config: ModelBasedConfig, column: int) -> TablePolicy:
    policy_class = find_policy_class(config.policy_class)
    episodes, seed = config.planning_episodes, config.seed + column
    return coordinate_ascent(model, policy_class, episodes=episodes, seed=seed).policy


_PLANNERS: Final[dict[str, Callable[[FactoredMDP, ModelBasedConfig, int], JointPolicy]]] = {
    "coordinate-ascent": _ascend,
    "value-iteration": lambda model, config, column: value_iteration(model).policy,
    "linear-program": lambda model, config, column: approximate_linear_program(model).policy,
}
