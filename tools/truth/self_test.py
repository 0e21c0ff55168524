"""Tests of the truth scripts: each must pass what is right and must fail what is not.

    self_test.py CASES     CASES: folder written by dump_onnx_cases.py

In the role of `chorus` stand small programs written here: one copies, one loses fields, one runs ONNX Runtime, …
"""

import copy
import hashlib
import json
import os
import pathlib
import shutil
import subprocess
import sys
import tempfile
import unittest
import warnings
import zipfile

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper
from onnx.reference import ReferenceEvaluator

from case_data import bounds, difference, load_sets
from float64_oracle import REPLACEMENTS, evaluate, to_float64
from old_cases import unpack
import run
from run import unknown_operators
from schemas import all_schemas

HERE = pathlib.Path(__file__).resolve().parent
CASES = None

COPY = "import shutil, sys; shutil.copy(sys.argv[2], sys.argv[3])"
LOSE_FIELDS = """
import onnx, sys
model = onnx.load(sys.argv[2])
model.ClearField("configuration")
model.DiscardUnknownFields()
model.graph.initializer[0].float_data[0] = 3
onnx.save(model, sys.argv[3])
"""
LIE_ABOUT_OPSET = """
import onnx, sys
model = onnx.load(sys.argv[2])
model.opset_import[0].version = int(sys.argv[5])
onnx.save(model, sys.argv[3])
"""
REFUSE_SILENTLY = "import sys; sys.exit(4)"
RUN_ONNXRUNTIME = """
import sys; sys.path.insert(0, {here!r})
import numpy as np, onnx, compare_models
values = compare_models.run_onnxruntime(onnx.load(sys.argv[2]), dict(np.load(sys.argv[4])))
values[{name!r}] = values[{name!r}] * np.float32({factor})
if {missing}:
    del values["c"]
np.savez(sys.argv[6], **values)
"""


def call(script, *arguments):
    done = subprocess.run([sys.executable, str(HERE / script), *map(str, arguments)], capture_output=True, text=True)
    return done.returncode, done.stdout + done.stderr


class TruthTest(unittest.TestCase):
    def setUp(self):
        scratch = tempfile.TemporaryDirectory()
        self.addCleanup(scratch.cleanup)
        self.folder = pathlib.Path(scratch.name)

    def program(self, text):
        """An executable that runs the Python text."""
        path = self.folder / "chorus"
        path.write_text(f"#!{sys.executable}\n{text}\n")
        path.chmod(0o755)
        return path


class Sources(TruthTest):
    def found(self, text):
        (self.folder / "src").mkdir(exist_ok=True)
        (self.folder / "src" / "a.cpp").write_text(text)
        return call("check_sources.py", CASES, "--root", self.folder)[1]

    def test_names_hashes_and_answers_are_found(self):
        model = (CASES / "node/test_abs/model.onnx").read_bytes()
        answers = numpy_helper.to_array(
            onnx.load_tensor_from_string((CASES / "node/test_abs/test_data_set_0/output_0.pb").read_bytes())
        ).ravel()
        run = ", ".join(f"{v:.9g}f" for v in answers[5:11])
        said = self.found(f'if (name == "test_abs") return {{{run}}};  // {hashlib.sha256(model).hexdigest()}')
        self.assertIn("names the case test_abs", said)
        self.assertIn("has the hash", said)
        self.assertIn("has numbers of node/test_abs", said)

    def test_other_sources_are_clean_but_for_the_missing_list(self):
        said = self.found("constexpr double kTable[] = {0.12345, 1.54321, 7.77123, 9.12399};")
        self.assertIn("has 0 names, not 10", said)
        self.assertIn("0 passed, 1 failed", said)


class Float64Oracle(TruthTest):
    def test_replaced_operators_compute_the_expected_values_of_their_cases(self):
        replaced = {f"ai.onnx::{r.__name__}" for r in REPLACEMENTS}
        facts = json.loads((CASES / "cases.json").read_text())
        checked = 0
        for name, fact in facts.items():
            model = onnx.load(CASES / name / "model.onnx")
            if not replaced & set(fact["ops"]):
                continue
            for feeds, expected in load_sets(CASES / name, model):
                with warnings.catch_warnings():
                    warnings.simplefilter("ignore")
                    try:
                        found = ReferenceEvaluator(model, new_ops=REPLACEMENTS).run(None, feeds)
                    except NotImplementedError:
                        continue  # what the oracle refuses it cannot get wrong
                rtol, atol = bounds(CASES / name)
                for f, e in zip(found, expected):
                    f = np.asarray(f).astype(e.dtype) if hasattr(e, "dtype") else f
                    self.assertIsNone(difference(f, e, max(rtol, 1e-5), atol), name)
                checked += 1
        self.assertGreater(checked, 120)

    def test_no_float32_is_left(self):
        body = [
            helper.make_node("Constant", [], ["c"], value_float=0.1),
            helper.make_node("Cast", ["i"], ["f"], to=TensorProto.FLOAT),
            helper.make_node("Add", ["f", "c"], ["s"]),
            helper.make_node("Mul", ["s", "w"], ["y"]),
        ]
        graph = helper.make_graph(
            body,
            "g",
            [helper.make_tensor_value_info("i", TensorProto.INT64, [2])],
            [helper.make_tensor_value_info("y", TensorProto.FLOAT, [2])],
            [numpy_helper.from_array(np.float32([1, 3]), "w")],
        )
        model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)])
        onnx.checker.check_model(to_float64(model), full_check=True)
        found = evaluate(model, {"i": np.array([1, 2])})
        self.assertEqual({str(v.dtype) for v in found.values()}, {"float64"})
        np.testing.assert_allclose(
            found["y"], [1 + np.float64(np.float32(0.1)), 3 * (2 + np.float64(np.float32(0.1)))], 1e-15
        )


class CheckTable(TruthTest):
    def run_table(self, change):
        table = [
            {"name": name, "domain": "" if domain == "ai.onnx" else domain, "versions": copy.deepcopy(versions)}
            for domain, names in all_schemas().items()
            for name, versions in names.items()
        ]
        change({entry["name"]: entry["versions"][0] for entry in table}, table)
        path = self.folder / "table.json"
        path.write_text(json.dumps(table))
        return call("check_table.py", "--table", path, "--complete")

    def test_the_package_itself_passes(self):
        self.assertEqual(self.run_table(lambda newest, table: None)[0], 0)

    def test_each_deviation_fails(self):
        def attribute(version, name):
            return next(a for a in version["attributes"] if a["name"] == name)

        changes = {
            "default": lambda v, t: attribute(v["LeakyRelu"], "alpha").update(default=0.02),
            "required": lambda v, t: attribute(v["Cast"], "to").update(required=False),
            "kind": lambda v, t: attribute(v["Concat"], "axis").update(type="float"),
            "lacking attribute": lambda v, t: v["Conv"]["attributes"].pop(),
            "types": lambda v, t: v["Softmax"]["types"]["T"].pop(),
            "shared type": lambda v, t: (
                v["Where"]["types"].update(U=v["Where"]["types"]["T"]),
                v["Where"]["inputs"][1].update(type_str="U"),
            ),
            "input name": lambda v, t: v["Gemm"]["inputs"][0].update(name="a"),
            "optional": lambda v, t: v["Gemm"]["inputs"][2].update(option="single"),
            "version": lambda v, t: v["Relu"].update(since=99),
            "missing operator": lambda v, t: t.pop(next(i for i, entry in enumerate(t) if entry["name"] == "Relu")),
        }
        for name, change in changes.items():
            with self.subTest(name):
                self.assertEqual(self.run_table(change)[0], 1)


class CheckFields(TruthTest):
    def test_a_copy_passes(self):
        code, text = call("check_fields.py", "--chorus", self.program(COPY))
        self.assertEqual(code, 0, text)

    def test_lost_fields_are_named(self):
        code, text = call("check_fields.py", "--chorus", self.program(LOSE_FIELDS))
        self.assertEqual(code, 1, text)
        for lost in ("DeviceConfigurationProto.name", "TensorProto.elements", "NodeProto (unknown field)"):
            self.assertIn(lost, text)

    def test_a_refusal_is_not_a_pass(self):
        self.assertEqual(call("check_fields.py", "--chorus", self.program(REFUSE_SILENTLY))[0], 2)


class CheckWriter(TruthTest):
    def check(self, text, opsets, only):
        return call(
            "check_writer.py", CASES, "--chorus", self.program(text), "--opsets", opsets, "--only", only, "--jobs", 1
        )

    def test_an_unchanged_file_passes_at_its_own_opset(self):
        code, text = self.check(COPY, "13", "test_matmul_2d")
        self.assertEqual(code, 0, text)
        self.assertIn("1 right", text)

    def test_a_wrong_opset_fails(self):
        self.assertEqual(self.check(COPY, "14", "test_matmul_2d")[0], 1)

    def test_an_old_form_under_a_new_opset_fails(self):
        code, text = self.check(LIE_ABOUT_OPSET, "18", "test_reduce_l1_keep_dims_random")
        self.assertEqual(code, 0, text)
        code, text = self.check(LIE_ABOUT_OPSET, "13", "test_reduce_l1_keep_dims_random")
        self.assertEqual(code, 1, text)

    def test_a_silent_refusal_fails(self):
        self.assertIn("without a sentence", self.check(REFUSE_SILENTLY, "14", "test_matmul_2d")[1])


class CheckVersions(TruthTest):
    def test_axes_from_the_end(self):
        from check_versions import counted_from_end

        def model(operator, opset, **attributes):
            node = helper.make_node(operator, ["x"], ["y"], **attributes)
            graph = helper.make_graph([node], "g", [], [])
            return helper.make_model(graph, opset_imports=[helper.make_opsetid("", opset)])

        self.assertEqual(counted_from_end(model("ReduceSum", 10, axes=[0, -1])), {"ReduceSum"})
        self.assertEqual(counted_from_end(model("Softmax", 9, axis=-1)), {"Softmax"})
        for right in (model("ReduceSum", 11, axes=[-1]), model("Softmax", 9, axis=2), model("LpNormalization", 9, axis=-1), model("Gather", 9, axis=-1)):
            self.assertEqual(counted_from_end(right), set())


class CompareModels(TruthTest):
    def compare(self, name, factor, missing="False", *options):
        rng = np.random.default_rng(1)
        conv = helper.make_node("Conv", ["x", "w"], ["c"], pads=[1, 1, 1, 1])
        relu = helper.make_node("Relu", ["c"], ["y"])
        graph = helper.make_graph(
            [conv, relu],
            "g",
            [helper.make_tensor_value_info("x", TensorProto.FLOAT, [1, 3, 8, 8])],
            [helper.make_tensor_value_info("y", TensorProto.FLOAT, [1, 4, 8, 8])],
            [numpy_helper.from_array(rng.standard_normal((4, 3, 3, 3)).astype(np.float32), "w")],
        )
        folder = self.folder / "model"
        folder.mkdir(exist_ok=True)
        onnx.save(
            helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8), folder / "model.onnx"
        )
        np.savez(folder / "feeds.npz", x=rng.standard_normal((1, 3, 8, 8)).astype(np.float32))
        text = RUN_ONNXRUNTIME.format(here=str(HERE), name=name, factor=factor, missing=missing)
        return call("compare_models.py", folder, "--chorus", self.program(text), *options)

    def test_onnxruntime_passes(self):
        code, text = self.compare("y", 1)
        self.assertEqual(code, 0, text)
        self.assertIn("1 fused + 1 plain of 1 values between", text)

    def test_a_value_may_be_fused_away_but_not_from_a_plain_run(self):
        self.assertEqual(self.compare("y", 1, "'--optimize' not in sys.argv")[0], 0)
        code, text = self.compare("y", 1, "'--optimize' in sys.argv")
        self.assertEqual(code, 1, text)
        self.assertIn("plain: c is missing", text)

    def test_a_stored_truth_judges_alike(self):
        for _ in range(2):
            self.assertEqual(self.compare("c", 1, "False", "--store")[0], 0)
            self.assertEqual(self.compare("c", 1.0003, "False", "--store")[0], 1)

    def test_wrong_values_fail(self):
        for name in ("y", "c"):
            with self.subTest(name):
                self.assertEqual(self.compare(name, 1.0003)[0], 1)
                self.assertEqual(self.compare(name, "nan")[0], 1)


class Excuses(TruthTest):
    def test_an_excuse_for_a_right_answer_is_wrong(self):
        case = self.folder / "test_add"
        shutil.copytree(CASES / "node" / "test_add", case)
        code, text = call("check_doubts.py", case)
        self.assertEqual(code, 1, text)
        self.assertIn("the excuse is wrong", text)
        answer = case / "test_data_set_0" / "output_0.pb"
        tensor = onnx.load_tensor(answer)
        onnx.save_tensor(numpy_helper.from_array(numpy_helper.to_array(tensor) + np.float32(1), tensor.name), answer)
        code, text = call("check_doubts.py", case)
        self.assertEqual(code, 0, text)

    def test_only_operators_without_a_row_are_a_reason_to_skip(self):
        self.assertEqual(unknown_operators("no row for A, ai.onnx.ml.B"), ["ai.onnx::A", "ai.onnx.ml::B"])
        self.assertEqual(unknown_operators("ran out of memory"), ["ran out of memory"])

    def test_an_engine_that_was_asked_for_is_not_skipped(self):
        listed = [{"name": "openvino", "version": "", "available": False, "reason": "no library"},
                  {"name": "native", "version": "1", "available": True, "reason": ""}]
        program = self.program(f"print({json.dumps(listed)!r})")
        for engine, asked, status in (("openvino", "", 77), ("openvino", "onnxruntime,open", 77), ("openvino", "all", 1),
                                      ("openvino", "onnxruntime,openvino", 1), ("native", "all", 0)):
            code = f"import run, types; run.needs_engine(types.SimpleNamespace(chorus={str(program)!r}, engine={engine!r}))"
            done = subprocess.run([sys.executable, "-c", code], cwd=HERE, env={**os.environ, "CHORUS_ENGINES": asked},
                                  capture_output=True, text=True)
            with self.subTest(engine=engine, asked=asked):
                self.assertEqual(done.returncode, status, done.stderr)
                if status:
                    self.assertIn("no library", done.stdout + done.stderr)

    def test_only_a_check_that_passed_proves_rows(self):
        trace, rows = self.folder / "trace.txt", (HERE.parent / "trace" / "rows.txt").read_text().split()
        (self.folder / "bin").mkdir()
        (self.folder / "bin" / "chorus").touch()
        code = "import run, sys; status = int(sys.argv.pop()); run.CHECKS['fields'] = lambda args: status; run.main()"
        for status, wanted in ((1, []), (0, [f"proves {r} truth.fields" for r in run.PROVED["fields", None]])):
            done = subprocess.run([sys.executable, "-c", code, "fields", "--build", str(self.folder), str(status)],
                                  cwd=HERE, env={**os.environ, "CHORUS_TRACE_FILE": str(trace)})
            self.assertEqual(done.returncode, status)
            self.assertEqual(trace.read_text().splitlines() if trace.exists() else [], wanted)
        for proved in run.PROVED.values():
            self.assertLessEqual(set(proved), set(rows))

    def test_an_archive_stays_in_its_folder(self):
        wheel = self.folder / "bad.whl"
        with zipfile.ZipFile(wheel, "w") as archive:
            archive.writestr("onnx/backend/test/data/node/../../../../../outside/model.onnx", b"x")
        with self.assertRaises(SystemExit):
            unpack(wheel, self.folder / "target")
        self.assertFalse((self.folder / "outside").exists())


class MutateModels(TruthTest):
    def make(self, name, seed):
        code, text = call(
            *("mutate_models.py", CASES / "simple", self.folder / name, "--count", 60, "--chunk", 50, "--seed", seed)
        )
        self.assertEqual(code, 0, text)
        return [p.read_bytes() for p in sorted((self.folder / name).glob("chunk_*.bin"))]

    def test_the_seed_alone_decides(self):
        first = self.make("a", 3)
        self.assertEqual(len(first), 2)
        self.assertEqual(first, self.make("b", 3))
        self.assertNotEqual(first, self.make("c", 4))

    def test_even_mutants_are_well_formed_and_changed(self):
        call("mutate_models.py", CASES / "simple", self.folder, "--count", 60, "--files")
        originals = {p.read_bytes() for p in (CASES / "simple").rglob("*.onnx")}
        mutants = sorted(self.folder.rglob("mutant_*.onnx"))
        self.assertEqual(len(mutants), 60)
        for path in mutants:
            if int(path.stem.split("_")[1]) % 2 == 0:
                onnx.ModelProto.FromString(path.read_bytes())
        same = sum(p.read_bytes() in originals for p in mutants)
        self.assertLess(same, 6)


if __name__ == "__main__":
    if len(sys.argv) < 2 or sys.argv[1] in ("-h", "--help"):
        print(__doc__)
        raise SystemExit(0 if len(sys.argv) > 1 else 2)
    CASES = pathlib.Path(sys.argv.pop(1)).resolve()
    unittest.main()
