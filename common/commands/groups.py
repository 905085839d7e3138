"""Commands on more than a pair: a template of several images, and the frames of a series."""

import sys
from collections.abc import Callable
from pathlib import Path

from ..registration.greedy import refinement_of
from ..registration.registrar import Registrar
from ..registration.series import register_series
from ..registration.template import build_template


def template(
    images: str = "",
    output_dir: str = "",
    labels: str = "",
    rounds: int = 3,
    effort: str = "normal",
    similarity: str = "auto",
    init: str = "center",
    header: str = "",
    device: str = "",
) -> None:
    """Build the mean shape and intensity of several images; the same command again continues.

    Args:
        images: folder of NIfTI files.
        output_dir: gets template.nii.gz, the fields from it to the images, template.json, and all registrations.
        labels: folder of label maps with the names of the images; their vote becomes template_label.nii.gz.
        rounds: how often all images are registered to their mean.
        effort: of each registration: fast, normal or best.
        similarity: auto, lncc, mind or mse.
        init: world, center or moments.
        header: sform or qform, to be trusted where the two of a file disagree.
        device: cpu or cuda:0; empty takes a GPU where there is one.
    """
    _check_given(images=images, output_dir=output_dir)
    files = _files(images)
    of_labels = {name: path for name, path in _files(labels).items() if name in files} if labels else None
    registrar = Registrar(
        init=init, affine=True, refinement=refinement_of(effort, similarity), header=header, device=device
    )
    record = build_template(files, registrar, output_dir, rounds, of_labels, _told(len(files) * rounds))
    for number, found in enumerate(record["rounds"]):
        print(f"round {number}: sharpness {found['sharpness']:.4f}, shift of the mean {found['shift_mm']:.2f} mm")
    print(f"{output_dir}: template.nii.gz, {len(files)} fields, template.json")


def series(
    series: str = "",
    output_dir: str = "",
    frame: int = 0,
    effort: str = "fast",
    similarity: str = "auto",
    affine: str = "rigid",
    header: str = "",
    device: str = "",
) -> None:
    """Bring all frames of a motion series onto one of them; the same command again continues.

    Args:
        series: NIfTI file with four axes.
        output_dir: gets series.nii.gz, the aligned frames, series.json, and all registrations.
        frame: the one that stays in place, from 0.
        effort: of the refinement of each frame: none, fast, normal or best.
        similarity: auto, lncc, mind or mse.
        affine: rigid, affine, or none.
        header: sform or qform, to be trusted where the two of a file disagree.
        device: cpu or cuda:0; empty takes a GPU where there is one.
    """
    _check_given(series=series, output_dir=output_dir)
    registrar = Registrar(
        affine="" if affine == "none" else affine,
        refinement=refinement_of(effort, similarity),
        header=header,
        device=device,
    )
    record = register_series(series, registrar, output_dir, frame, _told(0))
    moved = max(record["frames"], key=lambda row: row["mean_mm"])
    print(f"{len(record['frames'])} frames; the most moved, {moved['frame']}, by {moved['mean_mm']:.2f} mm on average")
    print(f"{output_dir}: series.nii.gz, series.json")


def _check_given(**words: str) -> None:
    for name, word in words.items():
        if not word:
            raise ValueError(f"--{name}: expected a file or folder, got none")


def _files(folder: str) -> dict[str, Path]:
    """NIfTI files of a folder by their names without ending."""
    found = sorted(Path(folder).expanduser().glob("*.nii*"))
    if not found:
        raise ValueError(f"{folder}: expected a folder of NIfTI files, found none")
    return {path.name.split(".nii")[0]: path for path in found}


def _told(total: int) -> Callable[[str], None]:
    """Print each step, and how many of how many, on stderr."""
    done = 0

    def tell(step: str) -> None:
        nonlocal done
        done += 1
        print(f"{done} of {total}: {step}" if total else step, file=sys.stderr, flush=True)

    return tell
