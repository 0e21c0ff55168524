"""Runs whole models in Chorus and compares outputs and intermediate values with a float64 oracle.

    compare_models.py [FOLDER …] [--chorus build/bin/chorus] [--engine E] [--threads N] [--no-tap] [--store] [--verbose]

FOLDER holds model.onnx and feeds.npz, and oracle.npz where `export_models.py` made it; default: all such folders under
.cache/truth/models. Chorus is called as
    chorus run MODEL --input feeds.npz --output out.npz --tap all [--engine E] [--threads N]
and with `--tap all` the file also holds every intermediate value that survives in the compiled program, by value name. What
fusion takes in does not survive, so the model runs a second time with --optimize 0, where every node is a step: no floating
point value may be missing there but those that are other values in another shape.

Truth for outputs is oracle.npz (the original PyTorch model in float64), else the ONNX model itself in float64
(`float64_oracle.py`); intermediates are always compared with the latter. The bound for a value is 1e-4 of the oracle's
largest magnitude, or five times the error of another float32 runtime where that is larger: PyTorch's for outputs with
an oracle.npz, ONNX Runtime's (no optimisation) for everything else. Integers and booleans must be equal.
--store keeps the truth of a model beside it (truth.npz, rounded to float32: 6e-8 of each number) until model, feeds or oracle
change. Prints a row per model and the worst values; exit status 0 all within bounds, 1 otherwise, 2 nothing to compare.
"""

import argparse
import hashlib
import json
import pathlib
import subprocess
import tempfile
import time

import numpy as np
import onnx
import onnxruntime

from float64_oracle import evaluate
from model_facts import nodes_of

ROOT = pathlib.Path(__file__).resolve().parents[2]
RELATIVE_BOUND = 1e-4
TIMES_PEER_ERROR = 5
HERE = pathlib.Path(__file__).resolve().parent
# Of these a program makes no new bytes; integers are left out too: many follow from shapes and are never computed.
VIEWS = {"Constant", "Dropout", "Expand", "Flatten", "Identity", "Reshape", "Squeeze", "Unsqueeze"}
LARGEST_PEER_ERROR = 1e-2  # of the oracle's largest magnitude; beyond, oracle and peer contradict each other


def run_chorus(args, folder, out, options=()):
    command = [str(args.chorus), "run", str(folder / "model.onnx"), "--input", str(folder / "feeds.npz")]
    command += ["--output", str(out), *options]
    if args.tap:
        command += ["--tap", "all"]
    if args.engine:
        command += ["--engine", args.engine]
    if args.threads:
        command += ["--threads", str(args.threads)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=args.timeout)
    if done.returncode != 0:
        raise RuntimeError(f"exit status {done.returncode}: {done.stderr.strip()[-600:]}")
    with np.load(out) as found:
        return {name: found[name] for name in found.files}


def run_onnxruntime(model, feeds):
    """Every value of the main graph in float32; {} where ONNX Runtime lacks an operator of the model."""
    wide = onnx.ModelProto()
    wide.CopyFrom(model)
    outputs = {o.name for o in wide.graph.output}
    for node in wide.graph.node:
        for name in node.output:
            if name and name not in outputs:
                outputs.add(name)
                wide.graph.output.append(onnx.ValueInfoProto(name=name))
    options = onnxruntime.SessionOptions()
    options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_DISABLE_ALL
    options.log_severity_level = 4
    try:
        session = onnxruntime.InferenceSession(wide.SerializeToString(), options, providers=["CPUExecutionProvider"])
        names = [o.name for o in session.get_outputs()]
        return dict(zip(names, session.run(names, feeds)))
    except Exception as problem:  # the package's exceptions have no common base but Exception
        print(f"  ONNX Runtime cannot be the peer: {str(problem).splitlines()[0][:160]}")
        return {}


def largest(array):
    return float(np.abs(array).max()) if array.size else 0.0


def error_of(found, truth):
    """Largest difference; infinite where one side is not finite and the other differs."""
    if not truth.size:
        return 0.0
    found, truth = found.astype(np.float64), truth.astype(np.float64)
    with np.errstate(invalid="ignore"):
        difference = np.abs(found - truth)
    same = (found == truth) | (np.isnan(found) & np.isnan(truth))
    return float(np.nan_to_num(np.where(same, 0, difference), nan=np.inf).max())


def judge(found, truth, peer_error):
    """(error, bound, complaint or None) of one value."""
    if found.shape != truth.shape:
        return np.inf, 0.0, f"shape {list(found.shape)}, truth has {list(truth.shape)}"
    if truth.dtype.kind != "f":
        equal = np.array_equal(found, truth)
        return 0.0, 0.0, None if equal else f"{truth.dtype} values differ"
    if found.dtype.kind != "f":
        return np.inf, 0.0, f"type {found.dtype}, truth is {truth.dtype}"
    finite = truth[np.isfinite(truth)]
    if peer_error > LARGEST_PEER_ERROR * largest(finite):
        return np.inf, 0.0, f"the truth is in doubt: oracle and float32 peer differ by {peer_error:.2e}"
    error, bound = error_of(found, truth), max(RELATIVE_BOUND * largest(finite), TIMES_PEER_ERROR * peer_error)
    return error, bound, None if error <= bound else f"error {error:.2e}, bound {bound:.2e}"


def arrays(values):
    return {n: np.asarray(v) for n, v in values.items() if isinstance(v, (np.ndarray, np.generic))}


class Truth:
    """What a model's values are: exact values, errors of a float32 peer, names of outputs and of what a plain run must show (all
    floating point values that somebody reads)."""

    def __init__(self, folder, store):
        parts = [HERE / "float64_oracle.py", HERE / "requirements.txt", folder / "oracle.npz"]
        texts = [p.read_bytes() for p in parts if p.exists()]
        for part in (folder / "model.onnx", folder / "feeds.npz"):
            texts.append(f"{part.stat().st_size} {part.stat().st_mtime_ns}".encode())
        key = hashlib.sha256(b"|".join(texts)).hexdigest()
        kept, facts = folder / "truth.npz", folder / "truth.json"
        if store and kept.exists() and facts.exists():
            stored = json.loads(facts.read_text())
            if stored["key"] == key:
                with np.load(kept) as values:
                    self.values = {name: values[name] for name in values.files}
                self.errors, self.outputs, self.computed = (stored[n] for n in ("errors", "outputs", "computed"))
                return
        self.find(folder)
        if store:
            facts.unlink(missing_ok=True)
            narrow = {n: v.astype(np.float32) if v.dtype == np.float64 else v for n, v in self.values.items()}
            np.savez(kept, **narrow)
            found = {"errors": self.errors, "outputs": self.outputs, "computed": self.computed}
            facts.write_text(json.dumps({"key": key, **found}))

    def find(self, folder):
        model = onnx.load(folder / "model.onnx")
        with np.load(folder / "feeds.npz") as stored:
            feeds = {name: stored[name] for name in stored.files}
        self.values = arrays(evaluate(model, feeds))
        peer = arrays(run_onnxruntime(model, feeds))
        same = {n: v for n, v in peer.items() if n in self.values and v.shape == self.values[n].shape}
        self.errors = {n: error_of(v, self.values[n]) for n, v in same.items()}
        self.outputs = [o.name for o in model.graph.output]
        read = {i for n in nodes_of(model.graph.node) for i in n.input} | set(self.outputs)
        moving = set(feeds)  # what follows from data, not from constants and shapes alone
        made = []
        for node in model.graph.node:
            if node.op_type in ("Shape", "Size") or not any(i in moving for n in nodes_of([node]) for i in n.input):
                continue
            moving.update(node.output)
            if node.op_type not in VIEWS:
                made += [o for o in node.output if o in read]
        self.computed = [n for n in made if n in self.values and self.values[n].dtype.kind == "f"]
        oracle = folder / "oracle.npz"
        if oracle.exists():
            with np.load(oracle) as stored:
                for name in self.outputs:
                    self.values[name] = stored[name]
                    self.errors[name] = error_of(stored[f"{name}.float32"], stored[name])


class Rows:
    """Errors of all runs of one model."""

    def __init__(self, truth):
        self.truth, self.problems, self.counts = truth, [], {}
        self.worst, self.outputs = (-1.0, "-", 0.0), (0.0, 0.0)

    def add(self, label, found, complete):
        truth = self.truth
        wanted = set(truth.outputs) | (set(truth.computed) if complete else set())
        self.problems += [f"{label}: {n} is missing" for n in sorted(wanted - found.keys())]
        names = sorted(found.keys() & truth.values.keys())
        for name in names:
            error, bound, complaint = judge(found[name], truth.values[name], truth.errors.get(name, 0.0))
            ratio = error / bound if bound else float(error > 0)
            self.worst = max(self.worst, (ratio, f"{name}, {label}", error))
            if name in truth.outputs:
                self.outputs = max(self.outputs, (error, bound))
            if complaint:
                kind = "output" if name in truth.outputs else "value"
                self.problems.append(f"{label}: {kind} {name}: {complaint}")
        self.counts[label] = len([n for n in names if n not in truth.outputs])


def compare(args, folder):
    """Prints the row of one model; True when all is within bounds."""
    start = time.monotonic()
    # A program as it is used; and one in which nothing is fused, for the values in between.
    runs = {"fused": ()} | ({"plain": ("--optimize", "0")} if args.tap and not args.engine else {})
    rows = Rows(Truth(folder, args.store))
    with tempfile.TemporaryDirectory() as scratch:
        for label, options in runs.items():
            try:
                found = run_chorus(args, folder, pathlib.Path(scratch) / "out.npz", options)
            except (RuntimeError, OSError, subprocess.TimeoutExpired) as problem:
                print(f"{folder.name:22s} FAILED {label}: {problem}")
                return False
            rows.add(label, found, label == "plain")
    problems, (ratio, where, error) = rows.problems, rows.worst
    if args.tap and not any(rows.counts.values()) and len(rows.truth.values) > len(rows.truth.outputs):
        problems.append("no intermediate value in the output file")
    counts = " + ".join(f"{count} {label}" for label, count in rows.counts.items())
    print(
        f"{folder.name:22s} {'FAILED' if problems else 'ok':6s} outputs {rows.outputs[0]:8.2e} of {rows.outputs[1]:8.2e}  "
        f"{counts} of {len(rows.truth.values) - len(rows.truth.outputs)} values between, "
        f"worst {error:8.2e} = {ratio:.2g} of its bound ({where})  {time.monotonic() - start:.0f} s",
        flush=True,
    )
    for line in problems if args.verbose else problems[:5]:
        print(f"    {line}")
    if len(problems) > 5 and not args.verbose:
        print(f"    … {len(problems) - 5} more (--verbose)")
    return not problems


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folders", type=pathlib.Path, nargs="*")
    parser.add_argument("--chorus", type=pathlib.Path, default=ROOT / "build/bin/chorus")
    parser.add_argument("--engine")
    parser.add_argument("--threads", type=int)
    parser.add_argument("--timeout", type=float, default=300, help="seconds for one run of chorus")
    parser.add_argument("--no-tap", dest="tap", action="store_false", help="compare outputs alone")
    parser.add_argument("--store", action="store_true", help="keep the truth beside the model")
    parser.add_argument("--verbose", action="store_true", help="print every value out of bounds")
    args = parser.parse_args()
    folders = args.folders or sorted(p.parent for p in (ROOT / ".cache/truth/models").glob("*/feeds.npz"))
    if not folders:
        print("compare_models: no model folder; export_models.py makes them")
        raise SystemExit(2)
    good = [compare(args, folder) for folder in folders]
    print(f"{sum(good)} passed, {len(good) - sum(good)} failed, 0 skipped")
    raise SystemExit(0 if all(good) else 1)


if __name__ == "__main__":
    main()
