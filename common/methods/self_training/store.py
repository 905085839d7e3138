"""Pseudo labels of all pairs on disk, one folder per stage."""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch

from ...files import merged, write_atomically, write_json

RUN_NAME = "run.json"
DIFFICULTY_NAME = "difficulty.json"


class PseudoLabelStore:
    """Labels as half-precision arrays, one file per pair; a read label is float32, the others stay on disk.

    ``folder/stage_03/`` holds ``run.json`` (what the labels belong to), ``pair_00000.npy`` … and ``difficulty.json``.
    Every file appears whole or not at all, so labeling that was broken off goes on where it stopped.

    Args:
        folder: of the run; created with the first stage.
        num_pairs: number of labels per stage, ≥ 1.
        settings: whatever decides what the labels are, one mapping or several; a stage of other settings is never
            touched.

    Raises:
        ValueError: for no pairs.

    Example:
        >>> import tempfile
        >>> store = PseudoLabelStore(tempfile.mkdtemp(), num_pairs=2)
        >>> store.open_stage(0, "random network")
        >>> store.write(1, torch.ones(3, 2, 2, 2), difficulty=0.5)
        >>> store.missing()
        [0]
        >>> store.read(1).shape, store.read(1).dtype
        (torch.Size([3, 2, 2, 2]), torch.float32)
    """

    def __init__(
        self,
        folder: str | Path,
        num_pairs: int,
        settings: Mapping[str, Any] | Sequence[Mapping[str, Any]] | None = None,
    ) -> None:
        if num_pairs < 1:
            raise ValueError(f"expected at least one pair, got {num_pairs}")
        self.folder, self.num_pairs, self.settings = Path(folder), num_pairs, merged(settings)
        self.stage, self.origin = -1, ""

    def open_stage(self, stage: int, origin: str) -> None:
        """Begin a stage, or go on with it.

        Args:
            stage: its number, ≥ 0.
            origin: what made the labels, such as a hash of the network's weights.

        Raises:
            ValueError: where the stage's folder holds labels of another run; nothing is changed then.
            OSError: where the folder cannot be written; names the file.
        """
        folder = self._folder(stage)
        run = {"stage": stage, "origin": origin, "num_pairs": self.num_pairs, "settings": self.settings}
        if folder.exists() and any(folder.iterdir()):
            _check_run(folder, run)
        else:
            _write(folder / RUN_NAME, lambda path: write_json(path, run))
        self.stage, self.origin = stage, origin

    def close(self) -> None:
        """Forget the open stage; its files stay."""
        self.stage = -1

    def write(self, pair: int, label: torch.Tensor, difficulty: float) -> None:
        """Store the label of a pair, of any shape, with its difficulty.

        Raises:
            ValueError: for a pair that is out of range or a label that half precision does not hold.
            OSError: where the disk is full; names the file, and leaves the stage as it was.
        """
        array = label.detach().to("cpu", torch.float16).numpy()
        if not np.isfinite(array).all() or not np.isfinite(difficulty):
            raise ValueError(
                f"pair {pair}: expected finite labels and difficulty, got {_extremes(label)}, {difficulty}"
            )
        path = self._path(pair)
        _write(path, lambda file: write_atomically(file, lambda stream: np.save(stream, array)))
        difficulties = self._difficulties() | {str(pair): float(difficulty)}
        _write(self._folder(self.stage) / DIFFICULTY_NAME, lambda file: write_json(file, difficulties))

    def read(self, pair: int) -> torch.Tensor:
        """Label of a pair, float32.

        Raises:
            ValueError: where there is none, or its file is damaged.
        """
        path = self._path(pair)
        try:
            return torch.from_numpy(np.load(path, mmap_mode="r").astype(np.float32))
        except (OSError, ValueError) as error:
            raise ValueError(f"{path}: expected the label of pair {pair} in half precision, got {error}") from error

    def missing(self) -> list[int]:
        """Pairs of the open stage that have no label yet."""
        done = self._difficulties()
        return [pair for pair in range(self.num_pairs) if str(pair) not in done or not self._path(pair).is_file()]

    def difficulties(self) -> torch.Tensor:
        """Difficulty of every pair of the open stage, (num_pairs,) float64.

        Raises:
            ValueError: where labels are missing.
        """
        missing, values = self.missing(), self._difficulties()
        if missing:
            raise ValueError(
                f"{self._folder(self.stage)}: expected labels of {self.num_pairs} pairs, {len(missing)} are missing"
            )
        return torch.tensor([values[str(pair)] for pair in range(self.num_pairs)], dtype=torch.float64)

    def remove_labels(self, stage: int) -> None:
        """Delete the labels of a stage that is not needed any more; difficulties and run.json stay.

        Raises:
            ValueError: for the open stage.
        """
        if stage == self.stage:
            raise ValueError(f"expected a stage that is not in use, got the open stage {stage}")
        for path in self._folder(stage).glob("pair_*.npy"):
            path.unlink()

    def _folder(self, stage: int) -> Path:
        return self.folder / f"stage_{stage:02d}"

    def _path(self, pair: int) -> Path:
        if self.stage < 0:
            raise ValueError("expected open_stage before labels are written or read")
        if not 0 <= pair < self.num_pairs:
            raise ValueError(f"expected a pair from 0 to {self.num_pairs - 1}, got {pair}")
        return self._folder(self.stage) / f"pair_{pair:05d}.npy"

    def _difficulties(self) -> dict[str, float]:
        path = self._folder(self.stage) / DIFFICULTY_NAME
        return json.loads(path.read_text(encoding="utf-8")) if path.is_file() else {}


def _check_run(folder: Path, run: dict[str, Any]) -> None:
    path = folder / RUN_NAME
    if not path.is_file():
        raise ValueError(f"{folder}: expected an empty folder or one with {RUN_NAME}, got other files")
    found = json.loads(path.read_text(encoding="utf-8"))
    names = [name for name in run if found.get(name) != run[name]]
    if names:
        text = "; ".join(f"{name}: expected {run[name]}, got {found.get(name)}" for name in names)
        raise ValueError(f"{folder} holds pseudo labels of another run: {text}")


def _write(path: Path, write: Any) -> None:
    try:
        write(path)
    except OSError as error:
        raise OSError(
            error.errno, f"cannot write pseudo labels, stage left as it was: {error.strerror}", str(path)
        ) from error


def _extremes(label: torch.Tensor) -> str:
    return f"{label.min():g} to {label.max():g}" if label.numel() else "an empty label"


# Settings of a store that say what an image pair is, where the nodes of its label lie, and that it has one at all.
IMAGE_PAIRS = (
    "seed",
    "fit_subjects",
    "num_pairs",
    "input_kind",
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
    run = json.loads(path.read_text(encoding="utf-8"))
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
