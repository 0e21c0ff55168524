"""Prints what an engine must know of an ONNX model: opsets, inputs, outputs, metadata, operators with their attributes.

    describe_model.py MODEL… [--output FILE]

For each operator the distinct settings of attributes are listed with their number; convolutions and pools show kernel,
strides, pads, dilations, groups and the channels in → out of their weights.
"""

import argparse
import pathlib
from collections import Counter, defaultdict

import onnx
from onnx import TensorProto, helper

from model_facts import all_nodes, domain_name, operator_counts, opsets


def type_text(info):
    kind = info.type.WhichOneof("value")
    if kind != "tensor_type":
        return str(kind)
    tensor = info.type.tensor_type
    dims = [d.dim_param or (str(d.dim_value) if d.HasField("dim_value") else "?") for d in tensor.shape.dim]
    return f"{TensorProto.DataType.Name(tensor.elem_type).lower()}[{', '.join(dims)}]"


def attribute_text(attribute):
    value = helper.get_attribute_value(attribute)
    if attribute.type == onnx.AttributeProto.TENSOR:
        return f"{attribute.name}=tensor {TensorProto.DataType.Name(value.data_type).lower()}{list(value.dims)}"
    if attribute.type in (onnx.AttributeProto.GRAPH, onnx.AttributeProto.GRAPHS):
        return f"{attribute.name}=graph"
    return (
        f"{attribute.name}={list(value) if isinstance(value, (list, tuple)) or hasattr(value, 'extend') else value}"
    )


def settings(node, weights):
    text = " ".join(attribute_text(a) for a in sorted(node.attribute, key=lambda a: a.name)) or "(no attributes)"
    if node.op_type in ("Conv", "ConvTranspose") and len(node.input) > 1 and node.input[1] in weights:
        text = f"weight={list(weights[node.input[1]])} " + text
    absent = [str(i) for i, name in enumerate(node.input) if not name]
    return text + (f" without input {','.join(absent)}" if absent else "")


def constants_of(model):
    """Shapes of initializers and of tensors made by Constant nodes."""
    shapes = {t.name: tuple(t.dims) for t in model.graph.initializer}
    for node in model.graph.node:
        if node.op_type == "Constant":
            for attribute in node.attribute:
                if attribute.name == "value":
                    shapes[node.output[0]] = tuple(attribute.t.dims)
    return shapes


def describe(path):
    model = onnx.load(path)
    graph = model.graph
    weights = constants_of(model)
    stored = sum(t.ByteSize() for t in graph.initializer)
    initializers = {t.name for t in graph.initializer}
    yield f"== {path}"
    yield f"IR {model.ir_version}, opsets {opsets(model)}, producer {model.producer_name!r} {model.producer_version!r}"
    constants = sum(1 for n in graph.node if n.op_type == "Constant")
    yield f"{len(graph.node)} nodes ({constants} Constant), {len(model.functions)} functions"
    yield f"{len(graph.initializer)} initializers of {stored} bytes"
    for value in graph.input:
        if value.name not in initializers:
            yield f"input  {value.name}: {type_text(value)}"
    for value in graph.output:
        yield f"output {value.name}: {type_text(value)}"
    for entry in model.metadata_props:
        yield f"metadata {entry.key}: {len(entry.value)} characters, begins {entry.value[:40]!r}"
    types = Counter(TensorProto.DataType.Name(t.data_type).lower() for t in graph.initializer)
    yield f"initializer types {dict(types)}"
    for name, count in sorted(operator_counts(model).items(), key=lambda item: (-item[1], item[0])):
        yield f"{count:5d} {name}"
    variants = defaultdict(Counter)
    for node in all_nodes(model):
        variants[f"{domain_name(node.domain)}::{node.op_type}"][settings(node, weights)] += 1
    for name in sorted(variants):
        if name == "ai.onnx::Constant":
            continue
        yield f"-- {name}"
        for text, count in sorted(variants[name].items(), key=lambda item: (-item[1], item[0])):
            yield f"   {count:4d} × {text}"


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("models", type=pathlib.Path, nargs="+")
    parser.add_argument("--output", type=pathlib.Path, help="file to write (default: standard output)")
    args = parser.parse_args()
    text = "\n".join(line for path in args.models for line in [*describe(path), ""]) + "\n"
    if args.output:
        args.output.write_text(text, encoding="utf-8")
    else:
        print(text, end="")


if __name__ == "__main__":
    main()
