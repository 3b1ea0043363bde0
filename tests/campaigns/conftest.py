"""Campaigns: many random cases whose oracle is a contract, too many for every run of the suite.

``make test-campaigns`` runs them and prints how many cases of which seed each had. ``CAMPAIGN_SEED`` begins elsewhere,
``CAMPAIGN_SCALE`` multiplies their number. A failure names its case; ``CAMPAIGN_CASE`` runs that one alone.
"""

from __future__ import annotations

import os
import random
from collections import Counter
from collections.abc import Callable, Generator, Iterator

import pytest

SEED = int(os.environ.get("CAMPAIGN_SEED", "0"))
SCALE = float(os.environ.get("CAMPAIGN_SCALE", "1"))
ONLY = os.environ.get("CAMPAIGN_CASE")

_at: dict[str, int] = {}  # the case that each test is at

Cases = Callable[[int], Iterator[tuple[random.Random, Counter[str]]]]


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if "campaigns" in item.path.parts:
            item.add_marker(pytest.mark.campaign)


@pytest.fixture
def cases(request: pytest.FixtureRequest) -> Cases:
    """``for rng, seen in cases(1000)``: a generator of its own for each case, and a tally for what was seen."""

    def make(number: int) -> Iterator[tuple[random.Random, Counter[str]]]:
        seen: Counter[str] = Counter()
        name, number = request.node.name, max(1, round(number * SCALE))
        whole = range(SEED * number, (SEED + 1) * number) if ONLY is None else [int(ONLY)]
        for case in whole:
            _at[request.node.nodeid] = case
            yield random.Random(f"{name} {case}"), seen
        counts = ", ".join(f"{count:,} {what}" for what, count in sorted(seen.items()))
        text = f"{name}: {len(whole):,} cases of seed {SEED}, no fault; {counts}"
        request.node.user_properties.append(("campaign", text))

    return make


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(
    item: pytest.Item,
) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    report = yield
    if report.failed and item.nodeid in _at:
        report.sections.append(("campaign", f"CAMPAIGN_CASE={_at[item.nodeid]} has the fault"))
    return report


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    passed = terminalreporter.stats.get("passed", [])  # of all workers
    told = [text for report in passed for key, text in report.user_properties if key == "campaign"]
    if told:
        terminalreporter.section("campaigns")
        terminalreporter.write_line("\n".join(told))
