"""Run the cells of a bundle's results table, as many as wanted at a time, and build the tables from them.

    python scripts/reproduce.py mcd_pemd --list
    python scripts/reproduce.py mcd_pemd --rows no_adaptation --seeds 0,1 --max_cells 1
    python scripts/reproduce.py mcd_pemd --tables

A cell is one row, data set and seed of bundles/<bundle>/docs/table.json: a training and an evaluation. Its
result is one file in bundles/<bundle>/docs/results, which is outdated once its settings or configs change.
Stopping the script at any moment loses nothing: a second call skips finished cells and continues the one that was
running from its checkpoint. Several calls at once share the queue.
"""

import datetime
import importlib.metadata
import json
import platform
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from common.files import write_json
from common.tools.command_line import run_command
from common.tools.results.cells import Cell, all_cells, config_hash, read_result, read_table
from common.tools.results.curves import draw_convergence, read_convergence
from common.tools.results.queue import StageError, exclusive, run_stage
from common.tools.results.tables import markdown_table, replace_tables
from common.training.resume import CHECKPOINT_NAME

BUNDLES = Path(__file__).resolve().parent.parent / "bundles"
_PACKAGES = ("torch", "monai", "numpy", "pytorch-ignite", "registration-bundles")


def reproduce(
    bundle: str,
    rows: str | tuple = (),
    seeds: int | tuple = (),
    datasets: str | tuple = (),
    dataset_dir: str = "",
    max_cells: int = 0,
    list: bool = False,
    tables: bool = False,
) -> None:
    """Run, list or tabulate the cells of a bundle.

    Args:
        bundle: name of a folder in bundles/, or path of one.
        rows: names of rows to run, separated by commas; all where left out.
        seeds: seeds to run; all where left out.
        datasets: names of data sets to run; all where left out.
        dataset_dir: folder of the real data; cells that need it are left out without it.
        max_cells: stop after that many cells; 0 means no limit.
        list: show the state of every cell instead of running it.
        tables: build the tables of the bundle's card instead.
    """
    root = Path(bundle).absolute() if Path(bundle, "docs").is_dir() else BUNDLES / bundle
    if not (root / "docs" / "table.json").is_file():
        known = ", ".join(path.parent.parent.name for path in sorted(BUNDLES.glob("*/docs/table.json")))
        raise SystemExit(f"bundle: expected one with docs/table.json ({known}), got {bundle!r}")
    table = read_table(root / "docs" / "table.json")
    cells = _chosen(all_cells(table, root / "configs"), {"row": rows, "seed": seeds, "dataset": datasets})
    if tables:
        build_tables(root, table)
    elif list:
        for cell in cells:
            print(f"{cell.name:60s} {_state(root, table, cell)}")
    else:
        run_queue(root, table, cells, dataset_dir, max_cells)


def run_queue(root: Path, table: Mapping[str, Any], cells: list[Cell], dataset_dir: str, max_cells: int) -> None:
    """Run the cells that have no result yet, go on after a failure, and end with an error if there was one.

    Args:
        root: folder of the bundle.
        table: declaration of the table.
        cells: cells to run.
        dataset_dir: folder of the real data, or "".
        max_cells: largest number of cells to run; 0 means no limit.

    Raises:
        SystemExit: with status 1, after all cells, if one failed.
    """
    failures, started = {}, 0
    for cell in cells:
        if read_result(_result_path(root, cell), cell) is not None:
            continue
        if max_cells and started >= max_cells:
            break
        if cell.needs_dataset_dir and not dataset_dir:
            print(f"{cell.name}: left out, needs --dataset_dir")
            continue
        with exclusive(_run_dir(root, cell)) as owned:
            if not owned or read_result(_result_path(root, cell), cell) is not None:
                print(f"{cell.name}: left out, another process has it")
                continue
            started += 1
            try:
                scores = run_cell(root, table, cell, dataset_dir)
                print(f"{cell.name}: {table['headline']} = {scores[table['headline']]}")
            except StageError as error:
                failures[cell.name] = error
                print(f"{cell.name}: failed, {error}")
    if failures:
        raise SystemExit("\n".join(f"failed: {name}: {error}" for name, error in failures.items()))


def run_cell(root: Path, table: Mapping[str, Any], cell: Cell, dataset_dir: str) -> dict[str, Any]:
    """Train and evaluate one cell, then write its result.

    Args:
        root: folder of the bundle.
        table: declaration of the table.
        cell: the cell.
        dataset_dir: folder of the real data, or "".

    Returns:
        Metric → score.

    Raises:
        StageError: if a stage fails or leaves no scores, or if a config was edited since the queue began.
    """
    output = _run_dir(root, cell)
    folders = {"dataset_dir": str(Path(dataset_dir).absolute()), "output_dir": str(output)}
    resume = any(output.rglob(CHECKPOINT_NAME))
    metrics_file = output / "metrics.json"
    metrics_file.unlink(missing_ok=True)
    for stage in cell.settings:
        _check_configs(root, cell)
        changes = {"resume": resume} if stage == "train" else {}
        overrides = cell.overrides(stage, folders) | changes | {"output_dir": str(output)}
        run_stage(root / "configs", stage, cell.config_files[stage], overrides)
    if not metrics_file.is_file():
        raise StageError(f"expected the evaluation to write {metrics_file}, it did not")
    convergence = read_convergence(output)
    scores = json.loads(metrics_file.read_text())["metrics"]
    if "train" not in cell.settings:
        scores["end_epoch"] = 0
    elif convergence:
        scores["end_epoch"] = convergence[-1]["epoch"]
    missing = [name for name in table["metrics"] if name not in scores]
    if missing:
        raise StageError(f"expected the scores {missing}, the evaluation wrote {sorted(scores)}")
    result = {
        "cell": {"row": cell.row, "dataset": cell.dataset, "seed": cell.seed},
        "settings": cell.settings,
        "config_hash": cell.config_hash,
        "versions": _versions(),
        "seconds": json.loads((output / "seconds.json").read_text()),
        "scores": scores,
        "convergence": convergence,
        "date": datetime.date.today().isoformat(),
    }
    write_json(_result_path(root, cell), result)
    return scores


def build_tables(root: Path, table: Mapping[str, Any]) -> None:
    """Write the tables into the bundle's card.

    Args:
        root: folder of the bundle.
        table: declaration of the table.
    """
    results: dict[tuple[str, str], list] = {}
    for cell in all_cells(table, root / "configs"):
        result = read_result(_result_path(root, cell), cell)
        if result is not None:
            results.setdefault((cell.dataset, cell.row), []).append(result)
    card = root / "docs" / "README.md"
    texts = {dataset: markdown_table(table, dataset, results) for dataset in table["datasets"]}
    if "curves" in table and any(result.get("convergence") for found in results.values() for result in found):
        print(f"{draw_convergence(table, results, root / 'docs' / 'convergence.svg')}: the curves")
    print(f"{card}: wrote {replace_tables(card, texts) or 'nothing, it has no <!-- table:NAME --> markers'}")


def _chosen(cells: list[Cell], filters: Mapping[str, Any]) -> list[Cell]:
    everything = cells
    for attribute, wanted in filters.items():
        values = wanted if isinstance(wanted, tuple | list) else (wanted,)
        known = {getattr(cell, attribute) for cell in everything}
        unknown = [value for value in values if value not in known]
        if unknown:
            raise ValueError(f"expected --{attribute}s among {sorted(known)}, got {unknown}")
        cells = [cell for cell in cells if not values or getattr(cell, attribute) in values]
    return cells


def _check_configs(root: Path, cell: Cell) -> None:
    found = config_hash(root / "configs", cell.config_files)
    if found != cell.config_hash:
        raise StageError(
            f"{root / 'configs'}: expected the configs as they were when this queue began (hash {cell.config_hash}), "
            f"got others ({found}); call again"
        )


def _state(root: Path, table: Mapping[str, Any], cell: Cell) -> str:
    path = _result_path(root, cell)
    result = read_result(path, cell)
    if result is not None:
        return f"{table['headline']} = {result['scores'][table['headline']]}"
    folder = _run_dir(root, cell)
    if folder.is_dir():
        with exclusive(folder) as owned:
            if not owned:
                return "running"
    if any(folder.rglob(CHECKPOINT_NAME)):
        return "started"
    return "outdated: made with other settings or configs" if path.is_file() else "not run"


def _run_dir(root: Path, cell: Cell) -> Path:
    return root / "runs" / "reproduce" / cell.run_name


def _result_path(root: Path, cell: Cell) -> Path:
    return root / "docs" / "results" / f"{cell.name}.json"


def _versions() -> dict[str, str]:
    return {"python": platform.python_version()} | {name: importlib.metadata.version(name) for name in _PACKAGES}


if __name__ == "__main__":
    run_command(reproduce)
