"""Trainings, one at a time, each in a process of its own."""

from typing import Any

from fastapi import APIRouter, Request
from monailabel.interfaces.app import MONAILabelApp
from monailabel.utils.async_tasks.task import AsyncTask

from apps.monailabel.answer import without_paths
from apps.monailabel.refusal import RefusalError
from apps.monailabel.routes.shared import admin, json_object, user


def training(app: MONAILabelApp) -> APIRouter:
    """Start, end and watch a training."""
    router = APIRouter(prefix="/train", dependencies=[user])

    @router.get("/")
    def status(all: bool = False, check_if_running: bool = False) -> Any:
        found, detail = AsyncTask.status("train", all, check_if_running)
        if found is None:
            raise RefusalError(404, detail)
        return [_told(task) for task in found] if isinstance(found, list) else _told(found)

    @router.post("/{model}", dependencies=[admin])
    async def start(request: Request, model: str) -> Any:
        trainers, refused = app._trainers, app.refused_trainings
        if model in refused:
            raise RefusalError(422, f"{model} cannot be trained here: {refused[model]}")
        if model not in trainers:
            raise RefusalError(
                404, f"there is no training of {model[:80]!r}; known are {', '.join(trainers) or 'none'}"
            )
        params = json_object((await request.body()).decode(errors="replace"), "params")
        unknown = params.keys() - trainers[model].config().keys() - {"client_id"}
        if unknown:
            raise RefusalError(422, f"params: there is no option {min(unknown)[:80]!r}")
        app.datastore().refresh()
        try:
            trainers[model].check(params, app.datastore())
        except ValueError as error:
            raise RefusalError(422, without_paths(str(error), {})) from error
        found, detail = AsyncTask.run("train", {"model": model}, params)
        if found is None:
            raise RefusalError(429, detail)
        return _told(found)

    @router.delete("/", dependencies=[admin])
    def stop() -> Any:
        found = AsyncTask.stop("train")
        return found and _told(found)

    return router


def _told(task: dict[str, Any]) -> dict[str, Any]:
    """What a client learns of a training: its last lines without folders of the server."""
    return {**task, "details": [without_paths(line, {}) for line in task.get("details", [])]}
