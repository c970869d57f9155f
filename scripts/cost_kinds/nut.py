"""NUT whose cost is out of proportion to its size."""

from ogg import TABLE
from parts import fill

MAIN, STREAM, SYNC, INFO = 0x4E4D7A561F5F04AD, 0x4E5311405BF2F9DB, 0x4E4BE4ADEECA4569, 0x4E49AB68B596BA78


def crc(data):
    value = 0
    for byte in data:
        value = (value << 8 & 0xFFFFFFFF) ^ TABLE[value >> 24 ^ byte]
    return value.to_bytes(4, "big")


def v(value):
    parts = [value & 127]
    while value > 127:
        value >>= 7
        parts.append(value & 127 | 128)
    return bytes(reversed(parts))


def s(value):
    return v(2 * value - 1 if value > 0 else -2 * value)


def text(value):
    return v(len(value)) + value


def piece(code, body):
    head = code.to_bytes(8, "big") + v(len(body) + 4)
    if len(body) + 4 > 4096:
        head += crc(head)
    return head + body + crc(body)


def main():
    # All frames share one frame code: the key flag and the size are written with each frame.
    table = v(0x1000 >> 12 << 12) + v(6) + s(0) + v(1) + v(0) + v(0) + v(0) + v(256 - 1)
    return piece(MAIN, v(3) + v(1) + v(65536) + v(1) + v(1) + v(25) + table)


def stream():
    return piece(STREAM, v(0) + v(0) + text(b"MJPG") + v(0) + v(1) + v(0) + v(0) + v(0) + v(0) + v(160) + v(120) + v(1) + v(1) + v(0))


def sync(back=0, time=0):
    return piece(SYNC, v(time) + v(back))


def document(more):
    return b"nut/multimedia container\0" + main() + stream() + more


def tags(size):
    """Each name is compared with all names before it."""
    pairs = lambda i: text(b"k%d" % i) + s(-1) + text(b"v")
    body = fill(size, pairs)
    count = body.count(b"\1\1v") or size // 9
    return document(piece(INFO, v(0) + s(0) + v(0) + v(0) + v(count) + body) + sync())


def chapters(size):
    one = lambda i: piece(INFO, v(0) + s(i + 1) + v(i) + v(1) + v(0))
    return document(fill(size, one) + sync())


def syncpoints(size):
    return document(fill(size, lambda i: sync(0, i)))


def syncpoints_falling(size):
    count = size // 14
    return document(fill(size, lambda i: sync(0, max(0, 2 * count - i))))


def streams_again(size):
    return document(fill(size, lambda i: stream()) + sync())


KINDS = {
    "tags": tags,
    "chapters": chapters,
    "syncpoints": syncpoints,
    "syncpoints_falling": syncpoints_falling,
    "streams_again": streams_again,
}

SHORT = ()
