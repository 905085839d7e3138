"""Landmarks on disk: CSV, and the two forms of 3D Slicer."""

import csv
import io
import json
import os
from dataclasses import dataclass
from pathlib import Path

import torch

from ..files import write_atomically

SUFFIXES = (".csv", ".fcsv", ".mrk.json")
AXES = {"xyz": (1.0, 1.0, 1.0), "ras": (1.0, 1.0, 1.0), "lps": (-1.0, -1.0, 1.0)}  # signs that lead to RAS
MARKUPS_SCHEMA = (
    "https://raw.githubusercontent.com/slicer/slicer/master/Modules/Loadable/Markups/Resources/Schema/"
    "markups-schema-v1.0.3.json#"
)


@dataclass(frozen=True)
class Landmarks:
    """Points in world space.

    Args:
        points_mm: (N, 3), RAS mm, float64.
        labels: one per point.
        suffix: form of the file they came from.
    """

    points_mm: torch.Tensor
    labels: tuple[str, ...]
    suffix: str = ".csv"


def read_landmarks(path: str | os.PathLike) -> Landmarks:
    """Read landmarks.

    A CSV file has a header with x, y, z or r, a, s (RAS millimeters, as NIfTI has them) or l, p, s (LPS), and perhaps a
    label. Slicer's .fcsv and .mrk.json say themselves which of the two they hold.

    Args:
        path: file that ends in .csv, .fcsv or .mrk.json.

    Returns:
        The points, in RAS mm whatever the file has.

    Raises:
        FileNotFoundError: no such file.
        ValueError: for another ending or content; names the file.
    """
    path = Path(path).expanduser()
    suffix = _suffix(path)
    if not path.is_file():
        raise FileNotFoundError(f"{path}: expected landmarks, there is no such file")
    read = {".csv": _read_csv, ".fcsv": _read_fcsv, ".mrk.json": _read_markups}[suffix]
    try:
        positions, labels, axes = read(path.read_text(encoding="utf-8-sig"))
        points = torch.tensor(positions, dtype=torch.float64).view(-1, 3) * torch.tensor(
            AXES[axes], dtype=torch.float64
        )
    except (ValueError, KeyError, IndexError, TypeError, csv.Error) as error:
        raise ValueError(f"{path}: expected landmarks in the form of {suffix}, got {error}") from error
    if not len(points) or not points.isfinite().all():
        raise ValueError(f"{path}: expected landmarks with finite coordinates, got {len(points)} points")
    return Landmarks(points, tuple(label or str(number) for number, label in enumerate(labels, start=1)), suffix)


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
        >>> read_landmarks(path)
        Landmarks(points_mm=tensor([[1., 2., 3.]], dtype=torch.float64), labels=('tip',), suffix='.fcsv')
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


def _read_csv(text: str) -> tuple[list, list[str], str]:
    rows = list(csv.DictReader(io.StringIO(text), skipinitialspace=True))
    if not rows:
        raise ValueError("no points")
    columns = {name.strip().lower(): name for name in rows[0] if name}
    axes = next((axes for axes in AXES if all(axis in columns for axis in axes)), None)
    if axes is None:
        raise ValueError(f"the columns {', '.join(columns)}, without x, y, z or r, a, s or l, p, s")
    positions = [[float(row[columns[axis]]) for axis in axes] for row in rows]
    return positions, [row[columns["label"]] if "label" in columns else "" for row in rows], axes


def _read_fcsv(text: str) -> tuple[list, list[str], str]:
    comments = {}
    for line in text.splitlines():
        if line.startswith("#") and "=" in line:
            key, _, value = line[1:].partition("=")
            comments[key.strip().lower()] = value.strip()
    system = comments.get("coordinatesystem", "RAS").lower()
    axes = {"0": "ras", "1": "lps"}.get(system, system)
    columns = [name.strip().lower() for name in comments.get("columns", "id,x,y,z").split(",")]
    rows = [row for row in csv.reader(line for line in text.splitlines() if line and not line.startswith("#")) if row]
    place = {name: columns.index(name) for name in ("x", "y", "z")}
    positions = [[float(row[place[axis]]) for axis in "xyz"] for row in rows]
    label = columns.index("label") if "label" in columns else None
    return positions, ["" if label is None else row[label] for row in rows], axes


def _read_markups(text: str) -> tuple[list, list[str], str]:
    (markup,) = json.loads(text)["markups"]
    points = [point for point in markup["controlPoints"] if point.get("positionStatus", "defined") == "defined"]
    return [p["position"] for p in points], [p.get("label", "") for p in points], markup["coordinateSystem"].lower()


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
