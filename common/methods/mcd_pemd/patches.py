"""Patch pairs with a known displacement class, drawn from volumes (Heinrich & Hansen, MIDL 2020, section 2)."""

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from monai.utils import convert_to_tensor
from torch.utils.data import Dataset

from ...fields.sampling import sample
from ...randomness import sample_generator
from .normalization import normalize_patch, normalize_volume, volume_statistics

OFFSETS = (-38, -19, 0, 19, 38)  # voxels per axis
PATCH_EXTENT = 77  # voxels, of which every second is taken
PATCH_SIZE = 39  # samples


def class_offsets(spatial_dims: int = 2) -> torch.Tensor:
    """Offset of every class: (5**D, D) voxels, the last axis running fastest.

    The offset is the center of the moving patch minus that of the fixed one in the frame of the head, so the field
    that registers the pair is its negative: fixed(x) = moving(x − offset).

    Example:
        >>> class_offsets()[[0, 1, 12]].tolist()
        [[-38.0, -38.0], [-38.0, -19.0], [0.0, 0.0]]
    """
    axis = torch.tensor(OFFSETS, dtype=torch.float32)
    return torch.stack(torch.meshgrid([axis] * spatial_dims, indexing="ij"), dim=-1).reshape(-1, spatial_dims)


def patch_lattice(spatial_dims: int = 2) -> torch.Tensor:
    """Sample positions of a patch about its center: (*39, 3) voxels; a 2-D patch lies in the axial plane."""
    axis = 2.0 * torch.arange(PATCH_SIZE) - PATCH_EXTENT // 2
    axes = [axis] * spatial_dims + [torch.zeros(1)] * (3 - spatial_dims)
    lattice = torch.stack(torch.meshgrid(axes, indexing="ij"), dim=-1)
    return lattice.reshape([PATCH_SIZE] * spatial_dims + [3])


@dataclass(frozen=True)
class Sampling:
    """How patch pairs are drawn.

    Attributes:
        spatial_dims: 2 (axial patches, 25 classes) or 3 (125 classes).
        affine_sd: standard deviation of the entries added to the identity of each patch's own 3-D affine, which acts
            about the center of the patch on coordinates that run from −1 to 1 over its extent. About the center of the
            volume it would move patches by more than half the distance of two classes and make labels wrong.
        margin: voxels by which the range of centers exceeds the volume on every side (in-plane only in 2-D). A narrow
            range lets the place of one patch hint at the class, a wide one shows more background. In 3-D 0 leaves less
            than 5 % of the head in a patch of every fourth pair (one in nine in 2-D), −15 in one of 25.
        blank: "fixed" or "moving" sets that patch to zero, for the control that must stay at chance.
    """

    spatial_dims: int = 2
    affine_sd: float = 0.05
    margin: int = 0
    blank: str = ""

    def __post_init__(self):
        if self.spatial_dims not in (2, 3):
            raise ValueError(f"spatial_dims: expected 2 or 3, got {self.spatial_dims}")
        if self.blank not in ("", "fixed", "moving"):
            raise ValueError(f"blank: expected '', 'fixed' or 'moving', got {self.blank!r}")


@dataclass
class PairDraws:
    """What chance decides of N pairs.

    Attributes:
        subject: (N,) number of the subject.
        label: (N,) class.
        center: (N, 3) voxels.
        affines: (N, 2, 3, 4), of the fixed and of the moving patch.
    """

    subject: torch.Tensor
    label: torch.Tensor
    center: torch.Tensor
    affines: torch.Tensor


def draw_pairs(shapes: torch.Tensor, generators: Sequence[torch.Generator], sampling: Sampling) -> PairDraws:
    """Draw subject, class, center and affines of each pair from its own generator, independently of each other.

    The center is uniform over the volume enlarged by the margin; a 2-D patch takes its slice from the middle 60 %.

    Args:
        shapes: (S, 3), voxels of each subject's volume.
        generators: one per pair.
        sampling: how to draw.
    """
    uniform = torch.stack([torch.rand(5, generator=generator) for generator in generators])
    normal = torch.stack([torch.randn(2, 3, 4, generator=generator) for generator in generators])
    subject = (uniform[:, 0] * len(shapes)).long()
    label = (uniform[:, 1] * len(OFFSETS) ** sampling.spatial_dims).long()
    last = shapes[subject] - 1.0
    low, high = torch.full_like(last, -float(sampling.margin)), last + sampling.margin
    if sampling.spatial_dims == 2:
        low[:, 2], high[:, 2] = 0.2 * last[:, 2], 0.8 * last[:, 2]
    center = low + (high - low) * uniform[:, 2:]
    return PairDraws(subject, label, center, torch.eye(3, 4) + sampling.affine_sd * normal)


def patch_coordinates(draws: PairDraws, sampling: Sampling) -> torch.Tensor:
    """Voxel coordinates of both patches, fixed first, each seen through its own affine: (N, 2, *39, 3).

    The center lies half-way between the patches, so that neither alone tells the class by its place.
    """
    num_pairs, lattice = len(draws.label), patch_lattice(sampling.spatial_dims)
    offset = torch.zeros(num_pairs, 3)
    offset[:, : sampling.spatial_dims] = class_offsets(sampling.spatial_dims)[draws.label]
    centers = draws.center[:, None] + offset[:, None] * torch.tensor([-0.5, 0.5])[:, None]
    half = PATCH_EXTENT // 2
    unit = lattice.reshape(-1, 3) / half  # −1 … 1 over the patch
    moved = unit @ draws.affines[..., :3].mT + draws.affines[..., 3][:, :, None]
    return (centers[:, :, None] + moved * half).reshape(num_pairs, 2, *lattice.shape)


def read_patches(volume: torch.Tensor, coordinates: torch.Tensor) -> torch.Tensor:
    """Intensities of a volume (1, X, Y, Z) at voxel coordinates: (N, *39, 3) → (N, *39), 0 beyond the border."""
    num_patches = coordinates.shape[0]
    points = coordinates.reshape(num_patches, -1, 1, 1, 3).movedim(-1, 1)
    shared = volume.expand(num_patches, *volume.shape)  # a batch, because torch samples batch items in parallel
    return sample(shared, points, padding_mode="zeros").reshape(coordinates.shape[:-1])


class PatchSource:
    """Volumes of one contrast, from which normalized patches are read.

    Args:
        volumes: (1, X, Y, Z) each, background 0.
        normalization: "volume" (by the statistics of the whole volume) or "patch" (by those of each patch).
    """

    def __init__(self, volumes: Sequence[torch.Tensor], normalization: str) -> None:
        if normalization not in ("volume", "patch"):
            raise ValueError(f"normalization: expected 'volume' or 'patch', got {normalization!r}")
        self.volumes = [convert_to_tensor(volume, dtype=torch.float32, track_meta=False) for volume in volumes]
        self.statistics = [volume_statistics(volume) for volume in self.volumes]
        self.normalization = normalization

    def normalize(self, subject: int, patches: torch.Tensor) -> torch.Tensor:
        """Normalize patches (N, *39) of one subject's intensities."""
        if self.normalization == "patch":
            return normalize_patch(patches)
        return normalize_volume(patches, *self.statistics[subject])

    def read(self, subject: int, coordinates: torch.Tensor) -> torch.Tensor:
        """Patches of one subject at voxel coordinates: (N, *39, 3) → (N, *39), background beyond the border."""
        return self.normalize(subject, read_patches(self.volumes[subject], coordinates))


class PatchPairDataset(Dataset):
    """Patch pairs (image, label) whose displacement class is known by construction.

    Pair i derives from (seed, i), so the set is fixed as the paper's 5120 pairs are; with `fresh_pairs` it derives from
    (seed, epoch, i) and every epoch brings new ones.

    Args:
        fixed: source of the fixed patches.
        moving: source of the moving patches, the same subjects in the same order.
        num_pairs: pairs per epoch.
        seed: of the draw.
        fresh_pairs: draw new pairs each epoch.
        sampling: how to draw.
    """

    def __init__(
        self,
        fixed: PatchSource,
        moving: PatchSource,
        num_pairs: int = 5120,
        seed: int = 0,
        fresh_pairs: bool = False,
        sampling: Sampling | None = None,
    ) -> None:
        shapes = [volume.shape for volume in fixed.volumes]
        if shapes != [volume.shape for volume in moving.volumes]:
            raise ValueError("fixed and moving must hold the same subjects on the same grids")
        self.fixed, self.moving = fixed, moving
        self.shapes = torch.tensor([shape[1:] for shape in shapes])
        self.num_pairs, self.seed, self.fresh_pairs = num_pairs, seed, fresh_pairs
        self.sampling = sampling or Sampling()
        self.epoch = 0
        self._kept: dict[int, tuple[torch.Tensor, int]] = {}  # pairs that come again in every epoch

    def set_epoch(self, epoch: int) -> None:
        """Choose the epoch of the next pairs; without `fresh_pairs` all epochs are the same."""
        if self.fresh_pairs:
            self.epoch = epoch

    def __len__(self) -> int:
        return self.num_pairs

    def __getitem__(self, index: int) -> dict:
        return self.__getitems__([index])[0]

    def __getitems__(self, indices: Sequence[int]) -> list[dict]:
        """Pairs of a whole batch, read together: items {"image": (2, *39), "label": class}."""
        drawn = self._draw([index for index in indices if index not in self._kept])
        if not self.fresh_pairs:
            self._kept.update(drawn)
        pairs = [drawn[index] if index in drawn else self._kept[index] for index in indices]
        return [{"image": image, "label": label} for image, label in pairs]

    def _draw(self, indices: Sequence[int]) -> dict[int, tuple[torch.Tensor, int]]:
        """Image and label of each pair."""
        if not indices:
            return {}
        drawn = {}
        generators = [sample_generator(self.seed, self.epoch, index) for index in indices]
        draws = draw_pairs(self.shapes, generators, self.sampling)
        coordinates = patch_coordinates(draws, self.sampling)
        for subject in draws.subject.unique().tolist():
            chosen = (draws.subject == subject).nonzero()[:, 0]
            sources = (self.fixed, self.moving)
            patches = [source.read(subject, coordinates[chosen, k]) for k, source in enumerate(sources)]
            images = self._blank(torch.stack(patches, dim=1))
            for place, image in zip(chosen.tolist(), images, strict=True):
                drawn[indices[place]] = (image, int(draws.label[place]))
        return drawn

    def _blank(self, images: torch.Tensor) -> torch.Tensor:
        if self.sampling.blank:
            images[:, ("fixed", "moving").index(self.sampling.blank)] = 0
        return images
