"""A ParallelEnv as somebody else would write it: agents on a graph pass parcels on until one reaches its target."""

from __future__ import annotations

from typing import Any, ClassVar

import networkx as nx
import numpy as np
from gymnasium import spaces
from pettingzoo import ParallelEnv

# The only shortest way from a to f leads over b and d.
GRAPH = nx.DiGraph({"a": "bc", "b": "da", "c": "aeb", "d": "fb", "e": "c", "f": "dec"})


class Relay(ParallelEnv):
    """One parcel at a time starts at a and must get to f, whose agent alone can deliver it.

    Actions of an agent with k successors: 0 wait (legal without the parcel), 1 deliver, 2 … 1 + k pass on. Passing on
    costs 1 and the link 1; delivering anywhere but at f costs 5 and fails. A message is lost with probability `loss`.

    Args:
        parcels: Deliveries of an episode.
        tells: What stands in the infos beside `action_kinds`, `dop` and the masks.
        topology: Whether ``env.topology`` is the graph.
        observes: ``"nothing"``: a Box that no table can hold; ``"urgency"``: Discrete(2), whether the parcel is
            urgent. Delivering an ordinary parcel costs 0.5 everywhere and succeeds; an urgent one is as above.
        loss: Probability of losing a message.
        horizon: Steps until truncation.
    """

    metadata: ClassVar[dict[str, Any]] = {"name": "relay", "render_modes": []}
    render_mode = None

    def __init__(
        self,
        parcels: int = 40,
        tells: tuple[str, ...] = ("neighbors", "connection_cost"),
        topology: bool = False,
        observes: str = "nothing",
        loss: float = 0.0,
        horizon: int = 5000,
    ) -> None:
        self.possible_agents = list("fedcba")
        self.agents: list[str] = []
        self.parcels, self.tells, self.observes, self.loss = parcels, tells, observes, loss
        self.horizon = horizon
        self.successors = {a: list(GRAPH.successors(a)) for a in self.possible_agents}
        self.trips: list[int] = []  # actions that each parcel took, over all episodes
        self.strays = 0  # urgent parcels "delivered" elsewhere, which fails
        if topology:
            self.topology = GRAPH
        self._rng = np.random.default_rng(0)
        self._observed = {
            a: spaces.Discrete(2) if observes == "urgency" else spaces.Box(-np.inf, np.inf, (2,))
            for a in self.possible_agents
        }
        self._acted = {a: spaces.Discrete(2 + len(s)) for a, s in self.successors.items()}

    def observation_space(self, agent: str) -> Any:
        return self._observed[agent]

    def action_space(self, agent: str) -> Any:
        return self._acted[agent]

    def reset(self, seed: int | None = None, options: Any = None) -> Any:
        if seed is not None:
            self._rng = np.random.default_rng(seed)
        self.agents = self.possible_agents[:]
        self._left, self._t = self.parcels, 0
        self._start()
        return self._observe(), self._tell()

    def step(self, actions: dict[str, Any]) -> Any:
        assert set(actions) == set(self.agents)
        self._t += 1
        self._trip += 1
        holder = self._holder
        dop, reward, link = self._act(holder, int(actions[holder]))
        infos_of = {holder: (dop, link)}
        if dop == "solved":
            self.trips.append(self._trip)
            self._left -= 1
            self._start()
        agents = self.agents
        rewards = {a: reward if a == holder else 0.0 for a in agents}
        done, late = self._left == 0, self._left > 0 and self._t == self.horizon
        if done or late:
            self.agents = []
        return (
            self._observe(),
            rewards,
            dict.fromkeys(agents, done),
            dict.fromkeys(agents, late),
            self._tell(infos_of),
        )

    def _start(self) -> None:
        self._holder, self._trip = "a", 0
        self._urgent = self.observes == "nothing" or bool(self._rng.random() < 0.5)

    def _act(self, holder: str, action: int) -> tuple[str, float, float]:
        """What became of the parcel, the reward and the link's part of it."""
        assert action >= 1, "waiting is illegal with the parcel"
        if action == 1:
            if not self._urgent:
                return "solved", -0.5, 0.0
            self.strays += holder != "f"
            return ("solved", 0.0, 0.0) if holder == "f" else ("kept", -5.0, 0.0)
        if self.loss and self._rng.random() < self.loss:
            return "kept", -1.0, -1.0
        self._holder = self.successors[holder][action - 2]
        return "delegated", -2.0, -1.0

    def _observe(self) -> dict[str, Any]:
        if self.observes == "urgency":
            return dict.fromkeys(self.possible_agents, int(self._urgent))
        return {a: np.zeros(2, np.float32) for a in self.possible_agents}

    def _tell(self, outcomes: dict[str, tuple[str, float]] | None = None) -> dict[str, Any]:
        infos = {}
        for agent, others in self.successors.items():
            has = agent == self._holder
            dop, link = (outcomes or {}).get(agent, ("none", 0.0))
            info = {
                "action_mask": np.array([not has] + [has] * (1 + len(others)), np.int8),
                "action_kinds": ("noop", "local", *["delegation"] * len(others)),
                "neighbors": tuple(others),
                "dop": dop,
                "connection_cost": link,
            }
            optional = ("neighbors", "connection_cost")
            infos[agent] = {k: v for k, v in info.items() if k not in optional or k in self.tells}
        return infos
