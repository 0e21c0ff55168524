"""Compares which operators have a gradient with the marks of the installed onnx package.

    check_gradients.py [--chorus build/bin/chorus]

The package marks operands as differentiable, as not differentiable, or not at all. An operator with a differentiable operand should have a gradient
rule, one whose operands are all marked as not differentiable none. The deviations must be those that the table in docs/gradients.md explains.
The last lines count. Exit status: 0 as explained, 1 not.
"""

import argparse
import json
import pathlib
import re
import subprocess

import onnx

ROOT = pathlib.Path(__file__).resolve().parents[2]
Category = onnx.defs.OpSchema.DifferentiationCategory


def marks():
    """Operator → True: some operand is differentiable; False: none is; None: the package does not say."""
    newest = {}
    for schema in onnx.defs.get_all_schemas_with_history():
        if schema.domain == "" and (schema.name not in newest or schema.since_version > newest[schema.name].since_version):
            newest[schema.name] = schema
    found = {}
    for name, schema in newest.items():
        categories = [operand.differentiation_category for operand in schema.inputs]
        if Category.Differentiable in categories:
            found[name] = True
        else:
            found[name] = False if categories and all(c == Category.NonDifferentiable for c in categories) else None
    return found


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--chorus", type=pathlib.Path, default=ROOT / "build" / "bin" / "chorus")
    args = parser.parse_args()
    table = json.loads(subprocess.run([str(args.chorus), "ops", "--json"], capture_output=True, text=True, check=True).stdout)
    ours = {row["name"]: row["gradient"] for row in table if row["domain"] in ("", "ai.onnx")}
    marked = marks()
    differ = {name for name, rule in ours.items() if marked.get(name) is not None and marked[name] != (rule == "rule")}
    text = (ROOT / "docs" / "gradients.md").read_text(encoding="utf-8")
    explained = set(re.findall(r"^\| (\w+) \| (?:marked|not marked) \|", text, re.MULTILINE))
    wrong = 0
    for name in sorted(differ - explained):
        wrong += 1
        print(f"{name}: {ours[name]}, onnx marks it {'' if marked[name] else 'not '}differentiable; docs/gradients.md does not say why")
    for name in sorted(explained - differ):
        wrong += 1
        print(f"{name}: docs/gradients.md explains a deviation that is none")
    open_rows = sorted(name for name, rule in ours.items() if rule not in ("rule", "none"))
    for name in open_rows:
        wrong += 1
        print(f"{name}: {ours[name]}")
    rules = [name for name, rule in ours.items() if rule == "rule"]
    silent = sum(1 for name in rules if marked.get(name) is None)
    print(f"{len(ours)} operators: {len(rules)} with a rule, of which onnx says nothing of {silent}; {len(differ)} deviations from its marks")
    return 1 if wrong else 0


if __name__ == "__main__":
    raise SystemExit(main())
