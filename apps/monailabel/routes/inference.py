"""Requests to the tasks: they wait for each other, and no one waits for them."""

import asyncio
import json
import os
import secrets
import threading
from pathlib import Path
from typing import Annotated, Any

from fastapi import APIRouter, File, Form, Request, UploadFile
from fastapi.responses import JSONResponse, Response
from monailabel.interfaces.app import MONAILabelApp

from apps.monailabel.refusal import RefusalError
from apps.monailabel.routes.shared import FILE_TYPE, json_object, user
from apps.monailabel.waiting import WaitingLine
from common.registration.progress import Status
from common.words import one_of

LOOK_SECONDS = 0.5  # between two looks whether the client is still there
CLIENT_HAS_GONE = 499
OUTPUTS = ("all", "image", "json")


def inference(app: MONAILabelApp, line: WaitingLine) -> APIRouter:
    """The one route of all tasks."""
    router = APIRouter(dependencies=[user])

    @router.post("/infer/{model}")
    async def infer(
        request: Request,
        model: str,
        image: str = "",
        session_id: str = "",
        output: str = "all",
        params: Annotated[str, Form()] = "{}",
        file: Annotated[UploadFile | None, File()] = None,
        label: Annotated[UploadFile | None, File()] = None,
    ) -> Response:
        if file is not None or label is not None or session_id:
            raise RefusalError(422, "expected the id of an image of the datastore, got a file or a session")
        options = json_object(params, "params")
        for name, own in (("model", model), ("image", image)):
            if options.pop(name, own) != own:
                raise RefusalError(422, f"params: expected no other {name} than that of the address")
        try:
            one_of("output", output, OUTPUTS)
        except ValueError as error:
            raise RefusalError(422, str(error)) from error
        asked = {"model": model, "image": image, **options}
        content, name, told = await _in_line(request, line, app, asked)
        if output == "json":
            return JSONResponse(told)
        return Response(content, media_type=FILE_TYPE) if output == "image" else _multipart(content, name, told)

    return router


async def _in_line(
    request: Request, line: WaitingLine, app: MONAILabelApp, asked: dict[str, Any]
) -> tuple[bytes, str, dict[str, Any]]:
    """The answer when its turn comes; a client that has gone is forgotten, at the latest before the next step."""
    has_gone = threading.Event()
    future = asyncio.wrap_future(line.submit(_answer, app, asked, has_gone))
    while not (await asyncio.wait([future], timeout=LOOK_SECONDS))[0]:
        if await request.is_disconnected():
            has_gone.set()
            future.cancel()
            raise RefusalError(CLIENT_HAS_GONE, "the client has gone")
    return future.result()


def _answer(app: MONAILabelApp, asked: dict[str, Any], has_gone: threading.Event) -> tuple[bytes, str, dict[str, Any]]:
    def on_progress(status: Status) -> None:
        if has_gone.is_set():
            raise RefusalError(CLIENT_HAS_GONE, "the client has gone")

    app.datastore().refresh()
    file, told = app.answer(asked["model"], asked, on_progress)
    try:
        return Path(file).read_bytes(), f"{asked['image']}-{Path(file).name.rpartition('-')[2]}", told
    finally:
        os.unlink(file)


def _multipart(content: bytes, name: str, told: dict[str, Any]) -> Response:
    """Params and image in one answer, as MONAI Label's clients expect it."""
    boundary = secrets.token_hex(16)
    head = f'--{boundary}\r\nContent-Disposition: form-data; name="params"\r\nContent-Type: application/json\r\n\r\n'
    middle = (
        f'\r\n--{boundary}\r\nContent-Disposition: form-data; name="image"; filename="{name}"\r\n'
        f"Content-Type: {FILE_TYPE}\r\n\r\n"
    )
    body = head.encode() + json.dumps(told).encode() + middle.encode() + content + f"\r\n--{boundary}--\r\n".encode()
    return Response(body, media_type=f"multipart/form-data; boundary={boundary}")
