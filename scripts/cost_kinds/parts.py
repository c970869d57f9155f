"""What the generators share."""


def fill(size, part):
    """part(0), part(1) and so on, about as many bytes as `size`."""
    parts = []
    length = 0
    while length < size:
        parts.append(part(len(parts)))
        length += len(parts[-1])
    return b"".join(parts)

SHORT = ()

KINDS = {}
