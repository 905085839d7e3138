"""What the app asks of MONAI Label's datastore: files by names that were checked, and places for results."""

from pathlib import Path
from typing import Any, Protocol
from urllib.parse import urlencode

from apps.monailabel.refusal import RefusalError, checked_name


class Datastore(Protocol):
    """The part of MONAI Label's datastore that is used."""

    def list_images(self) -> list[str]: ...  # noqa: D102
    def get_image_uri(self, image_id: str) -> str: ...  # noqa: D102
    def get_label_uri(self, label_id: str, label_tag: str) -> str: ...  # noqa: D102
    def get_label_info(self, label_id: str, label_tag: str) -> dict[str, Any]: ...  # noqa: D102
    def save_label(self, image_id: str, label_filename: str, label_tag: str, label_info: dict) -> str: ...  # noqa: D102


def image_file(store: Datastore, role: str, name: object) -> Path:
    """File of an image.

    Args:
        store: the datastore.
        role: what the image is to the client.
        name: id as the client has sent it.

    Raises:
        RefusalError: 422 for what is no name, 404 for an image that is not there.
    """
    path = store.get_image_uri(checked_name(role, name))
    if not path:
        raise RefusalError(404, f"{role}: there is no image {name!r}")
    if not Path(path).is_file():
        raise RefusalError(404, f"{role}: the file of {name!r} is no longer there")
    return Path(path)


def label_file(store: Datastore, name: str, tag: str) -> Path | None:
    """File of a label, None where the image has none of that tag."""
    path = store.get_label_uri(checked_name("image", name), checked_name("tag", tag))
    return Path(path) if path and Path(path).is_file() else None


def labeled_images(store: Datastore, tag: str) -> dict[str, Path]:
    """Files of the images that have a label of a tag, by their ids."""
    files = {}
    for name in store.list_images():
        if label_file(store, name, tag) is not None:
            files[name] = image_file(store, "image", name)
    return files


def address(name: str, tag: str) -> dict[str, str]:
    """Where a client fetches what is kept under an image.

    Example:
        >>> address("head", "field-from-atlas")["url"]
        '/datastore/label?label=head&tag=field-from-atlas'
    """
    return {"label": name, "tag": tag, "url": f"/datastore/label?{urlencode({'label': name, 'tag': tag})}"}


def trained_weights(studies: str | Path, bundle: str) -> Path | None:
    """Weights of a bundle that were trained on these studies, None where there are none."""
    path = weights_place(studies, bundle)
    return path if path.is_file() else None


def weights_place(studies: str | Path, bundle: str) -> Path:
    """Where a training puts the weights of a bundle for the registrations that follow."""
    return Path(studies) / "weights" / f"{bundle}.pt"
