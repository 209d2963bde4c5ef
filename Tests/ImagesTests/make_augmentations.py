"""Writes Fixtures/augmentations.json: images resized by OpenCV, with colors changed by Pillow, and blurred by SciPy.

Run by hand; needs numpy, opencv-python-headless, pillow, scipy, scikit-image and xxhash. The images are those of
Tests/ImageFixtures, and one that has each of the 2^24 colors once. Large results are there as their XXH64.

- color changes: as PaddleSeg's RandomDistort makes them (paddleseg/transforms/functional.py)
- blur: scipy.ndimage.gaussian_filter in double precision, as skimage.filters.gaussian and nv-tlabs' RandomGaussianBlur call
  it, rounded to the nearest byte, halves to even (nv-tlabs truncates)
"""
import base64
import json
import os

import cv2
import numpy as np
import scipy.ndimage
import skimage.filters
import xxhash
from PIL import Image, ImageEnhance

HERE = os.path.dirname(os.path.abspath(__file__))
IMAGES = os.path.join(HERE, "..", "ImageFixtures", "Fixtures")
FACTORS = (0.1, 0.3, 0.4567, 0.6, 0.7, 0.75, 0.813, 1.0007, 1.1, 1.25, 1.499, 1.75, 1.99, 2.6, 3)


def read(name):
    return np.asarray(Image.open(os.path.join(IMAGES, name + ".png")))


def digest(array):
    return xxhash.xxh64(np.ascontiguousarray(array).tobytes()).hexdigest()


def changed(image, kind, amount):
    picture = Image.fromarray(image)
    if kind == "hue":
        hsv = np.array(picture.convert("HSV"))
        hsv[:, :, 0] = hsv[:, :, 0] + np.float64(amount)  # assigned to bytes: truncated, wraps around
        return np.asarray(Image.fromarray(hsv, mode="HSV").convert("RGB"))
    enhance = {"brightness": ImageEnhance.Brightness, "contrast": ImageEnhance.Contrast, "saturation": ImageEnhance.Color}
    return np.asarray(enhance[kind](picture).enhance(amount))


def blurred(image, sigma):
    result = scipy.ndimage.gaussian_filter(image.astype(np.float64), (sigma, sigma, 0), mode="nearest", truncate=4)
    same = skimage.filters.gaussian(image, sigma, channel_axis=2) * 255
    assert np.abs(result - same).max() < 1e-9
    return np.rint(result).astype(np.uint8)


def main():
    image, labels, tiles = read("image"), read("labelTrainIds"), read("tiles")
    resized = []
    for factor in FACTORS:
        linear = cv2.resize(image, None, fx=factor, fy=factor, interpolation=cv2.INTER_LINEAR)
        nearest = cv2.resize(labels, None, fx=factor, fy=factor, interpolation=cv2.INTER_NEAREST)
        resized.append({"factor": factor, "height": linear.shape[0], "width": linear.shape[1],
                        "linear": digest(linear), "nearest": digest(nearest)})
    number = np.arange(1 << 24, dtype=np.uint32)
    every = np.stack([number >> 16, number >> 8 & 255, number & 255], 1).astype(np.uint8).reshape(4096, 4096, 3)
    amounts = {
        "brightness": (0, 0.6, 0.93, 1, 1.2, 1.4, 2), "contrast": (0, 0.6, 0.93, 1, 1.2, 1.4, 2),
        "saturation": (0, 0.6, 0.93, 1, 1.2, 1.4, 2), "hue": (0, 0.4, -0.4, 17.9, -17.9, 64.5, -128)}
    colors = [{"kind": kind, "amount": amount, "image": digest(changed(image, kind, amount)),
               "every": digest(changed(every, kind, amount))} for kind in amounts for amount in amounts[kind]]
    chain = image
    steps = (("contrast", 1.3), ("hue", -7.25), ("saturation", 0.7), ("brightness", 1.1))
    for kind, amount in steps:
        chain = changed(chain, kind, amount)
    blurs = [{"sigma": sigma, "pixels": base64.b64encode(blurred(tiles, sigma).tobytes()).decode()}
             for sigma in (0.1, 0.15, 0.4, 0.725, 1.3, 5)]
    with open(os.path.join(HERE, "Fixtures", "augmentations.json"), "w") as file:
        json.dump({"resized": resized, "colors": colors,
                   "chain": {"steps": [{"kind": kind, "amount": amount} for kind, amount in steps],
                             "image": digest(chain)}, "blurs": blurs}, file, indent=1)
        file.write("\n")


main()
