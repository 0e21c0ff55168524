#!/usr/bin/env python3
"""Runs one check against the truth packages, with everything that it needs: run.py NAME [--build FOLDER] [--engine E]

  self         the checks themselves can fail
  table        the table of operators equals the schemas of the onnx package
  conformance  the 2,027 backend cases of the onnx package pass, but those that later.txt names
  fields       no field of an ONNX file is lost
  writer       written files are right at every opset
  models       whole networks are as exact as float64 asks, in outputs and intermediates; a few, with --all every one
  mutants      damaged models are refused, never crash

Packages go to .cache/venv-truth, cases and models to .cache/truth; a stamp saves the second time. Runs with the system's
Python. Exit status: that of the check, 77 where it cannot run here (no network and nothing installed, no program built).
"""

import argparse
import contextlib
import fcntl
import hashlib
import json
import pathlib
import subprocess
import sys

from later import Later

HERE = pathlib.Path(__file__).resolve().parent
ROOT = HERE.parents[1]
CACHE = ROOT / ".cache" / "truth"
SKIPPED = 77
OCR_MODELS = ROOT / ".cache" / "models" / "ocr"


def skip(reason):
    print(f"skipped: {reason}")
    raise SystemExit(SKIPPED)


def python(torch=False):
    """The Python with the pinned packages."""
    done = subprocess.run(
        [str(HERE / "setup.sh"), *(["--torch"] if torch else [])], stdout=subprocess.PIPE, text=True
    )
    if done.returncode != 0:
        skip("the pinned packages of tools/truth cannot be installed")
    return done.stdout.strip()


@contextlib.contextmanager
def locked(name):
    CACHE.mkdir(parents=True, exist_ok=True)
    with (CACHE / f"{name}.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


# One of each kind, small enough for a build that starts with nothing: residual, grouped with shuffles, the newer exporter, attention.
FEW_MODELS = ["resnet50", "shufflenet_v2_x1_0", "mobilenet_v2-dynamo", "bert-base"]


def made(name, inputs, command, options=()):
    """CACHE/name, made by `command` unless the inputs are as they were when it was made last."""
    target, stamp = CACHE / name, CACHE / f"{name}.stamp"
    key = hashlib.sha256(b"".join((HERE / i).read_bytes() for i in inputs)).hexdigest()
    with locked(name):
        if not (stamp.exists() and stamp.read_text() == key):
            stamp.unlink(missing_ok=True)
            subprocess.run([*map(str, command), str(target), *options], check=True)
            stamp.write_text(key)
    return target


def cases():
    inputs = ["dump_onnx_cases.py", "model_facts.py", "requirements.txt"]
    return made("cases", inputs, [python(), HERE / "dump_onnx_cases.py"])


def models(every):
    inputs = ["export_models.py", "requirements-torch.txt"]
    command = [python(torch=True), HERE / "export_models.py"]
    return made("models", inputs, command) if every else made("models-few", inputs, command, ["--only", *FEW_MODELS])


def ocr_models():
    if not OCR_MODELS.exists():
        return []
    inputs = ["ocr_models.py", "requirements-torch.txt"]
    folder = made("ocr", inputs, [python(torch=True), HERE / "ocr_models.py", OCR_MODELS])
    return sorted(folder.glob("ocr-*"))


def script(name, *arguments):
    return subprocess.run([python(), str(HERE / name), *map(str, arguments)]).returncode


def conformance(args):
    folder = cases()
    report = args.build / f"conformance-{args.engine or 'native'}.json"
    report.unlink(missing_ok=True)
    engine = ["--engine", args.engine] if args.engine else []
    done = subprocess.run([str(args.chorus), "conformance", str(folder), "--json", str(report), *engine])
    if not report.exists():
        print(f"chorus conformance wrote no report (exit status {done.returncode})")
        return 1
    found = json.loads(report.read_text())
    facts = {name.rsplit("/", 1)[-1]: fact for name, fact in json.loads((folder / "cases.json").read_text()).items()}
    outcomes = {state: [entry["name"].rsplit("/", 1)[-1] for entry in found[state]] for state in ("failed", "skipped")}
    later, operators = Later("case"), Later("operator")
    # Without --engine the native one must do all; another engine may skip with a reason.
    allowed = bool(args.engine)
    wrong = [name for name in outcomes["failed"] if not later.excuses(name)]
    wrong += [
        name
        for name in outcomes["skipped"]
        if not any(map(operators.excuses, facts[name]["ops"])) and not later.excuses(name) and not allowed
    ]
    total = len(found["passed"]) + len(outcomes["failed"]) + len(outcomes["skipped"])
    if total != len(facts):
        print(f"the report speaks of {total} cases, there are {len(facts)}")
        wrong.append("the number of cases")
    reasons = {entry["name"].rsplit("/", 1)[-1]: entry["why"] for s in outcomes for entry in found[s]}
    for name in wrong:
        print(f"{name}: {reasons.get(name, '')}".replace("\n", " ")[:300])
    if later.unneeded() and not args.engine:
        print(f"passes, yet in later.txt: {' '.join(later.unneeded())}")
    print(f"{len(found['passed'])} passed, {len(wrong)} failed, {total - len(found['passed']) - len(wrong)} skipped")
    return 1 if wrong else 0


def compare(args):
    engine = ["--engine", args.engine] if args.engine else []
    folders = [*sorted(p.parent for p in models(args.all).glob("*/feeds.npz")), *ocr_models()]
    return script("compare_models.py", *folders, "--chorus", args.chorus, *engine)


CHECKS = {
    "self": lambda args: script("self_test.py", cases()),
    "table": lambda args: script("check_table.py", "--chorus", args.chorus, "--complete"),
    "conformance": conformance,
    "fields": lambda args: script("check_fields.py", "--chorus", args.chorus),
    "writer": lambda args: script("check_writer.py", cases(), "--chorus", args.chorus),
    "models": compare,
    "mutants": lambda args: script("drive_mutants.py", cases(), "--chorus", args.chorus),
}


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("check", choices=CHECKS)
    parser.add_argument("--build", type=pathlib.Path, default=ROOT / "build")
    parser.add_argument("--engine")
    parser.add_argument("--all", action="store_true", help="models: every network, not the few of a test run")
    args = parser.parse_args()
    args.chorus = args.build / "bin" / "chorus"
    if args.check != "self" and not args.chorus.exists():
        skip(f"{args.chorus} is not built")
    raise SystemExit(CHECKS[args.check](args))


if __name__ == "__main__":
    main()
