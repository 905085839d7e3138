"""Pairs of contrasts, within a subject or between subjects, with or without a known warp."""

from collections.abc import Callable, Mapping, Sequence
from itertools import islice
from pathlib import Path
from typing import Any

import torch
from monai.utils import convert_to_tensor
from torch.utils.data import Dataset, Subset

from ...data.pairs import random_pairs
from ...fields.ddf import compose, resize, warp
from ...files import read_dataset_json
from ...randomness import sample_generator
from ...words import one_of
from .known_warp import KnownWarpPairs, WarpSize, coarse_warp

PAIRINGS = ("inter", "intra", "atlas")


class ContrastPairs(Dataset):
    """Fixed and moving contrast of pairs of subjects that lie on one grid.

    The pair of an item follows from (seed, epoch, index), whatever the order of drawing. Pairings: ``inter``, two
    different subjects; ``atlas``, any subject onto the first; ``intra``, two contrasts of one subject. A known warp φ
    moves the moving image by φ⁻¹, so the field of φ is the truth of an intra-subject pair.

    Args:
        subjects: items with the contrasts, (1, *spatial) on one grid, intensities in [0, 1], and possibly ``label``.
        fixed_contrast: key of the fixed image.
        moving_contrast: key of the moving image.
        pairing: inter, intra or atlas.
        num_pairs: items per epoch.
        warp_mm: mean length of the known warp of an intra-subject pair in the head; 0 for none.
        augment: flip the images of a pair half of the time and warp both alike before the known warp, by three
            voxels on average, so that few subjects become many; not with an atlas, which stays as it is.
        spacing_mm: edge of a voxel.
        seed: of the draw.

    Raises:
        ValueError: for an unknown pairing, too few subjects, or a subject that lacks a contrast.

    Example:
        >>> subjects = [{"subject": "a", "T1": torch.rand(1, 16, 16, 16), "FLAIR": torch.rand(1, 16, 16, 16)}]
        >>> ContrastPairs(subjects, "T1", "FLAIR", "intra", num_pairs=1)[0]["image"].shape
        torch.Size([2, 16, 16, 16])
    """

    def __init__(
        self,
        subjects: Sequence[Mapping[str, Any]],
        fixed_contrast: str = "T1",
        moving_contrast: str = "FLAIR",
        pairing: str = "inter",
        num_pairs: int = 100,
        warp_mm: float = 0.0,
        augment: bool = False,
        spacing_mm: float = 1.0,
        seed: int = 0,
    ) -> None:
        one_of("pairing", pairing, PAIRINGS)
        if len(subjects) < (1 if pairing == "intra" else 2) or num_pairs < 1 or warp_mm < 0:
            raise ValueError(
                f"expected enough subjects for pairing {pairing!r}, num_pairs ≥ 1 and warp_mm ≥ 0,"
                f" got {len(subjects)}, {num_pairs} and {warp_mm}"
            )
        self.data, self.pairing, self.num_pairs, self.seed, self.epoch = subjects, pairing, num_pairs, seed, 0
        self.contrasts = {"fixed": fixed_contrast, "moving": moving_contrast}
        # Both are made on one coarser grid: fast, with an inverse good enough where nobody asks for the truth.
        warp_mm = warp_mm if pairing == "intra" else 0.0
        step_mm = min(4 * spacing_mm, 4 * warp_mm) if warp_mm else 4 * spacing_mm
        self.warp_size = WarpSize(warp_mm, 3 * warp_mm, 4 * warp_mm, step_mm) if warp_mm else None
        self.augmentation = WarpSize(3 * spacing_mm, 12 * spacing_mm, 12 * spacing_mm, step_mm)
        self.augment, self.spacing_mm = augment and pairing != "atlas", spacing_mm

    def set_epoch(self, epoch: int) -> None:
        """Choose the epoch whose pairs come next."""
        self.epoch = epoch

    def __len__(self) -> int:
        return self.num_pairs

    def __getitem__(self, index: int) -> dict[str, Any]:
        """``image`` (2, *spatial) and ``draw`` [epoch, index], from which the training step derives its randomness."""
        generator = sample_generator(self.seed, self.epoch, index)
        fixed, moving = (self._volume(number, side) for number, side in self._chosen(generator))
        fixed, moving = self._deformed(fixed, moving, generator)
        return {"image": torch.cat([fixed, moving]), "draw": torch.tensor([self.epoch, index])}

    def _chosen(self, generator: torch.Generator) -> list[tuple[int, str]]:
        numbers = torch.randperm(len(self.data), generator=generator).tolist()
        if self.pairing == "intra":
            fixed = moving = numbers[0]
        elif self.pairing == "atlas":
            fixed, moving = 0, next(number for number in numbers if number)
        else:
            fixed, moving = numbers[:2]
        return [(fixed, "fixed"), (moving, "moving")]

    def _volume(self, number: int, side: str) -> torch.Tensor:
        subject, contrast = self.data[number], self.contrasts[side]
        if contrast not in subject:
            raise ValueError(f"subject {subject.get('subject', number)} has no {contrast}")
        return convert_to_tensor(subject[contrast], track_meta=False)

    def _deformed(
        self, fixed: torch.Tensor, moving: torch.Tensor, generator: torch.Generator
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """fixed ∘ A and moving ∘ A ∘ φ⁻¹, with the augmentation A and the known warp φ; each interpolated once."""
        brain, shape, whole, inverse = fixed[0] > 0, list(fixed.shape[1:]), None, None
        if self.augment:
            if torch.rand((), generator=generator) < 0.5:
                fixed, moving, brain = fixed.flip(1), moving.flip(1), brain.flip(0)
            whole, _ = coarse_warp(brain, self.spacing_mm, self.augmentation, generator)
            fixed = warp(fixed[None], resize(whole, shape), padding_mode="zeros")[0]
        if self.warp_size is not None:
            _, inverse = coarse_warp(brain, self.spacing_mm, self.warp_size, generator)
        total = compose(whole, inverse) if whole is not None and inverse is not None else whole
        total = inverse if total is None else total
        if total is not None:
            moving = warp(moving[None], resize(total, shape), padding_mode="zeros")[0]
        return fixed, moving


class SubjectPairs(Dataset):
    """Inter-subject pairs to be scored: ``fixed``, ``moving``, ``image``, ``name``, and labels where there are any.

    Args:
        subjects: see :class:`ContrastPairs`.
        numbers: pairs of places in ``subjects``, fixed first.
        fixed_contrast: key of the fixed image.
        moving_contrast: key of the moving image.
    """

    def __init__(
        self,
        subjects: Sequence[Mapping[str, Any]],
        numbers: Sequence[tuple[int, int]],
        fixed_contrast: str = "T1",
        moving_contrast: str = "T1",
    ) -> None:
        self.data, self.numbers, self.contrasts = subjects, list(numbers), (fixed_contrast, moving_contrast)

    def __len__(self) -> int:
        return len(self.numbers)

    def __getitem__(self, index: int) -> dict[str, Any]:
        item, names = {}, []
        for side, number, contrast in zip(("fixed", "moving"), self.numbers[index], self.contrasts, strict=True):
            subject = self.data[number]
            names.append(str(subject.get("subject", number)))
            item[side] = subject[contrast]
            item |= {f"{side}_label": subject["label"]} if "label" in subject else {}
        return item | {
            "image": torch.cat([torch.as_tensor(item["fixed"]), torch.as_tensor(item["moving"])]),
            "name": "-".join(names),
        }


def scored_pairs(
    subjects: Sequence[Mapping[str, Any]],
    dataset_dir: str = "",
    contrasts: Sequence[str] = ("T1", "FLAIR"),
    pairing: str = "inter",
    num_pairs: int = 20,
    warp_mm: float = 4.0,
    spacing_mm: float = 1.0,
    atlas: Mapping[str, Any] | None = None,
) -> Dataset:
    """The fixed pairs of a validation or evaluation.

    Args:
        subjects: of one part, on one grid, see :class:`ContrastPairs`.
        dataset_dir: folder of the data set; its ``val_pairs.json`` lists inter-subject pairs, else they are drawn.
        contrasts: of the fixed and of the moving image.
        pairing: intra gives :class:`KnownWarpPairs`; atlas, all subjects onto one; inter, listed or drawn pairs.
        num_pairs: at most so many.
        warp_mm: of known warps, 0 for 4 mm.
        spacing_mm: edge of a voxel.
        atlas: subject that the others are brought onto, see :func:`atlas_of`; None for the first of the part.

    Returns:
        A data set.

    Raises:
        ValueError: where the part has too few subjects for the pairing.
    """
    if pairing == "atlas" and atlas is not None:
        each = (subjects[number] for number in range(len(subjects)))  # read one by one: a part may be large
        others = (subject for subject in each if subject.get("subject") != atlas.get("subject"))
        subjects = [atlas, *islice(others, num_pairs)]
    count = len(subjects)
    if pairing != "intra" and count < 2:
        names = ", ".join(str(subject.get("subject", number)) for number, subject in enumerate(subjects))
        raise ValueError(f"pairing {pairing}: expected at least two subjects in the part to be scored, got {names}")
    if pairing == "intra":
        chosen = Subset(subjects, range(min(count, num_pairs)))
        num_warps = max(1, num_pairs // count)
        return KnownWarpPairs(chosen, *contrasts, num_warps, warp_mm or WarpSize().mean_mm, spacing_mm)
    if pairing == "atlas":
        numbers = [(0, number) for number in range(1, count)]
    else:
        names = [{"subject": str(subject.get("subject", number))} for number, subject in enumerate(subjects)]
        place = {entry["subject"]: number for number, entry in enumerate(names)}
        named = _listed(dataset_dir, place) or [
            (pair["fixed_subject"], pair["moving_subject"])
            for pair in random_pairs([{**entry, "image": ""} for entry in names], min(num_pairs, count * (count - 1)))
        ]
        numbers = [(place[fixed], place[moving]) for fixed, moving in named]
    return SubjectPairs(subjects, numbers[:num_pairs], *contrasts)


def atlas_of(
    subjects: Sequence[Mapping[str, Any]], transform: Callable[[Mapping], Mapping], pairing: str
) -> Mapping[str, Any] | None:
    """The subject that a training with atlas pairs has for its atlas, prepared to be scored against; else None.

    Args:
        subjects: of the training, files.
        transform: of the bundle's images.
        pairing: see :func:`scored_pairs`.

    Returns:
        The first subject.

    Example:
        >>> atlas_of([{"subject": "a"}, {"subject": "b"}], dict, "atlas"), atlas_of([], dict, "inter")
        ({'subject': 'a'}, None)
    """
    return transform(subjects[0]) if pairing == "atlas" else None


def _listed(dataset_dir: str, known: Mapping[str, int]) -> list[tuple[str, str]]:
    """Pairs of ``val_pairs.json`` whose subjects are known; none without such a file."""
    path = Path(dataset_dir).expanduser() / "val_pairs.json"
    if not dataset_dir or not path.is_file():
        return []
    return [tuple(names) for names in read_dataset_json(path)["pairs"] if set(names) <= known.keys()]
