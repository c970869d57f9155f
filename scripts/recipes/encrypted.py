"""Encrypted videos. The key is not secret, but no reader has it: none of these files gives a picture, except the one that
begins unencrypted.

ffmpeg encrypts by `cenc`. The other files are made from that: their signalling is changed, and the encrypted bytes stay.
"""

from __future__ import annotations

import random
import struct
import tempfile
from pathlib import Path

from recipes import boxes, ebml
from recipes.base import GOP, X264, add, encoded, patched, pattern

SMALL = pattern("96x64")
KEY_ID = bytes.fromhex("0123456789abcdef0123456789abcdef")
CENC = (
    "-encryption_scheme", "cenc-aes-ctr", "-encryption_key", "00112233445566778899aabbccddeeff",
    "-encryption_kid", KEY_ID.hex(),
)  # fmt: skip
FRAGMENTS = ("-g", "10", "-movflags", "+frag_keyframe+empty_moov+default_base_moof+skip_trailer")
# Protected Interoperable File Format 1.1, section 5.3: the UUIDs of its boxes.
PIFF_TRACK = bytes.fromhex("8974dbce7be74c5184f97148f9882554")
PIFF_SAMPLES = bytes.fromhex("a2394f525a9b4f14a2446c427c648df4")
PIFF_SYSTEM = bytes.fromhex("d08a4f1810f34a82b6c832d8aba183d3")
PLAYREADY = bytes.fromhex("9a04f07998404286ab92e65be0885f95")
# Advanced Systems Format, section 3.14.
ASF_ENCRYPTION = bytes.fromhex("fbb3112223bdd211b4b700a0c955fc6e")


def encrypted() -> None:
    """Adds one file for each scheme, and one with a clear lead."""
    add("x_cenc.mp4", "encrypted: cenc", "testsrc2, libx264, encrypted by ffmpeg",
        encoded(*X264, *GOP, *CENC, source=SMALL))  # fmt: skip
    add("x_cenc_frag.mp4", "encrypted: cenc, in fragments", "testsrc2, libx264, encrypted by ffmpeg",
        encoded(*X264, *FRAGMENTS, *CENC, source=SMALL))  # fmt: skip
    patched("x_cbcs.mp4", "encrypted: cbcs", "testsrc2, libx264, encrypted by ffmpeg, boxes changed", cbcs,
            *X264, *GOP, *CENC, source=SMALL)  # fmt: skip
    patched("x_piff.mp4", "encrypted: PIFF 1.1, whose boxes are UUIDs",
            "testsrc2, libx264, encrypted by ffmpeg, boxes changed", piff, *X264, *FRAGMENTS, *CENC,
            source=SMALL)  # fmt: skip
    patched("x_encrypted.webm", "encrypted: ContentEncryption of WebM", "testsrc2, libvpx-vp9, frames overwritten",
            webm, "-c:v", "libvpx-vp9", "-b:v", "20k", *GOP, source=SMALL)  # fmt: skip
    patched("x_wmdrm.asf", "encrypted: Content Encryption Object of ASF", "testsrc2, wmv2, noise",
            asf, "-c:v", "wmv2", "-q:v", "20", *GOP, "-bsf:v", "noise=amount=1", source=SMALL)  # fmt: skip
    add("clear_lead.mp4", "cenc in fragments of 1 s, of which the first six are clear",
        "testsrc2, libx264, fragments of a clear and of an encrypted file", clear_lead)  # fmt: skip


def scheme(root: boxes.Box, kind: bytes, version: int) -> None:
    """Writes the scheme of the first track (ISO/IEC 14496-12, 8.12.6)."""
    root.one(b"schm").payload = struct.pack(">I4sI", 0, kind, version)


def cbcs(data: bytes) -> bytes:
    """Signals `cbcs`: a pattern of 1 in 10 blocks and a constant initialization vector (ISO/IEC 23001-7, 10.4)."""
    root = boxes.parse(data)
    scheme(root, b"cbcs", 0x10000)
    track = root.one(b"tenc")
    longer = len(track.payload)
    track.payload = struct.pack(">IBBBB16sB16s", 1 << 24, 0, 0x19, 1, 0, KEY_ID, 16, bytes(range(16)))
    longer = len(track.payload) - longer
    # Samples have no vectors, so each is 8 bytes shorter (7.2 and 8.7.8 of ISO/IEC 14496-12).
    samples, sizes, offsets = root.one(b"senc"), root.one(b"saiz"), root.one(b"saio")
    samples.payload = samples.payload[:8] + b"".join(subsamples(samples.payload))
    sizes.payload = sizes.payload[:9] + bytes(size - 8 for size in sizes.payload[9:])
    (at,) = struct.unpack_from(">I", offsets.payload, 8)
    offsets.payload = offsets.payload[:8] + struct.pack(">I", at + longer)
    return boxes.write(root)


def subsamples(payload: bytes) -> list[bytes]:
    """Returns the part of `senc` behind the vector of 8 bytes, for each sample (ISO/IEC 23001-7, 7.2.1)."""
    (count,) = struct.unpack_from(">I", payload, 4)
    found, at = [], 8
    for _ in range(count):
        (clear_and_not,) = struct.unpack_from(">H", payload, at + 8)
        end = at + 10 + 6 * clear_and_not
        found.append(payload[at + 8 : end])
        at = end
    return found


def piff(data: bytes) -> bytes:
    """Signals PIFF: its scheme, and its three boxes instead of `tenc`, `senc` and `pssh`."""
    root = boxes.parse(data)
    scheme(root, b"piff", 0x10001)
    root.one(b"schi").children = [boxes.Box(b"uuid", PIFF_TRACK + struct.pack(">IHBB", 0, 0, 1, 8) + KEY_ID)]
    system = PIFF_SYSTEM + struct.pack(">I", 0) + PLAYREADY + struct.pack(">I", 0)
    root.one(b"moov").children.append(boxes.Box(b"uuid", system))
    for fragment in (child for child in root.children if child.kind == b"moof"):
        track = fragment.one(b"traf")
        before = len(fragment.bytes())
        samples = track.one(b"senc")
        kept = [child for child in track.children if child.kind not in (b"senc", b"saio", b"saiz")]
        track.children = [*kept, boxes.Box(b"uuid", PIFF_SAMPLES + samples.payload)]
        move_data(fragment, len(fragment.bytes()) - before)
    return boxes.write(root)


def move_data(fragment: boxes.Box, by: int) -> None:
    """Moves the declared offset of a fragment's samples by `by` bytes (ISO/IEC 14496-12, 8.8.8)."""
    run = fragment.one(b"trun")
    (offset,) = struct.unpack_from(">i", run.payload, 8)
    run.payload = run.payload[:8] + struct.pack(">i", offset + by) + run.payload[12:]


def clear_lead(out: Path) -> None:
    """Writes six fragments of an unencrypted file, and the rest of the same file encrypted, with a sample entry for each part."""
    with tempfile.TemporaryDirectory() as folder:
        parts = []
        for name, options in (("clear.mp4", ()), ("encrypted.mp4", CENC)):
            path = Path(folder) / name
            encoded(*X264, *FRAGMENTS, *options, source=SMALL)(path)
            parts.append(boxes.parse(path.read_bytes()))
    clear, hidden = parts
    entries = hidden.one(b"stsd")
    entries.payload = struct.pack(">II", 0, 2)
    entries.children.append(clear.one(b"avc1"))
    lead = [child for child in clear.children if child.kind in (b"moof", b"mdat")][:12]
    for fragment in lead[::2]:
        header = fragment.one(b"tfhd")
        (flags,) = struct.unpack_from(">I", header.payload)
        # Selects the second sample entry (ISO/IEC 14496-12, 8.8.7).
        header.payload = struct.pack(">I", flags | 2) + header.payload[4:8] + struct.pack(">I", 2) + header.payload[8:]
        move_data(fragment, 4)
    head = [child for child in hidden.children if child.kind in (b"ftyp", b"moov")]
    rest = [child for child in hidden.children if child.kind in (b"moof", b"mdat")][12:]
    out.write_bytes(b"".join(child.bytes() for child in [*head, *lead, *rest]))


def webm(data: bytes) -> bytes:
    """Signals encryption, and fills each frame with a signal byte, a vector and random bytes (WebM Encryption, 4)."""
    settings = ebml.element(0x47E7, ebml.element(0x47E8, b"\x01"))
    algorithm = ebml.element(0x47E1, b"\x05") + ebml.element(0x47E2, KEY_ID) + settings
    scope = ebml.element(0x5031, b"\x00") + ebml.element(0x5032, b"\x01") + ebml.element(0x5033, b"\x01")
    encodings = ebml.element(0x6D80, ebml.element(0x6240, scope + ebml.element(0x5035, algorithm)))
    out = bytearray(ebml.with_track_element(data, encodings))
    noise = random.Random(5)
    for frame in ebml.elements(bytes(out)):
        if frame.kind == ebml.SIMPLE_BLOCK:
            # The first four bytes are track, time and flags.
            out[frame.body + 4 : frame.end] = (b"\x01" + noise.randbytes(1 << 16))[: frame.end - frame.body - 4]
    return bytes(out)


def asf(data: bytes) -> bytes:
    """Appends a Content Encryption Object to the header. The frames are already noise."""
    texts = (bytes(16), b"DRM\x00", b"key\x00", b"https://example.com/\x00")
    body = b"".join(struct.pack("<I", len(text)) + text for text in texts)
    added = ASF_ENCRYPTION + struct.pack("<Q", len(body) + 24) + body
    size, count = struct.unpack_from("<QI", data, 16)
    head = data[:16] + struct.pack("<QI", size + len(added), count + 1) + data[28:size]
    return head + added + data[size:]
