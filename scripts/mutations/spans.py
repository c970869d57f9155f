"""Changes of bytes, regardless of their meaning."""

from __future__ import annotations

from collections.abc import Callable
from random import Random

# The bytes at both ends of a file that decide how the rest is read.
EDGE = 2048
# The longest span that is inserted, repeated, or taken from another file.
MAX_SPAN = 4096


def place(length: int, chance: Random) -> int:
    """Draws a place: near the front, near the end, or anywhere."""
    near = min(length, EDGE)
    where = chance.random()
    if where < 0.35:
        return chance.randrange(near + 1)
    if where < 0.5:
        return length - chance.randrange(near + 1)
    return chance.randrange(length + 1)


def span(chance: Random) -> int:
    """Draws a length from 1 to MAX_SPAN. Short lengths are as frequent as long ones."""
    return chance.randint(1, 1 << chance.randint(0, MAX_SPAN.bit_length() - 1))


def flip(data: bytes, chance: Random, _: Callable[[], bytes]) -> tuple[bytes, str]:
    changed, places = bytearray(data), []
    for _ in range(chance.choice((1, 1, 2, 8, 32)) if data else 0):
        at = min(place(len(data), chance), len(data) - 1)
        changed[at] ^= 1 << chance.randrange(8)
        places.append(at)
    return bytes(changed), f"flipped bits at {places}"


def overwrite(data: bytes, chance: Random, _: Callable[[], bytes]) -> tuple[bytes, str]:
    at, length = place(len(data), chance), span(chance)
    length = min(length, len(data) - at)
    fill = chance.choice((bytes(length), b"\xff" * length, chance.randbytes(length)))
    return data[:at] + fill + data[at + length :], f"overwrote {length} bytes at {at}"


def insert(data: bytes, chance: Random, _: Callable[[], bytes]) -> tuple[bytes, str]:
    at, length = place(len(data), chance), span(chance)
    return data[:at] + chance.randbytes(length) + data[at:], f"inserted {length} bytes at {at}"


def delete(data: bytes, chance: Random, _: Callable[[], bytes]) -> tuple[bytes, str]:
    at, length = place(len(data), chance), span(chance)
    return data[:at] + data[at + length :], f"deleted {length} bytes at {at}"


def truncate(data: bytes, chance: Random, _: Callable[[], bytes]) -> tuple[bytes, str]:
    at = place(len(data), chance)
    return data[:at], f"truncated to {at} bytes"


def repeat(data: bytes, chance: Random, _: Callable[[], bytes]) -> tuple[bytes, str]:
    at, length, times = place(len(data), chance), span(chance), chance.choice((1, 1, 3, 64))
    return data[:at] + data[at : at + length] * times + data[at:], f"repeated {length} bytes at {at} {times} times"


def splice(data: bytes, chance: Random, other: Callable[[], bytes]) -> tuple[bytes, str]:
    piece, at = other(), place(len(data), chance)
    start, length = place(len(piece), chance), span(chance)
    replaced = chance.choice((0, length))
    piece = piece[start : start + length]
    return data[:at] + piece + data[at + replaced :], f"put {len(piece)} bytes of another file at {at} for {replaced}"


def change_span(data: bytes, chance: Random, other: Callable[[], bytes]) -> tuple[bytes, str]:
    """Changes some bytes. Returns the new bytes and a description."""
    return chance.choice((flip, flip, overwrite, overwrite, insert, delete, truncate, repeat, splice))(data, chance, other)
