"""Changes of H.264 parameter sets (ITU-T H.264, 7.3.2.1.1)."""

from __future__ import annotations

from recipes.bits import Bits
from recipes.field_pictures import nal

HIGH_PROFILES = (100, 110, 122, 244)


class Reader:
    """Reads the fields of a parameter set one after the other."""

    def __init__(self, data: bytes) -> None:
        """Starts at the first bit."""
        self.bits = "".join(f"{byte:08b}" for byte in data)
        self.at = 0

    def u(self, width: int) -> int:
        """Reads an unsigned number."""
        self.at += width
        return int(self.bits[self.at - width : self.at], 2)

    def ue(self, count: int = 1) -> int:
        """Reads unsigned Exp-Golomb codes and returns the last one."""
        value = 0
        for _ in range(count):
            zeros = self.bits.index("1", self.at) - self.at
            self.at += zeros
            value = self.u(zeros + 1) - 1
        return value


def without_vui(sps: bytes) -> bytes:
    """Removes the VUI of a sequence parameter set, and with it the number of reordered frames and the frame rate."""
    reader = Reader(sps[1:].replace(b"\x00\x00\x03", b"\x00\x00"))
    profile = reader.u(8)
    reader.u(16)
    reader.ue()
    if profile in HIGH_PROFILES:
        if reader.ue() == 3:
            reader.u(1)
        reader.ue(2)
        if reader.u(2) & 1:
            raise ValueError("scaling matrices are not supported")
    reader.ue()
    order_type = reader.ue()
    if order_type == 1:
        raise ValueError("order counts of type 1 are not supported")
    reader.ue(1 if order_type == 0 else 0)
    reader.ue()
    reader.u(1)
    reader.ue(2)
    if not reader.u(1):
        reader.u(1)
    reader.u(1)
    if reader.u(1):
        reader.ue(4)
    kept = Bits()
    kept.bits = [int(bit) for bit in reader.bits[: reader.at]]
    return nal(sps[0] >> 5, 7, kept.u(1, 0).trailing().bytes())
