"""Checks the ONNX files that Chorus writes, at every opset that it can be asked for.

    check_writer.py CASES [--chorus build/bin/chorus] [--opsets 7-28] [--per-operator N] [--also TEXT…] [--only TEXT]
                    [--verbose]

CASES is a folder of test cases (dump_onnx_cases.py). For each operator N cases that need it are taken (default 1, the
smallest files first), besides all that have one of the --also texts in their names, and converted with
    chorus convert IN.onnx OUT.onnx --opset N
to each opset of the range. A written file must pass onnx.checker (with shape inference), import exactly that opset and
compute the expected values: in ONNX Runtime where it can (up to opset 26 and IR 13), else in the onnx package's
evaluator. An evaluator that fails on the original file is not asked. Chorus may refuse a target that cannot express
the model: exit status 3 or 4 and a sentence; refusals are counted, and none is allowed at the model's own opset.
Exit status: 0 all right, 1 failures, 2 nothing could be run.
"""

import argparse
import concurrent.futures
import os
import pathlib
import subprocess
import sys
import tempfile
import warnings
from collections import Counter

import onnx
import onnxruntime
from onnx.reference import ReferenceEvaluator

from case_data import bounds, difference, load_sets
from model_facts import operator_counts, opsets

ROOT = pathlib.Path(__file__).resolve().parents[2]
NEWEST_RUNTIME = {"opset": 26, "ir": 13}
REFUSED = (3, 4)
# Operators whose function bodies the checker's shape inference itself cannot read in newer opsets.
CHECKER_FAULTS = {"ai.onnx::MeanVarianceNormalization"}


def in_onnxruntime(model, feeds):
    if model.ir_version > NEWEST_RUNTIME["ir"] or opsets(model).get("ai.onnx", 0) > NEWEST_RUNTIME["opset"]:
        raise ValueError("newer than ONNX Runtime")
    options = onnxruntime.SessionOptions()
    options.log_severity_level, options.intra_op_num_threads = 4, 1
    session = onnxruntime.InferenceSession(model.SerializeToString(), options, providers=["CPUExecutionProvider"])
    return session.run(None, feeds)


def in_reference(model, feeds):
    return ReferenceEvaluator(model).run(None, feeds)


EVALUATORS = {"ONNX Runtime": in_onnxruntime, "onnx reference": in_reference}


def evaluate(evaluator, model, folder):
    """None where the evaluator gets the expected values of the case, else a sentence."""
    rtol, atol = bounds(folder)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            for feeds, expected in load_sets(folder, onnx.load(folder / "model.onnx")):
                feeds = {model.graph.input[i].name: v for i, v in enumerate(feeds.values())}
                for found, wanted in zip(evaluator(model, feeds), expected):
                    if problem := difference(found, wanted, rtol, atol):
                        return problem
    except Exception as problem:  # both evaluators raise every kind of exception
        return f"{type(problem).__name__}: {str(problem).strip()[:200]}"
    return None


def choose_cases(root, per_operator, only, also=()):
    """Folders such that each operator is covered `per_operator` times where so many cases exist."""
    folders = sorted(
        (p.parent for p in root.rglob("model.onnx")), key=lambda f: ((f / "model.onnx").stat().st_size, f)
    )
    covered, chosen = Counter(), []
    for folder in folders:
        if only and only not in folder.name:
            continue
        needed = operator_counts(onnx.load(folder / "model.onnx")).keys()
        named = only or any(text in folder.name for text in also)
        if named or any(covered[op] < per_operator for op in needed):
            chosen.append(folder)
            covered.update(needed)
    return chosen


def convert(chorus, source, target, opset):
    command = [str(chorus), "convert", str(source), str(target), "--opset", str(opset)]
    return subprocess.run(command, capture_output=True, text=True, timeout=60)


def check_one(chorus, folder, opset, able, target):
    """("ok" | "refused" | "failed" | "unrun", why) of one case at one opset."""
    source = folder / "model.onnx"
    done = convert(chorus, source, target, opset)
    own = opsets(onnx.load(source)).get("ai.onnx")
    if done.returncode in REFUSED:
        sentence = (done.stderr.strip() or done.stdout.strip()).replace("\n", " ")
        if not sentence:
            return "failed", "refused without a sentence"
        return ("failed", f"refused its own opset: {sentence}") if opset == own else ("refused", sentence)
    if done.returncode != 0:
        return "failed", f"exit status {done.returncode}: {done.stderr.strip()[:300]}"
    written = onnx.load(target)
    imported = opsets(written).get("ai.onnx")
    if imported is not None and imported != opset:
        return "failed", f"imports opset {imported}"
    try:
        infer = not CHECKER_FAULTS & operator_counts(written).keys()
        onnx.checker.check_model(str(target), full_check=infer)
    except Exception as problem:  # ValidationError, InferenceError and what lies beneath
        return "failed", f"checker: {str(problem).strip()[:300]}"
    problems = []
    for name in able:
        problem = evaluate(EVALUATORS[name], written, folder)
        if problem is None:
            return "ok", ""
        if not (name == "ONNX Runtime" and ("NotImplemented" in problem or "newer than" in problem)):
            problems.append(f"{name}: {problem}")
    return ("failed", "; ".join(problems)) if problems else ("unrun", "no evaluator for the written file")


def check_case(chorus, folder, targets):
    """Results of one case at all opsets, in a process of its own."""
    onnxruntime.set_default_logger_severity(4)
    original = onnx.load(folder / "model.onnx")
    able = [name for name, evaluator in EVALUATORS.items() if evaluate(evaluator, original, folder) is None]
    with tempfile.TemporaryDirectory() as scratch:
        return [(o, *check_one(chorus, folder, o, able, pathlib.Path(scratch) / "out.onnx")) for o in targets]


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("cases", type=pathlib.Path)
    parser.add_argument("--chorus", type=pathlib.Path, default=ROOT / "build/bin/chorus")
    parser.add_argument(
        "--opsets", default=f"7-{onnx.defs.onnx_opset_version()}", help="N or N-M (default %(default)s)"
    )
    parser.add_argument("--per-operator", type=int, default=1)
    parser.add_argument("--also", nargs="+", default=[], help="besides, all cases with one of these texts in their name")
    parser.add_argument("--only", help="only cases with this text in their name, all of them")
    parser.add_argument("--jobs", type=int, default=os.cpu_count())
    parser.add_argument("--verbose", action="store_true", help="print refusals too")
    args = parser.parse_args()
    if not args.chorus.exists():
        print(f"check_writer: {args.chorus} does not exist", file=sys.stderr)
        raise SystemExit(2)
    first, _, last = args.opsets.partition("-")
    targets = range(int(first), int(last or first) + 1)
    chosen = choose_cases(args.cases, args.per_operator, args.only, args.also)
    if not chosen:
        print(f"check_writer: no cases under {args.cases}", file=sys.stderr)
        raise SystemExit(2)
    total = Counter()
    with concurrent.futures.ProcessPoolExecutor(args.jobs) as pool:
        jobs = {pool.submit(check_case, args.chorus, folder, targets): folder for folder in chosen}
        for job, folder in jobs.items():
            results = job.result()
            total.update(state for _, state, _ in results)
            reported = [r for r in results if r[1] == "failed" or (args.verbose and r[1] != "ok")]
            for opset, state, why in reported:
                print(f"{folder.parent.name}/{folder.name} at opset {opset}: {state}: {why}", flush=True)
    print(
        f"{len(chosen)} models at opsets {args.opsets}: {total['ok']} right, {total['refused']} refused, "
        f"{total['unrun']} written and checked but not run, {total['failed']} failed"
    )
    raise SystemExit(1 if total["failed"] or not total["ok"] else 0)


if __name__ == "__main__":
    main()
