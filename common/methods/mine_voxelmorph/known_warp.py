"""Seeded smooth diffeomorphisms of known size: pairs whose exact registration is known."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from monai.networks.layers import GaussianFilter
from monai.utils import convert_to_tensor
from torch.nn import functional
from torch.utils.data import Dataset

from ...fields.ddf import integrate, resize, warp
from ...randomness import sample_generator

MAX_DRAWS = 50
EVALUATION_EPOCH = 4095  # of pairs that are drawn once; training starts at 1 and ends before
NUM_RESCALINGS = 3


@dataclass(frozen=True)
class WarpSize:
    """How far a known warp moves the voxels of a mask, and how smooth it is.

    Attributes:
        mean_mm: mean length of the displacement in the mask, reached to a few percent.
        max_mm: no voxel of the mask moves farther; draws that do are drawn again.
        sigma_mm: of the Gaussian that smooths the velocity.
        step_mm: edge of the voxels on which the velocity is drawn and integrated. An inverse is as exact as linear
            interpolation between them: about step² · mean / (8 · sigma²).

    Raises:
        ValueError: for numbers that are not positive, or a maximum below the mean.
    """

    mean_mm: float = 4.0
    max_mm: float = 12.0
    sigma_mm: float = 16.0
    step_mm: float = 4.0

    def __post_init__(self) -> None:
        if not (0 < self.mean_mm <= self.max_mm and 0 < self.step_mm <= self.sigma_mm):
            raise ValueError(f"expected 0 < mean_mm ≤ max_mm and 0 < step_mm ≤ sigma_mm, got {self}")


def known_warp(
    mask: torch.Tensor, spacing_mm: float, size: WarpSize, generator: torch.Generator
) -> tuple[torch.Tensor, torch.Tensor]:
    """A random diffeomorphism φ = exp(v) with the size asked for, and its inverse exp(−v).

    With moving = image ∘ φ⁻¹ the field of φ registers it: moving(x + u(x)) = image(x).

    Args:
        mask: (X, Y, Z), where the size is measured.
        spacing_mm: edge of a voxel, the same along all axes.
        size: of the displacement.
        generator: source of randomness, on the CPU.

    Returns:
        The ddf of φ and that of φ⁻¹, each (1, 3, X, Y, Z), voxels.

    Raises:
        ValueError: for an empty mask, or where no draw stays below the maximum.

    Example:
        >>> mask = torch.ones(32, 32, 32, dtype=torch.bool)
        >>> ddf, inverse = known_warp(mask, 2.0, WarpSize(2.0, 12.0), torch.Generator().manual_seed(0))
        >>> round(2 * ddf.norm(dim=1).mean().item(), 1)
        2.0
    """
    shape = list(mask.shape)
    ddf, inverse = coarse_warp(mask, spacing_mm, size, generator)
    return resize(ddf, shape), resize(inverse, shape)


def coarse_warp(
    mask: torch.Tensor, spacing_mm: float, size: WarpSize, generator: torch.Generator
) -> tuple[torch.Tensor, torch.Tensor]:
    """The fields of :func:`known_warp` on the coarse grid on which they are made.

    Returns:
        The ddf of φ and that of φ⁻¹, each (1, 3, *coarse), voxels of that grid; its outermost voxel centers are those
        of the mask's grid, so :func:`~common.fields.ddf.resize` brings them there.
    """
    if not mask.any():
        raise ValueError("mask: expected some voxels to measure the displacement in, got none")
    shape = list(mask.shape)
    coarse = [max(2, math.ceil(length * spacing_mm / size.step_mm)) for length in shape]
    coarse_mask = functional.adaptive_max_pool3d(mask[None].float(), coarse)[0] > 0
    spacings = [spacing_mm * (n - 1) / (m - 1) for n, m in zip(shape, coarse, strict=True)]
    scale_mm = torch.tensor(spacings).view(1, 3, 1, 1, 1)
    for _ in range(MAX_DRAWS):
        velocity = _velocity(coarse, size.sigma_mm / size.step_mm, generator)
        for _ in range(NUM_RESCALINGS):  # the length grows almost linearly with the velocity
            lengths_mm = (integrate(velocity) * scale_mm).norm(dim=1)[0][coarse_mask]
            velocity = velocity * (size.mean_mm / lengths_mm.mean())
        ddf = integrate(velocity)
        if (ddf * scale_mm).norm(dim=1)[0][coarse_mask].max() <= size.max_mm:
            return ddf, integrate(-velocity)
    raise ValueError(f"no warp of mean {size.mean_mm} mm stays below {size.max_mm} mm in {MAX_DRAWS} draws")


def _velocity(shape: list[int], sigma: float, generator: torch.Generator) -> torch.Tensor:
    """Smooth normal noise, (1, 3, *shape), mean length one voxel."""
    margin = math.ceil(2 * sigma)
    noise = torch.randn(1, 3, *[length + 2 * margin for length in shape], generator=generator)
    inner = slice(margin, -margin)
    smooth = GaussianFilter(3, sigma)(noise)[:, :, inner, inner, inner]
    return smooth / smooth.norm(dim=1).mean()


def known_size(warp_mm: float) -> WarpSize:
    """Warps of a mean length: at most three times it, smooth over four times it; 4 mm gives 12 and 16 mm."""
    return WarpSize(warp_mm, 3 * warp_mm, 4 * warp_mm, warp_mm)


class KnownWarpPairs(Dataset):
    """Intra-subject pairs under seeded warps, with the exact field, to be scored.

    Items have ``fixed``, ``moving``, ``image``, ``true_ddf`` (3, *spatial), voxels, ``brain`` (1, *spatial), ``name``,
    and ``fixed_label``, ``moving_label`` where subjects have a label. Every item follows from its number and the seed.

    Args:
        subjects: see :class:`~.pairs.ContrastPairs`; MetaTensors.
        fixed_contrast: key of the fixed image.
        moving_contrast: key of the moving image.
        num_warps: per subject.
        warp_mm: mean length of the warp in the head; at most three times that.
        spacing_mm: edge of a voxel.
        seed: of the warps.
    """

    def __init__(
        self,
        subjects: Sequence[Mapping[str, Any]],
        fixed_contrast: str = "T1",
        moving_contrast: str = "FLAIR",
        num_warps: int = 1,
        warp_mm: float = 4.0,
        spacing_mm: float = 1.0,
        seed: int = 0,
    ) -> None:
        self.data, self.num_warps, self.spacing_mm, self.seed = subjects, num_warps, spacing_mm, seed
        self.contrasts = (fixed_contrast, moving_contrast)
        self.warp_size = known_size(warp_mm)

    def __len__(self) -> int:
        return len(self.data) * self.num_warps

    def __getitem__(self, index: int) -> dict[str, Any]:
        number, draw = divmod(index, self.num_warps)
        subject = self.data[number]
        fixed, original = (subject[contrast] for contrast in self.contrasts)
        brain = convert_to_tensor(fixed, track_meta=False) > 0
        generator = sample_generator(self.seed, EVALUATION_EPOCH, index)
        ddf, inverse = known_warp(brain[0], self.spacing_mm, self.warp_size, generator)
        moving = original.clone()
        moving[:] = warp(convert_to_tensor(original, track_meta=False)[None], inverse, padding_mode="zeros")[0]
        item = {"fixed": fixed, "moving": moving, "true_ddf": ddf[0], "brain": brain}
        if "label" in subject:
            label = subject["label"].clone()
            label[:] = warp(subject["label"].as_tensor()[None].float(), inverse, "nearest", "zeros")[0]
            item |= {"fixed_label": subject["label"], "moving_label": label}
        name = f"{subject.get('subject', number)}-{draw}"
        return item | {"image": torch.cat([torch.as_tensor(fixed), torch.as_tensor(moving)]), "name": name}
