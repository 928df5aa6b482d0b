"""Milliseconds that Pillow and SciPy take to augment one image: blur with sigma 3, then JPEG.

Reads width, height, rounds and qualities from the command line, pixels from standard input.
"""
import io
import sys
import time

import numpy as np
from PIL import Image
from scipy.ndimage import gaussian_filter

width, height, rounds, *qualities = (int(argument) for argument in sys.argv[1:])
pixels = np.frombuffer(sys.stdin.buffer.read(), np.uint8).reshape(height, width, 3)
image = Image.fromarray(pixels)


def augment(quality):
    blurred = np.array(image)
    for channel in range(3):
        gaussian_filter(blurred[:, :, channel], output=blurred[:, :, channel], sigma=3)
    jpeg = io.BytesIO()
    Image.fromarray(blurred).save(jpeg, format="jpeg", quality=quality)
    return Image.fromarray(np.array(Image.open(jpeg)))


def milliseconds(quality):
    start = time.perf_counter()
    augment(quality)
    return (time.perf_counter() - start) * 1e3


for quality in qualities:
    print(min(milliseconds(quality) for _ in range(rounds)))
