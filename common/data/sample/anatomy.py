"""Anatomies that no one has: regions, sheets and tubes of random smooth functions and of the brain template."""

from collections.abc import Sequence
from typing import NamedTuple

import torch
import torch.nn.functional as F

from ...fields.ddf import warp
from .draws import chance, log_uniform, uniform, whole
from .random_field import random_field
from .template import sample_template

LEAST_SLOPE = 0.02  # per voxel: plateaus of a function have soft borders
TEMPLATE_SHARE = 0.5  # of the anatomies that contain a part of the brain template
FINE_SPACING = (1.5, 3.0)  # voxels, of the texture


class Layer(NamedTuple):
    """Where a function lies between two values, within another layer or, with −1, everywhere."""

    function: int
    low: float
    high: float
    parent: int


class Anatomy(NamedTuple):
    """Functions (1, M, X, Y, Z), of which the last one is a texture, and the layers, each over those before it."""

    functions: torch.Tensor
    layers: tuple[Layer, ...]

    def warped(self, ddf: torch.Tensor) -> "Anatomy":
        """The anatomy under a field (1, 3, X, Y, Z), voxels: layers keep their thresholds."""
        return Anatomy(warp(self.functions, ddf), self.layers)


def random_anatomy(shape: Sequence[int], generator: torch.Generator) -> Anatomy:
    """Functions of several scales and 8 to 20 layers of them; half of the anatomies contain a part of the template.

    A layer of a function with a coarse and a fine part is folded like a cortex; a sheet within a sheet is a tube.

    Args:
        shape: (X, Y, Z), at least 16 each.
        generator: source of all randomness.

    Raises:
        ImportError: nilearn, which has the template, is not installed.

    Example:
        >>> random_anatomy((16, 16, 16), torch.Generator().manual_seed(0)).functions.shape[2:]
        torch.Size([16, 16, 16])
    """
    size = min(shape)
    coarse, middle = (
        random_field(shape, size * uniform(generator, *span), generator) for span in ((0.3, 0.7), (0.12, 0.3))
    )
    small = random_field(shape, log_uniform(generator, 3.0, 6.0), generator)
    folded = coarse + uniform(generator, 0.2, 0.8) * random_field(shape, log_uniform(generator, 4.0, 9.0), generator)
    functions = [coarse, middle, folded, small]
    with_template = chance(generator, TEMPLATE_SHARE)
    if with_template:
        functions += _template_part(shape, generator)
    slopes = [_slope(function[None, None]).mean().item() for function in functions]
    layers: list[Layer] = []
    for _ in range(whole(generator, 8, 20)):
        chosen = whole(generator, 4, 6) if with_template and chance(generator, 0.5) else whole(generator, 0, 3)
        layers.append(_random_layer(chosen, slopes[chosen], len(layers), generator))
    texture = random_field(shape, uniform(generator, *FINE_SPACING), generator)
    return Anatomy(torch.stack([*functions, texture])[None], tuple(layers))


def _random_layer(function: int, slope: float, num_layers: int, generator: torch.Generator) -> Layer:
    """A region above a threshold, or a sheet of 1 to 5 voxels."""
    low = uniform(generator, -1.3, 1.3) if function < 4 else uniform(generator, 0.15, 0.85)
    is_sheet = chance(generator, 0.5)
    high = low + slope * log_uniform(generator, 1.0, 5.0) if is_sheet else torch.inf
    parent = whole(generator, 0, num_layers - 1) if num_layers and chance(generator, 0.4) else -1
    return Layer(function, low, high, parent)


def coverage(anatomy: Anatomy) -> list[torch.Tensor]:
    """Share of each voxel that each layer covers, (X, Y, Z), in [0, 1]; borders are as sharp as voxels allow.

    Within a voxel a function is taken for linear, so that the place of a border is known more finely than the grid.

    Example:
        >>> ramp = torch.arange(5.0).view(1, 1, 5, 1, 1).expand(1, 1, 5, 4, 4)
        >>> coverage(Anatomy(ramp, (Layer(0, 1.75, torch.inf, -1),)))[0][:, 0, 0].tolist()
        [0.0, 0.0, 0.75, 1.0, 1.0]
    """
    functions = anatomy.functions
    slopes = [_slope(functions[:, k : k + 1])[0, 0] for k in range(functions.size(1))]
    shares: list[torch.Tensor] = []
    for layer in anatomy.layers:
        values, slope = functions[0, layer.function], slopes[layer.function]
        share = ((values - layer.low) / slope + 0.5).clamp_(0, 1)
        if layer.high < torch.inf:
            share.mul_(((layer.high - values) / slope + 0.5).clamp_(0, 1))
        shares.append(share if layer.parent < 0 else share.mul_(shares[layer.parent]))
    return shares


def label_map(anatomy: Anatomy) -> torch.Tensor:
    """Number of the uppermost layer that covers at least half of each voxel, from 1 on, 0 without one, (X, Y, Z)."""
    label = torch.zeros(anatomy.functions.shape[2:])
    for number, share in enumerate(coverage(anatomy)):
        label[share >= 0.5] = number + 1.0
    return label


def _slope(values: torch.Tensor) -> torch.Tensor:
    """Length of the gradient by central differences, at least :data:`LEAST_SLOPE`, (1, 1, X, Y, Z)."""
    padded = F.pad(values, (1,) * 6, mode="replicate")
    total = torch.zeros_like(values)
    for axis in range(2, 5):
        inner = padded
        for other in {2, 3, 4} - {axis}:
            inner = inner.narrow(other, 1, values.size(other))
        size = values.size(axis)
        total += ((inner.narrow(axis, 2, size) - inner.narrow(axis, 0, size)) / 2).square()
    return total.sqrt_().clamp_(min=LEAST_SLOPE)


def _template_part(shape: Sequence[int], generator: torch.Generator) -> list[torch.Tensor]:
    """Fractions of the three tissues in a box of the template, magnified or reduced, axes mirrored and exchanged."""
    tissues = sample_template().tissues
    zoom = log_uniform(generator, 0.7, 1.8)
    lengths = [min(round(size / zoom), available) for size, available in zip(shape, tissues.shape[1:], strict=True)]
    for axis, length in enumerate(lengths):
        tissues = tissues.narrow(axis + 1, whole(generator, 0, tissues.size(axis + 1) - length), length)
    mirrored = [axis for axis in (1, 2, 3) if chance(generator, 0.5)]
    order = torch.randperm(3, generator=generator) + 1
    box = tissues.flip(mirrored).permute(0, *order.tolist())
    return list(F.interpolate(box[None], list(shape), mode="trilinear", align_corners=True)[0])
