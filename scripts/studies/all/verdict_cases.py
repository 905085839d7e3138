"""Registrations of real pairs that are known to be right or wrong: intact pairs, and pairs spoilt on purpose."""

import json
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from functools import cache, partial
from itertools import pairwise, product
from pathlib import Path
from typing import Any
from zlib import crc32

import torch
from monai.data import MetaTensor

from common.data.volume import read_volume
from common.methods.mine_voxelmorph.known_warp import WarpSize, known_warp
from common.registration.greedy import GreedyRefinement
from common.registration.labels import label_dice, warp_label
from common.world.alignment import aligned
from common.world.grid import Grid, on_grid
from common.world.maps import WorldMap
from common.world.network_grid import network_grid
from common.world.resample import ddf_to_field_mm, field_mm_to_ddf, resample_smoothly, warp_moving

SUBJECTS = {"choose": ("ms07",), "score": ("stroke01", "ms26", "ms19", "lgg6692")}
ABDOMENS = {"choose": "CRLM-CT-1004_3mm", "score": "CRLM-CT-1006_3mm"}
NUM_REGIONS = {"choose": (8, 3), "score": (24, 5)}  # pairs of regions, and how many of them are spoilt in every way
HEAD_MM, ABDOMEN_MM, LIMB_MM = 4.0, 5.0, 3.0
USUAL, SHORT, TOO_LARGE = (
    WarpSize(6.0, 18.0, 24.0, 6.0),
    WarpSize(4.0, 12.0, 16.0, 4.0),
    WarpSize(35.0, 105.0, 30.0, 6.0),
)
SHIFT_SHARE = 0.35  # of an image's longest edge
CUT_SHARE = 0.6  # of an axis that goes
NOISE = 1.5  # standard deviation, shares of the range


@dataclass
class Case:
    """A pair, how it is registered, and how far off a result is.

    Args:
        fixed: (1, X, Y, Z).
        moving: (1, X', Y', Z').
        options: of the registrar.
        error: of a registration, before and after; smaller is better.
        unit: "mm", "1 - Dice" or "1 - correlation".
    """

    fixed: MetaTensor
    moving: MetaTensor
    error: Callable[[WorldMap], tuple[float, float]]
    unit: str = "mm"
    options: dict[str, Any] = field(default_factory=dict)


@dataclass
class Plan:
    """A case before it is made.

    Args:
        kind: what is done to the pair; "intact" for nothing.
        name: of the pair.
        make: makes the case.
    """

    kind: str
    name: str
    make: Callable[[], Case]


def plans(data_dir: Path, part: str) -> Iterator[Plan]:
    """All cases of a part, "choose" or "score"; no subject is in both."""
    yield from region_plans(data_dir, part)
    yield from head_plans(data_dir, part)
    yield from body_plans(data_dir, part)
    yield from subject_plans(data_dir, part)


def head_plans(data_dir: Path, part: str) -> Iterator[Plan]:
    """Contrasts of one head, one of them under a known warp."""
    lncc = {"refinement": GreedyRefinement(60, "lncc")}
    for subject, *contrasts in product(SUBJECTS[part], *[("T1", "T2", "FLAIR")] * 2):
        read = [partial(_head, data_dir, subject, contrast) for contrast in contrasts]
        name = f"{subject} {'-'.join(contrasts)}"
        yield Plan("intact", name, partial(warped_case, *read, seed=seed_of(name)))
        if set(contrasts) in ({"T1", "T2"}, {"FLAIR", "T2"}):
            yield Plan("wrong contrast", name, partial(warped_case, *read, seed=seed_of(name), options=lncc))
        if contrasts == ["T1", "T1"]:
            yield from spoilt_plans(name, read[0], USUAL)


def body_plans(data_dir: Path, part: str) -> Iterator[Plan]:
    """CTs of abdomens, and CT and T1 of a limb, under known warps."""
    bodies = {ABDOMENS[part]: (data_dir / f"AbdomenCT/{ABDOMENS[part]}.nii.gz", ABDOMEN_MM, USUAL)}
    for name in ("CT", "T1") if part == "score" else ():
        bodies[f"limb {name}"] = (data_dir / f"LimbCTMR/sts002/{name}.nii.gz", LIMB_MM, SHORT)
    for name, (path, spacing_mm, size) in bodies.items():
        read = partial(coarse_file, path, spacing_mm)
        yield Plan("intact", name, partial(warped_case, read, read, seed=seed_of(name), size=size))
        yield from spoilt_plans(name, read, size)


def spoilt_plans(name: str, read: Callable[[], MetaTensor], size: WarpSize) -> Iterator[Plan]:
    """One image and its own warp in all the ways in which input goes wrong."""
    with_affine = {"affine": "affine"}
    ways = {
        "flipped": (flipped, size, {}),
        "flipped, affine": (flipped, size, with_affine),
        "cut": (cut, size, {}),
        "cut, affine": (cut, size, with_affine),
        "shifted": (shifted, size, {}),
        "noise": (noisy, size, {}),
        "too large": (intact, TOO_LARGE, {}),
    }
    for kind, (spoil, own_size, options) in ways.items():
        case = partial(warped_case, read, read, spoil, seed=seed_of(name), size=own_size, options=options)
        yield Plan(kind, name, case)


def seed_of(name: str) -> int:
    """Of the warp of a pair, the same in every run."""
    return crc32(name.encode())


def region_plans(data_dir: Path, part: str) -> Iterator[Plan]:
    """Hippocampus regions of two subjects, scored by their labels."""
    folder = data_dir / "Task04_Hippocampus"
    if part == "score":
        pairs = json.loads((folder / "val_pairs.json").read_text(encoding="utf-8"))["pairs"]
    else:
        pairs = list(pairwise(json.loads((folder / "splits.json").read_text(encoding="utf-8"))["tune"]))
    num_pairs, num_spoilt = NUM_REGIONS[part]
    center = {"init": "center"}
    wrong = {
        "wrong bundle mcd_pemd": ({"bundle": "mcd_pemd", "refinement": None}, intact),
        "wrong bundle mine_voxelmorph": ({"bundle": "mine_voxelmorph", "refinement": None}, intact),
        "shifted": ({}, shifted),
        "noise": (center, noisy),
        "upside down": (center, turned),
    }
    right = {"bundle": ({"bundle": "wasserstein_voxelmorph", "refinement": None}, intact)}
    for number, pair in enumerate(pairs[:num_pairs]):
        name = f"hippocampus {' '.join(pair).replace('hippocampus_', '')}"
        ways = wrong if number < num_spoilt else right if number < 2 * num_spoilt else {}
        for kind, (options, spoil) in ({"intact": (center, intact)} | ways).items():
            yield Plan(kind, name, partial(region_case, folder, pair, options, spoil))


def subject_plans(data_dir: Path, part: str) -> Iterator[Plan]:
    """T1 of one head and T2 or FLAIR of another, scored by the T1 of the second under the same map."""
    ways = (("intact", "T2", "auto"), ("wrong contrast", "T2", "lncc"), ("intact", "FLAIR", "auto"))
    for pair, (kind, contrast, similarity) in product(pairwise(SUBJECTS[part]), ways):
        read = partial(_head, data_dir)
        options = {"affine": "affine", "init": "center", "refinement": GreedyRefinement(60, similarity)}
        yield Plan(kind, f"{pair[0]} T1 - {pair[1]} {contrast}", partial(subject_case, read, pair, contrast, options))


def subject_case(read: Callable[..., MetaTensor], pair: tuple[str, str], contrast: str, options: dict) -> Case:
    """T1 of one head and another contrast of another."""
    fixed, moving, other = read(pair[0], "T1"), read(pair[1], contrast), read(pair[1], "T1")
    return Case(fixed, moving, through_contrast(fixed, other), "1 - correlation", options)


def intact(image: MetaTensor) -> MetaTensor:
    """The image as it is."""
    return image


def warped_case(
    read_fixed: Callable[[], MetaTensor],
    read_moving: Callable[[], MetaTensor],
    spoil: Callable[[MetaTensor], MetaTensor] = intact,
    *,
    seed: int = 0,
    size: WarpSize = USUAL,
    options: dict | None = None,
) -> Case:
    """The moving image, on the fixed one's grid, under a known warp, then spoilt in another way."""
    fixed, moving = read_fixed(), read_moving()
    grid = Grid.from_image(fixed)
    mask = foreground(fixed)
    ddf, inverse = known_warp(mask, grid.spacing[0], size, torch.Generator().manual_seed(seed))
    to_mm = [ddf_to_field_mm(field[0], grid, grid) for field in (ddf, inverse)]
    volume = warp_moving(moving.as_tensor(), Grid.from_image(moving), to_mm[1], grid, background=None)
    change = spoil(on_grid(volume, grid, like=moving))
    truth = spoilt_truth(spoil, to_mm[0], grid)

    def error(registration: WorldMap) -> tuple[float, float]:
        fields = (registration.before().field, registration.field)
        return tuple((field.as_tensor() - truth).norm(dim=0)[mask].mean().item() for field in fields)

    return Case(fixed, change, error, options=options or {})


def region_case(folder: Path, pair: Sequence[str], options: dict, spoil: Callable = intact) -> Case:
    """Two regions with their labels, those of the moving image spoilt alike."""
    images, labels = (
        [read_volume(folder / kind / f"{name}.nii.gz") for name in pair] for kind in ("imagesTr", "labelsTr")
    )
    moving = spoil(images[1])
    moving_label = labels[1] if spoil is noisy else spoil(labels[1])

    def error(registration: WorldMap) -> tuple[float, float]:
        maps = (registration.before(), registration)
        return tuple(1 - label_dice(warp_label(m, moving_label), labels[0].as_tensor())["dice"] for m in maps)

    return Case(images[0], moving, error, "1 - Dice", options)


def through_contrast(fixed: MetaTensor, other: MetaTensor) -> Callable[[WorldMap], tuple[float, float]]:
    """One minus the correlation, in the head, of the fixed image and another contrast of the moving subject."""
    mask = foreground(fixed)

    def error(registration: WorldMap) -> tuple[float, float]:
        warped = [m.warp(other).as_tensor()[0][mask] for m in (registration.before(), registration)]
        return tuple(
            1 - torch.corrcoef(torch.stack([fixed.as_tensor()[0][mask], image]))[0, 1].item() for image in warped
        )

    return error


def foreground(image: MetaTensor) -> torch.Tensor:
    """Voxels above a tenth of the range."""
    volume = image.as_tensor()[0].float()
    low, high = volume.min(), volume.flatten().quantile(0.99)
    return volume > low + 0.1 * (high - low)


def coarse(image: MetaTensor, spacing_mm: float) -> MetaTensor:
    """An image in larger voxels."""
    native = Grid.from_image(image)
    grid = network_grid(native, spacing=spacing_mm)
    return on_grid(resample_smoothly(image.as_tensor(), native, grid), grid, like=image)


def flipped(image: MetaTensor) -> MetaTensor:
    """Left and right exchanged, as by a header that lost its sign."""
    return on_grid(image.as_tensor().flip(1), Grid.from_image(image), like=image)


def turned(image: MetaTensor) -> MetaTensor:
    """Front and back, top and bottom exchanged."""
    return on_grid(image.as_tensor().flip(2, 3), Grid.from_image(image), like=image)


def cut(image: MetaTensor) -> MetaTensor:
    """Only the lower part of the field of view."""
    kept = round((1 - CUT_SHARE) * image.shape[3])
    grid = Grid.from_image(image)
    return on_grid(image.as_tensor()[..., :kept], Grid((*grid.spatial_shape[:2], kept), grid.affine), like=image)


def shifted(image: MetaTensor) -> MetaTensor:
    """A header that is off by a third of the image."""
    grid = Grid.from_image(image)
    return aligned(image, _shift(grid))


def noisy(image: MetaTensor) -> MetaTensor:
    """An image in noise of more than its range."""
    volume = image.as_tensor().float()
    spread = volume.flatten().quantile(0.99) - volume.min()
    noise = torch.randn(volume.shape, generator=torch.Generator().manual_seed(0))
    return on_grid(volume + NOISE * spread * noise, Grid.from_image(image), like=image)


def spoilt_truth(spoil: Callable, field_mm: torch.Tensor, grid: Grid) -> torch.Tensor:
    """The true field to an image with a spoilt header, (3, X, Y, Z) mm; of a flipped one, to the mirrored place."""
    if spoil is shifted:
        return field_mm - _shift(grid)[:3, 3].float().view(3, 1, 1, 1)
    if spoil is not flipped:
        return field_mm
    ddf = field_mm_to_ddf(field_mm, grid)
    size = grid.spatial_shape[0]
    ddf[0] = size - 1 - 2 * torch.arange(size).float().view(size, 1, 1) - ddf[0]
    return ddf_to_field_mm(ddf, grid, grid)


def _shift(grid: Grid) -> torch.Tensor:
    matrix = torch.eye(4, dtype=torch.float64)
    matrix[:3, 3] = SHIFT_SHARE * max(grid.edges_mm) * torch.tensor([0.6, -0.6, 0.5]).double()
    return matrix


@cache
def coarse_file(path: Path, spacing_mm: float) -> MetaTensor:
    """An image of a file in larger voxels, read once."""
    return coarse(read_volume(path), spacing_mm)


def _head(data_dir: Path, subject: str, contrast: str) -> MetaTensor:
    return coarse_file(data_dir / "MultiContrastBrain" / subject / f"{contrast}.nii.gz", HEAD_MM)
