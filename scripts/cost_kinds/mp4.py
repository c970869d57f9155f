"""Hostile MP4 and MOV files (ISO/IEC 14496-12): see scripts/cost.py."""

from __future__ import annotations

import random
import struct
import zlib
from collections.abc import Callable
from pathlib import Path

FIXTURE = Path(__file__).resolve().parents[2] / "tests" / "fixtures" / "h264_end.mp4"
CONTAINERS = (b"moov", b"trak", b"mdia", b"minf", b"stbl", b"udta")
IDENTITY = struct.pack(">9I", 0x10000, 0, 0, 0, 0x10000, 0, 0, 0, 0x40000000)


def u32(*numbers: int) -> bytes:
    return struct.pack(f">{len(numbers)}I", *(number & 0xFFFFFFFF for number in numbers))


def box(kind: bytes, *parts: bytes) -> bytes:
    content = b"".join(parts)
    return u32(8 + len(content)) + kind + content


def full(kind: bytes, *parts: bytes, version: int = 0, flags: int = 0) -> bytes:
    return box(kind, u32(version << 24 | flags), *parts)


def boxes(data: bytes) -> list[tuple[bytes, bytes]]:
    """Returns name and content of the boxes in `data`."""
    found, at = [], 0
    while at + 8 <= len(data):
        size, kind = struct.unpack_from(">I4s", data, at)
        found.append((kind, data[at + 8 : at + size]))
        at += size
    return found


def times(unit: bytes, size: int) -> bytes:
    return unit * max(1, size // len(unit))


def numbered(make: Callable[[int], bytes], size: int) -> bytes:
    """Returns as many items as `size` has room for, each built from its number."""
    return b"".join(map(make, range(max(1, size // len(make(0))))))


def top_level() -> list[tuple[bytes, bytes]]:
    return boxes(FIXTURE.read_bytes())


def with_moov(change: Callable[[bytes], bytes]) -> bytes:
    """Returns the fixture with a changed content of its moov, which comes last."""
    return b"".join(box(kind, change(content) if kind == b"moov" else content) for kind, content in top_level())


def inserted(path: tuple[bytes, ...], addition: bytes, replaces: tuple[bytes, ...] = ()) -> bytes:
    """Returns the fixture with boxes added at the end of the first box at this path below moov. They replace the boxes of these names."""

    def change(content: bytes, rest: tuple[bytes, ...]) -> bytes:
        if not rest:
            kept = [box(kind, inner) for kind, inner in boxes(content) if kind not in replaces]
            return b"".join(kept) + addition
        done, changed = [], False
        for kind, inner in boxes(content):
            if kind == rest[0] and not changed:
                inner, changed = change(inner, rest[1:]), True
            done.append(box(kind, inner))
        return b"".join(done)

    return with_moov(lambda moov: change(moov, path))


STBL = (b"trak", b"mdia", b"minf", b"stbl")


def pssh(number: int) -> bytes:
    return full(b"pssh", struct.pack(">QQ", number, 7 * number + 1), u32(4), b"abcd")


def elst(edits: int, length: int, start: Callable[[int], int]) -> bytes:
    return box(b"edts", full(b"elst", u32(edits), b"".join(u32(length, start(i), 0x10000) for i in range(edits))))


def movie(*tracks: bytes, others: bytes = b"") -> bytes:
    """Returns a file that contains only a moov."""
    mvhd = full(b"mvhd", u32(0, 0, 1000, 60_000, 0x10000, 0x1000000, 0, 0), IDENTITY, bytes(24), u32(len(tracks) + 1))
    return box(b"ftyp", b"isom", u32(512), b"isom") + box(b"moov", mvhd, *tracks, others)


JPEG_ENTRY = box(b"jpeg", bytes(6), b"\0\1", bytes(16), struct.pack(">HH", 64, 48), u32(0x480000, 0x480000, 0), b"\0\1", bytes(32), b"\0\x18\xff\xff")
TABLES = {
    b"stsd": full(b"stsd", u32(1), JPEG_ENTRY),
    b"stts": full(b"stts", u32(1, 10, 100)),
    b"stsc": full(b"stsc", u32(1, 1, 10, 1)),
    b"stsz": full(b"stsz", u32(100, 10)),
    b"stco": full(b"stco", u32(1, 40)),
}


def track(number: int = 1, handler: bytes = b"vide", media: bytes = b"", others: bytes = b"", **tables: bytes) -> bytes:
    """Returns a track of ten pictures, with other tables and additional boxes."""
    named = {**TABLES, **{name.encode(): table for name, table in tables.items()}}
    tkhd = full(b"tkhd", u32(0, 0, number, 0, 60_000, 0, 0, 0, 0), IDENTITY, u32(64 << 16, 48 << 16), flags=3)
    mdhd = full(b"mdhd", u32(0, 0, 1000, 60_000), b"\x55\xc4\0\0")
    hdlr = full(b"hdlr", u32(0), handler, bytes(13))
    header = full(b"vmhd", bytes(8), flags=1)
    dinf = box(b"dinf", full(b"dref", u32(1), full(b"url ", flags=1)))
    minf = box(b"minf", header, dinf, box(b"stbl", *named.values()))
    return box(b"trak", tkhd, others, box(b"mdia", mdhd, hdlr, media, minf))


def fragmented(tracks: int = 1) -> bytes:
    empty = {name: full(name.encode(), u32(0)) for name in ("stts", "stsc", "stco")} | {"stsz": full(b"stsz", u32(0, 0))}
    trex = b"".join(full(b"trex", u32(number, 1, 100, 50, 0)) for number in range(1, tracks + 1))
    return movie(*(track(number, **empty) for number in range(1, tracks + 1)), others=box(b"mvex", trex))


def traf(number: int, time: int, *boxes_: bytes, samples: int = 1) -> bytes:
    tfhd = full(b"tfhd", u32(number), flags=0x20000)
    tfdt = full(b"tfdt", struct.pack(">Q", time), version=1)
    trun = full(b"trun", u32(samples, 0), flags=1)
    return box(b"traf", tfhd, tfdt, trun, *boxes_)


def moof(time: int, *boxes_: bytes, number: int = 1, samples: int = 1) -> bytes:
    return box(b"moof", full(b"mfhd", u32(time)), traf(number, time * 100, samples=samples), *boxes_)


def fragment(time: int) -> bytes:
    return moof(time) + box(b"mdat", bytes(50))


def sidx(track_number: int, count: int, size: int = 132) -> bytes:
    return full(b"sidx", u32(track_number, 1000, 0, 0, count), u32(size, 100, 0x90000000) * count)


def compressed(size: int) -> bytes:
    """A movie that unpacks to a thousand times its size."""
    moov = box(b"moov", full(b"mvhd", bytes(96)), box(b"free", bytes(min(size * 1000, 1 << 29))))
    return box(b"cmov", box(b"dcom", b"zlib"), box(b"cmvd", u32(len(moov)), zlib.compress(moov, 9)))


def cmvd_everywhere(size: int) -> bytes:
    """Each name begins a zlib stream that reaches to the end of the description."""
    stream = b"cmvd" + u32(1000) + b"\x78\x01"
    # Stored blocks of 8 bytes, none of them final.
    block = b"\0\x08\0\xf7\xff" + b"cmvd" + u32(0)
    return movie(track(stsd=full(b"stsd", u32(1), times(stream + block * 3, size))))


def nested(kind: bytes, size: int, depth: int = 9, header: bytes = b"") -> bytes:
    """Many boxes, each nested `depth` levels deep."""
    inner = b""
    for _ in range(depth):
        inner = box(kind, header, inner)
    return times(inner, size)


def heif(items: int, ilocs: bytes = b"", references: bytes = b"") -> bytes:
    hdlr = full(b"hdlr", u32(0), b"pict", bytes(13))
    infe = b"".join(full(b"infe", struct.pack(">HH", i & 0xFFFF, 0), b"jpeg\0", version=2) for i in range(items))
    iinf = full(b"iinf", struct.pack(">H", items & 0xFFFF), infe)
    return box(b"ftyp", b"heic", u32(0), b"mif1heic") + full(b"meta", hdlr, full(b"pitm", b"\0\1"), iinf, ilocs, references)


def iloc(size: int) -> bytes:
    entries = numbered(lambda i: struct.pack(">HHHII", i & 0xFFFF, 0, 1, 0, 10), size)
    return full(b"iloc", b"\x44\0", struct.pack(">H", min(len(entries) // 14, 0xFFFF)), entries)


def dimg(size: int) -> bytes:
    one = lambda i: box(b"dimg", struct.pack(">HH", i & 0xFFFF, 20), struct.pack(">20H", *range(1, 21)))
    return full(b"iref", numbered(one, size))


def associations(size: int) -> bytes:
    """Each item has all properties."""
    properties = min(size // 32, 127)
    ipco = box(b"ipco", full(b"ispe", u32(64, 48)) * properties)
    one = lambda i: struct.pack(">HB", i & 0xFFFF, properties) + bytes(range(1, properties + 1))
    entries = numbered(one, size)
    ipma = full(b"ipma", u32(len(entries) // (3 + properties)), entries)
    return box(b"ftyp", b"heic", u32(0), b"mif1heic") + full(
        b"meta", full(b"hdlr", u32(0), b"pict", bytes(13)), full(b"pitm", b"\0\1"), box(b"iprp", ipco, ipma)
    )


def tag(number: int) -> bytes:
    name = f"{number:08}".encode()
    parts = full(b"mean", b"com.example"), full(b"name", name), box(b"data", u32(1, 0), name)
    return box(b"----", *parts)


def ilst(content: bytes) -> bytes:
    return box(b"udta", full(b"meta", full(b"hdlr", u32(0), b"mdirappl", bytes(10)), box(b"ilst", content)))


def keys(size: int) -> bytes:
    count = size // 40
    names = b"".join(box(b"mdta", f"key{number:013}".encode()) for number in range(count))
    values = b"".join(box(u32(number + 1), box(b"data", u32(1, 0), b"x")) for number in range(count))
    handler = full(b"hdlr", u32(0), b"mdta", bytes(13))
    return box(b"meta", handler, full(b"keys", u32(count), names), box(b"ilst", values))


def chapters(size: int) -> bytes:
    return full(b"chpl", u32(0), b"\xff", numbered(lambda i: struct.pack(">Q", i) + b"\1x", size))


def chapter_track(size: int) -> bytes:
    count = size // 8
    titles = track(
        2,
        b"text",
        stts=full(b"stts", u32(1, count, 10)),
        stsz=full(b"stsz", u32(4, count)),
        stsc=full(b"stsc", u32(1, 1, 1, 1)),
        stco=full(b"stco", u32(count), u32(40) * count),
        stsd=full(b"stsd", u32(1), box(b"text", bytes(6), b"\0\1", bytes(44))),
    )
    return movie(track(others=box(b"tref", box(b"chap", u32(2)))), titles, others=box(b"free", bytes(4 * count)))


def counts(edits: int, samples: int, start: int = 0) -> bytes:
    """Many edits of a track of equal samples. Each edit presents all samples."""
    return movie(
        track(
            others=elst(edits, 60_000, lambda _: start),
            stts=full(b"stts", u32(1, samples, 1)),
            stsz=full(b"stsz", u32(1, samples)),
            stsc=full(b"stsc", u32(1, 1, samples, 1)),
        )
    )


def misread(size: int, length: int = 0, start: int = 0, again: bytes = b"", **tables: bytes) -> bytes:
    """Edits of a track whose tables libavformat interprets differently. Each edit presents all samples, but seems to present few."""
    samples = size // 8
    usual = {
        "stts": full(b"stts", u32(1, samples, 1)),
        "stsz": full(b"stsz", u32(1, samples)),
        "stsc": full(b"stsc", u32(1, 1, samples, 1)),
    }
    return movie(track(others=elst(size // 24, length, lambda _: start) + again, **{**usual, **tables}))


def keyframes(size: int) -> bytes:
    """Marks every tenth sample as a keyframe."""
    return full(b"stss", u32(size // 80, *range(1, size // 80 * 10, 10)))


def sample_groups(size: int) -> bytes:
    """Many runs of two billion samples each."""
    group = full(b"sbgp", b"rap ", u32(size // 8), u32(0x7FFFFFFF, 1) * (size // 8))
    return inserted(STBL, full(b"sgpd", b"rap ", u32(1, 1), b"\x80", version=1) + group, (b"sgpd", b"sbgp"))


def several_mdats(size: int) -> bytes:
    return movie(track()) + times(box(b"mdat"), size)


def random_box(chance: random.Random, size: int, depth: int) -> bytes:
    """Returns a box of about this size, of a random kind that libavformat knows or does not know."""
    kind = chance.choice(NAMES)
    if depth < 9 and size > 64 and chance.random() < 0.6:
        parts, left = [], size
        while left > 16:
            part = chance.randrange(8, max(9, min(left, 2 * size // 3)))
            repeated = random_box(chance, part // chance.choice((1, 1, 4, 64)), depth + 1)
            parts.append(times(repeated, part) if repeated else b"")
            left -= len(parts[-1]) or left
        head = chance.choice((b"", b"", u32(0), u32(0, len(parts))))
        return box(kind, head, *parts)
    words = [chance.choice((0, 1, 2, 16, 1000, 100_000, 0x7FFFFFFF, 0xFFFFFFFF)) for _ in range(8)]
    return box(kind, u32(*words[: max(1, min(8, size // 4))]) * max(1, size // 32))


NAMES = b"""moov trak mdia minf stbl stsd stts ctts stsc stsz stz2 stco co64 stss stps sdtp sgpd sbgp edts elst udta meta hdlr ilst keys
mdta data ---- mean name moof traf tfhd tfdt trun mfhd mvex trex mehd sidx mfra tfra uuid pssh senc saiz saio sinf schm schi tenc frma
free skip wide hoov cmov dcom cmvd tref chap tmcd dinf dref wave gmhd iprp ipco ipma ispe iinf infe iloc iref dimg pitm idat chpl kind
colr avcC hvcC esds avc1 hvc1 mp4a jpeg mdat ftyp mdhd mvhd tkhd vmhd smhd abcd""".split()


def random_tree(size: int, chance: random.Random) -> bytes:
    """Returns a movie with boxes of random kinds at random places."""
    parts, left = [], size
    while left > 0:
        parts.append(random_box(chance, left if chance.random() < 0.3 else chance.randrange(8, left + 9), chance.randrange(4)))
        left -= len(parts[-1])
    path = chance.choice(((), (b"trak",), (b"trak", b"mdia"), STBL, (b"udta",)))
    trees = b"".join(parts)
    if chance.random() < 0.3:
        return FIXTURE.read_bytes() + trees
    return inserted(path, trees)


KINDS: dict[str, Callable[[int], bytes]] = {
    # Boxes for decryption.
    "pssh": lambda size: inserted((), numbered(pssh, size)),
    "pssh_in_trak": lambda size: inserted((b"trak",), numbered(pssh, size)),
    "pssh_in_moof": lambda size: fragmented() + moof(0, numbered(pssh, size)) + box(b"mdat", bytes(50)),
    "pssh_key_ids": lambda size: inserted((), times(full(b"pssh", bytes(16), u32(200), bytes(3200), u32(0), version=1), size)),
    "pssh_at_top": lambda size: movie(track()) + numbered(pssh, size),
    "pssh_in_meta": lambda size: inserted((), full(b"meta", full(b"hdlr", u32(0), b"mdta", bytes(13)), numbered(pssh, size))),
    "senc": lambda size: fragmented() + numbered(lambda i: moof(i, traf(1, i * 100, full(b"senc", u32(1000), bytes(8000)))), size),
    "saiz": lambda size: inserted(STBL, times(full(b"saiz", b"\x08", u32(0xFFFFFF)) + full(b"saio", u32(1, 0)), size)),
    "sinf": lambda size: inserted(
        STBL, times(box(b"sinf", box(b"frma", b"avc1"), full(b"schm", b"cenc", u32(0x10000)), box(b"schi", full(b"tenc", b"\0\0\1\x08", bytes(16)))), size)
    ),
    # Edits.
    "elst": lambda size: inserted((b"trak",), elst(size // 12, 40, lambda i: i % 100 * 512), (b"edts",)),
    "elst_times_samples": lambda size: counts(size // 24, size // 8),
    "elst_few_bytes": lambda size: counts(size // 64, 100_000),
    "elst_before_track": lambda size: counts(size // 24, size // 8, start=-2),
    "elst_then_none": lambda size: misread(size, size // 8, again=elst(0, 0, int)),
    "stts_corrections": lambda size: misread(size, size // 8, stts=full(b"stts", u32(1, size // 8, -1))),
    "stts_beyond_its_count": lambda size: misread(size, size // 8, stts=full(b"stts", u32(1, 1, 1, size // 8, 1_000_000))),
    "stss_none_then_some": lambda size: misread(size, start=5, stss=full(b"stss", u32(0)) + keyframes(size)),
    "ctts_beyond_its_box": lambda size: misread(
        size, ctts=full(b"ctts", u32(3, 1, 0)) + box(b"free", u32(size // 8, -1_000_000_000)), stss=keyframes(size)
    ),
    # Names that libavformat searches repeatedly.
    "meta_names": lambda size: movie(track(stsd=full(b"stsd", u32(1), times(b"meta", size)))),
    "meta_boxes": lambda size: inserted((), nested(b"meta", size)),
    "meta_without_handler": lambda size: inserted((), times(box(b"meta", bytes(40)), size)),
    "sinf_names": lambda size: movie(track(stsd=full(b"stsd", u32(1), box(b"encv", times(b"sinf", size))))),
    "many_descriptions": lambda size: movie(track(stsd=full(b"stsd", u32(size // len(JPEG_ENTRY)), times(JPEG_ENTRY, size)))),
    "tiny_descriptions": lambda size: movie(track(stsd=full(b"stsd", u32(size // 16), times(box(b"encv", bytes(8)), size)))),
    # Compressed movies.
    "cmvd_everywhere": cmvd_everywhere,
    "cmvd_boxes": lambda size: inserted((), times(box(b"cmvd", u32(64), zlib.compress(bytes(64))), size)),
    "cmov_bomb": lambda size: box(b"ftyp", b"qt  ", u32(0), b"qt  ") + box(b"moov", compressed(size)),
    "cmov_bombs": lambda size: box(b"ftyp", b"qt  ", u32(0), b"qt  ") + box(b"moov", times(compressed(4096), size)),
    # Boxes.
    "empty_boxes": lambda size: inserted((), times(box(b"abcd"), size)),
    "empty_boxes_at_top": lambda size: box(b"ftyp", b"isom", u32(0)) + times(box(b"abcd"), size) + FIXTURE.read_bytes(),
    "empty_boxes_behind": lambda size: FIXTURE.read_bytes() + times(box(b"abcd"), size),
    "empty_tracks": lambda size: inserted((), times(box(b"trak"), size)),
    "tiny_movies": lambda size: box(b"ftyp", b"isom", u32(0)) + times(box(b"moov"), size) + FIXTURE.read_bytes(),
    "tiny_metas": lambda size: box(b"ftyp", b"isom", u32(0)) + times(box(b"meta"), size) + FIXTURE.read_bytes(),
    "tiny_indexes": lambda size: box(b"ftyp", b"isom", u32(0)) + times(sidx(1, 1), size) + FIXTURE.read_bytes(),
    "nested_boxes": lambda size: inserted((), nested(b"udta", size)),
    "nested_traf": lambda size: inserted((), nested(b"traf", size)),
    "empty_mdats": several_mdats,
    # Fragments.
    "fragments": lambda size: fragmented() + numbered(fragment, size),
    "fragments_without_media": lambda size: fragmented() + numbered(moof, size),
    "empty_fragments": lambda size: fragmented() + times(box(b"moof"), size),
    "empty_track_fragments": lambda size: fragmented() + moof(0, times(box(b"traf"), size)),
    "track_fragments": lambda size: fragmented() + moof(0, numbered(lambda i: traf(1, i * 100), size)) + box(b"mdat", bytes(50)),
    "track_fragments_of_99": lambda size: fragmented(99) + numbered(lambda i: moof(i, b"".join(traf(n, i * 100) for n in range(1, 100))), size),
    "fragments_of_99": lambda size: fragmented(99) + numbered(fragment, size),
    "falling_fragments": lambda size: fragmented() + b"".join(fragment(size // 100 - i) for i in range(size // 100)),
    "runs": lambda size: fragmented() + moof(0, box(b"traf", full(b"tfhd", u32(1), flags=0x20000), times(full(b"trun", u32(1, 0), flags=1), size))),
    "long_runs": lambda size: fragmented() + numbered(lambda i: moof(i, samples=250), size),
    "index": lambda size: fragmented() + sidx(1, size // 12) + numbered(fragment, size // 4),
    "index_of_99": lambda size: fragmented(99) + sidx(1, size // 12) + fragment(0),
    "indexes_of_99": lambda size: fragmented(99) + times(sidx(1, 100), size) + fragment(0),
    "index_at_end": lambda size: fragmented()
    + fragment(0)
    + (lambda tfra: box(b"mfra", tfra, full(b"mfro", u32(len(tfra) + 24))))(full(b"tfra", u32(1, 0, size // 11), times(u32(0, 600) + b"\1\1\1", size))),
    # Counts.
    "ctts": lambda size: inserted(STBL, full(b"ctts", u32(size // 8), times(u32(0x7FFFFFFF, 1), size)), (b"ctts",)),
    "ctts_small": lambda size: inserted(STBL, full(b"ctts", u32(size // 8), times(u32(4000, 1), size)), (b"ctts",)),
    "ctts_tables": lambda size: inserted(STBL, times(full(b"ctts", u32(1, 1000, 1)), size)),
    "stts": lambda size: inserted(STBL, full(b"stts", u32(size // 8), times(u32(0x7FFFFFFF, 1), size)), (b"stts",)),
    "stts_zeros": lambda size: inserted(STBL, full(b"stts", u32(size // 8), times(u32(0, 0), size)), (b"stts",)),
    "stsz": lambda size: counts(1, size),
    "stsc": lambda size: inserted(STBL, full(b"stsc", u32(size // 12), numbered(lambda i: u32(i + 1, 1, 1), size)), (b"stsc",)),
    "stco": lambda size: inserted(STBL, full(b"stco", u32(size // 4), times(u32(48), size)), (b"stco",)),
    "stss": lambda size: inserted(STBL, full(b"stss", u32(size // 4), numbered(lambda i: u32(i + 1), size)), (b"stss",)),
    "stss_falling": lambda size: inserted(STBL, full(b"stss", u32(size // 4), numbered(lambda i: u32(-i), size)), (b"stss",)),
    "sample_groups": sample_groups,
    "sgpd": lambda size: inserted(STBL, full(b"sgpd", b"sync", u32(1, size), bytes(size), version=1), (b"sgpd",)),
    "sdtp": lambda size: inserted(STBL, full(b"sdtp", bytes(size))),
    "dref": lambda size: inserted((b"trak", b"mdia", b"minf"), box(b"dinf", full(b"dref", u32(size // 12), times(full(b"url ", flags=1), size))), (b"dinf",)),
    "drefs": lambda size: inserted((b"trak", b"mdia", b"minf"), times(box(b"dinf", full(b"dref", u32(1), full(b"alis", bytes(150)))), size), (b"dinf",)),
    # Metadata.
    "tags": lambda size: inserted((), ilst(numbered(tag, size)), (b"udta",)),
    "tags_of_one_name": lambda size: inserted((), box(b"udta", times(box(b"\xa9nam", b"\0\4\x15\xc7", b"name"), size)), (b"udta",)),
    "covers": lambda size: inserted((), ilst(times(box(b"covr", box(b"data", u32(13, 0), b"\xff\xd8\xff\xe0" + bytes(40))), size)), (b"udta",)),
    "keys": lambda size: inserted((), keys(size), (b"udta",)),
    "chapters": lambda size: inserted((), box(b"udta", chapters(size)), (b"udta",)),
    "chapter_lists": lambda size: inserted((), box(b"udta", times(chapters(2500), size)), (b"udta",)),
    "chapter_track": chapter_track,
    "kinds": lambda size: inserted((b"trak",), box(b"udta", numbered(lambda i: full(b"kind", b"u:%08d\0x\0" % i), size))),
    "xmp": lambda size: inserted((), times(box(b"uuid", bytes.fromhex("be7acfcb97a942e89c71999491e3afac"), bytes(32)), size)),
    "user_data_tracks": lambda size: inserted((b"trak",), times(box(b"udta", box(b"name", b"x" * 32)), size)),
    # Pictures.
    "items": lambda size: heif(size // 21),
    "locations": lambda size: heif(2, iloc(size)),
    "references": lambda size: heif(20, b"", dimg(size)),
    "associations": associations,
}
RANDOM = {f"random_{number}": random_tree for number in range(1, 9)}
# Kinds that need a long list to reveal a cost.
SIZES = {"empty_boxes": 15 << 20, "fragments_without_media": 32 << 10}
GRAB: dict[str, tuple[str, ...]] = {"fragments_without_media": ("--at", "9000000000000")}
SHORT = ("pssh", "meta_names", "cmvd_everywhere", "fragments", "tags", "elst_times_samples", "random_1")
