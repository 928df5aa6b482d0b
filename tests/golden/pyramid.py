"""torchvision's feature pyramid, the means of its levels and one logit on them, by torch.autograd.

    python pyramid.py FILE

Needs torch, torchvision and safetensors. Float64, stored as float32. `halved` is built on maps of several
sizes, odd ones among them, as a ResNet gives; `equal` on maps of one size, as blocks of a transformer
give. For each: `map.i` [2, C, H, W], the finest first; `param.*`; `labels` [2]; `features` [2, levels ·
channels]; `logits` [2]; `loss`, binary cross-entropy, mean; `grad.param.*`, `grad.map.i`.
"""
import sys
from collections import OrderedDict

import torch
from safetensors.torch import save_file
from torch.nn.functional import binary_cross_entropy_with_logits as cross_entropy
from torchvision.ops import FeaturePyramidNetwork

torch.manual_seed(11)
torch.set_default_dtype(torch.float64)
CHANNELS = 4
CASES = {
    "halved": [(3, 13, 9), (5, 7, 5), (6, 4, 3), (7, 2, 2)],
    "equal": [(6, 5, 5), (6, 5, 5), (6, 5, 5)],
}

out = {}
for name, sizes in CASES.items():
    pyramid = FeaturePyramidNetwork([c for c, _, _ in sizes], CHANNELS)
    last = torch.nn.Linear(len(sizes) * CHANNELS, 1)
    parameters = {f"fpn.{key}": value for key, value in pyramid.named_parameters()}
    parameters |= {f"fc.{key}": value for key, value in last.named_parameters()}
    with torch.no_grad():
        for value in parameters.values():
            value.copy_((torch.randn_like(value) * 0.3).float())
    maps = [torch.randn(2, *size).float().double().requires_grad_() for size in sizes]
    labels = torch.tensor([0.0, 1.0])
    levels = pyramid(OrderedDict((str(i), x) for i, x in enumerate(maps)))
    features = torch.cat([level.mean((2, 3)) for level in levels.values()], 1)
    logits = last(features)[:, 0]
    loss = cross_entropy(logits, labels)
    loss.backward()
    found = {"labels": labels, "features": features, "logits": logits, "loss": loss}
    for i, value in enumerate(maps):
        found |= {f"map.{i}": value, f"grad.map.{i}": value.grad}
    for key, value in parameters.items():
        found |= {f"param.{key}": value, f"grad.param.{key}": value.grad}
    out |= {f"{name}.{key}": value.detach().float().contiguous() for key, value in found.items()}

save_file(out, sys.argv[1])
