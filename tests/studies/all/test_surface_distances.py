"""Places of the largest surface distances: a known change is found where it was made."""

import pytest
import torch


@pytest.fixture(scope="module")
def study(load_script):
    return load_script("surface_distances")


def two_boxes(end: int = 28, middle: int = 16) -> torch.Tensor:
    """Two structures that touch at ``middle``, from voxel 4 to ``end`` along the second axis."""
    label = torch.zeros(16, 40, 16)
    label[2:14, 4:middle, 2:14] = 1
    label[2:14, middle:end, 2:14] = 2
    return label


@pytest.mark.parametrize(
    ("other", "place"),
    [(two_boxes(end=32), "front and back eighth"), (two_boxes(middle=20), "between the two structures")],
)
def test_the_largest_distance_lies_where_the_labels_differ(study, other, place):
    rows = torch.cat(study.distances_and_places(two_boxes(), other))
    distance, where = rows[rows[:, 0].argmax()]
    assert distance == 4
    assert study.PLACES[int(where)] == place
    assert study.mean(rows, study.PLACES.index("elsewhere")) < 1


def test_shares_of_all_places_add_up(study):
    rows = torch.cat(study.distances_and_places(two_boxes(), two_boxes(end=32)))
    assert sum(study.share(rows, k) for k in range(3)) == pytest.approx(1)
