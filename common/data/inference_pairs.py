"""The pairs that an inference registers: two files, a list of pairs, or a sample pair."""

from pathlib import Path

from ..words import one_of
from .pair_list import MASK_KEYS, named, read_pair_list
from .sample.chest import write_sample_chest
from .sample.folder import write_sample_population

SAMPLE_FOLDER = "sample"
SAMPLES = ("T1-T2", "T1-FLAIR", "hippocampus", "chest")


def inference_pairs(
    fixed: str = "",
    moving: str = "",
    dataset_dir: str = "",
    output_dir: str = ".",
    sample: str = "T1-T2",
    **beside: str,
) -> list[dict]:
    """Pairs to register, those of a list with the name of their result folder: their own, or pair0, pair1, …

    Args:
        fixed: NIfTI file that stays in place; needs ``moving``.
        moving: NIfTI file that is brought onto it.
        dataset_dir: list of pairs, see :func:`~.pair_list.read_pair_list`; not together with ``fixed``.
        output_dir: where a sample pair is written when nothing else is given.
        sample: that pair: heads of two subjects by their contrasts, T1-T2 or T1-FLAIR, regions of two in T1,
            hippocampus, or the lungs of one, chest, whose lists may also name masks.
        **beside: NIfTI files that come with ``fixed`` and ``moving``: ``moving_label``, ``fixed_mask`` and
            ``moving_mask``; empty for none.

    Returns:
        Dictionaries with ``fixed``, ``moving`` (absolute paths), ``name`` of a list, and what else is given.

    Raises:
        ValueError: where one file of the pair is missing, files and a list are given, masks or a label without images,
            or two pairs have one name; for an unknown sample.
        FileNotFoundError: where there is no such file.
    """
    one_of("sample", sample, SAMPLES)
    given = {key: _existing(key, path) for key, path in beside.items() if path}
    if given and not fixed:
        raise ValueError(f"expected fixed and moving beside {', '.join(given)}, got none")
    if (fixed or moving) and dataset_dir:
        raise ValueError("expected either fixed and moving or dataset_dir, got both")
    if bool(fixed) != bool(moving):
        beside, missing = ("fixed", "moving") if fixed else ("moving", "fixed")
        raise ValueError(f"{missing}: expected a NIfTI file beside {beside}, got none")
    if dataset_dir:
        return named(read_pair_list(dataset_dir, MASK_KEYS if sample == "chest" else ()), dataset_dir)
    if not fixed:
        fixed, moving = _sample_pair(Path(output_dir) / SAMPLE_FOLDER, sample)
    return [{"fixed": _existing("fixed", fixed), "moving": _existing("moving", moving), **given}]


def _existing(name: str, path: str) -> str:
    if not Path(path).expanduser().is_file():
        raise FileNotFoundError(f"{name}: expected a NIfTI file, got {path}, which does not exist")
    return str(Path(path).expanduser().absolute())


def _sample_pair(folder: Path, sample: str) -> tuple[str, str]:
    if sample == "chest":
        files = write_sample_chest(folder)
        return files["fixed"], files["moving"]
    options = {"contrasts": ("T1",), "region": "hippocampus"} if sample == "hippocampus" else {}
    if not folder.exists():
        write_sample_population(folder, num_subjects=2, **options)
    contrast = "T1" if sample == "hippocampus" else sample.removeprefix("T1-")
    return str(folder / "sample00" / "T1.nii.gz"), str(folder / "sample01" / f"{contrast}.nii.gz")
