#!/usr/bin/env python3
"""Reading text in pictures: `chorus task ocr` against the Python package rapidocr-onnxruntime 1.4.4, whole pictures, in turns.

  bench_ocr.py --chorus PROGRAM [--threads 1,2] [--rounds N] [--only REGEX] [--cache FOLDER] [--output FILE]

Called by `./dev bench --ocr`. The pictures are those of tests/task/ocr/compare.py: real ones, as far as they can be had, and drawn ones with
a fixed seed. Both readers load their networks once and read a picture before its times count; a time is that of the whole way from the file to
the lines. The package (its networks by ONNX Runtime, its pictures by OpenCV) gets the same number of threads. A round is two readings of each
picture by each reader in turns, the shorter one counts; a ratio is the median of the ratios within the rounds. Writes the table between its
marks in docs/performance.md; refuses on a busy machine unless --output is given.
Exit status: 0 done, 1 a reader fails, 3 the machine is busy, 77 the package cannot be had.
"""
import argparse
import json
import math
import os
import pathlib
import re
import subprocess
import sys
import time

import bench
import bench_report

sys.path[0] = str(bench.ROOT / "tests/task/ocr")  # in place of this folder, whose numbers.py hides the module that NumPy wants
import compare

BEGIN, END = "<!-- text reading by ./dev bench --ocr: begin -->", "<!-- text reading: end -->"
SEED = 1729
READINGS = 3  # of a `chorus task ocr`; the first one is not counted


def pictures(cache):
    """[(title, path)]"""
    folder, found = cache / "pictures/ocr", []
    for kind, name, member in compare.REAL:
        try:
            found.append((f"{name.split('=')[0]}: {pathlib.Path(member).name}", compare.real_picture(kind, name, member, folder)))
        except compare.CannotSetUp as error:
            print(f"without {member}: {error}", file=sys.stderr)
    return found + [(f"drawn: {path.stem}", path) for path in compare.drawn_pictures(SEED, folder / "bench")]


class Package:
    """The package with a number of threads."""

    def __init__(self, threads):
        import cv2
        from rapidocr_onnxruntime import RapidOCR
        cv2.setNumThreads(threads)
        self.reader = RapidOCR(intra_op_num_threads=threads, inter_op_num_threads=1)

    def ms(self, path):
        begin = time.perf_counter()
        lines = self.reader(str(path))[0] or []
        return (time.perf_counter() - begin) * 1e3, len(lines)


def chorus_ms(args, path, threads):
    """The least of the readings behind the first, and the number of lines."""
    command = [args.chorus, "task", "ocr", path, "--models", args.models, "--threads", threads, "--repeat", READINGS, "--json"]
    done = subprocess.run([str(word) for word in command], capture_output=True, text=True)
    if done.returncode != 0:
        sys.exit(f"bench: {path}: status {done.returncode}: {done.stderr.strip()[:300]}")
    answer = json.loads(done.stdout)
    return min(answer["runs"][1:]), len(answer["lines"])


def measure(args, package, path, threads):
    """(lines, our ms, their ms, ratio): medians over the rounds."""
    package.ms(path)
    rounds = []
    for _ in range(args.rounds):
        ours, lines = chorus_ms(args, path, threads)
        theirs = min(package.ms(path)[0] for _ in range(READINGS - 1))
        rounds.append((ours, theirs))
    middle = bench_report.median
    return lines, middle([r[0] for r in rounds]), middle([r[1] for r in rounds]), middle([a / b for a, b in rounds])


def table(args):
    counts = [int(t) for t in args.threads.split(",") if int(t) <= len(os.sched_getaffinity(0))]
    found = {}
    for threads in counts:
        package = Package(threads)
        for title, path in pictures(args.cache):
            if args.only and not re.search(args.only, title):
                continue
            try:
                found.setdefault(title, {})[threads] = measure(args, package, path, threads)
            except Exception as error:  # the package gives up on very thin pictures
                if type(error).__name__ != "ResizeImgError":
                    raise
                continue
            print(f"{title:50s} {threads} threads  {found[title][threads]}", flush=True)
    head = ["picture", "lines"] + [cell for t in counts for cell in (f"Chorus ms, {t} thr.", "package ms", "ratio")]
    lines = [head, ["---"] * len(head)]
    for title, by_threads in found.items():
        line = [title, str(next(iter(by_threads.values()))[0])]
        for t in counts:
            line += [f"{by_threads[t][1]:.0f}", f"{by_threads[t][2]:.0f}", f"{by_threads[t][3]:.2f}"] if t in by_threads else ["", "", ""]
        lines.append(line)
    last = ["geometric mean", ""]
    for t in counts:
        ratios = [by_threads[t][3] for by_threads in found.values() if t in by_threads]
        last += ["", "", f"**{math.exp(sum(map(math.log, ratios)) / len(ratios)):.3f}**"]
    return "\n".join("| " + " | ".join(line) + " |" for line in [*lines, last])


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--chorus", type=pathlib.Path, default=bench.ROOT / "build/bin/chorus")
    parser.add_argument("--threads", default="1,2")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--only")
    parser.add_argument("--cache", type=pathlib.Path, default=bench.ROOT / ".cache")
    parser.add_argument("--output", type=pathlib.Path)
    parser.add_argument("--inside", action="store_true", help=argparse.SUPPRESS)
    args = parser.parse_args()
    args.cache = args.cache.resolve()
    if not args.inside:
        if args.output is None and not bench.quiet():
            print("text reading: this machine is busy; --output FILE measures all the same", file=sys.stderr)
            return bench.BUSY_STATUS
        try:
            python = compare.make_venv(args.cache)
        except compare.CannotSetUp as error:
            print(f"skipped: {error}")
            return 77
        os.execv(python, [str(python), __file__, *sys.argv[1:], "--inside"])
    import rapidocr_onnxruntime
    args.models = pathlib.Path(rapidocr_onnxruntime.__file__).parent / "models"
    text = table(args)
    print(text)
    page = args.output or bench.PAGE
    page.write_text(bench_report.between_marks(bench.PAGE.read_text(), BEGIN, END, text))
    print(f"written: {page}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
