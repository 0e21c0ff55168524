#!/usr/bin/env python3
"""Prints the versions array of operator rows, for pasting into src/ops/<family>.cpp.

    scaffold_op.py NAME … [--domain ai.onnx.ml] [--schemas FILE]

Signatures follow the grammar of src/ops/schema.h. Facts come from the installed onnx package, or from FILE as
tools/truth/schemas.py writes it. `@` (a rule reads the operand's value) is guessed from the operand's name: check it.
"""

import argparse
import json
import re
import struct

SHORT = {
    "float": "f32", "double": "f64", "float16": "f16", "bfloat16": "bf16", "bool": "bool", "string": "str",
    "complex64": "c64", "complex128": "c128", "float8e4m3fn": "f8e4m3fn", "float8e4m3fnuz": "f8e4m3fnuz",
    "float8e5m2": "f8e5m2", "float8e5m2fnuz": "f8e5m2fnuz", "float8e8m0": "f8e8m0", "float4e2m1": "f4e2m1",
    "float6e2m3": "f6e2m3", "float6e3m2": "f6e3m2",
    **{f"{'u' if u else ''}int{n}": f"{'u' if u else 'i'}{n}" for u in (0, 1) for n in (2, 4, 8, 16, 32, 64)},
}
GROUPS = {"ieee": "f16 f32 f64", "floats": "ieee bf16", "ints": "i8 i16 i32 i64", "uints": "u8 u16 u32 u64",
          "complex": "c64 c128", "f8": "f8e4m3fn f8e4m3fnuz f8e5m2 f8e5m2fnuz", "num": "ieee ints uints",
          "all": "num bool str complex", "all13": "all bf16", "all19": "all13 f8", "all21": "all19 i4 u4",
          "all23": "all21 f4e2m1", "all24": "all23 f8e8m0", "all25": "all24 i2 u2", "all28": "all25 f6e2m3 f6e3m2"}
HOST = {"shape", "axes", "starts", "ends", "steps", "repeats", "pads", "sizes", "scales", "k", "split", "start", "limit",
        "delta", "output_shape", "image_shape", "block_shape", "size", "dft_length", "axis", "depth", "target_shape"}
KINDS = {"type_proto": "type", "sparse_tensor": "sparse"}


def expand(name):
    return set().union(*(expand(m) for m in GROUPS[name].split())) if name in GROUPS else {name}


def compact(members):
    """Short text for a set of element types: the largest groups first, then single types."""
    left, words = set(members), []
    for group in sorted(GROUPS, key=lambda g: -len(expand(g))):
        if len(expand(group) & left) > 1 and expand(group) <= set(members):
            words.append(group)
            left -= expand(group)
    return words + [s for s in SHORT.values() if s in left]


def type_words(allowed):
    by_prefix = {}
    words = []
    for text in allowed:
        prefix = ""
        if match := re.fullmatch(r"(seq\()?map\((\w+), (?:tensor\()?(\w+)\)*", text):
            words.append(f"{'seq.' if match[1] else ''}map.{SHORT[match[2]]}.{SHORT[match[3]]}")
            continue
        for outer, short in (("optional(", "opt."), ("seq(", "seq."), ("tensor(", "")):
            if text.startswith(outer):
                text, prefix = text[len(outer):-1], prefix + short
        by_prefix.setdefault(prefix, set()).add(SHORT[text])
    for prefix, members in sorted(by_prefix.items(), key=lambda item: (len(item[0]), item[0])):
        words += [prefix + w for w in compact(members)]
    return words


def parameter(p, types):
    text = p["type_str"] if p["type_str"] in types else type_words([p["type_str"]])[0]
    if p["option"] == "optional":
        text += "?"
    elif p["option"] == "variadic":
        text += "*" if p["min_arity"] == 0 else "+"
        text += "" if p["homogeneous"] else "~"
    host = "@" if p["name"] in HOST else ""
    return f"{host}{text} {p['name']}" + (" !d" if p.get("differentiable") is False else "")


def short_float(value):
    for digits in range(1, 10):
        text = f"{value:.{digits}g}"
        if struct.pack("f", float(text)) == struct.pack("f", value):
            return text
    return repr(value)


def default(a):
    value = a["default"]
    one = lambda v: f"'{v}'" if isinstance(v, str) else short_float(v) if a["type"].startswith("float") else str(v)
    if value is None:
        return ""
    return " = " + ("[" + ", ".join(map(one, value)) + "]" if isinstance(value, list) else one(value))


def signature(v):
    types = v["types"]
    parts = [f"({', '.join(parameter(p, types) for p in v[side])})" for side in ("inputs", "outputs")]
    text = " -> ".join(parts)
    if v["attributes"]:
        items = [f"{a['name']}: {KINDS.get(a['type'], a['type'])}{'!' if a['required'] else ''}{default(a)}"
                 for a in v["attributes"]]
        text += " {" + ", ".join(items) + "}"
    used = {p["type_str"] for side in ("inputs", "outputs") for p in v[side]}
    for letter, allowed in types.items():
        if letter in used:
            text += f"; {letter} = {' '.join(type_words(allowed))}"
    return text + ("; deprecated" if v["deprecated"] else "")


def literal(text, indent, width=120):
    """A C++ string literal in pieces that fit the line."""
    lines, room = [], width - indent - 4
    while len(text) > room:
        cut = text.rfind(" ", 0, room) + 1 or room
        lines.append(text[:cut])
        text = text[cut:]
    return f"\n{' ' * indent}".join(f'"{line}"' for line in lines + [text])


def read_schemas(path):
    if path:
        with open(path, encoding="utf-8") as file:
            return json.load(file)
    import onnx

    table = {}
    for s in onnx.defs.get_all_schemas_with_history():
        def params(items):
            return [{"name": p.name, "option": p.option.name.lower(), "type_str": p.type_str, "min_arity": p.min_arity,
                     "homogeneous": p.is_homogeneous,
                     "differentiable": p.differentiation_category.name != "NonDifferentiable"} for p in items]
        def attr(a):
            value = onnx.helper.get_attribute_value(a.default_value) if a.default_value.name else None
            plain = lambda x: x.decode() if isinstance(x, bytes) else x
            value = [plain(x) for x in value] if isinstance(value, list) else plain(value)
            return {"name": a.name, "type": a.type.name.lower(), "required": a.required, "default": value}
        table.setdefault(s.domain or "ai.onnx", {}).setdefault(s.name, []).append({
            "since": s.since_version, "deprecated": s.deprecated, "inputs": params(s.inputs), "outputs": params(s.outputs),
            "attributes": [attr(a) for _, a in sorted(s.attributes.items())],
            "types": {t.type_param_str: list(t.allowed_type_strs) for t in s.type_constraints}})
    return table


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("names", nargs="+")
    parser.add_argument("--domain", default="ai.onnx")
    parser.add_argument("--schemas", help="JSON of tools/truth/schemas.py in place of the package")
    args = parser.parse_args()
    table = read_schemas(args.schemas)[args.domain]
    for name in args.names:
        print(f"constexpr Version k{name}[] = {{")
        for v in sorted(table[name], key=lambda v: v["since"]):
            print(f"    {{{v['since']}, {literal(signature(v), 5 + len(str(v['since'])) + 2)}}},")
        print("};")


if __name__ == "__main__":
    main()
