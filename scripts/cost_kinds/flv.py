"""Flash video whose cost is out of proportion to its size."""

import struct

from parts import fill


def text(value):
    return struct.pack(">H", len(value)) + value


def number(value):
    return b"\0" + struct.pack(">d", value)


def string(value):
    return b"\2" + text(value)


def tag(kind, time, body):
    head = bytes([kind]) + len(body).to_bytes(3, "big") + (time & 0xFFFFFF).to_bytes(3, "big") + bytes([time >> 24 & 255]) + b"\0\0\0"
    return head + body + struct.pack(">I", 11 + len(body))


def video(time, flags=0x12, body=bytes(40)):
    return tag(9, time, bytes([flags]) + body)


def document(*tags):
    return b"FLV\1\1" + struct.pack(">II", 9, 0) + b"".join(tags)


def script(members):
    return tag(18, 0, string(b"onMetaData") + b"\x08" + struct.pack(">I", 1) + members + b"\0\0\x09")


def metadata(size):
    """Each name is compared with all names before it."""
    return document(script(fill(size, lambda i: text(b"k%d" % i) + string(b"v"))), video(0))


def metadata_in_many_tags(size):
    return document(fill(size, lambda i: script(text(b"k%d" % i) + string(b"v"))), video(0))


def keyframes_falling(size):
    """Each entry is sorted before all others."""
    count = size // 18
    times = b"\x0a" + struct.pack(">I", count) + b"".join(number(count - i) for i in range(count))
    places = b"\x0a" + struct.pack(">I", count) + b"".join(number(size * 2 + i) for i in range(count))
    keyframes = text(b"keyframes") + b"\x03" + text(b"times") + times + text(b"filepositions") + places + b"\0\0\x09"
    return document(script(keyframes), video(0))


def keyframes_declared(size):
    """Lists whose declared length is much larger than their content."""
    one = text(b"keyframes") + b"\x03" + text(b"times") + b"\x0a" + struct.pack(">I", 20_000_000) + number(1) + b"\1\0"
    return document(fill(size, lambda i: script(one)), video(0))


def times_falling(size):
    """Each tag is earlier than all tags before it."""
    count = size // 17
    return document(fill(size, lambda i: video(max(0, 2 * count - i), body=b"\0")))


def tiny_tags(size):
    """One packet for every 17 bytes."""
    return document(fill(size, lambda i: video(i, body=b"\0")))


def empty_tags(size):
    return document(fill(size, lambda i: tag(9, i, b"")), video(0))


def configurations(size):
    """Each frame has a configuration record."""
    record = b"\x01\x42\x00\x1e\xff\xe1\x00\x08\x67\x42\x00\x1e\xda\x02\x80\xf6\x01\x00\x04\x68\xce\x3c\x80"
    return document(fill(size, lambda i: video(i, 0x17, b"\0\0\0\0" + record) + video(i, 0x17, b"\1\0\0\0\0\0\0\1\x65")))


def changing_configurations(size):
    """Each frame has a different configuration record."""
    return document(fill(size, lambda i: video(i, 0x17, b"\0\0\0\0\x01\x42\x00\x1e\xff\xe1\x00\x0c\x67\x42\x00\x1e\xda\x02\x80\xf6" + struct.pack(">I", i) + b"\1\0\4\x68\xce\x3c\x80")))


KINDS = {
    "metadata": metadata,
    "metadata_in_many_tags": metadata_in_many_tags,
    "keyframes_falling": keyframes_falling,
    "keyframes_declared": keyframes_declared,
    "times_falling": times_falling,
    "tiny_tags": tiny_tags,
    "empty_tags": empty_tags,
    "configurations": configurations,
    "changing_configurations": changing_configurations,
}

SHORT = ()
