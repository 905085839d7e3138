import json

import pytest
import torch

from common.data.layouts.multi_contrast import multi_contrast_subjects
from common.data.volume import read_volume
from common.methods.mcd_pemd.disjoint_regions import split_length, write_regions
from common.world.files import save_image
from common.world.grid import Grid


@pytest.fixture
def leg(tmp_path):
    """T1 of 2 mm voxels whose intensity is the height, and a longer CT of 1 mm voxels, water in the middle."""
    low, high = torch.diag(torch.tensor([2.0, 2.0, 2.0, 1.0])), torch.eye(4)
    height = (2.0 * torch.arange(31)).expand(6, 5, 31)
    save_image(tmp_path / "T1.nii.gz", height, Grid((6, 5, 31), low))
    ct = torch.full((14, 12, 80), -1000.0)
    ct[2:8] = 40.0
    save_image(tmp_path / "CT.nii.gz", ct, Grid((14, 12, 80), high))
    return {contrast: tmp_path / f"{contrast}.nii.gz" for contrast in ("T1", "CT")}


def test_regions_keep_their_place_and_their_distance(tmp_path, leg):
    ranges = write_regions(leg, tmp_path / "limb", gap_mm=20)
    lower, upper = multi_contrast_subjects(tmp_path / "limb", ["T1", "CT"])
    assert (lower["subject"], upper["subject"]) == ("lower", "upper")
    last, first = (read_volume(s["T1"])[0, 2, 2, k].item() for s, k in ((lower, -1), (upper, 0)))
    assert first - last == pytest.approx(21.0)  # 20 slices of 1 mm lie between
    assert first == pytest.approx(ranges["upper"][0], abs=0.51)  # the 1 mm grid is centered on the coarse one


def test_contrasts_of_a_region_share_its_grid_and_air_is_0(tmp_path, leg):
    write_regions(leg, tmp_path / "limb")
    for subject in multi_contrast_subjects(tmp_path / "limb", ["T1", "CT"]):
        t1, ct = read_volume(subject["T1"]), read_volume(subject["CT"])
        assert t1.shape == ct.shape
        torch.testing.assert_close(t1.affine, ct.affine)
        assert (ct.min(), ct.max()) == (0.0, 1040.0)


def test_a_gap_without_room_is_refused_and_nothing_is_written(tmp_path, leg):
    with pytest.raises(ValueError, match=r"two regions within \d+ voxels.* gap of 62"):
        write_regions(leg, tmp_path / "limb", gap_mm=62)
    assert not (tmp_path / "limb").exists()


@pytest.mark.parametrize("share", [0.0, 1.0])
def test_an_empty_region_is_refused(share):
    with pytest.raises(ValueError, match="two regions"):
        split_length(100, share, 10)


def test_dataset_json_lists_relative_files(tmp_path, leg):
    write_regions(leg, tmp_path / "limb")
    content = json.loads((tmp_path / "limb" / "dataset.json").read_text(encoding="utf-8"))
    assert content["subjects"][0]["CT"] == "lower/CT.nii.gz"
