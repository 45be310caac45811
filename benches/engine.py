#!/usr/bin/env python3
"""Runs the benchmarks of the engine, crates/link/benches, in rounds, and keeps what they say in RAW.json.

    benches/engine.py --rounds N RAW.json

In rounds, so that a check is compared with the bare compressions of about the same moment.
"""

import argparse
import os
import re
import subprocess
import sys
from pathlib import Path

import raw

NANOSECONDS = {"ps": 0.001, "ns": 1, "µs": 1e3, "ms": 1e6, "s": 1e9}
# A line of divan's tree: what is before the name, the name, fastest, slowest, median.
LINE = re.compile(r"([│├╰─ ]*)(\S.*?) {2,}(?:([\d.]+) (\w+) +│ [\d.]+ \w+ +│ ([\d.]+) (\w+) +│)?")


def measured(output):
    """Names with their fastest and median time in nanoseconds."""
    path = []
    for line in output.splitlines():
        match = LINE.match(line)
        if not match or not match[1]:
            continue
        del path[len(match[1]) // 3 - 1 :]
        path.append(match[2])
        if match[3]:
            fastest = float(match[3]) * NANOSECONDS[match[4]]
            median = float(match[5]) * NANOSECONDS[match[6]]
            yield "/".join(path), round(fastest, 2), round(median, 2)


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("raw", type=Path)
    options = parser.parse_args()
    core = sorted(os.sched_getaffinity(0))[0]
    command = ["cargo", "bench", "--quiet", "--locked", "-p", "secure-link", "--bench", "engine", "--"]
    subprocess.run([*command, "--list"], check=True, stdout=subprocess.DEVNULL)  # builds them
    rows = []
    for number in range(1, options.rounds + 1):
        print(f"engine, round {number} of {options.rounds}", flush=True)
        run = subprocess.run(["taskset", "-c", str(core), *command, "--sample-count", "100"], stdout=subprocess.PIPE,
                             text=True, check=True)
        found = [[number, *row] for row in measured(run.stdout)]
        if not found:
            sys.exit(f"No benchmark in what divan says:\n{run.stdout}")
        rows += found
    kept = raw.load(options.raw)
    kept["engine"] = {"rounds": options.rounds, "rows": rows}
    raw.save(options.raw, kept)


if __name__ == "__main__":
    main()
