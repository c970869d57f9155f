"""Ogg: pages with a checksum (RFC 3533, section 6)."""

from __future__ import annotations

import struct
from random import Random

from mutations.numbers import set_edge
from mutations.tree import Format, Node
from recipes.transport import crc

HEAD, CHECKSUM = 27, 22
# Position and width of: type, granule position, stream, sequence, number of segments.
FIELDS = ((5, 1), (6, 8), (14, 4), (18, 4), (26, 1))


class Ogg(Format):
    """A page's head ends with the lengths of its segments."""

    order = "little"

    def recognises(self, data: bytes) -> bool:
        return data[:4] == b"OggS"

    def parse(self, data: bytes) -> Node:
        root, at = Node(b""), 0
        while at + HEAD <= len(data) and data[at : at + 4] == b"OggS":
            body = at + HEAD + data[at + 26]
            end = body + sum(data[at + HEAD : body])
            if end > len(data):
                break
            # Pages that begin or end a stream are rare, so they count as a separate kind.
            root.children.append(Node(b"page %d" % data[at + 5], data[at:body], data[body:end]))
            at = end
        root.tail = data[at:]
        return root

    def resize(self, node: Node) -> None:
        head = node.head[:CHECKSUM] + bytes(4) + node.head[CHECKSUM + 4 :]
        checksum = struct.pack("<I", crc(head + node.stored()[len(head) :], start=0))
        node.head = head[:CHECKSUM] + checksum + head[CHECKSUM + 4 :]

    def change_head(self, node: Node, chance: Random) -> str:
        if chance.random() < 0.3 and len(node.head) > HEAD:
            at, width = HEAD + chance.randrange(len(node.head) - HEAD), 1
        else:
            at, width = chance.choice(FIELDS)
        node.head, change = set_edge(node.head, at, width, chance, "little")
        if chance.random() < 0.8:
            self.resize(node)
        return f"head, {change}"


OGG = Ogg()
