"""Checks that Chorus keeps every field of an ONNX file: a model in which each field of onnx.proto holds a value is read
and written by Chorus, parsed by the onnx package and compared field by field.

    check_fields.py [--chorus build/bin/chorus] [--verbose] [--write FOLDER]

Called is `chorus convert IN.onnx OUT.onnx`. The script first proves that its model reaches every field of every message
that a ModelProto can contain, except those of EXCLUDED, and that onnx.checker accepts it. Compared is by name, not by
position (nodes, attributes, tensors, metadata …). Fields of BY_VALUE may change their form: the numbers must be equal.
Also checked: fields with unknown numbers survive.
Exit status: 0 all kept, 1 something lost or changed, 2 Chorus could not convert the model.
"""

import argparse
import pathlib
import subprocess
import sys
import tempfile
from collections import defaultdict

import numpy as np
import onnx
from google.protobuf.descriptor import FieldDescriptor
from google.protobuf.unknown_fields import UnknownFieldSet
from onnx import AttributeProto, TensorProto, TypeProto, helper, numpy_helper

ROOT = pathlib.Path(__file__).resolve().parents[2]
CUSTOM = "example.org"
UNKNOWN_FIELD = 19001  # a number that onnx.proto does not use

EXCLUDED = {
    "TensorProto.segment": "onnx.checker refuses tensors in segments",
    "Segment.begin": "within TensorProto.segment",
    "Segment.end": "within TensorProto.segment",
}
BY_VALUE = {
    f"TensorProto.{field}": "a tensor's elements may be stored in any of its forms"
    for field in (
        *("float_data", "int32_data", "string_data", "int64_data", "raw_data", "double_data", "uint64_data"),
        *("external_data", "data_location"),
    )
}


# ---- the model with every field


def metadata(owner, text):
    owner.metadata_props.add(key=f"{text} key", value=f"{text} value")


def tensor(array, name=""):
    return numpy_helper.from_array(np.asarray(array), name)


def stored_tensors(folder):
    """One tensor for each way to store elements."""
    external = TensorProto(
        name="t_external", data_type=TensorProto.FLOAT, dims=[4], data_location=TensorProto.EXTERNAL
    )
    (folder / "weights.bin").write_bytes(b"\0" * 64 + np.array([1, 2, 3, 4], np.float32).tobytes())
    for key, value in (("location", "weights.bin"), ("offset", "64"), ("length", "16")):
        external.external_data.add(key=key, value=value)
    documented = tensor(np.array([5.5, 6.5], np.float32), "t_raw")
    documented.doc_string = "tensor text"
    metadata(documented, "tensor")
    return [
        TensorProto(name="t_float", data_type=TensorProto.FLOAT, dims=[2], float_data=[1.5, -2.5]),
        TensorProto(name="t_int32", data_type=TensorProto.INT8, dims=[3], int32_data=[-1, 0, 7]),
        TensorProto(name="t_string", data_type=TensorProto.STRING, dims=[2], string_data=[b"one", b"\xc3\xa4"]),
        TensorProto(name="t_int64", data_type=TensorProto.INT64, dims=[2], int64_data=[1 << 40, -3]),
        TensorProto(name="t_double", data_type=TensorProto.DOUBLE, dims=[2], double_data=[1e300, -0.0]),
        TensorProto(name="t_uint64", data_type=TensorProto.UINT64, dims=[1], uint64_data=[(1 << 64) - 1]),
        documented,
        external,
    ]


def sparse(name):
    return helper.make_sparse_tensor(tensor(np.array([3.0, 4.0], np.float32), name), tensor([1, 5]), [2, 3])


def float_type(dims, denotation=""):
    found = helper.make_tensor_type_proto(TensorProto.FLOAT, dims)
    found.denotation = denotation
    return found


def every_type():
    """Type protos of all kinds, for the attribute of kind type_protos."""
    opaque = TypeProto(opaque_type=TypeProto.Opaque(domain=CUSTOM, name="handle"))
    return [
        helper.make_sequence_type_proto(float_type(["M"])),
        helper.make_optional_type_proto(float_type([2])),
        helper.make_map_type_proto(TensorProto.INT64, float_type([3])),
        helper.make_sparse_tensor_type_proto(TensorProto.FLOAT, [2, "K"]),
        opaque,
    ]


def small_graph(name):
    """y = Relu(a constant), with nothing from outside."""
    zero = helper.make_node("Constant", [], [f"{name}_c"], f"{name}_constant", value=tensor(np.float32([1, -1])))
    relu = helper.make_node("Relu", [f"{name}_c"], [f"{name}_y"], f"{name}_relu")
    return helper.make_graph([zero, relu], name, [], [helper.make_value_info(f"{name}_y", float_type([2]))])


def every_attribute():
    made = [
        helper.make_attribute("f", 0.25, doc_string="attribute text"),
        helper.make_attribute("i", -7),
        helper.make_attribute("s", b"text"),
        helper.make_attribute("t", tensor(np.float32([9, 8]), "attribute_tensor")),
        helper.make_attribute("g", small_graph("attribute_graph")),
        helper.make_attribute("sparse_tensor", sparse("attribute_sparse")),
        helper.make_attribute("tp", float_type([1, "L"])),
        helper.make_attribute("floats", [1.5, 2.5]),
        helper.make_attribute("ints", [3, -4]),
        helper.make_attribute("strings", [b"a", b"b"]),
        helper.make_attribute("tensors", [tensor(np.int64([1]), "first"), tensor(np.int64([2]), "second")]),
        helper.make_attribute("graphs", [small_graph("graph_a"), small_graph("graph_b")]),
        helper.make_attribute("sparse_tensors", [sparse("sparse_a"), sparse("sparse_b")]),
        helper.make_attribute("type_protos", every_type()),
    ]
    return made


def function():
    body = helper.make_node("LeakyRelu", ["X"], ["inner"], "leaky")
    body.attribute.append(AttributeProto(name="alpha", ref_attr_name="f", type=AttributeProto.FLOAT))
    made = onnx.FunctionProto(name="Everything", domain=CUSTOM, overload="first", doc_string="function text")
    made.input.append("X")
    made.output.append("Y")
    made.attribute.extend(a.name for a in every_attribute() if a.name != "i")
    made.attribute_proto.append(helper.make_attribute("i", 11))
    made.node.extend([body, helper.make_node("Identity", ["inner"], ["Y"], "copy")])
    made.opset_import.add(domain="", version=21)
    made.value_info.append(helper.make_value_info("inner", float_type(["batch", 4])))
    metadata(made, "function")
    return made


def add_device_configuration(model, node):
    model.configuration.add(name="two devices", num_devices=2, device=["left", "right"])
    placed = node.device_configurations.add(configuration_id="two devices", pipeline_stage=1)
    spec = placed.sharding_spec.add(tensor_name="x", device=[0, -1])
    spec.index_to_device_group_map.add(key=-1, value=[0, 1])
    dim = spec.sharded_dim.add(axis=1)
    dim.simple_sharding.add(dim_value=4, num_shards=2)
    dim.simple_sharding.add(dim_param="batch", num_shards=2)


def add_training(model):
    training = model.training_info.add(
        initialization=small_graph("initialization"), algorithm=small_graph("algorithm")
    )
    training.initialization_binding.add(key="t_float", value="initialization_y")
    training.update_binding.add(key="t_raw", value="algorithm_y")


def every_input():
    x = helper.make_value_info("x", float_type(["batch", 4], "IMAGE"), "input text")
    x.type.tensor_type.shape.dim[0].denotation = "DATA_BATCH"
    metadata(x, "input")
    return [
        x,
        helper.make_value_info("seq", helper.make_sequence_type_proto(float_type(["M"]))),
        helper.make_value_info("opt", helper.make_optional_type_proto(float_type([2]))),
    ]


def full_model(folder):
    """The model in which every field holds a value; its external weights go into `folder`."""
    tensors = stored_tensors(folder)
    add = helper.make_node("Add", ["x", "t_external"], ["sum"], "add", doc_string="node text")
    metadata(add, "node")
    call = helper.make_node("Everything", ["sum"], ["y"], "call", domain=CUSTOM, overload="first")
    call.attribute.extend(every_attribute())
    copies = [helper.make_node("Identity", [t.name], [f"{t.name}_out"], f"copy {t.name}") for t in tensors]
    copies.append(helper.make_node("Identity", ["t_sparse"], ["t_sparse_out"], "copy t_sparse"))
    outputs = [helper.make_value_info("y", float_type(["batch", 4]))]
    outputs += [
        helper.make_value_info(f"{t.name}_out", helper.make_tensor_type_proto(t.data_type, list(t.dims)))
        for t in tensors
    ]
    outputs.append(helper.make_value_info("t_sparse_out", float_type([2, 3])))
    graph = helper.make_graph(
        [add, call, *copies],
        "main graph",
        every_input(),
        outputs,
        tensors,
        "graph text",
        [helper.make_value_info("sum", float_type(["batch", 4]))],
        [sparse("t_sparse")],
    )
    metadata(graph, "graph")
    annotation = graph.quantization_annotation.add(tensor_name="sum")
    annotation.quant_parameter_tensor_names.add(key="SCALE_TENSOR", value="t_float")
    model = helper.make_model(graph, producer_name="producer", producer_version="1.2", functions=[function()])
    model.ir_version = 11
    del model.opset_import[:]
    for domain, version in (("", 21), ("ai.onnx.ml", 5), (CUSTOM, 1)):
        model.opset_import.add(domain=domain, version=version)
    model.domain, model.model_version, model.doc_string = "example.org.model", 42, "model text"
    metadata(model, "model")
    add_device_configuration(model, model.graph.node[0])
    add_training(model)
    return model


# ---- walking messages


def names_of(message):
    """What tells a repeated message apart from its siblings; "" where only the position does."""
    kind = message.DESCRIPTOR.name
    if kind == "SparseTensorProto":
        return message.values.name
    if kind == "FunctionProto":
        return f"{message.domain}:{message.name}:{message.overload}"
    if kind == "OperatorSetIdProto":
        return message.domain or "ai.onnx"
    for key in ("name", "key", "tensor_name", "configuration_id"):
        if key in message.DESCRIPTOR.fields_by_name and kind not in ("IntIntListEntryProto", "Opaque"):
            return str(getattr(message, key)) or (message.output[0] if kind == "NodeProto" and message.output else "")
    return ""


def elements(message, folder):
    """A tensor's elements in one form, whatever the file stores."""
    plain = TensorProto()
    plain.CopyFrom(message)
    array = numpy_helper.to_array(plain, base_dir=str(folder))
    return [str(v) for v in array.ravel()] if array.dtype == object else array.tobytes()


def leaves(message, folder, path="model"):
    """(path, "Message.field", value) of everything that is set, at any depth."""
    kind = message.DESCRIPTOR.name
    if kind == "TensorProto":
        yield f"{path}.elements", "TensorProto.elements", elements(message, folder)
    for field, value in message.ListFields():
        title = f"{kind}.{field.name}"
        if title in BY_VALUE:
            yield "", title, None  # present; compared through TensorProto.elements
        elif field.type == FieldDescriptor.TYPE_MESSAGE:
            yield "", title, None
            for position, child in enumerate(value if field.is_repeated else [value]):
                key = (names_of(child) or str(position)) if field.is_repeated else ""
                yield from leaves(child, folder, f"{path}.{field.name}" + (f"[{key}]" if key else ""))
        else:
            yield f"{path}.{field.name}", title, list(value) if field.is_repeated else value


def all_fields(descriptor, seen=None):
    """Every "Message.field" that the message can contain."""
    seen = set() if seen is None else seen
    for field in descriptor.fields:
        title = f"{descriptor.name}.{field.name}"
        if title not in seen:
            seen.add(title)
            if field.type == FieldDescriptor.TYPE_MESSAGE:
                all_fields(field.message_type, seen)
    return seen


def check_coverage(model, folder):
    reached = {title for _, title, _ in leaves(model, folder)}
    wanted = all_fields(onnx.ModelProto.DESCRIPTOR)
    missing = wanted - reached - EXCLUDED.keys()
    if missing:
        raise SystemExit(f"the model of this script lacks fields of onnx.proto: {sorted(missing)}")
    return len(wanted)


# ---- unknown fields


def with_unknown(message):
    """Adds a field that no onnx.proto has (length-delimited) to the message."""
    tag, data = (UNKNOWN_FIELD << 3) | 2, b"kept?"
    encoded = bytearray()
    while tag >= 0x80:
        encoded.append(tag & 0x7F | 0x80)
        tag >>= 7
    encoded += bytes([tag, len(data)]) + data
    message.MergeFromString(bytes(encoded))


def has_unknown(message):
    return any(f.field_number == UNKNOWN_FIELD for f in UnknownFieldSet(message))


def unknown_places(model):
    return {"ModelProto": model, "GraphProto": model.graph, "NodeProto": model.graph.node[0]}


# ---- the check


def convert(chorus, source, target):
    try:
        done = subprocess.run(
            [str(chorus), "convert", str(source), str(target)], capture_output=True, text=True, timeout=60
        )
    except OSError as problem:
        print(f"check_fields: {problem}", file=sys.stderr)
        raise SystemExit(2) from problem
    if done.returncode != 0:
        print(f"check_fields: chorus convert: exit status {done.returncode}\n{done.stderr}", file=sys.stderr)
        raise SystemExit(2)


def compare(before, after):
    """{field: [complaints]} over all leaves of the model before."""
    found = {path: value for path, _, value in after if path}
    lost = defaultdict(list)
    for path, title, value in before:
        if path and path not in found:
            lost[title].append(f"{path}: lost, was {value!r:.60}")
        elif path and found[path] != value:
            lost[title].append(f"{path}: {found[path]!r:.60}, was {value!r:.60}")
    return lost


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--chorus", type=pathlib.Path, default=ROOT / "build/bin/chorus")
    parser.add_argument("--verbose", action="store_true", help="print every place, not the first three of a field")
    parser.add_argument("--write", type=pathlib.Path, help="only write the model (and weights.bin) into this folder")
    args = parser.parse_args()
    with tempfile.TemporaryDirectory() as scratch:
        folder = args.write or pathlib.Path(scratch)
        folder.mkdir(parents=True, exist_ok=True)
        model = full_model(folder)
        count = check_coverage(model, folder)
        for message in unknown_places(model).values():
            with_unknown(message)
        source, target = folder / "every_field.onnx", folder / "written.onnx"
        source.write_bytes(model.SerializeToString())
        onnx.checker.check_model(str(source))
        if args.write:
            print(f"{source}: {count} fields of onnx.proto, {len(EXCLUDED)} left out")
            return
        convert(args.chorus, source, target)
        written = onnx.load(target, load_external_data=False)
        lost = compare(leaves(model, folder), list(leaves(written, folder)))
        unknown = unknown_places(written)
        for place, message in unknown.items():
            if not has_unknown(message):
                lost[f"{place} (unknown field)"].append(f"field {UNKNOWN_FIELD} of {place}: lost")
    for title in sorted(lost):
        print(f"{title}:")
        for line in lost[title] if args.verbose else lost[title][:3]:
            print(f"    {line}")
    for title, reason in EXCLUDED.items():
        print(f"left out {title}: {reason}")
    print(f"{count} fields of onnx.proto, {len(EXCLUDED)} left out, {len(BY_VALUE)} compared by value: ", end="")
    print(f"{len(lost)} damaged")
    raise SystemExit(1 if lost else 0)


if __name__ == "__main__":
    main()
