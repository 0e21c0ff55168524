#!/usr/bin/env python3
"""From nothing to a first answer: loading a model and one run, with and without what an earlier process kept, and the memory it takes.

  bench_startup.py --chorus PROGRAM [--only NAME…] [--engines a,b] [--rounds N] [--output FILE]

Called by `./dev bench --startup`. Every engine runs in a process of its own through the same command (`chorus run`), in turns; first with
an empty folder for what is kept ($CHORUS_CACHE, and $CHORUS_CACHE_DIR for plug-ins: OpenVINO's CACHE_DIR; ONNX Runtime keeps nothing by
itself), then with what that left. Wall time and processor time are those of the whole process less the same command's --version, memory is
the largest resident set less that one's. Medians over the rounds. Writes the table between its marks in docs/performance.md; refuses on a
busy machine unless --output is given.
Exit status: 0 done, 3 the machine is busy.
"""
import argparse
import os
import pathlib
import shutil
import subprocess
import sys
import tempfile
import time

import bench
import bench_report

BEGIN, END = "<!-- startup by ./dev bench --startup: begin -->", "<!-- startup: end -->"
MODELS = ["resnet50", "bert-base"]
ENGINES = "native,onnxruntime,openvino"


def process(command, kept):
    """(wall ms, processor ms, MiB) of a process."""
    environment = dict(os.environ, CHORUS_CACHE=str(kept), CHORUS_CACHE_DIR=str(kept))
    begin = time.monotonic()
    child = subprocess.Popen([str(word) for word in command], env=environment, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL)
    _, status, usage = os.wait4(child.pid, 0)
    wall = time.monotonic() - begin
    child.returncode = os.waitstatus_to_exitcode(status)
    if child.returncode != 0:
        sys.exit(f"startup: {' '.join(map(str, command))}: status {child.returncode}")
    return wall * 1e3, (usage.ru_utime + usage.ru_stime) * 1e3, usage.ru_maxrss / 1024


def less(a, b):
    return tuple(max(x - y, 0) for x, y in zip(a, b))


def measure(args, folder, engines):
    """{engine: {"cold" and "warm": medians of (wall, processor, MiB)}}."""
    found = {engine: {"cold": [], "warm": []} for engine in engines}
    with tempfile.TemporaryDirectory() as place:
        for _ in range(args.rounds):
            for engine in engines:
                kept = pathlib.Path(place) / engine
                shutil.rmtree(kept, ignore_errors=True)
                kept.mkdir()
                command = [args.chorus, "run", folder / "model.onnx", "--input", folder / "feeds.npz", "--engine", engine, "--threads", args.threads]
                for state in ("cold", "warm"):
                    empty = process([args.chorus, "--version"], kept)
                    found[engine][state].append(less(process(command, kept), empty))
    return {e: {s: tuple(map(bench_report.median, zip(*rounds))) for s, rounds in states.items()} for e, states in found.items()}


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--chorus", type=pathlib.Path, default=bench.ROOT / "build/bin/chorus")
    parser.add_argument("--only", nargs="+", default=MODELS, metavar="NAME")
    parser.add_argument("--engines", default=ENGINES)
    parser.add_argument("--threads", default="1")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--output", type=pathlib.Path)
    args = parser.parse_args()
    if args.output is None and not bench.quiet():
        print("startup: this machine is busy; --output FILE measures all the same", file=sys.stderr)
        return bench.BUSY_STATUS
    rows = [r for r in bench.listed(bench.LIST.read_text()) if r[0] in args.only]
    known = bench.folders({r[1] for r in rows})
    lines = ["| model | engine | nothing kept: ms (processor) | MiB | kept: ms (processor) | MiB |", "|---|---|---|---|---|---|"]
    for name, _, title in rows:
        for engine, states in measure(args, known[name], args.engines.split(",")).items():
            cells = [f"{wall:,.0f} ({own:,.0f}) | {memory:,.0f}" for wall, own, memory in (states["cold"], states["warm"])]
            lines.append(f"| {title} | {engine} | {cells[0]} | {cells[1]} |")
            print(lines[-1], flush=True)
    page = args.output or bench.PAGE
    page.write_text(bench_report.between_marks(bench.PAGE.read_text(), BEGIN, END, "\n".join(lines)))
    print(f"written: {page}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
