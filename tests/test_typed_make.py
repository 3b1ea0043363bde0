"""`make` and its siblings are typed by id: mypy knows the arguments and what is made."""

from __future__ import annotations

import re
import subprocess
import sys
from dataclasses import fields
from importlib import import_module
from pathlib import Path
from typing import Any

import pytest

import crl_envs
from tests.worlds import needed

ROOT = Path(__file__).parent.parent
WORLDS = {
    "access": "Access",
    "bandit": "Bandit",
    "bar": "Bar",
    "broadcast": "Broadcast",
    "consensus": "Consensus",
    "coordination_game": "CoordinationGame",
    "dec_pomdp": "DecPOMDP",
    "epidemic": "Epidemic",
    "firefighting": "Firefighting",
    "load_balancing": "LoadBalancing",
    "local_rule": "LocalRule",
    "routing": "Routing",
    "sysadmin": "Sysadmin",
    "tiger": "Tiger",
    "traffic": "Traffic",
}
# Modules of problems that aren't in a package of their own.
MODULES = {name: f"local_rule.{name}" for name in ("consensus", "epidemic")} | dict.fromkeys(
    ("broadcast", "dec_pomdp", "tiger"), "decpomdp.problem"
)

# Each line with what mypy says of it: the revealed type, or a part of the error.
SNIPPETS = [
    (
        'reveal_type(crl_envs.make("crl/sysadmin-v0", n_agents=3, dynamics="ippc2011", render_mode="ansi"))',
        '"crl_envs.sysadmin.env.SysadminEnv"',
    ),
    ('reveal_type(crl_envs.make("crl/bandit-v0"))', '"crl_envs.bandit.env.BanditEnv"'),
    (
        'reveal_type(crl_envs.make("crl/load_balancing-v0", capacity=[1, 2], n_loads="endless"))',
        '"crl_envs.load_balancing.env.LoadBalancingEnv"',
    ),
    (
        'reveal_type(crl_envs.make_vec("crl/bandit-v0", 2, n_agents=3, autoreset_mode="Disabled"))',
        '"crl_envs.core.vector.WorldVectorEnv"',
    ),
    (
        'reveal_type(crl_envs.make_gym_vec("crl/sysadmin-v0", num_envs=2, horizon=3))',
        '"crl_envs.core.agent_vector.AgentVectorEnv"',
    ),
    ('reveal_type(crl_envs.make_vec("them/own-v0", a=1))', '"crl_envs.core.vector.WorldVectorEnv"'),
    (
        'reveal_type(crl_envs.make("crl/sysadmin-v0", n_agents=3, encode="onehot"))',
        '"crl_envs.sysadmin.env.SysadminEnv"',
    ),
    ('crl_envs.make("crl/bandit-v0", masks="observation", n_agents=3).reset(seed=0)', ""),
    ('crl_envs.make("crl/bandit-v0", infos="numeric", masks="observation").reset(seed=0)', ""),
    (
        'crl_envs.make("crl/sysadmin-v0", encode="binary").reset(seed=0)',
        '"WrongArguments" has no attribute',
    ),
    ('crl_envs.make("crl/sysadmin-v0", n_agents=3).reset(seed=0)', ""),
    ('crl_envs.make("crl/sysadmin-v0", **settings).reset(seed=0)', ""),
    ('crl_envs.make("them/own-v0", whatever=3).reset(seed=0)', ""),
    ("crl_envs.make(id, whatever=3).reset(seed=0)", ""),
    (
        'crl_envs.make("crl/sysadmin-v0", n_agent=3).reset(seed=0)',
        '"WrongArguments" has no attribute',
    ),
    (
        'crl_envs.make("crl/sysadmin-v0", n_agents="3").reset(seed=0)',
        '"WrongArguments" has no attribute',
    ),
    (
        'crl_envs.make("crl/bandit-v0", dynamics="ring").reset()',
        '"WrongArguments" has no attribute',
    ),
    (
        'crl_envs.make("crl/load_balancing-v0", memory=None).reset()',
        '"WrongArguments" has no attribute',
    ),
    (
        'crl_envs.make_vec("crl/sysadmin-v0", 2, n_agent=3).reset()',
        '"WrongArguments" has no attribute',
    ),
    ('crl_envs.make_gym_vec("crl/bandit-v0", 2, p=3).reset()', '"WrongArguments" has no attribute'),
    (
        'env: SysadminEnv = crl_envs.make("crl/sysadmin-v0", n_agent=3)',
        'expression has type "WrongArguments"',
    ),
    ("BanditEnv(n_agents=3, render_mode=None)", ""),
    ("BanditEnv(n_agent=3)", 'Unexpected keyword argument "n_agent" for "BanditEnv"'),
    ('SysadminEnv(horizon="20")', 'Argument "horizon" to "SysadminEnv" has incompatible type'),
]


def test_mypy_knows_the_arguments(tmp_path: Path) -> None:
    pytest.importorskip("mypy")
    head = [
        "from typing import Any",
        "import crl_envs",
        "from crl_envs.bandit import BanditEnv",
        "from crl_envs.sysadmin import SysadminEnv",
        "id: str = input()",
        "settings: dict[str, Any] = {}",
    ]
    file = tmp_path / "snippets.py"
    file.write_text("\n".join([*head, *(code for code, _ in SNIPPETS)]) + "\n", "utf-8")
    done = subprocess.run(
        [sys.executable, "-m", "mypy", "--config-file", ROOT / "pyproject.toml", "--no-pretty", file],
        capture_output=True,
        check=False,  # it finds what it should
        text=True,
        cwd=ROOT,
    )  # fmt: skip
    said: dict[int, str] = {}
    for line, text in re.findall(r"^.*snippets\.py:(\d+): (.*)$", done.stdout, re.MULTILINE):
        said[int(line)] = said.get(int(line), "") + text
    for line, (code, expected) in enumerate(SNIPPETS, len(head) + 1):
        assert expected in said.get(line, ""), (code, said.get(line), done.stderr)
        assert expected or line not in said, (code, said[line])


@pytest.mark.parametrize(("package", "name"), WORLDS.items())
def test_keywords_are_the_problems_fields(package: str, name: str) -> None:
    module = import_module(f"crl_envs.{MODULES.get(package, f'{package}.problem')}")
    of_problem = {f.name: f.type for f in fields(getattr(module, f"{name}Problem"))}
    keywords = getattr(module, f"{name}Arguments").__annotations__
    assert {key: hint.__forward_arg__ for key, hint in keywords.items()} == of_problem


def test_every_shipped_id_is_typed() -> None:
    text = (ROOT / "crl_envs" / "registration.py").read_text("utf-8")
    own = [id for id in crl_envs.registered_ids() if id.startswith("crl/")]
    assert own == [f"crl/{package}-v0" for package in WORLDS]
    for id in own:
        assert text.count(f'id: Literal["{id}"]') == 2  # of one environment, of many


@pytest.mark.parametrize(("package", "name"), WORLDS.items())
def test_a_problem_is_fixed_and_keeps_what_was_checked(package: str, name: str) -> None:
    given = needed(f"crl/{package}-v0", n_agents=5)
    home = import_module(f"crl_envs.{MODULES.get(package, package).partition('.')[0]}")
    problem: Any = getattr(home, f"{name}Problem")(**given)
    with pytest.raises(AttributeError):
        problem.n_agents = 6
    env: Any = crl_envs.make(f"crl/{package}-v0", **given)
    assert env.unwrapped.world.problem == problem
