"""A ResNet-50 with one logit in PyTorch with random weights: the peer of detectors.ts.

Usage: detectors_torch.py SIZE BATCH STEM_STRIDE REPEATS
Prints the best time of a batch, in seconds, as PyTorch runs it by default and in channels-last order.
"""
import sys
import time

import torch
from torch import nn

size, batch, stem_stride, repeats = map(int, sys.argv[1:])
torch.set_num_threads(2)


class Bottleneck(nn.Module):
    def __init__(self, inputs, width, stride):
        super().__init__()
        outputs = 4 * width
        self.conv1, self.bn1 = nn.Conv2d(inputs, width, 1, bias=False), nn.BatchNorm2d(width)
        self.conv2 = nn.Conv2d(width, width, 3, stride, 1, bias=False)
        self.bn2, self.bn3 = nn.BatchNorm2d(width), nn.BatchNorm2d(outputs)
        self.conv3 = nn.Conv2d(width, outputs, 1, bias=False)
        self.relu = nn.ReLU(inplace=True)
        self.downsample = None
        if stride != 1 or inputs != outputs:
            self.downsample = nn.Sequential(
                nn.Conv2d(inputs, outputs, 1, stride, bias=False), nn.BatchNorm2d(outputs))

    def forward(self, x):
        y = self.relu(self.bn1(self.conv1(x)))
        y = self.relu(self.bn2(self.conv2(y)))
        y = self.bn3(self.conv3(y))
        return self.relu(y + (x if self.downsample is None else self.downsample(x)))


def resnet50():
    layers = [nn.Conv2d(3, 64, 7, stem_stride, 3, bias=False), nn.BatchNorm2d(64),
              nn.ReLU(inplace=True), nn.MaxPool2d(3, stem_stride, 1)]
    inputs = 64
    for stage, (count, width) in enumerate(zip([3, 4, 6, 3], [64, 128, 256, 512])):
        for block in range(count):
            layers.append(Bottleneck(inputs, width, 2 if stage > 0 and block == 0 else 1))
            inputs = 4 * width
    layers += [nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(inputs, 1)]
    return nn.Sequential(*layers).eval()


def best_of(model, images):
    best = float("inf")
    with torch.inference_mode():
        model(images)
        for _ in range(repeats):
            started = time.perf_counter()
            model(images)
            best = min(best, time.perf_counter() - started)
    return best


torch.manual_seed(0)
model, images = resnet50(), torch.randn(batch, 3, size, size)
print(best_of(model, images))
order = torch.channels_last
print(best_of(model.to(memory_format=order), images.to(memory_format=order)))
