"""The mode ``ansi``, word for word."""

from __future__ import annotations

import re
from itertools import pairwise

import numpy as np
import pytest

import crl_envs
from tests.rendering.playing import BANDIT, LOAD, SYSADMIN


def test_bandit() -> None:
    env = crl_envs.make(BANDIT, n_agents=3, p_correct=1.0, p_wrong=0.0, render_mode="ansi")
    right = env.world.correct_action.tolist()
    env.reset(seed=0)
    assert env.render() == (
        "Bandit, 3 agents\n"
        "trial 1: nobody has acted yet · optimum 1.00\n"
        "agent         0 1 2\n"
        f"right action  {' '.join(map(str, right))}\n"
        "action        - - -\n"
        "reward        - - -\n"
    )
    env.step(dict(zip(env.agents, [right[0], right[1], 1 - right[2]], strict=True)))
    assert env.render() == (
        "Bandit, 3 agents\n"
        "trial 1 · return 0.67 (mean over agents) · optimum 1.00 · 2 of 3 right\n"
        "agent         0 1 2\n"
        f"right action  {' '.join(map(str, right))}\n"
        f"action        {right[0]} {right[1]} {1 - right[2]}\n"
        "reward        1 1 0\n"
    )


def test_sysadmin() -> None:
    """All machines are up and reboot: nothing is earned, and all are up for sure."""
    env = crl_envs.make(SYSADMIN, n_agents=4, topology="star", start_up=1.0, render_mode="ansi")
    env.reset(seed=0)
    env.step(dict.fromkeys(env.agents, 1))
    assert env.render() == (
        "SYSADMIN, 4 machines, dynamics ring\n"
        "step 1 of 20 · return 0.00 (mean over machines) · 4 of 4 up\n"
        "up, DN: down; R: rebooted in the last step\n"
        "agent      0  1  2  3\n"
        "state     up up up up\n"
        "rebooted   R  R  R  R\n"
        "reward     0  0  0  0\n"
    )


def test_load_balancing() -> None:
    """Agent 0 hands the first load to agent 1, which stores it; agent 0 stores the second."""
    env = crl_envs.make(LOAD, n_agents=5, capacity=2, server_capacity=9, render_mode="ansi")
    env.reset(seed=0)
    env.step({a: 2 * (a == "agent_0") for a in env.agents})
    assert env.render() == (
        "Load balancing, 5 agents on a circulant graph, discrete cost model\n"
        "step 1 · return -2.40 (mean over agents) · optimum -132.0 · 0 of 24 places taken, 1 in flight\n"
        "E: entry, S: server\n"
        "delegated: 0 -> 1\n"
        "agent     0 1 2 3 4\n"
        "loads     0 0 0 0 0\n"
        "capacity  2 2 9 9 2\n"
        "queue     0 1 0 0 0\n"
        "marks     E   S S\n"
    )
    env.step({a: int(a == "agent_1") for a in env.agents})
    env.step({a: int(a == "agent_0") for a in env.agents})
    assert env.render().splitlines()[1:] == [
        "step 3 · return -2.40 (mean over agents) · optimum -132.0 · 2 of 24 places taken, 1 in flight",
        "E: entry, S: server",
        "agent     0 1 2 3 4",
        "loads     1 1 0 0 0",
        "capacity  2 2 9 9 2",
        "queue     1 0 0 0 0",
        "marks     E   S S",
    ]


def test_twenty_agents_a_line() -> None:
    env = crl_envs.make(SYSADMIN, n_agents=45, render_mode="ansi")
    env.reset(seed=0)
    lines = env.render().splitlines()
    numbers = [line.split()[1:] for line in lines if line.startswith("agent")]
    assert [len(row) for row in numbers] == [20, 20, 5]
    assert [entry for row in numbers for entry in row] == [str(i) for i in range(45)]
    rows = [line.split()[1:] for line in lines if line.startswith("state")]
    states = [entry for row in rows for entry in row]
    assert [s == "up" for s in states] == (env.state() == 1).tolist()


@pytest.mark.parametrize("n", [100, 137, 5000])
def test_blocks_of_many(n: int) -> None:
    """Twenty blocks that have everybody, with their means and bars of that length."""
    env = crl_envs.make(SYSADMIN, n_agents=n, render_mode="ansi")
    env.reset(seed=0)
    rows = [
        re.fullmatch(r" *(\d+) - *(\d+) +([\d.]+) (#*\.*)", line)
        for line in env.render().splitlines()
    ]
    blocks = [row.groups() for row in rows if row]
    assert len(blocks) == 20
    ends = [(int(first), int(last)) for first, last, _, _ in blocks]
    assert ends[0][0] == 0
    assert ends[-1][1] == n - 1
    assert all(last + 1 == first for (_, last), (first, _) in pairwise(ends))
    for (first, last), (_, _, mean, bar) in zip(ends, blocks, strict=True):
        expected = float(env.state()[first : last + 1].mean())
        assert mean == f"{expected:.3f}"
        assert len(bar) == 40
        assert abs(bar.count("#") - 40 * expected) <= 0.5


def test_blocks_before_anybody_has_acted() -> None:
    env = crl_envs.make(BANDIT, n_agents=300, render_mode="ansi")
    env.reset(seed=0)
    assert env.render().count("nan " + "." * 40) == 20
    _, rewards, *_ = env.step(dict.fromkeys(env.agents, 0))
    assert "nan" not in env.render()
    assert f"return {np.mean(list(rewards.values())):.2f}" in env.render()
