"""No test reads or writes the user's cache."""

from pathlib import Path

import pytest

from crl_envs.factored import window_policy


@pytest.fixture(autouse=True)
def own_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty cache folder for each test."""
    folder = tmp_path / "cache"
    monkeypatch.setenv("CRL_ENVS_CACHE", str(folder))
    return folder


@pytest.fixture
def few_episodes(monkeypatch: pytest.MonkeyPatch) -> None:
    """Simulations a tenth as long."""
    monkeypatch.setattr(window_policy, "_AGENT_STEPS", 1_000_000)
