"""Ogg whose cost is out of proportion to its size."""

import struct

from parts import fill


def crc_table():
    table = []
    for index in range(256):
        value = index << 24
        for _ in range(8):
            value = (value << 1 ^ (0x04C11DB7 if value & 1 << 31 else 0)) & 0xFFFFFFFF
        table.append(value)
    return table


TABLE = crc_table()


def page(serial, number, granule, body, flags=0, lacing=None):
    if lacing is None:
        lacing = bytes([255] * (len(body) // 255) + [len(body) % 255])
    head = b"OggS\0" + bytes([flags]) + struct.pack("<qIIIB", granule, serial, number, 0, len(lacing)) + lacing
    value = 0
    for byte in head + body:
        value = (value << 8 & 0xFFFFFFFF) ^ TABLE[value >> 24 ^ byte]
    return head[:22] + struct.pack("<I", value) + head[26:] + body


THEORA = b"\x80theora\3\2\1" + struct.pack(">HH", 10, 8) + b"\0\0\xa0\0\0\x78\0\0" + struct.pack(">II", 25, 1) + b"\0\0\1\0\0\1\0" + bytes(5) + b"\0\x80"


def pages_of(serial, packet, number=1, size=200):
    """Splits one packet into pages of `size` segments."""
    parts = []
    step = 255 * size
    for start in range(0, len(packet) + 1, step):
        body = packet[start:start + step]
        last = start + step > len(packet)
        lacing = bytes([255] * (len(body) // 255) + ([len(body) % 255] if last else []))
        parts.append(page(serial, number + len(parts), -1 if not last else 0, body, 1 if start else 0, lacing))
    return b"".join(parts)


def document(comment, more=b"", size=200):
    head = page(1, 0, 0, THEORA, 2)
    return head + pages_of(1, comment, 1, size) + more


def comments(entries, count):
    return b"\x81theora" + struct.pack("<I", 0) + struct.pack("<I", count) + entries


def entry(value):
    return struct.pack("<I", len(value)) + value


def many_comments(size):
    """Each name is compared with all names before it."""
    return document(comments(fill(size, lambda i: entry(b"%d=v" % i)), 1 << 30))


def one_comment(size):
    """Many values of one name, each of which is appended to the values before it."""
    return document(comments(fill(size, lambda i: entry(b"a=v")), 1 << 30))


def chapters(size):
    return document(comments(fill(size, lambda i: entry(b"CHAPTER%03d=00:00:%02d.000" % (999 - i % 1000, i % 60))), 1 << 30))


def packet_over_pages(size):
    """A packet split into pages of 255 bytes."""
    return document(comments(bytes(size), 0), size=1)


def packets_over_pages(size):
    """Pages of one segment that all continue a packet. The stream's buffer is copied for each page."""
    return document(comments(b"", 0), fill(size, lambda i: page(1, i + 2, -1, b"\0" * 255, 1 if i else 0, b"\xff")))


def empty_packets(size):
    """Each page contains 255 empty packets."""
    return document(comments(b"", 0), fill(size, lambda i: page(1, i + 2, i, b"", 0, bytes(255))))


def streams(size):
    """Each page begins another stream."""
    return fill(size, lambda i: page(i, 0, 0, b"\0", 2))


def comments_again(size):
    """Comment headers between the frames."""
    body = comments(fill(2000, lambda i: entry(b"%d=v" % i)), 1 << 30)
    return document(comments(b"", 0), fill(size, lambda i: pages_of(1, body, i + 2)))


KINDS = {
    "many_comments": many_comments,
    "one_comment": one_comment,
    "chapters": chapters,
    "packet_over_pages": packet_over_pages,
    "packets_over_pages": packets_over_pages,
    "empty_packets": empty_packets,
    "streams": streams,
    "comments_again": comments_again,
}

SHORT = ()
