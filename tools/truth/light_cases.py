"""Writes the light models of the onnx package as test-case folders: real networks whose weights are constants of one number each.

    light_cases.py OUTDIR    OUTDIR/<model>/{model.onnx,test_data_set_0/{input_0.pb,output_0.pb},tolerance.json}

The package's test makes the input (0, 1, … divided by the number of elements); answers and bounds are those stored with the models,
made by another implementation. Inputs that have a default are moved behind the others, so that the data is the first input.
"""

import argparse
import json
import pathlib
import shutil

import numpy as np
import onnx
from onnx import numpy_helper

PACKAGE = pathlib.Path(onnx.__file__).parent / "backend/test/data"


def write_case(model_path, bounds, folder):
    model = onnx.load(model_path)
    defaults = {t.name for t in model.graph.initializer}
    inputs = sorted(model.graph.input, key=lambda info: info.name in defaults)
    del model.graph.input[:]
    model.graph.input.extend(inputs)
    free = [info for info in inputs if info.name not in defaults]
    data = folder / "test_data_set_0"
    shutil.rmtree(folder, ignore_errors=True)
    data.mkdir(parents=True)
    onnx.save(model, folder / "model.onnx")
    for number, info in enumerate(free):
        shape = [d.dim_value or 1 for d in info.type.tensor_type.shape.dim]
        count = int(np.prod(shape))
        value = (np.arange(count).reshape(shape) / count).astype(np.float32)
        (data / f"input_{number}.pb").write_bytes(numpy_helper.from_array(value, info.name).SerializeToString())
    for number in range(len(model.graph.output)):
        shutil.copy(model_path.with_name(f"{model_path.stem}_output_{number}.pb"), data / f"output_{number}.pb")
    (folder / "tolerance.json").write_text(json.dumps(bounds) + "\n")


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("outdir", type=pathlib.Path)
    outdir = parser.parse_args().outdir
    facts = {}
    for description in sorted((PACKAGE / "real").glob("*/data.json")):
        case = json.loads(description.read_text())
        model_path = PACKAGE / "light" / case["url"].rsplit("/", 1)[-1]
        if not model_path.exists():
            raise SystemExit(f"{case['url']} is not in the package")
        write_case(model_path, {"rtol": case["rtol"], "atol": case["atol"]}, outdir / model_path.stem)
        facts[model_path.stem] = {"opset": onnx.load(outdir / model_path.stem / "model.onnx").opset_import[0].version}
    if len(facts) < 9:
        raise SystemExit(f"{len(facts)} light models, there were 9")
    (outdir / "cases.json").write_text(json.dumps(facts, indent=1) + "\n")
    print(f"onnx {onnx.__version__}: {len(facts)} light models")


if __name__ == "__main__":
    main()
