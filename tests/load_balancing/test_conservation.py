"""No load is ever made or lost, whatever fails."""

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from crl_envs.load_balancing import LoadBalancingWorld, Outcome
from crl_envs.load_balancing.rules import ENDLESS, Count
from tests.load_balancing.driving import rollout

ARGUMENTS = st.fixed_dictionaries(
    {
        "n_agents": st.integers(1, 14),
        "topology": st.sampled_from(["grid", "random"]),
        "servers": st.just(()),
        "capacity": st.integers(0, 6),
        "cost_model": st.sampled_from(["discrete", "gradient"]),
        "n_loads": st.one_of(st.integers(1, 60), st.just("endless")),
        "max_in_flight": st.integers(1, 12),
        "arrival_rate": st.one_of(st.none(), st.floats(0.1, 5.0)),
        "departure_rate": st.sampled_from([0.0, 0.1, 0.7]),
        "message_loss": st.sampled_from([0.0, 0.3, 1.0]),
        "message_delay": st.integers(0, 5),
        "fail_rate": st.sampled_from([0.0, 0.1, 1.0]),
        "return_rate": st.sampled_from([0.0, 0.5, 1.0]),
        "join_capacity": st.integers(0, 4),
        "join_at": st.one_of(st.just("full"), st.integers(1, 30)),
        "discovery": st.sampled_from(["off", "entry_neighbors", "all"]),
        "discover": st.sampled_from(["any", "again"]),
        "memory": st.booleans(),
        "timeout": st.one_of(st.none(), st.integers(1, 20)),
        "instance_seed": st.integers(0, 5),
    }
)


@settings(max_examples=60, deadline=None, derandomize=True)
@given(arguments=ARGUMENTS, seed=st.integers(0, 10))
def test_conservation_at_each_step_under_every_fault(arguments, seed):
    world = LoadBalancingWorld(**arguments, backend="numpy")
    for before, _, state, reward in rollout(world, 2, 50, seed, wild=0.1):
        m = world.metrics(state)
        total = m["stored"] + m["queued"] + m["on_wire"] + m["departed"] + m["timed_out"]
        np.testing.assert_array_equal(m["loads_in"], total)
        np.testing.assert_array_equal(
            m["loads_in"] + m["backlog"] + m["remaining"], min(world.rules.n_loads, ENDLESS)
        )
        assert (state.load >= 0).all()
        assert (state.load <= world.capacity[:, None]).all()
        assert (m["queued"] + m["on_wire"] <= world.places).all()
        assert (m["messages_lost"] <= m["messages_sent"]).all()
        assert (world.action_mask(state).sum(axis=1) > 0).all()
        observed = world.observation(state)
        assert (observed >= 0).all() and (observed <= 1).all()
        if before is not None:
            assert np.isfinite(reward).all() and (reward <= 0).all()
            stored = (state.outcome == Outcome.STORED).sum(axis=0)
            gone = state.tally[Count.DEPARTED] - before.tally[Count.DEPARTED]
            np.testing.assert_array_equal(
                state.load.sum(axis=0) - before.load.sum(axis=0), stored - gone
            )


@settings(max_examples=30, deadline=None, derandomize=True)
@given(arguments=ARGUMENTS, seed=st.integers(0, 10))
def test_every_queue_is_first_in_first_out_and_places_are_consistent(arguments, seed):
    world = LoadBalancingWorld(**arguments, backend="numpy")
    for _, _, state, _ in rollout(world, 1, 40, seed, wild=0.1):
        now = state.tally[Count.TIME, 0]
        for agent in range(world.n_agents):
            queue = [
                (state.ticket[p, 0], p)
                for p in range(world.places)
                if state.at[p, 0] == agent and state.ready[p, 0] <= now
            ]
            assert state.waiting[agent, 0] == len(queue)
            expected = min(queue)[1] if queue and state.active[agent, 0] else -1
            assert state.head[agent, 0] == expected
        tickets = [t for t, at in zip(state.ticket[:, 0], state.at[:, 0], strict=True) if at >= 0]
        assert len(set(tickets)) == len(tickets)
