"""Matroska and WebM (RFC 8794 for EBML, RFC 9559 for the elements)."""

from __future__ import annotations

from random import Random

from mutations.numbers import change_number, edge, set_edge
from mutations.tree import Format, Node

MASTERS = {
    bytes.fromhex(name)
    for name in (
        "1A45DFA3 18538067 114D9B74 4DBB 1549A966 1654AE6B AE E0 E1 55B0 55D0 7670 6D80 6240 5034 5035 47E7 41E4 1F43B675 A0 75A1 A6 "
        "1C53BB6B BB B7 DB 1043A770 45B9 B6 8F 80 1254C367 7373 63C0 67C8 1941A469 61A7"
    ).split()
}
SIMPLE_BLOCK, BLOCK = b"\xa3", b"\xa1"
MAX_DEPTH = 40


def vint_length(first: int) -> int:
    """Returns the number of bytes of a variable-size integer, by its first byte: 1 to 8, or 9 when it has no marker."""
    return 9 - first.bit_length()


def size_bytes(size: int, length: int) -> bytes:
    """Writes a size in `length` bytes. Higher bits are cut off."""
    bits = 7 * length
    return (1 << bits | size & ((1 << bits) - 1)).to_bytes(length, "big")


def known_size(size: int, shortest: int = 1) -> bytes:
    """Writes a size in the fewest bytes. It avoids a size that consists of ones, which would be an unknown size."""
    length = next(length for length in range(shortest, 9) if size < (1 << 7 * length) - 1)
    return size_bytes(size, length)


class Ebml(Format):
    """A head is an ID and a size, both of variable length. A size that consists of ones is unknown: the element ends with its parent."""

    def recognises(self, data: bytes) -> bool:
        return data[:4] == b"\x1aE\xdf\xa3"

    def parse(self, data: bytes) -> Node:
        children, rest = self._elements(data, 0)
        return Node(b"", children=children, tail=rest)

    def _elements(self, data: bytes, depth: int) -> tuple[list[Node], bytes]:
        found, at = [], 0
        while at < len(data):
            size_at = at + vint_length(data[at])
            if data[at] < 0x10 or size_at >= len(data) or not data[size_at]:
                break
            body = size_at + vint_length(data[size_at])
            stored = data[size_at:body]
            size = int.from_bytes(stored, "big") & ((1 << 7 * len(stored)) - 1)
            is_unknown = size == (1 << 7 * len(stored)) - 1
            end = len(data) if is_unknown else body + size
            # Only the two outermost levels may reach beyond the end of the file, as in a truncated file.
            if body > len(data) or (end > len(data) and depth > 1):
                break
            end = min(end, len(data))
            node = Node(data[at:size_at], data[at:body], data[body:end])
            if node.kind in MASTERS and depth < MAX_DEPTH:
                node.children, node.tail = self._elements(node.body, depth + 1)
                node.body = b""
            found.append(node)
            at = end
        return found, data[at:]

    def resize(self, node: Node) -> None:
        stored = node.head[len(node.kind) :]
        is_unknown = stored == size_bytes((1 << 7 * len(stored)) - 1, len(stored))
        if not is_unknown:
            # The size field keeps its length, so that positions stay correct.
            node.head = node.kind + known_size(node.content_length(), len(stored))

    def change_head(self, node: Node, chance: Random) -> str:
        size, how = node.content_length(), chance.randrange(5)
        length = chance.randint(1, 8)
        if how == 0:
            kind = chance.choice([*sorted(MASTERS), SIMPLE_BLOCK, BLOCK, b"\xec", b"\xbf", b"\x0f", b"\xff"])
            node.head = kind + node.head[len(node.kind) :]
            return f"ID {kind.hex()}"
        if how == 1:
            node.head = node.kind + size_bytes((1 << 7 * length) - 1, length)
            return f"unknown size of {length} bytes"
        if how == 2:
            node.head = node.kind + known_size(size, length)
            return f"size in {length} bytes or more"
        new = edge(size, 7 * length, chance) if how == 3 else max(0, size + chance.randint(-16, 16))
        node.head = node.kind + size_bytes(new, 8)
        return f"size {new:#x}"

    def change_body(self, node: Node, chance: Random) -> str:
        if node.kind in {SIMPLE_BLOCK, BLOCK} and len(node.body) > 5:
            return self._change_block(node, chance)
        if node.body and len(node.body) <= 8:
            node.body, change = set_edge(node.body, 0, len(node.body), chance)
            return change
        if chance.random() < 0.2:
            node.body = chance.randbytes(chance.randint(0, 9))
            return f"{len(node.body)} random bytes"
        node.body, change = change_number(node.body, chance, 64, "big")
        return change

    def _change_block(self, node: Node, chance: Random) -> str:
        flags = vint_length(node.body[0]) + 2
        how = chance.randrange(5)
        if how == 0 or flags + 2 >= len(node.body):
            node.body, change = set_edge(node.body, 0, 1, chance)
            return f"track number, {change}"
        if how == 1:
            node.body, change = set_edge(node.body, flags - 2, 2, chance)
            return f"timestamp, {change}"
        if how == 2:
            node.body, change = change_number(node.body, chance, 64, "big")
            return change
        # Lacing is one of: none, Xiph, fixed size, EBML. The count and the first sizes follow.
        lacing, count = chance.randrange(4) << 1, chance.choice((0, 1, 2, 100, 255))
        changed = bytearray(node.body)
        changed[flags] = changed[flags] & ~6 | lacing
        changed[flags + 1] = count
        node.body = bytes(changed)
        return f"lacing {lacing >> 1}, {count + 1} frames"


EBML = Ebml()
