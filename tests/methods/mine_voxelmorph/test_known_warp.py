"""Known warps: as large as asked for, invertible, exact, and the same for the same seed."""

import pytest
import torch

from common.fields.ddf import compose
from common.fields.jacobian import jacobian_determinant
from common.methods.mine_voxelmorph.known_warp import WarpSize, known_warp

MASK = torch.zeros(48, 48, 40, dtype=torch.bool)
MASK[6:-6, 6:-6, 6:-6] = True


def draw(seed=0, size=None, mask=MASK):
    return known_warp(mask, 2.0, size or WarpSize(), torch.Generator().manual_seed(seed))


def test_mean_and_largest_displacement_in_the_mask():
    lengths_mm = 2 * draw()[0].norm(dim=1)[0][MASK]
    assert lengths_mm.mean().item() == pytest.approx(4.0, rel=0.05)
    assert lengths_mm.max() <= 12.0


def test_both_directions_keep_their_orientation():
    assert all(jacobian_determinant(ddf).min() > 0.1 for ddf in draw())


def test_second_field_is_the_inverse_of_the_first():
    ddf, inverse = draw()
    for rest in (compose(ddf, inverse), compose(inverse, ddf)):
        assert 2 * rest.norm(dim=1)[0][MASK].mean() < 0.1  # mm


def test_same_seed_same_warp_other_seed_another():
    assert torch.equal(draw(1)[0], draw(1)[0])
    assert not torch.allclose(draw(1)[0], draw(2)[0], atol=0.1)


def test_empty_mask_is_refused():
    with pytest.raises(ValueError, match="mask: expected some voxels"):
        draw(mask=torch.zeros(16, 16, 16, dtype=torch.bool))


def test_maximum_that_no_draw_keeps_is_refused():
    with pytest.raises(ValueError, match=r"no warp of mean 4.0 mm stays below 4.1 mm"):
        draw(size=WarpSize(4.0, 4.1))


@pytest.mark.parametrize("numbers", [(0.0, 12.0), (4.0, 3.0)])
def test_impossible_sizes_are_refused(numbers):
    with pytest.raises(ValueError, match="expected 0 < mean_mm ≤ max_mm"):
        WarpSize(*numbers)
