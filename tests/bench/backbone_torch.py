"""CLIP's image encoder in PyTorch with random weights: the peer of backbone.ts.

Usage: backbone_torch.py RESOLUTION PATCH WIDTH BLOCKS BATCH REPEATS
Prints the modes that this machine can run, on one line. Then, for each line of input that names one,
the median time of a batch in it, in seconds.
"""
import statistics
import sys
import time

import torch
from torch import nn

resolution, patch, width, blocks, batch, repeats = map(int, sys.argv[1:])
torch.set_num_threads(2)


class Block(nn.Module):
    def __init__(self):
        super().__init__()
        self.attn = nn.MultiheadAttention(width, width // 64)
        self.ln_1, self.ln_2 = nn.LayerNorm(width), nn.LayerNorm(width)
        self.c_fc, self.c_proj = nn.Linear(width, 4 * width), nn.Linear(4 * width, width)

    def forward(self, x):
        y = self.ln_1(x)
        x = x + self.attn(y, y, y, need_weights=False)[0]
        z = self.ln_2(x)
        h = self.c_fc(z)
        return x + self.c_proj(h * torch.sigmoid(1.702 * h)), z[0]


class Encoder(nn.Module):
    """Gives the CLS row of every ln_2, as the released code's hooks do."""

    def __init__(self):
        super().__init__()
        self.conv1 = nn.Conv2d(3, width, patch, patch, bias=False)
        self.cls = nn.Parameter(torch.randn(width))
        self.positions = nn.Parameter(torch.randn((resolution // patch) ** 2 + 1, width))
        self.ln_pre, self.ln_post = nn.LayerNorm(width), nn.LayerNorm(width)
        self.blocks = nn.ModuleList(Block() for _ in range(blocks))
        self.proj = nn.Parameter(torch.randn(width, width))

    def forward(self, x):
        x = self.conv1(x).flatten(2).transpose(1, 2)
        x = torch.cat([self.cls.expand(len(x), 1, width), x], 1) + self.positions
        x = self.ln_pre(x).transpose(0, 1)
        tokens = []
        for block in self.blocks:
            x, token = block(x)
            tokens.append(token)
        return torch.stack(tokens, 1), self.ln_post(x[0]) @ self.proj


model = Encoder().eval()
images = torch.randn(batch, 3, resolution, resolution)
modes = {"float32": (model, False), "bfloat16": (model, True)}
if hasattr(torch, "compile"):
    # compiled apart: autocast is part of what is compiled
    modes["float32 compiled"] = (torch.compile(model), False)
    modes["bfloat16 compiled"] = (torch.compile(Encoder().eval()), True)


def run(name):
    network, is_half = modes[name]
    with torch.no_grad(), torch.autocast("cpu", dtype=torch.bfloat16, enabled=is_half):
        network(images)


for name in list(modes):
    try:
        run(name)
        run(name)
    except Exception as error:  # no compiler, or a processor that it does not know
        print(f"{name}: {type(error).__name__}", file=sys.stderr)
        del modes[name]
print(",".join(modes), flush=True)
for line in sys.stdin:
    times = []
    for _ in range(repeats):
        started = time.perf_counter()
        run(line.strip())
        times.append(time.perf_counter() - started)
    print(statistics.median(times), flush=True)
