"""A folder to train on, made of one's own images: files checked, subjects split, in a layout that the bundles read.

Subjects with one image each go into the layout of the Medical Segmentation Decathlon, those with several contrasts into
the multi-contrast layout; where there are three parts, ``splits.json`` names their subjects.
"""

import csv
import json
import os
import shutil
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import torch
from monai.data import MetaTensor

from ..files import existing_file, new_folder, read_dataset_json, write_json
from ..world.grid import Grid
from ..world.network_grid import network_grid
from .splits import split_subjects
from .volume import TOLERANCE_MM, input_image, input_label

SUBJECT, IMAGE, LABEL = "subject", "image", "label"
LABEL_ENDING = "_label"
ENDINGS = (".nii.gz", ".nii")
TUNE_SHARE = 0.1


@dataclass(frozen=True)
class TrainingFolder:
    """What was written.

    Attributes:
        folder: where.
        contrasts: ``["image"]`` of the Decathlon layout; else those of every subject, for the multi-contrast layout.
        parts: names of the subjects in fit, tune and val; of several contrasts no tune unless asked for.
        box_mm: extents of the smallest box that holds every image, along the RAS axes, whole numbers.
        num_structures: largest label; 0 without labels.
        lowest: intensity; far below 0 in CT.
    """

    folder: Path
    contrasts: list[str]
    parts: dict[str, list[str]]
    box_mm: list[int]
    num_structures: int
    lowest: float


def write_training_folder(
    images: str | Path, output_dir: str | Path, tune: float | None = None, val: float = 0.2, seed: int = 0
) -> TrainingFolder:
    """Check images, split their subjects and put hard links to them, or else copies, into a new folder.

    Args:
        images: CSV with a header, or JSON list of objects: ``subject``, ``image`` and perhaps ``label``, or ``subject``
            and a column per contrast; files are relative to the list. Or a folder: of ``NAME.nii.gz``, whose labels are
            ``NAME_label.nii.gz``, of subfolders per subject with a file per contrast, or with imagesTr and labelsTr.
        output_dir: a folder that does not exist yet; it appears when it is complete.
        tune: share of the subjects on which a training is validated, in (0, 1), or their number; at least two. None
            for a tenth, but of several contrasts none, whose pairs are drawn within subjects.
        val: share of the subjects that an evaluation scores, or their number.
        seed: of the split.

    Raises:
        FileExistsError: where ``output_dir`` exists.
        FileNotFoundError: where ``images`` is neither.
        ValueError: for files that cannot be used, one line each; for too few subjects.
    """
    subjects = read_subjects(images)
    contrasts = _contrasts(subjects, Path(images))
    facts = _checked(subjects, contrasts)
    default = TUNE_SHARE if contrasts == [IMAGE] else 0.0
    parts = _parts(subjects, default if tune is None else tune, val, seed)
    with new_folder(output_dir) as folder:
        write = _write_single if contrasts == [IMAGE] else _write_contrasts
        write(folder, subjects, parts)
    return TrainingFolder(Path(output_dir).expanduser(), contrasts, parts, *facts)


def read_subjects(images: str | Path) -> list[dict[str, str]]:
    """Subjects of a list or a folder, see :func:`write_training_folder`, with the absolute paths of their files.

    Raises:
        FileNotFoundError: where there is no such list or folder, or a listed file is missing.
        ValueError: for no subjects, an entry without an image, or a subject twice.
    """
    path = Path(images).expanduser().absolute()
    if not path.exists():
        raise FileNotFoundError(f"images: expected a list (.csv, .json) or a folder, found nothing at {path}")
    subjects = _of_folder(path) if path.is_dir() else _of_list(path)
    if not subjects:
        raise ValueError(f"{path}: expected NIfTI images, or a folder of them per subject, found none")
    names = [subject[SUBJECT] for subject in subjects]
    repeated = sorted({name for name in names if names.count(name) > 1})
    if repeated:
        raise ValueError(f"{path}: expected each subject once, got {', '.join(repeated)} more than once")
    return subjects


def _of_list(path: Path) -> list[dict[str, str]]:
    if path.suffix.lower() == ".csv":
        with path.open(encoding="utf-8-sig", newline="") as stream:
            entries = [{key: value for key, value in row.items() if value} for row in csv.DictReader(stream)]
    else:
        entries = read_dataset_json(path)
    if not isinstance(entries, list) or not all(isinstance(entry, Mapping) for entry in entries):
        raise ValueError(f"{path}: expected a list of objects with subject and image, got {type(entries).__name__}")
    return [_listed(entry, f"{path}, entry {number}", path.parent) for number, entry in enumerate(entries, start=1)]


def _listed(entry: Mapping[str, str], where: str, folder: Path) -> dict[str, str]:
    files = {key: value for key, value in entry.items() if key != SUBJECT}
    if not files.keys() - {LABEL}:
        raise ValueError(f"{where}: expected an image, or a column per contrast, got {', '.join(entry) or 'nothing'}")
    name = str(entry.get(SUBJECT) or _stem(Path(next(file for key, file in files.items() if key != LABEL))))
    if Path(name).name != name or name in (".", ".."):
        raise ValueError(f"{where}: expected a subject that can name a file, got {name!r}")
    return {SUBJECT: name, **{key: existing_file(folder, file, f"{where}, {key}") for key, file in files.items()}}


def _of_folder(folder: Path) -> list[dict[str, str]]:
    if (folder / "imagesTr").is_dir():
        labels = {path.name: path for path in _images_in(folder / "labelsTr")}
        return [_single(path, labels.get(path.name)) for path in _images_in(folder / "imagesTr")]
    images = {_stem(path): path for path in _images_in(folder)}
    if images:
        names = [name for name in images if not name.endswith(LABEL_ENDING)]
        return [_single(images[name], images.get(name + LABEL_ENDING)) for name in names]
    subjects = [(path, _images_in(path)) for path in sorted(folder.iterdir()) if path.is_dir()]
    return [{SUBJECT: path.name, **{_stem(file): str(file) for file in files}} for path, files in subjects if files]


def _images_in(folder: Path) -> list[Path]:
    files = sorted(folder.iterdir()) if folder.is_dir() else []
    return [path for path in files if path.name.endswith(ENDINGS) and not path.name.startswith(".")]


def _single(image: Path, label: Path | None) -> dict[str, str]:
    return {SUBJECT: _stem(image), IMAGE: str(image)} | ({LABEL: str(label)} if label else {})


def _stem(path: Path) -> str:
    return path.name.removesuffix(".gz").removesuffix(".nii")


def _contrasts(subjects: Sequence[dict[str, str]], source: Path) -> list[str]:
    """Keys of the images; a single one is renamed to ``image`` in all subjects."""
    keys = [key for key in subjects[0] if key not in (SUBJECT, LABEL)]
    for subject in subjects:
        found = [key for key in subject if key not in (SUBJECT, LABEL)]
        if sorted(found) != sorted(keys):
            raise ValueError(
                f"{source}: expected the same images of every subject, got {', '.join(keys)} of"
                f" {subjects[0][SUBJECT]} and {', '.join(found) or 'none'} of {subject[SUBJECT]}"
            )
    if len(keys) == 1:
        for subject in subjects:
            subject[IMAGE] = subject.pop(keys[0])
        return [IMAGE]
    return keys


def _checked(subjects: Sequence[Mapping[str, str]], contrasts: Sequence[str]) -> tuple[list[int], int, float]:
    """Largest extents in mm, largest label and lowest intensity; refuses with one line per file that cannot be used."""
    extents, largest, lowest, faults = torch.zeros(3, dtype=torch.long), 0, 0.0, []
    for subject in subjects:
        try:
            images = {key: input_image(subject[key]) for key in contrasts}
            grid = _common_grid(subject, images)
            extents = extents.maximum(torch.tensor(network_grid(grid, spacing=1.0).spatial_shape))
            lowest = min(lowest, *(image.min().item() for image in images.values()))
            if LABEL in subject:
                largest = max(largest, _largest_label(subject[LABEL], grid))
        except (ValueError, OSError) as error:
            faults.append(f"  {subject[SUBJECT]}: {error}")
    if faults:
        listed = "\n".join(faults)
        raise ValueError(f"{len(faults)} of {len(subjects)} subjects cannot be used, nothing was written:\n{listed}")
    return extents.tolist(), largest, lowest


def _common_grid(subject: Mapping[str, str], images: Mapping[str, MetaTensor]) -> Grid:
    first, *others = images
    grid = Grid.from_image(images[first])
    for other in others:
        found = Grid.from_image(images[other])
        if not found.coincides_with(grid, TOLERANCE_MM):
            raise ValueError(
                f"{subject[other]}: expected the grid of {subject[first]}, {grid.spatial_shape}, got"
                f" {found.spatial_shape}, or the same voxels elsewhere in the world"
            )
    return grid


def _largest_label(path: str, grid: Grid) -> int:
    label = input_label(path)
    if (label != label.round()).any() or label.min() < 0:
        raise ValueError(f"{path}: expected whole numbers from 0, got {label.min().item():g} to {label.max().item():g}")
    if not Grid.from_image(label).coincides_with(grid, TOLERANCE_MM):
        raise ValueError(f"{path}: expected the grid of its image, {grid.spatial_shape}, got {tuple(label.shape[1:])}")
    return int(label.max())


def _parts(subjects: Sequence[dict], tune: float, val: float, seed: int) -> dict[str, list[str]]:
    """At least a pair of subjects in each part, or one where nothing is tuned on: pairs are then of one's contrasts."""
    sizes = {"tune": tune, "val": val} if tune else {"val": val}
    shares = [size for size in sizes.values() if size < 1]
    if min(tune, val) < 0 or not val or sum(shares) >= 1 or any(size % 1 for size in sizes.values() if size > 1):
        raise ValueError(
            f"tune and val: expected shares between 0 and 1 with a sum below 1, or whole numbers of subjects,"
            f" got {tune} and {val}"
        )
    least = 2 if tune else 1
    counts = {part: max(least, round(size if size >= 1 else size * len(subjects))) for part, size in sizes.items()}
    counts = {"fit": len(subjects) - sum(counts.values()), **counts}
    if counts["fit"] < least:
        needed = least + sum(counts.values()) - counts["fit"]
        raise ValueError(f"expected at least {needed} subjects, {least} of each part, got {len(subjects)}")
    parts = split_subjects(subjects, counts, seed)
    return {part: [subject[SUBJECT] for subject in chosen] for part, chosen in parts.items()}


def _write_single(folder: Path, subjects: Sequence[Mapping[str, str]], parts: Mapping[str, list[str]]) -> None:
    entries = []
    for subject in subjects:
        entry = {}
        for key, name in ((IMAGE, "imagesTr"), (LABEL, "labelsTr")):
            if key in subject:
                entry[key] = f"./{name}/{subject[SUBJECT]}{_ending(subject[key])}"
                _place(Path(subject[key]), folder / entry[key])
        entries.append(entry)
    write_json(folder / "dataset.json", {"numTraining": len(entries), "training": entries})
    _write_splits(folder, parts)


def _write_contrasts(folder: Path, subjects: Sequence[Mapping[str, str]], parts: Mapping[str, list[str]]) -> None:
    entries = []
    for subject in subjects:
        files = {key: f"{subject[SUBJECT]}/{key}{_ending(file)}" for key, file in subject.items() if key != SUBJECT}
        for key, name in files.items():
            _place(Path(subject[key]), folder / name)
        entries.append({SUBJECT: subject[SUBJECT], **files})
    write_json(folder / "dataset.json", {"subjects": entries})
    if "tune" in parts:
        _write_splits(folder, parts)


def _write_splits(folder: Path, parts: Mapping[str, list[str]]) -> None:
    (folder / "splits.json").write_text(json.dumps(parts, indent=1), encoding="utf-8")


def _ending(path: str) -> str:
    return next(ending for ending in ENDINGS if path.endswith(ending))


def _place(source: Path, target: Path) -> None:
    """A hard link, or a copy where the two are on different disks."""
    target.parent.mkdir(parents=True, exist_ok=True)
    try:
        os.link(source, target)
    except OSError:
        shutil.copy2(source, target)
