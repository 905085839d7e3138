import pytest
import torch
from monai.data import MetaTensor
from monai.transforms import GaussianSmooth

from common.registration.registrar import register
from common.registration.steps import DiscreteSearch, Refinement, search
from common.world.grid import Grid
from common.world.resample import resample

AFFINE = torch.diag(torch.tensor([-2.0, 2.0, 2.0, 1.0]))
SHAPE = (32, 36, 28)


def texture(sigma=1.5):
    noise = torch.rand(1, *SHAPE, generator=torch.Generator().manual_seed(0))
    return MetaTensor(torch.as_tensor(GaussianSmooth(sigma)(noise)), affine=AFFINE)


def moved(image, shift_mm):
    """The image seen from a world that is shifted: fixed(x) = moved(x + shift)."""
    affine = AFFINE.clone()
    affine[:3, 3] -= torch.tensor(shift_mm)
    volume = resample(image.as_tensor(), Grid.from_image(image), Grid(SHAPE, affine), background=None)
    return MetaTensor(volume, affine=AFFINE)


def middle(field_mm):
    return field_mm[:, 10:-10, 10:-10, 10:-10].mean(dim=(1, 2, 3)).tolist()


@pytest.mark.parametrize("shift", [(8.0, 0.0, 0.0), (0.0, -4.0, 8.0)])
def test_a_shift_of_whole_cells_is_found(shift):
    field_mm = search(texture(), moved(texture(), shift), None, DiscreteSearch(1))
    assert middle(field_mm) == pytest.approx(shift, abs=0.3)


def test_a_coarser_level_reaches_farther():
    fixed, moving = texture(3.0), moved(texture(3.0), (12.0, 0.0, 0.0))
    fine, both = (middle(search(fixed, moving, None, DiscreteSearch(1, levels)))[0] for levels in (1, 2))
    assert fine < 9
    assert both == pytest.approx(12.0, abs=0.5)


def test_an_inverted_contrast_is_no_hindrance():
    inverted = MetaTensor(1 - moved(texture(), (4.0, 0.0, -4.0)).as_tensor(), affine=AFFINE)
    assert middle(search(texture(), inverted, None, DiscreteSearch(1))) == pytest.approx([4.0, 0.0, -4.0], abs=0.3)


def test_it_starts_from_the_field_it_gets():
    start = torch.zeros(3, *SHAPE)
    start[0] = 14.0
    field_mm = search(texture(), moved(texture(), (18.0, 0.0, 0.0)), start, DiscreteSearch(1))
    assert middle(field_mm) == pytest.approx([18.0, 0.0, 0.0], abs=0.4)


def test_a_refinement_alone_stays_in_a_near_minimum_and_after_a_search_it_does_not():
    fixed, moving = texture(), moved(texture(), (8.0, 8.0, 0.0))
    settings = Refinement(15, num_levels=1)
    found = [middle(register(fixed, moving, search=passes, refine=settings).field.as_tensor())[0] for passes in (0, 1)]
    assert found[0] < 4.0
    assert found[1] == pytest.approx(8.0, abs=1.0)


@pytest.mark.parametrize("wrong", [{"num_passes": 0}, {"num_levels": 0}, {"radius": 0}, {"spacing_mm": -1.0}])
def test_wrong_settings_are_refused_before_any_work(wrong):
    with pytest.raises(ValueError, match="search: expected"):
        DiscreteSearch(**wrong)


def test_images_of_too_few_cells_are_refused():
    slices = MetaTensor(torch.rand(1, 32, 32, 3), affine=torch.eye(4))
    with pytest.raises(ValueError, match="search radius from 0 to 0 cells"):
        search(slices, slices, None, DiscreteSearch())
