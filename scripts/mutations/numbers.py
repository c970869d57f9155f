"""Integers at the edges of their ranges."""

from __future__ import annotations

from random import Random

WIDTHS = (1, 2, 4, 4, 4, 8)


def edge(old: int, bits: int, chance: Random) -> int:
    """Draws another value for an integer of `bits` bits: 0, 1, a power of two or its neighbours, the maximum, a multiple or a
    neighbour of the old value."""
    top = (1 << bits) - 1
    power = 1 << chance.randrange(bits)
    near = (old + 1, old - 1, old * 2, old // 2, -old, old ^ power, old + chance.randint(-300, 300))
    edges = (0, 0, 1, 2, power - 1, power, power + 1, top, top, top - 1, top >> 1, (top >> 1) + 1)
    new = chance.choice(edges if chance.random() < 0.7 else near) & top
    return new if new != old else chance.getrandbits(bits)


def set_edge(data: bytes, at: int, width: int, chance: Random, order: str = "big") -> tuple[bytes, str]:
    """Replaces the integer of `width` bytes at a place. Returns the new bytes and a description."""
    old = int.from_bytes(data[at : at + width], order)
    new = edge(old, 8 * width, chance)
    return data[:at] + new.to_bytes(width, order) + data[at + width :], f"{width} bytes at {at}: {old:#x} -> {new:#x}"


def change_number(data: bytes, chance: Random, reach: int | None = None, order: str | None = None) -> tuple[bytes, str]:
    """Replaces an integer of 1, 2, 4 or 8 bytes in the first `reach` bytes, in one of both byte orders."""
    room = len(data) if reach is None else min(len(data), reach)
    width = chance.choice([width for width in WIDTHS if width <= room] or [0])
    if not width:
        return data, "no room for a number"
    # Headers decide how the rest is read, so half of the changes are in the first 2 KiB.
    room = min(room, 2048) if chance.random() < 0.5 else room
    at = chance.randrange(max(1, room - width + 1))
    if chance.random() < 0.7:
        at -= at % min(width, 4)
    return set_edge(data, at, width, chance, order or chance.choice(("big", "little")))
