"""Small edits on Matroska and WebM files that keep every size (RFC 8794 for EBML, RFC 9559 for the elements)."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

SEGMENT, CLUSTER, SIMPLE_BLOCK, BLOCK_GROUP = 0x18538067, 0x1F43B675, 0xA3, 0xA0
CUES, CUE_POINT, CUE_TRACK_POSITIONS, CUE_TRACK = 0x1C53BB6B, 0xBB, 0xB7, 0xF7
TRACKS, TRACK_ENTRY = 0x1654AE6B, 0xAE
SEEK_HEAD, SEEK, SEEK_POSITION = 0x114D9B74, 0x4DBB, 0x53AC
VOID = 0xEC
MASTERS = {SEGMENT, SEEK_HEAD, SEEK, CLUSTER, CUES, CUE_POINT, CUE_TRACK_POSITIONS, TRACKS, TRACK_ENTRY}


@dataclass(frozen=True)
class Element:
    """The position of an element: its ID, its first byte, its payload's first byte, and its end."""

    kind: int
    start: int
    body: int
    end: int


def number(data: bytes, at: int, keep_marker: bool) -> tuple[int, int]:
    """Returns a variable-size integer and the position behind it. An ID keeps its marker bit (RFC 8794, section 4)."""
    length = 9 - data[at].bit_length()
    value = int.from_bytes(data[at : at + length], "big")
    return (value if keep_marker else value & ~(1 << 7 * length)), at + length


def elements(data: bytes, start: int = 0, end: int | None = None) -> Iterator[Element]:
    """Yields every element, each master before its children."""
    end = len(data) if end is None else end
    at = start
    while at < end:
        kind, size_at = number(data, at, keep_marker=True)
        size, body = number(data, size_at, keep_marker=False)
        # A size that consists of ones is unknown: the element reaches the end (RFC 8794, 6.2).
        known = size != (1 << 7 * (body - size_at)) - 1
        element = Element(kind, at, body, body + size if known else end)
        yield element
        if kind in MASTERS:
            yield from elements(data, element.body, element.end)
        at = element.end


def without_keyframe_flags(data: bytes) -> bytes:
    """Clears the keyframe bit of every simple block (RFC 9559, 10.2)."""
    out = bytearray(data)
    for element in elements(data):
        if element.kind == SIMPLE_BLOCK:
            _, after_track = number(data, element.body, keep_marker=False)
            out[after_track + 2] &= 0x7F
    return bytes(out)


def without_blocks(data: bytes, track: int) -> bytes:
    """Changes a track's blocks and its cues into void elements."""
    out = bytearray(data)
    positions: Element | None = None
    for element in elements(data):
        if element.kind == CUE_TRACK_POSITIONS:
            positions = element
        elif element.kind == CUE_TRACK and positions and data[element.body] == track:
            out[positions.start] = VOID
        elif element.kind == SIMPLE_BLOCK and number(data, element.body, keep_marker=False)[0] == track:
            out[element.start] = VOID
    return bytes(out)


def element(kind: int, body: bytes) -> bytes:
    """Builds an element with a size of one byte or, if it needs more, of eight."""
    size = bytes([0x80 | len(body)]) if len(body) < 127 else (1 << 56 | len(body)).to_bytes(8, "big")
    return kind.to_bytes((kind.bit_length() + 7) // 8, "big") + size + body


def with_track_element(data: bytes, added: bytes) -> bytes:
    """Adds an element to the only track. Its room comes from the void between the seek head and the tracks."""
    found = list(elements(data))
    segment, void, tracks, track = (
        next(element for element in found if element.kind == kind) for kind in (SEGMENT, VOID, TRACKS, TRACK_ENTRY)
    )
    longer = element(TRACKS, element(TRACK_ENTRY, data[track.body : track.end] + added))
    growth = len(longer) - (tracks.end - tracks.start)
    out = bytearray(data)
    for entry in found:
        position = int.from_bytes(data[entry.body : entry.end], "big")
        # The elements between the void and the tracks' end move forward, and the seek head gets their new positions.
        if entry.kind == SEEK_POSITION and void.start < segment.body + position <= tracks.start:
            out[entry.body : entry.end] = (position - growth).to_bytes(entry.end - entry.body, "big")
    size = (1 << 56 | void.end - void.body - growth).to_bytes(8, "big")
    shorter = bytes(out[void.start : void.body - 8]) + size + bytes(void.end - void.body - growth)
    return bytes(out[: void.start]) + shorter + bytes(out[void.end : tracks.start]) + longer + bytes(out[tracks.end :])
