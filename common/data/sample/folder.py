"""The sample population on disk, in the multi-contrast layout."""

import json
from collections.abc import Sequence
from pathlib import Path

import nibabel as nib
import numpy as np
from monai.data import MetaTensor

from ...files import new_folder
from ...world.files import nifti
from ...world.grid import Grid
from .population import sample_subject


def write_sample_population(
    output_dir: str | Path,
    num_subjects: int,
    seed: int = 0,
    contrasts: Sequence[str] = ("T1", "T2", "FLAIR"),
    region: str = "head",
    spacing: int = 1,
) -> Path:
    """Writes a population as uint8 NIfTI files in the multi-contrast layout, with a label per subject.

    Args:
        output_dir: a folder that does not exist yet; it appears when it is complete.
        num_subjects: how many, at least 1.
        seed: number of the population.
        contrasts: among T1, T2, FLAIR.
        region: ``"head"`` or ``"hippocampus"``.
        spacing: voxel size in mm, a whole number.

    Returns:
        The folder, readable by ``multi_contrast_subjects``.

    Raises:
        FileExistsError: ``output_dir`` exists.
        ImportError: nilearn is not installed.
        ValueError: fewer than one subject, an unknown contrast or region.
    """
    if num_subjects < 1:
        raise ValueError(f"num_subjects: expected at least 1, got {num_subjects}")
    with new_folder(output_dir) as folder:
        entries = []
        for index in range(num_subjects):
            subject = sample_subject(index, seed, contrasts, region, spacing)
            entries.append(_write_subject(folder, f"sample{index:02d}", subject))
        content = {"description": f"sample population, {region}, seed {seed}", "subjects": entries}
        (folder / "dataset.json").write_text(json.dumps(content, indent=1), encoding="utf-8")
    return Path(output_dir).expanduser()


def _write_subject(folder: Path, name: str, subject: dict[str, MetaTensor]) -> dict[str, str]:
    (folder / name).mkdir()
    entry = {"subject": name}
    for key in [key for key in subject if key != "ddf"]:
        entry[key] = f"{name}/{key}.nii.gz"
        image = nifti(subject[key][0].numpy().astype(np.uint8), Grid.from_image(subject[key]))
        nib.save(image, folder / entry[key])
    return entry
