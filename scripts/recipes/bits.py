"""Bits in the order of H.264 and AV1 headers: most significant first."""

from __future__ import annotations


class Bits:
    """A string of bits that grows at its end."""

    def __init__(self) -> None:
        """Starts with no bits."""
        self.bits: list[int] = []

    def u(self, width: int, *values: int) -> Bits:
        """Appends unsigned numbers of `width` bits each."""
        for value in values:
            if not 0 <= value < 1 << width:
                raise ValueError(f"{value} does not fit into {width} bits")
            self.bits += [value >> shift & 1 for shift in range(width - 1, -1, -1)]
        return self

    def ue(self, *values: int) -> Bits:
        """Appends unsigned Exp-Golomb codes (ITU-T H.264, 9.1)."""
        for value in values:
            width = (value + 1).bit_length()
            self.u(2 * width - 1, value + 1)
        return self

    def se(self, *values: int) -> Bits:
        """Appends signed Exp-Golomb codes (ITU-T H.264, 9.1.1)."""
        for value in values:
            self.ue(2 * value - 1 if value > 0 else -2 * value)
        return self

    def align(self) -> Bits:
        """Appends zeros up to the next byte."""
        return self.u(-len(self.bits) % 8, 0) if len(self.bits) % 8 else self

    def raw(self, data: bytes) -> Bits:
        """Appends whole bytes."""
        return self.u(8, *data)

    def trailing(self) -> Bits:
        """Appends a one and zeros up to the next byte (rbsp_trailing_bits)."""
        return self.u(1, 1).align()

    def bytes(self) -> bytes:
        """Returns the bits as bytes. Their number must be a multiple of 8."""
        if len(self.bits) % 8:
            raise ValueError(f"{len(self.bits)} bits are not whole bytes")
        text = "".join(map(str, self.bits))
        return bytes(int(text[at : at + 8], 2) for at in range(0, len(text), 8))
