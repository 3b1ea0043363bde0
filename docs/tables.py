"""Write what the pages take from the code, tables and files: ``make tables``, or ``python docs/tables.py``.

A page marks the place of one by a comment before it, ``<!-- docs/tables.py: KIND SUBJECT -->``, and another one
behind it, ``<!-- . -->``. KIND is one of `KINDS`. A test holds what stands between them to what this program would
write.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator
from functools import cache, partial
from pathlib import Path
from typing import Any, Final

import griffe
import learner_pages
import numpy as np

import crl_envs
from crl_envs.bench.experiments import find_experiment
from crl_envs.bench.text import Table

DOCS: Final = Path(__file__).parent
PLACE: Final = re.compile(
    r"(?P<open><!-- docs/tables\.py: (?P<kind>[\w-]+)(?: (?P<subject>\S+))? -->\n).*?(?P<close><!-- \. -->)",
    re.DOTALL,
)
RANDOM_STEPS: Final = 1_000

# What two of the worlds can't be made without.
NEEDED: Final[dict[str, str]] = {
    "crl/dec_pomdp-v0": 'model="examples/machine.dpomdp"',
    "crl/local_rule-v0": 'rule="examples/rumours.json"',
}


def written(rows: list[list[str]]) -> str:
    """Return a table in Markdown; the first row is its head."""
    head, *body = rows
    lines = [head, [":--"] * len(head), *body]
    return "".join(f"| {' | '.join(line)} |\n" for line in lines)


# A world: what Gymnasium's pages say at their top


def world(page: Path, id: str) -> str:
    """Return spaces, agents, rewards, horizon and optimum of an environment as it is made by default."""
    given = NEEDED.get(id, "")
    text = f'crl_envs.make("{id}"{given and ", " + given})'
    env = eval(text, {"crl_envs": crl_envs}).unwrapped
    agents = env.possible_agents
    env.reset(seed=0)
    state = env.state()
    rows = [
        ["made with", f"`{text}`"],
        ["agents", f"{len(agents)}: `{agents[0]}` … `{agents[-1]}`"],
        ["action space", f"`{env.action_space(agents[0])}`"],
        ["observation space", f"`{env.observation_space(agents[0])}`"],
        ["state", f"`{state.dtype}[{len(state):,}]`"],
        ["rewards", _rewards(env)],
        ["horizon", _horizon(env)],
        ["optimum", _optimum(env.optimum())],
    ]
    return written([["", ""], *rows])


def _rewards(env: Any) -> str:
    """The least and the largest that uniformly random legal actions earn."""
    rng = np.random.default_rng(0)
    seen: set[float] = set()
    infos = env.reset(seed=0)[1]
    for _ in range(RANDOM_STEPS):
        actions = {a: rng.choice(np.flatnonzero(infos[a]["action_mask"])) for a in env.agents}
        _, rewards, *_, infos = env.step(actions)
        seen |= set(rewards.values())
        if not env.agents:
            infos = env.reset()[1]
    low, high = (f"{bound:.3g}".replace("-", "−") for bound in (min(seen), max(seen)))
    return f"each agent's own; from {low} to {high} in {RANDOM_STEPS:,} random steps"


def _horizon(env: Any) -> str:
    horizon = getattr(env.world, "horizon", None)
    return "1 step" if horizon in (None, 1) else f"{horizon:,} steps at most"


def _optimum(found: crl_envs.Optimum) -> str:
    value, lower = (f"{bound:,.5g}".replace("-", "−") for bound in (found.value, found.lower))
    if found.kind == "exact":
        return f"{value} an episode, mean over agents (exact: {found.method})"
    return f"between {lower} and {value} an episode, mean over agents"


# A page of the API: every name that its directives show, and the first sentence about it


def names(page: Path, subject: str | None) -> str:
    """Return each name of a page of the API with its first sentence."""
    rows = [["name", "what it is"]]
    for path in shown(page.read_text("utf-8")):
        parent, _, name = path.rpartition(".")
        called = f"{parent.rpartition('.')[2]}.{name}" if package(parent).is_class else name
        rows.append([f"[`{called}`](#{path})", first_sentence(path)])
    return written(rows)


def shown(text: str) -> Iterator[str]:
    """Return the dotted names of what the directives of a page show, in their order."""
    for path, options in re.findall(r"^::: (\S+)\n((?:    .*\n)*)", text, re.MULTILINE):
        found = package(path)
        listed = re.search(r"members: \[(.*)\]", options)
        if not found.is_module:
            yield path
        elif listed:
            yield from (f"{path}.{name}" for name in listed[1].split(", "))
        elif "members: false" not in options:
            excluded = re.search(r"filters: \[(.*)\]", options)
            patterns = [p[1:] for p in re.findall(r'"(.+?)"', excluded[1])] if excluded else []
            for name in public(found):
                if not any(re.search(pattern, name) for pattern in patterns):
                    yield f"{path}.{name}"


def public(module: Any) -> list[str]:
    """Return what a module exports, or where it doesn't say so what it defines."""
    if module.exports is not None:
        exported = {str(name) for name in module.exports}
        known = [name for name in module.members if name in exported]
    else:
        known = [n for n, m in module.members.items() if not (m.is_alias or m.is_module)]
    return [
        name for name in known if not name.startswith("_") and has_docstring(module.members[name])
    ]


def has_docstring(member: Any) -> bool:
    return bool((member.final_target if member.is_alias else member).docstring)


def first_sentence(path: str) -> str:
    """Return the first sentence of a docstring, in one line and fit for a cell."""
    found = package(path)
    said = found.docstring.value if found.docstring else ""
    if said.startswith("See the module"):
        said = found.parent.docstring.value
    text = " ".join(said.split("\n\n")[0].split())
    sentence = re.split(r"(?<=\.)\s(?=[A-Z`])", text, maxsplit=1)[0]
    ended = sentence if sentence.endswith("?") else f"{sentence.rstrip('.:')}."
    return ended.replace("``", "`").replace("|", "\\|")


@cache
def loaded() -> griffe.ModulesCollection:
    loader = griffe.GriffeLoader(search_paths=[DOCS.parent])
    for name in ("crl_envs", "agents"):
        loader.load(name)
    loader.resolve_aliases(external=False)
    return loader.modules_collection


def package(path: str) -> Any:
    """Return what griffe read under a dotted name."""
    found = loaded()[path]
    return found.final_target if found.is_alias else found


# All learners


def learners(page: Path, subject: str | None) -> str:
    """Return the table of learners, from what their pages say at their top."""
    return written(learner_pages.table())


# Scores of shipped sweeps: ``FOLDER[,FOLDER]/EXPERIMENT``, the folders those in docs/bench


def ranking(page: Path, subject: str) -> str:
    """Return an experiment's learners by the IQM of their scores; those of a second folder have fewer values of n."""
    found, rows = _shipped(subject), []
    for experiment, ranks in found:
        for learner, rank in ranks.items():
            values = experiment["summary"]["learners"][learner]["values"]
            *_, (n, last) = values.items()
            steps = _samples(last["samples"]["runs"])
            if experiment["values"] != found[0][0]["values"]:
                steps += f" (n = {int(n):,})"
            cells = [f"`{learner}`", _interval(rank["iqm"], 3), _interval(rank["exponent"], 2)]
            rows.append((-rank["iqm"]["value"], [*cells, steps]))
    first = found[0][0]
    head = f"env steps to {1 - first['epsilon']:.1g} at n = {first['values'][-1]:,}"
    body = [row for _, row in sorted(rows, key=lambda pair: pair[0])]
    return _numbers([["learner", "IQM of the scores", "exponent", head], *body])


def scores(page: Path, subject: str) -> str:
    """Return each learner's score at each n, and what the scores stand for."""
    found = _shipped(subject)
    first = found[0][0]
    ends = first["summary"]["landmarks"]
    rows = [["score", *(f"n = {n:,}" for n in first["values"]), "exponent"]]
    for experiment, ranks in found:
        for learner in sorted(ranks, key=partial(_place, subject.rpartition("/")[2])):
            values = experiment["summary"]["learners"][learner]["values"]
            at = [values[n]["score"] if n in values else None for n in ends]
            power = _interval(ranks[learner]["exponent"], 2)
            rows.append([f"`{learner}`", *(_interval(score, 2) for score in at), power])
    lower = [(e["lower"] - e["random"]) / (e["upper"] - e["random"]) for e in ends.values()]
    rows.append(["the optimum's lower end", *(f"{x:.2f}" for x in lower), ""])
    returns = [f"{e['upper']:.2f}, {e['random']:.2f}" for e in ends.values()]
    return _numbers([*rows, ["return of 1, of 0", *returns, ""]])


def _place(id: str, learner: str) -> int:
    """Return where the experiment lists a learner among its baselines."""
    known = find_experiment(id).baselines
    return known.index(learner) if learner in known else len(known)


@cache
def _shipped(subject: str) -> list[tuple[Any, dict[str, Any]]]:
    """Return the experiment of each folder, and its learners' places on the leaderboard."""
    folders, _, id = subject.rpartition("/")
    found = []
    for folder in folders.split(","):
        read = json.loads((DOCS / "bench" / folder / "scores.json").read_text("utf-8"))
        of = {entry["learner"]: entry["experiments"].get(id) for entry in read["leaderboard"]}
        found.append((read["experiments"][id], {name: at for name, at in of.items() if at}))
    return found


def _interval(found: dict[str, float | None] | None, digits: int) -> str:
    if found is None or found["value"] is None:
        return "–"
    value, low, high = (f"{found[key]:.{digits}f}" for key in ("value", "low", "high"))
    return f"{value} [{low}, {high}]"


def _samples(found: dict[str, float | None]) -> str:
    if found["value"] is None:
        return "not within the budget"
    value, low, high = (found[key] and f"{found[key]:,.0f}" for key in ("value", "low", "high"))
    return f"{value} [{low}, {high or '> budget'}]"


def _numbers(rows: list[list[str]]) -> str:
    return f"{Table(rows[0], rows[1:]).markdown()}\n"


# A file of the repository


def file(page: Path, path: str) -> str:
    """Return a file as a block of code."""
    text = (DOCS.parent / path).read_text("utf-8")
    language = {".py": "py"}.get(Path(path).suffix, Path(path).suffix.removeprefix("."))
    return f"```{language}\n{text}```\n"


KINDS: Final[dict[str, Callable[[Path, Any], str]]] = {
    "world": world,
    "names": names,
    "learners": learners,
    "ranking": ranking,
    "scores": scores,
    "file": file,
}


def renewed(page: Path) -> str:
    """Return the text of a page with its tables as they are to be."""

    def table(found: re.Match[str]) -> str:
        made = KINDS[found["kind"]](page, found["subject"])
        return f"{found['open']}\n{made}\n{found['close']}"

    return PLACE.sub(table, page.read_text("utf-8"))


def pages() -> list[Path]:
    """Return the pages that have such tables."""
    return [p for p in sorted(DOCS.glob("**/*.md")) if PLACE.search(p.read_text("utf-8"))]


if __name__ == "__main__":
    for page in pages():
        page.write_text(renewed(page), "utf-8")
