"""Parts and scored pairs of the hippocampus data: those of every figure, or drawn anew."""

import json
from pathlib import Path

from ..data.layouts.decathlon import decathlon_subjects
from ..data.pairs import random_pairs
from ..data.splits import split_subjects

PUBLISHED = Path(__file__).with_name("hippocampus_split.json")
PARTS = ("fit", "tune", "val")
SHARES = 0.1, 0.2  # of tune and val
NUM_VAL_PAIRS = 50


def draw_split(folder: Path, seed: int, tune: float = SHARES[0], val: float = SHARES[1]) -> str:
    """Write ``splits.json`` and ``val_pairs.json`` of a folder in the Decathlon's layout, drawn at random.

    Args:
        folder: with its dataset JSON and images.
        seed: of the draw.
        tune: share of the part tune; the rest beside it and ``val`` is fit.
        val: share of the part val.

    Returns:
        Numbers of the subjects in each part, and of the pairs.
    """
    shares = {"fit": 1.0 - tune - val, "tune": float(tune), "val": float(val)}
    parts = split_subjects(decathlon_subjects(folder), shares, seed)
    names = {part: [subject["subject"] for subject in subjects] for part, subjects in parts.items()}
    most = len(parts["val"]) * (len(parts["val"]) - 1)
    pairs = random_pairs(parts["val"], min(NUM_VAL_PAIRS, most), seed)
    listed = [[pair["fixed_subject"], pair["moving_subject"]] for pair in pairs]
    return _write_split(folder, names, listed, f"pairs of the val subjects, fixed then moving, seed {seed}")


def write_published_split(folder: Path) -> str:
    """Write the split and the pairs of every figure of this collection.

    Args:
        folder: of Decathlon Task04.

    Returns:
        Numbers of the subjects in each part, and of the pairs.

    Raises:
        ValueError: where the folder lacks one of its subjects.
    """
    content = json.loads(PUBLISHED.read_text(encoding="utf-8"))
    names = {part: [_subject(number) for number in content[part]] for part in PARTS}
    pairs = [[_subject(number) for number in pair] for pair in content["val_pairs"]]
    present = {subject["subject"] for subject in decathlon_subjects(folder)}
    missing = sorted({name for part in names.values() for name in part} - present)
    if missing:
        listed = f"{missing[0]} and {len(missing) - 1} more of {PUBLISHED.name}"
        raise ValueError(f"expected {listed} in the archive")
    return _write_split(folder, names, pairs, "pairs of the val subjects, fixed then moving, of every figure")


def _subject(number: int) -> str:
    return f"hippocampus_{number:03d}"


def _write_split(folder: Path, names: dict[str, list[str]], pairs: list[list[str]], description: str) -> str:
    content = {"description": description, "pairs": pairs}
    (folder / "splits.json").write_text(json.dumps(names, indent=1), encoding="utf-8")
    (folder / "val_pairs.json").write_text(json.dumps(content, indent=1), encoding="utf-8")
    counts = [f"{len(subjects)} {part}" for part, subjects in names.items()]
    return ", ".join([*counts, f"{len(pairs)} val pairs"])
