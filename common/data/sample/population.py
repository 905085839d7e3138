"""The embedded sample population: seeded warps of one brain template, with labels and the exact field.

It serves smoke tests, resuming and timing. Every subject is a warp of one template, so no accuracy rests on
it.
"""

from collections.abc import Sequence

import numpy as np
import torch
from monai.data import MetaTensor

from ...fields.ddf import compose, invert, resize, warp
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
    return [
        {"subject": f"sample{index:02d}", **sample_subject(index, seed, **options)} for index in range(num_subjects)
    ]


def sample_pair(
    fixed_index: int,
    moving_index: int,
    seed: int = 0,
    contrasts: tuple[str, str] = ("T1", "T1"),
    region: str = "head",
    spacing: int = 1,
) -> dict[str, MetaTensor]:
    """Two subjects and the field between them: fixed(x) shows the anatomy of moving(x + ddf(x)).

    With fixed = template ∘ φ_f and moving = template ∘ φ_m the map is φ_m⁻¹ ∘ φ_f. The inverse is interpolated,
    which costs 0.03 mm on average and more within some millimeters of the border.

    Args:
        fixed_index: number of the fixed subject.
        moving_index: number of the moving subject.
        seed: number of the population.
        contrasts: of the fixed and of the moving image.
        region: ``"head"`` or ``"hippocampus"``.
        spacing: voxel size in mm, a whole number.

    Returns:
        ``fixed``, ``moving``, ``fixed_label``, ``moving_label`` (1, X, Y, Z) and ``ddf`` (3, X, Y, Z) in
        voxels.
    """
    fixed = sample_subject(fixed_index, seed, contrasts[:1], region, spacing)
    moving = sample_subject(moving_index, seed, contrasts[1:], region, spacing)
    coarse = [_coarse_ddf(index, seed, region, spacing) for index in (fixed_index, moving_index)]
    fixed_ddf, moving_ddf = (resize(ddf, [2 * length for length in ddf.shape[2:]]) for ddf in coarse)
    ddf = compose(invert(moving_ddf), fixed_ddf)
    ddf = resize(ddf, list(fixed["label"].shape[1:]))[0]
    return {
        "fixed": fixed[contrasts[0]],
        "moving": moving[contrasts[1]],
        "fixed_label": fixed["label"],
        "moving_label": moving["label"],
        "ddf": MetaTensor(ddf, affine=fixed["label"].affine),
    }


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
