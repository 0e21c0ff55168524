"""Property cases: at least 50 generated data sets for every operator of ONNX, against independent evaluators.

    check_cases.py [--chorus build/bin/chorus] [--per-operator 50] [--seed N] [--only TEXT] [--keep FOLDER]

Cases come from the grids of the operator table (`chorus ops --cases`: types, attributes, versions, with drawn operands) and from
ml_cases.py (random forests, classifiers, encoders, optimizers). Each is evaluated by the evaluator of the onnx package; where
that cannot, or where Chorus gets other values, by ONNX Runtime. Chorus must agree with one of the two: `chorus conformance`
compares. Prints the data sets that agreed per operator; a difference, or an operator with fewer than asked, is a failure unless
later.txt names it (kind property). Exit status: 0 all agree, 1 failures, 2 nothing could be run.
"""

import argparse
import collections
import json
import os
import pathlib
import re
import shutil
import subprocess
import sys
import tempfile
import warnings

import ml_dtypes
import numpy as np
import onnx
import onnxruntime
from onnx import numpy_helper
from onnx.reference import ReferenceEvaluator
from onnx.reference.ops.aionnxml._common_classifier import logistic, probit, softmax, softmax_zero

from case_data import load_value
from later import Later
from ml_cases import everything
from special_cases import reshaped, shape_variants, value_sets, with_shapes, with_signs

ROOT = pathlib.Path(__file__).resolve().parents[2]
# Relative and absolute bounds by element type of the results; evaluators compute in that type.
BOUNDS = {np.dtype(np.float64): (1e-6, 1e-7), np.dtype(np.float16): (1e-2, 5e-3), np.dtype(ml_dtypes.bfloat16): (4e-2, 2e-2)}
USUAL = (1e-4, 2e-5)


# Operators whose evaluator in the onnx package knows no post_transform; TreeEnsemble numbers them.
WITHOUT_TRANSFORM = {"LinearRegressor", "TreeEnsembleRegressor", "TreeEnsemble"}
NUMBERED = ["NONE", "SOFTMAX", "LOGISTIC", "SOFTMAX_ZERO", "PROBIT"]


# They compute in the element type of X, integers too: these get the same numbers as floats.
IN_TYPE_OF_X = {"LinearRegressor", "SVMClassifier", "SVMRegressor", "TreeEnsembleRegressor"}


def transformed(name, scores):
    """The package's own transforms of rows, as its classifiers use them."""
    if name == "NONE":
        return scores
    function = {"SOFTMAX": softmax, "LOGISTIC": logistic, "SOFTMAX_ZERO": softmax_zero, "PROBIT": probit}[name]
    return np.asarray(function(np.array(scores, np.float64)))


def in_reference(model):
    """The evaluator of the onnx package; attributes that it does not know are written as those that it does."""
    model = onnx.ModelProto.FromString(model.SerializeToString())
    node, transform = model.graph.node[0], "NONE"
    for a in list(node.attribute):
        if a.name == "post_transform" and node.op_type in WITHOUT_TRANSFORM:
            transform = a.s.decode() or NUMBERED[a.i]
            node.attribute.remove(a)
        elif a.name.endswith("_as_tensor"):  # the values of ml_cases.py are float32 numbers
            plain = onnx.helper.make_attribute(a.name.removesuffix("_as_tensor"), [float(v) for v in numpy_helper.to_array(a.t)])
            node.attribute.remove(a)
            node.attribute.append(plain)
    names = {a.name: a for a in node.attribute}
    if node.op_type in ("LinearClassifier", "LinearRegressor") and "intercepts" not in names:
        rows = len(names["coefficients"].floats) // model.graph.input[0].type.tensor_type.shape.dim[-1].dim_value
        node.attribute.append(onnx.helper.make_attribute("intercepts", [0.0] * rows))
    evaluator = ReferenceEvaluator(model)

    def run(feeds):
        if node.op_type in IN_TYPE_OF_X:
            feeds = {n: v.astype(np.float32) if v.dtype.kind == "i" else v for n, v in feeds.items()}
        results = evaluator.run(None, feeds)
        return results if transform == "NONE" else [transformed(transform, r) for r in results]

    return run


def in_onnxruntime(model):
    """ONNX Runtime, with older operator sets where it does not know the operator's own version: the meaning of a type that both
    allow has not changed for the operators concerned, or the values differ and count as a failure."""
    options = onnxruntime.SessionOptions()
    options.log_severity_level, options.intra_op_num_threads = 4, 1
    own = {o.domain: o.version for o in model.opset_import}
    for opset in [own.get("", 17), *(v for v in (21, 18, 16, 14, 12, 10, 8) if v < own.get("", 17))]:
        older = onnx.ModelProto.FromString(model.SerializeToString())
        older.ir_version = min(older.ir_version, 10)
        for o in older.opset_import:
            o.version = opset if o.domain == "" else o.version
        try:
            session = onnxruntime.InferenceSession(older.SerializeToString(), options, providers=["CPUExecutionProvider"])
            return lambda feeds: session.run(None, feeds)
        except Exception as problem:
            refused = problem
    raise refused


PEERS = {"onnx": in_reference, "onnxruntime": in_onnxruntime}


def value_proto(value, info):
    """Result in the proto form of the declared type, with its element type: evaluators sometimes return a wider one."""
    kind = info.type.WhichOneof("value")
    if kind == "sequence_type" or isinstance(value, list):
        elem = info.type.sequence_type.elem_type
        if elem.WhichOneof("value") == "map_type" or (value and isinstance(value[0], dict)):
            proto = onnx.SequenceProto(elem_type=onnx.SequenceProto.MAP)
            proto.map_values.extend(map_proto(v) for v in value)
            return proto
        return numpy_helper.from_list([np.asarray(v) for v in value]) if value else onnx.SequenceProto(elem_type=1)
    array = np.asarray(value)
    if array.dtype.kind in "US":
        array = array.astype(object)
    wanted = info.type.tensor_type.elem_type
    if wanted and array.dtype != object and wanted != onnx.TensorProto.STRING:
        array = array.astype(onnx.helper.tensor_dtype_to_np_dtype(wanted))
    return numpy_helper.from_array(np.ascontiguousarray(array).reshape(array.shape))


def map_proto(mapping):
    keys = list(mapping)
    texts = bool(keys) and isinstance(keys[0], str)
    proto = onnx.MapProto(key_type=onnx.TensorProto.STRING if texts else onnx.TensorProto.INT64)
    if texts:
        proto.string_keys.extend(k.encode() for k in keys)
    else:
        proto.keys.extend(int(k) for k in keys)
    kind = {str: object, int: np.int64}  # floats by their own type, float32 where they have none
    values = [np.asarray(v, kind.get(type(v), getattr(v, "dtype", np.float32))) for v in mapping.values()]
    proto.values.CopyFrom(numpy_helper.from_list(values))
    return proto


def read_feed(path, info):
    if info.type.WhichOneof("value") != "map_type":
        return load_value(path, info)
    proto = onnx.MapProto.FromString(path.read_bytes())
    keys = [k.decode() for k in proto.string_keys] or list(proto.keys)
    return dict(zip(keys, (v.item() for v in numpy_helper.to_list(proto.values))))


# A sentence of Chorus that says where; what differs in numbers or shapes begins with "output".
REFUSAL = re.compile(r"\bwhere: node ")


class Case:
    """A model with data sets; `name` is operator__number."""

    def __init__(self, name, operator, model, sets):
        self.name, self.operator, self.model, self.sets = name, operator, model, sets

    def feeds(self, files):
        return {i.name: read_feed(f, i) for i, f in zip(self.model.graph.input, files)}

    def refused(self, peer):
        """Whether the peer has the operator, yet takes none of the data sets."""
        try:
            run = PEERS[peer](self.model)
        except Exception as problem:
            return "NotImplemented" not in type(problem).__name__ and "not a registered" not in str(problem)
        for files in self.sets:
            try:
                run(self.feeds(files))
                return False
            except Exception as problem:
                if "NOT_IMPLEMENTED" in str(problem):
                    return False
        return True

    def write(self, peer, folder):
        """The case with the peer's results below the folder; the number of data sets, 0 where it cannot run any."""
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            try:
                run = PEERS[peer](self.model)
            except Exception:  # whatever an evaluator throws: it cannot run the model
                return 0
            made, worst = 0, (0.0, 0.0)
            for files in self.sets:
                try:
                    results = run(self.feeds(files))
                    protos = [value_proto(r, i) for r, i in zip(results, self.model.graph.output)]
                except Exception:
                    continue
                target = folder / self.name / f"test_data_set_{made}"
                target.mkdir(parents=True)
                for i, file in enumerate(files):
                    os.link(file, target / f"input_{i}.pb")
                for i, proto in enumerate(protos):
                    (target / f"output_{i}.pb").write_bytes(proto.SerializeToString())
                for info in self.model.graph.output:
                    number = info.type.tensor_type.elem_type
                    dtype = onnx.helper.tensor_dtype_to_np_dtype(number) if number not in (0, onnx.TensorProto.STRING) else None
                    worst = max(worst, BOUNDS.get(dtype, USUAL))
                made += 1
        if made:
            (folder / self.name / "model.onnx").write_bytes(self.model.SerializeToString())
            (folder / self.name / "tolerance.json").write_text(json.dumps({"rtol": worst[0], "atol": worst[1]}))
        return made


def grid_cases(chorus, folder, per_operator):
    """Twice as many as asked for: evaluators lack some of the types."""
    done = subprocess.run([str(chorus), "ops", "--cases", str(folder), "--per-operator", str(2 * per_operator)], capture_output=True, text=True)
    if done.returncode != 0:
        print(done.stderr, file=sys.stderr)
        raise SystemExit(2)
    for path in sorted(folder.glob("*/*/model.onnx")):
        domain, operator = path.parts[-3].rsplit(".", 1)
        model = onnx.load(path)
        sets = [sorted(d.glob("input_*.pb"), key=lambda f: int(f.stem[6:])) for d in sorted(path.parent.glob("test_data_set_*"))]
        yield Case(f"{domain}.{operator}__{path.parts[-2]}", f"{domain}::{operator}", model, sets)


def random_cases(folder, seed):
    counts = collections.Counter()
    for operator, model, draws in everything(seed):
        domain = model.graph.node[0].domain or "ai.onnx"
        counts[operator] += 1
        name = f"{domain}.{operator}__random{counts[operator]}"
        sets = []
        for k, feeds in enumerate(draws):
            target = folder / name / str(k)
            target.mkdir(parents=True)
            files = [target / f"input_{i}.pb" for i in range(len(feeds))]
            for file, value in zip(files, feeds.values()):
                proto = map_proto(value) if isinstance(value, dict) else numpy_helper.from_array(np.asarray(value))
                file.write_bytes(proto.SerializeToString())
            sets.append(files)
        yield Case(name, f"{domain}::{operator}", model, sets)


REFUSES = 9  # exit status


def write_apart(case, peer, folder):
    """case.write in a process of its own, for ONNX Runtime dies of some empty operands: data sets, and whether it refuses them all."""
    child = os.fork()
    if child == 0:
        os._exit(REFUSES if case.write(peer, folder) == 0 and case.refused(peer) else 0)
    _, status = os.waitpid(child, 0)
    if status != 0:
        shutil.rmtree(folder / case.name, ignore_errors=True)
    return len(list((folder / case.name).glob("test_data_set_*"))), os.waitstatus_to_exitcode(status) == REFUSES


def special_cases(cases, folder, seed):
    """Special numbers (as many data sets as fit a case) and special shapes of the cases, see special_cases.py."""
    for case in cases:
        feeds = list(case.feeds(case.sets[0]).values())
        operator = case.operator.rpartition("::")[2]
        rng = np.random.default_rng([seed, *case.name.encode()])

        def made(name, model, draws):
            sets = []
            for k, values in enumerate(draws):
                target = folder / name / str(k)
                target.mkdir(parents=True)
                files = [target / f"input_{i}.pb" for i in range(len(values))]
                for file, value, old in zip(files, values, case.sets[0]):
                    file.write_bytes(numpy_helper.from_array(value).SerializeToString() if isinstance(value, np.ndarray) else old.read_bytes())
                sets.append(files)
            return Case(name, case.operator, model, sets)

        if draws := list(value_sets(rng, operator, feeds, 8)):
            yield made(f"{case.name}_numbers", with_signs(case.model) or case.model, draws)
        for name, shapes in shape_variants(feeds):
            values = [v if s is None else reshaped(v, s) for v, s in zip(feeds, shapes)]
            if any(v is None for v in values):
                continue
            if (model := with_shapes(case.model, shapes)) is not None:
                yield made(f"{case.name}_{name}", model, [values])


def compare(chorus, folder):
    """Names of what agrees, and the reasons of what does not."""
    report = folder / "report.json"
    subprocess.run([str(chorus), "conformance", str(folder), "--json", str(report)], capture_output=True)
    if not report.exists():
        return set(), collections.defaultdict(lambda: "chorus conformance wrote no report")
    found = json.loads(report.read_text())
    return set(found["passed"]), {e["name"]: e["why"] for e in found["failed"] + found["skipped"]}


def check(args, work):
    if args.special:
        grid = grid_cases(args.chorus, work / "grid", 1)
        cases = list(special_cases((c for c in grid if args.only in c.name), work / "special", args.seed))
    else:
        cases = [*grid_cases(args.chorus, work / "grid", args.per_operator), *random_cases(work / "random", args.seed)]
        cases = [c for c in cases if args.only in c.name]
    agreed, reasons, able, both_refuse = collections.Counter(), {}, collections.defaultdict(set), set()
    left = cases
    for peer in PEERS:
        folder = work / peer
        folder.mkdir()
        sets, refused = {}, set()
        for c in left:
            if args.special and peer == "onnxruntime":
                sets[c.name], refuses = write_apart(c, peer, folder)
                refused |= {c.name} if refuses else set()
            else:
                sets[c.name] = c.write(peer, folder)
        passed, why = compare(args.chorus, folder)
        # What Chorus and ONNX Runtime refuse is wrong, whatever NumPy makes of it.
        for name in refused & reasons.keys():
            if REFUSAL.search(reasons[name][0]):
                both_refuse.add(name)
                del reasons[name]
        for c in left:
            if sets[c.name]:
                able[c.operator].add(peer)
            if c.name in passed:
                agreed[c.operator] += sets[c.name]
                reasons.pop(c.name, None)
            elif sets[c.name]:
                reasons.setdefault(c.name, []).append(f"{peer}: {why.get(c.name, '')}")
        left = [c for c in left if c.name not in passed]
    if both_refuse:
        print(f"{len(both_refuse)} models that Chorus and ONNX Runtime refuse alike")
    return cases, agreed, reasons, able


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--chorus", type=pathlib.Path, default=ROOT / "build/bin/chorus")
    parser.add_argument("--per-operator", type=int, default=50)
    parser.add_argument("--seed", type=int, default=1, help="of the random models")
    parser.add_argument("--special", action="store_true", help="special numbers and shapes in place of drawn ones")
    parser.add_argument("--only", default="", help="cases whose name contains this")
    parser.add_argument("--keep", type=pathlib.Path, help="leave the cases in this folder")
    args = parser.parse_args()
    if not args.chorus.exists():
        print(f"check_cases: {args.chorus} is not built", file=sys.stderr)
        raise SystemExit(2)
    memory = "/dev/shm" if os.path.isdir("/dev/shm") else None  # tens of thousands of small files
    work = args.keep or pathlib.Path(tempfile.mkdtemp(prefix="chorus-cases-", dir=memory))
    work.mkdir(parents=True, exist_ok=True)
    try:
        cases, agreed, reasons, able = check(args, work)
    finally:
        if not args.keep:
            shutil.rmtree(work)
    later, failed = Later("special" if args.special else "property"), 0
    for name, texts in sorted(reasons.items()):
        excused = later.excuses(name) or later.excuses(name.split("__")[0].rpartition(".")[0] + "::" + name.split("__")[0].rpartition(".")[2])
        failed += not excused
        print(f"{'later' if excused else 'FAILED'} {name}: {' | '.join(texts)}".replace("\n", " ")[:400])
    few = []
    for operator in sorted({c.operator for c in cases}):
        count = agreed[operator]
        print(f"{count:5} {operator} ({', '.join(sorted(able[operator])) or 'no evaluator'})")
        if not args.special and count < args.per_operator and not later.excuses(operator):
            few.append(operator)
    if few and not args.only:
        print(f"fewer than {args.per_operator} data sets: {' '.join(few)}")
    if later.unneeded() and not args.only:
        print(f"agrees, yet in later.txt: {' '.join(later.unneeded())}")
    wrong = failed + (0 if args.only else len(few))
    print(f"{sum(agreed.values())} data sets of {len(cases)} models, {len({c.operator for c in cases})} operators")
    print(f"{sum(agreed.values())} passed, {wrong} failed, {len(reasons) - failed} skipped")
    raise SystemExit(1 if wrong else 0)


if __name__ == "__main__":
    main()
