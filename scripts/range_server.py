#!/usr/bin/env python3
"""Serves one folder as an S3 bucket, on loopback, as slowly as a real one, and counts the bytes it sends.

    scripts/range_server.py --data FOLDER [--bucket bench] [--port 9000] [--latency-ms 30] [--mbps 75]

    GET, HEAD, PUT /BUCKET/KEY    path-style S3 without signatures: ranges, ETag, conditions (412), error bodies
    GET /_stats                   JSON: requests, bytes_sent, bytes_received, active, and a log with a line per request
    POST /_reset                  sets all figures to zero

The server is for measurements and proves nothing about S3; the tests against real servers do that. The first byte of each reply
comes `--latency-ms` after the request, the rest at `--mbps` (10^6 bytes a second) per connection; 0 means no delay.

Each connection has a thread, because an event loop rounds sleeps up to a millisecond, and pacing needs shorter ones:
32 KiB at 75 MB/s take 0.44 ms. The threads only sleep and call sendfile, so they seldom need the interpreter.
"""

from __future__ import annotations

import argparse
import contextlib
import hashlib
import json
import os
import re
import socket
import sys
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass, field
from email.utils import formatdate, parsedate_to_datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit
from xml.sax.saxutils import escape

PIECE = 32 * 1024
# Bytes in the kernel's buffer count as sent even if the client goes away, so the buffer is small. Linux doubles the figure.
SEND_BUFFER = 128 * 1024
# The lateness that a connection may make up by sending faster. It covers the delays of a busy machine, but not a slow client.
CATCH_UP = 0.005

MESSAGES = {
    "InvalidRange": "The requested range is not satisfiable",
    "MethodNotAllowed": "The specified method is not allowed against this resource.",
    "MissingContentLength": "You must provide the Content-Length HTTP header.",
    "NoSuchBucket": "The specified bucket does not exist",
    "NoSuchKey": "The specified key does not exist.",
    "PreconditionFailed": "At least one of the pre-conditions you specified did not hold",
}
TYPES = {".mp4": "video/mp4", ".mkv": "video/x-matroska", ".webm": "video/webm", ".ts": "video/mp2t"}


@dataclass
class Entry:
    """One request. Times are seconds since the last reset."""

    method: str
    path: str
    range: str | None
    start: float
    first_byte: float | None = None
    end: float | None = None
    status: int | None = None
    sent: int = 0
    received: int = 0


@dataclass
class Stats:
    """The requests and replies since the last reset."""

    log: list[Entry] = field(default_factory=list)
    since: float = field(default_factory=time.monotonic)

    def now(self) -> float:
        return time.monotonic() - self.since

    def report(self) -> dict:
        """Returns the figures for clients; `active` is above 0 while a body is being sent."""
        log = list(self.log)
        return {
            "requests": len(log),
            "bytes_sent": sum(entry.sent for entry in log),
            "bytes_received": sum(entry.received for entry in log),
            "active": sum(entry.end is None for entry in log),
            "log": [asdict(entry) for entry in log],
        }


class Refused(Exception):
    """A reply with an error in the form of S3."""

    def __init__(self, status: int, code: str, **details: object) -> None:
        super().__init__(code)
        self.status, self.code, self.details = status, code, details

    def body(self, resource: str) -> bytes:
        fields = {"Code": self.code, "Message": MESSAGES[self.code], **self.details}
        fields |= {"Resource": resource, "RequestId": "0"}
        inner = "".join(f"<{name}>{escape(str(value))}</{name}>" for name, value in fields.items())
        return f'<?xml version="1.0" encoding="UTF-8"?>\n<Error>{inner}</Error>'.encode()


def wanted(header: str | None, size: int) -> tuple[int, int] | None:
    """Returns the first byte and the length of a Range header; None if it must be ignored (none, several, invalid)."""
    parts = re.fullmatch(r"bytes=(\d*)-(\d*)", (header or "").strip())
    if parts is None or parts[0] == "bytes=-":
        return None
    first, last = parts.groups()
    if not first:
        start, end = max(0, size - int(last)), size
    else:
        start, end = int(first), min(size, int(last) + 1) if last else size
        if last and int(last) < start:
            return None
    if start >= end:
        raise Refused(416, "InvalidRange", RangeRequested=header, ActualObjectSize=size)
    return start, end - start


class Bucket(ThreadingHTTPServer):
    """The server: its folder, its speed, and its figures."""

    daemon_threads = True
    request_queue_size = 128

    def __init__(self, port: int, folder: Path, name: str, latency: float, speed: float) -> None:
        super().__init__(("127.0.0.1", port), Connection)
        self.folder, self.name, self.latency, self.speed = folder.resolve(), name, latency, speed
        self.stats = Stats()

    def get_request(self) -> tuple[socket.socket, object]:
        connection, address = super().get_request()
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, SEND_BUFFER)
        return connection, address

    def handle_error(self, request: Any, client_address: object) -> None:
        """Ignores clients that disconnect, because the benchmark measures them."""
        if not isinstance(sys.exc_info()[1], ConnectionError):
            super().handle_error(request, client_address)


class Connection(BaseHTTPRequestHandler):
    """One connection, kept alive."""

    server: Bucket
    protocol_version = "HTTP/1.1"
    server_version, sys_version = "AmazonS3", ""
    disable_nagle_algorithm = True
    wbufsize = -1  # a reply's head in one packet

    def log_message(self, *_: object) -> None:
        """Prints nothing, because the figures contain the log."""

    def parse_request(self) -> bool:
        # Called when the request line has been read, which is as close as possible to the arrival of the request.
        self.arrived = time.monotonic()
        return super().parse_request()

    def do_GET(self) -> None:
        if self.path == "/_stats":
            return self.tell(json.dumps(self.server.stats.report()).encode())
        return self.counted(self.send_object)

    def do_HEAD(self) -> None:
        self.counted(self.send_object)

    def do_PUT(self) -> None:
        self.counted(self.take_object)

    def do_POST(self) -> None:
        if self.path == "/_reset":
            self.server.stats = Stats()
            return self.tell(b"{}")
        return self.counted(self.refuse_method)

    do_DELETE = do_POST

    def tell(self, answer: bytes) -> None:
        """Sends a reply of the server about itself: without delay, and not counted."""
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(answer)))
        self.end_headers()
        self.wfile.write(answer)

    def counted(self, answer: Callable[[], object]) -> None:
        """Answers one request of the bucket: with the latency, in the log, and with errors in the form of S3."""
        # Kept for the whole reply, because a reset in between must not mix two clocks.
        self.stats = stats = self.server.stats
        self.entry = Entry(self.command, self.path, self.headers.get("Range"), self.arrived - stats.since)
        stats.log.append(self.entry)
        try:
            try:
                answer()
            except Refused as refused:
                body = refused.body(self.path)
                self.head(refused.status, {"Content-Type": "application/xml", "Content-Length": len(body)})
                if self.command != "HEAD":
                    self.wfile.write(body)
                    self.entry.sent += len(body)
        except ConnectionError:
            self.close_connection = True
        finally:
            self.entry.end = stats.now()

    def head(self, status: int, headers: dict[str, object]) -> None:
        """Sends the status line and headers when the latency has passed."""
        pause(self.arrived + self.server.latency)
        self.entry.status, self.entry.first_byte = status, self.stats.now()
        self.send_response(status)
        self.send_header("x-amz-request-id", "0")
        for name, value in headers.items():
            self.send_header(name, str(value))
        self.end_headers()
        self.wfile.flush()

    def file(self) -> Path:
        """Returns the file that the path names, and never a file outside the folder."""
        bucket, _, key = unquote(urlsplit(self.path).path).lstrip("/").partition("/")
        if bucket != self.server.name:
            raise Refused(404, "NoSuchBucket", BucketName=bucket)
        path = (self.server.folder / key).resolve()
        if not key or not path.is_relative_to(self.server.folder):
            raise Refused(404, "NoSuchKey", Key=key)
        return path

    def send_object(self) -> None:
        """Answers GET and HEAD."""
        path = self.file()
        if not path.is_file():
            raise Refused(404, "NoSuchKey", Key=path.name)
        with path.open("rb") as file:
            status = os.fstat(file.fileno())
            self.hold_to_conditions(status)
            size = status.st_size
            part = wanted(self.headers.get("Range"), size)
            start, length = part or (0, size)
            headers = {
                "ETag": etag(status),
                "Last-Modified": formatdate(status.st_mtime, usegmt=True),
                "Accept-Ranges": "bytes",
                "Content-Type": TYPES.get(path.suffix, "binary/octet-stream"),
                "Content-Length": length,
            }
            if part:
                headers["Content-Range"] = f"bytes {start}-{start + length - 1}/{size}"
            self.head(206 if part else 200, headers)
            if self.command != "HEAD":
                self.send_body(file.fileno(), start, length)

    def hold_to_conditions(self, status: os.stat_result) -> None:
        """Answers 412 if the object is not the one that the client expects."""
        if match := self.headers.get("If-Match"):
            if match != "*" and etag(status).strip('"') not in (tag.strip(' "') for tag in match.split(",")):
                raise Refused(412, "PreconditionFailed", Condition="If-Match")
        # RFC 9110, 13.2.2: the date counts only if there is no tag.
        elif since := self.headers.get("If-Unmodified-Since"):
            try:
                allowed = parsedate_to_datetime(since).timestamp()
            except ValueError:
                return
            if int(status.st_mtime) > allowed:
                raise Refused(412, "PreconditionFailed", Condition="If-Unmodified-Since")

    def send_body(self, file: int, start: int, length: int) -> None:
        """Sends the bytes. Each piece is sent at the time when a line of that speed would have transferred its last byte."""
        due = time.monotonic()
        while self.entry.sent < length:
            count = min(PIECE, length - self.entry.sent)
            if self.server.speed:
                due = max(due, time.monotonic() - CATCH_UP) + count / self.server.speed
                pause(due)
            if self.client_left():
                raise ConnectionAbortedError
            count = os.sendfile(self.connection.fileno(), file, start + self.entry.sent, count)
            if count == 0:  # the file was truncated after its size was sent
                raise ConnectionAbortedError
            self.entry.sent += count

    def client_left(self) -> bool:
        """Whether the client has closed the connection. A send would notice that only if later bytes reach the client."""
        try:
            return self.connection.recv(1, socket.MSG_PEEK | socket.MSG_DONTWAIT) == b""
        except BlockingIOError:
            return False

    def take_object(self) -> None:
        """Answers PUT of whole objects, also in the chunks in which SDKs wrap them to append a checksum."""
        path = self.file()
        if "Content-Length" not in self.headers:
            self.close_connection = True
            raise Refused(411, "MissingContentLength")
        body = self.rfile.read(int(self.headers["Content-Length"]))
        self.entry.received = len(body)
        if "aws-chunked" in self.headers.get("Content-Encoding", ""):
            body = b"".join(chunks(body))
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(body)
        self.head(200, {"ETag": etag(path.stat()), "Content-Length": 0})

    def refuse_method(self) -> None:
        # The body was not read, so the server could not parse the next request on this connection.
        self.close_connection = True
        raise Refused(405, "MethodNotAllowed", Method=self.command)


def pause(until: float) -> None:
    """Sleeps until that time on the monotonic clock."""
    if (left := until - time.monotonic()) > 0:
        time.sleep(left)


def etag(status: os.stat_result) -> str:
    """Returns a value that changes with the file. S3's is often the MD5 of the content, but clients must not rely on that."""
    return f'"{hashlib.md5(f"{status.st_ino} {status.st_size} {status.st_mtime_ns}".encode()).hexdigest()}"'


def chunks(body: bytes) -> Iterator[bytes]:
    """Yields the data of an aws-chunked body: `size;signature CRLF data CRLF`, until a size of 0."""
    position = 0
    while True:
        line = body.index(b"\r\n", position)
        size = int(body[position:line].split(b";")[0], 16)
        if size == 0:
            return
        yield body[line + 2 : line + 2 + size]
        position = line + 2 + size + 2


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, default=Path(os.environ.get("BENCH_DATA", "bench-data")))
    parser.add_argument("--bucket", default="bench")
    parser.add_argument("--port", type=int, default=9000, help="0 takes a free one")
    parser.add_argument("--latency-ms", type=float, default=30)
    parser.add_argument("--mbps", type=float, default=75, help="10^6 bytes a second for each connection")
    arguments = parser.parse_args()
    # After its sleep, a thread must not wait 5 ms for another thread to release the interpreter.
    sys.setswitchinterval(0.0005)
    server = Bucket(arguments.port, arguments.data, arguments.bucket, arguments.latency_ms / 1000, arguments.mbps * 1e6)
    print(f"http://127.0.0.1:{server.server_port}/{arguments.bucket}/", flush=True)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    with contextlib.suppress(KeyboardInterrupt):
        threading.Event().wait()


if __name__ == "__main__":
    main()
