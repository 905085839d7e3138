"""Pairs of one random anatomy in two contrasts, with the exact field between them."""

from collections.abc import Sequence

import torch

from ...fields.ddf import resize, warp
from .acquisition import acquired
from .anatomy import Anatomy, Layer, coverage, label_map, random_anatomy
from .any_contrast import Contrast, painted, random_contrasts
from .deformation import random_diffeomorphism
from .draws import chance, uniform, whole

STRIPPED_SHARE = 0.5  # of the pairs in which a background of 0 surrounds the anatomy
BOTH_SHARE = 0.9  # of these pairs' images; in the others, the surroundings stay
BODY_RANGE = (-1.2, 0.2)  # of the threshold that makes the anatomy, standard deviations of its coarsest function
CUT_SHARE = 0.2  # of the images that miss a part of the field of view
FIELD_STRIDE = 2  # voxels between the nodes on which the field is drawn


def random_pair(
    shape: Sequence[int] = (64, 64, 64), generator: torch.Generator | None = None, displacement: float = 1.0
) -> dict[str, torch.Tensor]:
    """A pair of one anatomy: fixed and moving image, their label maps, the field, and where it can be found.

    The field is a diffeomorphism and an affine map of random strength; the fixed anatomy is that of the moving image
    under the field. Contrasts may be equal, monotone, inverted or independent, and each hides some structures. In half
    of the pairs the surroundings are 0, as after skull stripping, in some of them of one image only; a fifth of the
    images end early at one side.

    Args:
        shape: (X, Y, Z), at least 16 each.
        generator: source of all randomness; None for seed 0.
        displacement: factor on the strength of the field.

    Returns:
        ``fixed``, ``moving`` (1, X, Y, Z), any unit; ``fixed_label``, ``moving_label`` (1, X, Y, Z), numbers of the
        layers; ``ddf`` (3, X, Y, Z), voxels: fixed_label(x) = moving_label(x + ddf(x)); ``valid`` (1, X, Y, Z), 1 where
        both images show the place.

    Raises:
        ImportError: nilearn, which has the brain template, is not installed.
        ValueError: for a smaller shape.

    Example:
        >>> pair = random_pair((16, 20, 18), torch.Generator().manual_seed(3))
        >>> {name: list(volume.shape) for name, volume in pair.items()}["ddf"]
        [3, 16, 20, 18]
    """
    if len(shape) != 3 or min(shape) < 16:
        raise ValueError(f"shape: expected three sizes of at least 16 voxels, got {list(shape)}")
    generator = torch.Generator().manual_seed(0) if generator is None else generator
    ddf = random_ddf(shape, generator, displacement)
    moving = random_anatomy(shape, generator)
    body = Layer(0, uniform(generator, *BODY_RANGE) if chance(generator, STRIPPED_SHARE) else -torch.inf, torch.inf, -1)
    contrasts = random_contrasts(len(moving.layers), generator)
    pair, visible = {"ddf": ddf[0]}, {}
    for name, anatomy, contrast in zip(("fixed", "moving"), (moving.warped(ddf), moving), contrasts, strict=True):
        image, visible[name] = _imaged(anatomy, contrast, body, generator)
        pair |= {name: image[None], f"{name}_label": label_map(anatomy)[None]}
    lands = warp(visible["moving"][None, None], ddf, padding_mode="zeros")[0, 0] > 0.99
    return {**pair, "valid": (visible["fixed"] * lands)[None]}


def _imaged(
    anatomy: Anatomy, contrast: Contrast, body: Layer, generator: torch.Generator
) -> tuple[torch.Tensor, torch.Tensor]:
    """Image (X, Y, Z) in any unit, mostly of the body alone, and 1 where it shows a place of the body."""
    image = acquired(painted(anatomy, contrast), generator)
    inside = coverage(Anatomy(anatomy.functions, (body,)))[0]
    image *= inside if chance(generator, BOTH_SHARE) else 1.0
    visible = field_of_view(image.shape, generator)
    return image * visible * 10.0 ** uniform(generator, -1.0, 3.0), visible * (inside > 0.5)


def random_ddf(shape: Sequence[int], generator: torch.Generator, displacement: float = 1.0) -> torch.Tensor:
    """A random diffeomorphism with an affine map after it, (1, 3, X, Y, Z), voxels; see :func:`random_pair`."""
    coarse = tuple(-(-size // FIELD_STRIDE) for size in shape)
    spacing = uniform(generator, 4.0, 10.0)
    amplitude = displacement * uniform(generator, 0.05, 0.2) * spacing
    return resize(random_diffeomorphism(coarse, generator, spacing, amplitude), list(shape))


def field_of_view(shape: Sequence[int], generator: torch.Generator) -> torch.Tensor:
    """1 where an image shows something, (X, Y, Z): a fifth of the images lack 5 to 30 % of their planes at one side."""
    visible = torch.ones(*shape)
    if chance(generator, CUT_SHARE):
        axis = whole(generator, 0, 2)
        lost = round(shape[axis] * uniform(generator, 0.05, 0.3))
        visible.narrow(axis, 0 if chance(generator, 0.5) else shape[axis] - lost, lost).zero_()
    return visible
