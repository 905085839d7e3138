"""Which images resemble another, and how labels are fused."""

import nibabel as nib
import numpy as np
import pytest
import torch

from apps.monailabel.atlas import fuse, likeness, local_similarity, majority, nearest
from common.data.volume import input_image


def test_nearest_finds_the_far_copy_of_another_contrast_before_another_image_before_a_larger_one(store):
    image = nib.load(store.folder / "a.nii.gz").get_fdata(dtype=np.float32)
    candidates = {
        "larger": (np.tile(image, (3, 3, 3)), np.eye(4)),
        "shifted": (200 - image, np.array([[1.0, 0, 0, 90], [0, 1, 0, 0], [0, 0, 1, 0], [0, 0, 0, 1]])),
    }
    files = {"other": store.folder / "c.nii.gz"}
    for name, (volume, affine) in candidates.items():
        files[name] = store.folder / f"{name}.nii.gz"
        nib.save(nib.Nifti1Image(volume, affine), files[name])
    assert nearest(store.folder / "a.nii.gz", files, 2) == ["shifted", "other"]
    assert nearest(store.folder / "a.nii.gz", files, 5)[-1] == "larger"


def test_likeness_of_an_image_with_itself_is_the_largest(store):
    images = {name: input_image(store.folder / f"{name}.nii.gz") for name in "abcd"}
    for name, image in images.items():
        scores = {other: likeness(image, images[other]) for other in images}
        assert max(scores, key=scores.get) == name
        assert 0 <= min(scores.values()) <= max(scores.values()) <= 1


def maps(*values):
    return [torch.tensor([value]).view(1, 1, 1, -1).float() for value in values]


@pytest.mark.parametrize(
    ("votes", "winner"), [((1, 2, 2), 2), ((2, 1, 0), 2), ((0, 1, 2), 0), ((3, 0, 0, 3, 1), 3), ((1, 0, 0, 0, 1), 0)]
)
def test_majority_decides_and_the_first_map_breaks_ties(votes, winner):
    assert fuse(maps(*([vote] for vote in votes)), majority(len(votes))).item() == winner


def test_weights_of_a_voxel_decide_there_alone():
    labels = maps([1, 1], [2, 2], [2, 2])
    weights = maps([3, 1], [1, 1], [1, 1])
    assert fuse(labels, weights).flatten().tolist() == [1, 2]


def test_local_similarity_is_one_under_a_change_of_contrast_and_small_where_images_differ(generator):
    image = torch.rand(1, 12, 12, 12, generator=generator)
    other = 5 - 3 * image
    other[:, 6:] = torch.rand(1, 6, 12, 12, generator=generator)
    found = local_similarity(image, other)
    assert found[:, :4].min() > 0.999
    assert found[:, 8:].mean() < 0.1
    assert local_similarity(image, torch.ones_like(image)).max() <= 1e-3 + 1e-6
