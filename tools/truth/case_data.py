"""Reads ONNX test-case folders (as dump_onnx_cases.py writes them) and compares values at a case's bounds."""

import json

import numpy as np
import onnx
from onnx import numpy_helper

DEFAULT_BOUNDS = (1e-3, 1e-7)


def load_value(path, info):
    """One input or output: an array, a list (sequence), None or a value (optional)."""
    data, kind = path.read_bytes(), info.type.WhichOneof("value")
    if kind == "sequence_type":
        return numpy_helper.to_list(onnx.SequenceProto.FromString(data))
    if kind == "optional_type":
        proto = onnx.OptionalProto.FromString(data)
        empty = not any(
            proto.HasField(f) for f in ("tensor_value", "sparse_tensor_value", "sequence_value", "map_value")
        )
        return None if empty else numpy_helper.to_optional(proto)
    return numpy_helper.to_array(onnx.TensorProto.FromString(data))


def load_sets(folder, model):
    """[(feeds by name, expected outputs in order)] of a case; trailing outputs may be missing from the files."""
    sets = []
    for data in sorted(folder.glob("test_data_set_*")):
        feeds = {
            info.name: load_value(data / f"input_{i}.pb", info)
            for i, info in enumerate(model.graph.input)
            if (data / f"input_{i}.pb").exists()
        }
        expected = [
            load_value(data / f"output_{i}.pb", info)
            for i, info in enumerate(model.graph.output)
            if (data / f"output_{i}.pb").exists()
        ]
        sets.append((feeds, expected))
    return sets


def bounds(folder):
    file = folder / "tolerance.json"
    if not file.exists():
        return DEFAULT_BOUNDS
    found = json.loads(file.read_text())
    return found["rtol"], found["atol"]


def difference(found, expected, rtol, atol):
    """None where equal within the bounds, else a sentence."""
    if isinstance(expected, list):
        if not isinstance(found, list) or len(found) != len(expected):
            return f"a sequence of {len(expected)} expected"
        problems = (difference(f, e, rtol, atol) for f, e in zip(found, expected))
        return next((p for p in problems if p), None)
    if expected is None or found is None:
        return None if found is None and expected is None else "one of two optionals is empty"
    found, expected = np.asarray(found), np.asarray(expected)
    if found.shape != expected.shape:
        return f"shape {list(found.shape)}, expected {list(expected.shape)}"
    if expected.dtype.kind in "OUST":
        return None if (found.astype(str) == expected.astype(str)).all() else "strings differ"
    if found.dtype != expected.dtype:
        return f"type {found.dtype}, expected {expected.dtype}"
    if expected.dtype.kind not in "biufc":  # the element types of ml_dtypes
        found, expected = found.astype(np.float32), expected.astype(np.float32)
    close = np.isclose(found, expected, rtol=rtol, atol=atol, equal_nan=expected.dtype.kind in "fc")
    if close.all():
        return None
    worst = np.abs(found[~close].astype(np.complex128) - expected[~close].astype(np.complex128)).max()
    return f"{np.count_nonzero(~close)} of {expected.size} elements differ, by up to {worst:.3g}"
