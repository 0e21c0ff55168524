"""Exports networks of further families, for `./dev bench --all`: nobody tunes for them, so their times tell what a model never seen costs.

    export_families.py OUTDIR [--only NAME …] [--threads N]

The same files as export_models.py writes, made the same way: random weights of meaningful size, a float64 oracle, a check that every
output carries signal. resnet50-b8 is eight pictures at once.
"""

import argparse
import dataclasses
import pathlib
import time
import typing
import warnings

import numpy as np
import torch
import torchvision
import transformers

import export_models as base

TOKENS = 128
LAYER_SCALE = 0.5  # ConvNeXt starts at 1e-6, which hides its blocks


class Tokens(torch.nn.Module):
    """A language model with its inputs by position and the last hidden state as its result."""

    def __init__(self, net):
        super().__init__()
        self.net = net

    def forward(self, input_ids, attention_mask):
        return self.net(input_ids=input_ids, attention_mask=attention_mask)[0]


class Gated(torch.nn.Module):
    """Two bidirectional GRU layers over a sequence of pixel rows, read by a linear layer."""

    def __init__(self):
        super().__init__()
        self.gru = torch.nn.GRU(96, 128, num_layers=2, bidirectional=True, batch_first=True)
        self.head = torch.nn.Linear(256, 32)

    def forward(self, rows):
        return self.head(self.gru(rows)[0])


class Segments(torch.nn.Module):
    """A network of torchvision that finds regions, with its result as a tensor."""

    def __init__(self):
        super().__init__()
        self.net = torchvision.models.segmentation.lraspp_mobilenet_v3_large(weights=None, weights_backbone=None)

    def forward(self, image):
        return self.net(image)["out"]


def image(generator, count):
    return (base.pictures(count, 224, generator),)


def rows(generator, count):
    return base.make_inputs("lstm", generator, count)


def film(generator, count):
    return base.make_inputs("r3d_18", generator, count)


def words(generator, count):
    return base.tokens(generator)[:2]


@dataclasses.dataclass
class Family:
    """How a network is made: its module, its inputs (generator, count), their names, how many pictures the exported one takes."""

    build: typing.Callable
    inputs: typing.Callable = image
    names: tuple = ("image",)
    count: int = 1


def vision(name, **options):
    return Family(lambda: getattr(torchvision.models, name)(weights=None, **options))


FAMILIES = {
    "resnet50-b8": Family(lambda: torchvision.models.resnet50(weights=None), count=8),
    "convnext_tiny": vision("convnext_tiny"),
    "regnet_y_400mf": vision("regnet_y_400mf"),
    "swin_t": vision("swin_t"),
    "mnasnet1_0": vision("mnasnet1_0"),
    "googlenet": vision("googlenet", aux_logits=False, init_weights=False),
    "mobilenet_v3_large": vision("mobilenet_v3_large"),
    "resnext50_32x4d": vision("resnext50_32x4d"),
    "efficientnet_v2_s": vision("efficientnet_v2_s"),
    "lraspp": Family(Segments),
    "r2plus1d_18": Family(lambda: torchvision.models.video.r2plus1d_18(weights=None), film),
    "distilbert": Family(
        lambda: Tokens(transformers.DistilBertModel(transformers.DistilBertConfig(attn_implementation="eager"))),
        words,
        ("input_ids", "attention_mask"),
    ),
    "gpt2": Family(
        lambda: Tokens(transformers.GPT2Model(transformers.GPT2Config(attn_implementation="eager", use_cache=False))),
        words,
        ("input_ids", "attention_mask"),
    ),
    "gru": Family(Gated, rows),
}


@torch.no_grad()
def initialise(model, generator):
    base.initialise(model, generator)
    for name, parameter in model.named_parameters():
        if name.endswith("layer_scale"):
            parameter.fill_(LAYER_SCALE)


@torch.no_grad()
def settle_batch_norm(model, family, generator):
    """Running statistics of one forward pass over four inputs, as export_models.py does it."""
    norms = [m for m in model.modules() if isinstance(m, base.BATCH_NORMS)]
    model.eval()
    for norm in norms:
        norm.reset_running_stats()
        norm.momentum = None
        norm.train()
    if norms:
        model(*family.inputs(generator, 4))
    model.eval()


@torch.no_grad()
def make(name, outdir):
    start, family = time.monotonic(), FAMILIES[name]
    generator = torch.Generator().manual_seed(base.SEED)
    torch.manual_seed(base.SEED)
    model = family.build()
    initialise(model, generator)
    settle_batch_norm(model, family, generator)
    inputs, others = family.inputs(generator, family.count), family.inputs(generator, family.count)
    single = base.run(model, inputs)
    folder = outdir / name
    folder.mkdir(parents=True, exist_ok=True)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        torch.onnx.export(model, inputs, str(folder / "model.onnx"), dynamo=False, opset_version=base.OPSET,
                          input_names=list(family.names), output_names=["result"])
    model.double()
    exact = base.run(model, base.as_double(inputs))
    magnitude, change = base.check_meaning(name, exact, base.run(model, base.as_double(others)))
    np.savez(folder / "oracle.npz", result=exact[0].numpy(), **{"result.float32": single[0].numpy()})
    np.savez(folder / "feeds.npz", **{n: x.numpy() for n, x in zip(family.names, inputs)})
    print(f"{name:20s} {(folder / 'model.onnx').stat().st_size / 2**20:7.1f} MiB  largest {magnitude:9.3g}  change {change:5.2f}  "
          f"{time.monotonic() - start:5.1f} s", flush=True)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("outdir", type=pathlib.Path)
    parser.add_argument("--only", nargs="+", choices=list(FAMILIES))
    parser.add_argument("--threads", type=int, default=2)
    args = parser.parse_args()
    torch.set_num_threads(args.threads)
    torch.backends.mha.set_fastpath_enabled(False)  # its fused operator has no ONNX form
    for name in args.only or FAMILIES:
        make(name, args.outdir)


if __name__ == "__main__":
    main()
