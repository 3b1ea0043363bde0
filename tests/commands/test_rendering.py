"""``crl-envs render``: pictures and films of learners at work."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image
from typer.testing import CliRunner

import crl_envs
from crl_envs.bench.learners import LearnerSpec, learner_spec
from crl_envs.commands import rendering
from crl_envs.commands.app import app
from crl_envs.rendering import renderer

OWN: dict[str, tuple[str, str, dict[str, Any]]] = {
    "random": ("random", "agents:RandomPolicy", {}),
    "reinforce-local": ("reinforce-local", "agents:Reinforce", {"credit": "local"}),
    "local-means": ("local-means", "agents:LocalMeans", {}),
    "crl": ("crl", "agents:CRL", {}),
    "steps-only": ("steps-only", "tests.commands.test_rendering:StepsOnly", {}),
}


class StepsOnly:
    """A learner that knows the bench's four methods and no more: reboots once it has learnt."""

    learnt = 0

    def __init__(self, env: Any, seed: int = 0) -> None:
        self.env = env

    def learn(self, total_steps: int) -> None:
        self.env.reset()
        StepsOnly.learnt += total_steps

    def act(self, observations: Any, deterministic: bool = False) -> Any:
        return dict.fromkeys(observations, int(StepsOnly.learnt > 0))


@pytest.fixture
def run(monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    """The command; learners are found although no distribution may be installed."""

    def found(name: str) -> LearnerSpec:
        return LearnerSpec(*OWN[name]) if name in OWN else learner_spec(name)

    monkeypatch.setattr(rendering, "learner_spec", found)
    monkeypatch.setattr(StepsOnly, "learnt", 0)
    monkeypatch.setenv("COLUMNS", "200")

    def invoke(*arguments: Any) -> Any:
        return CliRunner().invoke(app, ["render", *map(str, arguments)])

    yield invoke


def test_a_png_shows_the_last_step(run: Any, tmp_path: Path) -> None:
    """The very frame that the environment gives a learner's own loop."""
    out = tmp_path / "new" / "x.png"
    result = run("crl/sysadmin-v0", "--out", out, "--n-agents", 5, "--steps", 7, "--seed", 3)
    assert result.exit_code == 0, result.output
    assert f"{out}: 1 frame" in result.stdout
    import agents

    env = crl_envs.make("crl/sysadmin-v0", n_agents=5, render_mode="rgb_array")
    frames: list[Any] = []
    agents.RandomPolicy(env, seed=3).learn(
        total_episodes=1, step_callback=lambda _: frames.append(env.render())
    )
    np.testing.assert_array_equal(np.asarray(Image.open(out)), frames[6])


@pytest.mark.parametrize(
    ("id", "policy", "options"),
    [
        ("crl/bandit-v0", "local-means", ["--train", 4]),
        ("crl/sysadmin-v0", "reinforce-local", ["--train", 3]),
        ("crl/sysadmin-v0", "random", ["--set", "topology=star", "--set", "horizon=3"]),
        ("crl/load_balancing-v0", "crl", ["--set", "servers=[]", "--set", "n_loads=4"]),
    ],
)
def test_films_have_a_frame_a_step(
    run: Any, tmp_path: Path, id: str, policy: str, options: list[Any]
) -> None:
    """Over as many episodes as that takes; the same again gives the same file."""
    contents = []
    for name in ("a.gif", "b.gif"):
        out = tmp_path / name
        result = run(
            id,
            "--policy",
            policy,
            "--out",
            out,
            "--n-agents",
            6,
            "--steps",
            8,
            "--fps",
            5,
            *options,
        )
        assert result.exit_code == 0, result.output
        assert "8 frames, 5 a second" in result.stdout
        contents.append(out.read_bytes())
    assert contents[0] == contents[1]
    with Image.open(tmp_path / "a.gif") as film:
        assert (film.n_frames, film.size, film.info["duration"]) == (8, (900, 600), 200)


def test_every_so_many_steps(run: Any, tmp_path: Path) -> None:
    out = tmp_path / "x.gif"
    result = run("crl/sysadmin-v0", "--out", out, "--steps", 11, "--every", 3)
    assert result.exit_code == 0, result.output
    assert "3 frames, 4 a second" in result.stdout


def test_mp4(run: Any, tmp_path: Path) -> None:
    pytest.importorskip("imageio_ffmpeg")
    out = tmp_path / "x.mp4"
    result = run("crl/bandit-v0", "--out", out, "--steps", 3)
    assert result.exit_code == 0, result.output
    assert b"ftyp" in out.read_bytes()[:16]


def test_a_learner_that_counts_in_steps(run: Any, tmp_path: Path) -> None:
    out = tmp_path / "x.png"
    arguments = ("crl/sysadmin-v0", "--policy", "steps-only", "--out", out, "--steps", 2)
    assert run(*arguments).exit_code == 0
    untrained = out.read_bytes()
    result = run(*arguments, "--train", 5)
    assert result.exit_code == 0, result.output
    assert StepsOnly.learnt == 5 * 20
    assert out.read_bytes() != untrained
    result = run("crl/load_balancing-v0", *arguments[1:], "--train", 1)
    assert result.exit_code == 2
    assert "an episode may have 500000 here; limit it: --set max_steps=1000" in result.stderr


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (
            ["crl/sysadmn-v0", "--out", "x.gif"],
            "unknown id 'crl/sysadmn-v0' (did you mean 'crl/sysadmin",
        ),
        (
            ["crl/sysadmin-v0", "--out", "x.avi"],
            "out must end in .png (the last frame), .gif or .mp4",
        ),
        (["crl/sysadmin-v0", "--out", "x.gif", "--policy", "nobody"], "no learner 'nobody'"),
        (
            ["crl/sysadmin-v0", "--out", "x.gif", "--steps", "0"],
            "steps must be an integer in [1, 100000]",
        ),
        (
            ["crl/sysadmin-v0", "--out", "x.gif", "--every", "61"],
            "every must be an integer in [1, 60]",
        ),
        (["crl/sysadmin-v0", "--out", "x.gif", "--train", "-1"], "train must be an integer"),
        (["crl/sysadmin-v0", "--out", "x.gif", "--seed", "-1"], "seed must be an integer"),
        (
            ["crl/sysadmin-v0", "--out", "x.gif", "--fps", "0"],
            "fps must be a finite number in (0, 50]",
        ),
        (["crl/sysadmin-v0", "--out", "x.gif", "--n-agents", "0"], "n_agents must be an integer"),
        (
            ["crl/sysadmin-v0", "--out", "x.gif", "--n-agents", "100001"],
            "draws at most 100000 agents, got n_agents=100001; render_mode='ansi' sums up any number",
        ),
        (
            ["crl/sysadmin-v0", "--out", "x.gif", "--set", "horizon"],
            "set must be KEY=VALUE, got 'horizon'",
        ),
        (
            ["crl/sysadmin-v0", "--out", "x.gif", "--n-agents", "5", "--set", "n_agents=6"],
            "n_agents must be given once, got 5 and 6",
        ),
        (
            ["crl/sysadmin-v0", "--out", "x.gif", "--set", "horizn=3"],
            "has no argument 'horizn' (did you mean 'horizon'",
        ),
        (
            ["crl/sysadmin-v0", "--out", "x.gif", "--set", "render_mode=ansi"],
            "render_mode is rgb_array here",
        ),
        (
            ["crl/sysadmin-v0", "--out", "x.gif", "--set", "dynamics=chaos"],
            "dynamics must be one of",
        ),
        (["crl/sysadmin-v0", "--out", "x.gif", "--policy", "local-means"], "env must be a bandit"),
    ],
)
def test_bad_input_is_one_line_and_exit_code_2(
    run: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, arguments: list[str], message: str
) -> None:
    monkeypatch.chdir(tmp_path)
    result = run(*arguments)
    assert result.exit_code == 2, result.output
    errors = [line for line in result.stderr.splitlines() if line.startswith("error: ")]
    assert len(errors) == 1
    assert message in errors[0]
    assert "Traceback" not in result.output
    assert list(tmp_path.iterdir()) == []


def test_without_the_extra(run: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from crl_envs.adapters import MissingLibraryError
    from crl_envs.core.install import install_hint

    def missing(distribution: str, minimum: str, extra: str) -> None:
        raise MissingLibraryError(f"{distribution} isn't installed: {install_hint(extra)}")

    monkeypatch.setattr(renderer, "require", missing)
    result = run("crl/bandit-v0", "--out", tmp_path / "x.gif")
    assert result.exit_code == 2
    assert "matplotlib isn't installed: pip install 'crl-envs[render]'" in result.stderr


def test_an_environment_without_frames(
    run: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Blind(crl_envs.bandit.BanditEnv):  # type: ignore[name-defined]
        def __init__(self, render_mode: str | None = None) -> None:
            super().__init__()

        metadata = {"render_modes": []}  # noqa: RUF012

    monkeypatch.setattr(crl_envs.registration, "_REGISTRY", dict(crl_envs.registration._REGISTRY))
    monkeypatch.setitem(
        crl_envs.registration._REGISTRY,
        "them/blind-v0",
        crl_envs.registration.Registration("them/blind-v0", Blind),
    )
    result = run("them/blind-v0", "--out", tmp_path / "x.gif")
    assert result.exit_code == 2
    assert "them/blind-v0 has no render mode 'rgb_array'" in result.stderr
