"""The wheel as a user gets it: what is in it, and that it works with nothing but the core dependencies."""

import re
import shutil
import subprocess
import sys
import tarfile
import zipfile
from configparser import ConfigParser
from pathlib import Path
from typing import NamedTuple

import pytest

import crl_envs

ROOT = Path(__file__).parents[2]
PACKAGES = ("agents", "crl_envs")

# One xdist group: one worker builds, once.
pytestmark = pytest.mark.xdist_group("wheel")

# What lies about where people work, and is of no use to others.
LITTER = (
    *("results/run.json", ".venv/bin/python", "tests/test_x.py", "build/lib.py"),
    *("crl_envs/__pycache__/x.cpython-311.pyc", "crl_envs/core/x.nbi", "crl_envs/core/x.1.nbc"),
    *("crl_envs/results/run.json", "crl_envs/.DS_Store", "crl_envs/.env.py.swp"),
    *(
        "agents/.ipynb_checkpoints/x.py",
        "agents/.mypy_cache/x.json",
        "agents/delegation/crl/learner.py.swp",
    ),
)


class Built(NamedTuple):
    sdist: Path
    sdist_of_copy: Path
    wheel_from_sdist: Path  # the copy's
    wheel_from_tree: Path


def run(*command: str | Path, cwd: Path, check: bool = True) -> str:
    """Standard output and error of a command."""
    done = subprocess.run(
        command, cwd=cwd, check=False, text=True, stdout=subprocess.PIPE, stderr=subprocess.STDOUT
    )
    assert not check or done.returncode == 0, done.stdout
    return done.stdout


def in_wheel(wheel: Path) -> dict[str, int]:
    """The checksum of each file."""
    with zipfile.ZipFile(wheel) as archive:
        return {file.filename: file.CRC for file in archive.infolist()}


def in_sdist(sdist: Path) -> dict[str, int]:
    """The size of each file but the nearest .gitignore, which hatchling adds and by which nothing goes."""
    with tarfile.open(sdist) as archive:
        return {
            Path(*Path(file.name).parts[1:]).as_posix(): file.size
            for file in archive.getmembers()
            if file.isfile() and not file.name.endswith("/.gitignore")
        }


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Built:
    """Built from the checkout, and from a copy with litter in a folder of another repository that ignores it all."""
    out = tmp_path_factory.mktemp("dist")
    copy = out / "other" / "copy"
    for package in PACKAGES:
        shutil.copytree(ROOT / package, copy / package)
    for name in (
        "CHANGELOG.md",
        "CITATION.cff",
        "LICENSE",
        "README.md",
        "hatch_build.py",
        "pyproject.toml",
    ):
        shutil.copy(ROOT / name, copy / name)
    (out / "other" / ".gitignore").write_text("*\n")
    for name in LITTER:
        (copy / name).parent.mkdir(parents=True, exist_ok=True)
        (copy / name).write_text("litter")
    build = (sys.executable, "-m", "build", "--no-isolation", "--outdir")
    run(*build, out / "copied", copy, cwd=out)
    run(*build, out / "tree", "--sdist", "--wheel", ROOT, cwd=out)
    return Built(
        *(next((out / name).glob("*.tar.gz")) for name in ("tree", "copied")),
        *(next((out / name).glob("*.whl")) for name in ("copied", "tree")),
    )


@pytest.fixture(scope="module")
def user_bin(built: Built, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The bin folder of a virtual environment with the wheel and its core dependencies only."""
    folder = tmp_path_factory.mktemp("user")
    run(sys.executable, "-m", "venv", folder / "venv", cwd=folder)
    bin = folder / "venv" / ("Scripts" if sys.platform == "win32" else "bin")
    run(
        *(bin / "python", "-m", "pip", "install", "--quiet", "--disable-pip-version-check"),
        *("--constraint", ROOT / "constraints.txt", built.wheel_from_sdist),
        cwd=folder,
    )
    return bin


def test_wheel_holds_the_two_packages_and_nothing_else(built: Built) -> None:
    inside = in_wheel(built.wheel_from_sdist)
    code = {name for name in inside if ".dist-info/" not in name}
    tree = {
        path.relative_to(ROOT).as_posix()
        for package in PACKAGES
        for path in (ROOT / package).rglob("*")
        if path.is_file() and "__pycache__" not in path.parts
    }
    assert code == tree
    assert {f"{package}/py.typed" for package in PACKAGES} <= code
    assert "crl_envs/sysadmin/optimum/optima.json" in code
    assert any(name.endswith(".dist-info/licenses/LICENSE") for name in inside)


def test_sdist_has_no_tests_and_builds_the_same_wheel(built: Built) -> None:
    inside = in_sdist(built.sdist)
    top = {name.split("/")[0] for name in inside}
    assert {*PACKAGES, "LICENSE", "README.md", "pyproject.toml"} <= top
    assert not top & {"benchmarks", "docs", "notebooks", "results", "tests"}
    assert in_sdist(built.sdist_of_copy) == inside
    assert in_wheel(built.wheel_from_sdist) == in_wheel(built.wheel_from_tree)


def test_the_readme_of_an_index_has_links_that_lead_somewhere(built: Built) -> None:
    """None is relative, and each is to a file of the repository as it was tagged."""
    with zipfile.ZipFile(built.wheel_from_sdist) as archive:
        (name,) = (n for n in archive.namelist() if n.endswith(".dist-info/METADATA"))
        metadata = archive.read(name).decode()
    head, _, text = metadata.partition("\n\n")
    assert "Project-URL: Repository, https://" in head
    assert "Description-Content-Type: text/markdown" in head
    repository = re.findall(r"Project-URL: Repository, (\S+)", head)[0]
    links = re.findall(r"(!?)\[[^\]]*\]\(([^)]+)\)", text)
    assert len(links) > 20
    for is_picture, link in links:
        start = f"{repository}/{'raw' if is_picture else 'blob'}/v{crl_envs.__version__}/"
        assert link.startswith(start), link
        assert (ROOT / link.removeprefix(start).partition("#")[0]).exists(), link


def test_entry_points_are_in_the_wheel(built: Built) -> None:
    with zipfile.ZipFile(built.wheel_from_sdist) as archive:
        (name,) = (n for n in archive.namelist() if n.endswith(".dist-info/entry_points.txt"))
        entry_points = ConfigParser()
        entry_points.read_string(archive.read(name).decode())
    assert entry_points["console_scripts"]["crl-envs"] == "crl_envs.cli:main"
    assert entry_points["crl_envs.learners"]["reinforce"] == "agents:Reinforce"


@pytest.mark.slow
def test_it_runs_with_the_core_dependencies_alone(user_bin: Path, tmp_path: Path) -> None:
    program = """
import importlib.util
import agents, crl_envs
assert not importlib.util.find_spec("numba"), "an extra is installed"
env = crl_envs.make("crl/sysadmin-v0", n_agents=5)
observations, infos = env.reset(seed=0)
actions = {agent: env.action_space(agent).sample() for agent in env.agents}
observations, rewards, terminations, truncations, infos = env.step(actions)
large = crl_envs.make("crl/sysadmin-v0", n_agents=1000).unwrapped.optimum()
print(len(rewards), agents.Reinforce.__name__, large.value - large.lower < 1e-3)
"""
    output = run(user_bin / "python", "-I", "-c", program, cwd=tmp_path)
    assert output.split() == ["5", "Reinforce", "True"]


@pytest.mark.slow
def test_the_command_without_its_extra_ends_without_a_traceback(
    user_bin: Path, tmp_path: Path
) -> None:
    output = run(user_bin / "crl-envs", "--help", cwd=tmp_path, check=False)
    assert output and "Traceback" not in output
