"""Landmarks on disk: CSV, and the two forms of 3D Slicer."""

import csv
import io
import json
import os
import warnings
from dataclasses import dataclass
from pathlib import Path

import torch

from ..data.tables import Table, number_at, read_table
from ..files import read_text, write_atomically
from ..words import InputWarning

SUFFIXES = (".csv", ".fcsv", ".mrk.json")
AXES = {"xyz": (1.0, 1.0, 1.0), "ras": (1.0, 1.0, 1.0), "lps": (-1.0, -1.0, 1.0)}  # signs that lead to RAS
UNITS_MM = {"mm": 1.0, "m": 1000.0, "cm": 10.0, "um": 0.001, "µm": 0.001, "μm": 0.001}
MARKUPS_SCHEMA = (
    "https://raw.githubusercontent.com/slicer/slicer/master/Modules/Loadable/Markups/Resources/Schema/"
    "markups-schema-v1.0.3.json#"
)


@dataclass(frozen=True)
class Landmarks:
    """Points in world space.

    Args:
        points_mm: (N, 3), RAS mm, float64.
        labels: one per point; its number in the file where that names none.
        suffix: form of the file they came from.
        undefined: labels of points that the file lists without a place.
        source: name of the file, for messages.
    """

    points_mm: torch.Tensor
    labels: tuple[str, ...]
    suffix: str = ".csv"
    undefined: tuple[str, ...] = ()
    source: str = "landmarks"


def read_landmarks(path: str | os.PathLike) -> Landmarks:
    """Read landmarks.

    A CSV file has a header with x, y, z or r, a, s (RAS millimeters, as NIfTI has them) or l, p, s (LPS), and perhaps a
    label. Slicer's .fcsv and .mrk.json say themselves which of the two they hold. Points that Slicer lists as undefined
    are left out, with a warning.

    Args:
        path: file that ends in .csv, .fcsv or .mrk.json.

    Returns:
        The points, in RAS mm whatever the file has.

    Raises:
        FileNotFoundError: no such file.
        ValueError: for another ending or content; names the file, and its line where it has lines.
    """
    path = Path(path).expanduser()
    suffix = _suffix(path)
    if not path.is_file():
        raise FileNotFoundError(f"{path}: expected landmarks, there is no such file")
    read = {".csv": _read_csv, ".fcsv": _read_fcsv, ".mrk.json": _read_markups}[suffix]
    try:
        rows, axes = read(path)
        points = _points(rows, AXES[axes])
    except (ValueError, KeyError, IndexError, TypeError, AttributeError, csv.Error) as error:
        reason = f"no {error}" if isinstance(error, KeyError) else str(error).removeprefix(f"{path}: ")
        raise ValueError(f"{path}: expected landmarks in the form of {suffix}, got {reason}") from error
    if not len(points) or not points.isfinite().all():
        raise ValueError(f"{path}: expected landmarks with finite coordinates, got {len(points)} points")
    labels = [row.label or str(place) for place, row in enumerate(rows, start=1)]
    defined = tuple(label for label, row in zip(labels, rows, strict=True) if row.is_defined)
    undefined = tuple(label for label, row in zip(labels, rows, strict=True) if not row.is_defined)
    if undefined:
        warnings.warn(f"{path}: left out are undefined points: {', '.join(undefined)}", InputWarning, stacklevel=2)
    return Landmarks(points, defined, suffix, undefined, str(path))


def write_landmarks(path: str | os.PathLike, landmarks: Landmarks) -> None:
    """Write landmarks in the form that the ending asks for: CSV in RAS mm, Slicer's in LPS mm.

    Args:
        path: file that ends in .csv, .fcsv or .mrk.json.
        landmarks: what to write.

    Raises:
        ValueError: for another ending.

    Example:
        >>> import tempfile
        >>> path = tempfile.mkdtemp() + "/points.fcsv"
        >>> write_landmarks(path, Landmarks(torch.tensor([[1.0, 2.0, 3.0]]), ("tip",)))
        >>> read_landmarks(path).points_mm.tolist(), read_landmarks(path).labels
        ([[1.0, 2.0, 3.0]], ('tip',))
    """
    suffix = _suffix(Path(path))
    write = {".csv": _csv_text, ".fcsv": _fcsv_text, ".mrk.json": _markups_text}[suffix]
    text = write(landmarks)
    write_atomically(path, lambda stream: stream.write(text.encode()))


def _suffix(path: Path) -> str:
    for suffix in SUFFIXES[::-1]:
        if path.name.lower().endswith(suffix):
            return suffix
    raise ValueError(f"{path}: expected landmarks in a file that ends in {', '.join(SUFFIXES)}")


@dataclass(frozen=True)
class _Row:
    """A point as a file lists it: its place in the axes and the unit of the file."""

    position: list[float]
    label: str
    is_defined: bool = True


def _points(rows: list[_Row], signs: tuple[float, ...]) -> torch.Tensor:
    positions = [row.position for row in rows if row.is_defined]
    return torch.tensor(positions, dtype=torch.float64).view(-1, 3) * torch.tensor(signs, dtype=torch.float64)


def _read_csv(path: Path) -> tuple[list[_Row], str]:
    table = read_table(path)
    if not table.rows:
        raise ValueError("no points")
    axes = next((axes for axes in AXES if all(axis in table.columns for axis in axes)), None)
    if axes is None:
        raise ValueError(f"the columns {', '.join(table.columns)}, without x, y, z or r, a, s or l, p, s")
    return [_table_row(table, place, axes) for place in range(len(table.rows))], axes


def _read_fcsv(path: Path) -> tuple[list[_Row], str]:
    text, comments = read_text(path), {}
    for line in text.splitlines():
        if line.startswith("#") and "=" in line:
            key, _, value = line[1:].partition("=")
            comments[key.strip().lower()] = value.strip()
    system = comments.get("coordinatesystem", "RAS").lower()
    axes = {"0": "ras", "1": "lps"}.get(system, system)
    columns = [name.strip().lower() for name in comments.get("columns", "id,x,y,z").split(",")]
    lines = [(place, line) for place, line in enumerate(text.splitlines(), start=1) if not line.startswith("#")]
    cells = [(place, next(csv.reader([line]))) for place, line in lines if line.strip(", ")]
    rows = [dict(zip(columns, values, strict=False)) for _, values in cells]
    table = Table(path, columns, rows, [place for place, _ in cells])
    return [_table_row(table, place, "xyz") for place in range(len(rows))], axes


def _table_row(table: Table, place: int, axes: str) -> _Row:
    """A row of a table; the column ``defined`` of Slicer holds 0 for a point without a place."""
    row = table.rows[place]
    is_defined = row.get("defined", "") not in ("0", "False", "false")
    position = [number_at(table, place, axis) for axis in axes] if is_defined else []
    return _Row(position, row.get("label", ""), is_defined)


def _read_markups(path: Path) -> tuple[list[_Row], str]:
    lists = json.loads(read_text(path))["markups"]
    if len(lists) != 1:
        raise ValueError(f"{len(lists)} lists of points in one file; save each in a file of its own")
    (markup,) = lists
    unit = markup.get("coordinateUnits", "mm")
    factors = [UNITS_MM[name] for name in ([unit] * 3 if isinstance(unit, str) else unit)]
    rows = []
    for point in markup["controlPoints"]:
        is_defined = point.get("positionStatus", "defined") == "defined"
        place = [float(x) * factor for x, factor in zip(point["position"], factors, strict=True)] if is_defined else []
        rows.append(_Row(place, point.get("label", ""), is_defined))
    return rows, str(markup["coordinateSystem"]).lower()


def _csv_text(landmarks: Landmarks) -> str:
    stream = io.StringIO()
    writer = csv.writer(stream, lineterminator="\n")
    writer.writerow(["label", "x", "y", "z"])
    writer.writerows([label, *point] for label, point in zip(landmarks.labels, _rounded(landmarks, "ras"), strict=True))
    return stream.getvalue()


def _fcsv_text(landmarks: Landmarks) -> str:
    stream = io.StringIO()
    stream.write("# Markups fiducial file version = 4.11\n# CoordinateSystem = LPS\n")
    stream.write("# columns = id,x,y,z,ow,ox,oy,oz,vis,sel,lock,label,desc,associatedNodeID\n")
    writer = csv.writer(stream, lineterminator="\n")
    for number, (label, point) in enumerate(zip(landmarks.labels, _rounded(landmarks, "lps"), strict=True), start=1):
        writer.writerow([number, *point, 0, 0, 0, 1, 1, 1, 0, label, "", ""])
    return stream.getvalue()


def _markups_text(landmarks: Landmarks) -> str:
    points = [
        {"id": str(number), "label": label, "position": point, "positionStatus": "defined"}
        for number, (label, point) in enumerate(zip(landmarks.labels, _rounded(landmarks, "lps"), strict=True), start=1)
    ]
    markup = {"type": "Fiducial", "coordinateSystem": "LPS", "coordinateUnits": "mm", "controlPoints": points}
    return json.dumps({"@schema": MARKUPS_SCHEMA, "markups": [markup]}, indent=1) + "\n"


def _rounded(landmarks: Landmarks, axes: str) -> list[list[float]]:
    """Coordinates to a tenth of a micrometer, in the given axes."""
    signed = landmarks.points_mm.double() * torch.tensor(AXES[axes], dtype=torch.float64)
    return [[round(value, 4) for value in point] for point in signed.tolist()]
