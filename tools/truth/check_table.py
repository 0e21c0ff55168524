"""Compares Chorus' table of operators with the schemas of the installed onnx package.

    check_table.py [--chorus build/bin/chorus | --table FILE] [--complete]

The table is what `chorus ops --json` prints: a list of
  {"name", "domain", "versions": [{"since", "deprecated", "inputs", "outputs", "attributes", "types"}]}
with the members as `schemas.py` writes them for the package (inputs: name, option single|optional|variadic, type_str,
min_arity, homogeneous; attributes: name, type, required, default; types: {letter: [allowed types]}).
A version that is in the table and deviates from the package in any of these is a failure; so is a version that the
package does not have. Letters may be named differently: compared is which types each parameter allows and which
parameters share one. Versions that the table lacks are listed and counted, and are a failure with --complete unless later.txt
names the operator. The last line counts versions: those listed in later.txt as skipped.
Operators of the domain "chorus" are ours alone and are not compared.
Exit status: 0 equal, 1 deviations, 2 no table.
"""

import argparse
import json
import pathlib
import subprocess
import sys

import numpy as np

from later import Later
from schemas import all_schemas, domain_name

ROOT = pathlib.Path(__file__).resolve().parents[2]
ATTRIBUTE_KINDS = {
    "type": "type_proto",
    "types": "type_protos",
    "sparse": "sparse_tensor",
    "sparses": "sparse_tensors",
}


def read_table(args):
    if args.table:
        return json.loads(args.table.read_text(encoding="utf-8"))
    try:
        done = subprocess.run([str(args.chorus), "ops", "--json"], capture_output=True, text=True, check=True)
    except (OSError, subprocess.CalledProcessError) as problem:
        print(f"check_table: {problem}\n{getattr(problem, 'stderr', '') or ''}", file=sys.stderr)
        raise SystemExit(2) from problem
    return json.loads(done.stdout)


def allowed(parameter, types):
    return frozenset(types.get(parameter["type_str"], [parameter["type_str"]]))


def sharing(version):
    """Groups of parameters bound to one letter that allows several types, as a set of sets of "input 0", "output 1"."""
    groups = {}
    for side in ("inputs", "outputs"):
        for index, parameter in enumerate(version[side]):
            if len(allowed(parameter, version["types"])) > 1:
                groups.setdefault(parameter["type_str"], set()).add(f"{side[:-1]} {index}")
    return {frozenset(g) for g in groups.values()}


def same_default(kind, ours, theirs):
    if ours is None or theirs is None:
        return ours is None and theirs is None
    if kind in ("float", "floats"):
        return np.array_equal(np.float32(ours), np.float32(theirs))
    return ours == theirs


def compare_parameters(side, ours, theirs):
    if len(ours[side]) != len(theirs[side]):
        names = [[p["name"] for p in v[side]] for v in (ours, theirs)]
        yield f"{side} {names[0]}, onnx has {names[1]}"
        return
    for mine, onnx in zip(ours[side], theirs[side]):
        for key in ("name", "option"):
            if mine[key] != onnx[key]:
                yield f"{side[:-1]} {onnx['name']}: {key} {mine[key]!r}, onnx has {onnx[key]!r}"
        if onnx["option"] == "variadic":
            for key in ("min_arity", "homogeneous"):
                if mine.get(key) != onnx[key]:
                    yield f"{side[:-1]} {onnx['name']}: {key} {mine.get(key)!r}, onnx has {onnx[key]!r}"
        a, b = allowed(mine, ours["types"]), allowed(onnx, theirs["types"])
        if a != b:
            more, less = sorted(a - b), sorted(b - a)
            yield f"{side[:-1]} {onnx['name']}: types {more or ''} too many, {less or ''} missing"


def compare_attributes(ours, theirs):
    mine = {a["name"]: a for a in ours["attributes"]}
    onnx = {a["name"]: a for a in theirs["attributes"]}
    if missing := sorted(onnx.keys() - mine.keys()):
        yield f"attributes missing: {missing}"
    if extra := sorted(mine.keys() - onnx.keys()):
        yield f"attributes that onnx lacks: {extra}"
    for name in sorted(mine.keys() & onnx.keys()):
        kind = ATTRIBUTE_KINDS.get(mine[name]["type"], mine[name]["type"])
        if kind != onnx[name]["type"]:
            yield f"attribute {name}: type {kind}, onnx has {onnx[name]['type']}"
        if mine[name]["required"] != onnx[name]["required"]:
            yield f"attribute {name}: required {mine[name]['required']}, onnx has {onnx[name]['required']}"
        if not same_default(onnx[name]["type"], mine[name].get("default"), onnx[name]["default"]):
            yield f"attribute {name}: default {mine[name].get('default')!r}, onnx has {onnx[name]['default']!r}"


def compare_version(ours, theirs):
    if bool(ours.get("deprecated", False)) != theirs["deprecated"]:
        yield f"deprecated {ours.get('deprecated', False)}, onnx has {theirs['deprecated']}"
    if theirs["deprecated"] and not theirs["inputs"]:
        return  # the package keeps no signature for versions that only withdraw an operator
    yield from compare_parameters("inputs", ours, theirs)
    yield from compare_parameters("outputs", ours, theirs)
    yield from compare_attributes(ours, theirs)
    if sharing(ours) != sharing(theirs):
        differ = sharing(ours) ^ sharing(theirs)
        yield "parameters that share a type differ: " + "; ".join(sorted(", ".join(sorted(g)) for g in differ))


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--chorus", type=pathlib.Path, default=ROOT / "build/bin/chorus")
    parser.add_argument("--table", type=pathlib.Path, help="a saved output of `chorus ops --json`")
    parser.add_argument("--complete", action="store_true", help="missing operators are failures too")
    args = parser.parse_args()
    schemas = all_schemas()
    deviations, deviating, present, compared, seen = 0, set(), set(), 0, set()
    for operator in read_table(args):
        domain, name = domain_name(operator["domain"]), operator["name"]
        if domain == "chorus":
            continue
        known = {v["since"]: v for v in schemas.get(domain, {}).get(name, [])}
        if (domain, name) in seen:
            print(f"{domain}::{name}: stands twice in the table")
            deviations += 1
            deviating.add(f"{domain}::{name}")
        seen.add((domain, name))
        for ours in operator["versions"]:
            title = f"{domain}::{name}-{ours['since']}"
            if ours["since"] not in known:
                print(f"{title}: onnx has no such version, only {sorted(known)}")
                deviations += 1
                deviating.add(title)
                continue
            present.add((domain, name, ours["since"]))
            compared += 1
            for problem in compare_version(ours, known[ours["since"]]):
                print(f"{title}: {problem}")
                deviations += 1
                deviating.add(title)
    everything = {(d, n, v["since"]) for d, names in schemas.items() for n, vs in names.items() for v in vs}
    missing = sorted(everything - present)
    if missing:
        print(f"missing versions ({len(missing)}): " + " ".join(f"{d}::{n}-{s}" for d, n, s in missing))
    later = Later("operator")
    unexcused = [f"{d}::{n}-{s}" for d, n, s in missing if not later.excuses(f"{d}::{n}")]
    if unexcused and args.complete:
        print(f"missing and not in later.txt ({len(unexcused)}): {' '.join(unexcused)}")
    if later.unneeded():
        print(f"in the table, yet in later.txt: {' '.join(later.unneeded())}")
    whole = sum(1 for d, names in schemas.items() for n in names if (d, n) in seen)
    total = sum(map(len, schemas.values()))
    print(f"{compared} of {len(everything)} versions, {whole} of {total} operators compared: {deviations} deviations")
    failed = len(deviating) + (len(unexcused) if args.complete else 0)
    skipped = len(missing) - (len(unexcused) if args.complete else 0)
    print(f"{max(compared - len(deviating), 0)} passed, {failed} failed, {skipped} skipped")
    raise SystemExit(1 if failed else 0)


if __name__ == "__main__":
    main()
