"""Shared by the generators."""


def fill(size, part):
    """Returns part(0), part(1) and so on, about `size` bytes in all."""
    parts = []
    length = 0
    while length < size:
        parts.append(part(len(parts)))
        length += len(parts[-1])
    return b"".join(parts)

SHORT = ()

KINDS = {}
