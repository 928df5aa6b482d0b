"""Patch-Forensics' Xception and LGrad's gradient in PyTorch with random weights: the peer of
pixel_networks.ts.

Usage: pixel_networks_torch.py patches|gradient COUNT SIZE THREADS
For each line that it reads it computes once, in the order of memory that the line says, `default` or
`channels_last`, and prints the seconds that it took, by the clock and of processors.
"""
import math
import sys
import time

import torch
import torch.nn.functional as F
from torch import nn

network = sys.argv[1]
count, size, threads = map(int, sys.argv[2:])
torch.set_num_threads(threads)


class Separable(nn.Module):
    def __init__(self, inputs, outputs):
        super().__init__()
        self.conv1 = nn.Conv2d(inputs, inputs, 3, padding=1, groups=inputs, bias=False)
        self.pointwise = nn.Conv2d(inputs, outputs, 1, bias=False)

    def forward(self, x):
        return self.pointwise(self.conv1(x))


class Block(nn.Module):
    def __init__(self, inputs, outputs, starts_with_relu):
        super().__init__()
        self.skip = nn.Sequential(
            nn.Conv2d(inputs, outputs, 1, stride=2, bias=False), nn.BatchNorm2d(outputs))
        layers = [nn.ReLU(), Separable(inputs, outputs), nn.BatchNorm2d(outputs),
                  nn.ReLU(inplace=True), Separable(outputs, outputs), nn.BatchNorm2d(outputs),
                  nn.MaxPool2d(3, 2, 1)]
        self.rep = nn.Sequential(*layers[0 if starts_with_relu else 1:])

    def forward(self, x):
        return self.rep(x) + self.skip(x)


def patches():
    """Xception up to block 2, as networks/xception.py and customnet.py have it."""
    model = nn.Sequential(
        nn.Conv2d(3, 32, 3, 2, bias=False), nn.BatchNorm2d(32), nn.ReLU(inplace=True),
        nn.Conv2d(32, 64, 3, bias=False), nn.BatchNorm2d(64), nn.ReLU(inplace=True),
        Block(64, 128, False), Block(128, 256, True), nn.Conv2d(256, 2, 1)).eval()
    images = torch.randn(count, 3, size, size)

    def run(order):
        model.to(memory_format=order)
        x = images.to(memory_format=order)

        def once():
            with torch.inference_mode():
                return F.softmax(model(x), 1).mean((2, 3))
        return once
    return run


def gradient():
    """StyleGAN's discriminator and its gradient, as LGrad's stylegan_discriminator.py has them."""
    channels = lambda resolution: min(16384 // resolution, 512)
    blur = torch.tensor([1., 2., 1.])
    blur = blur[:, None] * blur[None] / 16

    def layer(outputs, inputs, k):
        return nn.Parameter(torch.randn(outputs, inputs, k, k)), nn.Parameter(torch.zeros(outputs))

    shapes = [(channels(size), 3, 1)]
    resolution = size
    while resolution > 4:
        c = channels(resolution)
        shapes += [(c, c, 3), (channels(resolution // 2), c, 3)]
        resolution //= 2
    shapes.append((channels(4), channels(4) + 1, 3))
    layers = [layer(*shape) for shape in shapes]
    dense = nn.Parameter(torch.randn(512, channels(4) * 16)), nn.Parameter(torch.zeros(512))
    last = nn.Parameter(torch.randn(1, 512)), nn.Parameter(torch.zeros(1))

    def scaled(weight, gain=math.sqrt(2)):
        return weight * (gain / math.sqrt(weight[0].numel()))

    def discriminator(x):
        (weight, bias), *rest = layers
        x = F.leaky_relu(F.conv2d(x, scaled(weight), bias), .2)
        for i in range(0, len(rest) - 1, 2):
            (weight, bias), (weight2, bias2) = rest[i], rest[i + 1]
            x = F.leaky_relu(F.conv2d(x, scaled(weight), bias, padding=1), .2)
            c = x.shape[1]
            x = F.conv2d(x, blur.expand(c, 1, 3, 3), padding=1, groups=c)
            if x.shape[2] >= 128:
                k = F.pad(scaled(weight2), (1, 1, 1, 1))
                k = (k[:, :, 1:, 1:] + k[:, :, :-1, 1:] + k[:, :, 1:, :-1] + k[:, :, :-1, :-1]) / 4
                x = F.conv2d(x, k, bias2, stride=2, padding=1)
            else:
                x = F.avg_pool2d(F.conv2d(x, scaled(weight2), bias2, padding=1), 2)
            x = F.leaky_relu(x, .2)
        weight, bias = rest[-1]
        x = torch.cat([x, torch.full_like(x[:, :1], 1e-4)], 1)
        x = F.leaky_relu(F.conv2d(x, scaled(weight), bias, padding=1), .2).flatten(1)
        x = F.leaky_relu(F.linear(x, scaled(dense[0]), dense[1]), .2)
        return F.linear(x, scaled(last[0], 1), last[1])

    pixels = torch.rand(count, 3, size, size) * 2 - 1

    def run(order):
        def once():
            x = pixels.clone(memory_format=order).requires_grad_()
            # of the pixels alone: the released code asks for no gradient by the weights either
            g, = torch.autograd.grad(discriminator(x).sum(), x)
            g = g - g.min()
            return (g / g.max() * 255).round().to(torch.uint8)
        return once
    return run


ORDERS = {"default": torch.contiguous_format, "channels_last": torch.channels_last}
run = {"patches": patches, "gradient": gradient}[network]()
for line in sys.stdin:
    once = run(ORDERS[line.strip()])
    once()
    clock, processors = time.perf_counter(), time.process_time()
    once()
    print(time.perf_counter() - clock, time.process_time() - processors, flush=True)
