"""The wheel as a user gets it: what is in it, and that it works with nothing but the core dependencies."""

import subprocess
import sys
import tarfile
import zipfile
from configparser import ConfigParser
from pathlib import Path
from typing import NamedTuple

import pytest

ROOT = Path(__file__).parents[2]
PACKAGES = ("agents", "crl_envs")

# One xdist group: one worker builds, once.
pytestmark = [pytest.mark.slow, pytest.mark.xdist_group("wheel")]


class Built(NamedTuple):
    sdist: Path
    wheel_from_sdist: Path
    wheel_from_tree: Path


def run(*command: str | Path, cwd: Path, check: bool = True) -> str:
    """Standard output and error of a command."""
    done = subprocess.run(
        command, cwd=cwd, check=False, text=True, stdout=subprocess.PIPE, stderr=subprocess.STDOUT
    )
    assert not check or done.returncode == 0, done.stdout
    return done.stdout


def in_wheel(wheel: Path) -> set[str]:
    with zipfile.ZipFile(wheel) as archive:
        return set(archive.namelist())


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Built:
    out = tmp_path_factory.mktemp("dist")
    run(sys.executable, "-m", "build", "--outdir", out / "both", ROOT, cwd=out)
    run(sys.executable, "-m", "build", "--wheel", "--outdir", out / "tree", ROOT, cwd=out)
    (sdist,) = (out / "both").glob("*.tar.gz")
    (wheel_from_sdist,) = (out / "both").glob("*.whl")
    (wheel_from_tree,) = (out / "tree").glob("*.whl")
    return Built(sdist, wheel_from_sdist, wheel_from_tree)


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
    assert "crl_envs/sysadmin/optima.json" in code
    assert any(name.endswith(".dist-info/licenses/LICENSE") for name in inside)


def test_sdist_has_no_tests_and_builds_the_same_wheel(built: Built) -> None:
    with tarfile.open(built.sdist) as archive:
        top = {Path(name).parts[1] for name in archive.getnames() if len(Path(name).parts) > 1}
    assert {*PACKAGES, "LICENSE", "README.md", "pyproject.toml"} <= top
    assert not top & {"benchmarks", "docs", "notebooks", "results", "tests"}
    assert in_wheel(built.wheel_from_sdist) == in_wheel(built.wheel_from_tree)


def test_entry_points_are_in_the_wheel(built: Built) -> None:
    with zipfile.ZipFile(built.wheel_from_sdist) as archive:
        (name,) = (n for n in archive.namelist() if n.endswith(".dist-info/entry_points.txt"))
        entry_points = ConfigParser()
        entry_points.read_string(archive.read(name).decode())
    assert entry_points["console_scripts"]["crl-envs"] == "crl_envs.cli:main"
    assert entry_points["crl_envs.learners"]["reinforce"] == "agents:Reinforce"


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


def test_the_command_without_its_extra_ends_without_a_traceback(
    user_bin: Path, tmp_path: Path
) -> None:
    output = run(user_bin / "crl-envs", "--help", cwd=tmp_path, check=False)
    assert output and "Traceback" not in output
