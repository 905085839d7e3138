"""The registration bundles as an app of MONAI Label."""

import os
import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Any

ROOT = Path(__file__).resolve().parents[2]
if str(ROOT) not in sys.path:
    sys.path.insert(0, str(ROOT))

from fastapi import HTTPException  # noqa: E402
from monailabel.interfaces.app import MONAILabelApp  # noqa: E402
from monailabel.interfaces.tasks.infer_v2 import InferTask, InferType  # noqa: E402

from apps.monailabel.answer import Task, Work, without_paths  # noqa: E402
from apps.monailabel.options import choices, read_options, warm_registrar  # noqa: E402
from apps.monailabel.refusal import RefusalError  # noqa: E402
from apps.monailabel.store import Store  # noqa: E402
from apps.monailabel.studies import trained_weights  # noqa: E402
from apps.monailabel.training import REFUSED, trainers  # noqa: E402
from common.registration.prediction import BUNDLES  # noqa: E402
from common.registration.progress import Status  # noqa: E402

OWN_KEYS = ("model", "image", "description")  # of a request of MONAI Label; the others are options
TELLS = {
    False: "warps the image named by 'moving' onto this one",
    True: "carries the label of the image named by 'moving' over to this one",
}


def all_tasks() -> list[Task]:
    """Two tasks for each bundle, and two without one."""
    bundles = sorted(path.parents[1].name for path in BUNDLES.glob("*/configs/inference.json"))
    names = {**{name: name for name in bundles}, "register": "none"}
    return [
        Task(f"{name}_labels" if is_labels else name, bundle, is_labels)
        for name, bundle in names.items()
        for is_labels in (False, True)
    ]


class RegistrationTask(InferTask):
    """One task as MONAI Label knows it.

    Args:
        app: the app.
        task: what it does.
    """

    def __init__(self, app: "RegistrationApp", task: Task) -> None:
        kind = InferType.SEGMENTATION if task.is_labels else InferType.OTHERS
        config = choices(task.bundle, task.is_labels)
        super().__init__(kind, None, 3, f"{task.name}: {TELLS[task.is_labels]}", config)
        self.app, self.task = app, task

    def is_valid(self) -> bool:
        """Whether clients are offered it."""
        return True

    def __call__(
        self, request: dict[str, Any], on_progress: Callable[[Status], None] | None = None
    ) -> tuple[str, dict[str, Any]]:
        """Answer a request; the file is the caller's to remove."""
        params = {key: value for key, value in request.items() if key not in OWN_KEYS}
        weights = trained_weights(self.app.studies, self.task.bundle)
        try:
            options = read_options(params, self.config())
            registrar = warm_registrar(self.task.bundle, options, weights, self.app.conf.get("device", ""))
        except ValueError as error:
            raise RefusalError(422, without_paths(str(error), {})) from error
        work = Work(self.task, request.get("image"), options, self.app.datastore(), registrar, on_progress)
        file, told = work.answer()
        return str(file), told


class RegistrationApp(MONAILabelApp):
    """Registration and atlas segmentation of the images of a folder; see MONAI Label for the arguments."""

    refused_trainings: Mapping[str, str] = MappingProxyType({})  # reasons by bundle

    def __init__(self, app_dir: str, studies: str, conf: dict[str, str]) -> None:
        super().__init__(
            app_dir,
            os.path.abspath(studies),
            conf,
            name="Registration bundles",
            description="Registers images of the datastore with each other and carries labels over",
            version="1",
        )

    def init_datastore(self) -> Store:
        """The folder of the studies."""
        return Store(self.studies)

    def init_infers(self) -> dict[str, InferTask]:
        """All tasks by name."""
        return {task.name: RegistrationTask(self, task) for task in all_tasks()}

    def init_trainers(self) -> dict[str, Any]:
        """Trainings of the bundles."""
        self.refused_trainings = REFUSED
        return trainers(self)

    def answer(
        self, model: str, request: dict[str, Any], on_progress: Callable[[Status], None] | None = None
    ) -> tuple[str, dict[str, Any]]:
        """Run a task; see :class:`RegistrationTask`.

        Raises:
            RefusalError: where it cannot be done.
        """
        if model not in self._infers:
            raise RefusalError(404, f"there is no model {model[:80]!r}; known are {', '.join(self._infers)}")
        return self._infers[model](request, on_progress)

    def infer(self, request: dict[str, Any], datastore: Any = None) -> dict[str, Any]:
        """The same for MONAI Label's own server."""
        try:
            file, params = self.answer(str(request.get("model")), request)
        except RefusalError as refusal:
            raise HTTPException(refusal.status, str(refusal)) from refusal
        return {"file": file, "label": file, "tag": "original", "params": params}

    def batch_infer(self, request: dict[str, Any], datastore: Any = None) -> dict[str, Any]:
        """Refused: a batch names no moving image."""
        raise HTTPException(404, "there is no batch inference")
