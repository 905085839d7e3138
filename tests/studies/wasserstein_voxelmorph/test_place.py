import pytest
import torch

from common.losses.wasserstein.sliced import SlicedWassersteinLoss


@pytest.fixture(scope="module")
def study(load_script):
    return load_script("place")


def test_rows_of_50_voxels_do_not_feel_their_order_and_50_rows_do(study, generator):
    image = torch.rand(1, 1, 20, 20, 50, generator=generator)
    shuffled = study.shuffled_rows(image)
    short, long = (SlicedWassersteinLoss(20, embedding)(shuffled, image).item() for embedding in (50, 400))
    assert short == pytest.approx(0, abs=1e-6)
    assert long > 0.01 * SlicedWassersteinLoss(20, 400)(torch.zeros_like(image), image).item()


def test_every_reading_has_a_line(study):
    table = study.place(num_pairs=1, num_steps=1, num_projections=4)
    assert [line.split(" | ")[0].strip("| ") for line in table.splitlines()[2:]] == ["before", *study.READINGS]
