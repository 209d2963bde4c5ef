"""Writes Fixtures/batch_norm_groups.json: batch norm over groups of images, as PyTorch computes it.

Run by hand; needs torch. Each group of consecutive images goes through a torch.nn.BatchNorm2d of its own, in double
precision, all with the same gamma, beta and running statistics. The gradients of gamma and beta are the sums over the
groups, the running statistics the means.
"""
import json
import os

import torch

CASES = [  # images, groups, channels, height, width, whether a residual is added before the ReLU
    (4, 2, 3, 2, 3, True),
    (6, 3, 1, 1, 3, False),
]


def eighths(generator, *shape):
    """Multiples of 1/8, exact in single precision and in the file."""
    return torch.randint(-16, 17, shape, generator=generator).double() / 8


def dense(tensor):
    """[N, C, H, W] in the order [N, H, W, C]."""
    return [round(x, 9) for x in tensor.detach().permute(0, 2, 3, 1).flatten().tolist()]


def case(images, groups, channels, height, width, residual):
    generator = torch.Generator().manual_seed(images)
    shape = (images, channels, height, width)
    x = eighths(generator, *shape).requires_grad_()
    shortcut = eighths(generator, *shape).requires_grad_()
    dy = eighths(generator, *shape)
    gamma, beta, mean = (eighths(generator, channels) + 1 / 16 for _ in range(3))
    variance = 1 + eighths(generator, channels).abs()
    norms = []
    outputs = []
    for part, other in zip(x.chunk(groups), shortcut.chunk(groups)):
        norm = torch.nn.BatchNorm2d(channels).double()
        norm.weight.data.copy_(gamma)
        norm.bias.data.copy_(beta)
        norm.running_mean.copy_(mean)
        norm.running_var.copy_(variance)
        outputs.append(torch.relu(norm(part) + (other if residual else 0)))
        norms.append(norm)
    torch.cat(outputs).backward(dy)

    def vector(values):
        return [round(v, 9) for v in values.tolist()]

    return {
        "shape": [images, height, width, channels], "groups": groups, "residual": residual,
        "x": dense(x), "shortcut": dense(shortcut), "dy": dense(dy),
        "gamma": vector(gamma), "beta": vector(beta), "mean": vector(mean), "variance": vector(variance),
        "y": dense(torch.cat(outputs)), "dx": dense(x.grad),
        "dshortcut": dense(shortcut.grad) if residual else [],
        "dgamma": vector(sum(norm.weight.grad for norm in norms)),
        "dbeta": vector(sum(norm.bias.grad for norm in norms)),
        "newMean": vector(sum(norm.running_mean for norm in norms) / groups),
        "newVariance": vector(sum(norm.running_var for norm in norms) / groups),
    }


here = os.path.dirname(os.path.abspath(__file__))
with open(os.path.join(here, "Fixtures", "batch_norm_groups.json"), "w") as file:
    file.write("[\n" + ",\n".join(json.dumps(case(*c), separators=(",", ":")) for c in CASES) + "\n]\n")
