"""Hostile Matroska and WebM files (RFC 8794, RFC 9559): see scripts/cost.py."""

from __future__ import annotations

import random
from collections.abc import Callable

SEGMENT, SEEK_HEAD, SEEK, INFO, TRACKS, CLUSTER, CUES = 0x18538067, 0x114D9B74, 0x4DBB, 0x1549A966, 0x1654AE6B, 0x1F43B675, 0x1C53BB6B
TAGS, TAG, TARGETS, SIMPLE_TAG, TAG_NAME, TAG_STRING, TAG_TRACK = 0x1254C367, 0x7373, 0x63C0, 0x67C8, 0x45A3, 0x4487, 0x63C5
ATTACHMENTS, ATTACHED_FILE, FILE_NAME, FILE_TYPE, FILE_DATA, FILE_UID = 0x1941A469, 0x61A7, 0x466E, 0x4660, 0x465C, 0x46AE
CHAPTERS, EDITION, CHAPTER, CHAPTER_UID, CHAPTER_START, CHAPTER_DISPLAY, CHAPTER_STRING = 0x1043A770, 0x45B9, 0xB6, 0x73C4, 0x91, 0x80, 0x85
TIMESTAMP, SIMPLE_BLOCK, BLOCK_GROUP, BLOCK, CUE_POINT, CUE_TIME, CUE_POSITIONS, CUE_TRACK, CUE_CLUSTER = 0xE7, 0xA3, 0xA0, 0xA1, 0xBB, 0xB3, 0xB7, 0xF7, 0xF1
VOID, CRC = 0xEC, 0xBF


def element(number: int, *parts: bytes) -> bytes:
    content = b"".join(parts)
    name = number.to_bytes((number.bit_length() + 7) // 8, "big")
    size = len(content)
    for length in range(1, 9):
        if size < (1 << 7 * length) - 1:
            return name + (1 << 7 * length | size).to_bytes(length, "big") + content
    raise ValueError(size)


def number(name: int, value: int) -> bytes:
    return element(name, value.to_bytes(max(1, (value.bit_length() + 7) // 8), "big"))


def times(unit: bytes, size: int) -> bytes:
    return unit * max(1, size // len(unit))


def numbered(make: Callable[[int], bytes], size: int) -> bytes:
    return b"".join(map(make, range(max(1, size // len(make(0))))))


# A JPEG that consists of only its start and its end.
PICTURE = bytes.fromhex("ffd8ffd9")
EBML = element(
    0x1A45DFA3, number(0x4286, 1), number(0x42F7, 1), number(0x42F2, 4), number(0x42F3, 8), element(0x4282, b"matroska"), number(0x4287, 4), number(0x4285, 2)
)
STANDARD_INFO = element(INFO, number(0x2AD7B1, 1_000_000))


def track(index: int = 1, *others: bytes) -> bytes:
    video = element(0xE0, number(0xB0, 64), number(0xBA, 64))
    return element(0xAE, number(0xD7, index), number(0x73C5, index), number(0x83, 1), element(0x86, b"V_MJPEG"), video, *others)


def block(time: int = 0, index: int = 1) -> bytes:
    return element(SIMPLE_BLOCK, bytes([0x80 | index]), (time & 0xFFFF).to_bytes(2, "big"), b"\x80", PICTURE)


def cluster(time: int, *parts: bytes) -> bytes:
    return element(CLUSTER, number(TIMESTAMP, time), *(parts or (block(),)))


def file(*parts: bytes, tracks: bytes | None = None, info: bytes = STANDARD_INFO, media: bytes | None = None) -> bytes:
    """Returns a file whose `parts` are between its tracks and its media."""
    end = cluster(0) if media is None else media
    return EBML + element(SEGMENT, info, element(TRACKS, tracks or track()), *parts, end)


def with_cues(cues: bytes, media: bytes) -> bytes:
    """Returns a file whose cues come last. The seek head names them."""

    def seek_head(place: int) -> bytes:
        return element(SEEK_HEAD, element(SEEK, element(0x53AB, CUES.to_bytes(4, "big")), element(0x53AC, place.to_bytes(8, "big"))))

    head = STANDARD_INFO + element(TRACKS, track())
    place = len(seek_head(0)) + len(head) + len(media)
    return EBML + element(SEGMENT, seek_head(place), head, media, element(CUES, cues))


def cue(time: int, place: int, tracks: int = 1) -> bytes:
    positions = (element(CUE_POSITIONS, number(CUE_TRACK, 1 + i), number(CUE_CLUSTER, place)) for i in range(tracks))
    return element(CUE_POINT, number(CUE_TIME, time), *positions)


def simple_tag(name: str, *nested: bytes) -> bytes:
    return element(SIMPLE_TAG, element(TAG_NAME, name.encode()), element(TAG_STRING, b"x"), *nested)


def tag(index: int) -> bytes:
    return element(TAG, element(TARGETS), simple_tag(f"N{index:07}"))


def nested_tags(size: int) -> bytes:
    """Nested tags, whose names libavformat joins."""
    unit = b""
    for depth in range(8):
        unit = simple_tag(f"D{depth}", unit)
    return element(TAGS, times(element(TAG, element(TARGETS), unit), size))


def attachment(index: int) -> bytes:
    return element(ATTACHED_FILE, element(FILE_NAME, b"f%d.ttf" % index), element(FILE_TYPE, b"font/ttf"), element(FILE_DATA, b"x"), number(FILE_UID, index + 1))


def chapter(index: int) -> bytes:
    display = element(CHAPTER_DISPLAY, element(CHAPTER_STRING, b"%d" % index))
    return element(CHAPTER, number(CHAPTER_UID, index + 1), number(CHAPTER_START, index * 1000), display)


def falling_cues(size: int) -> bytes:
    media = cluster(0)
    count = size // len(cue(100_000, 100))
    return with_cues(b"".join(cue(count - i, 0) for i in range(count)), media)


def encodings(size: int) -> bytes:
    one = lambda i: element(0x6240, number(0x5031, i), number(0x5033, 0), element(0x5034, number(0x4254, 3), element(0x4255, b"\xff")))
    return file(tracks=track(1, element(0x6D80, numbered(one, size))))


def nested(name: int, size: int, depth: int = 12) -> bytes:
    unit = b""
    for _ in range(depth):
        unit = element(name, unit)
    return times(unit, size)


def seeks(size: int) -> bytes:
    """A seek head whose entries name seek heads at its own position, or inside it."""
    one = lambda i: element(SEEK, element(0x53AB, SEEK_HEAD.to_bytes(4, "big")), element(0x53AC, (i % 64).to_bytes(8, "big")))
    return EBML + element(SEGMENT, element(SEEK_HEAD, numbered(one, size)), STANDARD_INFO, element(TRACKS, track()), cluster(0))


def seeks_to(name: int, content: bytes, size: int) -> bytes:
    """A seek head with many entries that name the same element."""
    one = lambda place: element(SEEK, element(0x53AB, name.to_bytes(4, "big")), element(0x53AC, place.to_bytes(8, "big")))
    count = size // len(one(0))
    place = len(element(SEEK_HEAD, one(0) * count)) + len(STANDARD_INFO + element(TRACKS, track()) + cluster(0))
    return EBML + element(SEGMENT, element(SEEK_HEAD, one(place) * count), STANDARD_INFO, element(TRACKS, track()), cluster(0), element(name, content))


def clock(_: int) -> bytes:
    """A cluster with the largest possible time."""
    return file(media=cluster((1 << 63) - 1, block(1)))


def far_cues(_: int) -> bytes:
    """Cues with positions behind the end of any file."""
    return with_cues(cue(0, 0) + cue((1 << 64) - 1, (1 << 64) - 17), cluster(0))


def random_element(chance: random.Random, size: int, depth: int) -> bytes:
    name = chance.choice(NAMES)
    if depth < 8 and size > 24 and chance.random() < 0.6:
        parts, left = [], size
        while left > 8:
            part = chance.randrange(4, max(5, min(left, 2 * size // 3)))
            unit = random_element(chance, part // chance.choice((1, 1, 4, 64)), depth + 1)
            parts.append(times(unit, part))
            left -= len(parts[-1])
        return element(name, *parts)
    content = chance.choice((b"", b"\1", b"\x7f\xff\xff\xff", b"\xff" * 8, b"abc", bytes(max(0, size - 4))))
    return element(name, content)


NAMES = [
    SEEK_HEAD, SEEK, 0x53AB, 0x53AC, INFO, 0x2AD7B1, 0x4489, TRACKS, 0xAE, 0xD7, 0x73C5, 0x83, 0x86, 0xE0, 0xE1, 0xB0, 0xBA, 0x6D80, 0x6240, 0x5034, 0x63A2,
    CLUSTER, TIMESTAMP, SIMPLE_BLOCK, BLOCK_GROUP, BLOCK, 0x75A1, 0xA6, 0x9B, CUES, CUE_POINT, CUE_TIME, CUE_POSITIONS, CUE_TRACK, CUE_CLUSTER, TAGS, TAG,
    TARGETS, SIMPLE_TAG, TAG_NAME, TAG_STRING, TAG_TRACK, ATTACHMENTS, ATTACHED_FILE, FILE_NAME, FILE_TYPE, FILE_DATA, FILE_UID, CHAPTERS, EDITION, CHAPTER,
    CHAPTER_UID, CHAPTER_START, CHAPTER_DISPLAY, CHAPTER_STRING, VOID, CRC, 0xE2, 0xE3, 0xE4, 0x41E4, 0x55B0, 0x7670, 0x5035, 0x47E2,
]  # fmt: skip


def random_tree(size: int, chance: random.Random) -> bytes:
    """Returns a file with elements of random kinds at random places."""
    parts, left = [], size
    while left > 0:
        parts.append(random_element(chance, left if chance.random() < 0.3 else chance.randrange(4, left + 5), chance.randrange(4)))
        left -= len(parts[-1])
    content = b"".join(parts)
    match chance.randrange(5):
        case 0:
            return file(content)
        case 1:
            return file(tracks=track(1, content))
        case 2:
            return file(media=cluster(0, content, block()))
        case 3:
            return file(media=cluster(0) + content)
        case _:
            return file(element(chance.choice((TAGS, ATTACHMENTS, CHAPTERS, CUES, INFO, SEEK_HEAD)), content))


KINDS: dict[str, Callable[[int], bytes]] = {
    # Metadata.
    "tags": lambda size: file(element(TAGS, numbered(tag, size))),
    "tags_behind": lambda size: file(media=cluster(0) + element(TAGS, numbered(tag, size))),
    "tags_named": lambda size: seeks_to(TAGS, numbered(tag, size // 2), size // 2),
    "tags_in_one": lambda size: file(element(TAGS, element(TAG, element(TARGETS), numbered(lambda i: simple_tag(f"N{i:07}"), size)))),
    "tags_of_a_track": lambda size: file(element(TAGS, numbered(lambda i: element(TAG, element(TARGETS, number(TAG_TRACK, 1)), simple_tag(f"N{i:07}")), size))),
    "tags_of_one_name": lambda size: file(element(TAGS, times(element(TAG, element(TARGETS), simple_tag("NAME")), size))),
    "nested_tags": lambda size: file(nested_tags(size)),
    "lists_of_tags": lambda size: file(numbered(lambda i: element(TAGS, tag(i)), size)),
    "attachments": lambda size: file(element(ATTACHMENTS, numbered(attachment, size))),
    "attachments_and_tags": lambda size: file(
        element(ATTACHMENTS, numbered(attachment, size // 2)),
        element(TAGS, numbered(lambda i: element(TAG, element(TARGETS, number(0x63C6, i + 1)), simple_tag(f"N{i:07}")), size // 2)),
    ),
    "chapters": lambda size: file(element(CHAPTERS, element(EDITION, numbered(chapter, size)))),
    "chapters_and_tags": lambda size: file(
        element(CHAPTERS, element(EDITION, numbered(chapter, size // 2))),
        element(TAGS, numbered(lambda i: element(TAG, element(TARGETS, number(0x63C4, i + 1)), simple_tag(f"N{i:07}")), size // 2)),
    ),
    "chapter_titles": lambda size: file(
        element(CHAPTERS, element(EDITION, element(CHAPTER, number(CHAPTER_UID, 1), number(CHAPTER_START, 0), times(element(CHAPTER_DISPLAY, element(CHAPTER_STRING, b"x")), size))))
    ),
    # Indexes and clusters.
    "cues": lambda size: with_cues(numbered(lambda i: cue(i + 1000, 0), size), cluster(0)),
    "cues_falling": falling_cues,
    "cues_of_one_time": lambda size: with_cues(times(cue(0, 0), size), cluster(0)),
    "cues_of_many_tracks": lambda size: with_cues(times(cue(0, 0, tracks=100), size), cluster(0)),
    "cues_without_place": lambda size: with_cues(times(element(CUE_POINT), size), cluster(0)),
    "clusters": lambda size: file(media=numbered(cluster, size)),
    "clusters_falling": lambda size: file(media=b"".join(cluster(size // 20 - i) for i in range(size // 20))),
    "empty_clusters": lambda size: file(media=times(element(CLUSTER), size)),
    "blocks": lambda size: file(media=cluster(0, numbered(lambda i: block(i), size))),
    "blocks_of_no_track": lambda size: file(media=cluster(0, times(block(0, 9), size), block())),
    "block_groups": lambda size: file(media=cluster(0, times(element(BLOCK_GROUP, element(BLOCK, b"\x81\0\0\0", PICTURE)), size))),
    "empty_block_groups": lambda size: file(media=cluster(0, times(element(BLOCK_GROUP), size), block())),
    "laced_blocks": lambda size: file(media=cluster(0, times(element(SIMPLE_BLOCK, b"\x81\0\0\x84\xff", bytes(256)), size))),
    "seeks": seeks,
    "seeks_to_cues": lambda size: seeks_to(CUES, cue(0, 0), size),
    "seek_heads": lambda size: file(times(element(SEEK_HEAD), size)),
    # Elements.
    "empty_elements": lambda size: file(times(element(VOID), size)),
    "empty_elements_in_a_track": lambda size: file(tracks=track(1, times(element(VOID), size))),
    "empty_elements_in_a_cluster": lambda size: file(media=cluster(0, times(element(VOID), size), block())),
    "empty_elements_behind": lambda size: file(media=cluster(0) + times(element(VOID), size)),
    "unknown_elements": lambda size: file(times(element(0x4FFF), size)),
    "infos": lambda size: file(times(STANDARD_INFO, size)),
    "lists_of_tracks": lambda size: file(times(element(TRACKS, track()), size)),
    "tracks": lambda size: file(tracks=numbered(lambda i: track(i % 100 + 1), size)),
    "empty_tracks": lambda size: file(tracks=times(element(0xAE), size) + track()),
    "video_elements": lambda size: file(tracks=track(1, times(element(0xE0), size))),
    "encodings": encodings,
    "additions": lambda size: file(tracks=track(1, times(element(0x41E4, number(0x41E7, 4)), size))),
    "planes": lambda size: file(tracks=track(1, element(0xE2, element(0xE3, numbered(lambda i: element(0xE4, number(0xE5, 1), number(0xE6, 0)), size))))),
    "nested_chapters": lambda size: file(element(CHAPTERS, element(EDITION, nested(CHAPTER, size)))),
    "nested_unknown": lambda size: file(nested(0x4FFF, size)),
    # Sums that overflow.
    "clock": clock,
    "far_cues": far_cues,
}
RANDOM = {f"random_{number}": random_tree for number in range(1, 9)}
GRAB: dict[str, tuple[str, ...]] = {}
SHORT = ("tags", "nested_tags", "attachments", "cues_falling", "clock", "far_cues", "random_1")
