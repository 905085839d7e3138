import pytest
import torch

from common.training.figures import confusion_figure, diverging_colors, registration_figure

SIZE = 32
GAP = 2


def panels(figure, width=SIZE):
    """The six panels of one row."""
    return [figure[:, :, k * (width + GAP) : k * (width + GAP) + width] for k in range(6)]


def ramp():
    return torch.linspace(0, 1, SIZE).expand(1, SIZE, SIZE)


def test_picture_of_an_image_has_one_row_of_six():
    image = torch.rand(1, 20, 30)
    assert registration_figure(image, image, image, torch.zeros(2, 20, 30)).shape == (3, 20, 6 * 30 + 5 * GAP)


def test_picture_of_a_volume_has_a_row_per_axis():
    # slices across axis 0, 1, 2, turned so that the second axis points up: 14 × 12, 14 × 10, 12 × 10
    image = torch.rand(1, 10, 12, 14)
    figure = registration_figure(image, image, image, torch.zeros(3, 10, 12, 14))
    assert figure.shape == (3, 14 + 14 + 12 + 2 * GAP, 6 * 12 + 5 * GAP)


def test_picture_lies_between_0_and_1():
    image = 1000 * torch.randn(1, SIZE, SIZE)
    figure = registration_figure(image, -image, image.abs(), 20 * torch.randn(2, SIZE, SIZE))
    assert figure.min() >= 0
    assert figure.max() <= 1
    assert figure.dtype == torch.float32


def test_identity_shows_white_difference_and_white_jacobian():
    figure = registration_figure(ramp(), ramp(), ramp(), torch.zeros(2, SIZE, SIZE))
    fixed, moving, warped, difference, _, jacobian = panels(figure)
    assert torch.equal(fixed, moving)
    assert torch.equal(fixed, warped)
    assert (difference == 1).all()
    assert (jacobian == 1).all()


def test_brighter_warped_image_is_red():
    fixed, warped = ramp(), ramp().clone()
    fixed = fixed.clone()
    fixed[0, 8, 16], warped[0, 8, 16] = 0.0, 1.0
    difference = panels(registration_figure(fixed, ramp(), warped, torch.zeros(2, SIZE, SIZE)))[3]
    assert difference[:, 8, 16].tolist() == [1.0, 0.0, 0.0]


def test_grid_lines_follow_the_field():
    ddf = torch.zeros(2, SIZE, SIZE)
    ddf[1] = 3.0
    grid = panels(registration_figure(ramp(), ramp(), ramp(), ddf))[4][0]
    # lines where x₁ + 3 and x₀ are multiples of 8
    assert grid[4].nonzero().flatten().tolist() == [5, 13, 21, 29]
    assert grid[:, 4].nonzero().flatten().tolist() == [0, 8, 16, 24]


def test_grid_of_a_volume_leaves_out_the_lines_across_the_slice():
    # the middle slices of 16 voxels are planes of the grid themselves, 8 being a multiple of the step
    image = torch.rand(1, 16, 16, 16)
    grid = panels(registration_figure(image, image, image, torch.zeros(3, 16, 16, 16)), width=16)[4]
    assert grid[0, :16].mean() == pytest.approx(1 - (7 / 8) ** 2)


@pytest.mark.parametrize(("slope", "color"), [(1.0, [1, 0, 0]), (-0.5, [0, 0, 1]), (-2.0, [1, 1, 0])])
def test_jacobian_is_red_where_growing_blue_where_shrinking_yellow_where_folded(slope, color):
    ddf = torch.zeros(2, SIZE, SIZE)
    ddf[0] = slope * torch.arange(SIZE).view(-1, 1)
    jacobian = panels(registration_figure(ramp(), ramp(), ramp(), ddf))[5]
    assert jacobian[:, 16, 16].tolist() == color


def test_constant_image_is_drawn():
    image = torch.zeros(SIZE, SIZE)
    assert torch.isfinite(registration_figure(image, image, image, torch.zeros(2, SIZE, SIZE))).all()


def test_colors_between_the_ends_are_mixed():
    assert diverging_colors(torch.tensor([[0.5]])).flatten().tolist() == [1.0, 0.5, 0.5]


def test_perfect_confusion_is_bright_only_at_the_true_place():
    figure = confusion_figure(torch.eye(25) * 7, (5, 5), cell_pixels=6)
    assert figure.shape == (3, 5 * 30 + 4 * GAP, 5 * 30 + 4 * GAP)
    tile = figure[:, 64:94, 32:62]  # true place (2, 1): tiles of 30 pixels, 32 apart
    assert tile[:, 2 * 6 + 3, 1 * 6 + 3].tolist() == [1.0, 1.0, 1.0]
    assert tile[:, 2 * 6, 1 * 6].tolist() == [0.0, 1.0, 0.0]
    assert tile[:, 0, 0].tolist() == [0.0, 0.0, 0.0]


def test_rows_of_the_confusion_are_scaled_to_sum_1():
    figure = confusion_figure(torch.tensor([[3.0, 1.0], [0.0, 0.0]]), cell_pixels=4)
    assert figure[0, ::4, ::4].tolist() == [[0.75, 0.25], [0.0, 0.0]]


def test_other_grid_is_refused():
    image = torch.rand(1, 8, 8)
    with pytest.raises(ValueError, match=r"expected moving on the grid \(8, 8\) of the ddf, got \(8, 9\)"):
        registration_figure(image, torch.rand(1, 8, 9), image, torch.zeros(2, 8, 8))


def test_field_with_missing_component_is_refused():
    image = torch.rand(1, 8, 8, 8)
    with pytest.raises(ValueError, match=r"got \(2, 8, 8, 8\)"):
        registration_figure(image, image, image, torch.zeros(2, 8, 8, 8))


def test_grid_of_other_size_is_refused():
    with pytest.raises(ValueError, match="grid_shape of 25 places, got 5 × 4"):
        confusion_figure(torch.eye(25), (5, 4))
