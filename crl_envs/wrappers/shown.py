"""What a wrapper shows of itself."""

from __future__ import annotations

from typing import Any


class ShowsWhatItWraps:
    """Mixin: ``repr`` names the wrapper and what is in it, as ``GlobalReward(SysadminEnv(n_agents=4))``."""

    env: Any

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self.env!r})"
