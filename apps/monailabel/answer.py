"""The answer to one request: register, carry labels over, keep field and figures beside the fixed image."""

import hashlib
import json
import os
import re
import tempfile
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch

from apps.monailabel.atlas import fuse, local_similarity, majority, nearest
from apps.monailabel.options import FINAL, NEAREST, Options
from apps.monailabel.refusal import RefusalError
from apps.monailabel.studies import Datastore, address, image_file, label_file, labeled_images
from common.data.volume import input_image, input_label, input_volume
from common.files import write_json
from common.registration.labels import label_dice
from common.registration.outputs import METRICS_FILE, Annotations
from common.registration.progress import Progress, Status
from common.registration.registrar import Registrar
from common.world.files import label_type, save_image
from common.world.grid import Grid

WARPED, LABEL, FIELD = "warped.nii.gz", "warped_label.nii.gz", "field.nii.gz"
TOLD = ("verdict", "contrast", "similarity", "regularity", "overlap", "seconds", "settings")


@dataclass(frozen=True)
class Task:
    """A task of the app.

    Args:
        name: as clients call it.
        bundle: "none" for no network.
        is_labels: whether it carries labels over; else it warps the image.
    """

    name: str
    bundle: str
    is_labels: bool


@dataclass
class Work:
    """One request on its way.

    Args:
        task: what is asked.
        fixed: id of the fixed image, as the client has sent it.
        options: of the request.
        store: where images, labels and results are.
        registrar: of these options.
        on_progress: called at each step and iteration; may raise to end the work.
    """

    task: Task
    fixed: str
    options: Options
    store: Datastore
    registrar: Registrar
    on_progress: Callable[[Status], None] | None = None
    files: dict[str, Path] = field(default_factory=dict)

    def answer(self) -> tuple[Path, dict[str, Any]]:
        """Do it.

        Returns:
            A temporary file that the caller removes, the warped image or the label, on the fixed image's grid; and
            what a client learns beside it.

        Raises:
            RefusalError: 404 for what is not there, 422 for what cannot be registered, 503 for a full disk or memory.
        """
        try:
            movings = self._movings()
            with tempfile.TemporaryDirectory(prefix="registration-") as folder:
                entries = [self._registered(moving, Path(folder, moving)) for moving in movings]
                file, facts = self._result(movings, Path(folder))
                for entry in entries:
                    self._keep(entry, Path(folder, entry["moving"]))
                return _copy(file), entries[0] | facts | ({"atlases": entries} if len(entries) > 1 else {})
        except ValueError as error:
            raise RefusalError(422, without_paths(str(error), self.files)) from error
        except (MemoryError, torch.OutOfMemoryError) as error:
            raise RefusalError(503, "the images need more memory than the server has") from error
        except OSError as error:
            raise RefusalError(
                503, f"the server cannot read or write: {error.strerror or type(error).__name__}"
            ) from error

    def _movings(self) -> list[str]:
        """Ids of the moving images; finds all files."""
        moving, tag = self.options.moving, self.options.tag
        self.files[self.fixed] = image_file(self.store, "image", self.fixed)
        if moving == NEAREST:
            atlases = labeled_images(self.store, tag)
            atlases.pop(self.fixed, None)
            if not atlases:
                raise RefusalError(404, f"moving: no other image has a label with the tag {tag!r}")
            self.files |= atlases
            found = nearest(self.files[self.fixed], atlases, int(self.options.neighbors))
        elif moving == self.fixed:
            raise RefusalError(422, f"moving: expected another image than the fixed one, got {moving!r} for both")
        else:
            self.files[moving] = image_file(self.store, "moving", moving)
            found = [moving]
        if self.task.is_labels:
            for name, key in ((self.fixed, FINAL), *((name, tag) for name in found)):
                path = label_file(self.store, name, key)
                if path is not None:
                    self.files[f"label of {name}"] = path
                elif name != self.fixed:
                    raise RefusalError(404, f"moving: {name!r} has no label with the tag {tag!r}")
        return found

    def _registered(self, moving: str, folder: Path) -> dict[str, Any]:
        """Register one pair into a folder; what is told of it."""
        registration = self.registrar(self.files[self.fixed], self.files[moving], Progress(self.on_progress))
        labels = [str(self.files.get(f"label of {name}", "")) for name in (self.fixed, moving)]
        registration.save(folder, Annotations(*labels), report=False)
        figures = json.loads((folder / METRICS_FILE).read_text(encoding="utf-8"))
        figures["settings"].pop("ckpt_path")
        figures["files"] = [WARPED, FIELD]
        figures |= {"fixed": self.fixed, "moving": moving, "task": self.task.name}
        write_json(folder / METRICS_FILE, figures)
        return {"fixed": self.fixed, "moving": moving} | {name: figures[name] for name in TOLD if name in figures}

    def _result(self, movings: list[str], folder: Path) -> tuple[Path, dict[str, Any]]:
        """The file of the answer, and what is told of it alone."""
        if not self.task.is_labels:
            return folder / movings[0] / WARPED, {}
        facts: dict[str, Any] = {}
        file = folder / movings[0] / LABEL
        label = input_label(file).as_tensor()
        if len(movings) > 1:
            label, file = self._fused(movings, folder), folder / LABEL
            grid = Grid.from_image(input_image(self.files[self.fixed]))
            save_image(file, label, grid, label_type(int(label.max())))
            if f"label of {self.fixed}" in self.files:
                truth = input_label(self.files[f"label of {self.fixed}"]).as_tensor()
                facts["overlap"] = {"after": label_dice(label, truth)}
        numbers = [int(number) for number in label.unique().tolist() if number]
        info = self.store.get_label_info(movings[0], self.options.tag)
        return file, facts | {"label_names": label_names(numbers, info)}

    def _fused(self, movings: list[str], folder: Path) -> torch.Tensor:
        labels = [input_label(folder / name / LABEL).as_tensor() for name in movings]
        if self.options.fusion == "majority":
            return fuse(labels, majority(len(labels)))
        fixed = input_image(self.files[self.fixed]).as_tensor()
        warped = (input_volume(folder / name / WARPED).as_tensor() for name in movings)
        return fuse(labels, [local_similarity(fixed, image) for image in warped])

    def _keep(self, entry: dict[str, Any], folder: Path) -> None:
        """Put field and figures beside the fixed image, and their addresses into what is told."""
        for key, file in (("field", folder / FIELD), ("metrics", folder / METRICS_FILE)):
            tag = f"{key}-from-{entry['moving']}-by-{self.task.name}"
            self.store.save_label(self.fixed, str(file), tag, {"moving": entry["moving"], "task": self.task.name})
            entry[key] = address(self.fixed, tag) | {"sha256": hashlib.sha256(file.read_bytes()).hexdigest()}


def label_names(numbers: list[int], info: Mapping[str, Any]) -> dict[str, int]:
    """Names of labels: those that 3D Slicer has saved with a label, else their numbers.

    Args:
        numbers: that occur.
        info: what the datastore knows of the label.

    Example:
        >>> label_names([1, 2], {"label_info": [{"name": "anterior", "idx": 1}]})
        {'anterior': 1, 'label 2': 2}
    """
    known = {item.get("idx"): item.get("name") for item in info.get("label_info") or [] if isinstance(item, dict)}
    return {str(known.get(number) or f"label {number}"): number for number in numbers}


def without_paths(message: str, files: Mapping[str, Path]) -> str:
    """A message on one line, with names in the place of files, without any other folder and dashes of options.

    Example:
        >>> without_paths("/data/a.nii.gz: not like /data/b.nii.gz", {"a": Path("/data/a.nii.gz")})
        'a: not like b.nii.gz'
    """
    for name, path in files.items():
        message = message.replace(str(path), name)
    message = re.sub(r"; --frame .*", "", message)  # an option that clients do not have
    message = re.sub(r"(?<!\S)--(?=\w)", "", message)
    return " ".join(re.sub(r"(?<![\w.])/(?:[^\s/:]+/)+", "", message).split())


def _copy(file: Path) -> Path:
    """A copy of a file that outlives its folder."""
    handle, name = tempfile.mkstemp(prefix="registration-", suffix=f"-{file.name}")
    try:
        with os.fdopen(handle, "wb") as stream:
            stream.write(file.read_bytes())
    except OSError:
        os.unlink(name)
        raise
    return Path(name)
