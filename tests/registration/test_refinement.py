import pytest
import torch
from monai.data import MetaTensor

from common.registration.levels import level_grids
from common.registration.steps import Refinement, refine
from common.world.grid import Grid
from common.world.resample import resample

AFFINE = torch.diag(torch.tensor([-2.0, 2.0, 2.0, 1.0]))


def blobs(shift=(0.0, 0.0, 0.0), invert=False):
    """Some Gaussian blobs, moved by millimeters."""
    grid = Grid((24, 26, 22), AFFINE)
    index = torch.stack(torch.meshgrid(*map(torch.arange, grid.spatial_shape), indexing="ij"), dim=-1)
    world = grid.voxel_to_world(index) - torch.tensor(shift)
    centers = torch.tensor([[-24.0, 20, 18], [-14, 34, 26], [-34, 30, 30], [-22, 30, 12]], dtype=torch.float64)
    image = sum(torch.exp(-(world - center).square().sum(dim=-1) / 60) for center in centers)[None].float()
    return MetaTensor(1 - image if invert else image, affine=AFFINE)


def mean_shift(field_mm):
    """Displacement where the tissue is."""
    weight = blobs().as_tensor()
    return ((field_mm * weight).sum(dim=(1, 2, 3)) / weight.sum()).tolist()


@pytest.mark.parametrize(("similarity", "velocity"), [("lncc", True), ("lncc", False), ("mind", False), ("mse", False)])
def test_a_shift_is_found_in_world_millimeters(similarity, velocity):
    settings = Refinement(25, similarity, weight=0.05, num_levels=2, velocity=velocity)
    field_mm = refine(blobs(), blobs((3.0, -2.0, 1.0)), None, settings)
    assert mean_shift(field_mm) == pytest.approx([3.0, -2.0, 1.0], abs=0.9)


def test_an_inverted_contrast_needs_a_similarity_that_allows_it():
    errors = {}
    for similarity in ("mind", "mse"):
        settings = Refinement(25, similarity, weight=0.05, num_levels=2)
        field_mm = refine(blobs(), blobs((3.0, 0.0, 0.0), invert=True), None, settings)
        errors[similarity] = abs(mean_shift(field_mm)[0] - 3.0)
    assert errors["mind"] < 0.9 < errors["mse"]


def test_it_starts_from_the_field_it_gets_even_where_that_is_large():
    far = MetaTensor(blobs().as_tensor(), affine=AFFINE.clone())
    far.affine[0, 3] += 300.0
    start = torch.zeros(3, *blobs().shape[1:])
    start[0], start[1] = 300.0, 1.0
    field_mm = refine(blobs(), far, start, Refinement(15, weight=0.05, num_levels=1))
    assert mean_shift(field_mm) == pytest.approx([300.0, 0.0, 0.0], abs=0.5)


def test_the_result_lies_on_the_fixed_grid_whatever_the_levels_are():
    fine = resample(
        blobs(), Grid.from_image(blobs()), Grid((48, 30, 22), AFFINE @ torch.diag(torch.tensor([0.5, 1, 1, 1])))
    )
    fixed = MetaTensor(fine, affine=AFFINE @ torch.diag(torch.tensor([0.5, 1.0, 1.0, 1.0])))
    assert refine(fixed, blobs(), None, Refinement(1, spacing_mm=3.0)).shape == (3, 48, 30, 22)


def test_levels_halve_and_stay_below_three_million_voxels():
    grids = level_grids(Grid((512, 512, 600), torch.diag(torch.tensor([0.7, 0.7, 0.7, 1.0]))))
    sizes = [torch.tensor(grid.spatial_shape).prod().item() for grid in grids]
    assert len(grids) == 3
    assert 2.5e6 < sizes[-1] < 3.2e6
    assert sizes[-1] / sizes[-2] == pytest.approx(8, rel=0.1)


def test_three_slices_have_one_level():
    assert len(level_grids(Grid((64, 64, 3), torch.eye(4)))) == 1


@pytest.mark.parametrize(
    "wrong", [{"similarity": "ncc"}, {"regularization": "tv"}, {"num_levels": 0}, {"weight": -1.0}]
)
def test_wrong_settings_are_refused_before_any_work(wrong):
    with pytest.raises(ValueError, match="expected"):
        Refinement(**wrong)
