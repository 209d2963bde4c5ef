"""Writes Fixtures/jpeg_*.jpg and what Pillow decodes of them, as PNG. Run by hand; needs pillow and numpy."""
import os

import numpy as np
from PIL import Image

FOLDER = os.path.join(os.path.dirname(os.path.abspath(__file__)), "Fixtures")
y, x = np.mgrid[:29, :37]
rgb = np.stack((4 * x + 3 * y, 255 - 5 * x + 2 * y, 128 + 90 * np.sin(x / 3) * np.cos(y / 4)), 2).clip(0, 255).astype(np.uint8)
rgb[8:20, 10:25] = (200, 30, 60)
for name, image, options in (
    ("jpeg_rgb", Image.fromarray(rgb), {"quality": 85}),
    ("jpeg_progressive", Image.fromarray(rgb), {"quality": 70, "progressive": True, "subsampling": 0}),
    ("jpeg_gray", Image.fromarray(rgb[..., 0]), {"quality": 80}),
):
    path = os.path.join(FOLDER, name)
    image.save(path + ".jpg", **options)
    Image.open(path + ".jpg").convert("RGB").save(path + ".png", optimize=True)
Image.fromarray(rgb).convert("CMYK").save(os.path.join(FOLDER, "jpeg_cmyk.jpg"), quality=80)
# Of other sizes, for data sets whose images differ.
for name, image in (("jpeg_wide", rgb[:23]), ("jpeg_tall", rgb.transpose(1, 0, 2)[:, :21]), ("jpeg_small", rgb[:17, :15])):
    Image.fromarray(np.ascontiguousarray(image)).save(os.path.join(FOLDER, name + ".jpg"), quality=75)
