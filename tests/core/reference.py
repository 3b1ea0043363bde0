"""The random stream written a second time, in plain integers, from the docstring of `crl_envs.core.stream`."""

from __future__ import annotations

from collections.abc import Iterator

_M32 = 2**32 - 1
_M64 = 2**64 - 1


def philox(counter: list[int], key: list[int], rounds: int = 10) -> list[int]:
    """Philox4x32 of Salmon et al. 2011, §3.3: `rounds` rounds, the key bumped between them."""
    for r in range(rounds):
        if r:
            key = [(key[0] + 0x9E3779B9) & _M32, (key[1] + 0xBB67AE85) & _M32]
        high0, low0 = divmod(0xD2511F53 * counter[0], 2**32)
        high1, low1 = divmod(0xCD9E8D57 * counter[2], 2**32)
        counter = [high1 ^ counter[1] ^ key[0], low1, high0 ^ counter[3] ^ key[1], low0]
    return counter


def splitmix_sequence(state: int) -> Iterator[int]:
    """The outputs of SplitMix64 (Steele, Lea & Flood 2014, Figure 20)."""
    while True:
        state = (state + 0x9E3779B97F4A7C15) & _M64
        z = state
        z = ((z ^ (z >> 30)) * 0xBF58476D1CE4E5B9) & _M64
        z = ((z ^ (z >> 27)) * 0x94D049BB133111EB) & _M64
        yield z ^ (z >> 31)


def key_of(seed: int, clock: int, purpose: int) -> int:
    """Level 1: the 64-bit key."""
    low, high, _, _ = philox([clock & _M32, clock >> 32, purpose, 0], [seed & _M32, seed >> 32])
    return low | high << 32


def words_of(seed: int, clock: int, purpose: int, lanes: int) -> list[int]:
    """Level 2: the 32-bit words of lanes 0 … lanes − 1."""
    found: list[int] = []
    for z in splitmix_sequence(key_of(seed, clock, purpose)):
        found += [z & _M32, z >> 32]
        if len(found) >= lanes:
            return found[:lanes]
    raise AssertionError
