"""The losses of `--class-weights`, `--ohem` and `--loss full`, stated with PyTorch in double precision, and the fixture
with which the tests check gscnn's.

Run by hand; needs torch and numpy.

    python Tests/Peer/losses.py Tests/KernelsTests/Fixtures/losses.json
"""
import base64
import json
import sys

import numpy as np
import torch
import torch.nn.functional as F

VOID = 255
VARIANTS = ["released", "paddle", "paper"]


# Random numbers: SplitMix64 in counter mode, as in Sources/Tensors/RandomNumbers.swift.

def mixed(z):
    with np.errstate(over="ignore"):
        z = (z ^ (z >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
        z = (z ^ (z >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
        return z ^ (z >> np.uint64(31))


GOLDEN = np.uint64(0x9E3779B97F4A7C15)


def fnv(name):
    value = 0xCBF29CE484222325
    for byte in name.encode():
        value = (value ^ byte) * 0x100000001B3 % 2 ** 64
    return value


def key(*words):
    result = np.uint64(0x6773636E6E203031)
    with np.errstate(over="ignore"):
        for word in words:
            result = mixed(result ^ mixed(np.uint64(word) + GOLDEN))
    return result


def uniform(key, count):
    with np.errstate(over="ignore"):
        bits = mixed(key + np.arange(1, count + 1, dtype=np.uint64) * GOLDEN)
    return (bits >> np.uint64(40)).astype(np.float64) / 2 ** 24


def noise(seed, step, sample, shape):
    """Gumbel noise of an image, [C, H, W]."""
    u = uniform(key(seed, fnv("dual task"), step, sample), int(np.prod(shape))).reshape(shape)
    return torch.from_numpy(-np.log(1e-10 - np.log(u + 1e-10)))


# The dual-task loss.

def mirrored(x, radius, axis):
    """Symmetric padding: the frame is repeated."""
    index = np.pad(np.arange(x.shape[axis]), radius, mode="symmetric")
    return x.index_select(axis, torch.from_numpy(index))


def filtered(x, weights, axis):
    radius = len(weights) // 2
    padded, count = mirrored(x, radius, axis), x.shape[axis]
    return sum(w * padded.narrow(axis, k, count) for k, w in enumerate(weights))


def derivative(x, axis):
    """numpy.gradient; 0 along an axis of one."""
    n = x.shape[axis]
    if n == 1:
        return torch.zeros_like(x)
    first = x.narrow(axis, 1, 1) - x.narrow(axis, 0, 1)
    last = x.narrow(axis, n - 1, 1) - x.narrow(axis, n - 2, 1)
    inside = (x.narrow(axis, 2, n - 2) - x.narrow(axis, 0, n - 2)) / 2
    return torch.cat([first, inside, last], axis)


def smoothed(x, weights):
    weights = np.array(weights) / np.sum(weights)
    return filtered(filtered(x, weights, 2), weights, 1)


def magnitude(x, variant):
    """m of planes, [C, H, W]."""
    if variant == "released":
        return torch.sqrt(2 * x ** 2 + 1e-6)
    if variant == "paddle":
        x = smoothed(x, [1, 2, 3, 4, 5, 4, 3, 2, 1])
        return torch.sqrt(derivative(x, 2) ** 2 + derivative(x, 1) ** 2 + 1e-6)
    x = smoothed(x, [np.exp(-k * k / 8) for k in range(-6, 7)])
    # Sobel: (1 2 1) across and the difference of both neighbors along, a quarter of it.
    dx = 2 * derivative(filtered(x, [0.25, 0.5, 0.25], 1), 2)
    dy = 2 * derivative(filtered(x, [0.25, 0.5, 0.25], 2), 1)
    squares = dx ** 2 + dy ** 2
    # The gradient is 0 where the magnitude is.
    positive = squares > 0
    return torch.where(positive, torch.sqrt(torch.where(positive, squares, 1) / 2), 0)


def dual_task(logits, labels, gumbel, variant, temperature):
    """Sum and number of terms of an image: logits [C, H, W], labels [H, W]."""
    classes = logits.shape[0]
    valid = labels != VOID
    if not valid.any():
        return logits.sum() * 0, 0
    g = torch.softmax((logits + gumbel) / temperature, 0) * valid
    h = torch.stack([(labels == c).double() for c in range(classes)])
    mg, mh = magnitude(g, variant), magnitude(h, variant)
    if variant == "paper":
        counted = valid & ((mg > 1e-3) | (mh > 1e-3))
        return ((mg - mh).abs() * counted).sum(), int(counted.sum())
    inside = mg.masked_fill(~valid, 0).flatten()
    maximum = inside[inside.argmax()]
    largest = mh.masked_fill(~valid, 0).max()
    if variant == "paddle" and len(labels.unique()) == 1:
        largest = np.sqrt(0.18 ** 2 + 1e-6)
    return ((mg / maximum - mh / largest).abs() * valid).sum(), classes * int(valid.sum())


# Cases.

def case(name, height, width, classes, labels, slope=None):
    """Two images of given labels. The logits are a function of the name, from −4 to 4, or those of two classes with a
    boundary in the middle of each row, from which they grow by `slope` a pixel."""
    count = 2 * height * width * classes
    z = (uniform(np.uint64(fnv(name)), count) * 8 - 4).astype(np.float32).reshape(2, height, width, classes)
    if slope:
        ramp = (slope * (np.arange(width) - (width - 1) / 2)).astype(np.float32)
        z = np.broadcast_to(np.stack([-ramp, ramp], -1), z.shape).copy()
    return dict(name=name, height=height, width=width, classes=classes, labels=labels, slope=slope, z=z)


def regions(height, width, classes, void):
    """Labels in regions, different ones for each image."""
    y, x = np.mgrid[:height, :width]
    first = (x // 3 + y // 4) % classes
    second = ((x - y) // 5 + (y > height // 2)) % classes
    if void:
        first[2:4, 3:6] = VOID
        second[-1, :] = VOID
        second[0, 0] = VOID
    return np.stack([first, second])


def cases():
    yield case("odd sizes and void pixels", 7, 11, 3, regions(7, 11, 3, True))
    yield case("wide", 3, 17, 2, regions(3, 17, 2, False))
    yield case(
        "one class in an image, none in the other", 5, 8, 3, np.stack([np.full((5, 8), 1), np.full((5, 8), VOID)]))
    yield case("a column", 11, 1, 2, regions(11, 1, 2, False) % 2)
    # Away from boundaries ζ is 0 in prediction and labels.
    halves = np.stack([np.tile(np.arange(27) >= boundary, (4, 1)) for boundary in (10, 17)]).astype(int)
    yield case("certain pixels", 4, 27, 2, halves, slope=4)


SEED, STEP, SAMPLES = 7, 3, [11, 2]


def dual_task_results():
    for item in cases():
        entry = {key: item[key] for key in ["name", "height", "width", "classes", "slope"]}
        entry["labels"] = base64.b64encode(item["labels"].astype(np.uint8).tobytes()).decode()
        entry["results"] = {}
        for variant in VARIANTS:
            temperature = 1 if variant == "paper" else 0.5
            z = torch.from_numpy(item["z"]).double().requires_grad_()
            sums = []
            terms = 0
            for index, sample in enumerate(SAMPLES):
                logits = z[index].permute(2, 0, 1)
                value, count = dual_task(
                    logits, torch.from_numpy(item["labels"][index]), noise(SEED, STEP, sample, logits.shape), variant,
                    temperature)
                sums.append(value)
                terms += count
            sum(sums).backward()
            entry["results"][variant] = dict(
                sums=[value.item() for value in sums], terms=terms,
                gradient=base64.b64encode(z.grad.numpy().astype("<f4").tobytes()).decode())
        yield entry


def weighted_results():
    """Semantic and task loss with class weights and hard example mining, and the gradient of their sum."""
    item = case("weights", 6, 11, 5, regions(6, 11, 5, True))
    labels = torch.from_numpy(item["labels"]).long()
    edge = torch.from_numpy(uniform(np.uint64(fnv("edge")), labels.numel()).reshape(labels.shape))
    weights = torch.tensor([1, 0.25, 3, 0, 1.5], dtype=torch.float64)
    entry = {key: item[key] for key in ["name", "height", "width", "classes"]}
    entry["labels"] = base64.b64encode(item["labels"].astype(np.uint8).tobytes()).decode()
    entry["weights"] = weights.tolist()
    entry["results"] = []
    for weight, mining in [(weights, None), (None, (0.3, 10)), (weights, (0.05, 21)), (None, (0.7, 100000))]:
        z = torch.from_numpy(item["z"]).double().requires_grad_()
        logits = z.permute(0, 3, 1, 2)
        counted = labels != VOID
        if mining:
            entropy = F.cross_entropy(logits, labels, ignore_index=VOID, reduction="none")
            p = torch.exp(-entropy).masked_fill(labels == VOID, 2).detach()
            for index in range(2):
                hardest = p[index][counted[index]].sort().values
                bound = hardest[min(mining[1], len(hardest)) - 1]
                counted[index] &= (p[index] < mining[0]) | (p[index] <= bound)
        semantic = F.cross_entropy(logits, labels.masked_fill(~counted, VOID), weight, ignore_index=VOID)
        task = F.cross_entropy(logits, labels.masked_fill(edge <= 0.8, VOID), weight, ignore_index=VOID)
        (semantic + task).backward()
        entry["results"].append(
            dict(
                weighted=weight is not None, threshold=mining and mining[0], minimumKept=mining and mining[1],
                kept=int(counted.sum()), semantic=semantic.item(), task=task.item(),
                gradient=base64.b64encode(z.grad.numpy().astype("<f4").tobytes()).decode()))
    return entry


if __name__ == "__main__":
    gumbel = noise(SEED, STEP, 5, (2, 3, 4)).flatten().tolist()
    fixture = dict(
        seed=SEED, step=STEP, samples=SAMPLES, gumbel=gumbel, dualTask=list(dual_task_results()),
        weighted=weighted_results())
    with open(sys.argv[1], "w") as file:
        json.dump(fixture, file, indent=1)
        file.write("\n")
