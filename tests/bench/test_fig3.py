import csv
import json
import math
from pathlib import Path

import numpy as np
import pytest

import agents
from crl_envs.bench.intervals import FloatArray
from crl_envs.bench.reproductions import REPRODUCTIONS, Options, Outcome, fig3, find_reproduction
from crl_envs.bench.reproductions.fig3 import Configuration, Landmarks

FILES = ["fig3.csv", "fig3.png", "report.md", "summary.json"]


@pytest.fixture(autouse=True)
def learner(monkeypatch: pytest.MonkeyPatch) -> None:
    """The learner without an installed distribution."""
    monkeypatch.setattr(fig3, "find_learner", lambda name: {"reinforce": agents.Reinforce}[name])


def reproduce(out: Path, **options: int) -> Outcome:
    return find_reproduction("fig3").run(Options(out, **options), lambda what, done, total: None)


def rows(out: Path) -> list[dict[str, str]]:
    with (out / "fig3.csv").open() as file:
        return list(csv.DictReader(file))


def test_writes_four_whole_files(tmp_path: Path) -> None:
    told = []
    outcome = find_reproduction("fig3").run(
        Options(tmp_path / "new" / "fig3", seeds=2, iterations=6, seed=3),
        lambda what, done, total: told.append((what, done, total)),
    )
    out = tmp_path / "new" / "fig3"
    assert sorted(path.name for path in out.iterdir()) == FILES
    assert outcome.report == out / "report.md"
    assert told[:2] == [("n=10 local", 0, 7), ("n=10 local", 1, 7)]
    assert told[-1] == ("n=20 global", 7, 7)

    lines = rows(out)
    assert list(lines[0]) == ["n", "credit", "seed", "iteration", "reward_per_step"]
    keys = [(row["n"], row["credit"], row["seed"], row["iteration"]) for row in lines]
    assert keys == [
        (n, credit, seed, str(k))
        for n in ("10", "20")
        for credit in ("local", "global")
        for seed in ("3", "4")
        for k in range(7)
    ]
    assert all(0 <= float(row["reward_per_step"]) <= 1 for row in lines)

    assert (out / "fig3.png").read_bytes().startswith(b"\x89PNG\r\n")

    summary = json.loads((out / "summary.json").read_text())
    command = f"crl-envs reproduce fig3 --seeds 2 --iterations 6 --seed 3 --out {out.as_posix()}"
    assert summary["command"] == command
    assert {"python", "numpy", "gymnasium", "pettingzoo", "crl-envs"} <= set(summary["versions"])
    assert summary["backend"] in ("numpy", "numba")
    assert summary["seconds"]["all"] > 0
    assert [(c["n_agents"], c["credit"]) for c in summary["curves"]] == [
        (10, "local"),
        (10, "global"),
        (20, "local"),
        (20, "global"),
    ]
    points = summary["curves"][0]["points"]
    assert [point["iteration"] for point in points] == [0, 6]
    assert [point["averaged_over"] for point in points] == [[0, 0], [0, 6]]
    assert points[1]["prototype"] is None
    assert summary["curves"][0]["iterations_to_level"]["value"] is None  # not reached in 6
    assert [size["optimum"]["kind"] for size in summary["sizes"]] == ["exact", "bound"]
    for size in summary["sizes"]:
        assert size["random"] == pytest.approx(0.438, abs=0.002)
        assert size["best_known_policy"] == pytest.approx(0.890, abs=0.002)

    report = (out / "report.md").read_text()
    assert command in report
    assert "![Learning curves for 10 and 20 agents](fig3.png)" in report
    assert max(map(len, outcome.summary.rows), default=0) == len(outcome.summary.header)


def test_the_same_seeds_give_the_same_curves(tmp_path: Path) -> None:
    reproduce(tmp_path / "a", seeds=2, iterations=3, seed=1)
    reproduce(tmp_path / "b", seeds=2, iterations=3, seed=1)
    reproduce(tmp_path / "c", seeds=3, iterations=4, seed=0)
    assert (tmp_path / "a/fig3.csv").read_bytes() == (tmp_path / "b/fig3.csv").read_bytes()
    longer = [row for row in rows(tmp_path / "c") if row["seed"] != "0" and row["iteration"] != "4"]
    assert rows(tmp_path / "a") == longer


def test_scores_on_synthetic_curves() -> None:
    """Known curves in, known table out: 1 − exp(−k/τ) between the landmarks, with the same offset for each seed."""
    taus = {(10, "local"): 30.0, (10, "global"): 90.0, (20, "local"): 30.0, (20, "global"): 1e6}
    k = np.arange(501)
    offsets = np.array([-0.01, 0.0, 0.01])[:, None]
    curves: dict[Configuration, FloatArray] = {
        Configuration(*key): 0.4 + 0.5 * (1 - np.exp(-k / tau)) + offsets
        for key, tau in taus.items()
    }
    landmarks = {n: Landmarks(0.4, 0.9, 0.9, "exact", "by definition") for n in (10, 20)}
    found = fig3.measure(curves, landmarks, {})

    assert landmarks[10].level == pytest.approx(0.8)
    local, slow = found.iterations_to[Configuration(10, "local")], found.ratio[10]
    assert local.value == pytest.approx(30 * math.log(5), abs=1)
    assert local.low < local.value < local.high
    assert slow.value == pytest.approx(3.0, abs=0.1)
    assert math.isinf(found.iterations_to[Configuration(20, "global")].value)
    assert math.isinf(found.ratio[20].value)

    first, *_, last = found.points[Configuration(10, "local")]
    assert (first.iteration, first.reward.value) == (0, pytest.approx(0.4))
    assert first.reward.high == pytest.approx(0.4 + 4.302653 * 0.01 / math.sqrt(3))  # t, 2 degrees
    assert (last.iteration, last.first, last.last) == (500, 490, 500)
    assert last.reward.value == pytest.approx(0.9, abs=1e-4)
    # 48.3 and 144.8, a little later for the window
    assert "local 49, global 145 iterations" in fig3.verdict(found)
    assert "n=20: local 49, global – iterations" in fig3.verdict(found)
    assert "from n=10 to 20: local × 1.0, global × –" in fig3.verdict(found)
    summary = fig3.summarise(found, {})
    json.dumps(summary, allow_nan=False)
    assert summary["sizes"][1]["ratio_global_to_local"]["value"] is None


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"seeds": 1}, "seeds must be an integer ≥ 2, got 1"),
        ({"seed": -1}, "seed must be an integer in"),
        ({"iterations": 0}, "iterations must be an integer ≥ 1, got 0"),
    ],
)
def test_bad_options_write_nothing(tmp_path: Path, options: dict[str, int], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        reproduce(tmp_path / "out", **options)
    assert not (tmp_path / "out").exists()


def test_unknown_reproduction() -> None:
    with pytest.raises(ValueError, match=r"unknown reproduction 'fig33' \(did you mean 'fig3' or"):
        find_reproduction("fig33")
    assert set(fig3.PROTOTYPES) == {(n, c) for n in fig3.SIZES for c in fig3.CREDITS}
    assert REPRODUCTIONS["fig3"].module == fig3.__name__


@pytest.mark.slow
def test_local_rewards_learn_faster_and_as_the_prototypes_did(tmp_path: Path) -> None:
    reproduce(tmp_path, seeds=20, seed=1000)
    summary = json.loads((tmp_path / "summary.json").read_text())
    for curve in summary["curves"]:
        for point in curve["points"]:
            assert point["reward_per_step"]["value"] == pytest.approx(point["prototype"], abs=0.03)
    ratios = [size["ratio_global_to_local"] for size in summary["sizes"]]
    assert ratios[0]["low"] > 2
    assert ratios[1]["low"] > ratios[0]["value"]
