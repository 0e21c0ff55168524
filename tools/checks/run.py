#!/usr/bin/env python3
"""Runs the checks: run.py [--build FOLDER] [--only WORD] [--json] [--list]

Every check is a function of source_checks.py or build_checks.py; its name is the name of the check, its first line says what
holds. A check yields a sentence per fault. selftest.py proves that each of them can fail; it is itself one of the checks.
"""
import argparse
import json
import pathlib
import sys

import build_checks
import helpers_selftest
import selftest
import source_checks
import tree as trees

ROOT = pathlib.Path(__file__).resolve().parents[2]


def stale_exceptions(tree):
    """Each line of exceptions.txt names a file and a check that exist."""
    names = {check.__name__ for check in source_checks.CHECKS}
    for number, line in enumerate(tree.text("tools/checks/exceptions.txt").splitlines(), 1):
        if not line.strip() or line.startswith("#"):
            continue
        words = line.split(None, 2)
        if len(words) < 3:
            yield f"exceptions.txt:{number}: needs a check, a path and a reason"
        elif words[0] not in names or not (tree.root / words[1]).exists():
            yield f"exceptions.txt:{number}: {words[0]} {words[1]} does not exist any more"
        elif words[0] == "tests_mirror" and words[1].startswith("src/") and not names_a_test(tree, words[2]):
            yield f"exceptions.txt:{number}: the reason must begin with the tests that cover {words[1]}"


def names_a_test(tree, reason):
    """Whether a reason begins with tests that exist: paths below tests/, or truth_<name> of tools/truth; commas between."""
    truth = tree.text("tools/truth/CMakeLists.txt") if "tools/truth/CMakeLists.txt" in tree.paths else ""
    known = {"truth_" + word for word in truth.partition("foreach(check ")[2].partition(")")[0].split()}
    tests = [test.strip() for test in reason.partition(":")[0].split(",")]
    return all(test in known or test.startswith("tests/") and test in tree.paths for test in tests)


def every_check(build):
    """(name, description, function of a Tree) of every check."""
    for check in [*source_checks.CHECKS, stale_exceptions, selftest.checks_can_fail, *helpers_selftest.CHECKS]:
        yield check.__name__, check.__doc__.splitlines()[0], check
    for check in build_checks.CHECKS:
        yield check.__name__, check.__doc__.splitlines()[0], lambda tree, check=check: check(tree, build)


def judge(function, tree):
    """(state, sentences) of one check."""
    try:
        sentences = list(function(tree))
    except build_checks.Skip as reason:
        return "skipped", [str(reason)]
    except Exception as error:  # a check that breaks is a fault of its own, and must not hide the others
        return "failed", [f"the check itself broke: {type(error).__name__}: {error}"]
    return ("failed" if sentences else "passed"), sentences


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--build", type=pathlib.Path, default=ROOT / "build")
    parser.add_argument("--only", default="", help="only checks whose name has this word in it")
    parser.add_argument("--json", action="store_true")
    parser.add_argument("--list", action="store_true")
    options = parser.parse_args()
    tree, results = trees.Tree(ROOT), []
    for name, description, function in every_check(options.build.resolve()):
        if options.only not in name:
            continue
        if options.list:
            print(f"{name:20} {description}")
            continue
        state, sentences = judge(function, tree)
        results.append({"name": name, "state": state, "sentences": sentences})
        if not options.json:
            print(f"{state:8} {name}: {description}")
            print("".join(f"         {sentence}\n" for sentence in sentences), end="")
    if options.json:
        print(json.dumps(results))
    return 1 if any(r["state"] == "failed" for r in results) else 0


if __name__ == "__main__":
    sys.exit(main())
