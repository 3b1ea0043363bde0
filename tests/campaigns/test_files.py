"""Files that were damaged on a disk: what reads them says so, or reads what was written. Nothing in between."""

from __future__ import annotations

import json
import random
import shutil
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import agents
import crl_envs
from crl_envs.bench.engines.local import LocalEngine
from crl_envs.bench.plan import make_plan
from crl_envs.bench.score.results import as_json, results
from crl_envs.bench.store import StoreError
from crl_envs.bench.sweep import begin, carry_out
from crl_envs.core import cache
from crl_envs.factored import FactoredMDP
from tests.campaigns.conftest import Cases

Damage = Callable[[random.Random, Path, list[Path]], None]


def _cut(rng: random.Random, path: Path, others: list[Path]) -> None:
    data = path.read_bytes()
    path.write_bytes(data[: rng.randrange(len(data) + 1)])


def _flip(rng: random.Random, path: Path, others: list[Path]) -> None:
    data = bytearray(path.read_bytes() or b"x")
    for _ in range(rng.choice([1, 1, 8])):
        data[rng.randrange(len(data))] ^= 1 << rng.randrange(8)
    path.write_bytes(data)


def _digit(rng: random.Random, path: Path, others: list[Path]) -> None:
    """Change a digit, which leaves JSON what it is."""
    data = bytearray(path.read_bytes())
    places = [i for i, byte in enumerate(data) if chr(byte).isdigit()]
    if places:
        i = rng.choice(places)
        data[i] = rng.choice([d for d in b"0123456789" if d != data[i]])
    path.write_bytes(data)


def _exchange(rng: random.Random, path: Path, others: list[Path]) -> None:
    path.write_bytes(rng.choice(others).read_bytes())


def _garbage(rng: random.Random, path: Path, others: list[Path]) -> None:
    path.write_bytes(rng.choice([b"", b"\0" * 500, b"{}", b"[1]", b"null", rng.randbytes(300)]))


def _remove(rng: random.Random, path: Path, others: list[Path]) -> None:
    path.unlink()


DAMAGES: list[Damage] = [_cut, _flip, _digit, _digit, _exchange, _garbage, _remove]


def _rewritten(rng: random.Random, path: Path, others: list[Path]) -> None:
    """Change a number in an archive and write it as a whole one, with sound checksums of its own."""
    with np.load(path, allow_pickle=False) as archive:
        arrays = {key: archive[key] for key in archive.files}
    key = rng.choice([key for key in arrays if arrays[key].size])
    changed = arrays[key].copy().reshape(-1)
    if changed.dtype.kind in "iufb":
        i = rng.randrange(changed.size)
        changed[i] = changed[i] == 0 if changed.dtype.kind == "b" else changed[i] + 1
    else:
        text = str(changed[0])
        places = [i for i, letter in enumerate(text) if letter.isdigit()]
        i = rng.choice(places)
        changed = np.array([text[:i] + str((int(text[i]) + 1) % 10) + text[i + 1 :]])
    arrays[key] = changed.reshape(arrays[key].shape)
    with path.open("wb") as file:
        np.savez_compressed(file, allow_pickle=False, **arrays)


def test_folders_of_sweeps(cases: Cases, tmp_path: Path) -> None:
    """A file of a sweep is damaged: the same scores, or it is told. Now and then it is resumed to the same end."""
    whole = tmp_path / "whole"
    plan = make_plan(["bandit-n"], ["local-means", "random"], seeds=2, quick=True)
    begin(whole, plan)
    carry_out(whole, LocalEngine(2))
    expected = as_json(results(whole).scores)
    for rng, seen in cases(400):
        folder = tmp_path / "damaged"
        shutil.rmtree(folder, ignore_errors=True)
        shutil.copytree(whole, folder)
        files = sorted(p for p in folder.rglob("*") if p.is_file())
        path = rng.choice(files)
        before = path.read_bytes()
        rng.choice(DAMAGES)(rng, path, files)
        if path.exists() and path.read_bytes() == before:
            continue
        try:
            found = results(folder)
        except (ValueError, StoreError) as error:
            assert folder.name in str(error) or path.name in str(error), error
            seen["refused"] += 1
            continue
        if as_json(found.scores) == expected:
            seen["same scores"] += 1
            continue
        unfinished = [record for record in found.records if record.status == "running"]
        assert found.complaints or (unfinished and not path.exists()), f"believed: {path}"
        seen["told"] += 1
        if rng.random() < 0.05:
            carry_out(folder, LocalEngine(1))
            assert as_json(results(folder).scores) == expected
            seen["mended"] += 1


def _learners() -> dict[str, Any]:
    small = {"n_agents": 6, "capacity": 2}
    return {
        "reinforce": agents.Reinforce(crl_envs.make("crl/sysadmin-v0", n_agents=4)),
        "crl": agents.CRL(crl_envs.make("crl/load_balancing-v0", **small)),
        "independent-q": agents.IndependentQ(crl_envs.make("crl/load_balancing-v0", **small)),
        "local-means": agents.LocalMeans(crl_envs.make("crl/bandit-v0", n_agents=4)),
        "model-based": agents.ModelBased(crl_envs.make("crl/sysadmin-v0", n_agents=4)),
    }


@pytest.mark.parametrize("name", [*_learners(), "factored"])
def test_archives(cases: Cases, name: str, tmp_path: Path) -> None:
    """Checkpoints and models: refused, or what is loaded is what was saved."""
    path, again = tmp_path / "whole", tmp_path / "again"
    load: Callable[[Path], Any]
    if name == "factored":
        crl_envs.make("crl/sysadmin-v0", n_agents=3).unwrapped.factored_model().save(path)
        load = FactoredMDP.load
    else:
        learner = _learners()[name].learn(total_episodes=3)
        learner.save(path)

        def load(file: Path) -> Any:
            return type(learner).load(file, learner.env)

    expected = _content(path)
    for rng, seen in cases(60):
        damaged = tmp_path / "damaged"
        shutil.copyfile(path, damaged)
        rng.choice([_cut, _flip, _flip, _digit, _garbage, _rewritten, _rewritten])(
            rng, damaged, [path]
        )
        try:
            loaded = load(damaged)
        except ValueError as error:
            assert str(damaged) in str(error)
            seen["refused"] += 1
            continue
        loaded.save(again)
        assert _content(again) == expected, "believed"
        seen["the same"] += 1


def _content(path: Path) -> dict[str, bytes]:
    with zipfile.ZipFile(path) as archive:
        return {name: archive.read(name) for name in archive.namelist()}


def test_the_cache_of_optima(cases: Cases, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What is served is what was stored, or nothing."""
    monkeypatch.setenv("CRL_ENVS_CACHE", str(tmp_path))
    values = {size: {"value": 17.8 + size, "lower": -size / 3} for size in range(4)}
    for rng, seen in cases(300):
        for size, value in values.items():
            cache.store("campaign-1", {"n": size}, value)
        files = sorted(p for p in tmp_path.rglob("*") if p.is_file())
        rng.choice(DAMAGES)(rng, rng.choice(files), files)
        for size, value in values.items():
            served = cache.load("campaign-1", {"n": size})
            assert served is None or json.dumps(served) == json.dumps(value)
            seen["served" if served else "recomputed"] += 1
