"""Labels through a map: none is lost without a word, every number stays exact."""

import nibabel as nib
import numpy as np
import pytest
import torch
from monai.data import MetaTensor

from common.registration.labels import label_dice, warp_label
from common.registration.outputs import Annotations
from common.registration.result import Registration
from common.words import InputWarning
from common.world.grid import Grid
from common.world.label_votes import warp_labels
from common.world.resample import warp_moving

SHAPE = (12, 13, 14)
GRID = Grid(SHAPE, torch.eye(4))


def shifted(label, shift, fixed_spacing=1.0):
    grid = GRID.with_shape([int((size - 1) / fixed_spacing) + 1 for size in SHAPE])
    field = MetaTensor(torch.full((3, *grid.spatial_shape), shift), affine=grid.affine)
    fixed = MetaTensor(torch.zeros(1, *grid.spatial_shape), affine=grid.affine)
    return Registration(fixed, label, field, torch.eye(4).double(), torch.eye(4).double())


def test_votes_equal_the_largest_linearly_warped_mask(generator):
    labels = torch.randint(0, 6, (1, *SHAPE), generator=generator, dtype=torch.int32)
    field = torch.randn(3, *SHAPE, generator=generator)
    masks = torch.cat([warp_moving((labels == k).double(), GRID, field, GRID) for k in range(6)])
    found = warp_labels(labels, GRID, field, GRID)
    best = masks.amax(dim=0)
    clear = (masks > best - 1e-4).sum(dim=0) == 1
    assert clear.float().mean() > 0.8
    assert torch.equal(found[0][clear].long(), masks.argmax(dim=0)[clear])


def test_single_voxels_are_kept_and_named():
    labels = torch.ones(1, *SHAPE, dtype=torch.int32)
    places = {10: (3, 4, 5), 11: (7, 8, 9), 12: (9, 2, 3)}
    for number, place in places.items():
        labels[(0, *place)] = number
    label = MetaTensor(labels, affine=torch.eye(4), meta={"filename_or_obj": "discs.nii"})
    with pytest.warns(InputWarning, match=r"discs\.nii: labels 10, 11, 12 are too small .* one voxel is kept of each"):
        warped = warp_label(shifted(label, 0.49), label)
    assert {number: int((warped == number).sum()) for number in places} == dict.fromkeys(places, 1)
    for number, place in places.items():
        found = (warped[0] == number).nonzero()[0]
        assert (found - torch.tensor(place)).abs().max() <= 1


def test_labels_of_a_coarser_fixed_image_are_kept():
    labels = torch.zeros(1, *SHAPE, dtype=torch.int32)
    labels[0, 5, 6, 7] = 3
    label = MetaTensor(labels, affine=torch.eye(4))
    with pytest.warns(InputWarning, match="label 3 is too small"):
        assert 3 in warp_label(shifted(label, 0.0, fixed_spacing=2.0), label)


def test_labels_that_leave_the_fixed_image_are_named():
    labels = torch.zeros(1, *SHAPE, dtype=torch.int32)
    labels[0, 0, 0, 0] = 4
    label = MetaTensor(labels, affine=torch.eye(4))
    with pytest.warns(InputWarning, match="label map: label 4 is not in the result"):
        assert warp_label(shifted(label, 6.0), label).max() == 0


@pytest.mark.parametrize("number", [2**24 + 1, 614454277, 2**33 + 1])
def test_large_numbers_stay_exact_through_the_files(number, tmp_path):
    labels = np.zeros(SHAPE, np.int64)
    labels[2:8, 2:8, 2:8] = number
    nib.save(nib.Nifti1Image(labels, np.eye(4), dtype=np.int64), tmp_path / "atlas.nii")
    image = MetaTensor(torch.rand(1, *SHAPE), affine=torch.eye(4))
    registration = shifted(image, 1.0)
    given = Annotations(moving_label=str(tmp_path / "atlas.nii"), fixed_label=str(tmp_path / "atlas.nii"))
    metrics = registration.save(tmp_path / "out", given, report=False)
    written = np.asarray(nib.load(tmp_path / "out" / "warped_label.nii.gz").dataobj)
    assert np.unique(written).tolist() == [0, number]
    assert list(metrics["overlap"]["after"]["per_label"]) == [str(number)]
    for image in (tmp_path / "atlas.nii", MetaTensor(torch.from_numpy(labels)[None], affine=torch.eye(4))):
        assert registration.warp(image, mode="nearest").unique().tolist() == [0, number]


def test_dice_of_large_numbers_needs_no_table_of_them():
    first = torch.tensor([0, 2**40, 2**40, 7])
    assert label_dice(first, torch.tensor([0, 2**40, 7, 7]))["per_label"] == {
        "7": pytest.approx(2 / 3),
        str(2**40): pytest.approx(2 / 3),
    }
