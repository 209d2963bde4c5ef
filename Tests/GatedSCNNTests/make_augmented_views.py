"""Writes Fixtures/augmented_views.safetensors: predictions with several scales, mirrored and in windows, as PyTorch states them.

Run by hand; needs torch, timm, numpy, opencv-python-headless and safetensors. The network is that of Tests/Peer, with the
weights and the image by formula that the tests have too. The rules are those of mmsegmentation:

- window: logits of overlapping windows are added and divided by their number (slide_inference)
- scale, flip: the 8-bit image is resized and mirrored, its logits are resized to the image's size and mirrored back, and
  the softmax of all views is averaged (SegTTAModel)

The Canny edges are those of the image that the network sees; a window takes its part of them.
"""
import os
import sys

import cv2
import numpy as np
import torch
import torch.nn.functional as F
from safetensors.numpy import save_file

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, os.path.join(HERE, "..", "Peer"))
import peer  # noqa: E402
from formula import fill, uniform  # noqa: E402

HEIGHT, WIDTH, BLOCK = 44, 61, 4
STEP = 37  # every 37th pixel is kept
CASES = {  # scales, flip, window (height, width), overlap
    "flip": ((1,), True, None, 0),
    "scales": ((0.5, 1, 2), True, None, 0),
    "window": ((1,), False, (32, 24), 10),
    "wide-overlap": ((1,), False, (40, 32), 24),
    "all": ((0.75, 1, 1.3), True, (32, 40), 7),
}


def make_image():
    """RGB: blocks of one color."""
    rows, columns = -(-HEIGHT // BLOCK), -(-WIDTH // BLOCK)
    blocks = np.floor((uniform("versions.image", rows * columns * 3) + 1) * 128).astype(np.uint8)
    blocks = blocks.reshape(rows, columns, 3)
    return blocks.repeat(BLOCK, 0).repeat(BLOCK, 1)[:HEIGHT, :WIDTH]


def logits_of(model, rgb, canny, dtype):
    mean, deviation = np.array((0.485, 0.456, 0.406)), np.array((0.229, 0.224, 0.225))
    image = torch.from_numpy(((rgb / 255 - mean) / deviation).transpose(2, 0, 1)[None]).to(dtype)
    return model(image, torch.from_numpy(canny[None, None] / 255).to(dtype))[0]


def slide(model, rgb, canny, window, overlap, dtype):
    (height, width), (window_height, window_width) = canny.shape, window
    sums = torch.zeros(1, 19, height, width, dtype=dtype)
    counts = torch.zeros(1, 1, height, width, dtype=dtype)
    grid = lambda pixels, side: max(pixels - side + side - overlap - 1, 0) // (side - overlap) + 1
    for row in range(grid(height, window_height)):
        for column in range(grid(width, window_width)):
            bottom = min(row * (window_height - overlap) + window_height, height)
            right = min(column * (window_width - overlap) + window_width, width)
            rows = slice(max(bottom - window_height, 0), bottom)
            columns = slice(max(right - window_width, 0), right)
            sums[:, :, rows, columns] += logits_of(model, rgb[rows, columns], canny[rows, columns], dtype)
            counts[:, :, rows, columns] += 1
    return sums / counts


def probabilities(model, rgb, scales, flip, window, overlap, dtype):
    size, total, views = rgb.shape[:2], 0, 0
    for scale in scales:
        scaled = rgb if scale == 1 else cv2.resize(rgb, None, fx=scale, fy=scale, interpolation=cv2.INTER_LINEAR)
        for mirrored in (False, True) if flip else (False,):
            seen = np.ascontiguousarray(scaled[:, ::-1]) if mirrored else scaled
            canny = cv2.Canny(np.ascontiguousarray(seen[:, :, ::-1]), 10, 100)
            if window:
                logits = slide(model, seen, canny, window, overlap, dtype)
            else:
                logits = logits_of(model, seen, canny, dtype)
            logits = F.interpolate(logits, size, mode="bilinear", align_corners=False)
            if mirrored:
                logits = logits.flip(3)
            total, views = total + logits.softmax(1), views + 1
    return (total / views)[0].permute(1, 2, 0).reshape(-1, 19)


def main():
    model = peer.GatedSCNN("resnet50").eval()
    # Probabilities far from 1/19, where a mean of logits is another one.
    fill(model, factors={"seg.6.weight": 16})
    rgb, content, spread = make_image(), {}, {}
    for dtype in (torch.float32, torch.float64):
        model = model.to(dtype)
        for name, case in CASES.items():
            with torch.no_grad():
                result = probabilities(model, rgb, *case, dtype).numpy()
            if dtype == torch.float32:
                spread[name] = result
                continue
            ordered = np.sort(result, 1)
            print(name, "spread of rounding %.1e" % np.abs(spread[name] - result).max(),
                  "classes", len(np.unique(result.argmax(1))), "smallest margin %.1e" % (ordered[:, -1] - ordered[:, -2]).min())
            content[name] = np.ascontiguousarray(result[::STEP], np.float32)
    save_file(content, os.path.join(HERE, "Fixtures", "augmented_views.safetensors"))


main()
