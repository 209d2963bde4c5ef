"""Writes the files of weights that the tests of the readers read.

Run by hand, in this folder; needs torch, timm, torchvision, paddlepaddle, safetensors.

    python make_weight_files.py

`Fixtures/formats` holds the network of `smallNetwork` in every format and layout, with the same numbers in each.
`Fixtures/names` holds ResNets under the names of every library. Their tensors are views of one storage that repeat one
number each, which tells the tensor: number N is that of the N-th name in timm's order.
"""
import argparse
import collections
import datetime
import os
import pickle
import sys
import zipfile

import numpy as np
import paddle
import timm
import torch
import torchvision
from safetensors.torch import save_file

PREFIX = "regular_stream.backbone."


# ---- Formats

def small():
    """Numbers that float16 and bfloat16 hold exactly."""
    def numbers(shape, start):
        return (torch.arange(torch.Size(shape).numel(), dtype=torch.float32).reshape(shape) + start) / 4

    return collections.OrderedDict([
        (PREFIX + "conv1.weight", numbers((3, 2, 3, 3), -20)),
        (PREFIX + "bn1.weight", numbers((3,), 1)),
        (PREFIX + "bn1.bias", numbers((3,), -1)),
        (PREFIX + "bn1.running_mean", numbers((3,), 7)),
        (PREFIX + "bn1.running_var", numbers((3,), 2)),
        (PREFIX + "bn1.num_batches_tracked", torch.tensor(123456789012)),
        ("seg.weight", numbers((5, 3, 1, 1), 3)),
        ("seg.bias", numbers((5,), -9)),
    ])


def views(state):
    """All tensors in one storage, the convolutions transposed there."""
    floats = {k: v for k, v in state.items() if v.is_floating_point()}
    storage = torch.full((sum(v.numel() for v in floats.values()) + 5,), 1000.0)
    result, start = collections.OrderedDict(state), 5
    for name, tensor in floats.items():
        order = (3, 1, 2, 0) if tensor.dim() == 4 else (0,)
        part = storage[start:start + tensor.numel()].view([tensor.shape[d] for d in order])
        part.copy_(tensor.permute(order))
        result[name] = part.permute([order.index(d) for d in range(len(order))])
        start += tensor.numel()
        assert torch.equal(result[name], tensor)
    return result


class Visitor:
    """A class that the reader does not know, in a file of a training program."""

    def __init__(self):
        self.seen = {"when": datetime.datetime(2024, 2, 3), "who": argparse.Namespace(lr=0.1)}


def formats(folder):
    state = small()
    path = lambda name: os.path.join(folder, name)
    save_file(dict(state), path("plain.safetensors"))
    torch.save(state, path("zip.pth"))
    torch.save(state, path("legacy.pth"), _use_new_zipfile_serialization=False)
    torch.save(views(state), path("legacy-views.pth"), _use_new_zipfile_serialization=False)
    torch.save({k: v.to(memory_format=torch.channels_last) if v.dim() == 4 else v for k, v in state.items()},
               path("channels-last.pth"))
    torch.save(views(state), path("views.pth"))
    for name, kind in [("half", torch.float16), ("bfloat16", torch.bfloat16), ("double", torch.float64)]:
        torch.save({k: v.to(kind) if v.is_floating_point() else v for k, v in state.items()}, path(name + ".pth"))
    torch.save({k: torch.nn.Parameter(v) if v.is_floating_point() else v for k, v in state.items()},
               path("parameters.pth"))
    torch.save({k: v for k, v in state.items() if "tracked" not in k}, path("no-counter.pth"))
    torch.serialization.set_crc32_options(False)
    torch.save(state, path("no-checksums.pth"))
    torch.serialization.set_crc32_options(True)
    with zipfile.ZipFile(path("zip.pth")) as old, zipfile.ZipFile(path("deflated.pth"), "w", zipfile.ZIP_DEFLATED) as new:
        for entry in old.infolist():
            new.writestr(entry.filename, old.read(entry))
    # Layouts of training programs.
    torch.save({"state_dict": {"module." + k: v for k, v in state.items()}, "optimizer": {"state": {0: torch.ones(2)}},
                "epoch": 7, "mean_iu": 0.75, "command": "train.py"}, path("gscnn-layout.pth"))
    torch.save({"meta": {"epoch": 3, "time": datetime.datetime(2024, 2, 3), "visitor": Visitor()},
                "state_dict": state, "message_hub": {"loss": np.float64(0.5), "history": np.arange(3)},
                "optimizer": {}, "param_schedulers": [{"last_step": np.int64(5)}]}, path("mmengine-layout.pth"))
    torch.save({"state_dict_ema": {"_orig_mod.module." + k: v for k, v in state.items()},
                "state_dict": {k: v * 0 for k, v in state.items()}, "arch": "small", "args": argparse.Namespace(lr=0.1)},
               path("timm-layout.pth"))
    torch.save({"student": {k: v * 0 for k, v in state.items()}, "teacher": state}, path("teacher-layout.pth"))
    # Paddle: arrays, tensors, and pairs of name and array.
    arrays = {k: v.numpy() for k, v in state.items()}
    tensors = {k: paddle.to_tensor(v) for k, v in arrays.items()}
    for protocol in [2, 3, 4]:
        paddle.save(tensors, path(f"paddle-{protocol}.pdparams"), protocol=protocol)
    paddle.save({"model": tensors, "epoch": 3}, path("paddle-nested.pdparams"))
    names = {k: f"param_{i}" for i, k in enumerate(arrays)}
    with open(path("paddle-2.0.pdparams"), "wb") as file:
        pickle.dump({**arrays, "StructuredToParameterName@@": names}, file, protocol=2)
    with open(path("paddle-pairs.pdparams"), "wb") as file:
        pickle.dump({k: (names[k], np.asfortranarray(v)) for k, v in arrays.items()}, file, protocol=4)
    with open(path("paddle-big-endian.pdparams"), "wb") as file:
        pickle.dump({k: v.astype(v.dtype.newbyteorder(">")) for k, v in arrays.items()}, file, protocol=4)


# ---- Names

def resnet(kind):
    return timm.create_model(kind).state_dict()


def numbered(shapes, names):
    """One storage; each tensor repeats the number of its place."""
    storage = torch.arange(1, len(shapes) + 1, dtype=torch.float32)
    return {name: storage[place].expand(shape) for place, (name, shape) in enumerate(zip(names, shapes))}


def mmseg(name):
    head, _, rest = name.partition(".")
    if head == "conv1":
        return "stem." + rest
    if head == "bn1":
        return "stem.7." + rest
    return name


STEM = {"conv1.0": "stem.0.conv", "conv1.1": "stem.0.bn", "conv1.3": "stem.1.conv", "conv1.4": "stem.1.bn",
        "conv1.6": "stem.2.conv", "bn1": "stem.2.bn"}


def mmpretrain(name):
    layer, _, last = name.rpartition(".")
    return f"{STEM[layer]}.{last}" if layer in STEM else name


PADDLE_LAST = {"running_mean": "_mean", "running_var": "_variance"}


def paddle_block(name):
    """The stage and block, both from 0, Paddle's name of the layer, whether it is a norm, and the last part."""
    stage, block, layer, *rest = name.split(".")
    last = PADDLE_LAST.get(rest[-1], rest[-1])
    if layer == "downsample":
        return int(stage[5:]) - 1, int(block), "short", rest[0] == "2", last
    return int(stage[5:]) - 1, int(block), f"conv{int(layer[-1]) - 1}", layer.startswith("bn"), last


def paddleseg(name):
    if not name.startswith("layer"):
        layer, _, last = name.rpartition(".")
        _, index, kind = STEM[layer].split(".")
        return f"conv1_{int(index) + 1}." + ("_batch_norm." if kind == "bn" else "_conv.") + PADDLE_LAST.get(last, last)
    stage, block, layer, norm, last = paddle_block(name)
    return f"bb_{stage}_{block}.{layer}." + ("_batch_norm." if norm else "_conv.") + last


def paddleclas(blocks):
    starts = [0, blocks[0], sum(blocks[:2]), sum(blocks[:3])]

    def rename(name):
        if not name.startswith("layer"):
            layer, _, last = name.rpartition(".")
            return f"{STEM[layer]}.{PADDLE_LAST.get(last, last)}"
        stage, block, layer, norm, last = paddle_block(name)
        return f"blocks.{starts[stage] + block}.{layer}." + ("bn." if norm else "conv.") + last

    return rename


def save_compressed(state, path):
    """Deflated: hundreds of names compress well."""
    torch.save(state, path)
    with zipfile.ZipFile(path) as old:
        entries = [(entry.filename, old.read(entry)) for entry in old.infolist()]
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED, compresslevel=9) as new:
        for name, data in entries:
            new.writestr(zipfile.ZipInfo(name), data, zipfile.ZIP_DEFLATED, 9)


def names(folder):
    path = lambda name: os.path.join(folder, name)
    for kind, blocks in [("resnet50", [3, 4, 6, 3]), ("resnet101", [3, 4, 23, 3])]:
        state = resnet(kind + "d")
        floats = [k for k, v in state.items() if v.is_floating_point() and not k.startswith("fc.")]
        shapes = [state[k].shape for k in floats]

        def write(library, rename, prefix="", extra={}):
            files = numbered(shapes, [prefix + rename(k) for k in floats])
            save_compressed({**files, **{k: torch.zeros(1).expand(v) for k, v in extra.items()}},
                            path(f"{library}-{kind}.pth"))

        counters = {k: torch.tensor(5) for k, v in state.items() if not v.is_floating_point()}
        classifier = {k: torch.zeros(1).expand(v) for k, v in {"fc.weight": (1000, 2048), "fc.bias": (1000,)}.items()}
        write("paddleclas", paddleclas(blocks), "", {"fc.weight": (2048, 1000), "fc.bias": (1000,)})
        if kind == "resnet101":
            save_compressed({**numbered(shapes, floats), **classifier}, path(f"timm-{kind}.pth"))
            continue
        save_compressed({**numbered(shapes, floats), **counters, **classifier}, path(f"timm-{kind}.pth"))
        write("mmsegmentation", mmseg, "backbone.",
              {"decode_head.conv_seg.weight": (19, 512, 1, 1), "auxiliary_head.conv_seg.bias": (19,)})
        write("paddleseg", paddleseg, "", {"out.weight": (2048, 1000), "out.bias": (1000,)})
        write("mmpretrain", mmpretrain, "backbone.", {"head.fc.weight": (1000, 2048), "head.fc.bias": (1000,)})
        write("encoder", lambda k: k, "module.encoder.model.", {"segmentation_head.0.weight": (19, 16, 3, 3)})
        half = floats[:len(floats) // 2]
        save_compressed(numbered(shapes[:len(half)], half), path("half-resnet50.pth"))
        v1c = {mmseg(k).replace("downsample.1.", "downsample.0.").replace("downsample.2.", "downsample.1."): v
               for k, v in numbered(shapes, floats).items()}
        save_compressed(v1c, path("v1c-resnet50.pth"))
    # The whole network, as the reference implementation saves it.
    sys.path.append("../Peer")
    import peer
    constants = torch.tensor([0.01, 0.0, 1.0])
    place = {"weight": 0, "bias": 1, "running_mean": 1, "running_var": 2}
    save_compressed({k: constants[place[k.rpartition(".")[2]]].expand(v.shape) if v.is_floating_point() else v
                     for k, v in peer.GatedSCNN("resnet50").state_dict().items()}, path("gscnn-resnet50.pth"))
    plain = torchvision.models.resnet50().state_dict()
    save_compressed(numbered([v.shape for v in plain.values()], list(plain)), path("torchvision-resnet50.pth"))


if __name__ == "__main__":
    torch.manual_seed(0)
    for folder, make in [("Fixtures/formats", formats), ("Fixtures/names", names)]:
        os.makedirs(folder, exist_ok=True)
        make(folder)
