#!/usr/bin/env python3
"""Builds the test programs of `cargo test`, and runs two of them at a time: many tests wait for servers and leave the processors idle.

    scripts/run_tests.py [ARGUMENT ...]    arguments of `cargo test`, for example --locked --features static

The output of each program is printed when the program ends, in cargo's form. Programs in ALONE measure times: they run last, one by
one. The documentation tests run after them. The exit status is 1 if a test failed, and that of cargo if the build failed.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor, as_completed
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
AT_ONCE = 2
# These programs run for longest. They start first, so that none of them runs by itself at the end.
LONGEST = ["lambda", "scale", "mysql", "libav", "doctor", "cage"]
ALONE = ["round_trips"]


def build(arguments: list[str]) -> dict[str, Path]:
    """Returns the test programs by the names of their targets."""
    command = ["cargo", "test", "--no-run", "--message-format=json-render-diagnostics", *arguments]
    with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True) as cargo:
        assert cargo.stdout is not None
        programs = {}
        for line in cargo.stdout:
            message = json.loads(line)
            if message.get("reason") == "compiler-artifact" and message["profile"]["test"] and message["executable"]:
                target = message["target"]
                # The library and the programs may have the same name.
                name = target["name"] if target["kind"] == ["test"] else f"{target['kind'][0]} {target['name']}"
                programs[name] = Path(message["executable"])
    if cargo.returncode:
        sys.exit(cargo.returncode)
    return programs


def run(name: str, program: Path) -> bool:
    # The variables that `cargo test` sets and that programs started by tests could read.
    environment = os.environ | {"CARGO_MANIFEST_DIR": str(ROOT)}
    start = time.monotonic()
    done = subprocess.run([program], cwd=ROOT, env=environment, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, errors="replace")
    # One write, because another program may end at the same time.
    sys.stdout.write(f"     Running {name} ({program.relative_to(ROOT)}), {time.monotonic() - start:.0f} s\n{done.stdout}\n")
    sys.stdout.flush()
    if done.returncode < 0:
        print(f"{name} ended by signal {-done.returncode}", flush=True)
    return done.returncode == 0


def main() -> None:
    arguments = sys.argv[1:]
    programs = build(arguments)
    unknown = [name for name in LONGEST + ALONE if name not in programs]
    if unknown:
        sys.exit(f"run_tests: there is no test program {', '.join(unknown)}")
    together = sorted(programs.keys() - ALONE, key=lambda name: LONGEST.index(name) if name in LONGEST else len(LONGEST))
    failed = []
    with ThreadPoolExecutor(AT_ONCE) as pool:
        running = {pool.submit(run, name, programs[name]): name for name in together}
        failed += [running[future] for future in as_completed(running) if not future.result()]
    failed += [name for name in ALONE if not run(name, programs[name])]
    if subprocess.run(["cargo", "test", "--doc", "--no-fail-fast", *arguments], cwd=ROOT).returncode:
        failed.append("documentation")
    if failed:
        sys.exit(f"run_tests: failed: {', '.join(failed)}")


if __name__ == "__main__":
    main()
