#!/usr/bin/env python3
"""What --engine auto is worth, as ratios of runs in turns, so that other programs on the machine slow both sides alike.

  auto.py --chorus PROGRAM [--engines a,b] [--pairs N] [--threads N] [MODEL…]

For every model: the engines one by one and auto among them, N pairs (40); prints the ratio auto/best single engine with the 95 %
interval of its median. `forest` (trees behind a convolutional network) and `regions` (RoiAlign behind one, as in detectors: where native
is ahead in the convolutions and ONNX Runtime in the regions, so that a cut pays) are made here, and are the default; nothing is remembered
between runs (--no-cache), so that no model is in the log. Runs with a Python that has the onnx package.
Exit status: 0 within the bounds (1.03; 0.95 for `regions`), 1 not.
"""
import argparse
import json
import math
import pathlib
import statistics
import subprocess
import sys
import tempfile

MOST = 1.03
MADE = {"forest": MOST, "regions": 0.95}


def median_interval(values, z=1.96):
    """Median and the order statistics around it that hold it with 95 %."""
    ordered, n = sorted(values), len(values)
    half = z * math.sqrt(n) / 2
    low, high = max(0, math.floor(n / 2 - half)), min(n - 1, math.ceil(n / 2 + half))
    return statistics.median(ordered), ordered[low], ordered[high]


def forest(helper, numpy, features, trees, depth, generator):
    """Attributes of a TreeEnsembleRegressor of full trees."""
    columns = {name: [] for name in ("treeids", "nodeids", "featureids", "modes", "values", "truenodeids", "falsenodeids")}
    target = {name: [] for name in ("treeids", "nodeids", "ids", "weights")}
    inner = 2**depth - 1
    for tree in range(trees):
        for node in range(2 * inner + 1):
            leaf = node >= inner
            columns["treeids"].append(tree)
            columns["nodeids"].append(node)
            columns["featureids"].append(0 if leaf else int(generator.integers(features)))
            columns["modes"].append("LEAF" if leaf else "BRANCH_LEQ")
            columns["values"].append(0.0 if leaf else float(generator.uniform(0, 1)))
            columns["truenodeids"].append(0 if leaf else 2 * node + 1)
            columns["falsenodeids"].append(0 if leaf else 2 * node + 2)
            if leaf:
                target["treeids"].append(tree)
                target["nodeids"].append(node)
                target["ids"].append(0)
                target["weights"].append(float(generator.normal()))
    attributes = {f"nodes_{name}": values for name, values in columns.items()}
    attributes |= {f"target_{name}": values for name, values in target.items()}
    return attributes | {"n_targets": 1}


def convolutions(helper, numpy, numpy_helper, channels, layers, generator):
    """Nodes and weights of a small network from "x" of three channels; the name of its last value."""
    nodes, weights, last, before = [], [], "x", 3
    for i in range(layers):
        scale = 1 / math.sqrt(9 * before)
        weights.append(numpy_helper.from_array((scale * generator.normal(size=(channels, before, 3, 3))).astype("float32"), f"w{i}"))
        nodes.append(helper.make_node("Conv", [last, f"w{i}"], [f"c{i}"], name=f"conv{i}", pads=[1, 1, 1, 1]))
        nodes.append(helper.make_node("Relu", [f"c{i}"], [f"r{i}"], name=f"relu{i}"))
        last, before = f"r{i}", channels
    return nodes, weights, last


def made_model(kind, path):
    """`forest`: convolutions, their mean over the picture, and a forest over it. `regions`: convolutions, and regions of their last
    picture brought to one size, as detectors of objects do."""
    import numpy
    import onnx
    from onnx import TensorProto, helper, numpy_helper

    generator = numpy.random.default_rng(7)
    if kind == "forest":
        batch, channels = 8, 32
        nodes, weights, last = convolutions(helper, numpy, numpy_helper, channels, 4, generator)
        nodes.append(helper.make_node("GlobalAveragePool", [last], ["pooled"], name="pool"))
        nodes.append(helper.make_node("Flatten", ["pooled"], ["features"], name="flatten"))
        nodes.append(helper.make_node("TreeEnsembleRegressor", ["features"], ["y"], name="forest", domain="ai.onnx.ml",
                                      **forest(helper, numpy, channels, 400, 6, generator)))
        inputs, shape = [("x", [batch, 3, 28, 28])], [batch, 1]
    else:
        channels, regions = 64, 100
        nodes, weights, last = convolutions(helper, numpy, numpy_helper, channels, 5, generator)
        corners = numpy.sort(generator.uniform(0, 112, size=(regions, 2, 2)), axis=1).reshape(regions, 4).astype("float32")
        weights.append(numpy_helper.from_array(corners, "corners"))
        weights.append(numpy_helper.from_array(numpy.zeros(regions, "int64"), "pictures"))
        nodes.append(helper.make_node("RoiAlign", [last, "corners", "pictures"], ["y"], name="regions", output_height=7, output_width=7,
                                      sampling_ratio=2))
        inputs, shape = [("x", [1, 3, 112, 112])], [regions, channels, 7, 7]
    graph = helper.make_graph(nodes, f"{kind} behind a network",
                              [helper.make_tensor_value_info(name, TensorProto.FLOAT, dims) for name, dims in inputs],
                              [helper.make_tensor_value_info("y", TensorProto.FLOAT, shape)], weights)
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17), helper.make_opsetid("ai.onnx.ml", 3)], ir_version=9)
    onnx.save(model, path)
    return path


def measure(args, model, most):
    names = args.engines.split(",")
    command = [args.chorus, "bench", str(model), "--peers", "--json", "--no-cache", "--oracle", "first", "--pairs", str(args.pairs),
               "--threads", str(args.threads), "--engines", ",".join([*names, "auto"])]
    feeds = pathlib.Path(model).with_name("feeds.npz")
    if feeds.exists():
        command += ["--input", str(feeds)]
    done = subprocess.run(command, capture_output=True, text=True)
    try:
        engines = {e["engine"]: e for e in json.loads(done.stdout)["engines"]}
    except json.JSONDecodeError:
        print(done.stdout + done.stderr)
        return False
    able = {name: e for name, e in engines.items() if not e["reason"] and not e["wrong"]}
    for name, e in engines.items():
        print(f"  {name:<12} {e['ms']:.4f} ms" if name in able else f"  {name:<12} {e['reason'] or 'wrong'}")
    singles = {name: e for name, e in able.items() if name != "auto"}
    if "auto" not in able or not singles:
        return False
    # The best single engine as a whole, and each single one for the cut: pairs within a round.
    best = min(singles, key=lambda name: statistics.median(singles[name]["rounds"]))
    middle, low, high = median_interval([a / b for a, b in zip(able["auto"]["rounds"], singles[best]["rounds"])])
    print(f"{model}: auto/{best} = {middle:.3f} [{low:.3f}, {high:.3f}], at most {most}: {'yes' if high <= most else 'NO'}")
    return high <= most


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--chorus", default="build/bin/chorus")
    parser.add_argument("--engines", default="native,onnxruntime")
    parser.add_argument("--pairs", type=int, default=40)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--keep", type=pathlib.Path, help="write the models that are made here into this folder, and end")
    parser.add_argument("models", nargs="*", default=list(MADE))
    args = parser.parse_args()
    if args.keep:
        for kind in MADE:
            made_model(kind, args.keep / f"{kind}.onnx")
        return 0
    good = True
    with tempfile.TemporaryDirectory() as folder:
        for model in args.models:
            path = made_model(model, pathlib.Path(folder) / f"{model}.onnx") if model in MADE else model
            good = measure(args, path, MADE.get(model, MOST)) and good
    return 0 if good else 1


if __name__ == "__main__":
    sys.exit(main())
