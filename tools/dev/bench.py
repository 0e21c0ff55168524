#!/usr/bin/env python3
"""Times the models of bench_models.txt on every engine that is here, in turns, and writes docs/performance.md with its pictures.

  bench.py --chorus PROGRAM [--quick | --rounds N] [--all] [--only NAME…] [--threads 1,2] [--engines a,b] [--output FILE]

Each model is one `chorus bench --peers` per number of threads; their answers are kept in .cache/bench. The page is replaced between
its two marks alone, and its own prose stays. --quick: 10 rounds instead of 30; --all: also the models of the list that take minutes to
make (once). Refuses to write docs/performance.md while other
programs keep the machine busy, for its times would be wrong; with --output it measures all the same.
Exit status: 0 done, 1 an engine of ours answers wrongly or cannot, 2 usage, 3 the machine is busy.
"""
import argparse
import json
import os
import pathlib
import subprocess
import sys
import time

import bench_report

ROOT = pathlib.Path(__file__).resolve().parents[2]
LIST = ROOT / "tools/dev/bench_models.txt"
PAGE = ROOT / "docs/performance.md"
KEPT = ROOT / ".cache/bench"
BUSY = 3  # mean number of running programs within the last minute: a build before this leaves about two
PATIENCE = 120  # seconds in which the machine may become quiet
ROUNDS, QUICK_ROUNDS = 30, 10
SECONDS_OF_A_MODEL = 600
BUSY_STATUS = 3
SLOW_TO_MAKE = ("more", "families")


def listed(text):
    """[(name, source, title)] of the table."""
    rows = []
    for line in text.splitlines():
        words = line.split("#")[0].split(maxsplit=2)
        if words:
            rows.append(tuple(words))
    return rows


def folders(sources):
    """{name: folder} of the models of these sources; tools/truth makes what is not there yet."""
    sys.path.insert(0, str(ROOT / "tools/truth"))
    import run as truth

    found = []
    if sources & {"models", "more"}:
        found += truth.models("more" in sources)
    if "families" in sources:
        found += truth.families()
    if "ocr" in sources:
        found += truth.ocr_models()
    return {folder.name: folder for folder in found}


def measure(args, folder, threads):
    """The answer of one `chorus bench --peers`, and whether it says that all is well."""
    command = [args.chorus, "bench", folder / "model.onnx", "--input", folder / "feeds.npz", "--threads", threads, "--peers", "--json",
               "--steps", "--no-cache", "--pairs", args.rounds or (QUICK_ROUNDS if args.quick else ROUNDS)]
    if (folder / "oracle.npz").exists():
        command += ["--oracle", folder / "oracle.npz"]
    if args.engines:
        command += ["--engines", args.engines]
    done = subprocess.run([str(word) for word in command], stdin=subprocess.DEVNULL, capture_output=True, text=True,
                          timeout=SECONDS_OF_A_MODEL)
    if not done.stdout.startswith("{"):
        sys.exit(f"bench: {folder.name}: status {done.returncode}: {done.stderr.strip()[:500]}")
    return json.loads(done.stdout), done.returncode == 0


def quiet():
    """Whether other programs leave the machine alone, now or soon."""
    until = time.monotonic() + PATIENCE
    while os.getloadavg()[0] > BUSY and time.monotonic() < until:
        print(f"bench: waiting for a quiet machine (load {os.getloadavg()[0]:.1f})", file=sys.stderr)
        time.sleep(15)
    return os.getloadavg()[0] <= BUSY


def one_line(answer):
    words = []
    for engine in answer["engines"]:
        if engine["reason"]:
            words.append(f"{engine['engine']} cannot")
        elif engine["wrong"]:
            words.append(f"{engine['engine']} WRONG ({engine['difference']:.1e})")
        else:
            words.append(f"{engine['engine']} {engine['ms']:.3f} ms")
            if engine is not answer["engines"][0] and "ratio" in engine:
                words[-1] += f" (ratio {engine['ratio']:.3f} [{engine['low']:.3f}, {engine['high']:.3f}])"
    return ", ".join(words)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--chorus", type=pathlib.Path, default=ROOT / "build/bin/chorus")
    parser.add_argument("--quick", action="store_true")
    parser.add_argument("--rounds", type=int, metavar="N", help="turns of every engine, at least 6")
    parser.add_argument("--all", action="store_true", help="the models of the list that take long to make, too")
    parser.add_argument("--only", nargs="+", metavar="NAME")
    parser.add_argument("--threads", default="1,2")
    parser.add_argument("--engines")
    parser.add_argument("--output", type=pathlib.Path)
    args = parser.parse_args()
    if args.output is None and not quiet():
        print(f"bench: this machine is busy (load {os.getloadavg()[0]:.1f}): no times for {PAGE.name}; --output FILE measures all the same",
              file=sys.stderr)
        return BUSY_STATUS
    rows = [r for r in listed(LIST.read_text()) if (r[0] in args.only if args.only else args.all or r[1] not in SLOW_TO_MAKE)]
    if args.only and len(rows) != len(set(args.only)):
        parser.error(f"the list has no {' '.join(set(args.only) - {r[0] for r in rows})}")
    known = folders({r[1] for r in rows})
    rows = [r for r in rows if r[0] in known]
    most = len(os.sched_getaffinity(0))
    counts = [int(t) for t in args.threads.split(",")]
    results, well = [], True
    for threads in [t for t in counts if t <= most]:
        for name, _, title in rows:
            answer, good = measure(args, known[name], threads)
            well = well and good
            results.append({"name": name, "title": title, "answer": answer})
            print(f"{name:20s} {threads} thread{'s' if threads > 1 else ' '}  {one_line(answer)}", flush=True)
    KEPT.mkdir(parents=True, exist_ok=True)
    (KEPT / "results.json").write_text(json.dumps(results))
    page = args.output or PAGE
    bench_report.write(page, PAGE.read_text(), results)
    print(bench_report.summary(results))
    print(f"written: {page}")
    return 0 if well else 1


if __name__ == "__main__":
    sys.exit(main())
