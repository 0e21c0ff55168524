"""Makes damaged ONNX models from a corpus of good ones, to prove that no input crashes, hangs or grows without bound.

    mutate_models.py CORPUS OUTDIR --count N [--seed S] [--chunk 1000] [--files] [--only INDEX]

Mutants with even numbers are damaged in structure (fields, dims, attributes, edges, types, opsets, nesting, external
data) through the onnx package and are well-formed protobuf; those with odd numbers are damaged in their bytes (flips,
cuts, splices, wrong lengths and varints at the places where the format has them). Mutant I depends on (seed, I, corpus)
alone. CORPUS is a folder; every .onnx file under it of at most --largest bytes takes part, in the order of its path.

OUTDIR/chunk_NNNN.bin holds up to --chunk mutants, for a driver that reads many from one file:
    8 bytes "CHORUSM1", then per mutant: number u64, size u64 (both little-endian), the bytes of the .onnx file
--files writes OUTDIR/NNNN/mutant_I.onnx instead. OUTDIR/manifest.jsonl says for each mutant its seed file and damages.
--only I writes that single mutant as OUTDIR/mutant_I.onnx, to look at one that made trouble.
"""

import argparse
import json
import pathlib
import random
import struct
import sys

import onnx
from google.protobuf.message import DecodeError, EncodeError
from onnx import AttributeProto, TensorProto, TypeProto, defs, helper

from mutate_bytes import damage_bytes

MAGIC = b"CHORUSM1"
INTEGERS = [
    0,
    1,
    -1,
    2,
    -2,
    7,
    64,
    255,
    1 << 16,
    2**31 - 1,
    2**31,
    -(2**31),
    2**32,
    2**40,
    2**62,
    2**63 - 1,
    -(2**63),
]
FLOATS = [0.0, -0.0, 1.0, -1.0, 1e-38, 3e38, float("inf"), float("-inf"), float("nan")]
DEEP, WIDE = 150, 5000


class Mutator:
    """Damages of structure; each changes the model in place and says what it did ("" if it found no place)."""

    def __init__(self, rng):
        self.rng = rng
        self.operators = sorted({(s.domain, s.name) for s in defs.get_all_schemas()})

    # -- choosing places

    def graphs(self, model):
        """Every graph at any depth."""
        found, queue = [], [model.graph]
        while queue:
            graph = queue.pop()
            found.append(graph)
            for node in graph.node:
                for a in node.attribute:
                    queue.extend([a.g] if a.type == AttributeProto.GRAPH else a.graphs)
        return found

    def node(self, model):
        nodes = [n for g in self.graphs(model) for n in g.node]
        return self.rng.choice(nodes) if nodes else None

    def tensors(self, model):
        found = []
        for graph in self.graphs(model):
            found.extend(graph.initializer)
            for sparse in graph.sparse_initializer:
                found.extend([sparse.values, sparse.indices])
            for node in graph.node:
                found.extend(a.t for a in node.attribute if a.type == AttributeProto.TENSOR)
        return found

    def value_names(self, model):
        names = {n for g in self.graphs(model) for node in g.node for n in (*node.input, *node.output)}
        names |= {v.name for v in (*model.graph.input, *model.graph.output)} | {
            t.name for t in model.graph.initializer
        }
        return sorted(names - {""}) or ["x"]

    def integer(self):
        return self.rng.choice(INTEGERS)

    # -- damages

    def tensor_dims(self, model):
        tensors = self.tensors(model)
        if not tensors:
            return ""
        tensor = self.rng.choice(tensors)
        what = self.rng.choice(["set", "add", "remove", "many"])
        if what == "set" and tensor.dims:
            tensor.dims[self.rng.randrange(len(tensor.dims))] = self.integer()
        elif what == "remove" and tensor.dims:
            del tensor.dims[self.rng.randrange(len(tensor.dims))]
        elif what == "many":
            tensor.dims.extend([self.rng.choice([1, 2, 2**31])] * self.rng.choice([10, 70, WIDE]))
        else:
            tensor.dims.append(self.integer())
        return f"dims of tensor {tensor.name!r} {what}"

    def tensor_type(self, model):
        tensors = self.tensors(model)
        if not tensors:
            return ""
        tensor = self.rng.choice(tensors)
        tensor.data_type = self.rng.choice([*range(0, 30), -1, 999, 2**31 - 1])
        return f"data_type of tensor {tensor.name!r} is {tensor.data_type}"

    def tensor_data(self, model):
        tensors = self.tensors(model)
        if not tensors:
            return ""
        tensor = self.rng.choice(tensors)
        what = self.rng.choice(["cut", "longer", "none", "two forms", "negative", "strings"])
        if what == "cut" and tensor.raw_data:
            tensor.raw_data = tensor.raw_data[: self.rng.randrange(len(tensor.raw_data))]
        elif what == "longer":
            tensor.raw_data = tensor.raw_data + bytes(self.rng.choice([1, 3, 4096]))
        elif what == "none":
            for field in (
                "raw_data",
                "float_data",
                "int32_data",
                "int64_data",
                "string_data",
                "double_data",
                "uint64_data",
            ):
                tensor.ClearField(field)
        elif what == "two forms":
            tensor.raw_data = tensor.raw_data or bytes(8)
            tensor.float_data.append(1.0)
        elif what == "negative":
            tensor.int64_data.extend([self.integer() for _ in range(self.rng.choice([1, 4, 100]))])
        else:
            tensor.string_data.append(bytes([0xFF, 0x00, 0x80]) * self.rng.choice([1, 1000]))
        return f"data of tensor {tensor.name!r}: {what}"

    def external_data(self, model):
        tensors = self.tensors(model)
        if not tensors:
            return ""
        tensor = self.rng.choice(tensors)
        tensor.data_location = TensorProto.EXTERNAL
        location = self.rng.choice(
            [
                "../../../../etc/passwd",
                "/etc/passwd",
                "absent.bin",
                "",
                ".",
                "/dev/zero",
                "/dev/stdin",
                "a\0b",
                "x" * 5000,
            ]
        )
        tensor.external_data.add(key="location", value=location)
        for key in ("offset", "length"):
            if self.rng.random() < 0.6:
                value = self.rng.choice([str(self.integer()), "abc", "", "9" * 40, "0x10", "1e3"])
                tensor.external_data.add(key=key, value=value)
        return f"tensor {tensor.name!r} lies in {location[:30]!r}"

    def attribute_value(self, model):
        node = self.node(model)
        if node is None or not node.attribute:
            return ""
        attribute = self.rng.choice(list(node.attribute))
        kind = attribute.type
        if kind == AttributeProto.INT:
            attribute.i = self.integer()
        elif kind == AttributeProto.FLOAT:
            attribute.f = self.rng.choice(FLOATS)
        elif kind == AttributeProto.STRING:
            attribute.s = self.rng.choice([b"", b"\xff\xfe", b"NOTSET", b"x" * WIDE, b"a\0b"])
        elif kind == AttributeProto.INTS:
            self.list_value(attribute.ints, self.integer)
        elif kind == AttributeProto.FLOATS:
            self.list_value(attribute.floats, lambda: self.rng.choice(FLOATS))
        else:
            attribute.ClearField("t")
        return f"attribute {attribute.name} of {node.op_type} changed"

    def list_value(self, values, element):
        what = self.rng.choice(["set", "add", "remove", "clear", "many"])
        if what == "set" and values:
            values[self.rng.randrange(len(values))] = element()
        elif what == "remove" and values:
            del values[self.rng.randrange(len(values))]
        elif what == "clear":
            del values[:]
        elif what == "many":
            values.extend([element() for _ in range(WIDE)])
        else:
            values.append(element())

    def attribute_list(self, model):
        node = self.node(model)
        if node is None:
            return ""
        what = self.rng.choice(["remove", "rename", "type", "double", "unknown", "reference"])
        attribute = self.rng.choice(list(node.attribute)) if node.attribute else None
        if what == "unknown" or attribute is None:
            node.attribute.append(
                helper.make_attribute(self.rng.choice(["axis", "bogus", ""]), self.rng.choice([1, 2.5]))
            )
        elif what == "remove":
            node.attribute.remove(attribute)
        elif what == "rename":
            attribute.name = self.rng.choice(["axis", "axes", "", "pads", "é" * 300])
        elif what == "type":
            attribute.type = self.rng.randrange(0, 15)
        elif what == "double":
            node.attribute.append(attribute)
        else:
            attribute.ref_attr_name = "alpha"
        return f"attributes of {node.op_type}: {what}"

    def edge(self, model):
        node = self.node(model)
        if node is None:
            return ""
        side = node.input if self.rng.random() < 0.6 or not node.output else node.output
        what = self.rng.choice(["other", "absent", "cycle", "empty", "add", "remove", "many", "swap"])
        place = self.rng.randrange(len(side)) if side else 0
        if what == "add" or not side:
            side.append(self.rng.choice(self.value_names(model)))
        elif what == "other":
            side[place] = self.rng.choice(self.value_names(model))
        elif what == "absent":
            side[place] = "a value that nobody makes"
        elif what == "cycle" and node.output:
            side[place] = node.output[0]
        elif what == "remove":
            del side[place]
        elif what == "many":
            side.extend([side[place]] * WIDE)
        elif what == "swap" and len(side) > 1:
            other = (place + 1) % len(side)
            side[place], side[other] = side[other], side[place]
        else:
            side[place] = ""
        return f"{'input' if side is node.input else 'output'} of {node.op_type}: {what}"

    def operator(self, model):
        node = self.node(model)
        if node is None:
            return ""
        old = node.op_type
        if self.rng.random() < 0.8:
            node.domain, node.op_type = self.rng.choice(self.operators)
        else:
            node.op_type = self.rng.choice(["", "NoSuchOperator", "add", "x" * WIDE])
            node.domain = self.rng.choice(["", "ai.onnx", "no.such.domain"])
        return f"operator {old} becomes {node.domain}::{node.op_type[:30]}"

    def nodes(self, model):
        graph = self.rng.choice(self.graphs(model))
        if not graph.node:
            return ""
        what = self.rng.choice(["remove", "double", "reverse", "shuffle", "clear"])
        place = self.rng.randrange(len(graph.node))
        if what == "remove":
            del graph.node[place]
        elif what == "double":
            graph.node.append(graph.node[place])
        elif what == "clear":
            del graph.node[:]
        else:
            order = [onnx.NodeProto.FromString(n.SerializeToString()) for n in graph.node]
            order.reverse() if what == "reverse" else self.rng.shuffle(order)
            del graph.node[:]
            graph.node.extend(order)
        return f"nodes of {graph.name!r}: {what}"

    def value_type(self, model):
        graph = self.rng.choice(self.graphs(model))
        infos = [*graph.input, *graph.output, *graph.value_info]
        if not infos:
            return ""
        info = self.rng.choice(infos)
        what = self.rng.choice(["element", "dim", "symbol", "rank", "no shape", "no type", "kind", "name"])
        tensor = info.type.tensor_type
        if what == "element":
            tensor.elem_type = self.rng.choice([*range(0, 30), -1, 2**31 - 1])
        elif what == "dim" and tensor.shape.dim:
            self.rng.choice(list(tensor.shape.dim)).dim_value = self.integer()
        elif what == "symbol" and tensor.shape.dim:
            for dim in tensor.shape.dim:
                dim.dim_param = self.rng.choice(["N", "", "N + 1", "-1", "é\t"])
        elif what == "rank":
            for _ in range(self.rng.choice([1, 9, 100])):
                tensor.shape.dim.add().dim_value = self.rng.choice([1, 2, 2**31])
        elif what == "no shape":
            tensor.ClearField("shape")
        elif what == "no type":
            info.ClearField("type")
        elif what == "name":
            info.name = self.rng.choice(["", *self.value_names(model)])
        else:
            info.type.CopyFrom(self.other_kind(info.type))
        return f"type of {info.name!r}: {what}"

    def other_kind(self, inner):
        kept = TypeProto()
        kept.CopyFrom(inner)
        what = self.rng.choice(["sequence", "optional", "map", "deep", "opaque"])
        if what == "sequence":
            return helper.make_sequence_type_proto(kept)
        if what == "optional":
            return helper.make_optional_type_proto(kept)
        if what == "map":
            return helper.make_map_type_proto(self.rng.choice([7, 8, 1]), kept)
        if what == "opaque":
            return TypeProto(opaque_type=TypeProto.Opaque(domain="d", name="n"))
        for _ in range(self.rng.choice([5, 60])):
            kept = helper.make_sequence_type_proto(kept)
        return kept

    def opset(self, model):
        what = self.rng.choice(["version", "none", "double", "domain"])
        if what == "none" or not model.opset_import:
            del model.opset_import[:]
        elif what == "version":
            self.rng.choice(list(model.opset_import)).version = self.rng.choice([*range(0, 40), self.integer()])
        elif what == "double":
            model.opset_import.add(domain=model.opset_import[0].domain, version=self.rng.randrange(1, 30))
        else:
            self.rng.choice(list(model.opset_import)).domain = self.rng.choice(
                ["", "ai.onnx", "ai.onnx.ml", "nowhere"]
            )
        return f"opset: {what}"

    def initializers(self, model):
        graph = self.rng.choice(self.graphs(model))
        what = self.rng.choice(["remove", "double", "rename", "shadow"])
        if not graph.initializer or what == "shadow":
            name = self.rng.choice(self.value_names(model))
            graph.initializer.append(helper.make_tensor(name, TensorProto.INT64, [1], [self.integer()]))
            return f"initializer {name!r} hides a value"
        place = self.rng.randrange(len(graph.initializer))
        if what == "remove":
            del graph.initializer[place]
        elif what == "double":
            graph.initializer.append(graph.initializer[place])
        else:
            graph.initializer[place].name = self.rng.choice(["", *self.value_names(model)])
        return f"initializers: {what}"

    def header(self, model):
        what = self.rng.choice(["ir", "no graph", "no outputs", "no inputs", "output", "strings"])
        if what == "ir":
            model.ir_version = self.integer()
        elif what == "no graph":
            model.ClearField("graph")
        elif what == "no outputs":
            del model.graph.output[:]
        elif what == "no inputs":
            del model.graph.input[:]
        elif what == "output":
            model.graph.output.add(name=self.rng.choice(["nobody makes this", "", *self.value_names(model)]))
        else:
            model.doc_string = "x" * self.rng.choice([1, 100000])
            model.metadata_props.add(key="", value="y" * WIDE)
        return f"header: {what}"

    def nesting(self, model):
        """An If inside an If inside an If …"""
        depth = self.rng.choice([3, 30, DEEP])
        inner = helper.make_graph([], "leaf", [], [helper.make_tensor_value_info("r", TensorProto.FLOAT, [1])])
        for level in range(depth):
            node = helper.make_node("If", [self.rng.choice(self.value_names(model))], [f"r{level}"])
            node.attribute.append(helper.make_attribute("then_branch", inner))
            node.attribute.append(
                AttributeProto(name="else_branch", type=AttributeProto.GRAPH, g=onnx.GraphProto(name="e"))
            )
            inner = helper.make_graph([node], f"level{level}", [], [helper.make_empty_tensor_value_info(f"r{level}")])
        model.graph.node.extend(inner.node)
        return f"If nested {depth} deep"

    def recursion(self, model):
        """Functions that call themselves or one another, or that grow when they are expanded."""
        if not any(o.domain == "f" for o in model.opset_import):
            model.opset_import.add(domain="f", version=1)
        count = self.rng.choice([1, 2, 40])
        calls = self.rng.choice([1, 2, 10])
        cyclic = self.rng.random() < 0.6
        for i in range(count):
            following = (i + 1) % count if cyclic else i + 1
            nodes = [
                helper.make_node(f"F{following}", ["a"], ["b" if c == 0 else f"b{c}"], domain="f")
                for c in range(calls)
            ]
            if following >= count:
                nodes = [helper.make_node("Identity", ["a"], ["b"])]
            function = helper.make_function(
                "f", f"F{i}", ["a"], ["b"], nodes, [helper.make_opsetid("", 17), helper.make_opsetid("f", 1)]
            )
            model.functions.append(function)
        node = self.node(model)
        if node is not None:
            node.domain, node.op_type = "f", "F0"
        return f"{count} functions, {calls} calls each, {'in a cycle' if cyclic else 'in a chain'}"

    def chain(self, model):
        """A long chain of nodes after some value."""
        length = self.rng.choice([100, WIDE])
        name = self.rng.choice(self.value_names(model))
        for i in range(length):
            model.graph.node.append(
                helper.make_node(self.rng.choice(["Identity", "Neg", "Shape"]), [name], [f"chain{i}"])
            )
            name = f"chain{i}"
        return f"a chain of {length} nodes"

    DAMAGES = (
        *(["tensor_dims"] * 3 + ["tensor_type"] * 2 + ["tensor_data"] * 2 + ["external_data"]),
        *(["attribute_value"] * 4 + ["attribute_list"] * 2 + ["edge"] * 4 + ["operator"] * 4 + ["nodes"] * 2),
        *(["value_type"] * 4 + ["opset"] * 2 + ["initializers"] * 2 + ["header", "nesting", "recursion", "chain"]),
    )

    def damage(self, model):
        done = []
        for _ in range(self.rng.choice([1, 1, 1, 2, 3, 6])):
            if said := getattr(self, self.rng.choice(self.DAMAGES))(model):
                done.append(said)
        return done or [self.header(model)]


def read_corpus(folder, largest):
    """The seed files, in the order of their path."""
    corpus = sorted(p for p in folder.rglob("*.onnx") if p.stat().st_size <= largest)
    if not corpus:
        print(f"no .onnx file of at most {largest} bytes under {folder}", file=sys.stderr)
        raise SystemExit(2)
    return corpus


def make_mutant(corpus, seed, index):
    """(bytes, seed file, list of damages) of mutant `index`."""
    rng = random.Random(f"{seed}/{index}")
    path = rng.choice(corpus)
    data = path.read_bytes()
    if index % 2:
        damaged, said = damage_bytes(data, rng, rng.choice(corpus).read_bytes)
        return damaged, path, said
    for _ in range(20):
        try:
            model = onnx.ModelProto.FromString(data)
            said = Mutator(rng).damage(model)
            return model.SerializeToString(), path, said
        except (ValueError, TypeError, EncodeError, DecodeError):
            continue  # a value that protobuf itself does not take; draw again
    raise SystemExit(f"{path}: no damage succeeded")


def write_all(args, corpus):
    manifest = (args.outdir / "manifest.jsonl").open("w", encoding="utf-8")
    out, total = None, 0
    for index in range(args.count):
        data, path, said = make_mutant(corpus, args.seed, index)
        total += len(data)
        if args.files:
            folder = args.outdir / f"{index // args.chunk:04d}"
            folder.mkdir(exist_ok=True)
            (folder / f"mutant_{index}.onnx").write_bytes(data)
        else:
            if index % args.chunk == 0:
                if out:
                    out.close()
                out = (args.outdir / f"chunk_{index // args.chunk:04d}.bin").open("wb")
                out.write(MAGIC)
            out.write(struct.pack("<QQ", index, len(data)) + data)
        manifest.write(
            json.dumps({"mutant": index, "from": str(path.relative_to(args.corpus)), "damage": said}) + "\n"
        )
    if out:
        out.close()
    manifest.close()
    return total


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("corpus", type=pathlib.Path)
    parser.add_argument("outdir", type=pathlib.Path)
    parser.add_argument("--count", type=int, default=10000)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--chunk", type=int, default=1000, help="mutants per file (or per folder with --files)")
    parser.add_argument("--largest", type=int, default=65536, help="seed files beyond this size are left out (bytes)")
    parser.add_argument("--files", action="store_true", help="one .onnx file per mutant")
    parser.add_argument("--only", type=int, metavar="INDEX", help="write this mutant alone")
    args = parser.parse_args()
    corpus = read_corpus(args.corpus, args.largest)
    args.outdir.mkdir(parents=True, exist_ok=True)
    if args.only is not None:
        data, path, said = make_mutant(corpus, args.seed, args.only)
        (args.outdir / f"mutant_{args.only}.onnx").write_bytes(data)
        print(f"mutant {args.only}, {len(data)} bytes, from {path}: {'; '.join(said)}")
        return
    total = write_all(args, corpus)
    print(f"{args.count} mutants of {len(corpus)} models, seed {args.seed}: {total / 2**20:.1f} MiB in {args.outdir}")


if __name__ == "__main__":
    main()
