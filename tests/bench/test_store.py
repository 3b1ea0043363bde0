"""The store: what is written is read, and what isn't a run is set aside and named."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import textwrap
from contextlib import suppress

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from crl_envs.bench.store import Evaluation, Record, Recorded, RunId, Store, as_text, from_bytes


def run_id(n=8, seed=0):
    return RunId("sysadmin-n", 1, "n", n, "random", seed)


def record(n=8, seed=0, **changes):
    evaluations = tuple(
        Evaluation(20 * k, 20 * k, 160 * k, 8.5 + k, 8.25 + k, 4) for k in (1, 2, 3)
    )
    return Record(run_id(n, seed), "done", evaluations, {"python": "3.11"}, **changes)


def test_what_is_written_is_read(tmp_path):
    store = Store(tmp_path)
    records = [record(8, 1), record(8, 0), record(100_000, 0, error="Traceback …")]
    for each in records:
        store.write(each)
    found, complaints = store.records()
    assert complaints == []
    assert found == sorted(records, key=lambda each: str(each.id))
    assert store.read(run_id(8, 1)) == (records[0], None)
    assert store.read(run_id(9)) == (None, None)
    assert store.path(run_id()).relative_to(tmp_path).as_posix() == (
        "runs/sysadmin-n@1/n=0008/random/seed=00.json"
    )


def test_same_record_same_bytes():
    assert as_text(record()) == as_text(from_bytes(as_text(record()).encode()))


@given(place=st.integers(0, 10**6), value=st.integers(0, 255))
def test_one_wrong_byte_is_noticed_or_makes_no_difference(place, value):
    content = bytearray(as_text(record()).encode())
    content[place % len(content)] = value
    with suppress(ValueError):
        assert from_bytes(bytes(content)) == record()


@given(length=st.integers(0, 10**6))
def test_a_part_of_a_file_is_no_record(length):
    content = as_text(record()).encode().rstrip()
    with pytest.raises(ValueError):
        from_bytes(content[: length % len(content)])


@pytest.mark.parametrize(
    ("content", "why"),
    [
        (b"", "Expecting value"),
        (b'{"\xff": 1}', "utf-8"),
        (b"[]", "it has no checksum"),
        (b"{}", "it has no checksum"),
        (as_text(record()).replace("9.25", "9.5", 1).encode(), "checksum is wrong"),
        (as_text(record(9)).encode(), "it holds the run sysadmin-n@1/n=0009/random/seed=00"),
    ],
)
def test_damaged_files_are_set_aside_and_named(tmp_path, content, why):
    store = Store(tmp_path)
    store.write(record(8, 1))
    path = store.path(run_id())
    for number in (0, 1):
        path.write_bytes(content)
        found, complaints = store.records()
        assert found == [record(8, 1)]
        assert len(complaints) == 1
        assert str(path) in complaints[0]
        assert why in complaints[0]
        assert not path.exists()
        moved = tmp_path / "set-aside/runs/sysadmin-n@1/n=0008/random" / f"seed=00.json.{number}"
        assert moved.read_bytes() == content


def test_foreign_files_are_set_aside(tmp_path):
    store = Store(tmp_path)
    store.write(record())
    for name in ("notes.txt", "sysadmin-n@1/n=8/random/seed=00.json", "a@1/n=0001/b/seed=00.txt"):
        (store.runs / name).parent.mkdir(parents=True, exist_ok=True)
        (store.runs / name).write_text("hello")
    found, complaints = store.records()
    assert found == [record()]
    assert len(complaints) == 3
    assert store.records() == ([record()], [])


def test_evaluations_go_on():
    first = Record(run_id())
    point = Evaluation(20, 20, 160, 1.0, 1.0, 4)
    assert first.with_evaluation(point).evaluations == (point,)
    with pytest.raises(ValueError, match="budget must be above 20, got 20"):
        first.with_evaluation(point).with_evaluation(point)


def test_refused():
    with pytest.raises(ValueError, match="status must be one of"):
        Record(run_id(), "finished")  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="not JSON compliant"):
        as_text(Record(run_id()).with_evaluation(Evaluation(1, 1, 8, float("nan"), 0.0, 1)))


@pytest.mark.skipif(os.name != "posix", reason="kills a process the hard way")
def test_a_killed_writer_leaves_the_last_whole_file(tmp_path):
    """Killed while it writes as fast as it can: what is there is a record with all but perhaps its last evaluation."""
    script = textwrap.dedent(
        f"""
        from pathlib import Path
        from crl_envs.bench.store import RunId
        from crl_envs.bench.store import Evaluation, Record, Store
        store = Store(Path({str(tmp_path)!r}))
        record = Record(RunId("sysadmin-n", 1, "n", 8, "random", 0))
        for k in range(1, 10**9):
            record = record.with_evaluation(Evaluation(k, k, 8 * k, 0.0, 0.0, 1))
            store.write(record)
            print(k, flush=True)
        """
    )
    command = [sys.executable, "-c", script]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as writer:
        assert writer.stdout is not None
        for _ in range(40):
            said = int(writer.stdout.readline())
        writer.send_signal(signal.SIGKILL)
        said = max([said, *map(int, writer.stdout.read().split())])
    found, complaints = Store(tmp_path).records()
    assert complaints == []
    assert len(found[0].evaluations) in (said, said + 1)
    assert json.loads(Store(tmp_path).path(run_id()).read_text())["status"] == "running"


class TestArrays:
    """What a run of a figure has recorded, in a file beside its record."""

    def kept(self, store):
        id = RunId("p", 1, "case", "c", "random", 0, 10)
        arrays = {"curve": np.linspace(0, 1, 7), "load": np.arange(6, dtype=np.int32).reshape(2, 3)}
        numbers = {"steps": 7, "share": 0.1}
        recorded = Recorded(numbers, store.write_arrays(id, arrays))
        done = Record(id, "done", provenance={"seed": 0}, recorded=recorded)
        store.write(done)
        return done, arrays

    def test_what_is_written_is_read(self, tmp_path):
        store = Store(tmp_path)
        done, arrays = self.kept(store)
        assert store.records() == ([done], [])
        assert store.path(done.id).name == "seeds=00-09.json"
        assert store.arrays_path(done.id).name == "seeds=00-09.npz"
        read = store.arrays(done)
        assert {name: array.dtype for name, array in read.items()} == {
            name: array.dtype for name, array in arrays.items()
        }
        for name, array in arrays.items():
            np.testing.assert_array_equal(read[name], array)
        content = store.arrays_path(done.id).read_bytes()
        assert self.kept(store)[0] == done
        assert store.arrays_path(done.id).read_bytes() == content

    @pytest.mark.parametrize("place", [0, 40, -1])
    def test_one_wrong_byte_is_named_and_set_aside(self, tmp_path, place):
        store = Store(tmp_path)
        done, _ = self.kept(store)
        path = store.arrays_path(done.id)
        content = bytearray(path.read_bytes())
        content[place] ^= 1
        path.write_bytes(content)
        with pytest.raises(ValueError, match=r"checksum of .* is wrong"):
            store.arrays(done)
        assert str(path) in str(store.check_arrays(done))
        assert not path.exists()
        assert "can't be read" in str(store.check_arrays(done))

    def test_a_record_without_arrays_has_the_bytes_that_it_had(self):
        assert "recorded" not in as_text(record())

    def test_objects_are_refused(self, tmp_path):
        with pytest.raises(ValueError, match="arr must not be an array of objects"):
            Store(tmp_path).write_arrays(run_id(), {"arr": np.array([None])})

    def test_arrays_that_are_no_runs_are_set_aside(self, tmp_path):
        store = Store(tmp_path)
        done, _ = self.kept(store)
        stray = store.arrays_path(done.id).with_name("notes.npz")
        stray.write_bytes(b"?")
        found, complaints = store.records()
        assert found == [done]
        assert len(complaints) == 1
        assert str(stray) in complaints[0]
