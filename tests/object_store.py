"""A trip through an object store, for tests: pickle protocol 5 with arrays in memory that can't be written to."""

from __future__ import annotations

import pickle
from typing import TypeVar

T = TypeVar("T")


def through_object_store(value: T) -> T:
    buffers: list[pickle.PickleBuffer] = []
    data = pickle.dumps(value, protocol=5, buffer_callback=buffers.append)
    copied: T = pickle.loads(data, buffers=[bytes(buffer.raw()) for buffer in buffers])
    return copied
