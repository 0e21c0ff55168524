#!/usr/bin/env python3
"""Runs one check against the truth packages, with everything that it needs: run.py NAME [--build FOLDER] [--engine E]

  self         the checks themselves can fail
  table        the table of operators equals the schemas of the onnx package
  conformance  the 2,027 backend cases of the onnx package pass, but those that later.txt names
  sources      none of their names, hashes and answers stands in the sources
  old          so do those of seven older releases, with the files and answers of then
  light        and the networks that the package holds, with the answers stored beside them
  properties   at least 50 generated data sets for every operator agree with another evaluator
  special      NaN, infinities, signed zeros, denormal numbers, ends of integers, empty and scalar operands: agree too
  versions     every version of every operator, converted to newer and older sets, computes the same
  fields       no field of an ONNX file is lost
  writer       written files are right at every opset
  models       nine networks are as exact as float64 asks, in outputs and all values between; with --all more of them
  mutants      damaged models are refused, never crash
  findings     engines compute wrongly what docs/engine_findings.md says, and nothing else; --write writes the page
  gradients    gradients are those of PyTorch, and only operators have none that docs/gradients.md explains

Packages go to .cache/venv-truth, cases and models to .cache/truth; a stamp saves the second time. Runs with the system's
Python. Exit status: that of the check, 77 where it cannot run here (no network and nothing installed, no program built).
"""

import argparse
import contextlib
import fcntl
import hashlib
import json
import os
import pathlib
import subprocess
import sys
import tempfile

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


def old_cases():
    """Releases as folders; they are only data, so that the system's Python does."""
    try:
        return made("old", ["old_cases.py"], [sys.executable, HERE / "old_cases.py"])
    except subprocess.CalledProcessError:
        skip("the older releases of the onnx package cannot be downloaded")


def light_cases():
    return made("light", ["light_cases.py", "requirements.txt"], [python(), HERE / "light_cases.py"])


def models(every):
    inputs = ["export_models.py", "requirements-torch.txt"]
    command = [python(torch=True), HERE / "export_models.py"]
    usual = sorted(p.parent for p in made("models", inputs, command).glob("*/feeds.npz"))
    if not every:
        return usual
    return usual + sorted(p.parent for p in made("models-more", inputs, command, ["--more"]).glob("*/feeds.npz"))


def families():
    """Networks that only `./dev bench --all` asks for."""
    inputs = ["export_families.py", "export_models.py", "requirements-torch.txt"]
    folder = made("families", inputs, [python(torch=True), HERE / "export_families.py"])
    return sorted(p.parent for p in folder.glob("*/feeds.npz"))


def ocr_models():
    if not OCR_MODELS.exists():
        return []
    inputs = ["ocr_models.py", "requirements-torch.txt"]
    folder = made("ocr", inputs, [python(torch=True), HERE / "ocr_models.py", OCR_MODELS])
    return sorted(folder.glob("ocr-*"))


def script(name, *arguments):
    return subprocess.run([python(), str(HERE / name), *map(str, arguments)]).returncode


class Outcomes:
    """What `chorus conformance` said of the cases below a folder: names passed, {name: why} failed and skipped."""

    def __init__(self, args, folder, label, *options):
        report = args.build / f"conformance-{label}.json"
        report.unlink(missing_ok=True)
        engine = ["--engine", args.engine] if args.engine else []
        command = [str(args.chorus), "conformance", str(folder), "--json", str(report), *engine, *options]
        done = subprocess.run(command, stdout=subprocess.DEVNULL)
        if not report.exists():
            raise SystemExit(f"chorus conformance wrote no report (exit status {done.returncode})")
        found = json.loads(report.read_text())
        self.passed = found["passed"]
        self.failed, self.skipped = ({e["name"]: e["why"] for e in found[s]} for s in ("failed", "skipped"))
        self.total = sum(len(found[state]) for state in ("passed", "failed", "skipped"))

    def without_row(self, operators):
        """The skipped cases all of whose unknown operators later.txt names."""
        return {name for name, why in self.skipped.items() if all(map(operators.excuses, unknown_operators(why)))}

    def print_reasons(self, names):
        for name in sorted(names):
            print(f"{name}: {self.failed.get(name) or self.skipped.get(name, '')}".replace("\n", " ")[:300])


def unknown_operators(why):
    """The operators of the sentence "no row for A, ai.onnx.ml.B" as later.txt writes them; the sentence itself where it is another."""
    if not why.startswith("no row for "):
        return [why]
    split = (name.rpartition(".") for name in why.removeprefix("no row for ").split(", "))
    return [f"{domain or 'ai.onnx'}::{name}" for domain, _, name in split]


def needs_engine(args):
    """Skips where the engine is not installed; fails there when CHORUS_ENGINES asked for it."""
    if not args.engine:
        return
    done = subprocess.run([str(args.chorus), "engines", "--json"], capture_output=True, text=True)
    reasons = {e["name"]: e["reason"] or "not available" for e in json.loads(done.stdout) if not e["available"]}
    if args.engine not in reasons:
        return  # what is unknown altogether fails by itself
    if {"all", args.engine} & set(os.environ.get("CHORUS_ENGINES", "").replace(",", " ").split()):
        raise SystemExit(f"CHORUS_ENGINES asks for {args.engine}: {reasons[args.engine]}")
    skip(reasons[args.engine])


def closing(passed, wrong, total):
    print(f"{passed} passed, {wrong} failed, {total - passed - wrong} skipped")
    return 1 if wrong else 0


# Cases that an engine passes by itself, without a simpler form of an operator and without another engine: no fewer from now on.
OWN_CASES = {"onnxruntime": 1733, "openvino": 1477, "tensorflow": 1643, "torch": 1769, "paddle": 1729, "mindspore": 1648, "tvm": 980, "ncnn": 302}


def own_cases(args, folder, later):
    """Faults of the engine alone: a wrong answer, a case left out without a sentence, fewer cases than before."""
    found = Outcomes(args, folder, f"{args.engine}-alone", "--no-fallback")
    faults = [f"{name}: {why}" for name, why in found.failed.items() if not later.excuses(name)]
    faults += [f"{name}: left out without a reason" for name, why in found.skipped.items() if not why.strip()]
    print(f"{args.engine} alone: {len(found.passed)} passed, {len(found.failed)} failed, {len(found.skipped)} left out with a reason")
    if len(found.passed) < OWN_CASES[args.engine]:
        faults.append(f"{len(found.passed)} cases, fewer than the {OWN_CASES[args.engine]} that it took before")
    return {fault.replace("\n", " ")[:300] for fault in faults}


def conformance(args):
    needs_engine(args)
    folder = cases()
    found = Outcomes(args, folder, args.engine or "native")
    count = len(json.loads((folder / "cases.json").read_text()))
    # What an engine does not take runs natively, so that every one must do all.
    later, operators = Later(args.engine or "case"), Later("operator")
    wrong = {name for name in found.failed if not later.excuses(name)}
    wrong |= {n for n in found.skipped if not later.excuses(n)} - found.without_row(operators)
    found.print_reasons(wrong)
    if args.engine:
        alone = own_cases(args, folder, later)
        print("\n".join(sorted(alone)))
        wrong |= alone
    if found.total != count:
        print(f"the report speaks of {found.total} cases, there are {count}")
        wrong.add("the number of cases")
    if later.unneeded():
        print(f"passes, yet in later.txt: {' '.join(later.unneeded())}")
    return closing(len(found.passed), len(wrong), found.total)


def old_releases(args):
    folder, later, operators, cases = old_cases(), Later("old"), Later("operator"), Later("case")
    passed = failed = total = 0
    excused = []
    for release in sorted(folder.iterdir(), key=lambda f: [int(n) for n in f.name.split(".")]):
        found = Outcomes(args, release, f"old-{release.name}")
        wrong = set(found.skipped) - found.without_row(operators)
        excuses = {name for name in found.failed if later.excuses(f"{release.name}/{name}")}
        wrong |= {name for name in set(found.failed) - excuses if not cases.excuses(name)}
        excused += [next(release.rglob(f"{name}/model.onnx")).parent for name in excuses]
        print(f"onnx {release.name}: {len(found.passed)} of {found.total} passed, {len(found.skipped)} without a row, "
              f"{len(excuses)} answers that later releases withdrew")
        found.print_reasons(wrong)
        passed, failed, total = passed + len(found.passed), failed + len(wrong), total + found.total
    if later.unneeded():
        print(f"passes, yet in later.txt: {' '.join(later.unneeded())}")
    failed += 1 if script("check_doubts.py", *sorted(excused)) else 0
    return closing(passed, failed, total)


def light(args):
    found = Outcomes(args, light_cases(), "light")
    found.print_reasons(found.failed.keys() | found.skipped.keys())
    return closing(len(found.passed), found.total - len(found.passed), found.total)


def compare(args):
    engine = ["--engine", args.engine] if args.engine else []
    needs_engine(args)
    folders = [*models(args.all), *ocr_models()]
    return script("compare_models.py", *folders, "--chorus", args.chorus, "--store", *engine)


def gradients(args):
    program = args.build / "bin" / "test_autograd"
    if not program.exists():
        skip(f"{program} is not built")
    with tempfile.TemporaryDirectory() as folder:
        subprocess.run([python(torch=True), str(HERE / "torch_gradients.py"), folder], check=True)
        done = subprocess.run(
            [str(program), "--gtest_filter=GradientTorch.*"], env={**os.environ, "CHORUS_GRADIENT_CASES": folder}
        )
    return done.returncode or script("check_gradients.py", "--chorus", args.chorus)


# Operators whose version steps depend on types, attributes or constants: one case of each would not meet them all.
REWRITTEN = ["test_mod_", "test_quantizelinear", "test_reduce_mean_", "test_resize_upsample_sizes", "test_squeeze",
             "test_slice", "test_top_k", "test_dropout"]

CHECKS = {
    "self": lambda args: script("self_test.py", cases()),
    "table": lambda args: script("check_table.py", "--chorus", args.chorus, "--complete"),
    "conformance": conformance,
    "old": old_releases,
    "light": light,
    "properties": lambda args: script("check_cases.py", "--chorus", args.chorus),
    "sources": lambda args: script("check_sources.py", cases()),
    "special": lambda args: script("check_cases.py", "--chorus", args.chorus, "--special"),
    "versions": lambda args: script("check_versions.py", "--chorus", args.chorus),
    "fields": lambda args: script("check_fields.py", "--chorus", args.chorus),
    "writer": lambda args: script("check_writer.py", cases(), "--chorus", args.chorus, "--also", *REWRITTEN),
    "models": compare,
    "mutants": lambda args: script("drive_mutants.py", cases(), "--chorus", args.chorus),
    "findings": lambda args: script("findings.py", cases(), "--chorus", args.chorus,
                                    *(["--write"] if args.write else []), *(["--engines", args.engine] if args.engine else [])),
    "gradients": gradients,
}

# Requirement rows whose whole acceptance a check asserts: (check, engine) → rows.
PROVED = {
    ("fields", None): ["S-ONNX-07", "S-ONNX-09"],
    ("conformance", "torch"): ["A-ADP-063"],
    ("conformance", "tensorflow"): ["A-ADP-064"],
    ("conformance", "paddle"): ["A-ADP-065"],
    ("conformance", "mindspore"): ["A-ADP-066"],
}


def note_rows(check, engine, path):
    """Adds what the check proved to the file of the tests' claims, as tests/support/proves.h does."""
    if path:
        name = f"truth.{check}" + (f"_{engine}" if engine else "")
        with open(path, "a", encoding="utf-8") as trace:
            trace.writelines(f"proves {row} {name}\n" for row in PROVED.get((check, engine), ()))


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("check", choices=CHECKS)
    parser.add_argument("--build", type=pathlib.Path, default=ROOT / "build")
    parser.add_argument("--engine")
    parser.add_argument("--all", action="store_true", help="models: more than the nine of a test run")
    parser.add_argument("--write", action="store_true", help="findings: write the page and its files")
    args = parser.parse_args()
    args.chorus = args.build / "bin" / "chorus"
    if args.check != "self" and not args.chorus.exists():
        skip(f"{args.chorus} is not built")
    status = CHECKS[args.check](args)
    if status == 0:
        note_rows(args.check, args.engine, os.environ.get("CHORUS_TRACE_FILE"))
    raise SystemExit(status)


if __name__ == "__main__":
    main()
