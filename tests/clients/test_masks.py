"""Clients that look for masks beside the observations obey them where something is forbidden."""

from __future__ import annotations

import importlib
from pathlib import Path
from typing import Any

import pettingzoo
import pytest

import crl_envs  # noqa: F401  registers the ids

EXAMPLES = Path(__file__).parents[2] / "examples" / "clients"


@pytest.mark.skipif(
    not hasattr(pettingzoo, "make"), reason="pettingzoo has a registry from 1.27 on"
)
def test_maskable_ppo(monkeypatch: pytest.MonkeyPatch) -> None:
    sb3_contrib = pytest.importorskip("sb3_contrib")
    monkeypatch.syspath_prepend(EXAMPLES)
    example = importlib.import_module("sb3_maskable_ppo")

    class Strict(example.Turns):  # type: ignore[name-defined]
        """Counts what is done, and what is forbidden in between."""

        done = forbidden = 0

        def step(self, action: Any) -> Any:
            mask = self.action_mask()
            assert mask[action]
            self.done += 1
            self.forbidden += len(mask) - mask.sum()
            return super().step(action)

    arguments = {"n_agents": 8, "max_steps": 30, "encode": "onehot", "masks": "observation"}
    env = Strict(pettingzoo.make("aec", "crl/load_balancing-v0", **arguments))
    masked = example.ActionMasker(env, example.Turns.action_mask)
    sb3_contrib.MaskablePPO("MlpPolicy", masked, n_steps=200, batch_size=100, seed=0).learn(600)
    assert env.done == 600
    assert env.forbidden > 600
