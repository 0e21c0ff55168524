"""The operator schemas of the installed onnx package as plain data.

Entry points: `all_schemas()` for other scripts, `schemas.py --output FILE` for people (JSON).
Form: {"domain": {"Name": [version, …]}}, newest version first; a version is
{"since", "deprecated", "has_function", "function_opsets", "min_input", "max_input", "min_output", "max_output",
 "inputs"/"outputs": [{"name", "option", "type_str", "min_arity", "homogeneous", "description"}],
 "attributes": [{"name", "type", "required", "default", "description"}], "types": {param: [allowed type]}, "doc"}.
The default domain is written "ai.onnx". A default that is absent is null (no ONNX default is itself null).
"""

import argparse
import json
import sys

import onnx
from onnx import defs, helper

ALL_INPUTS = 2**31 - 1  # max_input of a variadic operator


def domain_name(domain):
    return domain or "ai.onnx"


def plain(value):
    """An AttributeProto value as JSON: bytes become text, protos their text form."""
    if isinstance(value, bytes):
        return value.decode("utf-8")
    if isinstance(value, (list, tuple)):
        return [plain(v) for v in value]
    if isinstance(value, (int, float, str)):
        return value
    return str(value)


def attribute(attr):
    has_default = attr.default_value.type != onnx.AttributeProto.UNDEFINED
    return {
        "name": attr.name,
        "type": str(attr.type).rsplit(".", 1)[-1].lower(),
        "required": attr.required,
        "default": plain(helper.get_attribute_value(attr.default_value)) if has_default else None,
        "description": attr.description.strip(),
    }


def parameter(formal):
    return {
        "name": formal.name,
        "option": str(formal.option).rsplit(".", 1)[-1].lower(),
        "type_str": formal.type_str,
        "min_arity": formal.min_arity,
        "homogeneous": formal.is_homogeneous,
        "description": formal.description.strip(),
    }


def version(schema):
    unbounded = lambda n: None if n >= ALL_INPUTS else n
    return {
        "since": schema.since_version,
        "deprecated": schema.deprecated,
        "has_function": schema.has_function or schema.has_context_dependent_function,
        "context_dependent_function": schema.has_context_dependent_function,
        "function_opsets": sorted(
            {*schema.function_opset_versions, *schema.context_dependent_function_opset_versions}
        ),
        "min_input": schema.min_input,
        "max_input": unbounded(schema.max_input),
        "min_output": schema.min_output,
        "max_output": unbounded(schema.max_output),
        "inputs": [parameter(p) for p in schema.inputs],
        "outputs": [parameter(p) for p in schema.outputs],
        "attributes": [attribute(a) for _, a in sorted(schema.attributes.items())],
        "types": {t.type_param_str: sorted(t.allowed_type_strs) for t in schema.type_constraints},
        "doc": (schema.doc or "").strip(),
    }


def all_schemas():
    found = {}
    for schema in defs.get_all_schemas_with_history():
        found.setdefault(domain_name(schema.domain), {}).setdefault(schema.name, []).append(version(schema))
    return {
        domain: {name: sorted(versions, key=lambda v: -v["since"]) for name, versions in sorted(names.items())}
        for domain, names in sorted(found.items())
    }


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--output", help="file to write (default: standard output)")
    args = parser.parse_args()
    table = all_schemas()
    text = json.dumps(table, indent=1, ensure_ascii=False) + "\n"
    if not args.output:
        sys.stdout.write(text)
        return
    with open(args.output, "w", encoding="utf-8") as out:
        out.write(text)
    for domain, names in table.items():
        print(f"{domain}: {len(names)} operators, {sum(map(len, names.values()))} versions")


if __name__ == "__main__":
    main()
