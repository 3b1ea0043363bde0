"""The environments' pages, made from docstrings, say what the code does: tables and figures are read and compared."""

from __future__ import annotations

import ast
import contextlib
import html
import inspect
import io
import json
import math
import re
import shutil
from functools import cache
from importlib import import_module
from pathlib import Path
from typing import Any, ClassVar, NamedTuple

import numpy as np
import pytest

import crl_envs
from crl_envs.load_balancing.rules import DOP_OF_OUTCOME, KINDS, Outcome
from crl_envs.registration import entry_point
from crl_envs.sysadmin.dynamics import BINARY_DYNAMICS, PROGRESS, risk, up_probability
from tests.printed import assert_same
from tests.worlds import IDS, PAIRS, needed

ROOT = Path(__file__).parent.parent
(
    ACCESS,
    BANDIT,
    BAR,
    BROADCAST,
    CONSENSUS,
    COORDINATION,
    DEC_POMDP,
    EPIDEMIC,
    FIREFIGHTING,
    LOAD_BALANCING,
    RULE,
    ROUTING,
    SYSADMIN,
    TIGER,
    TRAFFIC,
) = IDS
PAPERS = (BANDIT, BAR, LOAD_BALANCING, RULE, SYSADMIN)  # whose pages name sections
HEADINGS = [
    "Description",
    "Action Space",
    "Observation Space",
    "Starting State",
    "Reward",
    "Episode End",
    "Information",
    "Arguments",
    "Known Optimum",
    "Scaling Knob",
    "Baseline Curve",
    "References",
    "Version History",
]
RENDER_MODE = '``"human"``, ``"rgb_array"``, ``"ansi"`` or None; see the rendering page.'
HARD: dict[
    str, dict[str, Any]
] = {  # everything at once: each key of infos and metrics has something to say
    ACCESS: {"n_agents": 11, "deadline": 3, "success_rate": 0.7},
    BANDIT: {"n_agents": 4},
    BAR: {"n_agents": 4},
    CONSENSUS: {"n_agents": 9, "topology": "star", "flip": 0.3},
    COORDINATION: {"n_agents": 7, "topology": "grid", "relabel": True, "observe": "neighborhood"},
    BROADCAST: {},
    DEC_POMDP: {},
    TIGER: {},
    EPIDEMIC: {"n_agents": 7, "topology": "star", "relabel": True, "observe": "neighborhood"},
    FIREFIGHTING: {"n_agents": 6, "layout": "grid", "observe": "levels"},
    ROUTING: {
        "n_agents": 6,
        "topology": "geometric",
        "mobility": 0.1,
        "loss": 0.3,
        "lifetime": 5,
        "load": 8.0,
        "queue_size": 2,
        "observe": "queues",
        "horizon": 60,
    },
    RULE: {"n_agents": 7, "topology": "tree", "relabel": True, "observe": "neighborhood"},
    TRAFFIC: {"n_agents": 6, "boundary": "open", "observe": "neighborhood", "lost_steps": 2},
    SYSADMIN: {"n_agents": 7, "topology": "grid", "relabel": True, "observe": "neighborhood"},
    LOAD_BALANCING: {
        "n_agents": 12,
        "max_in_flight": 6,
        "fail_rate": 0.2,
        "message_loss": 0.2,
        "message_delay": 2,
        "discovery": "all",
        "memory": True,
        "timeout": 30,
        "arrival_rate": 0.5,
        "departure_rate": 0.01,
        "n_loads": 50,
    },
}


class Table(NamedTuple):
    """A Markdown table; cells keep their backquotes."""

    header: list[str]
    rows: list[list[str]]

    def column(self, name: str) -> int:
        return self.header.index(name)


def page_of(id: str) -> Path:
    return ROOT / "docs" / "envs" / f"{id.partition('/')[2].rpartition('-v')[0]}.md"


def class_of(id: str) -> Any:
    return entry_point(id)


def make(id: str, **given: Any) -> Any:
    return crl_envs.make(id, **needed(id, **given))


@cache
def sections(id: str) -> dict[str, str]:
    """The docstring's sections by heading; "" is what stands before the first."""
    parts = re.split(r"^## (.+)$", inspect.getdoc(class_of(id)) or "", flags=re.MULTILINE)
    return {"": parts[0], **dict(zip(parts[1::2], parts[2::2], strict=True))}


def tables(text: str) -> list[Table]:
    found = []
    for block in re.findall(r"(?:^\|.*\|$\n?)+", text, re.MULTILINE):
        rows = [
            [cell.strip() for cell in line.strip("|").split("|")] for line in block.splitlines()
        ]
        assert set("".join(rows[1])) == {"-"}, rows[1]
        assert {len(row) for row in rows} == {len(rows[0])}, rows
        found.append(Table(rows[0], rows[2:]))
    return found


def table_with(id: str, section: str, first: str) -> Table:
    """The section's table whose first column has this header."""
    (found,) = [table for table in tables(sections(id)[section]) if table.header[0] == first]
    return found


def bare(cell: str) -> str:
    """A cell without its backquotes."""
    return cell.replace("`", "")


def number(text: str) -> float:
    return float(text.replace("−", "-").replace(",", ""))


def arguments_in(cell: str) -> dict[str, Any]:
    """The arguments of a cell under "made with": ``a=1, b="c"`` or the defaults."""
    if cell == "defaults":
        return {}
    call = ast.parse(f"f({bare(cell)})", mode="eval").body
    assert isinstance(call, ast.Call) and call.keywords
    return {str(pair.arg): ast.literal_eval(pair.value) for pair in call.keywords}


def documented_arguments(id: str) -> dict[str, str]:
    """The text about each argument, in one line."""
    text = sections(id)["Arguments"].partition("Args:")[2].partition("Raises:")[0]
    found = re.findall(r"^    (\w+): (.*(?:\n        .*)*)", text, re.MULTILINE)
    return {name: re.sub(r"\s+", " ", about) for name, about in found}


def formula(text: str, **names: float) -> float:
    """The value of an expression such as ``.95 · .5^d``; an int where its parts are."""
    source = text.replace("·", "*").replace("^", "**").replace("−", "-")
    value: float = eval(source, {"__builtins__": {}}, names)
    return value


def played(env: Any, seed: int, steps: int = 10_000) -> list[tuple[Any, ...]]:
    """An episode of uniformly random legal actions: what `step` returned, and the actions first."""
    rng = np.random.default_rng(seed)
    _, infos = env.reset(seed=seed)
    taken: list[tuple[Any, ...]] = []
    while env.agents and len(taken) < steps:
        actions = {a: int(rng.choice(np.flatnonzero(infos[a]["action_mask"]))) for a in env.agents}
        returned = env.step(actions)
        infos = returned[-1]
        taken.append((actions, *returned))
    return taken


class TestHeadings:
    @pytest.mark.parametrize("id", IDS)
    def test_stand_in_the_fixed_order(self, id: str) -> None:
        assert list(sections(id)) == ["", *HEADINGS]

    @pytest.mark.parametrize("id", IDS)
    def test_sections_say_something(self, id: str) -> None:
        assert all(text.strip() for text in sections(id).values())

    @pytest.mark.parametrize("id", IDS)
    def test_a_page_pulls_its_class_in_and_doubles_no_heading(self, id: str) -> None:
        page = page_of(id).read_text("utf-8")
        (directive,) = re.findall(r"^::: (.+)$", page, re.MULTILINE)
        module, _, name = directive.rpartition(".")
        assert getattr(__import__(module, fromlist=[name]), name) is class_of(id)
        assert f'crl_envs.make("{id}"' in page
        further = re.findall(r"^##? (.+)$", re.sub(r"```.*?```", "", page, flags=re.DOTALL), re.M)
        lowered = [heading.lower() for heading in (*further, *HEADINGS)]
        assert len(set(lowered)) == len(lowered)
        assert "Agent's view" in further

    def test_are_the_pages_second_level_as_the_site_shows_them(self, tmp_path: Path) -> None:
        """Title, the fixed headings in their order, then the page's own, each once; needs the extra ``docs``."""
        pytest.importorskip("mkdocstrings_handlers.python")
        from mkdocs.commands.build import build
        from mkdocs.config.base import load_config

        shutil.copytree(ROOT / "docs" / "envs", tmp_path / "docs")
        extension = str(ROOT / "docs" / "griffe_arguments.py")
        options = {"docstring_style": "google", "extensions": [extension]}
        python = {"paths": [str(ROOT)], "options": options}
        config = {
            "site_name": "envs",
            "docs_dir": str(tmp_path / "docs"),
            "site_dir": str(tmp_path / "site"),
            "use_directory_urls": False,
            "markdown_extensions": ["tables"],
            "plugins": [{"mkdocstrings": {"handlers": {"python": python}}}],
        }
        (tmp_path / "mkdocs.yml").write_text(json.dumps(config), "utf-8")
        build(load_config(str(tmp_path / "mkdocs.yml")))
        for id in IDS:
            built = (tmp_path / "site" / f"{page_of(id).stem}.html").read_text("utf-8")
            found = [
                (level, re.sub("<.*?>", "", text))
                for level, text in re.findall(r"<h(\d)[^>]*>(.*?)</h\1>", built)
            ]
            own = re.findall(r"^## (.+)$", page_of(id).read_text("utf-8"), re.MULTILINE)
            start = found.index(("2", "Description"))
            assert [level for level, _ in found[:start]] == ["1"]
            assert found[start : start + len(HEADINGS) + len(own)] == [
                ("2", html.escape(text, quote=False)) for text in (*HEADINGS, *own)
            ]
            assert "<table>" in built and "|---" not in built

    def test_each_environment_has_a_page_and_each_page_an_environment(self) -> None:
        assert {page_of(id) for id in IDS} == set((ROOT / "docs" / "envs").glob("*.md"))


class TestExamples:
    @pytest.mark.parametrize("id", IDS)
    def test_print_what_the_page_shows(self, id: str) -> None:
        blocks = re.findall(
            r"^```python\n(.*?)^```\n\n```text\n(.*?)^```",
            page_of(id).read_text("utf-8"),
            re.DOTALL | re.MULTILINE,
        )
        assert blocks
        for code, shown in blocks:
            assert "action_mask" in code and ".reset(seed=" in code and ".step(" in code
            output = io.StringIO()
            with contextlib.redirect_stdout(output):
                exec(compile(code, str(page_of(id)), "exec"), {})
            assert_same(output.getvalue(), shown)


class TestSpaces:
    @pytest.mark.parametrize("id", IDS)
    @pytest.mark.parametrize("kind", ["action", "observation"])
    def test_are_the_real_ones(self, id: str, kind: str) -> None:
        title = f"{kind.title()} Space"
        text = sections(id)[title]
        cases = [
            (arguments_in(row[0]), bare(row[1]))
            for table in tables(text)
            if table.header[:2] == ["made with", f"{kind} space"]
            for row in table.rows
        ]
        if text.lstrip().startswith("``"):
            cases.append(({}, text.split("``")[1]))
        assert any(not kwargs for kwargs, _ in cases), "the defaults' space isn't documented"
        for kwargs, documented in cases:
            env = make(id, **kwargs)
            for agent in (env.possible_agents[0], env.possible_agents[-1]):
                assert str(getattr(env, f"{kind}_space")(agent)) == documented, kwargs

    @pytest.mark.parametrize("id", IDS)
    @pytest.mark.parametrize("n", [1, 7])
    def test_state_has_the_documented_length_and_dtype(self, id: str, n: int) -> None:
        found = re.search(
            r"``state\(\)``: ``(\w+)\[(\d*)(n?)( \+ 1)?\]``", sections(id)["Observation Space"]
        )
        assert found
        dtype, factor, per_agent, one = found.groups()
        env = make(id, n_agents=n).unwrapped
        env.reset(seed=0)
        assert env.state().dtype == dtype
        assert env.state().shape == (int(factor or 1) * (n if per_agent else 1) + bool(one),)

    @pytest.mark.parametrize("observe", ["own", "neighborhood"])
    def test_sysadmin_shows_own_state_and_the_neighbours_in_their_order(self, observe: str) -> None:
        env = crl_envs.make(SYSADMIN, n_agents=7, topology="star", observe=observe).unwrapped
        observations, infos = env.reset(seed=3)
        state = env.state()
        for i, agent in enumerate(env.agents):
            near = [int(name.removeprefix("agent_")) for name in infos[agent]["neighbors"]]
            assert near == sorted(near)
            nobody = [2] * (6 - len(near))
            expected = [state[i]] if observe == "own" else [state[i], *state[near], *nobody]
            np.testing.assert_array_equal(np.atleast_1d(observations[agent]), expected)

    def test_load_balancing_shows_what_the_table_lists(self) -> None:
        listed = table_with(LOAD_BALANCING, "Observation Space", "index")
        assert [int(row[0]) for row in listed.rows] == [0, 1, 2, 3]
        env = crl_envs.make(LOAD_BALANCING, **HARD[LOAD_BALANCING]).unwrapped
        seen = set()
        for _, observations, _, _, _, infos in played(env, seed=2, steps=40):
            for agent, (holds, crowding, fill, active) in observations.items():
                assert (holds == 1) == bool(infos[agent]["action_mask"][1])
                assert active == infos[agent]["active"]
                assert 0 <= fill <= 1 and 0 <= crowding < 1
                seen |= {("active", bool(active)), ("queue", bool(crowding))}
        load, waiting, up = env.state().reshape(3, 12)
        shown = np.array([observations[agent] for agent in env.possible_agents])
        np.testing.assert_allclose(shown[:, 1], waiting / (1 + waiting), rtol=1e-6)
        np.testing.assert_allclose(shown[:, 2], load / env.capacity, rtol=1e-6)
        np.testing.assert_array_equal(shown[:, 3], up)
        assert len(seen) == 4

    def test_load_balancing_actions_have_the_listed_kinds(self) -> None:
        kinds = [bare(row[1]) for row in table_with(LOAD_BALANCING, "Action Space", "action").rows]
        assert tuple(kinds) == KINDS
        env = crl_envs.make(LOAD_BALANCING, discovery="all", discovery_slots=2)
        found = env.reset(seed=0)[1]["agent_0"]["action_kinds"]
        assert found == ("noop", "local", *["delegation"] * (9 + 2), "discovery")


class TestDynamics:
    def test_sysadmin_default_probabilities(self) -> None:
        """The table of the ring against the environment's own model."""
        table = table_with(SYSADMIN, "Description", "own state")
        assert table.header[1:] == ["parent up", "parent down"]
        model = crl_envs.make(SYSADMIN, n_agents=2).unwrapped.transition_model()
        for own, row in zip((1, 0), table.rows, strict=True):
            assert row[0] == ("up" if own else "down")
            for parent, documented in zip((1, 0), row[1:], strict=True):
                left_alone = model.probability[own + 2 * parent, 0]
                assert left_alone[[1, 3]].sum() == pytest.approx(number(documented), abs=1e-9)
                rebooted = model.probability[own + 2 * parent, 1]
                assert rebooted[[1, 3]].sum() == pytest.approx(1)

    def test_sysadmin_formulas(self) -> None:
        rows = table_with(SYSADMIN, "Description", "``dynamics``").rows
        assert tuple(bare(row[0]).strip('"') for row in rows) == BINARY_DYNAMICS
        for row in rows:
            for k in range(5):
                real = up_probability(bare(row[0]).strip('"'), k)
                for own, text in ((1, row[1]), (0, row[2])):
                    rule, _, exception = text.partition(", but ")
                    for d in range(k + 1):
                        special = re.fullmatch(rf"(\S+) for d = {d}", exception)
                        documented = formula(special[1] if special else rule, d=d, k=k)
                        assert real[own, k - d] == pytest.approx(documented, abs=2.0**-32)

    def test_sysadmin_status_and_load(self) -> None:
        rows = {
            (row[0], row[1]): row[2] for row in table_with(SYSADMIN, "Description", "from").rows
        }
        for k in range(1, 5):
            for worse in range(k + 1):
                chance = risk(k)[:, worse]
                assert formula(rows["good", "faulty"], f=worse, k=k) == pytest.approx(chance[0])
                assert formula(rows["faulty", "dead"], d=worse, k=k) == pytest.approx(chance[1])
                assert chance[2] == 0  # dead is the last
        assert risk(0)[:, 0].tolist() == [0.4, 0.1, 0]
        onward = PROGRESS.reshape(3, 3)  # [status, load]
        gets, done = rows["idle", "loaded"], rows["loaded", "success"]
        assert re.fullmatch(r"(\S+) when good or faulty, 0 when dead", gets)
        assert onward[:, 0].tolist() == [number(gets.split()[0])] * 2 + [0]
        each = re.fullmatch(r"(\S+) when good, (\S+) when faulty", done)
        assert each and onward[:2, 1].tolist() == [number(p) for p in each.groups()]
        model = crl_envs.make(SYSADMIN, n_agents=1, dynamics="status-load").unwrapped
        table = model.factored_model().transition
        assert table[3 * 2 + 1, 0, 3 * 2 + 0] == formula(rows["loaded", "idle"].split()[0]) == 1
        for status in range(3):
            to_idle = table[3 * status + 2, 0, 0::3].sum()
            assert to_idle == pytest.approx(formula(rows["success", "idle"]))
        np.testing.assert_array_equal(table[:, 1, 0], 1)  # a reboot

    @pytest.mark.parametrize(("start_up", "binary", "status_load"), [(1.0, 1, 0), (0.0, 0, 3)])
    def test_sysadmin_starts(self, start_up: float, binary: int, status_load: int) -> None:
        for dynamics, value in (("ring", binary), ("status-load", status_load)):
            env = crl_envs.make(SYSADMIN, n_agents=50, dynamics=dynamics, start_up=start_up)
            assert set(env.reset(seed=0)[0].values()) == {value}

    def test_load_balancing_default_world(self) -> None:
        """The second paragraph of the description."""
        paragraph = re.sub(r"\s+", " ", sections(LOAD_BALANCING)["Description"])
        found = re.search(
            r"By default (\d+) agents .* (\d+) of them store (\d+) loads each, the servers (\d+) and (\d+) "
            r"store (\d+) each, and ([\d,]+) loads enter at agent (\d+)",
            paragraph,
        )
        assert found
        n, plain, small, first, second, large, loads, entry = (
            int(number(x)) for x in found.groups()
        )
        env = crl_envs.make(LOAD_BALANCING).unwrapped
        env.reset(seed=0)
        assert (len(env.agents), env.entries) == (n, (entry,))
        assert (env.capacity == small).sum() == plain
        assert np.flatnonzero(env.capacity == large).tolist() == [first, second]
        metrics = env.metrics()
        assert metrics["remaining"] + metrics["loads_in"] == loads == env.capacity.sum()
        assert metrics["queued"] == 1 and env.state()[n] == 1

    @pytest.mark.parametrize("topology", ["grid", "random"])
    def test_load_balancing_default_out_degree(self, topology: str) -> None:
        about = documented_arguments(LOAD_BALANCING)["out_degree"]
        found = re.search(
            r"None: (\d+) on the grid and (\d+) on the random graph, for n < 50", about
        )
        assert found
        most = int(found[1 if topology == "grid" else 2])
        for n in (2, 4, 5, 9, 10, 44, 49, 50, 60):
            # without servers, whose default places need room beyond the entry's successors
            env = crl_envs.make(LOAD_BALANCING, n_agents=n, topology=topology, servers=())
            degree = most if n >= 50 else min(most, max(n // 5, 1))
            assert len(env.reset(seed=0)[1]["agent_0"]["neighbors"]) == degree


class TestRewards:
    def test_bandit(self) -> None:
        rows = tables(sections(BANDIT)["Reward"])[0].rows
        given = {"p_correct": 0.7, "p_wrong": 0.45}
        env = crl_envs.make(BANDIT, n_agents=5, **given).unwrapped
        success, right = env.transition_model().success, env.world.correct_action
        for guess, one, zero in rows:
            action = right if guess == "right" else 1 - right
            np.testing.assert_allclose(success[np.arange(5), action], formula(bare(one), **given))
            assert formula(bare(zero), **given) == pytest.approx(1 - formula(bare(one), **given))
        assert [row[0] for row in rows] == ["right", "wrong"]

    def test_sysadmin(self) -> None:
        table = table_with(SYSADMIN, "Reward", "``dynamics``")
        assert tuple(bare(row[0]).strip('"') for row in table.rows) == BINARY_DYNAMICS
        for row in table.rows:
            env = crl_envs.make(SYSADMIN, n_agents=1, dynamics=bare(row[0]).strip('"')).unwrapped
            real = env.transition_model().reward[..., 0]
            for name, text in zip(table.header[1:], row[1:], strict=True):
                state, action = name.split(", ")
                paid = real[int(state == "up"), int(action == "rebooted")]
                assert paid == pytest.approx(number(text)), (row[0], name)

    def test_sysadmin_status_load_pays_success_whatever_the_action(self) -> None:
        env = crl_envs.make(SYSADMIN, n_agents=1, dynamics="status-load").unwrapped
        expected = np.repeat((np.arange(9) % 3 == 2)[:, None], 2, axis=1)
        np.testing.assert_array_equal(env.factored_model().reward[0], expected)

    @pytest.mark.parametrize("constants", [(-200.0, -2.0, -10.0), (-70.0, -3.0, -5.0)])
    def test_load_balancing(self, constants: tuple[float, float, float]) -> None:
        """The table, and what it says that its numbers stand for."""
        text = re.sub(r"\s+", " ", sections(LOAD_BALANCING)["Reward"])
        named = dict(
            re.findall(r"(−\d+)(?: is)? `(min_q_value|delegation_reward|connection_cost)`", text)
        )
        given = dict(zip(named, constants, strict=True))
        kwargs = {named[symbol]: value for symbol, value in given.items()}
        table = table_with(LOAD_BALANCING, "Reward", "action")
        for action, outcome, dop, reward in table.rows:
            name = Outcome[bare(outcome).upper()]
            model = "gradient" if "gradient" in action else "discrete"
            world = crl_envs.make(LOAD_BALANCING, cost_model=model, **kwargs).unwrapped.world
            assert DOP_OF_OUTCOME[name].name.lower() == bare(dop)
            rule, _, exception = reward.partition(", ")
            for symbol, value in given.items():
                rule = re.sub(rf"{symbol}\b", f"({value})", rule.replace("− ", "+ −"))
            if model == "gradient":
                spare = np.arange(1, 21)
                documented = [formula(rule, spare=s) for s in range(1, 21)]
                np.testing.assert_allclose(world.store_costs(spare), documented)
                assert exception == "−200 for spare = 0"
                assert world.store_costs(np.array([0])) == given["−200"]
            else:
                assert world.costs.reward[name] == pytest.approx(formula(rule)), outcome
        assert {bare(row[1]).upper() for row in table.rows} == {outcome.name for outcome in Outcome}

    @pytest.mark.parametrize("cost_model", ["discrete", "gradient"])
    def test_load_balancing_pays_by_the_outcome_in_the_infos(self, cost_model: str) -> None:
        kwargs = HARD[LOAD_BALANCING] | {"cost_model": cost_model}
        env = crl_envs.make(LOAD_BALANCING, **kwargs).unwrapped
        listed = {
            (bare(row[1]), bare(row[2])): row[3]
            for row in table_with(LOAD_BALANCING, "Reward", "action").rows
        }
        seen = set()
        for _, _, rewards, _, _, infos in played(env, seed=1, steps=80):
            for agent, info in infos.items():
                text = listed[info["outcome"], info["dop"]]
                seen.add(info["outcome"])
                if info["outcome"] == "stored":
                    assert (rewards[agent] < 0) == (cost_model == "gradient")
                else:
                    assert rewards[agent] == formula(text)
                links = info["outcome"] in ("delegated", "message_lost")
                assert info["connection_cost"] == (-10 if links else 0)
        assert seen >= {"none", "stored", "delegated", "message_lost", "discovered"}


class TestEpisodeEnd:
    @staticmethod
    def rules(id: str) -> dict[str, str]:
        found = re.findall(r"^- (Terminated|Truncated): (.+)\.$", sections(id)["Episode End"], re.M)
        assert [kind for kind, _ in found] == ["Terminated", "Truncated"]
        return dict(found)

    @pytest.mark.parametrize("id", IDS)
    def test_is_as_documented(self, id: str) -> None:
        """Three short episodes: the kind of their end and, where the text gives it, their length."""
        rules = self.rules(id)
        after = re.fullmatch(r"after `(\w+)` steps", rules["Truncated"])
        assert after or rules["Truncated"] == "never"
        kwargs: dict[str, Any] = {"n_agents": 5} | ({after[1]: 3} if after else {})
        env = make(id, **kwargs)
        for seed in range(3):
            *_, (_, _, _, terminations, truncations, _) = episode = played(env, seed)
            assert all(truncations.values()) == any(truncations.values()) == bool(after)
            assert all(terminations.values()) == any(terminations.values()) == (not after)
            steps = 3 if after else int(re.fullmatch(r"after (\d+) step", rules["Terminated"])[1])  # type: ignore[index]
            assert len(episode) == steps
            assert env.agents == []

    def test_load_balancing_terminates_when_every_load_is_stored(self) -> None:
        assert self.rules(LOAD_BALANCING)["Terminated"] == (
            "when all `n_loads` have entered and none is under way"
        )
        env = crl_envs.make(LOAD_BALANCING, n_agents=5, capacity=3, server_capacity=5, n_loads=12)
        env.reset(seed=0)
        rng = np.random.default_rng(0)
        infos = env.reset(seed=0)[1]
        done = False
        while env.agents:
            metrics = env.unwrapped.metrics()
            assert not (metrics["remaining"] == metrics["queued"] == metrics["on_wire"] == 0)
            legal = {a: np.flatnonzero(infos[a]["action_mask"]) for a in env.agents}
            actions = {a: int(rng.choice(legal[a])) for a in env.agents}
            _, _, terminations, _, infos = env.step(actions)
            done = all(terminations.values())
        metrics = env.unwrapped.metrics()
        assert done
        assert (metrics["stored"], metrics["remaining"], metrics["queued"]) == (12, 0, 0)

    def test_sysadmin_never_terminates(self) -> None:
        assert self.rules(SYSADMIN)["Terminated"] == "never"

    def test_default_horizons(self) -> None:
        assert len(played(crl_envs.make(SYSADMIN), seed=0)) == 20
        assert crl_envs.make(LOAD_BALANCING).unwrapped.world.horizon == 500_000


def has_type(value: Any, documented: str) -> bool:
    """Whether a value is of a type as the tables write it: ``int8[A]`` or a class's name."""
    array = re.fullmatch(r"(\w+)\[(.+)\]", documented)
    if array:
        axes = array[2].split(", ")
        return isinstance(value, np.ndarray) and (str(value.dtype), value.ndim) == (
            array[1],
            len(axes),
        )
    return type(value).__name__ == documented


class TestInformation:
    @pytest.mark.parametrize("id", IDS)
    def test_infos_have_the_listed_keys_and_types(self, id: str) -> None:
        table = table_with(id, "Information", "infos[agent]")
        documented = {bare(key): bare(kind) for key, kind, _ in table.rows}
        for kwargs in ({}, HARD[id]):
            env = make(id, **kwargs)
            episodes = [env.reset(seed=0)[1], *(t[-1] for t in played(env, seed=0, steps=20))]
            for infos in episodes:
                for info in infos.values():
                    assert set(info) == set(documented)
                    assert all(has_type(info[key], kind) for key, kind in documented.items()), info

    @pytest.mark.parametrize("id", IDS)
    def test_metrics_have_the_listed_keys_and_types(self, id: str) -> None:
        text = sections(id)["Information"]
        listed = [t for t in tables(text) if t.header[0].startswith("``metrics()``")]
        if not listed:
            assert "``metrics()`` is empty" in text
            env = make(id).unwrapped
            env.reset(seed=0)
            assert env.metrics() == {}
        for table in listed:
            kwargs = arguments_in(table.header[0].partition(" with ")[2] or "defaults")
            documented = {
                key: bare(kind) for keys, kind, _ in table.rows for key in bare(keys).split(", ")
            }
            for further in ({}, {"n_agents": 13}):
                env = make(id, **kwargs, **further).unwrapped
                played(env, seed=0, steps=20)
                metrics = env.metrics()
                assert set(metrics) == set(documented)
                assert all(has_type(metrics[key], kind) for key, kind in documented.items())

    def test_sysadmin_status_shares(self) -> None:
        env = crl_envs.make(SYSADMIN, n_agents=40, dynamics="status-load").unwrapped
        played(env, seed=0, steps=6)
        metrics, (status, load) = env.metrics(), np.divmod(env.state(), 3)
        shares = [(status == s).mean() for s in range(3)]
        assert [metrics[k] for k in ("good", "faulty", "dead")] == pytest.approx(shares)
        assert metrics["loaded"] == pytest.approx((load == 1).mean())

    def test_load_balancing_loads_in_is_the_listed_sum(self) -> None:
        rows = table_with(LOAD_BALANCING, "Information", "``metrics()``").rows
        (about,) = [row[2] for row in rows if bare(row[0]) == "loads_in"]
        parts = about.partition(": ")[2].split(" + ")
        late = {"max_in_flight": 6, "message_delay": 2, "departure_rate": 0.2, "timeout": 10}
        env = crl_envs.make(LOAD_BALANCING, n_agents=12, n_loads=50, **late).unwrapped
        totals = []
        for steps in range(1, 60, 7):
            played(env, seed=4, steps=steps)
            metrics = env.metrics()
            assert metrics["loads_in"] == sum(metrics[part] for part in parts)
            totals.append({part: metrics[part] for part in parts})
        idle = [part for part in parts if not any(total[part] for total in totals)]
        assert not idle

    def test_load_balancing_lists_all_kinds(self) -> None:
        rows = table_with(LOAD_BALANCING, "Information", "infos[agent]").rows
        (about,) = [row[2] for row in rows if bare(row[0]) == "action_kinds"]
        assert about.rpartition(": ")[2].split(", ") == list(KINDS)


class TestArguments:
    @pytest.mark.parametrize("id", IDS)
    def test_are_those_of_the_signature_in_its_order(self, id: str) -> None:
        parameters = list(inspect.signature(class_of(id)).parameters)
        assert list(documented_arguments(id)) == parameters

    @pytest.mark.parametrize("id", IDS)
    def test_defaults_are_those_of_the_signature(self, id: str) -> None:
        texts = documented_arguments(id)
        for name, parameter in inspect.signature(class_of(id)).parameters.items():
            if parameter.default is parameter.empty:
                assert name in needed(id)
                continue
            if name == "render_mode":
                assert texts[name] == RENDER_MODE
                assert parameter.default is None
                continue
            (named,) = re.findall(r"Default (.+?)(?:: |\.$|\. )", texts[name])
            plain = re.sub(r"(?<=\d),(?=\d{3})", "", bare(named).replace("−", "-"))
            assert ast.literal_eval(plain) == parameter.default, name

    @pytest.mark.parametrize("id", IDS)
    def test_render_modes_are_those_of_the_environment(self, id: str) -> None:
        modes = re.findall(r'"(\w+)"', documented_arguments(id)["render_mode"])
        assert set(modes) == set(class_of(id).metadata["render_modes"])

    RANGES: ClassVar[dict[str, str]] = {
        r"(−?[\d.,^]+) to (2\^\d+(?: − 1)?|[\d.,]*\d)": "both",
        r"at least (\d+)": "low",
        r"at most (\d+)": "high",
        r"above (0) and up to (\d+)": "above",
    }
    COMPANIONS: ClassVar[
        dict[str, dict[str, Any]]
    ] = {  # what makes an argument's ends matter, and leaves room for both
        "out_degree": {"servers": ()},
        "departure_rate": {"server_capacity": 20},
        "join_at": {"join_capacity": 1},
        "mobility": {"topology": "geometric"},
    }
    REAL = re.compile(
        r"p_\w+|start_\w+|\w+_rate|message_loss|\w+_value|\w+_reward|\w+_cost|infection|recovery|flip|penalty|noise|load|loss|radius|mobility"
    )

    @pytest.mark.parametrize("id", IDS)
    def test_ranges_end_where_the_text_says(self, id: str) -> None:
        """What lies just beyond an end is refused by the argument's name; the end isn't (of n no large one is made)."""
        checked = set()
        for name, about in documented_arguments(id).items():
            for pattern, kind in self.RANGES.items():
                for found in re.finditer(pattern, about):
                    ends = [formula(re.sub(r",(?=\d{3})", "", end)) for end in found.groups()]
                    self.check_ends(id, name, kind, ends)
                    checked.add(name)
        for name, parameter in inspect.signature(class_of(id)).parameters.items():
            if type(parameter.default) in (int, float):
                assert name in checked, "a number without a documented range"

    def check_ends(self, id: str, name: str, kind: str, ends: list[float]) -> None:
        real = self.REAL.fullmatch(name) is not None
        beyond = math.nextafter(ends[-1], math.inf) if real else ends[-1] + 1
        before = math.nextafter(ends[0], -math.inf) if real else ends[0] - 1
        allowed, refused = list(ends), []
        if kind == "above":
            refused = [allowed.pop(0)]
        elif kind != "high":
            refused = [before]
        if kind != "low":
            refused.append(beyond)
        others = self.COMPANIONS.get(name, {})
        for value in refused:
            with pytest.raises(ValueError, match=rf"^{name} must be"):
                make(id, **{name: value}, **others)
        for value in allowed:
            if name != "n_agents" or value < 1000:
                make(id, **{name: value}, **others)

    CHOICES = (
        "dynamics",
        "topology",
        "layout",
        "observe",
        "cost_model",
        "discovery",
        "discover",
        "spare",
        "backend",
    )

    @pytest.mark.parametrize("id", IDS)
    def test_choices_are_those_of_the_error(self, id: str) -> None:
        texts = documented_arguments(id)
        names = [name for name in self.CHOICES if name in texts]
        assert "backend" in names
        for name in names:
            with pytest.raises(ValueError) as refused:
                make(id, **{name: "neither"})
            allowed = str(refused.value).partition("must be one of ")[2].partition(", got")[0]
            other = re.match(r"As of `([\w.]+)\.(\w+)`", texts[name])
            text = (
                texts[name]
                if other is None
                else inspect.getdoc(getattr(import_module(other[1]), other[2]))
            )
            if other:
                text = text.partition(f"{name}: ")[2].partition("Default")[0]
            assert set(re.findall(r'``"([\w-]+)"``', text)) == {
                choice.strip("'") for choice in allowed.split(", ")
            }, name


class TestKnownOptimum:
    @pytest.mark.parametrize("id", IDS)
    def test_rows_are_what_optimum_says(self, id: str) -> None:
        table = table_with(id, "Known Optimum", "made with")
        assert table.header == ["made with", "kind", "value", "lower"]
        for made_with, kind, value, lower in table.rows:
            optimum = make(id, **arguments_in(made_with)).unwrapped.optimum()
            assert optimum.kind == kind, made_with
            for real, text in ((optimum.value, value), (optimum.lower, lower)):
                places = len(text.partition(".")[2])
                close = real == number(text) or abs(real - number(text)) <= 0.5000001 * 10**-places
                assert close, (made_with, real, text)
        if id not in (BANDIT, BAR, CONSENSUS, ROUTING, TRAFFIC):
            assert {row[1] for row in table.rows} == {"exact", "bound"}

    def test_sysadmin_is_exact_as_far_as_the_text_says(self) -> None:
        text = re.sub(r"\s+", " ", sections(SYSADMIN)["Known Optimum"])
        found = re.search(
            r"Exact, by value iteration, for n ≤ (\d+) on rings and n ≤ (\d+) on other", text
        )
        assert found
        for topology, largest in zip(("ring", "star"), map(int, found.groups()), strict=True):
            for n, kind in ((largest, "exact"), (largest + 1, "bound")):
                env = crl_envs.make(SYSADMIN, n_agents=n, topology=topology).unwrapped
                assert env.optimum().kind == kind

    def test_sysadmin_landmarks_a_step(self) -> None:
        """Reboot-when-down evaluated exactly on five machines; random actions simulated (one false alarm in 1e6)."""
        text = re.sub(r"\s+", " ", sections(SYSADMIN)["Known Optimum"])
        found = re.search(
            r"the optimum is (\S+) a step, and so is .* random actions earn (\S+)\.", text
        )
        assert found
        best, random = map(number, found.groups())
        env = crl_envs.make(SYSADMIN, n_agents=5).unwrapped
        model = env.transition_model()
        policy = 2**5 - 1 - np.arange(2**5)  # every machine that is down reboots
        states = np.arange(2**5)
        value = np.zeros(2**5)
        for _ in range(20):
            value = (
                model.reward[states, policy].mean(axis=1)
                + model.probability[states, policy] @ value
            )
        assert (
            round(float(model.initial @ value) / 20, 4)
            == best
            == round(env.optimum().value / 20, 4)
        )
        vec = crl_envs.make_vec(SYSADMIN, num_envs=500, n_agents=100)
        vec.reset(seed=0)
        rng = np.random.default_rng(0)
        total = (
            sum(vec.step(rng.integers(2, size=(500, 100)))[1].mean(axis=1) for _ in range(20)) / 20
        )
        assert abs(total.mean() - random) < 5e-4 + 5 * total.std() / math.sqrt(500)

    def test_load_balancing_fewest_steps(self) -> None:
        found = re.search(r"([\d,]+) by default", sections(LOAD_BALANCING)["Known Optimum"])
        assert found
        assert crl_envs.make(LOAD_BALANCING).unwrapped.optimal_steps() == number(found[1])


class TestScalingKnob:
    @pytest.mark.parametrize("id", IDS)
    def test_begins_with_an_argument_of_the_environment(self, id: str) -> None:
        if id in PAIRS:
            assert sections(id)["Scaling Knob"].strip().startswith("None: ")
            return
        knob = re.match(r"\s*`(\w+)`\.", sections(id)["Scaling Knob"])
        assert knob
        sizes = [len(make(id, **{knob[1]: n}).possible_agents) for n in (11, 101)]
        assert sizes == [11, 101]


EXPERIMENTS = {BANDIT: "bandit-n@1", SYSADMIN: "sysadmin-n@1", LOAD_BALANCING: "load-balancing-n@1"}


class TestBaselineCurve:
    @pytest.mark.parametrize("id", EXPERIMENTS)
    def test_rows_are_those_of_the_leaderboard(self, id: str) -> None:
        """Samples where the experiment measures them, else scores; rounded as the table shows them."""
        shipped = json.loads((ROOT / "docs/bench/leaderboard/scores.json").read_text("utf-8"))
        learners = shipped["experiments"][EXPERIMENTS[id]]["summary"]["learners"]
        table = table_with(id, "Baseline Curve", "learner")
        for row in table.rows:
            real = learners[bare(row[0])]
            for title, text in zip(table.header, row, strict=True):
                if title.startswith("n = "):
                    at = real["values"][title.removeprefix("n = ")]
                    if id == LOAD_BALANCING:
                        assert text == f"{at['score']['value']:.3f}"
                    else:
                        assert text == f"{round(at['samples']['runs']['value']):,}"
                elif title == "exponent":
                    power = real["exponent"]["runs"]["power"]
                    documented = "{value:.2f} [{low:.2f}, {high:.2f}]".format(**power)
                    assert text == documented.replace("-", "−")

    @pytest.mark.parametrize("id", EXPERIMENTS)
    def test_stands_with_the_leaderboards_command_and_experiment(self, id: str) -> None:
        text = sections(id)["Baseline Curve"]
        page = (ROOT / "docs/bench/leaderboard.md").read_text("utf-8")
        command, *_ = re.findall(r"^crl-envs sweep .+$", page, re.MULTILINE)
        assert f"    {command}\n" in text
        assert f"``{EXPERIMENTS[id].partition('@')[0]}``" in text
        assert command in page_of(id).read_text("utf-8")

    def test_load_balancing_steps_are_those_of_figure_6(self) -> None:
        page = (ROOT / "docs/reproductions/load-balancing.md").read_text("utf-8")
        figure = page.partition("## Figure 6")[2].partition("## Figure 7")[0]
        shown = next(t for t in tables(figure_tables(figure)) if "steps to store all" in t.header)
        shipped = {row[0]: (row[1], row[2]) for row in shown.rows}
        table = table_with(LOAD_BALANCING, "Baseline Curve", "policy")
        assert {row[0] for row in table.rows} == set(shipped)
        for policy, steps, ratio in table.rows:
            assert (steps.replace(",", ""), ratio) == (
                shipped[policy][0].replace(",", ""),
                shipped[policy][1],
            )

    @pytest.mark.parametrize("id", IDS)
    def test_pictures_exist_and_have_a_text(self, id: str) -> None:
        page = page_of(id)
        pictures = re.findall(r"!\[(.*?)\]\((.+?)\)", page.read_text("utf-8"))
        assert len(pictures) >= (2 if id in (*EXPERIMENTS, BAR) else 1)
        for text, path in pictures:
            assert len(text) > 10
            assert (page.parent / path).is_file(), path


def figure_tables(text: str) -> str:
    """A reproduction's tables, whose rule lines have colons, as `tables` reads them."""
    return re.sub(
        r"^\|(?: :?-+:? \|)+$",
        lambda rule: rule[0].replace(":", "-").replace(" ", ""),
        text,
        flags=re.M,
    )


class TestLastSections:
    @pytest.mark.parametrize("id", IDS)
    def test_version_history_ends_with_the_ids_version(self, id: str) -> None:
        versions = re.findall(r"^- (v\d+): \S", sections(id)["Version History"], re.MULTILINE)
        assert versions[0] == id.rpartition("-")[2]
        assert versions == sorted(versions, reverse=True)

    @pytest.mark.parametrize("id", IDS)
    def test_references_name_paper_year_and_section(self, id: str) -> None:
        section = r"[^§]*§\d" if id in PAPERS else ""
        assert re.search(rf'& \w+ \d{{4}}, ".+?"{section}', sections(id)["References"], re.DOTALL)
