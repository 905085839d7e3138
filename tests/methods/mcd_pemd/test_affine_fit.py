import torch

from common.methods.mcd_pemd.affine_fit import affine_field, fit_affine

AFFINE = torch.tensor([[0.1, 0.02, 0.0, 5.0], [-0.03, -0.05, 0.01, -7.0]])


def votes(generator, count=200):
    points = 100 * torch.rand(count, 3, generator=generator)
    return points, affine_field(AFFINE, points).mT.contiguous()


def test_votes_of_an_affine_map_give_that_map(generator):
    points, displacement = votes(generator)
    found = fit_affine(points, displacement, torch.rand(len(points), generator=generator))
    torch.testing.assert_close(affine_field(found, points).mT, displacement, atol=1e-3, rtol=0)


def test_votes_without_weight_do_not_count(generator):
    points, displacement = votes(generator)
    wrong = torch.arange(len(points)) % 2 == 0
    found = fit_affine(points, torch.where(wrong[:, None], 1e3, displacement), (~wrong).float())
    torch.testing.assert_close(affine_field(found, points).mT, displacement, atol=1e-3, rtol=0)


def test_a_tenth_of_wrong_classes_moves_the_map_by_less_than_a_voxel(generator):
    points, displacement = votes(generator)
    wrong = torch.arange(len(points)) % 10 == 0
    found = fit_affine(points, displacement + 38.0 * wrong[:, None], torch.ones(len(points)))
    assert (affine_field(found, points).mT - displacement).norm(dim=1).max() < 1.0


def test_no_weight_at_all_gives_no_displacement(generator):
    points, displacement = votes(generator)
    assert fit_affine(points, displacement, torch.zeros(len(points))).abs().max() == 0
