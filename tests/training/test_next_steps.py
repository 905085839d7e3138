"""What a finished run says."""

import ast
import shlex
from pathlib import Path

import pytest
from monai.bundle import ConfigParser

from common.training.next_steps import after_evaluation, after_registration, after_training

ROOT = Path(__file__).parents[2]
BUNDLES = sorted(path.parents[1] for path in ROOT.glob("bundles/*/configs/inference.json"))


@pytest.fixture
def run(tmp_path, monkeypatch):
    """Folder of a finished training of a bundle of the repository, from whose root it was started."""
    monkeypatch.chdir(ROOT)
    (tmp_path / "model.pt").touch()
    (tmp_path / "training.pt").touch()
    return tmp_path


def commands(text):
    return [shlex.split(line[line.index("python -m") :])[3:] for line in text.splitlines() if "python -m" in line]


def parsed(words):
    """Run id, parsed configs and options of a bundle's command."""
    found = dict(zip(words[2::2], words[3::2], strict=True))
    files = found.pop("--config_file")
    names = ast.literal_eval(files) if files.startswith("[") else [files]
    return words[1], ConfigParser.load_config_files(names), found


def call_like_monai(function, *arguments, **override):
    def run(config_file, override):
        function(*arguments)

    run("train.json", override)


@pytest.mark.parametrize("bundle", BUNDLES, ids=lambda path: path.name)
def test_a_training_ends_with_commands_that_exist_and_take_its_weights(bundle, run, capsys):
    after_training(str(bundle), str(run))
    told = capsys.readouterr().out
    assert f"files: {run}: model.pt (weights), training.pt (to --resume)" in told
    assert f"tensorboard --logdir {run}" in told
    for words in commands(told):
        run_id, config, found = parsed(words)
        assert run_id in config
        assert found["--ckpt_path"] == f"{run}/model.pt"
        assert [name for name in found if name.removeprefix("--") not in config] == []
    assert [words[1] for words in commands(told)] == ["evaluating", "registering"]


def test_the_evaluation_gets_the_data_of_the_training_and_the_registration_does_not(run, capsys):
    given = {"dataset_dir": "data/heads", "val_subjects": ["a"], "max_epochs": 3}
    call_like_monai(after_training, "bundles/mcd_pemd", str(run), **given)
    (_, _, scored), (_, _, used) = map(parsed, commands(capsys.readouterr().out))
    assert scored == {"--ckpt_path": f"{run}/model.pt", "--dataset_dir": "data/heads", "--val_subjects": "['a']"}
    assert used.keys() == {"--ckpt_path", "--fixed", "--moving"}


def test_an_overlay_that_chooses_the_data_is_named_last(run, capsys):
    after_training("bundles/wasserstein_voxelmorph", str(run), "mr_us.json")
    first = commands(capsys.readouterr().out)[0]
    assert first[first.index("--config_file") + 1].endswith(
        "evaluate.json','bundles/wasserstein_voxelmorph/configs/mr_us.json']"
    )


def test_a_training_without_weights_offers_none(run, capsys):
    (run / "model.pt").unlink()
    after_training("bundles/mcd_pemd", str(run))
    assert commands(capsys.readouterr().out) == []


def test_an_evaluation_ends_with_its_files_and_the_weights_that_it_scored(run, capsys):
    (run / "scores.csv").touch()
    after_evaluation("bundles/mcd_pemd", str(run), "bundles/mcd_pemd/models/model.pt")
    told = capsys.readouterr().out
    assert f"files: {run}: scores.csv (a row per case)" in told
    assert parsed(commands(told)[0])[2]["--ckpt_path"] == "bundles/mcd_pemd/models/model.pt"


def test_a_registration_ends_with_its_files_and_the_same_pair_for_register_py(run, capsys):
    for name in ("warped", "field", "warped_label"):
        (run / f"{name}.nii.gz").touch()
    call_like_monai(after_registration, "bundles/mcd_pemd", str(run), fixed="a.nii.gz", moving="b.nii.gz")
    told = capsys.readouterr().out
    assert f"files: {run}: field.nii.gz, warped.nii.gz, warped_label.nii.gz" in told
    assert "scripts/register.py --fixed a.nii.gz --moving b.nii.gz --output_dir out --bundle mcd_pemd" in told


def test_many_pairs_end_with_their_folder_and_their_list(run, capsys):
    for name in ("pair0", "pair1"):
        (run / name).mkdir()
        (run / name / "field.nii.gz").touch()
    call_like_monai(after_registration, "bundles/mcd_pemd", str(run), dataset_dir="pairs.json")
    told = capsys.readouterr().out
    assert f"files: 2 folders in {run}: field.nii.gz" in told
    assert "scripts/register.py --pairs pairs.json" in told


def test_a_packaged_bundle_has_no_register_py(tmp_path, run, capsys):
    after_registration(str(tmp_path / "bundle"), str(run))
    assert "register.py" not in capsys.readouterr().out
