"""What Dec-POMDPs are worth, planned exactly, and what a message may cost for agents to send it.

    python -m benchmarks.messages [--out docs/decpomdp/messages.png]

Dec-POMDPs with communication (Goldman & Zilberstein 2004) are between two ends: agents who share all that they see, at
a cost of 0, and agents who share nothing, where no message is worth what it costs.
"""

from __future__ import annotations

import argparse
import math
from time import process_time
from typing import Final

import numpy as np

from crl_envs.decpomdp import broadcast_channel, exact, jesp, shared_value, tiger, with_messages

PUBLISHED: Final = {
    "tiger": (-4.0, 5.190812, 4.802755, 7.026451, 10.381625),
    "broadcast channel": (2.0, 2.99, 3.89, 4.79, 5.69),
}
HORIZONS: Final = (2, 3, 4)  # with messages
COSTS: Final = (0.0, 0.5, 1.0, 2.0, 5.0, 10.0, 15.0, 20.0, 50.0)
STEP: Final = 0.25  # of the costs in the picture


def optima() -> None:
    """Print the optima beside the published ones."""
    print("| problem | h | exact | published | JESP | shared | CPU s |")
    print("| :-- | --: | --: | --: | --: | --: | --: |")
    for model, (name, known) in zip((tiger(), broadcast_channel()), PUBLISHED.items(), strict=True):
        for horizon, published in enumerate(known, 2):
            begun = process_time()
            value = exact(model, horizon).value
            taken = process_time() - begun
            answered = f"{jesp(model, horizon).value:.6f}" if horizon < 6 else "–"
            print(
                f"| {name} | {horizon} | {value:.6f} | {published:.8g} | {answered} | "
                f"{shared_value(model, horizon):.6f} | {taken:.2f} |"
            )


def prices() -> None:
    """Print the tiger's value and expected number of messages by their cost."""
    heads = (f"h = {h}: value, messages" for h in HORIZONS)
    print(f"\n| cost of a message | {' | '.join(heads)} |")
    print("| --: |" + " --: |" * len(HORIZONS))
    for cost in (*COSTS, None):
        plans = (exact(tiger(), horizon, cost) for horizon in HORIZONS)
        cells = (f"{round(plan.value, 4) + 0.0:.4f}, {plan.messages:.2f}" for plan in plans)
        print(f"| {'no messages' if cost is None else f'{cost:g}'} | {' | '.join(cells)} |")


def turns() -> None:
    """Print how long the search takes that knows of messages, and one in which agents act and send by turns."""
    print("\n| tiger, a message costs 2 | value | CPU s | by turns | CPU s |")
    print("| :-- | --: | --: | --: | --: |")
    for horizon in (2, 3):
        cells = []
        for model, steps, cost in (
            (tiger(), horizon, 2.0),
            (with_messages(tiger(), 2.0), 2 * horizon - 1, None),
        ):
            begun = process_time()
            value = exact(model, steps, cost).value
            cells.append(f"{value:.4f} | {process_time() - begun:.2f}")
        print(f"| h = {horizon}, {2 * horizon - 1} turns | {' | '.join(cells)} |")


def largest_price(horizon: int) -> float:
    """Return the cost above which nobody sends, to 0.001."""
    silent, low, high = exact(tiger(), horizon).value, 0.0, 128.0
    while high - low > 1e-3:
        middle = (low + high) / 2
        worth = exact(tiger(), horizon, middle).value > silent + 1e-6
        low, high = (middle, high) if worth else (low, middle)
    return high


def draw(path: str) -> None:
    """Draw the tiger's value against the cost of a message."""
    import matplotlib.pyplot as plt

    figure, axes = plt.subplots(figsize=(7, 4), layout="constrained")
    ends = [math.ceil(largest_price(horizon)) for horizon in HORIZONS]
    costs = np.arange(0, max(ends) + 2, STEP)
    for colour, horizon in zip(("#0072B2", "#D55E00", "#009E73"), HORIZONS, strict=True):
        values = [exact(tiger(), horizon, float(cost)).value for cost in costs]
        axes.plot(costs, values, color=colour, label=f"h = {horizon}")
        axes.axhline(exact(tiger(), horizon).value, color=colour, linestyle=":", linewidth=1)
    axes.set(xlabel="cost of a message", ylabel="best expected sum of the team's rewards")
    axes.legend(title="dotted: no messages", frameon=False)
    axes.spines[["top", "right"]].set_visible(False)
    figure.savefig(path, dpi=120)


def main() -> None:
    """Print both tables and draw the picture."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--out", help="where to draw the picture; default: nowhere")
    chosen = parser.parse_args()
    optima()
    prices()
    turns()
    costs = ", ".join(f"{largest_price(h):.3f} (h = {h})" for h in HORIZONS)
    print(f"\nNobody sends at a cost above {costs}.")
    if chosen.out:
        draw(chosen.out)


if __name__ == "__main__":
    main()
