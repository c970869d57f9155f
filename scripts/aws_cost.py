#!/usr/bin/env python3
"""Computes what a million videos take and cost on AWS, with posterframe and with the Python Lambda that it replaces.

    scripts/aws_cost.py                               the tables of docs/scaling.md (tests/documents.rs checks that they are equal)
    scripts/aws_cost.py --list                        every input: its name, value, unit, and source
    scripts/aws_cost.py lambda_gb_second=0.0000133334 memory_mb=512      the tables with other inputs

Prices are in USD, for us-east-1. Sizes are in MB of 10^6 bytes, as S3 bills them; memory and /tmp are in MB of 2^20, as Lambda bills.
"""

import math
import signal
import sys

# name: (value, unit, source)
INPUTS = {
    "lambda_gb_second": (0.0000166667, "USD", "AWS Lambda pricing, x86; arm64 0.0000133334"),
    "lambda_million_requests": (0.20, "USD", "AWS Lambda pricing"),
    "storage_gb_second": (0.0000000309, "USD", "AWS Lambda pricing: /tmp beyond 512 MB"),
    "s3_thousand_gets": (0.0004, "USD", "Amazon S3 pricing: GET and HEAD"),
    "s3_thousand_puts": (0.005, "USD", "Amazon S3 pricing: PUT"),
    "logs_gb": (0.50, "USD", "Amazon CloudWatch pricing: logs taken in"),
    "nat_gb": (0.045, "USD", "Amazon VPC pricing: data through a NAT gateway"),
    "vcpu_mb": (1769, "MB", "AWS Lambda Developer Guide: memory with one whole processor"),
    "s3_seconds": (0.03, "s", "assumed: S3's answer to a request, as in docs/benchmarks.md"),
    "api_seconds": (0.05, "s", "assumed: the catalogue API's answer"),
    "database_seconds": (0.01, "s", "assumed: reading and writing the row"),
    "mb_per_second": (75, "MB/s", "assumed: what one function gets from S3"),
    "memory_mb": (1024, "MB", "the Terraform module's"),
    "cpu_seconds": (0.095, "s", "measured: docs/benchmarks.md, processor time of a whole job"),
    "gets": (3, "", "measured: docs/benchmarks.md, requests for a film of 490 MB"),
    "mb_read": (1.37, "MB", "measured: docs/benchmarks.md, the same for 50 MB, 491 MB and 5 GB"),
    "heads": (5, "", "counted: tests/lambda.rs"),
    "puts": (1, "", "counted: tests/lambda.rs"),
    "log_kb": (3.1, "kB", "counted: tests/lambda.rs"),
    "platform_log_kb": (0.4, "kB", "assumed: Lambda's own START, END and REPORT"),
    "search_seconds": (0.5, "s", "measured: docs/benchmarks.md, the processor of MySQL 9.7, for a new row without the optional index"),
    "million_rows": (1, "", "rows of video_assets, in millions"),
    "trips": (4, "", "counted: docs/benchmarks.md, answers of S3 that are waited for one after another"),
    "python_cpu_seconds": (0.417, "s", "measured: docs/benchmarks.md, ffprobe and ffmpeg; Python's own comes on top"),
    "python_part_mb": (8.388608, "MB", "boto3's: one GET for so much of the file"),
    "python_trips": (3, "", "boto3's: HEAD, the first GET, PUT"),
    "python_log_kb": (0.8, "kB", "assumed: its eight messages"),
}

# The videos: MB, and the memory that the page of the replaced Lambda recommends for such a file.
SIZES = ((50, 1024), (500, 2048), (4000, 3008))
MEMORIES = (128, 256, 512, 1024, 1769, 3008)
CONCURRENCIES = (5, 20, 50, 100, 500)
MILLION = 1_000_000


def duration(price, cpu, memory, trips, read):
    """Returns the seconds of an invocation for one video: the share of the processor that the memory gives, waiting, reading."""
    waiting = trips * price["s3_seconds"] + price["api_seconds"] + price["database_seconds"]
    return cpu / min(1.0, memory / price["vcpu_mb"]) + waiting + read / price["mb_per_second"]


def costs(price, seconds, memory, storage, gets, puts, log_kb):
    """Returns the USD for a million videos, by item of the bill."""
    return {
        "Lambda, time": MILLION * seconds * memory / 1024 * price["lambda_gb_second"],
        "Lambda, requests": price["lambda_million_requests"],
        "Lambda, /tmp": MILLION * seconds * max(0, storage - 512) / 1024 * price["storage_gb_second"],
        "S3, GET and HEAD": MILLION / 1000 * gets * price["s3_thousand_gets"],
        "S3, PUT": MILLION / 1000 * puts * price["s3_thousand_puts"],
        "logs": MILLION * (log_kb + price["platform_log_kb"]) / 1e6 * price["logs_gb"],
    }


def ours(price, memory):
    """Returns the seconds for a video and the USD for a million. The size of the videos does not matter."""
    seconds = duration(price, price["cpu_seconds"], memory, price["trips"], price["mb_read"])
    return seconds, costs(price, seconds, memory, 512, price["gets"] + price["heads"], price["puts"], price["log_kb"])


def replaced(price, megabytes, memory):
    """Returns the same for the Python Lambda, which stores the whole file in /tmp."""
    seconds = duration(price, price["python_cpu_seconds"], memory, price["python_trips"], megabytes)
    storage = math.ceil(megabytes * 1e6 / 2**20) + 1
    gets = math.ceil(megabytes / price["python_part_mb"]) + 1
    return seconds, costs(price, seconds, memory, storage, gets, 1, price["python_log_kb"])


def money(usd):
    return f"{usd:,.2f}" if usd < 1000 else f"{usd:,.0f}"


def table(rows):
    lines = ["| " + " | ".join(row) + " |" for row in rows]
    return "\n".join([lines[0], "|" + "---|" * len(rows[0]), *lines[1:]])


def by_memory(price):
    rows = [["memory, MB", "share of a processor", "seconds", "GB-seconds", "USD for a million, time alone"]]
    for memory in MEMORIES:
        seconds, paid = ours(price, memory)
        share = min(1.0, memory / price["vcpu_mb"])
        rows.append([f"{memory:,}", f"{share:.2f}", f"{seconds:.2f}", f"{seconds * memory / 1024:.2f}", money(paid["Lambda, time"])])
    return table(rows)


def by_concurrency(price):
    rows = [["invocations at once", "videos a second", "a million in hours", "S3 GET and HEAD a second", "S3 PUT a second", "database processors"]]
    seconds, _ = ours(price, price["memory_mb"])
    for concurrency in CONCURRENCIES:
        rate = concurrency / seconds
        searching = rate * price["search_seconds"] * price["million_rows"]
        rows.append(
            [
                f"{concurrency}",
                f"{rate:,.0f}",
                f"{MILLION / rate / 3600:.1f}",
                f"{rate * (price['gets'] + price['heads']):,.0f}",
                f"{rate * price['puts']:,.0f}",
                f"{searching:,.1f}",
            ]
        )
    return table(rows)


def by_size(price):
    columns = [("posterframe, any size", *ours(price, price["memory_mb"]), price["memory_mb"], price["mb_read"])]
    for megabytes, memory in SIZES:
        name = f"Python, {megabytes} MB" if megabytes < 1000 else f"Python, {megabytes / 1000:g} GB"
        columns.append((name, *replaced(price, megabytes, memory), memory, megabytes))
    rows = [["USD for a million videos", *(name for name, *_ in columns)]]
    rows.append(["memory, MB", *(f"{memory:,.0f}" for *_, memory, _ in columns)])
    rows.append(["seconds a video", *(f"{seconds:.2f}" for _, seconds, *_ in columns)])
    for paid_for in columns[0][2]:
        rows.append([paid_for, *(money(paid[paid_for]) for _, _, paid, *_ in columns)])
    rows.append(["**together**", *(f"**{money(sum(paid.values()))}**" for _, _, paid, *_ in columns)])
    rows.append(["through a NAT gateway, besides", *(money(MILLION * read / 1000 * price["nat_gb"]) for *_, read in columns)])
    return table(rows)


def main(arguments):
    price = {name: value for name, (value, _, _) in INPUTS.items()}
    if arguments == ["--list"]:
        rows = [["input", "value", "from"]]
        for name, (value, unit, source) in INPUTS.items():
            rows.append([f"`{name}`", f"{value:.10f}".rstrip("0").rstrip(".") + (f" {unit}" if unit else ""), source])
        print(table(rows))
        return
    for argument in arguments:
        name, _, value = argument.partition("=")
        if name not in INPUTS:
            sys.exit(f"cost: {name} is no input: --list names them")
        try:
            price[name] = float(value)
        except ValueError:
            sys.exit(f"cost: {argument}: a number is wanted")
    print(by_concurrency(price), by_memory(price), by_size(price), sep="\n\n")


if __name__ == "__main__":
    # A reader that closes the pipe early is no error.
    signal.signal(signal.SIGPIPE, signal.SIG_DFL)
    main(sys.argv[1:])
