"""From tissue fractions to contrasts."""

import pytest
import torch

from common.data.sample.contrast import TISSUE_MEANS, render_contrast


def tissues():
    """Cerebrospinal fluid, grey and white matter and background in the four quarters of a volume."""
    fractions = torch.zeros(3, 8, 8, 8)
    for number, quarter in enumerate((slice(0, 2), slice(2, 4), slice(4, 6))):
        fractions[number, quarter] = 1
    return fractions


@pytest.mark.parametrize("contrast", ["T1", "T2", "FLAIR"])
def test_without_artifacts_every_tissue_has_its_mean(contrast, generator):
    image = render_contrast(tissues(), contrast, generator, artifacts=0)
    assert image[0, ::2, 0, 0].tolist() == [*TISSUE_MEANS[contrast], 0]


def test_values_are_whole_numbers_of_a_byte_and_the_background_is_empty(generator):
    image = render_contrast(tissues(), "T2", generator)
    assert torch.equal(image, image.to(torch.uint8).float())
    assert not image[:, 6:].any()


def test_the_generator_decides_noise(generator):
    first = render_contrast(tissues(), "T1", torch.Generator().manual_seed(0))
    assert torch.equal(first, render_contrast(tissues(), "T1", torch.Generator().manual_seed(0)))
    assert not torch.equal(first, render_contrast(tissues(), "T1", torch.Generator().manual_seed(1)))


def test_an_unknown_contrast_is_refused(generator):
    with pytest.raises(ValueError, match="contrast: expected one of T1, T2, FLAIR, got 'CT'"):
        render_contrast(tissues(), "CT", generator)
