"""A multiplexer for MPEG transport streams with one H.264 stream, in which the recipe chooses the content of each PES packet.

The layouts are those of ITU-T H.222.0 (06/2021): packets in 2.4.3.2, PES packets in 2.4.3.6, tables in 2.4.4.
"""

from __future__ import annotations

from dataclasses import dataclass

PROGRAM_MAP, VIDEO, EMPTY = 0x1000, 0x100, 0x1F0
PACKET = 188


@dataclass(frozen=True)
class Pes:
    """The content of one PES packet: its bytes, its times in ticks of 90 kHz, and whether decoding can start here."""

    data: bytes
    pts: int
    dts: int
    key: bool


def crc_of_byte(byte: int) -> int:
    """Returns the CRC of one byte, with a start value of 0."""
    value = byte << 24
    for _ in range(8):
        value = (value << 1 ^ (0x04C11DB7 if value >> 31 else 0)) & 0xFFFFFFFF
    return value


CRC_OF_BYTES = [crc_of_byte(byte) for byte in range(256)]


def crc(data: bytes, start: int = 0xFFFFFFFF) -> int:
    """Returns the CRC of a table (annex A). Ogg has the same polynomial and starts at 0."""
    value = start
    for byte in data:
        value = (value << 8 & 0xFFFFFFFF) ^ CRC_OF_BYTES[value >> 24 ^ byte]
    return value


def table(number: int, body: bytes) -> bytes:
    """Builds a section of a program table, with the pointer before it."""
    section = bytes([number]) + (0xB000 | len(body) + 9).to_bytes(2, "big") + b"\x00\x01\xc1\x00\x00" + body
    return b"\x00" + section + crc(section).to_bytes(4, "big")


def timestamp(mark: int, ticks: int) -> bytes:
    """Returns a time of 33 bits in five bytes."""
    ticks %= 1 << 33
    parts = (mark << 4 | ticks >> 29 & 0xE | 1, ticks >> 22 & 0xFF, ticks >> 14 & 0xFE | 1, ticks >> 7 & 0xFF)
    return bytes([*parts, ticks << 1 & 0xFE | 1])


class Multiplexer:
    """Collects the packets that have been written."""

    def __init__(self) -> None:
        """Starts with no packets."""
        self.out = bytearray()
        self.counters: dict[int, int] = {}

    def packet(self, pid: int, start: bool, adaptation: bytes, payload: bytes) -> int:
        """Writes one packet, and returns how much of the payload it contains. The adaptation field fills the rest."""
        room = PACKET - 4 - (len(adaptation) + 1 if adaptation else 0)
        if len(payload) < room:
            # With one byte, the field is only its length. With two, it has flags. Further bytes are stuffing.
            adaptation = adaptation or (b"\x00" if room - len(payload) > 1 else b"")
            adaptation += b"\xff" * (PACKET - 5 - len(payload) - len(adaptation))
            room, has_field = len(payload), True
        else:
            has_field = bool(adaptation)
        counter = self.counters.get(pid, 0)
        self.counters[pid] = (counter + 1) % 16
        head = 0x47000000 | int(start) << 22 | pid << 8 | (0x30 if has_field else 0x10) | counter
        self.out += head.to_bytes(4, "big")
        if has_field:
            self.out += bytes([len(adaptation)]) + adaptation
        self.out += payload[:room]
        return room

    def tables(self) -> None:
        """Writes the program association and the program map."""
        self.section(0, table(0, (1).to_bytes(2, "big") + (0xE000 | PROGRAM_MAP).to_bytes(2, "big")))
        clock = (0xE000 | VIDEO).to_bytes(2, "big")
        self.section(PROGRAM_MAP, table(2, clock + b"\xf0\x00" + b"\x1b" + clock + b"\xf0\x00"))

    def section(self, pid: int, section: bytes) -> None:
        """Writes a table in a separate packet."""
        self.packet(pid, True, b"", section.ljust(PACKET - 4, b"\xff"))

    def pes(self, pes: Pes, clock: int) -> None:
        """Writes a PES packet; `clock` is the program clock at its first byte."""
        flags, times = 0x80, timestamp(2, pes.pts)
        if pes.dts != pes.pts:
            flags, times = 0xC0, timestamp(3, pes.pts) + timestamp(1, pes.dts)
        rest = b"\x00\x00\x01\xe0\x00\x00\x80" + bytes([flags, len(times)]) + times + pes.data
        pcr = (clock % (1 << 33) << 15 | 0x7E00).to_bytes(6, "big")
        adaptation, start = bytes([0x50 if pes.key else 0x10]) + pcr, True
        while rest:
            rest = rest[self.packet(VIDEO, start, adaptation, rest) :]
            adaptation, start = b"", False


def multiplex(packets: list[Pes], lead: int) -> bytes:
    """Returns the stream. Tables precede each keyframe, and the clock is `lead` ticks before the decoding times."""
    stream = Multiplexer()
    for pes in packets:
        if pes.key:
            stream.tables()
        stream.pes(pes, pes.dts - lead)
    return bytes(stream.out)


def empty_stream_first(data: bytes) -> bytes:
    """Inserts another H.264 stream, without any packets, before the other streams in every program map."""
    out = bytearray()
    for at in range(0, len(data), PACKET):
        packet = data[at : at + PACKET]
        pid = int.from_bytes(packet[1:3], "big") & 0x1FFF
        if pid == PROGRAM_MAP:
            # The packet's header has four bytes and the pointer one. The section's length counts from the section's fourth byte on.
            length = int.from_bytes(packet[6:8], "big") & 0xFFF
            body = packet[13 : 8 + length - 4]
            described = 4 + (int.from_bytes(body[2:4], "big") & 0xFFF)
            stream = b"\x1b" + (0xE000 | EMPTY).to_bytes(2, "big") + b"\xf0\x00"
            packet = (packet[:4] + table(2, body[:described] + stream + body[described:])).ljust(PACKET, b"\xff")
        out += packet
    return bytes(out)
