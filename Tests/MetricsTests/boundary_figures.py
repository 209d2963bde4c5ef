"""Boundary F-score and boundary IoU, stated with NumPy and OpenCV, and the fixture with which the tests check gscnn's.

Run by hand; needs numpy and opencv-python-headless.

    python boundary_figures.py --make-fixture Fixtures/boundary.json
"""
import argparse
import json
import os

import cv2
import numpy as np

CLASSES = 19
IGNORED = 255
THRESHOLDS = [0.00088, 0.001875, 0.00375, 0.005]
RATIO = 0.005


def diagonal(shape):
    return np.linalg.norm(np.array(shape[:2], dtype=float))


def radius(threshold, shape):
    return int(threshold) if threshold >= 1 else int(np.ceil(threshold * diagonal(shape)))


def boundary(mask):
    """Pixels that differ from their right, lower or lower right neighbor."""
    result = np.zeros(mask.shape, bool)
    result[:, :-1] |= mask[:, :-1] != mask[:, 1:]
    result[:-1, :] |= mask[:-1, :] != mask[1:, :]
    result[:-1, :-1] |= mask[:-1, :-1] != mask[1:, 1:]
    return result


def dilated(mask, radius):
    y, x = np.mgrid[-radius:radius + 1, -radius:radius + 1]
    disk = (x * x + y * y <= radius * radius).astype(np.uint8)
    return cv2.dilate(mask.astype(np.uint8), disk, borderType=cv2.BORDER_CONSTANT, borderValue=0) > 0


def counts(prediction, truth, thresholds=THRESHOLDS, ratio=RATIO):
    """The counts of one image: class by class, over all thresholds."""
    prediction = np.where(truth == IGNORED, IGNORED, prediction)
    radii = [radius(threshold, truth.shape) for threshold in thresholds]
    distance = max(int(round(ratio * diagonal(truth.shape))), 1)
    result = dict(radii=radii, distance=distance, predicted=[], truth=[], predictedMatches=[[] for _ in radii],
                  truthMatches=[[] for _ in radii], regionIntersection=[], regionUnion=[])
    for index in range(CLASSES):
        masks = prediction == index, truth == index
        ours, theirs = (boundary(mask) for mask in masks)
        result["predicted"].append(int(ours.sum()))
        result["truth"].append(int(theirs.sum()))
        for at, r in enumerate(radii):
            result["predictedMatches"][at].append(int((ours & dilated(theirs, r)).sum()))
            result["truthMatches"][at].append(int((theirs & dilated(ours, r)).sum()))
        regions = []
        for mask in masks:
            framed = cv2.copyMakeBorder(mask.astype(np.uint8), 1, 1, 1, 1, cv2.BORDER_CONSTANT, value=0)
            eroded = cv2.erode(framed, np.ones((3, 3), np.uint8), iterations=distance)[1:-1, 1:-1]
            regions.append(mask & (eroded == 0))
        result["regionIntersection"].append(int((regions[0] & regions[1]).sum()))
        result["regionUnion"].append(int((regions[0] | regions[1]).sum()))
    return result


def f_score(image, at, index):
    predicted, truth = image["predicted"][index], image["truth"][index]
    if predicted == 0 or truth == 0:
        return 1.0 if predicted == truth else 0.0
    precision, recall = image["predictedMatches"][at][index] / predicted, image["truthMatches"][at][index] / truth
    return 0.0 if precision + recall == 0 else 2 * precision * recall / (precision + recall)


def total(values):
    """Added one after another: `sum` of Python 3.12 and later compensates for rounding."""
    result = 0.0
    for value in values:
        result += value
    return result


def mean(values):
    values = [value for value in values if value is not None]
    return total(values) / len(values) if values else None


def scores(images):
    """The figures of a split from the counts of its images, under the names of `gscnn evaluate --json`."""
    thresholds = range(len(images[0]["radii"]))
    result = dict(f=[], gscnn_f=[], mean_f=[], gscnn_mean_f=[])
    for at in thresholds:
        present, official = [], []
        for index in range(CLASSES):
            values = [f_score(image, at, index) for image in images]
            official.append(total(values) / len(images))
            present.append(mean([value if image["predicted"][index] or image["truth"][index] else None
                                 for value, image in zip(values, images)]))
        result["f"].append(present)
        result["gscnn_f"].append(official)
        result["mean_f"].append(mean(present))
        result["gscnn_mean_f"].append(mean(official))
    inside = [sum(image["regionIntersection"][index] for image in images) for index in range(CLASSES)]
    whole = [sum(image["regionUnion"][index] for image in images) for index in range(CLASSES)]
    result["iou"] = [a / b if b else None for a, b in zip(inside, whole)]
    result["mean_iou"] = mean(result["iou"])
    return result


def areas(random, height, width, classes, rectangles):
    """Rectangles of random classes."""
    result = np.full((height, width), random.choice(classes), np.uint8)
    for _ in range(rectangles):
        y, x = random.integers(0, height), random.integers(0, width)
        result[y:y + random.integers(1, height + 1), x:x + random.integers(1, width + 1)] = random.choice(classes)
    return result


def cases():
    random = np.random.default_rng(11)
    noise = lambda *shape, classes=19: random.integers(0, classes, shape).astype(np.uint8)
    everything = list(range(CLASSES)) + [IGNORED]
    yield "areas", areas(random, 24, 40, everything[:6], 9), areas(random, 24, 40, [0, 1, 2, 7, IGNORED], 9)
    yield "wider than a word", areas(random, 8, 150, [3, 4], 6), areas(random, 8, 150, [3, 4, IGNORED], 6)
    yield "noise", noise(12, 21), noise(12, 21)
    yield "noise of two classes", noise(17, 40, classes=2), noise(17, 40, classes=2)
    yield "a row", noise(1, 90, classes=3), noise(1, 90, classes=3)
    yield "a column", noise(25, 1, classes=2), noise(25, 1, classes=2)
    yield "a pixel", noise(1, 1), noise(1, 1)
    yield "one class", np.full((5, 7), 5, np.uint8), np.full((5, 7), 5, np.uint8)
    yield "another class", np.full((5, 7), 5, np.uint8), np.full((5, 7), 6, np.uint8)
    yield "all ignored", noise(5, 7), np.full((5, 7), IGNORED, np.uint8)
    lonely = np.zeros((12, 80), np.uint8)
    lonely[3, 2], far = 8, np.zeros((12, 80), np.uint8)
    far[9, 70] = 8
    yield "far apart", lonely, far
    # A distance of exactly 5, along 3 columns and 4 rows.
    exact = np.zeros((12, 80), np.uint8)
    exact[7, 5] = 8
    yield "just within reach", lonely, exact


def letters(trainIds):
    return ["".join("." if value == IGNORED else chr(97 + value) for value in row) for row in trainIds]


def compact(value):
    return json.dumps(value, separators=(",", ":"))


def make_fixture(path):
    images = os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "ImageFixtures", "Fixtures")
    pair = [cv2.imread(os.path.join(images, name), cv2.IMREAD_UNCHANGED)
            for name in ("prediction_trainIds.png", "labelTrainIds.png")]
    fixture = dict(street=dict(thresholds=[0.00088, 0.01, 3, 12, 40], ratio=0.02), cases=[])
    fixture["street"]["counts"] = counts(*pair, fixture["street"]["thresholds"], fixture["street"]["ratio"])
    thresholds, ratio = [5, 0.02], 0.03
    fixture.update(thresholds=thresholds, ratio=ratio)
    for name, prediction, truth in cases():
        fixture["cases"].append(dict(name=name, prediction=letters(prediction), truth=letters(truth),
                                     counts=counts(prediction, truth, thresholds, ratio)))
    fixture["scores"] = scores([case["counts"] for case in fixture["cases"]])
    with open(path, "w") as file:
        file.write("{\n")
        parts = [f'"{key}": {compact(value)}' for key, value in fixture.items() if key != "cases"]
        parts.append('"cases": [\n' + ",\n".join(compact(case) for case in fixture["cases"]) + "\n]")
        file.write(",\n".join(parts) + "\n}\n")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--make-fixture", metavar="FILE", required=True)
    make_fixture(parser.parse_args().make_fixture)
