"""The trainings that a folder of one's own images suits, as commands."""

import shlex
from pathlib import Path

from ..data.training_folder import IMAGE, TrainingFolder

HEAD_CONTRASTS = ("T1", "T2", "FLAIR")
LARGEST_REGION_MM = 64  # pad_mm of the bundles that take crops
PAIRS_OF_REGIONS = 290  # num_pairs of cyclical_self_training's hippocampus.json
LOWEST_OF_MR = -200  # below it an image is CT in HU


def trainings(written: TrainingFolder) -> list[str]:
    """Commands of the bundles that can be trained on a folder, one a line.

    Args:
        written: subjects of several contrasts, or of one image each: small regions, CT in HU or heads, by the sizes and
            the lowest intensity.
    """
    if written.contrasts != [IMAGE]:
        first, second = sorted(written.contrasts, key=_rank)[:2]
        held_out = ["--val_subjects", "[" + ",".join(f"'{name}'" for name in written.parts["val"]) + "]"]
        options = {"mcd_pemd": ["--source_contrast", first, "--target_contrast", second, *held_out]}
        if {first, second} <= set(HEAD_CONTRASTS):
            between = ["--pairing", "inter", "--warp_mm", "0.0", "--augment", "False"]
            pairs = between if "tune" in written.parts else held_out
            options["mine_voxelmorph"] = ["--fixed_contrast", first, "--moving_contrast", second, *pairs]
        return [_training(written.folder, bundle, words) for bundle, words in options.items()]
    labels = ["--num_structures", str(written.num_structures)] if written.num_structures else []
    box = [size + size % 2 for size in written.box_mm]
    if max(box) <= LARGEST_REGION_MM:
        num_fit = len(written.parts["fit"])
        few = ["--num_pairs", "0"] if num_fit * (num_fit - 1) < PAIRS_OF_REGIONS else []
        return [
            _training(written.folder, "wasserstein_voxelmorph", ["--box_mm", str(box).replace(" ", ""), *labels]),
            _training(written.folder, "cyclical_self_training", [*labels, *few], "hippocampus.json"),
            _training(written.folder, "mine_voxelmorph", labels, "hippocampus.json"),
        ]
    if written.lowest < LOWEST_OF_MR:
        return [_training(written.folder, "cyclical_self_training", labels)]
    words = ["--fixed_contrast", "T1", "--moving_contrast", "T1", "--pairing", "inter"]
    return [_training(written.folder, "mine_voxelmorph", [*words, *labels])]


def _rank(contrast: str) -> int:
    return HEAD_CONTRASTS.index(contrast) if contrast in HEAD_CONTRASTS else len(HEAD_CONTRASTS)


def _training(folder: Path, bundle: str, words: list[str], overlay: str = "") -> str:
    config = f"bundles/{bundle}/configs/train.json"
    config = f"['{config}','bundles/{bundle}/configs/{overlay}']" if overlay else config
    words = ["--config_file", config, "--dataset_dir", str(folder), *words]
    listed = " ".join(f'"{word}"' if word.startswith("[") else shlex.quote(word) for word in words)
    return f"  python -m monai.bundle run training {listed}"
