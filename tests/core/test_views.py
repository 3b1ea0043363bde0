"""The three views of a world with masks, uneven episodes and float observations are one."""

from __future__ import annotations

import pytest

from tests.core.toy import TOY
from tests.views import assert_views_agree


@pytest.mark.parametrize(("n_agents", "horizon", "num_envs"), [(1, 6, 4), (4, 6, 5), (3, 2, 1)])
def test_one_stream_three_views(n_agents: int, horizon: int, num_envs: int) -> None:
    kwargs = {"n_agents": n_agents, "horizon": horizon}
    played = assert_views_agree(TOY, kwargs, 400, num_envs, seed=3, backends=(None,))
    assert played.episodes > 50 * num_envs
    assert 0 < played.terminated < played.episodes
    assert played.illegal > 0
    assert played.staggered == (num_envs > 1)
