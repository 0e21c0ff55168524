"""Random models of ai.onnx.ml, ai.onnx.preview.training and some operators of ai.onnx for check_cases.py: (name, model, list of feeds).

Attributes that the case grids of the table cannot vary: forests with every node mode, aggregate function, transform and way of NaN;
linear models and support vector machines; encoders with many categories; n-grams with skips; optimizers with many tensors; and what
the evaluators take of recurrent cells and LRN, whose grids are wider.
`everything(seed)` yields them all, the same for the same seed.
"""

import numpy as np
from onnx import TensorProto, helper, numpy_helper

ML = "ai.onnx.ml"
TRAINING = "ai.onnx.preview.training"
TRANSFORMS = ["NONE", "SOFTMAX", "LOGISTIC", "SOFTMAX_ZERO", "PROBIT"]
MODES = ["BRANCH_LEQ", "BRANCH_LT", "BRANCH_GTE", "BRANCH_GT", "BRANCH_EQ", "BRANCH_NEQ"]
SETS = 4


def onnx_type(dtype):
    return TensorProto.STRING if dtype.kind in "OUS" else helper.np_dtype_to_tensor_dtype(dtype)


def input_info(name, value):
    if not isinstance(value, dict):
        return helper.make_tensor_value_info(name, onnx_type(value.dtype), [None] * value.ndim)
    key, item = next(iter(value.items()))
    types = {str: TensorProto.STRING, int: TensorProto.INT64, np.float32: TensorProto.FLOAT, np.float64: TensorProto.DOUBLE}
    item_type = helper.make_tensor_type_proto(types[type(item)], [])
    return helper.make_value_info(name, helper.make_map_type_proto(types[type(key)], item_type))


def model(op, domain, version, feeds, outputs, attributes):
    """A model of one node; `outputs`: element types."""
    node = helper.make_node(op, list(feeds), [f"y{i}" for i in range(len(outputs))], domain=domain, **attributes)
    inputs = [input_info(n, v) for n, v in feeds.items()]
    results = [helper.make_tensor_value_info(f"y{i}", t, None) for i, t in enumerate(outputs)]
    graph = helper.make_graph([node], op, inputs, results)
    imports = [helper.make_opsetid("", version if not domain else 17)]
    if domain:
        imports.append(helper.make_opsetid(domain, version))
    return helper.make_model(graph, opset_imports=imports, ir_version=10)


def case(op, version, draw, outputs, attributes, domain=ML, sets=SETS):
    feeds = [draw() for _ in range(sets)]
    return op, model(op, domain, version, feeds[0], outputs, attributes), feeds


def numbers(rng, dtype, *shape):
    if np.dtype(dtype).kind == "i":
        return rng.integers(-6, 7, shape).astype(dtype)
    return rng.normal(0, 1.5, shape).astype(dtype)


def labels(rng, n):
    """Attributes and element type of n class labels of either kind; `long` and `ints` name the integer form."""
    if rng.random() < 0.5:
        return "strings", [f"c{i}" for i in rng.permutation(n)], TensorProto.STRING
    return "ints", [int(v) for v in rng.permutation(10 * n)[:n]], TensorProto.INT64


# Trees ------------------------------------------------------------------------------------------------------------------


def grow(rng, depth):
    """A random tree as nested tuples: a leaf is None."""
    if depth == 0 or rng.random() < 0.15:
        return None
    return grow(rng, depth - 1), grow(rng, depth - 1)


def lay_out(tree):
    """[(true child, false child) or None] in preorder."""
    nodes = [None]
    if tree is not None:
        children = []
        for part in tree:
            children.append(len(nodes))
            base = len(nodes)
            nodes += [None if n is None else (n[0] + base, n[1] + base) for n in lay_out(part)]
        nodes[0] = tuple(children)
    return nodes


def thresholds(rng, mode, n):
    # == and != must hold now and then: whole numbers
    return rng.integers(-3, 4, n).astype(np.float32) if mode in (4, 5) else rng.normal(0, 1, n).astype(np.float32)


def features(rng, rows, count, dtype, missing):
    x = numbers(rng, dtype, rows, count)
    if np.dtype(dtype).kind == "f":
        whole = rng.random(x.shape) < 0.3
        x[whole] = np.round(x[whole])
        if missing:
            x[rng.random(x.shape) < 0.2] = np.nan
    return x


def old_forest(rng, count, prefix, targets, positive, one_target, double):
    """Attributes of the operators with node ids; every target gets a vote."""
    a = {k: [] for k in ("treeids", "nodeids", "featureids", "values", "modes", "truenodeids", "falsenodeids", "missing_value_tracks_true")}
    votes = {k: [] for k in ("treeids", "nodeids", "ids", "weights")}
    same_mode = rng.integers(0, 6) if rng.random() < 0.6 else None
    with_missing = rng.random() < 0.5
    trees = int(rng.integers(1, 7))
    for tree in range(trees):
        nodes = lay_out(grow(rng, int(rng.integers(1, 6))))
        for number, children in enumerate(nodes):
            mode = int(same_mode if same_mode is not None else rng.integers(0, 6))
            leaf = children is None
            a["treeids"].append(tree)
            a["nodeids"].append(number)
            a["featureids"].append(0 if leaf else int(rng.integers(0, count)))
            a["values"].append(0.0 if leaf else float(thresholds(rng, mode, 1)[0]))
            a["modes"].append("LEAF" if leaf else MODES[mode])
            a["truenodeids"].append(0 if leaf else children[0])
            a["falsenodeids"].append(0 if leaf else children[1])
            a["missing_value_tracks_true"].append(int(with_missing and not leaf and rng.random() < 0.5))
            if leaf:
                chosen = [0] if one_target else rng.permutation(targets)[: int(rng.integers(1, targets + 1))]
                for target in sorted(chosen):
                    weight = rng.uniform(0.05, 0.9) / trees if positive else rng.normal()
                    for key, value in zip(votes, (tree, number, int(target), float(np.float32(weight)))):
                        votes[key].append(value)
    attributes = {f"nodes_{k}": v for k, v in a.items()}
    attributes |= {f"{prefix}_{k}": v for k, v in votes.items()}
    if double:
        for name in ("nodes_values", f"{prefix}_weights"):
            attributes[f"{name}_as_tensor"] = numpy_helper.from_array(np.array(attributes.pop(name), np.float64))  # float32 numbers
    return attributes


def tree_regressors(rng):
    for i in range(30):
        count, targets = int(rng.integers(1, 6)), int(rng.integers(1, 4))
        transform = TRANSFORMS[i % 5]
        double = i % 6 == 5
        dtype = np.float64 if double else [np.float32, np.int64, np.float32, np.int32, np.float32][i % 5]
        # the least and greatest of targets without a vote differ between evaluators: all get one from each leaf
        aggregate = ["SUM", "AVERAGE", "MIN", "MAX"][i % 4]
        attributes = old_forest(rng, count, "target", targets, transform == "PROBIT", False, double)
        if aggregate in ("MIN", "MAX"):
            targets = 1
            attributes["target_ids"] = [0] * len(attributes["target_ids"])
        attributes |= {"n_targets": targets, "aggregate_function": aggregate, "post_transform": transform}
        if i % 3 == 1 and transform != "PROBIT":
            key, values = "base_values", [float(np.float32(v)) for v in rng.normal(0, 1, targets)]
            attributes[key + "_as_tensor" if double else key] = (
                numpy_helper.from_array(np.array(values, np.float64)) if double else values
            )
        yield case("TreeEnsembleRegressor", 3 if double else [1, 3][i % 2], lambda: {"X": features(rng, 17, count, dtype, i % 2)},
                   [TensorProto.FLOAT], attributes)


def tree_classifiers(rng):
    for i in range(36):
        count, classes = int(rng.integers(1, 6)), int(rng.integers(2, 6))
        kind, names, label_type = labels(rng, classes)
        transform = TRANSFORMS[i % 5]
        double = i % 6 == 5
        one = classes == 2
        positive = transform in ("PROBIT", "NONE") if one else transform == "PROBIT"
        dtype = np.float64 if double else [np.float32, np.int64, np.float32, np.int32][i % 4]
        attributes = old_forest(rng, count, "class", classes, positive, one, double)
        attributes |= {"classlabels_strings" if kind == "strings" else "classlabels_int64s": names, "post_transform": transform}
        if i % 3 == 1 and not one and transform != "PROBIT":
            values = [float(np.float32(v)) for v in rng.normal(0, 1, classes)]
            attributes["base_values_as_tensor" if double else "base_values"] = (
                numpy_helper.from_array(np.array(values, np.float64)) if double else values
            )
        yield case("TreeEnsembleClassifier", 3 if double else [1, 3][i % 2], lambda: {"X": features(rng, 17, count, dtype, i % 2)},
                   [label_type, TensorProto.FLOAT], attributes)


def new_forest(rng, count, targets, dtype, weights_dtype):
    nodes, leaves, roots, members = [], [], [], []
    same_mode = rng.integers(0, 6) if rng.random() < 0.5 else None

    def leaf():
        leaves.append((len(leaves) % targets, rng.normal()))
        return len(leaves) - 1, 1

    def branch(tree):
        if tree is None:
            return leaf()
        place = len(nodes)
        mode = int(same_mode if same_mode is not None else rng.integers(0, 7))
        nodes.append([mode, int(rng.integers(0, count)), float(thresholds(rng, mode, 1)[0]), 0, 0, 0, 0, int(rng.random() < 0.4)])
        if mode == 6:
            # the evaluator of the onnx package ends a set at a zero
            members.extend([*(float(v) for v in rng.permutation([-3, -2, -1, 1, 2, 3])[: int(rng.integers(1, 5))]), np.nan])
        nodes[place][3:5] = branch(tree[0])
        nodes[place][5:7] = branch(tree[1])
        return place, 0

    for _ in range(int(rng.integers(1, 6))):
        tree = grow(rng, int(rng.integers(1, 5)))
        roots.append(branch(tree if tree is not None else (None, None))[0])
    while len(leaves) < targets:
        leaf()
    columns = list(zip(*nodes))
    tensor = lambda v, t: numpy_helper.from_array(np.array(v, t))
    attributes = {
        "n_targets": targets,
        "tree_roots": roots,
        "nodes_modes": tensor(columns[0], np.uint8),
        "nodes_featureids": list(columns[1]),
        "nodes_splits": tensor(columns[2], dtype),
        "nodes_truenodeids": list(columns[3]),
        "nodes_trueleafs": list(columns[4]),
        "nodes_falsenodeids": list(columns[5]),
        "nodes_falseleafs": list(columns[6]),
        "nodes_missing_value_tracks_true": list(columns[7]),
        "leaf_targetids": [t for t, _ in leaves],
        "leaf_weights": tensor([w for _, w in leaves], weights_dtype),
    }
    if members:
        attributes["membership_values"] = tensor(members, dtype)
    return attributes


def tree_ensembles(rng):
    for i in range(30):
        count, targets = int(rng.integers(1, 6)), int(rng.integers(1, 4))
        dtype = [np.float32, np.float64, np.float32, np.float16][i % 4]
        aggregate = int(rng.integers(0, 4))
        if aggregate >= 2:
            targets = 1
        # The evaluator of the onnx package ignores the transform, ONNX Runtime has no float16: one of the two always remains.
        transform = 0 if dtype == np.float16 else i % 4
        attributes = new_forest(rng, count, targets, dtype, dtype)
        attributes |= {"aggregate_function": aggregate, "post_transform": transform}
        yield case("TreeEnsemble", 5, lambda: {"X": features(rng, 17, count, dtype, i % 2)}, [helper.np_dtype_to_tensor_dtype(np.dtype(dtype))],
                   attributes)


# Linear models and support vectors --------------------------------------------------------------------------------------


def reals(rng, n, scale=1.0):
    return [float(v) for v in rng.normal(0, scale, n).astype(np.float32)]


def linear(rng):
    for i in range(20):
        count, classes = int(rng.integers(1, 8)), int(rng.integers(3, 6))
        kind, names, label_type = labels(rng, classes)
        dtype = [np.float32, np.float64, np.int64, np.int32][i % 4]
        attributes = {f"classlabels_{kind}": names, "coefficients": reals(rng, classes * count, 0.3), "intercepts": reals(rng, classes, 0.3),
                      "post_transform": TRANSFORMS[i % 4]}
        yield case("LinearClassifier", 1, lambda: {"X": numbers(rng, dtype, 9, count)}, [label_type, TensorProto.FLOAT], attributes)
        attributes = {f"classlabels_{kind}": names[:2], "coefficients": reals(rng, count, 0.3), "intercepts": reals(rng, 1, 0.3),
                      "post_transform": "LOGISTIC"}
        yield case("LinearClassifier", 1, lambda: {"X": numbers(rng, dtype, 9, count)}, [label_type, TensorProto.FLOAT], attributes, sets=2)
        targets = int(rng.integers(2, 4)) if i % 2 else 1
        attributes = {"coefficients": reals(rng, targets * count, 0.3), "targets": targets, "intercepts": reals(rng, targets, 0.3),
                      "post_transform": TRANSFORMS[i % 4] if targets > 1 else "NONE"}
        dtype = np.float32 if attributes["post_transform"] != "NONE" else np.float32 if i % 3 else np.float64
        yield case("LinearRegressor", 1, lambda: {"X": numbers(rng, dtype, 9, count)}, [TensorProto.FLOAT], attributes)


def vectors(rng):
    kernels = ["LINEAR", "POLY", "RBF", "SIGMOID"]
    for i in range(24):
        count, n = int(rng.integers(1, 6)), int(rng.integers(1, 9))
        kernel = {"kernel_type": kernels[i % 4], "kernel_params": [0.3, 0.5, float(rng.integers(1, 4))]}
        attributes = kernel | {"coefficients": reals(rng, n), "support_vectors": reals(rng, n * count), "n_supports": n, "rho": reals(rng, 1),
                               "one_class": int(i % 5 == 4)}
        yield case("SVMRegressor", 1, lambda: {"X": numbers(rng, np.float32, 9, count)}, [TensorProto.FLOAT], attributes)
        classes = int(rng.integers(2, 5))
        kind, names, label_type = labels(rng, classes)
        if classes == 2 or i % 6 == 5:  # one bias: the evaluator of the onnx package knows no texts there
            kind, names, label_type = "ints", list(range(classes)), TensorProto.INT64
        per_class = [int(v) for v in rng.integers(1, 4, classes)]
        total, pairs = sum(per_class), classes * (classes - 1) // 2
        attributes = kernel | {f"classlabels_{kind}": names, "coefficients": reals(rng, (classes - 1) * total),
                               "support_vectors": reals(rng, total * count), "vectors_per_class": per_class, "rho": reals(rng, pairs)}
        attributes["coefficients"][0] = -abs(attributes["coefficients"][0])
        if i % 2:
            attributes |= {"prob_a": [-abs(v) for v in reals(rng, pairs)], "prob_b": reals(rng, pairs)}
        if i % 6 == 5:
            attributes = {f"classlabels_{kind}": names, "coefficients": reals(rng, classes * count), "rho": reals(rng, 1), "post_transform": TRANSFORMS[i % 4]}
        yield case("SVMClassifier", 1, lambda: {"X": numbers(rng, np.float32, 9, count)}, [label_type, TensorProto.FLOAT], attributes)


# Encoders ---------------------------------------------------------------------------------------------------------------


def words(rng, n):
    return [f"w{v}" for v in rng.permutation(3 * n)[:n]]


def pick(rng, pool, strange, *shape):
    """Elements of the pool, and some that are not in it."""
    everything = np.array([*pool, *strange], dtype=object)
    return everything[rng.integers(0, len(everything), shape)]


def encoders(rng):
    types = {"strings": (np.object_, TensorProto.STRING), "int64s": (np.int64, TensorProto.INT64), "floats": (np.float32, TensorProto.FLOAT)}
    for i in range(27):
        n = int(rng.integers(1, 12))
        pools = {"strings": words(rng, n), "int64s": [int(v) for v in rng.permutation(50)[:n]], "floats": reals(rng, n)}
        strange = {"strings": ["?"], "int64s": [-77], "floats": [123.5]}
        key, value = list(types)[i % 3], list(types)[i // 3 % 3]
        dtype = types[key][0]
        attributes = {f"keys_{key}": pools[key], f"values_{value}": pools[value][::-1], "default_int64": 99, "default_float": 0.25, "default_string": "none"}
        yield case("LabelEncoder", [2, 4][i % 2], lambda: {"X": pick(rng, pools[key], strange[key], 3, 5).astype(dtype)}, [types[value][1]], attributes, sets=3)
        yield case("OneHotEncoder", 1, lambda: {"X": pick(rng, pools["int64s"], [-77], 3, 5).astype(np.int64)}, [TensorProto.FLOAT],
                   {"cats_int64s": pools["int64s"]}, sets=1)
        yield case("OneHotEncoder", 1, lambda: {"X": pick(rng, pools["strings"], ["?"], 7)}, [TensorProto.FLOAT], {"cats_strings": pools["strings"]}, sets=1)
        pairs = {"cats_int64s": pools["int64s"], "cats_strings": pools["strings"]}
        yield case("CategoryMapper", 1, lambda: {"X": pick(rng, pools["strings"], ["?"], 3, 4)}, [TensorProto.INT64], pairs | {"default_int64": 4}, sets=1)
        yield case("CategoryMapper", 1, lambda: {"X": pick(rng, pools["int64s"], [-77], 6).astype(np.int64)}, [TensorProto.STRING],
                   pairs | {"default_string": "none"}, sets=1)
        yield case("LabelEncoder", 1, lambda: {"X": pick(rng, pools["strings"], ["?"], 6)}, [TensorProto.INT64],
                   {"classes_strings": pools["strings"], "default_int64": 8}, sets=1)
        one = bool(rng.integers(0, 2))
        whole = i % 2 == 0
        attributes = {"imputed_value_int64s": [int(v) for v in rng.integers(-9, 9, 1 if one else n)], "replaced_value_int64": 2} if whole else {
            "imputed_value_floats": reals(rng, 1 if one else n), "replaced_value_float": float("nan") if i % 4 == 1 else 2.0}
        yield case("Imputer", 1, lambda: {"X": numbers(rng, np.int64, 6, n) if whole else features(rng, 6, n, np.float32, True)},
                   [TensorProto.INT64 if whole else TensorProto.FLOAT], attributes, sets=2)
        attributes = {"offset": reals(rng, 1 if one else n), "scale": reals(rng, 1 if one else n)}
        yield case("Scaler", 1, lambda: {"X": numbers(rng, [np.float32, np.float64, np.int32][i % 3], 6, n)}, [TensorProto.FLOAT], attributes, sets=2)
        yield case("Normalizer", 1, lambda: {"X": numbers(rng, [np.float32, np.float64, np.int64][i // 3 % 3], 6, n)}, [TensorProto.FLOAT],
                   {"norm": ["MAX", "L1", "L2"][i % 3]}, sets=2)
        yield case("Binarizer", 1, lambda: {"X": numbers(rng, [np.float32, np.float64, np.int64, np.int32][i % 4], 6, n)},
                   [[TensorProto.FLOAT, TensorProto.DOUBLE, TensorProto.INT64, TensorProto.INT32][i % 4]], {"threshold": float(rng.normal())}, sets=2)
        yield case("ArrayFeatureExtractor", 1, lambda: {"X": numbers(rng, np.float32, 4, n), "Y": rng.integers(0, n, (1, 5))}, [TensorProto.FLOAT], {}, sets=2)
        widths = [int(v) for v in rng.integers(1, 5, int(rng.integers(1, 4)))]
        yield case("FeatureVectorizer", 1, lambda: {f"X{k}": numbers(rng, np.float32, 4, w) for k, w in enumerate(widths)}, [TensorProto.FLOAT],
                   {"inputdimensions": widths}, sets=2)


def maps(rng):
    """Dictionaries; ONNX Runtime writes the result of CastMap and the evaluator of the package that of DictVectorizer."""
    for i in range(18):
        n = int(rng.integers(1, 9))
        keys = [int(v) for v in rng.permutation(20)[:n]]
        item = [np.float32, np.float64][i % 2]

        def draw(names, all_of_them):
            some = [k for k in names if all_of_them or rng.random() < 0.7] or list(names[:1])
            return {"X": {k: item(v) for k, v in zip(some, rng.normal(0, 3, len(some)))}}

        attributes = {"int64_vocabulary": keys} if i % 3 else {"string_vocabulary": [f"w{k}" for k in keys]}
        names = keys if i % 3 else attributes["string_vocabulary"]
        yield case("DictVectorizer", 1, lambda: draw(names, False), [onnx_type(np.dtype(item))], attributes, sets=3)
        item = np.float32
        sparse = {"map_form": "SPARSE", "max_map": 20} if i % 2 else {}
        cast = ["TO_FLOAT", "TO_INT64"][i // 2 % 2]
        yield case("CastMap", 1, lambda: draw(keys, False), [TensorProto.FLOAT if cast == "TO_FLOAT" else TensorProto.INT64], sparse | {"cast_to": cast}, sets=3)


def grams(rng):
    for i in range(20):
        vocabulary = int(rng.integers(2, 6))
        pool, starts = [], []
        longest = int(rng.integers(1, 4))
        for length in range(1, longest + 1):
            starts.append(len(pool))
            seen = {tuple(int(v) for v in rng.integers(0, vocabulary, length)) for _ in range(4)}
            pool += [v for gram in sorted(seen) for v in gram]
        count = sum((end - begin) // (k + 1) for k, (begin, end) in enumerate(zip(starts, [*starts[1:], len(pool)])))
        texts = i % 3 == 2
        attributes = {"mode": ["TF", "IDF", "TFIDF"][i % 3], "min_gram_length": int(rng.integers(1, longest + 1)), "max_gram_length": longest,
                      "max_skip_count": int(rng.integers(0, 4)), "ngram_counts": starts, "ngram_indexes": [int(v) for v in rng.permutation(count)],
                      ("pool_strings" if texts else "pool_int64s"): [f"w{v}" for v in pool] if texts else pool}
        if i % 2:
            attributes["weights"] = reals(rng, count)

        def draw():
            x = rng.integers(0, vocabulary + 1, (3, 9) if i % 4 else 12)
            return {"X": np.array([f"w{v}" for v in x.ravel()], dtype=object).reshape(x.shape) if texts else x.astype([np.int64, np.int32][i % 2])}

        yield case("TfIdfVectorizer", 9, draw, [TensorProto.FLOAT], attributes, domain="")


def optimizers(rng):
    for i in range(18):
        tensors = int(rng.integers(1, 4))
        shapes = [tuple(rng.integers(1, 4, rng.integers(0, 4))) for _ in range(tensors)]
        for op, states, attributes in (
            ("Adagrad", 1, {"decay_factor": 0.1, "epsilon": 1e-3}),
            ("Adam", 2, {"alpha": 0.8, "beta": 0.9, "epsilon": 1e-3, "norm_coefficient_post": 0.05 * (i % 2)}),
            ("Momentum", 1, {"alpha": 0.9, "beta": 0.7, "mode": ["standard", "nesterov"][i % 2]}),
        ):
            def draw():
                feeds = {"R": np.array(0.1, np.float32), "T": np.array(i % 4, np.int64)}
                for group in ["x", "g", *["s", "t"][:states]]:
                    for k, shape in enumerate(shapes):
                        v = rng.normal(0, 1, shape).astype(np.float32)
                        feeds[f"{group}{k}"] = np.array(np.abs(v) if group in "st" else v, np.float32)
                return feeds

            yield case(op, 1, draw, [TensorProto.FLOAT] * (tensors * (states + 1)), attributes | {"norm_coefficient": 0.01 * (i % 3)}, domain=TRAINING, sets=3)


def plain_case(op, opset, draw, attributes, inputs, outputs=1):
    """An operator of ai.onnx on float32; an empty name in `inputs` leaves an operand out."""
    feeds = [draw() for _ in range(SETS)]
    results = [f"y{i}" for i in range(outputs)]
    node = helper.make_node(op, inputs, results, **attributes)
    infos = [helper.make_tensor_value_info(n, TensorProto.FLOAT, None) for n in results]
    graph = helper.make_graph([node], op, [input_info(n, v) for n, v in feeds[0].items()], infos)
    return op, helper.make_model(graph, opset_imports=[helper.make_opsetid("", opset)], ir_version=8), feeds


def recurrent(rng):
    """Cells without sequence_lens, in the sizes and forms that both evaluators take; their grids have few of these."""
    gates = {"RNN": 1, "GRU": 3, "LSTM": 4}
    for i in range(12):
        for op, count in gates.items():
            steps, batch, width, hidden = (int(n) for n in rng.integers(1, 5, 4))
            bias, state = i % 2 == 0, i % 3 == 0

            def draw():
                shapes = {"X": (steps, batch, width), "W": (1, count * hidden, width), "R": (1, count * hidden, hidden)}
                if bias or state:
                    shapes["B"] = (1, 2 * count * hidden)
                if state:
                    shapes["initial_h"] = (1, batch, hidden)
                return {n: rng.uniform(-1, 1, s).astype(np.float32) for n, s in shapes.items()}

            attributes = {"hidden_size": hidden} | ({"linear_before_reset": i % 2} if op == "GRU" else {})
            inputs = ["X", "W", "R"] + (["B"] if bias or state else []) + (["", "initial_h"] if state else [])
            yield plain_case(op, 14, draw, attributes, inputs, outputs=2)


def local_response(rng):
    for i in range(12):
        size, shape = [1, 3, 5, 7][i % 4], tuple(int(n) for n in rng.integers(2, 7, 4))

        def draw():
            return {"X": rng.normal(0, 1, shape).astype(np.float32)}

        yield plain_case("LRN", 13, draw, {"size": size, "alpha": 0.01 * (i + 1), "beta": 0.5 + 0.1 * (i % 3), "bias": 1.0 + i % 2}, ["X"])


def everything(seed):
    rng = np.random.default_rng(seed)
    for make in (tree_regressors, tree_classifiers, tree_ensembles, linear, vectors, encoders, maps, grams, optimizers, recurrent, local_response):
        yield from make(rng)
