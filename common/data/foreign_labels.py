"""Pseudo labels of another run, for the first stage of a new one."""

import json
from collections.abc import Sequence
from pathlib import Path

from .pseudo_label_store import RUN_NAME, PseudoLabelStore

# Settings of a store that say what an image pair is, where the nodes of its label lie, and that it has one at all.
IMAGE_PAIRS = (
    "seed",
    "fit_subjects",
    "num_pairs",
    "preprocessing",
    "spatial_shape",
    "spacing_mm",
    "pad_mm",
    "box_mm",
    "background",
    "label_stride",
    "supervision",
)


def foreign_labels(
    folder: str | Path, store: PseudoLabelStore, same: Sequence[str] = IMAGE_PAIRS
) -> PseudoLabelStore | None:
    """Labels of a stage of another run on the same pairs, opened for reading; nothing is written.

    So a student can learn from a network of another kind, such as one with other strides.

    Args:
        folder: of that stage, ``…/pseudo_labels/stage_03``; empty for none.
        store: of the new run. Once that is beyond its first stage, the folder is not looked at any more.
        same: settings that must be the same in both.

    Returns:
        The open store, or None where no labels are to be taken over.

    Raises:
        ValueError: for a folder without the labels of all pairs, or with those of other pairs; names what differs.

    Example:
        >>> foreign_labels("", store=None) is None
        True
    """
    if not folder or (store.folder / "stage_01").exists():
        return None
    path = Path(folder) / RUN_NAME
    if not path.is_file():
        raise ValueError(f"label_dir {folder}: expected a folder of pseudo labels, with {RUN_NAME}, got none")
    run = json.loads(path.read_text())
    if Path(folder).name != f"stage_{run['stage']:02d}":
        raise ValueError(f"label_dir {folder}: expected the name of its stage, stage_{run['stage']:02d}")
    expected = {"pairs": store.num_pairs} | {name: store.settings[name] for name in same}
    found = run["settings"] | {"pairs": run["num_pairs"]}
    names = [name for name in expected if found.get(name) != expected[name]]
    if names:
        text = "; ".join(f"{name}: expected {expected[name]}, got {found.get(name)}" for name in names)
        raise ValueError(f"label_dir {folder} holds pseudo labels of other pairs: {text}")
    source = PseudoLabelStore(path.parents[1], run["num_pairs"], run["settings"])
    source.open_stage(run["stage"], run["origin"])
    source.difficulties()  # names what is missing
    return source
