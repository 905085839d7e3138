"""What an inference registers."""

import json

import pytest

from common.data.inference_pairs import inference_pairs


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
