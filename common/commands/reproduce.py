"""Run the cells of a bundle's results table, as many as wanted at a time, and build the tables from them.

    python scripts/reproduce.py mcd_pemd --list
    python scripts/reproduce.py mcd_pemd --rows no_adaptation --seeds 0,1 --max_cells 1
    python scripts/reproduce.py mcd_pemd --tables
    python scripts/reproduce.py mcd_pemd --restamp split_a-l1-seed0,split_a-swd-seed0

A cell is one row, data set and seed of bundles/<bundle>/docs/table.json: a training and an evaluation. Its result is
one row of bundles/<bundle>/docs/results/<data set>.json, outdated once its settings or configs change. Stopping the
script at any moment loses nothing: a second call skips finished cells and continues the one that was running from its
checkpoint. Several calls at once share the queue.

A change that alters no number, such as another name of a class or an option, makes results outdated as well. Train at
least two cells again; where they come out with equal digits, --restamp makes the other results current. It keeps the
former hash beside them.
"""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from ..tools.results.cells import Cell, all_cells, config_hash, read_result, read_table, restamped
from ..tools.results.curves import draw_convergence, read_convergence
from ..tools.results.queue import StageError, exclusive, run_stage
from ..tools.results.record import read_rows, write_row
from ..tools.results.tables import replace_tables, results_table
from ..training.resume import CHECKPOINT_NAME

BUNDLES = Path(__file__).resolve().parents[2] / "bundles"


def reproduce(
    bundle: str,
    rows: str | tuple = (),
    seeds: int | tuple = (),
    datasets: str | tuple = (),
    dataset_dir: str = "",
    max_cells: int = 0,
    list: bool = False,
    tables: bool = False,
    restamp: str | tuple = (),
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
        restamp: names of cells, separated by commas, whose results are made current instead; see above for when.
    """
    root = Path(bundle).absolute() if Path(bundle, "docs").is_dir() else BUNDLES / bundle
    if not (root / "docs" / "table.json").is_file():
        known = ", ".join(path.parent.parent.name for path in sorted(BUNDLES.glob("*/docs/table.json")))
        raise SystemExit(f"bundle: expected one with docs/table.json ({known}), got {bundle!r}")
    table = read_table(root / "docs" / "table.json")
    cells = _chosen(all_cells(table, root / "configs"), {"row": rows, "seed": seeds, "dataset": datasets})
    if restamp:
        restamp_cells(root, cells, restamp)
    elif tables:
        build_tables(root, table)
    elif list:
        for cell in cells:
            print(f"{cell.name:60s} {_state(root, table, cell)}")
    else:
        run_queue(root, table, cells, dataset_dir, max_cells)


def run_queue(root: Path, table: Mapping[str, Any], cells: list[Cell], dataset_dir: str, max_cells: int) -> None:
    """Run the cells that have no result yet, go on after a failure, and exit with status 1 if there was one."""
    failures, started = {}, 0
    for cell in cells:
        if read_result(_results(root), cell) is not None:
            continue
        if max_cells and started >= max_cells:
            break
        if cell.needs_dataset_dir and not dataset_dir:
            print(f"{cell.name}: left out, needs --dataset_dir")
            continue
        with exclusive(_run_dir(root, cell)) as owned:
            if not owned or read_result(_results(root), cell) is not None:
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
    """Train and evaluate one cell, write its result and give its scores.

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
    scores = json.loads(metrics_file.read_text(encoding="utf-8"))["metrics"]
    if "train" not in cell.settings:
        scores["end_epoch"] = 0
    elif convergence:
        scores["end_epoch"] = convergence["epoch"][-1]
    missing = [name for name in table["metrics"] if name not in scores]
    if missing:
        raise StageError(f"expected the scores {missing}, the evaluation wrote {sorted(scores)}")
    kept = [*table["metrics"], "end_epoch"]
    result = {
        **cell.made_with,
        "seconds": json.loads((output / "seconds.json").read_text(encoding="utf-8")),
        "scores": {name: value for name, value in scores.items() if name in kept},
    }
    if "curves" in table:
        drawn = ("epoch", *table["curves"])
        result["convergence"] = {name: values for name, values in convergence.items() if name in drawn}
    write_row(cell.result_file(_results(root)), cell.row_name, result)
    return result["scores"]


def restamp_cells(root: Path, cells: Sequence[Cell], names: str | Sequence[str]) -> None:
    """Make the results of the cells of these names current, see :func:`~common.tools.results.cells.restamped`.

    Raises:
        ValueError: for an unknown name, or a cell without a result; nothing is written then.
    """
    wanted = names.split(",") if isinstance(names, str) else () if names is True else names
    known = {cell.name: cell for cell in cells}
    unknown = [name for name in wanted if name not in known]
    if unknown or not wanted:
        with_result = [cell for cell in cells if cell.row_name in read_rows(cell.result_file(_results(root)))]
        outdated = [cell.name for cell in with_result if read_result(_results(root), cell) is None]
        raise ValueError(f"restamp: expected names of cells, got {unknown}; outdated are {','.join(outdated)}")
    done = restamped(_results(root), [known[name] for name in wanted])
    for name in wanted:
        print(f"{name}: {'restamped' if name in done else 'left as it is, its result is current'}")


def build_tables(root: Path, table: Mapping[str, Any]) -> None:
    """Write the tables into the page beside the bundle's card, and draw the curves beside it."""
    results: dict[tuple[str, str], list] = {}
    for cell in all_cells(table, root / "configs"):
        result = read_result(_results(root), cell)
        if result is not None:
            results.setdefault((cell.dataset, cell.row), []).append(result)
    page = root / "docs" / "studies.md"
    texts = {dataset: results_table(table, dataset, results) for dataset in table["datasets"]}
    if "curves" in table and any(result.get("convergence") for found in results.values() for result in found):
        print(f"{draw_convergence(table, results, root / 'docs' / 'convergence.svg')}: the curves")
    print(f"{page}: wrote {replace_tables(page, texts) or 'nothing, it has no <!-- table:NAME --> markers'}")


def _chosen(cells: list[Cell], filters: Mapping[str, Any]) -> list[Cell]:
    everything = cells
    for attribute, wanted in filters.items():
        listed = wanted.split(",") if isinstance(wanted, str) else wanted
        values = listed if isinstance(listed, tuple | list) else (listed,)
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
    result = read_result(_results(root), cell)
    if result is not None:
        return f"{table['headline']} = {result['scores'][table['headline']]}"
    folder = _run_dir(root, cell)
    if folder.is_dir():
        with exclusive(folder) as owned:
            if not owned:
                return "running"
    if any(folder.rglob(CHECKPOINT_NAME)):
        return "started"
    is_known = cell.row_name in read_rows(cell.result_file(_results(root)))
    return "outdated: made with other settings or configs" if is_known else "not run"


def _run_dir(root: Path, cell: Cell) -> Path:
    return root / "runs" / "reproduce" / cell.run_name


def _results(root: Path) -> Path:
    return root / "docs" / "results"
