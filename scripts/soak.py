#!/usr/bin/env python3
"""Lets one process read thousands of good and bad files, and fails if its use of resources grows: `make soak FILES=10000 [SEED=n]`.

A quarter of the files are those of a folder (the fixtures). The others are changed copies of them (scripts/mutations), drawn anew in
each run. The example `soak` takes frames of each file by the library, and reports after every 500 files how much memory, how many
descriptors, and how many threads it has. The first 1,000 files are the warm-up, in which caches fill and libraries initialise.
After the warm-up

- memory may grow by at most BOUND kilobytes per 1,000 files, by the median of the slopes between all pairs of samples (Theil and
  Sen), which single samples do not affect;
- descriptors and threads must be flat: the minimum of the last third is at most the maximum of the first third.

With ISOLATE=process, a child of the process decodes, and these bounds apply to its parent. The child's memory is printed as well.

The heap returns memory to the system as soon as it can, so that memory kept for later use does not look like growth.

A file that ends the process, that gets no answer, or whose error does not blame the file, stays in `target/soak/`.
"""

from __future__ import annotations

import argparse
import contextlib
import os
import queue
import random
import shlex
import statistics
import subprocess
import sys
import threading
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from mutate import FIXTURES, ROOT, media_files, seed_from_environment
from mutations import mutant

EVERY = 500
WARM_UP = 1000
# Kilobytes per 1,000 files: a quarter of a kilobyte a file.
BOUND = 256
# Outcomes that do not blame the file.
BLAMED = ("internal", "unavailable", "not_found", "denied", "config", "cancelled")
# Settings of glibc's heap: one arena, which keeps at most 64 KiB at its end; larger blocks are mapped and unmapped.
HEAP = {"MALLOC_ARENA_MAX": "1", "MALLOC_TRIM_THRESHOLD_": "65536", "MALLOC_MMAP_THRESHOLD_": "65536"}
# The limit for a file. The example allows 2 s for each of its calls.
PATIENCE_SECONDS = 60


@dataclass
class Sample:
    """The resources of the process after some files."""

    files: int
    kilobytes: int
    descriptors: int
    threads: int
    kilobytes_of_children: int = 0


class Ended(Exception):
    """The process ended, or did not answer. The message describes it."""


class Driver:
    """The process that reads the files."""

    def __init__(self, command: list[str], patience: float = PATIENCE_SECONDS) -> None:
        self.patience = patience
        pipe = subprocess.PIPE
        self.process = subprocess.Popen(command, stdin=pipe, stdout=pipe, text=True, env=os.environ | HEAP)
        self.lines: queue.Queue[str | None] = queue.Queue()
        self.reader = threading.Thread(target=self._read, daemon=True)
        self.reader.start()
        self.samples: list[Sample] = []

    def _read(self) -> None:
        for line in self.process.stdout:
            self.lines.put(line.rstrip("\n"))
        self.lines.put(None)

    def take(self, path: Path, is_sample: bool) -> str:
        """Lets the process read a file. Returns its outcome."""
        try:
            self.process.stdin.write(f"{path}\n")
            self.process.stdin.flush()
        except BrokenPipeError:
            raise Ended(f"ended with {self.process.wait()}") from None
        outcome = self._line()
        if is_sample:
            sample = Sample(*map(int, self._line().split("\t")[1:]))
            memory, children = sample.kilobytes / 1000, sample.kilobytes_of_children / 1000
            print(f"{sample.files}\t{memory:.1f}\t{sample.descriptors}\t{sample.threads}\t{children:.1f}", flush=True)
            self.samples.append(sample)
        return outcome

    def _line(self) -> str:
        try:
            line = self.lines.get(timeout=self.patience)
        except queue.Empty:
            self.process.kill()
            raise Ended(f"did not answer within {self.patience:g} s") from None
        if line is None:
            raise Ended(f"ended with {self.process.wait()}")
        return line

    def close(self) -> None:
        with contextlib.suppress(BrokenPipeError):
            self.process.stdin.close()
        self.process.wait()
        self.reader.join()
        self.process.stdout.close()


def slope(samples: list[Sample]) -> float:
    """Returns the growth of memory in kilobytes per 1,000 files: the median over all pairs of samples."""
    pairs = ((a, b) for at, a in enumerate(samples) for b in samples[at + 1 :])
    return statistics.median(1000 * (b.kilobytes - a.kilobytes) / (b.files - a.files) for a, b in pairs)


def judge(samples: list[Sample], bound: float) -> list[str]:
    """Returns the resources that grow in the samples after the warm-up."""
    found = []
    grown = slope(samples)
    if grown > bound:
        found.append(f"memory grows by {grown:.0f} kB per 1,000 files, {bound:g} are allowed")
    third = max(1, len(samples) // 3)
    for name in ("descriptors", "threads"):
        held = [getattr(sample, name) for sample in samples]
        before, after = max(held[:third]), min(held[-third:])
        if after > before:
            found.append(f"{name} grow from {before} to {after}")
    return found


def files_to_read(corpus: list[tuple[Path, str]], count: int, seed: str, folder: Path) -> Iterator[Path]:
    """Writes one file after the other to the folder."""
    for number in range(1, count + 1):
        chance = random.Random(f"{seed} soak {number}")
        path, _ = chance.choice(corpus)
        data = path.read_bytes()
        if chance.random() < 0.75:
            data = mutant(data, chance.randrange(2), chance, lambda: chance.choice(corpus)[0].read_bytes()).data
        written = folder / f"{seed}-{number}{path.suffix}"
        written.write_bytes(data)
        yield written


def soak(command: list[str], options: argparse.Namespace) -> list[str]:
    """Returns the failures."""
    options.folder.mkdir(parents=True, exist_ok=True)
    isolate = ["isolate"] if os.environ.get("ISOLATE") == "process" else []
    driver = Driver([*command, str(options.every), *isolate])
    outcomes: Counter[str] = Counter()
    found = []
    corpus = list(media_files(options.paths))
    print("files\tMB\tdescriptors\tthreads\tMB of children")
    try:
        for number, path in enumerate(files_to_read(corpus, options.files, options.seed, options.folder), 1):
            outcome = driver.take(path, number % options.every == 0)
            outcomes[outcome] += 1
            if outcome in BLAMED:
                found.append(f"{path}: an error of the kind {outcome}")
            else:
                path.unlink()
    except Ended as end:
        return [*found, f"{path}: the process {end}"]
    finally:
        driver.close()
        print(", ".join(f"{count} {outcome}" for outcome, count in outcomes.most_common()))
    samples = [sample for sample in driver.samples if sample.files >= options.warm_up]
    if len(samples) < 3:
        return found + [f"{len(samples)} samples behind the warm-up are too few: FILES has to be {options.warm_up + 2 * options.every} or more"]
    print(f"memory: {slope(samples):+.0f} kB per 1,000 files (allowed: {options.bound:g})")
    return found + judge(samples, options.bound)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("paths", nargs="*", type=Path, default=[FIXTURES], help="files and folders; none: the fixtures")
    parser.add_argument("--files", type=int, default=int(os.environ.get("FILES") or 10_000), metavar="N", help="files to read")
    parser.add_argument("--example", type=shlex.split, default=[str(ROOT / "target/debug/examples/soak")], help="the built example")
    parser.add_argument("--every", type=int, default=EVERY, metavar="N", help="files between two samples")
    parser.add_argument("--warm-up", type=int, default=WARM_UP, metavar="N", help="files before the first sample that counts")
    parser.add_argument("--bound", type=float, default=BOUND, metavar="KB", help="growth of memory per 1,000 files")
    parser.add_argument("--folder", type=Path, default=ROOT / "target" / "soak", help="where the files are written")
    options = parser.parse_args()
    options.seed = seed_from_environment()
    print(f"SEED={options.seed}", flush=True)
    found = soak(options.example, options)
    for fault in found:
        print(f"    {fault}")
    print(f"SEED={options.seed}: {options.files} files: {len(found)} faults")
    print(f"test result: {'FAILED. 0 passed; 1 failed' if found else 'ok. 1 passed; 0 failed'}")
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
