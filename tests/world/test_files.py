import gzip

import nibabel as nib
import numpy as np
import pytest
import torch
from torch.testing import assert_close

from common.world.files import load_field, save_field, save_image

CENTER_MM = (30.0, -70.0, 120.0)
PLACEMENTS = [
    ("RAS", (1.0, 1.0, 1.0), 12.0, CENTER_MM),
    ("LPS", (0.7, 0.7, 3.0), 12.0, CENTER_MM),
    ("SLP", (1.5, 0.9, 2.0), 12.0, CENTER_MM, (15, -20, 30)),
    ("IAR", (0.3, 4.0, 1.0), 12.0, CENTER_MM, (-40, 5, 10)),
]
on_odd_grids = pytest.mark.parametrize("placement", PLACEMENTS, ids=[codes for codes, *_ in PLACEMENTS])


def field_on(grid, generator):
    return torch.randn(3, *grid.spatial_shape, generator=generator)


@on_odd_grids
def test_saved_field_comes_back_with_its_grid(placement, world, tmp_path, generator):
    grid = world.grid(*placement)
    field_mm = field_on(grid, generator)
    save_field(tmp_path / "field.nii.gz", field_mm, grid)
    loaded, loaded_grid = load_field(tmp_path / "field.nii.gz")
    assert torch.equal(loaded, field_mm)
    assert_close(loaded_grid.affine, grid.affine, atol=1e-4, rtol=0)


@on_odd_grids
def test_saved_field_has_the_form_that_itk_reads(placement, world, tmp_path, generator):
    grid = world.grid(*placement)
    save_field(tmp_path / "field.nii.gz", field_on(grid, generator), grid)
    header = nib.load(tmp_path / "field.nii.gz").header
    assert header.get_data_shape() == (*grid.spatial_shape, 1, 3)
    assert (int(header["intent_code"]), header.get_xyzt_units()[0]) == (1007, "mm")
    for matrix, code in (header.get_sform(coded=True), header.get_qform(coded=True)):
        assert code == 1
        np.testing.assert_allclose(matrix, grid.affine.numpy(), atol=1e-4)


@on_odd_grids
def test_field_written_by_itk_is_the_same_displacement(placement, world, tmp_path, generator):
    grid = world.grid(*placement)
    sitk = pytest.importorskip("SimpleITK")
    field_mm = field_on(grid, generator)
    ras_to_lps = np.diag([-1.0, -1.0, 1.0])
    image = sitk.GetImageFromArray((field_mm.movedim(0, -1).numpy() @ ras_to_lps).transpose(2, 1, 0, 3), isVector=True)
    directions = ras_to_lps @ grid.affine[:3, :3].numpy() / grid.spacing
    image.SetDirection(directions.flatten().tolist())
    image.SetSpacing(grid.spacing)
    image.SetOrigin((ras_to_lps @ grid.affine[:3, 3].numpy()).tolist())
    sitk.WriteImage(image, str(tmp_path / "itk.nii.gz"))
    loaded, loaded_grid = load_field(tmp_path / "itk.nii.gz")
    assert_close(loaded, field_mm)
    assert_close(loaded_grid.affine, grid.affine, atol=1e-4, rtol=0)


@on_odd_grids
def test_saved_image_keeps_grid_and_values(placement, world, tmp_path, generator):
    grid = world.grid(*placement)
    image = torch.rand(1, *grid.spatial_shape, generator=generator)
    save_image(tmp_path / "image.nii.gz", image, grid)
    loaded = nib.load(tmp_path / "image.nii.gz")
    assert np.array_equal(loaded.get_fdata(dtype=np.float32), image[0].numpy())
    np.testing.assert_allclose(loaded.affine, grid.affine.numpy(), atol=1e-4)


def test_save_image_rounds_and_clips_to_an_integer_type(tmp_path, world):
    image = torch.tensor([-3.0, 1.6, 300.0]).view(3, 1, 1)
    save_image(tmp_path / "labels.nii", image, world.grid("RAS", 1.0, (3.0, 1.0, 1.0)), dtype="uint8")
    assert np.asarray(nib.load(tmp_path / "labels.nii").dataobj).ravel().tolist() == [0, 2, 255]


def test_interrupted_write_leaves_the_old_file_and_nothing_else(tmp_path, world, monkeypatch):
    grid, path = world.grid("RAS", 1.0, 4.0), tmp_path / "image.nii.gz"
    save_image(path, torch.ones(4, 4, 4), grid)
    before = path.read_bytes()
    monkeypatch.setattr(nib.Nifti1Image, "to_stream", lambda *_: (_ for _ in ()).throw(KeyboardInterrupt))
    with pytest.raises(KeyboardInterrupt):
        save_image(path, torch.zeros(4, 4, 4), grid)
    assert path.read_bytes() == before
    assert list(tmp_path.iterdir()) == [path]


def test_save_names_the_file_of_a_wrong_suffix_or_shape(tmp_path, world):
    grid = world.grid("RAS", 1.0, 4.0)
    with pytest.raises(ValueError, match=r"field.mha: expected a file name that ends in"):
        save_field(tmp_path / "field.mha", torch.zeros(3, 4, 4, 4), grid)
    with pytest.raises(ValueError, match=r"field.nii: expected .*\(3, 4, 4, 4\), got \(1, 3, 4, 4, 4\)"):
        save_field(tmp_path / "field.nii", torch.zeros(1, 3, 4, 4, 4), grid)
    with pytest.raises(ValueError, match=r"image.nii: expected .*\(4, 4, 4\), got \(2, 4, 4, 4\)"):
        save_image(tmp_path / "image.nii", torch.zeros(2, 4, 4, 4), grid)


@pytest.mark.parametrize(("shape", "intent"), [((4, 4, 4, 3), 1007), ((4, 4, 4, 1, 3), 0), ((4, 4, 4), 0)])
def test_load_field_names_the_file_that_is_no_field(shape, intent, tmp_path):
    image = nib.Nifti1Image(np.zeros(shape, dtype=np.float32), np.eye(4))
    image.header["intent_code"] = intent
    nib.save(image, tmp_path / "other.nii.gz")
    with pytest.raises(ValueError, match=rf"other.nii.gz: expected .*1007, got shape .* with intent {intent}"):
        load_field(tmp_path / "other.nii.gz")


def test_load_field_names_a_truncated_file_and_a_text_file(tmp_path, world):
    path = tmp_path / "field.nii.gz"
    save_field(path, torch.rand(3, 16, 16, 16), world.grid("RAS", 1.0, 16.0))
    path.write_bytes(path.read_bytes()[:-2000])
    with pytest.raises(ValueError, match=r"field\.nii\.gz"):
        load_field(path)
    path.write_bytes(gzip.compress(b"no image at all"))
    with pytest.raises(ValueError, match=r"field\.nii\.gz"):
        load_field(path)


def test_load_field_names_a_missing_file(tmp_path):
    with pytest.raises(FileNotFoundError, match=r"missing\.nii\.gz"):
        load_field(tmp_path / "missing.nii.gz")
