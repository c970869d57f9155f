"""MXF: a key of 16 bytes, a length by ASN.1's BER, a value (SMPTE ST 336)."""

from __future__ import annotations

from random import Random

from mutations.numbers import edge
from mutations.tree import Format, Node

KEY = bytes.fromhex("060e2b34")


def length_bytes(length: int, width: int) -> bytes:
    """Writes a length in its long form: the number of bytes, followed by these bytes."""
    return bytes([0x80 | width]) + (length & ((1 << 8 * width) - 1)).to_bytes(width, "big")


class Klv(Format):
    """A flat list of keys and values."""

    def recognises(self, data: bytes) -> bool:
        return data[:4] == KEY

    def parse(self, data: bytes) -> Node:
        root, at = Node(b""), 0
        while at + 17 <= len(data) and data[at : at + 4] == KEY:
            width = data[at + 16] & 0x7F if data[at + 16] & 0x80 else 0
            body = at + 17 + width
            length = int.from_bytes(data[at + 17 : body], "big") if width else data[at + 16]
            if width > 8 or body + length > len(data):
                break
            root.children.append(Node(data[at : at + 16], data[at:body], data[body : body + length]))
            at = body + length
        root.tail = data[at:]
        return root

    def resize(self, node: Node) -> None:
        width = max(1, len(node.head) - 17)
        node.head = node.head[:16] + length_bytes(node.content_length(), max(width, 4 if node.content_length() >> 8 * width else 1))

    def change_head(self, node: Node, chance: Random) -> str:
        if chance.random() < 0.3:
            at = chance.randrange(4, 16)
            node.head = node.head[:at] + chance.randbytes(1) + node.head[at + 1 :]
            return f"byte {at} of the key"
        width = chance.choice((1, 3, 4, 8, 8, 9, 127))
        length = edge(node.content_length(), 64, chance)
        node.head = node.head[:16] + length_bytes(length, width)
        return f"length {length:#x} in {width} bytes"


KLV = Klv()
