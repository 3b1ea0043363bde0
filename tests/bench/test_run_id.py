"""Names of runs: there and back, and what is refused."""

from __future__ import annotations

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from crl_envs.bench.store import RunId

names = st.from_regex(r"[A-Za-z0-9][A-Za-z0-9_.+-]{0,20}", fullmatch=True)


def looks_like_a_number(text):
    try:
        float(text)
    except ValueError:
        return False
    return True


@given(
    experiment=names,
    version=st.integers(1, 10**6),
    knob=names,
    value=st.integers(0, 10**9) | st.floats(0, 1e9) | names,
    learner=names,
    seed=st.integers(0, 2**64 - 1),
    columns=st.integers(1, 1000),
)
def test_there_and_back(experiment, version, knob, value, learner, seed, columns):
    assume(not (isinstance(value, str) and looks_like_a_number(value)))
    id = RunId(experiment, version, knob, value, learner, seed, columns)
    assert RunId.parse(str(id)) == id
    assert type(RunId.parse(str(id)).value) is type(value)


def test_the_form_of_the_design():
    id = RunId("sysadmin-n", 1, "n", 64, "reinforce-local", 7)
    assert str(id) == "sysadmin-n@1/n=0064/reinforce-local/seed=07"
    assert id.task == "sysadmin-n@1/n=0064"
    several = RunId("bagnell-ng", 1, "case", "sysadmin_n_agents-10", "reinforce_credit-own", 7, 10)
    assert str(several) == (
        "bagnell-ng@1/case=sysadmin_n_agents-10/reinforce_credit-own/seeds=07-16"
    )


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"experiment": "a/b"}, "experiment must be letters"),
        ({"experiment": ".hidden"}, "experiment must be letters"),
        ({"learner": ""}, "learner must be letters"),
        ({"learner": "agents:CRL"}, "learner must be letters"),
        ({"version": 0}, "version must be an integer ≥ 1"),
        ({"seed": -1}, "seed must be an integer"),
        ({"value": "64"}, "value must be an int, a finite float or a name that is no number"),
        ({"value": True}, "value must be an int"),
        ({"value": float("nan")}, "value must be an int"),
        ({"value": -1}, "value must be letters"),
        ({"value": "../up"}, "value must be letters"),
        ({"columns": 0}, "columns must be an integer ≥ 1"),
    ],
)
def test_refused(change, message):
    parts = {"experiment": "e", "version": 1, "knob": "n", "value": 4, "learner": "l", "seed": 0}
    with pytest.raises(ValueError, match=message):
        RunId(**{**parts, **change})


@pytest.mark.parametrize(
    "text",
    [
        *("", "a/b/c/d", "e@1/n=4/l/seed=x", "e@1/n=4/l", "e@1/n=4/l/seed=1/x"),
        *("e@1/n=4/l/seed=1-2", "e@1/n=4/l/seeds=1", "e@1/n=4/l/seeds=1-x"),
    ],
)
def test_texts_that_are_no_ids(text):
    with pytest.raises(ValueError, match="id must look like"):
        RunId.parse(text)
