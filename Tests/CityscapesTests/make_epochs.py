"""Writes Fixtures/epochs.json: how samples are drawn and augmented, stated in Python.

Run by hand; needs numpy and scipy. The label maps are given by a formula that the tests have too.

- class centroids: those of NVIDIA's semantic-segmentation (datasets/uniform.py), with smaller tiles, and also of the tiles at
  the right and the bottom that are not whole
- class-uniform epochs: a share for each class that occurs, each centroid once before one comes again; the rest from all
  images; all of them shuffled
- augmentation: the numbers that each sample draws
"""
import json
import os

import numpy as np
import scipy.ndimage

HERE = os.path.dirname(os.path.abspath(__file__))
MASK = (1 << 64) - 1
CLASSES, SAMPLES, TILE = 9, 23, 16


def mixed(z):
    z = (z ^ z >> 30) * 0xBF58476D1CE4E5B9 & MASK
    z = (z ^ z >> 27) * 0x94D049BB133111EB & MASK
    return z ^ z >> 31


def fnv(name):
    key = 0xCBF29CE484222325
    for byte in name.encode():
        key = (key ^ byte) * 0x100000001B3 & MASK
    return key


class Random:
    """SplitMix64; the key is derived from words."""

    def __init__(self, *words):
        self.state = 0x6773636E6E203031
        for word in words:
            self.state = mixed(self.state ^ mixed(word + 0x9E3779B97F4A7C15 & MASK))

    def next(self):
        self.state = self.state + 0x9E3779B97F4A7C15 & MASK
        return mixed(self.state)

    def uniform(self, low=0.0, high=1.0):
        return low + (high - low) * ((self.next() >> 40) / 2**24)

    def below(self, bound):
        return self.next() * bound >> 64

    def permutation(self, count):
        order = list(range(count))
        for last in range(count - 1, 0, -1):
            other = self.below(last + 1)
            order[last], order[other] = order[other], order[last]
        return order


def label_map(sample):
    """Blocks of 8×8 pixels; class 6 occurs in one of them, classes 7 and 8 do not occur."""
    y, x = np.mgrid[0:40, 0 : 50 + sample]
    value = (y // 8 * 7 + x // 8 * 3 + sample * 5) % 11
    is_rare = (value == 6) & (sample == 10) & (y < 16) & (x < 16)
    return np.where((value < 6) | is_rare, value, 255).astype(np.uint8)


def tiles(labels):
    height, width = labels.shape
    for top in range(0, height, TILE):
        for left in range(0, width, TILE):
            part = labels[top : top + TILE, left : left + TILE]
            for train_id in range(CLASSES):
                if train_id in part:
                    row, column = scipy.ndimage.center_of_mass(part == train_id)
                    yield train_id, int(row) + top, int(column) + left


def epoch_of(places, seed, epoch, fraction):
    each = int(SAMPLES * fraction / CLASSES)
    draws = []
    for train_id in range(CLASSES):
        if places[train_id]:
            order = Random(seed, fnv("class-uniform"), epoch, train_id).permutation(len(places[train_id]))
            draws += [places[train_id][order[number % len(order)]] for number in range(each)]
    order = Random(seed, fnv("epoch order"), epoch).permutation(SAMPLES)
    draws += [[sample, -1, -1] for sample in order[: SAMPLES - len(draws)]]
    shuffled = [draws[place] for place in Random(seed, fnv("class-uniform order"), epoch, 0).permutation(SAMPLES)]
    return [[*draw, sum(other[0] == draw[0] for other in shuffled[:place])] for place, draw in enumerate(shuffled)]


def augmentation(seed, epoch, index, occurrence, centroid, image, crop, scales, distort, blur):
    def stream(purpose):
        return Random(seed, fnv(purpose), epoch, index, *([occurrence] if occurrence else []))

    random = stream("augmentation")
    if isinstance(scales, list):
        scale = scales[random.below(len(scales))]
    elif scales["step"]:
        factors = np.linspace(scales["low"], scales["high"], int((scales["high"] - scales["low"]) / scales["step"] + 1))
        scale = float(factors[random.below(len(factors))])
    else:
        scale = random.uniform(scales["low"], scales["high"])
    first = []
    for axis in range(2):
        length = int(round(scale * image[axis]))  # halves to even
        last = max(length - crop[axis], 0)
        low, high = 0, last
        if centroid:
            pixel = min(int((centroid[axis] + 0.5) * scale), length - 1)
            low, high = max(pixel - crop[axis] + 1, 0), min(pixel, last)
        first.append(low + random.below(high - low + 1))
    flip = bool(random.below(2))
    changes = []
    if distort:
        random = stream("distortion")
        order = random.permutation(4)
        drawn = [(random.uniform() < distort["probability"], random.uniform(-1, 1)) for _ in range(4)]
        for kind in order:
            name = ("brightness", "contrast", "saturation", "hue")[kind]
            is_chosen, place = drawn[kind]
            if is_chosen and distort.get(name):
                amount = distort[name] * place if name == "hue" else float(np.float32(1 + distort[name] * place))
                changes.append({"kind": name, "amount": amount})
    sigma = stream("blur").uniform(*blur) if blur else 0
    return {"index": index, "occurrence": occurrence, "centroid": centroid or [], "scale": scale, "row": first[0],
            "column": first[1], "flip": flip, "colors": changes, "blur": sigma}


def main():
    places = [[] for _ in range(CLASSES)]
    pixels = [0] * CLASSES
    for sample in range(SAMPLES):
        labels = label_map(sample)
        for train_id in range(CLASSES):
            pixels[train_id] += int((labels == train_id).sum())
        for train_id, row, column in tiles(labels):
            places[train_id].append([sample, row, column])
    epochs = [{"seed": seed, "epoch": epoch, "fraction": fraction, "draws": epoch_of(places, seed, epoch, fraction)}
              for seed, epoch, fraction in ((1, 0, 1.0), (1, 1, 1.0), (7, 0, 0.5))]
    cases = []
    for text, scales, distort, blur in (
        ("--scale 0.5,1,2", [0.5, 1, 2], None, None),
        ("--scale 0.7..1.9 --distort brightness=0.4,contrast=0.4,saturation=0.4,hue=18 --blur 0.15..1.3",
         {"low": 0.7, "high": 1.9, "step": 0},
         {"brightness": 0.4, "contrast": 0.4, "saturation": 0.4, "hue": 18, "probability": 0.5}, (0.15, 1.3)),
        ("--scale 0.5..2:0.25 --distort contrast=1,hue=128,probability=0.8", {"low": 0.5, "high": 2, "step": 0.25},
         {"contrast": 1, "hue": 128, "probability": 0.8}, None),
    ):
        samples = []
        for index in range(8):
            centroid = [[], [31, 60], [0, 0], [99, 149]][index % 4]
            samples.append(augmentation(5, 3, index, index // 4, centroid, (100, 150), (64, 80), scales, distort, blur))
        cases.append({"options": text, "samples": samples})
    with open(os.path.join(HERE, "Fixtures", "epochs.json"), "w") as file:
        json.dump({"pixels": pixels, "places": places, "epochs": epochs, "cases": cases}, file, separators=(",", ":"))
        file.write("\n")


main()
