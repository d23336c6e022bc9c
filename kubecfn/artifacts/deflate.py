"""DEFLATE whose bytes depend on nothing but what is compressed: zlib, zlib-ng and Apple's zlib each choose differently.

Source: RFC 1951 "DEFLATE Compressed Data Format Specification": one block with dynamic Huffman codes (3.2.7), whose matches
are found by a hash of three bytes (4). Meant for source files, not for megabytes.
"""

from __future__ import annotations

import heapq
from bisect import bisect_right
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from functools import lru_cache
from itertools import accumulate, groupby

_FARTHEST, _SHORTEST, _LONGEST = 32_768, 3, 258
# How many earlier places are looked at for each match.
_TRIES = 64
_END = 256
_DEEPEST, _DEEPEST_OF_CODES = 15, 7
# 3.2.5: how many bits follow each length's and each distance's code, and the first value each code stands for.
_LENGTH_BITS = [0] * 8 + [bits for bits in range(1, 6) for _ in range(4)]
_LENGTHS = [*accumulate((1 << bits for bits in _LENGTH_BITS), initial=_SHORTEST)][:-1]
_DISTANCE_BITS = [0, 0] + [bits for bits in range(14) for _ in range(2)]
_DISTANCES = [*accumulate((1 << bits for bits in _DISTANCE_BITS), initial=1)][:-1]
# 3.2.7: the order in which the lengths of the code lengths' own codes are written.
_ORDER = (16, 17, 18, 0, 8, 7, 9, 6, 10, 5, 11, 4, 12, 3, 13, 2, 14, 1, 15)


class _Bits:
    """A stream of bits, the first in each byte's lowest place."""

    def __init__(self) -> None:
        self.data = bytearray()
        self._held, self._count = 0, 0

    def add(self, value: int, count: int) -> None:
        """Append the lowest `count` bits of a number, lowest first."""
        self._held |= value << self._count
        self._count += count
        while self._count >= 8:  # noqa: PLR2004  a byte
            self.data.append(self._held & 0xFF)
            self._held >>= 8
            self._count -= 8

    def end(self) -> bytes:
        """Return the bytes, the last one filled with zeros."""
        if self._count:
            self.data.append(self._held)
        return bytes(self.data)


@lru_cache(maxsize=512)  # functions share most of their files
def deflate(data: bytes) -> bytes:
    """Return one final block that any inflate turns back into `data`."""
    tokens = [_coded(*token) for token in _matches(data)]
    letters = _lengths(Counter([code for code, *_ in tokens] + [_END]), _DEEPEST)
    distances = _lengths(Counter(token[3] for token in tokens if token[0] > _END), _DEEPEST) or {0: 1}
    out = _Bits()
    out.add(0b101, 3)  # the last block, dynamic codes
    _write_codes(out, letters, distances)
    letter, distance = _codes(letters), _codes(distances)
    for code, extra, bits, far, far_extra, far_bits in tokens:
        out.add(*letter[code])
        if code > _END:
            out.add(extra, bits)
            out.add(*distance[far])
            out.add(far_extra, far_bits)
    out.add(*letter[_END])
    return out.end()


def _matches(data: bytes) -> Iterator[tuple[int, int]]:
    """Yield (byte, 0) or (length, distance): at each place the longest match that is near enough."""
    seen: dict[bytes, list[int]] = {}
    at = 0
    while at < len(data):
        length, distance = _match(data, at, seen)
        yield (length, distance) if distance else (data[at], 0)
        for place in range(at, at + max(length, 1)):
            seen.setdefault(data[place : place + _SHORTEST], []).append(place)
        at += max(length, 1)


def _match(data: bytes, at: int, seen: Mapping[bytes, list[int]]) -> tuple[int, int]:
    """Return length and distance of the longest earlier match, the nearest of several; (0, 0) when there is none."""
    best = distance = 0
    longest = min(_LONGEST, len(data) - at)
    for place in reversed(seen.get(data[at : at + _SHORTEST], [])[-_TRIES:]):
        if at - place > _FARTHEST or best >= longest or longest < _SHORTEST:
            break
        if data[place : place + best + 1] == data[at : at + best + 1]:
            best, distance = _same(data, place, at, longest), at - place
    return best, distance


def _same(data: bytes, one: int, other: int, longest: int) -> int:
    """Return how many bytes are the same at two places, at most `longest`."""
    length = _SHORTEST
    while length < longest and data[one + length] == data[other + length]:
        length += 1
    return length


def _coded(value: int, distance: int) -> tuple[int, int, int, int, int, int]:
    """Return a token's code, further value and its bits; then the same of its distance."""
    if not distance:
        return value, 0, 0, 0, 0, 0
    # The longest has a code of its own (3.2.5).
    code = len(_LENGTHS) if value == _LONGEST else bisect_right(_LENGTHS, value) - 1
    extra, bits = (0, 0) if value == _LONGEST else (value - _LENGTHS[code], _LENGTH_BITS[code])
    far = bisect_right(_DISTANCES, distance) - 1
    return _END + 1 + code, extra, bits, far, distance - _DISTANCES[far], _DISTANCE_BITS[far]


def _lengths(counts: Mapping[int, int], deepest: int) -> dict[int, int]:
    """Return the length of each symbol's code by Huffman's construction, none longer than `deepest`."""
    if len(counts) == 1:
        return dict.fromkeys(counts, 1)
    heap: list[tuple[int, int, tuple[int, ...]]] = [
        (count, symbol, (symbol,)) for symbol, count in sorted(counts.items())
    ]
    heapq.heapify(heap)
    lengths = dict.fromkeys(sorted(counts), 0)
    while len(heap) > 1:
        (few, first, these), (more, _, those) = heapq.heappop(heap), heapq.heappop(heap)
        for symbol in (*these, *those):
            lengths[symbol] += 1
        heapq.heappush(heap, (few + more, first, (*these, *those)))
    if max(lengths.values(), default=0) > deepest:
        # Flatter counts give a flatter tree; equal ones give the flattest.
        return _lengths({symbol: count // 2 + 1 for symbol, count in counts.items()}, deepest)
    return lengths


def _codes(lengths: Mapping[int, int]) -> dict[int, tuple[int, int]]:
    """Return each symbol's code, as it is added to a stream, and its length (3.2.2)."""
    codes = {}
    code = before = 0
    for length, symbol in sorted((length, symbol) for symbol, length in lengths.items()):
        code <<= length - before
        codes[symbol] = (int(f"{code:0{length}b}"[::-1], 2), length)
        code, before = code + 1, length
    return codes


def _write_codes(out: _Bits, letters: Mapping[int, int], distances: Mapping[int, int]) -> None:
    """Write the lengths of all codes, themselves coded (3.2.7)."""
    many, far = max(letters) + 1, max(distances) + 1
    said = [letters.get(symbol, 0) for symbol in range(many)] + [distances.get(symbol, 0) for symbol in range(far)]
    runs = list(_runs(said))
    lengths = _lengths(Counter(symbol for symbol, _, _ in runs), _DEEPEST_OF_CODES)
    used = max(place for place, symbol in enumerate(_ORDER) if symbol in lengths) + 1
    out.add(many - _END - 1, 5)
    out.add(far - 1, 5)
    out.add(max(used, 4) - 4, 4)
    for symbol in _ORDER[: max(used, 4)]:
        out.add(lengths.get(symbol, 0), 3)
    codes = _codes(lengths)
    for symbol, extra, bits in runs:
        out.add(*codes[symbol])
        out.add(extra, bits)


def _runs(lengths: Iterable[int]) -> Iterator[tuple[int, int, int]]:
    """Yield code lengths as they are written: symbol, further value, its bits. Runs are shortened (3.2.7)."""
    for length, group in groupby(lengths):
        left = len(list(group))
        if length:
            yield length, 0, 0
            left -= 1
        while left >= 3:  # noqa: PLR2004  the shortest run
            if length:
                run, symbol, least, bits = min(left, 6), 16, 3, 2
            elif left > 10:  # noqa: PLR2004  the longest run of the shorter kind
                run, symbol, least, bits = min(left, 138), 18, 11, 7
            else:
                run, symbol, least, bits = left, 17, 3, 3
            yield symbol, run - least, bits
            left -= run
        yield from ((length, 0, 0) for _ in range(left))
