"""A folder that appears complete or not at all."""

import pytest

from common.data.new_folder import new_folder


def test_the_folder_appears_with_its_content_and_nothing_else_stays(tmp_path):
    with new_folder(tmp_path / "deep" / "data") as folder:
        (folder / "a.txt").write_text("a")
        assert not (tmp_path / "deep" / "data").exists()
    assert (tmp_path / "deep" / "data" / "a.txt").read_text() == "a"
    assert [entry.name for entry in (tmp_path / "deep").iterdir()] == ["data"]


def test_the_folder_is_as_readable_as_one_made_by_hand(tmp_path):
    (tmp_path / "by_hand").mkdir()
    with new_folder(tmp_path / "data"):
        pass
    assert (tmp_path / "data").stat().st_mode == (tmp_path / "by_hand").stat().st_mode


def test_an_error_leaves_nothing(tmp_path):
    with pytest.raises(FileNotFoundError), new_folder(tmp_path / "data") as folder:
        (folder / "absent" / "a.txt").write_text("a")
    assert not list(tmp_path.iterdir())


def test_an_existing_folder_is_kept(tmp_path):
    with pytest.raises(FileExistsError, match="a folder that does not exist yet"), new_folder(tmp_path):
        pass
    assert tmp_path.exists()
