#!/usr/bin/env python3
"""Takes a frame of many changed copies of each file in a folder, and fails if the program does not survive a copy:
`make mutate CORPUS=dir [MUTATIONS=150] [SEED=n]`.

A separate process reads each copy (scripts/mutations): `posterframe grab COPY`, with a random time. A failure is

- an end by a signal, a panic, an exit code that `posterframe --help` does not list, or JSON that contradicts the exit code;
- an error that blames the program, its settings, or its surroundings for a fault of the file (`internal`, `unavailable` and others);
- an answer later than `--timeout` and 0.1 s. The script first measures how long a process takes to start, and adds that. A late
  answer counts only if it is late again while nothing else runs here;
- a peak of memory over 400 MB and four times the file.

The script keeps a failing copy in `target/mutate/`, beside a text with the failure, the changes, and the command that repeats it.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import shlex
import subprocess
import sys
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path

from mutations import mutant

ROOT = Path(__file__).resolve().parent.parent
FIXTURES = ROOT / "tests" / "fixtures"
# Small files, one of each family, for --short.
SHORT = ("h264_front.mp4", "h264_frag_sidx.mp4", "grid.heic", "vp9.webm", "h264.ts", "mpeg4.avi", "flv.flv", "theora.ogv", "wmv2.asf", "gif.gif")
KINDS = {5: "unsupported", 6: "malformed", 7: "limit_exceeded", 8: "timeout"}
PANIC = b"panicked at"
PANICKED = 101
TIMES = ("5", "5", "0", "0.5", "middle", "90%", "-0.5")
MEGABYTE = 1_000_000
MEMORY_BYTES, MEMORY_FACTOR = 400 * MEGABYTE, 4
LATE_SECONDS = 0.1
# A process is killed this long after its timeout.
PATIENCE_SECONDS = 5
# Larger files of a folder are left out, because a run reads each file thousands of times.
MAX_FILE = 64 * MEGABYTE


@dataclass
class Run:
    """The result of a process. A negative status is the number of a signal."""

    status: int
    seconds: float
    peak_bytes: int
    output: bytes
    errors: bytes


@dataclass
class Failure:
    """A copy that the program did not survive."""

    name: str
    number: int
    reason: str
    kept: Path


@dataclass
class Result:
    """The results of the copies of a file."""

    name: str
    outcomes: Counter[str] = field(default_factory=Counter)
    failures: list[Failure] = field(default_factory=list)
    # Seconds or bytes, with the copy that used them.
    slowest: tuple[float, int] = (0, 0)
    largest: tuple[int, int] = (0, 0)

    @property
    def runs(self) -> int:
        return sum(self.outcomes.values())

    def count(self, number: int, outcome: str, run: Run) -> None:
        self.outcomes[outcome] += 1
        self.slowest = max(self.slowest, (run.seconds, number))
        self.largest = max(self.largest, (run.peak_bytes, number))

    def cost(self) -> str:
        (seconds, slowest), (peak, largest) = self.slowest, self.largest
        return f"slowest {seconds:.2f} s (copy {slowest}), largest {peak / MEGABYTE:.0f} MB (copy {largest})"


def run_process(command: list[str], limit: float) -> Run:
    """Runs a program to its end, or kills it after `limit` seconds."""
    with tempfile.TemporaryFile() as output, tempfile.TemporaryFile() as errors:
        started = time.monotonic()
        process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=output, stderr=errors)
        killer = threading.Timer(limit, process.kill)
        killer.start()
        _, status, usage = os.wait4(process.pid, 0)
        seconds = time.monotonic() - started
        killer.cancel()
        process.returncode = os.waitstatus_to_exitcode(status)
        output.seek(0)
        errors.seek(0)
        return Run(process.returncode, seconds, usage.ru_maxrss * 1024, output.read(), errors.read())


def judge(run: Run, size: int, timeout: float, start: float) -> tuple[str, str | None]:
    """Returns the outcome of a run, and the reason if it is a failure. `start` is the time that a process takes to start."""
    late = run.seconds > timeout + LATE_SECONDS + start
    if late:
        return "late", f"answered after {run.seconds:.2f} s, {timeout:g} s were allowed"
    if run.status < 0:
        return "signal", f"ended by signal {-run.status}"
    if run.status == PANICKED or PANIC in run.errors:
        return "panic", f"panicked: {run.errors.decode('utf-8', 'replace').strip()[-300:]}"
    if run.peak_bytes > MEMORY_BYTES + MEMORY_FACTOR * size:
        return "memory", f"took {run.peak_bytes / MEGABYTE:.0f} MB for a file of {size / MEGABYTE:.3f} MB"
    try:
        said = json.loads(run.output)
    except ValueError as error:
        return "json", f"exit code {run.status}, and no JSON: {error}: {run.output[:200]!r}"
    if not isinstance(said, dict):
        return "json", f"exit code {run.status}, and JSON without an object: {run.output[:200]!r}"
    if run.status == 0:
        is_picture = "error" not in said and said.get("bytes")
        return ("picture", None) if is_picture else ("json", f"exit code 0 without a picture: {said}")
    error = said.get("error")
    kind = error.get("kind") if isinstance(error, dict) else None
    if run.status not in KINDS:
        return "blame", f"exit code {run.status}: {error}"
    if kind != KINDS[run.status]:
        return "json", f"exit code {run.status}, and an error of the kind {kind}"
    return kind, None


class Campaign:
    """All runs over some files, with one seed."""

    def __init__(self, files: list[tuple[Path, str]], options: argparse.Namespace) -> None:
        self.files = files
        self.options = options
        self.start = 0.0
        # Copies with a late answer. They are tried again when nothing else runs: result, file, number.
        self.late: list[tuple[Result, Path, int]] = []
        self.work = tempfile.TemporaryDirectory()

    def measure_start(self) -> float:
        """Returns the longest time of some starts of the program without work."""
        command = [*self.options.program, "--version"]
        runs = [run_process(command, 60) for _ in range(5)]
        if any(run.status for run in runs):
            raise SystemExit(f"mutate: {shlex.join(command)} ends with {runs[0].status}: {runs[0].errors.decode()}")
        return max(run.seconds for run in runs)

    def other(self, chance: random.Random) -> Callable[[], bytes]:
        return lambda: chance.choice(self.files)[0].read_bytes()

    def copy(self, path: Path, name: str, number: int) -> tuple[bytes, list[str], str]:
        """Makes a copy. Returns the copy, its changes, and the time of the frame to request."""
        chance = random.Random(f"{self.options.seed} {name} {number}")
        made = mutant(path.read_bytes(), number, chance, self.other(chance))
        return made.data, made.changes, chance.choice(TIMES)

    def command(self, path: Path, at: str) -> list[str]:
        timeout = f"{self.options.timeout:g}"
        # A value that begins with a minus needs the equals sign.
        return [*self.options.program, "grab", str(path), "--format", "jpeg", "-o", "/dev/null", "--json", f"--at={at}", "--timeout", timeout]

    def attempt(self, result: Result, path: Path, number: int, is_last: bool) -> None:
        """Takes a frame of one copy. A late answer is remembered for another attempt, unless this is the last attempt."""
        data, changes, at = self.copy(path, result.name, number)
        copy = Path(self.work.name) / f"{threading.get_ident()}{path.suffix}"
        copy.write_bytes(data)
        run = run_process(self.command(copy, at), self.options.timeout + PATIENCE_SECONDS)
        outcome, reason = judge(run, len(data), self.options.timeout, self.start)
        if outcome == "late" and not is_last:
            self.late.append((result, path, number))
            return
        result.count(number, outcome, run)
        if reason:
            kept = self.keep(result.name, number, path.suffix, data, at, (reason, *changes), run)
            result.failures.append(Failure(result.name, number, reason, kept))

    def keep(self, name: str, number: int, suffix: str, data: bytes, at: str, story: tuple[str, ...], run: Run) -> Path:
        """Writes a failing copy, and its description beside it."""
        self.options.keep.mkdir(parents=True, exist_ok=True)
        kept = self.options.keep / f"{Path(name).stem}-{self.options.seed}-{number}{suffix}"
        kept.write_bytes(data)
        lines = [f"copy {number} of {name}, SEED={self.options.seed}", *story, shlex.join(self.command(kept, at))]
        errors = run.errors.decode("utf-8", "replace")
        kept.with_name(kept.name + ".txt").write_text("\n".join(lines) + f"\n\n{errors}", encoding="utf-8")
        return kept

    def run(self) -> list[Result]:
        self.start = self.measure_start()
        numbers = [self.options.only] if self.options.only is not None else range(self.options.mutations)
        results = []
        with ThreadPoolExecutor(self.options.jobs) as pool:
            for path, name in self.files:
                result = Result(name)
                list(pool.map(lambda number: self.attempt(result, path, number, False), numbers))  # noqa: B023
                result.failures.sort(key=lambda failure: failure.number)
                print_result(result)
                results.append(result)
        if self.late:
            self.start = self.measure_start()
            print(f"{len(self.late)} late answers, once more, alone:", flush=True)
        for result, path, number in self.late:
            known = len(result.failures)
            self.attempt(result, path, number, True)
            for failure in result.failures[known:]:
                print_failure(failure)
        self.work.cleanup()
        return results


def print_failure(failure: Failure) -> None:
    print(f"    {failure.name}, copy {failure.number}: {failure.reason}", flush=True)
    print(f"        {failure.kept}", flush=True)


def print_result(result: Result) -> None:
    outcomes = ", ".join(f"{count} {outcome}" for outcome, count in sorted(result.outcomes.items()))
    print(f"{result.name}: {len(result.failures)} failures in {result.runs} copies ({outcomes}); {result.cost()}", flush=True)
    for failure in result.failures:
        print_failure(failure)


def print_summary(results: list[Result], seed: str) -> bool:
    """Prints the last lines. Returns whether there was no failure."""
    runs, failures = sum(result.runs for result in results), sum(len(result.failures) for result in results)
    outcomes = sum((result.outcomes for result in results), Counter())
    slowest, largest = max(results, key=lambda result: result.slowest), max(results, key=lambda result: result.largest)
    print(", ".join(f"{count} {outcome}" for outcome, count in outcomes.most_common()))
    print(
        f"SEED={seed}: {runs} copies of {len(results)} files: {failures} failures; slowest {slowest.slowest[0]:.2f} s ({slowest.name}), "
        f"largest {largest.largest[0] / MEGABYTE:.0f} MB ({largest.name})"
    )
    # The form in which cargo's tests end, so that scripts/test.sh counts these.
    at_fault = sum(bool(result.failures) for result in results)
    print(f"test result: {'FAILED' if at_fault else 'ok'}. {len(results) - at_fault} passed; {at_fault} failed")
    return not at_fault


def media_files(paths: list[Path]) -> Iterator[tuple[Path, str]]:
    """Lists the files, each with its name in the report."""
    for path in paths:
        if path.is_file():
            yield path, path.name
        for file in sorted(path.rglob("*")) if path.is_dir() else []:
            name = str(file.relative_to(path))
            if file.is_file() and file.stat().st_size > MAX_FILE:
                print(f"{name}: not taken: over {MAX_FILE / MEGABYTE:.0f} MB", flush=True)
            elif file.is_file():
                yield file, name


def seed_from_environment() -> str:
    return os.environ.get("SEED") or str(random.randrange(1 << 30))


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("paths", nargs="*", type=Path, help="files and folders; none: the fixtures")
    parser.add_argument("--mutations", type=int, default=int(os.environ.get("MUTATIONS") or 150), metavar="N", help="copies per file")
    parser.add_argument("--only", type=int, metavar="NUMBER", help="one copy of each file: that of this number")
    parser.add_argument("--short", action="store_true", help="a few fixtures, one of each family of formats")
    parser.add_argument("--program", type=shlex.split, default=None, help="the program and its first arguments; else POSTERFRAME")
    parser.add_argument("--timeout", type=float, default=10, metavar="SECONDS", help="of each copy")
    parser.add_argument("--jobs", type=int, default=int(os.environ.get("JOBS") or 2), help="copies at once")
    parser.add_argument("--keep", type=Path, default=ROOT / "target" / "mutate", metavar="DIR", help="where failing copies stay")
    options = parser.parse_args()
    options.program = options.program or [os.environ.get("POSTERFRAME") or str(ROOT / "target/debug/posterframe")]
    options.seed = seed_from_environment()
    paths = options.paths or ([FIXTURES / name for name in SHORT] if options.short else [FIXTURES])
    files = list(media_files(paths))
    if not files:
        parser.error("there is no file")
    print(f"SEED={options.seed}", flush=True)
    return 0 if print_summary(Campaign(files, options).run(), options.seed) else 1


if __name__ == "__main__":
    sys.exit(main())
