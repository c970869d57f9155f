"""Windows Media whose cost is out of proportion to its size."""

import struct
import uuid

from parts import fill


def guid(text):
    return uuid.UUID(text).bytes_le


HEADER = guid("75B22630-668E-11CF-A6D9-00AA0062CE6C")
DATA = guid("75B22636-668E-11CF-A6D9-00AA0062CE6C")
PROPERTIES = guid("8CABDCA1-A947-11CF-8EE4-00C00C205365")
STREAM = guid("B7DC0791-A9B7-11CF-8EE6-00C00C205365")
VIDEO = guid("BC19EFC0-5B4D-11CF-A8FD-00805F5C442B")
EXTENDED = guid("D2D0A440-E307-11D2-97F0-00A0C95EA850")
METADATA = guid("C5F8CBEA-5BAF-4877-8467-AA8C44FA4CCA")
MARKER = guid("F487CD01-A951-11CF-8EE6-00C00C205365")
INDEX = guid("33000890-E5B1-11CF-89F4-00A0C90349CB")
NONE = bytes(16)


def thing(kind, body):
    return kind + struct.pack("<Q", 24 + len(body)) + body


def stream(number=1):
    picture = struct.pack("<IIIHH4sIIIII", 40, 160, 120, 1, 24, b"WMV2", 0, 0, 0, 0, 0)
    specific = struct.pack("<IIBH", 160, 120, 2, len(picture)) + picture
    return thing(STREAM, VIDEO + NONE + struct.pack("<QIIHI", 0, len(specific), 0, number, 0) + specific)


def document(header, packets=b"", count=0, size=100):
    properties = thing(PROPERTIES, NONE + struct.pack("<QQQQQQIIII", 0, 0, count, 10_000_000, 10_000_000, 0, 2, size, size, 1000))
    body = properties + stream() + header
    head = HEADER + struct.pack("<QIBB", 30 + len(body), 3, 1, 2) + body
    return head + DATA + struct.pack("<Q", 50 + len(packets)) + NONE + struct.pack("<QH", count, 0x101) + packets


def wide(text):
    return text.encode("utf-16-le") + b"\0\0"


def tag(name):
    name = wide(name)
    return struct.pack("<H", len(name)) + name + struct.pack("<HHI", 3, 4, 7)


def tags(size):
    """Objects that declare 65,535 names. Each name is compared with all names before it."""
    parts = []
    length = 0
    while length < size:
        entries = fill(min(size - length, 900_000), lambda i: tag(f"{len(parts)}{i}"))
        parts.append(thing(EXTENDED, struct.pack("<H", 65535) + entries))
        length += len(parts[-1])
    return document(b"".join(parts))


def markers(size):
    entries = fill(size, lambda i: struct.pack("<QQHIII", 0, i, 0, 0, 0, 0))
    return document(thing(MARKER, NONE + struct.pack("<IHH", 1 << 30, 0, 0) + entries))


def streams(size):
    return document(fill(size, lambda i: stream(i % 127 + 1)))


def packet(time, size, payloads):
    head = b"\x82\0\0" + b"\x11" + b"\x5d"
    body = head + struct.pack("<HIH", 0, time, 0)
    return (body + payloads).ljust(size, b"\0")


def index_falling(size):
    """An index behind the data, with more entries than packets."""
    entries = fill(size, lambda i: struct.pack("<IH", size - i, 1))
    tail = INDEX + struct.pack("<Q", 56 + len(entries)) + NONE + struct.pack("<QII", 10_000_000, 1, len(entries) // 6) + entries
    return document(b"") + tail


def objects(size):
    """Empty objects."""
    return document(fill(size, lambda i: thing(NONE, b"")))


def metadata_long_names(size):
    """Names of 60 KB that differ in their last letters."""
    entries = fill(size, lambda i: (lambda name: struct.pack("<HHHHI", 0, 0, len(name), 3, 4) + name + struct.pack("<I", 1))(wide("n" * 30_000 + str(i))))
    return document(thing(METADATA, struct.pack("<H", 65535) + entries))


KINDS = {
    "tags": tags,
    "markers": markers,
    "streams": streams,
    "index_falling": index_falling,
    "objects": objects,
    "metadata_long_names": metadata_long_names,
}

SHORT = ()
