import multiprocessing
import os
from pathlib import Path

import pytest

from common.training.run_folder import FINISHED, run_folder


def test_first_run_gets_the_plain_name(tmp_path):
    folder = Path(run_folder(str(tmp_path), "train"))
    assert folder == tmp_path / "runs" / "train"
    assert folder.is_dir()


def test_same_process_gets_the_same_folder_until_it_writes(tmp_path):
    first = run_folder(str(tmp_path), "train")
    assert run_folder(str(tmp_path), "train") == first
    Path(first, "model.pt").write_text("weights")
    assert Path(run_folder(str(tmp_path), "train")).name == "train-2"


def test_files_of_another_run_are_never_shared(tmp_path):
    for number in range(1, 4):
        folder = Path(run_folder(str(tmp_path), "train"))
        assert folder.name == ("train" if number == 1 else f"train-{number}")
        assert [path.name for path in folder.iterdir()] == [".owner"]
        (folder / "deep").mkdir()
        (folder / "deep" / "note.txt").write_text("mine")


def test_file_of_that_name_is_left_alone(tmp_path):
    (tmp_path / "runs").mkdir()
    (tmp_path / "runs" / "train").write_text("a file, not a folder")
    assert Path(run_folder(str(tmp_path), "train")).name == "train-2"
    assert (tmp_path / "runs" / "train").read_text(encoding="utf-8") == "a file, not a folder"


def test_folder_reserved_by_a_living_process_is_left_to_it(tmp_path):
    (tmp_path / "runs" / "train").mkdir(parents=True)
    (tmp_path / "runs" / "train" / ".owner").write_text(str(os.getppid()))
    assert Path(run_folder(str(tmp_path), "train")).name == "train-2"


def test_empty_folder_of_a_dead_process_is_used_again(tmp_path):
    process = multiprocessing.get_context("fork").Process(target=run_folder, args=(str(tmp_path), "train"))
    process.start()
    process.join()
    assert Path(run_folder(str(tmp_path), "train")).name == "train"


def runs(folder, finished):
    """As many runs named train; those whose number is in the list have come to their end."""
    for number in (1, 2, 3):
        run = Path(run_folder(str(folder), "train"))
        (run / "training.pt").write_text("state")
        if number in finished:
            (run / FINISHED).touch()
    run_folder(str(folder), "train")  # reserved, but empty


@pytest.mark.parametrize(("finished", "name"), [((1, 2), "train-3"), ((2, 3), "train")])
def test_resume_returns_the_run_that_was_broken_off(tmp_path, finished, name):
    runs(tmp_path, finished)
    assert Path(run_folder(str(tmp_path), "train", resume=True)).name == name


@pytest.mark.parametrize(
    ("finished", "names"),
    [((2,), "2 that are broken off: train, train-3"), ((1, 2, 3), "3 that are finished: train, ")],
)
def test_resume_refuses_to_choose_between_runs(tmp_path, finished, names):
    runs(tmp_path, finished)
    with pytest.raises(ValueError, match=f"{names}.*--run_folder .*train-3"):
        run_folder(str(tmp_path), "train", resume=True)


def test_resume_ignores_other_names(tmp_path):
    Path(run_folder(str(tmp_path), "train-long"), "training.pt").write_text("state")
    with pytest.raises(FileNotFoundError, match="expected a run named 'train' to resume"):
        run_folder(str(tmp_path), "train", resume=True)


@pytest.mark.parametrize("name", ["", "..", "a/b"])
def test_name_with_separators_is_refused(tmp_path, name):
    with pytest.raises(ValueError, match="expected a run name without separators"):
        run_folder(str(tmp_path), name)


def test_several_processes_must_be_connected_first(tmp_path, monkeypatch):
    monkeypatch.setenv("WORLD_SIZE", "2")
    with pytest.raises(RuntimeError, match=r"torch.distributed to be initialized by all 2 processes"):
        run_folder(str(tmp_path), "train")
