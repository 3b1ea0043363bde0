import json
import math
import traceback

from crl_envs.bench.score.statistics import Interval
from crl_envs.bench.text import Table, number, plain, reason, with_interval


def test_table_in_markdown() -> None:
    table = Table(("curve", "0"), [("local", "1.0"), ("global", "2.0")])
    assert table.markdown() == "| curve | 0 |\n| :-- | --: |\n| local | 1.0 |\n| global | 2.0 |"


def test_numbers_as_text() -> None:
    assert number(0.88649) == "0.886"
    assert number(math.inf) == number(math.nan) == "–"
    assert with_interval(Interval(0.5, 0.4, math.inf), 1) == "0.5 [0.4, –]"


def test_plain_is_json() -> None:
    value = {
        "a": Interval(1.0, math.inf, 2.0),
        "b": (1, [math.nan, "x"]),
        "c": {10: None, "d": True},
    }
    found = json.loads(json.dumps(plain(value), allow_nan=False))
    assert found == {
        "a": {"value": 1.0, "low": None, "high": 2.0},
        "b": [1, [None, "x"]],
        "c": {"10": None, "d": True},
    }


def test_what_is_computed_has_nine_digits_and_what_was_measured_all() -> None:
    value = {"third": 1 / 3, "noise": -3e-15, "large": 123_456_789_012.0, "whole": 7}
    assert plain(value) == {
        "third": 0.333333333,
        "noise": 0.0,
        "large": 123_456_789_000.0,
        "whole": 7,
    }
    assert plain(value, rounds=False) == value


def test_the_reason_of_a_failure_is_the_exception_with_all_of_its_message() -> None:
    try:
        try:
            raise KeyError("inner")
        except KeyError as error:
            raise RuntimeError("boom\n second line\n    third") from error
    except RuntimeError:
        text = traceback.format_exc()
    assert reason(text) == "RuntimeError: boom second line third"
    assert reason(None) == reason("") == ""
    assert reason("out of time after 3 s") == "out of time after 3 s"
    assert len(reason("z" * 10_000)) <= 501
