"""Compares gscnn's figures with those of cityscapesScripts, and writes the fixtures with which the tests do.

Run by hand; needs cityscapesscripts, numpy before 2.4 (the script uses in1d) and opencv-python-headless.

    gscnn evaluate --data-path DATA --model-weight MODEL --export PREDICTIONS --json FIGURES.json
    python official_figures.py compare FIGURES.json --data-path DATA --predictions PREDICTIONS [--split val]
        runs the official script on the same files and compares every figure, boundaries included, to the last bit
    python official_figures.py make-instances --data-path DATA [--split val]
        adds instance maps to synthetic streets, which have none: each connected area of a class is an instance
    python official_figures.py make-fixtures
        writes Fixtures/: two small images, predictions of them, and the official script's result
"""
import argparse
import glob
import json
import os
import sys
import warnings

import cv2
import numpy as np

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, os.path.join(HERE, "..", "MetricsTests"))
import boundary_figures  # noqa: E402

os.environ.setdefault("CITYSCAPES_DATASET", ".")
from cityscapesscripts.evaluation import evalPixelLevelSemanticLabeling as official  # noqa: E402
from cityscapesscripts.helpers.labels import id2label, labels  # noqa: E402

warnings.filterwarnings("ignore", category=DeprecationWarning)


def run_official(predictions, truths):
    """The official result of pairs of files, with per-image scores."""
    official.args.evalPixelAccuracy = True
    official.args.JSONOutput = False
    official.args.quiet = True
    result = official.evaluateImgLists(predictions, truths, official.args)
    # As its JSON file says it; NumPy 2 counts in int64, which the script cannot write.
    return json.loads(json.dumps(result, default=int))


def same(left, right):
    """Equal to the last bit; NaN equals NaN, and 1 does not equal 1.0."""
    if type(left) is not type(right):
        return False
    if isinstance(left, dict):
        return left.keys() == right.keys() and all(same(left[key], right[key]) for key in left)
    if isinstance(left, list):
        return len(left) == len(right) and all(map(same, left, right))
    return left == right or (left != left and right != right)


def count(value):
    if isinstance(value, dict):
        return sum(map(count, value.values()))
    return sum(map(count, value)) if isinstance(value, list) else 1


def compare(options):
    # The script adds in the order in which the folder lists the files; gscnn in the order of their names.
    truths = sorted(glob.glob(os.path.join(options.data_path, "gtFine", options.split, "*", "*_gtFine_labelIds.png")))
    predictions = [os.path.join(options.predictions, os.path.basename(truth).replace("_gtFine_labelIds", "_prediction"))
                   for truth in truths]
    with open(options.figures) as file:
        ours = json.load(file)
    theirs = run_official(predictions, truths)
    for name in theirs["perImageScores"]:
        for key in ("labeled_pixels", "correct_pixels", "mean_class_iou"):
            ours["perImageScores"].get(name, {}).pop(key, None)
    failures, figures = [], 0
    for key, value in theirs.items():
        figures += count(value)
        if not same(ours.get(key), value):
            failures.append(key)
    boundary = ours["boundary"]
    images = []
    for prediction, truth in zip(predictions, truths):
        train_ids = np.full(256, boundary_figures.IGNORED, np.uint8)
        for label in labels:
            if label.id >= 0 and not label.ignoreInEval:
                train_ids[label.id] = label.trainId
        pair = [train_ids[cv2.imread(path, cv2.IMREAD_UNCHANGED)] for path in (prediction, truth)]
        images.append(boundary_figures.counts(*pair, boundary["thresholds"]))
    scores = boundary_figures.scores(images)
    names = [label.name for label in labels if label.id >= 0 and not label.ignoreInEval]
    for key in ("mean_f", "gscnn_mean_f", "mean_iou"):
        figures += count(scores[key])
        if not same(boundary[key], scores[key]):
            failures.append("boundary." + key)
    for index, name in enumerate(names):
        expected = dict(f=[values[index] for values in scores["f"]],
                        gscnn_f=[values[index] for values in scores["gscnn_f"]], iou=scores["iou"][index])
        figures += count(expected)
        if not same(boundary["classes"][name], expected):
            failures.append(f"boundary.classes.{name}")
    for key in failures:
        print(f"{key}: differs")
    print(f"{len(truths)} images, {figures} figures: {'all equal' if not failures else f'{len(failures)} groups differ'}")
    return 1 if failures else 0


def instances(label_ids):
    """Instance ids of a label map: each connected area of a label with instances."""
    result = label_ids.astype(np.uint16)
    for label in labels:
        if not label.hasInstances or label.id < 0:
            continue
        number, areas = cv2.connectedComponents((label_ids == label.id).astype(np.uint8), connectivity=8)
        # The first area of a class is a group without instances, as Cityscapes has them, if there are many.
        for area in range(1, number):
            if not (number > 4 and area == 1):
                result[areas == area] = label.id * 1000 + area
    return result


def make_instances(options):
    pattern = os.path.join(options.data_path, "gtFine", options.split, "*", "*_gtFine_labelIds.png")
    for path in sorted(glob.glob(pattern)):
        cv2.imwrite(path.replace("labelIds", "instanceIds"), instances(cv2.imread(path, cv2.IMREAD_UNCHANGED)))


def make_fixtures(_):
    folder = os.path.join(HERE, "Fixtures")
    random = np.random.default_rng(5)
    truths, predictions = [], []
    for index, (height, width) in enumerate([(32, 48), (24, 40)]):
        some = [7, 8, 11, 23, 24, 25, 26, 27, 33] if index == 0 else [7, 4, 29, 26, 28, 21, 32, 9]
        truth = boundary_figures.areas(random, height, width, some, 14)
        prediction = truth.copy()
        y, x = random.integers(0, height, 40), random.integers(0, width, 40)
        for top, left in zip(y, x):
            prediction[top:top + 4, left:left + 5] = random.choice([7, 8, 11, 24, 25, 26, 28, 31, 33])
        train_ids = [label.id for label in labels if label.id >= 0 and not label.ignoreInEval]
        prediction[~np.isin(prediction, train_ids)] = 11
        name = f"town_00000{index}_000019"
        for kind, values in (("gtFine_labelIds", truth), ("gtFine_instanceIds", instances(truth)),
                             ("prediction", prediction)):
            cv2.imwrite(os.path.join(folder, f"{name}_{kind}.png"), values)
        truths.append(os.path.join(folder, f"{name}_gtFine_labelIds.png"))
        predictions.append(os.path.join(folder, f"{name}_prediction.png"))
    # What no data set has: an instance of road.
    cv2.imwrite(os.path.join(folder, "road_instance_instanceIds.png"), np.full((32, 48), 7005, np.uint16))
    result = run_official(predictions, truths)
    result["perImageScores"] = {os.path.basename(name): value for name, value in result["perImageScores"].items()}
    with open(os.path.join(folder, "official.json"), "w") as file:
        # One line a key; the layout of numbers is Python's.
        file.write("{\n" + ",\n".join(f'"{key}": {json.dumps(value, sort_keys=True, separators=(",", ":"))}'
                                      for key, value in sorted(result.items())) + "\n}\n")
    print({id2label[int(value) // 1000].name for path in truths
           for value in np.unique(cv2.imread(path.replace("labelIds", "instanceIds"), cv2.IMREAD_UNCHANGED))
           if value > 1000})


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    commands = parser.add_subparsers(required=True)
    command = commands.add_parser("compare")
    command.add_argument("figures")
    command.add_argument("--predictions", required=True)
    command.set_defaults(run=compare)
    other = commands.add_parser("make-instances")
    other.set_defaults(run=make_instances)
    for each in (command, other):
        each.add_argument("--data-path", required=True)
        each.add_argument("--split", default="val")
    commands.add_parser("make-fixtures").set_defaults(run=make_fixtures)
    options = parser.parse_args()
    sys.exit(options.run(options))
