"""Text and tables as programs save them: Excel's semicolons and UTF-16, pandas' index, blanks and empty rows."""

import csv
import io
from dataclasses import dataclass
from pathlib import Path

from ..files import read_text

DELIMITERS = ",;\t|"


@dataclass(frozen=True)
class Table:
    """Rows of a file.

    Args:
        path: of the file.
        columns: names of the header, without blanks, in small letters.
        rows: cell by column, without blanks; empty cells are left out.
        lines: number of each row's line in the file.
        delimiter: between the cells.
    """

    path: Path
    columns: list[str]
    rows: list[dict[str, str]]
    lines: list[int]
    delimiter: str = ","


def read_table(path: Path) -> Table:
    """Read a CSV file whose first row is a header.

    Its delimiter is a comma, a semicolon, a tab or a bar, whichever the header holds most of, or what a first line
    ``sep=;`` of Excel says. Rows without any content are left out, and so are columns without a name, as pandas writes
    them for its index.

    Args:
        path: the file.

    Raises:
        FileNotFoundError: no such file.
        ValueError: for a name twice in the header, or a row of more cells than the header; names the line.
    """
    if not path.is_file():
        raise FileNotFoundError(f"expected the file {path}, but there is none")
    text, first = read_text(path), 1
    delimiter = ""
    if text.lower().startswith("sep="):
        delimiter, first = text[4], 2
        text = text.partition("\n")[2]
    header = next((line for line in text.splitlines() if line.strip()), "")
    delimiter = delimiter or max(DELIMITERS, key=header.count)
    reader = csv.reader(io.StringIO(text), delimiter=delimiter, skipinitialspace=True, strict=True)
    try:
        cells = [(reader.line_num + first - 1, [cell.strip() for cell in row]) for row in reader]
    except csv.Error as error:
        line = reader.line_num + first - 1
        raise ValueError(f"{path}, line {line}: expected a row of a table, got {error}") from error
    cells = [(line, row) for line, row in cells if any(row)]
    names = [name.lower() for name in cells[0][1]] if cells else []
    columns = [name for name in names if name and not name.startswith("unnamed:")]
    if len(set(columns)) < len(columns):
        raise ValueError(f"{path}: expected every column once, got {', '.join(columns)}")
    rows = [_row(names, row, f"{path}, line {line}") for line, row in cells[1:]]
    rows = [{name: cell for name, cell in row.items() if name in columns} for row in rows]
    return Table(path, columns, rows, [line for line, _ in cells[1:]], delimiter)


def number_at(table: Table, place: int, column: str) -> float:
    """A cell as a number; beside semicolons a comma may stand for the point.

    Raises:
        ValueError: for another text; names the line.
    """
    text = table.rows[place].get(column, "")
    try:
        return float(text.replace(",", ".") if table.delimiter != "," else text)
    except ValueError as error:
        raise ValueError(f"line {table.lines[place]}: expected a number for {column}, got {text!r}") from error


def _row(names: list[str], cells: list[str], where: str) -> dict[str, str]:
    if any(cells[len(names) :]):
        raise ValueError(f"{where}: expected {len(names)} cells, as the header has, got {len(cells)}")
    return {name: cell for name, cell in zip(names, cells, strict=False) if cell}
