"""Writes Fixtures/optimizer.json: updates and learning rates by PyTorch and timm, for SGDTests.

    python Tests/TrainingTests/make_optimizer_figures.py

Needs torch and timm. Everything is in double precision.
"""

import json
import math
import pathlib

import torch
from timm.optim import Lars

torch.set_default_dtype(torch.float64)

# A convolution and a batch norm of the backbone, and a layer of the head with a bias.
SIZES = {
    "regular_stream.backbone.conv1.weight": 12,
    "regular_stream.backbone.bn1.weight": 4,
    "regular_stream.backbone.bn1.bias": 4,
    "seg.6.weight": 6,
    "seg.6.bias": 2,
}
STEPS = 4


def number(name, index, step):
    """A number that Swift computes alike: step 0 gives the initial weights, others the gradients."""
    phase = list(SIZES).index(name) * 7 + index * 3 + step * 11
    value = math.sin(phase)
    return float(torch.tensor(value if step == 0 else value * 0.5 * step, dtype=torch.float32))


def parameters():
    return {n: torch.nn.Parameter(torch.tensor([number(n, i, 0) for i in range(c)])) for n, c in SIZES.items()}


def run(rule="sgd", rates=(0.1, 0.1, 0.05, 0.05), clip=None, no_decay=(), backbone=1.0, head=1.0, ema=None):
    """The weights after each step, and the norms of the gradients."""
    weights = parameters()
    groups = []
    for name, weight in weights.items():
        norm, bias = ".bn1." in name, name.endswith(".bias")
        decays = not (norm and "norm" in no_decay or bias and "bias" in no_decay)
        factor = backbone if name.startswith("regular_stream.") else head
        groups.append({"params": [weight], "weight_decay": 0.01 if decays else 0.0, "factor": factor})
    make = {"sgd": torch.optim.SGD, "lars": lambda *a, **k: Lars(*a, trust_coeff=0.02, eps=0.0, **k)}[rule]
    optimizer = make(groups, lr=0.1, momentum=0.9)
    average, after, norms = None, [], []
    for step in range(1, STEPS + 1):
        for name, weight in weights.items():
            weight.grad = torch.tensor([number(name, i, step) for i in range(SIZES[name])])
        norm = torch.nn.utils.clip_grad_norm_(weights.values(), clip if clip else math.inf)
        norms.append(float(norm))
        for group in optimizer.param_groups:
            group["lr"] = rates[step - 1] * group["factor"]
        optimizer.step()
        now = torch.cat([w.detach() for w in weights.values()])
        if ema:
            decay = min(1 - 1 / step, ema)
            average = now.clone() if average is None else torch.lerp(average, now, 1 - decay)
        after.append((average if ema else now).tolist())
    return {"norms": norms, "weights": after}


def schedules():
    """Rates by PyTorch's schedulers, one a step."""
    def rates(scheduler_of, steps):
        optimizer = torch.optim.SGD([torch.nn.Parameter(torch.zeros(1))], lr=0.1)
        scheduler = scheduler_of(optimizer)
        result = []
        for _ in range(steps):
            result.append(optimizer.param_groups[0]["lr"])
            optimizer.step()
            scheduler.step()
        return result

    lr = torch.optim.lr_scheduler
    return {
        "poly 0.9": rates(lambda o: lr.PolynomialLR(o, total_iters=20, power=0.9), 20),
        "warm-up": rates(
            lambda o: lr.SequentialLR(
                o,
                [lr.LinearLR(o, start_factor=0.1, total_iters=5), lr.PolynomialLR(o, total_iters=15, power=0.9)],
                milestones=[5],
            ),
            20,
        ),
    }


figures = {
    "sgd": run(),
    "clipped": run(clip=1.5),
    "no decay of norm and bias": run(no_decay=("norm", "bias")),
    "no decay of bias": run(no_decay=("bias",)),
    "factors": run(backbone=0.1, head=10.0, rates=(0.01, 0.01, 0.005, 0.005)),
    "lars": run(rule="lars", no_decay=("norm", "bias"), clip=1.5),
    "average": run(ema=0.6),
    "schedules": schedules(),
}
path = pathlib.Path(__file__).parent / "Fixtures/optimizer.json"
path.write_text(json.dumps(figures, indent=None, separators=(",", ":")) + "\n")
print(path, path.stat().st_size, "bytes")
