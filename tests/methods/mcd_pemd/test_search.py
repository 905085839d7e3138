import math

import pytest
import torch
from monai.networks.layers import GaussianFilter

from common.data.splits import select_subjects
from common.methods.mcd_pemd.domains import DirectionPairs, Domains, contrast_volumes
from common.methods.mcd_pemd.patches import PatchSource, Sampling, class_offsets, patch_lattice
from common.methods.mcd_pemd.scores import accuracy
from common.methods.mcd_pemd.search import (
    PatchSearch,
    UniformGuess,
    cross_correlation,
    mutual_information,
    search_displacement,
)


def patch_pairs(generator, contrast=1.0):
    """One pair of every class, cut from a smooth texture; `contrast` −1 inverts the moving patches."""
    texture = GaussianFilter(2, 3.0)(torch.rand(1, 1, 170, 170, generator=generator))[0, ..., None] + 1
    lattice = patch_lattice() + torch.tensor([84.5, 84.5, 0.0])
    halves = torch.nn.functional.pad(class_offsets() / 2, (0, 1))[:, None, None]
    fixed = PatchSource([texture], "patch").read(0, lattice - halves)
    return torch.stack([fixed, contrast * PatchSource([texture], "patch").read(0, lattice + halves)], dim=1)


@pytest.mark.parametrize(("spatial_dims", "size", "num_classes"), [(2, 39, 25), (3, 22, 125)])
def test_scores_every_class(spatial_dims, size, num_classes, generator):
    image = torch.rand(2, 2, *[size] * spatial_dims, generator=generator)
    assert search_displacement(image, "ncc").shape == (2, num_classes)


@pytest.mark.parametrize("similarity", ["ncc", "mi", "mind"])
def test_finds_the_displacement_of_every_class(similarity, generator):
    assert search_displacement(patch_pairs(generator), similarity).argmax(dim=1).tolist() == list(range(25))


@pytest.mark.parametrize("similarity", ["mi", "mind"])
def test_finds_it_in_an_inverted_contrast(similarity, generator):
    assert search_displacement(patch_pairs(generator, -1.0), similarity).argmax(dim=1).tolist() == list(range(25))


def test_signed_cross_correlation_does_not(generator):
    assert accuracy(search_displacement(patch_pairs(generator, -1.0), "ncc"), torch.arange(25)) < 0.1


def test_cross_correlation_is_that_of_the_overlap(generator):
    image = torch.rand(1, 2, 39, 39, generator=generator)
    fixed, moving = image[0, 0, 19:, :20].flatten(), image[0, 1, :20, 19:].flatten()
    expected = torch.corrcoef(torch.stack([fixed, moving]))[0, 1]
    torch.testing.assert_close(search_displacement(image, "ncc")[0, 20], expected)  # class 20: offset (38, −38)


def test_correlation_of_a_constant_patch_is_zero():
    assert cross_correlation(torch.ones(1, 1, 9), torch.rand(1, 1, 9)).item() == 0


def test_mutual_information_of_a_copy_is_its_entropy():
    """Four equally frequent values on bin centers: log 4 less the bias (4 − 4 − 4 + 1)/2N = −3/8000."""
    values = (torch.tensor([0.0, 5.0, 10.0, 15.0]) / 15).repeat(1000).view(1, 1, -1)
    assert mutual_information(values, values).item() == pytest.approx(math.log(4) + 3 / 8000, abs=1e-5)


@pytest.mark.parametrize(("num_samples", "tolerance"), [(400, 0.14), (1500, 0.02)])
def test_mutual_information_of_independent_values_is_almost_zero(num_samples, tolerance, generator):
    """Without the correction about (256 − 16 − 16 + 1)/2N: 0.28 for 400 samples, 0.075 for 1500."""
    values = torch.randint(0, 16, (2, 40, 1, num_samples), generator=generator) / 15
    assert mutual_information(*values).mean().abs() < tolerance


def test_module_is_the_function(generator):
    image = torch.rand(2, 2, 39, 39, generator=generator)
    torch.testing.assert_close(PatchSearch("mind")(image), search_displacement(image, "mind"))
    assert not list(PatchSearch().parameters())


@pytest.mark.data
@pytest.mark.parametrize(("similarity", "low", "high"), [("ncc", 0.1, 0.3), ("mi", 0.5, 0.7), ("mind", 0.75, 0.95)])
def test_accuracy_across_the_contrasts_of_held_out_heads(similarity, low, high, registration_data):
    subjects = contrast_volumes(str(registration_data / "MultiContrastBrain"), ["T1", "T2"])
    pairs = DirectionPairs(
        select_subjects(subjects, ["ms26", "lgg6692"]), Domains(), 150, sampling=Sampling(margin=-31)
    ).parts[3]
    items = pairs.__getitems__(range(150))
    scores = search_displacement(torch.stack([item["image"] for item in items]), similarity)
    assert low < accuracy(scores, torch.tensor([item["label"] for item in items])) < high


def test_another_similarity_is_refused():
    with pytest.raises(ValueError, match="similarity: expected one of ncc, mi, mind; got 'ssd'"):
        PatchSearch("ssd")


def test_something_else_than_a_pair_is_refused():
    with pytest.raises(ValueError, match="expected patch pairs"):
        search_displacement(torch.zeros(1, 1, 39, 39), "mi")


def test_guessing_is_right_in_one_of_25_and_depends_on_the_seed_only():
    image, label = torch.zeros(5000, 2, 39, 39), torch.arange(5000) % 25
    guess = UniformGuess(seed=1)(image)
    assert torch.equal(guess, UniformGuess(seed=1)(torch.ones(5000, 2, 39, 39)))
    right = (guess.argmax(dim=1) == label).float().mean().item()
    assert abs(right - 1 / 25) < 4 * (0.04 * 0.96 / 5000) ** 0.5  # four standard deviations
