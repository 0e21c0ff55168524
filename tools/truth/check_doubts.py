"""Whether stored answers that Chorus does not give are wrong indeed: what the onnx package and ONNX Runtime say today.

    check_doubts.py FOLDER…    test-case folders of older releases that later.txt excuses

An excuse stands when today's evaluator of the onnx package contradicts the stored answer too. Where the excuse is an attribute that the
case lost (LOST), the evaluator must give the stored answer once the node has it again. Prints a line per excuse that does not stand;
exit status 0 all stand, 1 otherwise.
"""

import fnmatch
import pathlib
import sys

import onnx

from check_writer import EVALUATORS, evaluate

# Release and case → the attribute that the answer was made with and the node lacks.
LOST = {
    "*/test_adam_multiple": {"epsilon": 1e-2},
    "1.6.0/test_resize_upsample_sizes_nearest_ceil_*": {"nearest_mode": "ceil"},
    "1.6.0/test_resize_upsample_sizes_nearest_floor_*": {"nearest_mode": "floor"},
    "1.6.0/test_resize_upsample_sizes_nearest_round_prefer_ceil_*": {"nearest_mode": "round_prefer_ceil"},
}


def lost_attributes(folder):
    name = f"{folder.parts[-3]}/{folder.name}"
    return next((lost for pattern, lost in LOST.items() if fnmatch.fnmatchcase(name, pattern)), None)


def confirming(model, folder):
    return [name for name, evaluator in EVALUATORS.items() if evaluate(evaluator, model, folder) is None]


def main():
    wrong = mended = 0
    for folder in map(pathlib.Path, sys.argv[1:]):
        model = onnx.load(folder / "model.onnx")
        if confirmed := confirming(model, folder):
            wrong += 1
            print(f"{folder}: the excuse is wrong, {' and '.join(confirmed)} give the stored answer")
            continue
        if lost := lost_attributes(folder):
            for name, value in lost.items():
                model.graph.node[0].attribute.append(onnx.helper.make_attribute(name, value))
            mended += 1
            if not confirming(model, folder):
                wrong += 1
                print(f"{folder}: the excuse is wrong, nobody gives the stored answer with {lost} either")
    print(f"{mended} cases lost an attribute; with it today's evaluators give the stored answers")
    print(f"{len(sys.argv) - 1 - wrong} of {len(sys.argv) - 1} excuses stand")
    raise SystemExit(1 if wrong else 0)


if __name__ == "__main__":
    main()
