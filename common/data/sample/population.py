"""The embedded sample population: seeded warps of one brain template, with labels and the exact field.

It serves smoke tests, resuming and timing. Every subject is a warp of one template, so no accuracy rests on
it.
"""

from collections.abc import Mapping, Sequence

import numpy as np
import torch
from monai.data import MetaTensor

from ...fields.ddf import resize, warp
from ...words import one_of
from .contrast import render_contrast
from .deformation import random_diffeomorphism
from .template import sample_template

CONTROL_SPACING_MM = {"head": 24.0, "hippocampus": 12.0}
AMPLITUDE_MM = {"head": 4.0, "hippocampus": 1.5}
COARSE_SPACING_MM = {"head": 4.0, "hippocampus": 2.0}


def sample_subject(
    index: int,
    seed: int = 0,
    contrasts: Sequence[str] = ("T1", "T2"),
    region: str = "head",
    spacing: int = 1,
    artifacts: float = 1.0,
) -> dict[str, MetaTensor]:
    """One subject of the population: subject(x) = template(x + ddf(x)).

    Args:
        index: number of the subject, from 0; with ``seed`` it determines every voxel.
        seed: number of the population.
        contrasts: among T1, T2, FLAIR; all lie on the same grid and show the same anatomy.
        region: ``"head"`` or ``"hippocampus"``, see ``sample_template``.
        spacing: voxel size in mm, a whole number.
        artifacts: factor on noise, bias field and the spread of tissue intensities; 0 gives the plain tissue
            means.

    Returns:
        Each contrast (1, X, Y, Z) with whole numbers from 0 to 255, ``label`` (1, X, Y, Z) and ``ddf`` (3, X,
        Y, Z) in voxels; float32, with the affine of the template.

    Raises:
        ImportError: nilearn is not installed.
        ValueError: an unknown contrast or region, or a negative number.

    Example:
        >>> subject = sample_subject(0, region="hippocampus")
        >>> subject["T1"].shape, subject["ddf"].shape
        (torch.Size([1, 36, 50, 36]), torch.Size([3, 36, 50, 36]))
    """
    if min(index, seed) < 0:
        raise ValueError(f"expected numbers from 0, got index {index} and seed {seed}")
    template = sample_template(region, spacing)
    ddf = resize(_coarse_ddf(index, seed, region, spacing), list(template.label.shape[1:]))
    tissues = warp(template.tissues[None], ddf)[0]
    volumes = {
        contrast: render_contrast(tissues, contrast, _generator(seed, index, contrast), artifacts)
        for contrast in contrasts
    }
    volumes["label"] = warp(template.label[None], ddf, mode="nearest")[0]
    volumes["ddf"] = ddf[0]
    return {key: MetaTensor(volume, affine=template.affine.clone()) for key, volume in volumes.items()}


def sample_subjects(num_subjects: int, seed: int = 0, **options) -> list[dict]:
    """The first subjects of a population.

    Args:
        num_subjects: how many.
        seed: number of the population.
        **options: ``contrasts``, ``region``, ``spacing``, ``artifacts`` of ``sample_subject``.

    Returns:
        ``sample_subject`` for 0 … ``num_subjects - 1``, each with its name under ``subject``.
    """
    return [_named_subject(index, seed, **options) for index in range(num_subjects)]


def sample_part(part: str, sizes: Mapping[str, int], **options) -> list[dict]:
    """Subjects of one part of a population that is cut into parts, so that no subject is in two.

    Args:
        part: one of the names in ``sizes``.
        sizes: part → number of subjects, in the order of the subjects.
        **options: those of :func:`sample_subject`.

    Raises:
        ValueError: for an unknown part.
    """
    parts = list(sizes)
    first = sum(sizes[name] for name in parts[: parts.index(one_of("part", part, parts))])
    return [_named_subject(index, **options) for index in range(first, first + sizes[part])]


def _named_subject(index: int, seed: int = 0, **options) -> dict:
    return {"subject": f"sample{index:02d}", **sample_subject(index, seed, **options)}


def _coarse_ddf(index: int, seed: int, region: str, spacing: int) -> torch.Tensor:
    """Field of subject → template in voxels of a grid a few millimeters wide, on which it is smooth."""
    coarse_mm = COARSE_SPACING_MM[region]
    lengths_mm = [length * spacing for length in sample_template(region, spacing).label.shape[1:]]
    return random_diffeomorphism(
        tuple(round(length / coarse_mm) for length in lengths_mm),
        _generator(seed, index),
        CONTROL_SPACING_MM[region] / coarse_mm,
        AMPLITUDE_MM[region] / coarse_mm,
    )


def _generator(seed: int, index: int, contrast: str = "") -> torch.Generator:
    """A generator of its own for every population, subject and contrast."""
    entropy = np.random.SeedSequence([seed, index, *contrast.encode()]).generate_state(1, np.uint64)
    return torch.Generator().manual_seed(int(entropy[0] >> np.uint64(1)))
