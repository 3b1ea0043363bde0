"""The command line: through typer's runner, and as a user starts it."""

import inspect
import json
import os
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from typer.testing import CliRunner

import crl_envs
from crl_envs import cli
from crl_envs.adapters import MissingLibraryError
from crl_envs.bench.learners import installed_learners, learner_spec
from crl_envs.bench.papers import REPRODUCTIONS
from crl_envs.commands.app import app
from crl_envs.sysadmin.optimum.certificates import OPTIMA, shipped_table

ROOT = Path(__file__).parents[1]
# What a reproduction leaves.
FOLDER = [
    *(".lock", "fig3.csv", "fig3.png", "report.md"),
    *("runs", "summary.json", "sweep.json"),
]


@pytest.fixture
def run(monkeypatch: pytest.MonkeyPatch) -> Iterator[CliRunner]:
    monkeypatch.setenv("COLUMNS", "120")
    yield CliRunner()


def test_version(run: CliRunner) -> None:
    result = run.invoke(app, ["--version"])
    assert (result.exit_code, result.output) == (0, f"crl-envs {crl_envs.__version__}\n")


def test_list_has_every_id_with_its_first_line(run: CliRunner) -> None:
    result = run.invoke(app, ["list"])
    assert result.exit_code == 0
    for id in crl_envs.registered_ids():
        assert id in result.output
    assert "Machines in a network fail" in result.output
    assert re.search(r"^fig3 +Bagnell & Ng 2005, Figure 3", result.output, re.M)


def test_list_says_what_learners_say_without_importing_their_libraries(run: CliRunner) -> None:
    """Texts are read from the files; they are those that the loaded classes have."""
    script = (
        "import sys; from crl_envs.cli import main; sys.argv[1:] = ['list', '--json']\n"
        "try: main()\n"
        "except SystemExit: pass\n"
        "print(sorted({'torch', 'ray', 'numba'} & set(sys.modules)))\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, check=True, cwd=ROOT
    )
    printed, _, loaded = done.stdout.strip().rpartition("\n")
    assert loaded == "[]"
    said = json.loads(printed)["learners"]
    for name in installed_learners():
        try:
            cls = learner_spec(name).load()
        except MissingLibraryError as error:
            assert said[name] == f"not installed: {error}"
            continue
        own = (inspect.getdoc(cls) or cls.__name__).splitlines()[0]
        module = (inspect.getdoc(inspect.getmodule(cls)) or "").splitlines()[0]
        assert said[name] == (module if own.startswith("See the module") else own)


@pytest.mark.parametrize("id", crl_envs.registered_ids())
def test_describe_prints_all_sections(run: CliRunner, id: str) -> None:
    result = run.invoke(app, ["describe", id])
    assert result.exit_code == 0
    for heading in ("Description", "Action Space", "Reward", "Arguments", "Known Optimum"):
        assert heading in result.output
    assert "• n_agents: " in result.output


def test_describe_an_unknown_id(run: CliRunner) -> None:
    result = run.invoke(app, ["describe", "crl/sysadmn-v0"])
    assert result.exit_code == 2
    assert "error: unknown id 'crl/sysadmn-v0' (did you mean 'crl/sysadmin-v0'" in result.output
    assert result.output.count(" or '") == 4  # five near matches, not all hundred ids
    assert result.output.endswith("?); `crl-envs list` shows all\n")


@pytest.mark.parametrize("name", REPRODUCTIONS)
def test_describe_a_reproduction(run: CliRunner, name: str) -> None:
    said = json.loads(run.invoke(app, ["describe", name, "--json"]).stdout)
    entry = REPRODUCTIONS[name]
    assert said == {"id": name, "text": f"{entry.title}\n\n{entry.claim}"}


def test_reproduce_an_unknown_figure(run: CliRunner) -> None:
    result = run.invoke(app, ["reproduce", "figure3"])
    assert result.exit_code == 2
    assert "unknown reproduction 'figure3' (did you mean 'fig3' or" in result.output
    assert "?); `crl-envs list` shows all" in result.output


def test_reproduce_fig3(run: CliRunner, tmp_path: Path) -> None:
    out = tmp_path / "fig3"
    result = run.invoke(
        app, ["reproduce", "fig3", "--seeds", "2", "--iterations", "2", "--out", str(out)]
    )
    assert result.exit_code == 0, result.output
    assert "local, n=10" in result.output
    assert str(out / "report.md") in result.output
    assert sorted(path.name for path in out.iterdir()) == FOLDER


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--seeds", "1"], "error: seeds must be an integer in [2, 100000], got 1"),
        (["--iterations", "0"], "error: iterations must be an integer ≥ 1, got 0"),
        (["--seed", "-1"], "error: seed must be"),
        (["--seeds", "many"], "--seeds"),
    ],
)
def test_bad_values_end_with_code_2(
    run: CliRunner, tmp_path: Path, arguments: list[str], message: str
) -> None:
    result = run.invoke(app, ["reproduce", "fig3", "--out", str(tmp_path / "out"), *arguments])
    assert result.exit_code == 2
    assert message in result.output
    assert not (tmp_path / "out").exists()


def test_a_file_as_folder_ends_with_code_2(run: CliRunner, tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    result = run.invoke(app, ["reproduce", "fig3", "--out", str(tmp_path / "file")])
    assert result.exit_code == 2
    assert "error: out must be a folder to write in" in result.output


@pytest.mark.parametrize("missing", ["typer", "matplotlib"])
def test_without_the_extra_there_is_a_hint(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], missing: str
) -> None:
    find_spec = cli.find_spec
    monkeypatch.setattr(cli, "find_spec", lambda n: None if n == missing else find_spec(n))
    with pytest.raises(SystemExit) as end:
        cli.main()
    assert end.value.code == 2
    hint = f"crl-envs needs {missing}: pip install 'crl-envs[bench]'\n"
    assert capsys.readouterr().err == hint


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="Linux has a file that is always full")
@pytest.mark.parametrize("command", [["list"], ["--version"], ["doctor", "--json"]])
def test_a_full_disk_is_a_sentence(command: list[str]) -> None:
    """Whether what is printed overflows a buffer or is still in it at the end."""
    with Path("/dev/full").open("w") as full:
        done = subprocess.run(
            [sys.executable, "-m", "crl_envs", *command],
            check=False,
            cwd=ROOT,
            stdout=full,
            stderr=subprocess.PIPE,
            text=True,
        )
    assert (done.returncode, done.stderr) == (2, "error: No space left on device\n")


def test_the_keyboard_stops_what_has_not_begun(monkeypatch: pytest.MonkeyPatch) -> None:
    def stopped(prog_name: str) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("crl_envs.commands.app.app", stopped)
    with pytest.raises(SystemExit) as end:
        cli.main()
    assert end.value.code == 130


def test_as_a_user_starts_it(tmp_path: Path) -> None:
    """In a process of its own, with the entry points of an installed distribution; no temporary files stay."""
    installed = tmp_path / "site" / "crl_envs-0.0.0.dist-info"
    installed.mkdir(parents=True)
    (installed / "METADATA").write_text("Metadata-Version: 2.1\nName: crl-envs\nVersion: 0.0.0\n")
    (installed / "entry_points.txt").write_text(
        "[crl_envs.learners]\nreinforce = agents:Reinforce\n"
    )
    work = tmp_path / "work"
    work.mkdir()
    path = os.pathsep.join([str(tmp_path / "site"), str(ROOT)])
    done = subprocess.run(
        [
            *(sys.executable, "-W", "error", "-m", "crl_envs", "reproduce", "fig3"),
            *("--seeds", "2", "--iterations", "1"),
        ],
        cwd=work,
        env={**os.environ, "PYTHONPATH": path, "COLUMNS": "100", "MPLBACKEND": "TkAgg"},
        check=False,
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    assert "Report: results/fig3/report.md" in done.stdout.replace("\\", "/")
    written = sorted(path.name for path in (work / "results" / "fig3").iterdir())
    assert written == FOLDER
    assert [path.name for path in work.iterdir()] == ["results"]


class TestOptimum:
    @pytest.fixture(autouse=True)
    def own_cache(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv("CRL_ENVS_CACHE", str(tmp_path / "cache"))

    def test_certificate(self, run: CliRunner) -> None:
        result = run.invoke(app, ["optimum", "--dynamics", "ring", "--n-agents", "20"])
        assert result.exit_code == 0, result.output
        row = re.search(r"^ring +20 +bound +(\S+) +(\S+) +(\S+) +(\S+)$", result.output, re.M)
        assert row
        lower, upper, gap, percent = map(float, row.groups())
        optimum = crl_envs.make("crl/sysadmin-v0", n_agents=20).unwrapped.optimum()
        assert lower == pytest.approx(optimum.lower / 20, abs=1e-7)
        assert upper == pytest.approx(optimum.value / 20, abs=1e-7)
        assert gap == pytest.approx((optimum.value - optimum.lower) / 20, rel=0.1)
        assert percent == pytest.approx(100 * gap / upper, rel=0.2)
        assert optimum.method in result.output

    def test_recompute_fills_the_cache(self, run: CliRunner, tmp_path: Path) -> None:
        arguments = ["optimum", "--n-agents", "30", "--horizon", "2", "--start-up", "0.2"]
        first = run.invoke(app, [*arguments, "--recompute"])
        assert first.exit_code == 0, first.output
        assert len(list((tmp_path / "cache").rglob("*.json"))) == 2
        assert run.invoke(app, arguments).output == first.output

    def test_the_whole_table(
        self, run: CliRunner, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """Where the recomputation differs the table is written all the same, and the difference is named."""
        table = shipped_table()
        monkeypatch.setattr("crl_envs.commands.reproducing.recomputed_table", lambda watch: table)
        out = tmp_path / "optima.json"
        result = run.invoke(app, ["optimum", "--all", "--write", str(out)])
        assert result.exit_code == 0, result.output
        assert result.output.endswith("as shipped\n")
        assert json.loads(out.read_text("utf-8")) == table
        table[OPTIMA][-1]["value"]["lower"] -= 0.5
        result = run.invoke(app, ["optimum", "--all"])
        assert result.exit_code == 0, result.output
        assert re.search(
            r'"n_agents": 121,.*: lower 16\.\d+, shipped 16\.\d+$', result.output, re.M
        )

    @pytest.mark.parametrize(
        ("arguments", "message"),
        [
            (["--dynamics", "rnig"], "dynamics must be one of"),
            (["--n-agents", "0"], "n_agents must be an integer ≥ 1, got 0"),
            (["--horizon", "0"], "horizon must be an integer ≥ 1, got 0"),
            (["--start-up", "2"], "start_up must be a finite number in [0, 1], got 2.0"),
            (["--write", "x.json"], "write needs --all, got 'x.json' alone"),
        ],
    )
    def test_bad_values(self, run: CliRunner, arguments: list[str], message: str) -> None:
        result = run.invoke(app, ["optimum", *arguments])
        assert result.exit_code == 2
        assert f"error: {message}" in result.output


@pytest.mark.parametrize("encoding", ["ascii", "latin-1", "cp1252"])
def test_letters_that_a_terminal_lacks_stop_no_command(encoding: str) -> None:
    env = {**os.environ, "PYTHONIOENCODING": encoding}
    for arguments in (["list"], ["describe", "sysadmin-n"], ["describe", "crl/traffic-v0"]):
        done = subprocess.run(
            [sys.executable, "-m", "crl_envs.cli", *arguments],
            check=False,
            capture_output=True,
            env=env,
        )
        assert (done.returncode, done.stderr) == (0, b"")
        done.stdout.decode(encoding)
