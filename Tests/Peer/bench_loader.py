"""The Python equivalent of `gscnn bench loader`: PNG files to normalized crops, on one thread.

    python bench_loader.py --data-path FOLDER [--batch 2 --crop 512 --steps 30] [--decoder opencv|pillow]

FOLDER must be prepared (`gscnn prepare`). OpenCV resizes, and decodes by default. Only the part of the image inside the
crop is resized, an optimization that most loaders lack. Prints one line of JSON.
"""
import argparse
import glob
import json
import os
import time

import cv2
import numpy as np
from PIL import Image

MEAN = np.array([0.485, 0.456, 0.406], np.float32)
DEVIATION = np.array([0.229, 0.224, 0.225], np.float32)


def decode(path, gray, decoder):
    if decoder == "pillow":
        return np.asarray(Image.open(path))
    image = cv2.imread(path, cv2.IMREAD_GRAYSCALE if gray else cv2.IMREAD_COLOR)
    return image if gray else cv2.cvtColor(image, cv2.COLOR_BGR2RGB)


def resized_crop(image, factor, top, left, height, width, interpolation):
    """The crop at (`top`, `left`) of the resized image, computed from the pixels that it needs."""
    if factor == 1:
        return image[top : top + height, left : left + width]
    step = round(1 / factor) if factor < 1 else 1
    margin = 0 if factor < 1 else 1
    first = [max(int(start / factor) - margin, 0) for start in (top, left)]
    last = [int((start + count) / factor) + margin * step + (factor > 1)
            for start, count in ((top, height), (left, width))]
    part = image[first[0] : last[0], first[1] : last[1]]
    part = cv2.resize(part, None, fx=factor, fy=factor, interpolation=interpolation)
    top, left = top - int(first[0] * factor), left - int(first[1] * factor)
    return part[top : top + height, left : left + width]


def load(paths, crop, random, decoder):
    image = decode(paths[0], False, decoder)
    maps = [decode(path, True, decoder) for path in paths[1:]]
    factor = (0.5, 1, 2)[random.integers(3)]
    resized = [round(side * factor) for side in image.shape[:2]]
    top, left = (int(random.integers(max(side - crop, 0) + 1)) for side in resized)
    height, width = (min(crop, side) for side in resized)
    image = resized_crop(image, factor, top, left, height, width, cv2.INTER_LINEAR)
    maps = [resized_crop(each, factor, top, left, height, width, cv2.INTER_NEAREST) for each in maps]
    if random.integers(2):
        image, maps = image[:, ::-1], [each[:, ::-1] for each in maps]
    normalized = np.zeros((crop, crop, 3), np.float32)
    normalized[:height, :width] = (image.astype(np.float32) / 255 - MEAN) / DEVIATION
    target = np.full((crop, crop), 255, np.uint8)
    target[:height, :width] = maps[0]
    canny = np.zeros((crop, crop, 1), np.float32)
    canny[:height, :width, 0] = maps[1] != 0
    boundary = np.zeros((crop, crop), np.uint8)
    boundary[:height, :width] = maps[2] != 0
    return normalized, canny, target, boundary


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data-path", required=True)
    parser.add_argument("--batch", type=int, default=2)
    parser.add_argument("--crop", type=int, default=512)
    parser.add_argument("--steps", type=int, default=30)
    parser.add_argument("--decoder", choices=["opencv", "pillow"], default="opencv")
    options = parser.parse_args()
    cv2.setNumThreads(1)
    images = sorted(glob.glob(os.path.join(options.data_path, "leftImg8bit/train/*/*_leftImg8bit.png")))
    if not images:
        parser.error(f"{options.data_path}: holds no training images")
    samples = []
    for path in images:
        truth = path.replace("leftImg8bit/train", "prepared/train").replace("_leftImg8bit.png", "_gtFine_")
        samples.append([path] + [f"{truth}{name}.png" for name in ("labelTrainIds", "grad", "boundary")])
    random, seconds, busy = np.random.default_rng(1), [], 0.0
    for step in range(options.steps + 1):
        begin, busy_begin = time.perf_counter(), time.process_time()
        batch = [load(samples[(step * options.batch + n) % len(samples)], options.crop, random, options.decoder)
                 for n in range(options.batch)]
        _ = [np.stack(part) for part in zip(*batch)]
        if step:
            seconds.append(round(time.perf_counter() - begin, 6))
            busy += time.process_time() - busy_begin
    loaded = options.steps * options.batch
    print(json.dumps({
        "bench": "loader", "decoder": options.decoder, "images": options.batch, "seconds": seconds,
        "images_per_second": round(loaded / sum(seconds), 2), "cpu_seconds_per_image": round(busy / loaded, 6),
        "opencv": cv2.__version__, "numpy": np.__version__}))


if __name__ == "__main__":
    main()
