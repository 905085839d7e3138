"""A folder with one labeled scan, ``vol.nii.gz`` and ``seg.nii.gz``, as VoxelMorph ships its test image."""

from pathlib import Path

IMAGE, LABEL = "vol.nii.gz", "seg.nii.gz"


def is_labeled_scan(dataset_dir: str | Path) -> bool:
    """Whether a folder holds a scan of this name."""
    return (Path(dataset_dir).expanduser() / IMAGE).is_file()


def labeled_scan(dataset_dir: str | Path) -> dict[str, str]:
    """The scan as subject: {"subject": name of the folder, "T1": path, "label": path}.

    Args:
        dataset_dir: the folder.

    Raises:
        FileNotFoundError: where the label map is missing.
    """
    folder = Path(dataset_dir).expanduser()
    if not (folder / LABEL).is_file():
        raise FileNotFoundError(f"{folder}: expected {LABEL} beside {IMAGE}, which does not exist")
    return {"subject": folder.resolve().name, "T1": str(folder / IMAGE), "label": str(folder / LABEL)}
