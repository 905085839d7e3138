"""A datastore without MONAI Label, and small images in it."""

from pathlib import Path

import nibabel as nib
import numpy as np
import pytest

SHAPE = (20, 22, 18)


def blob(center, size=5.0):
    """A smooth blob with a darker inside, intensities 0 to 100, and the label of both parts."""
    index = np.stack(np.meshgrid(*map(np.arange, SHAPE), indexing="ij"), axis=-1)
    distance = np.linalg.norm((index - np.array(center)) / (size, size + 1, size), axis=-1)
    image = 100 / (1 + np.exp(8 * (distance - 1))) - 40 * np.exp(-4 * distance**2)
    return image.astype(np.float32), (distance < 1).astype(np.uint8) + (distance < 0.5)


def write_studies(folder):
    """Three blobs with labels, one without."""
    labels = folder / "labels" / "final"
    labels.mkdir(parents=True)
    for name, center, size in (
        ("a", (10, 11, 9), 5),
        ("b", (11, 10, 9), 5),
        ("c", (8, 12, 10), 4),
        ("d", (9, 9, 8), 5),
    ):
        for place, volume in zip((folder, labels), blob(center, size), strict=True):
            if (place, name) != (labels, "d"):
                nib.save(nib.Nifti1Image(volume, np.eye(4)), place / f"{name}.nii.gz")
    return folder


class FolderStore:
    """The part of MONAI Label's datastore that the app uses."""

    def __init__(self, folder):
        self.folder, self.info = Path(folder), {}

    def list_images(self):
        return sorted(path.name.removesuffix(".nii.gz") for path in self.folder.glob("*.nii.gz"))

    def get_image_uri(self, image_id):
        path = self.folder / f"{image_id}.nii.gz"
        return str(path) if path.exists() else ""

    def get_label_uri(self, label_id, label_tag):
        return next((str(path) for path in (self.folder / "labels" / label_tag).glob(f"{label_id}.*")), "")

    def get_label_info(self, label_id, label_tag):
        return self.info.get((label_id, label_tag), {})

    def save_label(self, image_id, label_filename, label_tag, label_info):
        place = self.folder / "labels" / label_tag / f"{image_id}{''.join(Path(label_filename).suffixes)}"
        place.parent.mkdir(exist_ok=True)
        place.write_bytes(Path(label_filename).read_bytes())
        return image_id


@pytest.fixture
def store(tmp_path):
    return FolderStore(write_studies(tmp_path / "studies"))


@pytest.fixture(scope="module")
def studies(tmp_path_factory):
    return write_studies(tmp_path_factory.mktemp("studies") / "images")
