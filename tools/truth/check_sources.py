"""Checks that the program does not know the answers: no name of a backend case, no hash of its files and no run of its stored
numbers stands in the sources, but for the one list of cases whose answers are random draws.

    check_sources.py CASES [--root FOLDER]

CASES: folder written by dump_onnx_cases.py. Looked at are src/, apps/, include/ and gen/ without the generated pages. A run is
four neighbouring literals of four significant digits or more that follow each other in a stored output, as float32 or float64.
Exit status: 0 none found, 1 found.
"""

import argparse
import hashlib
import pathlib
import re

import numpy as np
import onnx
from onnx import numpy_helper

ROOT = pathlib.Path(__file__).resolve().parents[2]
FOLDERS = ("src", "apps", "include", "gen/include", "gen/src")
DRAWS = re.compile(r"kDraws\[\] = \{[^}]*\}")  # the list, in apps/conformance.cpp
RANDOM_CASES = 10
RUN = 4
LITERAL = re.compile(r"(?<![\w.])-?\d+\.\d+(?:e[-+]?\d+)?|(?<![\w.])-?\d{4,}(?![\w.])")
HEX = re.compile(r"(?<![0-9a-fA-F])(?:[0-9a-f]{64}|[0-9a-f]{40}|[0-9a-f]{32})(?![0-9a-fA-F])")


def sources(root):
    for folder in FOLDERS:
        for path in sorted((root / folder).rglob("*")):
            if path.suffix in (".h", ".cpp", ".c", ".inc"):
                yield path.relative_to(root).as_posix(), path.read_text(errors="replace")


def significant(text):
    digits = text.lstrip("-").split("e")[0].replace(".", "").strip("0")
    return len(digits) >= 4


def literal_runs(text):
    """Windows of RUN neighbouring literals, as float32: neighbours have nothing but separators between them."""
    runs, last_end = [], None
    current = []
    for match in LITERAL.finditer(text):
        between = text[last_end : match.start()] if last_end is not None else ""
        if last_end is None or not re.fullmatch(r"[fFlL]?[\s,{}()]*", between):
            current = []
        current.append(match.group())
        last_end = match.end()
        window = current[-RUN:]
        if len(window) == RUN and all(map(significant, window)):
            runs.append(tuple(np.float32(w) for w in window))
    return runs


def stored_outputs(cases):
    for path in sorted(cases.rglob("output_*.pb")):
        data = path.read_bytes()
        try:
            array = numpy_helper.to_array(onnx.load_tensor_from_string(data))
        except Exception:  # a sequence, an optional
            continue
        if array.dtype.kind in "fiu" and array.size >= RUN:
            with np.errstate(over="ignore"):
                yield path, array.astype(np.float32).ravel()


def faults(root, cases):
    names = {folder.name for folder in cases.glob("*/test_*")}
    hashes = set()
    for path in cases.rglob("*"):
        if path.is_file() and path.suffix in (".pb", ".onnx"):
            data = path.read_bytes()
            hashes |= {h(data).hexdigest() for h in (hashlib.md5, hashlib.sha1, hashlib.sha256)}
    known = {}  # the run -> where it stands
    draws = 0
    for name, text in sources(root):
        if name == "apps/conformance.cpp":
            for block in DRAWS.findall(text):
                draws += len(re.findall(r'"test_\w+"', block))
            text = DRAWS.sub("", text)
        for word in sorted(set(re.findall(r"\btest_\w+", text)) & names):
            yield f"{name} names the case {word}"
        for word in HEX.findall(text):
            if word in hashes:
                yield f"{name} has the hash {word} of a file of the cases"
        for run in literal_runs(text):
            known.setdefault(run, name)
    if draws != RANDOM_CASES:
        yield f"the list of random cases in apps/conformance.cpp has {draws} names, not {RANDOM_CASES}"
    outputs = 0
    for path, array in stored_outputs(cases):
        outputs += 1
        windows = np.lib.stride_tricks.sliding_window_view(array, RUN)
        for run in known.keys() & set(map(tuple, windows[:100_000])):
            yield f"{known[run]} has numbers of {path.relative_to(cases)}: {', '.join(map(str, run))}"
    if len(names) < 1000 or outputs < 1000:
        yield f"only {len(names)} cases with {outputs} outputs were found in {cases}"


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("cases", type=pathlib.Path)
    parser.add_argument("--root", type=pathlib.Path, default=ROOT)
    args = parser.parse_args()
    found = list(faults(args.root, args.cases))
    print("\n".join(found))
    print(f"{0 if found else 1} passed, {len(found)} failed, 0 skipped")
    raise SystemExit(1 if found else 0)


if __name__ == "__main__":
    main()
