"""MP4 and QuickTime whose cost is out of proportion to their size."""

import struct

from parts import fill


def box(name, body):
    return struct.pack(">I4s", 8 + len(body), name) + body


def full(name, body, version=0, flags=0):
    return box(name, struct.pack(">I", version << 24 | flags) + body)


HEADER = full(b"mvhd", struct.pack(">IIII", 0, 0, 1000, 10_000) + struct.pack(">IHH", 1 << 16, 256, 0) + bytes(8) + struct.pack(">9I", 1 << 16, 0, 0, 0, 1 << 16, 0, 0, 0, 1 << 30) + bytes(24) + struct.pack(">I", 2))
FILE = box(b"ftyp", b"isom\0\0\2\0isom")


def track(tables=None, more=b"", number=1, entries=None, media=b""):
    head = full(b"tkhd", struct.pack(">IIIII", 0, 0, number, 0, 10_000) + bytes(8) + struct.pack(">HHHH", 0, 0, 0, 0) + struct.pack(">9I", 1 << 16, 0, 0, 0, 1 << 16, 0, 0, 0, 1 << 30) + struct.pack(">II", 160 << 16, 120 << 16), 0, 3)
    if entries is None:
        entries = full(b"stsd", struct.pack(">I", 1) + entry())
    if tables is None:
        tables = full(b"stts", struct.pack(">III", 1, 1, 1000)) + full(b"stsc", struct.pack(">IIII", 1, 1, 1, 1)) + full(b"stsz", struct.pack(">III", 40, 1, 0)[:8] + struct.pack(">I", 1)[:0]) + full(b"stco", struct.pack(">II", 1, 40))
    table = box(b"stbl", entries + tables)
    info = box(b"minf", full(b"vmhd", bytes(8), 0, 1) + box(b"dinf", full(b"dref", struct.pack(">I", 1) + full(b"url ", b"", 0, 1))) + table)
    header = full(b"mdhd", struct.pack(">IIIIHH", 0, 0, 1000, 10_000, 0x55C4, 0))
    handler = full(b"hdlr", struct.pack(">I4s", 0, b"vide") + bytes(12) + b"\0")
    return box(b"trak", head + more + box(b"mdia", header + handler + info + media))


def entry(more=b""):
    return box(b"mp4v", bytes(6) + struct.pack(">H", 1) + bytes(16) + struct.pack(">HHIIIH", 160, 120, 72 << 16, 72 << 16, 0, 1) + bytes(32) + struct.pack(">Hh", 24, -1) + more)


def document(movie, data=bytes(40), behind=b""):
    return FILE + box(b"mdat", data) + box(b"moov", HEADER + movie) + behind


def user_data(size):
    return document(track() + box(b"udta", fill(size, lambda i: box(b"\xa9" + struct.pack(">I", i)[1:], struct.pack(">HH", 1, 0) + b"v"))))


def metadata_keys(size):
    """Each name is compared with all names before it."""
    count = size // 60
    keys = full(b"keys", struct.pack(">I", count) + b"".join(box(b"mdta", b"k%d" % i) for i in range(count)))
    values = b"".join(struct.pack(">II", 8 + 17, i + 1) + box(b"data", struct.pack(">II", 1, 0) + b"v") for i in range(count))
    handler = full(b"hdlr", struct.pack(">I4s", 0, b"mdta") + bytes(12) + b"\0")
    return document(track() + box(b"meta", handler + keys + box(b"ilst", values)))


def chapters(size):
    """Chapters in Nero's format, in many boxes of 255."""
    one = b"".join(struct.pack(">QB", (255 - i) * 10_000_000, 1) + b"c" for i in range(255))
    return document(track() + box(b"udta", fill(size, lambda i: full(b"chpl", struct.pack(">IB", 0, 255) + one, 1))))


def protection(size):
    return document(track() + fill(size, lambda i: full(b"pssh", struct.pack(">QQI4s", i, 7 * i + 1, 4, b"abcd"))))


def edits(size):
    count = size // 12
    edit = box(b"edts", full(b"elst", struct.pack(">I", count) + b"".join(struct.pack(">Iii", 40, i % 100 * 10, 0x10000) for i in range(count))))
    tables = full(b"stts", struct.pack(">III", 1, 1000, 10)) + full(b"stsc", struct.pack(">IIII", 1, 1, 1000, 1)) + full(b"stsz", struct.pack(">II", 1, 1000)) + full(b"stco", struct.pack(">II", 1, 40))
    return document(track(tables, edit), bytes(2000))


def descriptions(size):
    count = size // 94
    return document(track(entries=full(b"stsd", struct.pack(">I", count) + entry() * count)))


def chunks_out_of_order(size):
    """A sample-to-chunk run for each chunk, with decreasing chunk offsets."""
    count = size // 24
    tables = full(b"stts", struct.pack(">III", 1, count, 10)) + full(b"stsc", struct.pack(">I", count) + b"".join(struct.pack(">III", i + 1, 1 + i % 2, 1) for i in range(count))) + full(b"stsz", struct.pack(">II", 1, count)) + full(b"stco", struct.pack(">I", count) + b"".join(struct.pack(">I", 40 + count - i) for i in range(count)))
    return document(track(tables), bytes(100))


def fragment(number, samples=1, track_number=1, more=b""):
    run = full(b"trun", struct.pack(">Ii", samples, 0) + struct.pack(">II", 10, 1) * samples, 0, 0x301)
    body = full(b"mfhd", struct.pack(">I", number)) + box(b"traf", full(b"tfhd", struct.pack(">I", track_number), 0, 0x20000) + full(b"tfdt", struct.pack(">I", number)) + run + more)
    return box(b"moof", body) + box(b"mdat", b"\0")


EXTENDS = box(b"mvex", full(b"trex", struct.pack(">IIIII", 1, 1, 10, 1, 0)))
EMPTY = full(b"stts", bytes(4)) + full(b"stsc", bytes(4)) + full(b"stsz", bytes(8)) + full(b"stco", bytes(4))


def fragments(size):
    return FILE + box(b"moov", HEADER + track(EMPTY) + EXTENDS) + fill(size, lambda i: fragment(i + 1))


def fragments_falling(size):
    count = size // 100 + 9
    return FILE + box(b"moov", HEADER + track(EMPTY) + EXTENDS) + fill(size, lambda i: fragment(max(0, count - i)))


def track_numbers(size):
    """Runs of samples in a track. Another track has a number that is negative as a signed integer."""
    run = full(b"trun", struct.pack(">I", 0))
    moof = box(b"moof", full(b"mfhd", struct.pack(">I", 1)) + box(b"traf", full(b"tfhd", struct.pack(">I", 1), 0, 0x20000) + run * (size // 16)))
    return FILE + box(b"moov", HEADER + track(EMPTY) + track(EMPTY, number=1 << 31) + EXTENDS) + moof + fragment(2)


def segment_indexes(size):
    """Many segment indexes of 100 references each."""
    sidx = full(b"sidx", struct.pack(">IIIIHH", 1, 1000, 0, 0, 0, 100) + struct.pack(">III", 1, 1, 0) * 100)
    return FILE + box(b"moov", HEADER + track(EMPTY) + EXTENDS) + fill(size, lambda i: sidx) + fragment(1)


def items(size):
    """Pictures of an HEIF file that do not exist."""
    count = min(65_000, size // 60)
    handler = full(b"hdlr", struct.pack(">I4s", 0, b"pict") + bytes(12) + b"\0")
    infe = b"".join(full(b"infe", struct.pack(">HH4s", i + 1, 0, b"av01") + b"\0", 2) for i in range(count))
    iinf = full(b"iinf", struct.pack(">H", count) + infe)
    iloc = full(b"iloc", struct.pack(">BBH", 0x44, 0x00, count) + b"".join(struct.pack(">HHHII", i + 1, 0, 1, 40, 10) for i in range(count)))
    return box(b"ftyp", b"avif\0\0\0\0avif") + full(b"meta", handler + full(b"pitm", b"\0\1") + iinf + iloc) + box(b"mdat", bytes(100))


def sample_groups(size):
    groups = fill(size, lambda i: full(b"sbgp", struct.pack(">4sI", b"rap ", 1) + struct.pack(">II", 1 << 30, 1)))
    tables = full(b"stts", struct.pack(">III", 1, 1, 1000)) + full(b"stsc", struct.pack(">IIII", 1, 1, 1, 1)) + full(b"stsz", struct.pack(">II", 40, 1)) + full(b"stco", struct.pack(">II", 1, 40))
    return document(track(tables + groups))


def empty_boxes(size):
    return document(track() + b"\0\0\0\x08free" * (size // 8))


def nested_boxes(size):
    """Empty containers."""
    return document(track() + b"\0\0\0\x08udta" * (size // 8))


KINDS = {
    "user_data": user_data,
    "metadata_keys": metadata_keys,
    "chapters": chapters,
    "protection": protection,
    "edits": edits,
    "descriptions": descriptions,
    "chunks_out_of_order": chunks_out_of_order,
    "fragments": fragments,
    "fragments_falling": fragments_falling,
    "track_numbers": track_numbers,
    "segment_indexes": segment_indexes,
    "items": items,
    "sample_groups": sample_groups,
    "empty_boxes": empty_boxes,
    "nested_boxes": nested_boxes,
}

SHORT = ()
