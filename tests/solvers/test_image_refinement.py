"""A search on the images makes a field better and folds nothing."""

import pytest
import torch
from torch.nn import functional

from common.fields.ddf import warp
from common.fields.jacobian import jacobian_determinant
from common.losses.similarity import dissimilarity
from common.solvers.image_refinement import ImageRefinement

SHIFT = 2


@pytest.fixture
def image(generator):
    """A smooth image, and the same two voxels along the first axis."""
    noise = functional.interpolate(torch.rand(1, 1, 8, 8, 8, generator=generator), (34, 32, 32), mode="trilinear")
    return torch.cat([noise[:, :, SHIFT:], noise[:, :, :-SHIFT]], dim=1)


@pytest.mark.parametrize("coarse", [False, True])
@pytest.mark.parametrize("similarity", ["lncc", "mse"])
def test_the_rest_of_a_shift_is_found(image, similarity, coarse):
    start = torch.zeros(1, 3, 32, 32, 32)
    start[:, 0] = SHIFT / 2
    search = ImageRefinement(
        25, similarity, weight=0.01, learning_rate=0.2, control_spacing=3, shrink=1, coarse_integration=coarse
    )
    ddf = search(start, image)
    inner = ddf[0, :, 8:-8, 8:-8, 8:-8].mean(dim=(1, 2, 3))
    assert inner.tolist() == pytest.approx([SHIFT, 0, 0], abs=0.3)
    assert jacobian_determinant(ddf).min() > 0


def test_similarity_falls_and_the_weight_holds_it_back(image):
    compare, start = dissimilarity("lncc"), torch.zeros(1, 3, 32, 32, 32)
    fixed, moving = image[:, :1], image[:, 1:]
    free, held = (
        compare(warp(moving, ImageRefinement(10, "lncc", weight, 0.4, 3, 1)(start, image)), fixed).item()
        for weight in (0.0, 100.0)
    )
    assert free < held < compare(moving, fixed).item() + 1e-6


@pytest.mark.parametrize("coarse", [False, True])
def test_a_fixed_border_stays_where_it_was(image, coarse):
    start = torch.full((1, 3, 32, 32, 32), 0.5)
    free, still = (
        ImageRefinement(10, "mse", 0.01, 0.2, 3, 1, coarse_integration=coarse, fixed_border=fixed)(start, image)
        for fixed in (False, True)
    )
    for axis in range(2, 5):
        for face in (0, -1):
            assert torch.allclose(still.select(axis, face), start.select(axis, face), atol=1e-5)
    assert (free - start)[:, :, 0].abs().max() > 0.1
    assert (still - start).abs().max() > 0.1


def test_a_negative_weight_is_refused():
    with pytest.raises(ValueError, match=r"refinement_weight ≥ 0 .* got 10, -1 and 2"):
        ImageRefinement(weight=-1)
