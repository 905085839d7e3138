"""A template of bent blobs: sharper than their plain mean, in the middle of their shapes, resumed without new work."""

import pytest
import torch
from monai.data import MetaTensor

from common.registration.greedy import GreedyRefinement
from common.registration.registrar import Registrar
from common.registration.template import build_template, sharpness
from common.world.chain import Chain, FieldMap
from common.world.files import load_field, save_image
from common.world.grid import Grid

GRID = Grid((28, 26, 24), torch.eye(4))
SHIFTS = (-3.0, -1.0, 1.0, 3.0)


def bar(shift):
    """An ellipsoid with a bright core, which lies ``shift`` mm off the middle along the first axis."""
    x, y, z = (torch.arange(size) - (size - 1) / 2 for size in GRID.spatial_shape)
    radius = ((x - shift)[:, None, None] / 8) ** 2 + (y[:, None] / 7) ** 2 + (z / 6) ** 2
    return torch.sigmoid(8 * (1 - radius)) + torch.sigmoid(12 * (0.2 - radius))


@pytest.fixture(scope="module")
def files(tmp_path_factory):
    folder = tmp_path_factory.mktemp("bars")
    for k, shift in enumerate(SHIFTS):
        save_image(folder / f"bar{k}.nii.gz", bar(shift), GRID)
        save_image(folder / f"label{k}.nii.gz", (bar(shift) > 0.5).int(), GRID, "uint8")
    return folder


@pytest.fixture(scope="module")
def built(files, tmp_path_factory):
    folder = tmp_path_factory.mktemp("template")
    images, labels = ({f"bar{k}": files / f"{kind}{k}.nii.gz" for k in range(4)} for kind in ("bar", "label"))
    registrar = Registrar(refinement=GreedyRefinement(30, num_levels=2))
    return build_template(images, registrar, folder, 2, labels), folder, images, registrar


def test_the_template_is_sharper_than_the_mean_and_as_sharp_as_an_image(built):
    record = built[0]
    plain, last = record["rounds"][0]["sharpness"], record["rounds"][-1]["sharpness"]
    image = bar(0.0)[None]
    assert plain < 0.9 * last
    assert last > 0.9 * sharpness((image / image.quantile(0.99)).clamp(0, 1), GRID)


def center(volume):
    """Center of mass along the first axis, voxels."""
    mass = volume[0].sum(dim=(1, 2))
    return ((mass * torch.arange(len(mass))).sum() / mass.sum()).item()


def test_the_images_meet_in_the_middle_of_their_shapes(built):
    _, folder, images, _ = built
    fields = [FieldMap(*load_field(folder / f"{name}_field.nii.gz")) for name in images]
    inner = (slice(None), slice(8, -8), slice(7, -7), slice(7, -7))
    assert torch.stack([field.field_mm[inner] for field in fields]).mean(dim=0).abs().max() < 0.3
    warped = [
        Chain((field,)).resample(bar(shift)[None], GRID, GRID) for field, shift in zip(fields, SHIFTS, strict=True)
    ]
    centers = [center(volume) for volume in warped]
    assert max(centers) - min(centers) < 0.5 < 6.0 == max(SHIFTS) - min(SHIFTS)
    assert abs(sum(centers) / 4 - 13.5) < 0.2


def test_labels_meet_in_the_template(built):
    assert min(built[0]["overlap"].values()) > 0.95


def test_a_second_run_registers_nothing_and_other_images_are_refused(built, files, monkeypatch):
    record, folder, images, registrar = built
    calls = []
    monkeypatch.setattr(type(registrar), "_improved", lambda self, *args: calls.append(args))
    labels = {f"bar{k}": files / f"label{k}.nii.gz" for k in range(4)}
    assert build_template(images, registrar, folder, 2, labels)["rounds"] == record["rounds"]
    assert calls == []
    with pytest.raises(FileExistsError):
        build_template({name: images[name] for name in ("bar0", "bar1")}, registrar, folder, 2)


def test_one_image_and_foreign_labels_are_refused(tmp_path):
    with pytest.raises(ValueError, match="expected two images or more and a round, got 1 and 3"):
        build_template({"a": "a.nii.gz"}, Registrar(), tmp_path)
    with pytest.raises(ValueError, match="got none or no image for b, c"):
        build_template({"a": "a", "b": "b"}, Registrar(), tmp_path, labels={"a": "a", "c": "c"})


def test_sharpness_knows_millimeters():
    ramp = torch.arange(6.0).view(1, 6, 1, 1).expand(1, 6, 4, 4)
    assert sharpness(MetaTensor(ramp).as_tensor(), Grid((6, 4, 4), torch.diag(torch.tensor([0.5, 1, 1, 1])))) == 2.0
