"""MONAI Label's local datastore, whose files appear whole or not at all, inside the store."""

import shutil
import threading
import time
from contextlib import nullcontext
from functools import partial
from pathlib import Path
from typing import Any

from filelock import FileLock
from monailabel.datastore.local import DataModel, LocalDatastore

from apps.monailabel.refusal import NAME, RefusalError, checked_name
from common.files import write_atomically, write_json

EXTENSIONS = ("*.nii.gz", "*.nii")


class Store(LocalDatastore):
    """A folder of NIfTI images with labels in ``labels/TAG``.

    Args:
        folder: created where missing.
    """

    def __init__(self, folder: str) -> None:
        self._writing = threading.RLock()
        super().__init__(str(folder), extensions=EXTENSIONS, auto_reload=False)

    def refresh(self) -> None:
        """Look at the folder again; who reads meanwhile sees what was there before, or what is there now."""
        with self._writing:
            self._datastore = Store(self._datastore_path)._datastore

    def save_label(self, image_id: str, label_filename: str, label_tag: str, label_info: dict[str, Any]) -> str:
        """Keep a file under an image and a tag; the old one stays until the new one is whole."""
        checked_name("image", image_id), checked_name("tag", label_tag)
        _, extension = self._to_id(Path(label_filename).name)
        with self._writing:
            entry = self._datastore.objects.get(image_id)
            if entry is None:
                raise RefusalError(404, f"image: there is no image {image_id!r}")
            place = Path(self._datastore.label_path(label_tag)) / f"{image_id}{extension}"
            with Path(label_filename).open("rb") as source:
                write_atomically(place, partial(shutil.copyfileobj, source))
            old = entry.labels.get(label_tag)
            if old is not None and old.ext != extension:
                place.with_name(f"{image_id}{old.ext}").unlink(missing_ok=True)
            info = {**label_info, "ts": int(time.time()), "name": place.name}
            entry.labels[label_tag] = DataModel(info=info, ext=extension)
            self._update_datastore_file()
        return image_id

    def add_image(self, image_id: str, image_filename: str, image_info: dict[str, Any]) -> str:
        """Keep an image under a checked id."""
        return super().add_image(checked_name("image", image_id), image_filename, image_info)

    def _list_files(self, path: str, patterns: tuple[str, ...]) -> dict[str, str]:
        """Files that a client can name; the others are as if they were not there."""
        found = super()._list_files(path, patterns)
        return {name: file for name, file in found.items() if NAME.fullmatch(self._to_id(name)[0])}

    def _remove_non_existing(self) -> int:
        """Forget files that are gone, and those that MONAI Label's own store has kept under other names."""
        count = super()._remove_non_existing()
        others = [name for name in self._datastore.objects if not NAME.fullmatch(name)]
        for name in others:
            del self._datastore.objects[name]
        return count + len(others)

    def _update_datastore_file(self, lock: bool = True) -> None:
        content = self._datastore.model_dump(mode="json", exclude={"base_path"})
        with self._writing, FileLock(self._lock_file) if lock else nullcontext():
            write_json(self._datastore_config_path, content)
            self._config_ts = Path(self._datastore_config_path).stat().st_mtime
