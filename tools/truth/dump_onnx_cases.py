"""Writes every backend test case of the installed onnx package as an ONNX test-case folder.

    OUTDIR/<kind>/<name>/model.onnx, test_data_set_N/{input_M.pb,output_M.pb}, tolerance.json

kind is node, simple, pytorch-converted or pytorch-operator (2,027 cases in onnx 1.23.2; the nine "real" models, whose
weights are not in the package, are left out). Values are TensorProto, SequenceProto or OptionalProto, as the type in
the model says. tolerance.json {"rtol", "atol"} stands where a case has other bounds than the package's default
(1e-3, 1e-7); the package compares bfloat16 outputs at 2^-6. Also written:

    OUTDIR/ops.txt      number of cases that need an operator, most needed first
    OUTDIR/cases.json   {"kind/name": {"ops": [operators], "opset": {domain: version}, "ir": version, "random": bool}}
    OUTDIR/random.txt   cases whose expected values are draws of NumPy's generator: only shape and type can be compared
"""

import argparse
import json
import pathlib
import re
import shutil
import warnings
from collections import Counter

import numpy as np
import onnx
from onnx import numpy_helper
from onnx.backend.test.case import model as model_cases
from onnx.backend.test.case import node as node_cases
from onnx.backend.test.loader import load_model_tests

from model_facts import operator_counts, opsets

DEFAULT_BOUNDS = (1e-3, 1e-7)
BFLOAT16_RTOL = 2.0**-6
EXPECTED = {"1.23.2": 2027}
# ONNX fixes no generator; the package leaves the first out of its own tests, ONNX Runtime fails all of them.
RANDOM = re.compile(r"test_bernoulli|test_training_dropout(_default)?(_mask)?$")


def write_value(path, value, info):
    """One input or output in the proto form that its declared type asks for."""
    kind = info.type.WhichOneof("value")
    if isinstance(value, onnx.TensorProto):
        proto = value
    elif kind == "sequence_type":
        proto = sequence_proto(value, info.name, info.type.sequence_type)
    elif kind == "optional_type":
        proto = optional_proto(value, info.name, info.type.optional_type)
    elif kind == "map_type":
        proto = numpy_helper.from_dict(value, info.name)
    else:
        proto = numpy_helper.from_array(np.asarray(value), info.name)
    path.write_bytes(proto.SerializeToString())


def sequence_proto(value, name, sequence_type):
    if value:
        return numpy_helper.from_list(value, name)
    tensors = sequence_type.elem_type.WhichOneof("value") == "tensor_type"
    return onnx.SequenceProto(
        name=name, elem_type=onnx.SequenceProto.TENSOR if tensors else onnx.SequenceProto.SEQUENCE
    )


def optional_proto(value, name, optional_type):
    if value is not None:
        return numpy_helper.from_optional(value, name)
    tensor = optional_type.elem_type.WhichOneof("value") == "tensor_type"
    return onnx.OptionalProto(
        name=name, elem_type=onnx.OptionalProto.TENSOR if tensor else onnx.OptionalProto.SEQUENCE
    )


def write_generated(folder, case):
    """A case that the package computes when it is imported."""
    (folder / "model.onnx").write_bytes(case.model.SerializeToString())
    for number, (inputs, outputs) in enumerate(case.data_sets):
        data = folder / f"test_data_set_{number}"
        data.mkdir()
        for stem, values, infos in (
            ("input", inputs, case.model.graph.input),
            ("output", outputs, case.model.graph.output),
        ):
            if len(values) > len(infos):
                raise SystemExit(f"{case.name}: {len(values)} {stem} values, {len(infos)} declared")
            for index, value in enumerate(values):
                write_value(data / f"{stem}_{index}.pb", value, infos[index])


def write_tolerance(folder, case, model):
    rtol, atol = case.rtol, case.atol
    if any(o.type.tensor_type.elem_type == onnx.TensorProto.BFLOAT16 for o in model.graph.output):
        rtol = max(rtol, BFLOAT16_RTOL)
    if (rtol, atol) != DEFAULT_BOUNDS:
        (folder / "tolerance.json").write_text(json.dumps({"rtol": rtol, "atol": atol}) + "\n")


def collect():
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # overflow in casts and the like, wanted by the cases
        cases = list(node_cases.collect_testcases())
        cases += [c for c in model_cases.collect_testcases() if c.kind == "simple"]
        for kind in ("pytorch-converted", "pytorch-operator"):
            cases += sorted(load_model_tests(kind=kind), key=lambda c: c.name)
    return cases


def dump(outdir):
    facts = {}
    for case in collect():
        folder = outdir / case.kind / case.name
        if folder.exists():
            shutil.rmtree(folder)
        if case.model_dir:
            shutil.copytree(case.model_dir, folder)
        else:
            folder.mkdir(parents=True)
            write_generated(folder, case)
        model = onnx.load(folder / "model.onnx")
        write_tolerance(folder, case, model)
        facts[f"{case.kind}/{case.name}"] = {
            "ops": sorted(operator_counts(model)),
            "opset": opsets(model),
            "ir": model.ir_version,
            "random": bool(RANDOM.match(case.name)),
        }
    return facts


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("outdir", type=pathlib.Path)
    args = parser.parse_args()
    facts = dump(args.outdir)
    (args.outdir / "cases.json").write_text(json.dumps(facts, indent=1, sort_keys=True) + "\n")
    need = Counter(op for fact in facts.values() for op in fact["ops"])
    lines = [f"{count:5d} {op}" for op, count in sorted(need.items(), key=lambda item: (-item[1], item[0]))]
    (args.outdir / "ops.txt").write_text("\n".join(lines) + "\n")
    random = sorted(name for name, fact in facts.items() if fact["random"])
    (args.outdir / "random.txt").write_text("\n".join(random) + "\n")
    expected = EXPECTED.get(onnx.__version__)
    print(f"onnx {onnx.__version__}: {len(facts)} cases, {len(need)} operators, written to {args.outdir}")
    if expected is not None and len(facts) != expected:
        raise SystemExit(f"expected {expected} cases")


if __name__ == "__main__":
    main()
