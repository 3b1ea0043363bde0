"""The dynamics of one rule on a graph, over any array namespace."""

from __future__ import annotations

from typing import Any

import numpy as np

from crl_envs.core.array_form import ArrayForm, Chance, Rows, column, counting, happens, look_up
from crl_envs.core.on_graph import executed, seen_states
from crl_envs.core.stream import Purpose
from crl_envs.local_rule.problem import RuleOnGraph


def array_form(problem: RuleOnGraph) -> ArrayForm:
    """Return the dynamics of a rule on a graph over any array namespace; the state is ``uint8[n, …]``."""
    rule, rows, orders, observed = problem.rule, problem.rows, problem.orders, problem.observed
    a, signal = rule.n_actions, rule.signal.ravel()
    widths = rows.widths.astype(np.int32)
    entries = Rows(rows.offsets, rows.widths * signal.size)
    count = counting(problem.parents)

    def initial(xp: Any, tables: Any, words: Any) -> Any:
        word = words[Purpose.INITIAL]
        return draw(xp, word, tables["start"], xp.zeros(word.shape, np.int32))

    def step(xp: Any, tables: Any, state: Any, action: Any, words: Any) -> Any:
        own = state.astype(np.int32) * a + executed(xp, action, orders)
        emitted = look_up(xp, xp.asarray(signal), own)
        felt = count(xp, emitted, lambda theirs, mine: theirs)
        index = own * column(xp.asarray(widths), own) + felt
        after = draw(xp, words[Purpose.TRANSITION], tables["transition"], index, entries)
        return after, look_up(xp, tables["reward"], index, entries)

    def metrics(xp: Any, state: Any) -> dict[str, Any]:
        return {name: (state == k).mean(axis=0) for k, name in enumerate(rule.states)}

    return ArrayForm(
        tables={
            "start": Chance.of(problem.first_chances[:, None]),
            "transition": Chance.of(rows.chances),
            "reward": rows.reward,
        },
        purposes=(Purpose.TRANSITION,),
        initial=initial,
        step=step,
        observation=lambda xp, state: seen_states(xp, state, observed, rule.n_states),
        state_array=lambda xp, state: state,
        metrics=metrics,
    )


def draw(xp: Any, word: Any, chances: Any, index: Any, rows: Rows | None = None) -> Any:
    """Return states ``uint8``: how many of the chances at `index` each word falls below."""
    drawn = xp.zeros(word.shape, np.uint8)
    for last, some in zip(*chances, strict=True):
        drawn = drawn + happens(xp, word, Chance(last, some), index, rows).astype(np.uint8)
    return drawn
