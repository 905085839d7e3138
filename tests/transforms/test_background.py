import torch

from common.transforms.intensity import subtract_background


def head(level, generator):
    volume = torch.full((1, 12, 12, 12), float(level))
    volume[:, 3:9, 3:9, 3:9] = 100 + 50 * torch.rand(1, 6, 6, 6, generator=generator)
    return volume


def test_image_whose_background_is_zero_stays_as_it_is(generator):
    volume = head(0, generator)
    torch.testing.assert_close(subtract_background(volume), volume)


def test_background_of_another_level_becomes_zero_and_differences_stay(generator):
    volume = head(-1000, generator)
    shifted = subtract_background(volume)
    assert (shifted != 0).float().mean() == 6**3 / 12**3
    torch.testing.assert_close(shifted, volume + 1000)


def test_noise_of_the_background_becomes_zero(generator):
    volume = head(7, generator)
    noisy = torch.where(volume == 7, volume + torch.rand(volume.shape, generator=generator), volume)
    assert torch.equal(subtract_background(noisy) != 0, volume != 7)


def test_an_object_that_touches_some_faces_is_not_taken_for_background(generator):
    volume = head(5, generator)
    volume[:, :, :, 0] = 120
    assert (subtract_background(volume)[:, :, :, 0] > 100).all()


def test_applying_it_twice_changes_nothing(generator):
    once = subtract_background(head(7, generator))
    torch.testing.assert_close(subtract_background(once), once)
