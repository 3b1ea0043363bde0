import csv
import json
import math
from pathlib import Path

import numpy as np
import pytest

from crl_envs.bench.papers.bagnell_ng import figure_3
from crl_envs.bench.papers.bagnell_ng.figure_3 import Configuration
from crl_envs.bench.report.figures import Drawn
from crl_envs.bench.score.measures import Landmarks
from crl_envs.bench.score.statistics import FloatArray
from crl_envs.bench.store import Store
from tests.bench.papers.reproduced import reproduced

FILES = ["fig3.csv", "fig3.png", "report.md", "summary.json"]


def reproduce(out: Path, **options: int) -> Drawn:
    return reproduced("fig3", out, **options)


def rows(out: Path) -> list[dict[str, str]]:
    with (out / "fig3.csv").open() as file:
        return list(csv.DictReader(file))


def test_writes_four_whole_files(tmp_path: Path) -> None:
    out = tmp_path / "new" / "fig3"
    outcome = reproduce(out, seeds=2, iterations=6, first_seed=3)
    assert sorted(path.name for path in out.iterdir() if path.is_file()) == [
        *(".lock", *FILES, "sweep.json")
    ]
    ids = [str(record.id) for record in Store(out).records()[0]]
    assert len(ids) == 4
    assert all(id.endswith("/seeds=03-04") for id in ids)

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
    assert summary["seconds"]["all"] >= 0
    assert [(c["n_agents"], c["credit"]) for c in summary["curves"]] == [
        (10, "local"),
        (10, "global"),
        (20, "local"),
        (20, "global"),
    ]
    points = summary["curves"][0]["points"]
    assert [point["iteration"] for point in points] == [0, 6]
    assert [point["averaged_over"] for point in points] == [[0, 0], [0, 6]]
    assert summary["curves"][0]["iterations_to_level"]["value"] is None  # not reached in 6
    assert [size["optimum"]["kind"] for size in summary["sizes"]] == ["exact", "bound"]
    for size in summary["sizes"]:
        assert size["random"] == pytest.approx(0.438, abs=0.002)
        assert size["best_known_policy"] == pytest.approx(0.890, abs=0.002)

    report = (out / "report.md").read_text()
    assert command in report
    assert "![Learning curves for 10 and 20 agents](fig3.png)" in report
    assert max(map(len, outcome.table.rows), default=0) == len(outcome.table.header)


def test_the_same_seeds_give_the_same_curves(tmp_path: Path) -> None:
    reproduce(tmp_path / "a", seeds=2, iterations=3, first_seed=1)
    reproduce(tmp_path / "b", seeds=2, iterations=3, first_seed=1)
    reproduce(tmp_path / "c", seeds=3, iterations=4, first_seed=0)
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
    landmarks = {n: Landmarks(0.4, 0.9, 0.9) for n in (10, 20)}
    how = {n: {"kind": "exact", "method": "by definition"} for n in (10, 20)}
    found = figure_3.measure(curves, landmarks, how)

    assert landmarks[10].level(figure_3.SHARE) == pytest.approx(0.8)
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
    assert "local 49, global 145 iterations" in figure_3.verdict(found)
    assert "n=20: local 49, global – iterations" in figure_3.verdict(found)
    assert "from n=10 to 20: local × 1.0, global × –" in figure_3.verdict(found)
    summary = figure_3.summarise(found, {})
    json.dumps(summary, allow_nan=False)
    assert summary["sizes"][1]["ratio_global_to_local"]["value"] is None


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"seeds": 1}, "seeds must be an integer in .2, 100000., got 1"),
        ({"first_seed": -1}, "seed must be an integer in"),
        ({"iterations": 0}, "iterations must be an integer ≥ 1, got 0"),
    ],
)
def test_bad_options_write_nothing(tmp_path: Path, options: dict[str, int], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        reproduce(tmp_path / "out", **options)
    assert not (tmp_path / "out").exists()


# Reward a step at some iterations, of two implementations that are independent of this package's.
ELSEWHERE = {
    (10, "local"): (0.437, 0.809, 0.862, 0.879, 0.886),
    (10, "global"): (0.437, 0.646, 0.750, 0.835, 0.874),
    (20, "local"): (0.438, 0.813, 0.863, 0.879, 0.885),
    (20, "global"): (0.438, 0.585, 0.673, 0.768, 0.847),
}


@pytest.mark.slow
def test_local_rewards_learn_faster_and_as_in_other_implementations(tmp_path: Path) -> None:
    reproduce(tmp_path, seeds=20, first_seed=1000)
    summary = json.loads((tmp_path / "summary.json").read_text())
    for curve in summary["curves"]:
        known = ELSEWHERE[curve["n_agents"], curve["credit"]]
        for point, value in zip(curve["points"], known, strict=True):
            assert point["reward_per_step"]["value"] == pytest.approx(value, abs=0.03)
    ratios = [size["ratio_global_to_local"] for size in summary["sizes"]]
    assert ratios[0]["low"] > 2
    assert ratios[1]["low"] > ratios[0]["value"]
