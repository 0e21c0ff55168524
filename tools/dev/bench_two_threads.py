#!/usr/bin/env python3
"""How much faster two threads are than one, for every model of bench_models.txt above 10 ms, and whether their results are the same bytes.

  bench_two_threads.py --chorus PROGRAM [--only NAME…] [--all] [--rounds N] [--engines a,b] [--steps] [--output FILE]

Called by `./dev bench --two-threads`. One and two threads take turns; a round is one `chorus bench` of each, the ratio of a model the
median over the rounds. Then all engines (--engines: these; "native": none but ours) run on two threads each, in turns, as `chorus bench
--peers` does. Models that take long to make are measured where they were made before; --all makes them. Writes the table between its marks
in docs/performance.md; refuses on a busy machine unless --output is given.
--steps: prints the steps that gain least, too.
Exit status: 0 done, 1 results differ, 3 the machine is busy.
"""
import argparse
import filecmp
import json
import pathlib
import subprocess
import sys
import tempfile

import bench
import bench_report

BEGIN, END = "<!-- two threads by ./dev bench --two-threads: begin -->", "<!-- two threads: end -->"
LEAST_MS = 10
SECONDS = 2
PEERS = "native,onnxruntime,openvino"
PEER_ROUNDS = 10


def answer(args, folder, threads, *more):
    command = [args.chorus, "bench", folder / "model.onnx", "--input", folder / "feeds.npz", "--threads", threads, "--seconds", SECONDS,
               "--json", *more]
    done = subprocess.run([str(word) for word in command], stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=600)
    if done.returncode != 0:
        sys.exit(f"two threads: {folder.name}: {done.stderr.strip()[:500]}")
    return json.loads(done.stdout)


def same_bytes(args, folder):
    with tempfile.TemporaryDirectory() as kept:
        files = []
        for threads in (1, 2):
            files.append(pathlib.Path(kept) / f"{threads}.npz")
            command = [args.chorus, "run", folder / "model.onnx", "--input", folder / "feeds.npz", "--threads", threads, "--output", files[-1]]
            subprocess.run([str(word) for word in command], check=True, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL)
        return filecmp.cmp(*files, shallow=False)


def lagging_steps(args, folder):
    """Lines of the steps that lose most time against half of their time on one thread."""
    one, two = ({s["name"]: s for s in answer(args, folder, t, "--steps")["profile"]["steps"]} for t in (1, 2))
    lost = sorted(((two[n]["ms"] - one[n]["ms"] / 2, n) for n in one if n in two), reverse=True)
    return [f"    {ms:8.4f} ms lost: {one[n]['ms']:8.4f} -> {two[n]['ms']:8.4f}  {one[n]['kernel']}  {n}" for ms, n in lost[:8]]


def measure(args, folder):
    """(ms of one thread, of two, their ratio); None below LEAST_MS."""
    rounds = []
    for _ in range(args.rounds):
        rounds.append([answer(args, folder, threads)["ms"] for threads in (1, 2)])
        if rounds[0][0] < LEAST_MS:
            return None
    middle = bench_report.median
    return middle([r[0] for r in rounds]), middle([r[1] for r in rounds]), middle([a / b for a, b in rounds])


def peers(args, folder, names):
    """Two cells per engine of names: its ms on two threads, and the ratio of Chorus' time to it."""
    if not names:
        return []
    found, _ = bench.measure(argparse.Namespace(chorus=args.chorus, rounds=PEER_ROUNDS, quick=False, engines=args.engines), folder, 2)
    result = {"answer": found}
    return [cell for name in names for cell in bench_report.cells(result, name)]


def rows_and_folders(args):
    """The list's rows that are asked for and there, and {name: folder}."""
    rows = [r for r in bench.listed(bench.LIST.read_text()) if not args.only or r[0] in args.only]
    if not args.all and not args.only:
        made = {"more": "models-more", "families": "families"}
        rows = [r for r in rows if r[1] not in made or (bench.ROOT / ".cache/truth" / f"{made[r[1]]}.stamp").exists()]
    known = bench.folders({r[1] for r in rows})
    return [r for r in rows if r[0] in known], known


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--chorus", type=pathlib.Path, default=bench.ROOT / "build/bin/chorus")
    parser.add_argument("--only", nargs="+", metavar="NAME")
    parser.add_argument("--all", action="store_true", help="the models of the list that take long to make, too")
    parser.add_argument("--engines", default=PEERS)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--steps", action="store_true")
    parser.add_argument("--output", type=pathlib.Path)
    args = parser.parse_args()
    if args.output is None and not bench.quiet():
        print("two threads: this machine is busy; --output FILE measures all the same", file=sys.stderr)
        return bench.BUSY_STATUS
    rows, known = rows_and_folders(args)
    names = [name for name in args.engines.split(",") if name != "native"]
    titles = ["model", "one thread, ms", "two threads, ms", "times faster", "results"]
    titles += [cell for name in names for cell in (f"{name} on two, ms", f"Chorus / {name}")]
    lines, well = ["| " + " | ".join(titles) + " |", "|---" * len(titles) + "|"], True
    for name, _, title in rows:
        found = measure(args, known[name])
        if found is None:
            continue
        equal = same_bytes(args, known[name])
        well = well and equal
        row = [title, f"{found[0]:.1f}", f"{found[1]:.1f}", f"{found[2]:.2f}", "the same bytes" if equal else "DIFFER"]
        lines.append("| " + " | ".join(row + peers(args, known[name], names)) + " |")
        print(lines[-1], flush=True)
        if args.steps:
            print("\n".join(lagging_steps(args, known[name])), flush=True)
    page = args.output or bench.PAGE
    page.write_text(bench_report.between_marks(bench.PAGE.read_text(), BEGIN, END, "\n".join(lines)))
    print(f"written: {page}")
    return 0 if well else 1


if __name__ == "__main__":
    sys.exit(main())
