"""Gives damaged models to `chorus check`, one process each: no crash, no hang, no memory without bound.

    drive_mutants.py CORPUS [--chorus build/bin/chorus] [--count N] [--seed S] [--sub-command check] [--memory MIB]

The mutants are those of mutate_models.py (same corpus, seed and number). Allowed are exit status 0 (the model is still
good), 3 (bad input) and 4 (an engine cannot), the last two with a sentence; anything else fails, and the mutant is kept
in --keep with a line that says how it was made. Memory is bounded by --memory, time by --seconds per mutant.
Exit status: 0 all right, 1 failures, 2 nothing could be run.
"""

import argparse
import concurrent.futures
import math
import os
import pathlib
import resource
import signal
import subprocess
import sys
import tempfile
from collections import Counter

from mutate_models import make_mutant, read_corpus

ROOT = pathlib.Path(__file__).resolve().parents[2]
GOOD, REFUSED = (0,), (3, 4)


def run_one(args, path):
    """(exit status or None when time is up, what it printed on standard error)."""

    def limit():
        resource.setrlimit(resource.RLIMIT_AS, (args.memory << 20, args.memory << 20))
        resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
        resource.setrlimit(resource.RLIMIT_CPU, (math.ceil(args.seconds), math.ceil(args.seconds) + 1))

    command = [str(args.chorus), *args.sub_command.split(), str(path)]
    process = subprocess.Popen(
        command,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
        errors="replace",
        preexec_fn=limit,
    )
    try:
        _, said = process.communicate(timeout=10 * args.seconds)  # waiting, or the machine is busy
        return process.returncode, said
    except subprocess.TimeoutExpired:
        process.kill()
        process.communicate()
        return None, ""


def verdict(status, said, seconds):
    """None when the answer is allowed, else what is wrong with it."""
    if status is None:
        return f"was stopped after {10 * seconds} s"
    if status == -signal.SIGXCPU:
        return f"took more than {seconds} s of processor time"
    if status < 0:
        return f"died by {signal.Signals(-status).name}"
    if status in REFUSED:
        return None if said.strip() else f"exit status {status} without a sentence"
    return None if status in GOOD else f"exit status {status}: {said.strip()[:300]}"


def drive(args, corpus, index, folder):
    """(exit status, complaint or None) of one mutant."""
    data, source, damages = make_mutant(corpus, args.seed, index)
    path = pathlib.Path(folder) / f"mutant_{index}.onnx"
    path.write_bytes(data)
    status, said = run_one(args, path)
    complaint = verdict(status, said, args.seconds)
    if complaint is None:
        path.unlink()
        return status, None
    args.keep.mkdir(parents=True, exist_ok=True)
    path.rename(args.keep / path.name)
    return status, f"mutant {index} ({source.parent.name}: {'; '.join(damages)[:200]}): {complaint}"


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("corpus", type=pathlib.Path)
    parser.add_argument("--chorus", type=pathlib.Path, default=ROOT / "build/bin/chorus")
    parser.add_argument("--count", type=int, default=2000)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--largest", type=int, default=65536, help="seed files beyond this size are left out (bytes)")
    parser.add_argument("--sub-command", default="check", help="words between the program and the file")
    parser.add_argument("--memory", type=int, default=4096, help="address space of one process (MiB)")
    parser.add_argument("--seconds", type=float, default=20, help="processor time of one process; ten times that on the clock")
    parser.add_argument("--keep", type=pathlib.Path, default=ROOT / ".cache/truth/bad_mutants")
    parser.add_argument("--jobs", type=int, default=os.cpu_count())
    args = parser.parse_args()
    corpus = read_corpus(args.corpus, args.largest)
    if not args.chorus.exists():
        print(f"drive_mutants: {args.chorus} does not exist", file=sys.stderr)
        raise SystemExit(2)
    statuses, complaints = Counter(), 0
    with tempfile.TemporaryDirectory() as folder, concurrent.futures.ThreadPoolExecutor(args.jobs) as pool:
        for status, complaint in pool.map(lambda i: drive(args, corpus, i, folder), range(args.count)):
            statuses[status] += 1
            if complaint:
                complaints += 1
                print(complaint, flush=True)
    counts = ", ".join(f"{n} × status {s}" for s, n in sorted(statuses.items(), key=str))
    print(f"{args.count} mutants of {len(corpus)} models, seed {args.seed}: {counts}; {complaints} failed")
    if not statuses[0] or not statuses[3]:
        print(
            "drive_mutants: both good and bad models must be among the mutants; the command answers always the same"
        )
        complaints += 1
    raise SystemExit(1 if complaints else 0)


if __name__ == "__main__":
    main()
