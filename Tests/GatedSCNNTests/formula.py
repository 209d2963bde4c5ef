"""Weights and inputs by formula, which the tests have too (FormulaValues)."""
import numpy as np
import torch


def uniform(name, count):
    """`count` numbers in [-1, 1): SplitMix64 of the name's FNV-1a hash + i, the top 24 bits."""
    key = 0xCBF29CE484222325
    for byte in name.encode():
        key = (key ^ byte) * 0x100000001B3 & (1 << 64) - 1
    with np.errstate(over="ignore"):
        z = np.uint64(key) + np.arange(1, count + 1, dtype=np.uint64) * np.uint64(0x9E3779B97F4A7C15)
        z = (z ^ z >> np.uint64(30)) * np.uint64(0xBF58476D1CE4E5B9)
        z = (z ^ z >> np.uint64(27)) * np.uint64(0x94D049BB133111EB)
        z = z ^ z >> np.uint64(31)
    return (z >> np.uint64(40)).astype(np.float64) / 2.0**23 - 1


def weight(name, shape):
    u = uniform(name, int(np.prod(shape))).reshape(shape)
    if name.endswith("running_mean"):
        return 0.1 * u
    if name.endswith("running_var"):
        return 1 + 0.25 * u
    if len(shape) == 4:
        return u * (6 / np.prod(shape[1:])) ** 0.5 * 0.7
    if name.endswith("bias"):
        return 0.1 * u
    damped = name.endswith("bn3.weight") or name.startswith("shape_stream.res") and name.endswith("bn2.weight")
    return (0.2 if damped else 1) * (1 + 0.25 * u)


def fill(model, factors={}):
    """Sets the weights of a network; those that `factors` names are multiplied by a number."""
    for name, value in model.state_dict().items():
        if value.dtype.is_floating_point:
            values = factors.get(name, 1) * weight(name, tuple(value.shape))
            value.copy_(torch.from_numpy(values.astype(np.float32)).to(value))
    return model
