"""AVI and other RIFF files: chunks with a little-endian size, padded to even lengths."""

from __future__ import annotations

import struct
from random import Random

from mutations.numbers import edge
from mutations.tree import Format, Node

LISTS = {b"RIFF", b"LIST"}
NAMES = [*sorted(LISTS), b"avih", b"strh", b"strf", b"strl", b"indx", b"idx1", b"movi", b"JUNK", b"00dc", b"01wb", b"ix00", b"dmlh", b"vprp"]
MAX_DEPTH = 20


class Riff(Format):
    """A list has a type of four bytes before its chunks. The padding of a chunk is its tail."""

    order = "little"

    def recognises(self, data: bytes) -> bool:
        return data[:4] == b"RIFF"

    def parse(self, data: bytes) -> Node:
        children, rest = self._chunks(data, 0)
        return Node(b"", children=children, tail=rest)

    def _chunks(self, data: bytes, depth: int) -> tuple[list[Node], bytes]:
        found, at = [], 0
        while at + 8 <= len(data):
            kind, size = struct.unpack_from("<4sI", data, at)
            # A writer that was interrupted leaves an outermost size of 0.
            end = at + 8 + size if size or depth or kind not in LISTS else len(data)
            if end > len(data) and depth > 2:
                break
            node = Node(kind, data[at : at + 8], data[at + 8 : end])
            if kind in LISTS and depth < MAX_DEPTH:
                node.children, rest = self._chunks(node.body[4:], depth + 1)
                node.body, node.tail = node.body[:4], rest
                node.kind = kind + node.body
            elif size % 2:
                node.tail = data[end : end + 1]
                end += 1
            found.append(node)
            at = min(end, len(data))
        return found, data[at:]

    def resize(self, node: Node) -> None:
        size = node.content_length()
        if node.head[:4] not in LISTS:
            size -= len(node.tail)
            node.tail = bytes(size % 2)
        node.head = node.head[:4] + struct.pack("<I", size & 0xFFFFFFFF)

    def change_head(self, node: Node, chance: Random) -> str:
        if chance.random() < 0.3:
            name = chance.choice(NAMES)
            node.head = name + node.head[4:]
            return f"name {name!r}"
        size = edge(node.content_length(), 32, chance)
        node.head = node.head[:4] + struct.pack("<I", size)
        return f"size {size:#x}"


RIFF = Riff()
