"""All files of a registration. ``metrics.json`` comes last: a folder that has one is complete."""

import importlib.metadata
import os
import platform
import resource
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import torch
from monai.data import MetaTensor

from ..data.volume import input_label
from ..files import write_json
from ..metrics.landmarks import landmark_distance_mm
from ..metrics.regularity import determinant_of_field_mm, determinant_scores
from ..world.files import save_affine, save_field, save_image, save_submission, submission_name
from ..world.grid import Grid, on_grid
from ..world.maps import affine_after_field, apply_affine
from .labels import check_labels, label_dice, warp_label
from .landmarks import Landmarks, read_landmarks, write_landmarks
from .report.preview import Preview, preview, similarities
from .report.write import write_report
from .result import Registration

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
        """The files that are given, checked; ``header`` as in :func:`.inputs.input_image`."""
        content: dict[str, MetaTensor | Landmarks] = {}
        for name, path in asdict(self).items():
            if path and name.endswith("label"):
                content[name] = input_label(path, header)
                check_labels(content[name])
            elif path:
                content[name] = read_landmarks(path)
        return content


def save_registration(
    registration: Registration,
    output_dir: str | os.PathLike,
    annotations: dict[str, MetaTensor | Landmarks] | Annotations | None = None,
    inverse: bool = False,
    learn2reg: bool = False,
    report: bool = True,
) -> dict[str, Any]:
    """Write warped.nii.gz, field.nii.gz, affine.tfm, metrics.json, and what is asked for.

    Args:
        registration: what to write.
        output_dir: folder; created where missing.
        annotations: labels and landmarks of the pair, as files or read.
        inverse: also inverse_field.nii.gz, on the moving image's grid.
        learn2reg: also the field in the form of that challenge.
        report: also report.html.

    Returns:
        Content of metrics.json.

    Raises:
        OSError: where the folder cannot be written.
        ValueError: for annotations that do not fit the pair.
    """
    folder = Path(output_dir).expanduser()
    given = annotations.read() if isinstance(annotations, Annotations) else annotations or {}
    check_annotations(registration, given)
    images = [_name(image) for image in (registration.fixed, registration.moving)]
    folder.mkdir(parents=True, exist_ok=True)
    warped = registration.warp(registration.moving, background=min(registration.moving.min().item(), 0.0))
    field_mm, grid = registration.field.as_tensor(), registration.grid
    save_image(folder / "warped.nii.gz", warped, grid)
    save_field(folder / "field.nii.gz", field_mm, grid)
    save_affine(folder / "affine.tfm", registration.affine)
    if learn2reg:
        name = submission_name(*images)
        save_submission(folder / name, field_mm, grid, Grid.from_image(registration.moving))
    if inverse:
        inverse_mm = registration.inverse.as_tensor()
        save_field(folder / "inverse_field.nii.gz", inverse_mm, Grid.from_image(registration.moving))
    overlap = _save_labels(registration, folder, given)
    distances = _save_landmarks(registration, folder, given)
    determinant = determinant_of_field_mm(field_mm, grid)
    view = preview(registration, warped, determinant)
    regularity = determinant_scores(determinant)
    del warped, determinant
    metrics = _metrics(registration, view) | {"overlap": overlap, "landmarks": distances, "regularity": regularity}
    if report:
        write_report(folder / "report.html", view, metrics)
    metrics["files"] = output_files(*images, given, inverse, learn2reg, report)
    write_json(folder / METRICS_FILE, metrics)
    return metrics


def output_files(
    fixed: str, moving: str, annotations: Mapping[str, Any], inverse: bool, learn2reg: bool, report: bool
) -> list[str]:
    """Names of the files that :func:`save_registration` writes for a pair, metrics.json last.

    Args:
        fixed: file name of the fixed image.
        moving: file name of the moving image.
        annotations: labels and landmarks, read.
        inverse: as there.
        learn2reg: as there.
        report: as there.

    Example:
        >>> output_files("a.nii", "b.nii", {}, inverse=True, learn2reg=False, report=False)[2:]
        ['affine.tfm', 'inverse_field.nii.gz', 'metrics.json']
    """
    names = {
        "warped.nii.gz": True,
        "field.nii.gz": True,
        "affine.tfm": True,
        submission_name(fixed, moving): learn2reg,
        "inverse_field.nii.gz": inverse,
        "warped_label.nii.gz": "moving_label" in annotations,
        **{f"{name}{annotations[key].suffix}": True for key, name in MOVED_POINTS.items() if key in annotations},
        "report.html": report,
        METRICS_FILE: True,
    }
    return [name for name, is_written in names.items() if is_written]


def check_annotations(registration: Registration, given: Mapping[str, MetaTensor | Landmarks]) -> None:
    """Refuse labels and landmarks that do not fit the pair.

    Raises:
        ValueError: for a fixed label of another shape than the fixed image, or unequal numbers of landmarks.
    """
    label = given.get("fixed_label")
    if label is not None and label.shape != registration.fixed.shape:
        raise ValueError(
            f"{_name(label)}: expected the shape of the fixed image, {tuple(registration.fixed.shape[1:])}, got"
            f" {tuple(label.shape[1:])}"
        )
    points = [len(given[key].points_mm) for key in ("fixed_points", "moving_points") if key in given]
    if len(set(points)) > 1:
        raise ValueError(f"expected as many fixed_points as moving_points, got {points[0]} and {points[1]}")


def _save_labels(registration: Registration, folder: Path, given: dict) -> dict | None:
    if "moving_label" not in given:
        return None
    warped = warp_label(registration, given["moving_label"])
    largest = int(warped.max())
    dtype = "uint8" if largest < 256 else "int16" if largest < 2**15 else "int32"
    save_image(folder / "warped_label.nii.gz", warped, registration.grid, dtype)
    if "fixed_label" not in given:
        return None
    before = Registration(registration.fixed, given["moving_label"], _affine_field(registration), registration.initial)
    fixed_label = given["fixed_label"].as_tensor()
    return {
        "before": label_dice(warp_label(before, given["moving_label"]).as_tensor(), fixed_label),
        "after": label_dice(warped.as_tensor(), fixed_label),
    }


def _affine_field(registration: Registration) -> MetaTensor:
    field_mm = affine_after_field(registration.initial, None, registration.grid)
    return on_grid(field_mm, registration.grid, like=registration.fixed)


def _save_landmarks(registration: Registration, folder: Path, given: dict) -> dict | None:
    moves = {"fixed_points": registration.move_points, "moving_points": registration.move_points_back}
    for key, move in moves.items():
        if key in given:
            points = given[key]
            path = folder / f"{MOVED_POINTS[key]}{points.suffix}"
            write_landmarks(path, Landmarks(move(points.points_mm), points.labels))
    if not moves.keys() <= given.keys():
        return None
    fixed, moving = (given[key].points_mm for key in moves)
    return {
        "before": _distances(apply_affine(registration.initial, fixed), moving),
        "after": _distances(registration.move_points(fixed), moving),
    }


def _distances(points: torch.Tensor, others: torch.Tensor) -> dict[str, float | list[float]]:
    errors = landmark_distance_mm(points, others)
    return {"mean_mm": errors.mean().item(), "max_mm": errors.max().item(), "per_point_mm": errors.tolist()}


def _metrics(registration: Registration, view: Preview) -> dict[str, Any]:
    kibibytes = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / (1024 if platform.system() == "Darwin" else 1)
    metrics = {
        "fixed": _name(registration.fixed),
        "moving": _name(registration.moving),
        "settings": registration.settings,
        "similarity": similarities(view),
        "seconds": registration.seconds,
        "peak_memory_gib": kibibytes / 2**20,
    }
    if torch.cuda.is_available():
        metrics["peak_gpu_memory_gib"] = torch.cuda.max_memory_allocated() / 2**30
    versions = {name: importlib.metadata.version(name) for name in PACKAGES}
    return metrics | {"versions": {"python": platform.python_version(), **versions}}


def _name(image: MetaTensor) -> str:
    return str(image.meta.get("filename_or_obj", "image"))
