"""Makes an input that shows text for each of the three OCR models, in the form that compare_models.py wants.

    ocr_models.py MODELS OUTDIR     MODELS: folder with the .onnx files of rapidocr-onnxruntime (./dev puts them there)

    OUTDIR/ocr-detect, ocr-recognise, ocr-direction: model.onnx, feeds.npz (a drawn line of text, scaled to [-1, 1])

The truth of compare_models.py for them is the model itself in float64.
"""

import argparse
import pathlib
import shutil

import numpy as np
import onnx
from PIL import Image, ImageDraw, ImageFont

MODELS = {
    "ocr-detect": ("ch_PP-OCRv4_det_infer.onnx", (160, 320)),
    "ocr-recognise": ("ch_PP-OCRv4_rec_infer.onnx", (48, 320)),
    "ocr-direction": ("ch_ppocr_mobile_v2.0_cls_infer.onnx", (48, 192)),
}


def picture(height, width):
    """Dark text on a light ground, [1, 3, height, width] float32 in [-1, 1]."""
    image = Image.new("RGB", (width, height), (235, 230, 220))
    draw, font = ImageDraw.Draw(image), ImageFont.load_default(size=30)
    for top in range(6, height - 30, 60):
        draw.text((10, top), "One score 1729", fill=(20, 30, 60), font=font)
    pixels = np.asarray(image, np.float32)[:, :, ::-1]  # the models were trained on blue-green-red
    return np.ascontiguousarray((pixels / 127.5 - 1).transpose(2, 0, 1)[None])


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("models", type=pathlib.Path)
    parser.add_argument("outdir", type=pathlib.Path)
    args = parser.parse_args()
    for name, (file, size) in MODELS.items():
        folder = args.outdir / name
        folder.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(args.models / file, folder / "model.onnx")
        model = onnx.load(folder / "model.onnx")
        np.savez(folder / "feeds.npz", **{model.graph.input[0].name: picture(*size)})
        print(f"{folder}: {file}, input {model.graph.input[0].name} [1, 3, {size[0]}, {size[1]}]")


if __name__ == "__main__":
    main()
