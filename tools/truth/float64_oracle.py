"""Evaluates an ONNX model in float64: the values that an exact float32 implementation would come close to.

Entry point: `evaluate(model, feeds)` → every value of the main graph by name.

How, and why so: the model's float32 tensors, casts and declared types become float64 and the onnx package's reference
evaluator runs the result. ONNX Runtime cannot do it (its Conv and pools exist in float32 alone). A few operators of the
evaluator are replaced, since they are Python loops that take minutes on a real network (pools, transposed convolution,
Resize), hold a float32 step (Erf) or are wrong (BatchNormalization before opset 14 mixes in the statistics of the
batch); the replacements are plain NumPy and `self_test.py` compares each with the original.
"""

import math

import numpy as np
import onnx
from numpy.lib.stride_tricks import sliding_window_view
from onnx import AttributeProto, TensorProto, numpy_helper
from onnx.reference import ReferenceEvaluator
from onnx.reference.op_run import OpRun
from onnx.reference.ops.op_average_pool import AveragePool_19
from onnx.reference.ops.op_max_pool import MaxPool as OriginalMaxPool
from onnx.reference.ops.op_resize import Resize as OriginalResize


def window_pads(shape, kernel, strides, dilations, pads, auto_pad, ceil_mode=0):
    """Padding before and after each spatial axis, such that windows at `strides` cover the output exactly."""
    rank = len(shape)
    result = []
    for axis in range(rank):
        extent = (kernel[axis] - 1) * dilations[axis] + 1
        if auto_pad in ("SAME_UPPER", "SAME_LOWER"):
            total = max((-(-shape[axis] // strides[axis]) - 1) * strides[axis] + extent - shape[axis], 0)
            small = total // 2
            before = small if auto_pad == "SAME_UPPER" else total - small
            after = total - before
        else:
            before, after = (pads[axis], pads[axis + rank]) if pads and auto_pad != "VALID" else (0, 0)
        if ceil_mode:
            span = shape[axis] + before + after - extent
            count = -(-span // strides[axis]) + 1
            if (count - 1) * strides[axis] >= shape[axis] + before:
                count -= 1  # the last window must begin inside the data
            after = max(after, (count - 1) * strides[axis] + extent - shape[axis] - before)
        result.append((before, after))
    return result


def windows(x, kernel, strides, dilations, pads, fill):
    """x [N, C, spatial…] → a view [N, C, output…, kernel…] of the padded data."""
    rank = len(kernel)
    padded = np.pad(x, [(0, 0), (0, 0), *pads], constant_values=fill)
    extents = tuple((k - 1) * d + 1 for k, d in zip(kernel, dilations))
    view = sliding_window_view(padded, extents, axis=tuple(range(2, 2 + rank)))
    steps = [slice(None)] * 2 + [slice(None, None, s) for s in strides] + [slice(None, None, d) for d in dilations]
    return view[tuple(steps)]


class Conv(OpRun):
    def _run(
        self, x, w, b=None, auto_pad=None, dilations=None, group=None, kernel_shape=None, pads=None, strides=None
    ):
        rank = x.ndim - 2
        kernel, group = w.shape[2:], group or 1
        strides, dilations = strides or [1] * rank, dilations or [1] * rank
        padding = window_pads(x.shape[2:], kernel, strides, dilations, pads, auto_pad)
        view = windows(x, kernel, strides, dilations, padding, 0)
        inner, outer = w.shape[1], w.shape[0] // group
        kernel_axes = list(range(2 + rank, 2 + 2 * rank))
        parts = []
        for g in range(group):
            part = view[:, g * inner : (g + 1) * inner]
            weight = w[g * outer : (g + 1) * outer]
            product = np.tensordot(part, weight, axes=([1, *kernel_axes], list(range(1, 2 + rank))))
            parts.append(np.moveaxis(product, -1, 1))
        y = np.concatenate(parts, axis=1)
        return (y if b is None else y + b.reshape(-1, *[1] * rank),)


class ConvTranspose(OpRun):
    def _run(
        self,
        x,
        w,
        b=None,
        auto_pad=None,
        dilations=None,
        group=None,
        kernel_shape=None,
        output_padding=None,
        output_shape=None,
        pads=None,
        strides=None,
    ):
        if output_shape or auto_pad not in (None, "NOTSET"):
            raise NotImplementedError("ConvTranspose with output_shape or auto_pad")
        rank = x.ndim - 2
        kernel, group = w.shape[2:], group or 1
        strides, dilations = strides or [1] * rank, dilations or [1] * rank
        pads, extra = pads or [0] * 2 * rank, output_padding or [0] * rank
        size = [
            strides[i] * (x.shape[2 + i] - 1) + (kernel[i] - 1) * dilations[i] + 1 + extra[i] for i in range(rank)
        ]
        inner, outer = x.shape[1] // group, w.shape[1]
        y = np.zeros((x.shape[0], outer * group, *size), x.dtype)
        for position in np.ndindex(*kernel):
            target = tuple(
                slice(p * d, p * d + s * (n - 1) + 1, s)
                for p, d, s, n in zip(position, dilations, strides, x.shape[2:])
            )
            for g in range(group):
                part, weight = (
                    x[:, g * inner : (g + 1) * inner],
                    w[(slice(g * inner, (g + 1) * inner), slice(None), *position)],
                )
                y[(slice(None), slice(g * outer, (g + 1) * outer), *target)] += np.einsum(
                    "nc...,cm->nm...", part, weight
                )
        crop = tuple(slice(pads[i], size[i] - pads[i + rank]) for i in range(rank))
        y = y[(slice(None), slice(None), *crop)]
        return (y if b is None else y + b.reshape(-1, *[1] * rank),)


class MaxPool(OpRun):
    def _run(
        self,
        x,
        auto_pad=None,
        ceil_mode=None,
        dilations=None,
        kernel_shape=None,
        pads=None,
        storage_order=None,
        strides=None,
    ):
        rank = x.ndim - 2
        strides, dilations = strides or [1] * rank, dilations or [1] * rank
        if len(self.onnx_node.output) > 1 or x.dtype.kind != "f":
            original = OriginalMaxPool(self.onnx_node, self.run_params)
            return original._run(x, auto_pad, ceil_mode, dilations, kernel_shape, pads, storage_order, strides)
        padding = window_pads(x.shape[2:], kernel_shape, strides, dilations, pads, auto_pad, ceil_mode)
        view = windows(x, kernel_shape, strides, dilations, padding, -np.inf)
        return (view.max(axis=tuple(range(2 + rank, 2 + 2 * rank))),)


class AveragePool(OpRun):
    def _run(
        self,
        x,
        auto_pad=None,
        ceil_mode=None,
        count_include_pad=None,
        dilations=None,
        kernel_shape=None,
        pads=None,
        strides=None,
    ):
        rank = x.ndim - 2
        strides, dilations = strides or [1] * rank, dilations or [1] * rank
        if (
            ceil_mode and count_include_pad
        ):  # windows that overhang the padding count partly: leave it to the original
            original = AveragePool_19(self.onnx_node, self.run_params)
            return original._run(x, auto_pad, ceil_mode, dilations, kernel_shape, pads, strides, count_include_pad)
        padding = window_pads(x.shape[2:], kernel_shape, strides, dilations, pads, auto_pad, ceil_mode)
        kernel_axes = tuple(range(2 + rank, 2 + 2 * rank))
        total = windows(x, kernel_shape, strides, dilations, padding, 0).sum(axis=kernel_axes)
        ones = np.ones((1, 1, *x.shape[2:]), x.dtype)
        fill = 1 if count_include_pad else 0
        return (total / windows(ones, kernel_shape, strides, dilations, padding, fill).sum(axis=kernel_axes),)


class Resize(OpRun):
    def _run(self, x, roi=None, scales=None, sizes=None, **attributes):
        plain = (
            attributes.get("mode") == "nearest"
            and attributes.get("coordinate_transformation_mode") == "asymmetric"
            and attributes.get("nearest_mode") == "floor"
            and not attributes.get("axes")
            and attributes.get("keep_aspect_ratio_policy") in (None, "stretch")
        )
        if not plain:
            original = OriginalResize(self.onnx_node, self.run_params)
            return original._run(x, roi, scales, sizes, **attributes)
        if sizes is not None and len(sizes):
            lengths = [int(s) for s in sizes]
            factors = [size / n for size, n in zip(lengths, x.shape)]
        else:
            factors = [float(s) for s in scales]
            lengths = [math.floor(n * f) for n, f in zip(x.shape, factors)]
        for axis, (length, factor) in enumerate(zip(lengths, factors)):
            index = np.clip(np.floor(np.arange(length) / factor).astype(np.int64), 0, x.shape[axis] - 1)
            x = np.take(x, index, axis=axis)
        return (x,)


class Erf(OpRun):
    def _run(self, x):
        return (np.vectorize(math.erf, otypes=[np.float64])(x).astype(x.dtype),)


class BatchNormalization(OpRun):
    def _run(self, x, scale, bias, mean, variance, epsilon=None, momentum=None, training_mode=None, **_):
        if training_mode or len([name for name in self.onnx_node.output if name]) > 1:
            raise NotImplementedError("BatchNormalization in training mode")
        shape = (-1, *[1] * (x.ndim - 2))
        scale, bias, mean, variance = (p.reshape(shape) for p in (scale, bias, mean, variance))
        return ((x - mean) / np.sqrt(variance + epsilon) * scale + bias,)


REPLACEMENTS = [Conv, ConvTranspose, MaxPool, AveragePool, Resize, Erf, BatchNormalization]


def widen_tensor(tensor):
    if tensor.data_type == TensorProto.FLOAT:
        tensor.CopyFrom(numpy_helper.from_array(numpy_helper.to_array(tensor).astype(np.float64), tensor.name))


def widen_type(type_proto):
    kind = type_proto.WhichOneof("value")
    if kind == "tensor_type" and type_proto.tensor_type.elem_type == TensorProto.FLOAT:
        type_proto.tensor_type.elem_type = TensorProto.DOUBLE
    elif kind in ("sequence_type", "optional_type"):
        widen_type(getattr(type_proto, kind).elem_type)


def widen_graph(graph):
    for tensor in graph.initializer:
        widen_tensor(tensor)
    for info in (*graph.input, *graph.output):
        widen_type(info.type)
    del graph.value_info[:]
    widen_nodes(graph.node)


def widen_nodes(nodes):
    for node in nodes:
        if node.op_type == "ConstantOfShape" and not node.attribute:
            node.attribute.append(
                onnx.helper.make_attribute("value", onnx.helper.make_tensor("value", TensorProto.DOUBLE, [1], [0.0]))
            )
        for attribute in node.attribute:
            if attribute.type == AttributeProto.TENSOR:
                widen_tensor(attribute.t)
            elif attribute.type == AttributeProto.GRAPH:
                widen_graph(attribute.g)
            elif attribute.name in ("to", "dtype") and attribute.i == TensorProto.FLOAT:
                attribute.i = TensorProto.DOUBLE
            elif node.op_type == "Constant" and attribute.name in ("value_float", "value_floats"):
                values = attribute.floats if attribute.name == "value_floats" else [attribute.f]
                array = np.array(values, np.float64)
                tensor = numpy_helper.from_array(array if attribute.name == "value_floats" else array[0].reshape(()))
                attribute.CopyFrom(onnx.helper.make_attribute("value", tensor))


def to_float64(model):
    """A copy of the model in which every float32 is a float64."""
    wide = onnx.ModelProto()
    wide.CopyFrom(model)
    widen_graph(wide.graph)
    for function in wide.functions:
        widen_nodes(function.node)
    return wide


def evaluate(model, feeds):
    """Every value of the main graph by name, in float64 where the model has float32. Feeds may be float32."""
    evaluator = ReferenceEvaluator(to_float64(model), new_ops=REPLACEMENTS)
    wide = {n: x.astype(np.float64) if x.dtype == np.float32 else x for n, x in feeds.items()}
    found = evaluator.run(None, wide, intermediate=True)
    constants = {t.name for t in model.graph.initializer}
    return {n: v for n, v in found.items() if n and n not in constants and n not in feeds}
