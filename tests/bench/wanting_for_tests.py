"""Learners of a library that is missing, unless an environment variable says that it is there."""

from __future__ import annotations

import os

from agents import LocalMeans, RandomPolicy
from crl_envs.adapters import MissingLibraryError

HINT = "thirdparty isn't installed, and 2.3 or newer is needed: pip install thirdparty"
INSTALLED = "CRL_ENVS_TESTS_THIRDPARTY"

if INSTALLED not in os.environ:
    raise MissingLibraryError(HINT)


class Wanting(LocalMeans):
    """One of them."""


class Another(RandomPolicy):
    """And another."""
