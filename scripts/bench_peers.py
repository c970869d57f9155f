#!/usr/bin/env python3
"""The Python programs with which scripts/bench_remote.py compares, each in its own process (pip: av, boto3).

    scripts/bench_peers.py lambda BUCKET KEY   as the replaced Lambda: download, ffprobe, ffmpeg, upload
    scripts/bench_peers.py pyav URL OUT        libav in the process, over ranges of 1 MiB that are kept

Prints the time of the imports and the time of the work separately, because a warm Lambda has already imported its modules.
"""

from __future__ import annotations

import io
import json
import os
import subprocess
import sys
import tempfile
import time
from http.client import HTTPConnection
from pathlib import Path
from urllib.parse import urlsplit

SECONDS = 5
BLOCK = 1 << 20


def as_lambda(bucket: str, key: str) -> dict[str, float]:
    """The media part of the Lambda. Database and API calls are left out, because both sides make them. Endpoint: AWS_ENDPOINT_URL."""
    begun = time.monotonic()
    import boto3

    imported = time.monotonic()
    store = boto3.client("s3")
    ready = time.monotonic()
    ffmpeg, ffprobe = os.environ.get("FFMPEG_PATH", "ffmpeg"), os.environ.get("FFPROBE_PATH", "ffprobe")
    with tempfile.TemporaryDirectory() as folder:
        video, picture = os.path.join(folder, Path(key).name), os.path.join(folder, "thumbnail.jpg")
        store.download_file(bucket, key, video)
        downloaded = time.monotonic()
        probe = [ffprobe, "-v", "error", "-show_entries", "format=duration", "-of", "json", video]
        told = json.loads(subprocess.run(probe, check=True, capture_output=True).stdout)
        frame = [ffmpeg, "-nostdin", "-v", "error", "-y", "-ss", str(SECONDS), "-i", video, "-frames:v", "1"]
        subprocess.run([*frame, "-q:v", "2", picture], check=True)
        store.upload_file(picture, bucket, f"thumbnails/{Path(key).stem}.jpg")
    ended = time.monotonic()
    return {
        "duration": float(told["format"]["duration"]),
        "start": ready - begun,
        "imports": imported - begun,
        "download": downloaded - ready,
        "work": ended - ready,
    }


class Blocks(io.RawIOBase):
    """An object as a seekable file. Blocks are fetched on first use, and kept."""

    def __init__(self, url: str) -> None:
        parts = urlsplit(url)
        self.connection, self.path = HTTPConnection(parts.netloc), parts.path
        self.kept: dict[int, bytes] = {}
        self.position, self.size = 0, 0
        self.block(0)

    def block(self, number: int) -> bytes:
        """Returns one block. The reply for the first block also contains the size of the object."""
        if number not in self.kept:
            span = f"bytes={number * BLOCK}-{(number + 1) * BLOCK - 1}"
            self.connection.request("GET", self.path, headers={"Range": span})
            reply = self.connection.getresponse()
            body = reply.read()
            if reply.status != 206:
                raise OSError(f"{reply.status} for {span}")
            self.size = int(reply.headers["Content-Range"].rsplit("/", 1)[1])
            self.kept[number] = body
        return self.kept[number]

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def tell(self) -> int:
        return self.position

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        self.position = offset + {io.SEEK_SET: 0, io.SEEK_CUR: self.position, io.SEEK_END: self.size}[whence]
        return self.position

    def readinto(self, buffer) -> int:
        """Reads to the end of a block at most. Short reads are allowed, and the caller reads again."""
        if self.position >= self.size:
            return 0
        number, offset = divmod(self.position, BLOCK)
        piece = self.block(number)[offset : offset + len(buffer)]
        buffer[: len(piece)] = piece
        self.position += len(piece)
        return len(piece)


def with_pyav(url: str, out: str) -> dict[str, float]:
    """Takes duration and frame with one open."""
    begun = time.monotonic()
    import av

    ready = time.monotonic()
    with av.open(Blocks(url)) as container:
        stream = container.streams.video[0]
        wanted = SECONDS + (container.start_time or 0) / av.time_base
        container.seek(int(wanted * av.time_base), backward=True)
        decoded = container.decode(stream)
        frame = next(frame for frame in decoded if frame.time is not None and frame.time >= wanted - 1e-6)
        frame.save(out)
        duration = (container.duration or 0) / av.time_base
    return {"duration": duration, "frame": frame.time, "start": ready - begun, "work": time.monotonic() - ready}


if __name__ == "__main__":
    ways = {"lambda": as_lambda, "pyav": with_pyav}
    if len(sys.argv) != 4 or sys.argv[1] not in ways:
        sys.exit(__doc__)
    print(json.dumps(ways[sys.argv[1]](*sys.argv[2:])))
