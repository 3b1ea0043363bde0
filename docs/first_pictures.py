"""Draw README's two pictures: ``make pictures``, or ``python docs/first_pictures.py``.

`MOVING`: 64 machines on a ring learn from local rewards and, beside it, from the global one. A dot is a machine, the
brighter the more often its agent does what keeps it up: reboots it when it is down, and leaves it alone else. Below,
the learners' return so far over the episodes that they took, on 64 episodes with other seeds.

`PLOT`: environment steps to .9 of the way from random to the optimum over the number of machines, medians of ten runs
with 95 % intervals, from the shipped leaderboard's scores.
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from typing import Any, Final

import numpy as np

import crl_envs
from agents import Reinforce
from crl_envs.bench.report.pictures import as_png, single_figure
from crl_envs.rendering.film import Film
from crl_envs.rendering.palette import BLUE, GREEN, GREY, PURPLE, VERMILLION

DOCS: Final = Path(__file__).parent
MOVING: Final = DOCS / "rendering" / "local-beside-global.gif"
PLOT: Final = DOCS / "bench" / "samples-against-n.png"

WORLD: Final = "crl/sysadmin-v0"
COLOURS: Final = {"local": BLUE, "global": VERMILLION}
SIDES: Final = {"local": "bottom", "global": "top"}  # of their ends in the plot
SHOWN: Final = {
    "reinforce-global": (VERMILLION, "REINFORCE, global reward", "center"),
    "model-based-global": (PURPLE, "model-based, global reward", "center"),
    "decomposed-reinforce": (GREEN, "REINFORCE, global reward taken apart", "bottom"),
    "reinforce-local": (BLUE, "REINFORCE, local rewards", "top"),
}


def measured(learner: Reinforce, vec: Any) -> float:
    """Return the mean return of an agent over the episodes of a vector env, always the same ones."""
    observations, _ = vec.reset(seed=1)
    total = 0.0
    for _ in range(vec.world.horizon):
        observations, rewards, *_ = vec.step(learner.act(observations))
        total += float(rewards.mean())
    return total


def moving_picture(path: Path, n: int = 64, frames: int = 60, last: int = 3000) -> None:
    """Film both learners, episode by episode at first, and ever faster."""
    import matplotlib.pyplot as plt

    checks = crl_envs.make_vec(WORLD, num_envs=64, n_agents=n)
    optimum = crl_envs.make(WORLD, n_agents=n).unwrapped.optimum().value
    learners = {
        credit: Reinforce(crl_envs.make_vec(WORLD, n_agents=n), credit=credit, seed=0)
        for credit in COLOURS
    }
    ends = np.unique(np.geomspace(1, last, frames).round().astype(int))
    figure = plt.figure(figsize=(7.2, 4.6), dpi=80)
    rings = {c: figure.add_axes((0.06 + 0.5 * k, 0.42, 0.38, 0.5)) for k, c in enumerate(learners)}
    curve = figure.add_axes((0.09, 0.12, 0.87, 0.27))
    angles = 2 * np.pi * np.arange(n) / n
    returns: dict[str, list[float]] = {credit: [] for credit in learners}
    with Film(path, 10) as film:
        for k, end in enumerate(ends):
            for credit, learner in learners.items():
                learner.learn(total_episodes=int(end - (ends[k - 1] if k else 0)))
                returns[credit].append(measured(learner, checks))
                chances = learner.probabilities()  # [agent, observation, action]
                keeps_up = (chances[:, 0, 1] + chances[:, 1, 0]) / 2
                axes = rings[credit]
                axes.clear()
                axes.scatter(
                    *(np.cos(angles), np.sin(angles)),
                    c=keeps_up,
                    **{"s": 55, "vmin": 0.4, "vmax": 1, "cmap": "cividis", "edgecolors": GREY},
                )
                axes.set(aspect="equal", xlim=(-1.2, 1.2), ylim=(-1.2, 1.2))
                axes.axis("off")
                axes.text(
                    0, 0, f"{credit}\nreward{'s' * (credit == 'local')}", ha="center", va="center"
                )
            curve.clear()
            curve.axhline(optimum, color="black", lw=1)
            curve.text(1, optimum + 0.15, "optimum", fontsize=8)
            for credit, colour in COLOURS.items():
                curve.plot(ends[: k + 1], returns[credit], color=colour, lw=2)
                curve.text(end * 1.05, returns[credit][-1], credit, color=colour, va=SIDES[credit])
            curve.set(xscale="log", xlim=(1, last * 2), ylim=(8, 19.5))
            curve.set(xlabel=f"episodes (now {end:,})", ylabel="return")
            figure.suptitle(f"{n} machines learn when to reboot")
            figure.canvas.draw()
            frame = np.asarray(figure.canvas.buffer_rgba())[..., :3].copy()
            for _ in range(15 if k == len(ends) - 1 else 1):  # the last one stands still
                film.add(frame)
    plt.close(figure)


def plot(path: Path) -> None:
    """Draw samples against n for the learners of `SHOWN`, each named at its end."""
    scores = json.loads((DOCS / "bench" / "leaderboard" / "scores.json").read_text("utf-8"))
    learners = scores["experiments"]["sysadmin-n@1"]["summary"]["learners"]
    figure, axes = single_figure(7.2, 3.6)
    for name, (colour, label, side) in SHOWN.items():
        values = learners[name]["values"]
        sizes = [int(n) for n in values]
        found = [of["samples"]["runs"] for of in values.values()]
        middle = np.array([of["value"] for of in found])
        spread = np.abs(np.array([[of["low"], of["high"]] for of in found]).T - middle)
        axes.errorbar(sizes, middle, spread, color=colour, marker="o", ms=5, capsize=3)
        power = learners[name]["exponent"]["runs"]["power"]["value"]
        axes.annotate(
            f"{label}: n^{power:.2f}",
            (sizes[-1], middle[-1]),
            **{"xytext": (8, 0), "textcoords": "offset points", "color": colour, "va": side},
        )
    axes.set(xscale="log", yscale="log", xlim=(7, 700), xlabel="number of machines n")
    axes.set_ylabel("samples (env steps) to a score of .9")
    axes.set_xticks(sizes, [str(n) for n in sizes])
    axes.minorticks_off()
    path.write_bytes(as_png(figure))


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument(
        "--plot-only", action="store_true", help="leave the moving picture as it is"
    )
    plot(PLOT)
    if not parser.parse_args().plot_only:
        moving_picture(MOVING)
