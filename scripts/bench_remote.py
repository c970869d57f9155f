#!/usr/bin/env python3
"""Measures the time, the requests and the bytes of a poster frame from a distant store.

    .venv/bin/pip install imageio-ffmpeg==0.8.1 av boto3; apt-get install ffmpeg (for ffprobe)
    nice .venv/bin/python scripts/bench_files.py
    cargo build --release --locked --features static
    .venv/bin/python scripts/bench_remote.py [--files NAME...] [--programs NAME...] [--runs 7] [--json FILE]

The script starts scripts/range_server.py and runs each program on each file. Each round runs all programs once, so that other load
on the machine affects all of them. Wall time is that of whole processes, including their start. Requests and bytes are counted by
the server; when a client disconnects early, the bytes sent until then count. The script prints tables for docs/benchmarks.md.

Programs:
    ffmpeg     ffprobe -show_format -show_streams URL, then ffmpeg -ss 5 -i URL -frames:v 1
    lambda     the Lambda that posterframe replaces: boto3 downloads the file, then ffprobe, ffmpeg, upload
    pyav       PyAV over blocks of 1 MiB
    grab-http  posterframe grab http://...
    grab-s3    posterframe grab s3://...
    probe      posterframe probe http://...
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import signal
import statistics
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Callable
from dataclasses import asdict, dataclass, field
from pathlib import Path

from bench_files import boxes, default_ffmpeg

HERE = Path(__file__).resolve().parent
BUCKET = "bench"
SECONDS = 5.0
FILES = (
    "film_10m_end.mp4", "film_10m_front.mp4", "film_40m_end.mp4", "film_2h_end.mp4", "film_2h_front.mp4",
    "film_5GB.mp4", "film_5GB_front.mp4", "film_50MB.mp4", "film_10m_frag.mp4", "film_10m_frag_mfra.mp4",
    "film_10m_frag_sidx.mp4", "film_10m.mkv", "film_10m.webm", "film_10m.ts",
)  # fmt: skip
PROGRAMS = {
    "ffmpeg": "ffprobe + ffmpeg",
    "lambda": "Python Lambda",
    "pyav": "PyAV",
    "grab-http": "grab http",
    "grab-s3": "grab s3",
    "probe": "probe http",
}
OURS = ("grab-http", "grab-s3", "probe")
# No reader needs fewer: the first reply, or two parallel replies, contain the positions of the packets.
FEWEST_ROUND_TRIPS = 2
# A program that takes this many seconds is run at most this often on that file.
SLOW, SLOW_RUNS = 10, 3


@dataclass
class Run:
    """The cost of one program on one file, once."""

    wall: float = 0.0
    cpu: float = 0.0
    memory: int = 0
    requests: int = 0
    round_trips: int = 0
    sent: int = 0
    said: dict = field(default_factory=dict)
    failure: str | None = None


@dataclass(frozen=True)
class Need:
    """The parts of a file that any reader must read."""

    size: int
    moov: int
    index: int
    packets: int
    count: int
    frame: float

    @property
    def bytes(self) -> int:
        return self.index + self.packets


# By file, then by program.
Figures = dict[str, dict[str, list[Run]]]
# By file: seconds.
Cpu = dict[str, "float | None"]


# --- The server -----------------------------------------------------------------------------------------------------


class Server:
    """The range server, as a process."""

    def __init__(self, data: Path, latency_ms: float, mbps: float) -> None:
        command = [sys.executable, str(HERE / "range_server.py"), "--data", str(data), "--bucket", BUCKET,
                   "--port", "0", "--latency-ms", str(latency_ms), "--mbps", str(mbps)]  # fmt: skip
        self.process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
        assert self.process.stdout
        self.bucket = self.process.stdout.readline().strip()
        if not self.bucket:
            sys.exit("range_server.py does not start")
        self.origin = self.bucket.removesuffix(f"{BUCKET}/").rstrip("/")
        self.open = urllib.request.build_opener(urllib.request.ProxyHandler({})).open

    def reset(self) -> None:
        self.open(urllib.request.Request(f"{self.origin}/_reset", method="POST")).close()

    def stats(self) -> dict:
        """Returns the figures, after every connection has ended or has noticed that its client is gone."""
        for _ in range(500):
            with self.open(f"{self.origin}/_stats") as reply:
                stats = json.load(reply)
            if stats["active"] == 0:
                break
            time.sleep(0.01)
        return stats

    def stop(self) -> None:
        self.process.terminate()
        self.process.wait()


def round_trips(log: list[dict]) -> int:
    """Returns the longest chain of requests in which each request came after the reply to the previous one had begun.

    Such a request may depend on that reply, so its latency adds up. A request that came earlier cannot depend on it.
    """
    trips, free = 0, 0.0
    for entry in sorted(log, key=lambda entry: entry["first_byte"] or entry["end"]):
        if entry["start"] >= free:
            trips += 1
            free = entry["first_byte"] or entry["end"]
    return trips


# --- Programs -------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Tools:
    """Paths of programs, and the environment they run in."""

    ffmpeg: str
    ffprobe: str
    posterframe: str
    environment: dict[str, str]

    def commands(self, program: str, url: str, name: str, out: str) -> list[list[str]]:
        """Returns the commands of one run of a program."""
        peers = [sys.executable, str(HERE / "bench_peers.py")]
        frame = [self.ffmpeg, "-nostdin", "-v", "error", "-y", "-ss", "5", "-i", url, "-frames:v", "1", "-update", "1"]
        return {
            "ffmpeg": [
                [self.ffprobe, "-v", "error", "-show_format", "-show_streams", "-of", "json", url],
                [*frame, out],
            ],
            "lambda": [[*peers, "lambda", BUCKET, name]],
            "pyav": [[*peers, "pyav", url, out]],
            "grab-http": [[self.posterframe, "grab", url, "-o", out, "--json"]],
            "grab-s3": [[self.posterframe, "grab", f"s3://{BUCKET}/{name}", "-o", out, "--json"]],
            "probe": [[self.posterframe, "probe", url, "--json"]],
        }[program]


# Linux counts the memory of a forking process as that of its child until the exec, so a child of this script could not measure less
# than the script itself. A bare interpreter therefore starts the commands, and also measures the time.
LAUNCHER = """
import os, sys, time
begun = time.monotonic()
_, status, usage = os.wait4(os.posix_spawnp(sys.argv[2], sys.argv[2:], os.environ), 0)
wall = time.monotonic() - begun
with open(sys.argv[1], "w") as report:
    print(wall, usage.ru_utime + usage.ru_stime, usage.ru_maxrss * 1024, os.waitstatus_to_exitcode(status), file=report)
"""


def execute(command: list[str], run: Run, environment: dict[str, str], limit: float) -> bytes:
    """Runs one command to its end, adds its cost to `run`, and returns its standard output."""
    with (
        tempfile.TemporaryFile() as said,
        tempfile.TemporaryFile() as complaints,
        tempfile.NamedTemporaryFile() as cost,
    ):
        launcher = subprocess.Popen(
            [sys.executable, "-I", "-S", "-c", LAUNCHER, cost.name, *command],
            stdin=subprocess.DEVNULL, stdout=said, stderr=complaints, env=environment, start_new_session=True,
        )  # fmt: skip
        try:
            launcher.wait(limit)
        except BaseException as problem:  # even an interrupt does not reach another session by itself
            os.killpg(launcher.pid, signal.SIGKILL)
            launcher.wait()
            if not isinstance(problem, subprocess.TimeoutExpired):
                raise
            run.wall += limit
            run.failure = f"killed after {limit:g} s"
            return b""
        complaints.seek(0)
        problems = complaints.read().decode(errors="replace").strip()[-300:]
        if launcher.returncode != 0:
            run.failure = f"does not start: {problems}"
            return b""
        wall, cpu, memory, code = cost.read().split()
        run.wall += float(wall)
        run.cpu += float(cpu)
        # The largest of the command and the children for which it waited.
        run.memory = max(run.memory, int(memory))
        if int(code) != 0:
            run.failure = f"exit {int(code)}: {problems}"
        said.seek(0)
        return said.read()


def measure(program: str, name: str, server: Server, tools: Tools, limit: float) -> Run:
    """Runs one program on one file of the bucket, once."""
    run = Run()
    with tempfile.TemporaryDirectory() as folder:
        out = Path(folder) / "x.jpg"
        server.reset()
        for command in tools.commands(program, server.bucket + name, name, str(out)):
            said = execute(command, run, tools.environment, limit)
            if run.failure:
                break
        stats = server.stats()
        if not run.failure and program not in ("lambda", "probe") and not (out.exists() and out.stat().st_size):
            run.failure = "no picture"
    run.requests, run.sent, run.round_trips = stats["requests"], stats["bytes_sent"], round_trips(stats["log"])
    if program != "ffmpeg" and not run.failure:
        told = json.loads(said)
        run.said = told.get("posterframe", told) if program == "probe" else told
    return run


def local_cpu(path: Path, tools: Tools, runs: int, limit: float) -> float | None:
    """Returns the CPU seconds of `grab` on the file itself, from the page cache; None if `grab` fails."""
    figures = []
    with tempfile.TemporaryDirectory() as folder:
        for _ in range(runs):
            run = Run()
            execute([tools.posterframe, "grab", str(path), "-o", f"{folder}/x.jpg"], run, tools.environment, limit)
            if run.failure:
                return None
            figures.append(run.cpu)
    return statistics.median(figures)


# --- Needed bytes ---------------------------------------------------------------------------------------------------


def need(path: Path, ffprobe: str) -> Need:
    """Returns the bytes that contain the duration and the frame at 5 s.

    Packets: in decoding order from the last keyframe at or before 5 s to the frame, which is the first at or after 5 s. Index
    of MP4 files: ftyp, moov, sidx, and the moof of each fragment that has one of these packets. The headers of other containers
    are small and not counted.
    """
    command = [ffprobe, "-v", "error", "-of", "json", "-select_streams", "v:0", "-read_intervals", f"%+{SECONDS + 15}",
               "-show_packets", "-show_format", str(path)]  # fmt: skip
    told = json.loads(subprocess.run(command, check=True, capture_output=True).stdout)
    wanted = float(told["format"].get("start_time", 0)) + SECONDS - 1e-6
    packets = [packet for packet in told["packets"] if "pts_time" in packet]
    times = [float(packet["pts_time"]) for packet in packets]
    frame = min(time for time in times if time >= wanted)
    last = times.index(frame)
    keyframes = (i for i in range(last + 1) if "K" in packets[i]["flags"] and times[i] <= frame)
    first = max(keyframes, default=0)
    taken = packets[first : last + 1]

    moov, index = 0, 0
    if path.suffix == ".mp4":
        spans = [(int(packet["pos"]), int(packet["pos"]) + int(packet["size"])) for packet in taken]
        found = boxes(path)
        for box, following in zip(found, [*found[1:], None], strict=True):
            has_packet = following and any(following.start <= start < following.end for start, _ in spans)
            if box.kind in ("ftyp", "moov", "sidx") or box.kind == "moof" and has_packet:
                index += box.size
            if box.kind == "moov":
                moov = box.size
    return Need(
        size=path.stat().st_size,
        moov=moov,
        index=index,
        packets=sum(int(packet["size"]) for packet in taken),
        count=len(taken),
        frame=frame - float(told["format"].get("start_time", 0)),
    )


def warm(path: Path) -> None:
    """Reads the file into the page cache, except its holes, because the benchmark must not measure the disk."""
    with path.open("rb", buffering=0) as file:
        size, position = os.fstat(file.fileno()).st_size, 0
        while position < size:
            try:
                position = os.lseek(file.fileno(), position, os.SEEK_DATA)
            except OSError:  # only a hole is left
                return
            hole = os.lseek(file.fileno(), position, os.SEEK_HOLE)
            file.seek(position)
            while position < hole and (piece := file.read(min(1 << 22, hole - position))):
                position += len(piece)


# --- Tables ---------------------------------------------------------------------------------------------------------


def middle(runs: list[Run], what: str) -> float:
    return statistics.median(getattr(run, what) for run in runs)


def mb(count: float) -> str:
    return f"{count / 1e6:.2f}"


def row(*cells: object) -> None:
    print("| " + " | ".join(str(cell) for cell in cells) + " |")


def header(title: str, *cells: str) -> None:
    print(f"\n{title}\n")
    row(*cells)
    print("|---" * len(cells) + "|")


def by_program(title: str, figures: Figures, programs: list[str], cell: Callable[[list[Run]], str]) -> None:
    """Prints a table with a row per file and a column per program."""
    header(title, "file", *(PROGRAMS[program] for program in programs))
    for name, of_file in figures.items():
        cells = []
        for program in programs:
            runs = of_file.get(program)
            if not runs:
                cells.append("-")
            elif failed := [run for run in runs if run.failure]:
                cells.append(f"fails {len(failed)}/{len(runs)}")
            else:
                cells.append(cell(runs))
        row(name, *cells)


def against_floor(needs: dict[str, Need], figures: Figures, cpu: Cpu, grabs: list[str], arguments) -> None:
    """Prints the table of our own programs, with the costs that they report."""
    speed, latency = arguments.mbps * 1e6, arguments.latency_ms / 1000
    header(
        f"posterframe against the floor: {FEWEST_ROUND_TRIPS} round trips of {arguments.latency_ms:g} ms, the needed "
        f"bytes at {arguments.mbps:g} MB/s, and the CPU time of `grab` on the local file.",
        "file", "program", "floor ms", "wall ms", "ratio", "round trips", "requests", "needed MB", "used MB",
        "fetched MB", "sent MB", "sent over need MB", "waiting ms",
    )  # fmt: skip
    for name, of_file in figures.items():
        for program in grabs:
            runs = of_file.get(program)
            if not runs or any(run.failure for run in runs) or cpu.get(name) is None:
                continue
            transfer = needs[name].bytes / speed if speed else 0
            floor, wall = FEWEST_ROUND_TRIPS * latency + transfer + cpu[name], middle(runs, "wall")

            def told(key: str, runs: list[Run] = runs) -> float:
                return statistics.median(run.said.get(key, 0) for run in runs)

            row(name, PROGRAMS[program], f"{floor * 1000:.0f}", f"{wall * 1000:.0f}", f"{wall / floor:.2f}",
                f"{told('round_trips'):.0f} ({middle(runs, 'round_trips'):.0f} seen)",
                f"{told('requests'):.0f} ({middle(runs, 'requests'):.0f} seen)", mb(needs[name].bytes),
                mb(told("bytes_used")), mb(told("bytes_fetched")), mb(middle(runs, "sent")),
                mb(middle(runs, "sent") - needs[name].bytes), f"{told('waiting_ms'):.0f}")  # fmt: skip


def tables(needs: dict[str, Need], figures: Figures, cpu: Cpu, programs: list[str], arguments) -> None:
    """Prints all tables in Markdown."""
    header("Files, and what any reader needs of them (MB = 10^6 bytes).",
           "file", "MB", "moov MB", "index MB", "packets", "packets MB", "needed MB")  # fmt: skip
    for name, of_file in needs.items():
        row(name, mb(of_file.size), *(f"{size / 1e6:.3f}" if size else "-" for size in (of_file.moov, of_file.index)),
            of_file.count, mb(of_file.packets), mb(of_file.bytes))  # fmt: skip

    by_program("Wall ms of whole processes: median (smallest to largest).", figures, programs, lambda runs: (
        f"{middle(runs, 'wall') * 1000:.0f} ({min(run.wall for run in runs) * 1000:.0f}-"
        f"{max(run.wall for run in runs) * 1000:.0f})"
    ))  # fmt: skip
    by_program("Requests (of which one after the other) and MB sent.", figures, programs, lambda runs: (
        f"{middle(runs, 'requests'):.0f} ({middle(runs, 'round_trips'):.0f}), {mb(middle(runs, 'sent'))}"
    ))  # fmt: skip
    by_program("Peak memory, MB.", figures, programs, lambda runs: f"{max(run.memory for run in runs) / 1e6:.0f}")
    by_program("CPU ms, user and system.", figures, programs, lambda runs: f"{middle(runs, 'cpu') * 1000:.0f}")

    started = [program for program in programs if program in ("lambda", "pyav")]
    if started:
        title = "Of the wall ms, those before the work (imports and client; the interpreter's own start comes on top)."
        by_program(
            title, figures, started, lambda runs: f"{statistics.median(run.said['start'] for run in runs) * 1000:.0f}"
        )

    if grabs := [program for program in programs if program.startswith("grab")]:
        against_floor(needs, figures, cpu, grabs, arguments)
    for name, by_name in figures.items():
        for program, runs in by_name.items():
            if failure := next((run.failure for run in runs if run.failure), None):
                print(f"\n{name}, {program}: {failure}")


# --- Main -----------------------------------------------------------------------------------------------------------


def environment(server: Server, tools: dict[str, str]) -> dict[str, str]:
    """Returns this environment without proxies and real credentials. The range server does not check the credentials that it has."""
    kept = {
        name: value
        for name, value in os.environ.items()
        if not name.lower().endswith("_proxy") and not name.startswith("AWS_")
    }
    return {
        **kept,
        **tools,
        "AWS_ENDPOINT_URL": server.origin,
        "AWS_ACCESS_KEY_ID": "dummy",
        "AWS_SECRET_ACCESS_KEY": "dummy",
        "AWS_REGION": "us-east-1",
        "AWS_DEFAULT_REGION": "us-east-1",  # boto3 knows only this one
        "AWS_EC2_METADATA_DISABLED": "true",
    }


def first_line(*command: str) -> str:
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout.splitlines()[0]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, default=Path(os.environ.get("BENCH_DATA", "bench-data")))
    parser.add_argument("--files", nargs="+", default=FILES, metavar="NAME")
    parser.add_argument("--programs", nargs="+", default=list(PROGRAMS), choices=PROGRAMS, metavar="NAME")
    parser.add_argument("--runs", type=int, default=7)
    parser.add_argument("--latency-ms", type=float, default=30)
    parser.add_argument("--mbps", type=float, default=75)
    parser.add_argument("--limit-s", type=float, default=300, help="a command that takes longer is killed")
    parser.add_argument("--posterframe", default=str(HERE.parent / "target/release/posterframe"))
    parser.add_argument("--ffmpeg", default=default_ffmpeg(), help="default: imageio-ffmpeg's, else the one in PATH")
    parser.add_argument("--ffprobe", default="ffprobe")
    parser.add_argument("--json", type=Path, help="write every run there")
    arguments = parser.parse_args()

    programs = arguments.programs
    if not shutil.which(arguments.posterframe) and set(programs) & set(OURS):
        print(f"there is no {arguments.posterframe}: the others only", file=sys.stderr)
        programs = [program for program in programs if program not in OURS]
    if missing := [name for name in arguments.files if not (arguments.data / name).exists()]:
        sys.exit(f"not in {arguments.data}: {', '.join(missing)} (scripts/bench_files.py makes them)")

    versions = [first_line(arguments.ffmpeg, "-version"), first_line(arguments.ffprobe, "-version")]
    server = Server(arguments.data, arguments.latency_ms, arguments.mbps)
    try:
        paths = {"FFMPEG_PATH": arguments.ffmpeg, "FFPROBE_PATH": arguments.ffprobe}
        tools = Tools(arguments.ffmpeg, arguments.ffprobe, arguments.posterframe, environment(server, paths))
        needs: dict[str, Need] = {}
        figures: Figures = {}
        cpu: Cpu = {}
        for name in arguments.files:
            path = arguments.data / name
            warm(path)
            needs[name] = need(path, arguments.ffprobe)
            figures[name] = {p: [] for p in programs}
            for number in range(arguments.runs):
                for program, runs in figures[name].items():
                    if len(runs) >= SLOW_RUNS and runs[0].wall > SLOW:
                        continue
                    runs.append(measure(program, name, server, tools, arguments.limit_s))
                    print(f"{name} {number + 1} {program}: {runs[-1].wall * 1000:.0f} ms, {mb(runs[-1].sent)} MB"
                          f" {runs[-1].failure or ''}", file=sys.stderr)  # fmt: skip
            if any(program.startswith("grab") for program in programs):
                cpu[name] = local_cpu(path, tools, arguments.runs, arguments.limit_s)
    finally:
        server.stop()

    print(f"Median of {arguments.runs} runs (of {SLOW_RUNS} where one takes more than {SLOW} s); "
          f"{arguments.latency_ms:g} ms to the first byte, {arguments.mbps:g} MB/s per connection.")  # fmt: skip
    print(f"{versions[0].split(' Copyright')[0]}; {versions[1].split(' Copyright')[0]}")
    tables(needs, figures, cpu, programs, arguments)
    if arguments.json:
        record = {
            "latency_ms": arguments.latency_ms,
            "mbps": arguments.mbps,
            "versions": versions,
            "needs": {name: asdict(of_file) | {"bytes": of_file.bytes} for name, of_file in needs.items()},
            "local_grab_cpu": cpu,
            "runs": {n: {p: [asdict(r) for r in runs] for p, runs in of.items()} for n, of in figures.items()},
        }
        arguments.json.write_text(json.dumps(record, indent=1))


if __name__ == "__main__":
    main()
