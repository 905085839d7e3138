"""Learn2Reg dataset JSON: lists of pairs and of images, with labels and points beside the images.

Files that belong to an image are those that its entry under ``training`` names (``label``, ``mask``,
``keypoints``, ``landmarks``), and those that the naming of Learn2Reg implies and that exist:
imagesTr/X_0001_0000.nii.gz ↔ labelsTr/ and masksTr/X_0001_0000.nii.gz, keypointsTr/ and
landmarksTr/X_0001_0000.csv.
"""

from collections.abc import Mapping
from pathlib import Path

from ...files import existing_file, read_dataset_json
from ...words import did_you_mean

COMPANIONS = {
    "label": ("label", "labels", ""),
    "mask": ("mask", "masks", ""),
    "points": ("keypoints", "keypoints", ".csv"),
    "landmarks": ("landmarks", "landmarks", ".csv"),
}
"""Our word → key in the JSON, stem of the folder, file ending where it differs from the image's."""


def learn2reg_pairs(dataset: str | Path, section: str = "registration_val") -> list[dict[str, str]]:
    """Pairs of one section of a Learn2Reg data set.

    Args:
        dataset: the dataset JSON, or a folder that holds one (``dataset.json`` or ``<name>_dataset.json``).
        section: ``training_paired_images``, ``registration_val`` or ``registration_test``.

    Returns:
        One dictionary per pair with absolute paths under ``fixed``, ``moving`` and, where the files are
        known, ``fixed_label``, ``fixed_mask``, ``fixed_points`` (keypoints), ``fixed_landmarks`` and the same
        of moving.

    Raises:
        FileNotFoundError: the JSON or a listed file is missing.
        ValueError: an unknown section, an entry without fixed or moving, or a number of pairs that differs
            from the one the file states.
    """
    path = find_dataset_json(dataset)
    content = _read_content(path)
    entries = _section(content, section, path)
    stated = content.get("numPairedTraining", len(entries)) if section == "training_paired_images" else len(entries)
    if stated != len(entries):
        raise ValueError(f"{path}: expected {stated} pairs (numPairedTraining) in {section}, got {len(entries)}")
    listed = _listed_companions(content, path)
    return [_read_pair(entry, listed, path) for entry in entries]


def learn2reg_subjects(dataset: str | Path, section: str = "training") -> list[dict[str, str]]:
    """Images of a Learn2Reg data set without given pairs.

    Args:
        dataset: the dataset JSON, or a folder that holds one.
        section: ``training`` or ``test``.

    Returns:
        One ``{"subject": name, "image": path, ...}`` per image with the known ones of ``label``, ``mask``,
        ``points``, ``landmarks``; absolute paths.

    Raises:
        FileNotFoundError: the JSON or a listed file is missing.
        ValueError: an unknown section or an entry without an image.
    """
    path = find_dataset_json(dataset)
    content = _read_content(path)
    listed = _listed_companions(content, path)
    subjects = []
    for entry in _section(content, section, path):
        image = existing_file(path.parent, _image_name(entry, path), f"image of {section}")
        subjects.append({"subject": _stem(Path(image)), "image": image, **_companions(image, listed)})
    return subjects


def find_dataset_json(dataset: str | Path) -> Path:
    """The dataset JSON of a folder, ``dataset.json`` or else ``<name>_dataset.json``; a file stands for itself.

    Raises:
        ValueError: where a folder holds several of the second form.
    """
    dataset = Path(dataset).expanduser()
    if not dataset.is_dir() or (dataset / "dataset.json").is_file():
        return dataset / "dataset.json" if dataset.is_dir() else dataset
    found = sorted(dataset.glob("*_dataset.json"))
    if len(found) > 1:
        names = ", ".join(file.name for file in found)
        raise ValueError(f"{dataset}: expected one dataset JSON, got {names}; name the file")
    return found[0] if found else dataset / "dataset.json"


def _read_content(path: Path) -> Mapping:
    content = read_dataset_json(path)
    if not isinstance(content, Mapping):
        raise ValueError(f"{path}: expected a JSON object, got {type(content).__name__}")
    return content


def _section(content: Mapping, section: str, path: Path) -> list:
    sections = [key for key, value in content.items() if isinstance(value, list)]
    if section not in sections:
        raise ValueError(f"{path}: there is no section {section!r}, {did_you_mean(section, sections)}")
    if not content[section]:
        raise ValueError(f"{path}: expected entries in the section {section!r}, got an empty list")
    return content[section]


def _read_pair(entry: Mapping[str, str], listed: Mapping[str, dict], path: Path) -> dict[str, str]:
    if not isinstance(entry, Mapping) or not {"fixed", "moving"} <= entry.keys():
        raise ValueError(f"{path}: expected pairs with the keys fixed and moving, got {entry!r}")
    pair = {}
    for side in ("fixed", "moving"):
        pair[side] = existing_file(path.parent, entry[side], f"{side} image")
        companions = _companions(pair[side], listed)
        pair.update({f"{side}_{word}": file for word, file in companions.items()})
    return pair


def _listed_companions(content: Mapping, path: Path) -> dict[str, dict[str, str]]:
    """Image path → word → path of the files that entries under ``training`` name; all must exist."""
    listed = {}
    for entry in content.get("training", []):
        image = existing_file(path.parent, _image_name(entry, path), "image of training")
        listed[image] = {
            word: existing_file(path.parent, entry[key], f"{key} of {Path(image).name}")
            for word, (key, _, _) in COMPANIONS.items()
            if isinstance(entry, Mapping) and key in entry
        }
    return listed


def _companions(image: str, listed: Mapping[str, dict[str, str]]) -> dict[str, str]:
    path = Path(image)
    companions = dict(listed.get(image, {}))
    for word, (_, folder, ending) in COMPANIONS.items():
        name = _stem(path) + ending if ending else path.name
        file = path.parent.parent / path.parent.name.replace("images", folder) / name
        if word not in companions and path.parent.name.startswith("images") and file.is_file():
            companions[word] = str(file)
    return companions


def _image_name(entry: str | Mapping[str, str], path: Path) -> str:
    if isinstance(entry, Mapping) and "image" not in entry:
        raise ValueError(f"{path}: expected entries with the key image, got {entry!r}")
    return entry["image"] if isinstance(entry, Mapping) else entry


def _stem(path: Path) -> str:
    return path.name.removesuffix(".gz").removesuffix(".nii")
