import pytest
import torch
from torch.testing import assert_close

from common.fields.ddf import resize


def test_resize_has_the_requested_shape():
    assert resize(torch.zeros(2, 3, 4, 5, 6), [7, 8, 9]).shape == (2, 3, 7, 8, 9)


@pytest.mark.parametrize("shape", [(5, 6), (5, 6, 7)])
def test_resize_to_the_same_shape_is_the_identity(shape, smooth_ddf, generator):
    ddf = smooth_ddf(shape, 1.0, generator)
    assert_close(resize(ddf, list(shape)), ddf)


def test_resize_rescales_each_component_by_its_own_axis():
    ddf = torch.ones(1, 3, 3, 5, 6)
    assert resize(ddf, [5, 3, 6])[0, :, 0, 0, 0].tolist() == [2.0, 0.5, 1.0]


@pytest.mark.parametrize(("old", "new"), [((7, 9), (13, 17)), ((13, 9), (7, 5)), ((5, 7, 9), (9, 13, 5))])
def test_resize_keeps_an_affine_map(old, new, linear_ddf):
    matrix = torch.diag(torch.tensor([1.2, 0.9, 1.1], dtype=torch.float64)[: len(old)])
    assert_close(resize(linear_ddf(old, matrix), list(new)), linear_ddf(new, matrix))


def test_resize_and_back_returns_the_field_on_a_refined_grid(smooth_ddf, generator):
    ddf = smooth_ddf((5, 6, 7), 1.0, generator)
    assert_close(resize(resize(ddf, [9, 11, 13]), [5, 6, 7]), ddf)


def test_resize_keeps_displacements_along_an_axis_of_one_voxel():
    assert resize(torch.ones(1, 3, 1, 3, 3), [4, 3, 3])[0, 0].unique().tolist() == [1.0]


def test_resize_gradient_in_the_field(smooth_ddf, generator):
    ddf = smooth_ddf((3, 4), 1.0, generator).requires_grad_()
    assert torch.autograd.gradcheck(lambda u: resize(u, [5, 3]), ddf)


def test_resize_names_expected_and_received_number_of_axes():
    with pytest.raises(ValueError, match=r"expected 3 entries in spatial_shape, got \[4, 4\]"):
        resize(torch.zeros(1, 3, 4, 4, 4), [4, 4])
