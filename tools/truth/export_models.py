"""Exports well-known network structures with meaningful random weights to ONNX, with a float64 oracle for each.

    export_models.py OUTDIR [--only NAME …] [--more] [--threads N]

    OUTDIR/<name>/model.onnx   exported by PyTorch (TorchScript exporter, opset 17; <name>-dynamo: its newer exporter)
    OUTDIR/<name>/feeds.npz    inputs by name
    OUTDIR/<name>/oracle.npz   "<output>": outputs of the model in float64; "<output>.float32": PyTorch's own float32

No trained weights are fetched. Weights are drawn with a fixed seed and the variance 2 / fan-in (He), gains of
normalisations near 1 with a spread, biases small; running statistics of batch normalisation come from forward passes
on generated pictures. Thereby every layer carries signal: the script fails when an output's largest magnitude lies
outside [1e-3, 1e4] or when another input changes the output by less than 10 %.
Pictures are smooth (noise at several scales), since white noise vanishes in a global average.
Models of BATCH_NORM_KEPT keep BatchNormalization nodes; for the others the exporter folds them into convolutions.
"""

import argparse
import pathlib
import time
import warnings

import numpy as np
import torch
import torchvision

OPSET = 17
SEED = 20
SMALLEST, LARGEST, LEAST_CHANGE = 1e-3, 1e4, 0.10
BATCH_NORM_KEPT = {"resnet50", "mobilenet_v2", "shufflenet_v2_x1_0", "inception_v3"}
DYNAMIC_BATCH = {"resnet50", "mobilenet_v2"}
SIDE = {"inception_v3": 299}
VISION = [
    "resnet50",
    "vgg16",
    "mobilenet_v2",
    "efficientnet_b0",
    "squeezenet1_1",
    "densenet121",
    "shufflenet_v2_x1_0",
    "inception_v3",
]
DYNAMO = "-dynamo"
USUAL = [*VISION, "bert-base"]
NEWER_EXPORTER = ["mobilenet_v2" + DYNAMO, "squeezenet1_1" + DYNAMO, "bert-base" + DYNAMO]
MORE = [*NEWER_EXPORTER, "vit_b_16", "deeplabv3", "r3d_18", "lstm"]
CHOICES = [*USUAL, *MORE]
BERT_TOKENS = 128
CONVOLUTIONS = (torch.nn.Conv2d, torch.nn.Conv3d)
BATCH_NORMS = (torch.nn.BatchNorm2d, torch.nn.BatchNorm3d)


class BertOutputs(torch.nn.Module):
    """BERT with its inputs by position and its outputs as a tuple, as the exporter wants them."""

    def __init__(self, bert):
        super().__init__()
        self.bert = bert

    def forward(self, input_ids, attention_mask, token_type_ids):
        found = self.bert(input_ids=input_ids, attention_mask=attention_mask, token_type_ids=token_type_ids)
        return found.last_hidden_state, found.pooler_output


class Recurrent(torch.nn.Module):
    """Two bidirectional LSTM layers over a sequence of pixel rows, read by a linear layer."""

    def __init__(self):
        super().__init__()
        self.lstm = torch.nn.LSTM(96, 128, num_layers=2, bidirectional=True, batch_first=True)
        self.head = torch.nn.Linear(256, 32)

    def forward(self, rows):
        return self.head(self.lstm(rows)[0])


class Segments(torch.nn.Module):
    """DeepLab with its result as a tensor."""

    def __init__(self):
        super().__init__()
        self.net = torchvision.models.segmentation.deeplabv3_resnet50(weights=None, weights_backbone=None)

    def forward(self, image):
        return self.net(image)["out"]


def build(name):
    if name == "lstm":
        return Recurrent()
    if name == "deeplabv3":
        return Segments()
    if name == "r3d_18":
        return torchvision.models.video.r3d_18(weights=None)
    if name == "bert-base":
        from transformers import BertConfig, BertModel

        return BertOutputs(BertModel(BertConfig(attn_implementation="eager")))
    options = {"aux_logits": True, "init_weights": False} if name == "inception_v3" else {}
    return getattr(torchvision.models, name)(weights=None, **options)


def pictures(count, side, generator):
    """Smooth pictures [count, 3, side, side] of about unit variance: noise of four scales and an offset per channel."""
    total = torch.randn(count, 3, 1, 1, generator=generator)
    for cells in (3, 7, 19, 56):
        noise = torch.randn(count, 3, cells, cells, generator=generator)
        total = total + torch.nn.functional.interpolate(noise, size=(side, side), mode="bicubic", align_corners=False)
    return total / 5**0.5


def tokens(generator):
    """A sentence of random words: ids, attention mask (the last tokens are padding), two segments."""
    ids = torch.randint(1000, 30000, (1, BERT_TOKENS), generator=generator)
    mask = torch.ones(1, BERT_TOKENS, dtype=torch.int64)
    length = int(torch.randint(90, 120, (1,), generator=generator))
    ids[:, length:] = 0
    mask[:, length:] = 0
    segments = torch.zeros(1, BERT_TOKENS, dtype=torch.int64)
    segments[:, 40:length] = 1
    return ids, mask, segments


def make_inputs(name, generator, count=1):
    if name == "bert-base":
        return tokens(generator)
    if name == "lstm":
        return (pictures(count, 96, generator)[:, 0],)
    if name == "r3d_18":  # a film: [count, 3, 8, 64, 64]
        return (pictures(8 * count, 64, generator).reshape(count, 8, 3, 64, 64).transpose(1, 2).contiguous(),)
    return (pictures(count, SIDE.get(name, 224), generator),)


def io_names(name):
    """Input names, output names and free dimensions of the exported model."""
    if name == "bert-base":
        inputs, outputs = ["input_ids", "attention_mask", "token_type_ids"], ["last_hidden_state", "pooler_output"]
        return inputs, outputs, {}
    free = {"image": {0: "batch"}, "logits": {0: "batch"}} if name in DYNAMIC_BATCH else {}
    return ["image"], ["logits"], free


@torch.no_grad()
def initialise(model, generator):
    """Draws every parameter; see the head of this file."""

    def normal(tensor, mean, deviation):
        tensor.copy_(torch.randn(tensor.shape, generator=generator) * deviation + mean)

    for module in model.modules():
        if isinstance(module, (*CONVOLUTIONS, torch.nn.Linear)):
            fan_in = module.weight[0].numel()
            normal(module.weight, 0.0, (2.0 / fan_in) ** 0.5)
        elif isinstance(module, torch.nn.Embedding):
            normal(module.weight, 0.0, 1.0)
        elif isinstance(module, (*BATCH_NORMS, torch.nn.LayerNorm)):
            normal(module.weight, 1.0, 0.2)
        if isinstance(getattr(module, "bias", None), torch.Tensor):
            normal(module.bias, 0.0, 0.1)


@torch.no_grad()
def settle_batch_norm(model, name, generator, passes=1, batch=4):
    """Running statistics as plain averages over forward passes in training mode (dropout and the like stay off)."""
    norms = [m for m in model.modules() if isinstance(m, BATCH_NORMS)]
    model.eval()
    for norm in norms:
        norm.reset_running_stats()
        norm.momentum = None
        norm.train()
    for _ in range(passes if norms else 0):
        model(*make_inputs(name, generator, batch))
    model.eval()
    for norm in norms:
        norm.momentum = 0.1


def run(model, inputs):
    found = model(*inputs)
    return [found] if isinstance(found, torch.Tensor) else list(found)


def as_double(inputs):
    return tuple(x.double() if x.is_floating_point() else x for x in inputs)


def check_meaning(name, outputs, others):
    """Largest magnitude and relative change by another input of the worst output; fails outside the bounds."""
    magnitude = [float(y.abs().max()) for y in outputs]
    change = [float((a - b).norm() / a.norm()) for a, b in zip(outputs, others)]
    if not all(SMALLEST <= m <= LARGEST for m in magnitude):
        raise SystemExit(f"{name}: outputs of magnitude {magnitude}, wanted within [{SMALLEST}, {LARGEST}]")
    if min(change) < LEAST_CHANGE:
        raise SystemExit(f"{name}: another input changes the outputs by {change}, wanted at least {LEAST_CHANGE}")
    return max(magnitude), min(change)


def export_dynamo(model, name, inputs, path):
    input_names, output_names, _ = io_names(name)
    program = torch.onnx.export(
        model, inputs, dynamo=True, verbose=False, input_names=input_names, output_names=output_names
    )
    program.save(str(path))


def export_torchscript(model, name, inputs, path):
    input_names, output_names, free = io_names(name)
    keep = torch.onnx.TrainingMode.PRESERVE if name in BATCH_NORM_KEPT else torch.onnx.TrainingMode.EVAL
    torch.onnx.export(
        model,
        inputs,
        str(path),
        dynamo=False,
        opset_version=OPSET,
        input_names=input_names,
        output_names=output_names,
        dynamic_axes=free,
        training=keep,
    )


@torch.no_grad()
def make(title, outdir):
    start = time.monotonic()
    name = title.removesuffix(DYNAMO)
    generator = torch.Generator().manual_seed(SEED)
    torch.manual_seed(SEED)
    model = build(name)
    initialise(model, generator)
    settle_batch_norm(model, name, generator)
    inputs, others = make_inputs(name, generator), make_inputs(name, generator)
    single = run(model, inputs)
    input_names, output_names, _ = io_names(name)
    folder = outdir / title
    folder.mkdir(parents=True, exist_ok=True)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        export = export_dynamo if title.endswith(DYNAMO) else export_torchscript
        export(model, name, inputs, folder / "model.onnx")
    model.double()
    exact = run(model, as_double(inputs))
    magnitude, change = check_meaning(name, exact, run(model, as_double(others)))
    oracle = {n: y.numpy() for n, y in zip(output_names, exact)}
    oracle |= {f"{n}.float32": y.numpy() for n, y in zip(output_names, single)}
    np.savez(folder / "feeds.npz", **{n: x.numpy() for n, x in zip(input_names, inputs)})
    np.savez(folder / "oracle.npz", **oracle)
    error = max(float((s.double() - e).abs().max()) for s, e in zip(single, exact))
    size = (folder / "model.onnx").stat().st_size / 2**20
    seconds = time.monotonic() - start
    print(
        f"{title:20s} {size:7.1f} MiB  largest {magnitude:9.3g}  change {change:5.2f}  "
        f"float32 error {error:8.2e}  {seconds:5.1f} s",
        flush=True,
    )


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("outdir", type=pathlib.Path)
    parser.add_argument("--only", nargs="+", choices=CHOICES, help="export these models alone")
    parser.add_argument("--more", action="store_true", help="those that are not among the usual nine")
    parser.add_argument("--threads", type=int, default=2)
    args = parser.parse_args()
    torch.set_num_threads(args.threads)
    torch.backends.mha.set_fastpath_enabled(False)  # its fused operator has no ONNX form
    start = time.monotonic()
    for name in args.only or (MORE if args.more else USUAL):
        make(name, args.outdir)
    print(f"torch {torch.__version__}, torchvision {torchvision.__version__}: {time.monotonic() - start:.0f} s")


if __name__ == "__main__":
    main()
