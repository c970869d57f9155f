"""MPEG transport streams (ITU-T H.222.0): packets of 188 bytes, or of 192 with a time in front."""

from __future__ import annotations

from random import Random

from mutations.numbers import change_number, edge, set_edge
from mutations.tree import Format, Node
from recipes.transport import PACKET, crc, timestamp

SYNC = 0x47
PAT, STUFFING = 0x0000, 0x1FFF


class Transport(Format):
    """A part is a packet, whose head has four bytes. Its kind is its PID, combined with whether a unit begins in it."""

    def recognises(self, data: bytes) -> bool:
        return self._stride(data) is not None

    def _stride(self, data: bytes) -> tuple[int, int] | None:
        """Returns the number of bytes before the first packet's head, and from one head to the next."""
        for first, stride in ((0, PACKET), (4, PACKET + 4)):
            heads = data[first : first + 5 * stride : stride]
            if len(heads) >= 2 and set(heads) == {SYNC}:
                return first, stride
        return None

    def parse(self, data: bytes) -> Node:
        found = self._stride(data)
        if not found:
            return Node(b"", tail=data)
        first, stride = found
        root, at = Node(b"", body=data[:first]), first
        while at + PACKET <= len(data) and data[at] == SYNC:
            head = data[at : at + 4]
            kind = b"%d%s" % (pid_of(head), b" start" if head[1] & 0x40 else b"")
            root.children.append(Node(kind, head, data[at + 4 : at + PACKET], tail=data[at + PACKET : at + stride]))
            at += stride
        root.tail = data[at:]
        return root

    def resize(self, node: Node) -> None:
        """Writes the checksum of a section that begins and ends in this packet."""
        at = self._payload(node)
        if not node.head[1] & 0x40 or at + 4 >= len(node.body) or node.body[at : at + 3] == b"\x00\x00\x01":
            return
        section = at + 1 + node.body[at]
        length = int.from_bytes(node.body[section + 1 : section + 3], "big") & 0xFFF
        end = section + 3 + length
        if length >= 9 and end <= len(node.body):
            checksum = crc(node.body[section : end - 4]).to_bytes(4, "big")
            node.body = node.body[: end - 4] + checksum + node.body[end:]

    def _payload(self, node: Node) -> int:
        """Returns the offset of the payload in the body."""
        return 1 + node.body[0] if node.head[3] & 0x20 and node.body else 0

    def change_head(self, node: Node, chance: Random) -> str:
        pid, flags, last = pid_of(node.head), node.head[1] & 0xE0, node.head[3]
        how = chance.randrange(5)
        if how == 0:
            pid = chance.choice((PAT, 1, 0x11, 0x100, 0x101, 0x1000, 0x1FFE, STUFFING, pid ^ 1))
        elif how == 1:
            flags ^= chance.choice((0x80, 0x40, 0x20))
        elif how == 2:
            last = last & 0xF0 | chance.randrange(16)
        else:
            # Scrambling, and the flags of adaptation field and payload.
            last = last & 0x0F | chance.randrange(16) << 4
        node.head = bytes([SYNC, flags | pid >> 8, pid & 0xFF, last])
        return f"head {node.head.hex()}"

    def change_body(self, node: Node, chance: Random) -> str:
        at = self._payload(node)
        if node.head[3] & 0x20 and chance.random() < 0.3:
            # Length, flags and clock of the adaptation field.
            node.body, change = set_edge(node.body, chance.randrange(min(8, len(node.body))), 1, chance)
            return f"adaptation field, {change}"
        if node.head[1] & 0x40 and node.body[at : at + 3] == b"\x00\x00\x01" and at + 19 <= len(node.body):
            return self._change_pes(node, at, chance)
        payload, change = change_number(node.body[at:], chance, 64, "big")
        node.body = node.body[:at] + payload
        return f"payload, {change}"

    def _change_pes(self, node: Node, at: int, chance: Random) -> str:
        how = chance.randrange(4)
        if how == 0:
            node.body, change = set_edge(node.body, at + 4, 2, chance)
            return f"PES length, {change}"
        if how == 1:
            # The stream, the flags, the length of the PES header.
            node.body, change = set_edge(node.body, at + chance.choice((3, 6, 7, 8)), 1, chance)
            return f"PES header, {change}"
        # The presentation time, or the decoding time behind it.
        place = at + chance.choice((9, 14))
        ticks = edge(chance.getrandbits(33), 33, chance)
        node.body = node.body[:place] + timestamp(node.body[place] >> 4, ticks) + node.body[place + 5 :]
        return f"time at {place}: {ticks:#x}"


def pid_of(head: bytes) -> int:
    """Returns the packet identifier of a head."""
    return int.from_bytes(head[1:3], "big") & 0x1FFF


TRANSPORT = Transport()
