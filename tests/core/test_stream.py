"""The random stream is its definition, to the bit, however it is asked; and it looks random."""

from __future__ import annotations

import copy
import pickle
import random
from itertools import islice
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from crl_envs.core.stream import (
    Purpose,
    Stream,
    fixed_words,
    lane_words,
    philox4x32,
    splitmix64,
    threshold,
    words,
)
from tests.core.reference import key_of, philox, splitmix_sequence, words_of

PURPOSES = list(Purpose)
seeds = st.integers(0, 2**64 - 1)
clocks = st.one_of(st.integers(0, 5000), st.integers(2**32 - 300, 2**32 + 5), st.integers(0, 2**63))
purposes = st.sampled_from(PURPOSES)

# Random123 1.14, tests/kat_vectors, "philox4x32 10": counter, key, output.
KNOWN_PHILOX = [
    (
        "00000000 00000000 00000000 00000000",
        "00000000 00000000",
        "6627e8d5 e169c58d bc57ac4c 9b00dbd8",
    ),
    (
        "ffffffff ffffffff ffffffff ffffffff",
        "ffffffff ffffffff",
        "408f276d 41c83b0e a20bc7c6 6d5451fd",
    ),
    (
        "243f6a88 85a308d3 13198a2e 03707344",
        "a4093822 299f31d0",
        "d16cfe09 94fdcceb 5001e420 24126ea1",
    ),
]
# SplitMix64 from the seed 1234567: the outputs published with the generator.
KNOWN_SPLITMIX = [
    6457827717110365317,
    3203168211198807973,
    9817491932198370423,
    4593380528125082431,
    16408922859458223821,
]


def parse(hexadecimal: str) -> list[int]:
    return [int(word, 16) for word in hexadecimal.split()]


def arrays(values: list[int]) -> Any:
    return tuple(np.array([value], np.uint64) for value in values)


def stream_at(seeds: list[int], clock: list[int]) -> Stream:
    """A fresh stream with any seeds and clocks."""
    stream = Stream(len(seeds))
    stream.__setstate__(
        {
            "num_envs": len(seeds),
            "seeds": np.array(seeds, np.uint64),
            "clock": np.array(clock, np.uint64),
        }
    )
    return stream


class TestKnownAnswers:
    @pytest.mark.parametrize(("counter", "key", "output"), KNOWN_PHILOX)
    def test_philox(self, counter: str, key: str, output: str) -> None:
        seen = philox4x32(arrays(parse(counter)), arrays(parse(key)))
        assert [int(word[0]) for word in seen] == parse(output)
        assert philox(parse(counter), parse(key)) == parse(output)  # the reference, too

    def test_splitmix(self) -> None:
        golden = 0x9E3779B97F4A7C15
        states = [(1234567 + (k + 1) * golden) % 2**64 for k in range(5)]
        assert splitmix64(np.array(states, np.uint64)).tolist() == KNOWN_SPLITMIX
        assert list(islice(splitmix_sequence(1234567), 5)) == KNOWN_SPLITMIX

    def test_words_are_halves_of_splitmix(self) -> None:
        seen = words(np.array([1234567], np.uint64), 10)[:, 0].tolist()
        assert seen == [half for z in KNOWN_SPLITMIX for half in (z & 0xFFFFFFFF, z >> 32)]


class TestDefinition:
    @given(st.lists(st.tuples(seeds, clocks), min_size=1, max_size=5), purposes, st.integers(1, 21))
    def test_words(self, columns: list[tuple[int, int]], purpose: Purpose, lanes: int) -> None:
        stream = stream_at([seed for seed, _ in columns], [clock for _, clock in columns])
        seen = stream.words(purpose, lanes)
        assert seen.dtype == np.uint32
        assert seen.shape == (lanes, len(columns))
        assert seen.T.tolist() == [words_of(*column, purpose, lanes) for column in columns]

    @given(
        st.integers(0, 40).map(lambda k: 2 * k),
        st.integers(1, 30),
        st.lists(seeds, min_size=1, max_size=4),
    )
    def test_words_of_later_lanes(self, first: int, lanes: int, keys: list[int]) -> None:
        columns = np.array(keys, np.uint64)
        np.testing.assert_array_equal(
            words(columns, lanes, first), words(columns, first + lanes)[first:]
        )

    @given(st.lists(st.tuples(seeds, st.integers(0, 2**20)), min_size=1, max_size=20))
    def test_words_of_single_lanes(self, pairs: list[tuple[int, int]]) -> None:
        keys = np.array([key for key, _ in pairs], np.uint64)
        lanes = np.array([lane for _, lane in pairs], np.int64)
        whole = [
            int(words(keys[k : k + 1], 2, int(lane) & ~1)[lane & 1, 0])
            for k, lane in enumerate(lanes)
        ]
        assert lane_words(keys, lanes).tolist() == whole

    @given(st.integers(0, 2**64 - 4), st.integers(1, 4), purposes)
    def test_column_b_is_the_seed_plus_b(self, seed: int, num_envs: int, purpose: Purpose) -> None:
        together = Stream(num_envs)
        together.seed(seed)
        for b in range(num_envs):
            alone = Stream(1)
            alone.seed(seed + b)
            assert alone.keys(purpose)[0] == together.keys(purpose)[b]

    @given(seeds, st.sampled_from([Purpose.INSTANCE, Purpose.TOPOLOGY]), st.integers(1, 9))
    def test_fixed_words(self, seed: int, purpose: Purpose, lanes: int) -> None:
        assert fixed_words(seed, purpose, lanes).tolist() == words_of(seed, 0, purpose, lanes)


class TestClock:
    @given(
        st.integers(0, 2**64 - 8),
        st.integers(1, 4),
        st.data(),
    )
    def test_draws_do_not_depend_on_what_was_asked_before(
        self, seed: int, num_envs: int, data: st.DataObject
    ) -> None:
        """Any order of draws and ticks, of all columns or some: each draw is that of a fresh stream."""
        stream = Stream(num_envs)
        stream.seed(seed)
        clock = np.zeros(num_envs, np.uint64)
        masks = st.one_of(st.none(), st.lists(st.booleans(), min_size=num_envs, max_size=num_envs))
        moves = st.tuples(st.sampled_from([0, 1, 1, 2, 255, 256, 300]), masks, purposes)
        for ticks, mask, purpose in data.draw(st.lists(moves, max_size=8)):
            columns = None if mask is None else np.array(mask)
            for _ in range(ticks):
                stream.advance(columns)
            clock += np.uint64(ticks) * np.uint64(1) if mask is None else np.uint64(ticks) * columns
            np.testing.assert_array_equal(stream.clock, clock)
            expected = [
                key_of(seed + b, int(tick), purpose) for b, tick in enumerate(clock.tolist())
            ]
            assert stream.keys(purpose).tolist() == expected

    @pytest.mark.parametrize("num_envs", [1, 3, 16, 5000])
    def test_long_run(self, num_envs: int) -> None:
        """600 ticks in blocks of any size; two purposes, one of them asked for now and then."""
        stream = Stream(num_envs)
        stream.seed(11)
        last = num_envs - 1
        for tick in range(600 if num_envs < 5000 else 5):
            assert stream.keys(Purpose.TRANSITION)[last] == key_of(
                11 + last, tick, Purpose.TRANSITION
            )
            if tick % 7 == 3:
                assert stream.keys(Purpose.INITIAL)[0] == key_of(11, tick, Purpose.INITIAL)
            stream.advance()

    def test_clock_beyond_32_bits(self) -> None:
        stream = stream_at([5], [2**32 - 2])
        for tick in range(2**32 - 2, 2**32 + 3):
            assert stream.keys(Purpose.REWARD)[0] == key_of(5, tick, Purpose.REWARD)
            stream.advance()

    def test_seeding_starts_anew(self) -> None:
        stream = Stream(2)
        stream.seed(3)
        first = stream.keys(Purpose.ACTION).tolist()
        stream.advance(np.array([True, False]))
        stream.seed(3)
        assert stream.keys(Purpose.ACTION).tolist() == first
        assert stream.clock.tolist() == [0, 0]

    def test_unseeded_streams_differ(self) -> None:
        """Fresh entropy of 63 bits: two streams are equal with probability 2^−63."""
        assert Stream(1).seeds[0] != Stream(1).seeds[0]

    def test_tests_draw_the_same_unseeded_numbers_in_each_run(
        self, request: pytest.FixtureRequest
    ) -> None:
        """The draws of NumPy's own generators too (tests/conftest.py)."""
        drawn = random.Random(request.node.nodeid)
        assert Stream(1).seeds[0] == drawn.getrandbits(63)
        assert np.random.SeedSequence().entropy == drawn.getrandbits(128)

    @pytest.mark.parametrize("twin", [copy.deepcopy, lambda s: pickle.loads(pickle.dumps(s))])
    def test_copies_of_one_that_has_neither_begun_nor_been_seeded_differ(self, twin: Any) -> None:
        stream = Stream(2)
        assert twin(stream).seeds.tolist() != stream.seeds.tolist()
        stream.advance()
        assert twin(stream).seeds.tolist() == stream.seeds.tolist()
        stream.seed(5)
        assert twin(stream).seeds.tolist() == stream.seeds.tolist()

    @pytest.mark.parametrize("twin", [copy.deepcopy, lambda s: pickle.loads(pickle.dumps(s))])
    def test_copies_go_on_alike_and_apart(self, twin: Any) -> None:
        stream = Stream(3)
        stream.seed(8)
        stream.advance()
        stream.advance(np.array([True, False, True]))
        stream.keys(Purpose.LOAD)
        other = twin(stream)
        for _ in range(3):
            np.testing.assert_array_equal(stream.clock, other.clock)
            np.testing.assert_array_equal(stream.keys(Purpose.LOAD), other.keys(Purpose.LOAD))
            stream.advance()
            other.advance()
        other.advance()
        assert other.clock.tolist() == (stream.clock + np.uint64(1)).tolist()

    @pytest.mark.parametrize("seed", [-1, 2**64 - 1, 1.0, "1", True, None])
    def test_bad_seeds(self, seed: Any) -> None:
        """With two columns the largest seed is 2^64 − 2."""
        stream = Stream(2)
        with pytest.raises(
            ValueError, match=r"seed must be an integer in \[0, 18446744073709551614\]"
        ):
            stream.seed(seed)
        stream.seed(2**64 - 2)
        assert stream.seeds.tolist() == [2**64 - 2, 2**64 - 1]


class TestNumba:
    @given(seeds, st.integers(0, 2**21))
    def test_same_words(self, key: int, pair: int) -> None:
        numba_stream = pytest.importorskip("crl_envs.core.numba_stream")
        keys = np.array([key], np.uint64)
        low, high = words(keys, 2, 2 * pair)[:, 0].tolist()
        assert int(numba_stream.lane_word(np.uint64(key), 2 * pair)) == low
        assert int(numba_stream.lane_word(np.uint64(key), 2 * pair + 1)) == high
        filled = np.empty(5, np.uint64)
        numba_stream.fill_words(np.uint64(key), pair, filled)
        assert filled.view(np.uint32).tolist() == words(keys, 10, 2 * pair)[:, 0].tolist()


class TestThreshold:
    def test_never_and_always(self) -> None:
        extremes = np.array([0, 2**32 - 1], np.uint32)
        assert not (extremes < threshold(0.0)).any()
        assert (extremes < threshold(1.0)).all()

    @given(st.floats(0, 1))
    def test_share_of_words(self, probability: float) -> None:
        """The number of words below it is p·2^32 to the nearest integer."""
        assert abs(int(threshold(probability)) - probability * 2**32) <= 0.5

    def test_arrays(self) -> None:
        seen = threshold(np.array([[0.0, 0.5], [0.25, 1.0]]))
        assert seen.dtype == np.uint64
        assert seen.tolist() == [[0, 2**31], [2**30, 2**32]]


class TestRandomness:
    """Fixed seeds. A right generator would fail each assertion with probability 1e-6 were the seeds drawn anew."""

    ALARM = 1e-6

    def words(self, seeds: int, clocks: int, purpose: Purpose, lanes: int) -> Any:
        """``uint32[clocks, lanes, seeds]``: seeds 0, 1, …, clocks 0, 1, … — as regular as use is."""
        stream = Stream(seeds)
        stream.seed(0)
        drawn = np.empty((clocks, lanes, seeds), np.uint32)
        for tick in range(clocks):
            drawn[tick] = stream.words(purpose, lanes)
            stream.advance()
        return drawn

    @pytest.mark.parametrize(
        "shape", [(1, 1, 200_000), (200_000, 1, 1), (1, 2000, 100), (60, 60, 60)]
    )
    def test_bytes_are_uniform(self, shape: tuple[int, int, int]) -> None:
        """Chi-square over the 256 values of each of the four bytes; along seeds, clocks, lanes, all (Bonferroni)."""
        num_seeds, clocks, lanes = shape
        drawn = self.words(num_seeds, clocks, Purpose.TRANSITION, lanes)
        by_byte = drawn.reshape(-1).view(np.uint8).reshape(-1, 4)
        for place in range(4):
            counts = np.bincount(by_byte[:, place], minlength=256)
            assert stats.chisquare(counts).pvalue > self.ALARM / 4

    @pytest.mark.parametrize("axis", ["clock", "lane", "seed", "purpose"])
    def test_neighbours_are_uncorrelated(self, axis: str) -> None:
        """Products of centred uniforms next to each other along one axis: a mean of zero within its error."""
        drawn = self.words(60, 60, Purpose.TRANSITION, 61) / 2.0**32 - 0.5
        if axis == "purpose":
            other = self.words(60, 60, Purpose.REWARD, 61) / 2.0**32 - 0.5
            products = drawn * other
        else:
            moved = np.moveaxis(drawn, ["clock", "lane", "seed"].index(axis), 0)
            products = moved[1:] * moved[:-1]
        z = products.mean() * np.sqrt(products.size) * 12  # the variance of a product is 1/144
        assert abs(z) < stats.norm.isf(self.ALARM / 2)

    @pytest.mark.parametrize("axis", ["clock", "lane", "seed", "purpose"])
    def test_pairs_are_uniform(self, axis: str) -> None:
        """Chi-square over 16 × 16 cells of the top bits of two neighbours along one axis."""
        drawn = self.words(60, 60, Purpose.INITIAL, 60) >> np.uint32(28)
        if axis == "purpose":
            first, second = drawn, self.words(60, 60, Purpose.LOAD, 60) >> np.uint32(28)
        else:
            moved = np.moveaxis(drawn, ["clock", "lane", "seed"].index(axis), 0)
            first, second = (
                moved[0:-1:2],
                moved[1::2],
            )  # disjoint pairs, so that they are independent
        counts = np.bincount((16 * first + second).reshape(-1), minlength=256)
        assert stats.chisquare(counts).pvalue > self.ALARM

    def test_all_draws_differ(self) -> None:
        """64-bit keys of 16 seeds × 512 clocks × 15 purposes: a birthday among 122,880 has p < 5e-10."""
        keys = []
        for purpose in PURPOSES:
            stream = Stream(16)
            stream.seed(0)
            for _ in range(512):
                keys.append(stream.keys(purpose).copy())
                stream.advance()
        assert len(np.unique(np.concatenate(keys))) == 16 * 512 * len(PURPOSES)
