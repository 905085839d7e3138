"""The command line that puts data sets on disk."""

import ast
import json
import shlex
import tarfile
import zipfile
from importlib import import_module
from pathlib import Path
from urllib.error import URLError

import nibabel as nib
import numpy as np
import pytest
from monai.bundle import ConfigParser

from common.commands.cli import run
from common.data.layouts.decathlon import decathlon_subjects, decathlon_val_pairs
from common.data.layouts.learn2reg import learn2reg_pairs
from common.data.layouts.multi_contrast import multi_contrast_subjects

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def prepare_data():
    return import_module("common.commands.prepare")


def write_task(folder, numbers):
    names = [f"hippocampus_{number:03d}" for number in numbers]
    for kind in ("imagesTr", "labelsTr"):
        (folder / kind).mkdir(parents=True)
        for name in names:
            (folder / kind / f"{name}.nii.gz").write_bytes(b"image")
    entries = [{"image": f"./imagesTr/{name}.nii.gz", "label": f"./labelsTr/{name}.nii.gz"} for name in names]
    (folder / "dataset.json").write_text(json.dumps({"training": entries}))


def replace_download(tmp_path, prepare_data, monkeypatch, numbers):
    write_task(tmp_path / "source" / "Task04_Hippocampus", numbers)

    def download(url, filepath, hash_val, hash_type):
        with tarfile.open(filepath, "w") as archive:
            archive.add(tmp_path / "source" / "Task04_Hippocampus", "Task04_Hippocampus")

    monkeypatch.setattr(prepare_data, "download_url", download)


@pytest.fixture
def fake_download(tmp_path, prepare_data, monkeypatch):
    replace_download(tmp_path, prepare_data, monkeypatch, range(60))


def test_hippocampus_lands_with_the_split_of_every_figure(tmp_path, prepare_data, monkeypatch):
    replace_download(tmp_path, prepare_data, monkeypatch, range(400))
    message = prepare_data.hippocampus(str(tmp_path / "data"))
    parts = {part: decathlon_subjects(tmp_path / "data", part) for part in ("fit", "tune", "val")}
    assert "145 fit, 25 tune, 40 val, 50 val pairs" in message
    assert len({subject["subject"] for part in parts.values() for subject in part}) == 210
    val = {subject["subject"] for subject in parts["val"]}
    pairs = decathlon_val_pairs(tmp_path / "data")
    assert len(pairs) == 50
    assert {pair[side] for pair in pairs for side in ("fixed_subject", "moving_subject")} <= val


@pytest.mark.data
def test_the_split_is_that_of_the_data_at_hand(registration_data, tmp_path, prepare_data, monkeypatch):
    replace_download(tmp_path, prepare_data, monkeypatch, range(400))
    prepare_data.hippocampus(str(tmp_path / "data"))
    for name, key in (("splits.json", None), ("val_pairs.json", "pairs")):
        folders = tmp_path / "data", registration_data / "Task04_Hippocampus"
        ours, theirs = (json.loads((folder / name).read_text(encoding="utf-8")) for folder in folders)
        assert (ours[key] if key else ours) == (theirs[key] if key else theirs)


def test_an_archive_without_the_subjects_of_the_split_is_refused(tmp_path, prepare_data, fake_download):
    with pytest.raises(prepare_data.PrepareError, match=r"expected hippocampus_\d+ and \d+ more of hippocampus_split"):
        prepare_data.hippocampus(str(tmp_path / "data"))
    assert not (tmp_path / "data").exists()


@pytest.mark.parametrize("name", ["mine", "Task04_Hippocampus"])
def test_hippocampus_lands_with_a_split_and_pairs_of_val_subjects(tmp_path, prepare_data, fake_download, name):
    message = prepare_data.hippocampus(str(tmp_path / "data" / name), seed=1)
    folder = tmp_path / "data" / name
    assert [len(decathlon_subjects(folder, part)) for part in ("fit", "tune", "val")] == [42, 6, 12]
    val = {subject["subject"] for subject in decathlon_subjects(folder, "val")}
    pairs = decathlon_val_pairs(folder)
    assert len(pairs) == 50
    assert {pair["fixed_subject"] for pair in pairs} <= val
    assert "42 fit, 6 tune, 12 val, 50 val pairs" in message
    assert [entry.name for entry in (tmp_path / "data").iterdir()] == [name]


def test_the_papers_split_of_65_15_and_20_percent(tmp_path, prepare_data, fake_download):
    folder = tmp_path / "Task04_Hippocampus"
    prepare_data.hippocampus(str(folder), seed=0, tune=0.15, val=0.2)
    assert [len(decathlon_subjects(folder, part)) for part in ("fit", "tune", "val")] == [39, 9, 12]


def test_shares_without_a_seed_are_refused(tmp_path, prepare_data):
    with pytest.raises(prepare_data.PrepareError, match=r"expected a seed with the shares tune 0.15 and val 0.2"):
        prepare_data.hippocampus(str(tmp_path / "data"), tune=0.15)


def test_the_split_depends_on_the_seed_alone(tmp_path, prepare_data, fake_download):
    texts = []
    for number, seed in enumerate((1, 1, 2)):
        prepare_data.hippocampus(str(tmp_path / str(number)), seed=seed)
        texts.append((tmp_path / str(number) / "splits.json").read_text(encoding="utf-8"))
    assert texts[0] == texts[1] != texts[2]


def test_a_failed_download_is_explained_and_leaves_nothing(tmp_path, prepare_data, monkeypatch):
    def fail(url, filepath, hash_val, hash_type):
        filepath.write_bytes(b"half")
        raise URLError("no route to host")

    monkeypatch.setattr(prepare_data, "download_url", fail)
    message = r"Task04_Hippocampus\.tar: the download failed .*no route to host.*nothing was written"
    with pytest.raises(prepare_data.PrepareError, match=message):
        prepare_data.hippocampus(str(tmp_path / "data"))
    assert not list(tmp_path.iterdir())


def test_an_existing_folder_is_not_touched(tmp_path, prepare_data):
    (tmp_path / "mine.txt").write_text("mine")
    with pytest.raises(FileExistsError, match="expected a folder that does not exist yet"):
        prepare_data.hippocampus(str(tmp_path))
    assert (tmp_path / "mine.txt").read_text(encoding="utf-8") == "mine"


def test_sample_writes_the_multi_contrast_layout(tmp_path, prepare_data):
    prepare_data.sample(str(tmp_path / "data"), num_subjects=2, region="hippocampus")
    assert len(multi_contrast_subjects(tmp_path / "data", ("T1", "T2", "FLAIR"))) == 2


def test_learn2reg_explains_where_the_set_is_and_under_which_terms(prepare_data):
    text = prepare_data.learn2reg("NLST")
    assert "https://learn2reg.grand-challenge.org" in text
    assert "licence" in text
    assert "--archive ARCHIVE.zip --output_dir data/NLST" in text


def test_learn2reg_unpacks_and_checks_an_archive(tmp_path, prepare_data):
    image, pair = "imagesTr/a_0000.nii.gz", {"fixed": "imagesTr/a_0000.nii.gz", "moving": "imagesTr/a_0000.nii.gz"}
    content = {"training": [{"image": image}], "registration_val": [pair]}
    with zipfile.ZipFile(tmp_path / "set.zip", "w") as archive:
        archive.writestr("NLST2023/NLST_dataset.json", json.dumps(content))
        archive.writestr(f"NLST2023/{image}", "image")
    message = prepare_data.learn2reg("NLST", str(tmp_path / "set.zip"), str(tmp_path / "data"))
    assert "1 training images" in message
    assert len(learn2reg_pairs(tmp_path / "data")) == 1


@pytest.mark.parametrize("content", ["text", "empty zip", "no image"])
def test_learn2reg_refuses_another_archive_and_leaves_nothing(tmp_path, prepare_data, content):
    with zipfile.ZipFile(tmp_path / "set.zip", "w") as archive:
        if content == "no image":
            archive.writestr("dataset.json", '{"training": [{"image": "a.nii.gz"}]}')
    if content == "text":
        (tmp_path / "set.zip").write_text("text")
    with pytest.raises(prepare_data.PrepareError, match=r"set\.zip: expected the Learn2Reg set NLST, got"):
        prepare_data.learn2reg("NLST", str(tmp_path / "set.zip"), str(tmp_path / "data"))
    assert [entry.name for entry in tmp_path.iterdir()] == ["set.zip"]


def test_list_names_what_learn2reg_and_this_collection_have(prepare_data):
    text = prepare_data.list_sets()
    assert all(f"  {name} " in text for name in ("sample", "folder", *prepare_data.LEARN2REG_TASKS))


def test_the_command_line_ends_with_a_message_instead_of_a_traceback(capsys):
    with pytest.raises(SystemExit):
        run("prepare", ["learn2reg", "--task", "NLTS"])
    assert "error: task: there is no 'NLTS', did you mean 'NLST'" in capsys.readouterr().err


def unknown_options(command):
    """Options of a bundle's command that its configs do not have."""
    words = shlex.split(command)
    found = dict(zip(words[5::2], words[6::2], strict=True))
    files = found.pop("--config_file")
    names = ast.literal_eval(files) if files.startswith("[") else [files]
    config = ConfigParser.load_config_files([str(ROOT / name) for name in names])
    return [option for option in found if option.removeprefix("--") not in config]


def write_scans(folder, count, size, lowest=0.0):
    folder.mkdir()
    for number in range(count):
        volume = np.full((size, size, size), lowest, dtype=np.float32)
        volume[0] = 100
        nib.save(nib.Nifti1Image(volume, np.eye(4)), folder / f"case{number}.nii.gz")


@pytest.mark.parametrize(
    ("size", "lowest", "bundles"),
    [
        (20, 0.0, ["wasserstein_voxelmorph", "cyclical_self_training", "mine_voxelmorph"]),
        (70, 0.0, ["mine_voxelmorph"]),
        (70, -1000.0, ["cyclical_self_training"]),
    ],
    ids=["regions", "heads", "ct"],
)
def test_own_images_end_with_the_commands_that_train_on_them(tmp_path, prepare_data, size, lowest, bundles):
    write_scans(tmp_path / "scans", 6, size, lowest)
    message = prepare_data.folder(str(tmp_path / "scans"), str(tmp_path / "data"))
    first, _, *commands = message.splitlines()
    assert first == f"{tmp_path / 'data'}: 2 fit, 2 tune, 2 val"
    assert [command.partition("bundles/")[2].partition("/")[0] for command in commands] == bundles
    assert [unknown_options(command) for command in commands] == [[]] * len(bundles)


def test_contrasts_end_with_commands_that_hold_out_the_val_subjects(tmp_path, prepare_data):
    prepare_data.sample(str(tmp_path / "heads"), num_subjects=3, region="hippocampus", spacing=4)
    message = prepare_data.folder(str(tmp_path / "heads"), str(tmp_path / "data"))
    commands = message.splitlines()[2:]
    assert len(commands) == 2
    for command in commands:
        words = shlex.split(command)
        assert unknown_options(command) == []
        assert len(ast.literal_eval(words[words.index("--val_subjects") + 1])) == 1
