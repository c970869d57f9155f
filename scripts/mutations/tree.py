"""A file as a tree of its format's parts, and changes of the tree that every format has."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from random import Random

from mutations.numbers import change_number

# The maximum number of copies of one part.
MAX_COPIES = 300


@dataclass
class Node:
    """A part of a file: the head before its payload, the payload or the fields before its children, the children, and the tail behind
    them. The root has only children."""

    kind: bytes
    head: bytes = b""
    body: bytes = b""
    children: list[Node] = field(default_factory=list)
    tail: bytes = b""

    def stored(self) -> bytes:
        """Returns the bytes of the part in the file."""
        out: list[bytes] = []
        self._collect(out)
        return b"".join(out)

    def _collect(self, out: list[bytes]) -> None:
        out.append(self.head)
        out.append(self.body)
        for child in self.children:
            child._collect(out)
        out.append(self.tail)

    def content_length(self) -> int:
        """Returns the number of bytes behind the head."""
        length = len(self.body) + len(self.tail)
        for child in self.children:
            length += len(child.head) + child.content_length()
        return length

    def below(self) -> Iterator[tuple[Node, int]]:
        """Lists each part below this one, as its parent and the position among the parent's children."""
        for at, child in enumerate(self.children):
            yield self, at
            yield from child.below()

    def copy(self) -> Node:
        return Node(self.kind, self.head, self.body, [child.copy() for child in self.children], self.tail)


class Format:
    """A family of files. `parse` keeps every byte of any input: `parse(data).stored() == data`."""

    # The byte order of integers.
    order = "big"

    def recognises(self, data: bytes) -> bool:
        """Returns whether the file begins as one of this format."""
        raise NotImplementedError

    def parse(self, data: bytes) -> Node:
        """Reads a file into a tree."""
        raise NotImplementedError

    def resize(self, node: Node) -> None:
        """Writes a head, or a checksum, that fits the content. A part with neither stays unchanged."""

    def change_head(self, node: Node, chance: Random) -> str:
        """Changes the name or the size of a part. Returns a description."""
        node.head, change = change_number(node.head, chance, order=self.order)
        return f"head, {change}"

    def change_body(self, node: Node, chance: Random) -> str:
        """Changes a field of a part. Returns a description."""
        node.body, change = change_number(node.body, chance, 64, self.order)
        return change


def resize_all(known: Format, node: Node) -> None:
    """Makes every head of the tree fit its content, from the leaves up."""
    for child in node.children:
        resize_all(known, child)
        known.resize(child)


def choose(root: Node, chance: Random) -> tuple[Node, int]:
    """Draws a part of the tree. It draws the kind first, so that rare kinds are as frequent as the many packets."""
    kinds: dict[bytes, list[tuple[Node, int]]] = {}
    for parent, at in root.below():
        kinds.setdefault(parent.children[at].kind, []).append((parent, at))
    return chance.choice(kinds[chance.choice(sorted(kinds))])


def duplicate(root: Node, parent: Node, at: int, room: int, chance: Random) -> str:
    child = parent.children[at]
    length = len(child.head) + child.content_length()
    copies = max(0, min(chance.choice((1, 1, 2, 16, MAX_COPIES)), room // max(1, length)))
    parent.children[at:at] = [child.copy() for _ in range(copies)]
    return f"{copies} more"


def drop(root: Node, parent: Node, at: int, room: int, chance: Random) -> str:
    del parent.children[at]
    return "dropped"


def swap(root: Node, parent: Node, at: int, room: int, chance: Random) -> str:
    to = chance.randrange(len(parent.children))
    children = parent.children
    children[at], children[to] = children[to], children[at]
    return f"swapped with part {to}"


def nest(root: Node, parent: Node, at: int, room: int, chance: Random) -> str:
    """Inserts a copy of the part into another part that has children, or nests it in copies of itself many times."""
    child = parent.children[at]
    length = len(child.head) + child.content_length()
    if chance.random() < 0.5 and length < room:
        into, _ = choose(root, chance)
        into.children.insert(chance.randrange(len(into.children) + 1), child.copy())
        return f"copied into {into.kind!r}"
    levels = min(chance.choice((1, 8, 100)), room // max(1, len(child.head) + len(child.body) + 1))
    inner = child.copy()
    for _ in range(levels):
        inner = Node(child.kind, child.head, child.body if child.children else b"", [inner])
    parent.children[at] = inner
    return f"nested {levels} times in itself"


def change_tree(known: Format, root: Node, count: int, room: int, chance: Random) -> tuple[list[str], bytes]:
    """Changes parts of a tree. Returns descriptions, and the file. In most files the heads are made to fit again, so that the parts behind
    a change are read as well. A changed head does not fit."""
    changes, heads = [], []
    for _ in range(count):
        if not root.children:
            break
        parent, at = choose(root, chance)
        node = parent.children[at]
        what = chance.random()
        if what < 0.5 and (node.body or not node.children):
            change = known.change_body(node, chance)
        elif what < 0.7:
            heads.append(node)
            change = "head changes"
        else:
            change = chance.choice((duplicate, drop, swap, nest))(root, parent, at, room, chance)
        changes.append(f"{node.kind!r}: {change}")
    if chance.random() < 0.75:
        resize_all(known, root)
        changes.append("heads fit again")
    changes += [f"{node.kind!r}: {known.change_head(node, chance)}" for node in heads]
    return changes, root.stored()
