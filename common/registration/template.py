"""A template: mean shape and mean intensity of several images, found by registering each to their mean in turn."""

import os
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import torch
from monai.data import MetaTensor

from ..data.volume import input_image, input_label
from ..files import write_json
from ..quantiles import robust_range
from ..world.chain import Chain, FieldMap, LinearMap
from ..world.files import label_type, load_field, save_field, save_image
from ..world.grid import Grid
from .batch import Job, run_job
from .labels import label_dice
from .outputs import Request
from .registrar import Registrar
from .start import Init

TEMPLATE_FILE = "template.nii.gz"
LABEL_FILE = "template_label.nii.gz"
RECORD_FILE = "template.json"


def build_template(
    images: Mapping[str, str | os.PathLike],
    registrar: Registrar,
    output_dir: str | os.PathLike,
    num_rounds: int = 3,
    labels: Mapping[str, str | os.PathLike] | None = None,
    on_progress: Callable[[str], None] | None = None,
) -> dict[str, Any]:
    """Register all images to their mean, move the mean to the middle of their shapes, and do so again.

    With φ_i from the mean to image i and ψ = Σ φ_i / N, the next mean is Σ image_i ∘ φ_i ∘ ψ⁻¹ / N: the maps from it to
    the images are on average the identity. The same command again continues where a run was stopped.

    Args:
        images: name → NIfTI file; the largest image gives the template its grid.
        registrar: settings of each registration.
        output_dir: gets template.nii.gz, NAME_field.nii.gz from the template to each image, template.json, and a folder
            with all registrations per round.
        num_rounds: how often all images are registered.
        labels: name → label map; their vote becomes template_label.nii.gz.
        on_progress: called with what begins.

    Returns:
        Content of template.json: ``rounds``, each with its ``sharpness`` and ``shift_mm``, the mean length of ψ − id;
        ``overlap``, the mean Dice of each label map with the vote.

    Raises:
        ValueError: for fewer than two images, labels of other names, or an image that cannot be registered.
        FileExistsError: where the folder holds registrations of other images or settings.

    Reference:
        Avants et al., The optimal template effect in hippocampus studies of diseased populations, NeuroImage 2010;
        there the shape is updated by a quarter of the mean inverse, here by the whole.
    """
    labels, report, folder = labels or {}, on_progress or (lambda step: None), Path(output_dir).expanduser()
    if len(images) < 2 or num_rounds < 1:
        raise ValueError(f"template: expected two images or more and a round, got {len(images)} and {num_rounds}")
    if labels and labels.keys() != images.keys():
        missing = ", ".join(sorted(images.keys() ^ labels.keys()))
        raise ValueError(f"template: expected one label map per image, got none or no image for {missing}")
    volumes = {name: _unit_range(input_image(path, registrar.header)) for name, path in images.items()}
    grid = max(map(Grid.from_image, volumes.values()), key=lambda one: torch.tensor(one.edges_mm).prod().item())
    maps = _initial_maps(volumes, grid, registrar.init)
    template = _mean(volumes, maps, grid)
    rounds = [{"sharpness": sharpness(template, grid), "shift_mm": 0.0}]
    for number in range(1, num_rounds + 1):
        place = folder / f"round{number}"
        save_image(place / TEMPLATE_FILE, template, grid)
        for name, path in images.items():
            report(f"round {number} of {num_rounds}, {name}")
            job = Job(str(place / TEMPLATE_FILE), os.path.abspath(os.path.expanduser(path)), name)
            run_job(job, registrar, place, Request(report=False))
        maps, shift_mm = _centered_maps(place, images, grid)
        template = _mean(volumes, maps, grid)
        rounds.append({"sharpness": sharpness(template, grid), "shift_mm": shift_mm})
    save_image(folder / TEMPLATE_FILE, template, grid)
    for name, chain in maps.items():
        save_field(folder / f"{name}_field.nii.gz", chain.field_on(grid), grid)
    overlap = _vote(labels, maps, grid, registrar.header, folder) if labels else None
    record = {
        "images": {name: str(path) for name, path in images.items()},
        "settings": registrar.settings,
        "rounds": rounds,
        "overlap": overlap,
    }
    write_json(folder / RECORD_FILE, record)
    return record


def sharpness(template: torch.Tensor, grid: Grid) -> float:
    """Root mean square of the gradient, in units of the image per mm; blur lowers it.

    Args:
        template: (1, X, Y, Z).
        grid: its grid.

    Example:
        >>> ramp = torch.arange(5.0).view(1, 5, 1, 1).expand(1, 5, 5, 5)
        >>> sharpness(ramp, Grid((5, 5, 5), torch.diag(torch.tensor([2.0, 2.0, 2.0, 1.0]))))
        0.5
    """
    slopes = torch.gradient(template[0], spacing=list(grid.spacing))
    return torch.stack(slopes).square().sum(dim=0).mean().sqrt().item()


def _unit_range(image: MetaTensor) -> MetaTensor:
    low, high = robust_range(image.as_tensor(), (0.01, 0.99))
    return image.sub(low).div(high - low).clamp(0, 1)


def _initial_maps(volumes: Mapping[str, MetaTensor], grid: Grid, init: Init) -> dict[str, Chain]:
    """Alignments from the grid to each image, as the registrar would begin."""
    reference = next(volume for volume in volumes.values() if Grid.from_image(volume).coincides_with(grid))
    return {name: Chain((LinearMap(init(reference, volume).matrix),)) for name, volume in volumes.items()}


def _centered_maps(folder: Path, names: Mapping[str, Any], grid: Grid) -> tuple[dict[str, Chain], float]:
    """Maps φ_i ∘ ψ⁻¹ of a round, and the mean length of ψ − id in mm."""
    total = torch.zeros(3, *grid.spatial_shape)
    for name in names:
        total += load_field(folder / name / "field.nii.gz")[0]
    mean = FieldMap(total / len(names), grid)
    back = FieldMap(Chain((mean,)).inverse().field_on(grid), grid)
    maps = {name: Chain((back, FieldMap(*load_field(folder / name / "field.nii.gz")))) for name in names}
    return maps, mean.field_mm.norm(dim=0).mean().item()


def _mean(volumes: Mapping[str, MetaTensor], maps: Mapping[str, Chain], grid: Grid) -> torch.Tensor:
    """Mean of the images that cover a voxel, (1, X, Y, Z); 0 where none does."""
    total, count = torch.zeros(1, *grid.spatial_shape), torch.zeros(1, *grid.spatial_shape)
    for name, volume in volumes.items():
        warped = maps[name].resample(volume.as_tensor(), Grid.from_image(volume), grid, background=-1.0)
        covered = warped >= 0
        total += warped * covered
        count += covered
    return total / count.clamp(min=1)


def _vote(
    labels: Mapping[str, str | os.PathLike], maps: Mapping[str, Chain], grid: Grid, header: str, folder: Path
) -> dict[str, float]:
    """Write the label of most images at each voxel; Dice of each with it."""
    warped = {}
    for name, path in labels.items():
        label = input_label(path, header)
        warped[name] = maps[name].resample(label.as_tensor(), Grid.from_image(label), grid, "label")
    stacked = torch.stack(list(warped.values()))
    winner = stacked.mode(dim=0).values
    save_image(folder / LABEL_FILE, winner, grid, label_type(int(winner.max())))
    return {name: label_dice(label, winner)["dice"] for name, label in warped.items()}
