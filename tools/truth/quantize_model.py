"""Makes the quantised form of a float model (QuantizeLinear and DequantizeLinear around its products) with onnxruntime's static
quantiser, and what ONNX Runtime answers to it.

  quantize_model.py SOURCE TARGET [--activations int8|uint8] [--per-tensor] [--samples 8]

SOURCE holds model.onnx and feeds.npz (a folder of export_models.py); TARGET gets model.onnx, the same feeds, and oracle.npz: the
answers of ONNX Runtime to the quantised model. Calibrated on the feeds and on their like: moved, mirrored, lighter or darker, with a
little noise.
"""
import argparse
import pathlib
import shutil

import numpy as np
import onnx
import onnxruntime as ort
from onnxruntime.quantization import CalibrationDataReader, QuantFormat, QuantType, quant_pre_process, quantize_static


class Samples(CalibrationDataReader):
    """The feeds first, then their like."""

    def __init__(self, feeds, count):
        random = np.random.default_rng(7)
        self.items = [feeds]
        for _ in range(count - 1):
            self.items.append({k: self.like(v, random) for k, v in feeds.items()})
        self.at = 0

    @staticmethod
    def like(v, random):
        if v.dtype != np.float32:
            return random.permuted(v, axis=-1)
        moved = np.roll(v, random.integers(0, v.shape[-1]), axis=-1)[..., :: random.choice([-1, 1])]
        noise = random.normal(0, 0.05 * max(v.std(), 1e-3), v.shape)
        return (moved * random.uniform(0.9, 1.1) + noise).astype(np.float32)

    def get_next(self):
        self.at += 1
        return self.items[self.at - 1] if self.at <= len(self.items) else None


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("source", type=pathlib.Path)
    parser.add_argument("target", type=pathlib.Path)
    parser.add_argument("--activations", choices=["int8", "uint8"], default="uint8")
    parser.add_argument("--per-tensor", action="store_true")
    parser.add_argument("--samples", type=int, default=8)
    args = parser.parse_args()
    args.target.mkdir(parents=True, exist_ok=True)
    feeds = dict(np.load(args.source / "feeds.npz"))
    prepared = args.target / "prepared.onnx"
    # Its optimiser brings batch normalisations into the weights; at this level all operators stay those of the standard.
    quant_pre_process(str(args.source / "model.onnx"), str(prepared), skip_symbolic_shape=True)
    folded = args.target / "model.onnx"
    quantize_static(
        str(prepared), str(folded), Samples(feeds, args.samples), quant_format=QuantFormat.QDQ, per_channel=not args.per_tensor,
        activation_type=QuantType.QInt8 if args.activations == "int8" else QuantType.QUInt8, weight_type=QuantType.QInt8)
    prepared.unlink()
    shutil.copy(args.source / "feeds.npz", args.target / "feeds.npz")
    options = ort.SessionOptions()
    options.intra_op_num_threads = 2
    run = lambda path: ort.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])
    quantised = run(folded)
    names = [o.name for o in quantised.get_outputs()]
    answers = quantised.run(names, feeds)
    np.savez(args.target / "oracle.npz", **dict(zip(names, answers)))
    for name, a, b in zip(names, answers, run(args.source / "model.onnx").run(names, feeds)):
        a, b = a.astype(np.float64).ravel(), b.astype(np.float64).ravel()
        cosine = a @ b / (np.linalg.norm(a) * np.linalg.norm(b))
        print(f"{name}: largest error {np.abs(a - b).max():.3g} of {np.abs(b).max():.3g}, cosine {cosine:.5f}")
    print(f"{len(onnx.load(folded).graph.node)} nodes")


if __name__ == "__main__":
    main()
