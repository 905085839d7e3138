"""All files of a registration. ``metrics.json`` comes last: a folder that has one is complete."""

import importlib.metadata
import os
import platform
from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Any

import torch
from monai.data import MetaTensor

from ..data.itk_images import is_itk_file, save_itk_image, to_simpleitk
from ..data.volume import input_label, input_volume
from ..files import write_json
from ..memory import peak_memory_gib
from ..metrics.landmarks import landmark_distance_mm
from ..metrics.regularity import determinant_of_field_mm, determinant_scores
from ..words import one_of
from ..world.files import label_type, save_affine, save_field, save_image, save_submission, submission_name
from ..world.grid import Grid, apply_affine, image_name
from ..world.maps import WorldMap
from .evidence import evidence
from .fitting import fitted
from .guidance import NO_GUIDANCE
from .labels import label_dice, warp_label
from .landmark_pairs import paired
from .landmarks import Landmarks, read_landmarks, write_landmarks
from .plane import is_plane, slab, solid
from .report.marks import marks
from .report.preview import Preview, preview, similarities
from .report.write import write_report
from .verdict import verdict_of

METRICS_FILE = "metrics.json"
FORMATS = ("nii.gz", "nrrd", "mha")
PACKAGES = ("torch", "monai", "nibabel", "numpy")
READERS = {"label": input_label, "mask": input_volume}
MOVED_POINTS = {"fixed_points": "fixed_points_in_moving", "moving_points": "moving_points_in_fixed"}


@dataclass(frozen=True)
class Annotations:
    """Files that come with a pair; each may be empty.

    Args:
        fixed_label: label map of the fixed image.
        moving_label: label map of the moving image; is warped.
        fixed_points: landmarks of the fixed image; are moved into the moving image.
        moving_points: landmarks of the moving image; are moved into the fixed image.
        fixed_mask: voxels of the fixed image that may be compared are not 0.
        moving_mask: the same of the moving image.
    """

    fixed_label: str = ""
    moving_label: str = ""
    fixed_points: str = ""
    moving_points: str = ""
    fixed_mask: str = ""
    moving_mask: str = ""

    def read(self, header: str = "") -> dict[str, MetaTensor | Landmarks]:
        """The files that are given, checked; ``header`` as in :func:`~common.data.volume.input_image`."""
        return read_annotations(asdict(self), header)


def read_annotations(given: Mapping[str, Any], header: str = "") -> dict[str, MetaTensor | Landmarks]:
    """Annotations by the names of :class:`Annotations`: files are read, what has been read stays, "" is left out.

    Args:
        given: file or content of each.
        header: as in :func:`~common.data.volume.input_image`.

    Raises:
        ValueError: for another name.
    """
    content = {}
    for name, value in given.items():
        one_of("annotations", name, [part.name for part in fields(Annotations)])
        kind = name.rpartition("_")[2]
        if isinstance(value, str | os.PathLike) and str(value):
            content[name] = read_landmarks(value) if kind == "points" else READERS[kind](value, header)
        elif not isinstance(value, str) and value is not None:
            content[name] = value
    return content


@dataclass(frozen=True)
class Request:
    """Which files are asked for beside warped.nii.gz, field.nii.gz, affine.tfm and metrics.json.

    Args:
        inverse: inverse_field.nii.gz, on the moving image's grid.
        learn2reg: the field in the form of that challenge.
        report: report.html.
        format: of warped images and label maps, "nii.gz", or "nrrd" or "mha" by SimpleITK; fields are always NIfTI.

    Raises:
        ValueError: for another format.
    """

    inverse: bool = False
    learn2reg: bool = False
    report: bool = True
    format: str = FORMATS[0]

    def __post_init__(self) -> None:
        one_of("format", self.format, FORMATS)


def save_registration(
    world_map: WorldMap,
    output_dir: str | os.PathLike,
    annotations: Mapping[str, Any] | Annotations | None = None,
    request: Request = Request(),
    facts: Mapping[str, Any] | None = None,
) -> dict[str, Any]:
    """Write warped.nii.gz, field.nii.gz, affine.tfm, metrics.json, and what is asked for.

    Args:
        world_map: what to write.
        output_dir: folder; created where missing.
        annotations: labels and landmarks of the pair, as files or read.
        request: what is asked for.
        facts: ``settings``, ``seconds``, ``contrast``, ``doubts``, ``alignment``, ``warnings`` and ``guidance``, what
            took part, for metrics.json.

    Returns:
        Content of metrics.json.

    Raises:
        OSError: where the folder cannot be written.
        ValueError: for annotations that do not fit the pair.
    """
    folder = Path(output_dir).expanduser()
    facts = facts or {}
    given = asdict(annotations) if isinstance(annotations, Annotations) else annotations or {}
    given = read_annotations(given, facts.get("settings", {}).get("header", ""))
    given = fitted(given, world_map.fixed, world_map.moving)
    guidance = facts.get("guidance", NO_GUIDANCE)
    check_request(request, world_map.fixed, world_map.moving)
    folder.mkdir(parents=True, exist_ok=True)
    warped = world_map.warp(world_map.moving, background=min(world_map.moving.min().item(), 0.0))
    _save_maps(world_map, folder, warped, request)
    overlap = _save_labels(world_map, folder, given, request)
    distances = _save_landmarks(world_map, folder, given)
    whole = solid(world_map)
    guidance = guidance.solid() if whole is not world_map else guidance
    determinant = determinant_of_field_mm(whole.field.as_tensor(), whole.grid)
    view = preview(whole, slab(warped) if is_plane(warped) else warped, determinant, guidance=guidance)
    regularity = determinant_scores(determinant)
    measures = evidence(whole, determinant, guidance)
    del warped, determinant
    metrics = _metrics(world_map, view, facts)
    verdict = verdict_of(measures, overlap, distances, facts.get("doubts", ()))
    metrics |= {"overlap": overlap, "landmarks": distances, "regularity": regularity, "verdict": verdict.facts}
    if request.report:
        write_report(folder / "report.html", view, metrics, marks(world_map, given, view.grid))
    metrics["files"] = output_files(metrics["fixed"], metrics["moving"], given, request)
    write_json(folder / METRICS_FILE, metrics)
    return metrics


def output_files(fixed: str, moving: str, annotations: Mapping[str, Any], request: Request) -> list[str]:
    """Names of the files that :func:`save_registration` writes for a pair, metrics.json last.

    Args:
        fixed: file name of the fixed image.
        moving: file name of the moving image.
        annotations: labels and landmarks, read.
        request: what is asked for.

    Example:
        >>> output_files("a.nii", "b.nii", {}, Request(inverse=True, report=False))[2:]
        ['affine.tfm', 'inverse_field.nii.gz', 'metrics.json']
    """
    names = {
        f"warped.{request.format}": True,
        "field.nii.gz": True,
        "affine.tfm": True,
        submission_name(fixed, moving): request.learn2reg,
        "inverse_field.nii.gz": request.inverse,
        f"warped_label.{request.format}": "moving_label" in annotations,
        **{f"{name}{annotations[key].suffix}": True for key, name in MOVED_POINTS.items() if key in annotations},
        "report.html": request.report,
        METRICS_FILE: True,
    }
    return [name for name, is_written in names.items() if is_written]


def _save_maps(world_map: WorldMap, folder: Path, warped: MetaTensor, request: Request) -> None:
    field_mm, grid, moving = world_map.field.as_tensor(), world_map.grid, Grid.from_image(world_map.moving)
    _save_image(folder / f"warped.{request.format}", warped, grid)
    save_field(folder / "field.nii.gz", field_mm, grid)
    save_affine(folder / "affine.tfm", world_map.affine)
    if request.learn2reg:
        name = submission_name(image_name(world_map.fixed), image_name(world_map.moving))
        save_submission(folder / name, field_mm, grid, moving)
    if request.inverse:
        save_field(folder / "inverse_field.nii.gz", world_map.inverse.as_tensor(), moving)


def _save_image(path: Path, image: torch.Tensor, grid: Grid, dtype: str = "float32") -> None:
    (save_itk_image if is_itk_file(path) else save_image)(path, image, grid, dtype)


def check_request(request: Request, fixed: MetaTensor, moving: MetaTensor) -> None:
    """Refuse what cannot be written for a pair.

    Raises:
        ValueError: for displacements in the form of Learn2Reg between images of two shapes; for a format that cannot
            hold the fixed image's grid.
    """
    if request.format != FORMATS[0]:
        to_simpleitk(fixed.as_tensor(), Grid.from_image(fixed))
    shapes = [tuple(image.shape[1:]) for image in (fixed, moving)]
    if request.learn2reg and shapes[0] != shapes[1]:
        raise ValueError(
            f"learn2reg: expected two images of one shape, as the challenge has them, got {shapes[0]} and {shapes[1]}"
        )


def _save_labels(world_map: WorldMap, folder: Path, given: dict, request: Request) -> dict | None:
    if "moving_label" not in given:
        return None
    warped = warp_label(world_map, given["moving_label"])
    _save_image(folder / f"warped_label.{request.format}", warped, world_map.grid, label_type(int(warped.max())))
    if "fixed_label" not in given:
        return None
    fixed_label = given["fixed_label"].as_tensor()
    return {
        "before": label_dice(warp_label(world_map.before(), given["moving_label"], is_told=False), fixed_label),
        "after": label_dice(warped, fixed_label),
    }


def _save_landmarks(world_map: WorldMap, folder: Path, given: dict) -> dict | None:
    moves = {"fixed_points": world_map.move_points, "moving_points": world_map.move_points_back}
    for key, move in moves.items():
        if key in given:
            points = given[key]
            path = folder / f"{MOVED_POINTS[key]}{points.suffix}"
            write_landmarks(path, Landmarks(move(points.points_mm), points.labels))
    if not moves.keys() <= given.keys():
        return None
    fixed, moving, names = paired(*(given[key] for key in moves))
    return {
        "names": list(names),
        "before": _distances(apply_affine(world_map.initial, fixed), moving),
        "after": _distances(world_map.move_points(fixed), moving),
    }


def _distances(points: torch.Tensor, others: torch.Tensor) -> dict[str, float | list[float]]:
    errors = landmark_distance_mm(points, others)
    return {"mean_mm": errors.mean().item(), "max_mm": errors.max().item(), "per_point_mm": errors.tolist()}


def _metrics(world_map: WorldMap, view: Preview, facts: Mapping[str, Any]) -> dict[str, Any]:
    contrast = facts.get("contrast")
    metrics = {
        "fixed": image_name(world_map.fixed),
        "moving": image_name(world_map.moving),
        "settings": facts.get("settings", {}),
        "initial": world_map.initial,
        "contrast": contrast.facts if contrast else None,
        "similarity": similarities(view, is_one_contrast=contrast is None or contrast.is_one),
        "seconds": facts.get("seconds", 0.0),
        "alignment": facts.get("alignment", {}),
        "warnings": list(facts.get("warnings", ())),
        "took_part": facts.get("guidance", NO_GUIDANCE).took_part,
        "peak_memory_gib": peak_memory_gib("cpu"),
    }
    if torch.cuda.is_available():
        metrics["peak_gpu_memory_gib"] = peak_memory_gib("cuda")
    versions = {name: importlib.metadata.version(name) for name in PACKAGES}
    return metrics | {"versions": {"python": platform.python_version(), **versions}}
