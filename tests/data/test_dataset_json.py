"""Reading a description of a data set and resolving its files."""

import pytest

from common.data.dataset_json import existing_file, read_dataset_json


def test_a_relative_and_an_absolute_name_give_the_same_absolute_path(tmp_path):
    (tmp_path / "a.nii").write_bytes(b"image")
    assert existing_file(tmp_path, "./a.nii", "image") == existing_file("elsewhere", str(tmp_path / "a.nii"), "image")


def test_a_missing_file_comes_with_what_its_folder_holds(tmp_path):
    for number in range(8):
        (tmp_path / f"{number}.nii").touch()
    with pytest.raises(
        FileNotFoundError, match=r"expected the file .*a\.nii, but its folder holds 0\.nii, .* and 2 more"
    ):
        existing_file(tmp_path, "a.nii", "image")


@pytest.mark.parametrize("content", [b"", b"{", b"\xff\xfe"])
def test_what_is_no_json_is_refused_by_name(tmp_path, content):
    (tmp_path / "dataset.json").write_bytes(content)
    with pytest.raises(ValueError, match=r"dataset\.json: expected JSON"):
        read_dataset_json(tmp_path / "dataset.json")
