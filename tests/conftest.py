"""Settings that hold for all tests."""

import os

from hypothesis import settings

from crl_envs.core.backend import HEAD_START

# What has a compiled form is tested in that form; tests/core/test_backend.py tests how it begins to be used.
os.environ[HEAD_START] = "0"

# Derandomised: the same examples in every run, so that a failure is a change and not a draw.
settings.register_profile("crl", deadline=None, derandomize=True, database=None)
settings.load_profile("crl")
