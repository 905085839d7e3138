"""Whether two images show one contrast, and the similarity that follows."""

import math

import pytest
import torch
from monai.data import MetaTensor

from common.registration.contrast import Contrast, agreement, contrast_of
from common.registration.small_pair import SmallPair, small_grid
from common.world.alignment import aligned
from common.world.grid import Grid


def head(shape=(28, 32, 26)):
    """A bright ellipsoid with waves in it, on a dark background."""
    axes = [torch.linspace(-1, 1, size) for size in shape]
    x, y, z = torch.meshgrid(*axes, indexing="ij")
    inside = (x**2 + y**2 + z**2 < 0.8).float()
    waves = torch.sin(7 * x + 2 * y) + torch.sin(6 * y - z) + torch.cos(8 * z + x)
    return MetaTensor(100 * (inside * (4 + waves))[None], affine=torch.diag(torch.tensor([2.0, 2.0, 2.0, 1.0])))


def inverted(image):
    """Another contrast of the same head: what is bright in it gets dark, and the background stays dark."""
    volume = image.as_tensor()
    return MetaTensor(torch.where(volume > 0, 800 - volume, 0), affine=image.affine)


def moved(image, x_mm):
    matrix = torch.eye(4, dtype=torch.float64)
    matrix[0, 3] = x_mm
    return aligned(image, matrix)


@pytest.mark.parametrize("shift_mm", [0.0, 6.0])
def test_one_contrast_is_told_from_two_wherever_the_alignment_left_the_images(shift_mm):
    fixed = head()
    assert contrast_of(fixed, moved(fixed, shift_mm)).similarity == "lncc"
    assert contrast_of(fixed, moved(inverted(fixed), shift_mm)).similarity == "mind"


def test_scale_and_offset_of_the_intensities_do_not_change_the_agreement():
    fixed = head()
    other = MetaTensor(3 * fixed.as_tensor() - 1024, affine=fixed.affine)
    assert agreement(SmallPair.read(fixed, other)) == pytest.approx(agreement(SmallPair.read(fixed, fixed)), abs=1e-3)


def test_an_inverted_contrast_agrees_nowhere():
    fixed = head()
    assert agreement(SmallPair.read(fixed, inverted(fixed))) == pytest.approx(-1, abs=0.02)


def test_the_word_of_a_user_wins_and_the_reason_still_tells_what_the_images_show():
    chosen = contrast_of(head(), inverted(head()), "lncc")
    assert (chosen.similarity, chosen.chosen_by, chosen.is_one) == ("lncc", "user", False)
    assert "two contrasts" in chosen.reason
    assert chosen.doubts == ["similarity lncc: expected images of one contrast, got an agreement of -1.00"]


def test_images_with_nothing_in_common_get_the_similarity_that_fits_any_two():
    chosen = contrast_of(head(), moved(head(), 55.0))
    assert math.isnan(chosen.agreement)
    assert chosen.similarity == "mind"
    assert "too little in common" in chosen.reason


def test_facts_are_those_of_metrics_json():
    assert Contrast("lncc", "auto", "because", 1.0).facts == {
        "similarity": "lncc",
        "chosen_by": "auto",
        "reason": "because",
        "agreement": 1.0,
        "is_one": True,
    }


def test_the_small_grid_never_has_smaller_voxels_than_the_image():
    assert small_grid(Grid((20, 30, 10), torch.diag(torch.tensor([1.0, 1.0, 4.0, 1.0])))).spacing == (1.0, 1.0, 4.0)
