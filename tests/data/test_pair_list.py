"""The plain JSON list of pairs."""

import json

import pytest

from common.data.pair_list import PAIR_KEYS, read_pair_list


def write(folder, content):
    for name in ("a.nii.gz", "b.nii.gz", "p.csv"):
        (folder / name).write_bytes(b"content")
    (folder / "pairs.json").write_text(json.dumps(content))
    return folder / "pairs.json"


PAIR = {"fixed": "a.nii.gz", "moving": "b.nii.gz"}


@pytest.mark.parametrize("content", [[PAIR], {"pairs": [PAIR], "description": "mine"}])
def test_a_list_and_an_object_with_pairs_read_alike(tmp_path, content):
    assert read_pair_list(write(tmp_path, content)) == [
        {"fixed": str(tmp_path / "a.nii.gz"), "moving": str(tmp_path / "b.nii.gz")}
    ]


def test_every_optional_key_becomes_an_absolute_path(tmp_path):
    pair = dict.fromkeys(PAIR_KEYS, "a.nii.gz") | {"fixed_points": str(tmp_path / "p.csv")}
    (read,) = read_pair_list(write(tmp_path, [pair]))
    assert tuple(read) == PAIR_KEYS
    assert read["fixed_points"] == str(tmp_path / "p.csv")


def test_names_start_from_the_folder_of_the_json_whatever_the_working_directory(tmp_path, monkeypatch):
    path = write(tmp_path, [PAIR])
    (tmp_path / "elsewhere").mkdir()
    monkeypatch.chdir(tmp_path / "elsewhere")
    assert read_pair_list("../pairs.json") == read_pair_list(path)


def test_an_unknown_key_is_refused_with_the_likely_one(tmp_path):
    path = write(tmp_path, [PAIR, PAIR | {"fixed_lable": "a.nii.gz"}])
    with pytest.raises(
        ValueError, match=r"pairs\.json, pair 1: there is no key 'fixed_lable', did you mean 'fixed_label'"
    ):
        read_pair_list(path)


def test_a_missing_key_or_file_is_named(tmp_path):
    with pytest.raises(ValueError, match=r"pairs\.json, pair 0: .* moving is missing"):
        read_pair_list(write(tmp_path, [{"fixed": "a.nii.gz"}]))
    with pytest.raises(FileNotFoundError, match=r"pair 0, moving: expected the file .*c\.nii\.gz"):
        read_pair_list(write(tmp_path, [PAIR | {"moving": "c.nii.gz"}]))
    with pytest.raises(FileNotFoundError, match=r"absent\.json"):
        read_pair_list(tmp_path / "absent.json")


@pytest.mark.parametrize("content", [[], {}, {"pair": [PAIR]}, "text", [["a.nii.gz", "b.nii.gz"]]])
def test_another_form_is_refused(tmp_path, content):
    with pytest.raises(ValueError, match=r"pairs\.json.*: expected"):
        read_pair_list(write(tmp_path, content))


def test_a_path_that_is_no_text_is_refused(tmp_path):
    with pytest.raises(TypeError, match=r"pair 0, moving: expected a file name, got 3"):
        read_pair_list(write(tmp_path, [PAIR | {"moving": 3}]))


def test_a_name_is_kept_as_it_is_and_may_be_a_number(tmp_path):
    read = read_pair_list(write(tmp_path, [PAIR | {"name": "case 7"}, PAIR | {"name": 8}, PAIR]))
    assert [pair.get("name") for pair in read] == ["case 7", "8", None]


@pytest.mark.parametrize("name", ["", ".", "..", "a/b", "/a", "a/"])
def test_a_name_that_can_be_no_folder_is_refused(tmp_path, name):
    with pytest.raises(ValueError, match=r"pairs\.json, pair 0: expected a name that can be a folder"):
        read_pair_list(write(tmp_path, [PAIR | {"name": name}]))


def test_a_name_that_occurs_twice_is_refused(tmp_path):
    with pytest.raises(ValueError, match=r"pairs\.json: expected every name once, got a more often"):
        read_pair_list(write(tmp_path, [PAIR | {"name": "a"}, PAIR | {"name": "a"}]))
