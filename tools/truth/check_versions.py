"""Converts a model of every version of every operator to newer and older operator sets, and runs both.

    check_versions.py [--chorus build/bin/chorus] [--only TEXT] [--jobs N]

Models are the grid cases of the operator table (`chorus ops --cases`), one data set each; wanted values are those of the onnx
package or of ONNX Runtime (check_cases.py). A model whose values Chorus gets is converted with `chorus convert --opset N` to the newest
operator set and to those in which the operator's versions begin and before which they end; what is written must import that set, pass
onnx.checker and give the same values in Chorus. A refusal needs a sentence; none is allowed at the model's own set nor upwards. Prints
how many conversions up and down were run and refused. Exit status: 0 all right, 1 failures, 2 nothing could be run.
"""

import argparse
import collections
import concurrent.futures
import json
import os
import pathlib
import shutil
import subprocess
import sys
import tempfile

import onnx

from check_cases import PEERS, compare, grid_cases
from check_writer import CHECKER_FAULTS, REFUSED, convert
from later import Later
from model_facts import operator_counts, opsets

ROOT = pathlib.Path(__file__).resolve().parents[2]
NEWEST = onnx.defs.onnx_opset_version()


def boundaries(chorus):
    """{operator: operator sets to convert to}, of the default domain."""
    table = json.loads(subprocess.run([str(chorus), "ops", "--json"], capture_output=True, text=True, check=True).stdout)
    rows = table["operators"] if isinstance(table, dict) else table
    found = {}
    for row in rows:
        if row["domain"] in ("", "ai.onnx"):
            since = [v["since"] for v in row["versions"]]
            found[f"ai.onnx::{row['name']}"] = sorted({NEWEST, *since, *(s - 1 for s in since if s > 1)})
    return found


def right_cases(chorus, work, only):
    """Folders of one-node models whose wanted values Chorus gets."""
    left, right = [c for c in grid_cases(chorus, work / "grid", 1) if only in c.name], []
    for peer in PEERS:
        folder = work / peer
        folder.mkdir()
        for c in left:
            c.write(peer, folder)
        passed, _ = compare(chorus, folder)
        right += [(c, folder / c.name) for c in left if c.name in passed]
        left = [c for c in left if c.name not in passed]
    return right


def checked(model, infer):
    """What onnx.checker says against a model; None where it is content."""
    try:
        onnx.checker.check_model(str(model), full_check=infer)
    except Exception as problem:  # ValidationError, InferenceError and what lies beneath
        return str(problem).strip()[:300]
    return None


def checks_of(model):
    """The checks that the original passes: [False, True] with and without shape inference, which has faults of its own."""
    faulty = CHECKER_FAULTS & operator_counts(onnx.load(model)).keys()
    return [infer for infer in (False, True) if not (infer and faulty) and checked(model, infer) is None]


# The older text says itself that these count from the end, or the operator has no axis there.
FROM_THE_END = {"Gather", "Scatter"}


def counted_from_end(model):
    """Operators of a model below operator set 11 with an axis from the end, which is no older text's but where -1 is the default."""
    if opsets(model).get("ai.onnx", 11) >= 11:
        return set()
    found = set()
    for node in model.graph.node:
        default = onnx.defs.get_schema(node.op_type, opsets(model)["ai.onnx"], node.domain).attributes
        for a in node.attribute:
            if a.name not in ("axis", "axes", "scan_input_axes", "scan_output_axes") or node.op_type in FROM_THE_END:
                continue
            if min([a.i, *a.ints]) < 0 and not (a.i == -1 and default[a.name].default_value.i == -1):
                found.add(node.op_type)
    return found


def convert_one(chorus, case, folder, opset, converted):
    """(state, sentence): "written", "refused" or "failed"."""
    target = converted / f"{case.name}_to{opset}"
    target.mkdir()
    done = convert(chorus, folder / "model.onnx", target / "model.onnx", opset)
    own = opsets(case.model).get("ai.onnx", 0)
    if done.returncode in REFUSED:
        shutil.rmtree(target)
        sentence = (done.stderr.strip() or done.stdout.strip()).replace("\n", " ")
        return ("failed" if opset >= own or not sentence else "refused"), sentence
    if done.returncode != 0:
        shutil.rmtree(target)
        return "failed", f"exit status {done.returncode}: {done.stderr.strip()[:300]}"
    written = onnx.load(target / "model.onnx")
    if opsets(written).get("ai.onnx") not in (None, opset):
        return "failed", f"imports operator set {opsets(written).get('ai.onnx')}"
    if old := counted_from_end(written):
        return "failed", f"axes of {', '.join(sorted(old))} are counted from the end"
    for infer in checks_of(folder / "model.onnx"):
        if problem := checked(target / "model.onnx", infer):
            return "failed", f"checker: {problem}"
    shutil.copy(folder / "tolerance.json", target)
    for values in folder.glob("test_data_set_*"):
        shutil.copytree(values, target / values.name, copy_function=os.link)
    return "written", ""


def check(args, work):
    targets, converted = boundaries(args.chorus), work / "converted"
    converted.mkdir()
    jobs = [
        (case, folder, opset)
        for case, folder in right_cases(args.chorus, work, args.only)
        if case.operator in targets
        for opset in targets[case.operator]
    ]
    count, failed, later = collections.Counter(), [], Later("versions")
    with concurrent.futures.ThreadPoolExecutor(args.jobs) as pool:
        results = list(pool.map(lambda j: convert_one(args.chorus, *j, converted), jobs))
    passed, why = compare(args.chorus, converted)
    for (case, _, opset), (state, sentence) in zip(jobs, results):
        own = opsets(case.model).get("ai.onnx", 0)
        way = "up" if opset > own else "down" if opset < own else "same"
        name = f"{case.name}_to{opset}"
        if state == "written" and name not in passed:
            state, sentence = "failed", why.get(name, "did not run")
        if state == "failed" and later.excuses(name):
            print(f"later {name}: {sentence}".replace("\n", " ")[:400])
            state = "refused"
        count[way, state] += 1
        if state == "failed":
            failed.append(f"{case.name} from {own} to {opset}: {sentence}")
    if later.unneeded() and not args.only:
        print(f"right, yet in later.txt: {' '.join(later.unneeded())}")
    return count, failed


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--chorus", type=pathlib.Path, default=ROOT / "build/bin/chorus")
    parser.add_argument("--only", default="", help="cases whose name contains this")
    parser.add_argument("--jobs", type=int, default=os.cpu_count())
    args = parser.parse_args()
    if not args.chorus.exists():
        print(f"check_versions: {args.chorus} is not built", file=sys.stderr)
        raise SystemExit(2)
    memory = pathlib.Path("/dev/shm")
    with tempfile.TemporaryDirectory(prefix="chorus-versions-", dir=memory if memory.is_dir() else None) as work:
        count, failed = check(args, pathlib.Path(work))
    for line in failed:
        print(f"FAILED {line}".replace("\n", " ")[:400])
    for way in ("up", "down", "same"):
        print(f"{way:5} {count[way, 'written']} run with the same values, {count[way, 'refused']} refused, {count[way, 'failed']} failed")
    ran = sum(n for (_, state), n in count.items() if state == "written")
    refused = sum(n for (_, state), n in count.items() if state == "refused")
    print(f"{ran} passed, {len(failed)} failed, {refused} skipped")
    raise SystemExit(1 if failed or not ran else 0)


if __name__ == "__main__":
    main()
