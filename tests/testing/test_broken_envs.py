"""Every check finds its fault; PettingZoo's own tests overlook most of them."""

from __future__ import annotations

import contextlib
import io
import re
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from crl_envs.testing import ALL_CHECKS, ConformanceError, Subject, check_parallel_env

from .broken import FAULTS, Fault

CHECKS = dict(ALL_CHECKS)


@pytest.fixture(autouse=True)
def _restore_global_generator() -> Any:
    state = np.random.get_state()  # noqa: NPY002
    yield
    np.random.set_state(state)  # noqa: NPY002


@pytest.mark.parametrize("fault", FAULTS, ids=str)
def test_fault_is_found_and_named(fault: Fault) -> None:
    pattern = rf"(?s)^\[{re.escape(fault.check)}\] .*{fault.match}"
    with pytest.raises(ConformanceError, match=pattern) as caught:
        check_parallel_env(fault.env_class)
    assert caught.value.check == fault.check


@pytest.mark.parametrize("fault", FAULTS, ids=str)
def test_check_finds_the_fault_alone(fault: Fault) -> None:
    with pytest.raises(ConformanceError) as caught:
        CHECKS[fault.check](Subject(fault.env_class))
    assert caught.value.check == fault.check


def test_the_page_says_how_many_pettingzoo_passes() -> None:
    passed = sum(not fault.pettingzoo for fault in FAULTS)
    page = (Path(__file__).parents[2] / "docs" / "conformance.md").read_text("utf-8")
    assert f"Of {len(FAULTS)} such environments, {passed} pass both" in page


def test_every_check_has_a_fault() -> None:
    assert {fault.check for fault in FAULTS} == set(CHECKS)


@pytest.fixture(scope="module")
def pettingzoo_tests() -> dict[str, Callable[[type], None]]:
    pytest.importorskip("pygame", reason="pettingzoo.test imports an env that needs pygame")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        from pettingzoo.test import parallel_api_test, parallel_seed_test
    return {
        "api": lambda env_class: parallel_api_test(env_class(), num_cycles=50),
        "seed": lambda env_class: parallel_seed_test(env_class, num_cycles=50),
    }


@pytest.mark.parametrize("name", ["api", "seed"])
@pytest.mark.parametrize("fault", FAULTS, ids=str)
def test_what_pettingzoo_notices(
    fault: Fault, name: str, pettingzoo_tests: dict[str, Callable[[type], None]]
) -> None:
    with warnings.catch_warnings(), contextlib.redirect_stdout(io.StringIO()):
        warnings.simplefilter("ignore")
        try:
            pettingzoo_tests[name](fault.env_class)
            noticed = False
        except Exception:
            noticed = True
    assert noticed == (name in fault.pettingzoo)
