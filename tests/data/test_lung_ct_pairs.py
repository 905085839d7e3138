import json

import pytest

from common.data.lung_ct_pairs import lung_ct_pairs
from common.data.sample_chest import write_sample_chest


@pytest.fixture(scope="module")
def chest(tmp_path_factory):
    return write_sample_chest(tmp_path_factory.mktemp("chest"))


def test_masks_stay_beside_their_images(chest):
    assert lung_ct_pairs(**chest) == [chest]


def test_without_files_a_pair_is_generated(tmp_path):
    pair = lung_ct_pairs(output_dir=str(tmp_path))[0]
    assert {key: value.rpartition("/")[2] for key, value in pair.items()} == {
        "fixed": "exhale.nii.gz",
        "moving": "inhale.nii.gz",
    }


def test_list_may_name_masks(chest, tmp_path):
    (tmp_path / "pairs.json").write_text(json.dumps([chest]))
    assert lung_ct_pairs(dataset_dir=str(tmp_path / "pairs.json")) == [{**chest, "name": "pair0"}]


def test_a_pair_keeps_the_name_of_the_list(chest, tmp_path):
    (tmp_path / "pairs.json").write_text(json.dumps([{**chest, "name": "copd01"}]))
    assert lung_ct_pairs(dataset_dir=str(tmp_path / "pairs.json"))[0]["name"] == "copd01"


def test_masks_without_images_and_missing_masks_are_refused(chest):
    with pytest.raises(ValueError, match="expected fixed and moving beside fixed_mask"):
        lung_ct_pairs(fixed_mask=chest["fixed_mask"])
    with pytest.raises(FileNotFoundError, match="moving_mask: expected a NIfTI file"):
        lung_ct_pairs(chest["fixed"], chest["moving"], moving_mask="nothing.nii")


def test_a_moving_image_beside_a_list_is_refused(chest, tmp_path):
    listed = tmp_path / "pairs.json"
    listed.write_text(json.dumps([{"fixed": chest["fixed"], "moving": chest["moving"]}]))
    with pytest.raises(ValueError, match="fixed"):
        lung_ct_pairs(moving=chest["moving"], dataset_dir=str(listed))
