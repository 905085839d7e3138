import numpy as np
import pytest
import torch

from common.losses.mind import mind_ssc

NEIGHBORS_2D = [(-2, 0), (2, 0), (0, -2), (0, 2)]


def noise(generator, *shape):
    return torch.rand(*shape, generator=generator, dtype=torch.float64)


def naive_mind_2d(image):
    """Definition voxel by voxel with radius 1 and dilation 2, coordinates clamped to the image."""
    height, width = image.shape
    at = lambda y, x: image[min(max(y, 0), height - 1), min(max(x, 0), width - 1)]  # noqa: E731
    pairs = [(a, b) for a in NEIGHBORS_2D[:2] for b in NEIGHBORS_2D[2:]]
    squares = np.array(
        [
            [[(at(y + a[0], x + a[1]) - at(y + b[0], x + b[1])) ** 2 for x in range(width)] for y in range(height)]
            for a, b in pairs
        ]
    )
    padded = np.pad(squares, ((0, 0), (1, 1), (1, 1)), mode="edge")
    box = sum(padded[:, i : i + height, j : j + width] for i in range(3) for j in range(3))
    distance = box - box.min(0)
    variance = distance.mean(0)
    return np.exp(-distance / variance.clip(0.001 * variance.mean(), 1000 * variance.mean()))


@pytest.mark.parametrize(("spatial_shape", "channels"), [((9, 8), 4), ((7, 8, 9), 12)])
def test_has_one_channel_per_pair_of_neighbors_along_two_axes(spatial_shape, channels, generator):
    assert mind_ssc(noise(generator, 2, 1, *spatial_shape)).shape == (2, channels, *spatial_shape)


def test_equals_the_definition_pixel_by_pixel(generator):
    image = noise(generator, 1, 1, 8, 9)
    expected = torch.from_numpy(naive_mind_2d(image[0, 0].numpy()))
    torch.testing.assert_close(mind_ssc(image)[0], expected)


def test_permuted_axes_permute_the_channels(generator):
    image = noise(generator, 1, 1, 7, 8, 9)
    expected = mind_ssc(image).sort(dim=1).values.permute(0, 1, 4, 2, 3)
    torch.testing.assert_close(mind_ssc(image.permute(0, 1, 4, 2, 3)).sort(dim=1).values, expected)


def test_lies_in_the_unit_interval_and_reaches_one_in_every_voxel(generator):
    descriptor = mind_ssc(noise(generator, 1, 1, 8, 8, 8))
    assert descriptor.min() > 0
    torch.testing.assert_close(descriptor.amax(dim=1), torch.ones(1, 8, 8, 8, dtype=torch.float64))


@pytest.mark.parametrize(("factor", "shift"), [(-1, 0), (-3, 5), (0.01, 100)])
def test_inverted_scaled_and_shifted_contrast_has_the_same_descriptor(factor, shift, generator):
    image = noise(generator, 1, 1, 8, 8, 8)
    torch.testing.assert_close(mind_ssc(factor * image + shift), mind_ssc(image), atol=1e-6, rtol=0)


def test_descriptor_moves_with_the_image(generator):
    image = noise(generator, 1, 1, 30, 20)
    shifted = mind_ssc(image.roll(3, 2))[:, :, 8:-8]
    ratio = (shifted.log() / mind_ssc(image).roll(3, 2)[:, :, 8:-8].log()).nan_to_num(1.0)
    torch.testing.assert_close(ratio[:, :, :, 4:-4], torch.ones_like(ratio[:, :, :, 4:-4]), atol=1e-6, rtol=0)


def test_images_of_a_batch_do_not_touch_each_other(generator):
    image = noise(generator, 2, 1, 8, 8) * torch.tensor([1.0, 1e4]).view(2, 1, 1, 1)
    torch.testing.assert_close(mind_ssc(image)[:1], mind_ssc(image[:1]))


def test_constant_image_has_the_descriptor_one():
    assert mind_ssc(torch.full((1, 1, 6, 6), 7.0)).unique().tolist() == [1.0]


def test_scripted_function_gives_the_same(generator):
    scripted = torch.jit.script(mind_ssc)
    for shape in ((1, 1, 8, 9), (1, 1, 7, 8, 9)):
        image = noise(generator, *shape)
        torch.testing.assert_close(scripted(image, 2, 1), mind_ssc(image, 2, 1))


def test_gradient_is_the_numerical_one(generator):
    image = noise(generator, 1, 1, 5, 5).requires_grad_()
    assert torch.autograd.gradcheck(lambda x: mind_ssc(x, 1, 1), image)


@pytest.mark.parametrize("shape", [(1, 2, 8, 8), (1, 8, 8), (1, 1, 4, 4, 4, 4)])
def test_other_shapes_are_refused(shape):
    with pytest.raises(ValueError, match="expected an image of shape"):
        mind_ssc(torch.zeros(shape))
