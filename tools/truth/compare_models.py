"""Runs whole models in Chorus and compares outputs and intermediate values with a float64 oracle.

    compare_models.py [FOLDER …] [--chorus build/bin/chorus] [--engine E] [--threads N] [--no-tap] [--verbose]

FOLDER holds model.onnx and feeds.npz, and oracle.npz where `export_models.py` made it; default: all such folders under
.cache/truth/models. Chorus is called as
    chorus run MODEL --input feeds.npz --output out.npz --tap all [--engine E] [--threads N]
and with `--tap all` the file also holds every intermediate value that survives in the compiled program, by value name.

Truth for outputs is oracle.npz (the original PyTorch model in float64), else the ONNX model itself in float64
(`float64_oracle.py`); intermediates are always compared with the latter. The bound for a value is 1e-4 of the oracle's
largest magnitude, or five times the error of another float32 runtime where that is larger: PyTorch's for outputs with
an oracle.npz, ONNX Runtime's (no optimisation) for everything else. Integers and booleans must be equal.
Prints a row per model and the worst values; exit status 0 all within bounds, 1 otherwise, 2 nothing to compare.
"""

import argparse
import pathlib
import subprocess
import tempfile
import time

import numpy as np
import onnx
import onnxruntime

from float64_oracle import evaluate

ROOT = pathlib.Path(__file__).resolve().parents[2]
RELATIVE_BOUND = 1e-4
TIMES_PEER_ERROR = 5
LARGEST_PEER_ERROR = 1e-2  # of the oracle's largest magnitude; beyond, oracle and peer contradict each other


def run_chorus(args, folder, out):
    command = [str(args.chorus), "run", str(folder / "model.onnx"), "--input", str(folder / "feeds.npz")]
    command += ["--output", str(out)]
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


def truth_of(folder, model, feeds):
    """{name: float64 value} and {name: error of a float32 peer} for outputs and intermediates."""
    truth = arrays(evaluate(model, feeds))
    peer = arrays(run_onnxruntime(model, feeds))
    errors = {n: error_of(v, truth[n]) for n, v in peer.items() if n in truth and v.shape == truth[n].shape}
    oracle = folder / "oracle.npz"
    if oracle.exists():
        with np.load(oracle) as stored:
            for name in (o.name for o in model.graph.output):
                truth[name] = stored[name]
                errors[name] = error_of(stored[f"{name}.float32"], stored[name])
    return truth, errors


def compare(args, folder):
    """Prints the row of one model; True when all is within bounds."""
    start = time.monotonic()
    model = onnx.load(folder / "model.onnx")
    with np.load(folder / "feeds.npz") as stored:
        feeds = {name: stored[name] for name in stored.files}
    with tempfile.TemporaryDirectory() as scratch:
        try:
            found = run_chorus(args, folder, pathlib.Path(scratch) / "out.npz")
        except (RuntimeError, OSError, subprocess.TimeoutExpired) as problem:
            print(f"{folder.name:22s} FAILED {problem}")
            return False
    truth, peer_errors = truth_of(folder, model, feeds)
    outputs = [o.name for o in model.graph.output]
    rows, problems = {}, [f"output {n} is missing" for n in outputs if n not in found]
    for name in sorted(found.keys() & truth.keys()):
        error, bound, complaint = judge(found[name], truth[name], peer_errors.get(name, 0.0))
        rows[name] = (error, bound)
        if complaint:
            problems.append(f"{'output' if name in outputs else 'value'} {name}: {complaint}")
    inner = [n for n in rows if n not in outputs]
    if args.tap and not inner and len(truth) > len(outputs):
        problems.append("no intermediate value in the output file")
    unknown = sorted(found.keys() - truth.keys())
    ratio = max(((e / b if b else float(e > 0)), n) for n, (e, b) in rows.items()) if rows else (np.inf, "-")
    print(
        f"{folder.name:22s} {'FAILED' if problems else 'ok':6s} "
        f"outputs {max((rows[n][0] for n in outputs if n in rows), default=np.inf):8.2e} "
        f"of {max((rows[n][1] for n in outputs if n in rows), default=0):8.2e}  "
        f"{len(inner):4d} of {len(truth) - len(outputs):4d} intermediates, worst {ratio[0]:.2g} of its bound "
        f"({ratio[1]}){f', {len(unknown)} unknown names' if unknown else ''}  {time.monotonic() - start:.0f} s",
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
    parser.add_argument("--verbose", action="store_true", help="print every value out of bounds")
    args = parser.parse_args()
    folders = args.folders or sorted(p.parent for p in (ROOT / ".cache/truth/models").glob("*/feeds.npz"))
    if not folders:
        print("compare_models: no model folder; export_models.py makes them")
        raise SystemExit(2)
    good = [compare(args, folder) for folder in folders]
    print(f"{sum(good)} of {len(good)} models within bounds")
    raise SystemExit(0 if all(good) else 1)


if __name__ == "__main__":
    main()
