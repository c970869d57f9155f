"""Matroska and WebM whose cost is out of proportion to their size."""

import zlib

from parts import fill


def number(value):
    """Returns an EBML length in as few bytes as possible."""
    length = 1
    while value >= (1 << 7 * length) - 1:
        length += 1
    return (value | 1 << 7 * length).to_bytes(length, "big")


def element(name, body):
    return bytes.fromhex(name) + number(len(body)) + body


def integer(name, value):
    return element(name, value.to_bytes(max(1, (value.bit_length() + 7) // 8), "big"))


HEAD = element("1A45DFA3", element("4282", b"matroska"))
INFO = element("1549A966", integer("2AD7B1", 1_000_000) + element("4D80", b"a") + element("5741", b"a"))


def track(number_=1, more=b""):
    video = element("E0", integer("B0", 160) + integer("BA", 120))
    body = integer("D7", number_) + integer("73C5", number_) + integer("83", 1) + element("86", b"V_MPEG1") + video + more
    return element("AE", body)


def tracks(more=b"", count=1):
    return element("1654AE6B", b"".join(track(index + 1, more) for index in range(count)))


def block(time, data, number_=1, flags=0x80):
    return element("A3", bytes([0x80 | number_]) + (time % 65536).to_bytes(2, "big") + bytes([flags]) + data)


def cluster(time, blocks):
    return element("1F43B675", integer("E7", time) + blocks)


def document(*parts, clusters=None):
    clusters = cluster(0, block(0, bytes(40))) if clusters is None else clusters
    return HEAD + element("18538067", INFO + b"".join(parts) + clusters)


def simple_tag(name, value=b"v", more=b""):
    return element("67C8", element("45A3", name) + element("4487", value) + more)


def tag(*simple, targets=b""):
    return element("7373", element("63C0", targets) + b"".join(simple))


def tags_of_one_target(size):
    """Each name is compared with all names before it."""
    return document(tracks(), element("1254C367", tag(fill(size, lambda i: simple_tag(b"%d" % i)))))


def tags_each_alone(size):
    """The dictionary is converted again for each tag."""
    return document(tracks(), element("1254C367", fill(size, lambda i: tag(simple_tag(b"%d" % i)))))


def tags_in_tags(size):
    """The dictionary is converted again for each level of each tag."""
    return document(tracks(), element("1254C367", tag(fill(size, lambda i: simple_tag(b"%d" % i, more=simple_tag(b"a"))))))


def tags_of_long_names(size):
    """Names that differ only in their last characters."""
    return document(tracks(), element("1254C367", tag(fill(size, lambda i: simple_tag(b"n" * 900 + b"%d" % i)))))


def tags_of_one_name(size):
    """A name that the conversion renames. The dictionary grows by one value for each tag."""
    return document(tracks(), element("1254C367", fill(size, lambda i: tag(simple_tag(b"LEAD_PERFORMER", b"%d" % i)))))


def tags_of_chapters(size):
    """For each tag, all chapters are searched."""
    chapters = fill(size // 2, lambda i: element("B6", integer("73C4", i + 1)))
    tags = fill(size // 2, lambda i: tag(simple_tag(b"a"), targets=integer("63C4", 1 << 40)))
    return document(tracks(), element("1043A770", element("45B9", chapters)), element("1254C367", tags))


def tags_of_one_chapter(size):
    """Each tag belongs to all chapters, because they have the same ID."""
    chapters = fill(size // 2, lambda i: element("B6", integer("73C4", 9) + integer("91", i + 1)))
    tags = fill(size // 2, lambda i: tag(simple_tag(b"%d" % i), targets=integer("63C4", 9)))
    return document(tracks(), element("1043A770", element("45B9", chapters)), element("1254C367", tags))


def chapters_falling(size):
    """Decreasing chapter IDs. Each ID is searched among all IDs before it."""
    atoms = fill(size, lambda i: element("B6", integer("73C4", (1 << 30) - i) + integer("91", i + 1)))
    return document(tracks(), element("1043A770", element("45B9", atoms)))


def chapters_empty(size):
    """Each chapter of two bytes becomes a structure of 80 bytes."""
    return document(tracks(), element("1043A770", element("45B9", b"\xb6\x80" * (size // 2))))


def cue(time, position=60, number_=1):
    return element("BB", integer("B3", time) + element("B7", integer("F7", number_) + integer("F1", position)))


def cues_falling(size):
    """Each entry is sorted before all others."""
    count = size // 18
    return document(tracks(), element("1C53BB6B", fill(size, lambda i: cue(2 * count + 9 - i))))


def cues_empty(size):
    return document(tracks(), element("1C53BB6B", b"\xbb\x80" * (size // 2)))


def cues_of_many_tracks(size):
    """For each position, all tracks are searched."""
    head = tracks(count=90)
    return document(head, element("1C53BB6B", fill(size - len(head), lambda i: cue(i + 1, number_=90))))


def clusters_falling(size):
    """Each cluster is earlier than all clusters before it."""
    count = size // 12 + 9
    return document(tracks(), clusters=fill(size, lambda i: cluster(20 * (count - i), block(0, b"\0"))))


def blocks_falling(size):
    """Decreasing times, as in `clusters_falling`, but of blocks in one cluster."""
    return document(tracks(), clusters=cluster(1 << 30, fill(size, lambda i: block(65535 - i % 32000, b"\0"))))


def compressed(algorithm, settings=b""):
    setting = integer("4254", algorithm) + (element("4255", settings) if settings else b"")
    return element("6D80", element("6240", element("5034", setting)))


def stripped_headers(size):
    """Each block of one byte unpacks to a tenth of the file."""
    head = bytes(size // 10)
    return document(tracks(compressed(3, head)), clusters=cluster(0, fill(size - size // 10, lambda i: block(i, b"\0"))))


def zlib_blocks(size):
    """Each block of about 10 KB unpacks to 9 MB."""
    data = zlib.compress(bytes(9_000_000), 9)
    return document(tracks(compressed(0)), clusters=cluster(0, fill(size, lambda i: block(i, data))))


def laced(size):
    """Each block contains 255 empty frames."""
    lace = block(0, b"\xff" + b"\0", flags=0x84)
    return document(tracks(), clusters=cluster(0, fill(size, lambda i: lace)))


def private_compressed(size):
    """The configuration record of each track is unpacked."""
    data = zlib.compress(bytes(9_000_000), 9)
    private = element("6D80", element("6240", integer("5032", 2) + element("5034", integer("4254", 0)))) + element("63A2", data)
    return document(tracks(private, count=min(90, size // len(data))))


def attachments(size):
    """Attachments, which libavformat presents as streams."""
    files = fill(size, lambda i: element("61A7", element("466E", b"a") + element("4660", b"image/png") + integer("46AE", i + 1) + element("465C", b"a")))
    return document(tracks(), element("1941A469", files))


def attachments_empty(size):
    return document(tracks(), element("1941A469", b"\x61\xa7\x80" * (size // 3)))


def tags_empty(size):
    return document(tracks(), element("1254C367", b"\x73\x73\x80" * (size // 3)))


def seek_heads(size):
    """Each entry of a seek head names another."""
    seek = element("4DBB", element("53AB", bytes.fromhex("1254C367")) + integer("53AC", 0))
    return document(tracks(), element("114D9B74", fill(size, lambda i: seek)))


def unknown_elements(size):
    """Unknown empty elements."""
    return document(tracks(), b"\xec\x80" * (size // 2))


def resync(size):
    """Bytes that are no element, so that the demuxer has to search for the next one."""
    return document(tracks(), clusters=fill(size, lambda i: cluster(i, b"\x00\x00")))


KINDS = {
    "tags_of_one_target": tags_of_one_target,
    "tags_each_alone": tags_each_alone,
    "tags_in_tags": tags_in_tags,
    "tags_of_long_names": tags_of_long_names,
    "tags_of_one_name": tags_of_one_name,
    "tags_of_chapters": tags_of_chapters,
    "tags_of_one_chapter": tags_of_one_chapter,
    "tags_empty": tags_empty,
    "chapters_falling": chapters_falling,
    "chapters_empty": chapters_empty,
    "cues_falling": cues_falling,
    "cues_empty": cues_empty,
    "cues_of_many_tracks": cues_of_many_tracks,
    "clusters_falling": clusters_falling,
    "blocks_falling": blocks_falling,
    "stripped_headers": stripped_headers,
    "zlib_blocks": zlib_blocks,
    "laced": laced,
    "private_compressed": private_compressed,
    "attachments": attachments,
    "attachments_empty": attachments_empty,
    "seek_heads": seek_heads,
    "unknown_elements": unknown_elements,
    "resync": resync,
}

SHORT = ()
