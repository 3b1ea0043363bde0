"""Optima that come with the package, in ``optima.json``."""

from __future__ import annotations

import json
from collections.abc import Mapping
from contextlib import suppress
from functools import lru_cache
from importlib.resources import files
from typing import Any

from crl_envs.core import cache

Table = dict[str, list[dict[str, Any]]]


def shipped_table() -> Table:
    """For each kind of result its entries, as in the cache: each a ``key``, its ``value`` and their ``digest``."""
    text = files("crl_envs.sysadmin").joinpath("optima.json").read_text("utf-8")
    table: Table = json.loads(text)
    return table


def shipped(kind: str, key: Mapping[str, Any]) -> Any:
    """The shipped value for a key, or None."""
    return _by_key().get((kind, _text(key)))


@lru_cache(maxsize=1)
def _by_key() -> dict[tuple[str, str], Any]:
    found = {}
    for kind, entries in shipped_table().items():
        for entry in entries:
            with suppress(KeyError, TypeError, ValueError):  # a changed one is computed anew
                found[kind, _text(entry["key"])] = cache.value_of(kind, entry)
    return found


def _text(key: Mapping[str, Any]) -> str:
    return json.dumps(dict(key), sort_keys=True)
