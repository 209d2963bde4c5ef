"""Writes Fixtures/*-autocast.json: how far PyTorch's bfloat16 autocast is off the exact results of the parity tests.

Run by hand; needs torch, timm, numpy and safetensors. Each value has the largest distance of 32 runs, relative to the
exact value; gradients that are zero in exact arithmetic relative to that of the convolution's weight. The runs are
contiguous and channels_last, with the instructions of AVX512-BF16 and without, each with the images as they are and
with seven samples of noise of 1e-5: a hundredth of what bfloat16 rounds off, but after a few layers everything is
rounded differently. A single run says little of a value that is one number: its error may be small by chance.
"""
import json
import os
import subprocess
import sys

import numpy as np
import torch
from safetensors.numpy import load_file

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, os.path.join(HERE, "..", "Peer"))
import peer  # noqa: E402
from formula import fill, uniform  # noqa: E402

FIXTURES = os.path.join(HERE, "Fixtures")
FORMATS = (torch.contiguous_format, torch.channels_last)
SAMPLES = 8


def inputs(images, height, width, noise):
    """Image, Canny edges, labels in blocks of 8x8 pixels of one class, where 19 stands for the ignored 255, boundary.

    The image has noise in every sample but the first, 0.
    """
    rows, columns = -(-height // 8), -(-width // 8)
    image = 2 * uniform("input.image", images * 3 * height * width).reshape(images, 3, height, width)
    if noise > 0:
        image *= 1 + 1e-5 * np.random.default_rng(noise).standard_normal(image.shape)
    canny = uniform("input.canny", images * height * width).reshape(images, 1, height, width) > 0.8
    labels = np.floor((uniform("input.labels", images * rows * columns) + 1) / 2 * 20).astype(np.int64)
    labels[labels == 19] = 255
    labels = labels.reshape(images, rows, columns).repeat(8, 1).repeat(8, 2)[:, :height, :width]
    boundary = uniform("input.boundary", images * height * width).reshape(images, height, width) > 0.7
    return (torch.from_numpy(image).float(), torch.from_numpy(canny).float(), torch.from_numpy(labels.copy()),
            torch.from_numpy(boundary).float())


def sample(values):
    flat = values.detach().flatten()
    return flat[:: max(1, flat.numel() // 64)][:64].clone()


def forward(model, image, canny):
    with torch.autocast("cpu", dtype=torch.bfloat16):
        seg, edge = model(image, canny)
    return seg.float(), edge.float()


def train(backbone, memory_format, noise):
    model = fill(peer.GatedSCNN(backbone)).to(memory_format=memory_format).train()
    image, canny, target, boundary = inputs(2, 96, 128, noise)
    optimizer = torch.optim.SGD(model.parameters(), lr=1e-2, momentum=0.9, weight_decay=1e-4)
    out, losses = {}, []
    for step in range(5):
        seg, edge = forward(model, image.to(memory_format=memory_format), canny)
        loss, parts = peer.total_loss(seg, edge, target, boundary)
        optimizer.zero_grad()
        loss.backward()
        losses.append([loss.item(), *(part.item() for part in parts)])
        if step == 0:
            out["seg"], out["edge"] = seg.detach(), edge.detach()
            for name, parameter in model.named_parameters():
                if parameter.grad is not None:
                    out["grad_norm/" + name] = parameter.grad.norm()[None]
                    out["grad_sample/" + name] = sample(parameter.grad)
            for name, buffer in model.named_buffers():
                if name.endswith(("running_mean", "running_var")):
                    out["buffer/" + name] = buffer.clone()
        optimizer.step()
    out |= {"after/" + name: sample(parameter) for name, parameter in model.named_parameters()}
    out["losses"] = torch.tensor(losses)
    return {name: value.numpy() for name, value in out.items()}


def evaluate(backbone, memory_format, noise):
    model = fill(peer.GatedSCNN(backbone)).to(memory_format=memory_format).eval()
    image, canny, *_ = inputs(1, 75, 101, noise)
    with torch.no_grad():
        seg, edge = forward(model, image.to(memory_format=memory_format), canny)
    return {"seg": seg.numpy(), "edge": edge.numpy()}


def distances(backbone, part, result):
    exact = load_file(os.path.join(FIXTURES, f"{backbone}-{part}.safetensors"))
    spread = json.load(open(os.path.join(FIXTURES, f"{backbone}-spread.json")))[part]

    def distance(name):
        difference = np.linalg.norm(result[name].astype(np.float64) - exact[name])
        size = exact[name]
        if spread[name] is None:
            size = exact["grad_norm/" + name.split("/")[1].replace(".bias", ".weight")]
        return difference / np.linalg.norm(size.astype(np.float64))

    return {name: distance(name) for name in spread}


def measure():
    """The largest distance of the layouts of memory and samples of noise, on the instructions of this process."""
    found = {}
    for backbone, part, run in (("resnet50", "train", train), ("resnet50", "eval", evaluate),
                                ("resnet101", "eval", evaluate)):
        runs = [distances(backbone, part, run(backbone, memory_format, noise))
                for memory_format in FORMATS for noise in range(SAMPLES)]
        found.setdefault(backbone, {})[part] = {name: max(run[name] for run in runs) for name in runs[0]}
    return found


def main():
    if len(sys.argv) > 1:
        return print(json.dumps(measure()))
    runs = []
    for instructions in ("AVX512_CORE_BF16", "AVX512_CORE_VNNI"):
        environment = {**os.environ, "ONEDNN_MAX_CPU_ISA": instructions}
        process = subprocess.run([sys.executable, __file__, "measure"], env=environment, capture_output=True, check=True)
        runs.append(json.loads(process.stdout.splitlines()[-1]))
    for backbone, parts in runs[0].items():
        largest = {part: {name: float("%.3g" % max(run[backbone][part][name] for run in runs)) for name in values}
                   for part, values in parts.items()}
        with open(os.path.join(FIXTURES, f"{backbone}-autocast.json"), "w") as file:
            json.dump(largest, file, indent=0)


main()
