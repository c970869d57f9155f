"""Flash video: tags, each followed by the tag's length (Video File Format Specification 10, annex E)."""

from __future__ import annotations

from random import Random

from mutations.numbers import edge, set_edge
from mutations.tree import Format, Node

HEADER, TAG, LENGTH = 9, 11, 4


class Flv(Format):
    """A tag's head is its type, size, time and stream; its tail is the length of the tag."""

    def recognises(self, data: bytes) -> bool:
        return data[:3] == b"FLV"

    def parse(self, data: bytes) -> Node:
        root = Node(b"", children=[Node(b"FLV", body=data[: HEADER + LENGTH])])
        at = HEADER + LENGTH
        while at + TAG <= len(data):
            body = at + TAG
            end = body + int.from_bytes(data[at + 1 : at + 4], "big")
            if end + LENGTH > len(data):
                break
            root.children.append(Node(b"tag %d" % data[at], data[at:body], data[body:end], tail=data[end : end + LENGTH]))
            at = end + LENGTH
        root.tail = data[at:]
        return root

    def resize(self, node: Node) -> None:
        if node.head:
            size = node.content_length() - len(node.tail)
            node.head = node.head[:1] + (size & 0xFFFFFF).to_bytes(3, "big") + node.head[4:]
            node.tail = (size + TAG).to_bytes(LENGTH, "big")

    def change_head(self, node: Node, chance: Random) -> str:
        if not node.head:
            return self.change_body(node, chance)
        how = chance.randrange(4)
        if how == 0:
            node.tail = edge(int.from_bytes(node.tail, "big"), 32, chance).to_bytes(4, "big")
            return f"length behind the tag {node.tail.hex()}"
        # Type; size; time, whose highest byte follows the others.
        at, width = ((0, 1), (1, 3), (4, 4))[how - 1]
        node.head, change = set_edge(node.head, at, width, chance)
        return f"head, {change}"


FLV = Flv()
