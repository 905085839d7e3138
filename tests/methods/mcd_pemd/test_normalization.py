import pytest
import torch

from common.methods.mcd_pemd.normalization import normalize_patch, normalize_volume, volume_statistics


def test_statistics_ignore_the_background():
    assert volume_statistics(torch.tensor([0.0, 0.0, 1.0, 3.0])) == (2.0, pytest.approx(2**0.5))


def test_a_volume_normalized_by_its_statistics_has_mean_zero_and_unit_variance(generator):
    volume = 50 * torch.rand(1000, generator=generator) + 7
    normalized = normalize_volume(volume, *volume_statistics(volume))
    assert normalized.mean().item() == pytest.approx(0, abs=1e-5)
    assert normalized.std().item() == pytest.approx(1, abs=1e-5)


def test_each_patch_gets_its_own_statistics(generator):
    patches = torch.rand(3, 8, 8, generator=generator) * torch.tensor([1.0, 10.0, 100.0]).view(3, 1, 1)
    normalized = normalize_patch(patches)
    torch.testing.assert_close(normalized.mean(dim=(1, 2)), torch.zeros(3), atol=1e-5, rtol=0)
    torch.testing.assert_close(normalized.square().mean(dim=(1, 2)), torch.ones(3), atol=1e-3, rtol=0)


def test_a_constant_volume_is_refused():
    with pytest.raises(ValueError, match="constant"):
        volume_statistics(torch.full((4, 4), 5.0))
