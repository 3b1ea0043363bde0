"""One stream, three views, for every dynamics, topology, observation and size of SYSADMIN."""

from __future__ import annotations

from typing import Any

import networkx as nx
import numpy as np
import pytest

import crl_envs
from crl_envs.core.backend import HEAD_START
from crl_envs.sysadmin import numpy_kernel
from crl_envs.sysadmin.world import make_world
from tests.views import (
    BACKENDS,
    assert_backends_agree,
    assert_verbs_agree,
    assert_views_agree,
)

LOPSIDED = nx.DiGraph(
    [(0, 1), (0, 2), (1, 2), (3, 2), (2, 4), (4, 5)]
)  # in-degrees 0, 1, 3, 0, 1, 1

CASES: list[dict[str, Any]] = [
    {"n_agents": 1},
    {"n_agents": 1, "dynamics": "status-load", "observe": "neighborhood"},
    {"n_agents": 2, "relabel": True},
    {"n_agents": 3, "dynamics": "ippc2011", "observe": "neighborhood"},
    {"n_agents": 8, "relabel": True, "start_up": 0.9, "horizon": 7},
    {
        "n_agents": 9,
        "dynamics": "ring-bidirectional",
        "topology": "grid",
        "observe": "neighborhood",
    },
    {"n_agents": 10, "dynamics": "ippc2011", "topology": "random", "relabel": True},
    {"n_agents": 11, "dynamics": "status-load", "topology": "ring_of_rings", "relabel": True},
    {"n_agents": 7, "topology": "star"},
    {"topology": LOPSIDED, "dynamics": "status-load", "observe": "neighborhood"},
    {"topology": LOPSIDED, "dynamics": "ippc2011", "horizon": 1},
    {"n_agents": 6, "dynamics": "ring-bidirectional", "topology": "legs", "horizon": 3},
    {"n_agents": 7, "dynamics": "lock", "relabel": True, "start_up": 0.3, "horizon": 6},
]
# More agents than a block of the Numba kernel for one column (4096).
LARGE: list[tuple[dict[str, Any], int]] = [
    ({"n_agents": 4097}, 1),
    ({"n_agents": 2051, "dynamics": "ring-bidirectional"}, 8),
    ({"n_agents": 2051, "dynamics": "status-load"}, 8),
    ({"n_agents": 1025, "relabel": True}, 2),
]


def named(kwargs: dict[str, Any]) -> str:
    """A name for the test that doesn't change from process to process."""
    words = ("graph" if isinstance(value, nx.Graph) else str(value) for value in kwargs.values())
    return "-".join(words)


@pytest.mark.parametrize("kwargs", CASES, ids=named)
def test_one_stream_three_views(kwargs: dict[str, Any]) -> None:
    played = assert_views_agree("crl/sysadmin-v0", kwargs, 300, num_envs=3, seed=2**40)
    assert played.episodes >= 3 * 14
    assert played.terminated == played.illegal == 0


@pytest.mark.parametrize(
    ("kwargs", "num_envs"), LARGE, ids=lambda v: named(v) if isinstance(v, dict) else str(v)
)
def test_many_agents(kwargs: dict[str, Any], num_envs: int) -> None:
    """Column by column as in the dict view, over two episodes."""
    kwargs = kwargs | {"horizon": 6}
    played = assert_views_agree("crl/sysadmin-v0", kwargs, 16, num_envs, seed=1)
    assert played.episodes == 2 * num_envs


@pytest.mark.parametrize("columns", [15, 16, 37])
@pytest.mark.parametrize("dynamics", ["ring", "ring-bidirectional", "ippc2011", "status-load"])
@pytest.mark.parametrize("topology", ["ring", "star", "grid"])
def test_few_and_many_columns(
    dynamics: str, topology: str, columns: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Kernels go through many columns by other loops, and through long tables (the star's) by others again."""
    monkeypatch.setenv(HEAD_START, "0")
    assert_backends_agree(
        "crl/sysadmin-v0", columns, n_agents=41, dynamics=dynamics, topology=topology, relabel=True
    )


@pytest.mark.parametrize("backend", BACKENDS)
@pytest.mark.parametrize("kwargs", [*CASES, {"n_agents": 5000}, {"n_agents": 4097}], ids=named)
def test_verbs(kwargs: dict[str, Any], backend: str) -> None:
    steps = 30 if kwargs.get("n_agents", 0) < 1000 else 3
    assert_verbs_agree(make_world(**kwargs, backend=backend), steps, num_envs=3)


@pytest.mark.parametrize("dynamics", ["ring", "ring-bidirectional", "lock", "status-load"])
@pytest.mark.parametrize("num_envs", [1, 3])
def test_blocks_of_the_numpy_kernels(
    dynamics: str, num_envs: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Two agents at a time, some, all at once, or the short way for few."""
    runs = []
    for block, few in ((1, 0), (64, 0), (2**30, 0), (2**30, 2**30)):
        monkeypatch.setattr(numpy_kernel, "_BLOCK", block)
        monkeypatch.setattr(numpy_kernel, "_FEW", few)
        vec = crl_envs.make_vec(
            "crl/sysadmin-v0", num_envs, n_agents=101, dynamics=dynamics, backend="numpy"
        )
        vec.reset(seed=6)
        actions = np.zeros((num_envs, 101), np.uint8)
        runs.append([(vec.step(actions)[1].tobytes(), vec.state().tobytes()) for _ in range(8)])
    assert runs[1:] == runs[:1] * 3


@pytest.mark.parametrize(
    "dynamics", ["ring", "ring-bidirectional", "ippc2011", "lock", "status-load"]
)
def test_relabelling_only_relabels(dynamics: str) -> None:
    """The same runs, bit for bit, when each agent's action is exchanged where its labels are."""
    kwargs = {"n_agents": 40, "dynamics": dynamics}
    plain = crl_envs.make_vec("crl/sysadmin-v0", 4, **kwargs)
    hidden = crl_envs.make_vec("crl/sysadmin-v0", 4, **kwargs, relabel=True)
    swap = hidden.world.swap[:, 0]
    assert 0 < swap.sum() < 40
    rng = np.random.default_rng(0)
    np.testing.assert_array_equal(plain.reset(seed=9)[0], hidden.reset(seed=9)[0])
    for _ in range(45):
        actions = rng.integers(2, size=(4, 40))
        for one, other in zip(
            plain.step(actions)[:4], hidden.step(actions ^ swap)[:4], strict=True
        ):
            assert one.tobytes() == other.tobytes()


def test_relabelling_comes_from_the_instance_seed() -> None:
    """Half of the agents on average: 20,000 fair coins, 5 standard deviations (false alarm 6e-7)."""
    swaps = [make_world(n_agents=20_000, relabel=True, instance_seed=s).swap for s in (0, 0, 1)]
    np.testing.assert_array_equal(swaps[0], swaps[1])
    assert abs(swaps[0].mean() - 0.5) < 5 * 0.5 / np.sqrt(20_000)
    assert abs((swaps[0] != swaps[2]).mean() - 0.5) < 5 * 0.5 / np.sqrt(20_000)
