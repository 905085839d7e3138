"""The pairs that an inference registers: two files, a list of pairs, or a pair of the sample population."""

from pathlib import Path

from .pair_list import check_names, read_pair_list
from .sample.chest import write_sample_chest
from .sample.folder import write_sample_population

SAMPLE_FOLDER = "sample"


def inference_pairs(
    fixed: str = "", moving: str = "", dataset_dir: str = "", output_dir: str = ".", sample_contrast: str = "T2"
) -> list[dict]:
    """Pairs to register, those of a list with the name of their result folder: their own, or pair0, pair1, …

    Args:
        fixed: NIfTI file that stays in place; needs `moving`.
        moving: NIfTI file that is brought onto it.
        dataset_dir: JSON list of pairs, see :func:`~.pair_list.read_pair_list`; not together with `fixed`.
        output_dir: where a sample pair is written when nothing else is given: T1 of one subject, another contrast of
            another.
        sample_contrast: of the moving image of the sample pair, T1, T2 or FLAIR.

    Returns:
        Dictionaries with `fixed`, `moving` (absolute paths), `name`, and what else the list gives.

    Raises:
        ValueError: where one file of the pair is missing, files and a list are given, or two pairs have one name.
        FileNotFoundError: where there is no such file.
    """
    if (fixed or moving) and dataset_dir:
        raise ValueError("expected either fixed and moving or dataset_dir, got both")
    if bool(fixed) != bool(moving):
        given, missing = ("fixed", "moving") if fixed else ("moving", "fixed")
        raise ValueError(f"{missing}: expected a NIfTI file beside {given}, got none")
    if dataset_dir:
        return named_pairs(dataset_dir)
    if not fixed:
        fixed, moving = _sample_pair(Path(output_dir), sample_contrast)
    for name, path in (("fixed", fixed), ("moving", moving)):
        if not Path(path).expanduser().is_file():
            raise FileNotFoundError(f"{name}: expected a NIfTI file, got {path}, which does not exist")
    return [{key: str(Path(path).expanduser().absolute()) for key, path in (("fixed", fixed), ("moving", moving))}]


def named_pairs(path: str | Path, more_keys: tuple[str, ...] = ()) -> list[dict]:
    """Pairs of a list with the name of their result folder; those without one are pair0, pair1, …

    Args:
        path: JSON list of pairs.
        more_keys: see :func:`~.pair_list.read_pair_list`.

    Raises:
        ValueError: where two pairs have one name.
    """
    pairs = read_pair_list(path, more_keys)
    digits = len(str(len(pairs) - 1))
    named = [{"name": f"pair{number:0{digits}d}", **pair} for number, pair in enumerate(pairs)]
    check_names([pair["name"] for pair in named], path)
    return named


def _sample_pair(output_dir: Path, contrast: str) -> tuple[str, str]:
    folder = output_dir / SAMPLE_FOLDER
    if not folder.exists():
        write_sample_population(folder, num_subjects=2)
    return str(folder / "sample00" / "T1.nii.gz"), str(folder / "sample01" / f"{contrast}.nii.gz")


def lung_ct_pairs(
    fixed: str = "",
    moving: str = "",
    fixed_mask: str = "",
    moving_mask: str = "",
    dataset_dir: str = "",
    output_dir: str = ".",
) -> list[dict]:
    """Pairs as :func:`~.inference_pairs.inference_pairs`, with masks where given; else a generated pair.

    Args:
        fixed: NIfTI file that stays in place; needs ``moving``.
        moving: NIfTI file that is brought onto it.
        fixed_mask: NIfTI file of the lungs of ``fixed``.
        moving_mask: NIfTI file of the lungs of ``moving``.
        dataset_dir: JSON list of pairs; not together with ``fixed``.
        output_dir: where the generated pair is written when nothing else is given.

    Returns:
        Dictionaries with ``fixed``, ``moving`` and, where known, ``fixed_mask`` and ``moving_mask``.

    Raises:
        FileNotFoundError: where there is no such file.
        ValueError: where masks are given without images.
    """
    masks = {"fixed_mask": fixed_mask, "moving_mask": moving_mask}
    given = {key: str(Path(path).expanduser().absolute()) for key, path in masks.items() if path}
    for key, path in given.items():
        if not Path(path).is_file():
            raise FileNotFoundError(f"{key}: expected a NIfTI file, got {path}, which does not exist")
    if given and not fixed:
        raise ValueError(f"expected fixed and moving beside {', '.join(given)}, got none")
    if not (fixed or moving or dataset_dir):
        sample = write_sample_chest(Path(output_dir) / "sample")
        fixed, moving = sample["fixed"], sample["moving"]
    if dataset_dir and not (fixed or moving):
        return named_pairs(dataset_dir, tuple(masks))
    return [{**pair, **given} for pair in inference_pairs(fixed, moving, dataset_dir, output_dir)]
