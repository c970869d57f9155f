"""ISO base media files: MP4, QuickTime, 3GP, HEIF (ISO/IEC 14496-12)."""

from __future__ import annotations

import struct
from random import Random

from mutations.numbers import change_number, set_edge
from mutations.tree import Format, Node

# Containers, and the number of bytes of fields before their boxes.
CONTAINERS = {
    b"moov": 0, b"trak": 0, b"mdia": 0, b"minf": 0, b"dinf": 0, b"stbl": 0, b"edts": 0, b"udta": 0, b"mvex": 0, b"moof": 0,
    b"traf": 0, b"mfra": 0, b"sinf": 0, b"schi": 0, b"iprp": 0, b"ipco": 0, b"gmhd": 0, b"tapt": 0, b"ilst": 0, b"meta": 4,
    b"stsd": 8, b"dref": 8, b"iinf": 6, b"iref": 4,
}  # fmt: skip
# The fields of a visual sample entry and of an audio sample entry.
ENTRY_FIELDS = (78, 28)
# The position of a table's count, the position of its entries, and the widths of an entry's fields. Positions count from the version on.
TABLES = {
    b"stsz": (8, 12, (4,)), b"stz2": (8, 12, (1,)), b"stco": (4, 8, (4,)), b"co64": (4, 8, (8,)), b"stts": (4, 8, (4, 4)),
    b"ctts": (4, 8, (4, 4)), b"stsc": (4, 8, (4, 4, 4)), b"stss": (4, 8, (4,)), b"elst": (4, 8, (4, 4, 2, 2)),
    b"sgpd": (12, 16, (2,)), b"sbgp": (8, 12, (4, 4)), b"trun": (4, 8, (4,)), b"sidx": (20, 24, (4, 4, 4)),
    b"tfra": (12, 16, (4, 4, 1, 1, 1)), b"senc": (4, 8, (8, 2)), b"saio": (4, 8, (4,)), b"saiz": (5, 9, (1,)),
    b"iloc": (6, 8, (2, 2, 2, 4, 4)), b"ipma": (4, 8, (2, 1, 2)), b"stsd": (4, 8, (4, 4)), b"dref": (4, 8, (4, 4)),
    b"pssh": (20, 24, (4,)), b"cmov": (0, 4, (4,)), b"iinf": (4, 6, (2,)),
}  # fmt: skip
MAX_DEPTH = 40


class Boxes(Format):
    """A head is a size of 32 bits and a type. A size of 1 means that a 64-bit size follows, and 0 that the box reaches the end."""

    def recognises(self, data: bytes) -> bool:
        return data[4:8] in {b"ftyp", b"styp", b"moov", b"mdat", b"free", b"skip", b"wide", b"moof", b"sidx", b"pnot"}

    def parse(self, data: bytes) -> Node:
        children, rest = self._boxes(data, 0)
        return Node(b"", children=children, tail=rest)

    def _boxes(self, data: bytes, depth: int, parent: bytes = b"") -> tuple[list[Node], bytes]:
        found, at = [], 0
        while at + 8 <= len(data):
            size, kind = struct.unpack_from(">I4s", data, at)
            head = 8
            if size == 1 and at + 16 <= len(data):
                size, head = struct.unpack_from(">Q", data, at + 8)[0], 16
            end = len(data) if size == 0 else at + size
            if end < at + head or (end > len(data) and depth):
                break
            end = min(end, len(data))
            found.append(self._box(kind, data[at : at + head], data[at + head : end], depth, parent))
            at = end
        return found, data[at:]

    def _box(self, kind: bytes, head: bytes, content: bytes, depth: int, parent: bytes) -> Node:
        node = Node(kind, head, content)
        if depth >= MAX_DEPTH:
            return node
        # QuickTime's `meta` has no version.
        choices = (CONTAINERS[kind], 0) if kind == b"meta" else (CONTAINERS[kind],) if kind in CONTAINERS else ()
        for fields in ENTRY_FIELDS if parent == b"stsd" else choices:
            children, rest = self._boxes(content[fields:], depth + 1, kind)
            if children and (kind in CONTAINERS or not rest):
                node.body, node.children, node.tail = content[:fields], children, rest
                break
        return node

    def resize(self, node: Node) -> None:
        size = len(node.head) + node.content_length()
        if len(node.head) == 16:
            node.head = struct.pack(">I4sQ", 1, node.head[4:8], size)
        elif node.head[:4] != bytes(4) and size < 1 << 32:
            node.head = struct.pack(">I4s", size, node.head[4:8])

    def change_head(self, node: Node, chance: Random) -> str:
        size, kind = len(node.head) + node.content_length(), node.head[4:8]
        how = chance.randrange(4)
        if how == 0:
            kind = chance.choice([*CONTAINERS, *TABLES, b"free", b"mdat", b"uuid", bytes(4), b"\xa9nam"])
            node.head = node.head[:4] + kind + node.head[8:]
            return f"type {kind!r}"
        if how == 1:
            large = chance.choice((size + 8, size, 0, 8, 15, 16, 1 << 32, (1 << 63) - 1, 1 << 63, (1 << 64) - 1))
            node.head = struct.pack(">I4sQ", 1, kind, large)
            return f"64-bit size {large:#x}"
        small = chance.choice((0, 0, 1, 2, 7, 8, 9, 0x7FFFFFFF, 0x80000000, 0xFFFFFFFF)) if how == 2 else size + chance.randint(-16, 16)
        node.head = struct.pack(">I4s", small & 0xFFFFFFFF, kind) + node.head[8:]
        return f"size {small:#x}"

    def change_body(self, node: Node, chance: Random) -> str:
        table, what = TABLES.get(node.kind), chance.random()
        if what < 0.1 and node.body:
            version = chance.choice((0, 1, 2, 3, 255))
            node.body = bytes([version]) + node.body[1:]
            return f"version {version}"
        if table and what < 0.8:
            count_at, entries_at, widths = table
            if node.kind == b"elst" and node.body[:1] == b"\x01":
                widths = (8, 8, 2, 2)
            stride = sum(widths)
            entries = max(0, len(node.body) - entries_at) // stride
            if what < 0.4 or not entries:
                node.body, change = set_edge(node.body, count_at, 4, chance)
                return f"count, {change}"
            field = chance.randrange(len(widths))
            at = entries_at + stride * chance.randrange(entries) + sum(widths[:field])
            node.body, change = set_edge(node.body, at, widths[field], chance)
            return f"entry, {change}"
        node.body, change = change_number(node.body, chance, 128, "big")
        return change


BOXES = Boxes()
