#!/usr/bin/env python3
"""What engines compute wrongly: runs `chorus check FOLDER` over the cases of the onnx package and the operators' own grids, and keeps the
smallest model for each engine and operator below docs/findings/, with a page about them.

  findings.py CASES --chorus BIN --write [--engines a,b]   writes docs/engine_findings.md and the files, for these engines anew
  findings.py CASES --chorus BIN                           fails where the page says something else than what is found

OpenVINO compiles for minutes: without --write only its kept models are run. What a finding is stands in findings.txt, by hand.
"""
import argparse
import json
import os
import pathlib
import re
import shutil
import subprocess
import sys
import tempfile

HERE = pathlib.Path(__file__).resolve().parent
ROOT = HERE.parents[1]
PAGE = ROOT / "docs" / "engine_findings.md"
FILES = ROOT / "docs" / "findings"
NOT_MEASURED = {"native", "example"}
SLOW = {"openvino"}
MOST_BYTES = 20_000  # of a kept model and its inputs together

HEAD = """# What engines compute wrongly

Written by `tools/truth/run.py findings --write`, which runs every case of the onnx package and of the operators' own grids on every engine
that is installed (`chorus check FOLDER`, each in a worker) and compares with the float64 oracle and the plain kernels; who agrees with
one of them is right. A test (`truth_findings`) fails when an engine no longer does what stands here, or does more. What an engine *refuses* is not here
([engine_matrix.md](engine_matrix.md)), nor what Chorus refuses in its place because the answer would be wrong ([engine_refusals.md](engine_refusals.md)). One row for each engine and operator: the
smallest model that shows it, its inputs as `.npz` and a report for the engine's makers as `.md` beside it. PyTorch, TensorFlow, PaddlePaddle, MindSpore and TVM are
reached through Chorus's mapping of operators, so a row of theirs may be the mapping's.

| engine | operator | cases | answers | should be | what it is | file |
|---|---|---|---|---|---|---|
"""


def chorus(arguments, statuses=(0, 1, 4)):
    done = subprocess.run(arguments, capture_output=True, text=True, stdin=subprocess.DEVNULL)
    if done.returncode not in statuses:
        sys.exit(f"findings: {' '.join(map(str, arguments[1:5]))}: {done.stderr.strip()[-500:]}")
    return done


def installed(binary):
    engines = json.loads(chorus([binary, "engines", "--json"]).stdout)
    return {e["name"]: e["version"].split("-")[0] for e in engines if e["available"] and e["name"] not in NOT_MEASURED}


def reasons():
    """(engine, operator) → what it is."""
    known = {}
    for line in (HERE / "findings.txt").read_text().splitlines():
        if line and not line.startswith("#"):
            engine, operator, text = line.split(None, 2)
            known[engine, operator] = text
    return known


def size(stem):
    return sum(p.stat().st_size for p in (stem.with_suffix(".onnx"), stem.with_suffix(".npz")) if p.exists())


def stem_of(folder, case):
    return folder / (case + ".x")  # with_suffix replaces the last part only


def measure(binary, engine, sets, work):
    """operator → (count, finding, stem of its smallest model)."""
    found = {}
    for name, folder in sets.items():
        out = work / name
        done = chorus([binary, "check", folder, "--engines", engine, "--worker", "--threads", "1", "--json", "--write", out])
        for fault in json.loads(done.stdout):
            stem = stem_of(out / engine, fault["case"])
            count, best, place = found.get(fault["op"], (0, None, None))
            if best is None or size(stem) < size(place):
                best, place = fault, stem
            found[fault["op"]] = (count + 1, best, place)
    return found


def rows_of_page():
    """(engine, operator) → the row."""
    rows = {}
    for line in PAGE.read_text().splitlines() if PAGE.exists() else []:
        cells = [c.strip() for c in line.strip("|").split("|")]
        if line.startswith("| ") and len(cells) == 7 and cells[0] != "engine":
            rows[re.sub(r" .*", "", cells[0]), cells[1]] = line
    return rows


def shown(number):
    return number if len(number) < 14 else f"{float(number):.7g}"


def shows_it(binary, engine, stem):
    done = chorus([binary, "check", stem.with_suffix(".onnx"), "--engines", engine, "--worker", "--threads", "1",
                   "--input", stem.with_suffix(".npz")], statuses=(0, 1, 2, 3, 4))
    return done.returncode == 1 or "died" in done.stdout


def write(binary, engines, chosen, sets, work):
    rows, known = rows_of_page(), reasons()
    for engine in chosen:
        for key in [k for k in rows if k[0] == engine]:
            del rows[key]
        shutil.rmtree(FILES / engine, ignore_errors=True)
        for operator, (count, fault, stem) in measure(binary, engine, sets, work).items():
            if (engine, operator) in known and known[engine, operator].startswith("no fault:"):
                continue
            target = FILES / engine
            target.mkdir(parents=True, exist_ok=True)
            link = "too large to keep, or with texts as inputs"
            if size(stem) <= MOST_BYTES and shows_it(binary, engine, stem):
                for suffix in (".onnx", ".npz", ".md"):
                    data = stem.with_suffix(suffix).read_bytes()
                    if suffix == ".md":  # its files are named after the case
                        data = data.replace(stem.stem.encode(), operator.encode())
                    (target / (operator + suffix)).write_bytes(data)
                link = f"[{operator}.md](findings/{engine}/{operator}.md)"
            got, wanted = shown(fault["got"]), shown(fault["wanted"])
            if fault["dies"]:
                got, wanted = "dies", "an answer"
            elif fault["reason"]:
                got, wanted = "another value", fault["reason"]
            what = known.get((engine, operator), "not looked into yet")
            rows[engine, operator] = f"| {engine} {engines[engine]} | {operator} | {count} | {got} | {wanted} | {what} | {link} |"
            print(f"{engine} {operator}: {count}")
    PAGE.write_text(HEAD + "".join(rows[key] + "\n" for key in sorted(rows)))


def check(binary, engines, sets, work):
    passed, faults = 0, []
    rows, known = rows_of_page(), reasons()
    for (engine, operator), row in sorted(rows.items()):
        stem = FILES / engine / (operator + ".x")
        if engine not in engines or not stem.with_suffix(".onnx").exists():
            continue
        if shows_it(binary, engine, stem):
            passed += 1
        else:
            faults.append(f"{engine} {operator}: its model shows no fault any more")
    for engine in sorted(set(engines) - SLOW):
        if not any(key[0] == engine for key in rows):
            continue  # an engine that the page does not speak of yet
        found = {op for op in measure(binary, engine, sets, work)
                 if not known.get((engine, op), "").startswith("no fault:")}
        listed = {op for name, op in rows if name == engine}
        faults += [f"{engine} {op}: wrong, and not on the page" for op in sorted(found - listed)]
        faults += [f"{engine} {op}: on the page, and not found" for op in sorted(listed - found)]
        passed += not found ^ listed
    for fault in faults:
        print(fault)
    print(f"{passed} passed, {len(faults)} failed, 0 skipped")
    return 1 if faults else 0


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("cases", type=pathlib.Path)
    parser.add_argument("--chorus", type=pathlib.Path, required=True)
    parser.add_argument("--write", action="store_true")
    parser.add_argument("--engines")
    args = parser.parse_args()
    os.environ.setdefault("CHORUS_ENGINES_DIR", str(ROOT / ".engines"))
    binary = args.chorus.resolve()
    engines = installed(binary)
    if not engines:
        print("skipped: no engine is installed")
        return 77
    with tempfile.TemporaryDirectory() as folder:
        work = pathlib.Path(folder)
        chorus([binary, "ops", "--cases", work / "grid", "--per-operator", "1"])
        sets = {"onnx": args.cases, "grid": work / "grid"}
        if not args.write:
            return check(binary, engines, sets, work)
        chosen = args.engines.split(",") if args.engines else sorted(engines)
        write(binary, engines, [e for e in chosen if e in engines], sets, work)
        return 0


if __name__ == "__main__":
    sys.exit(main())
