"""Cases of special numbers and shapes, made of the grid cases of the operator table.

Numbers: NaN, infinities, zeros of both signs, the least denormal and normal numbers, the greatest, halves between whole numbers;
the ends of integer types. Shapes: an extent that becomes 0 or 1 wherever it stands, one operand with an axis of 1, without its
first axis, or with no axes at all. A shape that ONNX's own inference refuses is none.
"""

import itertools

import ml_dtypes
import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

# What is computed number by number: these get the greatest numbers too, and their zeros are compared with the sign.
ELEMENTWISE = set(
    "Abs Acos Acosh Add Asin Asinh Atan Atanh Ceil Celu Clip Cos Cosh Div Elu Erf Exp Floor Gelu HardSigmoid HardSwish Identity "
    "LeakyRelu Log Max Mean Min Mish Mod Mul Neg PRelu Pow Reciprocal Relu Round Selu Sigmoid Sign Sin Sinh Softplus Softsign "
    "Sqrt Sub Sum Swish Tan Tanh ThresholdedRelu Where".split()
)
# Integers of these are indices, counts or offsets: another number is another question, or a huge one.
NO_INTEGERS = set(
    "AffineGrid BlackmanWindow CenterCropPad Col2Im ConstantOfShape Expand EyeLike Gather GatherElements GatherND HammingWindow "
    "HannWindow MelWeightMatrix Multinomial OneHot Pad Range Reshape Resize ReverseSequence ScatterElements ScatterND Scatter "
    "SequenceAt SequenceErase SequenceInsert Slice Split SplitToSequence Squeeze STFT DFT Tile TopK TensorScatter Trilu "
    "Unsqueeze Upsample LSTM GRU RNN CumSum CumProd MaxUnpool NonMaxSuppression BitShift NegativeLogLikelihoodLoss "
    "SoftmaxCrossEntropyLoss RoiAlign Compress Loop Scan If Optional BitCast".split()
)
# Zeros and the least number are no divisors: ONNX says nothing of x / 0 and of min / -1.
DIVISIONS = {"Div", "Mod"}


def special_floats(dtype, every):
    info = ml_dtypes.finfo(dtype)
    least = float(info.smallest_subnormal) if dtype.itemsize > 1 else float(info.tiny)
    numbers = [0.0, -0.0, least, -least, float(info.tiny), 0.5, -0.5, 1.5, 2.5, 1.0, -1.0]
    if dtype.itemsize > 1:
        numbers += [np.nan, np.inf, -np.inf]
    if every:
        numbers += [float(info.max), -float(info.max), 88.0, -104.0, 1e-20]
    return np.array(numbers, np.float64).astype(dtype)


def special_integers(dtype):
    info = np.iinfo(dtype)
    return np.array([info.min, info.max, 0, 1, info.max - 1, info.min + 1, info.max // 2], dtype)


def is_float(dtype):
    return dtype.kind == "f" or dtype in (np.dtype(ml_dtypes.bfloat16),)


def with_specials(rng, operator, position, value):
    """The array with some or all of its elements replaced; None where it stays as it is."""
    every = operator in ELEMENTWISE
    if is_float(value.dtype):
        pool = special_floats(value.dtype, every)
    elif value.dtype.kind in "iu" and operator not in NO_INTEGERS:
        pool = special_integers(value.dtype)
        if operator in DIVISIONS and position == 1:
            pool = pool[(pool != 0) & (pool != -1 if value.dtype.kind == "i" else True)]
    else:
        return None
    chosen = pool[rng.integers(len(pool), size=value.shape)]
    kept = rng.random(value.shape) < rng.choice([0.0, 0.5, 0.9])
    return np.where(kept, value, chosen).astype(value.dtype)


def value_sets(rng, operator, feeds, count):
    """`count` lists of feeds with special numbers; none where no operand can take any."""
    for _ in range(count):
        changed, made = False, []
        for position, value in enumerate(feeds):
            special = with_specials(rng, operator, position, value) if isinstance(value, np.ndarray) else None
            changed |= special is not None
            made.append(value if special is None else special)
        if changed:
            yield made


def shape_variants(feeds):
    """(name, shapes) of all that the module says; `shapes` has None for what is no array."""
    own = [v.shape if isinstance(v, np.ndarray) else None for v in feeds]
    seen = {tuple(own)}
    arrays = [i for i, s in enumerate(own) if s is not None]

    def variants():
        for extent, new in itertools.product(sorted({d for i in arrays for d in own[i]}), (0, 1)):
            yield f"extent{extent}to{new}", [None if s is None else tuple(new if d == extent else d for d in s) for s in own]
        for i in arrays:
            for axis in range(len(own[i])):
                yield f"x{i}axis{axis}", [s if j != i else (*s[:axis], 1, *s[axis + 1 :]) for j, s in enumerate(own)]
            yield f"x{i}tail", [s if j != i else s[1:] for j, s in enumerate(own)]
            yield f"x{i}scalar", [s if j != i else () for j, s in enumerate(own)]
        yield "scalars", [None if s is None else () for s in own]

    for name, shapes in variants():
        if tuple(shapes) not in seen:
            seen.add(tuple(shapes))
            yield name, shapes


def reshaped(value, shape):
    """An array of that shape with the elements of `value`, again and again."""
    count = int(np.prod(shape, dtype=np.int64))
    return np.resize(value.ravel(), count).reshape(shape).astype(value.dtype) if value.size or not count else None


def with_shapes(model, shapes):
    """The model with these input shapes and outputs as ONNX infers them; None where it refuses."""
    changed = onnx.ModelProto.FromString(model.SerializeToString())
    for info, shape in zip(changed.graph.input, shapes):
        if shape is not None:
            extents = [onnx.TensorShapeProto.Dimension(dim_value=d) for d in shape]
            info.type.tensor_type.shape.CopyFrom(onnx.TensorShapeProto(dim=extents))
    for info in changed.graph.output:
        if info.type.WhichOneof("value") == "tensor_type":
            info.type.tensor_type.ClearField("shape")
    try:
        inferred = onnx.shape_inference.infer_shapes(changed, check_type=True, strict_mode=True)
        onnx.checker.check_model(inferred)
        for info in inferred.graph.output:  # extents are for Chorus to say
            for extent in info.type.tensor_type.shape.dim:
                extent.Clear()
    except Exception:  # whatever the package throws: it refuses
        return None
    return inferred


def with_signs(model):
    """The model with one more output for the first: 1 / y where y is 0, else 0. None where it cannot be said."""
    changed = onnx.ModelProto.FromString(model.SerializeToString())
    opset = {o.domain: o.version for o in changed.opset_import}.get("", 1)
    if not changed.graph.output:
        return None
    first = changed.graph.output[0]
    kind = first.type.tensor_type.elem_type
    if opset < 13 or kind not in (TensorProto.FLOAT, TensorProto.DOUBLE) or changed.graph.node[0].op_type not in ELEMENTWISE:
        return None
    dtype = helper.tensor_dtype_to_np_dtype(kind)
    changed.graph.initializer.extend([numpy_helper.from_array(np.array(v, dtype), n) for v, n in ((0, "zero"), (1, "one"))])
    changed.graph.node.extend([
        helper.make_node("Equal", [first.name, "zero"], ["is_zero"]),
        helper.make_node("Div", ["one", first.name], ["turned"]),
        helper.make_node("Where", ["is_zero", "turned", "zero"], ["signs"]),
    ])
    signs = onnx.ValueInfoProto.FromString(first.SerializeToString())
    signs.name = "signs"
    changed.graph.output.append(signs)
    return changed
