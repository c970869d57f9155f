#!/usr/bin/env python3
"""Compares CPU time and peak memory of `posterframe grab` with `ffprobe` followed by `ffmpeg`, on one local file.

    scripts/bench_cpu.py --ffmpeg PATH --ffprobe PATH VIDEO [--posterframe target/release/posterframe] [--runs 15]

Each round runs all three programs once, so that other load on the machine affects all of them. The script reports medians. CPU is
user plus system time of the whole child process (wait4), and memory is its largest resident set (ru_maxrss).
"""

import argparse
import os
import statistics
import subprocess
import sys
import tempfile


def run(command):
    """Returns the CPU milliseconds and the peak megabytes (10^6 bytes) of one command."""
    child = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)
    # The pipe gets only a few error messages, so waiting before reading cannot block.
    _, status, usage = os.wait4(child.pid, 0)
    errors = child.stderr.read().decode(errors="replace")
    child.returncode = os.waitstatus_to_exitcode(status)
    if child.returncode != 0:
        sys.exit(f"failed ({child.returncode}): {' '.join(command)}\n{errors}")
    return (usage.ru_utime + usage.ru_stime) * 1000, usage.ru_maxrss * 1024 / 1e6


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("video")
    parser.add_argument("--ffmpeg", required=True)
    parser.add_argument("--ffprobe", required=True)
    parser.add_argument("--posterframe", default="target/release/posterframe")
    parser.add_argument("--runs", type=int, default=15)
    arguments = parser.parse_args()

    with tempfile.TemporaryDirectory() as folder:
        ours, theirs = os.path.join(folder, "x.jpg"), os.path.join(folder, "y.jpg")
        commands = {
            "posterframe grab": [arguments.posterframe, "grab", arguments.video, "-o", ours],
            "ffprobe": [arguments.ffprobe, "-v", "error", "-show_format", "-show_streams", "-of", "json", arguments.video],
            "ffmpeg": [arguments.ffmpeg, "-nostdin", "-v", "error", "-y", "-ss", "5", "-i", arguments.video]
            + ["-frames:v", "1", theirs],
        }
        figures = {name: [] for name in commands}
        for round_number in range(arguments.runs + 1):
            for name, command in commands.items():
                figure = run(command)
                if round_number > 0:  # the first round warms the page cache
                    figures[name].append(figure)
        size = f"{os.path.getsize(ours)} and {os.path.getsize(theirs)} bytes"

    print(f"median of {arguments.runs}; {os.path.basename(arguments.video)}, JPEGs of {size}")
    print(f"{'program':18} {'CPU ms':>8} {'min':>7} {'max':>7} {'peak MB':>8}")
    cpu = {}
    for name, measured in figures.items():
        times = [time for time, _ in measured]
        cpu[name] = statistics.median(times)
        print(f"{name:18} {cpu[name]:8.1f} {min(times):7.1f} {max(times):7.1f} {max(m for _, m in measured):8.1f}")
    print(f"posterframe / (ffprobe + ffmpeg) = {cpu['posterframe grab'] / (cpu['ffprobe'] + cpu['ffmpeg']):.2f}")


if __name__ == "__main__":
    main()
