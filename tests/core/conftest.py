from __future__ import annotations

import pytest

from crl_envs import registration
from tests.core.toy import TOY, ToyEnv


@pytest.fixture(autouse=True)
def _toy_has_an_id(monkeypatch: pytest.MonkeyPatch) -> None:
    """In these tests only, so that tests of all registered ids don't see it."""
    monkeypatch.setitem(registration._REGISTRY, TOY, registration.Registration(TOY, ToyEnv))
