"""The example of somebody else's world and experiment: they are there once installed."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

PROJECT = Path(__file__).parents[2] / "examples" / "own_world"
ID, EXPERIMENT = "mine/channels-v0", "channels-n"


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder into which pip has installed the package, built offline, beside another one that is wrong."""
    folder = tmp_path_factory.mktemp("site")
    pip = [sys.executable, "-m", "pip", "install", "--quiet", "--disable-pip-version-check"]
    how = ["--no-index", "--no-deps", "--no-build-isolation", "--target", folder, PROJECT]
    done = subprocess.run([*pip, *how], check=False, text=True, capture_output=True)
    assert done.returncode == 0, done.stdout + done.stderr
    wrong = folder / "wrong-1.0.dist-info"
    wrong.mkdir()
    (wrong / "METADATA").write_text("Metadata-Version: 2.1\nName: wrong\nVersion: 1.0\n")
    (wrong / "entry_points.txt").write_text(
        "[crl_envs.environments]\nnoversion = nowhere:Env\nmine/broken-v0 = nowhere:Env\n"
        "[crl_envs.experiments]\nanother-name = crl_envs_channels.experiment:EXPERIMENT\n"
        "sysadmin-n = nowhere:EXPERIMENT\n"
    )
    return folder


def run(site: Path | None, *command: str) -> subprocess.CompletedProcess[str]:
    path = [str(site)] * (site is not None) + [os.environ.get("PYTHONPATH", "")]
    env = {**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, path)), "COLUMNS": "200"}
    return subprocess.run(
        [sys.executable, *command], check=False, capture_output=True, text=True, env=env
    )


def script(site: Path | None, text: str) -> str:
    done = run(site, "-W", "ignore", "-c", text)
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_the_id_is_known_where_it_is_installed(site: Path) -> None:
    ask = f"import crl_envs; print({ID!r} in crl_envs.registered_ids(), 'crl/bandit-v0' in crl_envs.registered_ids())"
    assert script(None, ask).split() == ["False", "True"]
    assert script(site, ask).split() == ["True", "True"]


def test_it_is_made_without_importing_the_package_first(site: Path) -> None:
    """And the views agree: column 1 with seed 4 is the dict view with seed 5."""
    shown = script(
        site,
        "import crl_envs, json\n"
        f"env, vec = crl_envs.make({ID!r}, n_agents=6), crl_envs.make_vec({ID!r}, 2, n_agents=6)\n"
        "seen, _ = env.reset(seed=5)\n"
        "rows, _ = vec.reset(seed=4)\n"
        "print(json.dumps([[int(x) for x in seen.values()], rows[1].tolist()]))",
    )
    single, column = json.loads(shown)
    assert single == column and len(single) == 6


def test_other_registries_have_it_once_all_ids_were_asked_for(site: Path) -> None:
    made = (
        "import crl_envs, gymnasium\n"
        "crl_envs.registered_ids()\n"
        f"print(gymnasium.make({ID.replace('-v', '-joint-v')!r}, n_agents=6).spec.id)"
    )
    assert script(site, made) == f"{ID.replace('-v', '-joint-v')}\n"


def test_its_optimum_is_that_of_brute_force(site: Path) -> None:
    """Four radios: the best of all 16 joint choices of channels, each then flipped with probability .05."""
    flips = np.array([[(k >> i) & 1 for i in range(4)] for k in range(16)])
    weight = np.where(flips, 0.05, 0.95).prod(axis=1)
    best = max(
        float(weight @ np.abs(shown - np.roll(shown, -1, axis=1)).mean(axis=1))
        for shown in ((choice + flips) % 2 for choice in flips)
    )
    text = f"import crl_envs; print(crl_envs.make({ID!r}, n_agents=4).optimum().value)"
    assert float(script(site, text)) == pytest.approx(20 * best)


def test_an_experiment_runs_by_its_name(site: Path) -> None:
    name = f"{EXPERIMENT}/n=0004/random/seed=00"
    done = run(site, "-m", "crl_envs.cli", "run", name, "--json")
    assert done.returncode == 0, done.stderr
    record = json.loads(done.stdout)
    assert record["status"] == "done"
    assert record["evaluations"][-1]["env_steps"] == 500 * 20


def test_the_list_has_them_and_says_what_is_wrong_with_others(site: Path) -> None:
    done = run(site, "-m", "crl_envs.cli", "list", "--json")
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout)
    assert found["environments"][ID].startswith("n radios on a ring")
    assert found["experiments"][EXPERIMENT] == "Channels around a ring, over the number of radios"
    assert "No module named 'nowhere'" in found["environments"]["mine/broken-v0"]
    assert "must lead to an Experiment of that name" in found["experiments"]["another-name"]
    assert found["experiments"]["sysadmin-n"].startswith("SYSADMIN"), "ours can't be replaced"
    assert "'noversion' of wrong is left out: id must look like" in done.stderr
