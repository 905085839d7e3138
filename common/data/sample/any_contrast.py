"""Two images of one anatomy in contrasts that no scanner may have."""

from typing import NamedTuple

import torch

from .anatomy import Anatomy, coverage
from .draws import chance, uniform


class Contrast(NamedTuple):
    """Intensities of the layers, amplitudes of the texture in them, which of them are seen, and the background's."""

    intensities: list[float]
    textures: list[float]
    seen: list[bool]
    background: float


HIDDEN_SHARE = 0.12  # of the layers, in each contrast
RELATIONS = ("independent", "monotone", "inverted", "equal")
RELATION_SHARES = (0.5, 0.2, 0.15, 0.15)


def random_contrasts(num_layers: int, generator: torch.Generator) -> tuple[Contrast, Contrast]:
    """Contrasts of the fixed and the moving image, which may be independent, monotone, inverted or equal to each other.

    Monotone are intensities under a power of 0.5 to 2; deviations of ±0.1 of single layers break that a little.

    Args:
        num_layers: of the anatomy.
        generator: source of all randomness.
    """
    first = independent_contrast(num_layers, generator)
    chosen = int(torch.multinomial(torch.tensor(RELATION_SHARES), 1, generator=generator))
    return first, related_contrast(first, RELATIONS[chosen], generator)


def independent_contrast(num_layers: int, generator: torch.Generator) -> Contrast:
    """Intensities and amplitudes drawn evenly, some layers hidden, a background of 0 in most draws."""
    intensities, textures = torch.rand(2, num_layers, generator=generator).tolist()
    strength = uniform(generator, 0.0, 0.25)
    seen = (torch.rand(num_layers, generator=generator) >= HIDDEN_SHARE).tolist()
    background = 0.0 if chance(generator, 0.6) else uniform(generator, 0.0, 1.0)
    return Contrast(intensities, [strength * (2 * value - 1) for value in textures], seen, background)


def related_contrast(first: Contrast, relation: str, generator: torch.Generator) -> Contrast:
    """A contrast that stands in one of :data:`RELATIONS` to another one."""
    other = independent_contrast(len(first.intensities), generator)
    if relation == "independent":
        return other
    if relation == "equal":
        return first
    power = 2.0 ** uniform(generator, -1.0, 1.0)
    deviations = (0.2 * torch.rand(len(first.intensities), generator=generator) - 0.1).tolist()
    inverted = relation == "inverted"
    intensities = [
        (1 - value if inverted else value) ** power + deviation
        for value, deviation in zip(first.intensities, deviations, strict=True)
    ]
    sign = -1.0 if inverted else 1.0
    return Contrast(intensities, [sign * value for value in first.textures], other.seen, other.background)


def painted(anatomy: Anatomy, contrast: Contrast) -> torch.Tensor:
    """The anatomy in a contrast, layer over layer, (X, Y, Z).

    Example:
        >>> from common.data.sample.anatomy import Layer
        >>> ramp = torch.arange(4.0).view(1, 1, 4, 1, 1).expand(1, 2, 4, 4, 4)
        >>> anatomy = Anatomy(ramp, (Layer(0, 1.5, torch.inf, -1),))
        >>> painted(anatomy, Contrast([0.75], [0.0], [True], 0.25))[:, 0, 0].tolist()
        [0.25, 0.25, 0.75, 0.75]
    """
    image = torch.full(anatomy.functions.shape[2:], contrast.background)
    texture = anatomy.functions[0, -1]
    for share, intensity, amplitude, seen in zip(
        coverage(anatomy), contrast.intensities, contrast.textures, contrast.seen, strict=True
    ):
        if seen:
            image.addcmul_(share, intensity + amplitude * texture - image)
    return image
