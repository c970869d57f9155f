"""ASF and WMV: objects with a GUID and a little-endian size of 64 bits (Advanced Systems Format specification, section 2)."""

from __future__ import annotations

import struct
from random import Random

from mutations.numbers import edge
from mutations.tree import Format, Node

HEADER = bytes.fromhex("3026b2758e66cf11a6d900aa0062ce6c")
EXTENSION = bytes.fromhex("b503bf5f2ea9cf118ee300c00c205365")
DATA = bytes.fromhex("3626b2758e66cf11a6d900aa0062ce6c")
# The number of bytes of fields before the contained objects.
CONTAINERS = {HEADER: 6, EXTENSION: 22}
# The fields of the data object: file, number of packets, reserved.
DATA_FIELDS = 26
# The size of a packet in the file properties object, which is the same for all.
FILE_PROPERTIES, PACKET_SIZE_AT = bytes.fromhex("a1dcab8c47a9cf118ee400c00c205365"), 68


class Asf(Format):
    """The packets of the data object are parts without a head."""

    order = "little"

    def recognises(self, data: bytes) -> bool:
        return data[:16] == HEADER

    def parse(self, data: bytes) -> Node:
        children, rest = self._objects(data, 0)
        root = Node(b"", children=children, tail=rest)
        sizes = [struct.unpack_from("<I", node.body, PACKET_SIZE_AT)[0] for node in self._all(root, FILE_PROPERTIES) if len(node.body) >= 72]
        for node in children:
            if node.kind == DATA and sizes and sizes[0] > 0:
                packets = node.body[DATA_FIELDS:]
                node.body = node.body[:DATA_FIELDS]
                node.children = [Node(b"packet", body=packets[at : at + sizes[0]]) for at in range(0, len(packets), sizes[0])]
        return root

    def _all(self, root: Node, kind: bytes) -> list[Node]:
        return [parent.children[at] for parent, at in root.below() if parent.children[at].kind == kind]

    def _objects(self, data: bytes, depth: int) -> tuple[list[Node], bytes]:
        found, at = [], 0
        while at + 24 <= len(data):
            kind, size = struct.unpack_from("<16sQ", data, at)
            end = at + size
            if size < 24 or (end > len(data) and depth):
                break
            end = min(end, len(data))
            node = Node(kind, data[at : at + 24], data[at + 24 : end])
            if kind in CONTAINERS and depth < 20:
                fields = CONTAINERS[kind]
                node.children, node.tail = self._objects(node.body[fields:], depth + 1)
                node.body = node.body[:fields]
            found.append(node)
            at = end
        return found, data[at:]

    def resize(self, node: Node) -> None:
        if node.head:
            node.head = node.head[:16] + struct.pack("<Q", 24 + node.content_length())

    def change_head(self, node: Node, chance: Random) -> str:
        if not node.head:
            return self.change_body(node, chance)
        if chance.random() < 0.2:
            kind = chance.choice((HEADER, EXTENSION, DATA, FILE_PROPERTIES))
            node.head = kind + node.head[16:]
            return f"GUID {kind.hex()}"
        size = edge(24 + node.content_length(), 64, chance)
        node.head = node.head[:16] + struct.pack("<Q", size)
        return f"size {size:#x}"


ASF = Asf()
