"""What is in the datastore, and labels that annotators save."""

import tempfile
from pathlib import Path
from typing import Annotated, Any

from fastapi import APIRouter, File, Form, UploadFile
from fastapi.responses import FileResponse
from monailabel.interfaces.app import MONAILabelApp

from apps.monailabel.answer import without_paths
from apps.monailabel.options import FINAL
from apps.monailabel.refusal import RefusalError, checked_name
from apps.monailabel.routes.shared import FILE_TYPE, annotator, json_object, user
from apps.monailabel.studies import image_file, label_file
from common.data.volume import input_label

KEPT_TAGS = ("field-from-", "metrics-from-")  # written by the app alone
HIDDEN = ("path",)  # what the datastore tells of an image, but not to clients


def reading(app: MONAILabelApp) -> APIRouter:
    """What is there: the app, its images and labels, the next image without a label."""
    router = APIRouter(dependencies=[user])

    @router.get("/info/")
    def info() -> dict[str, Any]:
        app.datastore().refresh()
        return app.info()

    @router.get("/datastore/")
    def datastore(output: str = "stats") -> dict[str, Any]:
        app.datastore().refresh()
        if output not in ("stats", "all"):
            raise RefusalError(422, f"output: expected stats or all, got {output[:80]!r}")
        return app.datastore().json() if output == "all" else app.datastore().status()

    @router.api_route("/datastore/image", methods=["GET", "HEAD"])
    def image(image: str) -> FileResponse:
        path = image_file(app.datastore(), "image", image)
        return FileResponse(path, media_type=FILE_TYPE, filename=_file_name(image, path))

    @router.api_route("/datastore/label", methods=["GET", "HEAD"])
    def label(tag: str, label: str = "", image: str = "") -> FileResponse:
        path = label_file(app.datastore(), label or image, tag)
        if path is None:
            raise RefusalError(404, f"label: {label or image!r} has no label with the tag {tag!r}")
        return FileResponse(path, media_type=FILE_TYPE, filename=_file_name(label or image, path))

    @router.get("/datastore/image/info")
    def image_info(image: str) -> dict[str, Any]:
        image_file(app.datastore(), "image", image)
        facts = app.datastore().get_image_info(image)
        return {key: value for key, value in facts.items() if key not in HIDDEN}

    @router.get("/datastore/label/info")
    def label_info(label: str, tag: str) -> dict[str, Any]:
        return app.datastore().get_label_info(checked_name("label", label), checked_name("tag", tag))

    @router.post("/activelearning/{strategy}")
    def next_sample(strategy: str) -> dict[str, Any]:
        if strategy not in app._strategies:
            raise RefusalError(404, f"there is no strategy {strategy[:80]!r}; known are {', '.join(app._strategies)}")
        app.datastore().refresh()
        found = app.next_sample({"strategy": strategy})
        return {"id": found["id"], "name": found["id"]} if found else {}

    return router


def _file_name(name: str, path: Path) -> str:
    """Name under which a client saves a file: that of the store, not that of what a link leads to."""
    return name + ("".join(path.suffixes[-2:]) if path.suffix == ".gz" else path.suffix)


def labels(app: MONAILabelApp) -> APIRouter:
    """Labels that annotators save."""
    router = APIRouter(dependencies=[annotator])

    @router.put("/datastore/label")
    def save_label(
        image: str, label: Annotated[UploadFile, File()], tag: str = "", params: Annotated[str, Form()] = "{}"
    ) -> dict[str, str]:
        image_file(app.datastore(), "image", image)
        tag = checked_name("tag", tag or FINAL)
        if tag.startswith(KEPT_TAGS):
            raise RefusalError(422, f"tag: {tag!r} is kept for results of registrations")
        suffix = next((end for end in (".nii.gz", ".nii") if str(label.filename).endswith(end)), "")
        if not suffix:
            raise RefusalError(
                422, f"label: expected a file that ends in .nii or .nii.gz, got {str(label.filename)[:80]!r}"
            )
        info = json_object(params, "params")
        try:
            with tempfile.TemporaryDirectory(prefix="registration-") as folder:
                path = Path(folder) / f"label{suffix}"
                path.write_bytes(label.file.read())
                input_label(path)
                app.datastore().save_label(image, str(path), tag, info)
        except ValueError as error:
            raise RefusalError(422, without_paths(str(error), {})) from error
        except OSError as error:
            raise RefusalError(503, f"the server cannot write: {error.strerror or type(error).__name__}") from error
        return {"image": image, "label": image}

    return router
