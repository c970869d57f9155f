"""Changed copies of media files, for programs that must survive files from strangers. `mutant` makes one copy.

Half of the copies have changed bytes anywhere (spans.py). The other half have a changed structure: a file is read into a tree of
the parts of its format (tree.py), and parts are changed, repeated, moved, and removed. The same random number generator gives
the same copy.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from random import Random

from mutations import asf, boxes, ebml, flv, klv, ogg, riff, start_codes, transport
from mutations.numbers import change_number
from mutations.spans import change_span
from mutations.tree import Format, Node, change_tree

# In the order in which they are tried. The last ones recognise the most files.
FORMATS: list[Format] = [boxes.BOXES, ebml.EBML, riff.RIFF, asf.ASF, flv.FLV, ogg.OGG, klv.KLV, transport.TRANSPORT, start_codes.START_CODES]

# The maximum number of bytes by which a copy may be longer than its file.
MAX_GROWTH = 1 << 20
# The maximum number of changes of one copy. One change is the most frequent number.
MAX_CHANGES = 4


@dataclass
class Mutant:
    """A changed copy, and a description of each change."""

    data: bytes
    changes: list[str]


def format_of(data: bytes) -> Format | None:
    """Returns the format whose structure the file has."""
    return next((known for known in FORMATS if known.recognises(data)), None)


def mutant(data: bytes, number: int, chance: Random, other: Callable[[], bytes]) -> Mutant:
    """Makes a copy with one to four changes: of its bytes when the number is even, otherwise of its structure. `other` returns another
    file, as a source of inserted pieces."""
    count = min(chance.choice((1, 1, 1, 2, 3, 4)), MAX_CHANGES)
    known = format_of(data) if number % 2 else None
    if known:
        root = known.parse(data)
        changes, changed = change_tree(known, root, count, MAX_GROWTH, chance)
    elif number % 2:
        changed, changes = data, []
        for _ in range(count):
            changed, change = change_number(changed, chance)
            changes.append(change)
    else:
        changed, changes = data, []
        for _ in range(count):
            changed, change = change_span(changed, chance, other)
            changes.append(change)
    return Mutant(changed[: len(data) + MAX_GROWTH], changes)


__all__ = ["FORMATS", "Format", "Mutant", "Node", "format_of", "mutant"]
