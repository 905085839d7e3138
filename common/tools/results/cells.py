"""Cells of a results table, declared by a bundle's ``docs/table.json``."""

import hashlib
import itertools
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from monai.bundle import ConfigParser

from .record import read_json, read_rows, write_row

_REQUIRED = ("rows", "seeds", "datasets", "metrics", "headline")
_OPTIONAL = ("train", "evaluate", "curves", "_desc_")
_MACHINE = ("bundle_root", "dataset_dir", "output_dir", "ckpt_dir", "ckpt_path")
_STAGES = {"train": ["train.json"], "evaluate": ["train.json", "evaluate.json"]}


@dataclass(frozen=True)
class Cell:
    """One run: a row of the table, on one data set, with one seed.

    Attributes:
        row: name of the row.
        dataset: name of the data set.
        seed: seed of the run.
        settings: stage ("train", "evaluate") → overrides of its config, with ``{dataset_dir}`` and
            ``{output_dir}`` in place of the folders of the machine.
        config_files: stage → names of the configs that are merged.
        config_hash: :func:`config_hash` of these.
    """

    row: str
    dataset: str
    seed: int
    settings: Mapping[str, Mapping[str, Any]]
    config_files: Mapping[str, tuple[str, ...]]
    config_hash: str

    @property
    def name(self) -> str:
        """Name of the cell."""
        return f"{self.dataset}-{self.row_name}"

    @property
    def row_name(self) -> str:
        """Name of its row in the file of its data set."""
        return f"{self.row}-seed{self.seed}"

    @property
    def made_with(self) -> dict[str, Any]:
        """What its result must have been made with, as JSON."""
        return json.loads(json.dumps({"settings": self.settings, "config_hash": self.config_hash}))

    def result_file(self, folder: str | Path) -> Path:
        """The file of results of its data set."""
        return Path(folder) / f"{self.dataset}.json"

    @property
    def run_name(self) -> str:
        """Name of its run folder; other settings or configs give another folder."""
        return f"{self.name}-{_short_hash([self.settings, self.config_hash])}"

    @property
    def needs_dataset_dir(self) -> bool:
        """Whether an override stands for the folder of the real data."""
        return "{dataset_dir}" in json.dumps(self.settings)

    def overrides(self, stage: str, folders: Mapping[str, str]) -> dict[str, Any]:
        """Overrides of one stage, with "dataset_dir" and "output_dir" of this machine filled in."""
        return {name: _filled(value, folders) for name, value in self.settings[stage].items()}


def config_hash(config_folder: str | Path, config_files: Mapping[str, Sequence[str]]) -> str:
    """Short hash of the merged configs of some stages, without descriptions and folders of the machine.

    Args:
        config_folder: folder of a bundle's configs.
        config_files: stage → names of the configs that are merged.

    Returns:
        Eight hexadecimal digits.

    Raises:
        FileNotFoundError: if there is no such config.

    Example:
        >>> import tempfile
        >>> file = Path(tempfile.mkdtemp(), "train.json")
        >>> texts = '{"rate": 1}', '{"rate": 1, "_desc_rate": "Adam", "dataset_dir": "/data"}', '{"rate": 2}'
        >>> hashes = [file.write_text(text) and config_hash(file.parent, {"train": [file.name]}) for text in texts]
        >>> hashes[0] == hashes[1], hashes[0] == hashes[2]
        (True, False)
    """
    merged = {}
    for stage, files in config_files.items():
        paths = [Path(config_folder, name) for name in files]
        absent = [str(path) for path in paths if not path.is_file()]
        if absent:
            raise FileNotFoundError(f"{stage}: expected the configs {', '.join(map(str, paths))}, found no {absent[0]}")
        content = ConfigParser.load_config_files([str(path) for path in paths])
        merged[stage] = _without_text({name: value for name, value in content.items() if name not in _MACHINE})
    return _short_hash(merged)


def _without_text(config: Any) -> Any:
    if isinstance(config, dict):
        kept = {name: value for name, value in config.items() if not name.startswith(("_desc_", "_meta_"))}
        return {name: _without_text(value) for name, value in kept.items()}
    return [_without_text(value) for value in config] if isinstance(config, list) else config


def _short_hash(content: Any) -> str:
    return hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()[:8]


def _config_files(table: Mapping[str, Any], row: str) -> dict[str, tuple[str, ...]]:
    further = table["rows"][row].get("further_config_files", [])
    stages = table["rows"][row].get("stages", list(_STAGES))
    return {stage: (*table[stage].get("config_files", _STAGES[stage]), *further) for stage in stages}


def _filled(value: Any, folders: Mapping[str, str]) -> Any:
    if isinstance(value, str):
        for name, folder in folders.items():
            value = value.replace("{" + name + "}", folder)
    return value


def read_table(path: str | Path) -> dict[str, Any]:
    """Read the declaration of a bundle's results table.

    The file looks like this; ``train``, ``evaluate`` and every ``overrides`` may be left out, ``curves`` may list the
    scores of the validations to be drawn over the epochs. A row may say ``"stages": ["evaluate"]``, if there is nothing
    to train, and ``"further_config_files"`` to be merged over those of the table::

        {"rows": {"source_only": {"title": "source only", "overrides": {"discrepancy": "none"}}},
         "seeds": [0, 1, 2],
         "datasets": {"brain": {"title": "heads", "overrides": {"dataset_dir": "{dataset_dir}"}}},
         "metrics": {"accuracy": {"title": "accuracy (%)", "scale": 100, "digits": 1}},
         "headline": "accuracy",
         "train": {"config_files": ["train.json"], "overrides": {}},
         "evaluate": {"config_files": ["train.json", "evaluate.json"], "overrides": {}}}

    Args:
        path: the JSON file.

    Returns:
        Its content, the stages filled in.

    Raises:
        FileNotFoundError: if there is no such file.
        ValueError: naming the file and the entry that is missing, unknown or empty.
    """
    path = Path(path)
    if not path.is_file():
        raise FileNotFoundError(f"expected the declaration of a table at {path}, found none")
    table = read_json(path)
    missing = [name for name in _REQUIRED if not table.get(name)]
    unknown = [name for name in table if name not in (*_REQUIRED, *_OPTIONAL)]
    if missing or unknown:
        raise ValueError(f"expected {path} to hold {list(_REQUIRED)}, got missing {missing}, unknown {unknown}")
    if table["headline"] not in table["metrics"]:
        raise ValueError(f"expected headline in {path} to be one of its metrics, got {table['headline']!r}")
    _check_entries(path, {stage: table.get(stage, {}) for stage in _STAGES}, ("config_files", "overrides"))
    _check_entries(path, table["rows"], ("title", "stages", "further_config_files", "overrides"))
    _check_entries(path, table["datasets"], ("title", "overrides"))
    for stage, files in _STAGES.items():
        table[stage] = {"config_files": files, "overrides": {}} | table.get(stage, {})
    return table


def _check_entries(path: Path, entries: Mapping[str, Mapping[str, Any]], known: Sequence[str]) -> None:
    for name, entry in entries.items():
        unknown = [key for key in entry if key not in known and not key.startswith("_desc_")]
        if unknown:
            raise ValueError(f"expected {name!r} in {path} to hold only {list(known)}, got {unknown}")


def all_cells(table: Mapping[str, Any], config_folder: str | Path) -> list[Cell]:
    """Cells of a table; seeds vary slowest, so that every row has a first number early.

    Args:
        table: declaration, see :func:`read_table`.
        config_folder: folder of the bundle's configs.

    Returns:
        The cells. Overrides of the stage come first, then those of the data set, the row and the seed.

    Example:
        >>> stage = {"config_files": [], "overrides": {}}
        >>> table = {"rows": {"a": {}, "b": {}}, "seeds": [0, 1], "datasets": {"sample": {}}}
        >>> [cell.name for cell in all_cells(table | {"train": stage, "evaluate": stage}, ".")]
        ['sample-a-seed0', 'sample-b-seed0', 'sample-a-seed1', 'sample-b-seed1']
    """
    files = {row: _config_files(table, row) for row in table["rows"]}
    hashes = {row: config_hash(config_folder, names) for row, names in files.items()}
    cells = []
    for seed, dataset, row in itertools.product(table["seeds"], table["datasets"], table["rows"]):
        chosen = table["datasets"][dataset].get("overrides", {}) | table["rows"][row].get("overrides", {})
        settings = {stage: table[stage]["overrides"] | chosen | {"seed": seed} for stage in files[row]}
        cells.append(Cell(row, dataset, seed, settings, files[row], hashes[row]))
    return cells


def read_result(folder: str | Path, cell: Cell) -> dict[str, Any] | None:
    """Result of a cell.

    Args:
        folder: of the results, with a file per data set.
        cell: the cell.

    Returns:
        Its row of the file, or None where there is none or where it was made with other settings or configs.

    Raises:
        ValueError: naming the file, where it is no JSON.
    """
    result = read_rows(cell.result_file(folder)).get(cell.row_name)
    return result if result is not None and made_with(result) == cell.made_with else None


def made_with(result: Mapping[str, Any]) -> dict[str, Any]:
    """What a result must share with its cell to be current: settings and configs."""
    return {name: result.get(name) for name in ("settings", "config_hash")}


def restamped(folder: str | Path, cells: Sequence[Cell]) -> list[str]:
    """Give results the settings and the hash that their cells have now, whatever they were made with.

    For edits that change no number, such as names of classes and options that moved: not before some of the cells were
    trained again and came out with equal digits. The former hash goes into the list ``restamped`` of the result.

    Args:
        folder: of the results.
        cells: each with a result.

    Returns:
        Names of the cells whose result was not current.

    Raises:
        ValueError: naming the cells without a result; nothing is written then.
    """
    found = {cell.name: read_rows(cell.result_file(folder)).get(cell.row_name) for cell in cells}
    absent = [name for name, result in found.items() if result is None]
    if absent:
        raise ValueError(f"restamp: expected cells that have a result, got {', '.join(absent)}")
    outdated = [cell for cell in cells if made_with(found[cell.name]) != cell.made_with]
    for cell in outdated:
        result = found[cell.name]
        former = [*result.get("restamped", []), result.get("config_hash")]
        write_row(cell.result_file(folder), cell.row_name, {**result, **cell.made_with, "restamped": former})
    return [cell.name for cell in outdated]
