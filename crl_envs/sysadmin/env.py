"""``crl/sysadmin-v0``: spaces, names and documentation of SYSADMIN."""

from __future__ import annotations

from typing import Any

from crl_envs.core.parallel import WorldEnv
from crl_envs.factored import FactoredMDP
from crl_envs.sysadmin.factored_model import factored_model
from crl_envs.sysadmin.layout import SysadminLayout
from crl_envs.sysadmin.status_load import StatusLoadWorld
from crl_envs.sysadmin.transition_model import TransitionModel, transition_model
from crl_envs.sysadmin.world import SysadminWorld


def make_world(**kwargs: Any) -> SysadminLayout:
    """The world for the given arguments (see `SysadminEnv`)."""
    if kwargs.get("dynamics") == "status-load":
        return StatusLoadWorld(**kwargs)
    return SysadminWorld(**kwargs)


class SysadminEnv(WorldEnv):
    """Machines in a network fail, faster when their neighbours are down; each agent may reboot its own.

    ## Description
    n machines on a graph, by default a directed ring. A machine that is up may go down, more likely when a parent
    (the machine before it on the ring) is down; one that is down rarely comes back by itself. A reboot brings it
    up for sure, but a machine that reboots earns nothing in that step. The problem on which Bagnell & Ng (2005,
    §5, Figure 3) compare REINFORCE on local and on global rewards.

    P(up next) in the default ``dynamics="ring"``: .95 (own up, parent up), .475 (own up, parent down), .0475 (own
    down, parent up), .0238 (both down), 1 (rebooted).

    ## Action Space
    ``Discrete(2)``: 0 leaves the machine alone, 1 reboots it. Both are always legal.

    ## Observation Space
    ``observe="own"``: ``Discrete(2)``, 0 down, 1 up (``Discrete(9)`` = 3·status + load in ``status-load``).
    ``observe="neighborhood"``: ``MultiDiscrete`` of own state and those of ``infos[agent]["neighbors"]`` in that
    order; where agents have different numbers of neighbours, one extra value marks nobody. ``state()`` is
    ``uint8[n]``, all machines' states.

    ## Starting State
    Each machine is up with probability `start_up`, independently (in ``status-load``: good, else faulty; idle).

    ## Reward
    Local: 1 in a step that starts up without rebooting, else 0. ``ippc2011``: up − 0.75 · reboot.
    ``status-load``: 1 in a step that starts with a completed job.

    ## Episode End
    Truncated after `horizon` steps; never terminated.

    ## Information
    ``action_mask`` (all ones) and ``neighbors``. ``metrics()``: ``up``, the share of machines that are up.

    ## Arguments

    Args:
        n_agents: Number of machines; 10, or the number of nodes of `topology` when that is a graph.
        dynamics: ``"ring"``; ``"ring-bidirectional"``: up with .95 · .5^(neighbours down), times .05 when itself
            down; ``"ippc2011"``: .45 + .5 (1 + neighbours up)/(1 + neighbours) when up, .1 when down;
            ``"status-load"``: see `crl_envs.sysadmin.status_load.StatusLoadWorld`.
        topology: ``"ring"`` (directed in the dynamics ``"ring"``, else both ways), ``"star"``, ``"legs"``,
            ``"ring_of_rings"``, ``"grid"``, ``"random"`` or a networkx graph (an edge is an influence).
        observe: ``"own"`` or ``"neighborhood"``.
        relabel: Hide, for a random half of the agents, a swap of the two actions.
        horizon: Steps of an episode T.
        start_up: Probability of starting up.
        instance_seed: Seed of the relabelling and of the random topology, apart from the episodes' seed.
        backend: ``"auto"``, ``"numpy"`` or ``"numba"``; the same results.
        render_mode: None.

    Raises:
        ValueError: An argument out of its range.

    ## Known Optimum
    ``optimum()``: exact for n ≤ 14 on rings and n ≤ 9 on other graphs. Beyond, `value` is an upper bound and `lower`
    what a known policy earns (on rings a simulated mean minus four standard errors). On rings the two are within .03 %
    of each other for every n, on other graphs far apart.

    ## Scaling Knob
    `n_agents`.

    ## References
    Bagnell & Ng 2005, "On Local Rewards and Scaling Distributed Reinforcement Learning", §5. Guestrin, Koller &
    Parr 2001, "Multiagent Planning with Factored MDPs"; Guestrin, Koller, Parr & Venkataraman 2003, "Efficient
    Solution Algorithms for Factored MDPs".

    ## Version History
    v0: first release.
    """

    metadata = WorldEnv.metadata | {"name": "crl/sysadmin-v0"}
    world: SysadminLayout

    make_world = staticmethod(make_world)

    def __init__(
        self,
        n_agents: int | None = None,
        dynamics: str = "ring",
        topology: Any = "ring",
        observe: str = "own",
        relabel: bool = False,
        horizon: int = 20,
        start_up: float = 0.5,
        instance_seed: int = 0,
        backend: str = "auto",
        render_mode: str | None = None,
    ) -> None:
        world = make_world(
            n_agents=n_agents,
            dynamics=dynamics,
            topology=topology,
            observe=observe,
            relabel=relabel,
            horizon=horizon,
            start_up=start_up,
            instance_seed=instance_seed,
            backend=backend,
        )
        super().__init__(world, render_mode)

    def transition_model(self) -> TransitionModel:
        """Explicit tables P(s'|s, a), R_i(s, a) and the start distribution of a binary world, n ≤ 5.

        Raises:
            ValueError: More than five machines, or ``dynamics="status-load"``.
        """
        if not isinstance(self.world, SysadminWorld):
            raise ValueError("transition_model() needs binary dynamics, got dynamics='status-load'")
        return transition_model(self.world)

    def factored_model(self) -> FactoredMDP:
        """The machines' probabilities and rewards as tables, for any n: what a learnt model is compared with.

        Raises:
            ValueError: A machine has so many parents that its table would be too large.
        """
        return factored_model(self.world)
