"""Source and target domain of displacement patches, from real heads or from the sample population."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from monai.data import MetaTensor
from monai.transforms import Transform
from torch.utils.data import Dataset

from ...data.layouts.multi_contrast import multi_contrast_subjects
from ...data.sample.population import sample_subjects
from ...data.volume import TOLERANCE_MM, read_volume
from ...transforms.intensity import background_level, subtract_background
from ...world.grid import Grid
from ...world.network_grid import network_grid
from ...world.resample import resample_smoothly
from .patches import PatchPairDataset, PatchSource, Sampling

SPACING_MM = 1.0  # of a voxel, where images are not left on their own
DIRECTIONS = {
    "source_to_source": ("source", "source"),
    "target_to_target": ("target", "target"),
    "source_to_target": ("source", "target"),
    "target_to_source": ("target", "source"),
}  # name → domain of the moving patch, domain of the fixed patch
_STREAMS = 2 + len(DIRECTIONS)  # of random numbers per seed: two domains of training, the directions of evaluation


@dataclass(frozen=True)
class Domains:
    """Source and target contrast, and how the intensities of each are normalized.

    Attributes:
        source: contrast with labels in training, a key of the subjects.
        target: contrast without labels in training.
        source_normalization: "volume" or "patch", see :class:`~.patches.PatchSource`.
        target_normalization: the same for the target.
    """

    source: str = "T1"
    target: str = "T2"
    source_normalization: str = "volume"
    target_normalization: str = "patch"

    def patch_sources(self, subjects: Sequence[Mapping]) -> dict[str, PatchSource]:
        """Patch sources "source" and "target" over the subjects of :func:`contrast_volumes`."""
        return {
            "source": PatchSource([subject[self.source] for subject in subjects], self.source_normalization),
            "target": PatchSource([subject[self.target] for subject in subjects], self.target_normalization),
        }


def contrast_subjects(
    dataset_dir: str, contrasts: Sequence[str], num_sample_subjects: int = 4, seed: int = 0
) -> list[dict]:
    """Subjects with the given contrasts: files, or volumes of the sample population.

    Args:
        dataset_dir: folder in the multi-contrast layout; empty for the sample population.
        contrasts: which to list.
        num_sample_subjects: size of the sample population.
        seed: of the sample population.

    Returns:
        {"subject": name, contrast: file or (1, X, Y, Z)} each.
    """
    contrasts = list(dict.fromkeys(contrasts))
    if not dataset_dir:
        return sample_subjects(num_sample_subjects, seed, contrasts=contrasts)
    return multi_contrast_subjects(dataset_dir, contrasts)


class LoadContrastsd(Transform):
    """Reads the co-registered volumes of a subject, axes in RAS order, voxels of a given size or their own.

    Files that lie otherwise are resampled, and a background below 0, as the air of a CT, is shifted to 0.

    Args:
        contrasts: which to read; those that are no files stay as they are.
        spacing_mm: edge of a voxel, > 0; 0 keeps the pixels of the images, as the paper's patches and displacements
            count them.

    Raises:
        ValueError: for a spacing below 0; when called, where a contrast is missing or those of a subject lie on
            different grids; names the files.

    Example:
        >>> LoadContrastsd(["T1"])({"subject": "a", "T1": torch.zeros(1, 2, 2, 2)})["T1"].shape
        torch.Size([1, 2, 2, 2])
    """

    def __init__(self, contrasts: Sequence[str], spacing_mm: float = SPACING_MM) -> None:
        super().__init__()
        if spacing_mm < 0:
            raise ValueError(f"spacing_mm: expected a size > 0, or 0 for the images' own pixels, got {spacing_mm}")
        self.contrasts = list(dict.fromkeys(contrasts))
        self.spacing_mm = spacing_mm or None

    def __call__(self, subject: Mapping[str, Any]) -> dict[str, Any]:
        """{"subject": name, contrast: (1, X, Y, Z)}."""
        missing = [contrast for contrast in self.contrasts if contrast not in subject]
        if missing:
            raise ValueError(f"subject {subject.get('subject')} has no {missing[0]}, it has {', '.join(subject)}")
        files = [contrast for contrast in self.contrasts if isinstance(subject[contrast], str | Path)]
        volumes = {contrast: read_volume(subject[contrast]) for contrast in files}
        if volumes:
            _check_grids(subject, {contrast: Grid.from_image(volume) for contrast, volume in volumes.items()})
        return {**subject, **{contrast: _placed(volume, self.spacing_mm) for contrast, volume in volumes.items()}}


def contrast_volumes(
    dataset_dir: str, contrasts: Sequence[str], num_sample_subjects: int = 4, seed: int = 0
) -> list[dict]:
    """Subjects of :func:`contrast_subjects` with their volumes in memory, see :class:`LoadContrastsd`."""
    return list(map(LoadContrastsd(contrasts), contrast_subjects(dataset_dir, contrasts, num_sample_subjects, seed)))


def _check_grids(entry: Mapping[str, str], grids: Mapping[str, Grid]) -> None:
    first = next(iter(grids))
    for contrast, grid in grids.items():
        if not grid.coincides_with(grids[first], TOLERANCE_MM):
            raise ValueError(
                f"subject {entry['subject']}: expected all contrasts on one grid, got {first} in {entry[first]}"
                f" {grids[first].spatial_shape} and {contrast} in {entry[contrast]} {grid.spatial_shape},"
                f" affines {grids[first].affine.tolist()} and {grid.affine.tolist()}"
            )


def _placed(volume: MetaTensor, spacing_mm: float | None) -> torch.Tensor:
    """The volume in RAS order on voxels of this size; untouched where it lies so and its background is not negative."""
    own = Grid.from_image(volume)
    target = network_grid(own, spacing=spacing_mm)
    values = subtract_background(volume) if background_level(volume) < 0 else volume
    return values if own.coincides_with(target, TOLERANCE_MM) else resample_smoothly(values, own, target, 0.0)


class SourceTargetPairs(Dataset):
    """Training data: labeled pairs within the source contrast, unlabeled pairs within the target contrast.

    Args:
        subjects: from :func:`contrast_volumes`, training subjects only.
        domains: the two contrasts.
        num_pairs: pairs of each domain per epoch.
        seed: of the draw.
        fresh_pairs: draw new pairs each epoch.
        sampling: how to draw.
    """

    def __init__(
        self,
        subjects: Sequence[Mapping],
        domains: Domains,
        num_pairs: int = 5120,
        seed: int = 0,
        fresh_pairs: bool = False,
        sampling: Sampling | None = None,
    ) -> None:
        self.data = list(subjects)
        source, target = domains.patch_sources(subjects).values()
        self.source = PatchPairDataset(source, source, num_pairs, _STREAMS * seed, fresh_pairs, sampling)
        self.target = PatchPairDataset(target, target, num_pairs, _STREAMS * seed + 1, fresh_pairs, sampling)

    def set_epoch(self, epoch: int) -> None:
        """Choose the epoch of both domains."""
        self.source.set_epoch(epoch)
        self.target.set_epoch(epoch)

    def __len__(self) -> int:
        return len(self.source)

    def __getitem__(self, index: int) -> dict:
        return self.__getitems__([index])[0]

    def __getitems__(self, indices: Sequence[int]) -> list[dict]:
        """Items {"source": {"image", "label"}, "target": {"image"}}."""
        pairs = zip(self.source.__getitems__(indices), self.target.__getitems__(indices), strict=True)
        return [{"source": source, "target": {"image": target["image"]}} for source, target in pairs]


class DirectionPairs(Dataset):
    """Evaluation data: the same number of labeled pairs for each direction between two contrasts.

    Items carry the number of their direction in :data:`DIRECTIONS`.

    Args:
        subjects: from :func:`contrast_volumes`, held-out subjects.
        domains: the two contrasts.
        num_pairs: pairs per direction.
        seed: of the draw.
        sampling: how to draw.
    """

    def __init__(
        self,
        subjects: Sequence[Mapping],
        domains: Domains,
        num_pairs: int = 1024,
        seed: int = 0,
        sampling: Sampling | None = None,
    ) -> None:
        self.data = list(subjects)
        sources = domains.patch_sources(subjects)
        self.parts = [
            PatchPairDataset(sources[fixed], sources[moving], num_pairs, _STREAMS * seed + 2 + number, False, sampling)
            for number, (moving, fixed) in enumerate(DIRECTIONS.values())
        ]

    def __len__(self) -> int:
        return sum(len(part) for part in self.parts)

    def __getitem__(self, index: int) -> dict:
        return self.__getitems__([index])[0]

    def __getitems__(self, indices: Sequence[int]) -> list[dict]:
        """Items {"image": (2, *39), "label": class, "direction": number}."""
        places = [divmod(index, len(self.parts[0])) for index in indices]
        return [{**self.parts[number][inner], "direction": number} for number, inner in places]
