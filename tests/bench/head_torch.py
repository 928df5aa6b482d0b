"""PyTorch's side of head_bench.ts: the released head, loss and optimiser. Reads lines "blocks width q
d' count" and answers each with the milliseconds of one training step."""
import sys
import time

import torch
from torch import nn
from torch.nn import functional as F


def projection(inputs, outputs, layers):
    modules = [nn.Dropout()]
    for layer in range(layers):
        modules += [nn.Linear(inputs if layer == 0 else outputs, outputs), nn.ReLU(), nn.Dropout()]
    return nn.Sequential(*modules)


class Head(nn.Module):
    def __init__(self, blocks, width, q, d):
        super().__init__()
        self.alpha = nn.Parameter(torch.randn(1, blocks, d))
        self.proj1, self.proj2 = projection(width, d, q), projection(d, d, q)
        self.head = nn.Sequential(nn.Linear(d, d), nn.ReLU(), nn.Dropout(), nn.Linear(d, d),
                                  nn.ReLU(), nn.Dropout(), nn.Linear(d, 1))

    def forward(self, k):
        z = self.proj2((torch.softmax(self.alpha, 1) * self.proj1(k)).sum(1))
        return self.head(z), z


def supcon(z, labels, temperature=0.07):
    similarity = z @ z.T / temperature
    similarity = similarity - similarity.max(1, keepdim=True)[0].detach()
    others = 1 - torch.eye(len(labels))
    positives = (labels[:, None] == labels).float() * others
    log = similarity - torch.log((similarity.exp() * others).sum(1, keepdim=True))
    return -((positives * log).sum(1) / positives.sum(1).clamp(min=1)).mean()


heads = {}
for line in sys.stdin:
    blocks, width, q, d, count = map(int, line.split())
    if line not in heads:
        heads.clear()
        head = Head(blocks, width, q, d)
        heads[line] = (head, torch.optim.Adam(head.parameters()), torch.randn(count, blocks, width))
    head, optimizer, tokens = heads[line]
    labels = (torch.arange(count) % 2).float()
    start = time.perf_counter()
    optimizer.zero_grad()
    logits, z = head(tokens)
    loss = F.binary_cross_entropy_with_logits(logits[:, 0], labels, reduction="sum")
    (loss + 0.2 * supcon(F.normalize(z), labels)).backward()
    optimizer.step()
    print(1000 * (time.perf_counter() - start), flush=True)
