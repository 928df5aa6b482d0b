"""Writes what other detectors' training is held to: Pillow's colours, and PyTorch's steps.

python detector_training.py FOLDER   (torch 2.x, torchvision, Pillow, NumPy)

colours.safetensors: `image`, uint8 values [h, w, 3], and what torchvision's functions on Pillow images
make of it, `NAME_FACTOR`; `grey`; `quarter`, turned by a quarter against the clock.
dmid_training.safetensors: torchvision's ResNet of few channels, with a stride of 1 in the first
convolution and in the maximum, under BCEWithLogitsLoss and Adam, in float64.
patches_training.safetensors: an Xception up to its second block, with the weights and on the crops of
patch_forensics.safetensors, whose map it is held to; CrossEntropyLoss over all patches, of which channel
0 is generated, and Adam, in float64.
"""

import sys

import numpy as np
import torch
import torchvision
import torchvision.transforms.functional as functional
from PIL import Image
from safetensors.torch import load_file, save_file
from torchvision.models.resnet import Bottleneck, ResNet

LEARNING_RATE, BETAS, EPSILON, STEPS = 1e-3, (0.9, 0.999), 1e-8, 3


def write(path, tensors, metadata):
    versions = {"torch": torch.__version__, "torchvision": torchvision.__version__}
    stored = {name: value.float().contiguous().clone() for name, value in tensors.items()}
    save_file(stored, path, {name: str(value) for name, value in {**metadata, **versions}.items()})


def colours(folder):
    # every fourth pixel grey, the rest of any colour: all branches of the hue
    values = np.random.default_rng(5).integers(0, 256, (24, 32, 3), dtype=np.uint8)
    values[::2, ::2] = values[::2, ::2, :1]
    values[0, :6] = [[255, 0, 0], [0, 255, 0], [0, 0, 255], [0, 0, 0], [255, 255, 255], [255, 0, 255]]
    image = Image.fromarray(values)
    made = {"image": values}
    for name in ("brightness", "contrast", "saturation"):
        for factor in (0.61, 1.37):
            made[f"{name}_{factor}"] = getattr(functional, f"adjust_{name}")(image, factor)
    for factor in (-0.093, 0.071):
        made[f"hue_{factor}"] = functional.adjust_hue(image, factor)
    made["grey"] = functional.rgb_to_grayscale(image, 3)
    made["quarter"] = image.rotate(90, expand=True)
    tensors = {name: torch.from_numpy(np.array(value)) for name, value in made.items()}
    write(f"{folder}/colours.safetensors", tensors, {"pillow": Image.__version__})


def trained(network, loss_of, pixels):
    """Start, gradients of the first step, losses of all, and the state after them."""
    start = {f"start.{k}": v.clone() for k, v in network.state_dict().items() if v.is_floating_point()}
    optimiser = torch.optim.Adam(network.parameters(), LEARNING_RATE, BETAS, EPSILON)
    network.train()
    losses = []
    gradients = {}
    for step in range(STEPS):
        optimiser.zero_grad()
        loss = loss_of(network(pixels))
        loss.backward()
        losses.append(loss.item())
        if step == 0:
            gradients = {f"grad.{k}": v.grad.clone() for k, v in network.named_parameters()}
        optimiser.step()
    after = {f"after.{k}": v for k, v in network.state_dict().items() if v.is_floating_point()}
    network.eval()
    with torch.no_grad():
        output = network(pixels)
    return {**start, **gradients, **after, "losses": torch.tensor(losses), "output": output}


def dmid(folder):
    torch.manual_seed(7)
    network = ResNet(Bottleneck, [1, 1, 1, 1], num_classes=1)
    network = narrow(network)
    network.conv1.stride = (1, 1)
    network.maxpool.stride = 1
    network = network.double()
    pixels = torch.randn(6, 3, 20, 22, dtype=torch.float64).float().double()
    labels = torch.tensor([0.0, 1, 1, 0, 1, 0], dtype=torch.float64)
    loss = torch.nn.BCEWithLogitsLoss()
    tensors = trained(network, lambda logits: loss(logits[:, 0], labels), pixels)
    write(f"{folder}/dmid_training.safetensors", {**tensors, "pixels": pixels, "labels": labels}, STATED)


STATED = {"learningRate": LEARNING_RATE, "beta1": BETAS[0], "beta2": BETAS[1], "epsilon": EPSILON, "steps": STEPS}


def narrow(network, divisor=16):
    """The same network with channels divided, its parameters drawn anew, scales and shifts too."""
    for name, module in list(network.named_modules()):
        parent = network.get_submodule(name.rpartition(".")[0])
        own = name.rpartition(".")[2]
        if isinstance(module, torch.nn.Conv2d):
            inputs = module.in_channels if module.in_channels == 3 else module.in_channels // divisor
            setattr(parent, own, torch.nn.Conv2d(
                inputs, module.out_channels // divisor, module.kernel_size, module.stride,
                module.padding, bias=False))
        elif isinstance(module, torch.nn.BatchNorm2d):
            norm = torch.nn.BatchNorm2d(module.num_features // divisor)
            torch.nn.init.uniform_(norm.weight, 0.5, 1.5)
            torch.nn.init.normal_(norm.bias, 0, 0.2)
            setattr(parent, own, norm)
        elif isinstance(module, torch.nn.Linear):
            setattr(parent, own, torch.nn.Linear(module.in_features // divisor, module.out_features))
    return network


class Separable(torch.nn.Module):
    """A 3 × 3 convolution of each channel by itself, then one over the channels."""

    def __init__(self, inputs, outputs):
        super().__init__()
        self.conv1 = torch.nn.Conv2d(inputs, inputs, 3, padding=1, groups=inputs, bias=False)
        self.pointwise = torch.nn.Conv2d(inputs, outputs, 1, bias=False)

    def forward(self, x):
        return self.pointwise(self.conv1(x))


class XceptionBlock(torch.nn.Module):
    def __init__(self, inputs, outputs, begins_with_relu):
        super().__init__()
        layers = []
        for channels in (inputs, outputs):
            layers += [torch.nn.ReLU(), Separable(channels, outputs), torch.nn.BatchNorm2d(outputs)]
        layers.append(torch.nn.MaxPool2d(3, 2, 1))
        self.rep = torch.nn.Sequential(*layers[0 if begins_with_relu else 1:])
        self.skip = torch.nn.Conv2d(inputs, outputs, 1, 2, bias=False)
        self.skipbn = torch.nn.BatchNorm2d(outputs)

    def forward(self, x):
        return self.rep(x) + self.skipbn(self.skip(x))


class Patches(torch.nn.Module):
    def __init__(self, first, second, *blocks):
        super().__init__()
        self.conv1, self.bn1 = torch.nn.Conv2d(3, first, 3, 2, bias=False), torch.nn.BatchNorm2d(first)
        self.conv2, self.bn2 = torch.nn.Conv2d(first, second, 3, bias=False), torch.nn.BatchNorm2d(second)
        self.blocks = []
        for i, outputs in enumerate(blocks):
            inputs = second if i == 0 else blocks[i - 1]
            self.blocks.append(XceptionBlock(inputs, outputs, i > 0))
            self.add_module(f"block{i + 1}", self.blocks[-1])
        self.convout = torch.nn.Conv2d(blocks[-1], 2, 1)

    def forward(self, x):
        x = torch.relu(self.bn1(self.conv1(x)))
        x = torch.relu(self.bn2(self.conv2(x)))
        for block in self.blocks:
            x = block(x)
        return self.convout(x)


def patches(folder):
    golden = load_file(f"{folder}/patch_forensics.safetensors")
    weights = {k.removeprefix("weights."): v for k, v in golden.items() if k.startswith("weights.")}
    network = Patches(8, 12, 20, 28)
    network.load_state_dict(weights)
    network = network.double().eval()
    images = torch.stack([golden[f"crop_{i}"] for i in range(4)]).double()
    pixels = (images.permute(0, 3, 1, 2) / 255 - 0.5) / 0.5
    with torch.no_grad():
        apart = (network(pixels) - golden["map"]).abs().max().item()
    assert apart < 1e-4, f"not the network of patch_forensics.safetensors: {apart}"
    labels = torch.tensor([0, 1, 1, 0])
    loss = torch.nn.CrossEntropyLoss()
    targets = (1 - labels)[:, None, None].expand(4, 9, 9)
    tensors = trained(network, lambda found: loss(found, targets), pixels)
    write(f"{folder}/patches_training.safetensors", {**tensors, "labels": labels}, STATED)


if __name__ == "__main__":
    (folder,) = sys.argv[1:]
    colours(folder)
    dmid(folder)
    patches(folder)
