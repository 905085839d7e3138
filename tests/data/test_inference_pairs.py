"""What an inference registers."""

import json
from functools import partial

import pytest

from common.data.inference_pairs import inference_pairs
from common.data.sample.chest import write_sample_chest

lung_ct_pairs = partial(inference_pairs, sample="chest")


@pytest.fixture
def listed(tmp_path):
    """Pairs of a list whose entries have these names, None for none."""

    def pairs(*names):
        (tmp_path / "a.nii.gz").write_bytes(b"content")
        entries = [
            dict.fromkeys(("fixed", "moving"), "a.nii.gz") | ({} if name is None else {"name": name}) for name in names
        ]
        (tmp_path / "pairs.json").write_text(json.dumps(entries))
        return inference_pairs(dataset_dir=str(tmp_path / "pairs.json"))

    return pairs


def test_the_name_in_the_list_names_the_folder_and_the_number_where_there_is_none(listed):
    assert [pair["name"] for pair in listed("knee", None)] == ["knee", "pair1"]
    assert [pair["name"] for pair in listed(*[None] * 11)][1] == "pair01"


def test_a_name_that_is_also_the_number_of_another_pair_is_refused(listed):
    with pytest.raises(ValueError, match=r"pairs\.json: expected every name once, got pair1 more often"):
        listed("pair1", None)


def test_a_list_beside_a_pair_and_half_a_pair_are_refused(tmp_path):
    with pytest.raises(ValueError, match="expected either fixed and moving or dataset_dir, got both"):
        inference_pairs(fixed="a.nii.gz", dataset_dir="pairs.json")
    with pytest.raises(ValueError, match="moving: expected a NIfTI file beside fixed, got none"):
        inference_pairs(fixed="a.nii.gz")


def test_sample_pair_of_an_inference_is_of_regions(tmp_path):
    (pair,) = inference_pairs(output_dir=str(tmp_path), sample="hippocampus")
    assert pair["fixed"].endswith("sample00/T1.nii.gz")
    assert pair["moving"].endswith("sample01/T1.nii.gz")


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
