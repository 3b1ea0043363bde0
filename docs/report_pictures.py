"""Draw the shipped reports' pictures anew, from their scores and runs: ``python docs/report_pictures.py``.

A picture is named by its experiment and what it shows, as in a report: ``sysadmin-n-samples.png``. Learning curves are
drawn from ``runs.parquet``.
"""

from __future__ import annotations

import json
from collections import defaultdict
from pathlib import Path
from typing import Any, Final

import numpy as np
import pyarrow.parquet

from crl_envs.bench.report import pictures
from crl_envs.bench.score.measures import Landmarks, normalised

DOCS: Final = Path(__file__).parent
DRAWINGS: Final = {"samples": pictures.samples, "scores": pictures.scores}
CURVES: Final = {"adapters/fillings": "load-balancing-fillings-n@1"}  # curves-VALUE.png


def learning_curves(folder: Path, experiment: Any) -> dict[str, dict[str, pictures.Curves]]:
    """Return an experiment's finished runs as curves, by value of the knob and by learner."""
    rows = pyarrow.parquet.read_table(folder / "runs.parquet").to_pylist()
    runs: dict[tuple[str, str], dict[int, list[Any]]] = defaultdict(lambda: defaultdict(list))
    for row in rows:
        if row["experiment"] == experiment["name"] and row["global_return"] is not None:
            runs[row["value"], row["learner"]][row["seed"]].append(row)
    found: dict[str, dict[str, pictures.Curves]] = defaultdict(dict)
    for (value, learner), by_seed in sorted(runs.items()):
        ends = Landmarks(**experiment["summary"]["landmarks"][value])
        returns = [[row["global_return"] for row in one] for one in by_seed.values()]
        longest = max(by_seed.values(), key=len)
        scores = [
            np.pad(normalised(np.array(r), ends), (0, len(longest) - len(r)), mode="edge")
            for r in returns
        ]
        budgets = np.array([row["budget"] for row in longest], np.float64)
        found[value][learner] = pictures.Curves(budgets, np.array(scores))
    return found


def drawn() -> dict[Path, bytes]:
    """Return each shipped picture."""
    found: dict[Path, bytes] = {}
    for path in sorted(DOCS.glob("**/scores.json")):
        folder = path.parent
        experiments = json.loads(path.read_text("utf-8"))["experiments"]
        looks = pictures.styles({n for e in experiments.values() for n in e["summary"]["learners"]})
        for id, experiment in experiments.items():
            for kind, draw in DRAWINGS.items():
                name = f"{id.partition('@')[0]}-{kind}.png".replace("-neural-n-", "-")
                if (folder / name).exists():
                    found[folder / name] = draw(experiment, looks) or b""
        id = CURVES.get(folder.relative_to(DOCS).as_posix(), "")
        if id:
            named = {**experiments[id], "name": id.partition("@")[0]}
            curves = pictures.curves(named, learning_curves(folder, named), looks)
            found |= {folder / f"curves-{value}.png": png for value, png in curves.items()}
    return found


if __name__ == "__main__":
    for path, picture in drawn().items():
        path.write_bytes(picture)
        print(path.relative_to(DOCS))
