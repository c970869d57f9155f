#!/usr/bin/env python3
"""Measures what hostile files cost until their first packet is decoded: `make cost [SEED=n] [KINDS="name ..."]`.

    scripts/cost.py [SEED]             every kind
    scripts/cost.py --short            some kinds, small: a part of `make test`
    scripts/cost.py --kind mp4.pssh    this kind (or `mp4` for all of a module); --write DIR keeps its files

A kind is a way to build a file of about N bytes whose cost could be out of proportion to N. Each module of `scripts/cost_kinds/`
has one family of containers, and exports
    KINDS   name -> function(size) -> bytes
    RANDOM  the same, but function(size, random.Random) -> bytes (optional)
    SIZES   name -> the smallest of the three sizes, if the usual one reveals nothing (optional)
    GRAB    name -> further arguments of `grab` (optional)
    PIXELS  name -> pixels of a picture, if decoding one picture takes a measurable time (optional). `grab` then takes the first
            picture, because up to a later one a file may cause as much work as the decoding limits allow
    SHORT   names that --short measures

Each kind is built in three sizes, each twice the one before. `probe` and `grab --pick keyframe`, which decodes one frame, read each
file in separate processes, which report their CPU time and peak resident memory (getrusage). n is the size in MB of 10^6 bytes, and
the costs of an empty file are subtracted. The limits are:
    CPU      at most 0.5 s + 0.3 s n; from the third size on, also a growth exponent of at most 1.15
    memory   at most 100 MB + 4 n, and never over 400 MB
    picture  20 ns and 8 bytes more for each pixel of PIXELS, because analysing streams and `grab` decode a picture
    errors   no crash, no panic, no internal error. A permanent error must name a limit, or report that the file is bad
    timeout  with `--timeout 0.1`, an end within 100 ms after it, also while a picture is decoded
POSTERFRAME names the program (target/debug/posterframe).
"""

from __future__ import annotations

import argparse
import importlib
import json
import math
import os
import random
import resource
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
FOLDER = Path(__file__).resolve().parent / "cost_kinds"

MB = 1_000_000
SMALLEST, SHORT_SMALLEST = 256 << 10, 64 << 10
CPU_SECONDS, CPU_SECONDS_PER_MB = 0.5, 0.3
MEMORY_MB, MEMORY_PER_MB, MOST_MEMORY_MB = 100, 4, 400
CPU_SECONDS_PER_PIXEL, MEMORY_MB_PER_PIXEL = 20e-9, 8e-6
EXPONENT = 1.15
# A growth below these values is that of the clock and the allocator.
LEAST_CPU, LEAST_MEMORY_MB = 0.4, 40
# The program is killed after this many seconds of CPU.
PATIENCE = 60
TIMEOUT, TIMEOUT_SLACK = 0.1, 0.1
# Exit codes: success; by `posterframe --help`: unsupported, malformed, limit exceeded, timeout.
GOOD = {0, 5, 6, 7, 8}
EXIT_TIMEOUT = 8


@dataclass(frozen=True)
class Run:
    code: int
    cpu: float
    memory_mb: float
    wall: float
    message: str


def run_and_report(arguments: list[str]) -> None:
    """Runs a program, and prints its costs as JSON. This process is small, because the peak memory of a child begins with its parent's."""
    read, write = os.pipe()
    started = time.monotonic()
    child = os.fork()
    if child == 0:
        os.close(read)
        os.dup2(write, 2)
        null = os.open(os.devnull, os.O_WRONLY)
        os.dup2(null, 1)
        resource.setrlimit(resource.RLIMIT_CPU, (PATIENCE, PATIENCE))
        resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
        try:
            os.execv(arguments[0], arguments)
        finally:
            os._exit(127)
    os.close(write)
    with os.fdopen(read, "rb") as pipe:
        message = pipe.read()
    _, status, used = os.wait4(child, 0)
    report = {
        "code": os.waitstatus_to_exitcode(status),
        "cpu": used.ru_utime + used.ru_stime,
        "memory_mb": used.ru_maxrss * 1024 / MB,
        "wall": time.monotonic() - started,
        "message": message.decode(errors="replace").strip()[-300:],
    }
    print(json.dumps(report))


def run(*arguments: str | Path) -> Run:
    command = [sys.executable, "-S", "-E", __file__, "--run", *map(str, arguments)]
    done = subprocess.run(command, stdout=subprocess.PIPE, check=True)
    return Run(**json.loads(done.stdout))


@dataclass
class Kind:
    name: str
    make: object
    smallest: int
    grab: tuple[str, ...]
    pixels: int
    is_random: bool


def kinds(seed: int, short: bool) -> list[Kind]:
    sys.path.insert(0, str(FOLDER))
    found = []
    for path in sorted(FOLDER.glob("*.py")):
        module = importlib.import_module(path.stem)
        made = dict(module.KINDS)
        for name, function in getattr(module, "RANDOM", {}).items():
            # The same seed gives the same files, regardless of other kinds.
            made[name] = lambda size, function=function, name=name: function(size, random.Random(f"{seed} {name}"))
        for name, make in made.items():
            if short and name not in module.SHORT:
                continue
            usual = SHORT_SMALLEST if short else SMALLEST
            smallest = getattr(module, "SIZES", {}).get(name, usual)
            pixels = getattr(module, "PIXELS", {}).get(name, 0)
            grab = getattr(module, "GRAB", {}).get(name, ("--at", "0") if pixels else ())
            is_random = name in getattr(module, "RANDOM", {})
            found.append(Kind(f"{path.stem}.{name}", make, smallest, tuple(grab), pixels, is_random))
    return found


def exponent(first: float, last: float, least: float) -> float:
    """Returns the growth exponent between the first and the third size, if the costs are large enough."""
    if last < least:
        return 0.0
    return math.log2(last / max(first, least / 8)) / 2


class Measurement:
    def __init__(self, program: Path, folder: Path) -> None:
        self.program, self.folder = program, folder
        empty = folder / "empty"
        empty.write_bytes(b"\0" * 8)
        starts = [run(program, "probe", empty) for _ in range(3)]
        self.start = min(starts, key=lambda start: start.cpu)
        self.faults: list[str] = []

    def measure(self, kind: Kind, keep: Path | None) -> None:
        commands = {"probe": ["probe"], "grab": ["grab", "--pick", "keyframe", *kind.grab, "-o", str(self.folder / "frame.jpg")]}
        runs: dict[str, list[Run]] = {name: [] for name in commands}
        sizes = []
        for factor in (1, 2, 4):
            file = self.folder / "hostile"
            data = kind.make(kind.smallest * factor)
            sizes.append(len(data))
            file.write_bytes(data)
            if keep:
                (keep / f"{kind.name}.{factor}").write_bytes(data)
            del data
            for name, command in commands.items():
                runs[name].append(run(self.program, command[0], file, *command[1:]))
        for name, results in runs.items():
            late = None
            if results[-1].cpu > 2 * TIMEOUT:
                # The best of three attempts, because a busy machine delays programs.
                timed = (run(self.program, name, file, *commands[name][1:], "--timeout", str(TIMEOUT)) for _ in range(3))
                late = min(timed, key=lambda result: result.wall)
            self.judge(kind, name, sizes, results, late)

    def judge(self, kind: Kind, command: str, sizes: list[int], results: list[Run], late: Run | None) -> None:
        faults = []
        cpus = [max(0.0, result.cpu - self.start.cpu) for result in results]
        extra = [max(0.0, result.memory_mb - self.start.memory_mb) for result in results]
        cpu_bounds = [CPU_SECONDS + CPU_SECONDS_PER_MB * size / MB + CPU_SECONDS_PER_PIXEL * kind.pixels for size in sizes]
        memory_bounds = [MEMORY_MB + MEMORY_PER_MB * size / MB + MEMORY_MB_PER_PIXEL * kind.pixels for size in sizes]
        memory_bounds = [min(bound, MOST_MEMORY_MB) for bound in memory_bounds]
        growth = exponent(cpus[0], cpus[-1], LEAST_CPU)
        memory_growth = exponent(extra[0], extra[-1], LEAST_MEMORY_MB)
        for size, cpu, result, cpu_bound, memory_bound in zip(sizes, cpus, results, cpu_bounds, memory_bounds):
            n = size / MB
            if cpu > cpu_bound:
                faults.append(f"CPU {cpu:.2f} s of {n:.3f} MB")
            if result.memory_mb > memory_bound:
                faults.append(f"{result.memory_mb:.0f} MB of {n:.3f} MB")
            if result.code not in GOOD:
                faults.append(f"exit code {result.code}: {result.message[-160:]}")
        # Random trees of three sizes have little in common.
        if growth > EXPONENT and not kind.is_random:
            faults.append(f"CPU grows by {growth:.2f}")
        if memory_growth > EXPONENT and not kind.is_random:
            faults.append(f"memory grows by {memory_growth:.2f}")
        # A busy machine delays the end. A program that misses its deadline continues to use CPU.
        patience = TIMEOUT + TIMEOUT_SLACK
        is_deaf = late is not None and min(late.wall - self.start.wall, late.cpu - self.start.cpu) > patience
        if late is not None and late.code == EXIT_TIMEOUT and is_deaf:
            faults.append(f"{late.wall:.2f} s with --timeout {TIMEOUT}")
        codes = "/".join(str(result.code) for result in results)
        print(
            f"{kind.name:34} {command:5} {sizes[-1] / MB:8.3f} MB  {cpus[-1]:6.2f} s of {cpu_bounds[-1]:5.2f}  "
            f"{results[-1].memory_mb:5.0f} MB of {memory_bounds[-1]:3.0f}  growth {growth:5.2f} {memory_growth:5.2f}  exit {codes:7}"
            f"{'  FAULT: ' + '; '.join(dict.fromkeys(faults)) if faults else ''}",
            flush=True,
        )
        self.faults.extend(f"{kind.name} {command}: {fault}" for fault in dict.fromkeys(faults))


def main() -> None:
    if sys.argv[1:2] == ["--run"]:
        run_and_report(sys.argv[2:])
        return
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("seed", nargs="?", type=int, default=None, help="seed of the random kinds")
    parser.add_argument("--short", action="store_true", help="some kinds, small")
    parser.add_argument("--kind", action="append", default=[], help="this kind, or all of this module")
    parser.add_argument("--write", type=Path, help="keep the files in this folder")
    options = parser.parse_args()
    seed = options.seed if options.seed is not None else random.SystemRandom().randrange(1 << 32)
    print(f"SEED={seed}", flush=True)
    program = Path(os.environ.get("POSTERFRAME", ROOT / "target" / "debug" / "posterframe")).resolve()
    if not program.is_file():
        sys.exit(f"cost: there is no program {program}: cargo build --locked --features static --bin posterframe")
    chosen = kinds(seed, options.short)
    wanted = options.kind
    if wanted:
        chosen = [kind for kind in chosen if kind.name in wanted or kind.name.partition(".")[0] in wanted]
        if not chosen:
            sys.exit(f"cost: no kind is called {', '.join(wanted)}")
    with tempfile.TemporaryDirectory(prefix="posterframe-cost-") as name:
        measurement = Measurement(program, Path(name))
        print(f"an empty file takes {measurement.start.cpu:.3f} s and {measurement.start.memory_mb:.0f} MB", flush=True)
        for kind in chosen:
            measurement.measure(kind, options.write)
    if measurement.faults:
        print(f"\n{len(measurement.faults)} faults (make cost SEED={seed}):", *measurement.faults, sep="\n    ")
        sys.exit(1)
    print(f"{len(chosen)} kinds within the bound")


if __name__ == "__main__":
    main()
