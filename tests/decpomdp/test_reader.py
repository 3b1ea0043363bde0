"""Problem files: the whole grammar, and what is said where something else stands there."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from crl_envs.decpomdp import DecPOMDP
from crl_envs.decpomdp.reader import parsed

ROOT = Path(__file__).parents[2]
HEAD = """\
# a comment
agents: 2
discount: 0.9
values: reward
states: dry wet drowned   # another
start: uniform
actions:
go stay wait
2
observations:
hear see
2
"""
TABLES = """\
T: * :
uniform
O: * :
uniform
"""


def read(text: str) -> DecPOMDP:
    return DecPOMDP(**parsed(text))


def test_the_head() -> None:
    model = read(HEAD + TABLES)
    assert model.actions == (("go", "stay", "wait"), ("0", "1"))
    assert model.observations == (("hear", "see"), ("0", "1"))
    assert model.states == ("dry", "wet", "drowned")
    assert model.discount == 0.9
    np.testing.assert_allclose(model.start, 1 / 3)
    np.testing.assert_allclose(model.transition, 1 / 3)
    np.testing.assert_allclose(model.observation, 1 / 4)
    assert not model.reward.any()


@pytest.mark.parametrize(
    ("start", "expected"),
    [
        ("start: uniform", [1 / 3] * 3),
        ("start:\nuniform", [1 / 3] * 3),
        ("start:\n.25 0.25 5e-1", [0.25, 0.25, 0.5]),
        ("start: wet", [0, 1, 0]),
        ("start: 2", [0, 0, 1]),
        ("start include: dry 2", [0.5, 0, 0.5]),
        ("start exclude : drowned", [0.5, 0.5, 0]),
        ('start: "wet"', [0, 1, 0]),
    ],
)
def test_all_forms_of_a_start(start: str, expected: list[float]) -> None:
    model = read(HEAD.replace("start: uniform", start) + TABLES)
    np.testing.assert_allclose(model.start, expected)


def test_names_numbers_stars_and_joint_numbers() -> None:
    model = read(
        HEAD
        + TABLES
        + """
T: go 0 :
identity
T: * 1 : wet :
0.5 0.25 0.25
T: 5 : dry : * : 0
T: 5 : dry : drowned : 1
T: stay 0
0 1 0
0 0 1
1 0 0
O: wait * : wet :
0.1 0.2 0.3 0.4
O: go 1 : * : * : 0
O: go 1 : * : see 1 : +1
O: stay 1 :
1 0 0 0
0 1 0 0
0 0 1 0
O: 0 : 0 : hear * : 0.5
O: 0 : 0 : see * : 0
"""
    )
    t, o = model.transition.reshape(3, 2, 3, 3), model.observation.reshape(3, 2, 3, 4)
    np.testing.assert_array_equal(t[0, 0], np.eye(3))
    np.testing.assert_array_equal(t[:, 1, 1], [[0.5, 0.25, 0.25]] * 3)
    np.testing.assert_array_equal(t[2, 1, 0], [0, 0, 1])
    np.testing.assert_array_equal(t[1, 0], [[0, 1, 0], [0, 0, 1], [1, 0, 0]])
    np.testing.assert_allclose(o[2, :, 1], [[0.1, 0.2, 0.3, 0.4]] * 2)
    np.testing.assert_array_equal(o[0, 1], [[0, 0, 0, 1]] * 3)
    np.testing.assert_array_equal(o[1, 1], np.eye(4)[:3])
    np.testing.assert_array_equal(o[0, 0, 0], [0.5, 0.5, 0, 0])


def test_rewards_of_all_kinds() -> None:
    """Later entries overwrite earlier ones, and the table grows when a reward depends on more."""
    model = read(
        HEAD
        + TABLES
        + """
R: * : * : * : * : 1
R: go 0 : dry : * : * : -2
R: go * : wet : drowned : * : 3
R: stay 1 : * : wet : see 0 : 4
R: wait 0 : dry : wet :
1 2 3 4
R: wait 1 : drowned :
1 2 3 4
5 6 7 8
9 10 11 12
"""
    )
    r = model.reward.reshape(3, 2, 3, 3, 4)
    assert (r[0, 0, 0] == -2).all()
    assert (r[0, :, 1, 2] == 3).all() and (r[0, :, 1, :2] == 1).all()
    assert r[1, 1, 2, 1].tolist() == [1, 1, 4, 1]
    assert r[2, 0, 0, 1].tolist() == [1, 2, 3, 4]
    assert r[2, 1, 2].tolist() == [[1, 2, 3, 4], [5, 6, 7, 8], [9, 10, 11, 12]]
    plain = read(HEAD + TABLES + "R: go 0 : dry : * : * : -2\n")
    assert plain.reward.shape == (6, 3, 1, 1)


def test_costs_are_negative_rewards() -> None:
    text = HEAD.replace("values: reward", "values: cost") + TABLES + "R: go 0 : dry : * : * : 2\n"
    assert read(text).expected_reward[0, 0] == -2


def test_agents_by_name_and_in_any_order() -> None:
    lines = HEAD.replace("agents: 2", "agents: ann bob").splitlines(keepends=True)
    assert read("".join([*lines[2:], lines[1]]) + TABLES).n_agents == 2


def test_the_example_is_a_problem() -> None:
    model = DecPOMDP.load(ROOT / "examples" / "machine.dpomdp")
    assert model.expected_reward.tolist() == [[1, 0], [0, -1], [0, -1], [-1, -2]]
    assert model.transition[3].tolist() == [[1, 0], [1, 0]]


def changed(old: str, new: str) -> str:
    assert old in HEAD + TABLES
    return (HEAD + TABLES).replace(old, new)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "agents must be there, it is missing"),
        ("hello\n" + HEAD, "line 1, column 1: the file must begin with one of agents"),
        (changed("discount: 0.9", "discount: 2"), r"line 3, column 11: discount must be in \(0, 1\]"),
        (changed("discount: 0.9", "discount: big"), "line 3, column 11: there must be a number"),
        (changed("discount: 0.9", "discount: 1 2"), "line 3, column 13: discount must have 1 value"),
        (changed("discount: 0.9", "discount:"), "line 3, column 1: discount must have a value"),
        (changed("discount: 0.9", "agents: 2"), "line 3, column 1: agents must be there once"),
        (changed("discount: 0.9\n", ""), "line 12, column 1: T must come after discount"),
        (changed("values: reward", "values: gain"), "line 4, column 9: values must be reward or cost"),
        (changed("dry wet", "dry dry"), "line 5, column 13: states must be different"),
        (changed("start: uniform", "start: rain"), "line 6, column 8: there must be .*one of dry, wet"),
        (changed("start: uniform", "start: .5 .6 0"), "line 6, column 8: start must have probabilities"),
        (changed("start: uniform", "start: .5 .5"), "line 6, column 8: start must have 3 probabilities"),
        (changed("start: uniform", "start exclude: *"), "line 6, column 1: start must leave a state"),
        (changed("go stay wait\n", ""), "line 7, column 1: actions must be on 2 lines"),
        (changed("T: * :", "T: run 0 :"), "line 13, column 4: there must be .*one of go, stay, wait"),
        (changed("T: * :", "T: 0 0 0 :"), "line 13, column 4: there must be one for each of 2 agents"),
        (changed("T: * :", "T: 6 :"), r"line 13, column 4: there must be \*, a number below 6"),
        (changed("uniform\nO", "0.5 0.5\nO"), "line 14, column 1: there must be 3 × 3 numbers, got 2"),
        (HEAD + TABLES + "O: * :\nidentity", "line 18, column 1: identity can't stand here"),
        (HEAD + TABLES + "R: * : * :\nuniform", "line 18, column 1: uniform can't stand here"),
        (HEAD + TABLES + "R: * :\n1", "line 17, column 1: R must name a joint action and a state"),
        (HEAD + TABLES + "T: * : dry : wet : 1 : 2", "line 17, column 24: T must have at most 4 colons"),
        (HEAD + TABLES + "T: * : dry : wet :", "line 17, column 1: T must have values"),
        (HEAD + TABLES + "T: * : : wet : 1", "line 17, column 1: T has nothing between two colons"),
        (HEAD + TABLES + "T: * : dry wet : wet : 1", "line 17, column 12: there must be one state"),
        (HEAD + TABLES + "T: go 1 : dry : dry : 1", "those of T: go 1 : dry sum to 1.66667"),
    ],
)  # fmt: skip
def test_what_else_stands_there_is_named(text: str, said: str) -> None:
    with pytest.raises(ValueError, match=said):
        read(text)


def test_a_file_is_named(tmp_path: Path) -> None:
    path = tmp_path / "bad.dpomdp"
    path.write_text("agents: none:\n")
    with pytest.raises(ValueError, match=r"bad\.dpomdp is not a Dec-POMDP: discount must be there"):
        DecPOMDP.load(path)


def test_a_byte_order_mark_is_passed_over(tmp_path: Path) -> None:
    machine = Path(__file__).parents[2] / "examples" / "machine.dpomdp"
    marked = tmp_path / "marked.dpomdp"
    marked.write_text(machine.read_text(encoding="utf-8"), encoding="utf-8-sig")
    assert DecPOMDP.load(marked) == DecPOMDP.load(machine)
