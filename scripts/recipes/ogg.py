"""Ogg files with wrong granule positions, which are the times of their pages (RFC 3533, section 6)."""

from __future__ import annotations

import struct

from recipes.base import GOP, patched, pattern
from recipes.transport import crc

# The largest power of two that is a positive granule position.
ABSURD = 1 << 62


def ogg() -> None:
    """Adds Theora files in which one page has an absurd position."""
    theora = ("-c:v", "libtheora", "-q:v", "2", *GOP, "-page_duration", "500000")
    for name, seconds, page, which in (
        ("bad_granule.ogv", "7", 5, "the page of the frames from 1.2 s on"),
        ("bad_granule_first.ogv", "7", 2, "the first page of frames"),
        ("bad_granule_short.ogv", "1", 2, "1 s, the first page of frames"),
    ):
        patched(name, f"Theora, an absurd granule position: {which}", "testsrc2, libtheora, one page changed",
                lambda data, page=page: with_position(data, page, ABSURD), *theora,
                source=pattern("96x64", "10", seconds))  # fmt: skip


def pages(data: bytes) -> list[bytes]:
    """Returns the pages of a file."""
    found, at = [], 0
    while at < len(data):
        segments = data[at + 26]
        end = at + 27 + segments + sum(data[at + 27 : at + 27 + segments])
        found.append(data[at:end])
        at = end
    return found


def with_position(data: bytes, number: int, position: int) -> bytes:
    """Changes the granule position of one page, and its checksum, which is computed with 0 in its own field."""
    changed = pages(data)
    page = bytearray(changed[number])
    struct.pack_into("<q", page, 6, position)
    struct.pack_into("<I", page, 22, 0)
    struct.pack_into("<I", page, 22, crc(bytes(page), start=0))
    changed[number] = bytes(page)
    return b"".join(changed)
