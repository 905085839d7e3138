import numpy as np
import pytest
import torch

from common.methods.cyclical_self_training_points.files import (
    check_clouds,
    read_keypoint_archive,
    read_keypoint_table,
    unit_mm,
    voxels_to_units,
)
from common.methods.cyclical_self_training_points.sample import sample_keypoint_pair
from common.world.grid import Grid


def pair(**changes):
    return {**sample_keypoint_pair(0, num_fixed=50, num_moving=70, num_landmarks=5), **changes}


def write(path, **changes):
    sample = pair()
    content = {"fixed_keypoints": sample["fixed_points"], "moving_keypoints": sample["moving_points"]}
    content |= {"mm_per_unit": sample["mm_per_unit"], **changes}
    np.savez(path, **{key: np.asarray(value) for key, value in content.items() if value is not None})
    return path


def test_archive_is_read_back(tmp_path):
    read = read_keypoint_archive(write(tmp_path / "a.npz"))
    assert torch.equal(read["moving_points"], pair()["moving_points"])
    assert "fixed_landmarks" not in read


def test_archive_without_scale_is_refused(tmp_path):
    with pytest.raises(ValueError, match=r"a.npz: expected mm_per_unit, got fixed_keypoints, moving_keypoints"):
        read_keypoint_archive(write(tmp_path / "a.npz", mm_per_unit=None))


def test_damaged_archive_is_refused_by_name(tmp_path):
    (tmp_path / "a.npz").write_bytes(b"PK no archive")
    with pytest.raises(ValueError, match=r"a.npz: expected a NumPy archive"):
        read_keypoint_archive(tmp_path / "a.npz")


@pytest.mark.parametrize("header", ["", "x,y,z\n"])
def test_table_with_and_without_names_is_read(tmp_path, header):
    path = tmp_path / "points.csv"
    path.write_text(header + "1,2,3\n4,5,6e0\n")
    assert read_keypoint_table(path).tolist() == [[1, 2, 3], [4, 5, 6]]


@pytest.mark.parametrize("text", ["", "1,2\n", "1,2,nan\n", "1,2,3\n4,5\n"])
def test_bad_table_is_refused_by_name(tmp_path, text):
    (tmp_path / "points.csv").write_text(text)
    with pytest.raises(ValueError, match=r"points.csv: expected"):
        read_keypoint_table(tmp_path / "points.csv")


def test_units_and_millimeters_agree_with_the_grid():
    grid = Grid((9, 5, 21), torch.diag(torch.tensor([2.0, 3.0, 1.0, 1.0])))
    ends = torch.tensor([[1.0, 2.0, 3.0], [5.0, 4.0, 20.0]])
    units = voxels_to_units(ends, grid)
    expected = (ends[1] - ends[0]) * torch.tensor(grid.spacing)
    assert torch.allclose((units[1] - units[0]) * unit_mm(grid), expected.float(), atol=1e-5)


def bad(**changes):
    return {key: (change(pair()[key]) if callable(change) else change) for key, change in changes.items()}


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        (bad(fixed_points=lambda x: x[:1]), "at least 2 points in fixed_points, got 1"),
        (bad(fixed_points=lambda x: torch.cat([x, x[:3]])), "distinct points in fixed_points, got 3 repeated"),
        (bad(moving_points=lambda x: x * float("nan")), "finite coordinates in moving_points"),
        (bad(moving_points=lambda x: 150 * x), r"moving_points in \[−1, 1\]"),
        (bad(moving_points=lambda x: x / 10), "clouds in one frame"),
        (bad(moving_points=lambda x: 0.3 * x + 0.7), "clouds in one frame"),
        (bad(fixed_points=lambda x: x[:, :2]), r"fixed_points of shape \(N, 3\)"),
        (bad(mm_per_unit=torch.tensor([1.0, -1.0, 1.0])), "three positive numbers"),
        (bad(moving_landmarks=lambda x: x[:2]), "landmarks"),
    ],
)
def test_unusable_clouds_are_refused_by_name(changes, message):
    with pytest.raises(ValueError, match=f"case_7: expected .*{message}"):
        check_clouds(pair(**changes), "case_7")


def test_sample_clouds_pass():
    check_clouds(pair(), "sample")
