"""Small edits of MP4 files for which muxers have no option: the boxes are read into a tree, changed, and written again.

Only what the fixtures need is here. The samples must not move: use it on files whose moov is at the end, or keep the size.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from dataclasses import dataclass, field

CONTAINERS = {
    b"moov", b"trak", b"mdia", b"minf", b"stbl", b"edts", b"udta", b"moof", b"traf", b"sinf", b"schi",
}  # fmt: skip
# Containers with fields before their boxes, and the number of bytes of these fields.
FIELDS = {b"stsd": 8, b"avc1": 78, b"encv": 78}


@dataclass
class Box:
    """One box: its fields (or its whole payload), followed by the boxes it contains."""

    kind: bytes
    payload: bytes = b""
    children: list[Box] = field(default_factory=list)

    def bytes(self) -> bytes:
        """Returns the box as it is stored."""
        body = self.payload + b"".join(child.bytes() for child in self.children)
        return struct.pack(">I4s", len(body) + 8, self.kind) + body

    def all(self, kind: bytes) -> Iterator[Box]:
        """Yields every box of that kind below this one, in file order."""
        for child in self.children:
            if child.kind == kind:
                yield child
            yield from child.all(kind)

    def one(self, kind: bytes) -> Box:
        """Returns the first box of that kind below this one."""
        return next(self.all(kind))


def parse(data: bytes, kind: bytes = b"file") -> Box:
    """Returns the tree of a whole file. The root is not a box of the file."""
    root, position = Box(kind), 0
    while position < len(data):
        size, name = struct.unpack_from(">I4s", data, position)
        if size < 8 or position + size > len(data):
            raise ValueError(f"{name!r} at {position}: size {size} is not supported")
        body = data[position + 8 : position + size]
        root.children.append(box(name, body))
        position += size
    return root


def box(kind: bytes, body: bytes) -> Box:
    """Builds one box from its payload."""
    if kind not in CONTAINERS and kind not in FIELDS:
        return Box(kind, body)
    fields = FIELDS.get(kind, 0)
    return Box(kind, body[:fields], parse(body[fields:]).children)


def write(root: Box) -> bytes:
    """Returns the bytes of the file."""
    return b"".join(child.bytes() for child in root.children)


def without_fragments(data: bytes, count: int, at_end: bool = False) -> bytes:
    """Removes the first fragments, or moves them behind the others. An index at the end of the file stays as it is."""
    root = parse(data)
    pairs = [place for place, child in enumerate(root.children) if child.kind == b"moof"]
    first, last = pairs[0], pairs[count]
    moved, root.children[first:last] = root.children[first:last], []
    if at_end:
        root.children += moved
    return write(root)


def full(kind: bytes, *fields: int, version: int = 0, flags: int = 0) -> Box:
    """Builds a full box whose fields are unsigned 32-bit numbers (a negative number is written in two's complement)."""
    head = struct.pack(">I", version << 24 | flags)
    return Box(kind, head + b"".join(struct.pack(">I", value & 0xFFFFFFFF) for value in fields))


def set_matrix(data: bytes, rows: tuple[tuple[int, int], tuple[int, int], tuple[int, int]]) -> bytes:
    """Writes ((a, b), (c, d), (x, y)) into the first track's header (ISO/IEC 14496-12, 8.3.2)."""
    root = parse(data)
    header = root.one(b"tkhd")
    # A version 1 header has two 64-bit times and a 64-bit duration in front.
    at = 52 if header.payload[0] else 40
    fixed = [value << 16 for row in rows for value in row]
    matrix = struct.pack(">9i", fixed[0], fixed[1], 0, fixed[2], fixed[3], 0, fixed[4], fixed[5], 1 << 30)
    header.payload = header.payload[:at] + matrix + header.payload[at + 36 :]
    return write(root)


def set_edits(data: bytes, edits: list[tuple[int, int]]) -> bytes:
    """Replaces the first track's edit list: (duration in movie ticks, media time or -1 for an empty edit)."""
    root = parse(data)
    fields = [value for duration, time in edits for value in (duration, time, 1 << 16)]
    edit_list = Box(b"edts", children=[full(b"elst", len(edits), *fields)])
    track = root.one(b"trak")
    track.children = [child for child in track.children if child.kind != b"edts"]
    track.children.insert(1, edit_list)
    return write(root)


def edits(data: bytes) -> tuple[int, int, int]:
    """Returns the values for a new edit list: the movie's timescale, the media's, and the media time of the first edit."""
    root = parse(data)
    times = [struct.unpack_from(">I", root.one(kind).payload, 12)[0] for kind in (b"mvhd", b"mdhd")]
    return times[0], times[1], struct.unpack_from(">i", root.one(b"elst").payload, 12)[0]


def user_data_first(data: bytes) -> bytes:
    """Moves the movie's user data, which contains the cover, before its tracks."""
    root = parse(data)
    movie = root.one(b"moov")
    movie.children.sort(key=lambda child: (child.kind != b"mvhd", child.kind != b"udta"))
    return write(root)


def claim_samples(data: bytes, count: int, tracks: int = 1) -> bytes:
    """Declares `count` samples of one byte each, in one chunk, in `tracks` copies of the first track.

    All samples have one size, one duration and one chunk, so the tables have a few bytes however many samples they declare.
    """
    root = parse(data)
    movie = root.one(b"moov")
    track = next(child for child in movie.children if child.kind == b"trak")
    track.children = [child for child in track.children if child.kind != b"edts"]
    table = track.one(b"stbl")
    table.children = [
        table.one(b"stsd"),
        full(b"stts", 1, count, 1),
        full(b"stsc", 1, 1, count, 1),
        full(b"stsz", 1, count),
        full(b"stco", 1, 48),
    ]
    body = track.bytes()[8:]
    copies = []
    for number in range(1, tracks + 1):
        copy = parse(body, b"trak")
        header = copy.one(b"tkhd")
        header.payload = header.payload[:12] + struct.pack(">I", number) + header.payload[16:]
        copies.append(copy)
    movie.children = [movie.one(b"mvhd"), *copies]
    return write(root)


def all_sync(data: bytes, listed: bool = False) -> bytes:
    """Marks every sample of the first track as a sync sample: by having no `stss` box, or by a box that lists all samples."""
    root = parse(data)
    table = root.one(b"stbl")
    count = struct.unpack_from(">I", table.one(b"stsz").payload, 8)[0]
    table.children = [child for child in table.children if child.kind != b"stss"]
    if listed:
        table.children.append(full(b"stss", count, *range(1, count + 1)))
    return write(root)


def empty_track_first(data: bytes) -> bytes:
    """Inserts a copy of the first track before it, with another number and without samples."""
    root = parse(data)
    movie = root.one(b"moov")
    at, track = next((at, child) for at, child in enumerate(movie.children) if child.kind == b"trak")
    copy = parse(track.bytes()[8:], b"trak")
    header = copy.one(b"tkhd")
    header.payload = header.payload[:12] + struct.pack(">I", 9) + header.payload[16:]
    table = copy.one(b"stbl")
    table.children = [table.one(b"stsd"), full(b"stts", 0), full(b"stsc", 0), full(b"stsz", 0, 0), full(b"stco", 0)]
    movie.children.insert(at, copy)
    return write(root)


def cut_in_sample(data: bytes, number: int) -> bytes:
    """Cuts the file in the middle of a sample of the first track. `number` counts from 0, and samples are stored one by one."""
    table = parse(data).one(b"stbl")
    sizes = table.one(b"stsz").payload
    lengths = struct.unpack_from(f">{number + 1}I", sizes, 12)
    start = struct.unpack_from(">I", table.one(b"stco").payload, 8)[0] + sum(lengths[:-1])
    return data[: start + lengths[-1] // 2]
