"""Puts a data set on disk in the layout that the bundles read.

    python scripts/prepare_data.py list
    python scripts/prepare_data.py hippocampus --output_dir data/Task04_Hippocampus
    python scripts/prepare_data.py sample --output_dir data/sample --num_subjects 5
    python scripts/prepare_data.py folder --images scans --output_dir data/mine
    python scripts/prepare_data.py folder --images scans.csv --output_dir data/mine --val 0.3
    python scripts/prepare_data.py limb --dataset_dir data/LimbCTMR/sts002 --output_dir data/limb
    python scripts/prepare_data.py sata --dataset_dir data/SATA_raw --output_dir data/SATA
    python scripts/prepare_data.py dirlab --dataset_dir data/COPD_raw --output_dir data/COPD
    python scripts/prepare_data.py learn2reg --task NLST
    python scripts/prepare_data.py learn2reg --task NLST --archive NLST.zip --output_dir data/NLST

A folder appears when it is complete; nothing is written where a download fails.
"""

import json
import tarfile
import tempfile
import zipfile
from pathlib import Path

from monai.apps import DecathlonDataset, download_url, extractall

from ..data.layouts.learn2reg import learn2reg_subjects
from ..data.layouts.sata import sata_subjects
from ..data.sample.folder import write_sample_population
from ..data.training_folder import write_training_folder
from ..files import new_folder
from ..methods.cyclical_self_training_points.dirlab import write_copd_archives
from ..methods.mcd_pemd.disjoint_regions import write_regions
from ..words import did_you_mean
from .data_sets import LEARN2REG_HELP, LEARN2REG_TASKS, listed_data_sets
from .hippocampus_split import SHARES, draw_split, write_published_split
from .trainings import trainings

HIPPOCAMPUS = "Task04_Hippocampus"
BROKEN_ARCHIVE = (OSError, ValueError, RuntimeError, EOFError, zipfile.BadZipFile, tarfile.TarError)


class PrepareError(ValueError):
    """A data set could not be prepared; nothing was written."""


def list_sets() -> str:
    """Names the data sets of the papers, their terms and layouts, and how to get them.

    Returns:
        An entry per published set, then what else can be prepared.
    """
    lines = [
        listed_data_sets(),
        "More sets of Learn2Reg, the same way:",
        *(f"  {task:14s} {content}" for task, content in LEARN2REG_TASKS.items()),
        "Made here:",
        "  sample         warps of the ICBM 2009a template with T1, T2, FLAIR and labels; needs nilearn",
        "  folder         of your own images: --images LIST.csv or a folder; checked, split, ready to train on",
    ]
    return "\n".join(lines)


def hippocampus(output_dir: str, seed: int | None = None, tune: float = 0.1, val: float = 0.2) -> str:
    """Downloads Decathlon Task04 and writes a split and the pairs to score.

    Args:
        output_dir: a folder that does not exist yet.
        seed: draws ``splits.json`` (fit 70 %, tune 10 %, val 20 %) and ``val_pairs.json`` (50 pairs) anew; left out,
            they are those of every figure of this collection, with 210 of the 260 labeled subjects.
        tune: share of the tune part with a seed; 0.15 is the 65/15/20 % of Shams et al., ISBI 2022.
        val: share of the val part with a seed.

    Returns:
        What was written.

    Raises:
        FileExistsError: ``output_dir`` exists.
        PrepareError: the download failed or is damaged, or shares come without a seed.
    """
    if min(tune, val) <= 0 or tune + val >= 1:
        raise PrepareError(f"expected shares tune and val that leave one for fit, got {tune} and {val}")
    if seed is None and (tune, val) != SHARES:
        raise PrepareError(f"expected a seed with the shares tune {tune} and val {val}, got none; nothing was written")
    url = DecathlonDataset.resource[HIPPOCAMPUS]
    output_dir = Path(output_dir).expanduser()
    with new_folder(output_dir) as folder, tempfile.TemporaryDirectory(dir=folder.parent) as download:
        archive = Path(download) / "archive.tar"
        try:
            download_url(url, archive, hash_val=DecathlonDataset.md5[HIPPOCAMPUS], hash_type="md5")
            extractall(archive, download)
        except BROKEN_ARCHIVE as error:
            raise PrepareError(f"{url}: the download failed ({error}); nothing was written") from error
        _move_content(Path(download) / HIPPOCAMPUS, folder)
        try:
            counts = write_published_split(folder) if seed is None else draw_split(folder, seed, tune, val)
        except BROKEN_ARCHIVE as error:
            raise PrepareError(f"{url}: {error}; nothing was written") from error
    return f"{output_dir}: {counts}; CC-BY-SA 4.0, cite the Medical Segmentation Decathlon"


def sample(output_dir: str, num_subjects: int = 5, seed: int = 0, region: str = "head", spacing: int = 1) -> str:
    """Writes the sample population in the multi-contrast layout.

    Args:
        output_dir: a folder that does not exist yet.
        num_subjects: how many.
        seed: of the population.
        region: head or hippocampus.
        spacing: voxel size in mm, a whole number.

    Returns:
        What was written.
    """
    folder = write_sample_population(output_dir, num_subjects, seed, region=region, spacing=spacing)
    return f"{folder}: {num_subjects} subjects with T1, T2, FLAIR and label"


def folder(images: str, output_dir: str, tune: float | None = None, val: float = 0.2, seed: int = 0) -> str:
    """Checks your own NIfTI images, splits their subjects and puts them into a folder that the bundles train on.

    Args:
        images: CSV or JSON list with subject, image and perhaps label, or subject and a column per contrast (T1, T2);
            or a folder of NAME.nii.gz with NAME_label.nii.gz, or with a subfolder per subject and a file per contrast.
        output_dir: a folder that does not exist yet; gets hard links, or copies where they are impossible.
        tune: share or number of the subjects that validate a training, at least two; left out, a tenth, but of
            several contrasts none, whose pairs are drawn within subjects.
        val: share or number of the subjects that an evaluation scores.
        seed: of the split.

    Returns:
        What was written, and the commands that train on it.

    Raises:
        ValueError: for files that cannot be used, one line each; nothing is written.
    """
    written = write_training_folder(images, output_dir, tune, val, seed)
    counts = ", ".join(f"{len(names)} {part}" for part, names in written.parts.items())
    return "\n".join([f"{written.folder}: {counts}", "train on it with one of", *trainings(written)])


def limb(dataset_dir: str, output_dir: str, gap_mm: float = 20.0) -> str:
    """Writes two disjoint regions of one leg as two subjects with T1 and CT, in the multi-contrast layout.

    Args:
        dataset_dir: folder with T1.nii.gz and CT.nii.gz in one world frame.
        output_dir: a folder that does not exist yet.
        gap_mm: distance of the regions along the leg.

    Returns:
        What was written.
    """
    files = {contrast: Path(dataset_dir).expanduser() / f"{contrast}.nii.gz" for contrast in ("T1", "CT")}
    ranges = write_regions(files, output_dir, gap_mm=gap_mm)
    slices = ", ".join(f"{name} slices {first} to {end - 1}" for name, (first, end) in ranges.items())
    return f"{output_dir}: {slices} of 1 mm"


def sata(dataset_dir: str, output_dir: str, val: float = 2, seed: int = 0) -> str:
    """Finds T1 and T2 of each leg by the names of the files, checks them and writes the multi-contrast layout.

    Args:
        dataset_dir: folder of the SATA challenge's legs, or of other images named so.
        output_dir: a folder that does not exist yet.
        val: share or number of the legs that the printed training holds out; the paper names none.
        seed: of the split.

    Returns:
        What was written, and the command that trains on it.
    """
    with tempfile.TemporaryDirectory() as place:
        listed = Path(place) / "legs.json"
        listed.write_text(json.dumps(sata_subjects(dataset_dir)), encoding="utf-8")
        return folder(str(listed), output_dir, val=val, seed=seed)


def dirlab(dataset_dir: str, output_dir: str, fixed_window: int = 5, moving_window: int = 3) -> str:
    """Makes keypoint archives of the raw cases of DIR-Lab COPDgene, by the pre-processing of the paper.

    Args:
        dataset_dir: folder of copd1 to copd10, as distributed.
        output_dir: a folder that does not exist yet.
        fixed_window: edge, in voxels, of the cube in which an exhaled keypoint is the strongest.
        moving_window: of an inhaled one.

    Returns:
        Numbers of keypoints per case.
    """
    windows = {"fixed": fixed_window, "moving": moving_window}
    with new_folder(output_dir) as place:
        lines = write_copd_archives(dataset_dir, place, windows)
    return "\n".join([f"{output_dir}: {len(lines)} cases", *lines])


def learn2reg(task: str, archive: str = "", output_dir: str = "") -> str:
    """Explains how to get a Learn2Reg set, or unpacks and checks its archive.

    Args:
        task: one of the names that ``list`` prints.
        archive: the downloaded zip or tar file; empty for the explanation.
        output_dir: a folder that does not exist yet.

    Returns:
        The explanation, or what was written.

    Raises:
        ValueError: an unknown task.
        PrepareError: the archive is damaged or holds something else.
    """
    if task not in LEARN2REG_TASKS:
        raise ValueError(f"task: there is no {task!r}, {did_you_mean(task, list(LEARN2REG_TASKS))}")
    if not archive:
        return LEARN2REG_HELP.format(task=task, content=LEARN2REG_TASKS[task])
    if not output_dir:
        raise ValueError("output_dir: expected a folder that does not exist yet, got nothing")
    archive, output_dir = Path(archive).expanduser(), Path(output_dir).expanduser()
    if not archive.is_file():
        raise FileNotFoundError(f"archive: expected a file, found nothing at {archive}")
    with new_folder(output_dir) as folder, tempfile.TemporaryDirectory(dir=folder.parent) as unpacked:
        try:
            extractall(archive, unpacked, has_base=False)
            _move_content(_dataset_root(Path(unpacked)), folder)
            num_images = len(learn2reg_subjects(folder))
            if task == "HippocampusMR":
                draw_split(folder, seed=0)
        except BROKEN_ARCHIVE as error:
            raise PrepareError(
                f"{archive}: expected the Learn2Reg set {task}, got {error}; nothing was written"
            ) from error
    return f"{output_dir}: {num_images} training images"


def _dataset_root(folder: Path) -> Path:
    found = [file.parent for file in sorted(folder.rglob("*dataset.json")) if not file.name.startswith(".")]
    if not found:
        raise FileNotFoundError("an archive without a dataset JSON")
    return min(found, key=_depth)


def _depth(path: Path) -> int:
    return len(path.parts)


def _move_content(source: Path, folder: Path) -> None:
    for entry in source.iterdir():
        entry.rename(folder / entry.name)


DATA_SETS = {
    "list": list_sets,
    "hippocampus": hippocampus,
    "sample": sample,
    "folder": folder,
    "limb": limb,
    "sata": sata,
    "dirlab": dirlab,
    "learn2reg": learn2reg,
}
