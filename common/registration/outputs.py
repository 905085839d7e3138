"""All files of a registration. ``metrics.json`` comes last: a folder that has one is complete."""

import importlib.metadata
import os
import platform
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import torch
from monai.data import MetaTensor

from ..data.volume import input_label
from ..files import write_json
from ..memory import peak_memory_gib
from ..metrics.landmarks import landmark_distance_mm
from ..metrics.regularity import determinant_of_field_mm, determinant_scores
from ..world.files import save_affine, save_field, save_image, save_submission, submission_name
from ..world.grid import Grid, apply_affine, image_name
from ..world.maps import WorldMap
from .labels import check_labels, label_dice, warp_label
from .landmarks import Landmarks, read_landmarks, write_landmarks
from .report.preview import Preview, preview, similarities
from .report.write import write_report

METRICS_FILE = "metrics.json"
PACKAGES = ("torch", "monai", "nibabel", "numpy")
MOVED_POINTS = {"fixed_points": "fixed_points_in_moving", "moving_points": "moving_points_in_fixed"}


@dataclass(frozen=True)
class Annotations:
    """Files that come with a pair; each may be empty.

    Args:
        fixed_label: label map of the fixed image.
        moving_label: label map of the moving image; is warped.
        fixed_points: landmarks of the fixed image; are moved into the moving image.
        moving_points: landmarks of the moving image; are moved into the fixed image.
    """

    fixed_label: str = ""
    moving_label: str = ""
    fixed_points: str = ""
    moving_points: str = ""

    def read(self, header: str = "") -> dict[str, MetaTensor | Landmarks]:
        """The files that are given, checked; ``header`` as in :func:`~common.data.volume.input_image`."""
        content: dict[str, MetaTensor | Landmarks] = {}
        for name, path in asdict(self).items():
            if path and name.endswith("label"):
                content[name] = input_label(path, header)
                check_labels(content[name])
            elif path:
                content[name] = read_landmarks(path)
        return content


@dataclass(frozen=True)
class Request:
    """Which files are asked for beside warped.nii.gz, field.nii.gz, affine.tfm and metrics.json.

    Args:
        inverse: inverse_field.nii.gz, on the moving image's grid.
        learn2reg: the field in the form of that challenge.
        report: report.html.
    """

    inverse: bool = False
    learn2reg: bool = False
    report: bool = True


def save_registration(
    world_map: WorldMap,
    output_dir: str | os.PathLike,
    annotations: dict[str, MetaTensor | Landmarks] | Annotations | None = None,
    request: Request = Request(),
    facts: Mapping[str, Any] | None = None,
) -> dict[str, Any]:
    """Write warped.nii.gz, field.nii.gz, affine.tfm, metrics.json, and what is asked for.

    Args:
        world_map: what to write.
        output_dir: folder; created where missing.
        annotations: labels and landmarks of the pair, as files or read.
        request: what is asked for.
        facts: ``settings`` and ``seconds``, for metrics.json.

    Returns:
        Content of metrics.json.

    Raises:
        OSError: where the folder cannot be written.
        ValueError: for annotations that do not fit the pair.
    """
    folder = Path(output_dir).expanduser()
    given = annotations.read() if isinstance(annotations, Annotations) else annotations or {}
    check_annotations(world_map, given)
    folder.mkdir(parents=True, exist_ok=True)
    warped = world_map.warp(world_map.moving, background=min(world_map.moving.min().item(), 0.0))
    _save_maps(world_map, folder, warped, request)
    overlap = _save_labels(world_map, folder, given)
    distances = _save_landmarks(world_map, folder, given)
    determinant = determinant_of_field_mm(world_map.field.as_tensor(), world_map.grid)
    view = preview(world_map, warped, determinant)
    regularity = determinant_scores(determinant)
    del warped, determinant
    metrics = _metrics(world_map, view, facts or {})
    metrics |= {"overlap": overlap, "landmarks": distances, "regularity": regularity}
    if request.report:
        write_report(folder / "report.html", view, metrics)
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
        "warped.nii.gz": True,
        "field.nii.gz": True,
        "affine.tfm": True,
        submission_name(fixed, moving): request.learn2reg,
        "inverse_field.nii.gz": request.inverse,
        "warped_label.nii.gz": "moving_label" in annotations,
        **{f"{name}{annotations[key].suffix}": True for key, name in MOVED_POINTS.items() if key in annotations},
        "report.html": request.report,
        METRICS_FILE: True,
    }
    return [name for name, is_written in names.items() if is_written]


def _save_maps(world_map: WorldMap, folder: Path, warped: MetaTensor, request: Request) -> None:
    field_mm, grid, moving = world_map.field.as_tensor(), world_map.grid, Grid.from_image(world_map.moving)
    save_image(folder / "warped.nii.gz", warped, grid)
    save_field(folder / "field.nii.gz", field_mm, grid)
    save_affine(folder / "affine.tfm", world_map.affine)
    if request.learn2reg:
        name = submission_name(image_name(world_map.fixed), image_name(world_map.moving))
        save_submission(folder / name, field_mm, grid, moving)
    if request.inverse:
        save_field(folder / "inverse_field.nii.gz", world_map.inverse.as_tensor(), moving)


def check_annotations(world_map: WorldMap, given: Mapping[str, MetaTensor | Landmarks]) -> None:
    """Refuse labels and landmarks that do not fit the pair.

    Raises:
        ValueError: for a fixed label of another shape than the fixed image, or unequal numbers of landmarks.
    """
    label = given.get("fixed_label")
    if label is not None and label.shape != world_map.fixed.shape:
        raise ValueError(
            f"{image_name(label)}: expected the shape of the fixed image, {tuple(world_map.fixed.shape[1:])}, got"
            f" {tuple(label.shape[1:])}"
        )
    points = [len(given[key].points_mm) for key in ("fixed_points", "moving_points") if key in given]
    if len(set(points)) > 1:
        raise ValueError(f"expected as many fixed_points as moving_points, got {points[0]} and {points[1]}")


def _save_labels(world_map: WorldMap, folder: Path, given: dict) -> dict | None:
    if "moving_label" not in given:
        return None
    warped = warp_label(world_map, given["moving_label"])
    largest = int(warped.max())
    dtype = "uint8" if largest < 256 else "int16" if largest < 2**15 else "int32"
    save_image(folder / "warped_label.nii.gz", warped, world_map.grid, dtype)
    if "fixed_label" not in given:
        return None
    fixed_label = given["fixed_label"].as_tensor()
    return {
        "before": label_dice(warp_label(world_map.before(), given["moving_label"]).as_tensor(), fixed_label),
        "after": label_dice(warped.as_tensor(), fixed_label),
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
    fixed, moving = (given[key].points_mm for key in moves)
    return {
        "before": _distances(apply_affine(world_map.initial, fixed), moving),
        "after": _distances(world_map.move_points(fixed), moving),
    }


def _distances(points: torch.Tensor, others: torch.Tensor) -> dict[str, float | list[float]]:
    errors = landmark_distance_mm(points, others)
    return {"mean_mm": errors.mean().item(), "max_mm": errors.max().item(), "per_point_mm": errors.tolist()}


def _metrics(world_map: WorldMap, view: Preview, facts: Mapping[str, Any]) -> dict[str, Any]:
    metrics = {
        "fixed": image_name(world_map.fixed),
        "moving": image_name(world_map.moving),
        "settings": facts.get("settings", {}),
        "similarity": similarities(view),
        "seconds": facts.get("seconds", 0.0),
        "peak_memory_gib": peak_memory_gib("cpu"),
    }
    if torch.cuda.is_available():
        metrics["peak_gpu_memory_gib"] = peak_memory_gib("cuda")
    versions = {name: importlib.metadata.version(name) for name in PACKAGES}
    return metrics | {"versions": {"python": platform.python_version(), **versions}}
