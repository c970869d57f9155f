"""Program streams, and raw streams of MPEG-1, MPEG-2 and H.264: units that begin with 00 00 01 and a byte for their kind."""

from __future__ import annotations

from random import Random

from mutations.numbers import set_edge
from mutations.tree import Format, Node

START = b"\x00\x00\x01"


class StartCodes(Format):
    """A unit reaches up to the next start code. In a program stream, its length of 16 bits comes first."""

    def recognises(self, data: bytes) -> bool:
        return data[:3] == START or data[:4] == b"\x00" + START

    def parse(self, data: bytes) -> Node:
        root, at = Node(b""), data.find(START)
        root.body = data[: max(at, 0)]
        while 0 <= at:
            end = data.find(START, at + 3)
            unit = data[at:] if end < 0 else data[at:end]
            root.children.append(Node(unit[3:4], unit[:4], unit[4:]))
            at = end
        if not root.children:
            root.body, root.tail = b"", data
        return root

    def change_head(self, node: Node, chance: Random) -> str:
        if chance.random() < 0.5 and len(node.body) > 2:
            node.body, change = set_edge(node.body, 0, 2, chance)
            return f"length, {change}"
        kind = chance.choice((0x00, 0x01, 0x65, 0x67, 0x68, 0xB3, 0xB5, 0xB7, 0xB8, 0xB9, 0xBA, 0xBB, 0xBC, 0xBD, 0xBE, 0xC0, 0xE0, 0xFD))
        node.head = START + bytes([kind])
        return f"kind {kind:#x}"


START_CODES = StartCodes()
