"""Settings that hold for all tests."""

import os
import random
import secrets
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings
from numpy.random import bit_generator

from crl_envs.core.backend import HEAD_START

# What has a compiled form is tested in that form; tests/core/test_backend.py tests how it begins to be used.
os.environ[HEAD_START] = "0"

# The same examples, and the same draws of what isn't seeded, in every run: a failure is a change and not a draw.
# And no clock decides: neither a deadline nor a check of how soon examples are drawn, on a machine that stalls.
settings.register_profile(
    "crl",
    deadline=None,
    derandomize=True,
    database=None,
    suppress_health_check=[HealthCheck.too_slow],
)
settings.load_profile("crl")

ENTROPY = random.Random()
secrets.randbits = bit_generator.randbits = ENTROPY.getrandbits

HERE = Path(__file__).parent
SWEEPS = (  # they make runs in processes of their own, which takes minutes together
    "bench/papers/",
    "bench/test_isolation.py",
    "bench/test_missing_libraries.py",
    "bench/test_sweep.py",
    "commands/test_sweeping.py",
    "examples/test_own_learner.py",
)


@pytest.hookimpl(tryfirst=True)
def pytest_runtest_setup(item: pytest.Item) -> None:
    """Let each test draw what it would draw alone."""
    ENTROPY.seed(item.nodeid)


@pytest.hookimpl(tryfirst=True)  # before pytest leaves out what -m doesn't ask for
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark the tests of sweeps by the files that they are in."""
    for item in items:
        if item.path.is_relative_to(HERE) and item.path.relative_to(HERE).as_posix().startswith(
            SWEEPS
        ):
            item.add_marker("sweeps")
