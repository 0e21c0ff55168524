"""Whether stored answers that Chorus does not give are wrong indeed: what the onnx package and ONNX Runtime say today.

    check_doubts.py FOLDER…    test-case folders of older releases that later.txt excuses

An excuse stands when today's evaluator of the onnx package contradicts the stored answer too. Prints a line per case whose answer it
confirms; exit status 0 all excuses stand, 1 otherwise.
"""

import pathlib
import sys

import onnx

from check_writer import EVALUATORS, evaluate


def main():
    wrong = 0
    for folder in map(pathlib.Path, sys.argv[1:]):
        model = onnx.load(folder / "model.onnx")
        confirmed = [name for name, evaluator in EVALUATORS.items() if evaluate(evaluator, model, folder) is None]
        if confirmed:
            wrong += 1
            print(f"{folder}: the excuse is wrong, {' and '.join(confirmed)} give the stored answer")
    print(f"{len(sys.argv) - 1 - wrong} of {len(sys.argv) - 1} excuses stand")
    raise SystemExit(1 if wrong else 0)


if __name__ == "__main__":
    main()
