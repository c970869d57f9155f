"""MXF whose cost is out of proportion to its size."""

import struct

from parts import fill

OP1A = bytes.fromhex("060e2b34040101010d01020101010900")
SET = "060e2b34025301010d01010101{:02x}{:02x}00"


def klv(key, body):
    return bytes.fromhex(key) + b"\x83" + len(body).to_bytes(3, "big") + body


def partition(kind, this, previous=0, footer=0, body_sid=1):
    body = struct.pack(">HHIQQQQQIQI", 1, 2, 1, this, previous, footer, 0, 0, 0, 0, body_sid) + OP1A + struct.pack(">II", 0, 16)
    return klv(f"060e2b34020501010d010201010{kind}0400", body)


def item(tag, body):
    return struct.pack(">HH", tag, len(body)) + body


def uid(number):
    return struct.pack(">QQ", 1, number)


def a_set(kind, number, *items):
    return klv(SET.format(1, kind), item(0x3C0A, uid(number)) + b"".join(items))


def references(*numbers):
    return struct.pack(">II", len(numbers), 16) + b"".join(uid(number) for number in numbers)


ESSENCE = klv("060e2b34010201010d01030115010500", bytes(40))


def document(metadata, before=b""):
    return partition(2, 0) + before + metadata + ESSENCE


def sets(size):
    """Each set is compared with all sets before it."""
    return document(fill(size, lambda i: a_set(0x36, i)))


def index_segments(size):
    """Index segments, which are sorted again for each segment."""
    segment = lambda i: klv(SET.format(2, 1).replace("0d010101010201", "0d010201011001"), item(0x3C0A, uid(i)) + item(0x3F0C, struct.pack(">Q", i)) + item(0x3F05, b"\0\0\0\1") + item(0x3F06, b"\0\0\0\2") + item(0x3F07, b"\0\0\0\1"))
    return document(fill(size, segment))


def primer(count):
    return klv("060e2b34020501010d01020101050100", struct.pack(">II", count, 18) + b"".join(struct.pack(">H", 0x8000 + i % 0x7FFF) + uid(i) for i in range(count)))


def dynamic_tags(size):
    """Each tag is searched among all entries of the primer."""
    count = min(65_000, size // 36)
    items = item(0xFFFE, b"\0") * (size // 2 // 5)
    return document(klv(SET.format(1, 0x36), items), primer(count))


def primers(size):
    """Primer packs that declare a large size."""
    return document(fill(size, lambda i: klv("060e2b34020501010d01020101050100", struct.pack(">II", 65536, 18))))


def one_track_often(size):
    """Many references to one track. For each, all components of the track are visited."""
    count = size // 64
    storage = a_set(0x18, 1, item(0x1901, references(2, 3)))
    preface = a_set(0x2F, 0, item(0x3B03, uid(1)))
    tracks = a_set(0x36, 2, item(0x4401, bytes(32)), item(0x4403, references(*[4] * min(count, 4000))))
    source = a_set(0x37, 3, item(0x4401, bytes(32)), item(0x4403, references(*[4] * min(count, 4000))))
    track = a_set(0x3B, 4, item(0x4801, b"\0\0\0\1"), item(0x4803, uid(5)))
    sequence = a_set(0x0F, 5, item(0x1001, references(*[6] * min(count, 4000))))
    clips = fill(size - size // 4, lambda i: a_set(0x11, 6 + i, item(0x1201, b"\0" * 8)))
    return document(preface + storage + tracks + source + track + sequence + clips)


def partitions(size):
    """Each partition names the partition before it."""
    head = partition(2, 0, footer=size)
    parts = [head, ESSENCE]
    length = len(head) + len(ESSENCE)
    previous = 0
    while length < size:
        part = partition(3, length, previous)
        previous = length
        parts.append(part)
        length += len(part)
    parts[0] = partition(2, 0, footer=length)
    return b"".join(parts) + partition(4, length, previous, length)


def tiny_essence(size):
    piece = bytes.fromhex("060e2b34010201010d01030115010500") + b"\0"
    return document(fill(size, lambda i: piece))


KINDS = {
    "sets": sets,
    "index_segments": index_segments,
    "dynamic_tags": dynamic_tags,
    "primers": primers,
    "one_track_often": one_track_often,
    "partitions": partitions,
    "tiny_essence": tiny_essence,
}

SHORT = ()
