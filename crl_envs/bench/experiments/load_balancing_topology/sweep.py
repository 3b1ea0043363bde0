"""Values, tasks and budgets of ``load-balancing-topology``.

- The budget is one episode, a filling; nothing is learnt before it.
- ε = .02, as in ``load-balancing-n``.
- The small world and the scale-free graph are those that networkx draws with seed 1; the graph is in a run's record.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from crl_envs.bench.experiments.experiment import Task
from crl_envs.bench.experiments.filling import filling

if TYPE_CHECKING:
    import networkx as nx

N_AGENTS: Final = 25
_SERVERS: Final = (22, 23)
_SEED: Final = 1


def task(topology: str) -> Task:
    """25 agents on that graph."""
    if topology in ("grid", "random"):
        return Task("crl/load_balancing-v0", {"n_agents": N_AGENTS, "topology": topology})
    return Task("crl/load_balancing-v0", {"topology": _graph(topology), "servers": _SERVERS})


def _graph(topology: str) -> nx.Graph:
    import networkx as nx

    if topology == "small_world":
        return nx.connected_watts_strogatz_graph(N_AGENTS, 4, 0.2, seed=_SEED)
    if topology == "scale_free":
        return nx.barabasi_albert_graph(N_AGENTS, 2, seed=_SEED)
    return nx.convert_node_labels_to_integers(nx.grid_2d_graph(5, 5, periodic=True))


SWEEP: Final = filling(
    values=("grid", "random", "small_world", "scale_free", "torus"),
    quick=("grid", "scale_free"),
    task=task,
    epsilon=0.02,
)
