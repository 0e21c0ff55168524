"""Gradients by PyTorch's autograd for one-node models: what tests/autograd/torch_test.cpp compares ours with.

    torch_gradients.py FOLDER [--seed N]

Writes FOLDER/<case>/model.onnx and values.npz with in_<input>, seed_<output> and grad_<input>, all float64. The values are drawn anew for
every seed, which is printed. Each case says the operator in ONNX's words and the same function in PyTorch's.
"""

import argparse
import pathlib

import numpy as np
import onnx
import torch
import torch.nn.functional as F
from onnx import TensorProto, helper

CASES = []


def case(op, inputs, function, outputs=1, **attributes):
    """inputs: name → shape (float64, drawn) or an array of integers; function: tensors by name → tensor or tuple of outputs."""
    CASES.append((op, inputs, function, outputs, attributes))


def ints(*values):
    return np.array(values, np.int64)


def onnx_lstm(x, w, r, b, h0=None, c0=None):
    """ONNX's order of gates is i, o, f, c; PyTorch's i, f, g (c), o."""
    hidden = r.shape[-1]

    def order(m):
        i, o, f, c = m.split(hidden, 0)
        return torch.cat([i, f, c, o], 0)

    return run_rnn(torch.lstm, 4, x, w, r, b, order, h0, c0)


def onnx_gru(x, w, r, b, h0=None):
    hidden = r.shape[-1]

    def order(m):
        z, reset, n = m.split(hidden, 0)
        return torch.cat([reset, z, n], 0)

    return run_rnn(torch.gru, 3, x, w, r, b, order, h0)


def onnx_rnn(x, w, r, b, h0=None):
    return run_rnn(torch.rnn_tanh, 1, x, w, r, b, lambda m: m, h0)


def run_rnn(function, gates, x, w, r, b, order, h0=None, c0=None):
    directions, hidden = r.shape[0], r.shape[-1]
    weights = []
    for d in range(directions):
        both = b[d].split(gates * hidden)
        weights += [order(w[d]), order(r[d]), order(both[0]), order(both[1])]
    zeros = torch.zeros(directions, x.shape[1], hidden, dtype=x.dtype)
    state = zeros if h0 is None else h0
    if function is torch.lstm:
        state = (state, zeros if c0 is None else c0)
    y, *rest = function(x, state, weights, True, 1, 0.0, False, directions == 2, False)
    y = y.reshape(x.shape[0], x.shape[1], directions, hidden).permute(0, 2, 1, 3)
    return (y, *rest)


def pool_cases():
    case("MaxPool", {"X": (2, 3, 7, 8)}, lambda X: F.max_pool2d(X, 3, 2, 1), kernel_shape=[3, 3], strides=[2, 2], pads=[1, 1, 1, 1])
    case("MaxPool", {"X": (2, 3, 9)}, lambda X: F.max_pool1d(X, 2, 1, 0, 2), kernel_shape=[2], dilations=[2])
    case("AveragePool", {"X": (2, 3, 7, 8)}, lambda X: F.avg_pool2d(X, 3, 2, 1, count_include_pad=False), kernel_shape=[3, 3], strides=[2, 2], pads=[1, 1, 1, 1])
    case("AveragePool", {"X": (1, 2, 5, 5, 5)}, lambda X: F.avg_pool3d(X, 2), kernel_shape=[2, 2, 2], strides=[2, 2, 2])
    case("LpPool", {"X": (2, 3, 6, 6)}, lambda X: F.lp_pool2d(X.abs(), 3, 2), kernel_shape=[2, 2], strides=[2, 2], p=3)
    case("GlobalAveragePool", {"X": (2, 3, 4, 5)}, lambda X: X.mean((2, 3), keepdim=True))


def convolution_cases():
    case("Conv", {"X": (2, 4, 7, 8), "W": (6, 2, 3, 3), "B": (6,)}, lambda X, W, B: F.conv2d(X, W, B, 2, 1, 1, 2), group=2, strides=[2, 2], pads=[1, 1, 1, 1])
    case("Conv", {"X": (2, 3, 12), "W": (4, 3, 3)}, lambda X, W: F.conv1d(X, W, None, 1, 0, 2), dilations=[2])
    case("Conv", {"X": (1, 2, 5, 5, 5), "W": (3, 2, 2, 2, 2), "B": (3,)}, lambda X, W, B: F.conv3d(X, W, B))
    case("ConvTranspose", {"X": (2, 4, 5, 6), "W": (4, 3, 3, 3), "B": (6,)}, lambda X, W, B: F.conv_transpose2d(X, W, B, 2, 1, 1, 2), group=2, strides=[2, 2], pads=[1, 1, 1, 1], output_padding=[1, 1])
    case("Col2Im", {"X": (2, 12, 9), "s": ints(4, 4), "b": ints(2, 2)}, lambda X: F.fold(X, (4, 4), 2))


def norm_cases():
    moments = {"m": (4,), "v": (4,)}
    case("BatchNormalization", {"X": (3, 4, 5), "s": (4,), "b": (4,), **moments}, lambda X, s, b, m, v: F.batch_norm(X, m, v, s, b), positive=["v"], fixed=["m", "v"])
    case("BatchNormalization", {"X": (3, 4, 5), "s": (4,), "b": (4,), **moments}, lambda X, s, b, m, v: F.batch_norm(X, None, None, s, b, True), positive=["v"], fixed=["m", "v"], training_mode=1)
    case("InstanceNormalization", {"X": (3, 4, 5, 2), "s": (4,), "b": (4,)}, lambda X, s, b: F.instance_norm(X, weight=s, bias=b))
    case("GroupNormalization", {"X": (3, 4, 5, 2), "s": (4,), "b": (4,)}, lambda X, s, b: F.group_norm(X, 2, s, b), num_groups=2)
    case("LayerNormalization", {"X": (3, 4, 5), "s": (4, 5), "b": (4, 5)}, lambda X, s, b: F.layer_norm(X, (4, 5), s, b), axis=1)
    case("RMSNormalization", {"X": (3, 4, 5), "s": (5,)}, lambda X, s: F.rms_norm(X, (5,), s, float(np.float32(1e-5))))
    case("LRN", {"X": (2, 7, 3, 3)}, lambda X: F.local_response_norm(X, 5, float(np.float32(1e-4)), 0.75, 1.0), size=5)
    case("Softmax", {"X": (3, 4, 5)}, lambda X: F.softmax(X, 1), axis=1)
    case("LogSoftmax", {"X": (3, 4, 5)}, lambda X: F.log_softmax(X, -1))
    case("LpNormalization", {"X": (3, 4, 5)}, lambda X: F.normalize(X, 2, 1), axis=1)


def recurrent_cases():
    case("LSTM", {"X": (5, 2, 3), "W": (1, 16, 3), "R": (1, 16, 4), "B": (1, 32), "": None, "h": (1, 2, 4), "c": (1, 2, 4)}, lambda X, W, R, B, h, c: onnx_lstm(X, W, R, B, h, c), outputs=3, hidden_size=4)
    case("LSTM", {"X": (5, 2, 3), "W": (2, 16, 3), "R": (2, 16, 4), "B": (2, 32)}, lambda X, W, R, B: onnx_lstm(X, W, R, B), outputs=3, hidden_size=4, direction="bidirectional")
    case("GRU", {"X": (5, 2, 3), "W": (1, 12, 3), "R": (1, 12, 4), "B": (1, 24), "": None, "h": (1, 2, 4)}, lambda X, W, R, B, h: onnx_gru(X, W, R, B, h), outputs=2, hidden_size=4, linear_before_reset=1)
    case("GRU", {"X": (5, 2, 3), "W": (2, 12, 3), "R": (2, 12, 4), "B": (2, 24)}, lambda X, W, R, B: onnx_gru(X, W, R, B), outputs=2, hidden_size=4, linear_before_reset=1, direction="bidirectional")
    case("RNN", {"X": (5, 2, 3), "W": (2, 4, 3), "R": (2, 4, 4), "B": (2, 8)}, lambda X, W, R, B: onnx_rnn(X, W, R, B), outputs=2, hidden_size=4, direction="bidirectional")


def attention_cases():
    heads = {"Q": (2, 4, 3, 8), "K": (2, 2, 5, 8), "V": (2, 2, 5, 6)}
    case("Attention", heads, lambda Q, K, V: F.scaled_dot_product_attention(Q, K, V, enable_gqa=True))
    same = {"Q": (2, 3, 4, 8), "K": (2, 3, 4, 8), "V": (2, 3, 4, 8)}
    case("Attention", same, lambda Q, K, V: F.scaled_dot_product_attention(Q, K, V, is_causal=True), is_causal=1)
    case("Attention", {**same, "mask": (4, 4)}, lambda Q, K, V, mask: F.scaled_dot_product_attention(Q, K, V, mask))


def resize_cases():
    whole = {"X": (1, 2, 4, 5), "": None, " ": None, "sizes": ints(1, 2, 7, 9)}
    case("Resize", whole, lambda X: F.interpolate(X, (7, 9), mode="bilinear"), mode="linear")
    case("Resize", whole, lambda X: F.interpolate(X, (7, 9), mode="bicubic", align_corners=True), mode="cubic", coordinate_transformation_mode="align_corners")
    case("Resize", whole, lambda X: F.interpolate(X, (7, 9), mode="nearest"), mode="nearest", coordinate_transformation_mode="asymmetric", nearest_mode="floor")
    case("Resize", {**whole, "sizes": ints(1, 2, 3, 2)}, lambda X: F.interpolate(X, (3, 2), mode="bilinear", antialias=True), mode="linear", antialias=1, exclude_outside=1)
    for mode, name in (("linear", "bilinear"), ("cubic", "bicubic")):
        for padding in ("zeros", "border", "reflection"):
            case("GridSample", {"X": (1, 2, 4, 5), "grid": (1, 3, 3, 2)}, lambda X, grid, name=name, padding=padding: F.grid_sample(X, grid, name, padding, False), mode=mode, padding_mode=padding)
    case("AffineGrid", {"theta": (2, 2, 3), "size": ints(2, 1, 3, 4)}, lambda theta: F.affine_grid(theta, (2, 1, 3, 4), False))


def indexing_cases():
    case("Gather", {"X": (5, 3), "i": ints(1, 4, 1)}, lambda X: X[[1, 4, 1]])
    case("Gather", {"X": (2, 5, 3), "i": ints(1, 4, 1)}, lambda X: X[:, [1, 4, 1]], axis=1)
    case("GatherElements", {"X": (3, 3), "i": np.array([[0, 2, 2], [1, 0, 1]])}, lambda X: X.gather(0, torch.tensor([[0, 2, 2], [1, 0, 1]])))
    case("ScatterElements", {"X": (3, 3), "i": np.array([[0, 2, 2], [0, 0, 1]]), "u": (2, 3)}, lambda X, u: X.scatter_add(0, torch.tensor([[0, 2, 2], [0, 0, 1]]), u), reduction="add")
    case("ScatterElements", {"X": (3, 3), "i": np.array([[0, 2, 2], [0, 0, 1]]), "u": (2, 3)}, lambda X, u: X.scatter_reduce(0, torch.tensor([[0, 2, 2], [0, 0, 1]]), u, "prod"), reduction="mul")
    case("ScatterElements", {"X": (3, 3), "i": np.array([[0, 2, 2], [0, 0, 1]]), "u": (2, 3)}, lambda X, u: X.scatter_reduce(0, torch.tensor([[0, 2, 2], [0, 0, 1]]), u, "amax"), reduction="max")
    case("CumProd", {"X": (3, 4), "axis": np.array(1)}, lambda X: X.cumprod(1))
    case("ReduceProd", {"X": (3, 4)}, lambda X: X.prod().reshape(1, 1))
    case("Einsum", {"A": (2, 3, 4), "B": (2, 4, 5)}, lambda A, B: torch.einsum("bij,bjk->ki", A, B), equation="bij,bjk->ki")
    case("Det", {"X": (2, 4, 4)}, lambda X: torch.linalg.det(X))
    case("Gemm", {"A": (4, 3), "B": (5, 4), "C": (5,)}, lambda A, B, C: 0.5 * A.T @ B.T + 2.0 * C, transA=1, transB=1, alpha=0.5, beta=2.0)


def loss_cases():
    for how in ("none", "sum", "mean"):
        case("SoftmaxCrossEntropyLoss", {"X": (4, 5), "t": ints(1, 0, 4, 2), "w": (5,)}, lambda X, w, how=how: F.cross_entropy(X, torch.tensor([1, 0, 4, 2]), w, ignore_index=4, reduction=how), reduction=how, ignore_index=4, positive=["w"], fixed=["w"])
    case("NegativeLogLikelihoodLoss", {"X": (2, 5, 3), "t": np.array([[1, 0, 4], [2, 2, 3]])}, lambda X: F.nll_loss(X, torch.tensor([[1, 0, 4], [2, 2, 3]])))
    for op, function in (("Gelu", F.gelu), ("Mish", F.mish), ("Selu", F.selu), ("HardSwish", F.hardswish), ("Softplus", F.softplus), ("Elu", F.elu)):
        case(op, {"X": (3, 4)}, lambda X, function=function: function(X))


def draw(shape, random, positive):
    values = random.uniform(-1, 1, shape)
    return np.abs(values) + 0.1 if positive else values


def write(folder, number, one, random):
    op, inputs, function, outputs, attributes = one
    attributes = dict(attributes)
    positive, fixed = attributes.pop("positive", []), attributes.pop("fixed", [])
    names, declared, constants, values, tensors = [], [], [], {}, {}
    for name, what in inputs.items():
        names.append("" if what is None else name)
        if what is None:
            continue
        if isinstance(what, np.ndarray):
            constants.append(onnx.numpy_helper.from_array(what, name))
            continue
        values[name] = draw(what, random, name in positive)
        tensors[name] = torch.tensor(values[name], requires_grad=name not in fixed)
        if name in fixed:
            constants.append(onnx.numpy_helper.from_array(values.pop(name), name))
        else:
            declared.append(helper.make_tensor_value_info(name, TensorProto.DOUBLE, what))
    made = function(**tensors)
    made = made if isinstance(made, tuple) else (made,)
    arrays = {f"in_{name}": value for name, value in values.items()}
    infos, total = [], 0
    for i, tensor in enumerate(made[:outputs]):
        seed = torch.tensor(random.uniform(-1, 1, tuple(tensor.shape)))
        total = total + (seed * tensor).sum()
        arrays[f"seed_y{i}"] = seed.numpy()
        infos.append(helper.make_tensor_value_info(f"y{i}", TensorProto.DOUBLE, list(tensor.shape)))
    total.backward()
    for name in values:
        grad = tensors[name].grad
        arrays[f"grad_{name}"] = np.zeros_like(values[name]) if grad is None else grad.numpy()
    node = helper.make_node(op, names, [f"y{i}" for i in range(outputs)], name="node", **attributes)
    graph = helper.make_graph([node], op, declared, infos, constants)
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", onnx.defs.onnx_opset_version())])
    at = folder / f"{number:03d}_{op}"
    at.mkdir(parents=True, exist_ok=True)
    onnx.save(model, at / "model.onnx")
    np.savez(at / "values.npz", **{name: np.ascontiguousarray(value) for name, value in arrays.items()})


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=pathlib.Path)
    parser.add_argument("--seed", type=int, default=np.random.SeedSequence().entropy % 1000000)
    args = parser.parse_args()
    print(f"torch_gradients: seed {args.seed}, PyTorch {torch.__version__}")
    torch.set_default_dtype(torch.float64)
    random = np.random.default_rng(args.seed)
    for cases in (pool_cases, convolution_cases, norm_cases, recurrent_cases, attention_cases, resize_cases, indexing_cases, loss_cases):
        cases()
    for number, one in enumerate(CASES):
        write(args.folder, number, one, random)
    print(f"torch_gradients: {len(CASES)} cases")


if __name__ == "__main__":
    main()
