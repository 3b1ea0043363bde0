"""A problem's fields are its environment's arguments: signature, page, and which of them were changed."""

from __future__ import annotations

import inspect
import re
from dataclasses import dataclass, fields
from typing import Any

import networkx as nx
import numpy as np
import pytest

import crl_envs
from crl_envs.bandit import BanditEnv, BanditProblem
from crl_envs.core.problem import changed, documented_by
from crl_envs.load_balancing import LoadBalancingEnv, LoadBalancingProblem
from crl_envs.sysadmin import SysadminEnv, SysadminProblem

ENVS = {
    BanditEnv: BanditProblem,
    LoadBalancingEnv: LoadBalancingProblem,
    SysadminEnv: SysadminProblem,
}


@pytest.mark.parametrize(("env", "problem"), ENVS.items())
def test_signature_and_page_have_every_field(env: Any, problem: Any) -> None:
    parameters = inspect.signature(env).parameters
    assert list(parameters) == [*(f.name for f in fields(problem)), "render_mode", "encode"]
    for field in fields(problem):
        assert parameters[field.name].default == field.default
        assert parameters[field.name].annotation == field.type
        assert f"\n    {field.name}: " in env.__doc__
    assert "The fields of" not in env.__doc__
    assert not re.search(r"\{\w+\}", problem.__doc__)


@pytest.mark.parametrize(("env", "problem"), ENVS.items())
def test_arguments_go_by_position_and_by_name(env: Any, problem: Any) -> None:
    first, second = fields(problem)[:2]
    given = {first.name: 6, second.name: second.default}
    assert env(6, second.default).world.problem == env(**given).world.problem == problem(**given)
    defaults = [getattr(problem(), field.name) for field in fields(problem)]
    assert env(*defaults, "ansi").render_mode == "ansi"
    with pytest.raises(TypeError, match=f"{env.__name__}.*unexpected keyword argument 'n_agent'"):
        env(n_agent=6)
    with pytest.raises(TypeError, match=f"{env.__name__}.*multiple values for argument 'n_agents'"):
        env(6, n_agents=6)
    with pytest.raises(ValueError, match="for dicts"):
        env(10**9)


def test_a_subclass_has_a_signature_of_its_own() -> None:
    class Own(BanditEnv):
        def __init__(self, n: int = 3) -> None:
            super().__init__(n_agents=n)

    class Same(BanditEnv):
        pass

    assert list(inspect.signature(Own).parameters) == ["n"]
    assert inspect.signature(Same) == inspect.signature(BanditEnv)


def test_a_class_without_a_page() -> None:
    @dataclass(frozen=True)
    class Problem:
        n_agents: int = 3

    @documented_by(Problem)
    class Env:
        def __init__(self, **arguments: Any) -> None:
            self.arguments = arguments

    assert Env.__doc__ is None
    assert str(inspect.signature(Env)) == "(n_agents: 'int' = 3)"


@pytest.mark.parametrize(
    ("given", "names"),
    [
        ({}, set()),
        ({"capacity": np.int64(20), "message_loss": 0, "memory": np.False_}, set()),
        ({"capacity": [20] * 50, "servers": [1]}, {"capacity", "servers"}),
        ({"topology": nx.path_graph(3), "entries": (0,)}, {"topology", "entries"}),
        ({"capacity": np.full(50, 20)}, {"capacity"}),
    ],
)
def test_which_were_changed(given: dict[str, Any], names: set[str]) -> None:
    problem = LoadBalancingProblem(**given)
    assert changed(problem) == problem.changed == names
    world = crl_envs.make_vec("crl/load_balancing-v0", **given).world
    assert world.changed == problem.changed
