"""Pairs of chest CTs that an inference registers."""

from pathlib import Path

from .inference_pairs import inference_pairs, named_pairs
from .sample_chest import write_sample_chest


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
